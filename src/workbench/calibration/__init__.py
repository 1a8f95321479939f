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
from workbench.calibration.policy_loop import ClosedLoop, closed_loop, try_policy
from workbench.calibration.table import EXPERIMENTS, CalibrationTable, calibration_table
from workbench.calibration.uplift_truth import (
    TenthsBesideTruth,
    UpliftBesideTruth,
    tenths_beside_truth,
    uplift_beside_truth,
)

__all__ = [
    "EXPERIMENTS",
    "Calibrated",
    "CalibrationTable",
    "ClosedLoop",
    "DiscountAndCheck",
    "FirstDays",
    "Marginals",
    "MovedHabit",
    "OfferExperiment",
    "Readings",
    "TenthsBesideTruth",
    "UpliftBesideTruth",
    "calibrate_world",
    "calibration_table",
    "closed_loop",
    "common_mistakes",
    "compare_marginals",
    "discount_and_check",
    "first_days",
    "moved_habit",
    "readings",
    "simulate_offer_experiment",
    "tenths_beside_truth",
    "try_policy",
    "uplift_beside_truth",
]
