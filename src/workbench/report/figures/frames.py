"""What the figures share: checked frames, labelled bars, money axes. Owns no figure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from workbench import text
from workbench.errors import InputError, did_you_mean

WIDTH = 600
CENTS = 100
BAR_STEP = 30
_SMALL_HEIGHT = 78
_CHARACTER_PX = 7
_LABEL_GAP_PX = 10
_NAME_PX = 190
_HALF_WEEK_DAYS = 4
_LONGEST_FRAME = 5_000
_NAMES = {"daypart", "outcome", "reason", "segment", "stage", "type"}


def ready(frame: pd.DataFrame, figure: str, columns: Sequence[str]) -> pd.DataFrame:
    """Return a copy of a frame that has the columns a figure needs and something to draw.

    Names of code (``at_risk``) become words (``at risk``).

    Raises:
        InputError: A column is missing, there is no row, or there are more than 5,000.

    >>> ready(pd.DataFrame({"weak": [1]}), "tracking", ["week"])
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: tracking: the frame has no column 'week' — did you mean 'weak'?
    """
    for column in columns:
        if column not in frame.columns:
            hint = did_you_mean(column, [str(name) for name in frame.columns])
            raise InputError(f"{figure}: the frame has no column '{column}'{hint}")
    if frame.empty:
        raise InputError(f"{figure}: the frame has no rows; say so in the text instead")
    if len(frame) > _LONGEST_FRAME:
        raise InputError(
            f"{figure}: the frame has {text.count(len(frame))} rows, at most"
            f" {text.count(_LONGEST_FRAME)} are drawn; group them first"
        )
    data = frame.reset_index(drop=True).copy()
    for column in _NAMES.intersection(data.columns):
        data[column] = [
            text.words(name) if isinstance(name, str) else name for name in data[column]
        ]
    return data


def weeks(values: pd.Series[pd.Timestamp]) -> pd.Series[pd.Timestamp]:
    """Return the starts of weeks as local midnights, whatever zone or text they came in."""
    stamps = pd.to_datetime(values)
    if stamps.dt.tz is not None:
        stamps = stamps.dt.tz_localize(None)
    return stamps.astype("datetime64[ms]")


def caption(text: str) -> dict[str, str]:
    """Return what a chart carries for its reader: how to read it. The page shows it below.

    A description stands in place of the figure for who cannot see it; a caption helps who can.
    """
    return {"caption": text}


def whole_weeks(data: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the rows of whole weeks and a sentence on those left out.

    A week that the data cover in part looks like a collapse. Without a column ``whole``, or
    without any whole week, every row stays.
    """
    if "whole" not in data.columns or not data["whole"].any() or data["whole"].all():
        return data, ""
    kept = data[data["whole"].astype(bool)].reset_index(drop=True)
    return kept, " Weeks that the data cover only in part are left out."


def week_bars(starts: pd.Series[pd.Timestamp]) -> tuple[alt.X, alt.SizeValue]:
    """Return the place and the width of bars over weeks: as many as there are weeks side by side."""
    first, last = starts.min(), starts.max()
    half = pd.Timedelta(days=_HALF_WEEK_DAYS)
    count = (last - first).days // 7 + 1
    days = [
        alt.DateTime(year=day.year, month=day.month, date=day.day)
        for day in (first - half, last + half)
    ]
    return (
        alt.X("week:T", title="week", axis=week_axis(), scale=alt.Scale(domain=days)),
        alt.SizeValue(alt.expr(f"max(1, 0.8 * width / {count})")),
    )


def top(frame: pd.DataFrame, column: str) -> pd.Series[Any]:
    """Return the row with the largest value of a column, the first of several."""
    return frame.sort_values(column, ascending=False, kind="stable").iloc[0]


def week_axis() -> alt.Axis:
    """Return the axis of a figure over weeks."""
    return alt.Axis(
        labelExpr="timeFormat(datum.value, '%b %Y')",
        tickCount=alt.TimeIntervalStep(interval="month", step=1),
        labelOverlap="parity",
        labelSeparation=16,
        labelFlush=False,
    )


def count_axis(ticks: int = 5) -> alt.Axis:
    """Return the axis of counts."""
    return alt.Axis(format=",.0f", tickCount=ticks, tickMinStep=1)


def money_axis(currency: str) -> alt.Axis:
    r"""Return the axis of amounts in whole units of a currency; the sign stands before it, as in the text.

    >>> money_axis("$").to_dict()["labelExpr"]
    '(datum.value < 0 ? "−" : "") + "$" + format(abs(datum.value), \',.2~f\')'
    """
    sign = '(datum.value < 0 ? "−" : "")'
    return alt.Axis(
        labelExpr=f"{sign} + {json.dumps(currency)} + format(abs(datum.value), ',.2~f')"
    )


def period(values: pd.Series[pd.Timestamp]) -> str:
    """Return the first and the last week of a series, for a description."""
    first, last = values.min().date(), values.max().date()
    return f"from the week of {text.day(first)} to that of {text.day(last)}"


def totals(frame: pd.DataFrame, kind: str, value: str) -> dict[str, float]:
    """Return the sum of a value for each kind, the largest first and ties by name."""
    sums = frame.groupby(kind)[value].sum().reset_index()
    sums = sums.sort_values([value, kind], ascending=[False, True])
    return dict(zip(sums[kind].astype(str), sums[value].astype(float), strict=True))


def told(sums: dict[str, float]) -> str:
    """Return kinds with their counts as they are said.

    >>> told({"purchase": 12.0, "refund": 1.0})
    'purchase 12 and refund 1'
    """
    return text.listing([f"{kind} {text.count(n)}" for kind, n in sums.items()])


def small_multiples(
    frame: pd.DataFrame,
    *,
    kind: str,
    value: str,
    title: str,
    description: str,
    sums: dict[str, float],
    read: str = "",
) -> alt.FacetChart:
    """Return one small chart over weeks for each kind, the largest first, each with its own scale.

    Args:
        frame: One row a week and kind, with ``week`` as :func:`weeks` gives it.
        kind: Column with the kind.
        value: Column with a count.
        title: Title of the figure.
        description: What the figure shows, in a sentence.
        sums: Total of each kind, the largest first, for the headers.
        read: More that a reader needs to read it.
    """
    headers = {name: f"{name} ({text.count(n)} in all)" for name, n in sums.items()}
    data = frame.assign(header=frame[kind].astype(str).map(headers))
    areas = (
        alt.Chart(data)
        .mark_area(line=alt.OverlayMarkDef(strokeWidth=2), opacity=0.35)
        .encode(
            x=alt.X("week:T", title="week", axis=week_axis()),
            y=alt.Y(f"{value}:Q", title=None, axis=count_axis(3)),
            tooltip=[
                alt.Tooltip("week:T", format="%-d %b %Y"),
                alt.Tooltip(f"{kind}:N"),
                alt.Tooltip(f"{value}:Q", format=",.0f"),
            ],
        )
        .properties(width=WIDTH, height=_SMALL_HEIGHT)
    )
    above = alt.Header(labelOrient="top", labelAnchor="start", labelAngle=0, labelPadding=4)
    row = alt.Row("header:N", title=None, sort=list(headers.values()), header=above)
    figure: alt.FacetChart = (
        areas.facet(row=row)
        .resolve_scale(y="independent")
        .properties(
            title=title,
            description=description,
            usermeta=caption(f"Each row has a scale of its own.{read}"),
        )
    )
    return figure


def label_room(labels: Iterable[str]) -> int:
    """Return the pixels that the longest of some labels needs behind its bar.

    >>> label_room(["7", "1,204"])
    45
    """
    return _CHARACTER_PX * max(len(label) for label in labels) + _LABEL_GAP_PX


def labelled_bars(
    frame: pd.DataFrame,
    *,
    name: str,
    value: str,
    value_title: str,
    title: str,
    description: str,
    color: alt.Color | None = None,
    read: str = "",
) -> alt.LayerChart:
    """Return horizontal bars in the order of the rows, each with its figure written behind it.

    Args:
        frame: One row a bar, with a column ``label`` for what is written behind it.
        name: Column with the name of the bar.
        value: Column with its length, in the unit that ``value_title`` names.
        value_title: Title of the value axis.
        title: Title of the figure.
        description: What the figure shows, in a sentence.
        color: Colour of the bars, where it means something.
        read: How to read it, where it is not plain.
    """
    longest = max(float(frame[value].max()), 0)
    room = label_room(frame["label"])
    base = alt.Chart(frame).encode(
        y=alt.Y(f"{name}:N", sort=None, title=None, axis=alt.Axis(labelLimit=_NAME_PX)),
        x=alt.X(
            f"{value}:Q",
            title=value_title,
            scale=alt.Scale(
                domain=[0, longest or 1], range=[0, alt.expr(f"width - {room}")], nice=False
            ),
            axis=alt.Axis(labels=False, domain=False, titleAnchor="start", titlePadding=2),
        ),
        tooltip=[alt.Tooltip(f"{name}:N"), alt.Tooltip("label:N", title=value_title)],
    )
    bars = base.mark_bar(height=alt.RelativeBandSize(band=0.72))
    if color is not None:
        bars = bars.encode(color=color)
    labels = base.mark_text(align="left", dx=_LABEL_GAP_PX - 4).encode(text="label:N")
    return alt.LayerChart(
        layer=[bars, labels],
        title=title,
        description=description,
        width=WIDTH,
        height=alt.Step(BAR_STEP),
        usermeta=caption(read),
    )


def labelled_intervals(
    data: pd.DataFrame,
    base: alt.Chart,
    y: alt.Y,
    *,
    columns: tuple[str, str, str],
    title: str,
    axis: alt.Axis,
) -> list[alt.Chart]:
    """Return a point with its interval and label a row, and a dashed line at nothing.

    Args:
        data: The rows, with a column ``label``.
        base: A chart of the rows with their place, colour and tooltip.
        y: The place of a row.
        columns: Names of the value and of the low and the high end of its interval.
        title: What the values are.
        axis: How they are written.
    """
    value, low, high = columns
    return [
        alt.Chart(pd.DataFrame({"none": [0.0]})).mark_rule(strokeDash=[4, 3]).encode(x="none:Q"),
        base.mark_rule(strokeWidth=3).encode(
            x=alt.X(f"{low}:Q", title=title, axis=axis), x2=f"{high}:Q"
        ),
        base.mark_point(filled=True, size=90, opacity=1).encode(x=alt.X(f"{value}:Q")),
        alt.Chart(data)
        .mark_text(align="left", dx=6, dy=-12)
        .encode(y=y, x=f"{value}:Q", text="label:N"),
    ]


def stacked_bars(
    frame: pd.DataFrame,
    parts: pd.DataFrame,
    *,
    name: str,
    whole: str,
    part: str,
    value: str,
    value_title: str,
    colours: Mapping[str, str],
    tooltip: Sequence[alt.Tooltip],
    title: str,
    description: str,
    read: str,
) -> alt.LayerChart:
    """Return horizontal bars of several parts in the order of the rows, with a label behind each.

    Args:
        frame: One row a bar, with a column ``label`` for what is written behind it.
        parts: One row a part of a bar.
        name: Column of both with the name of the bar.
        whole: Column of ``frame`` with the length of the bar.
        part: Column of ``parts`` with the name of the part.
        value: Column of ``parts`` with its length.
        value_title: Title of the value axis.
        colours: Colour of each part, in their order from the left.
        tooltip: What a part tells under the mouse.
        title: Title of the figure.
        description: What the figure shows, in a sentence.
        read: How to read it.
    """
    names = list(colours)
    parts = parts.assign(order=[names.index(each) for each in parts[part]])
    scale = alt.Scale(
        domain=[0, float(frame[whole].max()) or 1.0],
        range=[0, alt.expr(f"width - {label_room(frame['label'])}")],
        nice=False,
    )
    place = alt.Y(f"{name}:N", sort=frame[name].tolist(), title=None)
    axis = alt.Axis(labels=False, domain=False, titleAnchor="start", titlePadding=2)
    colour = alt.Scale(domain=names, range=list(colours.values()))
    bars = (
        alt.Chart(parts)
        .mark_bar(height=alt.RelativeBandSize(band=0.72))
        .encode(
            y=place,
            x=alt.X(f"{value}:Q", title=value_title, scale=scale, axis=axis),
            order="order:Q",
            color=alt.Color(f"{part}:N", title=None, scale=colour),
            tooltip=list(tooltip),
        )
    )
    labels = (
        alt.Chart(frame)
        .mark_text(align="left", dx=_LABEL_GAP_PX - 4)
        .encode(y=place, x=alt.X(f"{whole}:Q", scale=scale), text="label:N")
    )
    return alt.LayerChart(
        layer=[bars, labels],
        title=title,
        description=description,
        width=WIDTH,
        height=alt.Step(BAR_STEP),
        usermeta=caption(read),
    )
