"""A stored log through the decision core: window by window, to a stored decision log.

Owns the order of work and the state that is carried. Owns no rule of any kind.

The log is cut into windows of known time and parts of persons. Without budgets each part runs
through all windows by itself. With budgets the parts go through a window together, and a window
in which a budget binds is decided again from the state saved at its start, with the closing fixed.
Memory: for each worker one window of one part, and the state of all persons.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from workbench.arguments import checked
from workbench.decision.budgets import Ledger, Reserves
from workbench.decision.context import LOCAL_TIME_COLUMNS
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.state import CoreState
from workbench.decision.written import written
from workbench.errors import InputError, ParameterError, problem
from workbench.files import locked
from workbench.log.schema import CONTRACT
from workbench.replay import job as jobs
from workbench.replay import part as kernel
from workbench.replay import windows
from workbench.replay.decision_log import (
    Stored,
    load_state,
    own_folder,
    write_manifest,
    write_state,
)
from workbench.replay.idle import idle_reasons
from workbench.replay.job import Job, LogLike
from workbench.replay.part import Outcome, PartState
from workbench.replay.result import Replay, replay_result
from workbench.replay.tally import Counts, Tally
from workbench.replay.windows import EPOCH, FIRST_SEQ, Position, Window

BUDGET_WINDOWS = 8
"""Windows that a replay with budgets is cut into, so that a closing costs little."""

LEAST_ROWS = 300_000
"""Events of a part below which a cut for the sake of budgets costs more than it saves."""

Given = TypeVar("Given")
Made = TypeVar("Made")


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
    if workers is not None and workers < 1:
        raise ParameterError(problem("workers", workers, "must be at least 1"))
    end = None if until is None else _position(until)
    if end is not None and carried.position is not None and end < carried.position:
        raise ParameterError(
            "until lies before the end of what the state has seen; a replay goes forward only"
        )
    folder = None if out is None else own_folder(out, log)
    with _told_as_input(), contextlib.nullcontext() if folder is None else locked(folder):
        run = _Run(
            log=log,
            job=jobs.job_of(log, chosen),
            carried=carried,
            store=Stored(folder, candidates=candidates),
            cuts=_cuts(log, carried, end, budgets=bool(chosen.budgets or _inventories(chosen))),
            progress=progress or (lambda _done, _all: None),
            workers=min(workers or os.cpu_count() or 1, len(log.parts)),
        )
        if run.workers <= 1:
            return run.whole()
        with ThreadPoolExecutor(run.workers) as run.pool:
            try:
                return run.whole()
            except BaseException:
                run.pool.shutdown(wait=False, cancel_futures=True)
                raise


@contextlib.contextmanager
def _told_as_input() -> Iterator[None]:
    """Say of a stored log whose bytes cannot be read that it must be made again."""
    try:
        yield
    except pl.exceptions.ComputeError as error:
        if "parquet" not in str(error).lower():
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"the stored log cannot be read ({reason}); ingest it again") from None


@dataclass
class _Piece:
    """One window of one part, decided and put away."""

    state: PartState
    reserves: Reserves
    counts: Counts
    stored: dict[str, Any]


@dataclass
class _Run:
    """One replay while it runs."""

    log: LogLike
    job: Job
    carried: CoreState
    store: Stored
    cuts: tuple[Window, ...]
    progress: Callable[[int, int], None]
    workers: int
    pool: Executor | None = None
    tally: Tally = field(init=False)
    done: int = 0

    def whole(self) -> Replay:
        """Decide everything and return the result."""
        programmes = self.job.programmes
        columns = _event_columns(self.log)
        self.tally = Tally(
            programmes,
            [
                idle_reasons(
                    programmes,
                    k,
                    self.log.counts,
                    columns,
                    references=self.job.references,
                    tables=self.log.tables,
                )
                for k in range(len(programmes))
            ],
        )
        ledger = self.carried.ledger.copy()
        persons = self._together(ledger) if self.job.budgets else self._apart(ledger)
        end = self.cuts[-1].until if self.cuts else None
        after = _after(self.carried, persons, end, ledger)
        summary = self.tally.summary(self.log, self.job.budgets, ledger)
        digest = ""
        if self.store.folder is not None:
            digest = write_manifest(
                self.store.folder,
                self.store.entries(),
                write_state(self.store.folder, after),
                summary,
                written(programmes),
            )
        return replay_result(
            summary, after, self.store, digest=digest, rules=programmes, log=self.log
        )

    def _apart(self, ledger: Ledger) -> list[pl.DataFrame]:
        """Run each part through all windows by itself."""

        def run(number: int) -> tuple[list[Counts], list[dict[str, Any]], pl.DataFrame]:
            state = self._start(number)
            counts, stored = [], []
            for place, window in enumerate(self.cuts):
                piece = self._decide(number, place, window, state, ledger)
                state = piece.state  # the one before is let go
                counts.append(piece.counts)
                stored.append(piece.stored)
            return counts, stored, kernel.finish_part(state, self.job)

        persons = []
        for counts, stored, frame in self._each(run, range(len(self.log.parts))):
            self.tally.add(counts)
            for each in stored:
                self.store.keep(each)
                self._tell()
            persons.append(frame)
        return persons

    def _together(self, ledger: Ledger) -> list[pl.DataFrame]:
        """Run all parts through one window after the other, and again where a budget binds."""
        numbers = range(len(self.log.parts))
        states = list(self._each(self._start, numbers))
        counts: list[list[Counts]] = [[] for _ in numbers]
        for place, window in enumerate(self.cuts):
            pieces = self._window(place, window, states, ledger)
            for number, piece in enumerate(pieces):
                states[number] = piece.state
                counts[number].append(piece.counts)
                self.store.keep(piece.stored)
                self._tell()
            ledger.settle(Reserves.merged([piece.reserves for piece in pieces]))
        for each in counts:
            self.tally.add(each)
        return list(self._each(lambda n: kernel.finish_part(states[n], self.job), numbers))

    def _window(
        self,
        place: int,
        window: Window,
        states: Sequence[PartState],
        ledger: Ledger,
    ) -> list[_Piece]:
        """Decide one window until no budget binds; what is closed is noted in the ledger."""
        amounts = [amount for _, amount in self.job.budgets]
        numbers = range(len(states))
        while True:
            pieces = list(
                self._each(
                    lambda n: self._decide(n, place, window, states[n], ledger),
                    numbers,
                )
            )
            bound = ledger.first_to_bind(
                Reserves.merged([piece.reserves for piece in pieces]), amounts
            )
            if bound is None:
                return pieces
            account, closing = bound
            ledger.closings[account] = closing

    def _start(self, number: int) -> PartState:
        return kernel.start_part(self.log.parts[number], self.job, self.carried)

    def _decide(
        self, number: int, place: int, window: Window, state: PartState, ledger: Ledger
    ) -> _Piece:
        outcome: Outcome = kernel.decide_part(
            self.log.parts[number],
            self.job,
            state,
            since=window.since,
            until=window.until,
            ledger=ledger,
            candidates=self.store.candidates,
        )
        return _Piece(
            outcome.state,
            outcome.reserves,
            Counts.of(outcome),
            self.store.put((number, place), outcome.decisions, outcome.candidates),
        )

    def _each(self, work: Callable[[Given], Made], given: Sequence[Given]) -> Iterator[Made]:
        """Give results in the order of what was given; ``workers`` are made at a time."""
        if self.pool is None:
            yield from (work(each) for each in given)
            return
        waiting: list[Future[Made]] = []
        for each in given:
            if len(waiting) >= 2 * self.workers:
                yield waiting.pop(0).result()
            waiting.append(self.pool.submit(work, each))
        while waiting:
            yield waiting.pop(0).result()

    def _tell(self) -> None:
        self.done += 1
        self.progress(self.done, len(self.cuts) * len(self.log.parts))


def _cuts(
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


def _inventories(programmes: ProgrammeSet) -> bool:
    return any(offer.inventory is not None for each in programmes for offer in each.offers)


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
