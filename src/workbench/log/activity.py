"""How much a log holds and when it happens: events a week, purchases an hour. Owns no figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.dayparts import daypart_column
from workbench.errors import InputError, did_you_mean
from workbench.log.log import Log

if TYPE_CHECKING:
    import pandas as pd

_HOURS = 24


def weekly_events(log: Log) -> pd.DataFrame:
    """Count the events of each type in each local week that the log covers.

    Args:
        log: A stored log.

    Returns:
        A row for each week (Monday, a date) and type, with ``week``, ``type``, ``events``; a week
        without an event of a type has 0. A week that the log covers in part is left in.
    """
    names = log.codes("type")
    counted = (
        log.scan()
        .group_by(
            pl.col("ts").dt.convert_time_zone(log.zone).dt.date().dt.truncate("1w").alias("week"),
            "type",
        )
        .agg(pl.len().cast(pl.Int64).alias("events"))
        .collect()
    )
    weeks = counted.select(
        pl.date_range(pl.col("week").min(), pl.col("week").max(), "1w").alias("week")
    )
    return (
        weeks.join(counted.select("type").unique(), how="cross")
        .join(counted, on=["week", "type"], how="left")
        .with_columns(
            pl.col("events").fill_null(0),
            pl.col("type").replace_strict(
                list(range(len(names))), names.to_list(), return_dtype=pl.String
            ),
        )
        .sort("type", "week")
        .to_pandas()
    )


def table_sizes(log: Log) -> pd.DataFrame:
    """Count the rows and name the columns of the reference tables that stand beside a log.

    Args:
        log: A stored log.

    Returns:
        A row for each table with ``table``, ``rows`` and ``columns``.
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


def hourly_share(log: Log, event_type: str = "purchase") -> pd.DataFrame:
    """Return how the events of a type spread over the hours of the local day.

    Args:
        log: A stored log; its zone is the zone of the hours.
        event_type: The type to count.

    Returns:
        24 rows with ``hour`` (0 to 23), ``share`` (they sum to 1) and ``daypart``.

    Raises:
        InputError: The log has no event of that type.
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
