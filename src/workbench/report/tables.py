"""Tables of a page, rebuilt from the HTML of pandas. Owns no number.

Only text is taken out of an output's HTML, so nothing in the data can act. The corner above an
unnamed index is no header, an index that only counts rows is left out, numbers stand right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Literal

from markupsafe import Markup

_MISSING_TEXTS = {"NaN", "None", "NaT", "<NA>", "nan", "null"}
_DASH = "–"
_ELLIPSES = {"...", "…"}
_NUMBER = re.compile(
    r"[<>]?[+−-]?\s?[$€£¥]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?\s?"
    r"(?:%|×|days?|weeks?|s|ms|min|h|B|kB|MB|GB)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Cell:
    """One cell: its text and how many columns and rows it takes."""

    text: str
    header: bool
    columns: int = 1
    rows: int = 1


@dataclass
class Table:
    """The rows of one table, in the head and in the body."""

    caption: str = ""
    head: list[list[Cell]] = field(default_factory=list)
    body: list[list[Cell]] = field(default_factory=list)


def tables(source: str) -> list[Markup]:
    """Return every table in a piece of HTML, rebuilt; everything around them is left out.

    >>> html = "<table><thead><tr><th></th><th>n</th></tr></thead><tbody><tr><th>0</th><td>7</td></tr></tbody></table>"
    >>> "<th scope='col' class='number'>n</th></tr>" in tables(html)[0]
    True
    """
    reader = _Reader()
    reader.feed(source)
    reader.close()
    return [written(_tidied(table)) for table in reader.found if table.head or table.body]


def written(table: Table) -> Markup:
    """Return a table as HTML: scopes on headers, numbers to the right, scrollable on a phone."""
    numeric = _numeric_columns(table)
    parts = [Markup("<div class='scroll' tabindex='0' role='group' aria-label='Table'><table>")]
    if table.caption:
        parts.append(Markup("<caption>{}</caption>").format(table.caption))
    for section, rows in (("thead", table.head), ("tbody", table.body)):
        if not rows:
            continue
        parts.append(Markup("<{}>").format(section))
        for row in rows:
            parts.append(Markup("<tr>"))
            column = 0
            for cell in row:
                parts.append(_cell(cell, in_head=section == "thead", number=column in numeric))
                column += cell.columns
            parts.append(Markup("</tr>"))
        parts.append(Markup("</{}>").format(section))
    parts.append(Markup("</table></div>"))
    return Markup().join(parts)


def _cell(cell: Cell, *, in_head: bool, number: bool) -> Markup:
    """Return one cell; an empty header is no header."""
    tag = "th" if cell.header and cell.text else "td"
    scope = Markup()
    if tag == "th":
        many = cell.columns if in_head else cell.rows
        scope = Markup(" scope='{}'").format(
            ("col" if in_head else "row") + ("group" if many > 1 else "")
        )
    kind = Markup(" class='number'") if number else Markup()
    size = Markup()
    if cell.columns > 1:
        size += Markup(" colspan='{}'").format(cell.columns)
    if cell.rows > 1:
        size += Markup(" rowspan='{}'").format(cell.rows)
    text = _DASH if cell.text in _MISSING_TEXTS and not in_head else cell.text
    return Markup("<{0}{1}{2}{3}>{4}</{0}>").format(tag, scope, kind, size, text)


def _tidied(table: Table) -> Table:
    """Return the table without pandas' extra header row and without an index that only counts."""
    head, body = table.head, table.body
    simple = all(cell.columns == cell.rows == 1 for row in [*head, *body] for cell in row)
    if not (simple and head and body):
        return table
    if len(head) == 2:  # noqa: PLR2004 - pandas writes the name of an index in a second row
        top, names = head
        if len(top) == len(names) and all(
            not (above.text and below.text) for above, below in zip(top, names, strict=True)
        ):
            head = [
                [
                    replace(above, text=above.text or below.text)
                    for above, below in zip(top, names, strict=True)
                ]
            ]
    first = [row[0].text for row in body if row]
    unnamed = bool(head[0]) and not head[0][0].text and all(row[0].header for row in body if row)
    if unnamed and len(head) == 1 and _only_counts(first):
        head = [row[1:] for row in head]
        body = [row[1:] for row in body]
    return Table(caption=table.caption, head=head, body=body)


def _only_counts(texts: list[str]) -> bool:
    """Say whether an index is 0, 1, 2 … with at most a gap where rows were left out."""
    expected = 0
    for text in texts:
        if text in _ELLIPSES:
            expected = -1
        elif not text.isdecimal() or (expected >= 0 and int(text) != expected):
            return False
        else:
            expected = int(text) + 1
    return True


def _numeric_columns(table: Table) -> set[int]:
    """Return the columns whose cells are all numbers, or missing."""
    found: dict[int, Literal["number", "text"]] = {}
    for row in table.body:
        column = 0
        for cell in row:
            text = cell.text.strip()
            empty = not text or text in _MISSING_TEXTS or text in _ELLIPSES or text == _DASH
            if cell.header or not (empty or _NUMBER.fullmatch(text)):
                found[column] = "text"
            elif not empty:
                found.setdefault(column, "number")
            column += cell.columns
    return {column for column, kind in found.items() if kind == "number"}


class _Reader(HTMLParser):
    """Takes the text of tables out of HTML, and nothing else."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Table] = []
        self._depth = 0
        self._section = "body"
        self._row: list[Cell] | None = None
        self._cell: Cell | None = None
        self._text: list[str] | None = None
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "style", "template"}:
            self._silent += 1
        elif tag == "table":
            self._depth += 1
            if self._depth == 1:
                self.found.append(Table())
                self._section = "body"
        elif self._depth != 1:
            return
        elif tag in {"thead", "tbody", "tfoot"}:
            self._section = "head" if tag == "thead" else "body"
        elif tag == "tr":
            self._end_row()
            self._row = []
        elif tag in {"td", "th"} and self._row is not None:
            self._end_cell()
            named = dict(attrs)
            self._cell = Cell("", tag == "th", _span(named, "colspan"), _span(named, "rowspan"))
            self._text = []
        elif tag == "caption":
            self._text = []
        elif tag == "br" and self._text is not None:
            self._text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style", "template"}:
            self._silent = max(0, self._silent - 1)
        elif tag == "table":
            if self._depth == 1:
                self._end_row()
            self._depth = max(0, self._depth - 1)
        elif self._depth != 1:
            return
        elif tag in {"td", "th"}:
            self._end_cell()
        elif tag == "tr":
            self._end_row()
        elif tag == "caption":
            self.found[-1].caption = self._said()

    def handle_data(self, data: str) -> None:
        if self._text is not None and not self._silent:
            self._text.append(data)

    def _said(self) -> str:
        said = " ".join("".join(self._text or []).split())
        self._text = None
        return said

    def _end_cell(self) -> None:
        if self._cell is not None and self._row is not None:
            self._row.append(replace(self._cell, text=self._said()))
        self._cell = None

    def _end_row(self) -> None:
        self._end_cell()
        if self._row and self.found:
            table = self.found[-1]
            (table.head if self._section == "head" else table.body).append(self._row)
        self._row = None


def _span(attributes: dict[str, str | None], name: str) -> int:
    """Return a span of 1 to 1,000 cells."""
    value = attributes.get(name) or "1"
    return min(max(int(value), 1), 1_000) if value.isdecimal() and len(value) < 5 else 1  # noqa: PLR2004 - digits that are read at all
