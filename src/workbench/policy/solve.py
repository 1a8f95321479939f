"""The best allocation under linear limits, by prices: column generation with a proven gap. Owns no limit.

At given prices every customer takes the offer with the largest value less its price, which is one pass over
the customers. Each pass is a plan with a value and a use; a small linear programme mixes the plans within the
limits (what can be had) and gives the next prices, and every pass bounds from above what could be had at all.
The gap between the two is what is left. Source: Dantzig and Wolfe (1960); the bound is Lagrange's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from workbench.errors import InputError
from workbench.policy.resources import Resources

Floats = npt.NDArray[np.float64]
Choices = npt.NDArray[np.int8]

NOTHING = -1
_TOWARDS_BEST = 0.5  # prices are tried between the best known ones and those of the small programme
_MOST_PASSES = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class Solved:
    """A mix of plans.

    Attributes:
        plans: Plan x customer: the offer that each gets, -1 for none.
        mix: Share of each plan.
        price: Of each limit what a further unit of it is worth.
        value: What the mix is worth.
        bound: What no allocation can exceed.
        passes: Passes over the customers.
    """

    plans: Choices
    mix: Floats
    price: Floats
    value: float
    bound: float
    passes: int

    @property
    def gap(self) -> float:
        """How far the mix may be from the best, as a share of it."""
        return (self.bound - self.value) / max(abs(self.bound), 1e-12)


def solve(
    value: Floats, cost: Floats, weight: Floats, resources: Resources, *, gap: float = 1e-6
) -> Solved:
    """Return the best mix of plans within the limits.

    Args:
        value: Customer x offer: what an offer is worth.
        cost: Customer x offer: what it costs.
        weight: How many customers a row stands for.
        resources: The limits.
        gap: Stop when the mix is at most this share below the bound.

    Raises:
        InputError: No allocation reaches the shares that must be reached.
    """
    run = _Run(value, cost, weight, resources)
    price = np.zeros(len(resources.names))
    plan = run.at(price)
    if not len(price) or (plan.used <= resources.limit + _slack(resources.limit)).all():
        return run.finished(np.array([1.0]), price, plan.value, plan.bound)
    run.add_nothing()
    run.add_cheapest()
    best_price, bound = price, plan.bound
    mix, value_of_mix = run.mixed()
    for _ in range(_MOST_PASSES):
        if bound - value_of_mix.value <= gap * max(abs(bound), 1e-12):
            break
        towards = value_of_mix.price
        tried = _TOWARDS_BEST * best_price + (1 - _TOWARDS_BEST) * towards
        before = bound
        for at in (tried, towards):
            plan = run.at(at)
            if plan.bound < bound:
                bound, best_price = plan.bound, at
            if plan.bound < before:
                break
        known = value_of_mix.value
        mix, value_of_mix = run.mixed()
        if (
            value_of_mix.value <= known
            and bound >= before
            and np.allclose(towards, value_of_mix.price)
        ):
            break
    if run.missed(mix) > _slack(resources.limit).max():
        raise InputError(
            "no allocation holds all limits: the shares that must be reached need more than the budgets, "
            "pieces or contacts allow; lower them or raise those"
        )
    return run.finished(mix, best_price, value_of_mix.value, bound)


@dataclass(frozen=True)
class _Plan:
    value: float
    used: Floats
    bound: float


@dataclass(frozen=True)
class _Mixed:
    value: float
    price: Floats


class _Run:
    """The plans that were made so far."""

    def __init__(self, value: Floats, cost: Floats, weight: Floats, resources: Resources) -> None:
        self._value = np.ascontiguousarray(value, dtype=np.float64)
        self._cost = np.ascontiguousarray(cost, dtype=np.float64)
        self._weight = np.ascontiguousarray(weight, dtype=np.float64)
        self._resources = resources
        self._plans: list[Choices] = []
        self._values: list[float] = []
        self._used: list[Floats] = []
        self._largest = float(np.abs(self._value).max() * self._weight.sum()) + 1.0

    def at(self, price: Floats) -> _Plan:
        """Let every customer take the best offer at these prices, and keep the plan."""
        of_cost = np.ascontiguousarray(price @ self._resources.of_cost)
        of_count = np.ascontiguousarray(price @ self._resources.of_count)
        net, choice, value, cost, count = _best(
            self._value, self._cost, self._weight, of_cost, of_count
        )
        used = self._resources.used(cost, count)
        self._keep(choice, value, used)
        return _Plan(value, used, net + float(price @ self._resources.limit))

    def add_nothing(self) -> None:
        """Keep the plan that gives nothing to anybody."""
        rows = len(self._weight)
        self._keep(np.full(rows, NOTHING, dtype=np.int8), 0.0, np.zeros(len(self._resources.limit)))

    def add_cheapest(self) -> None:
        """Keep, for each share that must be reached, the plan that gives that offer to all."""
        for row in np.flatnonzero((self._resources.of_count < 0).any(axis=1)):
            offer = int(np.flatnonzero(self._resources.of_count[row] < 0)[0])
            count, cost = np.zeros(self._value.shape[1]), np.zeros(self._value.shape[1])
            count[offer] = self._weight.sum()
            cost[offer] = float(self._weight @ self._cost[:, offer])
            value = float(self._weight @ self._value[:, offer])
            choice = np.full(len(self._weight), offer, dtype=np.int8)
            self._keep(choice, value, self._resources.used(cost, count))

    def _keep(self, choice: Choices, value: float, used: Floats) -> None:
        self._plans.append(choice)
        self._values.append(value)
        self._used.append(used)

    def mixed(self) -> tuple[Floats, _Mixed]:
        """Return the best mix of the plans within the limits, and its prices.

        What exceeds a limit is bought at a price that no offer is worth, so there is always a mix. HiGHS may
        fail on amounts that are far from 1; then they are counted in units of the largest plan.
        """
        used, limit = np.array(self._used).T, self._resources.limit
        size = np.maximum(np.abs(limit), 1.0)
        dear = np.full(len(limit), 1e3 * self._largest)
        charge = np.concatenate([-np.array(self._values), dear])
        for unit in (1.0, float(np.abs(self._values).max()) or 1.0):
            found = linprog(
                charge / unit,
                A_ub=np.hstack([used / size[:, None], -np.eye(len(limit))]),
                b_ub=limit / size,
                A_eq=np.concatenate([np.ones(len(self._values)), np.zeros(len(limit))])[None, :],
                b_eq=[1.0],
                method="highs",
            )
            if found.x is not None:
                break
        mix = np.clip(np.asarray(found.x)[: len(self._values)], 0.0, 1.0)
        price = np.maximum(-np.asarray(found.ineqlin.marginals), 0.0) * unit / size
        return mix, _Mixed(-float(np.asarray(found.fun)) * unit, price)

    def missed(self, mix: Floats) -> float:
        """Return by how much a mix exceeds a limit at most."""
        over = np.array(self._used).T @ mix - self._resources.limit
        return float(over.max())

    def finished(self, mix: Floats, price: Floats, value: float, bound: float) -> Solved:
        """Return what was found."""
        mix = np.concatenate([mix, np.zeros(len(self._plans) - len(mix))])
        there = mix > 1e-12  # noqa: PLR2004 - a share of nobody
        return Solved(
            plans=np.array([p for p, keep in zip(self._plans, there, strict=True) if keep]),
            mix=mix[there] / mix[there].sum(),
            price=price,
            value=value,
            bound=max(bound, value),
            passes=len(self._plans),
        )


def _slack(limit: Floats) -> Floats:
    return 1e-7 * np.maximum(np.abs(limit), 1.0)


@numba.njit(cache=True, nogil=True)
def _best(
    value: Floats, cost: Floats, weight: Floats, of_cost: Floats, of_count: Floats
) -> tuple[float, Choices, float, Floats, Floats]:
    """Return what is left at prices, the choices, their value, and cost and customers by offer."""
    rows, offers = value.shape
    choice = np.full(rows, NOTHING, dtype=np.int8)
    costs, counts = np.zeros(offers), np.zeros(offers)
    net, total = 0.0, 0.0
    for i in range(rows):
        best, at = 0.0, NOTHING
        for o in range(offers):
            left = value[i, o] - of_cost[o] * cost[i, o] - of_count[o]
            if left > best:
                best, at = left, o
        if at >= 0:
            choice[i] = at
            net += weight[i] * best
            total += weight[i] * value[i, at]
            costs[at] += weight[i] * cost[i, at]
            counts[at] += weight[i]
    return net, choice, total, costs, counts
