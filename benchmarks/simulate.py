"""Simulate a big world in a closed loop with six programmes, and measure time, events and memory.

* ``seconds``: the simulation, log, decisions and truth written, in a process of its own;
* ``events``: events of the log;
* ``peak_rss_mb``: the most memory that the process held;
* ``time_per_customer_ratio``: seconds a customer at the full size over those at a quarter: 1 is
  linear; ``time_per_day_ratio``: the same for the days (with ``--linear``);
* ``same_bytes_ratio``: 1 when one worker and two give the same bytes (with ``--linear``).

Usage: ``python benchmarks/simulate.py [--customers 200000] [--days 90] [--linear] [--json]``.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from workbench.decision import load_programmes
from workbench.world import load_world, simulate

ROOT = Path(__file__).resolve().parents[1]
PROGRAMMES = (
    "basket_left", "breakfast_coffee", "nth_purchase", "weekly_broadcast", "welcome_30_days",
    "win_back",
)  # fmt: skip
CUSTOMERS, DAYS = 200_000, 90


def child(customers: int, days: int, workers: int) -> None:
    """Simulate in this process and print what it took."""
    programmes = load_programmes([ROOT / f"params/programmes/{name}.yaml" for name in PROGRAMMES])
    world = load_world(ROOT / "params/worlds/qsr.yaml")
    simulate(world.sized(customers=50, days=2), programmes, seed=1)  # load the machine code
    with tempfile.TemporaryDirectory(prefix="simulate-") as folder:
        begin = time.perf_counter()
        made = simulate(
            world.sized(customers=customers, days=days),
            programmes,
            seed=1,
            out=folder,
            workers=workers,
        )
        seconds = time.perf_counter() - begin
        rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            json.dumps(
                {
                    "seconds": seconds,
                    "events": made.log.events,
                    "peak_rss_mb": rss,
                    "digest": made.log.digest,
                }
            )
        )


def measured(customers: int, days: int, workers: int) -> dict[str, float | str]:
    """Simulate in a process of its own."""
    numbers = [str(each) for each in (customers, days, workers)]
    done = subprocess.run(  # noqa: S603 - our own interpreter and file
        [sys.executable, __file__, "--child", *numbers], capture_output=True, text=True, check=True
    )
    found: dict[str, float | str] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--days", type=int, default=DAYS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--linear", action="store_true", help="measure smaller worlds too")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--child", type=int, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    customers, days = options.customers, options.days
    whole = measured(customers, days, options.workers)
    figures = {name: round(float(whole[name]), 1) for name in ("seconds", "events", "peak_rss_mb")}
    if options.linear:
        seconds = float(whole["seconds"])
        fewer = float(measured(customers // 4, days, options.workers)["seconds"])
        shorter = float(measured(customers, max(days // 4, 1), options.workers)["seconds"])
        figures["time_per_customer_ratio"] = round(
            seconds / customers * (customers // 4) / fewer, 2
        )
        figures["time_per_day_ratio"] = round(seconds / days * max(days // 4, 1) / shorter, 2)
        small = {measured(customers // 20, days, n)["digest"] for n in (1, 2)}
        figures["same_bytes_ratio"] = 1.0 / len(small)
    if options.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name:26} {figure:>14,}")


if __name__ == "__main__":
    main()
