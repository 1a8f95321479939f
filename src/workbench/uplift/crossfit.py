"""Cross-fitting: nuisances predicted for customers they were not fitted on. Owns no effect model.

Owns the folds, the outcome of each arm and the chance of each arm as predicted out of fold, the gate on
overlap, and the doubly robust scores made of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.model_selection import StratifiedKFold

from workbench.errors import InputError, ParameterError, problem

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST_CHANCE = 0.01
"""Below this estimated chance of an arm its customers would each stand for over a hundred others."""
_FEWEST_FOLDS = 2
_SUM_TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Nuisances:
    """What was predicted out of fold: customer x arm, control first.

    Attributes:
        outcome: The outcome that each arm would have.
        chance: The chance of each arm.

    >>> both = Nuisances(outcome=np.array([[1.0, 2.0]]), chance=np.array([[0.5, 0.5]]))
    >>> (both.outcome * both.chance).sum(axis=1).tolist()
    [1.5]
    """

    outcome: Floats
    chance: Floats


def folds_of(arm: Ints, folds: int, seed: int) -> Iterator[tuple[Ints, Ints]]:
    """Yield rows to fit on and rows to predict; every fold has every arm in its share.

    Raises:
        ParameterError: There are fewer than two folds.
        InputError: An arm has fewer customers than there are folds.

    >>> arm = np.array([0, 0, 1, 1])
    >>> [sorted(arm[held].tolist()) for _, held in folds_of(arm, 2, seed=1)]
    [[0, 1], [0, 1]]
    """
    if folds < _FEWEST_FOLDS:
        raise ParameterError(problem("folds", folds, f"must be {_FEWEST_FOLDS} or more"))
    fewest = int(np.bincount(arm).min())
    if fewest < folds:
        rule = f"must be {folds} or more, one a fold; take fewer folds or leave the arm out"
        raise InputError(problem("customers of the smallest arm", fewest, rule))
    splits = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for fit, held in splits.split(np.zeros(len(arm)), arm):
        yield np.asarray(fit, dtype=np.int64), np.asarray(held, dtype=np.int64)


def predicted(model: Any, features: Floats) -> Floats:
    """Return the expected value: of a classifier the chance of one, of a regressor its prediction.

    >>> from sklearn.dummy import DummyClassifier, DummyRegressor
    >>> x, bought = np.zeros((4, 1)), np.array([0, 0, 0, 1])
    >>> predicted(DummyClassifier().fit(x, bought), x[:1]).tolist()
    [0.25]
    >>> predicted(DummyRegressor().fit(x, bought), x[:1]).tolist()
    [0.25]
    """
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(features)[:, -1], dtype=np.float64)
    return np.asarray(model.predict(features), dtype=np.float64)


def checked_chances(chance: Floats) -> Floats:
    """Return chances of the arms when every customer could have had every arm, else refuse.

    Raises:
        InputError: A chance is 0, 1 or not a number, or they do not add up to 1.

    >>> checked_chances(np.array([[0.5, 0.5], [0.2, 0.8]])).shape
    (2, 2)
    >>> checked_chances(np.array([[0.5, 0.5], [1.0, 0.0]]))
    Traceback (most recent call last):
    workbench.errors.InputError: row 1: propensity is 1.0: it must lie between 0 and 1
    """
    bad = ~np.isfinite(chance) | (chance <= 0) | (chance >= 1)
    if bad.any():
        row, _ = np.argwhere(bad)[0]
        rule = (
            "must lie between 0 and 1 without them: a customer who could not have had an arm says "
            f"nothing about it ({int(bad.any(axis=1).sum())} such customers); leave them out"
        )
        raise InputError(problem("propensity", float(chance[bad][0]), rule, where=f"row {row}"))
    total = chance.sum(axis=1)
    if np.abs(total - 1).max() > _SUM_TOLERANCE:
        rule = "must be 1 over all arms"
        raise InputError(problem("sum of the propensities", float(total[0]), rule))
    return chance


def estimated_chances(model: Any, features: Floats, arm: Ints, *, folds: int, seed: int) -> Floats:
    """Estimate the chance of each arm out of fold.

    Raises:
        InputError: An estimated chance is below :data:`LEAST_CHANCE`: the arms do not overlap.

    >>> from sklearn.linear_model import LogisticRegression
    >>> x, arm = np.zeros((40, 1)), np.repeat([0, 1], [30, 10])
    >>> chance = estimated_chances(LogisticRegression(), x, arm, folds=2, seed=1)
    >>> chance[0].round(3).tolist()  # the features say nothing: each arm's share
    [0.75, 0.25]
    """
    chance = np.empty((len(arm), int(arm.max()) + 1))
    for fit, held in folds_of(arm, folds, seed):
        chance[held] = clone(model).fit(features[fit], arm[fit]).predict_proba(features[held])
    thin = (chance < LEAST_CHANCE).any(axis=1)
    if thin.any():
        rule = (
            f"must be {LEAST_CHANCE} or more; {int(thin.sum())} customers have less, so the arms do "
            "not overlap there: leave those customers out, or name the propensity of the design"
        )
        raise InputError(problem("smallest estimated propensity", float(chance.min()), rule))
    return chance


def outcomes_by_arm(model: Any, features: Floats, arm: Ints, outcome: Floats) -> list[Any]:
    """Fit one outcome model an arm, control first.

    >>> from sklearn.dummy import DummyRegressor
    >>> x, arm, spent = np.zeros((4, 1)), np.array([0, 0, 1, 1]), np.array([1.0, 3.0, 4.0, 6.0])
    >>> models = outcomes_by_arm(DummyRegressor(), x, arm, spent)
    >>> [float(one.predict(x[:1])[0]) for one in models]
    [2.0, 5.0]
    """
    return [
        clone(model).fit(features[arm == each], outcome[arm == each])
        for each in range(int(arm.max()) + 1)
    ]


def cross_fitted(
    model: Any,
    features: Floats,
    arm: Ints,
    outcome: Floats,
    chance: Floats,
    *,
    folds: int,
    seed: int,
) -> Nuisances:
    """Predict out of fold what each customer would have done in each arm.

    >>> from sklearn.dummy import DummyRegressor
    >>> x, arm, half = np.zeros((4, 1)), np.array([0, 0, 1, 1]), np.full((4, 2), 0.5)
    >>> spent = np.array([1.0, 3.0, 4.0, 6.0])
    >>> both = cross_fitted(DummyRegressor(), x, arm, spent, half, folds=2, seed=1)
    >>> both.outcome[:2, 0].tolist()  # neither control sees itself, so each has the other's
    [3.0, 1.0]
    """
    each = np.empty(chance.shape)
    for fit, held in folds_of(arm, folds, seed):
        models = outcomes_by_arm(model, features[fit], arm[fit], outcome[fit])
        each[held] = np.column_stack([predicted(one, features[held]) for one in models])
    return Nuisances(outcome=each, chance=chance)


def robust_scores(arm: Ints, outcome: Floats, nuisances: Nuisances) -> Floats:
    """Return the doubly robust score of each arm against control: customer x arm without control.

    The mean over customers estimates the mean effect; it is without bias when the chances are the
    design's, however wrong the outcome models are.

    Source: Robins, Rotnitzky and Zhao (1994); Kennedy, arXiv 2004.14497, for learning from them.

    >>> both = Nuisances(outcome=np.array([[1.0, 2.0]]), chance=np.array([[0.5, 0.5]]))
    >>> robust_scores(np.array([1]), np.array([3.0]), both).tolist()
    [[3.0]]
    """
    scores = nuisances.outcome.copy()
    rows = np.arange(len(arm))
    scores[rows, arm] += (outcome - scores[rows, arm]) / nuisances.chance[rows, arm]
    return np.asarray(scores[:, 1:] - scores[:, [0]])
