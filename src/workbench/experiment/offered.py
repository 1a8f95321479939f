"""Customers of a programme's experiment as units of money, from its decisions and a log. Owns no estimate."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.decision.house import ProgrammeSet
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.cohort import around, holds, triggered_units
from workbench.experiment.triggered import decision_units
from workbench.frames import Frame, as_polars
from workbench.log import Log

_MONEY = {
    "purchases": "purchases",
    "sales_cents": "spend_cents",
    "margin_cents": "margin_cents",
    "discount_cents": "discount_cents",
}
_SOURCE_OF = {"sales_cents": "amount_cents"}
_SINCE = "_since"
_BEFORE = "_before"
_OUTSIDE = "none"
_REDEEMED = "offer_redeemed"


@checked
def roi_units(
    decisions: Frame,
    log: Log,
    programme: str,
    *,
    programmes: ProgrammeSet | None = None,
    window_days: int | None = None,
    before_days: int = 28,
    after_days: int | None = None,
) -> pl.DataFrame:
    """Return what customers did since their first offer, or since the first ghost in the control.

    Args:
        decisions: The decision log.
        log: The log with purchases and redemptions.
        programme: Name of the programme.
        programmes: The programmes as they ran: who is in their global hold-out is left out of all arms.
        window_days: Days from the first trigger in which outcomes count; who has not been there that
            long is left out. None: up to the end of the log.
        before_days: With a window: the days before the trigger that sums before are of.
        after_days: With a window: the days behind it in which a dip would be what was pulled forward;
            who has not been there until then is left out too. None: nothing is said of them.

    Returns:
        A row a customer who got an offer, or would have: ``person``, ``arm``, and the columns of
        :func:`roi`: ``purchases``, ``sales_cents``, ``margin_cents``, ``discount_cents`` and
        ``redemptions``, of these what the log holds; and for covariates the same sums before, such as
        ``sales_before_cents``, without a window since the programme's first decision, with ``days_left``
        to the end of the log. With ``after_days`` there are ``purchases_after``.

    Raises:
        InputError: A column is missing, the programme decided nothing, or the log ends before the days
            behind the window of anybody do.
        ParameterError: There are days behind a window without one, or not at least a day.

    >>> from workbench.decision import load_programmes
    >>> from workbench.world import load_world, simulate
    >>> tiny = load_world("params/worlds/tiny.yaml").sized(customers=100, days=20)
    >>> welcome = load_programmes("params/programmes/nth_purchase.yaml")
    >>> made = simulate(tiny, welcome, seed=1)
    >>> roi_units(made.decisions(), made.log, "nth_purchase").columns[:3]
    ['person', 'arm', 'purchases']
    """
    _check_after(after_days, window_days)
    every = as_polars(decisions, "decisions")
    rows = every.filter(pl.col("programme") == programme)
    there = {
        name: column
        for name, column in _MONEY.items()
        if name == "purchases" or holds(log, _SOURCE_OF.get(name, name))
    }
    if window_days is None:
        people = decision_units(rows.lazy(), log, programmes, programme)
        since = {name: pl.col(each + _SINCE) for name, each in there.items()}
        before = {_before(name): pl.col(each + _BEFORE) for name, each in there.items()}
        among = people.filter("triggered", pl.col("arm") != _OUTSIDE)
        mine = among.select("person", "arm", "first", **since, **before, days_left="days_left")
    else:
        cohort = triggered_units(
            log,
            every,
            programme,
            programmes=programmes,
            outcome_days=window_days,
            before_days=before_days,
        )
        named = cohort.frame.rename({"person_id": "person", "entered_at": "first"})
        mine = named.select("person", "arm", "first", *there, *(_before(each) for each in there))
        if after_days is not None:
            mine = _with_after(log, mine, window_days, after_days)
    units = mine.with_columns(pl.col("person").cast(pl.String)).sort("person")
    if not log.counts.get(_REDEEMED):
        return units.drop("first")
    redeemed = _redeemed(rows, units, log, window_days)
    counted = pl.col("redemptions").fill_null(0)
    return units.join(redeemed, on="person", how="left").with_columns(counted).drop("first")


def _check_after(after_days: int | None, window_days: int | None) -> None:
    """Refuse days behind a window that is not there."""
    if after_days is None:
        return
    if window_days is None:
        rule = "needs window_days: without a window there is nothing behind it"
        raise ParameterError(problem("after_days", after_days, rule))
    if after_days < 1:
        raise ParameterError(problem("after_days", after_days, "must be at least 1"))


def _with_after(log: Log, units: pl.DataFrame, window_days: int, after_days: int) -> pl.DataFrame:
    """Return the units of whom the days behind the window are over, with the purchases in them."""
    last: Any = log.last_ts
    both = dt.timedelta(days=window_days + after_days)
    there = units.filter(pl.col("first") <= last - both)
    if there["arm"].n_unique() < units["arm"].n_unique():
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: the log ends before the {text.days(after_days)} behind the window of "
            f"{text.days(window_days)} do, for all of an arm; take fewer days"
        )
    closed = there.select(
        person_id=pl.col("person").cast(pl.String),
        entered_at=pl.col("first") + dt.timedelta(days=window_days),
    )
    sums = around(log, closed, (1, after_days)).select(
        pl.col("person_id").alias("person"), purchases_after="purchases"
    )
    return (
        there.with_columns(pl.col("person").cast(pl.String))
        .join(sums, on="person", how="left")
        .with_columns(pl.col("purchases_after").fill_null(0))
    )


def _before(name: str) -> str:
    """Return the name of the same sum in the days before."""
    stem = name.removesuffix("_cents")
    return f"{stem}_before{name.removeprefix(stem)}"


def _redeemed(
    rows: pl.DataFrame, people: pl.DataFrame, log: Log, window_days: int | None
) -> pl.DataFrame:
    """Return how many offers of the programme each customer redeemed in the window."""
    answers = log.to_polars(["decision_id", "ts"], types=[_REDEEMED])
    offers = rows.filter("delivered").select("decision_id", pl.col("person").cast(pl.String))
    found = answers.join(offers, on="decision_id")
    if window_days is not None:
        found = found.join(people.select("person", "first"), on="person").filter(
            pl.col("ts") - pl.col("first") <= pl.duration(days=window_days)
        )
    return found.group_by("person").agg(redemptions=pl.len().cast(pl.Int64))
