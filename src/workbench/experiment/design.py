"""The plan of an experiment: units, days, detectable effects and what it costs. Owns no estimator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from workbench import text
from workbench.arguments import checked
from workbench.errors import ParameterError, problem
from workbench.experiment.baseline import Baseline, baseline_of
from workbench.experiment.contrasts import Contrast, against_control, of_factors
from workbench.experiment.metrics import Covariate, Metric, spoken
from workbench.experiment.power import detectable, power_of
from workbench.experiment.ratio_watch import checked_shares
from workbench.experiment.resampling import Resampled, resample
from workbench.experiment.sequences import Floats, check_alpha
from workbench.frames import Frame

HALVES = {"control": 0.5, "treatment": 0.5}
_LAST_DAYS = 28
_LONGEST_DAYS = 730
_MOST_SHOWN_DAYS = 120
_FEWEST_UNITS = 20
_FIRST_SHARE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Design(text.Result):
    """A plan of an experiment.

    Attributes:
        table: A row a comparison with ``comparison``, ``order`` (1: planned for; more: interactions,
            which come for free and show less), ``level`` (of its test, so that all of an order
            together keep the stated one), ``units_needed``, ``units_needed_plain`` (without
            covariates), ``detectable_share`` (smallest relative effect found at the planned units) and
            ``power_rate`` (for the stated lift at the planned units).
        text: Units, days and cost, and what covariates save.
        curve: A row a comparison and day since the start with ``closed_units`` (whose outcome window
            has closed) and ``detectable_share``; empty when entries are not known.
        shares: Share of each arm or cell.
        units: Units that are planned for, of all arms.
        days: Days until the last outcome window has closed; None: entries are not known.
        cost_cents: Expected cost of the offers that the treated get.
        withheld_cents: Worth of the lift that the control does not get, if there is one; None: not
            stated.
        resampled: What simulated experiments on the own units found; None: not asked for.
        baseline: The metric as it was.
    """

    curve: pd.DataFrame
    shares: dict[str, float]
    units: int
    days: int | None
    cost_cents: int
    withheld_cents: int | None
    resampled: Resampled | None
    baseline: Baseline


@checked
def design(
    units: Frame | Baseline,
    metric: str | Metric | None = None,
    *,
    covariates: Sequence[str | Covariate] = (),
    lift: float = 0.05,
    power: float = 0.8,
    alpha: float = 0.05,
    arms: Mapping[str, float] | None = None,
    control: str = "control",
    factors: Mapping[str, Sequence[str]] | None = None,
    planned: int | None = None,
    entries: Sequence[float] | None = None,
    outcome_days: int = 0,
    offer_cost_cents: float = 0.0,
    value_cents: float | None = None,
    simulations: int = 0,
    seed: int = 1,
) -> Design:
    """Plan an experiment: how many units it needs, how long it takes, what it can see and costs.

    The metric's level and variance come from units of the past, by the estimator that will read the
    experiment out. Several arms, or several main effects of factors, share the level (Bonferroni);
    interactions have a level of their own. For a programme by event the units are its triggered
    customers, and ``entries`` are those that a replay of last month's log triggers for the first time
    on each day (:func:`workbench.expected_triggers`).

    Args:
        units: Units of the past, one row a unit, or a baseline stated by hand.
        metric: A metric or its text, such as ``"sales_cents"`` or ``"sales_cents / visits"``.
        covariates: Columns that will be known before assignment.
        lift: Smallest relative effect that is worth finding.
        power: Chance of finding it.
        alpha: Level of all comparisons together, two-sided.
        arms: Share of each arm; None: halves of control and treatment.
        control: The arm that the others are compared with.
        factors: Levels by factor, such as content, timing and value, in equal cells; the first level
            is the base. In place of arms.
        planned: Units of all arms, when they are given; None: as many as are needed.
        entries: Expected new units a day, from the first day; behind the last day the mean of the
            last four weeks goes on, for two years at most.
        outcome_days: Days from a unit's entry until its outcome is complete.
        offer_cost_cents: Expected cost of the offers of one treated unit.
        value_cents: Worth of 1 of the metric, to price what the control is not given.
        simulations: Simulated experiments of each kind on the own units; 0: none.
        seed: Seed of the simulated experiments.

    Returns:
        The plan.

    Raises:
        ParameterError: An argument breaks its rule, or arms and factors are both given.
        InputError: The units do not carry the metric.

    >>> plan = design(Baseline(name="bought", level=0.05, variance=0.0475, proportion=True))
    >>> plan.units, plan.table["comparison"].to_list()
    (244241, ['treatment'])
    """
    check_alpha(alpha)
    if not (math.isfinite(lift) and lift):
        raise ParameterError(problem("lift", lift, "must be finite and not 0"))
    for name, given in (("offer_cost_cents", offer_cost_cents), ("simulations", simulations)):
        if not 0 <= given < math.inf:
            raise ParameterError(problem(name, given, "must be at least 0"))
    if planned is not None and planned < 1:
        raise ParameterError(problem("planned", planned, "must be at least 1"))
    if outcome_days < 0:
        raise ParameterError(problem("outcome_days", outcome_days, "must be at least 0"))
    baseline = _baseline(units, metric, covariates)
    if baseline.proportion and not 0 <= baseline.level * (1 + lift) <= 1:
        there = text.share(baseline.level * (1 + lift))
        rule = f"must leave a share of 0 to 1: {text.share(baseline.level)} would become {there}"
        raise ParameterError(problem("lift", lift, rule))
    shares, contrasts = _compared(arms, control, factors)
    table = _comparisons(baseline, shares, contrasts, lift=lift, power=power, alpha=alpha)
    main = table["order"] == 1
    needed = int(table.loc[main, "units_needed"].max())
    total = needed if planned is None else planned
    table["detectable_share"] = _detectable(table, total, power, baseline)
    table["power_rate"] = [
        power_of(baseline.level * lift, math.sqrt(variance / total), alpha=level)
        for variance, level in zip(table["unit_variance"], table["level"], strict=True)
    ]
    by_day = np.array([]) if entries is None else _entered(entries, total)
    days = None if entries is None else _days(by_day, total, outcome_days)
    control_share = 0.0 if factors else shares[control]
    withheld = None
    if value_cents is not None and control_share:
        withheld = round(abs(lift * baseline.level) * value_cents * total * control_share)
    resampled = None
    if simulations:
        first = min(contrasts, key=lambda each: each.order)
        pair = (
            max(first.weights, key=first.weights.__getitem__),
            min(first.weights, key=first.weights.__getitem__),
        )
        resampled = resample(
            baseline,
            shares,
            pair,
            units=total,
            lift=lift,
            alpha=float(table["level"].iloc[0]),
            experiments=simulations,
            seed=seed,
        )
    found = Design(
        table=table.drop(columns="unit_variance"),
        text="",
        curve=_curve(table[main], by_day, outcome_days, power, baseline),
        shares=shares,
        units=total,
        days=days,
        cost_cents=round(total * (1 - control_share) * offer_cost_cents),
        withheld_cents=withheld,
        resampled=resampled,
        baseline=baseline,
    )
    return replace(
        found,
        text=_text(found, lift=lift, power=power, needed=needed),
        headline=_headline(found, power),
    )


def _baseline(
    units: Frame | Baseline, metric: str | Metric | None, covariates: Sequence[str | Covariate]
) -> Baseline:
    if isinstance(units, Baseline):
        if metric is not None or covariates:
            rule = "must not be given with a baseline, which is of one metric"
            raise ParameterError(problem("metric or covariates", metric or covariates, rule))
        return units
    if metric is None:
        rule = "must be a column or a ratio of the units, such as 'sales_cents'"
        raise ParameterError(problem("metric", metric, rule))
    return baseline_of(units, metric, covariates)


def _compared(
    arms: Mapping[str, float] | None, control: str, factors: Mapping[str, Sequence[str]] | None
) -> tuple[dict[str, float], list[Contrast]]:
    """Return the shares of the cells and the effects that are planned for."""
    if factors is not None:
        if arms is not None:
            raise ParameterError(problem("arms", dict(arms), "must not be given with factors"))
        return of_factors(factors)
    shares = checked_shares(HALVES if arms is None else arms)
    return shares, against_control(shares, control)


def _comparisons(
    baseline: Baseline,
    shares: Mapping[str, float],
    contrasts: Sequence[Contrast],
    *,
    lift: float,
    power: float,
    alpha: float,
) -> pd.DataFrame:
    """Return the units that each comparison needs, at its part of the level."""
    mains = sum(each.order == 1 for each in contrasts)
    parts = {True: mains, False: max(1, len(contrasts) - mains)}
    variances = baseline.variance_at(lift), baseline.variance_at(0.0)
    rows = []
    for each in contrasts:
        level = alpha / parts[each.order == 1]
        variance = each.variance(shares, variances)
        wanted = detectable(1.0, power=power, alpha=level) / (baseline.level * lift)
        rows.append(
            {
                "comparison": each.name,
                "order": each.order,
                "level": level,
                "units_needed": math.ceil(variance * wanted**2),
                "units_needed_plain": math.ceil(variance * wanted**2 / baseline.variance_kept),
                "unit_variance": variance,
            }
        )
    return pd.DataFrame(rows)


def _detectable(table: pd.DataFrame, units: float, power: float, baseline: Baseline) -> list[float]:
    """Return the smallest relative effect that each comparison finds with so many units."""
    return [
        detectable(math.sqrt(variance / units), power=power, alpha=level) / abs(baseline.level)
        for variance, level in zip(table["unit_variance"], table["level"], strict=True)
    ]


def _entered(entries: Sequence[float], units: int) -> Floats:
    """Return the units that have entered by the end of each day, up to the day with enough of them."""
    given = np.asarray(entries, dtype=np.float64)
    if not len(given) or not np.isfinite(given).all() or (given < 0).any() or not given.sum():
        rule = "must be numbers of new units a day, some above 0"
        raise ParameterError(problem("entries", list(entries), rule))
    reached = given.cumsum()
    pace = given[-_LAST_DAYS:].mean()
    if reached[-1] < units and pace > 0:
        more = min(math.ceil((units - reached[-1]) / pace), _LONGEST_DAYS)
        reached = np.concatenate([reached, reached[-1] + pace * np.arange(1, more + 1)])
    enough = np.flatnonzero(reached >= units)
    return np.asarray(reached[: enough[0] + 1] if len(enough) else reached, dtype=np.float64)


def _days(entered: Floats, units: int, outcome_days: int) -> int | None:
    """Return the days until enough outcomes are complete; None: never at this pace."""
    return len(entered) + outcome_days if entered[-1] >= units else None


def _curve(
    table: pd.DataFrame, entered: Floats, outcome_days: int, power: float, baseline: Baseline
) -> pd.DataFrame:
    """Return what could be detected if the experiment were read on a day."""
    places = np.flatnonzero(entered >= max(_FEWEST_UNITS, _FIRST_SHARE * entered[-1:].sum()))
    if len(places) > _MOST_SHOWN_DAYS:
        places = places[np.linspace(0, len(places) - 1, _MOST_SHOWN_DAYS).round().astype(int)]
    rows = [
        (name, int(place) + 1 + outcome_days, int(entered[place]), share)
        for place in places
        for name, share in zip(
            table["comparison"], _detectable(table, entered[place], power, baseline), strict=True
        )
    ]
    return pd.DataFrame(rows, columns=["comparison", "day", "closed_units", "detectable_share"])


def _text(plan: Design, *, lift: float, power: float, needed: int) -> str:
    """Say what the plan needs, how long it takes, and what it costs."""
    main = plan.table[plan.table["order"] == 1]
    plain = int(main["units_needed_plain"].max())
    name = spoken(plan.baseline.name)
    said = [
        f"to find a lift of {text.share(abs(lift))} of {name} with a power of {text.share(power)}, the "
        f"experiment needs {text.plural(needed, 'unit')}"
    ]
    if plan.units != needed:
        worst = float(main["power_rate"].min())
        said.append(f"with {text.plural(plan.units, 'unit')} its power is {text.share(worst)}")
    if plan.curve.shape[0] and plan.days is None:
        said.append(
            "at the expected pace that takes too long: look for a larger lift, or take more customers"
        )
    elif plan.days is not None:
        said.append(f"that takes {text.days(plan.days)}, the last outcome window included")
    if plain > needed:
        cut = text.share(1 - plan.baseline.variance_kept)
        said.append(
            f"the covariates take {cut} off the variance: without them it would need {text.count(plain)}"
        )
    said += _costs(plan)
    if plan.table["order"].max() > 1:
        highest = plan.table.sort_values("order", kind="stable").iloc[-1]
        said.append(
            f"interactions come for free and show less: {highest['comparison']} is found from "
            f"{text.share(float(highest['detectable_share']))} on"
        )
    sentences = [text.sentence(each) for each in said]
    return " ".join(sentences + ([plan.resampled.text] if plan.resampled else []))


def _costs(plan: Design) -> list[str]:
    said = []
    if plan.cost_cents:
        said.append(f"its offers cost {text.amount(plan.cost_cents)}")
    if plan.withheld_cents is not None:
        said.append(
            f"if the lift is there, the control goes without {text.amount(plan.withheld_cents)} of it"
        )
    return said


def _headline(plan: Design, power: float) -> str:
    main = plan.table[plan.table["order"] == 1]
    share = text.share(float(main["detectable_share"].max()))
    when = "" if plan.days is None else f" after {text.days(plan.days)}"
    return f"A lift of {share} is found with a power of {text.share(power, 0)}{when}"
