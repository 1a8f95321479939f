"""What is known of each person at an instant: recency, frequency, value, preferences, stage.

Owns the definitions of the columns; scores and segments are made from them elsewhere. Only
events with ``known_at`` up to the instant are seen; days and hours are those of the zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import cast
from zoneinfo import ZoneInfo

import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.conditions import ColumnType
from workbench.dayparts import DAYPART_NAMES, daypart_code
from workbench.errors import InputError, ParameterError, problem
from workbench.log import Log
from workbench.profile.lifecycle import STAGES, LifecycleRules, lifecycle_stage
from workbench.zones import local_day, zone_named

COLUMNS: Mapping[str, tuple[ColumnType, str]] = MappingProxyType(
    {
        "person_id": ("text", "who"),
        "recency_days": ("number", "whole days from the last purchase to the instant"),
        "tenure_days": ("number", "T: whole days from the first purchase to the instant"),
        "purchases": ("number", "purchases (baskets); 0 for who never bought"),
        "purchase_days": ("number", "local days with a purchase"),
        "mean_gap_days": ("number", "mean days between purchase days; null with fewer than 2"),
        "paid_cents": ("number", "sum paid in purchases"),
        "refund_cents": ("number", "sum of refunds, 0 or negative"),
        "spend_cents": ("number", "monetary value: paid_cents + refund_cents"),
        "mean_basket_cents": ("number", "mean paid in a purchase; refunds not subtracted"),
        "discount_cents": ("number", "sum of discounts on purchases"),
        "discount_rate": ("number", "discount / (paid + discount) on purchases"),
        "daypart": ("text", "part of the day with most purchases; ties: the earlier"),
        "daypart_share": ("number", "its share of the purchases"),
        "category": ("text", "category with most purchase lines; ties: by name"),
        "category_share": ("number", "its share of the lines that have a category"),
        "store": ("text", "store with most purchases; ties: by name"),
        "store_share": ("number", "its share of the purchases that have a store"),
        "lifecycle_stage": ("text", f"one of {', '.join(STAGES)}"),
    }
)
"""Name of each column of a profile: its type in conditions, and what it is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile(text.Result):
    """One row for each person of whom anything was known at an instant.

    Attributes:
        frame: The columns of :data:`COLUMNS`, and ``person`` (the log's code), sorted by it. For
            a person without a purchase all but ``purchases``, ``purchase_days`` and the stage
            are null.
        as_of: The instant, with its zone.
        zone: The zone of days and hours.
        rules: The rules of the stages.
        table: Persons and spend by lifecycle stage: no single person.
        text: How many persons, when, in which stages.
    """

    frame: pl.DataFrame
    as_of: datetime
    zone: str
    rules: LifecycleRules

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a person as a pandas frame."""
        return self.frame.to_pandas()


@checked
def profile(
    log: Log,
    *,
    as_of: datetime | str | None = None,
    zone: str | None = None,
    rules: LifecycleRules | None = None,
) -> Profile:
    """Return what was known of each person at an instant.

    Args:
        log: A stored log; ``purchase``, ``refund`` and ``purchase_line`` events are read (without
            lines, the category is that of the purchases).
        as_of: The instant; without an offset it is local time of the zone, and a day alone is
            its first moment. Default: when the last event became known.
        zone: Time zone of days and hours; default the log's.
        rules: Rules of the lifecycle stages.

    Raises:
        InputError: Nothing was known at the instant.
        ParameterError: The instant or the zone is not one.

    >>> profile(log, as_of="1997-09-30").frame["purchases"].sum()
    4947
    """
    rules, zone = rules or LifecycleRules(), zone or log.zone
    local = zone_named(zone)
    instant = _last_known(log, local) if as_of is None else _instant(as_of, local)
    persons = _known(log, None, instant).select("person").unique()
    purchases = _known(log, "purchase", instant).select(
        "person",
        "store",
        "category",
        "amount_cents",
        "discount_cents",
        day=local_day(pl.col("ts"), zone),
        daypart=daypart_code(pl.col("ts").dt.convert_time_zone(zone).dt.hour()),
    )
    lines = (
        _known(log, "purchase_line", instant).select("person", "category")
        if log.counts.get("purchase_line")
        else purchases
    )
    refunds = (
        _known(log, "refund", instant)
        .group_by("person")
        .agg(refund_cents=pl.col("amount_cents").sum())
    )
    parts = [
        persons,
        _counts_and_sums(purchases, instant),
        refunds,
        _favourite(purchases, "daypart", pl.Series("daypart", DAYPART_NAMES), by_name=False),
        _favourite(lines, "category", log.codes("category")),
        _favourite(purchases, "store", log.codes("store")),
    ]
    known, *features = pl.collect_all(parts)
    if known.is_empty():
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: nothing is known at {text.instant(instant, zone)}; "
            f"the log's first event is at {text.instant(log.first_ts, zone)}"
        )
    for feature in features:
        known = known.join(feature, on="person", how="left")
    names = log.codes("person")
    frame = (
        known.sort("person")
        .with_columns(
            person_id=names.gather(known.sort("person")["person"].cast(pl.UInt32)),
            purchases=pl.col("purchases").fill_null(0),
            purchase_days=pl.col("purchase_days").fill_null(0),
            refund_cents=pl.when(pl.col("recency_days").is_not_null()).then(
                pl.col("refund_cents").fill_null(0)
            ),
        )
        .with_columns(spend_cents=pl.col("paid_cents") + pl.col("refund_cents"))
        .with_columns(lifecycle_stage(rules))
        .select("person", *COLUMNS)
    )
    table = _by_stage(frame)
    return Profile(
        frame=frame,
        as_of=instant,
        zone=zone,
        rules=rules,
        table=table,
        text=_sentence(table, frame.height, instant, zone),
        headline=_headline(table),
    )


def _known(log: Log, kind: str | None, instant: datetime) -> pl.LazyFrame:
    """Return the events of a type (None: all) that were known at the instant."""
    known = pl.col("known_at") <= instant.astimezone(UTC)
    if kind is None:
        return log.scan().filter(known)
    if not log.counts.get(kind):
        return log.scan().filter(pl.lit(value=False))
    return log.scan(types=[kind]).filter(known)


def _counts_and_sums(purchases: pl.LazyFrame, instant: datetime) -> pl.LazyFrame:
    """Return recency, frequency, value and discount of each person who bought."""
    today, day = pl.lit(instant.date()), pl.col("day")
    paid, discount = pl.col("amount_cents"), pl.col("discount_cents")
    return (
        purchases.group_by("person")
        .agg(
            recency_days=(today - day.max()).dt.total_days(),
            tenure_days=(today - day.min()).dt.total_days(),
            purchases=pl.len().cast(pl.Int64),
            purchase_days=day.n_unique().cast(pl.Int64),
            # "No data" is null, never 0: a sum over nothing but nulls is null.
            paid_cents=pl.when(paid.count() > 0).then(paid.sum()),
            mean_basket_cents=paid.mean(),
            discount_cents=pl.when(discount.count() > 0).then(discount.sum()),
        )
        .with_columns(
            mean_gap_days=pl.when(pl.col("purchase_days") > 1).then(
                (pl.col("tenure_days") - pl.col("recency_days")) / (pl.col("purchase_days") - 1)
            ),
            discount_rate=pl.when(pl.col("paid_cents") + pl.col("discount_cents") > 0).then(
                pl.col("discount_cents") / (pl.col("paid_cents") + pl.col("discount_cents"))
            ),
        )
    )


def _favourite(
    rows: pl.LazyFrame, column: str, names: pl.Series, *, by_name: bool = True
) -> pl.LazyFrame:
    """Return the most frequent code of each person, decoded, with its share.

    Ties go to the first by name, or by code.
    """
    book = pl.LazyFrame(
        {
            column: pl.Series(range(len(names)), dtype=pl.Int32),
            "name": names.cast(pl.String),
            "order": names.cast(pl.String).rank("ordinal")
            if by_name
            else pl.Series(range(len(names)), dtype=pl.UInt32),
        }
    )
    return (
        rows.select("person", pl.col(column).cast(pl.Int32))
        .drop_nulls(column)
        .group_by("person", column)
        .len()
        .join(book, on=column, how="left")
        .sort("person", "len", "order", descending=[False, True, False])
        .group_by("person", maintain_order=True)
        .agg(
            pl.col("name").first().alias(column),
            (pl.col("len").first() / pl.col("len").sum()).alias(f"{column}_share"),
        )
    )


def _by_stage(frame: pl.DataFrame) -> pd.DataFrame:
    """Return persons and spend by lifecycle stage, every stage in the order of a life."""
    spend = pl.col("spend_cents").sum()
    total = int(frame["spend_cents"].sum())
    rows = frame.group_by(pl.col("lifecycle_stage").alias("stage")).agg(
        customers=pl.len().cast(pl.Int64),
        share=pl.len() / frame.height,
        mean_recency_days=pl.col("recency_days").mean(),
        mean_purchases=pl.col("purchases").mean(),
        spend_cents=spend,
        share_of_spend=spend / total if total else pl.lit(None, dtype=pl.Float64),
    )
    stages = pl.DataFrame({"stage": STAGES})
    return (
        stages.join(rows, on="stage", how="left", maintain_order="left")
        .with_columns(pl.col("customers", "share", "spend_cents").fill_null(0))
        .to_pandas()
    )


def _headline(table: pd.DataFrame) -> str:
    """Name the largest stage, as the title of a figure."""
    most = table.iloc[int(table["customers"].to_numpy().argmax())]
    return f"{text.share(most['share'])} of the customers are {text.words(most['stage'])}"


def _sentence(table: pd.DataFrame, persons: int, instant: datetime, zone: str) -> str:
    there = table[table["customers"] > 0].sort_values("customers", ascending=False, kind="stable")
    stages = [
        f"{text.count(n)} {text.words(stage)} ({text.share(n / persons)})"
        for stage, n in zip(there["stage"], there["customers"], strict=True)
    ]
    parts = [
        f"{text.plural(persons, 'customer')} known at {text.instant(instant, zone)}: "
        f"{text.listing(stages)}"
    ]
    late = table[table["stage"] == "at_risk"].iloc[0]
    if late["customers"]:
        part = text.share(late["share_of_spend"])
        spent = "" if part == text.MISSING else f", {part} of all spend"
        parts.insert(
            0,
            f"{text.plural(late['customers'], 'customer')} {'is' if late['customers'] == 1 else 'are'} "
            "at risk, late against their own rhythm but not yet gone; they spent "
            f"{text.amount(late['spend_cents'])}{spent}",
        )
    return " ".join(text.sentence(part) for part in parts)


def _instant(as_of: datetime | str, local: ZoneInfo) -> datetime:
    if isinstance(as_of, str):
        try:
            as_of = datetime.fromisoformat(as_of)
        except ValueError:
            rule = "must be an instant such as '2017-10-01' or '2017-10-01T09:00:00-04:00'"
            raise ParameterError(problem("as_of", as_of, rule)) from None
    return as_of.replace(tzinfo=local) if as_of.tzinfo is None else as_of.astimezone(local)


def _last_known(log: Log, local: ZoneInfo) -> datetime:
    last = log.scan().select(pl.col("known_at").max()).collect().item()
    if last is None:
        raise InputError(f"{text.NOT_ENOUGH_DATA}: the log has no event")
    return cast("datetime", last).astimezone(local)
