"""Purchases as (customer, day, cents) from frames and logs, checked. Owns no summary.

Nothing is dropped: a row that cannot be used is an error that says which and how many.

A refund is never a purchase. With ``net`` it lowers the value of the customer's last purchase day
on or before it, at most to 0; the purchase day stays one. A refund never reaches over the end of an
observation: what was given back after it was not known then.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date as Date  # noqa: N812 - `date` is a public argument here
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from workbench import text
from workbench.errors import InputError, ParameterError, problem, shown
from workbench.frames import Frame, as_polars, need_columns
from workbench.log import Log
from workbench.zones import local_day, zone_named

Refunds = Literal["refuse", "leave_out", "net"]

_REFUND_SCHEMA = {"customer": pl.Null, "day": pl.Date, "purchase_day": pl.Date, "cents": pl.Float64}
_ISO = r"^(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s*(?:Z|[+-]\d{2}:?\d{2})?)?$"
_OFFSET = r"(?:Z|[+-]\d{2}:?\d{2})$"
_WIDEST = 10  # a table may have this many places a row


@dataclass(frozen=True, kw_only=True, eq=False)
class Purchases:
    """Purchase days: ``customer``, ``day``, ``cents`` (sum of the day), each pair once and in order.

    ``first_day`` in the frame is the first day of the row's customer.

    The days of the data are ``first_day`` to ``last_day``.

    ``refunds`` has ``customer``, ``day``, ``purchase_day`` (the day whose value it lowers, null when
    there is none before it) and ``cents`` (negative), when they are to be netted;
    ``refunds_left_out`` counts those that are not.
    """

    frame: pl.DataFrame
    first_day: Date
    last_day: Date
    has_amounts: bool
    refunds: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_REFUND_SCHEMA))
    refunds_left_out: int = 0

    def net(self, after: Date | None, until: Date) -> pl.DataFrame:
        """Return the purchase days after one day and up to another, less the refunds in between."""
        day = pl.col("day")
        within = (day <= until) if after is None else (day > after) & (day <= until)
        frame = self.frame.filter(within)
        if self.refunds.is_empty():
            return frame
        given_back = (
            self.refunds.filter(within & pl.col("purchase_day").is_not_null())
            .group_by("customer", "purchase_day", maintain_order=True)
            .agg(given_back=pl.col("cents").sum())
        )
        lowered = (pl.col("cents") + pl.col("given_back").fill_null(0.0)).clip(lower_bound=0.0)
        return (
            frame.join(
                given_back,
                left_on=["customer", "day"],
                right_on=["customer", "purchase_day"],
                how="left",
                maintain_order="left",
            )
            .with_columns(cents=lowered)
            .drop("given_back")
        )


def daily_purchases(
    transactions: Frame | Log,
    *,
    customer: str | None,
    date: str | None,
    amount: str | None,
    zone: str | None,
    cents_per_unit: float,
    refunds: Refunds = "refuse",
    date_format: str | None = None,
) -> Purchases:
    """Return the purchase days of a frame or a log.

    Raises:
        InputError: A column is missing or unusable, or a value breaks its rule.
        ParameterError: Columns are named for a log, or are not named for a frame.
    """
    if not isinstance(transactions, pd.DataFrame | pl.DataFrame | pl.LazyFrame):
        if customer is not None or date is not None or amount is not None:
            raise ParameterError(
                "customer, date and amount are columns of a frame; a log has its own"
            )
        if date_format is not None:
            raise ParameterError("date_format is of a frame; the instants of a log have none")
        return _from_log(transactions, zone, refunds)
    if customer is None or date is None:
        raise ParameterError("customer and date must name columns of the frame")
    rows = _columns(transactions, [customer, date] + ([amount] if amount is not None else []))
    if rows.is_empty():
        raise InputError(f"{text.NOT_ENOUGH_DATA}: there is no purchase in the frame")
    checked = pl.DataFrame(
        {
            "customer": _ids(rows[customer], customer),
            "day": _days(rows[date], date, zone, date_format),
            "cents": _amounts(rows[amount], amount, cents_per_unit, refunds)
            if amount is not None
            else pl.Series([0.0]).new_from_index(0, rows.height),
        }
    )
    back = checked["cents"] < 0
    bought = checked.filter(~back) if back.any() else checked
    if bought.is_empty():
        raise InputError(f"{text.NOT_ENOUGH_DATA}: there is no purchase in the frame, only refunds")
    merged = _merged(bought, has_amounts=amount is not None)
    merged = replace(merged, last_day=max(merged.last_day, cast("Date", checked["day"].max())))
    return _with_refunds(merged, checked.filter(back), refunds)


def _with_refunds(purchases: Purchases, back: pl.DataFrame, refunds: Refunds) -> Purchases:
    """Add refunds with the purchase day that each lowers, or count them as left out."""
    if refunds != "net" or back.is_empty():
        return replace(purchases, refunds_left_out=back.height)
    bought = purchases.frame.select("customer", "day", purchase_day=pl.col("day"))
    found = back.sort("day").join_asof(
        bought.sort("day"), on="day", by="customer", strategy="backward", check_sortedness=False
    )
    return replace(
        purchases,
        refunds=found.select("customer", "day", "purchase_day", "cents"),
        refunds_left_out=found["purchase_day"].null_count(),
    )


def _from_log(log: Log, zone: str | None, refunds: Refunds) -> Purchases:
    """Take the purchase events of a log by person, local day and amount.

    The data end on the local day of the log's last event, whatever its type. Refunds are events of
    their own, so that there is nothing to refuse: they are left out unless they are netted.
    """
    local = zone or log.zone
    if not log.counts.get("purchase"):
        raise InputError(f"{text.NOT_ENOUGH_DATA}: there is no purchase in the log")
    stored = _stored(log, "purchase", local)
    without = stored["cents"].null_count()
    if 0 < without < stored.height:
        raise InputError(
            f"amount_cents is missing on {text.plural(without, 'purchase')} of the log"
        )
    merged = _merged(_named(log, stored), has_amounts=without == 0)
    end = log.last_ts
    last_day = merged.last_day if end is None else end.astimezone(zone_named(local)).date()
    merged = replace(merged, last_day=last_day)
    if not log.counts.get("refund"):
        return merged
    return _with_refunds(merged, _named(log, _stored(log, "refund", local)), refunds)


def _stored(log: Log, event: str, zone: str) -> pl.DataFrame:
    """Return person, local day and cents of the events of one type."""
    return (
        log.scan(types=[event])
        .select(
            pl.col("person"),
            day=local_day(pl.col("ts"), zone),
            cents=pl.col("amount_cents").cast(pl.Float64),
        )
        .collect()
    )


def _named(log: Log, stored: pl.DataFrame) -> pl.DataFrame:
    names = log.codes("person")
    return stored.select(
        pl.Series("customer", names.gather(stored["person"].cast(pl.UInt32))),
        pl.col("day"),
        pl.col("cents").fill_null(0.0),
    )


def _merged(rows: pl.DataFrame, *, has_amounts: bool) -> Purchases:
    """Make purchases of a customer on one day one, in order of customer and day.

    One sort of one whole number a row (place of the customer × days + day) is all that takes time.
    """
    customers, place = _placed(rows["customer"])
    day = rows["day"].to_physical().to_numpy().astype(np.int64)
    start, days = int(day.min()), int(day.max() - day.min()) + 1
    ordered = pl.DataFrame({"key": place * days + (day - start), "cents": rows["cents"]}).sort(
        "key", maintain_order=True
    )
    key = ordered["key"].to_numpy()
    begins = np.flatnonzero(np.diff(key, prepend=key[0] - 1))
    key, cents = key[begins], np.add.reduceat(ordered["cents"].to_numpy(), begins)
    new = np.diff(key // days, prepend=-1) != 0
    bought = key % days + start
    first = np.repeat(bought[new], np.diff(np.flatnonzero(np.append(new, True))))
    frame = pl.DataFrame(
        {
            "customer": customers.gather(key // days),
            "day": pl.Series(bought).cast(pl.Int32).cast(pl.Date),
            "cents": cents,
            "first_day": pl.Series(first).cast(pl.Int32).cast(pl.Date),
        }
    )
    return Purchases(
        frame=frame,
        first_day=cast("Date", frame["day"].min()),
        last_day=cast("Date", frame["day"].max()),
        has_amounts=has_amounts,
    )


def _placed(column: pl.Series) -> tuple[pl.Series, npt.NDArray[np.int64]]:
    """Return the distinct customers in order, and the place of each row's among them.

    Whole numbers that lie close are looked up in a table, in a tenth of the time of ranking them.
    """
    if column.dtype.is_integer():
        number = column.to_numpy().astype(np.int64)
        low, width = int(number.min()), int(number.max()) - int(number.min()) + 1
        if width <= _WIDEST * len(number):
            there = np.bincount(number - low, minlength=width) > 0
            customers = pl.Series(np.flatnonzero(there) + low).cast(column.dtype)
            return customers, (np.cumsum(there) - 1)[number - low]
    place = column.rank("dense").to_numpy().astype(np.int64) - 1
    customers = column.gather(np.unique(place, return_index=True)[1])
    return customers, place


def _columns(frame: Frame, names: list[str]) -> pl.DataFrame:
    """Return the named columns as a Polars frame."""
    there = (
        frame.collect_schema().names()
        if isinstance(frame, pl.LazyFrame)
        else [str(name) for name in frame.columns]
    )
    need_columns(there, names)
    wanted = frame[names] if isinstance(frame, pd.DataFrame) else frame.select(names)
    return as_polars(wanted)


def _ids(column: pl.Series, name: str) -> pl.Series:
    missing = column.is_null()
    if column.dtype.is_float():
        missing = missing | column.is_nan().fill_null(value=True)
    elif column.dtype == pl.String:
        missing = missing | (column.str.strip_chars() == "").fill_null(value=True)
    _refuse(column, missing, f"customer ({name}) is missing")
    return column


def _days(column: pl.Series, name: str, zone: str | None, date_format: str | None) -> pl.Series:
    """Return the local day of a column of dates, instants or text."""
    _refuse(column, column.is_null(), f"date ({name}) is missing")
    if date_format is not None:
        column = _read_as(column, name, date_format)
    elif column.dtype == pl.String:
        return _iso_days(column, name, zone)
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
        return pl.select(local_day(pl.lit(column), zone or column.dtype.time_zone)).to_series()
    _refuse_zone(zone, name)
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        return column.cast(pl.Date)
    rule = "must be dates, datetimes or ISO text (a number has no unit)"
    raise InputError(problem(f"the type of {name}", str(column.dtype), rule))


def _refuse_zone(zone: str | None, name: str) -> None:
    if zone is not None:
        rule = f"must not be given: {name} has no time zone, its days are taken as they are"
        raise ParameterError(problem("zone", zone, rule))


def _read_as(column: pl.Series, name: str, date_format: str) -> pl.Series:
    """Return text of a given form as instants."""
    if column.dtype != pl.String:
        rule = f"must not be given: {name} is no text, its type is {column.dtype}"
        raise ParameterError(problem("date_format", date_format, rule))
    try:
        read = column.str.to_datetime(date_format, strict=False)
    except pl.exceptions.PolarsError:
        rule = "must be a form such as '%d.%m.%Y' or '%m/%d/%Y %H:%M'"
        raise ParameterError(problem("date_format", date_format, rule)) from None
    _refuse(column, read.is_null(), f"date ({name}) is not of the form {date_format}")
    return read


def _iso_days(column: pl.Series, name: str, zone: str | None) -> pl.Series:
    """Return the day of ISO text as it is written, or with a zone the day of the instant there."""
    days = column.str.extract(_ISO).str.to_date("%Y-%m-%d", strict=False)
    what = f"date ({name}) is not a date such as 1997-09-30"
    _refuse(column, days.is_null(), f"{what} (say its form, such as date_format='%d.%m.%Y')")
    if zone is None:
        return days
    without = ~column.str.contains(_OFFSET) | (column.str.len_chars() <= len("1997-09-30"))
    if without.any():
        _refuse_zone(zone, name)
    plain = column.str.replace(r"Z$", "+00:00").str.replace("T", " ")
    plain = plain.str.replace(r"\s*([+-]\d{2}):?(\d{2})$", "${1}${2}")
    plain = plain.str.replace(r"^(\S+ \d{2}:\d{2})([+-]\d{4})$", "${1}:00${2}")
    instants = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", strict=False)
    _refuse(column, instants.is_null(), what)
    return pl.select(local_day(pl.lit(instants), zone)).to_series()


def _amounts(column: pl.Series, name: str, cents_per_unit: float, refunds: Refunds) -> pl.Series:
    if not column.dtype.is_numeric():
        rule = "must be a number"
        if column.dtype == pl.String:
            rule += " (1,99 is one where the file is read with a decimal comma)"
        raise InputError(problem(f"the type of {name}", str(column.dtype), rule))
    cents = column.cast(pl.Float64)
    _refuse(column, ~cents.is_finite().fill_null(value=False), f"amount ({name}) is not finite")
    if refunds == "refuse":
        what = "is negative (a refund is not a purchase; say refunds='leave_out' or 'net')"
        _refuse(column, cents < 0, f"amount ({name}) {what}")
    return cents * cents_per_unit


def _refuse(column: pl.Series, bad: pl.Series, what: str) -> None:
    """Raise when any row is bad, with the number of rows and the first one."""
    n = int(bad.sum())
    if n:
        at = int(bad.arg_true()[0])
        raise InputError(
            f"{what} in {text.plural(n, 'row')}; the first is row {at + 1}: {shown(column[at])}"
        )
