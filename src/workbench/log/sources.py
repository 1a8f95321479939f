"""Finds source files and reads them in bounded batches. Owns no mapping of columns to events.

CSV, text in blank-separated columns, JSON lines and Parquet; plain, gzip, xz or zstd. Text stays
text: no type is guessed. A record that cannot be taken apart (not UTF-8, not JSON, a wrong number of
fields) is handed on with its line and a reason; a file that ends early or is not what it should
be is an error.
"""

from __future__ import annotations

import gzip
import importlib.util
import io
import lzma
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.log.mapping import FileFormat, Package
from workbench.log.text_records import CsvRecords, JsonRecords, check_columns, no_bad_records

SUFFIXES = (".gz", ".xz", ".zst")
_BLOCK_BYTES = 16 << 20
_MOST_RECORD_BYTES = 64 << 20
_BATCH_ROWS = 1 << 18
_FIRST_DAY = -719_162  # 0001-01-01, in days since 1970
_LAST_DAY = 2_932_896  # 9999-12-31
_DAY = {"ms": 86_400_000, "us": 86_400_000_000}  # nanoseconds reach the years 1677 to 2262 only


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of a file, taken apart.

    Attributes:
        frame: One row a record; text formats have text columns only.
        lines: Place of each record in the file: line (text) or row (Parquet), from 1.
        raw: The records as text, or None where they are made from the frame on request.
        bad: Records that could not be taken apart: `line`, `reason`, `detail`, `raw`.
        fraction: How much of the file has been read, 0 to 1.
    """

    frame: pl.DataFrame
    lines: pl.Series
    raw: pl.Series | None
    bad: pl.DataFrame = field(default_factory=no_bad_records)
    fraction: float = 1.0

    def records(self) -> pl.Series:
        """Return every record as text: the line itself, or the row as JSON."""
        if self.raw is not None:
            return self.raw
        return self.frame.select(
            pl.struct(_json_able(self.frame)).struct.json_encode().alias("raw")
        )["raw"]


def find_root(source: str | Path, package: Package | None, mapping: str) -> Path:
    """Return the folder or file that a source names: a path, or an installed package's data.

    Raises:
        InputError: It does not exist.
    """
    path = Path(source)
    if path.exists():
        return path
    if package and str(source) in (package.name, mapping):
        spec = importlib.util.find_spec(package.name)
        places = list(spec.submodule_search_locations or ()) if spec else []
        for place in places:
            folder = Path(place) / package.folder
            if folder.is_dir():
                return folder
        raise InputError(
            f"package {package.name} with its data is not installed; install it with pip"
        )
    known = [package.name, mapping] if package else []
    raise InputError(
        problem(
            "source",
            str(source),
            "must be a folder or a file that exists",
            hint=did_you_mean(str(source), known),
        )
    )


def find_files(root: Path, wanted: FileFormat) -> list[Path]:
    """Return the files under a root that a format names, in order of the patterns, then names.

    Raises:
        InputError: A file is there twice, plain and compressed.
    """
    if root.is_file():
        plain = _plain_name(root)
        fits = any(Path(plain).match(p) or root.match(p) for p in wanted.files)
        return [root] if fits else []
    found: dict[str, Path] = {}
    for pattern in wanted.files:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise ParameterError(problem("files", pattern, "must stay inside the source folder"))
        for path in sorted(p for s in ("", *SUFFIXES) for p in root.glob(pattern + s)):
            if not path.is_file():
                continue
            key = str(path.parent / _plain_name(path))
            if found.setdefault(key, path) != path:
                raise InputError(f"{found[key].name} and {path.name} are both in {root}; keep one")
    return list(found.values())


def _plain_name(path: Path) -> str:
    return path.stem if path.suffix in SUFFIXES else path.name


def parquet_rows(path: Path) -> int | None:
    """Return the number of rows that a plain Parquet file states, or None for another file."""
    with path.open("rb") as handle:
        if handle.read(4) != b"PAR1":
            return None
    with _reading(path):
        return int(pq.ParquetFile(path).metadata.num_rows)


def read_batches(
    path: Path,
    wanted: FileFormat,
    columns: dict[str, bool],
    *,
    lists: frozenset[str] = frozenset(),
    batch_rows: int = _BATCH_ROWS,
) -> Iterator[Batch]:
    """Give the records of a file in batches.

    Args:
        path: The file.
        wanted: How it is written.
        columns: Source columns that are read, and whether each must be there. A dot goes into a
            nested field.
        lists: Columns that hold a list of texts (JSON lines, Parquet).
        batch_rows: Most rows of a Parquet batch.

    Raises:
        InputError: The file is empty, ends early, is not what its format says, or lacks a column.
    """
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes)")
    with _reading(path):
        if wanted.format == "parquet":
            yield from _parquet(path, columns, batch_rows)
            return
        some = False
        for batch in _text(path, wanted, columns, lists):
            if batch.lines.len() or batch.bad.height:
                some = True
                yield batch
        if not some:
            raise InputError(f"{path} holds no records")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what readers raise on a broken file into an error that names it."""
    try:
        yield
    except EOFError:
        raise InputError(f"{path} ends early: it was cut short; fetch it again") from None
    except (lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is damaged: {error}; fetch it again") from None
    except (pa.ArrowException, OSError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read: {text}") from None
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} cannot be read: {' '.join(str(error).split())[:200]}") from None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], float]]]:
    """Open a file, decompressed by its first bytes, and tell how much of it has been read."""
    with path.open("rb") as file:
        head = file.read(6)
        file.seek(0)
        size = max(path.stat().st_size, 1)
        stream: IO[bytes]
        if head[:2] == b"\x1f\x8b":
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=file))
        elif head == b"\xfd7zXZ\x00":
            stream = cast("IO[bytes]", lzma.LZMAFile(file))  # noqa: SIM115 - the file below it is closed
        elif head[:4] == b"\x28\xb5\x2f\xfd":
            stream = cast("IO[bytes]", _Zstd(file))
        else:
            stream = file
        yield stream, lambda: file.tell() / size


class _Zstd(io.RawIOBase):
    """A zstd stream that notices when it ends early, which Arrow's own does not say clearly."""

    def __init__(self, file: IO[bytes]) -> None:
        self._stream = pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")

    def read(self, size: int = -1) -> bytes:
        try:
            return bytes(self._stream.read(size))
        except OSError as error:
            if "runcated" in str(error):
                raise EOFError(str(error)) from None
            raise

    def readable(self) -> bool:
        return True


def _text(
    path: Path, wanted: FileFormat, columns: dict[str, bool], lists: frozenset[str]
) -> Iterator[Batch]:
    with _opened(path) as (stream, fraction):
        taker = (
            JsonRecords(path, columns, lists)
            if wanted.format == "json_lines"
            else CsvRecords(path, wanted, columns)
        )
        line = 1
        for number, block in enumerate(_blocks(path, stream, quoted=wanted.format == "csv")):
            if number == 0:
                if block[:2] in (b"\xff\xfe", b"\xfe\xff"):
                    raise InputError(f"{path} is UTF-16; save it as UTF-8")
                block = block.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901 - without its mark
            frame, lines, raw, bad = taker.take(block, line)
            line += block.count(b"\n")
            yield Batch(frame, lines, raw, bad, fraction())
        taker.finish()


def _blocks(path: Path, stream: IO[bytes], *, quoted: bool) -> Iterator[bytes]:
    """Give whole lines, about 16 MB at a time; a quoted field may go over several lines."""
    rest = b""
    while chunk := stream.read(_BLOCK_BYTES):
        data = rest + chunk
        cut = data.rfind(b"\n") + 1
        if quoted:
            quotes = data.count(b'"', 0, cut)
            while cut and quotes % 2:
                earlier = data.rfind(b"\n", 0, cut - 1) + 1
                quotes -= data.count(b'"', earlier, cut)
                cut = earlier
        if not cut and len(data) > _MOST_RECORD_BYTES:
            raise InputError(
                f"{path} has a record of more than {_MOST_RECORD_BYTES >> 20} MB: "
                f"{_start(data)}; is a quote left open?"
            )
        if cut:
            yield data[:cut]
        rest = data[cut:]
    if rest:
        if quoted and rest.count(b'"') % 2:
            raise InputError(
                f"{path} has a quote that is never closed, in the records from {_start(rest)}"
            )
        yield rest


def _start(data: bytes) -> str:
    return repr(data[:60].decode("utf-8", "backslashreplace"))


def _parquet(path: Path, columns: dict[str, bool], batch_rows: int) -> Iterator[Batch]:
    with path.open("rb") as handle:
        packed = handle.read(4) != b"PAR1"
    if packed:
        with _opened(path) as (stream, _), tempfile.TemporaryFile() as plain:
            while chunk := stream.read(_BLOCK_BYTES):
                plain.write(chunk)
            yield from _parquet_batches(path, pq.ParquetFile(plain), columns, batch_rows)
        return
    yield from _parquet_batches(path, pq.ParquetFile(path), columns, batch_rows)


def _parquet_batches(
    path: Path, file: pq.ParquetFile, columns: dict[str, bool], batch_rows: int
) -> Iterator[Batch]:
    names = list(file.schema_arrow.names)
    check_columns(path, names, columns)
    rows, done = file.metadata.num_rows, 0
    if not rows:
        raise InputError(f"{path} holds no records")
    for batch in file.iter_batches(batch_size=batch_rows):
        frame = cast("pl.DataFrame", pl.from_arrow(pa.Table.from_batches([batch])))
        frame = frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))
        lines = pl.int_range(done + 1, done + frame.height + 1, dtype=pl.Int64, eager=True)
        done += frame.height
        frame, lines, bad = _without_impossible_times(frame, lines)
        yield Batch(frame, lines, None, bad, done / rows)


def _without_impossible_times(
    frame: pl.DataFrame, lines: pl.Series
) -> tuple[pl.DataFrame, pl.Series, pl.DataFrame]:
    """Set records apart with a time outside the years 1 to 9999, which cannot even be shown."""
    bad = pl.Series("bad", [False]).new_from_index(0, frame.height)
    physical = {}
    for name, dtype in frame.schema.items():
        a_day = _DAY.get(dtype.time_unit) if isinstance(dtype, pl.Datetime) else 1
        if not isinstance(dtype, pl.Datetime | pl.Date) or a_day is None:
            continue
        physical[name] = frame[name].to_physical()
        outside = ~physical[name].is_between(_FIRST_DAY * a_day, (_LAST_DAY + 1) * a_day - 1)
        bad |= outside.fill_null(value=False)
    if not bad.any():
        return frame, lines, no_bad_records()
    shown = frame.with_columns(**physical).filter(bad)
    records = Batch(shown, lines.filter(bad), None).records()
    detail = "has a time outside the years 1 to 9999"
    apart = pl.DataFrame({"line": lines.filter(bad), "raw": records}).select(
        "line",
        pl.lit("time_out_of_range").alias("reason"),
        pl.lit(detail).alias("detail"),
        "raw",
    )
    return frame.filter(~bad), lines.filter(~bad), apart


def _json_able(frame: pl.DataFrame) -> list[pl.Expr]:
    """Write what JSON has no form for (times, NaN) as text."""
    return [
        pl.col(name).cast(pl.String)
        if dtype.is_temporal() or dtype.is_float() or dtype.is_decimal()
        else pl.col(name)
        for name, dtype in frame.schema.items()
    ]


__all__ = ["Batch", "find_files", "find_root", "parquet_rows", "read_batches"]
