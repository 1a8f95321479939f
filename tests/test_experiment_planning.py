"""Powers, planned looks, posteriors and the watched sample ratio: published vectors and promises."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2, multivariate_normal, norm

from workbench.errors import InputError, ParameterError
from workbench.experiment import bayes, power, ratio_watch, spending
from workbench.streams import stream

LOOKS = [0.2, 0.4, 0.6, 0.8, 1.0]


def test_units_of_a_standardised_effect_agree_with_statsmodels():
    """Published: NormalIndPower d=0.2 → 392.4430, TTestIndPower d=0.2 → 393.4057, d=0.5 → 63.7656."""
    from statsmodels.stats.power import (  # noqa: PLC0415 - the other implementation
        NormalIndPower,
        TTestIndPower,
    )

    for d, small, published, other in (
        (0.2, False, 392.4430, NormalIndPower()),
        (0.2, True, 393.4057, TTestIndPower()),
        (0.5, True, 63.7656, TTestIndPower()),
    ):
        found = power.units_needed(d, (1, 1), small=small) / 2
        assert found == pytest.approx(published, abs=1e-4)
        assert found == pytest.approx(other.solve_power(d, power=0.8, alpha=0.05), rel=1e-6)


@pytest.mark.parametrize(("p", "published"), [(0.05, 121_600), (0.5, 6_400)])
def test_the_rule_of_sixteen_is_kohavis(p, published):
    """Kohavi et al.: 16 p (1 − p) / δ² for 5 % relative; the exact factor is 15.698."""
    needed = power.units_needed(0.05 * p, (p * (1 - p),) * 2) / 2
    assert needed * 16 / (2 * power.detectable(1.0) ** 2) == pytest.approx(published)
    assert 2 * power.detectable(1.0) ** 2 == pytest.approx(15.697759, abs=1e-4)


def test_power_is_that_of_simulated_tests():
    shift, error = 0.5, 0.2
    draws = stream(30, "power").normal(shift, error, 20_000)
    found = (np.abs(draws) / error > norm.isf(0.025)).sum()
    expected = power.power_of(shift, error)
    assert binom.ppf(0.0005, 20_000, expected) <= found <= binom.ppf(0.9995, 20_000, expected)


@given(st.floats(0.01, 10), st.floats(0.55, 0.99), st.floats(0.001, 0.2))
@settings(max_examples=50)
def test_the_detectable_effect_is_found_with_the_power(error, wanted, alpha):
    effect = power.detectable(error, power=wanted, alpha=alpha)
    assert power.power_of(effect, error, alpha=alpha) == pytest.approx(wanted, abs=1e-6)


def test_unequal_shares_and_variances_enter_the_units():
    """Optimal shares are as the standard deviations: 3 to 1 beats halves, which beat 1 to 3."""
    units = [power.units_needed(1, (9, 1), (s, 1 - s)) for s in (0.75, 0.5, 0.25)]
    assert units == sorted(units)
    assert units[0] == pytest.approx((3 + 1) ** 2 * power.detectable(1.0) ** 2)


@pytest.mark.parametrize(
    ("reading", "prior", "published"),
    [
        ("fixed", None, 25.45703),
        ("always_valid", None, 55.66797),
        ("bayes", (0.05, 0.001), 13.94043),
    ],
)
def test_the_power_left_is_growthbooks(reading, prior, published):
    """GrowthBook: 500 units an arm, Σ = 500 and 525, Σ² = 1500 and 1551.25, 5 % lift, 80 %.

    Its bisection stops at a power within 1e-5, which is 3e-5 of the factor.
    """
    variances = [(1500 - 500**2 / 500) / 499 / 500, (1551.25 - 525**2 / 500) / 499 / 500]
    error = math.sqrt(variances[1] + variances[0] * 1.05**2)
    found = power.scale_needed(error, 0.05, 1000, reading=reading, prior=prior, tightest=5000)
    assert found == pytest.approx(published, rel=3e-5)


def test_an_experiment_with_enough_units_needs_none():
    assert power.scale_needed(0.01, 0.05, 1000) == 0


@pytest.mark.parametrize(
    ("family", "sides", "published", "within"),
    [
        ("obrien_fleming", 2, [4.877, 3.357, 2.680, 2.290, 2.031], 5e-4),
        # spotify-confidence integrates on a coarser grid: its figures are right to four digits.
        ("power", 2, [3.090232, 2.714078, 2.472737, 2.279811, 2.113968], 7e-5),
        ("power", 1, [2.878162, 2.470192, 2.200908, 1.981767, 1.790172], 7e-5),
        # Jennison and Turnbull (2000), Lan-DeMets Pocock bounds for five looks.
        ("pocock", 2, [2.438, 2.427, 2.410, 2.397, 2.386], 5e-4),
    ],
)
def test_the_bounds_of_five_looks_are_the_published_ones(family, sides, published, within):
    found = spending.plan_looks(LOOKS, family=family, power=2, sides=sides).bounds
    assert found == pytest.approx(published, abs=within)


@pytest.mark.parametrize("family", ["obrien_fleming", "pocock", "power"])
def test_the_bounds_spend_the_level_by_another_integral(family):
    """SciPy's multivariate normal holds the probability of three looks within the bounds."""
    shares = [0.3, 0.5, 1.0]
    looks = spending.plan_looks(shares, family=family)
    cov = [[math.sqrt(min(a, b) / max(a, b)) for b in shares] for a in shares]
    z = np.array(looks.bounds)
    inside = multivariate_normal.cdf(
        z, mean=np.zeros(3), cov=cov, lower_limit=-z, abseps=1e-7, releps=1e-7, maxpts=10**6, rng=1
    )
    assert 1 - inside == pytest.approx(0.05, abs=2e-6)
    assert looks.table["spent_share"].iloc[-1] == pytest.approx(0.05)


def test_planned_looks_ever_reject_in_alpha_and_looks_at_1_96_more_often():
    steps = stream(31, "looks").normal(size=(4000, 5)).cumsum(axis=1) / np.sqrt(np.arange(1, 6))
    crossed = (np.abs(steps) >= spending.plan_looks(LOOKS, family="pocock").bounds).any(axis=1)
    low, high = binom.ppf([0.0005, 0.9995], 4000, 0.05)
    assert low <= crossed.sum() <= high
    assert (np.abs(steps) >= norm.isf(0.025)).any(axis=1).sum() > high  # the planted fault


def test_the_chance_of_crossing_is_the_power_of_a_single_look():
    found = spending.crossing_probability([1.0], [norm.isf(0.025)], drift=2.8)
    assert found.sum() == pytest.approx(power.power_of(2.8, 1.0))


def test_a_bound_depends_on_the_looks_up_to_its_own_alone():
    first = spending.plan_looks([0.2, 0.5, 1.0]).bounds[:2]
    assert first == pytest.approx(spending.plan_looks([0.2, 0.5, 0.7, 0.9]).bounds[:2])


def test_the_posterior_of_two_proportions_is_growthbooks():
    """GrowthBook, tests/bayesian/test_tests.py: 49 of 100 against 51 of 100, flat prior."""
    p, q = 0.49, 0.51
    error = math.sqrt(q * (1 - q) / 100 / p**2 + p * (1 - p) / 100 * q**2 / p**4)
    found = bayes.posterior(q / p - 1, error)
    assert found.mean == pytest.approx(0.04082, abs=1e-5)
    assert found.interval() == pytest.approx((-0.24779, 0.32943), abs=1e-5)
    assert found.chance_above() == pytest.approx(0.60918, abs=1e-5)
    assert found.losses()[::-1] == pytest.approx((0.0814, 0.04058), abs=1e-5)


@pytest.mark.parametrize(
    ("prior_sd", "mean", "sd", "chance", "losses"),
    [
        (None, 0.05, 0.03572, 0.91923, None),
        (0.1**0.5, 0.05063, 0.03549, 0.92315, (0.05186, 0.00123)),
    ],
)
def test_the_posterior_of_two_means_is_growthbooks(prior_sd, mean, sd, chance, losses):
    """Same file: Σ = 100 and 105, Σ² = 1002.25 and 1111.5 of 10 units each; prior N(0.1, 0.1)."""
    variances = [(1002.25 - 100**2 / 10) / 9 / 10, (1111.5 - 105**2 / 10) / 9 / 10]
    error = math.sqrt(variances[1] / 10**2 + variances[0] * 10.5**2 / 10**4)
    found = bayes.posterior(0.05, error, prior_mean=0.1, prior_sd=prior_sd)
    assert (found.mean, found.sd) == pytest.approx((mean, sd), abs=1e-5)
    assert found.chance_above() == pytest.approx(chance, abs=1e-5)
    if losses:
        assert found.losses()[::-1] == pytest.approx(losses, abs=1e-5)


def test_the_losses_of_a_posterior_are_growthbooks():
    found = bayes.Posterior(mean=0.1, sd=0.05).losses()
    assert found[::-1] == pytest.approx((0.1004245351, 0.0004245351), abs=1e-10)


@pytest.mark.parametrize(
    ("value", "choice"), [(0.1, "launch"), (-0.1, "keep the control"), (0.01, "go on")]
)
def test_the_choice_follows_the_stated_loss(value, choice):
    found = bayes.believe(value, 0.05, largest_loss=0.001)
    assert found.choice == choice
    assert found.text.lower().startswith(choice)


def test_predictive_power_is_the_share_of_futures_that_end_significant():
    rng, value, error, done = stream(32, "futures"), 1.2, 1.0, 0.4
    final = error * math.sqrt(done)
    truth = rng.normal(value, error, 40_000)
    later = rng.normal(truth, final / math.sqrt(1 - done))
    ends = np.abs(done * value + (1 - done) * later) >= norm.isf(0.025) * final
    expected = bayes.predictive_power(value, error, done)
    low, high = binom.ppf([0.0005, 0.9995], len(ends), expected)
    assert low <= ends.sum() <= high


def watched(rows: list[tuple[object, ...]], names: list[str], **more: object) -> object:
    frame = pl.DataFrame(rows, schema=names, orient="row")
    shares = {"control": 0.5, "treatment": 0.5}
    return ratio_watch.watch_ratio(frame, shares, count="units", **more)


def test_the_evidence_of_one_prior_is_the_ratio_of_beta_functions():
    """Two arms, one concentration: B(a + x, a + y) / B(a, a) · 2ⁿ."""
    from scipy.special import betaln  # noqa: PLC0415 - the other formula

    found = ratio_watch.ratio_evidence([30, 50], [0.5, 0.5], (20.0,))
    assert found == pytest.approx(betaln(40, 60) - betaln(10, 10) + 80 * math.log(2))


@pytest.mark.parametrize(
    ("counts", "p"), [((600, 400), 2.5396e-10), ((821_588, 815_482), 1.8218e-6)]
)
def test_published_mismatches_are_found_although_watched(counts, p):
    """Published chi-square p-values (Wikipedia's example; Kohavi et al. chapter 21): both alarm."""
    expected = sum(counts) / 2
    assert chi2.sf(sum((c - expected) ** 2 / expected for c in counts), 1) == pytest.approx(
        p, rel=1e-3
    )
    assert ratio_watch.ratio_evidence(counts, [0.5, 0.5]) > math.log(1 / ratio_watch.ALPHA)


def test_the_watched_ratio_ever_alarms_in_at_most_alpha_and_the_daily_chi_square_more_often():
    n, experiments = np.arange(1, 61) * 50, 1500
    rng = stream(33, "ratio")
    c = rng.binomial(50, 0.5, (experiments, 60)).cumsum(axis=1)
    evidence = ratio_watch.ratio_evidence(np.stack([c, n - c], axis=-1), [0.5, 0.5])
    limit = binom.ppf(0.999, experiments, 0.05)
    assert (evidence.max(axis=1) >= math.log(20)).sum() <= limit
    chi = (2 * c - n) ** 2 / n
    assert (chi.max(axis=1) >= chi2.isf(0.05, 1)).sum() > 2 * limit  # the planted fault


def test_three_unequal_arms_are_watched_too():
    shares = [0.5, 0.3, 0.2]
    even, off = np.multiply(10_000, shares), np.array([5000, 3300, 1700])
    found = ratio_watch.ratio_evidence([even, off], shares)
    assert found[0] < 0 < math.log(1000) < found[1]


def test_a_stage_that_loses_units_of_one_arm_blocks_and_is_named():
    rows = [
        (day, stage, arm, round(200 * (0.7 if (stage, arm) == ("outcome", "treatment") else 1)))
        for day in range(1, 15)
        for stage in ("assigned", "outcome")
        for arm in ("control", "treatment")
    ]
    found = watched(rows, ["day", "stage", "arm", "units"], stage="stage")
    assert not found.passed
    assert found.first_failure in range(2, 8)
    assert "at the stage “outcome”" in found.text
    stages = found.table[found.table["failed"]]["stage"].unique()
    assert list(stages) == ["outcome"]


def test_a_segment_that_is_off_is_named_and_does_not_block():
    rows = [
        (day, store, arm, n)
        for day in range(1, 8)
        for store, arm, n in (
            ("north", "control", 5000), ("north", "treatment", 5010),
            ("south", "control", 70), ("south", "treatment", 35),
        )
    ]  # fmt: skip
    found = watched(rows, ["day", "store", "arm", "units"], segment="store")
    assert found.passed
    assert found.segments_failed == ("south",)
    assert "off in “south”" in found.text


def test_an_alarm_stays_when_the_counts_even_out_later():
    rows = [(1, "control", 600), (1, "treatment", 400), (2, "control", 400), (2, "treatment", 600)]
    found = watched(rows, ["day", "arm", "units"])
    assert found.table["failed"].tolist() == [True, True]
    assert found.first_failure == 1


def test_an_arm_that_never_came_is_an_arm_with_no_units():
    found = watched([(1, "control", 30)], ["day", "arm", "units"])
    assert not found.passed


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: power.power_of(1, 0), ParameterError, "standard_error was 0"),
        (lambda: power.detectable(1, power=0.01), ParameterError, "power was 0.01"),
        (lambda: power.units_needed(0, (1, 1)), ParameterError, "no number of units finds it"),
        (lambda: power.units_needed(1, (1, 1), (0.9, 0.9)), ParameterError, "shares was"),
        (lambda: power.units_needed(1, (0, 0)), ParameterError, "variances was"),
        (lambda: power.scale_needed(1, 1, 9, reading="bayes"), ParameterError, "prior was None"),
        (lambda: power.scale_needed(1, 0, 9), InputError, "no number of units"),
        (lambda: spending.plan_looks([0.5, 0.2]), ParameterError, "must ascend"),
        (lambda: spending.plan_looks([0.5, 1.2]), ParameterError, "at most 1"),
        (lambda: spending.plan_looks([1.0], sides=3), ParameterError, "sides was 3"),
        (lambda: spending.plan_looks([1.0], family="power", power=0.0), ParameterError, "power was 0"),
        (lambda: bayes.posterior(0, 0), ParameterError, "standard_error was 0"),
        (lambda: bayes.believe(0, 1, largest_loss=0), ParameterError, "largest_loss was 0"),
        (lambda: bayes.guard(0, 1, 0), ParameterError, "margin was 0"),
        (lambda: bayes.predictive_power(0, 1, 1.5), ParameterError, "information was 1.5"),
        (lambda: watched([(1, "contrl", 3)], ["day", "arm", "units"]), InputError, "did you mean 'control'"),
        (lambda: watched([(1, None, 3)], ["day", "arm", "units"]), InputError, "1 row of the units have no arm"),
        (lambda: watched([(1, "control", -3)], ["day", "arm", "units"]), InputError, "below 0"),
        (lambda: watched([], ["day", "arm", "units"]), InputError, "not enough data"),
        (lambda: ratio_watch.checked_shares({"a": 1.0}), ParameterError, "at least two arms"),
        (lambda: ratio_watch.checked_shares({"a": 1.0, "b": 0.0}), ParameterError, "above 0"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name(call, error, said):
    with pytest.raises(error, match=said):
        call()
