"""A number known before the trigger, cut in parts: a dimension for a fit by cell. Owns no likelihood.

Amounts and spend take a covariate as it is, by cross moments. Conversions and visits have no such sums, so for them
it is cut, and named as what it is: a dimension of parts, of which effects may depend too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.frames import Frame, as_polars, need_columns
from workbench.uplift.cells import UNKNOWN_LEVEL

_FEWEST, _MOST = 2, 9  # labels of more would not sort as their values do


@dataclass(frozen=True, kw_only=True, eq=False)
class CovariateParts(text.Result):
    """A covariate cut in parts.

    Attributes:
        table: A row a part: ``part`` (its label), ``above``, ``up_to``, ``customers``.
        text: How many parts there are, and that they are a dimension.
        name: The column that the parts stand in, for ``by``.
        column: The covariate.
        cuts: Where it is cut; a value on a cut belongs to the part below.
    """

    name: str
    column: str
    cuts: tuple[float, ...]

    def add_to(self, customers: Frame) -> pl.DataFrame:
        """Return customers with the column of their part; a missing value is in "not known".

        Raises:
            InputError: The covariate is missing or holds no numbers.
        """
        frame = as_polars(customers, "customers")
        labels = [UNKNOWN_LEVEL, *self.table["part"]]
        part = np.searchsorted(np.array(self.cuts), _values(frame, self.column), side="left")
        known = frame[self.column].cast(pl.Float64).is_finite().fill_null(value=False).to_numpy()
        told = [labels[k] for k in np.where(known, part + 1, 0)]
        return frame.with_columns(pl.Series(self.name, told, dtype=pl.String))


@checked
def covariate_in_parts(customers: Frame, column: str, *, parts: int = 4) -> CovariateParts:
    """Cut a covariate at its quantiles, to sharpen conversions and visits in :func:`fit_uplift`.

    Args:
        customers: A pandas, Polars or lazy frame: a row a customer.
        column: A number known before the trigger, such as visits before.
        parts: How many, about equally large; fewer where many customers have the same value.

    Returns:
        The parts; ``add_to`` gives customers of the experiment, and later ones, their part.

    Raises:
        InputError: The column is missing, holds no numbers, or has one value only.
        ParameterError: There are fewer than 2 parts, or more than 9.

    >>> shop = pl.DataFrame({"visits_before": [0, 0, 0, 1, 2, 3, 4, 9]})
    >>> cut = covariate_in_parts(shop, "visits_before", parts=2)
    >>> cut.name, cut.cuts
    ('visits_before in 2 parts', (1.5,))
    >>> cut.add_to(shop)[cut.name].unique().sort().to_list()
    ['1 of 2: up to 1.5', '2 of 2: above 1.5']
    """
    if not _FEWEST <= parts <= _MOST:
        raise ParameterError(problem("parts", parts, f"must be {_FEWEST} to {_MOST}"))
    frame = as_polars(customers, "customers")
    values = _values(frame, column)
    values = values[np.isfinite(values)]
    if len(values) == 0 or values.min() == values.max():
        raise InputError(f"{text.NOT_ENOUGH_DATA}: {column!r} has one value only, or none")
    at = np.unique(np.quantile(values, np.arange(1, parts) / parts))
    cuts = tuple(float(each) for each in at[at < values.max()])
    if not cuts:  # nearly everybody has the largest value
        cuts = (float(np.max(values[values < values.max()])),)
    low, high = (-np.inf, *cuts), (*cuts, np.inf)
    count = len(low)
    labels = [
        f"{k} of {count}: {f'up to {b:g}' if k == 1 else f'above {a:g}'}"
        for k, (a, b) in enumerate(zip(low, high, strict=True), 1)
    ]
    inside = np.bincount(np.searchsorted(np.array(cuts), values, side="left"), minlength=count)
    table = pd.DataFrame({"part": labels, "above": low, "up_to": high, "customers": inside})
    said = (
        f"{text.words(column)} is cut in {count} parts of {text.count(inside.min())} to "
        f"{text.count(inside.max())} customers: a dimension, of which effects may depend too"
    )
    return CovariateParts(
        table=table,
        text=text.sentence(said),
        name=f"{column} in {count} parts",
        column=column,
        cuts=cuts,
    )


def _values(frame: pl.DataFrame, column: str) -> np.ndarray:
    """Return the covariate, NaN where it is missing."""
    need_columns(frame.columns, [column], "frame of customers")
    kind = frame.schema[column]
    if not (kind.is_numeric() or kind == pl.Boolean):
        raise InputError(f"column {column!r} holds {str(kind).lower()}, must hold numbers")
    return frame[column].cast(pl.Float64).fill_null(np.nan).to_numpy()


__all__ = ["CovariateParts", "covariate_in_parts"]
