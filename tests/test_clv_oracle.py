"""CLV posteriors beside pymc-marketing's under the same priors, where `make oracle` installed it.

The log-density of the posterior is held against that of their model at several places, for each
model: it has no Monte Carlo error. Then both are sampled, theirs by NUTS.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from workbench.clv import Prior, as_summary, bg_nbd, fit_clv, gamma_gamma
from workbench.clv.models import MODELS
from workbench.clv.rows import collapse
from workbench.streams import stream

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs are not ours to mend

CUSTOMERS, SPEND = 500, (4.0, 5.0, 60.0)
TRUTH = {
    "bg_nbd": (0.8, 6.0, 0.9, 3.0),
    "mbg_nbd": (0.8, 6.0, 0.9, 3.0),
    "pareto_nbd": (0.8, 6.0, 0.9, 20.0),
    "bg_bb": (1.2, 0.75, 0.7, 3.0),
    "gamma_gamma": SPEND,
}
THEIR_CLASS = {
    "bg_nbd": "BetaGeoModel",
    "mbg_nbd": "ModifiedBetaGeoModel",
    "pareto_nbd": "ParetoNBDModel",
    "bg_bb": "BetaGeoBetaBinomModel",
    "gamma_gamma": "GammaGammaModel",
}


@pytest.fixture(scope="module")
def marketing():
    """The CLV models of pymc-marketing."""
    reason = "pymc-marketing is not installed: `make oracle` installs it"
    return pytest.importorskip("pymc_marketing.clv", reason=reason)


def base(name):
    """Return customers simulated from a model, with amounts in whole units of money."""
    rng = stream(31, f"clv/oracle/{name}")
    purchases = "bg_nbd" if name == "gamma_gamma" else name
    age = np.full(CUSTOMERS, 9.0) if name == "bg_bb" else rng.choice([15.0, 30.0], CUSTOMERS)
    x, t_x = MODELS[purchases].simulate(TRUTH[purchases], age, rng)
    value = np.where(x > 0, gamma_gamma.simulate(SPEND, np.maximum(x, 1), rng), 0.0)
    rows = {"customer": np.arange(CUSTOMERS), "frequency": x.astype(int), "recency": t_x, "T": age}
    return pl.DataFrame({**rows, "monetary_value": value})


def names_of(name):
    return gamma_gamma.NAMES if name == "gamma_gamma" else MODELS[name].NAMES


def priors_of(name):
    return {
        key: Prior("lognormal", 1.2 * at, 0.6)
        for key, at in zip(names_of(name), TRUTH[name], strict=True)
    }


def theirs(marketing, name):
    """Return their model of the same customers, built with the same priors."""
    from pymc_extras.prior import Prior as TheirPrior  # noqa: PLC0415 - of the optional group

    frame = base(name).rename({"customer": "customer_id"})
    if name == "gamma_gamma":
        frame = frame.filter(pl.col("frequency") > 0)
        frame = frame.select("customer_id", "monetary_value", "frequency")
    else:
        frame = frame.drop("monetary_value")
    config = {
        key: TheirPrior("LogNormal", mu=float(np.log(prior.scale)), sigma=prior.shape)
        for key, prior in priors_of(name).items()
    }
    model = getattr(marketing, THEIR_CLASS[name])(data=frame.to_pandas(), model_config=config)
    model.build_model()
    return model


def log_density(name, theta):
    """Return our log-density of the logarithms of the parameters."""
    frame = base(name)
    if name == "gamma_gamma":
        paid = frame.filter(pl.col("frequency") > 0)
        rows = gamma_gamma.spend_rows(paid["frequency"].cast(float), paid["monetary_value"])
        value = gamma_gamma.total_alone(np.exp(theta), rows)
    else:
        rows = collapse(frame["frequency"], frame["recency"], frame["T"])
        value = MODELS[name].total_alone(np.exp(theta), rows)
    priors = priors_of(name).values()
    return value + sum(float(p.log_density(at)[0]) for p, at in zip(priors, theta, strict=True))


@pytest.mark.parametrize("name", TRUTH)
def test_posterior_density_equals_that_of_pymc_marketing_but_for_a_constant(marketing, name):
    model = theirs(marketing, name).model
    density = model.compile_logp()
    rng, gaps = stream(31, f"clv/oracle/places/{name}"), []
    for _ in range(5):
        theta = np.log(TRUTH[name]) + 0.3 * rng.standard_normal(len(TRUTH[name]))
        place = {f"{key}_log__": at for key, at in zip(names_of(name), theta, strict=True)}
        gaps.append(float(density(place)) - log_density(name, theta))
    np.testing.assert_allclose(gaps, gaps[0], rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bg_nbd", "gamma_gamma"])
def test_posterior_agrees_with_nuts_of_pymc_marketing(marketing, name):
    """Within Monte Carlo error: of a mean at most 0.2 deviations (four errors of 400 draws)."""
    chains = theirs(marketing, name)
    chains.fit(
        method="mcmc", chains=2, cores=2, draws=1000, tune=1000, random_seed=1, progressbar=False
    )
    spend = name == "gamma_gamma"
    summary = as_summary(base(name), unit="day", cents_per_unit=1.0)
    fit = fit_clv(
        summary, spend=name if spend else None, priors=priors_of(name), draws=4000, seed=1
    )
    for key in gamma_gamma.NAMES if spend else bg_nbd.NAMES:
        drawn = chains.idata.posterior[key].to_numpy().ravel()
        assert abs(fit.parameters[key] - drawn.mean()) < 0.2 * drawn.std(), key
        assert fit.standard_errors[key] == pytest.approx(drawn.std(), rel=0.15), key
