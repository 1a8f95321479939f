"""The life that would happen anyway: each key of a world moves what it names, and nothing else.

Noise is shared, so that most contrasts are exact: the rest of the life stays what it was.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from workbench.dayparts import DAYPART_NAMES
from workbench.world.parameters import World
from workbench.world.people import People, population
from workbench.world.places import places_of, sky_of
from world_samples import altered, lived

FIRST = date(2024, 1, 1)


def told(world: World, seed: int = 1) -> pl.DataFrame:
    """What happened when nobody decided, in words, with the local day and hour."""
    life = lived(world, None, seed)
    books = life.loop.books.books
    at = pl.col("ts").dt.convert_time_zone(world.zone)
    return life.events.with_columns(
        *(books[name].gather(life.events[name]).alias(name) for name in ("type", "category")),
        *(books[name].gather(life.events[name]).alias(name) for name in ("store", "channel", "tz")),
        day=at.dt.date(),
        hour=at.dt.hour(),
        who=books["person"].gather(life.events["person"]),
    )


def purchases(world: World, seed: int = 1) -> pl.DataFrame:
    return told(world, seed).filter(type="purchase")


def days_of(frame: pl.DataFrame) -> set[date]:
    return set(frame["day"])


def days(*numbers: int) -> set[date]:
    return {FIRST + timedelta(days=number) for number in numbers}


def people_of(changes: dict[str, Any], customers: int = 4_000) -> People:
    return population(altered(changes, customers=customers), 1).people


def inside(mean: float, values: np.ndarray) -> bool:
    """Say whether a mean lies in the 99.9 % band around that of values."""
    error = values.std(ddof=1) / np.sqrt(len(values))
    return bool(abs(values.mean() - mean) < stats.norm.ppf(0.9995) * error)


# Days that differ ------------------------------------------------------------------------------

NO_SHOCK = {"shocks": []}
QUIET = {
    "a holiday": ({"calendar.holidays": ["2024-01-04"], "calendar.holiday_visits": 0}, days(3)),
    "a pay-day and the day after": (
        {"calendar.pay_days": [5], "calendar.pay_day_visits": 0},
        days(4, 5),
    ),
    "a weekday": ({"calendar.weekdays": {"wednesday": 0}}, days(2, 9)),
    "a competitor's campaign": (
        {"shocks": [{"kind": "competitor", "from_day": 6, "days": 3}]},
        days(6, 7, 8),
    ),
}


@pytest.mark.parametrize("name", QUIET)
def test_a_factor_of_nothing_empties_its_days_and_leaves_the_others_alone(name: str):
    changes, quiet = QUIET[name]
    plain = {"calendar": {}, **NO_SHOCK}
    usual, other = purchases(altered(plain)), purchases(altered({**plain, **changes}))
    assert quiet <= days_of(usual)
    assert days_of(other) == days_of(usual) - quiet
    spared = ~pl.col("day").is_in(list(quiet))
    assert other.filter(spared).equals(usual.filter(spared))


def test_an_outage_closes_the_app_and_no_store():
    calm = altered(NO_SHOCK)
    down = altered({"shocks": [{"kind": "outage", "from_day": 3, "days": 2}]})
    before, after = (
        told(each).filter(pl.col("day").is_in(list(days(3, 4)))) for each in (calm, down)
    )
    assert {"app_open", "product_view", "search"} <= set(before["type"])
    assert not {"app_open", "product_view", "search", "basket_add"} & set(after["type"])
    assert after.filter(type="purchase").height == before.filter(type="purchase").height > 0
    assert after.filter(channel="app").is_empty()


@pytest.mark.parametrize(
    "bad",
    [
        {"weather.rain_share": 1.0, "weather.rain_visits": 0.0},
        {"weather.mean_c": -30, "weather.cold_visits": 0.0},
    ],
)
def test_weather_in_which_nobody_goes_out_keeps_everybody_at_home(bad: dict[str, Any]):
    assert purchases(altered(bad)).is_empty()


def test_the_weather_has_a_season_a_day_and_a_memory():
    rule = {"mean_c": 10, "season_c": 12, "day_c": 5, "spread_c": 3, "persistence": 0.9}
    sky = sky_of(altered({"weather": {**rule, "rain_share": 0.25}}, days=366), 1, 366)
    by_day = sky.celsius[0].reshape(366, 24)
    assert by_day[182:213].mean() - by_day[:31].mean() == pytest.approx(24, abs=3)
    assert (by_day[:, 15] - by_day[:, 3]).mean() == pytest.approx(10, abs=1)
    assert sky.wet.mean() == pytest.approx(0.25, abs=0.03)
    smooth = sky_of(altered({"weather": {**rule, "season_c": 0, "day_c": 0}}, days=366), 1, 366)
    rest = smooth.celsius[0] - 10
    assert np.corrcoef(rest[1:], rest[:-1])[0, 1] == pytest.approx(0.9, abs=0.02)
    assert rest.std() == pytest.approx(3, rel=0.1)
    assert abs(np.corrcoef(smooth.celsius)[0, 1]) < 0.2  # stores have weather of their own


def test_the_season_has_more_visits_in_july():
    world = altered({"calendar": {"season": 0.3}, **NO_SHOCK}, days=366)
    factor = places_of(world, sky_of(world, 1, 366), 366).visits
    assert factor[195] == pytest.approx(1.3, abs=0.001)
    assert factor[12] == pytest.approx(0.7, abs=0.001)


# Hours and places ------------------------------------------------------------------------------


def test_nobody_buys_in_a_store_that_is_closed():
    all_day = dict.fromkeys(DAYPART_NAMES, 1)
    bought = purchases(altered({"segments.dayparts": all_day, "segments.zones": {}}))
    for store, opens, closes in (("corner", 6, 22), ("branch", 10, 24)):
        hours = bought.filter(store=store)["hour"]
        assert hours.min() == opens
        assert hours.max() == closes - 1


def test_purchases_fall_into_the_parts_of_the_day_and_the_hours_that_have_a_weight():
    hours = [0.0] * 24
    hours[12] = hours[18] = 1.0
    two = {"segments.dayparts": {"lunch": 1, "dinner": 2}, "segments.zones": {}}
    counts = (
        purchases(altered({**two, "calendar.hours": hours}))["hour"].value_counts().sort("hour")
    )
    assert counts["hour"].to_list() == [12, 18]
    assert counts["count"][1] > 1.3 * counts["count"][0]


def test_a_customer_in_another_zone_lives_an_hour_later_on_the_clock_of_the_world():
    here, west = (
        purchases(altered({"segments.zones": zones, "segments.dayparts": {"lunch": 1}}))
        for zones in ({}, {"America/Chicago": 1})
    )
    assert set(west["tz"]) == {"America/Chicago"}
    both = here.join(west, on="event_id")
    assert both.height == here.height
    assert set((both["ts_right"] - both["ts"]).dt.total_minutes()) == {60}


def test_the_nearer_store_is_the_one_that_a_customer_goes_to_by_day():
    near, far = (
        share_near_work(altered({"segments.home_km": 1, "segments.work_km": km}, customers=400))
        for km in (0.1, 10)
    )
    assert near > 0.75
    assert far < 0.25


def share_near_work(world: World) -> float:
    """Share of purchases by day that are made near work, of those for whom it is another store."""
    life = lived(world, None)
    people = life.loop.population.people
    bought = life.events.filter(pl.col("type") == 0)
    hour = bought["ts"].dt.convert_time_zone(world.zone).dt.hour()
    bought = bought.filter(hour.is_between(10, 16))
    who, store = bought["person"].to_numpy(), bought["store"].to_numpy()
    differ = people.home_store[who] != people.work_store[who]
    return float((store == people.work_store[who])[differ].mean())


def test_distances_have_their_means():
    people = people_of({"segments.home_km": 3, "segments.work_km": 0.5})
    assert inside(3_000, people.home_m)
    assert inside(500, people.work_m)


# Who they are ----------------------------------------------------------------------------------


def test_visits_have_the_mean_and_the_spread_of_the_file():
    people = people_of({"segments.visits_per_week": {"mean": 2, "shape": 1.5}})
    rate = people.visits * 7
    assert inside(2, rate)
    assert rate.var() == pytest.approx(4 / 1.5, rel=0.15)
    busy, idle = (
        purchases(altered({"segments.visits_per_week": {"mean": mean}})).height for mean in (3, 1)
    )
    assert 2 < busy / idle < 3.5


def test_customers_leave_at_their_rate_and_are_never_seen_again():
    world = altered({"segments.dropout_per_day": 0.05}, customers=400, days=28)
    people = population(world, 1).people
    low, high = stats.binom.ppf([0.0005, 0.9995], 400, 0.95**13)
    assert low <= (people.leaves > 13).sum() <= high
    last = told(world).group_by("person").agg(pl.col("day").max())
    gone = FIRST + pl.duration(days=pl.Series(people.leaves)[last["person"]])
    assert last.filter(pl.col("day") >= gone).is_empty()
    assert last.height > 300


def test_new_customers_register_on_the_day_on_which_they_arrive():
    world = altered({"arrivals_per_day": 2.0, "segments.anonymous": 0.0})
    frame = told(world)
    people = population(world, 1).people
    new = frame.filter(pl.Series(people.arrives)[frame["person"]] > 0)
    first = new.group_by("person").agg(pl.col("day", "type").first())
    assert first.height == int((people.arrives > 0).sum()) == 26
    assert set(first["type"]) == {"registration"}
    assert first["day"].value_counts()["count"].to_list() == [2] * 13


def test_baskets_scale_with_the_median_and_spread_as_the_file_says():
    one, two = (
        purchases(altered({"segments.basket.median_cents": cents}))["amount_cents"].to_numpy()
        for cents in (1_000, 2_000)
    )
    assert np.abs(two - 2 * one).max() <= 1
    spread = {"median_cents": 1_000, "between_sigma": 0.5, "within_sigma": 0.4}
    bought = purchases(altered({"segments.basket": spread}, customers=300, days=28))
    per = bought.with_columns(log=pl.col("amount_cents").log()).group_by("person")
    within = per.agg(pl.col("log").var())["log"].drop_nulls().mean()
    assert within == pytest.approx(0.16, rel=0.1)
    people = people_of({"segments.basket": spread})
    assert people.basket.std() == pytest.approx(0.5, rel=0.05)


def test_a_customer_buys_what_the_menu_has():
    menu = {"segments.menu": {"tea": 9, "cake": 1}}
    bought = purchases(altered(menu, customers=300))["category"]
    assert 0.75 < (bought == "tea").mean() < 1
    assert set(bought) == {"tea", "cake"}


@pytest.mark.parametrize(
    ("trait", "index", "mean"),
    [("price_sensitivity", "price", 0.35), ("visits_per_week", "visits", 0.05)],
)
def test_a_trait_has_the_mean_of_its_segment(trait: str, index: str, mean: float):
    people = people_of({f"segments.{trait}": {"mean": 0.35}})
    assert inside(mean, getattr(people, index))


def test_segments_have_their_shares_and_consent_its_share():
    world = altered({"segments.consent": {"app": 0.3}}, customers=4_000)
    drawn = population(world, 1)
    assert inside(0.6, drawn.people.segment.astype(float))
    assert inside(0.3, drawn.consent[:, 0].astype(float))


# What is beside purchases ----------------------------------------------------------------------

SHARES = {
    "search_share": "search",
    "browse_share": "product_view",
    "check_in_share": "check_in",
    "beacon_share": "beacon_seen",
    "wifi_share": "wifi_join",
}


@pytest.mark.parametrize("key", SHARES)
def test_a_share_of_nothing_has_no_event_and_one_of_all_has_one_each(key: str):
    inside_store = key not in {"search_share", "browse_share"}
    none = told(altered({key: 0.0, "segments.app_share": 0.0}))
    every = told(altered({key: 1.0, "segments.app_share": 0.0}))
    kind = SHARES[key]
    assert kind not in set(none["type"])
    anchor = "purchase" if inside_store else "app_open"
    assert every.filter(type=kind).height == every.filter(type=anchor).height > 50
    assert every.filter(pl.col("type") != kind).equals(none)


def test_a_basket_is_left_in_the_share_of_openings():
    none, every = (
        told(altered({"basket_left_share": share, "segments.app_share": 0.0}))
        for share in (0.0, 1.0)
    )
    assert none.filter(type="basket_add").is_empty()
    assert every.filter(type="basket_add").height == every.filter(type="app_open").height > 50


@pytest.mark.parametrize(("share", "channel"), [(0.0, "store"), (1.0, "app")])
def test_purchases_are_made_where_the_customer_likes(share: float, channel: str):
    bought = purchases(altered({"segments.app_share": share, **NO_SHOCK}))
    assert set(bought["channel"]) == {channel}


def test_who_passes_no_store_is_seen_by_no_geofence_and_by_no_beacon():
    frame = told(altered({"segments.passes_per_week.mean": 0.0}))
    assert not {"geo_enter", "beacon_seen"} & set(frame["type"])
    passing = told(altered({}))
    assert {"geo_enter", "beacon_seen"} <= set(passing["type"])
    assert passing.filter(type="geo_enter")["distance_m"].is_between(0, 600).all()


def test_who_never_registers_has_no_id_and_who_is_known_always_has_one():
    unknown = told(altered({"segments.anonymous": 1.0, "register_share": 0.0}))
    assert unknown["customer"].null_count() == unknown.height > 0
    assert told(altered({"segments.anonymous": 0.0}))["customer"].null_count() == 0


def test_the_openings_of_the_app_have_their_mean():
    people = people_of({"segments.app_opens_per_week": {"mean": 3, "shape": 2}})
    assert inside(3, people.opens * 7)
