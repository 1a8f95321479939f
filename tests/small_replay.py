"""The compiled core on nothing at all: what a process must do to load its machine code."""

from __future__ import annotations

import numpy as np

from workbench.decision import core
from workbench.decision.budgets import Ledger
from workbench.decision.clocks import tables_of
from workbench.decision.desk import (
    C_WIDTH,
    L_WIDTH,
    O_WIDTH,
    R_WIDTH,
    T_WIDTH,
    W_WIDTH,
    Desk,
    nothing_given,
)
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.rules import rules_of
from workbench.replay.part import rule_tables
from workbench.replay.reserves import closings_table

__all__ = ["core", "decide_something"]


def decide_something() -> None:
    """Run the compiled core over no event of nobody."""
    programme = Programme.from_mapping(
        {
            "name": "p",
            "stage": "engagement",
            "kind": "targeting",
            "trigger": {"event": "purchase"},
            "offers": [
                {"id": "o", "value_cents": 2, "cost_cents": 1, "redemption_rate": 1, "channel": "a"}
            ],
            "experiment": {"unit": "customer", "holdout_share": 0, "salt": "s"},
        },
        source="p",
    )
    rules = rules_of(ProgrammeSet.of([programme]))
    zones, changes = tables_of(["UTC", "UTC"])
    closing_of, closings = closings_table(Ledger.empty(), rules, zones, changes)

    def table(width: int) -> np.ndarray:
        return np.zeros((0, width), dtype=np.int64)

    none = np.zeros(0, dtype=np.int64)
    desk = Desk(
        **rule_tables(rules),
        zones=zones,
        changes=changes,
        rows=table(R_WIDTH),
        touches=table(T_WIDTH),
        consent_of=none,
        consent_start=none,
        consent_at=none,
        consent_value=none,
        closing_of=closing_of,
        closings=closings,
        person_keys=none,
        out=table(O_WIDTH),
        shares=none,
        looks=table(L_WIDTH),
        counts=np.zeros(C_WIDTH, dtype=np.int64),
        work=table(W_WIDTH),
        **nothing_given(),
    )
    core.run_compiled(desk, table(len(rules.blank)), np.zeros(1, np.int64), none, 0)
