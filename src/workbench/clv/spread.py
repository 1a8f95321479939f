"""How a value spreads over customers, in bins of equal width. Owns no value."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.arguments import checked
from workbench.clv.value import CustomerValue
from workbench.errors import InputError, ParameterError, problem
from workbench.text import NOT_ENOUGH_DATA

_MOST_BINS = 200
_TOP_SHARE = 0.99


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
