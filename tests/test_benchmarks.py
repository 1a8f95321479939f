"""The scripts of `benchmarks/`: with `--json` one object, and the unit of each figure in its name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from small_log import small_log
from workbench.run.paths import root

FOLDER = root(Path(__file__).parent) / "benchmarks"
UNITS = re.compile(
    r"(_s|_ms|_seconds|_mb|_per_second|_count)$|(^|_)ratio(_|$)"
    r"|^(rows|events(_\w+)?|decisions|programmes|repeats|\w+_functions_compiled)$"
)
PURCHASES = [
    {
        "ts": f"2024-01-{day:02d}T12:00:00",
        "person_id": person,
        "amount_cents": 900,
        "discount_cents": 90,
    }
    for day in range(1, 9)
    for person in ("ann", "bob")
]


def figures(script: str, *arguments: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), "--json", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("\n") == 1
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def without_unit(names: object) -> list[str]:
    return [name for name in names if not UNITS.search(name)]


def test_the_replay_prints_one_object_with_units(tmp_path: Path):
    log = small_log(tmp_path, PURCHASES)
    found = figures("replay.py", "--log", str(log.path))
    assert without_unit(found) == []
    assert (found["events"], found["events_considered"]) == (16, 16)
    assert found["replay_s"] <= found["replay_worst_s"]


@pytest.mark.slow
def test_the_ingestion_prints_one_object_with_units():
    found = figures("ingest.py", "--repeats", "1")
    assert without_unit(found) == []
    assert found["rows"] == 1_477_998
    assert found["ingest_seconds"] == found["ingest_worst_seconds"]


def test_a_name_without_a_unit_is_seen():
    assert without_unit(["replay_s", "replay", "peak_rss", "peak_rss_mb"]) == ["replay", "peak_rss"]


def test_every_script_is_in_the_page_of_the_benchmarks():
    said = (FOLDER / "README.md").read_text()
    assert [path.name for path in FOLDER.glob("*.py") if f"`{path.name}`" not in said] == []
