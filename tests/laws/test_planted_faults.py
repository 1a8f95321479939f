"""Faults planted into the core, each of which the laws must catch: a check that cannot fail is none.

Every fault changes one place of a function that plain and compiled core share; it is planted into
plain Python and must make the core for one event differ from the oracle.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from faults import must_fail, plant
from law_checks import law, one_at_a_time_is_as_the_words_say
from programme_domain import cases

from workbench.decision import choice, clocks, core, meters, patterns
from workbench.replay import DecisionCore


class Fault(NamedTuple):
    """A place of a function, what stands there instead, and the features that bring it to light."""

    function: object
    old: str
    new: str
    features: tuple[str, ...]
    programmes: int = 1


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
    # patterns and timers
    "B at the deadline is late (then)": Fault(
        patterns.see_second, "<= ts_us <= start + span", "<= ts_us < start + span", ("then",)
    ),
    "A is not used up": Fault(patterns.see_second, "memory[place] = EMPTY_US", "pass", ("then",)),
    "B at the deadline is late (unless)": Fault(
        patterns.see_second,
        "<= ts_us <= memory[timer + 1]",
        "<= ts_us < memory[timer + 1]",
        ("unless",),
    ),
    "re-arming is lost": Fault(patterns.see_anchor, "P_REARM] == 1", "P_REARM] == 2", ("unless",)),
    "a timer fires before the events of its instant": Fault(
        DecisionCore._pass_time,
        "self._heap[0][0] < until_us",
        "self._heap[0][0] <= until_us",
        ("unless",),
    ),
    "a late deadline is in the past": Fault(
        patterns.arm, "max(ts_us, known_us)", "ts_us", ("unless",)
    ),
    "window edge of the n-th": Fault(
        patterns.see_anchor,
        "memory[place] > ts_us - span",
        "memory[place] >= ts_us - span",
        ("nth",),
    ),
    "the count does not start again": Fault(
        patterns.see_anchor, "memory[slot] = EMPTY_US", "pass", ("nth",)
    ),
    "the first days are one moment longer": Fault(
        patterns.see_anchor, "<= ts_us < first + span", "<= ts_us <= first + span", ("first",)
    ),
    "the first to be known is the first": Fault(
        patterns.see_after, " or ts_us < memory[place]", "", ("first",)
    ),
    "a collection never waits": Fault(
        core.take, "known_us + desk.programmes[p, P_COLLECT_US]", "known_us", ("collect",)
    ),
    # competition and choice
    "the later programme wins a tie": Fault(core.decide_set, "score > bid", "score >= bid", (), 2),
    "the cheapest wins": Fault(core.decide_set, "score > bid", "score < bid", ("by_priority",), 2),
    "mandatory offers go last": Fault(
        core.decide_set, "tier > of_tier", "tier < of_tier", ("mandatory",), 2
    ),
    "a slot too many": Fault(
        core.decide_set, "range(desk.slot[0])", "range(desk.slot[0] + 1)", (), 2
    ),
    "the last of equal offers": Fault(
        choice.best, "> desk.scores[base + found]", ">= desk.scores[base + found]", ("by_priority",)
    ),
    "a share off by one": Fault(
        choice.choose,
        "shares[j] = end - before",
        "shares[j] = end - before + (j == 0)",
        ("by_softmax",),
    ),
    "a draw off by one": Fault(
        choice.by_draws,
        "mine, chosen = draw * m // WHOLE, -1",
        "mine, chosen = (draw * m // WHOLE + 1) % m, -1",
        ("by_thompson",),
    ),
    # budgets and responses
    "a budget reopens within its period": Fault(
        core.is_closed,
        "low > first and",
        "low > first and known_us == desk.closings[low - 1, 0] and",
        ("budget", "offer_when"),
    ),
    "a budget stays closed in the next period": Fault(
        core.is_closed, " and known_us < desk.closings[low - 1, 3]", "", ("budget",)
    ),
    "a budget closes one too early": Fault(
        DecisionCore._reserved, "taken > self._rules", "taken >= self._rules", ("budget",)
    ),
    "a response to nothing is admitted": Fault(
        core.take,
        "and not admit(desk, memory, i)",
        "and not (admit(desk, memory, i) or True)",
        ("cap_of_responses",),
    ),
    "an admitted response does not count": Fault(
        core.admit,
        "if desk.meters[m, M_WHAT] != what",
        "if desk.meters[m, M_WHAT] == what",
        ("cap_of_responses",),
    ),
    "points have to win the slot": Fault(
        core.decide_set, "if desk.programmes[p, P_LISTENING] == 1:", "if p < 0:", ("listening",)
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught(monkeypatch: pytest.MonkeyPatch, name: str):
    fault = FAULTS[name]
    plant(monkeypatch, fault.function, (fault.old, fault.new))
    domain = cases(fault.features, most=0, programmes=(fault.programmes,))
    must_fail(one_at_a_time_is_as_the_words_say, domain, examples=600)


@pytest.mark.parametrize("features", sorted({(f.features, f.programmes) for f in FAULTS.values()}))
def test_without_a_fault_the_same_check_holds(features: tuple[tuple[str, ...], int]):
    """The faults are what fails, not the check."""
    names, programmes = features
    domain = cases(names, most=0, programmes=(programmes,))
    law(one_at_a_time_is_as_the_words_say, domain, examples=15)()
