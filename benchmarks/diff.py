"""Compare two stored decision logs: what another programme set changes, decision by decision.

What is measured, each run in a process of its own, because the machine does other work too:

* ``seconds_diff_1m``: ``wb.diff`` of two decision logs of about a million decisions each, opened
  already, scaled to exactly a million; the best of several, and the worst;
* ``ratio_to_read``: its time over that in which Polars merely reads the columns it compares;
* ``peak_rss_mb``: the most memory that the process held.

The decision logs are two replays of a made log (``make_log.py``): the programmes of the benchmark,
and the same with lower caps and a longer cooldown, so that every fiftieth decision differs.

Usage: ``python benchmarks/diff.py [--events 4250000] [--repeats 5] [--folder FOLDER] [--json]``.
The decision logs are made unless ``--folder`` holds them already.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from make_log import make_log
from workbench.decision import load_programmes
from workbench.decision.written import changed
from workbench.replay import diff, open_replay, replay
from workbench.replay.pairs import READ

HERE = Path(__file__).resolve().parent
EVENTS, EVENTS_PER_PERSON, MILLION = 4_250_000, 20, 1_000_000
CHANGES = {
    "breakfast_coffee.limits.caps.0.count": 1,
    "evening_nearby.limits.caps.0.count": 1,
    "basket_left.limits.caps.0.count": 1,
    "basket_left.limits.cooldown": "10 days",
}


def decision_logs(folder: Path, events: int) -> tuple[Path, Path]:
    """Return the folders of two decision logs of one made log, made when they are missing."""
    first, second = folder / "a", folder / "b"
    if not (second / "manifest.json").exists():
        programmes = load_programmes(HERE / "programmes")
        others = changed(programmes, CHANGES)
        log = make_log(folder / "log", events=events, persons=events // EVENTS_PER_PERSON)
        replay(log, programmes, out=first)
        replay(log, others, out=second)
    return first, second


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def child(first: Path, second: Path, repeats: int) -> dict[str, Any]:
    """Compare and read in turns; return the figures."""
    opened_s = timed(lambda: open_replay(first))
    a, b = open_replay(first), open_replay(second)
    compared = diff(a, b)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    diffs, reads = [], []
    for _ in range(repeats):
        diffs.append(timed(lambda: diff(a, b)))
        reads.append(timed(lambda: [each.decisions().select(READ).collect() for each in (a, b)]))
    decisions = int(compared.table.iloc[-1]["triggers_a"])
    return {
        "decisions": decisions,
        "differing_count": int(compared.table.iloc[-1]["differing"]),
        "open_s": round(opened_s, 2),
        "seconds_diff_1m": round(min(diffs) * MILLION / decisions, 2),
        "worst_seconds_diff_1m": round(max(diffs) * MILLION / decisions, 2),
        "ratio_to_read": round(min(diffs) / min(reads), 2),
        "peak_rss_mb": round(peak_mb),
    }


def main() -> None:
    """Measure and print."""
    if sys.argv[1:2] == ["--child"]:
        first, second, repeats = sys.argv[2:]
        print(json.dumps(child(Path(first), Path(second), int(repeats))))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=EVENTS, help="events of the log")
    parser.add_argument("--repeats", type=int, default=5, help="comparisons; the best counts")
    parser.add_argument("--folder", type=Path, help="where the decision logs are, or are kept")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        first, second = decision_logs(options.folder or Path(name), options.events)
        done = subprocess.run(  # noqa: S603 - our own interpreter and file
            [sys.executable, __file__, "--child", str(first), str(second), str(options.repeats)],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    if options.json:
        print(json.dumps(found))
        return
    for key, value in found.items():
        print(f"{key:24} {value:>14,}")


if __name__ == "__main__":
    main()
