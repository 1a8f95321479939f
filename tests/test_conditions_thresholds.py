"""Conditions written back, and the nearest literal or value that turns a comparison."""

from __future__ import annotations

import pytest

from workbench.conditions import check
from workbench.conditions.thresholds import turned
from workbench.conditions.written import text_of

COLUMNS = {"a": "number", "b": "text", "c": "boolean", "d": "instant", "e f": "number"}


@pytest.mark.parametrize(
    "text",
    [
        "a >= 10 AND b = 'it''s'",
        "a BETWEEN 1 AND 5 AND c",
        "NOT (a < -3 OR c IS TRUE)",
        "b IN ('q', 'r') AND a IN (1, -2)",
        "COALESCE(a, 0) > 0.8",
        "ROUND(a * 2.5, 2) <> 0.0000001",
        "CASE WHEN a > 1 THEN c ELSE FALSE END",
        "d > '2024-01-31T00:00:00+02:00' AND b LIKE '%x_'",
        "b NOT LIKE 'k' AND \"e f\" % 2 = -(-1)",
        "a - -5 > -a AND b IS NOT NULL",
        "LEAST(a, 3) - (a - 2) > 0 OR a - 2 - 1 = 3",
    ],
)
def test_a_condition_written_back_is_read_as_the_same(text):
    node = check(text, COLUMNS, where="x").node
    assert check(text_of(node), COLUMNS, where="x").node == node


@pytest.mark.parametrize(
    ("text", "row", "texts", "values"),
    [
        ("a >= 10", {"a": 7}, ["a >= 7"], [("a", 10)]),
        ("a > 10", {"a": 7}, ["a > 6"], [("a", 11)]),
        ("a < 10", {"a": 12}, ["a < 13"], [("a", 9)]),
        ("a <= 10", {"a": 12}, ["a <= 12"], [("a", 10)]),
        ("10 <= a", {"a": 7}, ["7 <= a"], [("a", 10)]),
        ("NOT (a > 10)", {"a": 12}, ["NOT (a > 12)"], [("a", 10)]),
        ("a = 10", {"a": 7}, ["a = 7"], [("a", 10)]),
        ("a <> 10", {"a": 10}, ["a <> 11"], [("a", 11)]),
        ("b = 'x'", {"b": "y"}, ["b = 'y'"], [("b", "x")]),
        ("a >= 10", {"a": None}, [], [("a", 10), ("a", 9)]),
        ("COALESCE(a, 0) > 0.8", {"a": 0.5}, ["COALESCE(a, 0) > 0"], []),
        ("a IN (5, 10)", {"a": 7}, ["a IN (5, 10, 7)"], [("a", 5)]),
        ("b IN ('x', 'y')", {"b": "x"}, ["b IN ('y')"], []),
        ("b IN ('x')", {"b": "x"}, [], []),
    ],
)
def test_the_nearest_literal_and_the_nearest_value_turn_a_comparison(text, row, texts, values):
    rule = check(text, COLUMNS, where="x")
    found = list(turned(rule.node, row))
    assert [text_of(each.put(each.literal)) for each in found if each.literal] == texts
    assert [(each.column, each.value) for each in found if each.column] == values
    before = rule.evaluate(row)
    for each in found:
        other = row if each.column is None else {**row, each.column: each.value}
        whole = rule.node if each.literal is None else each.put(each.literal)
        after = check(text_of(whole), COLUMNS, where="x").evaluate(other)
        assert after is not None
        assert after is not before
