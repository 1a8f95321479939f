"""The code books of a world and its events as stored columns. Owns no file and no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.log.schema import CONTRACT, INSTANT, Column
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
        """Return rows of the life as stored events in ``(known_at, seq)`` order.

        ``seq`` is the number of the event, which orders events of one instant; the dense numbers
        of the written log have the same order.

        Args:
            rows: Rows x ``E_``, each an event.
            persons: Code of the person by the row of the customer.
            zone_of: Zone of the customer by the row of the customer.
        """
        order = np.lexsort((rows[:, E_HASH], rows[:, E_TS]))
        rows = rows[order]
        person, action = persons[rows[:, E_PERSON]], rows[:, E_ACTION]
        answers = (action >= 0) & (rows[:, E_TYPE] != PURCHASE)
        frame = pl.DataFrame(
            {
                "event_id": pl.Series(rows[:, E_HASH]),
                "seq": rows[:, E_HASH],
                "ts": pl.Series(rows[:, E_TS]).cast(INSTANT),
                "known_at": pl.Series(rows[:, E_TS]).cast(INSTANT),
                "person": pl.Series(person, dtype=pl.Int32),
                "customer": _coded(np.where(rows[:, E_NAMED] == 1, person, -1)),
                "type": pl.Series(rows[:, E_TYPE], dtype=pl.Int16),
                "store": _coded(rows[:, E_STORE]),
                "channel": _coded(
                    np.where(rows[:, E_CHANNEL] >= 0, self.channel_of[rows[:, E_CHANNEL]], -1)
                ),
                "category": _coded(rows[:, E_CATEGORY]),
                "offer": _coded(np.where(answers, self.offer_of[action], -1)),
                "amount_cents": _whole(rows[:, E_AMOUNT]),
                "discount_cents": _whole(rows[:, E_DISCOUNT]),
                "margin_cents": pl.Series(rows[:, E_MARGIN]).set(
                    pl.Series(rows[:, E_TYPE] != PURCHASE), None
                ),
                "quantity": _whole(rows[:, E_QUANTITY]),
                "distance_m": _whole(rows[:, E_DISTANCE]).cast(pl.Float64),
                "tz": pl.Series(zone_of[rows[:, E_PERSON]], dtype=pl.Int32),
            }
        ).with_columns(pl.format("e{}", "event_id").alias("event_id"))
        at = np.flatnonzero(answers)
        ids = pl.Series("decision_id", [None], dtype=pl.String).extend_constant(None, len(rows) - 1) if len(rows) else pl.Series("decision_id", [], dtype=pl.String)  # fmt: skip
        if len(at):
            found = decision_ids(
                pl.Series(action[at]),
                pl.Series(rows[at, E_KIND]),
                pl.Series(rows[at, E_AT]),
                pl.Series(rows[at, E_ANCHOR]),
                self.books["person"].gather(person[at]),
                self.programme_of,
            )
            ids = ids.scatter(at, found)
        return frame.with_columns(ids).select(
            pl.col(column.stored).cast(column.stored_type) for column in STORED
        )


def _coded(values: NDArray[np.int64]) -> pl.Series:
    column = pl.Series(values, dtype=pl.Int32)
    return column.set(column < 0, None)


def _whole(values: NDArray[np.int64]) -> pl.Series:
    column = pl.Series(values, dtype=pl.Int64)
    return column.set(column < 0, None)
