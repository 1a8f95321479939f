"""Events of a window as the rows and touches of the core: conditions, arms and draws as columns.

Owns the filling of the ``R_`` and ``T_`` tables. Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.assignment import (
    assigned_column,
    draw_32_column,
    ghosts_column,
    key_column,
)
from workbench.decision.desk import (
    KINDS,
    R_ANSWER,
    R_ANSWER_KEY,
    R_ANSWER_KIND,
    R_ANSWER_PROGRAMME,
    R_ANSWER_TS,
    R_FIRST,
    R_KEY,
    R_KNOWN,
    R_LAST,
    R_SEQ,
    R_TICK,
    R_TS,
    R_WIDTH,
    R_ZONE,
    T_ARM,
    T_AUDIENCE,
    T_DRAW,
    T_GHOST,
    T_LEVEL,
    T_NULL,
    T_PART,
    T_PROGRAMME,
    T_ROLE,
    T_ROW,
    T_SUPPRESS,
    T_TS,
    T_WIDTH,
    T_WORDS,
    T_YES,
)
from workbench.decision.grouping import grouped
from workbench.decision.house import ProgrammeSet
from workbench.decision.plan import Role, constants_of, touched
from workbench.decision.rules import RESPONSES
from workbench.log.schema import INSTANT
from workbench.replay import events
from workbench.replay.job import Job, core_zones

if TYPE_CHECKING:
    from workbench.replay.part import PartState

RANGE = slice(R_FIRST, R_LAST + 1)
_ANSWER_COLUMNS = {
    "audience": T_AUDIENCE,
    "suppress": T_SUPPRESS,
    "yes": T_YES,
    "null": T_NULL,
    "level": T_LEVEL,
    "words": T_WORDS,
}
Units = dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]


@dataclass(frozen=True, eq=False)
class Seen:
    """A window as the core sees it.

    Attributes:
        rows: Events and ticks x ``R_``.
        touches: Touches x ``T_``, those of a row together.
        keep: The rows that mean anything.
        considered: By programme, events of the trigger's type.
        unknown: By programme, events whose trigger condition is not known.
    """

    rows: NDArray[np.int64]
    touches: NDArray[np.int64]
    keep: NDArray[np.int64]
    considered: dict[int, int]
    unknown: dict[int, int]


def needs_consent(job: Job) -> bool:
    """Say whether any programme asks for consent."""
    return any(each.consent == "required" for each in job.programmes)


def units_of(programmes: ProgrammeSet, ids: pl.Series) -> Units:
    """Return the part and the arm of every person, by programme assigned to customers."""
    found: Units = {}
    known: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
    for p, programme in enumerate(programmes):
        if programme.experiment.unit == "customer":
            digest = programme.experiment.digest
            if digest not in known:
                known[digest] = assigned_column(programme.experiment, ids)
            found[p] = known[digest]
    return found


def touches_of(
    frame: pl.DataFrame,
    local: NDArray[np.int32],
    values: NDArray[np.int64],
    job: Job,
    state: PartState,
) -> Seen:
    """Evaluate the conditions over a window and fill the tables.

    Args:
        frame: Events and ticks, in their order.
        local: Row of the person of each.
        values: Features of each.
        job: The replay.
        state: The persons.
    """
    rows = _rows(frame, job)
    considered = dict.fromkeys(range(len(job.programmes)), 0)
    unknown = dict(considered)
    found: list[tuple[Role, pl.DataFrame]] = []
    types = frame["type"].to_numpy()
    for name in dict.fromkeys(role.type for role in job.roles):
        roles = [role for role in job.roles if role.type == name]
        code = events.TICK if name == "" else job.type_codes.get(name, -2)
        mine = np.flatnonzero(types == code)
        if not len(mine):
            continue
        names = frozenset(each for role in roles for each in role.columns)
        needed = job.references.stored(names - set(job.features.names)) | {"type"}
        of_type = frame.select(name for name in frame.columns if name in needed)
        of_type = of_type if len(mine) == frame.height else of_type[mine]
        several, not_known = touched(
            events.context_of(of_type, values, mine, names, job),
            roles,
            lambda role, at: moved(frame, values, job, role, at),
        )
        if code == events.TICK:
            several = _of_calendar(several, frame, job)
        found.extend(several)
        unknown.update(not_known)
        for p in {role.position for role in roles if role.role == 0}:
            considered[p] += len(mine)
    found.sort(key=lambda each: (each[0].position, -each[0].role))
    tables = [_touches(role, answers, frame, rows, local, job, state) for role, answers in found]
    whole = np.vstack([np.zeros((0, T_WIDTH), np.int64), *tables])
    starts, order = grouped(whole[:, T_ROW], frame.height)
    whole = whole[order]
    rows[:, R_FIRST], rows[:, R_LAST] = starts[:-1], starts[1:]
    if job.answers:
        fires = np.zeros(frame.height, dtype=bool)
        for role, answers in found:
            if role.answers:
                fires[answers["row"].to_numpy()] = True
        firing = np.flatnonzero(fires)
        rows[firing, R_KEY] = _keys(frame, firing, job)
    keep = np.flatnonzero((starts[1:] > starts[:-1]) | (rows[:, R_ANSWER] != 0))
    return Seen(rows, whole, keep, considered, unknown)


def _of_calendar(
    several: list[tuple[Role, pl.DataFrame]], frame: pl.DataFrame, job: Job
) -> list[tuple[Role, pl.DataFrame]]:
    """Leave each broadcast the instants at which it goes out."""
    bits = frame[events.CALENDAR].fill_null(0).to_numpy()
    place = {role.position: k for k, role in enumerate(job.broadcasts)}
    return [
        (
            role,
            rows.filter(pl.Series(bits[rows["row"].to_numpy()] >> place[role.position] & 1 == 1)),
        )
        for role, rows in several
    ]


def _rows(frame: pl.DataFrame, job: Job) -> NDArray[np.int64]:
    rows = np.zeros((frame.height, R_WIDTH), dtype=np.int64)
    rows[:, R_KNOWN] = frame["known_at_us"].to_numpy()
    rows[:, R_TS] = frame["ts_us"].to_numpy()
    rows[:, R_SEQ] = frame["seq"].to_numpy()
    rows[:, R_ZONE] = core_zones(job.references.own_zones(frame))
    rows[:, R_TICK] = (frame["type"] == events.TICK).to_numpy()
    if not job.answers:
        return rows
    codes = [job.type_codes[name] for name in RESPONSES if name in job.type_codes]
    responses = frame["type"].is_in(codes) & frame["decision_id"].is_not_null()
    at = np.flatnonzero(responses.to_numpy())
    if not len(at):
        return rows
    what = {job.type_codes[name]: k for name, k in RESPONSES.items() if name in job.type_codes}
    kinds = frame["type"].gather(at).replace_strict(what, default=0, return_dtype=pl.Int64)
    rows[at, R_ANSWER] = kinds.to_numpy()
    answered = answers_of(frame["decision_id"].gather(at), [p.name for p in job.programmes])
    columns = (R_ANSWER_PROGRAMME, R_ANSWER_KIND, R_ANSWER_TS, R_ANSWER_KEY)
    for column, values in zip(columns, answered, strict=True):
        rows[at, column] = values
    return rows


def _keys(frame: pl.DataFrame, at: NDArray[np.int64], job: Job) -> NDArray[np.int64]:
    """Return the keys of anchors, by which responses find their decisions."""
    person = job.person_ids.gather(frame["person"].gather(at).cast(pl.UInt32))
    anchor = frame["event_id"].gather(at)
    return key_column(anchor.zip_with(anchor.is_not_null(), person))


def answers_of(decision_ids: pl.Series, programmes: list[str]) -> tuple[NDArray[np.int64], ...]:
    """Return programme (-1: none of them), kind, instant and anchor's key of decision ids."""
    parts = (
        decision_ids.to_frame("id")
        .select(
            pl.col("id")
            .str.splitn(":", 4)
            .struct.rename_fields(["p", "kind", "ts", "rest"])
            .alias("x")
        )
        .unnest("x")
    )
    ts = parts["ts"].cast(pl.Int64, strict=False)
    kind = parts["kind"].replace_strict(
        {name: k for k, name in enumerate(KINDS)}, default=None, return_dtype=pl.Int64
    )
    position = parts["p"].replace_strict(
        {name: p for p, name in enumerate(programmes)}, default=-1, return_dtype=pl.Int64
    )
    good = ts.is_not_null() & kind.is_not_null() & parts["rest"].is_not_null()
    position = position.fill_null(-1).set(~good, -1)
    return (
        np.array(position, dtype=np.int64),
        np.array(kind.fill_null(0), dtype=np.int64),
        np.array(ts.fill_null(0), dtype=np.int64),
        key_column(parts["rest"].fill_null("")),
    )


def moved(
    frame: pl.DataFrame, values: NDArray[np.int64], job: Job, role: Role, at: pl.Series
) -> pl.DataFrame:
    """Return rows with local time at the deadline of a role."""
    rows = at.to_numpy().astype(np.int64)
    later = frame[rows].with_columns(
        ts=(pl.col("ts_us") + role.shift_us).cast(INSTANT), ts_us=pl.col("ts_us") + role.shift_us
    )
    return events.context_of(later, values, rows, role.inner, job)


def _touches(  # noqa: PLR0917 - what names a row
    role: Role,
    answers: pl.DataFrame,
    frame: pl.DataFrame,
    rows: NDArray[np.int64],
    local: NDArray[np.int32],
    job: Job,
    state: PartState,
) -> NDArray[np.int64]:
    """Return the touches of one role."""
    at = answers["row"].to_numpy().astype(np.int64)
    table = np.zeros((len(at), T_WIDTH), dtype=np.int64)
    table[:, T_PROGRAMME], table[:, T_ROLE], table[:, T_ROW] = role.position, role.role, at
    table[:, T_TS] = rows[at, R_TS] + role.shift_us
    if not role.answers or not len(at):
        return table
    constants = constants_of(role)
    for name, column in _ANSWER_COLUMNS.items():
        known = name in answers.columns
        table[:, column] = answers[name].to_numpy() if known else constants[name]
    persons = local[at]
    ids = None
    if role.position in state.units:
        part, arm = state.units[role.position]
        part, arm = part[persons], arm[persons]
    else:
        ids = decision_ids(role, frame, rows, at, job)
        part, arm = assigned_column(role.programme.experiment, ids)
    table[:, T_PART], table[:, T_ARM] = part, arm
    table[:, T_GHOST] = ghosts_column(role.programme, arm, state.held[persons])
    if job.rules.stochastic[role.position]:
        ids = decision_ids(role, frame, rows, at, job) if ids is None else ids
        table[:, T_DRAW] = draw_32_column(f"{role.programme.experiment.salt}:offer:" + ids)
    return table


def decision_ids(
    role: Role, frame: pl.DataFrame, rows: NDArray[np.int64], at: NDArray[np.int64], job: Job
) -> pl.Series:
    """Return the ids of the decisions that may come of rows."""
    kind = kind_of(role)
    if kind == "calendar":
        rest: Any = job.person_ids.gather(frame["person"].gather(at).cast(pl.UInt32))
    else:
        rest = frame["event_id"].gather(at)
    ts = pl.Series(rows[at, R_TS] + role.shift_us).cast(pl.String)
    found: pl.Series = f"{role.programme.name}:{kind}:" + ts + ":" + rest
    return found


def kind_of(role: Role) -> str:
    """Return the kind of occurrence that a role brings."""
    if role.type == "":
        return "calendar"
    return "timer" if role.shift_us else "event"
