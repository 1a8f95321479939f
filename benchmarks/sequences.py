"""Confidence sequences of many experiments at every day: 78 experiments, 30 days, one covariate.

What is measured, the best of some runs:

* ``seconds_sequences``: from the daily moments of all experiments to the interval of every day: moments
  so far, relative effects with the covariate, always-valid intervals (the bound is 2 s);
* ``seconds_monitor_sequences``: the whole monitoring of one of them from its rows, verdicts included.

Before anything is timed, the last day of one experiment is held against its monitoring from rows.

Usage: ``python benchmarks/sequences.py [--experiments 78] [--days 30] [--units 200] [--runs 3] [--json]``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

import workbench as wb
from workbench.experiment import daily
from workbench.experiment.effect import Parts
from workbench.experiment.moments import Moments
from workbench.streams import stream

EXPERIMENTS, DAYS, UNITS, RUNS = 78, 30, 200, 3
TARGET_SECONDS = 2.0
ARMS = ("control", "treatment")
PARTS = Parts(numerator="spend", covariates=(("before", None),))
HOW = daily.Sequencing(alpha=0.05, tightest=5_000, first=100)


def units_of(number: int, days: int, units: int) -> pl.DataFrame:
    """Return the units of one experiment: skewed spend, half of it known from before."""
    draw = stream(number, "benchmark/sequences")
    n = days * units
    before = draw.gamma(2, 5, n)
    return pl.DataFrame(
        {
            "arm": np.where(draw.random(n) < 1 / 2, *ARMS),
            "day": np.repeat(np.arange(days), units),
            "before": before,
            "spend": before / 2 + draw.gamma(2, 3, n),
        }
    )


def moments_of(frame: pl.DataFrame) -> dict[tuple[object, ...], dict[str, Moments]]:
    """Return the moments of each arm and day, as one pass over the rows gives them."""
    return {
        key: {"spend": Moments.of(part.select("spend", "before").to_dict(as_series=False))}
        for key, part in frame.partition_by("arm", "day", as_dict=True).items()
    }


def sequence(moments: dict[tuple[object, ...], dict[str, Moments]]) -> Any:
    """Return the intervals of every day of one experiment."""
    days, arms = daily.by_arm(moments)
    found = daily.effects_by_day(arms["treatment"], arms["control"], "spend", PARTS)
    return daily.sequence_table(days, "treatment", "spend", found, HOW)


def best(work: Callable[[], Any], runs: int) -> float:
    """Return the least seconds that work takes."""
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def measured(experiments: int, days: int, units: int, runs: int) -> dict[str, float]:
    """Check one experiment against its rows, time all, and return the figures."""
    frame = units_of(0, days, units)

    def monitored() -> Any:
        return wb.monitor(frame, "spend", day="day", covariates=["before"]).daily()

    every = [moments_of(units_of(number, days, units)) for number in range(experiments)]
    ours, rows = sequence(every[0]).iloc[-1], monitored().iloc[-1]
    for name in ("lift", "low", "high"):
        if not math.isclose(ours[name], rows[name], rel_tol=1e-9):
            sys.exit(f"{name} is {ours[name]} from moments and {rows[name]} from rows")
    return {
        "experiments_count": experiments,
        "days_count": days,
        "units": experiments * days * units,
        "seconds_sequences": best(lambda: [sequence(each) for each in every], runs),
        "seconds_monitor_sequences": best(monitored, runs),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (
        ("experiments", EXPERIMENTS),
        ("days", DAYS),
        ("units", UNITS),
        ("runs", RUNS),
    ):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measured(given.experiments, given.days, given.units, given.runs)
    if given.json:
        print(json.dumps(found))
        return
    print(f"experiments x days     {given.experiments} x {given.days}")
    print(f"sequences              {found['seconds_sequences']:.2f} s (target {TARGET_SECONDS} s)")
    print(f"monitoring of one      {found['seconds_monitor_sequences']:.2f} s")


if __name__ == "__main__":
    main()
