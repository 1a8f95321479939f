"""What offers were worth: visits, sales, margin, cost and profit against a control. Owns no arm and no effect.

Everything is a difference between randomised arms, so that what would have been bought anyway is in it
as what it is: a cost without a sale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.experiment.counted import count_assigned
from workbench.experiment.effect import Comparison, Estimate, check_level
from workbench.experiment.metrics import check_numbers, pair_of
from workbench.experiment.pairs import Pair
from workbench.experiment.redemptions import ASSUMPTIONS, DIP, Assumption, classes_of, said_of
from workbench.experiment.sample_ratio import sample_ratio
from workbench.experiment.unit_columns import Layout
from workbench.experiment.units import Source, take_units

NEEDED = ("sales_cents", "margin_cents")
"""Columns without which nothing is said of money."""

FURTHER = ("purchases", "discount_cents", "cost_cents", "redemptions", "purchases_after")
"""Columns that say more where they are there."""

_FEWEST = 2
_MADE = {
    "purchases": "purchases",
    "sales_cents": "sales",
    "margin_before_cents": "margin before discounts",
}
_OF_REDEMPTIONS = ("redemptions", "purchases_after")


@dataclass(frozen=True, kw_only=True, eq=False)
class Roi(text.Result):
    """What offers were worth against the control.

    Attributes:
        table: A row a figure: ``figure`` (``purchases``, ``sales_cents``, ``margin_before_cents``,
            ``discount_share``, ``cost_of_offers_cents``, ``profit_cents``), its level a customer
            ``without`` and ``with_offers``, the ``difference`` with ``low`` and ``high``, and the
            same over all ``customers``: ``total``, ``total_low``, ``total_high`` (a share has none).
            With ``later`` also ``later_profit_cents`` and ``long_run_profit_cents``, whose levels
            are not known.
        text: Profit, what it is made of, and what was assumed of redemptions.
        redemptions: A row a class of redemptions (``incremental``, ``pulled_forward``,
            ``cannibalised``): ``low`` and ``high`` a customer as far as the assumptions settle it,
            ``low_end`` and ``high_end`` with chance added, and ``cost_low_cents`` and
            ``cost_high_cents`` over all; no row where the units have no ``redemptions``.
        profit: Net profit of a customer in cents.
        long_run: Profit of a customer within the window and behind it; none without ``later``.
        return_on_cost: Profit for each unit of money that offers cost; none where they cost nothing.
        customers: To how many customers the totals belong.
        assumed: What was assumed of redemptions.
    """

    redemptions: pd.DataFrame
    profit: Estimate
    long_run: Estimate | None
    return_on_cost: Estimate | None
    customers: int
    assumed: tuple[Assumption, ...]


@checked
def roi(
    units: Source,
    *,
    arm: str = "arm",
    control: str = "control",
    treatment: str | None = None,
    unit: str | None = None,
    cluster: str | None = None,
    covariates: Sequence[str] = (),
    shares: Mapping[str, float] | None = None,
    customers: int | None = None,
    assume: Sequence[Assumption] = (),
    later: Estimate | None = None,
    level: float = 0.95,
) -> Roi:
    """Say what offers were worth, from customers who were randomised to get them or not.

    The units have columns by these names, each over the same window: ``sales_cents`` (as paid) and
    ``margin_cents`` (after discounts); and where there are such, ``purchases``, ``discount_cents``,
    ``cost_cents`` (what offers cost beside the discounts: messages, prizes), ``redemptions``
    (purchases at which an offer was redeemed) and ``purchases_after`` (in a window behind this one);
    the last two need ``purchases``.

    Profit is the margin less ``cost_cents``. With R redemptions, Δ more purchases in the window and
    D more behind it, of the R those that would not have happened in the window are at least Δ where
    there is no halo and at most Δ where there is no harm; those pulled forward are −D where the dip
    is theirs.

    Args:
        units: One row a customer: pandas, Polars, lazy, or the path of a Parquet file.
        arm: Column of the arm.
        control: The arm without offers.
        treatment: The arm with them; none: the only other one.
        unit: Column that identifies a customer; who is in two arms is left out of all.
        cluster: Column of what was assigned as a whole, such as a store; errors are then its own.
        covariates: Columns that were fixed before assignment, or ratios of two; they take noise off.
        shares: Meant share of each arm; none: equal ones.
        customers: To how many customers totals belong; none: those of the treated arm.
        assume: What may be assumed of redemptions, of :data:`ASSUMPTIONS`.
        later: What a customer of the treated arm brings behind the window beyond one of the control,
            in cents, as by the ``profit`` of :func:`workbench.clv_effect` of the same customers. How
            far its error goes with that of the window is not known, so the errors are added up,
            which is the most that they can come to.
        level: Level of the intervals.

    Returns:
        A row a figure with its interval a customer and over all, and the classes of redemptions.

    Raises:
        ParameterError: An arm, an assumption, ``customers`` or ``level`` is not possible, or a dip is
            assumed and no column says what came after.
        InputError: There is no control, an arm has fewer than two customers, the arms are not as
            large as they were meant to be, or a column is missing, is no number or has nulls.

    >>> units = pl.DataFrame({"arm": ["control", "offer"] * 4, "purchases": [1, 2, 1, 1, 0, 1, 2, 3],
    ...     "sales_cents": [500, 900, 400, 450, 0, 500, 900, 1300],
    ...     "margin_cents": [200, 300, 160, 150, 0, 150, 360, 400],
    ...     "discount_cents": [0, 100, 0, 50, 0, 50, 0, 100]})
    >>> worth = roi(units)
    >>> worth.profit.value, worth.table["figure"].to_list()[-1]
    (70.0, 'profit_cents')
    """
    check_asked(customers, level)
    taken = take_units(units, arm=arm, control=control, unit=unit)
    treated = _treated(taken.arms, taken.counts, control, treatment)
    layout = Layout(cluster=cluster)
    layout.check(taken.frame.collect_schema())
    ratio = sample_ratio(count_assigned(taken, layout), shares=shares)
    if not ratio.passed:
        raise InputError(
            f"not identified: {ratio.lead} No money is read from arms that were not left to chance; "
            "name the meant shares of the arms, or find what took customers away"
        )
    schema = taken.frame.collect_schema()
    check_numbers(NEEDED, schema, "column")
    there = [name for name in (*NEEDED, *FURTHER) if name in schema]
    if "purchases" not in there:
        there = [name for name in there if name not in _OF_REDEMPTIONS]
    check_numbers(there, schema, "column")
    if DIP in assume and "purchases_after" not in there:
        rule = "needs purchases and purchases_after (of a decision log: days behind its window, after_days)"
        raise ParameterError(problem("assume", DIP, rule))
    before = [pair_of(each) for each in covariates]
    known = list(dict.fromkeys(each for pair in before for each in pair if each))
    for each in known:
        if each in there:
            rule = "must be fixed before assignment, and is what the money is counted in"
            raise ParameterError(problem("covariate", each, rule))
    check_numbers(known, schema, "covariate")
    _check_whole(taken.frame, [*there, *known])
    if "redemptions" in there:
        _check_redemptions(taken.frame)
    columns = {each: pl.col(each) for each in known} | _columns(there)
    pair = Pair.of(taken, treated, columns, cluster, before)
    many = taken.counts[treated] if customers is None else customers
    effects = {name: pair.compare(name) for name in _shown(there)}
    if "discount_cents" in there:
        effects["discount_share"] = pair.compare("discount_cents", "before_cents")
    table = pd.DataFrame([_row(name, effects[name], many, level) for name in _order(effects)])
    assumed = tuple(dict.fromkeys(assume))
    profit = effects["profit_cents"].absolute
    long_run = None if later is None else _together(profit, later)
    if later is not None and long_run is not None:
        further = {"later_profit_cents": later, "long_run_profit_cents": long_run}
        rows = [_row_of(name, each, many, level) for name, each in further.items()]
        table = pd.concat([table, pd.DataFrame(rows)], ignore_index=True)
    back = _return(pair) if "cost_of_offers_cents" in effects else None
    redeemed = classes_of(pair, there, assumed, many, level)
    return Roi(
        table=table,
        text=_sentence(effects, redeemed, assumed, many, level, back, long_run),
        headline=_headline(profit, many, level),
        redemptions=redeemed,
        profit=profit,
        long_run=long_run,
        return_on_cost=back,
        customers=many,
        assumed=assumed,
    )


def check_asked(customers: int | None, level: float) -> None:
    """Refuse what :func:`roi` can not answer: nobody to earn from, or a level that is none."""
    if customers is not None and customers < 1:
        raise ParameterError(problem("customers", customers, "must be at least 1"))
    check_level(level)


def _treated(
    arms: tuple[str, ...], counts: dict[str, int], control: str, treatment: str | None
) -> str:
    """Return the arm that got offers, after checking that both arms can be compared."""
    others = [each for each in arms if each != control]
    if control not in arms:
        raise InputError(
            "not identified: nobody is in the control; without one nothing says what would have "
            "been bought anyway"
        )
    if treatment is None and len(others) != 1:
        rule = f"must name one of {', '.join(others) or 'the arms'}"
        raise ParameterError(problem("treatment", treatment, rule))
    treated = others[0] if treatment is None else treatment
    if treated not in others:
        rule = f"must be one of {', '.join(others)}"
        raise ParameterError(
            problem("treatment", treated, rule, hint=did_you_mean(treated, others))
        )
    for each in (treated, control):
        if counts[each] < _FEWEST:
            raise InputError(
                f"{text.NOT_ENOUGH_DATA}: the arm {each} has {text.plural(counts[each], 'customer')}, "
                f"needs at least {_FEWEST}"
            )
    return treated


def _check_whole(frame: pl.LazyFrame, columns: list[str]) -> None:
    """Refuse a column with a null or an infinity: what is not known is not 0."""
    numbers = [pl.col(name).cast(pl.Float64) for name in columns]
    bad = frame.select((~each.fill_null(math.nan).is_finite()).sum() for each in numbers).collect()
    for name, count in bad.row(0, named=True).items():
        if count:
            raise InputError(
                f"{name} is null or infinite for {text.plural(count, 'customer')}; a customer who "
                "bought nothing has 0"
            )


def _check_redemptions(frame: pl.LazyFrame) -> None:
    """Refuse a number of redemptions below 0."""
    below = int(frame.select((pl.col("redemptions") < 0).sum()).collect().item())
    if below:
        raise InputError(
            f"redemptions is below 0 for {text.plural(below, 'customer')}; it counts purchases"
        )


def _columns(there: Sequence[str]) -> dict[str, pl.Expr]:
    """Return what moments are taken of: the columns, and sums of them whose error is needed."""

    def of(name: str) -> pl.Expr:
        return pl.col(name) if name in there else pl.lit(0)

    columns = {name: pl.col(name) for name in there}
    columns["margin_before_cents"] = pl.col("margin_cents") + of("discount_cents")
    columns["cost_of_offers_cents"] = of("discount_cents") + of("cost_cents")
    columns["profit_cents"] = pl.col("margin_cents") - of("cost_cents")
    if "discount_cents" in there:
        columns["before_cents"] = pl.col("sales_cents") + pl.col("discount_cents")
    if "redemptions" in there:
        columns["cannibalised"] = pl.col("redemptions") - pl.col("purchases")
    if "purchases_after" in there:
        columns["missing_after"] = -pl.col("purchases_after")
        columns["in_both"] = pl.col("purchases") + pl.col("purchases_after")
        columns["redeemed_not_pulled"] = of("redemptions") + pl.col("purchases_after")
    return columns


def _shown(there: Sequence[str]) -> list[str]:
    costs = ["cost_of_offers_cents"] if {"discount_cents", "cost_cents"} & set(there) else []
    purchases = ["purchases"] if "purchases" in there else []
    return [*purchases, "sales_cents", "margin_before_cents", *costs, "profit_cents"]


def _order(effects: dict[str, Comparison]) -> list[str]:
    order = (
        "purchases", "sales_cents", "margin_before_cents", "discount_share",
        "cost_of_offers_cents", "profit_cents",
    )  # fmt: skip
    return [name for name in order if name in effects]


def _row(name: str, effect: Comparison, customers: int, level: float) -> dict[str, object]:
    levels = {"without": effect.control, "with_offers": effect.treatment}
    many = math.nan if name == "discount_share" else customers
    return _row_of(name, effect.absolute, many, level) | levels


def _row_of(name: str, found: Estimate, customers: float, level: float) -> dict[str, object]:
    low, high = found.interval(level)
    return {
        "figure": name,
        "without": math.nan,
        "with_offers": math.nan,
        "difference": found.value,
        "low": low,
        "high": high,
        "total": found.value * customers,
        "total_low": low * customers,
        "total_high": high * customers,
    }


def _together(profit: Estimate, later: Estimate) -> Estimate:
    """Return the sum of two profits of the same customers, with the largest error that it can have."""
    return replace(
        profit,
        value=profit.value + later.value,
        standard_error=profit.standard_error + later.standard_error,
        df=min(profit.df, later.df),
    )


def _return(pair: Pair) -> Estimate | None:
    """Return profit over cost of offers, by the delta method on both differences."""
    profit, cost = (
        pair.compare(name).absolute for name in ("profit_cents", "cost_of_offers_cents")
    )
    if cost.value <= 0:
        return None
    value = profit.value / cost.value
    rest = pair.less("profit_cents", "cost_of_offers_cents", value).absolute
    return Estimate(
        value=value,
        standard_error=rest.standard_error / cost.value,
        df=min(profit.df, cost.df),
        n_treatment=pair.treated.n,
        n_control=pair.control.n,
    )


def _headline(profit: Estimate, customers: int, level: float) -> str:
    low, high = profit.interval(level)
    total = text.amount(profit.value * customers)
    if low > 0:
        return f"The offers earned {total}"
    if high < 0:
        return f"The offers lost {text.amount(-profit.value * customers)}"
    made = (
        f"earned {total}" if profit.value >= 0 else f"lost {text.amount(-profit.value * customers)}"
    )
    return f"The offers {made}, which chance may explain"


def _sentence(  # noqa: PLR0917 - the parts of one answer
    effects: dict[str, Comparison],
    redeemed: pd.DataFrame,
    assumed: tuple[Assumption, ...],
    customers: int,
    level: float,
    back: Estimate | None,
    long_run: Estimate | None,
) -> str:
    profit = effects["profit_cents"].absolute
    low, high = profit.interval(level)
    ends = text.interval(text.amount(low * customers), text.amount(high * customers), level)
    said = [
        f"{_headline(profit, customers, level)} ({ends}), {text.money(profit.value)} a customer "
        f"over {text.plural(customers, 'customer')}"
    ]
    shown = {name: each for name, each in _MADE.items() if name in effects}
    made = [
        _more(effects[name].absolute.value * customers, name, spoken)
        for name, spoken in shown.items()
    ]
    sentence = f"they made {text.listing(made)}"
    if "cost_of_offers_cents" in effects:
        cost = effects["cost_of_offers_cents"].absolute.value * customers
        sentence += f", and cost {text.amount(cost)}"
    said.append(sentence)
    if "cost_of_offers_cents" not in effects:
        said.append(
            "what the offers cost is in it only as far as the margin is what is left after it: the units "
            "have no column discount_cents or cost_cents"
        )
    if long_run is not None:
        low_end, high_end = (text.amount(end * customers) for end in long_run.interval(level))
        said.append(
            f"with what these customers bring behind the window the profit is "
            f"{text.amount(long_run.value * customers)} ({text.interval(low_end, high_end, level)})"
        )
    if back is not None:
        least, most = back.interval(level)
        each = text.span(text.number(least), text.number(most))
        said.append(
            f"each unit of money spent brought {text.number(back.value)} of profit ({each})"
        )
    if len(redeemed):
        said.append(said_of(redeemed, customers, level))
        settled = text.listing([ASSUMPTIONS[each] for each in assumed])
        said.append(
            f"this assumes that {settled}"
            if assumed
            else "nothing is assumed of redemptions, so that hardly anything is settled of them"
        )
    return " ".join(text.sentence(each) for each in said)


def _more(total: float, name: str, spoken: str) -> str:
    """Return how much more or less there was of a figure."""
    money = name.endswith("_cents")
    size = text.amount(abs(total)) if money else text.count(abs(total))
    return f"{size} {'more' if total >= 0 else 'less' if money else 'fewer'} {spoken}"
