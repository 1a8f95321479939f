"""A declared feature of the logged past: its name and what it measures. Computes nothing."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workbench.dayparts import DAYPART_NAMES
from workbench.decision.programme.types import Label, Name
from workbench.errors import did_you_mean
from workbench.params import Parameters

LONGEST_WINDOW_DAYS = 366
Measure = Literal["count", "sum", "days_since", "share_daypart", "share_category"]
SUMMED = ("amount_cents", "discount_cents", "margin_cents", "quantity", "points")
"""Columns of the event that a feature can add up: whole numbers."""


class FeatureRule(Parameters):
    """One feature of what was known before the event.

    Attributes:
        name: What conditions call it.
        of: Event type that it is about.
        measure: ``count`` of events, ``sum`` of a column (not known adds nothing), ``days_since``
            the last one, or the share of events in a day-part or of a category.
        window_days: Calendar days on the customer's clock up to and with the day of the event;
            none: all that was ever known (count, sum and days_since only).
        column: What a sum adds up.
        value: The day-part or the category of a share.
    """

    name: Name
    of: Label
    measure: Measure
    window_days: Annotated[int, Field(ge=1, le=LONGEST_WINDOW_DAYS)] | None = None
    column: str | None = None
    value: str | None = None

    @model_validator(mode="after")
    def _what_the_measure_needs(self) -> Self:
        if (self.column is not None) != (self.measure == "sum"):
            raise ValueError("must have a column when measure is sum, and only then")
        if self.column is not None and self.column not in SUMMED:
            near = did_you_mean(self.column, SUMMED)
            raise ValueError(
                f"has column {self.column!r}, must be one of {', '.join(SUMMED)}{near}"
            )
        if (self.value is not None) != self.measure.startswith("share_"):
            raise ValueError("must have a value when measure is a share, and only then")
        if self.measure == "share_daypart" and self.value not in DAYPART_NAMES:
            near = did_you_mean(self.value or "", DAYPART_NAMES)
            raise ValueError(
                f"has value {self.value!r}, must be one of {', '.join(DAYPART_NAMES)}{near}"
            )
        if self.measure.startswith("share_") and self.window_days is None:
            raise ValueError("must have window_days: a share is of a window")
        if self.measure == "days_since" and self.window_days is not None:
            raise ValueError("has window_days with days_since, which needs none; leave it out")
        return self
