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
_MIDNIGHT = "00:00:00"
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
    given, moment, local = (f"__{name}_{part}" for part in ("given", "moment", "local"))
    stages: list[dict[str, pl.Expr]] = []
    faults: list[Fault] = []
    if time.unit and not dtype.is_temporal():
        utc, faults = _counted(name, source, dtype, time=time, zone=zone)
        stages = [{moment: utc}]
    elif isinstance(dtype, pl.Datetime) and dtype.time_zone:
        stages = [{moment: source.dt.cast_time_unit("us").dt.convert_time_zone("UTC")}]
    else:
        if dtype.is_temporal() and dtype != pl.Time:
            naive = source.cast(pl.Datetime("us"))
            midnight = naive.dt.truncate("1d") == naive
            moved = pl.when(midnight).then(naive + _time_of_day(time)).otherwise(naive)
            stages = [{given: naive if time.at == _MIDNIGHT else moved}]
            offset = pl.lit(None, dtype=INSTANT)
        elif dtype == pl.String or dtype.is_integer():
            offset, stages, faults = _written(name, source.cast(pl.String), time)
        else:
            raise InputError(
                f"{where}: {name} is read from a column of {dtype}, which holds no time; "
                "is `unit` missing?"
            )
        stages += [
            {local: _to_utc(pl.col(given), zone)},
            {moment: pl.coalesce(offset, pl.col(local))},
        ]
        gap = pl.col(given).is_not_null() & pl.col(local).is_null()
        rule = f"is no time in {zone} (clocks went forward)"
        faults.append(Fault("time_not_in_zone", name, gap, shown, rule))
    low, high = years
    year = pl.col(moment).dt.year()
    faults.append(
        Fault(
            "time_out_of_range",
            name,
            (year < low) | (year > high),
            shown,
            f"must be in the years {low} to {high}",
        )
    )
    return Parsed(pl.col(moment), faults, tuple(stages))


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


def _written(
    name: str, source: pl.Expr, time: Time
) -> tuple[pl.Expr, list[dict[str, pl.Expr]], list[Fault]]:
    """Return instants of texts with an offset, the stages that give local ones, and the fault."""
    given, quick, offset = (f"__{name}_{part}" for part in ("given", "quick", "offset"))
    text = source.str.strip_chars()
    text = pl.when(text != "").then(text)
    nothing = pl.lit(None, dtype=INSTANT)
    form = time.format
    if form == "iso":
        form = "ISO 8601"
        rest = pl.when(pl.col(quick).is_null()).then(text)
        with_offset, without = _iso(rest, time)
        stages = [
            {quick: text.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)},
            {given: pl.coalesce(pl.col(quick), without), offset: with_offset},
        ]
    elif "%z" in form:
        moment = text.str.to_datetime(form, time_unit="us", strict=False)
        local = pl.lit(None, dtype=pl.Datetime("us"))
        stages = [{given: local, offset: moment.dt.convert_time_zone("UTC")}]
    elif any(part in form for part in ("%H", "%I", "%T", "%s")):
        local = text.str.to_datetime(form, time_unit="us", strict=False)
        stages = [{given: local, offset: nothing}]
    else:
        day = text.str.to_date(form, strict=False).cast(pl.Datetime("us"))
        stages = [{given: day + _time_of_day(time), offset: nothing}]
    unread = text.is_not_null() & pl.col(given).is_null() & pl.col(offset).is_null()
    rule = f"must be a time written as {form}"
    return pl.col(offset), stages, [Fault("time_unreadable", name, unread, source, rule)]


def _iso(text: pl.Expr, time: Time) -> tuple[pl.Expr, pl.Expr]:
    """Return ISO texts as instants, where they have an offset, and as local times otherwise."""
    usual = text.str.replace(r"^(\d{4}-\d{2}-\d{2})[Tt ]", "${1}T").str.replace(r"(?i)z$", "+0000")
    usual = usual.str.replace(r"([+-]\d{2}):?(\d{2})$", "${1}${2}")
    has_offset = text.str.contains(_ZONED) & text.str.contains(r"[Tt ]\d{2}:")
    zoned, local = pl.when(has_offset).then(usual), pl.when(~has_offset).then(usual)

    def read(texts: pl.Expr, form: str) -> pl.Expr:
        return texts.str.to_datetime(form, time_unit="us", strict=False)

    return (
        pl.coalesce(
            read(zoned, "%Y-%m-%dT%H:%M:%S%.f%z"), read(zoned, "%Y-%m-%dT%H:%M%z")
        ).dt.convert_time_zone("UTC"),
        pl.coalesce(
            read(local, "%Y-%m-%dT%H:%M:%S%.f"),
            read(local, "%Y-%m-%dT%H:%M"),
            local.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
            + _time_of_day(time),
        ),
    )
