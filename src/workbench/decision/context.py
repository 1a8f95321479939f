"""What a condition of a programme may read: event, local time, reference tables, features.

Owns the names and their types, and the local time of an instant. Evaluates no condition and looks
nothing up.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from workbench.conditions import ColumnType
from workbench.dayparts import daypart_column
from workbench.decision.features import FEATURES

EVENT_COLUMNS: Mapping[str, ColumnType] = MappingProxyType(
    {
        "store_id": "text",
        "channel": "text",
        "category": "text",
        "offer_id": "text",
        "amount_cents": "number",
        "discount_cents": "number",
        "margin_cents": "number",
        "quantity": "number",
        "points": "number",
        "distance_m": "number",
        "weather": "text",
        "temperature_c": "number",
    }
)
"""Columns of the event itself, by their names in the decoded log.

Weather that the event does not know comes from the reference table ``weather``.
"""

LOCAL_TIME_COLUMNS: Mapping[str, ColumnType] = MappingProxyType(
    {"daypart": "text", "weekday": "text", "hour": "number"}
)
"""When the event happened, on the customer's clock."""

CALENDAR_COLUMNS: Mapping[str, ColumnType] = MappingProxyType(
    {"is_holiday": "boolean", "is_payday": "boolean"}
)
"""What the reference table ``calendar`` says of the local day of the event."""

REFERENCE_COLUMNS: Mapping[str, ColumnType] = MappingProxyType(
    {
        "customer_city": "text",
        "customer_gender": "text",
        "customer_segment": "text",
        "customer_tier": "text",
        "store_city": "text",
        "store_format": "text",
        "store_has_cafe": "boolean",
        "store_has_parking": "boolean",
        "offer_type": "text",
    }
)
"""Columns of reference tables whose names and types are the same in every log.

A log may have more, by the same rule: the name of the table's subject before the column's.
They are known when the log is given, or when ``house.yaml`` declares them.
"""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

COLUMNS: Mapping[str, ColumnType] = MappingProxyType(
    {
        **EVENT_COLUMNS,
        **LOCAL_TIME_COLUMNS,
        **CALENDAR_COLUMNS,
        **REFERENCE_COLUMNS,
        **{feature.name: feature.type for feature in FEATURES},
    }
)
"""Every name that a condition may use with any log."""


def local_day(instant: pl.Expr, zone: str) -> pl.Expr:
    """Return the calendar day of instants in a zone, as whole days since 1970 (Int32).

    >>> frame = pl.DataFrame({"ts": pl.Series(["2024-01-01T03:00:00Z"]).str.to_datetime()})
    >>> frame.select(local_day(pl.col("ts"), "America/New_York")).item()
    19722
    """
    return instant.dt.convert_time_zone(zone).dt.date().to_physical().cast(pl.Int32)


def local_time(name: str, zone: str) -> pl.Expr:
    """Return one of :data:`LOCAL_TIME_COLUMNS` from the column ``ts``.

    >>> frame = pl.DataFrame({"ts": pl.Series(["2024-01-01T12:00:00Z"]).str.to_datetime()})
    >>> frame.select(local_time("daypart", "UTC"), local_time("weekday", "UTC")).row(0)
    ('lunch', 'monday')
    """
    local = pl.col("ts").dt.convert_time_zone(zone)
    match name:
        case "daypart":
            value = daypart_column(local.dt.hour())
        case "weekday":
            value = local.dt.weekday().replace_strict(
                list(range(1, 8)), list(WEEKDAYS), return_dtype=pl.String
            )
        case _:
            value = local.dt.hour().cast(pl.Int64)
    return value.alias(name)
