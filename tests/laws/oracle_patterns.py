"""Triggers and their patterns in words: which event is an A, which a B, and when a programme fires.

Each pattern of a programme and person is one small object that remembers what it must. `see`
takes an event that became known and returns the instants (`ts`) of occurrences at that event;
`deadline` is the timer that is set, if any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from workbench.records import DAY_US, Event

Holds = Callable[[str | None, dict[str, Any]], bool | None]


@dataclass
class Seen:
    """An event with what conditions read of it."""

    event: Event
    values: dict[str, Any]
    zone: str | None


@dataclass
class Deadline:
    """A timer: it fires behind every event that is known at `due` or before."""

    due: int
    ts: int
    anchor: Seen


@dataclass
class Pattern:
    """Base: the programme fires at every A."""

    trigger: Any
    holds: Holds
    deadline: Deadline | None = None

    def is_a(self, seen: Seen) -> bool:
        return seen.event.type == self.trigger.event and (
            self.holds(self.trigger.when, seen.values) is True
        )

    def is_b(self, seen: Seen, second: Any) -> bool:
        return seen.event.type == second.event and self.holds(second.when, seen.values) is True

    def see(self, seen: Seen) -> bool:
        """Return whether the programme fires at this event."""
        return self.is_a(seen)

    def fired(self) -> None:
        """The timer has fired."""
        self.deadline = None

    def arm(self, seen: Seen, length: int) -> None:
        ts = seen.event.ts_us + length
        self.deadline = Deadline(max(ts, seen.event.known_at_us), ts, seen)


@dataclass
class Then(Pattern):
    """A then B within T: at the first B after the latest A, which is then used up."""

    latest: Seen | None = None

    def see(self, seen: Seen) -> bool:
        fires = False
        if self.latest is not None and self.is_b(seen, self.trigger.then):
            start = self.latest.event.ts_us
            fires = start <= seen.event.ts_us <= start + self.trigger.then.within
            if fires:
                self.latest = None
        if self.is_a(seen) and (self.latest is None or seen.event.ts_us >= self.latest.event.ts_us):
            self.latest = seen
        return fires


@dataclass
class Unless(Pattern):
    """A then no B within T: at the deadline, unless a B was known in time."""

    def see(self, seen: Seen) -> bool:
        armed, rule = self.deadline, self.trigger.unless
        if (
            armed is not None
            and self.is_b(seen, rule)
            and armed.anchor.event.ts_us <= seen.event.ts_us <= armed.ts
        ):
            self.deadline = armed = None
        if self.is_a(seen) and (
            armed is None or (rule.rearm and seen.event.ts_us >= armed.anchor.event.ts_us)
        ):
            self.arm(seen, rule.within)
        return False


@dataclass
class Nth(Pattern):
    """The n-th A within the last T, itself counted; then the count starts again."""

    instants: list[int] = field(default_factory=list)

    def see(self, seen: Seen) -> bool:
        if not self.is_a(seen):
            return False
        self.instants.append(seen.event.ts_us)
        within = [at for at in self.instants if at > seen.event.ts_us - self.trigger.nth.within]
        if len(within) < self.trigger.nth.n:
            return False
        self.instants = []
        return True


@dataclass
class Silence(Pattern):
    """No A for T since the latest one."""

    latest: int | None = None

    def see(self, seen: Seen) -> bool:
        if self.is_a(seen) and (self.latest is None or seen.event.ts_us >= self.latest):
            self.latest = seen.event.ts_us
            self.arm(seen, self.trigger.silence)
        return False


@dataclass
class First(Pattern):
    """Each A within so many days from the first event of another kind."""

    first: int | None = None

    def see(self, seen: Seen) -> bool:
        rule, ts = self.trigger.first, seen.event.ts_us
        if seen.event.type == rule.after and (self.first is None or ts < self.first):
            self.first = ts
        return (
            self.is_a(seen)
            and self.first is not None
            and self.first <= ts < self.first + rule.days * DAY_US
        )


def pattern_of(trigger: Any, holds: Holds) -> Pattern:
    """Return the pattern that a trigger names."""
    for name, kind in (
        ("then", Then),
        ("unless", Unless),
        ("nth", Nth),
        ("silence", Silence),
        ("first", First),
    ):
        if getattr(trigger, name, None) is not None:
            return kind(trigger, holds)
    return Pattern(trigger, holds)
