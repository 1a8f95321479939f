"""One decision set in words: who is in, which actions are open, who wins, what is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time
from fractions import Fraction
from typing import Any

import oracle_choice as choice
from oracle_limits import Action, Past, Refusal, first_refusal
from oracle_patterns import Seen
from oracle_time import is_quiet, quiet_until

from workbench.buckets import bucket_10000, hash_v1

PATH = (
    "other_layer",
    "outside_coverage",
    "not_in_audience",
    "audience_unknown",
    "other_arm",
    "not_applicable",
    "applicability_unknown",
    "suppressed",
    "suppression_unknown",
    "no_consent",
    "consent_unknown",
    "cap_reached",
    "cooldown",
    "once",
    "concurrency",
    "rejections",
    "waiting",
    "no_zone",
    "quiet_hours",
    "quiet_expired",
    "budget_closed",
    "inventory_gone",
    "not_worth_it",
    "outranked",
)
"""Reasons in the order in which an action meets them."""


@dataclass
class Occurrence:
    """A programme that is to be decided for a person: what triggered it, and with what context."""

    position: int
    programme: Any
    kind: str
    ts: int
    decision_id: str
    seen: Seen
    person: str

    @property
    def values(self) -> dict[str, Any]:
        return self.seen.values


@dataclass
class Offered:
    """An action of an occurrence: open when there is no refusal."""

    occurrence: Occurrence
    offer: Any
    score: float
    refusal: Refusal | None
    queue_until: int | None = None


@dataclass
class Assigned:
    """Arm of a unit, with its probability; `refused` when the unit takes no part."""

    arm: str
    probability: Fraction
    refused: str | None = None


@dataclass
class Drawn:
    """What was chosen among the open actions of the winner."""

    action: Offered
    variant: str | None
    probability: int
    distribution: dict[str, int] = field(default_factory=dict)


def assigned(programme: Any, person: str, decision_id: str) -> Assigned:
    """Hash the unit into the arms, each of which starts where it would without coverage."""
    rule = programme.experiment
    unit = person if rule.unit == "customer" else decision_id
    layer = rule.layer
    if layer is not None and not layer.start <= hash_v1(f"__{layer.name}", unit) < layer.end:
        return Assigned("none", Fraction(1), "other_layer")
    bucket, start = bucket_10000(rule.salt, unit), Fraction(0)
    held = Fraction(str(rule.holdout_share or 0))
    arms = {"control": held, "treatment": 1 - held} if rule.arms is None else rule.arms
    taken = 0
    for arm in sorted(arms, key=lambda name: (name != "control", name)):
        share = Fraction(str(arms[arm])) * 10_000
        width = math.ceil(share * Fraction(str(rule.coverage)))
        if start <= bucket < start + width:
            return Assigned(arm, Fraction(width, 10_000))
        start, taken = start + share, taken + width
    return Assigned("none", 1 - Fraction(taken, 10_000), "outside_coverage")


def score_of(occurrence: Occurrence, offer: Any, holds: Callable[..., bool | None]) -> float | None:
    """Return the score of an offer; none when a policy has none for it."""
    choose, values = occurrence.programme.choose, occurrence.values
    if choose.by == "policy":
        for cell in choose.policy.cells:
            if holds(cell.when, values) is True:
                worth = choose.policy.scores_cents[cell.name].get(offer.id)
                if worth is None:
                    return None
                return float(worth - choose.policy.shadow_price * offer.cost_cents)
        return None
    chance = offer.redemption_rate if offer.propensity is None else offer.propensity
    return _with_factors(occurrence, offer, chance, holds)


def _with_factors(
    occurrence: Occurrence, offer: Any, chance: float, holds: Callable[..., bool | None]
) -> float:
    choose, values = occurrence.programme.choose, occurrence.values
    percent = sum(each.percent for each in choose.context if holds(each.when, values) is True)
    levers = choose.levers_percent
    pushed = levers.programme + levers.offers.get(offer.id, 0)
    worth = chance * (offer.value_cents - offer.cost_cents)
    if choose.by == "priority":
        worth = offer.priority * chance * offer.value_cents
    return float(worth * (1 + percent / 100) * (1 + pushed / 100))


@dataclass
class Rules:
    """What is the same for all sets: the house, the zone, consent, closings of budgets."""

    holds: Callable[[str | None, Mapping[str, Any]], bool | None]
    house: Any
    zone: str
    consent: Callable[[str, str, int], bool | None]
    is_closed: Callable[[Any, Any, int, tuple[int, ...]], str | None]
    draw: Callable[[str, str, str], int]


def gate(
    rules: Rules,
    occurrence: Occurrence,
    offer: Any,
    *,
    past: Past,
    arm: Assigned,
    known: int,
    place: tuple[int, ...],
    waiting: bool,
    released: bool = False,
) -> tuple[Refusal | None, int | None]:
    """Take one action down the path: the refusal, and until when it would have to wait."""
    refusal = None if released else _takes_part(rules, occurrence, offer, arm)
    refusal = refusal or _suits(rules, occurrence, offer, known)
    refusal = refusal or _limit(rules, occurrence, offer, past)
    if refusal is not None or released:
        return refusal, None
    if waiting:
        return Refusal("waiting"), None
    programme, until = occurrence.programme, None
    quiet = programme.quiet_hours
    if quiet is None and "quiet_hours" not in programme.limits.bypass:
        quiet = rules.house.quiet_hours
    if quiet is not None and programme.kind != "listening":
        reason, until = _quiet(quiet, occurrence.seen.zone, rules.zone, known)
        if reason is not None:
            return Refusal(reason), None
    closed = rules.is_closed(programme, offer, known, place)
    if closed is not None:
        return Refusal(closed), None
    if programme.choose.by == "policy" and (score_of(occurrence, offer, rules.holds) or 0) <= 0:
        return Refusal("not_worth_it"), None
    return None, until


def _takes_part(rules: Rules, occurrence: Occurrence, offer: Any, arm: Assigned) -> Refusal | None:
    programme, values = occurrence.programme, occurrence.values
    if arm.refused:
        return Refusal(arm.refused)
    audience = rules.holds(programme.audience, values)
    if audience is not True:
        return Refusal("audience_unknown" if audience is None else "not_in_audience")
    allowed = programme.experiment.offers_by_arm.get(arm.arm)
    if allowed is not None and offer.id not in allowed and programme.kind != "listening":
        return Refusal("other_arm")
    applies = rules.holds(offer.when, values)
    if applies is not True:
        return Refusal("applicability_unknown" if applies is None else "not_applicable")
    return None


def _suits(rules: Rules, occurrence: Occurrence, offer: Any, known: int) -> Refusal | None:
    programme = occurrence.programme
    answers = [rules.holds(each, occurrence.values) for each in programme.suppress]
    if any(answer is not False for answer in answers):
        return Refusal("suppressed" if True in answers else "suppression_unknown")
    if programme.consent == "required":
        agreed = rules.consent(occurrence.person, offer.channel, known)
        if agreed is not True:
            return Refusal("consent_unknown" if agreed is None else "no_consent")
    return None


def _limit(rules: Rules, occurrence: Occurrence, offer: Any, past: Past) -> Refusal | None:
    zone = occurrence.seen.zone or rules.zone
    action = Action(occurrence.programme, offer, occurrence.ts, zone)
    return first_refusal(past, action, [(cap.name, cap) for cap in rules.house.caps])


def _quiet(
    rule: Any, own_zone: str | None, log_zone: str, known: int
) -> tuple[str | None, int | None]:
    if own_zone is None and rule.without_zone == "refuse":
        return "no_zone", None
    if own_zone is None and rule.without_zone == "send":
        return None, None
    zone, start, end = own_zone or log_zone, _clock(rule.start), _clock(rule.end)
    if not is_quiet(known, start, end, zone):
        return None, None
    if rule.then == "discard":
        return "quiet_hours", None
    until = quiet_until(known, start, end, zone)
    if until - known > rule.expire:
        return "quiet_expired", None
    return None, until


def _clock(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)


def furthest(actions: list[Offered]) -> Offered:
    """Return the refused action that came furthest on the path, the first of equal ones."""
    return max(
        enumerate(actions),
        key=lambda pair: (PATH.index(pair[1].refusal.reason), -pair[0]),  # type: ignore[union-attr]
    )[1]


def in_reach(actions: list[Offered]) -> list[Offered]:
    """Return the open actions from which one is chosen: mandatory ones when there are some."""
    unrefused = [action for action in actions if action.refusal is None]
    return [action for action in unrefused if action.offer.mandatory] or unrefused


def drawn(rules: Rules, actions: list[Offered], everything: list[Offered]) -> Drawn:
    """Choose among the open actions of one programme by its rule."""
    occurrence = actions[0].occurrence
    choose, salt = occurrence.programme.choose, occurrence.programme.experiment.salt
    scores = [action.score for action in actions]
    draw = rules.draw(salt, occurrence.decision_id, "offer")
    if choose.by == "epsilon":
        distribution = choice.epsilon_greedy(scores, Fraction(str(choose.epsilon)))
        chosen = choice.picked(distribution, draw)
    elif choose.by == "softmax":
        top = max(action.score for action in everything)
        weights = [
            max(1, math.floor(2**24 * math.exp((score - top) / choose.temperature_cents)))
            for score in scores
        ]
        distribution = choice.shares(weights)
        chosen = choice.picked(distribution, draw)
    elif choose.by == "thompson":
        table = choose.draws.propensity
        wins = [
            choice.best(
                [
                    _with_factors(occurrence, each.offer, table[each.offer.id][row], rules.holds)
                    for each in actions
                ]
            )
            for row in range(len(next(iter(table.values()))))
        ]
        distribution = choice.by_draws(wins, len(actions))
        chosen = wins[draw * len(wins) // 2**32]
    else:
        distribution = choice.certain(scores)
        chosen = choice.best(scores)
    return Drawn(
        actions[chosen],
        _variant(rules, actions[chosen]),
        distribution[chosen],
        {each.offer.id: p for each, p in zip(actions, distribution, strict=True)},
    )


def _variant(rules: Rules, action: Offered) -> str | None:
    occurrence = action.occurrence
    able = [
        each for each in action.offer.variants if rules.holds(each.when, occurrence.values) is True
    ]
    if not able:
        return None
    salt = occurrence.programme.experiment.salt
    draw = rules.draw(salt, occurrence.decision_id, "variant")
    return str(able[choice.picked(choice.shares([each.weight for each in able]), draw)].id)
