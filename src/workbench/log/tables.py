"""Reads the reference tables that a mapping names. Owns no event.

A reference table is small and curated: it is read whole, and a row that breaks a rule is an error,
not a row in quarantine.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import polars as pl

from workbench.errors import InputError
from workbench.log.checks import Fault, Frame, Parsed, as_text, parsed, pick, with_stages
from workbench.log.mapping import Mapping, Table, TableColumn, Time, Value
from workbench.log.schema import Kind
from workbench.log.sources import find_files, read_batches
from workbench.log.times import instant

_WIDE_YEARS = (1, 9999)


def read_raw_tables(root: Path, mapping: Mapping) -> dict[str, pl.DataFrame]:
    """Return the source columns of every reference table whose files are there.

    Raises:
        InputError: Files are missing or broken, or a record cannot be taken apart.
    """
    found = {}
    for name, table in mapping.tables.items():
        files = find_files(root, table)
        if not files:
            if table.optional or root.is_file():
                continue
            raise InputError(f"{root} has no file {' or '.join(table.files)} for table {name}")
        found[name] = pl.concat([_read(path, name, mapping, table) for path in files])
    return found


def _read(path: Path, name: str, mapping: Mapping, table: Table) -> pl.DataFrame:
    columns = {p: not c.optional for c in table.columns.values() for p in c.paths}
    for source in mapping.sources:
        for join in source.joins:
            if join.table == name:
                columns.update(dict.fromkeys((join.key or join.by, *join.add), True))
    lists = frozenset(p for c in table.columns.values() if c.type == "list" for p in c.paths)
    frames = []
    for batch in read_batches(path, table, columns, lists=lists):
        if batch.bad.height:
            line, _, detail, _ = batch.bad.row(0)
            raise InputError(f"{path} line {line} {detail} (table {name})")
        frames.append(batch.frame)
    return pl.concat(frames)


def shape_table(name: str, table: Table, raw: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Return a reference table with the mapping's names and types.

    Raises:
        InputError: A value breaks its type, or a key is missing or occurs twice.
    """
    where = f"table {name}"
    schema: Frame = dict(raw.schema)
    found = {n: _parsed(schema, n, c, zone, where=where) for n, c in table.columns.items()}
    raw = with_stages(raw.lazy(), found.values()).collect()
    faults = [fault for p in found.values() for fault in p.faults]
    for fault in faults:
        _refuse(raw, fault, where)
    shaped = raw.select(**{n: p.value for n, p in found.items()})
    if table.key:
        nothing = shaped.select(
            pl.any_horizontal(pl.col(table.key).is_null()).arg_true()
        ).to_series()
        if nothing.len():
            raise InputError(f"{where} row {nothing[0] + 1} has no {', '.join(table.key)}, its key")
        keys = shaped.select(table.key)
        twice = keys.filter(keys.is_duplicated())
        if twice.height:
            raise InputError(
                f"{where} has the key {', '.join(map(repr, twice.row(0)))} more than once"
            )
    return shaped


def _parsed(schema: Frame, name: str, column: TableColumn, zone: str, *, where: str) -> Parsed:
    if column.type == "list":
        return _list(schema, name, column, where=where)
    if column.type in ("date", "instant"):
        return _date_or_instant(schema, name, column, zone, where=where)
    value = Value(
        column=column.column,
        first_of=column.first_of,
        optional=column.optional,
        unit=column.unit,
        missing=column.missing,
    )
    if column.type == "text":  # free text: the rules of ids do not hold for it
        return Parsed(parsed(schema, name, value, "text", where=where).value)
    return parsed(schema, name, value, cast("Kind", column.type), where=where)


def _list(schema: Frame, name: str, column: TableColumn, *, where: str) -> Parsed:
    picked = pick(
        schema,
        Value(column=column.column, first_of=column.first_of, optional=column.optional),
        where=where,
    )
    if picked is None:
        return Parsed(pl.lit(None, dtype=pl.List(pl.String)))
    source, dtype = picked
    if not isinstance(dtype, pl.List):
        raise InputError(f"{where}: {name} is read from a column of {dtype}, must be a list")
    return Parsed(source.cast(pl.List(pl.String)))


def _date_or_instant(
    schema: Frame, name: str, column: TableColumn, zone: str, *, where: str
) -> Parsed:
    time = Time(
        column=column.column,
        first_of=column.first_of,
        optional=column.optional,
        format=column.format,
    )
    picked = pick(schema, time, where=where)
    if picked is None:
        return Parsed(pl.lit(None, dtype=pl.Date))
    source, dtype = picked
    if column.type == "date" and isinstance(dtype, pl.Datetime | pl.Date):
        return Parsed(source.cast(pl.Date))
    if column.type == "date":
        text = as_text(source, dtype).str.strip_chars()
        text = pl.when((text != "") & ~text.is_in(list(column.missing))).then(text)
        date = text.str.to_date(column.format, strict=False)
        fault = Fault(
            "time_unreadable",
            name,
            text.is_not_null() & date.is_null(),
            text,
            f"must be a date written as {column.format}",
        )
        return Parsed(date, [fault])
    return instant(schema, name, time, zone, _WIDE_YEARS, where=where)


def _refuse(raw: pl.DataFrame, fault: Fault, where: str) -> None:
    rows = raw.select(fault.when.fill_null(value=False).alias("bad"), fault.shown.alias("shown"))
    if rows["bad"].any():
        first = int(rows["bad"].arg_max() or 0)
        raise InputError(
            f"{where} row {first + 1}: {fault.name} was {rows['shown'][first]!r}, {fault.rule}"
        )
