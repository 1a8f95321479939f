"""Explain single customers of a replayed log: path, state and every change that lets an offer through.

What is measured, from an open log and an open decision log, after one explanation that loads the
compiled code:

* ``seconds_explain_median`` and ``seconds_explain_worst``: one decision set of each of 50 drawn
  customers, drawn among the decisions without an offer, because only these ask for changes;
* ``seconds_story_median``: the table of events and decisions of the same customers.

Usage: ``python benchmarks/explain.py [--log FOLDER] [--decisions FOLDER] [--customers 50] [--json]``.
Without folders those that ``make demo`` leaves are taken.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from workbench.log import open_log
from workbench.replay import Replay, explain, open_replay, story

DEMO = Path("runs/demo")
SEED = 20171
WITH_OFFER = ("offered", "awarded", "held_out", "global_holdout", "queued")


def drawn(replayed: Replay, customers: int) -> list[tuple[str, str]]:
    """Return drawn customers, each with a decision without an offer."""
    refused = replayed.decisions().filter(~pl.col("reason").is_in(WITH_OFFER)).collect()
    mixed = refused.sample(fraction=1.0, shuffle=True, seed=SEED)
    rows = mixed.unique("person", keep="first", maintain_order=True).head(customers)
    return list(zip(rows["person"].to_list(), rows["decision_id"].to_list(), strict=True))


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def figures(log_folder: Path, decisions: Path, customers: int) -> dict[str, Any]:
    """Measure and return the figures."""
    log = open_log(log_folder)
    replayed = open_replay(decisions, log=log)
    asked = drawn(replayed, customers)
    first_s = timed(lambda: explain(replayed, asked[0][0], at=asked[0][1]))
    seconds, changes = [], 0
    for person, decision_id in asked:
        start = time.perf_counter()
        told = explain(replayed, person, at=decision_id)
        seconds.append(time.perf_counter() - start)
        changes += len(told.changes)
    stories = [timed(lambda each=each: story(replayed, each)) for each, _ in asked]  # type: ignore[misc]  # bound at once
    return {
        "events": log.events,
        "customers": len(asked),
        "changes_count": changes,
        "seconds_explain_first": round(first_s, 3),
        "seconds_explain_median": round(statistics.median(seconds), 3),
        "seconds_explain_worst": round(max(seconds), 3),
        "seconds_story_median": round(statistics.median(stories), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log", type=Path, default=DEMO / "log", help="the stored log")
    parser.add_argument(
        "--decisions", type=Path, default=DEMO / "decisions", help="its decision log"
    )
    parser.add_argument("--customers", type=int, default=50, help="customers to explain")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    found = figures(options.log, options.decisions, options.customers)
    if options.json:
        print(json.dumps(found))
        return
    for key, value in found.items():
        print(f"{key:26} {value:>12,}")


if __name__ == "__main__":
    main()
