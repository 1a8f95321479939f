"""RFM scores from a profile, by rank or by given edges, with any number of bins. Owns no feature.

A score runs from 1 to the number of bins, and higher is better: more recent, more often, more
spend. The total is the sum of the three.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.conditions import ColumnType
from workbench.errors import InputError, ParameterError, problem
from workbench.frames import Frame, as_polars, need_columns
from workbench.profile.features import Profile

Dimension = Literal["recency", "frequency", "monetary"]

SCORE_COLUMNS: dict[str, ColumnType] = {
    "r_score": "number",
    "f_score": "number",
    "m_score": "number",
    "rfm_total": "number",
}

_MOST_BINS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class RfmScores(text.Result):
    """Scores of each person.

    Attributes:
        frame: The columns that were given, then ``r_score``, ``f_score``, ``m_score`` and
            ``rfm_total``; all four are null for who has no recency, frequency or value.
        bins: Number of bins of recency, frequency and value.
        table: Persons and share of spend by total score, best first.
        text: How many were scored, and how much of the spend the best have.
    """

    frame: pl.DataFrame
    bins: tuple[int, int, int]

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a person as a pandas frame."""
        return self.frame.to_pandas()


@checked
def rfm_scores(
    people: Profile | Frame,
    *,
    bins: int = 5,
    edges: Mapping[Dimension, Sequence[float]] | None = None,
    recency: str = "recency_days",
    frequency: str = "purchases",
    monetary: str = "spend_cents",
) -> RfmScores:
    """Score recency, frequency and value of each person.

    By rank: the score is ⌊(rank − ½)·bins / n⌋ + 1, ranks from worst to best. Equal values have
    their mean rank and so one score; without ties the bins differ by at most one person. With
    fewer persons than bins the scores are spread evenly, and not every score is used.

    By edges, for a dimension that has them: k ascending edges make k + 1 bins. An edge belongs
    to the better side: frequency 10 passes the edge 10, and so does recency 30 the edge 30.

    Args:
        people: A profile or a frame, one row a person.
        bins: Number of bins of what is scored by rank, 1 to 100.
        edges: Edges by dimension, in the unit of its column.
        recency: Column of recency: less is better.
        frequency: Column of frequency: more is better.
        monetary: Column of value: more is better.

    Returns:
        The frame with the scores, and customers and spend by total score.

    Raises:
        InputError: A column is missing, or nobody has all three values.
        ParameterError: The bins or the edges break their rule.

    >>> people = pl.DataFrame({"person_id": ["Sam", "Billy"], "recency_days": [80, 40],
    ...                        "purchases": [12, 2], "spend_cents": [90_000, 30_000]})
    >>> scores = rfm_scores(people, edges={"recency": [30, 60], "frequency": [3, 10],
    ...                                    "monetary": [10_000, 50_000]})
    >>> scores.frame.select("person_id", "r_score", "f_score", "m_score", "rfm_total").rows()
    [('Sam', 1, 3, 3, 7), ('Billy', 2, 1, 2, 5)]
    """
    if isinstance(bins, bool) or not 1 <= bins <= _MOST_BINS:
        raise ParameterError(problem("bins", bins, f"must be 1 to {_MOST_BINS}"))
    edges = _checked_edges(edges or {})
    frame = _frame(people)
    columns: dict[Dimension, str] = {
        "recency": recency,
        "frequency": frequency,
        "monetary": monetary,
    }
    need_columns(frame.columns, columns.values(), "profile")
    values = [
        pl.when(pl.col(name).cast(pl.Float64).is_finite()).then(pl.col(name).cast(pl.Float64))
        for name in columns.values()
    ]
    complete = pl.all_horizontal(value.is_not_null() for value in values)
    scored = frame.select(complete).to_series()
    n = int(scored.sum())
    if n == 0:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: nobody of {text.plural(frame.height, 'customer')} has "
            f"{recency}, {frequency} and {monetary}"
        )
    scores = []
    for (dimension, name), short in zip(columns.items(), SCORE_COLUMNS, strict=False):
        value = pl.when(complete).then(pl.col(name).cast(pl.Float64))
        more_is_better = dimension != "recency"
        limits = edges.get(dimension)
        score = (
            _by_rank(value, bins, n, more_is_better=more_is_better)
            if limits is None
            else _by_edges(value, limits, more_is_better=more_is_better)
        )
        scores.append(score.alias(short))
    scored_frame = frame.with_columns(scores).with_columns(
        rfm_total=pl.sum_horizontal("r_score", "f_score", "m_score", ignore_nulls=False)
    )
    used = tuple(bins if d not in edges else len(edges[d]) + 1 for d in columns)
    table = _by_total(scored_frame, monetary)
    return RfmScores(
        frame=scored_frame,
        bins=(used[0], used[1], used[2]),
        table=table,
        text=_sentence(table, n, frame.height - n, sum(used)),
        headline=_headline(table, sum(used)),
    )


def _by_rank(value: pl.Expr, bins: int, n: int, *, more_is_better: bool) -> pl.Expr:
    """Score by mean rank, in whole numbers: twice a mean rank is one."""
    twice = (2 * value.rank("average", descending=not more_is_better)).cast(pl.Int64)
    return (twice - 1) * bins // (2 * n) + 1


def _by_edges(value: pl.Expr, edges: Sequence[float], *, more_is_better: bool) -> pl.Expr:
    """Score by the number of edges that the value passes."""
    passed = [(value >= edge) if more_is_better else (value <= edge) for edge in edges]
    return pl.sum_horizontal((hit.cast(pl.Int64) for hit in passed), ignore_nulls=False) + pl.when(
        value.is_not_null()
    ).then(1)


def _checked_edges(
    edges: Mapping[Dimension, Sequence[float]],
) -> dict[Dimension, tuple[float, ...]]:
    for dimension, values in edges.items():
        limits = [float(value) for value in values]
        rising = all(low < high for low, high in itertools.pairwise(limits))
        if not limits or not rising or not all(abs(value) < float("inf") for value in limits):
            rule = "must be at least one finite number, each above the one before"
            raise ParameterError(problem(f"edges of {dimension}", list(values), rule))
    return {dimension: tuple(float(v) for v in values) for dimension, values in edges.items()}


def _frame(people: Profile | Frame) -> pl.DataFrame:
    if isinstance(people, Profile):
        return people.frame
    return as_polars(people, "people")


def _by_total(frame: pl.DataFrame, monetary: str) -> pd.DataFrame:
    scored = frame.filter(pl.col("rfm_total").is_not_null())
    total = float(scored[monetary].cast(pl.Float64).sum())
    spend = pl.col(monetary).sum()
    return (
        scored.group_by("rfm_total")
        .agg(
            customers=pl.len().cast(pl.Int64),
            share=pl.len() / scored.height,
            spend=spend,
            share_of_spend=spend / total if total > 0 else pl.lit(None, dtype=pl.Float64),
        )
        .sort("rfm_total", descending=True)
        .rename({"spend": monetary})
        .to_pandas()
    )


def _sentence(table: pd.DataFrame, scored: int, without: int, best: int) -> str:
    top = table.iloc[0]
    said = (
        f"the highest score, {text.count(top['rfm_total'])} of {text.count(best)}, is held by "
        f"{text.plural(top['customers'], 'customer')}: {text.share(top['share'])} of those scored, "
        f"with {text.share(top['share_of_spend'])} of the spend"
    )
    if without:
        said += (
            f"; {text.plural(scored, 'customer')} scored, "
            f"{text.plural(without, 'customer')} without a purchase not scored"
        )
    return text.sentence(said)


def _headline(table: pd.DataFrame, best: int) -> str:
    top = table.iloc[0]
    return (
        f"{text.plural(top['customers'], 'customer')} at {text.count(top['rfm_total'])} of "
        f"{text.count(best)} hold {text.share(top['share_of_spend'])} of the spend"
    )
