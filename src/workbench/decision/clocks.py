"""Local days, weeks, months and quiet hours of zones, exact over changes of the clocks.

Owns the table of changes of a zone and the arithmetic on it, plain and compiled. Reads no clock.
"""

# mypy: disable-error-code="no-any-return"
# Entries of arrays are whole numbers, which the types of arrays do not say.

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from workbench.decision.compiled import in_core
from workbench.decision.desk import EMPTY_US, NEVER_US, Table
from workbench.records import DAY_US

DAY, WEEK, MONTH = range(3)
CALENDARS = {"day": DAY, "week": WEEK, "month": MONTH}
MINUTE_US = 60_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_YEAR, _LAST_YEAR, _STEP_DAYS = 1900, 2200, 7


@functools.lru_cache(maxsize=512)
def changes_of(zone: str) -> tuple[tuple[int, int], ...]:
    """Return from when on which offset from UTC holds, both in microseconds.

    Before 1900 and after 2200 the nearest offset holds. A zone is looked at once a week; what
    changes and changes back within one is not seen.

    >>> len(changes_of("UTC"))
    1
    """
    there = ZoneInfo(zone)

    def offset_s(second: int) -> int:
        shift = (_EPOCH + timedelta(seconds=second)).astimezone(there).utcoffset()
        return 0 if shift is None else int(shift.total_seconds())

    at = int((datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
    end = int((datetime(_LAST_YEAR, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
    offset = offset_s(at)
    found = [(EMPTY_US, offset * 1_000_000)]
    while at < end:
        following = at + _STEP_DAYS * 86_400
        other = offset_s(following)
        if other != offset:
            low, high = at, following
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_s(middle) == offset else (low, middle)
            offset = offset_s(high)
            found.append((high * 1_000_000, offset * 1_000_000))
            at = high
        else:
            at = following
    return tuple(found)


def tables_of(zones: Sequence[str]) -> tuple[Table, Table]:
    """Return for each zone where its changes lie, and the changes of all."""
    several = [changes_of(zone) for zone in zones]
    ends = np.cumsum([len(each) for each in several])
    where = np.array([[end - len(each), end] for each, end in zip(several, ends, strict=True)])
    changes = np.array([pair for each in several for pair in each], dtype=np.int64)
    return where.astype(np.int64), changes


@in_core
def change_at(zones: Table, changes: Table, zone: int, at_us: int) -> int:
    """Return the place of the change that holds at an instant."""
    low, high = zones[zone, 0], zones[zone, 1]
    while high - low > 1:
        middle = (low + high) // 2
        if changes[middle, 0] <= at_us:
            low = middle
        else:
            high = middle
    return low


@in_core
def instant_of(zones: Table, changes: Table, zone: int, wall_us: int) -> int:
    """Return the first instant at which the wall shows a time.

    For a time that the clocks leave out it is the instant at which they do.
    """
    near = change_at(zones, changes, zone, wall_us)
    first, end = zones[zone, 0], zones[zone, 1]
    k = max(near - 1, first)
    while k < end - 1 and wall_us - changes[k, 1] >= changes[k + 1, 0]:
        k += 1
    if k > first and wall_us - changes[k, 1] < changes[k, 0]:
        return changes[k, 0]
    return wall_us - changes[k, 1]


@in_core
def first_day(calendar: int, day: int) -> int:
    """Return the first day of the calendar period of a day; days since 1970."""
    if calendar == DAY:
        return day
    if calendar == WEEK:
        return day - (day + 3) % 7
    shifted = day + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    return day - (of_year - (153 * month + 2) // 5)


@in_core
def period_start(zones: Table, changes: Table, zone: int, calendar: int, at_us: int) -> int:
    """Return the first instant of the day, week (from Monday) or month of an instant."""
    offset = changes[change_at(zones, changes, zone, at_us), 1]
    day = first_day(calendar, (at_us + offset) // DAY_US)
    return instant_of(zones, changes, zone, day * DAY_US)


@in_core
def period_end(zones: Table, changes: Table, zone: int, calendar: int, at_us: int) -> int:
    """Return the first instant behind the day, week or month of an instant."""
    offset = changes[change_at(zones, changes, zone, at_us), 1]
    day = first_day(calendar, (at_us + offset) // DAY_US)
    longest = 1 if calendar == DAY else 7 if calendar == WEEK else 31
    following = day + longest
    if calendar == MONTH:
        following = first_day(MONTH, following)
    return instant_of(zones, changes, zone, following * DAY_US)


@in_core
def quiet_until(  # noqa: PLR0917 - compiled: flat values, one path
    zones: Table, changes: Table, zone: int, start_us: int, end_us: int, at_us: int
) -> int:
    """Return the first instant from ``at_us`` on that is not quiet: itself when it is not.

    Quiet is what the clock on the wall shows from ``start_us`` up to, not including, ``end_us``
    after midnight; a start behind the end goes over midnight.
    """
    k = change_at(zones, changes, zone, at_us)
    while True:
        shown = (at_us + changes[k, 1]) % DAY_US
        quiet = start_us <= shown < end_us
        if start_us > end_us:
            quiet = shown >= start_us or shown < end_us
        if not quiet:
            return at_us
        until = at_us + (end_us - shown) % DAY_US
        if k + 1 >= zones[zone, 1] or until < changes[k + 1, 0]:
            return until
        k += 1
        at_us = changes[k, 0]


def ticks(
    zone: str, weekday: int | None, minutes: int, since_us: int, until_us: int
) -> NDArray[np.int64]:
    """Return the instants in [since, until) at which the wall shows a time, on one weekday or all.

    >>> ticks("UTC", 0, 540, 0, 14 * DAY_US).tolist()  # Mondays at 09:00, 1970-01-05 and 12
    [378000000000, 982800000000]
    """
    where, changes = tables_of([zone])
    low = max(since_us, _EDGES[0]) // DAY_US - 2
    high = min(until_us, _EDGES[1]) // DAY_US + 2
    found = [
        instant_of(where, changes, 0, day * DAY_US + minutes * MINUTE_US)
        for day in range(low, high + 1)
        if weekday is None or (day + 3) % 7 == weekday
    ]
    return np.array([at for at in found if since_us <= at < until_us], dtype=np.int64)


_EDGES = (-NEVER_US // 16, NEVER_US // 16)
