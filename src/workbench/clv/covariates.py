"""Customers whose rate and leaving go with numbers known of them, such as age. Owns no likelihood.

With z the covariates of a customer, each less its mean and divided by its standard deviation, she
buys at exp(γ'z) times the common rate, α/exp(γ'z), and leaves at exp(δ'z) times the common rate,
β/exp(δ'z) (Pareto/NBD), or with exp(δ'z) times the common odds, a · exp(δ'z) (BG/NBD, MBG/NBD). In
BG/BB both are odds at an occasion, α · exp(γ'z) of buying and γ · exp(δ'z) of leaving. The
covariates are of the time before the first purchase, or never change: what a customer did later is
a consequence of buying. Groups without an order belong in `pooled`.

Source: Fader and Hardie (2007), "Incorporating Time-Invariant Covariates into the Pareto/NBD and
BG/NBD Models", note 019, for α, β and the beta distribution of leaving; BG/BB as those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.clv import gamma_gamma
from workbench.clv.fit import ClvFit
from workbench.clv.models import Model, Purchases, expected_purchases
from workbench.clv.posterior import Target, sample
from workbench.clv.priors import Prior
from workbench.clv.smoothing import MOST_PARETO_K
from workbench.clv.value import ends_of, horizon_of, mean_and_ends
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.frames import Frame, as_polars
from workbench.gates import Check, Gate, gate
from workbench.streams import stream

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


class _Place(NamedTuple):
    """Which parameter of a model a multiple moves, and whether it multiplies (1) or divides (−1)."""

    parameter: int
    sign: int


_OF_ALPHA_AND_A = (_Place(1, -1), _Place(2, 1))
_PLACES: Mapping[Purchases, tuple[_Place, _Place]] = {  # of buying, and of leaving
    "bg_nbd": _OF_ALPHA_AND_A,
    "mbg_nbd": _OF_ALPHA_AND_A,
    "pareto_nbd": (_Place(1, -1), _Place(3, -1)),
    "bg_bb": (_Place(0, 1), _Place(2, 1)),
}
_COMMON = 4
_MOST_COLUMNS = 8
_MOST_ROWS = 200_000
_STEP = 1e-5
_USED_DRAWS = 200
_SHOWN = 0.9
_MOST_ALIKE = 0.99


class _Rows(NamedTuple):
    """Distinct histories with their covariates, their weights, and the row of each customer."""

    x: Floats
    t_x: Floats
    age: Floats
    z: Floats
    weight: Floats
    row_of: Codes


@dataclass(frozen=True, kw_only=True, eq=False)
class CovariateFit(text.Result):
    """A purchase model whose rate and leaving go with covariates.

    Attributes:
        pooled: The fit without covariates; spend is its own.
        means: Mean of each covariate, which the common parameters are at.
        deviations: Its standard deviation.
        draws: Draws of the common parameters, then of the multiples of buying for one standard
            deviation more of each covariate, then of those of leaving.
        pareto_k: k̂ of the posterior.
        gate: Whether to trust it.
        rows: Distinct histories with their covariates.
        table: A row a covariate: ``mean``, ``standard_deviation``, and ``rate_multiple`` and
            ``leaving_multiple`` for one standard deviation more, with 90 % intervals. They multiply
            a rate, or odds: of leaving in BG/NBD and MBG/NBD, of both in BG/BB.
        text: What goes with the rate, and what with leaving.
    """

    pooled: ClvFit
    means: Mapping[str, float]
    deviations: Mapping[str, float]
    draws: Floats
    pareto_k: float
    gate: Gate
    rows: _Rows

    def probability_alive(self) -> pd.Series:
        """Return P(alive) of each customer at the end of the observation."""
        rows, model = self.rows, self.pooled.model
        made = [
            model.probability_alive(
                _of_rows(self.pooled.purchases, at, rows.z), rows.x, rows.t_x, rows.age
            )
            for at in self._used()
        ]
        return self._by_customer(np.mean(made, axis=0), "probability_alive")

    def expected_purchases(self, horizon_days: float) -> pd.Series:
        """Return the expected purchase days of each customer in the days after the observation.

        Raises:
            ParameterError: The horizon is not above 0.
        """
        if not 0 < horizon_days < float("inf"):
            raise ParameterError(problem("horizon_days", horizon_days, "must be above 0"))
        rows, time = self.rows, horizon_days / self.pooled.days_per_unit
        total = np.zeros(len(rows.weight))
        for at in self._used():
            own = _of_rows(self.pooled.purchases, at, rows.z)
            total += expected_purchases(self.pooled.model, own, time, rows.x, rows.t_x, rows.age)
        return self._by_customer(total / len(self._used()), "expected_purchases")

    def clv(
        self,
        horizon_days: int,
        *,
        discount_annual: float = 0.1,
        margin_share: float = 1.0,
        level: float = 0.9,
    ) -> pd.DataFrame:
        """Return what each customer is worth in the coming days, discounted, with intervals.

        Args:
            horizon_days: How far ahead, in days.
            discount_annual: Yearly discount rate.
            margin_share: Share of the value of a purchase that is earned.
            level: Probability inside the intervals.

        Raises:
            InputError: There is no spend model.
            ParameterError: An argument breaks its rule.
        """
        horizon, ends = horizon_of(horizon_days, discount_annual, margin_share), ends_of(level)
        rows, model = self.rows, self.pooled.model
        days, weights = horizon.weights()
        times = days[:, None] / self.pooled.days_per_unit
        spend_draws = self.pooled.spend_draws_used(_USED_DRAWS)
        paid = self.pooled.paid()
        value = np.empty((min(len(self._used()), len(spend_draws)), len(rows.row_of)))
        for s, at in enumerate(self._used()[: len(value)]):
            own = _of_rows(self.pooled.purchases, at, rows.z)
            alive = model.probability_alive(own, rows.x, rows.t_x, rows.age)
            each = alive * (weights @ model.expected_if_alive(own, times, rows.x, rows.age))
            spend = gamma_gamma.expected_value(spend_draws[s], *paid)
            value[s] = each[rows.row_of] * spend * horizon.margin_share
        told = mean_and_ends(value, ends)
        index = pd.Index(self.pooled.summary.frame["customer"].to_list(), name="customer")
        names = ["clv_cents", "clv_low_cents", "clv_high_cents"]
        return pd.DataFrame(dict(zip(names, told, strict=True)), index=index)

    def at(self, values: Mapping[str, float]) -> ClvFit:
        """Return the fit of customers with these covariates, for example for ``new_customer``.

        Args:
            values: A number for each covariate, in its own unit.

        Raises:
            ParameterError: A covariate is missing, is not one, or is not finite.
        """
        for name in [*values, *self.means]:
            if name not in self.means or name not in values:
                rule = f"must be given for each of {', '.join(self.means)} and nothing else"
                raise ParameterError(problem("a covariate", name, rule))
        z = np.array([(values[k] - self.means[k]) / self.deviations[k] for k in self.means])
        if not np.isfinite(z).all():
            raise ParameterError(problem("values", dict(values), "must be finite numbers"))
        names, draws = self.pooled.model.NAMES, _moved(self.pooled.purchases, self.draws, z)
        own = dict(zip(names, draws.mean(axis=0).tolist(), strict=True))
        errors = dict(zip(names, draws.std(axis=0, ddof=1).tolist(), strict=True))
        said = text.listing([f"{text.words(k)} {text.number(v)}" for k, v in values.items()])
        return replace(
            self.pooled,
            draws=draws,
            parameters=MappingProxyType({**self.pooled.parameters, **own}),
            standard_errors=MappingProxyType({**self.pooled.standard_errors, **errors}),
            log_likelihood=float("nan"),
            gate=self.gate,
            table=pd.DataFrame({"parameter": list(own), "value": list(own.values())}),
            text=f"{text.sentence(f'customers with {said}')} {self.gate.text}",
        )

    def _used(self) -> Floats:
        places = np.linspace(0, len(self.draws) - 1, min(_USED_DRAWS, len(self.draws)))
        chosen: Floats = self.draws[places.round().astype(int)]
        return chosen

    def _by_customer(self, values: Floats, name: str) -> pd.Series:
        index = pd.Index(self.pooled.summary.frame["customer"].to_list(), name="customer")
        return pd.Series(values[self.rows.row_of], index=index, name=name)


@checked
def fit_covariates(
    pooled: ClvFit,
    customers: Frame,
    columns: Sequence[str],
    *,
    spread: float = 0.5,
    seed: int = 1,
) -> CovariateFit:
    """Fit a purchase model whose rate and leaving go with numbers known of each customer.

    Args:
        pooled: A fit of all customers with a posterior, by any model; priors are its own.
        customers: One row a customer with ``person_id`` and the covariates, none missing.
        columns: The covariates, 1 to 8 columns of numbers.
        spread: Prior standard deviation of the logarithm of a multiple, for one standard deviation
            more of a covariate; its mean is 0, no effect.
        seed: Seed of the draws.

    Returns:
        Multiples of the rate and of leaving by covariate, and expectations for each customer.

    Raises:
        InputError: A customer or a covariate is missing, a covariate is no number, is the same for
            all, or two are nearly the same; the fit has no posterior; there are more than 200,000
            distinct histories with covariates.
        ParameterError: A column is not there, or ``spread`` is not above 0.

    >>> from workbench.clv import fit_clv
    >>> shown = fit_clv(summary, spend=None, draws=200)
    >>> people = pl.DataFrame({"person_id": summary.frame["customer"].cast(pl.String),
    ...                        "age": [20.0 + k % 40 for k in range(2357)]})
    >>> fit_covariates(shown, people, ["age"]).table["rate_multiple"].round(1).to_list()
    [1.0]
    """
    if not 0 < spread < float("inf"):
        raise ParameterError(problem("spread", spread, "must be above 0"))
    if len(pooled.draws) <= 1 or not pooled.priors:
        raise InputError("the fit has no posterior; fit it with method='posterior'")
    raw = _covariates(pooled, customers, columns)
    means, deviations = raw.mean(axis=0), raw.std(axis=0)
    rows = _collapsed(pooled, (raw - means) / deviations)
    target, start = _target(pooled, rows, columns, spread)
    n = len(pooled.draws)
    rng = stream(seed, "clv/covariates")
    drawn = sample(target, start, draws=n, proposals=4 * n, rng=rng)
    check = Check(
        "k̂ of the posterior with covariates",
        text.number(drawn.pareto_k, 2),
        f"at most {MOST_PARETO_K:g}",
        drawn.pareto_k <= MOST_PARETO_K,
    )
    passed = gate([check], "fit with covariates")
    table = _table(columns, means, deviations, drawn.values)
    return CovariateFit(
        pooled=pooled,
        means=MappingProxyType(dict(zip(columns, means.tolist(), strict=True))),
        deviations=MappingProxyType(dict(zip(columns, deviations.tolist(), strict=True))),
        draws=drawn.values,
        pareto_k=drawn.pareto_k,
        gate=passed,
        rows=rows,
        table=table,
        text=f"{_sentence(table, pooled.purchases)} {passed.text}",
    )


def _covariates(pooled: ClvFit, customers: Frame, columns: Sequence[str]) -> Floats:
    """Return the covariates of each customer of the fit, in its order, checked."""
    frame = as_polars(customers, "customers")
    if not 1 <= len(columns) <= _MOST_COLUMNS or len(set(columns)) < len(columns):
        rule = f"must be 1 to {_MOST_COLUMNS} different columns"
        raise ParameterError(problem("columns", list(columns), rule))
    for name in ("person_id", *columns):
        if name not in frame.columns:
            hint = did_you_mean(name, frame.columns)
            rule = f"must be one of {', '.join(frame.columns)}"
            raise ParameterError(problem("a column of customers", name, rule, hint=hint))
    for name in columns:
        if not frame[name].dtype.is_numeric():
            rule = "must be a number; groups are for fit_groups"
            raise InputError(problem(f"the type of {name}", str(frame[name].dtype), rule))
    known = frame.select(pl.col("person_id").cast(pl.String), *columns)
    if known["person_id"].is_duplicated().any():
        raise InputError("customers must have one row each; some person_id occurs twice")
    who = pooled.summary.frame.select(person_id=pl.col("customer").cast(pl.String))
    joined = who.join(known, on="person_id", how="left", maintain_order="left")
    _check_values(joined, columns)
    return joined.select(pl.col(list(columns)).cast(pl.Float64)).to_numpy()


def _check_values(joined: pl.DataFrame, columns: Sequence[str]) -> None:
    """Refuse covariates that are missing, constant, or the same as another."""
    for name in columns:
        finite = joined[name].cast(pl.Float64).is_finite().fill_null(value=False)
        if not finite.all():
            raise InputError(
                f"{name} is missing or not finite for {text.plural(int((~finite).sum()), 'customer')} "
                "of the fit; leave them out, or give a value and a column that says so"
            )
        if joined[name].n_unique() == 1:
            raise InputError(f"{name} is the same for every customer, so that nothing goes with it")
    raw = joined.select(pl.col(list(columns)).cast(pl.Float64)).to_numpy()
    alike = np.corrcoef(raw, rowvar=False) if len(columns) > 1 else np.eye(1)
    for i, j in zip(*np.where(np.triu(np.abs(alike), 1) > _MOST_ALIKE), strict=True):
        raise InputError(
            f"{columns[i]} and {columns[j]} are nearly the same (correlation "
            f"{text.number(float(alike[i, j]), 3)}); take one of them"
        )


def _collapsed(pooled: ClvFit, z: Floats) -> _Rows:
    """Return the distinct histories with covariates."""
    frame = pooled.summary.frame.select(
        x=pl.col("frequency").cast(pl.Float64), t="recency", age="T"
    ).with_columns(pl.Series(f"z{k}", z[:, k]) for k in range(z.shape[1]))
    distinct = (
        frame.group_by(frame.columns).agg(weight=pl.len()).sort(frame.columns).with_row_index("row")
    )
    if distinct.height > _MOST_ROWS:
        raise InputError(
            f"there are {text.count(distinct.height)} distinct histories with covariates, must be at "
            f"most {text.count(_MOST_ROWS)}; round the covariates, or fit a sample of customers"
        )
    row_of = frame.join(distinct, on=frame.columns, how="left", maintain_order="left")["row"]
    x, t_x, age = (distinct[name].to_numpy() for name in ("x", "t", "age"))
    return _Rows(
        x=x,
        t_x=t_x,
        age=age,
        z=distinct.select(frame.columns[3:]).to_numpy(),
        weight=distinct["weight"].to_numpy().astype(float),
        row_of=row_of.to_numpy().astype(np.int64),
    )


def _target(
    pooled: ClvFit, rows: _Rows, columns: Sequence[str], spread: float
) -> tuple[Target, Floats]:
    """Return likelihood and priors of common parameters and multiples, and θ to begin at."""
    model: Model = pooled.model
    places = _PLACES[pooled.purchases]
    per_unit = 1 / pooled.days_per_unit
    priors = {
        name: pooled.priors[name].scaled(per_unit if name in model.TIMES else 1.0)
        for name in model.NAMES
    }
    multiples = [f"{kind} by {name}" for kind in ("rate", "leaving") for name in columns]
    priors |= {name: Prior("lognormal", 1.0, spread) for name in multiples}

    def each(parameters: Floats) -> Floats:
        return model.log_likelihood(parameters, rows.x, rows.t_x, rows.age)

    def with_gradient(at: Floats) -> tuple[float, Floats]:
        own = _of_rows(pooled.purchases, at, rows.z)
        slopes = np.empty((_COMMON, len(rows.weight)))
        for k in range(_COMMON):
            up, down = own.copy(), own.copy()
            up[k] *= np.exp(_STEP)
            down[k] *= np.exp(-_STEP)
            slopes[k] = rows.weight * (each(up) - each(down)) / (2 * _STEP)
        by_log = np.concatenate(
            [slopes.sum(axis=1), *(sign * slopes[k] @ rows.z for k, sign in places)]
        )
        return float(rows.weight @ each(own)), by_log / at

    target = Target(
        names=[*model.NAMES, *multiples],
        with_gradient=with_gradient,
        alone=lambda at: float(rows.weight @ each(_of_rows(pooled.purchases, at, rows.z))),
        priors=priors,
        n=float(rows.weight.sum()),
    )
    common = [pooled.parameters[name] for name in model.NAMES]
    return target, np.log([*common, *[1.0] * len(multiples)])


def _of_rows(purchases: Purchases, at: Floats, z: Floats) -> Floats:
    """Return the parameters (a row each) of each distinct history at one draw of them."""
    own = np.repeat(at[:_COMMON, None], len(z), axis=1)
    logs = np.log(at[_COMMON:]).reshape(2, z.shape[1])
    for (parameter, sign), of in zip(_PLACES[purchases], logs, strict=True):
        own[parameter] *= np.exp(sign * (z @ of))
    return own


def _moved(purchases: Purchases, draws: Floats, z: Floats) -> Floats:
    """Return draws of the parameters at one value of the covariates."""
    own = draws[:, :_COMMON].copy()
    logs = np.log(draws[:, _COMMON:]).reshape(len(draws), 2, len(z))
    for k, (parameter, sign) in enumerate(_PLACES[purchases]):
        own[:, parameter] *= np.exp(sign * (logs[:, k] @ z))
    return own


def _table(
    columns: Sequence[str], means: Floats, deviations: Floats, values: Floats
) -> pd.DataFrame:
    made: dict[str, object] = {
        "covariate": list(columns),
        "mean": means,
        "standard_deviation": deviations,
    }
    for kind, name in enumerate(("rate", "leaving")):
        multiple = values[:, _COMMON + kind * len(columns) :][:, : len(columns)]
        made[f"{name}_multiple"] = multiple.mean(axis=0)
        made[f"{name}_low"], made[f"{name}_high"] = np.quantile(multiple, ends_of(_SHOWN), axis=0)
    return pd.DataFrame(made)


def _sentence(table: pd.DataFrame, purchases: Purchases) -> str:
    parts = []
    rate = "the odds" if purchases == "bg_bb" else "the rate"
    leaving = "the rate" if purchases == "pareto_nbd" else "the odds"
    for name, does, of in (("rate", "buy at", rate), ("leaving", "leave at", leaving)):
        clear = table[(table[f"{name}_low"] > 1) | (table[f"{name}_high"] < 1)]
        if clear.empty:
            what = "the rate of purchases" if name == "rate" else "leaving"
            parts.append(text.sentence(f"no covariate clearly goes with {what}"))
        for row in clear.to_dict("records"):
            low, high = (text.number(row[f"{name}_{end}"]) for end in ("low", "high"))
            parts.append(
                text.sentence(
                    f"customers with {text.number(row['standard_deviation'])} more of "
                    f"{text.named(row['covariate'])} {does} {text.number(row[f'{name}_multiple'])} "
                    f"times {of} ({text.interval(low, high, _SHOWN)})"
                )
            )
    return " ".join(parts)
