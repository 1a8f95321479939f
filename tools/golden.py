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

from small_log import small_log  # noqa: E402 - the tests' own writer stands beside the tests
from workbench.decision import SPEC_VERSION, load_programmes  # noqa: E402 - same
from workbench.files import write_text  # noqa: E402 - same
from workbench.replay import replay  # noqa: E402 - same

GOLDEN = ROOT / "tests" / "golden"
DECISIONS = GOLDEN / "decisions.txt"
ZONE = "America/New_York"


def golden_lines() -> list[str]:
    """Replay the golden events and return the decisions as lines."""
    with (GOLDEN / "events.csv").open(encoding="utf-8", newline="") as handle:
        rows = [
            {name: value or None for name, value in row.items()} for row in csv.DictReader(handle)
        ]
    for row in rows:
        for name in ("amount_cents", "discount_cents"):
            row[name] = None if row[name] is None else int(row[name])
    with tempfile.TemporaryDirectory() as name:
        log = small_log(Path(name), rows, ZONE)
        result = replay(log, load_programmes(GOLDEN / "programmes"))
        decisions = result.decisions().sort("known_at", "event_id", "programme").collect()
    return [f"spec_version {SPEC_VERSION}", *map(_line, decisions.iter_rows(named=True))]


def _line(row: dict[str, Any]) -> str:
    """Return one decision as a reader follows it."""
    return (
        f"{row['known_at']:%Y-%m-%dT%H:%M:%S} {row['event_id']} {row['person']:4} "
        f"{row['programme']:8} {row['arm']:9} {row['reason']:19} "
        f"offer={row['offer_id'] or '-'} channel={row['channel'] or '-'} "
        f"delivered={'yes' if row['delivered'] else 'no'} "
        f"p={row['p_assignment']:g}*{row['p_selection']:g} "
        f"score={'-' if row['score'] is None else format(row['score'], 'g')} "
        f"cost={row['cost_cents']} would_cost={row['would_cost_cents']} "
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
