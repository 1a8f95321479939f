"""Main effects and interactions of factors, from the moments of their cells. Owns no pass over rows.

Every effect is a contrast of the levels of cells, so each is read from all units of the experiment. The
error of a cell is its own (no common variance is assumed), by the delta method for ratios.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl

from workbench import text
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.contrasts import Contrast, of_factors
from workbench.experiment.effect import Comparison, Estimate, Parts
from workbench.experiment.moments import Floats, Moments
from workbench.experiment.trust import TrustCheck
from workbench.frames import need_columns

CELL = "·cell"
"""Column of the cell of a unit: the levels of all its factors."""

_BETWEEN = ", "

Factors: TypeAlias = Sequence[str] | Mapping[str, Sequence[str]]
"""Columns of the factors; with levels, the first of each is its base."""


class _Level(NamedTuple):
    """The level of a metric in a cell, with the variance of its mean and its units."""

    value: float
    variance: float
    n: int


def take_factors(frame: pl.LazyFrame, factors: Factors) -> tuple[pl.LazyFrame, list[Contrast], str]:
    """Return units with their cell, every effect of the factors, and the cell of all bases.

    Units without a level of a factor have no cell.

    Args:
        frame: One row a unit.
        factors: Columns of the factors. Without levels, those that occur, of which the first in order
            of the alphabet is the base.

    Raises:
        InputError: A column is missing, or has a level that is not stated or has a comma.
        ParameterError: A factor has fewer than two levels, one twice, or there are too many cells.

    >>> frame = pl.LazyFrame({"content": ["food", "tea"] * 2, "timing": ["now", "now", "later", "later"]})
    >>> units, effects, base = take_factors(frame, {"content": ["food", "tea"], "timing": ["now", "later"]})
    >>> units.collect()[CELL].to_list()[:2], len(effects), base
    (['food, now', 'tea, now'], 3, 'food, now')
    """
    need_columns(frame.collect_schema(), list(factors), "table of units")
    levels: dict[str, list[str]] = {}
    for name in factors:
        label = pl.col(name).cast(pl.String)
        there = frame.select(label.unique().drop_nulls().sort()).collect().to_series().to_list()
        levels[name] = list(factors[name]) if isinstance(factors, Mapping) else there
        for each in there:
            if each not in levels[name]:
                rule = f"must be one of {', '.join(levels[name])}"
                raise InputError(problem(f"a level of factor {name!r}", each, rule))
            if "," in each:
                rule = "must have no comma, which is what cells are written with"
                raise InputError(problem(f"a level of factor {name!r}", each, rule))
    cells, effects = of_factors(levels)
    cell = pl.concat_str([pl.col(name).cast(pl.String) for name in levels], separator=_BETWEEN)
    return frame.with_columns(cell.alias(CELL)), effects, next(iter(cells))


def of_cells(effects: Sequence[Contrast], counts: Mapping[str, int]) -> list[TrustCheck]:
    """Check that every cell has units; an effect is a mean over all of them.

    >>> [each.finding for each in of_cells(of_factors({"a": ["x", "y"]})[1], {"x": 50})]
    ['nobody is in “y”']
    """
    cells = dict.fromkeys(cell for effect in effects for cell in effect.weights)
    empty = [text.named(cell) for cell in cells if not counts.get(cell)]
    if not empty:
        return []
    finding = f"nobody is in {text.listing(empty)}"
    return [TrustCheck("cells", finding, holds=False, blocks="not enough data")]


def units_of(effect: Contrast, counts: Mapping[str, int]) -> int:
    """Return the units that have the levels of an effect."""
    return sum(counts[cell] for cell in effect.treated)


def compare_cells(cells: Mapping[str, Moments], parts: Parts, effect: Contrast) -> Comparison:
    """Return one effect of a factorial.

    With ``a`` the level of a cell after the covariates, ``c`` the weights of the contrast and ``v`` the
    variance of ``a``, the effect is Σ c·a with variance Σ c²·v. Its treated level is the mean over the
    cells that have all its levels; its control is what that would be without the effect. The slope θ on
    the covariates is common to all cells and comes from the products within them.

    Args:
        cells: Moments of each cell.
        parts: Which columns the metric is made of.
        effect: The contrast.

    Raises:
        InputError: A cell has fewer than two units, or a denominator of 0.

    Source: Wu and Hamada 2009, chapter 4 (factorial effects); Deng et al. 2013 (covariates).

    >>> draw = np.random.default_rng(1)
    >>> cells = {each: Moments.of({"y": draw.normal(5 + (each == "y"), 1, 500)}) for each in "xy"}
    >>> round(compare_cells(cells, Parts(numerator="y"), of_factors({"a": ["x", "y"]})[1][0]).absolute.value)
    1
    """
    plain = _comparison(_levels(cells, parts, adjusted=False), effect)
    if not parts.covariates:
        return plain
    cut, before = _levels(cells, parts, adjusted=True), plain.absolute.standard_error
    found = _comparison(cut, effect)
    kept = (found.absolute.standard_error / before) ** 2 if before else 1.0
    if plain.relative is None:  # covariates move a control of 0, which makes it no base of a share
        return replace(found, relative=None, log_ratio=None, variance_kept=kept)
    return replace(found, variance_kept=kept)


def _levels(cells: Mapping[str, Moments], parts: Parts, *, adjusted: bool) -> dict[str, _Level]:
    """Return the level of each cell, as it is or after the covariates."""
    pairs = [(parts.numerator, parts.denominator), *(parts.covariates if adjusted else ())]
    ddof = 0 if parts.binomial and not adjusted else 1
    found = {name: _linear(moments, pairs, ddof) for name, moments in cells.items()}
    units = sum(moments.n for moments in cells.values())
    within = sum(covariance * (cells[name].n - 1) for name, (_, covariance) in found.items())
    centre = sum(values * cells[name].n for name, (values, _) in found.items()) / units
    within = np.asarray(within)
    # The pseudo-inverse gives a constant or repeated covariate the slope 0 instead of an error.
    theta = np.linalg.pinv(within[1:, 1:], hermitian=True) @ within[1:, 0]
    by = np.concatenate([[1.0], -theta])
    return {
        name: _Level(
            float(values[0] - theta @ (values - centre)[1:]),
            float(by @ covariance @ by) / cells[name].n,
            cells[name].n,
        )
        for name, (values, covariance) in found.items()
    }


def _linear(
    moments: Moments, pairs: Sequence[tuple[str, str | None]], ddof: int
) -> tuple[Floats, Floats]:
    """Return ratios of means of a cell, and the covariance a unit of what they are linear in."""
    values, slopes = np.empty(len(pairs)), np.zeros((len(pairs), len(moments.names)))
    for row, (above, below) in enumerate(pairs):
        base = 1.0 if below is None else moments[below]
        if base == 0:
            raise InputError(f"{text.NOT_ENOUGH_DATA}: a cell has {below} of 0 in all")
        values[row] = moments[above] / base
        slopes[row, moments.place(above)] = 1 / base
        if below is not None:
            slopes[row, moments.place(below)] -= values[row] / base
    covariance = moments.covariance() * ((moments.n - 1) / (moments.n - ddof))
    return values, slopes @ covariance @ slopes.T


def _comparison(levels: Mapping[str, _Level], effect: Contrast, kept: float = 1.0) -> Comparison:
    """Return a contrast of levels with its errors."""
    names = list(levels)
    value, variance, n = (
        np.array(each, dtype=float) for each in zip(*levels.values(), strict=True)
    )
    weights = np.array([effect.weights.get(name, 0.0) for name in names])
    has = np.array([name in effect.treated for name in names])
    up = has / has.sum()
    down = up - weights
    treated, control = float(up @ value), float(down @ value)
    n_treated = int(n[weights > 0].sum())
    n_control = int(n[weights < 0].sum())

    def estimate(found: float, by: Floats, df: float | None = None) -> Estimate:
        each = by**2 * variance
        below = float((each**2 / (n - 1)).sum())
        welch = float(each.sum()) ** 2 / below if below > 0 else float(n.sum() - len(n))
        return Estimate(
            value=found,
            standard_error=math.sqrt(float(each.sum())),
            df=welch if df is None else df,
            n_treatment=n_treated,
            n_control=n_control,
        )

    absolute = estimate(float(weights @ value), weights)
    relative = log_ratio = None
    if control != 0:
        size = abs(control)
        slopes = up / size - down * treated / (control * size)
        relative = estimate((treated - control) / size, slopes, absolute.df)
    if treated > 0 and control > 0:
        log_ratio = estimate(math.log(treated / control), up / treated - down / control)
    return Comparison(
        treatment=treated,
        control=control,
        absolute=absolute,
        relative=relative,
        log_ratio=log_ratio,
        variance_kept=kept,
    )


def refuse_with_factors(given: Mapping[str, object]) -> None:
    """Refuse what a read-out of factors does not take.

    Raises:
        ParameterError: Something of it is given.
    """
    for name, value in given.items():
        if value:
            rule = "must be left out with factors: filter the table to those units and read it out"
            raise ParameterError(problem(name, value, rule))
