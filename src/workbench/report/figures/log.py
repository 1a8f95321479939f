"""Figures of an event log: how much, of what, when. Owns no counting."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames


def events_per_week(
    frame: pd.DataFrame, *, title: str = "Events a week, by type"
) -> alt.FacetChart:
    """Return one small chart an event type, each with its own scale.

    Args:
        frame: One row a week and type, with columns ``week`` (its first day), ``type``,
            ``events`` (a count) and, on request, ``whole``: weeks that are not are left out.
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
    drawn, read = frames.whole_weeks(data)
    return frames.small_multiples(
        drawn,
        kind="type",
        value="events",
        title=title,
        description=f"Events a week {frames.period(drawn['week'])}. In all: {frames.told(totals)}.",
        sums={kind: n for kind, n in totals.items() if kind in set(drawn["type"])},
        read=read,
    )


def hour_profile(
    frame: pd.DataFrame, *, title: str = "Share of purchases by hour of the day"
) -> alt.LayerChart:
    """Return one bar an hour; where the frame names parts of the day, each has its name above.

    There are more parts of a day than colours that can be told apart, so two colours alternate.

    Args:
        frame: One row an hour, with columns ``hour`` (0 to 23, local), ``share`` (0 to 1) and,
            on request, ``daypart``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> len(hour_profile(pd.DataFrame({"hour": [8, 9], "share": [0.4, 0.6]})).to_dict()["layer"])
    1
    """
    data = frames.ready(frame, "hour_profile", ["hour", "share"])
    top = frames.top(data, "share")
    x = alt.X(
        "hour:Q",
        title="hour of the day (local)",
        scale=alt.Scale(domain=[-0.5, 23.5], nice=False),
        axis=alt.Axis(values=list(range(0, 24, 2)), labelOverlap=True, grid=False),
    )
    bars = (
        alt.Chart(data)
        .mark_bar()
        .encode(
            x=x,
            size=alt.SizeValue(alt.expr("max(1, 0.86 * width / 24)")),
            y=alt.Y("share:Q", title="share", axis=alt.Axis(format=".0%", tickCount=5)),
            tooltip=[alt.Tooltip("hour:O"), alt.Tooltip("share:Q", format=".1%")],
        )
    )
    layers: list[alt.Chart] = [bars]
    if "daypart" in data.columns:
        data = data.sort_values("hour", ignore_index=True)
        run = (data["daypart"] != data["daypart"].shift()).cumsum()
        data["shade"] = run % 2
        names = data.groupby(run).agg(hour=("hour", "mean"), daypart=("daypart", "first"))
        shades = alt.Scale(domain=[0, 1], range=[theme.PALETTE[4], theme.PALETTE[0]])
        layers = [
            bars.properties(data=data).encode(
                color=alt.Color("shade:N", scale=shades, legend=None),
                tooltip=[
                    alt.Tooltip("hour:O"),
                    alt.Tooltip("daypart:N", title="part of the day"),
                    alt.Tooltip("share:Q", format=".1%"),
                ],
            ),
            *(
                # Neighbours stand at two heights, so that they also fit on a phone.
                alt.Chart(some)
                .mark_text(baseline="bottom", dy=dy, fontSize=11)
                .encode(x=x, y=alt.value(0), text="daypart:N")
                for some, dy in ((names.iloc[::2], -4), (names.iloc[1::2], -18))
                if len(some)
            ),
        ]
    return alt.LayerChart(
        layer=layers,
        title=alt.TitleParams(title, offset=28),
        usermeta=frames.caption("Hours are local to the shop; the parts of the day stand above."),
        description=(
            f"Bars of the share by hour of the day; the busiest is hour {int(top['hour'])}"
            f" with {text.share(float(top['share']))}."
        ),
        width=frames.WIDTH,
        height=240,
    )
