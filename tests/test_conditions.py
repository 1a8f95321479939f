"""Checked conditions: what is refused, what is allowed, and that both engines agree."""

from __future__ import annotations

import functools
import itertools
import math
import re
import sys
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import conditions
from workbench.conditions import check, check_expression, column_types, compiled
from workbench.conditions.certain import outcomes
from workbench.conditions.syntax import MAX_CHARACTERS, MAX_NESTING, MAX_TOKENS
from workbench.errors import InputError, ParameterError

COLUMNS: dict[str, conditions.ColumnType] = {
    "n": "number",
    "m": "number",
    "s": "text",
    "t": "text",
    "f": "boolean",
    "g": "boolean",
    "ts": "instant",
    "visits_90d": "number",
    "type": "text",
    "größe": "number",
    "Household Key": "text",
}
WHERE = "programmes/breakfast.yaml: audience"


def refusal(text: str) -> str:
    with pytest.raises(ParameterError) as caught:
        check(text, COLUMNS, where=WHERE)
    assert WHERE in str(caught.value), "an error names the file and the key"
    return str(caught.value)


def truth(text: str, **row: object) -> bool | None:
    """Evaluate in both engines and demand that they agree."""
    condition = check(text, COLUMNS, where=WHERE)
    plain = condition.evaluate(row)
    dtypes = {"number": pl.Float64, "text": pl.String, "boolean": pl.Boolean}
    schema = {name: dtypes.get(COLUMNS[name], compiled.INSTANT) for name in row}
    frame = pl.DataFrame({name: [value] for name, value in row.items()}, schema=schema)
    frame = frame if row else pl.DataFrame({"unused": [0]})
    column = frame.select(condition.expression().alias("truth")).to_series()
    assert column.dtype == pl.Boolean
    assert column.to_list() == [plain]
    return plain


# -- refused: what could run something ---------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT * FROM read_csv('/etc/passwd')", "is not an SQL expression"),
        ("n IN (SELECT n FROM read_csv('/etc/passwd'))", "a subquery"),
        ("n > (SELECT 1)", "is a subquery"),
        ("EXISTS (SELECT 1)", "is a subquery"),
        ("n = ANY (SELECT 1)", "ANY"),
        ("read_csv('/etc/passwd') = 1", "READ_CSV"),
        ("now() > ts", "calls NOW, which is not allowed"),
        ("current_date > ts", "CURRENT_DATE"),
        ("current_timestamp > ts", "CURRENT_TIMESTAMP"),
        ("random() < 0.5", "is not allowed"),
        ("count(*) > 1", "calls COUNT"),
        ("sum(n) OVER () > 1", "is a window"),
        ("getenv('HOME') = s", "calls GETENV"),
        ("n > 1; DROP TABLE t", "';', is not allowed"),
        ("*", "is *, which is not allowed"),
        ("t.n > 1", "a name with a dot"),
        ("n::text = 'a'", "is a cast"),
        ("CAST(n AS text) = 'a'", "is a cast"),
        ("TRY_CAST(n AS text) = 'a'", "is a cast"),
        ("TIMESTAMP '2024-01-01' < ts", "is a cast"),
        ("x -> x", "is not allowed"),
        ("list_filter(n, x -> x > 1) = 1", "is not allowed"),
        ("? = n", "is a placeholder"),
        ("$1 = n", "is a placeholder"),
        (":a = n", "is a placeholder"),
        ("$$x$$ = s", "is not allowed"),
        ("E'a' = s", "is not allowed"),
        ("'a' 'b' = s", "CONCAT"),
        ("n = 1 AS x", "is not an SQL expression"),
        ("n = 1 FROM t", "is not an SQL expression"),
        ("[n] = 1", "is not allowed"),
        ("{'a': n} = 1", "is not allowed"),
        ("n[1] = 1", "is not allowed"),
        ("(n, m) = (1, 2)", "TUPLE"),
        ("s COLLATE nocase = 'x'", "COLLATE"),
        ("s LIKE 'x' ESCAPE '!'", "ESCAPE"),
        ("s ILIKE 'x'", "ILIKE"),
        ("s ~ 'x'", "is not allowed"),
        ("s || 't' = 'x'", "joining of text"),
        ("n ^ 2 > 1", "a power"),
        ("n // 2 > 1", "// (divide with /"),
        ("n & 1 = 1", "is not allowed"),
        ("n BETWEEN SYMMETRIC 1 AND 2", "SYMMETRIC"),
        ("CASE n WHEN 1 THEN f END", "is not allowed"),
        ("IF(f, n, m) = 1", "write CASE WHEN"),
        ("ROUND(n, 2, 1) = 1", "TRUNCATE"),
        ("n IS DISTINCT FROM m", "is not allowed"),
    ],
)
def test_a_construct_off_the_list_is_refused_by_name(text: str, said: str) -> None:
    assert said in refusal(text)


@pytest.mark.parametrize("text", ["n > 1 -- AND f", "n /* x */ > 1", "-- n > 1", "n--1 > 0"])
def test_a_comment_is_refused(text: str) -> None:
    assert "comment" in refusal(text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("а > 1", "U+0430"),  # Cyrillic a
        ("n ＞ 1", "U+FF1E"),
        ("n\u00a0> 1", "U+00A0"),
        ("n > 1\u200b", "U+200B"),
        ("n > ١", "U+0661"),
        ("n > 1\x00", "U+0000"),
        ("größe > 1", "U+00F6"),
    ],
)
def test_a_letter_that_looks_like_another_is_refused_outside_quotes(text: str, code: str) -> None:
    assert code in refusal(text)


def test_quoted_text_and_quoted_names_may_hold_any_letter() -> None:
    assert truth("s = 'größer; -- SELECT'", s="größer; -- SELECT") is True
    assert truth('"größe" > 1', größe=2) is True
    assert truth("\"Household Key\" = 'it''s'", **{"Household Key": "it's"}) is True


@pytest.mark.parametrize("name", ["*", "^n.*$"])
def test_a_column_that_polars_would_expand_is_refused(name: str) -> None:
    with pytest.raises(ParameterError, match="reads as a pattern"):
        check(f'"{name}" > 1', {name: "number"}, where=WHERE)


# -- refused: size -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (" AND ".join(["n > 1"] * 20_000), f"at most {MAX_CHARACTERS} characters"),
        ("(" * 10_000 + "f" + ")" * 10_000, f"at most {MAX_CHARACTERS} characters"),
        ("f" + " OR f" * 600, f"at most {MAX_TOKENS} words"),
        ("(" * 1_000 + "f" + ")" * 1_000, "at most"),
        ("(" * 17 + "f" + ")" * 17, f"nested at most {MAX_NESTING} deep"),
        ("NOT " * 400 + "f", f"nested at most {MAX_NESTING} deep"),
        ("n > " + "- " * 400 + "1", f"nested at most {MAX_NESTING} deep"),
        ("CASE WHEN f THEN " * 17 + "1" + " END" * 17 + " = 1", "nested at most"),
        ("n" + " + 1" * 60 + " > 1", "at most 50 operations deep"),
        ("f" + " = f" * 60, "at most 50 operations deep"),
        ("f = NOT " * 90 + "f", "deep"),
    ],
)
def test_a_text_that_is_too_large_is_refused(text: str, said: str) -> None:
    assert said in refusal(text)


def test_a_long_chain_within_the_bounds_runs() -> None:
    assert truth(" OR ".join(f"n = {k}" for k in range(240)), n=239.0) is True


@pytest.mark.parametrize(
    "text",
    [
        "(" * MAX_NESTING + "f" + ")" * MAX_NESTING,
        "NOT (" * (MAX_NESTING - 1) + "f" + ")" * (MAX_NESTING - 1),
        "abs(" * MAX_NESTING + "n" + ")" * MAX_NESTING + " > 1",
        "CASE WHEN f THEN " * MAX_NESTING + "n" + " END" * MAX_NESTING + " = 1",
        "n" + " + 1" * 45 + " > 1",
        "n" + " % 7" * 45 + " > 1",
        "coalesce(round(" * 8 + "n" + "), 1)" * 8 + " > 1",
    ],
)
def test_the_deepest_that_is_allowed_leaves_room_on_the_stack(text: str) -> None:
    """A notebook and its runner stand some hundred frames deep already."""

    def at_depth(frames: int) -> bool | None:
        return at_depth(frames - 1) if frames else truth(text, **row)

    row: dict[str, object] = {"n": 1.0} if " f" not in text else {"n": 1.0, "f": True}
    if "n" not in text.replace("THEN", "").lower().replace("not", ""):
        row = {"f": True}
    used = len([None for _ in iter(_frames())])
    at_depth(max(sys.getrecursionlimit() // 3 - used, 0))


def _frames():
    frame = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


# -- refused: names, types, numbers ------------------------------------------------------


def test_an_unknown_column_is_answered_with_the_nearest() -> None:
    assert refusal("visits_90 > 1").endswith("— did you mean 'visits_90d'?")
    assert refusal("N > 1").endswith("— did you mean 'n'?")
    assert "known are" in refusal("zzzzzz > 1")


def test_an_unknown_function_is_answered_with_the_nearest() -> None:
    assert refusal("LEST(n, m) > 1").endswith("— did you mean 'LEAST'?")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("n", "must be true or false, is a number"),
        ("NULL", "must be true or false, is always NULL"),
        ("s > 1", "compares a text with a number"),
        ("n = 'NaN'", "compares a number with a text"),
        ("f = 1", "compares a boolean with a number"),
        ("n AND f", "must be a boolean, is a number"),
        ("NOT n", "must be a boolean, is a number"),
        ("s + 1 > 2", "must be a number, is a text"),
        ("-s = 1", "must be a number, is a text"),
        ("n < m < 1", "compares a boolean with a number"),
        ("f < g", "puts booleans in an order"),
        ("LOWER(n) = 'a'", "must be a text, is a number"),
        ("COALESCE(n, 'a') = 1", "values of one type, gives a number and a text"),
        ("CASE WHEN n THEN 1 END = 1", "must be a boolean"),
        ("CASE WHEN f THEN 1 ELSE 'a' END = 1", "values of one type"),
        ("CASE WHEN f THEN NULL END = 1", "only NULL"),
        ("n IN (1, 'a')", "compares a number with a text"),
        ("n IN (m)", "must be a literal"),
        ("n IN ()", "must list its values"),
        ("n IN (1, NULL)", "lists NULL, which is never found"),
        ("n = NULL", "write IS NULL"),
        ("n IS m", "must be IS NULL"),
        ("s LIKE t", "literal text pattern"),
        ("ROUND(n, m) = 1", "literal number of digits"),
        ("ROUND(n, 10) = 1", "literal number of digits"),
        ("ROUND(n, -1) = 1", "literal number of digits"),
        ("ts > '2024-01-01'", "must compare an instant with a text such as"),
        ("ts > 'yesterday'", "must compare an instant with a text such as"),
        ("ts > n", "compares an instant with a number"),
        ("ts + 1 > 2", "must be a number, is an instant"),
        ("n > 1e400", "too large"),
        ("n = 9007199254740993", "more digits than a number holds"),
        ("n = NaN", "is not a known column"),
        ("n < Infinity", "is not a known column"),
        ("n >", "something is missing"),
        ("AND f", "is not an SQL expression"),
        ("n > 1 )", "is not an SQL expression"),
        ("s = 'open", "is not an SQL expression"),
        ("", "must be an SQL expression"),
        (" \n ", "must be an SQL expression"),
    ],
)
def test_a_broken_rule_is_named(text: str, said: str) -> None:
    assert said in refusal(text)


def test_an_expression_that_is_always_null_is_refused() -> None:
    with pytest.raises(ParameterError, match="is always NULL"):
        check_expression("NULL", COLUMNS, where=WHERE)


# -- meaning -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "row", "expected"),
    [
        ("n / m > 0", {"n": 1, "m": 0}, None),
        ("n % m = 0", {"n": 1, "m": 0}, None),
        ("n / 0 > 1 OR n = 1", {"n": 1}, True),
        ("n / m = 0.5", {"n": 1, "m": 2}, True),
        ("n % 3 = -1", {"n": -7}, True),
        ("n % -3 = 1", {"n": 7}, True),
        ("n * 1e308 > 0", {"n": 1e308}, None),
        ("n / 10000 = 0.3263", {"n": 3263}, True),
        ("1 / (1 / n) = 0", {"n": 0}, None),
        ("n > 1", {"n": math.nan}, None),
        ("n < 1", {"n": -math.inf}, None),
        ("n IS NULL", {"n": math.nan}, True),
        ("ROUND(n) = 3", {"n": 2.5}, True),
        ("ROUND(n) = -3", {"n": -2.5}, True),
        ("ROUND(n) = 0", {"n": 0.49999999999999994}, True),
        ("ROUND(n, 2) = 1.13", {"n": 1.125}, True),
        ("LEAST(n, m) = 2", {"n": None, "m": 2}, True),
        ("GREATEST(n, m) = 2", {"n": 1, "m": 2}, True),
        ("COALESCE(n, m, 3) = 3", {"n": None, "m": None}, True),
        ("ABS(n) = 2", {"n": -2}, True),
        ("-n = 2", {"n": -2}, True),
        ("n = -(-2)", {"n": 2}, True),
        ("n IN (-1, 2)", {"n": -1}, True),
        ("n NOT IN (1, 2)", {"n": None}, None),
        ("n BETWEEN 1 AND 2", {"n": 2}, True),
        ("n NOT BETWEEN 1 AND 2", {"n": 2}, False),
        ("s LIKE 'a%'", {"s": "abc"}, True),
        ("s LIKE 'a_c'", {"s": "a\nc"}, True),
        ("s LIKE 'a.c'", {"s": "abc"}, False),
        ("s LIKE '%(x)[y]%'", {"s": "a(x)[y]b"}, True),
        ("s NOT LIKE 'a'", {"s": "a\n"}, True),
        ("s LIKE '_'", {"s": "é"}, True),
        ("LOWER(s) = 'é'", {"s": "É"}, True),
        ("UPPER(s) = 'SS'", {"s": "ß"}, True),
        ("s < t", {"s": "Z", "t": "a"}, True),
        ("f IS TRUE", {"f": None}, False),
        ("f IS NOT TRUE", {"f": None}, True),
        ("f IS FALSE", {"f": False}, True),
        ("NOT f", {"f": None}, None),
        ("f AND g", {"f": False, "g": None}, False),
        ("f OR g", {"f": True, "g": None}, True),
        ("CASE WHEN f THEN n END > 0", {"f": None, "n": 1}, None),
        ("CASE WHEN f THEN n ELSE 2 END > 1", {"f": None, "n": 1}, True),
        ("NOT n = 1", {"n": 2}, True),
        ("n = 1 AND f OR g", {"n": 2, "f": True, "g": True}, True),
        ("ts >= '2024-01-31T01:00:00+01:00'", {"ts": datetime(2024, 1, 31, tzinfo=UTC)}, True),
        (
            "ts BETWEEN '2024-01-01T00:00:00Z' AND '2024-01-02T00:00:00Z'",
            {"ts": datetime(2024, 1, 2, 1, tzinfo=timezone(timedelta(hours=1)))},
            True,
        ),
        ("type = 'purchase'", {"type": "purchase"}, True),
        ("n = 1e3", {"n": 1000}, True),
        ("TRUE", {}, True),
        ("FALSE", {}, False),
    ],
)
def test_meaning_in_both_engines(text: str, row: dict[str, object], expected: object) -> None:
    assert truth(text, **row) is expected


NUMBERS = st.sampled_from(
    [None, -0.0, 0.0, 1.0, 2.0, -1.0, 0.5, 2.5, 49.0, 0.7, math.nan, math.inf, 1e308]
)
TEXTS = st.sampled_from([None, "", "a", "A", "b", "a%", "é", "É"])
BOOLEANS = st.sampled_from([None, True, False])
START = datetime(2024, 1, 1, tzinfo=UTC)
INSTANTS = st.sampled_from([None, START, START + timedelta(microseconds=1), START - timedelta(1)])
ROWS = st.fixed_dictionaries(
    {"n": NUMBERS, "m": NUMBERS, "s": TEXTS, "t": TEXTS, "f": BOOLEANS, "g": BOOLEANS}
    | {"ts": INSTANTS}
)
SCHEMA = pl.Schema(
    {"n": pl.Float64, "m": pl.Float64, "s": pl.String, "t": pl.String}
    | {"f": pl.Boolean, "g": pl.Boolean, "ts": compiled.INSTANT}
)

SIGNS = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
EQUALITY = st.sampled_from(["=", "<>"])


def numbers_of(depth: int) -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["n", "m", "n", "m", "0", "1", "3", "0.1", "-1", "1e308"])
    if depth == 0:
        return leaves
    inner, truths = numbers_of(depth - 1), truths_of(depth - 1)
    pair = st.sampled_from(["LEAST", "GREATEST", "COALESCE"])
    return st.one_of(
        leaves,
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/%"), inner),
        st.builds("(- {})".format, inner),
        st.builds("ABS({})".format, inner),
        st.builds("ROUND({}, {})".format, inner, st.integers(0, 2)),
        st.builds("{}({}, {})".format, pair, inner, inner),
        st.builds("CASE WHEN {} THEN {} ELSE {} END".format, truths, inner, inner),
        st.builds("CASE WHEN {} THEN {} END".format, truths, inner),
    )


def texts_of(depth: int) -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["s", "t", "s", "t", "'a'", "'é'", "''"])
    if depth == 0:
        return leaves
    inner = texts_of(depth - 1)
    return st.one_of(
        leaves,
        st.builds("{}({})".format, st.sampled_from(["LOWER", "UPPER"]), inner),
        st.builds("COALESCE({}, {})".format, inner, inner),
    )


def truths_of(depth: int) -> st.SearchStrategy[str]:
    numbers, texts = numbers_of(max(depth - 1, 0)), texts_of(max(depth - 1, 0))
    patterns = st.sampled_from(["'a%'", "'_'", "'%'", "'a\\%'"])
    leaves = st.one_of(
        st.sampled_from(["f", "g"]),
        st.builds("{} {} {}".format, numbers, SIGNS, numbers),
        st.builds("{} {} {}".format, texts, SIGNS, texts),
        st.builds("ts {} '2024-01-01T00:00:00Z'".format, SIGNS),
        st.builds("{} IS NOT NULL".format, numbers),
        st.builds("{} IN (0, 1, -1)".format, numbers),
        st.builds("{} NOT BETWEEN {} AND {}".format, numbers, numbers, numbers),
        st.builds("{} IN ('a', 'é')".format, texts),
        st.builds("{} LIKE {}".format, texts, patterns),
    )
    if depth == 0:
        return leaves
    inner = truths_of(depth - 1)
    return st.one_of(
        leaves,
        st.sampled_from(["TRUE", "FALSE"]),
        st.builds("({}) {} ({})".format, inner, EQUALITY, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner),
        st.builds("(NOT ({}))".format, inner),
        st.builds("({}) IS {}".format, inner, st.sampled_from(["TRUE", "NOT FALSE", "NULL"])),
        st.builds("({}) IN (TRUE)".format, inner),
        st.builds("COALESCE({}, FALSE)".format, inner),
    )


TRUTHS = truths_of(3)
NUMBER_TEXTS = numbers_of(3)


NOT_OF_INTEREST = re.compile(
    "nested at most|operations deep|characters long|never true|always true"
)


def checked(text: str) -> conditions.Condition | None:
    """Check a generated condition; one that is too large or certain is not of interest here."""
    try:
        return check(text, COLUMNS, where=WHERE)
    except ParameterError as error:
        if not NOT_OF_INTEREST.search(str(error)):
            raise
        return None


@settings(deadline=None, max_examples=150)
@given(text=TRUTHS, rows=st.lists(ROWS, min_size=1, max_size=8))
def test_columns_give_what_plain_python_gives(text: str, rows: list[dict[str, object]]) -> None:
    condition = checked(text)
    if condition is None:
        return
    frame = pl.DataFrame(rows, schema=SCHEMA)
    column = frame.select(condition.expression().alias("truth")).to_series()
    assert column.dtype == pl.Boolean
    expected = [condition.evaluate(row) for row in rows]
    assert column.to_list() == expected
    kept = frame.with_row_index("row").lazy().filter(condition.expression())
    assert kept.collect()["row"].to_list() == [at for at, each in enumerate(expected) if each]


@settings(deadline=None, max_examples=150)
@given(text=NUMBER_TEXTS, rows=st.lists(ROWS, min_size=1, max_size=8))
def test_numbers_in_columns_are_the_plain_numbers(text: str, rows: list[dict[str, object]]) -> None:
    expression = check_expression(text, COLUMNS, where=WHERE)
    frame = pl.DataFrame(rows, schema=SCHEMA)
    column = frame.select(expression.expression().alias("number")).to_series()
    assert column.dtype == pl.Float64
    assert column.to_list() == [expression.value(row) for row in rows]


@settings(deadline=None, max_examples=150)
@given(text=TRUTHS, row=ROWS)
def test_an_outcome_that_is_ruled_out_never_happens(text: str, row: dict[str, object]) -> None:
    node = conditions.parse(text, COLUMNS, where=WHERE)
    assert conditions.value_of(node, row) in outcomes(node)


SMALL = [
    *(f"n {sign} m" for sign in ("=", "<>", "<", "<=", ">", ">=")),
    *(f"n {sign} m = 0.5" for sign in "+-*/%"),
    *("f AND g", "f OR g", "NOT f", "f IS TRUE", "f IS FALSE", "n IS NULL", "n IN (0, 1)"),
    *("ROUND(n) = 1", "LEAST(n, m) = 1", "GREATEST(n, m) = 1", "COALESCE(n, m) = 1"),
    *("CASE WHEN f THEN n ELSE m END = 1", "ABS(n) = 1", "-n = 1", "n BETWEEN 0 AND m"),
]


def disagreements() -> list[str]:
    """Return the small conditions that differ somewhere on a whole tiny domain."""
    values, truths = [None, -1.0, 0.0, 0.5, 1.0, math.inf], [None, True, False]
    rows = [
        {"n": n, "m": m, "f": f, "g": g}
        for n, m, f, g in itertools.product(values, values, truths, truths)
    ]
    frame = pl.DataFrame(rows, schema={name: SCHEMA[name] for name in "nmfg"})
    found = []
    for text in SMALL:
        condition = check(text, COLUMNS, where=WHERE)
        column = frame.select(condition.expression().alias("x"))["x"].to_list()
        if column != [condition.evaluate(row) for row in rows]:
            found.append(text)
    return found


def test_small_conditions_agree_on_the_whole_of_a_tiny_domain() -> None:
    assert disagreements() == []


@pytest.mark.parametrize(
    ("name", "fault", "seen"),
    [
        ("_COMPARISONS", {**compiled._COMPARISONS, "<": lambda a, b: a <= b}, "n < m"),
        ("_COMPARISONS", {**compiled._COMPARISONS, "=": lambda a, b: a.eq_missing(b)}, "n = m"),
        ("_finite", lambda number: number, "n < m"),
        ("_truncated", lambda number: number.floor(), "n % m = 0.5"),
        ("_HALF", 0.6, "ROUND(n) = 1"),
        (
            "_balanced",
            lambda join, parts: functools.reduce(join, [p.fill_null(value=False) for p in parts]),
            "f AND g",
        ),
    ],
)
def test_a_planted_fault_in_the_columns_is_seen(
    monkeypatch: pytest.MonkeyPatch, name: str, fault: object, seen: str
) -> None:
    monkeypatch.setattr(compiled, name, fault)
    assert seen in disagreements()


# -- certainty ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "visits_90d > 5 AND visits_90d < 3",
        "n > 5 AND n <= 5",
        "n >= 5 AND f AND n < 5",
        "5 < n AND 3 > n",
        "type = 'a' AND type = 'b'",
        "type = 'a' AND type IN ('b', 'c')",
        "type = 'a' AND type <> 'a'",
        "type = 'a' AND NOT type = 'a'",
        "n BETWEEN 5 AND 3",
        "n IS NULL AND n > 1",
        "n IS NULL AND n IS NOT NULL",
        "f AND NOT f",
        "f IS TRUE AND NOT f",
        "n > m AND n IS NULL",
        "NOT (n <= 5 OR n >= 3)",
        "(n > 5 AND n < 3) OR (f AND NOT f)",
        "1 = 2",
        "1 / 0 > 1",
        "f AND 1 > 2",
        "n IN (1, 2) AND n > 2",
        "ts > '2024-01-02T00:00:00Z' AND ts < '2024-01-01T00:00:00Z'",
        "LOWER(s) = 'a' AND LOWER(s) = 'b'",
    ],
)
def test_a_condition_that_no_row_meets_is_refused(text: str) -> None:
    assert "is never true" in refusal(text)


@pytest.mark.parametrize("text", ["1 = 1", "n IS NULL OR n IS NOT NULL", "f OR 2 > 1"])
def test_a_condition_that_every_row_meets_is_refused(text: str) -> None:
    assert "is always true" in refusal(text)


@pytest.mark.parametrize(
    "text",
    [
        "n > 5 OR n < 3",
        "n > 5 OR n <= 5",  # NULL for a row without n
        "n >= 5 AND n <= 5",
        "n > 3 AND m < 3",
        "type = 'a' AND s = 'b'",
        "type IN ('a', 'b') AND type IN ('b', 'c')",
        "NOT (f AND NOT f)",  # NULL where f is
        "(n > 5 AND n < 3) OR f",
    ],
)
def test_a_condition_that_some_row_meets_is_kept(text: str) -> None:
    check(text, COLUMNS, where=WHERE)


# -- around ------------------------------------------------------------------------------


def test_columns_used_and_digest() -> None:
    condition = check("n > 1 AND s = 'a'", COLUMNS, where=WHERE)
    assert condition.columns == {"n", "s"}
    assert condition.text == "n > 1 AND s = 'a'"
    same = check(" n>1.0\n and (s = 'a') ", COLUMNS, where="elsewhere")
    assert same.digest == condition.digest
    assert check("n > 2 AND s = 'a'", COLUMNS, where=WHERE).digest != condition.digest


def test_an_expression_has_a_type() -> None:
    found = {
        text: check_expression(text, COLUMNS, where=WHERE).type
        for text in ("n * 100", "UPPER(s)", "n > 1", "ts", "COALESCE(ts, NULL)")
    }
    assert list(found.values()) == ["number", "text", "boolean", "instant", "instant"]


def test_a_constant_fills_every_row() -> None:
    frame = pl.DataFrame({"n": [1.0, 2.0]})
    assert frame.select(check("TRUE", COLUMNS, where=WHERE).expression()).height == 2
    assert (
        frame.lazy().filter(check("FALSE", COLUMNS, where=WHERE).expression()).collect().height == 0
    )
    one = check_expression("1 + 1", COLUMNS, where=WHERE).expression()
    assert frame.select(one.alias("k"))["k"].to_list() == [2.0, 2.0]
    assert frame.clear().select(one.alias("k"))["k"].to_list() == []


def test_codes_and_narrow_numbers_are_read_as_text_and_numbers() -> None:
    frame = pl.DataFrame({"s": ["a", None, "a"], "n": [1, 1, None], "ts": [START, None, START]})
    frame = frame.with_columns(
        pl.col("s").cast(pl.Categorical),
        pl.col("n").cast(pl.Int16),
        pl.col("ts").cast(pl.Datetime("ns", "UTC")),
    )
    columns = column_types(frame.schema)
    assert columns == {"s": "text", "n": "number", "ts": "instant"}
    condition = check(
        "s = 'a' AND n / 2 = 0.5 AND ts >= '2024-01-01T00:00:00Z'", columns, where="x"
    )
    found = frame.select(condition.expression().alias("x"))["x"]
    assert found.to_list() == [True, None, None]


def test_a_frame_that_does_not_fit_is_refused() -> None:
    condition = check("n > 1 AND s = 'a'", COLUMNS, where=WHERE)
    fit = pl.Schema({"n": pl.Int64, "s": pl.Enum(["a"]), "other": pl.List(pl.Int8)})
    assert condition.require(fit, where="log") is condition
    with pytest.raises(ParameterError, match=r"was 'n', is not there \(log\)"):
        condition.require(pl.Schema({"s": pl.String}), where="log")
    with pytest.raises(ParameterError, match=r"column 'n' was 'String', must be number \(log\)"):
        condition.require(pl.Schema({"n": pl.String, "s": pl.String}), where="log")


@pytest.mark.parametrize(
    ("text", "row", "said"),
    [
        ("n > 1", {}, "the row has no column 'n'"),
        ("n > 1", {"n": "1"}, "must be a number"),
        ("n > 1", {"n": True}, "must be a number"),
        ("s = 'a'", {"s": 1}, "must be a text"),
        ("f", {"f": 1}, "must be a boolean"),
        ("ts > '2024-01-01T00:00:00Z'", {"ts": datetime(2024, 1, 1)}, "must be an instant"),  # noqa: DTZ001 - the fault
    ],
)
def test_a_row_that_does_not_fit_is_refused(text: str, row: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        check(text, COLUMNS, where=WHERE).evaluate(row)


@pytest.mark.parametrize(
    "text", ["0 = CASE WHEN f THEN 0 END", "s IS NULL AND 'a' = COALESCE(s, 'a')"]
)
def test_a_literal_that_is_chosen_for_every_row_fills_every_row(text: str) -> None:
    frame = pl.DataFrame({"f": [True, True], "s": [None, None]}, schema_overrides={"s": pl.String})
    found = check(text, COLUMNS, where=WHERE).expression()
    assert frame.select(found.alias("x"))["x"].to_list() == [True, True]
    assert frame.lazy().filter(found).collect().height == 2


def test_a_quotient_by_a_literal_is_rounded_once() -> None:
    """Polars multiplies by the reciprocal of a literal: 3263 * 0.0001 is not 0.3263."""
    frame = pl.DataFrame({"n": range(10_000)})
    for text in ("n / 10000", "n / (5000 * 2)", "n / (5000 + n - n + 5000)", "ROUND(n / 7, 4)"):
        expression = check_expression(text, COLUMNS, where=WHERE)
        column = frame.select(expression.expression().alias("x"))["x"].to_list()
        assert column == [expression.value({"n": n}) for n in range(10_000)], text


@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_both_engines_of_polars_agree_over_many_rows(
    engine: Literal["in-memory", "streaming"],
) -> None:
    frame = pl.DataFrame({"n": range(200_000)}).with_columns(
        m=pl.col("n") % 7, s=pl.when(pl.col("n") % 3 > 0).then(pl.lit("a"))
    )
    text = (
        "ROUND(n / m, 2) > 1.5 AND COALESCE(s, 'a') = 'a' AND CASE WHEN m > 2 THEN 1 ELSE 1 END = 1"
    )
    condition = check(text, COLUMNS, where=WHERE)
    found = frame.lazy().select(condition.expression().alias("x")).collect(engine=engine)["x"]
    every = 97
    rows = frame.gather_every(every).iter_rows(named=True)
    assert found.len() == frame.height
    assert found.gather_every(every).to_list() == [condition.evaluate(row) for row in rows]


def test_nested_arithmetic_does_not_double_the_plan() -> None:
    """A guard that repeats its operand would make 2**40 parts of this one."""
    text = "n" + " / m" * 40 + " > 0"
    frame = pl.DataFrame({"n": [1.0, 2.0], "m": [1.0, 0.0]})
    assert frame.select(check(text, COLUMNS, where=WHERE).expression().alias("x"))[
        "x"
    ].to_list() == [True, None]
