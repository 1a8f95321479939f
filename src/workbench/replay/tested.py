"""One test on the path of an offer, with what was seen and the limit. Compares nothing."""

from __future__ import annotations

from dataclasses import dataclass

from workbench import text
from workbench.conditions import Condition
from workbench.records import DAY_US, OUTRANKED, WAITING
from workbench.replay.context import Values


@dataclass(frozen=True)
class Test:
    """One test on the path of an offer.

    Attributes:
        stage: The stage of the funnel.
        test: What is compared, as the programme file writes it.
        value: What was seen.
        limit: What it was held against.
        passed: Whether it let the offer through; none: it was not reached and says nothing.
        reason: Code of the refusal; 0 when it passed.
        key: Path of the key that says so, or empty.
        reached: Whether the core came by it.
        free_us: From when on it would pass, when only time has to go by; none: not so.
        span_us: The time that the limit is about, for telling how long a wait is.
        condition: The condition, where it is one.
        values: What the condition read.
        meter: The meter, where it is one; -1: none.
        account: The budget, where it is one; -1: none.
    """

    stage: str
    test: str
    value: str
    limit: str
    passed: bool | None
    reason: int = 0
    key: str = ""
    reached: bool = True
    free_us: int | None = None
    span_us: int = DAY_US
    condition: Condition | None = None
    values: Values | None = None
    meter: int = -1
    account: int = -1

    @property
    def timeless(self) -> bool:
        """Whether nothing that was decided before changes it: a condition, the arm, a consent."""
        return self.meter < 0 and self.account < 0 and self.reason not in (WAITING, OUTRANKED)


def elapsed(us: int) -> str:
    """Return a length of time for a reader: days from two on.

    >>> elapsed(90_000_000), elapsed(5 * DAY_US)
    ('1 min 30 s', '5.0 days')
    """
    return text.days(us / DAY_US, 1) if abs(us) >= 2 * DAY_US else text.duration(us / 1_000_000)
