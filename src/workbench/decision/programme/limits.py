"""How often: caps, cooldown, concurrency, re-entry, rejections. Owns no state and no comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import ValidationInfo, model_validator

from workbench.decision.durations import DAY_US, HOUR_US, Duration
from workbench.decision.programme.types import Count, Name, Period
from workbench.params import Parameters

Counts = Literal["decided", "delivered", "viewed", "redeemed", "rejected"]
Scope = Literal["offer", "programme", "channel", "everything"]
RESPONSES: frozenset[Counts] = frozenset(("viewed", "redeemed", "rejected"))
"""Counts that only a customer who got the offer can raise; they differ by arm by nature."""

WHAT_IF: Mapping[str, bool] = {"limits_may_idle": True}
"""The context of a what-if: a limit may stand that can never bind, which a file must not have."""

_LONGEST_PERIOD_US: dict[Period, int] = {
    "day": DAY_US + HOUR_US,
    "week": 7 * DAY_US + HOUR_US,
    "month": 31 * DAY_US + HOUR_US,
}


class Cap(Parameters):
    """At most so many in a window.

    Attributes:
        count: How many.
        window: A rolling window from the candidate's instant back; what lies exactly so long ago
            has left it.
        calendar: A calendar period instead: the day, the week from Monday, the month.
        zone: Whose calendar: the customer's or UTC's.
        counts: What counts. ``decided`` and ``delivered`` come to the same: ghosts count as
            deliveries, and what is queued holds its slot.
        scope: Whose decisions count: of the offer, the programme, the offer's channel, all.
        name: What the candidate table calls it; none: made from the other keys.
    """

    count: Count
    window: Duration | None = None
    calendar: Period | None = None
    zone: Literal["local", "utc"] = "local"
    counts: Counts = "decided"
    scope: Scope = "programme"
    name: Name | None = None

    @model_validator(mode="after")
    def _one_window(self) -> Self:
        if (self.window is None) == (self.calendar is None):
            raise ValueError("must have exactly one of window ('7 days') and calendar (week)")
        if self.window is not None and "zone" in self.model_fields_set:
            raise ValueError("has a zone with a rolling window, which needs none; leave it out")
        return self

    @property
    def label(self) -> str:
        """The name, or one made from the other keys.

        >>> Cap.from_mapping({"count": 2, "window": "7 days"}, source="x").label
        '2 decided in 7 days (programme)'
        """
        if self.name is not None:
            return self.name
        span = f"in {self.window}" if self.window is not None else f"a {self.calendar} {self.zone}"
        return f"{self.count} {self.counts} {span} ({self.scope})"

    @property
    def longest_us(self) -> int:
        """The longest that its window can be, microseconds."""
        if self.calendar is not None:
            return _LONGEST_PERIOD_US[self.calendar]
        return int(self.window or 0)


class AfterRejections(Parameters):
    """After so many rejections no offer of the programme for a while.

    Attributes:
        count: How many rejections.
        within: The window that they lie in, half-open.
        hold: How long nothing goes out, from the last of them.
    """

    count: Count
    within: Duration
    hold: Duration


class Limits(Parameters):
    """The limits of a programme; all that are named hold together.

    Attributes:
        caps: Caps, checked in their order.
        cooldown: Least time between two decisions for a customer; over exactly so long after.
        concurrency: Most offers of the programme that are open at one time.
        once: Whether one decision is the last: no re-entry.
        after_rejections: The hold after rejections.
        bypass: Names of house caps that do not apply; ``quiet_hours``: those of the house.
        count_towards: Whether its decisions take slots of caps that are not its own.
    """

    caps: tuple[Cap, ...] = ()
    cooldown: Duration | None = None
    concurrency: Count | None = None
    once: bool = False
    after_rejections: AfterRejections | None = None
    bypass: tuple[Name, ...] = ()
    count_towards: bool = True

    @property
    def reads_responses(self) -> tuple[str, ...]:
        """Limits that count what customers answer."""
        caps = [f"caps.{k}" for k, cap in enumerate(self.caps) if cap.counts in RESPONSES]
        return (*caps, *(("after_rejections",) if self.after_rejections else ()))

    @model_validator(mode="after")
    def _every_limit_can_bind(self, info: ValidationInfo) -> Self:
        if may_idle(info):
            return self
        if self.once and self.cooldown is not None:
            raise ValueError("has a cooldown that can never bind: once allows no second decision")
        for place, cap in enumerate(self.caps):
            self._can_bind(place, cap)
        return self

    @model_validator(mode="after")
    def _every_cap_is_named_once(self) -> Self:
        labels = [cap.label for cap in self.caps]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"has the cap {label!r} twice")
        return self

    def _can_bind(self, place: int, cap: Cap) -> None:
        own = cap.scope in ("offer", "programme") and cap.counts in ("decided", "delivered")
        if own and self.once:
            raise ValueError(
                f"has a cap that can never bind: once allows no second decision (caps.{place})"
            )
        if own and self.cooldown is not None:
            possible = -(-cap.longest_us // self.cooldown) - 1
            if cap.count > possible:
                raise ValueError(
                    f"has a cap that can never bind: with cooldown {self.cooldown} at most "
                    f"{possible} earlier decisions lie in its window, and its count is "
                    f"{cap.count} (caps.{place})"
                )
        for other_place, other in enumerate(self.caps):
            if other is not cap and _binds_first(other, cap):
                raise ValueError(
                    f"has a cap that can never bind: caps.{other_place} always binds before it "
                    f"(caps.{place})"
                )


def may_idle(info: ValidationInfo) -> bool:
    """Say whether a limit may stand that can never bind."""
    return bool((info.context or {}).get("limits_may_idle"))


def _binds_first(other: Cap, cap: Cap) -> bool:
    """Say whether a cap is always reached when another one is."""
    if (other.scope, other.counts) != (cap.scope, cap.counts):
        return False
    if other.window is None or cap.window is None:
        same = (other.calendar, other.zone) == (cap.calendar, cap.zone)
        return other.window is None and cap.window is None and same and other.count < cap.count
    wider = other.window >= cap.window and other.count <= cap.count
    return wider and (other.window, other.count) != (cap.window, cap.count)
