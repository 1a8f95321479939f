"""What a rule changes itself, apart from what follows because the state has evolved."""

from __future__ import annotations

from pathlib import Path

import pytest

from small_log import small_log
from test_replay_log import programme
from workbench.errors import InputError
from workbench.log import Log
from workbench.replay import causes, diff, open_replay, replay
from workbench.replay.cause import BOTH, RULE, STATE

DAYS = [
    {"ts": f"2024-01-{day:02d}T12:00:00", "person_id": "ann", "amount_cents": 900}
    for day in range(1, 8)
]
FREE = {"audience": None, "experiment": {"salt": "s", "holdout_share": 0.0}}
FREE_TRIGGER = {"trigger": {"event": "purchase"}}


def every(days: int):
    return programme(**FREE, **FREE_TRIGGER, limits={"cooldown": f"{days} days"})


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return small_log(tmp_path, DAYS)


def test_a_longer_cooldown_by_hand(log: Log):
    """Every second day against every third: offers on 1 3 5 7 against 1 4 7.

    Day 3 is refused by the longer rule itself, two days after the offer of day 1. On day 4 the
    longer rule, one day after the offer that the first replay made on day 3, refuses as that one
    did: the offer goes out only because none went out on day 3. On day 5 it refuses in the state
    of the first replay too. On day 7 nothing differs in the end, though it would in that state.
    """
    two, three = replay(log, [every(2)]), replay(log, [every(3)])
    change = diff(two, three)
    found = causes(change)
    by_day = dict(zip(found.changes["ts"].dt.day(), found.changes["cause"], strict=True))
    assert by_day == {3: RULE, 4: STATE, 5: RULE}
    assert found.table.iloc[-1].to_dict() == {
        "programme": "all programmes", "differing": 3, "rule": 2, "state": 1, "both": 0,
    }  # fmt: skip
    assert found.text == (
        "Of 3 decisions that differ, 2 (66.7%) do so by the rules themselves and 1 (33.3%) only "
        "because the state had evolved."
    )


def test_a_programme_whose_rules_are_untouched_differs_by_the_state_alone(tmp_path: Path):
    """A cap over everything is used up by the other programme, whose trigger is wider now."""
    from workbench.decision.house import House, ProgrammeSet  # noqa: PLC0415 - for this case alone

    log = small_log(tmp_path, DAYS)
    house = House.from_mapping(
        {"caps": [{"name": "one", "count": 1, "window": "30 days", "scope": "everything"}]},
        source="house",
    )

    def both(when: str) -> ProgrammeSet:
        early = programme("early", **FREE, trigger={"event": "purchase", "when": when}, limits={})
        late = programme(
            "late", **FREE, trigger={"event": "purchase", "when": "purchase_number = 5"}, limits={}
        )
        return ProgrammeSet.of([early, late], house)

    found = causes(
        diff(replay(log, both("purchase_number = 9")), replay(log, both("purchase_number = 2")))
    )
    by = dict(zip(found.changes["programme"], found.changes["cause"], strict=True))
    assert by == {"early": RULE, "late": STATE}


def test_equal_replays_have_no_cause(log: Log):
    same = replay(log, [every(2)])
    assert causes(diff(same, same)).changes.is_empty()
    assert BOTH not in causes(diff(same, same)).text


def test_causes_need_the_log_of_the_first_replay(log: Log, tmp_path: Path):
    replay(log, [every(2)], out=tmp_path / "a")
    first, second = open_replay(tmp_path / "a"), replay(log, [every(3)])
    with pytest.raises(InputError, match=r"open it with wb\.open_replay\(folder, log=log\)"):
        causes(diff(first, second))
    opened = open_replay(tmp_path / "a", log=log)
    assert int(causes(diff(opened, second)).table["state"].iloc[-1]) == 1
