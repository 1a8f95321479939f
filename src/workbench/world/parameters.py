"""A world as a file says it: strict, frozen, checked as a whole. Draws nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from workbench.arguments import checked
from workbench.decision.programme.types import Label, Name, Rate
from workbench.errors import ParameterError, did_you_mean, problem
from workbench.files import read_text
from workbench.params import Parameters
from workbench.world.segment import Amount, Positive, Segment
from workbench.world.setting import CalendarRule, Dirt, Shock, Store, WeatherRule, iso_date
from workbench.zones import RULE, near_zone, zone_named

LONGEST_DAYS = 3660
MOST_CUSTOMERS = 50_000_000
_ROUNDING = 1e-9


class View(Parameters):
    """How a channel is read.

    Attributes:
        share: Chance that a message is viewed by a customer who is not tired of messages.
        delay_minutes: Mean delay until it is.
    """

    share: Rate
    delay_minutes: Positive


class Response(Parameters):
    """What an offer does, for all segments.

    Attributes:
        views: By channel; a channel that is not named is read by 3 of 10, after an hour.
        act_days: Mean number of days from the view to a visit because of it (the validity bounds it).
        pulled_forward: Share of visits because of an offer that are taken from a later day.
        pull_days: How many days ahead they are taken from.
        larger_basket: How much larger a basket with an offer is, as a share.
        trade_down: How much cheaper a customer chooses who uses an offer at a visit that would
            have happened anyway, as a share.
        halo_visits_per_week: Further visits after a redemption.
        halo_days: For how long.
        waiting_per_redemption: What one redemption adds to the habit of waiting for a discount;
            at a level of 1 a visit without an offer is put off for good as often as the customer
            is sensitive to price.
        waiting_half_life_days: Days in which the habit halves.
        rejects: Share of viewed offers not acted on that are discarded by hand.
        margin: Margin of a basket before the discount, as a share.
    """

    views: dict[Label, View] = Field(default_factory=dict)
    act_days: Positive = 1.0
    pulled_forward: Rate = 0.0
    pull_days: Annotated[int, Field(ge=1, le=60)] = 14
    larger_basket: Amount = 0.0
    trade_down: Rate = 0.0
    halo_visits_per_week: Amount = 0.0
    halo_days: Annotated[int, Field(ge=0, le=365)] = 0
    waiting_per_redemption: Amount = 0.0
    waiting_half_life_days: Positive = 60.0
    rejects: Rate = 0.0
    margin: Rate = 0.4


class World(Parameters):
    """A world: customers, places, weather, calendar, and how customers respond.

    Attributes:
        name: Its name.
        start: Its first day, a date.
        days: How many days it lasts.
        zone: Zone of its clock; days begin at its midnights.
        customers: Customers at the start.
        arrivals_per_day: New customers a day.
        segments: Who they are; the shares add up to 1.
        stores: Where they go.
        weather: The weather.
        calendar: Days that differ.
        shocks: What comes from outside.
        response: What offers do.
        register_share: Chance of an anonymous customer to register at an opening of the app.
        basket_left_share: Share of openings of the app that leave a basket behind.
        search_share: Share of openings of the app with a search.
        browse_share: Share of openings of the app at which a product is looked at.
        check_in_share: Share of visits in a store with a check-in.
        beacon_share: Share of visits in a store at which a beacon there sees the phone of a
            customer who shares where they are.
        wifi_share: Share of visits in a store at which a phone joins its Wi-Fi.
        dirt: What is wrong with the written log.

    >>> World.from_mapping({"name": "none", "days": 0}, source="w.yaml")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: w.yaml: start is missing; days was 0, must be greater than or equal to 1; zone is missing; customers is missing; segments is missing; stores is missing
    """

    name: Name
    start: str
    days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)]
    zone: str
    customers: Annotated[int, Field(ge=1, le=MOST_CUSTOMERS)]
    arrivals_per_day: Amount = 0.0
    segments: Annotated[tuple[Segment, ...], Field(min_length=1)]
    stores: Annotated[tuple[Store, ...], Field(min_length=1, max_length=1000)]
    weather: WeatherRule = WeatherRule()
    calendar: CalendarRule = CalendarRule()
    shocks: tuple[Shock, ...] = ()
    response: Response = Response()
    register_share: Rate = 0.2
    basket_left_share: Rate = 0.0
    search_share: Rate = 0.0
    browse_share: Rate = 0.0
    check_in_share: Rate = 0.0
    beacon_share: Rate = 0.0
    wifi_share: Rate = 0.0
    dirt: Dirt = Dirt()

    @field_validator("start")
    @classmethod
    def _a_date(cls, start: str) -> str:
        iso_date(start)
        return start

    @field_validator("zone")
    @classmethod
    def _a_zone(cls, zone: str) -> str:
        return _zone(zone)

    @field_validator("segments")
    @classmethod
    def _shares(cls, segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
        total = sum(each.share for each in segments)
        if abs(total - 1) > _ROUNDING:
            raise ValueError(f"has shares that add up to {total:.6g}, must add up to 1")
        _once([each.name for each in segments], "segment")
        return segments

    @field_validator("stores")
    @classmethod
    def _stores_once(cls, stores: tuple[Store, ...]) -> tuple[Store, ...]:
        _once([each.id for each in stores], "store")
        return stores

    @model_validator(mode="after")
    def _zones_known(self) -> Self:
        for segment in self.segments:
            for zone in segment.zones:
                _zone(zone)
        return self

    @property
    def first_day(self) -> date:
        """Its first day."""
        return iso_date(self.start)

    @property
    def arrivals(self) -> int:
        """New customers over all days."""
        return int(self.arrivals_per_day * self.days)

    @property
    def channels(self) -> tuple[str, ...]:
        """Every channel that a customer may have agreed to, by name."""
        return tuple(sorted({name for each in self.segments for name in each.consent}))

    def sized(
        self,
        *,
        customers: int | None = None,
        days: int | None = None,
        arrivals_per_day: float | None = None,
    ) -> World:
        """Return the same world with other numbers of customers or days, checked.

        Args:
            customers: Customers at the start; none: as it is.
            days: Days; none: as it is.
            arrivals_per_day: New customers a day; none: as it is.

        Raises:
            ParameterError: A number breaks its rule.
        """
        sizes = {"customers": customers, "days": days, "arrivals_per_day": arrivals_per_day}
        given = {name: size for name, size in sizes.items() if size is not None}
        return World.from_mapping(_with(self, **given), source=self.name)

    def with_habits(
        self,
        *,
        discount: float = 1.0,
        reminder: float = 1.0,
        broadcast: float = 1.0,
        app_opens: float = 1.0,
        views: Mapping[str, float] | None = None,
    ) -> World:
        """Return the same world whose customers have other habits, checked.

        Args:
            discount: Factor on the sensitivity to offers that cost money.
            reminder: Factor on the sensitivity to offers that do not.
            broadcast: Factor on the sensitivity to what the calendar sends.
            app_opens: Factor on the openings of the app.
            views: By channel of ``response.views`` a factor on the share that is viewed.

        Raises:
            ParameterError: A share would leave 0 to 1, or a channel is not named in the world.

        >>> load_world("params/worlds/tiny.yaml").with_habits(views={"app": 2})
        Traceback (most recent call last):
        ...
        workbench.errors.ParameterError: tiny: response.views.app.share was 1.4, must be less than or equal to 1
        """
        factors = {"discount": discount, "reminder": reminder, "broadcast": broadcast}
        read: dict[str, object] = {**self.response.views}
        for channel, factor in (views or {}).items():
            if channel not in read:
                hint = did_you_mean(channel, read)
                rule = "must be a channel of response.views"
                raise ParameterError(problem("views", channel, rule, where=self.name, hint=hint))
            view = self.response.views[channel]
            read[channel] = _with(view, share=view.share * factor)
        segments = [
            _with(
                each,
                offer_sensitivity={k: r * factors[k] for k, r in each.offer_sensitivity.items()},
                app_opens_per_week=_with(
                    each.app_opens_per_week, mean=each.app_opens_per_week.mean * app_opens
                ),
            )
            for each in self.segments
        ]
        values = _with(self, segments=segments, response=_with(self.response, views=read))
        return World.from_mapping(values, source=self.name)


@checked
def load_world(path: str | Path) -> World:
    """Read a world from its file.

    Args:
        path: A YAML file such as ``params/worlds/qsr.yaml``.

    Returns:
        The world, checked: strict and frozen.

    Raises:
        InputError: The file does not exist or cannot be read.
        ParameterError: A key is unknown or missing, or a value breaks its rule: shares that do not
            add up, a negative rate, a store that never opens, no customers, no day.

    >>> load_world("params/worlds/tiny.yaml").customers
    300
    """
    return World.from_yaml(read_text(Path(path)), source=str(path))


def _with(model: Parameters, **values: object) -> dict[str, object]:
    """Return the values of a model with some others."""
    return {name: getattr(model, name) for name in type(model).model_fields} | values


def _zone(name: str) -> str:
    try:
        zone_named(name)
    except ParameterError:
        raise ValueError(f"has the zone {name!r}, {RULE}{near_zone(name)}") from None
    return name


def _once(names: list[str], what: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"has the {what} {twice[0]!r} twice")
