"""Moments of units: count, means and centred products, in one pass, mergeable. Owns no effect.

A read-out needs nothing else of the rows but for quantiles. Moments of disjoint units add up to the
moments of all of them, so a cohort that is complete need never be read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.text import NOT_ENOUGH_DATA

Floats = npt.NDArray[np.float64]

_COUNT = "__units"
_GLIMPSE = 1_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """What a read-out needs to know of some units.

    Attributes:
        names: The d columns.
        n: Units.
        mean: Their mean, of length d.
        products: Sums of centred products, d × d: ``(x − mean)ᵀ (x − mean)``.
        low: Smallest value of each column; None when it was not looked for.
        high: Largest value of each column; None when it was not looked for.

    Source: Chan, Golub and LeVeque 1983 for the merge.

    >>> head = Moments.of({"spend": [1.0, 2.0]})
    >>> tail = Moments.of({"spend": [6.0]})
    >>> both = head + tail
    >>> both.n, both.mean.tolist(), both.covariance().tolist()
    (3, [3.0], [[7.0]])
    """

    names: tuple[str, ...]
    n: int
    mean: Floats
    products: Floats
    low: Floats | None = None
    high: Floats | None = None

    @classmethod
    def of(cls, columns: Mapping[str, npt.ArrayLike]) -> Moments:
        """Return the moments of rows in memory, given as columns of one length.

        Raises:
            InputError: There is no row.
        """
        rows = np.column_stack([np.asarray(each, dtype=float) for each in columns.values()])
        if not len(rows):
            raise InputError(f"{NOT_ENOUGH_DATA}: there is no unit")
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(
            names=tuple(columns),
            n=len(rows),
            mean=mean,
            products=centred.T @ centred,
            low=rows.min(axis=0),
            high=rows.max(axis=0),
        )

    def __add__(self, other: Moments) -> Moments:
        """Return the moments of the units of both, which must be disjoint."""
        if self.names != other.names:
            raise ParameterError(
                problem("names", other.names, f"must be those of the other moments, {self.names}")
            )
        n = self.n + other.n
        if not n:
            return self
        gap = other.mean - self.mean
        return Moments(
            names=self.names,
            n=n,
            mean=self.mean + gap * (other.n / n),
            products=self.products + other.products + np.outer(gap, gap) * (self.n * other.n / n),
            low=_both(np.minimum, self.low, other.low),
            high=_both(np.maximum, self.high, other.high),
        )

    def __getitem__(self, name: str) -> float:
        """Return the mean of a column."""
        return float(self.mean[self.place(name)])

    def place(self, name: str) -> int:
        """Return the place of a column.

        Raises:
            ParameterError: There is no such column.
        """
        if name not in self.names:
            rule = f"must be one of {', '.join(self.names)}"
            raise ParameterError(problem("column", name, rule, hint=did_you_mean(name, self.names)))
        return self.names.index(name)

    def select(self, names: Sequence[str]) -> Moments:
        """Return the moments of some of the columns, in this order."""
        places = [self.place(name) for name in names]
        return Moments(
            names=tuple(names),
            n=self.n,
            mean=self.mean[places],
            products=self.products[np.ix_(places, places)],
            low=None if self.low is None else self.low[places],
            high=None if self.high is None else self.high[places],
        )

    def farthest(self, name: str) -> float:
        """Return how far the farthest unit is from the mean of a column; NaN if not looked for."""
        place = self.place(name)
        if self.low is None or self.high is None:
            return float("nan")
        return float(max(self.high[place] - self.mean[place], self.mean[place] - self.low[place]))

    def covariance(self, ddof: int = 1) -> Floats:
        """Return the covariance of the columns over units, d × d.

        Raises:
            InputError: There are not more than ``ddof`` units.
        """
        if self.n <= ddof:
            rule = f"a variance needs at least {ddof + 1} units, was {self.n}"
            raise InputError(f"{NOT_ENOUGH_DATA}: {rule}")
        return self.products / (self.n - ddof)


def collect_moments(
    units: pl.LazyFrame,
    by: Sequence[str],
    columns: Mapping[str, pl.Expr],
    blocks: Mapping[str, Sequence[str]],
) -> dict[tuple[object, ...], dict[str, Moments]]:
    """Return the moments of each block of columns in each group, in one pass over the units.

    Only products within a block are added up. Columns are shifted by the mean of the first rows
    before they are multiplied, so that a large mean does not drown a small variance.

    Args:
        units: One row a unit.
        by: Columns of the group, such as the arm and a segment.
        columns: Every column of a block, as an expression over ``units`` that has no null.
        blocks: Names of the columns of each block, such as one a metric.

    Returns:
        For each group the moments by block; a value that is not finite makes them not finite.

    >>> frame = pl.LazyFrame({"arm": ["a", "a", "b"], "spend": [1.0, 3.0, 5.0]})
    >>> found = collect_moments(frame, ["arm"], {"spend": pl.col("spend")}, {"m": ["spend"]})
    >>> found["a",]["m"].n, found["a",]["m"]["spend"]
    (2, 2.0)
    """
    names = list(columns)
    numbers = {name: columns[name].cast(pl.Float64) for name in names}
    shift = _shift(units, numbers)
    pairs = sorted(
        {
            (names.index(one), names.index(other))
            for block in blocks.values()
            for one in block
            for other in block
            if names.index(one) <= names.index(other)
        }
    )
    shifted = [numbers[name] - shift[name] for name in names]
    aggregates = [pl.len().alias(_COUNT)]
    aggregates += [each.sum().alias(f"s{place}") for place, each in enumerate(shifted)]
    for place, name in enumerate(names):
        aggregates += [
            numbers[name].min().alias(f"l{place}"),
            numbers[name].max().alias(f"h{place}"),
        ]
    aggregates += [(shifted[i] * shifted[j]).sum().alias(f"p{i}_{j}") for i, j in pairs]
    rows = units.group_by(by).agg(aggregates).collect(engine="streaming")
    found: dict[tuple[object, ...], dict[str, Moments]] = {}
    for row in rows.sort(by).iter_rows(named=True):
        key = tuple(row[each] for each in by)
        found[key] = {
            block: _moments(row, names, members, shift) for block, members in blocks.items()
        }
    return found


def _both(pick: np.ufunc, one: Floats | None, other: Floats | None) -> Floats | None:
    """Return the smaller or larger of what both have."""
    return None if one is None or other is None else np.asarray(pick(one, other))


def _shift(units: pl.LazyFrame, numbers: Mapping[str, pl.Expr]) -> dict[str, float]:
    """Return a constant near the mean of each column; any finite constant would be right."""
    if not numbers:
        return {}
    glimpse = units.head(_GLIMPSE).select(
        **{name: each.filter(each.is_finite()).mean() for name, each in numbers.items()}
    )
    return {name: value or 0.0 for name, value in glimpse.collect().row(0, named=True).items()}


def _moments(
    row: Mapping[str, float],
    names: Sequence[str],
    members: Sequence[str],
    shift: Mapping[str, float],
) -> Moments:
    """Return the moments of a block from the sums of a group."""
    n = int(row[_COUNT])
    places = [names.index(name) for name in members]
    sums = np.array([row[f"s{place}"] for place in places], dtype=float)
    raw = np.array(
        [[row[f"p{min(i, j)}_{max(i, j)}"] for j in places] for i in places], dtype=float
    ).reshape(len(places), len(places))
    with np.errstate(invalid="ignore"):  # a value that is not finite is for the caller to refuse
        products = raw - np.outer(sums, sums) / n
    low, high = (np.array([row[f"{end}{place}"] for place in places]) for end in ("l", "h"))
    # What is the same for every unit has no rounding left of the shift: a mean of 0 is 0.
    same = (low == high) & np.isfinite(sums)  # smallest and largest pass over what is not a number
    mean = np.where(same, low, np.array([shift[name] for name in members]) + sums / n)
    products[same, :] = products[:, same] = 0.0
    return Moments(names=tuple(members), n=n, mean=mean, products=products, low=low, high=high)
