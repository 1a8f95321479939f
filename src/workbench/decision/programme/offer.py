"""What goes out: offers, their message variants, and the points of a listening programme."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from workbench.decision.durations import Duration
from workbench.decision.programme.types import Cents, ConditionText, Label, Rate
from workbench.params import Parameters

LARGEST_WEIGHT = 10_000


class Variant(Parameters):
    """One wording of an offer.

    Attributes:
        id: What the decision log calls it.
        weight: Its part of the draw among the variants whose ``when`` holds.
        when: A condition; not known is no. None: always.
    """

    id: Label
    weight: Annotated[int, Field(ge=1, le=LARGEST_WEIGHT)] = 1
    when: ConditionText | None = None


class Offer(Parameters):
    """What goes out.

    Attributes:
        id: What the decision log calls it.
        value_cents: What a redemption is worth to the business, before its cost.
        cost_cents: What a redemption costs; a budget reserves all of it.
        redemption_rate: Stated share of delivered offers that are redeemed; committed cost uses it.
        channel: How it goes out.
        validity: How long it is open; concurrency counts open offers.
        when: A condition without which the offer is not open; not known is no.
        variants: Wordings, of which one is drawn.
        propensity: Chance that it is taken, for the score; none: ``redemption_rate``.
        priority: A factor of its own in ``choose: {by: priority}``; 1: none.
        inventory: Pieces in all; none: no end.
        mandatory: Whether it goes before every offer that is not.
    """

    id: Label
    value_cents: Cents
    cost_cents: Cents
    redemption_rate: Rate
    channel: Label
    validity: Duration = Field(default=Duration.parse("30 days"))
    when: ConditionText | None = None
    variants: tuple[Variant, ...] = ()
    propensity: Rate | None = None
    priority: Annotated[float, Field(ge=0, le=1e9)] = 1.0
    inventory: Annotated[int, Field(ge=1, le=1 << 53)] | None = None
    mandatory: bool = False

    @model_validator(mode="after")
    def _variants_once(self) -> Self:
        ids = [each.id for each in self.variants]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"has the variant {name!r} twice")
        return self

    @property
    def chance(self) -> float:
        """The propensity that the score uses."""
        return self.redemption_rate if self.propensity is None else self.propensity


class Points(Parameters):
    """What a listening programme awards.

    Attributes:
        award: Points for one event.
        per: Event type that earns them: the one at which the trigger fires.
    """

    award: Annotated[int, Field(ge=1, le=1 << 40)]
    per: Label
