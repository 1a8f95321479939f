"""Budgets and inventories in words: what was reserved, and from where on one is closed."""

from __future__ import annotations

from typing import Any

from oracle_time import period_start

Place = tuple[Any, ...]
Account = tuple[str, int]


class Accounts:
    """All budgets of a set of programmes, over all persons."""

    def __init__(self, programmes: Any, zone: str) -> None:
        self.set = programmes
        self.names = [each.name for each in programmes]
        self.zone = zone
        self.spent: dict[Account, int] = {}
        self.closed_from: dict[Account, Place] = {}

    def of(self, programme: Any, offer: Any, known: int) -> list[tuple[Account, int, int, str]]:
        """Return account, amount to reserve, amount there is, and the reason of a closed one."""
        found = []
        number = self.set.budget_of[self.names.index(programme.name)]
        if number >= 0:
            budget = self.set.budgets[number]
            zone = "UTC" if budget.zone == "utc" else self.zone
            start = 0 if budget.per == "total" else period_start(known, budget.per, zone)
            account = (f"budget {number}", start)
            found.append((account, offer.cost_cents, budget.amount_cents, "budget_closed"))
        if offer.inventory is not None:
            account = (f"inventory {programme.name} {offer.id}", 0)
            found.append((account, 1, offer.inventory, "inventory_gone"))
        return found

    def is_closed(self, programme: Any, offer: Any, known: int, place: Place) -> str | None:
        """Return the reason when a budget of the offer is closed at a place."""
        if programme.kind == "listening":
            return None
        for account, _, _, reason in self.of(programme, offer, known):
            if account in self.closed_from and place >= self.closed_from[account]:
                return reason
        return None

    def reserve(self, programme: Any, offer: Any, known: int, place: Place) -> bool:
        """Reserve the full cost; close the first budget that it would exceed instead."""
        accounts = self.of(programme, offer, known)
        for account, amount, whole, _ in accounts:
            if self.spent.get(account, 0) + amount > whole:
                self.closed_from[account] = place
                return False
        for account, amount, _, _ in accounts:
            self.spent[account] = self.spent.get(account, 0) + amount
        return True
