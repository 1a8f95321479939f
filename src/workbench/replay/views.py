"""Tables of a replay for figures: the funnel, outcomes and cost by week. Owns no decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench import text
from workbench.records import OFFERED, REASON_OF_CODE
from workbench.replay.result import Replay

if TYPE_CHECKING:
    import pandas as pd


def funnel_rows(replayed: Replay) -> pd.DataFrame:
    """Add up the funnel over programmes, from what triggered to what was offered.

    Args:
        replayed: A replay.

    Returns:
        A row for all triggers, a row for each reason that removed a candidate, and a row for what
        was offered, with ``stage``, ``reason`` (None where candidates went on) and ``candidates``.
    """
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    by_reason = replayed.funnel.groupby(["stage", "reason"], sort=False)["decisions"].sum()
    counted = by_reason.rename("candidates").reset_index()
    counted = counted.loc[counted["candidates"] > 0]
    delivered = REASON_OF_CODE[OFFERED].name
    reasons = [None if name == delivered else text.words(name) for name in counted["reason"]]
    counted = counted.assign(reason=pd.Series(reasons, index=counted.index, dtype="str"))
    total = int(counted["candidates"].sum())
    first = pd.DataFrame({"stage": ["triggered"], "reason": [None], "candidates": [total]})
    return pd.concat([first, counted], ignore_index=True)


def refusals(replayed: Replay) -> pd.DataFrame:
    """Count what was not delivered by reason, ghosts included.

    Returns:
        A row for each reason that occurred, with ``reason`` and ``decisions``.
    """
    rows = funnel_rows(replayed).dropna(subset=["reason"])
    return rows[["reason", "candidates"]].rename(columns={"candidates": "decisions"})


def weekly_decisions(replayed: Replay, zone: str) -> pd.DataFrame:
    """Count decisions by local week and outcome.

    Args:
        replayed: A replay.
        zone: IANA zone of the weeks, such as the log's.

    Returns:
        A row for each week (Monday, a date) and reason, with ``week``, ``outcome``, ``decisions``.
    """
    return (
        replayed.decisions()
        .group_by(_week(zone), pl.col("reason").cast(pl.String).alias("outcome"))
        .agg(pl.len().cast(pl.Int64).alias("decisions"))
        .with_columns(pl.col("outcome").str.replace_all("_", " ", literal=True))
        .sort("week", "outcome")
        .collect()
        .to_pandas()
    )


def weekly_committed_cost(replayed: Replay, zone: str) -> pd.DataFrame:
    """Add up the committed cost of what was delivered, by local week.

    Args:
        replayed: A replay; its programmes carry their redemption rates.
        zone: IANA zone of the weeks, such as the log's.

    Returns:
        A row for each week (Monday, a date) with ``week`` and ``committed_cents``.
    """
    rates = pl.from_pandas(replayed.offers[["programme", "offer_id", "redemption_rate"]])
    return (
        replayed.decisions()
        .with_columns(pl.col("programme", "offer_id").cast(pl.String))
        .join(rates.lazy(), on=["programme", "offer_id"], how="left")
        .group_by(_week(zone))
        .agg((pl.col("cost_cents") * pl.col("redemption_rate")).sum().alias("committed_cents"))
        .sort("week")
        .collect()
        .to_pandas()
    )


def _week(zone: str) -> pl.Expr:
    return pl.col("ts").dt.convert_time_zone(zone).dt.date().dt.truncate("1w").alias("week")
