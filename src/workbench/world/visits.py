"""The visits of a customer's day: which happen, why, and what is bought with which offer.

Owns the causes of purchases and the account of those that are missed. Each function exists once and
runs plain and compiled.
"""

# mypy: disable-error-code="no-any-return"
# Entries of arrays are numbers, which the types of arrays do not say.

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workbench.decision.compiled import in_core
from workbench.world.life import (
    MINUTE_US,
    S_BEACON,
    S_CHECK_IN,
    S_DOWN,
    S_HALO,
    S_HALO_DAYS,
    S_LARGER,
    S_MARGIN,
    S_PULL,
    S_PULL_DAYS,
    S_WAIT,
    S_WIFI,
    Setting,
    basket_cents,
    comes_anyway,
    instant_of,
    is_there,
    minute_in,
    next_visit,
    store_of,
    visit_instant,
)
from workbench.world.memory import (
    A_COST,
    ANYWAY,
    APP_OPEN,
    BASKET_ADD,
    BEACON_SEEN,
    CHECK_IN,
    DELIVERIES_A_DAY,
    DIP,
    DIP_SLOTS,
    E_ACTION,
    E_AMOUNT,
    E_ANCHOR,
    E_AT,
    E_CATEGORY,
    E_CAUSE,
    E_CHANNEL,
    E_DISCOUNT,
    E_DISTANCE,
    E_HASH,
    E_KIND,
    E_MARGIN,
    E_NAMED,
    E_PERSON,
    E_QUANTITY,
    E_STORE,
    E_TS,
    E_TWIN,
    E_TYPE,
    F_ACTION,
    F_ANCHOR,
    F_AT,
    F_KIND,
    F_PLAN,
    F_USED,
    F_WIDTH,
    FATIGUE,
    GEO_ENTER,
    HALO_UNTIL,
    HALO_VISIT,
    INCREMENTAL,
    OPEN_SLOTS,
    PARTS_A_DAY,
    PULLED_FORWARD,
    PURCHASE,
    REDEEMED,
    SKIPPED,
    TIRED,
    V_APP,
    V_CAUSE,
    V_INDEX,
    V_OFFER,
    V_PART,
    V_STORE,
    V_TIME,
    V_WIDTH,
    WAITED,
    WAITING,
    WIFI_JOIN,
    Memory,
)
from workbench.world.noise import (
    BASKET,
    DOWN,
    EVENT_ID,
    HALO,
    LARGER,
    LOST,
    MINUTE,
    PULL,
    VISIT,
    WAIT,
    WHERE,
    bits,
    uniform,
)
from workbench.world.responses import used_offer

HALO_INDEX, PLANNED, VIEW_IDS, REDEEM_IDS, PURCHASE_IDS = 64, 65, 200, 400, 640
"""What events of a day are numbered from, so that each has a number of its own."""

GEO_M = 250.0
IN_APP, IN_STORE = 1, 0
NONE = -1


class Scratch(NamedTuple):
    """Room for one customer's day.

    Attributes:
        offers: Open offers of before and of today x ``F_``.
        visits: Visits of the day x ``V_``.
    """

    offers: NDArray[np.int64]
    visits: NDArray[np.int64]

    @classmethod
    def make(cls) -> Scratch:
        """Return room."""
        return cls(
            np.zeros((OPEN_SLOTS + DELIVERIES_A_DAY, F_WIDTH), dtype=np.int64),
            np.zeros((PARTS_A_DAY + OPEN_SLOTS + DELIVERIES_A_DAY + 2, V_WIDTH), dtype=np.int64),
        )


@in_core
def row_of(  # noqa: PLR0917 - compiled: flat values
    setting: Setting,
    out: NDArray,  # type: ignore[type-arg]  # compiled
    n: int,
    i: int,
    day: int,
    kind: int,
    at_us: int,
    index: int,
) -> int:
    """Begin a row of what comes out and return how many there are."""
    row = out[n]
    row[:] = NONE
    row[E_PERSON], row[E_TS], row[E_TYPE] = i, at_us, kind
    row[E_NAMED], row[E_CAUSE] = 1, ANYWAY
    row[E_HASH] = np.int64(bits(setting.people.key[i], day, EVENT_ID, index) >> np.uint64(1))
    return n + 1


@in_core
def answer(  # noqa: PLR0917 - compiled: flat values
    setting: Setting,
    out: NDArray,  # type: ignore[type-arg]  # compiled
    n: int,
    i: int,
    day: int,
    kind: int,
    at_us: int,
    index: int,
    offer: NDArray,  # type: ignore[type-arg]  # compiled
) -> int:
    """Write an event that answers a decision."""
    n = row_of(setting, out, n, i, day, kind, at_us, index)
    row = out[n - 1]
    row[E_ACTION], row[E_KIND] = offer[F_ACTION], offer[F_KIND]
    row[E_AT], row[E_ANCHOR] = offer[F_AT], offer[F_ANCHOR]
    row[E_CHANNEL] = 2 + offer[F_ACTION]
    return n


@in_core
def approach(  # noqa: PLR0917 - compiled: flat values
    setting: Setting,
    out: NDArray,  # type: ignore[type-arg]  # compiled
    n: int,
    i: int,
    day: int,
    visit: NDArray,  # type: ignore[type-arg]  # compiled
) -> int:
    """Write what comes before a purchase: app and basket, or geofence, beacon, Wi-Fi and check-in."""
    key, at_us, index = setting.people.key[i], visit[V_TIME], visit[V_INDEX]
    part = visit[V_PART]
    before = int((4.0 + 6.0 * uniform(key, day, MINUTE, 16 + part)) * MINUTE_US)
    before = min(before, at_us - setting.places.starts[day])
    if visit[V_APP] == 1:
        n = row_of(setting, out, n, i, day, APP_OPEN, at_us - before, index + 2)
        out[n - 1, E_CHANNEL] = IN_APP
        n = row_of(setting, out, n, i, day, BASKET_ADD, at_us - before // 2, index + 3)
        row = out[n - 1]
        row[E_CHANNEL], row[E_CATEGORY], row[E_QUANTITY] = IN_APP, setting.people.menu[i], 1
        row[E_AMOUNT] = basket_cents(setting, i, day, part)
        return n
    if setting.people.passes[i] > 0:
        n = row_of(setting, out, n, i, day, GEO_ENTER, at_us - before, index)
        row = out[n - 1]
        row[E_STORE] = visit[V_STORE]
        row[E_DISTANCE] = int(20.0 + GEO_M * uniform(key, day, MINUTE, 24 + part))
        if uniform(key, day, VISIT, 24 + part) < setting.rates[S_BEACON]:
            n = row_of(setting, out, n, i, day, BEACON_SEEN, at_us - before // 2, index + 4)
            out[n - 1, E_STORE] = visit[V_STORE]
    if uniform(key, day, VISIT, 32 + part) < setting.rates[S_WIFI]:
        n = row_of(setting, out, n, i, day, WIFI_JOIN, at_us - before // 3, index + 5)
        out[n - 1, E_STORE] = visit[V_STORE]
    if uniform(key, day, VISIT, 16 + part) < setting.rates[S_CHECK_IN]:
        n = row_of(setting, out, n, i, day, CHECK_IN, at_us - before // 4, index + 1)
        out[n - 1, E_STORE] = visit[V_STORE]
    return n


@in_core
def visits_anyway(  # noqa: PLR0917 - compiled: flat values
    setting: Setting,
    out: NDArray,  # type: ignore[type-arg]  # compiled
    n: int,
    i: int,
    day: int,
    level: NDArray,  # type: ignore[type-arg]  # compiled
    dips: NDArray,  # type: ignore[type-arg]  # compiled
    scratch: Scratch,
) -> tuple[int, int]:
    """Lay out the visits that would happen anyway; write down those that do not happen, and why."""
    people, key = setting.people, setting.people.key[i]
    count = 0
    for part in range(PARTS_A_DAY):
        if not comes_anyway(setting, i, day, part):
            continue
        at_us = visit_instant(setting, i, day, part)
        why = 0
        for k in range(DIP_SLOTS):
            if dips[k] == day * 8 + part:
                why = DIP
                dips[k] = NONE
        tired = people.fatigue[i, 2] * min(level[FATIGUE], 1.0)
        if why == 0 and uniform(key, day, LOST, part) < tired:
            why = TIRED
        waits = people.price[i] * min(level[WAITING], 1.0)
        if why == 0 and uniform(key, day, WAIT, part) < waits:
            why = WAITED
        store = store_of(setting, i, day, part)
        if why != 0:
            n = row_of(setting, out, n, i, day, SKIPPED, at_us, PURCHASE_IDS + part * 8)
            out[n - 1, E_CAUSE], out[n - 1, E_STORE] = why, store
            out[n - 1, E_TWIN] = basket_cents(setting, i, day, part)
            continue
        app = uniform(key, day, WHERE, 8 + part) < people.app_share[i] * setting.places.app[day]
        visit = scratch.visits[count]
        visit[V_TIME], visit[V_CAUSE], visit[V_INDEX] = at_us, ANYWAY, part * 8
        visit[V_PART], visit[V_OFFER], visit[V_STORE] = part, NONE, store
        visit[V_APP] = 1 if app else 0
        count += 1
    return n, count


@in_core
def visits_because(  # noqa: PLR0917 - compiled: flat values
    setting: Setting,
    i: int,
    day: int,
    marks: NDArray,  # type: ignore[type-arg]  # compiled
    scratch: Scratch,
    offers: int,
    count: int,
) -> int:
    """Add the visits of the day that were planned because of an offer, and that of the halo."""
    people, key = setting.people, setting.people.key[i]
    start, end = setting.places.starts[day], setting.places.starts[day + 1]
    for k in range(offers):
        offer = scratch.offers[k]
        if not is_there(setting, i, day) or offer[F_ACTION] < 0 or offer[F_USED] == 1:
            continue
        if start <= offer[F_PLAN] < end:
            visit = scratch.visits[count]
            visit[V_TIME] = min(offer[F_PLAN], end - 2_000_000)
            visit[V_CAUSE], visit[V_OFFER] = INCREMENTAL, k
            visit[V_INDEX] = PLANNED + k
            visit[V_PART], visit[V_STORE] = PARTS_A_DAY, people.home_store[i]
            visit[V_APP] = 1 if uniform(key, day, WHERE, 20 + k) < people.app_share[i] else 0
            count += 1
    if marks[HALO_UNTIL] >= day and uniform(key, day, HALO, 0) < setting.rates[S_HALO]:
        part = 2 + int(3.0 * uniform(key, day, HALO, 1))
        store = people.home_store[i]
        until = setting.places.open_until[store]
        first, last = setting.places.parts[part], setting.places.parts[part + 1]
        if until[last] > until[first] and is_there(setting, i, day):
            minute = minute_in(setting, store, part, uniform(key, day, HALO, 2))
            visit = scratch.visits[count]
            visit[V_TIME], visit[V_CAUSE] = instant_of(setting, i, day, minute), HALO_VISIT
            visit[V_OFFER], visit[V_INDEX], visit[V_PART] = NONE, HALO_INDEX, PARTS_A_DAY
            visit[V_STORE], visit[V_APP] = store, 0
            count += 1
    for a in range(1, count):  # few: put each in its place
        for b in range(a, 0, -1):
            if scratch.visits[b, V_TIME] >= scratch.visits[b - 1, V_TIME]:
                break
            for c in range(V_WIDTH):
                held = scratch.visits[b, c]
                scratch.visits[b, c] = scratch.visits[b - 1, c]
                scratch.visits[b - 1, c] = held
    return count


@in_core
def buy(  # noqa: C901, PLR0917 - compiled: flat values
    setting: Setting,
    out: NDArray,  # type: ignore[type-arg]  # compiled
    n: int,
    i: int,
    day: int,
    visit: NDArray,  # type: ignore[type-arg]  # compiled
    scratch: Scratch,
    offers: int,
    memory: Memory,
    row: int,
) -> int:
    """Make one visit a purchase, with what comes before it and with the offer that is used."""
    people, key, rates = setting.people, setting.people.key[i], setting.rates
    cause, at_us, index = visit[V_CAUSE], visit[V_TIME], visit[V_INDEX]
    planned = visit[V_OFFER]
    if planned >= 0 and scratch.offers[planned, F_USED] == 1:
        return n  # it was used at a visit that would have happened anyway
    used = used_offer(setting, i, day, index, at_us, scratch.offers, offers)
    if planned >= 0 and used < 0:
        return n
    if cause == INCREMENTAL and uniform(key, day, PULL, index) < rates[S_PULL]:
        dips = memory.dips[row]
        target = next_visit(
            setting, i, day, int(rates[S_PULL_DAYS]), dips, len(setting.places.visits)
        )
        for k in range(DIP_SLOTS):
            if target >= 0 and dips[k] < 0:
                dips[k] = target
                cause = PULLED_FORWARD
                break
    category = people.menu[i] if uniform(key, day, BASKET, 100 + index) < 0.7 else people.second[i]  # noqa: PLR2004 - the favourite
    if visit[V_PART] < PARTS_A_DAY:
        n = approach(setting, out, n, i, day, visit)
    amount = basket_cents(setting, i, day, index if index >= HALO_INDEX else visit[V_PART])
    twin = amount if cause == ANYWAY else NONE
    discount = 0
    if used >= 0:
        offer = scratch.offers[used]
        if cause == ANYWAY:
            if uniform(key, day, DOWN, index) < 0.5:  # noqa: PLR2004 - half of them, twice as much
                amount = int(amount * (1.0 - 2.0 * min(rates[S_DOWN], 0.5)))
        else:
            amount = int(amount * (1.0 + rates[S_LARGER] * 2.0 * uniform(key, day, LARGER, index)))
        discount = min(setting.actions[offer[F_ACTION], A_COST], amount)
    n = row_of(setting, out, n, i, day, PURCHASE, at_us, PURCHASE_IDS + index)
    bought = out[n - 1]
    bought[E_STORE], bought[E_CATEGORY] = visit[V_STORE], category
    bought[E_CHANNEL] = IN_APP if visit[V_APP] == 1 else IN_STORE
    bought[E_AMOUNT], bought[E_DISCOUNT], bought[E_QUANTITY] = amount - discount, discount, 1
    bought[E_MARGIN] = int(amount * rates[S_MARGIN]) - discount
    bought[E_CAUSE], bought[E_TWIN] = cause, twin
    if used >= 0:
        offer = scratch.offers[used]
        offer[F_USED] = 1
        bought[E_ACTION], bought[E_KIND] = offer[F_ACTION], offer[F_KIND]
        bought[E_AT], bought[E_ANCHOR] = offer[F_AT], offer[F_ANCHOR]
        n = answer(setting, out, n, i, day, REDEEMED, at_us + 1_000_000, REDEEM_IDS + index, offer)
        memory.level[row, WAITING] += rates[S_WAIT]
        memory.marks[row, HALO_UNTIL] = day + int(rates[S_HALO_DAYS])
    return n
