"""The uplift model in PyMC: levels and effects of cells, partly pooled. Owns no likelihood and no prior scale.

For cell c with level l(d, c) of dimension d, and arm a::

    level(c)     = intercept + Σ_d β_d[l(d, c)] + s·γ[c]
    effect(c, a) = average_a + Σ_d t_d·δ_d[l(d, c), a] + t·ζ[c, a]

γ, δ and ζ are standard normal (non-centred), β normal of a fixed scale, s and t half-normal. The levels of a
dimension add up to nothing, and what is left to the cells is what the dimensions do not say (their interactions):
each term is written in an orthonormal basis of its own space, so no two of them can trade places, and the
sampler has as many coordinates as there are cells. An effect is that of its arm until the data say that a
dimension, or a cell, differs.

Source: partial pooling as in Gelman et al., Bayesian Data Analysis (3rd ed.), chapters 5 and 15; sums to zero as
in PyMC's ZeroSumNormal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_solve, cholesky, null_space, solve_triangular
from scipy.optimize import minimize

from workbench.uplift.cells import Cells
from workbench.uplift.kinds import Kind
from workbench.uplift.priors import UpliftPrior

Floats = npt.NDArray[np.float64]

_CENTRING = 12  # only what the data nearly settle is centred: half-centred ones diverge
_MOST_TO_SEARCH = 1_000  # coefficients; more are written with the spreads at half of their scale


def model_of(cells: Cells, outcome: str, prior: UpliftPrior, *, plain: bool = False) -> Any:
    """Return the PyMC model of one outcome.

    Args:
        cells: Customers summed up in cells.
        outcome: Which outcome.
        prior: The scales.
        plain: Write the coefficients as standard normal variables. Otherwise they are written in
            coordinates in which they are nearly independent given the data, which is the same model
            and needs a tenth of the steps.

    Returns:
        A model with ``level`` (cell), ``effect`` (cell x offer) and ``spread`` (of each term), and the
        likelihood of the cells as a potential.
    """
    import pymc as pm  # noqa: PLC0415 - takes seconds, and only a fit needs it

    pt = _pytensor()

    kind = cells.kinds[outcome]
    design = design_of(cells, outcome, prior)
    coords = {"cell": cell_names(cells), "offer": list(cells.arms[1:]), "term": list(design.terms)}
    with pm.Model(coords=coords) as model:
        log_spread: Any = np.zeros(len(design.block))
        if design.terms:
            spread = pm.HalfNormal("spread", np.array(design.scales), dims="term")
            log_spread = pt.concatenate([np.zeros(1), pt.log(spread)])[design.block]
        if plain:
            coefficients = pm.Normal("coefficient", shape=len(design.block)) * pt.exp(log_spread)
        else:
            found = nearly_independent(design)
            free = pm.Flat("coordinate", shape=len(design.block))
            partly = found.at + pt.dot(found.root, free)
            inside = found.centring * log_spread
            pm.Potential("prior", (-0.5 * (partly * pt.exp(-inside)) ** 2 - inside).sum())
            coefficients = partly * pt.exp(log_spread - inside)
        flat = design.centre + pt.dot(design.matrix, coefficients)
        eta = flat.reshape(cells.n.shape)
        # As data, so that the compiled model can be given another experiment of the same cells.
        n = pm.Data("customers", cells.n)
        sums = {name: pm.Data(f"sum_{name}", each) for name, each in cells.sums[outcome].items()}
        pm.Deterministic("level", eta[:, 0], dims="cell")
        pm.Deterministic("effect", eta[:, 1:] - eta[:, :1], dims=("cell", "offer"))
        extras = _further(kind, sums, prior, design.scale)
        total = kind.log_likelihood(eta, extras, n, sums, PytensorOps).sum()
        pm.Potential("log_likelihood", total)
    return model


def _further(kind: Kind, sums: Any, prior: UpliftPrior, scale: float) -> dict[str, Any]:
    """Add the further parameters of a kind."""
    import pymc as pm  # noqa: PLC0415 - takes seconds, and only a fit needs it

    pt = _pytensor()

    extras: dict[str, Any] = {}
    for name, over in kind.extras.items():
        if over == "one":
            extras[name] = pm.LogNormal(name, 0.0, prior.dispersion)
        else:
            log = pm.Normal(f"log_{name}", 0.0, 0.5 * prior.dispersion, dims="cell")
            extras[name] = pm.Deterministic(name, scale * pt.exp(log), dims="cell")
    if "x" in sums:
        extras["beta"] = pm.Deterministic("beta", scale * pm.Normal("beta_scaled"))
    return extras


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """The linear predictor: what each coefficient adds to each cell and arm.

    Attributes:
        centre: The overall level.
        scale: The unit of effects.
        matrix: (Cell x arm) x coefficient.
        block: Of each coefficient the spread that multiplies it: 0 for none, else 1 + its term.
        terms: Names of the spreads.
        scales: Scales of their half-normal priors.
        seen: (Cell x arm): the predictor that the sums alone say.
        information: (Cell x arm): how much they say, as an inverse variance.
    """

    centre: float
    scale: float
    matrix: Floats
    block: npt.NDArray[np.int64]
    terms: tuple[str, ...]
    scales: tuple[float, ...]
    seen: Floats
    information: Floats


def design_of(cells: Cells, outcome: str, prior: UpliftPrior) -> Design:
    """Return the predictor of an outcome.

    An exchangeable normal vector over levels, projected on what adds up to nothing, is standard normal in
    an orthonormal basis of that space; so is one over cells, projected on what no dimension says.
    """
    kind, sums = cells.kinds[outcome], cells.sums[outcome]
    centre, scale = kind.start(cells.n, sums)
    count, arms = cells.n.shape
    mains = [
        null_space(np.ones((1, len(cells.levels[name]))))[cells.place[:, d]]
        for d, name in enumerate(cells.by)
    ]
    one = np.ones((count, 1))
    rest = null_space(np.hstack([one, *mains]).T) if len(cells.by) > 1 else np.zeros((count, 0))
    terms = [f"effect by {name}" for name in cells.by]
    scales = [prior.effect_spread] * len(terms)
    if rest.shape[1]:
        terms += ["effect between cells", "level between cells"]
        scales += [prior.effect_spread, prior.baseline_spread]
    everywhere, control = np.ones(arms), np.zeros(arms)
    parts: list[tuple[Floats, Floats, int]] = [(prior.baseline * one, everywhere, 0)]
    parts += [(prior.baseline_spread * main, everywhere, 0) for main in mains]
    if rest.shape[1]:
        parts.append((rest, everywhere, len(terms)))
    for offer in range(1, arms):
        mine = control.copy()
        mine[offer] = 1.0
        parts.append((prior.effect * one, mine, 0))
        parts += [(main, mine, 1 + d) for d, main in enumerate(mains)]
        if rest.shape[1]:
            parts.append((rest, mine, len(terms) - 1))
    matrix = np.hstack(
        [
            (of_cell[:, None, :] * of_arm[None, :, None]).reshape(count * arms, -1)
            for of_cell, of_arm, _ in parts
        ]
    )
    block = np.concatenate([np.full(of_cell.shape[1], which) for of_cell, _, which in parts])
    seen, information = kind.seen(cells.n, sums)
    return Design(
        centre=centre,
        scale=scale,
        matrix=scale * matrix,
        block=block.astype(np.int64),
        terms=tuple(terms),
        scales=tuple(scales),
        seen=seen.ravel(),
        information=information.ravel(),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Coordinates:
    """Coordinates in which coefficients are nearly independent given the data.

    A coefficient is ``spread**(1 - centring)`` times ``at + root @ coordinate``.

    Attributes:
        at: Where the data put them, about.
        root: A root of their covariance, about.
        centring: Of each coefficient how far it is centred: 0 where the data say nothing, 1 where the
            data say all. Source: Papaspiliopoulos, Roberts and Sköld (2007), partial non-centring.
    """

    at: Floats
    root: Floats
    centring: Floats


def nearly_independent(design: Design) -> Coordinates:
    """Return coordinates in which the coefficients are nearly independent given the data.

    For that the predictor is taken as seen with normal noise, and the spreads where they are then most
    probable. The posterior is not approximated by it: only the coordinates are chosen.
    """
    residual = design.seen - design.centre
    weighted = design.matrix * design.information[:, None]
    gram, pull = design.matrix.T @ weighted, weighted.T @ residual
    quadratic = float(residual @ (design.information * residual))
    scales = np.array(design.scales)

    def parts(log_spread: Floats) -> tuple[Floats, Floats]:
        multiplier = np.concatenate([[1.0], np.exp(log_spread)])[design.block]
        return multiplier[:, None] * gram * multiplier[None, :], multiplier * pull

    def loss(log_spread: Floats) -> float:
        precision, target = parts(log_spread)
        root = cholesky(precision + np.eye(len(precision)), lower=True)
        solved = solve_triangular(root, target, lower=True)
        spread = np.exp(log_spread)
        evidence = -np.log(np.diag(root)).sum() - 0.5 * (quadratic - solved @ solved)
        return float(-evidence + 0.5 * ((spread / scales) ** 2).sum() - log_spread.sum())

    log_spread: Floats = np.log(0.5 * scales)
    if len(log_spread) and len(design.block) <= _MOST_TO_SEARCH:
        found = minimize(loss, log_spread, method="L-BFGS-B", options={"maxiter": 40})
        log_spread = np.asarray(found.x)
    precision, target = parts(log_spread)
    whole = cho_solve(
        (cholesky(precision + np.eye(len(precision)), lower=True), True), np.eye(len(precision))
    )
    told = (1.0 - np.diag(whole)).clip(0.0, 1.0)
    centring = np.where(design.block > 0, told**_CENTRING, 0.0)
    unit = np.concatenate([[1.0], np.exp(log_spread)])[design.block] ** centring
    return Coordinates(
        at=unit * (whole @ target),
        root=unit[:, None] * cholesky(whole, lower=True),
        centring=centring,
    )


def cell_names(cells: Cells) -> list[str]:
    """Return the names of cells: their levels, one after the other."""
    return [" · ".join(map(str, row)) for row in cells.table.itertuples(index=False)]


def _pytensor() -> Any:
    import pytensor.tensor  # noqa: PLC0415 - takes seconds, and only a fit needs it

    return pytensor.tensor


class PytensorOps:
    """The functions of a log-likelihood, from PyTensor."""

    @staticmethod
    def exp(x: Any) -> Any:
        """Return e^x."""
        return _pytensor().exp(x)

    @staticmethod
    def log(x: Any) -> Any:
        """Return log x."""
        return _pytensor().log(x)

    @staticmethod
    def logaddexp(x: Any, y: Any) -> Any:
        """Return log(e^x + e^y)."""
        return _pytensor().logaddexp(x, y)

    @staticmethod
    def gammaln(x: Any) -> Any:
        """Return log Γ(x)."""
        return _pytensor().gammaln(x)

    @staticmethod
    def softplus(x: Any) -> Any:
        """Return log(1 + e^x)."""
        return _pytensor().softplus(x)

    @staticmethod
    def dot(histogram: Any, of_value: Any) -> Any:
        """Return the sum over a histogram, cell x arm."""
        return _pytensor().tensordot(histogram, of_value, axes=[[2], [0]])

    @staticmethod
    def over(x: Any, axes: int = 1) -> Any:
        """Return one value, which needs no further axes."""
        del axes
        return x
