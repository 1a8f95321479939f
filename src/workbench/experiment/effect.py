"""The effect between two arms from their moments: one estimator for every population. Owns no pass over rows.

A metric is a ratio of two means in each arm (a plain mean divides by 1 a unit, a weighted or clustered
one by the weights). An effect is a smooth function of the means of both arms; its error is the delta
method's. Covariates, which randomisation makes equal in expectation, take noise off it (CUPED). So
*triggered*, *diluted*, *compliers*, covariates, ratios and the stream (value, error, n) of an always-valid
sequence are one computation.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.moments import Floats, Moments
from workbench.text import NOT_ENOUGH_DATA

Population: TypeAlias = Literal["all", "triggered", "diluted", "untriggered", "compliers"]
Numbers: TypeAlias = npt.NDArray[Any]
"""Real numbers, or complex ones while a derivative is taken."""

_STEP = 1e-30
_LARGEST_LOG = math.log(sys.float_info.max)


def check_level(level: float) -> None:
    """Refuse the level of an interval that is none.

    Raises:
        ParameterError: It is not between 0 and 1.

    >>> check_level(95)
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: level was 95, must be between 0 and 1
    """
    if not 0 < level < 1:
        raise ParameterError(problem("level", level, "must be between 0 and 1"))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """An estimated difference with its error.

    Attributes:
        value: The estimate.
        standard_error: Its standard error.
        df: Degrees of freedom of the t distribution (Welch); infinite for a normal one.
        n_treatment: Units in the treated arm.
        n_control: Units in the control.

    >>> effect = Estimate(value=0.29, standard_error=0.12478, df=5841.742, n_treatment=3461, n_control=3407)
    >>> [round(end, 4) for end in effect.interval()], round(effect.p_value, 4)
    ([0.0454, 0.5346], 0.0202)
    """

    value: float
    standard_error: float
    df: float
    n_treatment: int
    n_control: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the interval of a level, such as 0.95.

        Raises:
            ParameterError: The level is not between 0 and 1.
        """
        check_level(level)
        half = float(stats.t.ppf((1 + level) / 2, self.df)) * self.standard_error
        return self.value - half, self.value + half

    @property
    def p_value(self) -> float:
        """The two-sided p-value of no difference."""
        if self.standard_error == 0:
            return 1.0 if self.value == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.value) / self.standard_error, self.df))


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Which columns of the moments a metric is made of.

    Attributes:
        numerator: Column of the numerator, or of the metric itself.
        denominator: Column of the denominator; None: 1 a unit.
        covariates: Numerator and denominator of each covariate, which no treatment can reach.
        binomial: The metric is 0 or 1, so its variance is p (1 − p).
        trigger: Column that is 1 for a triggered unit (for compliers: that was reached) and else 0.
        triggered: Numerator and denominator times the trigger.
    """

    numerator: str
    denominator: str | None = None
    covariates: tuple[tuple[str, str | None], ...] = ()
    binomial: bool = False
    trigger: str | None = None
    triggered: tuple[str, str | None] | None = None

    def columns(self) -> tuple[str, ...]:
        """Return every column once, in a fixed order."""
        pairs = [(self.numerator, self.denominator), (self.trigger, None), *self.covariates]
        pairs += [self.triggered] if self.triggered else []
        return tuple(dict.fromkeys(each for pair in pairs for each in pair if each is not None))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric in two arms.

    Attributes:
        treatment: Level of the metric in the treated arm, after the covariates.
        control: The same in the control.
        absolute: Treatment minus control.
        relative: Treatment minus control as a share of the control's size (of -10 and -5 it is +50%),
            by the delta method, with the degrees of freedom of the absolute one; None for a control of 0.
        log_ratio: Logarithm of treatment over control; None unless both are above 0.
        variance_kept: Variance of the absolute effect with covariates over that without; 1 without.
    """

    treatment: float
    control: float
    absolute: Estimate
    relative: Estimate | None
    log_ratio: Estimate | None
    variance_kept: float

    def relative_interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Return the interval of the relative effect, by way of the logarithm where there is one."""
        if self.log_ratio is not None:
            low, high = self.log_ratio.interval(level)
            # A control that may as well be 0 leaves the share without an upper end.
            return math.expm1(low), math.expm1(high) if high < _LARGEST_LOG else math.inf
        return None if self.relative is None else self.relative.interval(level)


def compare(
    treatment: Moments, control: Moments, parts: Parts, population: Population = "all"
) -> Comparison:
    """Return the effect of one arm against another.

    With ``m`` the means of an arm, ``T`` the trigger, ``τ`` the trigger rate of both arms and ``u`` the
    mean of the untriggered of both arms, the level of an arm is

    ===========  =============================================================================
    all          m[numerator] / m[denominator]
    triggered    m[numerator·T] / m[denominator·T]
    untriggered  (m[numerator] − m[numerator·T]) / (m[denominator] − m[denominator·T])
    diluted      (u[numerator] + τ·E[numerator | T]) / (u[denominator] + τ·E[denominator | T])
    compliers    reached: m[numerator·T] / m[T]; not: that minus (difference of all) / m[T]
    ===========  =============================================================================

    Covariates act through θ, the slope of the effect on their differences, taken from the moments of
    both arms together.

    Args:
        treatment: Moments of the treated arm.
        control: Moments of the control.
        parts: Which columns the metric is made of.
        population: Whom the effect is of.

    Raises:
        InputError: An arm has fewer than two units, or a denominator or a trigger rate of 0.
        ParameterError: The population needs a trigger that ``parts`` does not name.

    Source: Deng, Knoblich and Lu 2018 (delta method); Deng et al. 2013 (CUPED); Kohavi, Tang and Xu
    2020, chapter 20 (dilution); Imbens and Angrist 1994 (compliers).

    >>> a = Moments(names=("y",), n=3407, mean=np.array([1396.87 / 3407]),
    ...     products=np.array([[52377.9767 - 1396.87**2 / 3407]]))
    >>> b = Moments(names=("y",), n=3461, mean=np.array([2422.7 / 3461]),
    ...     products=np.array([[134698.29 - 2422.7**2 / 3461]]))
    >>> round(compare(b, a, Parts(numerator="y")).relative.value, 5)
    0.70732
    """
    wanted = parts.columns()
    pair = _Pair(treatment.select(wanted), control.select(wanted), parts.binomial)
    level = _level(parts, population, pair)
    if not parts.covariates:
        return _comparison(pair, level, kept=1.0)
    theta, centre = _slope(parts, population, pair, level)

    def adjusted(t: Numbers, c: Numbers) -> Numbers:
        gaps = _covariates(parts, pair)(t, c) - centre
        return np.asarray(level(t, c) - np.array([gaps[0] @ theta, gaps[1] @ theta]))

    plain, cut = _comparison(pair, level, kept=1.0), _comparison(pair, adjusted, kept=1.0)
    before = plain.absolute.standard_error
    kept = (cut.absolute.standard_error / before) ** 2 if before else 1.0
    if plain.relative is None:  # covariates move a control of 0, which makes it no base of a share
        return replace(cut, relative=None, log_ratio=None, variance_kept=kept)
    return replace(cut, variance_kept=kept)


_Level: TypeAlias = Callable[[Numbers, Numbers], Numbers]
"""Means of the treated and of the control to values of the treated and of the control."""


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two arms and how much their means vary."""

    treatment: Moments
    control: Moments
    binomial: bool

    def errors(self) -> tuple[Floats, Floats]:
        """Return the covariance of the means of each arm."""
        ddof = 0 if self.binomial else 1
        return tuple(  # type: ignore[return-value]  # two of them
            each.covariance() * ((each.n - 1) / (each.n - ddof)) / each.n
            for each in (self.treatment, self.control)
        )


def _level(parts: Parts, population: Population, pair: _Pair) -> _Level:
    """Return the function from the means to the levels of both arms."""
    place = pair.treatment.place
    whole = _ratio(place, (parts.numerator, parts.denominator))
    if population == "all":
        _demand(pair, parts.denominator)
        return lambda t, c: np.array([whole(t), whole(c)])
    if parts.trigger is None or parts.triggered is None:
        rule = f"must name a trigger for the population {population!r}"
        raise ParameterError(problem("parts", parts.numerator, rule))
    trigger = place(parts.trigger)
    if population == "untriggered":
        return _untriggered(parts, pair)
    _demand(pair, parts.trigger, treatment_only=population == "compliers")
    among = _ratio(place, (parts.triggered[0], parts.triggered[1] or parts.trigger))
    if population == "triggered":
        _demand(pair, parts.triggered[1])
        return lambda t, c: np.array([among(t), among(c)])
    if population == "compliers":

        def reached(t: Numbers, c: Numbers) -> Numbers:
            with_it = t[place(parts.triggered[0])] / t[trigger]  # type: ignore[index]
            return np.array([with_it, with_it - (whole(t) - whole(c)) / t[trigger]])

        return reached
    return _diluted(parts, pair)


def _untriggered(parts: Parts, pair: _Pair) -> _Level:
    """Return the levels of what came before or without a trigger, which no arm can have changed."""
    place = pair.treatment.place
    numerator_t, denominator_t = parts.triggered or ("", None)

    def rest(means: Numbers) -> Any:
        above = means[place(parts.numerator)] - means[place(numerator_t)]
        if parts.denominator is None:
            return above
        below = means[place(parts.denominator)]
        return above / (below - means[place(denominator_t)] if denominator_t else below)

    return lambda t, c: np.array([rest(t), rest(c)])


def _diluted(parts: Parts, pair: _Pair) -> _Level:
    """Return the levels of the whole population when only the triggered differ by arm."""
    place = pair.treatment.place
    n_treatment, n_control = pair.treatment.n, pair.control.n
    trigger = place(parts.trigger or "")
    numerator_t, denominator_t = parts.triggered or ("", None)

    def pooled(t: Numbers, c: Numbers) -> Numbers:
        return np.asarray((n_treatment * t + n_control * c) / (n_treatment + n_control))

    def levels(t: Numbers, c: Numbers) -> Numbers:
        both = pooled(t, c)
        rate = both[trigger]
        rest = both[place(parts.numerator)] - both[place(numerator_t)]
        above = [rest + rate * arm[place(numerator_t)] / arm[trigger] for arm in (t, c)]
        if parts.denominator is None:
            return np.array(above)
        if denominator_t is None:  # weights, which no arm changes
            return np.asarray(np.array(above) / both[place(parts.denominator)])
        rest = both[place(parts.denominator)] - both[place(denominator_t)]
        below = [rest + rate * arm[place(denominator_t)] / arm[trigger] for arm in (t, c)]
        return np.array([above[0] / below[0], above[1] / below[1]])

    return levels


def _covariates(parts: Parts, pair: _Pair) -> _Level:
    """Return the function from the means to the covariates of both arms, 2 × k."""
    ratios = [_ratio(pair.treatment.place, each) for each in parts.covariates]
    return lambda t, c: np.array([[each(t) for each in ratios], [each(c) for each in ratios]])


def _slope(
    parts: Parts, population: Population, pair: _Pair, level: _Level
) -> tuple[Floats, Floats]:
    """Return θ and the covariates' common level.

    θ is taken as if there were no effect: both arms have the moments of all units. For compliers
    the arms differ by design, and θ is taken from each arm's own moments.
    """
    both = pair.treatment + pair.control
    covariates = _covariates(parts, pair)
    centre = covariates(both.mean, both.mean)[0]
    if population == "compliers":
        means, errors = (pair.treatment.mean, pair.control.mean), pair.errors()
    else:
        means = (both.mean, both.mean)
        covariance = both.covariance()
        errors = (covariance / pair.treatment.n, covariance / pair.control.n)

    def gaps(t: Numbers, c: Numbers) -> Numbers:
        levels, found = level(t, c), covariates(t, c)
        return np.concatenate([[levels[0] - levels[1]], found[0] - found[1]])

    slopes = _slopes(gaps, *means)
    joint = sum(
        (each @ error @ each.T for each, error in zip(slopes, errors, strict=True)),
        start=np.zeros((len(centre) + 1, len(centre) + 1)),
    )
    # The pseudo-inverse gives a constant or repeated covariate the slope 0 instead of an error.
    theta = np.linalg.pinv(joint[1:, 1:], hermitian=True) @ joint[1:, 0]
    return theta, centre


def _comparison(pair: _Pair, level: _Level, kept: float) -> Comparison:
    """Return the differences between levels, with the errors of the delta method."""
    means = pair.treatment.mean, pair.control.mean
    treated, control = (float(each) for each in level(*means))
    treated_slopes, control_slopes = _slopes(level, *means)

    counts = pair.treatment.n, pair.control.n

    def variances(weights: tuple[float, float]) -> list[float]:
        by = np.array(weights)
        return [
            float(by @ slopes @ error @ slopes.T @ by)
            for slopes, error in zip((treated_slopes, control_slopes), pair.errors(), strict=True)
        ]

    def estimate(value: float, weights: tuple[float, float], df: float | None = None) -> Estimate:
        found = variances(weights)
        return Estimate(
            value=value,
            standard_error=math.sqrt(max(sum(found), 0.0)),
            df=_welch(found, counts) if df is None else df,
            n_treatment=counts[0],
            n_control=counts[1],
        )

    absolute = estimate(treated - control, (1.0, -1.0))
    relative = log_ratio = None
    if control != 0:
        size = abs(control)
        slopes = (1 / size, -treated / (control * size))
        relative = estimate((treated - control) / size, slopes, absolute.df)
    if treated > 0 and control > 0:
        log_ratio = estimate(math.log(treated / control), (1 / treated, -1 / control))
    return Comparison(
        treatment=treated,
        control=control,
        absolute=absolute,
        relative=relative,
        log_ratio=log_ratio,
        variance_kept=kept,
    )


def _welch(variances: list[float], counts: tuple[int, int]) -> float:
    """Return the degrees of freedom of Welch and Satterthwaite."""
    below = sum(v**2 / (n - 1) for v, n in zip(variances, counts, strict=True))
    return sum(variances) ** 2 / below if below > 0 else float(sum(counts) - 2)


def _slopes(function: _Level, t: Floats, c: Floats) -> tuple[Floats, Floats]:
    """Return the derivatives by the means of each arm, exact to the last digit by a complex step."""
    wide, d = np.concatenate([t, c]).astype(complex), len(t)
    columns = []
    for place in range(2 * d):
        stepped = wide.copy()
        stepped[place] += 1j * _STEP
        columns.append(np.imag(function(stepped[:d], stepped[d:])) / _STEP)
    slopes = np.column_stack(columns)
    return slopes[:, :d], slopes[:, d:]


def _ratio(place: Callable[[str], int], pair: tuple[str, str | None]) -> Callable[[Numbers], Any]:
    """Return the function from the means of an arm to a ratio of two of them."""
    above = place(pair[0])
    if pair[1] is None:
        return lambda means: means[above]
    below = place(pair[1])
    return lambda means: means[above] / means[below]


def _demand(pair: _Pair, column: str | None, *, treatment_only: bool = False) -> None:
    """Refuse an arm in which a denominator is 0 in all."""
    for arm, moments in (("treated arm", pair.treatment), ("control", pair.control)):
        if treatment_only and moments is pair.control:
            continue
        if column is not None and moments[column] == 0:
            raise InputError(f"{NOT_ENOUGH_DATA}: the {arm} has {column} of 0 in all")
