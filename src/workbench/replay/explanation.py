"""An explanation as tables. Owns no search, no comparison and no sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from workbench import text
from workbench.decision import core
from workbench.decision.choice import WHOLE
from workbench.decision.desk import (
    H_COLLECT,
    NEVER_US,
    P_FIRST_ACTION,
    P_QUEUE,
    P_TIMER,
    TIMER_SEQ,
    Table,
)
from workbench.decision.meters import inside, is_reached
from workbench.records import (
    GLOBAL_HOLDOUT,
    HELD_OUT,
    OUTRANKED,
    REASON_OF_CODE,
)
from workbench.replay.explanation_words import headline_of, offer_of, sentences
from workbench.replay.moment import Moment
from workbench.replay.one_person import OnePerson
from workbench.replay.path import score_of
from workbench.replay.path_limits import meter_words, reopens_us
from workbench.replay.what_if import Asked, Change

if TYPE_CHECKING:
    import pandas as pd

_PATH = ("programme", "offer_id", "stage", "test", "value", "limit", "passed", "reached", "reason", "free_at")  # fmt: skip
_CHANGES = {
    "programme": "str",
    "kind": "str",
    "key": "str",
    "was": "object",
    "would_be": "object",
    "size": "float64",
    "sentence": "str",
}
_OPEN = ("programme", "offer_id", "open", "score", "probability", "chosen", "arm", "p_assignment")
_STATE = ("kind", "name", "before", "after", "limit", "free_at")


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation(text.Result):
    """One decision set of a customer, explained.

    Attributes:
        table: The path: a row for each programme, offer and test in the order of the funnel, with
            what was seen, the limit, ``passed`` (none: not reached, and nothing to say) and
            ``reached``: false behind the refusal, where a test that would refuse too still says so.
        text: What happened, why, and the smallest single change.
        customer: The person.
        at: When it was decided, or when the event was known.
        event_id: The event, or none for what time brought about.
        decisions: The rows of the decision log.
        candidates: Every offer considered and the stage that removed it.
        state: A row for each meter, timer, queue and budget before and after.
        open: A row for each offer: whether it was open, its score and probability, the arm.
        changes: What would have changed it, the smallest first: ``kind`` limit and threshold have
            the path of a key of the programmes.
    """

    customer: str
    at: pd.Timestamp
    event_id: str | None
    decisions: pd.DataFrame
    candidates: pd.DataFrame
    state: pd.DataFrame
    open: pd.DataFrame
    changes: pd.DataFrame


def explained(  # noqa: PLR0917 - what names a row
    person: OnePerson,
    moment: Moment | None,
    asked: Sequence[Asked],
    changes: Sequence[Change],
    event: tuple[str, int, str] | None,
    known_us: int,
) -> Explanation:
    """Make the explanation of what was found."""
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    ordered = sorted(changes, key=lambda each: (each.size, each.programme, each.key))
    outcome = person.outcome
    places = [each.candidate.place for each in asked if each.candidate is not None]
    decisions = outcome.decisions[places]
    candidates = outcome.candidates
    assert candidates is not None  # noqa: S101 - for the type checker: the run asks for them
    mine = candidates.filter(pl.col("decision_id").is_in(decisions["decision_id"].to_list()))
    path = pd.DataFrame(_path(person, asked), columns=_PATH)
    return Explanation(
        table=path.astype({"passed": "boolean", "free_at": "datetime64[us, UTC]"}),
        text=sentences(person, moment, asked, ordered, event, known_us),
        headline=headline_of(person, asked),
        customer=person.person_id,
        at=pd.Timestamp(known_us, unit="us", tz="UTC"),
        event_id=event[0] if event is not None else None,
        decisions=decisions.to_pandas(),
        candidates=mine.to_pandas(),
        state=pd.DataFrame(_state(moment) if moment is not None else [], columns=_STATE).astype(
            {"free_at": "datetime64[us, UTC]"}
        ),
        open=pd.DataFrame(_open(person, moment, asked), columns=_OPEN),
        changes=_changes(ordered),
    )


def _changes(changes: Sequence[Change]) -> pd.DataFrame:
    """Return changes as rows; what was and would be keep their own types, and none stays none."""
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    columns = {
        name: pd.Series([getattr(each, name) for each in changes], dtype=dtype)
        for name, dtype in _CHANGES.items()
    }
    return pd.DataFrame(columns)


def _path(person: OnePerson, asked: Sequence[Asked]) -> list[dict[str, Any]]:
    return [
        {
            "programme": person.job.programmes[each.programme].name,
            "offer_id": offer_of(person, action),
            "stage": test.stage,
            "test": test.test,
            "value": test.value,
            "limit": test.limit,
            "passed": test.passed,
            "reached": test.reached,
            "reason": REASON_OF_CODE[test.reason].name if test.reason else None,
            "free_at": _stamp(test.free_us),
        }
        for each in asked
        for action, tests in each.paths.items()
        for test in tests
    ]


def _stamp(us: int | None) -> pd.Timestamp | None:
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    if us is None or abs(us) >= NEVER_US // 4:
        return None
    return pd.Timestamp(us, unit="us", tz="UTC")


def _open(person: OnePerson, moment: Moment | None, asked: Sequence[Asked]) -> list[dict[str, Any]]:
    rows = []
    for each in asked:
        if moment is None or each.candidate is None:
            continue
        decision = person.outcome.decisions.row(each.candidate.place, named=True)
        first = int(moment.desk.programmes[each.programme, P_FIRST_ACTION])
        for action, tests in each.paths.items():
            shares = decision["distribution"]
            opened = all(test.passed is not False or test.reason in _BEHIND for test in tests)
            rows.append(
                {
                    "programme": decision["programme"],
                    "offer_id": offer_of(person, action),
                    "open": opened,
                    "score": score_of(moment, each.candidate, action),
                    "probability": None if shares is None else shares[action - first] / WHOLE,
                    "chosen": decision["offer_id"] is not None
                    and decision["offer_id"] == offer_of(person, action),
                    "arm": decision["arm"],
                    "p_assignment": decision["p_assignment"],
                }
            )
    return rows


_BEHIND = (OUTRANKED, HELD_OUT, GLOBAL_HOLDOUT)


def _state(moment: Moment) -> list[dict[str, Any]]:
    """Return meters, timers, queues and budgets before and after."""
    return [*_meters(moment), *_waits(moment), *_budgets(moment)]


def _meters(moment: Moment) -> list[dict[str, Any]]:
    desk, rules = moment.desk, moment.person.job.rules
    first = moment.candidates[0]
    at_us, zone = first.at[0], max(first.zone, 0)
    rows = []
    for m, key in enumerate(rules.meter_keys):
        said = []
        for memory in (moment.before, moment.after):
            held = bool(is_reached(desk, memory, m, at_us, zone))
            count, free = inside(desk, memory, m, at_us, zone)
            value, limit = meter_words(moment, m, memory, at_us, int(count), held=held)
            said.append((value, limit, int(free) if held else None))
        (before, _, _), (after, limit, free_us) = said
        rows.append(
            {
                "kind": "meter",
                "name": key,
                "before": before,
                "after": after,
                "limit": limit,
                "free_at": _stamp(free_us),
            }
        )
    return rows


def _waits(moment: Moment) -> list[dict[str, Any]]:
    """Return what time will bring about: timers, queues, the collection."""
    desk, programmes = moment.desk, moment.person.job.programmes
    places = [
        (kind, programmes[p].name, int(row[place]))
        for p, row in enumerate(desk.programmes)
        for kind, place in (("timer", P_TIMER), ("queue", P_QUEUE))
        if row[place] >= 0
    ]
    if any(each.trigger.collect_for for each in programmes):
        places.append(("collection", "all programmes", H_COLLECT))
    return [
        {
            "kind": kind,
            "name": name,
            "before": _due(moment, moment.before, place),
            "after": _due(moment, moment.after, place),
            "limit": "",
            "free_at": _stamp(int(moment.after[place])),
        }
        for kind, name, place in places
    ]


def _due(moment: Moment, memory: Table, place: int) -> str:
    due = int(memory[place])
    return (
        "none" if due == NEVER_US else f"due {text.instant(due, moment.person.job.references.zone)}"
    )


def _budgets(moment: Moment) -> list[dict[str, Any]]:
    """Return budgets at the set and right behind it."""
    _, known_us, seq, key = moment.candidates[0].at
    rows = []
    for b, account in enumerate(moment.person.job.rules.accounts):
        before = bool(core.is_closed(moment.desk, b, known_us, seq, key))
        after = bool(core.is_closed(moment.desk, b, known_us, min(seq + 1, TIMER_SEQ + 1), 0))
        rows.append(
            {
                "kind": "inventory" if account.pieces else "budget",
                "name": account.name,
                "before": "closed" if before else "open",
                "after": "closed" if after else "open",
                "limit": f"{account.amount} {'pieces' if account.pieces else 'cents'}, {account.per}",
                "free_at": _stamp(reopens_us(moment, b, known_us) if after else None),
            }
        )
    return rows


__all__ = ["Explanation", "explained"]
