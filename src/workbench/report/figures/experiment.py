"""Figures of experiments: what a plan can see, and an effect that may be looked at every day. Owns no statistics."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd

from workbench import text
from workbench.errors import InputError
from workbench.report import theme
from workbench.report.figures import frames

_ALWAYS, _ONCE = "holds at every look", "holds at one look"
_WIDEST = 1.5
_HEIGHT = 280


def detectable_by_day(
    frame: pd.DataFrame, *, title: str = "What the experiment can see, by its length"
) -> alt.LayerChart:
    """Return a line a comparison: the smallest lift that is found, by the days the experiment runs.

    Args:
        frame: One row a comparison and day, with columns ``comparison``, ``day`` (a number),
            ``closed_units`` and ``detectable_share``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"comparison": ["offer"] * 2, "day": [10, 20], "closed_units": [100, 400],
    ...                      "detectable_share": [0.2, 0.1]})
    >>> detectable_by_day(rows).to_dict()["description"]
    'Line of the smallest lift that is found over days: offer 20.0% after 10 days, 10.0% after 20 days.'
    """
    data = frames.ready(
        frame, "detectable_by_day", ["comparison", "day", "closed_units", "detectable_share"]
    )
    names = list(dict.fromkeys(data["comparison"].astype(str)))
    parts = []
    for name in names:
        rows = data[data["comparison"] == name].sort_values("day")
        ends = [
            f"{text.share(row['detectable_share'])} after {text.days(row['day'])}"
            for row in (rows.iloc[0], rows.iloc[-1])
        ]
        parts.append(f"{name} {', '.join(dict.fromkeys(ends))}")
    last = data.sort_values("day").groupby("comparison", sort=False).tail(1)
    last = last.assign(label=[text.share(each) for each in last["detectable_share"]])
    x = alt.X("day:Q", title="days since the first customer", axis=alt.Axis(tickMinStep=1))
    y = alt.Y(
        "detectable_share:Q",
        title="smallest lift that is found",
        axis=alt.Axis(format=".0%", tickCount=5),
        scale=alt.Scale(zero=True),
    )
    colour = alt.Color("comparison:N", legend=None if len(names) == 1 else alt.Legend())
    line = alt.Chart(data).encode(
        x=x,
        y=y,
        color=colour,
        tooltip=[
            alt.Tooltip("comparison:N"),
            alt.Tooltip("day:Q", format=",.0f"),
            alt.Tooltip("closed_units:Q", title="complete units", format=",.0f"),
            alt.Tooltip("detectable_share:Q", title="smallest lift", format=".1%"),
        ],
    )
    layers = [
        line.mark_line(strokeWidth=2.5),
        alt.Chart(last).mark_point(filled=True, size=60).encode(x=x, y=y, color=colour),
        alt.Chart(last).mark_text(align="right", dy=-12).encode(x=x, y=y, text="label:N"),
    ]
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=f"Line of the smallest lift that is found over days: {'; '.join(parts)}.",
        usermeta=frames.caption(
            "A day counts from the first customer on, the outcome window included. More days bring more"
            " customers and smaller lifts into sight; where the line is flat, waiting buys little."
        ),
        width=frames.WIDTH,
        height=_HEIGHT,
    )


def effect_by_day(
    frame: pd.DataFrame,
    *,
    title: str = "The effect so far, in an interval that may be looked at every day",
    lift: float | None = None,
) -> alt.LayerChart:
    """Return the effect at every day in two intervals: one for every look, one for a single look.

    Args:
        frame: One row a day, with columns ``day`` (a date or a number), ``units``, ``lift``, ``low``,
            ``high``, ``ordinary_low`` and ``ordinary_high``; ends that are not finite are not drawn.
        title: What the figure shows or finds.
        lift: The relative effect that is worth finding, drawn as a line; None: no line.

    Raises:
        InputError: A column is missing, there is no row, or no day has an estimate yet.

    >>> rows = pd.DataFrame({"day": [1, 2], "units": [90, 400], "lift": [0.3, 0.1],
    ...                      "low": [-np.inf, -0.1], "high": [np.inf, 0.3],
    ...                      "ordinary_low": [0.0, 0.01], "ordinary_high": [0.6, 0.2]})
    >>> effect_by_day(rows).to_dict()["description"]
    'Line of the lift over 2 days; on the last, with 400 units, it is +10.0%, in −10.0% to +30.0% at every look and +1.0% to +20.0% at a single look.'
    """
    needed = ["day", "units", "lift", "low", "high", "ordinary_low", "ordinary_high"]
    data = frames.ready(frame, "effect_by_day", needed)
    ends = ["low", "high", "ordinary_low", "ordinary_high"]
    data[ends] = data[ends].where(np.isfinite(data[ends].astype(float)))
    shown = data[data["lift"].notna()]
    if shown.empty:
        raise InputError("effect_by_day: no day has an estimate yet; say so in the text instead")
    last = data.iloc[-1]
    description = (
        f"Line of the lift over {text.days(len(data))}; on the last, with "
        f"{text.plural(last['units'], 'unit')}, it is {text.change(last['lift'])}, in "
        f"{text.span(text.change(last['low']), text.change(last['high']))} at every look and "
        f"{text.span(text.change(last['ordinary_low']), text.change(last['ordinary_high']))} at a "
        "single look."
    )
    dated = not pd.api.types.is_numeric_dtype(shown["day"])
    shown = shown.assign(
        day=frames.weeks(shown["day"]) if dated else shown["day"],
        both=[
            text.span(text.change(a), text.change(b))
            for a, b in zip(shown["low"], shown["high"], strict=True)
        ],
        change=[text.change(each) for each in shown["lift"]],
    )
    x = (
        alt.X("day:T", title="day", axis=alt.Axis(format="%-d %b", tickCount=6))
        if dated
        else alt.X("day:Q", title="day", axis=alt.Axis(tickMinStep=1))
    )
    bands = pd.concat(
        [
            shown[["day"]].assign(interval=name, low=shown[low], high=shown[high])
            for name, low, high in (
                (_ALWAYS, "low", "high"),
                (_ONCE, "ordinary_low", "ordinary_high"),
            )
        ],
        ignore_index=True,
    )
    bands = bands.dropna()
    ends_seen = bands[["low", "high"]] if len(bands) else shown[["lift"]]
    most = min(_WIDEST, float(ends_seen.abs().to_numpy().max()) or 1.0)
    y = alt.Scale(domain=[-most, most], clamp=True, nice=True)
    colour = alt.Color(
        "interval:N",
        scale=alt.Scale(domain=[_ALWAYS, _ONCE], range=[theme.PALETTE[0], theme.PALETTE[1]]),
    )
    axis = alt.Axis(format="+.0%", tickCount=6)
    rules = [0.0] + ([lift] if lift is not None else [])
    layers = [
        alt.Chart(bands)
        .mark_area(opacity=0.25)
        .encode(
            x=x,
            y=alt.Y("low:Q", title="lift", scale=y, axis=axis),
            y2="high:Q",
            color=colour,
        ),
        alt.Chart(pd.DataFrame({"at": rules}))
        .mark_rule(strokeDash=[4, 3])
        .encode(y=alt.Y("at:Q", scale=y)),
        alt.Chart(shown)
        .mark_line(strokeWidth=2.5)
        .encode(
            x=x,
            y=alt.Y("lift:Q", scale=y),
            tooltip=[
                alt.Tooltip("day:T", format="%-d %b %Y") if dated else alt.Tooltip("day:Q"),
                alt.Tooltip("units:Q", format=",.0f"),
                alt.Tooltip("change:N", title="lift"),
                alt.Tooltip("both:N", title="at every look"),
            ],
        ),
    ]
    told = "" if lift is None else " and the lift that is worth finding"
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=description,
        usermeta=frames.caption(
            f"The dashed lines are no effect{told}. The wide band misses the truth on any day at all in"
            " at most the stated share of experiments, so one may stop on any day at which it leaves"
            " the line of no effect; the narrow one holds for a single look that was fixed before."
        ),
        width=frames.WIDTH,
        height=_HEIGHT,
    )
