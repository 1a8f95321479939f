"""What an exported page must not have, checked in its text. Owns no browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from workbench.files import read_text

_LOADING = {
    "src", "srcset", "data", "poster", "background", "action", "formaction", "manifest", "ping",
}  # fmt: skip
_LOADING_LINKS = {"link", "base", "use", "image"}
_MOVING_PARTS = {"iframe", "object", "embed", "applet", "frame", "form", "audio", "video"}
_CODE = re.compile(
    r"^\s*(?:import \w[\w.]*(?: as \w+)?$|from [\w.]+ import |def \w+\(|class \w+[(:]|"
    r"%%?[a-z]\w*\b|In ?\[\d*\]:|\w+ = \w+\.\w+\(|Traceback \(most recent call last\))",
    re.MULTILINE,
)
_LATEX = re.compile(r"\$\$|\\(?:frac|begin|sum|sqrt|mathrm|text|alpha|beta|lambda)\b")
_MACHINE = re.compile(
    r"(?<![\w.:/…])/(?:home|root|Users|tmp|work|opt|mnt|srv|var/folders)/[\w.]|\b[A-Z]:\\[\w]|file://"
)
_EMPTY_ALT = {"", "no description has been provided for this image", "svg", "png", "image"}
_CSS_LOAD = re.compile(r"@import|url\(\s*['\"]?(?!data:)", re.IGNORECASE)
_OUTSIDE = re.compile(
    r"^\s*(?:[a-z][a-z0-9+.-]*:)?//|^\s*(?:https?|ftp|file|blob|javascript):", re.IGNORECASE
)


def check_page(path: Path) -> list[str]:
    """Return what is wrong with a page, one line a fault; an empty list is a good page.

    The page must load nothing, show no code, give every picture a text, have one title that is a
    question, leave no mathematics raw, name no folder of a machine, and run no script but the
    ones that its policy names.

    Raises:
        InputError: The file cannot be read.
    """
    reader = _Reader()
    reader.feed(read_text(path))
    reader.close()
    return [f"{path.name}: {fault}" for fault in [*reader.faults, *_whole(reader)]]


def _whole(reader: _Reader) -> list[str]:
    """Return the faults that show when the page was read to its end."""
    faults: list[str] = []
    titles = [" ".join(title.split()) for title in reader.titles]
    if len(titles) != 1:
        faults.append(f"{len(titles)} h1, must be 1")
    faults += [f"the h1 '{title}' is no question" for title in titles if not title.endswith("?")]
    if not reader.language:
        faults.append("the html element has no lang")
    if not reader.title.strip():
        faults.append("the page has no title")
    if "default-src 'none'" not in reader.policy:
        faults.append("no Content-Security-Policy with default-src 'none'")
    for name in sorted({name for name in reader.ids if reader.ids.count(name) > 1}):
        faults.append(f"the id '{name}' stands twice")
    faults += [
        f"the link #{name} leads nowhere" for name in reader.anchors if name not in reader.ids
    ]
    visible = "".join(reader.visible)
    for kind, rule in (
        ("code", _CODE),
        ("raw mathematics", _LATEX),
        ("a path of a machine", _MACHINE),
    ):
        if found := rule.search(visible):
            faults.append(f"{kind} is shown: '{found[0].strip()[:60]}'")
    for hidden in reader.data:
        if found := _MACHINE.search(hidden):
            faults.append(f"a path of a machine stands in a figure: '{found[0]}'")
    return faults


class _Reader(HTMLParser):
    """Reads a page and keeps what the rules need."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.titles: list[str] = []
        self.title = ""
        self.language = ""
        self.policy = ""
        self.ids: list[str] = []
        self.anchors: list[str] = []
        self.visible: list[str] = []
        self.data: list[str] = []
        self._inside = ""
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self._check_attributes(tag, named)
        if tag in _MOVING_PARTS:
            self.faults.append(f"a {tag} element")
        elif tag == "h1":
            self.titles.append("")
            self._in_title = True
        elif tag == "html":
            self.language = named.get("lang", "")
        elif tag == "meta" and named.get("http-equiv", "").lower() == "content-security-policy":
            self.policy = named.get("content", "")
        elif tag == "img" and named.get("alt", "").strip().lower() in _EMPTY_ALT:
            self.faults.append("a picture has no alt text")
        elif tag == "svg" and not named.get("aria-label", "").strip():
            self.faults.append("a drawing has no aria-label")
        if tag in {"script", "style", "title"}:
            self._inside = "data" if "json" in named.get("type", "") else tag
        if tag in {"p", "div", "pre", "li", "tr", "h1", "h2", "h3", "br", "dd", "dt"}:
            self.visible.append("\n")
        if "id" in named:
            self.ids.append(named["id"])

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style", "title"}:
            self._inside = ""
        elif tag == "h1":
            self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self.title += data
        elif self._inside == "style":
            if _CSS_LOAD.search(data):
                self.faults.append("a style sheet loads something")
        elif self._inside == "data":
            self.data.append(data)
        elif not self._inside:
            self.visible.append(data)
            if self._in_title:
                self.titles[-1] += data

    def _check_attributes(self, tag: str, named: dict[str, str]) -> None:
        for name, value in named.items():
            if name.startswith("on"):
                self.faults.append(f"a {tag} element has the event handler {name}")
            loads = name in _LOADING or (name == "href" and tag in _LOADING_LINKS)
            if loads and not value.strip().startswith("data:"):
                self.faults.append(f"a {tag} element loads '{value[:60]}'")
            if name == "style" and _CSS_LOAD.search(value):
                self.faults.append(f"the style of a {tag} element loads something")
            if name in {"alt", "title", "aria-label", "href"} and _MACHINE.search(value):
                self.faults.append(f"a path of a machine stands in {name}: '{value[:60]}'")
        if tag == "a" and (href := named.get("href", "")):
            if href.startswith("#"):
                self.anchors.append(href[1:])
            elif _OUTSIDE.match(href) and not href.startswith(("http://", "https://")):
                self.faults.append(f"a link leads to '{href[:60]}'")
