"""Simulated experiments on a user's own units: false alarms and power, as the read-out would see them.

Owns no plan and no estimator. Units are drawn with replacement and assigned at random; nothing happens to
them (A/A), or the treated get the lift that is looked for. Skewness, zeros and ties are those of the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl
from scipy.stats import binom

from workbench import text
from workbench.errors import InputError
from workbench.experiment.baseline import Baseline
from workbench.experiment.effect import Parts, compare
from workbench.experiment.moments import Moments
from workbench.experiment.power import power_of
from workbench.experiment.sequences import Floats
from workbench.streams import stream

MOST_UNITS = 20_000
_BAND = 0.999
_COLUMNS = [
    "kind", "experiments", "found_rate", "formula_rate", "band_low_rate", "band_high_rate", "agrees",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Resampled(text.Result):
    """What simulated experiments found, beside what the formula says.

    Attributes:
        table: A row a kind (``no effect``, ``the lift``) with ``experiments``, ``found_rate`` (of them
            that end significant), ``formula_rate``, ``band_low_rate`` and ``band_high_rate`` (the exact
            binomial 99.9 % band around the formula) and ``agrees``.
        text: Whether the formula may be believed on these data.
        agrees: Both rates lie within their bands.
    """

    agrees: bool


def resample(
    baseline: Baseline,
    shares: Mapping[str, float],
    pair: tuple[str, str],
    *,
    units: int,
    lift: float,
    alpha: float,
    experiments: int,
    seed: int,
) -> Resampled:
    """Simulate experiments of one comparison on the rows of a baseline.

    Args:
        baseline: A baseline with its rows.
        shares: Share of each arm.
        pair: The treated arm and the control.
        units: Units of all arms; at most 20,000 are drawn, and a lift is then larger by the root.
        lift: Relative effect that the treated get.
        alpha: Level of the test.
        experiments: Number of simulated experiments of each kind.
        seed: Seed of the draws.

    Raises:
        InputError: The baseline has no rows, or an arm would have fewer than two units.
    """
    if baseline.rows is None or baseline.parts is None:
        raise InputError(
            "a baseline that was stated by hand has no rows to resample; bring the units"
        )
    drawn = min(units, MOST_UNITS)
    lift *= (units / drawn) ** 0.5
    sizes = [round(drawn * shares[arm]) for arm in pair]
    if min(sizes) < 2:  # noqa: PLR2004 - a variance needs two
        raise InputError(f"{text.NOT_ENOUGH_DATA}: an arm would have {min(sizes)} units")
    rows = baseline.rows
    formula = power_of(
        baseline.level * lift,
        (baseline.variance_at(lift) / sizes[0] + baseline.variance_at(0.0) / sizes[1]) ** 0.5,
        alpha=alpha,
    )
    found = []
    for kind, effect, rate in (("no effect", 0.0, alpha), ("the lift", lift, formula)):
        rng = stream(seed, f"experiment/resample/{kind}")
        significant = sum(
            _p_value(baseline, baseline.parts, rows, (sizes, effect), rng) < alpha
            for _ in range(experiments)
        )
        low = float(binom.ppf((1 - _BAND) / 2, experiments, rate)) / experiments
        high = float(binom.ppf((1 + _BAND) / 2, experiments, rate)) / experiments
        share = significant / experiments
        found.append((kind, experiments, share, rate, low, high, bool(low <= share <= high)))
    return _result(pd.DataFrame(found, columns=_COLUMNS))


def _p_value(
    baseline: Baseline,
    parts: Parts,
    rows: pl.DataFrame,
    experiment: tuple[list[int], float],
    rng: np.random.Generator,
) -> float:
    """Draw one experiment with its sizes and lift, and return the p-value of its read-out."""
    (treated, control), lift = experiment
    arms = []
    for size, effect in ((treated, lift), (control, 0.0)):
        chosen = rows[rng.integers(rows.height, size=size)]
        columns = {name: chosen[name].to_numpy() for name in rows.columns}
        if effect:
            above = parts.numerator
            columns[above] = _lifted(columns[above], baseline, effect, rng)
        arms.append(Moments.of(columns))
    return compare(arms[0], arms[1], parts).absolute.p_value


def _lifted(values: Floats, baseline: Baseline, lift: float, rng: np.random.Generator) -> Floats:
    """Return values that are larger by a lift on average; a 0 or 1 stays one."""
    if not baseline.proportion:
        return values * (1 + lift)
    p = baseline.level
    if lift >= 0:
        return np.where(rng.random(len(values)) < lift * p / (1 - p), 1.0, values)
    return np.where(rng.random(len(values)) < -lift, 0.0, values)


def _result(table: pd.DataFrame) -> Resampled:
    none, some = table.iloc[0], table.iloc[1]
    agrees = bool(table["agrees"].all())
    verdict = "agree with" if agrees else "do not agree with"
    said = (
        f"{text.count(none['experiments'])} simulated experiments on these units {verdict} the formula: "
        f"{text.share(none['found_rate'])} of those without an effect and {text.share(some['found_rate'])} of "
        f"those with the lift end significant; it says {text.share(none['formula_rate'])} and "
        f"{text.share(some['formula_rate'])}"
    )
    if not agrees:
        said += ". Trust the simulation, and take more units"
    return Resampled(table=table, text=text.sentence(said), agrees=agrees)
