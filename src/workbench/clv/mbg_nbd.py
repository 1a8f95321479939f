"""The MBG/NBD formulas: likelihood, P(alive), expectations, simulation. Owns no fitting, no frames.

BG/NBD in which the customer may leave at the first purchase too, so that who bought once may be
gone. Parameters, x, t_x and T are those of BG/NBD.

Source: Batislam, Denizel and Filiztekin (2007), "Empirical validation and comparison of models for
customer base analysis", International Journal of Research in Marketing 24(3).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from workbench.clv import beta_geometric
from workbench.clv.beta_geometric import FloatLike, Floats, Parameters, expected_given, future
from workbench.clv.priors import Prior
from workbench.clv.rows import Rows

__all__ = [
    "NAMES",
    "PRIORS",
    "TIMES",
    "TITLE",
    "MbgNbd",
    "expected_given",
    "expected_if_alive",
    "future",
    "latent",
    "log_likelihood",
    "probability_alive",
    "simulate",
    "total",
    "total_alone",
]

TITLE = "MBG/NBD"
NAMES = ("r", "alpha", "a", "b")
TIMES = ("alpha",)
PRIORS = {
    "r": Prior("lognormal", 0.5, 1.5),
    "alpha": Prior("lognormal", 56.0, 1.5),
    "a": Prior("lognormal", 0.7, 1.5),
    "b": Prior("lognormal", 2.0, 1.5),
}

_FIRST = 1  # the first purchase may be the last


class MbgNbd(NamedTuple):
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

    >>> log_likelihood(MbgNbd(0.25, 4.0, 0.8, 2.5), [0, 200], [0, 38], [40, 40]).round(4)
    array([ -0.4179, 100.7869])
    """
    return beta_geometric.log_likelihood(parameters, x, t_x, age, _FIRST)


def probability_alive(
    parameters: Parameters, x: FloatLike, t_x: FloatLike, age: FloatLike
) -> Floats:
    """Return P(alive) of each customer, also of those who bought once.

    >>> at = MbgNbd(0.525, 6.183, 0.891, 1.614)
    >>> probability_alive(at, [2, 0], [30.43, 0], [38.86, 38.86]).round(3)
    array([0.706, 0.39 ])
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


def simulate(
    parameters: Parameters, age: FloatLike, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return (x, t_x) of one simulated customer for each age.

    >>> x, t_x = simulate(MbgNbd(1.0, 5.0, 1.0, 3.0), [30.0] * 4, np.random.default_rng(1))
    >>> bool((t_x <= 30).all() and (t_x[x == 0] == 0).all())
    True
    """
    return beta_geometric.simulate(parameters, age, rng, _FIRST)
