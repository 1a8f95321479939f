"""Figures of profiles: RFM, lifecycle stages, segments. Owns no scoring."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames


def rfm_heatmap(
    frame: pd.DataFrame,
    *,
    title: str = "Customers by recency and frequency score",
    currency: str = "$",
) -> alt.LayerChart:
    """Return a grid of recency by frequency score, coloured by customers, with the count in it.

    Args:
        frame: One row a cell, with columns ``recency_score``, ``frequency_score``, ``customers``
            and, on request, ``monetary_cents`` (mean of the cell, for the tooltip).
        title: What the figure shows or finds.
        currency: Sign in front of the money.

    Raises:
        InputError: A column is missing or there is no row.

    >>> cells = pd.DataFrame({"recency_score": [1], "frequency_score": [2], "customers": [30]})
    >>> len(rfm_heatmap(cells).to_dict()["layer"])
    2
    """
    data = frames.ready(frame, "rfm_heatmap", ["recency_score", "frequency_score", "customers"])
    data["label"] = [text.count(n) for n in data["customers"]]
    tooltip = [
        alt.Tooltip("recency_score:O", title="recency score"),
        alt.Tooltip("frequency_score:O", title="frequency score"),
        alt.Tooltip("label:N", title="customers"),
    ]
    if "monetary_cents" in data.columns:
        data["money"] = [text.money(cents, currency) for cents in data["monetary_cents"]]
        tooltip.append(alt.Tooltip("money:N", title="mean monetary value"))
    base = alt.Chart(data).encode(
        x=alt.X(
            "recency_score:O",
            title="recency score (higher: bought more recently)",
            axis=alt.Axis(labelAngle=0),
        ),
        y=alt.Y(
            "frequency_score:O",
            title="frequency score (higher: more often)",
            sort="descending",
        ),
        tooltip=tooltip,
    )
    cells = base.mark_rect(cornerRadius=3).encode(
        color=alt.Color("customers:Q", legend=None, scale=alt.Scale(range=list(theme.RAMP)))
    )
    low, high = float(data["customers"].min()), float(data["customers"].max())
    dark = low + theme.RAMP_DARK_FROM * (high - low)
    labels = base.mark_text(fontWeight=600).encode(
        text="label:N",
        color=alt.when(alt.datum.customers > dark)
        .then(alt.value("#ffffff"))
        .otherwise(alt.value("#000000")),
    )
    top = frames.top(data, "customers")
    return alt.LayerChart(
        layer=[cells, labels],
        title=title,
        description=(
            "Grid of recency score against frequency score, coloured by the number of customers;"
            f" the largest cell has recency {top['recency_score']} and frequency"
            f" {top['frequency_score']} with {text.plural(top['customers'], 'customer')}."
        ),
        usermeta=frames.caption(
            "Each cell counts customers. To the right they bought more recently, to the top more"
            " often."
        ),
        width=420,
        height=alt.Step(46),
    )


def lifecycle_bars(
    frame: pd.DataFrame, *, title: str = "Customers by stage of their lifecycle"
) -> alt.LayerChart:
    """Return one bar a lifecycle stage, in the order of the rows.

    Args:
        frame: One row a stage, with columns ``stage``, ``customers`` and ``share`` (0 to 1).
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> stages = pd.DataFrame({"stage": ["active"], "customers": [3], "share": [1.0]})
    >>> lifecycle_bars(stages).to_dict()["description"]
    'Bars of customers by lifecycle stage: active 3 (100.0%).'
    """
    return _people(
        frame,
        "lifecycle_bars",
        "stage",
        "lifecycle stage",
        title,
        "At risk is late against the customer's own rhythm of purchases; lapsed is very late.",
    )


def segment_bars(frame: pd.DataFrame, *, title: str = "Customers by segment") -> alt.LayerChart:
    """Return one bar a named segment, in the order of the rows.

    Args:
        frame: One row a segment, with columns ``segment``, ``customers`` and ``share`` (0 to 1).
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> named = pd.DataFrame({"segment": ["loyal"], "customers": [3], "share": [0.5]})
    >>> segment_bars(named).to_dict()["title"]
    'Customers by segment'
    """
    return _people(frame, "segment_bars", "segment", "segment", title)


def _people(  # noqa: PLR0917 - of this module only
    frame: pd.DataFrame, figure: str, name: str, noun: str, title: str, read: str = ""
) -> alt.LayerChart:
    """Return bars of customers with the count and the share behind each."""
    data = frames.ready(frame, figure, [name, "customers", "share"])
    data["label"] = [
        f"{text.count(n)} ({text.share(part)})"
        for n, part in zip(data["customers"], data["share"], strict=True)
    ]
    said = text.listing(
        [f"{kind} {label}" for kind, label in zip(data[name], data["label"], strict=True)]
    )
    return frames.labelled_bars(
        data,
        name=name,
        value="customers",
        value_title="customers",
        title=title,
        description=f"Bars of customers by {noun}: {said}.",
        read=read,
    )
