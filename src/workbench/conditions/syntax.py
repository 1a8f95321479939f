"""From a text to checked nodes: bounds on size, an allow-list, and types. Owns no meaning.

The dialect is DuckDB's as sqlglot reads it. Size and nesting are bounded on the tokens, before
the parser recurses. After it, only node kinds and arguments that are listed here go on; what
is not listed is refused, so a new feature of the parser is refused too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn, get_args

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from workbench.conditions.nodes import (
    Among,
    Arithmetic,
    Call,
    Case,
    Column,
    ColumnType,
    Compare,
    Comparison,
    Constant,
    Function,
    IsNull,
    IsTruth,
    Like,
    Logic,
    Negative,
    Node,
    Not,
    Operator,
    ValueType,
)
from workbench.errors import ParameterError, did_you_mean, problem

DIALECT = "duckdb"
MAX_CHARACTERS = 4000
MAX_TOKENS = 1000
MAX_NESTING = 16
MAX_DEPTH = 50
MAX_DIGITS = 9
FUNCTIONS: tuple[str, ...] = get_args(Function)

_COMPARISONS: Mapping[type, Comparison] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_OPERATORS: Mapping[type, Operator] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
}
_CALLS: Mapping[type, Function] = {
    exp.Coalesce: "COALESCE",
    exp.Abs: "ABS",
    exp.Round: "ROUND",
    exp.Least: "LEAST",
    exp.Greatest: "GREATEST",
    exp.Lower: "LOWER",
    exp.Upper: "UPPER",
}
# Every argument that a node may carry; any other one that is set is refused.
_BINARY = frozenset({"this", "expression"})
_ARGUMENTS: Mapping[type, frozenset[str]] = {
    **dict.fromkeys(_COMPARISONS, _BINARY),
    **dict.fromkeys(_OPERATORS, _BINARY | {"typed", "safe"}),
    **dict.fromkeys(_CALLS, frozenset({"this", "expressions", "decimals", "ignore_nulls"})),
    exp.And: _BINARY,
    exp.Or: _BINARY,
    exp.Not: frozenset({"this"}),
    exp.Paren: frozenset({"this"}),
    exp.Neg: frozenset({"this"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.In: frozenset({"this", "expressions"}),
    exp.Is: _BINARY,
    exp.Like: _BINARY | {"negate"},
    exp.Case: frozenset({"ifs", "default"}),
    exp.If: frozenset({"this", "true"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.Boolean: frozenset({"this"}),
    exp.Null: frozenset(),
    exp.Column: frozenset({"this"}),
    exp.Identifier: frozenset({"this", "quoted"}),
}
_NAMES: Mapping[type, str] = {
    exp.Subquery: "a subquery",
    exp.Select: "a query",
    exp.Exists: "a subquery",
    exp.Block: "several statements",
    exp.Star: "*",
    exp.Cast: "a cast",
    exp.TryCast: "a cast",
    exp.Window: "a window",
    exp.Lambda: "a lambda",
    exp.Placeholder: "a placeholder",
    exp.Parameter: "a placeholder",
    exp.IntDiv: "// (divide with / and ROUND)",
    exp.DPipe: "|| (joining of text)",
    exp.Pow: "a power",
    exp.ILike: "ILIKE (write LOWER(…) LIKE …)",
}
_USES: Mapping[str, str] = {
    "query": "a subquery",
    "table": "a name with a dot",
    "field": "IN without a list in brackets",
    "false": "IF (write CASE WHEN … THEN … ELSE … END)",
}
_BLANKS = frozenset(" \t\r\n")
_PREFIXES = frozenset({TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE})
_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END})
_PIECE_CHARACTERS = 60


def parse(text: str, columns: Mapping[str, ColumnType], *, where: str) -> Node:
    """Return the checked nodes of an expression.

    Raises:
        ParameterError: The text is too large, is not SQL, or uses what is not allowed.
    """
    return _Reader(text, columns, where).node()


class _Reader:
    """One text on its way to nodes, with what an error has to name."""

    def __init__(self, text: str, columns: Mapping[str, ColumnType], where: str) -> None:
        self._text = text
        self._columns = columns
        self._where = where

    def node(self) -> Node:
        tree = self._tree()
        self._bound_depth(tree)
        return self._node(tree)

    def refuse(self, piece: object, rule: str, hint: str = "") -> NoReturn:
        shown = _sql(piece) if isinstance(piece, exp.Expr) else str(piece)
        if len(shown) > _PIECE_CHARACTERS:
            shown = f"{shown[:_PIECE_CHARACTERS]}…"
        raise ParameterError(
            problem("condition part", shown, rule, where=self._where, hint=hint)
        ) from None

    # -- text to tree --------------------------------------------------------------------

    def _tree(self) -> exp.Expr:
        if not self._text.strip():
            raise ParameterError(
                problem("condition", self._text, "must be an SQL expression", where=self._where)
            )
        if len(self._text) > MAX_CHARACTERS:
            self.refuse(self._text, f"must be at most {MAX_CHARACTERS} characters long")
        dialect = Dialect.get_or_raise(DIALECT)
        try:
            tokens = dialect.tokenize(self._text)
            self._check_tokens(tokens)
            trees = dialect.parser().parse_into(exp.Condition, tokens, self._text)
        except SqlglotError as error:
            self._unreadable(error)
        except RecursionError:
            self.refuse(self._text, "is nested too deeply")
        if len(trees) != 1 or trees[0] is None:
            self.refuse(self._text, "must be one expression")
        return trees[0]

    def _check_tokens(self, tokens: Sequence[Token]) -> None:
        if len(tokens) > MAX_TOKENS:
            self.refuse(self._text, f"must have at most {MAX_TOKENS} words and signs")
        end = 0
        open_now = prefixes = 0
        for token in tokens:
            self._check_gap(self._text[end : token.start])
            end = token.end + 1
            if token.token_type not in {TokenType.STRING, TokenType.IDENTIFIER}:
                self._check_letters(self._text[token.start : end])
            if token.token_type is TokenType.SEMICOLON:
                self.refuse(";", "is not allowed; write one expression")
            prefixes = prefixes + 1 if token.token_type in _PREFIXES else 0
            open_now += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
            if open_now + prefixes > MAX_NESTING:
                self.refuse(self._text, f"must be nested at most {MAX_NESTING} deep")
        self._check_gap(self._text[end:])

    def _check_gap(self, gap: str) -> None:
        """Refuse what the tokenizer skipped, if it is more than blanks: a comment, mostly."""
        if set(gap) <= _BLANKS:
            return
        self._check_letters(gap)
        self.refuse(gap.strip(), "is a comment, which is not allowed; two dashes begin one")

    def _check_letters(self, piece: str) -> None:
        for letter in piece:
            if not (" " <= letter <= "~" or letter in _BLANKS):
                self.refuse(
                    piece.strip() or letter,
                    f"holds {letter!r} (U+{ord(letter):04X}), only plain ASCII is allowed "
                    "outside quoted text",
                )

    def _unreadable(self, error: SqlglotError) -> NoReturn:
        causes = [error, *([error.__cause__] if error.__cause__ else [])]
        details = [each for cause in causes for each in getattr(cause, "errors", [])]
        said: dict[str, Any] = next((each for each in details if each.get("description")), {})
        place = f" at line {said['line']}, column {said['col']}" if said.get("line") else ""
        rule = str(said.get("description") or "cannot be read as SQL").rstrip(".")
        if rule.startswith("Required keyword"):
            rule = "something is missing"
        self.refuse(self._text, f"is not an SQL expression{place}: {rule}")

    def _bound_depth(self, tree: exp.Expr) -> None:
        """Bound the depth of the tree without recursion; a chain of AND or OR counts once."""
        waiting: list[tuple[exp.Expr, int]] = [(tree, 1)]
        while waiting:
            node, depth = waiting.pop()
            if depth > MAX_DEPTH:
                self.refuse(self._text, f"must be at most {MAX_DEPTH} operations deep")
            for child in node.iter_expressions():
                chained = isinstance(node, exp.And | exp.Or) and type(child) is type(node)
                waiting.append((child, depth + (not chained)))

    # -- tree to nodes -------------------------------------------------------------------

    def _node(self, tree: Any) -> Node:
        kind = type(tree)
        if kind not in _ARGUMENTS:
            self._refuse_kind(tree)
        for name, value in tree.args.items():
            if value not in (None, False, []) and name not in _ARGUMENTS[kind]:
                self.refuse(tree, f"uses {_USES.get(name, name.upper())}, which is not allowed")
        if kind in _COMPARISONS:
            return self._compare(_COMPARISONS[kind], tree, tree.this, tree.expression)
        if kind in _OPERATORS:
            left, right = self._typed(tree.this, "number"), self._typed(tree.expression, "number")
            return Arithmetic(_OPERATORS[kind], left, right)
        if kind in _CALLS:
            return self._call(_CALLS[kind], tree)
        return self._HANDLERS[kind](self, tree)

    def _refuse_kind(self, tree: Any) -> NoReturn:
        if not isinstance(tree, exp.Expr):
            self.refuse(self._text, "is not complete")
        for kind, name in _NAMES.items():
            if isinstance(tree, kind):
                self.refuse(tree, f"is {name}, which is not allowed")
        if isinstance(tree, exp.Func):
            name = tree.name if isinstance(tree, exp.Anonymous) else tree.sql_name()
            hint = did_you_mean(name.upper(), FUNCTIONS) or f"; allowed are {', '.join(FUNCTIONS)}"
            self.refuse(tree, f"calls {name.upper()}, which is not allowed", hint)
        self.refuse(tree, f"is {_kind_name(tree)}, which is not allowed")

    def _typed(self, tree: Any, wanted: ValueType) -> Node:
        node = self._node(tree)
        if node.type != wanted:
            self.refuse(tree, f"must be a {wanted}, is {_a(node.type)}")
        return node

    def _logic(self, tree: Any) -> Node:
        kind = type(tree)
        parts: list[Node] = []
        waiting = [tree]
        while waiting:
            part = waiting.pop()
            if type(part) is kind:
                if set(part.args) - {"this", "expression"}:
                    self.refuse(self._text, "is not allowed")
                waiting += [part.expression, part.this]
            else:
                parts.append(self._typed(part, "boolean"))
        return Logic("AND" if kind is exp.And else "OR", tuple(parts))

    def _compare(self, sign: Comparison, tree: Any, left_tree: Any, right_tree: Any) -> Node:
        left, right = self._node(left_tree), self._node(right_tree)
        for side in (left, right):
            if side.type == "null":
                self.refuse(tree, "is never true", "; write IS NULL or IS NOT NULL")
        left, right = self._as(left, right.type, tree), self._as(right, left.type, tree)
        if left.type != right.type:
            self.refuse(tree, f"compares {_a(left.type)} with {_a(right.type)}")
        if left.type == "boolean" and sign not in {"=", "<>"}:
            self.refuse(tree, "puts booleans in an order; use =, <>, AND, OR and NOT")
        return Compare(sign, left, right)

    def _as(self, node: Node, wanted: ValueType, tree: Any) -> Node:
        """Read a literal text as an instant where an instant stands on the other side."""
        if wanted != "instant" or not isinstance(node, Constant) or node.type != "text":
            return node
        try:
            ts = datetime.fromisoformat(str(node.value))
        except ValueError:
            ts = None
        if ts is None or ts.tzinfo is None:
            self.refuse(
                tree, "must compare an instant with a text such as '2024-01-31T00:00:00+00:00'"
            )
        return Constant(ts.astimezone(UTC), "instant")

    def _between(self, tree: Any) -> Node:
        low, high = tree.args.get("low"), tree.args.get("high")
        return Logic(
            "AND",
            (self._compare(">=", tree, tree.this, low), self._compare("<=", tree, tree.this, high)),
        )

    def _in(self, tree: Any) -> Node:
        part = self._node(tree.this)
        if not tree.expressions:
            self.refuse(tree, "must list its values, as in IN ('a', 'b')")
        choices = []
        for choice_tree in tree.expressions:
            choice = self._as(_folded(self._node(choice_tree)), part.type, tree)
            if not isinstance(choice, Constant):
                self.refuse(choice_tree, "must be a literal to stand in a list")
            if choice.type == "null":
                self.refuse(tree, "lists NULL, which is never found", "; write IS NULL")
            if choice.type != part.type:
                self.refuse(tree, f"compares {_a(part.type)} with {_a(choice.type)}")
            choices.append(choice)
        return Among(part, tuple(choices))

    def _is(self, tree: Any) -> Node:
        if isinstance(tree.expression, exp.Null):
            return IsNull(self._node(tree.this))
        if isinstance(tree.expression, exp.Boolean):
            return IsTruth(self._typed(tree.this, "boolean"), bool(tree.expression.this))
        return self.refuse(tree, "must be IS NULL, IS TRUE or IS FALSE, with or without NOT")

    def _like(self, tree: Any) -> Node:
        pattern = self._node(tree.expression)
        if not isinstance(pattern, Constant) or not isinstance(pattern.value, str):
            self.refuse(tree, "must compare with a literal text pattern")
        like = Like(self._typed(tree.this, "text"), pattern.value)
        return Not(like) if tree.args.get("negate") else like

    def _call(self, function: Function, tree: Any) -> Node:
        trees = [tree.this, *tree.expressions]
        digits = 0
        match function:
            case "COALESCE":
                nodes = [self._node(each) for each in trees]
                return Call(function, tuple(nodes), self._common(tree, nodes))
            case "LOWER" | "UPPER":
                return Call(function, (self._typed(tree.this, "text"),), "text")
            case "ROUND":
                digits = self._digits(tree)
        numbers = tuple(self._typed(each, "number") for each in trees)
        return Call(function, numbers, "number", digits)

    def _digits(self, tree: Any) -> int:
        decimals = tree.args.get("decimals")
        if decimals is None:
            return 0
        text = str(decimals.this) if isinstance(decimals, exp.Literal) else ""
        if not text.isdigit() or int(text) > MAX_DIGITS:
            self.refuse(tree, f"must round to a literal number of digits, 0 to {MAX_DIGITS}")
        return int(text)

    def _case(self, tree: Any) -> Node:
        branches = [
            (self._typed(each.this, "boolean"), self._node(each.args.get("true")))
            for each in tree.args["ifs"]
        ]
        default = tree.args.get("default")
        otherwise = Constant(None, "null") if default is None else self._node(default)
        kind = self._common(tree, [*(then for _, then in branches), otherwise])
        return Case(tuple(branches), otherwise, kind)

    def _common(self, tree: Any, nodes: Sequence[Node]) -> ValueType:
        kinds = sorted({node.type for node in nodes} - {"null"})
        if len(kinds) != 1:
            said = " and ".join(_a(kind) for kind in kinds) or "only NULL"
            self.refuse(tree, f"must give values of one type, gives {said}")
        return kinds[0]

    def _literal(self, tree: Any) -> Node:
        if tree.is_string:
            return Constant(str(tree.this), "text")
        text = str(tree.this)
        try:
            number = float(text)
        except ValueError:
            self.refuse(tree, "must be a number")
        if not math.isfinite(number):
            self.refuse(tree, "is too large for a number")
        if text.isdigit() and int(text) != int(number):
            self.refuse(tree, "has more digits than a number holds (2**53 is the limit)")
        return Constant(number, "number")

    def _column(self, tree: Any) -> Node:
        name = tree.this.this if isinstance(tree.this, exp.Identifier) else None
        if not isinstance(name, str):
            self._refuse_kind(tree.this)
        if name not in self._columns:
            known = self._columns
            hint = did_you_mean(name, known) or f"; known are {_some(known)}"
            self.refuse(name, "is not a known column", hint)
        if name == "*" or (name.startswith("^") and name.endswith("$")):
            self.refuse(name, "is a name that Polars reads as a pattern; rename the column")
        return Column(name, self._columns[name])

    _HANDLERS: Mapping[type, Callable[[_Reader, Any], Node]] = {
        exp.And: _logic,
        exp.Or: _logic,
        exp.Not: lambda self, tree: Not(self._typed(tree.this, "boolean")),
        exp.Paren: lambda self, tree: self._node(tree.this),
        exp.Neg: lambda self, tree: _folded(Negative(self._typed(tree.this, "number"))),
        exp.Between: _between,
        exp.In: _in,
        exp.Is: _is,
        exp.Like: _like,
        exp.Case: _case,
        exp.Literal: _literal,
        exp.Boolean: lambda _, tree: Constant(bool(tree.this), "boolean"),
        exp.Null: lambda _self, _tree: Constant(None, "null"),
        exp.Column: _column,
    }


def _folded(node: Node) -> Node:
    """Turn the negative of a literal into a literal."""
    if isinstance(node, Negative) and isinstance(node.part, Constant):
        number = node.part.value
        if isinstance(number, float):
            return Constant(-number, "number")
    return node


def _a(kind: ValueType) -> str:
    names = {"null": "NULL", "instant": "an instant"}
    return names.get(kind, f"a {kind}")


def _some(names: Mapping[str, object], most: int = 12) -> str:
    shown = sorted(names)[:most]
    return ", ".join(shown) + (", …" if len(names) > most else "")


def _kind_name(tree: exp.Expr) -> str:
    """Return what sqlglot calls a node, for an error about one that has no name of ours."""
    return f"the SQL construct {tree.key.upper()}"


def _sql(tree: exp.Expr) -> str:
    """Return a part as text; a part that cannot be written is named by its kind."""
    try:
        return tree.sql(dialect=DIALECT, comments=False)
    except (SqlglotError, RecursionError, ValueError):
        return tree.key.upper()
