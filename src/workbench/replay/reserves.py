"""What decisions reserve of budgets, and closings as the core reads them. Owns no account."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from workbench.decision import clocks
from workbench.decision.budgets import Ledger, Reserves
from workbench.decision.clocks import CALENDARS
from workbench.decision.desk import (
    A_BUDGETS,
    A_BUDGETS_END,
    KIND_RELEASE,
    NEVER_US,
    O_ACTION,
    O_KEY,
    O_KIND,
    O_KNOWN,
    O_REASON,
    O_SEQ,
    Table,
)
from workbench.decision.rules import Account, Rules
from workbench.records import GLOBAL_HOLDOUT, HELD_OUT, OFFERED, QUEUED
from workbench.replay.decided import among

_TOOK = among((OFFERED, HELD_OUT, GLOBAL_HOLDOUT, QUEUED))


def reserves_of(out: Table, rules: Rules, zones: Table, changes: Table) -> Reserves:
    """Return what rows of decisions reserve: the full cost, or a piece; a release nothing again."""
    if not rules.accounts:
        return Reserves.none()
    took = _TOOK[out[:, O_REASON]] & (out[:, O_KIND] != KIND_RELEASE)
    found = []
    for a, action in enumerate(rules.action_list):
        first, end = rules.actions[a, A_BUDGETS], rules.actions[a, A_BUDGETS_END]
        if first == end or action.offer is None:
            continue
        mine = out[took & (out[:, O_ACTION] == a)]
        for entry in rules.lists[first:end].tolist():
            account = rules.accounts[entry // 2]
            amount = 1 if account.pieces else action.offer.cost_cents
            found.append(
                Reserves(
                    mine[:, O_KNOWN].copy(),
                    mine[:, O_SEQ].copy(),
                    mine[:, O_KEY].copy(),
                    np.full(len(mine), entry // 2, dtype=np.int64),
                    periods_of(account, mine[:, O_KNOWN].copy(), zones, changes),
                    np.full(len(mine), amount, dtype=np.int64),
                )
            )
    return Reserves.merged(found)


def programmes_of(budget: int, rules: Rules) -> NDArray[np.bool_]:
    """Say for each programme whether an action of it draws from a budget."""
    found = np.zeros(len(rules.programmes), dtype=bool)
    for a, action in enumerate(rules.action_list):
        first, end = rules.actions[a, A_BUDGETS], rules.actions[a, A_BUDGETS_END]
        found[action.programme] |= bool((rules.lists[first:end] // 2 == budget).any())
    return found


def periods_of(
    account: Account, at_us: NDArray[np.int64], zones: Table, changes: Table
) -> NDArray[np.int64]:
    """Return the period of a budget in which instants lie: its first instant; 0 for the total."""
    if account.per == "total":
        return np.zeros(len(at_us), dtype=np.int64)
    zone = 1 if account.zone == "utc" else 0
    return _starts_compiled(zones, changes, zone, CALENDARS[account.per], at_us)


def closings_table(
    ledger: Ledger, rules: Rules, zones: Table, changes: Table
) -> tuple[Table, Table]:
    """Return for each budget where its closings lie, and all closings with the end of the period."""
    where = np.zeros((max(len(rules.accounts), 1), 2), dtype=np.int64)
    rows: list[tuple[int, int, int, int]] = []
    for b, account in enumerate(rules.accounts):
        mine = sorted(
            (place, period) for (number, period), place in ledger.closings.items() if number == b
        )
        where[b] = (len(rows), len(rows) + len(mine))
        for place, period in mine:
            end = NEVER_US
            if account.per != "total":
                zone = 1 if account.zone == "utc" else 0
                end = clocks.period_end(zones, changes, zone, CALENDARS[account.per], period)
            rows.append((*place, int(end)))
    return where, np.array(rows, dtype=np.int64).reshape(-1, 4)


def _starts(
    zones: Table, changes: Table, zone: int, calendar: int, at_us: NDArray[np.int64]
) -> NDArray[np.int64]:
    found = np.empty(len(at_us), dtype=np.int64)
    for i in range(len(at_us)):
        found[i] = clocks.period_start(zones, changes, zone, calendar, at_us[i])
    return found


_starts_compiled = numba.njit(cache=True, nogil=True)(_starts)
