"""The contract of the stored event log: columns, kinds and the schema version. Owns no file.

A stored log holds codes where a column repeats (`person`, `type`, `store`); the decoded log has
the names of the contract (`person_id`, `type`, `store_id`). Both names are here, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl
import pyarrow as pa

SCHEMA_VERSION = 1

Kind = Literal["text", "code", "type_code", "integer", "cents", "number", "boolean", "instant"]

INSTANT = pl.Datetime("us", "UTC")

_POLARS: dict[Kind, pl.DataType] = {
    "text": pl.String(),
    "code": pl.Int32(),
    "type_code": pl.Int16(),
    "integer": pl.Int64(),
    "cents": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "instant": INSTANT,
}
_ARROW: dict[Kind, pa.DataType] = {
    "text": pa.large_string(),
    "code": pa.int32(),
    "type_code": pa.int16(),
    "integer": pa.int64(),
    "cents": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "instant": pa.timestamp("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the log.

    Attributes:
        stored: Name in the Parquet parts.
        decoded: Name after codes are turned into text again.
        kind: What it holds; `code` and `type_code` are positions in a code book.
        required: Whether null is refused.
    """

    stored: str
    decoded: str
    kind: Kind
    required: bool = False

    @property
    def is_code(self) -> bool:
        """Whether the stored column holds positions in a code book."""
        return self.kind in ("code", "type_code")

    @property
    def stored_type(self) -> pl.DataType:
        """The Polars type in the parts."""
        return _POLARS[self.kind]

    @property
    def decoded_type(self) -> pl.DataType:
        """The Polars type after decoding: text for codes."""
        return pl.String() if self.is_code else _POLARS[self.kind]


CONTRACT: tuple[Column, ...] = (
    Column("event_id", "event_id", "text", required=True),
    Column("seq", "seq", "integer", required=True),
    Column("ts", "ts", "instant", required=True),
    Column("received_at", "received_at", "instant"),
    Column("known_at", "known_at", "instant", required=True),
    Column("person", "person_id", "code", required=True),
    Column("customer", "customer_id", "code"),
    Column("type", "type", "type_code", required=True),
    Column("store", "store_id", "code"),
    Column("channel", "channel", "code"),
    Column("category", "category", "code"),
    Column("offer", "offer_id", "code"),
    Column("basket_id", "basket_id", "text"),
    Column("amount_cents", "amount_cents", "cents"),
    Column("discount_cents", "discount_cents", "cents"),
    Column("margin_cents", "margin_cents", "cents"),
    Column("quantity", "quantity", "integer"),
    Column("points", "points", "integer"),
    Column("decision_id", "decision_id", "text"),
    Column("distance_m", "distance_m", "number"),
    Column("weather", "weather", "code"),
    Column("temperature_c", "temperature_c", "number"),
    Column("tz", "tz", "code"),
    Column("attributes", "attributes", "text"),
)
"""The columns of every log, in stored order; a mapping may add typed columns after them."""

QUARANTINE: dict[str, pl.DataType] = {
    "source": pl.String(),
    "file": pl.String(),
    "line": pl.Int64(),
    "reason": pl.String(),
    "column": pl.String(),
    "detail": pl.String(),
    "raw": pl.String(),
}
"""Columns of the quarantine: place, stable reason code, column of the log, sentence, source record."""

CONTRACT_NAMES = frozenset(name for column in CONTRACT for name in (column.stored, column.decoded))


def columns_with(extra: dict[str, Kind]) -> tuple[Column, ...]:
    """Return the contract followed by a mapping's own columns, in order of their names.

    >>> [c.decoded for c in columns_with({"product_id": "code"})][-2:]
    ['attributes', 'product_id']
    """
    return CONTRACT + tuple(Column(name, name, extra[name]) for name in sorted(extra))


def arrow_schema(columns: tuple[Column, ...] = CONTRACT) -> pa.Schema:
    """Return the stored log as an Arrow schema.

    >>> arrow_schema().field("ts").type
    TimestampType(timestamp[us, tz=UTC])
    """
    return pa.schema(
        [
            pa.field(column.stored, _ARROW[column.kind], nullable=not column.required)
            for column in columns
        ]
    )
