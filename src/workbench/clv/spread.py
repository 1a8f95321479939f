"""How a value spreads over customers: bins of equal width, and who holds how much. Owns no value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from workbench import text
from workbench.arguments import checked
from workbench.clv.value import CustomerValue
from workbench.errors import InputError, ParameterError, problem
from workbench.text import NOT_ENOUGH_DATA

_MOST_BINS = 200
_TOP_SHARE = 0.99
_CURVE_POINTS = 101


@checked
def value_spread(value: CustomerValue, *, bins: int = 24) -> pd.DataFrame:
    """Count customers by value, in bins of equal width; the last one holds the top hundredth too.

    Args:
        value: Of ``ClvFit.clv``.
        bins: Number of bins, 1 to 200.

    Returns:
        A row for each bin with ``bin_low_cents``, ``bin_high_cents`` and ``customers``.

    Raises:
        InputError: There is no customer.
        ParameterError: The number of bins breaks its rule.

    >>> value_spread(fit.clv(365), bins=3)["customers"].to_list()
    [2216, 90, 51]
    """
    if not 1 <= bins <= _MOST_BINS:
        raise ParameterError(problem("bins", bins, f"must be 1 to {_MOST_BINS}"))
    cents = value.frame["clv_cents"].to_numpy()
    if len(cents) == 0:
        raise InputError(f"{NOT_ENOUGH_DATA}: no customer has a value")
    top = max(float(np.quantile(cents, _TOP_SHARE)), 1.0)
    counts, edges = np.histogram(np.clip(cents, 0, top), bins=bins, range=(0, top))
    return pd.DataFrame(
        {"bin_low_cents": edges[:-1], "bin_high_cents": edges[1:], "customers": counts}
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Concentration(text.Result):
    """How much of the value the best customers hold.

    Attributes:
        table: ``share_of_customers`` (the best first) and ``share_of_value``, both cumulative.
        gini: 0 when all are worth the same, near 1 when one holds everything.
        text: What the best tenth and the best half hold.
    """

    gini: float


@checked
def value_concentration(value: CustomerValue) -> Concentration:
    """Return the share of the value that the best customers hold, from none of them to all.

    Args:
        value: Of ``ClvFit.clv``.

    Returns:
        The curve, and its Gini coefficient.

    Raises:
        InputError: There is no customer, or nobody has a value.

    >>> 0.5 < value_concentration(fit.clv(365)).gini < 0.8
    True
    """
    cents = np.sort(value.frame["clv_cents"].to_numpy())[::-1]
    if len(cents) == 0 or cents.sum() <= 0:
        raise InputError(f"{NOT_ENOUGH_DATA}: no customer has a value")
    held = np.concatenate([[0.0], np.cumsum(cents) / cents.sum()])
    people = np.arange(len(cents) + 1) / len(cents)
    at = np.linspace(0, 1, _CURVE_POINTS)
    table = pd.DataFrame({"share_of_customers": at, "share_of_value": np.interp(at, people, held)})
    tenth, half = np.interp([0.1, 0.5], people, held)
    said = (
        f"the best tenth of the customers holds {text.share(tenth)} of the value, the best half "
        f"{text.share(half)}"
    )
    return Concentration(
        table=table,
        gini=float(2 * np.trapezoid(held, people) - 1),
        text=text.sentence(said),
        headline=said[0].upper() + said[1:],
    )
