"""Uplift learned from features of single customers, each predicted out of fold. Owns no evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.frames import Frame, as_polars, need_columns
from workbench.uplift.crossfit import (
    checked_chances,
    cross_fitted,
    estimated_chances,
    folds_of,
    robust_scores,
)
from workbench.uplift.learners import UpliftLearner

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_Z95 = 1.959963984540054
_ALPHAS = np.logspace(-2, 4, 13)
_TWO_ARMS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedUplift(text.Result):
    """Effects of offers, learned; ``table`` has the mean effect of each arm.

    Attributes:
        arms: The arms, control first.
        features: Columns that the effects were learned from.
        scores: Doubly robust scores out of fold, customer x arm without control.
        predictions: Effects predicted out of fold, customer x arm without control.
        fold: Of each customer the fold that was held out.
        model: The learner, fitted on all customers.
        encoder: Makes numbers of the features.
    """

    arms: tuple[str, ...]
    features: tuple[str, ...]
    scores: Floats
    predictions: Floats
    fold: Ints
    model: UpliftLearner
    encoder: Any

    def predict(self, frame: Frame) -> pd.DataFrame:
        """Return the effect of each arm for other customers, a column an arm.

        Raises:
            InputError: A feature is missing.
        """
        rows = as_polars(frame)
        need_columns(rows.columns, self.features)
        coded = self.encoder.transform(rows.select(self.features).to_pandas())
        return pd.DataFrame(self.model.predict(coded), columns=list(self.arms[1:]))


@checked
def learn_uplift(
    units: Frame,
    *,
    outcome: str,
    features: Sequence[str],
    arm: str = "arm",
    control: str = "control",
    learner: Literal["s", "t", "x", "r", "dr"] = "dr",
    propensity: str | None = None,
    folds: int = 3,
    seed: int = 1,
) -> LearnedUplift:
    """Learn what each offer does for whom, with every prediction made out of fold.

    Args:
        units: A row a customer.
        outcome: Column of the outcome.
        features: Columns known before the trigger.
        arm: Column of the arm.
        control: The control.
        learner: How effects are learned.
        propensity: Column with the chance of the arm that the customer had; none: it is estimated.
        folds: Folds of the cross-fitting.
        seed: Of the folds and the trees.

    Returns:
        Doubly robust scores and predictions of every customer, out of fold, and the mean effects.

    Raises:
        InputError: A column is missing, control is, or customers could not have had every arm.
        ParameterError: No features were named, or the outcome or the arm is one of them.

    Source: Kuenzel et al. (2019) for S, T and X; Nie and Wager (2021) for R; Kennedy (2023) for DR. The
    layer over scikit-learn is our own, because it carries several arms, their chances from the decision
    log and scores out of fold; econml and causalml are what it is compared with.

    >>> people = pl.DataFrame(
    ...     {"arm": ["control", "tea"] * 30, "age": range(60), "visits": [1, 2, 1, 3] * 15}
    ... )
    >>> learn_uplift(people, outcome="visits", features=["age"], propensity=None).arms
    ('control', 'tea')
    """
    rows = as_polars(units, "units")
    need_columns(rows.columns, [outcome, arm, *features], "units")
    if not features or {outcome, arm} & set(features):
        rule = "must name columns known before the trigger, without the outcome and the arm"
        raise ParameterError(problem("features", list(features), rule))
    arms = [control, *sorted(set(rows[arm].cast(pl.String).to_list()) - {control})]
    code = np.array([arms.index(one) for one in rows[arm].cast(pl.String)], dtype=np.int64)
    if len(arms) < _TWO_ARMS or not (code == 0).any():
        raise InputError(problem("control", control, f"must be an arm in {arm} beside another"))
    y = rows[outcome].cast(pl.Float64).to_numpy()
    encoder = _encoder(rows.select(features))
    x = np.asarray(encoder.fit_transform(rows.select(features).to_pandas()), dtype=np.float64)
    with threadpool_limits(1):  # trees of several threads stall each other on a busy machine
        if propensity is None:
            chance = estimated_chances(LogisticRegression(), x, code, folds=folds, seed=seed)
        else:
            need_columns(rows.columns, [propensity], "units")
            chance = _chances(rows[propensity].cast(pl.Float64).to_numpy(), code, len(arms))
        trees = HistGradientBoostingRegressor(
            max_iter=60, learning_rate=0.08, max_leaf_nodes=8, random_state=seed
        )
        model = UpliftLearner(learner, trees, RidgeCV(_ALPHAS), folds, seed)
        both = cross_fitted(trees, x, code, y, chance, folds=folds, seed=seed)
        scores = robust_scores(code, y, both)
        found, fold = np.empty(scores.shape), np.zeros(len(code), dtype=np.int64)
        for number, (fit, held) in enumerate(folds_of(code, folds, seed)):
            fold[held] = number
            one = clone(model).fit(x[fit], y[fit], code[fit], chance[fit])
            found[held] = one.predict(x[held])
        model.fit(x, y, code, chance)
    mean, error = scores.mean(axis=0), scores.std(axis=0, ddof=1) / np.sqrt(len(y))
    table = pd.DataFrame(
        {
            "arm": arms[1:],
            "customers": np.bincount(code)[1:],
            "effect": mean,
            "low": mean - _Z95 * error,
            "high": mean + _Z95 * error,
        }
    )
    parts = [
        f"{row['arm']} {text.number(row['effect'])} "
        f"({text.interval(text.number(row['low']), text.number(row['high']))})"
        for row in table.to_dict("records")
    ]
    return LearnedUplift(
        table=table,
        text=f"The mean effect on {text.words(outcome)} against {control}: {text.listing(parts)}.",
        arms=tuple(arms),
        features=tuple(features),
        scores=scores,
        predictions=found,
        fold=fold,
        model=model,
        encoder=encoder,
    )


def _encoder(frame: pl.DataFrame) -> Any:
    """Return what scales numbers and gives every level of a text a column."""
    numbers = [name for name in frame.columns if frame[name].dtype.is_numeric()]
    levels = [name for name in frame.columns if name not in numbers]
    return make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), levels),
    )


def _chances(own: Floats, arm: Ints, arms: int) -> Floats:
    """Return the chance of every arm from the chance of the arm that each customer had.

    Raises:
        InputError: Three arms or more have chances which differ by customer.
    """
    first = np.array([own[arm == k][0] for k in range(arms)])
    if np.allclose(own, first[arm]):
        return checked_chances(np.tile(first, (len(own), 1)))
    if arms == _TWO_ARMS:
        treated = np.where(arm == 1, own, 1 - own)
        return checked_chances(np.column_stack([1 - treated, treated]))
    rule = "must be the same for all customers of an arm when there are three arms or more"
    raise InputError(problem("propensity", float(own[0]), rule, hint="estimate it: name none"))
