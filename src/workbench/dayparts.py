"""The parts of a day: local hour to name. Owns the one definition; converts no time zone.

Each part is half-open: ``lunch`` is from 11:00 up to, not including, 14:00. The hour is the hour
on the wall where the customer is; turning an instant into it is the caller's work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from workbench.errors import InputError, problem

if TYPE_CHECKING:
    import polars as pl

Daypart = Literal["night", "breakfast", "lunch", "afternoon", "dinner", "evening"]

DAYPARTS: tuple[tuple[Daypart, int, int], ...] = (
    ("night", 0, 6),
    ("breakfast", 6, 11),
    ("lunch", 11, 14),
    ("afternoon", 14, 17),
    ("dinner", 17, 21),
    ("evening", 21, 24),
)
"""Name, first hour, hour at which the next part starts; in the order of the day, without a gap."""

DAYPART_NAMES: tuple[Daypart, ...] = tuple(name for name, _, _ in DAYPARTS)

CODE_OF_HOUR: tuple[int, ...] = tuple(
    code for code, (_, start, end) in enumerate(DAYPARTS) for _ in range(start, end)
)
"""For each of the 24 hours the position of its part in :data:`DAYPART_NAMES` (compiled code)."""


def daypart(hour: int) -> Daypart:
    """Return the name of the part of the day that a local hour (0 to 23) lies in.

    Raises:
        InputError: The hour is not in 0 to 23.

    >>> daypart(10), daypart(11), daypart(13), daypart(14)
    ('breakfast', 'lunch', 'lunch', 'afternoon')
    """
    if not 0 <= hour < len(CODE_OF_HOUR):
        raise InputError(problem("hour", hour, "must be 0 to 23"))
    return DAYPART_NAMES[CODE_OF_HOUR[hour]]


def daypart_code(hour: pl.Expr) -> pl.Expr:
    """Return, for a column of local hours, the position in :data:`DAYPART_NAMES` (null for null).

    >>> import polars as pl
    >>> frame = pl.DataFrame({"hour": [0, 6, 23, None]})
    >>> frame.select(daypart_code(pl.col("hour"))).to_series().to_list()
    [0, 1, 5, None]
    """
    import polars as pl  # noqa: PLC0415 - the plain function needs no Polars

    return hour.replace_strict(
        list(range(len(CODE_OF_HOUR))), list(CODE_OF_HOUR), return_dtype=pl.Int8
    )


def daypart_column(hour: pl.Expr) -> pl.Expr:
    """Return, for a column of local hours, the name of the part of the day (null for null).

    >>> import polars as pl
    >>> frame = pl.DataFrame({"hour": [12, None]})
    >>> frame.select(daypart_column(pl.col("hour"))).to_series().to_list()
    ['lunch', None]
    """
    import polars as pl  # noqa: PLC0415 - the plain function needs no Polars

    return daypart_code(hour).replace_strict(
        list(range(len(DAYPART_NAMES))), list(DAYPART_NAMES), return_dtype=pl.String
    )
