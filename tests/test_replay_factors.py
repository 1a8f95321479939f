"""Dropping one factor of the score: who wins without it, counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from small_log import small_log
from test_replay_log import programme
from workbench.decision.house import ProgrammeSet
from workbench.errors import ParameterError
from workbench.log import Log
from workbench.replay import sensitivity

FREE = {
    "audience": None,
    "limits": {},
    "trigger": {"event": "purchase"},
    "experiment": {"salt": "s", "holdout_share": 0.0},
}


def offer(name: str, value_cents: int, redemption_rate: float) -> dict[str, object]:
    return {
        "id": name,
        "value_cents": value_cents,
        "cost_cents": 100,
        "redemption_rate": redemption_rate,
        "channel": "app",
    }


@pytest.fixture
def log(tmp_path: Path) -> Log:
    rows = [
        {"ts": f"2024-01-{day:02d}T12:00:00", "person_id": person, "amount_cents": 100 * day}
        for day in range(1, 5)
        for person in ("ann", "bob")
    ]
    return small_log(tmp_path, rows)


def test_a_factor_that_decides_changes_every_winner_and_one_that_does_not_changes_none(log: Log):
    """Worth .5 x 100 = 50 against .1 x 1000 = 100: the dear offer wins by its value alone.

    Without the value .5 beats .1. Without the propensity 1000 beats 100, as before.
    """
    one = programme("one", **FREE, offers=[offer("cheap", 200, 0.5), offer("dear", 1100, 0.1)])
    found = sensitivity(log, [one])
    by = found.table.set_index("factor")
    assert by.loc["value", "changed"] == by.loc["value", "sets"] == 8
    assert by.loc["propensity", "changed"] == 0
    assert "would have been won by another offer without value" in found.text
    assert "propensity decides nothing" in found.text


def test_context_and_levers_count_when_a_programme_has_them(log: Log):
    """Both are worth 50; the lever puts the second first, the context the first on small baskets."""
    one = programme(
        "one",
        **FREE,
        offers=[offer("first", 200, 0.5), offer("second", 200, 0.5)],
        choose={
            "context": [{"when": "amount_cents <= 200", "percent": 0}],
            "levers_percent": {"offers": {"second": 50}},
        },
    )
    by = sensitivity(log, [one]).table.set_index("factor")
    assert by.loc["levers", "changed"] == 8
    assert "context" not in by.index, "a weight of 0 % is no factor"


def test_programmes_that_compete_for_a_slot_are_decided_by_their_scores(log: Log):
    a = programme("a", **FREE, offers=[offer("x", 200, 0.9)])
    b = programme("b", **FREE, offers=[offer("y", 2000, 0.2)])
    by = sensitivity(log, ProgrammeSet.of([a, b])).table.set_index("factor")
    assert by.loc["value", "changed"] == 8


def test_programmes_that_only_award_points_have_no_factor(log: Log):
    points = programme(
        "points",
        kind="listening",
        trigger={"event": "purchase"},
        audience=None,
        offers=[],
        limits={},
        points={"award": 5, "per": "purchase"},
        experiment={"salt": "s", "holdout_share": 0.0},
    )
    with pytest.raises(ParameterError, match="there is nothing to drop"):
        sensitivity(log, [points])


def test_a_log_without_a_winner_is_not_enough_data(log: Log):
    never = programme(
        "never", **{**FREE, "audience": "amount_cents > 99999"}, offers=[offer("x", 200, 0.9)]
    )
    assert sensitivity(log, [never]).text.startswith("Not enough data")
