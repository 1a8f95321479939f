"""Takes blocks of text apart into records: separated fields and JSON lines. Opens no file.

Each taker turns whole lines into a frame of text columns, and sets apart, with line and reason,
every record that it cannot take apart. Blank lines are not records.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import polars as pl

from workbench.errors import InputError, ParameterError, did_you_mean
from workbench.log.mapping import FileFormat

Taken = tuple[pl.DataFrame, pl.Series, pl.Series, pl.DataFrame]
Bad = tuple[int, str, str, str]

_BAD_SCHEMA = {"line": pl.Int64, "reason": pl.String, "detail": pl.String, "raw": pl.String}
_DEEPEST = 200
_LOOKED_AT = 1_000


def no_bad_records() -> pl.DataFrame:
    """Return an empty frame of bad records."""
    return pl.DataFrame(schema=_BAD_SCHEMA)


def check_columns(path: Path, names: list[str], columns: dict[str, bool]) -> None:
    """Refuse a file that names a column twice or lacks one.

    Raises:
        InputError: As said.
    """
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path} names the column {name!r} twice")
    for name, required in columns.items():
        if required and name not in names and name.split(".")[0] not in names:
            raise InputError(f"{path} has no column {name!r}{did_you_mean(name, names)}")


def _lines(block: bytes, line: int) -> tuple[list[str], list[int], list[Bad]]:
    """Return the lines that are UTF-8 and not blank, their numbers, and the others."""
    bad: list[Bad] = []
    try:
        texts = block.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        texts = []
        for n, part in enumerate(block.split(b"\n")):
            try:
                texts.append(part.decode("utf-8"))
            except UnicodeDecodeError as error:
                texts.append("")
                raw = part.decode("utf-8", "backslashreplace")
                bad.append((line + n, "not_utf8", f"is not UTF-8 at byte {error.start}", raw))
    kept = [(t.removesuffix("\r"), line + n) for n, t in enumerate(texts) if t and not t.isspace()]
    return [t for t, _ in kept], [n for _, n in kept], bad


def _frame_of_bad(bad: list[Bad]) -> pl.DataFrame:
    return pl.DataFrame(bad, schema=_BAD_SCHEMA, orient="row")


class CsvRecords:
    """Takes separated fields apart; an empty field is null."""

    def __init__(self, path: Path, wanted: FileFormat, columns: dict[str, bool]) -> None:
        self._path = path
        self._blanks = wanted.format == "columns"
        self._separator = " " if self._blanks else wanted.separator
        self._names = list(wanted.names)
        self._header = wanted.header
        self._columns = columns
        if not self._header:
            check_columns(self._path, self._names, self._columns)

    def take(self, block: bytes, line: int) -> Taken:
        """Take apart a block; fields in quotes go the slower way."""
        if not self._blanks and b'"' in block:
            return self._take_quoted(block, line)
        texts, numbers, bad = _lines(block, line)
        if self._header and texts:
            self._read_header(self._split(texts[0]))
            texts, numbers = texts[1:], numbers[1:]
        raw, lines = (
            pl.Series("raw", texts, dtype=pl.String),
            pl.Series("line", numbers, dtype=pl.Int64),
        )
        clean = raw.str.strip_chars().str.replace_all(r"\s+", " ") if self._blanks else raw
        width = len(self._names)
        if not texts:  # blank lines only: perhaps the header is still to come
            return pl.DataFrame(), lines, raw, _frame_of_bad(bad)
        fields = clean.str.count_matches(self._separator, literal=True) + 1
        if (fields != width).any():
            for text, number, n in zip(
                raw.filter(fields != width),
                lines.filter(fields != width),
                fields.filter(fields != width),
                strict=True,
            ):
                bad.append((number, "field_count", f"has {n} fields, must have {width}", text))
            good = fields == width
            raw, lines, clean = raw.filter(good), lines.filter(good), clean.filter(good)
        frame = self._split_all(clean)
        return frame, lines, raw, _frame_of_bad(bad)

    def finish(self) -> None:
        """Nothing is left to check: the header was, when it was read."""

    def _split_all(self, texts: pl.Series) -> pl.DataFrame:
        width = len(self._names)
        if width == 1:
            frame = texts.to_frame(self._names[0])
        else:
            frame = texts.str.split_exact(self._separator, width - 1).struct.unnest()
            frame.columns = self._names
        return frame.with_columns(
            pl.when(pl.col(pl.String) != "").then(pl.col(pl.String))  # an empty field is null
        )

    def _take_quoted(self, block: bytes, line: int) -> Taken:
        rows: list[list[str]] = []
        numbers: list[int] = []
        bad: list[Bad] = []
        text = block.decode("utf-8", "surrogateescape").replace("\r\n", "\n")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._separator)
        before = 0
        try:
            for row in reader:
                number, before = line + before, reader.line_num
                if not row or (len(row) == 1 and not row[0].strip()):
                    continue
                if self._header:
                    self._read_header(row)
                    continue
                try:
                    "".join(row).encode()
                except UnicodeEncodeError:
                    raw = _written(row, self._separator)
                    shown = raw.encode("utf-8", "surrogateescape").decode(
                        "utf-8", "backslashreplace"
                    )
                    bad.append((number, "not_utf8", "is not UTF-8", shown))
                    continue
                if len(row) != len(self._names):
                    detail = f"has {len(row)} fields, must have {len(self._names)}"
                    bad.append((number, "field_count", detail, _written(row, self._separator)))
                    continue
                rows.append(row)
                numbers.append(number)
        except csv.Error as error:
            raise InputError(
                f"{self._path} cannot be read as CSV near line {line + before}: {error}"
            ) from None
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(self._names)
        frame = pl.DataFrame(
            {
                n: pl.Series(values, dtype=pl.String)
                for n, values in zip(self._names, columns, strict=True)
            }
        ).with_columns(pl.when(pl.col(pl.String) != "").then(pl.col(pl.String)))
        raw_rows = pl.Series(
            "raw", [_written(row, self._separator) for row in rows], dtype=pl.String
        )
        return frame, pl.Series("line", numbers, dtype=pl.Int64), raw_rows, _frame_of_bad(bad)

    def _split(self, text: str) -> list[str]:
        return text.split() if self._blanks else text.split(self._separator)

    def _read_header(self, row: list[str]) -> None:
        self._header = False
        found = [name.strip() for name in row]
        if self._names and len(self._names) != len(found):
            raise InputError(
                f"{self._path} has {len(found)} columns, the mapping names {len(self._names)}"
            )
        if not self._names:
            self._names = found
        check_columns(self._path, self._names, self._columns)


def _written(row: list[str], separator: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="").writerow(row)
    return out.getvalue()


class JsonRecords:
    """Takes JSON lines apart: the columns that are read, as text, nested fields by their path."""

    def __init__(self, path: Path, columns: dict[str, bool], lists: frozenset[str]) -> None:
        self._path = path
        self._columns = columns
        self._type = _record_type(columns, lists)
        self._unseen = {name for name, required in columns.items() if required}
        self._known: set[str] = set()

    def take(self, block: bytes, line: int) -> Taken:
        """Take apart a block; a block with a broken record goes the slower way."""
        texts, numbers, bad = _lines(block, line)
        if not self._known and texts and texts[0].lstrip().startswith("["):
            raise InputError(f"{self._path} holds a JSON array, must be one object a line")
        raw, lines = (
            pl.Series("raw", texts, dtype=pl.String),
            pl.Series("line", numbers, dtype=pl.Int64),
        )
        if len(self._known) == 0:
            self._look(texts[:_LOOKED_AT])
        deep = raw.str.count_matches(r"[\[{]") > _DEEPEST
        try:
            if deep.any():
                raise pl.exceptions.ComputeError("nested too deep")
            decoded = raw.str.json_decode(self._type)
        except pl.exceptions.PolarsError:
            raw, lines, decoded, worse = self._one_by_one(raw, lines)
            bad += worse
        frame = _flat(
            decoded.struct.unnest() if decoded.len() else _empty(self._type), self._columns
        )
        self._unseen -= {n for n in self._unseen if frame[n].null_count() < frame.height}
        return frame, lines, raw, _frame_of_bad(sorted(bad))

    def finish(self) -> None:
        """Refuse a file in which no record has a column that is read."""
        for name in sorted(self._unseen):
            raise InputError(
                f"{self._path} has no column {name!r} in any record{did_you_mean(name, self._known)}"
            )

    def _look(self, texts: list[str]) -> None:
        for text in texts:
            try:
                self._known |= _paths(json.loads(text), "")
            except (ValueError, RecursionError):
                continue
        self._unseen -= self._known

    def _one_by_one(
        self, raw: pl.Series, lines: pl.Series
    ) -> tuple[pl.Series, pl.Series, pl.Series, list[Bad]]:
        bad: list[Bad] = []
        keep: list[bool] = []
        for text, number in zip(raw, lines, strict=True):
            fault = _fault(text, self._columns)
            keep.append(fault is None)
            if fault:
                bad.append((number, *fault, text))
        good = pl.Series(keep, dtype=pl.Boolean)
        raw, lines = raw.filter(good), lines.filter(good)
        try:
            return raw, lines, raw.str.json_decode(self._type), bad
        except pl.exceptions.PolarsError:
            return self._halved(raw, lines, bad)

    def _halved(
        self, raw: pl.Series, lines: pl.Series, bad: list[Bad]
    ) -> tuple[pl.Series, pl.Series, pl.Series, list[Bad]]:
        """Find the records that Python reads and the fast reader does not."""
        good: list[tuple[pl.Series, pl.Series, pl.Series]] = []
        work = [(raw, lines)]
        while work:
            texts, numbers = work.pop()
            try:
                good.append((texts, numbers, texts.str.json_decode(self._type)))
            except pl.exceptions.PolarsError:
                if texts.len() == 1:
                    bad.append(
                        (
                            numbers[0],
                            "not_json",
                            "holds a value out of the range of JSON readers",
                            texts[0],
                        )
                    )
                    continue
                half = texts.len() // 2
                work += [(texts[half:], numbers[half:]), (texts[:half], numbers[:half])]
        if not good:
            empty = pl.Series("raw", [], dtype=pl.String)
            return empty, lines.clear(), pl.Series([], dtype=self._type), bad
        return (
            pl.concat([g[0] for g in good]),
            pl.concat([g[1] for g in good]),
            pl.concat([g[2] for g in good]),
            bad,
        )


def _record_type(columns: dict[str, bool], lists: frozenset[str]) -> pl.Struct:
    """Return the type of a record in which every column that is read is text."""
    tree: dict[str, Any] = {}
    for path in columns:
        *parents, leaf = path.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ParameterError(
                    f"column {path!r} goes into {parent!r}, which is read as a value too"
                )
        if isinstance(place.get(leaf), dict):
            raise ParameterError(f"column {path!r} is read as a value and as the parent of others")
        place[leaf] = pl.List(pl.String) if path in lists else pl.String()
    return _struct(tree)


def _struct(tree: dict[str, Any]) -> pl.Struct:
    return pl.Struct({n: _struct(t) if isinstance(t, dict) else t for n, t in tree.items()})


def _empty(record: pl.Struct) -> pl.DataFrame:
    return pl.DataFrame(schema={f.name: f.dtype for f in record.fields})


def _flat(frame: pl.DataFrame, columns: dict[str, bool]) -> pl.DataFrame:
    return frame.select([nested(path).alias(path) for path in columns])


def nested(path: str) -> pl.Expr:
    """Return the expression of a nested field by its path."""
    first, *rest = path.split(".")
    value = pl.col(first)
    for name in rest:
        value = value.struct.field(name)
    return value


def _paths(value: object, prefix: str) -> set[str]:
    if not isinstance(value, dict):
        return set()
    return {p for k, v in value.items() for p in ({prefix + k} | _paths(v, f"{prefix}{k}."))}


def _not_json(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _fault(text: str, columns: dict[str, bool]) -> tuple[str, str] | None:
    """Return why a record cannot be read, or None."""
    try:
        value = json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError) as error:
        return "not_json", f"is not valid JSON: {error}" if str(error) else "is nested too deep"
    if not isinstance(value, dict):
        return "not_json", f"is a JSON {type(value).__name__}, must be an object"
    if sum(text.count(c) for c in "[{") > _DEEPEST:
        return "not_json", f"has more than {_DEEPEST} objects and lists"
    for path in columns:
        place: Any = value
        *parents, leaf = path.split(".")
        for parent in parents:
            place = place.get(parent) if place is not None else None
            if place is not None and not isinstance(place, dict):
                return (
                    "not_a_value",
                    f"has a {type(place).__name__} at {parent!r}, must be an object",
                )
        found = place.get(leaf) if place is not None else None
        if isinstance(found, dict):
            return "not_a_value", f"has an object at {path!r}, must be a single value"
    return None
