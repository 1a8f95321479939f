"""Counts of a replay, part by part, and the check that they add up. Owns no decision and no text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from workbench.decision.plan import Plan
from workbench.errors import WorkbenchError
from workbench.records import REASONS
from workbench.replay.job import LogLike
from workbench.replay.part import Outcome


@dataclass
class Tally:
    """Counts of a replay, added up part by part.

    Attributes:
        plans: The programmes.
        idle: For each programme what the log lacks.
        events: Events of every type.
        considered: By programme, events of the trigger's type.
        unknown: By programme, events whose trigger condition is not known.
        triggered: By programme, decisions as they came out of the conditions.
        reasons: By programme and reason, decisions, persons and cost.
        reached: By programme, persons with a delivered offer.
    """

    plans: Sequence[Plan]
    idle: Sequence[tuple[str, ...]]
    events: int = 0
    considered: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    triggered: dict[str, int] = field(default_factory=dict)
    reasons: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    reached: int = 0

    @classmethod
    def of(cls, plans: Sequence[Plan], idle: Sequence[tuple[str, ...]]) -> Tally:
        """Return a tally of nothing."""
        return cls(plans, idle)

    def add(self, outcome: Outcome) -> None:
        """Add one part; its persons are in no other."""
        self.events += outcome.events
        for plan in self.plans:
            name = plan.programme.name
            self.considered[name] = self.considered.get(name, 0) + outcome.considered[plan.position]
            self.unknown[name] = self.unknown.get(name, 0) + outcome.unknown[plan.position]
            self.triggered[name] = self.triggered.get(name, 0) + outcome.triggered[plan.position]
        counts = outcome.decisions.group_by("programme", "reason").agg(
            pl.len(),
            pl.col("person").n_unique().alias("persons"),
            pl.col("cost_cents").sum(),
            pl.col("would_cost_cents").sum(),
        )
        for programme, reason, *figures in counts.iter_rows():
            sums = self.reasons.setdefault((programme, reason), [0, 0, 0, 0])
            for place, figure in enumerate(figures):
                sums[place] += figure
        self.reached += outcome.decisions.filter("delivered")["person"].n_unique()

    def summary(self, log: LogLike) -> dict[str, Any]:
        """Return the figures as plain values, after checking that the reasons add up."""
        programmes = []
        for plan, idle in zip(self.plans, self.idle, strict=True):
            programme = plan.programme
            rows: list[dict[str, Any]] = []
            for reason in REASONS:
                count, persons, cost, would = self.reasons.get(
                    (programme.name, reason.name), [0, 0, 0, 0]
                )
                rows.append(
                    {
                        "stage": reason.stage,
                        "reason": reason.name,
                        "decisions": count,
                        "persons": persons,
                        "cost_cents": cost,
                        "would_cost_cents": would,
                    }
                )
            triggers = self.triggered.get(programme.name, 0)
            check_adds_up(programme.name, triggers, [row["decisions"] for row in rows])
            programmes.append(
                {
                    "programme": programme.name,
                    "digest": programme.digest,
                    "trigger": programme.trigger.event,
                    "redemption_rate": programme.offer.redemption_rate,
                    "considered": self.considered.get(programme.name, 0),
                    "trigger_unknown": self.unknown.get(programme.name, 0),
                    "triggers": triggers,
                    "idle": list(idle),
                    "reasons": rows,
                }
            )
        return {
            "log_digest": log.digest,
            "events": self.events,
            "persons_reached": self.reached,
            "programmes": programmes,
        }


def check_adds_up(programme: str, triggers: int, decisions: Sequence[int]) -> None:
    """Check that every trigger ended with one reason.

    Raises:
        WorkbenchError: The reasons do not add up to the triggers.

    >>> check_adds_up("welcome", 3, [1, 1])
    Traceback (most recent call last):
    ...
    workbench.errors.WorkbenchError: welcome: 3 triggers, but 2 decisions with a reason; this is a fault of the replay
    """
    if sum(decisions) != triggers:
        raise WorkbenchError(
            f"{programme}: {triggers} triggers, but {sum(decisions)} decisions with a reason; "
            "this is a fault of the replay"
        )
