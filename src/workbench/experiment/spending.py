"""Group-sequential bounds: looks that were planned spend the level bit by bit. Owns no data and no decision.

A confidence sequence may be looked at whenever one likes and pays for it with width. Who looks a few
times at known shares of the information pays less: a spending function says how much of the level may be
used up at each look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm

from workbench import text
from workbench.arguments import checked
from workbench.errors import ParameterError, problem
from workbench.experiment.sequences import Floats, check_alpha

Family: TypeAlias = Literal["obrien_fleming", "pocock", "power"]
Spend: TypeAlias = Callable[[float, float], float]
"""Share of the information and level to the level that may be spent up to there."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_FAR = 9.0
_NOTHING = 1e-16


@dataclass(frozen=True, kw_only=True, eq=False)
class Looks(text.Result):
    """Bounds of planned looks.

    Attributes:
        table: A row a look with ``information_share`` (of the planned units), ``bound_z`` (stop when
            z is at least that, on either side for two sides), ``spent_share`` (level used up to here) and
            ``nominal_rate`` (the p-value below which to stop).
        text: How many looks there are and what the last one costs beside a single one.
    """

    @property
    def bounds(self) -> list[float]:
        """The bounds in the order of the looks."""
        return [float(z) for z in self.table["bound_z"]]


@checked
def plan_looks(
    information: Sequence[float],
    *,
    alpha: float = 0.05,
    family: Family = "obrien_fleming",
    power: float = 2.0,
    sides: int = 2,
) -> Looks:
    """Return the bounds of looks at some shares of the information.

    The looks need not be equally far apart, and their number need not be known before: a bound
    depends on the looks up to its own alone (Lan and DeMets).

    Args:
        information: Shares of the planned units at the looks, ascending, the last at most 1.
        alpha: Level of all looks together.
        family: ``obrien_fleming`` keeps nearly all for the end, ``pocock`` spends early, ``power``
            spends α·t^power.
        power: Exponent of the power family.
        sides: 2, or 1 for the upper side alone.

    Returns:
        One bound a look.

    Raises:
        ParameterError: A share, the level, the exponent or the number of sides breaks its rule.

    Source: Lan and DeMets (1983), Biometrika 70; bounds by the recursion of Armitage, McPherson and
    Rowe (1969), with 200 Gauss-Legendre nodes a look.

    >>> looks = plan_looks([0.2, 0.4, 0.6, 0.8, 1.0])
    >>> [round(z, 3) for z in looks.bounds]
    [4.877, 3.357, 2.68, 2.29, 2.031]
    """
    check_alpha(alpha)
    shares = [float(each) for each in information]
    if not shares or any(not a < b for a, b in zip([0.0, *shares], shares, strict=False)):
        raise ParameterError(problem("information", shares, "must ascend from above 0"))
    if shares[-1] > 1:
        raise ParameterError(problem("information", shares[-1], "must be at most 1"))
    if sides not in (1, 2):
        raise ParameterError(problem("sides", sides, "must be 1 or 2"))
    if not power > 0:
        raise ParameterError(problem("power", power, "must be above 0"))
    spend = _FAMILIES[family] if family != "power" else lambda t, a: a * t**power
    level = alpha / sides if family != "power" else alpha
    per_side = 1 if family != "power" else sides
    spent = [spend(t, level) / per_side for t in shares]
    bounds = _bounds(np.array(shares), np.array(spent), two_sided=sides == 2)  # noqa: PLR2004 - two sides
    table = pd.DataFrame(
        {
            "look": range(1, len(shares) + 1),
            "information_share": shares,
            "bound_z": bounds,
            "spent_share": [sides * each for each in spent],
            "nominal_rate": sides * norm.sf(bounds),
        }
    )
    single = float(norm.isf(alpha / sides))
    said = (
        f"{text.plural(len(shares), 'planned look')} at a level of {text.share(alpha)} together: stop "
        f"at the first when z reaches {text.number(bounds[0])}, at the last when it reaches "
        f"{text.number(bounds[-1])}; a single look would stop at {text.number(single)}"
    )
    return Looks(table=table, text=text.sentence(said))


def crossing_probability(
    information: Sequence[float], bounds: Sequence[float], drift: float
) -> Floats:
    """Return the chance of a first crossing of the upper or lower bound at each look.

    Args:
        information: Shares of the information at the looks.
        bounds: Two-sided bounds of z.
        drift: Expected z at an information of 1: the effect over its final standard error.

    >>> looks = plan_looks([0.5, 1.0])
    >>> round(float(crossing_probability([0.5, 1.0], looks.bounds, 0.0).sum()), 6)
    0.05
    """
    t, z = np.asarray(information, dtype=float), np.asarray(bounds, dtype=float)
    out = np.empty(len(t))
    nodes, density, before = np.zeros(1), np.ones(1), 0.0
    for k, (now, bound) in enumerate(zip(t, z, strict=True)):
        step, edge = np.sqrt(now - before), bound * np.sqrt(now)
        shift = nodes + drift * (now - before)
        out[k] = density @ (norm.sf((edge - shift) / step) + norm.cdf((-edge - shift) / step))
        nodes, density = _carry(shift, density, step, (-edge, edge))
        before = now
    return out


def _bounds(t: Floats, spent: Floats, *, two_sided: bool) -> list[float]:
    """Return bounds that spend so much on the upper side (and as much on the lower)."""
    found: list[float] = []
    nodes, density, before, used = np.zeros(1), np.ones(1), 0.0, 0.0
    for now, total in zip(t, spent, strict=True):
        step, share = np.sqrt(now - before), max(total - used, _NOTHING)

        def over(z: float, *, now: float = now, step: float = step, share: float = share) -> float:
            upper = density @ norm.sf((z * np.sqrt(now) - nodes) / step)  # noqa: B023 - used at once
            return float(np.log(max(upper, 1e-300)) - np.log(share))

        bound = float(brentq(over, -_FAR, _FAR, xtol=1e-12))
        edge = bound * np.sqrt(now)
        floor = -edge if two_sided else -_FAR * np.sqrt(now)
        nodes, density = _carry(nodes, density, step, (floor, edge))
        found.append(bound)
        before, used = now, total
    return found


def _carry(
    nodes: Floats, density: Floats, step: float, span: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Return nodes and weighted density of the sum after a step, within the span that goes on."""
    middle, half = (span[0] + span[1]) / 2, (span[1] - span[0]) / 2
    new = middle + half * _NODES
    kernel = norm.pdf((new[:, None] - nodes[None, :]) / step) / step
    return new, half * _WEIGHTS * (kernel @ density)


def _obrien_fleming(t: float, alpha: float) -> float:
    """Return the one-sided level spent up to a share, as O'Brien and Fleming's bounds spend it."""
    return float(2 * norm.sf(norm.isf(alpha / 2) / np.sqrt(t)))


def _pocock(t: float, alpha: float) -> float:
    """Return the level spent up to a share, as Pocock's bounds spend it."""
    return float(alpha * np.log(1 + (np.e - 1) * t))


_FAMILIES: dict[str, Spend] = {"obrien_fleming": _obrien_fleming, "pocock": _pocock}
