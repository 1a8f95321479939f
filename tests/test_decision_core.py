"""The core by the number: edges of limits, late decisions, rings, calendars, the stored codes."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.decision import clocks, core, meters
from workbench.decision.clocks import CALENDARS, tables_of
from workbench.decision.desk import EMPTY_US
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.rules import rules_of
from workbench.errors import ParameterError
from workbench.records import DAY_US, NO, REASONS, STAGES, UNKNOWN, YES, Event
from workbench.replay import DecisionCore

YEAR_US = 365 * DAY_US


def programme(name: str = "p", **keys: object) -> Programme:
    offer = {"id": "o", "value_cents": 2, "cost_cents": 1, "redemption_rate": 1, "channel": "app"}
    given_keys = {
        "name": name,
        "stage": "engagement",
        "kind": "targeting",
        "trigger": {"event": "purchase"},
        "offers": [offer],
        "experiment": {"unit": "customer", "holdout_share": 0, "salt": "s"},
    }
    return Programme.from_mapping({**given_keys, **keys}, source=name)


def reasons(limits: dict[str, object], days: list[float]) -> list[str]:
    """Decide one person's purchases, known in this order and happened at these days."""
    one = DecisionCore([programme(limits=limits)], zone="UTC")
    found = []
    for seq, day in enumerate(days):
        ts_us = round(day * DAY_US)
        known_us = max(round(each * DAY_US) for each in days[: seq + 1])
        event = Event(f"e{seq}", seq, ts_us, known_us, "ann", "purchase")
        found += [decision.reason for decision in one.decide(event)]
    return found


A_MOMENT = 1 / DAY_US
TWO_DAYS = {"count": 1, "window": "2 days"}


@pytest.mark.parametrize(
    ("limits", "days", "wanted"),
    [
        pytest.param({}, [0, 0, 0], "offered offered offered", id="no limit"),
        pytest.param({"cooldown": "2 days"}, [0, 2], "offered offered", id="cooldown just over"),
        pytest.param(
            {"cooldown": "2 days"}, [0, 2 - A_MOMENT], "offered cooldown", id="not yet over"
        ),
        pytest.param({"caps": [TWO_DAYS]}, [0, 2], "offered offered", id="out of the window"),
        pytest.param(
            {"caps": [TWO_DAYS]}, [0, 2 - A_MOMENT], "offered cap_reached", id="in the window"
        ),
        pytest.param(
            {"caps": [{"count": 2, "window": "2 days"}]},
            [0, 1, 1.5, 2],
            "offered offered cap_reached offered",
            id="rolls on",
        ),
        pytest.param(
            {"caps": [{"count": 2, "window": "9 days"}]},
            [5, 3, 4],
            "offered offered cap_reached",
            id="late ones count too",
        ),
        pytest.param(
            {"cooldown": "1 day"}, [5, 3], "offered cooldown", id="late and before the last"
        ),
        pytest.param({"once": True}, [0, 3000], "offered once", id="no re-entry"),
        pytest.param(
            {"concurrency": 1}, [0, 30 - A_MOMENT, 30], "offered concurrency offered", id="open"
        ),
        pytest.param(
            {"caps": [{"count": 1, "calendar": "day", "zone": "utc"}]},
            [0.5, 1 - A_MOMENT, 1],
            "offered cap_reached offered",
            id="a calendar day begins at midnight",
        ),
        pytest.param(
            {"caps": [{"count": 1, "calendar": "week", "zone": "utc"}]},
            [3, 4 - A_MOMENT, 4],  # the fifth of January 1970 was a Monday
            "offered cap_reached offered",
            id="a week begins on Monday",
        ),
        pytest.param(
            {"caps": [{"count": 2, "window": "9 days"}], "cooldown": "1 day"},
            [0, 0.5, 1, 1.5],
            "offered cooldown offered cap_reached",
            id="the cap speaks before the cooldown",
        ),
    ],
)
def test_a_limit_at_its_edge(limits, days, wanted):
    assert reasons(limits, days) == wanted.split()


def test_instants_at_the_ends_of_the_calendar_do_not_overflow():
    far = {"caps": [{"count": 1, "window": "3660 days"}]}
    assert reasons(far, [-719_162, 2_932_896]) == ["offered", "offered"]


@given(
    entered=st.lists(st.integers(0, 9), max_size=12),
    width=st.integers(1, 5),
)
@settings(deadline=None, max_examples=100)
def test_a_ring_holds_the_latest_instants_in_order(entered, width):
    memory = np.full(width + 2, EMPTY_US)
    for at_us in entered:
        meters.enter(memory, 1, width, at_us)
    kept = sorted(entered)[-width:]
    assert memory[1:-1].tolist() == [EMPTY_US] * (width - len(kept)) + kept
    assert memory[0] == memory[-1] == EMPTY_US


@given(instants=st.lists(st.integers(0, 9), min_size=1, max_size=4), which=st.integers(0, 3))
@settings(deadline=None, max_examples=60)
def test_what_is_taken_back_leaves_the_ring_as_if_it_had_never_come(instants, which):
    gone = instants[which % len(instants)]
    memory, other = np.full(4, EMPTY_US), np.full(4, EMPTY_US)
    for at_us in instants:
        meters.enter(memory, 0, 3, at_us)
    meters.leave(memory, 0, 3, gone)
    rest = list(instants)
    rest.remove(gone)
    for at_us in rest:
        meters.enter(other, 0, 3, at_us)
    assert memory.tolist() == other.tolist()


ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Europe/Zurich")


@given(
    hours=st.integers(-200_000, 900_000),
    zone=st.sampled_from(ZONES),
    per=st.sampled_from([*CALENDARS]),
)
@settings(deadline=None, max_examples=300)
def test_calendar_periods_are_those_of_the_wall(hours, zone, per):
    at_us = hours * 3_600_000_000
    there = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hours)).astimezone(ZoneInfo(zone))
    day = there.date()
    day -= timedelta(days=day.weekday() if per == "week" else 0)
    day = day.replace(day=1) if per == "month" else day
    wanted = datetime.combine(day, datetime.min.time(), tzinfo=ZoneInfo(zone)).astimezone(UTC)
    tables = tables_of([zone])
    start = clocks.period_start(*tables, 0, CALENDARS[per], at_us)
    assert start == (wanted - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    end = clocks.period_end(*tables, 0, CALENDARS[per], at_us)
    assert start <= at_us < end
    assert clocks.period_start(*tables, 0, CALENDARS[per], end) == end


def test_what_the_core_cannot_hold_is_refused():
    with pytest.raises(ParameterError, match="more than 1023 at once are not supported yet"):
        rules_of(ProgrammeSet.of([programme(f"p{k}") for k in range(1024)]))


def test_reason_codes_are_stable_and_in_the_order_of_the_funnel():
    """They are stored in decision logs and in the machine code that numba keeps."""
    assert (NO, YES, UNKNOWN, DAY_US) == (0, 1, 2, 24 * 60 * 60 * 1_000_000)
    codes = {reason.name: reason.code for reason in REASONS}
    assert codes == {
        "offered": 1,
        "held_out": 2,
        "global_holdout": 3,
        "queued": 4,
        "awarded": 5,
        "other_layer": 6,
        "outside_coverage": 7,
        "not_in_audience": 10,
        "audience_unknown": 11,
        "other_arm": 14,
        "not_applicable": 15,
        "applicability_unknown": 16,
        "suppressed": 20,
        "suppression_unknown": 21,
        "no_consent": 30,
        "consent_unknown": 31,
        "cap_reached": 40,
        "cooldown": 41,
        "once": 42,
        "concurrency": 43,
        "rejections": 44,
        "waiting": 45,
        "no_zone": 46,
        "quiet_hours": 47,
        "quiet_expired": 48,
        "budget_closed": 60,
        "inventory_gone": 61,
        "not_worth_it": 62,
        "outranked": 70,
    }
    order = [STAGES.index(reason.stage) for reason in REASONS]
    assert order == sorted(order)
    assert {reason.stage for reason in REASONS} == set(STAGES)


def test_a_second_process_does_not_compile(tmp_path):
    """The machine code is kept: loading it is a cache hit, and there is no miss."""
    code = (
        f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]\n"
        "from small_replay import core, decide_something\n"
        "decide_something()\n"
        "s = core.run_compiled.stats\n"
        "print(sum(s.cache_hits.values()), sum(s.cache_misses.values()))\n"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "0"]


def test_the_stored_machine_code_belongs_to_the_sources():
    """The checksum of every file that is compiled is part of what numba keeps code for."""
    digest = core.sources_digest()
    assert digest > 0
    assert core.runner(digest).__closure__[0].cell_contents == digest
