"""How many customers a programme will trigger: from a replay of a past month. Owns no replay and no rule."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.replay import Replay

_DAY = "1d"


@dataclass(frozen=True, kw_only=True, eq=False)
class Triggers(text.Result):
    """The customers that a programme triggers for the first time on each day.

    Attributes:
        table: A row a day (UTC) with ``new_customers`` and ``customers`` (so far).
        text: How many in how many days, and what their offers cost.
        entries: New customers of each day, as :func:`workbench.design` takes them.
        offer_cost_cents: Committed cost of the offers of one customer, on average; what ghosts would
            cost counts, for a treated customer gets it.
    """

    entries: list[int]
    offer_cost_cents: float


@checked
def expected_triggers(replayed: Replay, programme: str) -> Triggers:
    """Return whom a programme would have triggered in a log, as an expectation for the next month.

    Args:
        replayed: A replay of last month's log with the programme as planned.
        programme: Its name.

    Returns:
        New customers by day; a customer counts at the first offer, or ghost of one.

    Raises:
        ParameterError: The replay has no such programme.
        InputError: It triggered nobody.

    >>> found = expected_triggers(replayed, "welcome_back")
    >>> sum(found.entries) == int(found.table["customers"].iloc[-1])
    True
    """
    names = [each.name for each in replayed.rules]
    if programme not in names:
        rule = f"must be one of {', '.join(names)}"
        raise ParameterError(
            problem("programme", programme, rule, hint=did_you_mean(programme, names))
        )
    rows = (
        replayed.decisions()
        .filter(pl.col("programme") == programme, pl.col("offer_id").is_not_null())
        .filter(pl.col("delivered") | (pl.col("would_cost_cents") > 0))
        .select("person", "ts", "offer_id")
        .collect()
    )
    if rows.is_empty():
        raise InputError(f"{text.NOT_ENOUGH_DATA}: {programme} triggers no customer of this log")
    first = rows.group_by("person").agg(pl.col("ts").min().dt.truncate(_DAY))
    days = pl.DataFrame(
        {"ts": pl.datetime_range(first["ts"].min(), first["ts"].max(), _DAY, eager=True)}  # type: ignore[arg-type]  # both are instants
    )
    by_day = days.join(first.group_by("ts").len(), on="ts", how="left", maintain_order="left")
    new = by_day["len"].fill_null(0).cast(pl.Int64)
    priced = replayed.offers.set_index("offer_id")
    each = priced["redemption_rate"].astype(float) * _unit_costs(replayed, programme)
    cost = float(rows["offer_id"].to_pandas().map(each.to_dict()).sum()) / first.height
    table = pd.DataFrame(
        {
            "day": by_day["ts"].dt.date().to_list(),
            "new_customers": new.to_list(),
            "customers": new.cum_sum().to_list(),
        }
    )
    said = (
        f"{text.named(programme)} would trigger for {text.plural(first.height, 'customer')} in "
        f"{text.days(len(table))}, at a committed cost of {text.money(round(cost))} each"
    )
    return Triggers(
        table=table, text=text.sentence(said), entries=new.to_list(), offer_cost_cents=cost
    )


def _unit_costs(replayed: Replay, programme: str) -> pd.Series[float]:
    """Return the full cost of one offer, by its id."""
    rules = next(each for each in replayed.rules if each.name == programme)
    return pd.Series({offer.id: float(offer.cost_cents) for offer in rules.offers})
