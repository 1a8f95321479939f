"""The customers of a world: their latent traits, drawn by key. Owns no behaviour and no log.

Traits are the truth: no log and no reference table carries them. A customer's id is drawn apart
from everything else, so that it says nothing about them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from workbench.dayparts import DAYPART_NAMES
from workbench.world.memory import NEVER_DAY
from workbench.world.noise import TRAIT, keys_of, uniforms
from workbench.world.parameters import World
from workbench.world.segment import OFFER_TYPES, Segment

_LEAST, _MOST = 1e-12, 1 - 1e-12
(
    _SEGMENT, _RATE, _DROP, _BASKET, _PRICE, _APP, _PASS, _HOME, _WORK, _HOME_STORE, _WORK_STORE,
    _MENU, _ZONE, _ANONYMOUS, _SENSITIVITY, _CONTENT, _DAYPART,
) = range(17)  # fmt: skip
_CONSENT = 100


class People(NamedTuple):
    """Customers by row, in the order of their ids; what compiled code reads.

    Attributes:
        key: Key of the noise of each.
        number: Number of each, from 0: those at the start first, then arrivals.
        segment: Position of the segment.
        arrives: Day from which on they live; 0 for those at the start.
        leaves: Day from which on they are gone.
        visits: Visits a day that would happen anyway.
        parts: Customer x part of the day: share of the visits.
        opens: Openings of the app a day without a purchase.
        passes: Ways past a store a day without a purchase.
        app_share: Share of purchases in the app.
        basket: Log of the median basket, cents.
        within: Spread of the log of a basket.
        price: Sensitivity to price.
        acts: Customer x type of offer: rate at which a viewed offer is acted on.
        content: Spread over the wordings.
        fatigue: Customer x (per message, decay a day, lost visits, opt-out).
        home_store: Position of the store near home.
        work_store: Position of the store near work.
        home_m: Metres from home to its store.
        work_m: Metres from work to its store.
        menu: Position of the favourite category.
        second: Position of the category of other days.
        minutes: Minutes by which the customer's clock is ahead of the world's.
        zone: Position of the zone in :attr:`Population.zones`.
        anonymous: 1 for those not known by name until they register.
    """

    key: NDArray[np.uint64]
    number: NDArray[np.int64]
    segment: NDArray[np.int64]
    arrives: NDArray[np.int64]
    leaves: NDArray[np.int64]
    visits: NDArray[np.float64]
    parts: NDArray[np.float64]
    opens: NDArray[np.float64]
    passes: NDArray[np.float64]
    app_share: NDArray[np.float64]
    basket: NDArray[np.float64]
    within: NDArray[np.float64]
    price: NDArray[np.float64]
    acts: NDArray[np.float64]
    content: NDArray[np.float64]
    fatigue: NDArray[np.float64]
    home_store: NDArray[np.int64]
    work_store: NDArray[np.int64]
    home_m: NDArray[np.float64]
    work_m: NDArray[np.float64]
    menu: NDArray[np.int64]
    second: NDArray[np.int64]
    minutes: NDArray[np.int64]
    zone: NDArray[np.int64]
    anonymous: NDArray[np.int64]

    def of(self, rows: NDArray[np.int64]) -> People:
        """Return some customers."""
        return People._make(column[rows] for column in self)


class Population(NamedTuple):
    """All customers of a world and what names them.

    Attributes:
        ids: Id of each, ascending.
        people: Their traits, in the same order.
        consent: Customer x channel of the world: whether they agree at the start.
        zones: Names of the zones of customers.
        menu: Names of the categories.
    """

    ids: pl.Series
    people: People
    consent: NDArray[np.bool_]
    zones: tuple[str, ...]
    menu: tuple[str, ...]


def population(world: World, seed: int) -> Population:
    """Draw the customers of a world; each by itself, whatever their number.

    >>> from workbench.world.parameters import load_world
    >>> tiny = load_world("params/worlds/tiny.yaml")
    >>> few, many = population(tiny.sized(customers=3), 1), population(tiny, 1)
    >>> set(few.people.visits[few.people.number < 3]) <= set(many.people.visits)
    True
    """
    numbers = np.arange(world.customers + world.arrivals, dtype=np.int64)
    named = keys_of(seed, "customer id", numbers)
    key = keys_of(seed, "customer", numbers)
    ids = pl.Series("person_id", [f"c{each:016x}" for each in named.tolist()])
    order = np.array(ids.arg_sort(), dtype=np.int64)
    drawn = _Drawn(world, key[order], numbers[order])
    return Population(
        ids.gather(order), drawn.people(), drawn.consent(), drawn.zones, drawn.categories
    )


class _Drawn:
    """The draws of customers, segment by segment."""

    def __init__(self, world: World, key: NDArray[np.uint64], number: NDArray[np.int64]) -> None:
        self.world, self.key, self.number = world, key, number
        shares = np.cumsum([each.share for each in world.segments])
        found = np.searchsorted(shares, self.u(_SEGMENT), side="right")
        self.segment = np.minimum(found, len(shares) - 1).astype(np.int64)
        zones = {world.zone: 0, **{zone: 0 for each in world.segments for zone in each.zones}}
        self.zones = tuple(zones)
        menu = {name: 0 for each in world.segments for name in each.menu}
        self.categories = tuple(sorted(menu))

    def u(self, index: int) -> NDArray[np.float64]:
        """Return one uniform draw a customer."""
        return np.clip(uniforms(self.key, TRAIT, index), _LEAST, _MOST)

    def each(self, value: Callable[[Segment], float]) -> NDArray[np.float64]:
        """Return what the segment of each customer says."""
        of_segment = np.array([value(each) for each in self.world.segments], dtype=np.float64)
        return of_segment[self.segment]

    def gamma(
        self, index: int, mean: NDArray[np.float64], shape: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return gamma draws by mean and shape."""
        return np.asarray(special.gammaincinv(shape, self.u(index)) / shape * mean)

    def normal(self, index: int) -> NDArray[np.float64]:
        """Return standard normal draws."""
        return np.asarray(special.ndtri(self.u(index)))

    def chosen(
        self, index: int, names: tuple[str, ...], of: Callable[[Segment], dict[str, float]]
    ) -> NDArray[np.int64]:
        """Return the position of a name drawn by the weights of the segment."""
        weights = np.array([[of(s).get(n, 0.0) for n in names] for s in self.world.segments])
        ends = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)[self.segment]
        place = (self.u(index)[:, None] >= ends).sum(axis=1)
        return np.asarray(np.minimum(place, len(names) - 1), dtype=np.int64)

    def stores(self, index: int) -> NDArray[np.int64]:
        """Return the position of a store drawn by the stores' weights."""
        weights = np.cumsum([each.weight for each in self.world.stores])
        place = np.searchsorted(weights / weights[-1], self.u(index), side="right")
        return np.minimum(place, len(weights) - 1).astype(np.int64)

    def people(self) -> People:
        """Return the traits."""
        world, start = self.world, self.world.customers
        arrives = np.zeros(len(self.key), dtype=np.int64)
        new = self.number >= start
        if new.any():
            arrives[new] = ((self.number[new] - start) / world.arrivals_per_day).astype(np.int64)
        hazard = self.each(lambda s: s.dropout_per_day)
        life = np.full(len(self.key), float(NEVER_DAY))
        mortal = hazard > 0
        life[mortal] = np.log(self.u(_DROP)[mortal]) / np.log1p(
            -np.minimum(hazard[mortal], 1 - 1e-9)
        )
        parts = np.array(
            [[s.dayparts.get(name, 0.0) for name in DAYPART_NAMES] for s in world.segments]
        )
        tilt = np.stack(
            [np.exp(0.5 * self.normal(_DAYPART + k)) for k in range(len(DAYPART_NAMES))], axis=1
        )
        own = parts[self.segment] * tilt
        price = special.betaincinv(
            self.each(lambda s: s.price_sensitivity.mean * s.price_sensitivity.concentration),
            self.each(lambda s: (1 - s.price_sensitivity.mean) * s.price_sensitivity.concentration),
            self.u(_PRICE),
        )
        taste = np.exp(0.4 * self.normal(_SENSITIVITY) - 0.08)
        acts = np.stack(
            [
                -np.log1p(
                    -np.minimum(
                        self.each(lambda s, k=kind: s.offer_sensitivity.get(k, 0.0)),  # type: ignore[misc]  # bound at once
                        1 - 1e-9,
                    )
                )
                * taste
                for kind in OFFER_TYPES
            ],
            axis=1,
        )
        zone = self.chosen(_ZONE, self.zones, lambda s: s.zones or {world.zone: 1.0})
        return People(
            key=self.key,
            number=self.number,
            segment=self.segment,
            arrives=arrives,
            leaves=arrives + np.minimum(np.ceil(life), NEVER_DAY).astype(np.int64),
            visits=self.gamma(
                _RATE,
                self.each(lambda s: s.visits_per_week.mean / 7),
                self.each(lambda s: s.visits_per_week.shape),
            ),
            parts=own / own.sum(axis=1, keepdims=True),
            opens=self.gamma(
                _APP,
                self.each(lambda s: s.app_opens_per_week.mean / 7),
                self.each(lambda s: s.app_opens_per_week.shape),
            ),
            passes=self.gamma(
                _PASS,
                self.each(lambda s: s.passes_per_week.mean / 7),
                self.each(lambda s: s.passes_per_week.shape),
            ),
            app_share=self.each(lambda s: s.app_share),
            basket=np.log(self.each(lambda s: s.basket.median_cents))
            + self.each(lambda s: s.basket.between_sigma) * self.normal(_BASKET),
            within=self.each(lambda s: s.basket.within_sigma),
            price=np.asarray(price),
            acts=acts,
            content=self.each(lambda s: s.content_spread),
            fatigue=np.stack(
                [
                    self.each(lambda s: s.fatigue.per_message),
                    0.5 ** (1 / self.each(lambda s: s.fatigue.half_life_days)),
                    self.each(lambda s: s.fatigue.lost_visits),
                    self.each(lambda s: s.fatigue.opt_out),
                ],
                axis=1,
            ),
            home_store=self.stores(_HOME_STORE),
            work_store=self.stores(_WORK_STORE),
            home_m=-np.log(self.u(_HOME)) * self.each(lambda s: s.home_km) * 1000,
            work_m=-np.log(self.u(_WORK)) * self.each(lambda s: s.work_km) * 1000,
            menu=self.chosen(_MENU, self.categories, lambda s: s.menu),
            second=self.chosen(_CONTENT + 50, self.categories, lambda s: s.menu),
            minutes=self._ahead()[zone],
            zone=zone,
            anonymous=(self.u(_ANONYMOUS) < self.each(lambda s: s.anonymous)).astype(np.int64),
        )

    def consent(self) -> NDArray[np.bool_]:
        """Return for each customer and channel whether they agree."""
        return np.stack(
            [
                self.u(_CONSENT + k) < self.each(lambda s, c=channel: s.consent.get(c, 0.0))  # type: ignore[misc]  # bound at once
                for k, channel in enumerate(self.world.channels)
            ]
            or [np.zeros(len(self.key), dtype=bool)],
            axis=1,
        )

    def _ahead(self) -> NDArray[np.int64]:
        """Return by how many minutes the clock of each zone is ahead, in the first winter."""
        noon = datetime.combine(self.world.first_day, datetime.min.time()) + timedelta(hours=12)

        def minutes(zone: str) -> int:
            offset = noon.replace(tzinfo=ZoneInfo(zone)).utcoffset() or timedelta()
            return int(offset.total_seconds()) // 60

        here = minutes(self.world.zone)
        return np.array([minutes(zone) - here for zone in self.zones], dtype=np.int64)


TRAITS = (
    "visits", "opens", "passes", "basket", "price", "home_m", "work_m", "leaves", "segment",
)  # fmt: skip
"""Traits by which a log must not be ordered."""


def traits_frame(people: People, ids: pl.Series, world: World) -> pl.DataFrame:
    """Return the traits as a table, one row a customer: a part of the truth."""
    names = pl.Series([each.name for each in world.segments])
    acts = {f"acts_on_{kind}": 1 - np.exp(-people.acts[:, k]) for k, kind in enumerate(OFFER_TYPES)}
    parts = {f"visits_{name}": people.parts[:, k] for k, name in enumerate(DAYPART_NAMES)}
    return pl.DataFrame(
        {
            "person_id": ids,
            "segment": names.gather(people.segment),
            "arrival_day": people.arrives,
            "drop_out_day": pl.Series(people.leaves).set(
                pl.Series(people.leaves >= NEVER_DAY), None
            ),
            "visits_per_week": people.visits * 7,
            "app_opens_per_week": people.opens * 7,
            "passes_per_week": people.passes * 7,
            "median_basket_cents": np.exp(people.basket),
            "price_sensitivity": people.price,
            **acts,
            **parts,
            "home_m": people.home_m,
            "work_m": people.work_m,
            "anonymous": people.anonymous == 1,
        }
    )


__all__ = ["TRAITS", "People", "Population", "population", "traits_frame"]
