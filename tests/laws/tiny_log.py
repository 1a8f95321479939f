"""A stored log of a few events in the layout of the contract, written without checks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from domain import ZONE, Case

from workbench.log.schema import CONTRACT, Column
from workbench.records import Event

INSTANT = pl.Datetime("us", "UTC")


class TinyLog:
    """What a replay needs of a log, for the events of a case."""

    def __init__(
        self, folder: Path, case: Case, *, parts: int = 2, persons: Sequence[str] | None = None
    ) -> None:
        rows = case.events
        self.digest = "tiny"
        self.zone = ZONE
        self._books: dict[str, list[str]] = {}
        for column in CONTRACT:
            if column.is_code and column.decoded in Event._fields:
                values = (getattr(row, column.decoded) for row in rows)
                self._books[column.stored] = [
                    each for each in dict.fromkeys(values) if each is not None
                ]
        self._books["customer"] = []
        self._books["person"] = list(
            dict.fromkeys([*(persons or ()), *(row.person_id for row in rows)])
        )
        types = self._books["type"]
        self.counts = {kind: sum(row.type == kind for row in rows) for kind in types}
        self.persons = len(self._books["person"])
        self.parts = [folder / f"part-{number}.parquet" for number in range(parts)]
        self.first_ts, self.last_ts = None, None
        for number, path in enumerate(self.parts):
            owners = self._books["person"]
            mine = [row for row in rows if owners.index(row.person_id) % parts == number]
            self._frame(mine).write_parquet(path)
        self._tables = {}
        if case.consent:
            self._tables["consent"] = pl.DataFrame(
                [
                    {"customer_id": person, "channel": channel, "granted": yes, "valid_from": since}
                    for person, channel, since, yes in case.consent
                ],
                schema={
                    "customer_id": pl.String,
                    "channel": pl.String,
                    "granted": pl.Boolean,
                    "valid_from": pl.Int64,
                },
            ).with_columns(pl.col("valid_from").cast(INSTANT))

    def _frame(self, rows: Sequence[Event]) -> pl.DataFrame:
        columns: dict[str, Any] = {
            "event_id": pl.Series([row.event_id for row in rows], dtype=pl.String),
            "seq": pl.Series([row.seq for row in rows], dtype=pl.Int64),
            "ts": pl.Series([row.ts_us for row in rows], dtype=pl.Int64).cast(INSTANT),
            "known_at": pl.Series([row.known_at_us for row in rows], dtype=pl.Int64).cast(INSTANT),
            "person": pl.Series(
                [self._code("person", row.person_id) for row in rows], dtype=pl.Int32
            ),
        }
        for column in CONTRACT:
            if column.stored in columns or column.decoded not in Event._fields:
                continue
            values = [getattr(row, column.decoded) for row in rows]
            if column.is_code:
                values = [self._code(column.stored, value) for value in values]
            columns[column.stored] = pl.Series(values, dtype=column.stored_type)
        return pl.DataFrame(columns)

    def _code(self, column: str, value: str | None) -> int | None:
        return None if value is None else self._books[column].index(value)

    def codes(self, column: str) -> pl.Series:
        return pl.Series(column, self._books.get(column, []), dtype=pl.String)

    @property
    def columns(self) -> tuple[Column, ...]:
        return CONTRACT

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(sorted(self._tables))

    def table(self, name: str) -> pl.DataFrame:
        return self._tables[name]


@contextmanager
def tiny_log(case: Case, *, parts: int = 2) -> Iterator[TinyLog]:
    with tempfile.TemporaryDirectory() as name:
        yield TinyLog(Path(name), case, parts=parts)
