"""The manifest of a step and of a run: what it is made of, its schema, reading and writing.

Owns the form of ``manifest.json``; what happened is told to it. No path of a machine stands in
a manifest: paths are relative to the project root.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from workbench.errors import InputError, WorkbenchError
from workbench.files import write_text
from workbench.imports import quick_imports

with quick_imports():
    import jsonschema

SCHEMA = 1

StepStatus = Literal["done", "failed", "timeout", "kernel_died", "interrupted"]
RunStatus = Literal[
    "done", "up_to_date", "failed", "timeout", "kernel_died", "interrupted", "not_run"
]

EXIT_CODES: Mapping[RunStatus, int] = {
    "done": 0,
    "up_to_date": 0,
    "failed": 1,
    "timeout": 124,
    "kernel_died": 138,
    "interrupted": 143,
}


def instant(moment: dt.datetime) -> str:
    """Return an instant as it stands in a manifest, in UTC to the second.

    >>> instant(dt.datetime(2024, 5, 1, 12, 30, 5, tzinfo=dt.UTC))
    '2024-05-01T12:30:05Z'
    """
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@functools.cache
def schema() -> dict[str, Any]:
    """Return the JSON Schema of manifests."""
    file = resources.files("workbench.run") / "schemas" / "manifest.schema.json"
    read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


@functools.cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(schema())


def check(manifest: Mapping[str, Any], *, where: str) -> None:
    """Check a manifest against its schema.

    Raises:
        WorkbenchError: It breaks the schema; the first break is named.
    """
    kind = "run" if manifest.get("kind") == "run" else "step"
    part = {**schema()["$defs"][kind], "$defs": schema()["$defs"]}
    error = next(
        iter(sorted(_validator().evolve(schema=part).iter_errors(manifest), key=str)), None
    )
    if error is not None:
        place = ".".join(str(name) for name in error.absolute_path) or "the manifest"
        raise WorkbenchError(f"{where}: {place} breaks the schema: {error.message[:200]}")


def write(path: Path, manifest: Mapping[str, Any]) -> None:
    """Check a manifest and write it whole.

    Raises:
        WorkbenchError: It breaks the schema.
    """
    check(manifest, where=path.name)
    text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read(path: Path) -> dict[str, Any] | None:
    """Return a manifest, or None when there is none that holds.

    A manifest that is damaged or of another schema counts as absent: its step runs again.
    """
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        check(manifest, where=path.name)
    except (OSError, ValueError, AttributeError, WorkbenchError):
        return None
    return manifest


def read_run(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run folder.

    Raises:
        InputError: The folder holds no run.
    """
    manifest = read(folder / "manifest.json")
    if manifest is None or manifest["kind"] != "run":
        raise InputError(f"{folder} holds no run: its manifest.json is missing or damaged")
    return manifest
