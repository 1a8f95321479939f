"""Events of one part as the core needs them: read, checked, with features and context.

Owns the way from coded columns to named ones. Owns no rule and evaluates no condition.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision import features
from workbench.decision.context import LOCAL_TIME_COLUMNS, local_day, local_time
from workbench.decision.features import FEATURE_NAMES, SOURCE_EVENT, Past, Rows
from workbench.errors import InputError
from workbench.log.schema import CONTRACT
from workbench.replay.job import COLUMN_OF, Job


def read_events(path: Path, job: Job) -> tuple[int, pl.DataFrame]:
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


def check_events(frame: pl.DataFrame, path: Path, persons: int) -> None:
    """Check what the compiled code relies on."""
    known, seq = frame["known_at_us"].to_numpy(), frame["seq"].to_numpy()
    ahead = (known[1:] > known[:-1]) | ((known[1:] == known[:-1]) & (seq[1:] > seq[:-1]))
    if not ahead.all():
        row = int(np.argmin(ahead)) + 1
        raise InputError(
            f"{path} is out of order: event {frame['event_id'][row]!r} comes after one that "
            "was known later or has its seq; ingest the log again"
        )
    early = frame.filter(pl.col("known_at_us") < pl.col("ts_us"))
    if early.height:
        raise InputError(known_before_it_happened(early["event_id"][0], where=str(path)))
    codes = frame["person"]
    if codes.null_count() or ((codes < 0) | (codes >= persons)).any():
        raise InputError(
            f"{path} names a person that the code book of {persons} does not have; ingest the log again"
        )


def known_before_it_happened(event_id: str, *, where: str = "") -> str:
    """Return the error text for an event that was known before it happened."""
    place = f" ({where})" if where else ""
    return (
        f"event {event_id!r} was known before it happened; known_at must not lie before ts{place}"
    )


def feature_values(
    frame: pl.DataFrame, local: NDArray[np.int32], before: Past, job: Job
) -> tuple[NDArray[np.int64], Past]:
    """Return the features of every row, and the past after the last."""
    values = np.zeros((frame.height, len(FEATURE_NAMES)), dtype=np.int64)
    if not job.needs_features:
        return values, before
    known_day = np.array(frame.select(local_day(pl.col("known_at"), job.zone)), np.int32)[:, 0]
    at_once = frame.select((pl.col("known_at_us") == pl.col("ts_us")).all()).item()
    day = (
        known_day
        if at_once
        else np.array(frame.select(local_day(pl.col("ts"), job.zone)), np.int32)[:, 0]
    )
    purchase = job.type_codes.get(SOURCE_EVENT, -1)
    rows = Rows(
        person=local,
        known_day=np.ascontiguousarray(known_day),
        day=np.ascontiguousarray(day),
        is_purchase=np.array(frame["type"] == purchase, dtype=np.int8),
        amount_cents=np.array(frame["amount_cents"].fill_null(0), dtype=np.int64),
    )
    room = len(before.day) + frame.height
    after = features.no_past(len(before.purchases))._replace(
        **{name: np.zeros(room, np.int64) for name in ("day", "day_purchases", "day_spend_cents")}
    )
    features.run_features_compiled(rows, before, values, after)
    return values, after


def context_of(frame: pl.DataFrame, values: NDArray[np.int64], job: Job) -> pl.DataFrame:
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
