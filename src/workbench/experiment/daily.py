"""The effect of every day so far in a sequence, by the asymptotic form, bets or planned looks. Owns no verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
from scipy.stats import norm

from workbench.experiment.bounded import lift_by_betting
from workbench.experiment.effect import Parts
from workbench.experiment.moments import Moments
from workbench.experiment.sequences import Floats, always_valid
from workbench.experiment.spending import Family, plan_looks
from workbench.experiment.stacked import Effects, Stack, relative_effects
from workbench.experiment.units import ARM, Units

DAY = "·day"
"""Column of the day on which a unit became complete."""

Days = list[object]


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


def by_arm(
    moments: Mapping[tuple[object, ...], Mapping[str, Moments]],
) -> tuple[Days, dict[str, list[Mapping[str, Moments] | None]]]:
    """Return the days in order, and of each arm the moments of the units of each day.

    Args:
        moments: Moments by arm and day, and by metric.

    >>> one = {"m": Moments.of({"spend": [1.0, 2.0]})}
    >>> days, arms = by_arm({("a", 1): one, ("a", 3): one, ("b", 2): one})
    >>> days, [each is not None for each in arms["b"]]
    ([1, 2, 3], [False, True, False])
    """
    days: Days = sorted({key[1] for key in moments})  # type: ignore[type-var]  # days are of one ordered type
    arms = sorted({str(key[0]) for key in moments})
    return days, {arm: [moments.get((arm, day)) for day in days] for arm in arms}


def effects_by_day(
    treatment: Sequence[Mapping[str, Moments] | None],
    control: Sequence[Mapping[str, Moments] | None],
    metric: str,
    parts: Parts,
) -> Effects:
    """Return the relative effect on a metric of all units by the end of each day.

    >>> some = {"m": Moments.of({"y": [1.0, 2.0, 3.0]})}
    >>> effects_by_day([None, some], [some, some], "m", Parts(numerator="y")).value.tolist()
    [nan, 0.0]
    """
    stacks = [
        Stack.up_to([None if each is None else each[metric] for each in arm], parts.columns())
        for arm in (treatment, control)
    ]
    return relative_effects(stacks[0], stacks[1], parts)


def sequence_table(
    days: Days, arm: str, metric: str, found: Effects, how: Sequencing
) -> pd.DataFrame:
    """Return the sequence of a metric's relative effect, a row a day.

    >>> found = Effects(value=np.array([np.nan, 0.2]), error=np.array([np.nan, 0.05]),
    ...                 df=np.array([np.nan, 900]), n_treatment=np.array([0, 500]), n_control=np.array([0, 500]))
    >>> table = sequence_table([1, 2], "offer", "spend", found, Sequencing(0.05, 1000, 100))
    >>> table["low"].round(3).tolist(), table["units"].tolist()
    ([-inf, 0.048], [0, 1000])
    """
    value, error, units = found.value, found.error, found.n_treatment + found.n_control
    valid = always_valid(
        value, error, units, alpha=how.alpha, tightest=how.tightest, first=how.first
    )
    half = norm.isf(how.alpha / 2) * error
    return pd.DataFrame(
        {
            "day": days,
            "arm": arm,
            "metric": metric,
            "units": units.astype(np.int64),
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
