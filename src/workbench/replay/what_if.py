"""One decision without an offer, asked again with one thing changed. Owns no search and no rule.

A change counts when the core, run over the person's whole history with it, gives the decision an
offer. It holds for this person: closings of budgets that are shared stay as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from workbench.decision.written import Value, changed
from workbench.errors import ParameterError
from workbench.records import AWARDED, GLOBAL_HOLDOUT, HELD_OUT, QUEUED
from workbench.replay.moment import Candidate, Moment
from workbench.replay.one_person import THROUGH, OnePerson, Target
from workbench.replay.tested import Test

Kind = Literal["limit", "threshold", "value", "time", "consent", "budget"]

_VERBS = {
    AWARDED: "the points would have been awarded",
    HELD_OUT: "it would have been held back as a ghost of the control",
    GLOBAL_HOLDOUT: "it would have been held back as a ghost of the global hold-out",
    QUEUED: "it would have waited for the end of the quiet hours",
}
_SENT = "it would have been sent"


@dataclass(frozen=True)
class Change:
    """One change with which the decision would have had an offer.

    Attributes:
        programme: Name of the programme.
        kind: What is changed: a limit or a threshold of the programme file (``key`` is a path for
            ``changed``), a value or the time of the event, a consent, or a budget.
        key: What is changed.
        was: What it was.
        would_be: The nearest to it that lets the offer through.
        size: How large the change is, relative to what it was: small ones first.
        said: What would have happened then.
        sentence: The change for a reader, without a capital and a full stop.
    """

    programme: str
    kind: Kind
    key: str
    was: object
    would_be: object
    size: float
    said: str
    sentence: str


@dataclass(frozen=True, eq=False)
class Question:
    """A decision without an offer, and what refused its offers.

    Attributes:
        person: The person's run.
        target: The decision.
        paths: By action, the tests that decided it; of one that was not triggered, its trigger's.
        moment: The decision set; none when nothing was triggered.
        candidate: The row of the set; none when nothing was triggered.
    """

    person: OnePerson
    target: Target
    paths: Mapping[int, tuple[Test, ...]]
    moment: Moment | None = None
    candidate: Candidate | None = None
    _asked: dict[tuple[str, Value], OnePerson | None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the programme."""
        return self.person.job.programmes[self.target.programme].name

    def refusals(self) -> tuple[Test, ...]:
        """Return the tests that refuse, each once; those that one change cannot mend are left out.

        What nothing decided before can change (a condition, a consent) stays in the way of any
        other change, unless another offer of the programme passes it.
        """
        found: dict[tuple[str, int, int], Test] = {}
        for tests in self.paths.values():
            failed = [each for each in tests if each.passed is False]
            fixed = [each for each in failed if each.timeless]
            conditions = all(each.condition is not None for each in fixed)
            for each in failed:
                alone = fixed in ([], [each])
                if alone or (conditions and each.condition is not None):
                    found.setdefault((each.key, each.meter, each.account), each)
        return tuple(found.values())

    def under(self, key: str, value: Value) -> OnePerson | None:
        """Return the person's run with one key changed; none where the change breaks a rule."""
        if (key, value) not in self._asked:
            try:
                programmes = changed(self.person.job.programmes, {key: value})
            except ParameterError:
                self._asked[key, value] = None
            else:
                self._asked[key, value] = self.person.under(programmes)
        return self._asked[key, value]

    def passes(self, run: OnePerson | None) -> bool:
        """Say whether a run gives the decision an offer."""
        return run is not None and run.reason_of(self.target) in THROUGH

    def change(
        self,
        kind: Kind,
        key: str,
        was: object,
        would_be: object,
        *,
        run: OnePerson,
        size: float,
        had: str,
        target: Target | None = None,
    ) -> Change:
        """Return a change that was found; ``had`` says it behind "had"."""
        said = _VERBS.get(run.reason_of(target or self.target), _SENT)
        return Change(self.name, kind, key, was, would_be, size, said, f"{said} had {had}")


@dataclass(frozen=True, eq=False)
class Asked:
    """A programme as it stands in an explanation.

    Attributes:
        programme: Its position.
        candidate: Its row of the decision set; none when it was not triggered.
        paths: By action the tests.
        question: What to ask about it; none when it has an offer, or is told by the way.
    """

    programme: int
    candidate: Candidate | None
    paths: Mapping[int, tuple[Test, ...]]
    question: Question | None


def least(works: Callable[[int], bool], low: int, high: int) -> int | None:
    """Return a number above ``low`` that works while the one below it does not; none: up to ``high``.

    >>> least(lambda n: n >= 37, 10, 1000)
    37
    """
    step = 1
    while not works(min(low + step, high)):
        if low + step >= high:
            return None
        step *= 2
    return edge(works, low + step // 2, min(low + step, high))


def edge(works: Callable[[int], bool], low: int, high: int) -> int:
    """Return a number that works while the one below it does not.

    Args:
        works: Whether a number does.
        low: One that does not.
        high: One that does.

    >>> edge(lambda n: n >= 37, 10, 1000)
    37
    """
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high
