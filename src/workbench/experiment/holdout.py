"""Customers of a global hold-out, and of the group of its size, as units. Owns no estimate.

The rule: every customer of the log whom the salt puts into the hold-out is a unit of the control, and
every one whom it puts into the group of the same size beside it is treated, with or without a decision.
Who was never decided about is as often in one as in the other; left out, the rest would no longer be
all customers. Everybody counts from the first decision of any programme on.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.decision.assignment import holdout_columns
from workbench.decision.house import ProgrammeSet
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.cohort import around, decision_rows
from workbench.frames import Frame, need_columns
from workbench.log import Log
from workbench.records import GLOBAL_HOLDOUT, REASON_OF_CODE

CONTROL, TREATED = "control", "treatment"

_HELD = REASON_OF_CODE[GLOBAL_HOLDOUT].name
_DECISION_COLUMNS = ("person", "ts", "reason", "measured")


@checked
def holdout_units(
    log: Log,
    decisions: Frame | str | Path,
    programmes: ProgrammeSet,
    *,
    outcome_days: int | None = None,
    before_days: int = 28,
) -> pl.DataFrame:
    """Return the customers of the global hold-out and those of its size, with what they bought since.

    :func:`read_out` reads from them what all programmes together did, and :func:`roi` what that was worth.

    Args:
        log: The log that the decisions were made on.
        decisions: The decision log, such as ``replay.decisions()``, or its folder.
        programmes: The programmes as they ran, with their hold-out.
        outcome_days: Days from the first decision of any programme that count. None: up to the end of
            the log.
        before_days: Days up to then, for covariates.

    Returns:
        A row a customer of the log with an event up to the end of the outcomes: ``person_id``, ``arm``
        (``"control"`` is held out, ``"treatment"`` the group of its size), ``decided`` (whether any
        programme decided about the customer), ``purchases``, ``bought`` and the money that the log
        holds, such as ``sales_cents``, and the same with ``_before``.

    Raises:
        ParameterError: The programmes have no hold-out, or a window is not at least a day.
        InputError: There is no decision, the decision log holds another hold-out than the programmes,
            or the log ends before the outcomes do.

    Source: GrowthBook's hold-outs, which are compared with a measured group of their own size.

    >>> holdout_units(log, replayed.decisions(), replayed.rules)
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: programmes have no global hold-out, must have one
    """
    if programmes.house.holdout is None:
        raise ParameterError(
            "programmes have no global hold-out, must have one (holdout: {share: 0.05, salt: house-1})"
        )
    for name, days in (("outcome_days", outcome_days), ("before_days", before_days)):
        if days is not None and days < 1:
            raise ParameterError(problem(name, days, "must be at least 1"))
    rows = decision_rows(decisions)
    need_columns(rows.collect_schema(), _DECISION_COLUMNS, "decision log")
    people = (
        rows.group_by(person_id=pl.col("person").cast(pl.String))
        .agg(
            first=pl.col("ts").min(),
            was_held=(pl.col("reason").cast(pl.String) == _HELD).any(),
            was_measured=pl.col("measured").fill_null(value=False).any(),
        )
        .collect()
    )
    if people.is_empty() or log.last_ts is None:
        raise InputError(f"{text.NOT_ENOUGH_DATA}: the programmes decided nothing")
    start: Any = people["first"].min()
    closes, days = _window(log, start, outcome_days)
    persons = log.codes("person").rename("person_id")
    held, measured = holdout_columns(programmes.house.holdout, persons)
    everyone = pl.DataFrame({"person_id": persons, "held": held, "of_its_size": measured})
    _check_same(everyone, people)
    seen = log.to_polars(["person_id", "ts"]).lazy().filter(pl.col("ts") <= closes)
    there = seen.select(pl.col("person_id").unique()).collect()
    arm = pl.when("held").then(pl.lit(CONTROL)).when("of_its_size").then(pl.lit(TREATED))
    units = (
        everyone.join(there, on="person_id", how="semi")
        .select("person_id", arm=arm, entered_at=pl.lit(start).cast(people.schema["first"]))
        .filter(pl.col("arm").is_not_null())
    )
    sums = around(log, units, (before_days, days))
    outcomes = [name for name in sums.columns if name != "person_id"]
    decided = pl.col("person_id").is_in(people["person_id"].implode())
    return (
        units.drop("entered_at")
        .with_columns(decided=decided)
        .join(sums, on="person_id", how="left")
        .with_columns(pl.col(outcomes).fill_null(0))
        .with_columns(bought=pl.col("purchases") > 0)
        .sort("person_id")
    )


def _window(log: Log, start: dt.datetime, outcome_days: int | None) -> tuple[dt.datetime, int]:
    """Return when the outcomes end, and how many days from the first decision that is at most."""
    last: Any = log.last_ts
    if outcome_days is None:
        return last, (last - start).days + 1
    closes = start + dt.timedelta(days=outcome_days)
    if closes > last:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: the log ends before {text.days(outcome_days)} from the first "
            f"decision do; take at most {text.days((last - start).days)}"
        )
    return closes, outcome_days


def _check_same(everyone: pl.DataFrame, people: pl.DataFrame) -> None:
    """Refuse a decision log in which somebody is held out whom these programmes do not hold out."""
    both = people.join(everyone, on="person_id", how="left")
    other = both.filter(
        (pl.col("was_held") & ~pl.col("held").fill_null(value=False))
        | (pl.col("was_measured") & ~pl.col("of_its_size").fill_null(value=False))
    )
    if other.height:
        raise InputError(
            f"{text.plural(other.height, 'customer')} of the decision log must be in the hold-out of the "
            f"programmes or in the group of its size, such as {text.named(other['person_id'].sort()[0])}; "
            "give the programmes as they ran, and the log that they ran on"
        )
