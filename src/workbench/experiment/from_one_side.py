"""A read-out whose triggers are seen in treated arms alone: its effects and its check. Owns no estimator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from workbench import text
from workbench.errors import ParameterError, problem
from workbench.experiment.effect import Comparison
from workbench.experiment.effects import EffectKey
from workbench.experiment.metrics import Covariate, Mean, Ratio, spoken
from workbench.experiment.one_sided import OneSided, one_sided_of
from workbench.experiment.question import Question
from workbench.experiment.trust import TrustCheck
from workbench.experiment.units import Units


def refuse_one_sided(
    trigger: str | None, covariates: Sequence[str | Covariate], weights: str | None
) -> None:
    """Refuse what an effect with triggers of one side cannot be read from.

    Raises:
        ParameterError: There is no trigger or no covariate, a covariate is a ratio, or there are weights.
    """
    if trigger is None:
        rule = "must come with trigger, the column that says who was triggered in the treated arms"
        raise ParameterError(problem("one_sided", True, rule))
    names = [each.column if isinstance(each, Covariate) else each for each in covariates]
    if not names or any(" / " in each for each in names):
        rule = "must name columns, no ratios, with one_sided: they tell who would be triggered"
        raise ParameterError(problem("covariates", names, rule))
    if weights is not None:
        rule = "must be left out with one_sided, whose errors are those of units or clusters"
        raise ParameterError(problem("weights", weights, rule))


def one_sided_effects(
    units: Units, question: Question, level: float
) -> dict[tuple[str, str], OneSided]:
    """Return the effect on each mean and ratio, by metric and arm.

    Raises:
        InputError: A column is not finite, or there are too few units or triggers.
    """
    names = [each.column for each in question.covariates]
    return {
        (metric.name, arm): one_sided_of(units, arm, metric, question.layout, names, level=level)
        for metric in question.metrics
        if isinstance(metric, Mean | Ratio)
        for arm in units.arms[1:]
    }


def of_one_sided(found: Mapping[tuple[str, str], OneSided]) -> TrustCheck:
    """Say whether the untriggered show no effect; where they do, their noise is left in and nothing is blocked."""
    wrong = [name for name, each in found.items() if not each.holds]
    if not wrong:
        finding = "who would not be triggered shows no effect, so that their noise is taken off"
        return TrustCheck("trigger", finding, holds=True, blocks=None)
    names = text.listing(list(dict.fromkeys(spoken(metric) for metric, _ in wrong)))
    finding = (
        f"who would not be triggered differs by arm in {names}, or the covariates do not tell who they are: "
        "only the effect over all units is given there"
    )
    return TrustCheck("trigger", finding, holds=False, blocks=None)


def _of_arm(found: OneSided, metric: str, arm: str) -> dict[EffectKey, Comparison]:
    """Return the effect over all units with less noise, and for each triggered one; none if it may not be read."""
    if not found.holds:
        return {}
    kept = float(found.table["variance_kept"].iloc[-1])
    diluted = Comparison(
        treatment=found.control + found.effect.value,
        control=found.control,
        absolute=found.effect,
        relative=found.relative,
        log_ratio=None,
        variance_kept=kept,
    )
    triggered = Comparison(
        treatment=math.nan,
        control=math.nan,
        absolute=found.triggered,
        relative=None,
        log_ratio=None,
        variance_kept=kept,
    )
    return {(metric, arm, "triggered"): triggered, (metric, arm, "diluted"): diluted}


def comparisons_of(found: Mapping[tuple[str, str], OneSided]) -> dict[EffectKey, Comparison]:
    """Return the effects over all units with less noise, and for each triggered one, that may be read."""
    effects: dict[EffectKey, Comparison] = {}
    for (metric, arm), each in found.items():
        effects |= _of_arm(each, metric, arm)
    return effects
