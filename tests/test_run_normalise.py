"""Committed notebooks have one form; what a notebook records is found in it."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

from toy_project import Project, cell, notebook, toy
from workbench.errors import InputError, ParameterError, WorkbenchError
from workbench.run import cells, cli, normalise, results

INGEST = "10_ingest_log"


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def node(*made):
    return cells.nbformat.from_dict(notebook(*made))


def noisy():
    data = {"output_type": "execute_result", "execution_count": 9, "metadata": {}}
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "bar"}
    made = node(
        cell("x = 1  ", "keep", "a", count=7, outputs=[stream("a"), stream("w", "stderr")]),
        cell("y", count=9, outputs=[{**data, "data": {"text/plain": "1"}}]),
        cell("z", count=12, outputs=[{**data, "data": widget}, stream("b"), stream("c")]),
        cell("never run"),
    )
    made.metadata["papermill"] = {"input_path": "/home/x"}
    made.metadata["widgets"] = {"state": {}}
    made.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    for each in made.cells:
        each.metadata["execution"] = {"iopub.status.busy": "now"}
        each.metadata["papermill"] = {"duration": 1}
    return made


def test_normalise_leaves_only_what_a_second_run_repeats():
    made = noisy()
    before = copy.deepcopy(made)
    done = normalise.normalise(made)
    assert made == before, "the caller's notebook is not changed"
    assert [each.id for each in done.cells] == ["cell-000", "cell-001", "cell-002", "cell-003"]
    assert [each.execution_count for each in done.cells] == [1, 2, 3, None]
    assert done.cells[0].metadata == {"tags": ["a", "keep"]}
    assert [dict(each) for each in done.cells[0].outputs] == [stream("a")]
    assert done.cells[1].outputs[0].execution_count == 2
    assert [dict(each) for each in done.cells[2].outputs] == [stream("bc")]
    assert set(done.metadata) == {"kernelspec", "language_info"}
    assert done.metadata.language_info == {"name": "python"}
    text = normalise.text_of(done)
    assert "papermill" not in text
    again = normalise.normalise(cells.nbformat.reads(text, as_version=4))
    assert normalise.text_of(again) == text


@pytest.mark.parametrize(
    "text", ["/home/someone/log", "/home/x", "<object at 0x7f0011223344>", "C:\\Users\\x\\y"]
)
def test_output_that_differs_elsewhere_is_refused(text):
    made = node(cell("1", count=1, outputs=[stream(text)]))
    with pytest.raises(InputError, match=r"cell 1 shows .*differs on another machine"):
        normalise.normalise(made)


def test_output_with_the_project_folder_is_refused(tmp_path):
    made = node(cell("1", count=1, outputs=[stream(f"{tmp_path}/runs")]))
    with pytest.raises(InputError, match="shows the project's folder"):
        normalise.normalise(made, root=tmp_path)


def test_injected_cell_is_left_out_only_when_it_says_what_the_defaults_say():
    own = cell("n = 5", "parameters", count=1)
    same = node(own, cell("# Parameters\nn = 5", "injected-parameters", count=2))
    assert len(normalise.normalise(same).cells) == 1
    other = node(own, cell("# Parameters\nn = 6", "injected-parameters", count=2))
    with pytest.raises(InputError, match="was run with n = 6, its parameters cell says 5"):
        normalise.normalise(other)


def test_two_runs_give_the_same_bytes_and_a_failing_notebook_changes_nothing(tmp_path):
    project = Project(tmp_path)
    body = (
        "import sys, pandas as pd\nprint('a', flush=True); print('warned', file=sys.stderr)\n"
        "record('rows', 3)\npd.DataFrame({'x': [1.5, 2.0]})"
    )
    project.add(INGEST, body)
    path = tmp_path / f"notebooks/{INGEST}.ipynb"
    raw = path.read_text()
    assert cli.run_command(["normalise", "--check", str(path)]) == 1
    assert path.read_text() == raw
    assert normalise.normalise_file(path, run=True)
    first = path.read_text()
    assert "1.5" in first
    assert not normalise.normalise_file(path, run=True), "the second run gives the same bytes"
    assert path.read_text() == first
    read = cells.read_notebook(path, where="x")
    assert cells.recorded_results(read) == {"rows": 3}
    assert [each.execution_count for each in read.cells] == [1, 2, 3]
    path.write_text(first.replace("1.5, 2.0", "1.5, 2.0 / 0"))
    with pytest.raises(WorkbenchError, match="failed at cell 3: ZeroDivisionError"):
        normalise.normalise_file(path, run=True)


@pytest.mark.parametrize(
    ("value", "plain"),
    [(3, 3), (2.5, 2.5), (True, True), ("a", "a"), (np.int64(3), 3), (np.float32(0.5), 0.5)],
)
def test_record_takes_scalars_as_plain_values(monkeypatch, value, plain):
    shown = []
    monkeypatch.setattr(results, "_in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    results.record("share", value)
    assert shown[0][results.RESULT_MIME] == {"name": "share", "value": plain}
    assert type(shown[0][results.RESULT_MIME]["value"]) is type(plain)
    assert shown[0]["text/plain"] == f"share = {plain}"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("a b", 1, "must be a word"),
        ("a", None, "must be a number, a text or true or false"),
        ("a", [1], "must be a number"),
        ("a", np.array([1, 2]), "must be a number"),
        ("a", float("nan"), "must be a finite number"),
        ("a", float("inf"), "must be a finite number"),
        ("a", "x" * 2_000, "at most 1000 characters"),
    ],
)
def test_record_refuses_what_a_manifest_cannot_hold(name, value, words):
    with pytest.raises(ParameterError, match=words):
        results.record(name, value)


def test_result_that_was_recorded_twice_with_two_values_is_refused():
    def output(value):
        data = {results.RESULT_MIME: {"name": "n", "value": value}, "text/plain": "n"}
        return {"output_type": "display_data", "metadata": {}, "data": data}

    same = node(cell("1", count=1, outputs=[output(1), output(1)]))
    assert cells.recorded_results(same) == {"n": 1}
    other = node(cell("1", count=1, outputs=[output(1), output(2)]))
    with pytest.raises(InputError, match="result n was recorded twice: 1, 2"):
        cells.recorded_results(other)
    with pytest.raises(InputError, match="malformed"):
        cells.recorded_results(node(cell("1", count=1, outputs=[output([1])])))


def test_notebook_sets_up_tables_of_a_stable_width():
    with pd.option_context("display.width", 10, "display.max_rows", 5):
        results.notebook()
        assert pd.get_option("display.width") == 100
        assert pd.get_option("display.max_rows") == 30
    assert toy(INGEST, "1")["cells"]


def test_a_private_cell_keeps_no_output_and_its_count():
    made = node(
        cell("show(customer)", "private", count=3, outputs=[stream("ann")]),
        cell("show(all)", count=4, outputs=[stream("everybody")]),
    )
    done = normalise.normalise(made)
    assert done.cells[0].outputs == []
    assert done.cells[1].outputs[0].text == "everybody"
    assert [each.execution_count for each in done.cells] == [1, 2]
