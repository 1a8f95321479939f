"""One model's estimate: maximum likelihood, corrected posterior or NUTS. Owns no likelihood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from workbench import text
from workbench.clv.lifetimes_fitters import RawFit
from workbench.clv.limits import GateLimits
from workbench.clv.nuts import Chains, sample_nuts
from workbench.clv.posterior import Target, find_mode, sample
from workbench.gates import Check
from workbench.streams import stream

Floats = npt.NDArray[np.float64]
Method = Literal["posterior", "mle", "nuts"]

_CHAINS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class How:
    """How to estimate: the method, the limits of its checks, how many draws, their seed."""

    method: Method
    limits: GateLimits
    draws: int
    seed: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """One model's estimate.

    Attributes:
        title: Name of the model.
        names: Its parameters.
        draws: A row a draw; one row for maximum likelihood, none when it did not converge.
        errors: Posterior deviations or standard errors by name.
        log_likelihood: At the mean of the draws; NaN when it did not converge.
        checks: Whether to trust it.
        pareto_k: k̂ of a corrected posterior, also where NUTS took over.
    """

    title: str
    names: Sequence[str]
    draws: Floats
    errors: Mapping[str, float]
    log_likelihood: float
    checks: tuple[Check, ...]
    pareto_k: float | None = None

    @property
    def parameters(self) -> dict[str, float]:
        """Means of the draws by name; empty when it did not converge."""
        if len(self.draws) == 0:
            return {}
        return dict(zip(self.names, self.draws.mean(axis=0).tolist(), strict=True))


def estimate(
    how: How, title: str, target: Target, start: Floats, maximum: Callable[[], RawFit] | None
) -> Estimate:
    """Estimate one model by the method that was asked for.

    Args:
        how: The method and its limits.
        title: Name of the model, for its checks and its stream of draws.
        target: Likelihood and priors.
        start: θ to begin at.
        maximum: A fitter of the maximum likelihood; None for our own search.
    """
    if how.method == "mle":
        raw = maximum() if maximum is not None else _own_maximum(target, start)
        return _of_maximum(how, title, target, raw)
    pareto_k = None
    if how.method == "posterior":
        drawn = sample(
            target,
            start,
            draws=how.draws,
            proposals=2 * how.draws,
            rng=stream(how.seed, f"clv/posterior/{title}"),
        )
        pareto_k, start = drawn.pareto_k, drawn.mode.theta
        limit = how.limits.max_pareto_k
        if pareto_k <= limit:
            value = text.number(pareto_k, 2)
            check = Check(f"k̂ of the {title} posterior", value, f"at most {limit:g}", passed=True)
            return _of_draws(title, target, drawn.values, (check,), pareto_k)
    chains = sample_nuts(
        target, start, draws=-(-how.draws // _CHAINS), chains=_CHAINS, seed=how.seed
    )
    return _of_draws(title, target, chains.values, _of_chains(title, chains, how.limits), pareto_k)


def _of_draws(
    title: str, target: Target, draws: Floats, checks: tuple[Check, ...], pareto_k: float | None
) -> Estimate:
    return Estimate(
        title=title,
        names=target.names,
        draws=draws,
        errors=dict(zip(target.names, draws.std(axis=0, ddof=1).tolist(), strict=True)),
        log_likelihood=target.alone(draws.mean(axis=0)),
        checks=checks,
        pareto_k=pareto_k,
    )


def _of_maximum(how: How, title: str, target: Target, raw: RawFit) -> Estimate:
    """Hold a maximum against our own likelihood: the check does not take the fitter's word for it.

    The slope is that of the mean log-likelihood over customers by the logarithm of each parameter.
    """
    at = np.array([raw.values[name] for name in target.names]) if raw.converged else None
    value, slope = (np.nan, np.nan)
    if at is not None:
        value, gradient = target.with_gradient(at)
        slope = float(np.abs(gradient * at).max()) / target.n
    shown = "not converged" if np.isnan(slope) else f"{slope:.1e}"
    limit = how.limits.max_gradient
    return Estimate(
        title=title,
        names=target.names,
        draws=np.empty((0, len(target.names))) if at is None else at[None, :],
        errors=raw.standard_errors,
        log_likelihood=float(value),
        checks=(
            Check(
                f"slope of the {title} log-likelihood",
                shown,
                f"at most {limit:g}",
                bool(slope <= limit),
            ),
        ),
    )


def _own_maximum(target: Target, start: Floats) -> RawFit:
    """Return the maximum by our own search, with standard errors of the curvature there."""
    mode = find_mode(target, start)
    values = np.exp(mode.theta)
    errors = values * np.sqrt(np.diag(mode.covariance))
    return RawFit(
        converged=bool(np.isfinite(values).all()),
        values=dict(zip(target.names, values.tolist(), strict=True)),
        standard_errors=dict(zip(target.names, errors.tolist(), strict=True)),
    )


def _of_chains(title: str, chains: Chains, limits: GateLimits) -> tuple[Check, ...]:
    return (
        Check(
            f"r̂ of the {title} chains",
            text.number(chains.worst_r_hat, 3),
            f"at most {limits.max_r_hat:g}",
            chains.worst_r_hat <= limits.max_r_hat,
        ),
        Check(
            f"effective draws of the {title} chains",
            text.count(chains.least_ess),
            f"at least {text.count(limits.min_ess)}",
            chains.least_ess >= limits.min_ess,
        ),
        Check(
            f"divergences of the {title} chains",
            text.count(chains.divergences),
            "0",
            chains.divergences == 0,
        ),
    )
