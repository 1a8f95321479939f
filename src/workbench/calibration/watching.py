"""Experiments that are watched while they go on, and planned: errors at every look, and power.

Owns no estimator and no verdict; the studies join those of :mod:`workbench.calibration.studies`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from workbench.calibration.studies import (
    ALPHA,
    CHECK_CUPED,
    EVER,
    Draw,
    Figure,
    Floats,
    arm_of,
    rejects,
    spend,
    study,
    visits,
)
from workbench.experiment import Estimate, Parts, compare
from workbench.experiment.bounded import bernoulli_interval
from workbench.experiment.power import power_of, units_needed
from workbench.experiment.ratio_watch import ratio_evidence
from workbench.experiment.sample_ratio import ratio_p_value
from workbench.experiment.sequences import always_valid
from workbench.experiment.spending import crossing_probability, plan_looks

DAYS = 28


@study("sample ratio, once", Figure("false alarms at 0.1 %", 0.001))
def _sample_ratio(rng: Draw) -> tuple[float, ...]:
    n = int(rng.binomial(20_000, 0.5))
    return (float(ratio_p_value({"control": n, "offer": 20_000 - n}) < 0.001),)  # noqa: PLR2004 - its level


@study("sample ratio, watched", EVER)
def _ratio_watch(rng: Draw) -> tuple[float, ...]:
    mine = rng.binomial(200, 0.5, DAYS).cumsum()
    counts = np.column_stack([mine, 200 * np.arange(1, DAYS + 1) - mine])
    return (float(ratio_evidence(counts, [0.5, 0.5]).max() >= math.log(1 / ALPHA)),)


def daily(parts: Parts, draw: Callable[[], dict[str, Floats]]) -> list[Estimate]:
    """Return the estimate of every day of an A/A experiment, from moments that are added up."""
    found, arms = [], [arm_of(**draw()) for _ in range(2)]
    for day in range(DAYS):
        if day:
            arms = [each + arm_of(**draw()) for each in arms]
        found.append(compare(arms[0], arms[1], parts).absolute)
    return found


def _ever(estimates: list[Estimate]) -> float:
    """Return whether the always-valid interval ever excluded no effect."""
    value, error, units = np.array(
        [(each.value, each.standard_error, each.n_treatment + each.n_control) for each in estimates]
    ).T
    return float((always_valid(value, error, units, alpha=ALPHA).p_value < ALPHA).any())


@study("always-valid mean", EVER)
def _always_mean(rng: Draw) -> tuple[float, ...]:
    return (_ever(daily(Parts(numerator="y"), lambda: {"y": spend(rng, 60)})),)


@study("always-valid ratio, covariate", EVER, every=4)
def _always_ratio(rng: Draw) -> tuple[float, ...]:
    def draw() -> dict[str, Floats]:
        return {name: values[:60] for name, values in visits(rng).items()}

    return (_ever(daily(CHECK_CUPED, draw)),)


@study("always-valid proportion", EVER)
def _always_exact(rng: Draw) -> tuple[float, ...]:
    chance, trials = 0.1, 60 * np.arange(1, DAYS + 1)
    bought = rng.binomial(60, chance, DAYS).cumsum()
    ends = [
        bernoulli_interval(int(k), int(n), alpha=ALPHA) for k, n in zip(bought, trials, strict=True)
    ]
    return (float(any(not low <= chance <= high for low, high in ends)),)


LOOKS = (0.2, 0.4, 0.6, 0.8, 1.0)


@functools.cache
def _bounds() -> tuple[float, ...]:
    return tuple(plan_looks(LOOKS, alpha=ALPHA).bounds)


@functools.cache
def _sequential_power() -> float:
    drift = 2.8
    return float(crossing_probability(LOOKS, _bounds(), drift).sum())


@study(
    "O'Brien-Fleming",
    Figure("A/A rejection, five looks", ALPHA),
    Figure("power by formula", _sequential_power()),
)
def _sequential(rng: Draw) -> tuple[float, ...]:
    found = []
    for drift in (0.0, 2.8):
        n = 200
        shift = drift * math.sqrt(2 / (len(LOOKS) * n))
        arms = [arm_of(y=rng.normal(each, 1, n)) for each in (shift, 0.0)]
        crossed = False
        for look, bound in enumerate(_bounds()):
            if look:
                arms = [
                    m + arm_of(y=rng.normal(s, 1, n))
                    for m, s in zip(arms, (shift, 0.0), strict=True)
                ]
            effect = compare(arms[0], arms[1], Parts(numerator="y")).absolute
            crossed |= abs(effect.value / effect.standard_error) >= bound
        found.append(float(crossed))
    return tuple(found)


@functools.cache
def _needed() -> int:
    return math.ceil(units_needed(0.3, (1.0, 1.0), small=True) / 2)


@study(
    "power of a mean",
    Figure("power by formula", power_of(0.3, math.sqrt(2 / _needed()), df=2 * _needed() - 2)),
)
def _power(rng: Draw) -> tuple[float, ...]:
    arms = [arm_of(y=rng.normal(each, 1, _needed())) for each in (0.3, 0.0)]
    return (rejects(compare(arms[0], arms[1], Parts(numerator="y")).absolute),)
