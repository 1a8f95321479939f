"""Turns the records of one source into events of the contract, and sets apart those that break it.

Owns the rules of a row (who, what, when, signs, ids). Owns no file and no rule across rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from workbench.errors import InputError, ParameterError, did_you_mean
from workbench.log.checks import Fault, Frame, Parsed, as_text, parsed, source_column, with_stages
from workbench.log.mapping import TARGETS, Mapping, Source
from workbench.log.schema import INSTANT
from workbench.log.sources import Batch
from workbench.log.times import instant

ANONYMOUS = "anonymous:"
_AMOUNT_NEEDED = ("purchase", "purchase_line", "refund", "refund_line")
_NEVER_NEGATIVE = ("amount_cents", "discount_cents", "quantity")
_MOST_EVENT_ID_CHARACTERS = 1_024


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of the records of a batch.

    Attributes:
        events: Events as `store.LogWriter` takes them.
        apart: `line`, `reason`, `column`, `detail`, `raw` of the others.
        types: Records by event type, before anything is set apart.
        source_types: The same by the source's own name of the type.
    """

    events: pl.DataFrame
    apart: pl.DataFrame
    types: pl.DataFrame
    source_types: pl.DataFrame


class EventMaker:
    """Makes the events of one file of one source."""

    def __init__(
        self, mapping: Mapping, source: Source, path: Path, tables: dict[str, pl.DataFrame]
    ) -> None:
        self._mapping = mapping
        self._source = source
        self._path = path
        self._where = str(path)
        self._joins = [self._join_table(tables[j.table], n) for n, j in enumerate(source.joins)]
        self._file = path.name.removesuffix(".gz").removesuffix(".xz").removesuffix(".zst")

    def make(self, batch: Batch, before: int) -> Checked:
        """Check a batch.

        Args:
            batch: Records of the file.
            before: What is added to a record's line to give its place in the whole input.
        """
        frame = self._joined(batch.frame)
        schema: Frame = dict(frame.schema)
        content, record_ids = self._content(batch)
        frame = frame.with_columns(batch.lines.alias("__line"))
        if record_ids is not None:
            frame = frame.with_columns(record_ids.alias("__record"))
        found = self._values(schema)
        values = {name: p.value for name, p in found.items()}
        parsing = [fault for p in found.values() for fault in p.faults]
        rules = self._rules(values)
        faults = [*parsing, *rules]
        source_type = self._source_type(schema)
        columns = {n: v for n, v in values.items() if n != "anonymous_id"}
        checked = (
            with_stages(frame.lazy(), found.values())
            .with_columns(
                **{f"__v_{n}": v for n, v in values.items()},
                __event_id=self._event_id(schema),
                __parsing=_first(parsing, 0),
            )
            .with_columns(__rules=_first(rules, len(parsing)))
            .with_columns(
                __fault=self._with_identity(pl.coalesce("__parsing", "__rules"), len(faults))
            )
            .select(
                pl.col("__fault"),
                pl.col("__event_id").alias("event_id"),
                self._person().alias("person_id"),
                *[pl.col(f"__v_{n}").alias(n) for n in columns],
                (pl.col("__line") + before).alias("ordinal"),
                source_type.alias("__source_type"),
            )
            .collect()
            .with_columns(content.alias("content"))
        )
        good = checked["__fault"].is_null()
        events = checked.filter(good) if not good.all() else checked
        apart = self._apart(frame, batch, checked["__fault"], faults)
        return Checked(
            events.drop("__fault", "__source_type"),
            apart,
            checked.group_by("type").len(),
            checked.group_by(pl.col("__source_type").alias("type")).len(),
        )

    def _values(self, schema: Frame) -> dict[str, Parsed]:
        source, mapping, where = self._source, self._mapping, self._where
        kinds = {**TARGETS, "anonymous_id": "text", **mapping.extra_kinds}
        years = (mapping.first_year, mapping.last_year)
        found: dict[str, Parsed] = {
            "ts": instant(schema, "ts", source.ts, mapping.zone, years, where=where)
        }
        if source.received_at:
            found["received_at"] = instant(
                schema, "received_at", source.received_at, mapping.zone, years, where=where
            )
        for name, value in source.values.items():
            found[name] = parsed(schema, name, value, kinds[name], where=where)
        if source.attributes:
            fields = []
            for path in source.attributes:
                expr, dtype = source_column(schema, path, where=where)
                text = dtype.is_temporal() or dtype.is_float() or dtype.is_decimal()
                fields.append((as_text(expr, dtype) if text else expr).alias(path))
            found["attributes"] = Parsed(pl.struct(fields).struct.json_encode())
        found.setdefault("customer_id", Parsed(pl.lit(None, dtype=pl.String)))
        return found

    def _rules(self, values: dict[str, pl.Expr]) -> list[Fault]:
        """Return the rules that hold between the values of one event."""
        type_name = pl.col("__v_type")
        null = pl.lit(None, dtype=pl.String)
        faults = [
            Fault("missing", name, pl.col(f"__v_{name}").is_null(), null, "must be there")
            for name in ("ts", "type")
        ]
        refund = type_name.str.starts_with("refund")
        for name in _NEVER_NEGATIVE:
            if name in values:
                value = pl.col(f"__v_{name}")
                rule = "must not be negative; only a refund's may be (a refund is its own type)"
                faults.append(
                    Fault("negative", name, (value < 0) & ~refund, value.cast(pl.String), rule)
                )
        if "amount_cents" in values:
            missing = type_name.is_in(_AMOUNT_NEEDED) & pl.col("__v_amount_cents").is_null()
            faults.append(
                Fault(
                    "missing",
                    "amount_cents",
                    missing,
                    null,
                    "must be there on a purchase or refund",
                )
            )
        customer = pl.col("__v_customer_id")
        reserved = customer.str.starts_with(ANONYMOUS)
        faults.append(
            Fault(
                "reserved", "customer_id", reserved, customer, f"must not begin with {ANONYMOUS!r}"
            )
        )
        if self._mapping.anonymous == "refuse":
            faults.append(
                Fault("no_customer", "customer_id", customer.is_null(), null, "must be there")
            )
        basket = self._mapping.baskets
        if basket:
            line = type_name == basket.lines
            has_basket = pl.col("__v_basket_id") if "basket_id" in values else pl.lit(None)
            faults.append(
                Fault(
                    "missing",
                    "basket_id",
                    line & has_basket.is_null(),
                    null,
                    "must be there on a line of a basket",
                )
            )
        return faults

    def _with_identity(self, number: pl.Expr, count: int) -> pl.Expr:
        """Add the two rules of the event id after all others."""
        event_id = pl.col("__event_id")
        return (
            pl.when(number.is_not_null())
            .then(number)
            .when(event_id.is_null())
            .then(pl.lit(count, dtype=pl.Int16))
            .when(event_id.str.len_chars() > _MOST_EVENT_ID_CHARACTERS)
            .then(pl.lit(count + 1, dtype=pl.Int16))
        )

    def _event_id(self, schema: Frame) -> pl.Expr:
        rule = self._source.event_id
        prefix = pl.lit(rule.prefix)
        if rule.row:
            return pl.concat_str(prefix, pl.lit(f"{self._file}:"), pl.col("__line"))
        if rule.content:
            return prefix + pl.col("__record")
        texts = []
        for path in rule.columns:
            expr, dtype = source_column(schema, path, where=self._where)
            text = as_text(expr, dtype)
            if not (dtype.is_integer() or dtype.is_temporal()):
                text = pl.when(text.str.strip_chars() != "").then(text)
                if len(rule.columns) > 1:  # so that "a:b" + "c" is not "a" + "b:c"
                    text = text.str.replace_all("%", "%25", literal=True)
                    text = text.str.replace_all(":", "%3A", literal=True)
            texts.append(text)
        joined = texts[0] if len(texts) == 1 else pl.concat_str(*texts, separator=":")
        return prefix + joined if rule.prefix else joined

    def _person(self) -> pl.Expr:
        own = pl.col("__event_id")
        if self._source.anonymous_id:
            own = pl.coalesce(pl.col("__v_anonymous_id"), own)
        return pl.coalesce(pl.col("__v_customer_id"), pl.lit(ANONYMOUS) + own)

    def _source_type(self, schema: Frame) -> pl.Expr:
        value = self._source.type
        if value.column is None or not value.names:
            return pl.col("__v_type")
        expr, dtype = source_column(schema, value.column, where=self._where)
        return as_text(expr, dtype)

    def _content(self, batch: Batch) -> tuple[pl.Series, pl.Series | None]:
        """Return a hash of each record for comparison, and its lasting digest where that is the id."""
        if not self._source.event_id.content:
            if batch.raw is not None:
                return batch.raw.hash(), None
            return _row_hash(batch), None
        records = batch.records()
        digests = [hashlib.blake2b(r.encode(), digest_size=16).hexdigest() for r in records]
        return records.hash(), pl.Series(digests, dtype=pl.String)

    def _apart(
        self, frame: pl.DataFrame, batch: Batch, number: pl.Series, faults: list[Fault]
    ) -> pl.DataFrame:
        apart = batch.bad.with_columns(column=pl.lit("", dtype=pl.String)).select(_APART)
        bad = number.is_not_null()
        if not bad.any():
            return apart
        faults = [
            *faults,
            Fault(
                "missing",
                "event_id",
                pl.lit(True),
                pl.lit(None, dtype=pl.String),
                "must be there and not blank",
            ),
            Fault(
                "too_long",
                "event_id",
                pl.lit(True),
                pl.lit("…"),
                f"must have at most {_MOST_EVENT_ID_CHARACTERS} characters",
            ),
        ]
        rows = frame.filter(bad).with_columns(number.filter(bad).alias("__fault"))
        kept = Batch(
            batch.frame.filter(bad),
            batch.lines.filter(bad),
            None if batch.raw is None else batch.raw.filter(bad),
        )
        rows = rows.with_columns(kept.records().alias("__raw"))
        found = self._values({n: d for n, d in rows.schema.items() if not n.startswith("__")})
        rows = with_stages(rows.lazy(), found.values()).collect()
        rows = rows.with_columns(**{f"__v_{n}": p.value for n, p in found.items()})
        explained = []
        for fault_number in rows["__fault"].unique().sort():
            fault = faults[fault_number]
            written = fault.shown.cast(pl.String).str.slice(0, 120)
            shown = pl.concat_str(pl.lit("'"), written, pl.lit("'")).fill_null("null")
            explained.append(
                rows.filter(pl.col("__fault") == fault_number).select(
                    pl.col("__line").alias("line"),
                    pl.lit(fault.reason).alias("reason"),
                    pl.lit(fault.name).alias("column"),
                    pl.concat_str(
                        pl.lit(f"{fault.name} was "), shown, pl.lit(f", {fault.rule}")
                    ).alias("detail"),
                    pl.col("__raw").alias("raw"),
                )
            )
        return pl.concat([apart, *explained]).sort("line")

    def _join_table(self, table: pl.DataFrame, number: int) -> pl.DataFrame:
        join = self._source.joins[number]
        key = join.key or join.by
        for name in (key, *join.add):
            if name not in table.columns:
                raise InputError(
                    f"table {join.table} has no column {name!r}{did_you_mean(name, table.columns)}"
                )
        small = table.select(pl.col(key).alias(join.by), *join.add)
        if small[join.by].is_duplicated().any():
            value = small.filter(pl.col(join.by).is_duplicated())[join.by][0]
            raise InputError(
                f"table {join.table} has {key} {value!r} more than once; a join needs it once"
            )
        return small

    def _joined(self, frame: pl.DataFrame) -> pl.DataFrame:
        for join, table in zip(self._source.joins, self._joins, strict=True):
            for name in join.add:
                if name in frame.columns:
                    raise ParameterError(
                        f"{self._where} has a column {name!r} already; the join with {join.table} adds it again"
                    )
            if join.by not in frame.columns:
                raise InputError(
                    f"{self._where} has no column {join.by!r}{did_you_mean(join.by, frame.columns)}"
                )
            if frame.schema[join.by] != table.schema[join.by]:
                table = table.with_columns(pl.col(join.by).cast(pl.String))  # noqa: PLW2901 - compared as text
                frame = frame.with_columns(pl.col(join.by).cast(pl.String))
            frame = frame.join(table, on=join.by, how="left", maintain_order="left")
        return frame


def _first(faults: list[Fault], start: int) -> pl.Expr:
    """Return the number of the first fault of a row, counted from start, or null."""
    return pl.coalesce(
        *[pl.when(f.when).then(pl.lit(n, dtype=pl.Int16)) for n, f in enumerate(faults, start)],
        pl.lit(None, dtype=pl.Int16),
    )


_APART = ["line", "reason", "column", "detail", "raw"]


def _row_hash(batch: Batch) -> pl.Series:
    try:
        return batch.frame.hash_rows()
    except pl.exceptions.PolarsError:  # a nested column has no hash of its own
        return batch.records().hash()


__all__ = ["INSTANT", "Checked", "EventMaker"]
