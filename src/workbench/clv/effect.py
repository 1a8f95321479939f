"""The effect of an offer on customer value: the difference between arms of an experiment.

Owns the difference; each arm has a fit of its own. An offer may change how often customers buy, how
long they stay and what they pay, so nothing is taken as equal between arms but the models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench import text
from workbench.arguments import checked
from workbench.clv import gamma_gamma
from workbench.clv.models import expected_purchases_new
from workbench.clv.value import CustomerValue, ends_of
from workbench.errors import InputError, ParameterError, problem
from workbench.streams import stream

if TYPE_CHECKING:
    from workbench.experiment import Estimate

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClvEffect(text.Result):
    """How much more a customer of each arm is worth than one of the control.

    Attributes:
        table: A row for each arm but the control: ``arm``, ``customers``, ``clv_cents`` (mean),
            ``difference_cents`` with ``low_cents`` and ``high_cents``, ``probability_better``, and
            ``net_cents`` (difference less cost).
        draws: Draws of the difference by arm, in cents a customer: what a decision reads.
        control: The control.
        n_control: Customers of the control.
        text: The difference in sentences.
    """

    draws: Mapping[str, Floats]
    control: str
    n_control: int

    @property
    def best(self) -> str:
        """The arm of which most is left after its cost, whether or not it is more than nothing."""
        return str(self.table["arm"].iloc[int(self.table["net_cents"].to_numpy().argmax())])

    def profit(self, arm: str | None = None) -> Estimate:
        """Return what a customer of an arm brings beyond one of the control, its cost taken off, as an estimate.

        This is what :func:`workbench.launch_decision` decides by, in cents a customer over the horizon
        of the values: a launch is then judged by what customers are worth, and not only by what they did
        while they were watched. The decision takes the draws as normal by their mean and spread; with few
        customers they are skewed, and ``draws`` say so.

        Args:
            arm: The arm; may be left out when there is one beside the control.

        Raises:
            ParameterError: There is no such arm, or there are several and none is named.

        >>> effect = clv_effect({"a": fit.clv(90), "b": fit.clv(90)}, control="a")
        >>> effect.profit("b").n_control
        2357
        """
        arms = [str(each) for each in self.table["arm"]]
        if arm is None and len(arms) == 1:
            arm = arms[0]
        if arm not in arms:
            raise ParameterError(problem("arm", arm, f"must be one of {', '.join(arms)}"))
        from workbench.experiment import Estimate  # noqa: PLC0415 - half a second that others save

        row = self.table.iloc[arms.index(arm)]
        return Estimate(
            value=float(row["net_cents"]),
            standard_error=float(self.draws[arm].std(ddof=1)),
            df=math.inf,
            n_treatment=int(row["customers"]),
            n_control=self.n_control,
        )


@checked
def clv_effect(
    values: Mapping[str, CustomerValue],
    *,
    control: str,
    cost_cents: Mapping[str, float] | None = None,
) -> ClvEffect:
    """Return the difference in value a customer between the arms of an experiment.

    What is compared is the population of each arm, not the customers who happened to be in it: the
    expected margin in the horizon of a customer of the arm, before her history is known, at the ages
    of the arm's customers. It follows from the arm's parameters alone, so that its uncertainty is
    theirs. (The mean over the customers' own values has a noise that goes with that of the
    parameters: taking the two as independent gives intervals that are too short.)

    Args:
        values: Value by arm, each of a fit to that arm alone, with one horizon for all: of
            :func:`workbench.clv_by_arm`, or made arm by arm.
        control: The arm that the others are compared with.
        cost_cents: Cost of the offer a customer by arm, for ``net_cents``; default none.

    Returns:
        The difference of each arm, with its interval and its draws.

    Raises:
        InputError: There are fewer than two arms, or an arm has no posterior.
        ParameterError: The control is no arm, horizons differ, or a cost is of no arm.

    >>> clv_effect({"a": fit.clv(90), "b": fit.clv(90)}, control="a").table["arm"].tolist()
    ['b']
    """
    _check(values, control, cost_cents or {})
    # Fits with one seed have draws that go together; the arms are independent, so each is shuffled.
    means = {
        arm: stream(1, f"clv/effect/{arm}").permutation(_means(value))
        for arm, value in values.items()
    }
    level = values[control].level
    draws, rows, said = {}, [], []
    for arm, value in values.items():
        if arm == control:
            continue
        n = min(len(means[arm]), len(means[control]))
        gap = means[arm][:n] - means[control][:n]
        low, high = np.quantile(gap, ends_of(level))
        net = float(gap.mean()) - (cost_cents or {}).get(arm, 0.0)
        better = float((gap > 0).mean())
        draws[arm] = gap
        rows.append(
            (arm, value.frame.height, float(means[arm].mean()), float(gap.mean()), float(low),
             float(high), better, net)
        )  # fmt: skip
        interval = text.interval(text.amount(float(low)), text.amount(float(high)), level)
        said.append(
            f"a customer of {text.named(arm)} is worth {text.more(float(gap.mean()), text.amount)} than "
            f"one of {text.named(control)} ({interval}), and more at all with probability "
            f"{text.share(better)}; after its cost {text.amount(net)} are left"
        )
    columns = ["arm", "customers", "clv_cents", "difference_cents", "low_cents", "high_cents",
               "probability_better", "net_cents"]  # fmt: skip
    return ClvEffect(
        table=pd.DataFrame(rows, columns=columns),
        draws=draws,
        control=control,
        n_control=values[control].frame.height,
        text=" ".join(text.sentence(part) for part in said),
    )


def _check(
    values: Mapping[str, CustomerValue], control: str, cost_cents: Mapping[str, float]
) -> None:
    if len(values) < 2:  # noqa: PLR2004 - a difference is of two
        raise InputError(f"{text.NOT_ENOUGH_DATA}: an effect needs at least two arms")
    for name in (control, *cost_cents):
        if name not in values:
            rule = f"must be one of {', '.join(values)}"
            raise ParameterError(problem("an arm", name, rule))
    if len({value.horizon for value in values.values()}) > 1:
        raise ParameterError("the arms differ in horizon, discount or margin; value all alike")
    for arm, value in values.items():
        if len(value.fit.purchase_draws()) == 1:
            raise InputError(f"{arm} has no posterior; fit it with method='posterior'")


def _means(value: CustomerValue) -> Floats:
    """Return draws of the expected margin of a customer whose history is not known."""
    fit, (ends, weights) = value.fit, value.horizon.weights()
    ages, place = np.unique(fit.rows.age, return_inverse=True)
    share = np.bincount(place, weights=fit.rows.weight) / fit.rows.weight.sum()
    upto = ages + ends[:, None] / fit.days_per_unit
    means = []
    for at, spend in zip(fit.purchase_draws(), fit.spend_draws_used(), strict=False):
        before = expected_purchases_new(fit.model, at, ages)
        bought = weights @ (expected_purchases_new(fit.model, at, upto) - before)
        means.append(bought @ share * gamma_gamma.population_mean(spend))
    return np.array(means) * value.horizon.margin_share
