"""Learners of uplift: each finds an effect that it was shown, and keeps scikit-learn's conventions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

from workbench.errors import ParameterError
from workbench.uplift.learners import LEARNERS, UpliftLearner

CUSTOMERS = 6_000


@pytest.fixture(autouse=True)
def one_thread():
    """Trees of several threads stall each other where tests run side by side."""
    with threadpool_limits(1):
        yield


def _shop(seed: int = 1) -> tuple[np.ndarray, ...]:
    """Two offers: one worth 1 + x, one worth -1 for everyone; the second is given by x."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(CUSTOMERS, 2))
    second = 0.2 + 0.2 * (x[:, 1] > 0)
    chance = np.column_stack([0.7 - second, np.full(CUSTOMERS, 0.3), second])
    arm = (rng.random(CUSTOMERS)[:, None] > chance.cumsum(axis=1)).sum(axis=1)
    effects = np.column_stack([1 + x[:, 0], np.full(CUSTOMERS, -1.0)])
    told = np.column_stack([np.zeros(CUSTOMERS), effects])[np.arange(CUSTOMERS), arm]
    return x, x[:, 1] + told + 0.5 * rng.normal(size=CUSTOMERS), arm, chance, effects


@pytest.mark.parametrize("learner", LEARNERS)
def test_each_learner_finds_the_effects_of_two_offers(learner: str) -> None:
    x, outcome, arm, chance, effects = _shop()
    trees = HistGradientBoostingRegressor(max_iter=60, random_state=1)
    model = UpliftLearner(learner, trees, LinearRegression())
    found = model.fit(x, outcome, arm, chance).predict(x)
    assert found.shape == effects.shape
    assert np.sqrt(((found - effects) ** 2).mean(axis=0)).max() < 0.35
    assert np.abs((found - effects).mean(axis=0)).max() < 0.1


def test_a_learner_is_cloned_with_its_parameters_and_without_its_fit() -> None:
    x, outcome, arm, chance, _ = _shop()
    line = LinearRegression()
    model = UpliftLearner("t", line, line, folds=4).fit(x, outcome, arm, chance)
    copy = clone(model)
    assert copy.get_params()["folds"] == 4
    assert copy.get_params()["learner"] == "t"
    assert not hasattr(copy, "models_")


def test_a_learner_that_is_not_known_is_refused_with_a_hint() -> None:
    x, outcome, arm, chance, _ = _shop()
    with pytest.raises(ParameterError, match="learner"):
        UpliftLearner("d", LinearRegression()).fit(x, outcome, arm, chance)
