"""Dirt on demand: each kind at its rate, each act in the record, and a clean log without it."""

from __future__ import annotations

import polars as pl
import pytest
from scipy import stats

from workbench.profile import profile
from workbench.replay import replay
from workbench.world import Simulation, simulate
from workbench.world.parameters import World
from world_samples import one, tiny

RATE = 0.1


def with_dirt(**rates: object) -> World:
    world = tiny(customers=200, days=14)
    values = {name: getattr(world, name) for name in World.model_fields} | {"dirt": rates}
    return World.from_mapping(values, source="dirty")


def made(**rates: object) -> Simulation:
    return simulate(with_dirt(**rates), one(), seed=4)


@pytest.fixture(scope="module")
def clean() -> pl.DataFrame:
    return simulate(with_dirt(), one(), seed=4).log.to_polars()


def noted(simulated: Simulation, kind: str) -> pl.DataFrame:
    assert set(simulated.truth.dirt["kind"]) == {kind}
    return simulated.truth.dirt


def is_near(count: int, of: int, rate: float) -> bool:
    low, high = stats.binom.ppf([0.0005, 0.9995], of, rate)
    return bool(low <= count <= high)


def test_lost_events_are_those_of_the_record(clean: pl.DataFrame):
    dirty = made(lost=RATE)
    missing = set(clean["event_id"]) - set(dirty.log.to_polars()["event_id"])
    assert missing == set(noted(dirty, "lost")["event_id"])
    assert is_near(len(missing), clean.height, RATE)


def test_duplicates_stand_twice_under_two_ids(clean: pl.DataFrame):
    dirty = made(duplicates=RATE)
    events, record = dirty.log.to_polars(), noted(dirty, "duplicate")
    assert events.height == clean.height + record.height
    assert is_near(record.height, clean.height, RATE)
    assert events["event_id"].n_unique() == events.height
    of = dict(events.select("event_id", "ts").iter_rows())
    pairs = record.select("event_id", "detail").iter_rows()
    assert all(of[copy] == of[original] for copy, original in pairs)


def test_late_events_are_known_after_they_happened_and_out_of_order(clean: pl.DataFrame):
    dirty = made(late=RATE)
    events = dirty.log.to_polars()
    late = events.filter(pl.col("known_at") > pl.col("ts"))
    assert set(late["event_id"]) == set(noted(dirty, "late")["event_id"])
    assert is_near(late.height, clean.height, RATE)
    assert events["known_at"].is_sorted()
    assert not events["ts"].is_sorted()


def test_skewed_clocks_move_all_events_of_a_customer_alike(clean: pl.DataFrame):
    dirty = made(clock_skew=0.3)
    both = clean.join(dirty.log.to_polars(), on="event_id")
    moved = both.with_columns(by=(pl.col("ts_right") - pl.col("ts")).dt.total_microseconds())
    assert moved.group_by("person_id").agg(pl.col("by").n_unique())["by"].max() == 1
    hit = moved.filter(pl.col("by") != 0)
    assert set(hit["event_id"]) == set(noted(dirty, "clock_skew")["event_id"])
    assert (moved["known_at_right"] >= moved["ts_right"]).all()


def test_shared_devices_carry_the_id_of_another(clean: pl.DataFrame):
    dirty = made(shared_devices=RATE)
    both = clean.join(dirty.log.to_polars(), on="event_id")
    other = both.filter(pl.col("person_id") != pl.col("person_id_right"))
    found = dict(other.select("person_id", "person_id_right").unique().iter_rows())
    assert found == dict(noted(dirty, "shared_device").select("person_id", "detail").iter_rows())


def test_bots_open_the_app_every_hour(clean: pl.DataFrame):
    dirty = made(bots=RATE)
    added = set(dirty.log.to_polars()["event_id"]) - set(clean["event_id"])
    record = noted(dirty, "bot")
    assert added == set(record["event_id"])
    assert record.group_by("person_id").len()["len"].unique().to_list() == [72]


def test_zone_errors_say_utc(clean: pl.DataFrame):
    dirty = made(zone_errors=RATE)
    wrong = dirty.log.to_polars().filter(pl.col("tz") == "UTC")
    assert set(wrong["event_id"]) == set(noted(dirty, "zone_error")["event_id"])
    assert is_near(wrong.height, clean.height, RATE)


def test_an_outage_of_one_arm_loses_its_responses_of_those_days_only():
    world = with_dirt(outage_arm="treatment", outage_from_day=3, outage_days=4)
    dirty, whole = simulate(world, one(), seed=4), simulate(with_dirt(), one(), seed=4)
    kinds = ["offer_viewed", "offer_redeemed", "offer_rejected"]
    before = whole.log.to_polars().filter(pl.col("type").is_in(kinds))
    gone = before.filter(~pl.col("event_id").is_in(dirty.log.to_polars()["event_id"].implode()))
    assert set(gone["event_id"]) == set(noted(dirty, "outage")["event_id"])
    assert gone.height > 0
    days = gone["ts"].dt.convert_time_zone("America/New_York").dt.day().unique().sort().to_list()
    assert days == [4, 5, 6, 7]


def test_dirt_changes_no_decision_and_no_truth(clean: pl.DataFrame):
    dirty, whole = made(lost=RATE, late=RATE, duplicates=RATE), simulate(with_dirt(), one(), seed=4)
    assert dirty.decisions().collect().equals(whole.decisions().collect())
    assert dirty.truth.customers.equals(whole.truth.customers)
    assert clean.height == whole.log.events


def test_a_dirty_log_is_a_log_like_any_other():
    dirty = made(lost=RATE, late=RATE, duplicates=RATE, bots=RATE, shared_devices=RATE)
    assert replay(dirty.log, one()).events == dirty.log.events
    assert profile(dirty.log).table["customers"].sum() > 100
