"""Cuts a log into windows of known time, so that memory is bounded. Owns no event and no state.

The parts of a log are ordered by ``(known_at, seq)``, and a Parquet file says for each of its row
groups from when to when it reaches: the cuts need no event to be read.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow.parquet as pq

from workbench.errors import InputError
from workbench.log.schema import INSTANT

Position = tuple[int, int]
"""``(known_at_us, seq)``: events before it were seen, an event at it was not."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_SEQ = -(1 << 62)
"""Before the ``seq`` of every event."""

ROWS_AT_ONCE = 1_000_000
"""Events of a part that are in memory at one time, as near as the instants allow."""


class Window(NamedTuple):
    """Known time from a position up to, not including, another one.

    Attributes:
        since: Events before it were seen; none: from the first on.
        until: Events from it on are not yet seen.
    """

    since: Position | None
    until: Position


class Group(NamedTuple):
    """A row group of a part.

    Attributes:
        first_us: Earliest ``known_at``.
        last_us: Latest ``known_at``.
        rows: Number of events.
    """

    first_us: int
    last_us: int
    rows: int


def groups_of(part: Path) -> list[Group]:
    """Return the row groups of a part.

    Raises:
        InputError: The file is not readable as Parquet, or lies out of order.
    """
    try:
        metadata = pq.read_metadata(part)
    except (OSError, ValueError) as error:
        raise InputError(f"{part} is not readable as Parquet: {error}; ingest again") from None
    groups = []
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if group.num_rows:
            first, last = _bounds(part, group)
            groups.append(Group(first, last, group.num_rows))
    for before, after in itertools.pairwise(groups):
        if after.first_us < before.last_us:
            raise InputError(
                f"{part} is out of order: an event known at {_instant(after.first_us)} comes after "
                f"one known at {_instant(before.last_us)}; ingest the log again"
            )
    return groups


def behind_last(parts: Sequence[Path], groups: Sequence[Sequence[Group]]) -> Position | None:
    """Return the position behind the last event of a log, none for an empty one."""
    last_us = max((each.last_us for part in groups for each in part), default=None)
    if last_us is None:
        return None
    at = pl.lit(last_us).cast(INSTANT)
    seqs = [
        pl.scan_parquet(path).filter(pl.col("known_at") == at).select(pl.col("seq").max()).collect()
        for path, part in zip(parts, groups, strict=True)
        if part and part[-1].last_us == last_us
    ]
    return last_us, max(int(each.item()) for each in seqs) + 1


def windows_of(
    groups: Sequence[Sequence[Group]],
    since: Position | None,
    until: Position,
    *,
    least: int = 1,
    rows: int = ROWS_AT_ONCE,
) -> tuple[Window, ...]:
    """Cut the time from one position to another into windows of about equal numbers of events.

    Args:
        groups: The row groups of each part.
        since: Where to begin; none: before the first event.
        until: Where to end.
        least: Windows wanted at least (fewer when the events lie at fewer instants).
        rows: Events of one part that a window may hold, as near as the instants allow.

    >>> groups = [[Group(0, 9, 100), Group(9, 19, 100)], [Group(3, 30, 200)]]
    >>> [window.until[0] for window in windows_of(groups, None, (31, 0), rows=100)]
    [13, 31]
    >>> windows_of(groups, None, (31, 0))
    (Window(since=None, until=(31, 0)),)
    """
    begin_us = since[0] if since is not None else None
    reach = [
        [
            each
            for each in part
            if each.first_us <= until[0] and (begin_us is None or each.last_us >= begin_us)
        ]
        for part in groups
    ]
    largest = max((sum(each.rows for each in part) for part in reach), default=0)
    count = max(-(-largest // rows), least)
    cuts = []
    if count > 1:
        flat = [each for part in reach for each in part]
        total = sum(each.rows for each in flat)
        cuts = [_instant_of(flat, total * part // count) for part in range(1, count)]
    inside = [
        (cut, FIRST_SEQ)
        for cut in sorted(set(cuts))
        if (since is None or (cut, FIRST_SEQ) > since) and (cut, FIRST_SEQ) < until
    ]
    edges = [since, *inside, until]
    return tuple(Window(low, high) for low, high in itertools.pairwise(edges) if high is not None)


def _instant_of(groups: Sequence[Group], wanted: int) -> int:
    """Return the instant by which about so many events were known, each group being even."""
    low, high = min(each.first_us for each in groups), max(each.last_us for each in groups) + 1
    while high - low > 1:
        middle = (low + high) // 2
        before = sum(
            each.rows
            * min(max(middle - each.first_us, 0), each.last_us + 1 - each.first_us)
            // (each.last_us + 1 - each.first_us)
            for each in groups
        )
        low, high = (middle, high) if before < wanted else (low, middle)
    return high


def _bounds(part: Path, group: pq.RowGroupMetaData) -> tuple[int, int]:
    """Return the first and last ``known_at`` of a row group in microseconds."""
    for place in range(group.num_columns):
        column = group.column(place)
        if column.path_in_schema == "known_at":
            statistics = column.statistics
            if statistics is None or not statistics.has_min_max:
                break
            try:
                return _us(statistics.min), _us(statistics.max)
            except (ValueError, OverflowError):
                break
    raise InputError(f"{part} does not say from when to when it reaches; ingest the log again")


def _us(instant: datetime) -> int:
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)


def _instant(us: int) -> str:
    return (EPOCH + timedelta(microseconds=us)).isoformat()
