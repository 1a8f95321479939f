"""Uplift: for whom an offer works. Bayesian over cells, and learned over features. Owns no policy."""

from workbench.uplift.compare import LearnersCompared, compare_learners
from workbench.uplift.curves import UpliftCurve, uplift_curve
from workbench.uplift.decision import OneRule, UpliftDraws, one_rule, read_uplift
from workbench.uplift.evaluation import (
    Heterogeneity,
    UpliftByTenth,
    ValueOfTop,
    heterogeneity_test,
    uplift_by_tenth,
    value_of_top,
)
from workbench.uplift.fit import UpliftFit, fit_uplift
from workbench.uplift.learned import LearnedUplift, learn_uplift
from workbench.uplift.learners import UpliftLearner
from workbench.uplift.parts import CovariateParts, covariate_in_parts
from workbench.uplift.predictive import UpliftPredictiveCheck, uplift_predictive_check
from workbench.uplift.priors import UpliftPrior
from workbench.uplift.sampling import SamplingLimits

__all__ = [
    "CovariateParts",
    "Heterogeneity",
    "LearnedUplift",
    "LearnersCompared",
    "OneRule",
    "SamplingLimits",
    "UpliftByTenth",
    "UpliftCurve",
    "UpliftDraws",
    "UpliftFit",
    "UpliftLearner",
    "UpliftPredictiveCheck",
    "UpliftPrior",
    "ValueOfTop",
    "compare_learners",
    "covariate_in_parts",
    "fit_uplift",
    "heterogeneity_test",
    "learn_uplift",
    "one_rule",
    "read_uplift",
    "uplift_by_tenth",
    "uplift_curve",
    "uplift_predictive_check",
    "value_of_top",
]
