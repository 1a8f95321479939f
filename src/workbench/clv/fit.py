"""A fitted CLV model: parameters, expectations, value, gates. Owns no formula and no fitter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.clv import bg_nbd, gamma_gamma
from workbench.clv.bg_nbd import BgNbd
from workbench.clv.gamma_gamma import GammaGamma
from workbench.clv.gates import Check, Gate, GateLimits, gate
from workbench.clv.lifetimes_fitters import RawFit, fit_bg_nbd, fit_gamma_gamma
from workbench.clv.summary import DAYS_PER_UNIT, RfmSummary
from workbench.clv.value import CustomerValue, customer_value
from workbench.errors import InputError, ParameterError, problem

Floats = npt.NDArray[np.float64]
Purchases = Literal["bg_nbd"]
Spend = Literal["gamma_gamma"]

_FEWEST_REPEATERS = 10  # below this nothing is fitted; GateLimits has the higher bar
_GRADIENT_STEP = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class ClvFit(text.Result):
    """A purchase model and, if asked for, a spend model, fitted to one summary.

    BG/NBD gives P(alive) = 1 to everybody with one purchase day, however long ago.

    Attributes:
        parameters: Values by name: r, alpha (in ``unit``), a, b; p, q, v (in cents). Empty for a
            model that did not converge.
        standard_errors: By the same names, as lifetimes gives them.
        log_likelihood: Of the purchase model, by our own formula, a sum over customers with time
            in ``unit``; NaN when it did not converge. (lifetimes' own figure is a mean on
            rescaled time and cannot be compared.)
        spend_log_likelihood: Of the spend model, money in cents; None without one.
        unit: Unit of alpha: day or week.
        gate: Convergence, repeat customers, independence of frequency and value.
        table: Parameter, value, standard error, unit.
        text: The fit and its gate in sentences.
    """

    parameters: Mapping[str, float]
    standard_errors: Mapping[str, float]
    log_likelihood: float
    spend_log_likelihood: float | None
    unit: str
    purchases: Purchases
    spend: Spend | None
    summary: RfmSummary
    gate: Gate

    @property
    def purchase_model(self) -> BgNbd:
        """The four parameters of BG/NBD.

        Raises:
            InputError: The purchase model did not converge.
        """
        return BgNbd(*self._values(BgNbd._fields, "purchase"))

    @property
    def spend_model(self) -> GammaGamma:
        """The three parameters of Gamma-Gamma.

        Raises:
            InputError: There is no spend model, or it did not converge.
        """
        if self.spend is None:
            raise InputError("the fit has no spend model; fit with spend='gamma_gamma'")
        return GammaGamma(*self._values(GammaGamma._fields, "spend"))

    def expected_purchases(self, horizon_days: float) -> pd.Series:
        """Return the expected purchase days of each customer in the days after the observation.

        Raises:
            InputError: The purchase model did not converge.
            ParameterError: The horizon is not above 0.
        """
        if not 0 < horizon_days < float("inf"):
            raise ParameterError(problem("horizon_days", horizon_days, "must be above 0"))
        expected = bg_nbd.expected_purchases(
            self.purchase_model, horizon_days / self._days_per_unit, *_history(self.summary.frame)
        )
        return self._by_customer(expected, "expected_purchases")

    def probability_alive(self) -> pd.Series:
        """Return P(alive) of each customer at the end of the observation.

        It is exactly 1 for a customer with one purchase day: in BG/NBD nobody leaves before
        the second purchase.

        Raises:
            InputError: The purchase model did not converge.
        """
        alive = bg_nbd.probability_alive(self.purchase_model, *_history(self.summary.frame))
        return self._by_customer(alive, "probability_alive")

    def expected_value_cents(self) -> pd.Series:
        """Return the expected value of a future purchase day of each customer, in cents.

        Raises:
            InputError: There is no spend model, or it did not converge, or it has no mean (q ≤ 1).
        """
        model = self.spend_model
        if model.q <= 1:
            rule = "must be above 1: the mean value is infinite below"
            raise InputError(problem("q", round(model.q, 4), rule))
        x = self.summary.frame["frequency"].to_numpy()
        mean = self.summary.frame["monetary_cents"].fill_null(0.0).to_numpy()
        # A repeat customer whose purchases were free is outside the model: the population's mean.
        x = np.where(mean > 0, x, 0)
        value = gamma_gamma.expected_value(model, x, mean)
        return self._by_customer(value, "expected_value_cents")

    def clv(
        self, horizon_days: int, *, discount_annual: float = 0.1, margin_share: float = 1.0
    ) -> CustomerValue:
        """Return what each customer is worth in the coming days, discounted.

        Args:
            horizon_days: How far ahead, in days.
            discount_annual: Yearly discount rate; 0.1 is 10 %.
            margin_share: Share of the value of a purchase that is earned, above 0 and at most 1.

        Raises:
            InputError: A model did not converge, or there is no spend model.
            ParameterError: An argument breaks its rule.
        """
        return customer_value(
            self,
            horizon_days=horizon_days,
            discount_annual=discount_annual,
            margin_share=margin_share,
            until=self.summary.until,
        )

    @property
    def _days_per_unit(self) -> int:
        return DAYS_PER_UNIT[self.summary.unit]

    def _by_customer(self, values: Floats, name: str) -> pd.Series:
        index = pd.Index(self.summary.frame["customer"].to_list(), name="customer")
        return pd.Series(values, index=index, name=name)

    def _values(self, names: Sequence[str], model: str) -> list[float]:
        if any(name not in self.parameters for name in names):
            raise InputError(f"the {model} model did not converge, so it says nothing")
        return [self.parameters[name] for name in names]


@checked
def fit_clv(
    summary: RfmSummary,
    *,
    purchases: Purchases = "bg_nbd",
    spend: Spend | None = "gamma_gamma",
    limits: GateLimits | None = None,
) -> ClvFit:
    """Fit a purchase model and a spend model by maximum likelihood (lifetimes' fitters).

    Args:
        summary: Of :func:`rfm_summary` or :func:`as_summary`.
        purchases: ``bg_nbd``.
        spend: ``gamma_gamma``, or None for purchases alone.
        limits: Limits of the gate.

    Returns:
        Parameters, their standard errors, a gate that says whether to trust them, and expectations
        for each customer.

    Raises:
        InputError: There are too few repeat customers to fit anything, or no amounts for spend.
        ParameterError: A model is not known.

    >>> fit = fit_clv(summary)
    >>> {name: round(value, 3) for name, value in fit.parameters.items() if name in ("r", "alpha")}
    {'r': 0.243, 'alpha': 4.414}
    """
    if purchases != "bg_nbd":
        raise ParameterError(problem("purchases", purchases, "must be 'bg_nbd'"))
    if spend not in {"gamma_gamma", None}:
        raise ParameterError(problem("spend", spend, "must be 'gamma_gamma' or None"))
    limits = limits or GateLimits()
    frame = summary.frame
    x, t_x, age = _history(frame)
    repeaters = int((x > 0).sum())
    if repeaters < _FEWEST_REPEATERS:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: a CLV model needs at least {_FEWEST_REPEATERS} customers "
            f"who bought again, were {text.count(repeaters)} of {text.count(len(x))}"
        )
    raw = fit_bg_nbd(x, t_x, age)
    log_likelihood, slope = _at_top(
        raw, lambda values: float(bg_nbd.log_likelihood(BgNbd(*values), x, t_x, age).sum()), len(x)
    )
    checks = [
        _enough(repeaters, limits),
        _converged("BG/NBD", slope, limits),
    ]
    parameters, errors = dict(raw.values), dict(raw.standard_errors)
    spend_log_likelihood: float | None = None
    notes: list[str] = []
    if spend is not None:
        raw, spend_log_likelihood, more, note = _fit_spend(summary, limits)
        parameters |= raw.values
        errors |= raw.standard_errors
        checks += more
        notes += note
    passed = gate(checks, "fit")
    return ClvFit(
        parameters=MappingProxyType(parameters),
        standard_errors=MappingProxyType(errors),
        log_likelihood=log_likelihood,
        spend_log_likelihood=spend_log_likelihood,
        unit=summary.unit,
        purchases=purchases,
        spend=spend,
        summary=summary,
        gate=passed,
        table=_table(parameters, errors, summary.unit),
        text=_sentences(summary, parameters, log_likelihood, notes, passed),
    )


def _fit_spend(
    summary: RfmSummary, limits: GateLimits
) -> tuple[RawFit, float, list[Check], list[str]]:
    """Fit Gamma-Gamma to repeat customers whose purchases had a value."""
    if not summary.has_amounts:
        raise InputError("the summary has no amounts, which a spend model needs; use spend=None")
    repeat = summary.frame.filter(pl.col("frequency") > 0)
    paid = repeat.filter(pl.col("monetary_cents") > 0)
    free = repeat.height - paid.height
    if paid.height < _FEWEST_REPEATERS:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: a spend model needs at least {_FEWEST_REPEATERS} repeat "
            f"customers with a value above 0, were {text.count(paid.height)}"
        )
    x = paid["frequency"].to_numpy().astype(float)
    mean = paid["monetary_cents"].to_numpy()
    raw = fit_gamma_gamma(x, mean)
    log_likelihood, slope = _at_top(
        raw,
        lambda values: float(gamma_gamma.log_likelihood(GammaGamma(*values), x, mean).sum()),
        paid.height,
    )
    same = bool(np.ptp(x) == 0 or np.ptp(mean) == 0)
    correlation = 0.0 if same else float(np.corrcoef(x, mean)[0, 1])
    q = raw.values.get("q", float("nan"))
    checks = [
        _converged("Gamma-Gamma", slope, limits),
        Check(
            "correlation of frequency and value",
            text.number(correlation, 3),
            f"between −{limits.max_correlation:g} and {limits.max_correlation:g}",
            abs(correlation) <= limits.max_correlation,
        ),
        Check("q", text.number(q, 3), "above 1", q > 1),
    ]
    note = f"not in the spend model: {text.plural(free, 'repeat customer')} without a value"
    return raw, log_likelihood, checks, [note] if free else []


def _at_top(raw: RawFit, total: Callable[[Floats], float], n: int) -> tuple[float, float]:
    """Return the log-likelihood at the fitted values and its largest slope.

    The slope is that of the mean over customers by the logarithm of each parameter, by central
    differences of our own formula: the check does not take the fitter's word for convergence.
    """
    if not raw.converged:
        return float("nan"), float("nan")
    at = np.array(list(raw.values.values()))
    slopes = []
    for i in range(len(at)):
        step = np.ones(len(at))
        step[i] = np.exp(_GRADIENT_STEP)
        slopes.append((total(at * step) - total(at / step)) / (2 * _GRADIENT_STEP * n))
    return total(at), float(np.abs(slopes).max())


def _enough(repeaters: int, limits: GateLimits) -> Check:
    return Check(
        "repeat customers",
        text.count(repeaters),
        f"at least {text.count(limits.min_repeaters)}",
        repeaters >= limits.min_repeaters,
    )


def _converged(name: str, slope: float, limits: GateLimits) -> Check:
    value = "not converged" if np.isnan(slope) else f"{slope:.1e}"
    return Check(
        f"slope of the {name} log-likelihood",
        value,
        f"at most {limits.max_gradient:g}",
        bool(slope <= limits.max_gradient),
    )


def _table(parameters: Mapping[str, float], errors: Mapping[str, float], unit: str) -> pd.DataFrame:
    units = {"alpha": unit, "v": "cent"}
    return pd.DataFrame(
        {
            "parameter": list(parameters),
            "value": list(parameters.values()),
            "standard_error": [errors.get(name, float("nan")) for name in parameters],
            "unit": [units.get(name, "") for name in parameters],
        }
    )


def _sentences(
    summary: RfmSummary,
    parameters: Mapping[str, float],
    log_likelihood: float,
    notes: Sequence[str],
    passed: Gate,
) -> str:
    values = ", ".join(f"{name} {text.number(value, 3)}" for name, value in parameters.items())
    fitted = (
        f"fitted to {text.plural(summary.frame.height, 'customer')}: {values or 'no parameters'}"
        f" (time in {summary.unit}s, money in cents); log-likelihood of the purchases "
        f"{text.number(log_likelihood, 1)}"
    )
    return " ".join([*(text.sentence(part) for part in (fitted, *notes)), passed.text])


def _history(frame: pl.DataFrame) -> tuple[Floats, Floats, Floats]:
    """Return (x, t_x, T) as arrays."""
    return (
        frame["frequency"].to_numpy().astype(float),
        frame["recency"].to_numpy(),
        frame["T"].to_numpy(),
    )
