"""What an event means to programmes: roles, and the answers of their conditions, as touches.

Owns the way from conditions to the ``T_`` columns, in columns and for one event. No loop over a log
and no limit.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from workbench.conditions import Condition
from workbench.decision.context import CALENDAR_COLUMNS, LOCAL_TIME_COLUMNS
from workbench.decision.desk import AFTER, ANCHOR, SECOND
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Conditions, Programme
from workbench.errors import ParameterError
from workbench.records import NO, UNKNOWN, YES

_TOGETHER = 50  # programmes whose conditions are evaluated in one go: bounds memory
_MOST_WORDS = 62
ANSWERS = ("audience", "suppress", "yes", "null", "level", "words")


@dataclass(frozen=True)
class Role:
    """What events of one type are to a programme.

    Attributes:
        position: Position of the programme.
        programme: The programme.
        type: The event type; empty for the calendar.
        role: ``ANCHOR``, ``SECOND`` or ``AFTER``.
        when: The condition on the event, or none.
        conditions: All conditions of the programme.
        answers: Whether a decision may come of it, so that all conditions are evaluated.
        shift_us: How long after the event it comes: local time is that of the deadline.
    """

    position: int
    programme: Programme
    type: str
    role: int
    when: Condition | None
    conditions: Conditions
    answers: bool
    shift_us: int = 0

    @property
    def inner(self) -> frozenset[str]:
        """Names that the conditions beside ``when`` read."""
        if not self.answers:
            return frozenset()
        known = self.conditions
        words = [each for of_offer in known.variants for each in of_offer]
        several = (known.audience, *known.suppress, *known.offers, *words)
        others = (*several, *known.context, *known.cells)
        return frozenset(name for each in others if each is not None for name in each.columns)

    @property
    def columns(self) -> frozenset[str]:
        """Names that its conditions read."""
        own = self.when.columns if self.when is not None else frozenset()
        return frozenset(own) | self.inner

    @cached_property
    def asked(self) -> pl.Expr:
        """The answer of its own condition on the event."""
        return _answer(self.when, YES).alias("when")

    @cached_property
    def beside(self) -> list[pl.Expr]:
        """The answers of the conditions beside it; those that are the same for all rows are left out."""
        return _inner(self)

    @property
    def moves(self) -> bool:
        """Whether local time at the deadline is another one than at the event."""
        local = set(LOCAL_TIME_COLUMNS) | set(CALENDAR_COLUMNS)
        return self.shift_us != 0 and bool(local & self.inner)


def roles_of(programmes: ProgrammeSet) -> tuple[Role, ...]:
    """Return the roles of all programmes, in the order in which one event is taken.

    Raises:
        ParameterError: A programme has more variants with conditions than fit.
    """
    calendars = sum(each.kind == "broadcast" for each in programmes)
    if calendars > _MOST_WORDS:
        raise ParameterError(f"more than {_MOST_WORDS} broadcasts are not supported yet")
    found = []
    for p, (programme, known) in enumerate(zip(programmes, programmes.conditions, strict=True)):
        if sum(len(offer.variants) for offer in programme.offers) > _MOST_WORDS:
            raise ParameterError(
                f"{programme.name}: more than {_MOST_WORDS} variants are not supported yet"
            )
        trigger = programme.trigger
        make = functools.partial(Role, p, programme, conditions=known)
        match trigger.pattern:
            case "every":
                found.append(make("", ANCHOR, None, answers=True))
            case "then":
                second = trigger.then.event if trigger.then else ""
                found.append(make(second, SECOND, known.second, answers=True))
                found.append(make(trigger.event or "", ANCHOR, known.when, answers=False))
            case "unless":
                rule = trigger.unless
                span = int(rule.within) if rule else 0
                found.append(make(rule.event if rule else "", SECOND, known.second, answers=False))
                found.append(
                    make(trigger.event or "", ANCHOR, known.when, answers=True, shift_us=span)
                )
            case "silence":
                span = int(trigger.silence or 0)
                found.append(
                    make(trigger.event or "", ANCHOR, known.when, answers=True, shift_us=span)
                )
            case _:
                if trigger.first is not None:
                    found.append(make(trigger.first.after, AFTER, None, answers=False))
                found.append(make(trigger.event or "", ANCHOR, known.when, answers=True))
    return tuple(found)


def touched(
    events: pl.DataFrame,
    roles: Sequence[Role],
    moved: Callable[[Role, pl.Series], pl.DataFrame],
) -> tuple[list[tuple[Role, pl.DataFrame]], dict[int, int]]:
    """Evaluate conditions over events of one type.

    Args:
        events: One row an event, with ``row`` and every column that the conditions name.
        roles: What these events are to programmes.
        moved: Gives for a role and rows the same columns with local time at the deadline.

    Returns:
        For each role the rows that it touches, with the answers, and by programme the number of
        events whose trigger condition is not known.
    """
    found: list[tuple[Role, pl.DataFrame]] = []
    unknown: dict[int, int] = {}
    for start in range(0, len(roles), _TOGETHER):
        chunk = roles[start : start + _TOGETHER]
        queries = []
        for role in chunk:
            rows = events.lazy().with_columns(role.asked)
            rows = rows.filter(pl.col("when") != NO)
            inner = role.beside if role.answers and not role.moves else []
            queries.append(rows.select("row", "when", *inner))
        for role, answers in zip(chunk, pl.collect_all(queries), strict=True):
            if role.role == ANCHOR:
                unknown[role.position] = int((answers["when"] == UNKNOWN).sum())
            sure = answers.filter(pl.col("when") == YES).drop("when")
            if role.moves:
                sure = moved(role, sure["row"]).select("row", *role.beside)
            found.append((role, sure))
    return found, unknown


def _inner(role: Role) -> list[pl.Expr]:
    """Return the answers beside ``when`` that are not the same for all rows."""
    known, found = role.conditions, []
    if known.audience is not None:
        found.append(_coded(known.audience.expression()).alias("audience"))
    if known.suppress:
        several = (each.expression() for each in known.suppress)
        found.append(_coded(functools.reduce(operator.or_, several)).alias("suppress"))
    if any(each is not None for each in known.offers):
        found.append(_bits(known.offers, YES).alias("yes"))
        found.append(_bits(known.offers, UNKNOWN).alias("null"))
    words = tuple(each for of_offer in known.variants for each in of_offer)
    if any(each is not None for each in words):
        found.append(_bits(words, YES).alias("words"))
    if known.context:
        found.append(_bits(known.context, YES).alias("level"))
    if known.cells:
        cell: Any = pl.when(_answer(known.cells[0], NO) == YES).then(pl.lit(1, dtype=pl.Int64))
        for k, each in enumerate(known.cells[1:], start=2):
            cell = cell.when(_answer(each, NO) == YES).then(pl.lit(k, dtype=pl.Int64))
        found.append(cell.otherwise(pl.lit(0, dtype=pl.Int64)).alias("level"))
    return found


def constants_of(role: Role) -> dict[str, int]:
    """Return the answers where there is no condition: everybody, all offers, no context."""
    offers = max(len(role.programme.offers), 1)
    words = sum(len(offer.variants) for offer in role.programme.offers)
    return {
        "audience": YES,
        "suppress": NO,
        "yes": (1 << offers) - 1,
        "null": 0,
        "level": 0,
        "words": (1 << words) - 1,
    }


def touched_by_one(
    values: Mapping[str, Any], roles: Sequence[Role], moved: Callable[[Role], Mapping[str, Any]]
) -> list[tuple[Role, dict[str, int]]]:
    """Evaluate conditions over one event, plainly: what it touches, with the answers.

    Args:
        values: The value of every name that the conditions read.
        roles: What events of this type are to programmes.
        moved: Gives for a role the values with local time at the deadline.
    """
    found = []
    for role in roles:
        if role.when is not None and role.when.evaluate(values) is not True:
            continue
        answers = constants_of(role)
        if role.answers:
            _fill(answers, role.conditions, moved(role) if role.moves else values)
        found.append((role, answers))
    return found


def _fill(answers: dict[str, int], known: Conditions, values: Mapping[str, Any]) -> None:
    if known.audience is not None:
        answers["audience"] = _code(known.audience.evaluate(values))
    if known.suppress:
        several = [_code(each.evaluate(values)) for each in known.suppress]
        answers["suppress"] = YES if YES in several else UNKNOWN if UNKNOWN in several else NO
    if any(each is not None for each in known.offers):
        codes = [YES if each is None else _code(each.evaluate(values)) for each in known.offers]
        answers["yes"] = sum(1 << j for j, code in enumerate(codes) if code == YES)
        answers["null"] = sum(1 << j for j, code in enumerate(codes) if code == UNKNOWN)
    words = [each for of_offer in known.variants for each in of_offer]
    if any(each is not None for each in words):
        answers["words"] = sum(
            1 << j for j, each in enumerate(words) if each is None or each.evaluate(values) is True
        )
    for j, each in enumerate(known.context):
        answers["level"] |= (1 << j) if each.evaluate(values) is True else 0
    for k, each in enumerate(known.cells, start=1):
        if each.evaluate(values) is True:
            answers["level"] = k
            break


def _code(answer: bool | None) -> int:
    return UNKNOWN if answer is None else YES if answer else NO


def _answer(condition: Condition | None, otherwise: int) -> pl.Expr:
    if condition is None:
        return pl.lit(otherwise, dtype=pl.Int8)
    return _coded(condition.expression())


def _bits(conditions: Sequence[Condition | None], wanted: int) -> pl.Expr:
    """Return a whole number with a bit for each condition whose answer is the wanted one."""
    several = [
        (_answer(each, YES) == wanted).cast(pl.Int64) * (1 << j)
        for j, each in enumerate(conditions)
    ]
    return functools.reduce(operator.add, several)


def _coded(answer: pl.Expr) -> pl.Expr:
    """Return a three-valued answer as a code, null as ``UNKNOWN``."""
    return answer.cast(pl.Int8).fill_null(UNKNOWN)
