"""Small executed notebooks and run folders for the tests of report. No kernel, no real data."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from workbench.report import cards, figures, renderer

RESULT_MIME = "application/vnd.workbench.result+json"
ATTACK = "</script><img src=x onerror=alert(1)><!--<script>"


def chart_frames() -> dict[str, pd.DataFrame]:
    """Return one frame for each figure, named as its function."""
    weeks = [f"2017-{month:02d}-{day:02d}" for month in range(1, 10) for day in (2, 9, 16, 23)]
    rise = [math.sin(i / 5) for i in range(len(weeks))]
    cells = [(r, f) for r in range(1, 6) for f in range(1, 6)]
    segments = ["loyal", "promising", "slipping away", "lost"]
    return {
        "events_per_week": pd.DataFrame(
            [
                (week, kind, round(size * (1.3 + wave)))
                for kind, size in (
                    ("purchase_line", 14_000),
                    ("purchase", 1_500),
                    ("offer_redeemed", 25),
                )
                for week, wave in zip(weeks, rise, strict=True)
            ],
            columns=["week", "type", "events"],
        ),
        "uplift_by_cell": pd.DataFrame(
            [
                (f"{often} · {moment}", offer, size, size - 60, size + 60, size + 20)
                for often, low in (("regular", -80), ("seldom", 60))
                for moment in ("morning", "evening")
                for offer, size in (("dessert", low + 20.0), ("three off", 1.5 * low))
            ],
            columns=["cell", "offer", "uplift_cents", "low", "high", "truth"],
        ),
        "uplift_by_tenth": pd.DataFrame(
            [
                (offer, tenth, size - 12, size, size - 45, size + 45, size + 15)
                for offer, slope in (("dessert", 14.0), ("three off", 30.0))
                for tenth in range(1, 11)
                for size in [slope * (5.5 - tenth)]
            ],
            columns=["offer", "tenth", "predicted", "uplift", "low", "high", "truth"],
        ),
        "gain_by_share": pd.DataFrame(
            [
                (offer, share, gain, gain - 20, gain + 20, end * share)
                for offer, rise, end in (("dessert", 120.0, 10.0), ("three off", 200.0, -15.0))
                for share in (0.2, 0.4, 0.6, 0.8, 1.0)
                for gain in [rise * share * (1 - share) + end * share]
            ],
            columns=["offer", "treated", "gain", "low", "high", "at_random"],
        ),
        "profit_by_budget": pd.DataFrame(
            [
                (1e5 * k, 3e5 * math.sqrt(k), 1e5 * math.sqrt(k), 5e5 * math.sqrt(k))
                for k in (1, 2, 4, 8)
            ],
            columns=["budget_cents", "profit_cents", "low", "high"],
        ),
        "rules_compared": pd.DataFrame(
            [
                ("the policy, as expected", 48.0, 10.0, 86.0),
                ("the policy", 68.0, 62.0, 73.0),
                ("dessert for all", 33.0, 27.0, 39.0),
                ("three off for all", -17.0, -24.0, -10.0),
                ("nobody", 0.0, 0.0, 0.0),
            ],
            columns=["rule", "profit_cents", "low", "high"],
        ),
        "came_anyway": pd.DataFrame(
            {
                "sent": ["as it is", "other programmes", "weekly broadcast"],
                "committed_cents": [272_468, 332_800, 333_800],
                "committed_anyway_cents": [192_700, 175_400, 188_300],
            }
        ),
        "detectable_by_day": pd.DataFrame(
            [
                (name, day, 40 * day, 0.5 * size / math.sqrt(day))
                for name, size in (("coffee", 1.0), ("food", 1.3))
                for day in range(15, 60, 3)
            ],
            columns=["comparison", "day", "closed_units", "detectable_share"],
        ),
        "effect_by_day": pd.DataFrame(
            [
                (
                    f"2026-03-{day:02d}",
                    40 * day,
                    0.1 + 0.1 / day,
                    *([-math.inf, math.inf] if day < 3 else [0.1 - 1 / day, 0.1 + 1 / day]),
                    0.1 - 0.5 / day,
                    0.1 + 0.5 / day,
                )
                for day in range(1, 29)
            ],
            columns=["day", "units", "lift", "low", "high", "ordinary_low", "ordinary_high"],
        ),
        "hour_profile": pd.DataFrame(
            {
                "hour": range(24),
                "share": [max(0.002, math.exp(-(((h - 16) / 5) ** 2)) / 9) for h in range(24)],
                "daypart": ["night"] * 6
                + ["breakfast"] * 5
                + ["lunch"] * 4
                + ["afternoon"] * 4
                + ["evening"] * 5,
            }
        ),
        "rfm_heatmap": pd.DataFrame(
            [(r, f, 40 + 60 * r * f - 8 * abs(r - f), 900 * f) for r, f in cells],
            columns=["recency_score", "frequency_score", "customers", "monetary_cents"],
        ),
        "lifecycle_bars": pd.DataFrame(
            {
                "stage": ["new", "active", "at risk", "lapsed"],
                "customers": [112, 1704, 402, 251],
                "share": [0.0454, 0.6902, 0.1628, 0.1016],
            }
        ),
        "segment_bars": pd.DataFrame(
            {
                "segment": segments,
                "customers": [612, 804, 702, 351],
                "share": [0.248, 0.326, 0.284, 0.142],
            }
        ),
        "decision_funnel": pd.DataFrame(
            {
                "stage": ["trigger", "audience", "hold-out", "cap", "offer"],
                "reason": [None, "not in the audience", "held out", "cap reached", None],
                "candidates": [41_200, 28_910, 1_230, 6_044, 5_016],
            }
        ),
        "customer_story": pd.DataFrame(
            [
                ("2017-01-03T12:10Z", "purchase", None, None, None, None),
                (
                    "2017-01-03T12:10Z",
                    "decision",
                    "lunch_basket",
                    "offer",
                    "offered",
                    "add_a_drink",
                ),
                ("2017-02-11T18:30Z", "purchase", None, None, None, None),
                ("2017-03-08T12:25Z", "purchase", None, None, None, None),
                ("2017-03-08T12:25Z", "decision", "lunch_basket", "refused", "cooldown", None),
                ("2017-06-20T12:40Z", "purchase", None, None, None, None),
                (
                    "2017-06-20T12:40Z",
                    "decision",
                    "welcome_back",
                    "held out",
                    "held_out",
                    "five_off",
                ),
            ],
            columns=["ts", "what", "programme", "outcome", "reason", "offer_id"],
        ),
        "refusals_by_reason": pd.DataFrame(
            {
                "reason": ["held out", "cap reached", "not in the audience"],
                "decisions": [1_230, 6_044, 28_910],
            }
        ),
        "decisions_over_time": pd.DataFrame(
            [
                (week, outcome, round(size * (1.2 + wave)))
                for outcome, size in (("offer", 140), ("held out", 34), ("refused", 600))
                for week, wave in zip(weeks, rise, strict=True)
            ],
            columns=["week", "outcome", "decisions"],
        ),
        "committed_cost_over_time": pd.DataFrame(
            {"week": weeks, "committed_cents": [round(31_000 * (1.2 + wave)) for wave in rise]}
        ),
        "change_by_reason": pd.DataFrame(
            {
                "reason": [
                    "not triggered",
                    "not_in_audience",
                    "cap_reached",
                    "cooldown",
                    "offered",
                ],
                "not_in_audience": [0, 28_910, 0, 0, 0],
                "cap_reached": [0, 0, 1_991, 447, 732],
                "cooldown": [0, 0, 12, 361, 0],
                "held_out": [0, 0, 0, 3, 0],
                "offered": [140, 0, 2, 21, 7_871],
            }
        ),
        "change_by_group": pd.DataFrame(
            {
                "segment": segments,
                "customers": [612, 804, 702, 351],
                "gain": [12, 60, 31, 0],
                "lose": [220, 71, 6, 1],
            }
        ),
        "contacts": pd.DataFrame(
            {
                "segment": segments,
                "mean_contacts": [0.41, 0.22, 0.08, 0.01],
                "share_1": [0.21, 0.14, 0.06, 0.01],
                "share_2": [0.07, 0.04, 0.01, 0.0],
                "share_3_or_more": [0.02, 0.0, 0.0, 0.0],
            }
        ),
        "frontier": pd.DataFrame(
            {
                "label": [f"at most {n} in 28 days" for n in (1, 2, 3, 4, 6)],
                "committed_cents": [212_000, 264_000, 291_000, 302_000, 307_500],
                "persons_reached": [1_902, 2_140, 2_201, 2_214, 2_216],
                "delivered": [5_980, 7_894, 8_603, 8_850, 8_990],
            }
        ),
        "redeemed_by_class": pd.DataFrame(
            {
                "programme": ["basket_left", "nth_purchase", "weekly_broadcast"],
                "incremental": [152, 245, 97],
                "pulled_forward": [31, 64, 18],
                "cannibalised": [338, 785, 27],
            }
        ),
        "earned": pd.DataFrame(
            {
                "arm": ["offer"] * 4,
                "figure": [
                    "sales_cents",
                    "margin_before_cents",
                    "cost_of_offers_cents",
                    "profit_cents",
                ],
                "total": [812_000.0, 390_000.0, 270_000.0, 120_000.0],
                "total_low": [310_000.0, 150_000.0, 255_000.0, -40_000.0],
                "total_high": [1_314_000.0, 630_000.0, 285_000.0, 280_000.0],
            }
        ),
        "effects": pd.DataFrame(
            {
                "metric": ["spend_cents", "sales_cents / visits", "visits"],
                "arm": ["offer", "offer", "offer"],
                "population": ["all", "triggered", "diluted"],
                "relative": [0.04, -0.03, 0.002],
                "relative_low": [0.01, -0.05, -0.01],
                "relative_high": [0.07, -0.01, 0.014],
                "verdict": ["more", "less", "open"],
            }
        ),
        "calibration_bands": pd.DataFrame(
            {
                "estimator": ["mean", "mean", "watched", "peeked at"],
                "figure": ["coverage", "bias", "error ever", "error ever"],
                "rate": [0.94, 0.02, 0.01, 0.3],
                "nominal": [0.95, 0.0, 0.05, 0.05],
                "low": [0.93, -0.05, 0.0, float("-inf")],
                "high": [0.97, 0.05, 0.07, 0.07],
                "passed": [True, True, True, False],
            }
        ),
        "readings_against_truth": pd.DataFrame(
            {
                "reading": ["the twins", "held out at random", "redeemers", "after against before"],
                "estimate": [0.30, 0.57, 5.71, -0.82],
                "low": [0.25, -0.13, 4.71, -1.2],
                "high": [0.34, 1.28, 6.70, -0.44],
                "meets_truth": [True, True, False, False],
            }
        ),
        "first_days_by_world": pd.DataFrame(
            {
                "world": ["as it is", "e-mails are read", "nobody opens the app"],
                "share_by_event": [0.14, 0.15, 0.0],
                "share_by_calendar": [0.02, 0.13, 0.0],
                "ratio": [7.5, 1.1, math.nan],
                "doubles": [True, False, False],
            }
        ),
        "simulated_beside_real": pd.DataFrame(
            [
                (marginal, source, place, max(0.0, 0.1 + 0.05 * math.sin(place / 3) + shift))
                for marginal in ("hour of the day", "days to the next purchase", "weekday")
                for source, shift in (("real", 0.0), ("simulated", 0.01))
                for place in range(1, 8)
            ],
            columns=["marginal", "source", "place", "share"],
        ),
        "holdout_check": pd.DataFrame(
            {
                "repeat_purchases": ["0", "1", "2", "3", "4", "5", "6", "7+"],
                "expected": [0.23, 0.52, 0.81, 1.2, 1.6, 2.1, 2.5, 5.1],
                "actual": [0.24, 0.49, 0.88, 1.1, 1.7, 1.9, 2.7, 5.6],
                "customers": [1411, 439, 214, 100, 62, 38, 29, 64],
            }
        ),
        "tracking": pd.DataFrame(
            {
                "week": weeks,
                "expected": [60 + 20 * wave for wave in rise],
                "actual": [60 + 24 * wave + i % 5 for i, wave in enumerate(rise)],
            }
        ),
        "frequency_recency": pd.DataFrame(
            {
                "repeat_purchases": [x for x in (1, 3, 9) for _ in range(4)],
                "days_since_last": [0, 60, 120, 180] * 3,
                "probability_alive": [
                    round(math.exp(-x * days / 400), 3)
                    for x in (1, 3, 9)
                    for days in (0, 60, 120, 180)
                ],
            }
        ),
        "alive_after_silence": pd.DataFrame(
            {
                "day": [5.0 * i for i in range(20)],
                "probability_alive": [math.exp(-i / 9) for i in range(20)],
                "low": [math.exp(-i / 7) for i in range(20)],
                "high": [math.exp(-i / 12) for i in range(20)],
            }
        ),
        "value_concentration": pd.DataFrame(
            {
                "share_of_customers": [i / 20 for i in range(21)],
                "share_of_value": [1 - (1 - i / 20) ** 3 for i in range(21)],
            }
        ),
        "clv_distribution": pd.DataFrame(
            {
                "bin_low_cents": [i * 2_500 for i in range(16)],
                "bin_high_cents": [(i + 1) * 2_500 for i in range(16)],
                "customers": [round(700 * math.exp(-i / 4)) for i in range(16)],
            }
        ),
        "clv_by_segment": pd.DataFrame(
            {
                "segment": segments,
                "customers": [612, 804, 702, 351],
                "clv_cents": [41_250, 18_310, 7_420, 990],
            }
        ),
    }


def chart_spec(name: str) -> dict[str, Any]:
    """Return the specification of one figure under the workbench's theme."""
    renderer.enable()
    spec: dict[str, Any] = getattr(figures, name)(chart_frames()[name]).to_dict()
    return spec


def chart_output(spec: dict[str, Any]) -> Any:
    """Return a chart as a cell's output."""
    data, metadata = renderer.bundle(spec)
    return new_output("display_data", data=data, metadata=metadata)


def shown(data: dict[str, Any]) -> Any:
    return new_output("execute_result", data=data, execution_count=1)


def sentence(text: str) -> Any:
    return shown({"text/markdown": text, "text/plain": repr(text)})


def code(source: str, *outputs: Any, tags: tuple[str, ...] = ()) -> Any:
    return new_code_cell(
        source, outputs=list(outputs), execution_count=1, metadata={"tags": list(tags)}
    )


def sample(*, charts: tuple[str, ...] = ("hour_profile",)) -> Any:
    """Return a whole executed notebook with every kind of cell that a page must handle."""
    table = pd.DataFrame(
        {
            "segment": ["loyal", ATTACK, "lost"],
            "customers": ["612", "804", "351"],
            "mean spend": ["$412.50", "$183.10", "$9.90"],
        }
    )
    ranked = pd.DataFrame(
        {"share": [0.61, float("nan")]}, index=pd.Index(["email", "app"], name="channel")
    )
    figures_shown = key_figures()
    cells = [
        new_markdown_cell("# Which customers come back, and what are they worth?\n\nRead this page from the top."),
        code(
            'seed: int = 1  # start of all randomness\nlog: str = "runs/demo/log"  # the stored log\ncustomers: int = 100  # how many are drawn',
            tags=("parameters",),
        ),
        code("# Parameters\nseed = 7\n", tags=("injected-parameters",)),
        code("import workbench as wb\nsecret_setup = wb.open_log(log)", new_output("stream", name="stderr", text="Warning: /home/someone/x.py")),
        new_markdown_cell(
            "## How often do they buy?\n\nA purchase costs \\$5 or \\$7 at the counter; <b>bold</b> stays text. "
            "The chance to be active is $\\frac{r}{r+\\alpha}$ for one who never came back, and\n\n"
            "$$\n\\mathrm{CLV} = \\sum_{t=1}^{T} \\frac{m_t}{(1+d)^t}\n$$"
        ),
        *(code(f"figures.{name}(frame)", chart_output(chart_spec(name))) for name in charts),
        new_markdown_cell("### By segment\n\n| segment | rule |\n|---|--:|\n| loyal | `visits >= 3` |"),
        code("result.table", shown({"text/html": table._repr_html_(), "text/plain": str(table)})),
        code("by_channel", shown({"text/html": ranked._repr_html_(), "text/plain": str(ranked)})),
        code("customer_story", sentence("Customer 4711 bought bread."), tags=("private",)),
        code("scratch", sentence("A scratch note."), tags=("remove",)),
        code("wb.record('clv', 1.5)", new_output("display_data", data={RESULT_MIME: {"name": "clv", "value": 1.5}, "text/plain": "clv = 1.5"})),
        code("print('done')", new_output("stream", name="stdout", text="progress 10 %\n")),
        code("widget", new_output("display_data", data={"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "IntProgress()"})),
        code("html", new_output("display_data", data={"text/html": "<script>alert(2)</script><b>hi</b>", "text/plain": "safe words"})),
        code(
            "answer",
            new_output("display_data", data=figures_shown),
            sentence("Six in ten customers come back within 28 days\\. They spend \\$412\\.50 each, twice the rest\\."),
            tags=("answer",),
        ),
    ]  # fmt: skip
    return new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        },
    )


def key_figures() -> dict[str, Any]:
    """Return the bundle of a row of cards, one of them hostile."""
    return cards.key_figures(
        [
            ("customers", "2,469", "of 2,500 households"),
            ("come back within 28 days", "61.2%", ""),
            ("mean value", "$412.50", "95% interval $398 to $427"),
            (f"label {ATTACK}", "7", ""),
        ]
    )._repr_mimebundle_()


def manifest(notebook: str = "60_value_customers", **changes: Any) -> dict[str, Any]:
    """Return a manifest of a step, as workbench.run writes it."""
    return {
        "schema": 1,
        "kind": "step",
        "run": "demo",
        "run_id": "20241105-1200",
        "notebook": notebook,
        "notebook_path": f"notebooks/{notebook}.ipynb",
        "status": "done",
        "exit_code": 0,
        "error": None,
        "parameters": {"seed": 7},
        "parameters_digest": "c" * 64,
        "inputs": {"log": {"path": "runs/demo/log", "digest": "a" * 64, "bytes": 41_000_000}},
        "outputs": {},
        "commit": {"id": "0123456789abcdef" * 2 + "01234567", "clean": False},
        "python": "3.11.7",
        "packages": {"polars": "2.1.0", "altair": "6.3.0"},
        "started_at": "2024-11-05T12:00:00Z",
        "duration_s": 12.4,
        "cells": {"count": 9, "run": 9, "slowest": [{"cell": 4, "duration_s": 7.5}]},
        "results": {},
        **changes,
    }


def write_notebook(notebook: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def write_manifest(content: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
