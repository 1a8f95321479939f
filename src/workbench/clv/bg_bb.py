"""The BG/BB formulas for discrete occasions: likelihood, P(alive), expectations. Owns no fitting.

At each occasion (a year's appeal, a trip, a week) a customer who is alive buys with probability
p ~ Beta(α, β); before each occasion the customer leaves for good with probability θ ~ Beta(γ, δ).
x is the number of occasions with a purchase, t_x the last of them, T (n) the number of occasions:
whole numbers. The first purchase, which brings the customer, is not among them.

Source: Fader, Hardie and Shang (2010), "Customer-Base Analysis in a Discrete-Time Noncontractual
Setting", Marketing Science 29(6), equations 6, 11 and 13.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betaln, gammaln, logsumexp, psi, softmax

from workbench.clv.beta_geometric import FloatLike, Floats, Parameters, floats
from workbench.clv.priors import Prior
from workbench.clv.rows import Rows

TITLE = "BG/BB"
NAMES = ("alpha", "beta", "gamma", "delta")
TIMES: tuple[str, ...] = ()
PRIORS = {
    "alpha": Prior("lognormal", 1.0, 1.5),
    "beta": Prior("lognormal", 1.0, 1.5),
    "gamma": Prior("lognormal", 0.7, 1.5),
    "delta": Prior("lognormal", 2.0, 1.5),
}

_NEAR_ONE = 1e-6  # at γ = 1 the expectation is a limit; so near it γ is moved aside


class BgBb(NamedTuple):
    """The four parameters: p ~ Beta(alpha, beta), θ ~ Beta(gamma, delta)."""

    alpha: float
    beta: float
    gamma: float
    delta: float


def log_likelihood(parameters: Parameters, x: FloatLike, t_x: FloatLike, age: FloatLike) -> Floats:
    """Return the log-likelihood of each customer, a sum and not a mean over them.

    A parameter may be an array with a value for each customer.

    >>> log_likelihood(BgBb(1.204, 0.750, 0.657, 2.783), [0, 6], [0, 6], [6, 6]).round(4)
    array([-1.1673, -2.1822])
    """
    x, t_x, age = floats(x, t_x, age)
    parts, _ = _parts(parameters, x.ravel(), t_x.ravel(), age.ravel())
    both: Floats = np.asarray(logsumexp(parts, axis=1)).reshape(x.shape)
    return both


def probability_alive(
    parameters: Parameters, x: FloatLike, t_x: FloatLike, age: FloatLike
) -> Floats:
    """Return P(alive) of each customer at the last occasion; the next one is a further E[1−θ].

    >>> probability_alive(BgBb(1.204, 0.750, 0.657, 2.783), [0, 6], [0, 6], [6, 6]).round(3)
    array([0.116, 1.   ])
    """
    x, t_x, age = floats(x, t_x, age)
    parts, _ = _parts(parameters, x.ravel(), t_x.ravel(), age.ravel())
    alive: Floats = np.exp(parts[:, 0] - logsumexp(parts, axis=1)).reshape(x.shape)
    return alive


def stays(parameters: Parameters, age: FloatLike) -> Floats:
    """Return the probability that a customer alive at occasion T is alive at the next.

    >>> round(float(stays(BgBb(1.204, 0.750, 0.657, 2.783), 6)), 3)
    0.93
    """
    _, _, gamma, delta = parameters
    (age,) = floats(age)
    probability: Floats = (delta + age) / (gamma + delta + age)
    return probability


def expected_if_alive(
    parameters: Parameters, time: FloatLike, x: FloatLike, age: FloatLike
) -> Floats:
    """Return the purchases expected at the coming occasions of a customer alive at the last one."""
    alpha, beta, gamma, delta = parameters
    time, x, age = floats(time, x, age)
    gamma = np.where(np.abs(np.asarray(gamma) - 1) < _NEAR_ONE, 1 + _NEAR_ONE, gamma)
    at = delta + age
    left = np.expm1(
        gammaln(1 + at + time) - gammaln(gamma + at + time) - gammaln(1 + at) + gammaln(gamma + at)
    )
    expected: Floats = (alpha + x) / (alpha + beta + age) * at / (1 - gamma) * left
    return expected


def total(parameters: Parameters, rows: Rows) -> tuple[float, Floats]:
    """Return the log-likelihood of all customers and its gradient by each parameter."""
    alpha, beta, gamma, delta = parameters
    parts, length = _parts(parameters, rows.x, rows.t_x, rows.age)
    share = softmax(parts, axis=1)
    x = rows.x[:, None]
    died = np.ones(parts.shape[1])
    died[0] = 0.0
    ab, gd = psi(alpha + beta + length), psi(gamma + delta + length + died)
    slopes = (
        psi(alpha + x) - ab - psi(alpha) + psi(alpha + beta),
        psi(beta + length - x) - ab - psi(beta) + psi(alpha + beta),
        psi(gamma + died) - gd - psi(gamma) + psi(gamma + delta),
        psi(delta + length) - gd - psi(delta) + psi(gamma + delta),
    )
    gradient = np.array([rows.weight @ (share * slope).sum(axis=1) for slope in slopes])
    return float(rows.weight @ logsumexp(parts, axis=1)), gradient


def total_alone(parameters: Parameters, rows: Rows) -> float:
    """Return the log-likelihood of all customers, without its gradient."""
    return float(rows.weight @ log_likelihood(parameters, rows.x, rows.t_x, rows.age))


def latent(
    parameters: Parameters, x: Floats, age: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw (p, θ) of customers who are alive, given their histories."""
    alpha, beta, gamma, delta = parameters
    return rng.beta(alpha + x, beta + age - x), rng.beta(gamma, delta + age)


def expected_given(rate: Floats, leaving: Floats, time: float) -> Floats:
    """Return the purchases expected at the coming occasions of alive customers with known (p, θ)."""
    safe = np.clip(leaving, np.finfo(float).tiny, 1 - np.finfo(float).eps)
    expected: Floats = rate * (1 - safe) * -np.expm1(time * np.log1p(-safe)) / safe
    return expected


def future(rate: Floats, leaving: Floats, time: Floats, rng: np.random.Generator) -> Floats:
    """Draw the purchases at the coming occasions of alive customers with known (p, θ)."""
    lived = np.minimum(rng.geometric(np.maximum(leaving, np.finfo(float).tiny)) - 1, time)
    return rng.binomial(lived.astype(np.int64), rate).astype(float)


def simulate(
    parameters: Parameters, age: FloatLike, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return (x, t_x) of one simulated customer for each number of occasions.

    >>> x, t_x = simulate(BgBb(1.2, 0.75, 0.66, 2.8), [6.0] * 4, np.random.default_rng(1))
    >>> bool((x <= t_x).all() and (t_x <= 6).all())
    True
    """
    alpha, beta, gamma, delta = parameters
    (ages,) = floats(age)
    p, leaving = rng.beta(alpha, beta, size=len(ages)), rng.beta(gamma, delta, size=len(ages))
    lived = np.minimum(rng.geometric(np.maximum(leaving, np.finfo(float).tiny)) - 1, ages)
    x, t_x = np.zeros(len(ages)), np.zeros(len(ages))
    for occasion in range(1, int(ages.max(initial=0)) + 1):
        bought = (occasion <= lived) & (rng.random(len(ages)) < p)
        x += bought
        t_x[bought] = occasion
    return x, t_x


def _parts(parameters: Parameters, x: Floats, t_x: Floats, age: Floats) -> tuple[Floats, Floats]:
    """Return the logarithms of the parts of the likelihood, a row a customer, and their lengths.

    Column 0 is "alive at T", column k "gone after occasion t_x + k − 1"; the length is how many
    occasions the customer lived through.
    """
    alpha, beta, gamma, delta = (np.asarray(one, dtype=float).reshape(-1, 1) for one in parameters)
    ends = np.arange(int((age - t_x).max(initial=0)))
    length = np.column_stack([age, t_x[:, None] + ends])
    there = np.column_stack([np.ones(len(x), dtype=bool), ends < (age - t_x)[:, None]])
    length = np.where(there, length, age[:, None])
    died = np.ones(length.shape[1])
    died[0] = 0.0
    parts = (
        betaln(alpha + x[:, None], beta + length - x[:, None]) - betaln(alpha, beta)
        + betaln(gamma + died, delta + length) - betaln(gamma, delta)
    )  # fmt: skip
    return np.where(there, parts, -np.inf), length
