"""The nearest event, instant, consent or budget that lets an offer through. Owns the search.

The event of the person is edited or moved and the core runs over the whole history again, so that
what follows from it (features, patterns, local time, other programmes) follows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import polars as pl

from workbench import text
from workbench.conditions.thresholds import turned
from workbench.conditions.written import literal
from workbench.decision.context import EVENT_COLUMNS
from workbench.decision.desk import (
    A_CHANNEL,
    O_KIND,
    O_PROGRAMME,
    O_TOUCH,
    R_SEQ,
    R_TICK,
    T_ROW,
)
from workbench.log.schema import INSTANT, Column
from workbench.records import BUDGET_CLOSED, CONSENT_UNKNOWN, INVENTORY_GONE, NO_CONSENT
from workbench.replay.moment import Candidate, moment_of
from workbench.replay.one_person import THROUGH, OnePerson, Target
from workbench.replay.path import actions_of, path_of
from workbench.replay.tested import Test, elapsed
from workbench.replay.what_if import Change, Question, edge

_MOVES = 8
_BELOW_ZERO = ("temperature_c",)


def event_changes(question: Question) -> Iterator[Change]:
    """Give the nearest values, the earliest later instant, the consent and the budget."""
    for refusal in question.refusals():
        if refusal.condition is not None:
            yield from _values(question, refusal)
        elif refusal.reason in (NO_CONSENT, CONSENT_UNKNOWN):
            yield from _consent(question, refusal)
        elif refusal.reason in (BUDGET_CLOSED, INVENTORY_GONE):
            yield from _budget(question, refusal)
    yield from _later(question)


def _values(question: Question, refusal: Test) -> Iterator[Change]:
    """Give for each number of the event the nearest one that turns the condition."""
    row = _anchor(question)
    if refusal.condition is None or refusal.values is None or row is None:
        return
    columns = {each.decoded: each for each in question.person.job.references.stored_columns}
    tried = set()
    for each in turned(refusal.condition.node, refusal.values):
        column = columns.get(each.column or "")
        if column is None or each.value is None or isinstance(each.value, str):
            continue
        for value in _fitting(column, float(each.value)):
            if (column.stored, value) in tried:
                continue
            tried.add((column.stored, value))
            run = question.person.with_events(_edited(question, column, value))
            if question.passes(run):
                was = refusal.values[column.decoded]
                yield question.change(
                    "value",
                    column.decoded,
                    was,
                    value,
                    run=run,
                    size=1.0 if was is None else abs(value - was) / max(abs(was), 1),
                    had=f"{column.decoded} of the event been {literal(value)} instead of "
                    f"{'not known' if was is None else literal(was)}",
                )


def _fitting(column: Column, value: float) -> tuple[int | float, ...]:
    """Return a number as the column can hold it: whole ones on both sides of a part."""
    if EVENT_COLUMNS.get(column.decoded) != "number":
        return ()
    if value < 0 and column.decoded not in _BELOW_ZERO:
        return ()
    if column.kind == "number":
        return (value,)
    return tuple(dict.fromkeys((math.floor(value), math.ceil(value))))


def _anchor(question: Question) -> int | None:
    """Return the ``seq`` of the event that triggers; none for the calendar."""
    if question.moment is not None and question.candidate is not None:
        desk = question.moment.desk
        if desk.rows[desk.touches[question.candidate.touch, T_ROW], R_TICK] == 1:
            return None
    return question.target.seq


def _edited(question: Question, column: Column, value: float) -> pl.DataFrame:
    events = question.person.events
    if column.stored not in events.columns:
        events = events.with_columns(pl.lit(None, dtype=column.stored_type).alias(column.stored))
    mine = pl.col("seq") == question.target.seq
    fresh = pl.when(mine).then(pl.lit(value, dtype=column.stored_type)).otherwise(column.stored)
    return events.with_columns(fresh.alias(column.stored))


def _consent(question: Question, refusal: Test) -> Iterator[Change]:
    """Give the consent itself, from the instant of the decision on."""
    moment, candidate = question.moment, question.candidate
    if moment is None or candidate is None:
        return
    rules = question.person.job.rules
    channels = {
        int(rules.actions[action, A_CHANNEL])
        for action, tests in question.paths.items()
        if any(each.reason == refusal.reason for each in tests)
    }
    for channel in sorted(channels):
        run = question.person.with_consent(channel, candidate.at[1])
        if question.passes(run):
            name = rules.channels[channel]
            yield question.change(
                "consent",
                f"consent.{name}",
                refusal.value,
                "yes",
                run=run,
                size=1.0,
                had=f"the customer agreed to {name}",
            )


def _budget(question: Question, refusal: Test) -> Iterator[Change]:
    """Give the budget, open."""
    run = question.person.with_open_budget(refusal.account)
    if question.passes(run):
        name = question.person.job.rules.accounts[refusal.account].name
        yield question.change(
            "budget",
            name,
            "closed",
            "open",
            run=run,
            size=1.0,
            had=f"the {refusal.test.split(' of ')[0]} of {name} not been used up",
        )


def _later(question: Question) -> Iterator[Change]:
    """Give a later instant at which refusals end and the same event has its offer, but not before."""
    candidate = question.candidate
    if candidate is None or _anchor(question) is None or candidate.released:
        return
    target = Target(question.target.programme, question.target.seq, question.target.kind, None)
    found = _end_of_refusals(question, candidate, target)
    if found is None:
        return
    failed_us, shift_us, span_us = found

    def works(us: int) -> bool:
        return _moved(question, us).reason_of(target) in THROUGH

    if shift_us - 1 > failed_us and works(shift_us - 1):
        shift_us = edge(works, failed_us, shift_us - 1)
    zone = question.person.job.references.zone
    was, would_be = (at + candidate.at[1] for at in (0, shift_us))
    yield question.change(
        "time",
        "time of the event",
        _instant(was),
        _instant(would_be),
        run=_moved(question, shift_us),
        size=shift_us / span_us,
        had=f"the event come {elapsed(shift_us)} later, at {text.instant(would_be, zone)}",
        target=target,
    )


def _end_of_refusals(
    question: Question, candidate: Candidate, target: Target
) -> tuple[int, int, int] | None:
    """Return by how much a moved event still has no offer, by how much it has, and the limit's span.

    The event moves to where the present refusals end, and on from there when others stand there.
    """
    paths, failed_us, shift_us, at = dict(question.paths), 0, 0, candidate.at
    for _ in range(_MOVES):
        waits = [wait for tests in paths.values() if (wait := _wait(tests, at)) is not None]
        if not waits:
            return None
        wait_us, span_us = min(waits)
        failed_us, shift_us = shift_us, shift_us + wait_us
        run = _moved(question, shift_us)
        place = _place(run, target)
        if place is None:
            return None
        if run.reason_of(target) in THROUGH:
            return failed_us, shift_us, span_us
        again = moment_of(run, run.outcome.decisions["set_id"][place])
        mine = next(each for each in again.candidates if each.place == place)
        paths = {action: path_of(again, mine, action) for action in actions_of(again, mine)}
        at = mine.at
    return None


def _wait(tests: tuple[Test, ...], at: tuple[int, int, int, int]) -> tuple[int, int] | None:
    """Return how long an offer has to wait for every refusal to end, and what that is held against.

    Limits measure the time of the event, quiet hours and budgets that of the decision.
    """
    found = []
    for each in tests:
        if each.passed is False:
            if each.free_us is None:
                return None
            found.append((each.free_us - at[0 if each.meter >= 0 else 1], each.span_us))
    return max(found) if found and max(found)[0] > 0 else None


def _moved(question: Question, shift_us: int) -> OnePerson:
    """Return the person with the event that triggers moved, and the replay as long as needed."""
    person, mine = question.person, pl.col("seq") == question.target.seq
    events = person.events.with_columns(
        pl.when(mine)
        .then((pl.col(name).to_physical() + shift_us).cast(INSTANT))
        .otherwise(name)
        .alias(name)
        for name in ("ts", "known_at")
    )
    moved = events.filter(mine).select(pl.col("known_at").to_physical()).item()
    return person.with_events(events, max(person.until, (moved, question.target.seq + 1)))


def _place(run: OnePerson, target: Target) -> int | None:
    """Return the row of a decision in the log of a run."""
    desk = run.outcome.decided.desk
    for place, row in enumerate(run.out):
        seq = desk.rows[desk.touches[row[O_TOUCH], T_ROW], R_SEQ]
        same = (int(row[O_PROGRAMME]), int(seq), int(row[O_KIND]))
        if same == (target.programme, target.seq, target.kind):
            return place
    return None


def _instant(us: int) -> object:
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    return pd.Timestamp(us, unit="us", tz="UTC")
