"""Figures of the calibration table: what estimators promise beside what was found. Owns no verdict."""

from __future__ import annotations

import math

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames

_STEP = 20
_MOST = 2.0
_VERDICTS = ("inside its band", "outside")


def calibration_bands(
    frame: pd.DataFrame, *, title: str = "What estimators promise, and what was found"
) -> alt.LayerChart:
    """Return one point a figure, placed by how far it lies from its promise in units of its band.

    Args:
        frame: One row a figure, with columns ``estimator``, ``figure``, ``rate``, ``nominal``,
            ``low``, ``high`` and ``passed``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"estimator": ["mean"], "figure": ["coverage"], "rate": [0.94],
    ...                      "nominal": [0.95], "low": [0.93], "high": [0.97], "passed": [True]})
    >>> calibration_bands(rows).to_dict()["description"]
    'Points beside their bands, one a figure of an estimator: 1 of 1 inside; none outside.'
    """
    needed = ["estimator", "figure", "rate", "nominal", "low", "high", "passed"]
    data = frames.ready(frame, "calibration_bands", needed)
    data["name"] = data["estimator"] + ": " + data["figure"]
    places = [
        _place(*row)
        for row in data[["rate", "nominal", "low", "high"]].itertuples(index=False, name=None)
    ]
    data["place"] = [min(max(place, -_MOST), _MOST) for place in places]
    data["verdict"] = [_VERDICTS[0] if passed else _VERDICTS[1] for passed in data["passed"]]
    data["label"] = [text.number(rate, 3) for rate in data["rate"]]
    data["promised"] = [text.number(each, 3) for each in data["nominal"]]
    data["left"] = [-1.0 if math.isfinite(low) else -_MOST for low in data["low"]]
    data["right"] = [1.0 if math.isfinite(high) else _MOST for high in data["high"]]
    outside = data.loc[~data["passed"], "name"].tolist()
    inside = f"{text.count(len(data) - len(outside))} of {text.count(len(data))} inside"
    missed = text.listing(outside) + " outside" if outside else "none outside"
    y = alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=310))
    scale = alt.Scale(domain=[-_MOST, _MOST], nice=False)
    x = alt.X(
        "place:Q",
        scale=scale,
        title="distance from the promise; the band reaches from −1 to 1",
        axis=alt.Axis(values=[-1, 0, 1], grid=True),
    )
    tooltip = [
        alt.Tooltip("name:N", title="figure"),
        alt.Tooltip("label:N", title="found"),
        alt.Tooltip("promised:N"),
        alt.Tooltip("verdict:N"),
    ]
    layers = [
        alt.Chart(data)
        .mark_rule(strokeWidth=6, opacity=0.25, color=theme.PALETTE[0])
        .encode(y=y, x=alt.X("left:Q", scale=scale), x2="right:Q"),
        alt.Chart(data)
        .mark_point(filled=True, size=70, opacity=1)
        .encode(
            y=y,
            x=x,
            color=alt.Color(
                "verdict:N",
                scale=alt.Scale(domain=list(_VERDICTS), range=list(theme.PALETTE[:2])),
            ),
            shape=alt.Shape(
                "verdict:N",
                legend=None,
                scale=alt.Scale(domain=list(_VERDICTS), range=["circle", "cross"]),
            ),
            tooltip=tooltip,
        ),
        alt.Chart(data).mark_text(align="left", dx=8, fontSize=10).encode(y=y, x=x, text="label:N"),
    ]
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=(
            f"Points beside their bands, one a figure of an estimator: {inside}; {missed}."
        ),
        usermeta=frames.caption(
            "Each bar is the band in which the figure lies in 999 of 1,000 whole tables. Beside each"
            " point stands the figure itself; what lies further out is drawn at the edge."
        ),
        width=frames.WIDTH - 260,
        height=alt.Step(_STEP),
    )


def _place(rate: float, nominal: float, low: float, high: float) -> float:
    """Return how far a rate lies from its nominal value, in units of the band on its side."""
    gap = rate - nominal
    end = high - nominal if gap >= 0 else nominal - low
    if not math.isfinite(end):
        return 0.0
    return gap / end if end else math.copysign(_MOST, gap) if gap else 0.0
