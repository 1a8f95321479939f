"""The state between two replays: what was decided for each person, and what was known of them.

Owns its layout, its check against programmes and its way in and out of arrays. Touches no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.core import SPEC_VERSION, Limits, empty_slots
from workbench.decision.features import Past, no_past
from workbench.decision.programme import Programme
from workbench.errors import InputError, problem

_DAYS = ("day", "day_purchases", "day_spend_cents")
_FIGURES = ("purchases", "first_day", "last_day", "anchor_day")

PERSONS_SCHEMA = pl.Schema(
    {
        "person_id": pl.String(),
        "slots_us": pl.List(pl.Int64()),
        **dict.fromkeys(_FIGURES, pl.Int64()),
        **dict.fromkeys(_DAYS, pl.List(pl.Int64())),
    }
)


@dataclass(frozen=True, eq=False)
class CoreState:
    """Everything that a replay needs from the events before it.

    Attributes:
        programmes: Name and digest of each programme, in order.
        spec_version: Version of the rules that made it.
        position: ``(known_at_us, seq)`` of the last event seen; none before the first.
        persons: One row a person (:data:`PERSONS_SCHEMA`), ascending by ``person_id``.
    """

    programmes: tuple[tuple[str, str], ...]
    spec_version: int
    position: tuple[int, int] | None
    persons: pl.DataFrame

    @classmethod
    def empty(cls, programmes: Sequence[Programme]) -> CoreState:
        """Return the state before the first event."""
        return cls(identities(programmes), SPEC_VERSION, None, pl.DataFrame(schema=PERSONS_SCHEMA))

    def checked(self, programmes: Sequence[Programme]) -> CoreState:
        """Return the state itself when it belongs to the programmes.

        Raises:
            InputError: It was made by another version of the rules or by other programmes.
        """
        if self.spec_version != SPEC_VERSION:
            raise InputError(
                problem(
                    "spec_version of the state",
                    self.spec_version,
                    f"must be {SPEC_VERSION}: replay from the start",
                )
            )
        wanted = identities(programmes)
        if self.programmes != wanted:
            raise InputError(
                f"the state was saved by {_named(self.programmes)}, must be by "
                f"{_named(wanted)}: replay from the start"
            )
        return self

    def arrays(self, person_ids: pl.Series, limits: Limits) -> tuple[NDArray[np.int64], Past]:
        """Return slots and past of persons, in their order; those not yet seen are empty."""
        count = len(person_ids)
        if self.persons.is_empty():
            return empty_slots(limits, count), no_past(count)
        wanted = pl.DataFrame({"person_id": person_ids})
        rows = wanted.join(self.persons, on="person_id", how="left", maintain_order="left")
        slots, past = empty_slots(limits, count), no_past(count)
        known = rows["purchases"].is_not_null().to_numpy()
        seen = rows.filter(pl.col("purchases").is_not_null())
        if seen.height:
            slots[known] = seen["slots_us"].list.explode().to_numpy().reshape(seen.height, -1)
        for name in _FIGURES:
            getattr(past, name)[known] = seen[name].to_numpy()
        lengths = rows["day"].list.len().fill_null(0).to_numpy()
        past.start[1:] = np.cumsum(lengths)
        days = seen.select(_DAYS).filter(pl.col("day").list.len() > 0).explode(_DAYS)
        return slots, past._replace(**{name: np.array(days[name], np.int64) for name in _DAYS})

    def updated(
        self, persons: Sequence[pl.DataFrame], position: tuple[int, int] | None
    ) -> CoreState:
        """Return the state after a replay: those persons replaced, all others kept."""
        fresh = pl.concat([pl.DataFrame(schema=PERSONS_SCHEMA), *persons])
        kept = self.persons.join(fresh.select("person_id"), on="person_id", how="anti")
        return CoreState(
            self.programmes,
            self.spec_version,
            position if position is not None else self.position,
            pl.concat([kept, fresh]).sort("person_id"),
        )


def persons_frame(person_ids: pl.Series, slots_us: NDArray[np.int64], past: Past) -> pl.DataFrame:
    """Return persons as rows of a state, from arrays in their order."""
    owner = np.repeat(np.arange(len(person_ids)), np.diff(past.start))
    end = int(past.start[-1])
    days = (
        pl.DataFrame({name: getattr(past, name)[:end] for name in _DAYS})
        .with_columns(owner=pl.Series(owner, dtype=pl.Int64))
        .group_by("owner", maintain_order=True)
        .agg(*_DAYS)
    )
    frame = pl.DataFrame(
        {
            "person_id": person_ids,
            "slots_us": pl.Series(slots_us, dtype=pl.Array(pl.Int64, slots_us.shape[1])).cast(
                pl.List(pl.Int64)
            ),
            **{name: getattr(past, name) for name in _FIGURES},
        }
    ).with_columns(owner=pl.int_range(pl.len(), dtype=pl.Int64))
    none = pl.lit([], dtype=pl.List(pl.Int64()))
    return (
        frame.join(days, on="owner", how="left", maintain_order="left")
        .drop("owner")
        .with_columns(pl.col(name).fill_null(none) for name in _DAYS)
        .select(PERSONS_SCHEMA.names())
    )


def identities(programmes: Sequence[Programme]) -> tuple[tuple[str, str], ...]:
    """Return name and digest of programmes, in their order."""
    return tuple((each.name, each.digest) for each in programmes)


def _named(programmes: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name} (digest {digest[:12]})" for name, digest in programmes)
