"""Whom a replay reached, by a group of customers such as their segment. Owns no decision."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import polars as pl

from workbench import text
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.replay.result import Replay


@dataclass(frozen=True, kw_only=True, eq=False)
class Reach(text.Result):
    """Customers who were reached, by group.

    Attributes:
        table: A row for each group, the largest first: the group, ``customers``, ``share`` (of
            all customers), ``reached``, ``share_reached`` (of the group), ``offers`` and
            ``committed_cents``.
        text: The share reached in all, and the groups with the most and the least.
    """


def reach_by(replayed: Replay, customers: pd.DataFrame, column: str) -> Reach:
    """Count customers, who of them got an offer, and its committed cost, by group.

    Args:
        replayed: A replay.
        customers: One row a customer, with ``person_id`` and the group; all customers, so that
            those whom no offer reached are counted.
        column: The group.

    Raises:
        ParameterError: A column is missing.
        InputError: There is no customer, or a customer has two rows.
    """
    for name in ("person_id", column):
        if name not in customers.columns:
            hint = did_you_mean(name, customers.columns)
            raise ParameterError(
                problem("column", name, "must be one of the customers'", hint=hint)
            )
    if customers.empty:
        raise InputError(f"{text.NOT_ENOUGH_DATA}: there is no customer")
    if customers["person_id"].duplicated().any():
        raise InputError("customers must have one row each; some person_id occurs twice")
    rates = pl.from_pandas(replayed.offers[["programme", "offer_id", "redemption_rate"]])
    offers = (
        replayed.decisions()
        .filter("delivered")
        .with_columns(pl.col("programme", "offer_id", "person").cast(pl.String))
        .join(rates.lazy(), on=["programme", "offer_id"], how="left")
        .group_by("person")
        .agg(
            offers=pl.len().cast(pl.Int64),
            committed_cents=(pl.col("cost_cents") * pl.col("redemption_rate")).sum(),
        )
        .collect()
    )
    people = pl.from_pandas(customers[["person_id", column]]).cast(pl.String)
    table = (
        people.with_columns(pl.col(column).fill_null("not known"))
        .join(offers, left_on="person_id", right_on="person", how="left")
        .group_by(column)
        .agg(
            customers=pl.len().cast(pl.Int64),
            share=pl.len() / people.height,
            reached=pl.col("offers").is_not_null().sum().cast(pl.Int64),
            share_reached=pl.col("offers").is_not_null().mean(),
            offers=pl.col("offers").sum(),
            committed_cents=pl.col("committed_cents").sum(),
        )
        .sort("customers", column, descending=[True, False])
        .to_pandas()
    )
    return Reach(table=table, text=_sentence(table, column))


def _sentence(table: pd.DataFrame, column: str) -> str:
    reached, customers = table["reached"].sum(), table["customers"].sum()
    said = (
        f"offers would have reached {text.share(reached / customers)} of "
        f"{text.plural(customers, 'customer')}"
    )
    ranked = table.sort_values("share_reached", kind="stable")
    least, most = ranked.iloc[0], ranked.iloc[-1]
    if most["share_reached"] > least["share_reached"]:
        said += (
            f"; most in {text.words(most[column])} ({text.share(most['share_reached'])}), "
            f"least in {text.words(least[column])} ({text.share(least['share_reached'])})"
        )
    return text.sentence(said)
