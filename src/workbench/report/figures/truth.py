"""Figures of a simulated world: what logs say beside what is true. Owns no simulation."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames

_CLASSES = ("incremental", "pulled_forward", "cannibalised")
_ROW_PX = 46


def redeemed_by_class(
    frame: pd.DataFrame, *, title: str = "What redeemed purchases are, in truth"
) -> alt.LayerChart:
    """Return one bar a programme, stacked by what its redeemed purchases are by their twins.

    Args:
        frame: One row a programme, with columns ``programme``, ``incremental``, ``pulled_forward``
            and ``cannibalised`` (counts).
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"programme": ["coffee"], "incremental": [3], "pulled_forward": [1],
    ...                      "cannibalised": [6]})
    >>> redeemed_by_class(rows).to_dict()["description"]
    'Stacked bars of redeemed purchases by programme: coffee 3 incremental, 1 pulled forward and 6 cannibalised.'
    """
    data = frames.ready(frame, "redeemed_by_class", ["programme", *_CLASSES])
    data["programme"] = [text.words(name) for name in data["programme"]]
    data["all"] = data[list(_CLASSES)].sum(axis=1)
    data = data[data["all"] > 0] if (data["all"] > 0).any() else data
    names = [text.words(name) for name in _CLASSES]
    said = "; ".join(
        f"{row['programme']} "
        + text.listing([f"{text.count(row[c])} {text.words(c)}" for c in _CLASSES])
        for row in data.to_dict("records")
    )
    long = pd.concat(
        [
            data[["programme", "all"]].assign(
                kind=text.words(name), purchases=data[name], order=place
            )
            for place, name in enumerate(_CLASSES)
        ],
        ignore_index=True,
    )
    long["share"] = [
        text.share(n / of) if of else text.MISSING
        for n, of in zip(long["purchases"], long["all"], strict=True)
    ]
    data["label"] = [
        f"{text.count(of)}, {text.share(n / of) if of else text.MISSING} incremental"
        for n, of in zip(data["incremental"], data["all"], strict=True)
    ]
    room = frames.label_room(data["label"])
    scale = alt.Scale(
        domain=[0, float(data["all"].max()) or 1],
        range=[0, alt.expr(f"width - {room}")],
        nice=False,
    )
    place = alt.Y("programme:N", sort=None, title=None)
    quiet = alt.Axis(labels=False, domain=False, titleAnchor="start", titlePadding=2)
    bars = (
        alt.Chart(long)
        .mark_bar(height=alt.RelativeBandSize(band=0.72))
        .encode(
            y=place,
            x=alt.X("purchases:Q", title="redeemed purchases", scale=scale, axis=quiet),
            color=alt.Color(
                "kind:N", scale=alt.Scale(domain=names, range=list(theme.PALETTE[:1] + theme.PALETTE[2:3] + theme.PALETTE[1:2]))
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("programme:N"),
                alt.Tooltip("kind:N", title="class"),
                alt.Tooltip("purchases:Q", format=",.0f"),
                alt.Tooltip("share:N"),
            ],
        )
    )  # fmt: skip
    labels = (
        alt.Chart(data)
        .mark_text(align="left", dx=6)
        .encode(y=place, x=alt.X("all:Q", scale=scale, axis=quiet), text="label:N")
    )
    return alt.LayerChart(
        layer=[bars, labels],
        title=title,
        description=f"Stacked bars of redeemed purchases by programme: {said}.",
        usermeta=frames.caption(
            "Incremental: the twin, whom no programme reached, does not make this purchase. Pulled"
            " forward: the twin makes it later. Cannibalised: the twin makes it too, at full price."
        ),
        width=frames.WIDTH,
        height=alt.Step(frames.BAR_STEP),
    )


def readings_against_truth(
    frame: pd.DataFrame, *, title: str = "What the log would say of the effect, and the truth"
) -> alt.LayerChart:
    """Return one point with its interval a reading, and a line where the truth is.

    Args:
        frame: One row a reading, the truth first, with columns ``reading``, ``estimate``, ``low``,
            ``high`` and ``meets_truth``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"reading": ["truth", "naive"], "estimate": [0.3, 5.7],
    ...                      "low": [0.2, 4.7], "high": [0.4, 6.7], "meets_truth": [True, False]})
    >>> readings_against_truth(rows).to_dict()["description"]
    'Points with 95 % intervals of the effect by reading: truth 0.30; naive 5.70 (misses the truth).'
    """
    needed = ["reading", "estimate", "low", "high", "meets_truth"]
    data = frames.ready(frame, "readings_against_truth", needed)
    data["verdict"] = ["meets the truth" if meets else "misses it" for meets in data["meets_truth"]]
    data["label"] = [text.number(each) for each in data["estimate"]]
    said = "; ".join(
        f"{row['reading']} {row['label']}{'' if row['meets_truth'] else ' (misses the truth)'}"
        for row in data.to_dict("records")
    )
    base = alt.Chart(data).encode(
        y=alt.Y("reading:N", sort=None, title=None, axis=alt.Axis(labelLimit=240)),
        color=alt.Color(
            "verdict:N",
            scale=alt.Scale(
                domain=["meets the truth", "misses it"],
                range=[theme.PALETTE[0], theme.PALETTE[1]],
            ),
        ),
        tooltip=[
            alt.Tooltip("reading:N"),
            alt.Tooltip("estimate:Q", format=".2f"),
            alt.Tooltip("low:Q", format=".2f", title="low (95 %)"),
            alt.Tooltip("high:Q", format=".2f", title="high (95 %)"),
            alt.Tooltip("verdict:N"),
        ],
    )
    x = alt.X("estimate:Q", title="further purchases a customer who got an offer")
    layers = [
        alt.Chart(data.head(1)).mark_rule(strokeDash=[4, 3]).encode(x=x),
        base.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q"), x2="high:Q"),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=x),
        alt.Chart(data)
        .mark_text(align="left", dx=6, dy=-12)
        .encode(y=alt.Y("reading:N", sort=None), x=x, text="label:N"),
    ]
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=f"Points with 95 % intervals of the effect by reading: {said}.",
        usermeta=frames.caption(
            "The dashed line is the truth: the mean difference between customers and their twins."
            " Each bar is a 95 % interval."
        ),
        width=frames.WIDTH - 120,
        height=alt.Step(_ROW_PX),
    )


def simulated_beside_real(
    frame: pd.DataFrame, *, title: str = "The simulated world beside the real log"
) -> alt.FacetChart:
    """Return one small chart a marginal with two lines: the real log and the simulated world.

    Args:
        frame: One row a marginal, source and place, with columns ``marginal``, ``source`` (``real``
            or ``simulated``), ``place`` (a number) and ``share``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"marginal": ["hour"] * 2, "source": ["real", "simulated"],
    ...                      "place": [9, 9], "share": [0.1, 0.12]})
    >>> simulated_beside_real(rows).to_dict()["description"]
    'Two lines, real and simulated, for each marginal: hour.'
    """
    data = frames.ready(frame, "simulated_beside_real", ["marginal", "source", "place", "share"])
    names = list(dict.fromkeys(data["marginal"]))
    lines = alt.Legend(orient="top", symbolType="stroke")
    figure: alt.FacetChart = (
        alt.Chart(data)
        .mark_line(point=alt.OverlayMarkDef(size=24, filled=True))
        .encode(
            x=alt.X("place:Q", title=None, axis=alt.Axis(tickCount=6, grid=False)),
            y=alt.Y("share:Q", title="share", axis=alt.Axis(format=".0%", tickCount=4)),
            color=alt.Color(
                "source:N",
                scale=alt.Scale(
                    domain=["real", "simulated"], range=[theme.PALETTE[1], theme.PALETTE[0]]
                ),
                legend=lines,
            ),
            strokeDash=alt.StrokeDash(
                "source:N",
                legend=lines,
                scale=alt.Scale(domain=["real", "simulated"], range=[[5, 3], [1, 0]]),
            ),
            tooltip=[
                alt.Tooltip("source:N"),
                alt.Tooltip("place:Q"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
        .properties(width=frames.WIDTH // 2 - 40, height=130)
        .facet(facet=alt.Facet("marginal:N", title=None, sort=names), columns=2)
        .resolve_scale(x="independent", y="independent")
        .properties(
            title=title,
            description=f"Two lines, real and simulated, for each marginal: {text.listing(names)}.",
            usermeta=frames.caption(
                "Real is dashed, simulated is solid; each chart has scales of its own. Where the lines part, the world is not the log."
            ),
        )
    )
    return figure


def first_days_by_world(
    frame: pd.DataFrame, *, title: str = "Who redeems at least two offers in the first days"
) -> alt.LayerChart:
    """Return two points a world, by event and by calendar, joined, with what one is of the other.

    Args:
        frame: One row a world, with columns ``world``, ``share_by_event``, ``share_by_calendar``,
            ``ratio`` (none where nobody did by calendar) and ``doubles``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"world": ["as it is"], "share_by_event": [0.12],
    ...                      "share_by_calendar": [0.03], "ratio": [4.0], "doubles": [True]})
    >>> first_days_by_world(rows).to_dict()["description"]
    'Two points a world, by event and by calendar: as it is 12.0% against 3.0%, doubles.'
    """
    needed = ["world", "share_by_event", "share_by_calendar", "ratio", "doubles"]
    data = frames.ready(frame, "first_days_by_world", needed)
    sides = {"share_by_event": "by event", "share_by_calendar": "by calendar"}
    data["verdict"] = ["doubles" if doubles else "does not double" for doubles in data["doubles"]]
    data["most"] = data[list(sides)].max(axis=1)
    data["label"] = [
        row["verdict"] if pd.isna(row["ratio"]) else f"{text.number(row['ratio'], 1)} times"
        for row in data.to_dict("records")
    ]
    said = "; ".join(
        f"{row['world']} {text.share(row['share_by_event'])} against "
        f"{text.share(row['share_by_calendar'])}, {row['verdict']}"
        for row in data.to_dict("records")
    )
    long = pd.concat(
        [
            data[["world", "verdict"]].assign(side=side, share=data[column])
            for column, side in sides.items()
        ],
        ignore_index=True,
    )
    y = alt.Y("world:N", sort=None, title=None, axis=alt.Axis(labelLimit=240))
    axis = alt.Axis(format=".0%", tickCount=5)
    x = alt.X("share:Q", title="new customers who redeem at least two offers", axis=axis)
    layers = [
        alt.Chart(data)
        .mark_rule()
        .encode(y=y, x=alt.X("share_by_event:Q"), x2="share_by_calendar:Q"),
        alt.Chart(long)
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            y=y,
            x=x,
            color=alt.Color(
                "side:N",
                scale=alt.Scale(domain=list(sides.values()), range=list(theme.PALETTE[:2])),
            ),
            tooltip=[
                alt.Tooltip("world:N"),
                alt.Tooltip("side:N", title="offers"),
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("verdict:N"),
            ],
        ),
        alt.Chart(data)
        .mark_text(align="left", dx=10)
        .encode(y=y, x=alt.X("most:Q"), text="label:N"),
    ]
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=f"Two points a world, by event and by calendar: {said}.",
        usermeta=frames.caption(
            "The label says how many times as many redeem twice by event as by calendar."
        ),
        width=frames.WIDTH - 160,
        height=alt.Step(frames.BAR_STEP),
    )
