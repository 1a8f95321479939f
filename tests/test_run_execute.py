"""What a run does when its notebooks end well and when they do not: status, code, what is kept."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toy_project import Project, cell, write
from workbench.errors import LockedError, WorkbenchError
from workbench.files import locked
from workbench.run import execute, keys, manifest, progress
from workbench.run.plan import plan_run

INGEST = "10_ingest_log"
PROFILE = "20_profile_customers"
REPLAY = "30_replay_log"
VALUE = "60_value_customers"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def kept(project, name, file):
    return json.loads((project.folder(name) / file).read_text())


def papermill_statuses(notebook):
    return [each["metadata"]["papermill"]["status"] for each in notebook["cells"]]


def test_run_follows_needs_records_results_then_skips_and_resumes(project):
    project.add(INGEST, write("log", "one"), "record('customers', 12)")
    project.add(
        PROFILE, write("profile", "two"), "assert (params.path('log') / 'part.txt').exists()"
    )
    project.add(REPLAY, write("decisions", "three"), "1 / 0")
    names = [REPLAY, PROFILE, INGEST]

    lines = io.StringIO()
    result = execute.run(project.plan(*names), display=progress.Lines(lines))
    assert (result.status, result.exit_code) == ("failed", 1)
    told = project.manifest(INGEST)
    assert told["status"] == "done"
    assert told["results"] == {"customers": 12}
    assert told["commit"] is None
    assert told["parameters"]["parts"] == 8
    assert told["outputs"]["log"]["path"] == "runs/demo/log"
    assert told["cells"]["count"] == told["cells"]["run"] == 5
    assert told["packages"]["papermill"]
    executed = kept(project, INGEST, "executed.ipynb")
    assert executed["metadata"]["workbench"] == told
    assert set(papermill_statuses(executed)) == {"completed"}
    assert str(project.root) not in json.dumps(told)
    assert f"{INGEST}         cell 5/5" in lines.getvalue()
    assert f"{REPLAY}         failed" in lines.getvalue()
    assert "ZeroDivisionError: division by zero" in result.text
    assert "at cell 5 of 5" in result.text

    # the failed step is repaired; what was done is not done again
    project.add(REPLAY, write("decisions", "three"))
    again = execute.run(project.plan(*names))
    assert again.exit_code == 0
    statuses = {step["notebook"]: step["status"] for step in again.manifest["steps"]}
    assert statuses == {INGEST: "up_to_date", PROFILE: "up_to_date", REPLAY: "done"}
    assert not (project.folder(REPLAY) / "failed.ipynb").exists()

    started = time.monotonic()
    third = execute.run(project.plan(*names))
    assert third.status == "up_to_date"
    assert time.monotonic() - started < 2

    # an output that was changed by hand, and a changed parameter, run their step again
    (project.root / "runs/demo/profile/part.txt").write_text("changed")
    changed = execute.run(project.plan(REPLAY, PROFILE, INGEST))
    statuses = {step["notebook"]: step["status"] for step in changed.manifest["steps"]}
    assert statuses == {INGEST: "up_to_date", PROFILE: "done", REPLAY: "up_to_date"}
    plan = project.plan({"notebook": INGEST, "parameters": {"parts": 3}})
    assert execute.run(plan).status == "done"
    assert project.manifest(INGEST)["parameters"]["parts"] == 3


def test_key_changes_with_each_thing_it_stands_for(project, monkeypatch):
    project.add(PROFILE, "1")
    (project.root / "runs/demo/log").mkdir(parents=True)
    step = project.plan(PROFILE).steps[0]
    seen = {keys.step_key(step, inputs={"log": "a"}, lock=None)}
    seen.add(keys.step_key(step, inputs={"log": "b"}, lock=None))
    seen.add(keys.step_key(step, inputs={"log": "a"}, lock="c"))
    other = project.plan({"notebook": PROFILE, "parameters": {"bins": 4}}).steps[0]
    seen.add(keys.step_key(other, inputs={"log": "a"}, lock=None))
    project.add(PROFILE, "2")
    seen.add(keys.step_key(project.plan(PROFILE).steps[0], inputs={"log": "a"}, lock=None))
    monkeypatch.setattr(keys, "code_digest", lambda: "other code")
    seen.add(keys.step_key(step, inputs={"log": "a"}, lock=None))
    assert len(seen) == 6


def test_cell_that_fails_ends_the_run_with_1_and_keeps_the_notebook(project):
    project.add(INGEST, "print('before')", "raise ValueError('no such thing')", "print('after')")
    result = execute.run(project.plan(INGEST))
    assert result.exit_code == 1
    told = project.manifest(INGEST)
    assert told["error"] == {"type": "ValueError", "message": "no such thing", "cell": 5}
    failed = kept(project, INGEST, "failed.ipynb")
    assert papermill_statuses(failed)[-2:] == ["failed", "pending"]
    assert failed["cells"][-2]["outputs"][0]["ename"] == "ValueError"
    assert "runs/toy/10_ingest_log/failed.ipynb" in result.text
    assert not (project.folder(INGEST) / "executed.ipynb").exists()


def test_sys_exit_is_a_failure_because_the_rest_did_not_run(project):
    project.add(INGEST, "import sys; sys.exit(0)", write("log", "never"))
    result = execute.run(project.plan(INGEST))
    assert result.exit_code == 1
    assert "a cell called sys.exit(0): the cells after it did not run" in result.text


def test_raises_exception_tag_is_honoured_and_must_come_true(project):
    project.add(INGEST, cell("1 / 0", "raises-exception"), write("log", "x"))
    assert execute.run(project.plan(INGEST)).exit_code == 0
    project.add(INGEST, cell("1 / 1", "raises-exception"), write("log", "x"))
    result = execute.run(project.plan(INGEST))
    assert result.exit_code == 1
    assert "tagged raises-exception and raised nothing" in result.text


def test_output_that_was_not_written_is_a_failure(project):
    project.add(INGEST, "1")
    result = execute.run(project.plan(INGEST))
    assert result.exit_code == 1
    assert "log runs/demo/log was not written" in result.text


def test_dead_kernel_ends_with_138_whatever_papermill_would_say(project):
    project.add(INGEST, "import os; os._exit(3)", "print('after')")
    result = execute.run(project.plan(INGEST))
    assert (result.status, result.exit_code) == ("kernel_died", 138)
    failed = kept(project, INGEST, "failed.ipynb")
    assert papermill_statuses(failed)[-2:] == ["failed", "pending"]
    assert failed["metadata"]["papermill"]["exception"] is True
    assert failed["cells"][-2]["outputs"][-1]["ename"] == "DeadKernel"


@pytest.mark.skipif(sys.platform == "win32", reason="kernels are reached by ports there")
def test_kernel_is_reached_by_sockets_of_its_own_so_that_no_port_can_be_taken(project):
    connection = "json.loads(__import__('ipykernel.connect').connect.get_connection_info())"
    project.add(
        INGEST, write("log", "one"), f"import json\nrecord('how', {connection}['transport'])"
    )
    assert execute.run(project.plan(INGEST)).exit_code == 0
    assert project.manifest(INGEST)["results"] == {"how": "ipc"}


def test_cell_over_its_limit_ends_with_124(project):
    project.add(INGEST, "import time; time.sleep(60)", "print('after')")
    started = time.monotonic()
    result = execute.run(project.plan(INGEST, cell_timeout_s=1))
    assert (result.status, result.exit_code) == ("timeout", 124)
    assert time.monotonic() - started < 20
    failed = kept(project, INGEST, "failed.ipynb")
    assert papermill_statuses(failed)[-2:] == ["failed", "pending"]
    assert project.manifest(INGEST)["error"]["type"] == "CellTimeout"


def test_run_over_its_limit_ends_with_124_and_says_so(project):
    project.add(INGEST, "import time; time.sleep(60)")
    result = execute.run(project.plan(INGEST, run_timeout_s=4))
    assert (result.status, result.exit_code) == ("timeout", 124)
    assert "longer than its limit of 4 s" in result.text
    assert (project.folder(INGEST) / "failed.ipynb").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_run_ends_with_143_keeps_what_it_has_and_leaves_no_process(project, number):
    project.add(INGEST, "import os, time\nprint('pid', os.getpid())", MARK, "time.sleep(60)")
    with started(project) as process:
        pid = wait_for_pid(project, process)
        process.send_signal(number)
        assert process.wait(20) == 143
    assert gone(pid)
    told = project.manifest(INGEST)
    assert (told["status"], told["exit_code"]) == ("interrupted", 143)
    failed = kept(project, INGEST, "failed.ipynb")
    assert papermill_statuses(failed)[-1] == "failed"
    run = json.loads((project.root / "runs/toy/manifest.json").read_text())
    assert run["status"] == "interrupted"


def test_killed_runner_leaves_no_kernel_behind(project):
    project.add(INGEST, "import os, time", MARK, "time.sleep(60)")
    with started(project) as process:
        pid = wait_for_pid(project, process)
        process.kill()
        process.wait(5)
        assert gone(pid)


def test_output_widgets_of_rich_bars_neither_hang_the_run_nor_swallow_its_text(project):
    # what rich.progress does in a notebook, without the widgets' package
    bar = """
from comm import create_comm
state = {"_model_name": "OutputModel", "_model_module": "@jupyter-widgets/output", "outputs": []}
widget = create_comm(target_name="jupyter.widget", data={"state": state})
parent = get_ipython().kernel.get_parent()["header"]["msg_id"]
for _ in range(3):
    widget.send({"method": "update", "state": {"msg_id": parent}})
    print("shown", flush=True)
    widget.send({"method": "update", "state": {"msg_id": ""}})
"""
    project.add(INGEST, *[bar] * 20, write("log", "x"))
    result = execute.run(project.plan(INGEST, run_timeout_s=40))
    assert result.exit_code == 0, result.text
    outputs = [each["outputs"] for each in kept(project, INGEST, "executed.ipynb")["cells"][3:-1]]
    assert [["".join(output["text"]) for output in each] for each in outputs] == [
        ["shown\n" * 3]
    ] * 20


def test_plain_papermill_gives_the_same_and_finds_a_misspelt_parameter(project, monkeypatch):
    project.add(INGEST, "assert params.parts == 3", write("log", "x"))
    file = project.root / "p.yaml"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "-f", str(file)]
    command += [str(project.root / f"notebooks/{INGEST}.ipynb"), str(project.root / "out.ipynb")]

    def papermill(text):
        file.write_text(text)
        return subprocess.run(
            command, cwd=project.root, capture_output=True, text=True, check=False
        )

    ended = papermill("parts: 3\n")
    assert ended.returncode == 0, ended.stderr
    assert (project.root / "runs/demo/log/part.txt").read_text() == "x"
    ended = papermill("part: 3\n")
    assert ended.returncode == 1
    assert "10_ingest_log: part is not a parameter — did you mean 'parts'?" in ended.stderr


def test_same_notebook_runs_twice_each_step_in_a_folder_of_its_own(project):
    project.add(INGEST, "_ = record('parts', params.parts)", write("log", "x"))
    second = {
        "notebook": INGEST,
        "name": "ingest-other",
        "parameters": {"log": "runs/demo/other", "parts": 3},
    }
    result = execute.run(project.plan(INGEST, second))
    assert result.exit_code == 0, result.text
    assert [
        (step["name"], step["notebook"], step["results"]) for step in result.manifest["steps"]
    ] == [(INGEST, INGEST, {"parts": 8}), ("ingest-other", INGEST, {"parts": 3})]
    told = project.manifest("ingest-other")
    assert (told["name"], told["notebook"]) == ("ingest-other", INGEST)
    assert told["executed"] == "runs/toy/ingest-other/executed.ipynb"
    shutil.rmtree(project.root / "runs/demo/other")
    again = execute.run(project.plan(INGEST, second))
    statuses = {step["name"]: step["status"] for step in again.manifest["steps"]}
    assert statuses == {INGEST: "up_to_date", "ingest-other": "done"}


def test_run_of_one_step_keeps_what_the_run_before_said_of_the_others(project):
    project.add(INGEST, write("log", "x"))
    project.add(PROFILE, write("profile", "y"))
    execute.run(project.plan(INGEST, PROFILE))
    file = project.run_file(INGEST, PROFILE)
    alone = execute.run(plan_run(file, root=project.root, only=PROFILE), force=True)
    told = {step["name"]: step["status"] for step in alone.manifest["steps"]}
    assert told == {INGEST: "done", PROFILE: "done"}
    assert list(told) == [INGEST, PROFILE]
    whole = execute.run(project.plan(PROFILE))
    assert [step["name"] for step in whole.manifest["steps"]] == [PROFILE], "no longer in the file"


def test_second_run_in_the_same_folder_is_refused(project):
    project.add(INGEST, "1")
    plan = project.plan(INGEST)
    with locked(plan.folder), pytest.raises(LockedError, match="another process") as caught:
        execute.run(plan)
    assert caught.value.exit_code == 75


def test_full_disk_ends_with_one_line_and_nothing_half_written(project, monkeypatch):
    project.add(INGEST, write("log", "x"))

    def full(path, _text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(execute, "write_text", full)
    with pytest.raises(WorkbenchError) as caught:
        execute.run(project.plan(INGEST))
    text = str(caught.value)
    assert text.startswith("No space left on device at runs/toy/10_ingest_log/executed.ipynb")
    assert "\n" not in text
    found = {path.name for path in project.folder(INGEST).iterdir()}
    assert found <= {"log.txt", ".partial.ipynb"}


def test_independent_notebooks_run_at_the_same_time(project):
    project.add(INGEST, write("log", "x"))
    meet = (
        "import time\nhere, there = Path(params.path('log')) / {0!r}, Path(params.path('log')) / {1!r}"
        "\n_ = here.write_text('')\nfor _ in range(200):\n    if there.exists():\n        break\n"
        "    time.sleep(0.05)\nelse:\n    raise TimeoutError('alone')"
    )
    (project.root / "runs/demo/log").mkdir(parents=True)
    (project.root / "runs/demo/profile").mkdir()
    project.add(VALUE, meet.format(".a", ".b"), write("clv", "x"))
    project.add(REPLAY, meet.format(".b", ".a"), write("decisions", "x"))
    result = execute.run(project.plan(VALUE, REPLAY))
    assert result.exit_code == 0, result.text


def test_manifest_schema_refuses_a_missing_field_a_machine_path_and_a_false_status(project):
    project.add(INGEST, write("log", "x"))
    execute.run(project.plan(INGEST))
    told = project.manifest(INGEST)
    manifest.check(told, where="x")
    for change in (
        {"key": "short"},
        {"status": "fine"},
        {"exit_code": 1},
        {"notebook_path": "/home/someone/10.ipynb"},
        {"extra": 1},
        {"results": {"a": [1]}},
    ):
        with pytest.raises(WorkbenchError, match="breaks the schema"):
            manifest.check({**told, **change}, where="x")
    with pytest.raises(WorkbenchError, match="'key' is a required property"):
        manifest.check({name: value for name, value in told.items() if name != "key"}, where="x")
    del told["key"]
    (project.folder(INGEST) / "manifest.json").write_text(json.dumps(told))
    assert manifest.read(project.folder(INGEST) / "manifest.json") is None


MARK = "_ = (Path(params.path('log')).parent.mkdir(parents=True, exist_ok=True),"
MARK += " Path(params.path('log')).parent.joinpath('pid').write_text(str(os.getpid())))"


def started(project):
    command = [sys.executable, "-c", "from workbench.run.cli import main; main()", "run"]
    return subprocess.Popen(
        [*command, str(project.run_file(INGEST))],
        cwd=project.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def wait_for_pid(project, process: subprocess.Popen[bytes]) -> int:
    """Wait until the notebook is in its cell, or say at once how its run ended before."""
    file = Path(project.root / "runs/demo/pid")
    for _ in range(600):
        if file.exists() and file.read_text():
            time.sleep(0.3)
            return int(file.read_text())
        if process.poll() is not None:
            told = process.communicate()[0].decode()
            raise AssertionError(f"the run ended with {process.returncode} first: {told[-2000:]}")
        time.sleep(0.1)
    raise AssertionError("the notebook never came to its cell")


def gone(pid: int) -> bool:
    for _ in range(150):
        try:
            os.kill(pid, 0)
            if "Z" in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]:
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False
