"""Who gets which offer: equal to HiGHS where that ends, within every limit, with prices that say what more buys."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from workbench.errors import InputError, ParameterError
from workbench.policy import (
    Budget,
    ContactLimit,
    allocate,
    allocation_by_budget,
    plan_over_triggers,
    response_classes,
    triggers_of,
)
from workbench.policy import solve as solving
from workbench.policy.resources import Resources, resources_of
from workbench.uplift import UpliftDraws

OFFERS = ("tea", "cake", "meal")


def by_highs(value: np.ndarray, cost: np.ndarray, weight: np.ndarray, limits: Resources) -> float:
    """What the linear programme over all shares comes to, by another solver."""
    customers, offers = value.shape
    rows = [
        ((cost * limits.of_cost[k] + limits.of_count[k]) * weight[:, None]).ravel()
        for k in range(len(limits.names))
    ]
    for i in range(customers):
        one = np.zeros((customers, offers))
        one[i] = 1
        rows.append(one.ravel())
    found = linprog(
        -(value * weight[:, None]).ravel(), A_ub=np.array(rows),
        b_ub=[*limits.limit, *np.ones(customers)], bounds=(0, 1), method="highs",
    )  # fmt: skip
    return -found.fun if found.success else np.nan


@st.composite
def problems(draw):
    customers = draw(st.integers(1, 12))
    offers = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    value = rng.integers(-40, 90, (customers, offers)).astype(float)
    cost = rng.integers(0, 40, (customers, offers)).astype(float)
    weight = rng.integers(1, 5, customers).astype(float)
    names = OFFERS[:offers]
    limits = resources_of(
        names,
        float(weight.sum()),
        budgets=[
            Budget(amount_cents=float(draw(st.integers(0, 300)))),
            Budget(
                amount_cents=float(draw(st.integers(0, 100))), offers=names[:1], name="tea only"
            ),
        ],
        inventory={names[-1]: float(draw(st.integers(0, 10)))},
        contacts=[ContactLimit(customers=float(draw(st.integers(0, 30))))],
        minimum_shares={},
    )
    return value, cost, weight, limits


@settings(max_examples=120, deadline=None)
@given(problems())
def test_the_best_mix_is_that_of_highs_and_the_bound_proves_it(problem):
    value, cost, weight, limits = problem
    solved = solving.solve(value, cost, weight, limits)
    best = by_highs(value, cost, weight, limits)
    assert solved.value == pytest.approx(best, rel=1e-6, abs=1e-6)
    assert solved.bound >= best - 1e-6
    assert solved.gap < 1e-5


@settings(max_examples=60, deadline=None)
@given(problems())
def test_single_customers_get_whole_offers_within_every_limit(problem):
    value, cost, _, limits = problem
    names = OFFERS[: value.shape[1]]
    budget = max(limits.limit[0], cost.min())
    plan = allocate(
        value, cost, offers=names, budgets=[Budget(amount_cents=budget)],
        contacts=[ContactLimit(customers=limits.limit[3])],
    )  # fmt: skip
    assert set(np.unique(plan.share)) <= {0.0, 1.0}
    assert plan.share.sum(axis=1).max(initial=0) <= 1
    assert plan.cost_cents <= budget + 1e-6
    assert plan.share.sum() <= limits.limit[3] + 1e-9
    assert plan.profit_cents >= 0


def test_a_bound_that_is_too_low_is_seen(monkeypatch):
    real = solving._Run.at

    def low(self, price):
        plan = real(self, price)
        return solving._Plan(plan.value, plan.used, plan.bound * 0.5)

    monkeypatch.setattr(solving._Run, "at", low)
    value, cost = np.array([[90.0], [80.0], [70.0]]), np.full((3, 1), 10.0)
    limits = resources_of(
        ["tea"],
        3.0,
        budgets=[Budget(amount_cents=20)],
        inventory={},
        contacts=[],
        minimum_shares={},
    )
    solved = solving.solve(value, cost, np.ones(3), limits)
    assert solved.bound < by_highs(value, cost, np.ones(3), limits) or solved.value < 170


def test_many_customers_are_within_a_thousandth_of_the_best():
    rng = np.random.default_rng(1)
    value, cost = rng.normal(30, 60, (20_000, 5)), rng.uniform(10, 200, (20_000, 5))
    names = list("abcde")
    plan = allocate(
        value, cost, offers=names,
        budgets=[Budget(amount_cents=3e5), Budget(amount_cents=1e5, offers=["a", "b"], name="two")],
        inventory={"c": 500},
    )  # fmt: skip
    assert plan.duality_gap < 1e-3
    used = plan.limits.set_index("limit_of")
    assert (used["used"] <= used["limit"] * (1 + 1e-9)).all()
    assert used["binds"].all()


@pytest.mark.parametrize("seed", [4, 6])
def test_large_amounts_under_several_budgets_are_planned_as_small_ones(seed):
    rng = np.random.default_rng(seed)
    value, cost = rng.normal(20, 60, (500, 10)), rng.uniform(5, 100, (500, 10))
    offers = [f"offer {k}" for k in range(10)]
    small, large = (
        allocate(
            value * unit, cost * unit, offers=offers,
            budgets=[
                Budget(amount_cents=5_000 * unit),
                Budget(amount_cents=500 * unit, offers=offers[1:3], name="two"),
                Budget(amount_cents=1_000 * unit, offers=offers[3:4], name="one"),
            ],
        )
        for unit in (1.0, 1e4)
    )  # fmt: skip
    assert large.profit_cents == pytest.approx(small.profit_cents * 1e4, rel=0.01)
    assert large.duality_gap < 0.02


def test_the_price_of_a_budget_is_what_the_next_cent_earns():
    rng = np.random.default_rng(2)
    value, cost = rng.normal(30, 60, (4_000, 3)), rng.uniform(10, 200, (4_000, 3))
    plans = [
        allocate(value, cost, offers=OFFERS, budgets=[Budget(amount_cents=amount)])
        for amount in (50_000.0, 51_000.0)
    ]
    price = plans[0].limits["worth_of_one_more"].item()
    assert (plans[1].profit_cents - plans[0].profit_cents) / 1_000 == pytest.approx(price, rel=0.05)
    assert f"the next $1,000.00 would earn ${price * 1000:,.2f}" in plans[0].text


def test_a_share_that_must_be_reached_is_reached_and_has_its_price():
    value = np.array([[10.0, -5.0], [10.0, -8.0], [10.0, -1.0], [10.0, -9.0]])
    cost = np.ones_like(value)
    plan = allocate(value, cost, offers=["tea", "cake"], minimum_shares={"cake": 0.5})
    assert plan.share[:, 1].sum() == 2
    assert plan.share[2, 1] == plan.share[0, 1] == 1
    assert plan.profit_cents == pytest.approx(20 - 6)
    assert "minimum share of cake costs" in plan.text


def two_cells(
    effects: list[list[float]], customers: tuple[float, float] = (600, 400)
) -> UpliftDraws:
    rng = np.random.default_rng(1)
    value = np.array(effects) + 5 * rng.standard_normal((2000, 2, 2))
    cost = np.broadcast_to(np.array([20.0, 100.0]), value.shape)
    return UpliftDraws(
        cells=pd.DataFrame({"city": ["north", "south"]}),
        by=("city",),
        arms=("control", "tea", "meal"),
        customers=np.array(customers),
        value=value,
        cost=cost,
        baseline=np.tile([0.8, 0.2], (2000, 1)),
        measure="profit_cents",
        said="",
        passed=True,
    )


@pytest.mark.parametrize("seed", [6, 14])
def test_a_share_that_must_be_reached_by_whole_offers_breaks_no_other_limit(seed):
    rng = np.random.default_rng(seed)
    value, cost = rng.normal(30, 60, (150, 3)), rng.uniform(5, 60, (150, 3))
    budget = 0.3 * cost.min(axis=1).sum()
    plan = allocate(
        value, cost, offers=OFFERS, budgets=[Budget(amount_cents=budget)],
        inventory={"tea": 20}, contacts=[ContactLimit(customers=90)], minimum_shares={"cake": 0.11},
    )  # fmt: skip
    given = plan.share.sum(axis=0)
    assert plan.cost_cents <= budget + 1e-6
    assert given[0] <= 20
    assert given.sum() <= 90
    assert given[1] >= np.ceil(0.11 * 150)


def test_whole_offers_that_cannot_hold_all_limits_are_refused():
    value, cost = np.array([[9.0], [5.0]]), np.full((2, 1), 10.0)
    with pytest.raises(InputError, match="no whole offers were found that hold all limits: budget"):
        allocate(
            value,
            cost,
            offers=["tea"],
            budgets=[Budget(amount_cents=12)],
            minimum_shares={"tea": 0.6},
        )


def test_cells_get_shares_and_the_profit_has_an_interval():
    plan = allocate(
        two_cells([[50, 120], [30, -20]]), customers=1000, budgets=[Budget(amount_cents=34_000)]
    )
    assert plan.cost_cents == pytest.approx(34_000)
    assert 0 < plan.share[0, 1] < 1
    low, high = np.quantile(plan.profit_draws_cents, [0.025, 0.975])
    assert low < plan.profit_cents < high
    assert plan.duality_gap < 1e-6


def test_who_dislikes_risk_gives_less():
    rng = np.random.default_rng(3)
    draws = two_cells([[5, 5], [40, 40]])
    wide = UpliftDraws(
        **{**draws.__dict__, "value": draws.value + 60 * rng.standard_normal((2000, 1, 1))}
    )
    bold, careful = (allocate(wide, risk=risk) for risk in (None, 0.2))
    assert careful.table["customers"].iloc[-1] > bold.table["customers"].iloc[-1]


def test_what_a_careful_plan_is_expected_to_earn_is_the_mean_of_its_draws():
    rng = np.random.default_rng(3)
    draws = two_cells([[90, 70], [80, 60]])
    wide = UpliftDraws(
        **{**draws.__dict__, "value": draws.value + 60 * rng.standard_normal((2000, 2, 2))}
    )
    plan = allocate(wide, risk=0.3)
    assert plan.cost_cents > 0
    assert plan.profit_cents == pytest.approx(plan.profit_draws_cents.mean())
    assert plan.table["profit_cents"].sum() == pytest.approx(plan.profit_cents)
    assert plan.duality_gap < 1e-6


def test_other_budgets_earn_more_the_larger_they_are_and_ever_less_for_a_cent():
    table = allocation_by_budget(two_cells([[50, 120], [30, 60]]), amount_cents=20_000)
    assert table["profit_cents"].is_monotonic_increasing
    assert table["price_cents"].is_monotonic_decreasing


def test_customers_are_counted_at_the_trigger_where_they_are_served():
    triggers = pd.DataFrame(
        {"customer_id": ["a", "b", "a", "c"], "city": ["south", "north", "north", "south"]}
    )
    plan = plan_over_triggers(two_cells([[50, 20], [-30, -60]]), triggers, customers=300)
    by_city = plan.table.set_index("city")
    assert by_city["first"].to_dict() == {
        "north": pytest.approx(1 / 3),
        "south": pytest.approx(2 / 3),
    }
    assert by_city["served"].to_dict() == {
        "north": pytest.approx(2 / 3),
        "south": pytest.approx(1 / 3),
    }
    assert by_city["offer"].to_dict() == {"north": "tea", "south": "none"}
    assert plan.allocation.table.set_index("offer")["customers"]["tea"] == pytest.approx(200, abs=1)
    assert plan.later == pytest.approx(1 / 3)
    assert plan.triggers_per_customer == pytest.approx(4 / 3)


def test_triggers_come_from_a_csv_file_too_and_each_has_its_customer(tmp_path):
    draws, file = two_cells([[50, 20], [-30, -60]]), tmp_path / "triggers.csv"
    triggers = pl.DataFrame({"city": ["south", "north"], "customer_id": ["a", None]})
    triggers.write_csv(file)
    read = triggers_of(draws, file)
    assert read.rows() == [("a", "south"), (None, "north")]
    with pytest.raises(InputError, match="1 trigger must have a customer_id"):
        plan_over_triggers(draws, read, customers=300)
    file.rename(tmp_path / "triggers.parquet")
    with pytest.raises(InputError, match="must be a Parquet file"):
        triggers_of(draws, tmp_path / "triggers.parquet")


def test_cells_are_persuadable_sure_lost_or_not_to_be_disturbed_by_their_draws():
    classes = response_classes(two_cells([[50, 0], [-30, 0]]), "tea", least_effect=10)
    assert classes.table["class"].tolist() == ["persuadable", "do not disturb"]
    still = response_classes(two_cells([[50, 0], [-30, 0]]), "meal", least_effect=15)
    assert still.table["class"].tolist() == ["sure thing", "lost cause"]
    with pytest.raises(ParameterError, match="least_effect was nan, must be at least 0"):
        response_classes(two_cells([[50, 0], [-30, 0]]), "meal", least_effect=float("nan"))
    parts = still.table[["persuadable", "sure_thing", "lost_cause", "do_not_disturb"]]
    assert parts.sum(axis=1).tolist() == pytest.approx([1, 1])


VALUE, COST = np.array([[90.0, 50.0], [40.0, 30.0]]), np.array([[60.0, 10.0], [60.0, 10.0]])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"budgets": [Budget(amount_cents=-1)]}, "budget was -1, must be a number from 0"),
        ({"budgets": [Budget(amount_cents="70")]}, "budget was '70', must be a number from 0"),
        ({"offers": ["tea", "tea"]}, "offers was .*, must each have a name of its own"),
        ({"budgets": [Budget(amount_cents=9, offers=["te"])]}, "was 'te', must be one of meal, tea.*did you mean 'tea'"),
        ({"cost": np.array([[np.nan, 1.0], [1.0, 1.0]])}, "meal has no cost for some customers"),
        ({"cost": -COST}, "cost of meal was -60"),
        ({"cost": None}, "cost was None, must be an array"),
        ({"value": VALUE * np.inf}, "value holds a number that is missing or infinite"),
        ({"offers": ["meal"]}, "there are 1 offers; value and cost must be customer x offer"),
        ({"minimum_shares": {"meal": 0.7, "tea": 0.7}}, "minimum_shares was 1.4, must add up to at most 1"),
        ({"minimum_shares": {"meal": 2}}, "minimum share of meal was 2, must be from 0 to 1"),
        ({"inventory": {"coffee": 3}}, "offer of inventory was 'coffee'"),
        ({"risk": 0.2}, "risk needs draws"),
        ({"risk": 2.0}, "risk was 2.0, must be a quantile"),
        (
            {"budgets": [Budget(amount_cents=90), Budget(amount_cents=9)]},
            "two limits are named 'budget'",
        ),
    ],
)  # fmt: skip
def test_a_limit_or_a_number_that_cannot_be_is_refused(change, error):
    arguments = {"value": VALUE, "cost": COST, "offers": ["meal", "tea"]} | change
    value, cost = arguments.pop("value"), arguments.pop("cost")
    with pytest.raises(ParameterError, match=error):
        allocate(value, cost, **arguments)


def test_a_budget_below_its_cheapest_offer_and_shares_out_of_reach_are_refused():
    with pytest.raises(InputError, match=r"budget is \$0.09, less than its cheapest offer"):
        allocate(VALUE, COST, offers=["meal", "tea"], budgets=[Budget(amount_cents=9)])
    with pytest.raises(InputError, match="no allocation holds all limits"):
        allocate(
            VALUE, COST, offers=["meal", "tea"], minimum_shares={"meal": 1.0},
            contacts=[ContactLimit(customers=1)],
        )  # fmt: skip


def test_limits_are_shown_in_money_and_by_what_a_dollar_or_a_customer_more_would_earn():
    value, cost = np.array([[300.0], [200.0], [100.0]]), np.full((3, 1), 100.0)
    budget = allocate(value, cost, offers=["tea"], budgets=[Budget(amount_cents=150)])
    pieces = allocate(value, cost, offers=["tea"], inventory={"tea": 1})
    shown = [each.limits_page.iloc[0] for each in (budget, pieces)]
    assert [(row["limit"], row["one_more"]) for row in shown] == [
        ("$1.50", "dollar"),
        ("1", "customer"),
    ]
    dollar, cent = shown[0]["earns"], budget.limits["worth_of_one_more"][0]
    assert dollar == f"${cent:.2f}"
