"""Faults planted around the core, in what reads, carries and counts: the laws must catch them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import polars as pl
import pytest
from domain import Case
from faults import must_fail, mutated, plant, put
from law_checks import (
    cut_anywhere,
    deterministic,
    every_refusal_has_a_reason,
    exactly_once,
    future_never_leaks,
    one_at_a_time_equals_columns,
    persons_are_independent,
    split_equals_whole,
)
from programme_domain import cases

from workbench.decision import assignment, meters, rolling
from workbench.decision.budgets import Ledger
from workbench.decision.state import CoreState
from workbench.replay import DecisionCore, decided, events, part

LIMITED = cases(("cap_rolling",), most=0, programmes=(1,), responses=False)
FUNDED = cases(("budget",), most=0, programmes=(1,), responses=False)


def test_law_1_catches_randomness(monkeypatch: pytest.MonkeyPatch):
    draws = np.random.default_rng(1)
    put(
        monkeypatch,
        assignment.draw_32_column,
        lambda texts: draws.integers(0, 2**32, len(texts)),
        "draw_32_column",
    )
    must_fail(deterministic, cases(("by_epsilon",), most=0, programmes=(1,)))


FORGOTTEN: dict[str, Any] = {
    "persons": lambda state: {"persons": state.persons.clear()},
    "ledger": lambda state: {"ledger": Ledger.empty()},
    "position": lambda state: {"position": None},
}


@pytest.mark.parametrize("what", FORGOTTEN)
def test_law_2_catches_a_state_that_is_not_carried(monkeypatch: pytest.MonkeyPatch, what: str):
    def checked(state: CoreState, programmes: object) -> CoreState:
        return dataclasses.replace(state, **FORGOTTEN[what](state))

    monkeypatch.setattr(CoreState, "checked", checked)
    must_fail(cut_anywhere, FUNDED if what == "ledger" else LIMITED)


@pytest.mark.parametrize(
    ("old", "new"),
    [('pl.col("seq") >= since[1]', 'pl.col("seq") > since[1]'), (" < until[1]", " <= until[1]")],
)
def test_law_2_catches_an_event_lost_or_seen_twice_at_the_cut(
    monkeypatch: pytest.MonkeyPatch, old: str, new: str
):
    monkeypatch.setattr(events, "read_events", mutated(events.read_events, (old, new)))
    must_fail(cut_anywhere, LIMITED)


def test_law_3_catches_plain_and_compiled_that_differ(monkeypatch: pytest.MonkeyPatch):
    edge = "nth > at_us - desk.meters[m, M_WINDOW]"
    plant(monkeypatch, meters.is_reached, (edge, edge.replace(">", ">=")))
    must_fail(one_at_a_time_equals_columns, LIMITED)


def test_law_4_catches_a_feature_that_peeks(monkeypatch: pytest.MonkeyPatch):
    loop = "        for k in range(ends[person], ends[person + 1]):\n"
    peek = f"{loop}            absorb(plan, memory, rows.day[order[k]], rows.weight, order[k])\n"
    changed = mutated(rolling.run_rolling, (loop, peek + loop))
    monkeypatch.setattr(rolling, "run_rolling_compiled", changed)
    must_fail(future_never_leaks, cases(("declared",), most=0, programmes=(1,), responses=False))


def test_law_5_catches_a_state_shared_between_persons(monkeypatch: pytest.MonkeyPatch):
    changed = mutated(
        part.start_part, ("= np.arange(len(codes), dtype=np.int32)", "= 0 * np.arange(len(codes))")
    )
    monkeypatch.setattr(part, "start_part", changed)
    must_fail(persons_are_independent, LIMITED)


def test_law_5_catches_a_budget_that_each_part_has_for_itself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Ledger, "first_to_bind", lambda self, reserves, amounts: None)
    must_fail(split_equals_whole, FUNDED)


@pytest.mark.parametrize(
    "new", ["if behind:", "if event.event_id in self._ids:"], ids=["given twice", "too late"]
)
def test_law_6_catches_an_event_that_is_taken_again(monkeypatch: pytest.MonkeyPatch, new: str):
    changed = mutated(DecisionCore.decide, ("if behind or event.event_id in self._ids:", new))
    monkeypatch.setattr(DecisionCore, "decide", changed)
    must_fail(exactly_once, LIMITED)


@pytest.mark.parametrize("reason", ["cap_reached", "offered"])
def test_law_7_catches_decisions_that_vanish(monkeypatch: pytest.MonkeyPatch, reason: str):
    whole = decided.decisions_frame

    def fewer(*given: Any, **named: Any) -> pl.DataFrame:
        return whole(*given, **named).filter(pl.col("reason") != reason)

    put(monkeypatch, whole, fewer, "decisions_frame")

    def check(case: Case) -> None:
        try:
            every_refusal_has_a_reason(case)
        except Exception as error:
            raise AssertionError(str(error)) from error

    must_fail(check, LIMITED)
