"""Customer lifetime value at the scale of a real base, beside pymc-marketing on the same priors.

What is measured, in one process (pymc-marketing in its own, with the Python that ``--pymc`` names):

* ``seconds_summary``: recency, frequency, T and value of a million customers from twenty million
  transactions in a frame (the bound is 15 s);
* ``seconds_posterior``: the posterior of BG/NBD and of Gamma-Gamma on that summary, one after the
  other, with ``pareto_k`` the larger k̂ (the bound is 30 s);
* ``seconds_value``: the discounted margin of every customer with intervals (the bound is 60 s);
* ``seconds_cdnow_warm``: BG/NBD and Gamma-Gamma of CDNOW from an earlier fit (the bound is 2 s);
* ``ratio_to_pymc_marketing``: NUTS of pymc-marketing's BG/NBD (2 chains of 1,000 + 1,000) over our
  posterior, on 50,000 customers and the same priors (the bound is 50), with ``worst_mean_gap`` (in
  posterior deviations, at most 0.1) and ``worst_deviation_gap`` (a share, at most 0.1);
* ``peak_rss_mb``: the most memory that this process held (the bound is 6,000).

The times are wall times of the machine as it is: ``load`` says how busy it was, and
``seconds_cpu_…`` how much computing the same work took.

Usage: ``python benchmarks/clv.py [--customers 1000000] [--compare 50000] [--pymc PYTHON] [--json]``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl

from workbench.clv import RfmSummary, as_summary, bg_nbd, fit_clv, gamma_gamma, rfm_summary
from workbench.clv.priors import Prior

Made = TypeVar("Made")

TRUTH = bg_nbd.BgNbd(1.4, 20.0, 0.35, 6.0)  # about twenty purchases a customer and year
SPEND = gamma_gamma.GammaGamma(6.25, 3.74, 1544.0)
DAYS = 365
# Families that pymc-marketing has too; times in weeks there, in days here.
PRIORS = {
    "r": Prior("weibull", 1.0, 2.0),
    "alpha": Prior("weibull", 70.0, 2.0),
    "a": Prior("weibull", 1.0, 1.5),
    "b": Prior("weibull", 4.0, 1.5),
}
COMPARED = bg_nbd.BgNbd(0.25, 4.4, 0.8, 2.4)  # CDNOW's, in weeks

PYMC_MARKETING = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
from pymc_extras.prior import Prior
from pymc_marketing.clv import BetaGeoModel
data = pd.read_parquet(sys.argv[1])
priors = {name: Prior("Weibull", alpha=shape, beta=scale) for name, (scale, shape) in json.loads(sys.argv[2]).items()}
start = time.perf_counter()
model = BetaGeoModel(data=data, model_config=priors)
model.build_model()
model.fit(method="mcmc", chains=2, cores=2, draws=1000, tune=1000, random_seed=1, progressbar=False)
seconds = time.perf_counter() - start
posterior = model.idata.posterior
print(json.dumps({"seconds": seconds, **{name: [float(posterior[name].mean()), float(posterior[name].std())] for name in ("r", "alpha", "a", "b")}}))
"""


def measured(work: Callable[[], Made], figures: dict[str, Any], name: str) -> Made:
    """Do work, and note its wall time and its computing time under a name."""
    wall, cpu = time.perf_counter(), time.process_time()
    made = work()
    figures[f"seconds_{name}"] = round(time.perf_counter() - wall, 2)
    figures[f"seconds_cpu_{name}"] = round(time.process_time() - cpu, 2)
    return made


def transactions(customers: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return transactions of customers who live as BG/NBD says, their first days spread over a year."""
    rate = rng.gamma(TRUTH.r, 1 / TRUTH.alpha, size=customers)
    leaving = rng.beta(TRUTH.a, TRUTH.b, size=customers)
    worth = rng.gamma(SPEND.q, 1 / SPEND.v, size=customers)
    clock = rng.integers(0, DAYS, size=customers).astype(float)
    open_, who, days = np.arange(customers), [np.arange(customers)], [clock.copy()]
    while len(open_):
        clock[open_] += rng.exponential(1 / rate[open_])
        open_ = open_[clock[open_] < 2 * DAYS]
        who.append(open_)
        days.append(clock[open_])
        open_ = open_[rng.random(len(open_)) >= leaving[open_]]
    person = np.concatenate(who)
    cents = np.ceil(rng.gamma(SPEND.p, 1 / worth[person]))
    day = np.concatenate(days).astype(np.int32)
    frame = pl.DataFrame({"customer": person, "day": day, "cents": cents})
    return frame.sample(fraction=1.0, shuffle=True, seed=1).with_columns(
        pl.col("day").cast(pl.Date)
    )


def at_scale(customers: int, figures: dict[str, Any]) -> None:
    """Measure summary, posterior and value of a large base."""
    made = transactions(customers, np.random.default_rng(1))
    figures["transactions"] = made.height
    summary = measured(
        lambda: rfm_summary(made, customer="customer", date="day", amount="cents"),
        figures,
        "summary",
    )
    fit = measured(lambda: fit_clv(summary), figures, "posterior")
    figures["rows"], figures["pareto_k"] = len(fit.rows), round(max(fit.pareto_k.values()), 3)
    value = measured(lambda: fit.clv(DAYS), figures, "value")
    figures["total_cents"] = round(value.total_cents)


def cdnow(figures: dict[str, Any]) -> None:
    """Measure CDNOW from an earlier fit."""
    package = importlib.util.find_spec("lifetimes")
    if package is None or package.origin is None:
        sys.exit("lifetimes is not installed")
    folder = Path(package.origin).parent / "datasets"
    rows = pl.read_csv(folder / "cdnow_customers_summary_with_transactions.csv").rename(
        {"ID": "customer", "x": "frequency", "t_x": "recency", "zbar": "monetary_value"}
    )
    summary = as_summary(rows, unit="week", cents_per_unit=100)
    first = fit_clv(summary)
    measured(lambda: fit_clv(summary, start=first), figures, "cdnow_warm")


def compared(customers: int, python: str, figures: dict[str, Any]) -> None:
    """Measure our posterior beside pymc-marketing's NUTS, and how far their figures are apart."""
    rng = np.random.default_rng(2)
    age = rng.integers(27 * 7, 39 * 7 + 1, size=customers) / 7
    x, t_x = bg_nbd.simulate(COMPARED, age, rng)
    t_x = np.where(x > 0, np.clip(np.ceil(t_x * 7) / 7, 1 / 7, age), 0.0)
    frame = pl.DataFrame(
        {"customer": np.arange(customers), "frequency": x.astype(int), "recency": t_x, "T": age}
    )
    summary: RfmSummary = as_summary(frame, unit="week")
    fit_clv(summary, spend=None, priors=PRIORS, draws=200)  # what is compiled, is compiled
    fit = measured(
        lambda: fit_clv(summary, spend=None, priors=PRIORS), figures, "posterior_compared"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "customers.parquet"
        frame.rename({"customer": "customer_id"}).write_parquet(file)
        priors = {
            name: (prior.scale / (7 if name == "alpha" else 1), prior.shape)
            for name, prior in PRIORS.items()
        }
        done = subprocess.run(  # noqa: S603 - the interpreter that the user named
            [python, "-c", PYMC_MARKETING, str(file), json.dumps(priors)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        sys.exit(f"pymc-marketing failed: {done.stderr[-2000:]}")
    theirs = json.loads(done.stdout.strip().splitlines()[-1])
    figures["seconds_pymc_marketing"] = round(theirs["seconds"], 2)
    figures["ratio_to_pymc_marketing"] = round(
        theirs["seconds"] / figures["seconds_posterior_compared"], 1
    )
    gaps = [(fit.parameters[n] - theirs[n][0]) / theirs[n][1] for n in bg_nbd.NAMES]
    spread = [fit.standard_errors[n] / theirs[n][1] - 1 for n in bg_nbd.NAMES]
    figures["worst_mean_gap"] = round(max(map(abs, gaps)), 3)
    figures["worst_deviation_gap"] = round(max(map(abs, spread)), 3)


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description="Customer lifetime value at scale.")
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--compare", type=int, default=50_000)
    parser.add_argument("--pymc", help="a Python that has pymc-marketing")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {"customers": arguments.customers, "cores": os.cpu_count()}
    cdnow(figures)
    if arguments.pymc:
        compared(arguments.compare, arguments.pymc, figures)
    at_scale(arguments.customers, figures)
    figures["peak_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    figures["load"] = round(os.getloadavg()[0], 1)
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:28} {value}")


if __name__ == "__main__":
    main()
