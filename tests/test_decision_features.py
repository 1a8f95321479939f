"""Declared features: against their words, in columns and singly, in one piece and cut anywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.decision import rolling
from workbench.decision.declared import REST_SCHEMA, FeatureSet, rest_frame, rest_of
from workbench.decision.programme import FeatureRule

TYPES = {"purchase": 0, "visit": 1, "refund": 2}
BUILT_IN = (
    "days_since_purchase",
    "first_purchase_days_ago",
    "purchase_number",
    "purchases_90d",
    "spend_90d_cents",
)


def rule(name: str, of: str, measure: str, **rest: object) -> FeatureRule:
    return FeatureRule.from_mapping(
        {"name": name, "of": of, "measure": measure, **rest}, source="house.yaml"
    )


DECLARED = (
    rule("visits_3d", "visit", "count", window_days=3),
    rule("visits_ever", "visit", "count"),
    rule("spent_2d", "purchase", "sum", column="amount_cents", window_days=2),
    rule("returned_ever", "refund", "sum", column="amount_cents"),
    rule("points_366d", "purchase", "sum", column="points", window_days=366),
    rule("days_since_visit", "visit", "days_since"),
    rule("lunch_5d", "purchase", "share_daypart", value="lunch", window_days=5),
    rule("beer_5d", "purchase", "share_category", value="beer", window_days=5),
)
NAMES = (*BUILT_IN, *(each.name for each in DECLARED))


@dataclass(frozen=True)
class Event:
    person: int
    type: str
    known_day: int
    day: int
    amount_cents: int | None
    points: int | None
    category: str | None
    daypart: str


def by_words(past: list[Event], now: Event) -> dict[str, float | int | None]:
    """The features of one event, from the events of the person before it."""
    anchor = max([e.known_day for e in past] + [now.known_day])
    # A day before the current one changes nothing, and no event happens after it is known.
    dated, current = [], None
    for each in past:
        current = each.known_day if current is None else max(current, each.known_day)
        dated.append((min(each.day, current), each))

    def within(of: str, days: int | None) -> list[tuple[int, Event]]:
        found = [(day, e) for day, e in dated if e.type == of]
        return [(d, e) for d, e in found if days is None or d > anchor - days]

    def total(of: str, days: int | None, column: str) -> int:
        return sum(getattr(e, column) or 0 for _, e in within(of, days))

    def since(of: str, pick) -> int | None:
        found = [day for day, _ in within(of, None)]
        return anchor - pick(found) if found else None

    def share(column: str, value: str, days: int) -> float | None:
        whole = within("purchase", days)
        part = [e for _, e in whole if getattr(e, column) == value]
        return len(part) / len(whole) if whole else None

    return {
        "purchase_number": len(within("purchase", None)) + (now.type == "purchase"),
        "days_since_purchase": since("purchase", max),
        "first_purchase_days_ago": since("purchase", min),
        "purchases_90d": len(within("purchase", 90)),
        "spend_90d_cents": total("purchase", 90, "amount_cents"),
        "visits_3d": len(within("visit", 3)),
        "visits_ever": len(within("visit", None)),
        "spent_2d": total("purchase", 2, "amount_cents"),
        "returned_ever": total("refund", None, "amount_cents"),
        "points_366d": total("purchase", 366, "points"),
        "days_since_visit": since("visit", max),
        "lunch_5d": share("daypart", "lunch", 5),
        "beer_5d": share("category", "beer", 5),
    }


@st.composite
def logs(draw: st.DrawFn) -> list[Event]:
    found, known = [], draw(st.integers(19_000, 19_010))
    for _ in range(draw(st.integers(1, 25))):
        known += draw(st.sampled_from([-1, 0, 0, 1, 1, 2, 5, 89, 90, 366]))
        amount = draw(st.sampled_from([None, 0, 5, 700]))
        kind = draw(st.sampled_from(sorted(TYPES)))
        found.append(
            Event(
                person=draw(st.integers(0, 1)),
                type=kind,
                known_day=known,
                day=known - draw(st.sampled_from([0, 0, 0, -1, 1, 2, 89, 90])),
                amount_cents=-amount if amount and kind == "refund" else amount,
                points=draw(st.sampled_from([None, 3])),
                category=draw(st.sampled_from([None, "beer", "tea"])),
                daypart=draw(st.sampled_from(["lunch", "dinner"])),
            )
        )
    return found


def in_columns(features: FeatureSet, events: list[Event], before: rolling.Rest, run):
    frame = pl.DataFrame(
        [vars(each) for each in events],
        schema={
            "person": pl.Int32,
            "type": pl.String,
            "known_day": pl.Int32,
            "day": pl.Int32,
            "amount_cents": pl.Int64,
            "points": pl.Int64,
            "category": pl.String,
            "daypart": pl.String,
        },
    )
    codes = frame["type"].replace_strict(TYPES, return_dtype=pl.Int16)
    rows = rolling.Rows(
        frame["person"].to_numpy(),
        frame["known_day"].to_numpy(),
        frame["day"].to_numpy(),
        features.weights(codes, TYPES, frame),
    )
    figures = np.zeros((len(events), len(features.plan.figure_track)), dtype=np.int64)
    room = len(before.day) + len(events) * len(features.tracks)
    after = rolling.nothing_at_rest(features.plan, len(before.anchor_day), room=room)
    run(features.plan, rows, before, figures, after)
    values = [
        {name: features.column(name, figures)[place] for name in features.names}
        for place in range(len(events))
    ]
    return values, after


@pytest.mark.parametrize("run", [rolling.run_rolling, rolling.run_rolling_compiled])
@settings(deadline=None, max_examples=60)
@given(events=logs(), cut=st.integers(0, 25))
def test_features_say_what_their_words_say_wherever_the_log_is_cut(run, events, cut: int):
    features = FeatureSet.of(DECLARED, NAMES)
    start = rolling.nothing_at_rest(features.plan, 2)
    first, rest = in_columns(features, events[:cut], start, run)
    stored = rest_frame(rest)
    assert dict(stored.schema) == dict(REST_SCHEMA)
    second, _ = in_columns(features, events[cut:], rest_of(features.plan, stored), run)
    wanted = []
    for place, now in enumerate(events):
        past = [each for each in events[:place] if each.person == now.person]
        wanted.append(by_words(past, now))
    assert first + second == wanted


@settings(deadline=None, max_examples=40)
@given(events=logs())
def test_one_event_at_a_time_gives_the_values_of_the_columns(events: list[Event]):
    features = FeatureSet.of(DECLARED, NAMES)
    start = rolling.nothing_at_rest(features.plan, 2)
    columns, _ = in_columns(features, events, start, rolling.run_rolling_compiled)
    memories = [rolling.empty_memory(features.plan) for _ in range(2)]
    figures = np.zeros(len(features.plan.figure_track), dtype=np.int64)
    for event, wanted in zip(events, columns, strict=True):
        memory = memories[event.person]
        weights = features.weights_of_one(event.type, vars(event))
        rolling.advance(features.plan, memory, event.known_day)
        rolling.look(features.plan, memory, weights, 0, figures)
        rolling.absorb(features.plan, memory, event.day, weights, 0)
        assert {name: features.value(name, figures) for name in features.names} == wanted


def test_a_planted_window_of_one_day_more_is_caught():
    events = [
        Event(0, "visit", 100, 100, None, None, None, "lunch"),
        Event(0, "visit", 103, 103, None, None, None, "lunch"),
    ]
    right = FeatureSet.of([rule("visits_3d", "visit", "count", window_days=3)], ["visits_3d"])
    wrong = FeatureSet.of([rule("visits_3d", "visit", "count", window_days=4)], ["visits_3d"])
    found = [
        in_columns(each, events, rolling.nothing_at_rest(each.plan, 1), rolling.run_rolling)[0][1]
        for each in (right, wrong)
    ]
    assert found == [{"visits_3d": 0}, {"visits_3d": 1}]


def test_only_features_in_use_are_computed_and_tracks_are_shared():
    features = FeatureSet.of(DECLARED, ["beer_5d", "lunch_5d", "purchases_90d", "weather"])
    assert features.names == ("beer_5d", "lunch_5d", "purchases_90d")
    assert features.event_types == ("purchase",)
    assert features.reads == {"category", "daypart"}
    assert len(features.tracks) == 4  # two parts, one whole of five days, one of ninety
    assert FeatureSet.of([], ["weather"]).tracks == ()


def test_an_event_type_that_the_log_has_not_counts_nothing():
    features = FeatureSet.of([rule("visits_ever", "visit", "count")], ["visits_ever"])
    types = pl.Series([0, 1, -1], dtype=pl.Int16)
    weights = features.weights(types, {"purchase": 0}, pl.DataFrame())
    assert weights.tolist() == [[0, 0, 0]]
