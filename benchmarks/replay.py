"""Replay a big log: stored log in, stored decisions out, ten programmes.

What is measured, each beside what it is compared with and in the same run, because the machine
does other work too:

* ``events_per_second``: the replay, every event counted, in a process of its own;
* ``ratio_to_scan_and_conditions``: its time over that in which Polars reads the same columns and
  evaluates the same conditions and does nothing with them (taken in turns, best of each);
* ``peak_rss_mb``: the most memory that the process of the replay held;
* ``time_per_event_ratio``: time an event at the full size over that at a quarter: 1 is linear;
* ``one_event_median_ms``: one event through ``DecisionCore`` with the ten programmes;
* ``ratio_to_zen`` and ``ratio_to_pandas``: events a second of the replay over those of the same
  rules in zen-engine and in a pandas loop (``loops.py``), after checking that all three decide
  alike; on a sample of 200,000 events.

Usage: ``python benchmarks/replay.py [--events 10000000] [--quick] [--log FOLDER] [--json]``.
The log is made (``make_log.py``) unless ``--log`` holds one already. ``--quick``: a tenth of the
size, for a look.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from loops import COLUMNS as NEEDED
from loops import pandas_loop, zen_loop
from make_log import EVENTS, PERSONS, make_log
from workbench.decision import load_programmes
from workbench.decision.context import COLUMNS, EVENT_COLUMNS, LOCAL_TIME_COLUMNS, local_time
from workbench.decision.house import ProgrammeSet
from workbench.log import Log, open_log
from workbench.log.schema import CONTRACT
from workbench.records import Event
from workbench.replay import DecisionCore, replay

HERE = Path(__file__).resolve().parent
PROGRAMMES, PLAIN = HERE / "programmes", HERE / "plain"
SAMPLE_EVENTS = 200_000
ONE_AT_A_TIME, WARM_UP = 5_000, 500
RUNS = 3
COLUMN_OF = {column.decoded: column for column in CONTRACT}


def scan_and_conditions(log: Log, programmes: ProgrammeSet) -> int:
    """Read the columns that the replay reads and evaluate its conditions, with Polars alone.

    The conditions of a programme are evaluated for the event types that they are about. Features
    stand in as constants: what is compared is reading and evaluating.
    """
    by_type: dict[str, list[pl.Expr]] = {}
    for position, (programme, found) in enumerate(
        zip(programmes, programmes.conditions, strict=True)
    ):
        trigger = programme.trigger
        second = trigger.second.event if trigger.second else trigger.event
        for place, condition in enumerate(found):
            about = second if condition is found.second else trigger.event
            by_type.setdefault(about or "", []).append(
                condition.expression().alias(f"{position}-{place}")
            )
        for name in trigger.event_types:
            by_type.setdefault(name, [])
    read = {name for found in programmes.conditions for name in found.columns}
    event = [COLUMN_OF[name] for name in sorted(read & set(EVENT_COLUMNS))]
    core = ["event_id", "seq", "ts", "known_at", "person", "type", "tz"]
    types = log.codes("type").to_list()
    wanted = [types.index(name) for name in by_type if name in types]
    constants = [
        pl.lit(5).alias(name)
        for name in sorted(read & set(COLUMNS) - set(EVENT_COLUMNS) - set(LOCAL_TIME_COLUMNS))
    ]
    local = [
        local_time(name, log.zone).alias(name) for name in sorted(read & set(LOCAL_TIME_COLUMNS))
    ]
    hits = 0
    for part in log.parts:
        frame = (
            pl.scan_parquet(part)
            .filter(pl.col("type").is_in(wanted))
            .select(*dict.fromkeys([*core, *(column.stored for column in event)]))
            .collect()
        )
        for name, expressions in by_type.items():
            rows = frame.filter(pl.col("type") == types.index(name))
            decoded = [
                _decoded(rows, column.stored, log).alias(column.decoded)
                for column in event
                if column.is_code
            ]
            rows = rows.with_columns(*decoded, *constants, *local)
            hits += rows.select(*expressions).height if expressions else 0
    return hits


def _decoded(rows: pl.DataFrame, stored: str, log: Log) -> pl.Series:
    return log.codes(stored).gather(rows[stored].cast(pl.UInt32))


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def child(log: Path, out: Path, runs: int) -> None:
    """Replay, tell the memory, then time replay and scan in turns; prints one JSON object."""
    opened, programmes = open_log(log), load_programmes(PROGRAMMES)
    first_s = timed(lambda: replay(opened, programmes, out=out))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    replays, scans, cpus = [], [], []
    result = None
    for _ in range(runs):
        start, cpu = time.perf_counter(), time.process_time()
        result = replay(opened, programmes, out=out)
        replays.append(time.perf_counter() - start)
        cpus.append(time.process_time() - cpu)
        scans.append(timed(lambda: scan_and_conditions(opened, programmes)))
    if result is None:
        result, replays, cpus = replay(opened, programmes, out=out), [first_s], [first_s]
    print(
        json.dumps(
            {
                "events": result.events,
                "decisions": int(result.funnel["decisions"].sum()),
                "closed_budgets": int(result.budgets["closed_at"].notna().sum()),
                "first_s": first_s,
                "replay_s": min(replays),
                "replay_cpu_s": min(cpus),
                "scan_s": min(scans) if scans else 0.0,
                "peak_rss_mb": peak_mb,
            }
        )
    )


def in_child(log: Path, out: Path, runs: int) -> dict[str, Any]:
    """Run :func:`child` in a new process and return what it told."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and file
        [sys.executable, str(Path(__file__)), "--child", str(log), str(out), str(runs)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def events_of(log: Log, count: int) -> Iterator[Event]:
    """Give the first events of a log, decoded, in their order."""
    fields = [name for name in Event._fields if name not in ("ts_us", "known_at_us", "extra")]
    frame = log.to_polars([*fields, "ts", "known_at"]).head(count)
    for row in frame.with_columns(pl.col("ts", "known_at").to_physical()).iter_rows(named=True):
        yield Event(
            ts_us=row["ts"], known_at_us=row["known_at"], **{name: row[name] for name in fields}
        )


def one_event_ms(log: Log) -> float:
    """Return the median time of one event with the ten programmes."""
    core = DecisionCore(load_programmes(PROGRAMMES), zone=log.zone)
    durations = [
        timed(lambda event=event: core.decide(event))  # type: ignore[misc]  # bound at once
        for event in events_of(log, ONE_AT_A_TIME)
    ]
    return statistics.median(durations[WARM_UP:]) * 1000


def by_other_means(log: Log) -> dict[str, Any]:
    """Return rates of the replay, the loop and the tables of rules, equal decisions checked."""
    programmes = load_programmes(PLAIN)
    replay(log, programmes)  # compiled code is loaded
    events = log.to_pandas(list(NEEDED))
    found, seconds = {}, {}
    start = time.perf_counter()
    decided = replay(log, programmes).decisions().collect()
    seconds["replay"] = time.perf_counter() - start
    columns = ["event_id", "programme", "reason"]
    found["replay"] = sorted(decided.select(pl.col(columns).cast(pl.String)).rows())
    means = {"pandas": pandas_loop}
    if importlib.util.find_spec("zen") is None:
        print("zen-engine is not installed: `make bench` measures beside it", file=sys.stderr)
    else:
        means["zen"] = zen_loop
    for name, work in means.items():
        start = time.perf_counter()
        rows = work(events)
        seconds[name] = time.perf_counter() - start
        found[name] = sorted(rows)
    for name, rows in found.items():
        if rows != found["replay"]:
            wrong = sorted(set(rows) ^ set(found["replay"]))[:5]
            raise SystemExit(f"{name} decides otherwise than the replay: {wrong}")
    return {
        "sample_events": len(events),
        "sample_decisions": len(decided),
        "replay_events_per_second_on_sample": round(len(events) / seconds["replay"]),
        **{f"{name}_events_per_second": round(len(events) / seconds[name]) for name in means},
        **{f"ratio_to_{name}": round(seconds[name] / seconds["replay"], 1) for name in means},
    }


def figures(scratch: Path, log: Path, events: int, sample_events: int, runs: int) -> dict[str, Any]:
    """Make what is missing, measure, and return the figures."""
    persons = min(PERSONS, max(1_000, events // 20))
    if not (log / "manifest.json").exists():
        make_log(log, events=events, persons=persons)
    quarter = make_log(scratch / "quarter", events=events // 4, persons=persons // 4).path
    sample = make_log(
        scratch / "sample", events=sample_events, persons=sample_events // 20, parts=4
    )
    told = in_child(log, scratch / "out", runs)
    small = in_child(quarter, scratch / "out-quarter", runs)
    per_event = told["replay_s"] / told["events"]
    return {
        "events": told["events"],
        "decisions": told["decisions"],
        "programmes": len(load_programmes(PROGRAMMES)),
        "persons": open_log(log).persons,
        "closed_budgets": told["closed_budgets"],
        "first_replay_s": round(told["first_s"], 2),
        "replay_s": round(told["replay_s"], 2),
        "replay_cpu_s": round(told["replay_cpu_s"], 2),
        "scan_and_conditions_s": round(told["scan_s"], 2),
        "events_per_second": round(told["events"] / told["replay_s"]),
        "ratio_to_scan_and_conditions": round(told["replay_s"] / told["scan_s"], 2),
        "peak_rss_mb": round(told["peak_rss_mb"]),
        "quarter_events_per_second": round(small["events"] / small["replay_s"]),
        "time_per_event_ratio": round(per_event * small["events"] / small["replay_s"], 2),
        "one_event_median_ms": round(one_event_ms(sample), 3),
        **by_other_means(sample),
    }


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--child"]:
        log, out, runs = sys.argv[2:]
        child(Path(log), Path(out), int(runs))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=EVENTS, help="events of the log")
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes, one run")
    parser.add_argument("--log", type=Path, help="where the log is, or is made and kept")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    part, runs = (10, 1) if options.quick else (1, RUNS)
    with tempfile.TemporaryDirectory() as name:
        log = options.log or Path(name) / "log"
        found = figures(Path(name), log, options.events // part, SAMPLE_EVENTS // part, runs)
    if options.json:
        print(json.dumps(found))
        return
    for key, value in found.items():
        print(f"{key:36} {value:>14,}")


if __name__ == "__main__":
    main()
