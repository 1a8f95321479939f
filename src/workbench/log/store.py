"""Writes a stored log: codes, person buckets, set-apart duplicates, baskets, ordered parts.

Takes frames of checked events in arrival order. Owns no source, no mapping and no reading; a
log becomes visible only when its manifest is replaced, which `publish` does in one step.

Memory: one batch, the code books, 24 bytes for each event (to find an `event_id` that comes
again), and one person bucket while its part is written.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from workbench.buckets import fnv1a32_column
from workbench.errors import InputError
from workbench.files import file_digest, whole_file, write_text
from workbench.log.codes import CodeBook
from workbench.log.schema import INSTANT, SCHEMA_VERSION, Column, Kind, columns_with

MANIFEST = "manifest.json"
_MOST_TYPES = 1_000
_LARGEST_SUM = 2**62
_SEQ_STEP = 2  # a derived basket takes the odd number after its last line


@dataclass(frozen=True, slots=True)
class BasketRule:
    """Lines of one basket become one event.

    Attributes:
        lines: Event type of the lines.
        type: Event type of the basket.
        count: Name of the column that gets the number of lines, or empty for none.
    """

    lines: str
    type: str
    count: str = ""


@dataclass(frozen=True, slots=True)
class Apart:
    """Events set apart because their `event_id` came before.

    Attributes:
        duplicates: `ordinal`, `type` of the events equal to the first of their id.
        conflicts: `ordinal`, `type`, `event_id` of those that differ from it.
    """

    duplicates: pl.DataFrame
    conflicts: pl.DataFrame


class LogWriter:
    """Collects checked events in batches and writes them as one generation of a log.

    Events are decoded frames (see `schema.CONTRACT`) with two more columns: `ordinal`, the
    position in the whole input, and `content`, a 64-bit hash of the source record.
    """

    def __init__(
        self,
        folder: Path,
        *,
        parts: int,
        extra: dict[str, Kind] | None = None,
        basket: BasketRule | None = None,
    ) -> None:
        self.folder = folder
        self.parts = parts
        self._basket = basket
        kinds = dict(extra or {})
        if basket and basket.count:
            kinds[basket.count] = "integer"
        self.columns = columns_with(kinds)
        self._books = {c.stored: CodeBook() for c in self.columns if c.is_code}
        self._bucket_of: npt.NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._filled = {c.stored for c in self.columns if c.required}
        self._keys: list[pl.DataFrame] = []
        self._spills: list[list[Path]] = [[] for _ in range(parts)]
        self._spill_folder = folder / "spill"
        self._spill_folder.mkdir(parents=True)
        self._batches = 0
        self._derived = 0
        self._sums: dict[str, float] = {}

    def add(self, events: pl.DataFrame) -> None:
        """Take the next events, in arrival order."""
        if not events.height:
            return
        coded = [self._coded(events, c) for c in self.columns if c.decoded in events.columns]
        frame = pl.DataFrame([*coded, events["ordinal"], events["content"]])
        self._check_sums(frame)
        self._filled |= {s.name for s in coded if s.null_count() < s.len()}
        self._keys.append(
            frame.select(pl.col("event_id").hash().alias("id_hash"), "content", "ordinal")
        )
        buckets = pl.Series("bucket", self._buckets(frame["person"].to_numpy()))
        for key, rows in (
            frame.with_columns(buckets)
            .partition_by("bucket", as_dict=True, include_key=False)
            .items()
        ):
            bucket = int(key[0])
            path = self._spill_folder / f"{bucket:05d}-{self._batches:06d}.arrow"
            rows.write_ipc(path, compression="uncompressed")
            self._spills[bucket].append(path)
        self._batches += 1

    def finish(self, apart: Apart | None = None) -> dict[str, Any]:
        """Write the parts and the code books, and return their manifest entries."""
        apart = self.set_apart() if apart is None else apart
        drop = pl.concat([apart.duplicates["ordinal"], apart.conflicts["ordinal"]])
        if self._basket:
            self._books["type"].encode(pl.Series([self._basket.type]))
            self._filled |= {self._basket.count} - {""}
        stored = [c for c in self.columns if c.stored in self._filled]
        digest = hashlib.sha256(f"log schema {SCHEMA_VERSION}".encode())
        parts, counts = [], np.zeros(len(self._books["type"]), dtype=np.int64)
        first: int | None = None
        last: int | None = None
        for bucket in range(self.parts):
            frame = self._part(bucket, drop, stored)
            path = self.folder / f"part-{bucket:05d}.parquet"
            _write_parquet(frame, path)
            add_to_digest(digest, frame)
            parts.append({"file": path.name, "rows": frame.height, "bytes": path.stat().st_size})
            if frame.height:
                counts += np.bincount(frame["type"].to_numpy(), minlength=len(counts))
                low, high = (
                    int(v)
                    for v in frame.select(
                        pl.col("ts").min().to_physical().alias("low"),
                        pl.col("ts").max().to_physical().alias("high"),
                    ).row(0)
                )
                first = low if first is None else min(first, low)
                last = high if last is None else max(last, high)
        codes = {}
        for column in stored:
            if column.is_code:
                values = self._books[column.stored].values
                path = self.folder / f"codes-{column.stored}.parquet"
                _write_parquet(pl.DataFrame({"value": values}), path)
                add_to_digest(digest, pl.DataFrame({column.stored: values}))
                codes[column.stored] = {
                    "file": path.name,
                    "values": values.len(),
                    "bytes": path.stat().st_size,
                }
        shutil.rmtree(self._spill_folder)
        types = self._books["type"].values.to_list()
        return {
            "schema_version": SCHEMA_VERSION,
            "digest": digest.hexdigest(),
            "persons": len(self._books["person"]),
            "events": int(counts.sum()),
            "derived": self._derived,
            "counts": {name: int(n) for name, n in sorted(zip(types, counts, strict=True)) if n},
            "first_ts_us": first,
            "last_ts_us": last,
            "columns": [{"stored": c.stored, "decoded": c.decoded, "kind": c.kind} for c in stored],
            "extra": {c.stored: c.kind for c in self.columns[len(columns_with({})) :]},
            "parts": parts,
            "codes": codes,
        }

    def set_apart(self) -> Apart:
        """Find the events whose `event_id` came before: equal ones and different ones."""
        keys = pl.concat(self._keys) if self._keys else _NO_KEYS
        suspects = keys.filter(pl.col("id_hash").is_duplicated())
        if not suspects.height:
            empty = pl.DataFrame(
                schema={"ordinal": pl.Int64, "type": pl.String, "event_id": pl.String}
            )
            return Apart(empty, empty)
        found = [
            pl.read_ipc(path, columns=["event_id", "ordinal", "content", "type"]).join(
                suspects.select("ordinal"), on="ordinal", how="semi"
            )
            for paths in self._spills
            for path in paths
        ]
        events = pl.concat(found).sort("ordinal")
        types = self._books["type"].values.gather(events["type"].cast(pl.UInt32))
        events = events.with_columns(
            types.alias("type"),
            first=pl.col("ordinal").first().over("event_id"),
            same=pl.col("content") == pl.col("content").first().over("event_id"),
        ).filter(pl.col("ordinal") != pl.col("first"))
        names = ["ordinal", "type", "event_id"]
        return Apart(
            events.filter("same").select(names), events.filter(~pl.col("same")).select(names)
        )

    def _check_sums(self, frame: pl.DataFrame) -> None:
        """Refuse a log of which some events' amounts do not add up within 64 bits.

        A basket, a person or a whole log may then be summed without an overflow, which Polars
        would not report. Half of the range is kept for baskets, which hold their lines again.
        """
        for column in self.columns:
            if column.kind not in ("cents", "integer") or column.stored not in frame.columns:
                continue
            total = float(frame[column.stored].cast(pl.Float64).abs().sum())
            total += self._sums.get(column.stored, 0.0)
            self._sums[column.stored] = total
            if total > _LARGEST_SUM:
                raise InputError(
                    f"the sum of {column.decoded} over the log is above 2**62, too much for 64-bit "
                    "sums; does the mapping read it in the right unit?"
                )

    def _coded(self, events: pl.DataFrame, column: Column) -> pl.Series:
        series = events[column.decoded]
        if not column.is_code:
            return series.cast(column.stored_type).alias(column.stored)
        book = self._books[column.stored]
        codes = book.encode(series)
        if column.stored == "type" and len(book) > _MOST_TYPES:
            raise InputError(
                f"type has more than {_MOST_TYPES} values; is it mapped from the right column?"
            )
        return codes.cast(column.stored_type).alias(column.stored)

    def _buckets(self, persons: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        fresh = self._books["person"].values[len(self._bucket_of) :]
        if fresh.len():
            hashed = (fnv1a32_column(fresh) % self.parts).cast(pl.Int32).to_numpy()
            self._bucket_of = np.concatenate([self._bucket_of, hashed])
        buckets: npt.NDArray[np.int32] = self._bucket_of[persons]
        return buckets

    def _part(self, bucket: int, drop: pl.Series, stored: list[Column]) -> pl.DataFrame:
        frames = [pl.read_ipc(path) for path in self._spills[bucket]]
        names = [c.stored for c in stored]
        if not frames:
            return pl.DataFrame(schema={c.stored: c.stored_type for c in stored})
        events = pl.concat(frames, how="diagonal").drop("content")
        del frames
        if drop.len():
            events = events.filter(~pl.col("ordinal").is_in(drop.implode()))
        events = events.with_columns(seq=pl.col("ordinal") * _SEQ_STEP)
        if self._basket:
            baskets = self._baskets(events)
            self._derived += baskets.height
            events = pl.concat([events, baskets], how="diagonal")
        arrived = "received_at" in events.columns
        events = events.with_columns(
            known_at=pl.max_horizontal("ts", "received_at") if arrived else pl.col("ts")
        )
        events = events.with_columns(
            pl.lit(None, dtype=c.stored_type).alias(c.stored)
            for c in stored
            if c.stored not in events.columns
        )
        return events.select(names).sort("known_at", "seq")

    def _baskets(self, events: pl.DataFrame) -> pl.DataFrame:
        rule = self._basket
        assert rule is not None  # noqa: S101 - the caller asked
        types = self._books["type"].values.to_list()
        if rule.lines not in types:
            return events.clear()
        lines = events.filter(pl.col("type") == types.index(rule.lines))
        summed = [
            c.stored
            for c in self.columns
            if c.kind in ("cents", "integer") and c.stored in lines.columns and c.stored != "seq"
        ]
        shared = [s for s in ("customer", "store", "channel", "tz") if s in lines.columns]
        latest = [s for s in ("ts", "received_at") if s in lines.columns]
        sums = [
            pl.col(s).sum()
            if not lines[s].null_count()
            else pl.when(pl.col(s).is_not_null().any()).then(pl.col(s).sum())
            for s in summed
        ]
        grouped = lines.group_by("person", "basket_id", maintain_order=True).agg(
            *sums,
            pl.col(shared).first(),
            pl.col(latest).max(),
            pl.col("seq").max() + 1,
            *([pl.len().cast(pl.Int64).alias(rule.count)] if rule.count else []),
        )
        persons = self._books["person"].values
        return grouped.with_columns(
            type=pl.lit(types.index(rule.type), dtype=pl.Int16),
            event_id=pl.concat_str(
                pl.lit(rule.type),
                persons.gather(grouped["person"].cast(pl.UInt32)),
                pl.col("basket_id"),
                separator=":",
            ),
        )


_NO_KEYS = pl.DataFrame(schema={"id_hash": pl.UInt64, "content": pl.UInt64, "ordinal": pl.Int64})


def add_to_digest(digest: hashlib._Hash, frame: pl.DataFrame) -> None:
    """Add the values of a frame to a digest: names, types, nulls and values, not file bytes."""
    for series in frame.iter_columns():
        digest.update(f"{series.name}:{series.dtype}:{series.len()}".encode())
        digest.update(np.packbits(series.is_null().to_numpy()).tobytes())
        if series.dtype == pl.String:
            arrow = series.fill_null("").rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
            digest.update(series.fill_null("").str.len_bytes().to_numpy().tobytes())
            start, end = (arrow.buffers()[1] and _ends(arrow)) or (0, 0)
            data = arrow.buffers()[2]
            digest.update(memoryview(data)[start:end] if data is not None else b"")
        else:
            physical = series.to_physical()
            zero = False if physical.dtype == pl.Boolean else 0
            digest.update(np.ascontiguousarray(physical.fill_null(zero).to_numpy()).tobytes())


def _ends(arrow: Any) -> tuple[int, int]:
    """Return where the text of a large-string array starts and ends in its buffer."""
    offsets = np.frombuffer(arrow.buffers()[1], dtype=np.int64)
    return int(offsets[arrow.offset]), int(offsets[arrow.offset + len(arrow)])


def _write_parquet(frame: pl.DataFrame, path: Path) -> None:
    with whole_file(path) as temporary:
        frame.write_parquet(
            temporary, compression="zstd", compression_level=1, row_group_size=1 << 17
        )


def write_table(frame: pl.DataFrame, path: Path) -> dict[str, Any]:
    """Write a small table as Parquet and return its manifest entry."""
    _write_parquet(frame, path)
    return {"file": path.name, "rows": frame.height, "bytes": path.stat().st_size}


def publish(log: Path, generation: Path, manifest: dict[str, Any]) -> None:
    """Make a generation the log: replace the manifest in one step, then remove the others.

    The manifest gets the digest of each file, by which a later ingestion knows the log as whole.
    """
    files = {file.name: file_digest(file) for file in sorted(generation.glob("*.parquet"))}
    manifest = {**manifest, "generation": generation.name, "files": files}
    write_text(
        log / MANIFEST,
        json.dumps(manifest, indent=2, ensure_ascii=False) + "\n",
    )
    remove_generations(log, keep=generation.name)


def remove_generations(log: Path, *, keep: str) -> None:
    """Remove the generations of a log folder but one; what a stopped run left behind too."""
    for old in log.glob("generation-*"):
        if old.is_dir() and old.name != keep:
            shutil.rmtree(old)


__all__ = ["INSTANT", "MANIFEST", "Apart", "BasketRule", "LogWriter", "publish", "write_table"]
