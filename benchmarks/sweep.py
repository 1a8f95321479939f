"""Sweep a limit over a log, beside single replays: what sharing the columns saves.

What is measured, in one process and in turns, because the machine does other work too:

* ``ratio_sweep_to_single``: the time of a sweep of twenty limits over that of one replay into a
  stored decision log, as ``workbench replay`` makes it (the median over the pairs; the bound is 5);
* ``ratio_sweep_to_in_memory``: the same over a replay that keeps its decisions in memory;
* ``ratio_replays_to_sweep``: the time of twenty single replays, taken as twenty times the single
  one, over that of the sweep;
* ``sweep_s``, ``single_s``, ``in_memory_s``: the best of each;
* ``peak_rss_mb``: the most memory that the process held.

Before anything is timed, the figures of three of the sets are held against their own replays.

Usage: ``python benchmarks/sweep.py [--events 2000000] [--repeats 5] [--log FOLDER] [--json]``.
The log is made (``make_log.py``) unless ``--log`` holds one already.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from make_log import make_log
from workbench.decision import load_programmes
from workbench.decision.house import ProgrammeSet
from workbench.log import Log, open_log
from workbench.replay import replay, sweep, vary

HERE = Path(__file__).resolve().parent
EVENTS, EVENTS_PER_PERSON = 2_000_000, 20
KEY, SETS = "basket_left.limits.cooldown", 20


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def variants(programmes: ProgrammeSet) -> dict[str, ProgrammeSet]:
    """Return the sets of the sweep: twenty lengths of one cooldown."""
    return vary(programmes, KEY, [f"{hours} h" for hours in range(6, 6 + 6 * SETS, 6)])


def check(log: Log, sets: dict[str, ProgrammeSet]) -> None:
    """Hold the figures of the first, a middle and the last set against their own replays."""
    table = sweep(log, sets).table.set_index("label")
    labels = list(sets)
    for label in (labels[0], labels[SETS // 2], labels[-1]):
        alone = replay(log, sets[label])
        found = (table.loc[label, "committed_cents"], table.loc[label, "persons_reached"])
        if found != (alone.committed_cost_cents, alone.persons_reached):
            sys.exit(f"the sweep and the replay of {label} differ: {found}")


def measured(log: Log, repeats: int, folder: Path) -> dict[str, Any]:
    """Time sweep and replay in turns; return the figures."""
    programmes = load_programmes(HERE / "programmes")
    sets = variants(programmes)
    check(log, sets)
    singles, kept, sweeps = [], [], []
    for _ in range(repeats):
        singles.append(timed(lambda: replay(log, programmes, out=folder)))
        sweeps.append(timed(lambda: sweep(log, sets)))
        kept.append(timed(lambda: replay(log, programmes)))
    ratios = [one / other for one, other in zip(sweeps, singles, strict=True)]
    to_kept = [one / other for one, other in zip(sweeps, kept, strict=True)]
    return {
        "events": log.events,
        "programmes": len(programmes),
        "sets_count": SETS,
        "repeats": repeats,
        "ratio_sweep_to_single": round(statistics.median(ratios), 2),
        "worst_ratio_sweep_to_single": round(max(ratios), 2),
        "ratio_sweep_to_in_memory": round(statistics.median(to_kept), 2),
        "ratio_replays_to_sweep": round(SETS / statistics.median(ratios), 1),
        "single_s": round(min(singles), 2),
        "in_memory_s": round(min(kept), 2),
        "sweep_s": round(min(sweeps), 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def main() -> None:
    """Make the log when there is none, measure, and print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        log = (
            open_log(given.log)
            if given.log
            else make_log(
                Path(scratch) / "log",
                events=given.events,
                persons=max(given.events // EVENTS_PER_PERSON, 1),
            )
        )
        figures = measured(log, given.repeats, Path(scratch) / "decisions")
    if given.json:
        print(json.dumps(figures))
        return
    for name, figure in figures.items():
        print(f"{name:<30} {figure:,}")


if __name__ == "__main__":
    main()
