"""Does the effect differ between groups that were named before? Shrinkage and trend. Owns no grouping.

The segment with the largest effect is mostly the luckiest one. Each effect is drawn towards the common one
by as much as its noise exceeds what segments truly differ by.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from workbench import text
from workbench.errors import InputError
from workbench.experiment.effect import Estimate

_TWO = 2
_THREE = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Heterogeneity(text.Result):
    """Effects by segment.

    Attributes:
        table: A row a segment: ``segment``, ``effect``, ``standard_error``, ``shrunken``,
            ``shrunken_error``, ``units``.
        text: Whether the segments differ by more than chance.
        p_value: Of no difference between segments (Cochran's Q).
        spread: Standard deviation of the true effects between segments (DerSimonian and Laird).
        differs: Whether ``p_value`` is below the level.
    """

    p_value: float
    spread: float
    differs: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Novelty(text.Result):
    """The effect by the day on which units entered.

    Attributes:
        table: A row a day: ``day``, ``effect``, ``standard_error``, ``units``.
        text: Whether the effect wears off or grows.
        slope: Change of the effect a day.
        p_value: Of no trend.
        trend: Whether ``p_value`` is below the level.
    """

    slope: float
    p_value: float
    trend: bool


def heterogeneity(
    effects: Mapping[str, Estimate], *, dimension: str = "segment", alpha: float = 0.05
) -> Heterogeneity:
    """Compare the effects in disjoint segments, and shrink each towards the common one.

    Args:
        effects: Effect in each segment.
        dimension: What the segments are of, for the sentence.
        alpha: Level of the verdict.

    Raises:
        InputError: There are fewer than two segments with noise.

    Source: DerSimonian and Laird 1986; Efron and Morris 1975 for the shrinkage.

    >>> one = Estimate(value=1.0, standard_error=0.5, df=1e6, n_treatment=50, n_control=50)
    >>> other = Estimate(value=2.0, standard_error=0.5, df=1e6, n_treatment=50, n_control=50)
    >>> found = heterogeneity({"new": one, "loyal": other})
    >>> found.differs, found.table["shrunken"].round(2).to_list()
    (False, [1.25, 1.75])
    """
    kept = {name: each for name, each in effects.items() if each.standard_error > 0}
    if len(kept) < _TWO:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: {dimension} has {len(kept)} groups, needs {_TWO}"
        )
    values = np.array([each.value for each in kept.values()])
    variances = np.array([each.standard_error**2 for each in kept.values()])
    weights = 1 / variances
    common = float(weights @ values / weights.sum())
    q = float(weights @ (values - common) ** 2)
    freedom = len(kept) - 1
    between = max(0.0, (q - freedom) / float(weights.sum() - (weights**2).sum() / weights.sum()))
    mixed = 1 / (variances + between)
    centre = float(mixed @ values / mixed.sum())
    kept_share = between / (between + variances)
    p_value = float(stats.chi2.sf(q, freedom))
    table = pd.DataFrame(
        {
            "segment": list(kept),
            "effect": values,
            "standard_error": np.sqrt(variances),
            "shrunken": centre + kept_share * (values - centre),
            "shrunken_error": np.sqrt(kept_share * variances + (1 - kept_share) ** 2 / mixed.sum()),
            "units": [each.n_treatment + each.n_control for each in kept.values()],
        }
    )
    differs = p_value < alpha
    verb = "differ by more than chance" if differs else "do not differ by more than chance"
    said = f"the effects by {text.words(dimension)} {verb} ({_p(p_value)})"
    return Heterogeneity(
        table=table,
        text=text.sentence(said),
        p_value=p_value,
        spread=math.sqrt(between),
        differs=differs,
    )


def novelty(
    effects: Sequence[tuple[object, float, Estimate]],
    *,
    within: tuple[float, float] | None = None,
    alpha: float = 0.05,
) -> Novelty:
    """Find whether the effect grows or wears off with the day on which units entered.

    Args:
        effects: Day as it is shown, its number, and the effect of who entered on it.
        within: Change a day and its p-value within days of the week, in place of a plain line.
        alpha: Level of the verdict.

    Raises:
        InputError: There are fewer than three days with noise.

    >>> days = [(k, float(k), Estimate(value=5 - k, standard_error=0.2, df=99, n_treatment=9, n_control=9))
    ...     for k in range(4)]
    >>> round(novelty(days).slope, 6), novelty(days).text
    (-1.0, 'The effect wears off with the day of entry (p <0.001).')
    """
    kept = [each for each in effects if each[2].standard_error > 0]
    if len(kept) < _THREE:
        raise InputError(f"{text.NOT_ENOUGH_DATA}: a trend needs {_THREE} days, was {len(kept)}")
    at = np.array([place for _, place, _ in kept], dtype=float)
    values = np.array([each.value for _, _, each in kept])
    weights = 1 / np.array([each.standard_error for _, _, each in kept]) ** 2
    centred = at - weights @ at / weights.sum()
    below = float(weights @ centred**2)
    slope = float(weights @ (centred * values)) / below
    p_value = float(2 * stats.norm.sf(abs(slope) * math.sqrt(below)))
    if within is not None:
        slope, p_value = within
    trend = p_value < alpha
    mean = float(weights @ values)
    away = "wears off" if slope * mean < 0 else "grows"
    said = f"the effect {away} with the day of entry" if trend else "the effect has no trend by day"
    return Novelty(
        table=pd.DataFrame(
            {
                "day": [day for day, _, _ in kept],
                "effect": values,
                "standard_error": 1 / np.sqrt(weights),
                "units": [each.n_treatment + each.n_control for _, _, each in kept],
            }
        ),
        text=text.sentence(f"{said} ({_p(p_value)})"),
        slope=slope,
        p_value=p_value,
        trend=trend,
    )


def _p(p_value: float) -> str:
    said = text.p_value(p_value)
    return f"p {said}" if said.startswith("<") else f"p = {said}"
