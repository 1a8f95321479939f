"""Some days of one part of the customers: lived, decided, lived again until nothing changes.

Owns no rule: the life is in ``living``, decisions come from the core. A delivery can change only
what happens behind it, so with every turn at least one more delivery of each customer is settled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.budgets import Ledger, Reserves
from workbench.decision.desk import O_PERSON, O_WIDTH
from workbench.errors import WorkbenchError
from workbench.replay import events
from workbench.replay.job import Job
from workbench.replay.decided import DECISIONS_SCHEMA, Decided, decisions_frame
from workbench.replay.part import Outcome, PartState, decide_part, prepare_part
from workbench.replay.reserves import reserves_of
from workbench.replay.some import due, put_back, taken
from workbench.replay.windows import FIRST_SEQ
from workbench.world.books import Books
from workbench.world.life import Setting
from workbench.world.living import ROOM, Scratch, run_compiled
from workbench.world.memory import (
    D_WIDTH,
    E_PERSON,
    E_TYPE,
    E_WIDTH,
    NEVER_US,
    PURCHASE,
    SKIPPED,
    Memory,
)
from workbench.world.offers import Kept, deliveries_of

MOST_TURNS = 60


@dataclass(eq=False)
class Part:
    """Some customers and everything that is carried from day to day.

    Attributes:
        setting: The world with these customers.
        persons: Their codes in the log, ascending.
        memory: What they carry on.
        state: What the core remembers of them; none without programmes.
        channels: Position of each channel of the world among those of the rules, -1 for none.
    """

    setting: Setting
    persons: NDArray[np.int64]
    memory: Memory
    state: PartState | None
    channels: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Stretch:
    """Some days of a part.

    Attributes:
        rows: Purchases made and missed, x ``E_``.
        events: Gives the events, as stored.
        memory: What customers carry on.
        decided: The persons of each turn and what the core made of them, the last one counts.
        decisions: Gives rows of the decision log, in no order.
        reserves: What they reserved of budgets.
    """

    rows: NDArray[np.int64]
    events: Callable[[], pl.DataFrame]
    memory: Memory
    decided: list[tuple[NDArray[np.int64], PartState]]
    decisions: Callable[[], pl.DataFrame]
    reserves: Reserves


def live_stretch(  # noqa: PLR0917 - what a stretch needs
    part: Part,
    days: tuple[int, int],
    job: Job | None,
    books: Books,
    ledger: Ledger,
    kept: Kept = Kept(),  # noqa: B008 - frozen
) -> Stretch:
    """Let a part live some days; the part given is not changed.

    Args:
        part: The customers.
        days: The first day, and the one behind the last.
        job: The programmes as the core runs them; none: no programme.
        books: The code books.
        ledger: What is reserved of budgets, and where they closed.
        kept: What the core decides and what reaches nobody.

    Raises:
        WorkbenchError: The days do not settle, which is a fault.
    """
    everyone = np.arange(len(part.persons), dtype=np.int64)
    nothing = np.zeros((0, D_WIDTH), dtype=np.int64), np.zeros(0, dtype=np.int64)
    memory = Memory._make(each.copy() for each in part.memory)
    rows, prints = _lived(part, days, everyone, nothing, memory)
    if job is None or part.state is None:
        told = partial(_events, part, rows, books)
        return Stretch(_bought(rows), told, memory, [], partial(_decisions, []), Reserves.none())
    lived = [_bought(rows)]
    of_life = np.zeros(len(everyone), dtype=np.int64)
    of_turn = np.full(len(everyone), -1, dtype=np.int64)
    delivered = np.zeros(len(everyone), dtype=np.uint64)
    start, end = (int(part.setting.places.starts[day]) for day in days)
    active = due(part.state, end)
    active[rows[rows[:, E_TYPE] >= 0, E_PERSON]] = True
    if _broadcasts(job, start, end):
        active[:] = True
    which = np.flatnonzero(active)
    turns: list[tuple[NDArray[np.int64], Outcome]] = []
    frames: list[pl.DataFrame] = []
    while len(which):
        if len(turns) > MOST_TURNS:
            raise WorkbenchError(f"days {days} do not settle; this is a fault of the world")
        of_turn[which] = len(turns)
        frame = _events(part, rows[of_turn[rows[:, E_PERSON]] == len(turns)], books)
        state = _agreed(taken(part.state, which, job), memory.opted[which], part)
        reach = {"since": (start, FIRST_SEQ), "until": (end, FIRST_SEQ)}
        prepared = prepare_part(frame.lazy(), job, state, **reach)
        outcome = decide_part(prepared, job, state, ledger=ledger, candidates=False)
        turns.append((which, outcome))
        frames.append(frame)
        deliveries, to = deliveries_of(outcome, job, which, kept)
        fresh = _prints(deliveries, to, len(everyone))
        changed = which[fresh[which] != delivered[which]]
        delivered[which] = fresh[which]
        again = Memory._make(each[changed] for each in part.memory)
        rows, printed = _lived(part, days, changed, (deliveries, to), again)
        memory.put(changed, again)
        of_life[changed] = len(lived)
        lived.append(_bought(rows))
        which = changed[printed != prints[changed]]
        prints[changed] = printed
    last = _last_decided(turns, of_turn)
    return Stretch(
        rows=np.vstack([each[of_life[each[:, E_PERSON]] == k] for k, each in enumerate(lived)]),
        events=partial(_last_told, frames, of_turn, part),
        memory=memory,
        decided=[(persons, outcome.state) for persons, outcome in turns],
        decisions=partial(_decisions, last),
        reserves=_reserves(last, job),
    )


def commit(part: Part, lived: Stretch, job: Job | None) -> None:
    """Make days that were lived the past of a part."""
    part.memory = lived.memory
    if job is not None and part.state is not None and lived.decided:
        part.state = put_back(part.state, lived.decided, job)


def _lived(
    part: Part,
    days: tuple[int, int],
    which: NDArray[np.int64],
    delivered: tuple[NDArray[np.int64], NDArray[np.int64]],
    memory: Memory,
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Let some customers live some days; their memory is changed."""
    deliveries, to = delivered
    if len(to):
        mine = np.isin(to, which)
        deliveries, to = deliveries[mine], to[mine]
    starts = np.searchsorted(to, np.append(which, len(part.persons))).astype(np.int64)
    prints = np.zeros(len(which), dtype=np.uint64)
    length = days[1] - days[0]
    room = len(which) * (1 + length) + 2 * ROOM * length
    out = np.empty((room, E_WIDTH), dtype=np.int64)
    pieces: list[NDArray[np.int64]] = []
    begin, scratch = 0, Scratch.make()
    while begin < len(which):
        count, begin = run_compiled(
            part.setting, days, which, deliveries, starts, memory, out, prints, scratch, begin
        )
        pieces.append(out[:count] if begin == len(which) and not pieces else out[:count].copy())
    return (pieces[0] if len(pieces) == 1 else np.vstack([out[:0], *pieces])), prints


def _bought(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the purchases made and missed among rows."""
    kinds = rows[:, E_TYPE]
    bought: NDArray[np.int64] = rows[(kinds == PURCHASE) | (kinds == SKIPPED)]
    return bought


def _events(part: Part, rows: NDArray[np.int64], books: Books) -> pl.DataFrame:
    """Return the events among rows as stored."""
    events_only = rows[rows[:, E_TYPE] >= 0]
    return books.events(events_only, part.persons, part.setting.people.zone)


def _last_told(frames: list[pl.DataFrame], of_turn: NDArray[np.int64], part: Part) -> pl.DataFrame:
    """Return of each person the events of the last turn, in their order."""
    kept = []
    for k, frame in enumerate(frames):
        person = np.searchsorted(part.persons, frame["person"].to_numpy())
        kept.append(frame.filter(pl.Series(of_turn[person] == k)))
    if len(kept) == 1:
        return kept[0]
    return pl.concat(kept).sort("known_at", "seq")


def _agreed(some: PartState, opted: NDArray[np.int64], part: Part) -> PartState:
    """Let the opt-outs of some persons be known; their consent has room for one of each channel."""
    width = max(part.channels, default=-1) + 1
    count = (len(some.consent.start) - 1) // max(len(some.codes), 1)
    if not width or not count:
        return some
    starts = np.append(part.setting.places.starts, NEVER_US)
    at_us = some.consent.at_us.reshape(len(some.codes), count, 2)
    for c, place in enumerate(part.channels):
        if place >= 0:
            at_us[:, place, 1] = starts[np.minimum(opted[:, c], len(starts) - 1)]
    return some


def _broadcasts(job: Job, start_us: int, end_us: int) -> bool:
    """Say whether any broadcast goes out within some days, in any zone."""
    return any(
        len(events.every_of(role.programme.trigger.every, zone, start_us, end_us))
        for role in job.broadcasts
        for zone in job.references.zone_names
    )


def _prints(deliveries: NDArray[np.int64], to: NDArray[np.int64], count: int) -> NDArray[np.uint64]:
    """Return a fingerprint of what was delivered to each person, 0 for nothing."""
    found = np.zeros(count, dtype=np.uint64)
    value = np.full(len(to), 0x9E3779B97F4A7C15, dtype=np.uint64)
    for column in deliveries.T:
        value = (value ^ column.astype(np.uint64)) * np.uint64(0xBF58476D1CE4E5B9)
        value ^= value >> np.uint64(29)
    np.add.at(found, to, value)
    return found


def _last_decided(
    turns: list[tuple[NDArray[np.int64], Outcome]], of_turn: NDArray[np.int64]
) -> list[Decided]:
    """Return of each person what was decided in the last turn."""
    found = []
    for k, (which, outcome) in enumerate(turns):
        mine = of_turn[which[outcome.made.out[:, O_PERSON]]] == k
        found.append(replace(outcome.made, out=outcome.made.out[mine]))
    return found


def _decisions(decided: list[Decided]) -> pl.DataFrame:
    """Return rows of the decision log, in no order."""
    frames = [decisions_frame(each) for each in decided if len(each.out)]
    return pl.concat([pl.DataFrame(schema=DECISIONS_SCHEMA), *frames])


def _reserves(decided: list[Decided], job: Job) -> Reserves:
    out = np.vstack([np.zeros((0, O_WIDTH), dtype=np.int64), *(each.out for each in decided)])
    return reserves_of(out, job.rules, job.zone_table, job.changes)
