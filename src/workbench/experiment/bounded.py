"""Confidence sequences of values with known bounds, without an approximation. Owns no data and no decision.

A proportion has its exact sequence from the counts. Any other value between two bounds that were declared
before the data is bet on: for each candidate mean a gambler bets that it is wrong; the means on which
nobody grew rich are the interval. A lift is bet on in the same way, by the draw of the arms.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betaln

from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.sequences import Floats, check_alpha, normal_rho

_GRID = 1_000
_LOG_LIFT = 1.5
_MOST_OF_FORTUNE = 0.5
_ROWS_AT_ONCE = 4_096
_EDGE = 1e-12


def bernoulli_interval(
    successes: float, trials: float, *, alpha: float = 0.05, tightest: float = 1_000
) -> tuple[float, float]:
    """Return the interval of a proportion that holds at every number of trials at once.

    Args:
        successes: Trials with success.
        trials: All trials so far.
        alpha: Chance that the sequence ever misses.
        tightest: Trials at which it is tightest.

    Raises:
        InputError: There is no trial, or there are more successes than trials.

    Source: Howard, Ramdas, McAuliffe and Sekhon (2021), beta-binomial mixture; confseq.

    >>> [round(end, 4) for end in bernoulli_interval(700, 1000, tightest=100)]
    [0.6516, 0.7459]
    """
    check_alpha(alpha)
    if not 0 <= successes <= trials or trials <= 0:
        raise InputError(
            f"a proportion needs at least 1 trial and at most as many successes, was "
            f"{successes} of {trials}"
        )

    def excess(p: float) -> float:
        return _beta_binomial(successes, trials, p, alpha, tightest) + float(np.log(alpha))

    found = successes / trials
    low, high = 0.0, 1.0
    if successes > 0 and excess(_EDGE) > 0:
        low = float(brentq(excess, _EDGE, min(found, 1 - _EDGE), xtol=1e-12))
    if successes < trials and excess(1 - _EDGE) > 0:
        high = float(brentq(excess, max(found, _EDGE), 1 - _EDGE, xtol=1e-12))
    return low, high


def _beta_binomial(
    successes: float, trials: float, p: float, alpha: float, tightest: float
) -> float:
    """Return the logarithm of the beta-binomial mixture against a proportion."""
    v = p * (1 - p)
    r = max(normal_rho(tightest * v, alpha) - v, 1e-3 * v)
    failures = trials - successes
    return float(
        -successes * np.log(p)
        - failures * np.log1p(-p)
        + betaln(r / (1 - p) + successes, r / p + failures)
        - betaln(r / (1 - p), r / p)
    )


def betting_interval(
    values: ArrayLike,
    bounds: tuple[float, float],
    *,
    looks: Sequence[int] | None = None,
    alpha: float = 0.05,
) -> tuple[Floats, Floats]:
    """Return the intervals of a bounded mean at some looks, valid at all of them at once.

    The units must have one mean, whenever they enter; for an experiment whose customers change from day
    to day take :func:`lift_by_betting`. The bet of a unit depends on the units before it alone. The means are held against a grid of
    1,000 points; the interval reaches to the next point outside, so the grid costs width and no
    validity. Time and memory grow with units times points.

    Args:
        values: One value a unit, in the order in which units entered.
        bounds: Least and largest value that there can be, declared before the data.
        looks: Numbers of units at which to look, ascending; None: once, at the end.
        alpha: Chance that the sequence ever misses.

    Returns:
        Lower and upper ends at each look: the running intersection.

    Raises:
        ParameterError: The bounds are no range, or the looks do not ascend within the units.
        InputError: A value lies outside of the bounds.

    Source: Waudby-Smith and Ramdas (2024), JRSS B 86, hedged capital with predictable plug-in bets.

    >>> low, high = betting_interval([0, 1] * 200, (0, 1), looks=[100, 400])
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([0.34, 0.4], [0.65, 0.59])
    """
    check_alpha(alpha)
    scaled, ends = _unit_range(np.asarray(values, dtype=np.float64), bounds), bounds
    stops = _stops(looks, len(scaled))
    bets = _bets(scaled, alpha)
    grid = (np.arange(_GRID) + 0.5) / _GRID
    up, down = np.zeros(_GRID), np.zeros(_GRID)
    open_points = np.ones(_GRID, dtype=bool)
    low, high, start = np.empty(len(stops)), np.empty(len(stops)), 0
    for look, stop in enumerate(stops):
        for first in range(start, stop, _ROWS_AT_ONCE):
            rows = slice(first, min(stop, first + _ROWS_AT_ONCE))
            gap = scaled[rows, None] - grid
            bet = bets[rows, None]
            up += np.log1p(np.minimum(bet, _MOST_OF_FORTUNE / grid) * gap).sum(axis=0)
            down += np.log1p(-np.minimum(bet, _MOST_OF_FORTUNE / (1 - grid)) * gap).sum(axis=0)
        start = stop
        open_points &= np.maximum(up, down) + np.log(0.5) < np.log(1 / alpha)
        places = np.flatnonzero(open_points)
        if len(places):
            low[look] = max(0.0, grid[places[0]] - 1 / _GRID)
            high[look] = min(1.0, grid[places[-1]] + 1 / _GRID)
        else:
            low[look], high[look] = (1.0, 0.0)  # nothing is left: the values have no one mean
    width = ends[1] - ends[0]
    return ends[0] + width * low, ends[0] + width * high


def lift_by_betting(
    values: ArrayLike,
    treated: ArrayLike,
    share: float,
    most: float,
    *,
    looks: Sequence[int] | None = None,
    alpha: float = 0.05,
) -> tuple[Floats, Floats]:
    """Return the intervals of a relative effect at some looks, by bets on who was drawn into which arm.

    Under a lift r the score T/p·(Y − (1+r)m) − (1−T)/(1−p)·(1+r)(Y − m) of a unit has the mean 0,
    whatever m was known before it and however the level drifts from day to day: only the lift must
    stay. Each r on a grid (−78 % to +348 %) is bet against; the interval reaches to the next point outside.

    Args:
        values: One value a unit, from 0 to ``most``, in the order in which units entered.
        treated: Whether the unit is in the treated arm.
        share: Stated share of the treated among the units.
        most: Largest value that there can be, declared before the data.
        looks: Numbers of units at which to look, ascending; None: once, at the end.
        alpha: Chance that the sequence ever misses.

    Returns:
        Lower and upper ends at each look; the whole line where the grid's end is not ruled out.

    Raises:
        ParameterError: The share or the looks break their rule.
        InputError: A value lies outside of the bounds.

    Source: the bets of Waudby-Smith and Ramdas (2024) on the scores of an augmented inverse-probability
    estimate, whose mean is predictable (Waudby-Smith et al. 2024).

    >>> low, high = lift_by_betting([2, 1] * 300, [True, False] * 300, 0.5, 2)
    >>> bool(low[0] > 0.5), bool(low[0] < 1 < high[0])
    (True, True)
    """
    check_alpha(alpha)
    y = _unit_range(np.asarray(values, dtype=np.float64), (0.0, most))
    drawn = np.asarray(treated, dtype=bool)
    if not 0 < share < 1:
        raise ParameterError(problem("share", share, "must be above 0 and below 1"))
    stops = _stops(looks, len(y))
    weight = np.where(drawn, 1 / share, -1 / (1 - share))
    centre = np.concatenate([[0.5], (0.5 + np.cumsum(y))[:-1] / np.arange(2, len(y) + 1)])
    spread = np.cumsum((weight * (y - centre)) ** 2)
    before = (1.0 + np.concatenate([[0.0], spread[:-1]])) / np.arange(1, len(y) + 1)
    t = np.arange(1, len(y) + 1)
    bets = np.sqrt(2 * np.log(2 / alpha) / (t * np.log1p(t) * before))
    factor = np.exp(np.linspace(-_LOG_LIFT, _LOG_LIFT, 2 * _GRID + 1))
    largest = np.maximum(factor, 1.0) / min(share, 1 - share)
    up, down = np.zeros(len(factor)), np.zeros(len(factor))
    low, high, start = np.empty(len(stops)), np.empty(len(stops)), 0
    for look, stop in enumerate(stops):
        for first in range(start, stop, _ROWS_AT_ONCE):
            rows = slice(first, min(stop, first + _ROWS_AT_ONCE))
            own, middle, at = (each[rows][:, None] for each in (y, centre, drawn))
            gap = np.where(at, own - factor * middle, factor * (own - middle))
            bet = np.minimum(bets[rows][:, None], _MOST_OF_FORTUNE / largest)
            score = bet * weight[rows][:, None] * gap
            up += np.log1p(score).sum(axis=0)
            down += np.log1p(-score).sum(axis=0)
        start = stop
        places = np.flatnonzero(np.maximum(up, down) + np.log(0.5) < np.log(1 / alpha))
        low[look], high[look] = _hull(factor, places)
    return low, high


def _hull(factor: Floats, places: NDArray[np.intp]) -> tuple[float, float]:
    """Return the lifts between the points outside of those that are left; the line where none is."""
    low, high = -np.inf, np.inf
    if len(places) and places[0] > 0:
        low = float(factor[places[0] - 1]) - 1
    if len(places) and places[-1] < len(factor) - 1:
        high = float(factor[places[-1] + 1]) - 1
    return low, high


def _stops(looks: Sequence[int] | None, units: int) -> list[int]:
    """Return the looks after checking that they ascend within the units."""
    stops = [units] if looks is None else list(looks)
    if not stops or any(b <= a for a, b in zip([0, *stops], stops, strict=False)):
        raise ParameterError(problem("looks", stops, "must ascend from at least 1"))
    if stops[-1] > units:
        rule = f"must not exceed the number of units, {units}"
        raise ParameterError(problem("looks", stops[-1], rule))
    return stops


def _unit_range(values: Floats, bounds: tuple[float, float]) -> Floats:
    """Return values as shares of the range between their bounds."""
    low, high = bounds
    if not low < high or not np.isfinite([low, high]).all():
        raise ParameterError(
            problem("bounds", bounds, "must be two finite numbers, the least first")
        )
    outside = ~((values >= low) & (values <= high))
    if outside.any():
        raise InputError(
            f"{int(outside.sum())} of {len(values)} values lie outside of the declared bounds "
            f"{low:g} to {high:g}, the first of them {values[outside][0]:g}; declare bounds that hold"
        )
    return (values - low) / (high - low)


def _bets(scaled: Floats, alpha: float) -> Floats:
    """Return the bet on each unit, from the mean and the variance of the units before it."""
    t = np.arange(1, len(scaled) + 1)
    mean = (0.5 + np.cumsum(scaled)) / (t + 1)
    variance = (0.25 + np.cumsum((scaled - mean) ** 2)) / (t + 1)
    before = np.concatenate([[0.25], variance[:-1]])
    bets: Floats = np.sqrt(2 * np.log(2 / alpha) / (t * np.log1p(t) * before))
    return bets
