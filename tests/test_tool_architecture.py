"""The module table of ARCHITECTURE.md: the check passes as committed and fails when it is stale."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from workbench.run.paths import root


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    path = root(Path(__file__).parent) / "tools" / "architecture.py"
    spec = importlib.util.spec_from_file_location("architecture", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    package = tmp_path / "src" / "workbench"
    (package / "log").mkdir(parents=True)
    (package / "__init__.py").write_text('"""The package."""\n')
    (package / "log" / "__init__.py").write_text('"""The log | its rows.\n\nMore."""\n')
    (package / "log" / "store.py").write_text('"""Writes\nparts."""\n')
    page = tmp_path / "ARCHITECTURE.md"
    page.write_text(f"before\n{module.BEGIN}\n{module.END}\nafter\n")
    for name, value in (("ROOT", tmp_path), ("PACKAGE", package), ("PAGE", page)):
        monkeypatch.setattr(module, name, value)
    return module


def run(tool: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["architecture.py", *arguments])
    return tool.main()


def test_the_table_is_the_first_paragraph_of_each_docstring(tool, monkeypatch):
    assert run(tool, monkeypatch) == 0
    assert tool.PAGE.read_text() == (
        f"before\n{tool.BEGIN}\n| module | owns |\n|---|---|\n"
        "| `workbench` | The package. |\n"
        "| `log` | The log \\| its rows. |\n"
        "| `log/store` | Writes parts. |\n"
        f"{tool.END}\nafter\n"
    )


def test_the_check_writes_nothing_and_names_the_command_that_mends(tool, monkeypatch, capsys):
    stale = tool.PAGE.read_text()
    assert run(tool, monkeypatch, "--check") == 1
    assert "run `.venv/bin/python tools/architecture.py`" in capsys.readouterr().err
    assert tool.PAGE.read_text() == stale
    run(tool, monkeypatch)
    assert run(tool, monkeypatch, "--check") == 0


@pytest.mark.parametrize("fault", ["new module", "changed docstring", "module gone"])
def test_each_planted_fault_makes_the_check_fail(tool, monkeypatch, fault):
    run(tool, monkeypatch)
    store = tool.PACKAGE / "log" / "store.py"
    if fault == "new module":
        (tool.PACKAGE / "new.py").write_text('"""New."""\n')
    elif fault == "changed docstring":
        store.write_text('"""Writes other parts."""\n')
    else:
        store.unlink()
    assert run(tool, monkeypatch, "--check") == 1


def test_a_module_without_a_docstring_ends_with_a_line_that_names_it(tool, monkeypatch):
    (tool.PACKAGE / "log" / "mute.py").write_text("x = 1\n")
    with pytest.raises(SystemExit, match=r"src/workbench/log/mute\.py has no docstring"):
        run(tool, monkeypatch)
