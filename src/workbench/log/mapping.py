"""The declarative mapping from source files to the event log. Owns no reading and no parsing.

A mapping is a YAML file, checked before any file is opened: an unknown key, a target that the
log has not, an unknown zone or a column named twice is an error with the file and the rule.
"""

from __future__ import annotations

import importlib.resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from workbench import zones
from workbench.errors import ParameterError, did_you_mean, problem
from workbench.files import read_text
from workbench.log.schema import CONTRACT, CONTRACT_NAMES, Kind
from workbench.params import Parameters

Format = Literal["csv", "columns", "json_lines", "parquet"]
TimeUnit = Literal["microseconds", "milliseconds", "seconds", "minutes", "hours", "days"]
TableType = Literal["text", "integer", "number", "cents", "date", "instant", "boolean", "list"]
ExtraType = Literal["text", "code", "integer", "cents", "number", "boolean"]

_DERIVED = frozenset(("event_id", "seq", "ts", "received_at", "known_at", "person_id"))
TARGETS: dict[str, Kind] = {c.decoded: c.kind for c in CONTRACT if c.decoded not in _DERIVED}
"""Columns of the contract that a mapping fills by `fields`, with their kinds."""


def zone_rule(name: str) -> str:
    """Return the name of an IANA zone that this machine knows, or raise ValueError.

    >>> zone_rule("America/New_York")
    'America/New_York'
    """
    try:
        return zones.zone_named(name).key
    except ParameterError:
        raise ValueError(f"{zones.RULE}{zones.near_zone(name)}") from None


Zone = Annotated[str, Field(min_length=1)]


def _column_shorthand(value: Any) -> Any:
    """Read `customer_id: person` as `customer_id: {column: person}`."""
    return {"column": value} if isinstance(value, str) else value


class _Sourced(Parameters):
    """Where a value comes from: exactly one of these keys.

    Attributes:
        column: A source column; a dot goes into a nested field (`value.offer id`).
        first_of: Columns of which the first that is not null counts.
        optional: Whether the column may be absent from the source.
    """

    column: str | None = Field(default=None, min_length=1)
    first_of: tuple[str, ...] = ()
    optional: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """Source columns that the value reads."""
        return ((self.column,) if self.column is not None else ()) + self.first_of


class Value(_Sourced):
    """One value of an event.

    Attributes:
        sum: Money or whole-number columns that are added; null counts as nothing.
        constant: The same text or whole number for every row.
        expression: A checked SQL expression over the source columns (`quantity > 0`).
        unit: What money is written in: `major` (12.50) or `cents` (1250).
        decimal: The decimal sign of numbers written as text.
        names: Source text to the log's text; a source text not named is a fault of the row.
        missing: Source texts that mean "not known".
        trim: Whether blanks around text are taken off; without it they are a fault of the row.
        prefix: Text put before the value.
    """

    sum: tuple[str, ...] = ()
    constant: str | int | bool | None = None
    expression: str | None = None
    unit: Literal["major", "cents"] = "major"
    decimal: Literal[".", ","] = "."
    names: dict[str, str] = Field(default_factory=dict)
    missing: tuple[str, ...] = ()
    trim: bool = False
    prefix: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """Source columns that the value reads; those of an expression are known when checked."""
        return super().paths + self.sum

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = [
            self.column is not None,
            bool(self.first_of),
            bool(self.sum),
            self.constant is not None,
            self.expression is not None,
        ]
        if sum(origins) != 1:
            raise ValueError("must have exactly one of column, first_of, sum, constant, expression")
        _no_repeats("first_of", self.first_of)
        _no_repeats("sum", self.sum)
        return self


class Extra(Value):
    """A value with a column of its own in the log.

    Attributes:
        type: What it holds; `code` is text with a code book.
    """

    type: ExtraType


class Time(_Sourced):
    """When an event happened.

    Attributes:
        format: `iso` (with or without an offset), or a pattern such as `%Y%m%d`, for text.
        unit: For numbers: what they count, from `epoch`.
        epoch: The instant at which numbers start, ISO text; without an offset it is in `zone`.
        zone: Zone of times written without an offset; the mapping's `zone` when absent.
        at: Time of day that a date without a time stands for, `HH:MM:SS` in `zone`; in a column
            of times, midnight counts as "without a time" when this is given.
    """

    format: str = "iso"
    unit: TimeUnit | None = None
    epoch: str = "1970-01-01T00:00:00+00:00"
    zone: Zone | None = None
    at: str = Field(default="00:00:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d:[0-5]\d$")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.column is not None) + bool(self.first_of) != 1:
            raise ValueError("must have exactly one of column, first_of")
        if self.zone is not None:
            zone_rule(self.zone)
        return self


class EventId(Parameters):
    """What makes two source rows one event: exactly one of these.

    Attributes:
        columns: Columns whose values together name the event.
        content: The whole source record: equal records are one event.
        row: The place in the file: every row is its own event.
        prefix: Text put before the id, so that sources do not share ids by accident.
    """

    columns: tuple[str, ...] = ()
    content: bool = False
    row: bool = False
    prefix: str = ""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if bool(self.columns) + self.content + self.row != 1:
            raise ValueError("must have exactly one of columns, content, row")
        _no_repeats("columns", self.columns)
        return self


class Join(Parameters):
    """Columns of another file added to each row, by equal keys.

    Attributes:
        table: Name of a reference table of this mapping.
        by: Column of the source; `key` is its name in the table's file when it differs.
        add: Columns of the table's file.
    """

    table: str
    by: str
    key: str | None = None
    add: tuple[str, ...] = Field(min_length=1)


class FileFormat(Parameters):
    """Which files, and how they are written.

    Attributes:
        files: Names or patterns under the source folder; `.gz`, `.xz` and `.zst` are tried too.
        format: `csv`, `columns` (split at blanks), `json_lines` or `parquet`.
        header: Whether the first line names the columns (`csv`, `columns`).
        names: Names of the columns, for files without a header, or to replace it.
        separator: One character between fields of `csv`.
    """

    files: tuple[str, ...] = Field(min_length=1)
    format: Format
    header: bool = True
    names: tuple[str, ...] = ()
    separator: str = Field(default=",", min_length=1, max_length=1)

    @model_validator(mode="after")
    def _columns_once(self) -> Self:
        _no_repeats("names", self.names)
        if not self.header and not self.names and self.format in ("csv", "columns"):
            raise ValueError("must give names for a file without a header")
        return self


class Source(FileFormat):
    """Files of which each row is one event.

    Attributes:
        name: Name in the report and in the quarantine.
        type: Event type.
        event_id: What makes two rows one event.
        ts: When it happened.
        received_at: When it was learnt; at once when absent.
        anonymous_id: An id (device, cookie) that stands for the person while `customer_id` is null.
        fields: Columns of the log's contract.
        extra: Columns of the mapping's own.
        attributes: Source columns kept as one JSON text.
        joins: Columns added from reference tables first.
    """

    name: str = Field(min_length=1)
    type: Annotated[Value, BeforeValidator(_column_shorthand)]
    event_id: EventId
    ts: Annotated[Time, BeforeValidator(_column_shorthand)]
    received_at: Annotated[Time, BeforeValidator(_column_shorthand)] | None = None
    anonymous_id: Annotated[Value, BeforeValidator(_column_shorthand)] | None = None
    fields: dict[str, Annotated[Value, BeforeValidator(_column_shorthand)]]
    extra: dict[str, Extra] = Field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    joins: tuple[Join, ...] = ()

    @field_validator("fields")
    @classmethod
    def _known_targets(cls, fields: dict[str, Value]) -> dict[str, Value]:
        allowed = TARGETS.keys() - {"type", "attributes"}
        for name in fields:
            if name not in allowed:
                near = did_you_mean(name, allowed)
                raise ValueError(f"has {name!r}, which is no column of the log{near}")
        return fields

    @field_validator("extra")
    @classmethod
    def _new_names(cls, extra: dict[str, Extra]) -> dict[str, Extra]:
        for name in extra:
            if name in CONTRACT_NAMES:
                raise ValueError(f"names {name!r}, a column that the log has already")
            if not name.isidentifier():
                raise ValueError(f"has {name!r}, which must be letters, digits and underscores")
        return extra

    @property
    def values(self) -> dict[str, Value]:
        """All values by their name in the decoded log."""
        anonymous = {"anonymous_id": self.anonymous_id} if self.anonymous_id else {}
        return {"type": self.type, **self.fields, **anonymous, **self.extra}


class Basket(Parameters):
    """Lines with one `basket_id` of one person become one event (not a source row).

    Attributes:
        lines: Event type of the lines.
        type: Event type of the basket.
        count: Column that gets the number of lines.
    """

    lines: str
    type: str
    count: str = ""


class TableColumn(_Sourced):
    """A column of a reference table.

    Attributes:
        type: What it holds.
        unit: What money is written in.
        format: Pattern of a date or an instant written as text.
        missing: Source texts that mean "not known".
    """

    type: TableType = "text"
    unit: Literal["major", "cents"] = "major"
    format: str = "%Y-%m-%d"
    missing: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.column is not None) + bool(self.first_of) != 1:
            raise ValueError("must have exactly one of column, first_of")
        return self


class Table(FileFormat):
    """A reference table.

    Attributes:
        key: Columns of the table whose values together occur once; empty for no such rule.
        columns: Columns of the table by name.
        optional: Whether its files may be absent.
    """

    key: tuple[str, ...] = ()
    columns: dict[str, Annotated[TableColumn, BeforeValidator(_column_shorthand)]]
    optional: bool = False

    @model_validator(mode="after")
    def _key_is_there(self) -> Self:
        for name in self.key:
            if name not in self.columns:
                raise ValueError(f"has key {name!r}, which is none of its columns")
        return self


class Package(Parameters):
    """An installed package that holds the files as data; it is found, never imported.

    Attributes:
        name: Import name of the package.
        folder: Folder inside it.
    """

    name: str = Field(pattern=r"^[A-Za-z_]\w*$")
    folder: str = ""


class Mapping(Parameters):
    """How one data set becomes a log.

    Attributes:
        name: Name of the mapping.
        description: What the data are, and what was decided about them.
        zone: IANA zone in which the log's days and day-parts are meant.
        package: Where the files are when the source is named like the mapping.
        anonymous: What to do with an event without a customer: `keep` gives it a person of its
            own (its `anonymous_id`, else its event id), `refuse` quarantines it.
        first_year: Times before this year are quarantined.
        last_year: Times after this year are quarantined.
        sources: Files whose rows are events, in the order in which they are read.
        baskets: Lines grouped into one event.
        tables: Reference tables.
    """

    name: str = Field(min_length=1)
    description: str = ""
    zone: Zone
    package: Package | None = None
    anonymous: Literal["keep", "refuse"] = "keep"
    first_year: int = Field(default=1900, ge=1, le=9999)
    last_year: int = Field(default=2200, ge=1, le=9999)
    sources: tuple[Source, ...] = Field(min_length=1)
    baskets: Basket | None = None
    tables: dict[str, Table] = Field(default_factory=dict)

    @field_validator("zone")
    @classmethod
    def _zone_is_known(cls, zone: str) -> str:
        return zone_rule(zone)

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        _no_repeats("sources", tuple(source.name for source in self.sources))
        kinds: dict[str, str] = {}
        for source in self.sources:
            for join in source.joins:
                if join.table not in self.tables:
                    near = did_you_mean(join.table, self.tables)
                    raise ValueError(f"has a join with {join.table!r}, which is no table{near}")
            for name, extra in source.extra.items():
                if kinds.setdefault(name, extra.type) != extra.type:
                    raise ValueError(f"names {name!r} twice with different types")
        if self.baskets and self.baskets.count in kinds:
            raise ValueError(f"names {self.baskets.count!r} twice")
        if self.first_year > self.last_year:
            raise ValueError("has first_year after last_year")
        return self

    @property
    def extra_kinds(self) -> dict[str, Kind]:
        """Columns of the mapping's own with their kinds."""
        return {n: e.type for source in self.sources for n, e in source.extra.items()}


def shipped_mappings() -> tuple[str, ...]:
    """Return the names of the mappings inside this package.

    >>> "starbucks" in shipped_mappings()
    True
    """
    folder = importlib.resources.files("workbench.log") / "mappings"
    return tuple(sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml")))


def load_mapping(name: str | Path) -> Mapping:
    """Return a mapping by the name of a shipped one or by the path of a YAML file.

    Raises:
        ParameterError: No such mapping, or the file breaks the model.
        InputError: The file cannot be read.
    """
    text = str(name)
    if text in shipped_mappings():
        file = importlib.resources.files("workbench.log") / "mappings" / f"{text}.yaml"
        return Mapping.from_yaml(file.read_text(encoding="utf-8"), source=f"mapping {text}")
    path = Path(text)
    if path.suffix not in (".yaml", ".yml"):
        known = shipped_mappings()
        rule = f"must be one of {', '.join(known)}, or the path of a YAML file"
        raise ParameterError(problem("mapping", text, rule, hint=did_you_mean(text, known)))
    return Mapping.from_yaml(read_text(path), source=text)


def _no_repeats(name: str, values: tuple[str, ...]) -> None:
    """Raise ValueError when a name stands twice."""
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"has {value!r} twice in {name}")
