"""Tables of a replay: the funnel adds up, weeks are local, and nobody reached is left out."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from small_log import small_log
from test_replay_log import ROWS, programme
from workbench.errors import InputError, ParameterError
from workbench.log import Log
from workbench.replay import (
    Replay,
    funnel_rows,
    open_replay,
    reach_by,
    refusals,
    replay,
    weekly_committed_cost,
    weekly_decisions,
)

PEOPLE = pd.DataFrame(
    {"person_id": ["eve", "bob", "cleo", "dän", "zoe"], "segment": ["a", "a", "b", "b", None]}
)
TWO = (programme(), programme("dear", audience="amount_cents >= 530"))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return small_log(tmp_path, ROWS)


@pytest.fixture
def replayed(log: Log) -> Replay:
    return replay(log, TWO)


def funnel_adds_up(rows: pd.DataFrame) -> bool:
    """Candidates that triggered = those who left on the way + those who went through."""
    return rows["candidates"][0] == rows["candidates"][1:].sum()


def test_the_funnel_over_programmes_adds_up_and_a_lost_reason_would_show(replayed: Replay):
    rows = funnel_rows(replayed)
    assert rows["stage"].tolist()[0] == "triggered"
    assert rows["candidates"][0] == replayed.programmes["triggers"].sum() == 56
    assert funnel_adds_up(rows)
    assert not funnel_adds_up(rows.drop(index=1).reset_index(drop=True))


def test_the_offers_stand_in_the_funnel_once_and_in_the_refusals_never(replayed: Replay):
    rows = funnel_rows(replayed)
    went_on = rows[rows["reason"].isna()]
    assert went_on["stage"].tolist() == ["triggered", "offered"]
    assert went_on["candidates"].tolist()[1] == replayed.programmes["delivered"].sum()
    refused = refusals(replayed)
    assert "not in audience" in refused["reason"].tolist()
    assert refused["decisions"].sum() == 56 - replayed.programmes["delivered"].sum()


def test_weeks_hold_every_decision_by_outcome(replayed: Replay):
    weekly = weekly_decisions(replayed, "UTC")
    assert weekly["decisions"].sum() == 56
    funnel = replayed.funnel[replayed.funnel["decisions"] > 0]
    expected = {
        reason.replace("_", " "): count
        for reason, count in funnel.groupby("reason")["decisions"].sum().items()
    }
    assert weekly.groupby("outcome")["decisions"].sum().to_dict() == expected
    assert sorted({f"{week:%Y-%m-%d}" for week in weekly["week"]}) == ["2024-01-01", "2024-01-08"]


def test_the_week_of_a_decision_is_the_local_one(tmp_path: Path):
    at_three = [{**row, "ts": row["ts"].replace("T12", "T03")} for row in ROWS]
    result = replay(small_log(tmp_path, at_three), TWO)
    new_york = weekly_decisions(result, "America/New_York")
    assert {f"{week:%Y-%m-%d}" for week in new_york["week"]} == {"2024-01-01"}
    assert weekly_decisions(result, "UTC")["week"].nunique() == 2
    with pytest.raises(ParameterError, match="did you mean 'America/New_York'"):
        weekly_decisions(result, "America/New_Yorck")


def test_weekly_cost_adds_up_to_the_committed_cost_of_the_replay(replayed: Replay):
    cost = weekly_committed_cost(replayed, "UTC")["committed_cents"].sum()
    exact = sum(replayed.programmes["delivered"]) * 125 * 0.3
    assert cost == pytest.approx(exact)
    assert abs(replayed.committed_cost_cents - exact) <= len(TWO) / 2


def test_reach_by_segment_is_the_one_counted_from_the_decisions(replayed: Replay):
    decided = replayed.decisions().filter("delivered").collect()
    reached = set(decided["person"])
    assert 0 < len(reached) < 4
    found = reach_by(replayed, PEOPLE, "segment").table.set_index("segment")
    for segment, people in PEOPLE.fillna("not known").groupby("segment")["person_id"]:
        row = found.loc[segment]
        assert row["customers"] == len(people)
        assert row["reached"] == len(reached & set(people))
        assert row["offers"] == decided.filter(pl.col("person").is_in(list(people))).height
    assert found["reached"].sum() == replayed.persons_reached
    assert found["committed_cents"].sum() == pytest.approx(decided.height * 125 * 0.3)
    assert found["share"].sum() == pytest.approx(1)


def test_an_offer_to_somebody_without_a_row_is_not_left_out(replayed: Replay):
    reached = set(replayed.decisions().filter("delivered").collect()["person"])
    fewer = PEOPLE[~PEOPLE["person_id"].isin(reached)]
    with pytest.raises(InputError, match=f"must hold everybody: {len(reached)} customer"):
        reach_by(replayed, fewer, "segment")


def test_a_replay_that_reached_nobody_says_so(log: Log):
    nobody = replay(log, [programme(audience="amount_cents >= 100000")])
    found = reach_by(nobody, PEOPLE, "segment")
    assert found.table["reached"].sum() == 0
    assert found.text.startswith("Offers would have reached 0.0% of 5 customers")
    assert funnel_rows(nobody)["stage"].tolist() == ["triggered", "eligibility"]
    assert weekly_committed_cost(nobody, "UTC")["committed_cents"].sum() == 0


def test_an_opened_replay_is_the_one_that_was_stored(log: Log, tmp_path: Path):
    stored = replay(log, TWO, out=tmp_path / "out")
    opened = open_replay(tmp_path / "out")
    assert opened.text == stored.text
    assert opened.digest == stored.digest
    assert opened.table.equals(stored.table)
    assert opened.programmes.equals(stored.programmes)
    assert opened.decisions().collect().equals(stored.decisions().collect())
    assert opened.state.position == stored.state.position
    again = replay(log, TWO, state=opened.state)
    assert again.decisions().collect().is_empty()


def test_a_folder_without_a_replay_or_with_a_cut_one_is_refused(log: Log, tmp_path: Path):
    with pytest.raises(InputError, match="holds no decision log"):
        open_replay(tmp_path / "nothing")
    stored = replay(log, TWO, out=tmp_path / "out")
    stored.paths[0].write_bytes(stored.paths[0].read_bytes()[:-1])
    with pytest.raises(InputError, match="is missing or cut short; replay again"):
        open_replay(tmp_path / "out")


def test_a_week_that_the_decisions_cover_in_part_is_not_whole(replayed: Replay):
    rows = weekly_decisions(replayed, "UTC")
    days = replayed.decisions().select(pl.col("ts").dt.date()).collect()["ts"]
    first, last = days.min(), days.max()
    for week, whole in zip(rows["week"], rows["whole"], strict=True):
        starts = pd.Timestamp(week).date()
        ends = (pd.Timestamp(week) + pd.Timedelta(days=6)).date()
        assert whole == (first <= starts and ends <= last)
    assert rows.groupby("week")["outcome"].nunique().nunique() == 1


def test_a_small_group_is_counted_but_not_compared(replayed: Replay):
    compared = reach_by(replayed, PEOPLE, "segment", min_customers=1)
    assert "not compared" not in compared.text
    reached = reach_by(replayed, PEOPLE, "segment")
    assert len(reached.table) == len(compared.table)
    assert "most in" not in reached.text
    some = reach_by(replayed, PEOPLE, "segment", min_customers=2)
    assert "“not known”" not in some.text
