"""Figures of an event log: how much, of what, when. Owns no counting."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report.figures import frames


def events_per_week(
    frame: pd.DataFrame, *, title: str = "Events a week, by type"
) -> alt.FacetChart:
    """Return one small chart an event type, each with its own scale.

    Args:
        frame: One row a week and type, with columns ``week`` (its first day), ``type`` and
            ``events`` (a count).
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> weeks = pd.DataFrame({"week": ["2017-01-02"], "type": ["purchase"], "events": [12]})
    >>> events_per_week(weeks).to_dict()["description"]
    'Events a week from the week of 2017-01-02 to that of 2017-01-02. In all: purchase 12.'
    """
    data = frames.ready(frame, "events_per_week", ["week", "type", "events"])
    data["week"] = frames.weeks(data["week"])
    totals = frames.totals(data, "type", "events")
    return frames.small_multiples(
        data,
        kind="type",
        value="events",
        title=title,
        description=f"Events a week {frames.period(data['week'])}. In all: {frames.told(totals)}.",
    )


def hour_profile(
    frame: pd.DataFrame, *, title: str = "Share of purchases by hour of the day"
) -> alt.Chart:
    """Return one bar an hour, coloured by part of the day where the frame names it.

    Args:
        frame: One row an hour, with columns ``hour`` (0 to 23, local), ``share`` (0 to 1) and,
            on request, ``daypart``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> hour_profile(pd.DataFrame({"hour": [8, 9], "share": [0.4, 0.6]})).to_dict()["mark"]["type"]
    'bar'
    """
    data = frames.ready(frame, "hour_profile", ["hour", "share"])
    top = frames.top(data, "share")
    chart = (
        alt.Chart(data)
        .mark_bar()
        .encode(
            x=alt.X(
                "hour:O",
                title="hour of the day (local)",
                axis=alt.Axis(labelAngle=0, labelOverlap=True),
            ),
            y=alt.Y("share:Q", title="share", axis=alt.Axis(format=".0%", tickCount=5)),
            tooltip=[alt.Tooltip("hour:O"), alt.Tooltip("share:Q", format=".1%")],
        )
    )
    if "daypart" in data.columns:
        parts = list(dict.fromkeys(data.sort_values("hour")["daypart"]))
        chart = chart.encode(color=alt.Color("daypart:N", sort=parts))
    figure: alt.Chart = chart.properties(
        title=title,
        description=(
            f"Bars of the share by hour of the day; the busiest is hour {int(top['hour'])}"
            f" with {text.share(float(top['share']))}."
        ),
        width=frames.WIDTH,
        height=240,
    )
    return figure
