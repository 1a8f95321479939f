"""Fits a purchase model and a spend model: posterior, NUTS or maximum likelihood. Owns no formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.clv import gamma_gamma
from workbench.clv.estimate import Estimate, How, Method, estimate
from workbench.clv.fit import ClvFit, Spend
from workbench.clv.lifetimes_fitters import fit_gamma_gamma, fit_purchases
from workbench.clv.limits import GateLimits
from workbench.clv.models import MODELS, Purchases
from workbench.clv.posterior import Target
from workbench.clv.priors import Prior, chosen
from workbench.clv.rows import Rows, collapse
from workbench.clv.summary import DAYS_PER_UNIT, RfmSummary, Unit
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.gates import Check, Gate, gate

Floats = npt.NDArray[np.float64]

_FEWEST_REPEATERS = 10  # below this nothing is fitted; GateLimits has the higher bar
_NORMAL_95 = 1.959964


@checked
def fit_clv(
    summary: RfmSummary,
    *,
    purchases: Purchases = "bg_nbd",
    spend: Spend | None = "gamma_gamma",
    method: Method = "posterior",
    priors: Mapping[str, Prior] | None = None,
    limits: GateLimits | None = None,
    draws: int = 1000,
    start: ClvFit | None = None,
    seed: int = 1,
) -> ClvFit:
    """Fit a purchase model and a spend model.

    Args:
        summary: Of :func:`rfm_summary` or :func:`as_summary`.
        purchases: ``bg_nbd``, ``mbg_nbd``, ``pareto_nbd``, or ``bg_bb`` for whole occasions.
        spend: ``gamma_gamma``, or None for purchases alone.
        method: ``posterior``: Laplace corrected by Pareto-smoothed importance sampling, and NUTS
            when its k̂ is too high; ``nuts``: PyMC and nutpie; ``mle``: maximum likelihood by
            lifetimes' fitters (Pareto/NBD by our own search, for lifetimes' is NaN on long
            histories).
        priors: Priors by parameter, times in days and money in cents; the others keep the
            model's. Not for ``mle``.
        limits: Limits of the gate.
        draws: Draws of the posterior to keep.
        start: An earlier fit of the same models: a warm start, never a prior. New purchases of
            the same customers are in their extended (x, t_x, T); counting the earlier posterior
            too would count them twice.
        seed: Seed of the draws.

    Returns:
        Parameters, their draws, a gate that says whether to trust them, and expectations for each
        customer.

    Raises:
        InputError: There are too few repeat customers to fit anything, no customer has a time in
            which to buy again, there are no amounts for spend, or BG/BB gets parts of occasions.
        ParameterError: A model, a method or a prior is not known, or ``draws`` is below 100.

    >>> fit = fit_clv(summary, method="mle")
    >>> {name: round(value, 3) for name, value in fit.parameters.items() if name in ("r", "alpha")}
    {'r': 0.243, 'alpha': 4.414}
    """
    if draws < 100:  # noqa: PLR2004 - no tail can be fitted to fewer
        raise ParameterError(problem("draws", draws, "must be at least 100"))
    limits = limits or GateLimits()
    rows = _rows(summary, purchases)
    repeaters = int(rows.weight[rows.x > 0].sum())
    believed = _priors(purchases, spend, method, priors)
    how = How(method=method, limits=limits, draws=draws, seed=seed)
    parts = [_fit_purchases(how, purchases, rows, unit=summary.unit, priors=believed, start=start)]
    checks = [_enough(repeaters, limits), *parts[0].checks]
    notes: list[str] = []
    if spend is not None:
        spent, more, notes = _fit_spend(how, summary, believed, start)
        parts.append(spent)
        checks += more
    passed = gate(checks, "fit")
    return ClvFit(
        parameters=MappingProxyType({k: v for part in parts for k, v in part.parameters.items()}),
        standard_errors=MappingProxyType({k: v for part in parts for k, v in part.errors.items()}),
        draws=parts[0].draws,
        spend_draws=None if spend is None else parts[1].draws,
        log_likelihood=parts[0].log_likelihood,
        spend_log_likelihood=None if spend is None else parts[1].log_likelihood,
        unit=summary.unit,
        purchases=purchases,
        spend=spend,
        method=method,
        priors=MappingProxyType({} if method == "mle" else believed),
        pareto_k=MappingProxyType({p.title: p.pareto_k for p in parts if p.pareto_k is not None}),
        summary=summary,
        rows=rows,
        gate=passed,
        table=_table(parts, MODELS[purchases].TIMES, summary.unit),
        text=_sentences(summary, parts, notes, passed),
    )


def _rows(summary: RfmSummary, purchases: Purchases) -> Rows:
    """Return the distinct histories, if there is anything to learn from them."""
    frame = summary.frame
    rows = collapse(frame["frequency"], frame["recency"], frame["T"])
    repeaters = float(rows.weight[rows.x > 0].sum())
    if rows.age.max() == 0:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: T is 0 for every customer, so that nobody had time to buy again"
        )
    if repeaters < _FEWEST_REPEATERS:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: a CLV model needs at least {_FEWEST_REPEATERS} customers "
            f"who bought again, were {text.count(repeaters)} of {text.count(frame.height)}"
        )
    if purchases == "bg_bb" and not _whole_occasions(rows):
        raise InputError(
            "BG/BB counts whole occasions: recency and T must be whole numbers, and frequency at "
            "most recency; make the summary with occasion_summary, or use bg_nbd, mbg_nbd or pareto_nbd"
        )
    return rows


def _whole_occasions(rows: Rows) -> bool:
    whole = (rows.t_x % 1 == 0).all() and (rows.age % 1 == 0).all()
    return bool(whole and (rows.x <= rows.t_x).all())


def _priors(
    purchases: Purchases,
    spend: Spend | None,
    method: Method,
    given: Mapping[str, Prior] | None,
) -> dict[str, Prior]:
    """Return the prior of each parameter, in days and cents."""
    model = MODELS[purchases]
    defaults = dict(model.PRIORS) | (dict(gamma_gamma.PRIORS) if spend else {})
    if given is not None and method == "mle":
        raise ParameterError("priors are not for method='mle', which has none")
    for name in given or {}:
        if name not in defaults:
            rule = f"must be one of {', '.join(defaults)}"
            hint = did_you_mean(name, defaults)
            raise ParameterError(problem("a parameter with a prior", name, rule, hint=hint))
    return chosen(list(defaults), defaults, given)


def _fit_purchases(
    how: How,
    purchases: Purchases,
    rows: Rows,
    *,
    unit: Unit,
    priors: Mapping[str, Prior],
    start: ClvFit | None,
) -> Estimate:
    """Estimate the purchase model in the unit of the summary."""
    model, days = MODELS[purchases], DAYS_PER_UNIT[unit]
    scaled = {
        name: priors[name].scaled(1 / days) if name in model.TIMES else priors[name]
        for name in model.NAMES
    }
    target = Target(
        names=model.NAMES,
        with_gradient=lambda at: model.total(at, rows),
        alone=lambda at: model.total_alone(at, rows),
        priors=None if how.method == "mle" else scaled,
        n=float(rows.weight.sum()),
    )
    warm = _warm(start, model.NAMES)
    if warm is not None and start is not None:
        shift = np.log(start.days_per_unit / days)
        warm = warm + np.array([shift if name in model.TIMES else 0.0 for name in model.NAMES])
    theta = np.log([scaled[name].scale for name in model.NAMES]) if warm is None else warm
    maximum = None if purchases == "pareto_nbd" else lambda: fit_purchases(purchases, rows)
    return estimate(how, model.TITLE, target, theta, maximum)


def _fit_spend(
    how: How, summary: RfmSummary, priors: Mapping[str, Prior], start: ClvFit | None
) -> tuple[Estimate, list[Check], list[str]]:
    """Estimate Gamma-Gamma from repeat customers whose purchases had a value."""
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
    rows = gamma_gamma.spend_rows(x, mean)
    target = Target(
        names=gamma_gamma.NAMES,
        with_gradient=lambda at: gamma_gamma.total(at, rows),
        alone=lambda at: gamma_gamma.total_alone(at, rows),
        priors=None if how.method == "mle" else priors,
        n=float(paid.height),
    )
    warm = _warm(start, gamma_gamma.NAMES)
    theta = np.log([priors[n].scale for n in gamma_gamma.NAMES]) if warm is None else warm
    made = estimate(how, gamma_gamma.TITLE, target, theta, lambda: fit_gamma_gamma(x, mean))
    q = made.draws[:, gamma_gamma.NAMES.index("q")].min() if len(made.draws) else np.nan
    checks = [*made.checks, _independent(x, mean, how.limits)]
    checks.append(Check("q", text.number(float(q), 3), "above 1", bool(q > 1)))
    note = f"not in the spend model: {text.plural(free, 'repeat customer')} without a value"
    return made, checks, [note] if free else []


def _independent(x: Floats, mean: Floats, limits: GateLimits) -> Check:
    """Check what Gamma-Gamma takes for granted: value does not go with frequency."""
    same = bool(np.ptp(x) == 0 or np.ptp(mean) == 0)
    correlation = 0.0 if same else float(np.corrcoef(x, mean)[0, 1])
    return Check(
        "correlation of frequency and value",
        text.number(correlation, 3),
        f"between −{limits.max_correlation:g} and {limits.max_correlation:g}",
        abs(correlation) <= limits.max_correlation,
    )


def _warm(start: ClvFit | None, names: Sequence[str]) -> Floats | None:
    """Return θ of an earlier fit, if it has these parameters."""
    if start is None or any(name not in start.parameters for name in names):
        return None
    return np.log([start.parameters[name] for name in names])


def _enough(repeaters: int, limits: GateLimits) -> Check:
    return Check(
        "repeat customers",
        text.count(repeaters),
        f"at least {text.count(limits.min_repeaters)}",
        repeaters >= limits.min_repeaters,
    )


def _table(parts: Sequence[Estimate], times: Sequence[str], unit: str) -> pd.DataFrame:
    rows = []
    for part in parts:
        units = {"v": "cent"} | dict.fromkeys(times, unit)
        for i, (name, value) in enumerate(part.parameters.items()):
            error = part.errors.get(name, float("nan"))
            low, high = _interval(part.draws[:, i], value, error)
            rows.append((name, value, error, low, high, units.get(name, "")))
    names = ["parameter", "value", "standard_error", "low", "high", "unit"]
    return pd.DataFrame(rows, columns=names)


def _interval(draws: Floats, value: float, error: float) -> tuple[float, float]:
    """Return the 95 % interval: of the draws, or log-normal around a maximum."""
    if len(draws) > 1:
        low, high = np.quantile(draws, [0.025, 0.975])
        return float(low), float(high)
    factor = float(np.exp(_NORMAL_95 * error / value))
    return value / factor, value * factor


def _sentences(
    summary: RfmSummary, parts: Sequence[Estimate], notes: Sequence[str], passed: Gate
) -> str:
    values = ", ".join(
        f"{name} {text.number(value, 3)}"
        for part in parts
        for name, value in part.parameters.items()
    )
    fitted = (
        f"fitted to {text.plural(summary.frame.height, 'customer')}: {values or 'no parameters'}"
        f" (time in {summary.unit}s, money in cents); log-likelihood of the purchases "
        f"{text.number(parts[0].log_likelihood, 1)}"
    )
    return " ".join([*(text.sentence(part) for part in (fitted, *notes)), passed.text])
