"""Stores, hours, weather and calendar of a world as arrays by day, and as reference tables.

Owns the weather and the factors on visits. Owns no customer.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from workbench.dayparts import DAYPARTS
from workbench.decision.context import WEEKDAYS
from workbench.log.schema import INSTANT
from workbench.world.noise import WEATHER, keys_of, uniforms
from workbench.world.parameters import World
from workbench.world.setting import iso_date

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS = 24
_WARMEST_DAY, _WARMEST_HOUR = 196, 15
_COLD_C = 5.0
_YEAR_DAYS = 365.25


class Places(NamedTuple):
    """What compiled code reads of places and days.

    Attributes:
        starts: Instant of each midnight, one more at the end.
        visits: Factor on visits of each day.
        app: Factor on the use of the app of each day.
        weather: Store x day x part of the day: factor on visits.
        best_weather: The largest of these factors, one entry.
        opens: Minute at which each store opens.
        closes: Minute at which it closes.
        open_until: Store x hour (25): weight of the open hours before each hour.
        parts: First hour of each part of the day; 24 at the end.
    """

    starts: NDArray[np.int64]
    visits: NDArray[np.float64]
    app: NDArray[np.float64]
    weather: NDArray[np.float64]
    best_weather: NDArray[np.float64]
    opens: NDArray[np.int64]
    closes: NDArray[np.int64]
    open_until: NDArray[np.float64]
    parts: NDArray[np.int64]


class Sky(NamedTuple):
    """Hourly weather.

    Attributes:
        celsius: Store x hour of the world.
        wet: Whether it rains (or snows).
    """

    celsius: NDArray[np.float64]
    wet: NDArray[np.bool_]


def midnights_us(world: World, days: int) -> NDArray[np.int64]:
    """Return the instants of midnights on the clock of a world, one more than days."""
    zone = ZoneInfo(world.zone)
    midnights = [
        datetime.combine(world.first_day + timedelta(days=d), datetime.min.time(), zone)
        for d in range(days + 1)
    ]
    return np.array([(each - _EPOCH) // timedelta(microseconds=1) for each in midnights])


def sky_of(world: World, seed: int, days: int) -> Sky:
    """Draw the weather: a season, a day, and deviations of which a share is left an hour later."""
    rule, hours = world.weather, days * _HOURS
    first = world.first_day.timetuple().tm_yday
    at = np.arange(hours)
    season = np.cos(2 * np.pi * (first + at / _HOURS - _WARMEST_DAY) / _YEAR_DAYS) * rule.season_c
    daily = np.cos(2 * np.pi * (at % _HOURS - _WARMEST_HOUR) / _HOURS) * rule.day_c
    keys = keys_of(seed, "store", np.arange(len(world.stores), dtype=np.int64))
    shock = np.empty((len(keys), hours, 2))
    for hour in range(hours):
        for k in range(2):
            drawn = uniforms(keys, WEATHER, (hour % _HOURS) * 2 + k, day=hour // _HOURS)
            shock[:, hour, k] = special.ndtri(np.clip(drawn, 1e-12, 1 - 1e-12))
    state = shock[:, 0].copy()
    celsius, wet = np.empty((len(keys), hours)), np.empty((len(keys), hours), dtype=bool)
    threshold = special.ndtri(1 - np.clip(rule.rain_share, 1e-12, 1 - 1e-12))
    for hour in range(hours):
        fresh = np.sqrt(1 - rule.persistence**2) * shock[:, hour]
        state = state if hour == 0 else rule.persistence * state + fresh
        celsius[:, hour] = rule.mean_c + season[hour] + daily[hour] + rule.spread_c * state[:, 0]
        wet[:, hour] = state[:, 1] > threshold
    return Sky(np.round(celsius, 1), wet)


def places_of(world: World, sky: Sky, days: int) -> Places:
    """Return the factors by day, store and part of the day."""
    rule = world.weather
    factor = np.where(sky.wet, rule.rain_visits, 1.0)
    factor *= np.where(sky.celsius < _COLD_C, rule.cold_visits, 1.0)
    hourly = factor.reshape(len(world.stores), days, _HOURS)
    weather = np.stack([hourly[:, :, a:b].mean(axis=2) for _, a, b in DAYPARTS], axis=2)
    weights = np.array(world.calendar.hours or (1.0,) * _HOURS)
    open_until = np.zeros((len(world.stores), _HOURS + 1))
    for s, store in enumerate(world.stores):
        for hour in range(_HOURS):
            minutes = min(hour * 60 + 60, store.closes) - max(hour * 60, store.opens)
            share = max(minutes, 0) / 60
            open_until[s, hour + 1] = open_until[s, hour] + share * weights[hour]
    visits, app = _by_day(world, days)
    return Places(
        starts=midnights_us(world, days),
        visits=visits,
        app=app,
        weather=np.ascontiguousarray(weather),
        best_weather=np.array([weather.max()]),
        opens=np.array([int(store.opens) for store in world.stores], dtype=np.int64),
        closes=np.array([int(store.closes) for store in world.stores], dtype=np.int64),
        open_until=open_until,
        parts=np.array([*(first for _, first, _ in DAYPARTS), _HOURS], dtype=np.int64),
    )


def _by_day(world: World, days: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the factors of each day on visits and on the use of the app."""
    rule = world.calendar
    holidays = {iso_date(each) for each in rule.holidays}
    weekdays: dict[str, float] = {str(name): factor for name, factor in rule.weekdays.items()}
    visits, app = np.ones(days), np.ones(days)
    for d in range(days):
        day = world.first_day + timedelta(days=d)
        visits[d] *= weekdays.get(WEEKDAYS[day.weekday()], 1.0)
        visits[d] *= rule.holiday_visits if day in holidays else 1.0
        paid = day.day in rule.pay_days or (day - timedelta(days=1)).day in rule.pay_days
        visits[d] *= rule.pay_day_visits if paid else 1.0
        turn = np.cos(2 * np.pi * (day.timetuple().tm_yday - _WARMEST_DAY) / _YEAR_DAYS)
        visits[d] *= 1 + rule.season * turn
    for shock in world.shocks:
        hit = app if shock.kind == "outage" else visits
        hit[shock.from_day : shock.from_day + shock.days] *= shock.visits
    return visits, app


def stores_frame(world: World) -> pl.DataFrame:
    """Return the reference table of stores."""
    return pl.DataFrame(
        {
            "store_id": [each.id for each in world.stores],
            "city": [each.city for each in world.stores],
            "has_cafe": [each.has_cafe for each in world.stores],
            "x_km": [each.x_km for each in world.stores],
            "y_km": [each.y_km for each in world.stores],
            "opens": [str(each.opens) for each in world.stores],
            "closes": [str(each.closes) for each in world.stores],
        }
    )


def weather_frame(world: World, sky: Sky, days: int) -> pl.DataFrame:
    """Return the reference table of the weather, by store and hour."""
    starts = midnights_us(world, days)
    first, stores = int(starts[0]), len(world.stores)
    hours = int((starts[-1] - first) // 3_600_000_000)
    at = np.minimum(np.arange(hours), days * _HOURS - 1)  # a changed clock adds or drops an hour
    word = np.where(sky.wet, np.where(sky.celsius < 0, "snow", "rain"), "dry")
    instants = pl.Series(first + np.arange(hours) * 3_600_000_000).cast(INSTANT)
    return pl.DataFrame(
        {
            "store_id": np.repeat([each.id for each in world.stores], hours),
            "hour": pl.concat([instants] * stores),
            "weather": word[:, at].ravel(),
            "temperature_c": sky.celsius[:, at].ravel(),
        }
    )


def calendar_frame(world: World, days: int) -> pl.DataFrame:
    """Return the reference table of days."""
    holidays = {iso_date(each) for each in world.calendar.holidays}
    dates = [world.first_day + timedelta(days=d) for d in range(days)]
    return pl.DataFrame(
        {
            "date": dates,
            "is_holiday": [each in holidays for each in dates],
            "is_payday": [each.day in world.calendar.pay_days for each in dates],
        }
    )
