"""A stored log through the decision core, to a stored decision log.

Owns what is checked before, where the log is cut and what is carried on; ``drive`` owns the way
through windows and parts. Owns no rule of any kind.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from workbench.arguments import checked
from workbench.decision.budgets import Ledger
from workbench.decision.context import LOCAL_TIME_COLUMNS
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.state import CoreState
from workbench.decision.written import written
from workbench.errors import InputError, ParameterError, problem
from workbench.files import locked
from workbench.log.schema import CONTRACT
from workbench.replay import job as jobs
from workbench.replay import windows
from workbench.replay.decision_log import (
    Stored,
    load_state,
    own_folder,
    write_manifest,
    write_state,
)
from workbench.replay.drive import Lane, drive
from workbench.replay.idle import idle_reasons
from workbench.replay.job import Job, LogLike
from workbench.replay.result import Replay, replay_result
from workbench.replay.tally import Tally
from workbench.replay.windows import EPOCH, FIRST_SEQ, Position, Window

BUDGET_WINDOWS = 8
"""Windows that a replay with budgets is cut into, so that a closing costs little."""

LEAST_ROWS = 300_000
"""Events of a part below which a cut for the sake of budgets costs more than it saves."""


@checked
def replay(
    log: LogLike,
    programmes: Sequence[Programme],
    *,
    out: str | Path | None = None,
    until: datetime | Position | None = None,
    state: CoreState | str | Path | None = None,
    candidates: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """Decide what the programmes would have done over a log, event by event.

    The core sees events in ``(known_at, seq)`` order and each one with what was known then.
    The same log, programmes and version give the same decision log, byte for byte, whatever the
    number of workers. What time brings about (a basket left, an offer after quiet hours) happens
    up to ``until`` and is otherwise kept in the state.

    Args:
        log: The stored log, from :func:`workbench.open_log`.
        programmes: From :func:`workbench.load_programmes`; their order decides ties.
        out: Folder of the decision log; none keeps the decisions in memory.
        until: Events known from this instant on are left for later (or from a ``(known_at_us,
            seq)`` on); none: up to the last event.
        state: Go on from the state of an earlier replay (``Replay.state``, or its folder):
            events that it has seen are not decided again.
        candidates: Whether to make the candidate table too: every offer that was considered.
        workers: Parts decided at one time; none: one for each processor.
        progress: Called with the pieces of work done and all pieces; a window that is decided
            again is not counted twice.

    Returns:
        The decisions, the funnel whose reasons add up to the triggers, and a sentence.

    Raises:
        ParameterError: No programme, two of one name, or ``until`` is not an instant with a zone.
        InputError: The log is out of order or cannot be read, the state belongs to other
            programmes, or ``out`` holds or touches something else.
        LockedError: Another process is writing ``out``.

    Example:
        ``replay(open_log("runs/demo/log"), load_programmes("params/programmes"), out="runs/d")``
    """
    chosen = ProgrammeSet.of(programmes)
    carried = CoreState.empty(chosen) if state is None else _state(state)
    carried = carried.checked(chosen)
    workers = workers_of(workers, log)
    end = None if until is None else _position(until)
    if end is not None and carried.position is not None and end < carried.position:
        raise ParameterError(
            "until lies before the end of what the state has seen; a replay goes forward only"
        )
    folder = None if out is None else own_folder(out, log)
    with told_as_input(), contextlib.nullcontext() if folder is None else locked(folder):
        store = Stored(folder, candidates=candidates)
        lane = lane_of(log, jobs.job_of(log, chosen), carried.ledger.copy(), store)
        cuts = cuts_of(log, carried, end, budgets=bool(lane.job.budgets))
        drive(
            log,
            [lane],
            carried,
            cuts,
            workers=workers,
            progress=progress or (lambda _done, _all: None),
        )
        after = _after(carried, lane.persons, cuts[-1].until if cuts else None, lane.ledger)
        summary = lane.tally.summary(log, lane.job.budgets, lane.ledger)
        digest = ""
        if folder is not None:
            digest = write_manifest(
                folder, store.entries(), write_state(folder, after), summary, written(chosen)
            )
        return replay_result(summary, after, store, digest=digest, rules=chosen, log=log)


def workers_of(workers: int | None, log: LogLike) -> int:
    """Return how many parts are decided at one time.

    Raises:
        ParameterError: Fewer than one were asked for.
    """
    if workers is not None and workers < 1:
        raise ParameterError(problem("workers", workers, "must be at least 1"))
    return min(workers or os.cpu_count() or 1, len(log.parts))


@contextlib.contextmanager
def told_as_input() -> Iterator[None]:
    """Say of a stored log whose bytes cannot be read that it must be made again."""
    try:
        yield
    except pl.exceptions.ComputeError as error:
        if "parquet" not in str(error).lower():
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"the stored log cannot be read ({reason}); ingest it again") from None


def lane_of(log: LogLike, job: Job, ledger: Ledger, store: Stored | None) -> Lane:
    """Return the lane of a job, with what the log lacks for each programme."""
    columns = _event_columns(log)
    idle = [
        idle_reasons(
            job.programmes,
            k,
            log.counts,
            columns,
            references=job.references,
            tables=log.tables,
        )
        for k in range(len(job.programmes))
    ]
    return Lane(job, Tally(job.programmes, idle), ledger, store)


def cuts_of(
    log: LogLike, carried: CoreState, end: Position | None, *, budgets: bool
) -> tuple[Window, ...]:
    """Return the windows to go through; none when there is nothing to see."""
    groups = [windows.groups_of(part) for part in log.parts]
    last = end or windows.behind_last(log.parts, groups)
    if last is None or (carried.position is not None and last < carried.position):
        return ()
    largest = max((sum(each.rows for each in part) for part in groups), default=0)
    least = min(BUDGET_WINDOWS, max(1, largest // LEAST_ROWS)) if budgets else 1
    return windows.windows_of(groups, carried.position, last, least=least)


def _after(
    carried: CoreState, persons: Sequence[pl.DataFrame], end: Position | None, ledger: Ledger
) -> CoreState:
    """Return the state behind the last event, after checking that no two parts share a person."""
    after = carried.updated(persons, end, ledger)
    twice = after.persons.filter(pl.col("person_id").is_duplicated())
    if twice.height:
        raise InputError(
            f"{twice['person_id'].n_unique()} persons lie in more than one part of the log, "
            "which must keep a person in one; ingest the log again"
        )
    return after


def _state(state: CoreState | str | Path) -> CoreState:
    return state if isinstance(state, CoreState) else load_state(state)


def _position(until: datetime | Position) -> Position:
    if isinstance(until, tuple):
        return until
    if until.tzinfo is None:
        raise ParameterError(problem("until", until.isoformat(), "must be an instant with a zone"))
    return (until - EPOCH) // timedelta(microseconds=1), FIRST_SEQ


def _event_columns(log: LogLike) -> frozenset[str]:
    """Return the names of the columns of the event that the log has."""
    stored = {name for part in log.parts for name in pl.read_parquet_schema(part)}
    named = frozenset(column.decoded for column in CONTRACT if column.stored in stored)
    return named | frozenset(LOCAL_TIME_COLUMNS)
