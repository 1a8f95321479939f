"""A reference table that is looked up by a key as of an instant. Owns no name of a condition.

A row holds in ``valid_from <= instant < valid_to``; without these columns it always holds. A date
stands for the midnight with which it begins in the zone of the log.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.conditions import column_types
from workbench.errors import InputError, problem
from workbench.log.schema import INSTANT

VALID_FROM, VALID_TO = "valid_from", "valid_to"
ALWAYS_US = -(1 << 62)
NEVER_US = 1 << 62
"""Instants before and behind every event."""


def instants_us(column: pl.Series, zone: str, *, empty: int, where: str) -> NDArray[np.int64]:
    """Return a column of dates or instants as microseconds since 1970; null as ``empty``.

    Raises:
        InputError: It holds neither dates nor instants with a zone.
    """
    if column.dtype == pl.Date:
        column = column.cast(pl.Datetime("us")).dt.replace_time_zone(
            zone, ambiguous="earliest", non_existent="null"
        )
    elif not (isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None):
        if column.dtype != pl.Null:
            rule = "must hold dates or instants with a zone"
            raise InputError(problem(column.name, str(column.dtype), rule, where=where))
        column = column.cast(INSTANT)
    return np.array(column.cast(INSTANT).to_physical().fill_null(empty), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class DatedTable:
    """Rows of a reference table, sorted by key and by the instant from which they hold.

    Attributes:
        name: Name of the table, for errors.
        keys: The key of each row.
        from_us: From when each row holds.
        to_us: Until when, itself excluded.
        values: The columns that conditions can read, one row each.
        dated: Whether any row holds for a part of the time only.
    """

    name: str
    keys: pl.Series
    from_us: NDArray[np.int64]
    to_us: NDArray[np.int64]
    values: pl.DataFrame
    dated: bool

    @classmethod
    def of(cls, table: pl.DataFrame, key: str, *, name: str, zone: str) -> DatedTable:
        """Make a table ready.

        Args:
            table: The reference table.
            key: Its key column.
            name: Its name.
            zone: Zone in which its dates begin.

        Raises:
            InputError: The key is missing, a key has two rows at one time, or a row ends before
                it begins.
        """
        if key not in table.columns:
            has = ", ".join(table.columns)
            raise InputError(f"table {name} has no column {key!r}, its key; it has {has}")
        bounds = {
            column: instants_us(table[column], zone, empty=empty, where=f"table {name}")
            if column in table.columns
            else np.full(table.height, empty, dtype=np.int64)
            for column, empty in ((VALID_FROM, ALWAYS_US), (VALID_TO, NEVER_US))
        }
        sorted_rows = (
            table.with_columns(
                pl.col(key).cast(pl.String).alias("#key"),
                pl.Series("#from", bounds[VALID_FROM]),
                pl.Series("#to", bounds[VALID_TO]),
            )
            .drop_nulls("#key")
            .sort("#key", "#from", maintain_order=True)
        )
        keys = sorted_rows["#key"].alias("key")
        from_us = np.array(sorted_rows["#from"], dtype=np.int64)
        to_us = np.array(sorted_rows["#to"], dtype=np.int64)
        _check_rows(keys, from_us, to_us, name)
        left_out = {key, VALID_FROM, VALID_TO, "#key", "#from", "#to"}
        readable = [each for each in column_types(sorted_rows.schema) if each not in left_out]
        return cls(
            name=name,
            keys=keys,
            from_us=from_us,
            to_us=to_us,
            values=_plain(sorted_rows.select(readable)),
            dated=bool((from_us > ALWAYS_US).any() or (to_us < NEVER_US).any()),
        )

    def rows(self, codes: pl.Series, book: pl.Series, at_us: NDArray[np.int64]) -> pl.Series:
        """Return for each key and instant the row that holds, null where none does.

        Args:
            codes: Positions in the code book, null allowed.
            book: Position = code.
            at_us: Instants, microseconds since 1970.
        """
        if self.keys.is_empty() or book.is_empty():
            return pl.repeat(None, codes.len(), dtype=pl.UInt32, eager=True)
        texts = self.keys.unique(maintain_order=True)
        first = np.array(self.keys.search_sorted(texts, side="left"), dtype=np.int64)
        place = pl.DataFrame({"key": texts, "first": first})
        start = (
            pl.DataFrame({"key": book.cast(pl.String)})
            .join(place, on="key", how="left", maintain_order="left")["first"]
            .gather(codes.cast(pl.UInt32))
        )
        if not self.dated:
            return start.cast(pl.UInt32)
        left = pl.DataFrame({"start": start, "at": at_us}).with_row_index("#row")
        counts = np.diff(np.append(first, len(self.keys)))
        right = pl.DataFrame(
            {
                "start": np.repeat(first, counts),
                "from": self.from_us,
                "to": self.to_us,
                "found": np.arange(len(self.keys), dtype=np.uint32),
            }
        )
        found = (
            left.sort("at")
            .join_asof(
                right.sort("from", maintain_order=True),
                left_on="at",
                right_on="from",
                by="start",
                check_sortedness=False,
            )
            .sort("#row")
        )
        holds = pl.col("at") < pl.col("to")
        return found.select(
            pl.when(holds & pl.col("start").is_not_null()).then("found")
        ).to_series()

    def row(self, key: str | None, at_us: int) -> int | None:
        """Return the row that holds for one key at one instant."""
        bounds = None if key is None else self._slices.get(key)
        if bounds is None:
            return None
        first, end = bounds
        place = bisect_right(self._from, at_us, first, end) - 1
        return place if place >= first and at_us < int(self.to_us[place]) else None

    @cached_property
    def _from(self) -> Sequence[int]:
        return list(self.from_us.tolist())

    @cached_property
    def _slices(self) -> Mapping[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for place, key in enumerate(self.keys.to_list()):
            found[key] = (found.get(key, (place, 0))[0], place + 1)
        return found


def _check_rows(
    keys: pl.Series, from_us: NDArray[np.int64], to_us: NDArray[np.int64], name: str
) -> None:
    if not len(keys):
        return
    backwards = to_us <= from_us
    if backwards.any():
        key = keys[int(np.argmax(backwards))]
        raise InputError(
            f"table {name} has a row of {key!r} whose valid_to is not after valid_from"
        )
    same = np.array(keys[1:] == keys[:-1], dtype=bool)
    overlap = same & (to_us[:-1] > from_us[1:])
    open_end = same & (to_us[:-1] == NEVER_US) & (from_us[1:] > from_us[:-1])
    overlap &= ~open_end  # a row without an end ends where the next one begins
    if overlap.any():
        key = keys[int(np.argmax(overlap))]
        raise InputError(
            f"table {name} has two rows of {key!r} that hold at one time; "
            "give them valid_from and valid_to that do not overlap"
        )


def _plain(values: pl.DataFrame) -> pl.DataFrame:
    """Return columns in the types of conditions: dates as instants, categories as text."""
    return values.with_columns(
        pl.selectors.date().cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        pl.selectors.datetime().cast(pl.Datetime("us"))
        if not any(isinstance(t, pl.Datetime) for t in values.dtypes)
        else pl.selectors.datetime(time_zone="*").dt.convert_time_zone("UTC").cast(INSTANT),
        pl.selectors.categorical().cast(pl.String),
    )
