"""What may land: small files, no index host, no machine path, generated files that agree."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
MAX_BYTES = 1_500_000
# Written with classes, so that this file does not hold what it looks for.
INDEX_HOST = re.compile(r"p[y]pi\.o[r]g|pythonh[o]sted|registry\.n[p]mjs|deb\.d[e]bian\.org")
MACHINE_PATH = re.compile(r"(?<![A-Za-z0-9_.~-])/(work|farm|root|tmp/bash_jobs)/")


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of tracked files")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).exists()]


def tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tracked_files_are_small():
    assert {path.name for path in tracked() if path.stat().st_size > MAX_BYTES} == set()


@pytest.mark.parametrize("pattern", [INDEX_HOST, MACHINE_PATH], ids=["index host", "machine path"])
def test_tracked_files_do_not_name(pattern: re.Pattern[str]):
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in tracked()
        if (match := pattern.search(path.read_text(encoding="utf-8", errors="ignore")))
    ]
    assert found == []


def test_the_patterns_catch_what_they_look_for():
    assert INDEX_HOST.search("https://" + "py" + "pi.org/simple")
    assert MACHINE_PATH.search("open /" + "work/main")


def test_the_environment_agrees_with_pyproject_and_lock():
    check = subprocess.run(
        [sys.executable, "tools/environment.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr


LOCK = 'altair==6.3.0 \\\n    --hash=sha256:aa\ntzdata==2026.1 ; sys_platform == "win32" \\\n    --hash=sha256:bb\n'


@pytest.mark.parametrize(
    ("lock", "fault"),
    [
        (LOCK, ""),
        (LOCK.replace("6.3.0", "5.0.0"), "holds altair 5.0.0"),
        (LOCK.replace("altair", "altars"), "lacks altair"),
        (LOCK.replace("    --hash=sha256:aa\n", ""), "lacks hashes"),
        ("--index-url https://example.test\n" + LOCK, "names an index"),
    ],
)
def test_a_lock_that_drifted_is_caught(lock: str, fault: str):
    environment = tool("environment")
    faults = environment.lock_faults(lock, [environment.Requirement("altair>=6.3,<7")])
    assert bool(faults) == bool(fault)
    assert fault in "; ".join(faults)


def test_environment_yml_holds_the_pins_without_hashes_and_the_project():
    text = tool("environment").environment(LOCK)
    assert "- altair==6.3.0\n" in text
    assert "sha256" not in text
    assert text.endswith("- --editable .\n")


def test_the_module_table_agrees_with_the_modules():
    check = subprocess.run(
        [sys.executable, "tools/architecture.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr


def test_every_make_target_explains_itself():
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    public = [name for name in phony[1].split() if name != "checks-static"]
    assert [
        name for name in public if not re.search(rf"^{name}:.*## ", makefile, re.MULTILINE)
    ] == []
