"""MBG/NBD, Pareto/NBD and BG/BB against published numbers; what every model must hold.

Sources: Fader and Hardie's notes on Pareto/NBD and on BG/BB (note 010), Batislam et al. (2007), the
BTYD walkthrough, CLVTools' and pymc-marketing's tests. Rounded parameters of a paper give its
rounded figures; where the tolerance is tight the reference was computed again with 60 digits.
"""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta

from workbench.clv import as_summary, bg_bb, fit_clv, gamma_gamma, mbg_nbd, pareto_nbd
from workbench.clv.models import MODELS, expected_purchases, expected_purchases_new
from workbench.clv.rows import collapse
from workbench.streams import stream

DATA = Path(importlib.util.find_spec("lifetimes").submodule_search_locations[0]) / "datasets"
PARETO = (0.553276, 10.577613, 0.606213, 11.667907)
WALKTHROUGH = (0.5534, 10.5802, 0.6061, 11.6562)
MANUAL = (0.55, 10.56, 0.61, 11.64)  # of BTYD's manual
PAPER = (1.204, 0.750, 0.657, 2.783)  # as printed, for figures made from it
DONORS = (1.203522, 0.749716, 0.656718, 2.783442)
TRUTH = {
    "bg_nbd": (0.8, 6.0, 0.9, 3.0),
    "mbg_nbd": (0.8, 6.0, 0.9, 3.0),
    "pareto_nbd": (0.8, 6.0, 0.9, 20.0),
    "bg_bb": (1.2, 0.75, 0.7, 3.0),
}
AGES = {"bg_bb": [4.0, 9.0, 12.0]}


@pytest.fixture(scope="module")
def cdnow():
    return pl.read_csv(DATA / "cdnow_customers_summary_with_transactions.csv")


@pytest.fixture(scope="module")
def donors():
    rows = pl.read_csv(DATA / "donations.csv")
    return rows.select(pl.all().repeat_by("weights").explode()).with_row_index("customer")


def histories(name, n, seed="clv/models"):
    rng = stream(7, f"{seed}/{name}")
    age = rng.choice(AGES.get(name, [8.0, 20.0, 31.5]), size=n)
    x, t_x = MODELS[name].simulate(TRUTH[name], age, rng)
    return x, t_x if name == "bg_bb" else t_x.round(1).clip(0.1 * (x > 0), age), age


def fitted(frame, **names):
    summary = as_summary(frame.rename({v: k for k, v in names.items()}), unit="week")
    return lambda purchases: fit_clv(summary, purchases=purchases, spend=None, method="mle")


def test_mbg_nbd_of_cdnow_as_published(cdnow):
    fit = fitted(cdnow, customer="ID", frequency="x", recency="t_x")("mbg_nbd")
    for name, value in {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}.items():
        assert fit.parameters[name] == pytest.approx(value, abs=1e-3), name
    assert fit.log_likelihood == pytest.approx(-9582.1327, abs=0.01)
    assert fit.gate.passed


def test_pareto_nbd_of_cdnow_as_published(cdnow):
    fit = fitted(cdnow, customer="ID", frequency="x", recency="t_x")("pareto_nbd")
    published = {
        "r": (0.553, 2e-3),
        "alpha": (10.578, 2e-2),
        "s": (0.606, 2e-3),
        "beta": (11.669, 2e-2),
    }
    for name, (value, error) in published.items():
        assert fit.parameters[name] == pytest.approx(value, abs=error), name
    assert fit.log_likelihood == pytest.approx(-9594.9739, abs=0.01)
    errors = {"r": 0.0476264, "alpha": 0.8427222, "s": 0.1872594, "beta": 6.2105448}
    for name, value in errors.items():
        assert fit.standard_errors[name] == pytest.approx(value, rel=1e-3), name


def test_bg_bb_of_the_donors_as_published(donors):
    fit = fitted(donors, T="periods")("bg_bb")
    published = {"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783}
    for name, value in published.items():
        assert fit.parameters[name] == pytest.approx(value, abs=1e-2), name
    assert fit.log_likelihood == pytest.approx(-33225.5813, abs=0.01)
    assert len(fit.rows) == 22


def test_log_likelihood_of_one_customer_of_mbg_nbd_as_published():
    found = mbg_nbd.log_likelihood((0.25, 4.0, 0.8, 2.5), [0, 200], [0, 38], [40, 40])
    np.testing.assert_allclose(found, [-0.41792826, 100.7869], atol=1e-4)


def test_pareto_nbd_expectations_and_alive_as_published():
    new = expected_purchases_new(pareto_nbd, MANUAL, np.arange(10))
    published = [
        *(0, 0.05077821, 0.09916088, 0.14542507, 0.18979930),
        *(0.23247466, 0.27361274, 0.31335159, 0.35181024, 0.38909211),
    ]
    np.testing.assert_allclose(new, published, atol=1e-8)
    assert expected_purchases(pareto_nbd, WALKTHROUGH, 52, 26, 30.86, 31) == pytest.approx(
        25.4549, abs=1e-3
    )
    alive = pareto_nbd.probability_alive(WALKTHROUGH, [26, 0], [30.86, 0], [31, 39])
    np.testing.assert_allclose(alive, [0.9979178, 0.294142], atol=1e-5)


@pytest.mark.parametrize(("x", "expected"), [(132, 6.20605178896293), (133, 6.2528722475745)])
def test_pareto_nbd_of_a_long_history_has_a_number(x, expected):
    found = expected_purchases(pareto_nbd, (0.55, 10.58, 0.61, 11.67), 10, x, 200, 200)
    assert float(found) == pytest.approx(expected, abs=1e-9)


def test_pareto_nbd_discounted_residual_purchases_as_computed_again():
    x, t_x, age = [7, 26, 0], [29.43, 30.86, 0], [31.93, 31, 39]
    found = pareto_nbd.probability_alive(WALKTHROUGH, x, t_x, age) * (
        pareto_nbd.discounted_if_alive(WALKTHROUGH, 0.0027, x, age)
    )
    np.testing.assert_allclose(found, [23.12655, 86.03038, 0.4746715], rtol=1e-5)


@settings(deadline=None, max_examples=40)
@given(
    r=st.floats(0.1, 3),
    alpha=st.floats(0.2, 60),
    s=st.floats(0.1, 4),
    beta=st.floats(0.2, 60),
    x=st.integers(0, 60),
    share=st.floats(0.0, 1.0),
    age=st.floats(1, 100),
)
def test_pareto_nbd_likelihood_equals_adaptive_integration(*, r, alpha, s, beta, x, share, age):
    t_x = 0.0 if x == 0 else max(share, 0.01) * age
    at_start = (alpha + t_x) ** -(r + x) * (beta + t_x) ** -(s + 1)

    def integrand(y):
        return (alpha + y) ** -(r + x) * (beta + y) ** -(s + 1) / at_start

    area = quad(integrand, t_x, age, epsabs=0, epsrel=1e-11, limit=400, points=None)[0]
    alive = -(r + x) * np.log(alpha + age) - s * np.log(beta + age)
    gone = np.log(s * area) + np.log(at_start) if area > 0 else -np.inf
    common = (
        pareto_nbd.gammaln(r + x) - pareto_nbd.gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    )
    expected = common + np.logaddexp(alive, gone)
    found = pareto_nbd.log_likelihood((r, alpha, s, beta), x, t_x, age)
    assert float(found) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_bg_bb_figures_as_published(donors):
    alive = bg_bb.probability_alive(PAPER, [0, 2, 6], [0, 4, 6], 6) * bg_bb.stays(PAPER, 6)
    np.testing.assert_allclose(alive, [0.10802, 0.58951, 0.93040], atol=1e-5)
    new = expected_purchases_new(bg_bb, DONORS, np.arange(1, 12))
    published = [
        0.4985,
        0.9233,
        1.2969,
        1.6323,
        1.9381,
        2.2202,
        2.4826,
        2.7285,
        2.9603,
        3.1798,
        3.3887,
    ]
    np.testing.assert_allclose(new, published, atol=1e-3)
    history = (donors[name].to_numpy() for name in ("frequency", "recency", "periods"))
    expected = expected_purchases(bg_bb, DONORS, 5, *history)
    assert expected.sum() == pytest.approx(12884.2, abs=1)


@pytest.mark.parametrize("name", MODELS)
def test_collapsed_likelihood_is_the_sum_over_customers(name):
    x, t_x, age = histories(name, 300)
    rows = collapse(x, t_x, age)
    assert len(rows) < 300
    assert rows.weight.sum() == 300
    np.testing.assert_array_equal(rows.x[rows.row_of], x)
    np.testing.assert_array_equal(rows.pair_age[rows.pair_code[rows.row_of]], age)
    one_by_one = MODELS[name].log_likelihood(TRUTH[name], x, t_x, age).sum()
    for total in (
        MODELS[name].total(TRUTH[name], rows)[0],
        MODELS[name].total_alone(TRUTH[name], rows),
    ):
        assert total == pytest.approx(one_by_one, rel=1e-11)


@pytest.mark.parametrize("name", MODELS)
def test_gradient_equals_differences_of_the_likelihood(name):
    rows = collapse(*histories(name, 200))
    at = np.array(TRUTH[name]) * 1.3
    _, gradient = MODELS[name].total(at, rows)
    step = 1e-5 * np.eye(4)
    differences = [
        (MODELS[name].total_alone(at + h, rows) - MODELS[name].total_alone(at - h, rows)) / 2e-5
        for h in step
    ]
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-6)


def test_gradient_of_spend_equals_differences():
    x = np.array([1.0, 2, 2, 5])
    rows = gamma_gamma.spend_rows(x, [900.0, 1500, 4000, 2500])
    at = np.array([6.0, 4.0, 1500.0])
    value, gradient = gamma_gamma.total(at, rows)
    assert value == pytest.approx(
        gamma_gamma.log_likelihood(at, x, [900.0, 1500, 4000, 2500]).sum(), rel=1e-12
    )
    for i, h in enumerate(np.diag([1e-5, 1e-5, 1e-2])):
        pair = [gamma_gamma.total_alone(at + sign * h, rows) for sign in (1, -1)]
        assert gradient[i] == pytest.approx((pair[0] - pair[1]) / (2 * h[i]), rel=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_draws_of_traits_and_futures_have_the_expected_mean(name):
    model, n, time = MODELS[name], 40_000, 6.0
    rng = stream(7, f"clv/future/{name}")
    x, age = np.full(n, 2.0), np.full(n, 9.0)
    rate, leaving = model.latent(TRUTH[name], x, age, rng)
    expected = float(model.expected_if_alive(TRUTH[name], time, 2, 9))
    for drawn in (
        model.expected_given(rate, leaving, time),
        model.future(rate, leaving, np.full(n, time), rng),
    ):
        assert abs(drawn.mean() - expected) < 4 * drawn.std() / np.sqrt(n)


@pytest.mark.parametrize("name", MODELS)
def test_simulated_customers_have_the_probability_of_the_likelihood(name):
    """Among all who are simulated, the share without a repeat purchase is exp(log-likelihood)."""
    model, n = MODELS[name], 40_000
    x, _ = model.simulate(TRUTH[name], np.full(n, 9.0), stream(7, f"clv/none/{name}"))
    never = float(np.exp(model.log_likelihood(TRUTH[name], 0, 0, 9)))
    assert abs((x == 0).mean() - never) < 4 * np.sqrt(never * (1 - never) / n)
    mean = float(expected_purchases_new(model, TRUTH[name], 9.0))
    assert abs(x.mean() - mean) < 4 * x.std() / np.sqrt(n)


@pytest.mark.parametrize("name", ["mbg_nbd", "pareto_nbd", "bg_bb"])
def test_who_bought_once_may_be_gone_in_all_but_bg_nbd(name):
    alive = MODELS[name].probability_alive(TRUTH[name], 0, 0, [1, 9, 12])
    assert all(later < earlier < 1 for earlier, later in pairwise(alive))
    assert MODELS["bg_nbd"].probability_alive(TRUTH["bg_nbd"], 0, 0, 500) == 1


@pytest.mark.parametrize("parameters", [(0.67, 4.67, 0.28, 0.67), (0.5, 3.0, 0.1, 0.2)])
@pytest.mark.parametrize("time", [1.0, 30.0, 400.0])
def test_expectation_of_who_bought_once_holds_below_a_plus_b_of_one(parameters, time):
    """E[(1 − e^{−λpt})/p] over λ in closed form and over p by integration."""
    r, alpha, a, b = parameters

    def purchases(p):
        return -np.expm1(-r * np.log1p(p * time / alpha)) / p

    density = beta(a, b)
    value = quad(lambda u: purchases(density.ppf(u)), 0, 1, limit=400, epsabs=1e-10)[0]
    found = MODELS["bg_nbd"].expected_if_alive(parameters, time, 0, 0)
    assert float(found) == pytest.approx(value, rel=1e-5)
