"""`workbench explain`: the sentence, the path and the changes as text, JSON, errors in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from small_log import small_log
from test_replay_explain import at, programme
from workbench.decision.programme import Programme
from workbench.replay import replay
from workbench.run import cli


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rules = [Programme.from_mapping(programme(limits={"cooldown": "7 days"}), source="p")]
    replay(small_log(tmp_path, [at(1), at(3)]), rules, workers=1, out=tmp_path / "out")
    return tmp_path


def run(*words: str) -> int:
    return cli.run_command(["explain", "out", *words, "--log", "log"])


def test_the_sentence_the_path_and_the_changes_are_printed(place, capsys):
    assert run("ann") == 0
    said = capsys.readouterr().out
    assert said.startswith("The purchase of customer ann at 2024-01-03 12:00 UTC: “p” gave nothing")
    path, changes = said.split("\n\n")[1:]
    (cooldown,) = [line for line in path.splitlines() if "  cooldown  " in line]
    assert cooldown.split()[-1] == "no"
    assert path.splitlines()[0].split()[-1] == "passed"
    assert "p.limits.cooldown" in changes
    assert "2 days" in changes


def test_json_has_every_table(place, capsys):
    assert run("ann", "--at", "2024-01-01T12:00:00Z", "--programme", "p", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["customer"] == "ann"
    assert told["decisions"][0]["reason"] == "offered"
    assert set(told) == {
        "customer", "text", "table", "decisions", "candidates", "state", "open", "changes",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (["anne"], 65, "customer was 'anne', is nobody in this log — did you mean 'ann'?"),
        (["ann", "--at", "soon"], 64, "at was 'soon', must be an instant with a zone"),
        (["ann", "--at", "2023-12-31T00:00:00Z"], 65, "before the first event of 'ann'"),
        (["ann", "--programme", "q"], 64, "programme was 'q', must be one of p"),
    ],
)
def test_a_wrong_word_is_one_line_and_an_exit_code(place, capsys, words, code, error):
    assert run(*words) == code
    shown = capsys.readouterr().err.strip().splitlines()
    assert error in shown[-1]
