"""Who the customers are: one segment of a world, as distributions of latent traits. Draws nothing."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from workbench.dayparts import DAYPART_NAMES
from workbench.decision.programme.types import Label, Name, Rate
from workbench.errors import did_you_mean
from workbench.params import Parameters

Weight = Annotated[float, Field(ge=0, le=1e6)]
Positive = Annotated[float, Field(gt=0, le=1e9)]
Amount = Annotated[float, Field(ge=0, le=1e9)]


class Heterogeneity(Parameters):
    """A rate that differs between customers: gamma by mean and shape.

    Attributes:
        mean: Mean over the customers.
        shape: Shape of the gamma; the smaller, the more unequal they are.
    """

    mean: Amount
    shape: Positive = 1.0


class Basket(Parameters):
    """What a basket comes to: log-normal, with customers who spend more and baskets that vary.

    Attributes:
        median_cents: Median basket.
        between_sigma: Spread between customers, on the log scale.
        within_sigma: Spread between the baskets of one customer, on the log scale.
    """

    median_cents: Annotated[int, Field(ge=1, le=10_000_000)]
    between_sigma: Annotated[float, Field(ge=0, le=3)] = 0.2
    within_sigma: Annotated[float, Field(ge=0, le=3)] = 0.3


class Sensitivity(Parameters):
    """A trait between 0 and 1: beta by mean and concentration.

    Attributes:
        mean: Mean over the customers.
        concentration: Sum of the two parameters of the beta; the larger, the more equal they are.
    """

    mean: Annotated[float, Field(gt=0, lt=1)]
    concentration: Positive = 10.0


class Fatigue(Parameters):
    """What messages do to a customer beside what they say.

    Attributes:
        per_message: What one message adds; a level of 1 makes a view e times less likely.
        half_life_days: Days in which it halves: the recovery.
        lost_visits: Share of visits that a level of 1 costs.
        opt_out: Chance of one message to end in an opt-out from its channel, at a level of 0.
    """

    per_message: Amount = 0.1
    half_life_days: Positive = 7.0
    lost_visits: Rate = 0.0
    opt_out: Rate = 0.0


class Segment(Parameters):
    """One segment of the customers.

    Attributes:
        name: Stands in the truth, never in the log.
        share: Share of all customers.
        visits_per_week: Purchases that would happen anyway, and how unequal they are.
        dropout_per_day: Chance to leave for good, each day.
        dayparts: Weight of each part of the day.
        menu: Weight of each category: what a customer mostly buys.
        basket: What a basket comes to.
        price_sensitivity: How readily an open offer is used at a visit that happens anyway.
        offer_sensitivity: By type of offer (``discount``, ``reminder``, ``broadcast``): chance that
            a viewed one is acted on by the mean customer.
        content_spread: How much the wording of an offer matters to a customer: ± this share.
        fatigue: What messages do beside what they say.
        app_opens_per_week: Openings of the app without a purchase.
        app_share: Share of purchases that are made in the app or online.
        passes_per_week: Ways past a store without a purchase.
        home_km: Mean distance from home to the nearest store.
        work_km: Mean distance from work to the nearest store.
        zones: Weight of each time zone; none: that of the world.
        consent: By channel the share that agreed to it.
        anonymous: Share that is not known by name until they register.
    """

    name: Name
    share: Rate
    visits_per_week: Heterogeneity
    dropout_per_day: Rate = 0.0
    dayparts: dict[str, Weight]
    menu: dict[Label, Weight]
    basket: Basket
    price_sensitivity: Sensitivity = Sensitivity(mean=0.3)
    offer_sensitivity: dict[str, Rate]
    content_spread: Rate = 0.0
    fatigue: Fatigue = Fatigue()
    app_opens_per_week: Heterogeneity = Heterogeneity(mean=0.0)
    app_share: Rate = 0.0
    passes_per_week: Heterogeneity = Heterogeneity(mean=0.0)
    home_km: Positive = 2.0
    work_km: Positive = 2.0
    zones: dict[str, Weight] = Field(default_factory=dict)
    consent: dict[Label, Rate] = Field(default_factory=dict)
    anonymous: Rate = 0.0

    @model_validator(mode="after")
    def _names_known(self) -> Self:
        _known("dayparts", self.dayparts, DAYPART_NAMES)
        _known("offer_sensitivity", self.offer_sensitivity, OFFER_TYPES)
        for name in ("dayparts", "menu"):
            weights = getattr(self, name)
            if not sum(weights.values()) > 0:
                raise ValueError(f"has no weight above 0 in {name}; give one")
        return self


OFFER_TYPES = ("discount", "reminder", "broadcast")
"""An offer that costs money, one that does not, and whatever the calendar sends."""


def _known(key: str, given: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in given:
        if name not in known:
            raise ValueError(
                f"has {name!r} in {key}, must be one of {', '.join(known)}{did_you_mean(name, known)}"
            )
