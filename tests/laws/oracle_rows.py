"""What the oracle writes down: rows of the decision log, and features of the logged past."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from oracle_patterns import Seen
from oracle_set import Assigned, Drawn, Occurrence
from oracle_time import local_day

from workbench.records import Event


def row_of(
    occurrence: Occurrence, arm: Assigned, reason: str, drawn: Drawn | None
) -> dict[str, Any]:
    """Return one row of the decision log; ghosts cost nothing, and what they would have cost."""
    offer = drawn.action.offer if drawn is not None else None
    ghost = reason in ("held_out", "global_holdout") and offer is not None
    cost = offer.cost_cents if offer is not None else 0
    chance: Fraction = arm.probability
    return {
        "decision_id": occurrence.decision_id,
        "event_id": occurrence.seen.event.event_id or None,
        "person": occurrence.person,
        "ts": occurrence.ts,
        "programme": occurrence.programme.name,
        "kind": occurrence.kind,
        "arm": arm.arm,
        "offer_id": None if offer is None else offer.id,
        "channel": None if offer is None else offer.channel,
        "variant": None if drawn is None else drawn.variant,
        "delivered": reason in ("offered", "awarded"),
        "p_assignment": chance,
        "p_selection": None if drawn is None else drawn.probability,
        "distribution": None if drawn is None else drawn.distribution,
        "points": occurrence.programme.points.award if reason == "awarded" else None,
        "score": None if drawn is None else drawn.action.score,
        "reason": reason,
        "cost_cents": cost if reason == "offered" else 0,
        "would_cost_cents": cost if ghost else 0,
    }


def features_in_words(
    event: Event, zone: str, before: Sequence[Seen], rules: Sequence[Any], log_zone: str
) -> dict[str, float | None]:
    """Return the features of an event as their descriptions say, from all that was known before."""
    today = local_day(event.known_at_us, zone)

    def of_type(name: str, window_days: int | None) -> list[tuple[int, Seen]]:
        dated = [
            (local_day(each.event.ts_us, each.zone or log_zone), each)
            for each in before
            if each.event.type == name
        ]
        return [pair for pair in dated if window_days is None or pair[0] > today - window_days]

    purchases = of_type("purchase", None)
    recent = of_type("purchase", 90)
    days = [day for day, _ in purchases]
    values: dict[str, float | None] = {
        "purchase_number": len(purchases) + (event.type == "purchase"),
        "days_since_purchase": today - max(days) if days else None,
        "first_purchase_days_ago": today - min(days) if days else None,
        "purchases_90d": len(recent),
        "spend_90d_cents": sum(each.event.amount_cents or 0 for _, each in recent),
    }
    for rule in rules:
        found = of_type(rule.of, rule.window_days)
        if rule.measure == "count":
            values[rule.name] = len(found)
        elif rule.measure == "sum":
            values[rule.name] = sum(each.values[rule.column] or 0 for _, each in found)
        elif rule.measure == "days_since":
            values[rule.name] = today - max(day for day, _ in found) if found else None
        else:
            column = rule.measure.removeprefix("share_")
            part = sum(each.values[column] == rule.value for _, each in found)
            values[rule.name] = part / len(found) if found else None
    return values
