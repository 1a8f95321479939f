"""HTML rebuilt from an allow-list, so that nothing else can come through. Owns no layout."""

from __future__ import annotations

import html
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Final

from markupsafe import Markup

# MathML that latex2mathml writes, without links, styles and event handlers.
MATHML: Final[Mapping[str, frozenset[str]]] = {
    tag: frozenset(attributes.split())
    for tag, attributes in {
        "math": "xmlns display",
        "mrow": "",
        "mi": "mathvariant",
        "mn": "mathvariant",
        "mo": "mathvariant stretchy fence form separator movablelimits lspace rspace minsize maxsize accent symmetric largeop",
        "mtext": "mathvariant",
        "ms": "",
        "mspace": "width height depth linebreak",
        "msub": "",
        "msup": "",
        "msubsup": "",
        "munder": "accentunder",
        "mover": "accent",
        "munderover": "accent accentunder",
        "mmultiscripts": "",
        "mprescripts": "",
        "mfrac": "linethickness bevelled",
        "msqrt": "",
        "mroot": "",
        "mstyle": "displaystyle scriptlevel mathsize",
        "mpadded": "width height depth lspace voffset",
        "mphantom": "",
        "menclose": "notation",
        "mtable": "displaystyle rowspacing columnspacing columnalign rowlines columnlines frame",
        "mtr": "columnalign",
        "mtd": "columnalign",
    }.items()
}


def rebuilt(source: str, allowed: Mapping[str, frozenset[str]]) -> Markup:
    """Return markup with the allowed elements and attributes; every other tag becomes text.

    >>> rebuilt("<mi href='x'>a</mi><b>c</b>", MATHML)
    Markup('<mi>a</mi>&lt;b&gt;c&lt;/b&gt;')
    """
    reader = _Rebuilder(allowed)
    reader.feed(source)
    reader.close()
    return Markup("".join([*reader.parts, *reversed(reader.ends)]))  # noqa: S704 - parts are escaped or allowed


def script_json(text: str) -> Markup:
    r"""Return JSON that can stand inside a script element: no text in it can end the element.

    >>> script_json('{"a": "</script>"}')
    Markup('{"a": "\\u003c/script\\u003e"}')
    """
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704 - no character that HTML reads is left


class _Rebuilder(HTMLParser):
    """Reads markup and writes what is allowed."""

    def __init__(self, allowed: Mapping[str, frozenset[str]]) -> None:
        super().__init__(convert_charrefs=True)
        self.allowed = allowed
        self.parts: list[str] = []
        self._open: list[str] = []

    @property
    def ends(self) -> list[str]:
        """End tags of the elements that are still open, outermost first."""
        return [f"</{tag}>" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.allowed:
            self.parts.append(html.escape(self.get_starttag_text() or ""))
            return
        kept = "".join(
            f' {name}="{html.escape(value or "")}"'
            for name, value in attrs
            if name in self.allowed[tag]
        )
        self.parts.append(f"<{tag}{kept}>")
        self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag in self.allowed:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.allowed:
            self.parts.append(html.escape(f"</{tag}>"))
        elif tag in self._open:
            while self._open:
                last = self._open.pop()
                self.parts.append(f"</{last}>")
                if last == tag:
                    break

    def handle_data(self, data: str) -> None:
        self.parts.append(html.escape(data, quote=False))

    def handle_comment(self, data: str) -> None:
        self.parts.append(html.escape(f"<!--{data}-->"))

    def handle_decl(self, decl: str) -> None:
        self.parts.append(html.escape(f"<!{decl}>"))

    def handle_pi(self, data: str) -> None:
        self.parts.append(html.escape(f"<?{data}>"))

    def unknown_decl(self, data: str) -> None:
        self.parts.append(html.escape(f"<![{data}]>"))
