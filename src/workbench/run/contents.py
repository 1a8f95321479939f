"""Reads the files that parameters name, with their own readers, before a run. Owns no format.

A misspelt key in a programme is then found before the first cell, not after the log is made.
"""

# ruff: noqa: PLC0415 - a run loads only the readers of what its steps name
from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from workbench.errors import WorkbenchError
from workbench.run.parameters import NotebookParameters, Reads


def check(given: NotebookParameters, inputs: Mapping[str, Path], *, base: Path, where: str) -> None:
    """Read what the parameters of a step name: archives, mappings, programmes, segments, worlds.

    Args:
        given: The checked parameters.
        inputs: Parameter name → what it reads; what is not there yet is left out by the caller.
        base: The project root; errors name files relative to it.
        where: Named first in every error.

    Raises:
        ParameterError: A file breaks a rule of its reader.
        InputError: A file, or the data that a mapping is for, does not exist or cannot be read.
    """
    for name, reads in given.readers().items():
        path = inputs.get(name, Path(getattr(given, name)))
        try:
            _READERS[reads](path)
            if reads == "mapping" and "source" in given.roles() and "source" not in inputs:
                _shipped_source(str(getattr(given, "source", "")), path)
        except WorkbenchError as error:
            raise type(error)(f"{where}: {error}".replace(f"{base}/", "")) from None


def _mapping(path: Path) -> None:
    from workbench.log.mapping import load_mapping

    load_mapping(path)


def _shipped_source(source: str, path: Path) -> None:
    """Check that a source that is no path is the data that the mapping names."""
    from workbench.log.mapping import load_mapping
    from workbench.log.sources import find_root

    mapping = load_mapping(path)
    find_root(source, mapping.package, mapping.name)


def _programmes(path: Path) -> None:
    from workbench.decision import load_programmes

    load_programmes(path)


def _segments(path: Path) -> None:
    from workbench.profile import load_segments

    load_segments(path)


def _world(path: Path) -> None:
    from workbench.world import load_world

    load_world(path)


def _archive(path: Path) -> None:
    from workbench.run.sources import prior_of

    if path.as_posix() != "none":
        prior_of(path)


_READERS: Mapping[Reads, Callable[[Path], None]] = {
    "archive": _archive,
    "mapping": _mapping,
    "programmes": _programmes,
    "segments": _segments,
    "world": _world,
}
