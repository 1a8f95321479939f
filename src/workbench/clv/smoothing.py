"""Pareto smoothing of importance weights and its diagnostic k̂. Owns no proposal and no model.

The largest weights are replaced by the expected order statistics of a generalised Pareto fitted to
them. Its shape k̂ says how far the weights can be trusted: below 0.5 well, up to 0.7 usably.

Sources: Vehtari, Simpson, Gelman, Yao and Gabry (2024), "Pareto Smoothed Importance Sampling",
JMLR 25(72); Zhang and Stephens (2009), Technometrics 51(3), for the fit of the tail. ArviZ has the
same (a test compares the two), but its import takes longer than the posterior of CDNOW.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

Floats = npt.NDArray[np.float64]

MOST_PARETO_K = 0.7
_FEWEST_IN_TAIL = 5
_PRIOR_WEIGHT = 10.0  # of k = 0.5, in observations: k̂ of a short tail is drawn towards it
_PRIOR_QUARTILE = 3.0


def smoothed(log_ratios: Floats) -> tuple[Floats, float]:
    """Return normalised log-weights, Pareto-smoothed, and k̂ (infinite when no tail can be fitted).

    >>> weights, k = smoothed(np.random.default_rng(1).normal(0, 0.1, 1000))
    >>> bool(abs(np.exp(weights).sum() - 1) < 1e-9), k < 0.5
    (True, True)
    """
    logs = log_ratios - log_ratios.max()
    size = int(np.ceil(min(0.2 * len(logs), 3 * np.sqrt(len(logs)))))
    order = np.argsort(logs, kind="stable")
    tail, cut = order[-size:], max(float(logs[order[-size - 1]]), np.log(np.finfo(float).tiny))
    tail = tail[logs[tail] > cut]
    pareto_k = float("inf")
    if len(tail) >= _FEWEST_IN_TAIL:
        pareto_k, scale = _fitted_tail(np.exp(logs[tail]) - np.exp(cut))
        if np.isfinite(pareto_k):
            share = (np.arange(len(tail)) + 0.5) / len(tail)
            beyond = -np.log1p(-share) if pareto_k == 0 else np.expm1(
                -pareto_k * np.log1p(-share)
            ) / pareto_k  # fmt: skip
            logs = logs.copy()
            logs[tail] = np.minimum(np.log(beyond * scale + np.exp(cut)), 0.0)
    return logs - logsumexp(logs), pareto_k


def _fitted_tail(beyond: Floats) -> tuple[float, float]:
    """Return shape and scale of a generalised Pareto, of values in ascending order."""
    n = len(beyond)
    grid = 30 + int(np.sqrt(n))
    at = 1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))
    at = at / (_PRIOR_QUARTILE * beyond[int(n / 4 + 0.5) - 1]) + 1 / beyond[-1]
    shapes = np.log1p(-at[:, None] * beyond).mean(axis=1)
    profile = n * (np.log(-at / shapes) - shapes - 1)
    weights = np.exp(profile - logsumexp(profile))
    centre = float(weights @ at)
    shape = float(np.log1p(-centre * beyond).mean())
    scale = -shape / centre
    drawn = shape * n / (n + _PRIOR_WEIGHT) + 0.5 * _PRIOR_WEIGHT / (n + _PRIOR_WEIGHT)
    return drawn, scale
