"""The days of a customer, given what was delivered: events, and what is carried to the next day.

Owns the order of a day. The life that would happen anyway is in ``life``, what an offer does in
``responses``. What happens at an instant depends on nothing that is delivered later, so that a day
can be lived again with more deliveries and its beginning stays what it was.
"""

# mypy: disable-error-code="no-any-return"
# Entries of arrays are numbers, which the types of arrays do not say.

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from workbench.decision.compiled import in_core
from workbench.world.life import (
    MINUTE_US,
    S_CHECK_IN,
    S_DOWN,
    S_HALO,
    S_HALO_DAYS,
    S_LARGER,
    S_LEFT,
    S_MARGIN,
    S_PULL,
    S_PULL_DAYS,
    S_REGISTER,
    S_SEARCH,
    S_WAIT,
    S_WAIT_DECAY,
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
    A_CHANNEL,
    A_COST,
    ANYWAY,
    APP_OPEN,
    BASKET_ADD,
    CHECK_IN,
    D_KNOWN,
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
    F_EXPIRES,
    F_KIND,
    F_PLAN,
    F_USED,
    F_VIEWED,
    F_WIDTH,
    FATIGUE,
    GEO_ENTER,
    HALO_UNTIL,
    HALO_VISIT,
    INCREMENTAL,
    NAMED,
    NEVER_US,
    OPEN_SLOTS,
    OPTED_OUT,
    PARTS_A_DAY,
    PULLED_FORWARD,
    PURCHASE,
    REDEEMED,
    REGISTRATION,
    REJECTED,
    SEARCH,
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
    VIEWED,
    WAITED,
    WAITING,
    Memory,
)
from workbench.world.noise import (
    APP,
    BASKET,
    DOWN,
    EVENT_ID,
    HALO,
    LARGER,
    LOST,
    MINUTE,
    PASS_BY,
    PULL,
    REGISTER,
    VISIT,
    WAIT,
    WHERE,
    bits,
    mix,
    uniform,
)
from workbench.world.responses import OPTS_OUT, REJECTS, receive, used_offer

ROOM = 64
"""Rows that one customer fills at most on one day."""

_HALO_INDEX, _PLANNED, _VIEW_IDS, _REDEEM_IDS, _PURCHASE_IDS = 64, 65, 200, 400, 640
_GEO_M = 250.0
_IN_APP, _IN_STORE = 1, 0
_NONE = -1


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
    row[:] = _NONE
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
def browse(  # noqa: PLR0917 - compiled: flat values
    setting: Setting,
    out: NDArray,  # type: ignore[type-arg]  # compiled
    n: int,
    i: int,
    day: int,
    marks: NDArray,  # type: ignore[type-arg]  # compiled
) -> int:
    """Open the app, pass a store, register: what happens beside purchases."""
    people, places, key = setting.people, setting.places, setting.people.key[i]
    first = day == people.arrives[i] and day > 0 and people.anonymous[i] == 0
    if first:
        n = row_of(setting, out, n, i, day, REGISTRATION, places.starts[day] + 1_000_000, 53)
    rate = people.opens[i] * places.app[day]
    if uniform(key, day, APP, 0) < 1.0 - math.exp(-rate):
        minute = 420.0 + 960.0 * uniform(key, day, APP, 1)
        at_us = instant_of(setting, i, day, minute % 1440.0)
        end = places.starts[day + 1]
        at_us = max(min(at_us, end - 3 * MINUTE_US), places.starts[day] + 2_000_000)
        if marks[NAMED] == 0 and uniform(key, day, REGISTER, 0) < setting.rates[S_REGISTER]:
            n = row_of(setting, out, n, i, day, REGISTRATION, at_us - 1_000_000, 53)
            marks[NAMED] = 1
        n = row_of(setting, out, n, i, day, APP_OPEN, at_us, 50)
        out[n - 1, E_CHANNEL] = _IN_APP
        if uniform(key, day, APP, 2) < setting.rates[S_SEARCH]:
            n = row_of(setting, out, n, i, day, SEARCH, at_us + MINUTE_US // 2, 52)
            out[n - 1, E_CHANNEL], out[n - 1, E_CATEGORY] = _IN_APP, people.menu[i]
        if uniform(key, day, APP, 3) < setting.rates[S_LEFT]:
            n = row_of(setting, out, n, i, day, BASKET_ADD, at_us + 2 * MINUTE_US, 51)
            row = out[n - 1]
            row[E_CHANNEL], row[E_CATEGORY], row[E_QUANTITY] = _IN_APP, people.menu[i], 1
            row[E_AMOUNT] = basket_cents(setting, i, day, 70)
    if uniform(key, day, PASS_BY, 0) < 1.0 - math.exp(-people.passes[i]):
        u = uniform(key, day, PASS_BY, 1)
        part = 1 + int(4.0 * uniform(key, day, PASS_BY, 2))
        store = store_of(setting, i, day, part)
        if (
            places.open_until[store, places.parts[part + 1]]
            > (places.open_until[store, places.parts[part]])
        ):
            at_us = instant_of(setting, i, day, minute_in(setting, store, part, u))
            n = row_of(setting, out, n, i, day, GEO_ENTER, at_us, 48)
            out[n - 1, E_STORE] = store
            out[n - 1, E_DISTANCE] = int(20.0 + 2.0 * _GEO_M * uniform(key, day, PASS_BY, 3))
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
                dips[k] = _NONE
        tired = people.fatigue[i, 2] * min(level[FATIGUE], 1.0)
        if why == 0 and uniform(key, day, LOST, part) < tired:
            why = TIRED
        waits = people.price[i] * min(level[WAITING], 1.0)
        if why == 0 and uniform(key, day, WAIT, part) < waits:
            why = WAITED
        store = store_of(setting, i, day, part)
        if why != 0:
            n = row_of(setting, out, n, i, day, SKIPPED, at_us, _PURCHASE_IDS + part * 8)
            out[n - 1, E_CAUSE], out[n - 1, E_STORE] = why, store
            out[n - 1, E_TWIN] = basket_cents(setting, i, day, part)
            continue
        app = uniform(key, day, WHERE, 8 + part) < people.app_share[i] * setting.places.app[day]
        visit = scratch.visits[count]
        visit[V_TIME], visit[V_CAUSE], visit[V_INDEX] = at_us, ANYWAY, part * 8
        visit[V_PART], visit[V_OFFER], visit[V_STORE] = part, _NONE, store
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
            visit[V_INDEX] = _PLANNED + k
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
            visit[V_OFFER], visit[V_INDEX], visit[V_PART] = _NONE, _HALO_INDEX, PARTS_A_DAY
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
    amount = basket_cents(setting, i, day, index if index >= _HALO_INDEX else visit[V_PART])
    twin = amount if cause == ANYWAY else _NONE
    discount = 0
    if used >= 0:
        offer = scratch.offers[used]
        if cause == ANYWAY:
            if uniform(key, day, DOWN, index) < 0.5:  # noqa: PLR2004 - half of them, twice as much
                amount = int(amount * (1.0 - 2.0 * min(rates[S_DOWN], 0.5)))
        else:
            amount = int(amount * (1.0 + rates[S_LARGER] * 2.0 * uniform(key, day, LARGER, index)))
        discount = min(setting.actions[offer[F_ACTION], A_COST], amount)
    n = row_of(setting, out, n, i, day, PURCHASE, at_us, _PURCHASE_IDS + index)
    bought = out[n - 1]
    bought[E_STORE], bought[E_CATEGORY] = visit[V_STORE], category
    bought[E_CHANNEL] = _IN_APP if visit[V_APP] == 1 else _IN_STORE
    bought[E_AMOUNT], bought[E_DISCOUNT], bought[E_QUANTITY] = amount - discount, discount, 1
    bought[E_MARGIN] = int(amount * rates[S_MARGIN]) - discount
    bought[E_CAUSE], bought[E_TWIN] = cause, twin
    if used >= 0:
        offer = scratch.offers[used]
        offer[F_USED] = 1
        bought[E_ACTION], bought[E_KIND] = offer[F_ACTION], offer[F_KIND]
        bought[E_AT], bought[E_ANCHOR] = offer[F_AT], offer[F_ANCHOR]
        n = answer(setting, out, n, i, day, REDEEMED, at_us + 1_000_000, _REDEEM_IDS + index, offer)
        memory.level[row, WAITING] += rates[S_WAIT]
        memory.marks[row, HALO_UNTIL] = day + int(rates[S_HALO_DAYS])
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
    """Write what comes before a purchase: the app and the basket, or the geofence and a check-in."""
    key, at_us, index = setting.people.key[i], visit[V_TIME], visit[V_INDEX]
    part = visit[V_PART]
    before = int((4.0 + 6.0 * uniform(key, day, MINUTE, 16 + part)) * MINUTE_US)
    before = min(before, at_us - setting.places.starts[day])
    if visit[V_APP] == 1:
        n = row_of(setting, out, n, i, day, APP_OPEN, at_us - before, index + 2)
        out[n - 1, E_CHANNEL] = _IN_APP
        n = row_of(setting, out, n, i, day, BASKET_ADD, at_us - before // 2, index + 3)
        row = out[n - 1]
        row[E_CHANNEL], row[E_CATEGORY], row[E_QUANTITY] = _IN_APP, setting.people.menu[i], 1
        row[E_AMOUNT] = basket_cents(setting, i, day, part)
        return n
    if setting.people.passes[i] > 0:
        n = row_of(setting, out, n, i, day, GEO_ENTER, at_us - before, index)
        row = out[n - 1]
        row[E_STORE] = visit[V_STORE]
        row[E_DISTANCE] = int(20.0 + _GEO_M * uniform(key, day, MINUTE, 24 + part))
    if uniform(key, day, VISIT, 16 + part) < setting.rates[S_CHECK_IN]:
        n = row_of(setting, out, n, i, day, CHECK_IN, at_us - before // 4, index + 1)
        out[n - 1, E_STORE] = visit[V_STORE]
    return n


@in_core
def carry_on(scratch: Scratch, offers: int, memory: Memory, row: int, until_us: int) -> None:
    """Keep the offers that are still open for the next day; of too many, the last ones."""
    kept = memory.offers[row]
    kept[:, F_ACTION] = _NONE
    place = OPEN_SLOTS
    for k in range(offers - 1, -1, -1):
        offer = scratch.offers[k]
        ends = offer[F_ACTION] < 0 or offer[F_USED] == 1 or offer[F_EXPIRES] <= until_us
        if place == 0 or ends or offer[F_VIEWED] == NEVER_US:
            continue
        place -= 1
        for c in range(F_WIDTH):
            kept[place, c] = offer[c]


@in_core
def live_one(  # noqa: C901, PLR0912, PLR0917 - compiled: flat values
    setting: Setting,
    out: NDArray,  # type: ignore[type-arg]  # compiled
    n: int,
    i: int,
    day: int,
    deliveries: NDArray,  # type: ignore[type-arg]  # compiled
    first: int,
    last: int,
    memory: Memory,
    row: int,
    scratch: Scratch,
) -> int:
    """Let one customer live one day and return how many rows there are.

    Args:
        setting: The world.
        out: Rows x ``E_``; filled from ``n`` on.
        n: How many rows there are.
        i: The customer.
        day: The day.
        deliveries: ``D_``, those of a customer together and in the order of time.
        first: Where the customer's begin.
        last: Where they end.
        memory: Of the evening before; made that of this evening.
        row: The customer's row in it.
        scratch: Room.
    """
    level, marks = memory.level[row], memory.marks[row]
    start, end = setting.places.starts[day], setting.places.starts[day + 1]
    level[FATIGUE] *= setting.people.fatigue[i, 1]
    level[WAITING] *= setting.rates[S_WAIT_DECAY]
    begin = n
    was_named = marks[NAMED]
    n, visits = visits_anyway(setting, out, n, i, day, level, memory.dips[row], scratch)
    if is_there(setting, i, day):
        n = browse(setting, out, n, i, day, marks)
    count = OPEN_SLOTS
    for k in range(OPEN_SLOTS):
        for c in range(F_WIDTH):
            scratch.offers[k, c] = memory.offers[row, k, c]
        offer = scratch.offers[k]
        if offer[F_ACTION] >= 0 and start <= offer[F_VIEWED] < end:
            n = answer(setting, out, n, i, day, VIEWED, offer[F_VIEWED], _VIEW_IDS + 8 * k, offer)
    reached = min(last, first + DELIVERIES_A_DAY) if is_there(setting, i, day) else first
    for d in range(first, reached):
        offer = scratch.offers[count]
        does = receive(setting, i, day, d - first, deliveries[d], level, offer)
        seen = offer[F_VIEWED]
        ids = _VIEW_IDS + 8 * count
        if start <= seen < end:
            n = answer(setting, out, n, i, day, VIEWED, seen, ids, offer)
        if does & REJECTS and start <= seen < end - 60_000_000:
            n = answer(setting, out, n, i, day, REJECTED, seen + 20_000_000, ids + 1, offer)
            offer[F_ACTION] = _NONE
        if does & OPTS_OUT and start <= seen < end - 60_000_000:
            channel = setting.actions[deliveries[d, 0], A_CHANNEL]
            if channel >= 0:
                memory.opted[row, channel] = min(memory.opted[row, channel], day + 1)
                n = row_of(setting, out, n, i, day, OPTED_OUT, seen + 30_000_000, ids + 2)
                out[n - 1, E_CHANNEL] = 2 + deliveries[d, 0]
        count += 1
    visits = visits_because(setting, i, day, marks, scratch, count, visits)
    for v in range(visits):
        n = buy(setting, out, n, i, day, scratch.visits[v], scratch, count, memory, row)
    if was_named == 0:
        named_us = NEVER_US
        for k in range(begin, n):
            if out[k, E_TYPE] == REGISTRATION:
                named_us = out[k, E_TS]
        for k in range(begin, n):
            if out[k, E_TS] < named_us:
                out[k, E_NAMED] = 0
    carry_on(scratch, count, memory, row, end)
    return n


def runner(digest: int) -> Callable[..., tuple[int, int]]:
    """Return ``run``; the digest of the sources is part of it, so that stored code is renewed."""

    def run(  # noqa: PLR0917 - compiled: flat values
        setting: Setting,
        days: tuple[int, int],
        which: NDArray,  # type: ignore[type-arg]  # compiled
        deliveries: NDArray,  # type: ignore[type-arg]  # compiled
        starts: NDArray,  # type: ignore[type-arg]  # compiled
        memory: Memory,
        out: NDArray,  # type: ignore[type-arg]  # compiled
        prints: NDArray,  # type: ignore[type-arg]  # compiled
        scratch: Scratch,
        begin: int,
    ) -> tuple[int, int]:
        """Let customers live some days.

        Args:
            setting: The world.
            days: The first day, and the one behind the last.
            which: Rows of the customers.
            deliveries: ``D_``.
            starts: Where those of each of ``which`` begin; one entry more at the end.
            memory: Of ``which``, of the evening before; made that of the last evening.
            out: Rows x ``E_``.
            prints: A fingerprint of the events of each; filled in.
            scratch: Room.
            begin: Where to go on in ``which``.

        Returns:
            How many rows there are, and the first of ``which`` for whom there was no room.
        """
        n = 0
        if digest < 0:
            return 0, 0
        for row in range(begin, len(which)):
            if n + ROOM * (days[1] - days[0]) > len(out):
                return n, row
            before = n
            first, last = starts[row], starts[row + 1]
            for day in range(days[0], days[1]):
                end = first
                midnight = setting.places.starts[day + 1]
                while end < last and deliveries[end, D_KNOWN] < midnight:
                    end += 1
                n = live_one(
                    setting, out, n, which[row], day, deliveries, first, end, memory, row, scratch
                )
                first = end
            found = np.uint64(0)
            for k in range(before, n):
                value = np.uint64(out[k, E_HASH])
                for c in (E_TS, E_TYPE, E_AMOUNT, E_ACTION, E_AT, E_ANCHOR, E_CAUSE):
                    value = mix(value ^ np.uint64(out[k, c]))
                found += value
            prints[row] = found
        return n, len(which)

    return run


def sources_digest() -> int:
    """Return a checksum of the sources that are compiled together with :func:`run`."""
    here = Path(__file__).parent
    checksum = 0
    for name in ("living", "life", "responses", "memory", "noise", "people", "places"):
        checksum = zlib.crc32((here / f"{name}.py").read_bytes(), checksum)
    return checksum


_compiled: Any = numba.njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]  # without reference counts, as the core

run = runner(0)
"""The days in plain Python."""

run_compiled = _compiled(runner(sources_digest()))
"""The same compiled; the machine code is kept between processes."""

__all__ = ["ROOM", "Scratch", "run", "run_compiled"]
