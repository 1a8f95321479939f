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
from workbench.calibration.fitted import Calibrated, calibrate_world
from workbench.calibration.marginals import Marginals, compare_marginals
from workbench.calibration.mistakes import common_mistakes
from workbench.calibration.offer_experiment import OfferExperiment, simulate_offer_experiment
from workbench.calibration.table import EXPERIMENTS, CalibrationTable, calibration_table

__all__ = [
    "EXPERIMENTS",
    "Calibrated",
    "CalibrationTable",
    "DiscountAndCheck",
    "FirstDays",
    "Marginals",
    "MovedHabit",
    "OfferExperiment",
    "Readings",
    "calibrate_world",
    "calibration_table",
    "common_mistakes",
    "compare_marginals",
    "discount_and_check",
    "first_days",
    "moved_habit",
    "readings",
    "simulate_offer_experiment",
]
