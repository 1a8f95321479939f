"""The posterior, its priors and its correction: other implementations, recovery, calibration."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2, chisquare, norm

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


SPEND = {
    "p": Prior("lognormal", 4.0, 0.4),
    "q": Prior("lognormal", 5.0, 0.3),
    "v": Prior("lognormal", 6000.0, 0.4),
}


def calibrated(name, bases=60, draws=100):
    """Return the ranks of truths among draws, a row a base drawn from the prior, and what intervals hold.

    A rank is the share of the draws below the truth; the last is that of the log-likelihood.
    """
    rng, spend = stream(11, f"clv/sbc/{name}"), name == "gamma_gamma"
    priors, ranks, inside = SPEND if spend else narrow(name), [], []
    for b in range(bases):
        truth = np.array([float(prior.draw(rng, 1)[0]) for prior in priors.values()])
        if spend:
            summary = base("bg_nbd", list(TIGHT["bg_nbd"].values()), 200, rng)
            x = summary.frame["frequency"].to_numpy().astype(float)
            value = np.where(x > 0, gamma_gamma.simulate(truth, np.maximum(x, 1), rng), 0.0)
            frame = summary.frame.drop("monetary_cents").with_columns(monetary_value=value)
            fit = fit_clv(as_summary(frame, unit="day"), priors=priors, draws=draws, seed=b)
            rows, model = gamma_gamma.spend_rows(x[x > 0], value[x > 0]), gamma_gamma
        else:
            summary = base(name, truth, 200, rng)
            more = {"spend": None, "priors": priors, "draws": draws, "seed": b}
            fit = fit_clv(summary, purchases=name, **more)
            rows, model = fit.rows, MODELS[name]
        drawn = fit.spend_draws if spend else fit.draws
        likelihoods = [model.total_alone(at, rows) for at in drawn]
        seen = np.column_stack([drawn, likelihoods])
        ranks.append((seen < [*truth, model.total_alone(truth, rows)]).mean(axis=0))
        low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
        inside.append((low <= truth) & (truth <= high))
    return np.array(ranks), np.array(inside)


def improbable(ranks):
    """Return p-values of uniform ranks by column: five equal bins, their place, how far out they lie.

    The normal quantiles of uniform ranks are normal: their mean is off where a posterior is moved,
    and their squares add up to too much where it is too narrow, to too little where it is too wide
    (Cook, Gelman and Rubin, 2006).
    """
    n = len(ranks)
    bins = [chisquare(np.histogram(r, bins=5, range=(0, 1))[0]).pvalue for r in ranks.T]
    z = norm.ppf(np.clip(ranks, 0.005, 0.995))
    moved = 2 * norm.sf(np.abs(z.mean(axis=0)) * np.sqrt(n))
    tail = chi2.cdf((z**2).sum(axis=0), n)
    return np.array([bins, moved, 2 * np.minimum(tail, 1 - tail)])


@pytest.mark.parametrize("name", [*MODELS, "gamma_gamma"])
def test_ranks_of_the_truth_are_uniform_over_bases_drawn_from_the_prior(name):
    """Simulation-based calibration in small: 60 bases of 200 customers, a fixed seed.

    Each p-value is below 0.0005 in one of 2,000 seeds; a 0.9 interval that holds 43 or fewer of 60
    is as rare. benchmarks/clv_calibration.py does it in full, and with the priors of the models.
    """
    ranks, inside = calibrated(name)
    assert (improbable(ranks) > 0.0005).all(), improbable(ranks)
    assert (inside.sum(axis=0) >= 44).all(), inside.sum(axis=0)


@pytest.mark.parametrize("fault", ["narrow", "wide", "moved"])
def test_ranks_of_a_posterior_that_is_wrong_are_not_uniform(fault):
    """What the calibration can see: a deviation half or twice the right one, a mean 0.8 of it off."""
    rng = stream(11, "clv/sbc/fault")
    spread, off = {"narrow": (0.5, 0.0), "wide": (2.0, 0.0), "moved": (1.0, 0.8)}[fault]
    truth = rng.standard_normal((60, 1))
    draws = off + spread * rng.standard_normal((60, 200))
    assert improbable((draws < truth).mean(axis=1)[:, None]).min() < 0.0005
