"""Figures that compare programmes: changed outcomes, who gains, contacts. Owns no rule."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames

_CELL_PX = 46
_EXACT_FROM_PX = 46
"""Width of a cell from which a count of decisions fits; narrower ones say it in thousands."""

_BUSY = {
    "share_1": "one offer",
    "share_2": "two offers",
    "share_3_or_more": "three or more",
}


def change_by_reason(
    frame: pd.DataFrame, *, title: str = "How decisions end under the other programmes"
) -> alt.LayerChart:
    """Return a grid of the outcome in a (rows) by that in b (columns), coloured where it changes.

    Args:
        frame: One row an outcome in a, with a column ``reason``, and a column of decisions (a
            count) for each outcome in b, such as ``by_reason`` of a difference.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"reason": ["cooldown", "offered"], "cooldown": [5, 0], "offered": [3, 9]})
    >>> change_by_reason(rows).to_dict()["description"]
    'Grid of decisions by outcome in a and in b: 3 of 17 end otherwise; cooldown to offered 3.'
    """
    data = frames.ready(frame, "change_by_reason", ["reason"])
    columns = [str(name) for name in data.columns if name != "reason"]
    long = data.melt("reason", columns, "after", "decisions")
    long["after"] = [text.words(name) for name in long["after"]]
    total = int(long["decisions"].sum())
    long = long[long["decisions"] > 0].reset_index(drop=True)
    long["label"] = [text.count(n) for n in long["decisions"]]
    long["short"] = [_short(int(n)) for n in long["decisions"]]
    long["changes"] = long["reason"] != long["after"]
    moved = long[long["changes"]].sort_values("decisions", ascending=False, kind="stable")
    said = text.listing(
        [f"{row['reason']} to {row['after']} {row['label']}" for row in moved.to_dict("records")]
    )
    reasons = [name for name in map(text.words, columns) if name in set(long["after"])]
    exact = f"width >= {_EXACT_FROM_PX * len(reasons)}"
    base = alt.Chart(long).encode(
        x=alt.X(
            "after:N",
            sort=reasons,
            title="outcome in b",
            axis=alt.Axis(orient="top", labelAngle=-50, labelAlign="left", labelOverlap=False),
        ),
        y=alt.Y("reason:N", sort=data["reason"].tolist(), title="outcome in a"),
        tooltip=[
            alt.Tooltip("reason:N", title="in a"),
            alt.Tooltip("after:N", title="in b"),
            alt.Tooltip("label:N", title="decisions"),
        ],
    )
    high = float(moved["decisions"].max()) if len(moved) else 1.0
    scale = alt.Scale(range=list(theme.RAMP), domain=[0, high])
    cells = (
        base.transform_filter("datum.changes")
        .mark_rect(
            cornerRadius=3,
            width=alt.RelativeBandSize(band=0.94),
            height=alt.RelativeBandSize(band=0.9),
        )
        .encode(color=alt.Color("decisions:Q", legend=None, scale=scale))
    )
    ink = (
        alt.when(alt.datum.decisions > theme.RAMP_DARK_FROM * high)
        .then(alt.value("#ffffff"))
        .otherwise(alt.value("#000000"))
    )
    said_in = base.transform_calculate(shown=f"{exact} ? datum.label : datum.short").encode(
        text="shown:N"
    )
    labels = said_in.transform_filter("datum.changes").mark_text(fontWeight=600).encode(color=ink)
    kept = said_in.transform_filter("!datum.changes").mark_text()
    return alt.LayerChart(
        layer=[cells, labels, kept],
        title=title,
        description=(
            f"Grid of decisions by outcome in a and in b: {text.count(moved['decisions'].sum())} of"
            f" {text.count(total)} end otherwise{'; ' + said if len(moved) else ''}."
        ),
        usermeta=frames.caption(
            "Each row is an outcome under the programmes of a; the cells say how the same decisions"
            " end under those of b. Coloured cells change; on the diagonal the reason stays."
        ),
        width=frames.WIDTH,
        height=alt.Step(_CELL_PX),
    )


def _short(decisions: int) -> str:
    """Return a count in at most four characters: 140, 1.4k, 14k, 1.4M."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if decisions >= size:
            digits = int(decisions < 10 * size)
            return f"{decisions / size:.{digits}f}{unit}"
    return str(decisions)


def change_by_group(
    frame: pd.DataFrame,
    *,
    column: str = "segment",
    title: str = "Who gets more offers, and who fewer",
) -> alt.LayerChart:
    """Return two bars a group: customers who get more offers in b, and those who get fewer.

    Args:
        frame: One row a group, with its name, ``customers``, ``gain`` and ``lose`` (counts), such as
            the table of who gains and who loses.
        column: Column with the name of the group.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"segment": ["loyal"], "customers": [9], "gain": [2], "lose": [3]})
    >>> change_by_group(rows).to_dict()["description"]
    'Bars of customers by segment: loyal 2 get more offers and 3 fewer, of 9.'
    """
    data = frames.ready(frame, "change_by_group", [column, "customers", "gain", "lose"])
    data["group"] = [text.words(name) for name in data[column]]
    said = "; ".join(
        f"{row['group']} {text.count(row['gain'])} get more offers and {text.count(row['lose'])} "
        f"fewer, of {text.count(row['customers'])}"
        for row in data.to_dict("records")
    )
    fates = ("more offers", "fewer offers")
    long = pd.concat(
        [
            data.assign(fate=fate, signed=sign * data[name], size=data[name])
            for fate, sign, name in zip(fates, (1, -1), ("gain", "lose"), strict=True)
        ],
        ignore_index=True,
    )
    long["label"] = [
        f"{text.count(n)} ({text.share(n / of)})" if n else text.count(n)
        for n, of in zip(long["size"], long["customers"], strict=True)
    ]
    widest = float(long["size"].max()) or 1.0
    room = frames.label_room(long["label"])
    ends = [alt.expr(f"{room}"), alt.expr(f"width - {room}")]
    base = alt.Chart(long).encode(
        y=alt.Y("group:N", sort=None, title=None),
        x=alt.X(
            "signed:Q",
            title="customers with fewer offers (left) and with more (right)",
            scale=alt.Scale(domain=[-widest, widest], range=ends, nice=False),
            axis=alt.Axis(labels=False, domain=False, values=[0], grid=True),
        ),
        tooltip=[
            alt.Tooltip("group:N", title=text.words(column)),
            alt.Tooltip("fate:N", title="customers with"),
            alt.Tooltip("label:N", title="customers"),
        ],
    )
    bars = base.mark_bar(height=alt.RelativeBandSize(band=0.72)).encode(
        color=alt.Color(
            "fate:N", scale=alt.Scale(domain=list(fates), range=list(theme.PALETTE[:2]))
        )
    )
    more, fewer = (base.transform_filter(alt.datum.fate == fate) for fate in fates)
    sides = [
        more.mark_text(align="left", dx=6).encode(text="label:N"),
        fewer.mark_text(align="right", dx=-6).encode(text="label:N"),
    ]
    return alt.LayerChart(
        layer=[bars, *sides],
        title=title,
        description=f"Bars of customers by {text.words(column)}: {said}.",
        usermeta=frames.caption(
            "Behind each bar: customers, and which share of their group they are. Who gets as many"
            " offers as before is not drawn."
        ),
        width=frames.WIDTH,
        height=alt.Step(frames.BAR_STEP),
    )


def contacts(
    frame: pd.DataFrame,
    *,
    column: str = "segment",
    title: str = "How often customers hear from the programmes",
) -> alt.LayerChart:
    """Return stacked bars of the customer-weeks with one, two, and three or more offers, by group.

    Args:
        frame: One row a group, with its name, ``mean_contacts`` (offers a customer and week) and
            ``share_1``, ``share_2``, ``share_3_or_more`` (of the customer-weeks), such as the table
            of contacts a week.
        column: Column with the name of the group.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"segment": ["loyal"], "mean_contacts": [0.2], "share_1": [0.1],
    ...                      "share_2": [0.05], "share_3_or_more": [0.0]})
    >>> contacts(rows).to_dict()["description"]
    'Stacked bars of customer-weeks with an offer by segment: loyal 15.0%, 0.20 offers a week.'
    """
    data = frames.ready(frame, "contacts", [column, "mean_contacts", *_BUSY])
    data["group"] = [text.words(name) for name in data[column]]
    data["busy"] = data[list(_BUSY)].sum(axis="columns")
    data["label"] = [
        f"{text.share(busy)}, {text.number(mean)} offers a week"
        for busy, mean in zip(data["busy"], data["mean_contacts"], strict=True)
    ]
    said = "; ".join(
        f"{group} {label}" for group, label in zip(data["group"], data["label"], strict=True)
    )
    parts = data.melt(["group"], list(_BUSY), "kind", "share").assign(
        offers=lambda rows: rows["kind"].map(_BUSY)
    )
    parts["part"] = [text.share(part) for part in parts["share"]]
    return frames.stacked_bars(
        data,
        parts,
        name="group",
        whole="busy",
        part="offers",
        value="share",
        value_title="share of customer-weeks",
        colours=dict(zip(_BUSY.values(), (*theme.PALETTE[:2], theme.PALETTE[3]), strict=True)),
        tooltip=[
            alt.Tooltip("group:N", title=text.words(column)),
            alt.Tooltip("offers:N", title="weeks with"),
            alt.Tooltip("part:N", title="share"),
        ],
        title=title,
        description=f"Stacked bars of customer-weeks with an offer by {text.words(column)}: {said}.",
        read="A customer-week is one customer in one whole week; what is missing to the full length"
        " of 100% had no offer.",
    )
