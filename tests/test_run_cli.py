"""The command line: exit codes, one line for each error, one JSON object, quick help."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
import types

import pytest

import workbench.report
from toy_project import Project, write
from workbench.run import cli, progress

INGEST = "10_ingest_log"


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_ROOT", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def toy_pages(monkeypatch):
    """Stands for the exporter, which has tests of its own."""
    made = []

    def export_page(executed, page, *, manifest):
        assert manifest["name"] == executed.parent.name
        made.append(page.parent.name)
        page.write_text("<p>page</p>")

    def export_index(folder):
        assert json.loads((folder / "manifest.json").read_text())["kind"] == "run"
        (folder / "index.html").write_text("<p>index</p>")
        return folder / "index.html"

    toy = types.SimpleNamespace(export_page=export_page, export_index=export_index, made=made)
    monkeypatch.setitem(sys.modules, "workbench.report.pages", toy)
    monkeypatch.setattr(workbench.report, "pages", toy, raising=False)
    return toy


def test_run_makes_pages_once_and_its_last_line_names_the_index(project, toy_pages, capsys):
    project.add(INGEST, write("log", "x"), "record('rows', 3)")
    file = str(project.run_file(INGEST, export=True))
    assert cli.run_command(["run", file]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[-1] == "Open runs/toy/index.html"
    line = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  10_ingest_log  cell [1-5]/5  \d+ s$"
    assert re.search(line, shown.err, re.MULTILINE), shown.err
    assert cli.run_command(["run", file, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "up_to_date"
    assert told["steps"][0]["results"] == {"rows": 3}
    assert told["steps"][0]["page"] == "runs/toy/10_ingest_log/page.html"
    assert toy_pages.made == [INGEST]
    assert cli.run_command(["export", "runs/toy"]) == 0
    assert toy_pages.made == [INGEST, INGEST]
    capsys.readouterr()
    assert cli.run_command(["runs", "list"]) == 0
    assert "up_to_date" in capsys.readouterr().out

    def broken(*_args, **_named):
        raise ValueError("no question")

    toy_pages.export_page = broken
    (project.folder(INGEST) / "page.html").unlink()
    assert cli.run_command(["run", file]) == 1
    assert "the page of 10_ingest_log could not be made" in capsys.readouterr().err


def test_failed_run_prints_one_block_and_exits_with_1(project, capsys):
    project.add(INGEST, "raise ValueError('first\\nlast line')")
    assert cli.run_command(["run", str(project.run_file(INGEST))]) == 1
    block = capsys.readouterr().err.splitlines()[-4:]
    assert re.match(r"10_ingest_log failed at cell 4 of 4 after \d+ s", block[0])
    assert block[1] == "  ValueError: last line"
    assert block[2] == "  kept notebook: runs/toy/10_ingest_log/failed.ipynb"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "none.yaml"], 65, "none.yaml cannot be read"),
        (["run", "bad.yaml"], 64, "nam is not a parameter"),
        (["runn"], 64, "No such command"),
        (["run", "bad.yaml", "--worker", "2"], 64, "No such option"),
        (["run", "bad.yaml", "--workers", "two"], 64, "for '--workers'"),
        (["run"], 64, "Missing argument"),
        (["ingest", "x"], 64, "Missing option"),
        (["params", "20_profile"], 64, "did you mean '20_profile_customers'"),
        (["export", "runs/none"], 65, "holds no run"),
        (["normalise", "none.ipynb"], 65, "none.ipynb cannot be read"),
    ],
)
def test_bad_arguments_are_one_line_and_their_code(project, capsys, arguments, code, words):
    (project.root / "bad.yaml").write_text("nam: x\n")
    assert cli.run_command(arguments) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert words in shown.err


def test_unknown_error_is_one_line_that_says_how_to_see_more(monkeypatch, capsys):
    def broken(_name):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("workbench.run.parameters.model_of", broken)
    assert cli.run_command(["params", "x"]) == 1
    assert capsys.readouterr().err == (
        "error: ZeroDivisionError: by zero (add --traceback to see where)\n"
    )
    with pytest.raises(ZeroDivisionError):
        cli.run_command(["params", "x", "--traceback"])

    def stopped(_name):
        raise KeyboardInterrupt

    monkeypatch.setattr("workbench.run.parameters.model_of", stopped)
    assert cli.run_command(["params", "x"]) == 143


def test_no_arguments_show_the_help_and_a_full_disk_is_one_line(monkeypatch, capsys):
    assert cli.run_command([]) == 0
    assert "Commands:" in capsys.readouterr().out

    def full(_name):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/x/page.html")

    monkeypatch.setattr("workbench.run.parameters.model_of", full)
    assert cli.run_command(["params", "x"]) == 1
    assert capsys.readouterr().err == (
        "error: No space left on device at runs/x/page.html; "
        "nothing is half-written, what was there is kept\n"
    )


SLOW_INGEST = """
import sys, time
from workbench.log import ingestion
from workbench.run.cli import main
def stop(*_arguments, **_named):
    print("reading", flush=True)
    time.sleep(30)
ingestion._Quarantine = stop
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_ends_an_ingestion_with_one_line_and_leaves_no_piece_of_it(project, number):
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_INGEST, "ingest", "cdnow", *CDNOW],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    process.send_signal(number)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 143
    assert told == "error: interrupted\n"
    assert [path.name for path in (project.root / "runs/log").iterdir()] == [".lock"]


def test_ingest_says_where_to_see_the_rows_set_apart(project, capsys):
    (project.root / "CDNOW_master.txt").write_text("id d n a\n1 19970101 1 5.00\n2 19970101 1 x\n")
    assert cli.run_command(["ingest", ".", *CDNOW]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "1 quarantined" in shown[0]
    assert shown[1].endswith('wb.open_log("runs/log").quarantine()')


def test_params_shows_type_default_rule_and_meaning(capsys):
    assert cli.run_command(["params", "notebooks/20_profile_customers.ipynb"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["parameter", "type", "default", "rule", "meaning"]
    bins = next(line for line in lines if line.startswith("bins"))
    assert "integer" in bins
    assert "at least 2, at most 100" in bins
    assert any("output path" in line for line in lines)
    assert cli.run_command(["params", "20_profile_customers", "--json"]) == 0
    assert "properties" in json.loads(capsys.readouterr().out)


def test_help_comes_within_a_second():
    best = min(_help_seconds() for _ in range(3))
    assert best < 1, f"{best:.2f} s"


def _help_seconds() -> float:
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", "from workbench.run.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "normalise" in ended.stdout
    return time.monotonic() - began


def test_bars_of_a_terminal_show_each_notebook_and_how_it_ended(capsys):
    bars = progress.Bars(sys.stderr)
    bars.planned(["a", "b"])
    bars.started("a")
    bars.cell("a", 1, 3)
    bars.tick()
    bars.ended("a", "done")
    bars.ended("b", "not_run")
    bars.say("page of [a]")
    bars.close()
    shown = capsys.readouterr().err
    assert "page of [a]" in shown
    assert "not run" in shown


def test_ingest_and_replay_print_exactly_one_json_object(project, capsys):
    assert cli.run_command(["ingest", "lifetimes", *CDNOW, "--json"]) == 0
    shown = capsys.readouterr()
    told = json.loads(shown.out)
    assert told["rows_in"] == told["accepted"] + told["duplicates"] + told["quarantined"] > 0
    (project.root / "p.yaml").write_text("name: 3\n")
    replay = ["replay", "runs/log", "--programme", "p.yaml", "--out", "runs/decisions"]
    assert cli.run_command(replay) == 64
    assert "p.yaml" in capsys.readouterr().err
    assert cli.run_command(["ingest", "lifetimes", *CDNOW]) == 0
    assert " = 69,659 accepted + " in capsys.readouterr().out


CDNOW = ["--mapping", "cdnow", "--out", "runs/log", "--parts", "2"]
