"""What a delivered offer does to a customer: view, plan, tiredness, opt-out, use at a purchase.

Owns every rule of a response. Owns no draw of the life that would happen anyway. Each function
exists once and runs plain and compiled.
"""

# mypy: disable-error-code="no-any-return"
# Entries of arrays are numbers, which the types of arrays do not say.

from __future__ import annotations

import math

from numpy.typing import NDArray

from workbench.decision.compiled import in_core
from workbench.world.life import DAY_US, MINUTE_US, S_ACT_US, S_REJECT, Setting
from workbench.world.memory import (
    A_COST,
    A_DELAY,
    A_TYPE,
    A_VALIDITY,
    D_ACTION,
    D_ANCHOR,
    D_AT,
    D_CONTENT,
    D_KIND,
    D_KNOWN,
    F_ACTION,
    F_ANCHOR,
    F_AT,
    F_EXPIRES,
    F_INDEX,
    F_KIND,
    F_PLAN,
    F_USED,
    F_VIEWED,
    FATIGUE,
    NEVER_US,
)
from workbench.world.noise import ACT, CONTENT, DELAY, OPT_OUT, PLAN, REJECT, TAKE, VIEW, uniform

REJECTS, OPTS_OUT = 1, 2
"""What a customer does about a message at its view, as bits."""

_LEAST_SCALE, _MOST_SCALE = 0.3, 3.0
_USUAL_SHARE = 0.2  # an offer of a fifth of the usual basket has the stated sensitivity
_EARLIEST_US = 10 * MINUTE_US


@in_core
def appeal(setting: Setting, i: int, action: int, content: int) -> float:
    """Return the rate at which a customer acts on a viewed offer."""
    people = setting.people
    kind = setting.actions[action, A_TYPE]
    rate = people.acts[i, kind]
    cost = setting.actions[action, A_COST]
    if cost > 0:
        scale = cost / (_USUAL_SHARE * math.exp(people.basket[i]))
        rate *= min(max(scale, _LEAST_SCALE), _MOST_SCALE)
    taste = 2.0 * uniform(people.key[i], 0, CONTENT, content) - 1.0
    return rate * (1.0 + people.content[i] * taste)


@in_core
def opens_next(setting: Setting, i: int, at_us: int) -> int:
    """Return the instant itself while the customer's store is open, else when it opens next."""
    places = setting.places
    store = setting.people.home_store[i]
    ahead = setting.people.minutes[i] * MINUTE_US
    since = at_us - places.starts[0] + ahead
    minute = (since % DAY_US) // MINUTE_US
    if minute < places.opens[store]:
        return at_us + (places.opens[store] - minute) * MINUTE_US
    if minute >= places.closes[store]:
        return at_us + (places.opens[store] + 24 * 60 - minute) * MINUTE_US
    return at_us


@in_core
def receive(  # noqa: PLR0917 - compiled: flat values
    setting: Setting,
    i: int,
    day: int,
    j: int,
    delivery: NDArray,  # type: ignore[type-arg]  # compiled
    level: NDArray,  # type: ignore[type-arg]  # compiled
    offer: NDArray,  # type: ignore[type-arg]  # compiled
) -> int:
    """Let a customer receive a message: fill in the open offer, and make them more tired.

    Args:
        setting: The world.
        i: The customer.
        day: The day.
        j: Which of the deliveries of the day.
        delivery: ``D_``.
        level: Fatigue and waiting of the customer; changed.
        offer: ``F_``; filled in.

    Returns:
        What the customer does about it at the view, as bits.
    """
    people, key = setting.people, setting.people.key[i]
    action = delivery[D_ACTION]
    at_us = delivery[D_KNOWN]
    offer[F_ACTION], offer[F_KIND] = action, delivery[D_KIND]
    offer[F_AT], offer[F_ANCHOR] = delivery[D_AT], delivery[D_ANCHOR]
    offer[F_EXPIRES] = at_us + setting.actions[action, A_VALIDITY]
    offer[F_VIEWED], offer[F_PLAN], offer[F_INDEX], offer[F_USED] = NEVER_US, NEVER_US, j, 0
    tired = level[FATIGUE]
    level[FATIGUE] = tired + people.fatigue[i, 0]
    if uniform(key, day, VIEW, j) >= setting.views[action] * math.exp(-tired):
        return 0
    delay = -math.log(1.0 - uniform(key, day, DELAY, j)) * setting.actions[action, A_DELAY]
    viewed = at_us + 1_000_000 + int(delay)
    if viewed >= offer[F_EXPIRES]:
        return 0
    offer[F_VIEWED] = viewed
    does = 0
    if uniform(key, day, OPT_OUT, j) < people.fatigue[i, 3] * (1.0 + tired):
        does |= OPTS_OUT
    if uniform(key, day, ACT, j) < 1.0 - math.exp(-appeal(setting, i, action, delivery[D_CONTENT])):
        room = 0.5 * (offer[F_EXPIRES] - viewed)
        wait = -math.log(1.0 - uniform(key, day, PLAN, j)) * min(setting.rates[S_ACT_US], room)
        plan = opens_next(setting, i, viewed + _EARLIEST_US + int(wait))
        if plan < offer[F_EXPIRES]:
            offer[F_PLAN] = plan
    elif uniform(key, day, REJECT, j) < setting.rates[S_REJECT]:
        does |= REJECTS
    return does


@in_core
def used_offer(  # noqa: PLR0917 - compiled: flat values
    setting: Setting,
    i: int,
    day: int,
    index: int,
    at_us: int,
    offers: NDArray,  # type: ignore[type-arg]  # compiled
    count: int,
) -> int:
    """Return the open offer that a customer uses at a purchase, -1 for none.

    An offer that a customer meant to act on is used; another one when it takes money off, and the
    customer is sensitive enough to price. Of several the one that takes most off.

    Args:
        setting: The world.
        i: The customer.
        day: The day.
        index: Names the purchase among those of the day.
        at_us: When.
        offers: Offers x ``F_``.
        count: How many there are.
    """
    keen = uniform(setting.people.key[i], day, TAKE, index) < setting.people.price[i]
    best, most = -1, -1
    for k in range(count):
        offer = offers[k]
        if offer[F_ACTION] < 0 or offer[F_USED] == 1:
            continue
        if offer[F_VIEWED] > at_us or offer[F_EXPIRES] <= at_us:
            continue
        cost = setting.actions[offer[F_ACTION], A_COST]
        meant = offer[F_PLAN] != NEVER_US
        if (meant or (keen and cost > 0)) and cost > most:
            best, most = k, cost
    return best
