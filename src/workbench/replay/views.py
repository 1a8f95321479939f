"""Tables of a replay for figures: the funnel, outcomes and cost by week. Owns no decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.records import AWARDED, OFFERED, REASON_OF_CODE
from workbench.replay.result import Replay
from workbench.zones import local_day, local_week

if TYPE_CHECKING:
    import pandas as pd


@checked
def funnel_rows(replayed: Replay) -> pd.DataFrame:
    """Add up the funnel over programmes, from what triggered to what was offered.

    Args:
        replayed: A replay.

    Returns:
        A row for all triggers, a row for each reason that removed a candidate, and a row for what
        was offered, with ``stage``, ``reason`` (None where candidates went on) and ``candidates``.

    Raises:
        ParameterError: ``replayed`` is not a replay.

    >>> int(funnel_rows(replayed)["candidates"][0]) == int(replayed.programmes["triggers"].sum())
    True
    """
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    by_reason = replayed.funnel.groupby(["stage", "reason"], sort=False)["decisions"].sum()
    counted = by_reason.rename("candidates").reset_index()
    counted = counted.loc[counted["candidates"] > 0]
    went_on = {REASON_OF_CODE[code].name for code in (OFFERED, AWARDED)}
    reasons = [None if name in went_on else text.words(name) for name in counted["reason"]]
    counted = counted.assign(reason=pd.Series(reasons, index=counted.index, dtype="str"))
    total = int(counted["candidates"].sum())
    first = pd.DataFrame({"stage": ["triggered"], "reason": [None], "candidates": [total]})
    return pd.concat([first, counted], ignore_index=True)


@checked
def refusals(replayed: Replay) -> pd.DataFrame:
    """Count what was not delivered by reason, ghosts included.

    Args:
        replayed: A replay.

    Returns:
        A row for each reason that occurred, with ``reason`` and ``decisions``.

    Raises:
        ParameterError: ``replayed`` is not a replay.

    >>> refusals(replayed)["reason"].to_list()[:2]
    ['not in audience', 'suppressed']
    """
    rows = funnel_rows(replayed).dropna(subset=["reason"])
    return rows[["reason", "candidates"]].rename(columns={"candidates": "decisions"})


@checked
def weekly_decisions(replayed: Replay, zone: str) -> pd.DataFrame:
    """Count decisions by local week and outcome.

    Args:
        replayed: A replay.
        zone: IANA zone of the weeks, such as the log's.

    Returns:
        A row for each week (Monday, a date) and reason, with ``week``, ``outcome``, ``decisions``
        (0 where there was none) and ``whole``: false for a first or last week that the decisions
        cover in part.

    Raises:
        ParameterError: This machine knows no such zone.

    >>> weekly = weekly_decisions(replayed, "UTC")
    >>> int(weekly["decisions"].sum()) == int(replayed.funnel["decisions"].sum())
    True
    """
    counted = (
        replayed.decisions()
        .group_by(
            local_week(pl.col("ts"), zone).alias("week"),
            pl.col("reason").cast(pl.String).alias("outcome"),
        )
        .agg(pl.len().cast(pl.Int64).alias("decisions"))
        .with_columns(pl.col("outcome").str.replace_all("_", " ", literal=True))
        .collect()
    )
    return (
        weeks_of(replayed, zone)
        .join(counted.select("outcome").unique(), how="cross")
        .join(counted, on=["week", "outcome"], how="left")
        .select("week", "outcome", pl.col("decisions").fill_null(0), "whole")
        .sort("week", "outcome")
        .to_pandas()
    )


@checked
def weekly_committed_cost(replayed: Replay, zone: str) -> pd.DataFrame:
    """Add up the committed cost of what was delivered, by local week.

    Args:
        replayed: A replay; its programmes carry their redemption rates.
        zone: IANA zone of the weeks, such as the log's.

    Returns:
        A row for each week (Monday, a date) with ``week``, ``committed_cents`` (0 where nothing
        was sent) and ``whole``, as :func:`weekly_decisions` has it.

    Raises:
        ParameterError: This machine knows no such zone.

    >>> cents = weekly_committed_cost(replayed, "UTC")["committed_cents"].sum()
    >>> bool(abs(cents - replayed.committed_cost_cents) < 2)
    True
    """
    rates = pl.from_pandas(replayed.offers[["programme", "offer_id", "redemption_rate"]])
    counted = (
        replayed.decisions()
        .with_columns(pl.col("programme", "offer_id").cast(pl.String))
        .join(rates.lazy(), on=["programme", "offer_id"], how="left")
        .group_by(local_week(pl.col("ts"), zone).alias("week"))
        .agg((pl.col("cost_cents") * pl.col("redemption_rate")).sum().alias("committed_cents"))
        .collect()
    )
    return (
        weeks_of(replayed, zone)
        .join(counted, on="week", how="left")
        .select("week", pl.col("committed_cents").fill_null(0.0), "whole")
        .sort("week")
        .to_pandas()
    )


def weeks_of(replayed: Replay, zone: str) -> pl.DataFrame:
    """Return every week from the first decision to the last, and whether they span it whole."""
    day, week = local_day(pl.col("ts"), zone), pl.col("week")
    ends = replayed.decisions().select(first=day.min(), last=day.max()).collect()
    first, last = ends.row(0)
    if first is None:
        return pl.DataFrame(schema={"week": pl.Date, "whole": pl.Boolean})
    start, end = pl.lit(first).dt.truncate("1w"), pl.lit(last).dt.truncate("1w")
    weeks = pl.date_range(start, end, "1w")
    return pl.select(weeks.alias("week")).with_columns(
        whole=(week >= pl.lit(first)) & (week.dt.offset_by("6d") <= pl.lit(last))
    )
