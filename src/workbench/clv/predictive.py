"""What a fit predicts as a distribution, against what was: coverage, CRPS, counts. Owns no model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench import text
from workbench.arguments import checked
from workbench.clv.fit import ClvFit
from workbench.clv.limits import GateLimits
from workbench.clv.value import ends_of, mean_and_ends
from workbench.errors import InputError, ParameterError, problem
from workbench.gates import Check, Gate, gate
from workbench.streams import stream

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_CHUNK = 20_000
_GROUPS = 10
_TOP = 7  # the last group of the check of counts is "7+"


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictiveCheck(text.Result):
    """Predicted distributions of the purchases in the holdout against what was made.

    Attributes:
        coverage: Share of the customers whose purchases lie in the central interval, counting a
            purchase count by the part of its probability inside: exact when the model is.
        level: Probability that the interval should have.
        crps: Mean continuous ranked probability score: like a mean absolute error, of a
            distribution, in purchases.
        skill: 1 − CRPS / CRPS of the distribution of all customers: 0 says that the own history
            says nothing, 1 is perfect.
        gate: Whether the coverage is near enough to its level.
        table: By tenth of expected purchases, highest first: ``customers``, ``expected`` and
            ``actual`` (means), ``coverage`` and ``crps``.
        text: That in sentences.
    """

    coverage: float
    level: float
    crps: float
    skill: float
    gate: Gate


@dataclass(frozen=True, kw_only=True, eq=False)
class CountsCheck(text.Result):
    """Customers by number of repeat purchases: observed, and as the fit would make them again.

    Attributes:
        table: ``repeat_purchases``, ``observed``, ``predicted`` (mean), ``low``, ``high``.
        outside: Groups whose observed count is outside the interval.
    """

    outside: int


@checked
def predictive_check(
    fit: ClvFit,
    *,
    level: float = 0.9,
    draws: int = 400,
    limits: GateLimits | None = None,
    seed: int = 1,
) -> PredictiveCheck:
    """Hold the predicted distributions of each customer against the holdout.

    Args:
        fit: A fit to a summary with a holdout.
        level: Probability inside the interval.
        draws: Draws of each customer's purchases.
        limits: ``max_coverage_error`` is used.
        seed: Seed of the draws.

    Returns:
        Coverage, CRPS and skill, by tenth of expected purchases too.

    Raises:
        InputError: The summary has no holdout.
        ParameterError: An argument breaks its rule.

    >>> check = predictive_check(fit, draws=100)
    >>> 0.8 < check.coverage < 1, 0 < check.skill < 1
    (True, True)
    """
    ends, limits = ends_of(level), limits or GateLimits()
    if draws < 2:  # noqa: PLR2004 - a distribution needs two
        raise ParameterError(problem("draws", draws, "must be at least 2"))
    if fit.summary.holdout_days is None:
        raise InputError("the summary has no holdout; make it with holdout_days=…")
    actual = fit.summary.frame["frequency_holdout"].to_numpy().astype(float)
    time = float(fit.summary.frame["duration_holdout"][0])
    expected, inside, crps = (np.empty(len(actual)) for _ in range(3))
    rng = stream(seed, "clv/predictive")
    order = np.argsort(fit.rows.row_of, kind="stable")
    for at in range(0, len(order), _CHUNK):
        some = order[at : at + _CHUNK]
        drawn = _purchases(fit, some, time, draws, rng)
        expected[some] = drawn.mean(axis=0)
        inside[some] = _share_inside(drawn, actual[some], ends)
        crps[some] = _crps(drawn, actual[some])
    pooled = np.sort(actual)
    same_for_all = float(np.mean(np.abs(pooled[:, None] - _thinned(pooled)[None, :]))) / 2
    coverage, score = float(inside.mean()), float(crps.mean())
    skill = 1 - score / same_for_all if same_for_all > 0 else float("nan")
    error = limits.max_coverage_error
    passed = gate(
        [
            Check(
                f"coverage of the {text.share(level, 0)} intervals",
                text.share(coverage),
                f"within {text.share(error)} of {text.share(level, 0)}",
                abs(coverage - level) <= error,
            )
        ],
        "predictions",
    )
    said = (
        f"the {text.share(level, 0)} intervals of the purchases in the holdout hold "
        f"{text.share(coverage)} of the customers",
        f"with its history a customer is predicted {text.share(skill)} closer than by the "
        f"distribution of all (CRPS {text.number(score)} purchases)",
    )
    return PredictiveCheck(
        coverage=coverage,
        level=level,
        crps=score,
        skill=skill,
        gate=passed,
        table=_by_tenth(expected, actual, inside, crps),
        text=" ".join([*(text.sentence(part) for part in said), passed.text]),
    )


@checked
def counts_check(
    fit: ClvFit, *, level: float = 0.9, draws: int = 100, seed: int = 1
) -> CountsCheck:
    """Make the customers again from the fit, and compare how many bought how often.

    Args:
        fit: A fit.
        level: Probability inside the intervals.
        draws: How many times they are made again.
        seed: Seed of the draws.

    Returns:
        Observed and predicted customers by number of repeat purchases.

    Raises:
        InputError: The purchase model did not converge.

    >>> counts_check(fit, draws=50).table["repeat_purchases"].tolist()
    ['0', '1', '2', '3', '4', '5', '6', '7+']
    """
    ends, parameters = ends_of(level), fit.purchase_draws(draws)
    age = fit.rows.age[fit.rows.row_of]
    rng = stream(seed, "clv/counts")
    made = np.empty((draws, _TOP + 1))
    for s in range(draws):
        x, _ = fit.model.simulate(parameters[s % len(parameters)], age, rng)
        made[s] = _counted(x)
    observed = _counted(fit.rows.x[fit.rows.row_of])
    mean, low, high = mean_and_ends(made, ends)
    outside = int(((observed < low) | (observed > high)).sum())
    table = pd.DataFrame(
        {
            "repeat_purchases": [*(str(k) for k in range(_TOP)), f"{_TOP}+"],
            "observed": observed,
            "predicted": mean,
            "low": low,
            "high": high,
        }
    )
    said = (
        f"of the {text.plural(len(table), 'group')} of customers by number of repeat purchases, "
        f"{text.count(outside)} {'is' if outside == 1 else 'are'} outside the "
        f"{text.share(level, 0)} interval of what the fit would make again"
    )
    return CountsCheck(table=table, outside=outside, text=text.sentence(said))


def _purchases(
    fit: ClvFit, customers: Codes, time: float, draws: int, rng: np.random.Generator
) -> Floats:
    """Draw the purchases of customers in the coming time, a row a draw."""
    rows, model = fit.rows, fit.model
    places = rows.row_of[customers]
    x, t_x, age = rows.x[places], rows.t_x[places], rows.age[places]
    parameters, times = fit.purchase_draws(draws), np.full(len(customers), time)
    made = np.empty((draws, len(customers)))
    for s in range(draws):
        at = parameters[s % len(parameters)]
        alive = rng.random(len(customers)) < model.probability_alive(at, x, t_x, age)
        rate, leaving = model.latent(at, x, age, rng)
        made[s] = alive * model.future(rate, leaving, times, rng)
    return made


def _share_inside(drawn: Floats, actual: Floats, ends: list[float]) -> Floats:
    """Return the part of each count's probability that lies between the ends.

    A count k fills the probabilities from P(Y < k) to P(Y ≤ k); half a draw is added to each side, for
    the actual count is one more draw.
    """
    n = len(drawn) + 1
    below = (drawn < actual).sum(axis=0) / n
    upto = ((drawn <= actual).sum(axis=0) + 1) / n
    overlap = np.minimum(upto, ends[1]) - np.maximum(below, ends[0])
    share: Floats = np.clip(overlap, 0, None) / (upto - below)
    return share


def _crps(drawn: Floats, actual: Floats) -> Floats:
    """Return E|Y − y| − ½ E|Y − Y'| of each customer, the second without bias."""
    n = len(drawn)
    ordered = np.sort(drawn, axis=0)
    rank = 2 * np.arange(1, n + 1) - n - 1
    spread = (rank @ ordered) / (n * (n - 1))
    score: Floats = np.abs(drawn - actual).mean(axis=0) - spread
    return score


def _thinned(ordered: Floats) -> Floats:
    places = np.linspace(0, len(ordered) - 1, min(len(ordered), 400)).round().astype(int)
    some: Floats = ordered[places]
    return some


def _counted(x: Floats) -> Floats:
    return np.bincount(np.minimum(x, _TOP).astype(int), minlength=_TOP + 1).astype(float)


def _by_tenth(expected: Floats, actual: Floats, inside: Floats, crps: Floats) -> pd.DataFrame:
    groups = min(_GROUPS, len(expected))
    order = np.argsort(-expected, kind="stable")
    parts = np.array_split(order, groups)
    return pd.DataFrame(
        {
            "tenth": np.arange(1, groups + 1),
            "customers": [len(part) for part in parts],
            "expected": [expected[part].mean() for part in parts],
            "actual": [actual[part].mean() for part in parts],
            "coverage_share": [inside[part].mean() for part in parts],
            "crps": [crps[part].mean() for part in parts],
        }
    )
