"""A fit against purchases it has not seen: the holdout check and weekly tracking. Owns no model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.clv.fit import ClvFit
from workbench.clv.limits import GateLimits
from workbench.clv.models import expected_purchases, expected_purchases_new
from workbench.clv.rows import collapse
from workbench.clv.summary import DAYS_PER_UNIT, RfmSummary
from workbench.errors import InputError, ParameterError, problem
from workbench.gates import Check, Gate, gate

Floats = npt.NDArray[np.float64]

_GROUPS = 8
_FEWEST_COMPARED = 2
_DAYS_PER_WEEK = 7
_TRACKED_DRAWS = 50


@dataclass(frozen=True, kw_only=True, eq=False)
class HoldoutCheck(text.Result):
    """Expected against actual purchases in the holdout.

    Attributes:
        expected: Sum of E[Y(holdout) | history] over customers.
        actual: Purchase days they had in the holdout.
        ratio: expected / actual.
        correlation: Of expected and actual over customers; NaN when one of them is constant.
        gate: Whether the ratio is near enough to 1.
        table: The same by frequency in the observation.
        text: The comparison and the gate in sentences.
    """

    expected: float
    actual: int
    ratio: float
    correlation: float
    gate: Gate


@dataclass(frozen=True, kw_only=True, eq=False)
class Tracking(text.Result):
    """Expected against actual repeat purchases week by week.

    Attributes:
        table: ``number`` of the week, ``week`` (its first day), ``actual`` and ``expected`` in it,
            both cumulative, and ``held_out`` (the week ends after the observation).
        ratio: Expected / actual, cumulative, at the last week.
        text: That in a sentence.
    """

    ratio: float


@checked
def holdout_check(
    fit: ClvFit, summary: RfmSummary | None = None, *, limits: GateLimits | None = None
) -> HoldoutCheck:
    """Compare expected and actual purchases of the fitted customers in the holdout.

    Args:
        fit: A fit.
        summary: A summary with a holdout; default the one that was fitted.
        limits: ``max_holdout_error`` is used.

    Returns:
        Both sums, their ratio, and whether it is near enough to 1.

    Raises:
        InputError: The summary has no holdout, or nobody bought in it.

    >>> check = holdout_check(fit)
    >>> check.actual, round(check.ratio, 2)
    (1882, 0.88)
    """
    summary, limits = summary or fit.summary, limits or GateLimits()
    if summary.holdout_days is None:
        raise InputError("the summary has no holdout; make it with holdout_days=…")
    if summary.unit != fit.unit:
        rule = f"must be the unit of the fit, {fit.unit!r}"
        raise ParameterError(problem("unit of the summary", summary.unit, rule))
    frame = summary.frame.with_columns(expected=pl.Series(_expected(fit, summary)))
    actual, expected = int(frame["frequency_holdout"].sum()), float(frame["expected"].sum())
    if actual == 0:
        raise InputError(f"{text.NOT_ENOUGH_DATA}: no customer bought in the holdout")
    ratio = expected / actual
    error = limits.max_holdout_error
    passed = gate(
        [
            Check(
                "expected / actual",
                text.number(ratio, 3),
                f"between {1 - error:g} and {1 + error:g}",
                abs(ratio - 1) <= error,
            )
        ],
        "holdout",
    )
    by_frequency = _by_frequency(frame)
    error_said = f"the model expected {text.count(expected)} ({text.change(ratio - 1)})"
    said = (
        f"in the {text.days(summary.holdout_days)} that the model had not seen, "
        f"{text.plural(frame.height, 'customer')} bought on {text.count(actual)} days; {error_said}"
    )
    return HoldoutCheck(
        expected=expected,
        actual=actual,
        ratio=ratio,
        correlation=_correlation(frame["expected"], frame["frequency_holdout"]),
        gate=passed,
        table=by_frequency,
        text=" ".join([text.sentence(said), _verdict(passed, error), _worst(by_frequency)]).strip(),
        headline=f"In the days held out the model expected {_more(ratio)} purchases than were made",
    )


def _expected(fit: ClvFit, summary: RfmSummary) -> Floats:
    """Return the purchases expected of each customer in the holdout, a mean over the draws."""
    rows = fit.rows
    if summary is not fit.summary:
        frame = summary.frame
        rows = collapse(frame["frequency"], frame["recency"], frame["T"])
    time = float(summary.frame["duration_holdout"][0])
    draws, total = fit.purchase_draws(), np.zeros(len(rows))
    for at in draws:
        total += expected_purchases(fit.model, at, time, rows.x, rows.t_x, rows.age)
    mean: Floats = total[rows.row_of] / len(draws)
    return mean


def _verdict(passed: Gate, error: float) -> str:
    """Say whether the total may be believed; when not, with the value and the limit."""
    if not passed.passed:
        return passed.text
    return text.sentence(f"the total is within the {text.share(error, 0)} that the check allows")


def _more(ratio: float) -> str:
    """Return how much more or fewer, as a title says it.

    >>> _more(1.0089), _more(0.97)
    ('0.9% more', '3.0% fewer')
    """
    return f"{text.share(abs(ratio - 1))} {'more' if ratio >= 1 else 'fewer'}"


def _worst(by_frequency: pd.DataFrame) -> str:
    """Say where the model is farthest off: a total can hide what its groups do."""
    off = (by_frequency["ratio"] - 1).abs()
    if len(by_frequency) < _FEWEST_COMPARED or off.isna().all():
        return ""
    worst = by_frequency.iloc[int(np.nanargmax(off.to_numpy()))]
    return text.sentence(
        f"farthest off are the {text.plural(worst['customers'], 'customer')} with "
        f"{worst['repeat_purchases']} repeat purchases before: {text.number(worst['expected'])} each "
        f"expected, {text.number(worst['actual'])} made"
    )


@checked
def tracking(
    fit: ClvFit, summary: RfmSummary | None = None, *, weeks: int | None = None
) -> Tracking:
    """Compare expected and actual repeat purchases by week since the first purchase of anybody.

    Week k is the days from 7(k−1) up to, not including, 7k after that day. Expected is the sum of
    E[X(t)] over customers by their first purchase, as for new customers: it uses no history, so
    it shows the fit within the observation and the forecast after it.

    Args:
        fit: A fit.
        summary: The summary made from purchases; default the one that was fitted.
        weeks: How many; default every whole week in the observation and the holdout.

    Returns:
        A row for each week, and the ratio of the sums.

    Raises:
        InputError: The summary came as a frame and has no days.
        ParameterError: There are not so many whole weeks of data.

    >>> len(tracking(fit).table)
    78
    """
    summary = summary or fit.summary
    if summary.until is None:
        raise InputError("tracking needs the days of purchases; make the summary by rfm_summary")
    per_unit = DAYS_PER_UNIT[summary.unit]
    age_days = np.rint(summary.frame["T"].to_numpy() * per_unit)
    observed_days = int(age_days.max())
    start = summary.until - timedelta(days=observed_days)
    most = (observed_days + 1 + (summary.holdout_days or 0)) // _DAYS_PER_WEEK
    weeks = most if weeks is None else weeks
    if not 1 <= weeks <= most:
        raise ParameterError(
            problem("weeks", weeks, f"must be 1 to {most}, the whole weeks of data")
        )
    ends = np.arange(1, weeks + 1, dtype=np.float64) * _DAYS_PER_WEEK
    expected = np.mean(
        [
            expected_cumulative(
                partial(_expected_new, fit, tuple(at)), observed_days - age_days, ends
            )
            for at in fit.purchase_draws(_TRACKED_DRAWS)
        ],
        axis=0,
    )
    day = (summary.repeats["day"] - start).dt.total_days().to_numpy()
    counts = summary.repeats["repeat_purchases"].to_numpy()
    actual = np.array([int(counts[day < end].sum()) for end in ends])
    if actual[-1] == 0:
        raise InputError(f"{text.NOT_ENOUGH_DATA}: no repeat purchase in {weeks} weeks")
    first_days = [start + timedelta(days=int(end) - _DAYS_PER_WEEK) for end in ends]
    last_days = [start + timedelta(days=int(end) - 1) for end in ends]
    table = pd.DataFrame(
        {
            "number": np.arange(1, weeks + 1),
            "week": pd.to_datetime(first_days),
            "actual": np.diff(actual, prepend=0),
            "expected": np.diff(expected, prepend=0.0),
            "actual_cumulative": actual,
            "expected_cumulative": expected,
            "held_out": [day > summary.until for day in last_days],
        }
    )
    ratio = float(expected[-1] / actual[-1])
    said = (
        f"after {text.plural(weeks, 'week')} customers had bought again on "
        f"{text.count(float(actual[-1]))} days; the model expected {text.count(float(expected[-1]))} "
        f"({text.change(ratio - 1)})"
    )
    return Tracking(
        table=table,
        ratio=ratio,
        text=text.sentence(said),
        headline=f"Over all weeks the model expected {_more(ratio)} purchases than were made",
    )


def expected_cumulative(
    expectation: Callable[[Floats], Floats], first_days: Floats, ends: Floats
) -> Floats:
    """Return the repeat purchases that customers are expected to make up to each end.

    Args:
        expectation: E[X(t)] of a new customer, t in days.
        first_days: Day of the first purchase of each customer, from 0.
        ends: Days up to which (not including them) purchases count.

    >>> expected_cumulative(lambda days: days / 10, np.array([0.0, 5.0]), np.array([7.0, 14.0]))
    array([0.9, 2.3])
    """
    starts, customers = np.unique(first_days, return_counts=True)
    ages = np.maximum(ends[:, None] - starts[None, :], 0.0)
    total: Floats = expectation(ages) @ customers
    return total


def _expected_new(fit: ClvFit, at: tuple[float, ...], days: Floats) -> Floats:
    return expected_purchases_new(fit.model, at, days / fit.days_per_unit)


def _by_frequency(frame: pl.DataFrame) -> pd.DataFrame:
    """Return means by frequency in the observation, in groups of like size.

    Customers with one purchase day are a group; the others are split at eighths of their frequency.
    """
    frequency = frame["frequency"]
    repeat = frequency.filter(frequency > 0)
    quantiles = [repeat.quantile(k / _GROUPS, interpolation="lower") for k in range(1, _GROUPS)]
    starts = sorted({0, 1, *(int(edge) for edge in quantiles if edge is not None)})
    starts = [start for start in starts if start <= int(frequency.to_numpy().max())]
    ends = [*(edge - 1 for edge in starts[1:]), int(frequency.to_numpy().max())]
    group = np.searchsorted(starts, frequency.to_numpy(), side="right") - 1
    rows = (
        frame.with_columns(group=pl.Series(group))
        .group_by("group")
        .agg(
            customers=pl.len(),
            actual=pl.col("frequency_holdout").mean(),
            expected=pl.col("expected").mean(),
            ratio=pl.when(pl.col("frequency_holdout").sum() > 0).then(
                pl.col("expected").sum() / pl.col("frequency_holdout").sum()
            ),
        )
        .sort("group")
        .to_dict(as_series=False)
    )
    labels = [
        str(starts[k]) if starts[k] == ends[k] else f"{starts[k]}–{ends[k]}"
        for k in rows.pop("group")
    ]
    return pd.DataFrame({"repeat_purchases": labels, **rows})


def _correlation(left: pl.Series, right: pl.Series) -> float:
    a, b = left.to_numpy().astype(float), right.to_numpy().astype(float)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
