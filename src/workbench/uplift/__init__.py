"""Uplift: for whom an offer works. Bayesian over cells, and learned over features. Owns no policy."""

from workbench.uplift.decision import OneRule, UpliftDraws, one_rule, read_uplift
from workbench.uplift.fit import UpliftFit, fit_uplift
from workbench.uplift.priors import UpliftPrior
from workbench.uplift.sampling import SamplingLimits

__all__ = [
    "OneRule",
    "SamplingLimits",
    "UpliftDraws",
    "UpliftFit",
    "UpliftPrior",
    "fit_uplift",
    "one_rule",
    "read_uplift",
]
