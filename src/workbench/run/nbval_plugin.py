"""What nbval lacks: numbers with a tolerance, charts as specifications, no silent pass.

A pytest plugin, loaded with ``-p workbench.run.nbval_plugin`` beside ``--nbval`` or ``--nbval-lax``.
It lives in the package and not in ``tests/``, so that a project with notebooks of its own uses the
same checks. Owns how two outputs are compared; nbval runs the cells.

- A tag such as ``rtol-1e-3`` on a cell sets the relative tolerance of its numbers; without one
  they must be equal. Booleans and the text between the numbers must always be equal.
- A chart is compared as its Vega-Lite specification, data included. The names of its data sets are
  digests of their content, so they count by their order: the content itself is compared.
- ``text/html`` does not count where ``text/plain`` stands beside it; pictures and standard error
  never count.
- A checked cell that was never run fails, and so does a notebook without a checked cell, a checked
  cell that shows nothing, and a cell tagged ``raises-exception`` that raises nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from workbench.imports import quick_imports

with quick_imports():
    from nbval import plugin as nbval  # type: ignore[import-untyped]  # nbval ships no types

_Item: Any = pytest.Item
_File: Any = nbval.IPyNbFile
_Cell: Any = nbval.IPyNbCell

RTOL_TAG = re.compile(r"^rtol-(.+)$")
_NUMBER = re.compile(r"(?<![\w.])[-+−]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w])")
_CHART = re.compile(r"^application/vnd\.vegalite\.v\d+\+json$")
_IGNORED = {
    "image/png",
    "image/jpeg",
    "image/svg+xml",
    "application/vnd.jupyter.widget-view+json",
}


def tolerance_of(tags: list[str]) -> float:
    """Return the relative tolerance that a cell's tags set; 0 without such a tag.

    >>> tolerance_of(["nbval-check-output", "rtol-1e-3"])
    0.001

    Raises:
        ValueError: A tag holds no number from 0 up to 1.
    """
    found = [match.group(1) for tag in tags if (match := RTOL_TAG.match(tag))]
    for text in found:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value < 1:
            raise ValueError(f"tag rtol-{text} must hold a number from 0 up to 1, as rtol-1e-3")
    return max((float(text) for text in found), default=0.0)


def difference(reference: Any, computed: Any, rtol: float, where: str = "") -> str:  # noqa: PLR0911 - one line a kind
    """Return how two outputs differ, in words; an empty string when they agree.

    >>> difference("mean 1.000 of 3", "mean 1.0004 of 3", 1e-3)
    ''
    >>> difference("mean 1.000 of 3", "mean 1.01 of 3", 1e-3)
    'number 1 was 1.000, is 1.01'
    """
    at = f"{where}: " if where else ""
    if isinstance(reference, dict) and isinstance(computed, dict):
        for key in sorted({*reference, *computed}):
            if key not in computed:
                return f"{at}{key} is missing"
            if key not in reference:
                return f"{at}{key} is new"
            found = difference(reference[key], computed[key], rtol, f"{where}.{key}".lstrip("."))
            if found:
                return found
        return ""
    if isinstance(reference, list) and isinstance(computed, list):
        if len(reference) != len(computed):
            return f"{at}had {len(reference)} entries, has {len(computed)}"
        pairs = enumerate(zip(reference, computed, strict=True))
        texts = (difference(old, new, rtol, f"{where}[{index}]") for index, (old, new) in pairs)
        return next((text for text in texts if text), "")
    if isinstance(reference, str) and isinstance(computed, str):
        found = _text_difference(reference, computed, rtol)
        return f"{at}{found}" if found else ""
    if _is_number(reference) and _is_number(computed):
        return "" if _close(reference, computed, rtol) else f"{at}was {reference}, is {computed}"
    same = type(reference) is type(computed) and reference == computed
    return "" if same else f"{at}was {reference!r}, is {computed!r}"


def _text_difference(reference: str, computed: str, rtol: float) -> str:
    if reference == computed:
        return ""
    if rtol > 0:
        old, new = _NUMBER.findall(reference), _NUMBER.findall(computed)
        if len(old) == len(new) and _skeleton(reference) == _skeleton(computed):
            for index, (left, right) in enumerate(zip(old, new, strict=True), 1):
                if not _close(_value(left), _value(right), rtol):
                    return f"number {index} was {left}, is {right}"
            return ""
    return f"text was\n{reference}\nand is\n{computed}"


def _skeleton(text: str) -> str:
    """Return a text without its numbers and without the spaces that align them."""
    return re.sub(r"[ \t─—-]+", " ", _NUMBER.sub("#", text))


def _value(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _close(reference: float, computed: float, rtol: float) -> bool:
    if math.isnan(reference) or math.isnan(computed):
        return math.isnan(reference) and math.isnan(computed)
    return reference == computed or math.isclose(reference, computed, rel_tol=rtol, abs_tol=0.0)


def comparable(outputs: list[Any]) -> list[Any]:
    """Return what counts in a cell's outputs, in their order."""
    counted: list[Any] = []
    for output in nbval.coalesce_streams(outputs):
        if output["output_type"] == "stream":
            if output["name"] != "stderr":
                counted.append({"stdout": output["text"]})
        elif output["output_type"] == "error":
            counted.append({"ename": output["ename"], "evalue": output["evalue"]})
        else:
            data = {mime: value for mime, value in output["data"].items() if mime not in _IGNORED}
            if any(_CHART.match(mime) for mime in data):
                data = {
                    mime: _with_data_by_order(value)
                    for mime, value in data.items()
                    if _CHART.match(mime)
                }
            elif "text/plain" in data:
                data.pop("text/html", None)
            if data:
                counted.append({mime: _joined(value) for mime, value in data.items()})
    return counted


def _with_data_by_order(chart: Any) -> Any:
    """Return a specification whose data sets are named by the order in which it mentions them.

    Stored keys are sorted and fresh ones are not, so the order of the data sets says nothing.

    >>> _with_data_by_order({"data": {"name": "data-5f"}, "datasets": {"data-5f": [{"x": 1}]}})
    {'data': {'name': 'data 0'}, 'datasets': {'data 0': [{'x': 1}]}}
    """
    if not isinstance(chart, dict) or not isinstance(chart.get("datasets"), dict):
        return chart
    others = {key: value for key, value in chart.items() if key != "datasets"}
    mentioned = [name for name in _names_in(others) if name in chart["datasets"]]
    ordered = dict.fromkeys([*mentioned, *sorted(chart["datasets"])])
    names = {name: f"data {place}" for place, name in enumerate(ordered)}

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: names.get(item, item)
                if key == "name" and isinstance(item, str)
                else renamed(item)
                for key, item in value.items()
            }
        return [renamed(each) for each in value] if isinstance(value, list) else value

    sets = {names[name]: chart["datasets"][name] for name in ordered}
    return {**renamed(others), "datasets": sets}


def _names_in(value: Any) -> Iterator[str]:
    """Give the names that a specification mentions, in the order of its sorted keys."""
    if isinstance(value, dict):
        for key in sorted(value):
            if key == "name" and isinstance(value[key], str):
                yield value[key]
            else:
                yield from _names_in(value[key])
    elif isinstance(value, list):
        for each in value:
            yield from _names_in(each)


def _joined(value: Any) -> Any:
    """Return a text that is stored as lines in one piece."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value


class CheckedCell(_Cell):  # type: ignore[misc]  # nbval ships no types
    """A cell whose outputs are compared in our way."""

    def runtest(self) -> None:
        """Run the cell, and fail where nbval passes without a comparison."""
        if self.options["check"] and not self.options["skip"]:
            if self.cell.execution_count is None:
                self.raise_cell_error("the reference cell was never run: nothing would be checked")
            if not comparable(self.cell.outputs):
                self.raise_cell_error("the reference cell shows nothing that could be checked")
        super().runtest()
        raised = any(output["output_type"] == "error" for output in self.test_outputs or [])
        if self.options["check_exception"] and not raised:
            self.raise_cell_error("the cell is tagged raises-exception and raised nothing")

    def compare_outputs(self, test: list[Any], ref: list[Any], skip_compare: Any = None) -> bool:
        """Say whether the computed outputs agree with the committed ones."""
        del skip_compare
        tags = [str(tag) for tag in self.cell.metadata.get("tags", [])]
        found = difference(comparable(ref), comparable(test), tolerance_of(tags), "output")
        self.comparison_traceback = [found]
        return not found


class EmptyNotebook(_Item):  # type: ignore[misc]  # pytest's Item, seen without its types
    """Stands for a notebook in which nothing is checked; it always fails."""

    def runtest(self) -> None:
        """Fail."""
        pytest.fail(
            f"{self.path.name} has no checked cell: tag one nbval-check-output", pytrace=False
        )

    def reportinfo(self) -> tuple[Any, None, str]:
        """Name the notebook."""
        return self.path, None, f"{self.path.name}: checked cells"


class CheckedNotebook(_File):  # type: ignore[misc]  # nbval ships no types
    """A notebook that must have a checked cell."""

    def collect(self) -> Iterator[Any]:
        """Yield the cells, and a failure when none of them is checked."""
        checked = 0
        for cell in super().collect():
            checked += bool(cell.options["check"] and not cell.options["skip"])
            yield CheckedCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )
        if not checked:
            yield EmptyNotebook.from_parent(self, name="checked cells")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Any, parent: Any) -> Generator[None, list[Any], list[Any]]:
    """Put our notebook in the place of nbval's."""
    found = yield
    return [
        CheckedNotebook.from_parent(parent, path=file_path)
        if type(each) is nbval.IPyNbFile
        else each
        for each in found
    ]
