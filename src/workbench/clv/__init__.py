"""Customer lifetime value: the summary of purchases, fitted models, value, checks on a holdout.

Takes frames and logs, never a path; draws nothing.
"""

from workbench.clv.arms import clv_by_arm
from workbench.clv.comparison import Comparison, compare_models
from workbench.clv.covariates import CovariateFit, fit_covariates
from workbench.clv.effect import ClvEffect, clv_effect
from workbench.clv.fit import ClvFit
from workbench.clv.fitting import fit_clv
from workbench.clv.groups import GroupValue, cohorts, value_by
from workbench.clv.histories import HistoryGrid, alive_after_silence, frequency_recency
from workbench.clv.holdout import HoldoutCheck, Tracking, holdout_check, tracking
from workbench.clv.independence import SpendIndependence, spend_independence
from workbench.clv.limits import GateLimits
from workbench.clv.occasions import occasion_summary
from workbench.clv.offers import (
    NewCustomer,
    OfferLimit,
    break_even,
    largest_offer,
    new_customer,
    retention_effect,
)
from workbench.clv.pooled import GroupFits, fit_groups
from workbench.clv.predictive import (
    CountsCheck,
    PredictiveCheck,
    counts_check,
    predictive_check,
)
from workbench.clv.priors import Prior
from workbench.clv.ranking import BestCustomers, best_customers
from workbench.clv.spread import Concentration, value_concentration, value_spread
from workbench.clv.summary import RfmSummary, as_summary, check_invariants, rfm_summary
from workbench.clv.value import CustomerValue
from workbench.gates import Gate

__all__ = [
    "BestCustomers",
    "ClvEffect",
    "ClvFit",
    "Comparison",
    "Concentration",
    "CountsCheck",
    "CovariateFit",
    "CustomerValue",
    "Gate",
    "GateLimits",
    "GroupFits",
    "GroupValue",
    "HistoryGrid",
    "HoldoutCheck",
    "NewCustomer",
    "OfferLimit",
    "PredictiveCheck",
    "Prior",
    "RfmSummary",
    "SpendIndependence",
    "Tracking",
    "alive_after_silence",
    "as_summary",
    "best_customers",
    "break_even",
    "check_invariants",
    "clv_by_arm",
    "clv_effect",
    "cohorts",
    "compare_models",
    "counts_check",
    "fit_clv",
    "fit_covariates",
    "fit_groups",
    "frequency_recency",
    "holdout_check",
    "largest_offer",
    "new_customer",
    "occasion_summary",
    "predictive_check",
    "retention_effect",
    "rfm_summary",
    "spend_independence",
    "tracking",
    "value_by",
    "value_concentration",
    "value_spread",
]
