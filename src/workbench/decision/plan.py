"""A programme made ready: its checked conditions and what they read. Owns no loop over a log."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from workbench.conditions import Condition
from workbench.decision.features import FEATURE_NAMES
from workbench.decision.programme import Programme
from workbench.errors import ParameterError, did_you_mean, problem
from workbench.records import NO, UNKNOWN, YES

_TOGETHER = 50  # programmes whose conditions are evaluated in one go: bounds memory


@dataclass(frozen=True)
class Plan:
    """One programme with its conditions.

    Attributes:
        position: Its place among the programmes of a replay.
        programme: The programme.
        when: Condition of the trigger, or none.
        audience: Condition of the audience, or none.
        suppress: Conditions of the suppressions.
    """

    position: int
    programme: Programme
    when: Condition | None
    audience: Condition | None
    suppress: tuple[Condition, ...]

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All conditions that there are."""
        single = tuple(each for each in (self.when, self.audience) if each is not None)
        return single + self.suppress

    @property
    def columns(self) -> frozenset[str]:
        """Names that the conditions read."""
        return frozenset(name for each in self.conditions for name in each.columns)


def plans_of(programmes: Sequence[Programme]) -> tuple[Plan, ...]:
    """Make programmes ready, in their order.

    Raises:
        ParameterError: There is none, or two have one name or one salt for different hold-outs.
    """
    if not programmes:
        raise ParameterError("no programme was given; name at least one")
    names: set[str] = set()
    for programme in programmes:
        if programme.name in names:
            raise ParameterError(
                problem("programme name", programme.name, "must be unique among the programmes")
            )
        names.add(programme.name)
    return tuple(
        Plan(position, each, found.when, found.audience, found.suppress)
        for position, each in enumerate(programmes)
        for found in (each.conditions(),)
    )


def idle_reasons(
    plan: Plan, types: Mapping[str, int], columns: frozenset[str], source_event: str
) -> tuple[str, ...]:
    """Say what a programme needs and a log does not have; nothing when it has all.

    Args:
        plan: The programme.
        types: Event types of the log and how often each occurs.
        columns: Columns of the event that the log has.
        source_event: Event type that the features are about.
    """
    wanted = plan.programme.trigger.event
    found = []
    if not types.get(wanted):
        found.append(f"no `{wanted}` in this log{did_you_mean(wanted, types)}")
    if plan.columns & set(FEATURE_NAMES) and not types.get(source_event):
        names = ", ".join(f"`{name}`" for name in sorted(plan.columns & set(FEATURE_NAMES)))
        found.append(f"no `{source_event}` in this log, from which {names} would come")
    known_elsewhere = set(FEATURE_NAMES)
    found.extend(
        f"no `{name}` in this log" for name in sorted(plan.columns - columns - known_elsewhere)
    )
    return tuple(found)


def triggered(events: pl.DataFrame, plans: Sequence[Plan]) -> tuple[pl.DataFrame, dict[int, int]]:
    """Evaluate conditions over events of one type.

    Args:
        events: One row an event, with ``row`` and every column that the conditions name.
        plans: Programmes that this event type triggers.

    Returns:
        One row for each programme that an event triggers (``row``, ``programme``, ``audience``,
        ``suppress``), and by programme the number of events whose trigger condition is not known.
    """
    found: list[pl.DataFrame] = []
    unknown: dict[int, int] = {}
    for start in range(0, len(plans), _TOGETHER):
        chunk = plans[start : start + _TOGETHER]
        queries = [
            events.lazy()
            .with_columns(when=_answer(plan.when, otherwise=YES))
            .filter(pl.col("when") != NO)
            .select(
                "row",
                "when",
                programme=pl.lit(plan.position, dtype=pl.Int32),
                audience=_answer(plan.audience, otherwise=YES),
                suppress=_any(plan.suppress),
            )
            for plan in chunk
        ]
        for plan, answers in zip(chunk, pl.collect_all(queries), strict=True):
            unknown[plan.position] = int((answers["when"] == UNKNOWN).sum())
            found.append(answers.filter(pl.col("when") == YES).drop("when"))
    return pl.concat(found), unknown


def triggered_by_one(
    values: Mapping[str, Any], plans: Sequence[Plan]
) -> list[tuple[Plan, int, int]]:
    """Evaluate conditions over one event, plainly: plan, audience and suppression of each trigger.

    Args:
        values: The value of every name that the conditions read.
        plans: Programmes that the type of this event triggers.
    """
    found = []
    for plan in plans:
        if plan.when is not None and plan.when.evaluate(values) is not True:
            continue
        audience = YES if plan.audience is None else _code(plan.audience.evaluate(values))
        answers = [_code(each.evaluate(values)) for each in plan.suppress]
        suppress = YES if YES in answers else UNKNOWN if UNKNOWN in answers else NO
        found.append((plan, audience, suppress))
    return found


def _code(answer: bool | None) -> int:
    return UNKNOWN if answer is None else YES if answer else NO


def _answer(condition: Condition | None, *, otherwise: int) -> pl.Expr:
    if condition is None:
        return pl.lit(otherwise, dtype=pl.Int8)
    return _coded(condition.expression())


def _any(conditions: Sequence[Condition]) -> pl.Expr:
    if not conditions:
        return pl.lit(NO, dtype=pl.Int8)
    return _coded(functools.reduce(operator.or_, (each.expression() for each in conditions)))


def _coded(answer: pl.Expr) -> pl.Expr:
    """Return a three-valued answer as a code, null as ``UNKNOWN``."""
    return answer.cast(pl.Int8).fill_null(UNKNOWN)
