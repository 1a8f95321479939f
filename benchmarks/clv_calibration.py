"""Calibration of the CLV posteriors by simulation, in full: ranks of the truth, and coverage.

For each model: parameters are drawn from the prior, customers are simulated from them, and the
posterior is fitted with that prior. The rank of the truth among the draws must be uniform for each
parameter and for the log-likelihood (a chi-squared test of ten bins), and a 90 % interval must hold
it nine times of ten. It is done with the priors that ``fit_clv`` takes unless told otherwise
(``stated``) and with narrower ones (``narrow``). A base with too few repeat customers is refused, by
a rule that reads the base alone, so that the ranks of the others are uniform still.

The test suite does the same in small.

Usage: ``python benchmarks/clv_calibration.py [--bases 200] [--customers 500] [--json]
[--models gamma_gamma …] [--priors stated narrow]``.

Source: Talts, Betancourt, Simpson, Vehtari and Gelman (2018), "Validating Bayesian Inference
Algorithms with Simulation-Based Calibration"; Modrák and others (2023), "Simulation-Based
Calibration Checking for Bayesian Computation", for the rank of the log-likelihood.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import chisquare

from workbench.clv import Prior, RfmSummary, as_summary, bg_nbd, fit_clv, gamma_gamma
from workbench.clv.models import MODELS
from workbench.clv.rows import collapse
from workbench.clv.smoothing import MOST_PARETO_K
from workbench.errors import InputError
from workbench.streams import stream

NARROW = {
    "bg_nbd": {"r": 0.8, "alpha": 6.0, "a": 0.9, "b": 3.0},
    "mbg_nbd": {"r": 0.8, "alpha": 6.0, "a": 0.9, "b": 3.0},
    "pareto_nbd": {"r": 0.8, "alpha": 6.0, "s": 0.9, "beta": 20.0},
    "bg_bb": {"alpha": 1.2, "beta": 0.75, "gamma": 0.7, "delta": 3.0},
    "gamma_gamma": {"p": 4.0, "q": 5.0, "v": 6000.0},
}
AGES = {  # days, and occasions for BG/BB: long beside the medians of the priors
    "narrow": (15.0, 30.0, 40.0),
    "stated": (90.0, 180.0, 360.0),
}
OCCASIONS = (6.0, 9.0, 12.0)
BINS, DRAWS, PURCHASES = 10, 400, (0.8, 6.0, 0.9, 3.0)


def priors_of(name: str, kind: str) -> Mapping[str, Prior]:
    """Return the priors that a model has unless told otherwise, or narrower ones."""
    if kind == "narrow":
        return {key: Prior("lognormal", median, 0.4) for key, median in NARROW[name].items()}
    return gamma_gamma.PRIORS if name == "gamma_gamma" else MODELS[name].PRIORS


def simulated(
    name: str, kind: str, truth: np.ndarray, customers: int, rng: np.random.Generator
) -> RfmSummary:
    """Return a summary in days, or in occasions, of customers simulated from a model."""
    ages = OCCASIONS if name == "bg_bb" else AGES["narrow" if name == "gamma_gamma" else kind]
    age = rng.choice(ages, size=customers)
    if name == "gamma_gamma":
        x, t_x = bg_nbd.simulate(PURCHASES, age, rng)
        value = np.where(x > 0, gamma_gamma.simulate(truth, np.maximum(x, 1), rng), 0.0)
    else:
        (x, t_x), value = MODELS[name].simulate(truth, age, rng), None
    frame = {"customer": np.arange(customers), "frequency": x.astype(int), "recency": t_x, "T": age}
    return as_summary(
        pl.DataFrame(frame | ({} if value is None else {"monetary_value": value})), unit="day"
    )


def likelihood(name: str, summary: RfmSummary) -> Callable[[np.ndarray], float]:
    """Return the log-likelihood of a base as a function of the parameters."""
    frame = summary.frame
    if name == "gamma_gamma":
        paid = frame.filter(pl.col("frequency") > 0)
        spent = gamma_gamma.spend_rows(paid["frequency"].cast(pl.Float64), paid["monetary_cents"])
        return lambda at: gamma_gamma.total_alone(at, spent)
    rows = collapse(frame["frequency"], frame["recency"], frame["T"])
    return lambda at: MODELS[name].total_alone(at, rows)


def calibrate(name: str, kind: str, bases: int, customers: int) -> dict[str, Any]:
    """Return the p-values of uniform ranks, and the coverage, of each parameter of a model."""
    priors = priors_of(name, kind)
    is_spend = name == "gamma_gamma"
    ranks, inside, worst, refused, nuts = [], [], [], 0, 0
    for b in range(bases):
        rng = stream(b, f"calibration/{name}/{kind}")
        truth = np.array([float(prior.draw(rng, 1)[0]) for prior in priors.values()])
        summary = simulated(name, kind, truth, customers, rng)
        try:
            fit = fit_clv(
                summary, purchases="bg_nbd" if is_spend else name, spend=name if is_spend else None,
                priors=priors, draws=DRAWS, seed=b,
            )  # fmt: skip
        except InputError:
            refused += 1
            continue
        draws = fit.spend_draws if is_spend else fit.draws
        title = gamma_gamma.TITLE if is_spend else fit.model.TITLE
        k = fit.pareto_k[title]
        worst.append(k)
        nuts += k > MOST_PARETO_K
        total = likelihood(name, summary)
        seen = np.column_stack([draws, [total(at) for at in draws]])
        true = np.append(truth, total(truth))
        ranks.append((seen < true).mean(axis=0))
        low, high = np.quantile(draws, [0.05, 0.95], axis=0)
        inside.append((low <= truth) & (truth <= high))
    counts = [np.histogram(column, bins=BINS, range=(0, 1))[0] for column in np.transpose(ranks)]
    what = [*priors, "log-likelihood"]
    return {
        "bases": len(ranks),
        "refused": refused,
        "nuts": nuts,
        "p_values": dict(
            zip(what, [round(float(chisquare(c).pvalue), 3) for c in counts], strict=True)
        ),
        "coverage": dict(zip(priors, np.mean(inside, axis=0).round(3).tolist(), strict=True)),
        "counts": dict(zip(what, [c.tolist() for c in counts], strict=True)),
        "worst_pareto_k": round(float(np.max(worst)), 2),
    }


def main() -> None:
    """Calibrate each model, and print the figures."""
    parser = argparse.ArgumentParser(description="Calibration of the CLV posteriors.")
    parser.add_argument("--bases", type=int, default=200)
    parser.add_argument("--customers", type=int, default=500)
    parser.add_argument("--models", nargs="+", choices=list(NARROW), default=list(NARROW))
    parser.add_argument("--priors", nargs="+", choices=list(AGES), default=list(AGES))
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = {
        f"{name}/{kind}": calibrate(name, kind, arguments.bases, arguments.customers)
        for name in arguments.models
        for kind in arguments.priors
    }
    if arguments.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        print(f"{name:20} {figures}")


if __name__ == "__main__":
    main()
