"""The posterior of a few positive parameters: Laplace, corrected by importance. Owns no model.

The logarithm θ of the parameters is sought: the mode by its gradient, a Student-t around it as the
proposal, and the draws corrected by Pareto-smoothed importance sampling. The k̂ of the smoothing
says whether the proposal was near enough to the posterior: at most 0.7 is near enough. When it is
not, the proposal takes the mean and the covariance of the corrected draws and tries again.

Source: Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto Smoothed Importance Sampling",
JMLR 25(72).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import gammaln
from threadpoolctl import threadpool_limits

from workbench.clv.priors import Prior
from workbench.clv.smoothing import MOST_PARETO_K, smoothed

Floats = npt.NDArray[np.float64]

_TAILS = (
    7.0  # degrees of freedom of the proposal: heavier than a normal's, so that weights stay bounded
)
_STEP = 1e-4
_PARTS = 8  # of the draws for each core: a part that takes longer holds nobody up for long
_ROUNDS = 3
_FLOOR = 1e-8


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """A log-likelihood of named positive parameters and their priors (none for the likelihood alone).

    Attributes:
        names: The parameters, in the order of the likelihood.
        with_gradient: Log-likelihood and gradient by the parameters.
        alone: Log-likelihood alone.
        priors: Prior of each parameter in the unit of the fit, or None.
        n: Customers behind it, to scale the search.
    """

    names: Sequence[str]
    with_gradient: Callable[[Floats], tuple[float, Floats]]
    alone: Callable[[Floats], float]
    priors: Mapping[str, Prior] | None
    n: float

    def value_and_slope(self, theta: Floats) -> tuple[float, Floats]:
        """Return the log-density of θ and its gradient."""
        parameters = np.exp(theta)
        value, slope = self.with_gradient(parameters)
        slope = slope * parameters
        if self.priors is not None:
            for i, name in enumerate(self.names):
                density, by_theta = self.priors[name].log_density(theta[i])
                value += float(density)
                slope[i] += float(by_theta)
        return value, slope

    def values(self, thetas: Floats) -> Floats:
        """Return the log-density of many θ, on all cores."""
        cores = os.cpu_count() or 1
        parts = np.array_split(np.exp(thetas), min(_PARTS * cores, len(thetas)))
        with ThreadPoolExecutor(cores) as pool:
            found = pool.map(lambda part: [self.alone(at) for at in part], parts)
            value = np.array([one for part in found for one in part])
        for i, name in enumerate(self.names):
            if self.priors is not None:
                value += self.priors[name].log_density(thetas[:, i])[0]
        return np.where(np.isfinite(value), value, -np.inf)


@dataclass(frozen=True, kw_only=True, eq=False)
class Mode:
    """Where the log-density of θ is highest: θ, its covariance there, and the largest slope left."""

    theta: Floats
    covariance: Floats
    slope: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """Draws of the parameters (a row each, equal weights), the mode, and k̂ of the correction."""

    values: Floats
    mode: Mode
    pareto_k: float


def find_mode(target: Target, start: Floats) -> Mode:
    """Return the mode of θ from a start, with the covariance that the curvature says."""

    def loss(theta: Floats) -> tuple[float, Floats]:
        value, slope = target.value_and_slope(theta)
        if not np.isfinite(value) or not np.isfinite(slope).all():
            return 1e10, np.zeros_like(theta)
        return -value / target.n, -slope / target.n

    # A search may pass through overflow on its way; threads of a 4 x 4 matrix only wait for one another.
    with np.errstate(all="ignore"), threadpool_limits(1):
        bounds = [(-20.0, 20.0)] * len(start)
        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
            options={"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9},
        )  # fmt: skip
        theta = np.asarray(found.x, dtype=float)
        theta, precision = _polished(target, theta)
    values, vectors = np.linalg.eigh(precision)
    values = np.maximum(values, _FLOOR * max(float(values.max()), 1.0))
    covariance = (vectors / values) @ vectors.T
    slope = float(np.abs(target.value_and_slope(theta)[1]).max() / target.n)
    return Mode(theta=theta, covariance=covariance, slope=slope)


def _polished(target: Target, theta: Floats) -> tuple[Floats, Floats]:
    """Take Newton steps while they rise; return θ and the precision there."""
    value, slope = target.value_and_slope(theta)
    precision = _precision(target, theta)
    for _ in range(4):
        try:
            step = np.linalg.solve(precision, slope)
        except np.linalg.LinAlgError:
            break
        if not np.isfinite(step).all() or np.abs(step).max() > 1:
            break
        new_value, new_slope = target.value_and_slope(theta + step)
        if not new_value > value:
            break
        theta, value, slope = theta + step, new_value, new_slope
        precision = _precision(target, theta)
    return theta, precision


def _precision(target: Target, theta: Floats) -> Floats:
    """Return minus the second derivatives at θ, by central differences of the gradient."""
    steps = _STEP * np.eye(len(theta))
    rows = [
        (target.value_and_slope(theta - step)[1] - target.value_and_slope(theta + step)[1])
        / (2 * _STEP)
        for step in steps
    ]
    precision = np.array(rows)
    half: Floats = (precision + precision.T) / 2
    return half


def sample(
    target: Target, start: Floats, *, draws: int, proposals: int, rng: np.random.Generator
) -> Draws:
    """Return corrected draws of the posterior.

    Args:
        target: Likelihood and priors.
        start: θ to search from; a mode found before is a warm start.
        draws: Draws to return.
        proposals: Draws of the proposal that they are chosen from, at least as many.
        rng: Source of the draws.
    """
    mode = find_mode(target, start)
    centre, covariance = mode.theta, mode.covariance
    best: tuple[float, Floats, Floats] | None = None
    for _ in range(_ROUNDS):
        thetas, log_q = _proposed(centre, covariance, proposals, rng)
        log_weights, pareto_k = smoothed(target.values(thetas) - log_q)
        if best is None or pareto_k < best[0]:
            best = pareto_k, thetas, log_weights
        if pareto_k <= MOST_PARETO_K:
            break
        weights = np.exp(log_weights)
        centre = weights @ thetas
        covariance = (thetas - centre).T @ ((thetas - centre) * weights[:, None])
        covariance += _FLOOR * np.eye(len(centre))
    assert best is not None  # noqa: S101 - there is at least one round
    pareto_k, thetas, log_weights = best
    return Draws(
        values=np.exp(thetas[_resampled(np.exp(log_weights), draws, rng)]),
        mode=mode,
        pareto_k=pareto_k,
    )


def _proposed(
    centre: Floats, covariance: Floats, n: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw θ of a Student-t, and return its log-density too."""
    size = len(centre)
    root = np.linalg.cholesky(covariance)
    z = rng.standard_normal((n, size)) / np.sqrt(rng.chisquare(_TAILS, n) / _TAILS)[:, None]
    log_q = (
        gammaln((_TAILS + size) / 2) - gammaln(_TAILS / 2) - size / 2 * np.log(_TAILS * np.pi)
        - np.log(np.diag(root)).sum() - (_TAILS + size) / 2 * np.log1p((z**2).sum(axis=1) / _TAILS)
    )  # fmt: skip
    return centre + z @ root.T, log_q


def _resampled(weights: Floats, draws: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return the places of draws by systematic resampling, in random order."""
    at = (rng.random() + np.arange(draws)) / draws
    edges = np.cumsum(weights)
    places = np.searchsorted(edges / edges[-1], at)
    return rng.permutation(np.minimum(places, len(weights) - 1))
