"""Figures of uplift and of the policy that follows: effects by cell, budgets, rules. Owns no estimate."""

from __future__ import annotations

import altair as alt
import pandas as pd

from workbench import text
from workbench.report import theme
from workbench.report.figures import frames

_ROW_PX = 20
_RULE_PX = 34
_POSTERIOR, _TRUE = "estimate with its 95% interval", "truth"


def uplift_by_cell(
    frame: pd.DataFrame, *, title: str = "What each offer does, cell by cell"
) -> alt.LayerChart:
    """Return a point with its interval a cell and offer, and the truth where it is known.

    Args:
        frame: One row a cell and offer, with columns ``cell``, ``offer``, ``uplift_cents``, ``low`` and
            ``high`` (cents), and ``truth`` (cents; missing where it is not known).
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"cell": ["north"], "offer": ["tea"], "uplift_cents": [50.0], "low": [20.0],
    ...                      "high": [80.0], "truth": [60.0]})
    >>> uplift_by_cell(rows).to_dict()["description"]
    'Points with intervals of the uplift of 1 cell: tea $0.50 to $0.50.'
    """
    data = frames.ready(
        frame, "uplift_by_cell", ["cell", "offer", "uplift_cents", "low", "high", "truth"]
    )
    columns = ["uplift_cents", "low", "high", "truth"]
    data = data.assign(**{name: data[name].astype(float) / frames.CENTS for name in columns})
    data["label"] = [text.money(each * frames.CENTS) for each in data["uplift_cents"]]
    data["interval"] = [
        text.span(text.money(low * frames.CENTS), text.money(high * frames.CENTS))
        for low, high in zip(data["low"], data["high"], strict=True)
    ]
    offers = list(dict.fromkeys(data["offer"].astype(str)))
    order = (
        data.groupby("cell", sort=False)["uplift_cents"].max().sort_values(ascending=False).index
    )
    said = "; ".join(
        f"{offer} {text.money(mine.min() * frames.CENTS)} to {text.money(mine.max() * frames.CENTS)}"
        for offer in offers
        for mine in [data.loc[data["offer"] == offer, "uplift_cents"]]
    )
    money = frames.money_axis("$")
    y = alt.Y("cell:N", sort=list(order), title=None, axis=alt.Axis(labelLimit=240))
    side = alt.YOffset("offer:N", sort=offers)
    colour = alt.Color(
        "offer:N",
        sort=offers,
        title=None,
        scale=alt.Scale(domain=offers, range=list(theme.PALETTE[: len(offers)])),
    )
    base = alt.Chart(data).encode(
        y=y, yOffset=side, color=colour, tooltip=["cell:N", "offer:N", "label:N", "interval:N"]
    )
    layers = [
        alt.Chart(pd.DataFrame({"none": [0.0]})).mark_rule(strokeDash=[4, 3]).encode(x="none:Q"),
        base.mark_rule(strokeWidth=2.5).encode(
            x=alt.X("low:Q", title="uplift of profit, a triggered customer", axis=money),
            x2="high:Q",
        ),
        base.mark_point(filled=True, size=55, opacity=1).encode(x="uplift_cents:Q"),
    ]
    known = data.dropna(subset=["truth"])
    hint = ""
    if len(known):
        layers.append(
            alt.Chart(known)
            .mark_tick(thickness=2.5, size=13)
            .encode(y=y, yOffset=side, x="truth:Q", color=alt.value(theme.PALETTE[4]))
        )
        hint = " A grey tick is the truth, which only a simulated world knows."
    cells = text.plural(len(order), "cell")
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=f"Points with intervals of the uplift of {cells}: {said}.",
        usermeta=frames.caption(
            "Each bar is the 95% interval of what an offer earns beyond no offer, its cost taken off; left "
            f"of the dashed line it loses.{hint}"
        ),
        width=frames.WIDTH - 180,
        height=alt.Step(_ROW_PX),
    )


def profit_by_budget(
    frame: pd.DataFrame,
    *,
    title: str = "What other budgets would earn",
    budget_cents: float | None = None,
) -> alt.LayerChart:
    """Return expected profit over the budget, with its interval, and the budget of the plan as a line.

    Args:
        frame: One row a budget, with columns ``budget_cents``, ``profit_cents``, ``low`` and ``high``.
        title: What the figure shows or finds.
        budget_cents: The budget of the plan; none: no line.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"budget_cents": [1e5, 2e5], "profit_cents": [1e5, 1.5e5], "low": [5e4, 7e4],
    ...                      "high": [2e5, 2e5]})
    >>> profit_by_budget(rows).to_dict()["description"]
    'Line of expected profit over budgets from $1,000.00 to $2,000.00: $1,000.00 to $1,500.00.'
    """
    columns = ["budget_cents", "profit_cents", "low", "high"]
    data = frames.ready(frame, "profit_by_budget", columns).sort_values("budget_cents")
    ends = [text.money(data[name].iloc[k]) for name in columns[:2] for k in (0, -1)]
    data = data.assign(**{name: data[name] / frames.CENTS for name in columns})
    axis = frames.money_axis("$")
    x = alt.X("budget_cents:Q", title="budget for offers", axis=axis)
    base = alt.Chart(data).encode(x=x)
    layers = [
        base.mark_area(opacity=0.18, color=theme.PALETTE[0]).encode(
            y=alt.Y("low:Q", title="profit beyond no offers", axis=axis), y2="high:Q"
        ),
        base.mark_line(
            strokeWidth=2.5, color=theme.PALETTE[0], point={"filled": True, "size": 55}
        ).encode(
            y="profit_cents:Q",
            tooltip=[
                alt.Tooltip("budget_cents:Q", title="budget", format="$,.0f"),
                alt.Tooltip("profit_cents:Q", title="profit", format="$,.0f"),
            ],
        ),
    ]
    if budget_cents is not None:
        plan = pd.DataFrame({"budget": [budget_cents / frames.CENTS], "label": ["the plan"]})
        mark = alt.Chart(plan).encode(x=alt.X("budget:Q"))
        layers += [
            mark.mark_rule(strokeDash=[4, 3]),
            mark.mark_text(align="left", dx=5, y=8).encode(text="label:N"),
        ]
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=(
            f"Line of expected profit over budgets from {ends[0]} to {ends[1]}: {ends[2]} to {ends[3]}."
        ),
        usermeta=frames.caption(
            "Each point is the best plan for its budget; the band is the 95% interval of its profit. Where the "
            "line is flat, more money buys nothing."
        ),
        width=frames.WIDTH,
        height=280,
    )


def rules_compared(
    frame: pd.DataFrame, *, title: str = "What the policy earned in truth, beside simpler rules"
) -> alt.LayerChart:
    """Return a bar a rule: profit a triggered customer beyond no offers, with its interval.

    Args:
        frame: One row a rule, with columns ``rule``, ``profit_cents``, ``low`` and ``high``; an expectation
            has "expected" in its name.
        title: What the figure shows or finds.

    Raises:
        InputError: A column is missing or there is no row.

    >>> rows = pd.DataFrame({"rule": ["the policy"], "profit_cents": [68.0], "low": [60.0], "high": [75.0]})
    >>> rules_compared(rows).to_dict()["description"]
    'Bars of profit a triggered customer: the policy $0.68.'
    """
    data = frames.ready(frame, "rules_compared", ["rule", "profit_cents", "low", "high"])
    data["kind"] = ["expected" if "expected" in str(name) else "in truth" for name in data["rule"]]
    data["label"] = [text.money(each) for each in data["profit_cents"]]
    said = ", ".join(f"{row['rule']} {row['label']}" for row in data.to_dict("records"))
    columns = ["profit_cents", "low", "high"]
    data = data.assign(**{name: data[name] / frames.CENTS for name in columns})
    data["label_at"] = data["high"].clip(lower=0)  # never on a bar that points to the left
    axis = frames.money_axis("$")
    y = alt.Y("rule:N", sort=None, title=None, axis=alt.Axis(labelLimit=220))
    kinds = ["in truth", "expected"]
    base = alt.Chart(data).encode(y=y)
    layers = [
        base.mark_bar(size=18).encode(
            x=alt.X(
                "profit_cents:Q", title="profit a triggered customer, beyond no offers", axis=axis
            ),
            color=alt.Color(
                "kind:N",
                title=None,
                scale=alt.Scale(domain=kinds, range=[theme.PALETTE[0], theme.PALETTE[4]]),
            ),
            tooltip=["rule:N", "label:N", "kind:N"],
        ),
        base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q"),
        base.mark_text(align="left", dx=8).encode(x="label_at:Q", text="label:N"),
    ]
    return alt.LayerChart(
        layer=layers,
        title=title,
        description=f"Bars of profit a triggered customer: {said}.",
        usermeta=frames.caption(
            "The line on a bar is its 95% interval: of the expectation that of the posterior, of the truth that "
            "of drawing other customers."
        ),
        width=frames.WIDTH - 140,
        height=alt.Step(_RULE_PX),
    )
