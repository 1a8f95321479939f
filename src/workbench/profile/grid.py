"""Customers counted by two scores, for a figure. Owns no score."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from workbench.arguments import checked
from workbench.frames import Frame, as_polars, need_columns
from workbench.profile.rfm import RfmScores

if TYPE_CHECKING:
    import pandas as pd


@checked
def rfm_grid(scores: RfmScores | Frame, *, monetary: str = "spend_cents") -> pd.DataFrame:
    """Count customers by recency and frequency score.

    Args:
        scores: Of :func:`workbench.rfm_scores`, or its frame.
        monetary: Column of value, in cents.

    Returns:
        A row for each cell that has somebody, with ``recency_score``, ``frequency_score``,
        ``customers`` and ``monetary_cents`` (mean of the cell).

    Raises:
        ParameterError: ``scores`` is neither scores nor a frame.
        InputError: A column is missing.

    >>> people = pl.DataFrame({"recency_days": [1, 9], "purchases": [4, 2], "spend_cents": [100, 50]})
    >>> from workbench.profile.rfm import rfm_scores
    >>> rfm_grid(rfm_scores(people, bins=2)).to_dict("list")["customers"]
    [1, 1]
    """
    frame = scores.frame if isinstance(scores, RfmScores) else as_polars(scores, "scores")
    need_columns(frame.columns, ("r_score", "f_score", "rfm_total", monetary), "scores")
    return (
        frame.filter(pl.col("rfm_total").is_not_null())
        .group_by(
            pl.col("r_score").cast(pl.Int64).alias("recency_score"),
            pl.col("f_score").cast(pl.Int64).alias("frequency_score"),
        )
        .agg(
            pl.len().cast(pl.Int64).alias("customers"),
            pl.col(monetary).mean().alias("monetary_cents"),
        )
        .sort("recency_score", "frequency_score")
        .to_pandas()
    )
