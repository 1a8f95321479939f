"""The values that cross the decision path, and the reason codes. Owns no behaviour and no I/O.

Instants are whole microseconds since 1970 in UTC, money is whole cents. The records of the core
are tuples of whole numbers, so that the same function reads them plain and compiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Stage = Literal[
    "experiment",
    "eligibility",
    "applicability",
    "suitability",
    "consent",
    "limits",
    "budget",
    "arbitration",
    "hold-out",
    "queued",
    "offered",
]

STAGES: tuple[Stage, ...] = (
    "experiment",
    "eligibility",
    "applicability",
    "suitability",
    "consent",
    "limits",
    "budget",
    "arbitration",
    "hold-out",
    "queued",
    "offered",
)
"""The stages of the funnel in the order in which a candidate passes them."""

DAY_US = 86_400_000_000
"""One day in microseconds: 24 hours, whatever the clocks of a zone do."""

NO, YES, UNKNOWN = 0, 1, 2
"""The three answers of a condition; ``UNKNOWN`` is SQL's NULL and never a yes."""

OFFERED = 1
HELD_OUT = 2
GLOBAL_HOLDOUT = 3
QUEUED = 4
AWARDED = 5
OTHER_LAYER = 6
OUTSIDE_COVERAGE = 7
NOT_IN_AUDIENCE = 10
AUDIENCE_UNKNOWN = 11
OTHER_ARM = 14
NOT_APPLICABLE = 15
APPLICABILITY_UNKNOWN = 16
SUPPRESSED = 20
SUPPRESSION_UNKNOWN = 21
NO_CONSENT = 30
CONSENT_UNKNOWN = 31
CAP_REACHED = 40
COOLDOWN = 41
ONCE = 42
CONCURRENCY = 43
REJECTIONS = 44
WAITING = 45
NO_ZONE = 46
QUIET_HOURS = 47
QUIET_EXPIRED = 48
BUDGET_CLOSED = 60
INVENTORY_GONE = 61
NOT_WORTH_IT = 62
OUTRANKED = 70
"""Codes of refusals grow along the path, so that the largest is the one that came furthest."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a candidate ended as it did.

    Attributes:
        code: A stable whole number; it is stored, so it never gets another meaning.
        name: What the decision log shows.
        stage: The stage of the funnel that settled the candidate.
        text: The reason for a reader.
    """

    code: int
    name: str
    stage: Stage
    text: str


REASONS: tuple[Reason, ...] = (
    Reason(OTHER_LAYER, "other_layer", "experiment", "the unit lies in another range of the layer"),
    Reason(
        OUTSIDE_COVERAGE,
        "outside_coverage",
        "experiment",
        "the unit takes no part in the experiment",
    ),
    Reason(
        NOT_IN_AUDIENCE, "not_in_audience", "eligibility", "the audience's condition was not met"
    ),
    Reason(
        AUDIENCE_UNKNOWN,
        "audience_unknown",
        "eligibility",
        "a value that the audience's condition needs is not known, which is never a yes",
    ),
    Reason(OTHER_ARM, "other_arm", "applicability", "the offer belongs to another arm"),
    Reason(NOT_APPLICABLE, "not_applicable", "applicability", "the offer's condition was not met"),
    Reason(
        APPLICABILITY_UNKNOWN,
        "applicability_unknown",
        "applicability",
        "a value that the offer's condition needs is not known, which is never a yes",
    ),
    Reason(SUPPRESSED, "suppressed", "suitability", "a suppression's condition was met"),
    Reason(
        SUPPRESSION_UNKNOWN,
        "suppression_unknown",
        "suitability",
        "a value that a suppression needs is not known, which suppresses",
    ),
    Reason(NO_CONSENT, "no_consent", "consent", "the customer has not agreed to the channel"),
    Reason(
        CONSENT_UNKNOWN,
        "consent_unknown",
        "consent",
        "whether the customer agreed to the channel is not known, which is never a yes",
    ),
    Reason(CAP_REACHED, "cap_reached", "limits", "a cap was reached"),
    Reason(COOLDOWN, "cooldown", "limits", "the last decision lies within the cooldown"),
    Reason(ONCE, "once", "limits", "the programme decides once for a customer"),
    Reason(CONCURRENCY, "concurrency", "limits", "as many offers are open as may be"),
    Reason(
        REJECTIONS, "rejections", "limits", "the customer rejected too often; the programme holds"
    ),
    Reason(WAITING, "waiting", "limits", "another occurrence of the programme waits already"),
    Reason(
        NO_ZONE,
        "no_zone",
        "limits",
        "the customer's zone is not known, so quiet hours cannot be kept",
    ),
    Reason(QUIET_HOURS, "quiet_hours", "limits", "it fell into the quiet hours and is discarded"),
    Reason(QUIET_EXPIRED, "quiet_expired", "limits", "it would have to wait longer than it may"),
    Reason(
        BUDGET_CLOSED, "budget_closed", "budget", "the budget is closed for the rest of its period"
    ),
    Reason(INVENTORY_GONE, "inventory_gone", "budget", "no piece of the offer is left"),
    Reason(NOT_WORTH_IT, "not_worth_it", "arbitration", "the policy's score is not above its cost"),
    Reason(
        OUTRANKED, "outranked", "arbitration", "another programme of the decision set took the slot"
    ),
    Reason(
        HELD_OUT,
        "held_out",
        "hold-out",
        "the customer is in the control: logged as a ghost, not delivered",
    ),
    Reason(
        GLOBAL_HOLDOUT,
        "global_holdout",
        "hold-out",
        "the customer is in the global hold-out: logged as a ghost, not delivered",
    ),
    Reason(QUEUED, "queued", "queued", "it waits for the end of the quiet hours"),
    Reason(AWARDED, "awarded", "offered", "the points are awarded"),
    Reason(OFFERED, "offered", "offered", "the offer goes out"),
)
"""Every reason, in the order of the funnel."""

REASON_OF_CODE: dict[int, Reason] = {reason.code: reason for reason in REASONS}


class Event(NamedTuple):
    """One event of the log as the core sees it, decoded.

    Attributes:
        event_id: Identity of the event.
        seq: Arrival order; unique.
        ts_us: When it happened, microseconds since 1970 in UTC.
        known_at_us: When it was known: the later of ``ts_us`` and the arrival.
        person_id: Whose event it is.
        type: ``purchase``, ``app_open``, …
        store_id: Id of the store, or none.
        channel: Where it happened, or none.
        category: What it was about, or none.
        offer_id: Id of the offer that it answers, or none.
        amount_cents: Money paid, whole cents.
        discount_cents: Money taken off, whole cents.
        margin_cents: Margin, whole cents.
        quantity: Number of pieces.
        points: Points of a loyalty scheme.
        distance_m: Distance to the store, metres.
        weather: Weather as seen at the event.
        temperature_c: Temperature as seen at the event, degrees Celsius.
        decision_id: The decision that it answers, or none.
        tz: IANA zone of the customer at the event, or none.
        extra: Further columns of the log, by name.

    >>> Event("e1", 0, 0, 0, "ann", "purchase", amount_cents=1250).amount_cents
    1250
    """

    event_id: str
    seq: int
    ts_us: int
    known_at_us: int
    person_id: str
    type: str
    store_id: str | None = None
    channel: str | None = None
    category: str | None = None
    offer_id: str | None = None
    amount_cents: int | None = None
    discount_cents: int | None = None
    margin_cents: int | None = None
    quantity: int | None = None
    points: int | None = None
    distance_m: float | None = None
    weather: str | None = None
    temperature_c: float | None = None
    decision_id: str | None = None
    tz: str | None = None
    extra: Mapping[str, object] | None = None


class Taken(NamedTuple):
    """A decision that took slots, delivered, ghost or queued: what ``fold`` enters.

    Attributes:
        action: Position of the action among those of all programmes.
        at_us: The instant that windows measure.
    """

    action: int
    at_us: int


class Decision(NamedTuple):
    """One row of the decision log; "no offer" is a decision too.

    Attributes:
        decision_id: A pure function of programme, kind of occurrence, instant and anchor event.
        set_id: Names the candidates that compete at one instant.
        event_id: The anchor event; none for a broadcast.
        person: ``person_id`` of whose decision it is.
        ts_us: The instant that windows measure: of an event its ``ts``, of a timer its deadline.
        known_at_us: When the decision is made.
        programme: Name of the programme.
        kind: ``event``, ``timer``, ``calendar`` or ``release``.
        arm: ``treatment``, ``control``, another arm, or ``none`` outside the experiment.
        offer_id: The offer, or none.
        channel: Channel of the offer, or none.
        variant: Its wording, or none.
        points: What a listening programme awards, or none.
        delivered: False with an offer is a ghost (what the control would have got) or queued.
        p_assignment: Probability of the arm, once per person.
        p_selection: Probability of the selected action, given arm and state.
        distribution: For each offer of the programme its probability in parts of 2**32, or none.
        measured: Whether the customer is in the group that the global hold-out is compared with.
        score: Expected value net of cost of the selected offer, in cents, or none.
        reason: Name of the reason.
        cost_cents: What the offer costs when it is redeemed; 0 when nothing is delivered.
        would_cost_cents: What the ghost would have cost when redeemed; 0 for all others.
        programme_digest: Identity of the programme's text.
    """

    decision_id: str
    set_id: str
    event_id: str | None
    person: str
    ts_us: int
    known_at_us: int
    programme: str
    kind: str
    arm: str
    offer_id: str | None
    channel: str | None
    variant: str | None
    points: int | None
    delivered: bool
    p_assignment: float
    p_selection: float
    distribution: tuple[int, ...] | None
    measured: bool
    score: float | None
    reason: str
    cost_cents: int
    would_cost_cents: int
    programme_digest: str
