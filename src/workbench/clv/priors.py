"""Priors as data: a family and two numbers for a positive parameter. Owns no model and no default.

Times are in days and money is in cents, whatever unit a fit works in: a fit rescales the prior of
a parameter that has a unit. Densities are of the logarithm θ of the parameter, which is what the
posterior is sought in (the change of variable is inside).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from workbench.errors import ParameterError, did_you_mean, problem

Floats = npt.NDArray[np.float64]
Family = Literal["lognormal", "gamma", "weibull", "half_normal"]


@dataclass(frozen=True)
class Prior:
    """The prior of one positive parameter.

    Attributes:
        family: ``lognormal``, ``gamma``, ``weibull`` or ``half_normal``.
        scale: Median of a log-normal, mean of a gamma, scale of a Weibull or a half-normal: in
            the unit of the parameter.
        shape: Standard deviation of the logarithm of a log-normal, shape of a gamma or a Weibull;
            a half-normal has none and keeps 1.

    >>> Prior("lognormal", 56.0, 1.5).log_density(np.log([56.0, 100.0]))[0].round(3)
    array([-1.324, -1.399])
    >>> Prior("lognormall", 1.0)
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: family was 'lognormall', must be 'lognormal', 'gamma', 'weibull' or 'half_normal' — did you mean 'lognormal'?
    """

    family: Family
    scale: float
    shape: float = 1.0

    def __post_init__(self) -> None:
        known = get_args(Family)
        if self.family not in known:
            rule = "must be 'lognormal', 'gamma', 'weibull' or 'half_normal'"
            hint = did_you_mean(self.family, known)
            raise ParameterError(problem("family", self.family, rule, hint=hint))
        for name in ("scale", "shape"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ParameterError(problem(f"{name} of a prior", value, "must be above 0"))

    def scaled(self, factor: float) -> Prior:
        """Return the prior of the parameter times a factor: the same belief in another unit.

        >>> Prior("gamma", 70.0, 2.0).scaled(1 / 7)
        Prior(family='gamma', scale=10.0, shape=2.0)
        """
        return Prior(self.family, self.scale * factor, self.shape)

    def log_density(self, theta: npt.ArrayLike) -> tuple[Floats, Floats]:
        """Return the log-density of θ, the logarithm of the parameter, and its slope."""
        theta = np.asarray(theta, dtype=float)
        k, ratio = self.shape, np.exp(theta) / self.scale
        if self.family == "lognormal":
            z = (theta - math.log(self.scale)) / k
            return -0.5 * z**2 - math.log(k) - 0.5 * math.log(2 * math.pi), -z / k
        if self.family == "gamma":
            at = k * ratio
            return k * np.log(at) - at - math.lgamma(k), k - at
        if self.family == "weibull":
            at = ratio**k
            return math.log(k) + np.log(at) - at, k - k * at
        normal = 0.5 * math.log(2 / math.pi)
        return normal + np.log(ratio) - 0.5 * ratio**2, 1 - ratio**2

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return values of the parameter, drawn from the prior."""
        k = self.shape
        if self.family == "lognormal":
            unit = np.exp(k * rng.standard_normal(size))
        elif self.family == "gamma":
            unit = rng.gamma(k, 1 / k, size)
        elif self.family == "weibull":
            unit = rng.weibull(k, size)
        else:
            unit = np.abs(rng.standard_normal(size))
        return self.scale * unit


def chosen(
    names: Sequence[str], defaults: Mapping[str, Prior], given: Mapping[str, Prior] | None
) -> dict[str, Prior]:
    """Return the prior of each named parameter: the one that was given, else the default.

    >>> chosen(["r"], {"r": Prior("gamma", 1.0)}, {"r": Prior("weibull", 1.0, 2.0)})
    {'r': Prior(family='weibull', scale=1.0, shape=2.0)}
    """
    return {name: (given or {}).get(name, defaults[name]) for name in names}
