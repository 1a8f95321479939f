"""What a fit says of histories rather than of customers: grids and silences. Owns no model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench import text
from workbench.arguments import checked
from workbench.clv.fit import ClvFit
from workbench.clv.models import expected_purchases
from workbench.errors import ParameterError, problem

Floats = npt.NDArray[np.float64]

_MOST_STEPS = 24
_POINTS = 41


@dataclass(frozen=True, kw_only=True, eq=False)
class HistoryGrid(text.Result):
    """What is expected by history.

    Attributes:
        table: A row a history, with ``repeat_purchases`` and, in days, when the last one was.
        text: What the extremes show.
    """


@checked
def frequency_recency(fit: ClvFit, horizon_days: int = 365, *, steps: int = 8) -> HistoryGrid:
    """Return P(alive) and expected purchases by number of repeat purchases and time of the last.

    Args:
        fit: A fit.
        horizon_days: Days ahead for the purchases.
        steps: Rows and columns of the grid, 2 to 24.

    Returns:
        A cell for each pair: customers of the greatest age in the data who bought
        ``repeat_purchases`` times, the last time ``days_since_last`` days before its end.

    Raises:
        InputError: The purchase model did not converge.
        ParameterError: An argument breaks its rule.

    >>> frequency_recency(fit, steps=3).table["probability_alive"].round(2).tolist()
    [0.75, 0.87, 0.95, 0.66, 0.6, 0.11, 0.5, 0.13, 0.0]
    """
    if not 2 <= steps <= _MOST_STEPS:  # noqa: PLR2004 - a grid has two ends
        raise ParameterError(problem("steps", steps, f"must be 2 to {_MOST_STEPS}"))
    if horizon_days < 1:
        raise ParameterError(problem("horizon_days", horizon_days, "must be at least 1"))
    rows, model = fit.rows, fit.model
    age = float(rows.age.max())
    repeat = np.repeat(rows.x, rows.weight.astype(int))
    repeat = repeat[repeat > 0]
    counts = np.unique(np.geomspace(1, max(np.quantile(repeat, 0.99), 2), steps).round())
    since = np.linspace(0, age, steps + 1)[:-1]
    if fit.purchases == "bg_bb":
        since = np.unique(since.round())
    x, gap = (part.ravel() for part in np.meshgrid(counts, since))
    there = age - gap >= (x if fit.purchases == "bg_bb" else 0)
    x, gap = x[there], gap[there]
    alive, bought = np.zeros(len(x)), np.zeros(len(x))
    draws, time = fit.purchase_draws(), horizon_days / fit.days_per_unit
    for at in draws:
        alive += model.probability_alive(at, x, age - gap, age) / len(draws)
        bought += expected_purchases(model, at, time, x, age - gap, age) / len(draws)
    table = pd.DataFrame(
        {
            "repeat_purchases": x.astype(int),
            "days_since_last": np.rint(gap * fit.days_per_unit).astype(int),
            "probability_alive": alive,
            "expected_purchases": bought,
        }
    )
    worst = table.iloc[int(np.argmin(table["probability_alive"]))]
    said = (
        f"least likely to be still a customer is who bought {text.count(worst['repeat_purchases'])} "
        f"times again and has been silent for {text.days(worst['days_since_last'])}: "
        f"{text.share(worst['probability_alive'])}"
    )
    return HistoryGrid(table=table, text=text.sentence(said), headline=said.capitalize())


@checked
def alive_after_silence(fit: ClvFit, repeat_purchases: int, *, every_days: float) -> HistoryGrid:
    """Return how P(alive) of a customer changes: at each purchase, and in the silence after them.

    Args:
        fit: A fit.
        repeat_purchases: Repeat purchases that the customer makes before falling silent.
        every_days: Days between them; the silence lasts as long as all of them, and at least six
            times as long as one.

    Returns:
        ``day`` since the first purchase, ``repeat_purchases`` up to it, and ``probability_alive``
        with ``low`` and ``high`` (a 90 % interval; equal for maximum likelihood).

    Raises:
        InputError: The purchase model did not converge.
        ParameterError: An argument breaks its rule.

    >>> round(float(alive_after_silence(fit, 3, every_days=14).table["probability_alive"].iloc[-1]), 2)
    0.32
    """
    if repeat_purchases < 1:
        raise ParameterError(problem("repeat_purchases", repeat_purchases, "must be at least 1"))
    if not 0 < every_days < float("inf"):
        raise ParameterError(problem("every_days", every_days, "must be above 0"))
    last = repeat_purchases * every_days
    end = last + max(last, 6 * every_days)
    bought = np.arange(1, repeat_purchases + 1) * every_days
    day = np.unique(np.concatenate([np.linspace(0, end, _POINTS), bought]))
    x = np.minimum(np.floor(day / every_days + 1e-9), repeat_purchases)
    unit = fit.days_per_unit
    draws = fit.purchase_draws()
    alive = np.array(
        [fit.model.probability_alive(at, x, x * every_days / unit, day / unit) for at in draws]
    )
    low, high = np.quantile(alive, [0.05, 0.95], axis=0)
    mean = alive.mean(axis=0)
    said = (
        f"a customer who bought {text.count(repeat_purchases)} times again, every "
        f"{text.days(every_days)}, and then not for {text.days(end - last)}, is still one with "
        f"probability {text.share(float(mean[-1]))}"
    )
    table = pd.DataFrame(
        {
            "day": day,
            "repeat_purchases": x.astype(int),
            "probability_alive": mean,
            "low": low,
            "high": high,
        }
    )
    return HistoryGrid(table=table, text=text.sentence(said), headline=said.capitalize())
