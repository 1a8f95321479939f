"""Frames that a caller brings: pandas, Polars or lazy, made Polars and checked. Owns no column's meaning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias, Union

import polars as pl

from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.text import NOT_ENOUGH_DATA

if TYPE_CHECKING:
    import pandas as pd

Frame: TypeAlias = Union["pd.DataFrame", pl.DataFrame, pl.LazyFrame]
"""What a caller may bring: a pandas, Polars or lazy frame."""

UNKNOWN_GROUP = "not known"
"""The group of who is in none."""


def as_polars(frame: Frame, name: str = "frame") -> pl.DataFrame:
    """Return a pandas, Polars or lazy frame as a Polars frame.

    Args:
        frame: The frame; it is not changed.
        name: What errors call it.

    Raises:
        ParameterError: It is not a frame.
        InputError: A column of it cannot be read as one type.

    >>> import pandas as pd
    >>> as_polars(pd.DataFrame({"n": [1, 2]}))["n"].to_list()
    [1, 2]
    >>> as_polars([1, 2], "customers")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: customers was [1, 2], must be a pandas or Polars frame
    """
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    if not isinstance(frame, pd.DataFrame):
        raise ParameterError(problem(name, frame, "must be a pandas or Polars frame"))
    columns = [str(column) for column in frame.columns]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise InputError(f"{name} has the column {twice[0]!r} twice")
    return pl.DataFrame(
        {column: _series(frame.iloc[:, place]) for place, column in enumerate(columns)}
    )


def _series(column: pd.Series) -> pl.Series:
    """Return a pandas column as a Polars one; a mixed column is an error that names it."""
    try:
        return pl.Series(pl.from_pandas(column))
    except Exception as error:  # noqa: BLE001 - pyarrow and Polars raise many kinds for a mixed column
        first = str(error).splitlines()[0]
        raise InputError(f"column {column.name!r} cannot be read as one type: {first}") from None


def need_columns(known: Iterable[str], names: Iterable[str], name: str = "frame") -> None:
    """Check that columns are there.

    Args:
        known: The columns of the frame.
        names: Those that are needed.
        name: What errors call the frame.

    Raises:
        InputError: One of them is missing.

    >>> need_columns(["customer", "day"], ["custmer"])
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: the frame has no column 'custmer' — did you mean 'customer'?
    """
    there = list(known)
    for column in names:
        if column not in there:
            raise InputError(f"the {name} has no column {column!r}{did_you_mean(column, there)}")


def groups_of(customers: Frame, column: str) -> pl.DataFrame:
    """Return the group of each customer, after checking that each has one row.

    Args:
        customers: One row a customer, with ``person_id`` and the group.
        column: Column of the group.

    Returns:
        ``person_id`` and ``group``, both text; the group of who has none is "not known".

    Raises:
        ParameterError: ``customers`` is no frame, or a column is missing.
        InputError: There is no customer, one has no ``person_id``, or one has two rows.

    >>> people = pl.DataFrame({"person_id": ["ann", "bob"], "segment": ["loyal", None]})
    >>> groups_of(people, "segment").rows()
    [('ann', 'loyal'), ('bob', 'not known')]
    """
    frame = as_polars(customers, "customers")
    for name in ("person_id", column):
        if name not in frame.columns:
            rule = f"must be one of {', '.join(frame.columns) or 'the columns of customers'}"
            hint = did_you_mean(str(name), frame.columns)
            raise ParameterError(problem("column", name, rule, hint=hint))
    if frame.is_empty():
        raise InputError(f"{NOT_ENOUGH_DATA}: there is no customer")
    groups = frame.select(
        pl.col("person_id").cast(pl.String),
        group=pl.col(column).cast(pl.String).fill_null(UNKNOWN_GROUP),
    )
    if groups["person_id"].null_count():
        raise InputError("customers must each have a person_id; some row has none")
    if groups["person_id"].is_duplicated().any():
        raise InputError("customers must have one row each; some person_id occurs twice")
    return groups


def nobody_of(customers: pl.Series, groups: pl.DataFrame) -> str:
    """Say that the customers of a model and those of a table have nobody in common.

    >>> nobody_of(pl.Series([1.0]), pl.DataFrame({"person_id": ["1"]}))
    "nobody in customers is a customer of the model: person_id is such as '1', those of the model such as '1.0'; are the identifiers those of the purchases?"
    """
    mine = customers.cast(pl.String)[0]
    return (
        f"nobody in customers is a customer of the model: person_id is such as "
        f"{groups['person_id'][0]!r}, those of the model such as {mine!r}; "
        "are the identifiers those of the purchases?"
    )
