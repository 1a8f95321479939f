"""The committed form of a notebook: the same run gives the same bytes. Judges no content."""

from __future__ import annotations

import copy
import json
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from workbench.errors import InputError, WorkbenchError
from workbench.files import read_text, write_text
from workbench.run import cells, paths
from workbench.run.cells import nbformat
from workbench.run.process import NotebookProcess

_WIDGET = "application/vnd.jupyter.widget-view+json"
_KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
_LOCAL_PATH = re.compile(r"(?:/(?:home|root|Users)/|[A-Z]:\\+Users\\+)[^\s'\"<>)]*")
_ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")


def normalise(notebook: Any, *, where: str = "the notebook", root: Path | None = None) -> Any:
    """Return a notebook in the committed form.

    Metadata of papermill, of execution and of widgets, what stands on standard error, and the
    injected cell are left out; ids are ``cell-000`` onwards; the cells that were run are counted
    1 to n; tags are kept. A cell that was never run stays without a count. A cell tagged ``private``
    keeps no output.

    Args:
        notebook: An ``nbformat`` node; it is not changed.
        where: Name of the notebook in errors.
        root: Project root; an output that shows it is refused.

    Raises:
        InputError: An output shows a path of this machine or a memory address, or the injected
            values are not those of the parameters cell.
    """
    source = copy.deepcopy(notebook)
    _drop_injected(source, where=where)
    count = 0
    normal = []
    for number, cell in enumerate(source.cells):
        kept = nbformat.NotebookNode(
            cell_type=cell.cell_type,
            id=f"cell-{number:03d}",
            metadata=nbformat.NotebookNode(
                {"tags": sorted(cells.tags(cell))} if cells.tags(cell) else {}
            ),
            source="\n".join(line.rstrip() for line in cell.source.splitlines()),
        )
        if cell.get("attachments"):
            kept["attachments"] = cell.attachments
        if cell.cell_type == "code":
            if cell.execution_count is not None:
                count += 1
            kept["execution_count"] = None if cell.execution_count is None else count
            private = cells.PRIVATE_TAG in cells.tags(cell)
            shown = [] if private else cell.outputs
            kept["outputs"] = _outputs(shown, kept["execution_count"])
            _refuse_local(kept["outputs"], where=f"{where}, cell {number + 1}", root=root)
        normal.append(kept)
    return nbformat.from_dict(
        {
            "cells": normal,
            "metadata": {"kernelspec": _KERNELSPEC, "language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def text_of(notebook: Any) -> str:
    """Return the bytes-stable text of a notebook: sorted keys, one space, one line feed last."""
    return (
        json.dumps(
            _as_lines(notebook), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False
        )
        + "\n"
    )


def normalise_file(path: Path, *, check: bool = False, run: bool = False) -> bool:
    """Rewrite a notebook in the committed form; return whether its bytes differ from before.

    Args:
        path: The notebook.
        check: Change nothing.
        run: Execute it first with its own parameters, in its own folder.

    Raises:
        InputError: It is no notebook, or holds what must not be committed.
        WorkbenchError: It was executed and failed.
    """
    notebook = _executed(path) if run else cells.read_notebook(path, where=path.name)
    try:
        root: Path | None = paths.root(path.resolve().parent)
    except InputError:
        root = None
    text = text_of(normalise(notebook, where=path.name, root=root))
    if text == read_text(path):
        return False
    if not check:
        write_text(path, text)
    return True


def _executed(path: Path) -> Any:
    with tempfile.TemporaryDirectory(prefix="workbench-") as folder:
        kept = Path(folder) / path.name
        process = NotebookProcess(
            path.resolve(),
            kept=kept,
            log=Path(folder) / "log.txt",
            parameters={},
            root=paths.root(path.resolve().parent),
            run_id="normalise",
            timeout_s=600,
        )
        try:
            while (ended := process.hear()) is None:
                time.sleep(0.05)
        except BaseException:
            process.stop()
            while process.hear() is None:
                time.sleep(0.05)
            raise
        if ended.status != "done":
            error = ended.error or {}
            raise WorkbenchError(
                f"{path.name} {ended.status} at cell {error.get('cell')}: "
                f"{error.get('type')}: {error.get('message')}"
            )
        return nbformat.read(kept, as_version=4)


def _drop_injected(notebook: Any, *, where: str) -> None:
    """Leave the injected cell out, provided that it says what the parameters cell says."""
    injected = [cell for cell in notebook.cells if "injected-parameters" in cells.tags(cell)]
    if not injected:
        return
    own = [cell for cell in notebook.cells if cells.PARAMETERS_TAG in cells.tags(cell)]
    values = cells.read_parameters_cell(own[0].source, where=where) if own else {}
    for cell in injected:
        for name, value in cells.read_parameters_cell(cell.source, where=where).items():
            if name not in values or values[name] != value:
                raise InputError(
                    f"{where} was run with {name} = {value!r}, its parameters cell says "
                    f"{values.get(name)!r}; run it with its own parameters"
                )
    notebook.cells = [cell for cell in notebook.cells if cell not in injected]


def _outputs(outputs: list[Any], count: int | None) -> list[Any]:
    """Return outputs without standard error, widgets and metadata of tools; streams merged."""
    normal: list[Any] = []
    for output in outputs:
        kept = nbformat.NotebookNode(output_type=output.output_type)
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            last = normal[-1] if normal else None
            if last is not None and last.output_type == "stream":
                last["text"] += output.text
                continue
            kept["name"], kept["text"] = output.name, output.text
        elif output.output_type == "error":
            kept["ename"], kept["evalue"] = output.ename, output.evalue
            kept["traceback"] = []  # names files of this machine; the name and value remain
        else:
            data = {mime: value for mime, value in output.data.items() if mime != _WIDGET}
            if _WIDGET in output.data:
                continue
            kept["data"], kept["metadata"] = data, output.get("metadata", {})
            if output.output_type == "execute_result":
                kept["execution_count"] = count
        normal.append(kept)
    return normal


def _refuse_local(outputs: list[Any], *, where: str, root: Path | None) -> None:
    text = json.dumps(outputs, ensure_ascii=False)
    found = _LOCAL_PATH.search(text) or _ADDRESS.search(text)
    if found is None and root is not None and len(root.parts) > 1 and f"{root}" in text:
        raise InputError(
            f"{where} shows the project's folder on this machine; show a relative path"
        )
    if found is not None:
        raise InputError(f"{where} shows {found.group()}, which differs on another machine")


def _as_lines(node: Any) -> Any:
    """Return a notebook with its long texts as lists of lines, as notebooks are stored."""
    stored = copy.deepcopy(node)
    for cell in stored["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
        for output in cell.get("outputs", []):
            if output["output_type"] == "stream":
                output["text"] = output["text"].splitlines(keepends=True)
            for mime, value in output.get("data", {}).items():
                if isinstance(value, str):
                    output["data"][mime] = value.splitlines(keepends=True)
    return stored
