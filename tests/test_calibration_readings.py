"""Readings of a log against the truth: the randomised one meets it, those without a control do not."""

from __future__ import annotations

import pandas as pd
import pytest

from workbench.calibration import Readings, readings
from workbench.calibration.effects import BEFORE, COUNTED, RANDOMISED, REDEEMERS, TRUTH
from workbench.errors import InputError
from workbench.world import Simulation, effect_of, simulate
from world_samples import one, tiny

HALF = {"holdout_share": 0.5, "salt": "half-1"}


def made(**keys: object) -> Simulation:
    return simulate(tiny(customers=4_000, days=42), one(consent="none", **keys), seed=8)


@pytest.fixture(scope="module")
def half() -> Simulation:
    return made(experiment=HALF)


@pytest.fixture(scope="module")
def read(half: Simulation) -> Readings:
    return readings(half, "coffee", effect_of(half, "coffee"))


def test_the_randomised_reading_meets_the_truth(read: Readings):
    assert read.meets(TRUTH)
    assert read.meets(RANDOMISED)


@pytest.mark.parametrize("naive", [REDEEMERS, COUNTED])
def test_a_reading_without_a_control_misses_the_truth(read: Readings, naive: str):
    assert not read.meets(naive)


def test_the_truth_is_known_more_exactly_than_any_reading_of_the_log(read: Readings):
    error = read.table.set_index("reading")["standard_error"]
    assert error[TRUTH] < error[[RANDOMISED, REDEEMERS, BEFORE]].min() / 3


def test_every_redemption_of_the_log_is_counted_once(half: Simulation, read: Readings):
    rows = read.table.set_index("reading")
    counted = rows.loc[COUNTED, "estimate"] * rows.loc[COUNTED, "customers"]
    assert counted == pytest.approx(half.log.counts["offer_redeemed"])


def test_an_offer_that_does_nothing_has_a_truth_of_nothing():
    world = tiny(customers=1_500, days=28)
    dead = world.with_habits(discount=0.0)
    idle = simulate(dead, one(experiment=HALF, consent="none"), seed=8)
    table = effect_of(idle, "coffee").table.set_index("outcome")
    assert table["difference"]["discount_cents"] > 0
    assert table["difference"]["purchases"] <= 0


def test_without_a_hold_out_there_is_not_enough_data():
    whole = simulate(tiny(), one(), seed=1)
    with pytest.raises(InputError, match="not enough data: coffee has 0 held out"):
        readings(whole, "coffee", effect_of(whole, "coffee"))


def test_a_comparison_of_the_wrong_customers_is_caught(half: Simulation):
    effect = effect_of(half, "coffee")
    shifted = pd.Series(effect.customers["effect_purchases"].to_list()).sample(
        frac=1.0, random_state=1
    )
    customers = effect.customers.with_columns(effect_purchases=shifted.to_numpy())
    wrong = readings(half, "coffee", type(effect)(table=effect.table, text="", customers=customers))
    right = readings(half, "coffee", effect)
    assert wrong.table["estimate"][0] < right.table["estimate"][0]
