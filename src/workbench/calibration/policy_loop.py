"""The loop closed: a policy lives in a simulated world, and its true profit stands beside the expected one.

Owns the comparison. The world is one that the policy was not fitted on: other customers by another seed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.calibration.offer_experiment import (
    CONTROL,
    outcomes_of,
    simulate_offer_experiment,
)
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Policy, Programme
from workbench.decision.programme.choose import Cell, Origin
from workbench.decision.written import written
from workbench.replay import label_triggers
from workbench.uplift import UpliftDraws
from workbench.world import Simulation, World, load_world, simulate

Floats = npt.NDArray[np.float64]

POLICY, EXPECTED, NOBODY = "the policy", "the policy, as expected", "nobody"
NO_WORLD = "none"
_LEVELS = (0.025, 0.975)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClosedLoop(text.Result):
    """What rules earn in truth.

    Attributes:
        table: A row a rule (the policy as expected, the policy, each offer for all, nobody): ``rule``,
            ``offers`` given, ``cost_cents`` and ``profit_cents`` (against nobody) a triggered customer, and
            ``low`` and ``high`` (95 %): of the expected one its posterior, of the true ones that of drawing
            other customers.
        text: What the policy was expected to earn, what it earned, and what simpler rules would have.
        customers: A row a customer: dimensions at the trigger where the offer was given (else at the first),
            ``chosen`` (none: no offer), whether that was ``later`` than the first trigger, and
            ``gain_cents``: profit less that of the same customer without offers.
        holds: Whether the expected profit's interval, with the error of drawing customers, holds the truth.
    """

    customers: pl.DataFrame
    holds: bool


@checked
def closed_loop(
    world: World,
    programmes: Sequence[Programme],
    policy: Policy,
    draws: UpliftDraws,
    dimensions: Mapping[str, Sequence[Cell]],
    *,
    seed: int,
    window_days: int = 14,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ClosedLoop:
    """Let a policy decide in a simulated world, beside each offer for all and none for anybody.

    Args:
        world: From :func:`workbench.load_world`.
        programmes: The programme of the experiment, whose trigger and offers the policy has.
        policy: From :func:`workbench.policy_of`.
        draws: What it was made from: the expectation.
        dimensions: The levels with their conditions.
        seed: Seed of the world; another one than that of the experiment makes other customers.
        window_days: Days of the outcomes, from the trigger.
        workers: Parts that live at one time; none: one for each processor.
        progress: Called with the worlds done and all worlds.

    Returns:
        True and expected profit of the policy, and of the simpler rules.

    Raises:
        ParameterError: The programmes are no experiment that can be simulated.
        InputError: Too few customers were triggered.

    >>> closed_loop("world", [], "policy", "draws", {}, seed=1)
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: world was 'world', must be a world, such as workbench.load_world gives
    """
    count = workers or os.cpu_count() or 1
    whole = ProgrammeSet.of(programmes)
    made = simulate_offer_experiment(
        world,
        whole,
        dimensions,
        seed=seed,
        window_days=window_days,
        workers=workers,
        progress=progress,
    )
    decided = simulate(world, deciding(whole, policy), seed=seed, workers=count)
    nobody = simulate(world, (), seed=seed, workers=count)
    people = _served(made.units, decided, whole, dimensions, window_days)
    lived, without = (outcomes_of(each, people, window_days) for each in (decided, nobody))
    gain = lived["profit_cents"].to_numpy() - without["profit_cents"].to_numpy()
    rows = [
        _expected(people, draws),
        _row(POLICY, gain, lived["offer_cost_cents"], people["chosen"].count()),
    ]
    by_arm = people.select("customer_id").join(
        made.truth.pivot("arm", index="customer_id", values=["profit_cents", "offer_cost_cents"]),
        on="customer_id",
        how="left",
        maintain_order="left",
    )
    for arm in made.offer_costs_cents:
        more = by_arm[f"profit_cents_{arm}"] - by_arm[f"profit_cents_{CONTROL}"]
        name, offers = (NOBODY, 0) if arm == CONTROL else (f"{arm} for all", people.height)
        rows.append(_row(name, more.to_numpy(), by_arm[f"offer_cost_cents_{arm}"], offers))
    table = pd.DataFrame(rows)
    holds = _holds(table)
    return ClosedLoop(
        table=table,
        text=_sentence(table, people, holds),
        headline=_headline(table),
        customers=people.with_columns(gain_cents=pl.Series(gain)),
        holds=holds,
    )


@checked
def try_policy(
    world: str | Path,
    programmes: Sequence[Programme],
    policy: Policy,
    draws: UpliftDraws,
    dimensions: Mapping[str, Sequence[Cell]],
    *,
    seed: int,
    customers: int,
    days: int,
) -> ClosedLoop:
    """Try a policy in a world that a file describes, or say that there is none.

    Args:
        world: The file of a world, or ``none``.
        programmes: As in :func:`closed_loop`.
        policy: As in :func:`closed_loop`.
        draws: As in :func:`closed_loop`.
        dimensions: As in :func:`closed_loop`.
        seed: As in :func:`closed_loop`.
        customers: Customers of the world.
        days: Days that it lasts.

    Returns:
        What the policy earns there; without a world only what the plan expects.

    Raises:
        InputError: The file cannot be read.
        ParameterError: It is no world.

    >>> try_policy("none", [], "policy", "draws", {}, seed=1, customers=10, days=20)
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: policy was 'policy', must be a policy, such as workbench.policy_of or workbench.read_policy gives
    """
    if str(world) != NO_WORLD:
        lived = load_world(world).sized(customers=customers, days=days)
        return closed_loop(lived, programmes, policy, draws, dimensions, seed=seed)
    origin = policy.origin or Origin()
    people = max(origin.customers, 1.0)
    profit = origin.expected_profit_cents / people
    row: dict[str, object] = {
        "rule": EXPECTED,
        "offers": 0,
        "cost_cents": origin.expected_cost_cents / people,
        "profit_cents": profit,
        "low": np.nan,
        "high": np.nan,
    }
    return ClosedLoop(
        table=pd.DataFrame([row]),
        text=(
            f"The plan expects {text.money(profit)} more profit a triggered customer; it was not "
            "tried in a world, because none was named."
        ),
        headline="What the plan expects",
        customers=pl.DataFrame(),
        holds=True,
    )


def _served(
    units: pl.DataFrame,
    decided: Simulation,
    programmes: ProgrammeSet,
    dimensions: Mapping[str, Sequence[Cell]],
    window_days: int,
) -> pl.DataFrame:
    """Return the customers with the trigger at which they were served; else with their first one.

    A customer whose first trigger is worth no offer may be worth one at a later trigger, in another cell.
    """
    last = pl.lit(int(decided.midnights_us[-1])).cast(pl.Datetime("us", "UTC"))
    labels = label_triggers(decided.log, programmes, programmes[0].name, dimensions)
    given = (
        decided.decisions()
        .filter("delivered")
        .select("set_id", customer_id="person", chosen=pl.col("offer_id").cast(pl.String))
        .collect()
        .join(labels.drop("person"), on="set_id")
        .filter(pl.col("ts") <= last - pl.duration(days=window_days))
        .select(
            "customer_id", "chosen", served_at="ts", **{f"·{name}": name for name in dimensions}
        )
    )
    return (
        units.select("customer_id", "triggered_at", *dimensions)
        .join(given, on="customer_id", how="left")
        .with_columns(
            later=pl.col("served_at") > pl.col("triggered_at"),
            triggered_at=pl.coalesce("served_at", "triggered_at"),
            **{name: pl.coalesce(f"·{name}", name) for name in dimensions},
        )
        .select("customer_id", "triggered_at", *dimensions, "chosen", "later")
        .sort("customer_id")
    )


def deciding(programmes: ProgrammeSet, policy: Policy) -> ProgrammeSet:
    """Return the programme of an experiment with a policy in the place of its arms."""
    plain = written(programmes)["programmes"][0]
    salt = plain["experiment"]["salt"]
    plain["experiment"] = {"salt": salt, "holdout_share": 0}
    plain["choose"] = {"by": "policy", "policy": policy.model_dump(mode="json", exclude_none=True)}
    columns = dict(programmes.columns)
    made = Programme.from_mapping(plain, source="policy", columns=columns)
    return ProgrammeSet.of([made], programmes.house, source="policy", columns=columns)


def _expected(people: pl.DataFrame, draws: UpliftDraws) -> dict[str, object]:
    """Return what the draws expect of the offers that were given, in the cells where they were given."""
    by = list(draws.by)
    given = people.drop_nulls("chosen").group_by([*by, "chosen"]).len()
    place = pl.DataFrame(draws.cells[by]).with_row_index("·cell")
    rows = given.join(place, on=by)
    cell = rows["·cell"].to_numpy()
    offer = [draws.offers.index(name) for name in rows["chosen"]]
    weight = rows["len"].to_numpy() / people.height
    value = draws.value[:, cell, offer] @ weight
    cost = float(np.nan_to_num(draws.cost[:, cell, offer].mean(axis=0)) @ weight)
    low, high = np.quantile(value, _LEVELS)
    return {
        "rule": EXPECTED, "offers": int(rows["len"].sum()), "cost_cents": cost,
        "profit_cents": float(value.mean()), "low": float(low), "high": float(high),
    }  # fmt: skip


def _row(name: str, gain: Floats, cost: pl.Series, offers: int) -> dict[str, object]:
    error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
    mean = float(gain.mean())
    return {
        "rule": name, "offers": int(offers), "cost_cents": float(cost.to_numpy().mean()),
        "profit_cents": mean, "low": mean - 1.96 * error, "high": mean + 1.96 * error,
    }  # fmt: skip


def _holds(table: pd.DataFrame) -> bool:
    """Return whether expectation and truth agree within their 95 % errors."""
    expected, true = (table[table["rule"] == name].iloc[0] for name in (EXPECTED, POLICY))
    gap = abs(expected["profit_cents"] - true["profit_cents"])
    return bool(gap <= np.hypot(expected["high"] - expected["low"], true["high"] - true["low"]) / 2)


def _headline(table: pd.DataFrame) -> str:
    true = table[table["rule"] == POLICY]["profit_cents"].item()
    return f"{text.money(true)} more profit a triggered customer than without offers"


def _sentence(table: pd.DataFrame, people: pl.DataFrame, holds: bool) -> str:
    value = table.set_index("rule")["profit_cents"]
    low, high = table[table["rule"] == EXPECTED][["low", "high"]].iloc[0]
    simple = value.drop([EXPECTED, POLICY])
    others = [f"{name} {text.money(each)}" for name, each in simple.items()]
    verdict = "as expected" if holds else "outside of what was expected"
    better = value[POLICY] - simple.max()
    later = int(people["later"].sum())
    said = text.sentence(
        f"among {text.count(people.height)} other customers the policy earned {text.money(value[POLICY])} more "
        f"profit a triggered customer than no offers, {verdict} ({text.money(value[EXPECTED])}, "
        f"{text.interval(text.money(low), text.money(high))}); that is {text.money(better)} more than the "
        f"best simple rule ({text.listing(others)})"
    )
    if later:
        words = f"{text.plural(later, 'customer')} got the offer at a later trigger, in a cell where it pays"
        said += " " + text.sentence(words)
    return said


__all__ = ["ClosedLoop", "closed_loop", "try_policy"]
