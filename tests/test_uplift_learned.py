"""Learned uplift: effects with intervals, predictions out of fold, and refusals by name."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from workbench.errors import InputError, ParameterError
from workbench.uplift.learned import learn_uplift

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
    told = found.predict(pl.DataFrame({"x": [-1.0, 1.0], "city": ["north", "elsewhere"]}))
    assert told["tea"][1] - told["tea"][0] == pytest.approx(4, abs=0.6)


def test_a_feature_that_is_the_outcome_and_a_control_that_is_not_there_are_refused(
    units: pl.DataFrame,
) -> None:
    with pytest.raises(ParameterError, match="features"):
        learn_uplift(units, outcome="profit", features=["x", "profit"])
    with pytest.raises(InputError, match="control"):
        learn_uplift(units, outcome="profit", features=["x"], control="none")


def test_propensities_of_three_arms_that_differ_by_customer_are_refused(
    units: pl.DataFrame,
) -> None:
    uneven = units.with_columns(p=pl.col("p") * (1 - 0.1 * (pl.col("x") > 0)))
    with pytest.raises(InputError, match="propensity"):
        learn_uplift(uneven, outcome="profit", features=["x"], propensity="p")
