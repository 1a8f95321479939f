"""Rules in the state of another replay: following oneself changes nothing, and a first difference is the rule's own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from domain import Case
from faults import must_fail, mutated
from hypothesis import assume
from law_checks import law
from programme_domain import cases
from programme_features import FEATURES
from tiny_log import TinyLog

from workbench.decision.written import Value, changed
from workbench.errors import ParameterError
from workbench.replay import following, replay
from workbench.replay.following import in_the_state_of
from workbench.replay.result import Replay

SHARED = {"budget", "inventory"}
ALONE = tuple(name for name in FEATURES if name not in SHARED)
COLUMNS = ["decision_id", "reason", "offer_id"]


def following_itself_decides_the_same(case: Case) -> None:
    with tempfile.TemporaryDirectory() as name:
        replayed = replay(TinyLog(Path(name), case), case.programmes)
        followed = in_the_state_of(replayed, replayed.rules)
        assert (
            followed.select(COLUMNS).rows() == replayed.decisions().select(COLUMNS).collect().rows()
        )


def sets_of(rows: list[dict[str, object]]) -> dict[str, set[tuple[object, ...]]]:
    found: dict[str, set[tuple[object, ...]]] = {}
    for row in rows:
        found.setdefault(str(row["set_id"]), set()).add(tuple(row[name] for name in COLUMNS))
    return found


def first_difference_is_of_the_rules(case: Case, changes: Mapping[str, Value]) -> None:
    """Up to the first set in which a person's decisions differ, the states are the same."""
    try:
        other = changed(case.programmes, changes)
    except ParameterError:
        assume(condition=False)
    with tempfile.TemporaryDirectory() as name:
        log = TinyLog(Path(name), case)
        a, b = replay(log, case.programmes), replay(log, other)
        said = dict(zip(*in_the_state_of(a, b.rules).select("decision_id", "reason"), strict=True))
        for person in {event.person_id for event in case.events}:
            of_a, of_b = (rows_of(each, person) for each in (a, b))
            before, after = sets_of(of_a), sets_of(of_b)
            for row in of_b:
                assert said[row["decision_id"]] == row["reason"]
                if before.get(str(row["set_id"])) != after[str(row["set_id"])]:
                    same = {
                        r["decision_id"]: r["reason"] for r in of_b if r["set_id"] == row["set_id"]
                    }
                    assert {key: said[key] for key in same} == same
                    break


def rows_of(replayed: Replay, person: str) -> list[dict[str, object]]:
    frame = replayed.decisions().collect()
    return [row for row in frame.to_dicts() if row["person"] == person]


test_following_itself_decides_the_same = law(following_itself_decides_the_same, examples=30)


@pytest.mark.parametrize("feature", FEATURES)
def test_following_itself_decides_the_same_with_each_feature(feature: str):
    law(
        following_itself_decides_the_same, cases((feature,), most=1, programmes=(1, 2)), examples=3
    )()


@pytest.mark.parametrize(
    "changes",
    [
        {"house.slot": 2},
        {"z.limits.cooldown": "3 h"},
        {"z.limits.once": True},
        {"z.audience": "amount_cents > 600"},
        {"z.limits.count_towards": False},
    ],
    ids=str,
)
def test_first_difference_of_a_person_is_of_the_rules(changes: dict[str, Value]):
    def check(case: Case) -> None:
        first = case.programmes[0].name
        named = {
            key.replace("z.", f"{first}.") if key.startswith("z.") else key: value
            for key, value in changes.items()
        }
        first_difference_is_of_the_rules(case, named)

    law(
        check, cases(("house_cap", "cap_rolling"), most=1, able=ALONE, programmes=(2,)), examples=10
    )()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('pl.col("reason") > 0', 'pl.col("reason") == 1'),
        ('seq=pl.when(at_event).then("seq")', 'seq=pl.when(at_event).then(pl.col("seq") + 1)'),
    ],
)
def test_a_fault_in_what_is_followed_is_caught(monkeypatch: pytest.MonkeyPatch, old: str, new: str):
    changed_one = mutated(following._took, (old, new))
    monkeypatch.setattr(following, "_took", changed_one)
    must_fail(following_itself_decides_the_same, cases(("cap_rolling", "arms"), most=2))
