"""One event at a time through the same core, in plain Python. Owns no rule and no clock."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.arguments import checked
from workbench.buckets import fnv1a32
from workbench.decision import core, rolling
from workbench.decision.assignment import assigned, draw_32, ghosts_column, holdout_columns, key_of
from workbench.decision.clocks import tables_of
from workbench.decision.consent import consent_arrays
from workbench.decision.desk import (
    C_OUT,
    C_REFUSED_ANSWERS,
    C_WIDTH,
    H_COLLECT,
    H_NEXT,
    H_SINCE,
    KIND_CALENDAR,
    KIND_COLLECTED,
    KIND_RELEASE,
    KIND_TIMER,
    KINDS,
    L_WIDTH,
    NEVER_US,
    O_WIDTH,
    P_FIRST_ACTION,
    P_LAST_ACTION,
    P_QUEUE,
    R_ANSWER,
    R_ANSWER_KEY,
    R_ANSWER_KIND,
    R_ANSWER_PROGRAMME,
    R_ANSWER_TS,
    R_FIRST,
    R_KEY,
    R_KNOWN,
    R_LAST,
    R_SEQ,
    R_TICK,
    R_TS,
    R_WIDTH,
    R_ZONE,
    T_ARM,
    T_AUDIENCE,
    T_DRAW,
    T_GHOST,
    T_LEVEL,
    T_NULL,
    T_PART,
    T_PROGRAMME,
    T_ROLE,
    T_ROW,
    T_SUPPRESS,
    T_TS,
    T_WIDTH,
    T_WORDS,
    T_YES,
    W_WIDTH,
    Desk,
    nothing_given,
)
from workbench.decision.house import ProgrammeSet
from workbench.decision.plan import Role, roles_of, touched_by_one
from workbench.decision.programme import Programme
from workbench.decision.reference import References
from workbench.decision.rules import RESPONSES, rules_of
from workbench.decision.state import CoreState, Memories, persons_frame, pruned
from workbench.errors import InputError
from workbench.records import Decision, Event
from workbench.replay.decided_one import decision_of
from workbench.replay.events import every_of, known_before_it_happened
from workbench.replay.job import LogLike, features_of, zones_of
from workbench.replay.part import rule_tables
from workbench.replay.reserves import closings_table, reserves_of
from workbench.replay.touches import kind_of
from workbench.zones import zone_named

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_ROOM = 16
_FIRST_SEQ = -(1 << 62)
_TICKS_AHEAD_US = 15 * 86_400_000_000
_REMEMBERED = 100_000
_KIND_CODES = {name: code for code, name in enumerate(KINDS)}


class DecisionCore:
    """The core for one event at a time: a debugger, a service, a test.

    What the columns do for a log, ``decide`` does for one event and ``advance`` for time: both
    call the functions that the replay compiles. Events come in the order in which they became
    known; one that comes twice, or behind one known later, changes nothing and is counted. The
    ids of the last 100,000 events are remembered.

    Attributes:
        programmes: The programmes with the house.
        ledger: What is reserved of budgets, and where they closed.
        refused: Events that came twice or too late.
        responses_not_admitted: Responses to decisions that were not made.

    >>> programme = Programme.from_mapping({
    ...     "name": "second", "stage": "engagement", "kind": "targeting",
    ...     "trigger": {"event": "purchase", "when": "purchase_number = 2"},
    ...     "offers": [{"id": "two", "value_cents": 300, "cost_cents": 100,
    ...                 "redemption_rate": 0.1, "channel": "app"}],
    ...     "limits": {"cooldown": "7 days"},
    ...     "experiment": {"unit": "customer", "holdout_share": 0, "salt": "s"},
    ... }, source="second.yaml")
    >>> one = DecisionCore([programme], zone="UTC")
    >>> one.decide(Event("e1", 0, 0, 0, "ann", "purchase", amount_cents=500))
    ()
    >>> [d.reason for d in one.decide(Event("e2", 1, 9, 9, "ann", "purchase", amount_cents=500))]
    ['offered']
    """

    @checked
    def __init__(
        self,
        programmes: Sequence[Programme],
        state: CoreState | None = None,
        *,
        zone: str = "UTC",
        log: LogLike | None = None,
    ) -> None:
        zone_named(zone)
        self.programmes = ProgrammeSet.of(programmes)
        carried = CoreState.empty(self.programmes) if state is None else state
        self._carried = carried.checked(self.programmes)
        self.ledger = self._carried.ledger.copy()
        self.refused = 0
        self._position = self._carried.position
        self._references = References(
            log, zone=self.programmes.house.zone or zone, declared=self.programmes.columns
        )
        self._rules = rules_of(self.programmes, answers=True)
        roles = roles_of(self.programmes)
        self._past = features_of(self.programmes, roles)
        self._roles: dict[str, list[Role]] = {}
        for role in roles:
            self._roles.setdefault(role.type, []).append(role)
        for several in self._roles.values():
            several.sort(key=lambda role: (role.position, -role.role))
        self._names = {
            kind: frozenset(name for role in several for name in role.columns)
            - set(self._past.names)
            for kind, several in self._roles.items()
        }
        self._zones = list(zones_of(self._references))
        self._position_of = {each.name: p for p, each in enumerate(self.programmes)}
        self._ids: OrderedDict[str, None] = OrderedDict()
        self._scratch = 1 + max((len(roles) for roles in self._roles.values()), default=0)
        table = log.table("consent") if log is not None and "consent" in log.tables else None
        asked = table["customer_id"].cast(pl.String).unique().sort() if table is not None else None
        known = pl.Series([], dtype=pl.String) if asked is None else asked.drop_nulls()
        self._consent_row = {name: row for row, name in enumerate(known.to_list())}
        everybody = pl.concat([known, pl.Series([""], dtype=pl.String)])
        self._consent = consent_arrays(
            table, everybody, self._rules.channels, zone=self._references.zone
        )
        self._load()

    @checked
    def decide(self, event: Event) -> tuple[Decision, ...]:
        """Take one event, after all that time causes before it, and return the decisions.

        Raises:
            InputError: The event was known before it happened.
        """
        if event.known_at_us < event.ts_us:
            raise InputError(known_before_it_happened(event.event_id))
        place = (event.known_at_us, event.seq)
        behind = self._position is not None and place < self._position
        if behind or event.event_id in self._ids:
            self.refused += 1
            return ()
        self._ids[event.event_id] = None
        if len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)
        found = self._pass_time(event.known_at_us)
        self._position = (event.known_at_us, event.seq + 1)
        row = self._row(event.person_id)
        self._lay(event, row)
        found += self._step(row, lambda desk, memory: core.take(desk, memory, row, 0))
        return tuple(found)

    @checked
    def advance(self, to_us: int) -> tuple[Decision, ...]:
        """Let time pass: what is due before an instant happens. No event before it may follow."""
        found = self._pass_time(to_us)
        position = (to_us, _FIRST_SEQ)
        if self._position is None or position > self._position:
            self._position = position
        return tuple(found)

    @property
    def state(self) -> CoreState:
        """The state behind the last event; a replay or another core can go on from it."""
        count = len(self._people)
        ids = pl.Series("person_id", self._people, dtype=pl.String)
        plan = self._past.plan
        past = rolling.nothing_at_rest(plan, count, room=count * int(plan.window.sum()))
        end = 0
        for row in range(count):
            end = rolling.lay_down(plan, self._features[row], past, row, end)
        memories = Memories(
            self._memories[:count].copy(),
            self._desk.rows.copy(),
            self._desk.touches.copy(),
            pl.Series("event_id", self._event_ids, dtype=pl.String),
            past,
        )
        kept = pruned(memories, self._rules)
        frame = persons_frame(ids, kept, self._rules, self._zones)
        return self._carried.updated([frame], self._position, self.ledger.copy())

    @property
    def responses_not_admitted(self) -> int:
        """Responses to decisions that were not made or not delivered."""
        return self._not_admitted

    # Persons and room

    def _load(self) -> None:
        """Take over the persons of the state."""
        ids = self._carried.persons["person_id"]
        self._people: list[str] = ids.to_list()
        self._rows = {person: row for row, person in enumerate(self._people)}
        self._not_admitted = 0
        given = self._carried.memories(ids, self._rules, self._zones, self._past.plan)
        count, places = len(ids), self._rules.touch_places
        self._memories = given.table
        self._features = np.zeros((count, int(self._past.plan.width[0])), dtype=np.int64)
        for row in range(count):
            rolling.recall(self._past.plan, given.past, row, self._features[row])
        self._people_keys = [fnv1a32(person) for person in self._people]
        self._heap: list[tuple[int, int]] = []
        self._units: dict[tuple[int, str], tuple[int, int, int]] = {}
        self._held: dict[str, tuple[bool, bool]] = {}
        size = self._scratch + max(count, _FIRST_ROOM) * len(places)
        rows = np.zeros((size, R_WIDTH), dtype=np.int64)
        touches = np.zeros((size, T_WIDTH), dtype=np.int64)
        self._event_ids: list[str | None] = [None] * size
        for k, place in enumerate(places.tolist()):
            held = np.flatnonzero(self._memories[:, place] >= 0)
            source = self._memories[held, place]
            slot = self._scratch + held * len(places) + k
            rows[slot] = given.rows[given.touches[source, T_ROW]]
            touches[slot] = given.touches[source]
            touches[slot, T_ROW] = slot
            for at, name in zip(
                slot.tolist(),
                given.event_ids.gather(given.touches[source, T_ROW]).to_list(),
                strict=True,
            ):
                self._event_ids[at] = name
            self._memories[held, place] = slot
        zones, changes = tables_of(self._zones)
        closing_of, closings = closings_table(self.ledger, self._rules, zones, changes)
        widths = (
            self._rules.programmes[:, P_LAST_ACTION] - self._rules.programmes[:, P_FIRST_ACTION]
        )
        wide = len(self._rules.programmes) + 1
        nobody = len(self._consent_row)
        self._desk = Desk(
            **rule_tables(self._rules),
            zones=zones,
            changes=changes,
            rows=rows,
            touches=touches,
            consent_of=np.array(
                [self._consent_row.get(person, nobody) for person in self._people], dtype=np.int64
            ),
            consent_start=self._consent.start,
            consent_at=self._consent.at_us,
            consent_value=self._consent.value.astype(np.int64),
            closing_of=closing_of,
            closings=closings,
            person_keys=np.array(self._people_keys, dtype=np.int64),
            out=np.zeros((wide, O_WIDTH), dtype=np.int64),
            shares=np.zeros(int(widths.sum()) + 64, dtype=np.int64),
            looks=np.zeros((0, L_WIDTH), dtype=np.int64),
            counts=np.zeros(C_WIDTH, dtype=np.int64),
            work=np.zeros((wide, W_WIDTH), dtype=np.int64),
            **nothing_given(),
        )
        self._tick_due: dict[int, list[int]] = {}
        for row in range(count):
            self._plan_ticks(row, self._position[0] if self._position else 0)
            self._push(row)

    def _row(self, person_id: str) -> int:
        """Return the person's row in the state, a new one for a person not yet seen."""
        if person_id in self._rows:
            return self._rows[person_id]
        row = len(self._people)
        if row >= len(self._memories):
            room = max(_FIRST_ROOM, row)
            self._memories = np.vstack(
                [self._memories[:row], np.tile(self._rules.blank, (room, 1))]
            )
            more = np.zeros((room, int(self._past.plan.width[0])), dtype=np.int64)
            self._features = np.vstack([self._features[:row], more])
            places = len(self._rules.touch_places)
            size = self._scratch + (row + room) * places - len(self._desk.rows)
            size = max(size, 0)
            self._event_ids += [None] * size
            nobody = len(self._consent_row)
            self._desk = self._desk._replace(
                rows=np.vstack([self._desk.rows, np.zeros((size, R_WIDTH), np.int64)]),
                touches=np.vstack([self._desk.touches, np.zeros((size, T_WIDTH), np.int64)]),
                consent_of=np.append(self._desk.consent_of[:row], np.full(room, nobody)),
                person_keys=np.append(self._desk.person_keys[:row], np.zeros(room, np.int64)),
            )
        self._rows[person_id] = row
        self._people.append(person_id)
        rolling.forget(self._past.plan, self._features[row])
        self._desk.consent_of[row] = self._consent_row.get(person_id, len(self._consent_row))
        self._desk.person_keys[row] = fnv1a32(person_id)
        return row

    # Time

    def _pass_time(self, until_us: int) -> list[Decision]:
        """Let everything happen that is due before an instant, in its order."""
        found: list[Decision] = []
        while self._heap and self._heap[0][0] < until_us:
            due_us = self._heap[0][0]
            together = set()
            while self._heap and self._heap[0][0] == due_us:
                row = heapq.heappop(self._heap)[1]
                if self._due(row) == due_us:
                    together.add(row)
            while together:
                rank, row = min((self._rank(row, due_us), row) for row in together)
                found += self._happen(row, rank[0], rank[1], due_us)
                if self._due(row) != due_us:
                    together.discard(row)
                    self._push(row)
        return found

    def _due(self, row: int) -> int:
        return min(int(self._memories[row, H_NEXT]), *self._tick_due.get(row, [NEVER_US]))

    def _push(self, row: int) -> None:
        due_us = self._due(row)
        if due_us < NEVER_US:
            heapq.heappush(self._heap, (due_us, row))

    def _rank(self, row: int, due_us: int) -> tuple[int, int, int, str]:
        """Return kind and programme of what is next for a person, and what orders persons."""
        memory = self._memories[row]
        who = (int(self._desk.person_keys[row]), self._people[row])
        p = core.next_timer(self._desk, memory, due_us)
        if p >= 0:
            return (KIND_TIMER, p, *who)
        for place, at_us in enumerate(self._tick_due.get(row, [])):
            if at_us == due_us:
                return (KIND_CALENDAR, place, *who)
        if memory[H_COLLECT] == due_us:
            return (KIND_COLLECTED, 0, *who)
        queues = self._rules.programmes[:, P_QUEUE]
        for q, queue in enumerate(queues.tolist()):
            if queue >= 0 and memory[queue] == due_us:
                return (KIND_RELEASE, q, *who)
        return (KIND_RELEASE, len(queues), *who)

    def _happen(self, row: int, kind: int, which: int, due_us: int) -> list[Decision]:
        if kind != KIND_CALENDAR:
            return self._step(row, lambda desk, memory: core.fire(desk, memory, row))
        role = self._roles[""][which]
        self._lay_tick(row, role, due_us)
        found = self._step(row, lambda desk, memory: core.tick(desk, memory, row, 0))
        self._tick_due[row][which] = self._next_tick(row, role, due_us + 1)
        return found

    def _plan_ticks(self, row: int, from_us: int) -> None:
        """Find the next instant of every broadcast for a person."""
        since = int(self._memories[row, H_SINCE])
        if "" in self._roles and since > -NEVER_US // 2:
            begin = max(since, from_us)
            self._tick_due[row] = [self._next_tick(row, role, begin) for role in self._roles[""]]

    def _next_tick(self, row: int, role: Role, from_us: int) -> int:
        zone = self._references.zone_of(self._nothing_at(row, from_us))
        every = role.programme.trigger.every
        return int(every_of(every, zone, from_us, from_us + _TICKS_AHEAD_US)[0])

    def _nothing_at(self, row: int, at_us: int) -> Event:
        return Event("", 0, at_us, at_us, self._people[row], "")

    # Rows and touches

    def _lay(self, event: Event, row: int) -> None:
        """Write an event and what it means to programmes into the first rows of the desk."""
        roles = self._roles.get(event.type, [])
        values = self._values(event, row, self._names.get(event.type, frozenset()))
        memory = self._memories[row]
        if memory[H_SINCE] < -NEVER_US // 2 and "" in self._roles:
            memory[H_SINCE] = event.known_at_us
            self._plan_ticks(row, event.known_at_us)
            self._push(row)
        line = self._line(event)
        line[R_SEQ] = event.seq
        line[R_KEY] = key_of(event.event_id)
        what = RESPONSES.get(event.type, 0) if event.decision_id is not None else 0
        line[R_ANSWER] = what
        if what:
            self._lay_answer(line, event.decision_id or "")
        self._event_ids[0] = event.event_id
        found = touched_by_one(values, roles, lambda role: self._moved(event, role, values))
        for t, (role, answers) in enumerate(found):
            self._lay_touch(t, role, answers, event.ts_us + role.shift_us, row, event.event_id)
        line[R_LAST] = len(found)

    def _lay_tick(self, row: int, role: Role, at_us: int) -> None:
        """Write an instant of the calendar."""
        event = self._nothing_at(row, at_us)
        line = self._line(event)
        line[R_TICK] = 1
        line[R_KEY] = key_of(event.person_id)
        values = self._values(event, row, self._names[""])
        self._event_ids[0] = None
        for _, answers in touched_by_one(values, [role], lambda _: values):
            self._lay_touch(0, role, answers, at_us, row, event.person_id)
        line[R_LAST] = 1

    def _line(self, event: Event) -> NDArray[np.int64]:
        line: NDArray[np.int64] = self._desk.rows[0]
        line[:] = 0
        line[R_KNOWN], line[R_TS] = event.known_at_us, event.ts_us
        zone = self._references.own_zone_of(event)
        line[R_ZONE] = -1 if zone is None else self._zone_code(zone)
        line[R_FIRST] = 0
        return line

    def _zone_code(self, zone: str) -> int:
        if zone == self._zones[0]:
            return 0
        others = self._zones[2:]
        if zone not in others:
            self._zones.append(zone)
            zones, changes = tables_of(self._zones)
            self._desk = self._desk._replace(zones=zones, changes=changes)
            return len(self._zones) - 1
        return 2 + others.index(zone)

    def _lay_answer(self, line: NDArray[np.int64], decision_id: str) -> None:
        parts = decision_id.split(":", 3)
        line[R_ANSWER_PROGRAMME] = -1
        if len(parts) == 4 and parts[1] in _KIND_CODES and _is_whole(parts[2]):  # noqa: PLR2004 - its parts
            line[R_ANSWER_PROGRAMME] = self._position_of.get(parts[0], -1)
            line[R_ANSWER_KIND] = _KIND_CODES[parts[1]]
            line[R_ANSWER_TS] = int(parts[2])
            line[R_ANSWER_KEY] = key_of(parts[3])

    def _lay_touch(  # noqa: PLR0917 - what names a row
        self, t: int, role: Role, answers: dict[str, int], ts_us: int, row: int, rest: str
    ) -> None:
        line = self._desk.touches[t]
        line[:] = 0
        line[T_PROGRAMME], line[T_ROLE], line[T_TS] = role.position, role.role, ts_us
        line[T_ROW] = 0
        if not role.answers:
            return
        line[T_AUDIENCE], line[T_SUPPRESS] = answers["audience"], answers["suppress"]
        line[T_YES], line[T_NULL] = answers["yes"], answers["null"]
        line[T_LEVEL], line[T_WORDS] = answers["level"], answers["words"]
        experiment, person = role.programme.experiment, self._people[row]
        decision_id = f"{role.programme.name}:{kind_of(role)}:{ts_us}:{rest}"
        if experiment.unit == "customer":
            unit = self._units.get((role.position, person))
            if unit is None:
                unit = self._unit(role, person, person)
                self._units[role.position, person] = unit
        else:
            unit = self._unit(role, decision_id, person)
        line[T_PART], line[T_ARM], line[T_GHOST] = unit
        line[T_DRAW] = draw_32(f"{experiment.salt}:offer:{decision_id}")

    def _unit(self, role: Role, unit: str, person: str) -> tuple[int, int, int]:
        part, arm = assigned(role.programme.experiment, unit)
        ghost = ghosts_column(role.programme, np.array([arm]), np.array([self._holdout(person)[0]]))
        return part, arm, int(ghost[0])

    def _holdout(self, person: str) -> tuple[bool, bool]:
        """Return whether a person is in the global hold-out, and in the measured group."""
        if person not in self._held:
            rule = self.programmes.house.holdout
            held, measured = holdout_columns(rule, pl.Series([person], dtype=pl.String))
            self._held[person] = (bool(held[0]), bool(measured[0]))
        return self._held[person]

    def _values(self, event: Event, row: int, names: frozenset[str]) -> dict[str, object]:
        """Return what conditions may read, and let the event become part of the past."""
        values = self._references.one(event, names | self._past.reads)
        if not self._past.names:
            return values
        plan, memory = self._past.plan, self._features[row]
        zone = ZoneInfo(self._references.zone_of(event))
        figures = np.zeros(len(plan.figure_track), dtype=np.int64)
        weights = self._past.weights_of_one(event.type, values)
        rolling.advance(plan, memory, _day(event.known_at_us, zone))
        rolling.look(plan, memory, weights, 0, figures)
        rolling.absorb(plan, memory, _day(event.ts_us, zone), weights, 0)
        for name in self._past.names:
            values[name] = self._past.value(name, figures)
        return values

    def _moved(self, event: Event, role: Role, values: dict[str, object]) -> dict[str, object]:
        later = event._replace(ts_us=event.ts_us + role.shift_us)
        past = {name: values[name] for name in self._past.names}
        return {**self._references.one(later, role.inner - set(past)), **past}

    # Decisions

    def _step(self, row: int, happen: Callable[[Desk, NDArray[np.int64]], None]) -> list[Decision]:
        """Let one thing happen to a person; again when a budget closes at it."""
        memory = self._memories[row]
        before = memory.copy()
        while True:
            self._desk.counts[:] = 0
            happen(self._desk, memory)
            if not self._rules.accounts or self._reserved():
                break
            memory[:] = before
        self._not_admitted += int(self._desk.counts[C_REFUSED_ANSWERS])
        out = self._desk.out[: self._desk.counts[C_OUT]]
        measured = self._holdout(self._people[row])[1]
        found = [
            decision_of(
                line,
                self._desk,
                self._event_ids,
                self._people[row],
                self._rules,
                self.programmes,
                measured=measured,
            )
            for line in out
        ]
        self._keep(row)
        self._push(row)
        return found

    def _reserved(self) -> bool:
        """Reserve from budgets; when one would be exceeded, close it and say no."""
        out = self._desk.out[: self._desk.counts[C_OUT]]
        zones, changes = self._desk.zones, self._desk.changes
        found = reserves_of(out, self._rules, zones, changes)
        spent: dict[tuple[int, int], int] = {}
        for i in np.lexsort((found.budget, found.key)).tolist():
            account = (int(found.budget[i]), int(found.period[i]))
            taken = spent.get(account, self.ledger.spent.get(account, 0)) + int(found.amount[i])
            if taken > self._rules.accounts[account[0]].amount:
                place = (int(found.known_at_us[i]), int(found.seq[i]), int(found.key[i]))
                self.ledger.closings[account] = place
                closing_of, closings = closings_table(self.ledger, self._rules, zones, changes)
                self._desk = self._desk._replace(closing_of=closing_of, closings=closings)
                return False
            spent[account] = taken
        self.ledger.spent.update(spent)
        return True

    def _keep(self, row: int) -> None:
        """Move the anchors of what waits for a person to places of their own."""
        places = self._rules.touch_places
        if not len(places):
            return
        refs = self._memories[row, places]
        own = self._scratch + row * len(places) + np.arange(len(places))
        moved = np.flatnonzero((refs >= 0) & (refs != own))
        if not len(moved):
            return
        source, target = refs[moved], own[moved]
        touches = self._desk.touches[source].copy()
        from_rows = touches[:, T_ROW].tolist()
        rows = self._desk.rows[from_rows].copy()
        names = [self._event_ids[at] for at in from_rows]
        touches[:, T_ROW] = target
        self._desk.touches[target], self._desk.rows[target] = touches, rows
        for at, name in zip(target.tolist(), names, strict=True):
            self._event_ids[at] = name
        self._memories[row, places[moved]] = target


def _is_whole(text: str) -> bool:
    return text.lstrip("-").isdecimal() and text.isascii()


def _day(instant_us: int, zone: ZoneInfo) -> int:
    local = (_EPOCH + timedelta(microseconds=instant_us)).astimezone(zone)
    return local.date().toordinal() - _EPOCH.date().toordinal()
