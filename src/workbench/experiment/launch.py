"""Whether to launch, stop or test longer, from an estimate and a prior. Owns no estimate of an effect.

Everything is normal: the estimate by the central limit theorem, the prior by choice or learnt from an
archive of past experiments. The losses are those of :func:`expected_loss`; the value of testing longer is
the expected value of sample information (Raiffa and Schlaifer 1961); Test & Roll is Feit and Berman
(2019, Marketing Science 38).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.effect import Estimate
from workbench.experiment.metrics import check_numbers
from workbench.experiment.moments import Floats
from workbench.frames import Frame, as_polars, need_columns

_FEWEST_EXPERIMENTS = 5
_LONGER = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Prior(text.Result):
    """What is believed of an effect before it is measured: a normal distribution.

    Attributes:
        table: A row a past experiment: ``estimate``, ``standard_error`` and ``shrunken``, the
            estimate that the others draw towards the mean.
        text: Where the prior comes from.
        mean: Mean of true effects.
        sd: Standard deviation of true effects; infinite: nothing is known.
        experiments: How many experiments it was learnt from.
        mean_error: Standard error of the mean, which few experiments leave; a decision adds it to ``sd``.
    """

    mean: float
    sd: float
    experiments: int
    mean_error: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class LaunchDecision(text.Result):
    """What to do now, and what it would be worth to wait.

    Attributes:
        table: A row an action: ``launch``, ``do not launch``, then testing longer by shares of the
            units so far; ``units`` (further ones, both arms), ``expected_value_cents`` over the
            horizon and ``expected_loss_cents`` against knowing the truth.
        text: The action with the highest expected value, how probable a profit is, what is risked.
        action: ``launch``, ``do not launch`` or ``test longer``.
        probability_of_profit: Probability that the profit of a customer is above zero.
        expected_loss_launch_cents: Expected loss of launching against knowing the truth.
        expected_loss_stop_cents: The same of not launching.
        value_of_testing_cents: What the best longer test gains over deciding now; not below 0.
        posterior_mean_cents: Profit of a customer, prior and data together.
        posterior_sd_cents: Its standard deviation.
    """

    action: str
    probability_of_profit: float
    expected_loss_launch_cents: float
    expected_loss_stop_cents: float
    value_of_testing_cents: float
    posterior_mean_cents: float
    posterior_sd_cents: float


def flat_prior() -> Prior:
    """Return the prior of who knows nothing: the data decide alone.

    >>> flat_prior().sd
    inf
    """
    table = pd.DataFrame({"estimate": [], "standard_error": [], "shrunken": []})
    said = "No prior: the data decide alone."
    return Prior(table=table, text=said, mean=0.0, sd=math.inf, experiments=0)


@checked
def learn_prior(
    archive: Frame, *, estimate: str = "estimate", error: str = "standard_error"
) -> Prior:
    """Learn the distribution of true effects from an archive of past experiments.

    A true effect is normal around a common mean; an estimate is normal around its true effect. The
    variance between experiments solves Σ (y − μ)² / (s² + τ²) = k − 1 with μ the weighted mean: the
    empirical Bayes estimator of Morris (1983), known from meta-analysis as Paule and Mandel's.

    Args:
        archive: A row a past experiment, in the unit of the effect to come. All of them: an archive
            of winners makes a prior of winners.
        estimate: Column of the estimates; one that ends in ``_cents`` is told as money.
        error: Column of their standard errors.

    Returns:
        The prior, with each experiment drawn towards the mean.

    Raises:
        InputError: A column is missing or has nulls, an error is not above 0, or there are fewer
            than five experiments.

    >>> import pandas as pd
    >>> past = pd.DataFrame({"estimate": [1, -1, 3, 0, 2, -2], "standard_error": [1.0] * 6})
    >>> prior = learn_prior(past)
    >>> round(prior.mean, 3), round(prior.sd, 3)
    (0.5, 1.581)
    """
    frame = as_polars(archive, "archive")
    need_columns(frame.columns, [estimate, error], "archive")
    check_numbers([estimate, error], frame.schema, "column")
    y, s = (frame[name].cast(float).fill_null(math.nan).to_numpy() for name in (estimate, error))
    if len(y) < _FEWEST_EXPERIMENTS:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: the archive has {text.plural(len(y), 'experiment')}, a prior "
            f"needs at least {_FEWEST_EXPERIMENTS}"
        )
    if not (np.isfinite(y).all() and np.isfinite(s).all() and (s > 0).all()):
        raise InputError(
            f"every experiment of the archive needs a finite {estimate} and a {error} above 0"
        )
    variance = _between(y, s)
    mean = _weighted_mean(y, s, variance)
    shrunken = (y * variance + mean * s**2) / (variance + s**2)
    sd = math.sqrt(variance)
    form = text.money if estimate.endswith("_cents") else text.number
    spread = (
        f"vary around {form(mean)} with a standard deviation of {form(sd)}"
        if sd
        else f"do not vary beyond chance around {form(mean)}"
    )
    error_of_mean = float((1 / (s**2 + variance)).sum() ** -0.5)
    return Prior(
        table=pd.DataFrame({"estimate": y, "standard_error": s, "shrunken": shrunken}),
        text=(
            f"In {text.count(len(y))} past experiments true effects {spread}; the standard error of "
            f"that mean is {form(error_of_mean)}. The prior holds for an experiment like them, and only if "
            "the archive has the failures too."
        ),
        headline=f"True effects of {text.count(len(y))} past experiments {spread}",
        mean=mean,
        sd=sd,
        experiments=len(y),
        mean_error=error_of_mean,
    )


def _weighted_mean(y: Floats, s: Floats, variance: float) -> float:
    return float(np.average(y, weights=1 / (s**2 + variance)))


def _between(y: Floats, s: Floats) -> float:
    """Return the variance between experiments; 0 where chance alone explains the spread."""

    def excess(variance: float) -> float:
        gap = y - _weighted_mean(y, s, variance)
        return float((gap**2 / (s**2 + variance)).sum() - (len(y) - 1))

    if excess(0.0) <= 0:
        return 0.0
    above = float(np.var(y, ddof=1)) + float((s**2).max())
    while excess(above) > 0:
        above *= 2
    return float(optimize.brentq(excess, 0.0, above, xtol=1e-14 * above))


def expected_loss(mean: float, sd: float) -> tuple[float, float]:
    """Return the expected loss of acting and of not acting on a normal effect.

    Acting loses E[max(−θ, 0)], not acting E[max(θ, 0)]; they differ by the mean.

    >>> [round(each, 4) for each in expected_loss(0.0, 1.0)]
    [0.3989, 0.3989]
    """
    if sd == 0:
        return max(-mean, 0.0), max(mean, 0.0)
    z = mean / sd
    gain = float(sd * (stats.norm.pdf(z) + z * stats.norm.cdf(z)))
    return gain - mean, gain


@checked
def launch_decision(
    profit: Estimate,
    *,
    customers: int,
    prior: Prior | None = None,
    cost_of_launch_cents: float = 0.0,
    longer: Sequence[float] = _LONGER,
) -> LaunchDecision:
    """Decide between launching, not launching and testing longer, by expected profit.

    A longer test makes the estimate sharper by as many units as it adds. While it goes on, half of
    its units go without what the other half gets; after it the better of the two goes to the rest.

    Args:
        profit: Net profit of a customer in cents over the horizon, such as :func:`roi` estimates.
        customers: Customers to whom the launch would go.
        prior: From :func:`learn_prior`, in cents of profit a customer; none: the data decide alone.
        cost_of_launch_cents: What launching costs once, whatever comes of it.
        longer: Longer tests to look at, as shares of the units so far.

    Returns:
        The action with the highest expected value, beside what each is worth and risks.

    Raises:
        ParameterError: There is no customer, a share is not above 0, or the cost is below 0.
        InputError: The estimate has no error.

    >>> profit = Estimate(value=4.0, standard_error=8.0, df=1e6, n_treatment=5000, n_control=5000)
    >>> decision = launch_decision(profit, customers=100_000)
    >>> decision.action, round(decision.probability_of_profit, 3)
    ('test longer', 0.691)
    """
    if customers < 1:
        raise ParameterError(problem("customers", customers, "must be at least 1"))
    if cost_of_launch_cents < 0:
        raise ParameterError(
            problem("cost_of_launch_cents", cost_of_launch_cents, "must be at least 0")
        )
    if any(not each > 0 for each in longer):
        raise ParameterError(problem("longer", tuple(longer), "must have shares above 0 only"))
    if not (math.isfinite(profit.standard_error) and profit.standard_error > 0):
        raise InputError(f"{text.NOT_ENOUGH_DATA}: the profit has no standard error above 0")
    mean, sd = _posterior(profit, prior or flat_prior())
    net = mean - cost_of_launch_cents / customers
    launch_loss, stop_loss = expected_loss(net, sd)
    best_now = max(net, 0.0) * customers
    so_far = profit.n_treatment + profit.n_control
    rows: list[tuple[str, int, float]] = [
        ("launch", 0, net * customers),
        ("do not launch", 0, 0.0),
    ]
    for share in longer:
        units = min(round(share * so_far), customers)
        fixed = cost_of_launch_cents / customers
        value = _value_of_longer(mean, sd, profit.standard_error, (units, so_far), customers, fixed)
        rows.append((f"test longer, {text.share(share, 0)} more", units, value))
    table = pd.DataFrame(rows, columns=["action", "units", "expected_value_cents"])
    perfect = stop_loss * customers
    table["expected_loss_cents"] = perfect - table["expected_value_cents"]
    gain = max(float(table["expected_value_cents"][2:].max()) - best_now, 0.0) if longer else 0.0
    action = "test longer" if gain > 0 else "launch" if net > 0 else "do not launch"
    chance = float(stats.norm.cdf(net / sd)) if sd else float(net > 0)
    return LaunchDecision(
        table=table,
        text=_sentence(action, chance, (launch_loss, stop_loss), gain, customers, prior, mean),
        headline=f"{text.sentence(action).rstrip('.')}: a profit has a probability of {text.share(chance)}",
        action=action,
        probability_of_profit=chance,
        expected_loss_launch_cents=launch_loss * customers,
        expected_loss_stop_cents=stop_loss * customers,
        value_of_testing_cents=gain,
        posterior_mean_cents=mean,
        posterior_sd_cents=sd,
    )


def _posterior(profit: Estimate, prior: Prior) -> tuple[float, float]:
    """Return mean and standard deviation of the effect, prior and data together.

    Before the data, a further effect is as far from the mean as effects are and as the mean is unsure: the
    predictive distribution of Higgins, Thompson and Spiegelhalter (2009, JRSS A 172, section 5). How unsure
    the learnt spread is does not enter, so that the prior of few experiments is still somewhat too sure.
    """
    spread = math.hypot(prior.sd, prior.mean_error)
    if spread == 0:
        return prior.mean, 0.0
    before, data = 1 / spread**2, 1 / profit.standard_error**2
    mean = (prior.mean * before + profit.value * data) / (before + data)
    return mean, math.sqrt(1 / (before + data))


def _value_of_longer(  # noqa: PLR0917 - flat numbers of one formula
    mean: float, sd: float, error: float, units: tuple[int, int], customers: int, fixed: float
) -> float:
    """Return the expected value of a longer test: what its units earn, and the better choice after it."""
    more, so_far = units
    if sd == 0:
        return max(mean - fixed, 0.0) * customers
    after = 1 / (1 / sd**2 + more / so_far / error**2)
    moves = math.sqrt(max(sd**2 - after, 0.0))
    earned = mean * more / 2
    rest = customers - more
    _, gain = expected_loss(mean - fixed * customers / rest, moves) if rest else (0.0, 0.0)
    return earned + gain * rest


@checked
def best_test_size(customers: int, *, response_sd: float, prior_sd: float) -> float:
    """Return how many customers an arm should have before the better of two goes to the rest.

    n* = √(N/4 · (s/σ)² + (¾ (s/σ)²)²) − ¾ (s/σ)², for two arms with the same prior.

    Args:
        customers: N, all that there are.
        response_sd: s, standard deviation of one customer's response.
        prior_sd: σ, standard deviation of the mean response of an arm before the test.

    Raises:
        ParameterError: A value is not above 0.

    Source: Feit and Berman 2019, equation 10; its example of 100,000 visitors, μ = 0.68, σ = 0.03.

    >>> round(best_test_size(100_000, response_sd=math.sqrt(0.68 * 0.32), prior_sd=0.03), 2)
    2283.89
    """
    for name, value in (
        ("customers", customers), ("response_sd", response_sd), ("prior_sd", prior_sd),
    ):  # fmt: skip
        if not (value > 0 and math.isfinite(value)):
            raise ParameterError(problem(name, value, "must be above 0"))
    ratio = (response_sd / prior_sd) ** 2
    return math.sqrt(customers / 4 * ratio + (0.75 * ratio) ** 2) - 0.75 * ratio


def _sentence(  # noqa: PLR0917 - the parts of one sentence
    action: str,
    chance: float,
    losses: tuple[float, float],
    gain: float,
    customers: int,
    prior: Prior | None,
    mean: float,
) -> str:
    launch, stop = (text.amount(each * customers) for each in losses)
    first = {
        "launch": "launch: no longer test is worth its cost",
        "do not launch": "do not launch: no longer test is worth its cost",
        "test longer": f"test longer: that is worth {text.amount(gain)} more than deciding now",
    }[action]
    basis = "from the data alone"
    if prior is not None and math.isfinite(prior.sd):
        told = f"the prior of {text.plural(prior.experiments, 'past experiment')}"
        basis = (
            f"with {told if prior.experiments else 'a stated prior'}, by which the profit of a customer "
            f"is put at {text.money(mean)}"
        )
    return " ".join(
        text.sentence(each)
        for each in (
            first,
            f"The probability that profit is above zero is {text.share(chance)}, {basis}",
            f"Launching to {text.plural(customers, 'customer')} has an expected loss of {launch} "
            f"against knowing the truth, not launching one of {stop}",
        )
    )
