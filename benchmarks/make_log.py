"""Makes a stored log of any size for the benchmarks: the same seed and size give the same bytes.

Owns the made events and their rates. Writes through the pieces of the real store, so that the
log opens like any other, but codes persons and types directly: the code books are known before.

500,000 customers come by (``geo_enter``, ``check_in``, ``purchase`` with its lines) or open the
app (``app_open``, ``offer_viewed``, ``basket_add``, ``purchase``) during one year, busier by day
than by night, some customers much more often than others. A few events of the app arrive hours
late. Memory: one chunk of events, and one part while it is written.

Usage: ``python benchmarks/make_log.py OUT [--events 10000000] [--persons 500000] [--seed 1]``.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.buckets import fnv1a32_column
from workbench.files import locked
from workbench.log import Log, open_log
from workbench.log.schema import CONTRACT, INSTANT, SCHEMA_VERSION
from workbench.log.store import add_to_digest, publish, write_table
from workbench.streams import stream

EVENTS = 10_000_000
PERSONS = 500_000
START_US = 1_704_067_200_000_000  # 2024-01-01T00:00:00Z
YEAR_US = 366 * 86_400_000_000
MINUTE_US = 60_000_000
CHUNK_SESSIONS = 100_000
EVENTS_PER_SESSION = 3.14  # measured: decides how much of the year a chunk covers
PART_EVENTS = 1_500_000
STORES, LATE_SHARE = 200, 0.01
APP_SHARE = 0.45  # of the sessions
CHECK_IN_SHARE, VIEWED_SHARE, BASKET_SHARE = 0.25, 0.35, 0.6
BUYS_IN_APP, BUYS_IN_STORE = 0.25, 0.3

TYPES = (
    "geo_enter",
    "check_in",
    "purchase",
    "purchase_line",
    "app_open",
    "offer_viewed",
    "basket_add",
)
GEO, CHECK_IN, PURCHASE, LINE, APP, VIEWED, BASKET = range(7)
BOOKS: dict[str, tuple[str, ...]] = {
    "type": TYPES,
    "store": tuple(f"store {n:03d}" for n in range(STORES)),
    "channel": ("store", "app"),
    "category": (
        "coffee",
        "bakery",
        "grocery",
        "toys",
        "garden",
        "clothing",
        "books",
        "electronics",
    ),
    "weather": ("sun", "cloud", "rain", "snow"),
    "tz": ("America/New_York", "America/Chicago", "America/Denver"),
}
# Relative business of the hours of the day, in UTC; the customers live five to seven hours west.
_HOURS = np.array([6, 5, 4, 3, 2, 1, 1, 1, 1, 1, 1, 2, 4, 6, 7, 6, 6, 8, 8, 6, 5, 6, 8, 8], float)


def make_log(
    out: Path,
    *,
    events: int = EVENTS,
    persons: int = PERSONS,
    parts: int | None = None,
    seed: int = 1,
) -> Log:
    """Make a log of exactly ``events`` events.

    Args:
        out: Folder of the log; an earlier one is replaced.
        events: Number of events.
        persons: Number of customers; all are in the code book, not all need to have an event.
        parts: Parts that persons are split into; none: so many that one has 1.5 M events.
        seed: Seed of the named streams.
    """
    parts = parts or max(8, -(-events // PART_EVENTS))
    ids = pl.Series("value", [f"c{n:07d}" for n in range(persons)])
    bucket_of = np.array(fnv1a32_column(ids) % parts, dtype=np.int32)
    with locked(out):
        generation = out / f"generation-made-{seed}-{events}"
        shutil.rmtree(generation, ignore_errors=True)
        spill = generation / "spill"
        spill.mkdir(parents=True)
        for number, chunk in enumerate(_chunks(seed, events, persons)):
            buckets = pl.Series("bucket", bucket_of[chunk["person"].to_numpy()])
            by_bucket = chunk.with_columns(buckets).partition_by(
                "bucket", as_dict=True, include_key=False
            )
            for (bucket,), rows in by_bucket.items():
                rows.write_ipc(spill / f"{bucket:05d}-{number:06d}.arrow")
        entries = _finish(generation, spill, parts, ids)
        shutil.rmtree(spill)
        publish(out, generation, {**entries, "zone": "America/New_York", "tables": {}})
    return open_log(out)


def _chunks(seed: int, events: int, persons: int) -> Iterator[pl.DataFrame]:
    """Give chunks of sessions in the order of their begin, cut at exactly ``events`` rows."""
    # A chunk covers what is left of the year in proportion to the events that are left.
    weights = stream(seed, "persons").gamma(0.7, 1.0, persons) + 0.05
    cumulated = np.cumsum(weights)
    left, at_us, number = events, START_US, 0
    while left:
        wanted = min(CHUNK_SESSIONS, max(1, int(left / EVENTS_PER_SESSION)))
        share = min(1.0, wanted * EVENTS_PER_SESSION / left)
        end_us = at_us + max(1_000, int((START_US + YEAR_US - at_us) * share))
        chunk = _sessions(stream(seed, f"events/{number}"), wanted, at_us, end_us, cumulated)
        chunk = chunk.head(left).with_columns(
            seq=pl.int_range(events - left, events - left + min(left, chunk.height)) * 2
        )
        chunk = chunk.with_columns(event_id=pl.format("e{}", pl.col("seq") // 2))
        yield chunk
        left -= chunk.height
        at_us, number = end_us, number + 1


def _sessions(
    rng: np.random.Generator, count: int, start_us: int, end_us: int, cumulated: NDArray[Any]
) -> pl.DataFrame:
    """Return the events of sessions that begin in an interval, in the order of their times."""
    hours = _begins(rng, count, start_us, end_us)
    person = np.searchsorted(cumulated, rng.random(count) * cumulated[-1]).astype(np.int32)
    store = ((person * 7 + rng.integers(0, 3, count)) % STORES).astype(np.int32)
    in_app = rng.random(count) < APP_SHARE
    lines = rng.integers(1, 7, count)
    buys = rng.random(count) < np.where(in_app, BUYS_IN_APP, BUYS_IN_STORE)
    sky = rng.choice(4, count, p=[0.45, 0.3, 0.2, 0.05]).astype(np.int32)
    celsius = np.round(rng.normal(12, 9, count), 1)
    pieces: list[tuple[NDArray[Any], int, NDArray[Any]]] = []  # session, type, minutes after begin

    def add(which: NDArray[Any], kind: int, minutes: NDArray[Any]) -> None:
        pieces.append((which, kind, minutes))

    walk, tap = np.flatnonzero(~in_app), np.flatnonzero(in_app)
    add(walk, GEO, np.zeros(len(walk)))
    seen = walk[rng.random(len(walk)) < CHECK_IN_SHARE]
    add(seen, CHECK_IN, rng.uniform(1, 4, len(seen)))
    add(tap, APP, np.zeros(len(tap)))
    looked = tap[rng.random(len(tap)) < VIEWED_SHARE]
    add(looked, VIEWED, rng.uniform(0.1, 3, len(looked)))
    filled = tap[(rng.random(len(tap)) < BASKET_SHARE) | buys[tap]]
    filled = np.repeat(filled, 1 + lines[filled] // 3)
    add(filled, BASKET, rng.uniform(1, 12, len(filled)))
    bought = np.flatnonzero(buys)
    paid_at = rng.uniform(15, 50, count)
    add(bought, PURCHASE, paid_at[bought])
    line_of = np.repeat(bought, lines[bought])
    add(line_of, LINE, paid_at[line_of])

    session = np.concatenate([which for which, _, _ in pieces])
    kind = np.concatenate([np.full(len(which), code, np.int16) for which, code, _ in pieces])
    after = np.concatenate([minutes for _, _, minutes in pieces])
    rows = len(session)
    ts = hours[session] + (after * MINUTE_US).astype(np.int64)
    cents = rng.gamma(1.6, 260, rows).astype(np.int64) + 50
    cents = np.where(kind == PURCHASE, cents * lines[session], cents)
    has_money = np.isin(kind, [PURCHASE, LINE])
    has_category = np.isin(kind, [LINE, BASKET])
    late = np.isin(kind, [APP, VIEWED]) & (rng.random(rows) < LATE_SHARE)
    received = ts + np.where(late, rng.integers(MINUTE_US, 360 * MINUTE_US, rows), 0)
    person_of = person[session]
    frame = pl.DataFrame(
        {
            "ts": ts,
            "received_at": pl.Series(received).set(pl.Series(~late), None),
            "known_at": received,
            "person": person_of,
            "type": kind,
            "store": _where(np.isin(kind, [GEO, CHECK_IN, PURCHASE, LINE]), store[session]),
            "channel": in_app[session].astype(np.int32),
            "category": _where(has_category, rng.integers(0, 8, rows).astype(np.int32)),
            "amount_cents": _where(has_money, cents),
            "discount_cents": _where(
                has_money, (cents * rng.choice([0, 0, 0.1, 0.3], rows)).astype(np.int64)
            ),
            "quantity": _where(has_category, rng.integers(1, 4, rows)),
            "decision_id": pl.Series(rng.integers(0, 1 << 40, rows)),
            "distance_m": _where(kind == GEO, np.round(rng.gamma(1.5, 220, rows), 1)),
            "weather": _where(np.isin(kind, [GEO, APP]), sky[session]),
            "temperature_c": _where(np.isin(kind, [GEO, APP]), celsius[session]),
            "tz": (person_of % 3).astype(np.int32),
        }
    )
    earlier = pl.when(pl.col("type") == VIEWED).then(pl.format("earlier:{}", "decision_id"))
    return frame.with_columns(
        pl.col("ts", "received_at", "known_at").cast(INSTANT), decision_id=earlier
    ).sort("known_at", maintain_order=True)


def _begins(rng: np.random.Generator, count: int, start_us: int, end_us: int) -> NDArray[np.int64]:
    """Return begins of sessions, more of them in the busy hours."""
    draws = start_us + rng.integers(0, max(1, end_us - start_us), 4 * count)
    busy = _HOURS[(draws // (60 * MINUTE_US)) % 24] / _HOURS.max()
    kept = draws[rng.random(4 * count) < busy][:count]
    begins: NDArray[np.int64] = np.concatenate([kept, draws[: count - len(kept)]])
    return begins


def _where(held: NDArray[np.bool_], values: NDArray[Any]) -> pl.Series:
    return pl.Series(values).set(pl.Series(~held), None)


def _finish(generation: Path, spill: Path, parts: int, ids: pl.Series) -> dict[str, Any]:
    """Write parts and code books and return the entries of the manifest."""
    books = {"person": ids, **{name: pl.Series("value", book) for name, book in BOOKS.items()}}
    digest = hashlib.sha256(f"log schema {SCHEMA_VERSION}".encode())
    counts = np.zeros(len(TYPES), dtype=np.int64)
    first, last, entries, stored = START_US + 9 * YEAR_US, 0, [], []
    for bucket in range(parts):
        files = sorted(spill.glob(f"{bucket:05d}-*.arrow"))
        frame = pl.concat([pl.read_ipc(file) for file in files])
        stored = [column for column in CONTRACT if column.stored in frame.columns]
        frame = frame.select(
            pl.col(column.stored).cast(column.stored_type) for column in stored
        ).sort("known_at", "seq")
        entries.append(write_table(frame, generation / f"part-{bucket:05d}.parquet"))
        add_to_digest(digest, frame)
        counts += np.bincount(frame["type"].to_numpy(), minlength=len(TYPES))
        instants = frame["ts"].to_physical()
        first, last = min(first, int(instants.min())), max(last, int(instants.max()))  # type: ignore[arg-type]  # whole numbers
    codes = {}
    for column in stored:
        if column.is_code:
            path = generation / f"codes-{column.stored}.parquet"
            entry = write_table(books[column.stored].to_frame("value"), path)
            add_to_digest(digest, books[column.stored].to_frame(column.stored))
            codes[column.stored] = {
                "file": path.name,
                "values": entry["rows"],
                "bytes": entry["bytes"],
            }
    return {
        "schema_version": SCHEMA_VERSION,
        "digest": digest.hexdigest(),
        "persons": len(ids),
        "events": int(counts.sum()),
        "derived": 0,
        "counts": dict(sorted(zip(TYPES, map(int, counts), strict=True))),
        "first_ts_us": first,
        "last_ts_us": last,
        "columns": [{"stored": c.stored, "decoded": c.decoded, "kind": c.kind} for c in stored],
        "extra": {},
        "parts": entries,
        "codes": codes,
    }


def main() -> None:
    """Make a log from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, help="the folder of the log")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--persons", type=int, default=PERSONS)
    parser.add_argument("--parts", type=int, default=None)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    log = make_log(
        options.out,
        events=options.events,
        persons=options.persons,
        parts=options.parts,
        seed=options.seed,
    )
    print(f"{log.events:,} events of {log.persons:,} persons in {len(log.parts)} parts: {log.path}")
    for name, count in log.counts.items():
        print(f"{name:16} {count:>12,}")


if __name__ == "__main__":
    main()
