"""The code books of a world and its events as stored columns. Owns no file and no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.log.schema import CONTRACT, Column
from workbench.world.memory import (
    E_ACTION,
    E_AMOUNT,
    E_ANCHOR,
    E_AT,
    E_CATEGORY,
    E_CHANNEL,
    E_DISCOUNT,
    E_DISTANCE,
    E_HASH,
    E_KIND,
    E_MARGIN,
    E_NAMED,
    E_PERSON,
    E_QUANTITY,
    E_STORE,
    E_TS,
    E_TYPE,
    PURCHASE,
    TYPES,
)
from workbench.world.offers import decision_ids

STORED = tuple(
    column
    for column in CONTRACT
    if column.stored not in ("received_at", "basket_id", "points", "weather", "temperature_c", "attributes")
)  # fmt: skip
"""The columns that a simulated log has."""

_OR_NOTHING = (
    "customer", "store", "channel", "category", "offer", "amount_cents", "discount_cents",
    "quantity", "distance_m",
)  # fmt: skip
"""Columns in which -1 stands for null."""


@dataclass(frozen=True, eq=False)
class Books:
    """What codes mean in a simulated log, and its reference tables: a log without events.

    Attributes:
        zone: Zone of the world.
        books: Column to its code book.
        frames: Reference tables by name.
        programme_of: Name of the programme of each action.
        offer_of: Code of the offer of each action, -1 for none.
        channel_of: Code of the channel, by 0 store, 1 app, then each action's.
    """

    zone: str
    books: Mapping[str, pl.Series]
    frames: Mapping[str, pl.DataFrame]
    programme_of: list[str]
    offer_of: NDArray[np.int64]
    channel_of: NDArray[np.int64]

    @property
    def digest(self) -> str:
        """Nothing: there are no events yet."""
        return ""

    @property
    def counts(self) -> Mapping[str, int]:
        """No event of any type yet."""
        return dict.fromkeys(TYPES, 0)

    @property
    def persons(self) -> int:
        """All customers."""
        return len(self.books["person"])

    @property
    def parts(self) -> list[Path]:
        """No file yet."""
        return []

    @property
    def columns(self) -> tuple[Column, ...]:
        """The contract."""
        return CONTRACT

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the reference tables."""
        return tuple(sorted(self.frames))

    def table(self, name: str) -> pl.DataFrame:
        """Return a reference table."""
        return self.frames[name]

    def codes(self, column: str) -> pl.Series:
        """Return the code book of a column, by its stored or decoded name."""
        stored = next((c.stored for c in CONTRACT if column in (c.stored, c.decoded)), column)
        return self.books.get(stored, pl.Series([], dtype=pl.String))

    def events(
        self, rows: NDArray[np.int64], persons: NDArray[np.int64], zone_of: NDArray[np.int64]
    ) -> pl.DataFrame:
        """Return the events among rows of the life as stored, in ``(known_at, seq)`` order.

        ``seq`` is the number of the event, which orders events of one instant; the dense numbers
        of the written log have the same order.

        Args:
            rows: Rows x ``E_``.
            persons: Code of the person by the row of the customer.
            zone_of: Zone of the customer by the row of the customer.
        """
        at = np.flatnonzero(rows[:, E_TYPE] >= 0)
        rows = rows[at[in_time(rows[at, E_TS], rows[at, E_HASH])]]
        person, action = persons[rows[:, E_PERSON]], rows[:, E_ACTION]
        answers = (action >= 0) & (rows[:, E_TYPE] != PURCHASE)
        at = np.flatnonzero(answers)
        channel = rows[:, E_CHANNEL]
        frame = pl.DataFrame(
            {
                "seq": rows[:, E_HASH],
                "ts": rows[:, E_TS],
                "person": person,
                "customer": np.where(rows[:, E_NAMED] == 1, person, -1),
                "type": rows[:, E_TYPE],
                "store": rows[:, E_STORE],
                "channel": np.where(channel >= 0, self.channel_of[channel], -1),
                "category": rows[:, E_CATEGORY],
                "offer": np.where(answers, self.offer_of[action], -1),
                "amount_cents": rows[:, E_AMOUNT],
                "discount_cents": rows[:, E_DISCOUNT],
                "margin_cents": rows[:, E_MARGIN],
                "quantity": rows[:, E_QUANTITY],
                "distance_m": rows[:, E_DISTANCE],
                "tz": zone_of[rows[:, E_PERSON]],
                "decision_id": self._answered(rows[at], person[at], at, len(rows)),
            }
        )
        found = {
            "event_id": pl.format("e{}", "seq"),
            "known_at": pl.col("ts"),
            "margin_cents": pl.when(pl.col("type") == PURCHASE).then("margin_cents"),
            **{name: pl.when(pl.col(name) >= 0).then(name) for name in _OR_NOTHING},
        }
        return frame.select(
            found.get(column.stored, pl.col(column.stored))
            .cast(column.stored_type)
            .alias(column.stored)
            for column in STORED
        )

    def _answered(
        self,
        rows: NDArray[np.int64],
        person: NDArray[np.int64],
        at: NDArray[np.int64],
        count: int,
    ) -> pl.Series:
        """Return the ids of the decisions that events answer, null for the others.

        Args:
            rows: The answers x ``E_``.
            person: The person of each.
            at: The place of each among the events.
            count: How many events there are.
        """
        ids = pl.repeat(None, count, dtype=pl.String, eager=True)
        if not len(at):
            return ids
        found = decision_ids(
            pl.Series(rows[:, E_ACTION]),
            pl.Series(rows[:, E_KIND]),
            pl.Series(rows[:, E_AT]),
            pl.Series(rows[:, E_ANCHOR]),
            self.books["person"].gather(person),
            self.programme_of,
        )
        return ids.scatter(at, found)


def in_time(ts_us: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the order by instant, then by number; instants that are the same are few.

    >>> in_time(np.array([7, 3, 7]), np.array([2, 5, 1])).tolist()
    [1, 2, 0]
    """
    order = np.argsort(ts_us)
    instants = ts_us[order]
    same = instants[1:] == instants[:-1]
    tied = np.zeros(len(order), dtype=bool)
    tied[1:] = same
    tied[:-1] |= same
    at = order[tied]
    order[tied] = at[np.lexsort((number[at], ts_us[at]))]
    return order
