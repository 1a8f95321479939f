"""Cross-fitting: scores without bias under the design's chances, and no overlap is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

from workbench.errors import InputError, ParameterError
from workbench.uplift.crossfit import (
    checked_chances,
    cross_fitted,
    estimated_chances,
    folds_of,
    robust_scores,
)


def test_scores_have_no_bias_with_a_wrong_outcome_model_and_the_chances_of_the_design() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(40_000, 1))
    treated = 1 / (1 + np.exp(-x[:, 0]))
    arm = (rng.random(len(x)) < treated).astype(np.int64)
    outcome = x[:, 0] ** 2 + 2 * x[:, 0] + arm * (1 + x[:, 0]) + rng.normal(size=len(x))
    chance = np.column_stack([1 - treated, treated])
    both = cross_fitted(LinearRegression(), x, arm, outcome, chance, folds=3, seed=1)
    scores = robust_scores(arm, outcome, both)[:, 0]
    error = scores.std() / np.sqrt(len(x))
    naive = outcome[arm == 1].mean() - outcome[arm == 0].mean()
    assert abs(scores.mean() - 1) < 4 * error
    assert abs(naive - 1) > 20 * error


def test_each_customer_is_held_out_once_and_never_fitted_in_that_fold() -> None:
    arm = np.repeat([0, 1, 2], 20)
    held_out: list[int] = []
    for fit, held in folds_of(arm, 4, 1):
        assert not set(fit) & set(held)
        assert np.bincount(arm[held]).tolist() == [5, 5, 5]
        held_out += held.tolist()
    assert sorted(held_out) == list(range(60))


def test_outcomes_are_not_predicted_by_a_model_that_saw_them() -> None:
    class Memory(LinearRegression):  # type: ignore[misc]
        def fit(self, features: object, outcome: object) -> Memory:
            self.seen = dict(zip(np.ravel(features), np.ravel(outcome), strict=True))
            return self

        def predict(self, features: object) -> object:
            return np.array([self.seen.get(one, -1.0) for one in np.ravel(features)])

    x = np.arange(40.0)[:, None]
    arm = np.tile([0, 1], 20)
    both = cross_fitted(Memory(), x, arm, x[:, 0], np.full((40, 2), 0.5), folds=2, seed=1)
    assert (both.outcome[np.arange(40), arm] == -1.0).all()


@pytest.mark.parametrize("certain", [0.0, 1.0])
def test_a_propensity_of_0_or_1_is_refused(certain: float) -> None:
    with pytest.raises(InputError, match="could not have had an arm"):
        checked_chances(np.array([[0.5, 0.5], [certain, 1 - certain]]))


def test_propensities_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(InputError, match="must be 1 over all arms"):
        checked_chances(np.array([[0.5, 0.4]]))


def test_arms_without_overlap_are_refused_when_the_chance_is_estimated() -> None:
    x = np.linspace(-5, 5, 400)[:, None]
    arm = (x[:, 0] > 0).astype(np.int64)
    with pytest.raises(InputError, match="do not overlap"):
        estimated_chances(LogisticRegression(), x, arm, folds=2, seed=1)


def test_one_fold_and_a_tiny_arm_are_refused() -> None:
    with pytest.raises(ParameterError, match="folds"):
        list(folds_of(np.array([0, 1]), 1, 1))
    with pytest.raises(InputError, match="smallest arm"):
        list(folds_of(np.array([0, 0, 0, 1]), 2, 1))
