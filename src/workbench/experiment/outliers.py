"""How much of an effect hangs on a few units. Owns no rule of leaving them out.

Nobody is removed: a unit that spends a lot is real. What is said is how far the largest unit moves the
effect, and what the effect would be with the top of all arms cut at one common value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import polars as pl

from workbench import text
from workbench.errors import ParameterError, problem
from workbench.experiment.effect import Comparison, Parts, compare
from workbench.experiment.metrics import Mean, Metric, spoken
from workbench.experiment.moments import Moments, collect_moments
from workbench.experiment.units import ARM, Units

TOP_SHARE = 0.001
INFLUENTIAL = 0.5
"""A unit that moves an effect by more than this many standard errors is named."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Outliers(text.Result):
    """Influence of the largest units.

    Attributes:
        table: A row for each metric and arm: ``metric``, ``arm``, ``effect``, ``influence`` (how many
            standard errors the farthest unit moves it); where one is influential also ``cut_at`` (the
            top of all units), ``effect_cut`` and ``standard_error_cut`` (with values cut there).
        text: Which effects hang on single units.
        influential: Metrics of which one unit moves the effect by more than half a standard error.
    """

    influential: tuple[str, ...]


def outliers(
    units: Units,
    metrics: Sequence[Metric],
    comparisons: Mapping[tuple[str, str], Comparison],
    moments: Mapping[tuple[str, str], Moments],
    top_share: float = TOP_SHARE,
) -> Outliers | None:
    """Measure how far the largest units move the effects on means.

    Args:
        units: The units.
        metrics: Metrics; only means of columns have a largest unit.
        comparisons: Effects by metric and arm.
        moments: Moments by metric and arm, with their ends.
        top_share: Share of units whose value is cut.

    Returns:
        The influence; None when no metric is a mean.

    Raises:
        ParameterError: The share is not between 0 and 1.
    """
    if not 0 < top_share < 1:
        raise ParameterError(problem("top_share", top_share, "must be between 0 and 1"))
    means = [
        each for each in metrics
        if type(each) is Mean and any(metric == each.name for metric, _ in comparisons)
    ]  # fmt: skip
    if not means:
        return None
    numbers = {each.name: pl.col(each.column).cast(pl.Float64) for each in means}
    columns = {each.name: each.column for each in means}
    rows = []
    for (name, arm), found in comparisons.items():
        if name in numbers:
            pair = [moments[name, each] for each in (arm, units.control)]
            pull = max(each.farthest(columns[name]) / each.n for each in pair)
            error = found.absolute.standard_error
            influence = pull / error if error else math.nan
            row = {"metric": name, "arm": arm, "effect": found.absolute.value}
            rows.append({**row, "influence": influence})
    table = pd.DataFrame(rows)
    named = tuple(dict.fromkeys(table.loc[table["influence"] > INFLUENTIAL, "metric"]))
    if named:
        table = table.merge(_cut(units, {name: numbers[name] for name in named}, top_share), "left")
    if named:
        said = (
            f"single units move the effect on {text.listing([spoken(each) for each in named])} by "
            "more than half a standard error"
        )
    else:
        said = "no single unit moves an effect by more than half a standard error"
    return Outliers(table=table, text=text.sentence(said), influential=named)


def _cut(units: Units, numbers: Mapping[str, pl.Expr], top_share: float) -> pd.DataFrame:
    """Return the effects with the values of all arms cut at one quantile of all units."""
    tops = units.frame.select(
        **{name: each.quantile(1 - top_share) for name, each in numbers.items()}
    )
    at = tops.collect().row(0, named=True)
    clipped = {name: each.clip(upper_bound=at[name]) for name, each in numbers.items()}
    moments = collect_moments(units.frame, [ARM], clipped, {name: [name] for name in numbers})
    rows = []
    for arm in units.arms[1:]:
        for name in numbers:
            pair = moments[arm,][name], moments[units.control,][name]
            found = compare(*pair, Parts(numerator=name)).absolute
            row = {"metric": name, "arm": arm, "cut_at": at[name], "effect_cut": found.value}
            rows.append({**row, "standard_error_cut": found.standard_error})
    return pd.DataFrame(rows)
