"""`workbench diff`: two stored decision logs by one line or one object, errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from small_log import small_log
from test_replay_cli import PROGRAMME, ROWS
from workbench.replay import diff, open_replay
from workbench.run import cli


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    """Decision logs `a` (a cooldown of three days) and `b` (of one) of one log."""
    monkeypatch.chdir(tmp_path)
    small_log(tmp_path, ROWS)
    decide("log", "a", PROGRAMME)
    decide("log", "b", PROGRAMME.replace("3 days", "1 day"))
    return tmp_path


def decide(log: str, out: str, programme: str) -> None:
    Path("often.yaml").write_text(programme)
    assert cli.run_command(["replay", log, "--programme", "often.yaml", "--out", out]) == 0


def test_two_decision_logs_are_compared_in_words_and_in_json(place, capsys):
    compared = diff(open_replay("a"), open_replay("b"))
    assert "20 of 32 decisions differ" in compared.text
    capsys.readouterr()
    assert cli.run_command(["diff", "a", "b"]) == 0
    sentence, table = capsys.readouterr().out.split("\n\n")
    assert sentence == compared.text
    names, first, _ = (line.split() for line in table.strip().splitlines())
    assert dict(zip(names, first, strict=True)) == {
        "programme": "often", "differing": "20", "triggers_a": "32", "triggers_b": "32",
        "delivered_a": "9", "delivered_b": "24", "persons_reached_a": "3",
        "persons_reached_b": "3", "promised_a_cents": "1125", "promised_b_cents": "3000",
    }  # fmt: skip
    assert cli.run_command(["diff", "a", "b", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["text"] == compared.text
    assert [row["programme"] for row in told["programmes"]] == ["often", "all programmes"]
    assert told["programmes"][0]["responses_not_admitted_a"] is None
    assert {row["kind"]: row["decisions"] for row in told["decisions"]} == {
        "same": 12, "changed": 20, "only in a": 0, "only in b": 0,
    }  # fmt: skip
    assert [row["reason"] for row in told["by_reason"]] == compared.by_reason["reason"].tolist()
    assert [row["stage"] for row in told["by_stage"]] == compared.by_stage["stage"].tolist()


def test_a_missing_folder_and_another_log_are_one_line_and_an_exit_code(place, capsys):
    small_log(place, ROWS[:-1], name="other")
    decide("other", "c", PROGRAMME)
    for words, error in (
        (["a", "nothing"], "nothing holds no decision log"),
        (["a", "c"], "must be of the same one; replay both programme sets over one log"),
    ):
        capsys.readouterr()
        assert cli.run_command(["diff", *words]) == 65
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert error in line
