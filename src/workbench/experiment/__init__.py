"""Experiments: design, read-out, triggered and micro-randomised effects, monitoring, money.

Takes frames, decision logs and moments; knows no truth and draws nothing.
"""

from workbench.experiment.balance import Balance, balance
from workbench.experiment.effect import Comparison, Estimate, Parts, Population, compare
from workbench.experiment.metrics import Count, Covariate, Mean, Metric, Proportion, Quantile, Ratio
from workbench.experiment.moments import Moments, collect_moments
from workbench.experiment.multiplicity import adjust
from workbench.experiment.outliers import Outliers
from workbench.experiment.read_out import ReadOut, read_out
from workbench.experiment.sample_ratio import SampleRatio, ratio_p_value, sample_ratio
from workbench.experiment.segments import Heterogeneity, Novelty, heterogeneity, novelty
from workbench.experiment.triggered import decision_units, read_decisions
from workbench.experiment.trust import Trust

__all__ = [
    "Balance",
    "Comparison",
    "Count",
    "Covariate",
    "Estimate",
    "Heterogeneity",
    "Mean",
    "Metric",
    "Moments",
    "Novelty",
    "Outliers",
    "Parts",
    "Population",
    "Proportion",
    "Quantile",
    "Ratio",
    "ReadOut",
    "SampleRatio",
    "Trust",
    "adjust",
    "balance",
    "collect_moments",
    "compare",
    "decision_units",
    "heterogeneity",
    "novelty",
    "ratio_p_value",
    "read_decisions",
    "read_out",
    "sample_ratio",
]
