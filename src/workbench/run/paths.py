"""The project root and the paths of a run. Owns no file content.

Paths in parameters are relative to the project root, so that a notebook reads the same file in
JupyterLab, under papermill and under the runner, whatever the working directory is.
"""

from __future__ import annotations

import os
from pathlib import Path

from workbench.errors import InputError, ParameterError, problem

ROOT_VARIABLE = "WORKBENCH_ROOT"
_OWN = frozenset(("notebooks", "params", "src", "tests", "tools", "docs", "benchmarks"))


def root(start: Path | None = None) -> Path:
    """Return the project root: ``WORKBENCH_ROOT``, else the nearest folder upwards that is one.

    A folder is a project root when it holds ``notebooks/`` and ``params/``.

    Args:
        start: Where to begin; the working directory by default.

    Raises:
        InputError: The variable names no folder, or no folder upwards is a project root.
    """
    named = os.environ.get(ROOT_VARIABLE)
    if named:
        folder = Path(named)
        if not folder.is_dir():
            raise InputError(problem(ROOT_VARIABLE, named, "must name an existing folder"))
        return folder.resolve()
    first = (start or Path.cwd()).resolve()
    for folder in (first, *first.parents):
        if (folder / "notebooks").is_dir() and (folder / "params").is_dir():
            return folder
    raise InputError(
        f"no project root above {first}: a root holds notebooks/ and params/; "
        f"change to the project folder or set {ROOT_VARIABLE}"
    )


def resolve(path: str | Path, *, base: Path | None = None) -> Path:
    """Return the absolute path of one that is relative to the project root.

    >>> resolve("runs/demo/log", base=Path("/project")).as_posix()
    '/project/runs/demo/log'
    >>> resolve("/data/log", base=Path("/project")).as_posix()
    '/data/log'
    """
    given = Path(path)
    return given if given.is_absolute() else Path(os.path.normpath((base or root()) / given))


def shown_path(path: str | Path, *, base: Path) -> str:
    """Return a path as it may stand in a manifest: relative to the root, or its name alone.

    >>> shown_path("/project/runs/demo", base=Path("/project"))
    'runs/demo'
    >>> shown_path("/home/someone/data.csv", base=Path("/project"))
    'outside/data.csv'
    """
    absolute = resolve(path, base=base)
    if absolute.is_relative_to(base):
        return absolute.relative_to(base).as_posix()
    return f"outside/{absolute.name}"


def relative_to_here(path: Path) -> str:
    """Return a path as a person in the working directory would type it."""
    return Path(os.path.relpath(path)).as_posix()


def inside_root(name: str, path: str, *, base: Path, where: str) -> Path:
    """Return the absolute path of an output, inside the project but not among its own files.

    Raises:
        ParameterError: The path leaves the root, is the root itself, or lies in a folder of the
            project's own files or in one whose name begins with a dot.
    """
    absolute = resolve(path, base=base)
    if absolute == base or not absolute.is_relative_to(base):
        raise ParameterError(
            problem(name, path, "must be a path inside the project, such as runs/demo", where=where)
        )
    first = absolute.relative_to(base).parts[0]
    if first in _OWN or first.startswith("."):
        rule = f"must not lie in {first}, the project's own files; write under runs"
        raise ParameterError(problem(name, path, rule, where=where))
    return absolute


def within(inner: Path, outer: Path) -> bool:
    """Say whether two paths are the same or the first lies inside the second.

    >>> within(Path("runs/demo/log/parts"), Path("runs/demo/log"))
    True
    """
    return inner == outer or inner.is_relative_to(outer)
