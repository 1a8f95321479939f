"""Figures of the workbench: a small frame in, an Altair chart out. Owns no statistics.

Every function takes a pandas frame that is ready to draw, and returns a chart with a title, axis
titles with units and a description; nothing is shown, and no reading needs a mouse.
"""

from __future__ import annotations

from workbench.report.figures.anyway import came_anyway
from workbench.report.figures.calibration import calibration_bands
from workbench.report.figures.clv import (
    clv_by_segment,
    clv_distribution,
    holdout_check,
    tracking,
)
from workbench.report.figures.clv_model import (
    alive_after_silence,
    frequency_recency,
    value_concentration,
)
from workbench.report.figures.compare import (
    change_by_group,
    change_by_reason,
    contacts,
)
from workbench.report.figures.decisions import (
    committed_cost_over_time,
    decision_funnel,
    decisions_over_time,
    refusals_by_reason,
)
from workbench.report.figures.effects import effects
from workbench.report.figures.experiment import detectable_by_day, effect_by_day
from workbench.report.figures.frontier import frontier
from workbench.report.figures.learned import gain_by_share, uplift_by_tenth
from workbench.report.figures.log import events_per_week, hour_profile
from workbench.report.figures.money import earned
from workbench.report.figures.profile import lifecycle_bars, rfm_heatmap, segment_bars
from workbench.report.figures.story import customer_story
from workbench.report.figures.truth import (
    first_days_by_world,
    readings_against_truth,
    redeemed_by_class,
    simulated_beside_real,
)
from workbench.report.figures.uplift import profit_by_budget, rules_compared, uplift_by_cell

__all__ = [
    "alive_after_silence",
    "calibration_bands",
    "came_anyway",
    "change_by_group",
    "change_by_reason",
    "clv_by_segment",
    "clv_distribution",
    "committed_cost_over_time",
    "contacts",
    "customer_story",
    "decision_funnel",
    "decisions_over_time",
    "detectable_by_day",
    "earned",
    "effect_by_day",
    "effects",
    "events_per_week",
    "first_days_by_world",
    "frequency_recency",
    "frontier",
    "gain_by_share",
    "holdout_check",
    "hour_profile",
    "lifecycle_bars",
    "profit_by_budget",
    "readings_against_truth",
    "redeemed_by_class",
    "refusals_by_reason",
    "rfm_heatmap",
    "rules_compared",
    "segment_bars",
    "simulated_beside_real",
    "tracking",
    "uplift_by_cell",
    "uplift_by_tenth",
    "value_concentration",
]
