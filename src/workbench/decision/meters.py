"""Meters: rings of the last instants that a limit looks at. Owns their layout and the comparison.

A meter is a part of a person's memory: the latest instants that count, ascending. It holds as many
as the limit counts, and one more for each decision that may be taken back (a queued one).
"""

# mypy: disable-error-code="no-any-return"
# Entries of arrays are whole numbers, which the types of arrays do not say.

from __future__ import annotations

from numpy.typing import NDArray

from workbench.decision.clocks import period_end, period_start
from workbench.decision.compiled import in_core, in_place
from workbench.decision.desk import (
    CALENDAR,
    EMPTY_US,
    HOLD,
    M_CALENDAR,
    M_FIRST,
    M_HOLD,
    M_KIND,
    M_LAST,
    M_NTH,
    M_WINDOW,
    M_ZONE,
    Desk,
)


@in_core
def enter(memory: NDArray, first: int, last: int, at_us: int) -> None:  # type: ignore[type-arg]  # compiled
    """Enter an instant into a ring from place ``first`` to ``last``: the latest ones are kept."""
    if at_us < memory[first]:
        return
    place = first
    while place < last and memory[place + 1] <= at_us:
        memory[place] = memory[place + 1]
        place += 1
    memory[place] = at_us


@in_core
def leave(memory: NDArray, first: int, last: int, at_us: int) -> None:  # type: ignore[type-arg]  # compiled
    """Take an instant out of a ring again; one that fell out already changes nothing."""
    place = last
    while place >= first and memory[place] != at_us:
        place -= 1
    if place < first:
        return
    while place > first:
        memory[place] = memory[place - 1]
        place -= 1
    memory[first] = EMPTY_US


@in_place
def is_reached(desk: Desk, memory: NDArray, m: int, at_us: int, zone: int) -> bool:  # type: ignore[type-arg]  # compiled
    """Say whether a meter refuses at an instant: the only place that compares with a limit.

    A rolling window is half-open: what lies exactly so long ago has left it. A calendar period
    begins with its first instant. What lies later than ``at_us`` counts as within.
    """
    kind = desk.meters[m, M_KIND]
    if kind == HOLD:
        return at_us < memory[desk.meters[m, M_LAST] + 1]
    nth = memory[desk.meters[m, M_NTH]]
    if nth == EMPTY_US:
        return False
    if kind == CALENDAR:
        own = desk.meters[m, M_ZONE]
        start = period_start(
            desk.zones, desk.changes, zone if own < 0 else own, desk.meters[m, M_CALENDAR], at_us
        )
        return nth >= start
    return nth > at_us - desk.meters[m, M_WINDOW]


@in_core
def reject(desk: Desk, memory: NDArray, m: int, at_us: int) -> None:  # type: ignore[type-arg]  # compiled
    """Enter a rejection; the one that completes the count within the window starts the hold."""
    first, last = desk.meters[m, M_FIRST], desk.meters[m, M_LAST]
    enter(memory, first, last, at_us)
    if memory[first] > at_us - desk.meters[m, M_WINDOW]:
        memory[last + 1] = max(memory[last + 1], at_us + desk.meters[m, M_HOLD])


@in_core
def inside(desk: Desk, memory: NDArray, m: int, at_us: int, zone: int) -> tuple[int, int]:  # type: ignore[type-arg]  # compiled
    """Return how many instants count at ``at_us``, and when the meter is free again."""
    first, last = desk.meters[m, M_FIRST], desk.meters[m, M_LAST]
    if desk.meters[m, M_KIND] == HOLD:
        return last - first + 1, memory[last + 1]
    start = at_us - desk.meters[m, M_WINDOW] + 1
    free = memory[desk.meters[m, M_NTH]] + desk.meters[m, M_WINDOW]
    if desk.meters[m, M_KIND] == CALENDAR:
        own = desk.meters[m, M_ZONE]
        zone = zone if own < 0 else own
        start = period_start(desk.zones, desk.changes, zone, desk.meters[m, M_CALENDAR], at_us)
        latest = max(at_us, memory[desk.meters[m, M_NTH]])
        free = period_end(desk.zones, desk.changes, zone, desk.meters[m, M_CALENDAR], latest)
    count = 0
    for place in range(first, last + 1):
        if memory[place] != EMPTY_US and memory[place] >= start:
            count += 1
    return count, free
