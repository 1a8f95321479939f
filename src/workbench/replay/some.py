"""Some persons of a part, taken out and put back. Owns no rule and decides nothing.

Persons are independent, so those whom nothing happens to need not be looked at: a day of the
simulated world decides for the persons who have an event or for whom something is due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.consent import Consent
from workbench.decision.desk import H_NEXT, T_ROW
from workbench.decision.rolling import Rest
from workbench.decision.state import Memories, compact
from workbench.replay.job import Job
from workbench.replay.part import PartState


def taken(state: PartState, which: NDArray[np.int64], job: Job) -> PartState:
    """Return some persons of a part with what is remembered of them.

    Args:
        state: The part; it is not changed.
        which: Rows of persons, ascending.
        job: The replay.
    """
    codes = state.codes[which]
    local_of = np.zeros(len(state.local_of), dtype=np.int32)
    local_of[codes] = np.arange(len(codes), dtype=np.int32)
    memories = state.memories
    some = Memories(
        memories.table[which],
        memories.rows,
        memories.touches,
        memories.event_ids,
        _rest_of(memories.past, which),
    )
    return replace(
        state,
        codes=codes,
        ids=state.ids.gather(which),
        memories=compact(some, job.rules),
        consent=_consent_of(state.consent, which, len(state.codes)),
        keys=state.keys[which],
        held=state.held[which],
        measured=state.measured[which],
        units={p: (part[which], arm[which]) for p, (part, arm) in state.units.items()},
        local_of=local_of,
    )


def put_back(
    state: PartState, some: Sequence[tuple[NDArray[np.int64], PartState]], job: Job
) -> PartState:
    """Return a part in which the memories of some persons are replaced.

    Args:
        state: The part; its table of memories is used up.
        some: Rows of persons and what :func:`taken` gave for them, after deciding; of a person
            that occurs twice the last counts.
        job: The replay.
    """
    memories = state.memories
    table = memories.table
    rows, touches, ids = [memories.rows], [memories.touches], [memories.event_ids]
    pasts = [memories.past]
    count = len(state.codes)
    source = np.arange(count, dtype=np.int64)
    shift_rows, shift_touches, shift_persons = len(memories.rows), len(memories.touches), count
    for which, part in some:
        mine = part.memories
        table[which] = mine.table
        for place in job.rules.touch_places:
            held = which[table[which, place] >= 0]
            table[held, place] += shift_touches
        moved = mine.touches.copy()
        moved[:, T_ROW] += shift_rows
        rows.append(mine.rows)
        touches.append(moved)
        ids.append(mine.event_ids)
        pasts.append(mine.past)
        source[which] = shift_persons + np.arange(len(which))
        shift_rows += len(mine.rows)
        shift_touches += len(mine.touches)
        shift_persons += len(which)
    whole = Memories(
        table,
        np.vstack(rows),
        np.vstack(touches),
        pl.concat(ids),
        _rest_of(_joined(pasts), source),
    )
    return replace(state, memories=compact(whole, job.rules))


def due(state: PartState, until_us: int) -> NDArray[np.bool_]:
    """Say for which persons time brings something about before an instant."""
    found: NDArray[np.bool_] = state.memories.table[:, H_NEXT] < until_us
    return found


def _joined(pasts: Sequence[Rest]) -> Rest:
    """Return pasts one after the other."""
    shifts = np.cumsum([0, *(len(each.day) for each in pasts)])
    starts = [
        each.start[:-1] + shift for each, shift in zip(pasts, shifts[:-1].tolist(), strict=True)
    ]
    return Rest(
        anchor_day=np.concatenate([each.anchor_day for each in pasts]),
        total=np.vstack([each.total for each in pasts]),
        first_day=np.vstack([each.first_day for each in pasts]),
        last_day=np.vstack([each.last_day for each in pasts]),
        start=np.concatenate([*starts, shifts[-1:]]).astype(np.int64),
        day=np.concatenate([each.day for each in pasts]),
        track=np.concatenate([each.track for each in pasts]),
        day_sum=np.concatenate([each.day_sum for each in pasts]),
    )


def _rest_of(past: Rest, which: NDArray[np.int64]) -> Rest:
    start, places = _ranges(past.start, which)
    return Rest(
        anchor_day=past.anchor_day[which],
        total=past.total[which],
        first_day=past.first_day[which],
        last_day=past.last_day[which],
        start=start,
        day=past.day[places],
        track=past.track[places],
        day_sum=past.day_sum[places],
    )


def _consent_of(consent: Consent, which: NDArray[np.int64], persons: int) -> Consent:
    channels = (len(consent.start) - 1) // max(persons, 1)
    pairs = (which[:, None] * channels + np.arange(channels)).ravel()
    start, places = _ranges(consent.start, pairs)
    return Consent(start, consent.at_us[places], consent.value[places])


def _ranges(
    start: NDArray[np.int64], which: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where chosen ranges lie after they were put together, and their places before."""
    lengths = start[which + 1] - start[which]
    ends = np.zeros(len(which) + 1, dtype=np.int64)
    np.cumsum(lengths, out=ends[1:])
    places = np.arange(ends[-1]) + np.repeat(start[which] - ends[:-1], lengths)
    return ends, places
