"""The scripts of `benchmarks/`: with `--json` one object, and the unit of each figure in its name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from small_log import small_log
from workbench.decision.programme import Programme
from workbench.replay import replay
from workbench.run.paths import root

FOLDER = root(Path(__file__).parent) / "benchmarks"
UNITS = re.compile(
    r"(_s|_ms|_seconds|_mb|_per_second|_count)$|(^|_)ratio(_|$)|^seconds_"
    r"|^(rows|events(_\w+)?|decisions|programmes|persons|customers|units|repeats|closed_budgets)$"
    r"|(^|_)seconds_diff_1m$"
    r"|^(sample_events|sample_decisions|\w+_per_second_on_sample)$"
)


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


@pytest.mark.slow
def test_the_replay_prints_one_object_with_units():
    found = figures("replay.py", "--events", "200000", "--quick")
    assert without_unit(found) == []
    assert (found["events"], found["sample_events"]) == (20_000, 20_000)
    assert found["ratio_to_pandas"] > 0


@pytest.mark.slow
def test_the_ingestion_prints_one_object_with_units():
    found = figures("ingest.py", "--repeats", "1")
    assert without_unit(found) == []
    assert found["rows"] == 1_477_998
    assert found["ingest_seconds"] == found["ingest_worst_seconds"]


@pytest.mark.slow
def test_the_diff_prints_one_object_with_units():
    found = figures("diff.py", "--events", "20000", "--repeats", "1")
    assert without_unit(found) == []
    assert 0 < found["differing_count"] < found["decisions"]
    assert found["seconds_diff_1m"] == found["worst_seconds_diff_1m"]


def test_the_explanations_print_one_object_with_units(tmp_path):
    rows = [
        {"ts": f"2024-01-{day:02d}T12:00:00", "person_id": person, "amount_cents": 100}
        for day in range(1, 9)
        for person in ("eve", "bob", "cleo", "dan")
    ]
    programme = Programme.from_mapping(
        {
            "name": "often",
            "stage": "engagement",
            "kind": "targeting",
            "trigger": {"event": "purchase"},
            "offers": [
                {
                    "id": "coffee",
                    "value_cents": 400,
                    "cost_cents": 125,
                    "redemption_rate": 0.3,
                    "channel": "app",
                }
            ],
            "limits": {"cooldown": "3 days"},
            "experiment": {"holdout_share": 0, "salt": "s"},
        },
        source="often",
    )
    replay(small_log(tmp_path, rows), [programme], out=tmp_path / "out")
    folders = ("--log", str(tmp_path / "log"), "--decisions", str(tmp_path / "out"))
    found = figures("explain.py", *folders, "--customers", "3")
    assert without_unit(found) == []
    assert (found["events"], found["customers"]) == (32, 3)
    assert found["changes_count"] >= 3
    assert found["seconds_explain_median"] <= found["seconds_explain_worst"]


def test_a_name_without_a_unit_is_seen():
    assert without_unit(["replay_s", "replay", "peak_rss", "peak_rss_mb"]) == ["replay", "peak_rss"]


def test_every_script_is_in_the_page_of_the_benchmarks():
    said = (FOLDER / "README.md").read_text()
    assert [path.name for path in FOLDER.glob("*.py") if f"`{path.name}`" not in said] == []


def test_the_sequences_print_one_object_with_units():
    found = figures("sequences.py", "--experiments", "3", "--days", "8", "--runs", "1")
    assert without_unit(found) == []
    assert (found["experiments_count"], found["days_count"], found["units"]) == (3, 8, 4_800)


@pytest.mark.slow
def test_the_sweep_prints_one_object_with_units():
    found = figures("sweep.py", "--events", "20000", "--repeats", "1")
    assert without_unit(found) == []
    assert found["ratio_sweep_to_single"] == found["worst_ratio_sweep_to_single"]


def test_customer_value_prints_one_object_with_what_it_bounds():
    found = figures("clv.py", "--customers", "1500")
    assert {
        "seconds_summary",
        "seconds_posterior",
        "seconds_value",
        "pareto_k",
        "peak_rss_mb",
    } <= set(found)
    assert found["customers"] == 1500
    assert found["pareto_k"] < 0.7
