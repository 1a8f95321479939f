"""The Gamma-Gamma formulas of spend: likelihood, expectation, draws. Owns no fitting, no frames.

A customer's transactions have values with mean z̄ ~ Gamma(p·x, ν·x), ν ~ Gamma(q, v), and the
mean value is independent of how often the customer buys (a gate of the fit checks the last).
v and z̄ are in the same unit of money.

Source: Fader and Hardie (2013), "The Gamma-Gamma Model of Monetary Value", note 025, eq. 1a and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from scipy.special import gammaln, psi

from workbench.clv.beta_geometric import FloatLike, Floats, Parameters
from workbench.clv.priors import Prior

TITLE = "Gamma-Gamma"
NAMES = ("p", "q", "v")
PRIORS = {
    "p": Prior("lognormal", 3.0, 1.5),
    "q": Prior("lognormal", 4.0, 1.0),
    "v": Prior("lognormal", 2_000.0, 2.5),
}


class GammaGamma(NamedTuple):
    """The three parameters; v is in units of money."""

    p: float
    q: float
    v: float


def log_likelihood(parameters: Parameters, x: FloatLike, mean_value: FloatLike) -> Floats:
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


def population_mean(parameters: Parameters) -> float:
    """Return the mean value of a transaction over all customers; infinite when q is at most 1.

    >>> round(population_mean(GammaGamma(6.25, 3.74, 15.44)), 2)
    35.22
    """
    p, q, v = parameters
    return p * v / (q - 1) if q > 1 else float("inf")


def expected_value(parameters: Parameters, x: FloatLike, mean_value: FloatLike) -> Floats:
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


@dataclass(frozen=True, kw_only=True, eq=False)
class SpendRows:
    """What the likelihood reads of repeat customers: distinct x, and sums of logarithms.

    Attributes:
        x: Transactions of each customer; ``paid`` is x · mean value.
        counts: Distinct x, ``counts_weight`` how many customers have each.
        x_log_paid: Σ x · log(x · z̄).
        log_mean: Σ log z̄.
    """

    x: Floats
    paid: Floats
    counts: Floats
    counts_weight: Floats
    x_log_paid: float
    log_mean: float


def spend_rows(x: FloatLike, mean_value: FloatLike) -> SpendRows:
    """Return what the likelihood reads of customers with x transactions of a mean value above 0."""
    x, mean_value = np.asarray(x, dtype=float), np.asarray(mean_value, dtype=float)
    counts, customers = np.unique(x, return_counts=True)
    paid = x * mean_value
    return SpendRows(
        x=x,
        paid=paid,
        counts=counts,
        counts_weight=customers.astype(float),
        x_log_paid=float(x @ np.log(paid)),
        log_mean=float(np.log(mean_value).sum()),
    )


def total(parameters: Parameters, rows: SpendRows) -> tuple[float, Floats]:
    """Return the log-likelihood of all customers and its gradient by each parameter."""
    p, q, v = parameters
    weight, px, n = rows.counts_weight, p * rows.counts, rows.counts_weight.sum()
    x_logs, sum_logs = _logs(rows.x, rows.paid, float(v))
    both = psi(px + q)
    gradient = np.array(
        [
            weight @ (rows.counts * (both - psi(px))) + rows.x_log_paid - x_logs,
            weight @ both - n * psi(q) + n * np.log(v) - sum_logs,
            n * q / v - ((p * rows.x + q) / (rows.paid + v)).sum(),
        ]
    )
    return _total(parameters, rows, x_logs, sum_logs), gradient


def total_alone(parameters: Parameters, rows: SpendRows) -> float:
    """Return the log-likelihood of all customers, without its gradient."""
    return _total(parameters, rows, *_logs(rows.x, rows.paid, float(parameters[2])))


def latent(
    parameters: Parameters, x: Floats, mean_value: Floats, rng: np.random.Generator
) -> Floats:
    """Draw the true mean value of a transaction of each customer, given what they paid."""
    p, q, v = parameters
    drawn: Floats = p * (v + x * mean_value) / rng.gamma(p * x + q)
    return drawn


def simulate(parameters: Parameters, x: FloatLike, rng: np.random.Generator) -> Floats:
    """Return the mean value of x transactions (at least 1) of one simulated customer for each x."""
    p, q, v = parameters
    x = np.asarray(x, dtype=float)
    rate = rng.gamma(q, 1 / v, size=x.shape)
    drawn: Floats = rng.gamma(p * x) / (rate * x)
    return drawn


def _total(parameters: Parameters, rows: SpendRows, x_logs: float, sum_logs: float) -> float:
    p, q, v = parameters
    weight, px = rows.counts_weight, p * rows.counts
    return float(
        weight @ (gammaln(px + q) - gammaln(px) - gammaln(q) + q * np.log(v))
        + p * rows.x_log_paid - rows.log_mean - p * x_logs - q * sum_logs
    )  # fmt: skip


@numba.njit(cache=True, nogil=True)
def _logs(x: Floats, paid: Floats, v: float) -> tuple[float, float]:
    """Return Σ x · log(paid + v) and Σ log(paid + v), the only sums over all customers."""
    weighted, plain = 0.0, 0.0
    for i in range(len(x)):
        log = np.log(paid[i] + v)
        weighted += x[i] * log
        plain += log
    return weighted, plain
