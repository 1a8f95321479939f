"""Checked nodes as the text of a condition again. Owns no meaning and no check.

Reading the text gives the same nodes, so a condition of which one literal was changed can be put
back into a programme file.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import assert_never

from workbench.conditions.nodes import (
    Among,
    Arithmetic,
    Call,
    Case,
    Column,
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

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE | re.ASCII)


def literal(value: Value) -> str:
    """Return a value as a condition writes it.

    >>> literal(1000.0), literal(0.25), literal("it's"), literal(True), literal(None)
    ('1000', '0.25', "'it''s'", 'TRUE', 'NULL')
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime):
        return f"'{value.isoformat()}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    number = float(value)
    return str(int(number)) if number.is_integer() else format(Decimal(repr(number)), "f")


def text_of(node: Node) -> str:  # noqa: C901, PLR0911, PLR0912 - one case for each kind of node
    """Return the text of nodes.

    >>> text_of(Logic("AND", (Compare("<", Column("a", "number"), Constant(3.0, "number")),
    ...                       Not(IsNull(Column("b", "text"))))))
    'a < 3 AND NOT (b IS NULL)'
    """
    match node:
        case Constant():
            return literal(node.value)
        case Column():
            plain = _PLAIN_NAME.fullmatch(node.name)
            return node.name if plain else '"' + node.name.replace('"', '""') + '"'
        case Logic():
            inner = (Compare, Among, IsNull, IsTruth, Like, Not)
            return f" {node.word} ".join(
                text_of(part) if isinstance(part, inner) else _part(part) for part in node.parts
            )
        case Not():
            return f"NOT {_part(node.part)}"
        case Compare():
            return f"{_side(node.left)} {node.sign} {_side(node.right)}"
        case Among():
            return f"{_part(node.part)} IN ({', '.join(map(text_of, node.choices))})"
        case IsNull():
            return f"{_part(node.part)} IS NULL"
        case IsTruth():
            return f"{_part(node.part)} IS {str(node.truth).upper()}"
        case Like():
            return f"{_part(node.part)} LIKE {literal(node.pattern)}"
        case Arithmetic():
            return f"{_part(node.left)} {node.operator} {_part(node.right)}"
        case Negative():
            return f"-{_part(node.part)}"
        case Call():
            digits = [str(node.digits)] if node.digits else []
            return f"{node.function}({', '.join([*map(text_of, node.arguments), *digits])})"
        case Case():
            whens = [f"WHEN {text_of(when)} THEN {text_of(then)}" for when, then in node.branches]
            return f"CASE {' '.join(whens)} ELSE {text_of(node.otherwise)} END"
    assert_never(node)


def _side(node: Node) -> str:
    """Return the text of one side of a comparison: arithmetic binds closer and needs no brackets."""
    return text_of(node) if isinstance(node, Constant | Arithmetic | Negative) else _part(node)


def _part(node: Node) -> str:
    """Return the text of a part, in brackets where it is not one word already."""
    negative = isinstance(node, Constant) and isinstance(node.value, float) and node.value < 0
    if isinstance(node, Constant | Column | Call) and not negative:
        return text_of(node)
    return f"({text_of(node)})"
