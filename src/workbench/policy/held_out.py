"""What a plan earns among customers whom its fit never saw. Owns the estimate, no plan and no fit.

The best of each cell looks better than it is to the data that chose it. Customers of the experiment who were kept
apart say what the plan earns without that favour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.experiment.units import Source, read_source
from workbench.frames import need_columns
from workbench.policy.allocation import Allocation
from workbench.uplift import UpliftDraws

Floats = npt.NDArray[np.float64]

_Z95 = 1.959963984540054
_FEWEST = 30


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutProfit(text.Result):
    """What a plan earns, by customers who were kept apart.

    Attributes:
        table: A row a cell that gets an offer: the dimensions, ``offer`` (that most of it gets), ``customers`` (of the
            plan), ``held_out`` (customers kept apart), ``expected_cents`` (a customer, by the fit) and ``found_cents``.
        text: The profit with its interval beside what was expected, and what could not be judged.
        profit_cents: Of the plan, in all.
        low_cents: Lower end of its 95 % interval.
        high_cents: Upper end.
        expected_cents: What the fit expects of the same cells.
        judged: Share of the customers with an offer in whose cell somebody was kept apart.
    """

    profit_cents: float
    low_cents: float
    high_cents: float
    expected_cents: float
    judged: float


@checked
def profit_on_held_out(
    plan: Allocation,
    draws: UpliftDraws,
    units: Source,
    *,
    profit: str = "profit_cents",
    arm: str = "arm",
    shares: Mapping[str, float] | None = None,
) -> HeldOutProfit:
    """Estimate what a plan earns from customers of the experiment who had no part in its fit.

    Of each customer and arm there is a doubly robust score: what the fit expects of the cell, and for the arm that
    the customer got, the rest of the outcome over the chance of that arm. The fit never saw the customer, so the
    score has no bias whatever the fit is, and no winner's curse. Cells count as the plan has them.

    Args:
        plan: From :func:`allocate`, of the cells of ``draws``.
        draws: The cells, from a fit without these customers.
        units: A row a customer kept apart: the dimensions, the arm and the profit (the cost of an offer taken
            off), in cents.
        profit: Column of the profit.
        arm: Column of the arm.
        shares: Chance of each arm, as the experiment was designed; none: the shares that are found.

    Returns:
        The profit of the plan with its interval, beside what was expected.

    Raises:
        InputError: A column is missing or no number, an arm has nobody or is none of the fit, or fewer than 30
            customers were kept apart.
        ParameterError: The plan is of other cells, or shares miss an arm or are not above 0.

    Source: Dudík, Langford and Li (2011), doubly robust policy evaluation, arXiv 1103.4601.

    >>> profit_on_held_out("plan", "draws", "units.parquet")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: plan was 'plan', must be an allocation, such as workbench.allocate gives
    """
    if plan.share.shape != (len(draws.cells), len(draws.offers)):
        raise ParameterError(
            f"the plan has {text.plural(len(plan.share), 'row')} and the draws have "
            f"{text.plural(len(draws.cells), 'cell')}; make the plan of the cells of these draws"
        )
    frame = read_source(units)
    need_columns(frame.collect_schema().names(), [*draws.by, arm, profit], "frame of units")
    kept = frame.select(*draws.by, pl.col(arm).cast(pl.String), profit).collect()
    cell = draws.place(kept)
    known = cell >= 0
    got, outcome = _arms(kept[arm], draws.arms), _numbers(kept[profit], profit)
    cell, got, outcome = cell[known], got[known], outcome[known]
    if len(cell) < _FEWEST:
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: {text.plural(len(cell), 'customer')} of the cells of the plan kept apart, "
            f"must be at least {_FEWEST}"
        )
    chance = _chances(got, draws.arms, shares)
    scores = _scores(draws, cell, got, outcome, chance)
    score = (plan.share[cell] * (scores[:, 1:] - scores[:, :1])).sum(axis=1)
    count = np.bincount(cell, minlength=len(draws.cells))
    there = (count > 0) & (plan.share.sum(axis=1) > 0)
    mean = np.bincount(cell, score, minlength=len(count)) / np.maximum(count, 1)
    rest = np.bincount(cell, (score - mean[cell]) ** 2, minlength=len(count))
    pooled = rest.sum() / max(int((count - (count > 0)).sum()), 1)
    variance = np.where(count > 1, rest / np.maximum(count - 1, 1), pooled)
    profit_cents = float((plan.weight * mean)[there].sum())
    error = float(np.sqrt((plan.weight**2 * variance / np.maximum(count, 1))[there].sum()))
    expected = (plan.share * draws.value.mean(axis=0)).sum(axis=1)
    offered = plan.weight * plan.share.sum(axis=1)
    judged = float(offered[there].sum() / offered.sum()) if offered.sum() else 1.0
    shown = np.flatnonzero(there)
    names = np.array(draws.offers)
    table = draws.cells.iloc[shown].assign(
        offer=names[plan.share[shown].argmax(axis=1)],
        customers=plan.weight[shown],
        held_out=count[shown],
        expected_cents=expected[shown],
        found_cents=mean[shown],
    )
    low, high = profit_cents - _Z95 * error, profit_cents + _Z95 * error
    expected_cents = float((plan.weight * expected)[there].sum())
    return HeldOutProfit(
        table=table.reset_index(drop=True),
        text=_said(profit_cents, low, high, expected_cents, judged, len(cell)),
        headline=f"Kept apart, the plan earns {text.amount(profit_cents)}",
        profit_cents=profit_cents,
        low_cents=low,
        high_cents=high,
        expected_cents=expected_cents,
        judged=judged,
    )


def _scores(
    draws: UpliftDraws,
    cell: npt.NDArray[np.int64],
    got: npt.NDArray[np.int64],
    outcome: Floats,
    chance: Floats,
) -> Floats:
    """Return the doubly robust score of each customer and arm."""
    baseline = draws.baseline.mean(axis=0)[:, None]
    expected = np.hstack([baseline, baseline + draws.value.mean(axis=0)])
    scores: Floats = expected[cell]
    at = np.arange(len(cell))
    scores[at, got] += (outcome - scores[at, got]) / chance[got]
    return scores


def _arms(labels: pl.Series, arms: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Return the number of the arm of each customer."""
    for label in labels.unique().to_list():
        if label not in arms:
            hint = did_you_mean(str(label), arms)
            raise InputError(
                f"arm {label!r} is none of the fit{hint}; its arms are {', '.join(arms)}"
            )
    numbers = {name: k for k, name in enumerate(arms)}
    return labels.replace_strict(numbers, return_dtype=pl.Int64).to_numpy()


def _numbers(values: pl.Series, name: str) -> Floats:
    if not values.dtype.is_numeric():
        raise InputError(f"column {name!r} holds {str(values.dtype).lower()}, must hold cents")
    found = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    wrong = int((~np.isfinite(found)).sum())
    if wrong:
        raise InputError(f"{text.plural(wrong, 'value')} of {name!r} must be finite numbers")
    return found


def _chances(
    got: npt.NDArray[np.int64], arms: tuple[str, ...], shares: Mapping[str, float] | None
) -> Floats:
    """Return the chance of each arm."""
    found = np.bincount(got, minlength=len(arms))
    for k, name in enumerate(arms):
        if not found[k]:
            raise InputError(
                f"{text.NOT_ENOUGH_DATA}: nobody who was kept apart is in arm {name!r}"
            )
        if shares is not None and not 0 < shares.get(name, 0) < np.inf:
            rule = f"must have a share above 0 for each of {', '.join(arms)}"
            raise ParameterError(problem("shares", dict(shares), rule))
    part = found if shares is None else np.array([shares[name] for name in arms], dtype=np.float64)
    return np.asarray(part / part.sum())


def _said(  # noqa: PLR0917 - what the sentence is about
    profit: float, low: float, high: float, expected: float, judged: float, customers: int
) -> str:
    inside = low <= expected <= high
    said = text.sentence(
        f"by {text.plural(customers, 'customer')} kept apart the plan earns {text.amount(profit)} "
        f"({text.interval(text.amount(low), text.amount(high))}), {'as' if inside else 'not as'} expected "
        f"({text.amount(expected)})"
    )
    if judged < 1:
        said += " " + text.sentence(
            f"{text.share(1 - judged)} of the customers with an offer are in cells without anybody kept apart and "
            "are left out of both"
        )
    return said


__all__ = ["HeldOutProfit", "profit_on_held_out"]
