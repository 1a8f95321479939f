"""The learners beside econml's, and the areas beside causalml's, where `make oracle` installed them.

Both are given the same estimators, folds and chances, so that figures are equal and not only alike.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from workbench.uplift.conventions import Curve, area
from workbench.uplift.crossfit import folds_of
from workbench.uplift.learners import UpliftLearner

pytestmark = pytest.mark.filterwarnings("ignore")  # theirs are not ours to mend

CUSTOMERS, FOLDS, SEED = 1_500, 3, 1
TREE = DecisionTreeRegressor(max_depth=4, min_samples_leaf=20, random_state=1)
LINE = LinearRegression()


def _chances(x: np.ndarray) -> np.ndarray:
    """Give the first offer to 30 %, the second to 20 or 40 % by the second feature."""
    second = 0.2 + 0.2 * (x[:, 1] > 0)
    return np.column_stack([0.7 - second, np.full(len(x), 0.3), second])


class Design(ClassifierMixin, BaseEstimator):
    """The chances of the design, as a classifier that has nothing to learn."""

    def fit(self, _features, arm):
        self.classes_ = np.unique(arm)
        return self

    def predict_proba(self, features):
        return _chances(features)

    def predict(self, features):  # econml scores it
        return self.classes_[_chances(features).argmax(axis=1)]


class ByArm(RegressorMixin, BaseEstimator):
    """A tree an arm, whose arm stands in the last two columns: the outcome model of our DR-learner."""

    def fit(self, features, outcome):
        arm = self._arm(features)
        self.models_ = [
            clone(TREE).fit(features[arm == k, :-2], outcome[arm == k]) for k in range(3)
        ]
        return self

    def predict(self, features):
        each = np.column_stack([model.predict(features[:, :-2]) for model in self.models_])
        return each[np.arange(len(features)), self._arm(features)]

    def _arm(self, features):
        return (features[:, -2:] @ [1, 2]).round().astype(int)


@pytest.fixture(scope="module")
def shop() -> tuple[np.ndarray, ...]:
    """Two offers, one worth 1 + x, the other -1."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(CUSTOMERS, 3))
    arm = (rng.random(CUSTOMERS)[:, None] > _chances(x).cumsum(axis=1)).sum(axis=1)
    told = np.column_stack([np.zeros(CUSTOMERS), 1 + x[:, 0], np.full(CUSTOMERS, -1.0)])
    return x, x[:, 1] + told[np.arange(CUSTOMERS), arm] + rng.normal(size=CUSTOMERS), arm


@pytest.fixture(scope="module")
def econml():
    """Its learners."""
    reason = "econml is not installed: `make oracle` installs it"
    pytest.importorskip("econml", reason=reason)
    return (
        pytest.importorskip("econml.metalearners", reason=reason),
        pytest.importorskip("econml.dr", reason=reason),
    )


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["s", "t", "x"])
def test_s_t_and_x_learner_give_the_effects_of_econml(learner, shop, econml):
    x, outcome, arm = shop
    ours = UpliftLearner(learner, TREE, TREE).fit(x, outcome, arm).predict(x)
    each, _ = econml
    theirs = {
        "s": lambda: each.SLearner(overall_model=TREE),
        "t": lambda: each.TLearner(models=TREE),
        # the share of the arm as chance, as ours has it
        "x": lambda: each.XLearner(
            models=TREE, cate_models=TREE, propensity_model=DummyClassifier(strategy="prior")
        ),
    }[learner]().fit(outcome, arm, X=x)
    assert ours == pytest.approx(theirs.const_marginal_effect(x), abs=1e-9)


@pytest.mark.slow
def test_the_dr_learner_gives_the_effects_of_econml_on_the_same_folds_and_chances(shop, econml):
    x, outcome, arm = shop
    ours = UpliftLearner("dr", TREE, LINE, folds=FOLDS, seed=SEED)
    found = ours.fit(x, outcome, arm, _chances(x)).predict(x)
    _, doubly_robust = econml
    theirs = doubly_robust.DRLearner(
        model_propensity=Design(),
        model_regression=ByArm(),
        model_final=LINE,
        cv=list(folds_of(arm, FOLDS, SEED)),
    ).fit(outcome, arm, X=x)
    assert found == pytest.approx(theirs.const_marginal_effect(x), abs=1e-9)
    assert theirs.effect(x, T1=1).mean() == pytest.approx(1, abs=0.2)  # and they are effects


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("curve", ["uplift", "qini"])
def test_an_area_is_the_one_of_causalml(curve: Curve, seed: int):
    reason = "causalml is not installed: `make oracle` installs it"
    metrics = pytest.importorskip("causalml.metrics", reason=reason)
    rng = np.random.default_rng(seed)
    treated, score = (rng.random(400) < 0.4).astype(float), rng.normal(size=400)
    bought = (rng.random(400) < 0.3 + 0.1 * treated * (1 + score)).astype(float)
    frame = pd.DataFrame({"y": bought, "w": treated, "score": score})
    theirs = {"uplift": metrics.auuc_score, "qini": metrics.qini_score}[curve]
    for convention, normalised in (("causalml", True), ("causalml raw", False)):
        ours = area(bought, treated, score, curve=curve, convention=convention)
        assert ours == pytest.approx(theirs(frame, normalize=normalised)["score"], rel=1e-9)
