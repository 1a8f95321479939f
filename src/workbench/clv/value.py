"""What each customer is worth in a horizon: expected purchases × value × margin, discounted.

Owns the sum over time and its posterior; the expectations come from the models. The draws are made
for a chunk of customers at a time: all draws × all customers are never in memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from workbench import text
from workbench.clv import gamma_gamma
from workbench.errors import ParameterError, problem

if TYPE_CHECKING:
    from workbench.clv.fit import ClvFit

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

STEP_DAYS = 30
_DAYS_PER_YEAR = 365.0
_MOST_DAYS = 36_500  # every step of 30 days costs its time, for every draw
_GROUPS = 10
_CHUNK = 20_000
_ANSWERS = ("probability_alive", "expected_purchases", "expected_value_cents", "clv_cents")


class Horizon(NamedTuple):
    """How far ahead, what of a payment is earned, and how the future is discounted.

    The horizon is cut into steps of 30 days (the last may be shorter). Purchases expected in a
    step count at its end: Σ (E[Y(end)] − E[Y(start)]) · value · margin / (1 + discount)^(end/365).
    """

    days: int
    discount_annual: float
    margin_share: float

    def weights(self) -> tuple[Floats, Floats]:
        """Return the ends of the steps in days, and the weight of E[Y(end)] for each.

        The sum over steps is put in order by ends: each counts with its own factor less the next.

        >>> ends, weights = Horizon(45, 0.0, 1.0).weights()
        >>> ends.tolist(), weights.tolist()
        ([30.0, 45.0], [0.0, 1.0])
        """
        ends = np.array([*range(STEP_DAYS, self.days, STEP_DAYS), self.days], dtype=float)
        factors = (1 + self.discount_annual) ** (-ends / _DAYS_PER_YEAR)
        return ends, factors - np.append(factors[1:], 0.0)


def horizon_of(days: int, discount_annual: float, margin_share: float) -> Horizon:
    """Return a checked horizon.

    Raises:
        ParameterError: An argument breaks its rule.

    >>> horizon_of(0, 0.1, 1.0)
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: horizon_days was 0, must be at least 1
    """
    if days < 1:
        raise ParameterError(problem("horizon_days", days, "must be at least 1"))
    if days > _MOST_DAYS:
        rule = f"must be at most {_MOST_DAYS}, a hundred years"
        raise ParameterError(problem("horizon_days", days, rule))
    if not 0 <= discount_annual < float("inf"):
        raise ParameterError(problem("discount_annual", discount_annual, "must be at least 0"))
    if not 0 < margin_share <= 1:
        rule = "must be above 0 and at most 1"
        raise ParameterError(problem("margin_share", margin_share, rule))
    return Horizon(days, discount_annual, margin_share)


class Chunk(NamedTuple):
    """Some customers, and their answers by draw (a row a draw).

    P(alive) and purchases are the same for all with one history: they have a column for each
    history of the chunk, and ``of_row`` is the place of each customer's. Spend and value have a
    column for each customer; ``value`` is the discounted margin in cents.
    """

    customers: Codes
    of_row: Codes
    alive: Floats
    purchases: Floats
    spend_cents: Floats
    value: Floats

    def if_alive(self) -> Floats:
        """Return the value of each customer, were it known that she is alive."""
        least = np.finfo(float).tiny
        worth: Floats = self.value / np.maximum(self.alive[:, self.of_row], least)
        return worth


@dataclass(frozen=True, kw_only=True, eq=False)
class CustomerValue(text.Result):
    """Customer lifetime value over a horizon.

    Attributes:
        frame: One row a customer: ``customer``, and of each of ``probability_alive``,
            ``expected_purchases``, ``expected_value_cents`` (of one purchase day) and
            ``clv_cents`` the mean and, when there is a posterior, ``…_low`` and ``…_high``. The
            interval is of what is expected of customers like this one; what one customer will do
            scatters more.
        horizon_days: The horizon.
        total_cents: Sum over customers.
        total_low_cents: Low end of its interval; NaN without a posterior.
        total_high_cents: High end.
        level: Probability inside the intervals.
        fit: What the value is of; with ``horizon`` it gives the draws again.
        horizon: Horizon, discount and margin.
        table: Customers in ten groups by value, most valuable first, with the share of the total.
        text: The total, the mean and the share of the best tenth.
    """

    frame: pl.DataFrame
    horizon_days: int
    total_cents: float
    total_low_cents: float
    total_high_cents: float
    level: float
    fit: ClvFit
    horizon: Horizon


def chunks(fit: ClvFit, horizon: Horizon, size: int = _CHUNK) -> Iterator[Chunk]:
    """Give the answers by draw for some customers at a time, customers with like histories together.

    Raises:
        InputError: A model did not converge, or there is no spend model.
    """
    order = np.argsort(fit.rows.row_of, kind="stable")
    fit.purchase_draws(), fit.spend_draws_used()
    for at in range(0, len(order), size):
        yield _chunk(fit, horizon, order[at : at + size])


def _chunk(fit: ClvFit, horizon: Horizon, customers: Codes) -> Chunk:
    """Return the answers of customers, who are in the order of their histories."""
    rows, model = fit.rows, fit.model
    draws, spend_draws = fit.purchase_draws(), fit.spend_draws_used()
    ends, weights = horizon.weights()
    times = ends[:, None] / fit.days_per_unit
    places = rows.row_of[customers]
    some = slice(int(places[0]), int(places[-1]) + 1)
    pairs = slice(int(rows.pair_code[some.start]), int(rows.pair_code[some.stop - 1]) + 1)
    of_row, of_pair = places - some.start, rows.pair_code[some] - pairs.start
    paid_x, paid_mean = (values[customers] for values in fit.paid())
    n, histories = min(len(draws), len(spend_draws)), some.stop - some.start
    made = Chunk(
        customers,
        of_row,
        *(np.empty((n, histories)) for _ in range(2)),
        *(np.empty((n, len(customers))) for _ in range(2)),
    )

    def one(s: int) -> None:
        at = draws[s]
        alive = model.probability_alive(at, rows.x[some], rows.t_x[some], rows.age[some])
        upto = model.expected_if_alive(at, times, rows.pair_x[pairs], rows.pair_age[pairs])
        spend = gamma_gamma.expected_value(spend_draws[s], paid_x, paid_mean)
        made.alive[s], made.spend_cents[s] = alive, spend
        made.purchases[s] = alive * upto[-1][of_pair]
        each = alive * (weights @ upto)[of_pair] * horizon.margin_share
        np.multiply(each[of_row], spend, out=made.value[s])

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(one, range(n)))
    return made


def customer_value(
    fit: ClvFit,
    *,
    horizon_days: int,
    discount_annual: float,
    margin_share: float,
    level: float,
) -> CustomerValue:
    """Return the discounted value of each customer over a horizon.

    Raises:
        ParameterError: An argument breaks its rule.
    """
    horizon = horizon_of(horizon_days, discount_annual, margin_share)
    n = fit.summary.frame.height
    ends = ends_of(level)
    columns = {name: np.empty((3, n)) for name in _ANSWERS}
    totals: list[Floats] = []
    for chunk in chunks(fit, horizon):
        for name, answers in zip(_ANSWERS, chunk[2:], strict=True):
            told = mean_and_ends(answers, ends)
            of_history = name in _ANSWERS[:2]
            columns[name][:, chunk.customers] = told[:, chunk.of_row] if of_history else told
        totals.append(chunk.value.sum(axis=1))
    total = np.sum(totals, axis=0)
    low, high = np.quantile(total, ends) if len(total) > 1 else (np.nan, np.nan)
    series: dict[str, object] = {"customer": fit.summary.frame["customer"]}
    for name in _ANSWERS:
        series[name] = columns[name][0]
        if len(total) > 1:
            bare, cents = name.removesuffix("_cents"), "_cents" if name.endswith("_cents") else ""
            series[f"{bare}_low{cents}"], series[f"{bare}_high{cents}"] = columns[name][1:]
    frame = pl.DataFrame(series)
    table = _by_group(frame, float(total.mean()))
    said, headline = _said(
        fit, horizon, table, (float(total.mean()), float(low), float(high)), level
    )
    return CustomerValue(
        frame=frame,
        horizon_days=horizon_days,
        total_cents=float(total.mean()),
        total_low_cents=float(low),
        total_high_cents=float(high),
        level=level,
        fit=fit,
        horizon=horizon,
        table=table,
        text=said,
        headline=headline,
    )


def ends_of(level: float) -> list[float]:
    """Return the probabilities below the ends of an interval.

    Raises:
        ParameterError: The level is not a probability.

    >>> ends_of(0.5)
    [0.25, 0.75]
    """
    if not 0 < level < 1:
        raise ParameterError(problem("level", level, "must be between 0 and 1"))
    return [(1 - level) / 2, (1 + level) / 2]


def mean_and_ends(answers: Floats, ends: list[float]) -> Floats:
    """Return mean, low and high end of each column (three times the one draw, if there is one).

    Sorting the columns takes a third of the time of ``np.quantile``, whose rule (between the two
    nearest draws, in proportion) this is.

    >>> mean_and_ends(np.array([[0.0], [1.0], [5.0]]), [0.25, 0.5]).ravel().tolist()
    [2.0, 0.5, 1.0]
    """
    ordered = np.sort(answers, axis=0)
    told = [answers.mean(axis=0)]
    for end in ends:
        place = end * (len(answers) - 1)
        below = int(place)
        above = min(below + 1, len(answers) - 1)
        told.append(ordered[below] + (place - below) * (ordered[above] - ordered[below]))
    return np.array(told)


def _said(
    fit: ClvFit,
    horizon: Horizon,
    table: pd.DataFrame,
    totals: tuple[float, float, float],
    level: float,
) -> tuple[str, str]:
    """Return the text and the headline of a value: (total, low, high)."""
    total, low, high = totals
    n, groups, until = fit.summary.frame.height, len(table), fit.summary.until
    best = text.share(float(table["share_of_value"].iloc[0]))
    tenth = "the best tenth of them holds" if groups == _GROUPS else "the best of them holds"
    starts = f" that follow {text.day(until)}" if until else ""
    between = text.interval(text.amount(low), text.amount(high), level)
    interval = "" if between == text.MISSING else f" ({between})"
    said = (
        f"{text.plural(n, 'customer')} are expected to be worth {text.amount(total)} in "
        f"the {text.days(horizon.days)}{starts}{interval}, {text.amount(total / n)} each on average",
        f"{tenth} {best} of it" if total else "",
        f"this is margin, taken as {text.share(horizon.margin_share)} of what is paid, discounted at "
        f"{text.share(horizon.discount_annual)} a year; what an offer would change is not in it",
    )
    headline = f"{tenth.replace('them', 'the customers').capitalize()} {best} of the value"
    return " ".join(text.sentence(part) for part in said if part), headline if total else ""


def _by_group(frame: pl.DataFrame, total: float) -> pd.DataFrame:
    """Return the customers in tenths by value; fewer customers make fewer groups."""
    groups = min(_GROUPS, frame.height)
    ranked = frame.sort(["clv_cents", "customer"], descending=[True, False]).with_row_index("rank")
    rows = (
        ranked.group_by(group=(pl.col("rank") * groups // frame.height + 1).cast(pl.Int64))
        .agg(
            customers=pl.len(),
            mean_clv_cents=pl.col("clv_cents").mean(),
            mean_expected_purchases=pl.col("expected_purchases").mean(),
            share_of_value=pl.col("clv_cents").sum() / total if total else pl.lit(None),
        )
        .sort("group")
    )
    return pd.DataFrame(rows.to_dict(as_series=False))
