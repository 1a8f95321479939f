"""Experiments: design, read-out, triggered and micro-randomised effects, monitoring, money.

Takes frames, decision logs and moments; knows no truth and draws nothing.
"""

from workbench.experiment.balance import Balance, balance
from workbench.experiment.baseline import Baseline
from workbench.experiment.bayes import Belief, believe
from workbench.experiment.cohort import Cohort, triggered_units
from workbench.experiment.design import Design, design
from workbench.experiment.effect import Comparison, Estimate, Parts, Population, compare
from workbench.experiment.growth import Growth, growth_beside
from workbench.experiment.holdout import holdout_units
from workbench.experiment.launch import (
    LaunchDecision,
    Prior,
    best_test_size,
    flat_prior,
    launch_decision,
    learn_prior,
)
from workbench.experiment.metrics import Count, Covariate, Mean, Metric, Proportion, Quantile, Ratio
from workbench.experiment.micro import ProximalEffect, proximal_effect
from workbench.experiment.moments import Moments, collect_moments
from workbench.experiment.money import Roi, roi
from workbench.experiment.monitor import Monitoring, monitor
from workbench.experiment.multiplicity import adjust
from workbench.experiment.offered import roi_units
from workbench.experiment.one_sided import OneSided, one_sided_effect
from workbench.experiment.outliers import Outliers
from workbench.experiment.points import decision_points, outcomes_after
from workbench.experiment.preview import Preview, preview_assignment
from workbench.experiment.ratio_watch import RatioWatch, watch_ratio
from workbench.experiment.read_out import read_out
from workbench.experiment.result import CarryOver, ReadOut
from workbench.experiment.sample_ratio import SampleRatio, ratio_p_value, sample_ratio
from workbench.experiment.segments import Heterogeneity, Novelty, heterogeneity, novelty
from workbench.experiment.spending import Looks, plan_looks
from workbench.experiment.switchback import Switchback, switchback_units
from workbench.experiment.triggered import decision_units, read_decisions
from workbench.experiment.triggers import Triggers, expected_triggers
from workbench.experiment.trust import Trust
from workbench.experiment.waves import wave_units
from workbench.experiment.worth import Worth, worth

__all__ = [
    "Balance",
    "Baseline",
    "Belief",
    "CarryOver",
    "Cohort",
    "Comparison",
    "Count",
    "Covariate",
    "Design",
    "Estimate",
    "Growth",
    "Heterogeneity",
    "LaunchDecision",
    "Looks",
    "Mean",
    "Metric",
    "Moments",
    "Monitoring",
    "Novelty",
    "OneSided",
    "Outliers",
    "Parts",
    "Population",
    "Preview",
    "Prior",
    "Proportion",
    "ProximalEffect",
    "Quantile",
    "Ratio",
    "RatioWatch",
    "ReadOut",
    "Roi",
    "SampleRatio",
    "Switchback",
    "Triggers",
    "Trust",
    "Worth",
    "adjust",
    "balance",
    "believe",
    "best_test_size",
    "collect_moments",
    "compare",
    "decision_points",
    "decision_units",
    "design",
    "expected_triggers",
    "flat_prior",
    "growth_beside",
    "heterogeneity",
    "holdout_units",
    "launch_decision",
    "learn_prior",
    "monitor",
    "novelty",
    "one_sided_effect",
    "outcomes_after",
    "plan_looks",
    "preview_assignment",
    "proximal_effect",
    "ratio_p_value",
    "read_decisions",
    "read_out",
    "roi",
    "roi_units",
    "sample_ratio",
    "switchback_units",
    "triggered_units",
    "watch_ratio",
    "wave_units",
    "worth",
]
