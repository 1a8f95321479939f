"""What a read-out says: its sentences and its table as a reader sees it. Owns no number."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import pandas as pd

from workbench import text
from workbench.experiment.metrics import heading, spoken
from workbench.experiment.trust import Trust

COLUMNS = (
    "metric", "arm", "population", "control", "treatment", "effect", "standard_error", "low", "high",
    "relative", "relative_low", "relative_high", "p_value", "p_adjusted", "variance_kept", "units",
    "verdict",
)  # fmt: skip

_POWER_80 = 2.8
"""Standard errors of an effect that 4 of 5 experiments would show: 1.96 + 0.84."""


_WHOM = {
    "triggered": " among the triggered",
    "diluted": " from those to all units",
    "compliers": " of those reached",
}


_Row: TypeAlias = Mapping[Hashable, Any]
"""A row of the table of effects."""


class Told(NamedTuple):
    """The sentences of a read-out."""

    text: str
    headline: str
    worth: str
    next_step: str


def page(table: pd.DataFrame, level: float) -> pd.DataFrame:
    """Return a table of effects with every number written with its unit.

    >>> row = dict.fromkeys(COLUMNS) | {"metric": "spend_cents", "arm": "offer", "population": "all",
    ...     "control": 1000.0, "treatment": 1100.0, "effect": 100.0, "low": 50.0, "high": 150.0,
    ...     "relative": 0.1, "relative_low": 0.05, "relative_high": 0.15, "p_adjusted": 0.001, "verdict": "more"}
    >>> page(pd.DataFrame([row]), 0.95).iloc[0].to_dict()["95% interval"]
    '$0.50 to $1.50'
    """
    rows = []
    for row in table.to_dict("records"):
        name = str(row["metric"])
        rows.append(
            {
                "metric": heading(name),
                "arm": text.words(row["arm"]),
                "customers": text.words(row["population"]),
                "control": value(name, row["control"]),
                "treated": value(name, row["treatment"]),
                "effect": signed(name, row["effect"]),
                f"{level * 100:g}% interval": text.span(
                    value(name, row["low"]), value(name, row["high"])
                ),
                "relative": text.change(row["relative"]),
                "relative interval": text.span(
                    text.change(row["relative_low"]), text.change(row["relative_high"])
                ),
                "p": text.p_value(row["p_adjusted"]),
                "verdict": row["verdict"],
            }
        )
    return pd.DataFrame(rows)


def value(metric: str, number: float | None) -> str:
    """Return a level or a difference of a metric with its unit.

    >>> value("spend_cents", 1234.0), value("visits", 1.5), value("sales_cents / visits", 950)
    ('$12.34', '1.500', '$9.50')
    """
    above, _, below = metric.partition(" / ")
    if below.endswith("_cents"):
        return text.share(number) if above.endswith("_cents") else text.cell("value", number)
    of = above.removeprefix("quantile ").partition(" of ")[2] or above
    return text.cell("spend_cents" if of.endswith("_cents") else of, number)


def signed(metric: str, number: float | None) -> str:
    """Return a difference with its sign."""
    written = value(metric, number)
    return (
        f"+{written}" if number is not None and number > 0 and written != text.MISSING else written
    )


def told(
    table: pd.DataFrame,
    trust: Trust,
    beside: Sequence[str],
    level: float,
    counts: Mapping[str, int],
) -> Told:
    """Return the sentences of a read-out that may be read.

    Args:
        table: The effects.
        trust: What was checked before.
        beside: Sentences on segments, days and outliers.
        level: Level of the intervals.
        counts: Units of each arm that an effect can be added up over.
    """
    known = table.dropna(subset=["effect"])
    if known.empty:
        reasons = "; ".join(str(each) for each in table["verdict"])
        said = text.sentence(f"no effect can be given: {reasons}")
        return Told(f"{said} {trust.text}", "Not enough data", "", "Wait until there is more data.")
    records = known.to_dict("records")
    groups: dict[tuple[str, str], dict[str, _Row]] = {}
    for row in records:
        groups.setdefault((row["metric"], row["arm"]), {})[row["population"]] = row
    found = [_effect(rows, level) for rows in groups.values()]
    missing = [
        text.sentence(
            f"{spoken(row['metric'])}{_WHOM.get(row['population'], '')}: {row['verdict']}"
        )
        for row in table[table["effect"].isna()].to_dict("records")
    ]
    worth, next_step = _worth(known, counts), _next(known)
    paragraphs = [*found, *missing, trust.text, *beside, worth, next_step]
    return Told(" ".join(each for each in paragraphs if each), _headline(known), worth, next_step)


def after_refusal(trust: Trust) -> str:
    """Say what to do after a refusal."""
    if trust.verdict == "not enough data":
        return "Wait until there is more data, or plan a larger experiment."
    return (
        "Find the cause and run the experiment again: no adjustment afterwards makes up for arms that "
        "are not alike."
    )


def _effect(rows: Mapping[str, _Row], level: float) -> str:
    """Say the effect on one metric: among the triggered where there are such, and over all."""
    whom = "triggered" if "triggered" in rows else "all"
    row = rows[whom] if whom in rows else next(iter(rows.values()))
    name, arm = str(row["metric"]), text.named(row["arm"])
    among = "among the triggered " if whom == "triggered" else ""
    change = text.change(row["relative"])
    relative = "" if change == text.MISSING else f"{change}; "
    size = f"{signed(name, row['effect'])} ({relative}{_ends(row, level)})"
    if row["verdict"] == "open":
        said = f"{among}{arm} is not shown to move {spoken(name)}: {size}"
        if row["low"] > 0 or row["high"] < 0:
            said += f", which among several effects is no surprise (p = {text.p_value(row['p_adjusted'])})"
    else:
        said = f"{among}{arm} makes {spoken(name)} {row['verdict']} by {size}"
    if "diluted" in rows:
        diluted = rows["diluted"]
        said += (
            f", which over all units is {signed(name, diluted['effect'])} ({_ends(diluted, level)})"
        )
    if "compliers" in rows:
        reached = rows["compliers"]
        said += f"; for each unit that was reached it is {signed(name, reached['effect'])} ({_ends(reached, level)})"
    return text.sentence(said)


def _ends(row: _Row, level: float) -> str:
    """Return the interval of an effect."""
    name = str(row["metric"])
    return text.interval(value(name, row["low"]), value(name, row["high"]), level)


def _headline(known: pd.DataFrame) -> str:
    """Say the first effect as the title of a figure."""
    row = _first(known)
    arm, metric = text.named(row["arm"]), spoken(str(row["metric"]))
    if row["verdict"] == "open":
        return f"{arm} is not shown to move {metric}"
    size = text.change(row["relative"]).lstrip("+−").replace(text.MISSING, "")
    return " ".join(f"{arm} makes {metric} {size} {row['verdict']}".split())


def _first(known: pd.DataFrame) -> _Row:
    """Return the effect that decides: of the first metric, among the triggered where there are such."""
    rows: Sequence[_Row] = known.to_dict("records")
    mine = [row for row in rows if all(row[each] == rows[0][each] for each in ("metric", "arm"))]
    triggered = [row for row in mine if row["population"] == "triggered"]
    return (triggered or mine)[0]


def _worth(known: pd.DataFrame, counts: Mapping[str, int]) -> str:
    """Say what effects on money come to over all units of an arm."""
    there = set(known["population"])
    whom = next((each for each in ("diluted", "all") if each in there), "triggered")
    parts = []
    for row in known.to_dict("records"):
        metric, arm = str(row["metric"]), str(row["arm"])
        sums_up = metric.endswith("_cents") and metric.isidentifier()
        if row["population"] != whom or not sums_up or arm not in counts:
            continue
        n = counts[arm]
        total, low, high = (float(row[each]) * n for each in ("effect", "low", "high"))
        parts.append(
            f"over the {text.plural(n, 'unit')} of {text.named(arm)} the effect on {spoken(metric)} comes "
            f"to {text.amount(total)}, between {text.amount(low)} and {text.amount(high)}"
        )
    if not parts:
        return "No metric is an amount in cents, so no effect is added up as money."
    return " ".join(text.sentence(each) for each in [*parts, "The cost of the offers is not in it"])


def _next(known: pd.DataFrame) -> str:
    """Say what to do, by the first effect."""
    row = _first(known)
    metric = spoken(str(row["metric"]))
    if row["verdict"] == "open":
        seen = value(str(row["metric"]), _POWER_80 * row["standard_error"])
        return (
            f"An effect of {seen} on {metric} would have been shown by 4 of 5 such experiments; whether a "
            "smaller one is worth knowing decides whether to go on, and four times the units halve the "
            "interval."
        )
    if row["verdict"] == "less":
        return f"Stop, unless less of {metric} is what was wanted."
    return "Weigh it against the cost of the offers before it is rolled out."
