"""The Gamma-Gamma formulas of spend: likelihood and expectation. Owns no fitting, no frames.

A customer's transactions have values with mean z̄ ~ Gamma(p·x, ν·x), ν ~ Gamma(q, v), and the
mean value is independent of how often the customer buys (a gate of the fit checks the last).
v and z̄ are in the same unit of money.

Source: Fader and Hardie (2013), "The Gamma-Gamma Model of Monetary Value", note 025, eq. 1a and 5.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

Floats = npt.NDArray[np.float64]
FloatLike = npt.ArrayLike


class GammaGamma(NamedTuple):
    """The three parameters; v is in units of money."""

    p: float
    q: float
    v: float


def log_likelihood(parameters: GammaGamma, x: FloatLike, mean_value: FloatLike) -> Floats:
    """Return the log-likelihood of each repeat customer (equation 1a).

    Args:
        parameters: The three parameters.
        x: Number of transactions behind each mean, at least 1.
        mean_value: Mean value of those transactions, above 0, in the unit of v. It is a density:
            with money in cents each customer's value is ln(100) lower than in dollars.

    >>> log_likelihood(GammaGamma(6.25, 3.74, 15.44), [2], [22.35]).round(3)
    array([-3.551])
    """
    p, q, v = parameters
    x, mean_value = np.asarray(x, dtype=float), np.asarray(mean_value, dtype=float)
    px = p * x
    value: Floats = (
        gammaln(px + q) - gammaln(px) - gammaln(q)
        + q * np.log(v) + (px - 1) * np.log(mean_value) + px * np.log(x)
        - (px + q) * np.log(x * mean_value + v)
    )  # fmt: skip
    return value


def population_mean(parameters: GammaGamma) -> float:
    """Return the mean value of a transaction over all customers; infinite when q is at most 1.

    >>> round(population_mean(GammaGamma(6.25, 3.74, 15.44)), 2)
    35.22
    """
    p, q, v = parameters
    return p * v / (q - 1) if q > 1 else float("inf")


def expected_value(parameters: GammaGamma, x: FloatLike, mean_value: FloatLike) -> Floats:
    """Return the expected value of a future transaction of each customer (equation 5).

    A weighted mean of the customer's own mean and the population's; with x = 0 it is the
    population's, whatever stands in ``mean_value``.

    >>> expected_value(GammaGamma(6.25, 3.74, 15.44), [2, 0], [22.35, 0]).round(2)
    array([24.66, 35.22])
    """
    p, q, _ = parameters
    x, mean_value = np.asarray(x, dtype=float), np.asarray(mean_value, dtype=float)
    own = p * x / (p * x + q - 1)
    value: Floats = own * np.where(x > 0, mean_value, 0.0) + (1 - own) * population_mean(parameters)
    return value
