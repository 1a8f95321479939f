"""Rolling totals over the days of a person's past: the one rule behind every feature.

Owns no name, no event type and no zone: it adds whole numbers up by day. A *track* is one stream
of whole numbers; what is said of it is a *figure*. A window of W days ends with the day on which
the event at hand became known and begins W - 1 days before it.

The memory of the person at hand is a row of whole numbers: the current day, and for each track
its total, its first and its last day, and a ring of W daily sums. :func:`look` and :func:`absorb`
read and change it, plain for one event and compiled for columns. At rest only days that still
count are kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

NULL = -(1 << 63)
"""Stands for "not known" in a column of figures."""

TOTAL, TOTAL_WITH_ITSELF, DAYS_SINCE_LAST, DAYS_SINCE_FIRST = 0, 1, 2, 3
"""What a figure says of its track."""

_ANCHOR = 0
_HEAD = 1
_SUM, _FIRST, _LAST, _TRACK = 0, 1, 2, 3
_NO_DAY = -(1 << 40)


class Plan(NamedTuple):
    """Tracks and figures.

    Attributes:
        window: Of each track its days; 0: all that was ever known.
        ring: Where each track's ring begins in a memory.
        width: Length of a memory, one entry.
        figure_track: The track of each figure.
        figure_rule: What each figure says of it.
    """

    window: NDArray[np.int64]
    ring: NDArray[np.int64]
    width: NDArray[np.int64]
    figure_track: NDArray[np.int64]
    figure_rule: NDArray[np.int64]


class Rows(NamedTuple):
    """Events in ``(known_at, seq)`` order.

    Attributes:
        person: Row of the person.
        known_day: Local day on which it became known, days since 1970.
        day: Local day on which it happened.
        weight: Track x row: what the event adds to each track; 0: nothing.
    """

    person: NDArray[np.int32]
    known_day: NDArray[np.int32]
    day: NDArray[np.int32]
    weight: NDArray[np.int64]


class Rest(NamedTuple):
    """Memories of persons at rest.

    Attributes:
        anchor_day: Last day on which something of each person became known.
        total: Person x track: totals of tracks without a window.
        first_day: Person x track.
        last_day: Person x track.
        start: Where each person's days begin in the next three; one entry more at the end.
        day: Days within the window with something to count.
        track: The track of each.
        day_sum: The sum of each.
    """

    anchor_day: NDArray[np.int64]
    total: NDArray[np.int64]
    first_day: NDArray[np.int64]
    last_day: NDArray[np.int64]
    start: NDArray[np.int64]
    day: NDArray[np.int64]
    track: NDArray[np.int64]
    day_sum: NDArray[np.int64]


def plan_of(windows: list[int], figures: list[tuple[int, int]]) -> Plan:
    """Return the plan of tracks by their windows and of figures as (track, rule)."""
    window = np.array(windows, dtype=np.int64)
    ends = np.cumsum(window) + _HEAD + _TRACK * len(window)
    pairs = np.array(figures, dtype=np.int64).reshape(-1, 2)
    return Plan(
        window=window,
        ring=ends - window,
        width=np.array([ends[-1] if len(ends) else _HEAD], dtype=np.int64),
        figure_track=np.ascontiguousarray(pairs[:, 0]),
        figure_rule=np.ascontiguousarray(pairs[:, 1]),
    )


def nothing_at_rest(plan: Plan, persons: int, *, room: int = 0) -> Rest:
    """Return the past of persons of whom nothing is known, with room for so many days."""
    shape = (persons, len(plan.window))
    return Rest(
        anchor_day=np.full(persons, _NO_DAY, dtype=np.int64),
        total=np.zeros(shape, dtype=np.int64),
        first_day=np.full(shape, _NO_DAY, dtype=np.int64),
        last_day=np.full(shape, _NO_DAY, dtype=np.int64),
        start=np.zeros(persons + 1, dtype=np.int64),
        day=np.zeros(room, dtype=np.int64),
        track=np.zeros(room, dtype=np.int64),
        day_sum=np.zeros(room, dtype=np.int64),
    )


def empty_memory(plan: Plan) -> NDArray[np.int64]:
    """Return the memory of a person of whom nothing is known."""
    memory = np.zeros(int(plan.width[0]), dtype=np.int64)
    forget(plan, memory)
    return memory


@register_jitable
def forget(plan: Plan, memory: NDArray[np.int64]) -> None:
    """Make a memory that of a person of whom nothing is known."""
    memory[:] = 0
    memory[_ANCHOR] = _NO_DAY
    for track in range(len(plan.window)):
        memory[_HEAD + _TRACK * track + _FIRST] = _NO_DAY
        memory[_HEAD + _TRACK * track + _LAST] = _NO_DAY


@register_jitable
def advance(plan: Plan, memory: NDArray[np.int64], day: int) -> None:
    """Let time pass to a day: what falls out of a window is taken out of its total.

    A day before the current one (clocks put back over midnight) changes nothing.
    """
    anchor = memory[_ANCHOR]
    passed = day - anchor
    if passed <= 0:
        return
    for track in range(len(plan.window)):
        window = plan.window[track]
        head = _HEAD + _TRACK * track
        if window > 0 and memory[head + _LAST] > anchor - window:
            first, place = plan.ring[track], plan.ring[track] + day % window
            for _ in range(min(passed, window)):
                memory[head + _SUM] -= memory[place]
                memory[place] = 0
                place = place - 1 if place > first else first + window - 1
    memory[_ANCHOR] = day


@register_jitable
def look(
    plan: Plan,
    memory: NDArray[np.int64],
    weights: NDArray[np.int64],
    row: int,
    figures: NDArray[np.int64],
) -> None:
    """Write every figure for one event.

    Args:
        plan: Tracks and figures.
        memory: Already advanced to the day on which the event became known.
        weights: Track x row.
        row: The event's place among the rows.
        figures: Takes one whole number for each figure.
    """
    for figure in range(len(plan.figure_track)):
        track = plan.figure_track[figure]
        rule = plan.figure_rule[figure]
        head = _HEAD + _TRACK * track
        if rule == TOTAL:
            figures[figure] = memory[head + _SUM]
        elif rule == TOTAL_WITH_ITSELF:
            figures[figure] = memory[head + _SUM] + weights[track, row]
        else:
            day = memory[head + _LAST] if rule == DAYS_SINCE_LAST else memory[head + _FIRST]
            figures[figure] = NULL if day == _NO_DAY else memory[_ANCHOR] - day


@register_jitable
def absorb(
    plan: Plan, memory: NDArray[np.int64], day: int, weights: NDArray[np.int64], row: int
) -> None:
    """Add what one event weighs to a memory that is advanced to the day it became known."""
    anchor = memory[_ANCHOR]
    day = min(day, anchor)
    for track in range(len(plan.window)):
        weight = weights[track, row]
        if weight == 0:
            continue
        head = _HEAD + _TRACK * track
        if memory[head + _FIRST] == _NO_DAY or day < memory[head + _FIRST]:
            memory[head + _FIRST] = day
        memory[head + _LAST] = max(day, memory[head + _LAST])
        window = plan.window[track]
        if window == 0:
            memory[head + _SUM] += weight
        elif day > anchor - window:
            memory[head + _SUM] += weight
            memory[plan.ring[track] + day % window] += weight


@register_jitable
def recall(plan: Plan, rest: Rest, person: int, memory: NDArray[np.int64]) -> None:
    """Bring a person's past from rest into a memory."""
    forget(plan, memory)
    memory[_ANCHOR] = rest.anchor_day[person]
    for track in range(len(plan.window)):
        head = _HEAD + _TRACK * track
        memory[head + _SUM] = rest.total[person, track]
        memory[head + _FIRST] = rest.first_day[person, track]
        memory[head + _LAST] = rest.last_day[person, track]
    for i in range(rest.start[person], rest.start[person + 1]):
        track = rest.track[i]
        place = plan.ring[track] + rest.day[i] % plan.window[track]
        memory[place] = rest.day_sum[i]
        memory[_HEAD + _TRACK * track + _SUM] += rest.day_sum[i]


@register_jitable
def lay_down(plan: Plan, memory: NDArray[np.int64], rest: Rest, person: int, end: int) -> int:
    """Put a memory to rest, its days from position ``end`` on, and return where they end."""
    anchor = memory[_ANCHOR]
    rest.anchor_day[person] = anchor
    rest.start[person] = end
    for track in range(len(plan.window)):
        head = _HEAD + _TRACK * track
        window = plan.window[track]
        rest.total[person, track] = memory[head + _SUM] if window == 0 else 0
        rest.first_day[person, track] = memory[head + _FIRST]
        rest.last_day[person, track] = memory[head + _LAST]
        if memory[head + _LAST] <= anchor - window:
            continue
        behind = plan.ring[track] + window
        place = plan.ring[track] + (anchor + 1) % window
        for day in range(anchor - window + 1, anchor + 1):
            if memory[place] != 0:
                rest.day[end] = day
                rest.track[end] = track
                rest.day_sum[end] = memory[place]
                end += 1
            place = place + 1 if place + 1 < behind else behind - window
    rest.start[person + 1] = end
    return end


def run_rolling(
    plan: Plan, rows: Rows, before: Rest, figures: NDArray[np.int64], after: Rest
) -> None:
    """Compute every figure of every row, person by person, and the past after the last row.

    Args:
        plan: Tracks and figures.
        rows: Events of one part.
        before: The past of every person of the part.
        figures: Row x figure; written.
        after: Written; as wide as ``before``, with room for its days and for each row one more
            a track.
    """
    persons = len(before.anchor_day)
    ends = np.zeros(persons + 1, dtype=np.int64)
    for person in rows.person:
        ends[person + 1] += 1
    for person in range(persons):
        ends[person + 1] += ends[person]
    place = ends[:-1].copy()
    order = np.empty(len(rows.person), dtype=np.int64)
    for i in range(len(rows.person)):
        order[place[rows.person[i]]] = i
        place[rows.person[i]] += 1
    memory = np.zeros(plan.width[0], dtype=np.int64)
    end = 0
    for person in range(persons):
        recall(plan, before, person, memory)
        for k in range(ends[person], ends[person + 1]):
            i = order[k]
            advance(plan, memory, rows.known_day[i])
            look(plan, memory, rows.weight, i, figures[i])
            absorb(plan, memory, rows.day[i], rows.weight, i)
        end = lay_down(plan, memory, after, person, end)


run_rolling_compiled = numba.njit(cache=True, nogil=True)(run_rolling)
"""The same functions, compiled; the machine code is kept between processes."""
