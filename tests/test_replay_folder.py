"""Where a replay may write, and what it says of bytes that have changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from small_log import small_log
from test_replay_log import programme
from workbench.errors import InputError
from workbench.log import Log, open_log
from workbench.replay import open_replay, replay

ROWS = [
    {"ts": f"2024-01-{day:02d}T12:00:00", "person_id": person, "amount_cents": 900}
    for day in range(1, 9)
    for person in ("ann", "bob")
]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return small_log(tmp_path, ROWS)


@pytest.mark.parametrize("place", ["log", "log/decisions", "."])
def test_a_replay_never_writes_into_its_log(log: Log, tmp_path: Path, place: str):
    with pytest.raises(InputError, match="must lie apart from the log"):
        replay(log, [programme()], out=tmp_path / place)
    assert open_log(log.path).digest == log.digest


def test_a_file_is_no_folder_of_decisions(log: Log, tmp_path: Path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match="must be a folder and is a file"):
        replay(log, [programme()], out=tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize("name", ["notes.txt", "manifest.json"])
def test_a_folder_with_something_else_is_left_alone(log: Log, tmp_path: Path, name: str):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / name).write_text("{}")
    with pytest.raises(InputError, match="must be empty or hold a decision log"):
        replay(log, [programme()], out=tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == [name]


def test_a_second_replay_takes_the_place_of_the_first(log: Log, tmp_path: Path):
    first = replay(log, [programme()], out=tmp_path / "out")
    assert replay(log, [programme()], out=tmp_path / "out").digest == first.digest


def test_a_changed_byte_of_a_decision_part_is_noticed(log: Log, tmp_path: Path):
    replay(log, [programme()], out=tmp_path / "out", candidates=True)
    for part in sorted((tmp_path / "out").glob("[cd]*.parquet")):
        whole = part.read_bytes()
        part.write_bytes(whole[:100] + bytes([whole[100] ^ 64]) + whole[101:])
        with pytest.raises(InputError, match="has changed since it was written; replay again"):
            open_replay(tmp_path / "out")
        part.write_bytes(whole)
    assert open_replay(tmp_path / "out").events == len(ROWS)


def test_a_log_that_cannot_be_read_is_an_input_error(log: Log, tmp_path: Path):
    part = log.parts[0]
    whole = part.read_bytes()
    part.write_bytes(whole[:4] + bytes(len(whole) - 600) + whole[len(whole) - 596 :])
    with pytest.raises(InputError, match=r"the stored log cannot be read .*; ingest it again"):
        replay(log, [programme()], out=tmp_path / "out")


def test_an_opened_decision_log_knows_its_programmes_and_its_log(log: Log, tmp_path: Path):
    made = replay(log, [programme()], out=tmp_path / "out")
    opened = open_replay(tmp_path / "out", log=log)
    assert (opened.rules, opened.log, opened.log_digest) == (made.rules, log, log.digest)
    assert open_replay(tmp_path / "out").log is None


def test_a_decision_log_is_not_opened_with_another_log(log: Log, tmp_path: Path):
    replay(log, [programme()], out=tmp_path / "out")
    other = small_log(tmp_path / "more", ROWS[:-1])
    with pytest.raises(InputError, match="was replayed over another log"):
        open_replay(tmp_path / "out", log=other)
