"""The workbench for event-triggered offers: the public names, each loaded when it is first used.

>>> import workbench as wb
>>> "open_log" in dir(wb)
True
>>> wb.opne_log
Traceback (most recent call last):
...
AttributeError: workbench has no 'opne_log' — did you mean 'open_log'?
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from workbench.errors import did_you_mean

if TYPE_CHECKING:
    from workbench import report, text
    from workbench.calibration import (
        TenthsBesideTruth,
        calibrate_world,
        calibration_table,
        closed_loop,
        common_mistakes,
        compare_marginals,
        discount_and_check,
        first_days,
        moved_habit,
        readings,
        simulate_offer_experiment,
        tenths_beside_truth,
        try_policy,
        uplift_beside_truth,
    )
    from workbench.clv import (
        Prior,
        alive_after_silence,
        as_summary,
        best_customers,
        break_even,
        clv_by_arm,
        clv_effect,
        cohorts,
        compare_models,
        counts_check,
        fit_clv,
        fit_covariates,
        fit_groups,
        frequency_recency,
        holdout_check,
        largest_offer,
        new_customer,
        occasion_summary,
        predictive_check,
        retention_effect,
        rfm_summary,
        spend_independence,
        tracking,
        value_by,
        value_concentration,
        value_spread,
    )
    from workbench.decision import load_programmes, programme_table
    from workbench.errors import WorkbenchError
    from workbench.experiment import (
        Count,
        Covariate,
        Mean,
        Proportion,
        Quantile,
        Ratio,
        best_test_size,
        decision_points,
        growth_beside,
        launch_decision,
        learn_prior,
        outcomes_after,
        proximal_effect,
        roi,
        roi_units,
    )
    from workbench.experiment.baseline import Baseline
    from workbench.experiment.bayes import believe
    from workbench.experiment.cohort import triggered_units
    from workbench.experiment.design import design
    from workbench.experiment.holdout import holdout_units
    from workbench.experiment.monitor import monitor
    from workbench.experiment.preview import preview_assignment
    from workbench.experiment.ratio_watch import watch_ratio
    from workbench.experiment.read_out import read_out
    from workbench.experiment.sample_ratio import sample_ratio
    from workbench.experiment.spending import plan_looks
    from workbench.experiment.switchback import switchback_units
    from workbench.experiment.triggers import expected_triggers
    from workbench.experiment.waves import wave_units
    from workbench.experiment.worth import worth
    from workbench.log import hourly_share, ingest, open_log, table_sizes, weekly_events
    from workbench.policy import (
        Budget,
        ContactLimit,
        HeldOutProfit,
        allocate,
        allocation_by_budget,
        describe_policy,
        plan_over_triggers,
        policy_of,
        policy_table,
        profit_on_held_out,
        read_policy,
        response_classes,
        triggers_of,
        write_policy,
    )
    from workbench.profile import load_segments, profile, rfm_grid, rfm_scores, segment
    from workbench.records import Event
    from workbench.replay import (
        DecisionCore,
        broadcast_at_cost,
        came_anyway,
        causes,
        contacts_per_week,
        diff,
        explain,
        funnel_rows,
        label_triggers,
        load_dimensions,
        open_replay,
        reach_by,
        refusals,
        replay,
        sensitivity,
        story,
        sweep,
        telling_customer,
        under_served,
        vary,
        weekly_committed_cost,
        weekly_decisions,
    )
    from workbench.run import (
        notebook,
        open_purchases,
        open_units,
        provenance,
        read_table,
        record,
        save_table,
    )
    from workbench.uplift import (
        LearnersCompared,
        UpliftCurve,
        UpliftPrior,
        compare_learners,
        covariate_in_parts,
        fit_uplift,
        heterogeneity_test,
        learn_uplift,
        one_rule,
        read_uplift,
        uplift_by_tenth,
        uplift_curve,
        uplift_predictive_check,
        value_of_top,
    )
    from workbench.world import effect_of, load_world, simulate, twin, world_table

__all__ = [
    "Baseline",
    "Budget",
    "ContactLimit",
    "Count",
    "Covariate",
    "DecisionCore",
    "Event",
    "HeldOutProfit",
    "LearnersCompared",
    "Mean",
    "Prior",
    "Proportion",
    "Quantile",
    "Ratio",
    "TenthsBesideTruth",
    "UpliftCurve",
    "UpliftPrior",
    "WorkbenchError",
    "alive_after_silence",
    "allocate",
    "allocation_by_budget",
    "as_summary",
    "believe",
    "best_customers",
    "best_test_size",
    "break_even",
    "broadcast_at_cost",
    "calibrate_world",
    "calibration_table",
    "came_anyway",
    "causes",
    "closed_loop",
    "clv_by_arm",
    "clv_effect",
    "cohorts",
    "common_mistakes",
    "compare_learners",
    "compare_marginals",
    "compare_models",
    "contacts_per_week",
    "counts_check",
    "covariate_in_parts",
    "decision_points",
    "describe_policy",
    "design",
    "diff",
    "discount_and_check",
    "effect_of",
    "expected_triggers",
    "explain",
    "first_days",
    "fit_clv",
    "fit_covariates",
    "fit_groups",
    "fit_uplift",
    "frequency_recency",
    "funnel_rows",
    "growth_beside",
    "heterogeneity_test",
    "holdout_check",
    "holdout_units",
    "hourly_share",
    "ingest",
    "label_triggers",
    "largest_offer",
    "launch_decision",
    "learn_prior",
    "learn_uplift",
    "load_dimensions",
    "load_programmes",
    "load_segments",
    "load_world",
    "monitor",
    "moved_habit",
    "new_customer",
    "notebook",
    "occasion_summary",
    "one_rule",
    "open_log",
    "open_purchases",
    "open_replay",
    "open_units",
    "outcomes_after",
    "plan_looks",
    "plan_over_triggers",
    "policy_of",
    "policy_table",
    "predictive_check",
    "preview_assignment",
    "profile",
    "profit_on_held_out",
    "programme_table",
    "provenance",
    "proximal_effect",
    "reach_by",
    "read_out",
    "read_policy",
    "read_table",
    "read_uplift",
    "readings",
    "record",
    "refusals",
    "replay",
    "report",
    "response_classes",
    "retention_effect",
    "rfm_grid",
    "rfm_scores",
    "rfm_summary",
    "roi",
    "roi_units",
    "sample_ratio",
    "save_table",
    "segment",
    "sensitivity",
    "simulate",
    "simulate_offer_experiment",
    "spend_independence",
    "story",
    "sweep",
    "switchback_units",
    "table_sizes",
    "telling_customer",
    "tenths_beside_truth",
    "text",
    "tracking",
    "triggered_units",
    "triggers_of",
    "try_policy",
    "twin",
    "under_served",
    "uplift_beside_truth",
    "uplift_by_tenth",
    "uplift_curve",
    "uplift_predictive_check",
    "value_by",
    "value_concentration",
    "value_of_top",
    "value_spread",
    "vary",
    "watch_ratio",
    "wave_units",
    "weekly_committed_cost",
    "weekly_decisions",
    "weekly_events",
    "world_table",
    "worth",
    "write_policy",
]

_OWNERS = {
    "workbench.errors": ("WorkbenchError",),
    "workbench.calibration": (
        "TenthsBesideTruth",
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
    ),
    "workbench.clv": (
        "Prior",
        "alive_after_silence",
        "as_summary",
        "best_customers",
        "break_even",
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
    ),
    "workbench.experiment": (
        "Baseline",
        "Count",
        "Covariate",
        "Mean",
        "Proportion",
        "Quantile",
        "Ratio",
        "believe",
        "best_test_size",
        "decision_points",
        "design",
        "expected_triggers",
        "growth_beside",
        "holdout_units",
        "launch_decision",
        "learn_prior",
        "monitor",
        "outcomes_after",
        "plan_looks",
        "preview_assignment",
        "proximal_effect",
        "read_out",
        "roi",
        "roi_units",
        "sample_ratio",
        "switchback_units",
        "triggered_units",
        "watch_ratio",
        "wave_units",
        "worth",
    ),
    "workbench.decision": ("load_programmes", "programme_table"),
    "workbench.log": ("hourly_share", "ingest", "open_log", "table_sizes", "weekly_events"),
    "workbench.records": ("Event",),
    "workbench.profile": ("load_segments", "profile", "rfm_grid", "rfm_scores", "segment"),
    "workbench.replay": (
        "DecisionCore",
        "broadcast_at_cost",
        "came_anyway",
        "causes",
        "contacts_per_week",
        "diff",
        "explain",
        "funnel_rows",
        "label_triggers",
        "load_dimensions",
        "open_replay",
        "reach_by",
        "refusals",
        "replay",
        "sensitivity",
        "story",
        "sweep",
        "telling_customer",
        "under_served",
        "vary",
        "weekly_committed_cost",
        "weekly_decisions",
    ),
    "workbench.run": (
        "notebook",
        "open_purchases",
        "open_units",
        "provenance",
        "read_table",
        "record",
        "save_table",
    ),
    "workbench.uplift": (
        "LearnersCompared",
        "UpliftCurve",
        "UpliftPrior",
        "uplift_predictive_check",
        "compare_learners",
        "covariate_in_parts",
        "fit_uplift",
        "heterogeneity_test",
        "learn_uplift",
        "one_rule",
        "read_uplift",
        "uplift_by_tenth",
        "uplift_curve",
        "value_of_top",
    ),
    "workbench.policy": (
        "Budget",
        "ContactLimit",
        "HeldOutProfit",
        "allocate",
        "allocation_by_budget",
        "describe_policy",
        "plan_over_triggers",
        "policy_of",
        "policy_table",
        "profit_on_held_out",
        "read_policy",
        "response_classes",
        "triggers_of",
        "write_policy",
    ),
    "workbench.world": ("effect_of", "load_world", "simulate", "twin", "world_table"),
}
_MODULES = ("report", "text")
_OWNER = {name: owner for owner, names in _OWNERS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"workbench.{name}")
    if name not in _OWNER:
        raise AttributeError(f"workbench has no '{name}'{did_you_mean(name, __all__)}")
    return getattr(importlib.import_module(_OWNER[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Workbench(ModuleType):
    """This package: where a function has the name of its own package, the name is the function.

    Importing ``workbench.replay`` would otherwise put the module in the place of
    ``wb.replay``, and whether ``wb.replay(log, …)`` works would depend on what was imported before.
    """

    def __setattr__(self, name: str, value: object) -> None:
        own_function = isinstance(value, ModuleType) and _OWNER.get(name) == value.__name__
        super().__setattr__(name, getattr(value, name) if own_function else value)


sys.modules[__name__].__class__ = _Workbench
