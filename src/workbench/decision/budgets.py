"""Budgets: what was reserved, and the point at which a budget closes. Owns no candidate and no loop.

A budget reserves the full cost of an offer at its decision, never gives anything back within its
period, and closes at the first decision that would exceed it; from that place on it is closed for
the rest of the period. While it is open it couples nobody, so persons can be decided apart: their
reserves are merged afterwards, the earliest place at which a budget binds is found
(:meth:`Ledger.first_to_bind`), and what lies behind it is decided again with that closing.

A *place* is ``(known_at_us, seq, key)``. An inventory is a budget that counts pieces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.errors import WorkbenchError

Account = tuple[int, int]
"""``(budget, period)``: the number of the budget and whatever names the period."""

Place = tuple[int, int, int]
"""``(known_at_us, seq, key)``: a total order of all places at which a slot is filled."""


class Reserves(NamedTuple):
    """What decisions reserved: one row a decision and budget, in any order.

    Attributes:
        known_at_us: First part of the place.
        seq: Second part of the place.
        key: Third part of the place.
        budget: Number of the budget.
        period: Names the period of the budget.
        amount: Cents, or pieces of an inventory.
    """

    known_at_us: NDArray[np.int64]
    seq: NDArray[np.int64]
    key: NDArray[np.int64]
    budget: NDArray[np.int64]
    period: NDArray[np.int64]
    amount: NDArray[np.int64]

    @classmethod
    def none(cls) -> Reserves:
        """Return reserves of nothing."""
        return cls(*(np.zeros(0, dtype=np.int64) for _ in cls._fields))

    @classmethod
    def merged(cls, several: Sequence[Reserves]) -> Reserves:
        """Return several in one."""
        if not several:
            return cls.none()
        return cls(*(np.concatenate(columns) for columns in zip(*several, strict=True)))

    def of(self, account: Account) -> Reserves:
        """Return those of one account."""
        mine = (self.budget == account[0]) & (self.period == account[1])
        return Reserves(*(column[mine] for column in self))

    def by_account(self) -> dict[Account, int]:
        """Return the sum of each account."""
        if not len(self.amount):
            return {}
        periods, of_period = np.unique(self.period, return_inverse=True)
        place = self.budget * len(periods) + of_period
        sums = np.zeros(int(place.max()) + 1, dtype=np.int64)
        np.add.at(sums, place, self.amount)
        return {
            (account // len(periods), int(periods[account % len(periods)])): int(sums[account])
            for account in np.flatnonzero(np.bincount(place)).tolist()
        }

    def behind(self, account: Account, place: Place) -> bool:
        """Whether anything of the account was reserved at the place or behind it."""
        mine = self.of(account)
        known, seq, key = place
        same = mine.known_at_us == known
        later = (mine.known_at_us > known) | (
            same & ((mine.seq > seq) | ((mine.seq == seq) & (mine.key >= key)))
        )
        return bool(later.any())


@dataclass(frozen=True)
class Ledger:
    """What is reserved so far, and where budgets closed.

    Attributes:
        spent: By account what was reserved.
        closings: By account the place from which on it is closed.

    >>> ledger = Ledger.empty()
    >>> ledger.take((0, 0), 100, amount_of=250, place=(1, 1, 0))
    True
    >>> ledger.take((0, 0), 200, amount_of=250, place=(2, 2, 0))  # would be 300 of 250
    False
    >>> ledger.take((0, 0), 1, amount_of=250, place=(3, 3, 0))    # closed for the rest
    False
    >>> ledger.spent, ledger.closings
    ({(0, 0): 100}, {(0, 0): (2, 2, 0)})
    """

    spent: dict[Account, int] = field(default_factory=dict)
    closings: dict[Account, Place] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Ledger:
        """Return the ledger before the first decision."""
        return cls({}, {})

    def copy(self) -> Ledger:
        """Return a ledger that changes apart from this one."""
        return Ledger(dict(self.spent), dict(self.closings))

    def closed(self, account: Account, place: Place) -> bool:
        """Whether an account is closed at a place."""
        closing = self.closings.get(account)
        return closing is not None and place >= closing

    def take(self, account: Account, amount: int, *, amount_of: int, place: Place) -> bool:
        """Reserve from an account; when that would exceed it, close it at the place instead.

        Args:
            account: Budget and period.
            amount: What to reserve.
            amount_of: What the budget has in one period.
            place: Where the decision stands; places are taken in their order.

        Returns:
            Whether it was reserved.
        """
        if self.closed(account, place):
            return False
        spent = self.spent.get(account, 0)
        if spent + amount > amount_of:
            self.closings[account] = place
            return False
        self.spent[account] = spent + amount
        return True

    def first_to_bind(
        self, reserves: Reserves, amounts: Sequence[int]
    ) -> tuple[Account, Place] | None:
        """Return the account that is exceeded at the earliest place, and that place.

        Args:
            reserves: What was reserved after this ledger, with its closings.
            amounts: By number of the budget, what it has in one period.

        Returns:
            None when no budget is exceeded. Of two at one place, the lower number.

        Raises:
            WorkbenchError: Something was reserved behind a closing.
        """
        found: list[tuple[Place, Account]] = []
        for account, total in reserves.by_account().items():
            room = amounts[account[0]] - self.spent.get(account, 0)
            closing = self.closings.get(account)
            if closing is not None and reserves.behind(account, closing):
                raise WorkbenchError(
                    f"budget {account[0]} was used behind its closing; this is a fault of the replay"
                )
            if total <= room:
                continue
            mine = reserves.of(account)
            order = np.lexsort((mine.key, mine.seq, mine.known_at_us))
            at = order[int(np.argmax(np.cumsum(mine.amount[order]) > room))]
            place = (int(mine.known_at_us[at]), int(mine.seq[at]), int(mine.key[at]))
            found.append((place, account))
        if not found:
            return None
        place, account = min(found)
        return account, place

    def settle(self, reserves: Reserves) -> None:
        """Add what was reserved; no budget may be exceeded by it (see :meth:`first_to_bind`)."""
        for account, total in reserves.by_account().items():
            self.spent[account] = self.spent.get(account, 0) + total
