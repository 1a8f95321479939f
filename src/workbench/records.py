"""The values that cross the decision path, and the reason codes. Owns no behaviour and no I/O.

Instants are whole microseconds since 1970 in UTC, money is whole cents. The records of the core
are tuples of whole numbers, so that the same function reads them plain and compiled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

Stage = Literal["eligibility", "suitability", "limits", "hold-out", "offered"]

STAGES: tuple[Stage, ...] = ("eligibility", "suitability", "limits", "hold-out", "offered")
"""The stages of the funnel in the order in which a candidate passes them."""

DAY_US = 86_400_000_000
"""One day in microseconds: 24 hours, whatever the clocks of a zone do."""

NO, YES, UNKNOWN = 0, 1, 2
"""The three answers of a condition; ``UNKNOWN`` is SQL's NULL and never a yes."""

OFFERED = 1
HELD_OUT = 2
NOT_IN_AUDIENCE = 10
AUDIENCE_UNKNOWN = 11
SUPPRESSED = 20
SUPPRESSION_UNKNOWN = 21
CAP_REACHED = 40
COOLDOWN = 41


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
    Reason(
        NOT_IN_AUDIENCE, "not_in_audience", "eligibility", "the audience's condition was not met"
    ),
    Reason(
        AUDIENCE_UNKNOWN,
        "audience_unknown",
        "eligibility",
        "a value that the audience's condition needs is not known, which is never a yes",
    ),
    Reason(SUPPRESSED, "suppressed", "suitability", "a suppression's condition was met"),
    Reason(
        SUPPRESSION_UNKNOWN,
        "suppression_unknown",
        "suitability",
        "a value that a suppression needs is not known, which suppresses",
    ),
    Reason(CAP_REACHED, "cap_reached", "limits", "the cap of the rolling window was reached"),
    Reason(COOLDOWN, "cooldown", "limits", "the last decision lies within the cooldown"),
    Reason(
        HELD_OUT,
        "held_out",
        "hold-out",
        "the customer is in the control: logged as a ghost, not delivered",
    ),
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


class Candidate(NamedTuple):
    """One programme that one event triggers, before it is decided.

    Attributes:
        programme: Position of the programme.
        person: Row of the person in the state.
        at_us: The instant that windows measure: the event's ``ts``.
        audience: ``NO``, ``YES`` or ``UNKNOWN``.
        suppress: ``NO``, ``YES`` or ``UNKNOWN``.
        bucket: 0 to 9,999, from the keyed hash of (salt, person).
    """

    programme: int
    person: int
    at_us: int
    audience: int
    suppress: int
    bucket: int


class Taken(NamedTuple):
    """A decision that took a slot of the cap, delivered or ghost: the event that ``fold`` reads.

    Attributes:
        programme: Position of the programme.
        person: Row of the person in the state.
        at_us: The instant that windows measure.
    """

    programme: int
    person: int
    at_us: int


class Decision(NamedTuple):
    """One row of the decision log; "no offer" is a decision too.

    Attributes:
        decision_id: A pure function of programme, kind of occurrence, instant and anchor event.
        set_id: Names the candidates that compete at one instant.
        event_id: The anchor event.
        person: ``person_id`` of whose decision it is.
        ts_us: When the anchor event happened.
        known_at_us: When it was known, which is when the decision is made.
        programme: Name of the programme.
        arm: ``treatment`` or ``control``.
        offer_id: The offer, or none.
        channel: Channel of the offer, or none.
        delivered: False with an offer is a ghost: what the control would have got.
        p_assignment: Probability of the arm, once per person.
        p_selection: Probability of the selected action, given arm and state.
        score: Expected value net of cost of the selected offer, in cents, or none.
        reason: Name of the reason.
        cost_cents: What the offer costs when it is redeemed; 0 when nothing is delivered.
        would_cost_cents: What the ghost would have cost when redeemed; 0 for all others.
        programme_digest: Identity of the programme's text.
    """

    decision_id: str
    set_id: str
    event_id: str
    person: str
    ts_us: int
    known_at_us: int
    programme: str
    arm: str
    offer_id: str | None
    channel: str | None
    delivered: bool
    p_assignment: float
    p_selection: float
    score: float | None
    reason: str
    cost_cents: int
    would_cost_cents: int
    programme_digest: str
