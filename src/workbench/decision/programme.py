"""A programme as a file says it: strict, frozen, checked as a whole. Owns no evaluation.

Every rule that can be checked without a log is checked here: units, ranges, windows that cannot
be, a cap that can never bind, and the conditions against the columns that there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from workbench import conditions
from workbench.buckets import BUCKETS
from workbench.decision.context import COLUMNS
from workbench.params import Parameters

LONGEST_DAYS = 3660
"""The longest window or cooldown: ten years."""

LARGEST_CAP = 1000
"""The largest count of a cap: a person's state keeps so many instants."""

LARGEST_CENTS = 10_000_000_00
"""The largest value or cost of one offer: ten million in whole currency."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Label = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^\S(.*\S)?$")]
Days = Annotated[int, Field(ge=1, le=LONGEST_DAYS)]
Cents = Annotated[int, Field(ge=0, le=LARGEST_CENTS)]


class Trigger(Parameters):
    """What makes the programme consider a customer.

    Attributes:
        event: Event type of the log.
        when: A condition on the event, its context and the features; none: every such event.
    """

    event: Label
    when: str | None = None


class Offer(Parameters):
    """What goes out.

    Attributes:
        id: What the decision log calls it.
        value_cents: What a redemption is worth to the business, before its cost.
        cost_cents: What a redemption costs.
        redemption_rate: Stated share of delivered offers that are redeemed; committed cost uses it.
        channel: How it goes out.
    """

    id: Label
    value_cents: Cents
    cost_cents: Cents
    redemption_rate: Annotated[float, Field(ge=0, le=1)]
    channel: Label


class Cap(Parameters):
    """At most so many decisions in a window.

    Attributes:
        count: How many.
        window: The kind of window: rolling, from the instant of a decision back.
        window_days: Its length in days of 24 hours; a decision exactly so long ago has left it.
        counts: What counts: decided, which is delivered offers and ghosts alike.
        scope: Whose decisions count: those of the programme.
    """

    count: Annotated[int, Field(ge=1, le=LARGEST_CAP)]
    window: Literal["rolling"]
    window_days: Days
    counts: Literal["decided"]
    scope: Literal["programme"] = "programme"


class LimitRules(Parameters):
    """The limits of a programme.

    Attributes:
        cap: A cap, or none.
        cooldown_days: Least days of 24 hours between two decisions for a customer, or none.
    """

    cap: Cap | None = None
    cooldown_days: Days | None = None

    @model_validator(mode="after")
    def _cap_can_bind(self) -> Self:
        if self.cap is None or self.cooldown_days is None:
            return self
        possible = -(-self.cap.window_days // self.cooldown_days) - 1
        if self.cap.count > possible:
            raise ValueError(
                f"has a cap that can never bind: with cooldown_days {self.cooldown_days} at most "
                f"{possible} earlier decisions lie in window_days {self.cap.window_days}, "
                f"and cap.count is {self.cap.count}"
            )
        return self


class Experiment(Parameters):
    """The hold-out: who is the control.

    Attributes:
        unit: What is assigned: customers, each for good.
        holdout_share: Share of the control, a whole number of ten-thousandths.
        salt: Names the assignment; the same salt gives the same control.
    """

    unit: Literal["customer"]
    holdout_share: Annotated[float, Field(ge=0, lt=1)]
    salt: Label

    @model_validator(mode="after")
    def _whole_buckets(self) -> Self:
        if (Fraction(str(self.holdout_share)) * BUCKETS).denominator != 1:
            raise ValueError("must have a holdout_share of at most four decimals, such as 0.1")
        return self

    @property
    def holdout_end(self) -> int:
        """Buckets 0 up to, not including, this one are the control."""
        return int(Fraction(str(self.holdout_share)) * BUCKETS)


class Programme(Parameters):
    """One programme: who gets which offer, when, how often, and who is held out.

    Attributes:
        name: Its name in every log; lower case.
        stage: The stage of the lifecycle that it serves.
        kind: Targeting: an offer goes out.
        trigger: What makes it consider a customer.
        audience: A condition that must be true; not known is no. None: everyone.
        suppress: Conditions that must all be false; one not known suppresses.
        offers: The offer.
        limits: How often.
        experiment: Who is held out.

    >>> text = '''
    ... name: fifth_purchase
    ... stage: engagement
    ... kind: targeting
    ... trigger: {event: purchase, when: purchase_number = 5}
    ... offers: [{id: five, value_cents: 300, cost_cents: 100, redemption_rate: 0.1, channel: app}]
    ... limits: {cap: {count: 1, window: rolling, window_days: 0, counts: decided}}
    ... experiment: {unit: customer, holdout_share: 0.1, salt: fifth}
    ... '''
    >>> Programme.from_yaml(text, source="fifth.yaml")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: fifth.yaml: limits.cap.window_days was 0, must be greater than or equal to 1
    >>> Programme.from_yaml(text.replace("window_days: 0", "window_days: 30"), source="fifth.yaml").name
    'fifth_purchase'
    """

    name: Name
    stage: Literal["acquisition", "activation", "engagement", "retention", "win-back", "service"]
    kind: Literal["targeting"]
    trigger: Trigger
    audience: str | None = None
    suppress: tuple[str, ...] = ()
    offers: Annotated[tuple[Offer, ...], Field(min_length=1, max_length=1)]
    limits: LimitRules
    experiment: Experiment

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, source: str) -> Self:
        """Check values against the model, and the conditions against the columns.

        Raises:
            ParameterError: A key, a value or a condition breaks its rule.
        """
        programme = super().from_mapping(values, source=source)
        checked_conditions(programme, source=source)
        return programme

    @property
    def offer(self) -> Offer:
        """The one offer."""
        return self.offers[0]


def checked_conditions(
    programme: Programme, *, source: str
) -> tuple[
    conditions.Condition | None, conditions.Condition | None, tuple[conditions.Condition, ...]
]:
    """Return the checked conditions: trigger, audience, suppressions.

    Raises:
        ParameterError: A condition is not on the allow-list or names an unknown column.
    """

    def check(text: str | None, key: str) -> conditions.Condition | None:
        return text if text is None else conditions.check(text, COLUMNS, where=f"{source}: {key}")

    suppressions = (
        check(text, f"suppress.{place}") for place, text in enumerate(programme.suppress)
    )
    return (
        check(programme.trigger.when, "trigger.when"),
        check(programme.audience, "audience"),
        tuple(each for each in suppressions if each is not None),
    )
