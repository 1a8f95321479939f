"""Write the golden decision log: one readable line a decision, from the events beside it.

``--check`` compares and writes nothing. A difference is a change of what the core decides: read
it, and raise ``SPEC_VERSION`` in ``workbench/decision/core.py`` with it.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import polars as pl  # noqa: E402 - the tests' own writer stands beside the tests

from small_log import small_log  # noqa: E402 - same
from workbench.decision import SPEC_VERSION, load_programmes  # noqa: E402 - same
from workbench.files import write_text  # noqa: E402 - same
from workbench.replay import Replay, replay  # noqa: E402 - same

GOLDEN = ROOT / "tests" / "golden"
DECISIONS = GOLDEN / "decisions.txt"
ZONE = "America/New_York"
FOLDERS = ("programmes", "rejections")
"""Programmes that count responses stand apart from those with a global hold-out."""


def golden_lines() -> list[str]:
    """Replay the golden events and return the decisions as lines."""
    rows = _rows("events.csv")
    for row in rows:
        for name in ("amount_cents", "discount_cents"):
            row[name] = None if row[name] is None else int(row[name])
    consent = pl.DataFrame(_rows("consent.csv")).with_columns(
        pl.col("granted") == "true", pl.col("valid_from").str.to_datetime(time_zone="UTC")
    )
    lines = [f"spec_version {SPEC_VERSION}"]
    with tempfile.TemporaryDirectory() as name:
        log = small_log(Path(name), rows, ZONE, tables={"consent": consent})
        for folder in FOLDERS:
            result = replay(log, load_programmes(GOLDEN / folder), candidates=True)
            lines += _lines(result)
    return lines


def _lines(result: Replay) -> list[str]:
    """Return the decisions of one replay, each with what its candidates were removed by."""
    decisions = result.decisions().sort("known_at", "person", "set_id", "programme").collect()
    removed: dict[str, list[str]] = {}
    for each in result.candidates().collect().iter_rows(named=True):
        if each["stage"] not in ("offered", "hold-out", "queued"):
            told = f"{each['offer_id'] or '-'}:{each['reason']}"
            removed.setdefault(each["decision_id"], []).append(told)
    return [_line(row, removed.get(row["decision_id"], [])) for row in decisions.to_dicts()]


def _rows(name: str) -> list[dict[str, Any]]:
    with (GOLDEN / name).open(encoding="utf-8", newline="") as handle:
        return [
            {name: value or None for name, value in row.items()} for row in csv.DictReader(handle)
        ]


def _line(row: dict[str, Any], removed: list[str]) -> str:
    """Return one decision as a reader follows it."""
    return (
        f"{row['known_at']:%Y-%m-%dT%H:%M:%S} {row['event_id'] or '-':3} {row['person']:4} "
        f"{row['programme']:8} {row['kind']:8} {row['arm']:10} {row['reason']:21} "
        f"offer={row['offer_id'] or '-'} channel={row['channel'] or '-'} "
        f"variant={row['variant'] or '-'} points={row['points'] or '-'} "
        f"delivered={'yes' if row['delivered'] else 'no'} "
        f"p={row['p_assignment']:g}*{row['p_selection']:.6g} "
        f"measured={'yes' if row['measured'] else 'no'} "
        f"score={'-' if row['score'] is None else format(row['score'], 'g')} "
        f"cost={row['cost_cents']} would_cost={row['would_cost_cents']} "
        f"removed={','.join(removed) or '-'} "
        f"id={row['decision_id']} set={row['set_id']}"
    )


def main() -> int:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    options = parser.parse_args()
    lines = golden_lines()
    if not options.check:
        write_text(DECISIONS, "\n".join(lines) + "\n")
        print(f"{DECISIONS.relative_to(ROOT)}: {len(lines) - 1} decisions")
        return 0
    stored = DECISIONS.read_text(encoding="utf-8").splitlines()
    if stored == lines:
        return 0
    print("\n".join(difflib.unified_diff(stored, lines, "golden", "now", lineterm="")))
    print("The core decides differently: read the difference; make golden accepts it.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
