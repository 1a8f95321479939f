"""One event at a time through the same core, in plain Python. Owns no rule and no clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.buckets import BUCKETS, bucket_10000
from workbench.dayparts import daypart
from workbench.decision import core, features
from workbench.decision.context import EVENT_COLUMNS, WEEKDAYS
from workbench.decision.core import empty_slots, limits_of
from workbench.decision.features import FEATURE_NAMES, MEMORY_WIDTH, SOURCE_EVENT
from workbench.decision.plan import Plan, plans_of, triggered_by_one
from workbench.decision.programme import Programme
from workbench.decision.state import CoreState, persons_frame
from workbench.errors import InputError
from workbench.records import (
    HELD_OUT,
    OFFERED,
    REASON_OF_CODE,
    Candidate,
    Decision,
    Event,
    Taken,
)
from workbench.replay.events import known_before_it_happened
from workbench.replay.job import expected_value_cents

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_ROOM = 16


class DecisionCore:
    """The core for one event at a time: a debugger, a service, a test.

    Attributes:
        plans: The programmes made ready.
        zone: Zone of days and day-parts.

    >>> programme = Programme.from_mapping({
    ...     "name": "second", "stage": "engagement", "kind": "targeting",
    ...     "trigger": {"event": "purchase", "when": "purchase_number = 2"},
    ...     "offers": [{"id": "two", "value_cents": 300, "cost_cents": 100,
    ...                 "redemption_rate": 0.1, "channel": "app"}],
    ...     "limits": {"cooldown_days": 7},
    ...     "experiment": {"unit": "customer", "holdout_share": 0, "salt": "s"},
    ... }, source="second.yaml")
    >>> one = DecisionCore([programme], zone="UTC")
    >>> one.decide(Event("e1", 0, 0, 0, "ann", "purchase", amount_cents=500))
    ()
    >>> [d.reason for d in one.decide(Event("e2", 1, 9, 9, "ann", "purchase", amount_cents=500))]
    ['offered']
    """

    def __init__(
        self, programmes: Sequence[Programme], state: CoreState | None = None, *, zone: str
    ) -> None:
        self.plans = plans_of(programmes)
        self.zone = zone
        self._zone = ZoneInfo(zone)
        self._carried = (CoreState.empty(programmes) if state is None else state).checked(
            programmes
        )
        self._position = self._carried.position
        self._limits = limits_of(programmes)
        ids = self._carried.persons["person_id"]
        self._rows = {person: row for row, person in enumerate(ids.to_list())}
        slots, past = self._carried.arrays(ids, self._limits)
        memories = np.zeros((len(ids), MEMORY_WIDTH), dtype=np.int64)
        for row in range(len(ids)):
            features.recall(past, row, memories[row])
        self._slots, self._memories = slots, memories

    def decide(self, event: Event) -> tuple[Decision, ...]:
        """Take one event: return a decision for each programme that it triggers, and fold them.

        Raises:
            InputError: The event was known before, or at the same place as, one already taken, or
                before it happened.
        """
        if event.known_at_us < event.ts_us:
            raise InputError(known_before_it_happened(event.event_id))
        place = (event.known_at_us, event.seq)
        if self._position is not None and place < self._position:
            raise InputError(
                f"event {event.event_id!r} comes after one that was known later; "
                "give events in the order in which they became known"
            )
        self._position = (event.known_at_us, event.seq + 1)
        row = self._row(event.person_id)
        values = self._look(event, self._memories[row])
        plans = [plan for plan in self.plans if plan.programme.trigger.event == event.type]
        return tuple(
            self._decided(event, plan, row, audience, suppress)
            for plan, audience, suppress in triggered_by_one(values, plans)
        )

    @property
    def state(self) -> CoreState:
        """The state behind the last event; a replay or another core can go on from it."""
        ids = pl.Series("person_id", list(self._rows), dtype=pl.String)
        count = len(ids)
        past = features.no_past(count)
        room = count * features.WINDOW_DAYS
        past = past._replace(
            **{
                name: np.zeros(room, np.int64)
                for name in ("day", "day_purchases", "day_spend_cents")
            }
        )
        end = 0
        for row in range(count):
            end = features.lay_down(self._memories[row], past, row, end)
        return self._carried.updated(
            [persons_frame(ids, self._slots[:count], past)], self._position
        )

    def _row(self, person_id: str) -> int:
        """Return the person's row in the state, a new one for a person not yet seen."""
        if person_id not in self._rows:
            row = len(self._rows)
            if row >= len(self._slots):
                room = max(_FIRST_ROOM, row)
                self._slots = np.vstack([self._slots[:row], empty_slots(self._limits, room)])
                more = np.zeros((room, MEMORY_WIDTH), dtype=np.int64)
                self._memories = np.vstack([self._memories[:row], more])
            self._rows[person_id] = row
            features.forget(self._memories[row])
        return self._rows[person_id]

    def _look(self, event: Event, memory: NDArray[np.int64]) -> dict[str, object]:
        """Return what conditions may read, and let the event become part of the past."""
        local = self._local(event.ts_us)
        is_purchase = event.type == SOURCE_EVENT
        figures = np.zeros(len(FEATURE_NAMES), dtype=np.int64)
        features.advance(memory, _day(self._local(event.known_at_us)))
        features.look(memory, int(is_purchase), figures)
        if is_purchase:
            features.absorb(memory, _day(local), 1, event.amount_cents or 0)
        values: dict[str, object] = {name: getattr(event, name) for name in EVENT_COLUMNS}
        for name, figure in zip(FEATURE_NAMES, figures.tolist(), strict=True):
            values[name] = None if figure == features.NULL else figure
        values["daypart"] = daypart(local.hour)
        values["weekday"] = WEEKDAYS[local.weekday()]
        values["hour"] = local.hour
        return values

    def _local(self, instant_us: int) -> datetime:
        return (_EPOCH + timedelta(microseconds=instant_us)).astimezone(self._zone)

    def _decided(
        self, event: Event, plan: Plan, row: int, audience: int, suppress: int
    ) -> Decision:
        programme, offer = plan.programme, plan.programme.offer
        bucket = bucket_10000(programme.experiment.salt, event.person_id)
        state = core.State(self._limits, self._slots)
        candidate = Candidate(plan.position, row, event.ts_us, audience, suppress, bucket)
        reason = core.decide(state, candidate)
        if reason in (OFFERED, HELD_OUT):
            core.fold(state, Taken(plan.position, row, event.ts_us))
        control = bucket < programme.experiment.holdout_end
        share = (
            programme.experiment.holdout_end
            if control
            else BUCKETS - programme.experiment.holdout_end
        )
        shown = reason in (OFFERED, HELD_OUT)
        return Decision(
            decision_id=f"{programme.name}:event:{event.ts_us}:{event.event_id}",
            set_id=f"event:{event.known_at_us}:{event.event_id}",
            event_id=event.event_id,
            person=event.person_id,
            ts_us=event.ts_us,
            known_at_us=event.known_at_us,
            programme=programme.name,
            arm="control" if control else "treatment",
            offer_id=offer.id if shown else None,
            channel=offer.channel if shown else None,
            delivered=reason == OFFERED,
            p_assignment=share / BUCKETS,
            p_selection=1.0,
            score=expected_value_cents(plan) if shown else None,
            reason=REASON_OF_CODE[reason].name,
            cost_cents=offer.cost_cents if reason == OFFERED else 0,
            would_cost_cents=offer.cost_cents if reason == HELD_OUT else 0,
            programme_digest=programme.digest,
        )


def _day(local: datetime) -> int:
    return local.date().toordinal() - _EPOCH.date().toordinal()
