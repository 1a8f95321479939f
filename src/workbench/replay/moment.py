"""A decision set of one person, with what the core remembered before and after it. Owns no rule.

The core runs compiled up to the instant and then one thing at a time, plainly, so that memory can
be looked at between any two of them. What it says is held against what the run put out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from workbench.decision import core
from workbench.decision.desk import (
    C_OUT,
    H_NEXT,
    H_SINCE,
    KIND_EVENT,
    KIND_RELEASE,
    NEVER_US,
    O_ACTION,
    O_KEY,
    O_KIND,
    O_KNOWN,
    O_PROGRAMME,
    O_REASON,
    O_SEQ,
    O_SET,
    O_TOUCH,
    O_TS,
    P_COLLECT,
    P_LISTENING,
    P_QUEUE,
    R_ANSWER,
    R_FIRST,
    R_KNOWN,
    R_LAST,
    R_SEQ,
    R_TICK,
    R_ZONE,
    T_ROW,
    Desk,
    Table,
)
from workbench.errors import WorkbenchError
from workbench.records import AWARDED, Taken
from workbench.replay import part as kernel
from workbench.replay.one_person import THROUGH, OnePerson, Target


@dataclass(frozen=True, eq=False)
class Candidate:
    """One row of a decision set, as it was looked at for the last time.

    Attributes:
        place: Its row in the decision log of the person.
        programme: Position of the programme.
        touch: What triggered it.
        memory: What the core remembered then: what won before it in the set is entered.
        at: ``ts``, ``known_at``, ``seq`` and key of the decision.
        zone: Code of the customer's zone; -1: not known.
        released: Whether it comes out of the queue.
        waiting: Whether another occurrence of the programme waits.
        reason: Why it ended as it did.
        action: The action that it chose, or that comes out of the queue; -1: none.
    """

    place: int
    programme: int
    touch: int
    memory: Table
    at: tuple[int, int, int, int]
    zone: int
    released: bool
    waiting: bool
    reason: int
    action: int


@dataclass(frozen=True, eq=False)
class Moment:
    """A decision set and what the core remembered around it.

    Attributes:
        person: The person's run.
        desk: The desk of the run, at the set.
        candidates: The rows of the set, in the order of the decision log.
        before: The person's memory before it.
        after: And after it.
        known_us: When it was decided.
    """

    person: OnePerson
    desk: Desk
    candidates: tuple[Candidate, ...]
    before: Table
    after: Table
    known_us: int

    def target(self, candidate: Candidate) -> Target:
        """Return what finds the decision of a candidate again."""
        row = self.person.out[candidate.place]
        seq = int(self.desk.rows[self.desk.touches[candidate.touch, T_ROW], R_SEQ])
        return Target(candidate.programme, seq, int(row[O_KIND]), int(row[O_KNOWN]))


def moment_of(person: OnePerson, set_id: str) -> Moment:
    """Return a decision set of a person.

    Raises:
        WorkbenchError: The plain core does not come by it: a fault of this module.
    """
    decisions, outcome = person.outcome.decisions, person.outcome
    places = np.flatnonzero((decisions["set_id"] == set_id).to_numpy())
    if not len(places):
        raise WorkbenchError(f"no decision set {set_id!r}; this is a fault of explain")
    known = int(person.out[places[0], O_KNOWN])
    desk, memory, order = _upto(person, known)
    wanted = int(outcome.placed[places].min())
    before = memory.copy()
    for row in _steps(desk, memory, order, known):
        if desk.counts[C_OUT] > wanted:
            ready = _ready(desk, before, row, person.out[places[0]])
            candidates = _candidates(person, desk, ready, places)
            return Moment(person, desk, candidates, ready, memory, known)
        before = memory.copy()
    raise WorkbenchError(f"the core does not come by {set_id!r}; this is a fault of explain")


def memory_at(person: OnePerson, known_us: int, seq: int) -> tuple[Desk, Table]:
    """Return a desk and the memory of a person right before an event."""
    desk, memory, order = _upto(person, known_us)
    for row in order:
        if desk.rows[row, R_TICK] == 1 or desk.rows[row, R_SEQ] >= seq:
            break
        core.see_row(desk, memory, 0, row)
    return desk, memory


def _upto(person: OnePerson, known_us: int) -> tuple[Desk, Table, list[int]]:
    """Run the core up to an instant; return the desk, the memory and the rows from then on."""
    seen, prepared = person.prepared.seen, person.prepared
    rows = seen.rows.copy()
    desk = kernel.desk_of(
        person.job, person.state, rows, seen.touches, person.ledger, candidates=True
    )
    table = person.state.memories.table.copy()
    table[:, H_SINCE] = prepared.known_since
    earlier = prepared.order[rows[prepared.order, R_KNOWN] < known_us]
    starts = np.array([0, len(earlier)], dtype=np.int64)
    core.run_compiled(desk, table, starts, earlier, known_us)
    at = prepared.order[rows[prepared.order, R_KNOWN] == known_us]
    return desk, table[0], at.tolist()


def _steps(desk: Desk, memory: Table, order: list[int], at_us: int) -> Iterator[int]:
    """Let what happens at an instant happen one after the other; gives the row, -1 for a timer."""
    for row in order:
        if desk.rows[row, R_TICK] == 0:
            core.see_row(desk, memory, 0, row)
            yield row
    while core.next_timer(desk, memory, at_us) >= 0:
        core.fire(desk, memory, 0)
        yield -1
    for row in order:
        if desk.rows[row, R_TICK] == 1:
            first, last = desk.rows[row, R_FIRST], desk.rows[row, R_LAST]
            for touch in range(first, last):
                desk.rows[row, R_FIRST], desk.rows[row, R_LAST] = touch, touch + 1
                core.tick(desk, memory, 0, row)
                yield row
    while memory[H_NEXT] <= at_us:
        core.fire(desk, memory, 0)
        yield -1


def _ready(desk: Desk, before: Table, row: int, out: Table) -> Table:
    """Return the memory before a set with what the core itself does before it decides."""
    memory = before.copy()
    if row >= 0 and desk.rows[row, R_ANSWER] != 0:
        core.admit(desk, memory, row)
    if out[O_KIND] == KIND_RELEASE:
        queue = desk.programmes[out[O_PROGRAMME], P_QUEUE]
        core.give_back(desk, memory, Taken(memory[queue + 2], memory[queue + 3]))
        memory[queue] = NEVER_US
    return memory


def _candidates(
    person: OnePerson, desk: Desk, ready: Table, places: Table
) -> tuple[Candidate, ...]:
    """Return the rows of a set with the memory that each was last held against."""
    rows = [person.out[place] for place in places]
    listens = [desk.programmes[row[O_PROGRAMME], P_LISTENING] == 1 for row in rows]
    taking = sorted(
        (
            row
            for row, mute in zip(rows, listens, strict=True)
            if row[O_REASON] in THROUGH and not mute
        ),
        key=lambda row: int(row[O_KEY]),
    )
    of_set = int(rows[0][O_SET])
    key = int(min(row[O_KEY] for row in rows))
    found = []
    for place, row, listening in zip(places, rows, listens, strict=True):
        p = int(row[O_PROGRAMME])
        if listening:
            awarded = [
                other for other in rows if other[O_REASON] == AWARDED and other[O_PROGRAMME] < p
            ]
            earlier, slot = [*taking, *awarded], 0
        elif row[O_REASON] in THROUGH:
            slot = int(row[O_KEY]) - key if of_set != KIND_RELEASE else 0
            earlier = taking[:slot]
        else:
            slot = min(len(taking), int(desk.slot[0]) - 1)
            earlier = taking[:slot]
        memory = ready.copy()
        for other in earlier if of_set != KIND_RELEASE else ():
            core.fold(desk, memory, Taken(int(other[O_ACTION]), int(other[O_TS])))
        touch = int(row[O_TOUCH])
        queue = desk.programmes[p, P_QUEUE]
        waits = queue >= 0 and memory[queue] != NEVER_US
        waits |= of_set == KIND_EVENT and desk.programmes[p, P_COLLECT] >= 0
        found.append(
            Candidate(
                place=int(place),
                programme=p,
                touch=touch,
                memory=memory,
                at=(int(row[O_TS]), int(row[O_KNOWN]), int(row[O_SEQ]), key + slot),
                zone=int(desk.rows[desk.touches[touch, T_ROW], R_ZONE]),
                released=of_set == KIND_RELEASE,
                waiting=bool(waits),
                reason=int(row[O_REASON]),
                action=int(memory[queue + 2] if of_set == KIND_RELEASE else row[O_ACTION]),
            )
        )
    return tuple(found)
