"""A run is checked whole before its first cell: parameters, inputs, folders, notebooks, order."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from toy_project import Project, cell, notebook, parameters_cell, toy
from workbench.errors import InputError, ParameterError
from workbench.run import cells, parameters, paths, plan

INGEST = "10_ingest_log"
PROFILE = "20_profile_customers"
REPORT = "90_report"


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path)
    for name in parameters.models():
        project.add(name, "1")
    return project


def refused(project, kind, *steps, **limits):
    with pytest.raises(kind) as caught:
        project.plan(*steps, **limits)
    text = str(caught.value)
    assert "\n" not in text
    assert str(project.root) not in text
    return text


def test_order_follows_who_writes_what_another_reads(project):
    planned = project.plan(*sorted(parameters.models(), reverse=True))
    names = [step.notebook for step in planned.steps]
    assert names.index(INGEST) < names.index(PROFILE) < names.index(REPORT)
    needs = {step.notebook: set(step.needs) for step in planned.steps}
    for name, needed in needs.items():
        assert all(names.index(each) < names.index(name) for each in needed)
    assert needs[INGEST] == set()
    assert needs[PROFILE] == {INGEST}
    assert INGEST in needs[REPORT]
    assert PROFILE in needs[REPORT]


def test_folder_inside_an_output_is_a_need_too(project):
    planned = project.plan(
        {"notebook": PROFILE, "parameters": {"log": "runs/demo/log/parts"}}, INGEST
    )
    assert [step.notebook for step in planned.steps] == [INGEST, PROFILE]


def test_steps_that_wait_for_each_other_are_refused(project):
    first = {"notebook": INGEST, "parameters": {"source": "runs/demo/profile"}}
    assert "wait for each other's outputs" in refused(project, ParameterError, first, PROFILE)


def test_two_steps_that_write_the_same_place_are_refused(project):
    second = {"notebook": PROFILE, "parameters": {"profile": "runs/demo/log/profile"}}
    text = refused(project, ParameterError, INGEST, second)
    assert "write the same place" in text


def test_same_notebook_stands_twice_under_names_of_its_own(project):
    other = {"notebook": INGEST, "name": "ingest-other", "parameters": {"log": "runs/toy/other"}}
    reads = {"notebook": PROFILE, "parameters": {"log": "runs/toy/other"}}
    planned = project.plan(reads, INGEST, other)
    assert [(step.name, step.notebook) for step in planned.steps] == [
        (INGEST, INGEST),
        ("ingest-other", INGEST),
        (PROFILE, PROFILE),
    ]
    assert planned.steps[-1].needs == ("ingest-other",)
    file = project.run_file(INGEST, other)
    alone = plan.plan_run(file, root=project.root, only="ingest-other")
    assert [step.name for step in alone.steps] == ["ingest-other"]


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ({"notebook": INGEST}, "two steps are called 10_ingest_log; give each step a name"),
        ({"notebook": PROFILE, "name": INGEST}, "two steps are called 10_ingest_log"),
        ({"notebook": INGEST, "name": "again"}, "again.log write the same place"),
        ({"notebook": INGEST, "name": "../again"}, "name was '../again'"),
        ({"notebook": INGEST, "name": ".again"}, "name was '.again'"),
        (
            {"notebook": INGEST, "name": "b", "parameters": {"log": "runs/toy/b/log"}},
            "b.log writes runs/toy/b/log, where the run keeps its step b; choose another folder",
        ),
        (
            {"notebook": INGEST, "name": "b", "parameters": {"log": "runs/toy"}},
            "b.log writes runs/toy, where the run keeps its step 10_ingest_log",
        ),
    ],
)
def test_steps_that_share_a_name_or_a_folder_are_refused(project, second, words):
    assert words in refused(project, ParameterError, INGEST, second)


def test_misspelt_parameter_names_file_key_and_nearest_name(project):
    (project.root / "params/p.yaml").write_text("bimms: 5\n")
    text = refused(project, ParameterError, {"notebook": PROFILE, "parameters": "params/p.yaml"})
    assert text == "params/p.yaml: bimms is not a parameter — did you mean 'bins'?"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("bins: 5\nbins: 6\n", "duplicate key 'bins'"),
        ("bins: no\n", "YAML reads no, yes, on and off as true or false"),
        ("bins: 1e3\n", "YAML reads 1e3 as text"),
        ("as_of: yesterday\n", "as_of was 'yesterday', must be an instant such as '2017-10-01'"),
        ("bins: 1\n", "bins was 1, must be greater than or equal to 2"),
        ("as_of: 2026-02-30\nbins: [1]\n", "bins was"),
        ("profile: /tmp/elsewhere\n", "must be a path inside the project"),
        ("profile: ../elsewhere\n", "must be a path inside the project"),
        ("profile: ''\n", "profile was ''"),
        ("profile: notebooks/profile\n", "must not lie in notebooks, the project's own files"),
        ("profile: .git\n", "must not lie in .git, the project's own files; write under runs"),
        ("- a\n", "must hold names and values"),
        ("a: !!python/object/apply:os.system [ls]\n", "not readable as YAML"),
    ],
)
def test_bad_parameter_file_is_refused_before_anything_runs(project, content, words):
    (project.root / "params/p.yaml").write_text(content)
    step = {"notebook": PROFILE, "parameters": "params/p.yaml"}
    assert words in refused(project, ParameterError, INGEST, step)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            "programmes/grocery/welcome_back.yaml",
            "trigger:",
            "triger:",
            "30_replay_log: params/programmes/grocery/welcome_back.yaml: trigger is missing; triger is not",
        ),
        (
            "segments/grocery.yaml",
            "r_score >= 4",
            "rr_score >= 4",
            "20_profile_customers: condition",
        ),
    ],
)
def test_file_that_a_parameter_names_is_read_before_anything_runs(project, file, old, new, words):
    path = project.root / "params" / file
    path.write_text(path.read_text().replace(old, new, 1))
    steps = [INGEST, PROFILE, "30_replay_log"]
    assert words in refused(project, ParameterError, *steps)


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (ParameterError, {"mapping": "cdnov"}, "10_ingest_log: mapping was 'cdnov', must be one"),
        (InputError, {"mapping": "params/m.yaml"}, "mapping params/m.yaml does not exist"),
        (InputError, {"source": "complete_jurney"}, "did you mean 'complete_journey'?"),
    ],
)
def test_misspelt_mapping_and_source_are_refused_before_anything_runs(project, kind, values, words):
    step = {"notebook": INGEST, "parameters": values}
    assert words in refused(project, kind, step)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["profit,standard_error_cents", *["1,1"] * 5], "archive has no column 'profit_cents'"),
        (["profit_cents,standard_error_cents", *["1,1"] * 4], "the archive has 4 experiments"),
    ],
)
def test_past_experiments_that_make_no_prior_are_refused_before_anything_runs(project, rows, words):
    (project.root / "params/past.csv").write_text("\n".join(rows))
    step = {
        "notebook": "41_read_out_experiment",
        "parameters": {"source": "params", "outcomes": "none", "archive": "params/past.csv"},
    }
    assert words in refused(project, InputError, step)


def test_source_that_another_step_writes_need_not_be_there_yet(project):
    source = {"notebook": INGEST, "name": "b", "parameters": {"source": "runs/demo/log/raw"}}
    source["parameters"]["log"] = "runs/demo/other"
    planned = project.plan(source, INGEST)
    assert [step.name for step in planned.steps] == [INGEST, "b"]


def test_all_bad_steps_are_named_at_once(project):
    text = refused(
        project,
        ParameterError,
        {"notebook": PROFILE, "parameters": {"bins": 0}},
        {"notebook": INGEST, "parameters": {"part": 1}},
    )
    assert "bins was 0" in text
    assert "did you mean 'parts'?" in text


def test_missing_input_that_no_step_writes_is_refused(project):
    text = refused(project, InputError, PROFILE)
    assert "20_profile_customers: log runs/demo/log does not exist" in text
    assert "no step of this run writes it" in text
    (project.root / "params/segments/grocery.yaml").unlink()
    assert "segments params/segments/grocery.yaml" in refused(project, InputError, INGEST, PROFILE)


def test_missing_parameter_file_notebook_and_run_file_are_refused(project):
    step = {"notebook": INGEST, "parameters": "params/none.yaml"}
    assert "params/none.yaml does not exist" in refused(project, InputError, step)
    (project.root / f"notebooks/{INGEST}.ipynb").unlink()
    assert "notebook notebooks/10_ingest_log.ipynb does not exist" in refused(
        project, InputError, INGEST
    )
    with pytest.raises(InputError, match="cannot be read"):
        plan.plan_run(project.root / "params/runs/none.yaml", root=project.root)


def test_run_file_with_unknown_keys_limits_and_notebooks_is_refused(project):
    assert "worker is not a parameter — did you mean 'workers'?" in refused(
        project, ParameterError, INGEST, worker=3
    )
    listed = {"notebook": INGEST, "parameters": ["a"]}
    assert (
        "steps.0.parameters was ('a',), must be a parameter file, or names and values"
        in refused(project, ParameterError, listed)
    )
    nested = {"notebook": INGEST, "parameters": {"log": {"a": 1}}}
    assert "has log, which must be a number, a text, true or false" in refused(
        project, ParameterError, nested
    )
    assert "workers was 0" in refused(project, ParameterError, INGEST, workers=0)
    assert "did you mean '10_ingest_log'?" in refused(project, ParameterError, "10_ingest_logs")
    assert "notebook was" in refused(project, ParameterError, "../10_ingest_log")


def test_folder_that_cannot_be_made_and_full_disk_are_refused(project, monkeypatch):
    (project.root / "runs").mkdir()
    (project.root / "runs/demo").write_text("a file")
    assert "runs/demo is a file" in refused(project, InputError, INGEST)
    (project.root / "runs/demo").unlink()
    usage = shutil.disk_usage(project.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=5_000_000))
    assert "5 MB free on its disk" in refused(project, InputError, INGEST)


@pytest.mark.parametrize("name", ["demo", "cdnow"])
def test_shipped_run_files_plan_and_stay_under_their_own_folder(name):
    root = Path(__file__).resolve().parents[1]
    planned = plan.plan_run(root / f"params/runs/{name}.yaml", root=root)
    assert planned.name == name
    order = [step.notebook for step in planned.steps]
    assert order.index(INGEST) < order.index("20_profile_customers")
    assert all(
        path.is_relative_to(root / "runs" / name)
        for step in planned.steps
        for path in step.outputs.values()
    )
    assert {"20_profile_customers", "60_value_customers"} <= set(order)


def test_only_needs_its_inputs_to_exist(project):
    file = project.run_file(INGEST, PROFILE)
    with pytest.raises(InputError, match="does not exist"):
        plan.plan_run(file, root=project.root, only=PROFILE)
    (project.root / "runs/demo/log").mkdir(parents=True)
    planned = plan.plan_run(file, root=project.root, only=PROFILE)
    assert [step.notebook for step in planned.steps] == [PROFILE]
    with pytest.raises(ParameterError, match="no step 20_profile — did you mean"):
        plan.plan_run(file, root=project.root, only="20_profile")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda made: made["cells"].pop(0), "exactly one cell tagged parameters, has 0"),
        (lambda made: made["cells"].insert(0, made["cells"][0]), "has 2"),
        (lambda made: edit(made, "parts = 8", "parts = 9"), "parts is 9 in the parameters cell"),
        (lambda made: edit(made, "parts = 8", "parts = 8.0"), "parts is 8.0"),
        (lambda made: edit(made, "parts = 8", "part = 8"), "did you mean 'parts'?"),
        (lambda made: edit(made, "parts = 8", ""), "does not set parts"),
        (lambda made: edit(made, "parts = 8", "parts = 4 + 4"), "one plain assignment"),
        (lambda made: edit(made, "parts = 8", "import os"), "one plain assignment"),
        (lambda made: edit(made, "parts = 8", "parts ="), "is not Python"),
        (lambda made: edit(made, "parts = 8", "parts = 8\nparts = 8"), "sets parts twice"),
        (lambda made: made["metadata"]["kernelspec"].update(name="ir"), "must be python3"),
    ],
)
def test_notebook_that_does_not_match_its_model_is_refused(project, change, words):
    made = toy(INGEST, "1")
    change(made)
    made["cells"] = [{**each, "id": f"c{number}"} for number, each in enumerate(made["cells"])]
    (project.root / f"notebooks/{INGEST}.ipynb").write_text(json.dumps(made))
    assert words in refused(project, ParameterError, INGEST)


def edit(made, old, new):
    assert old in made["cells"][0]["source"]
    made["cells"][0]["source"] = made["cells"][0]["source"].replace(old, new)


def test_file_that_is_no_notebook_is_refused(project):
    for content in ("not json", "{}", '{"cells": 3, "nbformat": 4, "nbformat_minor": 5}'):
        (project.root / f"notebooks/{INGEST}.ipynb").write_text(content)
        assert "is not a readable notebook" in refused(project, InputError, INGEST)


def test_source_digest_ignores_outputs_and_sees_sources_and_tags():
    def digest(*made):
        return cells.source_digest(cells.nbformat.from_dict(notebook(*made)))

    assert digest(cell("1")) == digest(cell("1", count=3))
    assert len({digest(cell("1")), digest(cell("2")), digest(cell("1", "tag"))}) == 3


def test_namespace_of_a_notebook_is_checked_as_a_run_file_is():
    model = parameters.ProfileCustomers
    good = {name: field.default for name, field in model.model_fields.items()}
    assert model.from_namespace({**good, "anything": object()}) == model()
    with pytest.raises(ParameterError, match="20_profile_customers: bins was 'x'"):
        model.from_namespace({**good, "bins": "x"})
    with pytest.raises(ParameterError, match="bins not set; run the parameters cell first"):
        model.from_namespace({name: value for name, value in good.items() if name != "bins"})
    injected = ["", "x = 1", "# Parameters\nbinz = 4\n"]
    with pytest.raises(ParameterError, match="binz is not a parameter — did you mean 'bins'"):
        model.from_namespace({**good, "In": injected, "binz": 4})


def test_every_model_has_flat_scalars_with_a_meaning_and_a_default():
    for name, model in parameters.models().items():
        values = model().model_dump(mode="json")
        assert all(isinstance(value, bool | int | float | str) for value in values.values()), name
        assert all(field.description for field in model.model_fields.values()), name
        assert parameters_cell(name)["source"].count("\n") == len(values) - 1


def test_path_of_a_parameter_is_absolute_and_a_wrong_name_is_refused(project, monkeypatch):
    monkeypatch.setenv("WORKBENCH_ROOT", str(project.root))
    params = parameters.ProfileCustomers()
    assert params.path("log") == project.root / "runs/demo/log"
    with pytest.raises(ParameterError, match="logs is not a path parameter — did you mean 'log'"):
        params.path("logs")
    with pytest.raises(ParameterError, match="bins is not a path parameter"):
        params.path("bins")


def test_root_is_found_upwards_or_named(project, monkeypatch, tmp_path_factory):
    monkeypatch.delenv("WORKBENCH_ROOT", raising=False)
    monkeypatch.chdir(project.root / "notebooks")
    assert paths.root() == project.root
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    with pytest.raises(InputError, match="no project root above"):
        paths.root()
    monkeypatch.setenv("WORKBENCH_ROOT", str(project.root))
    assert paths.root() == project.root
    monkeypatch.setenv("WORKBENCH_ROOT", str(elsewhere / "none"))
    with pytest.raises(InputError, match="must name an existing folder"):
        paths.root()
