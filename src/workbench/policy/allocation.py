"""Who gets which offer: the largest expected profit within budgets, pieces, contacts and shares.

Owns the result and its words. Owns no search (``solve``) and no file (``policy_file``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.policy.resources import Budget, ContactLimit, Resources, resources_of
from workbench.policy.solve import NOTHING, Solved, solve
from workbench.uplift import UpliftDraws

Floats = npt.NDArray[np.float64]

_MOST_OFFERS = 127
_MATRIX = 2
_CELLS_AND_DRAWS = 3
_WHOLE = 1e-9  # what rounding may exceed a limit by
_FACTORS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Allocation(text.Result):
    """Who gets which offer.

    Attributes:
        table: A row an offer: ``customers`` who get it, ``cost_cents`` and ``profit_cents`` in all, as
            expected.
        text: What the allocation earns and costs, which limit binds and what more of it is worth, and
            how far it may be from the best.
        limits: A row a limit: its ``unit``, ``limit``, ``used``, ``binds``, and ``worth_of_one_more``: the cents that
            one more unit of it earns (a cent of a budget, a piece, a contact).
        share: Customer or cell x offer: the share of its customers who get the offer. Of single
            customers it is 0 or 1.
        net_cents: Customer or cell x offer: expected profit (or its quantile) less what the limits charge; an
            offer is given where this is above 0 and largest.
        profit_cents: Expected profit in all.
        profit_draws_cents: Draws of it, when the values came as draws; else empty.
        cost_cents: Expected cost in all.
        duality_gap: How far what was made largest (expected profit, or the sum of its quantiles) may be below
            the best there is, as a share of it.
        offers: The offers.
        weight: How many customers each row stands for.
        price_of_cost: Of each offer what its limits charge for a cent of its cost.
        price_of_contact: Of each offer what its limits charge for a customer.
    """

    limits: pd.DataFrame
    share: Floats
    net_cents: Floats
    profit_cents: float
    profit_draws_cents: Floats
    cost_cents: float
    duality_gap: float
    offers: tuple[str, ...]
    weight: Floats
    price_of_cost: Floats
    price_of_contact: Floats

    @property
    def limits_page(self) -> pd.DataFrame:
        """The limits as a reader sees them: budgets in money, and what one more dollar, piece or customer earns."""
        money = self.limits["unit"] == "cents"
        rows = []
        for row, is_money in zip(self.limits.to_dict("records"), money, strict=True):
            write = text.amount if is_money else text.count
            rows.append(
                {
                    "limit_of": row["limit_of"],
                    "limit": write(row["limit"]),
                    "used": write(row["used"]),
                    "binds": row["binds"],
                    "one_more": "dollar" if is_money else "customer",
                    "earns": text.amount(row["worth_of_one_more"] * (100 if is_money else 1)),
                }
            )
        return pd.DataFrame(rows)


@checked
def allocate(
    value: UpliftDraws | npt.NDArray[np.float64],
    cost: npt.NDArray[np.float64] | None = None,
    *,
    offers: Sequence[str] = (),
    customers: float | npt.NDArray[np.float64] | None = None,
    budgets: Sequence[Budget] = (),
    inventory: Mapping[str, float] | None = None,
    contacts: Sequence[ContactLimit] = (),
    minimum_shares: Mapping[str, float] | None = None,
    risk: float | None = None,
) -> Allocation:
    """Say who gets which offer, so that expected profit is largest within all limits.

    Args:
        value: From :func:`workbench.fit_uplift` (its ``decision``): cells. Or an array, customer x offer:
            the expected incremental profit of each offer to each customer, in cents; or draws of it, draw
            x customer x offer.
        cost: Customer x offer (with or without draws): the expected cost in cents. Of a fit: its own.
        offers: Names of the offers. Of a fit: its own.
        customers: Of cells: how many triggered customers the plan is for, in all or in each cell; none:
            those of the experiment.
        budgets: What may be spent.
        inventory: By offer how many pieces there are.
        contacts: How many customers may be contacted.
        minimum_shares: By offer the share of all customers that must get it.
        risk: A quantile of the draws, such as 0.2, instead of their mean: who dislikes risk gives an offer
            only where its profit is above the limits' charge with a probability of 1 - risk.

    Returns:
        The allocation with the price of each limit and its gap to the best.

    Raises:
        ParameterError: A number is missing, infinite or of the wrong shape, an offer is not known or has no
            cost, or a limit cannot be one.
        InputError: A budget is below its cheapest offer for every customer, or no allocation holds all
            limits.

    Source: :mod:`workbench.policy.solve`.

    >>> value, cost = np.array([[90.0, 50.0], [40.0, 30.0]]), np.array([[60.0, 10.0], [60.0, 10.0]])
    >>> plan = allocate(value, cost, offers=["meal", "tea"], budgets=[Budget(amount_cents=70)])
    >>> plan.share.tolist(), plan.profit_cents
    ([[1.0, 0.0], [0.0, 1.0]], 120.0)
    """
    worth, mean, draws, cost_mean, names, weight = _given(value, cost, offers, customers, risk)
    limits = resources_of(
        names,
        float(weight.sum()),
        budgets=budgets,
        inventory=inventory or {},
        contacts=contacts,
        minimum_shares=minimum_shares or {},
    )
    for budget in budgets:
        _affordable(budget, names, cost_mean)
    single = not isinstance(value, UpliftDraws)
    solved = solve(worth, cost_mean, weight, limits)
    share = _shares(solved, worth.shape[1])
    if single:
        share = _whole(share, solved, worth, cost_mean, limits)
    return _allocation(share, solved, worth, mean, cost_mean, draws, weight, names, limits)


def _given(
    value: UpliftDraws | Floats,
    cost: Floats | None,
    offers: Sequence[str],
    customers: float | Floats | None,
    risk: float | None,
) -> tuple[Floats, Floats, Floats | None, Floats, tuple[str, ...], Floats]:
    """Return what offers are worth (means, or a quantile), mean values, draws, mean costs, offers, weights."""
    if risk is not None and not 0 < risk < 1:
        raise ParameterError(problem("risk", risk, "must be a quantile above 0 and below 1"))
    if isinstance(value, UpliftDraws):
        names = value.offers
        values, costs = value.value, value.cost
        whole = value.customers.sum() if customers is None else customers
        weight = whole if isinstance(whole, np.ndarray) else value.weight * whole
        if weight.shape != value.customers.shape or (weight < 0).any():
            raise ParameterError(
                f"customers has the shape {weight.shape} and a least of {weight.min()}; must be one number from "
                f"0 for each of {len(value.customers)} cells"
            )
    else:
        names = tuple(offers)
        values = np.asarray(value, dtype=np.float64)
        if cost is None:
            raise ParameterError(
                "cost was None, must be an array: what each offer costs a customer"
            )
        costs = np.asarray(cost, dtype=np.float64)
        rows = values.shape[-2] if values.ndim >= _MATRIX else 0
        weight = np.ones(rows)
    draws = values if values.ndim == _CELLS_AND_DRAWS else None
    if draws is None:
        worth = mean = values
        if risk is not None:
            raise ParameterError("risk needs draws of the values: draw x customer x offer")
    else:
        mean = draws.mean(axis=0)
        worth = mean if risk is None else np.quantile(draws, risk, axis=0)
    cost_mean = costs.mean(axis=0) if costs.ndim == _CELLS_AND_DRAWS else costs
    _shapes(mean, cost_mean, names)
    if not (np.isfinite(weight).all() and weight.sum() > 0):
        raise ParameterError(problem("customers", customers, "must be a number above 0"))
    return worth, mean, draws, cost_mean, names, weight


def _shapes(mean: Floats, cost: Floats, names: Sequence[str]) -> None:
    if mean.ndim != _MATRIX or mean.shape != cost.shape or mean.shape[1] != len(names):
        raise ParameterError(
            f"value has the shape {mean.shape}, cost {cost.shape}, and there are {len(names)} offers; "
            "value and cost must be customer x offer"
        )
    if len(set(names)) < len(names):
        raise ParameterError(problem("offers", list(names), "must each have a name of its own"))
    if not 1 <= len(names) <= _MOST_OFFERS or not len(mean):
        raise ParameterError(
            problem("offers", len(names), f"must be 1 to {_MOST_OFFERS}, for customers")
        )
    for name, column in zip(names, cost.T, strict=True):
        if not np.isfinite(column).all():
            raise ParameterError(
                f"{name} has no cost for some customers; give each offer its cost in cents"
            )
        if (column < 0).any():
            raise ParameterError(
                problem(f"cost of {name}", float(column.min()), "must be at least 0")
            )
    if not np.isfinite(mean).all():
        raise ParameterError(
            "value holds a number that is missing or infinite; give each its profit in cents"
        )


def _affordable(budget: Budget, names: Sequence[str], cost: Floats) -> None:
    mine = [k for k, name in enumerate(names) if not budget.offers or name in budget.offers]
    cheapest = float(cost[:, mine].min())
    if cheapest > 0 and budget.amount_cents < cheapest:
        raise InputError(
            f"{budget.name} is {text.amount(budget.amount_cents)}, less than its cheapest offer is expected "
            f"to cost one customer, {text.amount(cheapest)}; raise it or leave it out"
        )


def _shares(solved: Solved, offers: int) -> Floats:
    """Return the share of each row that gets each offer."""
    share = np.zeros((solved.plans.shape[1], offers))
    for plan, part in zip(solved.plans, solved.mix, strict=True):
        got = plan != NOTHING
        share[np.flatnonzero(got), plan[got]] += part
    return np.minimum(share, 1.0)


def _whole(share: Floats, solved: Solved, value: Floats, cost: Floats, limits: Resources) -> Floats:
    """Return whole offers for single customers: plans are mixed evenly over who is on the edge.

    Who gets the same offer under all plans keeps it. The others lie at the edge, where offers are worth what
    the limits charge; they are dealt to the plans in the order of a low-discrepancy sequence. Then shares that
    must be reached are filled up, and what exceeds a limit is taken from those to whom it is worth least.

    Raises:
        InputError: Parts of offers hold all limits, whole ones were not found to.
    """
    place = (np.arange(len(share)) * 0.6180339887498949 + 0.5) % 1.0
    plan = np.minimum(np.searchsorted(np.cumsum(solved.mix), place), len(solved.mix) - 1)
    choice = solved.plans[plan, np.arange(len(share))]
    found = np.zeros_like(share)
    got = choice != NOTHING
    found[np.flatnonzero(got), choice[got]] = 1.0
    net = value - cost * (solved.price @ limits.of_cost) - solved.price @ limits.of_count
    must = (limits.of_count < 0).any(axis=1)
    least = np.zeros(share.shape[1])
    for row in np.flatnonzero(must):
        offer = int(np.flatnonzero(limits.of_count[row])[0])
        least[offer] = np.ceil(-limits.limit[row] - _WHOLE)
    for short in np.flatnonzero(least > found.sum(axis=0)):
        _give(found, net, int(short), least)
    for row in np.flatnonzero(~must):
        if (over := _over(found, cost, limits)[row]) > 0:
            _take(found, net, cost * limits.of_cost[row] + limits.of_count[row], over, least)
    for name, over in zip(limits.names, _over(found, cost, limits), strict=True):
        if over > 0:
            raise InputError(
                f"no whole offers were found that hold all limits: {name} is missed by {text.number(over)}; raise "
                "it, or lower the shares that must be reached"
            )
    return found


def _over(found: Floats, cost: Floats, limits: Resources) -> Floats:
    """Return by how much whole offers exceed each limit; 0 within rounding."""
    over = limits.used((found * cost).sum(axis=0), found.sum(axis=0)) - limits.limit
    return np.where(over <= _WHOLE * np.maximum(np.abs(limits.limit), 1.0), 0.0, over)


def _give(found: Floats, net: Floats, offer: int, least: Floats) -> None:
    """Give an offer, until its share is reached, to those who lose least by it; who has one of a share keeps it."""
    free = np.flatnonzero(found[:, least > 0].sum(axis=1) == 0)
    loss = (found[free] * net[free]).sum(axis=1) - net[free, offer]
    chosen = free[np.argsort(loss, kind="stable")[: int(least[offer] - found[:, offer].sum())]]
    found[chosen] = 0.0
    found[chosen, offer] = 1.0


def _take(found: Floats, net: Floats, weight: Floats, over: float, least: Floats) -> None:
    """Take offers from those to whom they are worth least, until a limit holds; shares stay reached."""
    customer, offer = np.nonzero((found > 0) & (weight > 0))
    order = np.argsort(net[customer, offer], kind="stable")
    customer, offer = customer[order], offer[order]
    spare = found.sum(axis=0) - least
    for k in np.flatnonzero(least > 0):
        kept = np.flatnonzero(offer == k)[int(spare[k]) :]
        customer, offer = np.delete(customer, kept), np.delete(offer, kept)
    freed = np.cumsum(weight[customer, offer])
    last = int(np.searchsorted(freed, over - _WHOLE)) + 1
    found[customer[:last], offer[:last]] = 0.0


def _allocation(  # noqa: PLR0917 - what an allocation is made of
    share: Floats,
    solved: Solved,
    worth: Floats,
    value: Floats,
    cost: Floats,
    draws: Floats | None,
    weight: Floats,
    names: Sequence[str],
    limits: Resources,
) -> Allocation:
    given = share * weight[:, None]
    profit, spent, count = (
        (given * value).sum(axis=0),
        (given * cost).sum(axis=0),
        given.sum(axis=0),
    )
    total = float(profit.sum())
    reached = float((given * worth).sum())
    gap = max(0.0, (solved.bound - reached) / max(abs(solved.bound), 1e-12))
    table = pd.DataFrame(
        {
            "offer": [*names, "none"],
            "customers": np.round([*count, float(weight.sum() - count.sum())]).astype(int),
            "cost_cents": [*spent, 0.0],
            "profit_cents": [*profit, 0.0],
        }
    )
    used = limits.used(spent, count)
    sign = np.where((limits.of_count < 0).any(axis=1), -1.0, 1.0)
    resources = pd.DataFrame(
        {
            "limit_of": list(limits.names),
            "unit": _units(limits),
            "limit": sign * limits.limit,
            "used": sign * used,
            "binds": solved.price > 1e-9,  # noqa: PLR2004 - a price of nothing
            "worth_of_one_more": solved.price,
        }
    )
    of_cost, of_count = solved.price @ limits.of_cost, solved.price @ limits.of_count
    drawn = np.einsum("io,dio->d", given, draws) if draws is not None else np.zeros(0)
    return Allocation(
        table=table,
        text=_sentence(table, resources, total, float(spent.sum()), drawn, gap, weight),
        headline=f"{text.money(total)} of expected profit",
        limits=resources,
        share=share,
        net_cents=worth - cost * of_cost - of_count,
        profit_cents=total,
        profit_draws_cents=drawn,
        cost_cents=float(spent.sum()),
        duality_gap=gap,
        offers=tuple(names),
        weight=weight,
        price_of_cost=of_cost,
        price_of_contact=of_count,
    )


def _units(limits: Resources) -> list[str]:
    """Return the unit of each limit."""
    counted = np.where((limits.of_count < 0).any(axis=1), "customers at least", "customers")
    return [str(each) for each in np.where(limits.of_cost.any(axis=1), "cents", counted)]


def _sentence(  # noqa: PLR0917 - what the sentence is about
    table: pd.DataFrame,
    limits: pd.DataFrame,
    profit: float,
    cost: float,
    draws: Floats,
    gap: float,
    weight: Floats,
) -> str:
    got = table[(table["offer"] != "none") & (table["customers"] > 0)]
    parts = [f"{row['offer']} to {text.count(row['customers'])}" for row in got.to_dict("records")]
    who = text.listing(parts) if parts else "no offer to anybody"
    interval = ""
    if len(draws):
        low, high = np.quantile(draws, [0.025, 0.975])
        interval = f" ({text.interval(text.money(float(low)), text.money(float(high)))})"
    said = [
        text.sentence(
            f"of {text.plural(float(weight.sum()), 'customer')}: {who}; that is expected to earn "
            f"{text.money(profit)} more profit{interval} at an offer cost of {text.money(cost)}"
        )
    ]
    for row in limits[limits["binds"]].to_dict("records"):
        name, price = row["limit_of"], row["worth_of_one_more"]
        if name.startswith("minimum share"):
            said.append(
                text.sentence(f"the {name} costs {text.amount(price)} for each further customer")
            )
        elif row["unit"] == "customers":
            said.append(
                text.sentence(f"limit {name!r} binds: one more is worth {text.amount(price)}")
            )
        else:
            said.append(
                text.sentence(
                    f"limit {name!r} binds: at its edge the next {text.money(100_000)} would earn "
                    f"{text.money(price * 100_000)}"
                )
            )
    if not limits["binds"].any():
        said.append("No limit binds: whoever has no offer would not pay for one.")
    below = text.share(gap, 3)
    least = f"less than {below[1:]}" if below.startswith("<") else f"at most {below}"
    said.append(text.sentence(f"it is {least} below the best there is"))
    return " ".join(said)


@checked
def allocation_by_budget(
    draws: UpliftDraws,
    *,
    amount_cents: float,
    customers: float | None = None,
    factors: Sequence[float] = _FACTORS,
    risk: float | None = None,
) -> pd.DataFrame:
    """Return what other budgets would buy.

    Args:
        draws: The cells, from a fit.
        amount_cents: The budget.
        customers: How many triggered customers; none: those of the experiment.
        factors: Parts and multiples of the budget.
        risk: As in :func:`allocate`.

    Returns:
        A row a budget: ``budget_cents``, ``profit_cents`` with ``low`` and ``high`` (95 %), ``cost_cents``,
        ``customers`` who get an offer, and ``price_cents``: what one more cent earns.

    Raises:
        ParameterError: The budget is not above 0.
        InputError: It is below the cheapest offer.

    >>> allocation_by_budget("fit", amount_cents=100.0)
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: draws was 'fit', must be draws of uplift, such as the decision of workbench.fit_uplift
    """
    if not amount_cents > 0:
        raise ParameterError(problem("amount_cents", amount_cents, "must be above 0"))
    rows = []
    for factor in factors:
        plan = allocate(
            draws,
            customers=customers,
            budgets=[Budget(amount_cents=factor * amount_cents)],
            risk=risk,
        )
        low, high = np.quantile(plan.profit_draws_cents, [0.025, 0.975])
        rows.append(
            {
                "budget_cents": factor * amount_cents,
                "profit_cents": plan.profit_cents,
                "low": low,
                "high": high,
                "cost_cents": plan.cost_cents,
                "customers": float(plan.table["customers"].iloc[:-1].sum()),
                "price_cents": float(plan.limits["worth_of_one_more"].iloc[0]),
            }
        )
    return pd.DataFrame(rows)
