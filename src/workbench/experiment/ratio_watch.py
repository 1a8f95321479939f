"""A sample-ratio check that may be watched every day, by stage and by segment. Owns no effect.

The evidence against the stated shares is a martingale: the chance that it ever exceeds 1/α is at most α,
however often one looks. A chi-square test on every day's total would cry wolf sooner or later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import ArrayLike
from scipy.special import gammaln, logsumexp

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.experiment.sequences import Floats, check_alpha
from workbench.frames import Frame, as_polars, need_columns

ALPHA = 0.001
"""Level of a sample-ratio check: a false alarm stops an experiment that is sound."""

CONCENTRATIONS = (10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)
_ALL = "all"
_SUM_TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class RatioWatch(text.Result):
    """The evidence against the stated shares, day by day.

    Attributes:
        table: A row a stage, segment and day with ``blocks`` (a whole stage, not a segment of it),
            ``units`` (so far), ``arm`` (the one that is furthest off), ``gap_share`` (its share so
            far minus the stated one), ``evidence`` (the e-value; at most 1e300), ``limit`` (from which
            on it speaks against the shares) and ``failed`` (on this day or before).
        text: Whether the shares hold, and where they do not.
        passed: No stage has failed.
        first_failure: The day on which the first stage failed; None while none has.
        segments_failed: Segments that failed; they localise and do not stop the experiment.
    """

    passed: bool
    first_failure: object | None
    segments_failed: tuple[str, ...]


@checked
def watch_ratio(
    units: Frame,
    shares: Mapping[str, float],
    *,
    arm: str = "arm",
    day: str = "day",
    count: str | None = None,
    stage: str | None = None,
    segment: str | None = None,
    alpha: float = ALPHA,
) -> RatioWatch:
    """Watch whether the arms have their stated shares, at every day, stage and segment.

    Each stage of the funnel (assigned, triggered, with an outcome) is held against the same shares at
    α divided by the number of stages, and any of them blocks. Segments say where the trouble is, each
    at α divided by their number.

    Args:
        units: One row a unit, or a row with a ``count``.
        shares: Stated share of each arm; they add up to 1.
        arm: Column of the arm.
        day: Column of the day, or of anything that orders the looks.
        count: Column with a number of units; None: a row is a unit.
        stage: Column of the stage that a unit reached on that day; None: one stage.
        segment: Column of a segment named before the experiment; None: none.
        alpha: Chance of ever raising a false alarm.

    Returns:
        The evidence day by day, with the verdict.

    Raises:
        ParameterError: The shares do not add up to 1, or the level is none.
        InputError: A column is missing, a label is null, or an arm has no stated share.

    Source: Lindon and Malek (2022), Dirichlet-multinomial martingale, averaged over concentrations
    from 10 to 100,000, so that small and large experiments are both watched well.

    >>> frame = pl.DataFrame({"day": [1, 1, 2, 2], "arm": ["a", "b"] * 2, "units": [520, 480, 2400, 1600]})
    >>> watch = watch_ratio(frame, {"a": 0.5, "b": 0.5}, count="units")
    >>> watch.passed, watch.first_failure
    (False, 2)
    """
    check_alpha(alpha)
    stated = checked_shares(shares)
    frame = as_polars(units, "units")
    wanted = [arm, day, *(each for each in (count, stage, segment) if each is not None)]
    need_columns(frame.columns, wanted, "units")
    rows = frame.select(
        day=pl.col(day),
        arm=pl.col(arm).cast(pl.String),
        units=pl.lit(1, dtype=pl.Int64) if count is None else pl.col(count).cast(pl.Int64),
        stage=pl.lit(_ALL) if stage is None else pl.col(stage).cast(pl.String),
        segment=pl.lit(_ALL) if segment is None else pl.col(segment).cast(pl.String),
    )
    _check_rows(rows, stated)
    parts = [(name, _ALL, True, part) for (name,), part in _groups(rows, ["stage"])]
    stages = len(parts)
    if segment is not None:
        both = _groups(rows, ["stage", "segment"])
        parts += [(name, where, False, part) for (name, where), part in both]
    levels = {True: alpha / stages, False: alpha / max(1, len(parts) - stages)}
    tables = [
        _by_day(part, stated, levels[blocks]).assign(stage=name, segment=where, blocks=blocks)
        for name, where, blocks, part in parts
    ]
    table = pd.concat(tables, ignore_index=True)
    first = ["stage", "segment", "blocks"]
    table = table[[*first, *(name for name in table.columns if name not in first)]]
    return _watch(table)


def ratio_evidence(
    counts: ArrayLike, shares: ArrayLike, concentrations: tuple[float, ...] = CONCENTRATIONS
) -> Floats:
    """Return the logarithm of the e-value of counts against shares, for every row of counts.

    Args:
        counts: Units so far, with arms along the last axis.
        shares: Stated shares of the arms.
        concentrations: Of the Dirichlet priors around the shares; their evidence is averaged.

    >>> found = ratio_evidence([[500, 500], [600, 400]], [0.5, 0.5])
    >>> bool(found[0] < 0), bool(found[1] > np.log(1000))
    (True, True)
    """
    n = np.asarray(counts, dtype=np.float64)
    p = np.asarray(shares, dtype=np.float64)
    total = n.sum(axis=-1)
    each = [
        gammaln(k)
        - gammaln(k + total)
        + (gammaln(k * p + n) - gammaln(k * p) - n * np.log(p)).sum(axis=-1)
        for k in concentrations
    ]
    return np.asarray(logsumexp(each, axis=0) - np.log(len(each)), dtype=np.float64)


def checked_shares(shares: Mapping[str, float]) -> dict[str, float]:
    """Return the shares of the arms after checking that there are two and that they add up.

    Raises:
        ParameterError: There are fewer than two, one is not above 0, or they do not add up to 1.

    >>> checked_shares({"control": 0.5, "treatment": 0.6})
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: shares was {'control': 0.5, 'treatment': 0.6}, must add up to 1, not to 1.1
    """
    stated = {str(name): float(share) for name, share in shares.items()}
    if len(stated) < 2:  # noqa: PLR2004 - a comparison needs two
        raise ParameterError(problem("shares", stated, "must name at least two arms"))
    if not all(share > 0 for share in stated.values()):
        raise ParameterError(problem("shares", stated, "must each be above 0"))
    total = sum(stated.values())
    if abs(total - 1) > _SUM_TOLERANCE:
        raise ParameterError(problem("shares", stated, f"must add up to 1, not to {total:g}"))
    return stated


def _check_rows(rows: pl.DataFrame, stated: Mapping[str, float]) -> None:
    if rows.is_empty():
        raise InputError(f"{text.NOT_ENOUGH_DATA}: there is no unit")
    for name in ("day", "arm", "stage", "segment"):
        if nulls := rows[name].null_count():
            raise InputError(f"{text.plural(nulls, 'row')} of the units have no {name}")
    for name in rows["arm"].unique().sort():
        if name not in stated:
            raise InputError(
                f"the arm {name!r} has no stated share; there are shares of "
                f"{text.listing(list(stated))}{did_you_mean(name, stated)}"
            )
    if (rows["units"] < 0).any():
        raise InputError("a count of units is below 0")


def _groups(rows: pl.DataFrame, by: list[str]) -> list[tuple[tuple[str, ...], pl.DataFrame]]:
    parts = rows.partition_by(by, as_dict=True, maintain_order=True)
    return [(tuple(str(name) for name in names), part) for names, part in parts.items()]


def _by_day(rows: pl.DataFrame, stated: Mapping[str, float], level: float) -> pd.DataFrame:
    """Return the evidence of one stage or segment at every day."""
    wide = (
        rows.group_by("day", "arm").agg(pl.col("units").sum())
        .pivot("arm", index="day", values="units")
        .sort("day")
    )  # fmt: skip
    counts = np.column_stack(
        [
            wide[name].fill_null(0).to_numpy() if name in wide.columns else np.zeros(wide.height)
            for name in stated
        ]
    ).cumsum(axis=0)
    shares = np.array(list(stated.values()))
    evidence = ratio_evidence(counts, shares)
    total = counts.sum(axis=1)
    gaps = counts / np.maximum(total, 1)[:, None] - shares
    furthest = np.abs(gaps).argmax(axis=1)
    return pd.DataFrame(
        {
            "day": wide["day"].to_list(),
            "units": total.astype(np.int64),
            "arm": np.array(list(stated))[furthest],
            "gap_share": gaps[np.arange(len(gaps)), furthest],
            "evidence": np.exp(np.minimum(evidence, 690.0)),
            "limit": 1 / level,
            "failed": np.logical_or.accumulate(evidence >= np.log(1 / level)),
        }
    )


def _watch(table: pd.DataFrame) -> RatioWatch:
    """Return the verdict of a table of evidence."""
    blocking = table[table["blocks"]]
    failed = blocking[blocking["failed"]]
    wrong = table[~table["blocks"] & table["failed"]]
    segments = tuple(dict.fromkeys(str(each) for each in wrong["segment"]))
    last = blocking.groupby("stage", sort=False).tail(1)
    if failed.empty:
        units = int(last["units"].max())
        said = (
            f"the arms have their stated shares: with {text.plural(units, 'unit')} the evidence "
            f"against them is {text.number(float(last['evidence'].max()), 1)}, an alarm needs "
            f"{text.count(float(last['limit'].iloc[0]))}"
        )
    else:
        first = failed.sort_values("day", kind="stable").iloc[0]
        where = "" if first["stage"] == _ALL else f" at the stage {text.named(first['stage'])}"
        more = "more" if first["gap_share"] > 0 else "less"
        gap = abs(float(first["gap_share"]))
        said = (
            f"the arms do not have their stated shares{where}: since {said_day(first['day'])} the evidence "
            f"against them is above {text.count(float(first['limit']))} ({text.named(first['arm'])} "
            f"had {text.share(gap)} of the units {more} than stated). No effect may be read until the "
            "cause is found"
        )
    if segments:
        said += f". The shares are off in {text.listing([text.named(each) for each in segments])}"
    return RatioWatch(
        table=table,
        text=text.sentence(said),
        passed=failed.empty,
        first_failure=None if failed.empty else min(failed["day"].tolist()),
        segments_failed=segments,
    )


def said_day(day: object) -> str:
    """Return a day as a sentence says it: a date, or the number of a day.

    >>> import datetime as dt
    >>> said_day(dt.date(2026, 3, 1)), said_day(4)
    ('2026-03-01', 'day 4')
    """
    return text.day(day) if isinstance(day, date) else f"day {day}"
