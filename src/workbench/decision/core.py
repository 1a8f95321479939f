"""The core: what happens to a person, event by event, and every comparison that decides it.

``open_reason`` is the only code that refuses an action, ``fold`` and ``give_back`` are the only
code that enters decisions into meters. Each function exists once and runs in two ways: as plain
Python (one event), and compiled when :func:`run_compiled` calls it for the persons of a part.

A person's memory is one row of whole numbers laid out by ``rules``: bounded, whatever happens.
Limits measure ``ts``; quiet hours, consent and budgets look at the instant of the decision.
Of one instant, events come first, then patterns, the calendar, collections and releases, each of
which is a decision set of its own, in the order of the programmes.
"""

# mypy: disable-error-code="no-any-return"
# Entries of arrays are whole numbers, which the types of arrays do not say.

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numpy.typing import NDArray

from workbench.decision.choice import WHOLE, best, choose
from workbench.decision.clocks import quiet_until
from workbench.decision.compiled import in_core, in_place
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
    AFTER,
    C_GIVEN,
    C_LOOKS,
    C_OUT,
    C_REFUSED_ANSWERS,
    C_SHARES,
    EMPTY_US,
    EPSILON,
    G_ACTION,
    G_AT,
    G_KEY,
    G_KNOWN,
    G_MADE,
    G_MADE_TS,
    G_SEQ,
    G_UNTIL,
    H_COLLECT,
    H_NEXT,
    KIND_CALENDAR,
    KIND_COLLECTED,
    KIND_EVENT,
    KIND_RELEASE,
    KIND_TIMER,
    L_ACTION,
    L_COUNT,
    L_FREE,
    L_LIMIT,
    L_METER,
    L_OUT,
    L_REASON,
    M_COUNT,
    M_EXPIRES,
    M_FIRST,
    M_LAST,
    M_REASON,
    M_WHAT,
    MADE,
    NEVER_US,
    O_ACTION,
    O_KEY,
    O_KIND,
    O_KNOWN,
    O_LOOKS,
    O_METER,
    O_PERSON,
    O_PROGRAMME,
    O_REASON,
    O_SEQ,
    O_SET,
    O_SHARE,
    O_SHARES,
    O_TOUCH,
    O_TS,
    P_ARMS,
    P_CHOOSE,
    P_COLLECT,
    P_COLLECT_US,
    P_DISCARD,
    P_EXPIRE,
    P_FIRST_ACTION,
    P_LAST_ACTION,
    P_LISTENING,
    P_MADE,
    P_QUEUE,
    P_QUIET_FROM,
    P_QUIET_TO,
    P_SCORES,
    P_TIMER,
    P_WITHOUT_ZONE,
    POLICY,
    R_ANSWER,
    R_ANSWER_KEY,
    R_ANSWER_KIND,
    R_ANSWER_PROGRAMME,
    R_ANSWER_TS,
    R_FIRST,
    R_KEY,
    R_KNOWN,
    R_LAST,
    R_SEQ,
    R_TICK,
    R_TS,
    R_ZONE,
    REFUSE,
    SECOND,
    SEND,
    SOFTMAX,
    T_ARM,
    T_AUDIENCE,
    T_DRAW,
    T_GHOST,
    T_LEVEL,
    T_NULL,
    T_PART,
    T_PROGRAMME,
    T_ROLE,
    T_ROW,
    T_SUPPRESS,
    T_TS,
    T_YES,
    THOMPSON,
    TIMER_SEQ,
    W_DONE,
    W_OUT,
    W_TOUCH,
    Desk,
)
from workbench.decision.meters import enter, inside, is_reached, leave, reject
from workbench.decision.patterns import see_after, see_anchor, see_second
from workbench.records import (
    APPLICABILITY_UNKNOWN,
    AUDIENCE_UNKNOWN,
    AWARDED,
    BUDGET_CLOSED,
    CONSENT_UNKNOWN,
    INVENTORY_GONE,
    NO,
    NO_CONSENT,
    NO_ZONE,
    NOT_APPLICABLE,
    NOT_IN_AUDIENCE,
    NOT_WORTH_IT,
    OFFERED,
    OTHER_ARM,
    OUTRANKED,
    QUEUED,
    QUIET_EXPIRED,
    QUIET_HOURS,
    REJECTIONS,
    SUPPRESSED,
    SUPPRESSION_UNKNOWN,
    UNKNOWN,
    WAITING,
    YES,
    Taken,
)

SLOTS = 64
"""Places that the key of a set leaves for its slots."""

SPEC_VERSION = 2
"""Version of the rules: raised when a change makes a decision of the golden log another one."""


@in_core
def fold(desk: Desk, memory: NDArray, taken: Taken) -> None:  # type: ignore[type-arg]  # compiled
    """Enter a decision that took slots into the meters that it counts towards."""
    for k in range(desk.actions[taken.action, A_COUNTS], desk.actions[taken.action, A_COUNTS_END]):
        m = desk.lists[k]
        at_us = taken.at_us
        if desk.meters[m, M_EXPIRES] == 1:
            at_us += desk.actions[taken.action, A_VALIDITY]
        enter(memory, desk.meters[m, M_FIRST], desk.meters[m, M_LAST], at_us)


@in_core
def give_back(desk: Desk, memory: NDArray, taken: Taken) -> None:  # type: ignore[type-arg]  # compiled
    """Take a queued decision out of the meters again, before it is looked at once more."""
    for k in range(desk.actions[taken.action, A_COUNTS], desk.actions[taken.action, A_COUNTS_END]):
        m = desk.lists[k]
        at_us = taken.at_us
        if desk.meters[m, M_EXPIRES] == 1:
            at_us += desk.actions[taken.action, A_VALIDITY]
        leave(memory, desk.meters[m, M_FIRST], desk.meters[m, M_LAST], at_us)


@in_core
def agreed(desk: Desk, person: int, channel: int, known_us: int) -> int:
    """Return what is known of a person's consent to a channel at an instant."""
    pair = desk.consent_of[person] * desk.slot[1] + channel
    low, high = desk.consent_start[pair], desk.consent_start[pair + 1]
    first = low
    while low < high:
        middle = (low + high) // 2
        if desk.consent_at[middle] <= known_us:
            low = middle + 1
        else:
            high = middle
    return desk.consent_value[low - 1] if low > first else UNKNOWN


@in_core
def is_closed(desk: Desk, b: int, known_us: int, seq: int, key: int) -> bool:
    """Say whether a budget is closed at a place: behind a closing and within its period."""
    low, high = desk.closing_of[b, 0], desk.closing_of[b, 1]
    first = low
    while low < high:
        middle = (low + high) // 2
        at = desk.closings[middle, 0]
        ahead = at < known_us
        if at == known_us:
            ahead = desk.closings[middle, 1] < seq or (
                desk.closings[middle, 1] == seq and desk.closings[middle, 2] <= key
            )
        if ahead:
            low = middle + 1
        else:
            high = middle
    return low > first and known_us < desk.closings[low - 1, 3]


@in_core
def quiet_reason(desk: Desk, p: int, zone: int, known_us: int) -> tuple[int, int]:
    """Return the refusal of the quiet hours (0: none), and until when an offer has to wait."""
    if desk.programmes[p, P_QUIET_FROM] < 0:
        return 0, known_us
    if zone < 0:
        if desk.programmes[p, P_WITHOUT_ZONE] == REFUSE:
            return NO_ZONE, known_us
        if desk.programmes[p, P_WITHOUT_ZONE] == SEND:
            return 0, known_us
        zone = 0
    until = quiet_until(
        desk.zones,
        desk.changes,
        zone,
        desk.programmes[p, P_QUIET_FROM],
        desk.programmes[p, P_QUIET_TO],
        known_us,
    )
    if until > known_us:
        if desk.programmes[p, P_DISCARD] == 1:
            return QUIET_HOURS, until
        if until - known_us > desk.programmes[p, P_EXPIRE]:
            return QUIET_EXPIRED, until
    return 0, until


@in_place
def limit_reason(desk: Desk, memory: NDArray, a: int, at_us: int, zone: int) -> tuple[int, int]:  # type: ignore[type-arg]  # compiled
    """Return the first limit that refuses an action, and its meter; 0 when none does."""
    for k in range(desk.actions[a, A_CHECKS], desk.actions[a, A_CHECKS_END]):
        m = desk.lists[k]
        if is_reached(desk, memory, m, at_us, zone):
            return desk.meters[m, M_REASON], m
    return 0, -1


@in_place
def open_reason(  # noqa: C901, PLR0911, PLR0912, PLR0917 - compiled: flat values, one path
    desk: Desk,
    memory: NDArray,  # type: ignore[type-arg]  # compiled
    person: int,
    touch: int,
    a: int,
    place: tuple[int, int, int, int],
    released: int,
    waiting: int,
) -> tuple[int, int]:
    """Return why an action is not open (0: it is), and the meter that refused it.

    The path is that of ``records.REASONS``; an answer that is not known is never a yes.

    Args:
        desk: The rules and events.
        memory: The person's.
        person: Row of the person.
        touch: What triggered it, with the answers of the conditions.
        a: The action.
        place: ``ts``, ``known_at``, ``seq`` and key of the decision.
        released: 1 for what waited in the queue: consent, suppression and limits only.
        waiting: 1 when an occurrence of the programme waits already.
    """
    p = desk.actions[a, A_PROGRAMME]
    j = a - desk.programmes[p, P_FIRST_ACTION]
    if released == 0:
        if desk.touches[touch, T_PART] != 0:
            return desk.touches[touch, T_PART], -1
        audience = desk.touches[touch, T_AUDIENCE]
        if audience != YES:
            return (NOT_IN_AUDIENCE if audience == NO else AUDIENCE_UNKNOWN), -1
        arm = desk.touches[touch, T_ARM]
        if (desk.lists[desk.programmes[p, P_ARMS] + arm] >> j) & 1 == 0:
            return OTHER_ARM, -1
        if (desk.touches[touch, T_YES] >> j) & 1 == 0:
            known = (desk.touches[touch, T_NULL] >> j) & 1 == 0
            return (NOT_APPLICABLE if known else APPLICABILITY_UNKNOWN), -1
    suppress = desk.touches[touch, T_SUPPRESS]
    if suppress != NO:
        return (SUPPRESSED if suppress == YES else SUPPRESSION_UNKNOWN), -1
    ts_us, known_us, seq, key = place
    if desk.actions[a, A_CONSENT] == 1:
        answer = agreed(desk, person, desk.actions[a, A_CHANNEL], known_us)
        if answer != YES:
            return (NO_CONSENT if answer == NO else CONSENT_UNKNOWN), -1
    zone = desk.rows[desk.touches[touch, T_ROW], R_ZONE]
    reason, meter = limit_reason(desk, memory, a, ts_us, max(zone, 0))
    if reason != 0 or released == 1:
        return reason, meter
    if waiting == 1:
        return WAITING, -1
    reason, _ = quiet_reason(desk, p, zone, known_us)
    if reason != 0:
        return reason, -1
    for k in range(desk.actions[a, A_BUDGETS], desk.actions[a, A_BUDGETS_END]):
        if is_closed(desk, desk.lists[k] // 2, known_us, seq, key):
            return (INVENTORY_GONE if desk.lists[k] % 2 == 1 else BUDGET_CLOSED), -1
    if desk.programmes[p, P_CHOOSE] == POLICY:
        count = desk.programmes[p, P_LAST_ACTION] - desk.programmes[p, P_FIRST_ACTION]
        level = desk.touches[touch, T_LEVEL]
        if not desk.scores[desk.programmes[p, P_SCORES] + level * count + j] > 0:
            return NOT_WORTH_IT, -1
    return 0, -1


@in_core
def look_at(  # noqa: PLR0917 - compiled: flat values, one path
    desk: Desk,
    memory: NDArray,  # type: ignore[type-arg]  # compiled
    look: tuple[int, int, int],
    reason: int,
    meter: int,
    at_us: int,
    zone: int,
) -> None:
    """Write down a candidate for the table of candidates."""
    place, out, a = look
    row = desk.looks[place]
    row[L_OUT] = out
    row[L_ACTION] = a
    row[L_REASON] = reason
    row[L_METER] = meter
    if meter >= 0:
        count, free = inside(desk, memory, meter, at_us, zone)
        row[L_COUNT] = count
        row[L_LIMIT] = desk.meters[meter, M_COUNT]
        row[L_FREE] = free


@in_core
def consider(  # noqa: PLR0917 - compiled: flat values, one path
    desk: Desk,
    memory: NDArray,  # type: ignore[type-arg]  # compiled
    person: int,
    c: int,
    place: tuple[int, int, int, int],
    released: int,
) -> tuple[int, int, int]:
    """Take every action of a candidate down the path.

    Returns:
        The reason of the action that came furthest (0 when one is open), its meter, and the open
        actions as bits; when some are mandatory, only those.
    """
    touch = desk.work[c, W_TOUCH]
    out = desk.work[c, W_OUT]
    p = desk.touches[touch, T_PROGRAMME]
    waiting = 0
    if desk.work[c, W_DONE] == 2 or (  # noqa: PLR2004 - 2: an occurrence of the programme waits already
        desk.programmes[p, P_QUEUE] >= 0 and memory[desk.programmes[p, P_QUEUE]] != NEVER_US
    ):
        waiting = 1
    wanted = len(desk.looks) > 0
    zone = max(desk.rows[desk.touches[touch, T_ROW], R_ZONE], 0)
    first, last = desk.programmes[p, P_FIRST_ACTION], desk.programmes[p, P_LAST_ACTION]
    furthest, of_meter, opened, mandatory = 0, -1, 0, 0
    for a in range(first, last):
        if released == 1 and a != desk.out[out, O_ACTION]:
            continue
        reason, meter = open_reason(desk, memory, person, touch, a, place, released, waiting)
        if reason == 0:
            opened |= 1 << (a - first)
            if desk.actions[a, A_MANDATORY] == 1:
                mandatory |= 1 << (a - first)
        elif reason > furthest:
            furthest, of_meter = reason, meter
        if wanted:
            spot = desk.out[out, O_LOOKS] + a - first
            look_at(desk, memory, (spot, out, a), reason, meter, place[0], zone)
    if opened == 0:
        return furthest, of_meter, 0
    return 0, -1, (mandatory if mandatory != 0 else opened)


@in_core
def settle_looks(desk: Desk, out: int, p: int, reason: int, action: int) -> None:
    """Give the open candidates of a row their end: what happened, or that another was better."""
    first, last = desk.programmes[p, P_FIRST_ACTION], desk.programmes[p, P_LAST_ACTION]
    for a in range(first, last):
        row = desk.looks[desk.out[out, O_LOOKS] + a - first]
        if row[L_OUT] == out and row[L_REASON] == 0:
            row[L_REASON] = reason if a == action else OUTRANKED


@in_core
def refuse(desk: Desk, c: int, reason: int, meter: int) -> None:
    """End a candidate without an offer."""
    out = desk.work[c, W_OUT]
    desk.out[out, O_REASON] = reason
    desk.out[out, O_METER] = meter
    desk.work[c, W_DONE] = 1
    if len(desk.looks) > 0:
        settle_looks(desk, out, desk.out[out, O_PROGRAMME], reason, -1)


@in_core
def remember(desk: Desk, memory: NDArray, out: int) -> None:  # type: ignore[type-arg]  # compiled
    """Keep a delivered decision, so that a response to it can be admitted."""
    made = desk.programmes[desk.out[out, O_PROGRAMME], P_MADE]
    if made < 0:
        return
    touch = desk.out[out, O_TOUCH]
    kind = desk.out[out, O_KIND]
    place = made + 1 + 3 * (memory[made] % MADE)
    memory[place] = desk.out[out, O_TS] if kind == KIND_RELEASE else desk.touches[touch, T_TS]
    memory[place + 1] = desk.rows[desk.touches[touch, T_ROW], R_KEY] * 8 + kind
    memory[place + 2] = desk.out[out, O_ACTION]
    memory[made] += 1


@in_core
def deliver(desk: Desk, memory: NDArray, out: int, action: int, at_us: int) -> int:  # type: ignore[type-arg]  # compiled
    """Let an action go out, or be a ghost, and return the reason."""
    touch = desk.out[out, O_TOUCH]
    reason = desk.touches[touch, T_GHOST]
    fold(desk, memory, Taken(action, at_us))
    if reason == 0:
        listening = desk.programmes[desk.out[out, O_PROGRAMME], P_LISTENING] == 1
        reason = AWARDED if listening else OFFERED
        remember(desk, memory, out)
    return reason


@in_core
def wait(memory: NDArray, queue: int, until_us: int, held: tuple[int, int, int, int]) -> None:  # type: ignore[type-arg]  # compiled
    """Put a touch, its action, the instant that limits measure, and the open actions into a queue."""
    memory[queue] = until_us
    for place in range(4):
        memory[queue + 1 + place] = held[place]
    memory[H_NEXT] = min(memory[H_NEXT], until_us)


@in_core
def win(
    desk: Desk,
    memory: NDArray,  # type: ignore[type-arg]  # compiled
    c: int,
    mask: int,
    place: tuple[int, int, int, int],
) -> None:
    """Give a candidate the slot: choose its offer, and deliver or queue it."""
    touch, out = desk.work[c, W_TOUCH], desk.work[c, W_OUT]
    p = desk.touches[touch, T_PROGRAMME]
    rule = desk.programmes[p, P_CHOOSE]
    count = desk.programmes[p, P_LAST_ACTION] - desk.programmes[p, P_FIRST_ACTION]
    used = desk.counts[C_SHARES]
    shares = desk.shares[used : used + count]
    j = choose(desk, p, desk.touches[touch, T_LEVEL], mask, desk.touches[touch, T_DRAW], shares)
    action = desk.programmes[p, P_FIRST_ACTION] + j
    ts_us, known_us, _, key = place
    row = desk.out[out]
    row[O_ACTION] = action
    row[O_SHARE] = shares[j]
    row[O_KEY] = key
    zone = desk.rows[desk.touches[touch, T_ROW], R_ZONE]
    _, until = quiet_reason(desk, p, zone, known_us)
    if until > known_us:
        wait(memory, desk.programmes[p, P_QUEUE], until, (touch, action, ts_us, mask))
        fold(desk, memory, Taken(action, ts_us))
        row[O_REASON] = QUEUED
    else:
        row[O_REASON] = deliver(desk, memory, out, action, ts_us)
    if len(desk.looks) > 0:
        settle_looks(desk, out, p, row[O_REASON], action)
    if rule in (SOFTMAX, EPSILON, THOMPSON):
        row[O_SHARES] = used
        desk.counts[C_SHARES] += count
    desk.work[c, W_DONE] = 1


@in_place
def write(  # noqa: PLR0917 - compiled: flat values, one path
    desk: Desk, person: int, touch: int, kind: int, of_set: int, place: tuple[int, int, int, int]
) -> int:
    """Begin a row of the decision log and return where it is."""
    out = desk.counts[C_OUT]
    desk.counts[C_OUT] += 1
    row = desk.out[out]
    row[O_TS] = place[0]
    row[O_KNOWN] = place[1]
    row[O_SEQ] = place[2]
    row[O_KEY] = place[3]
    row[O_KIND] = kind
    row[O_SET] = of_set
    row[O_PROGRAMME] = desk.touches[touch, T_PROGRAMME]
    row[O_TOUCH] = touch
    row[O_REASON] = 0
    row[O_ACTION] = -1
    row[O_SHARE] = WHOLE
    row[O_METER] = -1
    row[O_PERSON] = person
    row[O_SHARES] = -1
    row[O_LOOKS] = -1
    if len(desk.looks) > 0:
        p = desk.touches[touch, T_PROGRAMME]
        row[O_LOOKS] = desk.counts[C_LOOKS]
        desk.counts[C_LOOKS] += (
            desk.programmes[p, P_LAST_ACTION] - desk.programmes[p, P_FIRST_ACTION]
        )
    return out


@in_core
def decide_set(  # noqa: C901, PLR0912, PLR0917 - compiled: flat values, one path
    desk: Desk,
    memory: NDArray,  # type: ignore[type-arg]  # compiled
    person: int,
    count: int,
    of_set: int,
    known_us: int,
    seq: int,
    key: int,
) -> None:
    """Decide candidates that compete: the most valuable takes a slot, then the next one.

    Args:
        desk: The rules and events; ``work`` holds the candidates.
        memory: The person's.
        person: Row of the person.
        count: Number of candidates, in the order of the programmes.
        of_set: Kind of the set, ``KIND_``.
        known_us: Instant of the decision.
        seq: Second part of its place.
        key: Third part of its place; a slot adds its number.
    """
    for c in range(count):
        touch = desk.work[c, W_TOUCH]
        ts_us = known_us if of_set == KIND_COLLECTED else desk.touches[touch, T_TS]
        kind = of_set
        if of_set == KIND_COLLECTED:
            kind = KIND_EVENT
        desk.work[c, W_OUT] = write(desk, person, touch, kind, of_set, (ts_us, known_us, seq, key))
    for slot in range(desk.slot[0]):
        winner, won, of_tier, bid = -1, 0, -1, 0.0
        for c in range(count):
            touch = desk.work[c, W_TOUCH]
            p = desk.touches[touch, T_PROGRAMME]
            if desk.work[c, W_DONE] == 1 or desk.programmes[p, P_LISTENING] == 1:
                continue
            out = desk.work[c, W_OUT]
            place = (desk.out[out, O_TS], known_us, seq, key + slot)
            reason, meter, mask = consider(desk, memory, person, c, place, 0)
            desk.out[out, O_REASON] = reason
            desk.out[out, O_METER] = meter
            if reason != 0:
                continue
            level = desk.touches[touch, T_LEVEL]
            j = best(desk, p, level, mask)
            first, last = desk.programmes[p, P_FIRST_ACTION], desk.programmes[p, P_LAST_ACTION]
            score = desk.scores[desk.programmes[p, P_SCORES] + level * (last - first) + j]
            tier = desk.actions[first + j, A_MANDATORY]
            if winner < 0 or tier > of_tier or (tier == of_tier and score > bid):
                winner, won, of_tier, bid = c, mask, tier, score
        if winner < 0:
            break
        place = (desk.out[desk.work[winner, W_OUT], O_TS], known_us, seq, key + slot)
        win(desk, memory, winner, won, place)
    for c in range(count):
        if desk.work[c, W_DONE] == 1:
            continue
        out = desk.work[c, W_OUT]
        p = desk.out[out, O_PROGRAMME]
        if desk.programmes[p, P_LISTENING] == 1:
            place = (desk.out[out, O_TS], known_us, seq, key)
            reason, meter, mask = consider(desk, memory, person, c, place, 0)
            if reason == 0:
                win(desk, memory, c, mask, place)
            else:
                refuse(desk, c, reason, meter)
        elif desk.out[out, O_REASON] == 0:
            refuse(desk, c, OUTRANKED, -1)
        else:
            refuse(desk, c, desk.out[out, O_REASON], desk.out[out, O_METER])


@in_core
def copy(memory: NDArray, to: NDArray) -> None:  # type: ignore[type-arg]  # compiled
    """Copy a memory: place by place, because assigning a slice would count references."""
    for place in range(len(memory)):
        to[place] = memory[place]


@in_core
def follow(  # noqa: PLR0917 - compiled: flat values, one path
    desk: Desk,
    memory: NDArray,  # type: ignore[type-arg]  # compiled
    person: int,
    known_us: int,
    seq: int,
    key: int,
    count: int,
) -> None:
    """Enter what another replay decided for a person before a place.

    What it queued waits for the touch of its programme among the ``count`` candidates at work.
    """
    i = desk.counts[C_GIVEN]
    while i < desk.given_start[person + 1]:
        row = desk.given[i]
        if row[G_KNOWN] > known_us or (
            row[G_KNOWN] == known_us
            and (row[G_SEQ] > seq or (row[G_SEQ] == seq and row[G_KEY] >= key))
        ):
            break
        action = row[G_ACTION]
        p = desk.actions[action, A_PROGRAMME]
        fold(desk, memory, Taken(action, row[G_AT]))
        made = desk.programmes[p, P_MADE]
        if row[G_MADE] >= 0 and made >= 0:
            place = made + 1 + 3 * (memory[made] % MADE)
            memory[place] = row[G_MADE_TS]
            memory[place + 1] = row[G_MADE]
            memory[place + 2] = action
            memory[made] += 1
        queue = desk.programmes[p, P_QUEUE]
        mask = 1 << (action - desk.programmes[p, P_FIRST_ACTION])
        for c in range(count):
            touch = desk.work[c, W_TOUCH]
            if row[G_UNTIL] >= 0 and queue >= 0 and desk.touches[touch, T_PROGRAMME] == p:
                wait(memory, queue, row[G_UNTIL], (touch, action, row[G_AT], mask))
        i += 1
    desk.counts[C_GIVEN] = i


@in_core
def decide(  # noqa: PLR0917 - compiled: flat values, one path
    desk: Desk,
    memory: NDArray,  # type: ignore[type-arg]  # compiled
    person: int,
    count: int,
    of_set: int,
    known_us: int,
    seq: int,
    key: int,
) -> None:
    """Decide a set; where another replay is followed, remember nothing of it."""
    follows = len(desk.given) > 0
    if follows:
        follow(desk, memory, person, known_us, seq, key, 0)
        copy(memory, desk.kept)
    decide_set(desk, memory, person, count, of_set, known_us, seq, key)
    if follows:
        copy(desk.kept, memory)
        follow(desk, memory, person, known_us, seq, key + SLOTS, count)


@in_core
def release(desk: Desk, memory: NDArray, person: int, p: int) -> None:  # type: ignore[type-arg]  # compiled
    """Take an offer out of the queue: look at it again, then let it go out or not."""
    queue = desk.programmes[p, P_QUEUE]
    at_us, touch, action = memory[queue], memory[queue + 1], memory[queue + 2]
    place = (at_us, at_us, TIMER_SEQ, set_key(desk, KIND_RELEASE, p, person))
    if len(desk.given) > 0:
        follow(desk, memory, person, at_us, TIMER_SEQ, place[3], 0)
    give_back(desk, memory, Taken(action, memory[queue + 3]))
    memory[queue] = NEVER_US
    if len(desk.given) > 0:
        copy(memory, desk.kept)
    out = write(desk, person, touch, KIND_RELEASE, KIND_RELEASE, place)
    desk.out[out, O_ACTION] = action
    desk.work[0, W_TOUCH] = touch
    desk.work[0, W_OUT] = out
    desk.work[0, W_DONE] = 0
    reason, meter, _ = consider(desk, memory, person, 0, place, 1)
    if reason != 0:
        desk.out[out, O_ACTION] = -1
        refuse(desk, 0, reason, meter)
    else:
        draw_again(desk, out, p, touch, memory[queue + 4])
        desk.out[out, O_REASON] = deliver(desk, memory, out, action, at_us)
        if len(desk.looks) > 0:
            settle_looks(desk, out, p, desk.out[out, O_REASON], action)
    if len(desk.given) > 0:
        copy(desk.kept, memory)
        follow(desk, memory, person, at_us, TIMER_SEQ, place[3] + SLOTS, 0)


@in_core
def draw_again(desk: Desk, out: int, p: int, touch: int, mask: int) -> None:
    """Write the distribution of a choice that was made before the queue."""
    count = desk.programmes[p, P_LAST_ACTION] - desk.programmes[p, P_FIRST_ACTION]
    used = desk.counts[C_SHARES]
    shares = desk.shares[used : used + count]
    j = choose(desk, p, desk.touches[touch, T_LEVEL], mask, desk.touches[touch, T_DRAW], shares)
    desk.out[out, O_SHARE] = shares[j]
    if desk.programmes[p, P_CHOOSE] in (SOFTMAX, EPSILON, THOMPSON):
        desk.out[out, O_SHARES] = used
        desk.counts[C_SHARES] += count


@in_core
def set_key(desk: Desk, kind: int, p: int, person: int) -> int:
    """Return the key of what time causes: a total order at one instant, with room for slots."""
    return (((kind * 1024 + p) << 32) + desk.person_keys[person]) * SLOTS


@in_core
def next_timer(desk: Desk, memory: NDArray, due_us: int) -> int:  # type: ignore[type-arg]  # compiled
    """Return the first programme whose pattern is due at an instant, -1 when none is."""
    for p in range(len(desk.programmes)):
        timer = desk.programmes[p, P_TIMER]
        if timer >= 0 and memory[timer] == due_us:
            return p
    return -1


@in_core
def fire_timer(desk: Desk, memory: NDArray, person: int, p: int) -> None:  # type: ignore[type-arg]  # compiled
    """Fire the pattern of a programme: its deadline has come and nothing disarmed it."""
    timer = desk.programmes[p, P_TIMER]
    due_us = memory[timer]
    memory[timer] = NEVER_US
    desk.work[0, W_TOUCH] = memory[timer + 2]
    desk.work[0, W_DONE] = 0
    key = set_key(desk, KIND_TIMER, p, person)
    decide(desk, memory, person, 1, KIND_TIMER, due_us, TIMER_SEQ, key)


@in_core
def fire(desk: Desk, memory: NDArray, person: int) -> None:  # type: ignore[type-arg]  # compiled
    """Let the next thing happen that time causes: a pattern, a collection or a release."""
    due_us = memory[H_NEXT]
    p = next_timer(desk, memory, due_us)
    if p >= 0:
        fire_timer(desk, memory, person, p)
    elif memory[H_COLLECT] == due_us:
        memory[H_COLLECT] = NEVER_US
        count = 0
        for q in range(len(desk.programmes)):
            held = desk.programmes[q, P_COLLECT]
            if held >= 0 and memory[held] >= 0:
                desk.work[count, W_TOUCH] = memory[held]
                desk.work[count, W_DONE] = 0
                memory[held] = -1
                count += 1
        key = set_key(desk, KIND_COLLECTED, 0, person)
        decide(desk, memory, person, count, KIND_COLLECTED, due_us, TIMER_SEQ, key)
    else:
        for q in range(len(desk.programmes)):
            queue = desk.programmes[q, P_QUEUE]
            if queue >= 0 and memory[queue] == due_us:
                release(desk, memory, person, q)
                break
    refresh(desk, memory)


@in_core
def refresh(desk: Desk, memory: NDArray) -> None:  # type: ignore[type-arg]  # compiled
    """Find the earliest instant at which time causes something."""
    due_us = memory[H_COLLECT]
    for p in range(len(desk.programmes)):
        timer, queue = desk.programmes[p, P_TIMER], desk.programmes[p, P_QUEUE]
        if timer >= 0:
            due_us = min(due_us, memory[timer])
        if queue >= 0:
            due_us = min(due_us, memory[queue])
    memory[H_NEXT] = due_us


@in_core
def admit(desk: Desk, memory: NDArray, i: int) -> bool:  # type: ignore[type-arg]  # compiled
    """Take a response to a decision; one to a decision that was not delivered is not admitted."""
    p = desk.rows[i, R_ANSWER_PROGRAMME]
    if p < 0 or desk.programmes[p, P_MADE] < 0:
        return False
    made = desk.programmes[p, P_MADE]
    key = desk.rows[i, R_ANSWER_KEY] * 8 + desk.rows[i, R_ANSWER_KIND]
    action = -1
    for k in range(MADE):
        place = made + 1 + 3 * k
        if memory[place] == desk.rows[i, R_ANSWER_TS] and memory[place + 1] == key:
            made_by = desk.actions[memory[place + 2], A_PROGRAMME]
            if made_by == p:
                action = memory[place + 2]
    if action < 0:
        return False
    what, ts_us = desk.rows[i, R_ANSWER], desk.rows[i, R_TS]
    for k in range(desk.actions[action, A_ANSWERS], desk.actions[action, A_ANSWERS_END]):
        m = desk.lists[k]
        if desk.meters[m, M_WHAT] != what:
            continue
        if desk.meters[m, M_REASON] == REJECTIONS:
            reject(desk, memory, m, ts_us)
        else:
            enter(memory, desk.meters[m, M_FIRST], desk.meters[m, M_LAST], ts_us)
    return True


@in_core
def take(desk: Desk, memory: NDArray, person: int, i: int) -> None:  # type: ignore[type-arg]  # compiled
    """Take one event: its response, what it means to patterns, and the set that it triggers."""
    if desk.rows[i, R_ANSWER] != 0 and not admit(desk, memory, i):
        desk.counts[C_REFUSED_ANSWERS] += 1
        return
    known_us, ts_us = desk.rows[i, R_KNOWN], desk.rows[i, R_TS]
    count = 0
    for touch in range(desk.rows[i, R_FIRST], desk.rows[i, R_LAST]):
        p, role = desk.touches[touch, T_PROGRAMME], desk.touches[touch, T_ROLE]
        fires = False
        if role == AFTER:
            see_after(desk, memory, p, ts_us)
        elif role == SECOND:
            fires = see_second(desk, memory, p, ts_us)
        else:
            fires = see_anchor(desk, memory, p, touch, ts_us, known_us)
        if not fires:
            continue
        desk.work[count, W_TOUCH] = touch
        desk.work[count, W_DONE] = 0
        held = desk.programmes[p, P_COLLECT]
        if held >= 0:
            if memory[held] < 0:
                memory[held] = touch
                if memory[H_COLLECT] == NEVER_US:
                    memory[H_COLLECT] = known_us + desk.programmes[p, P_COLLECT_US]
                    memory[H_NEXT] = min(memory[H_NEXT], memory[H_COLLECT])
                continue
            desk.work[count, W_DONE] = 2
        count += 1
    if count > 0:
        decide(desk, memory, person, count, KIND_EVENT, known_us, desk.rows[i, R_SEQ], 0)


@in_core
def tick(desk: Desk, memory: NDArray, person: int, i: int) -> None:  # type: ignore[type-arg]  # compiled
    """Take an instant of the calendar: broadcasts, behind the patterns of that instant."""
    at_us = desk.rows[i, R_KNOWN]
    p = next_timer(desk, memory, at_us)
    while p >= 0:
        fire_timer(desk, memory, person, p)
        p = next_timer(desk, memory, at_us)
    for touch in range(desk.rows[i, R_FIRST], desk.rows[i, R_LAST]):
        desk.work[0, W_TOUCH] = touch
        desk.work[0, W_DONE] = 0
        key = set_key(desk, KIND_CALENDAR, desk.touches[touch, T_PROGRAMME], person)
        decide(desk, memory, person, 1, KIND_CALENDAR, at_us, TIMER_SEQ, key)
    refresh(desk, memory)


@in_core
def pass_time(desk: Desk, memory: NDArray, person: int, until_us: int) -> None:  # type: ignore[type-arg]  # compiled
    """Let everything happen that is due before an instant."""
    while memory[H_NEXT] < until_us:
        fire(desk, memory, person)


@in_core
def see_row(desk: Desk, memory: NDArray, person: int, i: int) -> None:  # type: ignore[type-arg]  # compiled
    """Let time pass up to a row, and take it."""
    pass_time(desk, memory, person, desk.rows[i, R_KNOWN])
    if len(desk.given) > 0:
        follow(desk, memory, person, desk.rows[i, R_KNOWN], desk.rows[i, R_SEQ], 0, 0)
    if desk.rows[i, R_TICK] == 1:
        tick(desk, memory, person, i)
    else:
        take(desk, memory, person, i)


def runner(digest: int) -> Callable[[Desk, NDArray, NDArray, NDArray, int], None]:  # type: ignore[type-arg]  # compiled
    """Return ``run``; the digest of the sources is part of it, so that stored code is renewed."""

    def run(
        desk: Desk,
        memories: NDArray,  # type: ignore[type-arg]  # compiled
        starts: NDArray,  # type: ignore[type-arg]  # compiled
        order: NDArray,  # type: ignore[type-arg]  # compiled
        until_us: int,
    ) -> None:
        """Take the rows of every person in their order, then let time pass to the end.

        Args:
            desk: Checked by the caller: every place lies inside its table.
            memories: Person x memory; changed.
            starts: Where a person's rows begin in ``order``; one entry more at the end.
            order: Rows person by person, each in ``(known_at, seq)`` order.
            until_us: What is due before it happens.
        """
        if digest < 0:
            return
        for person in range(len(memories)):
            memory = memories[person]
            if len(desk.given) > 0:
                desk.counts[C_GIVEN] = desk.given_start[person]
            for k in range(starts[person], starts[person + 1]):
                see_row(desk, memory, person, order[k])
            pass_time(desk, memory, person, until_us)
            if len(desk.given) > 0:
                follow(desk, memory, person, until_us, EMPTY_US, 0, 0)

    return run


def sources_digest() -> int:
    """Return a checksum of the sources that are compiled together with :func:`run`."""
    here = Path(__file__).parent
    names = ("core", "desk", "meters", "patterns", "choice", "clocks")
    checksum = zlib.crc32((here.parent / "records.py").read_bytes())
    for name in names:
        checksum = zlib.crc32((here / f"{name}.py").read_bytes(), checksum)
    return checksum


_compiled: Any = numba.njit(cache=True, nogil=True, _nrt=False)  # type: ignore[call-overload]  # without reference counts: the core borrows its arrays and makes none

run = runner(0)
"""The run in plain Python."""

run_compiled = _compiled(runner(sources_digest()))
"""The same functions compiled; the machine code is kept between processes."""
