"""The figure of what an experiment earned: margin, cost and profit with their intervals. Owns no statistics."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames

_SHOWN = {
    "sales_cents": "sales",
    "margin_before_cents": "margin before discounts",
    "cost_of_offers_cents": "cost of offers",
    "profit_cents": "profit",
}
_COST = "cost_of_offers_cents"
_ROW_PX = 40
_ABOVE, _BELOW, _OPEN = "above zero", "below zero", "open"
_COLOURS = {_ABOVE: theme.PALETTE[0], _BELOW: theme.PALETTE[1], _OPEN: theme.PALETTE[2]}


def earned(
    frame: pd.DataFrame, *, title: str = "What the offers earned", currency: str = "$"
) -> alt.LayerChart:
    """Return one point with its interval a figure of money, over all customers, and a line at nothing.

    Args:
        frame: One row an arm and figure, with columns ``arm``, ``figure``, ``total``, ``total_low`` and
            ``total_high`` in cents, as :func:`workbench.worth` gives; costs are drawn as what they take.
        title: What the figure shows or finds.
        currency: Sign in front of the money.

    Raises:
        InputError: A column is missing or no figure is left.

    >>> rows = pd.DataFrame({"arm": ["offer"], "figure": ["profit_cents"], "total": [1500.0],
    ...     "total_low": [500.0], "total_high": [2500.0]})
    >>> earned(rows).to_dict()["description"]
    'Points with intervals of what the offers earned over all customers: profit $15.00 ($5.00 to $25.00).'
    """
    needed = ["arm", "figure", "total", "total_low", "total_high"]
    known = frame[frame["figure"].isin(list(_SHOWN))] if "figure" in frame else frame
    data = frames.ready(known, "earned", needed)[needed]
    several = data["arm"].nunique() > 1
    rows = []
    for row in data.to_dict("records"):
        sign = -1 if row["figure"] == _COST else 1
        ends = sorted(sign * row[each] / frames.CENTS for each in ("total_low", "total_high"))
        name = _SHOWN[row["figure"]]
        rows.append(
            {
                "what": f"{text.words(row['arm'])}: {name}" if several else name,
                "value": sign * row["total"] / frames.CENTS,
                "low": ends[0],
                "high": ends[1],
                "label": text.amount(sign * row["total"], currency),
                "interval": text.span(
                    *(text.amount(each * frames.CENTS, currency) for each in ends)
                ),
                "sign": _ABOVE if ends[0] > 0 else _BELOW if ends[1] < 0 else _OPEN,
            }
        )
    drawn = pd.DataFrame(rows)
    said = "; ".join(f"{row['what']} {row['label']} ({row['interval']})" for row in rows)
    y = alt.Y("what:N", sort=None, title=None, axis=alt.Axis(labelLimit=260))
    base = alt.Chart(drawn).encode(
        y=y,
        color=alt.Color(
            "sign:N",
            title="interval",
            scale=alt.Scale(domain=list(_COLOURS), range=list(_COLOURS.values())),
        ),
        tooltip=["what:N", "label:N", "interval:N"],
    )
    layers = frames.labelled_intervals(
        drawn,
        base,
        y,
        columns=("value", "low", "high"),
        title=f"difference from the control, over all customers ({currency})",
        axis=frames.money_axis(currency),
    )
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=f"Points with intervals of what the offers earned over all customers: {said}.",
        usermeta=frames.caption(
            "Profit is the margin before discounts less the cost of the offers; where a bar holds the "
            "dashed line, chance may explain the figure."
        ),
        width=frames.WIDTH - 160,
        height=alt.Step(_ROW_PX),
    )
