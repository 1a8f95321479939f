"""One window of one part of a log through the core: prepare, decide, and what comes out.

``prepare_part`` makes the columns that no decision changes, once (``read_part`` its first half: events
and features); ``decide_part`` takes them through the core, as often as limits or closings differ.
Owns no rule: conditions, features and limits come from ``decision``. A person is wholly in one part,
so parts share nothing but the closings of budgets, which are given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.buckets import fnv1a32_column
from workbench.decision import core
from workbench.decision.assignment import holdout_columns
from workbench.decision.budgets import Ledger, Reserves
from workbench.decision.consent import Consent, consent_arrays
from workbench.decision.core import SLOTS
from workbench.decision.desk import (
    C_OUT,
    C_REFUSED_ANSWERS,
    C_WIDTH,
    H_SINCE,
    L_WIDTH,
    NEVER_US,
    O_KEY,
    O_KNOWN,
    O_PROGRAMME,
    O_SEQ,
    O_WIDTH,
    P_FIRST_ACTION,
    P_LAST_ACTION,
    T_PROGRAMME,
    T_ROW,
    W_WIDTH,
    Desk,
    Table,
    nothing_given,
)
from workbench.decision.grouping import grouped
from workbench.decision.rolling import Rest
from workbench.decision.rules import Rules
from workbench.decision.state import CoreState, Memories, persons_frame, pruned
from workbench.replay import events, touches
from workbench.replay.decided import (
    DECISIONS_SCHEMA,
    Decided,
    candidates_frame,
    decisions_frame,
    rows_frame,
)
from workbench.replay.events import Part
from workbench.replay.job import Job
from workbench.replay.reserves import closings_table, reserves_of
from workbench.replay.windows import Position

__all__ = [
    "DECISIONS_SCHEMA",
    "Outcome",
    "PartState",
    "Prepared",
    "Read",
    "decide_part",
    "finish_part",
    "prepare_part",
    "prepare_read",
    "read_part",
    "start_beside",
    "start_part",
]


Given = tuple[Table, NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class PartState:
    """The persons of a part, and what is remembered of them.

    Attributes:
        codes: Their codes, ascending.
        ids: Their ids.
        memories: What is remembered.
        consent: What is known of their consent.
        keys: What orders them at one instant.
        held: Whether each is in the global hold-out.
        measured: Whether each is in the group that it is compared with.
        units: By programme and person the part and the arm of those assigned as customers.
        local_of: Row of a person by its code.
    """

    codes: NDArray[np.int64]
    ids: pl.Series
    memories: Memories
    consent: Consent
    keys: NDArray[np.int64]
    held: NDArray[np.bool_]
    measured: NDArray[np.bool_]
    units: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]
    local_of: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Read:
    """One window of one part, read: events and ticks in their order, with their features.

    Attributes:
        events: Events of the window, of every type.
        until_us: Where the window ends.
        frame: Those that matter, and the ticks of the calendar.
        local: Row of the person of each.
        figures: Features of each.
        known_since: From when on each person is known.
        past: What features remember behind the window.
    """

    events: int
    until_us: int
    frame: pl.DataFrame
    local: NDArray[np.int32]
    figures: NDArray[np.int64]
    known_since: NDArray[np.int64]
    past: Rest


@dataclass(frozen=True, eq=False)
class Prepared:
    """One window of one part, evaluated: what no decision changes.

    Attributes:
        events: Events of the window, of every type.
        until_us: Where the window ends.
        seen: The events as rows and touches.
        event_ids: Ids of the rows, null for the calendar.
        starts: Where a person's rows begin in ``order``.
        order: Rows that mean anything, person by person.
        known_since: From when on each person is known.
        past: What features remember behind the window.
    """

    events: int
    until_us: int
    seen: touches.Seen
    event_ids: pl.Series
    starts: NDArray[np.int64]
    order: NDArray[np.int64]
    known_since: NDArray[np.int64]
    past: Rest


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one window of one part gave.

    Attributes:
        made: The decisions, in the order of the core.
        with_candidates: Whether every offer that was considered was written down.
        reserves: What they reserved of budgets.
        events: Events of the window, of every type.
        counts: Counters by position of the programme: ``considered`` events of the trigger's type,
            ``unknown`` trigger conditions, ``triggered`` candidates.
        responses_not_admitted: Responses to decisions that were not made.
        state: The persons behind the window.
    """

    made: Decided
    with_candidates: bool
    reserves: Reserves
    events: int
    counts: dict[str, dict[int, int]]
    responses_not_admitted: int
    state: PartState

    @cached_property
    def rows(self) -> pl.DataFrame:
        """The decisions by codes, in the order of the core."""
        return rows_frame(self.made)

    @cached_property
    def placed(self) -> NDArray[np.int64]:
        """For each row of the decision log its place in the order of the core."""
        out = self.made.out
        kind = out[:, O_KEY] // SLOTS
        return np.lexsort((out[:, O_PROGRAMME], kind, out[:, O_SEQ], out[:, O_KNOWN]))

    @cached_property
    def decided(self) -> Decided:
        """The decisions, in the order of the decision log."""
        return replace(self.made, out=self.made.out[self.placed])

    @cached_property
    def decisions(self) -> pl.DataFrame:
        """Rows of the decision log, in their order."""
        return decisions_frame(self.decided)

    @property
    def candidates(self) -> pl.DataFrame | None:
        """Rows of the candidate table, or none."""
        if not self.with_candidates:
            return None
        return candidates_frame(self.decided, self.placed, self.decisions)


def start_part(part: Part, job: Job, carried: CoreState) -> PartState:
    """Return the persons of a part with what is remembered of them."""
    unique = events.scan(part).select(pl.col("person").unique().sort()).collect()["person"]
    codes = np.array(unique.drop_nulls(), dtype=np.int64)
    codes = codes[(codes >= 0) & (codes < len(job.person_ids))]
    ids = job.person_ids.gather(codes).alias("person_id")
    local_of = np.zeros(len(job.person_ids), dtype=np.int32)
    local_of[codes] = np.arange(len(codes), dtype=np.int32)
    held, measured = holdout_columns(job.programmes.house.holdout, ids)
    channels = job.rules.channels
    table = job.consent if touches.needs_consent(job) else None
    return PartState(
        codes=codes,
        ids=ids,
        memories=carried.memories(ids, job.rules, job.zones, job.features.plan),
        consent=consent_arrays(table, ids, channels, zone=job.zones[0]),
        keys=np.array(fnv1a32_column(ids), dtype=np.int64),
        held=held,
        measured=measured,
        units=touches.units_of(job.programmes, ids),
        local_of=local_of,
    )


def start_beside(state: PartState, job: Job, carried: CoreState) -> PartState:
    """Return the same persons as another replay of the same columns begins with them."""
    memories = carried.memories(state.ids, job.rules, job.zones, job.features.plan)
    return replace(state, memories=memories)


def prepare_part(
    part: Part, job: Job, state: PartState, *, since: Position | None, until: Position
) -> Prepared:
    """Evaluate one window of a part: everything that no decision changes.

    What it gives holds for every replay whose programmes have the same
    :func:`workbench.replay.job.columns_key`, whatever their limits and budgets are.

    Raises:
        InputError: The part is not in ``(known_at, seq)`` order, has an event that was known before
            it happened, or names a person without id.
    """
    return prepare_read(read_part(part, job, state, since=since, until=until), job, state)


def read_part(
    part: Part, job: Job, state: PartState, *, since: Position | None, until: Position
) -> Read:
    """Read one window of a part, add the ticks of the calendar, and compute the features.

    Raises:
        InputError: As :func:`prepare_part`.
    """
    count, frame, first = events.read_events(part, job, since, until)
    events.check_events(frame, events.name_of(part), len(job.person_ids))
    known = state.memories.table[:, H_SINCE]
    if first is not None:
        known = known.copy()
        person = np.searchsorted(state.codes, first["person"].to_numpy())
        new = np.asarray(first["since"], dtype=np.int64)
        known[person] = np.where(known[person] < -NEVER_US // 2, new, known[person])
        start = np.where(known < -NEVER_US // 2, NEVER_US, known)
        ticks = events.ticks_of(
            job, state.codes, start, (None if since is None else since[0], until[0])
        )
        frame = _with_ticks(frame, ticks)
    local = state.local_of[frame["person"].to_numpy()]
    figures, past = events.feature_values(frame, local, state.memories.past, job)
    return Read(count, until[0], frame, local, figures, known, past)


def prepare_read(read: Read, job: Job, state: PartState) -> Prepared:
    """Evaluate the conditions over a window that was read."""
    seen = touches.touches_of(read.frame, read.local, read.figures, job, state)
    starts, order = grouped(read.local[seen.keep].astype(np.int64), len(state.codes))
    return Prepared(
        events=read.events,
        until_us=read.until_us,
        seen=seen,
        event_ids=read.frame["event_id"],
        starts=starts,
        order=seen.keep[order],
        known_since=read.known_since,
        past=read.past,
    )


def decide_part(
    prepared: Prepared,
    job: Job,
    state: PartState,
    *,
    ledger: Ledger,
    candidates: bool,
    given: Given | None = None,
) -> Outcome:
    """Take a prepared window of a part through the core; what is given is not changed.

    Args:
        prepared: The window.
        job: The replay.
        state: The persons before it.
        ledger: The closings of budgets.
        candidates: Whether every offer that is considered is written down.
        given: Decisions x ``G_`` that memories follow in the place of those made here, and where
            each person's begin.
    """
    before, seen = state.memories, prepared.seen
    table = before.table.copy()
    table[:, H_SINCE] = prepared.known_since
    rows, all_touches = seen.rows, seen.touches
    if len(before.touches):
        rows, all_touches = _behind(before, seen)
    ids = pl.concat([before.event_ids, prepared.event_ids])
    desk = desk_of(job, state, rows, all_touches, ledger, candidates=candidates)
    if given is not None:
        kept = np.zeros(table.shape[1], dtype=np.int64)
        desk = desk._replace(given=given[0], given_start=given[1], kept=kept)
    order = prepared.order + len(before.rows)
    core.run_compiled(desk, table, prepared.starts, order, prepared.until_us)
    after = pruned(Memories(table, rows, all_touches, ids, prepared.past), job.rules)
    out = desk.out[: desk.counts[C_OUT]]
    made = Decided(
        out,
        desk,
        ids,
        state.ids,
        state.codes,
        state.measured,
        job.rules,
        job.programmes,
        job.zones,
    )
    triggered = np.bincount(out[:, O_PROGRAMME], minlength=len(job.programmes))
    return Outcome(
        made=made,
        with_candidates=candidates,
        reserves=reserves_of(out, job.rules, job.zone_table, job.changes),
        events=prepared.events,
        counts={
            "considered": seen.considered,
            "unknown": seen.unknown,
            "triggered": dict(enumerate(triggered.tolist())),
        },
        responses_not_admitted=int(desk.counts[C_REFUSED_ANSWERS]),
        state=replace(state, memories=after),
    )


def _behind(before: Memories, seen: touches.Seen) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and touches of a window behind those of what waits."""
    rows = np.vstack([before.rows, seen.rows])
    rows[len(before.rows) :, touches.RANGE] += len(before.touches)
    both = np.vstack([before.touches, seen.touches])
    both[len(before.touches) :, T_ROW] += len(before.rows)
    return rows, both


def finish_part(state: PartState, job: Job) -> pl.DataFrame:
    """Return the persons of a part as rows of ``CoreState.persons``."""
    return persons_frame(state.ids, state.memories, job.rules, job.zones)


def desk_of(
    job: Job,
    state: PartState,
    rows: NDArray[np.int64],
    all_touches: NDArray[np.int64],
    ledger: Ledger,
    *,
    candidates: bool,
) -> Desk:
    """Lay out rules, events and room for what comes out."""
    rules, consent = job.rules, state.consent
    widths = rules.programmes[:, P_LAST_ACTION] - rules.programmes[:, P_FIRST_ACTION]
    per_touch = widths[all_touches[:, T_PROGRAMME]]
    drawn = rules.stochastic[all_touches[:, T_PROGRAMME]]
    closing_of, closings = closings_table(ledger, rules, job.zone_table, job.changes)
    return Desk(
        **rule_tables(rules),
        zones=job.zone_table,
        changes=job.changes,
        rows=rows,
        touches=all_touches,
        consent_of=np.arange(len(state.codes), dtype=np.int64),
        consent_start=consent.start,
        consent_at=consent.at_us,
        consent_value=consent.value.astype(np.int64),
        closing_of=closing_of,
        closings=closings,
        person_keys=state.keys,
        out=np.empty((2 * len(all_touches) + 1, O_WIDTH), dtype=np.int64),
        shares=np.zeros(2 * int(per_touch[drawn].sum()) + 64, dtype=np.int64),
        looks=np.full((2 * int(per_touch.sum()) if candidates else 0, L_WIDTH), -1, dtype=np.int64),
        counts=np.zeros(C_WIDTH, dtype=np.int64),
        work=np.zeros((len(rules.programmes) + 1, W_WIDTH), dtype=np.int64),
        **nothing_given(),
    )


def rule_tables(rules: Rules) -> dict[str, Any]:
    """Return the tables of the rules by the names of the desk."""
    names = ("programmes", "actions", "meters", "lists", "scores", "weights", "draws", "slot")
    return {name: getattr(rules, name) for name in names}


def _with_ticks(frame: pl.DataFrame, ticks: pl.DataFrame) -> pl.DataFrame:
    """Return events and ticks in their order: a tick behind the events of its instant."""
    if ticks.is_empty():
        return frame
    shared = {name: frame.schema[name] for name in ticks.columns if name in frame.schema}
    same = ticks.with_columns(pl.col(name).cast(dtype) for name, dtype in shared.items())
    both = pl.concat([frame, same], how="diagonal")
    return both.with_columns(late=pl.col("type") == events.TICK).sort(
        "known_at_us", "late", maintain_order=True
    )
