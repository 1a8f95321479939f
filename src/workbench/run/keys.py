"""What a result depends on: digests of folders, code, lock and a step's key. Runs nothing."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

from workbench.errors import InputError
from workbench.files import file_digest
from workbench.params import digest_of
from workbench.run.plan import PlannedStep

DISTRIBUTION = "event-offer-workbench"
_CODE = {".py", ".yaml", ".yml", ".json", ".css", ".js", ".html", ".j2", ".svg", ".csv"}


def path_digest(path: Path) -> str:
    """Return the digest of a file's bytes, or of a folder's file names and bytes.

    Names that begin with a dot (locks, temporary files) do not count.

    Raises:
        InputError: The path does not exist or cannot be read.
    """
    if path.is_file():
        return file_digest(path)
    if not path.is_dir():
        raise InputError(f"{path} does not exist")
    return digest_of({name: file_digest(path / name) for name in _names(path)})


def path_bytes(path: Path) -> int:
    """Return the size of a file, or of all files that count in a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum((path / name).stat().st_size for name in _names(path))


def _names(folder: Path) -> list[str]:
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inner = Path(parent).relative_to(folder)
        found += [(inner / name).as_posix() for name in files if not name.startswith(".")]
    return sorted(found)


@functools.cache
def code_digest() -> str:
    """Return the digest of the package's own source files."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for name in _names(package):
        file = package / name
        if file.suffix in _CODE and "__pycache__" not in file.parts:
            digest.update(f"{name}\0{file_digest(file)}\n".encode())
    return digest.hexdigest()


def lock_digest(root: Path) -> str | None:
    """Return the digest of the lock file, or None where the project has none."""
    lock = root / "requirements.lock"
    return file_digest(lock) if lock.is_file() else None


def step_key(step: PlannedStep, *, inputs: Mapping[str, str], lock: str | None) -> str:
    """Return the key of a step: equal keys give equal results.

    Args:
        step: The planned step.
        inputs: Parameter name → digest of what it reads.
        lock: Digest of the lock file.
    """
    return digest_of(
        {
            "notebook": step.notebook_digest,
            "parameters": step.parameters.digest,
            "inputs": dict(inputs),
            "code": code_digest(),
            "lock": lock,
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        }
    )


def commit(root: Path) -> dict[str, str | bool] | None:
    """Return the commit of the project and whether its tree was clean; None outside git."""
    found = _git(root, "rev-parse", "HEAD")
    if found is None:
        return None
    status = _git(root, "status", "--porcelain")
    return {"id": found.strip(), "clean": status is not None and not status.strip()}


def _git(root: Path, *words: str) -> str | None:
    try:
        ended = subprocess.run(  # noqa: S603 - fixed words
            ["git", "-C", str(root), *words],  # noqa: S607 - git is found as the user finds it
            capture_output=True,
            check=True,
            text=True,
            timeout=30,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return ended.stdout


@functools.cache
def package_versions() -> dict[str, str]:
    """Return the versions of this package and of what it depends on, as they are installed."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        required = []
    names = {
        DISTRIBUTION,
        *(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0] for line in required),
    }
    versions = {}
    for name in sorted(names):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
