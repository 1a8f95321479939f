"""The oracle against examples worked out by hand, so that two wrongs do not make a right."""

from __future__ import annotations

from datetime import UTC, datetime, time
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import oracle_choice as choice
import pytest
from domain import ZONE, Case
from draft import Draft, draft_of, offer
from oracle_time import EPOCH, broadcasts, is_quiet, period_start, quiet_until, wall
from programme_domain import programme_set

from workbench.records import Event


def at(text: str) -> int:
    """Return an instant of New York, microseconds."""
    there = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(ZONE)).astimezone(UTC)
    return int((there - EPOCH).total_seconds() * 1_000_000)


def seen(*rows: tuple[Any, ...]) -> tuple[Event, ...]:
    """Make events of ann: type, when it happened, when it was known (at once)."""
    made = []
    for seq, (kind, happened, *known) in enumerate(rows):
        when = at(happened)
        late = at(known[0]) if known else when
        made.append(Event(f"e{seq}", seq, when, late, "ann", kind, amount_cents=500))
    return tuple(sorted(made, key=lambda event: (event.known_at_us, event.seq)))


def told(draft: Draft, *rows: tuple[Any, ...], until: str | None = None) -> list[tuple[str, str]]:
    """Return local instant and reason of every decision."""
    end = None if until is None else at(until)
    said = Case(seen(*rows), programme_set([draft]), until=end).in_words()
    return [(f"{wall(row['ts'], ZONE):%m-%d %H:%M}", row["reason"]) for row in said.decisions]


def test_a_day_of_23_hours_is_a_day():
    assert period_start(at("2024-03-10 23:30"), "day", ZONE) == at("2024-03-10 00:00")
    assert at("2024-03-11 00:00") - at("2024-03-10 00:00") == 23 * 3600 * 1_000_000


def test_a_week_begins_on_monday_and_a_month_on_the_first():
    assert period_start(at("2024-03-10 23:59"), "week", ZONE) == at("2024-03-04 00:00")
    assert period_start(at("2024-03-11 00:00"), "week", ZONE) == at("2024-03-11 00:00")
    assert period_start(at("2024-03-10 12:00"), "month", ZONE) == at("2024-03-01 00:00")


def test_quiet_hours_go_over_midnight_and_end_on_the_wall():
    night = (time(21), time(8), ZONE)
    assert [is_quiet(at(f"2024-03-09 {hour}"), *night) for hour in ("20:59", "21:00")] == [
        False,
        True,
    ]
    assert not is_quiet(at("2024-03-10 08:00"), *night)
    assert quiet_until(at("2024-03-09 22:00"), *night) == at("2024-03-10 08:00")


def test_a_broadcast_in_the_hour_that_the_clocks_skip_goes_out_at_the_skip():
    found = broadcasts("sunday", time(2, 30), ZONE, at("2024-03-09 00:00"), at("2024-03-18 00:00"))
    assert found == [at("2024-03-10 03:00"), at("2024-03-17 02:30")]


def test_a_rolling_window_is_half_open():
    draft = draft_of("p", limits={"caps": [{"count": 1, "window": "1 day"}]})
    rows = ("purchase", "2024-03-01 12:00"), ("purchase", "2024-03-02 11:59")
    assert told(draft, *rows, ("purchase", "2024-03-02 12:00")) == [
        ("03-01 12:00", "offered"),
        ("03-02 11:59", "cap_reached"),
        ("03-02 12:00", "offered"),
    ]


def test_a_basket_left_fires_at_the_deadline_and_a_purchase_at_it_is_in_time():
    draft = draft_of("p")
    draft.programme["trigger"] = {
        "event": "basket_add",
        "unless": {"event": "purchase", "within": "2 h"},
    }
    left = ("basket_add", "2024-03-01 12:00")
    assert told(draft, left, until="2024-03-01 14:00") == []
    assert told(draft, left, until="2024-03-02 00:00") == [("03-01 14:00", "offered")]
    assert told(draft, left, ("purchase", "2024-03-01 14:00"), until="2024-03-02 00:00") == []
    assert told(draft, left, ("purchase", "2024-03-01 14:01")) == [("03-01 14:00", "offered")]
    again = ("basket_add", "2024-03-01 13:00")
    assert told(draft, left, again, until="2024-03-02 00:00") == [("03-01 15:00", "offered")]
    draft.programme["trigger"]["unless"]["rearm"] = False
    assert told(draft, left, again, until="2024-03-02 00:00") == [("03-01 14:00", "offered")]


def test_a_late_basket_whose_deadline_is_past_fires_at_once_behind_its_instant():
    draft = draft_of("p")
    draft.programme["trigger"] = {
        "event": "basket_add",
        "unless": {"event": "purchase", "within": "2 h"},
    }
    late = ("basket_add", "2024-03-01 12:00", "2024-03-01 18:00")
    said = Case(seen(late), programme_set([draft]), until=at("2024-03-02 00:00")).in_words()
    assert [(row["ts"], row["known_at"]) for row in said.decisions] == [
        (at("2024-03-01 14:00"), at("2024-03-01 18:00"))
    ]


def test_the_third_purchase_fires_and_the_count_starts_again():
    draft = draft_of("p")
    draft.programme["trigger"] = {"event": "purchase", "nth": {"n": 3, "within": "7 days"}}
    days = [("purchase", f"2024-03-0{day} 12:00") for day in range(1, 9)]
    assert [when for when, _ in told(draft, *days)] == ["03-03 12:00", "03-06 12:00"]


def test_silence_fires_once():
    draft = draft_of("p")
    draft.programme["trigger"] = {"event": "purchase", "silence": "2 days"}
    days = [("purchase", "2024-03-01 12:00"), ("purchase", "2024-03-03 12:00")]
    assert told(draft, *days, until="2024-03-20 00:00") == [("03-05 12:00", "offered")]


def test_a_queued_offer_holds_its_slot_and_goes_out_in_the_morning():
    draft = draft_of(
        "p",
        limits={"caps": [{"count": 1, "window": "1 day"}]},
        quiet_hours={"from": "21:00", "to": "08:00"},
    )
    rows = ("purchase", "2024-03-09 22:00"), ("purchase", "2024-03-09 23:00")
    assert told(draft, *rows, ("purchase", "2024-03-11 08:00")) == [
        ("03-09 22:00", "queued"),
        ("03-09 23:00", "cap_reached"),
        ("03-10 08:00", "offered"),
        ("03-11 08:00", "offered"),
    ]


def test_a_collection_is_decided_as_one_set():
    small = draft_of("a", offers=[offer("small", value_cents=150)])
    large = draft_of("b")
    for draft in (small, large):
        draft.trigger["collect_for"] = "10 min"
    large.trigger["event"] = "app_open"
    rows = ("purchase", "2024-03-01 12:00"), ("app_open", "2024-03-01 12:05")
    case = Case(seen(*rows), programme_set([small, large]), until=at("2024-03-02 00:00"))
    said = case.in_words().decisions
    assert [(row["programme"], row["reason"]) for row in said] == [
        ("b", "offered"),
        ("a", "outranked"),
    ]
    assert {row["known_at"] for row in said} == {at("2024-03-01 12:10")}


def test_a_budget_closes_at_the_first_that_would_exceed_it_and_stays_closed():
    draft = draft_of("p", budget={"amount_cents": 250, "per": "day", "zone": "log"})
    rows = [("purchase", f"2024-03-01 1{hour}:00") for hour in range(4)]
    assert [reason for _, reason in told(draft, *rows, ("purchase", "2024-03-02 10:00"))] == [
        "offered",
        "offered",
        "budget_closed",
        "budget_closed",
        "offered",
    ]


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [([1, 1], [2**31, 2**31]), ([1, 1, 1], [1431655765, 1431655765, 1431655766]), ([5], [2**32])],
)
def test_shares_add_up_to_the_whole(weights: list[int], wanted: list[int]):
    assert choice.shares(weights) == wanted


def test_epsilon_shares_the_exploration_among_all():
    found = choice.epsilon_greedy([1.0, 3.0], Fraction(1, 2))
    assert found == [2**30, 3 * 2**30]


def test_every_hash_of_a_table_of_draws_has_a_winner():
    found = choice.by_draws([0, 1, 1], 2)
    assert sum(found) == 2**32
    assert found[0] == -(-(2**32) // 3)
