"""Checked SQL expressions over named columns. Owns no column list and reads no file.

A condition comes from a file that a person wrote. It is checked when it is loaded: size, an
allow-list of constructs, known columns, types. Nothing else reaches an engine, and nothing in it
can run code, open a file, read a clock or draw a number.

Allowed: AND, OR, NOT; ``= <> < <= > >=``, BETWEEN, IN with literals, IS [NOT] NULL, TRUE or
FALSE, LIKE with a literal; ``+ - * / %`` and a minus sign; CASE WHEN; COALESCE, ABS, ROUND,
LEAST, GREATEST, LOWER, UPPER; numbers, ``'text'``, TRUE, FALSE, NULL; columns.

Meaning:

- three-valued: a comparison with NULL is NULL, and AND, OR and NOT follow SQL;
- numbers are 64-bit floats, exact for whole numbers up to 2**53; integers divide as floats;
- what is not finite is NULL: NaN, an infinity, ``n / 0``, ``n % 0``, an overflow;
- ``%`` has the sign of its left side; ROUND goes half away from zero; LEAST and GREATEST pass
  over NULL; text is compared by code point; nothing is converted from one type to another,
  except that a literal text beside an instant is read as an ISO 8601 instant with an offset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import polars as pl

from workbench.conditions.certain import outcomes
from workbench.conditions.compiled import DTYPES, expression_of
from workbench.conditions.nodes import ColumnType, Constant, Node, Value, columns_in, columns_of
from workbench.conditions.plain import value_of
from workbench.conditions.syntax import FUNCTIONS, parse
from workbench.errors import ParameterError, did_you_mean, problem
from workbench.params import digest_of

__all__ = [
    "FUNCTIONS",
    "ColumnType",
    "Condition",
    "Expression",
    "check",
    "check_expression",
    "column_types",
]


@dataclass(frozen=True)
class Expression:
    """A checked expression of one type.

    Attributes:
        text: The expression as it was written.
        type: The type of its value.
        columns: The names of the columns that it reads.
        node: Its checked parts.
    """

    text: str
    type: ColumnType
    columns: frozenset[str]
    node: Node

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the checked parts: blanks and spelling of keywords do not count."""
        return digest_of(repr(self.node))

    def expression(self) -> pl.Expr:
        """Return the value as a Polars expression, one value a row.

        Its type is Float64, String, Boolean or Datetime("us", "UTC"). An expression without a
        column is repeated for each row.
        """
        if self.columns:
            return expression_of(self.node)
        return pl.repeat(value_of(self.node, {}), pl.len(), dtype=DTYPES[self.type])

    def value(self, row: Mapping[str, object]) -> Value:
        """Return the value for one row in plain Python; ``None`` is NULL.

        Raises:
            InputError: The row lacks a column, or a value is not of the column's type.
        """
        return value_of(self.node, row)

    def require(self, schema: Mapping[str, pl.DataType], *, where: str) -> Self:
        """Return itself if a frame with that schema has the columns, each of its type.

        Raises:
            ParameterError: A column is missing or of another type.
        """
        for name in sorted(self.columns):
            if name not in schema:
                hint = did_you_mean(name, schema)
                raise ParameterError(
                    problem("column of the condition", name, "is not there", where=where, hint=hint)
                )
        empty = pl.DataFrame(schema={name: schema[name] for name in self.columns})
        found = column_types(empty.schema)
        wanted = {column.name: column.type for column in columns_in(self.node)}
        for name in sorted(self.columns):
            if found.get(name) != wanted[name]:
                rule = f"must be {wanted[name]}"
                raise ParameterError(
                    problem(f"column {name!r}", str(empty.schema[name]), rule, where=where)
                )
        dtype = empty.select(self.expression()).dtypes[0]
        if dtype != DTYPES[self.type]:
            rule = f"must give {DTYPES[self.type]}, gives {dtype}"
            raise ParameterError(problem("expression", self.text, rule, where=where))
        return self


class Condition(Expression):
    """A checked expression that is true, false or NULL.

    >>> rule = check("visits > 2 AND city = 'Oslo'", {"visits": "number", "city": "text"}, where="x")
    >>> rule.evaluate({"visits": 3, "city": "Oslo"}), rule.evaluate({"visits": 3, "city": None})
    (True, None)
    """

    def evaluate(self, row: Mapping[str, object]) -> bool | None:
        """Return whether the condition holds for one row; ``None`` is NULL.

        Raises:
            InputError: The row lacks a column, or a value is not of the column's type.
        """
        truth = value_of(self.node, row)
        return None if truth is None else bool(truth)


def check(text: str, columns: Mapping[str, ColumnType], *, where: str) -> Condition:
    """Check a condition.

    Args:
        text: An SQL expression that gives TRUE, FALSE or NULL.
        columns: The columns that it may read, with their types.
        where: The file and key that it came from, named in every error.

    Raises:
        ParameterError: The text breaks a rule, or is certain to be true for no row or for every
            row and is not written as FALSE or TRUE. The error names part, rule and place.

    >>> check("visits > 2", {"visits": "number"}, where="offer.yaml: audience").columns
    frozenset({'visits'})
    >>> check("visit > 2", {"visits": "number"}, where="offer.yaml: audience")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: condition part was 'visit', is not a known column (offer.yaml: audience) — did you mean 'visits'?
    """
    node = parse(text, columns, where=where)
    if node.type != "boolean":
        kind = "always NULL" if node.type == "null" else f"a {node.type}"
        raise ParameterError(
            problem("condition", text, f"must be true or false, is {kind}", where=where)
        )
    possible = outcomes(node)
    plain = isinstance(node, Constant)
    if True not in possible and not plain:
        rule = "is never true, whatever the row; write FALSE if that is meant"
        raise ParameterError(problem("condition", text, rule, where=where))
    if possible == {True} and not plain:
        rule = "is always true, whatever the row; write TRUE if that is meant"
        raise ParameterError(problem("condition", text, rule, where=where))
    return Condition(text=text.strip(), type="boolean", columns=columns_of(node), node=node)


def check_expression(text: str, columns: Mapping[str, ColumnType], *, where: str) -> Expression:
    """Check an expression of any type; ``.type`` says which.

    Raises:
        ParameterError: The text breaks a rule, or its value is always NULL.

    >>> check_expression("price * 100", {"price": "number"}, where="mapping.yaml").type
    'number'
    """
    node = parse(text, columns, where=where)
    if node.type == "null":
        raise ParameterError(problem("expression", text, "is always NULL", where=where))
    return Expression(text=text.strip(), type=node.type, columns=columns_of(node), node=node)


def column_types(schema: Mapping[str, pl.DataType]) -> dict[str, ColumnType]:
    """Return the columns of a frame that conditions can read, with their types.

    Numbers, text (categories too), booleans and instants can be read; other columns are left
    out, so that a condition that names one says it is not known.

    >>> column_types({"n": pl.Int64(), "s": pl.String(), "l": pl.List(pl.Int64)})
    {'n': 'number', 's': 'text'}
    """
    found: dict[str, ColumnType] = {}
    for name, dtype in schema.items():
        kind = _type_of(dtype)
        if kind is not None:
            found[name] = kind
    return found


def _type_of(dtype: pl.DataType) -> ColumnType | None:
    if dtype.is_numeric():
        return "number"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "text"
    if isinstance(dtype, pl.Boolean):
        return "boolean"
    return "instant" if isinstance(dtype, pl.Datetime | pl.Date) else None
