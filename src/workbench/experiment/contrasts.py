"""What a plan compares: arms with a control, and effects of factors with their interactions. Owns no size.

An effect is a contrast of cell means. With v the variance a unit and sⱼ the share of cell j, its variance
is v·Σ cⱼ² / sⱼ over the units of the whole experiment: a factorial reads every effect from all units.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workbench.errors import ParameterError, did_you_mean, problem

_FEWEST_LEVELS = 2
_MOST_CELLS = 256


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """One effect as weights of cells.

    Attributes:
        name: What it compares.
        order: Factors that take part: 1 for a main effect or an arm, 2 and more for interactions.
        weights: Weight of each cell that takes part: treated ones are above 0.
        treated: Cells that have every level of the effect; empty for an arm.

    >>> Contrast(name="a", order=1, weights={"a": 1.0, "control": -1.0}).variance(
    ...     {"a": 0.5, "control": 0.5}, (1.0, 1.0))
    4.0
    """

    name: str
    order: int
    weights: Mapping[str, float]
    treated: tuple[str, ...] = ()

    def variance(self, shares: Mapping[str, float], variances: tuple[float, float]) -> float:
        """Return the variance of the effect from one unit in all: v (treated, control) over shares."""
        return math.fsum(
            weight**2 * variances[0 if weight > 0 else 1] / shares[cell]
            for cell, weight in self.weights.items()
        )


def against_control(shares: Mapping[str, float], control: str) -> list[Contrast]:
    """Return the comparison of each arm with the control.

    Raises:
        ParameterError: The control is not an arm.

    >>> [each.name for each in against_control({"control": 0.5, "offer": 0.5}, "control")]
    ['offer']
    """
    if control not in shares:
        rule = f"must be one of {', '.join(shares)}"
        raise ParameterError(problem("control", control, rule, hint=did_you_mean(control, shares)))
    return [
        Contrast(name=arm, order=1, weights={arm: 1.0, control: -1.0})
        for arm in shares
        if arm != control
    ]


def of_factors(factors: Mapping[str, Sequence[str]]) -> tuple[dict[str, float], list[Contrast]]:
    """Return the cells of a factorial with equal shares, and every effect of it.

    The first level of each factor is its base. A main effect is the mean over all cells of a level
    less that over the base's; an interaction is the difference of such differences.

    Args:
        factors: Levels by factor, such as content, timing and value.

    Raises:
        ParameterError: A factor has fewer than two levels, one twice, or there are too many cells.

    >>> cells, effects = of_factors({"content": ["food", "coffee"], "timing": ["now", "later"]})
    >>> list(cells)[:2], [each.name for each in effects]
    (['food, now', 'food, later'], ['content: coffee', 'timing: later', 'content: coffee × timing: later'])
    """
    for name, levels in factors.items():
        if len(levels) < _FEWEST_LEVELS or len(set(levels)) != len(levels):
            rule = "must have at least two levels, each once"
            raise ParameterError(problem(f"factor {name}", list(levels), rule))
    names = list(factors)
    cells = list(itertools.product(*factors.values()))
    if not names or len(cells) > _MOST_CELLS:
        rule = f"must make 2 to {_MOST_CELLS} cells"
        raise ParameterError(problem("factors", {name: len(factors[name]) for name in names}, rule))
    effects = []
    for order in range(1, len(names) + 1):
        for chosen in itertools.combinations(range(len(names)), order):
            for levels in itertools.product(*(factors[names[place]][1:] for place in chosen)):
                treated = dict(zip(chosen, levels, strict=True))
                effects.append(_effect(names, factors, cells, treated))
    return {_cell(cell): 1 / len(cells) for cell in cells}, effects


def factors_of(said: str) -> dict[str, list[str]]:
    """Return factors from a line of text, as parameters of a notebook give them.

    Raises:
        ParameterError: A factor has no levels, or is named twice.

    >>> factors_of("content: food, coffee; timing: now, later")
    {'content': ['food', 'coffee'], 'timing': ['now', 'later']}
    """
    found: dict[str, list[str]] = {}
    for part in filter(None, (each.strip() for each in said.split(";"))):
        name, _, levels = (each.strip() for each in part.partition(":"))
        if not name or not levels or name in found:
            rule = "must be factors with their levels, such as 'content: food, coffee; timing: now, later'"
            raise ParameterError(problem("factors", said, rule))
        found[name] = [level.strip() for level in levels.split(",")]
    return found


def _effect(
    names: Sequence[str],
    factors: Mapping[str, Sequence[str]],
    cells: Sequence[tuple[str, ...]],
    treated: Mapping[int, str],
) -> Contrast:
    """Return the contrast in which some factors go from their base to a level."""
    others = math.prod(
        len(factors[name]) for place, name in enumerate(names) if place not in treated
    )
    weights = {}
    for cell in cells:
        signs = [
            1 if cell[place] == level else -1 if cell[place] == factors[names[place]][0] else 0
            for place, level in treated.items()
        ]
        if all(signs):
            weights[_cell(cell)] = math.prod(signs) / others
    name = " × ".join(f"{names[place]}: {level}" for place, level in treated.items())
    having = [
        _cell(cell) for cell in cells if all(cell[place] == treated[place] for place in treated)
    ]
    return Contrast(name=name, order=len(treated), weights=weights, treated=tuple(having))


def _cell(levels: tuple[str, ...]) -> str:
    return ", ".join(levels)
