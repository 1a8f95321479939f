"""What an effect is worth believing: posteriors, stated losses, guardrails, futility. Owns no data.

A posterior is normal: a prior for the effect, normal or flat, and an estimate with its standard error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pandas as pd
from scipy.stats import norm

from workbench import text
from workbench.arguments import checked
from workbench.errors import ParameterError, problem
from workbench.experiment.sequences import check_alpha

Choice: TypeAlias = Literal["launch", "keep the control", "go on"]
Guard: TypeAlias = Literal["holds", "breached", "open"]


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """A normal posterior of an effect.

    Attributes:
        mean: Its mean.
        sd: Its standard deviation.

    >>> [round(loss, 7) for loss in Posterior(mean=0.1, sd=0.05).losses()]
    [0.0004245, 0.1004245]
    """

    mean: float
    sd: float

    def chance_above(self, effect: float = 0.0) -> float:
        """Return the probability that the effect is larger than a value."""
        return float(norm.sf((effect - self.mean) / self.sd))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the central interval of a level."""
        half = float(norm.isf((1 - level) / 2)) * self.sd
        return self.mean - half, self.mean + half

    def losses(self) -> tuple[float, float]:
        """Return the expected loss of launching and of not launching, in the unit of the effect.

        Launching loses where the effect is below 0, E[max(−δ, 0)]; keeping the control loses where
        it is above, E[max(δ, 0)].
        """
        z = self.mean / self.sd
        peak = self.sd * float(norm.pdf(z))
        launching = peak - self.mean * float(norm.cdf(-z))
        return launching, peak + self.mean * float(norm.cdf(z))


@dataclass(frozen=True, kw_only=True, eq=False)
class Belief(text.Result):
    """A posterior and what it says to do.

    Attributes:
        table: One row: ``effect``, ``low``, ``high``, ``probability_better``, ``loss_launching``,
            ``loss_keeping`` and ``choice``.
        text: The choice and the losses that it rests on.
        posterior: The posterior.
        choice: What loses less than was stated, or to go on.
    """

    posterior: Posterior
    choice: Choice


def posterior(
    value: float,
    standard_error: float,
    *,
    prior_mean: float = 0.0,
    prior_sd: float | None = None,
) -> Posterior:
    """Return the posterior of an effect.

    Args:
        value: The estimate.
        standard_error: Its standard error.
        prior_mean: Mean of the normal prior.
        prior_sd: Its standard deviation; None: a flat prior.

    Raises:
        ParameterError: A standard error or deviation is not above 0.

    >>> found = posterior(0.05, 0.03572, prior_mean=0.1, prior_sd=0.1**0.5)
    >>> round(found.mean, 5), round(found.sd, 5)
    (0.05063, 0.03549)
    """
    for name, sd in (("standard_error", standard_error), ("prior_sd", prior_sd)):
        if sd is not None and not 0 < sd < math.inf:
            raise ParameterError(problem(name, sd, "must be finite and above 0"))
    if prior_sd is None:
        return Posterior(mean=value, sd=standard_error)
    precision = 1 / standard_error**2 + 1 / prior_sd**2
    mean = (value / standard_error**2 + prior_mean / prior_sd**2) / precision
    return Posterior(mean=mean, sd=precision**-0.5)


@checked
def believe(
    value: float,
    standard_error: float,
    *,
    largest_loss: float,
    prior_mean: float = 0.0,
    prior_sd: float | None = None,
    level: float = 0.95,
) -> Belief:
    """Say what to do by a stated loss: launch, keep the control, or go on.

    The loss is stated before the experiment: how much of the metric one would give away at most, on
    average, by a wrong decision. A posterior may be looked at as often as one likes only where its
    prior is right; :func:`workbench.monitor` keeps its error without a prior.

    Args:
        value: The estimate of the effect.
        standard_error: Its standard error.
        largest_loss: The stated loss, in the unit of the effect.
        prior_mean: Mean of the normal prior of the effect.
        prior_sd: Its standard deviation; None: a flat prior.
        level: Level of the interval.

    Returns:
        The posterior, the expected losses and the choice.

    Raises:
        ParameterError: A loss, a level or a standard deviation breaks its rule.

    >>> believe(0.1, 0.05, largest_loss=0.001).choice
    'launch'
    """
    if not largest_loss > 0:
        raise ParameterError(problem("largest_loss", largest_loss, "must be above 0"))
    check_alpha(1 - level)
    found = posterior(value, standard_error, prior_mean=prior_mean, prior_sd=prior_sd)
    launching, keeping = found.losses()
    choice: Choice = "go on"
    if min(launching, keeping) <= largest_loss:
        choice = "launch" if launching <= keeping else "keep the control"
    low, high = found.interval(level)
    table = pd.DataFrame(
        {
            "effect": [found.mean],
            "low": [low],
            "high": [high],
            "probability_better": [found.chance_above()],
            "loss_launching": [launching],
            "loss_keeping": [keeping],
            "choice": [choice],
        }
    )
    said = (
        f"{choice}: launching loses {text.number(launching, 4)} on average and keeping the control "
        f"{text.number(keeping, 4)}, at most {text.number(largest_loss, 4)} may be lost; the treatment "
        f"is better with a probability of {text.share(found.chance_above())}"
    )
    return Belief(table=table, text=text.sentence(said), posterior=found, choice=choice)


def guard(low: float, high: float, margin: float) -> Guard:
    """Say whether a guardrail holds: whether the effect is shown to be no worse than a margin.

    Args:
        low: Lower end of an interval of the effect, in which more is better.
        high: Upper end.
        margin: The loss that would be accepted, above 0.

    Raises:
        ParameterError: The margin is not above 0.

    >>> guard(-0.01, 0.03, 0.02), guard(-0.05, -0.03, 0.02), guard(-0.05, 0.03, 0.02)
    ('holds', 'breached', 'open')
    """
    if not margin > 0:
        raise ParameterError(problem("margin", margin, "must be above 0"))
    if low > -margin:
        return "holds"
    return "breached" if high < -margin else "open"


def predictive_power(
    value: float,
    standard_error: float,
    information: float,
    *,
    alpha: float = 0.05,
    prior_mean: float = 0.0,
    prior_sd: float | None = None,
) -> float:
    """Return the chance that the experiment ends significant, given what it has shown so far.

    Args:
        value: The estimate so far.
        standard_error: Its standard error.
        information: Share of the planned units that it is from, above 0 and at most 1.
        alpha: Level of the two-sided test at the end.
        prior_mean: Mean of the normal prior of the effect.
        prior_sd: Its standard deviation; None: a flat prior.

    Raises:
        ParameterError: The information is no share, or a level or deviation breaks its rule.

    Source: Spiegelhalter, Freedman and Blackburn (1986), Controlled Clinical Trials 7.

    >>> round(predictive_power(0.0, 1.0, 0.8), 3), round(predictive_power(3.0, 1.0, 0.8), 3)
    (0.0, 0.997)
    """
    check_alpha(alpha)
    if not 0 < information <= 1:
        raise ParameterError(problem("information", information, "must be above 0 and at most 1"))
    final = standard_error * math.sqrt(information)
    limit = float(norm.isf(alpha / 2)) * final
    if information == 1:
        return float(abs(value) >= limit)
    belief = posterior(value, standard_error, prior_mean=prior_mean, prior_sd=prior_sd)
    rest = 1 - information
    mean = information * value + rest * belief.mean
    sd = rest * math.sqrt(belief.sd**2 + final**2 / rest)
    return float(norm.sf((limit - mean) / sd) + norm.cdf((-limit - mean) / sd))
