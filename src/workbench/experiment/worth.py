"""What an experiment comes to in money beside its read-out, arm by arm, or why that is open. Owns no estimate.

A read-out that is refused has no money either. Where the units do not say what was earned, it is said
which column or share would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.decision.house import ProgrammeSet
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.experiment.cohort import first_triggers
from workbench.experiment.counted import count_assigned
from workbench.experiment.factorial import CELL, Factors, take_factors
from workbench.experiment.launch import LaunchDecision, Prior, launch_decision
from workbench.experiment.money import FURTHER, NEEDED, Roi, check_asked, roi
from workbench.experiment.offered import roi_units
from workbench.experiment.redemptions import Assumption
from workbench.experiment.result import ReadOut
from workbench.experiment.triggered import CONTROL, is_decision_log, named_programme, stated_shares
from workbench.experiment.unit_columns import Layout
from workbench.experiment.units import Source, read_source, take_units
from workbench.frames import need_columns
from workbench.log import Log, open_log
from workbench.replay import Replay


@dataclass(frozen=True, kw_only=True, eq=False)
class Worth(text.Result):
    """What an experiment comes to in money, or why that is open.

    Attributes:
        table: A row an arm and figure: ``arm``, and the columns of :class:`Roi`; empty when it is open.
        text: Profit of each arm and what it is made of, or what is missing.
        arms: The money of each arm.
        launch: For each arm whether to launch, to stop or to test longer.
        next_step: The same in sentences, with where its prior comes from; empty when it is open.
    """

    arms: Mapping[str, Roi]
    launch: Mapping[str, LaunchDecision]
    next_step: str

    @property
    def known(self) -> bool:
        """Whether there is money to read."""
        return bool(self.arms)


_KNOWN = (*NEEDED, *FURTHER)
_CENTS = "_cents"
_CENTS_OF_ONE = 100
_AMONG = ("purchases_before", "days_left")
"""What a read-out of a decision log without a window takes noise off with, too."""


class _Taken(NamedTuple):
    """Units with the columns of money, and how they are in arms."""

    units: pl.LazyFrame
    arm: str
    control: str
    unit: str | None
    shares: Mapping[str, float] | None


@checked
def worth(
    read: ReadOut,
    units: Source | Replay,
    *,
    arm: str = "arm",
    control: str = "control",
    unit: str | None = None,
    cluster: str | None = None,
    covariates: Sequence[str] = (),
    factors: Factors = (),
    shares: Mapping[str, float] | None = None,
    columns: Mapping[str, str] | None = None,
    margin_share: float | None = None,
    outcomes: Log | str | Path | None = None,
    programme: str | None = None,
    window_days: int | None = None,
    before_days: int = 28,
    after_days: int | None = None,
    customers: int | None = None,
    assume: Sequence[Assumption] = (),
    level: float = 0.95,
    prior: Prior | None = None,
) -> Worth:
    """Say what an experiment comes to in money, after it was read out.

    Of a decision log the customers who got an offer, or would have, are the units; of a table its rows.
    The combinations of a factorial are arms, held against that of all bases.

    Args:
        read: The read-out of the same units; when it is refused, nothing is said of money.
        units: What was read out.
        arm: Column of the arm.
        control: The arm without offers.
        unit: Column that identifies a customer.
        cluster: Column of what was assigned as a whole.
        covariates: What was fixed before assignment, as in the read-out.
        factors: Columns of the factors of a factorial instead of an arm and a control.
        shares: Meant share of each arm; None: equal ones, for a decision log its own. They are not asked
            of arms of unknown origin, as in the read-out.
        columns: For each figure of :func:`roi` the column of the table that holds it, such as
            ``{"sales_cents": "revenue_cents"}``; a figure that is not named has its own name. Amounts in
            whole units of the currency are named without cents: ``{"sales": "revenue"}``.
        margin_share: Margin as a share of the price before discounts, where no column holds a margin.
        outcomes: The log, or its folder, that holds what customers of a decision log did.
        programme: Which programme of a decision log.
        window_days: For a decision log: days from the first trigger in which outcomes count.
        before_days: For a decision log with a window: the days before the trigger that covariates are of.
        after_days: For a decision log with a window: the days behind it in which a dip would be what was
            pulled forward, as ``dip_is_pulled_forward`` assumes. Money is then that of the customers of whom
            those days are over.
        customers: To how many customers an offer would go; None: those of the arm for what it earned,
            and those of all arms for what to do next.
        assume: What may be assumed of redemptions, as in :func:`roi`.
        level: Level of the intervals.
        prior: What past experiments say of the profit of a customer in cents, from :func:`learn_prior`;
            it moves what to do next, not what was earned. None: the data decide alone.

    Returns:
        The money of each arm and what to do next, or what is missing for it.

    Raises:
        InputError: A column is no number or has nulls, or a decision log has no outcomes.
        ParameterError: An argument breaks its rule.

    >>> import numpy as np
    >>> from workbench.experiment.read_out import read_out
    >>> draw = np.random.default_rng(1)
    >>> table = pl.DataFrame({"arm": ["control", "offer"] * 500,
    ...     "revenue_cents": draw.gamma(2, 500, 1000) + [0, 200] * 500})
    >>> read = read_out(table, metrics=["revenue_cents"])
    >>> worth(read, table).lead
    'What it is worth is open: the units have no columns sales_cents and margin_cents.'
    >>> worth(read, table, columns={"sales_cents": "revenue_cents"}, margin_share=0.4).headline
    'The offers earned $292'
    """
    check_asked(customers, level)
    if margin_share is not None and not 0 < margin_share <= 1:
        rule = "must be above 0 and at most 1"
        raise ParameterError(problem("margin_share", margin_share, rule))
    whole = tuple(each.removesuffix(_CENTS) for each in _KNOWN if each.endswith(_CENTS))
    for name in columns or {}:
        if name not in (*_KNOWN, *whole):
            rule = f"must be one of {', '.join((*_KNOWN, *whole))}"
            raise ParameterError(
                problem("columns", name, rule, hint=did_you_mean(name, (*_KNOWN, *whole)))
            )
    if not read.passed:
        reasons = "; ".join(each.rstrip(".") for each in read.trust.reasons)
        return _open(f"nothing is said of money where no effect may be read: {reasons}")
    source = units if isinstance(units, Replay) else read_source(units)
    behind = None
    if isinstance(source, Replay) or is_decision_log(source):
        behind = after_days
        log = open_log(outcomes) if isinstance(outcomes, str | Path) else outcomes
        taken = _of_decisions(source, log, programme, (window_days, before_days, after_days))
        covariates = _names_of_money(covariates) if window_days else _AMONG
    else:
        taken = _of_table(
            source, _Taken(source, arm, control, unit, shares), factors, columns or {}
        )
    frame = _with_margin(taken.units, margin_share)
    missing = [each for each in NEEDED if each not in frame.collect_schema()]
    if missing:
        return _open(_what_is_missing(missing))
    in_arms = take_units(frame, arm=taken.arm, control=taken.control, unit=taken.unit)
    counts, shares = in_arms.counts, taken.shares
    if read.sample_ratio is None and shares is None:  # arms of unknown origin have no meant sizes
        shares = count_assigned(in_arms, Layout(cluster=cluster))
    found = {
        each: roi(
            frame.filter(pl.col(taken.arm).cast(pl.String).is_in([each, taken.control])),
            arm=taken.arm,
            control=taken.control,
            treatment=each,
            unit=taken.unit,
            cluster=cluster,
            covariates=covariates,
            shares=_two(shares, each, taken.control),
            customers=customers,
            assume=assume,
            level=level,
        )
        for each in counts
        if each != taken.control
    }
    many = customers or sum(counts.values())
    launch = {
        name: launch_decision(each.profit, customers=many, prior=prior)
        for name, each in found.items()
        if each.profit.standard_error > 0
    }
    said = _by_arm(found)
    if behind is not None:
        said += " " + text.sentence(
            f"this is the money of the {text.plural(sum(counts.values()), 'customer')} whose "
            f"{text.days(behind)} behind the window are in the log too"
        )
    several = len(found) > 1
    next_step = " ".join([_by_arm(launch), *([prior.text] if prior and launch else [])])
    return Worth(
        table=pd.concat([each.table.assign(arm=name) for name, each in found.items()])
        .pipe(lambda table: table[["arm", *[each for each in table if each != "arm"]]])
        .reset_index(drop=True),
        text=said,
        headline="" if several else next(iter(found.values())).headline,
        arms=found,
        launch=launch,
        next_step=next_step,
    )


def _of_decisions(
    source: Replay | pl.LazyFrame,
    log: Log | None,
    programme: str | None,
    windows: tuple[int | None, int, int | None],
) -> _Taken:
    """Return the customers of a decision log who got an offer, or would have."""
    rules: ProgrammeSet | None = source.rules if isinstance(source, Replay) else None
    every = source.decisions() if isinstance(source, Replay) else source
    replayed = source.log if isinstance(source, Replay) else None
    log = log or (replayed if isinstance(replayed, Log) else None)
    if log is None:
        raise InputError("the decision log needs outcomes; give the log as outcomes=wb.open_log(…)")
    name = named_programme(every, programme)
    window_days, before_days, after_days = windows
    units = roi_units(
        every.collect(),
        log,
        name,
        programmes=rules,
        window_days=window_days,
        before_days=before_days,
        after_days=after_days,
    )
    shares = (
        first_triggers(every, name, rules)[1]
        if window_days is not None
        else stated_shares(every.filter(pl.col("programme") == name), rules, name)
    )
    return _Taken(units.lazy(), "arm", CONTROL, "person", shares)


def _of_table(
    frame: pl.LazyFrame, taken: _Taken, factors: Factors, columns: Mapping[str, str]
) -> _Taken:
    """Return a table's units with the names that money has, and with the cells of factors as arms."""
    need_columns(frame.collect_schema(), list(columns.values()), "table of units")
    if factors:
        frame, _, base = take_factors(frame, factors)
        taken = taken._replace(arm=CELL, control=base)
    named = {}
    for name, column in columns.items():
        if name in _KNOWN:
            named[name] = pl.col(column)
        else:
            named[name + _CENTS] = pl.col(column) * _CENTS_OF_ONE
    return taken._replace(units=frame.with_columns(**named))


def _with_margin(frame: pl.LazyFrame, share: float | None) -> pl.LazyFrame:
    """Return units with a margin by a share of the price, where they have none and there is a share."""
    schema = frame.collect_schema()
    if share is None or "margin_cents" in schema or "sales_cents" not in schema:
        return frame
    off = pl.col("discount_cents") if "discount_cents" in schema else pl.lit(0)
    return frame.with_columns(margin_cents=share * (pl.col("sales_cents") + off) - off)


def _names_of_money(covariates: Sequence[str]) -> list[str]:
    """Return covariates of a decision log by the names that units of money have: sales, not spend."""
    return [each.replace("spend", "sales") for each in covariates]


def _two(shares: Mapping[str, float] | None, arm: str, control: str) -> dict[str, float] | None:
    """Return the meant shares of two arms."""
    if shares is None:
        return None
    return {each: shares[each] for each in (control, arm) if each in shares}


def _what_is_missing(missing: Sequence[str]) -> str:
    how = {
        each: f"name the column of {spoken}, as {each} or in whole units as {spoken}"
        for each, spoken in (("sales_cents", "sales"), ("margin_cents", "margin"))
    }
    how["margin_cents"] += ", or give the margin as a share of the price"
    names = f"{'column' if len(missing) == 1 else 'columns'} {text.listing(list(missing))}"
    return (
        f"what it is worth is open: the units have no {names}. "
        f"{text.sentence(text.listing([how[each] for each in missing]))}"
    )


def _open(why: str) -> Worth:
    """Return no money, with the reason."""
    said = " ".join(text.sentence(each) for each in why.split(". "))
    return Worth(table=pd.DataFrame(), text=said, arms={}, launch={}, next_step="")


def _by_arm(found: Mapping[str, text.Result]) -> str:
    """Return the sentences of the one arm, or the finding of each of several."""
    if len(found) == 1:
        return next(iter(found.values())).text
    return " ".join(
        text.sentence(f"{text.named(name)}: {each.headline[:1].lower()}{each.headline[1:]}")
        for name, each in found.items()
    )
