"""Every column that a condition may read but the features, for a frame of events and for one.

Owns the look-up of reference tables as of the decision's instant, the customer's zone and the
local time. Owns no condition and no feature.

Tables of a log and their keys: ``customers`` (customer_id), ``stores`` (store_id), ``offers``
(offer_id), ``weather`` (store_id or place, hour), ``calendar`` (date, and zone when it has one).
A column ``has_cafe`` of ``stores`` is ``store_has_cafe`` in a condition. Attributes are looked up
as of ``known_at``, when the decision is made; weather and calendar as of ``ts``, when the event
happened. A day that lies between the first and the last one of the calendar and is not listed is
no holiday and no pay-day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.conditions import ColumnType, column_types
from workbench.dayparts import daypart
from workbench.decision.coded import (
    Read,
    by_zone,
    codes_in,
    gathered,
    id_of,
    reader_of,
    text_of,
)
from workbench.decision.context import (
    CALENDAR_COLUMNS,
    EVENT_COLUMNS,
    LOCAL_TIME_COLUMNS,
    REFERENCE_COLUMNS,
    WEEKDAYS,
    local_day,
    local_time,
)
from workbench.decision.dated import DatedTable
from workbench.decision.lookups import Calendar, Weather
from workbench.decision.zones import CustomerZones
from workbench.errors import InputError, ParameterError, problem
from workbench.log.schema import CONTRACT, CONTRACT_NAMES, Column

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SUBJECTS = {"customer": "customers", "store": "stores", "offer": "offers"}
_WEATHER = ("weather", "temperature_c")
_DECODED = {column.decoded: column for column in CONTRACT}


class TablesOfLog(Protocol):
    """What references need of a stored log."""

    @property
    def zone(self) -> str: ...  # noqa: D102 - the contract of the log says it
    @property
    def tables(self) -> tuple[str, ...]: ...  # noqa: D102 - same
    @property
    def columns(self) -> tuple[Column, ...]: ...  # noqa: D102 - same
    def table(self, name: str) -> pl.DataFrame: ...  # noqa: D102 - same
    def codes(self, column: str) -> pl.Series: ...  # noqa: D102 - same


def log_columns(log: TablesOfLog) -> dict[str, ColumnType]:
    """Return the columns that a log has beside those that every log may have, with their types.

    They are a mapping's own columns of the event, and the columns of the reference tables.
    """
    return dict(References(log).own_types)


class References:
    """The reference tables of a log, ready to be looked up.

    Attributes:
        zone: The zone of customers without one of their own.
        zone_names: Every zone in use, that of :attr:`zone` first; position = code.
        own_types: Columns beside those that every log may have.

    >>> one = References(None, zone="UTC").one(
    ...     {"ts_us": 0, "known_at_us": 0, "amount_cents": 250}, ["amount_cents", "weekday", "hour"])
    >>> one
    {'amount_cents': 250, 'weekday': 'thursday', 'hour': 0}
    """

    def __init__(
        self,
        log: TablesOfLog | None,
        *,
        zone: str | None = None,
        declared: Mapping[str, ColumnType] | None = None,
    ) -> None:
        if log is None and zone is None:
            raise ParameterError(problem("zone", zone, "must be named where there is no log"))
        self._log = log
        self.zone = zone or (log.zone if log is not None else "UTC")
        self._columns = {
            column.decoded: column for column in (log.columns if log is not None else CONTRACT)
        }
        names = set(log.tables) if log is not None else set()
        self._subjects = {
            subject: DatedTable.of(log.table(table), f"{subject}_id", name=table, zone=self.zone)
            for subject, table in _SUBJECTS.items()
            if log is not None and table in names
        }
        self._weather = (
            Weather.of(log.table("weather")) if log is not None and "weather" in names else None
        )
        self._calendar = (
            Calendar.of(log.table("calendar")) if log is not None and "calendar" in names else None
        )
        self._origin = {
            _condition_name(subject, column): (subject, column)
            for subject, table in self._subjects.items()
            for column in table.values.columns
        }
        self.own_types: dict[str, ColumnType] = self._own_types()
        self._expected = {**REFERENCE_COLUMNS, **(declared or {})}
        self._check_types()
        self._zones = CustomerZones(
            self.zone,
            log.codes("tz") if log is not None else pl.Series([], dtype=pl.String),
            self._subjects.get("customer"),
            log.codes("customer") if log is not None else pl.Series([], dtype=pl.String),
        )
        self.zone_names = self._zones.names

    @property
    def of_weather(self) -> frozenset[str]:
        """What the table ``weather`` gives where the event does not know it."""
        return frozenset() if self._weather is None else self._weather.columns

    def missing(self, names: Iterable[str]) -> tuple[str, ...]:
        """Say which of the names this log has nothing for, by table or by column."""
        found = []
        for name in sorted(names):
            if name in CALENDAR_COLUMNS:
                if self._calendar is None or name not in self._calendar.columns:
                    found.append(_nothing(name, "calendar", there=self._calendar is not None))
            elif name in REFERENCE_COLUMNS and name not in self._origin:
                subject = next(each for each in _SUBJECTS if name.startswith(each))
                found.append(_nothing(name, _SUBJECTS[subject], there=subject in self._subjects))
            elif name not in (*self._origin, *self._columns, *LOCAL_TIME_COLUMNS):
                found.append(f"no `{name}` in this log")
        return tuple(found)

    def stored(self, names: Iterable[str]) -> frozenset[str]:
        """Return the stored columns that a frame must have for :meth:`columns`."""
        wanted = {"ts", "known_at"}
        for name in names:
            if name in self._columns and (name in EVENT_COLUMNS or name not in CONTRACT_NAMES):
                wanted.add(self._columns[name].stored)
            if name in self._origin:
                wanted.add(self._origin[name][0])
            if name in _WEATHER and self._weather is not None:
                wanted.add("store")
            if name in LOCAL_TIME_COLUMNS or name in CALENDAR_COLUMNS:
                wanted |= self._zones.stored
        return frozenset(wanted)

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns that the log may have, by contract and mapping."""
        return tuple(self._columns.values())

    def zones(self, frame: pl.DataFrame) -> NDArray[np.int32]:
        """Return for each event the position of its customer's zone in :attr:`zone_names`.

        The event's own zone counts, else the customer's as of the event, else :attr:`zone`.
        """
        return np.maximum(self.own_zones(frame), 0)

    def own_zones(self, frame: pl.DataFrame) -> NDArray[np.int32]:
        """Return the same, and -1 where neither the event nor the customer has a zone."""
        return self._zones.known(frame)

    def zone_of(self, event: Any) -> str:
        """Return the zone of one event's customer, as :meth:`zones` does."""
        return self.own_zone_of(event) or self.zone

    def own_zone_of(self, event: Any) -> str | None:
        """Return the same, none where neither the event nor its customer has a zone."""
        return self._zones.known_of(event)

    def columns(self, frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
        """Return the named columns for stored events, one row each, in the order of the names.

        Args:
            frame: Events with the columns of :meth:`stored`; a column that the log lacks is null.
            names: Names that conditions read; features are not among them.
        """
        wanted = tuple(names)
        zones: NDArray[np.int32] | None = None
        if any(name in LOCAL_TIME_COLUMNS or name in CALENDAR_COLUMNS for name in wanted):
            zones = self.zones(frame)
        rows = {
            subject: self._rows(subject, frame)
            for subject in {self._origin[name][0] for name in wanted if name in self._origin}
        }
        found = []
        for name in wanted:
            if name in LOCAL_TIME_COLUMNS and zones is not None:
                column = by_zone(frame, zones, self.zone_names, local_time, name)
            elif name in CALENDAR_COLUMNS and zones is not None:
                column = self._calendar_column(name, frame, zones)
            elif name in self._origin:
                subject, source = self._origin[name]
                column = gathered(self._subjects[subject].values[source], rows[subject])
            else:
                column = self._event_column(name, frame)
                if name in _WEATHER and self._weather is not None:
                    column = self._with_weather(name, column, frame)
            found.append(column.alias(name))
        return pl.DataFrame(found)

    def one(self, event: Any, names: Iterable[str]) -> dict[str, object]:
        """Return the named values for one event, from the same tables.

        Args:
            event: A record with attributes (or a mapping with keys) ``ts_us``, ``known_at_us``
                and the decoded columns; a value that is not there is not known.
            names: Names that conditions read; features are not among them.
        """
        read = reader_of(event)
        zone = self.zone_of(event)
        local = (_EPOCH + timedelta(microseconds=read("ts_us"))).astimezone(ZoneInfo(zone))
        found: dict[str, object] = {}
        for name in names:
            if name == "daypart":
                found[name] = daypart(local.hour)
            elif name == "weekday":
                found[name] = WEEKDAYS[local.weekday()]
            elif name == "hour":
                found[name] = local.hour
            elif name in CALENDAR_COLUMNS:
                day = local.date().toordinal() - _EPOCH.date().toordinal()
                found[name] = (
                    None if self._calendar is None else self._calendar.one(name, day, zone)
                )
            elif name in self._origin:
                subject, source = self._origin[name]
                found[name] = self._one_of(subject, source, read)
            else:
                found[name] = read(name)
                if found[name] is None and name in _WEATHER and self._weather is not None:
                    found[name] = self._weather.one(name, self._place_of(read), read("ts_us"))
        return found

    def _one_of(self, subject: str, column: str, read: Read) -> object:
        table = self._subjects[subject]
        row = table.row(id_of(subject, read), read("known_at_us"))
        return None if row is None else table.values[column][row]

    def _rows(self, subject: str, frame: pl.DataFrame) -> pl.Series:
        at = np.array(frame["known_at"].to_physical(), dtype=np.int64)
        book = self._log.codes(subject) if self._log is not None else pl.Series([], dtype=pl.String)
        return self._subjects[subject].rows(codes_in(frame, subject), book, at)

    def _event_column(self, name: str, frame: pl.DataFrame) -> pl.Series:
        column = self._columns.get(name)
        if column is None or column.stored not in frame.columns:
            kind = self._expected.get(name) if column is None else _type_of(column)
            dtype = pl.Null() if kind is None else _DTYPES[kind]
            return pl.repeat(None, frame.height, dtype=dtype, eager=True)
        if column.is_code and self._log is not None:
            return gathered(self._log.codes(column.stored), frame[column.stored].cast(pl.UInt32))
        return frame[column.stored]

    def _place_of(self, read: Read) -> str | None:
        if self._weather is None or self._weather.by_store:
            return text_of(read("store_id"))
        if "store" not in self._subjects or "place" not in self._subjects["store"].values.columns:
            return None
        return text_of(self._one_of("store", "place", read))

    def _with_weather(self, name: str, own: pl.Series, frame: pl.DataFrame) -> pl.Series:
        if self._weather is None or self._log is None or name not in self._weather.columns:
            return own
        places = gathered(self._log.codes("store"), codes_in(frame, "store"))
        if not self._weather.by_store:
            if "store" not in self._subjects:
                return own
            table = self._subjects["store"].values
            if "place" not in table.columns:
                return own
            places = gathered(table["place"], self._rows("store", frame))
        seen = self._weather.column(name, places, np.array(frame["ts"].to_physical(), np.int64))
        return own.zip_with(own.is_not_null(), seen.cast(own.dtype))

    def _calendar_column(
        self, name: str, frame: pl.DataFrame, zones: NDArray[np.int32]
    ) -> pl.Series:
        if self._calendar is None:
            return pl.repeat(None, frame.height, dtype=pl.Boolean, eager=True)

        def days(_: str, zone: str) -> pl.Expr:
            return local_day(pl.col("ts"), zone)

        day = by_zone(frame, zones, self.zone_names, days, "day")
        zone = pl.Series([self.zone_names[code] for code in zones.tolist()], dtype=pl.String)
        return self._calendar.column(name, day, zone)

    def _own_types(self) -> dict[str, ColumnType]:
        found = {
            name: _type_of(column)
            for name, column in self._columns.items()
            if name not in CONTRACT_NAMES
        }
        for name, (subject, source) in self._origin.items():
            found[name] = column_types({source: self._subjects[subject].values.schema[source]})[
                source
            ]
        return found

    def _check_types(self) -> None:
        for name, kind in self._expected.items():
            if self.own_types.get(name, kind) != kind:
                rule = f"must be {kind}, as conditions expect"
                raise InputError(problem(f"column {name} of the log", self.own_types[name], rule))


_DTYPES: dict[ColumnType, pl.DataType] = {
    "number": pl.Float64(),
    "text": pl.String(),
    "boolean": pl.Boolean(),
    "instant": pl.Datetime("us", "UTC"),
}


def _type_of(column: Column) -> ColumnType:
    match column.kind:
        case "boolean" | "instant":
            return column.kind
        case "integer" | "cents" | "number":
            return "number"
    return "text"


def _condition_name(subject: str, column: str) -> str:
    return column if column.startswith(f"{subject}_") else f"{subject}_{column}"


def _nothing(name: str, table: str, *, there: bool) -> str:
    if there:
        return f"no `{name}` in this log"
    return f"no table `{table}` in this log, from which `{name}` would come"
