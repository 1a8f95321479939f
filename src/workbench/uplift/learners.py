"""Learners of uplift over scikit-learn estimators: S, T, X, R and DR. Owns no folds and no evaluation.

A learner follows scikit-learn's conventions (``get_params``, ``clone``, fitted attributes end in ``_``),
takes the arm as codes with control 0, and predicts one effect an arm.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, clone

from workbench.errors import ParameterError, did_you_mean, problem
from workbench.uplift.crossfit import (
    cross_fitted,
    outcomes_by_arm,
    predicted,
    robust_scores,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEARNERS = ("s", "t", "x", "r", "dr")


class UpliftLearner(BaseEstimator):  # type: ignore[misc]
    """One effect an arm, learned from features.

    Args:
        learner: One of :data:`LEARNERS`.
        outcome_model: Predicts the outcome; a classifier's chance of one is taken.
        effect_model: A regressor of the effect, for X, R and DR; it must take weights for R.
        folds: Folds of the cross-fitting inside R and DR.
        seed: Of those folds.

    Source: Künzel et al., arXiv 1706.03461 (S, T, X); Nie and Wager, arXiv 1712.04912 (R);
    Kennedy, arXiv 2004.14497 (DR).

    >>> from sklearn.linear_model import LinearRegression
    >>> x, arm = np.array([[0.0], [1.0], [0.0], [1.0]]), np.array([0, 0, 1, 1])
    >>> line = LinearRegression()
    >>> told = UpliftLearner("t", line, line).fit(x, np.array([0.0, 0.0, 1.0, 3.0]), arm)
    >>> told.predict(x).round(6).ravel().tolist()
    [1.0, 3.0, 1.0, 3.0]
    """

    def __init__(
        self,
        learner: str = "dr",
        outcome_model: Any = None,
        effect_model: Any = None,
        folds: int = 3,
        seed: int = 1,
    ) -> None:
        self.learner = learner
        self.outcome_model = outcome_model
        self.effect_model = effect_model
        self.folds = folds
        self.seed = seed

    def fit(
        self, features: Floats, outcome: Floats, arm: Ints, chance: Floats | None = None
    ) -> UpliftLearner:
        """Fit; ``chance`` is customer x arm, and none means each arm's share of the customers.

        Raises:
            ParameterError: The learner is not known.

        >>> from sklearn.linear_model import LinearRegression
        >>> x, arm = np.array([[0.0], [1.0], [0.0], [1.0]]), np.array([0, 0, 1, 1])
        >>> told = UpliftLearner("s", LinearRegression()).fit(x, np.array([0.0, 0.0, 1.0, 3.0]), arm)
        >>> told.arms_, told.shares_.tolist()
        (2, [0.5, 0.5])
        """
        if self.learner not in LEARNERS:
            rule = f"must be one of {', '.join(LEARNERS)}"
            hint = did_you_mean(self.learner, LEARNERS)
            raise ParameterError(problem("learner", self.learner, rule, hint=hint))
        self.arms_ = int(arm.max()) + 1
        shares = np.bincount(arm) / len(arm)
        self.shares_ = shares if chance is None else chance.mean(axis=0)
        chance = np.tile(shares, (len(arm), 1)) if chance is None else chance
        getattr(self, f"_fit_{self.learner}")(features, outcome, arm, chance)
        return self

    def predict(self, features: Floats) -> Floats:
        """Return the effect of each arm against control: customer x arm without control.

        >>> from sklearn.linear_model import LinearRegression
        >>> x, arm = np.array([[0.0], [1.0]] * 3), np.array([0, 0, 1, 1, 2, 2])
        >>> line = LinearRegression()
        >>> told = UpliftLearner("x", line, line).fit(x, np.array([0.0, 0, 1, 1, 2, 4]), arm)
        >>> told.predict(np.array([[0.5]])).round(6).tolist()
        [[1.0, 3.0]]
        """
        if self.learner == "s":
            each = [predicted(self.model_, self._with_arm(features, k)) for k in range(self.arms_)]
            return np.column_stack([one - each[0] for one in each[1:]])
        if self.learner == "t":
            each = [predicted(one, features) for one in self.models_]
            return np.column_stack([one - each[0] for one in each[1:]])
        if self.learner == "x":
            columns = []
            for k, (treated, control) in enumerate(self.models_, start=1):
                weight = self.shares_[k] / (self.shares_[0] + self.shares_[k])
                columns.append(
                    weight * predicted(control, features)
                    + (1 - weight) * predicted(treated, features)
                )
            return np.column_stack(columns)
        return np.column_stack([predicted(one, features) for one in self.models_])

    def _with_arm(self, features: Floats, arm: int | Ints) -> Floats:
        """Put the arm beside the features, a column an arm without control."""
        codes = np.broadcast_to(np.asarray(arm), (len(features),))
        return np.column_stack([features, codes[:, None] == np.arange(1, self.arms_)])

    def _fit_s(self, features: Floats, outcome: Floats, arm: Ints, _: Floats) -> None:
        self.model_ = clone(self.outcome_model).fit(self._with_arm(features, arm), outcome)

    def _fit_t(self, features: Floats, outcome: Floats, arm: Ints, _: Floats) -> None:
        self.models_ = outcomes_by_arm(self.outcome_model, features, arm, outcome)

    def _fit_x(self, features: Floats, outcome: Floats, arm: Ints, _: Floats) -> None:
        """Regress, in each arm, what was seen less what the other arm would have given.

        ``models_`` holds, an arm, the effect as learned on its own customers and on control's.
        """
        base = outcomes_by_arm(self.outcome_model, features, arm, outcome)
        control = arm == 0
        self.models_ = []
        for k in range(1, self.arms_):
            mine = arm == k
            gained = outcome[mine] - predicted(base[0], features[mine])
            missed = predicted(base[k], features[control]) - outcome[control]
            self.models_.append(
                (
                    clone(self.effect_model).fit(features[mine], gained),
                    clone(self.effect_model).fit(features[control], missed),
                )
            )

    def _fit_r(self, features: Floats, outcome: Floats, arm: Ints, chance: Floats) -> None:
        """Regress residual on residual, each arm with control only."""
        self.models_ = []
        for k in range(1, self.arms_):
            pair = (arm == 0) | (arm == k)
            x, y, told = features[pair], outcome[pair], (arm[pair] == k).astype(np.int64)
            two = chance[pair][:, [0, k]]
            two = two / two.sum(axis=1, keepdims=True)
            both = cross_fitted(
                self.outcome_model, x, told, y, two, folds=self.folds, seed=self.seed
            )
            left_y = y - (both.outcome * two).sum(axis=1)
            left_arm = told - two[:, 1]
            self.models_.append(
                clone(self.effect_model).fit(x, left_y / left_arm, sample_weight=left_arm**2)
            )

    def _fit_dr(self, features: Floats, outcome: Floats, arm: Ints, chance: Floats) -> None:
        both = cross_fitted(
            self.outcome_model, features, arm, outcome, chance, folds=self.folds, seed=self.seed
        )
        scores = robust_scores(arm, outcome, both)
        self.models_ = [clone(self.effect_model).fit(features, score) for score in scores.T]
