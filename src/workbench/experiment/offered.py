"""Customers of a programme's experiment as units of money, from its decisions and a log. Owns no estimate."""

from __future__ import annotations

import polars as pl

from workbench.arguments import checked
from workbench.decision.house import ProgrammeSet
from workbench.experiment.cohort import holds, triggered_units
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

    Returns:
        A row a customer who got an offer, or would have: ``person``, ``arm``, and the columns of
        :func:`roi`: ``purchases``, ``sales_cents``, ``margin_cents``, ``discount_cents`` and
        ``redemptions``, of these what the log holds; and for covariates the same sums before, such as
        ``sales_before_cents``, without a window since the programme's first decision, with ``days_left``
        to the end of the log.

    Raises:
        InputError: A column is missing, or the programme decided nothing.

    >>> from workbench.decision import load_programmes
    >>> from workbench.world import load_world, simulate
    >>> tiny = load_world("params/worlds/tiny.yaml").sized(customers=100, days=20)
    >>> welcome = load_programmes("params/programmes/nth_purchase.yaml")
    >>> made = simulate(tiny, welcome, seed=1)
    >>> roi_units(made.decisions(), made.log, "nth_purchase").columns[:3]
    ['person', 'arm', 'purchases']
    """
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
    units = mine.with_columns(pl.col("person").cast(pl.String)).sort("person")
    if not log.counts.get(_REDEEMED):
        return units.drop("first")
    redeemed = _redeemed(rows, units, log, window_days)
    counted = pl.col("redemptions").fill_null(0)
    return units.join(redeemed, on="person", how="left").with_columns(counted).drop("first")


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
