"""The laws of the decision core over a tiny domain, each with faults that its check must catch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from law_cases import EDGES, Case, cases, cases_of, decided_in_words
from law_checks import (
    Check,
    cut_anywhere,
    deterministic,
    every_refusal_has_a_reason,
    feature_is_what_is_said,
    feature_never_leaks,
    future_never_leaks,
    law,
    law_that_must_fail,
    mutated,
    one_at_a_time_equals_columns,
    persons_are_independent,
)

from workbench.decision import FEATURES, core, features
from workbench.decision.state import CoreState
from workbench.records import REASONS
from workbench.replay import events, job, part

HERE = Path(__file__).resolve().parent
FEATURE_NAMES = [feature.name for feature in FEATURES]

test_law_1_deterministic = law(deterministic, examples=25)
test_law_2_cut_anywhere = law(cut_anywhere, examples=25)
test_law_3_one_at_a_time_equals_columns = law(one_at_a_time_equals_columns, examples=100)
test_law_4_the_future_never_leaks = law(future_never_leaks, examples=15)
test_law_5_persons_are_independent = law(persons_are_independent, examples=25)
test_law_7_every_refusal_has_a_reason = law(every_refusal_has_a_reason, examples=60)


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_law_4_for_every_feature_that_there_is(name: str):
    law(feature_never_leaks(name), examples=60)()


@pytest.mark.parametrize("name", FEATURE_NAMES)
def test_every_feature_is_what_its_description_says(name: str):
    law(feature_is_what_is_said(name), examples=100)()


def must_fail(
    check: Check, domain: st.SearchStrategy[Case] | None = None, *, examples: int = 400
) -> None:
    with pytest.raises((AssertionError, Flaky)):
        law_that_must_fail(check, domain, examples=examples)()


CAP = cases_of(cap=(2, 2))
COOLDOWN = cases_of(cooldown_days=1)
HOLDOUT = st.sampled_from(EDGES).flatmap(lambda end: cases_of(holdout_share=end / 10_000))


@pytest.mark.parametrize(
    ("function", "old", "new", "domain"),
    [
        pytest.param(
            "decide", "] > candidate.at_us", "] >= candidate.at_us", CAP, id="window edge"
        ),
        pytest.param("decide", "first_slot[p]]", "last_slot[p]]", CAP, id="cap of one less"),
        pytest.param("decide", "at_us < slots[", "at_us <= slots[", COOLDOWN, id="cooldown edge"),
        pytest.param("decide", "bucket < limits", "bucket <= limits", HOLDOUT, id="hold-out edge"),
        pytest.param("decide", "audience != YES", "audience == NO", None, id="unknown is a yes"),
        pytest.param("decide", "suppress != NO", "suppress == YES", None, id="unknown passes"),
        pytest.param("fold", "] = event.at_us", "] = slots[place]", CAP, id="fold forgets"),
        pytest.param("fold", "] <= event.at_us", "] > event.at_us", CAP, id="fold misplaces"),
    ],
)
def test_law_3_catches_a_fault_in_the_core(monkeypatch, function, old, new, domain):
    monkeypatch.setattr(core, function, mutated(getattr(core, function), old, new))
    must_fail(one_at_a_time_equals_columns, domain)


@pytest.mark.parametrize(
    ("name", "function", "old", "new"),
    [
        pytest.param(
            "purchases_90d",
            "absorb",
            "day > anchor - W",
            "day >= anchor - W",
            id="window of a day more",
        ),
        pytest.param(
            "spend_90d_cents",
            "advance",
            "min(passed, WINDOW_DAYS)",
            "min(passed, 1)",
            id="days never leave",
        ),
        pytest.param(
            "days_since_purchase",
            "absorb",
            "max(day, memory[_LAST_DAY])",
            "day",
            id="late event is the last",
        ),
        pytest.param(
            "first_purchase_days_ago",
            "absorb",
            "or day < memory[_FIRST_DAY]",
            "",
            id="first to be known is the first",
        ),
        pytest.param(
            "purchase_number",
            "look",
            "_PURCHASES] + counts_itself",
            "_PURCHASES]",
            id="does not count itself",
        ),
    ],
)
def test_a_fault_in_a_feature_is_caught(monkeypatch, name, function, old, new):
    monkeypatch.setattr(features, function, mutated(getattr(features, function), old, new))
    monkeypatch.setattr(features, "run_features_compiled", features.run_features)
    must_fail(feature_is_what_is_said(name), examples=1500)


def test_law_3_catches_a_fault_in_the_columns(monkeypatch):
    monkeypatch.setattr(part, "_candidates", mutated(part._candidates, '"ts_us"', '"known_at_us"'))
    must_fail(one_at_a_time_equals_columns)


def test_law_1_catches_randomness(monkeypatch):
    draws = np.random.default_rng(1)
    monkeypatch.setattr(
        job,
        "bucket_10000_column",
        lambda salt, ids: pl.Series(draws.integers(0, 10_000, len(ids))),
    )
    must_fail(deterministic)


def test_law_1_catches_an_order_that_depends_on_the_hash_seed():
    """Two processes with different hash seeds write the same digest."""
    code = (
        f"import sys, tempfile; sys.path[:0] = [{str(HERE)!r}]\n"
        "from law_cases import TinyLog, INSTANTS_US, programme; from pathlib import Path\n"
        "from workbench.records import Event; from workbench.replay import replay\n"
        "rows = tuple(Event(f'e{i}', i, t, t, p, 'purchase', amount_cents=500)"
        " for i, (t, p) in enumerate((t, p) for t in INSTANTS_US for p in 'abcdefgh'))\n"
        "with tempfile.TemporaryDirectory() as name:\n"
        "    log = TinyLog(Path(name), rows)\n"
        "    programmes = [programme(n, when='purchases_90d >= 1 AND spend_90d_cents > 0', cap=(2, 90)) for n in 'zab']\n"
        "    print(replay(log, programmes, out=Path(name) / 'out').digest)\n"
    )
    digests = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    assert len(digests) == 1


def without_slots(self: CoreState, person_ids: pl.Series, limits: core.Limits):
    _, past = ARRAYS(self, person_ids, limits)
    return core.empty_slots(limits, len(person_ids)), past


def without_past(self: CoreState, person_ids: pl.Series, limits: core.Limits):
    slots, _ = ARRAYS(self, person_ids, limits)
    return slots, features.no_past(len(person_ids))


ARRAYS = CoreState.arrays


@pytest.mark.parametrize("arrays", [without_slots, without_past])
def test_law_2_catches_a_state_that_is_not_carried(monkeypatch, arrays):
    monkeypatch.setattr(CoreState, "arrays", arrays)
    must_fail(cut_anywhere)


@pytest.mark.parametrize(
    ("old", "new"), [("seq >= order", "seq > order"), ("seq < order", "seq <= order")]
)
def test_law_2_catches_an_event_lost_or_seen_twice_at_the_cut(monkeypatch, old, new):
    monkeypatch.setattr(events, "read_events", mutated(events.read_events, old, new))
    must_fail(cut_anywhere)


def test_law_2_catches_persons_forgotten_when_they_are_not_in_the_tail(monkeypatch):
    monkeypatch.setattr(
        CoreState, "updated", mutated(CoreState.updated, "[kept, fresh]", "[fresh]")
    )
    must_fail(cut_anywhere)


PEEKS = {
    "the next row of the person": (
        "values[i])",
        "values[order[min(k + 1, ends[person + 1] - 1)]])",
    ),
    "the whole log at once": (
        "        for k in range(ends[person], ends[person + 1]):\n",
        "        for k in range(ends[person], ends[person + 1]):\n"
        "            if rows.is_purchase[order[k]] == 1:\n"
        "                memory[0] += 1\n"
        "        for k in range(ends[person], ends[person + 1]):\n",
    ),
    "order of happening instead of knowing": (
        "            i = order[k]\n",
        "            i = sorted(order[ends[person]:ends[person + 1]], key=lambda j: rows.day[j])"
        "[k - ends[person]]\n",
    ),
}


@pytest.mark.parametrize("peek", PEEKS)
def test_law_4_catches_a_feature_that_peeks(monkeypatch, peek):
    monkeypatch.setattr(
        features, "run_features_compiled", mutated(features.run_features, *PEEKS[peek])
    )
    must_fail(feature_never_leaks("purchase_number"))


def test_law_4_catches_a_peek_in_the_decisions(monkeypatch):
    peek = PEEKS["the whole log at once"]
    monkeypatch.setattr(features, "run_features_compiled", mutated(features.run_features, *peek))
    must_fail(future_never_leaks, cases_of(when="purchase_number >= 4"))


def test_law_5_catches_a_state_shared_between_persons(monkeypatch):
    monkeypatch.setattr(
        part,
        "_candidates",
        mutated(part._candidates, "person=local[place]", "person=local[place] * 0"),
    )
    must_fail(persons_are_independent)


def test_law_5_catches_a_past_shared_between_persons(monkeypatch):
    recall = "recall(before, person, memory)"
    keep = f"kept = memory[0]; {recall}; memory[0] = kept"
    shared = mutated(features.run_features, recall, keep)
    monkeypatch.setattr(features, "run_features_compiled", shared)
    must_fail(persons_are_independent, cases_of(when="purchase_number >= 2"))


@pytest.mark.parametrize("reason", ["cap_reached", "not_in_audience", "offered"])
def test_law_7_catches_decisions_that_vanish(monkeypatch, reason):
    whole = part._decisions
    monkeypatch.setattr(
        part, "_decisions", lambda *given: whole(*given).filter(pl.col("reason") != reason)
    )

    def check(case: Case) -> None:
        try:
            every_refusal_has_a_reason(case)
        except Exception as error:
            raise AssertionError(str(error)) from error

    must_fail(check)


def test_the_tiny_domain_meets_every_reason():
    """A check over a domain that never reaches a rule could not fail."""
    for reason in REASONS:
        find(
            cases(),
            lambda case, name=reason.name: any(row[2] == name for row in decided_in_words(case)),
            settings=settings(
                max_examples=2000, database=None, derandomize=True, phases=[Phase.generate]
            ),
        )
