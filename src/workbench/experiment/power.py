"""Power, detectable effect and units of a comparison from a mean and a variance. Owns no data and no plan.

Means, proportions and ratios, with covariates or without, differ in the variance of a unit alone: an
estimate from n units with a variance v a unit has a standard error of √(v / n).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

from scipy.optimize import brentq
from scipy.stats import nct, norm, t

from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.sequences import UNITS_TIGHTEST, always_valid, check_alpha
from workbench.text import NOT_ENOUGH_DATA

Reading: TypeAlias = Literal["fixed", "always_valid", "bayes"]
"""How the experiment will be read: once at the end, at any time, or as a posterior."""

_LARGEST_SCALE = 2.0**27


def power_of(
    effect: float, standard_error: float, *, alpha: float = 0.05, df: float = math.inf
) -> float:
    """Return the chance that a two-sided test at ``alpha`` finds an effect.

    Args:
        effect: The effect, in the unit of the standard error.
        standard_error: Of the estimate.
        alpha: Level of the test.
        df: Degrees of freedom of its t distribution; infinite for a normal one.

    Raises:
        ParameterError: The level is none, or the standard error is not above 0.

    >>> round(power_of(0.2, math.sqrt(2 / 393.4057), df=2 * 393.4057 - 2), 4)
    0.8
    """
    check_alpha(alpha)
    if not standard_error > 0:
        raise ParameterError(problem("standard_error", standard_error, "must be above 0"))
    shift = abs(effect) / standard_error
    if math.isinf(df):
        limit = float(norm.isf(alpha / 2))
        return float(norm.sf(limit - shift) + norm.cdf(-limit - shift))
    limit = float(t.isf(alpha / 2, df))
    below = float(nct.cdf(-limit, df, shift))
    return float(nct.sf(limit, df, shift)) + (below if math.isfinite(below) else 0.0)


def detectable(standard_error: float, *, power: float = 0.8, alpha: float = 0.05) -> float:
    """Return the smallest effect that a two-sided test finds with such a power.

    Raises:
        ParameterError: The level or the power is none, or the standard error is not above 0.

    >>> round(detectable(1.0) ** 2, 4)  # (1.959964 + 0.841621)², and a little for the other side
    7.8489
    """
    check_alpha(alpha)
    _check_power(power, alpha)
    most = float(norm.isf(alpha / 2) + norm.isf(1 - power)) * standard_error
    return float(
        brentq(
            lambda e: power_of(e, standard_error, alpha=alpha) - power, 0.0, most + standard_error
        )
    )


def units_needed(
    effect: float,
    variances: tuple[float, float],
    shares: tuple[float, float] = (0.5, 0.5),
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    small: bool = False,
) -> float:
    """Return the units of all arms together that a comparison of two needs, not rounded.

    Args:
        effect: The absolute effect that is to be found.
        variances: Variance a unit in the treated arm and in the control.
        shares: Share of all units in the treated arm and in the control.
        power: Chance of finding it.
        alpha: Level of the two-sided test.
        small: Take the t distribution (for tens of units) and not the normal one.

    Raises:
        ParameterError: The effect is 0, or another argument breaks its rule.

    >>> round(units_needed(0.2, (1, 1)) / 2, 3), round(units_needed(0.2, (1, 1), small=True) / 2, 4)
    (392.443, 393.4057)
    """
    _check_power(power, alpha)
    if not effect:
        raise ParameterError(
            problem("effect", effect, "must not be 0; no number of units finds it")
        )
    if not (0 < shares[0] < 1 and 0 < shares[1] < 1 and sum(shares) <= 1 + 1e-9):
        raise ParameterError(problem("shares", shares, "must be above 0 and at most 1 together"))
    if min(variances) < 0 or not max(variances) > 0:
        raise ParameterError(problem("variances", variances, "must be above 0"))
    whole = variances[0] / shares[0] + variances[1] / shares[1]
    n = whole * (detectable(1.0, power=power, alpha=alpha) / effect) ** 2
    if not small:
        return n

    def short(units: float) -> float:
        df = units * sum(shares) - 2
        return power_of(effect, math.sqrt(whole / units), alpha=alpha, df=df) - power

    return float(brentq(short, max(n * 0.5, 3 / sum(shares)), n * 2 + 50))


def scale_needed(
    standard_error: float,
    effect: float,
    units: float,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    reading: Reading = "fixed",
    tightest: float = UNITS_TIGHTEST,
    prior: tuple[float, float] | None = None,
) -> float:
    """Return how many times the present units an experiment still needs: its mid-experiment power.

    Args:
        standard_error: Of the effect so far.
        effect: The effect that is worth finding.
        units: Units of both arms so far.
        power: Chance of finding it.
        alpha: Level of the reading.
        reading: How it will be read.
        tightest: Units at which the confidence sequence is tightest.
        prior: Mean and variance of the effect, for a posterior.

    Returns:
        0 when the present units are enough, else the further units over the present ones.

    Raises:
        ParameterError: An argument breaks its rule, or a posterior is asked for without its prior.
        InputError: No number of units below 2²⁷ times the present is enough.

    Source: GrowthBook, mid-experiment power.

    >>> round(scale_needed(0.0632, 0.05, 1000), 1)
    11.5
    """
    check_alpha(alpha)
    _check_power(power, alpha)
    if reading == "bayes" and prior is None:
        raise ParameterError(
            problem("prior", prior, "must be a mean and a variance for a posterior")
        )
    half = _half_width(
        standard_error, units, alpha=alpha, reading=reading, tightest=tightest, prior=prior
    )

    def short(scale: float) -> float:
        error = standard_error / math.sqrt(1 + scale)
        low, high = half(scale)
        found = norm.sf((high - abs(effect)) / error) + norm.cdf((low - abs(effect)) / error)
        return float(found) - power

    if short(0.0) >= 0:
        return 0.0
    upper = 1.0
    while short(upper) < 0:
        upper *= 2
        if upper > _LARGEST_SCALE:
            raise InputError(f"{NOT_ENOUGH_DATA}: no number of units gives this power")
    return float(brentq(short, 0.0, upper, xtol=1e-9))


def _half_width(
    standard_error: float,
    units: float,
    *,
    alpha: float,
    reading: Reading,
    tightest: float,
    prior: tuple[float, float] | None,
) -> Callable[[float], tuple[float, float]]:
    """Return the estimates below and above which an effect is found, at so many more units."""

    def limits(scale: float) -> tuple[float, float]:
        error = standard_error / math.sqrt(1 + scale)
        if reading == "always_valid":
            found = always_valid(
                0.0, error, units * (1 + scale), alpha=alpha, tightest=tightest, first=1
            )
            return -float(found.high), float(found.high)
        z = float(norm.isf(alpha / 2))
        if reading == "fixed" or prior is None:
            return -z * error, z * error
        mean, variance = prior
        width = z * error**2 * math.sqrt(1 / variance + 1 / error**2)
        pull = error**2 * mean / variance
        return -width - pull, width - pull

    return limits


def _check_power(power: float, alpha: float) -> None:
    if not alpha < power < 1:
        raise ParameterError(
            problem("power", power, f"must be above the level {alpha:g} and below 1")
        )
