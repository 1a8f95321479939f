"""Exported pages in a real browser with the network off: every figure is drawn, nothing is asked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from report_samples import ATTACK, chart_frames, manifest, sample, write_notebook
from workbench.report import export_page
from workbench.report.theme import SURFACE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHARTS = tuple(sorted(chart_frames()))
MARKS = """[...document.querySelectorAll('figure.chart')].map(figure => ({
  drawn: figure.classList.contains('drawn'),
  error: figure.dataset.error ?? '',
  marks: figure.querySelectorAll('.live svg .mark-rect path, .live svg .mark-line path, '
    + '.live svg .mark-area path, .live svg .mark-text text').length,
  label: figure.querySelector('.live svg')?.getAttribute('aria-label')
    ?? figure.querySelector('.live [aria-label]')?.getAttribute('aria-label') ?? '',
  picture: getComputedStyle(figure.querySelector('.still')).display,
}))"""


def chromium() -> str:
    """Return the path of a Chromium, or skip; under CI its absence is a failure."""
    found = (
        os.environ.get("CHROME_BIN") or shutil.which("chromium") or shutil.which("google-chrome")
    )
    if found:
        return found
    message = "no Chromium: install Debian's chromium or set CHROME_BIN"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    """Export a page with every figure of the workbench."""
    folder = tmp_path_factory.mktemp("run") / "60_value_customers"
    notebook = write_notebook(sample(charts=CHARTS), folder / "executed.ipynb")
    export_page(notebook, folder / "page.html", manifest=manifest())
    return folder / "page.html"


@dataclass
class Seen:
    """What a page asked for and said."""

    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def external(self) -> list[str]:
        return [url for url in self.requests if not url.startswith(("data:", "file:", "blob:"))]


def opened(browser: Browser, file: Path, *, wait: bool = True, **options) -> tuple[Page, Seen]:
    """Open a page in a fresh context that has no network."""
    context = browser.new_context(offline=True, **options)
    page, seen = context.new_page(), Seen()
    page.on("request", lambda request: seen.requests.append(request.url))
    page.on("console", lambda message: seen.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.said.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (seen.said.append("a dialog"), dialog.dismiss()))
    page.goto(file.as_uri())
    if wait:
        # Not wait_for_function: it evaluates a string, which the page's policy refuses.
        page.wait_for_selector("body[data-figures]", state="attached", timeout=60_000)
    return page, seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_draws_every_figure_and_asks_for_nothing(browser, page_file, scheme):
    page, seen = opened(browser, page_file, color_scheme=scheme)
    figures = page.evaluate(MARKS)
    assert len(figures) == len(CHARTS)
    assert [figure for figure in figures if not figure["drawn"] or figure["error"]] == []
    assert min(figure["marks"] for figure in figures) > 0
    assert all(figure["label"] for figure in figures)
    assert {figure["picture"] for figure in figures} == {"none"}
    assert seen.external == []
    assert [url for url in seen.requests if url.startswith("file:")] == [page_file.as_uri()]
    assert seen.said == []
    assert page.title() == "Which customers come back, and what are they worth?"
    page.context.close()


def test_request_and_console_checks_catch_a_page_that_loads(browser, tmp_path):
    planted = tmp_path / "page.html"
    planted.write_text(
        "<!doctype html><title>t</title><img src='https://example.com/x.png'>"
        "<script>console.error('planted')</script>"
    )
    _, seen = opened(browser, planted, wait=False)
    assert seen.external == ["https://example.com/x.png"]
    assert "error: planted" in seen.said


def test_policy_stops_a_script_and_a_request_that_were_added_later(browser, page_file, tmp_path):
    html = page_file.read_text(encoding="utf-8")
    planted = tmp_path / "page.html"
    added = "<script>window.added = 1</script><img alt='x' src='https://example.com/x.png'>"
    planted.write_text(html.replace("</main>", f"{added}</main>"), encoding="utf-8")
    page, seen = opened(browser, planted)
    assert page.evaluate("window.added") is None
    assert sum("Content Security Policy" in line for line in seen.said) == 2
    page.context.close()


def test_markup_in_the_data_runs_nothing(browser, page_file):
    page, seen = opened(browser, page_file)
    assert page.locator("img[src='x']").count() == 0
    assert page.locator("td", has_text=ATTACK).count() == 1
    assert seen.said == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_without_javascript_shows_the_pictures(browser, page_file, scheme):
    page, seen = opened(
        browser, page_file, wait=False, java_script_enabled=False, color_scheme=scheme
    )
    pictures = page.locator("figure.chart img")
    assert pictures.count() == len(CHARTS)
    for number in range(len(CHARTS)):
        assert pictures.nth(number).is_visible()
        box = pictures.nth(number).bounding_box()
        assert box["width"] > 300
        assert box["height"] > 80
    assert seen.external == []
    page.context.close()


def test_figure_that_fails_live_keeps_its_picture(browser, page_file, tmp_path):
    html = page_file.read_text(encoding="utf-8")
    start = html.index('class="spec">') + len('class="spec">')
    broken = tmp_path / "page.html"
    broken.write_text(html[:start] + '{"mark": 7}' + html[html.index("</script>", start) :])
    page, _ = opened(browser, broken)
    figures = page.evaluate(MARKS)
    assert [figure["drawn"] for figure in figures] == [False] + [True] * (len(CHARTS) - 1)
    assert figures[0]["error"]
    assert page.locator("figure.chart img").first.is_visible()
    page.context.close()


def test_print_shows_the_pictures_and_not_the_live_figures(browser, page_file):
    page, _ = opened(browser, page_file)
    page.emulate_media(media="print")
    assert {figure["picture"] for figure in page.evaluate(MARKS)} == {"block"}
    assert not page.locator("figure.chart .live").first.is_visible()
    page.context.close()


def test_phone_scrolls_only_within_tables_and_figures(browser, page_file):
    page, seen = opened(browser, page_file, viewport={"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    sizes = page.evaluate(
        "[...document.querySelectorAll('.live svg')].map(svg => [svg.getBoundingClientRect().width,"
        " svg.getBoundingClientRect().width / svg.viewBox.baseVal.width])"
    )
    assert all(width <= 345 for width, _ in sizes)
    assert all(scale > 0.75 for _, scale in sizes)  # the text of a figure stays readable
    assert seen.said == []
    page.context.close()


CONTRASTS = """() => {
  const linear = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const rgba = text => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const light = c => 0.2126 * linear(c[0]) + 0.7152 * linear(c[1]) + 0.0722 * linear(c[2]);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  // Text of a figure may stand on a mark: the last filled shape before it that holds its middle.
  const beneath = element => {
    const box = element.getBoundingClientRect();
    const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    const holds = shape => {
      const at = shape.getBoundingClientRect();
      return at.left <= x && x <= at.right && at.top <= y && y <= at.bottom;
    };
    const fills = [...element.closest('svg').querySelectorAll('.mark-rect path')]
      .filter(shape => shape.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING)
      .filter(holds).map(shape => rgba(getComputedStyle(shape).fill))
      .filter(colour => colour.length === 3);
    return fills.pop() ?? behind(element.closest('.live'));
  };
  const chosen = 'h1, h2, p, dt, dd, th, td, a, figcaption, pre, .changed, .live svg text';
  return [...document.querySelectorAll(chosen)].filter(e => e.textContent.trim()).map(element => {
    const svg = element.namespaceURI.includes('svg');
    const on = svg ? beneath(element) : behind(element);
    const ink = rgba(svg ? getComputedStyle(element).fill : getComputedStyle(element).color);
    const [low, high] = [light(ink), light(on)].sort((a, b) => a - b);
    return [(high + 0.05) / (low + 0.05), element.textContent.trim().slice(0, 40), element.closest('.chart')?.querySelector('.title')?.textContent ?? ''];
  });
}"""


def test_contrast_check_catches_pale_text(browser, tmp_path):
    pale = tmp_path / "page.html"
    pale.write_text("<!doctype html><title>t</title><p style='color:#999'>pale</p><p>dark</p>")
    page, _ = opened(browser, pale, wait=False, color_scheme="light")
    (low,) = [row for row in page.evaluate(CONTRASTS) if row[0] < 4.5]
    assert low[1] == "pale"
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_the_contrast_of_wcag_aa(browser, page_file, scheme):
    page, _ = opened(browser, page_file, color_scheme=scheme)
    surface = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert surface == "rgb({}, {}, {})".format(*bytes.fromhex(SURFACE[scheme][1:]))
    measured = page.evaluate(CONTRASTS)
    assert len(measured) > 150
    assert [row for row in measured if row[0] < 4.5] == []
    page.context.close()


def test_figures_take_the_ink_of_the_new_scheme_when_it_changes(browser, page_file):
    page, seen = opened(browser, page_file, color_scheme="light")
    ink = "document.querySelector('.live svg .role-axis-label text').getAttribute('fill')"
    before = page.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    page.wait_for_selector("body[data-figures=dark]", state="attached", timeout=20_000)
    assert page.evaluate(ink) != before
    assert seen.said == []
    page.context.close()


def test_skip_link_and_contents_lead_somewhere(browser, page_file):
    page, _ = opened(browser, page_file)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the answer"
    for link in page.locator("nav.contents a").all():
        target = link.get_attribute("href")
        assert page.locator(target).count() == 1
    page.context.close()


def test_missing_browser_skips_at_home_and_fails_in_ci(monkeypatch):
    monkeypatch.delenv("CHROME_BIN", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no Chromium"):
        chromium()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        chromium()
