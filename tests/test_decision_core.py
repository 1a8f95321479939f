"""``fold`` and ``decide`` by the number: edges of windows, late decisions, the same compiled."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workbench.decision import core
from workbench.decision.core import Candidates, State, empty_slots, limits_of
from workbench.decision.programme import Programme
from workbench.records import (
    DAY_US,
    NO,
    REASON_OF_CODE,
    REASONS,
    STAGES,
    UNKNOWN,
    YES,
    Candidate,
    Taken,
)


def programme(**limits: object) -> Programme:
    return Programme.from_mapping(
        {
            "name": "p",
            "stage": "engagement",
            "kind": "targeting",
            "trigger": {"event": "purchase"},
            "offers": [
                {
                    "id": "o",
                    "value_cents": 2,
                    "cost_cents": 1,
                    "redemption_rate": 1,
                    "channel": "app",
                }
            ],
            "limits": limits,
            "experiment": {"unit": "customer", "holdout_share": 0.1, "salt": "s"},
        },
        source="p",
    )


def cap(count: int, window_days: int) -> dict[str, object]:
    return {
        "count": count,
        "window": "rolling",
        "window_days": window_days,
        "counts": "decided",
    }


def reasons(limits: dict[str, object], days: list[float], **keys: int) -> list[str]:
    """Decide one person's candidates at these days, plain, and return the reasons."""
    found = run(core.run, limits, days, **keys)
    assert found == run(core.run_compiled, limits, days, **keys)
    return found


def run(loop, limits, days, *, audience=YES, suppress=NO, bucket=9_999) -> list[str]:
    rules = limits_of([programme(**limits)])
    state = State(rules, empty_slots(rules, 1))
    n = len(days)
    candidates = Candidates(
        programme=np.zeros(n, np.int32),
        person=np.zeros(n, np.int32),
        at_us=np.array([int(day * DAY_US) for day in days]),
        audience=np.full(n, audience, np.int8),
        suppress=np.full(n, suppress, np.int8),
        bucket=np.full(n, bucket, np.int32),
    )
    codes = np.zeros(n, np.int8)
    loop(state, candidates, codes)
    return [REASON_OF_CODE[code].name for code in codes.tolist()]


A_MOMENT = 1 / DAY_US


@pytest.mark.parametrize(
    ("limits", "days", "wanted"),
    [
        pytest.param({}, [0, 0, 0], "offered offered offered", id="no limit"),
        pytest.param({"cooldown_days": 2}, [0, 2], "offered offered", id="cooldown just over"),
        pytest.param(
            {"cooldown_days": 2}, [0, 2 - A_MOMENT], "offered cooldown", id="cooldown not yet over"
        ),
        pytest.param({"cap": cap(1, 2)}, [0, 2], "offered offered", id="just out of the window"),
        pytest.param(
            {"cap": cap(1, 2)}, [0, 2 - A_MOMENT], "offered cap_reached", id="still in the window"
        ),
        pytest.param(
            {"cap": cap(2, 2)}, [0, 1, 1.5, 2], "offered offered cap_reached offered", id="rolls on"
        ),
        pytest.param(
            {"cap": cap(2, 9)}, [5, 3, 4], "offered offered cap_reached", id="late ones count too"
        ),
        pytest.param(
            {"cooldown_days": 1}, [5, 3], "offered cooldown", id="late and before the last"
        ),
        pytest.param({}, [5, 3], "offered offered", id="late without a limit"),
        pytest.param(
            {"cap": cap(2, 9), "cooldown_days": 1},
            [0, 0.5, 1, 1.5],
            "offered cooldown offered cap_reached",
            id="the cap speaks before the cooldown",
        ),
    ],
)
def test_a_limit_at_its_edge(limits, days, wanted):
    assert reasons(limits, days) == wanted.split()


def test_a_refusal_takes_no_slot():
    assert reasons({"cap": cap(1, 9)}, [0, 1], audience=NO) == ["not_in_audience"] * 2


def test_a_ghost_takes_the_slot_that_its_delivery_would_take():
    assert reasons({"cap": cap(1, 9)}, [0, 1], bucket=999) == ["held_out", "cap_reached"]
    assert reasons({"cap": cap(1, 9)}, [0, 1], bucket=1_000) == ["offered", "cap_reached"]


@pytest.mark.parametrize(
    ("audience", "suppress", "reason"),
    [
        (NO, NO, "not_in_audience"),
        (UNKNOWN, YES, "audience_unknown"),
        (YES, YES, "suppressed"),
        (YES, UNKNOWN, "suppression_unknown"),
        (YES, NO, "offered"),
    ],
)
def test_not_known_is_never_a_yes(audience, suppress, reason):
    assert reasons({}, [0], audience=audience, suppress=suppress) == [reason]


def test_the_slots_hold_the_latest_instants_in_order():
    rules = limits_of([programme(cap=cap(3, 9)), programme()])
    state = State(rules, empty_slots(rules, 2))
    for at_us in (50, 10, 40, 30, 20):
        core.fold(state, Taken(programme=0, person=1, at_us=at_us))
    assert state.slots_us[1].tolist() == [30, 40, 50, core.EMPTY_US]
    assert (state.slots_us[0] == core.EMPTY_US).all()


def test_decide_changes_nothing():
    rules = limits_of([programme(cap=cap(1, 9))])
    state = State(rules, empty_slots(rules, 1))
    core.decide(state, Candidate(0, 0, 5, YES, NO, 0))
    assert (state.slots_us == core.EMPTY_US).all()


def test_instants_at_the_ends_of_the_calendar_do_not_overflow():
    year_1, year_9999 = -719_162, 2_932_896
    far = {"cap": cap(1, 3660)}
    assert reasons(far, [year_1, year_9999]) == ["offered", "offered"]
    assert reasons({"cooldown_days": 3660}, [year_9999, year_1]) == ["offered", "cooldown"]


def test_reason_codes_are_stable_and_in_the_order_of_the_funnel():
    """They are stored in decision logs and in the machine code that numba keeps."""
    assert (NO, YES, UNKNOWN, DAY_US) == (0, 1, 2, 24 * 60 * 60 * 1_000_000)
    assert {reason.name: reason.code for reason in REASONS} == {
        "offered": 1,
        "held_out": 2,
        "not_in_audience": 10,
        "audience_unknown": 11,
        "suppressed": 20,
        "suppression_unknown": 21,
        "cap_reached": 40,
        "cooldown": 41,
    }
    assert [STAGES.index(reason.stage) for reason in REASONS] == sorted(
        STAGES.index(reason.stage) for reason in REASONS
    )
    assert {reason.stage for reason in REASONS} == set(STAGES)


def test_a_second_process_does_not_compile():
    """The machine code is kept: loading it is a cache hit, and there is no miss."""
    reasons({}, [0])
    code = (
        f"import sys; sys.path[:0] = [{str(Path(__file__).parent)!r}]\n"
        "import test_decision_core as t\n"
        "t.reasons({}, [0])\n"
        "s = t.core.run_compiled.stats\n"
        "print(sum(s.cache_hits.values()), sum(s.cache_misses.values()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "0"]
