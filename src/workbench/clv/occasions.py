"""The summary of purchases by whole occasions (weeks, months, years), for BG/BB. Owns no model.

An occasion is a period of the calendar in which a customer buys or does not; several purchases in
one are one. The occasion of the first purchase brings the customer and is not counted: T is the
number of occasions after it, recency the place of the last of them with a purchase, frequency how
many had one. An occasion that is not over by the end of the observation is not counted either.

Source: Fader, Hardie and Shang (2010), "Customer-Base Analysis in a Discrete-Time Noncontractual
Setting", Marketing Science 29(6), section 2.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date as Date  # noqa: N812 - `date` is a public argument here
from datetime import timedelta

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.clv.purchases import Refunds, daily_purchases
from workbench.clv.summary import RfmSummary, Unit, as_summary, end_of_observation
from workbench.errors import InputError
from workbench.frames import Frame
from workbench.log import Log

_MONDAY = 3  # 1 January 1970 was a Thursday


@checked
def occasion_summary(
    transactions: Frame | Log,
    *,
    every: Unit,
    customer: str | None = None,
    date: str | None = None,
    amount: str | None = None,
    until: Date | str | None = None,
    zone: str | None = None,
    cents_per_unit: float = 1.0,
    refunds: Refunds = "refuse",
    date_format: str | None = None,
) -> RfmSummary:
    """Return frequency, recency and T of each customer in whole occasions of the calendar.

    Args:
        transactions: One row a purchase (pandas, Polars, lazy), or a log.
        every: The occasion: ``day``, ``week`` (from Monday), ``month``, ``quarter`` or ``year``.
        customer: Column of the customer; not for a log.
        date: Column of the day or instant; not for a log.
        amount: Column of the amount; not for a log. ``monetary_cents`` is the mean of an occasion.
        until: Last day of the observation; default the last day in the data.
        zone: Time zone in which an instant gets its day, as in :func:`rfm_summary`.
        cents_per_unit: Cents in one unit of ``amount``.
        refunds: What a negative amount is, as in :func:`rfm_summary`.
        date_format: Form of dates that are text and not ISO, such as ``%d.%m.%Y`` or
            ``%m/%d/%Y %H:%M``; they are never guessed.

    Returns:
        A summary whose unit of time is the occasion; fit it with ``purchases="bg_bb"``.

    Raises:
        InputError: A column is missing or unusable, or no customer came in an occasion that is over.
        ParameterError: An argument breaks its rule.

    >>> gifts = pl.DataFrame({
    ...     "who": ["a", "a", "a", "b"],
    ...     "day": ["2019-03-01", "2020-12-24", "2020-12-31", "2020-06-01"],
    ... })
    >>> found = occasion_summary(gifts, every="year", customer="who", date="day", until="2022-12-31")
    >>> found.frame.select("customer", "frequency", "recency", "T").rows()
    [('a', 1, 1.0, 3.0), ('b', 0, 0.0, 2.0)]
    """
    purchases = daily_purchases(
        transactions,
        customer=customer,
        date=date,
        amount=amount,
        zone=zone,
        cents_per_unit=cents_per_unit,
        refunds=refunds,
        date_format=date_format,
    )
    end = end_of_observation(until, purchases.last_day, None)
    last = _place_of(end, every)
    if _place_of(end + timedelta(days=1), every) == last:
        last -= 1
    bought = purchases.net(None, end).with_columns(at=_place(pl.col("day"), every))
    whole = bought.filter(pl.col("at") <= last)
    if whole.is_empty():
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: no purchase lies in a {every} that is over by {end}; "
            f"the first is on {purchases.first_day}"
        )
    frame = _summarised(whole, last, has_amounts=purchases.has_amounts)
    made = as_summary(frame, unit=every)
    return replace(made, until=end, text=_sentence(made, every, end, bought.height - whole.height))


def _place(day: pl.Expr, every: Unit) -> pl.Expr:
    """Return the number of the occasion that a day lies in."""
    number = day.cast(pl.Int32).cast(pl.Int64)
    year, month = day.dt.year().cast(pl.Int64), day.dt.month().cast(pl.Int64) - 1
    places: dict[Unit, pl.Expr] = {
        "day": number,
        "week": (number + _MONDAY).floordiv(7),
        "month": year * 12 + month,
        "quarter": year * 4 + month.floordiv(3),
        "year": year,
    }
    return places[every]


def _place_of(day: Date, every: Unit) -> int:
    return int(pl.select(_place(pl.lit(day), every)).item())


def _summarised(whole: pl.DataFrame, last: int, *, has_amounts: bool) -> pl.DataFrame:
    """Return frequency, recency, T and mean value of an occasion, a row a customer."""
    occasions = (
        whole.group_by("customer", "at", maintain_order=True)
        .agg(pl.col("cents").sum())
        .with_columns(first=pl.col("at").min().over("customer"))
    )
    later = pl.col("at") > pl.col("first")
    frame = occasions.group_by("customer", maintain_order=True).agg(
        frequency=later.sum().cast(pl.Int64),
        recency=(pl.col("at").max() - pl.col("first").first()).cast(pl.Float64),
        T=(last - pl.col("first").first()).cast(pl.Float64),
        monetary_value=pl.col("cents").filter(later).mean(),
    )
    return frame if has_amounts else frame.drop("monetary_value")


def _sentence(made: RfmSummary, every: Unit, end: Date, unfinished: int) -> str:
    frame = made.frame
    repeaters = frame.filter(pl.col("frequency") > 0).height
    parts = [
        f"{text.plural(frame.height, 'customer')} bought again in "
        f"{text.plural(int(frame['frequency'].sum()), every)} of "
        f"{text.count(int(frame['T'].sum()))} that could have had a purchase, up to {end}; "
        f"{text.count(repeaters)} of them ({text.share(repeaters / frame.height)}) bought again"
    ]
    if unfinished:
        parts.append(
            f"left out: {text.plural(unfinished, 'purchase day')} in the {every} not over by {end}"
        )
    return " ".join(text.sentence(part) for part in parts)
