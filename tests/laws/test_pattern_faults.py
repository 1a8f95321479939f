"""Faults planted into patterns, timers, competition, choice, budgets and responses, each of which the oracle must catch.

Every fault changes one place of a function that plain and compiled core share; it is planted into
plain Python and must make the core for one event differ from the oracle.
"""

from __future__ import annotations

import pytest
from faults import Fault, domains_of, holds_without_a_fault, oracle_catches

from workbench.decision import choice, core, patterns
from workbench.replay import DecisionCore

FAULTS = {
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
    oracle_catches(monkeypatch, FAULTS[name])


@pytest.mark.parametrize(("features", "programmes"), domains_of(FAULTS))
def test_without_a_fault_the_same_check_holds(features: tuple[str, ...], programmes: int):
    holds_without_a_fault(features, programmes)
