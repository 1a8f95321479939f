"""What a read-out is asked, of a table or of a decision log, with every argument checked. Owns no estimator."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from workbench.arguments import checked
from workbench.errors import ParameterError, problem
from workbench.experiment import triggered, windowed
from workbench.experiment.by_group import check_day
from workbench.experiment.contrasts import Contrast
from workbench.experiment.effect import check_level
from workbench.experiment.factorial import (
    CELL,
    Factors,
    refuse_with_factors,
    take_factors,
)
from workbench.experiment.from_one_side import (
    refuse_one_sided,
)
from workbench.experiment.metrics import Covariate, Metric, Proportion, as_covariate, as_metric
from workbench.experiment.multiplicity import Correction
from workbench.experiment.question import (
    Question,
    refuse_outcomes,
    refuse_quantiles_of_groups,
)
from workbench.experiment.read_units import read_units
from workbench.experiment.result import ReadOut
from workbench.experiment.switchback import ARM_COLUMN, BLOCK, Switchback, refuse_of_blocks
from workbench.experiment.trust import TrustCheck
from workbench.experiment.unit_columns import Layout, check_values
from workbench.experiment.units import Source, read_source, take_units
from workbench.frames import Frame, need_columns
from workbench.log import Log, open_log
from workbench.replay import Replay


@checked
def read_out(
    units: Source | Replay | Switchback,
    *,
    metrics: Sequence[str | Metric] = (),
    arm: str = "arm",
    control: str = "control",
    covariates: Sequence[str | Covariate] = (),
    unit: str | None = None,
    cluster: str | None = None,
    weights: str | None = None,
    segments: Sequence[str] = (),
    day: str | None = None,
    stages: Sequence[str] = (),
    trigger: str | None = None,
    one_sided: bool = False,
    reached: str | None = None,
    factors: Factors = (),
    shares: Mapping[str, float] | None = None,
    assignment: Literal["randomised", "targeted", "unknown"] = "randomised",
    assigned_from: dt.date | None = None,
    correction: Correction = "holm",
    level: float = 0.95,
    outcomes: Log | str | Path | None = None,
    programme: str | None = None,
    window_days: int | None = None,
    before_days: int = 28,
    customers: Frame | None = None,
) -> ReadOut:
    """Read an experiment out: whether to trust it, what it did, what that is worth, what is next.

    Args:
        units: A table with one row a unit (pandas, Polars, lazy, or a Parquet file), or a replay or
            its decision log, of which customers are the units and ghosts the control, or the units of
            :func:`switchback_units`, whose errors are those of their blocks.
        metrics: Columns, ratios such as ``"sales_cents / visits"``, or metrics; for a decision log
            default purchases and spend.
        arm: Column of the arm. Units without one are left out.
        control: The arm that the others are compared with.
        covariates: What was fixed before assignment, for metrics that name none themselves.
        unit: Column that identifies a unit; a unit in two arms is left out of all.
        cluster: Column of what was assigned as a whole, such as a store and hour.
        weights: Column of weights.
        segments: Columns of segments that were named before; effects are shrunk.
        day: Column of the day on which a unit entered; the effect is tested for a trend by day and, where
            the column holds dates, for a difference between days of the week.
        stages: Columns that are true for units that reached a stage which treatment cannot touch;
            the sample ratio must hold there too.
        trigger: Column that is true for units whose trigger occurred, in all arms (ghosts too).
        one_sided: Whether the trigger is seen in treated arms alone, as where the control has no
            ghosts; who would be triggered is then told by ``covariates``, and the noise of the others is
            taken off if they show no effect (:func:`one_sided_effect`).
        reached: Column that is true for units that the treatment reached.
        factors: Columns of the factors of a factorial experiment instead of an arm and a control, such as
            content and timing; with levels, the first of each is its base. Main effects and
            interactions take the place of arms, and are corrected together.
        shares: Meant share of each arm, relative to each other; None: equal ones.
        assignment: ``"targeted"`` when nobody drew lots: then there is no effect to be read.
            ``"unknown"`` when nobody says so: covariates must then be consistent with randomisation,
            and sizes are held against ``shares`` only where these are given.
        assigned_from: First day of assignment; windows of covariates must end before it.
        correction: What is done about many p-values.
        level: Level of the intervals.
        outcomes: The log, or its folder, that holds what customers of a decision log did; what
            concerns columns of a table is not asked of a decision log.
        programme: Which programme of a decision log; may be left out when there is one.
        window_days: For a decision log: outcomes count for this many days from a customer's first
            trigger; who has not been there that long is left out. Effects are then those among the
            triggered, and diluted to all who entered, with covariates such as ``"spend_before_cents"``, ``day="entered"``, and the
            carry-over from other programmes. None: all customers, up to the end of the log.
        before_days: For a decision log with a window: the days before the trigger that covariates are of.
        customers: For a decision log with a window: ``person_id`` and the columns of ``segments``.

    Returns:
        The read-out, or a refusal with its reason and no effect.

    Raises:
        InputError: The table breaks its contract: a missing or text column, a value that is missing
            or not finite, labels that differ by case only, a unit with two rows, a cluster in two arms.
        ParameterError: An argument breaks its rule, or the control is not among the arms.

    >>> import numpy as np
    >>> import polars as pl
    >>> draw = np.random.default_rng(1)
    >>> table = pl.DataFrame({
    ...     "arm": ["control", "offer"] * 500, "spend_cents": draw.gamma(2, 500, 1000) + [0, 200] * 500})
    >>> read_out(table, metrics=["spend_cents"]).headline
    '“offer” makes “spend” 14.4% more'
    """
    check_level(level)
    beside: Sequence[TrustCheck] = ()
    if isinstance(units, Switchback):
        other = "" if arm == ARM_COLUMN else arm
        refuse_of_blocks({"arm": other, "unit": unit, "cluster": cluster, "factors": factors})
        cluster, beside = BLOCK, units.checks
        units = units.frame
    decisions = units if isinstance(units, Replay) else read_source(units)
    if isinstance(decisions, Replay) or triggered.is_decision_log(decisions):
        triggered.refuse_of_decisions(
            {
                "unit": unit,
                "cluster": cluster,
                "weights": weights,
                "stages": stages,
                "trigger": trigger,
                "reached": reached,
                "factors": factors,
                "shares": shares,
            }
        )
        log = open_log(outcomes) if isinstance(outcomes, str | Path) else outcomes
        windows = None
        if window_days is None:
            windowed.refuse_without_window(
                {"covariates": covariates, "segments": segments, "day": day, "customers": customers}
            )
        else:
            windows = windowed.Windows(
                window_days=window_days,
                before_days=before_days,
                covariates=covariates,
                segments=segments,
                day=day,
                customers=customers,
            )
        return triggered.read_decisions(
            decisions,
            log,
            programme,
            metrics=metrics,
            correction=correction,
            level=level,
            windows=windows,
        )
    if not metrics:
        raise ParameterError(problem("metrics", list(metrics), "must name at least one metric"))
    effects: list[Contrast] = []
    if factors:
        refuse_with_factors({"trigger": trigger, "reached": reached})
        decisions, effects, control = take_factors(decisions, factors)
        arm = CELL
    taken = take_units(decisions, arm=arm, control=control, unit=unit)
    schema = taken.frame.collect_schema()
    if one_sided:
        refuse_one_sided(trigger, covariates, weights)
    layout = Layout(
        weights=weights, cluster=cluster, trigger=trigger, one_sided=one_sided, reached=reached
    )
    layout.check(schema)
    need_columns(schema, [*segments, *stages, *([day] if day else [])], "table of units")
    if day:
        check_day(day, schema)
    question = Question(
        metrics=tuple(as_metric(each, schema) for each in metrics),
        covariates=tuple(as_covariate(each, schema) for each in covariates),
        layout=layout,
    )
    refuse_outcomes(question, schema)
    refuse_quantiles_of_groups(question)
    shares_of = [each.column for each in question.metrics if isinstance(each, Proportion)]
    check_values(taken, layout, [*stages, *shares_of])
    return read_units(
        taken,
        question,
        segments=segments,
        day=day,
        stages=stages,
        shares=shares,
        assignment=assignment,
        assigned_from=assigned_from,
        correction=correction,
        level=level,
        beside=beside,
        effects=effects,
    )
