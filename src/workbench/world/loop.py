"""The closed loop: the core decides on what happened, and customers respond, day by day.

Owns the order of work: parts in lock-step, shared budgets settled at a barrier. Owns no rule of a
decision and none of a response.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.buckets import fnv1a32_column
from workbench.decision.budgets import Ledger, Reserves
from workbench.decision.consent import Consent
from workbench.decision.house import ProgrammeSet
from workbench.decision.rules import rules_of
from workbench.decision.state import CoreState
from workbench.log.schema import INSTANT
from workbench.records import NO, YES
from workbench.replay.job import Job, job_of
from workbench.replay.part import PartState, start_part
from workbench.world.books import Books
from workbench.world.life import (
    DAY_US,
    S_ACT_US,
    S_BEACON,
    S_BROWSE,
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
    S_REJECT,
    S_SEARCH,
    S_WAIT,
    S_WAIT_DECAY,
    S_WIDTH,
    S_WIFI,
    Setting,
)
from workbench.world.memory import NEVER_DAY, NEVER_US, TYPES, Memory
from workbench.world.offers import Kept, actions_of, check_stores
from workbench.world.parameters import World
from workbench.world.people import Population, population
from workbench.world.places import (
    Places,
    calendar_frame,
    places_of,
    sky_of,
    stores_frame,
    weather_frame,
)
from workbench.world.stretch import Part, Stretch

CUSTOMERS_A_PART = 70_000
"""The most customers of a part: fewer parts cost less, more of them need less room at one time."""
DAYS_AT_ONCE = 4
"""Days that are lived before the core looks at them; the length changes no decision."""

_CONSENT = pl.Schema(
    {
        "customer_id": pl.String(),
        "channel": pl.String(),
        "granted": pl.Boolean(),
        "valid_from": INSTANT,
        "valid_to": INSTANT,
    }
)
_OFFERS = {
    "offer_id": pl.String(),
    "type": pl.String(),
    "value_cents": pl.Int64(),
    "cost_cents": pl.Int64(),
    "channel": pl.String(),
}
UTC = "UTC"
Given = TypeVar("Given")


@dataclass(eq=False)
class Loop:
    """A world with programmes while it goes on.

    Attributes:
        world: The world.
        programmes: What decides; none: nobody.
        seed: Seed of all noise.
        withheld: Decisions that reach nobody.
        silent: Programmes none of whose decisions reach anybody.
        only: Numbers of the customers that live; none: all.
    """

    world: World
    programmes: ProgrammeSet | None
    seed: int
    withheld: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    only: frozenset[int] | None = None
    population: Population = field(init=False)
    books: Books = field(init=False)
    places: Places = field(init=False)
    job: Job | None = field(init=False, default=None)
    parts: list[Part] = field(init=False)
    ledger: Ledger = field(init=False, default_factory=Ledger.empty)

    def __post_init__(self) -> None:
        """Draw the customers, the weather and the reference tables."""
        world = self.world
        sky = sky_of(world, self.seed, world.days)
        self.places = places_of(world, sky, world.days)
        self.population = population(world, self.seed)
        frames = {
            "stores": stores_frame(world),
            "weather": weather_frame(world, sky, world.days),
            "calendar": calendar_frame(world, world.days),
            "customers": self._customers(),
            "consent": consent_frame(world, self.population, None),
        }
        if self.programmes is not None:
            check_stores(world, self.programmes, frames["stores"])
            frames["offers"] = offers_frame(self.programmes)
        self.books = books_of(world, self.population, self.programmes, frames)
        if self.programmes is not None:
            self.job = job_of(self.books, self.programmes)
        actions, views = actions_of(world, self.programmes, self.job.rules if self.job else None)
        self.parts = [self._part(rows, actions, views) for rows in self._rows()]

    def stretches(self, workers: int, give: Callable[[Stretch], Given]) -> Iterator[list[Given]]:
        """Let the world go on to its end, some days at once.

        Args:
            workers: Parts that live at one time.
            give: What is wanted of the days of a part, when they are past.
        """
        kept = Kept(self.withheld, self.silent)

        def end(its: Stretch) -> Given:
            its.commit()
            return give(its)

        with ThreadPoolExecutor(workers) as pool:
            for first in range(0, self.world.days, DAYS_AT_ONCE):
                days = (first, min(first + DAYS_AT_ONCE, self.world.days))
                lived = [Stretch(part, days, self.job, self.books, kept) for part in self.parts]
                self._settle(lived, pool)
                given = list(pool.map(end, lived))
                del lived
                yield given

    def _settle(self, lived: list[Stretch], pool: Executor) -> None:
        """Live some days until no budget binds; what is closed is noted in the ledger."""
        amounts = [amount for _, amount in self.job.budgets] if self.job else []
        list(pool.map(partial(Stretch.live, ledger=self.ledger), lived))
        while True:
            reserves = Reserves.merged([its.reserves() for its in lived])
            bound = self.ledger.first_to_bind(reserves, amounts)
            if bound is None:
                self.ledger.settle(reserves)
                return
            account, closing = bound
            self.ledger.closings[account] = closing
            again = partial(Stretch.live_again, account=account, place=closing, ledger=self.ledger)
            list(pool.map(again, lived))

    def _rows(self) -> list[NDArray[np.int64]]:
        """Return the customers of each part: by a hash of their ids, whatever the workers."""
        count = max(1, -(-len(self.population.ids) // CUSTOMERS_A_PART))
        if count > 1:
            count = 2 * -(-count // 2)  # an even number, so that two workers are done together
        bucket = np.array(fnv1a32_column(self.population.ids) % count)
        lives = np.ones(len(bucket), dtype=bool)
        if self.only is not None:
            lives = np.isin(self.population.people.number, list(self.only))
        return [np.flatnonzero((bucket == k) & lives).astype(np.int64) for k in range(count)]

    def _part(
        self, rows: NDArray[np.int64], actions: NDArray[np.int64], views: NDArray[np.float64]
    ) -> Part:
        people = self.population.people.of(rows)
        setting = Setting(people, self.places, actions, views, rates_of(self.world))
        state = None if self.job is None else self._state(rows, self.job)
        known = () if self.job is None else self.job.rules.channels
        places = tuple(known.index(c) if c in known else -1 for c in self.world.channels)
        memory = Memory.blank(people.anonymous, len(self.world.channels))
        return Part(setting, rows, memory, state, places)

    def _state(self, rows: NDArray[np.int64], job: Job) -> PartState:
        """Return what the core remembers at first, with room for one opt-out of each consent."""
        persons = pl.DataFrame({"person": pl.Series(rows, dtype=pl.Int32)}).lazy()
        unasked = replace(job, consent=None)  # what each agrees to is put in its place below
        start = start_part(persons, unasked, CoreState.empty(job.programmes))
        channels = job.rules.channels
        value = np.full((len(rows), len(channels), 2), NO, dtype=np.int8)
        for k, channel in enumerate(channels):
            if channel in self.world.channels:
                agreed = self.population.consent[rows, self.world.channels.index(channel)]
                value[:, k, 0] = np.where(agreed, YES, NO)
        at_us = np.empty(value.shape, dtype=np.int64)
        at_us[:, :, 0], at_us[:, :, 1] = -NEVER_US, NEVER_US
        missing = [k for k, name in enumerate(channels) if name not in self.world.channels]
        at_us[:, missing, 0] = NEVER_US  # never asked: not known
        pairs = len(rows) * len(channels)
        consent = Consent(
            np.arange(pairs + 1, dtype=np.int64) * 2, at_us.ravel().copy(), value.ravel().copy()
        )
        return replace(start, consent=consent)

    def _customers(self) -> pl.DataFrame:
        """Return the reference table of customers: what a real one would say, no trait."""
        ids, zones = self.population.ids, pl.Series("tz", list(self.population.zones))
        source = pl.repeat("first party", len(ids), eager=True)
        table = pl.DataFrame({"customer_id": ids, "source": source})
        if len(zones) == 1:  # nothing that the zone of the log does not say
            return table
        return table.with_columns(zones.gather(self.population.people.zone))

    def consent_frame(self) -> pl.DataFrame:
        """Return the reference table of consent, with the opt-outs up to now."""
        opted = np.full((len(self.population.ids), max(len(self.world.channels), 1)), NEVER_DAY)
        for part in self.parts:
            opted[part.persons] = part.memory.opted
        starts = np.append(self.places.starts, NEVER_US)
        until_us = starts[np.minimum(opted, len(starts) - 1)]
        return consent_frame(self.world, self.population, until_us)


def consent_frame(
    world: World, people: Population, until_us: NDArray[np.int64] | None
) -> pl.DataFrame:
    """Return the reference table of consent.

    Args:
        world: The world.
        people: Its customers.
        until_us: Customer x channel: until when a consent holds; none: for ever.
    """
    frames = [pl.DataFrame(schema=_CONSENT)]
    for c, channel in enumerate(world.channels):
        until = np.full(len(people.ids), NEVER_US) if until_us is None else until_us[:, c]
        frames.append(
            pl.DataFrame(
                {
                    "customer_id": people.ids,
                    "channel": pl.repeat(channel, len(people.ids), eager=True),
                    "granted": people.consent[:, c],
                    "valid_from": pl.repeat(None, len(people.ids), dtype=INSTANT, eager=True),
                    "valid_to": pl.Series(until).set(pl.Series(until == NEVER_US), None),
                }
            ).cast(_CONSENT)
        )
    return pl.concat(frames)


def rates_of(world: World) -> NDArray[np.float64]:
    """Return the numbers of the response as compiled code reads them."""
    rule, rates = world.response, np.zeros(S_WIDTH)
    rates[S_ACT_US] = rule.act_days * DAY_US
    rates[S_PULL], rates[S_PULL_DAYS] = rule.pulled_forward, rule.pull_days
    rates[S_LARGER], rates[S_DOWN] = rule.larger_basket, rule.trade_down
    rates[S_HALO] = 1 - np.exp(-rule.halo_visits_per_week / 7)
    rates[S_HALO_DAYS] = rule.halo_days
    rates[S_WAIT] = rule.waiting_per_redemption
    rates[S_WAIT_DECAY] = 0.5 ** (1 / rule.waiting_half_life_days)
    rates[S_REJECT], rates[S_MARGIN] = rule.rejects, rule.margin
    rates[S_REGISTER], rates[S_LEFT] = world.register_share, world.basket_left_share
    rates[S_SEARCH], rates[S_CHECK_IN] = world.search_share, world.check_in_share
    rates[S_BROWSE], rates[S_BEACON] = world.browse_share, world.beacon_share
    rates[S_WIFI] = world.wifi_share
    return rates


def offers_frame(programmes: ProgrammeSet) -> pl.DataFrame:
    """Return the reference table of offers."""
    offers = {offer.id: offer for programme in programmes for offer in programme.offers}
    return pl.DataFrame(
        {
            "offer_id": list(offers),
            "type": ["discount" if each.cost_cents else "reminder" for each in offers.values()],
            "value_cents": [each.value_cents for each in offers.values()],
            "cost_cents": [each.cost_cents for each in offers.values()],
            "channel": [each.channel for each in offers.values()],
        },
        schema=_OFFERS,
    )


def books_of(
    world: World,
    people: Population,
    programmes: ProgrammeSet | None,
    frames: dict[str, pl.DataFrame],
) -> Books:
    """Return the code books of a world with programmes."""
    listed = [] if programmes is None else rules_of(programmes).action_list
    offers = [each.offer for each in listed]
    names = [offer.id for offer in offers if offer is not None]
    channels = ["store", "app"]
    channels += [o.channel for o in offers if o is not None and o.channel not in channels]
    channels = list(dict.fromkeys(channels))
    book = list(dict.fromkeys(names))

    def series(values: Iterable[str]) -> pl.Series:
        return pl.Series("value", list(values), dtype=pl.String)

    return Books(
        zone=world.zone,
        books={
            "person": people.ids.alias("value"),
            "customer": people.ids.alias("value"),
            "type": series(TYPES),
            "store": series([each.id for each in world.stores]),
            "channel": series(channels),
            "category": series(people.menu),
            "offer": series(book),
            "tz": series(
                dict.fromkeys([*people.zones, *([UTC] if world.dirt.zone_errors else [])])
            ),
        },
        frames=frames,
        programme_of=[] if programmes is None else [programmes[a.programme].name for a in listed],
        offer_of=np.array([-1 if o is None else book.index(o.id) for o in offers] or [-1]),
        channel_of=np.array(
            [0, 1, *(-1 if o is None else channels.index(o.channel) for o in offers)]
        ),
    )
