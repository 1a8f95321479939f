"""Predictive checks: what a fit gives back, what it cannot say, and what a prior excludes.

The posterior is written by hand, as it is in large cells: normal around what the sums say.
"""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest
from scipy import stats

from workbench.uplift import UpliftFit, UpliftPrior, uplift_predictive_check
from workbench.uplift.cells import cells_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import arviz as az

CUSTOMERS, CHAINS, DRAWS = 4_000, 2, 500
KINDS = {
    "converted": "conversion", "visits": "visits", "spend_cents": "spend",
    "gift_cents": "spend_gamma", "profit_cents": "amount",
}  # fmt: skip
# further parameters: what they are in the shop below, and whether each cell has one
FURTHER = {
    "visits": {"alpha": (2.0, False)},
    "spend_cents": {"sigma": (0.4, True), "beta": (0.5, False)},
    "gift_cents": {"shape": (3.0, False)},
    "profit_cents": {"sigma": (100.0, True), "beta": (80.0, False)},
}


def _shop() -> pl.DataFrame:
    rng = np.random.default_rng(1)
    city = rng.choice(["north", "south", "west"], CUSTOMERS)
    arm = rng.choice(["control", "tea"], CUSTOMERS)
    before = rng.normal(size=CUSTOMERS)
    more = 0.1 * (arm == "tea") * (city == "north")
    some = rng.random(CUSTOMERS) < 0.4 + more
    return pl.DataFrame(
        {
            "arm": arm,
            "city": city,
            "before": before,
            "converted": some,
            "visits": rng.poisson(3 * rng.gamma(2.0, 0.5, CUSTOMERS)),
            "spend_cents": some * np.exp(6 + 0.5 * before + 0.4 * rng.normal(size=CUSTOMERS)),
            "gift_cents": some * rng.gamma(3.0, 100.0, CUSTOMERS),
            "profit_cents": 200 + 80 * before + 1000 * more + 100 * rng.normal(size=CUSTOMERS),
        }
    )


def _fit(*names: str, prior: UpliftPrior | None = None) -> UpliftFit:
    """A fit of outcomes, whose posterior lies around the sums; further parts are left empty."""
    cells = cells_of(
        _shop(), outcomes={name: KINDS[name] for name in names}, by=["city"], arm="arm",
        control="control", unit=None, covariate="before",
    )  # fmt: skip
    rng = np.random.default_rng(2)
    idata = {}
    for name, kind in cells.kinds.items():
        seen, information = kind.seen(cells.n, cells.sums[name])
        noise = rng.standard_normal((CHAINS, DRAWS, *seen.shape))
        eta = seen + noise / np.sqrt(information)
        further = {
            key: np.full((CHAINS, DRAWS, *([len(cells.table)] if each else [])), value)
            for key, (value, each) in FURTHER.get(name, {}).items()
        }
        drawn = {"level": eta[..., 0], "effect": eta[..., 1:] - eta[..., :1], **further}
        idata[name] = az.from_dict(posterior=drawn)
    return UpliftFit(
        table=cells.table, text="", cells=cells, means={}, idata=idata, spread=cells.table,
        prior=prior or UpliftPrior(), gate=None, decision=None, rule=None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fit() -> UpliftFit:
    return _fit(*KINDS)


def test_a_posterior_around_what_was_seen_gives_it_back_for_each_kind(fit):
    found = uplift_predictive_check(fit)
    assert list(found.outcomes["outcome"]) == [
        "converted", "visits", "spend_cents", "gift_cents", "profit_cents",
        "spend_cents > 0", "gift_cents > 0",
    ]  # fmt: skip
    assert found.table["inside"].all()
    assert found.outcomes["p_value"].between(0.3, 1.0).all()
    assert found.text == (
        "42 of 42 means of cells and arms lie inside what the posterior predicts: "
        "the model gives back what was seen."
    )
    seen = _shop().filter((pl.col("city") == "north") & (pl.col("arm") == "tea"))["spend_cents"]
    row = found.table.query("outcome == 'spend_cents' and city == 'north' and arm == 'tea'")
    assert row["seen"].item() == pytest.approx(seen.filter(seen > 0).mean())
    assert row["customers"].item() == (seen > 0).sum()


def test_an_interval_is_as_wide_as_the_errors_of_a_mean_and_of_its_estimate(fit):
    """Both are of the same size where the posterior is that of the cell alone: √2 of one of them."""
    rows = uplift_predictive_check(fit).table
    shop = _shop()
    for outcome in ("converted", "visits", "gift_cents", "profit_cents"):
        mine = rows[(rows["outcome"] == outcome) & (rows["arm"] == "tea")]
        told = shop.filter(pl.col("arm") == "tea")[outcome].cast(pl.Float64)
        told = told.filter(told > 0) if outcome == "gift_cents" else told
        one = told.std() / np.sqrt(mine["customers"])
        width = (mine["high"] - mine["low"]) / (2 * stats.norm.ppf(0.975) * one)
        assert width.mean() == pytest.approx(np.sqrt(2), rel=0.15), outcome


def test_a_cell_of_which_the_model_says_something_else_is_found():
    fit = _fit("converted", "profit_cents")
    fit.cells.sums["converted"]["yes"][0, 1] += 0.15 * fit.cells.n[0, 1]
    found = uplift_predictive_check(fit)
    told = found.outcomes.set_index("outcome")["p_value"]
    assert told["converted"] < 0.01 < told["profit_cents"]
    assert found.table[~found.table["inside"]][["outcome", "city", "arm"]].to_numpy().tolist() == [
        ["converted", "north", "tea"]
    ]
    assert "converted differs between cells more than the model can say" in found.text


def test_a_prior_that_allows_what_was_seen_is_wider_than_the_posterior():
    fit = _fit("converted")
    before, after = (uplift_predictive_check(fit, when=each) for each in ("prior", "posterior"))
    assert before.table["inside"].all()
    assert before.outcomes["p_value"].isna().all()
    assert before.text.endswith("the prior allows all that was seen.")
    wide, narrow = (each.table["high"] - each.table["low"] for each in (before, after))
    assert (wide > 5 * narrow).all()


def test_a_prior_that_excludes_what_was_seen_says_so():
    tight = UpliftPrior(baseline=0.01, baseline_spread=0.01, effect=0.01, effect_spread=0.01)
    found = uplift_predictive_check(_fit("converted", prior=tight), when="prior")
    out = found.table[~found.table["inside"]]
    assert ["north", "tea"] in out[["city", "arm"]].to_numpy().tolist()
    assert "some means of converted are improbable under the prior" in found.text
