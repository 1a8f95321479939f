"""The value of a checked expression for one row, in plain Python. Owns no parsing.

This is the meaning of an expression; the compiled columns are held equal to it. Numbers are
64-bit floats. NaN, an infinity, division by zero and overflow are NULL.
"""

from __future__ import annotations

import math
import numbers
import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, assert_never

import numpy as np

from workbench.conditions.nodes import (
    Among,
    Arithmetic,
    Call,
    Case,
    Column,
    ColumnType,
    Compare,
    Constant,
    IsNull,
    IsTruth,
    Like,
    Logic,
    Negative,
    Node,
    Not,
    Value,
)
from workbench.errors import InputError, problem

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_KINDS: Mapping[ColumnType, Callable[[Any], bool]] = {
    "number": lambda value: isinstance(value, numbers.Real) and not isinstance(value, bool),
    "text": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool | np.bool_),
    "instant": lambda value: isinstance(value, datetime) and value.tzinfo is not None,
}
_HALF = 0.5


def value_of(  # noqa: C901, PLR0911, PLR0912 - one case for each kind of node
    node: Node, row: Mapping[str, object]
) -> Value:
    """Return the value of a node for a row; ``None`` is NULL.

    Raises:
        InputError: The row lacks a column, or a value is not of the column's type.
    """
    match node:
        case Constant():
            return node.value
        case Column():
            return _read(node, row)
        case Logic():
            return _logic(node, row)
        case Not():
            truth = value_of(node.part, row)
            return None if truth is None else not truth
        case Compare():
            left, right = value_of(node.left, row), value_of(node.right, row)
            if left is None or right is None:
                return None
            return _COMPARISONS[node.sign](left, right)
        case Among():
            value = value_of(node.part, row)
            return None if value is None else any(value == each.value for each in node.choices)
        case IsNull():
            return value_of(node.part, row) is None
        case IsTruth():
            return value_of(node.part, row) is node.truth
        case Like():
            text = value_of(node.part, row)
            if text is None:
                return None
            return re.fullmatch(like_pattern(node.pattern), str(text), re.DOTALL) is not None
        case Arithmetic():
            return _arithmetic(node, row)
        case Negative():
            number = value_of(node.part, row)
            return None if number is None else -_number(number)
        case Call():
            return _call(node, [value_of(each, row) for each in node.arguments])
        case Case():
            for when, then in node.branches:
                if value_of(when, row) is True:
                    return value_of(then, row)
            return value_of(node.otherwise, row)
    assert_never(node)


def like_pattern(pattern: str) -> str:
    r"""Return a LIKE pattern as a regular expression that Python and Polars read alike.

    >>> like_pattern("50%_.")
    '50.*.\\.'
    """
    wild = {"%": ".*", "_": "."}
    return "".join(
        wild.get(letter) or (f"\\{letter}" if letter in r"\.+*?()|[]{}^$#&-~" else letter)
        for letter in pattern
    )


def _read(column: Column, row: Mapping[str, object]) -> Value:
    try:
        value: Any = row[column.name]
    except KeyError:
        raise InputError(f"the row has no column {column.name!r}") from None
    if value is None:
        return None
    if not _KINDS[column.type](value):
        kind = "an instant with a zone" if column.type == "instant" else f"a {column.type}"
        raise InputError(problem(f"column {column.name!r}", value, f"must be {kind}"))
    match column.type:
        case "number":
            return _finite(float(value))
        case "text":
            return str(value)
        case "boolean":
            return bool(value)
        case "instant":
            instant: datetime = value.astimezone(UTC)
            return instant
    assert_never(column.type)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _number(value: Value) -> float:
    assert isinstance(value, float)  # noqa: S101 - the type check of the parser; says so to mypy
    return value


def _logic(node: Logic, row: Mapping[str, object]) -> bool | None:
    decisive = node.word == "OR"
    unknown = False
    for part in node.parts:
        truth = value_of(part, row)
        if truth is decisive:
            return decisive
        unknown = unknown or truth is None
    return None if unknown else not decisive


def _arithmetic(  # noqa: PLR0911 - one case for each operator
    node: Arithmetic, row: Mapping[str, object]
) -> float | None:
    left, right = value_of(node.left, row), value_of(node.right, row)
    if left is None or right is None:
        return None
    a, b = _number(left), _number(right)
    if node.operator in {"/", "%"} and b == 0:
        return None
    match node.operator:
        case "+":
            return _finite(a + b)
        case "-":
            return _finite(a - b)
        case "*":
            return _finite(a * b)
        case "/":
            return _finite(a / b)
        case "%":
            quotient = a / b
            return _finite(a - b * math.trunc(quotient)) if math.isfinite(quotient) else None


def _call(node: Call, values: list[Value]) -> Value:  # noqa: PLR0911 - one case for each function
    there = [value for value in values if value is not None]
    if not there:
        return None
    first = there[0]
    match node.function:
        case "COALESCE":
            return first
        case "LEAST":
            return min(_number(value) for value in there)
        case "GREATEST":
            return max(_number(value) for value in there)
        case "ABS":
            return abs(_number(first))
        case "ROUND":
            return _rounded(_number(first), node.digits)
        case "LOWER":
            return str(first).lower()
        case "UPPER":
            return str(first).upper()
    assert_never(node.function)


def _rounded(number: float, digits: int) -> float | None:
    """Return a number rounded half away from zero; digits are decimal places."""
    scaled = number * 10.0**digits
    if not math.isfinite(scaled):
        return None
    whole = float(math.trunc(scaled))
    if abs(scaled - whole) >= _HALF:
        whole += math.copysign(1.0, scaled)
    return whole / 10.0**digits
