"""Common mistakes in reading experiments, put through the same calibration: it must catch them.

Owns readings that are wrong on purpose. Owns no estimator.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.calibration import studies, watching
from workbench.calibration.studies import ALPHA, BIAS, EVER, REJECTION, Draw, Study
from workbench.calibration.table import CalibrationTable, check_experiments, judged, simulated
from workbench.experiment import Parts, compare, proximal_effect


def _peeking(rng: Draw) -> tuple[float, ...]:
    """Look at an ordinary interval every day and stop at the first that excludes zero."""
    looks = watching.daily(Parts(numerator="y"), lambda: {"y": rng.normal(0, 1, 20)})
    return (float(any(each.p_value < ALPHA for each in looks)),)


def _clusters_forgotten(rng: Draw) -> tuple[float, ...]:
    """Read the customers of randomised stores as if each had been randomised."""
    arms = []
    for _ in range(2):
        store = np.repeat(rng.normal(0, 0.5, 30), 10)
        arms.append(studies.arm_of(y=store + rng.normal(0, 1, store.size)))
    return (float(compare(arms[0], arms[1], Parts(numerator="y")).absolute.p_value < ALPHA),)


def _rate_times_lift(rng: Draw) -> tuple[float, ...]:
    """Take the relative effect of the triggered times the trigger rate for that of all."""
    arms = studies.with_trigger(rng, 0.3), studies.with_trigger(rng, 0.0)
    found = compare(arms[0], arms[1], studies.TRIGGER, "triggered").relative
    rate, mean = studies.TRIGGER_RATE, studies.TRIGGERED_MEAN
    truth = 0.3 * rate * mean / (rate * mean + (1 - rate))
    return ((math.nan if found is None else found.value) * rate / truth - 1,)


def _probabilities_forgotten(rng: Draw) -> tuple[float, ...]:
    """Read decision points as if each had been treated with the same probability."""
    points = studies.decision_points(rng, 0.3, binary=False).with_columns(p=pl.lit(0.5))
    return (proximal_effect(points, outcome="y", probability="p").estimates[0].value / 0.3 - 1,)


MISTAKES = {
    each.estimator: each
    for each in (
        Study("ordinary interval, peeked at", (EVER,), _peeking),
        Study("clusters forgotten", (REJECTION,), _clusters_forgotten),
        Study("triggered lift × trigger rate", (BIAS,), _rate_times_lift),
        Study("probabilities forgotten", (BIAS,), _probabilities_forgotten),
    )
}
"""Every mistake by its name."""


@checked
def common_mistakes(*, seed: int, experiments: int = 200) -> CalibrationTable:
    """Read simulated experiments wrongly, in four common ways, and judge what comes of it.

    Args:
        seed: Seed of all of them.
        experiments: Experiments of each mistake, at least 20.

    Returns:
        The table, in which each row should fail.

    Raises:
        ParameterError: ``experiments`` is below 20.

    >>> found = common_mistakes(seed=1, experiments=100)
    >>> found.passed, len(found.table)
    (False, 4)
    """
    check_experiments(experiments)
    found = judged([(each, simulated(each, experiments, seed)) for each in MISTAKES.values()])
    failed = found.table[~found.table["passed"]]
    caught = f"{text.count(len(failed))} of {text.plural(len(found.table), 'common mistake')}"
    headline = f"{caught} {'is' if len(failed) == 1 else 'are'} caught"
    said = [
        f"{row['estimator']}: {row['figure']} {text.number(row['rate'])} where "
        f"{text.number(row['nominal'])} is promised"
        for row in failed.to_dict("records")
    ]
    return replace(
        found, headline=headline, text=" ".join(text.sentence(each) for each in (headline, *said))
    )
