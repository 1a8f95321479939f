"""Markdown to HTML: raw HTML is text, mathematics is MathML. Owns no page.

nbconvert's Markdown reader finds the mathematics; what it makes of a dollar sign is narrowed to
pandoc's rule, so that amounts of money in a computed sentence stay amounts of money.
"""

from __future__ import annotations

import html
import re
from typing import Any, ClassVar
from urllib.parse import urlsplit

from latex2mathml.converter import convert
from markupsafe import Markup
from nbconvert.filters.markdown_mistune import (
    IPythonRenderer,
    MarkdownWithMath,
    MathInlineParser,
)

from workbench.report.markup import MATHML, rebuilt

_ENVIRONMENTS_OF_DISPLAY = {"equation", "equation*", "align", "align*", "gather", "gather*"}
_SAFE_SCHEMES = {"", "http", "https", "mailto"}
_BARE_COMMAND = re.compile(r"<m(?:i|text)>\\[A-Za-z]+</m(?:i|text)>")


def rendered(markdown: str) -> Markup:
    r"""Return Markdown as HTML that carries nothing active.

    >>> rendered("It cost $5 and then $7, <b>not</b> $x^2$.")[:60]
    Markup('<p>It cost $5 and then $7, &lt;b&gt;not&lt;/b&gt; <math xmln')
    >>> rendered("Paid \\$5.")
    Markup('<p>Paid $5.</p>\n')
    """
    reader = MarkdownWithMath(renderer=_Renderer(escape=True), inline=_Inline())
    return Markup(reader.render(markdown))  # noqa: S704 - the renderer escapes all text and raw HTML


def mathml(latex: str, *, display: bool) -> Markup:
    r"""Return LaTeX mathematics as MathML, or as marked-up source where it cannot be read.

    >>> "<mfrac>" in mathml(r"\frac{1}{2}", display=True)
    True
    """
    readable = latex.strip().replace("{aligned}", "{align*}")
    try:
        made = convert(readable, display="block" if display else "inline")
    except Exception:  # noqa: BLE001 - latex2mathml raises many kinds on bad input, all meaning unreadable
        return Markup("<code class='formula'>{}</code>").format(latex.strip())
    if _BARE_COMMAND.search(made):
        return Markup("<code class='formula'>{}</code>").format(latex.strip())
    return rebuilt(made, MATHML)  # latex2mathml copies the text of \text{} as it is


class _Inline(MathInlineParser):
    """nbconvert's inline reader with pandoc's rule for a single dollar sign."""

    SPECIFICATION: ClassVar[dict[str, str]] = {
        **MathInlineParser.SPECIFICATION,
        # Opening: no space behind it. Closing: no space before it and no digit behind it.
        "inline_math_tex": (
            r"(?<![$\\])\$(?![\s$])(?P<math_inline_tex>(?:[^$\n\\]|\\.|\n(?!\n))+?)"
            r"(?<![\s\\])\$(?![\d$])"
        ),
    }


class _Renderer(IPythonRenderer):
    """nbconvert's renderer without anchors, remote pictures, active links and highlighting."""

    def text(self, text: str) -> str:
        """Return text with markup escaped once, whether or not it was before."""
        return html.escape(html.unescape(text), quote=False)

    def heading(self, text: str, level: int, **_attrs: Any) -> str:
        """Return a heading; the page gives it its id."""
        return f"<h{level}>{text}</h{level}>\n"

    def link(self, text: str, url: str, title: str | None = None) -> str:  # noqa: ARG002 - mistune's signature
        """Return a link that can only lead to a page, never run something."""
        if _scheme(url) not in _SAFE_SCHEMES:
            return text
        return f'<a href="{html.escape(url)}" rel="noopener noreferrer">{text}</a>'

    def image(self, text: str, url: str, title: str | None = None) -> str:  # noqa: ARG002 - mistune's signature
        """Return a picture that the page carries, and the text of one that it does not."""
        if url.startswith("data:image/"):
            return f'<img src="{html.escape(url)}" alt="{text}">'
        return f"<em>{text}</em>"

    def block_code(self, code: str, info: str | None = None) -> str:  # noqa: ARG002 - mistune's signature
        """Return a block of fixed text; a page has no code to colour."""
        return f'<pre class="plain" tabindex="0">{html.escape(code, quote=False)}</pre>\n'

    def block_html(self, html: str) -> str:
        """Return raw HTML as text."""
        return f"<p>{self.escape_html(html.strip())}</p>\n"

    def inline_html(self, html: str) -> str:
        """Return raw HTML as text."""
        return str(self.escape_html(html))

    def table(self, text: str) -> str:
        """Return a table that a phone can scroll."""
        return (
            "<div class='scroll' tabindex='0' role='group' aria-label='Table'>"
            f"<table>\n{text}</table></div>\n"
        )

    def table_cell(self, text: str, align: str | None = None, head: bool = False) -> str:
        """Return a cell with the scope of a header and without a style attribute."""
        tag = "th" if head and text else "td"
        scope = " scope='col'" if tag == "th" else ""
        kind = " class='number'" if align == "right" else ""
        return f"  <{tag}{scope}{kind}>{text}</{tag}>\n"

    def inline_math(self, body: str) -> str:
        """Return mathematics within a line."""
        return str(mathml(body, display=False))

    def block_math(self, body: str) -> str:
        """Return mathematics on its own."""
        return str(mathml(body, display=True))

    def latex_environment(self, name: str, body: str) -> str:
        """Return a LaTeX environment; one that only numbers a formula is dropped."""
        inner = name.rstrip("*")
        if name in _ENVIRONMENTS_OF_DISPLAY and inner != "align":
            return str(mathml(body, display=True))
        inside = "align*" if inner == "align" else inner
        return str(mathml(rf"\begin{{{inside}}}{body}\end{{{inside}}}", display=True))


def _scheme(url: str) -> str:
    """Return the scheme of an address as a browser reads it, or one that is refused."""
    cleaned = "".join(letter for letter in html.unescape(url) if letter > " ")
    try:
        return urlsplit(cleaned).scheme.lower()
    except ValueError:
        return "unreadable"
