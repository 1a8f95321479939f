"""Figures of customer value: does the model hold, and what are customers worth. Owns no model."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames

_LINES = alt.Scale(domain=["actual", "model"], range=[theme.PALETTE[1], theme.PALETTE[0]])
_STROKES = alt.Legend(symbolType="stroke", symbolSize=400, symbolStrokeWidth=2.5)


def holdout_check(
    frame: pd.DataFrame,
    *,
    title: str = "Purchases in the holdout period, by purchases before it",
) -> alt.Chart:
    """Return the mean number of holdout purchases, actual and by the model, by past purchases.

    Args:
        frame: One row a group, with columns ``repeat_purchases`` (a number, or a text
            such as ``7+``), ``expected`` and ``actual`` (mean purchases a customer in the
            holdout) and ``customers``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"repeat_purchases": ["0", "1+"], "expected": [0.2, 1.1],
    ...                      "actual": [0.25, 1.0], "customers": [90, 10]})
    >>> holdout_check(rows).to_dict()["encoding"]["color"]["scale"]["domain"]
    ['actual', 'model']
    """
    group = "repeat_purchases"
    data = frames.ready(frame, "holdout_check", [group, "expected", "actual", "customers"])
    data[group] = data[group].astype(str)
    data["people"] = [text.count(n) for n in data["customers"]]
    ends = [
        f"group {row[group]}: model {text.number(row['expected'])},"
        f" actual {text.number(row['actual'])}"
        for row in (data.iloc[0], data.iloc[-1])
    ]
    figure: alt.Chart = (
        alt.Chart(_two_lines(data, [group, "people"]))
        .mark_line(point=alt.OverlayMarkDef(size=60, filled=True))
        .encode(
            x=alt.X(
                f"{group}:O",
                sort=None,
                title="repeat purchases in the calibration period",
                axis=alt.Axis(labelAngle=0, labelOverlap="parity", labelSeparation=4),
            ),
            y=alt.Y("purchases:Q", title="mean purchases in the holdout"),
            color=alt.Color("source:N", scale=_LINES, legend=_STROKES),
            strokeDash=_dash(),
            tooltip=[
                alt.Tooltip(f"{group}:O", title="purchases before"),
                alt.Tooltip("source:N"),
                alt.Tooltip("purchases:Q", format=".2f"),
                alt.Tooltip("people:N", title="customers"),
            ],
        )
        .properties(
            title=title,
            description=(
                "Two lines of mean holdout purchases a customer by purchases in the calibration"
                f" period, actual and by the model; {ends[0]}; {ends[1]}."
            ),
            usermeta=frames.caption(
                "The nearer the lines, the better the model foretells. A group where they part is one"
                " whose values deserve doubt."
            ),
            width=frames.WIDTH,
            height=280,
        )
    )
    return figure


def tracking(
    frame: pd.DataFrame, *, title: str = "Purchases a week: the model and what happened"
) -> alt.LayerChart:
    """Return weekly purchases, actual and expected by the model, and where the holdout begins.

    Args:
        frame: One row a week, with columns ``week`` (its first day), ``expected``, ``actual``
            (purchases) and, on request, ``held_out``.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"week": ["1997-10-06"], "expected": [40.7], "actual": [42]})
    >>> tracking(rows).to_dict()["description"].partition("; ")[2]
    'in all the model expects 41 and 42 were made.'
    """
    data = frames.ready(frame, "tracking", ["week", "expected", "actual"])
    data["week"] = frames.weeks(data["week"])
    expected, actual = text.count(data["expected"].sum()), text.count(data["actual"].sum())
    week = alt.X("week:T", title="week", axis=frames.week_axis())
    lines = (
        alt.Chart(_two_lines(data, ["week"]))
        .mark_line()
        .encode(
            x=week,
            y=alt.Y("purchases:Q", title="purchases a week", scale=alt.Scale(zero=True)),
            color=alt.Color("source:N", scale=_LINES, legend=_STROKES),
            strokeDash=_dash(),
            tooltip=[
                alt.Tooltip("week:T", format="%-d %b %Y"),
                alt.Tooltip("source:N"),
                alt.Tooltip("purchases:Q", format=",.1f"),
            ],
        )
    )
    layers: list[alt.Chart] = [lines]
    read = "The model treats every customer as new at the first purchase; it uses no later history."
    if "held_out" in data.columns and data["held_out"].any():
        begin = data.loc[data["held_out"].astype(bool), ["week"]].head(1)
        begin = begin.assign(label="not seen by the model")
        place = alt.Chart(begin).encode(x=week)
        layers.append(place.mark_rule(strokeDash=[2, 3]))
        layers.append(
            place.mark_text(align="left", dx=6, baseline="bottom").encode(
                y=alt.value(alt.expr("height - 8")), text="label:N"
            )
        )
        read += " It was fitted to the weeks left of the dotted line."
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=(
            f"Two lines of purchases a week {frames.period(data['week'])};"
            f" in all the model expects {expected} and {actual} were made."
        ),
        usermeta=frames.caption(read),
        width=frames.WIDTH,
        height=280,
    )


def clv_distribution(
    frame: pd.DataFrame, *, title: str = "Customers by expected value", currency: str = "$"
) -> alt.Chart:
    """Return a histogram of customer lifetime value from bins that are counted already.

    Args:
        frame: One row a bin, with columns ``bin_low_cents``, ``bin_high_cents`` and
            ``customers``.
        title: What the figure shows or finds.
        currency: Sign in front of the money.

    Raises:
        InputError: A column is missing or there is no row.

    >>> bins = pd.DataFrame({"bin_low_cents": [0], "bin_high_cents": [500], "customers": [9]})
    >>> clv_distribution(bins).to_dict()["encoding"]["x2"]
    {'field': 'high'}
    """
    columns = ["bin_low_cents", "bin_high_cents", "customers"]
    data = frames.ready(frame, "clv_distribution", columns)
    data["low"] = data["bin_low_cents"] / frames.CENTS
    data["high"] = data["bin_high_cents"] / frames.CENTS
    data["bin"] = [
        text.span(text.money(low, currency), text.money(high, currency))
        for low, high in zip(data["bin_low_cents"], data["bin_high_cents"], strict=True)
    ]
    top = frames.top(data, "customers")
    figure: alt.Chart = (
        alt.Chart(data)
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X(
                "low:Q",
                bin="binned",
                title="expected value of a customer",
                axis=frames.money_axis(currency),
            ),
            x2="high:Q",
            y=alt.Y("customers:Q", title="customers", axis=frames.count_axis()),
            tooltip=[
                alt.Tooltip("bin:N", title="expected value"),
                alt.Tooltip("customers:Q", format=",.0f"),
            ],
        )
        .properties(
            title=title,
            description=(
                "Histogram of the expected value of"
                f" {text.plural(data['customers'].sum(), 'customer')}; the fullest bin is {top['bin']}"
                f" with {text.count(top['customers'])}."
            ),
            usermeta=frames.caption(""),
            width=frames.WIDTH,
            height=260,
        )
    )
    return figure


def clv_by_segment(
    frame: pd.DataFrame,
    *,
    title: str = "Mean expected value of a customer, by segment",
    currency: str = "$",
) -> alt.LayerChart:
    """Return one bar a segment: the mean expected value of its customers.

    Args:
        frame: One row a segment, with columns ``segment``, ``customers`` and ``clv_cents`` (mean
            of the segment).
        title: What the figure shows or finds.
        currency: Sign in front of the money.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"segment": ["loyal"], "customers": [40], "clv_cents": [12_345]})
    >>> clv_by_segment(rows).to_dict()["description"]
    'Bars of mean expected value by segment: loyal $123 (40 customers).'
    """
    data = frames.ready(frame, "clv_by_segment", ["segment", "customers", "clv_cents"])
    data["value"] = data["clv_cents"] / frames.CENTS
    data["label"] = [
        f"{text.amount(cents, currency)} ({text.plural(n, 'customer')})"
        for cents, n in zip(data["clv_cents"], data["customers"], strict=True)
    ]
    said = text.listing(
        [f"{kind} {label}" for kind, label in zip(data["segment"], data["label"], strict=True)]
    )
    return frames.labelled_bars(
        data,
        name="segment",
        value="value",
        value_title="mean expected value of a customer",
        title=title,
        description=f"Bars of mean expected value by segment: {said}.",
    )


def _two_lines(data: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return expected and actual purchases as two rows, named ``model`` and ``actual``."""
    lines = data.rename(columns={"expected": "model"})
    return lines.melt(
        id_vars=keys, value_vars=["actual", "model"], var_name="source", value_name="purchases"
    )


def _dash() -> alt.StrokeDash:
    """Return the dash that tells the lines apart without colour."""
    return alt.StrokeDash(
        "source:N",
        scale=alt.Scale(domain=["actual", "model"], range=[[1, 0], [6, 4]]),
        legend=_STROKES,
    )
