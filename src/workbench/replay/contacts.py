"""Who hears from us too often, and who too little, by group of customers. Owns no decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.frames import Frame, groups_of
from workbench.records import REASONS, STAGES
from workbench.replay.reach import DELIVERED_OFFER, all_there, offers_by_person
from workbench.replay.result import Replay
from workbench.replay.views import weeks_of
from workbench.zones import local_week

if TYPE_CHECKING:
    import pandas as pd

NEVER_TRIGGERED = "never triggered"
"""The stage of a customer about whom nothing was decided."""

LOW_VALUE = "only low-value offers"
"""The stage of a customer who got offers, but none that is worth much."""

_HEAVY = 0.95
_MANY = 3
_STAGE_OF = {each.name: each.stage for each in REASONS}
_STAGES = pl.Enum([NEVER_TRIGGERED, *STAGES, LOW_VALUE])


@dataclass(frozen=True, kw_only=True, eq=False)
class Contacts(text.Result):
    """How often customers hear from the programmes.

    Attributes:
        table: A row for each group, the largest first, and one for all: the group, ``customers``,
            ``mean_contacts`` (offers a customer and week), ``share_0``, ``share_1``, ``share_2`` and
            ``share_3_or_more`` (of the customer-weeks, by the number of offers in them), and
            ``heavy_contacts``: the mean a week that 95 % of the customers stay at or below.
        text: The mean, the busy customer-weeks, and the group with the most contacts.
        weeks: Whole local weeks that were counted.
    """

    weeks: int


@dataclass(frozen=True, kw_only=True, eq=False)
class UnderServed(text.Result):
    """Customers with no offer, or with low-value offers only.

    Attributes:
        table: A row for each group, the largest first, and furthest stage that occurs in it: the
            group, ``stage``, ``customers`` (of the group), ``under_served`` (those of them whom this
            stage stopped) and ``share_under_served`` (of the group).
        text: How many are under-served, what stopped most of them, and in which group the most are.
        low_score: The score at or below which an offer is of low value; none when no score is.
    """

    low_score: float | None


@checked
def contacts_per_week(
    replayed: Replay, customers: Frame, column: str, zone: str, *, min_customers: int = 30
) -> Contacts:
    """Count delivered offers by customer and local week, by group: how tired they may be.

    Args:
        replayed: A replay.
        customers: One row a customer, with ``person_id`` and the group; all customers, so that
            quiet weeks and customers without an offer count.
        column: The group, such as a segment.
        zone: IANA zone of the weeks, such as the log's. Weeks that the decisions cover in part are
            left out.
        min_customers: Smaller groups are in the table, but the sentence does not compare them.

    Returns:
        Contacts a customer and week by group.

    Raises:
        ParameterError: ``customers`` is no frame, has not the named column, or this machine knows
            no such zone.
        InputError: There is no whole week, a customer has two rows, or an offer reached one without
            a row.

    >>> people = pl.DataFrame({"person_id": log.codes("person"), "segment": "all"})
    >>> contacts_per_week(replayed, people, "segment", "UTC").table["segment"].tolist()
    ['all', 'all customers']
    """
    people = groups_of(customers, column)
    whole = weeks_of(replayed, zone).filter("whole")["week"]
    if whole.is_empty():
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: the decisions cover no whole week; replay more of the log"
        )
    all_there(people, offers_by_person(replayed))
    week = local_week(pl.col("ts"), zone)
    sent = (
        replayed.decisions()
        .filter(DELIVERED_OFFER)
        .group_by(pl.col("person").alias("person_id"), week.alias("week"))
        .agg(contacts=pl.len().cast(pl.Int64))
        .filter(pl.col("week").is_in(whole.implode()))
        .collect()
    )
    count = pl.col("contacts")
    each = people.join(
        sent.group_by("person_id").agg(
            contacts=count.sum(),
            ones=(count == 1).sum(),
            twos=(count == 2).sum(),  # noqa: PLR2004 - the column is named after it
            many=(count >= _MANY).sum(),
        ),
        on="person_id",
        how="left",
    ).with_columns(pl.col("contacts", "ones", "twos", "many").fill_null(0))
    all_of_them = each.with_columns(group=pl.lit("all customers"))
    table = (
        pl.concat([_contacts(each, whole.len()), _contacts(all_of_them, whole.len())])
        .rename({"group": column})
        .to_pandas()
    )
    return Contacts(
        table=table,
        text=_contacts_text(table, column, whole.len(), min_customers),
        headline=f"{text.number(table['mean_contacts'].iloc[-1])} offers a customer and week",
        weeks=whole.len(),
    )


def _contacts(each: pl.DataFrame, weeks: int) -> pl.DataFrame:
    """Return the figures of each group from contacts and busy weeks of each customer."""
    cells = pl.len() * weeks
    busy = pl.col("ones").sum() + pl.col("twos").sum() + pl.col("many").sum()
    return (
        each.group_by("group")
        .agg(
            customers=pl.len().cast(pl.Int64),
            mean_contacts=pl.col("contacts").sum() / cells,
            share_0=1 - busy / cells,
            share_1=pl.col("ones").sum() / cells,
            share_2=pl.col("twos").sum() / cells,
            share_3_or_more=pl.col("many").sum() / cells,
            heavy_contacts=pl.col("contacts").quantile(_HEAVY, "higher") / weeks,
        )
        .sort("customers", "group", descending=[True, False])
    )


def _contacts_text(table: pd.DataFrame, column: str, weeks: int, min_customers: int) -> str:
    """Say how often customers are contacted, and where the most often."""
    total, groups = table.iloc[-1], table.iloc[:-1]
    groups = groups[groups["customers"] >= min_customers]
    said = [
        f"a customer gets {text.number(total['mean_contacts'])} offers a week, counted over "
        f"{text.plural(total['customers'], 'customer')} and {text.plural(weeks, 'whole week')}",
        f"{text.share(1 - total['share_0'])} of the customer-weeks have an offer, "
        f"{text.share(total['share_3_or_more'])} have three or more; 95% of the customers get at "
        f"most {text.number(total['heavy_contacts'])} a week",
    ]
    if len(groups) > 1 and groups["mean_contacts"].max() > groups["mean_contacts"].min():
        ranked = groups.sort_values("mean_contacts", kind="stable")
        least, most = ranked.iloc[0], ranked.iloc[-1]
        said.append(
            f"the most go to {text.named(most[column])} ({text.number(most['mean_contacts'])}), the "
            f"fewest to {text.named(least[column])} ({text.number(least['mean_contacts'])})"
        )
    return " ".join(text.sentence(each) for each in said)


@checked
def under_served(
    replayed: Replay,
    customers: Frame,
    column: str,
    *,
    low_value: float = 0.05,
    min_customers: int = 30,
) -> UnderServed:
    """Find customers who got no offer or only low-value ones, by group and by what stopped them.

    An offer is of low value when its score is at or below the ``low_value`` quantile of the scores of
    all delivered offers: the largest score that at most this share of them does not exceed. Where
    the offers have so few scores that none is, no offer is of low value.

    Args:
        replayed: A replay.
        customers: One row a customer, with ``person_id`` and the group; all customers.
        column: The group, such as a segment.
        low_value: Share of the delivered offers that counts as low value, at least 0 and below 1.
        min_customers: Smaller groups are in the table, but the sentence does not name them.

    Returns:
        Customers who are under-served by group and by the furthest stage that any decision about
        them reached. Programmes that award points only do not count.

    Raises:
        ParameterError: ``low_value`` is out of range, ``customers`` is no frame, or has not the
            named column.
        InputError: There is no customer, one has two rows, or an offer reached one without a row.

    >>> people = pl.DataFrame({"person_id": log.codes("person"), "segment": "all"})
    >>> found = under_served(replayed, people, "segment", low_value=0)
    >>> int(found.table["under_served"].sum()) + replayed.persons_reached == people.height
    True
    """
    if not 0 <= low_value < 1:
        raise ParameterError(problem("low_value", low_value, "must be at least 0 and below 1"))
    people = groups_of(customers, column)
    all_there(people, offers_by_person(replayed))
    with_offers = sorted(set(replayed.offers["programme"]))
    decided = replayed.decisions().filter(pl.col("programme").is_in(with_offers))
    low = _low_score(decided, low_value)
    valued = DELIVERED_OFFER
    if low is not None:
        valued = valued & ~(pl.col("score") <= low).fill_null(value=False)
    furthest = (
        decided.group_by(pl.col("person").alias("person_id"))
        .agg(
            stage=pl.col("reason").replace_strict(_STAGE_OF, return_dtype=_STAGES).max(),
            offered=DELIVERED_OFFER.any(),
            served=valued.any(),
        )
        .collect()
    )
    each = (
        people.join(furthest, on="person_id", how="left")
        .filter(~pl.col("served").fill_null(value=False))
        .with_columns(
            stage=pl.when("offered")
            .then(pl.lit(LOW_VALUE, _STAGES))
            .otherwise(pl.col("stage").fill_null(pl.lit(NEVER_TRIGGERED, _STAGES)))
        )
    )
    sizes = people.group_by("group").agg(customers=pl.len().cast(pl.Int64))
    table = (
        each.group_by("group", "stage")
        .agg(under_served=pl.len().cast(pl.Int64))
        .join(sizes, on="group")
        .sort("customers", "group", "stage", descending=[True, False, False])
        .select(
            pl.col("group").alias(column),
            pl.col("stage").cast(pl.String),
            "customers",
            "under_served",
            share_under_served=pl.col("under_served") / pl.col("customers"),
        )
        .to_pandas()
    )
    return UnderServed(
        table=table,
        text=_under_served_text(table, column, people.height, min_customers),
        headline=_under_served_headline(table, people.height),
        low_score=low,
    )


def _low_score(decided: pl.LazyFrame, low_value: float) -> float | None:
    """Return the largest score that at most a share of the delivered offers does not exceed."""
    scores = (
        decided.filter(DELIVERED_OFFER & pl.col("score").is_not_null())
        .group_by("score")
        .len()
        .sort("score")
        .with_columns(below=pl.col("len").cum_sum() / pl.col("len").sum())
        .filter(pl.col("below") <= low_value)
        .collect()["score"]
    )
    return None if scores.is_empty() else float(scores[-1])


def _under_served_headline(table: pd.DataFrame, customers: int) -> str:
    share = text.share(table["under_served"].sum() / customers)
    return f"{share} of the customers get no offer or only low-value ones"


def _under_served_text(table: pd.DataFrame, column: str, customers: int, min_customers: int) -> str:
    """Say how many are under-served, at which stages, and in which group the most."""
    total = int(table["under_served"].sum())
    if not total:
        return text.sentence(
            f"each of {text.plural(customers, 'customer')} gets an offer that is not of low value"
        )
    stages = table.groupby("stage", sort=False)["under_served"].sum()
    stages = stages.sort_values(ascending=False, kind="stable")
    said = (
        f"{text.count(total)} of {text.plural(customers, 'customer')} "
        f"({text.share(total / customers)}) get no offer or only low-value ones; the furthest that "
        "they came: "
        + text.listing([f"{text.named(stage)} {text.count(n)}" for stage, n in stages.items()])
    )
    large = table[table["customers"] >= min_customers]
    shares = large.groupby(column, sort=False)["share_under_served"].sum()
    if len(shares) > 1:
        said += f"; most often in {text.named(shares.idxmax())} ({text.share(shares.max())} of the group)"
    return text.sentence(said)
