"""The read-out of an experiment: trust first, then effects, then what follows. Owns no estimator.

An effect that may not be read is not computed into the table: the refusal and its reason stand there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from workbench import text
from workbench.arguments import checked
from workbench.errors import ParameterError, problem
from workbench.experiment import said
from workbench.experiment import trust as trusting
from workbench.experiment.balance import Balance, balance
from workbench.experiment.by_group import by_day, by_segment, by_weekday
from workbench.experiment.contrasts import Contrast
from workbench.experiment.counted import count_assigned, count_places, count_stage
from workbench.experiment.effect import Parts, check_level
from workbench.experiment.effects import (
    check_untriggered,
    compare_arms,
    compare_factors,
    effects_table,
)
from workbench.experiment.factorial import (
    CELL,
    Factors,
    of_cells,
    refuse_with_factors,
    take_factors,
    units_of,
)
from workbench.experiment.from_one_side import (
    comparisons_of,
    of_one_sided,
    one_sided_effects,
    refuse_one_sided,
)
from workbench.experiment.metrics import Covariate, Mean, Metric, Ratio, as_covariate, as_metric
from workbench.experiment.moments import Moments
from workbench.experiment.multiplicity import Correction
from workbench.experiment.outliers import outliers
from workbench.experiment.question import (
    BALANCE,
    Question,
    all_covariates,
    block_name,
    by_arm,
    parts_of_question,
)
from workbench.experiment.result import ReadOut, refused
from workbench.experiment.sample_ratio import SampleRatio, sample_ratio
from workbench.experiment.segments import Heterogeneity, Novelty
from workbench.experiment.trust import TrustCheck
from workbench.experiment.unit_columns import Layout, moments_of
from workbench.experiment.units import Source, Units, read_source, take_units
from workbench.experiment.weekdays import Weekdays
from workbench.frames import Frame, need_columns
from workbench.log import Log, open_log
from workbench.replay import Replay


@checked
def read_out(
    units: Source | Replay,
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
            its decision log, of which customers are the units and ghosts the control.
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
            trigger; who has not been there that long is left out. The effect is then that among the
            triggered, with covariates such as ``"spend_before_cents"``, ``day="entered"``, and the
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
    from workbench.experiment import triggered, windowed  # noqa: PLC0415 - they read out too

    check_level(level)
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
    question = Question(
        metrics=tuple(as_metric(each, schema) for each in metrics),
        covariates=tuple(as_covariate(each, schema) for each in covariates),
        layout=layout,
    )
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
        effects=effects,
    )


def read_units(
    units: Units,
    question: Question,
    *,
    segments: Sequence[str] = (),
    day: str | None = None,
    stages: Sequence[str] = (),
    shares: Mapping[str, float] | None = None,
    assignment: str = "randomised",
    assigned_from: dt.date | None = None,
    correction: Correction = "holm",
    level: float = 0.95,
    beside: Sequence[TrustCheck] = (),
    effects: Sequence[Contrast] = (),
) -> ReadOut:
    """Read checked units out; :func:`read_out` says what the arguments mean.

    ``beside`` are checks that were made before; they are held against the verdict too. ``effects`` are
    contrasts of arms, which are then cells of a factorial, instead of each arm against the control.

    Raises:
        InputError: A value is missing or not finite.
    """
    layout = question.layout
    checks = [
        *trusting.of_design(assignment, units.control, units.counts),
        *of_cells(effects, units.counts),
        *beside,
    ]
    ratio = None
    places = count_places(units, layout, [*segments, *([day] if day else [])])
    unknown = assignment == "unknown"
    if len(units.counts) > 1 and units.control in units.counts and not (unknown and shares is None):
        ratio = _sizes(units, layout, stages, shares, places)
        checks += [trusting.of_ratio(ratio)]
    if len(units.counts) > 1:
        checks += trusting.of_segments({each: places[each] for each in segments})
    schema = units.frame.collect_schema()
    known = all_covariates(question, schema)
    checks += trusting.of_windows(known, assigned_from)
    if unknown and not known:
        checks.append(trusting.of_unknown(None))
    checks += [
        TrustCheck("units left out", note.rstrip("."), False, None) for note in units.notes()
    ]
    if not trusting.trust(checks).passed:
        return refused(trusting.trust(checks), ratio, level, stated=shares is not None)
    parts = parts_of_question(question, schema)
    moments = by_arm(moments_of(units, parts, layout))
    alike = _balance(units, known, parts, moments) if known else None
    if alike is not None:
        checks.append(trusting.of_balance(alike))
        checks += [trusting.of_unknown(alike)] if unknown else []
    by_side = one_sided_effects(units, question, level) if layout.one_sided else {}
    if by_side:
        checks.append(of_one_sided(by_side))
    elif layout.trigger:
        checks.append(check_untriggered(units, question, parts, moments))
    trust = trusting.trust(checks)
    if not trust.passed:
        return refused(trust, ratio, level, alike)
    if effects:
        comparisons, thin = compare_factors(question, effects, parts, moments)
    else:
        comparisons, thin = compare_arms(units, question, parts, moments)
    comparisons |= comparisons_of(by_side)
    table = effects_table(comparisons, thin, correction, level)
    segmented, daily, weekly = _by_group(units, question, parts, segments, day)
    plain = {(name, arm): each for (name, arm, whom), each in comparisons.items() if whom == "all"}
    ends = {
        (metric.name, arm): moments[arm][block_name(metric, "all")]
        for metric in question.metrics
        if isinstance(metric, Mean)
        for arm in units.arms
    }
    hanging = None if layout.weighted or effects else outliers(units, question.metrics, plain, ends)
    further = [
        *segmented.values(),
        *([daily] if daily else []),
        *weekly.values(),
        *([hanging] if hanging else []),
    ]
    # An interaction has no units of its own to add its effect up over.
    sizes = {each.name: units_of(each, units.counts) for each in effects if each.order == 1}
    counts_of = sizes if effects else units.counts
    told = said.told(table, trust, [each.text for each in further], level, counts_of)
    return ReadOut(
        table=table,
        text=told.text,
        headline=told.headline,
        trust=trust,
        sample_ratio=ratio,
        balance=alike,
        comparisons=comparisons,
        segments=segmented,
        novelty=daily,
        weekdays=weekly,
        outliers=hanging,
        level=level,
        worth=told.worth,
        next_step=told.next_step,
    )


def _sizes(
    units: Units,
    layout: Layout,
    stages: Sequence[str],
    shares: Mapping[str, float] | None,
    places: Mapping[str, Mapping[str, Mapping[str, int]]],
) -> SampleRatio:
    """Return the check of the sizes of the arms: of all, at stages that every arm shows, and by group."""
    shown = [*stages, *([layout.trigger] if layout.trigger and not layout.one_sided else [])]
    return sample_ratio(
        count_assigned(units, layout),
        shares=shares,
        stages={f"units at {text.named(each)}": count_stage(units, layout, each) for each in shown},
        places={
            f"{dimension} {name}": each
            for dimension, groups in places.items()
            for name, each in groups.items()
        },
    )


def _balance(
    units: Units,
    known: Sequence[Covariate],
    parts: Mapping[str, Parts],
    moments: Mapping[str, Mapping[str, Moments]],
) -> Balance:
    """Return the balance of the covariates over the arms."""
    pairs = [(each.column, parts[BALANCE].covariates[place]) for place, each in enumerate(known)]
    return balance({arm: moments[arm][BALANCE] for arm in units.arms}, units.control, pairs)


def _by_group(
    units: Units,
    question: Question,
    parts: Mapping[str, Parts],
    segments: Sequence[str],
    day: str | None,
) -> tuple[dict[tuple[str, str], Heterogeneity], Novelty | None, dict[str, Weekdays]]:
    """Return the effects on the first metric by segment, by day, and by day of the week."""
    first = next((each for each in question.metrics if isinstance(each, Mean | Ratio)), None)
    if first is None:
        return {}, None, {}
    weekly = by_weekday(units, question, parts, first, day) if day else {}
    week = next(iter(weekly.values()), None)
    daily = by_day(units, question, parts, first, day, week=week) if day else None
    return by_segment(units, question, parts, first, segments), daily, weekly
