"""Features of the logged past: their names, and the one rule that computes them. Owns no condition.

A feature says what was known *before* the event: events earlier in ``(known_at, seq)``. Days are
calendar days in the zone of the log. A window of 90 days ends with the day on which the event
became known and begins 89 days before it; what lies in it is told by the ``ts`` of past events.

The memory of a person is a row of whole numbers: three figures, a ring of 90 daily counts and a
ring of 90 daily sums. :func:`look` and :func:`absorb` read and change it, plain for one event and
compiled for columns. Memory is 186 x 8 bytes for the person at hand, and less at rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from workbench.conditions import ColumnType

SOURCE_EVENT = "purchase"
"""The event type that the features are about."""

WINDOW_DAYS = 90
NULL = -(1 << 63)
"""Stands for "not known" in a column of features."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of the logged past.

    Attributes:
        name: What a condition calls it, with its unit.
        text: What it measures.
        type: Its type in a condition.
    """

    name: str
    text: str
    type: ColumnType = "number"


FEATURES: tuple[Feature, ...] = (
    Feature("purchase_number", "purchases so far, counting this event when it is one"),
    Feature("days_since_purchase", "days since the last purchase before this event; null: none"),
    Feature("first_purchase_days_ago", "days since the first known purchase; null: none before"),
    Feature("purchases_90d", "purchases in the last 90 days, before this event"),
    Feature("spend_90d_cents", "sum of their amounts in cents; an amount not known adds nothing"),
)
"""Every feature; the position is the column that :func:`look` writes."""

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

_PURCHASES, _FIRST_DAY, _LAST_DAY, _ANCHOR_DAY, _COUNT_90D, _SPEND_90D, _RING = range(7)
MEMORY_WIDTH = _RING + 2 * WINDOW_DAYS
_NO_DAY = -(1 << 40)


@register_jitable
def forget(memory: NDArray[np.int64]) -> None:
    """Make a memory that of a person of whom nothing is known."""
    memory[:] = 0
    memory[_FIRST_DAY] = _NO_DAY
    memory[_LAST_DAY] = _NO_DAY
    memory[_ANCHOR_DAY] = _NO_DAY


@register_jitable
def advance(memory: NDArray[np.int64], day: int) -> None:
    """Let time pass to a day: what falls out of the window is taken out of its sums.

    A day before the current one (clocks put back over midnight) changes nothing.
    """
    passed = day - memory[_ANCHOR_DAY]
    if passed <= 0:
        return
    if memory[_COUNT_90D] > 0:
        for step in range(min(passed, WINDOW_DAYS)):
            place = _RING + (day - step) % WINDOW_DAYS
            memory[_COUNT_90D] -= memory[place]
            memory[_SPEND_90D] -= memory[place + WINDOW_DAYS]
            memory[place] = 0
            memory[place + WINDOW_DAYS] = 0
    memory[_ANCHOR_DAY] = day


@register_jitable
def look(memory: NDArray[np.int64], counts_itself: int, values: NDArray[np.int64]) -> None:
    """Write the value of every feature, in the order of :data:`FEATURES`.

    Args:
        memory: Already advanced to the day on which the event became known.
        counts_itself: 1 when the event is a purchase, else 0.
        values: Takes one value for each feature.
    """
    known = memory[_PURCHASES] > 0
    values[0] = memory[_PURCHASES] + counts_itself
    values[1] = memory[_ANCHOR_DAY] - memory[_LAST_DAY] if known else NULL
    values[2] = memory[_ANCHOR_DAY] - memory[_FIRST_DAY] if known else NULL
    values[3] = memory[_COUNT_90D]
    values[4] = memory[_SPEND_90D]


@register_jitable
def absorb(memory: NDArray[np.int64], day: int, purchases: int, amount_cents: int) -> None:
    """Add purchases of one day to a memory that is advanced to the day they became known."""
    anchor = memory[_ANCHOR_DAY]
    day = min(day, anchor)
    if memory[_PURCHASES] == 0 or day < memory[_FIRST_DAY]:
        memory[_FIRST_DAY] = day
    memory[_LAST_DAY] = max(day, memory[_LAST_DAY])
    memory[_PURCHASES] += purchases
    if day > anchor - WINDOW_DAYS:
        place = _RING + day % WINDOW_DAYS
        memory[place] += purchases
        memory[place + WINDOW_DAYS] += amount_cents
        memory[_COUNT_90D] += purchases
        memory[_SPEND_90D] += amount_cents


class Rows(NamedTuple):
    """The events that features need or are needed for, in ``(known_at, seq)`` order."""

    person: NDArray[np.int32]
    known_day: NDArray[np.int32]
    day: NDArray[np.int32]
    is_purchase: NDArray[np.int8]
    amount_cents: NDArray[np.int64]


class Past(NamedTuple):
    """The memories of persons at rest, one entry a person; only days that still count are kept.

    Attributes:
        purchases: Purchases so far.
        first_day: Day of the first one, days since 1970.
        last_day: Day of the last one.
        anchor_day: Last day on which something of the person became known.
        start: Where the person's days begin in the next three columns; one entry more at the end.
        day: Days with purchases within the window.
        day_purchases: Their number.
        day_spend_cents: Their sum.
    """

    purchases: NDArray[np.int64]
    first_day: NDArray[np.int64]
    last_day: NDArray[np.int64]
    anchor_day: NDArray[np.int64]
    start: NDArray[np.int64]
    day: NDArray[np.int64]
    day_purchases: NDArray[np.int64]
    day_spend_cents: NDArray[np.int64]


def no_past(persons: int) -> Past:
    """Return the past of persons of whom nothing is known."""
    none = np.zeros(0, dtype=np.int64)
    return Past(
        purchases=np.zeros(persons, dtype=np.int64),
        first_day=np.full(persons, _NO_DAY, dtype=np.int64),
        last_day=np.full(persons, _NO_DAY, dtype=np.int64),
        anchor_day=np.full(persons, _NO_DAY, dtype=np.int64),
        start=np.zeros(persons + 1, dtype=np.int64),
        day=none,
        day_purchases=none.copy(),
        day_spend_cents=none.copy(),
    )


@register_jitable
def recall(past: Past, person: int, memory: NDArray[np.int64]) -> None:
    """Bring a person's past from rest into a memory."""
    forget(memory)
    memory[_PURCHASES] = past.purchases[person]
    memory[_FIRST_DAY] = past.first_day[person]
    memory[_LAST_DAY] = past.last_day[person]
    memory[_ANCHOR_DAY] = past.anchor_day[person]
    for i in range(past.start[person], past.start[person + 1]):
        place = _RING + past.day[i] % WINDOW_DAYS
        memory[place] = past.day_purchases[i]
        memory[place + WINDOW_DAYS] = past.day_spend_cents[i]
        memory[_COUNT_90D] += past.day_purchases[i]
        memory[_SPEND_90D] += past.day_spend_cents[i]


@register_jitable
def lay_down(memory: NDArray[np.int64], past: Past, person: int, end: int) -> int:
    """Put a memory to rest, its days from position ``end`` on, and return where they end."""
    past.purchases[person] = memory[_PURCHASES]
    past.first_day[person] = memory[_FIRST_DAY]
    past.last_day[person] = memory[_LAST_DAY]
    past.anchor_day[person] = memory[_ANCHOR_DAY]
    past.start[person] = end
    anchor = memory[_ANCHOR_DAY]
    for day in range(anchor - WINDOW_DAYS + 1, anchor + 1):
        place = _RING + day % WINDOW_DAYS
        if memory[place] > 0:
            past.day[end] = day
            past.day_purchases[end] = memory[place]
            past.day_spend_cents[end] = memory[place + WINDOW_DAYS]
            end += 1
    past.start[person + 1] = end
    return end


def run_features(rows: Rows, before: Past, values: NDArray[np.int64], after: Past) -> None:
    """Compute every feature of every row, person by person, and the past after the last row.

    Args:
        rows: Events of one part.
        before: The past of every person of the log.
        values: Row x feature; written.
        after: Written; as wide as ``before``, with room for its days and one more for each row.
    """
    persons = len(before.purchases)
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
    memory = np.zeros(MEMORY_WIDTH, dtype=np.int64)
    end = 0
    for person in range(persons):
        recall(before, person, memory)
        for k in range(ends[person], ends[person + 1]):
            i = order[k]
            advance(memory, rows.known_day[i])
            look(memory, rows.is_purchase[i], values[i])
            if rows.is_purchase[i] == 1:
                absorb(memory, rows.day[i], 1, rows.amount_cents[i])
        end = lay_down(memory, after, person, end)


run_features_compiled = numba.njit(cache=True, nogil=True)(run_features)
"""The same functions, compiled; the machine code is kept between processes."""
