"""The simulated world beside what logs say: readings of effects, marginals, claims of the field."""

from workbench.calibration.claims import (
    DiscountAndCheck,
    FirstDays,
    MovedHabit,
    discount_and_check,
    first_days,
    moved_habit,
)
from workbench.calibration.effects import Readings, readings

__all__ = [
    "DiscountAndCheck",
    "FirstDays",
    "MovedHabit",
    "Readings",
    "discount_and_check",
    "first_days",
    "moved_habit",
    "readings",
]
