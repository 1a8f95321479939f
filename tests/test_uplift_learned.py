"""Learned uplift: effects with intervals, predictions out of fold, and refusals by name."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from workbench.errors import InputError, ParameterError
from workbench.uplift import compare_learners, learn_uplift

CUSTOMERS = 3_000


@pytest.fixture(scope="module")
def units() -> pl.DataFrame:
    rng = np.random.default_rng(5)
    arm = rng.choice(["control", "tea", "cake"], CUSTOMERS, p=[0.5, 0.25, 0.25])
    x, city = rng.normal(size=CUSTOMERS), rng.choice(["north", "south"], CUSTOMERS)
    told = np.where(arm == "tea", 2 * x, np.where(arm == "cake", 1.0, 0.0))
    return pl.DataFrame(
        {
            "arm": arm,
            "x": x,
            "city": city,
            "p": np.where(arm == "control", 0.5, 0.25),
            "profit": x + told + rng.normal(size=CUSTOMERS),
        }
    )


@pytest.mark.parametrize("propensity", ["p", None])
def test_effects_of_two_offers_are_found_out_of_fold(
    units: pl.DataFrame, propensity: str | None
) -> None:
    found = learn_uplift(units, outcome="profit", features=["x", "city"], propensity=propensity)
    assert found.arms == ("control", "cake", "tea")
    assert (found.table["low"] < [1, 0]).all()
    assert (found.table["high"] > [1, 0]).all()
    assert np.corrcoef(found.predictions[:, 1], units["x"])[0, 1] > 0.95
    told = found.predict(pl.DataFrame({"x": [-1.0, 1.0, 1.0], "city": ["north", "south", "sea"]}))
    assert told["tea"][1] - told["tea"][0] == pytest.approx(4, abs=0.6)
    assert told["fallback"].to_list() == ["", "", "mean effect"]
    assert told["tea"][2] == found.table["effect"][1]
    assert found.predict(units.head(0)).shape == (0, 3)
    for wrong in ("far", float("inf")):
        with pytest.raises(InputError, match=r"x was .*must be (numbers|a number)"):
            found.predict(pl.DataFrame({"x": [wrong], "city": ["north"]}))


def test_a_feature_that_is_the_outcome_and_a_control_that_is_not_there_are_refused(
    units: pl.DataFrame,
) -> None:
    with pytest.raises(ParameterError, match="features"):
        learn_uplift(units, outcome="profit", features=["x", "profit"])
    with pytest.raises(ParameterError, match="each once"):
        learn_uplift(units, outcome="profit", features=["x", "x"])
    with pytest.raises(ParameterError, match="control"):
        learn_uplift(units, outcome="profit", features=["x"], control="none")


def test_an_outcome_that_is_the_same_for_everybody_and_a_chance_in_words_are_refused(
    units: pl.DataFrame,
) -> None:
    with pytest.raises(InputError, match="'profit' is 0 for everybody"):
        learn_uplift(units.with_columns(profit=pl.lit(0)), outcome="profit", features=["x"])
    with pytest.raises(InputError, match="p was 'String', must be numbers between 0 and 1"):
        learn_uplift(
            units.with_columns(p=pl.lit("0,4")), outcome="profit", features=["x"], propensity="p"
        )


def test_propensities_of_three_arms_that_differ_by_customer_are_refused(
    units: pl.DataFrame,
) -> None:
    uneven = units.with_columns(p=pl.col("p") * (1 - 0.1 * (pl.col("x") > 0)))
    with pytest.raises(InputError, match=r"p was 0.*name a column an arm"):
        learn_uplift(uneven, outcome="profit", features=["x"], propensity="p")


def test_chances_of_three_arms_that_differ_by_customer_come_in_a_column_each(
    units: pl.DataFrame,
) -> None:
    """Half of the customers had twice the chance of tea; who had it counts half as much there."""
    often = np.arange(CUSTOMERS) % 2 == 0
    rng = np.random.default_rng(8)
    p_tea = np.where(often, 0.5, 0.25)
    drawn = rng.random(CUSTOMERS)
    arm = np.where(drawn < p_tea, "tea", np.where(drawn < p_tea + 0.25, "cake", "control"))
    uneven = units.with_columns(
        arm=pl.Series(arm), p_tea=pl.Series(p_tea), p_cake=0.25,
        profit=pl.Series(3.0 * often + (arm == "tea") * 1.0 + rng.normal(size=CUSTOMERS)),
    )  # fmt: skip
    columns = {"tea": "p_tea", "cake": "p_cake"}
    found = learn_uplift(uneven, outcome="profit", features=["x"], propensity=columns).table
    tea = found.set_index("arm").loc["tea"]
    assert tea["low"] < 1 < tea["high"]
    with pytest.raises(ParameterError, match="must name a column for each of cake, tea"):
        learn_uplift(uneven, outcome="profit", features=["x"], propensity={"tea": "p_tea"})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"profit": pl.lit(None, pl.Float64)},
            "profit was None, must be a number; 3,000 customers",
        ),
        ({"profit": pl.lit("much")}, "profit was 'String', must be numbers"),
        ({"x": pl.lit(float("inf"))}, "x was inf, must be a number or missing"),
        ({"arm": pl.lit(None, pl.String)}, "nobody is in an arm"),
        ({"arm": pl.lit("tea")}, "control was 'control', must be an arm beside another"),
        ({"who": pl.col("arm")}, "3 units of 'who' must have one row"),
    ],
)
def test_a_column_that_cannot_be_used_is_refused_by_name(
    units: pl.DataFrame, change: dict[str, pl.Expr], told: str
) -> None:
    named = units.with_row_index("who").with_columns(**change)
    with pytest.raises(InputError, match=told):
        learn_uplift(named, outcome="profit", features=["x"], unit="who")


def test_an_arm_with_a_single_customer_and_a_misspelt_control_are_refused(
    units: pl.DataFrame,
) -> None:
    lone = units.with_columns(
        arm=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("scone")).otherwise("arm")
    )
    with pytest.raises(InputError, match="arm was 'scone', must have 2 customers or more"):
        learn_uplift(lone, outcome="profit", features=["x"])
    with pytest.raises(ParameterError, match="did you mean 'control'"):
        learn_uplift(units, outcome="profit", features=["x"], control="contol")


def test_learners_beside_each_other_agree_where_the_effect_is_plain(units: pl.DataFrame) -> None:
    compared = compare_learners(units, outcome="profit", features=["x"], learners=["t", "s"])
    tea = compared.table[compared.table["offer"] == "tea"]
    assert (tea["p_value"] < 0.001).all()
    assert (tea["autoc"] > 3 * tea["autoc_error"]).all()
    alone = learn_uplift(units, outcome="profit", features=["x"], learner="t")
    np.testing.assert_array_equal(compared.learned["t"].predictions, alone.predictions)
    with pytest.raises(ParameterError, match="each once"):
        compare_learners(units, outcome="profit", features=["x"], learners=["t", "t"])
