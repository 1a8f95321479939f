"""Customer lifetime value: the summary of purchases, fitted models, value, checks on a holdout.

Takes frames and logs, never a path; draws nothing.
"""

from workbench.clv.comparison import Comparison, compare_models
from workbench.clv.fit import ClvFit
from workbench.clv.fitting import fit_clv
from workbench.clv.gates import Gate, GateLimits
from workbench.clv.groups import GroupValue, value_by
from workbench.clv.holdout import HoldoutCheck, Tracking, holdout_check, tracking
from workbench.clv.offers import (
    NewCustomer,
    OfferLimit,
    break_even,
    largest_offer,
    new_customer,
)
from workbench.clv.predictive import (
    CountsCheck,
    PredictiveCheck,
    counts_check,
    predictive_check,
)
from workbench.clv.priors import Prior
from workbench.clv.ranking import BestCustomers, best_customers
from workbench.clv.spread import value_spread
from workbench.clv.summary import RfmSummary, as_summary, check_invariants, rfm_summary
from workbench.clv.value import CustomerValue

__all__ = [
    "BestCustomers",
    "ClvFit",
    "Comparison",
    "CountsCheck",
    "CustomerValue",
    "Gate",
    "GateLimits",
    "GroupValue",
    "HoldoutCheck",
    "NewCustomer",
    "OfferLimit",
    "PredictiveCheck",
    "Prior",
    "RfmSummary",
    "Tracking",
    "as_summary",
    "best_customers",
    "break_even",
    "check_invariants",
    "compare_models",
    "counts_check",
    "fit_clv",
    "holdout_check",
    "largest_offer",
    "new_customer",
    "predictive_check",
    "rfm_summary",
    "tracking",
    "value_by",
    "value_spread",
]
