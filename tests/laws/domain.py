"""The tiny domain of the laws: few instants, few persons, amounts and windows at their edges.

Ties and boundaries happen here by construction, because random data hardly ever meets them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from oracle import Oracle, Outcome

from workbench.records import Event

ZONE = "America/New_York"
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
START_US = 1_709_960_400_000_000  # Saturday 2024-03-09 00:00 in New York; clocks change on Sunday
PERSONS = ("ann", "bob", "cleo", "dän")
OTHER_ZONE = "Asia/Tokyo"

HOURS = (0, 1 / 6, 1, 2, 3, 4)
DAYS = (0, 12, 24, 26, 48, 49, 60, 72)
NIGHTS = (20, 21, 22, 23, 24, 26, 31, 32, 45, 56)  # 21:00 to 08:00; Sunday has 23 hours
CHANGE = (22, 23, 23.5, 24, 25, 26, 27, 36, 46, 46.5, 47)  # the clocks change at 26
MONTHS = (0, 22 * 24, 23 * 24 - 2, 23 * 24 - 1, 23 * 24, 23 * 24 + 4)  # April begins at 23 * 24 - 1
WEEKS = (0, 24, 47, 48, 7 * 24, 7 * 24 + 23, 9 * 24, 9 * 24 - 1, 23 * 24 - 1, 23 * 24)
LONG = (0, 24, 29 * 24, 30 * 24, 60 * 24, 89.5 * 24, 90 * 24, 91 * 24)
SPANS = (HOURS, DAYS, NIGHTS, WEEKS, LONG)

PLAIN_TYPES = ("purchase", "purchase", "basket_add", "app_open", "registration")
RESPONSES = ("offer_viewed", "offer_redeemed", "offer_rejected")


@dataclass(frozen=True)
class Case:
    """A log as rows in (known_at, seq) order, programmes, and what the tables say.

    Attributes:
        consent: Person, channel, from when, and whether they agreed.
    """

    events: tuple[Event, ...]
    programmes: Any
    consent: tuple[tuple[str, str, int, bool], ...] = ()
    until: int | None = None

    def upto(self, count: int) -> Case:
        return replace(self, events=self.events[:count])

    def only(self, person: str) -> Case:
        mine = tuple(event for event in self.events if event.person_id == person)
        return replace(self, events=mine)

    def agreed(self, person: str, channel: str, at: int) -> bool | None:
        """Return the latest entry of the table at an instant."""
        entries = [
            (since, answer)
            for name, of, since, answer in self.consent
            if (name, of) == (person, channel) and since <= at
        ]
        return max(entries)[1] if entries else None

    def in_words(self, make: type[Oracle] = Oracle) -> Outcome:
        """Decide it with the oracle."""
        oracle = make(self.programmes, zone=ZONE, consent=self.agreed)
        return oracle.run(self.events, until=self.until)


@dataclass(frozen=True)
class Shape:
    """From which part of the domain the events of a case come."""

    spans: tuple[Sequence[float], ...] = SPANS
    persons: tuple[Sequence[str], ...] = (PERSONS[:1], PERSONS[1:3], PERSONS)
    types: Sequence[str] = PLAIN_TYPES
    lateness: tuple[Sequence[int], ...] = ((0,), (0,), (0, 1, 3))
    most: int = 9
    answers: Sequence[str] = ()
    zones: Sequence[str | None] = (None, None, OTHER_ZONE)


@st.composite
def events(draw: st.DrawFn, shape: Shape) -> tuple[Event, ...]:
    """Events of few persons at few instants; which ones differs from case to case."""
    hours = draw(st.sampled_from(shape.spans))
    persons = draw(st.sampled_from(shape.persons))
    lateness = draw(st.sampled_from(shape.lateness))
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, len(hours) - 1),
                st.sampled_from(lateness),
                st.sampled_from(persons),
                st.sampled_from(shape.types),
                st.sampled_from([500, 501, 499, None]),
                st.sampled_from([0, 99, 100, None]),
            ),
            min_size=draw(st.sampled_from([0, 2, 4, 6])),
            max_size=shape.most,
        )
    )
    ordered = sorted(hours)
    zones = {person: draw(st.sampled_from(shape.zones)) for person in persons}
    made = []
    for number, (place, late, person, kind, amount, discount) in enumerate(rows):
        known = ordered[min(place + late, len(ordered) - 1)]
        made.append(
            Event(
                event_id=f"e{number}",
                seq=number,
                ts_us=START_US + round(ordered[place] * HOUR_US),
                known_at_us=START_US + round(known * HOUR_US),
                person_id=person,
                type=kind,
                amount_cents=amount if kind == "purchase" else None,
                discount_cents=discount,
                tz=zones[person],
            )
        )
    return tuple(sorted(made, key=lambda event: (event.known_at_us, event.seq)))


@st.composite
def with_responses(draw: st.DrawFn, case: Case, answers: Sequence[str] = RESPONSES) -> Case:
    """Add responses to decisions that the case makes, and to one that it does not make."""
    offered = [row for row in case.in_words().decisions if row["offer_id"] is not None]
    if not offered:
        return case
    added = draw(
        st.lists(
            st.tuples(
                st.integers(0, len(offered) - 1),
                st.sampled_from(answers),
                st.sampled_from([0, HOUR_US, HOUR_US, DAY_US, 1]),
                st.sampled_from(["same", "same", "same", "another person", "never made"]),
            ),
            min_size=draw(st.sampled_from([0, 1, 3])),
            max_size=4,
        )
    )
    made = list(case.events)
    for number, (place, kind, delay, whose) in enumerate(added):
        row = offered[place]
        at = row["known_at"] + delay
        if case.until is not None and at >= case.until:
            continue
        name = row["decision_id"] + ("x" if whose == "never made" else "")
        made.append(
            Event(
                event_id=f"r{number}",
                seq=100 + number,
                ts_us=at,
                known_at_us=at,
                person_id="dän" if whose == "another person" else row["person"],
                type=kind,
                decision_id=name,
                tz=next((e.tz for e in case.events if e.person_id == row["person"]), None),
                offer_id=row["offer_id"],
            )
        )
    return replace(
        case, events=tuple(sorted(made, key=lambda event: (event.known_at_us, event.seq)))
    )
