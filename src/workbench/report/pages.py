"""Pages that open without a network: one a notebook, and one for the run. Owns no content.

A page is one file. Its Content-Security-Policy allows the scripts that the page itself carries,
by their hashes, and no connection at all; Vega runs its expressions with an interpreter, so that
the page needs no ``eval``.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

from workbench import text
from workbench.errors import InputError
from workbench.files import write_text
from workbench.report import document, lineage, theme
from workbench.report.markup import script_json
from workbench.report.outputs import Block

LANGUAGE = "en"
INDEX = "index.html"
_GOOD = {"done", "up_to_date"}
_MANIFEST = "manifest.json"
_EXECUTED = "executed.ipynb"
_PAGE = "page.html"
_REPORT = "_report"


def export_page(
    executed_notebook: Path, page: Path, *, manifest: Mapping[str, Any] | None = None
) -> None:
    """Write the page of an executed notebook: no code, the question, the answer first.

    Args:
        executed_notebook: A notebook with its outputs.
        page: The HTML file to write, whole or not at all.
        manifest: The manifest of the step; without it the page says that it was run by hand.

    Raises:
        InputError: The notebook cannot be read, has no question as its title, or shows no answer.
    """
    content = document.read(executed_notebook, manifest)
    index = page.parent.parent / INDEX
    home = f"../{INDEX}" if page.name == _PAGE and (manifest or {}).get("run") else ""
    write_text(page, page_html(content, home=home if index.parent != page.parent else ""))


def page_html(content: document.Document, *, home: str = "") -> str:
    """Return a document as a page.

    Args:
        content: What the page shows.
        home: Relative address of the index of the run, or nothing.
    """
    style, script, bundle = _style(), _asset("page.js"), _bundle() if content.live else ""
    scripts = [bundle, script] if content.live else []
    return (
        _templates()
        .get_template("page.html.j2")
        .render(
            page=content,
            facts=True,
            home=home,
            language=LANGUAGE,
            policy=_policy(style, scripts),
            style=Markup(style),  # noqa: S704 - our own file
            script=Markup(script),  # noqa: S704 - our own file
            bundle=Markup(bundle),  # noqa: S704 - vl-convert's bundle, checked for a tag in it
            ink=script_json(json.dumps({k: theme.ink_config(v) for k, v in theme.INK.items()})),
        )
    )


def export_index(run_folder: Path) -> Path:
    """Write ``index.html`` of a run and return its path.

    Args:
        run_folder: Folder with the run's ``manifest.json`` and one folder a step, each with its
            own ``manifest.json``, ``executed.ipynb`` and ``page.html``. What is missing is left
            out; a step that failed is shown with its error.

    Raises:
        InputError: The folder holds neither a run nor a step.
    """
    run = _manifest(run_folder)
    steps = [_step(run_folder, name, told) for name, told in _steps(run_folder, run).items()]
    if not steps:
        raise InputError(f"{run_folder.name} holds no step of a run")
    good = sum(step.good for step in steps)
    style = _style()
    index = run_folder / INDEX
    html = (
        _templates()
        .get_template("index.html.j2")
        .render(
            question=f"What did the run {text.named(run.get('run') or run_folder.name)} find?",
            summary=f"{text.count(good)} of {text.plural(len(steps), 'step')} done",
            whole=good == len(steps),
            report=[step for step in steps if step.sums_up],
            steps=[step for step in steps if not step.sums_up],
            facts=lineage.run_facts(run),
            language=LANGUAGE,
            policy=_policy(style, []),
            style=Markup(style),  # noqa: S704 - our own file
        )
    )
    write_text(index, html)
    return index


@dataclass(frozen=True)
class Step:
    """One step as the index shows it."""

    notebook: str
    question: str
    status: str
    good: bool
    duration: str
    error: str
    link: str
    answer: list[Block] = field(default_factory=list)
    sums_up: bool = False  # a report that ended well: the index shows it first


def _steps(folder: Path, run: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what is known of each step, in the order of the run, else of the folders' names."""
    listed = run.get("steps")
    told: dict[str, Mapping[str, Any]] = {
        str(step.get("name") or step["notebook"]): step
        for step in (listed if isinstance(listed, list) else [])
        if isinstance(step, Mapping) and step.get("notebook")
    }
    if not told:
        for manifest in sorted(folder.glob(f"*/{_MANIFEST}")):
            told[manifest.parent.name] = {}
    return told


def _step(folder: Path, notebook: str, told: Mapping[str, Any]) -> Step:
    """Return one step from the run's manifest, its own manifest and its notebook."""
    name = Path(notebook).stem
    home = folder / name
    known = {**_manifest(home), **{key: value for key, value in told.items() if value is not None}}
    question, answer, failure = name.replace("_", " "), [], ""
    status = str(known.get("status") or "not_run")
    if (home / _EXECUTED).is_file():
        try:
            content = document.read(home / _EXECUTED, known)
            question, failure = content.question, content.failure
            answer = [block for block in content.answer if block.kind in {"html", "cards"}]
        except InputError as error:
            failure = str(error)
    good = status in _GOOD
    duration = known.get("duration_s")
    return Step(
        notebook=name,
        question=question,
        status=lineage.STATUS_WORDS.get(status, status),
        good=good,
        duration=text.duration(float(duration))
        if isinstance(duration, int | float) and status != "up_to_date"
        else "",
        error="" if good and not failure else lineage.error_line(known.get("error")) or failure,
        link=f"{name}/{_PAGE}" if (home / _PAGE).is_file() else "",
        answer=answer if good else [],
        sums_up=good and Path(str(known.get("notebook") or name)).stem.endswith(_REPORT),
    )


def _manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest in a folder, or nothing when there is none that can be read."""
    try:
        read = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


@functools.cache
def _templates() -> jinja2.Environment:
    """Return the templates; every value is escaped unless it is markup of ours."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("workbench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@functools.cache
def _asset(name: str) -> str:
    """Return one of the package's own files, as a page carries it."""
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


@functools.cache
def _style() -> str:
    return _asset("page.css")


@functools.cache
def _bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script that can stand in a page.

    Raises:
        InputError: The bundle holds a text that would end or open a script element.
    """
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub lacks the default
    lowered = bundle.lower()
    if "</script" in lowered or "<!--" in lowered:
        raise InputError("vl-convert's bundle holds a script tag; this version cannot be inlined")
    return bundle


def _policy(style: str, scripts: list[str]) -> str:
    """Return the Content-Security-Policy of a page: what it carries, and nothing else."""
    allowed = " ".join(_hash(script) for script in scripts) or "'none'"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {allowed}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "connect-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
