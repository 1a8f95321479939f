"""The golden decision log: what the core decides, as lines that a reader can follow."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from workbench.decision import SPEC_VERSION
from workbench.records import REASONS
from workbench.replay import job

ROOT = Path(__file__).resolve().parent.parent
SPEC = importlib.util.spec_from_file_location("golden", ROOT / "tools" / "golden.py")
assert SPEC is not None
assert SPEC.loader is not None
golden = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(golden)


def test_the_core_decides_as_the_golden_log_says():
    assert golden.golden_lines() == golden.DECISIONS.read_text(encoding="utf-8").splitlines()


def test_the_golden_log_is_of_this_version_and_shows_every_reason():
    head, *lines = golden.DECISIONS.read_text(encoding="utf-8").splitlines()
    assert head == f"spec_version {SPEC_VERSION}"
    assert {line.split()[5] for line in lines} == {reason.name for reason in REASONS}


def test_the_check_fails_when_the_core_decides_differently(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["golden.py", "--check"])
    assert golden.main() == 0
    limits_of = job.limits_of

    def longer(programmes):
        limits = limits_of(programmes)
        return limits._replace(cooldown_us=limits.cooldown_us + 1)

    monkeypatch.setattr(job, "limits_of", longer)
    assert golden.main() == 1
    assert "make golden accepts it" in capsys.readouterr().out
