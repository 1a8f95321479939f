"""Confidence sequences: intervals that hold at every look at once. Owns no data and no decision.

An ordinary 95 % interval misses in 5 % of experiments at one look, and in far more when one looks
every day. A sequence of intervals from a mixture martingale misses *ever* in at most 5 %. The exact
form takes a known variance; the asymptotic one estimates it and holds from a stated number of units on.
Everything is vectorised: arrays of experiments, days and arms go through at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import log_ndtr

from workbench.errors import ParameterError, problem

Floats = NDArray[np.float64]

UNITS_TIGHTEST = 5_000
"""Units at which a sequence is tightest, unless it is stated: the default of GrowthBook."""

UNITS_FIRST = 100
"""Units before which the asymptotic form says nothing, unless it is stated."""


class AlwaysValid(NamedTuple):
    """Intervals and p-values that hold at every look at once.

    Attributes:
        low: Lower ends; minus infinity where nothing can be said yet.
        high: Upper ends.
        p_value: Smallest level at which the interval excludes the null, for this look alone; the
            smallest of all looks so far is valid too.
        log_evidence: Logarithm of the e-value against the null.
    """

    low: Floats
    high: Floats
    p_value: Floats
    log_evidence: Floats


def always_valid(
    value: ArrayLike,
    standard_error: ArrayLike,
    units: ArrayLike,
    *,
    alpha: float = 0.05,
    tightest: float = UNITS_TIGHTEST,
    first: float = UNITS_FIRST,
    null: float = 0.0,
) -> AlwaysValid:
    """Return the asymptotic confidence sequence around estimates with their standard errors.

    The half-width is SE·√n·√(2(nρ²+1)/(nρ)²·ln(√(nρ²+1)/α)), with ρ from ``tightest``. It serves
    whatever has an estimate and a standard error that shrinks with the units: means, proportions,
    ratios by the delta method, relative effects, and each of them adjusted for covariates.

    Args:
        value: Estimates, in any shape.
        standard_error: Their standard errors.
        units: Units of all arms that are compared.
        alpha: Chance that the sequence ever misses.
        tightest: Units at which it is tightest.
        first: Units before which nothing is said: there the estimate is not yet normal.
        null: The value that the p-value is against.

    Returns:
        Intervals, p-values and evidence, in the shape of the arguments. Where there is no standard
        error or too few units, the interval is the whole line and the p-value is 1.

    Raises:
        ParameterError: ``alpha`` is not between 0 and 1, or a number of units is not above 0.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Annals of Statistics 52, eq. 9;
    as in GrowthBook.

    >>> found = always_valid(0.2, 0.05, [50, 20_000])
    >>> found.low.round(3).tolist(), found.high.round(3).tolist()
    ([-inf, 0.044], [inf, 0.356])
    """
    check_alpha(alpha)
    for name, given in (("tightest", tightest), ("first", first)):
        if not given > 0:
            raise ParameterError(problem(name, given, "must be above 0"))
    value, error, n = np.broadcast_arrays(
        *(np.asarray(each, dtype=np.float64) for each in (value, standard_error, units))
    )
    rho2 = mixing(alpha, tightest)
    known = (n >= first) & (error > 0) & np.isfinite(value) & np.isfinite(error)
    safe_n, safe_error = np.where(known, n, 1.0), np.where(known, error, 1.0)
    grown = safe_n * rho2 + 1
    half = safe_error * np.sqrt(2 * grown / (safe_n * rho2) * np.log(np.sqrt(grown) / alpha))
    z = np.where(known, (value - null) / safe_error, 0.0)
    evidence = np.where(known, safe_n * rho2 / (2 * grown) * z * z - 0.5 * np.log(grown), 0.0)
    return AlwaysValid(
        np.where(known, value - half, -np.inf),
        np.where(known, value + half, np.inf),
        np.minimum(1.0, np.exp(-np.maximum(evidence, 0.0))),
        evidence,
    )


def always_valid_one_sided(
    value: ArrayLike,
    standard_error: ArrayLike,
    units: ArrayLike,
    *,
    alpha: float = 0.05,
    tightest: float = UNITS_TIGHTEST,
) -> tuple[Floats, Floats]:
    """Return the lower ends of the one-sided sequence and the p-values against "not above 0".

    Source: Waudby-Smith et al. (2024), eq. 10, with ρ at 2α; as in GrowthBook.

    >>> low, p = always_valid_one_sided(0.2, 0.05, 20_000)
    >>> round(float(low), 3), bool(p < 0.05)
    (0.057, True)
    """
    check_alpha(alpha)
    value, error, n = (
        np.asarray(each, dtype=np.float64) for each in (value, standard_error, units)
    )
    rho2 = mixing(min(2 * alpha, 0.999), tightest)
    grown = n * rho2 + 1
    spread = 2 * grown / (n * rho2)
    low = value - error * np.sqrt(spread * np.log(1 + np.sqrt(grown) / (2 * alpha)))
    z = np.maximum(value / error, 0.0)
    p = np.sqrt(grown) / (2 * np.expm1(np.maximum(z * z / spread, 1e-300)))
    return low, np.minimum(1.0, p)


def mixing(alpha: float, tightest: float) -> float:
    """Return ρ², which makes the sequence tightest at so many units.

    Source: Waudby-Smith et al. (2024), appendix: ρ² = (−2 ln α + ln(1 − 2 ln α)) / n.

    >>> round(mixing(0.05, 5000), 6)
    0.001587
    """
    return float((-2 * np.log(alpha) + np.log(1 - 2 * np.log(alpha))) / tightest)


def running(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Return the running intersection over the last axis: what all looks so far allow together.

    It never widens, and holds whenever the sequence does. An empty one (low above high) says that
    the data contradict what the sequence assumes, such as an effect that stays the same.

    >>> low, high = running(np.array([-1.0, -2.0, 0.1]), np.array([2.0, 3.0, 1.0]))
    >>> low.tolist(), high.tolist()
    ([-1.0, -1.0, 0.1], [2.0, 2.0, 1.0])
    """
    return np.maximum.accumulate(low, axis=-1), np.minimum.accumulate(high, axis=-1)


def normal_rho(v_opt: float, alpha: float, *, one_sided: bool = False) -> float:
    """Return the mixing variance that makes the normal mixture tightest at a variance ``v_opt``.

    Source: Howard, Ramdas, McAuliffe and Sekhon (2021), Annals of Statistics 49; confseq.

    >>> round(normal_rho(100, 0.05), 5)
    12.60056
    """
    level = 2 * alpha if one_sided else alpha
    return float(v_opt / (2 * np.log(1 / level) + np.log(1 + 2 * np.log(1 / level))))


def normal_log_mixture(s: float, v: float, rho: float, *, one_sided: bool = False) -> float:
    """Return the logarithm of the normal mixture at a sum ``s`` with variance ``v``.

    >>> round(normal_log_mixture(10, 100, normal_rho(100, 0.05)), 7)
    -0.6510052
    """
    two_sided = 0.5 * np.log(rho / (v + rho)) + s * s / (2 * (v + rho))
    if not one_sided:
        return float(two_sided)
    return float(np.log(2) + two_sided + log_ndtr(s / np.sqrt(v + rho)))


def normal_bound(v: float, alpha: float, v_opt: float, *, one_sided: bool = False) -> float:
    """Return the boundary that a sum with variance ``v`` ever crosses with a chance of ``alpha``.

    Exact for normal values of known variance (and for what is sub-normal, such as bounded values).

    >>> round(normal_bound(100, 0.05, 100), 5)
    30.35209
    """
    rho = normal_rho(v_opt, alpha, one_sided=one_sided)
    if not one_sided:
        return float(np.sqrt((v + rho) * (np.log(1 + v / rho) + 2 * np.log(1 / alpha))))
    most = normal_bound(v, alpha / 2, v_opt)

    def above(s: float) -> float:
        return normal_log_mixture(s, v, rho, one_sided=True) - float(np.log(1 / alpha))

    return float(brentq(above, 0.0, 2 * most, xtol=1e-10))


def sequential_ratio(
    n: float, difference: float, variance: float, tau2: float
) -> tuple[float, float]:
    """Return the mixture sequential probability ratio Λ of normal values and its p-value.

    Args:
        n: Pairs of observations, or observations of one mean.
        difference: The mean so far.
        variance: Its known variance an observation (of the difference for pairs).
        tau2: Variance of the normal mixture over effects.

    Source: Johari, Koomen, Pekelis and Walsh (2022), Operations Research 70.

    >>> [round(each, 6) for each in sequential_ratio(1000, 0.1, 2.0, 0.01)]
    [3.278722, 0.304997]
    """
    whole = variance + n * tau2
    log_ratio = 0.5 * np.log(variance / whole) + n * n * tau2 * difference**2 / (
        2 * variance * whole
    )
    return float(np.exp(log_ratio)), float(min(1.0, np.exp(-log_ratio)))


def check_alpha(alpha: float) -> None:
    """Check that a level is one.

    Raises:
        ParameterError: It is not between 0 and 1.

    >>> check_alpha(5)
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: alpha was 5, must be above 0 and below 1
    """
    if not 0 < alpha < 1:
        raise ParameterError(problem("alpha", alpha, "must be above 0 and below 1"))
