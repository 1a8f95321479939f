"""Reference tables with a rule of their own: weather by place and hour, the calendar by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.context import CALENDAR_COLUMNS
from workbench.decision.dated import instants_us
from workbench.decision.durations import HOUR_US
from workbench.errors import InputError

_WEATHER_TYPES = {"weather": pl.String(), "temperature_c": pl.Float64()}


@dataclass(frozen=True, eq=False)
class Weather:
    """Weather by place and hour; what was seen in an hour holds for it and for no other.

    Attributes:
        table: ``place``, ``hour`` (hours since 1970 in UTC) and the columns seen.
        by_store: Whether a place is the id of a store.
    """

    table: pl.DataFrame
    by_store: bool

    @classmethod
    def of(cls, table: pl.DataFrame) -> Weather:
        """Make a table ready.

        Raises:
            InputError: It has no place or no hour, or two rows for one place and hour.
        """
        key = next((name for name in ("store_id", "place") if name in table.columns), None)
        if key is None or "hour" not in table.columns:
            has = ", ".join(table.columns)
            raise InputError(f"table weather must have hour and store_id or place; it has {has}")
        hour = instants_us(table["hour"], "UTC", empty=0, where="table weather") // HOUR_US
        seen = [
            pl.col(name).cast(dtype)
            for name, dtype in _WEATHER_TYPES.items()
            if name in table.columns
        ]
        ready = table.select(
            pl.col(key).cast(pl.String).alias("place"), pl.Series("hour", hour), *seen
        )
        twice = ready.filter(ready.select("place", "hour").is_duplicated())
        if twice.height:
            raise InputError(f"table weather has two rows for {twice['place'][0]!r} in one hour")
        return cls(ready, key == "store_id")

    @property
    def columns(self) -> frozenset[str]:
        """Names of what was seen."""
        return frozenset(self.table.columns) - {"place", "hour"}

    def column(self, name: str, places: pl.Series, ts_us: NDArray[np.int64]) -> pl.Series:
        """Return what was seen at places in the hours of instants."""
        asked = pl.DataFrame({"place": places, "hour": ts_us // HOUR_US})
        wanted = self.table.select("place", "hour", name)
        return asked.join(wanted, on=["place", "hour"], how="left", maintain_order="left")[name]

    def one(self, name: str, place: str | None, ts_us: int) -> object:
        """Return what was seen at one place in the hour of an instant."""
        row = self._rows.get((place, ts_us // HOUR_US))
        return None if row is None or name not in self.columns else self.table[name][row]

    @cached_property
    def _rows(self) -> Mapping[tuple[str | None, int], int]:
        keys = self.table.select("place", "hour").iter_rows()
        return {(place, hour): row for row, (place, hour) in enumerate(keys)}


@dataclass(frozen=True, eq=False)
class Calendar:
    """Holidays and pay-days by local day, for all zones or by zone.

    Attributes:
        table: ``day`` (days since 1970), ``zone`` (null: all) and the truth values.
        by_zone: Whether the table has rows by zone.
    """

    table: pl.DataFrame
    by_zone: bool

    @classmethod
    def of(cls, table: pl.DataFrame) -> Calendar:
        """Make a table ready.

        Raises:
            InputError: It has no dates, a truth value is none, or a day stands twice.
        """
        if "date" not in table.columns or table["date"].dtype != pl.Date:
            has = ", ".join(f"{name} {dtype}" for name, dtype in table.schema.items())
            raise InputError(f"table calendar must have a column date of dates; it has {has}")
        found = [name for name in CALENDAR_COLUMNS if name in table.columns]
        for name in found:
            if table[name].dtype != pl.Boolean:
                raise InputError(f"table calendar: {name} was {table[name].dtype}, must be boolean")
        by_zone = "zone" in table.columns
        keys = ["day", "zone"] if by_zone else ["day"]
        ready = table.select(
            pl.col("date").to_physical().cast(pl.Int32).alias("day"),
            *([pl.col("zone").cast(pl.String)] if by_zone else []),
            *found,
        ).drop_nulls("day")
        if ready.select(keys).is_duplicated().any():
            raise InputError(f"table calendar has a {' and '.join(keys)} twice")
        return cls(ready, by_zone)

    @property
    def columns(self) -> frozenset[str]:
        """Names of the truth values."""
        return frozenset(self.table.columns) - {"day", "zone"}

    @cached_property
    def _span(self) -> tuple[int, int]:
        if self.table.is_empty():
            return 0, -1
        return int(self.table["day"].min()), int(self.table["day"].max())  # type: ignore[arg-type]  # not null

    def column(self, name: str, day: pl.Series, zone: pl.Series) -> pl.Series:
        """Return the truth value of local days; a day inside the span that is not listed is no."""
        if name not in self.columns:
            return pl.repeat(None, day.len(), dtype=pl.Boolean, eager=True)
        keys = ["day", "zone"] if self.by_zone else ["day"]
        asked = pl.DataFrame({"day": day, "zone": zone})
        wanted = self.table.select(*keys, name).with_columns(listed=True)
        first, last = self._span
        return (
            asked.join(wanted, on=keys, how="left", maintain_order="left")
            .select(
                pl.when(pl.col("listed"))
                .then(name)
                .when(pl.col("day").is_between(first, last))
                .then(pl.lit(value=False))
                .alias(name)
            )
            .to_series()
        )

    def one(self, name: str, day: int, zone: str) -> object:
        """Return the truth value of one local day."""
        if name not in self.columns:
            return None
        row = self._rows.get((day, zone if self.by_zone else None))
        if row is not None:
            return self.table[name][row]
        first, last = self._span
        return False if first <= day <= last else None

    @cached_property
    def _rows(self) -> Mapping[tuple[int, str | None], int]:
        zones = self.table["zone"].to_list() if self.by_zone else [None] * self.table.height
        days = self.table["day"].to_list()
        return {key: row for row, key in enumerate(zip(days, zones, strict=True))}
