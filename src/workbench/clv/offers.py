"""What an offer may cost: the value of a new customer, break-even effects, largest offers. Owns no effect.

An offer keeps customers: its *effect* is the share of the customers who get it that stay, and would
have left without it. A customer who stays is worth the margin of a customer known to be alive.
What such an offer gives away to those who would have stayed anyway is part of its cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.clv import gamma_gamma
from workbench.clv.fit import ClvFit
from workbench.clv.models import expected_purchases_new
from workbench.clv.value import CustomerValue, chunks, ends_of, horizon_of, mean_and_ends
from workbench.errors import ParameterError, problem
from workbench.streams import stream

Floats = npt.NDArray[np.float64]

_GROUPS = 10
_DRAWS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class NewCustomer(text.Result):
    """What a customer who has just bought for the first time is worth.

    Attributes:
        value_cents: Discounted margin of the repeat purchases, and of the first if it counts.
        low_cents: Low end of its interval; NaN without a posterior.
        high_cents: High end.
        table: The parts: first purchase and repeat purchases, with intervals.
        text: The value in sentences.
    """

    value_cents: float
    low_cents: float
    high_cents: float


@dataclass(frozen=True, kw_only=True, eq=False)
class OfferLimit(text.Result):
    """A limit for each customer: the effect at which an offer pays, or the largest offer that does.

    Attributes:
        frame: One row a customer: ``customer``, ``worth_if_kept_cents``, and the limit with its
            interval: ``break_even_effect`` (a share) or ``largest_offer_cents``, ``…_low`` and
            ``…_high``.
        table: The same in ten groups by worth, most valuable first.
        text: The limit in sentences.
    """

    frame: pl.DataFrame


@checked
def new_customer(
    fit: ClvFit,
    horizon_days: int,
    *,
    discount_annual: float = 0.1,
    margin_share: float = 1.0,
    level: float = 0.9,
    with_first: bool = False,
) -> NewCustomer:
    """Return what a new customer is worth: what winning one may cost.

    Args:
        fit: A fit with a spend model.
        horizon_days: Days after the first purchase.
        discount_annual: Yearly discount rate.
        margin_share: Share of the value of a purchase that is earned.
        level: Probability inside the interval.
        with_first: Whether the margin of the first purchase counts; its value is taken as that of
            a repeat purchase, which is all that the spend model has seen.

    Returns:
        The value with its interval, and its parts.

    Raises:
        InputError: A model did not converge, or there is no spend model.
        ParameterError: An argument breaks its rule.

    >>> new_customer(fit, 365, margin_share=0.25).text
    'A new customer is worth $12.20 in the 365 days after the first purchase, without its margin (90% interval $11.05 to $13.22).'
    """
    horizon = horizon_of(horizon_days, discount_annual, margin_share)
    ends, weights = horizon.weights()
    spends = fit.spend_draws_used()
    pairs = list(zip(fit.purchase_draws(), spends, strict=False))
    mean = np.array([gamma_gamma.population_mean(spend) for _, spend in pairs]) * margin_share
    repeat = mean * np.array(
        [
            weights @ expected_purchases_new(fit.model, at, ends / fit.days_per_unit)
            for at, _ in pairs
        ]
    )
    parts = {"first purchase": mean, "repeat purchases": repeat}
    total = repeat + (mean if with_first else 0.0)
    limits = ends_of(level)
    shown = mean_and_ends(np.column_stack([*parts.values(), total]), limits)
    value, low, high = (float(v) for v in shown[:, -1])
    if len(total) == 1:
        low = high = float("nan")
    interval = text.interval(text.amount(low), text.amount(high), level)
    first = "with" if with_first else "without"
    said = (
        f"a new customer is worth {text.amount(value)} in the {text.days(horizon_days)} after the "
        f"first purchase, {first} its margin"
        + ("" if interval == text.MISSING else f" ({interval})")
    )
    return NewCustomer(
        value_cents=value,
        low_cents=low,
        high_cents=high,
        table=pd.DataFrame(
            {
                "part": [*parts, "counted"],
                "value_cents": shown[0],
                "low_cents": shown[1],
                "high_cents": shown[2],
            }
        ),
        text=text.sentence(said),
    )


@checked
def break_even(value: CustomerValue, cost_cents: float) -> OfferLimit:
    """Return the effect at which a retention offer pays for itself, for each customer.

    Args:
        value: Of ``ClvFit.clv``, which states horizon, margin and discount.
        cost_cents: Cost of the offer for each customer who gets it.

    Returns:
        Effect = cost / worth of a customer known to be alive. Above 1 it never pays.

    Raises:
        ParameterError: The cost is not above 0.

    >>> break_even(fit.clv(365), 100.0).frame.columns[1:3]
    ['worth_if_kept_cents', 'break_even_effect']
    """
    if not 0 < cost_cents < float("inf"):
        raise ParameterError(problem("cost_cents", cost_cents, "must be above 0"))
    frame = _limits(value, "break_even_effect", "", lambda worth: cost_cents / worth)
    pays = float((frame["break_even_effect"] <= 1).mean() or 0.0)  # type: ignore[arg-type]  # of a Boolean column
    middle = float(frame["break_even_effect"].median() or 0.0)  # type: ignore[arg-type]  # a number
    said = (
        f"an offer of {text.amount(cost_cents)} to a customer pays when it keeps "
        f"{text.share(middle)} of those who get it, for the customer in the middle",
        f"for {text.share(1 - pays)} of the customers it costs more than they are worth if kept"
        if pays < 1
        else "there is no customer whom it could not pay to keep",
    )
    return OfferLimit(
        frame=frame, table=_by_worth(frame), text=" ".join(text.sentence(part) for part in said)
    )


@checked
def largest_offer(value: CustomerValue, effect: float | Sequence[float] | Floats) -> OfferLimit:
    """Return the largest retention offer that still pays, for each customer.

    Args:
        value: Of ``ClvFit.clv``.
        effect: The effect as one share, or draws of its posterior: shares of the customers who
            get the offer that stay because of it.

    Returns:
        Effect × worth of a customer known to be alive. The mean is what pays on average; the low
        end what pays with the probability that the level says.

    Raises:
        ParameterError: An effect is not finite or above 1, or there is none.

    >>> largest_offer(fit.clv(365), [0.02, 0.04]).frame.columns[2]
    'largest_offer_cents'
    """
    effects = np.atleast_1d(np.asarray(effect, dtype=float))
    if effects.ndim != 1 or len(effects) == 0 or not np.isfinite(effects).all():
        raise ParameterError(problem("effect", effect, "must be a share, or draws of one"))
    if (effects > 1).any():
        raise ParameterError(problem("effect", float(effects.max()), "must be at most 1"))
    draws = len(value.fit.purchase_draws())
    some = effects[np.linspace(0, len(effects) - 1, draws if draws > 1 else min(len(effects), _DRAWS))
                   .round().astype(int)]  # fmt: skip
    shuffled = stream(1, "clv/largest_offer").permutation(some)  # no draw goes with another
    frame = _limits(value, "largest_offer", "_cents", lambda worth: shuffled[:, None] * worth)
    mean = float(frame["largest_offer_cents"].mean() or 0.0)  # type: ignore[arg-type]  # a number
    said = (
        f"with an effect of {text.share(float(effects.mean()))} an offer pays on average up to "
        f"{text.amount(mean)} for the mean customer"
    )
    return OfferLimit(frame=frame, table=_by_worth(frame), text=text.sentence(said))


@checked
def retention_effect(
    kept: int, offered: int, kept_control: int, control: int, *, draws: int = 1000, seed: int = 1
) -> Floats:
    """Return draws of the effect of a retention offer, from the counts of an experiment.

    Args:
        kept: Customers with the offer who stayed.
        offered: Customers with the offer.
        kept_control: Customers without the offer who stayed.
        control: Customers without the offer.
        draws: Draws to return.
        seed: Seed of the draws.

    Returns:
        Draws of the difference of the two shares, each with a uniform prior.

    Raises:
        ParameterError: More were kept than there were, an arm has nobody, or there is no draw.

    >>> effect = retention_effect(460, 1000, 400, 1000)
    >>> bool(0.05 < effect.mean() < 0.07)
    True
    """
    for name, least in (("offered", offered), ("control", control), ("draws", draws)):
        if least < 1:
            raise ParameterError(problem(name, least, "must be at least 1"))
    for name, stayed, n in (("kept", kept, offered), ("kept_control", kept_control, control)):
        if not 0 <= stayed <= n:
            raise ParameterError(problem(name, stayed, f"must be from 0 to the {n} of its arm"))
    rng = stream(seed, "clv/retention_effect")
    with_offer = rng.beta(1 + kept, 1 + offered - kept, size=draws)
    without = rng.beta(1 + kept_control, 1 + control - kept_control, size=draws)
    effect: Floats = with_offer - without
    return effect


def _limits(
    value: CustomerValue, name: str, unit: str, limit: Callable[[Floats], Floats]
) -> pl.DataFrame:
    """Return worth and limit of each customer, with the interval of the limit."""
    customers = value.fit.summary.frame["customer"]
    worth, told = np.empty(len(customers)), np.empty((3, len(customers)))
    scattered = False
    for chunk in chunks(value.fit, value.horizon):
        if_alive = chunk.if_alive()
        limits = limit(if_alive)
        scattered = scattered or len(limits) > 1
        worth[chunk.customers] = if_alive.mean(axis=0)
        told[:, chunk.customers] = mean_and_ends(limits, ends_of(value.level))
    columns = {"worth_if_kept_cents": worth, f"{name}{unit}": told[0]}
    if scattered:
        columns |= {f"{name}_low{unit}": told[1], f"{name}_high{unit}": told[2]}
    return pl.DataFrame({"customer": customers, **columns})


def _by_worth(frame: pl.DataFrame) -> pd.DataFrame:
    """Return means in ten groups by worth, most valuable first."""
    groups = min(_GROUPS, frame.height)
    ranked = frame.sort(["worth_if_kept_cents", "customer"], descending=[True, False])
    rows = (
        ranked.with_row_index("rank")
        .group_by(group=(pl.col("rank") * groups // frame.height + 1).cast(pl.Int64))
        .agg(pl.len().alias("customers"), pl.col(frame.columns[1:]).mean())
        .sort("group")
    )
    return pd.DataFrame(rows.to_dict(as_series=False))
