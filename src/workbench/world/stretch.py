"""Some days of one part of the customers: lived, decided, lived again until nothing changes.

Owns no rule: the life is in ``living``, decisions come from the core. A delivery can change only
what happens behind it, so with every turn at least one more delivery of each customer is settled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.budgets import Account, Ledger, Place, Reserves
from workbench.decision.desk import O_KNOWN, O_PERSON, O_PROGRAMME, O_WIDTH
from workbench.errors import WorkbenchError
from workbench.replay import events
from workbench.replay.decided import DECISIONS_SCHEMA, Decided, decisions_frame, joined
from workbench.replay.job import Job
from workbench.replay.part import PartState, decide_part, prepare_part
from workbench.replay.reserves import programmes_of, reserves_of
from workbench.replay.some import due, put_back, taken
from workbench.replay.windows import FIRST_SEQ
from workbench.world.books import Books, in_time
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


class Told(NamedTuple):
    """What is written down of some days of a part.

    Attributes:
        purchases: Those made and missed, x ``E_``, with the codes of the persons.
        events: The events as stored, in their order.
        decisions: Rows of the decision log, in no order.
    """

    purchases: NDArray[np.int64]
    events: pl.DataFrame
    decisions: pl.DataFrame


@dataclass(eq=False)
class Turn:
    """What the core made of some customers, given what was delivered in the turns before.

    Attributes:
        which: The customers, as rows of the part.
        frame: Their events, as stored.
        made: The decisions.
        state: What the core remembers of them.
    """

    which: NDArray[np.int64]
    frame: pl.DataFrame
    made: Decided
    state: PartState


@dataclass(eq=False)
class Stretch:
    """Some days of a part, lived until nothing changes; the part is not changed.

    Attributes:
        part: The customers.
        days: The first day, and the one behind the last.
        job: The programmes as the core runs them; none: no programme.
        books: The code books.
        kept: What the core decides and what reaches nobody.
        memory: What customers carry on.
        turns: What the core made of them; of each customer the last turn counts.
    """

    part: Part
    days: tuple[int, int]
    job: Job | None
    books: Books
    kept: Kept = Kept()  # noqa: RUF009 - frozen
    memory: Memory = field(init=False)
    turns: list[Turn] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Begin with nothing lived."""
        count = len(self.part.persons)
        self.memory = self.part.memory
        self._lives: list[NDArray[np.int64]] = []
        self._of_life = np.zeros(count, dtype=np.int64)
        self._of_turn = np.full(count, -1, dtype=np.int64)
        self._told: pl.DataFrame | None = None

    def live(self, ledger: Ledger, which: NDArray[np.int64] | None = None) -> None:
        """Let customers live the days from the first evening on.

        Args:
            ledger: Where budgets closed.
            which: Rows of the customers, ascending; none: all.

        Raises:
            WorkbenchError: The days do not settle, which is a fault.
        """
        part, job, count = self.part, self.job, len(self.part.persons)
        which = np.arange(count, dtype=np.int64) if which is None else which
        nothing = np.zeros((0, D_WIDTH), dtype=np.int64), np.zeros(0, dtype=np.int64)
        prints, delivered = np.zeros(count, dtype=np.uint64), np.zeros(count, dtype=np.uint64)
        rows, prints[which] = self._life(which, nothing)
        self._of_turn[which] = -1
        if job is None or part.state is None:
            self._told = self._events(rows)
            return
        start, end = (int(part.setting.places.starts[day]) for day in self.days)
        active = due(part.state, end)
        active[rows[rows[:, E_TYPE] >= 0, E_PERSON]] = True
        if _broadcasts(job, start, end):
            active[:] = True
        which = which[active[which]]
        most = len(self.turns) + MOST_TURNS
        while len(which):
            turn = len(self.turns)
            if turn > most:
                raise WorkbenchError(
                    f"days {self.days} do not settle; this is a fault of the world"
                )
            self._of_turn[which] = turn
            frame = self._events(rows[self._of_turn[rows[:, E_PERSON]] == turn])
            state = _agreed(taken(part.state, which, job), self.memory.opted[which], part)
            reach = {"since": (start, FIRST_SEQ), "until": (end, FIRST_SEQ)}
            prepared = prepare_part(frame.lazy(), job, state, **reach)
            outcome = decide_part(prepared, job, state, ledger=ledger, candidates=False)
            self.turns.append(Turn(which, frame, outcome.made, outcome.state))
            deliveries, to = deliveries_of(outcome.made, job, which, self.kept)
            fresh = _prints(deliveries, to, count)
            changed = which[fresh[which] != delivered[which]]
            delivered[which] = fresh[which]
            rows, printed = self._life(changed, (deliveries, to))
            which = changed[printed != prints[changed]]
            prints[changed] = printed

    def live_again(self, account: Account, place: Place, ledger: Ledger) -> None:
        """Let those live again whom the closing of a budget can have changed.

        The core asks whether a budget is closed only where it decides for a programme that draws
        from it. Whoever has no decision of such a programme at the closing or behind it would be
        asked nothing else, and lives the same life.

        Args:
            account: What is closed.
            place: From where on.
            ledger: Where budgets closed, with this closing.
        """
        if self.job is None:
            return
        draws = programmes_of(account[0], self.job.rules)
        touched = np.zeros(len(self.part.persons), dtype=bool)
        for which, made in self._last():
            behind = draws[made.out[:, O_PROGRAMME]] & (made.out[:, O_KNOWN] >= place[0])
            touched[which[made.out[behind, O_PERSON]]] = True
        if touched.any():
            self.live(ledger, np.flatnonzero(touched))

    def told(self) -> Told:
        """Return everything that is written down of the days."""
        return Told(self.purchases(), self.events(), self.decisions())

    def purchases(self) -> NDArray[np.int64]:
        """Return the purchases made and missed, x ``E_``, with the codes of the persons."""
        kept = [each[self._of_life[each[:, E_PERSON]] == k] for k, each in enumerate(self._lives)]
        rows = np.vstack(kept)
        rows[:, E_PERSON] = self.part.persons[rows[:, E_PERSON]]
        return rows

    def events(self) -> pl.DataFrame:
        """Return the events as stored, in their order."""
        if self._told is not None:
            return self._told
        kept = []
        for k, turn in enumerate(self.turns):
            person = np.searchsorted(self.part.persons, turn.frame["person"].to_numpy())
            kept.append(turn.frame.filter(pl.Series(self._of_turn[person] == k)))
        if not kept:
            return self._events(np.zeros((0, E_WIDTH), dtype=np.int64))
        whole = pl.concat(kept)
        if len(kept) == 1:
            return whole
        return whole[in_time(whole["known_at"].to_physical().to_numpy(), whole["seq"].to_numpy())]

    def decisions(self) -> pl.DataFrame:
        """Return the rows of the decision log, in no order."""
        made = [made for _, made in self._last() if len(made.out)]
        return decisions_frame(joined(made)) if made else pl.DataFrame(schema=DECISIONS_SCHEMA)

    def reserves(self) -> Reserves:
        """Return what was reserved of budgets."""
        if self.job is None:
            return Reserves.none()
        job, out = self.job, [np.zeros((0, O_WIDTH), dtype=np.int64)]
        out += [made.out for _, made in self._last()]
        return reserves_of(np.vstack(out), job.rules, job.zone_table, job.changes)

    def commit(self) -> None:
        """Make the days the past of the part."""
        self.part.memory = self.memory
        if self.job is not None and self.part.state is not None and self.turns:
            states = [(turn.which, turn.state) for turn in self.turns]
            self.part.state = put_back(self.part.state, states, self.job)

    def _life(
        self, which: NDArray[np.int64], delivered: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Let customers live the days with what is delivered and keep what comes of it."""
        everybody = len(which) == len(self.part.persons)
        before = self.part.memory
        memory = Memory._make(each.copy() if everybody else each[which] for each in before)
        rows, prints = _lived(self.part, self.days, which, delivered, memory)
        if everybody:
            self.memory = memory
        else:
            self.memory.put(which, memory)
        self._of_life[which] = len(self._lives)
        self._lives.append(_bought(rows))
        return rows, prints

    def _last(self) -> Iterator[tuple[NDArray[np.int64], Decided]]:
        """Give turn by turn what was decided for those whose last turn it is."""
        for k, turn in enumerate(self.turns):
            mine = self._of_turn[turn.which[turn.made.out[:, O_PERSON]]] == k
            yield turn.which, replace(turn.made, out=turn.made.out[mine])

    def _events(self, rows: NDArray[np.int64]) -> pl.DataFrame:
        """Return the events among rows as stored."""
        people = self.part.setting.people
        return self.books.events(rows, self.part.persons, people.zone)


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
