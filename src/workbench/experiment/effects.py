"""The effects that a question asks for, as a table, and why one of them is not there. Owns no estimator."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

import pandas as pd

from workbench import text
from workbench.errors import ParameterError, problem
from workbench.experiment import said
from workbench.experiment import trust as trusting
from workbench.experiment.contrasts import Contrast
from workbench.experiment.effect import Comparison, Parts, Population, compare
from workbench.experiment.factorial import compare_cells
from workbench.experiment.metrics import TRIGGER, WEIGHT, Count, Metric, Proportion, Quantile
from workbench.experiment.moments import Moments
from workbench.experiment.multiplicity import Correction, adjust
from workbench.experiment.quantiles import compare_quantiles, quantile_levels
from workbench.experiment.question import Question, block_name
from workbench.experiment.trust import TrustCheck
from workbench.experiment.units import Units

EffectKey: TypeAlias = tuple[str, str, Population]
"""Metric, arm and population of an effect."""

Found = TypeVar("Found")

_BELOW = {WEIGHT: "the weight"}
_TIED = "so many units have the very value of the quantile that its error cannot be told"
_CONSTANT = 1e-18


def check_untriggered(
    units: Units,
    question: Question,
    parts: Mapping[str, Parts],
    moments: Mapping[str, Mapping[str, Moments]],
) -> TrustCheck:
    """Check that what came before or without a trigger shows no effect."""
    found = {}
    for metric in question.metrics:
        name = block_name(metric, "triggered")
        if name in parts:
            plain = dataclasses.replace(parts[name], covariates=())
            for arm in units.arms[1:]:
                pair = moments[arm][name], moments[units.control][name]
                found[metric.name, arm] = compare(*pair, plain, "untriggered")
    return trusting.of_untriggered(found)


def compare_arms(
    units: Units,
    question: Question,
    parts: Mapping[str, Parts],
    moments: Mapping[str, Mapping[str, Moments]],
) -> tuple[dict[EffectKey, Comparison], dict[EffectKey, str]]:
    """Return the effects, and for those that are not there the reason."""
    found: dict[EffectKey, Comparison] = {}
    thin: dict[EffectKey, str] = {}
    for metric in question.metrics:
        levels = quantile_levels(units, metric) if isinstance(metric, Quantile) else {}
        for arm in units.arms[1:]:
            for population in question.populations(metric):
                key = (metric.name, arm, population)
                if isinstance(metric, Quantile):
                    pair_of_levels = levels[arm], levels[units.control]
                    if all(error > 0 for _, error, _ in pair_of_levels):
                        found[key] = compare_quantiles(*pair_of_levels)
                    else:
                        thin[key] = _TIED
                    continue
                name = block_name(metric, population)
                pair = moments[arm][name], moments[units.control][name]
                reason = too_thin(metric, parts[name], *pair)
                if reason:
                    thin[key] = reason
                else:
                    found[key] = compare(*pair, parts[name], population)
    return found, thin


def compare_factors(
    question: Question,
    effects: Sequence[Contrast],
    parts: Mapping[str, Parts],
    moments: Mapping[str, Mapping[str, Moments]],
) -> tuple[dict[EffectKey, Comparison], dict[EffectKey, str]]:
    """Return the effects of factors, and for those that are not there the reason."""
    found: dict[EffectKey, Comparison] = {}
    thin: dict[EffectKey, str] = {}
    for metric in question.metrics:
        name = block_name(metric, "all")
        if isinstance(metric, Quantile):
            rule = "must be a mean, a proportion, a count or a ratio with factors"
            raise ParameterError(problem("metric", metric.name, rule))
        cells = {cell: each[name] for cell, each in moments.items()}
        for effect in effects:
            first, *others = (cells[cell] for cell in effect.weights)
            reason = next(
                filter(None, (too_thin(metric, parts[name], each, first) for each in others)), ""
            )
            key: EffectKey = (metric.name, effect.name, "all")
            if reason:
                thin[key] = reason
            else:
                found[key] = compare_cells(cells, parts[name], effect)
    return found, thin


def among(found: Mapping[EffectKey, Found], whom: Population) -> dict[EffectKey, Found]:
    """Return effects on all units as those of whom the units are.

    >>> among({("visits", "tea", "all"): 1}, "triggered")
    {('visits', 'tea', 'triggered'): 1}
    """
    return {(metric, arm, whom): each for (metric, arm, _), each in found.items()}


def beside_each(
    found: Mapping[EffectKey, Found], more: Mapping[EffectKey, Found]
) -> dict[EffectKey, Found]:
    """Return effects with those on the same metric and arm behind each.

    >>> both = beside_each({("a", "x", "triggered"): 1, ("b", "x", "triggered"): 2}, {("a", "x", "diluted"): 3})
    >>> list(both.values())
    [1, 3, 2]
    """
    places = {key[:2]: place for place, key in reversed(list(enumerate(found)))}
    both = [*found.items(), *more.items()]
    return dict(sorted(both, key=lambda each: places.get(each[0][:2], len(places))))


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
            return f"{_BELOW.get(below, below)} is 0 for the whole {what}"
    both = treatment + control
    place = both.place(parts.numerator)
    if both.products[place, place] <= _CONSTANT * (1 + both.mean[place] ** 2) * both.n:
        return f"{parts.numerator} is the same for every unit"
    return ""


def effects_table(
    comparisons: Mapping[EffectKey, Comparison],
    thin: Mapping[EffectKey, str],
    correction: Correction,
    level: float,
) -> pd.DataFrame:
    """Return the effects as rows; p-values are adjusted within a population."""
    adjusted: dict[EffectKey, float] = {}
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
