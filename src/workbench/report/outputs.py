"""What of a cell's outputs goes on a page, by an allow-list. Owns no layout.

Specifications of figures, cards, tables, Markdown, pictures and plain text go out. Streams
(progress, warnings), tracebacks, widgets, scripts and recorded results stay in the notebook.
"""

from __future__ import annotations

import ast
import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from workbench.errors import InputError
from workbench.report import prose, theme
from workbench.report.cards import CARDS_MIME, KeyFigure
from workbench.report.markup import script_json
from workbench.report.renderer import SVG_MIME, VEGALITE_MIME, picture
from workbench.report.tables import tables

RESULT_MIME = "application/vnd.workbench.result+json"
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
_PNG_MIME = "image/png"
_NEVER = (RESULT_MIME, WIDGET_MIME)
_OBJECT = re.compile(r"<[\w.]+ (?:object )?at 0x[0-9a-f]+>|<[\w.]+ object\b")
_SIZE = re.compile(r'<svg[^>]*?\swidth="([\d.]+)"[^>]*?\sheight="([\d.]+)"')


@dataclass(frozen=True)
class Html:
    """Prose or a table, ready for the page."""

    html: Markup
    kind: str = "html"


@dataclass(frozen=True)
class Plain:
    """Text of fixed width."""

    text: str
    kind: str = "plain"


@dataclass(frozen=True)
class Cards:
    """A row of key figures."""

    cards: tuple[KeyFigure, ...]
    kind: str = "cards"


@dataclass(frozen=True)
class Picture:
    """A figure that is only a picture."""

    source: Markup
    alt: str
    kind: str = "picture"


@dataclass(frozen=True)
class Figure:
    """A figure that is drawn live, with a picture for each colour scheme in its place before.

    Attributes:
        title: Heading of the figure, or nothing.
        description: What it shows, in place of the picture.
        caption: How to read it, below it; the description when the chart has no caption.
        spec: Vega-Lite as JSON that a script element can hold.
        light: Picture for a light page, as a data address.
        dark: Picture for a dark page, as a data address.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
    """

    title: str
    description: str
    caption: str
    spec: Markup
    light: Markup
    dark: Markup
    width: int
    height: int
    kind: str = "figure"


Block = Html | Plain | Cards | Picture | Figure


def shown(outputs: Sequence[Mapping[str, Any]]) -> list[Block]:
    r"""Return the blocks of a cell's outputs, in their order.

    >>> shown([{"output_type": "stream", "name": "stderr", "text": "a path"}])
    []
    >>> shown([{"output_type": "execute_result", "data": {"text/plain": "'Seven.'"}}])[0].html
    Markup('<p>Seven.</p>\n')
    """
    blocks: list[Block] = []
    for output in outputs:
        if output.get("output_type") in {"display_data", "execute_result"}:
            blocks += _blocks(output.get("data", {}), output.get("metadata", {}))
    return blocks


def _blocks(data: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[Block]:
    """Return what one output shows: its richest form that is allowed."""
    if any(mime in data for mime in _NEVER):
        return []
    if VEGALITE_MIME in data:
        return [_figure(data, metadata)]
    if CARDS_MIME in data:
        cards = data[CARDS_MIME]
        said = isinstance(cards, Mapping) and cards.get("with_text") is True
        text = _text(data.get("text/markdown", "")) if said else ""
        return [*([Html(prose.rendered(text))] if text else []), _cards(cards)]
    if "text/html" in data and (found := tables(_text(data["text/html"]))):
        return [Html(table) for table in found]
    if "text/markdown" in data:
        return [Html(prose.rendered(_text(data["text/markdown"])))]
    return _pictures(data, metadata) or _plain(_text(data.get("text/plain", "")))


def _pictures(data: Mapping[str, Any], metadata: Mapping[str, Any]) -> list[Block]:
    """Return the picture of an output, if it has one, with the text that its author gave it."""
    for mime in (SVG_MIME, _PNG_MIME):
        if mime in data:
            alt = str(metadata.get(mime, {}).get("alt") or metadata.get("alt") or "")
            return [Picture(_address(mime, _text(data[mime])), alt)]
    return []


def _plain(text: str) -> list[Block]:
    """Return plain text: a string literal as a sentence, an object without a text not at all."""
    text = text.strip()
    if not text or text == "None" or _OBJECT.search(text):
        return []
    if text[0] in "'\"":
        try:
            said = ast.literal_eval(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            said = None
        if isinstance(said, str):
            paragraphs = [part.strip() for part in said.split("\n\n") if part.strip()]
            return [
                Html(Markup("").join(Markup("<p>{}</p>\n").format(part) for part in paragraphs))
            ]
    return [Plain(text)]


def _cards(data: Any) -> Cards:
    """Return key figures from their data, each part as text."""
    rows = data.get("cards", []) if isinstance(data, Mapping) else []
    return Cards(
        tuple(
            KeyFigure(
                label=str(row.get("label", "")),
                value=str(row.get("value", "")),
                note=str(row.get("note", "")),
            )
            for row in rows
            if isinstance(row, Mapping)
        )
    )


def _figure(data: Mapping[str, Any], metadata: Mapping[str, Any]) -> Block:
    """Return a live figure, or only its picture when the specification cannot be drawn."""
    spec = dict(data[VEGALITE_MIME])
    title, subtitle = _titles(spec.pop("title", ""))
    spec.pop("$schema", None)
    meta = spec.pop("usermeta", None)
    description = " ".join(str(spec.get("description") or subtitle or title).split())
    try:
        light = picture(theme.inked(spec, "light"))
        dark = picture(theme.inked(spec, "dark"))
    except InputError:
        if SVG_MIME not in data:
            raise
        alt = str(metadata.get(SVG_MIME, {}).get("alt") or description)
        return Picture(_address(SVG_MIME, _text(data[SVG_MIME])), alt)
    size = _SIZE.search(light)
    width, height = (float(size[1]), float(size[2])) if size else (640.0, 300.0)
    return Figure(
        title=title,
        description=description,
        caption=_caption(meta, description),
        spec=script_json(json.dumps(spec, ensure_ascii=False, sort_keys=True)),
        light=_address(SVG_MIME, light),
        dark=_address(SVG_MIME, dark),
        width=round(width),
        height=round(height),
    )


def _caption(meta: Any, description: str) -> str:
    """Return the caption that a chart carries; one without any is described to everybody."""
    if isinstance(meta, Mapping) and isinstance(meta.get("caption"), str):
        return " ".join(meta["caption"].split())
    return description


def _titles(title: Any) -> tuple[str, str]:
    """Return the title and the subtitle of a specification as text."""
    if isinstance(title, Mapping):
        return _lines(title.get("text", "")), _lines(title.get("subtitle", ""))
    return _lines(title), ""


def _lines(text: Any) -> str:
    return " ".join(str(line) for line in text) if isinstance(text, list) else str(text)


def _text(value: Any) -> str:
    """Return a value of a MIME bundle as text; nbformat also allows a list of lines."""
    return "".join(value) if isinstance(value, list) else str(value)


def _address(mime: str, content: str) -> Markup:
    """Return a picture as a data address; as a picture no script in it ever runs."""
    if mime == SVG_MIME:
        encoded = base64.b64encode(content.encode()).decode()
    else:
        encoded = re.sub(r"[^A-Za-z0-9+/=]", "", content)
    return Markup("data:{};base64,{}").format(mime, encoded)
