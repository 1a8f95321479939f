"""What each customer is worth in a horizon: expected purchases × value × margin, discounted.

Owns the sum over time; the expectations come from the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np
import pandas as pd
import polars as pl

from workbench import text
from workbench.errors import ParameterError, problem

STEP_DAYS = 30
_DAYS_PER_YEAR = 365.0
_GROUPS = 10


class Valued(Protocol):
    """What a fit must be able to say for its customers to be valued."""

    def expected_purchases(self, horizon_days: float) -> pd.Series:
        """Return expected purchases by customer."""

    def probability_alive(self) -> pd.Series:
        """Return P(alive) by customer."""

    def expected_value_cents(self) -> pd.Series:
        """Return the expected value of a purchase by customer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CustomerValue(text.Result):
    """Customer lifetime value over a horizon.

    Attributes:
        frame: One row a customer: ``customer``, ``probability_alive``, ``expected_purchases``,
            ``expected_value_cents`` (of one purchase day), ``clv_cents``.
        horizon_days: The horizon.
        total_cents: Sum over customers.
        table: Customers in ten groups by value, most valuable first, with the share of the total.
        text: The total, the mean and the share of the best tenth.
    """

    frame: pl.DataFrame
    horizon_days: int
    total_cents: float


def customer_value(
    fit: Valued,
    *,
    horizon_days: int,
    discount_annual: float,
    margin_share: float,
    until: date | None = None,
) -> CustomerValue:
    """Return the discounted value of each customer over a horizon.

    The horizon is cut into steps of 30 days (the last may be shorter). Purchases expected in a
    step count at its end: Σ (E[Y(end)] − E[Y(start)]) · value · margin / (1 + discount)^(end/365).
    ``until`` is the last day that the fit has seen, for the sentence.

    Raises:
        ParameterError: An argument breaks its rule.
    """
    if horizon_days < 1:
        raise ParameterError(problem("horizon_days", horizon_days, "must be at least 1"))
    if not 0 <= discount_annual < float("inf"):
        raise ParameterError(problem("discount_annual", discount_annual, "must be at least 0"))
    if not 0 < margin_share <= 1:
        rule = "must be above 0 and at most 1"
        raise ParameterError(problem("margin_share", margin_share, rule))
    alive, value = fit.probability_alive(), fit.expected_value_cents()
    ends = [*range(STEP_DAYS, horizon_days, STEP_DAYS), horizon_days]
    before = np.zeros(len(value))
    discounted = np.zeros(len(value))
    for end in ends:
        upto = fit.expected_purchases(end).to_numpy()
        discounted += (upto - before) / (1 + discount_annual) ** (end / _DAYS_PER_YEAR)
        before = upto
    frame = pl.DataFrame(
        {
            "customer": value.index.to_list(),
            "probability_alive": alive.to_numpy(),
            "expected_purchases": before,
            "expected_value_cents": value.to_numpy(),
            "clv_cents": discounted * value.to_numpy() * margin_share,
        }
    )
    total = float(frame["clv_cents"].sum())
    table = _by_group(frame, total)
    groups = len(table)
    best = text.share(float(table["share_of_value"].iloc[0]))
    tenth = "the best tenth of them holds" if groups == _GROUPS else "the best of them holds"
    starts = f" that follow {text.day(until)}" if until else ""
    said = (
        f"{text.plural(frame.height, 'customer')} are expected to be worth {text.amount(total)} in "
        f"the {text.days(horizon_days)}{starts}, {text.amount(total / frame.height)} each on average",
        f"{tenth} {best} of it" if total else "",
        f"this is margin, taken as {text.share(margin_share)} of what is paid, discounted at "
        f"{text.share(discount_annual)} a year; what an offer would change is not in it",
    )
    return CustomerValue(
        frame=frame,
        horizon_days=horizon_days,
        total_cents=total,
        table=table,
        text=" ".join(text.sentence(part) for part in said if part),
        headline=f"{tenth.replace('them', 'the customers').capitalize()} {best} of the value"
        if total
        else "",
    )


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
