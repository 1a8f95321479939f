"""The calendar in words: local days, weeks and months, quiet hours, broadcast instants.

Everything goes through `zoneinfo` and plain datetimes; nothing comes from the package.
"""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MINUTE_US = 60_000_000
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def wall(instant_us: int, zone: str) -> datetime:
    """Return what a clock on a wall of the zone shows."""
    return (EPOCH + timedelta(microseconds=instant_us)).astimezone(ZoneInfo(zone))


def instant_of(day: date, at: time, zone: str) -> int:
    """Return the first instant at which the wall shows this time of this day, or a later one.

    Of a time that the wall shows twice it is the first; of one that it skips, the skip.
    """
    there = datetime.combine(day, at, tzinfo=ZoneInfo(zone))
    instant = (there.astimezone(UTC) - EPOCH) // MICROSECOND
    if wall(instant, zone).replace(tzinfo=None) == datetime.combine(day, at):
        return instant
    while wall(instant - MINUTE_US, zone).replace(tzinfo=None) > datetime.combine(day, at):
        instant -= MINUTE_US
    return instant


def period_start(instant_us: int, period: str, zone: str) -> int:
    """Return the first instant of the calendar day, week (from Monday) or month."""
    day = wall(instant_us, zone).date()
    if period == "week":
        day -= timedelta(days=day.weekday())
    elif period == "month":
        day = day.replace(day=1)
    else:
        assert period == "day", period
    return instant_of(day, time(0), zone)


def is_quiet(instant_us: int, start: time, end: time, zone: str) -> bool:
    """Say whether the wall shows a time in [start, end), which may go over midnight."""
    now = wall(instant_us, zone).time()
    if start < end:
        return start <= now < end
    return now >= start or now < end


def quiet_until(instant_us: int, start: time, end: time, zone: str) -> int:
    """Return the first whole minute that is not quiet, by looking at one after the other."""
    at = instant_us - instant_us % MINUTE_US
    while is_quiet(at, start, end, zone):
        at += MINUTE_US
    return at


@functools.cache
def broadcasts(
    weekday: str | None, at: time, zone: str, since_us: int, before_us: int
) -> list[int]:
    """Return the instants in [since, before) at which a broadcast goes out."""
    found = []
    day = wall(since_us, zone).date() - timedelta(days=1)
    while day <= wall(before_us, zone).date():
        if weekday in (None, WEEKDAYS[day.weekday()]):
            instant = instant_of(day, at, zone)
            if since_us <= instant < before_us:
                found.append(instant)
        day += timedelta(days=1)
    return found


DAYPARTS = {"night": 0, "breakfast": 6, "lunch": 11, "afternoon": 14, "dinner": 17, "evening": 21}


def calendar_values(instant_us: int, zone: str) -> dict[str, object]:
    """Return what conditions read of an instant: part of the day, weekday, hour."""
    there = wall(instant_us, zone)
    return {
        "daypart": [name for name, hour in DAYPARTS.items() if hour <= there.hour][-1],
        "weekday": WEEKDAYS[there.weekday()],
        "hour": there.hour,
    }


def local_day(instant_us: int, zone: str) -> int:
    return wall(instant_us, zone).date().toordinal()
