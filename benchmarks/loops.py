"""The same decisions by other means: a table of rules in zen-engine, and a plain pandas loop.

Owns what `benchmarks/plain/` says a second time, as a user of those tools would write it: the
rules outside, the memory (the last decisions of each customer) in a loop over the events. Only
programmes whose rules both can express are here: one event, a condition on its columns, rolling
caps, a cooldown, a hold-out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from workbench.buckets import bucket_10000_column

DAY_US = 86_400_000_000
Decided = list[tuple[str, str, str]]
"""Event, programme and reason, in the order of the events."""


class Rule(NamedTuple):
    """One programme as the loop knows it.

    Attributes:
        name: Of the programme.
        zen: Its condition in the language of zen-engine.
        python: Its condition on a row of a pandas frame.
        count: Decisions that the cap allows.
        window_us: Window of the cap.
        cooldown_us: Least time between two decisions; 0: none.
        salt: Of the hold-out.
        control: Buckets below it are the control.
    """

    name: str
    zen: str
    python: Callable[[Any], bool]
    count: int
    window_us: int
    cooldown_us: int
    salt: str
    control: int


RULES: dict[str, Rule] = {
    "purchase": Rule(
        "big_basket",
        "amount_cents >= 1500 and discount_cents == 0",
        lambda row: row.amount_cents >= 1500 and row.discount_cents == 0,  # noqa: PLR2004 - the rule
        *(2, 30 * DAY_US, 3 * DAY_US, "plain-basket", 1000),
    ),
    "geo_enter": Rule(
        "near_in_rain",
        "distance_m < 400 and weather == 'rain'",
        lambda row: row.distance_m < 400 and row.weather == "rain",  # noqa: PLR2004 - the rule
        *(3, 60 * DAY_US, 5 * DAY_US, "plain-rain", 1000),
    ),
    "app_open": Rule(
        "cold_app",
        "temperature_c < 8 and weather != 'snow'",
        lambda row: row.temperature_c < 8 and row.weather != "snow",  # noqa: PLR2004 - the rule
        *(1, 14 * DAY_US, 0, "plain-cold", 2000),
    ),
}
COLUMNS = (
    *("event_id", "person_id", "type", "ts"),
    *("amount_cents", "discount_cents", "distance_m", "weather", "temperature_c"),
)


def pandas_loop(events: pd.DataFrame) -> Decided:
    """Decide with a loop over the rows of a frame."""
    control = _controls(events)
    memory: dict[tuple[str, str], list[int]] = {}
    decided: Decided = []
    instants = events["ts"].astype("datetime64[us, UTC]").astype("int64").tolist()
    for row, ts in zip(events.itertuples(index=False), instants, strict=True):
        rule = RULES.get(row.type)
        if rule is None or not rule.python(row):
            continue
        taken = memory.setdefault((rule.name, row.person_id), [])
        if sum(1 for at in taken if at > ts - rule.window_us) >= rule.count:
            reason = "cap_reached"
        elif rule.cooldown_us and taken and ts < max(taken) + rule.cooldown_us:
            reason = "cooldown"
        else:
            reason = "held_out" if control[rule.salt][row.person_id] else "offered"
            taken.append(ts)
        decided.append((row.event_id, rule.name, reason))
    return decided


def zen_loop(events: pd.DataFrame) -> Decided:
    """Decide with one decision table of zen-engine for each event type."""
    import zen  # noqa: PLC0415 - installed by `make bench` alone

    control = _controls(events)
    engine = zen.ZenEngine()
    tables = {
        kind: engine.create_decision(json.dumps(_graph(rule))) for kind, rule in RULES.items()
    }
    memory: dict[tuple[str, str], list[int]] = {}
    decided: Decided = []
    instants = events["ts"].astype("datetime64[us, UTC]").astype("int64").tolist()
    for row, ts in zip(events.itertuples(index=False), instants, strict=True):
        rule = RULES.get(row.type)
        if rule is None:
            continue
        taken = memory.setdefault((rule.name, row.person_id), [])
        context = {
            "in_window": sum(1 for at in taken if at > ts - rule.window_us),
            "since_us": ts - max(taken) if taken else 1 << 52,
            "control": control[rule.salt][row.person_id],
        }
        if row.type == "purchase":
            context |= {"amount_cents": row.amount_cents, "discount_cents": row.discount_cents}
        elif row.type == "geo_enter":
            context |= {"distance_m": row.distance_m, "weather": row.weather}
        else:
            context |= {"temperature_c": row.temperature_c, "weather": row.weather}
        reason = tables[row.type].evaluate(context)["result"]["reason"]
        if reason == "none":
            continue
        if reason in ("offered", "held_out"):
            taken.append(ts)
        decided.append((row.event_id, rule.name, reason))
    return decided


def _controls(events: pd.DataFrame) -> dict[str, dict[str, bool]]:
    """Return by salt and person who is in the control."""
    import polars as pl  # noqa: PLC0415 - the hash is a column of Polars

    persons = pl.Series(events["person_id"].unique().tolist())
    return {
        rule.salt: dict(
            zip(
                persons.to_list(),
                (bucket_10000_column(rule.salt, persons) < rule.control).to_list(),
                strict=True,
            )
        )
        for rule in RULES.values()
    }


def _graph(rule: Rule) -> dict[str, Any]:
    """Return a decision table: the first row that holds gives the reason."""
    rows = [
        (f"not ({rule.zen})", "none"),
        (f"in_window >= {rule.count}", "cap_reached"),
        *([(f"since_us < {rule.cooldown_us}", "cooldown")] if rule.cooldown_us else []),
        ("control", "held_out"),
        ("", "offered"),
    ]
    table = {
        "hitPolicy": "first",
        "inputs": [{"id": "when", "name": "when"}],
        "outputs": [{"id": "reason", "name": "reason", "field": "reason"}],
        "rules": [
            {"_id": str(place), "when": when, "reason": f"'{reason}'"}
            for place, (when, reason) in enumerate(rows)
        ],
    }
    at = {"x": 0, "y": 0}
    return {
        "nodes": [
            {"id": "in", "type": "inputNode", "name": "in", "position": at},
            {
                "id": "table",
                "type": "decisionTableNode",
                "name": "table",
                "position": at,
                "content": table,
            },
            {"id": "out", "type": "outputNode", "name": "out", "position": at},
        ],
        "edges": [
            {"id": "1", "sourceId": "in", "targetId": "table", "type": "edge"},
            {"id": "2", "sourceId": "table", "targetId": "out", "type": "edge"},
        ],
    }
