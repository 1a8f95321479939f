"""Draws of an uplift model: nutpie's NUTS, or PyMC's where nutpie cannot. Owns no model and no gate's use."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from workbench import text
from workbench.gates import Check
from workbench.params import Parameters
from workbench.streams import spawn_seed

Sampler = Literal["nutpie", "pymc"]


class SamplingLimits(Parameters):
    """The limits that chains are held against.

    Attributes:
        max_r_hat: Largest r̂; larger means that chains do not agree.
        min_ess: Fewest effective draws.
        max_divergence_share: Largest share of draws whose step diverged.
        min_energy: Least E-BFMI; smaller means that the chains move too slowly through the energy.
    """

    max_r_hat: float = 1.01
    min_ess: float = 300
    max_divergence_share: float = 0.002
    min_energy: float = 0.3


def sampled(
    model: Any,
    *,
    sampler: Sampler,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    target_accept: float = 0.98,
) -> Any:
    """Return the ``InferenceData`` of a model's posterior.

    Args:
        model: PyMC's.
        sampler: ``nutpie``, or ``pymc``.
        draws: Draws of each chain.
        tune: Steps before them.
        chains: Chains; at least two, since their agreement is the check.
        seed: Seed of the sampler.
        target_accept: Mean acceptance that the steps are tuned to; the larger, the smaller the steps.
    """
    number = spawn_seed(seed, "uplift/nuts")
    with warnings.catch_warnings():
        # PyTensor, ArviZ and nutpie announce their next versions.
        warnings.simplefilter("ignore")
        if sampler == "nutpie":
            import nutpie  # noqa: PLC0415 - takes seconds, and only a fit needs it

            compiled = nutpie.compile_pymc_model(model)
            return nutpie.sample(
                compiled, draws=draws, tune=tune, chains=chains, cores=chains, seed=number,
                target_accept=target_accept, progress_bar=False,
            )  # fmt: skip
        import pymc as pm  # noqa: PLC0415 - same

        with model:
            return pm.sample(
                draws=draws, tune=tune, chains=chains, cores=chains, random_seed=number,
                target_accept=target_accept, progressbar=False, compute_convergence_checks=False,
            )  # fmt: skip


def checks_of(
    idata: Any, names: Sequence[str], limits: SamplingLimits, outcome: str
) -> list[Check]:
    """Return the checks of chains: agreement, effective draws, divergences and energy."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import arviz as az  # noqa: PLC0415 - takes seconds, and only a fit needs it

        said = az.summary(idata, var_names=list(names), kind="diagnostics", round_to=None)
        stats = idata.sample_stats
        diverging = float(np.asarray(stats["diverging"]).mean())
        energy = _energies(stats)
    r_hat = float(said["r_hat"].max())
    ess = float(min(said["ess_bulk"].min(), said["ess_tail"].min()))
    checks = [
        Check(f"r̂ of {outcome}", text.number(r_hat, 3), f"at most {limits.max_r_hat:g}", r_hat <= limits.max_r_hat),
        Check(f"effective draws of {outcome}", text.count(ess), f"at least {limits.min_ess:g}", ess >= limits.min_ess),
        Check(
            f"share of draws of {outcome} that diverged", text.share(diverging, 2),
            f"at most {text.share(limits.max_divergence_share, 1)}",
            diverging <= limits.max_divergence_share,
        ),
    ]  # fmt: skip
    least = float(energy.min())
    if np.isfinite(least):
        checks.append(
            Check(f"E-BFMI of {outcome}", text.number(least), f"at least {limits.min_energy:g}", least >= limits.min_energy)
        )  # fmt: skip
    return checks


def _energies(stats: Any) -> npt.NDArray[np.float64]:
    """Return the E-BFMI of each chain; none where the sampler tells no energy.

    Source: Betancourt (2016), diagnosing suboptimal cotangent disintegrations, arXiv 1604.00695.
    """
    if "energy" not in stats:
        return np.array([np.nan])
    energy = np.asarray(stats["energy"], dtype=np.float64)
    return np.asarray((np.diff(energy, axis=1) ** 2).mean(axis=1) / energy.var(axis=1))


__all__ = ["Sampler", "SamplingLimits", "checks_of", "sampled"]
