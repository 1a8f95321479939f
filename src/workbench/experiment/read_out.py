"""The read-out of an experiment: trust first, then effects, then what follows. Owns no estimator.

An effect that may not be read is not computed into the table: the refusal and its reason stand there.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment import said
from workbench.experiment import trust as trusting
from workbench.experiment.balance import Balance, balance
from workbench.experiment.contrasts import Contrast
from workbench.experiment.effect import Comparison, Estimate, Parts, Population, compare
from workbench.experiment.factorial import (
    CELL,
    Factors,
    compare_cells,
    of_cells,
    refuse_with_factors,
    take_factors,
    units_of,
)
from workbench.experiment.metrics import (
    REACHED,
    TRIGGER,
    Count,
    Covariate,
    Mean,
    Metric,
    Proportion,
    Quantile,
    Ratio,
    as_covariate,
    as_metric,
    check_numbers,
    parts_of,
)
from workbench.experiment.moments import Moments
from workbench.experiment.multiplicity import Correction, adjust
from workbench.experiment.outliers import Outliers, outliers
from workbench.experiment.quantiles import compare_quantiles, quantile_levels
from workbench.experiment.sample_ratio import SampleRatio, sample_ratio
from workbench.experiment.segments import Heterogeneity, Novelty, heterogeneity, novelty
from workbench.experiment.trust import Trust, TrustCheck
from workbench.experiment.unit_columns import Layout, moments_of
from workbench.experiment.units import ARM, Source, Units, read_source, take_units
from workbench.experiment.weekdays import Weekdays, weekdays
from workbench.frames import UNKNOWN_GROUP, Frame, need_columns
from workbench.log import Log, open_log
from workbench.replay import Replay

_BALANCE = "·balance"
_GROUP = "·group"
_DATE = "·date"
_WEEK = 7
_CONSTANT = 1e-18
_FEWEST_DAYS = 3
_Key = tuple[str, str, Population]


@dataclass(frozen=True, kw_only=True, eq=False)
class CarryOver(text.Result):
    """The effects with and without the units that another programme reached in their window.

    Attributes:
        table: A row a metric and arm: ``metric``, ``arm``, ``effect``, ``standard_error``,
            ``effect_without``, ``standard_error_without`` (empty when that may not be read).
        text: The effects without those units, or why they may not be read.
    """


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadOut(text.Result):
    """What an experiment did, or why that cannot be said.

    Attributes:
        table: A row for each metric, arm and population: ``metric``, ``arm``, ``population``,
            ``control`` and ``treatment`` (levels), ``effect``, ``standard_error``, ``low``, ``high``,
            ``relative``, ``relative_low``, ``relative_high``, ``p_value``, ``p_adjusted``,
            ``variance_kept``, ``units`` and ``verdict``: ``"more"``, ``"less"``, ``"open"`` or why there
            is no effect. Empty when the experiment as a whole is refused.
        text: Trust, effect, worth and next step in sentences; the finding first.
        trust: Every check that stands before an effect.
        sample_ratio: The check of the sizes of the arms; None when there is no control.
        balance: Covariates before the experiment; None without any.
        comparisons: The effects by metric, arm and population.
        segments: Effects on the first metric by segment, for each dimension and arm.
        novelty: The effect of the first arm on the first metric by day of entry; None without days.
        weekdays: The effect on the first metric by day of the week of entry and its trend apart from
            that, for each arm; empty without more than a week of dates.
        outliers: How much hangs on single units; None without a mean.
        level: Level of the intervals.
        worth: What the effects come to in all, in sentences.
        next_step: What to do with it, in sentences.
        carry_over: What other programmes have to do with it; None when they reached nobody, or for
            units that are no decision log with a fixed window.
    """

    trust: Trust
    sample_ratio: SampleRatio | None
    balance: Balance | None
    comparisons: Mapping[_Key, Comparison]
    segments: Mapping[tuple[str, str], Heterogeneity]
    novelty: Novelty | None
    weekdays: Mapping[str, Weekdays]
    outliers: Outliers | None
    level: float
    worth: str
    next_step: str
    carry_over: CarryOver | None = None

    @property
    def verdict(self) -> trusting.Verdict:
        """``"identified"``, ``"not identified"`` or ``"not enough data"``."""
        return self.trust.verdict

    @property
    def passed(self) -> bool:
        """Whether there are effects to read."""
        return self.trust.passed

    @property
    def page(self) -> pd.DataFrame:
        """The table as a reader sees it: every number written with its unit."""
        return said.page(self.table, self.level)

    def comparison(
        self, metric: str, arm: str | None = None, population: Population = "all"
    ) -> Comparison:
        """Return the effect on a metric; the arm may be left out when there is one.

        Raises:
            InputError: There is no such effect; the reason is named.
        """
        for (name, label, whom), found in self.comparisons.items():
            if name == metric and whom == population and arm in {None, label}:
                return found
        reasons = "; ".join(self.trust.reasons) or "it was not asked for, or has not enough data"
        raise InputError(f"there is no effect on {metric!r} ({population}): {reasons}")

    def estimate(
        self, metric: str, arm: str | None = None, population: Population = "all"
    ) -> Estimate:
        """Return the absolute effect on a metric: value, error and units, as a sequence takes it.

        Raises:
            InputError: There is no such effect; the reason is named.
        """
        return self.comparison(metric, arm, population).absolute


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked of units: metrics with their covariates, and how units count."""

    metrics: tuple[Metric, ...]
    covariates: tuple[Covariate, ...]
    layout: Layout
    among: tuple[Covariate, ...] = ()

    def of_metric(self, metric: Mean | Ratio, schema: pl.Schema) -> tuple[Covariate, ...]:
        """Return the covariates of a metric: its own, or those of the read-out."""
        own = tuple(as_covariate(each, schema) for each in metric.covariates)
        return own or self.covariates

    def populations(self, metric: Metric) -> tuple[Population, ...]:
        """Return whom effects on a metric are of."""
        asked: list[Population] = ["all"]
        if isinstance(metric, Quantile):
            return tuple(asked)
        if self.layout.trigger:
            asked += ["triggered", "diluted"]
        if self.layout.reached and isinstance(metric, Mean):
            asked.append("compliers")
        return tuple(asked)


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
    reached: str | None = None,
    factors: Factors = (),
    shares: Mapping[str, float] | None = None,
    assignment: Literal["randomised", "targeted"] = "randomised",
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
        reached: Column that is true for units that the treatment reached.
        factors: Columns of the factors of a factorial experiment instead of an arm and a control, such as
            content and timing; with levels, the first of each is its base. Main effects and
            interactions take the place of arms, and are corrected together.
        shares: Meant share of each arm, relative to each other; None: equal ones.
        assignment: ``"targeted"`` when nobody drew lots: then there is no effect to be read.
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
    >>> draw = np.random.default_rng(1)
    >>> table = pl.DataFrame({
    ...     "arm": ["control", "offer"] * 500, "spend_cents": draw.gamma(2, 500, 1000) + [0, 200] * 500})
    >>> read_out(table, metrics=["spend_cents"]).headline
    '“offer” makes “spend” 14.4% more'
    """
    from workbench.experiment import triggered, windowed  # noqa: PLC0415 - they read out too

    decisions = units if isinstance(units, Replay) else read_source(units)
    if isinstance(decisions, Replay) or triggered.is_decision_log(decisions):
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
    if not 0 < level < 1:
        raise ParameterError(problem("level", level, "must be between 0 and 1"))
    if not metrics:
        raise ParameterError(problem("metrics", list(metrics), "must name at least one metric"))
    effects: list[Contrast] = []
    if factors:
        refuse_with_factors({"trigger": trigger, "reached": reached})
        decisions, effects, control = take_factors(decisions, factors)
        arm = CELL
    taken = take_units(decisions, arm=arm, control=control, unit=unit)
    schema = taken.frame.collect_schema()
    layout = Layout(weights=weights, cluster=cluster, trigger=trigger, reached=reached)
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
    places = _places(units, layout, [*segments, *([day] if day else [])])
    if len(units.counts) > 1 and units.control in units.counts:
        counts = _ratio_counts(units, layout)
        at_stages = [*stages, *([layout.trigger] if layout.trigger else [])]
        ratio = sample_ratio(
            counts,
            shares=shares,
            stages={f"units at {text.named(each)}": _stage_counts(units, layout, each) for each in at_stages},
            places={
                f"{dimension} {name}": each
                for dimension, groups in places.items()
                for name, each in groups.items()
            },
        )  # fmt: skip
        checks += [trusting.of_ratio(ratio)]
        checks += trusting.of_segments({each: places[each] for each in segments})
    schema = units.frame.collect_schema()
    known = _covariates(question, schema)
    checks += trusting.of_windows(known, assigned_from)
    checks += [
        TrustCheck("units left out", note.rstrip("."), False, None) for note in units.notes()
    ]
    if not trusting.trust(checks).passed:
        return _refused(trusting.trust(checks), ratio, level)
    parts = _parts(question, schema)
    moments = _by_arm(moments_of(units, parts, layout))
    alike = None
    if known:
        pairs = [
            (each.column, parts[_BALANCE].covariates[place]) for place, each in enumerate(known)
        ]
        alike = balance({arm: moments[arm][_BALANCE] for arm in units.arms}, units.control, pairs)
        checks.append(trusting.of_balance(alike))
    if layout.trigger:
        checks.append(_validity(units, question, parts, moments))
    trust = trusting.trust(checks)
    if not trust.passed:
        return _refused(trust, ratio, level, alike)
    if effects:
        comparisons, thin = _factorial(question, effects, parts, moments)
    else:
        comparisons, thin = _comparisons(units, question, parts, moments)
    table = _table(comparisons, thin, correction, level)
    first = next((each for each in question.metrics if isinstance(each, Mean | Ratio)), None)
    by_segment, by_day, by_weekday = {}, None, {}
    if first is not None:
        by_segment = _segments(units, question, parts, first, segments)
        by_weekday = _weekdays(units, question, parts, first, day) if day else {}
        week = next(iter(by_weekday.values()), None)
        by_day = _novelty(units, question, parts, first, day, week=week) if day else None
    plain = {(name, arm): each for (name, arm, whom), each in comparisons.items() if whom == "all"}
    ends = {
        (metric.name, arm): moments[arm][_name(metric, "all")]
        for metric in question.metrics
        if isinstance(metric, Mean)
        for arm in units.arms
    }
    hanging = None if layout.weighted or effects else outliers(units, question.metrics, plain, ends)
    further = [
        *by_segment.values(),
        *([by_day] if by_day else []),
        *by_weekday.values(),
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
        segments=by_segment,
        novelty=by_day,
        weekdays=by_weekday,
        outliers=hanging,
        level=level,
        worth=told.worth,
        next_step=told.next_step,
    )


def _refused(
    trust: Trust, ratio: SampleRatio | None, level: float, alike: Balance | None = None
) -> ReadOut:
    """Return a read-out without any effect."""
    return ReadOut(
        table=pd.DataFrame(columns=list(said.COLUMNS)),
        text=f"{trust.text} No effect is given.",
        headline=text.sentence(trust.verdict).rstrip("."),
        trust=trust,
        sample_ratio=ratio,
        balance=alike,
        comparisons={},
        segments={},
        novelty=None,
        weekdays={},
        outliers=None,
        level=level,
        worth="Nothing can be said of what it is worth.",
        next_step=said.after_refusal(trust),
    )


def _covariates(question: Question, schema: pl.Schema) -> tuple[Covariate, ...]:
    """Return every covariate of the read-out once."""
    found = {each.column: each for each in question.covariates}
    for metric in question.metrics:
        if isinstance(metric, Mean | Ratio):
            found |= {each.column: each for each in question.of_metric(metric, schema)}
    return tuple(found.values())


def _name(metric: Metric, population: str) -> str:
    return f"{metric.name}\0{population}"


def _parts(question: Question, schema: pl.Schema) -> dict[str, Parts]:
    """Return which columns each metric is made of, by population, and those of the balance."""
    weighted, parts = question.layout.weighted, {}
    for metric in question.metrics:
        if isinstance(metric, Quantile):
            continue
        covariates = question.of_metric(metric, schema)
        for population in question.populations(metric):
            indicator = {"all": "", "compliers": REACHED}.get(population, TRIGGER)
            among = population in {"triggered", "diluted"}
            parts[_name(metric, population)] = parts_of(
                metric,
                (*covariates, *question.among) if among else covariates,
                weighted=weighted,
                indicator=indicator,
                among=among,
            )
    known = _covariates(question, schema)
    if known:
        anchor = Mean(known[0].column.partition(" / ")[0])
        parts[_BALANCE] = parts_of(anchor, known, weighted=weighted)
    return parts


def _by_arm(
    moments: Mapping[tuple[object, ...], dict[str, Moments]],
) -> dict[str, dict[str, Moments]]:
    return {str(key[0]): found for key, found in moments.items()}


def _places(
    units: Units, layout: Layout, dimensions: Sequence[str]
) -> dict[str, dict[str, dict[str, int]]]:
    """Return units by dimension, group and arm; who is in no group is in "not known"."""
    unit = pl.col(layout.cluster).n_unique() if layout.cluster else pl.len()
    places: dict[str, dict[str, dict[str, int]]] = {}
    for dimension in dimensions:
        group = pl.col(dimension).cast(pl.String).fill_null(UNKNOWN_GROUP)
        counted = (
            units.frame.group_by(group.alias(_GROUP), ARM).agg(unit.alias("n")).sort(_GROUP, ARM)
        )
        found = places.setdefault(dimension, {})
        for name, arm, n in counted.collect(engine="streaming").iter_rows():
            found.setdefault(name, dict.fromkeys(units.arms, 0))[arm] = n
    return places


def _ratio_counts(units: Units, layout: Layout) -> dict[str, int]:
    """Return how much was assigned to each arm: units, or clusters where those were assigned."""
    if layout.cluster is None:
        return units.counts
    found = units.frame.group_by(ARM).agg(pl.col(layout.cluster).n_unique())
    counted = dict(found.collect(engine="streaming").iter_rows())
    return {arm: int(counted[arm]) for arm in units.arms}


def _stage_counts(units: Units, layout: Layout, stage: str) -> dict[str, int]:
    """Return the units of each arm that reached a stage."""
    check_numbers([stage], units.frame.collect_schema(), "stage")
    there = units.frame.filter(pl.col(stage).cast(pl.Boolean).fill_null(value=False))
    unit = pl.col(layout.cluster).n_unique() if layout.cluster else pl.len()
    counted = dict(there.group_by(ARM).agg(unit).collect(engine="streaming").iter_rows())
    return {arm: int(counted.get(arm, 0)) for arm in units.arms}


def _validity(
    units: Units,
    question: Question,
    parts: Mapping[str, Parts],
    moments: Mapping[str, Mapping[str, Moments]],
) -> TrustCheck:
    """Check that what came before or without a trigger shows no effect."""
    found = {}
    for metric in question.metrics:
        name = _name(metric, "triggered")
        if name in parts:
            plain = dataclasses.replace(parts[name], covariates=())
            for arm in units.arms[1:]:
                pair = moments[arm][name], moments[units.control][name]
                found[metric.name, arm] = compare(*pair, plain, "untriggered")
    return trusting.of_untriggered(found)


def _comparisons(
    units: Units,
    question: Question,
    parts: Mapping[str, Parts],
    moments: Mapping[str, Mapping[str, Moments]],
) -> tuple[dict[_Key, Comparison], dict[_Key, str]]:
    """Return the effects, and for those that are not there the reason."""
    found: dict[_Key, Comparison] = {}
    thin: dict[_Key, str] = {}
    for metric in question.metrics:
        levels = quantile_levels(units, metric) if isinstance(metric, Quantile) else {}
        for arm in units.arms[1:]:
            for population in question.populations(metric):
                key = (metric.name, arm, population)
                if isinstance(metric, Quantile):
                    found[key] = compare_quantiles(levels[arm], levels[units.control])
                    continue
                name = _name(metric, population)
                pair = moments[arm][name], moments[units.control][name]
                reason = too_thin(metric, parts[name], *pair)
                if reason:
                    thin[key] = reason
                else:
                    found[key] = compare(*pair, parts[name], population)
    return found, thin


def _factorial(
    question: Question,
    effects: Sequence[Contrast],
    parts: Mapping[str, Parts],
    moments: Mapping[str, Mapping[str, Moments]],
) -> tuple[dict[_Key, Comparison], dict[_Key, str]]:
    """Return the effects of factors, and for those that are not there the reason."""
    found: dict[_Key, Comparison] = {}
    thin: dict[_Key, str] = {}
    for metric in question.metrics:
        name = _name(metric, "all")
        if isinstance(metric, Quantile):
            rule = "must be a mean, a proportion, a count or a ratio with factors"
            raise ParameterError(problem("metric", metric.name, rule))
        cells = {cell: each[name] for cell, each in moments.items()}
        for effect in effects:
            first, *others = (cells[cell] for cell in effect.weights)
            reason = next(
                filter(None, (too_thin(metric, parts[name], each, first) for each in others)), ""
            )
            key: _Key = (metric.name, effect.name, "all")
            if reason:
                thin[key] = reason
            else:
                found[key] = compare_cells(cells, parts[name], effect)
    return found, thin


def too_thin(metric: Metric, parts: Parts, treatment: Moments, control: Moments) -> str:
    """Return why the arms are too thin for an effect on a metric, or an empty text."""
    needed = trusting.FEWEST_UNITS + trusting.UNITS_A_COVARIATE * len(parts.covariates)
    for moments, what in ((treatment, "treated arm"), (control, "control")):
        n = moments.n if parts.trigger != TRIGGER else round(moments.n * moments[TRIGGER])
        if n < needed:
            return f"{text.plural(n, 'unit')} in the {what}, needs {needed}"
        total = moments.n * moments[parts.numerator]
        if isinstance(metric, Count | Proportion) and total < trusting.FEWEST_EVENTS:
            return f"{text.count(total)} events in the {what}, needs {trusting.FEWEST_EVENTS}"
        below = parts.denominator
        if below is not None and moments[below] == 0:
            return f"{below} is 0 for the whole {what}"
    both = treatment + control
    place = both.place(parts.numerator)
    if both.products[place, place] <= _CONSTANT * (1 + both.mean[place] ** 2) * both.n:
        return f"{parts.numerator} is the same for every unit"
    return ""


def _table(
    comparisons: Mapping[_Key, Comparison],
    thin: Mapping[_Key, str],
    correction: Correction,
    level: float,
) -> pd.DataFrame:
    """Return the effects as rows; p-values are adjusted within a population."""
    adjusted: dict[_Key, float] = {}
    for whom in dict.fromkeys(key[2] for key in comparisons):
        keys = [key for key in comparisons if key[2] == whom]
        found = adjust([comparisons[key].absolute.p_value for key in keys], correction)
        adjusted |= dict(zip(keys, found, strict=True))
    rows = []
    for key, found_ in comparisons.items():
        low, high = found_.absolute.interval(level)
        relative = found_.relative_interval(level) or (None, None)
        significant = adjusted[key] < 1 - level
        verdict = ("more" if found_.absolute.value > 0 else "less") if significant else "open"
        rows.append(
            [
                *key,
                found_.control,
                found_.treatment,
                found_.absolute.value,
                found_.absolute.standard_error,
                low,
                high,
                found_.relative.value if found_.relative else None,
                *relative,
                found_.absolute.p_value,
                adjusted[key],
                found_.variance_kept,
                found_.absolute.n_treatment + found_.absolute.n_control,
                verdict,
            ]
        )
    empty = [None] * (len(said.COLUMNS) - 4)
    rows += [[*key, *empty, f"{text.NOT_ENOUGH_DATA}: {why}"] for key, why in thin.items()]
    return pd.DataFrame(rows, columns=list(said.COLUMNS))


def _segments(
    units: Units,
    question: Question,
    parts: Mapping[str, Parts],
    metric: Mean | Ratio,
    dimensions: Sequence[str],
) -> dict[tuple[str, str], Heterogeneity]:
    """Return the effects on one metric by segment, for each dimension and arm that has several."""
    found = {}
    for dimension in dimensions:
        for arm, effects in _grouped(units, question, parts, metric, dimension).items():
            if len(effects) > 1:
                named = {str(name): each for name, each in effects.items()}
                found[dimension, arm] = heterogeneity(named, dimension=dimension)
    return found


def _novelty(
    units: Units,
    question: Question,
    parts: Mapping[str, Parts],
    metric: Mean | Ratio,
    day: str,
    *,
    week: Weekdays | None,
) -> Novelty | None:
    """Return the trend of the effect of the first arm by day of entry; None for too few days.

    The trend is that within days of the week where these are known.
    """
    kind = units.frame.collect_schema()[day]
    effects = next(iter(_grouped(units, question, parts, metric, day).values()), {})
    known = [(name, each) for name, each in effects.items() if name is not None]
    if len(known) < _FEWEST_DAYS:
        return None
    days = pl.Series([name for name, _ in known])
    numbers = days.cast(pl.Date).to_physical() if kind.is_temporal() else days.cast(pl.Float64)
    return novelty(
        [(name, float(at), each) for (name, each), at in zip(known, numbers, strict=True)],
        within=None if week is None else (week.slope, week.slope_p_value),
    )


def _weekdays(
    units: Units, question: Question, parts: Mapping[str, Parts], metric: Mean | Ratio, day: str
) -> dict[str, Weekdays]:
    """Return the effects on one metric by day of the week, for each arm; none without enough dates."""
    if not units.frame.collect_schema()[day].is_temporal():
        return {}
    dated = dataclasses.replace(
        units, frame=units.frame.with_columns(pl.col(day).cast(pl.Date).alias(_DATE))
    )
    found = {}
    for arm, effects in _grouped(dated, question, parts, metric, _DATE).items():
        known = [(date, each) for date, each in effects.items() if isinstance(date, dt.date)]
        if len(known) > _WEEK:
            found[arm] = weekdays(known)
    return found


def _grouped(
    units: Units,
    question: Question,
    parts: Mapping[str, Parts],
    metric: Mean | Ratio,
    dimension: str,
) -> dict[str, dict[object, Estimate]]:
    """Return the effect on one metric by arm and group, where both arms have enough of it."""
    name = _name(metric, "all")
    found = moments_of(units, {name: parts[name]}, question.layout, [dimension])
    effects: dict[str, dict[object, Estimate]] = {arm: {} for arm in units.arms[1:]}
    for arm in units.arms[1:]:
        for label, group in found:
            pair = found.get((arm, group)), found.get((units.control, group))
            if label != arm or pair[0] is None or pair[1] is None:
                continue
            both = pair[0][name], pair[1][name]
            if not too_thin(metric, parts[name], *both):
                effects[arm][group] = compare(*both, parts[name]).absolute
    return effects
