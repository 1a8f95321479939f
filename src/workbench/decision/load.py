"""Reads programme files. Owns no rule: the model does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from workbench.arguments import checked
from workbench.decision.programme import Programme
from workbench.errors import InputError, ParameterError, problem
from workbench.files import read_text

_ENDINGS = (".yaml", ".yml")


@checked
def load_programmes(path: str | Path | Sequence[str | Path]) -> tuple[Programme, ...]:
    """Read programmes from a file, a folder of them, or several of either.

    Files of a folder are read in the order of their names; that order is the order in which the
    programmes of one event are decided.

    Args:
        path: YAML files or folders.

    Returns:
        The programmes, checked.

    Raises:
        InputError: A file or folder does not exist or cannot be read.
        ParameterError: A programme breaks a rule, a name is used twice, or a folder holds none.

    >>> [programme.name for programme in load_programmes("params/programmes")]
    ['lunch_basket', 'nth_purchase', 'welcome_back']
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    files = [file for each in paths for file in _files(Path(each))]
    if not files:
        raise ParameterError("no programme file was named")
    programmes: dict[str, Programme] = {}
    origin: dict[str, Path] = {}
    for file in files:
        programme = Programme.from_yaml(read_text(file), source=str(file))
        if programme.name in programmes:
            rule = f"must be unique: {origin[programme.name]} has it too"
            raise ParameterError(problem("name", programme.name, rule, where=str(file)))
        programmes[programme.name] = programme
        origin[programme.name] = file
    return tuple(programmes.values())


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.iterdir() if each.suffix in _ENDINGS)
    if not found:
        raise InputError(f"{path} holds no programme; put a .yaml file into it")
    return found
