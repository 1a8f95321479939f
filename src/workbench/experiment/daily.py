"""The effect of every day so far: cumulative moments, estimates, sequences. Owns no verdict."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
from scipy.stats import norm

from workbench.errors import InputError
from workbench.experiment.bounded import lift_by_betting
from workbench.experiment.effect import Estimate, Parts, compare
from workbench.experiment.moments import Moments
from workbench.experiment.sequences import Floats, always_valid
from workbench.experiment.spending import Family, plan_looks
from workbench.experiment.units import ARM, Units

DAY = "·day"
"""Column of the day on which a unit became complete."""

Days = list[object]
Totals = Mapping[tuple[str, str], list[Moments | None]]
"""By arm and metric, the moments of all units complete by the end of each day."""


class Sequencing(NamedTuple):
    """How a sequence is made.

    Attributes:
        alpha: Chance that it ever misses.
        tightest: Units at which it is tightest.
        first: Units before which it says nothing.
    """

    alpha: float
    tightest: float
    first: int


def so_far(
    moments: Mapping[tuple[object, ...], Mapping[str, Moments]],
) -> tuple[Days, Totals]:
    """Return the days in order, and the moments up to each of them.

    Args:
        moments: Moments by arm and day, and by metric.

    >>> one = Moments.of({"spend": [1.0, 2.0]})
    >>> days, totals = so_far({("a", 1): {"m": one}, ("a", 3): {"m": one}, ("b", 2): {"m": one}})
    >>> days, [each and each.n for each in totals["b", "m"]]
    ([1, 2, 3], [None, 2, 2])
    """
    days: Days = sorted({key[1] for key in moments})  # type: ignore[type-var]  # days are of one ordered type
    totals: dict[tuple[str, str], list[Moments | None]] = {}
    for arm in sorted({str(key[0]) for key in moments}):
        by_day = [moments.get((arm, day)) for day in days]
        for name in next(iter(moments.values())):
            added = [None if each is None else each[name] for each in by_day]
            totals[arm, name] = list(itertools.accumulate(added, _plus))
    return days, totals


def _plus(total: Moments | None, more: Moments | None) -> Moments | None:
    if total is None or more is None:
        return more if total is None else total
    return total + more


def estimates(
    treatment: Sequence[Moments | None], control: Sequence[Moments | None], parts: Parts
) -> list[Estimate | None]:
    """Return the relative effect at each day; None while it has no value yet.

    >>> some = Moments.of({"y": [1.0, 2.0, 3.0]})
    >>> found = estimates([None, some], [some, some], Parts(numerator="y"))
    >>> found[0], found[1].value
    (None, 0.0)
    """
    found: list[Estimate | None] = []
    for treated, held in zip(treatment, control, strict=True):
        one = None
        if treated is not None and held is not None and min(treated.n, held.n) > 1:
            try:
                one = compare(treated, held, parts).relative
            except InputError:  # a denominator is still 0 in all: no level yet
                one = None
        found.append(one)
    return found


def sequence_table(
    days: Days, arm: str, metric: str, found: Sequence[Estimate | None], how: Sequencing
) -> pd.DataFrame:
    """Return the sequence of a metric's relative effect, a row a day.

    >>> one = Estimate(value=0.2, standard_error=0.05, df=900, n_treatment=500, n_control=500)
    >>> table = sequence_table([1, 2], "offer", "spend", [None, one], Sequencing(0.05, 1000, 100))
    >>> table["low"].round(3).tolist(), table["units"].tolist()
    ([-inf, 0.048], [0, 1000])
    """
    value, error, units = (
        np.array([np.nan if each is None else getattr(each, name) for each in found], dtype=float)
        for name in ("value", "standard_error", "n_treatment")
    )
    units = units + np.array([0 if each is None else each.n_control for each in found])
    valid = always_valid(
        value, error, np.nan_to_num(units), alpha=how.alpha, tightest=how.tightest, first=how.first
    )
    half = norm.isf(how.alpha / 2) * error
    return pd.DataFrame(
        {
            "day": days,
            "arm": arm,
            "metric": metric,
            "units": np.nan_to_num(units).astype(np.int64),
            "lift": value,
            "low": valid.low,
            "high": valid.high,
            "ordinary_low": value - half,
            "ordinary_high": value + half,
            "p_value": np.minimum.accumulate(valid.p_value),
        }
    )


def bets(
    units: Units, column: str, arm: str, days: Days, *, share: float, most: float, alpha: float
) -> tuple[Floats, Floats]:
    """Return the sequence of a relative effect from bets, at every day.

    Args:
        units: The units with their day in :data:`DAY`.
        column: The bounded metric.
        arm: The treated arm.
        days: The days in order.
        share: Stated share of the treated of it and the control.
        most: Its largest possible value, declared before the data.
        alpha: Chance that the sequence ever misses.
    """
    rows = (
        units.frame.filter(pl.col(ARM).is_in([arm, units.control]))
        .select(DAY, ARM, pl.col(column).cast(pl.Float64))
        .sort(DAY, maintain_order=True)
        .collect()
    )
    counts = rows.group_by(DAY).len().sort(DAY)
    low, high = lift_by_betting(
        rows[column].to_numpy(),
        (rows[ARM] == arm).to_numpy(),
        share,
        most,
        looks=counts["len"].cum_sum().to_list(),
        alpha=alpha,
    )
    place = np.searchsorted(counts[DAY].to_list(), days, side="right")  # type: ignore[call-overload]  # days are of one ordered type
    return np.concatenate([[-np.inf], low])[place], np.concatenate([[np.inf], high])[place]


def planned_bounds(
    table: pd.DataFrame, family: Family, planned: int, alpha: float
) -> tuple[Floats, Floats]:
    """Return z of each day and its bound, by the share of the planned units that are complete.

    A day that adds no unit, or comes after the planned units, is no look: its bound is not a number.
    """
    share = np.minimum(table["units"].to_numpy() / planned, 1.0)
    looks = np.diff(share, prepend=0.0) > 0
    bound = np.full(len(share), np.nan)
    if looks.any():
        bound[looks] = plan_looks(list(share[looks]), alpha=alpha, family=family).bounds
    half = (table["ordinary_high"] - table["ordinary_low"]).to_numpy() / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        z = table["lift"].to_numpy() / (half / norm.isf(alpha / 2))
    return np.asarray(z, dtype=np.float64), bound
