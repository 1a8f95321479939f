"""Faults planted in explanations: the checks over the tiny domain must catch them."""

from __future__ import annotations

from typing import Any

import pytest
from explain_checks import changes_do_what_they_say, path_ends_where_the_log_says
from faults import must_fail, plant
from law_checks import law_that_must_fail
from programme_domain import cases

from workbench.conditions import thresholds
from workbench.errors import WorkbenchError
from workbench.replay import moment, path, what_if, what_if_event, what_if_rules

CHANGES: dict[str, tuple[Any, str, str, str]] = {
    "a count one too large": (what_if_rules._count, "was + 1,", "was + 2,", "cap_rolling"),
    "the shortest length instead of the longest": (
        what_if_rules._length,
        "reverse=True",
        "reverse=False",
        "cooldown",
    ),
    "a change that is not tried": (
        what_if.Question.passes,
        "return run is not None and run.reason_of(self.target) in THROUGH",
        "return run is not None",
        "audience",
    ),
    "an event moved further than is said": (
        what_if_event._moved,
        "+ shift_us",
        "+ 2 * shift_us",
        "cap_rolling",
    ),
    "a value further off than need be": (
        thresholds.nearest,
        "math.ceil(fixed) - 1",
        "math.ceil(fixed) - 2",
        "suppress",
    ),
}


@pytest.mark.parametrize("fault", CHANGES)
def test_the_changes_catch(monkeypatch: pytest.MonkeyPatch, fault: str):
    whole, old, new, feature = CHANGES[fault]
    plant(monkeypatch, whole, (old, new))
    must_fail(changes_do_what_they_say, cases((feature,), most=0, programmes=(1,), responses=False))


PATHS: dict[str, tuple[Any, str, str, str]] = {
    "an audience that passes": (path._of_customer, "answer == YES,", "answer != NO,", "audience"),
    "a forgotten consent": (path._consent, "passed=answer == YES", "passed=True", "consent"),
    "what won before is not entered": (
        moment._candidates,
        "earlier = taking[:slot]\n        memory",
        "earlier = []\n        memory",
        "slot",
    ),
}


@pytest.mark.parametrize("fault", PATHS)
def test_the_path_catches(monkeypatch: pytest.MonkeyPatch, fault: str):
    whole, old, new, feature = PATHS[fault]
    plant(monkeypatch, whole, (old, new))
    number = 2 if feature == "slot" else 1
    features = (feature, "house_cap") if feature == "slot" else (feature,)
    broken = law_that_must_fail(
        path_ends_where_the_log_says, cases(features, most=0, programmes=(number,)), examples=400
    )
    with pytest.raises(WorkbenchError, match="this is a fault of explain"):
        broken()
