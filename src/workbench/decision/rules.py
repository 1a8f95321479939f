"""Programmes as the tables that the core reads, and the layout of a person's memory.

Owns the way from the models to whole numbers. Reads no event and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.decision.clocks import CALENDARS, MINUTE_US
from workbench.decision.desk import (
    A_ANSWERS,
    A_ANSWERS_END,
    A_BUDGETS,
    A_BUDGETS_END,
    A_CHANNEL,
    A_CHECKS,
    A_CHECKS_END,
    A_CONSENT,
    A_COUNTS,
    A_COUNTS_END,
    A_MANDATORY,
    A_PROGRAMME,
    A_VALIDITY,
    A_WIDTH,
    BEST,
    CALENDAR,
    DECIDED,
    DELIVERED,
    EMPTY_US,
    EPSILON,
    EVENT,
    EVERY,
    FIRST,
    H_COLLECT,
    H_NEXT,
    H_SINCE,
    H_WIDTH,
    HOLD,
    LOG_ZONE,
    M_CALENDAR,
    M_COUNT,
    M_EXPIRES,
    M_FIRST,
    M_HOLD,
    M_KIND,
    M_LAST,
    M_NTH,
    M_REASON,
    M_WHAT,
    M_WIDTH,
    M_WINDOW,
    M_ZONE,
    MADE,
    NEVER_US,
    NTH,
    P_ARMS,
    P_CHOOSE,
    P_COLLECT,
    P_COLLECT_US,
    P_DISCARD,
    P_DRAW_COUNT,
    P_DRAWS,
    P_EPSILON,
    P_EXPIRE,
    P_FIRST_ACTION,
    P_LAST_ACTION,
    P_LISTENING,
    P_MADE,
    P_MEMORY,
    P_N,
    P_PATTERN,
    P_QUEUE,
    P_QUIET_FROM,
    P_QUIET_TO,
    P_REARM,
    P_SCORES,
    P_SPAN,
    P_TIMER,
    P_WIDTH,
    P_WITHOUT_ZONE,
    POLICY,
    REDEEMED,
    REFUSE,
    REJECTED,
    ROLLING,
    SEND,
    SILENCE,
    SOFTMAX,
    THEN,
    THOMPSON,
    UNLESS,
    VIEWED,
    Table,
)
from workbench.decision.programme import Offer, Programme
from workbench.errors import ParameterError
from workbench.records import (
    CAP_REACHED,
    CONCURRENCY,
    COOLDOWN,
    DAY_US,
    ONCE,
    REJECTIONS,
)

MOST_PROGRAMMES = 1023
MOST_OFFERS = 62
MOST_CONTEXTS = 12
MOST_SCORES = 4_000_000
RESPONSES = {"offer_viewed": VIEWED, "offer_redeemed": REDEEMED, "offer_rejected": REJECTED}
"""Event types that answer a decision when they have a ``decision_id``."""

_WHATS = {
    "decided": DECIDED,
    "delivered": DELIVERED,
    "viewed": VIEWED,
    "redeemed": REDEEMED,
    "rejected": REJECTED,
}
_PATTERNS = {
    "event": EVENT,
    "then": THEN,
    "unless": UNLESS,
    "nth": NTH,
    "silence": SILENCE,
    "first": FIRST,
    "every": EVERY,
}
_CHOICES = {
    "priority": BEST,
    "value": BEST,
    "softmax": SOFTMAX,
    "epsilon": EPSILON,
    "thompson": THOMPSON,
    "policy": POLICY,
}
_WITHOUT_ZONE = {"send": SEND, "log": LOG_ZONE, "refuse": REFUSE}
_FOREVER_US = 1 << 61


@dataclass(frozen=True)
class Action:
    """One offer of a programme, or the award of a listening one (no offer).

    Attributes:
        programme: Position of the programme.
        offer: The offer, or none.
        points: Points of the award, or none.
    """

    programme: int
    offer: Offer | None
    points: int | None


@dataclass(frozen=True)
class Account:
    """A budget, or an inventory, which is a budget that counts pieces.

    Attributes:
        name: Its name in the summary.
        amount: Cents, or pieces.
        per: Its period.
        zone: ``utc`` or ``log``.
        pieces: Whether it is an inventory.
    """

    name: str
    amount: int
    per: str
    zone: str
    pieces: bool


@dataclass(frozen=True, eq=False)
class Rules:
    """Programmes as tables, and the layout of a person's memory.

    Attributes:
        programmes: Programme x ``P_``.
        actions: Action x ``A_``.
        meters: Meter x ``M_``.
        lists: What ``A_`` and ``P_`` columns point into.
        scores: Scores by programme, level and offer.
        weights: Softmax weights in the same places.
        draws: Scores of the draws.
        slot: Offers of a decision set.
        blank: The memory of a person of whom nothing is known.
        touch_places: Places of a memory that hold a touch.
        meter_names: What the candidate table calls each meter.
        meter_keys: Path of the key that made each meter, such as ``p.limits.caps.0``.
        action_list: The actions.
        accounts: Budgets and inventories, by number.
        channels: Channels by number.
        arms: Names of the arms of each programme; the one behind the last is ``none``.
    """

    programmes: Table
    actions: Table
    meters: Table
    lists: NDArray[np.int64]
    scores: NDArray[np.float64]
    weights: NDArray[np.int64]
    draws: NDArray[np.float64]
    slot: NDArray[np.int64]
    blank: NDArray[np.int64]
    touch_places: NDArray[np.int64]
    meter_names: tuple[str, ...]
    meter_keys: tuple[str, ...]
    action_list: tuple[Action, ...]
    accounts: tuple[Account, ...]
    channels: tuple[str, ...]
    arms: tuple[tuple[str, ...], ...]

    @property
    def stochastic(self) -> NDArray[np.bool_]:
        """Whether each programme draws its offer."""
        return np.isin(self.programmes[:, P_CHOOSE], (SOFTMAX, EPSILON, THOMPSON))


def tracks_answers(programmes: Sequence[Programme], house: Any) -> bool:
    """Say whether a response can change a decision: a limit counts it, or a trigger reads it."""
    return any(
        programme.limits.reads_responses or set(programme.trigger.event_types) & set(RESPONSES)
        for programme in programmes
    ) or any(cap.counts in ("viewed", "redeemed", "rejected") for cap in house.caps)


class _Builder:
    """Collects the tables."""

    def __init__(self, programmes: Any) -> None:
        self.set = programmes
        self.house = programmes.house
        self.actions: list[Action] = []
        self.first: list[int] = []
        for p, programme in enumerate(programmes):
            self.first.append(len(self.actions))
            if programme.kind == "listening":
                self.actions.append(Action(p, None, programme.points.award))
            self.actions.extend(Action(p, offer, None) for offer in programme.offers)
        self.first.append(len(self.actions))
        names = {a.offer.channel for a in self.actions if a.offer is not None}
        self.channels = tuple(sorted(names))
        self.meters: list[list[int]] = []
        self.meter_names: list[str] = []
        self.meter_keys: list[str] = []
        self.checks: list[list[int]] = [[] for _ in self.actions]
        self.counts: list[list[int]] = [[] for _ in self.actions]
        self.answers: list[list[int]] = [[] for _ in self.actions]
        self.blank: list[int] = [NEVER_US, NEVER_US, EMPTY_US]
        self.touch_places: list[int] = []
        self.queues = [self.quiet_of(p) is not None for p in range(len(programmes))]

    def quiet_of(self, p: int) -> Any:
        """Return the quiet hours of a programme that sends."""
        programme = self.set[p]
        if programme.kind == "listening":
            return None
        if programme.quiet_hours is not None:
            return programme.quiet_hours
        return None if "quiet_hours" in programme.limits.bypass else self.house.quiet_hours

    def room(self, values: list[int]) -> int:
        """Take room in the memory and return where it begins."""
        self.blank.extend(values)
        return len(self.blank) - len(values)

    def listens(self, a: int) -> bool:
        return bool(self.set[self.actions[a].programme].kind == "listening")

    def meter(
        self,
        name: str,
        count: int,
        counted: Sequence[int],
        *,
        path: str,
        what: int = DECIDED,
        window: int = 0,
        reason: int,
        calendar: str | None = None,
        zone: str = "local",
        expires: bool = False,
        hold: int = 0,
    ) -> int:
        """Add a meter that counts these actions, and return its number."""
        m = len(self.meters)
        kind = CALENDAR if calendar is not None else HOLD if hold else ROLLING
        held = 0
        if what in (DECIDED, DELIVERED):
            held = len(
                {
                    self.actions[a].programme
                    for a in counted
                    if self.queues[self.actions[a].programme]
                }
            )
        width = count + held
        first = self.room([EMPTY_US] * (width + (1 if hold else 0)))
        row = [0] * M_WIDTH
        row[M_FIRST], row[M_LAST], row[M_NTH] = first, first + width - 1, first + width - count
        row[M_KIND], row[M_WINDOW], row[M_WHAT] = kind, window, what
        row[M_CALENDAR] = CALENDARS[calendar] if calendar else 0
        row[M_ZONE] = 1 if zone == "utc" else -1
        row[M_REASON], row[M_EXPIRES], row[M_COUNT], row[M_HOLD] = reason, int(expires), count, hold
        self.meters.append(row)
        self.meter_names.append(name)
        self.meter_keys.append(path)
        for a in counted:
            (self.counts if what in (DECIDED, DELIVERED) else self.answers)[a].append(m)
        return m

    def cap(self, cap: Any, name: str, p: int | None, path: str) -> None:
        """Add the meters of a cap: of a programme, or of the house (``p`` is none)."""
        keys: dict[tuple[str, int], int] = {}
        for a, action in enumerate(self.actions):
            if p is not None and action.programme != p:
                continue
            if p is None and (
                self.listens(a) or cap.name in self.set[action.programme].limits.bypass
            ):
                continue
            key = self.key(cap.scope, a, p)
            if key not in keys:
                counted = [b for b in range(len(self.actions)) if self.is_counted(cap, key, b, p)]
                keys[key] = self.meter(
                    name,
                    cap.count,
                    counted,
                    path=path,
                    what=_WHATS[cap.counts],
                    window=int(cap.window or 0),
                    reason=CAP_REACHED,
                    calendar=cap.calendar,
                    zone=cap.zone,
                )
            self.checks[a].append(keys[key])

    def key(self, scope: str, a: int, p: int | None) -> tuple[str, int]:
        match scope:
            case "offer":
                return scope, a
            case "programme":
                return scope, self.actions[a].programme
            case "channel":
                return scope, self.channel(a)
        return scope, 0 if p is None else p

    def channel(self, a: int) -> int:
        offer = self.actions[a].offer
        return -1 if offer is None else self.channels.index(offer.channel)

    def is_counted(self, cap: Any, key: tuple[str, int], b: int, p: int | None) -> bool:
        """Say whether an action counts towards a meter of a cap."""
        programme = self.set[self.actions[b].programme]
        if p is None and (self.listens(b) or not programme.limits.count_towards):
            return False
        mine = p is not None and self.actions[b].programme == p
        others = not self.listens(b) and programme.limits.count_towards
        match cap.scope:
            case "offer":
                return key[1] == b
            case "programme":
                return key[1] == self.actions[b].programme
            case "channel":
                return key[1] == self.channel(b) and (mine or others)
        return mine or others


def rules_of(programmes: Any, *, answers: bool | None = None) -> Rules:  # noqa: C901 - what names a row
    """Compile a ProgrammeSet.

    Args:
        programmes: The set; its order decides ties.
        answers: Whether delivered decisions are remembered, so that responses can be admitted;
            none: when the programmes need it.

    Raises:
        ParameterError: More programmes, offers or context weights than the core can hold.
    """
    _check_sizes(programmes)
    build = _Builder(programmes)
    for p, programme in enumerate(programmes):
        for k, cap in enumerate(programme.limits.caps):
            build.cap(cap, cap.label, p, f"{programme.name}.limits.caps.{k}")
    for k, cap in enumerate(programmes.house.caps):
        build.cap(cap, cap.name, None, f"house.caps.{k}")
    for p, programme in enumerate(programmes):
        limits, mine = programme.limits, range(build.first[p], build.first[p + 1])
        found, path = [], f"{programme.name}.limits"
        if limits.cooldown is not None:
            found.append(
                build.meter(
                    "cooldown",
                    1,
                    mine,
                    path=f"{path}.cooldown",
                    window=int(limits.cooldown),
                    reason=COOLDOWN,
                )
            )
        if limits.once:
            found.append(
                build.meter("once", 1, mine, path=f"{path}.once", window=_FOREVER_US, reason=ONCE)
            )
        if limits.concurrency is not None:
            found.append(
                build.meter(
                    "concurrency",
                    limits.concurrency,
                    mine,
                    path=f"{path}.concurrency",
                    reason=CONCURRENCY,
                    expires=True,
                )
            )
        if limits.after_rejections is not None:
            rule = limits.after_rejections
            found.append(
                build.meter(
                    "rejections",
                    rule.count,
                    mine,
                    path=f"{path}.after_rejections",
                    what=REJECTED,
                    window=int(rule.within),
                    reason=REJECTIONS,
                    hold=int(rule.hold),
                )
            )
        for a in mine:
            build.checks[a].extend(found)
    lists: list[int] = []
    accounts, budgets = _accounts(programmes, build)
    actions = _actions(programmes, build, lists, budgets)
    table, scores, weights, draws, arms = _programmes(programmes, build, lists)
    if answers if answers is not None else tracks_answers(programmes, programmes.house):
        table[:, P_MADE] = build.room([0] + [EMPTY_US] * (3 * MADE))
    assert (H_NEXT, H_COLLECT, H_SINCE, H_WIDTH) == (0, 1, 2, 3)  # noqa: S101 - the head above
    return Rules(
        programmes=table,
        actions=actions,
        meters=np.array(build.meters, dtype=np.int64).reshape(-1, M_WIDTH),
        lists=np.array(lists or [0], dtype=np.int64),
        scores=np.array(scores, dtype=np.float64),
        weights=np.array(weights, dtype=np.int64),
        draws=np.array(draws or [0.0], dtype=np.float64),
        slot=np.array([programmes.house.slot, len(build.channels)], dtype=np.int64),
        blank=np.array(build.blank, dtype=np.int64),
        touch_places=np.array(build.touch_places, dtype=np.int64),
        meter_names=tuple(build.meter_names),
        meter_keys=tuple(build.meter_keys),
        action_list=tuple(build.actions),
        accounts=accounts,
        channels=build.channels,
        arms=arms,
    )


def _check_sizes(programmes: Any) -> None:
    if len(programmes) > MOST_PROGRAMMES:
        raise ParameterError(
            f"{len(programmes)} programmes were given; more than {MOST_PROGRAMMES} at once are "
            "not supported yet"
        )
    for programme in programmes:
        if len(programme.offers) > MOST_OFFERS:
            raise ParameterError(
                f"{programme.name}: more than {MOST_OFFERS} offers are not supported yet"
            )
        levels = _level_count(programme)
        draws = programme.choose.draws.count if programme.choose.draws else 1
        if (
            len(programme.choose.context) > MOST_CONTEXTS
            or levels * draws * len(programme.offers) > MOST_SCORES
        ):
            raise ParameterError(
                f"{programme.name}: choose.context with more than {MOST_CONTEXTS} entries, or a "
                f"table of more than {MOST_SCORES} scores, is not supported yet"
            )


def _accounts(programmes: Any, build: _Builder) -> tuple[tuple[Account, ...], list[list[int]]]:
    """Return budgets and inventories, and for each action those that it reserves from."""
    accounts = [
        Account(each.name, each.amount_cents, each.per, each.zone, pieces=False)
        for each in programmes.budgets
    ]
    number = {each.name: place for place, each in enumerate(accounts)}
    found: list[list[int]] = []
    for action in build.actions:
        programme, mine = programmes[action.programme], []
        if programme.budget is not None:
            mine.append(2 * number[programme.budget.name or programme.name])
        if action.offer is not None and action.offer.inventory is not None:
            mine.append(2 * len(accounts) + 1)
            name = f"{programme.name}: {action.offer.id}"
            accounts.append(Account(name, action.offer.inventory, "total", "utc", pieces=True))
        found.append(mine)
    return tuple(accounts), found


def _actions(programmes: Any, build: _Builder, lists: list[int], budgets: list[list[int]]) -> Table:
    table = np.zeros((len(build.actions), A_WIDTH), dtype=np.int64)

    def listed(row: NDArray[np.int64], first: int, last: int, values: list[int]) -> None:
        row[first] = len(lists)
        lists.extend(values)
        row[last] = len(lists)

    for a, action in enumerate(build.actions):
        row, offer = table[a], action.offer
        row[A_PROGRAMME] = action.programme
        row[A_CHANNEL] = build.channel(a)
        row[A_CONSENT] = int(programmes[action.programme].consent == "required")
        row[A_MANDATORY] = int(offer is not None and offer.mandatory)
        row[A_VALIDITY] = int(offer.validity) if offer is not None else 0
        listed(row, A_CHECKS, A_CHECKS_END, build.checks[a])
        listed(row, A_COUNTS, A_COUNTS_END, build.counts[a])
        listed(row, A_ANSWERS, A_ANSWERS_END, build.answers[a])
        listed(row, A_BUDGETS, A_BUDGETS_END, budgets[a])
    return table


def _programmes(
    programmes: Any, build: _Builder, lists: list[int]
) -> tuple[Table, list[float], list[int], list[float], tuple[tuple[str, ...], ...]]:
    table = np.full((len(programmes), P_WIDTH), -1, dtype=np.int64)
    scores: list[float] = []
    weights: list[int] = []
    draws: list[float] = []
    arms: list[tuple[str, ...]] = []
    for p, programme in enumerate(programmes):
        row, trigger = table[p], programme.trigger
        row[P_PATTERN] = _PATTERNS[trigger.pattern]
        row[P_SPAN], row[P_N], row[P_REARM] = _span(trigger)
        width = {"then": 1, "silence": 1, "first": 1, "nth": max(row[P_N] - 1, 0)}
        if trigger.pattern in width:
            row[P_MEMORY] = build.room([EMPTY_US] * int(width[trigger.pattern]))
        if trigger.pattern in ("unless", "silence"):
            row[P_TIMER] = build.room([NEVER_US, EMPTY_US, -1])
            build.touch_places.append(int(row[P_TIMER]) + 2)
        row[P_COLLECT_US] = int(trigger.collect_for or 0)
        if trigger.collect_for is not None:
            row[P_COLLECT] = build.room([-1])
            build.touch_places.append(int(row[P_COLLECT]))
        quiet = build.quiet_of(p)
        if quiet is not None:
            row[P_QUIET_FROM] = quiet.start.minutes * MINUTE_US
            row[P_QUIET_TO] = quiet.end.minutes * MINUTE_US
            row[P_DISCARD] = int(quiet.then == "discard")
            row[P_EXPIRE] = int(quiet.expire)
            row[P_WITHOUT_ZONE] = _WITHOUT_ZONE[quiet.without_zone]
            row[P_QUEUE] = build.room([NEVER_US, -1, -1, EMPTY_US, 0])
            build.touch_places.append(int(row[P_QUEUE]) + 1)
        row[P_FIRST_ACTION], row[P_LAST_ACTION] = build.first[p], build.first[p + 1]
        row[P_CHOOSE] = _CHOICES[programme.choose.by]
        row[P_EPSILON] = round(Fraction(str(programme.choose.epsilon or 0)) * (1 << 32))
        row[P_LISTENING] = int(programme.kind == "listening")
        row[P_SCORES], row[P_DRAWS] = len(scores), len(draws)
        row[P_DRAW_COUNT] = programme.choose.draws.count if programme.choose.draws else 0
        for level in range(_level_count(programme)):
            of_level = level_scores(programme, level)
            scores.extend(of_level)
            weights.extend(_weights(programme, of_level))
            draws.extend(_draws(programme, level))
        names = tuple(arm for arm, _, _ in programme.experiment.ranges)
        row[P_ARMS] = len(lists)
        for arm in (*names, "none"):
            allowed = programme.experiment.offers_by_arm.get(arm)
            lists.append(
                sum(
                    1 << j
                    for j, offer in enumerate(programme.offers)
                    if allowed is None or offer.id in allowed
                )
                or 1
            )
        arms.append((*names, "none"))
    return table, scores, weights, draws, tuple(arms)


def _span(trigger: Any) -> tuple[int, int, int]:
    """Return the span of the pattern, its n, and whether a later A moves the deadline."""
    match trigger.pattern:
        case "then":
            return int(trigger.then.within), 0, 0
        case "unless":
            return int(trigger.unless.within), 0, int(trigger.unless.rearm)
        case "nth":
            return int(trigger.nth.within), trigger.nth.n, 0
        case "silence":
            return int(trigger.silence), 0, 0
        case "first":
            return trigger.first.days * DAY_US, 0, 0
    return 0, 0, 0


def _level_count(programme: Programme) -> int:
    """Return how many levels of context there are: cells and none, or every set of weights."""
    if programme.choose.policy is not None:
        return len(programme.choose.policy.cells) + 1
    return 1 << min(len(programme.choose.context), MOST_CONTEXTS)


def level_scores(programme: Programme, level: int) -> list[float]:
    """Return the score of every offer at a level of context.

    A level is a set of bits, one for each context weight that holds; of a policy it is the number
    of the cell, from 1 on, 0 being none. A listening programme has the one score 0.
    """
    if programme.kind == "listening":
        return [0.0]
    policy = programme.choose.policy
    if policy is not None:
        if level == 0:
            return [-math.inf] * len(programme.offers)
        mine = policy.scores_cents[policy.cells[level - 1].name]
        return [
            float(mine[offer.id] - policy.shadow_price * offer.cost_cents)
            if offer.id in mine
            else -math.inf
            for offer in programme.offers
        ]
    return [_score(programme, offer, offer.chance, level) for offer in programme.offers]


def _score(programme: Programme, offer: Offer, chance: float, level: int) -> float:
    choose = programme.choose
    percent = sum(each.percent for k, each in enumerate(choose.context) if level >> k & 1)
    pushed = choose.levers_percent.programme + choose.levers_percent.offers.get(offer.id, 0)
    by_priority = choose.by == "priority"
    worth = chance * (offer.value_cents - offer.cost_cents)
    if by_priority:
        worth = offer.priority * chance * offer.value_cents
    return float(worth * (1 + percent / 100) * (1 + pushed / 100))


def _weights(programme: Programme, scores: list[float]) -> list[int]:
    if programme.choose.temperature_cents is None:
        return [1] * len(scores)
    top = max(scores)
    return [
        max(1, math.floor(2**24 * math.exp((score - top) / programme.choose.temperature_cents)))
        for score in scores
    ]


def _draws(programme: Programme, level: int) -> list[float]:
    table = programme.choose.draws
    if table is None:
        return []
    return [
        _score(programme, offer, table.propensity[offer.id][row], level)
        for row in range(table.count)
        for offer in programme.offers
    ]


__all__ = ["RESPONSES", "Account", "Action", "Rules", "level_scores", "rules_of"]
