"""One day of one part of the customers: lived, decided, and lived again until nothing changes.

Owns no rule: the life is in ``living``, decisions come from the core. A delivery can change only
what happens behind it, so with every turn at least one more delivery of each customer is settled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.budgets import Ledger, Reserves
from workbench.decision.desk import O_PERSON, O_WIDTH
from workbench.errors import WorkbenchError
from workbench.replay import events
from workbench.replay.job import Job
from workbench.replay.part import DECISIONS_SCHEMA, Outcome, PartState, decide_part
from workbench.replay.reserves import reserves_of
from workbench.replay.some import due, put_back, taken
from workbench.replay.windows import FIRST_SEQ
from workbench.world.books import Books
from workbench.world.life import Setting
from workbench.world.living import ROOM, Scratch, run_compiled
from workbench.world.memory import D_WIDTH, E_PERSON, E_TYPE, E_WIDTH, Memory
from workbench.world.offers import deliveries_of

MOST_TURNS = 60
_ROWS_EACH = 3


@dataclass(eq=False)
class Part:
    """Some customers and everything that is carried from day to day.

    Attributes:
        setting: The world with these customers.
        persons: Their codes in the log, ascending.
        memory: What they carry on.
        state: What the core remembers of them; none without programmes.
    """

    setting: Setting
    persons: NDArray[np.int64]
    memory: Memory
    state: PartState | None


@dataclass(frozen=True, eq=False)
class Day:
    """One day of a part.

    Attributes:
        rows: What happened, x ``E_``.
        memory: What customers carry on.
        decided: The persons of each turn and what the core made of them, the last one counts.
        decisions: Rows of the decision log.
        reserves: What they reserved of budgets.
    """

    rows: NDArray[np.int64]
    memory: Memory
    decided: list[tuple[NDArray[np.int64], PartState]]
    decisions: pl.DataFrame
    reserves: Reserves


def live_day(  # noqa: PLR0917 - what a day needs
    part: Part,
    day: int,
    job: Job | None,
    books: Books,
    ledger: Ledger,
    withheld: frozenset[str] = frozenset(),
) -> Day:
    """Let a part live one day; the part given is not changed.

    Args:
        part: The customers.
        day: The day.
        job: The programmes as the core runs them; none: no programme.
        books: The code books.
        ledger: What is reserved of budgets, and where they closed.
        withheld: Decisions that the core makes and that reach nobody.

    Raises:
        WorkbenchError: The day does not settle, which is a fault.
    """
    everyone = np.arange(len(part.persons), dtype=np.int64)
    nothing = np.zeros((0, D_WIDTH), dtype=np.int64), np.zeros(0, dtype=np.int64)
    memory = Memory._make(each.copy() for each in part.memory)
    rows, prints = _lived(part, day, everyone, nothing, memory)
    if job is None or part.state is None:
        return Day(rows, memory, [], pl.DataFrame(schema=DECISIONS_SCHEMA), Reserves.none())
    lived = [rows]
    of_life = np.zeros(len(everyone), dtype=np.int64)
    of_turn = np.full(len(everyone), -1, dtype=np.int64)
    delivered = np.zeros(len(everyone), dtype=np.uint64)
    start, end = part.setting.places.starts[day : day + 2].tolist()
    active = due(part.state, end)
    active[rows[rows[:, E_TYPE] >= 0, E_PERSON]] = True
    if _broadcasts(job, start, end):
        active[:] = True
    which = np.flatnonzero(active)
    turns: list[tuple[NDArray[np.int64], Outcome]] = []
    while len(which):
        if len(turns) > MOST_TURNS:
            raise WorkbenchError(f"day {day} does not settle; this is a fault of the world")
        of_turn[which] = len(turns)
        mine = np.isin(rows[:, E_PERSON], which) & (rows[:, E_TYPE] >= 0)
        frame = books.events(rows[mine], part.persons, part.setting.people.zone)
        outcome = decide_part(
            frame.lazy(),
            job,
            taken(part.state, which, job),
            since=(start, FIRST_SEQ),
            until=(end, FIRST_SEQ),
            ledger=ledger,
            candidates=False,
        )
        turns.append((which, outcome))
        deliveries, to = deliveries_of(outcome, job.rules, which, withheld)
        fresh = _prints(deliveries, to, len(everyone))
        changed = which[fresh[which] != delivered[which]]
        delivered[which] = fresh[which]
        again = Memory._make(each[changed] for each in part.memory)
        rows, printed = _lived(part, day, changed, (deliveries, to), again)
        memory.put(changed, again)
        of_life[changed] = len(lived)
        lived.append(rows)
        which = changed[printed != prints[changed]]
        prints[changed] = printed
    return Day(
        rows=np.vstack([each[of_life[each[:, E_PERSON]] == k] for k, each in enumerate(lived)]),
        memory=memory,
        decided=[(persons, outcome.state) for persons, outcome in turns],
        decisions=_decisions(turns, of_turn),
        reserves=_reserves(turns, of_turn, job),
    )


def commit(part: Part, lived: Day, job: Job | None) -> None:
    """Make a day that was lived the past of a part."""
    part.memory = lived.memory
    if job is not None and part.state is not None and lived.decided:
        part.state = put_back(part.state, lived.decided, job)


def _lived(
    part: Part,
    day: int,
    which: NDArray[np.int64],
    delivered: tuple[NDArray[np.int64], NDArray[np.int64]],
    memory: Memory,
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Let some customers live a day; their memory is changed."""
    deliveries, to = delivered
    if len(to):
        mine = np.isin(to, which)
        deliveries, to = deliveries[mine], to[mine]
    starts = np.searchsorted(to, np.append(which, len(part.persons))).astype(np.int64)
    prints = np.zeros(len(which), dtype=np.uint64)
    out = np.empty((_ROWS_EACH * len(which) + 2 * ROOM, E_WIDTH), dtype=np.int64)
    pieces, begin, scratch = [], 0, Scratch.make()
    while begin < len(which):
        count, begin = run_compiled(
            part.setting, day, which, deliveries, starts, memory, out, prints, scratch, begin
        )
        pieces.append(out[:count].copy())
    return np.vstack([np.zeros((0, E_WIDTH), dtype=np.int64), *pieces]), prints


def _broadcasts(job: Job, start_us: int, end_us: int) -> bool:
    """Say whether any broadcast goes out within a day, in any zone."""
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


def _decisions(
    turns: list[tuple[NDArray[np.int64], Outcome]], of_turn: NDArray[np.int64]
) -> pl.DataFrame:
    """Return of each person the decisions of the last turn, in the order of deciding."""
    kept: list[pl.DataFrame] = []
    for k, (which, outcome) in enumerate(turns):
        if outcome.decisions.height:
            mine = of_turn[which[outcome.out[:, O_PERSON]]] == k
            kept.append(outcome.decisions.filter(pl.Series(mine)))
    return pl.concat([pl.DataFrame(schema=DECISIONS_SCHEMA), *kept])


def _reserves(
    turns: list[tuple[NDArray[np.int64], Outcome]], of_turn: NDArray[np.int64], job: Job
) -> Reserves:
    out = [np.zeros((0, O_WIDTH), dtype=np.int64)]
    for k, (which, outcome) in enumerate(turns):
        out.append(outcome.out[of_turn[which[outcome.out[:, O_PERSON]]] == k])
    return reserves_of(np.vstack(out), job.rules, job.zone_table, job.changes)
