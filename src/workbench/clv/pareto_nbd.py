"""The Pareto/NBD formulas: likelihood, P(alive), expectations, simulation. Owns no fitting, no frames.

While alive a customer buys as a Poisson process with rate λ ~ Gamma(r, α); the customer leaves
after an exponential time with rate μ ~ Gamma(s, β), purchase or not. α and β are in the unit of time.

The likelihood needs ∫ (α+y)^−(r+x) · (β+y)^−(s+1) dy over y from t_x to T. The papers write it with
2F1, whose usual evaluation is lost for large x; here it is a Gauss-Legendre sum in
u = log((c+y)/(c+t_x)) with c the smaller of α and β, cut where the integrand is below e^−40 of its
start: positive terms only, so no history is too long, and the gradient comes from the same terms.

Source: Fader and Hardie (2005), "A Note on Deriving the Pareto/NBD Model and Related Expressions".
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from scipy.special import gammaln, hyperu, psi

from workbench.clv.beta_geometric import FloatLike, Floats, Parameters, floats
from workbench.clv.priors import Prior
from workbench.clv.rows import Rows

TITLE = "Pareto/NBD"
NAMES = ("r", "alpha", "s", "beta")
TIMES = ("alpha", "beta")
PRIORS = {
    "r": Prior("lognormal", 0.5, 1.5),
    "alpha": Prior("lognormal", 56.0, 1.5),
    "s": Prior("lognormal", 0.5, 1.5),
    "beta": Prior("lognormal", 56.0, 1.5),
}

_CUT = 40.0
_MOST = 700.0  # the largest exponent that does not overflow
_NEAR_ONE = 1e-9  # at s = 1 the expectation is a limit, taken as such


class ParetoNbd(NamedTuple):
    """The four parameters: λ ~ Gamma(r, alpha), μ ~ Gamma(s, beta)."""

    r: float
    alpha: float
    s: float
    beta: float


def log_likelihood(parameters: Parameters, x: FloatLike, t_x: FloatLike, age: FloatLike) -> Floats:
    """Return the log-likelihood of each customer, a sum and not a mean over them.

    A parameter may be an array with a value for each customer.

    >>> at = ParetoNbd(0.553, 10.578, 0.606, 11.669)
    >>> log_likelihood(at, [0, 2], [0, 30.43], [38.86, 38.86]).round(4)
    array([-0.521 , -9.5543])
    """
    r, alpha, s, beta = parameters
    x, t_x, age = floats(x, t_x, age)
    alive, gone = _parts(parameters, x, t_x, age)
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    both: Floats = common + np.logaddexp(alive, gone)
    return both


def probability_alive(
    parameters: Parameters, x: FloatLike, t_x: FloatLike, age: FloatLike
) -> Floats:
    """Return P(alive) of each customer, also of those who bought once.

    >>> at = ParetoNbd(0.5534, 10.5802, 0.6061, 11.6562)
    >>> probability_alive(at, [26, 0], [30.86, 0], [31, 39]).round(4)
    array([0.9979, 0.2941])
    """
    alive, gone = _parts(parameters, *floats(x, t_x, age))
    share: Floats = 1 / (1 + np.exp(gone - alive))
    return share


def expected_if_alive(
    parameters: Parameters, time: FloatLike, x: FloatLike, age: FloatLike
) -> Floats:
    """Return the expected purchases in the coming time of a customer known to be alive.

    >>> round(float(expected_if_alive(ParetoNbd(0.55, 10.58, 0.61, 11.67), 10, 132, 200)), 11)
    6.20605178896
    """
    r, alpha, s, beta = parameters
    time, x, age = floats(time, x, age)
    grown = np.log1p(time / (beta + age))
    limit = np.abs(np.asarray(s) - 1) < _NEAR_ONE
    left = np.where(limit, grown, -np.expm1((1 - s) * grown) / np.where(limit, 1.0, s - 1))
    expected: Floats = (r + x) * (beta + age) / (alpha + age) * left
    return expected


def discounted_if_alive(
    parameters: Parameters, rate: float, x: FloatLike, age: FloatLike
) -> Floats:
    """Return the discounted purchases of all time to come of a customer known to be alive.

    Args:
        parameters: The four parameters.
        rate: Continuous discount rate in the unit of time, above 0.
        x: Repeat purchases.
        age: Time since the first purchase.

    Source: Fader, Hardie and Lee (2005), "RFM and CLV", Journal of Marketing Research 42(4).
    """
    r, alpha, s, beta = parameters
    x, age = floats(x, age)
    at = rate * (beta + age)
    expected: Floats = (r + x) / (alpha + age) * (beta + age) * hyperu(1.0, 2.0 - s, at)
    return expected


def total(parameters: Parameters, rows: Rows) -> tuple[float, Floats]:
    """Return the log-likelihood of all customers and its gradient by each parameter."""
    r, alpha, s, beta = parameters
    of = _Histories(rows.x, rows.t_x, rows.age, rows.weight)
    value, slopes = _total(ParetoNbd(r, alpha, s, beta), of, _RULE)
    n, weight, x = rows.weight.sum(), rows.counts_weight, rows.counts
    value += weight @ (gammaln(r + x) - gammaln(r)) + n * (r * np.log(alpha) + s * np.log(beta))
    slopes += np.array(
        [
            weight @ (psi(r + x) - psi(r)) + n * np.log(alpha),
            n * r / alpha,
            n * np.log(beta),
            n * s / beta,
        ]
    )
    return float(value), slopes


def total_alone(parameters: Parameters, rows: Rows) -> float:
    """Return the log-likelihood of all customers, without its gradient."""
    r, alpha, s, beta = parameters
    alive, gone = _parts(parameters, rows.x, rows.t_x, rows.age)
    common = rows.counts_weight @ (gammaln(r + rows.counts) - gammaln(r))
    n = rows.weight.sum()
    return float(
        common
        + n * (r * np.log(alpha) + s * np.log(beta))
        + rows.weight @ np.logaddexp(alive, gone)
    )


def latent(
    parameters: Parameters, x: Floats, age: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw (λ, μ) of customers who are alive, given their histories."""
    r, alpha, s, beta = parameters
    return rng.gamma(r + x) / (alpha + age), rng.gamma(s, size=len(x)) / (beta + age)


def expected_given(rate: Floats, leaving: Floats, time: float) -> Floats:
    """Return the expected purchases in the coming time of alive customers with known (λ, μ)."""
    safe = np.maximum(leaving, np.finfo(float).tiny)
    expected: Floats = -rate * np.expm1(-safe * time) / safe
    return expected


def future(rate: Floats, leaving: Floats, time: Floats, rng: np.random.Generator) -> Floats:
    """Draw the purchases in the coming time of alive customers with known (λ, μ)."""
    stays = rng.exponential(size=len(rate)) / np.maximum(leaving, np.finfo(float).tiny)
    return rng.poisson(rate * np.minimum(stays, time)).astype(float)


def simulate(
    parameters: Parameters, age: FloatLike, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return (x, t_x) of one simulated customer for each age.

    Given their number, purchases of a Poisson process lie uniformly: the last is the largest.

    >>> x, t_x = simulate(ParetoNbd(1.0, 5.0, 1.0, 9.0), [30.0] * 4, np.random.default_rng(1))
    >>> bool((t_x <= 30).all() and (t_x[x == 0] == 0).all())
    True
    """
    r, alpha, s, beta = parameters
    (ages,) = floats(age)
    rate, leaving = rng.gamma(r, size=len(ages)) / alpha, rng.gamma(s, size=len(ages)) / beta
    stays = rng.exponential(size=len(ages)) / np.maximum(leaving, np.finfo(float).tiny)
    lived = np.minimum(stays, ages)
    x = rng.poisson(rate * lived).astype(float)
    last = lived * rng.random(len(ages)) ** (1 / np.maximum(x, 1))
    return x, np.where(x > 0, last, 0.0)


def _parts(parameters: Parameters, x: Floats, t_x: Floats, age: Floats) -> tuple[Floats, Floats]:
    """Return the logarithms of the two parts of the likelihood: still alive, and gone before T."""
    shape = x.shape
    flat = [np.ascontiguousarray(value).ravel() for value in (x, t_x, age)]
    of = _Histories(x=flat[0], t_x=flat[1], age=flat[2], weight=flat[0])
    at = np.empty((4, x.size))
    for k, value in enumerate(parameters):
        at[k] = np.broadcast_to(np.asarray(value, dtype=float), shape).ravel()
    alive, gone = _logs(at, of, _RULE)
    return alive.reshape(shape), gone.reshape(shape)


class _Rule(NamedTuple):
    """Nodes and weights of the Gauss-Legendre sum."""

    nodes: Floats
    weights: Floats


_RULE = _Rule(*np.polynomial.legendre.leggauss(32))


class _Histories(NamedTuple):
    """Histories as the compiled code reads them."""

    x: Floats
    t_x: Floats
    age: Floats
    weight: Floats


@numba.njit(cache=True, nogil=True)
def _range(at: ParetoNbd, x: float, last: float, end: float) -> tuple[float, float]:
    """Return (c, the length of u): from t_x to T, or to where the integrand is nothing."""
    by_rate = (at.alpha + last) * np.exp(min(_CUT / (at.r + x), _MOST)) - at.alpha
    by_leaving = (at.beta + last) * np.exp(min(_CUT / (at.s + 1.0), _MOST)) - at.beta
    shift = min(at.alpha, at.beta)
    return shift, np.log((shift + min(end, by_rate, by_leaving)) / (shift + last))


@numba.njit(cache=True, nogil=True)
def _logs(parameters: Floats, of: _Histories, rule: _Rule) -> tuple[Floats, Floats]:
    """Return the logarithms of both parts of the likelihood, without what depends on x alone.

    The parameters have a row each and a column for each history.
    """
    n = len(of.x)
    alive, gone = np.empty(n), np.empty(n)
    for i in range(n):
        at = ParetoNbd(parameters[0, i], parameters[1, i], parameters[2, i], parameters[3, i])
        shape, last, end, leaving = at.r + of.x[i], of.t_x[i], of.age[i], at.s + 1.0
        alive[i] = -shape * np.log(at.alpha + end) - at.s * np.log(at.beta + end)
        shift, length = _range(at, of.x[i], last, end)
        at_alpha, at_beta, start = np.log(at.alpha + last), np.log(at.beta + last), shift + last
        area = 0.0
        for k in range(len(rule.nodes)):
            u = 0.5 * length * (rule.nodes[k] + 1.0)
            y = start * np.exp(u) - shift
            to_a, to_b = np.log(at.alpha + y) - at_alpha, np.log(at.beta + y) - at_beta
            area += rule.weights[k] * np.exp(u - shape * to_a - leaving * to_b)
        area *= 0.5 * length * start
        base = -shape * at_alpha - leaving * at_beta + np.log(at.s)
        gone[i] = base + np.log(area) if area > 0.0 else -np.inf
    return alive, gone


@numba.njit(cache=True, nogil=True)
def _total(at: ParetoNbd, of: _Histories, rule: _Rule) -> tuple[float, Floats]:
    """Return what ``_logs`` gives, added up, and its gradient."""
    value, slopes, leaving = 0.0, np.zeros(4), at.s + 1.0
    for i in range(len(of.x)):
        shape, last, end, w = at.r + of.x[i], of.t_x[i], of.age[i], of.weight[i]
        log_a, log_b = np.log(at.alpha + end), np.log(at.beta + end)
        both, share = -shape * log_a - at.s * log_b, 0.0
        shift, length = _range(at, of.x[i], last, end)
        at_alpha, at_beta, start = np.log(at.alpha + last), np.log(at.beta + last), shift + last
        area, by_r, by_alpha, by_s, by_beta = 0.0, 0.0, 0.0, 0.0, 0.0
        for k in range(len(rule.nodes)):
            u = 0.5 * length * (rule.nodes[k] + 1.0)
            y = start * np.exp(u) - shift
            to_a, to_b = np.log(at.alpha + y), np.log(at.beta + y)
            part = rule.weights[k] * np.exp(
                u - shape * (to_a - at_alpha) - leaving * (to_b - at_beta)
            )
            area += part
            by_r += part * to_a
            by_alpha += part / (at.alpha + y)
            by_s += part * to_b
            by_beta += part / (at.beta + y)
        if length > 0.0:
            area_log = np.log(0.5 * length * start * area)
            gone = area_log - shape * at_alpha - leaving * at_beta + np.log(at.s)
            alive = both
            both = max(alive, gone) + np.log1p(np.exp(-abs(alive - gone)))
            share = np.exp(gone - both)
            by_r, by_alpha = by_r / area, by_alpha / area
            by_s, by_beta = by_s / area, by_beta / area
        stay = 1.0 - share
        value += w * both
        slopes[0] -= w * (stay * log_a + share * by_r)
        slopes[1] -= w * shape * (stay / (at.alpha + end) + share * by_alpha)
        slopes[2] -= w * (stay * log_b + share * (by_s - 1.0 / at.s))
        slopes[3] -= w * (stay * at.s / (at.beta + end) + share * leaving * by_beta)
    return value, slopes
