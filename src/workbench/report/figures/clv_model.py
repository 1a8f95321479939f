"""Figures of what a CLV model says: histories, silence, concentration of value. Owns no model."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames


def frequency_recency(
    frame: pd.DataFrame, *, title: str = "Who is still a customer, by history"
) -> alt.LayerChart:
    """Return a grid of repeat purchases by days since the last, coloured by P(alive), written in it.

    Args:
        frame: One row a cell, with columns ``repeat_purchases``, ``days_since_last`` and
            ``probability_alive``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> cells = pd.DataFrame({"repeat_purchases": [1], "days_since_last": [30],
    ...                       "probability_alive": [0.75]})
    >>> len(frequency_recency(cells).to_dict()["layer"])
    2
    """
    columns = ["repeat_purchases", "days_since_last", "probability_alive"]
    data = frames.ready(frame, "frequency_recency", columns)
    data["label"] = [text.share(p, 0) for p in data["probability_alive"]]
    base = alt.Chart(data).encode(
        x=alt.X(
            "days_since_last:O", title="days since the last purchase", axis=alt.Axis(labelAngle=0)
        ),
        y=alt.Y("repeat_purchases:O", title="repeat purchases", sort="descending"),
        tooltip=[
            alt.Tooltip("repeat_purchases:O", title="repeat purchases"),
            alt.Tooltip("days_since_last:O", title="days since the last"),
            alt.Tooltip("label:N", title="probability to be a customer"),
        ],
    )
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color(
            "probability_alive:Q",
            legend=None,
            scale=alt.Scale(domain=[0, 1], range=list(theme.RAMP)),
        )
    )
    labels = base.mark_text(fontWeight=600).encode(
        text="label:N",
        color=alt.when(alt.datum.probability_alive > theme.RAMP_DARK_FROM)
        .then(alt.value("#ffffff"))
        .otherwise(alt.value("#000000")),
    )
    low = data.sort_values("probability_alive", kind="stable").iloc[0]
    return alt.LayerChart(
        layer=[cells, labels],
        title=title,
        description=(
            "Grid of repeat purchases against days since the last, coloured by the probability to be"
            f" still a customer; lowest, {low['label']}, at {text.count(low['repeat_purchases'])}"
            f" purchases and {text.days(low['days_since_last'])} of silence."
        ),
        usermeta=frames.caption(
            "The same silence means more of who used to buy often: to the top right customers are gone."
        ),
        width=420,
        height=alt.Step(34),
    )


def alive_after_silence(
    frame: pd.DataFrame, *, title: str = "Probability to be still a customer, day by day"
) -> alt.LayerChart:
    """Return P(alive) over the days of one history, with its interval.

    Args:
        frame: One row a day, with columns ``day``, ``probability_alive``, ``low`` and ``high``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"day": [0.0, 9.0], "probability_alive": [1.0, 0.5],
    ...                      "low": [1.0, 0.4], "high": [1.0, 0.6]})
    >>> alive_after_silence(rows).to_dict()["description"]
    'Line of the probability to be still a customer, from 100.0% on the first day to 50.0% after 9 days.'
    """
    columns = ["day", "probability_alive", "low", "high"]
    data = frames.ready(frame, "alive_after_silence", columns)
    first, last = data.iloc[0], data.iloc[-1]
    x = alt.X("day:Q", title="days since the first purchase")
    axis = alt.Axis(format="%")
    y = alt.Y("low:Q", title="probability", axis=axis, scale=alt.Scale(domain=[0, 1]))
    band = alt.Chart(data).mark_area(opacity=0.25).encode(x=x, y=y, y2="high:Q")
    line = (
        alt.Chart(data)
        .mark_line()
        .encode(
            x=x,
            y=alt.Y("probability_alive:Q", title="probability", axis=axis),
            tooltip=[
                alt.Tooltip("day:Q", format=".0f"),
                alt.Tooltip("probability_alive:Q", title="probability", format=".1%"),
            ],
        )
    )
    return alt.LayerChart(
        layer=[band, line],
        title=title,
        description=(
            "Line of the probability to be still a customer, from"
            f" {text.share(first['probability_alive'])} on the first day to"
            f" {text.share(last['probability_alive'])} after {text.days(last['day'])}."
        ),
        usermeta=frames.caption(
            "Each purchase lifts the line; silence lowers it. The band is a 90% interval."
        ),
        width=frames.WIDTH,
        height=260,
    )


def value_concentration(
    frame: pd.DataFrame, *, title: str = "How much of the value the best customers hold"
) -> alt.LayerChart:
    """Return the share of the value over the share of the customers, the best first.

    Args:
        frame: Points of the curve, with columns ``share_of_customers`` and ``share_of_value``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"share_of_customers": [0.0, 0.5, 1.0], "share_of_value": [0.0, 0.8, 1.0]})
    >>> value_concentration(rows).to_dict()["description"]
    'Curve of the share of the value held by the best customers; the best half holds 80.0%.'
    """
    data = frames.ready(frame, "value_concentration", ["share_of_customers", "share_of_value"])
    middle = data.iloc[int((data["share_of_customers"] - 0.5).abs().argmin())]
    axis = alt.Axis(format="%")
    x = alt.X("share_of_customers:Q", title="share of the customers, the best first", axis=axis)
    base = alt.Chart(data).encode(x=x)
    curve = base.mark_line().encode(
        y=alt.Y("share_of_value:Q", title="share of the value", axis=axis),
        tooltip=[
            alt.Tooltip("share_of_customers:Q", title="customers", format=".0%"),
            alt.Tooltip("share_of_value:Q", title="value", format=".1%"),
        ],
    )
    equal = base.mark_line(strokeDash=[4, 4], opacity=0.6).encode(y="share_of_customers:Q")
    return alt.LayerChart(
        layer=[equal, curve],
        title=title,
        description=(
            "Curve of the share of the value held by the best customers; the best half holds"
            f" {text.share(middle['share_of_value'])}."
        ),
        usermeta=frames.caption("On the dashed line all customers would be worth the same."),
        width=420,
        height=300,
    )
