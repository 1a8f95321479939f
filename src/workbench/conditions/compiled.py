"""A checked expression as a Polars expression. Owns no parsing; the meaning is in ``plain``.

The walk is our own: no text reaches Polars' SQL, which opens files that a subquery names.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping
from typing import Any, assert_never

import polars as pl

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
    columns_of,
)
from workbench.conditions.plain import like_pattern, value_of

INSTANT = pl.Datetime("us", "UTC")
DTYPES: Mapping[ColumnType, pl.DataType] = {
    "number": pl.Float64(),
    "text": pl.String(),
    "boolean": pl.Boolean(),
    "instant": INSTANT,
}
_COMPARISONS: Mapping[str, Callable[[Any, Any], pl.Expr]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_HALF = 0.5


def expression_of(  # noqa: C901, PLR0911, PLR0912 - one case for each kind of node
    node: Node,
) -> pl.Expr:
    """Return a node as a Polars expression of Float64, String, Boolean or Datetime in UTC."""
    if not columns_of(node):
        return pl.lit(value_of(node, {}), dtype=_dtype(node))
    match node:
        case Constant():
            return pl.lit(node.value, dtype=_dtype(node))
        case Column():
            return _column(node)
        case Logic():
            parts = [expression_of(part) for part in node.parts]
            return _balanced(operator.or_ if node.word == "OR" else operator.and_, parts)
        case Not():
            return ~expression_of(node.part)
        case Compare():
            return _COMPARISONS[node.sign](expression_of(node.left), expression_of(node.right))
        case Among():
            values: list[Any] = [choice.value for choice in node.choices]
            if node.part.type == "boolean":
                same = [expression_of(node.part) == value for value in values]
                return _balanced(operator.or_, same)
            choices = pl.Series(values, dtype=_dtype(node.part)).implode()
            return expression_of(node.part).is_in(choices)
        case IsNull():
            return expression_of(node.part).is_null()
        case IsTruth():
            part = expression_of(node.part)
            return (part if node.truth else ~part).fill_null(value=False)
        case Like():
            pattern = f"(?s)^{like_pattern(node.pattern)}$"
            return expression_of(node.part).str.contains(pattern, literal=False)
        case Arithmetic():
            return _arithmetic(node)
        case Negative():
            return -expression_of(node.part)
        case Call():
            return _call(node, [expression_of(each) for each in node.arguments])
        case Case():
            return _case(node)
    assert_never(node)


def _dtype(node: Node) -> pl.DataType:
    return pl.Null() if node.type == "null" else DTYPES[node.type]


def _column(node: Column) -> pl.Expr:
    column = pl.col(node.name).cast(DTYPES[node.type])
    return _finite(column) if node.type == "number" else column


def _let(formula: pl.Expr, **values: pl.Expr) -> pl.Expr:
    """Return a formula over fields, each computed once (a repeated part doubles at each level)."""
    held = pl.struct(value.alias(name) for name, value in values.items())
    return held.struct.with_fields(formula.alias("result")).struct.field("result")


def _finite(number: pl.Expr) -> pl.Expr:
    """Return a number with NULL for what is not finite."""
    x = pl.field("x")
    return _let(pl.when(x.is_finite()).then(x), x=number)


def _truncated(x: pl.Expr) -> pl.Expr:
    return pl.when(x < 0).then(x.ceil()).otherwise(x.floor())


def _divided(a: pl.Expr, b: pl.Expr) -> pl.Expr:
    """Return a quotient rounded once: beside a bare literal Polars multiplies by its reciprocal."""
    return _let(pl.field("x") / pl.field("y"), x=a, y=b)


def _balanced(join: Callable[[pl.Expr, pl.Expr], pl.Expr], parts: list[pl.Expr]) -> pl.Expr:
    """Join parts as a tree whose depth is the logarithm of their number."""
    while len(parts) > 1:
        pairs = [parts[at : at + 2] for at in range(0, len(parts), 2)]
        parts = [functools.reduce(join, pair) for pair in pairs]
    return parts[0]


def _arithmetic(node: Arithmetic) -> pl.Expr:
    a, b = expression_of(node.left), expression_of(node.right)
    match node.operator:
        case "+":
            return _finite(a + b)
        case "-":
            return _finite(a - b)
        case "*":
            return _finite(a * b)
        case "/":
            return _finite(_divided(a, b))
        case "%":
            x, y = pl.field("x"), pl.field("y")
            return _finite(_let(x - y * _truncated(x / y), x=a, y=b))


def _call(  # noqa: PLR0911 - one case for each function
    node: Call, arguments: list[pl.Expr]
) -> pl.Expr:
    first = arguments[0]
    match node.function:
        case "COALESCE":
            return _every_row(pl.coalesce(arguments), node)
        case "LEAST":
            return pl.min_horizontal(arguments)
        case "GREATEST":
            return pl.max_horizontal(arguments)
        case "ABS":
            return first.abs()
        case "ROUND":
            return _rounded(first, node.digits)
        case "LOWER":
            return first.str.to_lowercase()
        case "UPPER":
            return first.str.to_uppercase()
    assert_never(node.function)


def _rounded(number: pl.Expr, digits: int) -> pl.Expr:
    """Return a number rounded half away from zero; digits are decimal places."""
    x, whole = pl.field("x"), pl.field("whole")
    away = pl.when((x - whole).abs() >= _HALF).then(x.sign()).otherwise(0.0)
    scaled = number * 10.0**digits
    with_whole = _let(pl.struct(x, _truncated(x).alias("whole")), x=scaled)
    rounded = with_whole.struct.with_fields((whole + away).alias("whole")).struct.field("whole")
    return _finite(_divided(rounded, pl.lit(10.0**digits)))


def _case(node: Case) -> pl.Expr:
    result = expression_of(node.otherwise)
    for when, then in reversed(node.branches):
        result = pl.when(expression_of(when)).then(expression_of(then)).otherwise(result)
    return _every_row(result, node)


def _every_row(chosen: pl.Expr, node: Node) -> pl.Expr:
    """Return one value a row: Polars keeps a single one where each row chose the same literal."""
    rows = pl.col(min(columns_of(node)))
    return _let(pl.field("chosen"), chosen=chosen, rows=rows)
