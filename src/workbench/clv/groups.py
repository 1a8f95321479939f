"""Customer value by a group of customers such as their segment. Owns no value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.clv.summary import DAYS_PER_UNIT, RfmSummary
from workbench.clv.value import CustomerValue, chunks
from workbench.errors import InputError
from workbench.frames import UNKNOWN_GROUP, Frame, as_polars, groups_of, need_columns, nobody_of


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupValue(text.Result):
    """Customer value by group.

    Attributes:
        table: A row for each group, the most valuable customers first: the group, ``customers``,
            ``clv_cents`` (mean of the group), with a posterior ``clv_low_cents`` and
            ``clv_high_cents`` of that mean, ``share`` (of the customers) and ``share_of_value``.
        text: The group that holds most of the value.
    """


@checked
def value_by(value: CustomerValue | Frame, customers: Frame, column: str) -> GroupValue:
    """Return the value of customers by group.

    Args:
        value: Of ``ClvFit.clv``, or one row a customer with ``customer`` and ``clv_cents``; only
            the first has a posterior, so that the groups get intervals.
        customers: One row a customer with ``person_id`` and the group; a customer without a row
            is in the group "not known".
        column: The group.

    Returns:
        Customers and their value by group.

    Raises:
        ParameterError: ``value`` or ``customers`` is no frame, or has not the named column.
        InputError: There is no value or no customer, a customer has two rows, or nobody in
            ``customers`` has a value.

    >>> value = pd.DataFrame({"customer": ["ann", "bob"], "clv_cents": [300.0, 100.0]})
    >>> people = pd.DataFrame({"person_id": ["ann", "bob"], "segment": ["loyal", "new"]})
    >>> value_by(value, people, "segment").text
    'Segment “loyal” holds 75.0% of the value with 50.0% of the customers.'
    """
    groups = groups_of(customers, column)
    values = as_polars(value.frame if isinstance(value, CustomerValue) else value, "value")
    need_columns(values.columns, ("customer", "clv_cents"), "value")
    if values.is_empty():
        raise InputError(f"{text.NOT_ENOUGH_DATA}: no customer has a value")
    without = groups.join(
        values.select(person_id=pl.col("customer").cast(pl.String)), on="person_id", how="anti"
    ).height
    if without == groups.height:
        raise InputError(nobody_of(values["customer"], groups))
    total = float(values["clv_cents"].sum())
    grouped = (
        values.with_columns(pl.col("customer").cast(pl.String))
        .join(groups, left_on="customer", right_on="person_id", how="left", maintain_order="left")
        .with_columns(pl.col("group").fill_null(UNKNOWN_GROUP))
    )
    ends = _intervals(value, grouped["group"]) if isinstance(value, CustomerValue) else None
    table = (
        grouped.group_by("group")
        .agg(
            customers=pl.len().cast(pl.Int64),
            clv_cents=pl.col("clv_cents").mean(),
            share=pl.len() / values.height,
            share_of_value=pl.col("clv_cents").sum() / total if total else pl.lit(None, pl.Float64),
        )
        .sort("clv_cents", "group", descending=[True, False])
    )
    if ends is not None:
        table = table.join(ends, on="group", how="left", maintain_order="left")
        names = ["group", "customers", "clv_cents", *ends.columns[1:], "share", "share_of_value"]
        table = table.select(names)
    shown = table.rename({"group": column}).to_pandas()
    return GroupValue(
        table=shown, text=_sentence(shown, column, without), headline=_finding(shown, column)
    )


def _intervals(value: CustomerValue, group: pl.Series) -> pl.DataFrame | None:
    """Return the interval of the mean value of each group; None without a posterior."""
    names, codes = np.unique(group.to_numpy().astype(str), return_inverse=True)
    totals: npt.NDArray[np.float64] | float = 0.0
    for chunk in chunks(value.fit, value.horizon):
        member = np.eye(len(names))[codes[chunk.customers]]
        totals = totals + chunk.value @ member
    means = np.asarray(totals) / np.bincount(codes)
    if len(means) == 1:
        return None
    low, high = np.quantile(means, [(1 - value.level) / 2, (1 + value.level) / 2], axis=0)
    return pl.DataFrame({"group": names, "clv_low_cents": low, "clv_high_cents": high})


def _finding(table: pd.DataFrame, column: str) -> str:
    """Say which group holds most of the value, as the title of a figure; empty without a value."""
    if table["share_of_value"].isna().all():
        return ""
    top = table.sort_values("share_of_value", kind="stable").iloc[-1]
    return (
        f"{text.words(column).capitalize()} {text.named(top[column])} holds "
        f"{text.share(top['share_of_value'])} of the value with {text.share(top['share'])} "
        "of the customers"
    )


def _sentence(table: pd.DataFrame, column: str, without: int) -> str:
    said = _finding(table, column) or f"{text.NOT_ENOUGH_DATA}: the customers have no value in all"
    if without:
        said += (
            f"; {text.plural(without, 'customer')} of whom the model has seen no purchase "
            f"{'is' if without == 1 else 'are'} not valued"
        )
    return text.sentence(said)


@checked
def cohorts(summary: RfmSummary) -> pd.DataFrame:
    """Return the quarter in which each customer first bought, as a group for :func:`value_by`.

    Args:
        summary: Of :func:`rfm_summary`, which knows the days.

    Returns:
        ``person_id`` and ``segment``, such as "since 2017 Q1".

    Raises:
        InputError: The summary came as a frame and has no days.

    >>> cohorts(summary)["segment"].unique().tolist()
    ['since 1997 Q1']
    """
    if summary.until is None:
        raise InputError("cohorts need the days of purchases; make the summary by rfm_summary")
    days = (pl.col("T") * DAYS_PER_UNIT[summary.unit]).round().cast(pl.Int64)
    first = pl.lit(summary.until) - pl.duration(days=days)
    made = summary.frame.select(
        person_id=pl.col("customer").cast(pl.String),
        segment=pl.format("since {} Q{}", first.dt.year(), first.dt.quarter()),
    )
    return pd.DataFrame(made.to_dict(as_series=False))
