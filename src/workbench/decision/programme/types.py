"""The types of single values that programme files share. Owns no rule between two values."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from workbench.buckets import BUCKETS
from workbench.decision.durations import LONGEST_DAYS

LARGEST_COUNT = 1000
"""The largest count of a cap: a person's state keeps so many instants."""

LARGEST_CENTS = 10_000_000_00
"""The largest value or cost of one offer: ten million in whole currency."""

LARGEST_PERCENT = 100_000
"""The largest lever or context weight, in percent."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^\S(.*\S)?$")]
Days = Annotated[int, Field(ge=1, le=LONGEST_DAYS)]
Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
Cents = Annotated[int, Field(ge=0, le=LARGEST_CENTS)]
BudgetCents = Annotated[int, Field(ge=1, le=1 << 53)]
Rate = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[int, Field(ge=-100, le=LARGEST_PERCENT)]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
Period = Literal["day", "week", "month"]


def _sql_truth(value: object) -> object:
    """Read YAML's true and false as the TRUE and FALSE of SQL, which they are written like."""
    return str(value).upper() if isinstance(value, bool) else value


ConditionText = Annotated[str, BeforeValidator(_sql_truth), StringConstraints(min_length=1)]


def ten_thousandths(share: float) -> int:
    """Return a share as whole ten-thousandths, by its decimal digits.

    >>> ten_thousandths(0.1), ten_thousandths(0.57)
    (1000, 5700)
    """
    return int(Fraction(str(share)) * BUCKETS)


def _whole(share: float) -> float:
    if (Fraction(str(share)) * BUCKETS).denominator != 1:
        raise ValueError("must have at most four decimals, such as 0.1")
    return share


Share = Annotated[float, Field(ge=0, le=1), AfterValidator(_whole)]
"""A share of at most four decimals, so that it is a whole number of ten-thousandths."""
