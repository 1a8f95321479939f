"""The probability that a customer is among the best. Owns no model and no value.

Expected values rank customers without a doubt that is there: the traits of each (rate, leaving,
spend) are drawn given the own history, the best are found in each draw, and the draws are counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.clv import gamma_gamma
from workbench.clv.value import CustomerValue
from workbench.errors import ParameterError, problem
from workbench.streams import stream

Floats = npt.NDArray[np.float64]

_GROUPS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class BestCustomers(text.Result):
    """How probable it is for each customer to be among the best.

    Attributes:
        frame: One row a customer: ``customer`` and ``probability_best``.
        share: The share of the customers that are called the best.
        certain: How many customers are among them with a probability of at least 0.9.
        found: Mean probability of the customers whom the expected value would pick: the share of
            the picked who truly belong there.
        table: Customers in tenths by that probability.
        text: That in sentences.
    """

    frame: pl.DataFrame
    share: float
    certain: int
    found: float


@checked
def best_customers(
    value: CustomerValue, *, share: float = 0.1, draws: int = 200, seed: int = 1
) -> BestCustomers:
    """Return the probability of each customer to be among the best by discounted margin.

    Args:
        value: Of ``ClvFit.clv``, which states horizon, margin and discount.
        share: Share of the customers that are the best, above 0 and below 1.
        draws: Draws; the error of a probability is at most 0.5 / √draws.
        seed: Seed of the draws.

    Returns:
        The probability of each customer, and how far the expected value can be trusted to pick.

    Raises:
        ParameterError: An argument breaks its rule.

    >>> best = best_customers(fit.clv(365), draws=20)
    >>> round(float(best.frame["probability_best"].mean()), 3)
    0.1
    """
    if not 0 < share < 1:
        raise ParameterError(problem("share", share, "must be above 0 and below 1"))
    if draws < 1:
        raise ParameterError(problem("draws", draws, "must be at least 1"))
    n = value.frame.height
    best = max(1, round(share * n))

    def of_draws(some: Iterable[int]) -> Floats:
        counted = np.zeros(n)
        for s in some:
            drawn = _drawn_value(value, s, stream(seed, f"clv/best/{s}"))
            counted[np.argpartition(-drawn, best - 1)[:best]] += 1
        return counted

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        counts = pool.map(of_draws, (range(w, draws, workers) for w in range(workers)))
    probability = np.sum(list(counts), axis=0) / draws
    picked = np.argsort(-value.frame["clv_cents"].to_numpy(), kind="stable")[:best]
    found, certain = float(probability[picked].mean()), int((probability >= 0.9).sum())  # noqa: PLR2004 - as documented
    said = (
        f"of the {text.plural(best, 'customer')} with the highest expected value, "
        f"{text.share(found)} are expected to be among the best {text.share(share)} in truth",
        f"{text.plural(certain, 'customer')} are so with a probability of at least 90%",
    )
    frame = pl.DataFrame({"customer": value.frame["customer"], "probability_best": probability})
    return BestCustomers(
        frame=frame,
        share=share,
        certain=certain,
        found=found,
        table=_by_probability(frame),
        text=" ".join(text.sentence(part) for part in said),
    )


def _drawn_value(value: CustomerValue, s: int, rng: np.random.Generator) -> Floats:
    """Draw the discounted margin of each customer with traits of her own."""
    fit, model = value.fit, value.fit.model
    draws, spends = fit.purchase_draws(), fit.spend_draws_used()
    at, spend_at = draws[s % len(draws)], spends[s % len(spends)]
    rows, ends_and_weights = fit.rows, value.horizon.weights()
    probability = model.probability_alive(at, rows.x, rows.t_x, rows.age)[rows.row_of]
    alive = np.flatnonzero(rng.random(len(probability)) < probability)
    places = rows.row_of[alive]
    rate, leaving = model.latent(at, rows.x[places], rows.age[places], rng)
    purchases = np.zeros(len(alive))
    for end, weight in zip(*ends_and_weights, strict=True):
        if weight:
            purchases += weight * model.expected_given(rate, leaving, end / fit.days_per_unit)
    x, mean = fit.paid()
    drawn = np.zeros(len(probability))
    drawn[alive] = purchases * gamma_gamma.latent(spend_at, x[alive], mean[alive], rng)
    return drawn * value.horizon.margin_share


def _by_probability(frame: pl.DataFrame) -> pd.DataFrame:
    tenth = (pl.col("probability_best") * _GROUPS).floor().clip(0, _GROUPS - 1).cast(pl.Int64)
    rows = frame.group_by(tenth=tenth).agg(customers=pl.len()).sort("tenth", descending=True)
    counts = dict(rows.iter_rows())
    return pd.DataFrame(
        {
            "probability_from": [k / _GROUPS for k in reversed(range(_GROUPS))],
            "customers": [counts.get(k, 0) for k in reversed(range(_GROUPS))],
        }
    )
