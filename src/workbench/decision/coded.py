"""Columns from stored (coded) events, and values from one event. Owns no table and no meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.context import EVENT_COLUMNS

Read = Callable[[str], Any]
"""Gives the value of one event by a name; none: not known."""

_RECORD = frozenset((*EVENT_COLUMNS, "ts_us", "known_at_us", "person_id", "customer_id", "tz"))


def codes_in(frame: pl.DataFrame, name: str) -> pl.Series:
    """Return a column of codes; a log without the column knows none."""
    if name in frame.columns:
        return frame[name].cast(pl.UInt32)
    return pl.repeat(None, frame.height, dtype=pl.UInt32, eager=True)


def gathered(book: pl.Series, places: pl.Series) -> pl.Series:
    """Return what stands at places of a book; null for null, and for an empty book."""
    if book.is_empty():
        return pl.repeat(None, places.len(), dtype=book.dtype, eager=True)
    return book.gather(places.cast(pl.UInt32))


def by_zone(
    frame: pl.DataFrame, zones: NDArray[np.int32], names: Sequence[str], rule: Any, name: str
) -> pl.Series:
    """Return a column of local time, each row in its own zone."""
    used = np.unique(zones)
    if len(used) <= 1:
        zone = names[int(used[0])] if len(used) else names[0]
        return frame.select(rule(name, zone)).to_series()
    keyed = frame.select("ts").with_columns(pl.Series("#zone", zones)).with_row_index("#row")
    parts = [
        keyed.filter(pl.col("#zone") == code).select(
            "#row", rule(name, names[code]).alias("#value")
        )
        for code in used.tolist()
    ]
    return pl.concat(parts).sort("#row")["#value"]


def reader_of(event: Any) -> Read:
    """Return how to read a record of an event, or a mapping of its values."""
    if isinstance(event, Mapping):
        return event.get
    extra = getattr(event, "extra", None) or {}

    def read(name: str) -> Any:
        value = getattr(event, name, None) if name in _RECORD else None
        return extra.get(name) if value is None else value

    return read


def id_of(subject: str, read: Read) -> str | None:
    """Return the id by which a subject's table is looked up; a record's customer is its person."""
    own = text_of(read(f"{subject}_id"))
    return text_of(read("person_id")) if own is None and subject == "customer" else own


def text_of(value: object) -> str | None:
    """Return a value as text; none stays none."""
    return None if value is None else str(value)
