"""Whether learned uplift can be believed: levels of the tests where nothing differs, and recovery where it does."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from workbench.errors import ParameterError
from workbench.uplift import (
    LearnedUplift,
    heterogeneity_test,
    learn_uplift,
    uplift_by_tenth,
    value_of_top,
)

EXPERIMENTS = 300


def learned(predictions: np.ndarray, scores: np.ndarray) -> LearnedUplift:
    """Scores and predictions of one or two offers, as a learner would leave them in three folds."""
    shape = (len(scores), -1)
    empty: Any = None
    return LearnedUplift(
        table=empty, text="", outcome="visits",
        arms=("control", "tea", "cake")[: scores.reshape(shape).shape[1] + 1], features=("age",),
        customers=None, code=np.arange(len(scores)) % 2, observed=scores.reshape(shape)[:, 0], scores=scores.reshape(shape), predictions=predictions.reshape(shape),
        fold=np.arange(len(scores)) % 3, model=empty, encoder=empty,
    )  # fmt: skip


def drawn(rng: np.random.Generator, spread: float, n: int = 400) -> LearnedUplift:
    """Effects of 2 on average that differ by ``spread``, predicted with noise, and scored with skewed noise."""
    effect = 2 + spread * rng.standard_normal(n)
    prediction = effect * (spread > 0) + 0.5 * rng.standard_normal(n)
    return learned(prediction, effect + 8 * (rng.exponential(1, n) - 1))


def rejections(spread: float) -> int:
    rng = np.random.default_rng(1)
    return sum(heterogeneity_test(drawn(rng, spread)).differs for _ in range(EXPERIMENTS))


def test_a_constant_effect_is_called_different_as_often_as_the_level_says():
    low, high = stats.binom.ppf([0.0005, 0.9995], EXPERIMENTS, 0.05)
    assert low <= rejections(0.0) <= high


def test_effects_that_differ_are_found():
    assert rejections(2.0) > 0.8 * EXPERIMENTS


def test_a_test_that_forgets_the_average_effect_is_seen():
    """Without an intercept in each fold, a constant effect and a constant prediction look like a slope."""
    rng = np.random.default_rng(2)
    found = drawn(rng, 0.0)
    shifted = learned(found.predictions + 3, found.scores)
    mine = heterogeneity_test(shifted).table["slope"].item()
    without = float(shifted.predictions.ravel() @ shifted.scores.ravel()) / float(
        shifted.predictions.ravel() @ shifted.predictions.ravel()
    )
    assert abs(without) > 0.4
    assert mine == pytest.approx(heterogeneity_test(found).table["slope"].item())


def test_a_right_prediction_has_a_slope_of_one_and_two_offers_are_adjusted():
    rng = np.random.default_rng(3)
    effect = rng.standard_normal((4000, 2))
    noise = rng.standard_normal((4000, 2))
    found = heterogeneity_test(learned(effect, effect + noise))
    assert found.table["slope"].to_numpy() == pytest.approx([1, 1], abs=0.08)
    alone = heterogeneity_test(learned(effect[:, 0], effect[:, 0] + 30 * noise[:, 0]))
    both = heterogeneity_test(learned(effect, effect + 30 * noise))
    assert both.table["p_value"].iloc[0] >= alone.table["p_value"].iloc[0]


def test_a_prediction_that_is_the_same_for_all_says_that_one_rule_is_for_all():
    found = heterogeneity_test(learned(np.ones(50), np.arange(50.0)))
    assert not found.differs
    assert "one rule is for all" in found.text


def test_tenths_are_ordered_by_prediction_and_their_error_is_the_distance():
    effect = np.linspace(10, -10, 1000)
    found = uplift_by_tenth(learned(effect, effect + 1), "tea")
    assert found.table["customers"].tolist() == [100] * 10
    assert found.table["predicted"].is_monotonic_decreasing
    assert found.calibration_error == pytest.approx(1)


def test_treating_the_top_is_worth_what_its_effects_are_less_their_cost():
    effect = np.array([5.0, 3.0, 1.0, -1.0] * 250)
    found = value_of_top(learned(effect, effect), "tea", cost=2.0)
    half = found.table[found.table["treated"] == 0.5].iloc[0]
    assert half["value"] == pytest.approx((3 + 1) / 4)
    assert found.table["value"].max() == half["value"]
    assert found.table["at_random"].iloc[-1] == pytest.approx(effect.mean() - 2)
    assert "The order of predictions beats chance" in found.headline
    assert found.text.startswith("Treating the 50% with")
    dear = value_of_top(learned(effect, effect), "tea", cost=9.0)
    assert dear.text.startswith("No share of the customers pays for tea")


def test_the_value_of_the_top_holds_the_truth_as_often_as_it_says():
    rng, inside = np.random.default_rng(4), 0
    for _ in range(EXPERIMENTS):
        effect = rng.standard_normal(400)
        found = value_of_top(learned(effect, effect + 3 * rng.standard_normal(400)), "tea")
        row = found.table[found.table["treated"] == 0.25].iloc[0]
        inside += row["low"] <= stats.norm.pdf(stats.norm.ppf(0.75)) <= row["high"]
    low, high = stats.binom.ppf([0.0005, 0.9995], EXPERIMENTS, 0.95)
    assert low <= inside <= high


def test_the_area_of_an_order_by_lot_is_near_nothing_and_its_error_is_the_spread():
    rng = np.random.default_rng(5)
    found = [
        value_of_top(learned(rng.standard_normal(300), rng.standard_normal(300)), "tea")
        for _ in range(60)
    ]
    areas = np.array([each.autoc for each in found])
    assert abs(areas.mean()) < 4 * areas.std() / np.sqrt(len(areas))
    assert np.mean([each.autoc_error for each in found]) == pytest.approx(areas.std(), rel=0.35)


def test_a_learner_finds_who_differs_and_ranks_better_than_by_lot():
    rng = np.random.default_rng(6)
    n = 3000
    age = rng.uniform(20, 70, n)
    arm = rng.choice(["control", "tea"], n)
    effect = np.where(age < 40, 3.0, -1.0)
    units = pl.DataFrame(
        {"arm": arm, "age": age, "noise": rng.normal(size=n), "p": np.full(n, 0.5),
         "profit": 5 + 0.05 * age + effect * (arm == "tea") + 2 * rng.standard_normal(n)}
    )  # fmt: skip
    found = learn_uplift(units, outcome="profit", features=["age", "noise"], propensity="p")
    assert heterogeneity_test(found).differs
    assert value_of_top(found, "tea").headline == "The order of predictions beats chance"
    told = found.predict(units.head(400))["tea"].to_numpy()
    assert np.corrcoef(told, effect[:400])[0, 1] > 0.8
    mean = found.table.iloc[0]
    assert mean["low"] < effect.mean() < mean["high"]


def test_an_offer_that_is_not_there_and_a_cost_below_nothing_are_refused():
    made = learned(np.arange(20.0), np.arange(20.0))
    with pytest.raises(
        ParameterError, match="arm was 'te', must be one of tea — did you mean 'tea'"
    ):
        uplift_by_tenth(made, "te")
    with pytest.raises(ParameterError, match="cost was -1, must be at least 0"):
        value_of_top(made, "tea", cost=-1)
