"""Purchase models against each other by leave-one-out prediction. Owns no model.

The log-likelihood of a customer by the posterior without her is found by importance, Pareto-smoothed;
customers with one history have one such figure.

Source: Vehtari, Gelman and Gabry (2017), "Practical Bayesian model evaluation using leave-one-out
cross-validation and WAIC", Statistics and Computing 27(5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logsumexp

from workbench import text
from workbench.arguments import checked
from workbench.clv.fit import ClvFit
from workbench.clv.smoothing import MOST_PARETO_K, smoothed
from workbench.errors import InputError

Floats = npt.NDArray[np.float64]

_CHUNK = 2_000
_FEWEST = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison(text.Result):
    """Models by how well they foretell a customer whom they have not seen.

    Attributes:
        table: A row a model, best first: ``model``, ``elpd`` (sum over customers of the
            leave-one-out log-density), ``difference`` from the best, its ``standard_error``, and
            ``share_unsure`` (customers whose k̂ is above 0.7).
        best: Name of the best model.
        clear: Whether every difference is more than two standard errors.
        text: That in sentences.
    """

    best: str
    clear: bool


@checked
def compare_models(fits: Mapping[str, ClvFit]) -> Comparison:
    """Compare fits of purchase models to the same customers by PSIS-LOO.

    Args:
        fits: Fits by name, each with a posterior.

    Returns:
        A row a model, best first, with differences and their standard errors.

    Raises:
        InputError: There are fewer than two fits, one has no posterior, or they are of different
            customers.

    >>> from workbench.clv import fit_clv
    >>> other = fit_clv(summary, purchases="mbg_nbd", spend=None)
    >>> compare_models({"BG/NBD": fit, "MBG/NBD": other}).clear
    False
    """
    if len(fits) < _FEWEST:
        raise InputError(f"{text.NOT_ENOUGH_DATA}: a comparison needs at least two fits")
    first = next(iter(fits.values())).rows
    for name, fit in fits.items():
        if len(fit.draws) < _FEWEST:
            raise InputError(f"{name} has no posterior to leave a customer out of; fit it so")
        same = len(fit.rows) == len(first) and np.array_equal(fit.rows.row_of, first.row_of)
        if not same or not np.array_equal(fit.rows.age, first.age):
            raise InputError(f"{name} is of other customers, or in another unit of time")
    told = {name: _left_out(fit) for name, fit in fits.items()}
    weight, n = first.weight, float(first.weight.sum())
    sums = {name: float(weight @ elpd) for name, (elpd, _) in told.items()}
    order = sorted(sums, key=lambda name: -sums[name])
    best = order[0]
    rows = []
    for name in order:
        gap = told[name][0] - told[best][0]
        mean = float(weight @ gap) / n
        error = float(np.sqrt(weight @ (gap - mean) ** 2 / max(n - 1, 1) * n))
        unsure = float(weight @ (told[name][1] > MOST_PARETO_K)) / n
        rows.append((name, sums[name], sums[name] - sums[best], error, unsure))
    columns = ["model", "elpd", "difference", "standard_error", "share_unsure"]
    table = pd.DataFrame(rows, columns=columns)
    others = table.iloc[1:]
    clear = bool((others["difference"].abs() > 2 * others["standard_error"]).all())
    second = table.iloc[1]
    said = (
        f"a customer who was not seen is foretold best by {best}; {second['model']} is "
        f"{text.number(-second['difference'], 1)} behind (standard error "
        f"{text.number(second['standard_error'], 1)})"
        + ("" if clear else ", which is not a clear difference")
    )
    return Comparison(table=table, best=best, clear=clear, text=text.sentence(said))


def _left_out(fit: ClvFit) -> tuple[Floats, Floats]:
    """Return the leave-one-out log-density and k̂ of each distinct history."""
    rows = fit.rows
    elpd, pareto_k = np.empty(len(rows)), np.empty(len(rows))
    for at in range(0, len(rows), _CHUNK):
        some = slice(at, min(at + _CHUNK, len(rows)))
        logs = np.array(
            [
                fit.model.log_likelihood(draw, rows.x[some], rows.t_x[some], rows.age[some])
                for draw in fit.draws
            ]
        )
        for i in range(logs.shape[1]):
            weights, k = smoothed(-logs[:, i])
            elpd[at + i], pareto_k[at + i] = logsumexp(weights + logs[:, i]), k
    return elpd, pareto_k
