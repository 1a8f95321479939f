"""Growth of two groups that nobody randomised, year on year, side by side. Owns no effect: it finds none."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.effect import Estimate, Parts, check_level, compare
from workbench.experiment.moments import Moments, collect_moments
from workbench.frames import Frame, as_polars, groups_of, need_columns

CAVEAT = "they chose to be such customers, so the difference is not the effect of it"
_FEWEST = 2
_YEAR_DAYS = 364
_PERIODS = ("before_cents", "now_cents")


@dataclass(frozen=True, kw_only=True, eq=False)
class Growth(text.Result):
    """Growth of a group of customers beside the others.

    Attributes:
        table: A row a group: ``group``, ``customers``, ``before_cents`` (the year before),
            ``now_cents``, ``growth_share`` with ``low`` and ``high``.
        text: The finding, and in the same sentence why it is no effect.
        difference: Growth of the group less that of the others.
    """

    difference: Estimate


@checked
def growth_beside(
    purchases: Frame,
    customers: Frame,
    *,
    group: str,
    of: str,
    until: dt.date,
    days: int = 364,
    amount: str = "amount_cents",
    level: float = 0.95,
) -> Growth:
    """Compare the growth of a group of customers, such as those with the app, with the others'.

    Growth is the sales of the last ``days`` before ``until`` over those of the same days a year
    (364 days, so that weekdays meet) earlier, less 1. A customer who bought in neither is in neither.

    Args:
        purchases: ``person_id``, ``ts`` and the amount of each purchase.
        customers: ``person_id`` and the group of each customer.
        group: Column of the group.
        of: The group that is compared with all others, such as ``app``.
        until: The day behind the last one that counts, in UTC.
        days: Days of both periods; at most 364.
        amount: Column of the amount.
        level: Level of the intervals.

    Returns:
        A row a group, and the difference in growth with the reason why it is no effect.

    Raises:
        ParameterError: ``days`` or ``level`` is out of range, or nobody is in the group.
        InputError: A column is missing, or a group has fewer than two customers or had no sales.

    >>> day = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
    >>> rows = [("ann", 0, 100), ("ann", 364, 150), ("bob", 0, 200), ("bob", 364, 250),
    ...         ("cid", 0, 100), ("cid", 364, 100), ("dan", 0, 100), ("dan", 364, 102)]
    >>> sold = pl.DataFrame({"person_id": [who for who, _, _ in rows],
    ...     "ts": [day + dt.timedelta(days=k) for _, k, _ in rows],
    ...     "amount_cents": [cents for _, _, cents in rows]})
    >>> people = pl.DataFrame({"person_id": ["ann", "bob", "cid", "dan"], "has": ["app"] * 2 + ["no"] * 2})
    >>> growth_beside(sold, people, group="has", of="app", until=dt.date(2026, 6, 3), days=5).headline
    'Sales to app customers grew by 33.3%, to the others by 1.0%'
    """
    if not 1 <= days <= _YEAR_DAYS:
        raise ParameterError(problem("days", days, f"must be from 1 to {_YEAR_DAYS}"))
    check_level(level)
    groups = groups_of(customers, group)
    if of not in groups["group"].unique().to_list():
        known = ", ".join(sorted(groups["group"].unique().to_list()))
        raise ParameterError(problem("of", of, f"must be one of {known}"))
    rows = _by_customer(purchases, until, days, amount).join(groups, on="person_id")
    found = collect_moments(
        rows.lazy().with_columns(mine=pl.col("group") == of),
        ["mine"],
        {name: pl.col(name) for name in _PERIODS},
        {"all": list(_PERIODS)},
    )
    sides = {side: each["all"] for (side,), each in found.items()}
    for side, name in ((True, text.named(of)), (False, "the others")):
        if side not in sides or sides[side].n < _FEWEST or sides[side]["before_cents"] == 0:
            raise InputError(
                f"{text.NOT_ENOUGH_DATA}: {name} need at least {_FEWEST} customers and sales a year "
                "earlier"
            )
    parts = Parts(numerator="now_cents", denominator="before_cents")
    difference = compare(sides[True], sides[False], parts).absolute
    table = pd.DataFrame(
        [_row(name, sides[side], level) for side, name in ((True, of), (False, "others"))]
    )
    mine, others = (text.change(each) for each in table["growth_share"])
    low, high = (text.number(each * 100, 1) for each in difference.interval(level))
    headline = (
        f"Sales to {text.words(of)} customers {_grew(mine)}, to the others {_by(_grew(others))}"
    )
    return Growth(
        table=table,
        text=(
            f"Sales to {text.words(of)} customers {_grew(mine)} year on year, to the others "
            f"{_by(_grew(others))}: {text.number(difference.value * 100, 1)} points more "
            f"({text.interval(low, high, level)}), but {CAVEAT}."
        ),
        headline=headline,
        difference=difference,
    )


def _by_customer(purchases: Frame, until: dt.date, days: int, amount: str) -> pl.DataFrame:
    """Return the sales of each customer in both periods; who bought in neither is not there."""
    frame = as_polars(purchases, "purchases")
    need_columns(frame.columns, ["person_id", "ts", amount], "purchases")
    end = dt.datetime(until.year, until.month, until.day, tzinfo=dt.UTC)
    at = pl.col("ts").cast(pl.Datetime("us", "UTC"))

    def within(last: dt.datetime) -> pl.Expr:
        inside = (at >= last - dt.timedelta(days=days)) & (at < last)
        return pl.col(amount).filter(inside).sum()

    earlier = end - dt.timedelta(days=_YEAR_DAYS)
    sums = frame.group_by(pl.col("person_id").cast(pl.String)).agg(
        before_cents=within(earlier), now_cents=within(end)
    )
    return sums.filter((pl.col("before_cents") != 0) | (pl.col("now_cents") != 0))


def _row(name: str, moments: Moments, level: float) -> dict[str, object]:
    """Return the growth of one side with the delta method's interval."""
    before, now = (moments[each] for each in _PERIODS)
    growth = now / before - 1
    still = Moments(
        names=moments.names, n=moments.n, mean=moments.mean, products=moments.products * 0
    )
    error = compare(
        moments, still, Parts(numerator="now_cents", denominator="before_cents")
    ).absolute.standard_error
    own = Estimate(
        value=growth,
        standard_error=error,
        df=moments.n - 1,
        n_treatment=moments.n,
        n_control=0,
    )
    low, high = own.interval(level)
    return {
        "group": name,
        "customers": moments.n,
        "before_cents": round(before * moments.n),
        "now_cents": round(now * moments.n),
        "growth_share": growth,
        "low": low,
        "high": high,
    }


def _grew(change: str) -> str:
    """Return a change as a verb."""
    if change.startswith("−"):
        return f"shrank by {change[1:]}"
    return f"grew by {change.lstrip('+')}"


def _by(grew: str) -> str:
    return grew.removeprefix("grew ")
