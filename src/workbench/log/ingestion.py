"""Drives an ingestion: sources through a mapping into a stored log, with every row counted.

Owns the order of the steps and the counts. The old log stays whole until the new one replaces it
in one step; a second ingestion of the same input writes nothing.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, WorkbenchError, problem
from workbench.files import file_digest, locked, whole_file
from workbench.log.events import Checked, EventMaker
from workbench.log.log import open_log, read_manifest
from workbench.log.mapping import Mapping, Source, load_mapping
from workbench.log.report import IngestReport
from workbench.log.schema import QUARANTINE, SCHEMA_VERSION
from workbench.log.sources import Batch, find_files, find_root, parquet_rows, read_batches
from workbench.log.store import (
    Apart,
    BasketRule,
    LogWriter,
    publish,
    remove_generations,
    write_table,
)
from workbench.log.tables import read_raw_tables, shape_table
from workbench.params import digest_of

Progress = Callable[[int, int | None], None]
"""Called with the source rows done and, where it can be told, about how many there are."""

_UNNAMED = "(none)"
_MOST_PARTS = 4_096


@checked
def ingest(
    source: str | Path,
    mapping: str | Path | Mapping,
    out: str | Path,
    *,
    parts: int = 8,
    progress: Progress | None = None,
) -> IngestReport:
    """Read source files through a mapping into a stored log.

    Args:
        source: A folder, a file, or the name of an installed data package that the mapping names.
        mapping: The name of a shipped mapping, the path of a YAML file, or a mapping.
        out: Folder of the log; a log that is there is replaced as a whole.
        parts: Number of person buckets, each a Parquet file; more parts need less memory.
        progress: Called as rows are read.

    Returns:
        The counts: source rows = accepted + duplicates + quarantined.

    Raises:
        ParameterError: The mapping breaks a rule.
        InputError: A source is missing, unreadable, cut short, or lacks a column.
        LockedError: Another process writes the same log.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = ingest("cdnow_sample", "cdnow_sample", folder)
    >>> report.text
    'Every source row is accounted for: 6,919 rows = 6,919 accepted + 0 duplicates + 0 quarantined. The log holds 6,919 events of 2,357 customers.'
    """
    if not 1 <= parts <= _MOST_PARTS:
        raise ParameterError(problem("parts", parts, f"must be 1 to {_MOST_PARTS}"))
    model = mapping if isinstance(mapping, Mapping) else load_mapping(mapping)
    root = find_root(source, model.package, model.name)
    files = _files(root, model)
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; the log needs a folder")
    try:
        with locked(folder):
            return _ingest(folder, root, files, model, parts=parts, progress=progress)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from None


@dataclass
class _Counts:
    """What has been seen so far."""

    rows: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    duplicates: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    source_types: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Span:
    """The places in the whole input that a file takes: after `before`, up to `end`."""

    source: Source
    path: Path
    before: int
    end: int


def _files(root: Path, mapping: Mapping) -> list[tuple[Source, Path]]:
    found = []
    for source in mapping.sources:
        files = find_files(root, source)
        if not files and root.is_file() and len(mapping.sources) == 1:
            files = [root]
        if not files and not root.is_file():
            raise InputError(
                f"{root} has no file {' or '.join(source.files)} for source {source.name}"
            )
        found += [(source, path) for path in files]
    if not found:
        raise InputError(f"{root} fits no source of mapping {mapping.name}")
    return found


def _input_digest(
    root: Path, files: list[tuple[Source, Path]], mapping: Mapping, parts: int
) -> str:
    tables = [(n, p) for n, t in mapping.tables.items() for p in find_files(root, t)]
    named = [(s.name, p) for s, p in files] + tables
    digests = {p: file_digest(p) for p in {p for _, p in named}}
    return digest_of(
        {
            "schema": SCHEMA_VERSION,
            "mapping": mapping.digest,
            "parts": parts,
            "files": [[name, path.name, digests[path]] for name, path in named],
        }
    )


def _ingest(
    folder: Path,
    root: Path,
    files: list[tuple[Source, Path]],
    mapping: Mapping,
    *,
    parts: int,
    progress: Progress | None,
) -> IngestReport:
    key = _input_digest(root, files, mapping, parts)
    current = _current(folder, key)
    if current:
        return current
    generation = folder / f"generation-{key[:16]}"
    if generation.exists():
        generation = folder / f"generation-{key[:16]}-again"
    _remove_unfinished(folder)
    try:
        manifest = _generation(generation, root, files, mapping, parts=parts, progress=progress)
        publish(folder, generation, {**manifest, "input_digest": key})
    except BaseException:
        shutil.rmtree(generation, ignore_errors=True)
        raise
    return IngestReport.from_json(manifest["report"], log=folder, up_to_date=False)


def _current(folder: Path, key: str) -> IngestReport | None:
    """Return the report of the log that is there, if it is whole and of the same input."""
    try:
        manifest = read_manifest(folder)
        if manifest.get("input_digest") != key:
            return None
        open_log(folder)
        generation = folder / str(manifest["generation"])
        files = manifest.get("files", {})
        if not files or any(file_digest(generation / n) != d for n, d in files.items()):
            return None  # a file has changed since it was written: make the log again
    except WorkbenchError:
        return None
    return IngestReport.from_json(manifest["report"], log=folder, up_to_date=True)


def _remove_unfinished(folder: Path) -> None:
    try:
        keep = str(read_manifest(folder)["generation"])
    except WorkbenchError:
        keep = ""
    remove_generations(folder, keep=keep)


def _generation(
    generation: Path,
    root: Path,
    files: list[tuple[Source, Path]],
    mapping: Mapping,
    *,
    parts: int,
    progress: Progress | None,
) -> dict[str, Any]:
    raw_tables = read_raw_tables(root, mapping)
    tables = {n: shape_table(n, mapping.tables[n], t, mapping.zone) for n, t in raw_tables.items()}
    rule = mapping.baskets
    basket = BasketRule(rule.lines, rule.type, rule.count) if rule else None
    writer = LogWriter(generation, parts=parts, extra=mapping.extra_kinds, basket=basket)
    quarantine = _Quarantine(generation)
    counts = _Counts()
    spans: list[_Span] = []
    total = _Total(files, progress)
    before = 0
    for source, path in files:
        maker = EventMaker(mapping, source, path, raw_tables)
        end = before
        for batch in _batches(source, path):
            checked = maker.make(batch, before)
            writer.add(checked.events)
            quarantine.add(source.name, path.name, checked.apart)
            _count(counts, source.name, batch, checked)
            end = before + max(_last(batch.lines), _last(batch.bad["line"]), end - before)
            total.add(batch)
        spans.append(_Span(source, path, before, end))
        before = end
        total.end_of_file()
    apart = writer.set_apart()
    _count_apart(counts, apart, spans, quarantine)
    manifest = writer.finish(apart)
    quarantined = quarantine.finish()
    entries = {n: write_table(t, generation / f"table-{n}.parquet") for n, t in tables.items()}
    report = _report(generation.parent, mapping, counts, manifest, tables)
    stated = {n: v for n, v in report.as_json().items() if n not in ("log", "up_to_date")}
    return {
        **manifest,
        "zone": mapping.zone,
        "mapping": {"name": mapping.name, "digest": mapping.digest},
        "tables": entries,
        "quarantine": quarantined,
        "report": stated,
    }


def _batches(source: Source, path: Path) -> Iterator[Batch]:
    columns: dict[str, bool] = {}
    joined = {name for join in source.joins for name in join.add}
    values = [
        source.ts,
        *([source.received_at] if source.received_at else []),
        *source.values.values(),
    ]
    for value in values:
        columns |= {p: not value.optional for p in value.paths if p not in joined}
    columns |= dict.fromkeys(source.event_id.columns, True)
    columns |= {join.by: True for join in source.joins}
    for name in source.attributes:
        columns.setdefault(name, True)
    return read_batches(path, source, columns)


def _last(lines: pl.Series) -> int:
    return int(lines[-1]) if lines.len() else 0


def _count(counts: _Counts, name: str, batch: Batch, checked: Checked) -> None:
    counts.rows[name] += batch.frame.height + batch.bad.height
    counts.quarantined[name] += checked.apart.height
    counts.reasons.update(dict(checked.apart.group_by("reason").len().iter_rows()))
    for frame, counter in (
        (checked.types, counts.types),
        (checked.source_types, counts.source_types),
    ):
        counter.update({t or _UNNAMED: n for t, n in frame.iter_rows()})
        counter.update({_UNNAMED: batch.bad.height} if batch.bad.height else {})


def _count_apart(
    counts: _Counts, apart: Apart, spans: list[_Span], quarantine: _Quarantine
) -> None:
    """Count the duplicates by source and quarantine the conflicts with their records."""
    for span in spans:
        inside = pl.col("ordinal").is_between(span.before, span.end, closed="right")
        counts.duplicates[span.source.name] += apart.duplicates.filter(inside).height
        conflicts = apart.conflicts.filter(inside)
        if not conflicts.height:
            continue
        wanted = conflicts.select((pl.col("ordinal") - span.before).alias("line"), "event_id")
        for batch in _batches(span.source, span.path):
            again = batch.lines.is_in(wanted["line"].implode())
            if not again.any():
                continue
            kept = Batch(
                batch.frame.filter(again),
                batch.lines.filter(again),
                None if batch.raw is None else batch.raw.filter(again),
            )
            rows = pl.DataFrame({"line": kept.lines, "raw": kept.records()}).join(
                wanted, on="line", maintain_order="left"
            )
            detail = pl.concat_str(
                pl.lit("event_id was '"),
                pl.col("event_id").str.slice(0, 120),
                pl.lit("', came before with different content"),
            )
            quarantine.add(
                span.source.name,
                span.path.name,
                rows.select(
                    "line",
                    pl.lit("same_id_different_content").alias("reason"),
                    pl.lit("event_id").alias("column"),
                    detail.alias("detail"),
                    "raw",
                ),
            )
        counts.quarantined[span.source.name] += conflicts.height
        counts.reasons["same_id_different_content"] += conflicts.height


def _report(
    folder: Path,
    mapping: Mapping,
    counts: _Counts,
    manifest: dict[str, Any],
    tables: dict[str, pl.DataFrame],
) -> IngestReport:
    by_source = {
        s.name: {
            "rows": counts.rows[s.name],
            "accepted": counts.rows[s.name]
            - counts.duplicates[s.name]
            - counts.quarantined[s.name],
            "duplicates": counts.duplicates[s.name],
            "quarantined": counts.quarantined[s.name],
        }
        for s in mapping.sources
    }
    total = {
        k: sum(c[k] for c in by_source.values())
        for k in ("rows", "accepted", "duplicates", "quarantined")
    }
    derived = manifest["derived"]
    if manifest["events"] - derived != total["accepted"]:  # counted apart, on the stored rows
        raise InputError(
            f"{folder}: {total['accepted']} rows should be accepted, {manifest['events'] - derived} were "
            "stored; this is a fault of the workbench, the log was not replaced"
        )
    return IngestReport(
        log=folder,
        mapping=mapping.name,
        rows_in=total["rows"],
        accepted=total["accepted"],
        duplicates=total["duplicates"],
        quarantined=total["quarantined"],
        derived=derived,
        events=manifest["events"],
        persons=manifest["persons"],
        by_source=by_source,
        by_type_in=dict(sorted(counts.types.items())),
        by_source_type_in=dict(sorted(counts.source_types.items())),
        by_type=manifest["counts"],
        by_reason=dict(sorted(counts.reasons.items())),
        tables={n: t.height for n, t in tables.items()},
        digest=manifest["digest"],
    )


class _Quarantine:
    """Keeps rows that were set apart: source, file, line, reason, column, detail, record."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pieces: list[Path] = []

    def add(self, source: str, file: str, rows: pl.DataFrame) -> None:
        if not rows.height:
            return
        path = self._folder / f"quarantine-{len(self._pieces):06d}.arrow"
        rows.select(
            pl.lit(source).alias("source"),
            pl.lit(file).alias("file"),
            "line",
            "reason",
            "column",
            "detail",
            "raw",
        ).write_ipc(path)
        self._pieces.append(path)

    def finish(self) -> dict[str, Any]:
        path = self._folder / "quarantine.parquet"
        if not self._pieces:
            nothing = pl.DataFrame(schema=QUARANTINE)
            return write_table(nothing, path)
        with whole_file(path) as temporary:
            pl.concat([pl.scan_ipc(p) for p in self._pieces]).sink_parquet(temporary)
        for piece in self._pieces:
            piece.unlink()
        rows = pl.scan_parquet(path).select(pl.len()).collect().item()
        return {"file": path.name, "rows": rows, "bytes": path.stat().st_size}


class _Total:
    """Says how far the reading is; the total is exact for Parquet, else told from bytes read."""

    def __init__(self, files: list[tuple[Source, Path]], progress: Progress | None) -> None:
        self._progress = progress
        self._stated = [parquet_rows(p) if s.format == "parquet" else None for s, p in files]
        self._file = 0
        self._done = 0
        self._done_before = 0

    def add(self, batch: Batch) -> None:
        self._done += batch.frame.height + batch.bad.height
        if not self._progress:
            return
        here = self._done - self._done_before
        this = self._stated[self._file]
        about = (
            this if this is not None else round(here / batch.fraction) if batch.fraction else None
        )
        rest = self._stated[self._file + 1 :]
        known = about is not None and all(n is not None for n in rest)
        total = self._done_before + (about or 0) + sum(n or 0 for n in rest) if known else None
        self._progress(self._done, total)

    def end_of_file(self) -> None:
        self._file += 1
        self._done_before = self._done
        if self._progress and self._file == len(self._stated):
            self._progress(self._done, self._done)
