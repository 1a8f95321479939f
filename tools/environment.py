"""Writes requirements.lock and environment.yml from pyproject.toml; `--check` says what differs.

The check needs no network: it compares what is written, it does not resolve again.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
ENVIRONMENT = ROOT / "environment.yml"
FIX = "run `make lock`"
PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?P<marker> ; [^\\]+?)? \\$", re.MULTILINE
)


def main() -> int:
    """Write both files, or with ``--check`` compare them, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a file is stale"
    )
    if not parser.parse_args().check:
        resolve()
        ENVIRONMENT.write_text(environment(LOCK.read_text()))
        return 0
    faults = lock_faults(LOCK.read_text(), requirements())
    if not ENVIRONMENT.exists() or ENVIRONMENT.read_text() != environment(LOCK.read_text()):
        faults.append("environment.yml differs from the lock")
    for fault in faults:
        print(f"{fault}: {FIX}", file=sys.stderr)
    return 1 if faults else 0


def resolve() -> None:
    """Let uv choose one set of versions for every supported Python and write their hashes."""
    subprocess.run(  # noqa: S603 - the arguments are constants
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--group", "dev"),
            *(
                "--universal",
                "--fork-strategy",
                "fewest",
                "--generate-hashes",
                "--no-emit-index-url",
            ),
            *("--no-header", "--no-annotate", "--quiet", "--upgrade", "--output-file", str(LOCK)),
        ],
        cwd=ROOT,
        check=True,
    )


def requirements() -> list[Requirement]:
    """Return every requirement that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    return [Requirement(text) for text in named]


def pins(lock: str) -> dict[str, tuple[str, str]]:
    """Return version and marker by canonical name."""
    return {
        canonicalize_name(found["name"]): (found["version"], found["marker"] or "")
        for found in PIN.finditer(lock)
    }


def lock_faults(lock: str, required: list[Requirement]) -> list[str]:
    """Say where the lock does not hold what is required, lacks a hash or names an index."""
    locked = pins(lock)
    faults = []
    for requirement in required:
        version, _ = locked.get(canonicalize_name(requirement.name), ("", ""))
        if not version:
            faults.append(f"requirements.lock lacks {requirement.name}")
        elif version not in requirement.specifier:
            faults.append(
                f"requirements.lock holds {requirement.name} {version}, pyproject.toml asks {requirement}"
            )
    if lock.count("--hash=sha256:") < len(locked):
        faults.append("requirements.lock lacks hashes")
    if "://" in lock:
        faults.append("requirements.lock names an index")
    return faults


def environment(lock: str) -> str:
    """Return environment.yml: Python, pip, the locked packages and the project itself."""
    lines = [
        "# Generated from pyproject.toml and requirements.lock by `make lock`; do not edit.",
        "name: event-offer-workbench",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        "  - python=3.11",
        "  - pip",
        "  - pip:",
    ]
    for name, (version, marker) in pins(lock).items():
        pin = f"{name}=={version}{marker}"
        lines.append(f'      - "{pin}"' if marker else f"      - {pin}")
    lines.append("      - --editable .")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
