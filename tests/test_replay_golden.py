"""The golden decision log: what the core decides, as lines that a reader can follow."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np

from workbench.decision import SPEC_VERSION, assignment
from workbench.decision.desk import KINDS
from workbench.records import REASONS

ROOT = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("golden", ROOT / "tools" / "golden.py")
assert SPEC is not None
assert SPEC.loader is not None
golden = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(golden)


def test_the_core_decides_as_the_golden_log_says():
    assert golden.golden_lines() == golden.DECISIONS.read_text(encoding="utf-8").splitlines()


def test_the_golden_log_is_of_this_version_and_shows_every_reason_and_kind():
    head, *lines = golden.DECISIONS.read_text(encoding="utf-8").splitlines()
    assert head == f"spec_version {SPEC_VERSION}"
    shown = {line.split()[6] for line in lines}
    removed = {each for line in lines for each in re.findall(r"[=,][^ ,]+:(\w+)", line)}
    names = {reason.name for reason in REASONS}
    assert shown | (removed & names) == names
    kinds = {line.split()[4] for line in lines}
    assert kinds == set(KINDS) - {"collected"}
    assert any("set=collected:" in line for line in lines)


def test_the_check_fails_when_the_core_decides_differently(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["golden.py", "--check"])
    assert golden.main() == 0
    whole = assignment.draw_32_column
    for module in list(sys.modules.values()):
        if getattr(module, "draw_32_column", None) is whole:
            monkeypatch.setattr(
                module, "draw_32_column", lambda texts: np.zeros(len(texts), dtype=np.int64)
            )
    assert golden.main() == 1
    assert "make golden accepts it" in capsys.readouterr().out
