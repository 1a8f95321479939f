"""Each way in which nbval passes silently is a failure with our plugin."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys

import nbformat
import pytest

from toy_project import cell, notebook
from workbench.run.nbval_plugin import comparable, difference, tolerance_of

CHECK = "nbval-check-output"
CHART = "application/vnd.vegalite.v5+json"


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def bundle(**data):
    return {"output_type": "display_data", "metadata": {}, "data": data}


def shows(data):
    return f"from IPython.display import display\ndisplay({data!r}, raw=True)"


def run_nbval(tmp_path, **notebooks):
    """Return the outcome of each cell of each notebook, by name."""
    for name, content in notebooks.items():
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(content))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    options = (
        "-p workbench.run.nbval_plugin --nbval-lax --nbval-cell-timeout=60 --nbval-current-env"
    )
    quiet = "-v -p no:cacheprovider -W ignore --color=no ."
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), *quiet.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    outcomes = dict(
        re.findall(r"^(\S+::.+?) (PASSED|FAILED|ERROR|XFAIL)", ended.stdout, re.MULTILINE)
    )
    return ended, outcomes


def test_plugin_fails_each_planted_fault_and_passes_the_sound_cells(tmp_path):
    chart = {"mark": "bar", "data": {"values": [{"x": 1.0}]}}
    moved = copy.deepcopy(chart)
    moved["data"]["values"][0]["x"] = 1.5
    near = copy.deepcopy(chart)
    near["data"]["values"][0]["x"] = 1.0001
    plain = {"text/plain": "table", "text/html": "<b id='new'>table</b>", "image/svg+xml": "<new/>"}
    old = {"text/plain": "table", "text/html": "<b id='old'>table</b>", "image/svg+xml": "<old/>"}
    cells = {
        "exact_same": cell("print(1.5)", CHECK, count=1, outputs=[stream("1.5\n")]),
        "exact_differs": cell("print(1.5)", CHECK, count=1, outputs=[stream("1.5000001\n")]),
        "near": cell("print(1.5)", CHECK, "rtol-1e-3", count=1, outputs=[stream("1.5001\n")]),
        "far": cell("print(1.5)", CHECK, "rtol-1e-3", count=1, outputs=[stream("1.51\n")]),
        "words": cell("print('a 1')", CHECK, "rtol-1e-3", count=1, outputs=[stream("b 1\n")]),
        "chart_near": cell(
            shows({CHART: near}), CHECK, "rtol-1e-3", count=1, outputs=[bundle(**{CHART: chart})]
        ),
        "chart_moved": cell(
            shows({CHART: moved}), CHECK, "rtol-1e-3", count=1, outputs=[bundle(**{CHART: chart})]
        ),
        "html_and_svg": cell(shows(plain), CHECK, count=1, outputs=[bundle(**old)]),
        "stderr": cell(
            "import sys\nprint(1); print('new', file=sys.stderr)",
            CHECK,
            count=1,
            outputs=[stream("1\n"), stream("old", "stderr")],
        ),
        "missing_output": cell("1", CHECK, count=1, outputs=[stream("1\n")]),
        "never_run": cell("print(1)", CHECK),
        "nothing_shown": cell("x = 1", CHECK, count=1),
        "raises_nothing": cell("x = 1", "raises-exception"),
        "bad_tag": cell("print(1)", CHECK, "rtol-much", count=1, outputs=[stream("2\n")]),
        "unchecked": cell("print('anything')", count=1, outputs=[stream("other\n")]),
    }
    ended, outcomes = run_nbval(
        tmp_path, faults=notebook(*cells.values()), none=notebook(cell("1"))
    )
    assert ended.returncode == 1, ended.stdout
    passed = {"exact_same", "near", "chart_near", "html_and_svg", "stderr", "unchecked"}
    for number, name in enumerate(cells):
        expected = "PASSED" if name in passed else "FAILED"
        assert outcomes[f"faults::ipynb::Cell {number}"] == expected, (name, ended.stdout)
    assert "none.ipynb has no checked cell" in ended.stdout
    assert "was never run: nothing would be checked" in ended.stdout
    assert (
        "output[0].application/vnd.vegalite.v5+json.data.values[0].x: was 1.0, is 1.5"
        in ended.stdout
    )
    assert len(outcomes) == len(cells) + 2, "each cell is collected once"


def test_sound_notebook_passes(tmp_path):
    sound = notebook(cell("print(1)", CHECK, count=1, outputs=[stream("1\n")]))
    ended, outcomes = run_nbval(tmp_path, sound=sound)
    assert ended.returncode == 0, ended.stdout
    assert list(outcomes.values()) == ["PASSED"]


@pytest.mark.parametrize(
    ("old", "new", "rtol", "same"),
    [
        ("1,234.5 people", "1,234.6 people", 1e-3, True),
        ("1,234.5 people", "1,334.5 people", 1e-3, False),
        ("share 12.0 %", "share 12.0 %", 0.0, True),
        ("share 12.0 %", "share 12.01 %", 0.0, False),
        ("x  1.0\ny 10.0", "x 1.0001\ny 10.0", 1e-3, True),
        ("-1.5", "1.5", 0.5, False),
        ("a1", "a2", 0.9, False),
        ("1 2", "1 2 3", 0.9, False),
        ("nan", "nan", 0.0, True),
        (True, 1, 0.9, False),
        (1, 1.0, 0.0, True),
        (float("nan"), float("nan"), 0.0, True),
        (float("nan"), 1.0, 0.9, False),
        (0.0, 1e-9, 1e-3, False),
        ([1, 2], [1, 2, 3], 0.9, False),
        ({"a": 1}, {"b": 1}, 0.9, False),
        (None, 0, 0.9, False),
    ],
)
def test_difference_sees_numbers_with_tolerance_and_all_else_exactly(old, new, rtol, same):
    assert (difference(old, new, rtol) == "") is same


def test_tolerance_of_a_tag_without_a_number_is_an_error():
    assert tolerance_of(["rtol-0.01", "other"]) == 0.01
    for tag in ("rtol-much", "rtol-1", "rtol-nan", "rtol--1"):
        with pytest.raises(ValueError, match="number from 0 up to 1"):
            tolerance_of([tag])


def test_html_counts_where_no_text_stands_beside_it():
    only_html = bundle(**{"text/html": "<b>1</b>"})
    assert comparable([_node(only_html)]) == [{"text/html": "<b>1</b>"}]


def _node(value):
    return nbformat.from_dict(value)


def named_chart(name, x):
    chart = {"mark": "bar", "data": {"name": name}, "datasets": {name: [{"x": x}]}}
    return comparable([nbformat.from_dict(bundle(**{CHART: chart}))])


def test_chart_whose_data_is_named_by_its_digest_is_compared_by_the_data():
    assert not difference(named_chart("data-1f", 1.0), named_chart("data-2e", 1.0004), 1e-3)
    assert difference(named_chart("data-1f", 1.0), named_chart("data-1f", 1.5), 1e-3)


def two_layers(first, second, *, stored):
    names = {first: [{"x": 1.0}], second: [{"y": 2.0}]}
    if stored:
        names = dict(sorted(names.items()))
    layers = [{"data": {"name": first}, "mark": "bar"}, {"data": {"name": second}, "mark": "text"}]
    chart = {"layer": layers, "datasets": names}
    return comparable([nbformat.from_dict(bundle(**{CHART: chart}))])


def test_data_of_a_layered_chart_is_compared_in_the_order_of_its_use():
    fresh = two_layers("data-9f", "data-1a", stored=False)
    assert not difference(two_layers("data-9f", "data-1a", stored=True), fresh, 1e-3)
    assert not difference(two_layers("data-1a", "data-9f", stored=True), fresh, 1e-3)
    assert difference(two_layers("data-9f", "data-1a", stored=True), fresh[:0], 1e-3)
