"""A stored log, opened: scan the coded columns, decode them, read reference tables. Writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.log.schema import QUARANTINE, SCHEMA_VERSION, Column, columns_with
from workbench.log.store import MANIFEST

if TYPE_CHECKING:
    import pandas as pd

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Log:
    """A stored event log.

    Attributes:
        path: Folder of the log.
        digest: SHA-256 of the stored values and code books; equal logs have equal digests.
        zone: IANA zone in which the log's days and day-parts are meant.
        counts: Events by type.
        persons: Number of persons; their codes are 0 … persons − 1.
        parts: Parquet files, one for each person bucket, each ordered by `(known_at, seq)`.
        columns: Columns of the contract, then the mapping's own.
        report: What ingestion counted.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self._manifest = manifest
        self._folder = path / manifest["generation"]
        self.digest: str = manifest["digest"]
        self.zone: str = manifest["zone"]
        self.counts: dict[str, int] = dict(manifest["counts"])
        self.persons: int = manifest["persons"]
        self.parts: list[Path] = [self._folder / part["file"] for part in manifest["parts"]]
        self.columns: tuple[Column, ...] = columns_with(manifest["extra"])
        self.report: dict[str, Any] = manifest.get("report", {})
        self._books: dict[str, pl.Series] = {}

    def __repr__(self) -> str:
        return f"Log({str(self.path)!r}, events={self.events}, persons={self.persons})"

    @property
    def events(self) -> int:
        """Number of stored events, derived baskets included."""
        return sum(self.counts.values())

    @property
    def first_ts(self) -> datetime | None:
        """The earliest instant (UTC), or None for an empty log."""
        return _instant(self._manifest["first_ts_us"])

    @property
    def last_ts(self) -> datetime | None:
        """The latest instant (UTC), or None for an empty log."""
        return _instant(self._manifest["last_ts_us"])

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the reference tables."""
        return tuple(sorted(self._manifest.get("tables", {})))

    def table(self, name: str) -> pl.DataFrame:
        """Return a reference table.

        Raises:
            ParameterError: The log has no such table.
        """
        entries = self._manifest.get("tables", {})
        if name not in entries:
            known = ", ".join(self.tables) or "none"
            raise ParameterError(
                problem(
                    "table",
                    name,
                    f"must be one of the log's tables: {known}",
                    where=str(self.path),
                    hint=did_you_mean(name, entries),
                )
            )
        return pl.read_parquet(self._folder / entries[name]["file"])

    def quarantine(self) -> pl.DataFrame:
        """Return the source rows that were set apart: place, reason, column, detail, record."""
        entry = self._manifest.get("quarantine")
        if not entry:
            return pl.DataFrame(schema=QUARANTINE)
        return pl.read_parquet(self._folder / entry["file"])

    def codes(self, column: str) -> pl.Series:
        """Return the code book of a column: position = code; empty when the column is all null.

        Raises:
            ParameterError: The column does not exist or has no code book.
        """
        found = self._column(column)
        if not found.is_code:
            coded = [c.stored for c in self.columns if c.is_code]
            raise ParameterError(
                problem("column", column, f"must be one with codes: {', '.join(coded)}")
            )
        if found.stored not in self._books:
            entry = self._manifest["codes"].get(found.stored)
            self._books[found.stored] = (
                pl.read_parquet(self._folder / entry["file"])["value"].alias(found.stored)
                if entry
                else pl.Series(found.stored, [], dtype=pl.String)
            )
        return self._books[found.stored]

    def scan(self, types: Sequence[str] | None = None) -> pl.LazyFrame:
        """Return the stored (coded) columns of all parts, one part after the other.

        Args:
            types: Event types to keep; None keeps all. A type that the log has not is an error.
        """
        return self._scan(self.parts, types)

    def to_polars(
        self, columns: Sequence[str] | None = None, types: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return decoded events in `(known_at, seq)` order.

        Args:
            columns: Names to keep, decoded (`person_id`) or stored (`person`); None keeps all.
            types: Event types to keep; None keeps all.
        """
        wanted = self._wanted(columns)
        names = list(dict.fromkeys([*(c.stored for c in wanted), "known_at", "seq"]))
        frame = self._scan(self.parts, types).select(names).sort("known_at", "seq").collect()
        return self._decoded(frame, wanted)

    def to_pandas(
        self, columns: Sequence[str] | None = None, types: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return what `to_polars` returns, as a pandas frame."""
        return self.to_polars(columns, types).to_pandas()

    def batches(
        self, columns: Sequence[str] | None = None, types: Sequence[str] | None = None
    ) -> Iterator[pl.DataFrame]:
        """Give decoded events part by part; a person is wholly in one of them."""
        wanted = self._wanted(columns)
        for part in self.parts:
            frame = self._scan([part], types).select([c.stored for c in wanted]).collect()
            yield self._decoded(frame, wanted)

    def _scan(self, parts: list[Path], types: Sequence[str] | None) -> pl.LazyFrame:
        stored = set(self._stored)
        missing = [
            pl.lit(None, dtype=c.stored_type).alias(c.stored)
            for c in self.columns
            if c.stored not in stored
        ]
        frame = (
            pl.scan_parquet(parts).with_columns(*missing).select([c.stored for c in self.columns])
        )
        return (
            frame if types is None else frame.filter(pl.col("type").is_in(self._type_codes(types)))
        )

    @cached_property
    def _stored(self) -> list[str]:
        return [entry["stored"] for entry in self._manifest["columns"]]

    def _type_codes(self, types: Sequence[str]) -> list[int]:
        if isinstance(types, str):
            types = (types,)
        for name in types:
            if name not in self.counts:
                raise ParameterError(
                    problem(
                        "type",
                        name,
                        f"must be one of the log's types: {', '.join(self.counts)}",
                        where=str(self.path),
                        hint=did_you_mean(name, self.counts),
                    )
                )
        book = self.codes("type").to_list()
        return [book.index(name) for name in types]

    def _column(self, name: str) -> Column:
        for column in self.columns:
            if name in (column.stored, column.decoded):
                return column
        known = [n for c in self.columns for n in (c.stored, c.decoded)]
        raise ParameterError(
            problem(
                "column",
                name,
                "must be a column of the log",
                where=str(self.path),
                hint=did_you_mean(name, known),
            )
        )

    def _wanted(self, columns: Sequence[str] | None) -> list[Column]:
        return list(self.columns) if columns is None else [self._column(n) for n in columns]

    def _decoded(self, frame: pl.DataFrame, wanted: list[Column]) -> pl.DataFrame:
        return frame.select(
            [
                self._texts(frame[c.stored], c) if c.is_code else frame[c.stored].alias(c.decoded)
                for c in wanted
            ]
        )

    def _texts(self, codes: pl.Series, column: Column) -> pl.Series:
        book = self.codes(column.stored)
        if not book.len():
            return pl.Series(column.decoded, [None] * codes.len(), dtype=pl.String)
        return book.gather(codes.cast(pl.UInt32)).alias(column.decoded)


@checked
def open_log(path: str | Path) -> Log:
    """Return a stored log, opened after checking that it is whole.

    Args:
        path: Folder of the log.

    Raises:
        InputError: The folder holds no log, its schema version is not known here, or a part is
            missing, cut short or not what the manifest says.

    >>> open_log("no/such/folder")
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: no/such/folder holds no log (manifest.json is missing); make one with workbench ingest
    """
    folder = Path(path)
    manifest = read_manifest(folder)
    generation = folder / manifest["generation"]
    entries = [*manifest["parts"], *manifest["codes"].values(), *manifest["tables"].values()]
    entries += [manifest["quarantine"]] if "quarantine" in manifest else []
    for entry in entries:
        _check_file(generation / entry["file"], entry["bytes"])
    for part in manifest["parts"]:
        _check_rows(generation / part["file"], part["rows"])
    return Log(folder, manifest)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a log's manifest.

    Raises:
        InputError: There is none, it is not readable, or its schema version is not known here.
    """
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{folder} holds no log ({MANIFEST} is missing); make one with workbench ingest"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is not readable as a log's manifest: {error}; ingest again"
        ) from None
    version = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            problem(
                "schema_version",
                version,
                f"must be {SCHEMA_VERSION}",
                where=str(path),
                hint="; ingest again with this version",
            )
        )
    missing = _NEEDED - manifest.keys()
    if missing:
        raise InputError(f"{path} lacks {', '.join(sorted(missing))}; ingest again")
    return dict(manifest)


_NEEDED = frozenset(
    (
        "generation",
        "digest",
        "zone",
        "counts",
        "persons",
        "parts",
        "codes",
        "tables",
        "columns",
        "extra",
        "first_ts_us",
        "last_ts_us",
    )
)


def _check_file(path: Path, size: int) -> None:
    try:
        actual = path.stat().st_size
    except FileNotFoundError:
        raise InputError(f"{path} is missing from the log; ingest again") from None
    if actual != size:
        raise InputError(
            f"{path} has {actual} bytes, the manifest says {size}: cut short or changed; ingest again"
        )


def _check_rows(path: Path, rows: int) -> None:
    try:
        actual = pl.scan_parquet(path).select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is not readable as Parquet: {error}; ingest again") from None
    if actual != rows:
        raise InputError(f"{path} has {actual} rows, the manifest says {rows}; ingest again")


def _instant(us: int | None) -> datetime | None:
    return None if us is None else _EPOCH + timedelta(microseconds=us)
