"""How much a metric varies before an experiment: the figures that its size follows from. Owns no plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.effect import Parts, compare
from workbench.experiment.metrics import (
    Covariate,
    Metric,
    Proportion,
    Quantile,
    as_covariate,
    as_metric,
    pair_of,
    parts_of,
    refuse_outcome,
)
from workbench.experiment.moments import Moments
from workbench.frames import Frame, as_polars
from workbench.text import NOT_ENOUGH_DATA

_LEAST = 30


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """A metric as it was before the experiment.

    Attributes:
        name: Of the metric.
        level: Its level: a mean, a proportion or a ratio.
        variance: Variance a unit of an estimate of the level, without covariates.
        variance_kept: Variance that is left with covariates, over that without.
        units: Units that this was learnt from; 0: stated by hand.
        proportion: The metric is 0 or 1, so another level has another variance.
        rows: The columns of the units, for resampling; None: stated by hand.
        parts: Which columns the metric is made of.

    >>> Baseline(name="bought", level=0.05, variance=0.05 * 0.95).variance_kept
    1.0
    """

    name: str
    level: float
    variance: float
    variance_kept: float = 1.0
    units: int = 0
    proportion: bool = False
    rows: pl.DataFrame | None = None
    parts: Parts | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.level) and self.level != 0):
            rule = "must be finite and not 0: a relative effect needs a level"
            raise ParameterError(problem("level", self.level, rule))
        if not 0 < self.variance < math.inf:
            raise ParameterError(problem("variance", self.variance, "must be finite and above 0"))
        if not 0 < self.variance_kept <= 1:
            raise ParameterError(
                problem("variance_kept", self.variance_kept, "must be above 0 and at most 1")
            )

    def variance_at(self, lift: float) -> float:
        """Return the variance a unit, covariates used, where the level is larger by a lift.

        A lift that reaches all values in proportion widens their spread too; a proportion has the
        variance of its new level.
        """
        if not self.proportion:
            return self.variance * self.variance_kept * (1 + lift) ** 2
        level = min(max(self.level * (1 + lift), 0.0), 1.0)
        return level * (1 - level) * self.variance_kept


def baseline_of(
    units: Frame, metric: str | Metric, covariates: Sequence[str | Covariate] = ()
) -> Baseline:
    """Return the baseline of a metric from units of the past, by the estimator of the read-out.

    Args:
        units: One row a unit; rows without a value are refused.
        metric: A metric or its text; a quantile has no such baseline.
        covariates: Columns that will be known before assignment.

    Raises:
        InputError: A column is missing or not finite, the metric is constant or has a level of 0, or
            there are fewer than 30 units.
        ParameterError: The metric is a quantile.

    >>> frame = pl.DataFrame({"spend": [0.0, 10.0] * 50, "before": [1.0, 9.0] * 50})
    >>> found = baseline_of(frame, "spend", ["before"])
    >>> found.level, round(found.variance, 2), found.variance_kept < 0.01
    (5.0, 25.25, True)
    """
    frame = as_polars(units, "units")
    schema = dict(frame.schema)
    found = as_metric(metric, schema)
    if isinstance(found, Quantile):
        raise ParameterError(
            problem("metric", found.name, "must be a mean, a proportion, a count or a ratio")
        )
    chosen = [as_covariate(each, schema) for each in (found.covariates or covariates)]
    refuse_outcome(found, [each.column for each in chosen])
    names = dict.fromkeys(
        [*found.columns, *(part for each in chosen for part in pair_of(each.column) if part)]
    )
    rows = frame.select(pl.col(name).cast(pl.Float64) for name in names)
    if rows.height < _LEAST:
        raise InputError(
            f"{NOT_ENOUGH_DATA}: a baseline needs at least {_LEAST} units, was {rows.height}"
        )
    for name in names:
        if not bool(rows[name].is_finite().fill_null(value=False).all()):
            raise InputError(f"column {name!r} has values that are missing or not finite")
    moments = Moments.of(rows.to_dict(as_series=False))
    plain = parts_of(found, [], weighted=False)
    alone = compare(moments, moments, plain)
    error = alone.absolute.standard_error
    if not error:
        raise InputError(
            f"metric {found.name!r} is {alone.control:g} in every unit; it shows nothing"
        )
    if not alone.control:
        raise InputError(f"metric {found.name!r} has a level of 0; a relative effect needs one")
    with_them = parts_of(found, chosen, weighted=False)
    kept = compare(moments, moments, with_them).variance_kept if chosen else 1.0
    return Baseline(
        name=found.name,
        level=alone.control,
        variance=error**2 * rows.height / 2,
        variance_kept=min(1.0, max(kept, np.finfo(float).eps)),
        units=rows.height,
        proportion=isinstance(found, Proportion),
        rows=rows,
        parts=with_them,
    )
