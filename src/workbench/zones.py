"""Time zones by name, checked, and the local day and week of instants. Owns no part of a day."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from workbench.errors import ParameterError, did_you_mean, problem

if TYPE_CHECKING:
    import polars as pl

RULE = "must be an IANA time zone such as 'America/New_York'"


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name.

    Raises:
        ParameterError: This machine knows no such zone.

    >>> zone_named("America/New_York").key
    'America/New_York'
    >>> zone_named("America/New_Yorck")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: zone was 'America/New_Yorck', must be an IANA time zone such as 'America/New_York' — did you mean 'America/New_York'?
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        raise ParameterError(problem("zone", name, RULE, hint=near_zone(name))) from None


def near_zone(name: object) -> str:
    """Return `` — did you mean 'x'?`` for the nearest zone, or an empty string.

    >>> near_zone("Europe/Zurch")
    " — did you mean 'Europe/Zurich'?"
    """
    from zoneinfo import available_timezones  # noqa: PLC0415 - a slow call, for an error only

    return did_you_mean(str(name), available_timezones())


def local_day(instant: pl.Expr, zone: str) -> pl.Expr:
    """Return the calendar day of instants in a zone, as dates.

    Raises:
        ParameterError: This machine knows no such zone.

    >>> import polars as pl
    >>> frame = pl.DataFrame({"ts": pl.Series(["2024-01-01T03:00:00Z"]).str.to_datetime()})
    >>> frame.select(local_day(pl.col("ts"), "America/New_York")).item().isoformat()
    '2023-12-31'
    """
    return instant.dt.convert_time_zone(zone_named(zone).key).dt.date()


def local_week(instant: pl.Expr, zone: str) -> pl.Expr:
    """Return the Monday of the local week of instants in a zone, as dates.

    Raises:
        ParameterError: This machine knows no such zone.

    >>> import polars as pl
    >>> frame = pl.DataFrame({"ts": pl.Series(["2024-01-01T03:00:00Z"]).str.to_datetime()})
    >>> frame.select(local_week(pl.col("ts"), "America/New_York")).item().isoformat()
    '2023-12-25'
    """
    return local_day(instant, zone).dt.truncate("1w")
