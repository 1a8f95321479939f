"""The notebooks of the replay on the Starbucks rewards log, where the user has brought it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workbench.log import ingest
from workbench.run import cli

ROOT = Path(__file__).parents[1]
BROUGHT = ROOT.parent / "shared" / "data" / "starbucks"
PLACES = ("notebooks", "params", "src")


@pytest.mark.slow
@pytest.mark.skipif(
    not BROUGHT.is_dir(), reason="the Starbucks log is not part of the project; it is brought along"
)
def test_replay_and_comparison_run_on_the_starbucks_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name in PLACES:
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    for file in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / file, tmp_path / file)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_ROOT", str(tmp_path))
    ingest(BROUGHT, "starbucks", tmp_path / "runs/starbucks/log")
    code = cli.run_command(["run", "params/runs/starbucks.yaml"])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    page = tmp_path / "runs/starbucks/31_compare_programmes/page.html"
    assert "would not have come anyway" in page.read_text(encoding="utf-8")
