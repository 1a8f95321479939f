"""The stored decision log: Parquet parts, the state behind them and a manifest. Owns no decision.

A part's file name carries its digest, and the manifest is written last, in one step: a reader
sees the old decision log or the new one. What no manifest names is removed afterwards.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from workbench.decision.budgets import Ledger
from workbench.decision.state import CoreState
from workbench.errors import InputError, problem
from workbench.files import file_digest, read_text, whole_file, write_text
from workbench.params import digest_of

MANIFEST = "manifest.json"
FORMAT = "workbench decision log"
FORMAT_VERSION = 3
_MANIFEST_KEYS = ("parts", "candidates", "state", "summary", "programmes", "digest")
_KINDS = ("decisions", "candidates", "state")


@dataclass
class Stored:
    """Where decisions go while they are made: into a folder, or into memory.

    Attributes:
        folder: Folder of the decision log; none: memory.
        candidates: Whether there is a candidate table too.
    """

    folder: Path | None
    candidates: bool = False
    _kept: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, manifest: Mapping[str, Any]) -> Stored:
        """Return what a manifest names."""
        stored = cls(folder, candidates=bool(manifest["candidates"]))
        for kind, key in (("decisions", "parts"), ("candidates", "candidates")):
            for number, entry in enumerate(manifest[key]):
                stored._kept.setdefault((number, 0), {})[kind] = entry
        return stored

    def put(
        self, place: tuple[int, int], decisions: pl.DataFrame, candidates: pl.DataFrame | None
    ) -> dict[str, Any]:
        """Put one piece away and return what :meth:`keep` needs; several threads may do so.

        Args:
            place: Number of the part and of the window.
            decisions: Rows of the decision log.
            candidates: Rows of the candidate table, or none.
        """
        frames = {"decisions": decisions}
        if self.candidates and candidates is not None:
            frames["candidates"] = candidates
        if self.folder is None:
            return {"place": place, **frames}
        names = "{:05d}-{:05d}".format(*place)
        entries = {
            kind: _write(self.folder, f"{kind}-{names}", frame) for kind, frame in frames.items()
        }
        return {"place": place, **entries}

    def keep(self, stored: Mapping[str, Any]) -> None:
        """Make a piece part of the decision log; one of the same place before it is forgotten."""
        self._kept[stored["place"]] = dict(stored)

    def entries(self) -> dict[str, list[dict[str, Any]]]:
        """Return the entries of the manifest: part after part, each in the order of time."""
        return {"parts": self._all("decisions"), "candidates": self._all("candidates")}

    def frames(self, kind: str) -> tuple[pl.DataFrame, ...]:
        """Return what was kept in memory, part after part."""
        return tuple(self._all(kind)) if self.folder is None else ()

    def paths(self, kind: str) -> tuple[Path, ...]:
        """Return the files that were written, part after part."""
        folder = self.folder
        return () if folder is None else tuple(folder / each["file"] for each in self._all(kind))

    def _all(self, kind: str) -> list[Any]:
        return [
            self._kept[place][kind] for place in sorted(self._kept) if kind in self._kept[place]
        ]


def write_state(folder: Path, state: CoreState) -> dict[str, Any]:
    """Write the state behind the last event and return its entry in the manifest."""
    entry = _write(folder, "state", state.persons)
    return {
        **entry,
        "spec_version": state.spec_version,
        "position": None if state.position is None else list(state.position),
        "programmes": [list(each) for each in state.programmes],
        "spent": [[*account, amount] for account, amount in sorted(state.ledger.spent.items())],
        "closings": [
            [*account, *place] for account, place in sorted(state.ledger.closings.items())
        ],
    }


def write_manifest(
    folder: Path,
    entries: Mapping[str, list[dict[str, Any]]],
    state: dict[str, Any],
    summary: Mapping[str, Any],
    programmes: Mapping[str, Any],
) -> str:
    """Make the parts the decision log of the folder and return its digest."""
    body = {
        **entries,
        "state": state,
        "summary": dict(summary),
        "programmes": dict(programmes),
    }
    digest = digest_of(body)
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, "digest": digest, **body}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    files = (each["file"] for several in entries.values() for each in several)
    named = {MANIFEST, ".lock", state["file"], *files}
    for stray in folder.iterdir():
        ours = stray.name.lstrip(".").startswith(tuple(f"{kind}-" for kind in _KINDS))
        if ours and stray.name not in named:
            stray.unlink()
    return digest


def part_of(file: Path) -> int:
    """Return the number of the part whose decisions a file of a decision log holds.

    >>> part_of(Path("decisions-00003-00000-9d0adf4edac7c0b1.parquet"))
    3
    """
    return int(file.name.split("-")[1])


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a decision log whose parts are all there.

    Raises:
        InputError: There is none, it is of another kind or version, or a part is missing.
    """
    path = folder / MANIFEST
    if not path.exists():
        raise InputError(f"{folder} holds no decision log ({MANIFEST} is missing); replay first")
    try:
        manifest = json.loads(read_text(path))
    except ValueError as error:
        raise InputError(f"{path} is not readable as JSON: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{path} is not the manifest of a decision log")
    version = manifest.get("format_version")
    if version != FORMAT_VERSION:
        raise InputError(
            problem("format_version", version, f"must be {FORMAT_VERSION}", where=str(path))
        )
    absent = [key for key in _MANIFEST_KEYS if key not in manifest]
    if absent:
        raise InputError(f"{path} lacks {absent[0]}; replay again")
    for entry in [*manifest["parts"], *manifest["candidates"], manifest["state"]]:
        file = folder / entry["file"]
        if not file.exists() or file.stat().st_size != entry["bytes"]:
            raise InputError(f"{file} is missing or cut short; replay again")
    return manifest


def own_folder(out: str | Path, log: object) -> Path:
    """Return the folder of a decision log, after checking that nothing else would be harmed.

    Args:
        out: A folder that is not there yet, is empty, or holds a decision log.
        log: The log that is replayed; its folder is never written.

    Raises:
        InputError: It is a file, holds something else, or is, holds or lies in the log.

    >>> own_folder("pyproject.toml", None)
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: out was 'pyproject.toml', must be a folder and is a file
    """
    folder, source = Path(out), getattr(log, "path", None)
    if folder.exists() and not folder.is_dir():
        raise InputError(problem("out", str(out), "must be a folder and is a file"))
    if source is not None:
        mine, its = folder.resolve(), Path(source).resolve()
        if mine.is_relative_to(its) or its.is_relative_to(mine):
            raise InputError(problem("out", str(out), f"must lie apart from the log {source}"))
    if folder.is_dir():
        _refuse_others(folder)
    return folder


def _refuse_others(folder: Path) -> None:
    """Refuse a folder that holds something that no replay wrote."""
    ours = (MANIFEST, ".lock", *(f"{kind}-" for kind in _KINDS))
    others = [
        each.name
        for each in sorted(folder.iterdir())
        if not each.name.startswith(ours) and not each.name.lstrip(".").startswith(ours)
    ]
    rule = "must be empty or hold a decision log; choose another folder"
    if others:
        raise InputError(problem("out", str(folder), f"holds {others[0]} and {rule}"))
    manifest = folder / MANIFEST
    if manifest.exists() and f'"{FORMAT}"' not in manifest.read_text(errors="replace")[:200]:
        raise InputError(problem("out", str(folder), f"holds another {MANIFEST} and {rule}"))


def check_bytes(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Check that the parts of a decision log are those that were written, byte for byte.

    Raises:
        InputError: A part has changed.
    """
    for entry in [*manifest["parts"], *manifest["candidates"]]:
        if file_digest(folder / entry["file"]) != entry["sha256"]:
            raise InputError(
                f"{folder / entry['file']} has changed since it was written; replay again"
            )


def load_state(folder: str | Path) -> CoreState:
    """Read the state behind a stored decision log, to go on from it.

    Raises:
        InputError: There is none, or its bytes are not those that were written.
    """
    folder = Path(folder)
    entry = read_manifest(folder)["state"]
    path = folder / entry["file"]
    if file_digest(path) != entry["sha256"]:
        raise InputError(f"{path} is not the state that was saved; replay again")
    position = entry["position"]
    return CoreState(
        programmes=tuple((name, digest) for name, digest in entry["programmes"]),
        spec_version=entry["spec_version"],
        position=None if position is None else (position[0], position[1]),
        persons=pl.read_parquet(path),
        ledger=Ledger(
            {(budget, period): amount for budget, period, amount in entry["spent"]},
            {
                (budget, period): (us, seq, key)
                for budget, period, us, seq, key in entry["closings"]
            },
        ),
    )


def _write(folder: Path, stem: str, frame: pl.DataFrame) -> dict[str, Any]:
    """Write a frame under a name that carries its digest."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1, row_group_size=1 << 17)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    name = f"{stem}-{digest[:16]}.parquet"
    with whole_file(folder / name) as temporary:
        temporary.write_bytes(content)
    return {"file": name, "rows": frame.height, "bytes": len(content), "sha256": digest}
