"""The BG/NBD formulas: likelihood, expectations, P(alive), simulation. Owns no fitting, no frames.

While alive a customer buys as a Poisson process with rate λ ~ Gamma(r, α); after each purchase
the customer leaves for good with probability p ~ Beta(a, b). All times are in one unit, the unit
of α; x is the number of repeat purchases, t_x the time of the last one, T the age.

Source: Fader, Hardie and Lee (2005), "Counting Your Customers the Easy Way", Marketing Science
24(2), equations 6 to 10. Where the paper has 2F1(r+x, b+x; a+b+x−1; z) the Euler transformation
is used, (1−z)^(a−1−r−x) · 2F1(a+b−1−r, a−1; a+b+x−1; z): it does not overflow for customers
with hundreds of purchases.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, expit, gammaln, hyp2f1

from workbench.errors import InputError, problem

Floats = npt.NDArray[np.float64]
FloatLike = npt.ArrayLike

_NEAR_ONE = 1e-6  # at a = 1 the expectation is a limit; so near it a is moved aside


class BgNbd(NamedTuple):
    """The four parameters: λ ~ Gamma(r, alpha), p ~ Beta(a, b); alpha is in units of time."""

    r: float
    alpha: float
    a: float
    b: float


def log_likelihood(parameters: BgNbd, x: FloatLike, t_x: FloatLike, age: FloatLike) -> Floats:
    """Return the log-likelihood of each customer (equation 6), a sum and not a mean over them.

    Args:
        parameters: The four parameters.
        x: Repeat purchases of each customer.
        t_x: Time of the last one since the first purchase, 0 where x is 0.
        age: Time since the first purchase.

    >>> log_likelihood(BgNbd(0.25, 4.0, 0.8, 2.5), [0, 200], [0, 38], [40, 40]).round(4)
    array([ -0.5995, 100.7957])
    """
    r, alpha, a, b = parameters
    x, t_x, age = _floats(x, t_x, age)
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
    alive = -(r + x) * np.log(alpha + age)
    gone = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + t_x)
    both: Floats = common + np.logaddexp(alive, np.where(x > 0, gone, -np.inf))
    return both


def probability_alive(parameters: BgNbd, x: FloatLike, t_x: FloatLike, age: FloatLike) -> Floats:
    """Return P(alive) of each customer.

    In this model only a purchase can end the relation, and the first one cannot: a customer with
    x = 0 has P(alive) = 1 exactly, however long ago the one purchase was.

    >>> at = BgNbd(0.243, 4.414, 0.793, 2.426)
    >>> probability_alive(at, [2, 0], [30.43, 0], [38.86, 38.86]).round(3)
    array([0.727, 1.   ])
    """
    r, alpha, a, b = parameters
    x, t_x, age = _floats(x, t_x, age)
    odds_gone = (r + x) * np.log((alpha + age) / (alpha + t_x)) + np.log(
        a / (b + np.maximum(x, 1) - 1)
    )
    alive: Floats = np.where(x == 0, 1.0, expit(-odds_gone))
    return alive


def expected_purchases(
    parameters: BgNbd, time: FloatLike, x: FloatLike, t_x: FloatLike, age: FloatLike
) -> Floats:
    """Return E[Y(time) | x, t_x, T]: purchases of each customer in the coming time (equation 10).

    >>> at = BgNbd(0.243, 4.414, 0.793, 2.426)
    >>> float(expected_purchases(at, 39, 2, 30.43, 38.86).round(3))
    1.226
    """
    r, alpha, a, b = parameters
    time, x, t_x, age = _floats(time, x, t_x, age)
    odds_gone = np.exp(
        (r + x) * np.log((alpha + age) / (alpha + t_x)) + np.log(a / (b + np.maximum(x, 1) - 1))
    )
    expected: Floats = _if_alive(parameters, time, x, age) / (1 + np.where(x > 0, odds_gone, 0.0))
    return expected


def expected_purchases_new(parameters: BgNbd, time: FloatLike) -> Floats:
    """Return E[X(time)]: repeat purchases of a new customer up to a time (equation 9).

    >>> expected_purchases_new(BgNbd(0.243, 4.414, 0.793, 2.426), [1, 78]).round(3)
    array([0.053, 1.861])
    """
    time = np.asarray(time, dtype=float)
    return _if_alive(parameters, time, np.zeros_like(time), np.zeros_like(time))


def purchase_probability(parameters: BgNbd, n: int, time: float) -> float:
    """Return P(X(time) = n): the share of new customers with n repeat purchases (equation 8).

    >>> round(purchase_probability(BgNbd(0.243, 4.414, 0.793, 2.426), 0, 39.0), 4)
    0.5738
    """
    r, alpha, a, b = parameters
    stay, leave = np.log(alpha / (alpha + time)), np.log(time / (alpha + time))
    exactly = np.exp(
        betaln(a, b + n) - betaln(a, b) + gammaln(r + n) - gammaln(r) - gammaln(n + 1)
        + r * stay + n * leave
    )  # fmt: skip
    if n == 0:
        return float(exactly)
    j = np.arange(n)
    fewer = np.exp(gammaln(r + j) - gammaln(r) - gammaln(j + 1) + r * stay + j * leave).sum()
    left = np.exp(betaln(a + 1, b + n - 1) - betaln(a, b)) * (1 - fewer)
    return float(exactly + left)


def simulate(parameters: BgNbd, age: FloatLike, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return (x, t_x) of one simulated customer for each age.

    >>> x, t_x = simulate(BgNbd(1.0, 5.0, 1.0, 3.0), [30.0] * 4, np.random.default_rng(1))
    >>> bool((t_x <= 30).all() and (t_x[x == 0] == 0).all())
    True
    """
    r, alpha, a, b = parameters
    (ages,) = _floats(age)
    rate = rng.gamma(r, 1 / alpha, size=len(ages))
    drop_out = rng.beta(a, b, size=len(ages))
    x, t_x, clock = np.zeros(len(ages)), np.zeros(len(ages)), np.zeros(len(ages))
    open_ = np.flatnonzero(rate > 0)
    while len(open_):
        clock[open_] += rng.exponential(1 / rate[open_])
        open_ = open_[clock[open_] <= ages[open_]]
        x[open_] += 1
        t_x[open_] = clock[open_]
        open_ = open_[rng.random(len(open_)) >= drop_out[open_]]
    return x, t_x


def _if_alive(parameters: BgNbd, time: Floats, x: Floats, age: Floats) -> Floats:
    """Return the expected purchases in the coming time of a customer known to be alive."""
    r, alpha, a, b = parameters
    if abs(a - 1) < _NEAR_ONE:
        a = 1 + _NEAR_ONE
    share = time / (alpha + age + time)
    transformed = hyp2f1(a + b - 1 - r, a - 1, a + b + x - 1, share)
    gone = -np.expm1((a - 1) * np.log1p(-share) + np.log(transformed))
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


def _floats(*values: FloatLike) -> tuple[Floats, ...]:
    """Return values as arrays of floats that have one shape."""
    return tuple(np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in values)))
