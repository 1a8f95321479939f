"""What an allocation may use: budgets, pieces, contacts, and shares that must be reached. Owns no solution.

Every limit is linear: it weighs the cost, or the number, of the customers who get each offer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.errors import ParameterError, did_you_mean, problem

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Money for some offers.

    Attributes:
        amount_cents: What may be spent, as costs are expected.
        offers: The offers that it pays; none: all.
        name: What the result calls it.
    """

    amount_cents: float
    offers: Sequence[str] = ()
    name: str = "budget"


@dataclass(frozen=True, kw_only=True)
class ContactLimit:
    """How many customers may get one of some offers, such as those of a channel.

    Attributes:
        customers: How many.
        offers: The offers; none: all.
        name: What the result calls it.
    """

    customers: float
    offers: Sequence[str] = ()
    name: str = "contacts"


@dataclass(frozen=True, kw_only=True, eq=False)
class Resources:
    """Limits as arrays.

    Attributes:
        names: Of each limit its name.
        of_cost: Limit x offer: weight of the cost.
        of_count: Limit x offer: weight of the customers.
        limit: Of each the limit; a share that must be reached is a limit from above on its negative.
    """

    names: tuple[str, ...]
    of_cost: Floats
    of_count: Floats
    limit: Floats

    def used(self, cost: Floats, count: Floats) -> Floats:
        """Return what is used of each limit, from the cost and the customers of each offer."""
        return np.asarray(self.of_cost @ cost + self.of_count @ count)


def resources_of(
    offers: Sequence[str],
    customers: float,
    *,
    budgets: Sequence[Budget],
    inventory: Mapping[str, float],
    contacts: Sequence[ContactLimit],
    minimum_shares: Mapping[str, float],
) -> Resources:
    """Return the limits of an allocation.

    Raises:
        ParameterError: An offer is not known, a limit is below 0 or no number, a name is used twice, or
            the shares that must be reached add up to more than all.
    """
    rows: list[tuple[str, Floats, Floats, float]] = []
    nothing = np.zeros(len(offers))
    for budget in budgets:
        _amount(budget.name, budget.amount_cents)
        rows.append(
            (budget.name, _of(offers, budget.offers, budget.name), nothing, budget.amount_cents)
        )
    for name, pieces in inventory.items():
        _amount(f"inventory of {name}", pieces)
        rows.append((f"inventory of {name}", nothing, _of(offers, [name], "inventory"), pieces))
    for limit in contacts:
        _amount(limit.name, limit.customers)
        rows.append((limit.name, nothing, _of(offers, limit.offers, limit.name), limit.customers))
    for name, share in minimum_shares.items():
        if not 0 <= share <= 1:
            raise ParameterError(problem(f"minimum share of {name}", share, "must be from 0 to 1"))
        rows.append(
            (
                f"minimum share of {name}",
                nothing,
                -_of(offers, [name], "minimum_shares"),
                -share * customers,
            )
        )
    if sum(minimum_shares.values()) > 1:
        raise ParameterError(
            problem("minimum_shares", sum(minimum_shares.values()), "must add up to at most 1")
        )
    names = [row[0] for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ParameterError(f"two limits are named {twice[0]!r}; give each a name of its own")
    shape = (len(rows), len(offers))
    return Resources(
        names=tuple(names),
        of_cost=np.array([row[1] for row in rows]).reshape(shape),
        of_count=np.array([row[2] for row in rows]).reshape(shape),
        limit=np.array([row[3] for row in rows], dtype=np.float64),
    )


def _amount(name: str, value: object) -> None:
    if not (isinstance(value, int | float | np.number) and np.isfinite(value) and value >= 0):
        raise ParameterError(problem(name, value, "must be a number from 0"))


def _of(offers: Sequence[str], names: Sequence[str], key: str) -> Floats:
    """Return 1 for each named offer; for none, for all."""
    for name in names:
        if name not in offers:
            rule = f"must be one of {', '.join(offers)}"
            hint = did_you_mean(name, list(offers))
            raise ParameterError(problem(f"offer of {key}", name, rule, hint=hint))
    return np.array([1.0 if not names or offer in names else 0.0 for offer in offers])
