"""Contacts by week and under-served customers, each held against a slow count."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from small_log import small_log
from test_replay_log import programme
from workbench.errors import InputError, ParameterError
from workbench.log import Log
from workbench.records import REASONS, STAGES
from workbench.replay import Replay, contacts_per_week, replay, under_served

PEOPLE = pd.DataFrame(
    {
        "person_id": ["eve", "bob", "cleo", "dän", "zoe", "yan"],
        "segment": ["a", "a", "b", "b", None, "a"],
    }
)
NOBODY_HELD = {"holdout_share": 0, "salt": "s5"}
STAGE_OF = {each.name: each.stage for each in REASONS}


def offer(name: str, value_cents: int) -> dict[str, object]:
    priced = {"value_cents": value_cents, "cost_cents": 125, "redemption_rate": 0.3}
    return {"id": name, **priced, "channel": "app"}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Purchases every day from Monday, the first, to the 25th, of yan on the first only."""
    rows = [
        {"ts": f"2024-01-{day:02d}T03:00:00", "person_id": person, "amount_cents": 480 + 10 * day}
        for day in range(1, 26)
        for person in ("eve", "bob", "cleo", "dän", *(["yan"] if day == 1 else []))
    ]
    return small_log(tmp_path, rows)


@pytest.fixture
def replayed(log: Log) -> Replay:
    return replay(log, [programme(audience="amount_cents < 600")])


def sent(replayed: Replay, zone_hours: int = 0) -> Counter[tuple[str, str]]:
    """Offers by person and Monday, counted row by row."""
    rows = replayed.decisions().collect().iter_rows(named=True)
    found: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row["delivered"] and row["offer_id"] is not None:
            day = (row["ts"] + timedelta(hours=zone_hours)).date()
            found[row["person"], f"{day - timedelta(days=day.weekday())}"] += 1
    return found


@pytest.mark.parametrize(
    ("zone", "hours", "whole"),
    [
        ("UTC", 0, ["2024-01-08", "2024-01-15"]),
        # Decisions from the evening of Monday the first on: that week is whole.
        ("America/New_York", -5, ["2024-01-01", "2024-01-08", "2024-01-15"]),
    ],
)
def test_contacts_are_those_of_a_slow_count_over_whole_weeks(replayed, zone, hours, whole):
    found = contacts_per_week(replayed, PEOPLE, "segment", zone)
    assert found.weeks == len(whole)
    by_week = sent(replayed, hours)
    table = found.table.set_index("segment")
    groups = dict(list(PEOPLE.fillna("not known").groupby("segment")["person_id"]))
    groups["all customers"] = PEOPLE["person_id"]
    assert set(table.index) == set(groups)
    for segment, people in groups.items():
        cells = [by_week[person, week] for person in people for week in whole]
        row = table.loc[segment]
        assert row["customers"] == len(people)
        assert row["mean_contacts"] == pytest.approx(sum(cells) / len(cells))
        for name, holds in (
            ("share_0", lambda n: n == 0),
            ("share_1", lambda n: n == 1),
            ("share_2", lambda n: n == 2),
            ("share_3_or_more", lambda n: n >= 3),
        ):
            assert row[name] == pytest.approx(sum(map(holds, cells)) / len(cells)), name
        totals = [sum(by_week[person, week] for week in whole) for person in people]
        assert row["heavy_contacts"] == pytest.approx(max(totals) / len(whole))
    assert found.text.startswith(
        f"A customer gets {table.loc['all customers', 'mean_contacts']:.2f} offers a week, counted"
        f" over 6 customers and {len(whole)} whole weeks."
    )


def test_three_contacts_a_week_and_more_are_counted_together(log: Log):
    often = replay(log, [programme(audience=None, limits={}, experiment=NOBODY_HELD)])
    table = contacts_per_week(often, PEOPLE, "segment", "UTC").table.set_index("segment")
    assert table.loc["b", ["share_0", "share_3_or_more", "mean_contacts"]].tolist() == [0, 1, 7]
    assert table.loc["a", "share_3_or_more"] == pytest.approx(2 / 3)


def test_a_replay_without_a_whole_week_is_refused(log: Log, tmp_path: Path):
    few = [{"ts": f"2024-01-0{day}T03:00:00", "person_id": "eve"} for day in (2, 3, 4)]
    short = replay(small_log(tmp_path, few, name="few"), [programme(audience=None)])
    with pytest.raises(InputError, match="not enough data: the decisions cover no whole week"):
        contacts_per_week(short, PEOPLE, "segment", "UTC")
    with pytest.raises(ParameterError, match="did you mean 'America/New_York'"):
        contacts_per_week(short, PEOPLE, "segment", "America/New_Yorck")


def test_an_offer_to_somebody_without_a_row_is_not_left_out(replayed: Replay):
    fewer = PEOPLE[PEOPLE["person_id"] == "zoe"]
    with pytest.raises(InputError, match="customers must hold everybody"):
        contacts_per_week(replayed, fewer, "segment", "UTC")
    with pytest.raises(InputError, match="customers must hold everybody"):
        under_served(replayed, fewer, "segment")


@pytest.mark.parametrize("low_value", [0, 0.05, 0.2, 0.5, 0.99])
def test_under_served_are_those_of_a_slow_count(log: Log, low_value: float):
    several = [
        programme("cheap", offers=[offer("sticker", 130)], audience="amount_cents < 505"),
        programme("dear", offers=[offer("meal", 900)], audience="amount_cents >= 700"),
        programme("usual", audience="amount_cents >= 560"),
    ]
    replayed = replay(log, several)
    found = under_served(replayed, PEOPLE, "segment", low_value=low_value)
    rows = replayed.decisions().collect().to_dicts()
    scores = sorted(row["score"] for row in rows if row["delivered"])
    able = [
        score
        for score in scores
        if sum(other <= score for other in scores) <= low_value * len(scores)
    ]
    assert found.low_score == (max(able) if able else None)
    expected: Counter[tuple[str, str]] = Counter()
    for person, segment in PEOPLE.fillna("not known").itertuples(index=False):
        mine = [row for row in rows if row["person"] == person]
        got = [row["score"] for row in mine if row["delivered"]]
        if any(not able or score > max(able) for score in got):
            continue
        stage = "only low-value offers" if got else "never triggered"
        if mine and not got:
            stage = max((STAGE_OF[row["reason"]] for row in mine), key=STAGES.index)
        expected[segment, stage] += 1
    table = found.table
    assert dict(expected) == {
        (row["segment"], row["stage"]): row["under_served"] for row in table.to_dict("records")
    }
    sizes = Counter(PEOPLE.fillna("not known")["segment"])
    assert [sizes[name] for name in table["segment"]] == table["customers"].tolist()
    assert (table["under_served"] / table["customers"]).tolist() == pytest.approx(
        table["share_under_served"].tolist()
    )
    assert found.headline.startswith(f"{sum(expected.values()) / 6:.1%} of the customers get no")


def test_a_small_group_is_counted_but_not_compared(replayed: Replay):
    few = contacts_per_week(replayed, PEOPLE, "segment", "UTC")
    assert "The most go to" not in few.text
    compared = contacts_per_week(replayed, PEOPLE, "segment", "UTC", min_customers=1)
    assert compared.table.equals(few.table)
    assert "The most go to" in compared.text
    assert "most often in" not in under_served(replayed, PEOPLE, "segment").text
    assert "most often in “not known” (100.0% of the group)" in (
        under_served(replayed, PEOPLE, "segment", min_customers=1).text
    )


def test_one_score_alone_is_never_of_low_value(replayed: Replay):
    found = under_served(replayed, PEOPLE, "segment", low_value=0.5)
    assert found.low_score is None
    assert "only low-value offers" not in found.table["stage"].tolist()


def test_points_neither_serve_nor_count_as_a_stage(log: Log):
    points = programme(
        "points",
        kind="listening",
        trigger={"event": "purchase"},
        audience=None,
        offers=[],
        limits={},
        experiment=NOBODY_HELD,
        points={"award": 5, "per": "purchase"},
    )
    found = under_served(replay(log, [programme(), points]), PEOPLE, "segment")
    without = under_served(replay(log, [programme()]), PEOPLE, "segment")
    assert found.table.equals(without.table)
    assert ["a", "never triggered"] in found.table[["segment", "stage"]].to_numpy().tolist()


def test_everybody_served_says_so_and_a_share_out_of_range_is_refused(log: Log):
    replayed = replay(log, [programme(audience=None, experiment=NOBODY_HELD)])
    served = PEOPLE[PEOPLE["person_id"].isin(["eve", "bob", "cleo", "dän"])]
    found = under_served(replayed, served, "segment")
    assert found.table.empty
    assert found.text == "Each of 4 customers gets an offer that is not of low value."
    with pytest.raises(ParameterError, match="low_value was 1, must be at least 0 and below 1"):
        under_served(replayed, PEOPLE, "segment", low_value=1)
