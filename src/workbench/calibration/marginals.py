"""Marginals of a log's purchases, and how far those of another log are from them. Owns no fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError
from workbench.log import Log
from workbench.zones import local_day, local_week

if TYPE_CHECKING:
    import pandas as pd

WEEKLY, HOURS, WEEKDAYS, BASKETS, GAPS, SURVIVAL = (
    "purchases of a customer in a week",
    "hour of the day",
    "weekday (Monday is one)",
    "basket (power of two, dollars)",
    "days to the next purchase",
    "week: still to come back",
)
_MOST_A_WEEK, _MOST_DAYS, _LEAST_CENTS = 10, 28, 12
CLOSE = 0.1
"""A distance below which two marginals are called close: a tenth of the customers, hours or gaps."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Marginals(text.Result):
    """Marginals of a simulated log beside those of a real one.

    Attributes:
        table: A row a marginal: ``marginal``, ``distance`` (the share that would have to move to
            make them equal; for survival the largest gap), ``most_apart_at`` (the place of the
            largest gap) with ``share_real`` and ``share_simulated`` there, and ``is_close``.
        text: How many marginals are close, and where they differ most.
        shares: A row a marginal, source (``real``, ``simulated``) and place, with its ``share``.
    """

    shares: pd.DataFrame


def purchases_of(log: Log) -> pl.DataFrame:
    """Return person, local day, hour, week and cents of every purchase above nothing.

    Raises:
        InputError: The log has fewer than two purchases.
    """
    if log.counts.get("purchase", 0) < 2:  # noqa: PLR2004 - no gap of one
        raise InputError(f"{text.NOT_ENOUGH_DATA}: the log has fewer than 2 purchases")
    frame = log.to_polars(["person_id", "ts", "amount_cents"], types=["purchase"])
    return frame.select(
        person="person_id",
        at="ts",
        day=local_day(pl.col("ts"), log.zone),
        week=local_week(pl.col("ts"), log.zone),
        hour=pl.col("ts").dt.convert_time_zone(log.zone).dt.hour().cast(pl.Int64),
        cents=pl.col("amount_cents"),
    )


@checked
def compare_marginals(real: Log, simulated: Log) -> Marginals:
    """Lay the marginals of a simulated log beside those of a real one.

    Args:
        real: The real log.
        simulated: The log of a world, such as that of :func:`workbench.calibrate_world`.

    Returns:
        How far apart they are, marginal by marginal: visits per customer and week, hours, weekdays,
        baskets, days between purchases, and how long customers stay.

    Raises:
        InputError: One of them has fewer than two purchases.

    >>> same = compare_marginals(log, log)
    >>> float(same.table["distance"].max())
    0.0
    """
    frames = [
        _shares(purchases_of(log)).with_columns(source=pl.lit(source))
        for source, log in (("real", real), ("simulated", simulated))
    ]
    both = (
        frames[0]
        .join(frames[1], on=["marginal", "place"], how="full", coalesce=True, suffix="_simulated")
        .with_columns(
            gap=(pl.col("share").fill_null(0) - pl.col("share_simulated").fill_null(0)).abs()
        )
    )
    by = "marginal"
    moved = pl.when(pl.col(by) == SURVIVAL).then(pl.col("gap").max().over(by))
    distances = (
        both.with_columns(distance=moved.otherwise(pl.col("gap").sum().over(by) / 2))
        .sort("gap", "place", descending=[True, False])
        .group_by(by, maintain_order=True)
        .first()
        .select(
            by,
            "distance",
            most_apart_at="place",
            share_real=pl.col("share").fill_null(0),
            share_simulated=pl.col("share_simulated").fill_null(0),
        )
    )
    order = pl.DataFrame({by: [WEEKLY, HOURS, WEEKDAYS, BASKETS, GAPS, SURVIVAL]})
    table = order.join(distances, on=by, maintain_order="left").with_columns(
        is_close=pl.col("distance") < CLOSE
    )
    shares = pl.concat(frames).join(order.with_row_index("order"), on=by, maintain_order="left")
    close = table.filter("is_close").height
    worst = table.sort("distance", descending=True).row(0, named=True)
    return Marginals(
        table=table.to_pandas(),
        text=(
            f"{text.count(close)} of {text.count(table.height)} marginals of the simulated log are "
            f"close to the real ones: less than {text.share(CLOSE)} would have to move. They differ "
            f"most in “{worst[by]}”, by {text.share(worst['distance'])}: the share at "
            f"{text.count(worst['most_apart_at'])} is {text.share(worst['share_real'])} in the real "
            f"log and {text.share(worst['share_simulated'])} in the simulated one."
        ),
        headline=f"{close} of {table.height} marginals are close to those of the real log",
        shares=shares.sort("order", "source", "place")
        .select("marginal", "source", "place", "share")
        .to_pandas(),
    )


def _shares(bought: pl.DataFrame) -> pl.DataFrame:
    """Return marginal, place and share; those of a marginal add up to 1, but survival's."""
    gaps = (
        bought.sort("person", "at")
        .with_columns(gap=(pl.col("day") - pl.col("day").shift().over("person")).dt.total_days())
        .filter(pl.col("gap").is_not_null())
        .select(place=pl.col("gap").clip(0, _MOST_DAYS))
    )
    paid = bought.filter(pl.col("cents") >= _LEAST_CENTS)
    places = {
        WEEKLY: _weekly(bought),
        HOURS: bought.select(place="hour"),
        WEEKDAYS: bought.select(place=pl.col("day").dt.weekday()),
        BASKETS: paid.select(place=(pl.col("cents") / 100).log(2).floor()),
        GAPS: gaps,
    }
    counted = [
        frame.group_by(pl.col("place").cast(pl.Int64))
        .agg(pl.len().alias("n"))
        .select(marginal=pl.lit(name), place="place", share=pl.col("n") / pl.col("n").sum())
        for name, frame in places.items()
    ]
    return pl.concat([*counted, _survival(bought)])


def _weekly(bought: pl.DataFrame) -> pl.DataFrame:
    """Return purchases of each customer in each whole week of the log, also of none."""
    first, last = bought["day"].min(), bought["day"].max()
    whole = (pl.col("week") >= pl.lit(first)) & (pl.col("week").dt.offset_by("6d") <= pl.lit(last))
    weeks = bought.select(pl.col("week").unique()).filter(whole)
    counts = bought.group_by("person", "week").len()
    people = bought.select(pl.col("person").unique())
    return (
        people.join(weeks, how="cross")
        .join(counts, on=["person", "week"], how="left")
        .select(place=pl.col("len").fill_null(0).clip(0, _MOST_A_WEEK))
    )


def _survival(bought: pl.DataFrame) -> pl.DataFrame:
    """Return for each week of the log the share of customers who buy in it or later."""
    first = bought["day"].min()
    ends = bought.group_by("person").agg(
        week=((pl.col("day").max() - pl.lit(first)).dt.total_days() // 7).cast(pl.Int64)
    )
    last = ends["week"].to_numpy()
    weeks = np.arange(int(last.max()) + 1)
    return pl.DataFrame(
        {
            "marginal": [SURVIVAL] * len(weeks),
            "place": pl.Series(weeks, dtype=pl.Int64),
            "share": [float(np.mean(last >= week)) for week in weeks],
        }
    )
