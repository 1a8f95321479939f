"""The effect when triggers are seen in the treated arm alone: null effects take the noise off. Owns no assignment.

Who was not triggered has no effect. Had one known them in the control too, their difference, which is
noise about zero, could be taken off. Here the chance of a trigger, learnt in the treated arm from what was
known before, stands in for it in the control. That their difference is zero can be tested, and is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from scipy.special import expit

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.counted import count_assigned
from workbench.experiment.effect import Estimate, check_level
from workbench.experiment.metrics import (
    Mean,
    Ratio,
    as_metric,
    check_numbers,
    refuse_outcome,
    spoken,
)
from workbench.experiment.moments import Floats
from workbench.experiment.said import signed
from workbench.experiment.sample_ratio import sample_ratio
from workbench.experiment.trust import (
    FEWEST_EVENTS,
    FEWEST_UNITS,
    UNITS_A_COVARIATE,
    VALIDITY_ALPHA,
)
from workbench.experiment.unit_columns import Layout, check_clusters
from workbench.experiment.units import ARM, Source, Units, take_units

_SEEN = "·seen"
_CLUSTER = "·cluster"
_STEPS = 50
_CONVERGED = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class OneSided(text.Result):
    """The effect on all units of an experiment of which the control shows no triggers.

    Attributes:
        table: A row an estimator, ``all units``, ``covariates`` and ``null effects taken off``: ``effect``,
            ``standard_error``, ``low``, ``high``, ``p_value``, ``variance_kept`` (over the first).
        text: The effect that may be read, and whether the untriggered show none.
        effect: The effect on all units: with null effects taken off if they are null, else with
            covariates alone.
        triggered: The same effect for each triggered unit.
        augmentation: The difference of the untriggered, after covariates; it must be 0 but for chance.
        trigger_rate: Share of the treated arm that was triggered.
        holds: Whether the difference of the untriggered is 0 but for chance.
        control: Level of the control over all units.
        relative: The effect over that level, by the delta method; None for a level of 0.
    """

    effect: Estimate
    triggered: Estimate
    augmentation: Estimate
    trigger_rate: float
    holds: bool
    control: float
    relative: Estimate | None


class _Side(NamedTuple):
    """One arm: what the effect is of, the same as if there were none, covariates with a constant, and clusters."""

    own: Floats
    null: Floats
    known: Floats
    cluster: npt.NDArray[np.int64] | None


class _Terms(NamedTuple):
    """Differences of the arms with what each unit adds to them, a column a difference."""

    values: Floats
    treated: Floats
    control: Floats

    def covariance(self) -> Floats:
        """Return the covariance of the differences."""
        found = [
            np.atleast_2d(np.cov(each, rowvar=False)) / len(each)
            for each in (self.treated, self.control)
        ]
        return np.asarray(found[0] + found[1])

    def estimate(self, by: Floats) -> Estimate:
        """Return a weighted sum of the differences."""
        error = math.sqrt(max(float(by @ self.covariance() @ by), 0.0))
        return Estimate(
            value=float(by @ self.values),
            standard_error=error,
            df=math.inf,
            n_treatment=len(self.treated),
            n_control=len(self.control),
        )

    def relative(self, by: Floats, level: float) -> Estimate | None:
        """Return a weighted sum of the differences over the level of the control."""
        if level == 0:
            return None
        value = float(by @ self.values) / level
        sides = (self.treated @ by, self.control @ by + value * self.control[:, 0])
        variance = sum(float(np.var(each, ddof=1)) / len(each) for each in sides) / level**2
        value = math.copysign(1.0, level) * value  # of a loss, a share of its size
        return dataclasses.replace(
            self.estimate(by), value=value, standard_error=math.sqrt(variance)
        )


@checked
def one_sided_effect(
    units: Source,
    metric: str | Mean | Ratio,
    *,
    trigger: str,
    covariates: Sequence[str],
    cluster: str | None = None,
    arm: str = "arm",
    control: str = "control",
    shares: Mapping[str, float] | None = None,
    level: float = 0.95,
) -> OneSided:
    """Return the effect on all units where only the treated arm shows who was triggered.

    With ``T`` the trigger, ``e(x)`` its chance by logistic regression in the treated arm and ``y`` the
    metric, the difference ``mean((1 − T)·y) − mean((1 − e)·y)`` has mean 0 when the untriggered have no
    effect and the trigger tells nothing of ``y`` without treatment that the covariates do not. The
    effect is the difference of all less θ times this and the differences of the covariates; θ makes the
    variance smallest. Errors hold the estimation of ``e``. If the difference is not 0, it is not used.

    Args:
        units: A table with one row a unit in two arms.
        metric: A column, or a ratio of two such as ``"sales_cents / visits"``, by its linear form.
        trigger: Column that is true for a triggered unit of the treated arm; the control's is not read.
        covariates: Columns that were fixed before assignment and tell who will be triggered.
        cluster: Column of what was assigned as a whole; errors are then those of clusters.
        arm: Column of the arm.
        control: The control.
        shares: Meant share of each arm; None: equal ones.
        level: Level of the intervals.

    Raises:
        InputError: A column is missing or not finite, the arms are not as large as they were meant to be,
            or there are too few units or triggers.
        ParameterError: There is no covariate, there are not two arms, or an argument breaks its rule.

    Source: Deng, Yuan, Kanai and Salama-Manteau 2021, arXiv 2112.13299.

    >>> draw = np.random.default_rng(1)
    >>> habit, treated = draw.normal(size=4000), np.arange(4000) % 2 == 1
    >>> seen = (draw.random(4000) < expit(habit - 2)) & treated
    >>> units = pl.DataFrame({"arm": np.where(treated, "offer", "control"), "habit": habit, "seen": seen,
    ...     "visits": 5 + habit + draw.normal(size=4000) + seen})
    >>> found = one_sided_effect(units, "visits", trigger="seen", covariates=["habit"])
    >>> found.holds, found.table["variance_kept"].is_monotonic_decreasing
    (True, True)
    """
    check_level(level)
    if not covariates:
        rule = "must name at least one column: without one nothing tells who would be triggered"
        raise ParameterError(problem("covariates", list(covariates), rule))
    taken = take_units(units, arm=arm, control=control)
    if len(taken.arms) != len(("control", "treatment")):
        rule = "must hold two arms; filter the table to one of them and the control"
        raise ParameterError(problem("units", list(taken.arms), rule))
    layout = Layout(cluster=cluster, trigger=trigger)
    layout.check(taken.frame.collect_schema())
    ratio = sample_ratio(count_assigned(taken, layout), shares=shares)
    if not ratio.passed:
        raise InputError(f"not identified: {ratio.text}")
    asked = as_metric(metric, taken.frame.collect_schema())
    if not isinstance(asked, Mean | Ratio):
        raise ParameterError(problem("metric", asked.name, "must be a column or a ratio of two"))
    return one_sided_of(taken, taken.arms[1], asked, layout, covariates, level=level)


def one_sided_of(
    units: Units,
    arm: str,
    metric: Mean | Ratio,
    layout: Layout,
    covariates: Sequence[str],
    *,
    level: float = 0.95,
) -> OneSided:
    """Return the effect of one arm of checked units; :func:`one_sided_effect` says what it is.

    Raises:
        InputError: A column is missing or not finite, or there are too few units or triggers.
    """
    trigger = layout.trigger or ""
    check_numbers([trigger, *covariates], units.frame.collect_schema(), "column")
    refuse_outcome(metric, covariates)
    names = list(dict.fromkeys([*metric.columns, *covariates]))
    if layout.cluster:
        check_clusters(units, layout.cluster)
    rows = units.frame.select(
        ARM,
        pl.col(trigger).cast(pl.Float64).fill_null(math.nan).alias(_SEEN),
        *([pl.col(layout.cluster).rank("dense").cast(pl.Int64).alias(_CLUSTER)] if layout.cluster else []),
        *(pl.col(each).cast(pl.Float64) for each in names),
    )  # fmt: skip
    both = rows.filter(pl.col(ARM).is_in([arm, units.control])).collect()
    for name in names:
        if not both[name].is_finite().fill_null(value=False).all():
            raise InputError(f"column {name!r} has values that are missing or not finite")
    arms = [both.filter(pl.col(ARM) == each) for each in (arm, units.control)]
    seen = arms[0][_SEEN].to_numpy()
    sides = [_side(each, both, metric, covariates) for each in arms]
    _demand(seen, sides, len(covariates))
    terms = _terms(seen, *sides)
    level_of_control = float(sides[1].own.mean())
    return _result(terms, metric.name, arm, float(seen.mean()), level, level_of_control)


def _side(
    side: pl.DataFrame, both: pl.DataFrame, metric: Mean | Ratio, covariates: Sequence[str]
) -> _Side:
    """Return one arm; a ratio by its linear form about its own level, and about that of both arms."""
    constant = np.ones(side.height)
    known = np.column_stack([constant, *(side[each].to_numpy() for each in covariates)])
    cluster = side[_CLUSTER].to_numpy() if _CLUSTER in side.columns else None
    if isinstance(metric, Mean):
        y = side[metric.column].to_numpy()
        return _Side(y, y, known, cluster)
    above, below = (side[each].to_numpy() for each in metric.columns)
    linear = []
    for whole in (side, both):
        size = float(whole[metric.denominator].to_numpy().mean())
        if size == 0:
            raise InputError(f"{text.NOT_ENOUGH_DATA}: {metric.denominator} is 0 in all")
        level = float(whole[metric.numerator].to_numpy().mean()) / size
        linear.append((above - level * below) / size + level)
    return _Side(linear[0], linear[1], known, cluster)


def _demand(seen: Floats, sides: Sequence[_Side], k: int) -> None:
    """Refuse arms that are too small, and triggers that are missing, of none or of all."""
    if not np.isfinite(seen).all():
        raise InputError("the trigger must have a value in the whole treated arm")
    needed = FEWEST_UNITS + UNITS_A_COVARIATE * k
    if min(len(each.own) for each in sides) < needed:
        raise InputError(f"{text.NOT_ENOUGH_DATA}: each arm needs {needed} units")
    if min(seen.sum(), (1 - seen).sum()) < FEWEST_EVENTS:
        rule = f"the treated arm needs {FEWEST_EVENTS} units with a trigger and as many without"
        raise InputError(f"{text.NOT_ENOUGH_DATA}: {rule}")


def _terms(seen: Floats, treated_side: _Side, control_side: _Side) -> _Terms:
    """Return the differences: of all, of untriggered, of their number, of each covariate; last the rate."""
    x_t, x_c = treated_side.known, control_side.known
    y_t, y_c = treated_side.null, control_side.null
    scale = x_t.std(axis=0)
    scale[0] = 1.0
    scale[scale == 0] = 1.0
    x_t, x_c = x_t / scale, x_c / scale
    slopes = _logistic(x_t, seen)
    e_t, e_c = expit(x_t @ slopes), expit(x_c @ slopes)
    bend = np.linalg.pinv((x_t.T * (e_t * (1 - e_t))) @ x_t / len(x_t), hermitian=True)
    moved = x_t * (seen - e_t)[:, None] @ bend
    treated, control = [treated_side.own], [control_side.own]
    for on_t, on_c in ((y_t, y_c), (np.ones_like(y_t), np.ones_like(y_c))):
        # What a treated unit adds by moving e in the control, so that its estimation is in the error.
        pull = (x_c.T * (e_c * (1 - e_c))) @ on_c / len(x_c)
        treated.append((1 - seen) * on_t + moved @ pull)
        control.append((1 - e_c) * on_c)
    sides = [
        np.column_stack([*columns, known[:, 1:], last])
        for columns, known, last in ((treated, x_t, seen), (control, x_c, np.zeros(len(x_c))))
    ]
    means = [each.mean(axis=0) for each in sides]
    clusters = (treated_side.cluster, control_side.cluster)
    rows = [_by_cluster(each, by) for each, by in zip(sides, clusters, strict=True)]
    return _Terms(means[0] - means[1], *rows)


def _by_cluster(rows: Floats, cluster: npt.NDArray[np.int64] | None) -> Floats:
    """Return a row a cluster, whose spread is that of the mean over all rows."""
    if cluster is None:
        return rows
    names, place = np.unique(cluster, return_inverse=True)
    sums = np.zeros((len(names), rows.shape[1]))
    np.add.at(sums, place, rows - rows.mean(axis=0))
    return sums * (len(names) / len(rows))


def _logistic(x: Floats, seen: Floats) -> Floats:
    """Return the slopes of a logistic regression by Newton's steps."""
    slopes = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        e = expit(x @ slopes)
        step = np.linalg.pinv((x.T * (e * (1 - e))) @ x, hermitian=True) @ (x.T @ (seen - e))
        slopes = slopes + step
        if float(np.abs(step).max()) < _CONVERGED:
            return slopes
    raise InputError(
        "not identified: the covariates tell the triggered from the others without fail"
    )


def _cut(terms: _Terms, of: int, by: Sequence[int]) -> Floats:
    """Return weights that take off a difference what others tell of its noise."""
    covariance, weights = terms.covariance(), np.zeros(len(terms.values))
    inside = covariance[np.ix_(by, by)]
    weights[list(by)] = -np.linalg.pinv(inside, hermitian=True) @ covariance[list(by), of]
    weights[of] = 1.0
    return weights


def _result(  # noqa: PLR0917 - the parts of one answer
    terms: _Terms, metric: str, arm: str, rate: float, level: float, control: float
) -> OneSided:
    """Return the estimators side by side, and the one that may be read."""
    sure = list(range(2, len(terms.values) - 1))  # equal in mean by the draw of lots alone
    weights = {
        "all units": np.eye(len(terms.values))[0],
        "covariates": _cut(terms, 0, sure),
        "null effects taken off": _cut(terms, 0, [1, *sure]),
    }
    found = {name: terms.estimate(by) for name, by in weights.items()}
    augmentation = terms.estimate(_cut(terms, 1, sure))
    holds = augmentation.p_value >= VALIDITY_ALPHA
    effect = found["null effects taken off" if holds else "covariates"]
    whole = found["all units"].standard_error
    table = pd.DataFrame(
        [
            [name, each.value, each.standard_error, *each.interval(level), each.p_value,
             (each.standard_error / whole) ** 2 if whole else 1.0]
            for name, each in found.items()
        ],
        columns=["estimator", "effect", "standard_error", "low", "high", "p_value", "variance_kept"],
    )  # fmt: skip
    by = weights["null effects taken off" if holds else "covariates"]
    low, high = (signed(metric, end) for end in effect.interval(level))
    said = [
        f"{text.named(arm)} moves {spoken(metric)} by {signed(metric, effect.value)} over all units "
        f"({text.interval(low, high, level)}), with {text.share(rate)} triggered",
        "the untriggered show no effect, so their noise is taken off"
        if holds
        else "the untriggered differ by arm, or the covariates do not tell who is triggered: their difference "
        "is not used",
    ]
    return OneSided(
        table=table,
        text=" ".join(text.sentence(each) for each in said),
        effect=effect,
        triggered=_for_each_triggered(terms, by, rate),
        augmentation=augmentation,
        trigger_rate=rate,
        holds=holds,
        control=control,
        relative=terms.relative(by, control),
    )


def _for_each_triggered(terms: _Terms, by: Floats, rate: float) -> Estimate:
    """Return the effect over the trigger rate, whose own noise is in the error."""
    value, slopes = float(by @ terms.values) / rate, by / rate
    slopes[-1] -= value / rate
    return dataclasses.replace(terms.estimate(slopes), value=value)
