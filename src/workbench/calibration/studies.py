"""Simulated experiments with known truth, read by the functions that users call. Owns no verdict.

A study draws one experiment and says of each of its figures what came of it: 1 where an interval held
the truth or a test rejected, else 0, or how far an estimate was off.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from workbench.experiment import (
    Comparison,
    Estimate,
    Moments,
    Parts,
    Prior,
    Quantile,
    adjust,
    compare,
    launch_decision,
    proximal_effect,
    read_out,
    roi,
    switchback_units,
)

Floats: TypeAlias = NDArray[np.float64]
Draw: TypeAlias = np.random.Generator
Side: TypeAlias = Literal["both", "at most", "at least"]
About: TypeAlias = Literal["read-out", "uplift"]

LEVEL, ALPHA = 0.95, 0.05
ARM_UNITS = 400
LIFT = 0.1


@dataclass(frozen=True)
class Figure:
    """What is measured of a study.

    Attributes:
        name: What it is, such as ``coverage``.
        nominal: What it should be.
        side: On which side it may miss: a conservative method may reject too seldom.
        is_rate: Whether it is a share of experiments; else a mean over them.
    """

    name: str
    nominal: float
    side: Side = "both"
    is_rate: bool = True


@dataclass(frozen=True)
class Study:
    """An estimator, how one simulated experiment of it goes, and what is measured of it.

    Attributes:
        estimator: What a reader calls it.
        figures: What is measured.
        run: Draws one experiment and returns a value for each figure.
        every: Of so many experiments one is simulated, because one takes so long.
        about: What its estimator is for.
    """

    estimator: str
    figures: tuple[Figure, ...]
    run: Callable[[Draw], tuple[float, ...]]
    every: int = 1
    about: About = "read-out"


COVERAGE = Figure("coverage at 95 %", LEVEL)
REJECTION = Figure("A/A rejection at 5 %", ALPHA)
EVER = Figure("error ever, daily looks", ALPHA, "at most")
BIAS = Figure("relative bias", 0.0, is_rate=False)
EFFECT_AND_BIAS = (COVERAGE, BIAS)

STUDIES: dict[str, Study] = {}
"""Every study by its estimator, in the order of the table."""


def study(
    estimator: str, *figures: Figure, every: int = 1, about: About = "read-out"
) -> Callable[[Callable[[Draw], tuple[float, ...]]], Callable[[Draw], tuple[float, ...]]]:
    """Return a decorator that puts a function among the studies."""

    def keep(run: Callable[[Draw], tuple[float, ...]]) -> Callable[[Draw], tuple[float, ...]]:
        STUDIES[estimator] = Study(estimator, figures, run, every, about)
        return run

    return keep


def arm_of(**columns: ArrayLike) -> Moments:
    """Return the moments of an arm, given a column a metric."""
    return Moments.of(columns)


def _holds(estimate: Estimate | None, truth: float) -> float:
    if estimate is None:
        return 0.0
    low, high = estimate.interval(LEVEL)
    return float(low <= truth <= high)


def _read(estimate: Estimate, truth: float) -> tuple[float, float]:
    """Return whether the interval holds the truth, and the relative error."""
    return _holds(estimate, truth), estimate.value / truth - 1


def rejects(estimate: Estimate) -> float:
    """Return whether a test at the level rejects that there is no effect."""
    return float(estimate.p_value < ALPHA)


def spend(rng: Draw, n: int, lift: float = 0.0) -> Floats:
    """Return the spend of customers, of whom 6 of 10 buy nothing; its mean is 400 (1 + lift)."""
    return (rng.random(n) < 0.4) * rng.gamma(2.0, 500.0, n) * (1 + lift)  # noqa: PLR2004 - 4 of 10


def _habit(rng: Draw, n: int) -> Floats:
    return rng.gamma(2.0, 1.0, n)


@study("mean", COVERAGE, REJECTION)
def _mean(rng: Draw) -> tuple[float, ...]:
    control, same, treated = (arm_of(y=spend(rng, ARM_UNITS, lift)) for lift in (0, 0, LIFT))
    parts = Parts(numerator="y")
    effect, nothing = (compare(each, control, parts).absolute for each in (treated, same))
    return _holds(effect, 400 * LIFT), rejects(nothing)


@study("relative effect", COVERAGE)
def _relative(rng: Draw) -> tuple[float, ...]:
    treated, control = (arm_of(y=spend(rng, ARM_UNITS, lift)) for lift in (LIFT, 0))
    return (_holds(compare(treated, control, Parts(numerator="y")).log_ratio, math.log1p(LIFT)),)


@study("proportion", COVERAGE, REJECTION)
def _proportion(rng: Draw) -> tuple[float, ...]:
    n, parts = 1_000, Parts(numerator="y", binomial=True)
    control, same, treated = (arm_of(y=rng.random(n) < chance) for chance in (0.1, 0.1, 0.13))
    effect, nothing = (compare(each, control, parts).absolute for each in (treated, same))
    return _holds(effect, 0.03), rejects(nothing)


def visits(rng: Draw, lift: float = 0.0, check: float = 1_000.0) -> dict[str, Floats]:
    """Return visits and sales of customers, and of the weeks before the experiment."""
    habit = _habit(rng, ARM_UNITS)
    before, visits = rng.poisson(4 * habit), rng.poisson(2 * habit * (1 + lift))
    taste = rng.normal(1.0, 0.2, ARM_UNITS)
    spent = [
        np.maximum(n * mean * taste + np.sqrt(n) * rng.normal(0, 200, ARM_UNITS), 0)
        for n, mean in ((visits, check), (before, 1_000.0))
    ]
    return {
        "visits": visits.astype(float),
        "sales": spent[0],
        "visits_before": before.astype(float),
        "sales_before": spent[1],
        "age": habit + rng.normal(0, 1, ARM_UNITS),
    }


CHECK = Parts(numerator="sales", denominator="visits")
CHECK_CUPED = Parts(
    numerator="sales", denominator="visits", covariates=(("sales_before", "visits_before"),)
)


@study("ratio", COVERAGE, REJECTION)
def _ratio(rng: Draw) -> tuple[float, ...]:
    control, same = arm_of(**visits(rng)), arm_of(**visits(rng, LIFT))
    treated = arm_of(**visits(rng, LIFT, 1_050.0))
    effect, nothing = (compare(each, control, CHECK).absolute for each in (treated, same))
    return _holds(effect, 50.0), rejects(nothing)


@study("ratio, one covariate", COVERAGE, REJECTION)
def _ratio_cuped(rng: Draw) -> tuple[float, ...]:
    control, same = arm_of(**visits(rng)), arm_of(**visits(rng, LIFT))
    treated = arm_of(**visits(rng, LIFT, 1_050.0))
    effect, nothing = (compare(each, control, CHECK_CUPED).absolute for each in (treated, same))
    return _holds(effect, 50.0), rejects(nothing)


@study("mean, one covariate", COVERAGE, REJECTION)
def _cuped(rng: Draw) -> tuple[float, ...]:
    parts = Parts(numerator="visits", covariates=(("visits_before", None),))
    control, same, treated = (arm_of(**visits(rng, lift)) for lift in (0, 0, LIFT))
    effect, nothing = (compare(each, control, parts).absolute for each in (treated, same))
    return _holds(effect, 4 * LIFT), rejects(nothing)


@study("mean, three covariates", COVERAGE)
def _cuped_many(rng: Draw) -> tuple[float, ...]:
    names = ("visits_before", "sales_before", "age")
    parts = Parts(numerator="visits", covariates=tuple((each, None) for each in names))
    treated, control = (arm_of(**visits(rng, lift)) for lift in (LIFT, 0))
    return (_holds(compare(treated, control, parts).absolute, 4 * LIFT),)


CORRELATION = 0.7
MEDIAN = Quantile("spent").name


@study(
    "CUPED, correlation 0.7",
    Figure("variance kept, said", 1 - CORRELATION**2, is_rate=False),
    Figure("variance kept, found", 1 - CORRELATION**2, is_rate=False),
)
def _variance(rng: Draw) -> tuple[float, ...]:
    arms: list[Moments] = []
    for _ in range(2):
        before = rng.normal(0, 1, ARM_UNITS)
        now = CORRELATION * before + math.sqrt(1 - CORRELATION**2) * rng.normal(0, 1, ARM_UNITS)
        arms.append(arm_of(y=now, before=before))
    found: Comparison = compare(
        arms[0], arms[1], Parts(numerator="y", covariates=(("before", None),))
    )
    # The squared error over the known variance of the plain difference, 2 / ARM_UNITS.
    return found.variance_kept, found.absolute.value**2 * ARM_UNITS / 2


@study("median", COVERAGE)
def _median(rng: Draw) -> tuple[float, ...]:
    n = ARM_UNITS
    arms = np.repeat(["offer", "control"], n)
    spent = rng.gamma(2.0, 500.0, 2 * n) + np.where(arms == "offer", 60.0, 0.0)
    units = pl.DataFrame({"arm": arms, "spent": spent})
    return (_holds(read_out(units, metrics=[Quantile("spent")]).estimate(MEDIAN), 60.0),)


METRICS = 10


@study(
    "ten metrics",
    Figure("any false find (Holm)", ALPHA, "at most"),
    Figure("false finds (B.-Hochberg)", ALPHA, "at most", is_rate=False),
)
def _many(rng: Draw) -> tuple[float, ...]:
    null = np.arange(METRICS) % 2 == 0
    names = [f"m{k}" for k in range(METRICS)]
    shared = rng.normal(0, 0.5, (2 * ARM_UNITS, 1))
    values = shared + rng.normal(0, 1, (2 * ARM_UNITS, METRICS))
    values[:ARM_UNITS] += np.where(null, 0.0, 0.25)
    arms = [arm_of(**dict(zip(names, rows.T, strict=True))) for rows in np.split(values, 2)]
    p = [compare(arms[0], arms[1], Parts(numerator=name)).absolute.p_value for name in names]
    holm, found = (np.array(adjust(p, how)) < ALPHA for how in ("holm", "benjamini-hochberg"))
    return float((holm & null).any()), float((found & null).sum() / max(found.sum(), 1))


@study("clustered units", COVERAGE, REJECTION)
def _clusters(rng: Draw) -> tuple[float, ...]:
    def clusters(lift: float) -> Moments:
        size = rng.integers(5, 15, 60)
        total = size * (rng.normal(0, 0.5, 60) + lift) + np.sqrt(size) * rng.normal(0, 1, 60)
        return arm_of(total=total, size=size)

    parts = Parts(numerator="total", denominator="size")
    control, same, treated = (clusters(lift) for lift in (0.0, 0.0, 0.2))
    effect, nothing = (compare(each, control, parts).absolute for each in (treated, same))
    return _holds(effect, 0.2), rejects(nothing)


@study("switchback behind a washout", COVERAGE, REJECTION)
def _switchback(rng: Draw) -> tuple[float, ...]:
    """Three stores, 120 hours with a level of their own; an arm acts on for the first two of six rows of the next."""
    stores, hours, steps, carried = 3, 120, 6, 2

    def read(lift: float) -> Estimate:
        offered = rng.random((stores, hours + 1)) < 1 / 2
        acting = np.repeat(offered[:, 1:, None], steps, axis=2)
        acting[:, :, :carried] = offered[:, :-1, None]
        levels = rng.normal(10, 2, (stores, hours, 1))
        minute = np.arange(hours * steps) * 60 // steps
        rows = pl.DataFrame(
            {
                "store": np.repeat([f"store {k}" for k in range(stores)], hours * steps),
                "ts": pl.Series(np.tile(minute, stores) * 60_000_000).cast(
                    pl.Datetime("us", "UTC")
                ),
                "arm": np.repeat(np.where(offered[:, 1:], "offer", "control"), steps),
                "y": (levels + lift * acting + rng.normal(0, 1, acting.shape)).ravel(),
            }
        )
        units = switchback_units(rows, place="store", block_minutes=60, washout_minutes=20)
        found = read_out(units, metrics=["y"])
        # Of 1,000 right ones two are refused by a check of how arms were drawn: another one is drawn.
        return found.estimate("y") if found.passed else read(lift)

    return _holds(read(1.0), 1.0), rejects(read(0.0))


TRIGGER_RATE, TRIGGERED_MEAN = 0.25, 2.0


def with_trigger(rng: Draw, lift: float) -> Moments:
    """Return an arm of which a quarter is triggered, has a doubled baseline, and alone has an effect."""
    n = 2 * ARM_UNITS
    triggered = rng.random(n) < TRIGGER_RATE
    habit = _habit(rng, n) / 2 * np.where(triggered, TRIGGERED_MEAN, 1.0)
    y = rng.poisson(habit * np.where(triggered, 1 + lift, 1.0))
    before = rng.poisson(2 * habit)
    return arm_of(y=y, before=before, t=triggered, y_t=y * triggered, before_t=before * triggered)


TRIGGER = Parts(numerator="y", trigger="t", triggered=("y_t", None))
TRIGGERED_EFFECT = 0.3 * TRIGGERED_MEAN


@study("triggered effect", *EFFECT_AND_BIAS)
def _triggered(rng: Draw) -> tuple[float, ...]:
    arms = with_trigger(rng, 0.3), with_trigger(rng, 0.0)
    return _read(compare(arms[0], arms[1], TRIGGER, "triggered").absolute, TRIGGERED_EFFECT)


@study("diluted effect", *EFFECT_AND_BIAS)
def _diluted(rng: Draw) -> tuple[float, ...]:
    arms = with_trigger(rng, 0.3), with_trigger(rng, 0.0)
    truth = TRIGGERED_EFFECT * TRIGGER_RATE
    return _read(compare(arms[0], arms[1], TRIGGER, "diluted").absolute, truth)


@study("triggered, one covariate", *EFFECT_AND_BIAS)
def _triggered_cuped(rng: Draw) -> tuple[float, ...]:
    arms = with_trigger(rng, 0.3), with_trigger(rng, 0.0)
    parts = Parts(
        numerator="y", trigger="t", triggered=("y_t", None), covariates=(("before_t", "t"),)
    )
    return _read(compare(arms[0], arms[1], parts, "triggered").absolute, TRIGGERED_EFFECT)


@study("effect on compliers", *EFFECT_AND_BIAS)
def _compliers(rng: Draw) -> tuple[float, ...]:
    def arm(*, offered: bool) -> Moments:
        habit = _habit(rng, 2 * ARM_UNITS)
        reached = (rng.random(habit.size) < np.minimum(0.2 + 0.2 * habit, 0.9)) & offered
        y = rng.poisson(2 * habit) + rng.poisson(0.8, habit.size) * reached
        return arm_of(y=y, t=reached, y_t=y * reached)

    effect = compare(arm(offered=True), arm(offered=False), TRIGGER, "compliers").absolute
    return _read(effect, 0.8)


def decision_points(rng: Draw, effect: float, *, binary: bool) -> pl.DataFrame:
    """Return a micro-randomised trial in which the last outcome drives the next probability."""
    persons, moments = 40, 20
    trait, last = rng.normal(0, 0.3, persons), np.zeros(persons)
    columns: dict[str, list[Floats]] = {name: [] for name in ("treated", "p", "y", "last")}
    for _ in range(moments):
        p = np.where(last > 0, 0.6, 0.4)
        treated = (rng.random(persons) < p).astype(float)
        if binary:
            chance = 0.25 * np.exp(0.2 * last + effect * treated + trait)
            y = (rng.random(persons) < np.minimum(chance, 1)).astype(float)
        else:
            y = trait + 0.3 * last + effect * treated + rng.normal(0, 1, persons)
        for name, value in (("treated", treated), ("p", p), ("y", y), ("last", last)):
            columns[name].append(value)
        last = y
    return pl.DataFrame(
        {"person": np.tile(np.arange(persons), moments)}
        | {name: np.concatenate(values) for name, values in columns.items()}
    )


def _proximal(rng: Draw, effect: float, *, binary: bool = False) -> Estimate:
    points = decision_points(rng, effect, binary=binary)
    return proximal_effect(
        points, outcome="y", probability="p", controls=["last"], binary=binary
    ).estimates[0]


@study("micro-randomised mean", *EFFECT_AND_BIAS, REJECTION)
def _micro(rng: Draw) -> tuple[float, ...]:
    return *_read(_proximal(rng, 0.3), 0.3), rejects(_proximal(rng, 0.0))


@study("micro-randomised relative risk", *EFFECT_AND_BIAS, REJECTION)
def _micro_binary(rng: Draw) -> tuple[float, ...]:
    effect = 0.3
    return (
        *_read(_proximal(rng, effect, binary=True), effect),
        rejects(_proximal(rng, 0.0, binary=True)),
    )


@study("profit (ROI)", COVERAGE)
def _profit(rng: Draw) -> tuple[float, ...]:
    n = 2 * ARM_UNITS
    offered = rng.permutation(n) < n // 2  # half of them: a lopsided draw would be refused
    anyway, more = rng.poisson(2.0, n), rng.poisson(0.3, n) * offered
    used = rng.binomial(anyway, 0.3) * offered + more
    baskets = 1_000 * (anyway + more) + np.sqrt(anyway + more) * rng.normal(0, 300, n)
    units = pl.DataFrame(
        {
            "arm": np.where(offered, "offer", "control"),
            "purchases": anyway + more,
            "sales_cents": baskets - 200 * used,
            "margin_cents": 0.4 * baskets - 200 * used,
            "discount_cents": 200 * used,
        }
    )
    return (_holds(roi(units).profit, 0.4 * 1_000 * 0.3 - 200 * (2.0 * 0.3 + 0.3)),)


@study("profit with a prior", COVERAGE)
def _launch(rng: Draw) -> tuple[float, ...]:
    prior = Prior(table=pl.DataFrame().to_pandas(), text="", mean=5.0, sd=20.0, experiments=0)
    truth = rng.normal(prior.mean, prior.sd)
    seen = Estimate(
        value=rng.normal(truth, 30.0),
        standard_error=30.0,
        df=math.inf,
        n_treatment=ARM_UNITS,
        n_control=ARM_UNITS,
    )
    found = launch_decision(seen, customers=1_000, prior=prior)
    own = Estimate(
        value=found.posterior_mean_cents,
        standard_error=found.posterior_sd_cents,
        df=math.inf,
        n_treatment=ARM_UNITS,
        n_control=ARM_UNITS,
    )
    return (_holds(own, truth),)
