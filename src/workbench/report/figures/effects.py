"""Figures of an experiment: relative effects with their intervals. Owns no estimate."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames

_ROW_PX = 40
_COLOURS = {"more": theme.PALETTE[0], "less": theme.PALETTE[1], "open": theme.PALETTE[2]}


def effects(frame: pd.DataFrame, *, title: str = "What the experiment did") -> alt.LayerChart:
    """Return one point with its interval an effect, relative to the control, and a line at no effect.

    Args:
        frame: One row an effect, with columns ``metric``, ``arm``, ``population``, ``relative``,
            ``relative_low``, ``relative_high`` (shares) and ``verdict``; rows without a relative
            effect are left out.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or no effect is left.

    >>> rows = pd.DataFrame({"metric": ["spend_cents"], "arm": ["offer"], "population": ["all"],
    ...     "relative": [0.04], "relative_low": [0.01], "relative_high": [0.07], "verdict": ["more"]})
    >>> effects(rows).to_dict()["description"]
    'Points with intervals of relative effects: spend, offer, all +4.0% (+1.0% to +7.0%).'
    """
    needed = ["metric", "arm", "population", "relative", "relative_low", "relative_high", "verdict"]
    known = frame.dropna(subset=["relative"]) if "relative" in frame else frame
    data = frames.ready(known, "effects", needed)[needed]
    data["effect"] = [
        ", ".join(
            [
                " ".join(text.heading(each) for each in str(row["metric"]).split()),
                text.words(row["arm"]),
                text.words(row["population"]),
            ]
        )
        for row in data.to_dict("records")
    ]
    data["label"] = [text.change(each) for each in data["relative"]]
    data["interval"] = [
        text.span(text.change(low), text.change(high))
        for low, high in zip(data["relative_low"], data["relative_high"], strict=True)
    ]
    said = "; ".join(
        f"{row['effect']} {row['label']} ({row['interval']})" for row in data.to_dict("records")
    )
    axis = alt.Axis(format="+%")
    y = alt.Y("effect:N", sort=None, title=None, axis=alt.Axis(labelLimit=260))
    base = alt.Chart(data).encode(
        y=y,
        color=alt.Color(
            "verdict:N",
            title=None,
            scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values())),
        ),
        tooltip=["effect:N", "label:N", "interval:N", "verdict:N"],
    )
    layers = frames.labelled_intervals(
        data,
        base,
        y,
        columns=("relative", "relative_low", "relative_high"),
        title="difference from the control",
        axis=axis,
    )
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=f"Points with intervals of relative effects: {said}.",
        usermeta=frames.caption(
            "Each bar is the interval of one effect; where it holds the dashed line, the experiment "
            "does not show that there is one."
        ),
        width=frames.WIDTH - 160,
        height=alt.Step(_ROW_PX),
    )
