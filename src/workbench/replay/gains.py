"""Who gains and who loses offers by another programme set, by group. Owns no decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from workbench import text
from workbench.frames import Frame, groups_of
from workbench.replay.reach import all_there, offers_by_person
from workbench.replay.result import Replay

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class Gains(text.Result):
    """Who gains and who loses by another programme set.

    Attributes:
        table: A row for each group, the largest first: the group, ``customers``, ``offers_a``,
            ``offers_b``, ``committed_a_cents``, ``committed_b_cents``, and how many customers get
            more offers in b (``gain``) and fewer (``lose``).
        text: How many gain and lose in all, and where the most do.
    """


def gains_by(a: Replay, b: Replay, customers: Frame, column: str) -> Gains:
    """Count who gets more and who gets fewer offers in b than in a; see :meth:`.Diff.by`."""
    people = groups_of(customers, column)
    for side, replayed in (("a", a), ("b", b)):
        offers = offers_by_person(replayed)
        all_there(people, offers)
        named = offers.rename(
            {"offers": f"offers_{side}", "committed_cents": f"committed_{side}_cents"}
        )
        people = people.join(named, left_on="person_id", right_on="person", how="left")
    people = people.with_columns(pl.exclude("person_id", "group").fill_null(0))
    more = pl.col("offers_b") - pl.col("offers_a")
    table = (
        people.group_by("group")
        .agg(
            customers=pl.len().cast(pl.Int64),
            offers_a=pl.col("offers_a").sum(),
            offers_b=pl.col("offers_b").sum(),
            committed_a_cents=pl.col("committed_a_cents").sum(),
            committed_b_cents=pl.col("committed_b_cents").sum(),
            gain=(more > 0).sum().cast(pl.Int64),
            lose=(more < 0).sum().cast(pl.Int64),
        )
        .sort("customers", "group", descending=[True, False])
        .rename({"group": column})
        .to_pandas()
    )
    return Gains(table=table, text=_text(table, column), headline=_headline(table))


def _text(table: pd.DataFrame, column: str) -> str:
    """Say how many customers gain and lose, and in which groups the most do."""
    said = _headline(table)
    parts = [
        f"the most who {verb} are in {text.named(top[column])} ({text.count(top[verb])} of "
        f"{text.plural(top['customers'], 'customer')})"
        for verb in ("gain", "lose")
        if len(table) > 1
        and (top := table.sort_values(verb, ascending=False, kind="stable").iloc[0])[verb]
    ]
    return text.sentence("; ".join([said, *parts]))


def _headline(table: pd.DataFrame) -> str:
    gain, lose = (int(table[name].sum()) for name in ("gain", "lose"))
    if not gain and not lose:
        return "No customer gets more offers or fewer"
    return (
        f"{text.count(gain)} of {text.plural(table['customers'].sum(), 'customer')} get more offers, "
        f"{text.count(lose)} get fewer"
    )
