"""The figure of cost by whether its customers come anyway. Owns no cost and no rule."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames

_OTHERS, _ANYWAY = "customers who do not come", "who come anyway"
_COLOURS = {_OTHERS: theme.PALETTE[0], _ANYWAY: theme.PALETTE[4]}


def came_anyway(
    frame: pd.DataFrame,
    *,
    title: str = "Whose offers go to customers who come anyway",
    currency: str = "$",
) -> alt.LayerChart:
    """Return stacked bars of committed cost: to customers who come anyway, and to those who do not.

    Args:
        frame: One row a replay, with columns ``sent`` (its label), ``committed_cents`` and
            ``committed_anyway_cents``; one in which it is not known has no bar.
        title: What the figure shows or finds.
        currency: Sign in front of the money.

    Raises:
        InputError: A column is missing, or there is no row in which it is known.

    >>> rows = pd.DataFrame({"sent": ["by event"], "committed_cents": [9000],
    ...                      "committed_anyway_cents": [6000]})
    >>> came_anyway(rows).to_dict()["description"]
    'Stacked bars of committed cost: by event $90.00, of it $60.00 to customers who come anyway.'
    """
    needed = ["sent", "committed_cents", "committed_anyway_cents"]
    known = frames.ready(frame, "came_anyway", needed).dropna(subset=needed)
    data = frames.ready(known, "came_anyway", needed).astype(dict.fromkeys(needed[1:], "int64"))
    data[_OTHERS] = (data["committed_cents"] - data["committed_anyway_cents"]) / frames.CENTS
    data[_ANYWAY] = data["committed_anyway_cents"] / frames.CENTS
    data["whole"] = data["committed_cents"] / frames.CENTS
    data["label"] = [
        f"{text.amount(part, currency)} of {text.amount(whole, currency)}"
        for part, whole in zip(data["committed_anyway_cents"], data["committed_cents"], strict=True)
    ]
    said = "; ".join(
        f"{row['sent']} {text.money(row['committed_cents'], currency)}, of it "
        f"{text.money(row['committed_anyway_cents'], currency)} to customers who come anyway"
        for row in data.to_dict("records")
    )
    parts = data.melt("sent", list(_COLOURS), "goes", "cost")
    parts["money"] = [text.money(round(cost * frames.CENTS), currency) for cost in parts["cost"]]
    return frames.stacked_bars(
        data,
        parts,
        name="sent",
        whole="whole",
        part="goes",
        value="cost",
        value_title="committed cost",
        colours=_COLOURS,
        tooltip=[
            alt.Tooltip("sent:N", title="offers"),
            alt.Tooltip("goes:N", title="goes"),
            alt.Tooltip("money:N", title="committed cost"),
        ],
        title=title,
        description=f"Stacked bars of committed cost: {said}.",
        read="Behind each bar: the cost that goes to customers who come anyway, of the whole. Who comes anyway bought within the days after the offer in the log, in which nobody got"
        " it. Cost is at the stated redemption rates.",
    )
