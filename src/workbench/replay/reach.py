"""Whom a replay reached, by a group of customers such as their segment. Owns no decision."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError
from workbench.frames import Frame, groups_of
from workbench.replay.result import Replay

DELIVERED_OFFER = pl.col("delivered") & pl.col("offer_id").is_not_null()
"""Whether a decision sent an offer; points that were awarded are none."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reach(text.Result):
    """Customers who were reached, by group.

    Attributes:
        table: A row for each group, the largest first: the group, ``customers``, ``share`` (of
            all customers), ``reached``, ``share_reached`` (of the group), ``offers`` and
            ``committed_cents``.
        text: The share reached in all, and the groups with the most and the least.
    """


@checked
def reach_by(replayed: Replay, customers: Frame, column: str, *, min_customers: int = 30) -> Reach:
    """Count customers, who of them got an offer, and its committed cost, by group.

    Args:
        replayed: A replay.
        customers: One row a customer, with ``person_id`` and the group; all customers, so that
            those whom no offer reached are counted.
        column: The group.
        min_customers: Smaller groups are in the table, but the sentence does not compare them: the
            share of a handful says little.

    Returns:
        Customers, who was reached, offers and committed cost by group.

    Raises:
        ParameterError: ``customers`` is no frame, or has not the named column.
        InputError: There is no customer, one has two rows, or an offer reached one without a row.

    >>> from workbench.profile import profile
    >>> reached = reach_by(replayed, profile(log).frame, "lifecycle_stage")
    >>> int(reached.table["reached"].sum()) == replayed.persons_reached
    True
    """
    people = groups_of(customers, column)
    offers = offers_by_person(replayed)
    all_there(people, offers)
    table = (
        people.join(offers, left_on="person_id", right_on="person", how="left")
        .group_by("group")
        .agg(
            customers=pl.len().cast(pl.Int64),
            share=pl.len() / people.height,
            reached=pl.col("offers").is_not_null().sum().cast(pl.Int64),
            share_reached=pl.col("offers").is_not_null().mean(),
            offers=pl.col("offers").sum(),
            committed_cents=pl.col("committed_cents").sum(),
        )
        .sort("customers", "group", descending=[True, False])
        .rename({"group": column})
        .to_pandas()
    )
    return Reach(
        table=table, text=_sentence(table, column, min_customers), headline=_headline(table)
    )


def offers_by_person(replayed: Replay) -> pl.DataFrame:
    """Return who got an offer, with ``offers`` and ``committed_cents``; points are no offer."""
    rates = pl.from_pandas(replayed.offers[["programme", "offer_id", "redemption_rate"]])
    return (
        replayed.decisions()
        .filter(DELIVERED_OFFER)
        .with_columns(pl.col("programme", "offer_id", "person").cast(pl.String))
        .join(rates.lazy(), on=["programme", "offer_id"], how="left")
        .group_by("person")
        .agg(
            offers=pl.len().cast(pl.Int64),
            committed_cents=(pl.col("cost_cents") * pl.col("redemption_rate")).sum(),
        )
        .collect()
    )


def _headline(table: pd.DataFrame) -> str:
    reached, customers = table["reached"].sum(), table["customers"].sum()
    return f"Offers would have reached {text.share(reached / customers)} of the customers"


def all_there(people: pl.DataFrame, offers: pl.DataFrame) -> None:
    """Refuse to leave out an offer because its customer has no row."""
    without = offers.join(people, left_on="person", right_on="person_id", how="anti").height
    if without:
        raise InputError(
            f"customers must hold everybody: {text.plural(without, 'customer')} whom an offer "
            "reached without a row; profile the same log at its end"
        )


def _sentence(table: pd.DataFrame, column: str, min_customers: int) -> str:
    reached, customers = table["reached"].sum(), table["customers"].sum()
    said = (
        f"offers would have reached {text.share(reached / customers)} of "
        f"{text.plural(customers, 'customer')}"
    )
    large = table[table["customers"] >= min_customers]
    ranked = large.sort_values("share_reached", kind="stable")
    if len(ranked) and ranked["share_reached"].iloc[-1] > ranked["share_reached"].iloc[0]:
        least, most = ranked.iloc[0], ranked.iloc[-1]
        said += (
            f"; most in {text.named(most[column])} ({text.share(most['share_reached'])}), "
            f"least in {text.named(least[column])} ({text.share(least['share_reached'])})"
        )
        if small := len(table) - len(large):
            said += (
                f"; {text.plural(small, 'group')} of fewer than "
                f"{text.plural(min_customers, 'customer')} not compared"
            )
    return text.sentence(said)
