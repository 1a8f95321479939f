"""The relative effect at many days at once, from stacked moments. Owns no interval.

It is :func:`workbench.experiment.effect.compare` for all units, written for arrays: a running experiment is
compared as often as there are days, arms and metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workbench.experiment.effect import Estimate, Parts
from workbench.experiment.moments import Floats, Moments


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """Moments of the same columns at several days.

    Attributes:
        names: The columns.
        n: Units by the end of each day, of length D.
        mean: Their means, D × k.
        products: Sums of centred products, D × k × k.
    """

    names: tuple[str, ...]
    n: Floats
    mean: Floats
    products: Floats

    @classmethod
    def up_to(cls, by_day: Sequence[Moments | None], names: tuple[str, ...]) -> Stack:
        """Return the moments of all units by the end of each day, from those of each day.

        Args:
            by_day: Moments of the units of each day; None: no unit.
            names: The columns to take.

        >>> one = Moments.of({"y": [1.0, 3.0]})
        >>> found = Stack.up_to([None, one, one], ("y",))
        >>> found.n.tolist(), found.mean[:, 0].tolist(), found.products[:, 0, 0].tolist()
        ([0.0, 2.0, 4.0], [0.0, 2.0, 2.0], [0.0, 2.0, 4.0])
        """
        k, n = len(names), np.array([0.0 if one is None else one.n for one in by_day])
        mean, products = np.zeros((len(n), k)), np.zeros((len(n), k, k))
        some = [one for one in by_day if one is not None]
        if some:
            at = [some[0].place(name) for name in names]
            mean[n > 0] = np.stack([one.mean for one in some])[:, at]
            products[n > 0] = np.stack([one.products for one in some])[:, at][:, :, at]
        centre = (n[:, None] * mean).sum(axis=0) / max(n.sum(), 1.0)
        off = mean - centre
        total = n.cumsum()
        shift = (n[:, None] * off).cumsum(axis=0) / np.maximum(total, 1.0)[:, None]
        spread = (products + n[:, None, None] * _outer(off)).cumsum(axis=0)
        return cls(
            names=names,
            n=total,
            mean=np.where(total[:, None] > 0, centre + shift, 0.0),
            products=spread - total[:, None, None] * _outer(shift),
        )

    def __add__(self, other: Stack) -> Stack:
        """Return the moments of the units of both, day by day."""
        total = np.maximum(self.n + other.n, 1.0)
        gap = other.mean - self.mean
        weight = (self.n * other.n / total)[:, None, None]
        return Stack(
            names=self.names,
            n=self.n + other.n,
            mean=self.mean + gap * (other.n / total)[:, None],
            products=self.products + other.products + weight * _outer(gap),
        )

    def covariance(self) -> Floats:
        """Return the covariance of the columns over units, D × k × k."""
        return np.asarray(self.products / np.maximum(self.n - 1, 1.0)[:, None, None])


@dataclass(frozen=True, kw_only=True, eq=False)
class Effects:
    """Relative effects, one a day; not a number while a day has none.

    Attributes:
        value: Treatment minus control as a share of the control's size; not a number for a control of 0.
        error: Standard errors by the delta method.
        df: Degrees of freedom (Welch, of the absolute effect).
        n_treatment: Units of the treated arm.
        n_control: Units of the control.
    """

    value: Floats
    error: Floats
    df: Floats
    n_treatment: Floats
    n_control: Floats

    @property
    def last(self) -> Estimate | None:
        """The effect of the last day; None while it has none."""
        if not np.isfinite(self.value[-1]):
            return None
        return Estimate(
            value=float(self.value[-1]),
            standard_error=float(self.error[-1]),
            df=float(self.df[-1]),
            n_treatment=int(self.n_treatment[-1]),
            n_control=int(self.n_control[-1]),
        )


def relative_effects(treatment: Stack, control: Stack, parts: Parts) -> Effects:
    """Return the relative effect at every day, covariates used as the read-out uses them.

    >>> days = [Moments.of({"y": [1.0, 2.0, 3.0]}), Moments.of({"y": [4.0, 6.0]})]
    >>> held = Stack.up_to(days, ("y",))
    >>> relative_effects(held, held, Parts(numerator="y")).value.tolist()
    [0.0, 0.0]
    """
    both = treatment + control
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = _slope(both, parts) if parts.covariates else None
        levels, variances = [], []
        for arm in (treatment, control):
            level, slope = _ratio(arm, (parts.numerator, parts.denominator))
            if shared is not None:
                theta, centre = shared
                covariates, slopes = _covariates(arm, parts)
                level = level - ((covariates - centre) * theta).sum(axis=1)
                slope = slope - (slopes * theta[:, :, None]).sum(axis=1)
            ddof = 0 if parts.binomial else 1
            scale = (arm.n - 1) / (arm.n - ddof) / arm.n
            variance = np.einsum("di,dij,dj->d", slope, arm.covariance(), slope) * scale
            levels.append(level)
            variances.append(np.maximum(variance, 0.0))
        (t, c), (v_t, v_c) = levels, variances
        below = v_t**2 / (treatment.n - 1) + v_c**2 / (control.n - 1)
        df = np.where(below > 0, (v_t + v_c) ** 2 / below, treatment.n + control.n - 2)
        value, error = (t - c) / np.abs(c), np.sqrt(v_t / c**2 + v_c * t**2 / c**4)
        value[_ratio(control, (parts.numerator, parts.denominator))[0] == 0] = np.nan
    known = (np.minimum(treatment.n, control.n) > 1) & np.isfinite(value) & np.isfinite(error)
    return Effects(
        value=np.where(known, value, np.nan),
        error=np.where(known, error, np.nan),
        df=np.where(known, df, np.nan),
        n_treatment=treatment.n,
        n_control=control.n,
    )


def _slope(both: Stack, parts: Parts) -> tuple[Floats, Floats]:
    """Return θ and the common level of the covariates, as if there were no effect."""
    _, slope = _ratio(both, (parts.numerator, parts.denominator))
    centre, slopes = _covariates(both, parts)
    covariance = both.covariance()
    among = np.einsum("dai,dij,dbj->dab", slopes, covariance, slopes)
    beside = np.einsum("dai,dij,dj->da", slopes, covariance, slope)
    finite = np.isfinite(among).all(axis=(1, 2)) & np.isfinite(beside).all(axis=1)
    # The pseudo-inverse gives a constant or repeated covariate the slope 0 instead of an error.
    inverse = np.linalg.pinv(np.where(finite[:, None, None], among, 0.0), hermitian=True)
    theta = np.einsum("dab,db->da", inverse, np.where(finite[:, None], beside, 0.0))
    return theta, np.where(finite[:, None], centre, 0.0)


def _covariates(arm: Stack, parts: Parts) -> tuple[Floats, Floats]:
    """Return the covariates of an arm, D × c, and their slopes by its means, D × c × k."""
    found = [_ratio(arm, pair) for pair in parts.covariates]
    return np.stack([one for one, _ in found], axis=1), np.stack([by for _, by in found], axis=1)


def _ratio(arm: Stack, pair: tuple[str, str | None]) -> tuple[Floats, Floats]:
    """Return a ratio of two means (or a mean) at every day, and its slopes by the means."""
    above, slopes = arm.names.index(pair[0]), np.zeros_like(arm.mean)
    if pair[1] is None:
        slopes[:, above] = 1.0
        return arm.mean[:, above], slopes
    below = arm.names.index(pair[1])
    ratio = arm.mean[:, above] / arm.mean[:, below]
    slopes[:, above] = 1 / arm.mean[:, below]
    slopes[:, below] -= ratio / arm.mean[:, below]
    return ratio, slopes


def _outer(rows: Floats) -> Floats:
    """Return the product of each row with itself."""
    return np.asarray(rows[:, :, None] * rows[:, None, :])
