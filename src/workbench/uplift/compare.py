"""Learners of uplift beside each other on the same customers and folds. Owns no learner and no test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from threadpoolctl import threadpool_limits

from workbench import text
from workbench.arguments import checked
from workbench.errors import ParameterError, problem
from workbench.experiment.units import Source
from workbench.uplift.evaluation import Heterogeneity, heterogeneity_test, value_of_top
from workbench.uplift.learned import LearnedUplift, Learner, cohort_of, learned_from


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnersCompared(text.Result):
    """Learners beside each other, judged out of fold.

    Attributes:
        table: A row a learner and offer: ``learner``, ``offer``, ``slope`` (of the effect on its prediction:
            1 where predictions have the right size), ``slope_low``, ``slope_high`` (95 %), ``p_value`` (that
            effects differ), ``autoc`` and ``autoc_error`` (area under the TOC curve and its standard error).
        text: Which orders of customers beat chance, and whether learners agree.
        learned: What each learner found, by name.
    """

    learned: dict[Learner, LearnedUplift]


@checked
def compare_learners(
    units: Source,
    *,
    outcome: str,
    features: Sequence[str],
    learners: Sequence[Learner] = ("dr", "x", "t"),
    arm: str = "arm",
    control: str = "control",
    propensity: str | Mapping[str, str] | None = None,
    unit: str | None = None,
    folds: int = 3,
    seed: int = 1,
) -> LearnersCompared:
    """Learn uplift in several ways, on the same folds and judged by the same scores.

    The learner is best named beforehand. To take the one with the largest area makes that area too large.

    Args:
        units: A pandas, Polars or lazy frame, or the path of a Parquet file: a row a customer.
        outcome: Column of the outcome.
        features: Columns known before the trigger.
        learners: Which; see :func:`learn_uplift`.
        arm: Column of the arm.
        control: The control.
        propensity: As in :func:`learn_uplift`.
        unit: Column of the customer; none: a row each.
        folds: Folds of the cross-fitting.
        seed: Of the folds and the trees.

    Returns:
        A row a learner and offer, and what each learner found.

    Raises:
        InputError: As in :func:`learn_uplift`.
        ParameterError: No learner was named, or one twice.

    >>> people = pd.DataFrame(
    ...     {"arm": ["control", "tea"] * 30, "age": range(60), "visits": [1, 2, 1, 3] * 15}
    ... )
    >>> compared = compare_learners(people, outcome="visits", features=["age"], learners=["t"])
    >>> compared.table[["learner", "offer"]].values.tolist()
    [['t', 'tea']]
    """
    if not learners or len(set(learners)) < len(learners):
        rule = "must name one learner or more, each once, of s, t, x, r and dr"
        raise ParameterError(problem("learners", list(learners), rule))
    with threadpool_limits(1):  # trees of several threads stall each other on a busy machine
        cohort = cohort_of(
            units, outcome=outcome, features=features, arm=arm, control=control,
            propensity=propensity, unit=unit, folds=folds, seed=seed,
        )  # fmt: skip
        learned = {learner: learned_from(cohort, learner) for learner in learners}
    tests = {learner: heterogeneity_test(found) for learner, found in learned.items()}
    rows = []
    for learner, found in learned.items():
        tested = tests[learner].table.set_index("arm")
        for offer in found.arms[1:]:
            top, test = value_of_top(found, offer, seed=seed), tested.loc[offer]
            rows.append(
                {
                    "learner": learner, "offer": offer, "slope": test["slope"], "slope_low": test["low"],
                    "slope_high": test["high"], "p_value": test["p_value"], "autoc": top.autoc,
                    "autoc_error": top.autoc_error,
                }
            )  # fmt: skip
    table = pd.DataFrame(rows)
    return LearnersCompared(table=table, text=_text(tests), learned=learned)


def _text(tests: Mapping[Learner, Heterogeneity]) -> str:
    """Return which learners find that effects differ."""
    found = [name for name, one in tests.items() if one.differs]
    names = text.listing([name.upper() for name in found])
    if len(found) == len(tests):
        said = f"{names} {'finds' if len(found) == 1 else 'agree'} that effects differ between customers"
    elif found:
        others = text.listing([name.upper() for name in tests if name not in found])
        said = f"{names} {'find' if len(found) > 1 else 'finds'} that effects differ between customers; not {others}"
    else:
        said = "no learner finds that effects differ between customers: one rule is for all"
    return text.sentence(said)


__all__ = ["LearnersCompared", "compare_learners"]
