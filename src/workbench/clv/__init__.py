"""Customer lifetime value: the summary of purchases, fitted models, value, checks on a holdout.

Takes frames and logs, never a path; draws nothing.
"""

from workbench.clv.fit import ClvFit
from workbench.clv.fitting import fit_clv
from workbench.clv.gates import Gate, GateLimits
from workbench.clv.groups import GroupValue, value_by
from workbench.clv.holdout import HoldoutCheck, Tracking, holdout_check, tracking
from workbench.clv.priors import Prior
from workbench.clv.spread import value_spread
from workbench.clv.summary import RfmSummary, as_summary, check_invariants, rfm_summary
from workbench.clv.value import CustomerValue

__all__ = [
    "ClvFit",
    "CustomerValue",
    "Gate",
    "GateLimits",
    "GroupValue",
    "HoldoutCheck",
    "Prior",
    "RfmSummary",
    "Tracking",
    "as_summary",
    "check_invariants",
    "fit_clv",
    "holdout_check",
    "rfm_summary",
    "tracking",
    "value_by",
    "value_spread",
]
