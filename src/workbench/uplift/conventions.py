"""AUUC, Qini and uplift@k as scikit-uplift and causalml define them, by name. Owns no interval.

The two libraries give different figures for the same data, so a figure is never given without its
convention. One treatment and control, the outcome 0 or 1 for the perfect curves of scikit-uplift.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from workbench.errors import InputError, ParameterError, problem

Floats = npt.NDArray[np.float64]
Convention = Literal["scikit-uplift", "causalml", "causalml raw"]
Curve = Literal["uplift", "qini"]
Top = Literal["overall", "by_group"]


def curve_points(
    outcome: Floats, treated: Floats, score: Floats, *, curve: Curve, smooth: bool = False
) -> tuple[Floats, Floats]:
    """Return customers taken, best score first, and what the curve says for them.

    Args:
        outcome: What each customer did.
        treated: 1 for treatment, 0 for control.
        score: The predicted effect.
        curve: ``uplift`` or ``qini``.
        smooth: Where the curve divides by a group of which nobody was seen yet, go straight to its first
            known point (causalml); else the missing group counts as 0, and equal scores are one
            point (scikit-uplift).

    Raises:
        InputError: There is only treatment or only control.

    >>> bought, treated = np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0, 0.0, 1.0, 0.0])
    >>> taken, height = curve_points(bought, treated, np.array([4.0, 3.0, 2.0, 1.0]), curve="qini")
    >>> taken.tolist(), height.tolist()
    ([0.0, 1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 1.0, 1.0, 0.0])
    """
    order = np.argsort(-score, kind="stable")
    y, t = outcome[order], treated[order]
    n, n_t = np.arange(1.0, len(y) + 1), t.cumsum()
    n_c, y_t, y_c = n - n_t, (y * t).cumsum(), (y * (1 - t)).cumsum()
    if not n_t[-1] or not n_c[-1]:
        raise InputError(problem("treated", float(t[0]), "must hold both 0 and 1"))
    some_t, some_c = np.maximum(n_t, 1), np.maximum(n_c, 1)
    each = y_t / some_t - y_c / some_c if curve == "uplift" else y_t - y_c * n_t / some_c
    if smooth:
        known = (n_c > 0) & ((n_t > 0) | (curve == "qini"))  # Qini of controls alone is 0, not open
        each = np.interp(n, np.append(0, n[known]), np.append(0, each[known]))
    each = each * n if curve == "uplift" else each
    if not smooth:
        last = np.append(np.diff(score[order]) != 0, True)
        n, each = n[last], each[last]
    return np.append(0.0, n), np.append(0.0, each)


def area(
    outcome: Floats, treated: Floats, score: Floats, *, curve: Curve, convention: Convention
) -> float:
    """Return AUUC (``uplift``) or the Qini coefficient (``qini``) in one convention.

    scikit-uplift: area over random order, as a share of the perfect order's. causalml: mean height of
    the curve over its last height (Qini: less random order's); it has no bounds when the last is small.
    What would be divided by 0, as when nobody bought, is not a number.

    Source: scikit-uplift 0.5.1 and causalml 0.18.

    >>> bought, treated = np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0, 0.0, 1.0, 0.0])
    >>> best = np.array([4.0, 3.0, 2.0, 1.0])
    >>> area(bought, treated, best, curve="qini", convention="scikit-uplift")
    1.0
    >>> area(bought, treated, best, curve="qini", convention="causalml raw")
    0.5
    """
    if convention != "scikit-uplift":
        _, y = curve_points(outcome, treated, score, curve=curve, smooth=True)
        scale = abs(y[-1]) if convention == "causalml" else 1.0
        return _share(y.mean() - (y[-1] / 2 if curve == "qini" else 0.0), scale)
    best = perfect_score(outcome, treated, curve=curve)
    above = []
    for one in (score, best):
        x, y = curve_points(outcome, treated, one, curve=curve)
        above.append(np.trapezoid(y, x) - x[-1] * y[-1] / 2)
    return _share(above[0], above[1])


def uplift_at(
    outcome: Floats, treated: Floats, score: Floats, *, share: float, top: Top = "overall"
) -> float:
    """Return uplift@k: the difference of means between treated and control of the best scores.

    Args:
        outcome: What each customer did.
        treated: 1 for treatment, 0 for control.
        score: The predicted effect.
        share: The part of the customers, above 0 and up to 1; their number is rounded down.
        top: ``overall``: the best of all; ``by_group``: the best of the treated and the best of control,
            each in its own order, so that both have the same part.

    Raises:
        ParameterError: The share is not above 0 and up to 1.
        InputError: Nobody treated, or no control, is among the best.

    Source: scikit-uplift 0.5.1, ``uplift_at_k``.

    >>> bought, treated = np.array([1.0, 0.0, 0.0, 1.0]), np.array([1.0, 0.0, 1.0, 0.0])
    >>> best = np.array([4.0, 3.0, 2.0, 1.0])
    >>> uplift_at(bought, treated, best, share=0.5), uplift_at(bought, treated, best, share=1)
    (1.0, 0.0)
    """
    if not 0 < share <= 1:
        raise ParameterError(problem("share", share, "must be above 0 and up to 1"))
    order = np.argsort(-score, kind="stable")
    y, t = outcome[order], treated[order] > 0
    if top == "overall":
        taken = int(len(y) * share)
        sides = y[:taken][t[:taken]], y[:taken][~t[:taken]]
    else:
        sides = y[t][: int(t.sum() * share)], y[~t][: int((~t).sum() * share)]
    for name, side in zip(("treated", "control"), sides, strict=True):
        if not len(side):
            rule = f"must hold {name} customers among the best; take a larger share"
            raise InputError(problem("share", share, rule))
    return float(sides[0].mean() - sides[1].mean())


def _share(of: float, whole: float) -> float:
    """Return the share, or not a number where there is nothing to divide by."""
    return float(of / whole) if whole else float("nan")


def perfect_score(outcome: Floats, treated: Floats, *, curve: Curve) -> Floats:
    """Return the score of scikit-uplift's perfect order.

    >>> bought, treated = np.array([1.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0])
    >>> perfect_score(bought, treated, curve="qini").tolist()
    [1.0, 0.0, -1.0]
    """
    if curve == "qini":
        return np.asarray(outcome * treated - outcome * (1 - treated))
    more = (outcome * (1 - treated)).sum() > ((1 - outcome) * treated).sum()
    return np.asarray(2.0 * (outcome == treated) + (outcome if more else treated))
