"""What a checked expression is made of: frozen, typed nodes. Owns no parsing and no evaluation.

A node carries the type of its value. Nothing here can name a function, a file or a table that
is not listed in this module, so whatever runs a node runs nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ColumnType = Literal["number", "text", "boolean", "instant"]
ValueType = Literal["number", "text", "boolean", "instant", "null"]
Value = float | str | bool | datetime | None

Comparison = Literal["=", "<>", "<", "<=", ">", ">="]
Operator = Literal["+", "-", "*", "/", "%"]
OPPOSITE: dict[Comparison, Comparison] = {
    "=": "<>",
    "<>": "=",
    "<": ">=",
    "<=": ">",
    ">": "<=",
    ">=": "<",
}
"""The comparison that holds where another one does not, of values that are known."""

MIRRORED: dict[Comparison, Comparison] = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""The same comparison with its sides changed over; those left out are their own."""

Function = Literal["COALESCE", "ABS", "ROUND", "LEAST", "GREATEST", "LOWER", "UPPER"]


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal: a number, a text, TRUE, FALSE, NULL or an instant."""

    value: Value
    type: ValueType


@dataclass(frozen=True, slots=True)
class Column:
    """The value of a named column."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Logic:
    """AND or OR of two or more parts, three-valued."""

    word: Literal["AND", "OR"]
    parts: tuple[Node, ...]
    type: ValueType = "boolean"


@dataclass(frozen=True, slots=True)
class Not:
    """NOT of a part, three-valued."""

    part: Node
    type: ValueType = "boolean"


@dataclass(frozen=True, slots=True)
class Compare:
    """A comparison of two values of one type."""

    sign: Comparison
    left: Node
    right: Node
    type: ValueType = "boolean"


@dataclass(frozen=True, slots=True)
class Among:
    """A value IN a list of literals."""

    part: Node
    choices: tuple[Constant, ...]
    type: ValueType = "boolean"


@dataclass(frozen=True, slots=True)
class IsNull:
    """A value IS NULL; itself never null."""

    part: Node
    type: ValueType = "boolean"


@dataclass(frozen=True, slots=True)
class IsTruth:
    """A boolean IS TRUE or IS FALSE; itself never null."""

    part: Node
    truth: bool
    type: ValueType = "boolean"


@dataclass(frozen=True, slots=True)
class Like:
    """A text LIKE a literal pattern, where ``%`` is any text and ``_`` any one character."""

    part: Node
    pattern: str
    type: ValueType = "boolean"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two numbers and an operator; a result that is not finite is NULL."""

    operator: Operator
    left: Node
    right: Node
    type: ValueType = "number"


@dataclass(frozen=True, slots=True)
class Negative:
    """A number with its sign turned."""

    part: Node
    type: ValueType = "number"


@dataclass(frozen=True, slots=True)
class Call:
    """One of the few functions, with its arguments; ROUND keeps its digits apart."""

    function: Function
    arguments: tuple[Node, ...]
    type: ValueType
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Case:
    """The value behind the first condition that is true, else the last value."""

    branches: tuple[tuple[Node, Node], ...]
    otherwise: Node
    type: ValueType


Node = (
    Constant
    | Column
    | Logic
    | Not
    | Compare
    | Among
    | IsNull
    | IsTruth
    | Like
    | Arithmetic
    | Negative
    | Call
    | Case
)


def children(node: Node) -> tuple[Node, ...]:
    """Return the parts of a node, from left to right."""
    match node:
        case Constant() | Column():
            return ()
        case Logic(parts=parts) | Call(arguments=parts):
            return parts
        case Compare(left=left, right=right) | Arithmetic(left=left, right=right):
            return (left, right)
        case Among(part=part, choices=choices):
            return (part, *choices)
        case Case(branches=branches, otherwise=otherwise):
            return (*(part for branch in branches for part in branch), otherwise)
        case _:
            return (node.part,)


def columns_of(node: Node) -> frozenset[str]:
    """Return the names of the columns that a node reads.

    >>> sorted(columns_of(Compare("<", Column("a", "number"), Column("b", "number"))))
    ['a', 'b']
    """
    return frozenset(column.name for column in columns_in(node))


def columns_in(node: Node) -> Iterator[Column]:
    """Yield the columns that a node reads, as often as it reads them."""
    return (each for each in _walk(node) if isinstance(each, Column))


def _walk(node: Node) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(children(each))
