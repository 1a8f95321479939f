"""The driver around a kernel of its own: windows, workers, budgets, memory, files.

The kernel here is a few lines that decide "at most three offers a person, while the budget is
open"; what is tested is that cutting, threads and closings change nothing.
"""

from __future__ import annotations

import tempfile
import threading
import types
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_log import small_log
from workbench.decision import Programme
from workbench.decision.budgets import Ledger, Reserves
from workbench.decision.house import ProgrammeSet
from workbench.decision.reference import References
from workbench.decision.state import CoreState
from workbench.records import BUDGET_CLOSED, CAP_REACHED, OFFERED
from workbench.replay import drive, log_replay, windows
from workbench.replay.part import DECISIONS_SCHEMA

PERIOD_US = 3 * 86_400_000_000
BUDGET = 1000


def programme() -> Programme:
    return Programme.from_mapping(
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
                    "redemption_rate": 0.5,
                    "channel": "app",
                }
            ],
            "budget": {"amount_cents": BUDGET},
            "experiment": {"holdout_share": 0.0, "salt": "s"},
        },
        source="often",
    )


@dataclass
class Toy:
    """The kernel: decides, and remembers how it was called."""

    budgets: tuple[tuple[str, int], ...] = (("often", BUDGET),)
    calls: list[tuple[int, windows.Position | None]] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    most_rows: int = 0

    def job_of(self, log, programmes):
        return types.SimpleNamespace(
            programmes=programmes, budgets=self.budgets, references=References(log)
        )

    def start_part(self, path, job, carried):
        return {}

    def finish_part(self, state, job):
        return CoreState.empty(ProgrammeSet.of([programme()])).persons

    def prepare_part(self, path, job, state, *, since, until):
        self.threads.add(threading.get_ident())
        known, seq = pl.col("known_at").to_physical(), pl.col("seq")
        reach = (known < until[0]) | ((known == until[0]) & (seq < until[1]))
        if since is not None:
            reach &= (known > since[0]) | ((known == since[0]) & (seq >= since[1]))
        frame = pl.read_parquet(path).filter(reach).with_columns(us=known)
        self.most_rows = max(self.most_rows, frame.height)
        return int(path.stem[-5:]), since, frame

    def decide_part(self, prepared, job, state, *, ledger, candidates):
        number, since, frame = prepared
        self.calls.append((number, since))
        after, rows, reserved = dict(state), [], []
        for at, number, person, amount in frame.select(
            "us", "seq", "person", "amount_cents"
        ).iter_rows():
            account, place = (0, at // PERIOD_US), (at, number, 0)
            reason = CAP_REACHED
            if after.get(person, 0) < 3:
                reason = BUDGET_CLOSED if ledger.closed(account, place) else OFFERED
            if reason == OFFERED:
                after[person] = after.get(person, 0) + 1
                reserved.append((*place, *account, amount))
            rows.append((at, number, person, reason, amount))
        return types.SimpleNamespace(
            state=after,
            events=frame.height,
            counts={"triggered": {0: len(rows)}, "considered": {0: len(rows)}, "unknown": {}},
            responses_not_admitted=1,
            reserves=Reserves(*np.array(reserved, dtype=np.int64).reshape(-1, 6).T.copy()),
            candidates=pl.DataFrame({"place": [row[1] for row in rows]}) if candidates else None,
            rows=pl.DataFrame(
                {
                    "programme": [0] * len(rows),
                    "person": [row[2] for row in rows],
                    "reason": [row[3] for row in rows],
                    "offer": [0 if row[3] == OFFERED else -1 for row in rows],
                    "delivered": [row[3] == OFFERED for row in rows],
                    "cost_cents": [row[4] if row[3] == OFFERED else 0 for row in rows],
                    "would_cost_cents": [0] * len(rows),
                },
                schema={
                    "programme": pl.Int32,
                    "person": pl.Int32,
                    "reason": pl.Int16,
                    "offer": pl.Int16,
                    "delivered": pl.Boolean,
                    "cost_cents": pl.Int64,
                    "would_cost_cents": pl.Int64,
                },
            ),
            decisions=pl.DataFrame(
                {
                    name: [f"{row[1]}:{row[3]}" if name == "decision_id" else None for row in rows]
                    for name in DECISIONS_SCHEMA
                },
                schema=DECISIONS_SCHEMA,
            ),
        )


@pytest.fixture
def toy(monkeypatch):
    made = Toy()
    monkeypatch.setattr(drive, "kernel", made)
    monkeypatch.setattr(log_replay, "jobs", made)
    return made


def rows_of(wishes):
    return [
        {
            "ts": f"2024-01-{1 + hour // 24:02d}T{hour % 24:02d}:00:00",
            "person_id": f"p{person}",
            "amount_cents": amount,
        }
        for hour, person, amount in sorted(wishes)
    ]


def one_piece(log, amount_of=BUDGET):
    """Decide all events of all parts in their order with one ledger."""
    ledger, taken, found = Ledger.empty(), {}, []
    frame = log.scan().with_columns(us=pl.col("known_at").to_physical()).sort("us", "seq").collect()
    for at, number, person, amount in frame.select(
        "us", "seq", "person", "amount_cents"
    ).iter_rows():
        reason = CAP_REACHED
        if taken.get(person, 0) < 3:
            account = (0, at // PERIOD_US)
            if ledger.take(account, amount, amount_of=amount_of, place=(at, number, 0)):
                reason = OFFERED
                taken[person] = taken.get(person, 0) + 1
            else:
                reason = BUDGET_CLOSED
        found.append(f"{number}:{reason}")
    return ledger, found


def ids(result):
    found = result.decisions().select("decision_id").collect().to_series().to_list()
    return sorted(found, key=lambda text: int(text.split(":")[0]))


@given(
    wishes=st.lists(
        st.tuples(st.integers(0, 240), st.integers(0, 9), st.integers(100, 700)), max_size=60
    ),
    cuts=st.integers(1, 6),
    workers=st.integers(1, 3),
)
@settings(deadline=None, max_examples=40)
def test_a_budget_closes_where_one_piece_closes_it(wishes, cuts, workers):
    toy = Toy()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        log = small_log(Path(folder), rows_of(wishes), parts=3)
        patch.setattr(drive, "kernel", toy)
        patch.setattr(log_replay, "jobs", toy)
        patch.setattr(log_replay, "LEAST_ROWS", 1)
        patch.setattr(log_replay, "BUDGET_WINDOWS", cuts)
        result = log_replay.replay(log, [programme()], workers=workers)
        ledger, found = one_piece(log)
    assert ids(result) == found
    assert result.state.ledger.closings == ledger.closings
    assert {k: v for k, v in result.state.ledger.spent.items() if v} == {
        k: v for k, v in ledger.spent.items() if v
    }


WISHES = [(hour, hour % 7, 150 + hour) for hour in range(0, 200, 2)]


def test_workers_and_windows_change_no_byte_of_the_decisions(toy, tmp_path, monkeypatch):
    log = small_log(tmp_path, rows_of(WISHES), parts=3)
    monkeypatch.setattr(log_replay, "LEAST_ROWS", 1)
    digests = {
        log_replay.replay(log, [programme()], out=tmp_path / str(workers), workers=workers).digest
        for workers in (1, 2, 3)
    }
    assert len(digests) == 1
    files = [
        sorted(path.name for path in (tmp_path / str(workers)).glob("decisions-*"))
        for workers in (1, 2, 3)
    ]
    assert files[0] == files[1] == files[2]


def test_a_closing_repeats_its_window_alone(toy, tmp_path, monkeypatch):
    log = small_log(tmp_path, rows_of(WISHES), parts=2)
    monkeypatch.setattr(log_replay, "LEAST_ROWS", 1)
    monkeypatch.setattr(log_replay, "BUDGET_WINDOWS", 5)
    result = log_replay.replay(log, [programme()], workers=1)
    closed = len(result.state.ledger.closings)
    assert closed >= 1
    assert len(toy.calls) == 2 * (5 + closed)


def test_without_budgets_each_part_runs_by_itself_in_bounded_windows(toy, tmp_path, monkeypatch):
    toy.budgets = ()
    log = small_log(tmp_path, rows_of(WISHES), parts=2)
    for path in log.parts:
        pl.read_parquet(path).write_parquet(path, row_group_size=8)
    monkeypatch.setattr(windows, "ROWS_AT_ONCE", 20)
    monkeypatch.setattr(
        windows.windows_of, "__kwdefaults__", {"least": 1, "rows": windows.ROWS_AT_ONCE}
    )
    seen = []
    result = log_replay.replay(
        log, [programme()], workers=2, progress=lambda done, of: seen.append((done, of))
    )
    assert result.events == len(WISHES)
    assert toy.most_rows <= 30
    pieces = len(toy.calls)
    assert pieces >= 6
    assert seen == [(done, pieces) for done in range(1, pieces + 1)]


def test_the_figures_add_up_over_windows(toy, tmp_path, monkeypatch):
    log = small_log(tmp_path, rows_of(WISHES), parts=2)
    monkeypatch.setattr(log_replay, "LEAST_ROWS", 1)
    result = log_replay.replay(log, [programme()], out=tmp_path / "out", candidates=True)
    by = result.funnel.set_index("reason")
    _, found = one_piece(log)
    for reason, code in (
        ("offered", OFFERED),
        ("cap_reached", CAP_REACHED),
        ("budget_closed", BUDGET_CLOSED),
    ):
        assert by.loc[reason, "decisions"] == sum(each.endswith(f":{code}") for each in found)
    assert by.loc["offered", "persons"] == result.persons_reached <= 7
    assert result.candidates().collect().height == len(WISHES)
    reserved = result.budgets["reserved"].sum()
    assert reserved == result.offers["cost_cents"].sum() > 0
    assert result.committed_cost_cents == round(reserved * 0.5)
    assert (result.budgets["reserved"] <= BUDGET).all()


def test_an_interruption_reaches_the_caller_and_leaves_no_manifest(toy, tmp_path, monkeypatch):
    log = small_log(tmp_path, rows_of(WISHES), parts=2)

    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        log_replay.replay(log, [programme()], out=tmp_path / "out", progress=stop)
    assert not (tmp_path / "out" / "manifest.json").exists()
