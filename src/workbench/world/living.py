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
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from workbench.decision.compiled import in_core
from workbench.world.life import (
    MINUTE_US,
    S_BROWSE,
    S_LEFT,
    S_REGISTER,
    S_SEARCH,
    S_WAIT_DECAY,
    Setting,
    basket_cents,
    instant_of,
    is_there,
    minute_in,
    store_of,
)
from workbench.world.memory import (
    A_CHANNEL,
    APP_OPEN,
    BASKET_ADD,
    D_KNOWN,
    DELIVERIES_A_DAY,
    E_ACTION,
    E_AMOUNT,
    E_ANCHOR,
    E_AT,
    E_CATEGORY,
    E_CAUSE,
    E_CHANNEL,
    E_DISTANCE,
    E_HASH,
    E_NAMED,
    E_QUANTITY,
    E_STORE,
    E_TS,
    E_TYPE,
    F_ACTION,
    F_EXPIRES,
    F_USED,
    F_VIEWED,
    F_WIDTH,
    FATIGUE,
    GEO_ENTER,
    NAMED,
    NEVER_US,
    OPEN_SLOTS,
    OPTED_OUT,
    PRODUCT_VIEW,
    REGISTRATION,
    REJECTED,
    SEARCH,
    VIEWED,
    WAITING,
    Memory,
)
from workbench.world.noise import (
    APP,
    PASS_BY,
    REGISTER,
    mix,
    uniform,
)
from workbench.world.responses import OPTS_OUT, REJECTS, receive
from workbench.world.visits import (
    GEO_M,
    IN_APP,
    NONE,
    VIEW_IDS,
    Scratch,
    answer,
    buy,
    row_of,
    visits_anyway,
    visits_because,
)

ROOM = 128
"""More rows than one customer can fill on one day: six visits of seven rows at most, twelve offers
that are viewed, refused and bought with, and what is beside purchases."""


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
        out[n - 1, E_CHANNEL] = IN_APP
        if uniform(key, day, APP, 2) < setting.rates[S_SEARCH]:
            n = row_of(setting, out, n, i, day, SEARCH, at_us + MINUTE_US // 2, 52)
            out[n - 1, E_CHANNEL], out[n - 1, E_CATEGORY] = IN_APP, people.menu[i]
        if uniform(key, day, APP, 4) < setting.rates[S_BROWSE]:
            n = row_of(setting, out, n, i, day, PRODUCT_VIEW, at_us + MINUTE_US, 54)
            out[n - 1, E_CHANNEL], out[n - 1, E_CATEGORY] = IN_APP, people.menu[i]
        if uniform(key, day, APP, 3) < setting.rates[S_LEFT]:
            n = row_of(setting, out, n, i, day, BASKET_ADD, at_us + 2 * MINUTE_US, 51)
            row = out[n - 1]
            row[E_CHANNEL], row[E_CATEGORY], row[E_QUANTITY] = IN_APP, people.menu[i], 1
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
            out[n - 1, E_DISTANCE] = int(20.0 + 2.0 * GEO_M * uniform(key, day, PASS_BY, 3))
    return n


@in_core
def carry_on(scratch: Scratch, offers: int, memory: Memory, row: int, until_us: int) -> None:
    """Keep the offers that are still open for the next day; of too many, the last ones."""
    kept = memory.offers[row]
    kept[:, F_ACTION] = NONE
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
            n = answer(setting, out, n, i, day, VIEWED, offer[F_VIEWED], VIEW_IDS + 8 * k, offer)
    reached = min(last, first + DELIVERIES_A_DAY) if is_there(setting, i, day) else first
    for d in range(first, reached):
        offer = scratch.offers[count]
        does = receive(setting, i, day, d - first, deliveries[d], level, offer)
        seen = offer[F_VIEWED]
        ids = VIEW_IDS + 8 * count
        if start <= seen < end:
            n = answer(setting, out, n, i, day, VIEWED, seen, ids, offer)
        if does & REJECTS and start <= seen < end - 60_000_000:
            n = answer(setting, out, n, i, day, REJECTED, seen + 20_000_000, ids + 1, offer)
            offer[F_ACTION] = NONE
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
    for name in ("living", "visits", "life", "responses", "memory", "noise", "people", "places"):
        checksum = zlib.crc32((here / f"{name}.py").read_bytes(), checksum)
    return checksum


_compiled: Any = numba.njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]  # without reference counts, as the core

run = runner(0)
"""The days in plain Python."""

run_compiled = _compiled(runner(sources_digest()))
"""The same compiled; the machine code is kept between processes."""

__all__ = ["ROOM", "Scratch", "run", "run_compiled"]
