"""The effect on one metric by segment, by day and by day of the week. Owns no test of a difference."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence

import polars as pl

from workbench.errors import InputError
from workbench.experiment.effect import Estimate, Parts, compare
from workbench.experiment.effects import too_thin
from workbench.experiment.metrics import Mean, Ratio
from workbench.experiment.question import Question, block_name
from workbench.experiment.segments import Heterogeneity, Novelty, heterogeneity, novelty
from workbench.experiment.unit_columns import moments_of
from workbench.experiment.units import Units
from workbench.experiment.weekdays import Weekdays, weekdays

_DATE = "·date"
_WEEK = 7
_FEWEST_DAYS = 3


def check_day(day: str, schema: Mapping[str, pl.DataType]) -> None:
    """Refuse a column of days that holds no days.

    Raises:
        InputError: It holds text or anything else that is no day, instant or number.
    """
    kind = schema[day]
    if not (kind.is_numeric() or kind in (pl.Date, pl.Datetime, pl.Null)):
        what = "text" if kind in (pl.String, pl.Categorical, pl.Enum) else str(kind).lower()
        raise InputError(
            f"day {day!r} holds {what}, must hold days, instants or numbers; make dates of it first"
        )


def by_segment(
    units: Units,
    question: Question,
    parts: Mapping[str, Parts],
    metric: Mean | Ratio,
    dimensions: Sequence[str],
) -> dict[tuple[str, str], Heterogeneity]:
    """Return the effects on one metric by segment, for each dimension and arm that has several."""
    found = {}
    for dimension in dimensions:
        for arm, effects in _grouped(units, question, parts, metric, dimension).items():
            if len(effects) > 1:
                named = {str(name): each for name, each in effects.items()}
                found[dimension, arm] = heterogeneity(named, dimension=dimension)
    return found


def by_day(
    units: Units,
    question: Question,
    parts: Mapping[str, Parts],
    metric: Mean | Ratio,
    day: str,
    *,
    week: Weekdays | None,
) -> Novelty | None:
    """Return the trend of the effect of the first arm by day of entry; None for too few days.

    The trend is that within days of the week where these are known.
    """
    kind = units.frame.collect_schema()[day]
    effects = next(iter(_grouped(units, question, parts, metric, day).values()), {})
    known = [(name, each) for name, each in effects.items() if name is not None]
    if len(known) < _FEWEST_DAYS:
        return None
    days = pl.Series([name for name, _ in known])
    numbers = days.cast(pl.Date).to_physical() if kind.is_temporal() else days.cast(pl.Float64)
    return novelty(
        [(name, float(at), each) for (name, each), at in zip(known, numbers, strict=True)],
        within=None if week is None else (week.slope, week.slope_p_value),
    )


def by_weekday(
    units: Units, question: Question, parts: Mapping[str, Parts], metric: Mean | Ratio, day: str
) -> dict[str, Weekdays]:
    """Return the effects on one metric by day of the week, for each arm; none without enough dates."""
    if not units.frame.collect_schema()[day].is_temporal():
        return {}
    dated = dataclasses.replace(
        units, frame=units.frame.with_columns(pl.col(day).cast(pl.Date).alias(_DATE))
    )
    found = {}
    for arm, effects in _grouped(dated, question, parts, metric, _DATE).items():
        known = [(date, each) for date, each in effects.items() if isinstance(date, dt.date)]
        if len(known) > _WEEK:
            found[arm] = weekdays(known)
    return found


def _grouped(
    units: Units,
    question: Question,
    parts: Mapping[str, Parts],
    metric: Mean | Ratio,
    dimension: str,
) -> dict[str, dict[object, Estimate]]:
    """Return the effect on one metric by arm and group, where both arms have enough of it."""
    name = block_name(metric, "all")
    found = moments_of(units, {name: parts[name]}, question.layout, [dimension])
    effects: dict[str, dict[object, Estimate]] = {arm: {} for arm in units.arms[1:]}
    for arm in units.arms[1:]:
        for label, group in found:
            pair = found.get((arm, group)), found.get((units.control, group))
            if label != arm or pair[0] is None or pair[1] is None:
                continue
            both = pair[0][name], pair[1][name]
            if not too_thin(metric, parts[name], *both):
                effects[arm][group] = compare(*both, parts[name]).absolute
    return effects
