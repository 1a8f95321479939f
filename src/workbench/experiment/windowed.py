"""The triggered customers of a decision log over a fixed window, and what else reached them. Owns no estimator.

Every customer is measured from the first trigger for the same number of days, so that early and late ones
are alike; who has not been there that long is left out of all arms and counted. Offers of other
programmes in the window are carried over into the effect: it is given with and without who got one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import polars as pl

from workbench import text
from workbench.decision.house import ProgrammeSet
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.cohort import Cohort, triggered_units
from workbench.experiment.effect import Population
from workbench.experiment.entered import Diluted, dilute, entered_units
from workbench.experiment.metrics import Covariate, Metric, as_covariate, as_metric, spoken
from workbench.experiment.multiplicity import Correction
from workbench.experiment.question import Question
from workbench.experiment.read_units import read_units
from workbench.experiment.result import CarryOver, ReadOut
from workbench.experiment.said import signed
from workbench.experiment.trust import TrustCheck
from workbench.experiment.unit_columns import Layout
from workbench.experiment.units import Units, take_units
from workbench.frames import Frame, as_polars, need_columns
from workbench.log import Log

ENTERED = "entered"
"""Column of the local day of the first trigger."""

_EXPOSED = "·exposed"
_TRIGGERED: Population = "triggered"
_NOBODY_ELSE = TrustCheck(
    "dilution",
    "everyone with a decision was triggered, so the effect is not diluted; a replay knows who had none",
    holds=False,
    blocks=None,
)
_SALES = "sales"
_SPEND = "spend"


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How the customers of a decision log are measured.

    Attributes:
        window_days: Days from the first trigger in which outcomes count.
        before_days: Days up to the first trigger that covariates are of.
        covariates: Sums of the days before, such as ``"spend_before_cents"``.
        segments: Columns of ``customers``.
        day: Column of the day of entry, such as ``"entered"``; None: no look at days.
        customers: A row a customer with ``person_id`` and what was known before the trigger.
    """

    window_days: int
    before_days: int = 28
    covariates: Sequence[str | Covariate] = ()
    segments: Sequence[str] = ()
    day: str | None = None
    customers: Frame | None = None


def read_windows(
    rows: pl.LazyFrame,
    log: Log,
    rules: ProgrammeSet | None,
    programme: str,
    windows: Windows,
    *,
    metrics: Sequence[str | Metric] = (),
    correction: Correction = "holm",
    level: float = 0.95,
) -> ReadOut:
    """Read out what triggered customers did in a fixed window, ghosts being the control.

    Args:
        rows: The decision log with all its programmes.
        log: The log with the outcomes.
        rules: The programmes of the replay, for their global hold-out; None: not known.
        programme: The programme.
        windows: How customers are measured.
        metrics: Metrics over ``purchases``, ``bought``, ``spend_cents``, ``margin_cents`` and
            ``discount_cents``; default purchases and spend.
        correction: What is done about many p-values.
        level: Level of the intervals.

    Returns:
        Effects among the triggered whose window has closed and diluted to all who entered, with the
        carry-over beside them.

    Raises:
        InputError: Nobody was triggered, or the table of customers breaks its contract.
        ParameterError: A window is not at least a day.
    """
    cohort = triggered_units(
        log,
        rows,
        programme,
        programmes=rules,
        outcome_days=windows.window_days,
        before_days=windows.before_days,
    )
    reached = _reached_by_others(rows, cohort.frame, programme, windows.window_days)
    frame = _named(cohort.frame).with_columns(
        pl.col("person_id").is_in(reached.implode()).alias(_EXPOSED)
    )
    frame = _with_customers(frame, windows)
    taken = take_units(frame, arm="arm", control="control", unit="person_id")
    schema = taken.frame.collect_schema()
    need_columns(schema, [windows.day] if windows.day else [], "table of units")
    # Every window of a covariate ends at the unit's own trigger, the first of them on this day.
    ends: Any = frame[ENTERED].min()
    covariates = tuple(
        dataclasses.replace(as_covariate(each, schema), window_ends=ends)
        for each in windows.covariates
    )
    asked = tuple(as_metric(each, schema) for each in metrics or ("purchases", "spend_cents"))
    question = Question(metrics=asked, covariates=covariates, layout=Layout())
    beside = _beside(cohort, frame, windows.window_days)
    everyone = entered_units(
        log, rows, programme, cohort, programmes=rules, outcome_days=windows.window_days
    )
    diluted = dilute(_named(everyone), question, cohort.shares, windows.window_days)
    if diluted is None:
        beside.append(_NOBODY_ELSE)

    def read(units: Units, checks: Sequence[TrustCheck], diluted: Diluted | None = None) -> ReadOut:
        return read_units(
            units,
            question,
            segments=windows.segments,
            day=windows.day,
            shares=cohort.shares,
            correction=correction,
            level=level,
            beside=checks,
            whom=_TRIGGERED,
            diluted=diluted,
        )

    found = read(taken, beside, diluted)
    if not found.passed or reached.is_empty():
        return found
    alone = frame.filter(~pl.col(_EXPOSED))
    if alone.is_empty():
        return found
    without = read(take_units(alone, arm="arm", control="control", unit="person_id"), ())
    carried = _carry_over(found, without)
    return dataclasses.replace(found, carry_over=carried, text=f"{found.text} {carried.text}")


def _named(units: pl.DataFrame) -> pl.DataFrame:
    """Return the units with the names that a decision log's outcomes have: spend, not sales."""
    return units.rename(
        {name: name.replace(_SALES, _SPEND) for name in units.columns if name.startswith(_SALES)}
    )


def _with_customers(units: pl.DataFrame, windows: Windows) -> pl.DataFrame:
    """Return the units with the segments that they were in before."""
    if windows.customers is None:
        need_columns(units.schema, windows.segments, "table of units")
        return units
    customers = as_polars(windows.customers, "customers")
    need_columns(customers.schema, ["person_id", *windows.segments], "table of customers")
    if customers["person_id"].is_duplicated().any():
        raise InputError("the table of customers must have one row a customer")
    known = customers.select(pl.col("person_id").cast(pl.String), *windows.segments)
    return units.join(known, on="person_id", how="left")


def _reached_by_others(
    rows: pl.LazyFrame, units: pl.DataFrame, programme: str, window_days: int
) -> pl.Series:
    """Return the units that another programme sent an offer to within their window."""
    entries = units.lazy().select("person_id", "entered_at")
    since = pl.col("ts") - pl.col("entered_at")
    found = (
        rows.filter(pl.col("programme").cast(pl.String) != programme, pl.col("delivered"))
        .select(pl.col("person").cast(pl.String).alias("person_id"), "ts")
        .join(entries, on="person_id")
        .filter(since > pl.duration(), since <= pl.duration(days=window_days))
        .select(pl.col("person_id").unique().sort())
    )
    return found.collect()["person_id"]


def _beside(cohort: Cohort, units: pl.DataFrame, window_days: int) -> list[TrustCheck]:
    """Say whose window is open, and who was reached by another programme in it."""
    still_open = int(cohort.table["still_open"].sum())
    checks = []
    if still_open:
        finding = (
            f"the window of {text.days(window_days)} is still open for {text.plural(still_open, 'unit')}, "
            "left out of all arms"
        )
        checks.append(TrustCheck("open windows", finding, holds=False, blocks=None))
    shares = dict(units.group_by("arm").agg(pl.col(_EXPOSED).mean()).sort("arm").iter_rows())
    n = int(units[_EXPOSED].sum())
    finding = "nobody got an offer of another programme in the window"
    if n:
        by_arm = [f"{text.share(share)} of {text.named(arm)}" for arm, share in shares.items()]
        finding = (
            f"{text.plural(n, 'unit')} got an offer of another programme in the window "
            f"({text.listing(by_arm)}), which the effect has in it"
        )
    checks.append(TrustCheck("carry-over", finding, holds=not n, blocks=None))
    return checks


def _carry_over(found: ReadOut, without: ReadOut) -> CarryOver:
    """Return the effects with and without who was reached by another programme."""
    rows, parts = [], []
    for (metric, arm, whom), each in found.comparisons.items():
        if whom != _TRIGGERED:
            continue
        other = without.comparisons.get((metric, arm, whom))
        rows.append(
            {
                "metric": metric,
                "arm": arm,
                "effect": each.absolute.value,
                "standard_error": each.absolute.standard_error,
                "effect_without": other.absolute.value if other else None,
                "standard_error_without": other.absolute.standard_error if other else None,
            }
        )
        parts.append(
            f"{signed(metric, other.absolute.value if other else None)} on {spoken(metric)} instead of "
            f"{signed(metric, each.absolute.value)}"
        )
    said = (
        f"without those whom another programme reached the effect is {text.listing(parts)}, which holds "
        "if the offer itself does not change what else a customer is sent"
    )
    if not without.passed:
        reasons = "; ".join(without.trust.reasons).rstrip(".")
        said = (
            f"without those whom another programme reached there is no effect to be read: {reasons}"
        )
    return CarryOver(table=pd.DataFrame(rows), text=text.sentence(said))


def refuse_without_window(given: dict[str, Any]) -> None:
    """Refuse what a decision log is asked for only with a fixed window.

    Raises:
        ParameterError: Something of it is given.
    """
    for name, value in given.items():
        if value is not None and len(value):
            rule = "needs window_days for a decision log, so that every customer is measured alike"
            raise ParameterError(problem(name, value, rule))
