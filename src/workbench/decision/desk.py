"""The arrays that the core works on, and the names of their columns. Owns no rule.

Everything is whole numbers in a few tables of one type, because each table more that compiled
functions pass on costs seconds of compiling. A column is named by the letter of its table: ``P_``
programmes, ``A_`` actions (an offer of a programme, or its award), ``M_`` meters, ``R_`` rows
(events and calendar ticks), ``T_`` touches (what a row means to a programme), ``O_`` rows put out,
``L_`` candidates looked at, ``G_`` decisions given from elsewhere, ``H_`` head of a person's memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

EMPTY_US = -(1 << 62)
"""An instant before every event: a slot that nothing has taken. Far from the ends of int64."""

NEVER_US = 1 << 62
"""An instant after every event: a timer that is not armed."""

TIMER_SEQ = 1 << 62
"""The ``seq`` of what time causes: behind every event of the same instant."""

EVENT, THEN, UNLESS, NTH, SILENCE, FIRST, EVERY = range(7)
ANCHOR, SECOND, AFTER = range(3)
KIND_EVENT, KIND_TIMER, KIND_CALENDAR, KIND_COLLECTED, KIND_RELEASE = range(5)
KINDS = ("event", "timer", "calendar", "collected", "release")
ROLLING, CALENDAR, HOLD = range(3)
DECIDED, DELIVERED, VIEWED, REDEEMED, REJECTED = range(5)
BEST, SOFTMAX, EPSILON, THOMPSON, POLICY = range(5)
SEND, LOG_ZONE, REFUSE = range(3)

H_NEXT, H_COLLECT, H_SINCE, H_WIDTH = range(4)

(
    P_PATTERN,
    P_SPAN,
    P_N,
    P_REARM,
    P_MEMORY,
    P_TIMER,
    P_COLLECT_US,
    P_COLLECT,
    P_QUEUE,
    P_QUIET_FROM,
    P_QUIET_TO,
    P_DISCARD,
    P_EXPIRE,
    P_WITHOUT_ZONE,
    P_FIRST_ACTION,
    P_LAST_ACTION,
    P_CHOOSE,
    P_EPSILON,
    P_LISTENING,
    P_SCORES,
    P_DRAWS,
    P_DRAW_COUNT,
    P_MADE,
    P_ARMS,
    P_WIDTH,
) = range(25)

(
    A_PROGRAMME,
    A_CHANNEL,
    A_CONSENT,
    A_CHECKS,
    A_CHECKS_END,
    A_COUNTS,
    A_COUNTS_END,
    A_ANSWERS,
    A_ANSWERS_END,
    A_BUDGETS,
    A_BUDGETS_END,
    A_MANDATORY,
    A_VALIDITY,
    A_WIDTH,
) = range(14)

(
    M_FIRST,
    M_LAST,
    M_NTH,
    M_KIND,
    M_WINDOW,
    M_CALENDAR,
    M_ZONE,
    M_WHAT,
    M_REASON,
    M_EXPIRES,
    M_COUNT,
    M_HOLD,
    M_WIDTH,
) = range(13)

(
    R_KNOWN,
    R_TS,
    R_SEQ,
    R_FIRST,
    R_LAST,
    R_ZONE,
    R_TICK,
    R_KEY,
    R_ANSWER,
    R_ANSWER_PROGRAMME,
    R_ANSWER_KIND,
    R_ANSWER_TS,
    R_ANSWER_KEY,
    R_WIDTH,
) = range(14)

(
    T_PROGRAMME,
    T_ROLE,
    T_ROW,
    T_TS,
    T_AUDIENCE,
    T_SUPPRESS,
    T_YES,
    T_NULL,
    T_LEVEL,
    T_DRAW,
    T_PART,
    T_ARM,
    T_GHOST,
    T_WORDS,
    T_WIDTH,
) = range(15)

(
    O_TS,
    O_KNOWN,
    O_SEQ,
    O_KEY,
    O_KIND,
    O_SET,
    O_PROGRAMME,
    O_TOUCH,
    O_REASON,
    O_ACTION,
    O_SHARE,
    O_METER,
    O_SHARES,
    O_LOOKS,
    O_PERSON,
    O_WIDTH,
) = range(16)

L_OUT, L_ACTION, L_REASON, L_METER, L_COUNT, L_LIMIT, L_FREE, L_WIDTH = range(8)

C_OUT, C_SHARES, C_LOOKS, C_REFUSED_ANSWERS, C_GIVEN, C_WIDTH = range(6)
W_TOUCH, W_OUT, W_DONE, W_WIDTH = range(4)

(
    G_KNOWN,
    G_SEQ,
    G_KEY,
    G_ACTION,
    G_AT,
    G_MADE,
    G_MADE_TS,
    G_UNTIL,
    G_WIDTH,
) = range(9)

MADE = 16
"""Delivered decisions that are remembered for each person: older ones can no more be answered.
Each takes three places: instant, key of the anchor and kind, action."""

Table = NDArray[np.int64]


class Desk(NamedTuple):
    """Rules, events and what comes out, as tables of whole numbers.

    Attributes:
        programmes: Programme x ``P_``.
        actions: Action x ``A_``.
        meters: Meter x ``M_``.
        lists: Meters and budgets that actions name, one after the other; masks of arms.
        zones: Zone x (first, end) in ``changes``; zone 0 is the log's, 1 is UTC.
        changes: (instant, offset from UTC in microseconds) from which on it holds.
        scores: By programme, level of context, and offer.
        weights: Softmax weights in the same places.
        draws: By programme, level, draw and offer: the score of that draw.
        slot: Offers that a decision set may give, and the number of channels.
        rows: Events and ticks x ``R_``.
        touches: Touch x ``T_``; those of a row lie together.
        consent_of: Person's row among those of whom consent may be known.
        consent_start: Where the changes of (row, channel) begin; one entry more at the end.
        consent_at: Instants of changes.
        consent_value: The answer from then on.
        closing_of: Budget x (first, end) in ``closings``.
        closings: (known_at, seq, key, end of the period), a budget's in their order.
        person_keys: Person x key that orders persons at one instant.
        out: What is put out x ``O_``.
        shares: Distributions, one after the other, in parts of 2**32.
        looks: Candidates x ``L_``; no rows when they are not wanted.
        counts: Numbers of rows used, ``C_``.
        work: Room for the candidates of one set x ``W_``.
        given: Decisions of another replay x ``G_``, each person's in their order: when there are
            any, memories follow them and not what is decided here.
        given_start: Where a person's begin in ``given``; one entry more at the end.
        kept: Room for one memory while something is decided that is not remembered.
    """

    programmes: Table
    actions: Table
    meters: Table
    lists: NDArray[np.int64]
    zones: Table
    changes: Table
    scores: NDArray[np.float64]
    weights: NDArray[np.int64]
    draws: NDArray[np.float64]
    slot: NDArray[np.int64]
    rows: Table
    touches: Table
    consent_of: NDArray[np.int64]
    consent_start: NDArray[np.int64]
    consent_at: NDArray[np.int64]
    consent_value: NDArray[np.int64]
    closing_of: Table
    closings: Table
    person_keys: NDArray[np.int64]
    out: Table
    shares: NDArray[np.int64]
    looks: Table
    counts: NDArray[np.int64]
    work: Table
    given: Table
    given_start: NDArray[np.int64]
    kept: NDArray[np.int64]


def nothing_given() -> dict[str, Any]:
    """Return the tables of a desk that follows nobody but itself."""
    none = np.zeros(0, dtype=np.int64)
    return {"given": np.zeros((0, G_WIDTH), dtype=np.int64), "given_start": none, "kept": none}
