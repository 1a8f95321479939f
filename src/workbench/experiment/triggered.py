"""The experiment inside a decision log: customers as units, ghosts as the control. Owns no estimator.

A customer counts from the first offer that they got, or would have got as a ghost: later ones come after
treatment. What was bought before that instant, and by who never had one, is the same in all arms but for
chance, which tests the trigger and, left out, makes the effect on all customers sharper (dilution).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from workbench import text
from workbench.decision.assignment import assignment_shares
from workbench.decision.house import ProgrammeSet
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.experiment.entered import with_everyone
from workbench.experiment.metrics import Covariate, Metric, as_metric
from workbench.experiment.multiplicity import Correction
from workbench.experiment.question import Question
from workbench.experiment.read_units import read_units
from workbench.experiment.result import ReadOut
from workbench.experiment.trust import TrustCheck
from workbench.experiment.unit_columns import Layout
from workbench.experiment.units import take_units
from workbench.experiment.windowed import Windows, read_windows
from workbench.frames import need_columns
from workbench.log import Log
from workbench.records import DAY_US, GLOBAL_HOLDOUT, HELD_OUT, REASON_OF_CODE
from workbench.replay import Replay

CONTROL = "control"
DECISION_COLUMNS = ("decision_id", "person", "programme", "arm", "reason", "delivered", "ts")
"""By these columns a table is known as a decision log."""

OUTCOMES = {"purchases": None, "spend_cents": "amount_cents", "discount_cents": "discount_cents",
            "margin_cents": "margin_cents"}  # fmt: skip
"""What a log says of its customers: the number of purchases, and the sums of a column over them."""

_VIEWED = "offer_viewed"
_ANSWERS = (_VIEWED, "offer_redeemed")
_UNANSWERED = TrustCheck(
    "answers",
    "no event of the log answers an offer, so the decision log alone says that they went out",
    holds=False,
    blocks=None,
)
_GHOST = REASON_OF_CODE[HELD_OUT].name
_GLOBAL = REASON_OF_CODE[GLOBAL_HOLDOUT].name
_SINCE = "_since"
_BEFORE = "_before"


def is_decision_log(frame: pl.LazyFrame) -> bool:
    """Say whether a table is a decision log, by its columns.

    >>> is_decision_log(pl.LazyFrame({"arm": ["a"]}))
    False
    """
    return set(DECISION_COLUMNS) <= set(frame.collect_schema())


def refuse_of_decisions(given: Mapping[str, object]) -> None:
    """Refuse what is asked of the columns of a table, when a decision log is read.

    Raises:
        ParameterError: Something of it is given.
    """
    for name, value in given.items():
        if value:
            rule = "must be left out for a decision log, which says itself who was in which arm and when"
            raise ParameterError(problem(name, value, rule))


def read_decisions(
    decisions: Replay | pl.LazyFrame,
    outcomes: Log | None,
    programme: str | None = None,
    *,
    metrics: Sequence[str | Metric] = (),
    correction: Correction = "holm",
    level: float = 0.95,
    windows: Windows | None = None,
) -> ReadOut:
    """Read out the experiment of a programme from its decisions and a log.

    Args:
        decisions: A replay, or the rows of a decision log. Only a replay says who was assigned and
            never triggered anything; of rows alone, the units are customers with a row.
        outcomes: The log; default the one that was replayed.
        programme: The programme; may be left out when there is one.
        metrics: Metrics over :data:`OUTCOMES`; default purchases and spend.
        correction: What is done about many p-values.
        level: Level of the intervals.
        windows: A fixed window of outcomes; None: from the first trigger to the end of the log.

    Returns:
        Effects over all units, among the triggered from their first trigger on, and diluted to all; with
        windows, those among the triggered whose window has closed, and diluted to all who entered.

    Raises:
        InputError: There is no log, or no decision of the programme.
        ParameterError: There are several programmes and none is named, or one that is not there.
    """
    log = outcomes or (decisions.log if isinstance(decisions, Replay) else None)
    if not isinstance(log, Log):
        raise InputError("the decision log needs outcomes; give the log as outcomes=wb.open_log(…)")
    rules = decisions.rules if isinstance(decisions, Replay) else None
    every = decisions.decisions() if isinstance(decisions, Replay) else decisions
    name = named_programme(every, programme)
    if windows is not None:
        asked_of = (every, log, rules, name, windows)
        return read_windows(*asked_of, metrics=metrics, correction=correction, level=level)
    rows = every.filter(pl.col("programme") == name)
    units = decision_units(rows, log, rules, name)
    taken = take_units(units, arm="arm", control=CONTROL, unit="person")
    schema = taken.frame.collect_schema()
    asked = tuple(as_metric(each, schema) for each in metrics or ("purchases", "spend_cents"))
    viewed = "viewed" if units["viewed"].any() else None
    layout = Layout(
        trigger="triggered", reached=viewed, since={each: each + _SINCE for each in OUTCOMES}
    )
    among = tuple(Covariate(each) for each in ("purchases_before", "days_left"))
    return read_units(
        taken,
        Question(metrics=asked, covariates=(), layout=layout, among=among),
        shares=stated_shares(rows, rules, name),
        correction=correction,
        level=level,
        beside=() if _answered(rows, log, _ANSWERS).height else (_UNANSWERED,),
    )


def decision_units(
    rows: pl.LazyFrame, log: Log, rules: ProgrammeSet | None, programme: str
) -> pl.DataFrame:
    """Return a row a customer: arm, trigger, and what the log says before and since.

    Args:
        rows: The decisions of one programme.
        log: The log.
        rules: The programmes of the replay; with them, every customer of the log has an arm.
        programme: The programme.

    Returns:
        ``person``, ``arm``, ``triggered``, ``delivered``, ``viewed``, ``first`` (instant of the first offer or
        ghost), ``days_left`` (from then to the end of the log; 0 without one), and of each outcome
        the sum since the first decision of the programme, ``…_before`` and ``…_since`` the trigger.

    Raises:
        InputError: A column is missing, or there is no decision.
    """
    need_columns(rows.collect_schema(), DECISION_COLUMNS, "decision log")
    reason = pl.col("reason").cast(pl.String)
    # A ghost is what would have been delivered; an offer that lost to another one is none in any arm.
    offer = pl.col("delivered") | (reason == _GHOST)
    held = reason == _GLOBAL
    people = (
        rows.group_by("person")
        .agg(
            arm=pl.col("arm").cast(pl.String).drop_nulls().first(),
            first=pl.col("ts").filter(offer).min(),
            delivered=(pl.col("delivered") & offer).any(),
            start=pl.col("ts").min(),
            held=held.any(),
        )
        .collect()
    )
    if people.is_empty():
        raise InputError(f"{text.NOT_ENOUGH_DATA}: {programme!r} decided nothing")
    start, end = people["start"].min(), log.last_ts
    people = people.filter(~pl.col("held")).drop("start", "held")
    if rules is not None:
        people = with_everyone(people, log, rules, programme)
    sums = _sums(log, people, start)
    viewed = _answered(rows, log, [_VIEWED])["person"]
    at = (pl.lit(end) - pl.col("first")).dt.total_microseconds() / DAY_US
    return (
        people.join(sums, on="person", how="left")
        .with_columns(pl.col(sums.columns[1:]).fill_null(0))
        .with_columns(
            triggered=pl.col("first").is_not_null(),
            viewed=pl.col("person").is_in(viewed.implode()),
            delivered=pl.col("delivered").fill_null(value=False),
            days_left=at.fill_null(0.0),
        )
        .sort("person")
    )


def _answered(rows: pl.LazyFrame, log: Log, kinds: Sequence[str]) -> pl.DataFrame:
    """Return the decisions that an event of these kinds answers."""
    there = [kind for kind in kinds if log.counts.get(kind)]
    if not there:
        return pl.DataFrame(schema={"decision_id": pl.String, "person": pl.String})
    answers = log.to_polars(["decision_id"], there).lazy()
    found = rows.select("decision_id", "person").join(answers, on="decision_id", how="semi")
    return found.collect()


def _sums(log: Log, people: pl.DataFrame, start: Any) -> pl.DataFrame:
    """Return of each customer the outcomes in all, before and since the first trigger."""
    columns = ["person", "ts", *(each for each in OUTCOMES.values() if each)]
    bought = (
        log.scan(["purchase"]).select(columns).collect()
        if log.counts.get("purchase")
        else pl.DataFrame(schema=dict.fromkeys(columns, pl.Int64))
    )
    book = log.codes("person")
    bought = bought.with_columns(person=book.gather(bought["person"].cast(pl.UInt32)))
    known = bought.join(people.select("person", "first"), on="person")
    since = (pl.col("ts") > pl.col("first")).fill_null(value=False)
    inside = pl.col("ts") >= start
    sums = []
    for name, column in OUTCOMES.items():
        value = pl.col(column).fill_null(0) if column else pl.lit(1, pl.Int64)
        for mark, where in (
            ("", inside),
            (_BEFORE, ~since & pl.col("first").is_not_null()),
            (_SINCE, since),
        ):
            sums.append((value * where).sum().alias(name + mark))
    return known.group_by("person").agg(sums)


def named_programme(rows: pl.LazyFrame, programme: str | None) -> str:
    """Return the programme that is asked for, or the only one.

    Raises:
        ParameterError: It is not among those of the decision log, or there are several and none is named.
    """
    found = rows.select(pl.col("programme").cast(pl.String).unique().sort()).collect()
    names = found["programme"].to_list()
    if programme is None and len(names) == 1:
        return str(names[0])
    if programme not in names:
        rule = f"must be one of {', '.join(names) or 'none: there is no decision'}"
        hint = did_you_mean(programme or "", names)
        raise ParameterError(problem("programme", programme, rule, hint=hint))
    return str(programme)


def stated_shares(
    rows: pl.LazyFrame, rules: ProgrammeSet | None, programme: str
) -> Mapping[str, float] | None:
    """Return the meant share of each arm."""
    if rules is not None:
        experiment: Any = next(each for each in rules if each.name == programme).experiment
        widths, _ = assignment_shares(experiment)
        names = [name for name, _, _ in experiment.ranges]
        return dict(zip(names, widths[:-1], strict=True))
    if "p_assignment" not in rows.collect_schema():
        return None
    found = rows.group_by(pl.col("arm").cast(pl.String)).agg(pl.col("p_assignment").max())
    return {arm: p for arm, p in found.collect().iter_rows() if arm is not None and p}
