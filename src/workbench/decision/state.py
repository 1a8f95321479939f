"""The state between two replays: what was decided for each person, and what was known of them.

Owns its layout, its check against programmes and its way in and out of arrays. Touches no file.

Of a person's memory only the places that differ from a blank one are kept, and of what waits
(timers, collections, the queue) the anchor with the answers of its conditions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.budgets import Ledger
from workbench.decision.core import SPEC_VERSION
from workbench.decision.declared import REST_SCHEMA, rest_frame, rest_of
from workbench.decision.desk import (
    EMPTY_US,
    H_COLLECT,
    H_NEXT,
    NEVER_US,
    P_COLLECT,
    P_QUEUE,
    P_TIMER,
    R_KEY,
    R_KNOWN,
    R_SEQ,
    R_TS,
    R_WIDTH,
    R_ZONE,
    T_ROW,
    T_WIDTH,
    Table,
)
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.rolling import Plan, Rest, nothing_at_rest
from workbench.decision.rules import Rules
from workbench.errors import InputError, problem

_KEPT_OF_ROW = (R_KNOWN, R_TS, R_SEQ, R_KEY)

PERSONS_SCHEMA = pl.Schema(
    {
        "person_id": pl.String(),
        "memory_place": pl.List(pl.Int64()),
        "memory_value": pl.List(pl.Int64()),
        "pending_event_id": pl.List(pl.String()),
        "pending_zone": pl.List(pl.String()),
        "pending": pl.List(pl.Int64()),
        **REST_SCHEMA,
    }
)


class Memories(NamedTuple):
    """The memories of some persons, and the anchors of what waits.

    Attributes:
        table: Person x place; places that hold a touch point into ``touches``.
        rows: Rows of the anchors.
        touches: Their touches; ``T_ROW`` points into ``rows``.
        event_ids: Ids of the rows, null for the calendar.
        past: What features remember.
    """

    table: Table
    rows: Table
    touches: Table
    event_ids: pl.Series
    past: Rest


@dataclass(frozen=True, eq=False)
class CoreState:
    """Everything that a replay needs from the events before it.

    Attributes:
        programmes: Name and digest of each programme, in order, and of the house.
        spec_version: Version of the rules that made it.
        position: ``(known_at_us, seq)`` of the last event seen; none before the first.
        persons: One row a person (:data:`PERSONS_SCHEMA`), ascending by ``person_id``.
        ledger: What is reserved of budgets, and where they closed.
    """

    programmes: tuple[tuple[str, str], ...]
    spec_version: int
    position: tuple[int, int] | None
    persons: pl.DataFrame
    ledger: Ledger = field(default_factory=Ledger.empty)

    @classmethod
    def empty(cls, programmes: Sequence[Programme]) -> CoreState:
        """Return the state before the first event."""
        return cls(identities(programmes), SPEC_VERSION, None, pl.DataFrame(schema=PERSONS_SCHEMA))

    def checked(self, programmes: Sequence[Programme]) -> CoreState:
        """Return the state itself when it belongs to the programmes.

        Raises:
            InputError: It was made by another version of the rules or by other programmes.
        """
        if self.spec_version != SPEC_VERSION:
            raise InputError(
                problem(
                    "spec_version of the state",
                    self.spec_version,
                    f"must be {SPEC_VERSION}: replay from the start",
                )
            )
        wanted = identities(programmes)
        if self.programmes != wanted:
            raise InputError(
                f"the state was saved by {_named(self.programmes)}, must be by "
                f"{_named(wanted)}: replay from the start"
            )
        return self

    def memories(
        self, person_ids: pl.Series, rules: Rules, zones: Sequence[str], plan: Plan
    ) -> Memories:
        """Return the memories of persons, in their order; those not yet seen are blank."""
        count = len(person_ids)
        table = np.tile(rules.blank, (count, 1))
        rows, touches = np.zeros((0, R_WIDTH), np.int64), np.zeros((0, T_WIDTH), np.int64)
        event_ids = pl.Series("event_id", [], dtype=pl.String)
        if self.persons.is_empty() or not count:
            return Memories(table, rows, touches, event_ids, nothing_at_rest(plan, count))
        wanted = pl.DataFrame({"person_id": person_ids})
        joined = wanted.join(self.persons, on="person_id", how="left", maintain_order="left")
        joined = joined.with_row_index("owner")
        seen = joined.filter(pl.col("anchor_day").is_not_null())
        cells = seen.select("owner", "memory_place", "memory_value").filter(
            pl.col("memory_place").list.len() > 0
        )
        cells = cells.explode("memory_place", "memory_value").filter(
            pl.col("memory_place") < len(rules.blank)
        )
        owner, place = cells["owner"].to_numpy(), cells["memory_place"].to_numpy()
        table[owner, place] = cells["memory_value"].to_numpy()
        pending = seen.select("owner", "pending_event_id", "pending_zone", "pending")
        pending = pending.filter(pl.col("pending_event_id").list.len() > 0)
        if pending.height:
            width = len(_KEPT_OF_ROW) + T_WIDTH
            flat = np.array(pending["pending"].explode(), np.int64).reshape(-1, width)
            rows = np.zeros((len(flat), R_WIDTH), np.int64)
            rows[:, _KEPT_OF_ROW] = flat[:, : len(_KEPT_OF_ROW)]
            names = pending["pending_zone"].explode().to_list()
            code = {name: k for k, name in enumerate(zones)}
            rows[:, R_ZONE] = [-1 if name is None else code.get(name, -1) for name in names]
            touches = flat[:, len(_KEPT_OF_ROW) :].copy()
            touches[:, T_ROW] = np.arange(len(touches))
            event_ids = pending["pending_event_id"].explode().alias("event_id")
            starts = np.zeros(count, np.int64)
            lengths = pending["pending_event_id"].list.len().to_numpy().astype(np.int64)
            starts[pending["owner"].to_numpy()] = np.cumsum(lengths) - lengths
            for at in rules.touch_places:
                held = table[:, at] >= 0
                table[held, at] += starts[held]
        refresh_all(table, rules)
        return Memories(table, rows, touches, event_ids, rest_of(plan, joined))

    def updated(
        self,
        persons: Sequence[pl.DataFrame],
        position: tuple[int, int] | None,
        ledger: Ledger | None = None,
    ) -> CoreState:
        """Return the state after a replay: those persons replaced, all others kept."""
        fresh = pl.concat([pl.DataFrame(schema=PERSONS_SCHEMA), *persons])
        kept = self.persons.join(fresh.select("person_id"), on="person_id", how="anti")
        return CoreState(
            self.programmes,
            self.spec_version,
            position if position is not None else self.position,
            pl.concat([kept, fresh]).sort("person_id"),
            self.ledger if ledger is None else ledger,
        )


def _settled(memories: Table, programmes: Table, blank: NDArray[np.int64]) -> None:
    """Blank what nothing waits for any more, so that equal states are equal."""
    for memory in memories:
        for row in programmes:
            timer, held, queue = row[P_TIMER], row[P_COLLECT], row[P_QUEUE]
            if timer >= 0 and memory[timer] == NEVER_US:
                memory[timer + 1], memory[timer + 2] = EMPTY_US, -1
            if held >= 0 and memory[held] < 0:
                memory[held] = -1
            if queue >= 0 and memory[queue] == NEVER_US:
                for place in range(queue, queue + 5):
                    memory[place] = blank[place]


_settled_compiled = numba.njit(cache=True, nogil=True)(_settled)


def refresh_all(memories: Table, rules: Rules) -> None:
    """Find for each person the earliest instant at which time causes something."""
    due = memories[:, H_COLLECT].copy()
    for row in rules.programmes:
        for at in (row[P_TIMER], row[P_QUEUE]):
            if at >= 0:
                np.minimum(due, memories[:, at], out=due)
    memories[:, H_NEXT] = due


def pruned(memories: Memories, rules: Rules) -> Memories:
    """Return the same with only those anchors for which something waits; the table is used up."""
    _settled_compiled(memories.table, rules.programmes, rules.blank)
    return compact(memories, rules)


def compact(memories: Memories, rules: Rules) -> Memories:
    """Return memories that are settled with only those anchors for which something waits."""
    table = memories.table
    if not len(rules.touch_places):
        return Memories(
            table, memories.rows[:0], memories.touches[:0], memories.event_ids[:0], memories.past
        )
    held = table[:, rules.touch_places]
    waits = np.zeros(len(memories.touches), dtype=bool)
    waits[held[held >= 0]] = True
    kept = np.flatnonzero(waits)
    if len(kept) < len(waits):
        held[held >= 0] = (np.cumsum(waits) - 1)[held[held >= 0]]
        table[:, rules.touch_places] = held
    touches = memories.touches[kept].copy()
    rows = memories.rows[touches[:, T_ROW]]
    ids = memories.event_ids.gather(touches[:, T_ROW])
    touches[:, T_ROW] = np.arange(len(touches))
    return Memories(table, rows, touches, ids, memories.past)


def persons_frame(
    person_ids: pl.Series, memories: Memories, rules: Rules, zones: Sequence[str]
) -> pl.DataFrame:
    """Return persons as rows of a state; the memories are pruned."""
    count = len(person_ids)
    table = memories.table.copy()
    table[:, H_NEXT] = rules.blank[H_NEXT]
    frame = pl.DataFrame({"person_id": person_ids}).with_row_index("owner")
    frame = frame.with_columns(pl.col("owner").cast(pl.Int64))
    owner, at = np.nonzero(table[:, rules.touch_places] >= 0)
    touch = table[owner, rules.touch_places[at]] if len(owner) else np.zeros(0, np.int64)
    first = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(owner, minlength=count), out=first[1:])
    if len(owner):
        table[owner, rules.touch_places[at]] = np.arange(len(owner)) - first[owner]
    rows, touches = memories.rows[memories.touches[touch, T_ROW]], memories.touches[touch].copy()
    touches[:, T_ROW] = 0
    flat = np.hstack([rows[:, _KEPT_OF_ROW], touches])
    named = np.array([*zones, None], dtype=object)
    pending = (
        pl.DataFrame(
            {
                "owner": owner.astype(np.int64),
                "pending_event_id": memories.event_ids.gather(memories.touches[touch, T_ROW]),
                "pending_zone": pl.Series(named[rows[:, R_ZONE]].tolist(), dtype=pl.String),
                "pending": pl.Series(flat, dtype=pl.Array(pl.Int64, flat.shape[1])).cast(
                    pl.List(pl.Int64)
                )
                if len(flat)
                else pl.Series([], dtype=pl.List(pl.Int64)),
            }
        )
        .group_by("owner", maintain_order=True)
        .agg("pending_event_id", "pending_zone", pl.col("pending").explode())
    )
    person, place = np.nonzero(table != rules.blank)
    cells = (
        pl.DataFrame(
            {
                "owner": person.astype(np.int64),
                "memory_place": place,
                "memory_value": table[person, place],
            }
        )
        .group_by("owner", maintain_order=True)
        .agg("memory_place", "memory_value")
    )
    past = rest_frame(memories.past)
    lists = ("memory_place", "memory_value", "pending_event_id", "pending_zone", "pending")
    whole = pl.concat([frame, past], how="horizontal")
    for other in (cells, pending):
        whole = whole.join(other, on="owner", how="left", maintain_order="left")
    return whole.with_columns(
        pl.col(name).fill_null(pl.lit([], dtype=PERSONS_SCHEMA[name])) for name in lists
    ).select(PERSONS_SCHEMA.names())


def identities(programmes: Sequence[Programme]) -> tuple[tuple[str, str], ...]:
    """Return name and digest of programmes, in their order, and of the house."""
    made = ProgrammeSet.of(programmes)
    return (*((each.name, each.digest) for each in made), ("house", made.house.digest))


def _named(programmes: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} (digest {digest[:12]})" for name, digest in programmes)
