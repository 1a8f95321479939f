"""BG/NBD and Gamma-Gamma formulas against published numbers, closed forms and simulation.

Sources: Fader, Hardie and Lee (2005) and their notes 021, 025, 027; the BTYD vignette.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import hyp2f1

from workbench.clv import bg_nbd, gamma_gamma
from workbench.clv.bg_nbd import BgNbd
from workbench.clv.gamma_gamma import GammaGamma
from workbench.clv.lifetimes_fitters import fit_gamma_gamma, fit_purchases
from workbench.clv.models import expected_purchases, expected_purchases_new
from workbench.clv.rows import collapse
from workbench.streams import stream

PAPER = BgNbd(0.243, 4.414, 0.793, 2.426)
SPEND = GammaGamma(6.25, 3.74, 15.44)


def test_log_likelihood_of_one_customer_as_published():
    at = BgNbd(r=0.25, alpha=4.0, a=0.8, b=2.5)
    found = bg_nbd.log_likelihood(at, [0, 200], [0, 38], [40, 40])
    np.testing.assert_allclose(found, [-0.59947382, 100.7957], atol=1e-4)


def test_expected_purchases_given_history_as_published():
    assert expected_purchases(bg_nbd, PAPER, 39, 2, 30.43, 38.86) == pytest.approx(1.226, abs=1e-3)


def test_probability_alive_as_published_and_one_without_repeat():
    alive = bg_nbd.probability_alive(PAPER, [2, 0], [30.43, 0], [38.86, 38.86])
    assert alive[0] == pytest.approx(0.726579, abs=1e-5)
    assert alive[1] == 1.0


def test_expected_purchases_of_a_new_customer_as_published():
    times = [0.1429, 1, 3, 31.8571, 32, 78]
    published = [0.0078, 0.0533, 0.1509, 1.0420, 1.0452, 1.8605]
    found = expected_purchases_new(bg_nbd, PAPER, times)
    np.testing.assert_allclose(found, published, atol=1e-4)


def test_purchase_probabilities_as_published():
    assert bg_nbd.purchase_probability(PAPER, 0, 39) == pytest.approx(0.5737864, abs=1e-7)
    assert bg_nbd.purchase_probability(PAPER, 10, 2) == pytest.approx(1.07869e-07, rel=1e-4)
    published = [
        *(0.0019995214, 0.0015170236, 0.0011633150, 0.0009003148, 0.0007023638),
        *(0.0005517902, 0.0004361913, 0.0003467171, 0.0002769613, 0.0002222260),
    ]
    found = [bg_nbd.purchase_probability(PAPER, n, 30) for n in range(11, 21)]
    np.testing.assert_allclose(found, published, rtol=1e-6)


def test_purchase_probabilities_sum_to_one_and_to_the_expectation():
    probabilities = [bg_nbd.purchase_probability(PAPER, n, 30) for n in range(600)]
    assert sum(probabilities) == pytest.approx(1, abs=1e-9)
    mean = sum(n * p for n, p in enumerate(probabilities))
    assert mean == pytest.approx(float(expected_purchases_new(bg_nbd, PAPER, 30)), rel=1e-6)


@settings(deadline=None, max_examples=60)
@given(
    r=st.floats(0.1, 3),
    alpha=st.floats(0.5, 30),
    a=st.floats(0.05, 3).filter(lambda a: abs(a - 1) > 0.01),
    b=st.floats(1.1, 15),
    x=st.integers(0, 20),
    age=st.floats(1, 60),
    time=st.floats(0.1, 60),
)
def test_transformed_expectation_equals_the_paper_s_equation_10(*, r, alpha, a, b, x, age, time):
    t_x = 0.0 if x == 0 else 0.6 * age
    z = time / (alpha + age + time)
    second = 1 - ((alpha + age) / (alpha + age + time)) ** (r + x) * hyp2f1(
        r + x, b + x, a + b + x - 1, z
    )
    odds = (x > 0) * a / (b + max(x, 1) - 1) * ((alpha + age) / (alpha + t_x)) ** (r + x)
    written_out = (a + b + x - 1) / (a - 1) * second / (1 + odds)
    found = expected_purchases(bg_nbd, BgNbd(r, alpha, a, b), time, x, t_x, age)
    assert float(found) == pytest.approx(written_out, rel=1e-6, abs=1e-9)


def test_expectation_stays_finite_with_hundreds_of_purchases():
    found = expected_purchases(
        bg_nbd, BgNbd(1.4, 9.5, 0.02, 13.4), 91, [0, 250, 2000], [0, 270, 270], 274
    )
    assert np.isfinite(found).all()
    assert found[1] == pytest.approx(250 / 274 * 91, rel=0.1)


def test_expectation_has_no_jump_at_a_of_one():
    around = [
        float(expected_purchases(bg_nbd, BgNbd(0.5, 5.0, a, 3.0), 20, 3, 25, 30))
        for a in (0.9999, 1.0, 1.0001)
    ]
    assert around[0] > around[1] > around[2]
    assert around[1] == pytest.approx((around[0] + around[2]) / 2, rel=1e-4)


def test_probability_alive_equals_the_share_of_the_likelihood_that_is_alive():
    # Bayes by numerical integration over (λ, p) of the customer's own likelihood.
    r, alpha, a, b = BgNbd(0.8, 5.0, 0.9, 3.0)
    x, t_x, age = 3, 20.0, 30.0

    def alive_rate(rate):
        return rate ** (r - 1) * np.exp(-alpha * rate) * rate**x * np.exp(-rate * age)

    def gone_rate(rate):
        return rate ** (r - 1) * np.exp(-alpha * rate) * rate**x * np.exp(-rate * t_x)

    def stay(p):
        return p ** (a - 1) * (1 - p) ** (b - 1) * (1 - p) ** x

    def leave(p):
        return p ** (a - 1) * (1 - p) ** (b - 1) * p * (1 - p) ** (x - 1)

    alive = quad(alive_rate, 0, np.inf)[0] * quad(stay, 0, 1)[0]
    gone = quad(gone_rate, 0, np.inf)[0] * quad(leave, 0, 1)[0]
    found = float(bg_nbd.probability_alive(BgNbd(r, alpha, a, b), x, t_x, age))
    assert found == pytest.approx(alive / (alive + gone), rel=1e-6)


def test_simulated_customers_keep_the_invariants_and_the_expectation():
    truth = BgNbd(0.8, 6.0, 0.9, 3.0)
    x, t_x = bg_nbd.simulate(truth, np.full(40_000, 40.0), stream(2026, "clv/expectation"))
    assert (t_x <= 40).all()
    assert (t_x[x == 0] == 0).all()
    assert (t_x[x > 0] > 0).all()
    error = x.std() / np.sqrt(len(x))
    assert abs(x.mean() - float(expected_purchases_new(bg_nbd, truth, 40.0))) < 4 * error


def test_fit_recovers_the_truth_of_a_simulation_within_four_standard_errors():
    truth = BgNbd(0.8, 6.0, 0.9, 3.0)
    rng = stream(2026, "clv/recovery/bg_nbd")
    age = rng.uniform(20, 60, size=8_000).round(1)
    x, t_x = bg_nbd.simulate(truth, age, rng)
    found = fit_purchases("bg_nbd", collapse(x, t_x, age))
    assert found.converged
    for name, value in truth._asdict().items():
        error = found.standard_errors[name]
        assert error < 0.5 * value, name
        assert abs(found.values[name] - value) < 4 * error, name


def test_fit_recovers_simulated_spend_within_four_standard_errors():
    truth = GammaGamma(4.0, 5.0, 6000.0)
    rng = stream(2026, "clv/recovery/gamma_gamma")
    rate = rng.gamma(truth.q, 1 / truth.v, size=6_000)
    x = rng.integers(1, 8, size=6_000).astype(float)
    mean_value = rng.gamma(truth.p * x, 1 / (rate * x))
    found = fit_gamma_gamma(x, mean_value)
    for name, value in truth._asdict().items():
        assert abs(found.values[name] - value) < 4 * found.standard_errors[name], name


def test_expected_spend_of_the_first_ten_customers_as_published():
    x = [2, 1, 0, 0, 0, 7, 1, 0, 2, 0]
    z = [22.35, 11.77, 0, 0, 0, 73.74, 11.77, 0, 25.55, 0]
    published = [24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17]
    np.testing.assert_allclose(gamma_gamma.expected_value(SPEND, x, z), published, atol=0.1)
    assert gamma_gamma.population_mean(SPEND) == pytest.approx(35.218978, abs=1e-5)


def test_spend_without_a_finite_mean_says_so():
    assert gamma_gamma.population_mean(GammaGamma(6, 1.0, 15)) == float("inf")


def test_spend_likelihood_in_cents_is_lower_by_ln_100_a_customer():
    dollars = gamma_gamma.log_likelihood(SPEND, [2, 5], [20.0, 40.0])
    cents = gamma_gamma.log_likelihood(SPEND._replace(v=SPEND.v * 100), [2, 5], [2000.0, 4000.0])
    np.testing.assert_allclose(dollars - cents, np.log(100))


def test_fitting_leaves_the_warning_filters_as_they_were():
    before = list(warnings.filters)
    x, t_x = bg_nbd.simulate(PAPER, np.full(500, 40.0), stream(2026, "clv/filters"))
    assert fit_purchases("bg_nbd", collapse(x, t_x, np.full(500, 40.0))).converged
    assert warnings.filters == before


def test_only_one_module_imports_lifetimes():
    source = Path(bg_nbd.__file__).parents[1]
    importing = [
        path.name
        for path in source.rglob("*.py")
        if re.search(
            r"^\s*(import|from) lifetimes\b", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]
    assert importing == ["lifetimes_fitters.py"]
