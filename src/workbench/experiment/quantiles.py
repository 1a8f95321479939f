"""Effects on quantiles, which need the rows: three order statistics an arm. Owns no moment."""

from __future__ import annotations

import math

import polars as pl
from scipy import stats

from workbench import text
from workbench.errors import InputError
from workbench.experiment.effect import Comparison, Estimate
from workbench.experiment.metrics import Quantile
from workbench.experiment.units import ARM, Units
from workbench.text import NOT_ENOUGH_DATA

_LEVEL = 0.95


def quantile_levels(units: Units, metric: Quantile) -> dict[str, tuple[float, float, int]]:
    """Return the quantile of each arm with its standard error and units.

    The error is half the width of the order-statistic interval of 95 %, in normal units; it needs no
    density and no bootstrap.

    Raises:
        InputError: An arm has too few units for the interval, or a value that is not finite.

    Source: Deng, Knoblich and Lu 2018, section 4.
    """
    z = float(stats.norm.ppf((1 + _LEVEL) / 2))
    value = pl.col(metric.column).cast(pl.Float64)
    found = {}
    counts = {arm: n for arm, n in units.counts.items() if n}
    for arm, n in counts.items():
        half = z * math.sqrt(metric.q * (1 - metric.q) / n)
        low, high = metric.q - half, metric.q + half
        if low <= 0 or high >= 1:
            raise InputError(
                f"{NOT_ENOUGH_DATA}: {metric.name} needs more units than {n} in {arm!r}"
            )
        row = (
            units.frame.filter(pl.col(ARM) == arm)
            .select(
                middle=value.quantile(metric.q, "linear"),
                low=value.quantile(low, "lower"),
                high=value.quantile(high, "higher"),
                bad=value.is_finite().fill_null(value=False).not_().sum(),
            )
            .collect()
            .row(0, named=True)
        )
        if row["bad"]:
            raise InputError(
                f"column {metric.column!r} has no finite value in {text.plural(row['bad'], 'row')} of {arm!r}"
            )
        found[arm] = (row["middle"], (row["high"] - row["low"]) / (2 * z), n)
    return found


def compare_quantiles(
    treatment: tuple[float, float, int], control: tuple[float, float, int]
) -> Comparison:
    """Return the difference of a quantile between two arms.

    Args:
        treatment: Quantile, standard error and units of the treated arm.
        control: The same of the control.

    >>> compare_quantiles((12.0, 0.3, 900), (11.0, 0.4, 900)).absolute.standard_error
    0.5
    """
    (a, error_a, n_a), (b, error_b, n_b) = treatment, control

    def estimate(value: float, by_a: float, by_b: float) -> Estimate:
        error = math.hypot(by_a * error_a, by_b * error_b)
        return Estimate(
            value=value, standard_error=error, df=math.inf, n_treatment=n_a, n_control=n_b
        )

    positive = a > 0 and b > 0
    return Comparison(
        treatment=a,
        control=b,
        absolute=estimate(a - b, 1.0, 1.0),
        relative=estimate((a - b) / abs(b), 1 / b, a / b**2) if b else None,
        log_ratio=estimate(math.log(a / b), 1 / a, 1 / b) if positive else None,
        variance_kept=1.0,
    )
