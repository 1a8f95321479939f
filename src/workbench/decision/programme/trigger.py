"""What makes a programme consider a customer: an event, or a pattern of events. Owns no evaluation.

At most one pattern stands beside the event. Every window is half-open and measured between the
``ts`` of events; a ``within`` includes its end (B exactly at the deadline is in time).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workbench.decision.durations import Duration, TimeOfDay
from workbench.decision.programme.types import (
    LARGEST_COUNT,
    ConditionText,
    Days,
    Label,
    Weekday,
)
from workbench.params import Parameters

PatternName = Literal["event", "then", "unless", "nth", "silence", "first", "every"]
PATTERNS: tuple[PatternName, ...] = ("then", "unless", "nth", "silence", "first", "every")


class Then(Parameters):
    """A then B: fires at the first B at most ``within`` after the latest A, which is used up.

    Attributes:
        event: Event type of B.
        when: A condition on B; none: every such event.
        within: The longest time from A to B.
    """

    event: Label
    when: ConditionText | None = None
    within: Duration


class Unless(Then):
    """A and then no B: fires at ``within`` after A, unless a B with a ``ts`` up to then is known.

    Attributes:
        rearm: Whether a later A moves the deadline.
    """

    rearm: bool = True


class Nth(Parameters):
    """The n-th A: fires at each A that is the n-th within the last ``within``, itself counted.

    Attributes:
        n: How many; after firing the count starts again.
        within: The window; an A exactly so long ago has left it.
    """

    n: Annotated[int, Field(ge=2, le=LARGEST_COUNT)]
    within: Duration


class First(Parameters):
    """The first days: fires at each A less than ``days`` x 24 hours after the person's first event.

    Attributes:
        days: How many days of 24 hours.
        after: Event type of the first event; it counts itself when it is an A.
    """

    days: Days
    after: Label


class Every(Parameters):
    """A broadcast: each person known so far, at an instant of the calendar.

    Attributes:
        weekday: On which day of the week; none: every day.
        at: When, on the person's clock. A time that the clock skips is the instant of the skip;
            of a time that it shows twice the first counts.
    """

    weekday: Weekday | None = None
    at: TimeOfDay


class Trigger(Parameters):
    """What makes the programme consider a customer.

    Attributes:
        event: Event type A of the log; a broadcast has none.
        when: A condition on A, its context and the features; none: every such event.
        then: A then B.
        unless: A then no B.
        nth: The n-th A.
        silence: No A for so long: fires so long after the latest A, once.
        first: A in the first days.
        every: The calendar of a broadcast.
        collect_for: How long candidates wait to be decided as one set.
    """

    event: Label | None = None
    when: ConditionText | None = None
    then: Then | None = None
    unless: Unless | None = None
    nth: Nth | None = None
    silence: Duration | None = None
    first: First | None = None
    every: Every | None = None
    collect_for: Duration | None = None

    @model_validator(mode="after")
    def _one_pattern(self) -> Self:
        named = [name for name in PATTERNS if getattr(self, name) is not None]
        if len(named) > 1:
            raise ValueError(f"has {len(named)} patterns, {' and '.join(named)}; at most one fits")
        if self.every is None and self.event is None:
            raise ValueError("has no event; name the event type that triggers")
        if self.every is not None and (self.event or self.when):
            raise ValueError(
                "has every and an event or a condition; a broadcast has none, use the audience"
            )
        if self.collect_for is not None and self.pattern in ("unless", "silence", "every"):
            raise ValueError(
                f"has collect_for with {self.pattern}, which waits already; leave one out"
            )
        return self

    @property
    def pattern(self) -> PatternName:
        """Which pattern there is; ``event`` when every A fires."""
        return next((name for name in PATTERNS if getattr(self, name) is not None), "event")

    @property
    def second(self) -> Then | None:
        """B of ``then`` or ``unless``."""
        return self.then or self.unless

    @property
    def fires_at(self) -> str | None:
        """Event type at which the programme fires; none when a timer or the calendar fires it."""
        match self.pattern:
            case "then":
                return self.then.event if self.then else None
            case "unless" | "silence" | "every":
                return None
        return self.event

    @property
    def event_types(self) -> tuple[str, ...]:
        """Every event type that the trigger reads, A first."""
        after = self.first.after if self.first else None
        second = self.second.event if self.second else None
        return tuple(dict.fromkeys(name for name in (self.event, second, after) if name))
