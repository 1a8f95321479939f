"""The BG/NBD formulas: likelihood, P(alive), expectations, simulation. Owns no fitting, no frames.

While alive a customer buys as a Poisson process with rate λ ~ Gamma(r, α); after each repeat
purchase the customer leaves for good with probability p ~ Beta(a, b). All times are in one unit,
the unit of α; x is the number of repeat purchases, t_x the time of the last one, T the age.

In this model only a repeat purchase can end the relation: a customer with x = 0 has P(alive) = 1
exactly, however long ago the one purchase was. MBG/NBD and Pareto/NBD have an answer there.

Source: Fader, Hardie and Lee (2005), "Counting Your Customers the Easy Way", Marketing Science
24(2), equations 6 to 10.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betaln, gammaln

from workbench.clv import beta_geometric
from workbench.clv.beta_geometric import FloatLike, Floats, Parameters, expected_given, future
from workbench.clv.priors import Prior
from workbench.clv.rows import Rows

__all__ = [
    "NAMES",
    "PRIORS",
    "TIMES",
    "TITLE",
    "BgNbd",
    "expected_given",
    "expected_if_alive",
    "future",
    "latent",
    "log_likelihood",
    "probability_alive",
    "purchase_probability",
    "simulate",
    "total",
    "total_alone",
]

TITLE = "BG/NBD"
NAMES = ("r", "alpha", "a", "b")
TIMES = ("alpha",)
PRIORS = {
    "r": Prior("lognormal", 0.5, 1.5),
    "alpha": Prior("lognormal", 56.0, 1.5),
    "a": Prior("lognormal", 0.7, 1.5),
    "b": Prior("lognormal", 2.0, 1.5),
}

_FIRST = 0  # nobody leaves at the first purchase


class BgNbd(NamedTuple):
    """The four parameters: λ ~ Gamma(r, alpha), p ~ Beta(a, b); alpha is in units of time."""

    r: float
    alpha: float
    a: float
    b: float


def log_likelihood(parameters: Parameters, x: FloatLike, t_x: FloatLike, age: FloatLike) -> Floats:
    """Return the log-likelihood of each customer, a sum and not a mean over them.

    Args:
        parameters: The four parameters.
        x: Repeat purchases of each customer.
        t_x: Time of the last one since the first purchase, 0 where x is 0.
        age: Time since the first purchase.

    >>> log_likelihood(BgNbd(0.25, 4.0, 0.8, 2.5), [0, 200], [0, 38], [40, 40]).round(4)
    array([ -0.5995, 100.7957])
    """
    return beta_geometric.log_likelihood(parameters, x, t_x, age, _FIRST)


def probability_alive(
    parameters: Parameters, x: FloatLike, t_x: FloatLike, age: FloatLike
) -> Floats:
    """Return P(alive) of each customer, exactly 1 at x = 0.

    >>> at = BgNbd(0.243, 4.414, 0.793, 2.426)
    >>> probability_alive(at, [2, 0], [30.43, 0], [38.86, 38.86]).round(3)
    array([0.727, 1.   ])
    """
    return beta_geometric.probability_alive(parameters, x, t_x, age, _FIRST)


def expected_if_alive(
    parameters: Parameters, time: FloatLike, x: FloatLike, age: FloatLike
) -> Floats:
    """Return the expected purchases in the coming time of a customer known to be alive."""
    return beta_geometric.expected_if_alive(parameters, time, x, age, _FIRST)


def total(parameters: Parameters, rows: Rows) -> tuple[float, Floats]:
    """Return the log-likelihood of all customers and its gradient by each parameter."""
    return beta_geometric.total(parameters, rows, _FIRST)


def total_alone(parameters: Parameters, rows: Rows) -> float:
    """Return the log-likelihood of all customers, without its gradient."""
    return beta_geometric.total_alone(parameters, rows, _FIRST)


def latent(
    parameters: Parameters, x: Floats, age: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw (λ, p) of customers who are alive, given their histories."""
    return beta_geometric.latent(parameters, x, age, rng, _FIRST)


def purchase_probability(parameters: Parameters, n: int, time: float) -> float:
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


def simulate(
    parameters: Parameters, age: FloatLike, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return (x, t_x) of one simulated customer for each age.

    >>> x, t_x = simulate(BgNbd(1.0, 5.0, 1.0, 3.0), [30.0] * 4, np.random.default_rng(1))
    >>> bool((t_x <= 30).all() and (t_x[x == 0] == 0).all())
    True
    """
    return beta_geometric.simulate(parameters, age, rng, _FIRST)
