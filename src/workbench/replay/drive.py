"""Takes replays over the same log side by side through its windows and parts. Owns no rule.

What no decision changes (events, conditions, features, arms) is made ready once for each window of a
part; each **lane**, a replay with limits and budgets of its own, decides on it. Without budgets each
part runs through all windows by itself. With budgets the parts go through a window together, and a
window in which a budget of a lane binds is decided again by that lane from the state at its start,
with the closing fixed.
Memory: for each worker one window of one part (with budgets: one window of all parts), and for each
lane the state of all persons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import polars as pl

from workbench.decision.budgets import Ledger, Reserves
from workbench.decision.state import CoreState
from workbench.replay import part as kernel
from workbench.replay.decision_log import Stored
from workbench.replay.job import Job, LogLike
from workbench.replay.part import Outcome, PartState, Prepared
from workbench.replay.tally import Counts, Tally
from workbench.replay.windows import Window

Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass
class Lane:
    """One of the replays that run side by side.

    Attributes:
        job: Its programmes as the core reads them.
        tally: Its figures.
        ledger: What is reserved of its budgets, and where they closed.
        store: Where its decisions go; none: only figures are wanted.
        persons: The state of the persons behind the last window, part by part, with a store.
    """

    job: Job
    tally: Tally
    ledger: Ledger
    store: Stored | None = None
    persons: list[pl.DataFrame] = field(default_factory=list)

    @property
    def candidates(self) -> bool:
        """Whether there is a candidate table too."""
        return self.store is not None and self.store.candidates


@dataclass
class _Piece:
    """One window of one part, decided by one lane."""

    counts: Counts
    stored: dict[str, Any] | None


def drive(
    log: LogLike,
    lanes: Sequence[Lane],
    carried: CoreState,
    cuts: Sequence[Window],
    *,
    workers: int,
    progress: Callable[[int, int], None],
) -> None:
    """Take lanes through the windows of a log; figures, decisions and states are left in them.

    Args:
        log: The log.
        lanes: Replays whose jobs have the same columns; the first makes them ready.
        carried: The state that each begins with.
        cuts: The windows, in their order.
        workers: Parts at one time.
        progress: Called with the windows of parts done, and all of them.
    """
    driver = _Driver(log, lanes, carried, cuts, progress)
    if workers <= 1:
        driver.whole()
        return
    with ThreadPoolExecutor(workers) as driver.pool:
        driver.ahead = 2 * workers
        try:
            driver.whole()
        except BaseException:
            driver.pool.shutdown(wait=False, cancel_futures=True)
            raise


@dataclass
class _Driver:
    """Lanes on their way."""

    log: LogLike
    lanes: Sequence[Lane]
    carried: CoreState
    cuts: Sequence[Window]
    progress: Callable[[int, int], None]
    pool: Executor | None = None
    ahead: int = 0
    done: int = 0

    def whole(self) -> None:
        if any(lane.job.budgets for lane in self.lanes):
            self._together()
        else:
            self._apart()

    def _apart(self) -> None:
        """Run each part through all windows by itself."""

        def run(number: int) -> list[tuple[list[_Piece], pl.DataFrame | None]]:
            states = self._start(number)
            pieces: list[list[_Piece]] = [[] for _ in self.lanes]
            for place, window in enumerate(self.cuts):
                prepared = self._prepare(number, window, states[0])
                for k, lane in enumerate(self.lanes):
                    outcome = _decide(lane, prepared, states[k])
                    states[k] = outcome.state  # the one before is let go
                    pieces[k].append(_put_away(lane, (number, place), outcome))
            return [
                (mine, self._finish(lane, state))
                for lane, mine, state in zip(self.lanes, pieces, states, strict=True)
            ]

        for found in self._each(run, range(len(self.log.parts))):
            for lane, (pieces, frame) in zip(self.lanes, found, strict=True):
                lane.tally.add([piece.counts for piece in pieces])
                _keep(lane, pieces, frame)
            for _ in self.cuts:
                self._tell()

    def _together(self) -> None:
        """Run all parts through one window after the other, and a lane again where a budget binds."""
        numbers = range(len(self.log.parts))
        states = list(self._each(self._start, numbers))
        counts: list[list[list[Counts]]] = [[[] for _ in numbers] for _ in self.lanes]
        for place, window in enumerate(self.cuts):
            prepared = self._prepare_all(window, states)
            for k, lane in enumerate(self.lanes):
                outcomes = self._window(lane, prepared, [of_part[k] for of_part in states])
                pieces = self._put_all_away(lane, place, outcomes)
                lane.ledger.settle(Reserves.merged([each.reserves for each in outcomes]))
                _keep(lane, pieces, None)
                for number in numbers:
                    states[number][k] = outcomes[number].state
                    counts[k][number].append(pieces[number].counts)
            for _ in numbers:
                self._tell()
        for k, lane in enumerate(self.lanes):
            for of_part in counts[k]:
                lane.tally.add(of_part)
            for number in numbers:
                _keep(lane, [], self._finish(lane, states[number][k]))

    def _window(
        self, lane: Lane, prepared: Sequence[Prepared], states: Sequence[PartState]
    ) -> list[Outcome]:
        """Decide one window until no budget binds; what is closed is noted in the ledger."""
        amounts = [amount for _, amount in lane.job.budgets]
        numbers = range(len(states))
        while True:
            outcomes = list(self._each(lambda n: _decide(lane, prepared[n], states[n]), numbers))
            bound = lane.ledger.first_to_bind(
                Reserves.merged([each.reserves for each in outcomes]), amounts
            )
            if bound is None:
                return outcomes
            account, closing = bound
            lane.ledger.closings[account] = closing

    def _prepare_all(self, window: Window, states: Sequence[Sequence[PartState]]) -> list[Prepared]:
        numbers = range(len(states))
        return list(self._each(lambda n: self._prepare(n, window, states[n][0]), numbers))

    def _put_all_away(self, lane: Lane, place: int, outcomes: Sequence[Outcome]) -> list[_Piece]:
        numbers = range(len(outcomes))
        return list(self._each(lambda n: _put_away(lane, (n, place), outcomes[n]), numbers))

    def _start(self, number: int) -> list[PartState]:
        """Return the state of a part for each lane: the same persons, memories of their own."""
        first = kernel.start_part(self.log.parts[number], self.lanes[0].job, self.carried)
        others = [kernel.start_beside(first, lane.job, self.carried) for lane in self.lanes[1:]]
        return [first, *others]

    def _prepare(self, number: int, window: Window, state: PartState) -> Prepared:
        return kernel.prepare_part(
            self.log.parts[number],
            self.lanes[0].job,
            state,
            since=window.since,
            until=window.until,
        )

    @staticmethod
    def _finish(lane: Lane, state: PartState) -> pl.DataFrame | None:
        return None if lane.store is None else kernel.finish_part(state, lane.job)

    def _each(self, work: Callable[[Given], Made], given: Sequence[Given]) -> Iterator[Made]:
        """Give results in the order of what was given; ``ahead`` are under way at a time."""
        if self.pool is None:
            yield from (work(each) for each in given)
            return
        waiting: list[Future[Made]] = []
        for each in given:
            if len(waiting) >= self.ahead:
                yield waiting.pop(0).result()
            waiting.append(self.pool.submit(work, each))
        while waiting:
            yield waiting.pop(0).result()

    def _tell(self) -> None:
        self.done += 1
        self.progress(self.done, len(self.cuts) * len(self.log.parts))


def _decide(lane: Lane, prepared: Prepared, state: PartState) -> Outcome:
    return kernel.decide_part(
        prepared, lane.job, state, ledger=lane.ledger, candidates=lane.candidates
    )


def _put_away(lane: Lane, place: tuple[int, int], outcome: Outcome) -> _Piece:
    """Count what was decided and write it; several threads may do so."""
    stored = None
    if lane.store is not None:
        stored = lane.store.put(place, outcome.decisions, outcome.candidates)
    return _Piece(Counts.of(outcome), stored)


def _keep(lane: Lane, pieces: Sequence[_Piece], persons: pl.DataFrame | None) -> None:
    """Make pieces part of the decision log of a lane, and persons part of its state."""
    if lane.store is None:
        return
    for piece in pieces:
        if piece.stored is not None:
            lane.store.keep(piece.stored)
    if persons is not None:
        lane.persons.append(persons)
