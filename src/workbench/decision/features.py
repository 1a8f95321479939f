"""The features that every programme has: their names and what they measure. Computes nothing.

A feature says what was known *before* the event: events earlier in ``(known_at, seq)``. Days are
calendar days on the customer's clock. A window of 90 days ends with the day on which the event
became known and begins 89 days before it; what lies in it is told by the ``ts`` of past events.
``declared`` says what each is made of, ``rolling`` adds up.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.conditions import ColumnType

SOURCE_EVENT = "purchase"
"""The event type that these features are about."""

WINDOW_DAYS = 90


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of the logged past.

    Attributes:
        name: What a condition calls it, with its unit.
        text: What it measures.
        type: Its type in a condition.
    """

    name: str
    text: str
    type: ColumnType = "number"


FEATURES: tuple[Feature, ...] = (
    Feature("purchase_number", "purchases so far, counting this event when it is one"),
    Feature("days_since_purchase", "days since the last purchase before this event; null: none"),
    Feature("first_purchase_days_ago", "days since the first known purchase; null: none before"),
    Feature("purchases_90d", "purchases in the last 90 days, before this event"),
    Feature("spend_90d_cents", "sum of their amounts in cents; an amount not known adds nothing"),
)
"""Every built-in feature; a programme or a house may declare more."""

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
