"""A world fitted to the marginals of a real log's purchases. Owns no comparison.

What is fitted is the life that happens anyway. What offers do is no marginal: a log without an
experiment does not say it, so the world's responses stay those of the template.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

from workbench import text
from workbench.arguments import checked
from workbench.calibration.marginals import purchases_of
from workbench.dayparts import DAYPARTS
from workbench.decision.context import WEEKDAYS
from workbench.errors import InputError
from workbench.log import Log
from workbench.world import World

_LEAST_WEEKS = 4
_MOST_SETTLED_WEEKS = 4
_LEAST_CUSTOMERS = 10
_HOURS = 24
_MOST_A_DAY = 20.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated(text.Result):
    """A world fitted to a log.

    Attributes:
        table: A row a figure that was fitted: ``figure``, ``value`` and ``fitted_to``.
        text: What the world is like.
        world: The world, ready to simulate.
    """

    world: World


@checked
def calibrate_world(log: Log) -> Calibrated:
    """Fit the life that happens anyway in a world to the marginals of a log's purchases.

    The rate of visits is gamma over customers, by the mean and variance of their purchases (negative
    binomial, by moments); customers leave at a constant rate, by the decline of the purchases of
    those seen in the first four weeks (of a short log, its first third); as many are new a day as are first seen in the last quarter of
    the log, by when those who were there have been seen; baskets are log-normal between and within customers; hours
    and weekdays have the shares of the log. Customers whom the log never saw are not in it, so that
    very rare visitors are missed.

    Args:
        log: A log with at least four whole weeks and ten customers of purchases.

    Returns:
        A world of one segment and one store, with the log's number of customers and days.

    Raises:
        InputError: The log is too short, has too few customers, or nobody paid anything.

    >>> fitted = calibrate_world(log)
    >>> fitted.world.days
    546
    """
    bought = purchases_of(log)
    first, last = bought["day"].min(), bought["day"].max()
    assert isinstance(first, date)  # noqa: S101 - for the type checker
    assert isinstance(last, date)  # noqa: S101 - for the type checker
    days, customers = (last - first).days + 1, bought["person"].n_unique()
    paid = bought.filter(pl.col("cents") > 0)
    if days < _LEAST_WEEKS * 7 or customers < _LEAST_CUSTOMERS or paid.is_empty():
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: the log has {days} days and {customers} customers with "
            f"purchases, needs {_LEAST_WEEKS * 7} days, {_LEAST_CUSTOMERS} customers and an amount"
        )
    hours = _shares(bought["hour"], range(_HOURS))
    weekdays = _shares(bought["day"].dt.weekday(), range(1, 8))
    parts = {name: sum(hours[a:b]) for name, a, b in DAYPARTS if sum(hours[a:b]) > 0}
    dropout = _dropout_per_day(bought, first, days)
    begin = bought.group_by("person").agg(pl.col("day").min().alias("first"), pl.len().alias("n"))
    begins = (begin["first"] - pl.Series([first])).dt.total_days().to_numpy()
    arrivals = _arrivals_per_day(begins, days)
    meant = _meant(begin["n"].to_numpy(), days - begins, np.array(list(parts.values())))
    mean, shape = _visits(meant, begins, days, dropout, arrivals)
    between, within, median = _baskets(paid)
    values = {
        "name": "calibrated",
        "start": first.isoformat(),
        "days": days,
        "zone": log.zone,
        "customers": max(customers - int(arrivals * days), 1),
        "arrivals_per_day": arrivals,
        "segments": [
            {
                "name": "everyone",
                "share": 1.0,
                "visits_per_week": {"mean": mean, "shape": shape},
                "dropout_per_day": dropout,
                "dayparts": parts,
                "menu": {"basket": 1},
                "basket": {
                    "median_cents": round(median),
                    "between_sigma": between,
                    "within_sigma": within,
                },
                "offer_sensitivity": {},
            }
        ],
        "stores": [{"id": "store", "opens": "00:00", "closes": "24:00"}],
        "weather": {"rain_visits": 1.0, "cold_visits": 1.0},
        "calendar": {
            "hours": [_HOURS * each for each in hours],
            "weekdays": dict(zip(WEEKDAYS, (7 * each for each in weekdays), strict=True)),
        },
    }
    world = World.from_mapping(values, source="the log")
    table = pd.DataFrame(
        [
            ("customers at the start", world.customers, "all customers less the new ones"),
            ("new customers a day", arrivals, "first purchases in the last quarter"),
            ("visits a week, mean", mean, "purchases over days lived"),
            ("visits a week, shape of the gamma", shape, "their variance over customers"),
            ("share that leaves a day", dropout, "decline of the first customers' purchases"),
            ("median basket, cents", median, "mean of the logarithms of baskets"),
            (
                "spread of baskets between customers",
                between,
                "variance of the customers' mean logarithms",
            ),
            ("spread of baskets within customers", within, "variance around these means"),
        ],
        columns=["figure", "value", "fitted_to"],
    )
    return Calibrated(
        table=table,
        text=(
            f"{text.count(customers)} customers of {text.count(days)} days come {text.number(mean)} "
            f"times a week on average (shape {text.number(shape)}), leave at a rate of "
            f"{text.number(100 * dropout, 3)}% a day and spend {text.money(median)} on a median basket. "
            "What offers do is not fitted: a log without an experiment does not say it."
        ),
        headline=f"A world of {text.count(customers)} customers who come {text.number(mean)} times a week",
        world=world,
    )


def _dropout_per_day(bought: pl.DataFrame, first: date, days: int) -> float:
    """Return the rate at which the purchases of the first customers decline, at least 0.

    A weighted line through the logs of their weekly purchases, behind the weeks by which they were
    chosen; a week that is not whole is left out.
    """
    week = ((pl.col("day") - pl.lit(first)).dt.total_days() // 7).alias("number")
    numbered = bought.with_columns(week)
    early = numbered.filter(pl.col("number") < _settled_weeks(days))["person"].unique()
    later = numbered.filter(
        pl.col("person").is_in(early.implode()),
        pl.col("number") >= _settled_weeks(days),
        pl.col("number") < days // 7,
    )
    counts = later.group_by("number").len().sort("number")
    if counts.height < 2:  # noqa: PLR2004 - no line through one
        return 0.0
    slope = np.polyfit(
        counts["number"].to_numpy(), np.log(counts["len"].to_numpy()), 1, w=np.sqrt(counts["len"])
    )[0]
    return float(min(max(-slope / 7, 0.0), 1.0))


def _settled_weeks(days: int) -> int:
    """Return the weeks by which those who were there from the start are known: a third, at most four."""
    return min(_MOST_SETTLED_WEEKS, days // 7 // 3)


def _visits(
    n: NDArray[np.float64], begins: NDArray[np.int64], days: int, dropout: float, arrivals: float
) -> tuple[float, float]:
    """Return mean visits a week and the shape of the gamma, by moments.

    A customer at rate λ who lives L days makes n purchases with E[n] = λE[L] and E[n(n − 1)] =
    λ²E[L²]; L is exponential and ends with the log. Of those first seen late, as many are taken as new
    as arrive; the others were there and came seldom.

    Args:
        n: Purchases that each customer meant to make.
        begins: Day of the first one.
        days: Days of the log.
        dropout: Rate at which customers leave, a day.
        arrivals: New customers a day.
    """
    late = begins >= _settled_weeks(days) * 7
    new = min(arrivals * days / max(int(late.sum()), 1), 1.0) * late
    (whole, whole_2), (rest, rest_2) = (
        _lived(left.astype(float), dropout) for left in (np.full(len(n), days), days - begins)
    )
    rate = n.sum() / ((1 - new) * whole + new * rest).sum()
    spread = (n * (n - 1.0)).sum() / ((1 - new) * whole_2 + new * rest_2).sum() - rate**2
    shape = rate**2 / spread if spread > 0 else 100.0
    return 7 * float(rate), float(min(max(shape, 0.05), 100.0))


def _meant(
    n: NDArray[np.int64], lived: NDArray[np.int64], parts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return how many purchases would be made if a part of a day had room for more than one."""
    rates = np.linspace(0, _MOST_A_DAY, 2_000)
    made = (1 - np.exp(-rates[:, None] * parts)).sum(axis=1)
    return np.interp(n / lived, made, rates) * lived


def _lived(
    left: NDArray[np.float64], dropout: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the mean square of the days lived of those that are left."""
    if dropout == 0:
        return left, left**2
    gone = np.exp(-dropout * left)
    return (1 - gone) / dropout, 2 * (1 - gone * (1 + dropout * left)) / dropout**2


def _arrivals_per_day(begins: NDArray[np.int64], days: int) -> float:
    """Return first purchases a day in the last quarter of a log."""
    quarter = days // 4
    return float((begins >= days - quarter).sum()) / quarter


def _baskets(paid: pl.DataFrame) -> tuple[float, float, float]:
    """Return the spread between and within customers, and the median, of log-normal baskets."""
    logs = paid.select("person", log=pl.col("cents").log())
    per = logs.group_by("person").agg(
        pl.col("log").mean().alias("mean"), pl.col("log").var().alias("var"), pl.len().alias("n")
    )
    many = per.filter(pl.col("n") > 1)
    freedom = many["n"].to_numpy() - 1.0
    within = float(np.average(many["var"].to_numpy(), weights=freedom)) if len(freedom) else 0.0
    means, sizes = per["mean"].to_numpy(), per["n"].to_numpy()
    between = float(np.var(means, ddof=1) - np.mean(within / sizes)) if len(means) > 1 else 0.0
    return math.sqrt(max(between, 0.0)), math.sqrt(within), math.exp(float(np.mean(means)))


def _shares(values: pl.Series, places: range) -> list[float]:
    """Return the share of values in each place."""
    counts = dict(values.value_counts().iter_rows())
    return [counts.get(place, 0) / len(values) for place in places]
