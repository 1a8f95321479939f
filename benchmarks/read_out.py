"""Read out a big experiment from Parquet: 10 million units, five metrics, one covariate.

What is measured, each beside what it is compared with and in the same run, because the machine
does other work too:

* ``seconds_10m_units``: ``workbench.read_out`` on the lazy frame, checks and effects included;
* ``ratio_to_tea_tasting``: its time over that of tea-tasting's means with CUPED on the same lazy
  frame (taken in turns, best of each), after checking that both give the same effects;
* ``cpu_seconds_10m_units``: processor time of the same read-out, which other work does not move.

Usage: ``python benchmarks/read_out.py [--units 10000000] [--runs 3] [--json]``.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl
import tea_tasting as tt

import workbench as wb
from workbench.streams import stream

UNITS, RUNS, METRICS = 10_000_000, 3, 5
TARGET_SECONDS, TARGET_RATIO = 3.0, 1.5
T = TypeVar("T")


def make_units(path: Path, units: int) -> None:
    """Write units of two arms with a covariate that explains a part of five metrics."""
    draw = stream(1, "benchmark/read-out")
    before = draw.gamma(2, 5, units)
    columns = {"arm": np.where(draw.random(units) < 1 / 2, "control", "offer"), "before": before}
    for number in range(METRICS):
        columns[f"metric_{number}"] = before / 2 + draw.gamma(2, 3, units)
    pl.DataFrame(columns).write_parquet(path)


def timed(function: Callable[[], T]) -> tuple[float, float, T]:
    """Return the seconds and the processor seconds that a call takes, and what it returns."""
    began, cpu = time.perf_counter(), processor_seconds()
    found = function()
    return time.perf_counter() - began, processor_seconds() - cpu, found


def processor_seconds() -> float:
    """Return the processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(units: int, runs: int) -> dict[str, float]:
    """Measure the read-out and tea-tasting in turns, and return the best of each."""
    names = [f"metric_{number}" for number in range(METRICS)]
    theirs = tt.Experiment(
        {name: tt.Mean(name, covariate="before") for name in names}, variant="arm"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "units.parquet"
        make_units(path, units)
        frame = pl.scan_parquet(path)
        ours_s, cpu_s, theirs_s = [], [], []
        for _ in range(runs):
            seconds, cpu, read = timed(
                lambda: wb.read_out(frame, metrics=names, covariates=["before"])
            )
            ours_s.append(seconds)
            cpu_s.append(cpu)
            seconds, _, other = timed(lambda: theirs.analyze(frame, control="control"))
            theirs_s.append(seconds)
        for name in names:
            ours = read.estimate(name)
            if not math.isclose(ours.value, other[name].effect_size, rel_tol=1e-6):
                raise SystemExit(f"{name}: {ours.value} is not {other[name].effect_size}")
    return {
        "units": units,
        "seconds_10m_units": min(ours_s),
        "ratio_to_tea_tasting": min(ours_s) / min(theirs_s),
        "cpu_seconds_10m_units": min(cpu_s),
        "seconds_tea_tasting": min(theirs_s),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--units", type=int, default=UNITS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.units, given.runs)
    if given.json:
        print(json.dumps(found))
        return
    print(f"units                  {given.units:,}")
    print(f"read-out               {found['seconds_10m_units']:.2f} s (target {TARGET_SECONDS} s)")
    print(f"processor time of it   {found['cpu_seconds_10m_units']:.2f} s")
    print(f"tea-tasting            {found['seconds_tea_tasting']:.2f} s")
    print(f"ratio                  {found['ratio_to_tea_tasting']:.2f} (target {TARGET_RATIO})")


if __name__ == "__main__":
    main()
