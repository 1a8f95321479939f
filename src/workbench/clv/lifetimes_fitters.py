"""The door to lifetimes: the only module that imports it. Owns no likelihood and no result type.

lifetimes 0.11.3 is unmaintained. What is used of it are its fitters, which run under pandas 3
and numpy 2. Its import sets a pandas option that pandas 4 removes: that one named warning is
exempted around the import, here and nowhere else. It also changes the global warning filters,
at import and at each evaluation, and prints when it does not converge: all three stay inside.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from workbench.clv.rows import Rows

Floats = npt.NDArray[np.float64]


class RawFit(NamedTuple):
    """What a fitter found: values and standard errors by name; both empty when it failed."""

    converged: bool
    values: Mapping[str, float]
    standard_errors: Mapping[str, float]


def fit_purchases(purchases: str, rows: Rows) -> RawFit:
    """Fit BG/NBD, MBG/NBD or BG/BB by maximum likelihood on distinct histories with weights.

    lifetimes' Pareto/NBD is not used: on SciPy 1.17 its likelihood of a long history is NaN, and
    it has no standard errors.
    """
    fitters, failure = _lifetimes()
    history: tuple[Floats, ...] = rows.x, rows.t_x, rows.age
    fitter: Callable[[], Any] = {
        "bg_nbd": fitters.BetaGeoFitter,
        "mbg_nbd": fitters.ModifiedBetaGeoFitter,
        "bg_bb": fitters.BetaGeoBetaBinomFitter,
    }[purchases]
    weights = rows.weight.astype(np.int64)
    return _run(lambda: fitter().fit(*history, weights=weights), failure, rescale={})


def fit_gamma_gamma(x: Floats, mean_value: Floats) -> RawFit:
    """Fit Gamma-Gamma by maximum likelihood, on values divided by their mean (v is given back)."""
    scale = float(mean_value.mean())
    fitters, failure = _lifetimes()
    return _run(
        lambda: fitters.GammaGammaFitter().fit(x, mean_value / scale),
        failure,
        rescale={"v": scale},
    )


def _lifetimes() -> tuple[Any, type[Exception]]:
    """Import lifetimes with its one named warning exempted and the warning filters restored."""
    with warnings.catch_warnings():
        # The exemption: pandas 4 drops the option that lifetimes/utils.py sets when imported.
        warnings.filterwarnings("ignore", message=".*mode\\.chained_assignment.*")
        import lifetimes  # noqa: PLC0415 - warns, and is needed only when a model is fitted
        from lifetimes.utils import ConvergenceError  # noqa: PLC0415 - same
    return lifetimes, ConvergenceError


def _run(
    fit: Callable[[], Any], failure: type[Exception], *, rescale: Mapping[str, float]
) -> RawFit:
    """Run a fitter; a search may pass through overflow on its way, and may fail to converge."""
    with (
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            fitter = fit()
        except (failure, np.linalg.LinAlgError):
            return RawFit(converged=False, values={}, standard_errors={})
    return RawFit(
        converged=True,
        values={
            name: float(value) * rescale.get(name, 1.0) for name, value in fitter.params_.items()
        },
        standard_errors={
            name: float(value) * rescale.get(name, 1.0)
            for name, value in fitter.standard_errors_.items()
        },
    )
