"""Whether learned uplift can be believed: who differs, how well it is predicted, what treating the top earns.

Owns the tests and curves. Everything is computed from doubly robust scores and predictions that are out of
fold, so no customer judges a model that saw them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from workbench import text
from workbench.arguments import checked
from workbench.errors import ParameterError, did_you_mean, problem
from workbench.streams import stream
from workbench.uplift.learned import LearnedUplift

Floats = npt.NDArray[np.float64]

ALPHA = 0.05
_TENTHS = 10
_Z95 = 1.959963984540054
_STEPS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Heterogeneity(text.Result):
    """A test whose null is a constant effect.

    Attributes:
        table: A row an arm: ``arm``, ``slope`` (of the effect on its prediction: 1 where predictions are
            right, 0 where they say nothing), ``standard_error``, ``low``, ``high`` (95 %) and ``p_value``
            (one-sided, adjusted over arms after Holm).
        text: For which arms effects differ, or that one rule is for all.
        differs: Whether any does, at 5 %.
    """

    differs: bool


@checked
def heterogeneity_test(learned: LearnedUplift) -> Heterogeneity:
    """Test whether effects differ between customers, against a constant effect.

    The best linear predictor of the effect from its prediction: scores are regressed on predictions, with an
    intercept in each fold and standard errors that allow for unequal spread. Where the effect is constant, the
    slope is 0 whatever the average is.

    Args:
        learned: From :func:`learn_uplift`.

    Returns:
        The slope of each arm and its p-value.

    Raises:
        ParameterError: ``learned`` is something else.

    Source: Chernozhukov, Demirer, Duflo and Fernandez-Val (2018), arXiv 1712.04802, section 3.1.

    >>> heterogeneity_test("learned")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: learned was 'learned', must be learned uplift, such as workbench.learn_uplift gives
    """
    rows = []
    for k, arm in enumerate(learned.arms[1:]):
        slope, error = _slope(learned.predictions[:, k], learned.scores[:, k], learned.fold)
        p_value = float(stats.norm.sf(slope / error)) if error > 0 else 1.0
        rows.append(
            {
                "arm": arm, "slope": slope, "standard_error": error, "low": slope - _Z95 * error,
                "high": slope + _Z95 * error, "p_value": p_value,
            }
        )  # fmt: skip
    table = pd.DataFrame(rows)
    table["p_value"] = _holm(table["p_value"].to_numpy(dtype=np.float64))
    found = [str(arm) for arm in table.loc[table["p_value"] < ALPHA, "arm"]]
    least = text.p_value(float(table["p_value"].min()))
    said = (
        f"the effect of {text.listing(found)} differs between customers ({least})"
        if found
        else f"no sign that effects differ between customers ({least}): one rule is for all"
    )
    return Heterogeneity(
        table=table,
        text=text.sentence(said),
        headline="Effects differ" if found else "One rule for all",
        differs=bool(found),
    )


def _slope(prediction: Floats, score: Floats, fold: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return the slope within folds and its robust standard error; 0 and 0 where nothing is predicted."""
    x, y = prediction.copy(), score.copy()
    for each in np.unique(fold):
        mine = fold == each
        x[mine] -= x[mine].mean()
        y[mine] -= y[mine].mean()
    spread = float(x @ x)
    if spread <= 1e-12 * max(float(prediction @ prediction), 1.0):
        return 0.0, 0.0
    slope = float(x @ y) / spread
    residual = y - slope * x
    return slope, float(np.sqrt(((x * residual) ** 2).sum()) / spread)


def _holm(p_values: Floats) -> Floats:
    order = np.argsort(p_values)
    steps = p_values[order] * (len(p_values) - np.arange(len(p_values)))
    found = np.empty_like(p_values)
    found[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class UpliftByTenth(text.Result):
    """Uplift by tenth of its prediction.

    Attributes:
        table: A row a tenth, the highest predictions first: ``tenth``, ``customers``, ``predicted``,
            ``uplift`` with ``low`` and ``high`` (95 %).
        text: The uplift of the first and the last tenth, and the calibration error.
        calibration_error: Mean distance of the uplift of a tenth from its prediction.
    """

    calibration_error: float


@checked
def uplift_by_tenth(learned: LearnedUplift, arm: str) -> UpliftByTenth:
    """Return the uplift of customers by tenths of what was predicted for them.

    Args:
        learned: From :func:`learn_uplift`.
        arm: The offer.

    Returns:
        Ten rows, the highest predictions first.

    Raises:
        ParameterError: There is no such offer.

    >>> uplift_by_tenth("learned", "tea")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: learned was 'learned', must be learned uplift, such as workbench.learn_uplift gives
    """
    k = offer_number(learned, arm)
    prediction, score = learned.predictions[:, k], learned.scores[:, k]
    order = np.argsort(-prediction, kind="stable")
    rows = []
    for number, mine in enumerate(np.array_split(order, _TENTHS), start=1):
        mean = float(score[mine].mean())
        error = float(score[mine].std(ddof=1) / np.sqrt(len(mine))) if len(mine) > 1 else np.nan
        rows.append(
            {
                "tenth": number, "customers": len(mine), "predicted": float(prediction[mine].mean()),
                "uplift": mean, "low": mean - _Z95 * error, "high": mean + _Z95 * error,
            }
        )  # fmt: skip
    table = pd.DataFrame(rows)
    off = float((table["uplift"] - table["predicted"]).abs().mean())
    first, last = (learned.said(table["uplift"].iloc[at]) for at in (0, -1))
    return UpliftByTenth(
        table=table,
        text=text.sentence(
            f"the tenth with the highest predictions has an uplift of {first}, that with the lowest {last}; "
            f"on average a tenth is {learned.said(off)} off its prediction"
        ),
        headline=f"From {first} in the first tenth to {last} in the last",
        calibration_error=off,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueOfTop(text.Result):
    """What treating the customers with the highest predictions is worth.

    Attributes:
        table: A row a share: ``treated`` (share of customers), ``value`` (mean over all customers, the cost
            taken off) with ``low`` and ``high`` (95 %), ``at_random`` (the same share drawn by lot), and
            ``toc`` (mean effect of the treated less that of all).
        text: The best share and what it is worth, and whether the order beats chance.
        autoc: Area under the TOC curve.
        autoc_error: Its standard error.
    """

    autoc: float
    autoc_error: float


@checked
def value_of_top(
    learned: LearnedUplift, arm: str, *, cost: float = 0.0, seed: int = 1
) -> ValueOfTop:
    """Return what it is worth to give an offer to the share of customers with the highest predictions.

    Args:
        learned: From :func:`learn_uplift`.
        arm: The offer.
        cost: What it costs a customer, in the unit of the outcome; 0 where the outcome has it off already.
        seed: Seed of the half-samples that give the error of the area.

    Returns:
        The value by share, beside the same share drawn by lot, and the area under the TOC curve.

    Raises:
        ParameterError: There is no such offer, or the cost is below 0.

    Source: Yadlowsky et al. (2021), arXiv 2111.07966, for TOC and AUTOC with half-sample errors.

    >>> value_of_top("learned", "tea")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: learned was 'learned', must be learned uplift, such as workbench.learn_uplift gives
    """
    if not cost >= 0:
        raise ParameterError(problem("cost", cost, "must be at least 0"))
    k = offer_number(learned, arm)
    prediction, score = learned.predictions[:, k], learned.scores[:, k]
    order = np.argsort(-prediction, kind="stable")
    net, n = score[order] - cost, len(score)
    rows = []
    for step in range(1, _STEPS + 1):
        top = round(n * step / _STEPS)
        part = np.where(np.arange(n) < top, net, 0.0)
        error = float(part.std(ddof=1) / np.sqrt(n))
        value = float(part.mean())
        rows.append(
            {
                "treated": top / n, "value": value, "low": value - _Z95 * error,
                "high": value + _Z95 * error, "at_random": float(net.mean()) * top / n,
                "toc": float(score[order[:top]].mean() - score.mean()) if top else 0.0,
            }
        )  # fmt: skip
    table = pd.DataFrame(rows)
    area, error = _autoc(prediction, score), _autoc_error(prediction, score, seed)
    best = table.iloc[int(table["value"].to_numpy().argmax())]
    beats = area > _Z95 * error
    pays = (
        "" if best["value"] > 0 else f"no share of the customers pays for {arm}; of what was tried "
    )
    said = (
        f"{pays}treating the {text.share(float(best['treated']), 0)} with the highest predictions for {arm} is worth "
        f"most, {learned.said(float(best['value']))} a customer of all "
        f"({text.interval(learned.said(float(best['low'])), learned.said(float(best['high'])))}); "
        f"their order {'beats' if beats else 'is not surely better than'} one by lot (AUTOC "
        f"{learned.said(area)}, standard error {learned.said(error)})"
    )
    return ValueOfTop(
        table=table,
        text=text.sentence(said),
        headline="The order of predictions beats chance" if beats else "No better than by lot",
        autoc=area,
        autoc_error=error,
    )


def _autoc(prediction: Floats, score: Floats) -> float:
    """Return the mean over all shares of the mean score of the top less that of all."""
    order = np.argsort(-prediction, kind="stable")
    tops = np.cumsum(score[order]) / np.arange(1, len(score) + 1)
    return float(tops.mean() - score.mean())


def _autoc_error(prediction: Floats, score: Floats, seed: int, samples: int = 200) -> float:
    """Return the spread of the area over half-samples, which is its standard error."""
    rng, n = stream(seed, "uplift/autoc"), len(score)
    sorted_score = score[np.argsort(-prediction, kind="stable")]  # a half keeps the order of all
    size = n // 2
    places = 1.0 / np.arange(1, size + 1)
    taken = np.zeros(n, dtype=bool)
    taken[:size] = True
    areas = []
    for _ in range(samples):
        half = sorted_score[rng.permutation(taken)]
        areas.append(float(half.cumsum() @ places) / size - float(half.mean()))
    return float(np.std(areas, ddof=1))


def offer_number(learned: LearnedUplift, arm: str) -> int:
    """Return the place of an offer among the offers.

    Raises:
        ParameterError: There is no such offer.
    """
    offers = learned.arms[1:]
    if arm not in offers:
        rule = f"must be one of {', '.join(offers)}"
        raise ParameterError(problem("arm", arm, rule, hint=did_you_mean(arm, list(offers))))
    return offers.index(arm)
