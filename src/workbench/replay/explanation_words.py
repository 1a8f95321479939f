"""The sentences of an explanation: what happened, why, and the smallest change. Owns no table."""

from __future__ import annotations

from collections.abc import Sequence

from workbench import text
from workbench.records import (
    AWARDED,
    GLOBAL_HOLDOUT,
    HELD_OUT,
    OFFERED,
    QUEUED,
    REASON_OF_CODE,
)
from workbench.replay.moment import Moment
from workbench.replay.one_person import OnePerson
from workbench.replay.tested import Test
from workbench.replay.what_if import Asked, Change

_DRAWN = ("other_layer", "outside_coverage", "other_arm")


def offer_of(person: OnePerson, action: int) -> str | None:
    """Return the id of the offer of an action; none for points, or where there is no action."""
    offer = person.job.rules.action_list[action].offer if action >= 0 else None
    return None if offer is None else offer.id


def sentences(  # noqa: PLR0917 - what names a row
    person: OnePerson,
    moment: Moment | None,
    asked: Sequence[Asked],
    changes: Sequence[Change],
    event: tuple[str, int, str] | None,
    known_us: int,
) -> str:
    """Say what happened, why, and the smallest single change."""
    when = text.instant(known_us, person.job.references.zone)
    if moment is None and event is not None:
        why = text.listing([_untold(person, each) for each in asked])
        first = f"the {text.words(event[2])} of customer {person.person_id} at {when} triggered nothing: {why}"
    else:
        what = f"the {text.words(event[2])}" if event is not None else _occurrence(person, asked)
        told = text.listing([_told(person, each) for each in asked])
        first = f"{what} of customer {person.person_id} at {when}: {told}"
    return " ".join([text.sentence(first), *_second(asked, changes)])


def _occurrence(person: OnePerson, asked: Sequence[Asked]) -> str:
    places = [each.candidate.place for each in asked if each.candidate is not None]
    kind = person.outcome.decisions["kind"][places[0]] if places else "time"
    return {
        "timer": "the deadline",
        "calendar": "the calendar",
        "release": "the end of the quiet hours",
        "event": "the end of the collection",
    }.get(kind, "time")


def _untold(person: OnePerson, asked: Asked) -> str:
    test = next(iter(asked.paths.values()))[0]
    return f"{_name(person, asked)} asks for {test.test} ({test.value})"


def _name(person: OnePerson, asked: Asked) -> str:
    return text.named(person.job.programmes[asked.programme].name)


def _told(person: OnePerson, asked: Asked) -> str:
    """Say how a programme ended."""
    name, candidate = _name(person, asked), asked.candidate
    if candidate is None:
        return _untold(person, asked)
    offer = offer_of(person, candidate.action)
    shown = "points" if offer is None else text.named(offer)
    match candidate.reason:
        case code if code in (OFFERED, AWARDED):
            return f"{name} gave {shown}"
        case code if code in (HELD_OUT, GLOBAL_HOLDOUT):
            return f"{name} would have given {shown}, but {_control(candidate.reason)}"
        case code if code == QUEUED:
            return f"{name} keeps {shown} until the quiet hours end"
    test = _refusal(asked)
    why = REASON_OF_CODE[candidate.reason].text
    return f"{name} gave nothing, because {why}{'' if test is None else _seen(test)}"


def _seen(test: Test) -> str:
    """Return what a test saw, and its limit where the words of the test do not say it."""
    if test.stage == "arbitration":
        return f" (score {test.value}, needed: {test.limit})"
    said = test.condition is not None or test.account >= 0 or test.limit in test.test
    limit = "" if said else f", limit {test.limit}"
    return f" ({test.test}: {test.value}{limit})"


def _control(reason: int) -> str:
    return REASON_OF_CODE[reason].text.split(":")[0]


def _refusal(asked: Asked) -> Test | None:
    """Return the test that refused the offer that came furthest."""
    if asked.candidate is None:
        return None
    firsts = [
        next((test for test in tests if test.passed is False), None)
        for tests in asked.paths.values()
    ]
    return next((each for each in firsts if each and each.reason == asked.candidate.reason), None)


def _second(asked: Sequence[Asked], changes: Sequence[Change]) -> list[str]:
    """Say the smallest change, or why none was sought."""
    if changes:
        said = changes[0].sentence
        if len(asked) > 1:
            said = said.replace(
                "it would", f"the offer of {text.named(changes[0].programme)} would", 1
            )
        return [text.sentence(said)]
    ghosts = [a for a in asked if a.candidate and a.candidate.reason in (HELD_OUT, GLOBAL_HOLDOUT)]
    refused = [a for a in asked if a.question is not None]
    if ghosts and not refused:
        return ["Nothing but the draw decided it."]
    drawn = [
        a
        for a in refused
        if a.candidate is not None and REASON_OF_CODE[a.candidate.reason].name in _DRAWN
    ]
    if refused and len(drawn) == len(refused):
        return ["Nothing but the draw decided it: no change was sought."]
    if refused:
        none = "no single change of a limit, a value or the time would have let it through"
        return [text.sentence(f"{none}{_too(refused[0])}")]
    return []


def _too(asked: Asked) -> str:
    """Return what else refuses the offer that came furthest, if anything does."""
    tests = next((each for each in asked.paths.values() if _refusal(asked) in each), ())
    others = [each.test for each in tests if each.passed is False and each is not _refusal(asked)]
    return f": {text.listing(others)} would have refused it too" if others else ""


def headline_of(person: OnePerson, asked: Sequence[Asked]) -> str:
    """Say what the customer got."""
    got = [
        offer
        for each in asked
        if each.candidate is not None
        and each.candidate.reason in (OFFERED, AWARDED)
        and (offer := offer_of(person, each.candidate.action) or "points")
    ]
    if got:
        return f"Customer {person.person_id} got {text.listing([text.named(o) for o in got])}"
    return f"Customer {person.person_id} got nothing"
