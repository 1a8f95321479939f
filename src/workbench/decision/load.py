"""Reads programme files, the house's file beside them and the tables that they name. Owns no rule.

Nothing outside the folder of a programme is read for it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.arguments import checked
from workbench.conditions import ColumnType
from workbench.decision.house import House, ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.reference import TablesOfLog, log_columns
from workbench.errors import InputError, ParameterError, problem
from workbench.files import read_text
from workbench.params import read_yaml

HOUSE_FILE = "house.yaml"
_ENDINGS = (".yaml", ".yml")
_KEY_OF_RULE = {"draws": ".csv", "policy": ".yaml"}


@checked
def load_programmes(
    path: str | Path | Sequence[str | Path],
    *,
    log: TablesOfLog | None = None,
    columns: Mapping[str, ColumnType] | None = None,
) -> ProgrammeSet:
    """Read programmes from a file, a folder of them, or several of either.

    Files of a folder are read in the order of their names; that order is the order in which the
    programmes of one event are decided. A ``house.yaml`` in the folder, or beside a file, holds
    for all of them; the folders must not have different ones. Folders inside a folder are not
    read: they hold what programmes name, or programmes of another house.

    Args:
        path: YAML files or folders.
        log: The log that they are meant for: conditions may then name its own columns too.
        columns: Names and types of further columns that conditions may name.

    Returns:
        The programmes in order with the rules of their house, checked.

    Raises:
        InputError: A file or folder does not exist or cannot be read.
        ParameterError: A programme or the house breaks a rule, a name is used twice, or a folder
            holds no programme.

    >>> [programme.name for programme in load_programmes("params/programmes/grocery")]
    ['lunch_basket', 'nth_purchase', 'welcome_back']
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    files = [file for each in paths for file in _files(Path(each))]
    if not files:
        raise ParameterError("no programme file was named")
    house, source = _house(files)
    own = {**(columns or {}), **(log_columns(log) if log is not None else {})}
    known = {**own, **house.known_columns}
    programmes: dict[str, Programme] = {}
    origin: dict[str, Path] = {}
    for file in files:
        values = _with_tables(read_yaml(read_text(file), source=str(file)), file)
        programme = Programme.from_mapping(values, source=str(file), columns=known)
        if programme.name in programmes:
            rule = f"must be unique: {origin[programme.name]} has it too"
            raise ParameterError(problem("name", programme.name, rule, where=str(file)))
        programmes[programme.name] = programme
        origin[programme.name] = file
    files_of = {name: str(file) for name, file in origin.items()}
    beside = {each for folder in {file.parent for file in files} for each in _files(folder)}
    return ProgrammeSet.of(
        tuple(programmes.values()),
        house,
        source=source,
        columns=own,
        files=files_of,
        whole=beside <= set(files),
    )


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(
        each
        for each in path.iterdir()
        if each.suffix in _ENDINGS and each.name != HOUSE_FILE and not each.is_dir()
    )
    if not found:
        raise InputError(f"{path} holds no programme; put a .yaml file into it")
    return found


def _house(files: Sequence[Path]) -> tuple[House, str]:
    """Return the one house of all files, and its file."""
    folders = dict.fromkeys(file.parent for file in files)
    houses = {
        folder: House.from_yaml(read_text(folder / HOUSE_FILE), source=str(folder / HOUSE_FILE))
        for folder in folders
        if (folder / HOUSE_FILE).is_file()
    }
    if not houses:
        return House(), HOUSE_FILE
    if len({house.digest for house in houses.values()}) > 1 or len(houses) < len(folders):
        named = ", ".join(str(folder) for folder in folders)
        raise ParameterError(
            f"programmes of several houses cannot run together: {named}; "
            f"give each folder the same {HOUSE_FILE}"
        )
    folder, house = next(iter(houses.items()))
    return house, str(folder / HOUSE_FILE)


def _with_tables(values: dict[str, Any], file: Path) -> dict[str, Any]:
    """Put the contents of the files that ``choose`` names in the place of their names."""
    choose = values.get("choose")
    if not isinstance(choose, Mapping):
        return values
    filled = dict(choose)
    for key, ending in _KEY_OF_RULE.items():
        name = choose.get(key)
        if not isinstance(name, str):
            continue
        table = _inside(file, f"choose.{key}", name, ending)
        text = read_text(table)
        filled[key] = _draws(text, table) if key == "draws" else read_yaml(text, source=str(table))
    return {**values, "choose": filled}


def _inside(file: Path, key: str, name: str, ending: str) -> Path:
    """Return the path of a named file, which must lie in the programme's folder."""
    folder = file.parent.resolve()
    path = (folder / name).resolve()
    if Path(name).is_absolute() or not path.is_relative_to(folder):
        rule = "must lie in the folder of the programme"
        raise ParameterError(problem(key, name, rule, where=str(file)))
    if path.suffix != ending:
        raise ParameterError(problem(key, name, f"must be a {ending} file", where=str(file)))
    if not path.is_file():
        raise ParameterError(problem(key, name, "is not a file that is there", where=str(file)))
    return path


def _draws(text: str, table: Path) -> dict[str, Any]:
    """Read a table of draws: a header of offer ids, then one draw a line."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error as error:
        raise ParameterError(f"{table}: not readable as CSV: {error}") from None
    if len(rows) < 2:  # noqa: PLR2004 - header and one draw
        raise ParameterError(f"{table}: must have a header of offers and at least one draw")
    header = [name.strip() for name in rows[0]]
    if len(set(header)) != len(header):
        raise ParameterError(f"{table}: names an offer twice in its header")
    columns: dict[str, list[float]] = {name: [] for name in header}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            rule = f"must have {len(header)} values, one for each offer"
            raise ParameterError(problem(f"line {number}", len(row), rule, where=str(table)))
        for name, value in zip(header, row, strict=True):
            try:
                columns[name].append(float(value))
            except ValueError:
                rule = "must be a number from 0 to 1"
                raise ParameterError(
                    problem(f"line {number}, {name}", value, rule, where=str(table))
                ) from None
    return {"propensity": columns}
