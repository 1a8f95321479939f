"""Figures and the renderer: every figure is found by import and put through the same laws."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import altair as alt
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from report_samples import chart_frames, chart_spec
from workbench.errors import InputError, ParameterError
from workbench.report import figures, key_figures, renderer, theme

FIGURES = sorted(figures.__all__)

# Viénot, Brettel and Mollon's and Machado's matrices differ little; these are Machado's (2009) at
# full severity, over linear RGB.
COLOUR_BLIND = {
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}


@pytest.fixture(autouse=True)
def workbench_renderer():
    renderer.enable()


def test_every_public_figure_has_a_sample_frame():
    public = {name for name, _ in inspect.getmembers(figures, inspect.isfunction)}
    assert public == set(FIGURES) == set(chart_frames())


@pytest.mark.parametrize("name", FIGURES)
def test_figure_says_what_it_shows_and_draws_in_the_oldest_vegalite(name):
    spec = chart_spec(name)
    assert len(spec["description"]) > 20
    assert spec["title"]
    forms, metadata = renderer.bundle(spec)
    assert set(forms) == {renderer.VEGALITE_MIME, renderer.SVG_MIME, "text/plain"}
    assert forms["text/plain"] == f"Chart: {spec['description']}"
    assert metadata[renderer.SVG_MIME]["alt"] == spec["description"]
    assert forms[renderer.SVG_MIME].count("<path") > 3


@pytest.mark.parametrize("name", FIGURES)
def test_figure_is_the_same_bytes_twice(name):
    first, second = (json.dumps(renderer.bundle(chart_spec(name))) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", FIGURES)
def test_figure_leaves_the_frame_as_it_was(name):
    frame = chart_frames()[name]
    before = frame.copy(deep=True)
    getattr(figures, name)(frame)
    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("name", FIGURES)
def test_figure_without_a_column_names_it(name):
    frame = chart_frames()[name]
    required = frame.columns[0]
    with pytest.raises(InputError, match=f"{name}: the frame has no column '{required}'"):
        getattr(figures, name)(frame.drop(columns=required))


@pytest.mark.parametrize("name", FIGURES)
def test_figure_of_an_empty_frame_is_refused(name):
    with pytest.raises(InputError, match=f"{name}: the frame has no rows"):
        getattr(figures, name)(chart_frames()[name].iloc[:0])


def test_figure_of_a_whole_log_is_refused():
    frame = pd.DataFrame({"week": ["2017-01-02"] * 5_001, "expected": 1.0, "actual": 1.0})
    with pytest.raises(InputError, match=r"has 5,001 rows, at most 5,000 are drawn"):
        figures.tracking(frame)


def test_figure_of_weeks_takes_dates_texts_and_zoned_instants_alike():
    days = ["2017-01-02", "2017-01-09"]
    rows = {"expected": [1.0, 2.0], "actual": [1, 2]}
    specs = [
        figures.tracking(pd.DataFrame({"week": week, **rows})).to_dict()
        for week in (days, pd.to_datetime(days), pd.to_datetime(days).tz_localize("Europe/Berlin"))
    ]
    assert specs[0] == specs[1] == specs[2]


def test_decisions_with_more_outcomes_than_colours_are_charts_of_their_own():
    outcomes = ["offered", "held out", "cap", "cooldown", "suppressed", "no consent"]
    frame = pd.DataFrame({"week": "2017-01-02", "outcome": outcomes, "decisions": range(1, 7)})
    assert "facet" in figures.decisions_over_time(frame).to_dict()
    assert "facet" not in figures.decisions_over_time(frame.iloc[:5]).to_dict()


def test_names_of_code_are_words_in_a_figure():
    frame = pd.DataFrame({"segment": ["worth_winning_back"], "customers": [1], "share": [1.0]})
    spec = figures.segment_bars(frame).to_dict()
    assert "worth winning back 1 (100.0%)" in spec["description"]
    assert "worth_winning_back" not in json.dumps(spec)


def test_funnel_tells_what_was_removed_from_what_went_on():
    spec = chart_spec("decision_funnel")
    (rows,) = spec["datasets"].values()
    assert [row["fate"] for row in rows] == ["went on", "removed", "removed", "removed", "went on"]
    assert "cap – cap reached 6,044 (removed)" in spec["description"]


def test_chart_without_a_description_is_refused_with_what_to_do():
    chart = alt.Chart(pd.DataFrame({"a": [1]})).mark_bar().encode(x="a")
    with pytest.raises(InputError, match=r'no description; say what it shows .*description="…"'):
        renderer.bundle(chart.to_dict())
    with pytest.raises(InputError, match="no description"):
        renderer.bundle(chart.properties(description="  ").to_dict())


@pytest.mark.slow
def test_chart_without_a_description_ends_a_notebook_with_an_error():
    source = (
        "import altair as alt, pandas as pd\n"
        "from workbench.report import enable\nenable()\n"
        "alt.Chart(pd.DataFrame({'a': [1]})).mark_bar()"
    )
    notebook = new_notebook(cells=[new_code_cell(source)])
    NotebookClient(notebook, timeout=120, kernel_name="python3", allow_errors=True).execute()
    errors = [o for o in notebook.cells[0].outputs if o.output_type == "error"]
    assert [error.ename for error in errors] == ["InputError"]


def test_chart_that_cannot_be_drawn_is_one_line():
    with pytest.raises(InputError, match="the chart cannot be drawn") as caught:
        renderer.bundle({"description": "Nothing.", "mark": "no such mark"})
    assert "\n" not in str(caught.value)


def test_picture_of_remote_data_asks_no_server():
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"a\n3\n")

        def log_message(self, *_args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        spec = {
            "data": {"url": f"http://127.0.0.1:{server.server_port}/x.csv"},
            "mark": "bar",
            "encoding": {"x": {"field": "a", "type": "quantitative"}},
        }
        with contextlib.suppress(InputError):
            renderer.picture(spec)
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def test_money_axis_takes_the_currency_of_the_run():
    frame = chart_frames()["committed_cost_over_time"]
    spec = figures.committed_cost_over_time(frame, currency="€").to_dict()
    assert ">€600<" in renderer.bundle(spec)[0][renderer.SVG_MIME]
    assert spec["description"].endswith("decisions committed €13,874.01 in all.")


@pytest.mark.parametrize("name", ["earned", "uplift_by_cell"])
def test_the_sign_of_money_stands_before_its_currency(name):
    frame = chart_frames()[name]
    amounts = ["total", "total_low", "total_high", "uplift_cents", "low", "high", "truth"]
    lost = frame.assign(**{each: -frame[each].abs() for each in amounts if each in frame})
    drawn = renderer.picture(getattr(figures, name)(lost).to_dict())
    assert re.search(r">−\$[0-9]", drawn)
    assert "$−" not in drawn


@pytest.mark.parametrize("colour", theme.PALETTE)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_stand_out_from_both_surfaces(colour, scheme):
    assert contrast(colour, theme.SURFACE[scheme]) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("part", ["strong", "soft"])
def test_text_is_legible_on_its_surface(scheme, part):
    assert contrast(theme.INK[scheme][part], theme.SURFACE[scheme]) >= 4.5


@pytest.mark.parametrize("kind", sorted(COLOUR_BLIND))
def test_first_four_colours_differ_for_a_colour_blind_reader(kind):
    seen = [np.array(COLOUR_BLIND[kind]) @ linear(colour) for colour in theme.PALETTE[:4]]
    gaps = [np.linalg.norm(lab(a) - lab(b)) for a, b in itertools.combinations(seen, 2)]
    assert min(gaps) >= 12


def test_count_in_a_cell_of_the_heat_map_is_legible_on_every_shade():
    steps = [linear(colour) for colour in theme.RAMP]
    for place in np.linspace(0, 1, 201):
        # Vega blends the stops of a range in sRGB.
        whole, part = divmod(place * (len(steps) - 1), 1)
        here = theme.RAMP[int(whole)]
        following = theme.RAMP[min(int(whole) + 1, len(steps) - 1)]
        shade = "#" + "".join(
            f"{round(int(here[i : i + 2], 16) * (1 - part) + int(following[i : i + 2], 16) * part):02x}"
            for i in (1, 3, 5)
        )
        ink = "#ffffff" if place > theme.RAMP_DARK_FROM else "#000000"
        assert contrast(ink, shade) >= 4.5, (place, shade)


def test_colour_blind_check_catches_red_against_green():
    seen = [np.array(COLOUR_BLIND["deuteranopia"]) @ linear(c) for c in ("#b3362b", "#5f7a1f")]
    assert np.linalg.norm(lab(seen[0]) - lab(seen[1])) < 12


def test_key_figures_refuse_a_bare_number():
    with pytest.raises(ParameterError, match=r"customers was 3, must be text; format it"):
        key_figures({"customers": 3})
    with pytest.raises(ParameterError, match="must be 1 to 8"):
        key_figures({})


def linear(colour):
    parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    """Contrast ratio of WCAG 2.2."""
    low, high = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb):
    """CIE L*a*b* under D65 of a linear RGB colour."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = to_xyz @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_weeks_that_are_covered_in_part_are_not_drawn_but_counted():
    rows = pd.DataFrame(
        {
            "week": ["2024-01-01", "2024-01-08", "2024-01-15"],
            "type": "purchase",
            "events": [3, 70, 80],
            "whole": [False, True, True],
        }
    )
    spec = figures.events_per_week(rows).to_dict()
    drawn = next(iter(spec["datasets"].values()))
    assert [row["events"] for row in drawn] == [70, 80]
    assert "purchase 153" in spec["description"]
    assert "only in part are left out" in spec["usermeta"]["caption"]
    none = figures.events_per_week(rows.assign(whole=False)).to_dict()
    assert len(next(iter(none["datasets"].values()))) == 3


def test_parts_of_the_day_side_by_side_have_different_colours_and_a_name():
    parts = ["night"] * 6 + ["breakfast"] * 5 + ["lunch"] * 3 + ["afternoon"] * 3
    parts += ["dinner"] * 4 + ["evening"] * 3
    frame = pd.DataFrame({"hour": range(24), "share": [1 / 24] * 24, "daypart": parts})
    spec = figures.hour_profile(frame).to_dict()
    bars, *names = (layer["data"]["name"] for layer in spec["layer"])
    data = spec["datasets"]
    shade = {row["hour"]: row["shade"] for row in data[bars]}
    assert all(
        (shade[hour] != shade[hour + 1]) == (parts[hour] != parts[hour + 1]) for hour in range(23)
    )
    assert {row["daypart"] for name in names for row in data[name]} == set(parts)


def test_tracking_marks_where_the_model_stops_seeing():
    frame = pd.DataFrame(
        {
            "week": ["2024-01-01", "2024-01-08"],
            "expected": [4.0, 5.0],
            "actual": [4, 6],
            "held_out": [False, True],
        }
    )
    assert len(figures.tracking(frame).to_dict()["layer"]) == 3
    assert len(figures.tracking(frame.drop(columns="held_out")).to_dict()["layer"]) == 1


def test_only_outcomes_that_change_are_coloured():
    spec = chart_spec("change_by_reason")
    cells, changed, kept = spec["layer"]
    assert cells["transform"] == [{"filter": "datum.changes"}]
    assert changed["transform"][-1] == {"filter": "datum.changes"}
    assert kept["transform"][-1] == {"filter": "!datum.changes"}
    rows = next(iter(spec["datasets"].values()))
    assert [row["decisions"] for row in rows if not row["changes"]] == [28_910, 1_991, 361, 7_871]
    assert "1,357 of 40,490 end otherwise; offered to cap reached 732, cool" in spec["description"]


def test_count_that_does_not_fit_its_cell_is_said_in_thousands():
    rows = next(iter(chart_spec("change_by_reason")["datasets"].values()))
    said = {row["label"]: row["short"] for row in rows}
    assert (said["7,871"], said["28,910"], said["732"]) == ("7.9k", "29k", "732")


def test_outcomes_of_equal_replays_are_drawn_and_said():
    same = pd.DataFrame({"reason": ["cooldown", "offered"], "cooldown": [5, 0], "offered": [0, 9]})
    spec = figures.change_by_reason(same).to_dict()
    assert spec["description"].endswith(": 0 of 14 end otherwise.")
    assert "<path" in renderer.bundle(spec)[0][renderer.SVG_MIME]


@pytest.mark.parametrize("name", ["change_by_group", "contacts"])
def test_groups_of_any_column_are_drawn_with_its_name(name):
    frame = chart_frames()[name].rename(columns={"segment": "lifecycle_stage"})
    spec = getattr(figures, name)(frame, column="lifecycle_stage").to_dict()
    assert "by lifecycle stage: loyal" in spec["description"]
    with pytest.raises(InputError, match=f"{name}: the frame has no column 'segment'"):
        getattr(figures, name)(frame)


def test_fewer_offers_stand_left_of_the_middle_and_more_right():
    rows = next(iter(chart_spec("change_by_group")["datasets"].values()))
    by_fate = {fate: [r["signed"] for r in rows if r["fate"] == fate] for fate in
               ("more offers", "fewer offers")}  # fmt: skip
    assert by_fate == {"more offers": [12, 60, 31, 0], "fewer offers": [-220, -71, -6, -1]}


@pytest.mark.parametrize("points", [1, 2, 20])
def test_the_ends_of_a_frontier_are_labelled_and_a_single_point_is_drawn(points):
    frame = pd.DataFrame(
        {
            "label": [f"at most {n}" for n in range(points)],
            "committed_cents": [1_000 + 10 * n for n in range(points)],
            "persons_reached": [500] * points,
            "delivered": range(points),
        }
    )
    spec = figures.frontier(frame).to_dict()
    places = [row["place"] for row in next(iter(spec["datasets"].values()))]
    assert places[0]
    assert places[-1]
    assert ("" in places) == (points == 20)
    assert "at most 0<" in renderer.bundle(spec)[0][renderer.SVG_MIME]


def test_an_experiment_that_is_too_early_is_drawn_without_a_band():
    frame = chart_frames()["effect_by_day"].head(2)
    spec = figures.effect_by_day(frame).to_dict()
    assert "– at every look" in spec["description"]
    assert json.dumps(renderer.bundle(spec))
    with pytest.raises(InputError, match="no day has an estimate yet"):
        figures.effect_by_day(frame.assign(lift=np.nan))
