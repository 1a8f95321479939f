"""The posterior, its priors and its correction: other implementations, recovery, calibration."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest

from workbench.clv import Prior, as_summary, bg_nbd, estimate, fit_clv, gamma_gamma
from workbench.clv.models import MODELS
from workbench.clv.nuts import Chains
from workbench.clv.posterior import Target, find_mode, sample
from workbench.clv.rows import collapse
from workbench.clv.smoothing import smoothed
from workbench.errors import ParameterError
from workbench.streams import stream

TIGHT = {
    "bg_nbd": {"r": 0.8, "alpha": 6.0, "a": 0.9, "b": 3.0},
    "mbg_nbd": {"r": 0.8, "alpha": 6.0, "a": 0.9, "b": 3.0},
    "pareto_nbd": {"r": 0.8, "alpha": 6.0, "s": 0.9, "beta": 20.0},
    "bg_bb": {"alpha": 1.2, "beta": 0.75, "gamma": 0.7, "delta": 3.0},
}


def narrow(name):
    return {key: Prior("lognormal", median, 0.4) for key, median in TIGHT[name].items()}


def base(name, parameters, n, rng):
    """Return a summary in days of customers simulated from a model."""
    ages = [6.0, 9.0] if name == "bg_bb" else [15.0, 30.0, 40.0]
    age = rng.choice(ages, size=n)
    x, t_x = MODELS[name].simulate(parameters, age, rng)
    frame = {"customer": np.arange(n), "frequency": x.astype(int), "recency": t_x, "T": age}
    return as_summary(pl.DataFrame(frame), unit="day")


@pytest.mark.parametrize("sd", [0.2, 1.0, 2.0, 4.0])
def test_smoothing_equals_arviz(sd):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ArviZ announces its next version
        import arviz  # noqa: PLC0415
    ratios = stream(3, f"clv/smoothing/{sd}").normal(0, sd, 1500)
    weights, k = smoothed(ratios)
    theirs, their_k = arviz.psislw(ratios - ratios.max())
    assert k == pytest.approx(float(their_k), abs=1e-9)
    np.testing.assert_allclose(weights, theirs, atol=1e-9)


def test_smoothing_without_a_tail_says_that_nothing_is_known():
    assert smoothed(np.zeros(100))[1] == np.inf


@pytest.mark.parametrize(
    "prior",
    [
        Prior("lognormal", 3.0, 0.7),
        Prior("gamma", 3.0, 2.0),
        Prior("weibull", 3.0, 2.0),
        Prior("half_normal", 3.0),
    ],
)
def test_prior_is_a_density_of_the_logarithm_and_its_draws_follow_it(prior):
    theta = np.linspace(-18, 9, 60_001)
    log_density, slope = prior.log_density(theta)
    density = np.exp(log_density)
    assert np.trapezoid(density, theta) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(
        np.gradient(log_density, theta)[1:-1], slope[1:-1], atol=2e-3, rtol=1e-2
    )
    drawn = np.log(prior.draw(stream(3, f"clv/prior/{prior.family}"), 20_000))
    mean = np.trapezoid(theta * density, theta)
    assert abs(drawn.mean() - mean) < 4 * drawn.std() / np.sqrt(20_000)


def test_corrected_draws_have_the_moments_of_a_skewed_posterior():
    """One observed waiting time y of rate λ ~ Gamma(2, mean 2): the posterior is Gamma(3, 1 + y)."""
    y = 0.7
    target = Target(
        names=("rate",),
        with_gradient=lambda at: (float(np.log(at[0]) - at[0] * y), 1 / at - y),
        alone=lambda at: float(np.log(at[0]) - at[0] * y),
        priors={"rate": Prior("gamma", 2.0, 2.0)},
        n=1.0,
    )
    found = sample(target, np.zeros(1), draws=4000, proposals=20_000, rng=stream(3, "clv/skew"))
    assert found.pareto_k < 0.5
    error = np.sqrt(3) / 1.7 / np.sqrt(4000)
    assert abs(found.values.mean() - 3 / 1.7) < 4 * error
    assert found.values.std() == pytest.approx(np.sqrt(3) / 1.7, rel=0.06)


def test_mode_of_a_flat_target_is_the_maximum_that_lifetimes_finds():
    rng = stream(3, "clv/mode")
    summary = base("bg_nbd", (0.8, 6.0, 0.9, 3.0), 400, rng)
    frame = summary.frame
    rows = collapse(frame["frequency"], frame["recency"], frame["T"])
    target = Target(
        names=bg_nbd.NAMES,
        with_gradient=lambda at: bg_nbd.total(at, rows),
        alone=lambda at: bg_nbd.total_alone(at, rows),
        priors=None,
        n=400.0,
    )
    found = np.exp(find_mode(target, np.zeros(4)).theta)
    theirs = fit_clv(summary, spend=None, method="mle").parameters
    np.testing.assert_allclose(found, [theirs[name] for name in bg_nbd.NAMES], rtol=1e-3)


def test_high_k_hands_over_to_nuts_and_the_gate_says_so(monkeypatch):
    real = estimate.sample

    def unreliable(*args, **more):
        return estimate_draws(real(*args, **more))

    def estimate_draws(draws):
        return type(draws)(values=draws.values, mode=draws.mode, pareto_k=0.9)

    def chains(target, start, **_):
        return Chains(
            values=np.exp(start) * np.ones((500, 4)), worst_r_hat=1.0, least_ess=500, divergences=3
        )

    monkeypatch.setattr(estimate, "sample", unreliable)
    monkeypatch.setattr(estimate, "sample_nuts", chains)
    fit = fit_clv(base("bg_nbd", (0.8, 6.0, 0.9, 3.0), 400, stream(3, "clv/k")), spend=None)
    assert fit.pareto_k == {"BG/NBD": 0.9}
    assert "divergences of the BG/NBD chains was 3, must be 0" in fit.gate.text


@pytest.mark.slow
def test_nuts_agrees_with_the_corrected_posterior():
    summary = base("bg_nbd", (0.8, 6.0, 0.9, 3.0), 400, stream(3, "clv/nuts"))
    ours = fit_clv(summary, spend=None, draws=4000, priors=narrow("bg_nbd"))
    theirs = fit_clv(summary, spend=None, method="nuts", priors=narrow("bg_nbd"), draws=4000)
    assert theirs.gate.passed, theirs.gate.text
    for name in bg_nbd.NAMES:
        deviation = theirs.standard_errors[name]
        assert abs(ours.parameters[name] - theirs.parameters[name]) < 0.1 * deviation, name
        assert ours.standard_errors[name] == pytest.approx(deviation, rel=0.1), name


def test_same_seed_gives_the_same_draws_and_a_warm_start_the_same_posterior():
    summary = base("bg_nbd", (0.8, 6.0, 0.9, 3.0), 400, stream(3, "clv/seed"))
    first, again = (fit_clv(summary, spend=None, draws=500) for _ in range(2))
    np.testing.assert_array_equal(first.draws, again.draws)
    warm = fit_clv(summary, spend=None, draws=500, start=first)
    for name in bg_nbd.NAMES:
        assert (
            abs(warm.parameters[name] - first.parameters[name]) < 0.2 * first.standard_errors[name]
        )
    other = fit_clv(summary, spend=None, draws=500, seed=2)
    assert not np.array_equal(first.draws, other.draws)


def test_priors_of_times_are_in_days_whatever_the_unit():
    days = base("bg_nbd", (0.8, 6.0, 0.9, 3.0), 300, stream(3, "clv/unit"))
    frame = days.frame.with_columns(pl.col("recency", "T") / 7)
    weeks = as_summary(frame.drop("monetary_cents"), unit="week")
    in_days, in_weeks = (fit_clv(s, spend=None, draws=500) for s in (days, weeks))
    assert in_weeks.parameters["alpha"] * 7 == pytest.approx(in_days.parameters["alpha"], rel=1e-3)
    assert in_weeks.parameters["a"] == pytest.approx(in_days.parameters["a"], rel=1e-3)


def test_prior_moves_the_posterior_where_the_data_say_little():
    summary = base("bg_nbd", (0.8, 6.0, 0.9, 3.0), 60, stream(3, "clv/prior"))
    low, high = (
        fit_clv(summary, spend=None, priors={"b": Prior("lognormal", at, 0.1)}).parameters["b"]
        for at in (1.0, 9.0)
    )
    assert low < 2
    assert high > 6


def test_prior_of_an_unknown_parameter_or_for_a_maximum_is_refused():
    summary = base("bg_nbd", (0.8, 6.0, 0.9, 3.0), 100, stream(3, "clv/refused"))
    with pytest.raises(ParameterError, match=r"a parameter with a prior was 'alhpa'.*'alpha'"):
        fit_clv(summary, spend=None, priors={"alhpa": Prior("gamma", 1.0)})
    with pytest.raises(ParameterError, match="priors are not for method='mle'"):
        fit_clv(summary, spend=None, method="mle", priors={"r": Prior("gamma", 1.0)})
    with pytest.raises(ParameterError, match="scale of a prior was 0, must be above 0"):
        Prior("gamma", 0)


@pytest.mark.parametrize("name", MODELS)
def test_intervals_hold_the_truth_as_often_as_they_say_over_bases_from_the_prior(name):
    """Simulation-based calibration in small: ranks of the truth are uniform over the draws.

    30 bases and a 0.9 interval: the count is binomial for each parameter, and the bound is its
    0.0003 quantile. benchmarks/clv_calibration.py does it in full.
    """
    rng, priors = stream(11, f"clv/sbc/{name}"), narrow(name)
    inside, ranks = np.zeros(4), []
    for b in range(30):
        truth = np.array([float(prior.draw(rng, 1)[0]) for prior in priors.values()])
        summary = base(name, truth, 250, rng)
        fit = fit_clv(summary, purchases=name, spend=None, priors=priors, draws=200, seed=b)
        ranks.append((fit.draws < truth).mean(axis=0))
        low, high = np.quantile(fit.draws, [0.05, 0.95], axis=0)
        inside += (low <= truth) & (truth <= high)
    assert (inside >= 20).all(), inside
    assert (np.abs(np.mean(ranks, axis=0) - 0.5) < 4 * np.sqrt(1 / 12 / 30)).all(), ranks


def test_spend_intervals_hold_the_truth_as_often_as_they_say():
    priors = {
        "p": Prior("lognormal", 4.0, 0.4),
        "q": Prior("lognormal", 5.0, 0.3),
        "v": Prior("lognormal", 6000.0, 0.4),
    }
    rng, inside = stream(11, "clv/sbc/gamma_gamma"), np.zeros(3)
    for b in range(30):
        truth = np.array([float(prior.draw(rng, 1)[0]) for prior in priors.values()])
        x = rng.integers(1, 8, size=200).astype(float)
        frame = {"customer": np.arange(200), "frequency": x.astype(int), "recency": x, "T": x + 9}
        value = pl.Series("monetary_value", gamma_gamma.simulate(truth, x, rng))
        summary = as_summary(pl.DataFrame(frame).with_columns(value), unit="day")
        fit = fit_clv(summary, priors=priors, draws=200, seed=b)
        low, high = np.quantile(fit.spend_draws, [0.05, 0.95], axis=0)
        inside += (low <= truth) & (truth <= high)
    assert (inside >= 20).all(), inside
