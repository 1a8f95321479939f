"""Random small sets of programmes, and cases: what the core refuses to load is not generated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from domain import HOUR_US, PERSONS, RESPONSES, START_US, Case, events, with_responses
from draft import EDGES, WHENS, Draft, draft_of
from hypothesis import reject
from hypothesis import strategies as st
from programme_features import FEATURES

from workbench.decision.house import House, ProgrammeSet
from workbench.decision.programme import Programme
from workbench.errors import ParameterError


def programme_set(drafts: list[Draft]) -> ProgrammeSet:
    """Make a set from drafts.

    Raises:
        ParameterError: They break a rule.
    """
    house: dict[str, Any] = {}
    for draft in drafts:
        house.update(draft.house)
    names = [budget["name"] for budget in house.get("budgets", [])]
    made = [
        Programme.from_mapping(draft.programme, source=draft.programme["name"]) for draft in drafts
    ]
    assert len(names) == len(set(names))
    return ProgrammeSet.of(made, House.from_mapping(house, source="house"))


GROUPS: tuple[tuple[str, ...], ...] = (
    ("then", "unless", "nth", "silence", "first", "every"),
    ("by_priority", "by_softmax", "by_epsilon", "by_thompson", "by_policy"),
    ("arms", "offers_by_arm"),
    ("house_cap", "bypass", "count_towards"),
    ("listening", "collect"),
    ("listening", "every"),
)
"""Features of which a programme has one at most."""

SALTS = ("tiny", "tiny", "other")


@st.composite
def drafts(
    draw: st.DrawFn,
    name: str,
    features: tuple[str, ...],
    most: int,
    able: tuple[str, ...] | None = None,
) -> Draft:
    """One programme with some features, or with exactly those that are named when `most` is 0."""
    draft = draft_of(name)
    chosen = list(features)
    if most:
        others = [each for each in able or FEATURES if each not in features]
        chosen += draw(st.lists(st.sampled_from(others), max_size=most, unique=True))
    for group in GROUPS:
        there = [each for each in chosen if each in group]
        chosen = [each for each in chosen if each not in there[1:]]
    plain = draw(st.booleans())
    draft.trigger["event"] = draw(
        st.sampled_from(["purchase", "purchase", "purchase", "basket_add", "app_open"])
    )
    if not plain:
        draft.trigger["when"] = draw(st.sampled_from(WHENS))
    draft.experiment["salt"] = draw(st.sampled_from(SALTS))
    draft.experiment["holdout_share"] = draw(st.sampled_from([0, 0, *EDGES])) / 10_000
    for each in sorted(chosen, key=list(FEATURES).index):
        FEATURES[each](draft, draw)
    return draft


@st.composite
def cases(  # noqa: PLR0917 - each names a part of the domain
    draw: st.DrawFn,
    features: tuple[str, ...] = (),
    most: int = 3,
    programmes: tuple[int, ...] = (1, 1, 2, 3),
    responses: bool = True,
    able: tuple[str, ...] | None = None,
) -> Case:
    """A small log and a small set of programmes that the core loads."""
    number = draw(st.sampled_from(programmes))
    made = [
        draw(drafts(name, features if place == 0 else (), most, able))
        for place, name in enumerate(("q", "p", "r")[:number])
    ]
    try:
        chosen = programme_set(made)
    except ParameterError:
        reject()
    shape = draw(st.sampled_from(made)).shape
    if made[0].programme["trigger"].get("event") and draw(st.booleans()):
        types = {kind for each in chosen for kind in each.trigger.event_types}
        shape = replace(shape, types=("purchase", *sorted(types)))
    case = Case(draw(events(shape)), chosen)
    if any(draft.consent for draft in made):
        persons = sorted({event.person_id for event in case.events}) or list(PERSONS)
        channels = sorted({each.channel for one in chosen for each in one.offers}) or ["app"]
        entries = st.tuples(
            st.sampled_from(persons),
            st.sampled_from(channels),
            st.sampled_from([START_US, START_US + 26 * HOUR_US, *(e.ts_us for e in case.events)]),
            st.booleans(),
        )
        table = draw(st.lists(entries, min_size=1, max_size=6, unique_by=lambda row: row[:3]))
        if draw(st.booleans()):
            night = START_US + 26 * HOUR_US
            table = [(p, "app", at, at != night) for p in persons for at in (START_US, night)]
        case = replace(case, consent=tuple(table))
    if case.events and draw(st.booleans()):
        last = case.events[-1].known_at_us
        case = replace(
            case, until=last + draw(st.sampled_from([1, 36 * HOUR_US, 8 * 24 * HOUR_US]))
        )
    answers = [kind for draft in made for kind in draft.shape.answers]
    if responses and (answers or draw(st.booleans())):
        case = draw(with_responses(case, answers or RESPONSES))
    return case
