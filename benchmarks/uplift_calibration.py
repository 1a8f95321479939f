"""Hold uplift by cell against worlds drawn from its own model, and against worlds where effects are constant.

In each experiment 12,000 customers in 12 cells get one of 3 arms. Measured over experiments:

* how often the 95 % and the 50 % interval of a cell's effect hold it, effects drawn from the prior;
* how often a choice by cell is called better where the effect is the same in every cell, and where there is none;
* how often it is called better where effects differ, and how often the interval of what the choice earns holds
  what it earns in truth, although the choice was made from the same data.

Usage: ``python benchmarks/uplift_calibration.py [--experiments 200] [--json]``.
"""

from __future__ import annotations

import argparse
import json
import warnings
from typing import Any

import numpy as np
import polars as pl
from scipy import special, stats

from workbench.streams import stream
from workbench.uplift import UpliftDraws, UpliftPrior, one_rule
from workbench.uplift.cells import Cells, cells_of
from workbench.uplift.model import design_of, model_of

EXPERIMENTS, CUSTOMERS = 200, 12_000
ARMS = ("control", "coffee", "meal")
PRIOR = UpliftPrior(baseline=0.5, baseline_spread=0.3)


def make_cells() -> Cells:
    """Return the cells; what converts is drawn in each experiment."""
    draw = stream(1, "benchmark/uplift-calibration")
    frame = pl.DataFrame(
        {
            "arm": draw.choice(ARMS, CUSTOMERS),
            "segment": draw.choice(list("abcd"), CUSTOMERS),
            "daypart": draw.choice(["breakfast", "lunch", "dinner"], CUSTOMERS),
            "converted": draw.random(CUSTOMERS) < 1 / 2,
        }
    )
    return cells_of(
        frame, outcomes={"converted": "conversion"}, by=["segment", "daypart"], arm="arm",
        control="control", unit=None, covariate=None,
    )  # fmt: skip


def drawn(cells: Cells, draw: np.random.Generator, *, differ: float, effect: float) -> np.ndarray:
    """Return the predictor of each cell and arm, from the prior with its effects scaled."""
    design = design_of(cells, "converted", PRIOR)
    spread = np.abs(draw.standard_normal(len(design.terms))) * np.array(design.scales)
    spread *= [differ if term.startswith("effect") else 1.0 for term in design.terms]
    coefficient = draw.standard_normal(len(design.block))
    coefficient *= np.concatenate([[1.0], spread])[design.block]
    eta = (design.centre + design.matrix @ coefficient).reshape(cells.n.shape)
    average = (eta[:, 1:] - eta[:, :1]).mean(axis=0)
    eta[:, 1:] += (effect - 1) * average
    return eta


def fitted(compiled: Any, cells: Cells, eta: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Return the posterior of rates, draw x cell x arm."""
    import nutpie  # noqa: PLC0415 - takes seconds

    yes = draw.binomial(cells.n.astype(int), special.expit(eta)).astype(float)
    trace = nutpie.sample(
        compiled.with_data(sum_yes=yes), draws=500, tune=500, chains=2, cores=2,
        seed=int(draw.integers(2**31)), progress_bar=False, target_accept=0.95,
    )  # fmt: skip
    level = np.asarray(trace.posterior["level"]).reshape(1000, -1)
    effect = np.asarray(trace.posterior["effect"]).reshape(1000, *cells.n[:, 1:].shape)
    return special.expit(np.concatenate([level[:, :, None], level[:, :, None] + effect], axis=2))


def decided(cells: Cells, rate: np.ndarray) -> UpliftDraws:
    """Return the draws of a decision by conversions."""
    return UpliftDraws(
        cells=cells.table, by=cells.by, arms=cells.arms, customers=cells.n.sum(axis=1),
        value=rate[:, :, 1:] - rate[:, :, :1], cost=np.zeros(rate[:, :, 1:].shape),
        baseline=rate[:, :, 0], measure="converted", said="", passed=True,
    )  # fmt: skip


def measure(experiments: int) -> dict[str, float]:
    """Return the rates over experiments."""
    cells = make_cells()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nutpie  # noqa: PLC0415 - takes seconds

        compiled = nutpie.compile_pymc_model(model_of(cells, "converted", PRIOR, plain=True))
    kept: dict[str, list[float]] = {
        name: [] for name in ("inside_95", "inside_50", "found", "holds", "constant", "none")
    }
    for k in range(experiments):
        draw = stream(k, "benchmark/uplift-calibration/experiment")
        eta = drawn(cells, draw, differ=1.0, effect=1.0)
        rate = fitted(compiled, cells, eta, draw)
        truth = special.expit(eta)
        true = truth[:, 1:] - truth[:, :1]
        found = decided(cells, rate)
        for level, name in ((0.95, "inside_95"), (0.5, "inside_50")):
            low, high = np.quantile(found.value, [(1 - level) / 2, (1 + level) / 2], axis=0)
            kept[name].append(float(((low <= true) & (true <= high)).mean()))
        rule = one_rule(found)
        kept["found"].append(rule.differs)
        at = [cells.arms.index(arm) for arm in rule.by_cell]
        every = np.arange(len(at))
        value = np.concatenate([np.zeros((*found.value.shape[:2], 1)), found.value], axis=2)
        earned = value[:, every, at] @ found.weight
        in_truth = float(np.column_stack([np.zeros(len(true)), true])[every, at] @ found.weight)
        low, high = np.quantile(earned, [0.025, 0.975])
        kept["holds"].append(float(low <= in_truth <= high))
        for name, effect in (("constant", 1.0), ("none", 0.0)):
            eta = drawn(cells, draw, differ=0.0, effect=effect)
            rate = fitted(compiled, cells, eta, draw)
            kept[name].append(one_rule(decided(cells, rate)).differs)
    band = stats.binom.ppf([0.0005, 0.9995], experiments, 0.05) / experiments
    return {
        "experiments_count": experiments,
        "inside_95_ratio": float(np.mean(kept["inside_95"])),
        "inside_50_ratio": float(np.mean(kept["inside_50"])),
        "choice_holds_truth_ratio": float(np.mean(kept["holds"])),
        "differs_found_ratio": float(np.mean(kept["found"])),
        "differs_constant_effect_ratio": float(np.mean(kept["constant"])),
        "differs_no_effect_ratio": float(np.mean(kept["none"])),
        "most_at_5_percent_ratio": float(band[1]),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--experiments", type=int, default=EXPERIMENTS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.experiments)
    if given.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<32} {value:.3f}")


if __name__ == "__main__":
    main()
