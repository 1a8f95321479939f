"""What became of redemptions: incremental, pulled forward or cannibalised, as bounds. Owns no effect.

Which redemptions were which is known for the population only, and only under assumptions; what they do not
settle is given as bounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import pandas as pd

from workbench import text
from workbench.experiment.effect import Estimate
from workbench.experiment.pairs import Pair

Assumption: TypeAlias = Literal["no_halo", "no_harm", "dip_is_pulled_forward"]

DIP: Assumption = "dip_is_pulled_forward"

ASSUMPTIONS: dict[Assumption, str] = {
    "no_halo": "an offer makes no further visit but the one at which it is redeemed",
    "no_harm": "an offer takes no visit away within the window",
    "dip_is_pulled_forward": "what is missing after the window was pulled forward into it",
}
"""What may be assumed of redemptions, in words."""


def classes_of(
    pair: Pair,
    there: Sequence[str],
    assumed: tuple[Assumption, ...],
    customers: int,
    level: float,
) -> pd.DataFrame:
    """Return the classes of redemptions between the bounds that the assumptions leave."""
    names = ["class", "low", "high", "low_end", "high_end", "cost_low_cents", "cost_high_cents"]
    if "redemptions" not in there:
        return pd.DataFrame(columns=names)
    zero = Estimate(value=0.0, standard_error=0.0, df=math.inf, n_treatment=0, n_control=0)

    def effect(name: str) -> Estimate:
        return pair.compare(name).absolute

    redeemed, more, anyway = effect("redemptions"), effect("purchases"), effect("cannibalised")
    dip = DIP in assumed
    halo, harm = "no_halo" not in assumed, "no_harm" not in assumed
    cannibalised = (zero if harm else anyway, redeemed if halo else anyway)
    not_anyway = redeemed if harm else more
    if dip:
        pulled = effect("missing_after")
        low, high = effect("in_both"), effect("redeemed_not_pulled" if harm else "in_both")
        ends = {"incremental": (zero if halo else low, high), "pulled_forward": (pulled, pulled)}
    else:
        ends = {"incremental": (zero, not_anyway), "pulled_forward": (zero, not_anyway)}
    ends["cannibalised"] = cannibalised
    cost = effect("cost_of_offers_cents").value / redeemed.value if redeemed.value > 0 else 0.0
    most = max(redeemed.value, 0.0)
    rows = []
    for name, both in ends.items():
        bounds = [min(max(each.value, 0.0), most) for each in both]
        chance = [max(each.interval(level)[k], 0.0) for k, each in enumerate(both)]
        rows.append((name, *bounds, *chance, *(each * cost * customers for each in bounds)))
    return pd.DataFrame(rows, columns=names)


def said_of(classes: pd.DataFrame, customers: int, level: float) -> str:
    """Return the classes over so many customers as they are said, and what the cannibalised ones cost.

    A class that the assumptions settle has the interval of its estimate beside it.
    """
    parts = []
    for row in classes.to_dict("records"):
        low, high, least, most = (
            text.count(row[each] * customers) for each in ("low", "high", "low_end", "high_end")
        )
        settled = low == high and least != most
        chance = f" ({text.interval(least, most, level)})" if settled else ""
        parts.append(f"{_one_or_span(low, high)}{chance} {text.words(row['class'])}")
    anyway = classes[classes["class"] == "cannibalised"].iloc[0]
    low, high = (text.amount(anyway[name]) for name in ("cost_low_cents", "cost_high_cents"))
    return (
        f"of the redemptions {text.listing(parts)}; the cannibalised ones, of customers who would "
        f"have bought anyway, cost {_one_or_span(low, high)}"
    )


def _one_or_span(low: str, high: str) -> str:
    return low if low == high else text.span(low, high)
