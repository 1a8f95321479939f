"""Consent as dated changes by person and channel, in arrays. Decides nothing.

The reference table ``consent`` has ``customer_id``, ``channel``, ``granted`` (a boolean) and, when
it is dated, ``valid_from`` and ``valid_to``. Before the first change nothing is known, which is
never a yes; what is not granted again after ``valid_to`` is a no.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.dated import ALWAYS_US, NEVER_US, VALID_FROM, VALID_TO, instants_us
from workbench.errors import InputError
from workbench.records import NO, UNKNOWN, YES

TABLE = "consent"
_COLUMNS = ("customer_id", "channel", "granted")


class Consent(NamedTuple):
    """Changes of consent; those of person p and channel c lie at start[p * channels + c] and on.

    Attributes:
        start: Where the changes of each pair begin; one entry more at the end.
        at_us: Instants of changes, ascending within a pair.
        value: ``NO``, ``YES`` or ``UNKNOWN`` from then on.
    """

    start: NDArray[np.int64]
    at_us: NDArray[np.int64]
    value: NDArray[np.int8]

    def known(self, pair: int, at_us: int) -> int:
        """Return ``NO``, ``YES`` or ``UNKNOWN`` of a pair at an instant: the plain look-up."""
        first, end = int(self.start[pair]), int(self.start[pair + 1])
        place = first + int(np.searchsorted(self.at_us[first:end], at_us, side="right")) - 1
        return int(self.value[place]) if place >= first else UNKNOWN


def consent_arrays(
    table: pl.DataFrame | None, person_ids: pl.Series, channels: Sequence[str], *, zone: str
) -> Consent:
    """Return the consent of persons to channels.

    Args:
        table: The reference table; none: nothing is known of anybody.
        person_ids: The persons; a customer's id is that of the person.
        channels: The channels, in the order of the pairs.
        zone: Zone in which dates begin.

    Raises:
        InputError: The table lacks a column, or says two things of one instant.
    """
    pairs = len(person_ids) * len(channels)
    if table is None or table.is_empty() or not pairs:
        none = np.zeros(0, dtype=np.int64)
        return Consent(np.zeros(pairs + 1, dtype=np.int64), none, none.astype(np.int8))
    changes = _changes(table, zone)
    persons = pl.DataFrame({"person": person_ids}).with_row_index("p")
    names = pl.DataFrame({"channel": list(channels)}).with_row_index("c")
    found = (
        changes.join(persons, left_on="customer_id", right_on="person")
        .join(names, on="channel")
        .with_columns(pair=pl.col("p").cast(pl.Int64) * len(channels) + pl.col("c"))
        .sort("pair", "at_us", "order")
    )
    # A beginning at the instant of an end counts: of one instant the last change stays.
    found = found.unique(["pair", "at_us"], keep="last", maintain_order=True)
    counts = np.bincount(found["pair"].to_numpy(), minlength=pairs)
    start = np.zeros(pairs + 1, dtype=np.int64)
    np.cumsum(counts, out=start[1:])
    return Consent(
        start,
        np.array(found["at_us"], dtype=np.int64),
        np.array(found["value"], dtype=np.int8),
    )


def _changes(table: pl.DataFrame, zone: str) -> pl.DataFrame:
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        has = ", ".join(table.columns)
        raise InputError(f"table {TABLE} has no column {', '.join(missing)}; it has {has}")
    if table["granted"].dtype != pl.Boolean:
        raise InputError(f"table {TABLE}: granted was {table['granted'].dtype}, must be boolean")
    bounds = [
        instants_us(table[name], zone, empty=empty, where=f"table {TABLE}")
        if name in table.columns
        else np.full(table.height, empty, dtype=np.int64)
        for name, empty in ((VALID_FROM, ALWAYS_US), (VALID_TO, NEVER_US))
    ]
    value = pl.when("granted").then(YES).when(~pl.col("granted")).then(NO).otherwise(UNKNOWN)
    rows = table.select(
        pl.col("customer_id", "channel").cast(pl.String), value.cast(pl.Int8).alias("value")
    )
    begins = rows.with_columns(at_us=pl.Series(bounds[0]), order=1)
    twice = begins.group_by("customer_id", "channel", "at_us").agg(pl.col("value").n_unique())
    twice = twice.filter(pl.col("value") > 1)
    if twice.height:
        who, channel = twice.sort("customer_id", "channel").row(0)[:2]
        raise InputError(
            f"table {TABLE} both grants and refuses {channel!r} for {who!r} from one instant on"
        )
    ends = rows.with_columns(
        pl.lit(NO, dtype=pl.Int8).alias("value"), at_us=pl.Series(bounds[1]), order=0
    ).filter(pl.col("at_us") < NEVER_US)
    return pl.concat([ends, begins])
