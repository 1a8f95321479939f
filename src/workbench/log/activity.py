"""How much a log holds and when it happens: events a week, purchases an hour. Owns no figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.arguments import checked
from workbench.dayparts import daypart_column
from workbench.errors import InputError, did_you_mean
from workbench.log.log import Log
from workbench.text import NOT_ENOUGH_DATA
from workbench.zones import local_day, local_week

if TYPE_CHECKING:
    import pandas as pd

_HOURS = 24


@checked
def weekly_events(log: Log) -> pd.DataFrame:
    """Count the events of each type in each local week that the log covers.

    Args:
        log: A stored log.

    Returns:
        A row for each week (Monday, a date) and type, with ``week``, ``type``, ``events`` and
        ``whole``; a week without an event of a type has 0. ``whole`` is false for a week that the
        type covers in part or not yet: it begins before the type's first event, or ends after the
        log's last day. A feed that stops early still shows its zeros.

    Raises:
        InputError: The log has no event.

    >>> weekly_events(log)[["type", "events"]].head(2).to_dict("list")
    {'type': ['purchase', 'purchase'], 'events': [101, 181]}
    """
    if not log.events:
        raise InputError(f"{NOT_ENOUGH_DATA}: the log has no event")
    names = log.codes("type")
    day = local_day(pl.col("ts"), log.zone)
    counted = (
        log.scan()
        .group_by(local_week(pl.col("ts"), log.zone).alias("week"), "type")
        .agg(
            pl.len().cast(pl.Int64).alias("events"),
            day.min().alias("first"),
            day.max().alias("last"),
        )
        .collect()
    )
    begins = counted.group_by("type").agg(pl.col("first").min().alias("begins"))
    last = counted["last"].max()
    weeks = counted.select(
        pl.date_range(pl.col("week").min(), pl.col("week").max(), "1w").alias("week")
    )
    return (
        weeks.join(begins, how="cross")
        .join(counted, on=["week", "type"], how="left")
        .select(
            "week",
            pl.col("events").fill_null(0),
            whole=(pl.col("week") >= pl.col("begins"))
            & (pl.col("week").dt.offset_by("6d") <= pl.lit(last)),
            type=pl.col("type").replace_strict(
                list(range(len(names))), names.to_list(), return_dtype=pl.String
            ),
        )
        .select("week", "type", "events", "whole")
        .sort("type", "week")
        .to_pandas()
    )


@checked
def table_sizes(log: Log) -> pd.DataFrame:
    """Count the rows and name the columns of the reference tables that stand beside a log.

    Args:
        log: A stored log.

    Returns:
        A row for each table with ``table``, ``rows`` and ``columns``.

    Raises:
        ParameterError: ``log`` is not an opened log.

    >>> table_sizes(log).columns.to_list()
    ['table', 'rows', 'columns']
    """
    tables = {name: log.table(name) for name in log.tables}
    return pl.DataFrame(
        {
            "table": list(tables),
            "rows": [table.height for table in tables.values()],
            "columns": [", ".join(table.columns) for table in tables.values()],
        },
        schema={"table": pl.String, "rows": pl.Int64, "columns": pl.String},
    ).to_pandas()


@checked
def hourly_share(log: Log, event_type: str = "purchase") -> pd.DataFrame:
    """Return how the events of a type spread over the hours of the local day.

    Args:
        log: A stored log; its zone is the zone of the hours.
        event_type: The type to count.

    Returns:
        24 rows with ``hour`` (0 to 23), ``share`` (they sum to 1) and ``daypart``.

    Raises:
        InputError: The log has no event of that type.

    >>> hours = hourly_share(log)
    >>> float(hours["share"].sum()), hours["daypart"][12]
    (1.0, 'lunch')
    """
    if not log.counts.get(event_type):
        hint = did_you_mean(event_type, log.counts)
        raise InputError(f"no `{event_type}` in this log{hint}")
    hours = (
        log.scan([event_type])
        .group_by(
            pl.col("ts").dt.convert_time_zone(log.zone).dt.hour().cast(pl.Int64).alias("hour")
        )
        .agg(pl.len().alias("events"))
        .collect()
    )
    return (
        pl.DataFrame({"hour": range(_HOURS)})
        .join(hours, on="hour", how="left")
        .select(
            "hour",
            (pl.col("events").fill_null(0) / pl.col("events").sum()).alias("share"),
            daypart_column(pl.col("hour")).alias("daypart"),
        )
        .sort("hour")
        .to_pandas()
    )
