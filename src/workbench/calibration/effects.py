"""What a log alone would say of a programme's effect, held against the truth. Owns no truth.

Four readings that practice knows, of the same log: the randomised comparison, and three that need no
control and therefore tempt.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError
from workbench.records import DAY_US
from workbench.world import Simulation, Twins

TRUTH = "the twins: the truth"
RANDOMISED = "offered against held out at random"
REDEEMERS = "redeemers against the others"
BEFORE = "after the offer against before"
COUNTED = "each redeemed purchase counted"
NAIVE = (REDEEMERS, BEFORE, COUNTED)

Z_95 = 1.96
Z_999 = 3.29
_LEAST = 2
_LEAST_DAYS = 7


@dataclass(frozen=True, kw_only=True, eq=False)
class Readings(text.Result):
    """Readings of one programme's effect beside the truth.

    Attributes:
        table: A row a reading: ``reading``, ``estimate`` (further purchases a customer who was
            offered something, from the first offer to the end), ``standard_error``, ``low`` and
            ``high`` (95 %), ``customers``, and ``meets_truth``: whether the truth lies within 3.29
            standard errors, as it does for 999 of 1,000 honest readings.
        text: What is true, what the randomised comparison says, and how far the others miss.
    """

    def meets(self, reading: str) -> bool:
        """Say whether a reading meets the truth."""
        rows = self.table[self.table["reading"] == reading]
        return bool(rows["meets_truth"].iloc[0])


class Mean(NamedTuple):
    """A mean and its standard error."""

    value: float
    error: float
    customers: int


@checked
def readings(simulated: Simulation, programme: str, effect: Twins) -> Readings:
    """Read the effect of a programme from its log alone, in four ways, and hold each against the truth.

    The outcome is purchases after the first offer, or after the first that a held-out customer would
    have got, up to the end of the world.

    Args:
        simulated: From :func:`workbench.simulate`, with a hold-out in the programme.
        programme: Name of the programme.
        effect: What the programme did in truth, from :func:`workbench.effect_of`.

    Returns:
        The four readings beside the truth.

    Raises:
        InputError: Too few customers were offered something, were held out or redeemed.

    >>> from workbench.decision import load_programmes
    >>> from workbench.world import effect_of, load_world, simulate
    >>> tiny = load_world("params/worlds/tiny.yaml")
    >>> welcome = load_programmes("params/programmes/nth_purchase.yaml")
    >>> simulated = simulate(tiny, welcome, seed=1)
    >>> read = readings(simulated, "nth_purchase", effect_of(simulated, "nth_purchase"))
    >>> read.meets("the twins: the truth")
    True
    """
    people = _people(simulated, programme)
    offered, held = people.filter("offered"), people.filter(~pl.col("offered"))
    redeemed, others = offered.filter("redeemed"), offered.filter(~pl.col("redeemed"))
    for count, what in (
        (held.height, "held out"),
        (redeemed.height, "customers who redeemed"),
        (others.height, "customers who did not redeem"),
    ):
        if count < _LEAST:
            raise InputError(
                f"{text.NOT_ENOUGH_DATA}: {programme} has {count} {what}, needs {_LEAST}; simulate "
                "more customers or days, or hold out more"
            )
    known = offered.join(effect.customers, left_on="person", right_on="person_id")
    truth = _mean(known["effect_purchases"].to_numpy())
    found = {
        TRUTH: truth,
        RANDOMISED: _difference(offered["after"], held["after"]),
        REDEEMERS: _difference(redeemed["after"], others["after"]),
        BEFORE: _mean(_change(offered)),
        COUNTED: _mean(offered["redemptions"].to_numpy()),
    }
    table = pd.DataFrame([_row(name, each, truth) for name, each in found.items()])
    return Readings(
        table=table, text=_sentence(found, programme), headline=_headline(found, programme)
    )


def _people(simulated: Simulation, programme: str) -> pl.DataFrame:
    """Return a row a customer who was offered something, or would have been."""
    decisions = (
        simulated.decisions()
        .filter(pl.col("programme") == programme, pl.col("offer_id").is_not_null())
        .filter(pl.col("delivered") | (pl.col("arm") == "control"))
        .select("decision_id", "person", "delivered", "ts")
        .collect()
    )
    first = decisions.group_by("person").agg(
        pl.col("ts").min().alias("first"), pl.col("delivered").any().alias("offered")
    )
    answers = simulated.events("offer_redeemed", ["decision_id"])
    redeemed = (
        decisions.join(answers, on="decision_id")
        .group_by("person")
        .agg(pl.len().alias("redemptions"))
    )
    bought = simulated.events("purchase", ["person_id", "ts"]).rename(
        {"person_id": "person", "ts": "at"}
    )
    around = (
        bought.join(first, on="person")
        .group_by("person")
        .agg(
            (pl.col("at") > pl.col("first")).sum().alias("after"),
            (pl.col("at") <= pl.col("first")).sum().alias("before"),
        )
    )
    start, end = int(simulated.midnights_us[0]), int(simulated.midnights_us[-1])
    at = pl.col("first").to_physical()
    return (
        first.join(around, on="person", how="left")
        .join(redeemed, on="person", how="left")
        .with_columns(pl.col("after", "before", "redemptions").fill_null(0).cast(pl.Int64))
        .with_columns(
            redeemed=pl.col("redemptions") > 0,
            days_before=(at - start) / DAY_US,
            days_after=(end - at) / DAY_US,
        )
        .sort("person")
    )


def _change(offered: pl.DataFrame) -> NDArray[np.float64]:
    """Return of each customer the change of their rate, over the days after the first offer."""
    seen = offered.filter(pl.min_horizontal("days_before", "days_after") >= _LEAST_DAYS)
    rate = seen["after"] / seen["days_after"] - seen["before"] / seen["days_before"]
    return (rate * seen["days_after"]).to_numpy()


def _mean(values: NDArray[np.int64] | NDArray[np.float64]) -> Mean:
    """Return the mean of values with its standard error; of fewer than two there is none."""
    if len(values) < _LEAST:
        return Mean(math.nan, math.nan, len(values))
    error = float(np.std(values, ddof=1) / math.sqrt(len(values)))
    return Mean(float(np.mean(values)), error, len(values))


def _difference(one: pl.Series, other: pl.Series) -> Mean:
    a, b = _mean(one.to_numpy()), _mean(other.to_numpy())
    return Mean(a.value - b.value, math.hypot(a.error, b.error), a.customers + b.customers)


def _meets(reading: Mean, truth: Mean) -> bool:
    gap = abs(reading.value - truth.value)
    return bool(gap <= Z_999 * math.hypot(reading.error, truth.error))


def _row(name: str, reading: Mean, truth: Mean) -> dict[str, object]:
    return {
        "reading": name,
        "estimate": reading.value,
        "standard_error": reading.error,
        "low": reading.value - Z_95 * reading.error,
        "high": reading.value + Z_95 * reading.error,
        "customers": reading.customers,
        "meets_truth": _meets(reading, truth),
    }


def _wrong(found: dict[str, Mean]) -> int:
    """Return how many readings without a control miss the truth."""
    return sum(not _meets(found[name], found[TRUTH]) for name in NAIVE)


def _headline(found: dict[str, Mean], programme: str) -> str:
    return f"{_wrong(found)} of 3 readings without a control miss the effect of {text.named(programme)}"


def _sentence(found: dict[str, Mean], programme: str) -> str:
    truth, random = found[TRUTH], found[RANDOMISED]
    said = [f"{text.number(found[name].value)} ({name})" for name in NAIVE]
    verdict = "meets" if _meets(random, truth) else "misses"
    return (
        f"In truth {text.named(programme)} made {text.more(truth.value, text.number, 'fewer')} "
        f"purchases for each customer who got an offer; {_wrong(found)} of 3 readings without a "
        "control miss that. "
        f"The comparison with a random hold-out {verdict} it, with {text.number(random.value)} "
        f"(standard error {text.number(random.error)}). Without a control the same log would say "
        f"{text.listing(said)}."
    )
