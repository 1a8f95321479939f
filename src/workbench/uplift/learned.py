"""Uplift learned from features of single customers, each predicted out of fold. Owns no evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
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
from workbench.experiment.units import ARM, Source, Units, take_units
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
_FEWEST_OF_AN_ARM = 2
Learner = Literal["s", "t", "x", "r", "dr"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedUplift(text.Result):
    """Effects of offers, learned; ``table`` has the mean effect of each arm.

    Attributes:
        outcome: Name of the outcome, which says its unit.
        arms: The arms, control first.
        features: Columns that the effects were learned from.
        customers: Who they are, in the order of all that follows; none: nobody said.
        code: Which arm each customer had, as its place in ``arms``.
        observed: The outcome of each customer.
        scores: Doubly robust scores out of fold, customer x arm without control.
        predictions: Effects predicted out of fold, customer x arm without control.
        fold: Of each customer the fold that was held out.
        model: The learner, fitted on all customers.
        encoder: Makes numbers of the features.
    """

    outcome: str
    arms: tuple[str, ...]
    features: tuple[str, ...]
    customers: pl.Series | None
    code: Ints
    observed: Floats
    scores: Floats
    predictions: Floats
    fold: Ints
    model: UpliftLearner
    encoder: Any

    def predict(self, frame: Frame) -> pd.DataFrame:
        """Return the effect of each arm for other customers, a column an arm.

        Returns:
            A column an arm, and ``fallback``: empty, or "mean effect" where a feature has a level that was not
            learned from, so that the mean effect of each arm stands in.

        Raises:
            InputError: A feature is missing, infinite, or no number where it was one.
        """
        rows = as_polars(frame)
        need_columns(rows.columns, self.features)
        rows = rows.select(self.features)
        arms = list(self.arms[1:])
        numbers = next(names for kind, _, names in self.encoder.transformers_ if kind == "pipeline")
        for name in numbers:
            _need_numbers(rows[name], name)
        if rows.is_empty():
            return pd.DataFrame(columns=arms, dtype=np.float64).assign(fallback="")
        coded = np.asarray(self.encoder.transform(rows.to_pandas()), dtype=np.float64)
        effect = self.model.predict(coded)
        unseen = self._unseen(coded)
        effect[unseen] = self.table["effect"].to_numpy()
        return pd.DataFrame(effect, columns=arms).assign(
            fallback=np.where(unseen, "mean effect", "")
        )

    def _unseen(self, coded: Floats) -> npt.NDArray[np.bool_]:
        """Return which rows have a level that was not learned from: none of its columns is 1."""
        unseen = np.zeros(len(coded), dtype=bool)
        for kind, encoder, names in self.encoder.transformers_:
            if kind == "onehotencoder" and names:
                ends = self.encoder.output_indices_[kind].start + np.cumsum(
                    [0, *map(len, encoder.categories_)]
                )
                for start, end in itertools.pairwise(ends):
                    unseen |= ~coded[:, start:end].any(axis=1)
        return unseen

    def said(self, effect: float) -> str:
        """Return an effect in words, with the unit of the outcome."""
        return text.cell(self.outcome, effect)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cohort:
    """The customers of an experiment as numbers, with scores that do not depend on the learner."""

    arms: tuple[str, ...]
    outcome: str
    features: tuple[str, ...]
    customers: pl.Series | None
    x: Floats
    y: Floats
    code: Ints
    chance: Floats
    scores: Floats
    encoder: Any
    folds: int
    seed: int
    notes: tuple[str, ...]


@checked
def learn_uplift(
    units: Source,
    *,
    outcome: str,
    features: Sequence[str],
    arm: str = "arm",
    control: str = "control",
    learner: Learner = "dr",
    propensity: str | Mapping[str, str] | None = None,
    unit: str | None = None,
    folds: int = 3,
    seed: int = 1,
) -> LearnedUplift:
    """Learn what each offer does for whom, with every prediction made out of fold.

    Args:
        units: A pandas, Polars or lazy frame, or the path of a Parquet or CSV file: a row a customer.
        outcome: Column of the outcome.
        features: Columns known before the trigger.
        arm: Column of the arm.
        control: The control.
        learner: How effects are learned.
        propensity: Column with the chance of the arm that the customer had, or by arm the column with its
            chance; none: it is estimated.
        unit: Column of the customer; none: a row each.
        folds: Folds of the cross-fitting.
        seed: Of the folds and the trees.

    Returns:
        Doubly robust scores and predictions of every customer, out of fold, and the mean effects.

    Raises:
        InputError: A column is missing, a customer has two rows in an arm, an outcome is missing, not finite or
            the same for everybody, an arm has a single customer, or customers could not have had every arm.
        ParameterError: There is no such control, no features were named or one twice, or the outcome or the arm
            is one of them.

    Source: Kuenzel et al. (2019) for S, T and X; Nie and Wager (2021) for R; Kennedy (2023) for DR. The
    layer over scikit-learn is our own, because it carries several arms, their chances from the decision
    log and scores out of fold; econml and causalml are what it is compared with.

    >>> people = pl.DataFrame(
    ...     {"arm": ["control", "tea"] * 30, "age": range(60), "visits": [1, 2, 1, 3] * 15}
    ... )
    >>> learn_uplift(people, outcome="visits", features=["age"], propensity=None).arms
    ('control', 'tea')
    """
    with threadpool_limits(1):  # trees of several threads stall each other on a busy machine
        cohort = cohort_of(
            units, outcome=outcome, features=features, arm=arm, control=control,
            propensity=propensity, unit=unit, folds=folds, seed=seed,
        )  # fmt: skip
        return learned_from(cohort, learner)


def cohort_of(
    units: Source,
    *,
    outcome: str,
    features: Sequence[str],
    arm: str,
    control: str,
    propensity: str | Mapping[str, str] | None,
    unit: str | None,
    folds: int,
    seed: int,
) -> Cohort:
    """Check the customers of an experiment and score them, once for all learners."""
    taken = take_units(units, arm=arm, control=control, unit=unit)
    rows = taken.frame.collect()
    need_columns(rows.columns, [outcome, *features], "table of units")
    if not features or {outcome, arm} & set(features) or len(set(features)) < len(features):
        rule = (
            "must name columns known before the trigger, each once, without the outcome and the arm"
        )
        raise ParameterError(problem("features", list(features), rule))
    code, arms = _codes(taken, rows), taken.arms
    y = _finite(rows[outcome], outcome)
    for name in features:
        if rows[name].dtype.is_float():
            _need_no_infinity(rows[name], name)
    encoder = _encoder(rows.select(features))
    x = np.asarray(encoder.fit_transform(rows.select(features).to_pandas()), dtype=np.float64)
    chance = (
        estimated_chances(LogisticRegression(), x, code, folds=folds, seed=seed)
        if propensity is None
        else _chances(rows, propensity, code, arms)
    )
    both = cross_fitted(_trees(seed), x, code, y, chance, folds=folds, seed=seed)
    return Cohort(
        arms=arms, outcome=outcome, features=tuple(features), customers=rows[unit] if unit else None,
        x=x, y=y, code=code, chance=chance, scores=robust_scores(code, y, both), encoder=encoder,
        folds=folds, seed=seed, notes=tuple(taken.notes()),
    )  # fmt: skip


def learned_from(cohort: Cohort, learner: Learner) -> LearnedUplift:
    """Fit a learner on all folds but one in turn, predict the one, then fit it on all customers."""
    x, y, code, chance = cohort.x, cohort.y, cohort.code, cohort.chance
    model = UpliftLearner(learner, _trees(cohort.seed), RidgeCV(_ALPHAS), cohort.folds, cohort.seed)
    found, fold = np.empty(cohort.scores.shape), np.zeros(len(code), dtype=np.int64)
    for number, (fit, held) in enumerate(folds_of(code, cohort.folds, cohort.seed)):
        fold[held] = number
        one = clone(model).fit(x[fit], y[fit], code[fit], chance[fit])
        found[held] = one.predict(x[held])
    model.fit(x, y, code, chance)
    scores, arms = cohort.scores, cohort.arms
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
        f"{row['arm']} {text.cell(cohort.outcome, row['effect'])} "
        f"({text.interval(text.cell(cohort.outcome, row['low']), text.cell(cohort.outcome, row['high']))})"
        for row in table.to_dict("records")
    ]
    said = (
        f"the mean effect on {text.words(cohort.outcome.removesuffix('_cents'))} against {arms[0]}: "
        f"{text.listing(parts)}"
    )
    return LearnedUplift(
        table=table,
        text=" ".join([text.sentence(said), *cohort.notes]),
        outcome=cohort.outcome, arms=arms, features=cohort.features, customers=cohort.customers,
        code=code, observed=y, scores=scores, predictions=found, fold=fold, model=model,
        encoder=cohort.encoder,
    )  # fmt: skip


def _trees(seed: int) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=60, learning_rate=0.08, max_leaf_nodes=8, random_state=seed
    )


def _codes(units: Units, rows: pl.DataFrame) -> Ints:
    """Return of each row the place of its arm, the control at 0.

    Raises:
        InputError: There is no control or no other arm, or an arm has a single customer.
    """
    if units.control not in units.arms or len(units.arms) < _TWO_ARMS:
        rule = f"must be an arm beside another; there is only {text.listing(list(units.arms))}"
        raise InputError(problem("control", units.control, rule))
    for name, customers in units.counts.items():
        if customers < _FEWEST_OF_AN_ARM:
            rule = f"must have {_FEWEST_OF_AN_ARM} customers or more; leave it out"
            raise InputError(problem("arm", name, rule))
    place = {name: number for number, name in enumerate(units.arms)}
    return rows[ARM].replace_strict(place, return_dtype=pl.Int64).to_numpy()


def _finite(column: pl.Series, name: str) -> Floats:
    """Return numbers; the outcome of every customer is needed."""
    if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
        rule = "must be numbers; name another outcome, or code it as 0 and 1"
        raise InputError(problem(name, str(column.dtype), rule))
    values = column.cast(pl.Float64).to_numpy()
    bad = ~np.isfinite(values)
    if bad.any():
        rule = (
            f"must be a number; {text.plural(int(bad.sum()), 'customer')} have none: write 0 where nothing "
            "happened, or leave out who was not followed to the end of the window"
        )
        raise InputError(
            problem(name, column[int(bad.argmax())], rule, where=f"row {int(bad.argmax())}")
        )
    if values.min() == values.max():
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: {name!r} is {values[0]:g} for everybody, so no effect can "
            "be seen in it"
        )
    return np.asarray(values, dtype=np.float64)


def _need_numbers(column: pl.Series, name: str) -> None:
    if not column.dtype.is_numeric() and column.null_count() < len(column):
        rule = "must be numbers, as it was when the effects were learned"
        raise InputError(problem(name, str(column.dtype), rule))
    if column.dtype.is_float():
        _need_no_infinity(column, name)


def _need_no_infinity(column: pl.Series, name: str) -> None:
    endless = column.is_infinite().fill_null(value=False)
    if endless.any():
        rule = "must be a number or missing; write a missing value where there is none"
        raise InputError(problem(name, float("inf"), rule, where=f"row {endless.arg_max()}"))


def _encoder(frame: pl.DataFrame) -> Any:
    """Return what scales numbers and gives every level of a text a column."""
    numbers = [name for name in frame.columns if frame[name].dtype.is_numeric()]
    levels = [name for name in frame.columns if name not in numbers]
    return make_column_transformer(
        (make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), levels),
    )


def _chances(
    rows: pl.DataFrame, propensity: str | Mapping[str, str], code: Ints, arms: Sequence[str]
) -> Floats:
    """Return the chance of every arm: from a column each, or from that of the arm each customer had.

    Raises:
        InputError: A column is missing or holds no numbers, or three arms or more have one column of chances
            which differ by customer.
        ParameterError: An arm has no column.
    """
    if isinstance(propensity, Mapping):
        if set(propensity) not in (set(arms), set(arms[1:])):
            rule = (
                f"must name a column for each of {', '.join(arms[1:])}, with or without {arms[0]}"
            )
            raise ParameterError(problem("propensity", dict(propensity), rule))
        need_columns(rows.columns, list(propensity.values()), "units")
        by_arm = {arm: _chance(rows[name]) for arm, name in propensity.items()}
        if arms[0] not in by_arm:
            by_arm[arms[0]] = 1.0 - np.sum([by_arm[arm] for arm in arms[1:]], axis=0)
        return checked_chances(np.column_stack([by_arm[arm] for arm in arms]))
    need_columns(rows.columns, [propensity], "units")
    own = _chance(rows[propensity])
    first = np.array([own[code == k][0] for k in range(len(arms))])
    if np.allclose(own, first[code]):
        return checked_chances(np.tile(first, (len(own), 1)))
    if len(arms) == _TWO_ARMS:
        treated = np.where(code == 1, own, 1 - own)
        return checked_chances(np.column_stack([1 - treated, treated]))
    rule = "must be the same for all customers of an arm when one column says it for three arms or more"
    hint = "; name a column an arm, or estimate it: name none"
    raise InputError(problem(propensity, float(own[0]), rule, hint=hint))


def _chance(column: pl.Series) -> Floats:
    if not column.dtype.is_numeric():
        rule = "must be numbers between 0 and 1: the chance of the arm"
        raise InputError(problem(column.name, str(column.dtype), rule))
    return column.cast(pl.Float64).to_numpy()
