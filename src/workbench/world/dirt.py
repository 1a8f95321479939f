"""Dirt on the written log: what a tracking pipeline does to clean events, each act recorded.

Owns every kind of dirt. The decisions were made on the clean events: what is dirty is the copy
that an analyst gets, as where an offer engine is fed live and the log is an export.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.log.schema import INSTANT
from workbench.world.books import in_time
from workbench.world.memory import APP_OPEN, REDEEMED, REJECTED, VIEWED
from workbench.world.noise import DIRT, keys_of, uniforms
from workbench.world.setting import Dirt

RECORD = pl.Schema(
    {"kind": pl.String(), "event_id": pl.String(), "person_id": pl.String(), "detail": pl.String()}
)
"""Columns of the record: what was done, to which event or to all events of which person."""

_HOUR_US = 3_600_000_000
_BOT_HOURS = 72
_DUPLICATE, _LATE, _DELAY, _LOST, _SKEW, _SKEW_BY, _SHARED, _SHARED_AS, _BOT, _ZONE = range(10)


@dataclass(eq=False)
class Soil:
    """Makes the events of a part dirty and keeps the record.

    Attributes:
        rule: How much of what.
        seed: Seed of the world.
        ids: Id of each person by code.
        starts: Midnights of the world.
        arms: Arm of each decision that went out, by ``decision_id``; read when an arm is hit.
        utc: Code of the zone UTC.
    """

    rule: Dirt
    seed: int
    ids: pl.Series
    starts: NDArray[np.int64]
    arms: Callable[[], pl.DataFrame]
    utc: int
    records: list[pl.DataFrame] = field(default_factory=list)

    def dirty(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the events of a part with dirt, in the order in which they became known."""
        clean = frame.with_columns(received_at=pl.lit(None, dtype=INSTANT))
        for act in (self._lost, self._shared, self._bots, self._skewed, self._zones, self._late):
            clean = act(clean)
        clean = self._twice(clean)
        known = pl.max_horizontal("ts", "received_at")
        return clean.with_columns(known_at=known).sort("known_at", "seq")

    def record(self) -> pl.DataFrame:
        """Return what was done, kind by kind."""
        return pl.concat([pl.DataFrame(schema=RECORD), *self.records]).sort(
            "kind", "event_id", "person_id", nulls_last=True
        )

    def _note(self, kind: str, frame: pl.DataFrame, detail: pl.Expr | None = None) -> None:
        """Keep the record of an act on events (``event_id``) or persons (``person``)."""
        person = self.ids.gather(frame["person"].cast(pl.UInt32)).alias("person_id")
        event = pl.col("event_id") if "event_id" in frame.columns else pl.lit(None)
        noted = frame.with_columns(person).select(
            pl.lit(kind).alias("kind"),
            event.alias("event_id"),
            "person_id",
            (pl.lit(None) if detail is None else detail).alias("detail"),
        )
        self.records.append(noted.cast(dict(RECORD)))  # type: ignore[arg-type]  # a schema

    def _hit(self, numbers: NDArray[np.int64], kind: int, rate: float) -> NDArray[np.bool_]:
        """Say which of numbered events or persons an act hits."""
        return self._draw(numbers, kind) < rate

    def _draw(self, numbers: NDArray[np.int64], kind: int) -> NDArray[np.float64]:
        return uniforms(keys_of(self.seed, f"dirt {kind}", numbers), DIRT, kind)

    def _lost(self, frame: pl.DataFrame) -> pl.DataFrame:
        gone = self._hit(frame["seq"].to_numpy(), _LOST, self.rule.lost)
        self._note("lost", frame.filter(pl.Series(gone)))
        kept = frame.filter(pl.Series(~gone))
        if self.rule.outage_arm is None:
            return kept
        last = min(self.rule.outage_from_day + self.rule.outage_days, len(self.starts) - 1)
        begin = int(self.starts[min(self.rule.outage_from_day, len(self.starts) - 1)])
        at = kept["ts"].to_physical()
        answers = kept["type"].is_in([VIEWED, REDEEMED, REJECTED])
        hit = self.arms().filter(pl.col("arm") == self.rule.outage_arm)["decision_id"]
        out = answers & (at >= begin) & (at < int(self.starts[last]))
        out &= kept["decision_id"].is_in(hit.implode())
        self._note("outage", kept.filter(out), pl.lit(self.rule.outage_arm))
        return kept.filter(~out)

    def _shared(self, frame: pl.DataFrame) -> pl.DataFrame:
        persons = frame["person"].unique().sort().to_numpy().astype(np.int64)
        if not len(persons) or not self.rule.shared_devices:
            return frame
        mine = persons[self._hit(persons, _SHARED, self.rule.shared_devices)]
        others = persons[(self._draw(mine, _SHARED_AS) * len(persons)).astype(np.int64)]
        table = pl.DataFrame(
            {"person": pl.Series(mine, dtype=pl.Int32), "other": pl.Series(others, dtype=pl.Int32)}
        ).filter(pl.col("person") != pl.col("other"))
        names = self.ids.gather(table["other"].cast(pl.UInt32)).alias("name")
        self._note("shared_device", table.with_columns(names), pl.col("name"))
        joined = frame.join(table, on="person", how="left", maintain_order="left")
        person = pl.coalesce("other", "person")
        customer = pl.when(pl.col("customer").is_not_null()).then(person)
        return joined.with_columns(person=person, customer=customer).drop("other")

    def _bots(self, frame: pl.DataFrame) -> pl.DataFrame:
        persons = frame["person"].unique().sort().to_numpy().astype(np.int64)
        mine = persons[self._hit(persons, _BOT, self.rule.bots)]
        if not len(mine):
            return frame
        hours = np.arange(_BOT_HOURS)
        at = int(self.starts[0]) + hours * _HOUR_US
        at = at[at < int(self.starts[-1])]
        person = np.repeat(mine, len(at))
        number = keys_of(self.seed, "bot", person * 1_000 + np.tile(np.arange(len(at)), len(mine)))
        number = (number >> np.uint64(1)).astype(np.int64)
        added = pl.DataFrame(
            {
                "event_id": pl.Series(number),
                "seq": number,
                "ts": pl.Series(np.tile(at, len(mine))).cast(INSTANT),
                "person": pl.Series(person, dtype=pl.Int32),
                "customer": pl.Series(person, dtype=pl.Int32),
                "type": pl.Series(np.full(len(person), APP_OPEN), dtype=pl.Int16),
                "channel": pl.Series(np.ones(len(person)), dtype=pl.Int32),
            }
        ).with_columns(pl.format("e{}", "event_id").alias("event_id"))
        self._note("bot", added)
        return pl.concat([frame, added], how="diagonal")

    def _skewed(self, frame: pl.DataFrame) -> pl.DataFrame:
        persons = frame["person"].to_numpy().astype(np.int64)
        hit = self._hit(persons, _SKEW, self.rule.clock_skew)
        by = np.where(hit, (2 * self._draw(persons, _SKEW_BY) - 1) * _HOUR_US, 0).astype(np.int64)
        true = frame["ts"].to_physical()
        self._note(
            "clock_skew",
            frame.with_columns(by=by).filter(pl.Series(hit)),
            pl.format("{} s", pl.col("by") // 1_000_000),
        )
        received = pl.when(pl.Series(hit)).then(true.cast(INSTANT)).otherwise("received_at")
        return frame.with_columns(received_at=received, ts=(true + pl.Series(by)).cast(INSTANT))

    def _zones(self, frame: pl.DataFrame) -> pl.DataFrame:
        hit = self._hit(frame["seq"].to_numpy(), _ZONE, self.rule.zone_errors)
        self._note("zone_error", frame.filter(pl.Series(hit)))
        wrong = pl.lit(self.utc, dtype=pl.Int32)
        return frame.with_columns(tz=pl.when(pl.Series(hit)).then(wrong).otherwise("tz"))

    def _late(self, frame: pl.DataFrame) -> pl.DataFrame:
        numbers = frame["seq"].to_numpy()
        hit = self._hit(numbers, _LATE, self.rule.late)
        mean = self.rule.late_hours * _HOUR_US
        delay = (-np.log(1 - self._draw(numbers, _DELAY)) * mean).astype(np.int64)
        self._note("late", frame.filter(pl.Series(hit)))
        arrival = (frame["ts"].to_physical() + pl.Series(delay)).cast(INSTANT)
        received = pl.when(pl.Series(hit)).then(arrival).otherwise("received_at")
        return frame.with_columns(received_at=received)

    def _twice(self, frame: pl.DataFrame) -> pl.DataFrame:
        hit = self._hit(frame["seq"].to_numpy(), _DUPLICATE, self.rule.duplicates)
        again = frame.filter(pl.Series(hit))
        number = keys_of(self.seed, "duplicate", again["seq"].to_numpy())
        number = (number >> np.uint64(1)).astype(np.int64)
        names = pl.format("e{}", pl.Series("n", number))
        copies = again.with_columns(seq=pl.Series(number), event_id=names)
        original = again["event_id"].alias("original")
        self._note("duplicate", copies.with_columns(original), pl.col("original"))
        return pl.concat([frame, copies])


def ranked(frames: Sequence[pl.DataFrame], first: int = 0) -> list[pl.DataFrame]:
    """Return parts whose ``seq`` is the rank of arrival over all of them, from a first one on."""
    ends = np.cumsum([0, *(frame.height for frame in frames)])
    whole = pl.concat([frame.select("known_at", "seq") for frame in frames])
    order = in_time(whole["known_at"].to_physical().to_numpy(), whole["seq"].to_numpy())
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) + first
    return [
        frame.with_columns(pl.Series("seq", rank[ends[k] : ends[k + 1]]))
        for k, frame in enumerate(frames)
    ]


__all__ = ["RECORD", "Soil", "ranked"]
