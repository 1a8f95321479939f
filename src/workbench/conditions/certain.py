"""What is certain about a condition before any row is seen. Owns no text and no error.

An outcome that is left out cannot happen for any row; one that is kept may or may not. Parts
without a column are computed, and what AND or OR asks of the same value is intersected:
ranges, equalities, NULL tests.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from workbench.conditions.nodes import (
    MIRRORED,
    OPPOSITE,
    Among,
    Compare,
    Comparison,
    Constant,
    IsNull,
    IsTruth,
    Like,
    Logic,
    Node,
    Not,
    columns_of,
)
from workbench.conditions.plain import value_of

Truth = bool | None
ANY: frozenset[Truth] = frozenset({True, False, None})


@dataclass(frozen=True, slots=True)
class _Fact:
    """What must hold of a value: a comparison with a literal, a choice, or a NULL test."""

    of: Node
    kind: Literal["compare", "among", "null", "not null"]
    sign: Comparison = "="
    values: tuple[Any, ...] = ()


def outcomes(node: Node) -> frozenset[Truth]:
    """Return the outcomes that a condition may have, a superset of those that it has.

    >>> from workbench.conditions.nodes import Column
    >>> n = Column("n", "number")
    >>> more, less = Compare(">", n, Constant(5.0, "number")), Compare("<", n, Constant(3.0, "number"))
    >>> True in outcomes(Logic("AND", (more, less))), True in outcomes(Logic("OR", (more, less)))
    (False, True)
    """
    if not columns_of(node):
        value = value_of(node, {})
        return frozenset({None if value is None else bool(value)})
    match node:
        case Not():
            return frozenset({None if each is None else not each for each in outcomes(node.part)})
        case IsNull():
            return frozenset({True, False})
        case IsTruth():
            return frozenset({each is node.truth for each in outcomes(node.part)})
        case Logic():
            return _joined(node)
        case _:
            return ANY


def _joined(node: Logic) -> frozenset[Truth]:
    """Return the outcomes of AND or OR, without those that its parts rule out together."""
    decisive = node.word == "OR"
    kinds = {outcomes(part) for part in node.parts}
    wanted = not decisive
    if frozenset({decisive}) in kinds:
        return frozenset({decisive})
    found: set[Truth] = {decisive} if any(decisive in kind for kind in kinds) else set()
    if any(None in kind for kind in kinds):
        found.add(None)
    if all(wanted in kind for kind in kinds):
        found.add(wanted)
    facts = itertools.chain.from_iterable(_facts(part, wanted=wanted) for part in node.parts)
    if _contradict(facts):
        found.discard(wanted)
    return frozenset(found)


def _facts(  # noqa: PLR0911 - one case for each kind of node
    node: Node, *, wanted: bool
) -> list[_Fact]:
    """Return what must hold for a part to be true (or false, as wanted); a subset will do."""
    match node:
        case Not():
            return _facts(node.part, wanted=not wanted)
        case Logic() if wanted is (node.word == "AND"):
            parts = (_facts(part, wanted=wanted) for part in node.parts)
            return list(itertools.chain.from_iterable(parts))
        case IsTruth() if wanted:
            return _facts(node.part, wanted=node.truth)
        case IsNull():
            return [_Fact(node.part, "null" if wanted else "not null")]
        case Like():
            return [_Fact(node.part, "not null")]
        case Among():
            values = tuple(choice.value for choice in node.choices)
            if wanted:
                return [_Fact(node.part, "among", values=values)]
            return [_Fact(node.part, "compare", "<>", (value,)) for value in values]
        case Compare():
            return _comparison_facts(node, wanted=wanted)
        case _ if node.type == "boolean" and columns_of(node):
            return [_Fact(node, "compare", "=", (wanted,))]
        case _:
            return []


def _comparison_facts(node: Compare, *, wanted: bool) -> list[_Fact]:
    sign, left, right = node.sign, node.left, node.right
    if isinstance(left, Constant):
        sign, left, right = MIRRORED.get(sign, sign), right, left
    if not wanted:
        sign = OPPOSITE[sign]
    if not isinstance(right, Constant):
        return [_Fact(side, "not null") for side in (left, right)]
    return [_Fact(left, "compare", sign, (right.value,))]


def _contradict(facts: Iterable[_Fact]) -> bool:
    """Say whether facts about one value cannot hold together."""
    by_value: dict[Node, list[_Fact]] = {}
    for fact in facts:
        by_value.setdefault(fact.of, []).append(fact)
    return any(_cannot_hold(each) for each in by_value.values())


def _cannot_hold(facts: Sequence[_Fact]) -> bool:
    kinds = {fact.kind for fact in facts}
    if "null" in kinds:
        return len(kinds) > 1
    chosen = [set(fact.values) for fact in facts if fact.kind == "among"]
    compared = [(fact.sign, fact.values[0]) for fact in facts if fact.kind == "compare"]
    chosen += [{value} for sign, value in compared if sign == "="]
    if chosen:
        left = set.intersection(*chosen)
        return not any(all(_holds(value, *each) for each in compared) for value in left)
    return _empty_range(compared)


def _empty_range(compared: Sequence[tuple[Comparison, Any]]) -> bool:
    """Say whether no value at all lies between the bounds."""
    lows = [(value, sign == ">") for sign, value in compared if sign in {">", ">="}]
    highs = [(value, sign == "<") for sign, value in compared if sign in {"<", "<="}]
    if not lows or not highs:
        return False
    low, above = max(lows)
    high = min(value for value, _ in highs)
    below = any(strict for value, strict in highs if value == high)
    return bool(low > high or (low == high and (above or below)))


def _holds(value: Any, sign: Comparison, bound: Any) -> bool:
    constant = Constant(bound, "null")
    return value_of(Compare(sign, Constant(value, "null"), constant), {}) is True
