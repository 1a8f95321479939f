"""Predictive checks: does a fit give back what was seen, and was that believable before? Owns no gate.

A replicated experiment has the customers of the real one. Its mean outcome in each cell and arm is drawn from
the parameters of one draw: of the posterior, which should give back what was seen; of the prior, which should
only not exclude it.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench import text
from workbench.arguments import checked
from workbench.streams import spawn_seed, stream
from workbench.uplift.fit import UpliftFit, predictor_draws
from workbench.uplift.kinds import Kind, Sums
from workbench.uplift.model import model_of

Floats = npt.NDArray[np.float64]
When = Literal["posterior", "prior"]

_LEVELS = (0.025, 0.975)
_DRAWS = 1_000
_SURPRISING = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class UpliftPredictiveCheck(text.Result):
    """What was seen beside what the model would give.

    Attributes:
        table: A row an outcome, cell and arm with customers: ``outcome`` (with " > 0" where it is whether
            there is any), the dimensions, ``arm``, ``customers``, ``seen`` (the mean),
            ``expected`` with ``low`` and ``high`` (95 % of replicated means), ``inside``.
        text: How many means lie inside, and which outcomes do not fit.
        outcomes: A row an outcome: ``means``, ``inside_share``, ``p_value`` (share of draws in which the
            replicated experiment lies at least as far from the draw's means as the real one; none for
            the prior, whose single draws lie nowhere near).
        when: Whether parameters are those of the posterior or of the prior.
    """

    outcomes: pd.DataFrame
    when: When


@checked
def uplift_predictive_check(
    fitted: UpliftFit, *, when: When = "posterior", seed: int = 1
) -> UpliftPredictiveCheck:
    """Compare the means of all cells and arms with those of experiments that the model would give.

    Conversions are drawn as binomial; means of other outcomes as normal, with the deviation that the kind
    implies for one customer, which is good where a cell has some tens of customers.

    Args:
        fitted: From :func:`fit_uplift`.
        when: ``posterior``, or ``prior``.
        seed: Of the draws.

    Returns:
        A row a cell and arm, and a p-value an outcome. A posterior p-value near a half is the rule, since
        the same data are used twice; one near 0 says that cells differ more than the model can say.

    Raises:
        ParameterError: It is no fit, or ``when`` is neither.

    Source: Gelman, Meng and Stern (1996), Posterior predictive assessment of model fitness; Gabry et al.,
    arXiv 1709.01449, for checks of the prior.

    >>> uplift_predictive_check("fit")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: fitted was 'fit', must be uplift fit, such as workbench.fit_uplift gives
    """
    cells = fitted.cells
    rng = stream(seed, f"uplift/predictive/{when}")
    tables, outcomes = [], []
    for name, kind in cells.kinds.items():
        found = fitted.idata[name] if when == "posterior" else _prior(fitted, name, seed)
        eta, extras = predictor_draws(_some(found), cells, name)
        sums = cells.sums[name]
        n = _customers(kind, cells.n, sums)
        there = n > 0
        with np.errstate(over="ignore", invalid="ignore"):  # a wide prior has no largest spend
            mean = np.asarray(kind.mean(eta, extras))[:, there]
            deviation = np.asarray(kind.spread(eta, extras))[:, there] / np.sqrt(n[there])
            replicated = _replicated(kind, mean, deviation, n[there], rng)
            seen = np.asarray(kind.observed(cells.n, sums))[there]
            low, middle, high = np.quantile(replicated, [_LEVELS[0], 0.5, _LEVELS[1]], axis=0)
            far = (((seen - mean) / deviation) ** 2).sum(axis=1)
            far_replicated = (((replicated - mean) / deviation) ** 2).sum(axis=1)
        inside = (low <= seen) & (seen <= high)
        cell, arm = np.nonzero(there)
        tables.append(
            cells.table.iloc[cell].reset_index(drop=True).assign(
                outcome=name, arm=[cells.arms[k] for k in arm], customers=n[there].astype(int), seen=seen,
                expected=middle, low=low, high=high, inside=inside,
            )
        )  # fmt: skip
        outcomes.append(
            {
                "outcome": name, "means": len(seen), "inside_share": float(inside.mean()),
                "p_value": float((far_replicated >= far).mean()) if when == "posterior" else np.nan,
            }
        )  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    table.insert(0, "outcome", table.pop("outcome"))
    summary = pd.DataFrame(outcomes)
    said, headline = _said(table, summary, when)
    return UpliftPredictiveCheck(
        table=table, text=said, headline=headline, outcomes=summary, when=when
    )


def _prior(fitted: UpliftFit, outcome: str, seed: int) -> Any:
    """Return draws of the prior, as a posterior without data would be."""
    with warnings.catch_warnings():
        # PyMC says that the likelihood, a potential, is left out, and what it draws.
        warnings.simplefilter("ignore")
        import pymc as pm  # noqa: PLC0415 - takes seconds, and only a check of the prior needs it

        logger = logging.getLogger("pymc")
        level = logger.level
        logger.setLevel(logging.WARNING)
        try:
            with model_of(fitted.cells, outcome, fitted.prior, plain=True):
                drawn = pm.sample_prior_predictive(
                    _DRAWS, random_seed=spawn_seed(seed, f"uplift/prior/{outcome}")
                )
        finally:
            logger.setLevel(level)
    return SimpleNamespace(posterior=drawn.prior)


def _some(found: Any) -> Any:
    """Return about a thousand draws, evenly from each chain."""
    chains, draws = found.posterior.sizes["chain"], found.posterior.sizes["draw"]
    every = max(1, chains * draws // _DRAWS)
    return SimpleNamespace(posterior=found.posterior.isel(draw=slice(None, None, every)))


def _customers(kind: Kind, n: Floats, sums: Sums) -> Floats:
    """Return the customers whose mean is seen: of a spend only who spent."""
    return np.asarray(sums["some"]) if kind.hurdle else n


def _replicated(
    kind: Kind, mean: Floats, deviation: Floats, n: Floats, rng: np.random.Generator
) -> Floats:
    """Return the mean outcome of each cell and arm in replicated experiments."""
    if kind.name == "conversion":
        return np.asarray(rng.binomial(n.astype(np.int64), mean) / n)
    return np.asarray(mean + deviation * rng.standard_normal(mean.shape))


def _said(table: pd.DataFrame, outcomes: pd.DataFrame, when: When) -> tuple[str, str]:
    """Return what the check says, and its headline."""
    of = text.plural(len(table), "mean")
    said = f"{text.count(int(table['inside'].sum()))} of {of} of cells and arms lie inside what the {when} predicts"
    if when == "prior":
        out = outcomes[outcomes["inside_share"] < 1]
        more = (
            f"some means of {text.listing(list(out['outcome']))} are improbable under the prior"
            if len(out)
            else "the prior allows all that was seen"
        )
    else:
        out = outcomes[outcomes["p_value"] < _SURPRISING]
        more = (
            f"{text.listing(list(out['outcome']))} differs between cells more than the model can say"
            if len(out)
            else "the model gives back what was seen"
        )
    return text.sentence(f"{said}: {more}"), f"{more[0].upper()}{more[1:]}"


__all__ = ["UpliftPredictiveCheck", "uplift_predictive_check"]
