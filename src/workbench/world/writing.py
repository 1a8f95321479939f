"""Writes the log of a world as it goes on: a stretch at a time, then parts, books and a manifest.

Owns the files of a simulated log. A log becomes visible when its manifest is written.
"""

from __future__ import annotations

import hashlib
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from workbench.log import Log, open_log
from workbench.log.schema import CONTRACT, SCHEMA_VERSION
from workbench.log.store import add_to_digest, publish, write_table
from workbench.world.books import STORED, Books
from workbench.world.dirt import Soil, ranked
from workbench.world.memory import TYPES


class Writer:
    """The log of a world while it is written."""

    def __init__(self, folder: Path, parts: int) -> None:
        self.folder, self.parts, self._stretches = folder, parts, 0
        self._generation = folder / "generation-simulated"
        shutil.rmtree(self._generation, ignore_errors=True)
        self._spill = self._generation / "spill"
        self._spill.mkdir(parents=True)
        self._seq = 0

    def add(self, frames: list[pl.DataFrame]) -> None:
        """Take the events of a stretch, part by part; their ``seq`` becomes that of the arrival."""
        for number, frame in enumerate(ranked(frames, self._seq)):
            frame.write_ipc(self._piece(number, self._stretches))
        self._seq += sum(frame.height for frame in frames)
        self._stretches += 1

    def _piece(self, number: int, stretch: int) -> Path:
        return self._spill / f"{number:05d}-{stretch:06d}.arrow"

    def finish(self, books: Books, soil: Soil | None = None) -> Log:
        """Write parts, books, tables and the manifest, and open the log.

        Args:
            books: The code books and reference tables.
            soil: Makes the events dirty; then all of them are in memory at one time.
        """
        dirty = None
        if soil is not None:
            dirty = ranked([soil.dirty(self._part(number)) for number in range(self.parts)])
        columns = STORED if dirty is None else [c for c in CONTRACT if c.stored in dirty[0].columns]
        digest = hashlib.sha256(f"log schema {SCHEMA_VERSION}".encode())
        entries, counts = [], np.zeros(len(TYPES), dtype=np.int64)
        firsts, lasts = [], []
        with ThreadPoolExecutor(1) as behind:
            written: Future[dict[str, Any]] | None = None
            for number in range(self.parts):
                frame = self._part(number) if dirty is None else dirty[number]
                frame = frame.select(column.stored for column in columns)
                path = self._generation / f"part-{number:05d}.parquet"
                if written is not None:
                    entries.append(written.result())
                written = behind.submit(write_table, frame, path)
                add_to_digest(digest, frame)
                counts += np.bincount(frame["type"].to_numpy(), minlength=len(TYPES))
                if frame.height:
                    instants = frame["ts"].to_physical().to_numpy()
                    firsts.append(int(instants.min()))
                    lasts.append(int(instants.max()))
            if written is not None:
                entries.append(written.result())
        shutil.rmtree(self._spill)
        manifest: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "persons": books.persons,
            "events": int(counts.sum()),
            "derived": 0,
            "counts": {n: int(c) for n, c in sorted(zip(TYPES, counts, strict=True)) if c},
            "first_ts_us": min(firsts, default=None),
            "last_ts_us": max(lasts, default=None),
            "columns": [
                {"stored": c.stored, "decoded": c.decoded, "kind": c.kind} for c in columns
            ],
            "extra": {},
            "parts": entries,
            "codes": self._codes(books, digest),
            "zone": books.zone,
            "tables": {
                name: write_table(frame, self._generation / f"table-{name}.parquet")
                for name, frame in books.frames.items()
            },
        }
        manifest["digest"] = digest.hexdigest()
        publish(self.folder, self._generation, manifest)
        return open_log(self.folder)

    def _part(self, number: int) -> pl.DataFrame:
        return pl.concat([pl.read_ipc(self._piece(number, d)) for d in range(self._stretches)])

    def _codes(self, books: Books, digest: hashlib._Hash) -> dict[str, Any]:
        found = {}
        for column in STORED:
            if not column.is_code:
                continue
            values = books.books[column.stored]
            path = self._generation / f"codes-{column.stored}.parquet"
            entry = write_table(values.alias("value").to_frame(), path)
            add_to_digest(digest, values.alias(column.stored).to_frame())
            found[column.stored] = {
                "file": path.name, "values": entry["rows"], "bytes": entry["bytes"]
            }  # fmt: skip
        return found
