"""Features in use, built in and declared, as tracks and figures. Owns their meaning, no memory.

:class:`FeatureSet` says which event types it needs, turns events into weights and figures into the
values that conditions read; :mod:`workbench.decision.rolling` does the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision import rolling
from workbench.decision.features import SOURCE_EVENT, WINDOW_DAYS
from workbench.decision.programme import FeatureRule
from workbench.decision.rolling import NULL, Plan, Rest


@dataclass(frozen=True)
class Track:
    """One stream of whole numbers that is added up by day.

    Attributes:
        event: Event type that it is about.
        column: What is added; none: events are counted.
        only: A column and its value that events must have: the day-part or the category.
        window_days: Days of the window; 0: all that was ever known.
    """

    event: str
    column: str | None = None
    only: tuple[str, str] | None = None
    window_days: int = 0


_EVER = Track(SOURCE_EVENT)
_BUILT_IN: Mapping[str, tuple[tuple[Track, int], ...]] = {
    "purchase_number": ((_EVER, rolling.TOTAL_WITH_ITSELF),),
    "days_since_purchase": ((_EVER, rolling.DAYS_SINCE_LAST),),
    "first_purchase_days_ago": ((_EVER, rolling.DAYS_SINCE_FIRST),),
    "purchases_90d": ((Track(SOURCE_EVENT, window_days=WINDOW_DAYS), rolling.TOTAL),),
    "spend_90d_cents": (
        (Track(SOURCE_EVENT, "amount_cents", window_days=WINDOW_DAYS), rolling.TOTAL),
    ),
}


def _figures_of(rule: FeatureRule) -> tuple[tuple[Track, int], ...]:
    """Return what a declared feature is made of; a share is its part and its whole."""
    days = rule.window_days or 0
    match rule.measure:
        case "days_since":
            return ((Track(rule.of), rolling.DAYS_SINCE_LAST),)
        case "sum":
            return ((Track(rule.of, rule.column, window_days=days), rolling.TOTAL),)
        case "share_daypart" | "share_category":
            column = rule.measure.removeprefix("share_")
            part = Track(rule.of, only=(column, rule.value or ""), window_days=days)
            return ((part, rolling.TOTAL), (Track(rule.of, window_days=days), rolling.TOTAL))
    return ((Track(rule.of, window_days=days), rolling.TOTAL),)


@dataclass(frozen=True, eq=False)
class FeatureSet:
    """The features that conditions read.

    Attributes:
        names: Their names; no other is computed.
        tracks: What is added up by day.
        figures_of: By name the places of its figures: one, or part and whole of a share.
        plan: The same as arrays.
    """

    names: tuple[str, ...]
    tracks: tuple[Track, ...]
    figures_of: Mapping[str, tuple[int, ...]]
    plan: Plan

    @classmethod
    def of(cls, declared: Iterable[FeatureRule], used: Iterable[str]) -> FeatureSet:
        """Return the features among the names in use.

        Args:
            declared: Every declared feature.
            used: Names that conditions read; those that are no feature are passed over.

        >>> FeatureSet.of([], ["purchases_90d", "spend_90d_cents", "weather"]).names
        ('purchases_90d', 'spend_90d_cents')
        """
        known = {**_BUILT_IN, **{rule.name: _figures_of(rule) for rule in declared}}
        names = tuple(sorted(set(used) & set(known)))
        figures = list(dict.fromkeys(figure for name in names for figure in known[name]))
        tracks = list(dict.fromkeys(track for track, _ in figures))
        places = {name: tuple(figures.index(each) for each in known[name]) for name in names}
        plan = rolling.plan_of(
            [track.window_days for track in tracks],
            [(tracks.index(track), rule) for track, rule in figures],
        )
        return cls(names, tuple(tracks), places, plan)

    @property
    def event_types(self) -> tuple[str, ...]:
        """Event types that the features are about."""
        return tuple(dict.fromkeys(track.event for track in self.tracks))

    @property
    def reads(self) -> frozenset[str]:
        """Columns of the event that :meth:`weights` reads, by their decoded names."""
        columns = {track.column for track in self.tracks if track.column is not None}
        return frozenset(columns | {track.only[0] for track in self.tracks if track.only})

    def weights(
        self, types: pl.Series, codes: Mapping[str, int], columns: pl.DataFrame
    ) -> NDArray[np.int64]:
        """Return what each event adds to each track (track x row).

        Args:
            types: Code of the type of each event.
            codes: Code of each event type; one that the log has not adds nothing.
            columns: The columns of :attr:`reads`, decoded; null adds nothing.
        """
        found = np.zeros((len(self.tracks), types.len()), dtype=np.int64)
        for place, track in enumerate(self.tracks):
            if track.event not in codes:
                continue
            mine = types == codes[track.event]
            if track.only is not None:
                name, value = track.only
                mine &= (columns[name] == value).fill_null(value=False)
            found[place] = np.array(mine.fill_null(value=False), dtype=np.int64)
            if track.column is not None:
                found[place] *= np.array(columns[track.column].cast(pl.Int64).fill_null(0))
        return found

    def weights_of_one(self, event_type: str, values: Mapping[str, object]) -> NDArray[np.int64]:
        """Return what one event adds to each track (track x 1)."""
        found = np.zeros((len(self.tracks), 1), dtype=np.int64)
        for place, track in enumerate(self.tracks):
            if track.event != event_type:
                continue
            if track.only is not None and values.get(track.only[0]) != track.only[1]:
                continue
            value = 1 if track.column is None else values.get(track.column)
            found[place, 0] = value if isinstance(value, int) else 0
        return found

    def column(self, name: str, figures: NDArray[np.int64]) -> pl.Series:
        """Return one feature for rows of figures (row x figure); not known is null."""
        places = self.figures_of[name]
        if len(places) == 1:
            column = pl.Series(name, np.ascontiguousarray(figures[:, places[0]]))
            return column.set(column == NULL, None)
        part, whole = (figures[:, place].astype(np.float64) for place in places)
        share = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole != 0)
        return pl.Series(name, share).fill_nan(None)

    def value(self, name: str, figures: Sequence[int] | NDArray[np.int64]) -> float | int | None:
        """Return one feature for the figures of one event; none: not known."""
        places = self.figures_of[name]
        first = int(figures[places[0]])
        if len(places) == 1:
            return None if first == NULL else first
        whole = int(figures[places[1]])
        return first / whole if whole else None


def rest_frame(rest: Rest) -> pl.DataFrame:
    """Return pasts at rest as rows, one a person, to be stored."""
    persons = len(rest.anchor_day)
    end = int(rest.start[-1])
    owner = np.repeat(np.arange(persons), np.diff(rest.start))
    days = (
        pl.DataFrame({name: getattr(rest, name)[:end] for name in _DAYS})
        .with_columns(owner=pl.Series(owner, dtype=pl.Int64))
        .group_by("owner", maintain_order=True)
        .agg(_DAYS)
    )
    frame = pl.DataFrame({"anchor_day": rest.anchor_day}).with_columns(
        _lists(name, getattr(rest, name)) for name in _TRACKS
    )
    none = pl.lit([], dtype=pl.List(pl.Int64()))
    return (
        frame.with_columns(owner=pl.int_range(pl.len(), dtype=pl.Int64))
        .join(days, on="owner", how="left", maintain_order="left")
        .select("anchor_day", *_TRACKS, *(pl.col(name).fill_null(none) for name in _DAYS))
    )


def _lists(name: str, table: NDArray[np.int64]) -> pl.Series:
    """Return rows of a table as lists."""
    if not table.shape[1]:
        return pl.Series(name, [[]] * len(table), dtype=pl.List(pl.Int64))
    wide = pl.Array(pl.Int64, table.shape[1])
    return pl.Series(name, table, dtype=wide).cast(pl.List(pl.Int64))


def rest_of(plan: Plan, frame: pl.DataFrame) -> Rest:
    """Return pasts at rest from stored rows; a row of nulls is a person not yet known."""
    rest = rolling.nothing_at_rest(plan, frame.height)
    known = frame["anchor_day"].is_not_null().to_numpy()
    seen = frame.filter(pl.col("anchor_day").is_not_null())
    rest.anchor_day[known] = seen["anchor_day"].to_numpy()
    for name in _TRACKS if len(plan.window) else ():
        flat = np.array(seen[name].list.explode(), dtype=np.int64)
        getattr(rest, name)[known] = flat.reshape(seen.height, len(plan.window))
    lengths = np.array(frame["day"].list.len().fill_null(0), dtype=np.int64)
    rest.start[1:] = np.cumsum(lengths)
    days = seen.filter(pl.col("day").list.len() > 0).select(_DAYS).explode(_DAYS)
    return rest._replace(**{name: np.array(days[name], dtype=np.int64) for name in _DAYS})


_TRACKS = ("total", "first_day", "last_day")
_DAYS = ("day", "track", "day_sum")

REST_SCHEMA = pl.Schema(
    {"anchor_day": pl.Int64(), **dict.fromkeys((*_TRACKS, *_DAYS), pl.List(pl.Int64()))}
)
"""Columns of a past at rest, one row a person."""
