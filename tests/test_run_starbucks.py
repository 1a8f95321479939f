"""The notebooks of the replay and of a mailing on the Starbucks rewards log, where the user has brought it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from workbench.log import ingest
from workbench.run import cli, plan

ROOT = Path(__file__).parents[1]
BROUGHT = ROOT.parent / "shared" / "data" / "starbucks"
PLACES = ("notebooks", "params", "src")
RUN = "params/runs/starbucks.yaml"
LATER_MAILINGS = ["mailing_of_day_14", "mailing_of_day_17", "mailing_of_day_21"]


@pytest.mark.slow
@pytest.mark.skipif(
    not BROUGHT.is_dir(), reason="the Starbucks log is not part of the project; it is brought along"
)
def test_replay_comparison_and_a_mailing_run_on_the_starbucks_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name in PLACES:
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True)
    for file in ("pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / file, tmp_path / file)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_ROOT", str(tmp_path))
    ingest(BROUGHT, "starbucks", tmp_path / "runs/starbucks/log")
    assert [each.name for each in plan.plan_run(tmp_path / RUN).steps][4:] == LATER_MAILINGS
    told = yaml.safe_load((tmp_path / RUN).read_text(encoding="utf-8"))
    told["steps"] = [each for each in told["steps"] if each.get("name") not in LATER_MAILINGS]
    (tmp_path / RUN).write_text(yaml.safe_dump(told), encoding="utf-8")
    code = cli.run_command(["run", RUN])
    shown = capsys.readouterr()
    assert code == 0, shown.err
    page = tmp_path / "runs/starbucks/31_compare_programmes/page.html"
    assert "would not have come anyway" in page.read_text(encoding="utf-8")
    page = (tmp_path / "runs/starbucks/mailing_of_day_7/page.html").read_text(encoding="utf-8")
    assert "consistent with randomisation, which is no proof of it" in page
    assert "do not say when the window ended" not in page
