"""The truth against experiments in the same world: the randomised one meets it, naive ones do not.

The figures are those of one world, large enough that chance does not hide what is shown.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import polars as pl
import pytest

from workbench.world import Simulation, simulate, twin
from world_samples import one, tiny

LIMIT = 3.3  # standard errors: 99.9 % of a normal error
HALF = {"holdout_share": 0.5, "salt": "half-1"}


@pytest.fixture(scope="module")
def half() -> Simulation:
    """Half of the customers are held out at random."""
    return simulate(tiny(customers=6_000, days=28), one(experiment=HALF, consent="none"), seed=8)


@pytest.fixture(scope="module")
def arms(half: Simulation) -> pl.DataFrame:
    """Purchases of each triggered customer with the arm, and the true effect on the treated."""
    rows = half.decisions().filter(pl.col("arm").is_in(["treatment", "control"])).collect()
    arm = rows.group_by("person").agg(pl.col("arm").first())
    return arm.join(half.truth.customers, left_on="person", right_on="person_id")


def difference(one_side: pl.Series, other: pl.Series) -> tuple[float, float]:
    a, b = one_side.to_numpy(), other.to_numpy()
    return float(a.mean() - b.mean()), sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))


@pytest.fixture(scope="module")
def effect(arms: pl.DataFrame) -> float:
    """The mean effect on a triggered customer, from twins of all of them."""
    everyone = twin(tiny(customers=6_000, days=28), one(consent="none"), seed=8).customers
    found = everyone.join(arms.select("person"), left_on="person_id", right_on="person")
    return float(found["effect_purchases"].mean())  # type: ignore[arg-type]  # a number


def test_the_randomised_experiment_meets_the_truth(arms: pl.DataFrame, effect: float):
    treated, control = (arms.filter(pl.col("arm") == name) for name in ("treatment", "control"))
    estimate, error = difference(treated["purchases"], control["purchases"])
    assert abs(estimate - effect) < LIMIT * error
    assert effect > 0


def test_held_out_customers_have_no_effect_at_all(arms: pl.DataFrame):
    effects = arms.filter(pl.col("arm") == "control")["effect_purchases"]
    assert effects.len() > 1_000
    assert effects.unique().to_list() == [0]


def test_redeemers_against_the_others_miss_the_truth(
    half: Simulation, arms: pl.DataFrame, effect: float
):
    redeemed = half.truth.purchases.filter("redeemed")["person_id"].unique()
    is_redeemer = arms["person"].is_in(redeemed.implode())
    estimate, error = difference(
        arms.filter(is_redeemer)["purchases"], arms.filter(~is_redeemer)["purchases"]
    )
    assert estimate - effect > LIMIT * error


def test_counting_redeemed_purchases_as_effect_misses_the_truth(half: Simulation):
    redeemed = half.truth.purchases.filter("redeemed").height
    more = half.truth.customers["effect_purchases"].sum()
    assert redeemed > 1.3 * more > 0


def test_before_against_after_the_first_offer_misses_the_truth(half: Simulation, effect: float):
    first = (
        half.decisions().filter("delivered").group_by("person").agg(pl.col("ts").min()).collect()
    )
    log = half.log.to_polars(["person_id", "ts"], types=["purchase"])
    both = log.join(first, left_on="person_id", right_on="person", suffix="_first")
    start, end = (half.log.first_ts, half.log.last_ts)
    days_after = both.group_by("person_id").agg(
        (pl.col("ts") >= pl.col("ts_first")).sum().alias("after"),
        (pl.col("ts") < pl.col("ts_first")).sum().alias("before"),
        pl.col("ts_first").first(),
    )
    assert start is not None
    assert end is not None
    rate = days_after.with_columns(
        after=pl.col("after") / ((end - pl.col("ts_first")).dt.total_hours() / 24 + 1),
        before=pl.col("before") / ((pl.col("ts_first") - start).dt.total_hours() / 24 + 1),
    )
    change = (rate["after"] - rate["before"]).to_numpy() * 28
    error = change.std(ddof=1) / np.sqrt(len(change))
    assert abs(change.mean() - effect) > LIMIT * error


def test_the_twins_know_the_effect_more_exactly_than_the_experiment(arms: pl.DataFrame):
    treated, control = (arms.filter(pl.col("arm") == name) for name in ("treatment", "control"))
    _, error = difference(treated["purchases"], control["purchases"])
    effects = treated["effect_purchases"].to_numpy()
    assert effects.std(ddof=1) / np.sqrt(len(effects)) < error / 2
