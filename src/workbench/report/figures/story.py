"""The figure of one customer's story: events above, a lane of decisions for each programme."""

from __future__ import annotations

from typing import Literal

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames

_EVENTS = "events"
_DECISION = "decision"
_LANE_STEP = 46
_MOST_LABELS = 12
_LONG_DAYS = 120
_MARKS = {
    "offer": (theme.PALETTE[0], "circle"),
    "points": (theme.PALETTE[2], "diamond"),
    "held out": (theme.PALETTE[3], "square"),
    "waiting": (theme.PALETTE[4], "triangle-up"),
    "refused": (theme.PALETTE[1], "cross"),
}
"""Colour and shape of each outcome, so that neither alone has to tell them apart."""


def customer_story(
    frame: pd.DataFrame, *, title: str = "One customer: events, and what came of them"
) -> alt.LayerChart:
    """Return a timeline: events as ticks on a lane, decisions on a lane for each programme.

    Args:
        frame: One row an event or a decision, with columns ``ts`` (an instant), ``what`` (the type
            of the event, or ``decision``), and of a decision ``programme``, ``outcome`` (offer,
            points, held out, waiting, refused), ``reason`` and ``offer_id``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing, there is no row, or there are more than 5,000.

    >>> rows = pd.DataFrame({"ts": ["2017-01-02T10:00Z"] * 2, "what": ["purchase", "decision"],
    ...                      "programme": [None, "coffee"], "outcome": [None, "offer"],
    ...                      "reason": [None, "offered"], "offer_id": [None, "one_off"]})
    >>> customer_story(rows).to_dict()["description"]
    'Timeline of one customer from 2017-01-02 to 2017-01-02: 1 event, and for coffee 1 offer.'
    """
    columns = ["ts", "what", "programme", "outcome", "reason", "offer_id"]
    data = frames.ready(frame, "customer_story", columns)
    data["ts"] = pd.to_datetime(data["ts"], utc=True).dt.tz_localize(None).astype("datetime64[ms]")
    decided = data["what"] == _DECISION
    data["lane"] = [
        text.words(name) if made else _EVENTS
        for name, made in zip(data["programme"], decided, strict=True)
    ]
    lanes = [_EVENTS, *sorted(set(data.loc[decided, "lane"]))]
    place = alt.X("ts:T", title=None, axis=_time_axis(data["ts"]))
    lane = alt.Y(
        "lane:N",
        title=None,
        sort=lanes,
        scale=alt.Scale(domain=lanes),
        axis=alt.Axis(labelLimit=110),
    )
    events = (
        alt.Chart(data[~decided])
        .mark_tick(thickness=1, height=14, opacity=0.6, color=theme.PALETTE[4])
        .encode(x=place, y=lane, tooltip=[_when(), alt.Tooltip("what:N", title="event")])
    )
    made = data[decided]
    there = [each for each in _MARKS if each in set(made["outcome"])]
    base = alt.Chart(made).encode(x=place, y=lane)
    marks = base.mark_point(filled=True, size=90, opacity=0.95).encode(
        color=alt.Color(
            "outcome:N",
            sort=there,
            scale=alt.Scale(domain=there, range=[_MARKS[each][0] for each in there]),
        ),
        shape=alt.Shape(
            "outcome:N",
            sort=there,
            scale=alt.Scale(domain=there, range=[_MARKS[each][1] for each in there]),
        ),
        tooltip=[
            _when(),
            alt.Tooltip("lane:N", title="programme"),
            alt.Tooltip("outcome:N"),
            alt.Tooltip("reason:N"),
            alt.Tooltip("offer_id:N", title="offer"),
        ],
    )
    return alt.LayerChart(
        layer=[events, marks, *_labels(made, data["ts"], place, lane)],
        title=title,
        description=_description(data, decided),
        width=frames.WIDTH,
        height=alt.Step(_LANE_STEP),
        usermeta=frames.caption(
            "Each mark is a decision of the programme beside it, each tick an event."
        ),
    )


def _when() -> alt.Tooltip:
    return alt.Tooltip("ts:T", title="when", format="%-d %b %Y %H:%M")


def _time_axis(instants: pd.Series[pd.Timestamp]) -> alt.Axis:
    """Return an axis over time that says what a narrow figure has room for."""
    long = (instants.max() - instants.min()).days > _LONG_DAYS
    return alt.Axis(
        grid=True,
        format="%b %Y" if long else "%-d %b",
        tickCount=5,
        labelOverlap="greedy",
        labelSeparation=12,
    )


def _labels(
    made: pd.DataFrame, instants: pd.Series[pd.Timestamp], place: alt.X, lane: alt.Y
) -> list[alt.Chart]:
    """Return the offers written above their marks, inward from the ends of the lane.

    Of an offer that a lane gives again and again the first is labelled, and no more than can be
    read apart.
    """
    named = made[made["offer_id"].notna() & (made["outcome"] == "offer")]
    named = named.drop_duplicates(["lane", "offer_id"]).head(_MOST_LABELS)
    named = named.assign(offer_id=[text.words(name) for name in named["offer_id"]])
    late = named["ts"] > instants.min() + (instants.max() - instants.min()) / 2
    ends: tuple[tuple[pd.DataFrame, Literal["left", "right"], int], ...] = (
        (named[~late], "left", -5),
        (named[late], "right", 5),
    )
    return [
        alt.Chart(rows)
        .mark_text(dy=-13, dx=dx, align=align, fontSize=11)
        .encode(x=place, y=lane, text="offer_id:N")
        for rows, align, dx in ends
        if len(rows)
    ]


def _description(data: pd.DataFrame, decided: pd.Series[bool]) -> str:
    """Say what the timeline shows."""
    first, last = (text.day(instant.date()) for instant in (data["ts"].min(), data["ts"].max()))
    lanes = []
    for lane, rows in data[decided].groupby("lane"):
        counts = rows["outcome"].value_counts().items()
        told = [text.plural(n, str(kind), _many(str(kind))) for kind, n in counts]
        lanes.append(f"for {lane} {text.listing(told)}")
    said = text.plural(int((~decided).sum()), "event")
    if lanes:
        said = f"{said}, and {'; '.join(lanes)}"
    return f"Timeline of one customer from {first} to {last}: {said}."


def _many(outcome: str) -> str:
    return "offers" if outcome == "offer" else outcome
