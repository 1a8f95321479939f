"""Why a customer did or did not get an offer, and what would have changed it.

Owns which decision set is meant and which questions are asked of it; ``explanation`` owns the
tables and the sentence, ``path`` the tests and ``what_if_rules`` and ``what_if_event`` the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.replay.explanation import Explanation, explained
from workbench.replay.moment import Candidate, Moment, moment_of
from workbench.replay.one_person import THROUGH, OnePerson, Target, events_seen, person_of
from workbench.replay.path import actions_of, path_of
from workbench.replay.result import Replay
from workbench.replay.untriggered import of_another_set, untriggered
from workbench.replay.what_if import Asked, Change, Question
from workbench.replay.what_if_event import event_changes
from workbench.replay.what_if_rules import rule_changes

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@checked
def explain(
    replay: Replay,
    customer: str,
    *,
    at: datetime | str | None = None,
    programme: str | None = None,
) -> Explanation:
    """Explain one decision set of a customer: the path of every offer, and what would change it.

    What would have changed it is found by running the core over the customer's whole history with
    one thing changed. It holds for this customer: the closings of shared budgets stay as they were,
    and nobody else is looked at. A change of kind ``limit`` or ``threshold`` has the path of a key,
    so that :func:`workbench.vary` and :func:`workbench.replay` can try it on everybody.

    Args:
        replay: A replay with its log.
        customer: A person id, or the id of a customer of the log.
        at: An instant with a zone (or its ISO text) or a ``decision_id``; none: the customer's last
            decision set. Where nothing was decided at the instant, the customer's last event known
            by then is explained.
        programme: Look at this programme alone, also when it was not triggered.

    Returns:
        The path as a table, the state before and after, what was open with which probability, the
        changes, smallest first, and a sentence.

    Raises:
        InputError: The replay has no log, the customer is not in it, the instant lies before the
            customer's first event or after the end of the replay, or the log decides otherwise
            than the decision log says.
        ParameterError: ``at`` is neither an instant with a zone nor a decision of the customer, or
            there is no such programme.

    >>> customer = replayed.decisions().head(1).collect()["person"].item()
    >>> last = explain(replayed, customer)
    >>> last.table["stage"].iloc[0], last.customer == customer
    ('trigger', True)
    """
    names = [each.name for each in replay.rules]
    if programme is not None and programme not in names:
        rule = f"must be one of {', '.join(names)}"
        raise ParameterError(
            problem("programme", programme, rule, hint=did_you_mean(programme, names))
        )
    person = person_of(replay, customer)
    found = _found(person, at)
    wanted = [p for p, name in enumerate(names) if programme in (None, name)]
    moment = None if found.set_id is None else moment_of(person, found.set_id)
    asked = _asked(person, moment, found, wanted, named=programme is not None)
    changes = [change for each in asked if each.question is not None for change in _changes(each)]
    return explained(person, moment, asked, changes, found.event, found.known_us)


@dataclass(frozen=True)
class _Found:
    """What is to be explained: a decision set, or an event without one.

    Attributes:
        set_id: The set, or none.
        event: ``event_id``, ``seq`` and type of the event, or none for what time brought about.
        known_us: When it was decided or known.
    """

    set_id: str | None
    event: tuple[str, int, str] | None
    known_us: int


def _found(person: OnePerson, at: datetime | str | None) -> _Found:
    """Find the decision set or the event that is meant."""
    decisions = person.outcome.decisions
    instant = _instant(at, decisions)
    if isinstance(at, str) and instant is None:
        mine = decisions.filter(pl.col("decision_id") == at)
        return _of_set(person, mine.row(0, named=True))
    if instant is None and decisions.height:
        return _of_set(person, decisions.row(-1, named=True))
    events = person.events.filter(events_seen(person.until))
    if instant is not None:
        first = person.events.select(pl.col("known_at").min()).item()
        if instant < first:
            zone = person.job.references.zone
            raise InputError(
                f"at was {text.instant(instant, zone)}, before the first event of "
                f"{person.person_id!r}, which was known at {text.instant(first, zone)}"
            )
        _not_behind(person, instant)
        exact = decisions.filter((pl.col("known_at") == instant) | (pl.col("ts") == instant))
        if exact.height:
            return _of_set(person, exact.row(-1, named=True))
        events = events.filter(pl.col("known_at") <= instant)
    if events.is_empty():
        raise InputError(
            f"{person.person_id!r} has no event that this replay has seen by then; "
            "replay further, or name a later instant"
        )
    last = events.row(-1, named=True)
    mine = decisions.filter(
        (pl.col("event_id") == last["event_id"]) & (pl.col("known_at") == last["known_at"])
    )
    if mine.height:
        return _of_set(person, mine.row(-1, named=True))
    return _Found(None, _event(person, last["event_id"]), _us(last["known_at"]))


def _not_behind(person: OnePerson, instant: datetime) -> None:
    """Refuse an instant of which the replay says nothing, because it ended before."""
    end_us = person.until[0]
    if (instant - _EPOCH) // timedelta(microseconds=1) > end_us:
        zone = person.job.references.zone
        raise InputError(
            f"at was {text.instant(instant, zone)}, after the end of the replay at "
            f"{text.instant(end_us, zone)}; name an instant before it, or replay further"
        )


def _of_set(person: OnePerson, row: dict[str, object]) -> _Found:
    known = row["known_at"]
    of_event = str(row["set_id"]).startswith("event:")
    event = _event(person, str(row["event_id"])) if of_event else None
    return _Found(str(row["set_id"]), event, _us(known))


def _event(person: OnePerson, event_id: str) -> tuple[str, int, str]:
    mine = person.events.filter(pl.col("event_id") == event_id).row(0, named=True)
    types = {code: name for name, code in person.job.type_codes.items()}
    return event_id, int(mine["seq"]), types[mine["type"]]


def _us(instant: object) -> int:
    assert isinstance(instant, datetime)  # noqa: S101 - for the type checker: a column of instants
    return (instant - _EPOCH) // timedelta(microseconds=1)


def _instant(at: datetime | str | None, decisions: pl.DataFrame) -> datetime | None:
    """Return the instant that is meant; none where a decision is, or nothing."""
    if at is None or (isinstance(at, str) and at in decisions["decision_id"]):
        return None
    rule = "must be an instant with a zone such as 2017-07-01T00:00:00Z, or a decision_id"
    instant = at if isinstance(at, datetime) else None
    if isinstance(at, str):
        try:
            instant = datetime.fromisoformat(at)
        except ValueError:
            hint = did_you_mean(at, decisions["decision_id"].to_list())
            raise ParameterError(problem("at", at, f"{rule} of this customer", hint=hint)) from None
    if instant is None or instant.tzinfo is None:
        raise ParameterError(problem("at", str(at), rule))
    return instant


def _asked(
    person: OnePerson,
    moment: Moment | None,
    found: _Found,
    wanted: Sequence[int],
    *,
    named: bool,
) -> list[Asked]:
    """Return the programmes of a set with their paths, and those that the event did not trigger."""
    rows: dict[int, Asked] = {}
    for candidate in moment.candidates if moment is not None else ():
        if moment is not None and candidate.programme in wanted:
            rows[candidate.programme] = _of_candidate(person, moment, candidate)
    if found.event is not None and (named or moment is None):
        _, seq, event_type = found.event
        for p in wanted:
            if p not in rows:
                test = untriggered(person, p, seq, event_type)
                question = Question(person, Target(p, seq, None, None), {-1: (test,)})
                rows[p] = Asked(p, None, {-1: (test,)}, question if named else None)
    for p in wanted if not rows else ():
        rows[p] = Asked(p, None, {-1: (of_another_set(person, p),)}, None)
    return [rows[p] for p in sorted(rows)]


def _of_candidate(person: OnePerson, moment: Moment, candidate: Candidate) -> Asked:
    paths = {action: path_of(moment, candidate, action) for action in actions_of(moment, candidate)}
    question = None
    if candidate.reason not in THROUGH:
        question = Question(person, moment.target(candidate), paths, moment, candidate)
    return Asked(candidate.programme, candidate, paths, question)


def _changes(asked: Asked) -> list[Change]:
    if asked.question is None:
        return []
    return [*rule_changes(asked.question), *event_changes(asked.question)]


__all__ = ["Explanation", "explain"]
