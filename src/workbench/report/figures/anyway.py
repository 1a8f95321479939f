"""The figure of cost by whether its customers come anyway. Owns no cost and no rule."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames

_OTHERS, _ANYWAY = "to customers who do not", "to customers who come anyway"


def came_anyway(
    frame: pd.DataFrame,
    *,
    title: str = "Whose offers go to customers who come anyway",
    currency: str = "$",
) -> alt.LayerChart:
    """Return stacked bars of committed cost: to customers who come anyway, and to those who do not.

    Args:
        frame: One row a replay, with columns ``sent`` (its label), ``committed_cents`` and
            ``committed_anyway_cents``.
        title: What the figure shows or finds.
        currency: Sign in front of the money.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"sent": ["by event"], "committed_cents": [9000],
    ...                      "committed_anyway_cents": [6000]})
    >>> came_anyway(rows).to_dict()["description"]
    'Stacked bars of committed cost: by event $90.00, of it $60.00 to customers who come anyway.'
    """
    needed = ["sent", "committed_cents", "committed_anyway_cents"]
    data = frames.ready(frame, "came_anyway", needed)
    data[_OTHERS] = (data["committed_cents"] - data["committed_anyway_cents"]) / frames.CENTS
    data[_ANYWAY] = data["committed_anyway_cents"] / frames.CENTS
    data["whole"] = data["committed_cents"] / frames.CENTS
    data["label"] = [
        f"{text.amount(part, currency)} of {text.amount(whole, currency)} to who comes anyway"
        for part, whole in zip(data["committed_anyway_cents"], data["committed_cents"], strict=True)
    ]
    said = "; ".join(
        f"{row['sent']} {text.money(row['committed_cents'], currency)}, of it "
        f"{text.money(row['committed_anyway_cents'], currency)} to customers who come anyway"
        for row in data.to_dict("records")
    )
    kinds = [_OTHERS, _ANYWAY]
    long = data.melt("sent", kinds, "goes", "cost")
    long["order"] = [kinds.index(kind) for kind in long["goes"]]
    long["money"] = [text.money(round(cost * frames.CENTS), currency) for cost in long["cost"]]
    room = frames.label_room(data["label"])
    scale = alt.Scale(
        domain=[0, float(data["whole"].max()) or 1.0],
        range=[0, alt.expr(f"width - {room}")],
        nice=False,
    )
    place = alt.Y("sent:N", sort=data["sent"].tolist(), title=None)
    axis = alt.Axis(labels=False, domain=False, titleAnchor="start", titlePadding=2)
    bars = (
        alt.Chart(long)
        .mark_bar(height=alt.RelativeBandSize(band=0.72))
        .encode(
            y=place,
            x=alt.X("cost:Q", title="committed cost", scale=scale, axis=axis),
            order="order:Q",
            color=alt.Color(
                "goes:N",
                title=None,
                scale=alt.Scale(domain=kinds, range=[theme.PALETTE[0], theme.PALETTE[4]]),
            ),
            tooltip=[
                alt.Tooltip("sent:N", title="offers"),
                alt.Tooltip("goes:N", title="goes"),
                alt.Tooltip("money:N", title="committed cost"),
            ],
        )
    )
    labels = (
        alt.Chart(data)
        .mark_text(align="left", dx=6)
        .encode(y=place, x=alt.X("whole:Q", scale=scale), text="label:N")
    )
    return alt.LayerChart(
        layer=[bars, labels],
        title=title,
        description=f"Stacked bars of committed cost: {said}.",
        usermeta=frames.caption(
            "Who comes anyway bought within the days after the offer in the log, in which nobody got"
            " it. Cost is at the stated redemption rates."
        ),
        width=frames.WIDTH,
        height=alt.Step(frames.BAR_STEP),
    )
