"""A fitted CLV model: parameters, their draws, expectations, gate. Owns no formula and no fitter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench import text
from workbench.arguments import checked
from workbench.clv import gamma_gamma
from workbench.clv.estimate import Method
from workbench.clv.models import MODELS, Model, Purchases, expected_purchases
from workbench.clv.priors import Prior
from workbench.clv.rows import Rows
from workbench.clv.summary import DAYS_PER_UNIT, RfmSummary
from workbench.clv.value import CustomerValue, customer_value
from workbench.errors import InputError, ParameterError, problem
from workbench.gates import Gate

Floats = npt.NDArray[np.float64]
Spend = Literal["gamma_gamma"]

_USED_DRAWS = 200  # of an answer: its Monte Carlo error is a fourteenth of a posterior deviation


@dataclass(frozen=True, kw_only=True, eq=False)
class ClvFit(text.Result):
    """A purchase model and, if asked for, a spend model, fitted to one summary.

    Every answer is a mean over the draws of the posterior; with ``mle`` there is one draw, the
    estimate. BG/NBD gives P(alive) = 1 to everybody with one purchase day, however long ago.

    Attributes:
        parameters: Posterior means, or estimates, by name: those of the purchase model (times in
            ``unit``), then p, q, v (in cents). Empty for a model that did not converge.
        standard_errors: Posterior standard deviations, or standard errors, by the same names.
        draws: Draws of the purchase model's parameters, a row each.
        spend_draws: Draws of p, q, v; None without a spend model.
        log_likelihood: Of the purchase model at ``parameters``, a sum over customers with time in
            ``unit``; NaN when it did not converge. (lifetimes' own figure is a mean on rescaled
            time and cannot be compared.)
        spend_log_likelihood: Of the spend model, money in cents; None without one.
        unit: Unit of the parameters that are times.
        purchases: The purchase model.
        spend: The spend model, or None.
        method: What was asked for; when k̂ was too high the gate says that NUTS took over.
        priors: Priors by name, times in days and money in cents; empty for ``mle``.
        pareto_k: k̂ of each model's posterior; empty for ``mle`` and ``nuts``.
        summary: What it was fitted to.
        rows: Its distinct histories.
        gate: Convergence, repeat customers, independence of frequency and value.
        table: Parameter, value, standard error (posterior deviation), 95 % interval, unit.
        text: The fit and its gate in sentences.
    """

    parameters: Mapping[str, float]
    standard_errors: Mapping[str, float]
    draws: Floats
    spend_draws: Floats | None
    log_likelihood: float
    spend_log_likelihood: float | None
    unit: str
    purchases: Purchases
    spend: Spend | None
    method: Method
    priors: Mapping[str, Prior]
    pareto_k: Mapping[str, float]
    summary: RfmSummary
    rows: Rows
    gate: Gate

    @property
    def model(self) -> Model:
        """The formulas of the purchase model."""
        return MODELS[self.purchases]

    @property
    def days_per_unit(self) -> float:
        """Days in the unit of time."""
        return DAYS_PER_UNIT[self.summary.unit]

    @property
    def purchase_parameters(self) -> tuple[float, ...]:
        """The parameters of the purchase model, in its order.

        Raises:
            InputError: The purchase model did not converge.
        """
        self.purchase_draws()
        return tuple(self.parameters[name] for name in self.model.NAMES)

    def purchase_draws(self, most: int = _USED_DRAWS) -> Floats:
        """Return draws of the purchase model, evenly chosen.

        Raises:
            InputError: The purchase model did not converge.
        """
        if len(self.draws) == 0:
            raise InputError("the purchase model did not converge, so it says nothing")
        return _thinned(self.draws, most)

    def spend_draws_used(self, most: int = _USED_DRAWS) -> Floats:
        """Return as many draws of the spend model as of the purchase model.

        Raises:
            InputError: There is no spend model, or it did not converge, or it has no mean (q ≤ 1).
        """
        if self.spend_draws is None:
            raise InputError("the fit has no spend model; fit with spend='gamma_gamma'")
        if len(self.spend_draws) == 0:
            raise InputError("the spend model did not converge, so it says nothing")
        least = float(self.spend_draws[:, gamma_gamma.NAMES.index("q")].min())
        if least <= 1:
            rule = "must be above 1 in every draw: the mean value is infinite below"
            raise InputError(problem("q", round(least, 4), rule))
        return _thinned(self.spend_draws, most)

    def paid(self) -> tuple[Floats, Floats]:
        """Return (x, mean value in cents) of each customer, x 0 where no value was paid.

        A repeat customer whose purchases were free is outside the spend model and is taken with
        the mean of the population.
        """
        x = self.summary.frame["frequency"].to_numpy().astype(float)
        mean = self.summary.frame["monetary_cents"].fill_null(0.0).to_numpy().astype(float)
        return np.where(mean > 0, x, 0.0), mean

    @checked
    def expected_purchases(self, horizon_days: float) -> pd.Series:
        """Return the expected purchase days of each customer in the days after the observation.

        Raises:
            InputError: The purchase model did not converge.
            ParameterError: The horizon is not above 0.
        """
        if not 0 < horizon_days < float("inf"):
            raise ParameterError(problem("horizon_days", horizon_days, "must be above 0"))
        rows, time = self.rows, horizon_days / self.days_per_unit
        expected = self._mean(
            lambda at: expected_purchases(self.model, at, time, rows.x, rows.t_x, rows.age)
        )
        return self._by_customer(expected[rows.row_of], "expected_purchases")

    def probability_alive(self) -> pd.Series:
        """Return P(alive) of each customer at the end of the observation.

        In BG/NBD it is exactly 1 for a customer with one purchase day: nobody leaves before the
        second purchase. MBG/NBD and Pareto/NBD have an answer there.

        Raises:
            InputError: The purchase model did not converge.
        """
        rows = self.rows
        alive = self._mean(lambda at: self.model.probability_alive(at, rows.x, rows.t_x, rows.age))
        return self._by_customer(alive[rows.row_of], "probability_alive")

    def expected_value_cents(self) -> pd.Series:
        """Return the expected value of a future purchase day of each customer, in cents.

        Raises:
            InputError: There is no spend model, or it did not converge, or it has no mean (q ≤ 1).
        """
        x, mean = self.paid()
        draws = self.spend_draws_used()
        value = np.mean([gamma_gamma.expected_value(at, x, mean) for at in draws], axis=0)
        return self._by_customer(value, "expected_value_cents")

    @checked
    def clv(
        self,
        horizon_days: int,
        *,
        discount_annual: float = 0.1,
        margin_share: float = 1.0,
        level: float = 0.9,
    ) -> CustomerValue:
        """Return what each customer is worth in the coming days, discounted.

        Args:
            horizon_days: How far ahead, in days.
            discount_annual: Yearly discount rate; 0.1 is 10 %.
            margin_share: Share of the value of a purchase that is earned, above 0 and at most 1.
            level: Probability inside the intervals.

        Raises:
            InputError: A model did not converge, or there is no spend model.
            ParameterError: An argument breaks its rule.
        """
        return customer_value(
            self,
            horizon_days=horizon_days,
            discount_annual=discount_annual,
            margin_share=margin_share,
            level=level,
        )

    def _mean(self, of: Callable[[Floats], Floats]) -> Floats:
        """Return the mean of a function of the parameters over their draws, one draw at a time."""
        draws = self.purchase_draws()
        total = np.zeros(len(self.rows))
        for at in draws:
            total += of(at)
        return total / len(draws)

    def _by_customer(self, values: Floats, name: str) -> pd.Series:
        index = pd.Index(self.summary.frame["customer"].to_list(), name="customer")
        return pd.Series(values, index=index, name=name)


def _thinned(draws: Floats, most: int) -> Floats:
    places = np.linspace(0, len(draws) - 1, min(most, len(draws))).round().astype(int)
    chosen: Floats = draws[places]
    return chosen
