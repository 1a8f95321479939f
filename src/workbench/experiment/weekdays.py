"""Does the effect differ between days of the week, apart from its trend? Owns no effect of a day."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from workbench import text
from workbench.errors import InputError
from workbench.experiment.effect import Estimate

_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FEWEST = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Weekdays(text.Result):
    """The effect by the day of the week on which units entered, and its trend apart from that.

    Attributes:
        table: A row a day of the week: ``weekday``, ``effect`` (in the middle of the time, without the
            trend), ``standard_error``, ``units``.
        text: Whether days of the week differ, and whether there is a trend beside.
        p_value: Of no difference between days of the week.
        differs: Whether ``p_value`` is below the level.
        slope: Change of the effect a day, within days of the week.
        slope_p_value: Of no trend.
    """

    p_value: float
    differs: bool
    slope: float
    slope_p_value: float


def weekdays(effects: Sequence[tuple[dt.date, Estimate]], *, alpha: float = 0.05) -> Weekdays:
    """Fit a level for each day of the week and one trend to the effects of days, and test both.

    A trend makes Mondays differ from Sundays, and weekends at the end of a stretch of days look like
    a trend; fitted together by their precision, neither passes for the other.

    Args:
        effects: Day and the effect of who entered on it.
        alpha: Level of the verdict.

    Raises:
        InputError: There are fewer than two days of the week, or none of them comes twice.

    >>> days = [(dt.date(2026, 3, 2) + dt.timedelta(n), Estimate(value=5.0 + 3 * (n % 7 > 4), df=99,
    ...     standard_error=0.5, n_treatment=9, n_control=9)) for n in range(28)]
    >>> found = weekdays(days)
    >>> found.text, found.table["effect"].round(1).to_list()[-3:]
    ('The effects by day of the week differ by more than chance (p <0.001).', [5.0, 8.0, 8.0])
    """
    kept = [(day, each) for day, each in effects if each.standard_error > 0]
    of = np.array([day.weekday() for day, _ in kept], dtype=int)
    there = sorted(set(of.tolist()))
    if len(there) < _FEWEST or len(kept) <= len(there):
        rule = f"days of the week need {_FEWEST} of them and one that comes twice"
        raise InputError(f"{text.NOT_ENOUGH_DATA}: {rule}, was {text.days(len(kept))}")
    at = np.array([day.toordinal() for day, _ in kept], dtype=float)
    values = np.array([each.value for _, each in kept])
    weights = 1 / np.array([each.standard_error for _, each in kept]) ** 2
    design = np.column_stack([of[:, None] == np.array(there), at - weights @ at / weights.sum()])
    covariance = np.linalg.inv((design.T * weights) @ design)
    fitted = covariance @ (design.T @ (weights * values))
    gaps = np.column_stack([np.eye(len(there) - 1), -np.ones(len(there) - 1)])
    gaps = np.column_stack([gaps, np.zeros(len(gaps))])
    apart = gaps @ fitted
    wald = float(apart @ np.linalg.solve(gaps @ covariance @ gaps.T, apart))
    p_value = float(stats.chi2.sf(wald, len(gaps)))
    slope, error = float(fitted[-1]), math.sqrt(covariance[-1, -1])
    units = np.array([each.n_treatment + each.n_control for _, each in kept])
    differs = p_value < alpha
    verb = "differ by more than chance" if differs else "do not differ by more than chance"
    said = text.p_value(p_value)
    said = f"p {said}" if said.startswith("<") else f"p = {said}"
    return Weekdays(
        table=pd.DataFrame(
            {
                "weekday": [_NAMES[each] for each in there],
                "effect": fitted[:-1],
                "standard_error": np.sqrt(np.diag(covariance)[:-1]),
                "units": [int(units[of == each].sum()) for each in there],
            }
        ),
        text=text.sentence(f"the effects by day of the week {verb} ({said})"),
        p_value=p_value,
        differs=differs,
        slope=slope,
        slope_p_value=float(2 * stats.norm.sf(abs(slope) / error)),
    )
