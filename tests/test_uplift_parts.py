"""A covariate in parts: where it is cut, whom each part holds, and what it sharpens."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from workbench.errors import InputError, ParameterError
from workbench.uplift import covariate_in_parts
from workbench.uplift.cells import cells_of


def test_parts_are_equally_large_and_keep_the_order_of_values():
    shop = pl.DataFrame({"visits": np.random.default_rng(1).permutation(1_000)})
    cut = covariate_in_parts(shop, "visits", parts=5)
    assert cut.table["customers"].tolist() == [200] * 5
    told = cut.add_to(shop).group_by(cut.name).agg(pl.col("visits").max()).sort(cut.name)
    assert told["visits"].to_list() == [199, 399, 599, 799, 999]
    assert cut.text == (
        "Visits is cut in 5 parts of 200 to 200 customers: "
        "a dimension, of which effects may depend too."
    )


def test_a_value_that_most_customers_have_is_one_part():
    shop = pd.DataFrame({"spend": [0.0] * 60 + list(range(1, 41))})
    cut = covariate_in_parts(shop, "spend", parts=4)
    assert cut.table["customers"].tolist() == [60, 15, 25]
    assert cut.name == "spend in 3 parts"
    most = covariate_in_parts(pd.DataFrame({"spend": [0.0] + [5.0] * 99}), "spend")
    assert most.table["customers"].tolist() == [1, 99]


def test_a_later_customer_gets_the_part_of_the_same_cuts_and_a_missing_value_is_not_known():
    cut = covariate_in_parts(pl.DataFrame({"spend": [1.0, 2, 3, 4, None]}), "spend", parts=2)
    later = cut.add_to(pl.DataFrame({"spend": [2.5, 2.6, -9.0, 99.0, None, float("nan")]}))
    assert later[cut.name].str.head(1).to_list() == ["1", "2", "1", "2", "n", "n"]


def test_within_parts_conversions_vary_less_so_that_effects_are_sharper():
    """What a fit sees of an effect: its information is n·p(1 − p), which parts leave less to chance."""
    rng = np.random.default_rng(1)
    before = rng.normal(size=4_000)
    shop = pl.DataFrame(
        {
            "before": before,
            "arm": rng.choice(["control", "tea"], 4_000),
            "converted": rng.random(4_000) < 1 / (1 + np.exp(-2 * before)),
        }
    )
    cut = covariate_in_parts(shop, "before")
    cells = cells_of(
        cut.add_to(shop), outcomes={"converted": "conversion"}, by=[cut.name], arm="arm",
        control="control", unit=None, covariate=None,
    )  # fmt: skip
    yes, n = cells.sums["converted"]["yes"], cells.n
    within = (yes * (1 - yes / n)).sum() / n.sum()
    whole = yes.sum() / n.sum() * (1 - yes.sum() / n.sum())
    assert [each[0] for each in cells.table[cut.name]] == ["1", "2", "3", "4"]
    assert within < 0.75 * whole


@pytest.mark.parametrize(
    ("values", "parts", "error", "says"),
    [
        ([1.0, 1.0], 4, InputError, "one value only"),
        (["a", "b"], 4, InputError, "must hold numbers"),
        ([1.0, 2.0], 1, ParameterError, "must be 2 to 9"),
    ],
)
def test_what_cannot_be_cut_is_refused_by_name(values, parts, error, says):
    with pytest.raises(error, match=says):
        covariate_in_parts(pl.DataFrame({"x": values}), "x", parts=parts)
    with pytest.raises(InputError, match="no column 'y'"):
        covariate_in_parts(pl.DataFrame({"x": values}), "y")
