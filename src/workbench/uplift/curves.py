"""Uplift and Qini curves with intervals, and their areas by convention. Owns no prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench import text
from workbench.arguments import checked
from workbench.streams import stream
from workbench.uplift.conventions import Convention, Curve, area
from workbench.uplift.evaluation import offer_number
from workbench.uplift.learned import LearnedUplift

Floats = npt.NDArray[np.float64]

_STEPS = 20
_SAMPLES = 200
_CONVENTIONS: tuple[Convention, ...] = ("scikit-uplift", "causalml", "causalml raw")


@dataclass(frozen=True, kw_only=True, eq=False)
class UpliftCurve(text.Result):
    """What is gained as ever more customers get an offer, the highest predictions first.

    Attributes:
        table: A row a share: ``treated`` (share of customers), ``gain`` (a customer of all, in the unit of
            the outcome) with ``low`` and ``high`` (95 %), and ``at_random`` (the same share by lot).
        text: The area between the curve and a random order, with its interval.
        areas: AUUC or Qini, a row a convention: ``convention``, ``figure`` and ``value``. Each library
            means something else by the name, so no figure comes without its convention.
        above_random: Area between the curve and the random order, a customer of all.
        above_random_low: Low end of its 95 % interval.
        above_random_high: High end.
    """

    areas: pd.DataFrame
    above_random: float
    above_random_low: float
    above_random_high: float


@checked
def uplift_curve(
    learned: LearnedUplift, arm: str, *, kind: Curve = "qini", seed: int = 1
) -> UpliftCurve:
    """Return the uplift or the Qini curve of an offer's predictions, from outcomes as they were.

    Only customers of the offer and of the control count, and only when arms were drawn with the same
    chances for all: :func:`value_of_top` allows for chances that differ. The intervals come from customers
    drawn again with replacement; predictions stay as they are, since they were made out of fold.

    Args:
        learned: From :func:`learn_uplift`.
        arm: The offer.
        kind: ``uplift`` weighs the difference of means by how many were taken; ``qini`` weighs the
            control's sum by the treated's number.
        seed: Of the draws.

    Returns:
        The curve, its intervals, and its areas by convention.

    Raises:
        ParameterError: There is no such offer.

    Source: Radcliffe (2007) for Qini; Gutierrez and Gerardy (2017) for the uplift curve; the conventions of
    scikit-uplift 0.5.1 and causalml 0.18 as :mod:`workbench.uplift.conventions` has them.

    >>> uplift_curve("learned", "tea")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: learned was 'learned', must be learned uplift, such as workbench.learn_uplift gives
    """
    k = offer_number(learned, arm)
    mine = (learned.code == 0) | (learned.code == k + 1)
    score = learned.predictions[mine, k]
    order = np.argsort(-score, kind="stable")
    y = learned.observed[mine][order]
    treated = (learned.code[mine][order] > 0).astype(np.float64)
    n = len(y)
    at = np.unique(np.round(n * np.arange(1, _STEPS + 1) / _STEPS).astype(int)) - 1
    gain = _gains(np.ones(n), y, treated, kind)
    drawn, areas_drawn = _resampled(y, treated, kind, at, seed)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    table = pd.DataFrame(
        {
            "treated": (at + 1) / n,
            "gain": gain[at],
            "low": low,
            "high": high,
            "at_random": gain[-1] * (at + 1) / n,
        }
    )
    above = float(gain.mean() - gain[-1] / 2)
    ends = np.quantile(areas_drawn, [0.025, 0.975])
    figure = "Qini" if kind == "qini" else "AUUC"
    binary = bool(np.isin(y, [0.0, 1.0]).all())
    areas = pd.DataFrame(
        [
            {
                "convention": convention,
                "figure": figure,
                "value": area(y, treated, score[order], curve=kind, convention=convention),
            }
            for convention in _CONVENTIONS
            if binary or convention != "scikit-uplift"  # its perfect order knows only 0 and 1
        ]
    )
    beats = bool(ends[0] > 0)
    said = (
        f"between the {'Qini' if kind == 'qini' else 'uplift'} curve of {arm} and a random order lie "
        f"{learned.said(above)} a customer "
        f"({text.interval(learned.said(float(ends[0])), learned.said(float(ends[1])))}): the order "
        f"{'beats' if beats else 'is not surely better than'} chance"
    )
    return UpliftCurve(
        table=table,
        text=text.sentence(said),
        headline=f"The order of {arm} {'beats chance' if beats else 'may be chance'}",
        areas=areas,
        above_random=above,
        above_random_low=float(ends[0]),
        above_random_high=float(ends[1]),
    )


def _gains(weights: Floats, y: Floats, treated: Floats, kind: Curve) -> Floats:
    """Return the gain a customer after each customer; 0 while a group is empty."""
    of_treated, of_control = weights * treated, weights * (1 - treated)
    n_t, n_c = of_treated.cumsum(), of_control.cumsum()
    y_t, y_c = (of_treated * y).cumsum(), (of_control * y).cumsum()
    both = (n_t > 0) & (n_c > 0)
    some_t, some_c = np.where(both, n_t, 1.0), np.where(both, n_c, 1.0)
    each = (
        (y_t - y_c * n_t / some_c) / n_t[-1]
        if kind == "qini"
        else (y_t / some_t - y_c / some_c) * (n_t + n_c) / (n_t[-1] + n_c[-1])
    )
    return np.asarray(np.where(both, each, 0.0))


def _resampled(
    y: Floats, treated: Floats, kind: Curve, at: npt.NDArray[np.int64], seed: int
) -> tuple[Floats, Floats]:
    """Return curves at steps, and areas above random, of customers drawn again within each group."""
    rng = stream(seed, "uplift/curve")
    curves, areas = np.empty((_SAMPLES, len(at))), np.empty(_SAMPLES)
    groups = [np.flatnonzero(treated == side) for side in (0.0, 1.0)]
    weights = np.empty(len(y))
    for row in range(_SAMPLES):
        for group in groups:
            drawn = rng.integers(0, len(group), len(group))
            weights[group] = np.bincount(drawn, minlength=len(group))
        gain = _gains(weights, y, treated, kind)
        curves[row] = gain[at]
        areas[row] = float(gain @ weights) / weights.sum() - gain[-1] / 2
    return curves, areas


__all__ = ["UpliftCurve", "uplift_curve"]
