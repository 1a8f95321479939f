"""A notebook as a document: question, answer, body, contents, lineage. Owns no template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import Markup
from nbconvert.preprocessors import TagRemovePreprocessor

from workbench import text
from workbench.errors import InputError
from workbench.report import lineage, outputs, prose
from workbench.report.outputs import Block, Html

_LEFT_OUT = {"remove", "private", "remove_cell", "remove-cell"}
_OUTPUTS_LEFT_OUT = {"remove_output", "remove-output", "hide-output"}
_HEADING = re.compile(r"<h([1-6])>(.*?)</h\1>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_SLUG_WORDS = 8
_GOOD = {"done", "up_to_date"}


@dataclass(frozen=True)
class Heading:
    """A line of the table of contents."""

    anchor: str
    text: Markup
    level: int


@dataclass(frozen=True)
class Document:
    """What a page shows, apart from its looks.

    Attributes:
        question: The title, as plain text.
        answer: Blocks of the cells tagged ``answer``.
        body: The other blocks, in their order.
        contents: Headings of the body.
        parameters: Parameters of the notebook.
        facts: Where the page comes from.
        failure: One line when the run failed, else empty.
    """

    question: str
    answer: list[Block]
    body: list[Block]
    contents: list[Heading]
    parameters: list[lineage.Parameter]
    facts: list[lineage.Fact]
    failure: str

    @property
    def live(self) -> bool:
        """Whether any figure is drawn by script."""
        return any(block.kind == "figure" for block in [*self.answer, *self.body])


def read(notebook: Path, manifest: Mapping[str, Any] | None = None) -> Document:
    """Read an executed notebook as a document.

    Raises:
        InputError: The file is no notebook, has no question as its title, or a finished run has
            no answer.
    """
    try:
        content = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]  # nbformat types a part of itself
    except (OSError, ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{notebook.name} cannot be read as a notebook: {reason[:200]}") from None
    return document(content, manifest or {}, name=notebook.name)


def document(notebook: Any, manifest: Mapping[str, Any], *, name: str) -> Document:
    """Return an executed notebook as a document.

    Args:
        notebook: A notebook of nbformat 4.
        manifest: The manifest of its step, or nothing.
        name: What to call the notebook in an error.

    Raises:
        InputError: There is no question as title, or a finished run has no answer.
    """
    failure = _failure(notebook, manifest)
    defaults, injected = _tagged(notebook, "parameters"), _tagged(notebook, "injected-parameters")
    cells = _without(notebook).cells
    question = ""
    answer: list[Block] = []
    body: list[Block] = []
    for cell in cells:
        tags = set(cell.metadata.get("tags", []))
        if tags & {"parameters", "injected-parameters"} or "papermill-error" in str(cell.source):
            continue
        if cell.cell_type == "markdown":
            html = prose.rendered(_source(cell))
            if not question:
                question, html = _without_title(html)
            blocks: list[Block] = [Html(html)] if html.strip() else []
        elif cell.cell_type == "code":
            blocks = outputs.shown(cell.get("outputs", []))
        else:
            continue
        (answer if "answer" in tags else body).extend(blocks)
    if not question:
        raise InputError(f"{name} has no title; its first line must be '# ' and a question")
    if not answer and not failure:
        raise InputError(
            f"{name} shows no answer; tag the cell that computes it with 'answer'"
            " and let its last line be the sentence"
        )
    contents: list[Heading] = []
    return Document(
        question=question,
        answer=[_without_headings(block) for block in answer],
        body=[_anchored(block, contents) for block in body],
        contents=contents,
        parameters=lineage.parameters(defaults, injected),
        facts=lineage.step_facts(manifest),
        failure=failure,
    )


def _without(notebook: Any) -> Any:
    """Return the notebook without the cells and outputs that are tagged out."""
    remover = TagRemovePreprocessor(  # type: ignore[no-untyped-call]  # nbconvert types a part of itself
        enabled=True, remove_cell_tags=_LEFT_OUT, remove_all_outputs_tags=_OUTPUTS_LEFT_OUT
    )
    kept, _ = remover.preprocess(notebook, {})  # type: ignore[no-untyped-call]  # same
    return kept


def _failure(notebook: Any, manifest: Mapping[str, Any]) -> str:
    """Return one line when the run did not end well: of its manifest, else of the notebook."""
    status = manifest.get("status")
    if status and status not in _GOOD:
        word = lineage.STATUS_WORDS.get(str(status), str(status))
        line = lineage.error_line(manifest.get("error"))
        return text.sentence(f"{word}: {line}" if line else word)
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                told = {"type": output.ename, "message": output.evalue, "cell": number}
                return text.sentence(f"failed: {lineage.error_line(told)}")
    return ""


def _tagged(notebook: Any, tag: str) -> str:
    """Return the source of the first cell with a tag, or nothing."""
    for cell in notebook.cells:
        if tag in cell.metadata.get("tags", []):
            return _source(cell)
    return ""


def _source(cell: Any) -> str:
    """Return the source of a cell, with attached pictures as data addresses."""
    source = str(cell.source)
    for name, forms in cell.get("attachments", {}).items():
        for mime, content in forms.items():
            if mime.startswith("image/"):
                source = source.replace(f"attachment:{name}", f"data:{mime};base64,{content}")
    return source


def _without_title(html: Markup) -> tuple[str, Markup]:
    """Return the first title of some prose as text, and the prose without it."""
    for match in _HEADING.finditer(html):
        if match[1] == "1":
            rest = html[: match.start()] + html[match.end() :]
            return Markup(_TAG.sub("", match[2])).unescape().strip(), Markup(rest)  # noqa: S704 - rendered, escaped prose with a part cut out
    return "", html


def _without_headings(block: Block) -> Block:
    """Return a block of the answer, which has its heading already."""
    if isinstance(block, Html):
        return Html(Markup(_HEADING.sub("", block.html)))  # noqa: S704 - rendered, escaped prose with a part cut out
    return block


def _anchored(block: Block, contents: list[Heading]) -> Block:
    """Return a block whose headings have ids, and list them in ``contents``."""
    if not isinstance(block, Html):
        return block
    taken = {heading.anchor for heading in contents}

    def with_id(match: re.Match[str]) -> str:
        level = max(2, int(match[1]))
        title = Markup(match[2])  # noqa: S704 - rendered, escaped prose
        anchor = _slug(Markup(_TAG.sub("", match[2])).unescape())  # noqa: S704 - only made into an id
        while anchor in taken:
            anchor += "-again"
        taken.add(anchor)
        if level <= 3:  # noqa: PLR2004 - deeper headings are not listed
            contents.append(Heading(anchor, title, level))
        return f'<h{level} id="{anchor}">{title}</h{level}>'

    return Html(Markup(_HEADING.sub(with_id, block.html)))  # noqa: S704 - ids are made of letters, digits and dashes


def _slug(title: str) -> str:
    """Return an id made of the first words of a title.

    >>> _slug("Does it hold? A check")
    's-does-it-hold-a-check'
    """
    words = re.findall(r"[a-z0-9]+", title.lower())[:_SLUG_WORDS]
    return "-".join(["s", *words])
