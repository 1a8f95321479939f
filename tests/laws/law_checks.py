"""The laws as checks of one case, and the tool that plants a fault. Owns no test.

Each check is used twice: by the test of the law, and by the tests that plant faults and demand
that the same check fails.
"""

from __future__ import annotations

import inspect
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from law_cases import Case, cases, decided_in_words, features_in_words, local_day, tiny_log

from workbench.decision import features
from workbench.decision.features import FEATURE_NAMES, NULL, Rows
from workbench.records import Decision
from workbench.replay import DecisionCore, load_state, replay
from workbench.replay.part import DECISIONS_SCHEMA

Check = Callable[[Case], None]
Law = Callable[[], None]


def law(check: Check, *, examples: int = 60) -> Law:
    """Return the check over the tiny domain as a function that can be called again and again."""
    return settings(deadline=None, max_examples=examples, database=None)(given(cases())(check))


def law_that_must_fail(
    check: Check, domain: st.SearchStrategy[Case] | None = None, *, examples: int = 400
) -> Law:
    """Return the same, always over the same cases, without the search for the smallest one."""
    return settings(
        deadline=None,
        max_examples=examples,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )(given(cases() if domain is None else domain)(check))


def mutated(function: Callable[..., Any], old: str, new: str) -> Callable[..., Any]:
    """Return a function with one place of its source changed: a planted fault."""
    source = textwrap.dedent(inspect.getsource(function))
    source = "\n".join(line for line in source.splitlines() if not line.startswith("@"))
    assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times"
    namespace = dict(function.__globals__)
    exec(compile(source.replace(old, new), "<planted fault>", "exec"), namespace)  # noqa: S102 - the source is our own function
    changed: Callable[..., Any] = namespace[function.__name__]
    return changed


def decisions_of(case: Case) -> pl.DataFrame:
    with tiny_log(case.events) as log:
        return replay(log, case.programmes, workers=1).decisions().collect()


def in_order(decisions: pl.DataFrame, case: Case) -> pl.DataFrame:
    """Return decisions of several parts in the order in which events became known."""
    place = {event.event_id: place for place, event in enumerate(case.events)}
    programme = {each.name: place for place, each in enumerate(case.programmes)}
    return (
        decisions.with_columns(
            event_place=pl.col("event_id").replace_strict(place, return_dtype=pl.Int64),
            programme_place=pl.col("programme").replace_strict(programme, return_dtype=pl.Int64),
        )
        .sort("event_place", "programme_place")
        .drop("event_place", "programme_place")
    )


def one_at_a_time(case: Case, core: DecisionCore) -> list[Decision]:
    return [decision for event in case.events for decision in core.decide(event)]


def as_rows(decisions: pl.DataFrame) -> list[tuple[Any, ...]]:
    return decisions.with_columns(pl.col("ts", "known_at").to_physical()).rows()


def deterministic(case: Case) -> None:
    """Law 1: the same log and programmes give the same files, byte for byte."""
    with tiny_log(case.events) as log, tempfile.TemporaryDirectory() as name:
        written = []
        for number, workers in enumerate((1, 2)):
            folder = Path(name) / str(number)
            replay(log, case.programmes, out=folder, workers=workers)
            written.append({path.name: path.read_bytes() for path in folder.iterdir()})
        assert written[0] == written[1]


def cut_anywhere(case: Case) -> None:
    """Law 2: head, state saved and read, tail: the decisions and the last state of one piece."""
    with tiny_log(case.events) as log, tempfile.TemporaryDirectory() as name:
        whole = replay(log, case.programmes, workers=1)
        wanted = in_order(whole.decisions().collect(), case)
        for place in {len(case.events) // 3, len(case.events) // 2, len(case.events) - 1} - {-1}:
            if place >= len(case.events):
                continue
            cut = (case.events[place].known_at_us, case.events[place].seq)
            head = replay(log, case.programmes, until=cut, out=Path(name) / "head", workers=1)
            tail = replay(log, case.programmes, state=Path(name) / "head", workers=1)
            both = pl.concat([head.decisions().collect(), tail.decisions().collect()])
            assert in_order(both, case).equals(wanted)
            assert tail.state.persons.equals(whole.state.persons)
            one = DecisionCore(case.programmes, load_state(Path(name) / "head"), zone=log.zone)
            rest = one_at_a_time(Case(case.events[place:], case.programmes), one)
            assert [*map(tuple, rest)] == as_rows(in_order(tail.decisions().collect(), case))


def one_at_a_time_equals_columns(case: Case) -> None:
    """Law 3: plain, one event at a time; compiled, in columns; and as the words say: all equal."""
    with tiny_log(case.events) as log:
        result = replay(log, case.programmes, workers=1)
        columns = as_rows(in_order(result.decisions().collect(), case))
        core = DecisionCore(case.programmes, zone=log.zone)
    plain = [tuple(decision) for decision in one_at_a_time(case, core)]
    assert plain == columns
    names = DECISIONS_SCHEMA.names()
    shown = [names.index(name) for name in ("event_id", "programme", "reason")]
    assert [tuple(row[place] for place in shown) for row in columns] == decided_in_words(case)


def future_never_leaks(case: Case) -> None:
    """Law 4: without the events known later, every earlier decision is the same."""
    whole = in_order(decisions_of(case), case)
    for count in range(len(case.events)):
        shorter = case.upto(count)
        known = {event.event_id for event in shorter.events}
        earlier = whole.filter(pl.col("event_id").is_in(list(known)))
        assert in_order(decisions_of(shorter), shorter).equals(earlier)


def feature_values(case: Case) -> dict[str, list[int | None]]:
    """Return every feature of every event of a case, by the compiled rule."""
    persons = sorted({event.person_id for event in case.events})
    count = len(case.events)
    rows = Rows(
        person=np.array([persons.index(e.person_id) for e in case.events], dtype=np.int32),
        known_day=np.array([local_day(e.known_at_us) for e in case.events], dtype=np.int32),
        day=np.array([local_day(e.ts_us) for e in case.events], dtype=np.int32),
        is_purchase=np.array([e.type == "purchase" for e in case.events], dtype=np.int8),
        amount_cents=np.array([e.amount_cents or 0 for e in case.events], dtype=np.int64),
    )
    before = features.no_past(len(persons))
    room = {name: np.zeros(count, np.int64) for name in ("day", "day_purchases", "day_spend_cents")}
    after = features.no_past(len(persons))._replace(**room)
    values = np.zeros((count, len(FEATURE_NAMES)), dtype=np.int64)
    features.run_features_compiled(rows, before, values, after)
    return {
        name: [None if value == NULL else value for value in values[:, place].tolist()]
        for place, name in enumerate(FEATURE_NAMES)
    }


def feature_never_leaks(name: str) -> Check:
    """Law 4 for one feature: later events change no earlier value, and the value is what is said."""

    def check(case: Case) -> None:
        whole = feature_values(case)[name]
        for count in range(len(case.events)):
            assert feature_values(case.upto(count))[name] == whole[:count]

    return check


def feature_is_what_is_said(name: str) -> Check:
    def check(case: Case) -> None:
        wanted = [
            features_in_words(event, list(case.events[:place]))[name]
            for place, event in enumerate(case.events)
        ]
        assert feature_values(case)[name] == wanted

    return check


def persons_are_independent(case: Case) -> None:
    """Law 5, without budgets: a person's decisions do not change with the others in the log."""
    whole = in_order(decisions_of(case), case)
    for person in {event.person_id for event in case.events}:
        alone = Case(tuple(e for e in case.events if e.person_id == person), case.programmes)
        assert in_order(decisions_of(alone), alone).equals(whole.filter(pl.col("person") == person))


def every_refusal_has_a_reason(case: Case) -> None:
    """Law 7: one decision for each trigger, each with one reason, and the stages add up."""
    with tiny_log(case.events) as log:
        result = replay(log, case.programmes, workers=1)
    decisions = result.decisions().collect()
    triggered = sorted((event, name) for event, name, _ in decided_in_words(case))
    assert sorted(decisions.select("event_id", "programme").rows()) == triggered
    assert decisions["decision_id"].is_unique().all()
    by_reason = dict(
        decisions.group_by("programme", "reason")
        .len()
        .select(pl.concat_str("programme", "reason", separator="/"), "len")
        .rows()
    )
    for row in result.funnel.itertuples():
        assert row.decisions == by_reason.pop(f"{row.programme}/{row.reason}", 0)
    assert by_reason == {}
    for row in result.programmes.itertuples():
        assert row.triggers == sum(name == row.programme for _, name in triggered)
        assert row.considered >= row.triggers + row.trigger_unknown
    ghost = (pl.col("reason") == "held_out") & (pl.col("arm") == "control")
    offer = (pl.col("reason") == "offered") & (pl.col("arm") == "treatment")
    assert decisions.filter(pl.col("offer_id").is_not_null()).select((ghost | offer).all()).item()
    assert decisions.select(
        (pl.col("delivered") == (pl.col("reason") == "offered")).all(),
        ((pl.col("cost_cents") > 0) == pl.col("delivered")).all(),
        ((pl.col("would_cost_cents") > 0) == (pl.col("reason") == "held_out")).all(),
        (pl.col("p_selection") == 1).all(),
    ).row(0) == (True, True, True, True)
