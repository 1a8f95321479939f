"""Units of a programme from its decision log: the first trigger of each, and what followed. Owns no estimate.

A customer becomes a unit at the first decision that gives an offer, or would have given one in the
control (a ghost): what comes later is after treatment. The outcome window opens behind that instant and
has a fixed length, so that every unit is measured alike; a unit is complete when its window has closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.decision.assignment import holdout_columns
from workbench.decision.house import ProgrammeSet
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.experiment.units import decision_files
from workbench.frames import Frame, as_polars, need_columns
from workbench.log import Log
from workbench.records import DAY_US, HELD_OUT, OFFERED, REASON_OF_CODE

MONEY = ("sales_cents", "margin_cents", "discount_cents")
_SOURCES = ("amount_cents", "margin_cents", "discount_cents")
SETTLED = [REASON_OF_CODE[code].name for code in (OFFERED, HELD_OUT)]
"""Reasons of a decision that gives an offer, or would have."""

_DECISION_COLUMNS = ("person", "ts", "programme", "arm", "reason", "p_assignment")


@dataclass(frozen=True, kw_only=True, eq=False)
class Cohort(text.Result):
    """The units of a programme.

    Attributes:
        frame: A row a complete unit: ``person_id``, ``arm``, ``entered_at``, ``entered`` and ``closed``
            (local days on which its window opened and closed), ``purchases``, ``bought``,
            ``sales_cents``, ``margin_cents`` and ``discount_cents`` of the outcome window (money that
            the log does not have is not there), and the same with ``_before`` of the days up to the
            trigger.
        table: A row an arm with its stated share, units that are complete and units still open.
        text: How many units there are, how many are complete.
        shares: Share of each arm as it was assigned, the control first.
        stages: A row a unit and stage with ``day``, ``arm`` and ``stage``: ``triggered``, and ``complete``
            for those whose window has closed; for :func:`workbench.watch_ratio`.
        entries: New units of each local day from the first to the last trigger.
    """

    frame: pl.DataFrame
    shares: dict[str, float]
    stages: pl.DataFrame
    entries: list[int]


@checked
def triggered_units(
    log: Log,
    decisions: Frame | str | Path,
    programme: str,
    *,
    programmes: ProgrammeSet | None = None,
    outcome_days: int = 14,
    before_days: int = 28,
) -> Cohort:
    """Return the units of a programme with the outcomes that followed their first trigger.

    Args:
        log: The log that the decisions were made on.
        decisions: The decision log, such as ``replay.decisions()``, or its folder.
        programme: Name of the programme.
        programmes: The programmes as they ran: who is in their global hold-out got nothing whatever
            the arm, and is left out of all arms.
        outcome_days: Length of the outcome window.
        before_days: Length of the window before, for covariates; it ends at the trigger.

    Returns:
        One row a unit whose window has closed.

    Raises:
        ParameterError: A window is not at least a day, or the programme is not in the decision log.
        InputError: The programme gave no offer and no ghost, or had one arm only, or the folder holds
            no decision log.

    >>> cohort = triggered_units(log, replayed.decisions(), "welcome_back", outcome_days=28)
    >>> sorted(cohort.shares), cohort.frame.columns[:5]
    (['control', 'treatment'], ['person_id', 'arm', 'entered_at', 'entered', 'closed'])
    """
    for name, days in (("outcome_days", outcome_days), ("before_days", before_days)):
        if days < 1:
            raise ParameterError(problem(name, days, "must be at least 1"))
    first, shares = first_triggers(decisions, programme, programmes)
    last = log.last_ts
    if last is None or first.is_empty():
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: {programme} gave no customer an offer and would have given none"
        )
    local = pl.col("entered_at").dt.convert_time_zone(log.zone)
    first = first.with_columns(
        entered=local.dt.date(),
        closed=(local + pl.duration(days=outcome_days)).dt.date(),
        open=(pl.col("entered_at") + pl.duration(days=outcome_days)) > last,
    )
    sums = around(log, first, (before_days, outcome_days))
    complete = first.filter(~pl.col("open")).drop("open").join(sums, on="person_id", how="left")
    outcomes = [name for name in complete.columns if name not in first.columns]
    frame = complete.with_columns(pl.col(outcomes).fill_null(0)).with_columns(
        bought=pl.col("purchases") > 0
    )
    return _cohort(frame.sort("entered_at", "person_id"), first, shares, programme, outcome_days)


def first_triggers(
    decisions: Frame | str | Path, programme: str, programmes: ProgrammeSet | None
) -> tuple[pl.DataFrame, dict[str, float]]:
    """Return the first trigger of each customer, and the stated share of each arm."""
    frame = decision_rows(decisions)
    need_columns(frame.collect_schema(), _DECISION_COLUMNS, "decision log")
    rows = frame.select(_DECISION_COLUMNS).filter(pl.col("programme") == programme).collect()
    if rows.is_empty():
        known = frame.select(pl.col("programme").cast(pl.String).unique()).collect()
        names = sorted(known["programme"].drop_nulls())
        rule = f"must be one of {', '.join(names) or 'the programmes of a decision log'}"
        raise ParameterError(
            problem("programme", programme, rule, hint=did_you_mean(programme, names))
        )
    first = (
        rows.filter(pl.col("reason").is_in(SETTLED))
        .sort("ts", maintain_order=True)
        .unique("person", keep="first", maintain_order=True)
        .select(
            person_id=pl.col("person").cast(pl.String),
            arm=pl.col("arm").cast(pl.String),
            entered_at=pl.col("ts"),
            p_assignment=pl.col("p_assignment"),
        )
    )
    if programmes is not None and first.height:
        held, _ = holdout_columns(programmes.house.holdout, first["person_id"])
        first = first.filter(~pl.Series(held))
    stated = dict(first.group_by("arm").agg(pl.col("p_assignment").first()).sort("arm").iter_rows())
    if len(stated) == 1:
        raise InputError(
            f"not identified: {programme} had the arm {next(iter(stated))!r} only, and nobody to "
            "compare it with; hold some customers out"
        )
    order = sorted(stated, key=lambda arm: (arm != "control", arm))
    whole = sum(stated.values())
    return first.drop("p_assignment"), {arm: stated[arm] / whole for arm in order}


def decision_rows(decisions: Frame | str | Path) -> pl.LazyFrame:
    """Return the rows of a decision log that is given as a frame or as its folder."""
    if isinstance(decisions, pl.LazyFrame):
        return decisions
    if not isinstance(decisions, str | Path):
        return as_polars(decisions, "decisions").lazy()
    parts = decision_files(Path(decisions))
    if not parts:
        raise InputError(f"{decisions} holds no decision log; replay or simulate first")
    return pl.scan_parquet(parts)


def holds(log: Log, column: str) -> bool:
    """Say whether the purchases of a log hold any value of a column."""
    found = log.scan(["purchase"]) if "purchase" in log.counts else log.scan()
    return bool(found.select(pl.col(column).is_not_null().any()).collect().item())


def around(log: Log, first: pl.DataFrame, windows: tuple[int, int]) -> pl.DataFrame:
    """Return what each unit bought in the windows before and after its entry, with the money that the log has.

    Args:
        log: The log.
        first: ``person_id`` and ``entered_at``; with ``until``, the window after ends there at the latest.
        windows: Days before and after.
    """
    money = [
        (source, name) for source, name in zip(_SOURCES, MONEY, strict=True) if holds(log, source)
    ]
    types = [name for name in ("purchase", "refund") if name in log.counts]
    columns = ["person_id", "ts", "type", *(source for source, _ in money)]
    names = [name for name in ("person_id", "entered_at", "until") if name in first.columns]
    found = []
    for batch in log.batches(columns, types or None):
        near = batch.join(first.select(names), on="person_id").with_columns(
            gap_us=(pl.col("ts") - pl.col("entered_at")).dt.total_microseconds()
        )
        after = (pl.col("gap_us") > 0) & (pl.col("gap_us") <= windows[1] * DAY_US)
        if "until" in names:
            after &= pl.col("until").is_null() | (pl.col("ts") <= pl.col("until"))
        before = (pl.col("gap_us") <= 0) & (pl.col("gap_us") > -windows[0] * DAY_US)
        sums = []
        for inside, mark in ((after, ""), (before, "_before")):
            sums.append(
                (inside & (pl.col("type") == "purchase"))
                .sum()
                .cast(pl.Int64)
                .alias(f"purchases{mark}")
            )
            for source, name in money:
                stem = name.removesuffix("_cents")
                sums.append(
                    pl.when(inside)
                    .then(pl.col(source))
                    .sum()
                    .fill_null(0)
                    .alias(f"{stem}{mark}_cents")
                )
        found.append(near.group_by("person_id").agg(sums))
    return pl.concat(found)


def _cohort(
    frame: pl.DataFrame,
    first: pl.DataFrame,
    shares: dict[str, float],
    programme: str,
    outcome_days: int,
) -> Cohort:
    counted = (
        first.group_by("arm")
        .agg(
            units=pl.len().cast(pl.Int64),
            complete=(~pl.col("open")).sum().cast(pl.Int64),
        )
        .with_columns(
            stated_share=pl.col("arm").replace_strict(shares, return_dtype=pl.Float64),
            still_open=pl.col("units") - pl.col("complete"),
        )
    )
    order = list(shares)
    table = counted.to_pandas().set_index("arm").loc[order].reset_index()
    days = pl.DataFrame(
        {"entered": pl.date_range(first["entered"].min(), first["entered"].max(), eager=True)}  # type: ignore[arg-type]  # both are dates
    )
    entries = days.join(
        first.group_by("entered").len(), on="entered", how="left", maintain_order="left"
    )
    said = (
        f"{text.named(programme)} triggered for {text.plural(first.height, 'customer')} in "
        f"{text.listing([text.named(arm) for arm in order])}; the outcome window of "
        f"{text.days(outcome_days)} has closed for {text.count(frame.height)} of them"
    )
    return Cohort(
        frame=frame,
        table=table[["arm", "stated_share", "units", "complete", "still_open"]],
        text=text.sentence(said),
        shares=shares,
        stages=pl.concat(
            [
                rows.select(day=pl.col(day), arm="arm", stage=pl.lit(stage))
                for rows, day, stage in (
                    (first, "entered", "triggered"),
                    (first.filter(~pl.col("open")), "closed", "complete"),
                )
            ]
        ),
        entries=[int(n) for n in entries["len"].fill_null(0)],
    )
