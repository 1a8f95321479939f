"""Claims of the field, re-enacted in a simulated world, where each has its twin. Owns no behaviour.

Each function says what must be so for its claim to hold, and shows the case in which it does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.dayparts import daypart_column
from workbench.decision.programme import Programme
from workbench.errors import InputError, ParameterError, problem
from workbench.records import DAY_US
from workbench.world import Simulation, World, simulate

DOUBLED = 2.0
_REDEMPTIONS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class FirstDays(text.Result):
    """Event-driven offers against the weekly broadcast, in the first days of new customers.

    Attributes:
        table: A row a world: ``world``, ``customers`` (new ones whose first days the world
            covers), ``share_by_event`` and ``share_by_calendar`` (who redeemed at least two offers
            in these days), ``ratio`` (none where nobody did by calendar), and ``doubles``.
        text: In which worlds the share doubles, and in which it does not.
    """


@checked
def first_days(
    worlds: Mapping[str, World],
    by_event: Sequence[Programme],
    by_calendar: Sequence[Programme],
    *,
    seed: int,
    days: int = 30,
) -> FirstDays:
    """Let the same new customers live under event-driven offers and under the weekly broadcast.

    Args:
        worlds: Worlds by name, such as one and the same with other sensitivities
            (:meth:`workbench.world.World.with_habits`).
        by_event: The programmes that follow events.
        by_calendar: The weekly broadcast.
        seed: Seed of the noise, which both share.
        days: How many first days count.

    Returns:
        A row a world.

    Raises:
        ParameterError: ``days`` is below 1, or there is no world.
        InputError: A world has no new customer whose first days it covers.

    >>> from workbench.decision import load_programmes
    >>> from workbench.world import load_world
    >>> tiny = load_world("params/worlds/tiny.yaml").sized(customers=20)
    >>> weekly = load_programmes("params/programmes/weekly_broadcast.yaml")
    >>> first_days({"tiny": tiny}, weekly, weekly, seed=1, days=10).table["customers"].to_list()
    [32]
    """
    if days < 1:
        raise ParameterError(problem("days", days, "must be at least 1"))
    if not worlds:
        raise ParameterError("worlds was empty; name at least one")
    rows = []
    for name, world in worlds.items():
        event, customers = _redeemed_twice(simulate(world, by_event, seed=seed), days, name)
        calendar, _ = _redeemed_twice(simulate(world, by_calendar, seed=seed), days, name)
        ratio = event / calendar if calendar else math.nan
        rows.append(
            {
                "world": name,
                "customers": customers,
                "share_by_event": event,
                "share_by_calendar": calendar,
                "ratio": ratio,
                "doubles": event > 0 and event >= DOUBLED * calendar,
            }
        )
    table = pd.DataFrame(rows)
    ordered = table.sort_values("ratio", ascending=False, na_position="first", kind="stable")
    ends = ordered.iloc[sorted({0, len(ordered) - 1})]
    shares = zip(ends["world"], ends["share_by_event"], ends["share_by_calendar"], strict=True)
    said = [
        f"{text.share(one)} against {text.share(other)} ({name})" for name, one, other in shares
    ]
    doubling = table.loc[table["doubles"], "world"].tolist()
    return FirstDays(
        table=table,
        text=(
            "By event, the share of new customers who redeem at least two offers in "
            f"{text.count(days)} days doubles in {text.count(len(doubling))} of "
            f"{text.count(len(rows))} worlds. By event against by calendar it is {' to '.join(said)}."
        ),
        headline=f"By event the share doubles in {len(doubling)} of {len(rows)} worlds",
    )


def _redeemed_twice(simulated: Simulation, days: int, name: str) -> tuple[float, int]:
    """Return which share of new customers redeemed twice in their first days, and how many they are."""
    traits, last = simulated.truth.traits, simulated.world.days - days
    new = traits.filter(pl.col("arrival_day").is_between(1, last)).select(
        "person_id",
        since=pl.col("arrival_day").replace_strict(
            range(len(simulated.midnights_us)), simulated.midnights_us.tolist()
        ),
    )
    if new.is_empty():
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: the world {name} has no new customer whose first {days} days "
            "it covers; give it arrivals_per_day and more days"
        )
    answers = simulated.events("offer_redeemed", ["person_id", "ts"])
    early = new.join(answers, on="person_id").filter(
        pl.col("ts").to_physical() < pl.col("since") + days * DAY_US
    )
    counts = early.group_by("person_id").len()
    twice = counts.filter(pl.col("len") >= _REDEMPTIONS).height
    return twice / new.height, new.height


@dataclass(frozen=True, kw_only=True, eq=False)
class MovedHabit(text.Result):
    """Customers who got an offer for a part of the day, beside controls.

    Attributes:
        table: A row a group (who got it, the same customers without it, who was held out at
            random): ``group``, ``customers``, ``share`` (who bought in that part of the day within
            the days after the first offer) and ``visits`` (such purchases a customer).
        text: What the offer moved, and whether the random control agrees.
        difference: Share of who got it less that of their twins.
        control_error: Standard error of the difference to the random control.
    """

    difference: float
    control_difference: float
    control_error: float


OFFERED, TWINS, HELD_OUT = "got the offer", "their twins without it", "held out at random"


@checked
def moved_habit(
    world: World,
    programmes: Sequence[Programme],
    *,
    daypart: str = "breakfast",
    seed: int,
    days: int = 28,
) -> MovedHabit:
    """Ask whether an offer brings customers at a part of the day at which they seldom come.

    Args:
        world: From :func:`workbench.load_world`.
        programmes: One programme with a hold-out, whose audience seldom comes at that time.
        daypart: The part of the day.
        seed: Seed of the noise.
        days: Days after the first offer that count.

    Returns:
        Who got the offer, beside the same customers without it and beside a random control.

    Raises:
        InputError: Nobody got an offer, or nobody was held out.

    >>> from workbench.decision import load_programmes
    >>> from workbench.world import load_world
    >>> coffee = load_programmes("params/programmes/claims/late_coffee.yaml")
    >>> tiny = load_world("params/worlds/tiny.yaml")
    >>> moved_habit(tiny, coffee, seed=1).table["group"].to_list()
    ['got the offer', 'their twins without it', 'held out at random']
    """
    made, alone = simulate(world, programmes, seed=seed), simulate(world, seed=seed)
    first = (
        made.decisions()
        .filter(pl.col("offer_id").is_not_null())
        .filter(pl.col("delivered") | (pl.col("arm") == "control"))
        .group_by("person")
        .agg(pl.col("ts").min().alias("first"), pl.col("delivered").any())
        .collect()
    )
    offered, held = first.filter("delivered"), first.filter(~pl.col("delivered"))
    if offered.is_empty() or held.is_empty():
        who = "got an offer" if offered.is_empty() else "was held out"
        raise InputError(f"{text.NOT_ENOUGH_DATA}: nobody {who}; simulate more customers or days")
    groups = {
        OFFERED: _visits(made, offered, daypart, days),
        TWINS: _visits(alone, offered, daypart, days),
        HELD_OUT: _visits(made, held, daypart, days),
    }
    share = {name: float(np.mean(each > 0)) for name, each in groups.items()}
    table = pd.DataFrame(
        [
            {
                "group": name,
                "customers": len(each),
                "share": share[name],
                "visits": float(np.mean(each)),
            }
            for name, each in groups.items()
        ]
    )
    error = math.sqrt(
        sum(share[name] * (1 - share[name]) / len(groups[name]) for name in (OFFERED, HELD_OUT))
    )
    return MovedHabit(
        table=table,
        text=(
            f"Of {text.count(offered.height)} customers who got the offer, {text.share(share[OFFERED])} "
            f"bought at {text.words(daypart)} within {text.count(days)} days; without it "
            f"{text.share(share[TWINS])} of the same customers had. Of those held out at random it is "
            f"{text.share(share[HELD_OUT])} (standard error of the difference {text.share(error)})."
        ),
        headline=f"{text.share(share[OFFERED])} come at {text.words(daypart)}, {text.share(share[TWINS])} without the offer",
        difference=share[OFFERED] - share[TWINS],
        control_difference=share[OFFERED] - share[HELD_OUT],
        control_error=error,
    )


def _visits(
    simulated: Simulation, first: pl.DataFrame, daypart: str, days: int
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return of each customer the purchases in a part of the day within the days after an instant."""
    log = simulated.events("purchase", ["person_id", "ts"])
    local = pl.col("ts").dt.convert_time_zone(simulated.world.zone).dt.hour().cast(pl.Int64)
    then = (
        log.filter(daypart_column(local) == daypart)
        .join(first, left_on="person_id", right_on="person")
        .filter(pl.col("ts") > pl.col("first"))
        .filter(pl.col("ts") < pl.col("first") + pl.duration(days=days))
    )
    counts = then.group_by("person_id").len()
    joined = first.join(counts, left_on="person", right_on="person_id", how="left")
    found: np.ndarray[tuple[int], np.dtype[np.int64]] = (
        joined["len"].fill_null(0).cast(pl.Int64).to_numpy()
    )
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class DiscountAndCheck(text.Result):
    """The discount level and the average check over time, beside those of the twins.

    Attributes:
        table: A row a period of some weeks: ``period``, ``purchases``, ``share_discount`` (of sales
            before discounts), ``mean_check_cents`` (paid), ``mean_basket_cents`` (before the
            discount) and ``twin_check_cents`` (paid by the same customers without the programmes).
        text: What fell, what rose, and how much of it the twins show too.
        falls_and_rises: Whether the discount level fell and the average check rose.
    """

    falls_and_rises: bool


@checked
def discount_and_check(
    world: World, programmes: Sequence[Programme], *, seed: int, weeks: int = 4
) -> DiscountAndCheck:
    """Follow the discount level and the average check while programmes run, beside the twins'.

    Args:
        world: From :func:`workbench.load_world`.
        programmes: The programmes.
        seed: Seed of the noise.
        weeks: Weeks a period; a last period that is not whole is left out.

    Returns:
        A row a period.

    Raises:
        ParameterError: The world is shorter than two periods.
        InputError: A period has no purchase.

    >>> from workbench.decision import load_programmes
    >>> from workbench.world import load_world
    >>> thanks = load_programmes("params/programmes/nth_purchase.yaml")
    >>> tiny = load_world("params/worlds/tiny.yaml")
    >>> discount_and_check(tiny, thanks, seed=1, weeks=2).table["period"].to_list()
    [1, 2, 3]
    """
    length = weeks * 7
    periods = world.days // length if length > 0 else 0
    if periods < 2:  # noqa: PLR2004 - a change needs two
        rule = f"must leave at least two periods in the {world.days} days of the world"
        raise ParameterError(problem("weeks", weeks, rule))
    mine = _by_period(simulate(world, programmes, seed=seed), length, periods)
    twin = _by_period(simulate(world, seed=seed), length, periods)
    table = mine.assign(twin_check_cents=twin["mean_check_cents"])
    first, last = table.iloc[0], table.iloc[-1]
    fell = last["share_discount"] < first["share_discount"]
    rose = last["mean_check_cents"] > first["mean_check_cents"]
    return DiscountAndCheck(
        table=table,
        text=(
            f"The discount level went from {text.share(first['share_discount'])} to "
            f"{text.share(last['share_discount'])} and the average check from "
            f"{text.money(first['mean_check_cents'])} to {text.money(last['mean_check_cents'])}. The "
            f"twins, whom nothing reached, paid {text.money(first['twin_check_cents'])} and then "
            f"{text.money(last['twin_check_cents'])}; before discounts the baskets were "
            f"{text.money(first['mean_basket_cents'])} and then {text.money(last['mean_basket_cents'])}."
        ),
        headline=(
            f"Discounts {'fall' if fell else 'do not fall'}, the average check "
            f"{'rises' if rose else 'does not rise'}"
        ),
        falls_and_rises=bool(fell and rose),
    )


def _by_period(simulated: Simulation, length: int, periods: int) -> pd.DataFrame:
    ends = simulated.midnights_us[length * np.arange(1, periods + 1)]
    made = simulated.truth.purchases.select(
        "amount_cents",
        "discount_cents",
        period=pl.Series(
            np.searchsorted(ends, simulated.truth.purchases["ts"].to_physical(), side="right") + 1
        ),
    )
    sums = (
        made.filter(pl.col("period") <= periods)
        .group_by("period")
        .agg(pl.len().alias("purchases"), pl.col("amount_cents", "discount_cents").sum())
        .sort("period")
    )
    if sums.height < periods:
        raise InputError(f"{text.NOT_ENOUGH_DATA}: a period has no purchase")
    whole = pl.col("amount_cents") + pl.col("discount_cents")
    return sums.select(
        "period",
        "purchases",
        share_discount=pl.col("discount_cents") / whole,
        mean_check_cents=pl.col("amount_cents") / pl.col("purchases"),
        mean_basket_cents=whole / pl.col("purchases"),
    ).to_pandas()
