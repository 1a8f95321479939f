"""Replay a log of the size of Complete Journey, stored log in and stored decisions out.

Beside it, in the same run, Polars reads the same columns and evaluates the same conditions on
the same rows and does nothing with them: the ratio says what the memory of the core costs.
Every figure is the best of several runs, because the machine does other work too; the worst
stands beside it and says how much. ``events_considered`` are those that a trigger looks at: the
others are read past.

Usage: ``python benchmarks/replay.py [--log FOLDER] [--json]``. Without a log one is made, of
the same layout and size: 1,469,307 lines, 155,848 purchases, 2,469 customers.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from workbench.decision import FEATURES, Programme, load_programmes
from workbench.decision.plan import plans_of
from workbench.log import Log, open_log
from workbench.log.store import LogWriter, publish
from workbench.records import Event
from workbench.replay import DecisionCore, replay
from workbench.replay.job import COLUMN_OF

PURCHASES = 155_848
LINES = 1_469_307
PERSONS = 2_469
RUNS = 5
ONE_AT_A_TIME = 2_000
ROOT = Path(__file__).resolve().parent.parent


def made_log(folder: Path) -> Log:
    """Write a log of the size of Complete Journey with the real writer."""
    rng = np.random.default_rng(20_260_101)
    start_us, year_us = 1_483_246_800_000_000, 365 * 86_400_000_000
    basket_ts = np.sort(start_us + rng.integers(0, year_us, PURCHASES))
    basket_person = rng.integers(0, PERSONS, PURCHASES)
    basket_of_line = np.sort(
        np.concatenate([np.arange(PURCHASES), rng.integers(0, PURCHASES, LINES - PURCHASES)])
    )
    cents = rng.gamma(1.5, 210, LINES).astype(np.int64)
    lines = pl.DataFrame(
        {
            "basket": basket_of_line,
            "type": "purchase_line",
            "amount_cents": cents,
            "discount_cents": (cents * rng.choice([0, 0.1, 0.6], LINES)).astype(np.int64),
        }
    )
    baskets = (
        lines.group_by("basket")
        .agg(pl.col("amount_cents", "discount_cents").sum())
        .with_columns(type=pl.lit("purchase"))
    )
    events = pl.concat([lines, baskets], how="diagonal").sort(
        "basket", "type", descending=[False, True]
    )
    basket = events["basket"].to_numpy()
    events = events.with_row_index("ordinal").select(
        event_id=pl.format("e{}", "ordinal"),
        ts=pl.Series(basket_ts[basket]).cast(pl.Datetime("us", "UTC")),
        person_id=pl.format("household {}", pl.Series(basket_person[basket])),
        type="type",
        amount_cents="amount_cents",
        discount_cents="discount_cents",
        ordinal=pl.col("ordinal").cast(pl.Int64),
        content=pl.col("ordinal").cast(pl.UInt64),
    )
    writer = LogWriter(folder / "generation-made", parts=8)
    writer.add(events)
    entries = writer.finish()
    publish(
        folder, folder / "generation-made", {**entries, "zone": "America/New_York", "tables": {}}
    )
    return open_log(folder)


def scan_and_conditions(log: Log, programmes: tuple[Programme, ...]) -> int:
    """Read the columns that the replay reads and evaluate its conditions, with Polars alone.

    Features stand in as constants: what is compared is reading and evaluating.
    """
    plans = plans_of(programmes)
    code = log.codes("type").to_list().index("purchase")
    features = [pl.lit(5).alias(feature.name) for feature in FEATURES]
    event = {name for plan in plans for name in plan.columns} & set(COLUMN_OF)
    stored = ["event_id", "seq", "ts", "known_at", "person", "type", "amount_cents"]
    stored += [COLUMN_OF[name].stored for name in sorted(event)]
    local = pl.col("ts").dt.convert_time_zone(log.zone)
    hits = 0
    for part in log.parts:
        frame = (
            pl.scan_parquet(part)
            .filter(pl.col("type") == code)
            .select(*dict.fromkeys(stored))
            .with_columns(
                *features,
                daypart=pl.when(local.dt.hour().is_between(11, 13)).then(pl.lit("lunch")),
                weekday=local.dt.to_string("%A").str.to_lowercase(),
            )
            .with_columns(
                condition.expression().alias(f"{plan.position}-{place}")
                for plan in plans
                for place, condition in enumerate(plan.conditions)
            )
            .collect()
        )
        hits += frame.height
    return hits


def best_and_worst_s(work: Callable[[], object], runs: int = RUNS) -> tuple[float, float]:
    """Return the shortest and the longest of several durations."""
    durations = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        durations.append(time.perf_counter() - start)
    return min(durations), max(durations)


def second_process_s(log: Path, programmes: Path) -> tuple[float, int]:
    """Return how long a new process takes for its first replay, and how much it compiled."""
    code = (
        "import sys, time, pathlib\n"
        "from workbench.decision import core, features, load_programmes\n"
        "from workbench.log import open_log\n"
        "from workbench.replay import replay\n"
        "log, programmes = open_log(sys.argv[1]), load_programmes(sys.argv[2])\n"
        "start = time.perf_counter()\n"
        "replay(log, programmes)\n"
        "took = time.perf_counter() - start\n"
        "misses = [sum(f.stats.cache_misses.values()) for f in (core.run_compiled, features.run_features_compiled)]\n"
        "print(took, sum(misses))\n"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", code, str(log), str(programmes)],
        capture_output=True,
        text=True,
        check=True,
    )
    took, misses = done.stdout.split()
    return float(took), int(misses)


def one_event_ms(log: Log, programmes: tuple[Programme, ...]) -> float:
    """Return the median time of one decision in plain Python."""
    rows = log.to_polars(
        [
            "event_id",
            "seq",
            "ts",
            "known_at",
            "person_id",
            "type",
            "amount_cents",
            "discount_cents",
        ],
        types=["purchase"],
    ).head(ONE_AT_A_TIME)
    rows = rows.with_columns(pl.col("ts", "known_at").to_physical())
    one = DecisionCore(programmes, zone=log.zone)
    durations = []
    for event_id, seq, ts, known_at, person, kind, amount, discount in rows.iter_rows():
        event = Event(
            event_id, seq, ts, known_at, person, kind, amount_cents=amount, discount_cents=discount
        )
        start = time.perf_counter()
        one.decide(event)
        durations.append(time.perf_counter() - start)
    return statistics.median(durations) * 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, help="a stored log; without it one is made")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    folder = ROOT / "params" / "programmes"
    programmes = load_programmes(folder)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        log = made_log(scratch / "log") if options.log is None else open_log(options.log)
        path = scratch / "log" if options.log is None else options.log
        first = time.perf_counter()
        result = replay(log, programmes, out=scratch / "out")
        first_s = time.perf_counter() - first
        replay_s, replay_worst_s = best_and_worst_s(
            lambda: replay(log, programmes, out=scratch / "out")
        )
        scan_s, scan_worst_s = best_and_worst_s(lambda: scan_and_conditions(log, programmes))
        second_s, compiled = second_process_s(path, folder)
        considered = int(result.programmes["considered"].max())
        figures = {
            "events": result.events,
            "events_considered": considered,
            "decisions": int(result.funnel["decisions"].sum()),
            "programmes": len(programmes),
            "first_replay_s": round(first_s, 3),
            "replay_s": round(replay_s, 3),
            "replay_worst_s": round(replay_worst_s, 3),
            "scan_and_conditions_s": round(scan_s, 3),
            "scan_and_conditions_worst_s": round(scan_worst_s, 3),
            "events_per_second": round(result.events / replay_s),
            "events_considered_per_second": round(considered / replay_s),
            "ratio_to_scan_and_conditions": round(replay_s / scan_s, 2),
            "second_process_first_replay_s": round(second_s, 3),
            "second_process_functions_compiled": compiled,
            "cpu_count": os.cpu_count() or 0,
            "one_event_median_ms": round(one_event_ms(log, programmes), 3),
            "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6),
        }
    if options.json:
        print(json.dumps(figures))
        return
    print(result.text)
    for key, value in figures.items():
        print(f"{key:36} {value:>14,}")


if __name__ == "__main__":
    main()
