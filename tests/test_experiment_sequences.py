"""Confidence sequences against published vectors, and against their promise under daily looks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm

from workbench.errors import InputError, ParameterError
from workbench.experiment import bounded, sequences
from workbench.streams import stream

A_SUM, A_SQUARES = 1396.87, 52377.9767
B_SUM, B_SQUARES = 2422.7, 134698.29


def mean_and_error(total: float, squares: float, n: int) -> tuple[float, float]:
    return total / n, (squares - total**2 / n) / (n - 1) / n


def relative(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    error = b[1] / a[0] ** 2 + a[1] * b[0] ** 2 / a[0] ** 4
    return b[0] / a[0] - 1, math.sqrt(error)


def test_the_asymptotic_sequence_gives_growthbooks_interval_of_a_relative_lift():
    """GrowthBook, tests/frequentist/test_tests.py: N* = 1,000."""
    a, b = mean_and_error(A_SUM, A_SQUARES, 3000), mean_and_error(B_SUM, B_SQUARES, 3461)
    value, error = relative(a, b)
    found = sequences.always_valid(value, error, 6461, tightest=1000)
    assert (value, error) == pytest.approx((0.50336, 0.33341), abs=1e-5)
    assert (found.low, found.high) == pytest.approx((-0.55844, 1.56516), abs=1e-5)
    assert found.p_value == 1


def test_the_asymptotic_sequence_gives_growthbooks_interval_of_two_proportions():
    """GrowthBook, same file: N* = 5,000."""
    p, q = 1396 / 3000, 2422 / 3461
    value, error = relative((p, p * (1 - p) / 3000), (q, q * (1 - q) / 3461))
    found = sequences.always_valid(value, error, 6461, tightest=5000)
    assert (value, error) == pytest.approx((0.50386, 0.03386), abs=1e-5)
    assert (found.low, found.high) == pytest.approx((0.40098, 0.60675), abs=1e-5)
    assert found.p_value == pytest.approx(0, abs=1e-9)


def test_the_one_sided_sequence_gives_growthbooks_lower_end():
    """GrowthBook, same file. Its p-value comes from a bisection that stops early, hence 2e-4."""
    a, b = mean_and_error(A_SUM, A_SQUARES, 3000), mean_and_error(B_SUM, B_SQUARES, 3461)
    low, p = sequences.always_valid_one_sided(
        b[0] - a[0], math.sqrt(a[1] + b[1]), 6461, tightest=5000
    )
    assert b[0] - a[0] == pytest.approx(0.2343767, abs=1e-7)
    assert low == pytest.approx(-0.1265684, abs=1e-7)
    assert p == pytest.approx(0.4631649, abs=2e-4)


@pytest.mark.parametrize(
    ("one_sided", "log_mixture", "bound"),
    [(False, -0.6510052, 30.35209), (True, -0.06502391, 27.66071)],
)
def test_the_normal_mixture_gives_the_reference_values_of_confseq(one_sided, log_mixture, bound):
    """confseq, test/uniform_boundaries_unittest.cpp: v = v_opt = 100, s = 10, alpha 0.05."""
    rho = sequences.normal_rho(100, 0.05, one_sided=one_sided)
    found = sequences.normal_log_mixture(10, 100, rho, one_sided=one_sided)
    assert found == pytest.approx(log_mixture, abs=1e-6)
    assert sequences.normal_bound(100, 0.05, 100, one_sided=one_sided) == pytest.approx(
        bound, abs=1e-5
    )


def test_the_mixture_sequential_ratio_gives_the_published_p_values():
    """Johari et al.: normal values, variance 2, mixture variance 0.01, 1,000 pairs."""
    assert sequences.sequential_ratio(1000, 0.1, 2.0, 0.01) == pytest.approx(
        (3.278722, 0.304997), abs=1e-6
    )
    assert sequences.sequential_ratio(1000, 0.2, 2.0, 0.01) == pytest.approx(
        (1698.4199, 0.000588783), rel=1e-6
    )


def test_the_sequential_ratio_and_the_sequence_are_one_mixture():
    """With ρ² = τ²/σ² the e-value of the sequence is Λ."""
    n, d, variance, tau2 = 1000, 0.1, 2.0, 0.01
    tightest = sequences.mixing(0.05, 1.0) / (tau2 / variance)
    found = sequences.always_valid(d, math.sqrt(variance / n), n, tightest=tightest)
    ratio, _ = sequences.sequential_ratio(n, d, variance, tau2)
    assert math.exp(found.log_evidence) == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("successes", "trials", "tightest", "ends"),
    [
        (700, 1000, 100, (0.651629, 0.745949)),
        (15, 50, 50, (0.129556, 0.511896)),
        (5, 50, 50, (0.013021, 0.269264)),
        (1, 50, 50, (0.0, 0.13489)),
        (100, 200, 1, (0.328923, 0.671076)),
    ],
)
def test_the_interval_of_a_proportion_gives_the_reference_values_of_confseq(
    successes, trials, tightest, ends
):
    """confseq, bernoulli_confidence_interval; the reference cuts its digits, hence 2e-6."""
    found = bounded.bernoulli_interval(successes, trials, tightest=tightest)
    assert found == pytest.approx(ends, abs=2e-6)


@given(value=st.floats(-3, 3), error=st.floats(0.01, 2), n=st.integers(1, 10**6))
@settings(max_examples=100)
def test_the_p_value_is_below_alpha_exactly_where_the_interval_excludes_zero(value, error, n):
    found = sequences.always_valid(value, error, n, first=1)
    assert (found.p_value < 0.05) == (found.low > 0 or found.high < 0)


def test_nothing_is_said_before_the_first_units_and_without_a_standard_error():
    found = sequences.always_valid([1.0, 1.0, np.nan], [0.1, 0.0, 0.1], [99, 1000, 1000])
    assert found.low.tolist() == [-np.inf] * 3
    assert found.p_value.tolist() == [1.0] * 3


def most(rate: float, n: int) -> int:
    """The upper end of the exact one-sided 99.9 % band of a count at a rate."""
    return int(binom.ppf(0.999, n, rate))


def daily_looks(experiments: int = 600, days: int = 60, a_day: int = 40):
    """A/A experiments on skewed spend (a quarter buys, exponentially): estimates at every day."""
    rng = stream(20, "daily looks")
    shape = (experiments, days, a_day)
    spend = [rng.exponential(1.0, shape) * (rng.random(shape) < 0.25) for _ in "ab"]
    n = np.arange(1, days + 1) * a_day
    means = [each.sum(axis=2).cumsum(axis=1) / n for each in spend]
    squares = [(each**2).sum(axis=2).cumsum(axis=1) / n for each in spend]
    variances = [(s - m**2) / (n - 1) for s, m in zip(squares, means, strict=True)]
    return means[1] - means[0], np.sqrt(variances[0] + variances[1]), 2 * n


def test_daily_looks_ever_miss_in_at_most_alpha_of_experiments_without_an_effect():
    value, error, units = daily_looks()
    found = sequences.always_valid(value, error, units, first=500, tightest=2000)
    assert (found.p_value.min(axis=1) < 0.05).sum() <= most(0.05, len(value))


def test_daily_looks_at_ordinary_p_values_are_seen_to_miss_too_often():
    """The planted fault: the same looks, the ordinary interval."""
    value, error, units = daily_looks()
    p = np.where(units >= 500, 2 * norm.sf(np.abs(value) / error), 1.0)
    assert (p.min(axis=1) < 0.05).sum() > 3 * most(0.05, len(value))


def test_a_bound_without_the_mixture_s_logarithm_is_seen_to_miss_too_often():
    """The planted fault: a half-width that forgets the growth of the martingale."""
    value, error, units = daily_looks()
    half = error * np.sqrt(2 * np.log(1 / 0.05))
    ever = ((np.abs(value) > half) & (units >= 500)).any(axis=1).sum()
    assert ever > most(0.05, len(value))


def test_betting_covers_a_skewed_bounded_mean_at_all_looks_at_once():
    rng = stream(21, "betting")
    misses, experiments = 0, 150
    for _ in range(experiments):
        values = rng.beta(0.2, 1.8, 300) * 10
        low, high = bounded.betting_interval(values, (0, 10), looks=range(10, 301, 10))
        misses += bool(((low > 1.0) | (high < 1.0)).any())
    assert misses <= most(0.05, experiments)


def test_betting_with_bets_that_see_their_own_unit_is_caught(monkeypatch):
    """The planted fault: a bet from a mean that holds the unit it is on."""
    values = stream(22, "betting").beta(0.2, 1.8, 300)
    honest = bounded.betting_interval(values, (0, 1))
    monkeypatch.setattr(bounded, "_bets", lambda x, alpha: np.where(x > 0.1, 0.9, 0.0))
    assert bounded.betting_interval(values, (0, 1))[0][-1] > 0.1 > honest[0][-1]


def test_betting_is_narrower_than_the_bound_that_knows_the_range_alone():
    values = stream(23, "betting").beta(0.2, 1.8, 1000)
    low, high = bounded.betting_interval(values, (0, 1))
    blind = sequences.normal_bound(1000 / 4, 0.05, 1000 / 4) / 1000
    assert high[-1] - low[-1] < 2 * blind


def test_betting_scales_with_its_bounds():
    values = np.array([0.0, 1.0, 0.5] * 40)
    low, high = bounded.betting_interval(values, (0, 1), looks=[60, 120])
    wide_low, wide_high = bounded.betting_interval(values * 50 - 20, (-20, 30), looks=[60, 120])
    assert wide_low == pytest.approx(low * 50 - 20)
    assert wide_high == pytest.approx(high * 50 - 20)


def test_the_running_intersection_never_widens_and_may_become_empty():
    low, high = sequences.running(np.array([[-1.0, 0.5, 2.0]]), np.array([[1.0, 0.7, 3.0]]))
    assert low.tolist() == [[-1.0, 0.5, 2.0]]
    assert high.tolist() == [[1.0, 0.7, 0.7]]


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: sequences.always_valid(0, 1, 9, alpha=1.5), ParameterError, "alpha was 1.5"),
        (lambda: sequences.always_valid(0, 1, 9, first=0), ParameterError, "first was 0"),
        (lambda: bounded.bernoulli_interval(3, 2), InputError, "3 of 2"),
        (lambda: bounded.betting_interval([1, 5], (0, 4)), InputError, "1 of 2 values lie outside"),
        (lambda: bounded.betting_interval([np.nan], (0, 4)), InputError, "1 of 1 values"),
        (lambda: bounded.betting_interval([1], (4, 4)), ParameterError, "bounds was"),
        (lambda: bounded.betting_interval([1, 2], (0, 4), looks=[2, 1]), ParameterError, "ascend"),
        (lambda: bounded.betting_interval([1, 2], (0, 4), looks=[3]), ParameterError, "number of units, 2"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_with_its_name(call, error, said):
    with pytest.raises(error, match=said):
        call()


@pytest.mark.parametrize("successes", [0, 60])
def test_a_proportion_of_none_or_all_has_an_interval_from_that_end(successes: int):
    low, high = bounded.bernoulli_interval(successes, 60)
    assert low <= successes / 60 <= high
    assert 0 < high - low < 0.3
