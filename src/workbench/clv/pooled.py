"""Groups of customers with parameters of their own, partly pooled. Owns no model.

A group is a value of something that does not change: a cohort, an acquisition channel, the first
offer, a segment. Each buys at a multiple of the common rate and leaves at a multiple of the common
readiness to leave; the logarithms of the multiples are normal around 0 with a spread that the data
decide (over a grid, by the Laplace evidence of each). A small group is drawn to the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from scipy.special import logsumexp

from workbench import text
from workbench.arguments import checked
from workbench.clv.fit import ClvFit
from workbench.clv.models import MODELS, Purchases
from workbench.clv.posterior import Target, find_mode, sample
from workbench.clv.priors import Prior
from workbench.clv.rows import Rows, collapse
from workbench.clv.smoothing import MOST_PARETO_K
from workbench.errors import InputError
from workbench.frames import UNKNOWN_GROUP, Frame, groups_of, nobody_of
from workbench.gates import Check, gate
from workbench.streams import stream

Floats = npt.NDArray[np.float64]

# The parameter that a multiple of the rate, and one of leaving, changes, and in which direction.
_RATE: Mapping[Purchases, tuple[str, int]] = {
    "bg_nbd": ("alpha", -1),
    "mbg_nbd": ("alpha", -1),
    "pareto_nbd": ("alpha", -1),
    "bg_bb": ("alpha", 1),
}
_LEAVING: Mapping[Purchases, tuple[str, int]] = {
    "bg_nbd": ("a", 1),
    "mbg_nbd": ("a", 1),
    "pareto_nbd": ("beta", -1),
    "bg_bb": ("gamma", 1),
}
_SPREADS = np.array([0.03, 0.1, 0.2, 0.4, 0.8])
_EXPECTED_SPREAD = 0.5  # scale of the half-normal prior of the spread
_MOST_GROUPS = 12
_FEWEST_GROUPS = 2
_LEAST_WEIGHT = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupFits(text.Result):
    """A fit for each group, partly pooled.

    Attributes:
        fits: A fit by group, which gives all answers for its customers; spend is common to all.
        spread: Posterior mean of the spread of the logarithms of the multiples.
        table: A row a group: ``customers``, ``rate`` and ``leaving`` (multiples of the common
            ones) with ``…_low`` and ``…_high`` of 90 % intervals.
        text: Which group differs most.
    """

    fits: Mapping[str, ClvFit]
    spread: float


@checked
def fit_groups(pooled: ClvFit, customers: Frame, column: str, *, seed: int = 1) -> GroupFits:
    """Fit groups of customers with parameters of their own, partly pooled.

    Args:
        pooled: A fit of all customers with a posterior; model, priors and spend are its own.
        customers: One row a customer with ``person_id`` and the group; who has none is in the
            group "not known".
        column: The group.
        seed: Seed of the draws.

    Returns:
        A fit for each group, and how the groups differ.

    Raises:
        InputError: The fit has no posterior, there are fewer than 2 groups or more than 12, or
            nobody in ``customers`` is of the fit.
        ParameterError: ``customers`` is no frame, or has not the named column.

    >>> names = summary.frame["customer"].cast(pl.String)
    >>> people = pl.DataFrame({"person_id": names, "half": ["a", "b"] * 1178 + ["a"]})
    >>> list(fit_groups(fit, people, "half").fits)
    ['a', 'b']
    """
    if len(pooled.draws) <= 1:
        raise InputError("the fit has no posterior; fit it with method='posterior'")
    group = _group_of(pooled, customers, column)
    names = sorted(group.unique().to_list())
    if not _FEWEST_GROUPS <= len(names) <= _MOST_GROUPS:
        raise InputError(
            f"{column} has {text.plural(len(names), 'group')}, must have 2 to {_MOST_GROUPS}"
        )
    frames = {name: pooled.summary.frame.filter(group == name) for name in names}
    rows = {
        name: collapse(frame["frequency"], frame["recency"], frame["T"])
        for name, frame in frames.items()
    }
    values, weights, worst = _sampled(pooled, list(rows.values()), seed)
    by_group = [_of_group(pooled.purchases, values, g, len(names)) for g in range(len(names))]
    check = Check(
        "k̂ of the pooled posterior",
        text.number(worst, 2),
        f"at most {MOST_PARETO_K:g}",
        worst <= MOST_PARETO_K,
    )
    passed = gate([check], "groups")
    fits = {}
    for name, draws in zip(names, by_group, strict=True):
        named = dict(zip(pooled.model.NAMES, draws.mean(axis=0).tolist(), strict=True))
        errors = dict(zip(pooled.model.NAMES, draws.std(axis=0, ddof=1).tolist(), strict=True))
        said = (
            f"group {text.named(name)}, partly pooled with {text.plural(len(names) - 1, 'other')}"
        )
        fits[name] = replace(
            pooled,
            draws=draws,
            parameters=MappingProxyType({**pooled.parameters, **named}),
            standard_errors=MappingProxyType({**pooled.standard_errors, **errors}),
            log_likelihood=pooled.model.total_alone(draws.mean(axis=0), rows[name]),
            summary=replace(pooled.summary, frame=frames[name]),
            rows=rows[name],
            gate=passed,
            table=pd.DataFrame({"parameter": list(named), "value": list(named.values())}),
            text=f"{text.sentence(said)} {passed.text}",
        )
    table = _table(names, [frame.height for frame in frames.values()], values)
    return GroupFits(
        fits=MappingProxyType(fits),
        spread=float(_SPREADS @ weights),
        table=table.rename(columns={"group": column}),
        text=_sentence(table),
    )


def _group_of(pooled: ClvFit, customers: Frame, column: str) -> pl.Series:
    """Return the group of each customer of the fit, in its order."""
    known = groups_of(customers, column)
    who = pooled.summary.frame.select(person_id=pl.col("customer").cast(pl.String))
    joined = who.join(known, on="person_id", how="left", maintain_order="left")
    if joined["group"].null_count() == joined.height:
        raise InputError(nobody_of(pooled.summary.frame["customer"], known))
    return joined["group"].fill_null(UNKNOWN_GROUP)


def _sampled(pooled: ClvFit, rows: Sequence[Rows], seed: int) -> tuple[Floats, Floats, float]:
    """Return draws of common parameters and multiples, the weight of each spread, and the worst k̂."""
    targets = [_target(pooled, rows, float(spread)) for spread in _SPREADS]
    theta = np.log([*(pooled.parameters[n] for n in pooled.model.NAMES), *[1.0] * (2 * len(rows))])
    modes = [find_mode(target, theta) for target in targets]
    evidence = np.array(
        [
            target.value_and_slope(mode.theta)[0] + 0.5 * np.linalg.slogdet(mode.covariance)[1]
            for target, mode in zip(targets, modes, strict=True)
        ]
    )
    evidence += np.log(np.gradient(_SPREADS)) - 0.5 * (_SPREADS / _EXPECTED_SPREAD) ** 2
    weights = np.exp(evidence - logsumexp(evidence))
    weights[weights < _LEAST_WEIGHT] = 0.0
    weights /= weights.sum()
    total, worst = len(pooled.draws), -np.inf
    parts: list[Floats] = []
    for target, mode, weight in zip(targets, modes, weights, strict=True):
        if weight == 0:
            continue
        rng = stream(seed, f"clv/pooled/{len(parts)}")
        drawn = sample(target, mode.theta, draws=total, proposals=2 * total, rng=rng)
        parts.append(drawn.values[: max(1, round(weight * total))])
        worst = max(worst, drawn.pareto_k)
    values = stream(seed, "clv/pooled").permutation(np.concatenate(parts))
    return values, weights, worst


def _target(pooled: ClvFit, rows: Sequence[Rows], spread: float) -> Target:
    """Return likelihood and priors of common parameters and multiples for one spread."""
    model, groups = pooled.model, len(rows)
    per_unit = 1 / pooled.days_per_unit
    priors = {
        name: pooled.priors[name].scaled(per_unit if name in model.TIMES else 1.0)
        for name in model.NAMES
    }
    multiples = [f"{kind} {g}" for kind in ("rate", "leaving") for g in range(groups)]
    priors |= {name: Prior("lognormal", 1.0, spread) for name in multiples}
    changed = [_RATE[pooled.purchases], _LEAVING[pooled.purchases]]
    at_names = [(model.NAMES.index(name), sign) for name, sign in changed]

    def with_gradient(at: Floats) -> tuple[float, Floats]:
        value, gradient = 0.0, np.zeros(len(at))
        for g, some in enumerate(rows):
            own = _of_group(pooled.purchases, at[None, :], g, groups)[0]
            more, slope = model.total(own, some)
            value += more
            gradient[:4] += slope * own / at[:4]
            for kind, (place, sign) in enumerate(at_names):
                where = 4 + kind * groups + g
                gradient[where] += sign * slope[place] * own[place] / at[where]
        return value, gradient

    def alone(at: Floats) -> float:
        return sum(
            model.total_alone(_of_group(pooled.purchases, at[None, :], g, groups)[0], some)
            for g, some in enumerate(rows)
        )

    n = float(sum(some.weight.sum() for some in rows))
    return Target(
        names=[*model.NAMES, *multiples],
        with_gradient=with_gradient,
        alone=alone,
        priors=priors,
        n=n,
    )


def _of_group(purchases: Purchases, values: Floats, g: int, groups: int) -> Floats:
    """Return the parameters of one group: the common ones, two of them times a multiple."""
    names = MODELS[purchases].NAMES
    own = values[:, :4].copy()
    for kind, (name, sign) in enumerate((_RATE[purchases], _LEAVING[purchases])):
        own[:, names.index(name)] *= values[:, 4 + kind * groups + g] ** sign
    return own


def _table(names: Sequence[str], customers: Sequence[int], values: Floats) -> pd.DataFrame:
    columns: dict[str, object] = {"group": list(names), "customers": list(customers)}
    groups = len(names)
    for kind, name in enumerate(("rate", "leaving")):
        # Against the geometric mean of the groups: the common value itself is not of interest.
        logs = np.log(values[:, 4 + kind * groups : 4 + (kind + 1) * groups])
        multiple = np.exp(logs - logs.mean(axis=1, keepdims=True))
        columns[f"{name}_multiple"] = multiple.mean(axis=0)
        columns[f"{name}_low"], columns[f"{name}_high"] = np.quantile(
            multiple, [0.05, 0.95], axis=0
        )
    return pd.DataFrame(columns)


def _sentence(table: pd.DataFrame) -> str:
    top = table.sort_values("rate_multiple", kind="stable").iloc[-1]
    interval = text.interval(text.number(top["rate_low"]), text.number(top["rate_high"]), 0.9)
    return text.sentence(
        f"group {text.named(top['group'])} buys most often: {text.number(top['rate_multiple'])} times "
        f"the rate of the middle ({interval})"
    )
