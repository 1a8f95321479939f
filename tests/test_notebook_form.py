"""The form of the committed notebooks, checked without a kernel; each rule is shown to catch its fault."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.run.normalise import normalise_file
from workbench.run.parameters import model_of

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
MAX_CODE_CELLS = 25
MAX_LINES = 25
MAX_PARAMETERS = 30  # of the parameters cell, which has a line a parameter and no step to follow
MAX_BYTES = 1_500_000
SETUP_CELL = 1
CHART = "application/vnd.vegalite.v5+json"
Notebook = dict[str, Any]


def read(path: Path) -> Notebook:
    return json.loads(path.read_text(encoding="utf-8"))


def code_cells(notebook: Notebook) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def prose(notebook: Notebook) -> list[str]:
    return [source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def tags(cell: dict[str, Any]) -> list[str]:
    return cell["metadata"].get("tags", [])


def outputs(notebook: Notebook) -> list[dict[str, Any]]:
    return [output for cell in code_cells(notebook) for output in cell["outputs"]]


def one_question(notebook: Notebook) -> bool:
    titles = [
        line for text in prose(notebook) for line in text.splitlines() if line.startswith("# ")
    ]
    return len(titles) == 1 and titles[0].endswith("?") and prose(notebook)[0].startswith(titles[0])


def one_parameters_cell_of_plain_scalars(notebook: Notebook) -> bool:
    cells = [cell for cell in code_cells(notebook) if "parameters" in tags(cell)]
    if len(cells) != 1 or cells[0] is not code_cells(notebook)[0]:
        return False
    statements = ast.parse(source(cells[0])).body
    plain = all(
        isinstance(each, ast.AnnAssign) and isinstance(each.value, ast.Constant | ast.UnaryOp)
        for each in statements
    )
    return plain and len(source(cells[0]).splitlines()) == len(statements)


def imports_in_the_setup_cell_alone(notebook: Notebook) -> bool:
    return all(
        not isinstance(node, ast.Import | ast.ImportFrom)
        for position, cell in enumerate(code_cells(notebook))
        if position != SETUP_CELL
        for node in ast.walk(ast.parse(source(cell)))
    )


def no_program_in_a_cell(notebook: Notebook) -> bool:
    refused = (ast.FunctionDef, ast.ClassDef, ast.Try, ast.While, ast.For, ast.Lambda)
    return not any(
        isinstance(node, refused)
        for cell in code_cells(notebook)
        for node in ast.walk(ast.parse(source(cell)))
    )


def few_short_cells(notebook: Notebook) -> bool:
    cells = code_cells(notebook)
    return len(cells) <= MAX_CODE_CELLS and all(
        len(source(cell).splitlines())
        <= (MAX_PARAMETERS if "parameters" in tags(cell) else MAX_LINES)
        for cell in cells
    )


def no_command_and_no_semicolon(notebook: Notebook) -> bool:
    lines = [line.strip() for cell in code_cells(notebook) for line in source(cell).splitlines()]
    return not any(line.startswith(("!", "%")) or line.endswith(";") for line in lines)


def run_once_from_top_to_bottom(notebook: Notebook) -> bool:
    counts = [cell["execution_count"] for cell in code_cells(notebook)]
    return counts == list(range(1, len(counts) + 1))


def no_error_no_widget_no_stderr(notebook: Notebook) -> bool:
    return "widgets" not in notebook["metadata"] and not any(
        output["output_type"] == "error"
        or output.get("name") == "stderr"
        or any("widget" in mime for mime in output.get("data", {}))
        for output in outputs(notebook)
    )


def every_chart_is_described(notebook: Notebook) -> bool:
    charts = [
        output["data"][CHART] for output in outputs(notebook) if CHART in output.get("data", {})
    ]
    return all(len(chart.get("description", "")) > 20 for chart in charts)


def two_to_eight_checked_cells(notebook: Notebook) -> bool:
    checked = [cell for cell in code_cells(notebook) if "nbval-check-output" in tags(cell)]
    return 2 <= len(checked) <= 8 and all(cell["outputs"] for cell in checked)


def one_answer_cell(notebook: Notebook) -> bool:
    return sum("answer" in tags(cell) for cell in code_cells(notebook)) == 1


def a_claim_that_can_fail(notebook: Notebook) -> bool:
    return any(
        isinstance(node, ast.Assert)
        for cell in code_cells(notebook)
        for node in ast.walk(ast.parse(source(cell)))
    )


def no_number_in_prose(notebook: Notebook) -> bool:
    text = "\n".join(prose(notebook))
    text = re.sub(r"`[^`]*`|\$[^$]+\$|\]\([^)]*\)|https?://\S+", "", text)
    return not re.search(r"\d", text)


def no_path_of_a_machine(notebook: Notebook) -> bool:
    return not re.search(r"(?<![\w.~-])/(home|work|root|tmp|usr|Users)/", json.dumps(notebook))


def kernel_is_python3(notebook: Notebook) -> bool:
    return notebook["metadata"]["kernelspec"]["name"] == "python3"


RULES: list[Callable[[Notebook], bool]] = [
    one_question,
    one_parameters_cell_of_plain_scalars,
    imports_in_the_setup_cell_alone,
    no_program_in_a_cell,
    few_short_cells,
    no_command_and_no_semicolon,
    run_once_from_top_to_bottom,
    no_error_no_widget_no_stderr,
    every_chart_is_described,
    two_to_eight_checked_cells,
    one_answer_cell,
    a_claim_that_can_fail,
    no_number_in_prose,
    no_path_of_a_machine,
    kernel_is_python3,
]


def test_there_are_notebooks_to_check():
    assert [path.stem for path in NOTEBOOKS] == [
        "05_simulate_world",
        "06_calibrate_world",
        "07_reenact_claims",
        "10_ingest_log",
        "20_profile_customers",
        "30_replay_log",
        "31_compare_programmes",
        "40_design_experiment",
        "41_read_out_experiment",
        "42_monitor_experiment",
        "43_trust_the_read_out",
        "45_simulate_offers",
        "50_fit_uplift",
        "51_learn_uplift",
        "52_choose_policy",
        "60_value_customers",
        "61_value_of_an_offer",
        "90_report",
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_keeps_the_form(path: Path, rule: Callable[[Notebook], bool]):
    assert rule(read(path)), f"{path.name}: {rule.__name__.replace('_', ' ')} does not hold"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_committed_notebook_equals_its_normalised_form_and_is_small(path: Path):
    assert not normalise_file(path, check=True), "run `make notebooks`"
    assert path.stat().st_size <= MAX_BYTES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_parameters_cell_equals_its_model(path: Path):
    cell = code_cells(read(path))[0]
    found = {
        each.target.id: ast.literal_eval(each.value)  # type: ignore[attr-defined, arg-type]  # the form test above demands plain assignments
        for each in ast.parse(source(cell)).body
    }
    assert found == model_of(path.stem)().model_dump(mode="json")


def spoil_title(notebook: Notebook) -> None:
    notebook["cells"][0]["source"] = "# A statement"


def spoil_parameters(notebook: Notebook) -> None:
    code_cells(notebook)[0]["source"] += "\nx: list = [1]"


def spoil_code(text: str) -> Callable[[Notebook], None]:
    def spoil(notebook: Notebook) -> None:
        code_cells(notebook)[2]["source"] = text

    return spoil


def spoil_count(notebook: Notebook) -> None:
    code_cells(notebook)[2]["execution_count"] = None


def spoil_output(output: dict[str, Any]) -> Callable[[Notebook], None]:
    def spoil(notebook: Notebook) -> None:
        code_cells(notebook)[2]["outputs"] = [output]

    return spoil


def spoil_tags(tag: str) -> Callable[[Notebook], None]:
    def spoil(notebook: Notebook) -> None:
        for cell in code_cells(notebook):
            cell["metadata"]["tags"] = [each for each in tags(cell) if each != tag]

    return spoil


def spoil_prose(text: str) -> Callable[[Notebook], None]:
    def spoil(notebook: Notebook) -> None:
        notebook["cells"].append({"cell_type": "markdown", "metadata": {}, "source": text})

    return spoil


def spoil_asserts(notebook: Notebook) -> None:
    for cell in code_cells(notebook):
        cell["source"] = "1"


def spoil_kernel(notebook: Notebook) -> None:
    notebook["metadata"]["kernelspec"]["name"] = "mine"


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        (one_question, spoil_title),
        (one_question, spoil_prose("# Another?")),
        (one_parameters_cell_of_plain_scalars, spoil_parameters),
        (imports_in_the_setup_cell_alone, spoil_code("import os")),
        (no_program_in_a_cell, spoil_code("def f():\n    return 1")),
        (no_program_in_a_cell, spoil_code("for x in y:\n    x")),
        (few_short_cells, spoil_code("\n".join("x" * 26))),
        (no_command_and_no_semicolon, spoil_code("!ls")),
        (no_command_and_no_semicolon, spoil_code("x;")),
        (run_once_from_top_to_bottom, spoil_count),
        (no_error_no_widget_no_stderr, spoil_output({"output_type": "error"})),
        (no_error_no_widget_no_stderr, spoil_output({"output_type": "stream", "name": "stderr"})),
        (
            every_chart_is_described,
            spoil_output({"output_type": "display_data", "data": {CHART: {}}}),
        ),
        (two_to_eight_checked_cells, spoil_tags("nbval-check-output")),
        (one_answer_cell, spoil_tags("answer")),
        (a_claim_that_can_fail, spoil_asserts),
        (no_number_in_prose, spoil_prose("Sales rose by 12 per cent.")),
        (no_path_of_a_machine, spoil_prose("see /home/me/data")),
        (kernel_is_python3, spoil_kernel),
    ],
    ids=lambda each: each.__name__,
)
def test_each_rule_catches_its_fault(
    rule: Callable[[Notebook], bool], spoil: Callable[[Notebook], None]
):
    good = read(NOTEBOOKS[0])
    spoiled = copy.deepcopy(good)
    spoil(spoiled)
    assert rule(good)
    assert not rule(spoiled)
