"""One part of a log through the core: read the needed columns, evaluate, decide, write rows.

Owns the way from coded columns to decisions. Owns no rule: conditions, features and limits come
from ``decision``. A person is wholly in one part, so parts share nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.buckets import BUCKETS, bucket_10000_column
from workbench.decision import core, features
from workbench.decision.context import LOCAL_TIME_COLUMNS, local_day, local_time
from workbench.decision.core import Candidates, Limits
from workbench.decision.features import FEATURE_NAMES, SOURCE_EVENT, Past, Rows
from workbench.decision.plan import Plan, triggered
from workbench.decision.state import CoreState, persons_frame
from workbench.errors import InputError
from workbench.log.schema import CONTRACT, INSTANT
from workbench.records import HELD_OUT, OFFERED, REASONS

Position = tuple[int, int]
"""``(known_at_us, seq)``: events before it were seen, an event at it was not."""

COLUMN_OF = {column.decoded: column for column in CONTRACT}

DECISIONS_SCHEMA = pl.Schema(
    {
        "decision_id": pl.String(),
        "set_id": pl.String(),
        "event_id": pl.String(),
        "person": pl.String(),
        "ts": INSTANT,
        "known_at": INSTANT,
        "programme": pl.String(),
        "arm": pl.String(),
        "offer_id": pl.String(),
        "channel": pl.String(),
        "delivered": pl.Boolean(),
        "p_assignment": pl.Float64(),
        "p_selection": pl.Float64(),
        "score": pl.Float64(),
        "reason": pl.String(),
        "cost_cents": pl.Int64(),
        "would_cost_cents": pl.Int64(),
        "programme_digest": pl.String(),
    }
)
"""The decision log: one row for each programme that an event triggers; see ``records.Decision``."""

_REASON_NAMES = pl.DataFrame(
    {"code": [r.code for r in REASONS], "reason": [r.name for r in REASONS]},
    schema={"code": pl.Int8, "reason": pl.String},
)


class LogLike(Protocol):
    """What a replay needs of a stored log."""

    @property
    def digest(self) -> str: ...  # noqa: D102 - the contract of the log says it
    @property
    def zone(self) -> str: ...  # noqa: D102 - same
    @property
    def counts(self) -> Mapping[str, int]: ...  # noqa: D102 - same
    @property
    def persons(self) -> int: ...  # noqa: D102 - same
    @property
    def parts(self) -> list[Path]: ...  # noqa: D102 - same
    def codes(self, column: str) -> pl.Series: ...  # noqa: D102 - same


@dataclass(frozen=True, eq=False)
class Job:
    """What is the same for all parts of a replay.

    Attributes:
        plans: The programmes made ready.
        limits: Their limits.
        zone: Zone of days and day-parts.
        type_codes: Code of each event type.
        person_ids: Position = code.
        buckets: For each programme the bucket of each person (position = code).
        books: Code book of each coded column that a condition reads.
        programmes: One row a programme: what a decision repeats of it.
        since: Events before it are not decided again.
        until: Events from it on are not yet decided.
    """

    plans: tuple[Plan, ...]
    limits: Limits
    zone: str
    type_codes: Mapping[str, int]
    person_ids: pl.Series
    buckets: tuple[NDArray[np.int32], ...]
    books: Mapping[str, pl.Series]
    programmes: pl.DataFrame
    since: Position | None
    until: Position | None

    @property
    def columns(self) -> frozenset[str]:
        """Names that any condition reads."""
        return frozenset(name for plan in self.plans for name in plan.columns)

    @property
    def needs_features(self) -> bool:
        """Whether any condition reads the logged past."""
        return bool(self.columns & set(FEATURE_NAMES))


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one part gave.

    Attributes:
        decisions: Rows of the decision log, in the order in which they were decided.
        events: Events of the part between ``since`` and ``until``, of every type.
        considered: By programme, events of the trigger's type.
        unknown: By programme, those whose trigger condition is not known.
        triggered: By programme, events that the conditions let through: what must be decided.
        persons: Rows of the state of the persons of the part.
        position: Behind the last event that was read; none when there was none.
    """

    decisions: pl.DataFrame
    events: int
    considered: dict[int, int]
    unknown: dict[int, int]
    triggered: dict[int, int]
    persons: pl.DataFrame
    position: Position | None


def job_of(
    log: LogLike, plans: tuple[Plan, ...], since: Position | None, until: Position | None
) -> Job:
    """Collect what is the same for all parts: codes, buckets by salt, figures of the programmes."""
    person_ids = log.codes("person")
    by_salt: dict[str, NDArray[np.int32]] = {}
    for plan in plans:
        salt = plan.programme.experiment.salt
        if salt not in by_salt:
            by_salt[salt] = np.array(bucket_10000_column(salt, person_ids), dtype=np.int32)
    coded = [
        COLUMN_OF[name]
        for name in sorted({name for plan in plans for name in plan.columns})
        if name in COLUMN_OF and COLUMN_OF[name].is_code
    ]
    return Job(
        plans=plans,
        limits=core.limits_of([plan.programme for plan in plans]),
        zone=log.zone,
        type_codes={name: code for code, name in enumerate(log.codes("type").to_list())},
        person_ids=person_ids,
        buckets=tuple(by_salt[plan.programme.experiment.salt] for plan in plans),
        books={column.decoded: log.codes(column.stored) for column in coded},
        programmes=pl.DataFrame([_repeated(plan) for plan in plans]),
        since=since,
        until=until,
    )


def _repeated(plan: Plan) -> dict[str, str | int | float]:
    """Return what every decision of a programme repeats."""
    programme, offer = plan.programme, plan.programme.offer
    control = programme.experiment.holdout_end
    return {
        "programme": programme.name,
        "offer_id": offer.id,
        "channel": offer.channel,
        "p_control": control / BUCKETS,
        "p_treatment": (BUCKETS - control) / BUCKETS,
        "score": expected_value_cents(plan),
        "cost_cents": offer.cost_cents,
        "programme_digest": programme.digest,
        "holdout_end": control,
    }


def expected_value_cents(plan: Plan) -> float:
    """Return what one delivered offer is expected to be worth, net of its cost, in cents."""
    offer = plan.programme.offer
    return offer.redemption_rate * (offer.value_cents - offer.cost_cents)


def decide_part(path: Path, job: Job, state: CoreState) -> Outcome:
    """Take one part of a log through the core.

    Raises:
        InputError: The part is not in ``(known_at, seq)`` order or names a person without id.
    """
    events, frame = _read(path, job)
    considered = {plan.position: 0 for plan in job.plans}
    unknown = dict(considered)
    if frame.is_empty():
        nothing = pl.DataFrame(schema=DECISIONS_SCHEMA)
        none = considered.copy()
        return Outcome(nothing, events, considered, unknown, none, state.persons.clear(), None)
    _check(frame, path, len(job.person_ids))
    codes = frame["person"].unique().sort()
    local = np.searchsorted(codes.to_numpy(), frame["person"].to_numpy()).astype(np.int32)
    ids = job.person_ids.gather(codes.cast(pl.UInt32)).alias("person_id")
    slots, before = state.arrays(ids, job.limits)
    values, after = _features(frame, local, before, job)

    found = []
    for type_name in dict.fromkeys(plan.programme.trigger.event for plan in job.plans):
        plans = [plan for plan in job.plans if plan.programme.trigger.event == type_name]
        of_type = frame.filter(pl.col("type") == job.type_codes.get(type_name, -1))
        if of_type.is_empty():
            continue
        rows, not_known = triggered(_context(of_type, values, job), plans)
        found.append(rows)
        unknown.update(not_known)
        considered.update({plan.position: of_type.height for plan in plans})
    decisions = pl.DataFrame(schema=DECISIONS_SCHEMA)
    let_through = dict.fromkeys(considered, 0)
    if found:
        rows = pl.concat(found).sort("row", "programme")
        let_through.update(dict(rows.group_by("programme").len().iter_rows()))
        candidates = _candidates(rows, frame, local, job)
        reasons = np.zeros(rows.height, dtype=np.int8)
        core.run_compiled(core.State(job.limits, slots), candidates, reasons)
        decisions = _decisions(rows, candidates, reasons, frame, job)
    last = frame.row(-1, named=True)
    return Outcome(
        decisions,
        events,
        considered,
        unknown,
        let_through,
        persons_frame(ids, slots, after),
        (last["known_at_us"], last["seq"] + 1),
    )


def _read(path: Path, job: Job) -> tuple[int, pl.DataFrame]:
    """Return the number of events in reach, and those that trigger or that features are about."""
    types = {plan.programme.trigger.event for plan in job.plans}
    types |= {SOURCE_EVENT} if job.needs_features else set()
    wanted = sorted(job.type_codes[name] for name in types if name in job.type_codes)
    stored = {"event_id", "seq", "ts", "known_at", "person", "type"}
    stored |= {COLUMN_OF[name].stored for name in job.columns if name in COLUMN_OF}
    stored |= {"amount_cents"} if job.needs_features else set()
    scan = pl.scan_parquet(path)
    schema = scan.collect_schema()
    known, seq = pl.col("known_at").to_physical(), pl.col("seq")
    reach = pl.lit(value=True)
    if job.since is not None:
        at, order = job.since
        reach &= (known > at) | ((known == at) & (seq >= order))
    if job.until is not None:
        at, order = job.until
        reach &= (known < at) | ((known == at) & (seq < order))
    limited = job.since is not None or job.until is not None
    in_reach = scan.filter(reach) if limited else scan
    frame = in_reach.filter(pl.col("type").is_in(wanted)).select(
        *(pl.col(name) for name in sorted(stored) if name in schema),
        *(
            pl.lit(None, dtype=column.stored_type).alias(column.stored)
            for column in CONTRACT
            if column.stored in stored and column.stored not in schema
        ),
        known.alias("known_at_us"),
        pl.col("ts").to_physical().alias("ts_us"),
    )
    rows, count = pl.collect_all([frame, in_reach.select(pl.len())])
    return int(count.item()), rows.with_row_index("row")


def _check(frame: pl.DataFrame, path: Path, persons: int) -> None:
    """Check what the compiled code relies on."""
    known, seq = frame["known_at_us"].to_numpy(), frame["seq"].to_numpy()
    ahead = (known[1:] > known[:-1]) | ((known[1:] == known[:-1]) & (seq[1:] > seq[:-1]))
    if not ahead.all():
        row = int(np.argmin(ahead)) + 1
        raise InputError(
            f"{path} is out of order: event {frame['event_id'][row]!r} comes after one that "
            "was known later or has its seq; ingest the log again"
        )
    codes = frame["person"]
    if codes.null_count() or ((codes < 0) | (codes >= persons)).any():
        raise InputError(
            f"{path} names a person that the code book of {persons} does not have; ingest the log again"
        )


def _features(
    frame: pl.DataFrame, local: NDArray[np.int32], before: Past, job: Job
) -> tuple[NDArray[np.int64], Past]:
    """Return the features of every row, and the past after the last."""
    values = np.zeros((frame.height, len(FEATURE_NAMES)), dtype=np.int64)
    if not job.needs_features:
        return values, before
    days = frame.select(
        known_day=local_day(pl.col("known_at"), job.zone), day=local_day(pl.col("ts"), job.zone)
    )
    purchase = job.type_codes.get(SOURCE_EVENT, -1)
    rows = Rows(
        person=local,
        known_day=np.array(days["known_day"], dtype=np.int32),
        day=np.array(days["day"], dtype=np.int32),
        is_purchase=np.array(frame["type"] == purchase, dtype=np.int8),
        amount_cents=np.array(frame["amount_cents"].fill_null(0), dtype=np.int64),
    )
    room = len(before.day) + frame.height
    after = features.no_past(len(before.purchases))._replace(
        **{name: np.zeros(room, np.int64) for name in ("day", "day_purchases", "day_spend_cents")}
    )
    features.run_features_compiled(rows, before, values, after)
    return values, after


def _context(frame: pl.DataFrame, values: NDArray[np.int64], job: Job) -> pl.DataFrame:
    """Return events with every column that a condition may read, decoded."""
    rows = frame["row"].to_numpy()
    columns = [frame["row"]]
    for name in sorted(job.columns):
        if name in FEATURE_NAMES:
            column = pl.Series(name, values[rows, FEATURE_NAMES.index(name)])
            columns.append(column.set(column == features.NULL, None))
        elif name in LOCAL_TIME_COLUMNS:
            columns.append(frame.select(local_time(name, job.zone)).to_series())
        elif name in job.books:
            columns.append(_texts(frame[COLUMN_OF[name].stored], job.books[name]).alias(name))
        else:
            columns.append(frame[COLUMN_OF[name].stored].alias(name))
    return pl.DataFrame(columns)


def _texts(codes: pl.Series, book: pl.Series) -> pl.Series:
    if book.is_empty():
        return pl.repeat(None, codes.len(), dtype=pl.String, eager=True)
    return book.gather(codes.cast(pl.UInt32))


def _candidates(
    rows: pl.DataFrame, frame: pl.DataFrame, local: NDArray[np.int32], job: Job
) -> Candidates:
    """Return the triggered rows as the columns that the core reads."""
    place = rows["row"].to_numpy()
    programme = np.array(rows["programme"], dtype=np.int32)
    person = frame["person"].to_numpy()[place]
    bucket = np.zeros(len(place), dtype=np.int32)
    for plan in job.plans:
        mine = programme == plan.position
        bucket[mine] = job.buckets[plan.position][person[mine]]
    return Candidates(
        programme=programme,
        person=local[place],
        at_us=frame["ts_us"].to_numpy()[place],
        audience=np.array(rows["audience"], dtype=np.int8),
        suppress=np.array(rows["suppress"], dtype=np.int8),
        bucket=bucket,
    )


def _decisions(
    rows: pl.DataFrame,
    candidates: Candidates,
    reasons: NDArray[np.int8],
    frame: pl.DataFrame,
    job: Job,
) -> pl.DataFrame:
    """Return the rows of the decision log."""
    anchor = frame.select("event_id", "ts", "known_at", "ts_us", "known_at_us", "person")[
        rows["row"]
    ]
    said = job.programmes[rows["programme"]].rename({"cost_cents": "offer_cost_cents"})
    code = pl.Series("code", reasons)
    table = pl.concat([anchor, said], how="horizontal").with_columns(
        code,
        reason=code.replace_strict(
            _REASON_NAMES["code"], _REASON_NAMES["reason"], return_dtype=pl.String
        ),
        person_id=job.person_ids.gather(anchor["person"].cast(pl.UInt32)),
        control=pl.Series(candidates.bucket) < said["holdout_end"],
    )
    delivered = pl.col("code") == OFFERED
    ghost = pl.col("code") == HELD_OUT
    shown = delivered | ghost
    return table.select(
        decision_id=pl.format("{}:event:{}:{}", "programme", "ts_us", "event_id"),
        set_id=pl.format("event:{}:{}", "known_at_us", "event_id"),
        event_id="event_id",
        person="person_id",
        ts="ts",
        known_at="known_at",
        programme="programme",
        arm=pl.when("control").then(pl.lit("control")).otherwise(pl.lit("treatment")),
        offer_id=pl.when(shown).then("offer_id"),
        channel=pl.when(shown).then("channel"),
        delivered=delivered,
        p_assignment=pl.when("control").then("p_control").otherwise("p_treatment"),
        p_selection=pl.lit(1.0),
        score=pl.when(shown).then("score"),
        reason="reason",
        cost_cents=pl.when(delivered).then("offer_cost_cents").otherwise(0),
        would_cost_cents=pl.when(ghost).then("offer_cost_cents").otherwise(0),
        programme_digest="programme_digest",
    ).cast(DECISIONS_SCHEMA)
