"""A notebook file before it runs: its cells, its parameters cell, its kernel. Executes nothing."""

from __future__ import annotations

import ast
import json
import warnings
from pathlib import Path
from typing import Any

from workbench.errors import InputError, ParameterError, did_you_mean, problem, shown
from workbench.files import read_text
from workbench.imports import quick_imports
from workbench.params import digest_of
from workbench.run.parameters import NotebookParameters
from workbench.run.results import RESULT_MIME

with quick_imports():
    import nbformat as _nbformat

KERNEL = "python3"
PARAMETERS_TAG = "parameters"
PRIVATE_TAG = "private"
"""Tag of a cell that shows a single customer: no page, run or committed notebook keeps its output."""

nbformat: Any = _nbformat
"""The library without its partial types; every use of it goes through here."""


def read_notebook(path: Path, *, where: str) -> Any:
    """Return a notebook as an ``nbformat`` node of version 4.

    Raises:
        InputError: The file is missing, not JSON or not a notebook.
    """
    text = read_text(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cell ids that are missing or double are mended
            notebook = nbformat.reads(text, as_version=4)
            nbformat.validate(notebook)
    except Exception as error:  # noqa: BLE001 - nbformat raises whatever the file makes it raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{where} is not a readable notebook: {reason}") from None
    return notebook


def source_digest(notebook: Any) -> str:
    """Return the digest of what a notebook does: cell kinds, sources and tags, no outputs."""
    return digest_of([[cell.cell_type, cell.source, sorted(tags(cell))] for cell in notebook.cells])


def tags(cell: Any) -> list[str]:
    """Return the tags of a cell."""
    found = cell.metadata.get("tags", [])
    return [str(tag) for tag in found] if isinstance(found, list) else []


def drop_private(notebook: Any) -> None:
    """Drop the outputs of the cells that show a single customer."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and PRIVATE_TAG in tags(cell):
            cell.outputs = []


def check_form(notebook: Any, model: type[NotebookParameters], *, where: str) -> None:
    """Check that a notebook can be run with its model.

    Raises:
        ParameterError: The kernel is another one, there is not exactly one parameters cell, or
            its names and defaults are not those of the model.
    """
    kernel = notebook.metadata.get("kernelspec", {}).get("name", "")
    if kernel != KERNEL:
        raise ParameterError(problem("kernelspec.name", kernel, f"must be {KERNEL}", where=where))
    cells = [cell for cell in notebook.cells if PARAMETERS_TAG in tags(cell)]
    if len(cells) != 1:
        raise ParameterError(
            f"{where}: must have exactly one cell tagged parameters, has {len(cells)}"
        )
    defaults = read_parameters_cell(cells[0].source, where=where)
    expected = {
        name: field.get_default(call_default_factory=True)
        for name, field in model.model_fields.items()
    }
    for name, value in defaults.items():
        if name not in expected:
            hint = did_you_mean(name, expected)
            raise ParameterError(
                f"{where}: the parameters cell sets {name}, which {model.__name__} has not{hint}"
            )
        if type(value) is not type(expected[name]) or value != expected[name]:
            raise ParameterError(
                f"{where}: {name} is {shown(value)} in the parameters cell "
                f"and {shown(expected[name])} in {model.__name__}"
            )
    absent = [name for name in expected if name not in defaults]
    if absent:
        raise ParameterError(f"{where}: the parameters cell does not set {', '.join(absent)}")


def read_parameters_cell(source: str, *, where: str) -> dict[str, bool | int | float | str]:
    r"""Return the names and values of a parameters cell without running it.

    >>> read_parameters_cell("seed: int = 7  # of the run\nrate = -0.5", where="n")
    {'seed': 7, 'rate': -0.5}

    Raises:
        ParameterError: A line is not one plain assignment of a scalar.
    """
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise ParameterError(
            f"{where}: the parameters cell is not Python (line {error.lineno})"
        ) from None
    values: dict[str, bool | int | float | str] = {}
    for statement in body:
        target: ast.expr | None = None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target = statement.target
        value = _scalar(getattr(statement, "value", None))
        if not isinstance(target, ast.Name) or value is None:
            raise ParameterError(
                f"{where}: line {statement.lineno} of the parameters cell must be "
                "one plain assignment, name = scalar"
            )
        if target.id in values:
            raise ParameterError(f"{where}: the parameters cell sets {target.id} twice")
        values[target.id] = value
    return values


def _scalar(node: ast.expr | None) -> bool | int | float | str | None:
    if node is None:
        return None
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return None
    return value if isinstance(value, bool | int | float | str) else None


def recorded_results(notebook: Any) -> dict[str, bool | int | float | str]:
    """Return what a notebook recorded with ``wb.record``, read from its outputs.

    Raises:
        InputError: A name was recorded twice with different values, or a record is malformed.
    """
    results: dict[str, bool | int | float | str] = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            record = output.get("data", {}).get(RESULT_MIME)
            if record is None:
                continue
            record = json.loads(record) if isinstance(record, str) else record
            name, value = record.get("name"), record.get("value")
            if not isinstance(name, str) or not isinstance(value, bool | int | float | str):
                raise InputError(f"a recorded result is malformed: {shown(dict(record))}")
            if name in results and results[name] != value:
                raise InputError(
                    f"result {name} was recorded twice: {shown(results[name])}, {shown(value)}"
                )
            results[name] = value
    return results
