"""The notebooks on data they were not written for: pages hold no customer and no live markup.

The pages of all committed notebooks are made here too, from what they hold: each passes the linter
and draws its figures without a network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shop_log import PERSONS, person_id, write_run_file, write_shop
from test_report_browser import MARKS, browser, opened  # noqa: F401 - browser is a fixture
from workbench.report import check_page, export_page
from workbench.run.results import RESULT_MIME

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.timeout(900)  # the first test waits until all notebooks have run
COMMITTED = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
OF_MADE_WORLDS = {
    *("07_reenact_claims", "43_trust_the_read_out", "45_simulate_offers", "50_fit_uplift"),
    "52_choose_policy",
}
NOTEBOOKS = [name for name in COMMITTED if name not in OF_MADE_WORLDS]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the notebooks on the made-up shop in a project folder of its own."""
    root = tmp_path_factory.mktemp("project")
    for name in ("notebooks", "params"):
        shutil.copytree(ROOT / name, root / name)
    write_shop(root / "data/shop")
    write_run_file(root / "params/runs/shop.yaml", "data/shop", "runs/shop")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("workbench")), "run", "params/runs/shop.yaml"],
        cwd=root,
        env={**os.environ, "WORKBENCH_ROOT": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "Open runs/shop/index.html"
    return root / "runs/shop"


@pytest.fixture(scope="module")
def committed_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the page of each committed notebook."""
    folder = tmp_path_factory.mktemp("committed")
    for name in COMMITTED:
        export_page(ROOT / f"notebooks/{name}.ipynb", folder / name / "page.html")
    return folder


@pytest.mark.parametrize("name", COMMITTED)
def test_the_page_of_a_committed_notebook_passes_the_linter(committed_pages: Path, name: str):
    assert check_page(committed_pages / name / "page.html") == []


@pytest.mark.browser
@pytest.mark.parametrize("name", COMMITTED)
def test_every_figure_of_a_committed_notebook_is_drawn(browser, committed_pages: Path, name: str):  # noqa: F811 - a fixture
    draws_its_figures_alone(browser, committed_pages / name / "page.html")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_page_passes_the_linter(run_folder: Path, name: str):
    assert check_page(run_folder / name / "page.html") == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_customer_stands_on_a_page_or_in_an_executed_notebook(run_folder: Path, name: str):
    shown = (run_folder / name / "page.html").read_text()
    kept = (run_folder / name / "executed.ipynb").read_text()
    ids = [person_id(number) for number in range(PERSONS)]
    assert [each for each in ids if each in shown or each in kept] == []


def test_the_search_for_customers_finds_one_where_there_is_one(run_folder: Path):
    profile = (run_folder / "profile/customers.parquet").read_bytes()
    assert any(person_id(number).encode() in profile for number in range(PERSONS))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_markup_in_the_data_is_inert_on_a_page(run_folder: Path, name: str):
    assert "<img src=x" not in (run_folder / name / "page.html").read_text()


def test_every_row_of_the_shop_is_accounted_for(run_folder: Path):
    results = json.loads((run_folder / "10_ingest_log/manifest.json").read_text())["results"]
    assert results["quarantined_rows"] == 1
    assert results["source_rows"] == results["events"] + 2  # the broken row and the duplicate
    assert results["customers"] == PERSONS


def draws_its_figures_alone(browser, path: Path) -> None:  # noqa: F811 - a fixture
    page, seen = opened(browser, path)
    figures = page.evaluate(MARKS)
    assert figures
    assert [
        each for each in figures if not each["drawn"] or each["error"] or not each["marks"]
    ] == []
    assert seen.external == []
    assert seen.said == []


def recorded(notebook: Path) -> dict[str, object]:
    cells = json.loads(notebook.read_text())["cells"]
    bundles = [out.get("data", {}) for cell in cells for out in cell.get("outputs", [])]
    results = [bundle[RESULT_MIME] for bundle in bundles if RESULT_MIME in bundle]
    return {result["name"]: result["value"] for result in results}


def test_plain_papermill_gives_the_same_numbers_as_the_runner(run_folder: Path):
    root = run_folder.parents[1]
    steps = json.loads((root / "params/runs/shop.yaml").read_text())["steps"]
    values = next(step for step in steps if step["notebook"] == "60_value_customers")["parameters"]
    (root / "params/value.yaml").write_text(json.dumps(values | {"clv": "runs/by_papermill"}))
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("papermill")),
            *("notebooks/60_value_customers.ipynb", "out.ipynb", "-f", "params/value.yaml"),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    by_papermill = recorded(root / "out.ipynb")
    assert by_papermill == recorded(run_folder / "60_value_customers/executed.ipynb")
    assert by_papermill["holdout_gate_passed"] is True


@pytest.mark.browser
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_figure_of_a_page_is_drawn_without_a_network(browser, run_folder: Path, name: str):  # noqa: F811 - a fixture
    draws_its_figures_alone(browser, run_folder / name / "page.html")
