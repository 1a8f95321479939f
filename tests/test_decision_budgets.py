"""Budgets: where they close, and that merging reserves finds what one piece would have found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.decision.budgets import Ledger, Reserves
from workbench.errors import WorkbenchError


def reserves(rows) -> Reserves:
    """Rows are (known_at_us, seq, key, budget, period, amount)."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 6)
    return Reserves(*(np.ascontiguousarray(column) for column in table.T))


def test_a_budget_that_is_spent_to_the_cent_stays_open():
    spent = reserves([(1, 0, 0, 0, 0, 60), (2, 1, 0, 0, 0, 40)])
    assert Ledger.empty().first_to_bind(spent, [100]) is None
    assert Ledger.empty().first_to_bind(spent, [99]) == ((0, 0), (2, 1, 0))


def test_the_earliest_place_closes_first_whatever_the_order_of_the_rows():
    rows = [(9, 0, 0, 0, 0, 80), (3, 0, 0, 1, 0, 80), (3, 5, 0, 1, 0, 80), (1, 0, 0, 0, 0, 80)]
    for order in (rows, rows[::-1]):
        assert Ledger.empty().first_to_bind(reserves(order), [100, 100]) == ((1, 0), (3, 5, 0))


def test_of_two_budgets_at_one_place_the_lower_number_closes():
    rows = [(1, 0, 0, budget, 0, 80) for budget in (1, 0)]
    assert Ledger.empty().first_to_bind(reserves(rows), [50, 50]) == ((0, 0), (1, 0, 0))


def test_periods_have_accounts_of_their_own():
    rows = [(1, 0, 0, 0, 7, 80), (2, 0, 0, 0, 8, 80)]
    ledger = Ledger.empty()
    assert ledger.first_to_bind(reserves(rows), [100]) is None
    ledger.settle(reserves(rows))
    assert ledger.spent == {(0, 7): 80, (0, 8): 80}


def test_what_was_spent_before_counts():
    ledger = Ledger({(0, 0): 50}, {})
    assert ledger.first_to_bind(reserves([(5, 0, 0, 0, 0, 51)]), [100]) == ((0, 0), (5, 0, 0))


def test_a_reserve_behind_a_closing_is_a_fault():
    ledger = Ledger({}, {(0, 0): (3, 0, 0)})
    assert ledger.first_to_bind(reserves([(2, 9, 9, 0, 0, 1)]), [100]) is None
    for place in ((3, 0, 0), (3, 0, 1), (3, 1, 0), (4, 0, 0)):
        with pytest.raises(WorkbenchError, match="behind its closing"):
            ledger.first_to_bind(reserves([(*place, 0, 0, 1)]), [100])


def test_nothing_reserved_binds_nothing():
    assert Ledger.empty().first_to_bind(Reserves.none(), [1]) is None
    assert Reserves.merged([]).by_account() == {}


@given(
    wishes=st.lists(
        st.tuples(
            st.integers(0, 5),  # known at
            st.integers(0, 2),  # person, who is in the part of that number
            st.integers(0, 1),  # budget
            st.integers(1, 3),  # amount
        ),
        max_size=25,
    ),
    amounts=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
@settings(deadline=None)
def test_parts_decided_apart_close_where_one_piece_closes(wishes, amounts):
    """Each wish reserves when its account is open; the period is the instant halved."""
    wishes = [
        (known, seq, 0, budget, known // 3, amount, person)
        for seq, (known, person, budget, amount) in enumerate(sorted(wishes))
    ]
    whole = Ledger.empty()
    taken = [
        wish
        for wish in wishes
        if whole.take((wish[3], wish[4]), wish[5], amount_of=amounts[wish[3]], place=wish[:3])
    ]
    apart = Ledger.empty()
    while True:
        parts = [
            [
                wish
                for wish in wishes
                if wish[6] == part and not apart.closed((wish[3], wish[4]), wish[:3])
            ]
            for part in range(3)
        ]
        merged = Reserves.merged([reserves([wish[:6] for wish in part]) for part in parts])
        bound = apart.first_to_bind(merged, amounts)
        if bound is None:
            break
        apart.closings[bound[0]] = bound[1]
    apart.settle(merged)
    assert sorted(wish for part in parts for wish in part) == sorted(taken)
    assert apart.closings == whole.closings
    assert apart.spent == {account: spent for account, spent in whole.spent.items() if spent}
