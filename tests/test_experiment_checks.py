"""Sample ratio, balance, many p-values, segments: published values, other hands, and faults caught."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

import workbench as wb
from workbench.errors import InputError, ParameterError
from workbench.experiment import (
    Estimate,
    Moments,
    adjust,
    balance,
    heterogeneity,
    novelty,
    ratio_p_value,
    sample_ratio,
)


def test_sample_ratio_equals_the_published_values():
    assert ratio_p_value({"a": 821_588, "b": 815_482}) == pytest.approx(1.8218e-06, rel=1e-4)
    assert ratio_p_value({"a": 2_023, "b": 1_977}) == pytest.approx(0.467028, abs=1e-6)
    assert ratio_p_value({"a": 600, "b": 400}) == pytest.approx(2.5396e-10, rel=1e-4)


def test_a_small_sample_ratio_of_two_arms_is_exact():
    assert ratio_p_value({"a": 60, "b": 40}) == pytest.approx(stats.binomtest(60, 100).pvalue)


def test_unequal_shares_are_held_against_the_counts():
    assert sample_ratio({"control": 100, "offer": 900}, shares={"control": 1, "offer": 9}).passed
    assert not sample_ratio({"control": 100, "offer": 900}).passed


def test_a_stage_blocks_and_a_segment_only_localises():
    stage = sample_ratio({"a": 500, "b": 500}, stages={"triggered": {"a": 300, "b": 200}})
    assert not stage.passed
    place = sample_ratio({"a": 500, "b": 500}, places={"segment new": {"a": 300, "b": 200}})
    assert place.passed
    assert "differs most clearly in segment new" in place.text


def test_an_arm_without_a_share_is_an_error():
    with pytest.raises(ParameterError, match="must have a share for the arm 'offer'"):
        sample_ratio({"control": 1, "offer": 1}, shares={"control": 1, "ofer": 1})


def test_one_arm_has_no_sample_ratio():
    with pytest.raises(InputError, match="needs two arms with units"):
        wb.sample_ratio({"control": 10})


def test_adjusted_p_values_equal_those_of_statsmodels():
    draw = np.random.default_rng(1)
    for n in (1, 2, 3, 8, 20):
        for _ in range(4):  # statsmodels calls the garbage collector each time
            p_values = (draw.integers(0, 21, n) / 20).tolist()  # ties happen
            for ours, theirs in (("holm", "holm"), ("benjamini-hochberg", "fdr_bh")):
                expected = multipletests(p_values, method=theirs)[1]
                np.testing.assert_allclose(adjust(p_values, ours), expected, atol=1e-12)


def test_a_p_value_that_is_none_is_refused():
    with pytest.raises(InputError, match=r"p_value was 1.5, must be 0 to 1"):
        adjust([0.1, 1.5])


def arms(gap: float, n: int = 20_000) -> dict[str, Moments]:
    draw = np.random.default_rng(2)
    return {
        arm: Moments.of(
            {"before": draw.normal(10, 2, n) + gap * (arm == "offer"), "age": draw.normal(40, 9, n)}
        )
        for arm in ("control", "offer")
    }


COVARIATES = [("before", ("before", None)), ("age", ("age", None))]


def test_groups_that_randomisation_made_are_balanced():
    found = balance(arms(0.0), "control", COVARIATES)
    assert found.passed
    assert found.table["standardised"].abs().max() < 0.1


def test_covariates_of_money_are_named_without_their_unit():
    arms = {arm: Moments.of({"sales_before_cents": [1, 2, 3, 4]}) for arm in ("control", "offer")}
    found = balance(arms, "control", [("sales_before_cents", ("sales_before_cents", None))])
    assert found.text.startswith("By “sales before” the arms are as alike")


def test_groups_that_differ_before_are_not():
    found = balance(arms(0.5), "control", COVARIATES)
    assert not found.passed
    assert found.table.set_index("covariate").loc["before", "standardised"] == pytest.approx(
        0.25, abs=0.07
    )


def test_balance_rejects_as_often_as_its_level_says():
    draw = np.random.default_rng(3)
    p_values = []
    for _ in range(400):
        both = {
            arm: Moments.of({"x": (x := draw.normal(0, 1, 200)), "z": x + draw.normal(0, 1, 200)})
            for arm in ("control", "offer")
        }
        p_values.append(balance(both, "control", [("x", ("x", None)), ("z", ("z", None))]).p_value)
    rejected = sum(p < 0.05 for p in p_values)
    low, high = stats.binom.ppf([0.0005, 0.9995], 400, 0.05)
    assert low <= rejected <= high


def estimate(value: float, error: float = 1.0) -> Estimate:
    return Estimate(value=value, standard_error=error, df=1e6, n_treatment=100, n_control=100)


def test_shrinkage_has_less_error_than_the_segments_alone():
    draw = np.random.default_rng(6)
    alone, shrunken = 0.0, 0.0
    for _ in range(200):
        truth = draw.normal(1, 0.5, 8)
        seen = truth + draw.normal(0, 1, 8)
        found = heterogeneity({str(k): estimate(each) for k, each in enumerate(seen)}).table
        alone += ((seen - truth) ** 2).sum()
        shrunken += ((found["shrunken"] - truth) ** 2).sum()
    assert shrunken < 0.5 * alone


def test_equal_effects_shrink_wholly_to_the_common_one():
    found = heterogeneity({"a": estimate(1.0), "b": estimate(1.2), "c": estimate(0.9)})
    assert found.spread == 0
    assert found.table["shrunken"].std() == pytest.approx(0)
    assert not found.differs


def test_one_segment_is_not_enough_data():
    with pytest.raises(InputError, match="segment has 1 groups, needs 2"):
        heterogeneity({"a": estimate(1.0)})


def test_a_trend_by_day_is_found_and_a_level_is_not():
    fading = [(day, float(day), estimate(3 - day * 0.5, 0.3)) for day in range(8)]
    assert novelty(fading).trend
    assert "wears off" in novelty(fading).text
    level = [(day, float(day), estimate(3.0, 0.3)) for day in range(8)]
    assert not novelty(level).trend
    with pytest.raises(InputError, match="a trend needs 3 days, was 2"):
        novelty(level[:2])
