"""What BG/NBD and MBG/NBD share: the likelihood, P(alive), the future. Owns neither's name or prior.

While alive a customer buys as a Poisson process with rate λ ~ Gamma(r, α) and leaves for good with
probability p ~ Beta(a, b) after each purchase. BG/NBD lets nobody leave at the first purchase;
MBG/NBD does. With ``first`` 0 for BG/NBD and 1 for MBG/NBD one likelihood serves both:

    Γ(r+x)/Γ(r) · α^r · B(a, b+x+first)/B(a, b) · [(α+T)^−(r+x) + a/(b+x−1+first) · (α+t_x)^−(r+x)]

where the second part (the customer is gone) is absent at x = 0 in BG/NBD.

Sources: Fader, Hardie and Lee (2005), "Counting Your Customers the Easy Way", Marketing Science
24(2), equations 6 to 10; Batislam, Denizel and Filiztekin (2007), "Empirical validation and
comparison of models for customer base analysis", IJRM 24(3). Where the papers have
2F1(r+x, b+x; a+b+x−1; z) the Euler transformation is used, (1−z)^(a−1−r−x) ·
2F1(a+b−1−r, a−1; a+b+x−1; z): it does not overflow for customers with hundreds of purchases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from scipy.special import betaln, expit, gammaln, hyp2f1, psi

from workbench.clv.rows import Codes, Rows
from workbench.errors import InputError, problem

Floats = npt.NDArray[np.float64]
FloatLike = npt.ArrayLike
Parameters = Sequence[float] | Floats

_NEAR_ONE = 1e-6  # at a = 1 the expectation is a limit; so near it a is moved aside


def log_likelihood(
    parameters: Parameters, x: FloatLike, t_x: FloatLike, age: FloatLike, first: int
) -> Floats:
    """Return the log-likelihood of each customer, a sum and not a mean over them."""
    r, alpha, a, b = parameters
    x, t_x, age = floats(x, t_x, age)
    common = (
        gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        + betaln(a, b + x + first) - betaln(a, b) - (r + x) * np.log(alpha + age)
    )  # fmt: skip
    both: Floats = common + np.logaddexp(0.0, _log_odds_gone(parameters, x, t_x, age, first))
    return both


def probability_alive(
    parameters: Parameters, x: FloatLike, t_x: FloatLike, age: FloatLike, first: int
) -> Floats:
    """Return P(alive) of each customer."""
    x, t_x, age = floats(x, t_x, age)
    alive: Floats = expit(-_log_odds_gone(parameters, x, t_x, age, first))
    return alive


def expected_if_alive(
    parameters: Parameters, time: FloatLike, x: FloatLike, age: FloatLike, first: int
) -> Floats:
    """Return the expected purchases in the coming time of a customer known to be alive.

    Raises:
        InputError: The parameters are so near the edge of the model that there is no number.
    """
    r, alpha, a, b = parameters
    time, x, age = floats(time, x, age)
    a = np.where(np.abs(np.subtract(a, 1)) < _NEAR_ONE, 1 + _NEAR_ONE, a)  # may differ by customer
    b = b + first
    share = time / (alpha + age + time)
    transformed = hyp2f1(a + b - 1 - r, a - 1, a + b + x - 1, share)
    power = (a - 1) * np.log1p(-share)
    # Below a + b = 1 the series of a customer with x = 0 may be negative, and has no logarithm.
    positive = transformed > 0
    gone = np.where(
        positive,
        -np.expm1(power + np.log(np.where(positive, transformed, 1.0))),
        1 - np.exp(power) * transformed,
    )
    expected: Floats = (a + b + x - 1) / (a - 1) * gone
    if not np.isfinite(expected).all():
        raise InputError(
            problem(
                "expected purchases",
                float("nan"),
                f"must be finite; the parameters {tuple(parameters)} are at the edge of the model",
            )
        )
    return expected


def total(parameters: Parameters, rows: Rows, first: int) -> tuple[float, Floats]:
    """Return the log-likelihood of all customers and its gradient by each parameter."""
    r, alpha, a, b = parameters
    x = rows.counts
    value, slope_r, slope_alpha, gone = _total(*_looked_up(parameters, rows, first))
    weight, n = rows.counts_weight, rows.weight.sum()
    last = np.maximum(b + x - 1 + first, np.finfo(float).tiny)
    sum_ab = psi(a + b + x + first)
    gradient = np.array(
        [
            slope_r + weight @ (psi(r + x) - psi(r)) + n * np.log(alpha),
            slope_alpha + n * r / alpha,
            weight @ (psi(a) - sum_ab) - n * (psi(a) - psi(a + b)) + gone.sum() / a,
            weight @ (psi(b + x + first) - sum_ab) - n * (psi(b) - psi(a + b))
            - np.where(gone > 0, gone / last, 0.0).sum(),
        ]
    )  # fmt: skip
    return value, gradient


def total_alone(parameters: Parameters, rows: Rows, first: int) -> float:
    """Return the log-likelihood of all customers, without its gradient (a third of the time)."""
    return float(_total_alone(*_looked_up(parameters, rows, first)))


def latent(
    parameters: Parameters, x: Floats, age: Floats, rng: np.random.Generator, first: int
) -> tuple[Floats, Floats]:
    """Draw (λ, p) of customers who are alive, given their histories."""
    r, alpha, a, b = parameters
    return rng.gamma(r + x) / (alpha + age), rng.beta(a, b + x + first)


def expected_given(rate: Floats, leaving: Floats, time: float) -> Floats:
    """Return the expected purchases in the coming time of alive customers with known (λ, p)."""
    safe = np.maximum(leaving, np.finfo(float).tiny)
    expected: Floats = -np.expm1(-rate * safe * time) / safe
    return expected


def future(rate: Floats, leaving: Floats, time: Floats, rng: np.random.Generator) -> Floats:
    """Draw the purchases in the coming time of alive customers with known (λ, p)."""
    would = rng.poisson(rate * time)
    until_gone = rng.geometric(np.maximum(leaving, np.finfo(float).tiny))
    return np.minimum(would, until_gone).astype(float)


def simulate(
    parameters: Parameters, age: FloatLike, rng: np.random.Generator, first: int
) -> tuple[Floats, Floats]:
    """Return (x, t_x) of one simulated customer for each age."""
    r, alpha, a, b = parameters
    (ages,) = floats(age)
    rate = rng.gamma(r, 1 / alpha, size=len(ages))
    drop_out = rng.beta(a, b, size=len(ages))
    x, t_x, clock = np.zeros(len(ages)), np.zeros(len(ages)), np.zeros(len(ages))
    open_ = np.flatnonzero(rate > 0)
    if first:
        open_ = open_[rng.random(len(open_)) >= drop_out[open_]]
    while len(open_):
        clock[open_] += rng.exponential(1 / rate[open_])
        open_ = open_[clock[open_] <= ages[open_]]
        x[open_] += 1
        t_x[open_] = clock[open_]
        open_ = open_[rng.random(len(open_)) >= drop_out[open_]]
    return x, t_x


def floats(*values: FloatLike) -> tuple[Floats, ...]:
    """Return values as arrays of floats that have one shape.

    >>> [value.tolist() for value in floats([1, 2], 3)]
    [[1.0, 2.0], [3.0, 3.0]]
    """
    return tuple(np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in values)))


def _log_odds_gone(
    parameters: Parameters, x: Floats, t_x: Floats, age: Floats, first: int
) -> Floats:
    r, alpha, a, b = parameters
    odds = np.log(a) - np.log(np.maximum(b + x - 1 + first, b)) + (r + x) * (
        np.log(alpha + age) - np.log(alpha + t_x)
    )  # fmt: skip
    return odds if first else np.where(x > 0, odds, -np.inf)


def _by_x(parameters: Parameters, x: Floats, first: int) -> tuple[Floats, Floats]:
    """Return what of the likelihood, and of the log odds of being gone, depends on x alone."""
    r, alpha, a, b = parameters
    common = (
        gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x + first) - betaln(a, b)
    )
    odds = np.log(a) - np.log(np.maximum(b + x - 1 + first, b))
    return common, odds if first else np.where(x > 0, odds, -np.inf)


class _Tables(NamedTuple):
    """What the rows look up: by x (its part, log odds of being gone, r + x) and by time (log(α + t), slope)."""

    by_x: Floats
    odds: Floats
    shape: Floats
    log_at: Floats
    per_at: Floats


class _Places(NamedTuple):
    """Where each row looks, and its weight."""

    x: Codes
    t_x: Codes
    age: Codes
    weight: Floats


def _looked_up(parameters: Parameters, rows: Rows, first: int) -> tuple[_Tables, _Places]:
    r, alpha, _, _ = parameters
    by_x, odds = _by_x(parameters, rows.counts, first)
    at = alpha + rows.times
    return (
        _Tables(by_x, odds, r + rows.counts, np.log(at), 1 / at),
        _Places(rows.x_code, rows.t_code, rows.age_code, rows.weight),
    )


@numba.njit(cache=True, nogil=True)
def _total(tables: _Tables, places: _Places) -> tuple[float, float, float, Floats]:
    """Return the log-likelihood and what its slopes sum over the rows."""
    value, slope_r, slope_alpha, gone = 0.0, 0.0, 0.0, np.zeros(len(tables.shape))
    for i in range(len(places.weight)):
        k, last, end, w = places.x[i], places.t_x[i], places.age[i], places.weight[i]
        shape, log_age = tables.shape[k], tables.log_at[end]
        apart = log_age - tables.log_at[last]
        odds = tables.odds[k] + shape * apart
        tail = np.exp(-abs(odds))
        either = np.log1p(tail) + max(odds, 0.0)
        share = (1.0 if odds > 0 else tail) / (1.0 + tail)
        value += w * (tables.by_x[k] - shape * log_age + either)
        slope_r -= w * (log_age - share * apart)
        slope_alpha -= (
            w * shape * ((1.0 - share) * tables.per_at[end] + share * tables.per_at[last])
        )
        gone[k] += w * share
    return value, slope_r, slope_alpha, gone


@numba.njit(cache=True, nogil=True)
def _total_alone(tables: _Tables, places: _Places) -> float:
    value = 0.0
    for i in range(len(places.weight)):
        k, log_age = places.x[i], tables.log_at[places.age[i]]
        odds = tables.odds[k] + tables.shape[k] * (log_age - tables.log_at[places.t_x[i]])
        either = np.log1p(np.exp(-abs(odds))) + max(odds, 0.0)
        value += places.weight[i] * (tables.by_x[k] - tables.shape[k] * log_age + either)
    return value
