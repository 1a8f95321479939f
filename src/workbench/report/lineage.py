"""How a page was made: the parameters and the facts of its manifest. Owns no run."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from workbench import text

_DIGEST_SHOWN = 12
_ABSOLUTE = re.compile(r"(?:/|[A-Za-z]:[\\/]|file:)")
_SHOWN_PACKAGES = (
    "event-offer-workbench",
    "polars",
    "pandas",
    "numpy",
    "pymc",
    "lifetimes",
    "altair",
)

STATUS_WORDS: Mapping[str, str] = {
    "done": "done",
    "up_to_date": "up to date",
    "failed": "failed",
    "timeout": "timed out",
    "kernel_died": "kernel died",
    "interrupted": "interrupted",
    "not_run": "not run",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter of a notebook.

    Attributes:
        name: Its name.
        value: Its value, as text.
        meaning: The help beside it in the notebook.
        changed: Whether the run gave it a value that differs from the notebook's own.
    """

    name: str
    value: str
    meaning: str
    changed: bool


@dataclass(frozen=True)
class Fact:
    """One line of the lineage."""

    name: str
    value: str


def parameters(defaults: str, injected: str = "") -> list[Parameter]:
    """Return the parameters of a notebook from the text of its cells; nothing is executed.

    Args:
        defaults: The cell tagged ``parameters``.
        injected: The cell that papermill added, or nothing.

    >>> parameters("seed: int = 1  # start of all randomness", "seed = 7")
    [Parameter(name='seed', value='7', meaning='start of all randomness', changed=True)]
    """
    own, given = _assigned(defaults), _assigned(injected)
    help_of = _comments(defaults)
    return [
        Parameter(
            name=name,
            value=_shown(given.get(name, own.get(name))),
            meaning=help_of.get(name, ""),
            changed=name in given and given[name] != own.get(name),
        )
        for name in {**own, **given}
    ]


def step_facts(manifest: Mapping[str, Any]) -> list[Fact]:
    """Return what a reader needs to make a page again, from the manifest of its step.

    Fields that are missing are left out.

    >>> step_facts({"run": "demo", "duration_s": 75.0, "commit": {"id": "ab" * 20, "clean": True}})
    [Fact(name='run', value='demo'), Fact(name='commit', value='abababababab'), Fact(name='duration', value='1 min 15 s')]
    """
    facts = run_facts(manifest)
    add = facts.append
    if notebook := manifest.get("notebook_path") or manifest.get("notebook"):
        add(Fact("notebook", path(str(notebook))))
    for name, label in (
        ("parameters_digest", "parameters digest"),
        ("code_digest", "code digest"),
        ("lock_digest", "lock digest"),
    ):
        if value := manifest.get(name):
            add(Fact(label, _short(value)))
    for kind, label in (("inputs", "input"), ("outputs", "output")):
        for name, entry in _mapping(manifest.get(kind)).items():
            add(Fact(f"{label} {name}", _data(entry)))
    cells = _mapping(manifest.get("cells"))
    if slowest := cells.get("slowest"):
        said = [
            f"cell {one['cell']} {text.duration(one['duration_s'])}"
            for one in slowest[:3]
            if isinstance(one, Mapping) and {"cell", "duration_s"} <= set(one)
        ]
        add(Fact("slowest cells", "; ".join(said)))
    return facts


def run_facts(manifest: Mapping[str, Any]) -> list[Fact]:
    """Return the facts that a step and its run share.

    >>> run_facts({})
    []
    """
    facts: list[Fact] = []
    add = facts.append
    for name, label in (("run", "run"), ("run_id", "run id")):
        if value := manifest.get(name):
            add(Fact(label, path(str(value))))
    if commit := commit_text(manifest.get("commit")):
        add(Fact("commit", commit))
    if started := manifest.get("started_at"):
        add(Fact("started", str(started).replace("T", " ").replace("Z", " UTC")))
    if isinstance(duration := manifest.get("duration_s"), int | float):
        add(Fact("duration", text.duration(float(duration))))
    versions = _mapping(manifest.get("packages"))
    named = [f"{name} {versions[name]}" for name in _SHOWN_PACKAGES if name in versions]
    if python := manifest.get("python"):
        named.insert(0, f"Python {python}")
    if named:
        add(Fact("versions", ", ".join(named)))
    return facts


def commit_text(commit: Any) -> str:
    """Return a commit and whether the checkout had other changes.

    >>> commit_text({"id": "0123456789abcdef", "clean": False})
    '0123456789ab, with changes that were not committed'
    """
    if not isinstance(commit, Mapping) or not commit.get("id"):
        return ""
    state = "" if commit.get("clean", True) else ", with changes that were not committed"
    return f"{str(commit['id'])[:_DIGEST_SHOWN]}{state}"


def error_line(error: Any) -> str:
    r"""Return one line of an error: its type, what it said, and the cell.

    >>> error_line({"type": "InputError", "message": "no file\nmore", "cell": 4})
    'InputError in cell 4: no file'
    """
    if not isinstance(error, Mapping):
        return ""
    cell = f" in cell {error['cell']}" if error.get("cell") else ""
    lines = str(error.get("message") or "").strip().splitlines()
    said = f": {_bare(lines[0])}" if lines else ""
    return f"{error.get('type') or 'Error'}{cell}{said}"


def path(value: str) -> str:
    """Return a path without the part that only says where this machine keeps things.

    >>> path("runs/demo/log"), path("/home/someone/data.csv")
    ('runs/demo/log', '…/data.csv')
    """
    if not _ABSOLUTE.match(value):
        return value
    return f"…/{PurePosixPath(value.replace(chr(92), '/')).name}"


def _bare(line: str) -> str:
    """Return a line of text with every absolute path shortened."""
    return re.sub(r"(?<![\w.:…/])(?:file://)?/(?:[\w.@+-]+/)+[\w.@+-]*", lambda m: path(m[0]), line)


def _data(entry: Any) -> str:
    """Return a data set: path, size and the start of its digest."""
    if not isinstance(entry, Mapping):
        return _short(entry)
    parts = [path(str(entry["path"]))] if entry.get("path") else []
    if isinstance(entry.get("bytes"), int):
        parts.append(text.size(entry["bytes"]))
    if entry.get("digest"):
        parts.append(f"digest {_short(entry['digest'])}")
    return ", ".join(parts)


def _short(digest: Any) -> str:
    return str(digest)[:_DIGEST_SHOWN]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _shown(value: Any) -> str:
    """Return a parameter's value as a reader writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return path(value) if isinstance(value, str) else str(value)


def _assigned(source: str) -> dict[str, Any]:
    """Return names and literal values of plain assignments."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError):
        return {}
    found: dict[str, Any] = {}
    for statement in body:
        targets: Iterable[ast.expr]
        if isinstance(statement, ast.Assign):
            targets, value = statement.targets, statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets, value = [statement.target], statement.value
        else:
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                try:
                    found[target.id] = ast.literal_eval(value)
                except (ValueError, TypeError):
                    found[target.id] = ast.unparse(value)
    return found


def _comments(source: str) -> dict[str, str]:
    """Return the comment behind each assignment."""
    found: dict[str, str] = {}
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return found
    for token in tokens:
        name = re.match(r"(\w+)\s*[:=]", token.line)
        if name and token.type == tokenize.COMMENT:
            found[name[1]] = token.string.removeprefix("#").strip()
    return found
