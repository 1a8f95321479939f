"""Customers of one mailing in a log: who was sent something at an instant, and who was not. Owns no estimate.

A log says who was sent what, and not how they were chosen. So such units are read out with
``assignment="unknown"``: what was known before must tell the two apart no better than chance.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.experiment.cohort import around
from workbench.log import Log


@checked
def wave_units(
    log: Log,
    at: dt.datetime,
    *,
    sent: str = "offer_received",
    outcome_days: int = 7,
    before_days: int = 7,
) -> pl.DataFrame:
    """Return who was sent something at an instant and who was not, with what they did before and after.

    Args:
        log: The log.
        at: The instant of the mailing, with its time zone.
        sent: Type of the event that says so.
        outcome_days: Days behind the mailing that count.
        before_days: Days up to it, for covariates.

    Returns:
        A row a customer with an event before the mailing: ``person_id``, ``arm`` (``"sent"`` or
        ``"control"``), ``purchases``, ``bought`` and the money that the log holds, such as
        ``sales_cents``, and the same with ``_before``.

    Raises:
        ParameterError: The instant has no time zone, a window is not at least a day, or nothing of
            that type is in the log.
        InputError: The log ends before the window does, or nobody was sent anything then.

    >>> wave_units(log, log.first_ts)
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: sent was 'offer_received', must be an event type of the log
    """
    for name, days in (("outcome_days", outcome_days), ("before_days", before_days)):
        if days < 1:
            raise ParameterError(problem(name, days, "must be at least 1"))
    if at.tzinfo is None:
        raise ParameterError(problem("at", at.isoformat(), "must have a time zone"))
    if not log.counts.get(sent):
        hint = did_you_mean(sent, list(log.counts))
        raise ParameterError(problem("sent", sent, "must be an event type of the log", hint=hint))
    closes = at + dt.timedelta(days=outcome_days)
    if log.last_ts is None or closes > log.last_ts:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: the log ends before the window of {text.days(outcome_days)} does; "
            "take fewer days or an earlier mailing"
        )
    every = log.to_polars(["person_id", "ts"])
    known = every.filter(pl.col("ts") < at).select(pl.col("person_id").unique().sort())
    mails = log.to_polars(["person_id", "ts"], [sent])
    reached = mails.filter(pl.col("ts") == at)["person_id"].unique()
    arm = pl.when(pl.col("person_id").is_in(reached.implode()))
    first = known.with_columns(
        arm=arm.then(pl.lit("sent")).otherwise(pl.lit("control")),
        entered_at=pl.lit(at).cast(every.schema["ts"]),
    )
    if not (first["arm"] == "sent").any():
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: nobody who was known before got {sent} at {at.isoformat()}"
        )
    sums = around(log, first, (before_days, outcome_days))
    outcomes = [name for name in sums.columns if name != "person_id"]
    return (
        first.drop("entered_at")
        .join(sums, on="person_id", how="left")
        .with_columns(pl.col(outcomes).fill_null(0))
        .with_columns(bought=pl.col("purchases") > 0)
        .sort("person_id")
    )
