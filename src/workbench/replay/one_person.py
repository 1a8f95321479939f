"""One person of a replayed log through the core again, apart from all others. Owns no rule.

Persons are independent but for budgets, whose closings are given (law 5): with the replay's own
closings the run gives exactly the person's rows of the decision log, which is checked. The same
run with one thing changed (a rule, an event, a closing, a consent) is what a what-if asks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from workbench.buckets import fnv1a32
from workbench.decision.budgets import Ledger
from workbench.decision.desk import (
    C_LOOKS,
    L_METER,
    L_OUT,
    O_KIND,
    O_KNOWN,
    O_PROGRAMME,
    O_REASON,
    O_TOUCH,
    R_SEQ,
    T_ROW,
    Table,
)
from workbench.decision.house import ProgrammeSet
from workbench.decision.rules import Rules
from workbench.decision.state import CoreState
from workbench.errors import InputError, did_you_mean, problem
from workbench.records import AWARDED, GLOBAL_HOLDOUT, HELD_OUT, OFFERED, QUEUED, YES
from workbench.replay import part as kernel
from workbench.replay import windows
from workbench.replay.events import scan
from workbench.replay.job import (
    Job,
    LogLike,
    columns_key,
    job_again,
    job_beside,
    job_of,
)
from workbench.replay.part import Outcome, PartState, Prepared, Read
from workbench.replay.result import Replay
from workbench.replay.windows import Position

THROUGH = (OFFERED, AWARDED, HELD_OUT, GLOBAL_HOLDOUT, QUEUED)
"""Reasons of a decision that has an offer: it goes out, waits, or is a ghost."""

_NEAR_IDS, _NEAR_CHARACTERS = 20_000, 2


@dataclass(frozen=True)
class Target:
    """A decision by what stays the same when something else is changed.

    Attributes:
        programme: Position of the programme.
        seq: ``seq`` of its anchor event; of the calendar's ticks it is 0.
        kind: Kind of occurrence, ``KIND_``; none: any.
        known_us: When it is made; none: whenever, for what is moved in time.
    """

    programme: int
    seq: int
    kind: int | None
    known_us: int | None


@dataclass(frozen=True, eq=False)
class OnePerson:
    """The events of one person, and what they are decided by.

    Attributes:
        job: Programmes and tables.
        person_id: The person.
        events: The stored columns of the person's events, in their order.
        until: Where the replay ended.
        ledger: Closings of budgets.
        state: The person before the first event.
        read: The events as read, with their features.
        prepared: The events with the answers of conditions.
    """

    job: Job
    person_id: str
    events: pl.DataFrame
    until: Position
    ledger: Ledger
    state: PartState
    read: Read
    prepared: Prepared

    @classmethod
    def of(
        cls, job: Job, person_id: str, events: pl.DataFrame, until: Position, ledger: Ledger
    ) -> OnePerson:
        """Read and prepare the events of a person."""
        state = kernel.start_part(events.lazy(), job, CoreState.empty(job.programmes))
        read = kernel.read_part(events.lazy(), job, state, since=None, until=until)
        prepared = kernel.prepare_read(read, job, state)
        return cls(job, person_id, events, until, ledger, state, read, prepared)

    @cached_property
    def outcome(self) -> Outcome:
        """What the core decides."""
        return kernel.decide_part(
            self.prepared, self.job, self.state, ledger=self.ledger, candidates=True
        )

    @property
    def out(self) -> Table:
        """The decisions x ``O_``, in the order of the decision log."""
        return self.outcome.decided.out

    @property
    def looks(self) -> Table:
        """The candidates x ``L_``, in the order of the core."""
        desk = self.outcome.decided.desk
        looks = desk.looks[: desk.counts[C_LOOKS]]
        return looks[looks[:, L_OUT] >= 0]

    def reason_of(self, target: Target) -> int:
        """Return why a decision ended as it did; 0 when it is not made at all."""
        out = self.out
        rows = self.outcome.decided.desk.rows
        touch = self.outcome.decided.desk.touches[out[:, O_TOUCH]]
        mine = out[:, O_PROGRAMME] == target.programme
        mine &= rows[touch[:, T_ROW], R_SEQ] == target.seq
        if target.kind is not None:
            mine &= out[:, O_KIND] == target.kind
        if target.known_us is not None:
            mine &= out[:, O_KNOWN] == target.known_us
        at = np.flatnonzero(mine)
        return int(out[at[0], O_REASON]) if len(at) else 0

    def refused_by(self, meters: frozenset[int]) -> bool:
        """Say whether one of these meters refuses any candidate of the person."""
        return bool(np.isin(self.looks[:, L_METER], list(meters)).any())

    def under(self, programmes: ProgrammeSet) -> OnePerson:
        """Return the same person under other programmes, sharing the columns that do not change."""
        if self._columns == columns_key(programmes, answered=self.job.answered):
            job = job_beside(self.job, programmes)
            state = kernel.start_beside(self.state, job, CoreState.empty(programmes))
            return replace(self, job=job, state=state)
        job = job_again(self.job, programmes)
        return OnePerson.of(job, self.person_id, self.events, self.until, self.ledger)

    @cached_property
    def _columns(self) -> str:
        return columns_key(self.job.programmes, answered=self.job.answered)

    def with_rules(self, rules: Rules) -> OnePerson:
        """Return the same person under rules whose layout is the same."""
        return replace(self, job=replace(self.job, rules=rules))

    def with_events(self, events: pl.DataFrame, until: Position | None = None) -> OnePerson:
        """Return the person with other events."""
        ordered = events.sort("known_at", "seq")
        return OnePerson.of(self.job, self.person_id, ordered, until or self.until, self.ledger)

    def with_open_budget(self, account: int) -> OnePerson:
        """Return the person with a budget that never closes."""
        closings = {key: at for key, at in self.ledger.closings.items() if key[0] != account}
        return replace(self, ledger=Ledger(dict(self.ledger.spent), closings))

    def with_consent(self, channel: int, from_us: int) -> OnePerson:
        """Return the person after agreeing to a channel at an instant."""
        old = self.state.consent
        first, end = int(old.start[channel]), int(old.start[channel + 1])
        place = first + int(np.searchsorted(old.at_us[first:end], from_us, side="right"))
        start = old.start.copy()
        start[channel + 1 :] += 1
        value = np.insert(old.value, place, YES)
        consent = old._replace(start=start, at_us=np.insert(old.at_us, place, from_us), value=value)
        return replace(self, state=replace(self.state, consent=consent))


def person_of(replayed: Replay, customer: str) -> OnePerson:
    """Return one person of a replay, after checking that the run gives what the replay gave.

    Args:
        replayed: A replay with its log.
        customer: A person id, or the id of a customer who is one of the log's persons.

    Raises:
        InputError: The replay was opened without its log, the customer is not in the log, or the
            run decides otherwise than the decision log says.
    """
    log, person_id, events = found_person(replayed, customer)
    until = replayed.state.position or windows.behind_last(
        log.parts, [windows.groups_of(part) for part in log.parts]
    )
    if until is None:
        raise InputError("the log of this replay has no events; there is nobody to explain")
    job = job_of(log, replayed.rules)
    person = OnePerson.of(job, person_id, events, until, replayed.state.ledger)
    said = replayed.decisions().filter(pl.col("person") == person_id).collect()
    if not said.equals(person.outcome.decisions):
        raise InputError(
            f"the decision log of {person_id!r} is not what this log, these programmes and this "
            "version decide from the first event on; replay the log again, from the start"
        )
    return person


def found_person(replayed: Replay, customer: str) -> tuple[LogLike, str, pl.DataFrame]:
    """Return the log of a replay, the id of a person, found by either id, and the stored events.

    Raises:
        InputError: The replay was opened without its log, or the customer is not in the log.
    """
    log = replayed.log
    if log is None:
        raise InputError(
            "this replay was opened without its log; open it with open_replay(folder, log=log)"
        )
    code, person_id = _code_of(log, customer)
    return log, person_id, _events_of(log, code, person_id)


def events_seen(until: Position | None) -> pl.Expr:
    """Return which events a replay has seen that ended at a position; none: all."""
    if until is None:
        return pl.lit(value=True)
    at = pl.col("known_at").to_physical()
    return (at < until[0]) | ((at == until[0]) & (pl.col("seq") < until[1]))


def _code_of(log: LogLike, customer: str) -> tuple[int, str]:
    """Return the code and the id of a person, found by either id."""
    persons = log.codes("person")
    found = persons.index_of(customer)
    if found is not None:
        return int(found), customer
    alias = log.codes("customer").index_of(customer)
    if alias is not None:
        for part in log.parts:
            mine = scan(part).filter(pl.col("customer") == alias).select("person").head(1).collect()
            if mine.height:
                code = int(mine.item())
                return code, str(persons[code])
    length = persons.str.len_chars().cast(pl.Int64)
    near = persons.filter((length - len(customer)).abs() <= _NEAR_CHARACTERS).head(_NEAR_IDS)
    hint = did_you_mean(customer, near.to_list()) or "; list them with log.codes('person')"
    raise InputError(problem("customer", customer, "is nobody in this log", hint=hint))


def _events_of(log: LogLike, code: int, person_id: str) -> pl.DataFrame:
    """Return a person's events: of the part that the id says, else of whichever has them."""
    likely = fnv1a32(person_id) % len(log.parts)
    for part in [log.parts[likely], *log.parts]:
        mine = scan(part).filter(pl.col("person") == code).collect()
        if mine.height:
            return mine
    raise InputError(problem("customer", person_id, "has no event in this log"))
