"""Limits in words: what a person was given so far, as a list, counted again for every question."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from oracle_time import period_start

RESPONSES = {"offer_viewed": "viewed", "offer_redeemed": "redeemed", "offer_rejected": "rejected"}


@dataclass
class Given:
    """One decision that took slots, delivered, ghost, award or still waiting in the queue."""

    programme: str
    offer: str
    channel: str
    at: int
    open_until: int
    award: bool
    towards: bool


@dataclass
class Answered:
    """One admitted response to a delivered decision."""

    kind: str
    at: int
    given: Given


@dataclass
class Past:
    """All decisions and responses of one person, in the order in which they were made."""

    given: list[Given] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)


@dataclass
class Refusal:
    """Why an action may not go out, with what was compared."""

    reason: str
    meter: str | None = None
    count: int | None = None
    limit: int | None = None


@dataclass
class Action:
    """An offer of a programme at an instant, as the limits see it."""

    programme: Any
    offer: Any
    at: int
    zone: str


def in_scope(cap: Any, given: Given, action: Action, *, house: bool) -> bool:
    """Say whether a decision is one of those that the cap counts for this action."""
    mine = given.programme == action.programme.name
    if given.award and (house or not mine):
        return False
    if not given.towards and (house or not mine):
        return False
    match cap.scope:
        case "offer":
            return mine and given.offer == action.offer.id
        case "programme":
            return mine
        case "channel":
            return given.channel == action.offer.channel
    assert cap.scope == "everything", cap.scope
    return True


def counted(cap: Any, past: Past, action: Action, *, house: bool) -> int:
    """Count what the cap counts within its window; what lies later than the action is within."""
    if cap.counts in ("decided", "delivered"):
        found = [(given.at, given) for given in past.given]
    else:
        found = [(each.at, each.given) for each in past.answered if each.kind == cap.counts]
    if cap.window is not None:
        start = action.at - cap.window + 1
    else:
        start = period_start(action.at, cap.calendar, "UTC" if cap.zone == "utc" else action.zone)
    return sum(at >= start and in_scope(cap, given, action, house=house) for at, given in found)


def first_refusal(past: Past, action: Action, house_caps: list[tuple[str, Any]]) -> Refusal | None:
    """Return the first limit that an action breaks, in the order of the design."""
    limits = action.programme.limits
    caps = [(cap.label, cap, False) for cap in limits.caps]
    if action.programme.kind != "listening":
        caps += [(n, cap, True) for n, cap in house_caps if n not in limits.bypass]
    for name, cap, house in caps:
        count = counted(cap, past, action, house=house)
        if count >= cap.count:
            return Refusal("cap_reached", name, count, cap.count)
    mine = [given for given in past.given if given.programme == action.programme.name]
    if limits.cooldown is not None and any(
        action.at < given.at + limits.cooldown for given in mine
    ):
        return Refusal("cooldown")
    if limits.once and mine:
        return Refusal("once")
    if limits.concurrency is not None:
        still_open = sum(given.open_until > action.at for given in mine)
        if still_open >= limits.concurrency:
            return Refusal("concurrency", None, still_open, limits.concurrency)
    if limits.after_rejections is not None and _on_hold(past, action, limits.after_rejections):
        return Refusal("rejections")
    return None


def _on_hold(past: Past, action: Action, rule: Any) -> bool:
    """Say whether some rejection completed n within the window and its hold is not over.

    Rejections are taken in the order in which they became known.
    """
    instants: list[int] = []
    for each in past.answered:
        if each.kind != "rejected" or each.given.programme != action.programme.name:
            continue
        instants.append(each.at)
        recent = sum(at > each.at - rule.within for at in instants)
        if recent >= rule.count and action.at < each.at + rule.hold:
            return True
    return False
