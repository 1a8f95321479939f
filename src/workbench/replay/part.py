"""One part of a log through the core: evaluate, decide, write the rows of the decision log.

Owns no rule: conditions, features and limits come from ``decision``. A person is wholly in one
part, so parts share nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision import core
from workbench.decision.core import Candidates
from workbench.decision.plan import triggered
from workbench.decision.state import CoreState, persons_frame
from workbench.log.schema import INSTANT
from workbench.records import HELD_OUT, OFFERED, REASONS
from workbench.replay import events
from workbench.replay.job import Job, Position

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


def decide_part(path: Path, job: Job, state: CoreState) -> Outcome:
    """Take one part of a log through the core.

    Raises:
        InputError: The part is not in ``(known_at, seq)`` order, has an event that was known before
            it happened, or names a person without id.
    """
    count, frame = events.read_events(path, job)
    considered = {plan.position: 0 for plan in job.plans}
    unknown = dict(considered)
    if frame.is_empty():
        nothing = pl.DataFrame(schema=DECISIONS_SCHEMA)
        none = considered.copy()
        return Outcome(nothing, count, considered, unknown, none, state.persons.clear(), None)
    events.check_events(frame, path, len(job.person_ids))
    codes = frame["person"].unique().sort()
    local = np.searchsorted(codes.to_numpy(), frame["person"].to_numpy()).astype(np.int32)
    ids = job.person_ids.gather(codes.cast(pl.UInt32)).alias("person_id")
    slots, before = state.arrays(ids, job.limits)
    values, after = events.feature_values(frame, local, before, job)

    found = []
    for type_name in dict.fromkeys(plan.programme.trigger.event for plan in job.plans):
        plans = [plan for plan in job.plans if plan.programme.trigger.event == type_name]
        of_type = frame.filter(pl.col("type") == job.type_codes.get(type_name, -1))
        if of_type.is_empty():
            continue
        rows, not_known = triggered(events.context_of(of_type, values, job), plans)
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
        count,
        considered,
        unknown,
        let_through,
        persons_frame(ids, slots, after),
        (last["known_at_us"], last["seq"] + 1),
    )


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
