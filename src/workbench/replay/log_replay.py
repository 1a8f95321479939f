"""A stored log through the decision core: part by part, to a stored decision log.

Owns the order of work and the state that is carried. Owns no rule of any kind.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from workbench.arguments import checked
from workbench.decision.context import LOCAL_TIME_COLUMNS
from workbench.decision.features import SOURCE_EVENT
from workbench.decision.plan import Plan, idle_reasons, plans_of
from workbench.decision.programme import Programme
from workbench.decision.state import CoreState
from workbench.errors import InputError, ParameterError, problem
from workbench.files import locked
from workbench.log.schema import CONTRACT
from workbench.replay.decision_log import load_state, write_manifest, write_part, write_state
from workbench.replay.job import Job, LogLike, Position, job_of
from workbench.replay.part import Outcome, decide_part
from workbench.replay.result import Replay, replay_result
from workbench.replay.tally import Tally

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_SEQ = -(1 << 62)


@checked
def replay(
    log: LogLike,
    programmes: Sequence[Programme],
    *,
    out: str | Path | None = None,
    until: datetime | Position | None = None,
    state: CoreState | str | Path | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """Decide what the programmes would have done over a log, event by event.

    The core sees events in ``(known_at, seq)`` order and each one with what was known then.
    The same log, programmes and version give the same decision log, byte for byte.

    Args:
        log: The stored log, from :func:`workbench.open_log`.
        programmes: From :func:`workbench.load_programmes`; their order decides ties.
        out: Folder of the decision log; none keeps the decisions in memory.
        until: Events known from this instant on are left for later (or from a ``(known_at_us,
            seq)`` on); none: all events.
        state: Go on from the state of an earlier replay (``Replay.state``, or its folder):
            events that it has seen are not decided again.
        workers: Parts decided at one time; none: one for each processor.
        progress: Called with the number of parts done and of all parts.

    Returns:
        The decisions, the funnel whose reasons add up to the triggers, and a sentence.

    Raises:
        ParameterError: No programme, two of one name, or ``until`` is not an instant with a zone.
        InputError: The log is out of order, or the state belongs to other programmes.
        LockedError: Another process is writing ``out``.

    Example:
        ``replay(open_log("runs/demo/log"), load_programmes("params/programmes"), out="runs/d")``
    """
    plans = plans_of(programmes)
    carried = CoreState.empty(programmes) if state is None else _state(state)
    carried = carried.checked(programmes)
    if workers is not None and workers < 1:
        raise ParameterError(problem("workers", workers, "must be at least 1"))
    end = None if until is None else _position(until)
    if end is not None and carried.position is not None and end < carried.position:
        raise ParameterError(
            "until lies before the end of what the state has seen; a replay goes forward only"
        )
    job = job_of(log, plans, carried.position, end)
    folder = None if out is None else Path(out)
    with contextlib.nullcontext() if folder is None else locked(folder):
        return _run(log, job, carried, end=end, folder=folder, workers=workers, progress=progress)


def _run(
    log: LogLike,
    job: Job,
    carried: CoreState,
    *,
    end: Position | None,
    folder: Path | None,
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> Replay:
    kept: list[pl.DataFrame] = []
    entries = []
    persons: list[pl.DataFrame] = []
    position = end
    tally = Tally.of(job.plans, [_idle(log, plan) for plan in job.plans])
    for number, outcome in enumerate(_outcomes(log.parts, job, carried, workers)):
        tally.add(outcome)
        persons.append(outcome.persons)
        if end is None and outcome.position is not None:
            position = max(position or outcome.position, outcome.position)
        if folder is None:
            kept.append(outcome.decisions)
        else:
            entries.append(write_part(folder, number, outcome.decisions))
        if progress is not None:
            progress(number + 1, len(log.parts))
    after = _after(carried, persons, position)
    summary = tally.summary(log)
    digest = ""
    if folder is not None:
        digest = write_manifest(folder, entries, write_state(folder, after), summary)
    paths = tuple(folder / entry["file"] for entry in entries) if folder is not None else ()
    return replay_result(summary, after, tuple(kept), paths, digest=digest)


def _outcomes(
    parts: Sequence[Path], job: Job, carried: CoreState, workers: int | None
) -> Iterator[Outcome]:
    """Decide parts, several at one time, and give their outcomes in the order of the parts."""
    count = min(workers or os.cpu_count() or 1, len(parts))
    if count <= 1:
        yield from (decide_part(part, job, carried) for part in parts)
        return
    with ThreadPoolExecutor(count) as pool:
        waiting = [pool.submit(decide_part, part, job, carried) for part in parts[:count]]
        for following in [*parts[count:], *([None] * count)]:
            yield waiting.pop(0).result()
            if following is not None:
                waiting.append(pool.submit(decide_part, following, job, carried))


def _after(
    carried: CoreState, persons: Sequence[pl.DataFrame], position: Position | None
) -> CoreState:
    """Return the state behind the last event, after checking that no two parts share a person."""
    after = carried.updated(persons, position)
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
    return (until - _EPOCH) // timedelta(microseconds=1), _FIRST_SEQ


def _idle(log: LogLike, plan: Plan) -> tuple[str, ...]:
    """Return what the programme needs and the log does not have."""
    stored = {name for part in log.parts for name in pl.read_parquet_schema(part)}
    columns = frozenset(column.decoded for column in CONTRACT if column.stored in stored)
    return idle_reasons(plan, log.counts, columns | set(LOCAL_TIME_COLUMNS), SOURCE_EVENT)
