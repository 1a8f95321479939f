"""Customers of a programme's experiment as units of money, from its decisions and a log. Owns no estimate."""

from __future__ import annotations

import polars as pl

from workbench.arguments import checked
from workbench.experiment.triggered import decision_units
from workbench.frames import Frame, as_polars
from workbench.log import Log

_MONEY = {
    "purchases": "purchases_since",
    "sales_cents": "spend_cents_since",
    "margin_cents": "margin_cents_since",
    "discount_cents": "discount_cents_since",
}
_OUTSIDE = "none"


@checked
def roi_units(decisions: Frame, log: Log, programme: str) -> pl.DataFrame:
    """Return what customers did since their first offer, or since the first ghost in the control.

    Args:
        decisions: The decision log.
        log: The log with purchases and redemptions.
        programme: Name of the programme.

    Returns:
        A row a customer who got an offer, or would have: ``person``, ``arm``, and the columns of
        :func:`roi` up to the end of the log: ``purchases``, ``sales_cents``, ``margin_cents``,
        ``discount_cents`` and ``redemptions``.

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
    rows = as_polars(decisions, "decisions").filter(pl.col("programme") == programme)
    people = decision_units(rows.lazy(), log, None, programme)
    mine = people.filter("triggered", pl.col("arm") != _OUTSIDE)
    answers = log.to_polars(["decision_id"], types=["offer_redeemed"])
    redeemed = (
        answers.join(rows.filter("delivered").select("decision_id", "person"), on="decision_id")
        .group_by("person")
        .agg(redemptions=pl.len().cast(pl.Int64))
    )
    return (
        mine.select("person", "arm", **{name: pl.col(each) for name, each in _MONEY.items()})
        .join(redeemed, on="person", how="left")
        .with_columns(pl.col("redemptions").fill_null(0))
        .sort("person")
    )
