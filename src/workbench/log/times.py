"""Turns source columns into checked instants in UTC. Owns no event and no file."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl

from workbench.errors import InputError, ParameterError, problem
from workbench.log.checks import Fault, Frame, Parsed, as_text, number_of, pick
from workbench.log.mapping import Time
from workbench.log.schema import INSTANT

_UNIT_US = {
    "microseconds": 1,
    "milliseconds": 1_000,
    "seconds": 1_000_000,
    "minutes": 60_000_000,
    "hours": 3_600_000_000,
    "days": 86_400_000_000,
}
_MOST_US = 10**17
_ZONED = r"(?i)(?:z|[+-]\d{2}:?\d{2})$"


def instant(
    schema: Frame, name: str, time: Time, zone: str, years: tuple[int, int], *, where: str
) -> Parsed:
    """Return a checked instant in UTC, in whole microseconds.

    A local time that occurs twice (clocks go back) is the earlier one; one that does not occur
    (clocks go forward) is a fault.

    Raises:
        InputError: A column is missing or of a type that holds no time.
        ParameterError: The mapping's epoch or pattern does not fit.
    """
    picked = pick(schema, time, where=where)
    if picked is None:
        return Parsed(pl.lit(None, dtype=INSTANT))
    source, dtype = picked
    zone = time.zone or zone
    shown = as_text(source, dtype)
    faults: list[Fault] = []
    if isinstance(dtype, pl.Datetime):
        naive = source.dt.cast_time_unit("us")
        if dtype.time_zone:
            utc = naive.dt.convert_time_zone("UTC")
        else:
            utc = _to_utc(naive + _time_of_day(time), zone)
            faults.append(_gap(name, naive.is_not_null() & utc.is_null(), shown, zone))
    elif dtype == pl.Date:
        naive = source.cast(pl.Datetime("us")) + _time_of_day(time)
        utc = _to_utc(naive, zone)
        faults.append(_gap(name, naive.is_not_null() & utc.is_null(), shown, zone))
    elif time.unit:
        utc, faults = _counted(name, source, dtype, time=time, zone=zone)
    elif dtype == pl.String:
        utc, faults = _written(name, source, time, zone)
    elif dtype.is_integer():
        utc, faults = _written(name, source.cast(pl.String), time, zone)
    else:
        raise InputError(
            f"{where}: {name} is read from a column of {dtype}, which holds no time; is `unit` missing?"
        )
    low, high = years
    year = utc.dt.year()
    faults.append(
        Fault(
            "time_out_of_range",
            name,
            (year < low) | (year > high),
            shown,
            f"must be in the years {low} to {high}",
        )
    )
    return Parsed(utc, faults)


def _gap(name: str, when: pl.Expr, shown: pl.Expr, zone: str) -> Fault:
    return Fault(
        "time_not_in_zone", name, when, shown, f"is no time in {zone} (clocks went forward)"
    )


def _time_of_day(time: Time) -> pl.Expr:
    hours, minutes, seconds = (int(part) for part in time.at.split(":"))
    return pl.duration(hours=hours, minutes=minutes, seconds=seconds, time_unit="us")


def _to_utc(naive: pl.Expr, zone: str) -> pl.Expr:
    return naive.dt.replace_time_zone(
        zone, ambiguous="earliest", non_existent="null"
    ).dt.convert_time_zone("UTC")


def _counted(
    name: str, source: pl.Expr, dtype: pl.DataType, *, time: Time, zone: str
) -> tuple[pl.Expr, list[Fault]]:
    unit_us = _UNIT_US[time.unit or "seconds"]
    number = number_of(name, source, dtype)
    scaled = number.value * unit_us
    fits = scaled.abs() <= _MOST_US
    whole = pl.when(fits).then(scaled).round(0).cast(pl.Int64)
    utc = (whole + epoch_us(time, zone)).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return utc, [
        *number.faults,
        Fault("time_out_of_range", name, ~fits, as_text(source, dtype), "must be a plausible time"),
    ]


def epoch_us(time: Time, zone: str) -> int:
    """Return where counted time starts, in microseconds since 1970 UTC.

    >>> epoch_us(Time(column="t", epoch="1970-01-02", zone="UTC"), "UTC")
    86400000000

    Raises:
        ParameterError: The epoch is not ISO text.
    """
    try:
        start = datetime.fromisoformat(time.epoch)
    except ValueError:
        raise ParameterError(
            problem("epoch", time.epoch, "must be ISO text such as 2018-01-01T00:00:00+00:00")
        ) from None
    if start.tzinfo is None:
        start = start.replace(tzinfo=ZoneInfo(zone))
    since = start - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _written(name: str, source: pl.Expr, time: Time, zone: str) -> tuple[pl.Expr, list[Fault]]:
    text = source.str.strip_chars()
    text = pl.when(text != "").then(text)
    if time.format == "iso":
        usual = text.str.replace(r"^(\d{4}-\d{2}-\d{2})[Tt ]", "${1}T").str.replace(
            r"(?i)z$", "+0000"
        )
        usual = usual.str.replace(r"([+-]\d{2}):?(\d{2})$", "${1}${2}")
        has_offset = text.str.contains(_ZONED) & text.str.contains(r"[Tt ]\d{2}:")
        offset_text = pl.when(has_offset).then(usual)
        local_text = pl.when(~has_offset).then(usual)
        with_offset = pl.coalesce(
            offset_text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%z", time_unit="us", strict=False),
            offset_text.str.to_datetime("%Y-%m-%dT%H:%M%z", time_unit="us", strict=False),
        ).dt.convert_time_zone("UTC")
        naive = pl.coalesce(
            local_text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False),
            local_text.str.to_datetime("%Y-%m-%dT%H:%M", time_unit="us", strict=False),
            local_text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
            + _time_of_day(time),
        )
    elif "%z" in time.format:
        with_offset = text.str.to_datetime(
            time.format, time_unit="us", strict=False
        ).dt.convert_time_zone("UTC")
        naive = pl.lit(None, dtype=pl.Datetime("us"))
    elif any(part in time.format for part in ("%H", "%I", "%T", "%s")):
        with_offset = pl.lit(None, dtype=INSTANT)
        naive = text.str.to_datetime(time.format, time_unit="us", strict=False)
    else:
        with_offset = pl.lit(None, dtype=INSTANT)
        naive = text.str.to_date(time.format, strict=False).cast(pl.Datetime("us")) + _time_of_day(
            time
        )
    local = _to_utc(naive, zone)
    utc = pl.coalesce(with_offset, local)
    form = "ISO 8601" if time.format == "iso" else time.format
    return utc, [
        Fault(
            "time_unreadable",
            name,
            text.is_not_null() & with_offset.is_null() & naive.is_null(),
            source,
            f"must be a time written as {form}",
        ),
        _gap(name, naive.is_not_null() & local.is_null(), source, zone),
    ]
