"""`workbench replay`: until, resume, candidates, what a log lacks, errors in one line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from small_log import small_log
from workbench.replay import open_replay
from workbench.run import cli

PROGRAMME = """
name: often
stage: engagement
kind: targeting
trigger: {event: purchase}
offers: [{id: coffee, value_cents: 400, cost_cents: 125, redemption_rate: 0.3, channel: app}]
limits: {cooldown: 3 days}
experiment: {holdout_share: 0.25, salt: s5}
"""
ROWS = [
    {"ts": f"2024-01-{day:02d}T12:00:00", "person_id": person, "amount_cents": 100}
    for day in range(1, 9)
    for person in ("eve", "bob", "cleo", "dan")
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    small_log(tmp_path, ROWS)
    (tmp_path / "often.yaml").write_text(PROGRAMME)
    return tmp_path


def run(*words: str) -> int:
    return cli.run_command(["replay", "log", "--programme", "often.yaml", *words])


def test_a_replay_in_two_runs_decides_what_one_run_decides(place, capsys):
    assert run("--out", "whole", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["events"] == 32
    assert run("--out", "head", "--until", "2024-01-05T00:00:00Z") == 0
    assert run("--out", "tail", "--resume", "head", "--workers", "1") == 0
    whole, head, tail = (
        open_replay(name).decisions().collect() for name in ("whole", "head", "tail")
    )
    assert 0 < head.height < whole.height
    assert head["known_at"].max() < datetime(2024, 1, 5, tzinfo=UTC)
    both = head.vstack(tail).sort("decision_id")
    assert both.equals(whole.sort("decision_id"))


def test_the_candidate_table_is_stored_when_it_is_asked_for(place, capsys):
    assert run("--out", "with", "--candidates") == 0
    assert run("--out", "without") == 0
    capsys.readouterr()
    assert open_replay("with").candidates().collect().height >= 32
    assert list((place / "with").glob("candidates-*"))
    assert not list((place / "without").glob("candidates-*"))


def test_a_folder_of_programmes_is_read_and_what_the_log_lacks_is_said(place, capsys):
    folder = place / "programmes"
    folder.mkdir()
    (folder / "often.yaml").write_text(PROGRAMME)
    near = PROGRAMME.replace("often", "near").replace("event: purchase", "event: geo_enter")
    (folder / "near.yaml").write_text(near)
    words = ["replay", "log", "--programme", "programmes", "--out", "out"]
    assert cli.run_command(words) == 0
    shown = capsys.readouterr()
    assert "near is idle or partly so: no `geo_enter` in this log" in shown.err
    assert "often is idle" not in shown.err
    assert "no `geo_enter` in this log" in shown.out


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (
            ["--out", "o", "--until", "soon"],
            64,
            "--until was 'soon', must be an instant with a zone",
        ),
        (["--out", "o", "--until", "2024-01-05"], 64, "must be an instant with a zone"),
        (["--out", "o", "--resume", "o"], 64, "must be another folder than --resume"),
        (["--out", "o", "--resume", "none"], 65, "none holds no decision log"),
        (["--out", "o", "--workers", "-1"], 64, "workers was -1, must be at least 1"),
    ],
)
def test_a_wrong_word_is_one_line_and_an_exit_code(place, capsys, words, code, error):
    assert run(*words) == code
    shown = capsys.readouterr().err.strip().splitlines()
    assert error in shown[-1]


def test_a_state_of_other_programmes_is_refused_by_name_and_digest(place, capsys):
    assert run("--out", "head", "--until", "2024-01-05T00:00:00Z") == 0
    (place / "often.yaml").write_text(PROGRAMME.replace("3 days", "4 days"))
    assert run("--out", "tail", "--resume", "head") == 65
    assert "often (digest" in capsys.readouterr().err


def test_a_sweep_over_values_of_a_key_is_a_table_and_a_sentence(place, capsys):
    words = ["sweep", "log", "--programme", "often.yaml"]
    key = ["--key", "often.limits.cooldown", "--values", "1 day, 3 days"]
    assert cli.run_command([*words, *key]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Of 2 programme sets the cheapest, 3 days, would have sent")
    assert "persons_reached" in shown
    assert cli.run_command([*words, *key, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["label"] for row in told["sets"]] == ["1 day", "3 days"]
    assert told["sets"][0]["delivered"] > told["sets"][1]["delivered"]


def test_a_sweep_over_files_takes_each_as_a_set(place, capsys):
    (place / "seldom.yaml").write_text(PROGRAMME.replace("3 days", "7 days"))
    words = ["sweep", "log", "--programme", "often.yaml", "--programme", "seldom.yaml", "--json"]
    assert cli.run_command(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["label"] for row in told["sets"]] == ["often.yaml", "seldom.yaml"]


def test_a_sweep_with_a_key_and_no_values_is_refused(place, capsys):
    assert (
        cli.run_command(["sweep", "log", "--programme", "often.yaml", "--key", "house.slot"]) == 64
    )
    assert "--key and --values go together" in capsys.readouterr().err
