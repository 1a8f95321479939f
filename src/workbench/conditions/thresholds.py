"""Comparisons inside a condition, and the nearest value that turns one. Evaluates no condition.

A strict comparison with a number moves to the next whole number; text can only become equal; a list
loses or gains the one value that was seen. Whether a turned comparison turns the whole condition is
for whoever evaluates it to find out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from workbench.conditions.nodes import (
    MIRRORED,
    OPPOSITE,
    Among,
    Arithmetic,
    Call,
    Case,
    Column,
    Compare,
    Comparison,
    Constant,
    IsTruth,
    Logic,
    Node,
    Not,
)
from workbench.conditions.plain import value_of

Comparing = Compare | Among


class Turned(NamedTuple):
    """A comparison that a nearer literal, or else another value of a column, turns.

    Attributes:
        comparison: The comparison.
        put: Gives the whole condition with another comparison in its place.
        literal: The comparison with the nearest literal that turns it, or none.
        column: Otherwise, a column that stands alone on one side of it.
        value: The nearest value of that column that turns it.
    """

    comparison: Comparing
    put: Callable[[Node], Node]
    literal: Comparing | None
    column: str | None
    value: float | str | None


def turned(condition: Node, row: Mapping[str, object]) -> Iterator[Turned]:
    """Give for every comparison of a condition what would turn it for one row.

    One that is not known is turned both ways.

    >>> from workbench.conditions import check
    >>> rule = check("n >= 10 AND NOT n < m", {"n": "number", "m": "number"}, where="x")
    >>> [each.literal.right.value if each.literal else (each.column, each.value)
    ...  for each in turned(rule.node, {"n": 7, "m": 3})]
    [7.0, ('n', 10.0), ('n', 2), ('m', 8)]
    """
    for comparison, put in _comparisons(condition):
        if isinstance(comparison, Among):
            yield from _listed(comparison, put, row)
            continue
        holds = value_of(comparison, row)
        left, right = comparison.left, comparison.right
        mirrored = MIRRORED.get(comparison.sign, comparison.sign)
        for wanted in (True, False) if holds is None else (not holds,):
            literal = _with_literal(comparison, row, wanted=wanted)
            if literal is not None:
                yield Turned(comparison, put, literal, None, None)
            for mine, other, sign in ((left, right, comparison.sign), (right, left, mirrored)):
                value = nearest(value_of(other, row), sign, wanted=wanted)
                if isinstance(mine, Column) and value is not None:
                    yield Turned(comparison, put, None, mine.name, value)


def _listed(
    comparison: Among, put: Callable[[Node], Node], row: Mapping[str, object]
) -> Iterator[Turned]:
    """Give a list without the value that was seen, or with it, or the nearest value of the list."""
    seen, choices = value_of(comparison.part, row), comparison.choices
    if seen is None:
        return
    kept = tuple(each for each in choices if each.value != seen)
    if len(kept) == len(choices):
        kept = (*choices, Constant(seen, comparison.part.type))
        numbers = [each.value for each in choices if isinstance(each.value, float)]
        if isinstance(comparison.part, Column) and isinstance(seen, int | float) and numbers:
            near = min(numbers, key=lambda number: (abs(number - seen), number))
            yield Turned(comparison, put, None, comparison.part.name, near)
    if kept:
        fresh = dataclasses.replace(comparison, choices=kept)
        yield Turned(comparison, put, fresh, None, None)


def nearest(fixed: object, sign: Comparison, *, wanted: bool) -> float | str | None:
    """Return the value nearest to a fixed one for which a comparison with it is as wanted.

    Args:
        fixed: What stands on the right side; none: not known.
        sign: The comparison.
        wanted: Whether it must hold.

    >>> nearest(300, "<", wanted=True), nearest(300, "<", wanted=False), nearest("app", "=", wanted=True)
    (299, 300, 'app')
    """
    sign = sign if wanted else OPPOSITE[sign]
    if isinstance(fixed, str):
        return fixed if sign == "=" else None
    if isinstance(fixed, bool) or not isinstance(fixed, int | float):
        return None
    match sign:
        case "<":
            return math.ceil(fixed) - 1
        case ">" | "<>":
            return math.floor(fixed) + 1
    return fixed


def _with_literal(
    comparison: Compare, row: Mapping[str, object], *, wanted: bool
) -> Compare | None:
    """Return a comparison with its literal as near to what is seen as turns it."""
    left, right = comparison.left, comparison.right
    if isinstance(left, Constant) == isinstance(right, Constant):
        return None
    if isinstance(right, Constant):
        sign = MIRRORED.get(comparison.sign, comparison.sign)
        value = nearest(value_of(left, row), sign, wanted=wanted)
        fresh = Constant(value, right.type)
        return None if value is None else dataclasses.replace(comparison, right=fresh)
    value = nearest(value_of(right, row), comparison.sign, wanted=wanted)
    fresh = Constant(value, left.type)
    return None if value is None else dataclasses.replace(comparison, left=fresh)


def _comparisons(node: Node) -> Iterator[tuple[Comparing, Callable[[Node], Node]]]:
    """Give every comparison with what puts another one in its place."""
    if isinstance(node, Compare | Among):
        yield node, lambda new: new
    for name, place, part in _parts(node):
        for found, put in _comparisons(part):

            def whole(
                new: Node,
                put: Callable[[Node], Node] = put,
                name: str = name,
                place: int | None = place,
            ) -> Node:
                held = put(new)
                if place is not None:
                    several = list(getattr(node, name))
                    several[place] = held
                    return dataclasses.replace(node, **{name: tuple(several)})  # type: ignore[arg-type]  # the name of a field of this node
                return dataclasses.replace(node, **{name: held})  # type: ignore[arg-type]  # same

            yield found, whole


def _parts(node: Node) -> Iterator[tuple[str, int | None, Node]]:
    """Give the parts in which a comparison may stand, with their places."""
    match node:
        case Logic():
            yield from (("parts", k, part) for k, part in enumerate(node.parts))
        case Not() | IsTruth():
            yield "part", None, node.part
        case Call():
            yield from (("arguments", k, part) for k, part in enumerate(node.arguments))
        case Compare() | Arithmetic():
            yield "left", None, node.left
            yield "right", None, node.right
        case Case():
            yield "otherwise", None, node.otherwise
