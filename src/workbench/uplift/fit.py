"""Bayesian uplift: what an offer does in each cell, with everything a decision needs. Owns no likelihood.

Outcomes are fitted one by one: given the arm, conversion and the spend of who converts separate exactly, and
other outcomes are taken as independent given theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.experiment.units import Source
from workbench.frames import Frame, as_polars, need_columns
from workbench.gates import Gate, gate
from workbench.uplift.cells import ANY, Cells, cells_of
from workbench.uplift.costs import cost_draws
from workbench.uplift.decision import OneRule, UpliftDraws, amount_of, one_rule
from workbench.uplift.kinds import KINDS, NumpyOps
from workbench.uplift.model import model_of
from workbench.uplift.priors import UpliftPrior
from workbench.uplift.sampling import Sampler, SamplingLimits, checks_of, sampled

Floats = npt.NDArray[np.float64]

_LEVELS = (0.025, 0.975)
_FEWEST_DRAWS = 100
_FEW_CELLS = 300  # cells and arms; many of them settle the spreads, so that steps may be larger
_SMALL_STEPS, _LARGE_STEPS = 0.98, 0.9


@dataclass(frozen=True, kw_only=True, eq=False)
class UpliftFit(text.Result):
    """A posterior of uplift by cell.

    Attributes:
        table: A row a cell and offer: the dimensions, ``offer``, ``customers`` (who got it),
            ``controls``, and for the measure of the decision ``baseline``, ``uplift`` with ``low`` and
            ``high`` (95 %), ``probability_above_zero``, ``probability_best`` (of all arms in the cell),
            ``expected_loss`` of taking this offer in the cell, and ``fallback``: "pooled effect" where
            the cell has no control or nobody got the offer.
        text: The gate if it does not hold; then whom it works for, or that one rule is for all.
        cells: The customers summed up.
        means: By outcome draws x cell x arm: the mean outcome of a customer.
        idata: By outcome its ``InferenceData`` (ArviZ), with the log-likelihood of cells and arms.
        spread: A row an outcome and term: how much effects differ, with the prior beside it.
        prior: The scales of the priors.
        gate: Whether the chains may be believed.
        decision: Draws of the measure and of cost, for a policy.
        rule: Whether to choose by cell, or one rule for all.
    """

    cells: Cells
    means: Mapping[str, Floats]
    idata: Mapping[str, Any]
    spread: pd.DataFrame
    prior: UpliftPrior
    gate: Gate
    decision: UpliftDraws
    rule: OneRule

    def uplift(self, outcome: str) -> Floats:
        """Return the draws of an outcome's uplift, draw x cell x offer.

        Raises:
            ParameterError: There is no such outcome.
        """
        if outcome not in self.means:
            rule = f"must be one of {', '.join(self.means)}"
            raise ParameterError(
                problem("outcome", outcome, rule, hint=did_you_mean(outcome, list(self.means)))
            )
        return np.asarray(self.means[outcome][:, :, 1:] - self.means[outcome][:, :, :1])

    def outcome_table(self, outcome: str) -> pd.DataFrame:
        """Return baseline, uplift and interval of one outcome, a row a cell and offer."""
        return _table(self.cells, self.means[outcome][:, :, 0], self.uplift(outcome))

    def predict(self, customers: Frame) -> pd.DataFrame:
        """Return the expected uplift of customers for each offer.

        Args:
            customers: A frame with the dimensions of the fit.

        Returns:
            Its rows with ``uplift_<offer>`` and ``fallback``: empty, or "pooled effect" where the levels
            were not seen together, so that the average over all cells stands in.

        Raises:
            InputError: A dimension is missing.
        """
        frame = as_polars(customers, "customers")
        need_columns(frame.columns, self.cells.by, "frame of customers")
        mean = self.decision.value.mean(axis=0)
        # The last row is for -1: levels that were not seen together.
        effect = np.vstack([mean, self.cells.weight @ mean])
        cell = self.decision.place(frame)
        return frame.with_columns(
            *(
                pl.Series(f"uplift_{offer}", effect[cell, k])
                for k, offer in enumerate(self.cells.arms[1:])
            ),
            fallback=pl.Series(np.where(cell < 0, "pooled effect", "")),
        ).to_pandas()


@checked
def fit_uplift(
    units: Source,
    *,
    outcomes: Mapping[str, str],
    by: Sequence[str] = (),
    arm: str = "arm",
    control: str = "control",
    unit: str | None = None,
    measure: str | None = None,
    cost: str | None = None,
    covariate: str | None = None,
    prior: UpliftPrior | None = None,
    sampler: Sampler = "nutpie",
    draws: int = 4000,
    tune: int = 1000,
    chains: int = 2,
    limits: SamplingLimits | None = None,
    seed: int = 1,
) -> UpliftFit:
    """Fit what each offer does in each cell, partly pooled over levels and cells.

    Args:
        units: A pandas, Polars or lazy frame, or the path of a Parquet or CSV file: one row a customer.
        outcomes: By column its kind: ``conversion``, ``visits``, ``spend`` (log-normal given any) or
            ``spend_gamma``, ``amount`` (such as profit).
        by: Columns of the dimensions of which effects may depend; all their combinations are cells.
        arm: Column of the arm.
        control: Label of the control.
        unit: Column of the customer; none: each row is another one.
        measure: The outcome that a decision is made by; none: the first.
        cost: Column of what an offer cost a customer, in cents; none: costs are not known.
        covariate: A number known before the trigger, such as spend before: it sharpens amounts and
            spend. For conversion and visits name its parts among ``by``: :func:`covariate_in_parts`.
        prior: Scales of the priors.
        sampler: ``nutpie``, or ``pymc``.
        draws: Draws of each chain.
        tune: Steps before them.
        chains: Chains.
        limits: Limits of the gate.
        seed: Seed of the sampler.

    Returns:
        The posterior by cell, whether it may be believed, and whether to choose by cell.

    Raises:
        InputError: A column is missing or breaks the rule of its kind, an arm was given in one level
            only, or there are more than 2,000 cells.
        ParameterError: An outcome, its kind, the measure or the sampler is not known, or there are fewer
            than 100 draws or 2 chains.

    Source: see :mod:`workbench.uplift.model`.

    >>> fit_uplift("nowhere.parquet", outcomes={"converted": "conversion"})
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: units was 'nowhere.parquet', must be a Parquet file and is not there
    """
    measure = measure or next(iter(outcomes), "")
    if outcomes and measure not in outcomes:
        rule = f"must be one of {', '.join(outcomes)}"
        raise ParameterError(
            problem("measure", measure, rule, hint=did_you_mean(measure, list(outcomes)))
        )
    if draws < _FEWEST_DRAWS or chains < 2:  # noqa: PLR2004 - chains must agree
        raise ParameterError(f"draws was {draws} in {chains} chains, must be at least 100 in 2")
    if covariate is not None and not any(
        KINDS[k].takes_covariate for k in outcomes.values() if k in KINDS
    ):
        raise ParameterError(
            problem(
                "covariate",
                covariate,
                "is for amounts and spend; name its parts among by (covariate_in_parts)",
            )
        )
    prior, limits = prior or UpliftPrior(), limits or SamplingLimits()
    cells = cells_of(
        units, outcomes=outcomes, by=by, arm=arm, control=control, unit=unit, covariate=covariate
    )
    costs = (
        cost_draws(
            units, cells, cost, arm=arm, control=control, unit=unit, draws=draws * chains, seed=seed
        )
        if cost is not None
        else np.full((draws * chains, len(cells.table), len(cells.arms) - 1), np.nan)
    )
    idata: dict[str, Any] = {}
    parts: dict[str, Floats] = {}
    checks, spreads = [], []
    for name, kind in cells.kinds.items():
        model = model_of(cells, name, prior)
        found = sampled(
            model, sampler=sampler, draws=draws, tune=tune, chains=chains, seed=seed,
            target_accept=_SMALL_STEPS if cells.n.size <= _FEW_CELLS else _LARGE_STEPS,
        )  # fmt: skip
        terms = ["spread"] if "spread" in found.posterior else []
        checks += checks_of(found, ["level", "effect", *terms], limits, name)
        eta, extras = predictor_draws(found, cells, name)
        _add_log_likelihood(found, cells, name, eta, extras, chains)
        parts[name] = np.asarray(kind.mean(eta, extras))
        spreads.append(_spreads(found, name, prior))
        idata[name] = found
    means = {
        name: parts[name] * parts[f"{name}{ANY}"] if f"{name}{ANY}" in parts else parts[name]
        for name in outcomes
    }
    passed = gate(checks, "uplift fit")
    value = means[measure][:, :, 1:] - means[measure][:, :, :1]
    decision = UpliftDraws(
        cells=cells.table,
        by=cells.by,
        arms=cells.arms,
        customers=cells.n.sum(axis=1),
        value=value,
        cost=costs,
        baseline=means[measure][:, :, 0],
        measure=measure,
        said="",
        passed=passed.passed,
    )
    found_rule = one_rule(decision)
    table = _table(cells, means[measure][:, :, 0], value)
    said = _text(cells, measure, value, table, found_rule, passed)
    return UpliftFit(
        table=table,
        text=said,
        headline=found_rule.headline,
        cells=cells,
        means=MappingProxyType(means),
        idata=MappingProxyType(idata),
        spread=pd.concat(spreads, ignore_index=True),
        prior=prior,
        gate=passed,
        decision=UpliftDraws(**{**decision.__dict__, "said": said}),
        rule=found_rule,
    )


def predictor_draws(idata: Any, cells: Cells, outcome: str) -> tuple[Floats, dict[str, Any]]:
    """Return the draws of the predictor (draw x cell x arm) and of the further parameters."""
    level = _flat(idata.posterior["level"])
    effect = _flat(idata.posterior["effect"])
    eta = np.concatenate([level[:, :, None], level[:, :, None] + effect], axis=2)
    kind, sums = cells.kinds[outcome], cells.sums[outcome]
    extras: dict[str, Any] = {name: _flat(idata.posterior[name]) for name in kind.extras}
    if "x" in sums:
        extras |= {"beta": _flat(idata.posterior["beta"]), "x_variance": sums["x_variance"]}
    return eta, extras


def _flat(values: Any) -> Floats:
    """Return draws of all chains, one after the other."""
    array = np.asarray(values, dtype=np.float64)
    return array.reshape(-1, *array.shape[2:])


def _add_log_likelihood(  # noqa: PLR0917 - one row of a table of arguments
    idata: Any, cells: Cells, outcome: str, eta: Floats, extras: dict[str, Any], chains: int
) -> None:
    """Add the log-likelihood of each cell and arm that has customers, and what was seen there."""
    kind, sums = cells.kinds[outcome], cells.sums[outcome]
    each = np.asarray(kind.log_likelihood(eta, extras, cells.n, sums, NumpyOps))
    there = cells.n > 0
    shaped = each[:, there].reshape(chains, -1, int(there.sum()))
    idata.add_groups({"log_likelihood": {"cells": shaped}})


def _spreads(idata: Any, outcome: str, prior: UpliftPrior) -> pd.DataFrame:
    """Return how much effects differ by each term, beside the prior."""
    if "spread" not in idata.posterior:
        return pd.DataFrame(columns=["outcome", "term", "spread", "low", "high", "prior_scale"])
    draws = _flat(idata.posterior["spread"])
    terms = [str(each) for each in idata.posterior["term"].to_numpy()]
    low, high = np.quantile(draws, _LEVELS, axis=0)
    scale = [
        prior.effect_spread if t.startswith("effect") else prior.baseline_spread for t in terms
    ]
    return pd.DataFrame(
        {
            "outcome": outcome, "term": terms, "spread": draws.mean(axis=0), "low": low, "high": high,
            "prior_scale": scale,
        }
    )  # fmt: skip


def _table(cells: Cells, baseline: Floats, uplift: Floats) -> pd.DataFrame:
    """Return a row a cell and offer."""
    arms = np.concatenate([np.zeros((*uplift.shape[:2], 1)), uplift], axis=2)
    best = arms.argmax(axis=2)
    loss = arms.max(axis=2)[:, :, None] - arms
    low, high = np.quantile(uplift, _LEVELS, axis=0)
    rows = []
    for k, offer in enumerate(cells.arms[1:]):
        pooled = (cells.n[:, 0] == 0) | (cells.n[:, k + 1] == 0)
        rows.append(
            cells.table.assign(
                offer=offer,
                customers=cells.n[:, k + 1].astype(int),
                controls=cells.n[:, 0].astype(int),
                baseline=baseline.mean(axis=0),
                uplift=uplift[:, :, k].mean(axis=0),
                low=low[:, k],
                high=high[:, k],
                probability_above_zero=(uplift[:, :, k] > 0).mean(axis=0),
                probability_best=(best == k + 1).mean(axis=0),
                expected_loss=loss[:, :, k + 1].mean(axis=0),
                fallback=np.where(pooled, "pooled effect", ""),
            )
        )
    return pd.concat(rows, ignore_index=True)


def _text(  # noqa: PLR0917 - what the sentences are about
    cells: Cells, measure: str, value: Floats, table: pd.DataFrame, rule: OneRule, passed: Gate
) -> str:
    """Say the gate if it does not hold, the average effects, the rule, and what was pooled."""
    said = [] if passed.passed else [passed.text]
    form = amount_of(measure)
    average = np.einsum("c,dco->do", cells.weight, value)
    parts = []
    for k, offer in enumerate(cells.arms[1:]):
        low, high = np.quantile(average[:, k], _LEVELS)
        interval = text.interval(form(float(low)), form(float(high)))
        parts.append(f"{offer} {form(float(average[:, k].mean()))} ({interval})")
    said.append(
        text.sentence(
            f"on average over {text.plural(cells.customers, 'customer')} an offer changes "
            f"{text.words(measure.removesuffix('_cents'))} a customer by: {'; '.join(parts)}"
        )
    )
    said.append(rule.text)
    pooled = table[table["fallback"] != ""]
    if len(pooled):
        said.append(
            text.sentence(
                f"in {text.plural(len(pooled), 'cell and offer', 'cells and offers')} there is no control or "
                "nobody who got the offer: what stands there is the pooled effect"
            )
        )
    said += list(cells.notes)
    if not cells.customers:
        raise InputError(f"{text.NOT_ENOUGH_DATA}: there is no customer")
    return " ".join(said)


__all__ = ["UpliftFit", "fit_uplift", "predictor_draws"]
