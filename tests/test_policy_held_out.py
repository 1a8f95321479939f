"""The profit of a plan by customers kept apart: what it is computed of, no winner's curse, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from workbench.errors import InputError, ParameterError
from workbench.policy import Allocation, allocate, profit_on_held_out
from workbench.uplift import UpliftDraws

CITIES = [f"city {k}" for k in range(8)]


def fit(effects: np.ndarray, baseline: float = 100.0, error: float = 0.0) -> UpliftDraws:
    """Draws of eight cities of 500 customers around effects, cell x offer."""
    rng = np.random.default_rng(1)
    value = effects + error * rng.standard_normal((200, *effects.shape))
    return UpliftDraws(
        cells=pd.DataFrame({"city": CITIES}),
        by=("city",),
        arms=("control", "tea", "cake"),
        customers=np.full(8, 500.0),
        value=value,
        cost=np.zeros_like(value),
        baseline=np.full((200, 8), baseline),
        measure="profit_cents",
        said="",
        passed=True,
    )


def kept_apart(effects: np.ndarray, *, seed: int = 2, customers: int = 6000) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    city, arm = rng.integers(0, 8, customers), rng.choice(3, customers, p=[0.5, 0.3, 0.2])
    truth = np.hstack([np.zeros((8, 1)), effects])
    return pl.DataFrame(
        {
            "city": np.array(CITIES)[city],
            "arm": np.array(["control", "tea", "cake"])[arm],
            "profit_cents": 100 + truth[city, arm] + 30 * rng.standard_normal(customers),
        }
    )


def plan_of(draws: UpliftDraws) -> Allocation:
    return allocate(draws)


def test_with_the_found_shares_of_one_cell_it_is_the_difference_of_means():
    effects = np.full((8, 2), [20.0, -5.0])
    units = (
        kept_apart(effects).filter(pl.col("city") == "city 0").with_columns(city=pl.lit("city 3"))
    )
    draws = fit(effects, baseline=float(units.filter(arm="control")["profit_cents"].mean()))
    found = profit_on_held_out(plan_of(draws), draws, units)
    by_arm = units.group_by("arm").agg(pl.col("profit_cents").mean(), pl.len())
    mean = dict(by_arm.select("arm", "profit_cents").iter_rows())
    assert found.table["city"].to_list() == ["city 3"]
    assert found.profit_cents == pytest.approx(500 * (mean["tea"] - mean["control"]))
    assert found.judged == pytest.approx(1 / 8)
    assert (
        "87.5% of the customers with an offer are in cells without anybody kept apart" in found.text
    )


def test_a_plan_that_chose_among_noise_is_expected_to_earn_and_is_found_not_to():
    nothing = np.zeros((8, 2))
    lucky = 4 * np.random.default_rng(5).standard_normal((8, 2))
    draws = fit(lucky, error=1.0)
    plan = plan_of(draws)
    found = profit_on_held_out(plan, draws, kept_apart(nothing))
    assert plan.profit_cents > found.high_cents
    assert found.low_cents < 0 < found.high_cents
    assert "not as expected" in found.text


def test_a_wrong_fit_biases_nothing_where_the_chances_are_those_of_the_design():
    effects = np.linspace(-20, 40, 16).reshape(8, 2)
    draws = fit(effects, baseline=-300.0)
    plan = plan_of(draws)
    truth = float((plan.weight[:, None] * plan.share * effects).sum())
    errors = []
    for seed in range(60):
        shares = {"control": 0.5, "tea": 0.3, "cake": 0.2}
        found = profit_on_held_out(plan, draws, kept_apart(effects, seed=seed), shares=shares)
        errors.append((found.profit_cents - truth) / (found.high_cents - found.low_cents) * 3.92)
    assert abs(np.mean(errors)) < 3.3 / np.sqrt(60)
    assert 0.7 < np.std(errors) < 1.3


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda units: units.with_columns(arm=pl.lit("Tea")), "arm 'Tea' is none of the fit — did you mean 'tea'"),
        (lambda units: units.filter(pl.col("arm") != "cake"), "nobody who was kept apart is in arm 'cake'"),
        (lambda units: units.head(20), "20 customers of the cells of the plan kept apart, must be at least 30"),
        (lambda units: units.with_columns(profit_cents=pl.lit("1")), "'profit_cents' holds string, must hold cents"),
        (
            lambda units: units.with_columns(profit_cents=pl.lit(None, dtype=pl.Float64)),
            "6,000 values of 'profit_cents' must be finite",
        ),
        (lambda units: units.drop("city"), "city"),
    ],
)  # fmt: skip
def test_customers_who_cannot_judge_a_plan_are_refused(change, error):
    effects = np.full((8, 2), 5.0)
    draws = fit(effects)
    with pytest.raises(InputError, match=error):
        profit_on_held_out(plan_of(draws), draws, change(kept_apart(effects)))


def test_a_plan_of_other_cells_and_shares_without_an_arm_are_refused():
    draws = fit(np.full((8, 2), 5.0))
    units = kept_apart(np.full((8, 2), 5.0))
    other = allocate(np.array([[1.0]]), np.array([[0.0]]), offers=["tea"])
    with pytest.raises(ParameterError, match="the plan has 1 row and the draws have 8 cells"):
        profit_on_held_out(other, draws, units)
    with pytest.raises(
        ParameterError, match=r"shares .* must have a share above 0 for each of control, tea"
    ):
        profit_on_held_out(plan_of(draws), draws, units, shares={"control": 1.0, "tea": 1.0})
    endless = dict.fromkeys(draws.arms, float("inf"))
    with pytest.raises(ParameterError, match="must have a share above 0"):
        profit_on_held_out(plan_of(draws), draws, units, shares=endless)
