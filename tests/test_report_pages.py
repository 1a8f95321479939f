"""Exported pages, read as text: what is on them and what must not be."""

from __future__ import annotations

import json
import re
from html import unescape

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from report_samples import (
    ATTACK,
    chart_output,
    chart_spec,
    code,
    manifest,
    sample,
    sentence,
    shown,
    write_manifest,
    write_notebook,
)
from workbench import text
from workbench.errors import InputError
from workbench.report import (
    answer,
    check_page,
    export_index,
    export_page,
    key_figures,
    lineage,
    outputs,
    prose,
    tables,
)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """One exported page with every kind of cell, as text, and its path."""
    folder = tmp_path_factory.mktemp("run") / "60_value_customers"
    notebook = write_notebook(sample(), folder / "executed.ipynb")
    export_page(notebook, folder / "page.html", manifest=manifest())
    return folder / "page.html"


@pytest.fixture(scope="module")
def html(page):
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def visible(html):
    """What a reader sees, without tags, scripts and styles."""
    bare = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare))


def exported(tmp_path, *cells, told=None):
    """Export a notebook of these cells, with a title and an answer, and return the page's text."""
    title = new_markdown_cell("# Does it hold?")
    answer = code("answer", sentence("It does\\."), tags=("answer",))
    path = write_notebook(new_notebook(cells=[title, *cells, answer]), tmp_path / "in.ipynb")
    export_page(path, tmp_path / "out.html", manifest=told)
    return (tmp_path / "out.html").read_text(encoding="utf-8")


def test_page_of_a_whole_notebook_has_no_fault(page):
    assert check_page(page) == []


def test_title_is_the_question(html):
    question = "Which customers come back, and what are they worth?"
    assert f"<title>{question}</title>" in html
    assert html.count("<h1>") == 1
    assert f"<h1>{question}</h1>" in html
    assert '<html lang="en">' in html


def test_answer_stands_directly_under_the_title_and_only_there(html):
    body = html[html.index("</h1>") :]
    answer = "They spend $412.50 each, twice the rest."
    assert body.count(answer) == 1
    assert body.index(answer) < body.index('class="contents"') < body.index("Read this page")


@pytest.mark.parametrize(
    "hidden",
    [
        "wb.open_log",
        "import workbench",
        "figures.hour_profile(",
        "result.table",
        "seed: int",
        "Customer 4711",
        "A scratch note",
        "clv = 1.5",
        "progress 10 %",
        "Warning:",
        "IntProgress",
        "alert(2)",
        "/home/someone",
    ],
)
def test_code_private_cells_streams_widgets_and_results_stay_in_the_notebook(html, hidden):
    source = json.dumps(sample())
    assert hidden in source or hidden.replace('"', "'") in source
    assert hidden not in html


def test_parameters_are_a_table_with_what_the_run_set(html):
    assert '<th scope="row">seed</th><td>7 <span class="changed">set by the run</span></td>' in html
    assert "<td>start of all randomness</td>" in html
    assert '<th scope="row">customers</th><td>100</td>' in html


@pytest.mark.parametrize(
    "fact",
    [
        "0123456789ab, with changes that were not committed",
        "runs/demo/log, 41.0 MB, digest aaaaaaaaaaaa",
        "12.4 s",
        "Python 3.11.7, polars 2.1.0, altair 6.3.0",
        "20241105-1200",
        "2024-11-05 12:00:00 UTC",
    ],
)
def test_page_names_what_it_was_made_of(visible, fact):
    assert fact in visible


def test_page_without_a_manifest_says_so(tmp_path):
    assert "no manifest came with it" in exported(tmp_path)


def test_policy_forbids_every_connection_and_names_each_script(html):
    found = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    policy = dict(part.split(" ", 1) for part in unescape(found[1]).split("; "))
    assert policy["default-src"] == policy["connect-src"] == "'none'"
    assert policy["img-src"] == "data:"
    assert len(policy["script-src"].split()) == 2
    assert re.fullmatch(r"('sha256-[^']+' ?)+", policy["script-src"])
    assert re.fullmatch(r"'sha256-[^']+'", policy["style-src"])


def test_page_without_figures_carries_no_script(tmp_path):
    page = exported(tmp_path)
    assert "<script" not in page
    assert len(page) < 30_000


def test_figure_has_two_pictures_a_text_and_a_caption(html):
    figure = re.search(r'<figure class="chart">.*?</figure>', html, re.DOTALL)[0]
    description = chart_spec("hour_profile")["description"]
    assert figure.count("data:image/svg+xml;base64,") == 2
    assert f'alt="{description}"' in figure
    caption = chart_spec("hour_profile")["usermeta"]["caption"]
    assert f"<figcaption>{caption}</figcaption>" in figure
    assert "usermeta" not in figure
    assert '<p class="title">Share of purchases by hour of the day</p>' in figure


def test_mathematics_is_mathml_and_money_is_money(html, visible):
    assert html.count("<math ") == 2
    assert "<mfrac>" in html
    assert "A purchase costs $5 or $7 at the counter" in visible


@pytest.mark.parametrize(
    "money",
    ["cost $512 and $600.", "$1,234.56", "from $5 to $7", "−$3 or $4", "US$5/US$6", "$5-$7"],
)
def test_unescaped_money_in_a_computed_sentence_is_no_formula(money):
    assert prose.rendered(money) == f"<p>{money}</p>\n"


def test_formula_that_cannot_be_read_is_shown_as_its_source():
    assert "<code class='formula'>\\foo{x}</code>" in prose.rendered("$\\foo{x}$")


@pytest.mark.parametrize(
    "hostile",
    [
        "$\\text{<img src=x onerror=alert(1)>}$",
        "$\\href{javascript:alert(1)}{x}$",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](<java\nscript:alert(1)>)",
        "![x](https://example.com/x.png)",
        "![x](data:text/html,<script>)",
        "[x]: javascript:alert(1)\n\n[x]",
        "<div onclick=alert(1)>\nx\n</div>",
        "| a |\n|---|\n| <script>alert(1)</script> |",
        "# <svg onload=alert(1)>",
        "`<script>`",
        "```html\n<script>alert(1)</script>\n```",
        "<!-- x --><script>alert(1)</script>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
    ],
)
def test_markup_in_prose_is_inert(hostile):
    made = prose.rendered(hostile)
    assert not re.search(r"<(?:script|img|svg|div onclick|iframe)", made)
    assert not re.search(r"<[^>]+(?:javascript:|\son\w+=)", made)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from([*"<>&\"'`$\\[]()!*_|#\n ab", "script", "<!--", "javascript:"])))
def test_prose_makes_only_elements_of_ours(parts):
    made = prose.rendered("".join(parts))
    known = (
        "p|h[1-6]|a|em|strong|code|pre|ul|ol|li|br|hr|img|blockquote|table|thead|tbody|tr|th|td|div|del"
        "|math|m[a-z]+"
    )
    tags = re.findall(r"<\s*/?\s*([a-zA-Z!?][^\s>]*)", made)
    assert all(re.fullmatch(rf"(?:{known})/?", tag) for tag in tags)
    assert not re.search(r"<[^>]*\shref=['\"]\s*javascript:", made)


def test_text_that_was_made_inert_reads_as_it_was():
    words = f"{ATTACK} *a* $5 | ~x~ #1 & co"
    made = prose.rendered(text.inert(words))
    assert (
        re.sub(r"<[^>]+>", "", made)
        .strip()
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
        == words
    )


@pytest.mark.parametrize("place", ["label", "title", "description", "field"])
def test_markup_in_a_figure_is_inert(tmp_path, place):
    spec = chart_spec("segment_bars")
    (rows,) = spec["datasets"].values()
    if place == "label":
        rows[0]["segment"] = ATTACK
    elif place == "field":
        rows[0][ATTACK] = 1
    else:
        spec[place] = ATTACK
    page = exported(tmp_path, code("figure", chart_output(spec)))
    assert "<img src=x" not in page
    assert page.lower().count("<script") == page.lower().count("</script>") == 4
    assert "<!--" not in page
    assert check_page(tmp_path / "out.html") == []


def test_markup_in_tables_cards_and_parameters_is_inert(tmp_path, html):
    assert "<img src=x" not in html
    assert html.count("&lt;img src=x onerror=alert(1)&gt;") >= 2
    cell = code(f"name: str = {ATTACK!r}  # {ATTACK}", tags=("parameters",))
    told = manifest(run=ATTACK, packages={"polars": ATTACK}, inputs={ATTACK: ATTACK})
    assert "<img src=x" not in exported(tmp_path, cell, told=told)


def test_table_of_pandas_has_scopes_and_numbers_on_the_right():
    frame = pd.DataFrame({"customers": [612, 804], "share": [0.4, float("nan")]})
    frame.index = pd.Index(["loyal", "lost"], name="segment")
    (made,) = tables.tables(frame._repr_html_())
    assert made.count("<tr>") == 3  # pandas writes four: the index name has its own
    assert "<th scope='col'>segment</th><th scope='col' class='number'>customers</th>" in made
    assert "<th scope='row'>loyal</th><td class='number'>612</td>" in made
    assert "<td class='number'>–</td>" in made


def test_table_without_a_named_index_has_no_counting_column_and_no_empty_header():
    counted = pd.DataFrame({"segment": ["loyal", "lost"], "customers": [1, 2]})
    (made,) = tables.tables(counted._repr_html_())
    assert "<td>loyal</td><td class='number'>1</td>" in made
    named = counted.set_axis(["a", "b"])
    (made,) = tables.tables(named._repr_html_())
    assert "<tr><td></td><th scope='col'>segment</th>" in made
    assert not re.search(r"<th[^>]*></th>", made)


def test_table_of_two_header_rows_keeps_its_groups():
    frame = pd.DataFrame({"arm": ["a", "a", "b"], "spend": [1.0, 2.0, 3.0]})
    wide = frame.groupby("arm").agg({"spend": ["min", "max"]})
    (made,) = tables.tables(wide._repr_html_())
    assert "<th scope='colgroup' class='number' colspan='2'>spend</th>" in made


def test_html_that_is_no_table_does_not_go_out(tmp_path):
    page = exported(
        tmp_path, code("x", shown({"text/html": "<iframe src='https://e.com'></iframe>"}))
    )
    assert "iframe" not in page


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(alphabet="<>&\"'/!-=scriptmgoner \n", max_size=30), min_size=1, max_size=4))
def test_any_text_in_a_frame_comes_through_as_text(values):
    (made,) = tables.tables(pd.DataFrame({"x": values}).to_html())
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", made)
    assert len(cells) == len(values)
    assert set(re.findall(r"</?(\w+)", made)) <= {
        "div", "table", "thead", "tbody", "tr", "th", "td"
    }  # fmt: skip


def test_plain_outputs_that_only_a_programmer_reads_stay_away(tmp_path):
    page = exported(
        tmp_path,
        code("log", shown({"text/plain": "<workbench.log.Log object at 0x7f2b>"})),
        code("text", shown({"text/plain": "'One & two.'"})),
    )
    assert "0x7f2b" not in page
    assert "<p>One &amp; two.</p>" in page


def test_picture_without_a_text_is_a_fault(tmp_path):
    png = "iVBORw0KGgo="
    page = code("plot", new_output("display_data", data={"image/png": png}))
    exported(tmp_path, page)
    assert check_page(tmp_path / "out.html") == ["out.html: a picture has no alt text"]
    described = new_output(
        "display_data", data={"image/png": png}, metadata={"image/png": {"alt": "Two lines."}}
    )
    exported(tmp_path, code("plot", described))
    assert check_page(tmp_path / "out.html") == []


def test_figure_that_no_longer_draws_keeps_its_stored_picture(tmp_path):
    output = chart_output(chart_spec("segment_bars"))
    output.data["application/vnd.vegalite.v5+json"] = {"description": "Bars.", "mark": "no such"}
    page = exported(tmp_path, code("figure", output))
    assert 'class="chart"' not in page
    assert page.count("data:image/svg+xml;base64,") == 1


def test_export_gives_the_same_bytes_twice(page, tmp_path):
    export_page(page.parent / "executed.ipynb", tmp_path / "page.html", manifest=manifest())
    assert (tmp_path / "page.html").read_bytes() == page.read_bytes()


def test_notebook_without_a_question_is_refused(tmp_path):
    path = write_notebook(
        new_notebook(cells=[new_markdown_cell("## No title")]), tmp_path / "x.ipynb"
    )
    with pytest.raises(InputError, match=r"x\.ipynb has no title; its first line must be '# '"):
        export_page(path, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_finished_notebook_without_an_answer_is_refused(tmp_path):
    path = write_notebook(new_notebook(cells=[new_markdown_cell("# Why?")]), tmp_path / "x.ipynb")
    with pytest.raises(InputError, match=r"x\.ipynb shows no answer; tag the cell .* 'answer'"):
        export_page(path, tmp_path / "page.html")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"nbformat": 4}'])
def test_file_that_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "x.ipynb"
    path.write_text(content)
    with pytest.raises(InputError, match=r"x\.ipynb "):
        export_page(path, tmp_path / "page.html")
    with pytest.raises(InputError, match=r"gone\.ipynb cannot be read"):
        export_page(tmp_path / "gone.ipynb", tmp_path / "page.html")


def failed_notebook():
    """Return a notebook whose second cell failed, with a traceback that names this machine."""
    error = new_output(
        "error",
        ename="InputError",
        evalue="the log at /home/someone/secret/log is empty",
        traceback=["Traceback (most recent call last)", "/home/someone/x.py in f()"],
    )
    return new_notebook(
        cells=[new_markdown_cell("# Why?\n\nSome words."), new_code_cell("run()", outputs=[error])]
    )


def test_page_of_a_failed_run_says_so_without_a_traceback(tmp_path):
    path = write_notebook(failed_notebook(), tmp_path / "x.ipynb")
    export_page(path, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "This run did not finish." in page
    assert "Failed: InputError in cell 2: the log at …/log is empty." in page
    assert "Traceback" not in page
    assert "/home/" not in page


def run_folder(root):
    """Write a run of three steps: one done, one failed, one that never ran."""
    done, failed = root / "60_value_customers", root / "30_replay_log"
    export_page(
        write_notebook(sample(charts=()), done / "executed.ipynb"),
        done / "page.html",
        manifest=manifest(),
    )
    write_manifest(manifest(), done)
    error = {"type": "InputError", "message": f"no rows {ATTACK}\nmore", "cell": 4}
    write_notebook(failed_notebook(), failed / "executed.ipynb")
    write_manifest(manifest("30_replay_log", status="failed", exit_code=1, error=error), failed)
    steps = [
        {"notebook": "30_replay_log", "status": "failed", "error": error, "duration_s": 3.0},
        {"notebook": "60_value_customers", "status": "done", "error": None, "duration_s": 12.4},
        {"notebook": "90_report", "status": "not_run", "error": None, "duration_s": 0},
    ]
    run = {"kind": "run", "run": "demo", "run_id": "r1", "python": "3.11.7", "steps": steps}
    write_manifest(run, root)
    return root


def test_index_shows_each_step_of_a_notebook_that_stands_twice(tmp_path):
    for name in ("value-a", "value-b"):
        write_notebook(sample(charts=()), tmp_path / name / "executed.ipynb")
        write_manifest(manifest(), tmp_path / name)
    steps = [
        {"name": name, "notebook": "60_value_customers", "status": "done", "error": None}
        for name in ("value-a", "value-b")
    ]
    write_manifest({"kind": "run", "run": "two", "run_id": "r1", "steps": steps}, tmp_path)
    page = export_index(tmp_path).read_text(encoding="utf-8")
    assert "2 of 2 steps done" in page
    assert page.index("value-a") < page.index("value-b")


@pytest.mark.parametrize(("status", "first"), [("done", True), ("failed", False)])
def test_index_shows_a_report_that_ended_well_before_the_other_steps(tmp_path, status, first):
    steps = []
    for name, ended in (("60_value_customers", "done"), ("90_report", status)):
        write_notebook(sample(charts=()), tmp_path / name / "executed.ipynb")
        write_manifest(manifest(name, status=ended), tmp_path / name)
        steps.append({"notebook": name, "status": ended, "error": None})
    write_manifest({"kind": "run", "run": "two", "run_id": "r1", "steps": steps}, tmp_path)
    page = export_index(tmp_path).read_text(encoding="utf-8")
    assert (page.index("90_report") < page.index("60_value_customers")) is first


def test_key_figures_of_an_answer_stand_below_its_sentences():
    shown = answer("It holds.", figures=key_figures({"customers": "1,126"}))
    first, second = outputs.shown(
        [{"output_type": "execute_result", "data": shown._repr_mimebundle_()}]
    )
    assert "It holds." in first.html
    assert second.cards[0].value == "1,126"


def test_index_shows_each_question_its_answer_and_what_failed(tmp_path):
    index = export_index(run_folder(tmp_path))
    page = index.read_text(encoding="utf-8")
    assert index == tmp_path / "index.html"
    assert check_page(index) == []
    assert "<h1>What did the run “demo” find?</h1>" in page
    assert "1 of 3 steps done" in page
    assert page.index("Why?") < page.index("Which customers come back") < page.index("90 report")
    assert '<a href="60_value_customers/page.html">Which customers come back' in page
    assert "They spend $412.50 each" in page
    assert "InputError in cell 4: no rows &lt;/script&gt;" in page
    assert "not run" in page
    assert "12.4 s" in page


def test_index_of_a_run_without_its_own_manifest_reads_the_folders(tmp_path):
    run_folder(tmp_path)
    (tmp_path / "manifest.json").unlink()
    page = export_index(tmp_path).read_text(encoding="utf-8")
    assert "1 of 2 steps done" in page
    (tmp_path / "manifest.json").write_text("{torn")
    assert "1 of 2 steps done" in export_index(tmp_path).read_text(encoding="utf-8")


def test_index_of_a_folder_without_steps_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no step of a run"):
        export_index(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_meaning_of_a_parameter_is_the_comment_behind_it_whatever_signs_it_has():
    source = 'way: str = "a # b"  # the calendar\'s way\nbare: int = 3\n# alone\n'
    way, bare = lineage.parameters(source, "")
    assert (way.meaning, bare.meaning) == ("the calendar's way", "")


def test_lineage_shortens_paths_of_the_machine():
    (one,) = lineage.parameters("log: str = 'x'", "log = '/home/someone/data/log.csv'")
    assert one.value == "…/log.csv"
    facts = lineage.step_facts({"inputs": {"log": {"path": "/srv/data/log", "bytes": 3}}})
    assert facts == [lineage.Fact("input log", "…/log, 3 B")]


@pytest.mark.parametrize(
    "odd",
    [
        {"inputs": None, "cells": [], "packages": 3, "commit": "abc", "duration_s": None},
        {"inputs": {"log": "abc"}, "cells": {"slowest": [{}]}, "error": "text", "status": "odd"},
    ],
)
def test_manifest_of_another_shape_is_tolerated(tmp_path, odd):
    assert "How this page was made" in exported(tmp_path, told=odd)


PAGE = """<!doctype html><html lang="en"><head><meta http-equiv="Content-Security-Policy"
 content="default-src 'none'"><title>t</title></head><body><h1>Why?</h1>{}</body></html>"""


@pytest.mark.parametrize(
    ("planted", "fault"),
    [
        ("<script src='https://cdn.example/x.js'></script>", "a script element loads"),
        ("<link rel=stylesheet href='//cdn.example/x.css'>", "a link element loads"),
        ("<img alt='x' src='http://e.com/x.png'>", "a img element loads"),
        ("<img alt='x' src='x.png'>", "a img element loads"),
        ("<picture><source srcset='https://e.com/x.png'></picture>", "a source element loads"),
        ("<style>@import 'x.css';</style>", "a style sheet loads"),
        ("<style>p{background:url(https://e.com)}</style>", "a style sheet loads"),
        ("<p style='background:url(//e.com)'>x</p>", "the style of a p element loads"),
        ("<iframe></iframe>", "a iframe element"),
        ("<p onclick='x()'>x</p>", "event handler onclick"),
        ("<a href='javascript:x()'>x</a>", "a link leads to 'javascript:x()'"),
        ("<a href='#gone'>x</a>", "the link #gone leads nowhere"),
        ("<p id='a'></p><p id='a'></p>", "the id 'a' stands twice"),
        ("<img alt='' src='data:image/png;base64,AA'>", "a picture has no alt text"),
        ("<img alt='No description has been provided for this image' src='data:x'>", "no alt text"),
        ("<svg></svg>", "a drawing has no aria-label"),
        ("<h1>Another?</h1>", "2 h1, must be 1"),
        ("<p>$$x$$</p>", "raw mathematics is shown: '$$'"),
        ("<p>\\frac{a}{b}</p>", "raw mathematics is shown"),
        ("<pre>import pandas as pd</pre>", "code is shown: 'import pandas as pd'"),
        ("<pre>def f(x):</pre>", "code is shown: 'def f('"),
        ("<pre>In [3]:</pre>", "code is shown"),
        ("<p>Traceback (most recent call last)</p>", "code is shown"),
        ("<p>/home/someone/log.csv</p>", "a path of a machine is shown"),
        ("<p>C:\\Users\\x</p>", "a path of a machine is shown"),
        ('<script type="application/json">{"a": "/tmp/x"}</script>', "stands in a figure"),
    ],
)
def test_page_check_finds_a_planted_fault(tmp_path, planted, fault):
    path = tmp_path / "page.html"
    path.write_text(PAGE.format("<p>Fine, at $5.</p>"), encoding="utf-8")
    assert check_page(path) == []
    path.write_text(PAGE.format(planted), encoding="utf-8")
    assert any(fault in line for line in check_page(path)), check_page(path)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("Why?", "Because."), "the h1 'Because.' is no question"),
        ((' lang="en"', ""), "no lang"),
        (("<title>t</title>", ""), "the page has no title"),
        (("default-src 'none'", "default-src *"), "no Content-Security-Policy"),
    ],
)
def test_page_check_finds_a_missing_part(tmp_path, change, fault):
    path = tmp_path / "page.html"
    path.write_text(PAGE.format("").replace(*change), encoding="utf-8")
    assert any(fault in line for line in check_page(path))
