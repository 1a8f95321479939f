"""The core: what changes a state (``fold``) and what compares with a limit (``decide``).

Owns no condition, no clock, no randomness and no file. Each function exists once and runs in two
ways: as plain Python, and compiled when :func:`run_compiled` calls it. All of it stands in one
file, because numba's stored code is renewed when *this* file changes; what it takes from
``records`` are codes that never change (a test holds them).

The state of a person keeps, for each programme, the instants of the last n decisions that took a
slot, sorted, n being the count of the cap: memory is persons x sum of n x 8 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from workbench.decision.programme import Programme
from workbench.records import (
    AUDIENCE_UNKNOWN,
    CAP_REACHED,
    COOLDOWN,
    DAY_US,
    HELD_OUT,
    NO,
    NOT_IN_AUDIENCE,
    OFFERED,
    SUPPRESSED,
    SUPPRESSION_UNKNOWN,
    YES,
    Candidate,
    Taken,
)

SPEC_VERSION = 1
"""Version of the rules: raised when a change makes a decision of the golden log another one."""

EMPTY_US = -(1 << 62)
"""An instant before every event: a slot that nothing has taken. Far from the ends of int64."""


class Limits(NamedTuple):
    """The limits of all programmes, one entry each.

    Attributes:
        first_slot: Column of the programme's first slot in the state.
        last_slot: Column of its last slot, which holds its latest instant.
        cap_count: Decisions that the cap allows in its window; 0: no cap.
        window_us: Length of the cap's rolling window, microseconds.
        cooldown_us: Least time between two decisions, microseconds; 0: none.
        holdout_end: Buckets below it are the control.
    """

    first_slot: NDArray[np.int64]
    last_slot: NDArray[np.int64]
    cap_count: NDArray[np.int64]
    window_us: NDArray[np.int64]
    cooldown_us: NDArray[np.int64]
    holdout_end: NDArray[np.int64]


class State(NamedTuple):
    """What depends on decisions.

    Attributes:
        limits: The limits, which never change.
        slots_us: Person x slot; the instants of the last decisions of each programme, ascending.
    """

    limits: Limits
    slots_us: NDArray[np.int64]


class Candidates(NamedTuple):
    """Candidates as columns, in the order in which they are decided."""

    programme: NDArray[np.int32]
    person: NDArray[np.int32]
    at_us: NDArray[np.int64]
    audience: NDArray[np.int8]
    suppress: NDArray[np.int8]
    bucket: NDArray[np.int32]


def limits_of(programmes: Sequence[Programme]) -> Limits:
    """Return the limits of programmes as columns."""
    caps = [programme.limits.cap for programme in programmes]
    widths = np.array([cap.count if cap else 1 for cap in caps], dtype=np.int64)
    ends = np.cumsum(widths)
    return Limits(
        first_slot=ends - widths,
        last_slot=ends - 1,
        cap_count=np.array([cap.count if cap else 0 for cap in caps], dtype=np.int64),
        window_us=np.array(
            [cap.window_days * DAY_US if cap else 0 for cap in caps], dtype=np.int64
        ),
        cooldown_us=np.array(
            [(each.limits.cooldown_days or 0) * DAY_US for each in programmes], dtype=np.int64
        ),
        holdout_end=np.array([each.experiment.holdout_end for each in programmes], dtype=np.int64),
    )


def empty_slots(limits: Limits, persons: int) -> NDArray[np.int64]:
    """Return the slots of persons for whom nothing was decided yet."""
    width = int(limits.last_slot[-1]) + 1 if len(limits.last_slot) else 0
    return np.full((persons, width), EMPTY_US, dtype=np.int64)


@register_jitable
def fold(state: State, event: Taken) -> None:
    """Enter a decision that took a slot into the state: the only code that changes one.

    The n latest instants are kept; an event that became known late may lie before all of them.
    """
    slots = state.slots_us[event.person]
    first = state.limits.first_slot[event.programme]
    last = state.limits.last_slot[event.programme]
    if event.at_us < slots[first]:
        return
    place = first
    while place < last and slots[place + 1] <= event.at_us:
        slots[place] = slots[place + 1]
        place += 1
    slots[place] = event.at_us


@register_jitable
def decide(state: State, candidate: Candidate) -> int:
    """Return the reason code of a candidate: the only code that compares with a limit.

    A window is half-open: a decision exactly ``window_days`` ago has left it, and a cooldown is
    over exactly ``cooldown_days`` after the decision. A decision whose instant lies later than
    the candidate's (an event that became known late) counts as within.
    """
    if candidate.audience != YES:
        return NOT_IN_AUDIENCE if candidate.audience == NO else AUDIENCE_UNKNOWN
    if candidate.suppress != NO:
        return SUPPRESSED if candidate.suppress == YES else SUPPRESSION_UNKNOWN
    limits = state.limits
    slots = state.slots_us[candidate.person]
    p = candidate.programme
    if (
        limits.cap_count[p] > 0
        and slots[limits.first_slot[p]] > candidate.at_us - limits.window_us[p]
    ):
        return CAP_REACHED
    if limits.cooldown_us[p] > 0 and (
        candidate.at_us < slots[limits.last_slot[p]] + limits.cooldown_us[p]
    ):
        return COOLDOWN
    if candidate.bucket < limits.holdout_end[p]:
        return HELD_OUT
    return OFFERED


def run(state: State, candidates: Candidates, reasons: NDArray[np.int8]) -> None:
    """Decide candidates in their order, fold each decision, and write the reason codes.

    Args:
        state: Changed in place.
        candidates: Checked by the caller: positions lie inside the state.
        reasons: Takes one code for each candidate.
    """
    for i in range(len(reasons)):
        candidate = Candidate(
            candidates.programme[i],
            candidates.person[i],
            candidates.at_us[i],
            candidates.audience[i],
            candidates.suppress[i],
            candidates.bucket[i],
        )
        reason = decide(state, candidate)
        reasons[i] = reason
        if reason in (OFFERED, HELD_OUT):
            fold(state, Taken(candidate.programme, candidate.person, candidate.at_us))


run_compiled = numba.njit(cache=True, nogil=True)(run)
"""The same ``run``, ``decide`` and ``fold``, compiled; the machine code is kept between processes."""
