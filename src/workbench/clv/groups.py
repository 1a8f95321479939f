"""Customer value by a group of customers such as their segment. Owns no value."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import polars as pl

from workbench import text
from workbench.errors import InputError, ParameterError, did_you_mean, problem

UNKNOWN_GROUP = "not known"


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupValue(text.Result):
    """Customer value by group.

    Attributes:
        table: A row for each group, the most valuable customers first: the group, ``customers``,
            ``clv_cents`` (mean of the group), ``share`` (of the customers) and
            ``share_of_value``.
        text: The group that holds most of the value.
    """


def value_by(
    value: pd.DataFrame | pl.DataFrame, customers: pd.DataFrame, column: str
) -> GroupValue:
    """Return the value of customers by group.

    Args:
        value: One row a customer with ``customer`` and ``clv_cents``, such as
            ``CustomerValue.frame``.
        customers: One row a customer with ``person_id`` and the group; a customer without a row
            is in the group "not known".
        column: The group.

    Raises:
        ParameterError: A column is missing.
        InputError: There is no value, or a customer has two rows.

    >>> value = pd.DataFrame({"customer": ["ann", "bob"], "clv_cents": [300.0, 100.0]})
    >>> people = pd.DataFrame({"person_id": ["ann", "bob"], "segment": ["loyal", "new"]})
    >>> value_by(value, people, "segment").text
    'Loyal hold 75.0% of the value with 50.0% of the customers.'
    """
    for name in ("person_id", column):
        if name not in customers.columns:
            hint = did_you_mean(name, customers.columns)
            raise ParameterError(
                problem("column", name, "must be one of the customers'", hint=hint)
            )
    values = value if isinstance(value, pl.DataFrame) else pl.from_pandas(value)
    if values.is_empty():
        raise InputError(f"{text.NOT_ENOUGH_DATA}: no customer has a value")
    groups = pl.from_pandas(customers[["person_id", column]]).cast(pl.String)
    if groups["person_id"].is_duplicated().any():
        raise InputError("customers must have one row each; some person_id occurs twice")
    total = float(values["clv_cents"].sum())
    table = (
        values.with_columns(pl.col("customer").cast(pl.String))
        .join(groups, left_on="customer", right_on="person_id", how="left")
        .with_columns(pl.col(column).fill_null(UNKNOWN_GROUP))
        .group_by(column)
        .agg(
            customers=pl.len().cast(pl.Int64),
            clv_cents=pl.col("clv_cents").mean(),
            share=pl.len() / values.height,
            share_of_value=pl.col("clv_cents").sum() / total if total else pl.lit(None, pl.Float64),
        )
        .sort("clv_cents", column, descending=[True, False])
        .to_pandas()
    )
    return GroupValue(table=table, text=_sentence(table, column))


def _sentence(table: pd.DataFrame, column: str) -> str:
    if table["share_of_value"].isna().all():
        return text.sentence(f"{text.NOT_ENOUGH_DATA}: the customers have no value in all")
    top = table.sort_values("share_of_value", kind="stable").iloc[-1]
    return text.sentence(
        f"{text.words(top[column])} hold {text.share(top['share_of_value'])} of the value with "
        f"{text.share(top['share'])} of the customers"
    )
