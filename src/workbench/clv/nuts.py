"""NUTS over a target: PyMC's model of the priors, nutpie's sampler. Owns no likelihood.

The compiled likelihood over distinct histories enters as one operation with its gradient, so that a
million customers cost what their distinct histories cost.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.clv.posterior import Target
from workbench.clv.priors import Prior

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Chains:
    """Draws of the parameters (chains put together) and what says whether they may be believed."""

    values: Floats
    worst_r_hat: float
    least_ess: float
    divergences: int


def sample_nuts(
    target: Target, start: Floats, *, draws: int, chains: int = 2, tune: int = 1000, seed: int
) -> Chains:
    """Return draws of the posterior by NUTS.

    Args:
        target: Likelihood and priors.
        start: θ at which the chains begin, each a little beside it.
        draws: Draws of each chain.
        chains: Chains, at least 2: agreement between them is the check.
        tune: Steps before the draws.
        seed: Seed of the sampler.
    """
    with warnings.catch_warnings():
        # ArviZ and PyTensor announce their next versions, and that our operation is not theirs.
        warnings.simplefilter("ignore")
        import arviz  # noqa: PLC0415 - takes seconds, and only this method needs it
        import nutpie  # noqa: PLC0415 - same

        compiled = nutpie.compile_pymc_model(_model(target, start))
        trace = nutpie.sample(
            compiled, draws=draws, tune=tune, chains=chains, cores=chains, seed=seed,
            progress_bar=False,
        )  # fmt: skip
        said = arviz.summary(trace, var_names=list(target.names), kind="diagnostics", round_to=None)
    values = np.column_stack(
        [np.asarray(trace.posterior[name], dtype=float).ravel() for name in target.names]
    )
    return Chains(
        values=values,
        worst_r_hat=float(said["r_hat"].max()),
        least_ess=float(min(said["ess_bulk"].min(), said["ess_tail"].min())),
        divergences=int(np.asarray(trace.sample_stats["diverging"]).sum()),
    )


def _model(target: Target, start: Floats) -> Any:
    """Return PyMC's model: a variable for each parameter, and the likelihood as a potential."""
    import pymc  # noqa: PLC0415 - takes seconds, and only this method needs it
    import pytensor.tensor as pt  # noqa: PLC0415 - same
    from pytensor.graph.basic import Apply  # noqa: PLC0415 - same
    from pytensor.graph.op import Op  # noqa: PLC0415 - same

    class LogLikelihood(Op):
        """The compiled likelihood and its gradient as one operation."""

        def make_node(self, *inputs: Any) -> Any:
            return Apply(self, list(inputs), [pt.dscalar(), pt.dvector()])

        def perform(self, _node: Any, inputs: Any, outputs: Any) -> None:
            value, gradient = target.with_gradient(np.asarray(inputs[0], dtype=float))
            if not (np.isfinite(value) and np.isfinite(gradient).all()):
                value, gradient = -np.inf, np.zeros(len(target.names))
            outputs[0][0], outputs[1][0] = np.asarray(value, dtype=float), gradient

        def L_op(self, _inputs: Any, outputs: Any, gradients: Any) -> list[Any]:  # noqa: N802 - PyTensor's name
            return [gradients[0] * outputs[1]]

    priors = target.priors or {}
    with pymc.Model() as model:
        variables = [
            _variable(pymc, name, priors[name], float(np.exp(start[i])))
            for i, name in enumerate(target.names)
        ]
        value: Any = LogLikelihood()(pt.stack(variables))
        pymc.Potential("log_likelihood", value[0])
    return model


def _variable(pymc: Any, name: str, prior: Prior, start: float) -> Any:
    """Return PyMC's variable of a prior."""
    scale, shape = prior.scale, prior.shape
    made: dict[str, Any] = {
        "lognormal": lambda: pymc.LogNormal(name, np.log(scale), shape, initval=start),
        "gamma": lambda: pymc.Gamma(name, shape, shape / scale, initval=start),
        "weibull": lambda: pymc.Weibull(name, shape, scale, initval=start),
        "half_normal": lambda: pymc.HalfNormal(name, scale, initval=start),
    }
    return made[prior.family]()
