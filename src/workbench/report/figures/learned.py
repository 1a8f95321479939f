"""Figures of learned uplift: by tenth of its prediction, and what is gained in its order. Owns no estimate."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames

_HEIGHT = 300


def uplift_by_tenth(
    frame: pd.DataFrame,
    *,
    outcome: str = "profit_cents",
    title: str = "What customers did, by tenth of what was predicted",
) -> alt.LayerChart:
    """Return a point with its interval a tenth and offer, its prediction, and the truth where it is known.

    Args:
        frame: One row a tenth and offer, with columns ``offer``, ``tenth`` (1 has the highest predictions),
            ``predicted``, ``uplift``, ``low``, ``high``, and ``truth`` (missing where it is not known), in the
            unit of the outcome.
        outcome: Name of the outcome; one that ends in ``_cents`` is drawn as money.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"offer": "tea", "tenth": [1, 2], "predicted": [90.0, 10.0], "uplift": [80.0, 20.0],
    ...                      "low": [50.0, -9.0], "high": [99.0, 40.0], "truth": [70.0, 15.0]})
    >>> uplift_by_tenth(rows).to_dict()["description"]
    'Points with intervals of uplift by tenth of its prediction: tea $0.80 in the first tenth, $0.20 in the last.'
    """
    numbers = ["predicted", "uplift", "low", "high", "truth"]
    data = frames.ready(frame, "uplift_by_tenth", ["offer", "tenth", *numbers])
    said = _first_and_last(data, outcome)
    data, axis, unit = _in_unit(data, numbers, outcome)
    colour, side = _by_offer(data)
    x = alt.X(
        "tenth:O", title="tenth by prediction, the highest first", axis=alt.Axis(labelAngle=0)
    )
    y_title = f"uplift of {unit}, a triggered customer"
    base = alt.Chart(data).encode(x=x, xOffset=side, color=colour)
    layers = [
        alt.Chart(pd.DataFrame({"none": [0.0]})).mark_rule(strokeDash=[4, 3]).encode(y="none:Q"),
        base.mark_rule(strokeWidth=2.5).encode(
            y=alt.Y("low:Q", title=y_title, axis=axis), y2="high:Q"
        ),
        base.mark_point(filled=True, size=55, opacity=1).encode(
            y="uplift:Q", tooltip=["offer:N", "tenth:O", "uplift:Q", "predicted:Q"]
        ),
        base.mark_point(filled=False, shape="diamond", size=50, strokeWidth=2).encode(
            y="predicted:Q"
        ),
    ]
    known = data.dropna(subset=["truth"])
    hint = ""
    if len(known):
        layers.append(
            alt.Chart(known)
            .mark_tick(thickness=2.5, size=13, orient="horizontal")
            .encode(x=x, xOffset=side, y="truth:Q", color=alt.value(theme.PALETTE[4]))
        )
        hint = " A grey tick is the truth, which only a simulated world knows."
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=f"Points with intervals of uplift by tenth of its prediction: {said}.",
        usermeta=frames.caption(
            "A dot is the estimate with its 95% interval, made of customers on whom nothing was fitted; a hollow "
            f"diamond is what was predicted for them.{hint}"
        ),
        width=frames.WIDTH,
        height=_HEIGHT,
    )


def gain_by_share(
    frame: pd.DataFrame,
    *,
    outcome: str = "profit_cents",
    title: str = "What is gained as more customers get the offer",
) -> alt.LayerChart:
    """Return the gain over the share of customers with its band, and the same share by lot, a line an offer.

    Args:
        frame: One row a share and offer, with columns ``offer``, ``treated`` (share of customers), ``gain``,
            ``low``, ``high`` and ``at_random``, in the unit of the outcome.
        outcome: Name of the outcome; one that ends in ``_cents`` is drawn as money.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"offer": "tea", "treated": [0.5, 1.0], "gain": [40.0, 20.0], "low": [20.0, -9.0],
    ...                      "high": [60.0, 40.0], "at_random": [10.0, 20.0]})
    >>> gain_by_share(rows).to_dict()["description"]
    'Lines of gain over the share of customers with the offer: tea $0.40 at most, at 50%; $0.20 for all.'
    """
    numbers = ["gain", "low", "high", "at_random"]
    data = frames.ready(frame, "gain_by_share", ["offer", "treated", *numbers])
    parts = []
    for offer, mine in data.sort_values("treated").groupby("offer", sort=False):
        most = mine.iloc[int(mine["gain"].to_numpy().argmax())]
        parts.append(
            f"{offer} {text.cell(outcome, float(most['gain']))} at most, at "
            f"{text.share(float(most['treated']), 0)}; "
            f"{text.cell(outcome, float(mine['gain'].iloc[-1]))} for all"
        )
    start = data.drop_duplicates("offer").assign(treated=0.0, **dict.fromkeys(numbers, 0.0))
    data = pd.concat([start, data], ignore_index=True)
    data, axis, unit = _in_unit(data, numbers, outcome)
    colour, _ = _by_offer(data)
    share = alt.X(
        "treated:Q",
        title="share of customers with the offer, the highest predictions first",
        axis=alt.Axis(format="%"),
        scale=alt.Scale(domain=[0, 1]),
    )
    base = alt.Chart(data).encode(x=share, color=colour)
    y = alt.Y("low:Q", title=f"gain of {unit}, a triggered customer", axis=axis)
    layers = [
        alt.Chart(pd.DataFrame({"none": [0.0]})).mark_rule(opacity=0.5).encode(y="none:Q"),
        base.mark_area(opacity=0.15).encode(y=y, y2="high:Q"),
        base.mark_line(strokeDash=[5, 4], strokeWidth=1.5).encode(y="at_random:Q"),
        base.mark_line(strokeWidth=2.5).encode(
            y="gain:Q", tooltip=["offer:N", alt.Tooltip("treated:Q", format=".0%"), "gain:Q"]
        ),
    ]
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=f"Lines of gain over the share of customers with the offer: {', '.join(parts)}.",
        usermeta=frames.caption(
            "The band is the 95% interval at each share; the dashed line is the same share drawn by lot. Where the "
            "line falls, the offer loses on those who are added."
        ),
        width=frames.WIDTH,
        height=_HEIGHT,
    )


def _in_unit(
    data: pd.DataFrame, numbers: list[str], outcome: str
) -> tuple[pd.DataFrame, alt.Axis, str]:
    """Return figures in dollars where the outcome is cents, with their axis and the outcome in words."""
    data = data.astype(dict.fromkeys(numbers, float))
    if not outcome.endswith("_cents"):
        return data, alt.Axis(), text.words(outcome)
    data[numbers] = data[numbers] / frames.CENTS
    return data, frames.money_axis("$"), text.words(outcome.removesuffix("_cents"))


def _by_offer(data: pd.DataFrame) -> tuple[alt.Color, alt.XOffset]:
    offers = list(dict.fromkeys(data["offer"].astype(str)))
    scale: Any = alt.Scale(domain=offers, range=list(theme.PALETTE[: len(offers)]))
    return (
        alt.Color(
            "offer:N",
            sort=offers,
            title=None,
            scale=scale,
            legend=alt.Legend(symbolType="circle", symbolOpacity=1, symbolStrokeWidth=0),
        ),
        alt.XOffset("offer:N", sort=offers),
    )


def _first_and_last(data: pd.DataFrame, outcome: str) -> str:
    """Return the uplift of each offer in the first and in the last tenth."""
    parts = []
    for offer, mine in data.sort_values("tenth").groupby("offer", sort=False):
        first, last = (text.cell(outcome, float(mine["uplift"].iloc[at])) for at in (0, -1))
        parts.append(f"{offer} {first} in the first tenth, {last} in the last")
    return "; ".join(parts)
