"""The life that would happen anyway: when a customer comes, where and for how much.

Owns the draws that depend on no decision. Owns no response. Each function exists once and runs
plain and compiled.
"""

# mypy: disable-error-code="no-any-return"
# Entries of arrays are numbers, which the types of arrays do not say.

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.decision.compiled import in_core
from workbench.world.memory import PARTS_A_DAY
from workbench.world.noise import BASKET, MINUTE, VISIT, WHERE, uniform
from workbench.world.people import People
from workbench.world.places import Places

MINUTE_US = 60_000_000
DAY_MINUTES = 24 * 60
DAY_US = DAY_MINUTES * MINUTE_US
_WORK_PARTS = 3  # breakfast, lunch and afternoon can be spent near work


class Setting(NamedTuple):
    """The world as compiled code reads it.

    Attributes:
        people: The customers of a part.
        places: Stores and days.
        actions: Offers of the programmes x ``A_``.
        views: By action the chance of a view.
        rates: Numbers of the response and the shares of what is beside a purchase, by ``S_``.
    """

    people: People
    places: Places
    actions: NDArray[np.int64]
    views: NDArray[np.float64]
    rates: NDArray[np.float64]


(
    S_ACT_US, S_PULL, S_PULL_DAYS, S_LARGER, S_DOWN, S_HALO, S_HALO_DAYS, S_WAIT, S_WAIT_DECAY,
    S_REJECT, S_MARGIN, S_REGISTER, S_LEFT, S_SEARCH, S_CHECK_IN, S_BROWSE, S_BEACON, S_WIFI, S_WIDTH,
) = range(19)  # fmt: skip
"""Places of :attr:`Setting.rates`."""


@in_core
def is_there(setting: Setting, i: int, day: int) -> bool:
    """Say whether a customer lives in the world on a day."""
    return setting.people.arrives[i] <= day < setting.people.leaves[i]


@in_core
def store_of(setting: Setting, i: int, day: int, part: int) -> int:
    """Return the store that a customer goes to in a part of a day: the nearer one more often."""
    people = setting.people
    near_work = people.home_m[i] / (people.home_m[i] + people.work_m[i])
    if 1 <= part <= _WORK_PARTS and uniform(people.key[i], day, WHERE, part) < near_work:
        return people.work_store[i]
    return people.home_store[i]


@in_core
def comes_anyway(setting: Setting, i: int, day: int, part: int) -> bool:
    """Say whether a customer buys in a part of a day if nobody does anything."""
    people, places = setting.people, setting.places
    if not is_there(setting, i, day) or day >= len(places.visits):
        return False
    rate = people.visits[i] * people.parts[i, part] * places.visits[day]
    u = uniform(people.key[i], day, VISIT, part)
    if u >= rate * places.best_weather[0]:  # 1 - exp(-x) <= x: most days end here
        return False
    store = store_of(setting, i, day, part)
    first, end = places.parts[part], places.parts[part + 1]
    if places.open_until[store, end] <= places.open_until[store, first]:
        return False
    return u < 1.0 - math.exp(-rate * places.weather[store, day, part])


@in_core
def minute_in(setting: Setting, store: int, part: int, u: float) -> float:
    """Return a minute of the day within the open hours of a part of the day.

    Args:
        setting: The world.
        store: The store, open at some time of the part.
        part: The part of the day.
        u: A uniform draw.
    """
    until = setting.places.open_until[store]
    hour, end = setting.places.parts[part], setting.places.parts[part + 1]
    wanted = until[hour] + u * (until[end] - until[hour])
    while hour < end - 1 and until[hour + 1] <= wanted:
        hour += 1
    low = max(hour * 60.0, float(setting.places.opens[store]))
    high = min(hour * 60.0 + 60.0, float(setting.places.closes[store]))
    share = (wanted - until[hour]) / max(until[hour + 1] - until[hour], 1e-300)
    return low + (high - low) * min(share, 0.999999)


@in_core
def instant_of(setting: Setting, i: int, day: int, minute: float) -> int:
    """Return the instant of a minute on the customer's clock, within the day of the world."""
    local = (minute - setting.people.minutes[i]) % DAY_MINUTES
    start, end = setting.places.starts[day], setting.places.starts[day + 1]
    return min(start + int(local * MINUTE_US), end - 2_000_000)


@in_core
def visit_instant(setting: Setting, i: int, day: int, part: int) -> int:
    """Return when a customer buys who comes in a part of a day."""
    u = uniform(setting.people.key[i], day, MINUTE, part)
    store = store_of(setting, i, day, part)
    return instant_of(setting, i, day, minute_in(setting, store, part, u))


@in_core
def basket_cents(setting: Setting, i: int, day: int, index: int) -> int:
    """Return what a basket comes to before any offer."""
    people = setting.people
    u = max(uniform(people.key[i], day, BASKET, 2 * index), 1e-12)
    angle = 2.0 * math.pi * uniform(people.key[i], day, BASKET, 2 * index + 1)
    normal = math.sqrt(-2.0 * math.log(u)) * math.cos(angle)
    cents = math.exp(people.basket[i] + people.within[i] * normal)
    return max(int(min(cents, 1e8)), 50)


@in_core
def next_visit(  # noqa: PLR0917 - compiled: flat values
    setting: Setting, i: int, day: int, days: int, dips: NDArray[np.int64], last_day: int
) -> int:
    """Return the next visit that would happen anyway on a later day, as day x 8 + part; -1: none.

    Args:
        setting: The world.
        i: The customer.
        day: After this day.
        days: How many days ahead.
        dips: Visits that were made before their day already.
        last_day: Days of the world.
    """
    for later in range(day + 1, min(day + days + 1, last_day)):
        for part in range(PARTS_A_DAY):
            if comes_anyway(setting, i, later, part):
                code = later * 8 + part
                free = True
                for k in range(len(dips)):
                    free = free and dips[k] != code
                if free:
                    return code
    return -1
