"""The decision core in words: slow, plain, one event after the other, everything looked up again.

It shares no code with the core but the models of programmes, `Condition.evaluate` and the
published hashes. What it returns is what the core is held against, decision for decision.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import time
from typing import Any

from oracle_decide import Consent, Deciding, Outcome, Person, Set
from oracle_limits import RESPONSES, Answered
from oracle_patterns import Seen, pattern_of
from oracle_rows import features_in_words
from oracle_set import Occurrence
from oracle_time import broadcasts, calendar_values

from workbench.decision.context import EVENT_COLUMNS
from workbench.records import Event

BEHIND = math.inf
"""`seq` of what time causes: behind every event of the same instant."""


@dataclass(order=True)
class Waiting:
    """Something that time will cause: `rank` orders the kinds at one instant."""

    due: int
    rank: int
    position: int
    person_key: int
    person: str = field(compare=False)
    what: Any = field(compare=False)

    @property
    def place(self) -> tuple[Any, ...]:
        """Known at, seq and what orders the sets of one instant."""
        return (self.due, BEHIND, self.rank, self.position, self.person_key)


class Oracle(Deciding):
    """Programmes over events, as the design says it.

    Args:
        programmes: A `ProgrammeSet`.
        zone: Zone of the log.
        consent: Person, channel and instant to yes, no or not known.
        customer_zone: Zone of a person by the table of customers, if there is one.
    """

    def __init__(
        self,
        programmes: Any,
        *,
        zone: str,
        consent: Consent = lambda person, channel, at: None,
        customer_zone: Callable[[str], str | None] = lambda person: None,
    ) -> None:
        super().__init__(programmes, zone, consent)
        self.customer_zone = customer_zone

    def run(self, events: Sequence[Event], *, until: int | None = None) -> Outcome:
        """Take events in (known_at, seq) order; then let time pass up to, not including, `until`.

        Without `until` time ends with the last event that is known.
        """
        for event in events:
            self._pass_time(event.known_at_us)
            self._take(event)
        if events or until is not None:
            self._pass_time(until if until is not None else events[-1].known_at_us)
        return self.out

    # Time

    def _pass_time(self, before: int) -> None:
        """Let everything happen that is due before an instant, in its order."""
        while agenda := sorted(each for each in self._agenda(before) if each.due < before):
            self._happen(agenda[0])

    def _agenda(self, before: int) -> list[Waiting]:
        found = []
        for person in self.persons.values():
            for position, pattern in person.patterns.items():
                if pattern.deadline is not None:
                    due = pattern.deadline.due
                    found.append(Waiting(due, 0, position, person.key, person.name, pattern))
            found.extend(self._broadcasts(person, before))
            if person.collection_due is not None:
                due = person.collection_due
                found.append(Waiting(due, 2, 0, person.key, person.name, None))
            for position, (release, queued) in person.queue.items():
                found.append(Waiting(release, 3, position, person.key, person.name, queued))
        return found

    def _broadcasts(self, person: Person, before: int) -> list[Waiting]:
        zone = self.customer_zone(person.name) or self.zone
        found = []
        for position, programme in enumerate(self.programmes):
            every = programme.trigger.every
            if every is None or person.broadcast_from is None:
                continue
            at = time(every.at // 60, every.at % 60)
            instants = broadcasts(every.weekday, at, zone, person.broadcast_from, before)
            found.extend(
                Waiting(instant, 1, position, person.key, person.name, instant)
                for instant in instants
                if (position, instant) not in person.broadcast_done
            )
        return found

    def _happen(self, waiting: Waiting) -> None:
        person, programme = self.persons[waiting.person], self.programmes[waiting.position]
        due, place = waiting.due, waiting.place
        if waiting.rank == 0:
            deadline = waiting.what.deadline
            waiting.what.fired()
            anchor = deadline.anchor
            zone = anchor.zone or self.zone
            values = {**anchor.values, **calendar_values(deadline.ts, zone)}
            name = f"{programme.name}:timer:{deadline.ts}:{anchor.event.event_id}"
            seen = Seen(anchor.event, values, anchor.zone)
            occurrence = Occurrence(
                waiting.position, programme, "timer", deadline.ts, name, seen, person.name
            )
            self.decide(person, [occurrence], Set(f"timer:{due}:{name}", due, place))
        elif waiting.rank == 1:
            person.broadcast_done.add((waiting.position, due))
            name = f"{programme.name}:calendar:{due}:{person.name}"
            event = Event("", 0, due, due, person.name, "")
            seen = Seen(event, self._values(person, event), self.customer_zone(person.name))
            occurrence = Occurrence(
                waiting.position, programme, "calendar", due, name, seen, person.name
            )
            self.decide(person, [occurrence], Set(f"calendar:{due}:{name}", due, place))
        elif waiting.rank == 2:
            collected, person.collected, person.collection_due = person.collected, [], None
            for each in collected:
                each.ts = due
            self.decide(person, collected, Set(f"collected:{due}:{person.name}", due, place))
        else:
            del person.queue[waiting.position]
            self.release(person, waiting.what, due, place)

    # Events

    def _take(self, event: Event) -> None:
        person = self.persons.setdefault(
            event.person_id,
            Person(
                event.person_id,
                {
                    position: pattern_of(programme.trigger, self.holds)
                    for position, programme in enumerate(self.programmes)
                    if programme.trigger.event is not None
                },
            ),
        )
        if person.broadcast_from is None:
            person.broadcast_from = event.known_at_us
        seen = Seen(event, self._values(person, event), self._zone_of(person, event))
        decision_id = event.decision_id
        if event.type in RESPONSES and decision_id is not None:
            given = person.delivered.get(decision_id)
            if given is None:
                self.out.not_admitted += 1
                person.seen.append(seen)
                return
            person.past.answered.append(Answered(RESPONSES[event.type], event.ts_us, given))
        fired = [
            Occurrence(
                position,
                self.programmes[position],
                "event",
                event.ts_us,
                f"{self.programmes[position].name}:event:{event.ts_us}:{event.event_id}",
                seen,
                person.name,
            )
            for position, pattern in person.patterns.items()
            if pattern.see(seen)
        ]
        person.seen.append(seen)
        at_once = []
        for each in fired:
            wait = each.programme.trigger.collect_for
            if wait is None or any(each.position == held.position for held in person.collected):
                at_once.append(each)
                continue
            person.collected.append(each)
            if person.collection_due is None:
                person.collection_due = event.known_at_us + wait
        known = event.known_at_us
        place = (known, event.seq, 0, 0, 0)
        if at_once:
            self.decide(person, at_once, Set(f"event:{known}:{event.event_id}", known, place))

    def _zone_of(self, person: Person, event: Event) -> str | None:
        return event.tz or self.customer_zone(person.name)

    def _values(self, person: Person, event: Event) -> dict[str, Any]:
        zone = self._zone_of(person, event) or self.zone
        values: dict[str, Any] = {name: getattr(event, name) for name in EVENT_COLUMNS}
        values.update(calendar_values(event.ts_us, zone))
        values.update(features_in_words(event, zone, person.seen, self.set.features, self.zone))
        return values
