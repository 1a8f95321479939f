"""What the core can do, one worked example a capability: a few events, and what is decided.

The laws hold the same over whatever programmes and events; here it can be read off.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from small_log import small_log
from workbench.buckets import bucket_10000
from workbench.decision import House, Programme, ProgrammeSet
from workbench.records import DAY_US, Event
from workbench.replay import DecisionCore, replay

MONDAY_US = 1_709_510_400_000_000  # 2024-03-04T00:00 in UTC
HOUR_US = DAY_US // 24
NO_CONTROL = {"holdout_share": 0, "salt": "s"}


def offer(name: str, **keys: Any) -> dict[str, Any]:
    """An offer that is worth 0.25 x (300 - 100) = 50 cents."""
    base = {"value_cents": 300, "cost_cents": 100, "redemption_rate": 0.25, "channel": "app"}
    return {"id": name, **base, **keys}


def programme(name: str = "p", **keys: Any) -> Programme:
    values = {
        "name": name,
        "stage": "engagement",
        "kind": "targeting",
        "trigger": {"event": "purchase"},
        "offers": [offer("coffee")],
        "experiment": NO_CONTROL,
    }
    return Programme.from_mapping({**values, **keys}, source=name)


def core(*programmes: Programme, house: dict[str, Any] | None = None, **keys: Any) -> DecisionCore:
    rules = House.from_mapping(house, source="house.yaml") if house else None
    return DecisionCore(ProgrammeSet.of(programmes, rules), **keys)


def event(number: int, hour: float, person: str = "ann", kind: str = "purchase", **keys: Any):
    """The event of a number, so many hours after Monday began, known at once."""
    at_us = MONDAY_US + round(hour * HOUR_US)
    return Event(f"e{number}", number, at_us, at_us, person, kind, **keys)


def reasons(one: DecisionCore, events: Sequence[Event]) -> list[str]:
    return [decision.reason for each in events for decision in one.decide(each)]


# Events and time


def test_a_late_event_keeps_the_time_it_happened_and_the_time_it_was_known():
    late = event(1, 0)._replace(known_at_us=MONDAY_US + 2 * DAY_US)
    (decision,) = core(programme()).decide(late)
    assert (decision.ts_us, decision.known_at_us) == (MONDAY_US, MONDAY_US + 2 * DAY_US)


def test_a_condition_counts_the_visits_of_the_last_days_between_a_least_and_a_most():
    visits = {"name": "visits_3d", "of": "visit", "measure": "count", "window_days": 3}
    one = core(programme(audience="visits_3d >= 1 AND visits_3d <= 2", features=[visits]))
    seen = [event(n, 1 + 24 * n, kind="visit") for n in range(3)]
    assert reasons(one, [event(10, 0)]) == ["not_in_audience"], "none"
    assert reasons(one, [seen[0], event(11, 2), seen[1], event(12, 26)]) == ["offered"] * 2
    assert reasons(one, [seen[2], event(13, 50)]) == ["not_in_audience"], "three"
    assert reasons(one, [event(14, 72)]) == ["offered"], "the first one has left the window"


def test_the_event_that_triggers_is_seen_by_the_audience_of_the_same_decision():
    one = core(programme(audience="purchase_number = 2 AND amount_cents >= 500"))
    bought = [event(n, n, amount_cents=500) for n in range(3)]
    assert reasons(one, bought) == ["not_in_audience", "offered", "not_in_audience"]


def test_a_purchase_while_the_basket_waits_cancels_the_reminder():
    left = {"event": "basket_add", "unless": {"event": "purchase", "within": "2 h"}}
    for bought, wanted in ((False, ["offered"]), (True, [])):
        one = core(programme(trigger=left))
        one.decide(event(1, 10, kind="basket_add"))
        if bought:
            one.decide(event(2, 11))
        decisions = one.advance(MONDAY_US + 13 * HOUR_US)
        assert [each.reason for each in decisions] == wanted
        assert all(each.ts_us == MONDAY_US + 12 * HOUR_US for each in decisions)


# Context


def test_the_weather_of_the_moment_opens_an_offer():
    one = core(programme(offers=[offer("umbrella", when="weather = 'rain'")]))
    rows = [event(1, 1, weather="rain"), event(2, 2, weather="sun"), event(3, 3)]
    assert reasons(one, rows) == ["offered", "not_applicable", "applicability_unknown"]


def test_a_ping_near_the_store_that_repeats_gives_one_offer():
    near = {"event": "geo_enter", "when": "distance_m < 300"}
    one = core(programme(trigger=near, limits={"cooldown": "2 h"}))
    pings = [(8, 900.0), (8.1, 250.0), (8.2, 240.0), (10.1, 290.0)]
    rows = [event(n, hour, kind="geo_enter", distance_m=far) for n, (hour, far) in enumerate(pings)]
    assert reasons(one, rows) == ["offered", "cooldown", "offered"]


# Stages and limits


def test_may_makes_sense_and_is_good_are_three_stages_with_counts_of_their_own(tmp_path: Path):
    layered = programme(
        audience="amount_cents >= 100",
        offers=[offer("coffee", when="channel = 'till'")],
        suppress=["discount_cents > 0"],
    )
    fine = {"amount_cents": 500, "channel": "till", "discount_cents": 0}
    changes = [
        {},
        {"amount_cents": 50},
        {"channel": "web"},
        {"discount_cents": 9},
        {"channel": "x"},
    ]
    rows = [
        {"ts": f"2024-03-04T0{n}:00", "person_id": f"p{n}", **fine, **change}
        for n, change in enumerate(changes)
    ]
    funnel = replay(small_log(tmp_path, rows), [layered]).funnel
    counted = funnel.groupby("stage")["decisions"].sum()
    stages = ["eligibility", "applicability", "suitability", "offered"]
    assert counted[stages].tolist() == [1, 2, 1, 1]


def test_a_refusal_by_a_limit_names_it_its_count_and_when_it_is_free_again(tmp_path: Path):
    caps = [{"count": 2, "window": "5 days", "name": "two_in_five"}]
    rows = [{"ts": f"2024-03-0{day}T09:00", "person_id": "ann"} for day in (4, 6, 8)]
    result = replay(small_log(tmp_path, rows), [programme(limits={"caps": caps})], candidates=True)
    names = ["reason", "meter", "count", "limit", "free_at"]
    refused = result.candidates().filter(pl.col("reason") != "offered").select(names).collect()
    free_at = datetime(2024, 3, 9, 9, tzinfo=UTC)
    assert refused.rows() == [("cap_reached", "two_in_five", 2, 2, free_at)]


def test_an_offer_has_a_cap_for_each_person_and_a_number_of_pieces_in_all():
    limits = {"caps": [{"count": 1, "window": "30 days", "scope": "offer"}]}
    one = core(programme(offers=[offer("mug", inventory=2)], limits=limits))
    rows = [event(n, n, person) for n, person in enumerate(["ann", "ann", "bob", "cleo"])]
    assert reasons(one, rows) == ["offered", "cap_reached", "offered", "inventory_gone"]


@pytest.mark.parametrize(("counts", "wanted"), [("decided", "cap_reached"), ("viewed", "offered")])
def test_a_cap_counts_what_it_says(counts: str, wanted: str):
    cap = {"count": 1, "window": "9 days", "counts": counts}
    one = core(programme(limits={"caps": [cap]}))
    (first,) = one.decide(event(1, 1))
    assert reasons(one, [event(2, 2)]) == [wanted]
    seen = event(3, 3, kind="offer_viewed", decision_id=first.decision_id)
    assert reasons(one, [seen, event(4, 4)]) == ["cap_reached"]


@pytest.mark.parametrize(("zone", "wanted"), [("local", "offered"), ("utc", "cap_reached")])
def test_the_day_of_a_cap_is_that_of_the_customer_or_of_utc(zone: str, wanted: str):
    cap = {"count": 1, "calendar": "day", "zone": zone}
    one = core(programme(limits={"caps": [cap]}), zone="America/New_York")
    before_midnight, behind = event(1, 4.5), event(2, 5.5)  # 23:30 and 00:30 in New York
    assert reasons(one, [before_midnight, behind]) == ["offered", wanted]


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ({}, "offered cap_reached cap_reached"),
        ({"bypass": ["daily"]}, "offered offered cap_reached"),
        ({"count_towards": False}, "offered offered offered"),
    ],
    ids=["neither", "bypass", "does not count"],
)
def test_to_bypass_a_cap_and_to_count_towards_it_are_two_switches(limits: dict, wanted: str):
    """Two refunds trigger the service message with the switch, then a purchase the other one."""
    cap = {"name": "daily", "count": 1, "window": "1 day", "scope": "everything"}
    service = programme("service", trigger={"event": "refund"}, limits=limits)
    one = core(service, programme("other"), house={"caps": [cap]})
    rows = [event(1, 1, kind="refund"), event(2, 2, kind="refund"), event(3, 3)]
    assert reasons(one, rows) == wanted.split()


@pytest.mark.parametrize("order", [("cheap", "dear"), ("dear", "cheap")])
@pytest.mark.parametrize("collected", [False, True], ids=["one event", "two events"])
def test_the_last_slot_goes_to_the_offer_that_is_worth_most(order: Sequence[str], collected: bool):
    """On one event, and among events of ten minutes when programmes collect."""
    wait = {"collect_for": "10 min"} if collected else {}
    other = "app_open" if collected else "purchase"
    made = {
        "cheap": programme("cheap", trigger={"event": "purchase", **wait}),
        "dear": programme(
            "dear", trigger={"event": other, **wait}, offers=[offer("cake", value_cents=900)]
        ),
    }
    cap = {"name": "daily", "count": 1, "window": "1 day", "scope": "everything"}
    one = core(*(made[name] for name in order), house={"caps": [cap]})
    found = list(one.decide(event(1, 9)))
    if collected:
        found += one.decide(event(2, 9.1, kind="app_open"))
    found += one.advance(MONDAY_US + DAY_US)
    assert {each.programme: each.reason for each in found} == {
        "dear": "offered",
        "cheap": "outranked",
    }


def test_rejections_hold_a_programme_back_for_a_time():
    rule = {"count": 2, "within": "7 days", "hold": "2 days"}
    one = core(programme(limits={"after_rejections": rule}))
    for number in (0, 10):
        (decision,) = one.decide(event(number, number))
        assert decision.reason == "offered"
        no = {"kind": "offer_rejected", "decision_id": decision.decision_id}
        one.decide(event(number + 1, number + 1, **no))
    assert reasons(one, [event(20, 20), event(21, 11 + 48)]) == ["rejections", "offered"]


def test_a_queued_offer_asks_for_consent_again_in_the_morning(tmp_path: Path):
    """It was agreed to at 22:00 and revoked at 23:00; the quiet hours end at 08:00."""
    consent = pl.DataFrame(
        {
            "customer_id": ["ann", "ann", "bob"],
            "channel": ["app"] * 3,
            "granted": [True, False, True],
            "valid_from": [
                datetime(2024, 1, 1, tzinfo=UTC),
                datetime(2024, 3, 4, 23, tzinfo=UTC),
                datetime(2024, 1, 1, tzinfo=UTC),
            ],
        }
    )
    night = {"from": "21:00", "to": "08:00"}
    log = small_log(tmp_path, [], tables={"consent": consent})
    one = core(programme(consent="required", quiet_hours=night), log=log)
    assert reasons(one, [event(1, 22, "ann"), event(2, 22, "bob")]) == ["queued", "queued"]
    morning = one.advance(MONDAY_US + 2 * DAY_US)
    assert {each.person: each.reason for each in morning} == {"ann": "no_consent", "bob": "offered"}
    assert {each.known_at_us for each in morning} == {MONDAY_US + 32 * HOUR_US}


def test_points_are_awarded_once_for_an_event_that_comes_again_and_again():
    earn = programme(
        kind="listening",
        trigger={"event": "check_in"},
        offers=[],
        points={"award": 10, "per": "check_in"},
        limits={"caps": [{"count": 1, "calendar": "day"}]},
    )
    one = core(earn)
    checked_in = event(1, 9, kind="check_in")
    assert reasons(one, [checked_in] * 3) == ["awarded"]
    assert one.refused == 2
    again = [event(2, 10, kind="check_in"), event(3, 24, kind="check_in")]
    assert reasons(one, again) == ["cap_reached", "awarded"], "one a day, by the calendar"


# Choice


@pytest.mark.parametrize(
    ("choose", "factor"),
    [
        ({}, 1.0),
        ({"levers_percent": {"offers": {"coffee": 55}}}, 1.55),
        ({"levers_percent": {"programme": 10, "offers": {"coffee": 55}}}, 1.65),
        ({"context": [{"when": "hour < 12", "percent": 20}]}, 1.2),
        ({"context": [{"when": "hour < 12", "percent": 20}] * 2}, 1.4),
        ({"context": [{"when": "hour >= 12", "percent": 20}]}, 1.0),
    ],
)
@pytest.mark.parametrize(("by", "plain"), [("value", 50.0), ("priority", 75.0 * 2)])
def test_percents_add_up_to_one_factor_and_what_is_not_used_is_exactly_one(
    by: str, plain: float, choose: dict[str, Any], factor: float
):
    """By value 0.25 x (300 - 100), by priority 0.25 x 300 x 2."""
    one = core(programme(offers=[offer("coffee", priority=2)], choose={"by": by, **choose}))
    (decision,) = one.decide(event(1, 9))
    assert decision.score == pytest.approx(plain * factor, rel=1e-12)
    assert factor != 1 or decision.score == plain


def test_of_equals_the_offer_and_the_programme_that_stand_first_win():
    twins = [offer("first"), offer("second")]
    one = core(programme("a", offers=twins), programme("b", offers=twins))
    found = one.decide(event(1, 9))
    assert {(each.programme, each.offer_id, each.reason) for each in found} == {
        ("a", "first", "offered"),
        ("b", None, "outranked"),
    }


# Experiments

PEOPLE = [f"person {n}" for n in range(300)]
HOLDOUT = {"share": 0.2, "salt": "house"}


def by_person(one: DecisionCore, people: Sequence[str]):
    return {each.person: each for n, p in enumerate(people) for each in one.decide(event(n, n, p))}


def test_the_control_meets_the_limits_that_the_treatment_meets():
    half = {"holdout_share": 0.5, "salt": "s"}
    one = core(programme(limits={"cooldown": "3 days"}, experiment=half))
    paths: dict[str, list[str]] = {person: [] for person in PEOPLE[:20]}
    for day in (0, 1, 3):
        for n, person in enumerate(paths):
            paths[person] += reasons(one, [event(100 * day + n, 24 * day, person)])
    for person, path in paths.items():
        given = "held_out" if bucket_10000("s", person) < 5000 else "offered"
        assert path == [given, "cooldown", given]
    assert len({path[0] for path in paths.values()}) == 2


def test_the_global_holdout_is_a_range_of_buckets_beside_a_group_of_its_size():
    """So it holds for who comes tomorrow too, and for any day that is past."""
    found = by_person(core(programme(), house={"holdout": HOLDOUT}), PEOPLE)
    for person, decision in found.items():
        bucket = bucket_10000("house", person)
        assert (decision.reason == "global_holdout") == (bucket < 2000)
        assert decision.measured == (2000 <= bucket < 4000)


def test_the_global_holdout_is_part_of_every_targeting_programme_and_of_no_broadcast():
    daily = {"every": {"at": "09:00"}}
    letter = programme("letter", kind="broadcast", trigger=daily, offers=[offer("letter")])
    two = [programme(name, trigger={"event": name}) for name in ("purchase", "app_open")]
    one = core(*two, letter, house={"holdout": HOLDOUT})
    held = next(person for person in PEOPLE if bucket_10000("house", person) < 2000)
    rows = [event(1, 1, held), event(2, 2, held, "app_open")]
    assert reasons(one, rows) == ["global_holdout"] * 2
    assert [each.reason for each in one.advance(MONDAY_US + 10 * HOUR_US)] == ["offered"]


def test_who_is_in_both_controls_is_held_out_by_the_programme_first():
    half = {"holdout_share": 0.5, "salt": "s"}
    found = by_person(core(programme(experiment=half), house={"holdout": HOLDOUT}), PEOPLE)
    for person, decision in found.items():
        own, everywhere = bucket_10000("s", person) < 5000, bucket_10000("house", person) < 2000
        wanted = "held_out" if own else "global_holdout" if everywhere else "offered"
        assert decision.reason == wanted
    assert {each.reason for each in found.values()} == {"held_out", "global_holdout", "offered"}


def test_quiet_hours_that_are_over_at_eight_end_at_eight_where_the_customer_is():
    one = core(programme(quiet_hours={"from": "21:00", "to": "08:00"}))
    (queued,) = one.decide(event(1, 22, tz="Asia/Tokyo"))  # Tuesday 07:00 in Tokyo
    (released,) = one.advance(MONDAY_US + 2 * DAY_US)
    assert (queued.reason, released.reason) == ("queued", "offered")
    there = datetime.fromtimestamp(released.known_at_us / 1e6, ZoneInfo("Asia/Tokyo"))
    assert f"{there:%A %H:%M}" == "Tuesday 08:00"
