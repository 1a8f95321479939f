"""Turns source columns into checked values: money, numbers, text. Owns no time, event or file.

Every function returns the value as a Polars expression and the faults that a row may have. A fault
has a reason code, the column, and a rule; the value in the text of a fault is the source's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest

import polars as pl

from workbench.conditions import check_expression, column_types
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.log.mapping import Time, Value
from workbench.log.schema import INSTANT, Kind

MOST_CENTS = 10**15
"""Largest amount, in cents: thousands of lines of it still add up within 64 bits."""
MOST_ID_CHARACTERS = 256
_CENT_TOLERANCE = 1e-4
_FLOAT_TOLERANCE = 4e-16


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that a row may break.

    Attributes:
        reason: Stable code.
        name: Column of the log.
        when: Whether the row breaks it; null is no.
        shown: The source's value as text.
        rule: The rule, as in "must be a number".
    """

    reason: str
    name: str
    when: pl.Expr
    shown: pl.Expr
    rule: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A value and what may be wrong with it.

    Attributes:
        value: The value; null where it is missing or faulty.
        faults: What may be wrong.
        stages: Helping columns that `value` and `faults` read, each stage computed before the
            next, so that nothing dear is computed twice.
    """

    value: pl.Expr
    faults: list[Fault] = field(default_factory=list)
    stages: tuple[dict[str, pl.Expr], ...] = ()


def with_stages(frame: pl.LazyFrame, values: Iterable[Parsed]) -> pl.LazyFrame:
    """Add the helping columns of all values to a frame, stage by stage."""
    for stage in zip_longest(*(p.stages for p in values), fillvalue={}):
        frame = frame.with_columns(**{n: e for part in stage for n, e in part.items()})
    return frame


Frame = dict[str, pl.DataType]


def source_column(schema: Frame, path: str, *, where: str) -> tuple[pl.Expr, pl.DataType]:
    """Return a source column by its name or its path into nested fields.

    Raises:
        InputError: There is none.
    """
    if path in schema:
        return pl.col(path), schema[path]
    first, *rest = path.split(".")
    dtype = schema.get(first)
    value = pl.col(first)
    for name in rest:
        fields = {f.name: f.dtype for f in dtype.fields} if isinstance(dtype, pl.Struct) else {}
        dtype = fields.get(name)  # type: ignore[assignment]  # Polars types a field's type wider
        value = value.struct.field(name)
    if dtype is None:
        raise InputError(f"{where} has no column {path!r}{did_you_mean(path, schema)}")
    return value, dtype


def pick(schema: Frame, value: Value | Time, *, where: str) -> tuple[pl.Expr, pl.DataType] | None:
    """Return the column or the first of several; None when an optional one is absent."""
    found = []
    for path in (value.column,) if value.column is not None else value.first_of:
        try:
            found.append(source_column(schema, path, where=where))
        except InputError:
            if not value.optional:
                raise
    if not found:
        return None
    if len(found) == 1:
        return found[0]
    if len({str(dtype) for _, dtype in found}) == 1:
        return pl.coalesce([e for e, _ in found]), found[0][1]
    return pl.coalesce([as_text(e, d) for e, d in found]), pl.String()


def parsed(schema: Frame, name: str, value: Value, kind: Kind, *, where: str) -> Parsed:
    """Return the checked value of one column of the log.

    Args:
        schema: The source's columns and types.
        name: Column of the log.
        value: Where the value comes from.
        kind: What the column holds.
        where: The file, for errors.

    Raises:
        InputError: A column is missing or has a type that cannot hold the value.
        ParameterError: The mapping asks for what does not fit.
    """
    if value.constant is not None:
        return Parsed(_constant(name, value.constant, kind, where=where))
    if value.sum:
        if kind not in ("cents", "integer"):
            raise ParameterError(
                f"{where}: {name} adds columns, but does not hold money or whole numbers"
            )
        single = value.model_copy(update={"sum": ()})
        terms = [
            parsed(schema, name, single.model_copy(update={"column": path}), kind, where=where)
            for path in value.sum
        ]
        known = pl.any_horizontal([t.value.is_not_null() for t in terms])
        total = pl.when(known).then(pl.sum_horizontal([t.value for t in terms]))
        return Parsed(total, [fault for t in terms for fault in t.faults])
    if value.expression is not None:
        picked = _expression(schema, name, value.expression, where=where)
    else:
        found = pick(schema, value, where=where)
        if found is None:
            return Parsed(pl.lit(None, dtype=_NULL_TYPE[kind]))
        picked = found
    source, dtype = picked
    _refuse_nested(name, dtype, where)
    if value.missing:
        source = pl.when(~as_text(source, dtype).is_in(list(value.missing))).then(source)
    if kind == "cents":
        return _cents(name, source, dtype, value)
    if kind in ("text", "code", "type_code"):
        return _text(name, source, dtype, value)
    reader = {"integer": _integer, "number": number_of, "boolean": _boolean}[kind]
    return reader(name, source, dtype)


_NULL_TYPE: dict[Kind, pl.DataType] = {
    "cents": pl.Int64(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "text": pl.String(),
    "code": pl.String(),
    "type_code": pl.String(),
    "instant": INSTANT,
}


def _refuse_nested(name: str, dtype: pl.DataType, where: str) -> None:
    if dtype.is_nested() or dtype == pl.Binary:
        raise InputError(f"{where}: {name} is read from a column of {dtype}, must be single values")


def _constant(name: str, constant: str | int | bool, kind: Kind, *, where: str) -> pl.Expr:
    expected: dict[Kind, tuple[type, ...]] = {
        "cents": (int,),
        "integer": (int,),
        "number": (int,),
        "boolean": (bool,),
    }
    wanted = expected.get(kind, (str,))
    if not isinstance(constant, wanted) or (isinstance(constant, bool) and bool not in wanted):
        raise ParameterError(problem(name, constant, f"must be {wanted[0].__name__}", where=where))
    return pl.lit(constant, dtype=_NULL_TYPE[kind])


def _expression(schema: Frame, name: str, text: str, *, where: str) -> tuple[pl.Expr, pl.DataType]:
    """Return a checked expression over the source columns, and the type of its value."""
    checked = check_expression(text, column_types(schema), where=f"{where}, {name}")
    types = {"number": pl.Float64(), "text": pl.String(), "boolean": pl.Boolean()}
    return checked.expression(), types.get(checked.type, INSTANT)


def as_text(source: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return any single value as text: a whole float without its point, a time as ISO 8601."""
    if dtype == pl.String:
        return source
    if dtype.is_float():
        whole = source.cast(pl.Int64, strict=False)
        return (
            pl.when(whole.cast(pl.Float64) == source.cast(pl.Float64))
            .then(whole.cast(pl.String))
            .otherwise(source.cast(pl.String))
        )
    if isinstance(dtype, pl.Datetime):
        return source.dt.strftime("%Y-%m-%dT%H:%M:%S%.f")
    return source.cast(pl.String)


def _text(name: str, source: pl.Expr, dtype: pl.DataType, value: Value) -> Parsed:
    text = as_text(source, dtype)
    if value.trim:
        text = text.str.strip_chars()
    faults = [] if dtype.is_integer() or dtype.is_temporal() else _text_faults(name, text)
    if dtype.is_float():
        faults.append(
            Fault(
                "not_finite",
                name,
                ~source.is_finite(),
                source.cast(pl.String),
                "must be an id, not NaN or infinite",
            )
        )
    if value.names:
        renamed = text.replace_strict(value.names, default=None, return_dtype=pl.String)
        faults.append(
            Fault(
                "unknown_name",
                name,
                text.is_not_null() & renamed.is_null(),
                text,
                f"must be one of those that the mapping names: {', '.join(value.names)}",
            )
        )
        text = renamed
    if value.prefix:
        text = pl.lit(value.prefix) + text
    return Parsed(text, faults)


def _text_faults(name: str, text: pl.Expr) -> list[Fault]:
    stripped = text.str.strip_chars()
    return [
        Fault("empty", name, text == "", text, "must not be empty"),
        Fault("blank", name, (text != "") & (stripped == ""), text, "must not be blank"),
        Fault(
            "surrounding_blanks",
            name,
            text != stripped,
            text,
            "must not begin or end with a blank (the mapping's `trim: true` takes them off)",
        ),
        Fault(
            "too_long",
            name,
            text.str.len_chars() > MOST_ID_CHARACTERS,
            text.str.slice(0, 40) + "…",
            f"must have at most {MOST_ID_CHARACTERS} characters",
        ),
        Fault(
            "control_character",
            name,
            text.str.contains(r"[\x00-\x1f\x7f]"),
            text,
            "must not hold a control character",
        ),
    ]


def _from_text(name: str, source: pl.Expr, decimal: str = ".") -> tuple[pl.Expr, list[Fault]]:
    """Return text as a number (null where it is none) and what may be wrong with it.

    A 64-bit float holds every amount of up to 10**15 cents to better than half a cent, so
    rounding the number to cents gives back exactly what was written.
    """
    text = source.str.strip_chars()
    written = text != ""
    if decimal == ",":
        strange = text.str.contains(".", literal=True)
        number = (
            pl.when(~strange)
            .then(text.str.replace(",", ".", literal=True))
            .cast(pl.Float64, strict=False)
        )
        rule = "has a point, but the mapping says `decimal: ','`"
    else:
        number = text.cast(pl.Float64, strict=False)
        strange = number.is_null() & text.str.contains(",", literal=True)
        rule = "has a comma, must be written as 1234.50 (or the mapping must say `decimal: ','`)"
    return number, [
        Fault("not_finite", name, ~number.is_finite(), source, "must be a finite number"),
        Fault("comma", name, strange, source, rule),
        Fault("not_a_number", name, written & number.is_null(), source, "must be a number"),
    ]


def _float_cents(number: pl.Expr, *, unit: str) -> tuple[pl.Expr, pl.Expr]:
    """Return cents rounded half-even, and whether the number was within tolerance of them."""
    scaled = number.cast(pl.Float64) * (1.0 if unit == "cents" else 100.0)
    rounded = scaled.round(0, mode="half_to_even")
    tolerance = pl.max_horizontal(pl.lit(_CENT_TOLERANCE), rounded.abs() * _FLOAT_TOLERANCE)
    return rounded, (scaled - rounded).abs() <= tolerance


def _cents(name: str, source: pl.Expr, dtype: pl.DataType, value: Value) -> Parsed:
    rule_whole = "must be whole cents"
    rule_size = f"must be at most {MOST_CENTS} cents"
    shown = source.cast(pl.String)
    if dtype.is_integer():
        cents = source.cast(pl.Float64) * (1 if value.unit == "cents" else 100)
        fits = cents.abs() <= MOST_CENTS
        exact = pl.when(fits).then(source).cast(pl.Int64, strict=False) * (
            1 if value.unit == "cents" else 100
        )
        return Parsed(exact, [Fault("overflow", name, ~fits, shown, rule_size)])
    if dtype.is_numeric():
        number = source.cast(pl.Float64)
        faults = [Fault("not_finite", name, ~number.is_finite(), shown, "must be a finite number")]
    else:
        number, faults = _from_text(name, source.cast(pl.String), value.decimal)
    rounded, near = _float_cents(number, unit=value.unit)
    fits = rounded.abs() <= MOST_CENTS
    return Parsed(
        pl.when(fits & near).then(rounded).cast(pl.Int64, strict=False),
        [
            *faults,
            Fault("overflow", name, ~fits, shown, rule_size),
            Fault("not_whole_cents", name, ~near, shown, rule_whole),
        ],
    )


def _integer(name: str, source: pl.Expr, dtype: pl.DataType) -> Parsed:
    shown = source.cast(pl.String)
    rule_size = f"must be at most {MOST_CENTS}"
    if dtype.is_integer():
        whole = source.cast(pl.Int64, strict=False)
        return Parsed(
            whole,
            [
                Fault(
                    "overflow",
                    name,
                    source.is_not_null() & (whole.is_null() | (whole.abs() > MOST_CENTS)),
                    shown,
                    rule_size,
                )
            ],
        )
    if dtype.is_numeric():
        number = source.cast(pl.Float64)
        faults = [Fault("not_finite", name, ~number.is_finite(), shown, "must be a finite number")]
    else:
        number, faults = _from_text(name, source.cast(pl.String))
    return Parsed(
        pl.when(number.abs() <= MOST_CENTS).then(number).cast(pl.Int64, strict=False),
        [
            *faults,
            Fault("overflow", name, number.abs() > MOST_CENTS, shown, rule_size),
            Fault("not_whole", name, number != number.round(0), shown, "must be a whole number"),
        ],
    )


def number_of(name: str, source: pl.Expr, dtype: pl.DataType) -> Parsed:
    """Return a checked finite number."""
    if dtype == pl.String:
        number, faults = _from_text(name, source)
        return Parsed(number, faults)
    number = source.cast(pl.Float64)
    shown = source.cast(pl.String)
    return Parsed(
        number, [Fault("not_finite", name, ~number.is_finite(), shown, "must be a finite number")]
    )


def _boolean(name: str, source: pl.Expr, dtype: pl.DataType) -> Parsed:
    if dtype == pl.Boolean:
        return Parsed(source)
    text = as_text(source, dtype).str.to_lowercase()
    value = text.replace_strict(
        {"true": True, "false": False, "1": True, "0": False}, default=None, return_dtype=pl.Boolean
    )
    return Parsed(
        value,
        [
            Fault(
                "not_a_truth_value",
                name,
                text.is_not_null() & value.is_null(),
                text,
                "must be true or false",
            )
        ],
    )
