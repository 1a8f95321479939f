"""The stored decision log: Parquet parts, the state behind them and a manifest. Owns no decision.

A part's file name carries its digest, and the manifest is written last, in one step: a reader
sees the old decision log or the new one. What no manifest names is removed afterwards.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from workbench.decision.state import PERSONS_SCHEMA, CoreState
from workbench.errors import InputError, problem
from workbench.files import file_digest, read_text, whole_file, write_text
from workbench.params import digest_of

MANIFEST = "manifest.json"
FORMAT = "workbench decision log"
FORMAT_VERSION = 1
_MANIFEST_KEYS = ("parts", "state", "summary", "digest")


def write_part(folder: Path, number: int, decisions: pl.DataFrame) -> dict[str, Any]:
    """Write one part and return its entry in the manifest."""
    return _write(folder, f"decisions-{number:05d}", decisions)


def write_state(folder: Path, state: CoreState) -> dict[str, Any]:
    """Write the state behind the last event and return its entry in the manifest."""
    entry = _write(folder, "state", state.persons)
    return {
        **entry,
        "spec_version": state.spec_version,
        "position": None if state.position is None else list(state.position),
        "programmes": [list(each) for each in state.programmes],
    }


def write_manifest(
    folder: Path, parts: list[dict[str, Any]], state: dict[str, Any], summary: Mapping[str, Any]
) -> str:
    """Make the parts the decision log of the folder and return its digest."""
    body = {"parts": parts, "state": state, "summary": dict(summary)}
    digest = digest_of(body)
    manifest = {"format": FORMAT, "format_version": FORMAT_VERSION, "digest": digest, **body}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    named = {MANIFEST, ".lock", state["file"], *(part["file"] for part in parts)}
    for stray in folder.iterdir():
        ours = stray.name.startswith(("decisions-", "state-", ".decisions-", ".state-"))
        if ours and stray.name not in named:
            stray.unlink()
    return digest


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
    if version != FORMAT_VERSION or not all(key in manifest for key in _MANIFEST_KEYS):
        raise InputError(
            problem("format_version", version, f"must be {FORMAT_VERSION}", where=str(path))
        )
    for entry in [*manifest["parts"], manifest["state"]]:
        file = folder / entry["file"]
        if not file.exists() or file.stat().st_size != entry["bytes"]:
            raise InputError(f"{file} is missing or cut short; replay again")
    return manifest


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
        persons=pl.read_parquet(path, schema=PERSONS_SCHEMA),
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
