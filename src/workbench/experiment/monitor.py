"""An experiment that may be looked at every day: the daily table and its verdict. Owns no formula.

A unit enters when its outcome window has closed, so that every unit is measured alike. Estimates come
from the estimator of the read-out on the moments so far; intervals from confidence sequences, so that
stopping at any look, or looking again, keeps the stated error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment import daily
from workbench.experiment.bayes import Belief, Guard, believe, guard
from workbench.experiment.effect import Estimate, Parts
from workbench.experiment.metrics import (
    Covariate,
    Mean,
    Metric,
    Quantile,
    Ratio,
    as_covariate,
    as_metric,
    parts_of,
    refuse_outcome,
    spoken,
)
from workbench.experiment.moments import Moments
from workbench.experiment.power import scale_needed
from workbench.experiment.ratio_watch import RatioWatch, checked_shares, said_day, watch_ratio
from workbench.experiment.sequences import UNITS_FIRST, UNITS_TIGHTEST, check_alpha
from workbench.experiment.spending import Family
from workbench.experiment.unit_columns import Layout, moments_of
from workbench.experiment.units import ARM, Units, take_units
from workbench.frames import Frame, need_columns

Verdict: TypeAlias = Literal[
    "blocked", "too early", "go on", "stop: guardrail", "better", "better, guardrail open", "worse",
    "futile",
]  # fmt: skip

_SAID: dict[Verdict, str] = {
    "blocked": "no effect may be read",
    "too early": "it is too early to say anything",
    "go on": "go on",
    "stop: guardrail": "stop, a guardrail is breached",
    "better": "the treatment is better; it may be stopped and launched",
    "better, guardrail open": "the treatment is better, but a guardrail is not yet shown to hold",
    "worse": "the treatment is worse; stop",
    "futile": "stop, the effect that was looked for is ruled out",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Monitoring(text.Result):
    """An experiment day by day.

    Attributes:
        table: A row a day, treated arm and metric: ``day``, ``arm``, ``metric``, ``role`` (primary or
            guardrail), ``units`` (complete, of both arms), ``lift`` (relative effect), ``low`` and
            ``high`` (the interval that holds at every look at once), ``ordinary_low`` and ``ordinary_high`` (the
            interval for a single look, for comparison), ``p_value`` (always valid, of all looks so
            far), ``units_left`` (further units for the power; of the primary metric on the last day),
            ``bound_z`` and ``z`` (where looks are planned) and ``verdict``.
        text: The verdict of the last day and what it rests on.
        ratio: The watched sample ratio.
        verdicts: Verdict of the last day by treated arm.
        decided: First day of a verdict other than to go on, by treated arm; None: none yet.
        estimates: Last estimate of the primary metric by treated arm; None where there is none.
    """

    ratio: RatioWatch
    verdicts: dict[str, Verdict]
    decided: dict[str, object | None]
    estimates: dict[str, Estimate | None]

    def daily(self, metric: str | None = None, arm: str | None = None) -> pd.DataFrame:
        """Return the days of one metric and arm; None: the primary metric, the first arm."""
        metric = metric or str(self.table.loc[self.table["role"] == "primary", "metric"].iloc[0])
        arm = arm or next(iter(self.verdicts))
        rows = self.table[(self.table["metric"] == metric) & (self.table["arm"] == arm)]
        return rows.reset_index(drop=True)

    @property
    def page(self) -> pd.DataFrame:
        """The last day of every arm and metric as a reader sees it: every number written."""
        last = self.table.groupby(["arm", "metric"], sort=False).tail(1)
        return pd.DataFrame(
            {
                "arm": last["arm"],
                "metric": [text.words(name) for name in last["metric"]],
                "role": last["role"],
                "units": last["units"],
                "lift": [text.change(each) for each in last["lift"]],
                "at every look": [
                    text.span(text.change(low), text.change(high))
                    for low, high in zip(last["low"], last["high"], strict=True)
                ],
                "at a single look": [
                    text.span(text.change(low), text.change(high))
                    for low, high in zip(last["ordinary_low"], last["ordinary_high"], strict=True)
                ],
            }
        ).reset_index(drop=True)

    def believe(
        self, *, largest_loss: float, prior_mean: float = 0.0, prior_sd: float | None = None
    ) -> Belief:
        """Return what to do by a stated loss, from the last estimate of the first arm.

        Raises:
            InputError: There is no estimate yet.
        """
        last = next(iter(self.estimates.values()))
        if last is None or not last.standard_error:
            raise InputError(f"{text.NOT_ENOUGH_DATA}: there is no estimate yet")
        return believe(
            last.value,
            last.standard_error,
            largest_loss=largest_loss,
            prior_mean=prior_mean,
            prior_sd=prior_sd,
        )


class _Rules(NamedTuple):
    """What the reader stated before the experiment."""

    how: daily.Sequencing
    lift: float | None
    power: float
    planned: int | None
    spending: Family | None
    most: float | None
    margins: Mapping[str, float]
    shares: Mapping[str, float]


@checked
def monitor(
    units: Frame | str | Path,
    metric: str | Metric,
    *,
    day: str,
    arm: str = "arm",
    control: str = "control",
    shares: Mapping[str, float] | None = None,
    covariates: Sequence[str | Covariate] = (),
    guardrails: Mapping[str, float] | None = None,
    lift: float | None = None,
    planned: int | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
    first: int = UNITS_FIRST,
    most: float | None = None,
    spending: Family | None = None,
    stages: Frame | None = None,
    segment: str | None = None,
) -> Monitoring:
    """Read a running experiment at every day so far, with intervals that hold at all of them at once.

    The sample ratio comes first: where a stage fails it, no effect is read. Intervals are asymptotic
    confidence sequences of the relative effect, or betting ones where the metric's bounds are declared.
    Several treated arms share the level. A guardrail must be shown to be no worse than its margin.

    Args:
        units: One row a unit: a frame, or the path of a Parquet file.
        metric: The primary metric or its text.
        day: Column of the day on which the unit's outcome window closed; null: still open, left out.
        arm: Column of the arm.
        control: The arm that the others are compared with.
        shares: Stated share of each arm; None: equal shares.
        covariates: Columns that were fixed before assignment.
        guardrails: Relative margin by metric. Above 0: more is better, and the metric may fall by at
            most that. Below 0: less is better, and it may rise by at most that.
        lift: Smallest relative effect that is worth finding; when it is ruled out, going on is futile.
        planned: Units that are planned; the sequence is tightest there, and looks are shares of it.
        power: Chance of finding ``lift``, for the units that are left.
        alpha: Chance of ever saying that there is an effect where there is none.
        first: Units before which the asymptotic form says nothing.
        most: Largest value of the primary metric that there can be, declared before the data; its
            least is 0. Then its interval comes from bets and needs no asymptotics (and no covariates).
        spending: Family of alpha spending; each day is then a planned look too.
        stages: Rows with ``day``, ``arm`` and ``stage`` for the sample ratio of every stage; None: the
            units whose window has closed are the one stage.
        segment: Column of a segment, to say where the sample ratio is off.

    Returns:
        The daily table and the verdict.

    Raises:
        ParameterError: An argument breaks its rule.
        InputError: The units are not fit for it.

    >>> frame = pl.DataFrame({"arm": ["control", "treatment"] * 300, "day": [n // 100 for n in range(600)],
    ...                       "spend": [float(n % 7 + 4 * (n % 2)) for n in range(600)]})
    >>> found = monitor(frame, "spend", day="day")
    >>> found.verdicts, found.decided
    ({'treatment': 'better'}, {'treatment': 1})
    """
    check_alpha(alpha)
    if spending is not None and planned is None:
        raise ParameterError(problem("planned", planned, "must be given for planned looks"))
    if lift is not None and not 0 < lift < np.inf:
        raise ParameterError(problem("lift", lift, "must be finite and above 0"))
    taken, still_open = _closed(take_units(units, arm=arm, control=control), day)
    treated = [each for each in taken.arms if each != control]
    schema = dict(taken.frame.collect_schema())
    primary = _metric(metric, schema)
    rules = _Rules(
        how=daily.Sequencing(alpha / len(treated), planned or UNITS_TIGHTEST, first),
        lift=lift,
        power=power,
        planned=planned,
        spending=spending,
        most=_checked_most(most, primary),
        margins=guardrails or {},
        shares=checked_shares(
            dict.fromkeys(taken.arms, 1 / len(taken.arms)) if shares is None else shares
        ),
    )
    parts = {
        each.name: parts_of(each, _covariates(each, covariates, schema), weighted=False)
        for each in (primary, *(_metric(name, schema) for name in rules.margins))
    }
    ratio = _ratio(taken, rules.shares, stages, segment)
    moments = daily.by_arm(moments_of(taken, parts, Layout(), by=[daily.DAY]))
    read = {
        each: _one_arm(taken, each, parts=parts, moments=moments, ratio=ratio, rules=rules)
        for each in treated
    }
    table = pd.concat([each.table for each in read.values()], ignore_index=True)
    found = Monitoring(
        table=table[[name for name in _COLUMNS if name in table.columns]],
        text="",
        ratio=ratio,
        verdicts={each: one.verdict for each, one in read.items()},
        decided={each: one.decided for each, one in read.items()},
        estimates={each: one.last for each, one in read.items()},
    )
    return replace(found, text=_text(found, still_open), headline=_headline(found))


class _Arm(NamedTuple):
    """What was read of one treated arm."""

    table: pd.DataFrame
    verdict: Verdict
    decided: object | None
    last: Estimate | None


def _one_arm(
    units: Units,
    arm: str,
    *,
    parts: Mapping[str, Parts],
    moments: tuple[daily.Days, Mapping[str, Sequence[Mapping[str, Moments] | None]]],
    ratio: RatioWatch,
    rules: _Rules,
) -> _Arm:
    """Read every metric of one treated arm at every day."""
    (days, by_arm), primary = moments, next(iter(parts))
    tables, lasts = {}, {}
    for name, each in parts.items():
        found = daily.effects_by_day(by_arm[arm], by_arm[units.control], name, each)
        tables[name] = daily.sequence_table(days, arm, name, found, rules.how)
        lasts[name] = found.last
    main = tables[primary]
    if rules.most is not None:
        main["low"], main["high"] = daily.bets(
            units,
            parts[primary].numerator,
            arm,
            days,
            share=rules.shares[arm] / (rules.shares[arm] + rules.shares[units.control]),
            most=rules.most,
            alpha=rules.how.alpha,
        )
        main["p_value"] = np.nan  # bets give the interval; its p-value would need a search
    if rules.spending is not None and rules.planned is not None:
        main["z"], main["bound_z"] = daily.planned_bounds(
            main, rules.spending, rules.planned, rules.how.alpha
        )
    guards = [_guarded(tables[name], margin) for name, margin in rules.margins.items()]
    verdicts = _verdicts(main, guards, ratio, rules)
    main["verdict"] = verdicts
    main["units_left"] = _units_left(lasts[primary], len(main), rules)
    both = [
        table.assign(role="primary" if name == primary else "guardrail")
        for name, table in tables.items()
    ]
    going = ("too early", "go on")
    decided = [when for when, said in zip(days, verdicts, strict=True) if said not in going]
    return _Arm(
        pd.concat(both, ignore_index=True),
        verdicts[-1],
        decided[0] if decided else None,
        lasts[primary],
    )


def _verdicts(
    main: pd.DataFrame, guards: Sequence[Sequence[Guard]], ratio: RatioWatch, rules: _Rules
) -> list[Verdict]:
    """Return the verdict of each day; what an interval has once decided stays decided."""
    found: list[Verdict] = []
    shown: Verdict | None = None
    failed: Any = ratio.first_failure
    lows, highs = (main[name].to_numpy(dtype=np.float64) for name in ("low", "high"))
    for place, (day, low, high) in enumerate(zip(main["day"], lows, highs, strict=True)):
        shown = shown or _shown(low, high, rules.lift)
        states = {_sticky(each[: place + 1]) for each in guards}
        if failed is not None and failed <= day:
            found.append("blocked")
        elif "breached" in states:
            found.append("stop: guardrail")
        elif shown == "better" and states - {"holds"}:
            found.append("better, guardrail open")
        elif shown is not None:
            found.append(shown)
        else:
            found.append("go on" if np.isfinite([low, high]).any() else "too early")
    return found


def _shown(low: float, high: float, lift: float | None) -> Verdict | None:
    """Return what an interval shows of the primary metric; None: nothing yet."""
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    return "futile" if lift is not None and high < lift else None


def _sticky(states: Sequence[Guard]) -> Guard:
    """Return the state of a guardrail after some days: a breach stays, and so does a proof."""
    return "breached" if "breached" in states else "holds" if "holds" in states else "open"


def _guarded(table: pd.DataFrame, margin: float) -> list[Guard]:
    """Return the state of a guardrail at each day; less is better where the margin is below 0."""
    low, high = (table[name].to_numpy(dtype=np.float64) for name in ("low", "high"))
    if margin < 0:
        low, high, margin = -high, -low, -margin
    return [guard(float(a), float(b), margin) for a, b in zip(low, high, strict=True)]


def _units_left(last: Estimate | None, days: int, rules: _Rules) -> list[float]:
    """Return for the last day how many more units give the power; no number where that is not asked."""
    left = [np.nan] * days
    if last is not None and rules.lift is not None and last.standard_error:
        n = last.n_treatment + last.n_control
        scale = scale_needed(
            last.standard_error,
            rules.lift,
            n,
            power=rules.power,
            alpha=rules.how.alpha,
            reading="always_valid",
            tightest=rules.how.tightest,
        )
        left[-1] = float(np.ceil(scale * n))
    return left


def _closed(units: Units, day: str) -> tuple[Units, int]:
    """Return the units whose window has closed, with their day, and how many are still open."""
    schema = units.frame.collect_schema()
    need_columns(schema, [day], "table of units")
    kind = schema[day]
    if not (kind.is_integer() or kind in (pl.Date, pl.Datetime) or kind == pl.Null):
        raise InputError(
            f"day {day!r} holds {str(kind).lower()}, must hold days, instants or numbers"
        )
    when = pl.col(day).dt.date() if kind == pl.Datetime else pl.col(day)
    frame = units.frame.with_columns(when.alias(daily.DAY))
    counted = frame.group_by(ARM).agg(n=pl.col(daily.DAY).count(), rows=pl.len()).collect()
    closed = dict(counted.select(ARM, "n").iter_rows())
    without = [each for each in units.arms if not closed.get(each)]
    if units.control not in units.arms or len(units.arms) < _FEWEST_ARMS or without:
        named = text.listing([text.named(each) for each in without or (units.control,)])
        raise InputError(f"{text.NOT_ENOUGH_DATA}: nobody in {named} has a complete outcome yet")
    kept = frame.filter(pl.col(daily.DAY).is_not_null())
    still_open = sum(rows - n for _, n, rows in counted.iter_rows())
    counts = {each: closed[each] for each in units.arms}
    return replace(units, frame=kept, counts=counts), still_open


def _metric(metric: str | Metric, schema: Mapping[str, pl.DataType]) -> Mean | Ratio:
    found = as_metric(metric, schema)
    if isinstance(found, Quantile):
        rule = "must be a mean, a proportion, a count or a ratio to be watched every day"
        raise ParameterError(problem("metric", found.name, rule))
    return found


def _covariates(
    metric: Mean | Ratio, covariates: Sequence[str | Covariate], schema: Mapping[str, pl.DataType]
) -> list[Covariate]:
    found = [as_covariate(each, schema) for each in (metric.covariates or covariates)]
    refuse_outcome(metric, [each.column for each in found])
    return found


def _checked_most(most: float | None, primary: Metric) -> float | None:
    if most is not None and isinstance(primary, Ratio):
        rule = "must not be given for a ratio of sums; bets are on means"
        raise ParameterError(problem("most", most, rule))
    if most is not None and not 0 < most < np.inf:
        raise ParameterError(problem("most", most, "must be finite and above 0"))
    return most


def _ratio(
    units: Units, shares: Mapping[str, float], stages: Frame | None, segment: str | None
) -> RatioWatch:
    if stages is not None:
        return watch_ratio(stages, shares, day="day", arm="arm", stage="stage")
    wanted = [ARM, daily.DAY, *([segment] if segment else [])]
    need_columns(units.frame.collect_schema(), wanted, "table of units")
    rows = units.frame.select(wanted).collect()
    return watch_ratio(rows, shares, day=daily.DAY, arm=ARM, segment=segment)


def _text(found: Monitoring, still_open: int) -> str:
    """Say the verdict of each arm, and what it rests on."""
    if not found.ratio.passed:
        return f"Not identified: {found.ratio.text}"
    said = []
    for arm, verdict in found.verdicts.items():
        main = found.daily(arm=arm)
        last = main.iloc[-1]
        who = f"{text.named(arm)}: " if len(found.verdicts) > 1 else ""
        since = found.decided[arm]
        when = "" if since is None else f" (since {said_day(since)})"
        said.append(f"{who}{_SAID[verdict]}{when}")
        if np.isfinite([last["low"], last["high"]]).any():
            said.append(
                f"with {text.plural(int(last['units']), 'complete unit')} the lift of "
                f"{spoken(last['metric'])} is {text.change(last['lift'])}, in an interval that "
                f"holds at every look of {text.span(text.change(last['low']), text.change(last['high']))}"
            )
        elif np.isnan(last["lift"]):
            said.append(
                f"no lift of {spoken(last['metric'])} can be told while it is 0 in all of the control, "
                "or an arm has a single unit"
            )
        if verdict == "go on" and np.isfinite(last["units_left"]):
            said.append(
                f"{text.plural(last['units_left'], 'more unit')} give the power that was stated"
            )
    if still_open:
        said.append(f"{text.plural(still_open, 'unit')} have a window that is still open, and wait")
    said.append(found.ratio.lead)
    return " ".join(text.sentence(each) for each in said)


def _headline(found: Monitoring) -> str:
    if not found.ratio.passed:
        return "The arms do not have their stated shares: no effect may be read"
    main = found.daily()
    return f"After {text.plural(len(main), 'day')}: {_SAID[main['verdict'].iloc[-1]]}"


_FEWEST_ARMS = 2
_COLUMNS = (
    "day", "arm", "metric", "role", "units", "lift", "low", "high", "ordinary_low", "ordinary_high",
    "p_value", "units_left", "z", "bound_z", "verdict",
)  # fmt: skip
