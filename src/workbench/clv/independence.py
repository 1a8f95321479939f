"""Does the value of a purchase go with how often a customer buys? Owns no spend model.

Gamma-Gamma takes mean value and frequency as independent. Then E[z̄ | x] is the same for every x,
whatever the distribution of z̄. The alternative is a power, E[z̄ | x] = exp(a) · x^b, fitted by the
score of a gamma regression with a logarithmic link; its errors are of the sandwich (HC3), for the
spread of z̄ shrinks as x grows. So the test takes no more from Gamma-Gamma than what it tests.

Sources: Fader, Hardie and Lee (2005), "RFM and CLV: Using Iso-Value Curves for Customer Base
Analysis", Journal of Marketing Research 42(4), who check the correlation; MacKinnon and White
(1985), "Some heteroskedasticity-consistent covariance matrix estimators", Journal of Econometrics
29(3), for the errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from scipy.stats import t as student

from workbench import text
from workbench.arguments import checked
from workbench.clv.summary import RfmSummary
from workbench.errors import InputError, ParameterError, problem

Floats = npt.NDArray[np.float64]
Verdict = Literal["holds", "fails", "open"]

_FEWEST_REPEATERS = 10
_MOST_STEPS = 50
_SMALL_STEP = 1e-12
_FIRST_OPEN_GROUP = 8  # frequencies are grouped as 1, 2 to 3, 4 to 7, 8 and more


@dataclass(frozen=True, kw_only=True, eq=False)
class SpendIndependence(text.Result):
    """Whether the value of a purchase goes with frequency.

    Attributes:
        elasticity: b of E[mean value | x] = exp(a) · x^b: 0 is independence; at 0.2 a customer
            with twice the purchases pays 15 % more for each.
        low: Lower end of its interval.
        high: Upper end.
        p_value: Of b = 0, two-sided.
        correlation: Of x and mean value over repeat customers, as the papers report it; one large
            customer may carry it.
        verdict: ``holds``: the interval lies within the limit; ``fails``: it lies outside;
            ``open``: it crosses the limit, so that the data do not settle it.
        customers: Repeat customers with a value above 0.
        table: By frequency: ``customers``, ``mean_value_cents``, its ``standard_error_cents``, and
            ``fitted_value_cents`` of the power.
        text: The verdict and its figures.
    """

    elasticity: float
    low: float
    high: float
    p_value: float
    correlation: float
    verdict: Verdict
    customers: int


@checked
def spend_independence(
    summary: RfmSummary, *, max_elasticity: float = 0.2, level: float = 0.95
) -> SpendIndependence:
    """Test what Gamma-Gamma takes for granted, with a verdict.

    Args:
        summary: Of :func:`rfm_summary` or :func:`as_summary`, with amounts.
        max_elasticity: Largest |elasticity| that does not matter, above 0.
        level: Probability inside the interval.

    Returns:
        The elasticity of mean value by frequency, and whether it is small enough.

    Raises:
        InputError: There are no amounts, fewer than 10 repeat customers with a value above 0, or
            all of them bought equally often.
        ParameterError: An argument breaks its rule.

    >>> found = spend_independence(summary)
    >>> found.verdict, round(found.correlation, 3)
    ('open', 0.114)
    """
    if not 0 < max_elasticity < float("inf"):
        raise ParameterError(problem("max_elasticity", max_elasticity, "must be above 0"))
    if not 0 < level < 1:
        raise ParameterError(problem("level", level, "must be above 0 and below 1"))
    x, mean = _paid(summary)
    design = np.column_stack([np.ones_like(x), np.log(x)])
    beta, error = _regressed(design, mean)
    b, freedom = float(beta[1]), len(x) - 2
    half = float(student.ppf((1 + level) / 2, freedom)) * error
    low, high = b - half, b + half
    p = float(2 * student.sf(abs(b) / error, freedom)) if error > 0 else float(b == 0)
    correlation = float(np.corrcoef(x, mean)[0, 1]) if np.ptp(mean) > 0 else 0.0
    verdict = _verdict(low, high, max_elasticity)
    interval = text.interval(text.number(low), text.number(high), level)
    return SpendIndependence(
        elasticity=b,
        low=low,
        high=high,
        p_value=p,
        correlation=correlation,
        verdict=verdict,
        customers=len(x),
        table=_by_frequency(x, mean, np.exp(design @ beta)),
        text=_sentence(b, interval, p, verdict, max_elasticity),
    )


def _paid(summary: RfmSummary) -> tuple[Floats, Floats]:
    """Return (x, mean value) of the repeat customers whose purchases had a value."""
    if not summary.has_amounts:
        raise InputError("the summary has no amounts, so that no value can go with frequency")
    paid = summary.frame.filter((pl.col("frequency") > 0) & (pl.col("monetary_cents") > 0))
    if paid.height < _FEWEST_REPEATERS:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: the test needs at least {_FEWEST_REPEATERS} repeat customers "
            f"with a value above 0, were {text.count(paid.height)}"
        )
    x = paid["frequency"].to_numpy().astype(float)
    if np.ptp(x) == 0:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: every repeat customer bought again equally often "
            f"({text.count(x[0])}), so that no value can go with frequency"
        )
    return x, paid["monetary_cents"].to_numpy().astype(float)


def _regressed(design: Floats, mean: Floats) -> tuple[Floats, float]:
    """Return (a, b) where the gamma score is 0, and the HC3 error of b."""
    beta = np.array([np.log(mean.mean()), 0.0])
    for _ in range(_MOST_STEPS):
        ratio = mean * np.exp(-design @ beta)
        step = np.linalg.solve(design.T @ (design * ratio[:, None]), design.T @ (ratio - 1))
        # The loss is convex; a step of more than one would be a leap in the logarithm of money.
        beta = beta + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < _SMALL_STEP:
            break
    inverse = np.linalg.inv(design.T @ design)
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    residual = (mean * np.exp(-design @ beta) - 1) / (1 - np.minimum(leverage, 0.999))
    scores = (design @ inverse)[:, 1] * residual
    return beta, float(np.sqrt(scores @ scores))


def _verdict(low: float, high: float, limit: float) -> Verdict:
    if -limit <= low and high <= limit:
        return "holds"
    return "fails" if low > limit or high < -limit else "open"


def _by_frequency(x: Floats, mean: Floats, fitted: Floats) -> pd.DataFrame:
    """Return mean values by frequency, in groups that double."""
    group = np.minimum(2 ** np.floor(np.log2(x)), _FIRST_OPEN_GROUP).astype(int)
    rows = []
    for first in np.unique(group):
        member = group == first
        n = int(member.sum())
        last = 2 * int(first) - 1
        name = str(first) if first == 1 else f"{first} to {last}"
        name = f"{first}+" if first == _FIRST_OPEN_GROUP else name
        error = float(mean[member].std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
        rows.append((name, n, float(mean[member].mean()), error, float(fitted[member].mean())))
    columns = ["repeat_purchases", "customers", "mean_value_cents", "standard_error_cents"]
    return pd.DataFrame(rows, columns=[*columns, "fitted_value_cents"])


def _sentence(b: float, interval: str, p: float, verdict: Verdict, limit: float) -> str:
    twice = 2.0**b - 1
    figures = (
        f"a repeat customer with twice the purchases pays {text.share(abs(twice))} "
        f"{'less' if twice < 0 else 'more'} for each (elasticity {text.number(b)}, {interval}; "
        f"p-value of none {text.p_value(p)})"
    )
    said = {
        "holds": f"value is independent enough of frequency for Gamma-Gamma: {figures}",
        "fails": f"value goes with frequency, which Gamma-Gamma takes as independent: {figures}; "
        "fit groups of like frequency apart, or judge value without the spend model",
        "open": f"whether value goes with frequency is not settled: {figures}; "
        f"the interval crosses the limit of {text.number(limit)}",
    }
    return text.sentence(said[verdict])
