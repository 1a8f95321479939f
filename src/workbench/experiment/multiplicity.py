"""Many p-values at once: Holm and Benjamini-Hochberg. Owns no test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from workbench.errors import InputError, problem

Correction: TypeAlias = Literal["holm", "benjamini-hochberg", "none"]
"""Holm bounds the chance of any false find; Benjamini-Hochberg the share of false ones among finds."""


def adjust(p_values: Sequence[float], correction: Correction = "holm") -> list[float]:
    """Return p-values that may each be compared with the level, however many there are.

    Args:
        p_values: P-values, each 0 to 1.
        correction: How.

    Raises:
        InputError: A p-value is not 0 to 1.

    Source: Holm 1979; Benjamini and Hochberg 1995.

    >>> [round(p, 3) for p in adjust([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    >>> [round(p, 3) for p in adjust([0.01, 0.04, 0.03], "benjamini-hochberg")]
    [0.03, 0.04, 0.04]
    """
    p = np.asarray(p_values, dtype=float)
    for value in p:
        if not 0 <= value <= 1:
            raise InputError(problem("p_value", float(value), "must be 0 to 1"))
    m = len(p)
    if not m or correction == "none":
        return [float(each) for each in p]
    order = np.argsort(p)
    if correction == "holm":
        steps = np.maximum.accumulate((m - np.arange(m)) * p[order])
    else:
        steps = np.minimum.accumulate((m / (np.arange(m) + 1) * p[order])[::-1])[::-1]
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(steps, 1.0)
    return [float(each) for each in adjusted]
