"""How the oracle decides: a set, a release, an award, and what of it is remembered of a person."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import oracle_set as sets
from oracle_budget import Accounts
from oracle_limits import Given, Past, Refusal
from oracle_patterns import Pattern, Seen
from oracle_rows import row_of
from oracle_set import Assigned, Drawn, Occurrence, Offered

from workbench.buckets import bucket_10000, fnv1a32
from workbench.conditions import Condition, check
from workbench.decision.assignment import draw_32
from workbench.decision.context import COLUMNS

Consent = Callable[[str, str, int], bool | None]
Place = tuple[Any, ...]


def draw(salt: str, decision_id: str, purpose: str) -> int:
    """Return the keyed hash that is compared with thresholds."""
    return draw_32(f"{salt}:{purpose}:{decision_id}")


@dataclass
class Set:
    """Where and when candidates are decided together."""

    set_id: str
    known: int
    place: Place


@dataclass
class Queued:
    """An offer that waits for the end of quiet hours and holds its slots meanwhile."""

    occurrence: Occurrence
    drawn: Drawn
    arm: Assigned
    held: Given


@dataclass
class Person:
    """All that is remembered of a person."""

    name: str
    patterns: dict[int, Pattern]
    past: Past = field(default_factory=Past)
    seen: list[Seen] = field(default_factory=list)
    delivered: dict[str, Given] = field(default_factory=dict)
    collected: list[Occurrence] = field(default_factory=list)
    collection_due: int | None = None
    queue: dict[int, tuple[int, Queued]] = field(default_factory=dict)
    broadcast_from: int | None = None
    broadcast_done: set[tuple[int, int]] = field(default_factory=set)

    @property
    def key(self) -> int:
        """What orders persons when time causes something for several at one instant."""
        return fnv1a32(self.name)


@dataclass
class Outcome:
    """What the oracle says."""

    decisions: list[dict[str, Any]] = field(default_factory=list)
    candidates: list[dict[str, Any]] = field(default_factory=list)
    not_admitted: int = 0

    @property
    def reasons(self) -> set[str]:
        """Reasons of decisions and of actions that were considered."""
        return {row["reason"] for row in (*self.decisions, *self.candidates)}


class Deciding:
    """Decides what is put before it; when that is, is not its concern.

    Args:
        programmes: A `ProgrammeSet`.
        zone: Zone of the log.
        consent: Person, channel and instant to yes, no or not known.
    """

    def __init__(self, programmes: Any, zone: str, consent: Consent) -> None:
        self.set = programmes
        self.programmes = list(programmes)
        self.zone = programmes.house.zone or zone
        declared = {rule.name: "number" for rule in programmes.features}
        self.columns = {**COLUMNS, **programmes.columns, **declared}
        self.checked: dict[str, Condition] = {}
        self.persons: dict[str, Person] = {}
        self.accounts = Accounts(programmes, self.zone)
        self.out = Outcome()
        self.rules = sets.Rules(
            self.holds, programmes.house, self.zone, consent, self.accounts.is_closed, draw
        )

    def holds(self, text: str | None, values: Mapping[str, Any]) -> bool | None:
        """Evaluate a condition; none always holds."""
        if text is None:
            return True
        if text not in self.checked:
            self.checked[text] = check(text, self.columns, where="oracle")
        return self.checked[text].evaluate(values)

    def decide(self, person: Person, occurrences: list[Occurrence], here: Set) -> None:
        """Let programmes compete for the slots; listening ones stand apart."""
        arms = {
            each.position: sets.assigned(each.programme, person.name, each.decision_id)
            for each in occurrences
        }
        competing = [each for each in occurrences if each.programme.kind != "listening"]
        lost: dict[int, list[Offered]] = {}
        won: set[int] = set()
        for slot in range(self.set.house.slot):
            place = (*here.place, slot)
            drawn: Drawn | None = None
            while drawn is None:
                lost = {
                    each.position: self._actions(person, each, arms[each.position], here, place)
                    for each in competing
                    if each.position not in won
                }
                able = {p: found for p, mine in lost.items() if (found := sets.in_reach(mine))}
                if not able:
                    break
                winner = first_of(able)
                drawn = sets.drawn(self.rules, able[winner], lost[winner])
                programme, offer = drawn.action.occurrence.programme, drawn.action.offer
                if not self.accounts.reserve(programme, offer, here.known, place):
                    drawn = None
                    continue
                won.add(winner)
                self._consider(lost[winner], drawn.action)
                self._grant(person, drawn, arms[winner], here)
            if drawn is None:
                break
        for each in competing:
            if each.position not in won:
                reason = reason_of(lost[each.position])
                self._consider(lost[each.position], None)
                self._row(each, arms[each.position], here, reason)
        for each in occurrences:
            if each.programme.kind == "listening":
                self._award(person, each, arms[each.position], here)

    def _consider(self, actions: list[Offered], chosen: Offered | None) -> None:
        """Write down every action that was considered, and what removed it."""
        for action in actions:
            if action is not chosen:
                refusal = action.refusal or Refusal("outranked")
                self.out.candidates.append(
                    {
                        "decision_id": action.occurrence.decision_id,
                        "offer_id": action.offer.id,
                        "reason": refusal.reason,
                        "meter": refusal.meter,
                        "count": refusal.count,
                        "limit": refusal.limit,
                    }
                )

    def _actions(
        self, person: Person, occurrence: Occurrence, arm: Assigned, here: Set, place: Place
    ) -> list[Offered]:
        waits = occurrence.position in person.queue
        waits |= any(occurrence.position == held.position for held in person.collected)
        found = []
        for offer in occurrence.programme.offers:
            refusal, until = sets.gate(
                self.rules,
                occurrence,
                offer,
                past=person.past,
                arm=arm,
                known=here.known,
                place=place,
                waiting=waits,
            )
            score = sets.score_of(occurrence, offer, self.holds)
            found.append(
                Offered(occurrence, offer, -math.inf if score is None else score, refusal, until)
            )
        return found

    def _grant(self, person: Person, drawn: Drawn, arm: Assigned, here: Set) -> None:
        occurrence, offer = drawn.action.occurrence, drawn.action.offer
        given = Given(
            occurrence.programme.name,
            offer.id,
            offer.channel,
            occurrence.ts,
            occurrence.ts + offer.validity,
            award=False,
            towards=occurrence.programme.limits.count_towards,
        )
        person.past.given.append(given)
        if drawn.action.queue_until is not None:
            queued = Queued(occurrence, drawn, arm, given)
            person.queue[occurrence.position] = (drawn.action.queue_until, queued)
            self._row(occurrence, arm, here, "queued", drawn)
            return
        reason = self._hold_out(occurrence, arm)
        if reason == "offered":
            person.delivered[occurrence.decision_id] = given
        self._row(occurrence, arm, here, reason, drawn)

    def _hold_out(self, occurrence: Occurrence, arm: Assigned) -> str:
        if arm.arm == "control":
            return "held_out"
        rule = self.set.house.holdout
        if rule is not None and occurrence.programme.kind == "targeting":
            end = round(rule.share * 10_000)
            if bucket_10000(rule.salt, occurrence.person) < end:
                return "global_holdout"
        return "offered"

    def _measured(self, person: str) -> bool:
        rule = self.set.house.holdout
        if rule is None:
            return False
        end = round(rule.share * 10_000)
        return bool(end <= bucket_10000(rule.salt, person) < 2 * end)

    def release(self, person: Person, queued: Queued, due: int, place: Place) -> None:
        """Take an offer out of the queue: what it held is free, and it is looked at once more."""
        before, drawn = queued.occurrence, queued.drawn
        person.past.given = [each for each in person.past.given if each is not queued.held]
        event = before.seen.event
        name = f"{before.programme.name}:release:{due}:{event.event_id or person.name}"
        occurrence = Occurrence(
            before.position, before.programme, "release", due, name, before.seen, person.name
        )
        refusal, _ = sets.gate(
            self.rules,
            occurrence,
            drawn.action.offer,
            past=person.past,
            arm=queued.arm,
            known=due,
            place=place,
            waiting=False,
            released=True,
        )
        here = Set(f"release:{due}:{name}", due, place)
        if refusal is not None:
            self._consider([Offered(occurrence, drawn.action.offer, 0.0, refusal)], None)
            self._row(occurrence, queued.arm, here, refusal.reason)
            return
        again = Offered(occurrence, drawn.action.offer, drawn.action.score, None)
        as_before = Drawn(again, drawn.variant, drawn.probability, drawn.distribution)
        self._grant(person, as_before, queued.arm, here)

    def _award(self, person: Person, occurrence: Occurrence, arm: Assigned, here: Set) -> None:
        refusal, _ = sets.gate(
            self.rules,
            occurrence,
            Nothing(),
            past=person.past,
            arm=arm,
            known=here.known,
            place=here.place,
            waiting=False,
        )
        if refusal is not None:
            self._row(occurrence, arm, here, refusal.reason)
            return
        name, ts = occurrence.programme.name, occurrence.ts
        person.past.given.append(Given(name, "", "", ts, ts, award=True, towards=False))
        self._row(occurrence, arm, here, "held_out" if arm.arm == "control" else "awarded")

    def _row(
        self,
        occurrence: Occurrence,
        arm: Assigned,
        here: Set,
        reason: str,
        drawn: Drawn | None = None,
    ) -> None:
        row = row_of(occurrence, arm, reason, drawn)
        row.update(set_id=here.set_id, known_at=here.known)
        row["measured"] = self._measured(occurrence.person)
        self.out.decisions.append(row)


def first_of(able: dict[int, list[Offered]]) -> int:
    """Return the programme that goes first: mandatory, then the best score, then the order."""
    return min(
        able,
        key=lambda p: (
            not able[p][0].offer.mandatory,
            -max(action.score for action in able[p]),
            p,
        ),
    )


def reason_of(actions: list[Offered]) -> str:
    """Return why a programme that won no slot has none: open actions were outranked."""
    for action in actions:
        action.refusal = action.refusal or Refusal("outranked")
    last = sets.furthest(actions).refusal
    assert last is not None
    return last.reason


@dataclass
class Nothing:
    """What a listening programme gives: no offer."""

    id: str = ""
    channel: str = ""
    when: str | None = None
    cost_cents: int = 0
    inventory: int | None = None
