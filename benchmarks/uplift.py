"""Fit uplift over millions of customers, and allocate offers to a million.

What is measured:

* ``seconds_to_posterior``: conversion of 10 million customers in 200 cells and 3 arms, from Parquet to a
  posterior of 2 x 1,000 draws after 1,000 steps, the compilation included;
* ``seconds_three_outcomes``: the same with conversion, visits and profit;
* ``ratio_rows_to_cells``: the time that the same PyMC model takes on the rows of ``--rows`` customers, over that
  on their cells. The rows are sampled for a few steps, and the time of one gradient is multiplied by the
  gradients that the cells took, since the posterior is the same;
* ``seconds_allocation`` and ``duality_gap``: a million customers, ten offers, three budgets;
* ``ratio_to_econml``: the processor time of our DR-learner on 500,000 rows and 20 features over that of econml's,
  with the same boosted trees for the outcome, the same logistic chances, trees of the effect and folds, one thread
  each. It is measured where `make oracle` installed econml.

Usage: ``python benchmarks/uplift.py [--customers 10000000] [--rows 1000000] [--only PART] [--json]``, where a part
is ``allocation``, ``posterior``, ``three``, ``rows`` or ``learners``, and may be repeated.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

import workbench as wb
from workbench.streams import stream
from workbench.uplift.cells import cells_of
from workbench.uplift.crossfit import estimated_chances
from workbench.uplift.learners import UpliftLearner
from workbench.uplift.model import model_of
from workbench.uplift.sampling import sampled

CUSTOMERS, ROWS = 10_000_000, 1_000_000
LEVELS = {"segment": 10, "daypart": 5, "weather": 4}
ARMS = ("control", "coffee", "meal")
DRAWS = 1_000
PARTS = ("allocation", "posterior", "three", "rows", "learners")
TARGETS = {
    "seconds_to_posterior": 60.0,
    "seconds_three_outcomes": 150.0,
    "seconds_allocation": 10.0,
}
LEARNED, FEATURES, FOLDS = 500_000, 20, 3


def make_units(path: Path, customers: int) -> None:
    """Write customers in 200 cells and 3 arms whose effects differ by cell."""
    draw = stream(1, "benchmark/uplift")
    levels = {name: draw.integers(0, count, customers) for name, count in LEVELS.items()}
    arm = draw.integers(0, len(ARMS), customers)
    effect = 0.1 * draw.standard_normal((len(ARMS), *LEVELS.values()))
    effect[0] = 0.0
    at = -1.0 + 0.2 * levels["daypart"] + effect[arm, *levels.values()]
    converted = draw.random(customers) < 1 / (1 + np.exp(-at))
    visits = draw.poisson(np.exp(0.3 * at))
    pl.DataFrame(
        {
            "arm": pl.Series(arm).replace_strict(
                dict(enumerate(ARMS)), return_dtype=pl.Categorical
            ),
            **{name: pl.Series(each).cast(pl.String) for name, each in levels.items()},
            "converted": converted,
            "visits": visits,
            "profit_cents": (400 * visits + 200 * draw.standard_normal(customers)).round(),
        }
    ).write_parquet(path)


def fitted(path: Path, outcomes: dict[str, str]) -> float:
    """Return the seconds from the file to the posterior."""
    began = time.perf_counter()
    wb.fit_uplift(path, outcomes=outcomes, by=list(LEVELS), draws=DRAWS)
    return time.perf_counter() - began


def rows_to_cells(path: Path, rows: int) -> float:
    """Return the time of one gradient on rows over that on cells, with what both take beside it."""
    import pymc as pm  # noqa: PLC0415 - takes seconds

    frame = pl.read_parquet(path).head(rows)
    began = time.perf_counter()
    cells = cells_of(
        frame, outcomes={"converted": "conversion"}, by=list(LEVELS), arm="arm", control="control",
        unit=None, covariate=None,
    )  # fmt: skip
    model = model_of(cells, "converted", wb.UpliftPrior())
    found = sampled(model, sampler="nutpie", draws=DRAWS, tune=1_000, chains=2, seed=1)
    seconds_cells = time.perf_counter() - began
    gradients = float(np.asarray(found.sample_stats["n_steps"]).mean()) * 2 * DRAWS
    keys = pl.DataFrame(cells.table).with_row_index("cell")
    placed = frame.join(keys, on=list(LEVELS), how="left", maintain_order="left")
    cell = placed["cell"].to_numpy().astype(np.int64)
    arm = placed["arm"].cast(pl.String).replace_strict(
        {name: k for k, name in enumerate(cells.arms)}, return_dtype=pl.Int64
    ).to_numpy()  # fmt: skip
    with model:
        import pytensor.tensor as pt  # noqa: PLC0415 - same

        eta = pt.concatenate(
            [model["level"][:, None], model["level"][:, None] + model["effect"]], axis=1
        )
        model.potentials.remove(model["log_likelihood"])
        pm.Bernoulli("rows", logit_p=eta[cell, arm], observed=frame["converted"].to_numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nutpie  # noqa: PLC0415 - same

        compiled = nutpie.compile_pymc_model(model)
        began = time.perf_counter()
        few = nutpie.sample(
            compiled,
            draws=10,
            tune=20,
            chains=2,
            cores=2,
            seed=1,
            progress_bar=False,
            save_warmup=True,
        )
    steps = sum(
        float(np.asarray(group["n_steps"]).sum())
        for group in (few.sample_stats, few.warmup_sample_stats)
    )
    of_one = (time.perf_counter() - began) / (steps / 2)
    return of_one * gradients / seconds_cells


def allocated() -> tuple[float, float]:
    """Return the seconds of an allocation and its gap."""
    draw = stream(1, "benchmark/allocation")
    value = draw.normal(30, 60, (1_000_000, 10))
    cost = draw.uniform(10, 200, (1_000_000, 10))
    offers = [f"offer_{k}" for k in range(10)]
    budgets = [
        wb.Budget(amount_cents=10e6, offers=offers[:4], name="app"),
        wb.Budget(amount_cents=15e6, offers=offers[3:8], name="mail"),
        wb.Budget(amount_cents=30e6, name="all"),
    ]
    began = time.perf_counter()
    plan = wb.allocate(value, cost, offers=offers, budgets=budgets)
    return time.perf_counter() - began, plan.duality_gap


def ratio_to_econml(rows: int = LEARNED) -> dict[str, float]:
    """Return the processor seconds of our DR-learner and of econml's, and their ratio; none without econml."""
    if importlib.util.find_spec("econml") is None:
        print("econml is not installed: `make oracle` installs it", file=sys.stderr)
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from econml.dr import DRLearner  # noqa: PLC0415 - installed by `make oracle` alone

    draw = stream(1, "benchmark/learners")
    x = draw.standard_normal((rows, FEATURES))
    arm = (draw.random(rows) < 1 / (1 + np.exp(-0.5 * x[:, 0]))).astype(np.int64)
    outcome = x[:, 1] + arm * (1 + x[:, 2]) + draw.standard_normal(rows)
    trees = HistGradientBoostingRegressor(max_iter=50, random_state=1)
    chances = LogisticRegression()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.process_time()
        chance = estimated_chances(chances, x, arm, folds=FOLDS, seed=1)
        ours = (
            UpliftLearner("dr", trees, trees, folds=FOLDS).fit(x, outcome, arm, chance).predict(x)
        )
        seconds = time.process_time() - began
        began = time.process_time()
        theirs = DRLearner(
            model_propensity=chances,
            model_regression=trees,
            model_final=trees,
            cv=FOLDS,
            random_state=1,
        ).fit(outcome, arm, X=x)
        effect = theirs.effect(x)
        seconds_econml = time.process_time() - began
    return {
        "ratio_to_econml": seconds / seconds_econml,
        "processor_seconds_learner": seconds,
        "processor_seconds_econml": seconds_econml,
        "rms_error_learner": float(np.sqrt(((ours[:, 0] - 1 - x[:, 2]) ** 2).mean())),
        "rms_error_econml": float(np.sqrt(((effect - 1 - x[:, 2]) ** 2).mean())),
    }


def measure(only: Sequence[str], customers: int, rows: int) -> Iterator[dict[str, float]]:
    """Give the figures of each part as soon as they are measured."""
    if "allocation" in only:
        seconds, gap = allocated()
        yield {"seconds_allocation": seconds, "duality_gap": gap}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "units.parquet"
        if {"posterior", "three", "rows"} & set(only):
            make_units(path, customers)
        if "posterior" in only:
            yield {"seconds_to_posterior": fitted(path, {"converted": "conversion"})}
        if "three" in only:
            three = {"converted": "conversion", "visits": "visits", "profit_cents": "amount"}
            yield {"seconds_three_outcomes": fitted(path, three)}
        if "rows" in only:
            yield {"ratio_rows_to_cells": rows_to_cells(path, rows)}
    if "learners" in only:
        yield ratio_to_econml()


def main() -> None:
    """Measure and print each figure when it is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument(
        "--only", choices=PARTS, action="append", help="may be repeated; all without"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: dict[str, float] = {"customers": given.customers}
    for figures in measure(given.only or PARTS, given.customers, given.rows):
        found |= figures
        for name, value in figures.items():
            target = f" (target {TARGETS[name]:g} s)" if name in TARGETS else ""
            print(
                f"{name:<24} {value:,.4g}{target}",
                file=sys.stderr if given.json else sys.stdout,
                flush=True,
            )
    if given.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
