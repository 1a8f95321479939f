"""Counts of a replay, piece by piece, and the check that they add up. Owns no decision and no text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from workbench.decision.budgets import Ledger
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.errors import WorkbenchError
from workbench.records import OFFERED, REASONS
from workbench.replay.job import LogLike
from workbench.replay.part import Outcome


@dataclass(frozen=True, eq=False)
class Counts:
    """What one window of one part adds to the figures.

    Attributes:
        events: Events of every type.
        counters: Name of a counter → position of a programme → how many.
        not_admitted: Responses whose decision was not made in this replay.
        sums: A row for each programme, reason and offer, with ``len`` and both costs.
        persons: Each person once for each programme and reason.
        reached: Each person once to whom an offer was delivered.
    """

    events: int
    counters: Mapping[str, Mapping[int, int]]
    not_admitted: int
    sums: pl.DataFrame
    persons: pl.DataFrame
    reached: pl.Series

    @classmethod
    def of(cls, outcome: Outcome) -> Counts:
        """Count the rows of an outcome."""
        rows = outcome.rows
        return cls(
            outcome.events,
            outcome.counts,
            outcome.responses_not_admitted,
            rows.group_by("programme", "reason", "offer").agg(
                pl.len(), pl.col("cost_cents").sum(), pl.col("would_cost_cents").sum()
            ),
            rows.select("programme", "reason", "person").unique(),
            rows.filter(pl.col("reason") == OFFERED)["person"].unique(),
        )


@dataclass
class Tally:
    """Counts of a replay, added up part by part.

    Attributes:
        programmes: The programmes.
        idle: For each programme what the log lacks.
        events: Events of every type.
        not_admitted: Responses whose decision was not made in this replay.
        counters: Name of a counter → position of a programme → how many.
        figures: By programme, reason and offer: decisions, cost, cost that ghosts would have had.
        persons: By programme and reason.
        reached: Persons with a delivered offer.
    """

    programmes: ProgrammeSet
    idle: Sequence[tuple[str, ...]]
    events: int = 0
    not_admitted: int = 0
    counters: dict[str, dict[int, int]] = field(default_factory=dict)
    figures: dict[tuple[int, int, int], list[int]] = field(default_factory=dict)
    persons: dict[tuple[int, int], int] = field(default_factory=dict)
    reached: int = 0

    def add(self, windows: Sequence[Counts]) -> None:
        """Add the windows of one part; its persons are in no other."""
        if not windows:
            return
        for counts in windows:
            self.events += counts.events
            self.not_admitted += counts.not_admitted
            for name, by_programme in counts.counters.items():
                sums = self.counters.setdefault(name, {})
                for position, count in by_programme.items():
                    sums[position] = sums.get(position, 0) + count
            for programme, reason, offer, *figures in counts.sums.iter_rows():
                so_far = self.figures.setdefault((programme, reason, offer), [0, 0, 0])
                for place, figure in enumerate(figures):
                    so_far[place] += figure
        persons = pl.concat([counts.persons for counts in windows])
        for programme, reason, count in (
            persons.group_by("programme", "reason").agg(pl.col("person").n_unique()).iter_rows()
        ):
            self.persons[programme, reason] = self.persons.get((programme, reason), 0) + count
        self.reached += pl.concat([counts.reached for counts in windows]).n_unique()

    def summary(
        self, log: LogLike, budgets: Sequence[tuple[str, int]], ledger: Ledger
    ) -> dict[str, Any]:
        """Return the figures as plain values, after checking that the reasons add up."""
        return {
            "log_digest": log.digest,
            "programmes_digest": self.programmes.digest,
            "events": self.events,
            "persons_reached": self.reached,
            "responses_not_admitted": self.not_admitted,
            "programmes": [
                self._of(position, programme) for position, programme in enumerate(self.programmes)
            ],
            "budgets": [
                {
                    "budget": budgets[budget][0],
                    "amount": budgets[budget][1],
                    "period": period,
                    "reserved": ledger.spent.get((budget, period), 0),
                    "closed": list(ledger.closings.get((budget, period), ())),
                }
                for budget, period in sorted({*ledger.spent, *ledger.closings})
            ],
        }

    def _of(self, position: int, programme: Programme) -> dict[str, Any]:
        mine = {key[1:]: sums for key, sums in self.figures.items() if key[0] == position}
        rows: list[dict[str, Any]] = []
        for reason in REASONS:
            sums = [each for (code, _), each in mine.items() if code == reason.code]
            rows.append(
                {
                    "stage": reason.stage,
                    "reason": reason.name,
                    "decisions": sum(each[0] for each in sums),
                    "persons": self.persons.get((position, reason.code), 0),
                    "cost_cents": sum(each[1] for each in sums),
                    "would_cost_cents": sum(each[2] for each in sums),
                }
            )
        triggers = self._counter("triggered", position)
        decided = sum(row["decisions"] for row in rows)
        check_adds_up(programme.name, triggers, decided)
        offers = [
            {
                "offer_id": offer.id,
                "redemption_rate": offer.redemption_rate,
                "cost_cents": sum(sums[1] for (_, of), sums in mine.items() if of == place),
                "would_cost_cents": sum(sums[2] for (_, of), sums in mine.items() if of == place),
            }
            for place, offer in enumerate(programme.offers)
        ]
        return {
            "programme": programme.name,
            "digest": programme.digest,
            "trigger": programme.trigger.event or programme.trigger.pattern,
            "considered": self._counter("considered", position),
            "trigger_unknown": self._counter("unknown", position),
            "triggers": triggers,
            "idle": list(self.idle[position]),
            "reasons": rows,
            "offers": offers,
        }

    def _counter(self, name: str, position: int) -> int:
        return self.counters.get(name, {}).get(position, 0)


def check_adds_up(programme: str, triggers: int, decided: int) -> None:
    """Check that every trigger ended with one reason.

    Raises:
        WorkbenchError: The reasons do not add up to the triggers.

    >>> check_adds_up("welcome", 3, 2)
    Traceback (most recent call last):
    ...
    workbench.errors.WorkbenchError: welcome: 3 triggers, but 2 decisions with a reason; this is a fault of the replay
    """
    if decided != triggers:
        raise WorkbenchError(
            f"{programme}: {triggers} triggers, but {decided} decisions with a reason; "
            "this is a fault of the replay"
        )
