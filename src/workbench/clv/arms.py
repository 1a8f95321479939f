"""Customer value by arm of an experiment: each arm fitted by itself. Owns no difference.

A customer is known to the models from the first purchase on. So the arms are of the same kind of
customers only where the offers changed nobody's first purchase: where everybody had bought before
the experiment began, or no offer comes before a purchase. The share that bought says whether so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.clv.fitting import fit_clv
from workbench.clv.models import Purchases
from workbench.clv.summary import RfmSummary
from workbench.clv.value import CustomerValue
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.frames import UNKNOWN_GROUP, Frame, as_polars, groups_of


@checked
def clv_by_arm(
    summary: RfmSummary,
    units: Frame,
    horizon_days: int,
    *,
    arm: str = "arm",
    unit: str = "person_id",
    purchases: Purchases = "pareto_nbd",
    discount_annual: float = 0.1,
    margin_share: float = 1.0,
    level: float = 0.9,
    seed: int = 1,
) -> Mapping[str, CustomerValue]:
    """Return what customers of each arm of an experiment are worth, for :func:`clv_effect`.

    Args:
        summary: Purchases of the experiment's customers up to its end, or later; customers who are
            in no arm are left out.
        units: One row for everybody who was assigned, with who it is and the arm, whether or not
            they bought.
        horizon_days: How far ahead, in days, from the end of the summary.
        arm: Column of the arm.
        unit: Column of who it is, as the customers of the summary are called.
        purchases: The purchase model; the default lets customers leave at any time, also those who
            bought once.
        discount_annual: Yearly discount rate.
        margin_share: Share of the value of a purchase that is earned, above 0 and at most 1.
        level: Probability inside the intervals.
        seed: Seed of the draws.

    Returns:
        The value of the customers of each arm, of a fit to that arm alone.

    Raises:
        InputError: There are fewer than two arms, somebody is in two or in none, an arm has too few
            repeat customers, or the arms differ in the share that bought at all by more than
            chance explains, so that their customers are not alike.
        ParameterError: An argument breaks its rule.

    >>> people = pl.DataFrame({"person_id": summary.frame["customer"].cast(pl.String)})
    >>> people = people.with_columns(arm=pl.Series(["control", "offer"] * 1178 + ["control"]))
    >>> list(clv_by_arm(summary, people, 90, purchases="mbg_nbd"))
    ['control', 'offer']
    """
    there = as_polars(units, "units")
    for name in (unit, arm):
        if name not in there.columns:
            rule = f"must be one of {', '.join(there.columns)}"
            hint = did_you_mean(name, there.columns)
            raise ParameterError(problem("a column of units", name, rule, hint=hint))
    groups = groups_of(there.select(pl.col(unit).alias("person_id"), arm=pl.col(arm)), "arm")
    if (groups["group"] == UNKNOWN_GROUP).any():
        raise InputError(f"{arm} must be known for everybody; leave out who is in no arm")
    frame = summary.frame.with_columns(person_id=pl.col("customer").cast(pl.String))
    of_arm = frame.join(groups, on="person_id", how="left", maintain_order="left")["group"]
    assigned = dict(sorted(groups.group_by("group").len().iter_rows()))
    bought = {name: int((of_arm == name).sum()) for name in assigned}
    _check(assigned, bought)
    values = {}
    for name in assigned:
        mine = replace(summary, frame=summary.frame.filter(of_arm == name))
        try:
            fit = fit_clv(mine, purchases=purchases, seed=seed)
        except InputError as error:
            raise InputError(f"arm {name}: {error}") from None
        values[name] = fit.clv(
            horizon_days, discount_annual=discount_annual, margin_share=margin_share, level=level
        )
    return MappingProxyType(values)


def _check(assigned: Mapping[str, int], bought: Mapping[str, int]) -> None:
    """Refuse arms that are too few, without a customer, or unlike in who became one."""
    from workbench.experiment.sample_ratio import (  # noqa: PLC0415 - half a second that others save
        ALPHA,
        ratio_p_value,
    )

    if len(assigned) < 2:  # noqa: PLR2004 - a difference is of two
        raise InputError(f"{text.NOT_ENOUGH_DATA}: an effect needs at least two arms")
    for name, count in bought.items():
        if not count:
            raise InputError(
                f"{text.NOT_ENOUGH_DATA}: nobody in arm {name} has a purchase in the summary; are "
                "the identifiers those of the purchases?"
            )
    p_value = ratio_p_value(bought, {name: float(n) for name, n in assigned.items()})
    if p_value < ALPHA:
        shares = [
            f"{text.share(bought[name] / n)} of {text.named(name)}" for name, n in assigned.items()
        ]
        raise InputError(
            f"not identified: {text.listing(shares)} bought at all, which chance does not explain "
            f"(p-value {text.p_value(p_value)}), so that the customers of the arms are not alike; "
            "take those alone who had bought before they were assigned"
        )
