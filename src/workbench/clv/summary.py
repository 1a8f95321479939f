"""Recency, frequency, T and mean value of each customer, from purchases. Owns no model.

The terms are those of Fader, Hardie and Lee (2005), and purchases are counted in days: several
purchases of a customer on one local day are one. ``frequency`` is the number of *repeat* purchase
days, ``recency`` the time from the first to the last purchase day (0 when frequency is 0), ``T``
the time from the first purchase day to the end of the observation, ``monetary_cents`` the mean
value of the repeat purchase days (null when there is none, for "no data" is never 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date as Date  # noqa: N812 - `date` is a public argument here
from datetime import datetime, timedelta
from typing import Literal

import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.clv.purchases import Purchases, Refunds, daily_purchases
from workbench.errors import InputError, ParameterError, problem
from workbench.frames import Frame, as_polars, need_columns
from workbench.log import Log

Unit = Literal["day", "week", "month", "quarter", "year"]
CountedUnit = Literal["day", "week"]  # the others are for occasions

# Months, quarters and years are those of the Gregorian calendar on average: 146,097 days in 400 years.
DAYS_PER_UNIT: dict[Unit, float] = {
    "day": 1,
    "week": 7,
    "month": 30.436875,
    "quarter": 91.310625,
    "year": 365.2425,
}

_SHOWN_FREQUENCIES = 7  # the last group of the table is "7+"


@dataclass(frozen=True, kw_only=True, eq=False)
class RfmSummary(text.Result):
    """The summary that CLV models are fitted to.

    Attributes:
        frame: One row a customer, sorted by customer: ``customer``, ``frequency``, ``recency``,
            ``T``, ``monetary_cents`` (null column when no amounts were given), and with a
            holdout ``frequency_holdout`` (purchase days in it), ``monetary_holdout_cents`` (null
            without one) and ``duration_holdout``. Times are in ``unit``.
        unit: Unit of all times in ``frame``.
        until: Last day of the observation; None for a summary that came as a frame.
        holdout_days: Length of the holdout after ``until``, or None.
        repeats: ``day`` and ``repeat_purchases`` of these customers, to the end of the data.
        table: Customers by frequency: counts and means, no single customer.
        text: What was counted, and what was set apart.
    """

    frame: pl.DataFrame
    unit: Unit
    until: Date | None
    holdout_days: int | None
    repeats: pl.DataFrame

    @property
    def has_amounts(self) -> bool:
        """Whether the purchases came with amounts."""
        return self.frame["monetary_cents"].dtype != pl.Null

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a customer as a pandas frame, indexed by customer."""
        return pd.DataFrame(self.frame.to_dict(as_series=False)).set_index("customer")


@checked
def rfm_summary(
    transactions: Frame | Log,
    *,
    customer: str | None = None,
    date: str | None = None,
    amount: str | None = None,
    until: Date | str | None = None,
    holdout_days: int | None = None,
    unit: CountedUnit = "day",
    zone: str | None = None,
    cents_per_unit: float = 1.0,
    refunds: Refunds = "refuse",
    date_format: str | None = None,
) -> RfmSummary:
    """Return recency, frequency, T and mean value of each customer up to a day.

    Args:
        transactions: One row a purchase (pandas, Polars, lazy), or a log, whose ``purchase``
            events are taken with person, local day and amount.
        customer: Column of the customer; not for a log.
        date: Column of the day or instant: dates, datetimes or ISO text; not for a log.
        amount: Column of the amount; not for a log.
        until: Last day of the observation (of an instant, the day that is written); default the
            last day in the data, less the holdout.
        holdout_days: Days after ``until`` that are held out, or None.
        unit: Unit of the times: ``day``, or ``week`` (days divided by 7).
        zone: Time zone in which an instant gets its day; default the column's or the log's own, and
            for text with an offset the day as it is written.
        cents_per_unit: Cents in one unit of ``amount``: 1, or 100 when it is in dollars.
        refunds: What a negative amount is: ``refuse``, an error; ``leave_out``, no purchase, and
            nothing else; ``net``, no purchase, and its amount lowers the value of the customer's
            last purchase day on or before it, at most to 0, if both lie before ``until`` or both
            in the holdout. Either way a purchase that was given back stays a purchase. The
            refunds of a log are events of their own and are left out unless they are netted.
        date_format: Form of dates that are text and not ISO, such as ``%d.%m.%Y`` or
            ``%m/%d/%Y %H:%M``; they are never guessed.

    Raises:
        InputError: A column is missing or unusable, an id or date is missing, an amount is
            negative where refunds are refused or is not finite, or there is no purchase up to ``until``.
        ParameterError: An argument breaks its rule; the holdout ends after the data.

    >>> purchases = pd.DataFrame({
    ...     "who": ["a", "a", "a", "b"],
    ...     "day": ["2024-01-01", "2024-01-01", "2024-01-15", "2024-01-08"],
    ...     "usd": [5.0, 1.0, 8.0, 3.0],
    ... })
    >>> summary = rfm_summary(purchases, customer="who", date="day", amount="usd",
    ...                       cents_per_unit=100, unit="week")
    >>> summary.frame.rows()
    [('a', 1, 2.0, 2.0, 800.0), ('b', 0, 0.0, 1.0, None)]
    """
    _check_arguments(holdout_days, cents_per_unit)
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
    last = purchases.last_day
    end = end_of_observation(until, last, holdout_days)
    if holdout_days is not None and end + timedelta(days=holdout_days) > last:
        rule = f"must end by the last day of the data, {last}; it would end on {end + timedelta(days=holdout_days)}"
        raise ParameterError(problem("holdout_days", holdout_days, rule))
    frame = _calibration(purchases.net(None, end), end, unit)
    if frame.is_empty():
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: there is no purchase up to {end}; "
            f"the first is on {purchases.first_day}"
        )
    if not purchases.has_amounts:
        frame = frame.with_columns(monetary_cents=pl.lit(None))
    if holdout_days is not None:
        frame = _with_holdout(frame, purchases, end, holdout_days, unit)
    return _summary(
        frame,
        unit=unit,
        until=end,
        holdout_days=holdout_days,
        repeats=_repeats(purchases.frame, end),
        apart=_set_apart(purchases, end, holdout_days),
    )


@checked
def as_summary(
    frame: Frame, *, unit: Unit, customer: str = "customer", cents_per_unit: float = 1.0
) -> RfmSummary:
    """Return a summary that somebody else made (a published one), checked.

    Args:
        frame: One row a customer with ``frequency``, ``recency``, ``T`` and, if there are
            amounts, ``monetary_value`` (ignored where frequency is 0).
        unit: Unit of its times.
        customer: Column of the customer.
        cents_per_unit: Cents in one unit of ``monetary_value``.

    Raises:
        InputError: A column is missing or an invariant is broken.

    >>> rows = pd.DataFrame({"customer": [1], "frequency": [2], "recency": [30.43], "T": [38.86]})
    >>> as_summary(rows, unit="week").frame["T"].to_list()
    [38.86]
    """
    _check_arguments(None, cents_per_unit)
    given = as_polars(frame, "summary")
    need_columns(given.columns, (customer, "frequency", "recency", "T"), "summary")
    for name in ("frequency", "recency", "T", "monetary_value"):
        if name in given.columns and not given[name].dtype.is_numeric():
            rule = "must be a number"
            raise InputError(problem(f"the type of {name}", str(given[name].dtype), rule))
    if (given["frequency"].cast(pl.Float64) % 1 != 0).any():
        raise InputError("frequency must be a whole number; some row has a part of one")
    value: pl.Expr = pl.lit(None)
    if "monetary_value" in given.columns:
        value = pl.when(pl.col("frequency") > 0).then(
            pl.col("monetary_value").cast(pl.Float64) * cents_per_unit
        )
    made = given.select(
        pl.col(customer).alias("customer"),
        pl.col("frequency").cast(pl.Int64),
        pl.col("recency").cast(pl.Float64),
        pl.col("T").cast(pl.Float64),
        value.alias("monetary_cents"),
    ).sort("customer")
    empty = pl.DataFrame(schema={"day": pl.Date, "repeat_purchases": pl.Int64})
    return _summary(made, unit=unit, until=None, holdout_days=None, repeats=empty, apart=[])


def check_invariants(frame: pl.DataFrame) -> None:
    """Check what every summary must hold; the only place where these rules stand.

    Raises:
        InputError: A rule is broken; the text says which, by how many rows, and the first one.

    >>> check_invariants(pl.DataFrame({"customer": ["a"], "frequency": [1], "recency": [9.0],
    ...                                "T": [8.0], "monetary_cents": [None]}))
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: recency must be at most T: 1 row of the summary breaks it, first customer 'a'
    """
    frequency, recency, age = pl.col("frequency"), pl.col("recency"), pl.col("T")
    rules: tuple[tuple[str, pl.Expr], ...] = (
        ("customer must be there", pl.col("customer").is_not_null()),
        ("customer must be unique", pl.col("customer").is_first_distinct()),
        ("frequency must be a whole number of at least 0", frequency >= 0),
        ("T must be finite and at least 0", age.is_finite() & (age >= 0)),
        ("recency must be at least 0", recency.is_finite() & (recency >= 0)),
        ("recency must be at most T", recency <= age),
        ("recency must be 0 when frequency is 0", (frequency > 0) | (recency == 0)),
        ("recency must be above 0 when frequency is", (frequency == 0) | (recency > 0)),
    )
    if frame["monetary_cents"].dtype != pl.Null:
        value = pl.col("monetary_cents")
        there = (frequency == 0) | (value.is_finite() & (value >= 0)).fill_null(value=False)
        rules += (("monetary_cents must be finite and at least 0 for a repeat customer", there),)
    for rule, holds in rules:
        broken = frame.filter(~holds.fill_null(value=False))
        if not broken.is_empty():
            raise InputError(
                f"{rule}: {text.plural(len(broken), 'row')} of the summary "
                f"{'breaks' if len(broken) == 1 else 'break'} it, "
                f"first customer {broken['customer'][0]!r}"
            )


def _check_arguments(holdout_days: int | None, cents_per_unit: float) -> None:
    if holdout_days is not None and holdout_days < 1:
        raise ParameterError(problem("holdout_days", holdout_days, "must be at least 1"))
    if not 0 < cents_per_unit < float("inf"):
        raise ParameterError(problem("cents_per_unit", cents_per_unit, "must be above 0"))


def end_of_observation(until: Date | str | None, last: Date, holdout_days: int | None) -> Date:
    """Return the last day that is seen: the one that is asked for, or what a holdout leaves of the data."""
    if until is None:
        return last - timedelta(days=holdout_days or 0)
    rule = "must be a date such as '1997-09-30'"
    if isinstance(until, str):
        try:
            return Date.fromisoformat(until)
        except ValueError:
            raise ParameterError(problem("until", until, rule)) from None
    if pd.isna(until):  # pandas' missing instant counts as an instant
        raise ParameterError(problem("until", until, rule))
    return until.date() if isinstance(until, datetime) else until


def _calibration(daily: pl.DataFrame, end: Date, unit: Unit) -> pl.DataFrame:
    """Return the summary of purchase days, in order, up to the end of the observation."""
    day, per_unit = pl.col("day"), DAYS_PER_UNIT[unit]
    value_after_first = pl.col("cents").sum() - pl.col("cents").first()
    return (
        daily.group_by("customer")
        .agg(
            frequency=pl.len().cast(pl.Int64) - 1,
            recency=(day.max() - day.min()).dt.total_days() / per_unit,
            T=(pl.lit(end) - day.min()).dt.total_days() / per_unit,
            monetary_cents=pl.when(pl.len() > 1).then(value_after_first / (pl.len() - 1)),
        )
        .sort("customer")
    )


def _with_holdout(
    frame: pl.DataFrame, purchases: Purchases, end: Date, holdout_days: int, unit: Unit
) -> pl.DataFrame:
    """Add what the same customers did in the holdout."""
    stop = end + timedelta(days=holdout_days)
    held = (
        purchases.net(end, stop)
        .group_by("customer")
        .agg(
            frequency_holdout=pl.len().cast(pl.Int64),
            monetary_holdout_cents=pl.col("cents").mean()
            if purchases.has_amounts
            else pl.lit(None),
        )
    )
    return (
        frame.join(held, on="customer", how="left")
        .with_columns(
            pl.col("frequency_holdout").fill_null(0),
            duration_holdout=pl.lit(holdout_days / DAYS_PER_UNIT[unit]),
        )
        .sort("customer")
    )


def _repeats(daily: pl.DataFrame, end: Date) -> pl.DataFrame:
    """Return repeat purchases by day of the customers who first bought up to the end."""
    first = pl.col("first_day")
    return (
        daily.filter((first <= end) & (pl.col("day") > first))
        .group_by("day")
        .agg(repeat_purchases=pl.len().cast(pl.Int64))
        .sort("day")
    )


def _set_apart(purchases: Purchases, end: Date, holdout_days: int | None) -> list[str]:
    """Say what of the data the summary does not hold."""
    day, stop = pl.col("day"), end + timedelta(days=holdout_days or 0)
    later = purchases.frame.filter(day > stop).height
    new = purchases.frame.filter(pl.col("first_day") > end)["customer"].n_unique()
    parts = []
    if later:
        parts.append(f"left out: {text.plural(later, 'purchase day')} after {stop}")
    if new:
        parts.append(f"left out: {text.plural(new, 'customer')} first seen after {end}")
    if purchases.refunds_left_out:
        parts.append(f"left out: {text.plural(purchases.refunds_left_out, 'refund')}")
    over = _reaching_over(purchases, end, stop)
    if over:
        parts.append(f"left out: {text.plural(over, 'refund')} for a purchase of an earlier time")
    return parts


def _reaching_over(purchases: Purchases, end: Date, stop: Date) -> int:
    """Count refunds of the holdout, or behind it, of a purchase that lies before."""
    day, bought = pl.col("day"), pl.col("purchase_day")
    return purchases.refunds.filter(
        ((day > end) & (bought <= end)) | ((day > stop) & (bought <= stop) & (bought > end))
    ).height


def _summary(
    frame: pl.DataFrame,
    *,
    unit: Unit,
    until: Date | None,
    holdout_days: int | None,
    repeats: pl.DataFrame,
    apart: list[str],
) -> RfmSummary:
    """Check the invariants and put table and sentence beside the frame."""
    if frame.is_empty():
        raise InputError(f"{text.NOT_ENOUGH_DATA}: the summary has no customer")
    check_invariants(frame)
    repeaters = frame.filter(pl.col("frequency") > 0).height
    end = f" up to {until}" if until else ""
    parts = [
        f"{text.plural(frame.height, 'customer')} made "
        f"{text.count(_total(frame['frequency']))} repeat purchases (days){end}; "
        f"{text.count(repeaters)} of them ({text.share(repeaters / frame.height)}) bought again"
    ]
    if holdout_days is not None:
        held = text.count(_total(frame["frequency_holdout"]))
        parts.append(f"in the {text.days(holdout_days)} held out they made {held} more")
    return RfmSummary(
        frame=frame,
        unit=unit,
        until=until,
        holdout_days=holdout_days,
        repeats=repeats,
        table=_by_frequency(frame, unit),
        text=" ".join(text.sentence(part) for part in parts + apart),
    )


def _by_frequency(frame: pl.DataFrame, unit: Unit) -> pd.DataFrame:
    """Return counts and means by frequency, the last group open."""
    top = _SHOWN_FREQUENCIES
    rows = (
        frame.group_by(group=pl.col("frequency").clip(upper_bound=top))
        .agg(
            customers=pl.len(),
            **{
                f"mean_recency_{unit}s": _mean("recency"),
                f"mean_T_{unit}s": _mean("T"),
            },
            mean_value_cents=_mean("monetary_cents"),
        )
        .sort("group")
        .to_dict(as_series=False)
    )
    group = [f"{top}+" if value == top else str(value) for value in rows.pop("group")]
    return pd.DataFrame({"repeat_purchases": group, **rows})


def _mean(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64).mean()


def _total(column: pl.Series) -> int:
    return int(column.sum())
