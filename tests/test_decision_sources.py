"""The replay contract in the sources: the core names no clock, no chance, no environment, no file."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parent.parent / "src" / "workbench"
OUTSIDE = {
    "load.py": "a module that reads the files of programmes, before anything is decided",
    "sources_digest": "a function that names the machine code on disk by what it was compiled from",
    "__hash__": "a place in a dictionary, whose order is that of insertion",
}
FOLDERS = [SRC / "decision", SRC / "conditions"]
DECIDES = [SRC / "buckets.py", *(path for folder in FOLDERS for path in folder.rglob("*.py"))]
DECIDES = sorted(path for path in DECIDES if path.name not in OUTSIDE)
MODULES = {"os", "random", "secrets", "socket", "subprocess", "time", "uuid"}
NAMES = {"default_rng", "getenv", "hash", "id", "now", "open", "today", "utcnow"}
NAMES |= {"read_bytes", "read_text", "read_csv", "read_parquet", "scan_parquet"}


def banned(text: str) -> list[str]:
    """Return what a source imports or calls that another run could answer differently."""
    found: list[str] = []
    pending: list[ast.AST] = [ast.parse(text)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef) and node.name in OUTSIDE:
            continue
        pending += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names if each.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            found.append(node.module or "")
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            name = node.func.id if isinstance(node.func, ast.Name) else name
            found += [name] if name in NAMES else []
    return found


@pytest.mark.parametrize("path", DECIDES, ids=lambda path: path.relative_to(SRC).as_posix())
def test_what_decides_names_no_clock_no_chance_no_environment_and_no_file(path: Path):
    assert banned(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "planted",
    [
        "import time",
        "from random import random",
        "import os.path",
        "datetime.now(UTC)",
        "np.random.default_rng()",
        "open('x')",
        "Path('x').read_text()",
        "hash('a')",
        "uuid = __import__('x'); id(uuid)",
    ],
)
def test_each_of_them_is_seen(planted: str):
    assert banned(planted)
