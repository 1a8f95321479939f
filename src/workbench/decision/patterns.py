"""Patterns of events: what is remembered of A and B, and when a programme fires. Owns no limit.

Each function takes one event that became known. A timer that is armed is a due instant in the
person's memory; ``core`` fires it.
"""

# mypy: disable-error-code="no-any-return"
# Entries of arrays are whole numbers, which the types of arrays do not say.

from __future__ import annotations

from numpy.typing import NDArray

from workbench.decision.compiled import in_core
from workbench.decision.desk import (
    EMPTY_US,
    EVENT,
    FIRST,
    H_NEXT,
    NEVER_US,
    NTH,
    P_MEMORY,
    P_N,
    P_PATTERN,
    P_REARM,
    P_SPAN,
    P_TIMER,
    SILENCE,
    THEN,
    UNLESS,
    Desk,
)
from workbench.decision.meters import enter


@in_core
def see_after(desk: Desk, memory: NDArray, p: int, ts_us: int) -> None:  # type: ignore[type-arg]  # compiled
    """Take the event from which ``first`` counts: the earliest that is known holds."""
    place = desk.programmes[p, P_MEMORY]
    if memory[place] == EMPTY_US or ts_us < memory[place]:
        memory[place] = ts_us


@in_core
def see_second(desk: Desk, memory: NDArray, p: int, ts_us: int) -> bool:  # type: ignore[type-arg]  # compiled
    """Take a B: fire (then), or disarm (unless). B exactly at the deadline is in time."""
    span = desk.programmes[p, P_SPAN]
    if desk.programmes[p, P_PATTERN] == THEN:
        place = desk.programmes[p, P_MEMORY]
        start = memory[place]
        if start != EMPTY_US and start <= ts_us <= start + span:
            memory[place] = EMPTY_US
            return True
        return False
    timer = desk.programmes[p, P_TIMER]
    if memory[timer] != NEVER_US and memory[timer + 1] - span <= ts_us <= memory[timer + 1]:
        memory[timer] = NEVER_US
    return False


@in_core
def see_anchor(desk: Desk, memory: NDArray, p: int, touch: int, ts_us: int, known_us: int) -> bool:  # type: ignore[type-arg]  # compiled  # noqa: C901, PLR0911, PLR0917 - compiled: flat values, one path
    """Take an A and return whether the programme fires at it."""
    pattern = desk.programmes[p, P_PATTERN]
    span = desk.programmes[p, P_SPAN]
    place = desk.programmes[p, P_MEMORY]
    if pattern == EVENT:
        return True
    if pattern == THEN:
        if memory[place] == EMPTY_US or ts_us >= memory[place]:
            memory[place] = ts_us
        return False
    if pattern == UNLESS:
        timer = desk.programmes[p, P_TIMER]
        if memory[timer] == NEVER_US or (
            desk.programmes[p, P_REARM] == 1 and ts_us >= memory[timer + 1] - span
        ):
            arm(memory, timer, touch, ts_us + span, known_us)
        return False
    if pattern == NTH:
        last = place + desk.programmes[p, P_N] - 2
        if memory[place] != EMPTY_US and memory[place] > ts_us - span:
            for slot in range(place, last + 1):
                memory[slot] = EMPTY_US
            return True
        enter(memory, place, last, ts_us)
        return False
    if pattern == SILENCE:
        if memory[place] == EMPTY_US or ts_us >= memory[place]:
            memory[place] = ts_us
            arm(memory, desk.programmes[p, P_TIMER], touch, ts_us + span, known_us)
        return False
    if pattern == FIRST:
        first = memory[place]
        return first != EMPTY_US and first <= ts_us < first + span
    return True


@in_core
def arm(memory: NDArray, timer: int, touch: int, ts_us: int, known_us: int) -> None:  # type: ignore[type-arg]  # compiled
    """Arm a timer. A deadline that has passed when its A becomes known is due at once."""
    memory[timer] = max(ts_us, known_us)
    memory[timer + 1] = ts_us
    memory[timer + 2] = touch
    memory[H_NEXT] = min(memory[H_NEXT], memory[timer])
