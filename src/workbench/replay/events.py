"""Events of one part as the core needs them: read, checked, with calendar ticks and features.

Owns the way from stored columns to rows in their order. Owns no rule and evaluates no condition.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision import rolling
from workbench.decision.clocks import ticks
from workbench.decision.context import WEEKDAYS, local_day
from workbench.decision.rolling import Rest, Rows
from workbench.decision.rules import RESPONSES
from workbench.errors import InputError
from workbench.log.schema import INSTANT
from workbench.replay.job import Job
from workbench.replay.windows import Position

TICK = -1
"""The type of rows that are no events but instants of the calendar."""

CALENDAR = "#calendar"
"""Column of such rows: a bit for each broadcast that goes out at that instant."""


Part = Path | pl.LazyFrame
"""A part of a log: its file, or the same columns from elsewhere."""


def scan(part: Part) -> pl.LazyFrame:
    """Return the events of a part, unread."""
    return part if isinstance(part, pl.LazyFrame) else pl.scan_parquet(part)


def name_of(part: Part) -> str:
    """Return what errors call a part."""
    return "the events" if isinstance(part, pl.LazyFrame) else str(part)


def types_of(job: Job) -> list[int]:
    """Return the codes of the event types that the core has to see."""
    types = {role.type for role in job.roles}
    types |= set(job.features.event_types)
    types |= set(RESPONSES) if job.answers else set()
    return sorted(job.type_codes[name] for name in types if name in job.type_codes)


def read_events(
    part: Part, job: Job, since: Position | None, until: Position
) -> tuple[int, pl.DataFrame, pl.DataFrame | None]:
    """Return the number of events of a window, those that matter, and who became known when.

    The last is read only when there are broadcasts: one row a person with ``person`` and ``since``.
    """
    whole = scan(part)
    schema = whole.collect_schema()
    stored = {"event_id", "seq", "ts", "known_at", "person", "type", "tz", "customer"}
    named = (job.columns - set(job.features.names)) | job.features.reads
    stored |= job.references.stored(named)
    stored |= {"decision_id"} if job.answers else set()
    dtypes = {column.stored: column.stored_type for column in job.references.stored_columns}
    at = pl.lit(until[0]).cast(INSTANT)
    reach = (pl.col("known_at") < at) | ((pl.col("known_at") == at) & (pl.col("seq") < until[1]))
    if since is not None:
        at = pl.lit(since[0]).cast(INSTANT)
        reach &= pl.col("known_at") >= at
        reach &= (pl.col("known_at") > at) | (pl.col("seq") >= since[1])
    in_reach = whole.filter(reach)
    frame = in_reach.filter(pl.col("type").is_in(types_of(job))).select(
        *(pl.col(name) for name in sorted(stored) if name in schema),
        *(
            pl.lit(None, dtype=dtypes[name]).alias(name)
            for name in sorted(stored)
            if name not in schema and name in dtypes
        ),
    )
    wanted = [frame, in_reach.select(pl.len())]
    if job.broadcasts:
        known = pl.col("known_at").min().to_physical().alias("since")
        wanted.append(in_reach.group_by("person").agg(known))
    rows, count, *first = pl.collect_all(wanted)
    rows = rows.with_columns(
        known_at_us=pl.col("known_at").to_physical(), ts_us=pl.col("ts").to_physical()
    )
    return int(count.item()), rows, first[0] if first else None


def check_events(frame: pl.DataFrame, where: str, persons: int) -> None:
    """Check what the compiled code relies on."""
    known, seq = frame["known_at_us"].to_numpy(), frame["seq"].to_numpy()
    ahead = (known[1:] > known[:-1]) | ((known[1:] == known[:-1]) & (seq[1:] > seq[:-1]))
    if not ahead.all():
        row = int(np.argmin(ahead)) + 1
        raise InputError(
            f"{where} is out of order: event {frame['event_id'][row]!r} comes after one that "
            "was known later or has its seq; ingest the log again"
        )
    early = frame.filter(pl.col("known_at_us") < pl.col("ts_us"))
    if early.height:
        raise InputError(known_before_it_happened(early["event_id"][0], where=where))
    codes = frame["person"]
    if codes.null_count() or ((codes < 0) | (codes >= persons)).any():
        raise InputError(
            f"{where} names a person that the code book of {persons} does not have; ingest the log again"
        )


def known_before_it_happened(event_id: str, *, where: str = "") -> str:
    """Return the error text for an event that was known before it happened."""
    place = f" ({where})" if where else ""
    return (
        f"event {event_id!r} was known before it happened; known_at must not lie before ts{place}"
    )


def ticks_of(
    job: Job, codes: NDArray[np.int64], known_us: NDArray[np.int64], reach: tuple[int | None, int]
) -> pl.DataFrame:
    """Return the instants of the calendar at which broadcasts go out, a row for each person.

    Args:
        job: The replay.
        codes: Codes of the persons.
        known_us: From when on each is known; none yet: behind everything.
        reach: Instants from (none: the first) up to, not including.
    """
    frame = pl.DataFrame(
        {
            "person": pl.Series(codes, dtype=pl.Int32),
            "customer": pl.Series(job.customer_of[codes], dtype=pl.Int32),
            "known_us": known_us,
        }
    ).with_columns(customer=pl.when(pl.col("customer") >= 0).then("customer"))
    if frame.is_empty() or int(known_us.min()) >= reach[1]:
        return pl.DataFrame()
    begin = int(known_us.min()) if reach[0] is None else max(reach[0], int(known_us.min()))
    first = frame.with_columns(
        known_at=pl.lit(begin).cast(INSTANT), tz=pl.lit(None, dtype=pl.Int32)
    )
    zones = job.references.zones(first)
    found = []
    for zone in np.unique(zones).tolist():
        mine = frame.filter(pl.Series(zones == zone))
        of_zone: dict[int, int] = {}
        for k, role in enumerate(job.broadcasts):
            every, name = role.programme.trigger.every, job.references.zone_names[zone]
            for at in every_of(every, name, begin, reach[1]).tolist():
                of_zone[at] = of_zone.get(at, 0) | 1 << k
        instants = {
            "at": pl.Series(sorted(of_zone), dtype=pl.Int64),
            CALENDAR: pl.Series([of_zone[at] for at in sorted(of_zone)], dtype=pl.Int64),
        }
        found.append(mine.join(pl.DataFrame(instants), how="cross"))
    return (
        pl.concat(found)
        .filter(pl.col("at") >= pl.col("known_us"))
        .with_columns(
            known_at_us="at",
            ts_us="at",
            known_at=pl.col("at").cast(INSTANT),
            ts=pl.col("at").cast(INSTANT),
        )
        .with_columns(type=pl.lit(TICK, dtype=pl.Int16), seq=pl.lit(0, dtype=pl.Int64))
        .drop("known_us", "at")
        .sort("known_at_us", "person")
    )


def every_of(every: Any, zone: str, since_us: int, until_us: int) -> NDArray[np.int64]:
    """Return the instants of a broadcast in a zone."""
    weekday = None if every.weekday is None else WEEKDAYS.index(every.weekday)
    return ticks(zone, weekday, every.at.minutes, since_us, until_us)


def feature_values(
    frame: pl.DataFrame, local: NDArray[np.int32], before: Rest, job: Job
) -> tuple[NDArray[np.int64], Rest]:
    """Return the figures of the features of every row, and the past after the last."""
    plan = job.features.plan
    figures = np.zeros((frame.height, len(plan.figure_track)), dtype=np.int64)
    if not job.features.names or frame.is_empty():
        return figures, before
    zones = job.references.zones(frame)
    known_day = _days(frame, "known_at", zones, job)
    late = np.flatnonzero(frame["known_at_us"].to_numpy() != frame["ts_us"].to_numpy())
    day = known_day
    if len(late):
        day = known_day.copy()
        day[late] = _days(frame.select("ts")[late], "ts", zones[late], job)
    columns = job.references.columns(frame, sorted(job.features.reads))
    weight = job.features.weights(frame["type"], job.type_codes, columns)
    room = len(before.day) + frame.height * len(plan.window)
    after = rolling.nothing_at_rest(plan, len(before.anchor_day), room=room)
    rows = Rows(person=local, known_day=known_day, day=day, weight=weight)
    rolling.run_rolling_compiled(plan, rows, before, figures, after)
    end = int(after.start[-1])  # the room behind it is let go: a state is kept for every part
    return figures, after._replace(
        day=after.day[:end].copy(),
        track=after.track[:end].copy(),
        day_sum=after.day_sum[:end].copy(),
    )


def _days(frame: pl.DataFrame, name: str, zones: NDArray[np.int32], job: Job) -> NDArray[np.int32]:
    """Return the day of an instant on the clock of each customer."""
    found = np.zeros(frame.height, dtype=np.int32)
    used = np.unique(zones)
    for code in used.tolist():
        mine = zones == code
        part = frame.lazy().select(name)
        part = part if len(used) == 1 else part.filter(pl.Series(mine))
        day = part.select(local_day(pl.col(name), job.references.zone_names[code])).collect()
        found[mine] = day.to_series().to_numpy()
    return found


def context_of(
    frame: pl.DataFrame,
    values: NDArray[np.int64],
    rows: NDArray[np.int64],
    names: frozenset[str],
    job: Job,
) -> pl.DataFrame:
    """Return rows with every column that a condition may read, decoded; ``row`` is their place."""
    plain = sorted(names - set(job.features.names))
    columns = job.references.columns(frame, plain).get_columns() if plain else []
    found = [pl.Series("row", rows, dtype=pl.Int64), *columns]
    of_past = sorted(names & set(job.features.names))
    figures = values[rows] if of_past else values
    found.extend(job.features.column(name, figures) for name in of_past)
    return pl.DataFrame(found)
