"""Uplift by cell held against experiments drawn from its own model. Owns no likelihood and no sampler.

Simulation-based calibration (Talts et al. 2018, arXiv 1804.06788): when a truth is drawn from the prior and an
experiment from that truth, an interval of the posterior holds the truth as often as it says. The decision is held
too: where effects do not differ between cells, a choice by cell is seldom called better.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import special, stats

from workbench.calibration.studies import COVERAGE, LEVEL, Draw, Figure, Floats, study
from workbench.policy import Budget, allocate, profit_on_held_out
from workbench.uplift import UpliftDraws, UpliftPrior, one_rule
from workbench.uplift.cells import Cells, cells_of
from workbench.uplift.kinds import KINDS
from workbench.uplift.model import Design, design_of, model_of

Ints = npt.NDArray[np.int64]

_ARMS = ("control", "coffee", "meal")
_SEGMENTS, _DAYPARTS = ("a", "b", "c", "d"), ("breakfast", "lunch", "dinner")
_CUSTOMERS = 12_000
_DRAWS, _CHAINS = 500, 2
_HALF = 0.5
_MOST_VISITS = (
    300  # a compiled model has a place for each count; of 1,500 drawn experiments none had over 100
)
_PRIOR = UpliftPrior(baseline=0.5, baseline_spread=0.3, dispersion=0.3)

INSIDE = (
    Figure("share of cells held at 95 %", LEVEL, is_rate=False),
    Figure("share of cells held at 50 %", _HALF, is_rate=False),
)
IN_ERRORS = Figure("error, in standard errors", 0.0, is_rate=False)
HOLDS = Figure("profit of the choice held at 95 %", LEVEL)
CONSTANT = Figure("cells told apart, constant effect", 1 - LEVEL, "at most")
NOTHING = Figure("cells told apart, no effect", 1 - LEVEL, "at most")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Model:
    """A compiled model of one kind of outcome, with the customers that every experiment has.

    ``at`` is the cell and the arm of each customer.
    """

    kind: str
    frame: pl.DataFrame
    cells: Cells
    at: tuple[Ints, Ints]
    design: Design
    compiled: Any

    def truth(self, rng: Draw, *, differ: float, effect: float) -> tuple[Floats, dict[str, Floats]]:
        """Return the predictor of each cell and arm, and further parameters, from the prior with its effects scaled."""
        design = self.design
        spread = np.abs(rng.standard_normal(len(design.terms))) * np.array(design.scales)
        spread *= [differ if term.startswith("effect") else 1.0 for term in design.terms]
        coefficient = rng.standard_normal(len(design.block))
        coefficient *= np.concatenate([[1.0], spread])[design.block]
        eta = (design.centre + design.matrix @ coefficient).reshape(self.cells.n.shape)
        eta[:, 1:] += (effect - 1) * (eta[:, 1:] - eta[:, :1]).mean(axis=0)
        extras = {}
        for name, over in KINDS[self.kind].extras.items():
            count = 1 if over == "one" else len(eta)
            scale, sd = (1.0, 1.0) if over == "one" else (design.scale, _HALF)
            extras[name] = scale * np.exp(
                sd * _PRIOR.dispersion * rng.standard_normal((1, count))
            ).reshape((1,) if over == "one" else (1, count))
        return eta, extras

    def posterior(self, rng: Draw, eta: Floats, extras: dict[str, Floats]) -> Floats:
        """Return draws of the mean outcome, draw x cell x arm, from an experiment with this truth."""
        outcome = _outcomes(self.kind, rng, eta[self.at], extras, self.at[0])
        import nutpie  # noqa: PLC0415 - takes seconds

        found = _summed(self.frame.with_columns(outcome=pl.Series(outcome)), self.kind)
        sums = {f"sum_{name}": each for name, each in _wide(found.sums["outcome"]).items()}
        used = {name: each for name, each in sums.items() if name in self.compiled.shared_data}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trace = nutpie.sample(
                self.compiled.with_data(**used),
                draws=_DRAWS, tune=_DRAWS, chains=_CHAINS, cores=1, seed=int(rng.integers(2**31)),
                progress_bar=False, target_accept=LEVEL,
            )  # fmt: skip
        drawn = {
            name: np.asarray(trace.posterior[name]).reshape(
                _CHAINS * _DRAWS, *trace.posterior[name].shape[2:]
            )
            for name in ("level", "effect", *extras)
        }
        level = drawn["level"][:, :, None]
        predictor = np.concatenate([level, level + drawn["effect"]], axis=2)
        return np.asarray(KINDS[self.kind].mean(predictor, {name: drawn[name] for name in extras}))


@functools.cache
def _model(kind: str) -> _Model:
    """Return the model of a kind; it is compiled once a process."""
    rng = np.random.default_rng(1)
    frame = pl.DataFrame(
        {
            "arm": rng.choice(_ARMS, _CUSTOMERS),
            "segment": rng.choice(_SEGMENTS, _CUSTOMERS),
            "daypart": rng.choice(_DAYPARTS, _CUSTOMERS),
        }
    )
    centre = {"visits": -1.0, "spend": 3.0, "spend_gamma": 3.0}.get(kind, 0.0)
    level = np.full(_CUSTOMERS, centre)
    extras = {
        name: np.ones((1, 1) if over == "cell" else 1) for name, over in KINDS[kind].extras.items()
    }
    first = _outcomes(kind, rng, level, extras, np.zeros(_CUSTOMERS, dtype=int))
    cells = _summed(frame.with_columns(outcome=pl.Series(first)), kind)
    cells = replace(cells, sums={**cells.sums, "outcome": _wide(cells.sums["outcome"])})
    arms = {name: k for k, name in enumerate(cells.arms)}
    placed = frame.join(
        pl.DataFrame(cells.table).with_row_index("cell"),
        on=cells.by,
        how="left",
        maintain_order="left",
    ).select(
        pl.col("cell").cast(pl.Int64), pl.col("arm").replace_strict(arms, return_dtype=pl.Int64)
    )
    import nutpie  # noqa: PLC0415 - takes seconds

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = nutpie.compile_pymc_model(model_of(cells, "outcome", _PRIOR, plain=True))
    return _Model(
        kind=kind, frame=frame, cells=cells,
        at=(placed["cell"].to_numpy(), placed["arm"].to_numpy()), design=design_of(cells, "outcome", _PRIOR), compiled=compiled
    )  # fmt: skip


def _outcomes(
    kind: str, rng: Draw, eta: Floats, extras: dict[str, Floats], cell: np.ndarray
) -> Floats:
    """Return the outcome of each customer, given the predictor of each."""
    if kind == "conversion":
        return (rng.random(len(eta)) < special.expit(eta)).astype(float)
    if kind == "visits":
        alpha = extras["alpha"][0]
        visits: Floats = rng.poisson(rng.gamma(alpha, np.exp(eta) / alpha)).astype(float)
        return visits
    if kind == "spend_gamma":
        shape = extras["shape"][0]
        spend: Floats = rng.gamma(shape, np.exp(eta) / shape)
        return spend
    normal: Floats = eta + extras["sigma"][0, cell] * rng.standard_normal(len(eta))
    return np.exp(normal) if kind == "spend" else normal


def _summed(frame: pl.DataFrame, kind: str) -> Cells:
    return cells_of(
        frame, outcomes={"outcome": kind}, by=["segment", "daypart"], arm="arm", control="control",
        unit=None, covariate=None,
    )  # fmt: skip


def _wide(sums: Any) -> dict[str, Floats]:
    """Return sums whose histogram has a place for every count of visits, so that a compiled model takes them."""
    if "histogram" not in sums:
        return dict(sums)
    values = np.arange(_MOST_VISITS, dtype=float)
    histogram = np.zeros((*sums["histogram"].shape[:2], _MOST_VISITS))
    histogram[:, :, sums["values"].astype(int)] = sums["histogram"]
    return {
        **sums,
        "values": values,
        "log_factorials": special.gammaln(values + 1),
        "histogram": histogram,
    }


def _decided(cells: Cells, mean: Floats, cost: float = 0.0) -> UpliftDraws:
    """Return the draws of a decision by the mean outcome."""
    return UpliftDraws(
        cells=cells.table, by=cells.by, arms=cells.arms, customers=cells.n.sum(axis=1),
        value=mean[:, :, 1:] - mean[:, :, :1], cost=np.full(mean[:, :, 1:].shape, cost),
        baseline=mean[:, :, 0], measure="outcome", said="", passed=True,
    )  # fmt: skip


def _inside(value: Floats, true: Floats) -> tuple[float, float]:
    """Return the share of cells and offers whose 95 % and 50 % intervals hold the truth."""
    found = []
    for level in (LEVEL, _HALF):
        low, high = np.quantile(value, [(1 - level) / 2, (1 + level) / 2], axis=0)
        found.append(float(((low <= true) & (true <= high)).mean()))
    return found[0], found[1]


class _Drawn(NamedTuple):
    """An experiment from a truth of the prior: what the posterior says, and what is true.

    ``true`` is cell x offer: the effect on the mean outcome.
    """

    model: _Model
    eta: Floats
    extras: dict[str, Floats]
    draws: UpliftDraws
    true: Floats


def _drawn(
    kind: str, rng: Draw, *, differ: float = 1.0, effect: float = 1.0, cost: float = 0.0
) -> _Drawn:
    """Return an experiment of a kind of outcome, with effects of the prior scaled."""
    model = _model(kind)
    eta, extras = model.truth(rng, differ=differ, effect=effect)
    draws = _decided(model.cells, model.posterior(rng, eta, extras), cost)
    mean = np.asarray(KINDS[kind].mean(eta[None], extras))[0]
    return _Drawn(model, eta, extras, draws, mean[:, 1:] - mean[:, :1])


def _cells_held(kind: str, rng: Draw) -> tuple[float, float]:
    """Return how many intervals of cells hold the truth in one experiment."""
    found = _drawn(kind, rng)
    return _inside(found.draws.value, found.true)


@study("uplift by cell: conversion", *INSIDE, HOLDS, every=10, about="uplift")
def _conversion(rng: Draw) -> tuple[float, ...]:
    _, _, _, draws, true = _drawn("conversion", rng)
    at = [draws.arms.index(arm) for arm in one_rule(draws).by_cell]
    every = np.arange(len(at))
    value = np.concatenate([np.zeros((*draws.value.shape[:2], 1)), draws.value], axis=2)
    earned = value[:, every, at] @ draws.weight
    in_truth = float(np.column_stack([np.zeros(len(true)), true])[every, at] @ draws.weight)
    low, high = np.quantile(earned, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return *_inside(draws.value, true), float(low <= in_truth <= high)


@study("uplift by cell: one rule for all", CONSTANT, NOTHING, every=10, about="uplift")
def _one_rule(rng: Draw) -> tuple[float, ...]:
    return tuple(
        float(one_rule(_drawn("conversion", rng, differ=0.0, effect=effect).draws).differs)
        for effect in (1.0, 0.0)
    )


@study("profit of a plan, held out", COVERAGE, IN_ERRORS, every=20, about="uplift")
def _plan_held_out(rng: Draw) -> tuple[float, ...]:
    """A plan within a budget, made from one half of an experiment and judged by the other half."""
    model, eta, extras, draws, true = _drawn("amount", rng, cost=1.0)
    plan = allocate(draws, budgets=[Budget(amount_cents=0.4 * _CUSTOMERS)])
    outcome = _outcomes("amount", rng, eta[model.at], extras, model.at[0])
    kept = model.frame.with_columns(outcome=pl.Series(outcome))
    found = profit_on_held_out(plan, draws, kept, profit="outcome")
    truth = float((plan.weight[:, None] * plan.share * true).sum())
    error = (found.high_cents - found.low_cents) / (2 * float(stats.norm.isf((1 - LEVEL) / 2)))
    held = float(found.low_cents <= truth <= found.high_cents)
    return held, (found.profit_cents - truth) / error if error else 0.0


@study("uplift by cell: visits", *INSIDE, every=20, about="uplift")
def _visits(rng: Draw) -> tuple[float, ...]:
    return _cells_held("visits", rng)


@study("uplift by cell: log-normal spend", *INSIDE, every=20, about="uplift")
def _spend(rng: Draw) -> tuple[float, ...]:
    return _cells_held("spend", rng)


@study("uplift by cell: gamma spend", *INSIDE, every=20, about="uplift")
def _spend_gamma(rng: Draw) -> tuple[float, ...]:
    return _cells_held("spend_gamma", rng)


@study("uplift by cell: amount", *INSIDE, every=20, about="uplift")
def _amount(rng: Draw) -> tuple[float, ...]:
    return _cells_held("amount", rng)
