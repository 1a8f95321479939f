"""Lengths of time and times of the day as a file writes them. Owns no calendar and no zone.

``"10 min"``, ``"2 h"``, ``"60 days"`` become whole microseconds, ``"09:00"`` whole minutes since
midnight. A number without a unit is an error, for it could be any.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from workbench.errors import ParameterError, problem

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
"""24 hours, whatever the clocks of a zone do."""

LONGEST_DAYS = 3660
"""The longest length of time: ten years."""

_UNITS = {
    "s": SECOND_US,
    "second": SECOND_US,
    "seconds": SECOND_US,
    "min": MINUTE_US,
    "minute": MINUTE_US,
    "minutes": MINUTE_US,
    "h": HOUR_US,
    "hour": HOUR_US,
    "hours": HOUR_US,
    "day": DAY_US,
    "days": DAY_US,
    "week": 7 * DAY_US,
    "weeks": 7 * DAY_US,
}
_WRITTEN = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,6})?) *(?P<unit>[a-z]+)", re.ASCII)
_CLOCK = re.compile(r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})", re.ASCII)
_SHOWN = (("days", DAY_US), ("h", HOUR_US), ("min", MINUTE_US))
_RULE = "must be a number with a unit: s, min, h, days or weeks, such as '30 min'"


class Duration(int):
    """A length of time: whole microseconds, written with a unit.

    It is a whole number everywhere, and so is its digest: ``24 h`` and ``1 day`` are the same. Its
    text reads back as the same length.

    >>> Duration.parse("2 h"), str(Duration.parse("2 h")), Duration.parse("24 h") == Duration.parse("1 day")
    (7200000000, '2 h', True)
    >>> Duration.parse("90")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: duration was '90', must be a number with a unit: s, min, h, days or weeks, such as '30 min'
    """

    @classmethod
    def parse(cls, text: str, *, name: str = "duration") -> Self:
        """Read a written length of time.

        Raises:
            ParameterError: There is no unit, it is not known, or the length is 0 or too long.
        """
        try:
            return cls._read(text)
        except ValueError as error:
            raise ParameterError(problem(name, text, str(error))) from None

    @classmethod
    def _read(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if isinstance(value, str) and (found := _WRITTEN.fullmatch(value.strip())):
            unit = _UNITS.get(found["unit"])
            if unit is not None:
                return cls._within(Fraction(found["number"]) * unit)
        raise ValueError(_RULE)

    @classmethod
    def _within(cls, length_us: Fraction) -> Self:
        if length_us == 0:
            raise ValueError("must be longer than 0")
        if length_us > LONGEST_DAYS * DAY_US:
            raise ValueError(f"must be at most {LONGEST_DAYS} days")
        if length_us.denominator != 1:
            raise ValueError("must be whole microseconds")
        return cls(int(length_us))

    @property
    def us(self) -> int:
        """The length in microseconds."""
        return int(self)

    def __str__(self) -> str:
        unit, length = next((each for each in _SHOWN if int(self) % each[1] == 0), ("s", SECOND_US))
        whole, rest_us = divmod(int(self), length)
        number = f"{whole}.{rest_us:06d}".rstrip("0") if rest_us else str(whole)
        return f"{number} {'day' if number == '1' and unit == 'days' else unit}"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._read, serialization=core_schema.plain_serializer_function_ser_schema(int)
        )


class TimeOfDay(int):
    """A time on the clock on the wall: whole minutes since midnight, written ``"HH:MM"``.

    >>> TimeOfDay.parse("21:30"), str(TimeOfDay.parse("21:30"))
    (1290, '21:30')
    """

    @classmethod
    def parse(cls, text: str, *, name: str = "time") -> Self:
        """Read a written time of the day.

        Raises:
            ParameterError: It is not written ``"HH:MM"``.
        """
        try:
            return cls._read(text)
        except ValueError as error:
            raise ParameterError(problem(name, text, str(error))) from None

    @classmethod
    def _read(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if isinstance(value, str) and (found := _CLOCK.fullmatch(value)):
            hour, minute = int(found["hour"]), int(found["minute"])
            if hour < 24 and minute < 60:  # noqa: PLR2004 - a clock's
                return cls(hour * 60 + minute)
        raise ValueError('must be a time such as "09:00", from 00:00 to 23:59, in quotes')

    @property
    def minutes(self) -> int:
        """Minutes since midnight."""
        return int(self)

    def __str__(self) -> str:
        return f"{int(self) // 60:02}:{int(self) % 60:02}"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._read, serialization=core_schema.plain_serializer_function_ser_schema(int)
        )
