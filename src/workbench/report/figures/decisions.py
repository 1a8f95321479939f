"""Figures of a decision log: the funnel, refusals, decisions and cost over time. Owns no rule."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames


def decision_funnel(
    frame: pd.DataFrame, *, title: str = "From candidate to decision: what each stage removed"
) -> alt.LayerChart:
    """Return one bar a stage and reason, in the order of the rows; what stays has another colour.

    Args:
        frame: One row a stage and reason, with columns ``stage``, ``reason`` (empty or missing
            where the candidates went on) and ``candidates`` (a count).
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"stage": ["audience", "offer"], "reason": ["not in it", None],
    ...                      "candidates": [5, 2]})
    >>> decision_funnel(rows).to_dict()["description"]
    'Bars of candidates by stage: audience – not in it 5 (removed) and offer 2 (went on).'
    """
    data = frames.ready(frame, "decision_funnel", ["stage", "reason", "candidates"])
    reasons = ["" if pd.isna(reason) else str(reason).strip() for reason in data["reason"]]
    data["name"] = [
        f"{stage} – {reason}" if reason else str(stage)
        for stage, reason in zip(data["stage"], reasons, strict=True)
    ]
    data["fate"] = ["removed" if reason else "went on" for reason in reasons]
    data["label"] = [text.count(n) for n in data["candidates"]]
    bars = zip(data["name"], data["label"], data["fate"], strict=True)
    said = text.listing([f"{name} {label} ({fate})" for name, label, fate in bars])
    return frames.labelled_bars(
        data,
        name="name",
        value="candidates",
        value_title="candidates",
        title=title,
        description=f"Bars of candidates by stage: {said}.",
        read="Read from the top: each orange bar is what a rule removed. They and the last bar add up"
        " to the first.",
        color=alt.Color(
            "fate:N",
            scale=alt.Scale(
                domain=["went on", "removed"], range=[theme.PALETTE[0], theme.PALETTE[1]]
            ),
        ),
    )


def refusals_by_reason(
    frame: pd.DataFrame, *, title: str = "Why no offer went out"
) -> alt.LayerChart:
    """Return one bar a reason of refusal, the longest first.

    Args:
        frame: One row a reason, with columns ``reason`` and ``decisions`` (a count).
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"reason": ["cap", "hold-out"], "decisions": [3, 7]})
    >>> refusals_by_reason(rows).to_dict()["description"]
    'Bars of refused decisions by reason: hold-out 7 and cap 3.'
    """
    data = frames.ready(frame, "refusals_by_reason", ["reason", "decisions"])
    data = data.sort_values(["decisions", "reason"], ascending=[False, True], ignore_index=True)
    data["label"] = [text.count(n) for n in data["decisions"]]
    said = text.listing(
        [f"{kind} {label}" for kind, label in zip(data["reason"], data["label"], strict=True)]
    )
    return frames.labelled_bars(
        data,
        name="reason",
        value="decisions",
        value_title="decisions",
        title=title,
        description=f"Bars of refused decisions by reason: {said}.",
    )


def decisions_over_time(
    frame: pd.DataFrame, *, title: str = "Decisions a week, by outcome"
) -> alt.Chart | alt.FacetChart:
    """Return stacked bars of decisions a week; with more than five outcomes, a chart for each.

    Five colours can be told apart, also by a colour-blind reader; more cannot.

    Args:
        frame: One row a week and outcome, with columns ``week`` (its first day), ``outcome``,
            ``decisions`` (a count) and, on request, ``whole``: weeks that are not are left out.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"week": ["2017-01-02"], "outcome": ["offer"], "decisions": [4]})
    >>> decisions_over_time(rows).to_dict()["encoding"]["y"]["title"]
    'decisions'
    """
    data = frames.ready(frame, "decisions_over_time", ["week", "outcome", "decisions"])
    data["week"] = frames.weeks(data["week"])
    totals = frames.totals(data, "outcome", "decisions")
    data, read = frames.whole_weeks(data)
    said = f"of decisions a week {frames.period(data['week'])}: {frames.told(totals)}."
    if len(totals) > len(theme.PALETTE):
        return frames.small_multiples(
            data,
            kind="outcome",
            value="decisions",
            title=title,
            description=f"One chart an outcome {said}",
            sums=totals,
            read=read,
        )
    place, width = frames.week_bars(data["week"])
    figure: alt.Chart = (
        alt.Chart(data)
        .mark_bar()
        .encode(
            x=place,
            size=width,
            y=alt.Y("decisions:Q", title="decisions", axis=frames.count_axis()),
            color=alt.Color("outcome:N", sort=list(totals)),
            tooltip=[
                alt.Tooltip("week:T", format="%-d %b %Y"),
                alt.Tooltip("outcome:N"),
                alt.Tooltip("decisions:Q", format=",.0f"),
            ],
        )
        .properties(
            title=title,
            description=f"Stacked bars {said}",
            usermeta=frames.caption(read.strip()),
            width=frames.WIDTH,
            height=260,
        )
    )
    return figure


def committed_cost_over_time(
    frame: pd.DataFrame, *, title: str = "Committed cost a week", currency: str = "$"
) -> alt.Chart:
    """Return bars of the cost that decisions of each week committed.

    Args:
        frame: One row a week, with columns ``week`` (its first day), ``committed_cents`` and, on
            request, ``whole``: weeks that are not are left out.
        title: What the figure shows or finds.
        currency: Sign in front of the money.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"week": ["2017-01-02"], "committed_cents": [12345]})
    >>> committed_cost_over_time(rows).to_dict()["description"][-25:]
    'committed $123.45 in all.'
    """
    data = frames.ready(frame, "committed_cost_over_time", ["week", "committed_cents"])
    data["week"] = frames.weeks(data["week"])
    total = float(data["committed_cents"].sum())
    data, read = frames.whole_weeks(data)
    place, width = frames.week_bars(data["week"])
    data["label"] = [text.money(cents, currency) for cents in data["committed_cents"]]
    data["committed"] = data["committed_cents"] / frames.CENTS
    figure: alt.Chart = (
        alt.Chart(data)
        .mark_bar()
        .encode(
            x=place,
            size=width,
            y=alt.Y("committed:Q", title="committed cost", axis=frames.money_axis(currency)),
            tooltip=[
                alt.Tooltip("week:T", format="%-d %b %Y"),
                alt.Tooltip("label:N", title="committed cost"),
            ],
        )
        .properties(
            title=title,
            description=(
                f"Bars of committed cost a week {frames.period(data['week'])};"
                f" decisions committed {text.money(total, currency)} in all."
            ),
            usermeta=frames.caption(
                "Committed cost: what the offers of the week cost if they are redeemed as often as"
                f" their programmes state.{read}"
            ),
            width=frames.WIDTH,
            height=220,
        )
    )
    return figure
