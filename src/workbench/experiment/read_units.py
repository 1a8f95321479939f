"""The read-out of checked units: first whether to trust it, then effects, then sentences. Owns no estimator.

An effect that may not be read is not computed into the table: the refusal and its reason stand there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from workbench import text
from workbench.experiment import said
from workbench.experiment import trust as trusting
from workbench.experiment.balance import Balance, balance
from workbench.experiment.by_group import by_day, by_segment, by_weekday
from workbench.experiment.contrasts import Contrast
from workbench.experiment.counted import count_assigned, count_places, count_stage
from workbench.experiment.effect import Comparison, Parts, Population
from workbench.experiment.effects import (
    EffectKey,
    among,
    beside_each,
    check_untriggered,
    compare_arms,
    compare_factors,
    effects_table,
)
from workbench.experiment.entered import Diluted
from workbench.experiment.factorial import (
    of_cells,
    units_of,
)
from workbench.experiment.from_one_side import (
    comparisons_of,
    of_one_sided,
    one_sided_effects,
)
from workbench.experiment.metrics import Covariate, Mean, Ratio
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
from workbench.experiment.units import Units
from workbench.experiment.weekdays import Weekdays

_PAIR = 2


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
    whom: Population = "all",
    diluted: Diluted | None = None,
) -> ReadOut:
    """Read checked units out; :func:`read_out` says what the arguments mean.

    ``beside`` are checks that were made before; they are held against the verdict too. ``effects`` are
    contrasts of arms, which are then cells of a factorial, instead of each arm against the control.
    ``whom`` the units are, and ``diluted`` are effects over everyone of whom they are the triggered.

    Raises:
        InputError: A value is missing or not finite.
    """
    layout = question.layout
    checks = [
        *(diluted.checks if diluted is not None else ()),
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
    elif layout.trigger and any(isinstance(each, Mean | Ratio) for each in question.metrics):
        checks.append(check_untriggered(units, question, parts, moments))
    trust = trusting.trust(checks)
    if not trust.passed:
        return refused(trust, ratio, level, alike)
    if effects:
        comparisons, thin = compare_factors(question, effects, parts, moments)
    else:
        comparisons, thin = compare_arms(units, question, parts, moments)
    comparisons |= comparisons_of(by_side)
    plain = {(name, arm): each for (name, arm, of), each in comparisons.items() if of == "all"}
    comparisons, thin = _by_population(comparisons, thin, whom, diluted)
    table = effects_table(comparisons, thin, correction, level)
    segmented, daily, weekly = _by_group(units, question, parts, segments, day)
    ends = {
        (metric.name, arm): moments[arm][block_name(metric, "all")]
        for metric in question.metrics
        if isinstance(metric, Mean)
        for arm in units.arms
    }
    hanging = None if layout.weighted or effects else outliers(units, question.metrics, plain, ends)
    further = [
        *(_of_arm(units, arm, each.text) for (_, arm), each in segmented.items()),
        *([_of_arm(units, units.arms[1], daily.text)] if daily else []),
        *(_of_arm(units, arm, each.text) for arm, each in weekly.items()),
        *([hanging.text] if hanging else []),
    ]
    sizes = _counts_of(units, effects, diluted)
    told = said.told(table, trust, further, level, sizes)
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


def _by_population(
    found: Mapping[EffectKey, Comparison],
    thin: Mapping[EffectKey, str],
    whom: Population,
    diluted: Diluted | None,
) -> tuple[dict[EffectKey, Comparison], dict[EffectKey, str]]:
    """Return effects, and why one is not there, of whom the units are, with those diluted to everyone."""
    if whom != "all":
        found, thin = among(found, whom), among(thin, whom)
    if diluted is not None:
        found, thin = beside_each(found, diluted.comparisons), {**thin, **diluted.thin}
    return dict(found), dict(thin)


def _of_arm(units: Units, arm: str, sentence: str) -> str:
    """Return a sentence about an arm, with its name where there are several."""
    if len(units.arms) <= _PAIR:
        return sentence
    return f"For {text.named(arm)} {sentence[:1].lower()}{sentence[1:]}"


def _counts_of(
    units: Units, effects: Sequence[Contrast], diluted: Diluted | None
) -> Mapping[str, int]:
    """Return the units that effects are added up over: of each arm, or of the levels of each effect."""
    if effects:
        # An interaction has no units of its own to add its effect up over.
        return {each.name: units_of(each, units.counts) for each in effects if each.order == 1}
    return units.counts if diluted is None else diluted.counts


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
