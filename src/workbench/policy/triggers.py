"""A plan for customers who trigger more than once: who is not worth an offer now may be at a later trigger.

Owns the count of customers at the trigger where they are served. Owns no search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.units import read_source
from workbench.frames import Frame, as_polars, need_columns
from workbench.policy.allocation import Allocation, allocate
from workbench.policy.resources import Budget, ContactLimit
from workbench.uplift import UpliftDraws

Floats = npt.NDArray[np.float64]

ONCE = "none"
_ROUNDS = 12
_SAME = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class TriggerPlan(text.Result):
    """A plan in which a customer is served at the first trigger that is worth an offer.

    Attributes:
        table: A row a cell: the dimensions, ``first`` and ``served``: shares of the customers at their first
            trigger, and at the one where they are served (who never is counts at the first), ``offer``.
        text: The plan, and how many customers are served at a later trigger.
        allocation: The plan.
        triggers_per_customer: How often a customer triggers.
        later: Share of the customers who are served at a later trigger than the first.
    """

    allocation: Allocation
    triggers_per_customer: float
    later: float


@checked
def plan_over_triggers(
    draws: UpliftDraws,
    triggers: Frame,
    *,
    customers: float,
    budgets: Sequence[Budget] = (),
    inventory: Mapping[str, float] | None = None,
    contacts: Sequence[ContactLimit] = (),
    risk: float | None = None,
) -> TriggerPlan:
    """Plan for customers who trigger several times and are served once.

    A cell that gets no offer passes its customers on to their next trigger, in whatever cell that is. So the
    plan changes who is in which cell, and is made anew for that until it no longer changes.

    Args:
        draws: The cells, from a fit.
        triggers: A row a trigger in the order of time: ``customer_id`` and the dimensions, such as of last
            month's log by :func:`workbench.label_triggers`.
        customers: How many customers the plan is for.
        budgets: As in :func:`allocate`.
        inventory: As in :func:`allocate`.
        contacts: As in :func:`allocate`.
        risk: As in :func:`allocate`.

    Returns:
        The plan with the cells in which customers are served.

    Raises:
        InputError: A column or a ``customer_id`` is missing, or no trigger is in a cell of the fit.
        ParameterError: ``customers`` is not above 0, or a limit cannot be one.

    >>> plan_over_triggers("fit", None, customers=10)
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: draws was 'fit', must be draws of uplift, such as the decision of workbench.fit_uplift
    """
    if not (np.isfinite(customers) and customers > 0):
        raise ParameterError(problem("customers", customers, "must be a number above 0"))
    person, cell = _placed(draws, triggers)
    count = len(draws.cells)
    nobody = np.zeros(count, dtype=bool)
    first, _ = served_cells(person, cell, nobody)
    weight, before = first, nobody
    for _ in range(_ROUNDS):
        plan = allocate(
            draws,
            customers=customers * weight,
            budgets=budgets,
            inventory=inventory,
            contacts=contacts,
            risk=risk,
        )
        given = plan.share.sum(axis=1) >= 1 / 2
        served, later = served_cells(person, cell, given)
        if np.abs(served - weight).sum() < _SAME:
            break
        # The same cells again: who is served where is known. Other ones: half of the way, because a cell
        # that pays may not when it fills with others.
        weight = served if (given == before).all() else (weight + served) / 2
        before = given
    each = len(cell) / len(np.unique(person))
    names = np.array([*plan.offers, "none"])
    offer = np.where(given, plan.share.argmax(axis=1), len(plan.offers))
    table = draws.cells.assign(first=first, served=served, offer=names[offer])
    said = text.sentence(
        f"a customer triggers {text.number(each)} times; {text.share(later)} are served at a later trigger than "
        "the first, because the earlier ones are worth no offer"
    )
    return TriggerPlan(
        table=table,
        text=f"{plan.text} {said}",
        headline=plan.headline,
        allocation=replace(plan, text=f"{plan.text} {said}"),
        triggers_per_customer=each,
        later=later,
    )


@checked
def triggers_of(draws: UpliftDraws, triggers: str | Path = ONCE) -> pl.DataFrame:
    """Read the triggers of a plan, or let every customer of the fit trigger once.

    Args:
        draws: The cells, from a fit.
        triggers: A Parquet or CSV file, a row a trigger; ``none``: each customer triggers once, in its cell.

    Returns:
        ``customer_id`` and the dimensions, a row a trigger.

    Raises:
        InputError: The file is not there or no table, or a column is missing.

    >>> triggers_of("fit")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: draws was 'fit', must be draws of uplift, such as the decision of workbench.fit_uplift
    """
    by = list(draws.by)
    if str(triggers) == ONCE:
        cells = pl.DataFrame(draws.cells[by]).select(
            pl.all().repeat_by(pl.Series(draws.customers.astype(int))).explode()
        )
        return cells.with_row_index("customer_id")
    path = Path(triggers)
    if not path.is_file():
        raise InputError(
            f"{path.name} does not exist; name the Parquet file of triggers, or {ONCE!r}"
        )
    frame = read_source(path, "triggers")
    need_columns(frame.collect_schema(), ["customer_id", *by], "file of triggers")
    return frame.select("customer_id", *by).collect()


def _placed(
    draws: UpliftDraws, triggers: Frame
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the person and the cell of each trigger that lies in a cell."""
    frame = as_polars(triggers, "triggers")
    need_columns(frame.columns, ["customer_id", *draws.by], "frame of triggers")
    if nameless := frame["customer_id"].null_count():
        raise InputError(f"{text.plural(nameless, 'trigger')} must have a customer_id")
    cell = draws.place(frame)
    known = cell >= 0
    if not known.any():
        raise InputError(
            "no trigger lies in a cell of the fit; label them with the same dimensions"
        )
    person = frame["customer_id"].filter(known).rank("dense").cast(pl.Int64).to_numpy() - 1
    return person, cell[known]


def served_cells(
    person: npt.NDArray[np.int64], cell: npt.NDArray[np.int64], given: npt.NDArray[np.bool_]
) -> tuple[Floats, float]:
    """Return the share of customers served in each cell, and of those served at a later trigger.

    >>> person, cell = np.array([0, 0, 1]), np.array([0, 1, 0])
    >>> served_cells(person, cell, np.array([False, True]))
    (array([0.5, 0.5]), 0.5)
    """
    people = int(person.max()) + 1
    first = np.full(people, -1, dtype=np.int64)
    at = np.full(people, -1, dtype=np.int64)
    order = np.arange(len(person))[::-1]
    first[person[order]] = order
    worth = order[given[cell[order]]]
    at[person[worth]] = worth
    place = np.where(at >= 0, at, first)
    share = np.bincount(cell[place], minlength=len(given)) / people
    return share, float((at > first).mean())


__all__ = ["TriggerPlan", "plan_over_triggers", "served_cells", "triggers_of"]
