"""Names of the columns of the arrays that the life works on. Owns no rule."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

TYPES = (
    "purchase", "app_open", "geo_enter", "check_in", "basket_add", "search", "registration",
    "offer_viewed", "offer_redeemed", "offer_rejected", "opt_out", "beacon_seen", "wifi_join",
    "product_view",
)  # fmt: skip
(
    PURCHASE, APP_OPEN, GEO_ENTER, CHECK_IN, BASKET_ADD, SEARCH, REGISTRATION,
    VIEWED, REDEEMED, REJECTED, OPTED_OUT, BEACON_SEEN, WIFI_JOIN, PRODUCT_VIEW,
) = range(14)  # fmt: skip
"""Types of events."""

SKIPPED = -1
"""The type of a row that is no event but a purchase that would have happened and did not."""

(
    E_PERSON, E_TS, E_TYPE, E_STORE, E_CHANNEL, E_CATEGORY, E_AMOUNT, E_DISCOUNT, E_MARGIN,
    E_QUANTITY, E_DISTANCE, E_NAMED, E_HASH, E_CAUSE, E_ACTION, E_KIND, E_AT, E_ANCHOR, E_TWIN,
    E_WIDTH,
) = range(20)  # fmt: skip
"""Columns of what comes out; -1 is nothing. ``E_TWIN``: what the twin pays for the same purchase."""

ANYWAY, INCREMENTAL, PULLED_FORWARD, HALO_VISIT = 0, 1, 2, 3
"""Why a purchase happened."""

DIP, TIRED, WAITED = 1, 2, 3
"""Why a purchase that would have happened did not: it was made before, fatigue, a discount awaited."""

OPEN_SLOTS, DELIVERIES_A_DAY, DIP_SLOTS, PARTS_A_DAY = 6, 6, 6, 6

F_ACTION, F_KIND, F_AT, F_ANCHOR, F_VIEWED, F_EXPIRES, F_PLAN, F_INDEX, F_USED, F_WIDTH = range(10)
"""Columns of an open offer; the index names it among those of its day."""

D_ACTION, D_KIND, D_AT, D_ANCHOR, D_KNOWN, D_CONTENT, D_WIDTH = range(7)
"""Columns of a delivery."""

A_TYPE, A_COST, A_VALIDITY, A_DELAY, A_CHANNEL, A_WIDTH = range(6)
"""Columns of an action as the world sees it."""

V_TIME, V_CAUSE, V_INDEX, V_PART, V_OFFER, V_APP, V_STORE, V_WIDTH = range(8)
"""Columns of a visit of the day at hand."""

FATIGUE, WAITING = 0, 1
HALO_UNTIL, NAMED = 0, 1
NEVER_US = 1 << 62
NEVER_DAY = 1 << 20


class Memory(NamedTuple):
    """What customers carry from one day to the next.

    Attributes:
        level: Customer x (fatigue, waiting for a discount).
        offers: Customer x slot x ``F_``; an action of -1 is an empty slot.
        dips: Customer x slot: visits made before their day, as day x 8 + part; -1: none.
        marks: Customer x (last day of halo, known by name).
        opted: Customer x channel of the world: day from whose midnight on they have opted out.
    """

    level: NDArray[np.float64]
    offers: NDArray[np.int64]
    dips: NDArray[np.int64]
    marks: NDArray[np.int64]
    opted: NDArray[np.int64]

    @classmethod
    def blank(cls, anonymous: NDArray[np.int64], channels: int) -> Memory:
        """Return the memory before the first day."""
        count = len(anonymous)
        marks = np.zeros((count, 2), dtype=np.int64)
        marks[:, HALO_UNTIL] = -1
        marks[:, NAMED] = 1 - anonymous
        offers = np.full((count, OPEN_SLOTS, F_WIDTH), -1, dtype=np.int64)
        dips = np.full((count, DIP_SLOTS), -1, dtype=np.int64)
        opted = np.full((count, max(channels, 1)), NEVER_DAY, dtype=np.int64)
        return cls(np.zeros((count, 2)), offers, dips, marks, opted)

    def put(self, which: NDArray[np.int64], other: Memory) -> None:
        """Take over the memory of some customers from another one, in the order of ``which``."""
        for mine, theirs in zip(self, other, strict=True):
            mine[which] = theirs
