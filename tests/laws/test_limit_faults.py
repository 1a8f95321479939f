"""Faults planted into limits, answers that are not known, and quiet hours, each of which the oracle must catch.

Every fault changes one place of a function that plain and compiled core share; it is planted into
plain Python and must make the core for one event differ from the oracle.
"""

from __future__ import annotations

import pytest
from faults import Fault, domains_of, holds_without_a_fault, oracle_catches

from workbench.decision import clocks, core, meters

ROLLING = "nth > at_us - desk.meters[m, M_WINDOW]"
FAULTS = {
    # limits
    "window edge of a cap": Fault(
        meters.is_reached, ROLLING, ROLLING.replace(">", ">="), ("cap_rolling",)
    ),
    "window edge of a cooldown": Fault(
        meters.is_reached, ROLLING, ROLLING.replace(">", ">="), ("cooldown",)
    ),
    "once is not for good": Fault(
        meters.is_reached, ROLLING, ROLLING + " - (at_us - nth)", ("cooldown",)
    ),
    "edge of a calendar period": Fault(
        meters.is_reached, "nth >= start", "nth > start", ("cap_day",)
    ),
    "UTC for local": Fault(
        meters.is_reached, "zone if own < 0 else own", "1 if own < 0 else own", ("cap_day",)
    ),
    "a week that begins on Sunday": Fault(
        clocks.first_day, "(day + 3) % 7", "(day + 4) % 7", ("cap_week",)
    ),
    "a month that begins on the second": Fault(
        clocks.first_day, "return day - (of_year", "return day + 1 - (of_year", ("cap_month",)
    ),
    "a day of 24 hours whatever the clocks do": Fault(
        clocks.period_start,
        "return instant_of(zones, changes, zone, day * DAY_US)",
        "return day * DAY_US - offset",
        ("cap_day",),
    ),
    "hold after rejections one too long": Fault(
        meters.is_reached,
        "at_us < memory[desk.meters[m, M_LAST] + 1]",
        "at_us <= memory[desk.meters[m, M_LAST] + 1]",
        ("after_rejections",),
    ),
    "window edge of rejections": Fault(
        meters.reject,
        "memory[first] > at_us - desk",
        "memory[first] >= at_us - desk",
        ("after_rejections",),
    ),
    "an instant is misplaced": Fault(
        meters.enter, "memory[place + 1] <= at_us", "memory[place + 1] > at_us", ("cap_rolling",)
    ),
    "validity is forgotten": Fault(
        core.fold, "at_us += desk.actions[taken.action, A_VALIDITY]", "pass", ("concurrency",)
    ),
    "ghosts do not count": Fault(
        core.deliver,
        "    fold(desk, memory, Taken(action, at_us))",
        "    reason or fold(desk, memory, Taken(action, at_us))",
        ("cap_rolling", "arms"),
    ),
    # answers that are not known
    "NULL of the audience is a yes": Fault(
        core.open_reason, "if audience != YES", "if audience == NO", ("audience",)
    ),
    "NULL of a suppression passes": Fault(
        core.open_reason, "if suppress != NO", "if suppress == YES", ("suppress",)
    ),
    "NULL of consent is a yes": Fault(
        core.open_reason, "if answer != YES", "if answer == NO", ("consent",)
    ),
    "an offer's condition is not asked": Fault(
        core.open_reason, "T_YES] >> j) & 1 == 0", "T_YES] >> j) & 1 == 2", ("offer_when",)
    ),
    "the arm's offers are not asked": Fault(
        core.open_reason, "arm] >> j) & 1 == 0", "arm] >> j) & 1 == 2", ("offers_by_arm",)
    ),
    # quiet hours and the queue
    "quiet hours begin a moment late": Fault(
        clocks.quiet_until, "shown >= start_us", "shown > start_us", ("quiet",)
    ),
    "quiet hours end a minute late": Fault(
        clocks.quiet_until,
        "until = at_us + (end_us - shown) % DAY_US",
        "until = at_us + (end_us - shown) % DAY_US + MINUTE_US",
        ("quiet",),
    ),
    "expiry edge": Fault(
        core.quiet_reason, "until - known_us > desk", "until - known_us >= desk", ("quiet",)
    ),
    "a queued offer holds no slot": Fault(
        core.win,
        "fold(desk, memory, Taken(action, ts_us))",
        "pass",
        ("quiet", "cap_rolling"),
    ),
    "the slot of the queue counts twice": Fault(
        core.release,
        "give_back(desk, memory, Taken(action, memory[queue + 3]))",
        "pass",
        ("quiet", "once"),
    ),
    "the queue forgets consent": Fault(
        core.open_reason,
        "if desk.actions[a, A_CONSENT] == 1:",
        "if desk.actions[a, A_CONSENT] == 1 and released == 0:",
        ("quiet", "consent"),
    ),
    "the queue forgets the limits": Fault(
        core.open_reason,
        "if reason != 0 or released == 1:",
        "if released == 1:\n        return 0, -1\n    if reason != 0:",
        ("quiet", "cap_delivered"),
        2,
    ),
    "a second one is queued": Fault(
        core.open_reason, "if waiting == 1", "if waiting == 2", ("quiet",)
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught(monkeypatch: pytest.MonkeyPatch, name: str):
    oracle_catches(monkeypatch, FAULTS[name])


@pytest.mark.parametrize(("features", "programmes"), domains_of(FAULTS))
def test_without_a_fault_the_same_check_holds(features: tuple[str, ...], programmes: int):
    holds_without_a_fault(features, programmes)
