"""Why an event did not trigger a programme: another type, its condition, or its pattern.

Owns the words. The conditions are evaluated as the replay evaluates them, over the same columns.
"""

from __future__ import annotations

import polars as pl

from workbench import text
from workbench.decision.desk import AFTER, ANCHOR, R_ANSWER
from workbench.decision.plan import Role
from workbench.decision.programme import Programme
from workbench.replay import events
from workbench.replay.context import seen, trigger_values
from workbench.replay.one_person import OnePerson
from workbench.replay.tested import Test, elapsed


def untriggered(person: OnePerson, position: int, seq: int, event_type: str) -> Test:
    """Return the test of a programme's trigger that an event did not pass.

    Args:
        person: The person's run.
        position: Position of the programme.
        seq: ``seq`` of the event.
        event_type: Its type.
    """
    programme = person.job.programmes[position]
    roles = [
        role
        for role in person.job.roles
        if role.position == position and role.type == event_type and role.role != AFTER
    ]
    saw = f"event = {event_type}"
    if not roles:
        return Test("trigger", _asks_for(programme), saw, programme.trigger.pattern, passed=False)
    row = _row_of(person, seq)
    role = min(roles, key=lambda each: each.role != ANCHOR or programme.trigger.then is not None)
    if role.when is not None:
        values = trigger_values(person, role, row)
        if role.when.evaluate(values) is not True:
            return Test(
                "trigger",
                f"event = {event_type} AND {role.when.text}",
                f"{saw}, {seen(role.when, values)}",
                programme.trigger.pattern,
                passed=False,
                key=_key(role),
                condition=role.when,
                values=values,
            )
    value = _pattern(programme, role)
    if person.prepared.seen.rows[row, R_ANSWER]:
        value = "it answers a decision; if that was not made here, it counts for nothing"
    return Test(
        "trigger", _asks_for(programme), f"{saw}: {value}", programme.trigger.pattern, passed=False
    )


def of_another_set(person: OnePerson, position: int) -> Test:
    """Return the test of a programme that stands in no set which time brought about."""
    programme = person.job.programmes[position]
    value = "time brought this set about, no event"
    return Test("trigger", _asks_for(programme), value, programme.trigger.pattern, passed=False)


def _row_of(person: OnePerson, seq: int) -> int:
    frame = person.read.frame
    mine = (pl.col("seq") == seq) & (pl.col("type") != events.TICK)
    return int(frame.select(pl.arg_where(mine)).item())


def _key(role: Role) -> str:
    trigger = f"{role.programme.name}.trigger"
    if role.role == ANCHOR:
        return f"{trigger}.when"
    return f"{trigger}.{'then' if role.programme.trigger.then else 'unless'}.when"


def _asks_for(programme: Programme) -> str:
    """Return what a trigger waits for."""
    trigger = programme.trigger
    more = ""
    match trigger.pattern:
        case "every" if trigger.every is not None:
            return f"{trigger.every.weekday or 'each day'} at {trigger.every.at}"
        case "then" if trigger.then is not None:
            more = f", then {trigger.then.event} within {trigger.then.within}"
        case "unless" if trigger.unless is not None:
            more = f", then no {trigger.unless.event} within {trigger.unless.within}"
        case "nth" if trigger.nth is not None:
            more = f", {trigger.nth.n} within {trigger.nth.within}"
        case "silence":
            more = f", then none for {trigger.silence}"
        case "first" if trigger.first is not None:
            first = trigger.first
            more = f", in the first {text.days(first.days)} after {first.after}"
    return f"event = {trigger.event}{more}"


def _pattern(programme: Programme, role: Role) -> str:
    """Return what an event did to the pattern of a programme that it did not fire."""
    trigger = programme.trigger
    if role.role == ANCHOR and role.shift_us:
        return f"the wait of {elapsed(role.shift_us)} begins, unless one runs already"
    if trigger.collect_for and trigger.pattern == "event":
        return "it is collected, and decided later as one set"
    said = {
        "unless": "it ends a wait",
        "then": "it begins the wait" if role.role == ANCHOR else "no wait runs that it could end",
        "nth": "fewer so far",
        "first": "not in those days",
    }
    return said.get(trigger.pattern, "it fires")
