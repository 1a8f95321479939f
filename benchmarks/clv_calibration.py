"""Calibration of the CLV posteriors by simulation, in full: ranks of the truth, and coverage.

For each model: parameters are drawn from the prior, customers are simulated from them, and the
posterior is fitted with that prior. The rank of the truth among the draws must be uniform (a
chi-squared test of ten bins for each parameter), and a 90 % interval must hold it nine times of ten.
The test suite does the same in small.

Usage: ``python benchmarks/clv_calibration.py [--bases 200] [--customers 500] [--json]``.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import chisquare

from workbench.clv import as_summary, fit_clv
from workbench.clv.models import MODELS, Purchases
from workbench.clv.priors import Prior
from workbench.streams import stream

MEDIANS: dict[Purchases, tuple[float, float, float, float]] = {
    "bg_nbd": (0.8, 6.0, 0.9, 3.0),
    "mbg_nbd": (0.8, 6.0, 0.9, 3.0),
    "pareto_nbd": (0.8, 6.0, 0.9, 20.0),
    "bg_bb": (1.2, 0.75, 0.7, 3.0),
}
BINS = 10


def calibrate(name: Purchases, bases: int, customers: int) -> dict[str, Any]:
    """Return the p-value of uniform ranks and the coverage of each parameter of a model."""
    model, rng = MODELS[name], stream(1, f"calibration/{name}")
    priors = {
        parameter: Prior("lognormal", median, 0.4)
        for parameter, median in zip(model.NAMES, MEDIANS[name], strict=True)
    }
    ages = [6.0, 9.0] if name == "bg_bb" else [15.0, 30.0, 40.0]
    ranks, inside, worst = [], [], -np.inf
    for b in range(bases):
        truth = np.array([float(prior.draw(rng, 1)[0]) for prior in priors.values()])
        age = rng.choice(ages, size=customers)
        x, t_x = model.simulate(truth, age, rng)
        frame = {
            "customer": np.arange(customers),
            "frequency": x.astype(int),
            "recency": t_x,
            "T": age,
        }
        summary = as_summary(pl.DataFrame(frame), unit="day")
        fit = fit_clv(summary, purchases=name, spend=None, priors=priors, draws=400, seed=b)
        ranks.append((fit.draws < truth).mean(axis=0))
        low, high = np.quantile(fit.draws, [0.05, 0.95], axis=0)
        inside.append((low <= truth) & (truth <= high))
        worst = max(worst, *fit.pareto_k.values())
    counts = [np.histogram(column, bins=BINS, range=(0, 1))[0] for column in np.transpose(ranks)]
    return {
        "p_values": [round(float(chisquare(count).pvalue), 3) for count in counts],
        "coverage": np.mean(inside, axis=0).round(3).tolist(),
        "worst_pareto_k": round(float(worst), 2),
    }


def main() -> None:
    """Calibrate each model, and print the figures."""
    parser = argparse.ArgumentParser(description="Calibration of the CLV posteriors.")
    parser.add_argument("--bases", type=int, default=200)
    parser.add_argument("--customers", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = {name: calibrate(name, arguments.bases, arguments.customers) for name in MEDIANS}
    if arguments.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        print(f"{name:12} {figures}")


if __name__ == "__main__":
    main()
