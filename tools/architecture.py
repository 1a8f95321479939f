"""Writes the module table of ARCHITECTURE.md from the first line of each module; `--check` compares."""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "ARCHITECTURE.md"
PACKAGE = ROOT / "src" / "workbench"
BEGIN, END = "<!-- modules: begin -->", "<!-- modules: end -->"


def main() -> int:
    """Write the table, or with ``--check`` compare it, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when the table is stale"
    )
    page = PAGE.read_text()
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    new = f"{head}{BEGIN}\n{table()}{END}{tail}"
    if not parser.parse_args().check:
        PAGE.write_text(new)
        return 0
    if new != page:
        print(
            "ARCHITECTURE.md: the module table is stale: run `.venv/bin/python tools/architecture.py`",
            file=sys.stderr,
        )
        return 1
    return 0


def table() -> str:
    """Return the Markdown table of modules and what each owns."""
    rows = ["| module | owns |", "|---|---|"]
    for path in sorted(PACKAGE.rglob("*.py")):
        module = (
            path.relative_to(PACKAGE)
            .with_suffix("")
            .as_posix()
            .removesuffix("__init__")
            .rstrip("/")
        )
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        first = docstring.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        if not first:
            sys.exit(f"{path.relative_to(ROOT)} has no docstring; its first line says what it owns")
        rows.append(f"| `{module or 'workbench'}` | {first} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(main())
