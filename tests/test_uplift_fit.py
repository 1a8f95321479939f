"""A fit of uplift: what it says of effects that were put in, and of what it cannot know."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import special

from workbench.errors import InputError, ParameterError
from workbench.uplift import (
    SamplingLimits,
    UpliftDraws,
    UpliftFit,
    fit_uplift,
    one_rule,
    read_uplift,
)
from workbench.uplift.cells import cells_of
from workbench.uplift.costs import cost_draws
from workbench.uplift.sampling import sampled

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pymc as pm

LIFT = {"north": 0.15, "south": -0.1}


def experiment(customers: int = 6000, seed: int = 1) -> pl.DataFrame:
    """Tea makes 15 points more of the north buy and 10 fewer of the south; cake was never given to the old south."""
    rng = np.random.default_rng(seed)
    city = rng.choice(["north", "south"], customers)
    age = rng.choice(["old", "young"], customers)
    arm = rng.choice(["control", "tea", "cake"], customers)
    arm = np.where((arm == "cake") & (city == "south") & (age == "old"), "control", arm)
    lift = np.array([LIFT[each] for each in city])
    p = 0.4 + 0.1 * (age == "young") + np.where(arm == "tea", lift, 0.0)
    used = (arm != "control") & (rng.random(customers) < np.where(city == "north", 0.6, 0.2))
    return pl.DataFrame(
        {
            "customer": range(customers),
            "arm": arm,
            "city": city,
            "age": age,
            "converted": rng.random(customers) < p,
            "cost_cents": np.where(used, 100, 0),
        }
    )


@pytest.fixture(scope="module")
def fit() -> UpliftFit:
    return fit_uplift(
        experiment(), outcomes={"converted": "conversion"}, by=["city", "age"], unit="customer",
        cost="cost_cents", draws=1000,
    )  # fmt: skip


def test_the_effect_of_each_cell_is_recovered(fit):
    tea = fit.table[fit.table["offer"] == "tea"]
    truth = tea["city"].map(LIFT)
    assert ((tea["low"] <= truth) & (truth <= tea["high"])).all()
    assert (tea["uplift"] - truth).abs().max() < 0.06
    assert set(np.sign(tea["uplift"])) == {-1.0, 1.0}
    assert fit.gate.passed, fit.gate.text


def test_the_uplift_of_large_cells_is_the_difference_of_rates(fit):
    yes, n = fit.cells.sums["converted"]["yes"], fit.cells.n
    seen = yes[:, 1:] / np.maximum(n[:, 1:], 1) - yes[:, :1] / n[:, :1]
    there = n[:, 1:] > 0
    assert np.abs((fit.uplift("converted").mean(axis=0) - seen)[there]).max() < 0.03


def test_an_arm_that_a_cell_never_got_has_the_pooled_effect_and_says_so(fit):
    rows = fit.table[fit.table["fallback"] == "pooled effect"]
    assert rows[["city", "age", "offer"]].to_numpy().tolist() == [["south", "old", "cake"]]
    seen = fit.table[(fit.table["offer"] == "cake") & (fit.table["fallback"] == "")]
    wide = rows["high"] - rows["low"]
    assert wide.item() > (seen["high"] - seen["low"]).max()
    assert "In 1 cell and offer there is no control or nobody who got the offer" in fit.text


def test_a_choice_by_city_is_better_than_one_rule(fit):
    assert fit.rule.differs
    by_cell = dict(
        zip(fit.cells.table.itertuples(index=False, name=None), fit.rule.by_cell, strict=True)
    )
    assert by_cell["north", "old"] == by_cell["north", "young"] == "tea"
    assert "tea" not in {by_cell["south", "old"], by_cell["south", "young"]}
    assert "Choosing the offer by cell earns" in fit.text


def test_a_prediction_is_that_of_the_cell_and_an_unseen_level_gets_the_pooled_effect(fit):
    asked = pd.DataFrame({"city": ["north", "east"], "age": ["old", "old"], "name": ["ann", "bob"]})
    told = fit.predict(asked)
    row = fit.table.query("city == 'north' and age == 'old' and offer == 'tea'")
    assert told["uplift_tea"][0] == pytest.approx(row["uplift"].item())
    pooled = fit.cells.weight @ fit.uplift("converted").mean(axis=0)
    assert told["uplift_tea"][1] == pytest.approx(pooled[fit.cells.arms.index("tea") - 1])
    assert told["fallback"].tolist() == ["", "pooled effect"]
    assert told["name"].tolist() == ["ann", "bob"]
    with pytest.raises(InputError, match="no column 'city'"):
        fit.predict(asked.drop(columns="city"))


def test_cost_is_the_mean_of_who_got_the_offer(fit):
    tea = fit.decision.cost[:, :, fit.decision.offers.index("tea")].mean(axis=0)
    for cell, expected in zip(fit.cells.table["city"], tea, strict=True):
        assert expected == pytest.approx(60 if cell == "north" else 20, abs=6)


def test_draws_for_a_decision_come_back_from_their_folder(fit, tmp_path):
    fit.decision.write(tmp_path / "uplift")
    again = read_uplift(tmp_path / "uplift")
    np.testing.assert_allclose(again.value, fit.decision.value, rtol=1e-6)
    assert again.said == fit.text
    assert again.arms == fit.cells.arms
    assert again.cells.equals(fit.cells.table)
    (tmp_path / "uplift" / "uplift.json").write_text("{}")
    with pytest.raises(InputError, match="holds an uplift that cannot be read"):
        read_uplift(tmp_path / "uplift")


def test_the_log_likelihood_of_cells_serves_a_comparison_of_models(fit):
    stored = fit.idata["converted"].log_likelihood["cells"]
    assert stored.shape == (2, 1000, int((fit.cells.n > 0).sum()))
    yes, n = fit.cells.sums["converted"]["yes"], fit.cells.n
    rate = fit.means["converted"][0]
    mine = (yes * np.log(rate) + (n - yes) * np.log1p(-rate))[n > 0]
    np.testing.assert_allclose(stored[0, 0], mine, rtol=1e-9)


def test_pymcs_own_sampler_gives_the_same_effects(fit):
    again = fit_uplift(
        experiment(), outcomes={"converted": "conversion"}, by=["city", "age"], unit="customer",
        sampler="pymc", draws=300, tune=300, limits=SamplingLimits(min_ess=50, max_r_hat=1.1),
    )  # fmt: skip
    gap = again.uplift("converted").mean(axis=0) - fit.uplift("converted").mean(axis=0)
    error = fit.uplift("converted").std(axis=0)
    assert np.abs(gap / error).max() < 0.5


def test_rat_tumours_have_the_means_of_the_exact_grid_by_grid_and_by_sampler():
    """Gelman et al., Bayesian Data Analysis (3rd ed.), section 5.3: tumours of 71 groups of rats."""
    tumours = [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 5,
        2, 5, 3, 2, 7, 7, 3, 3, 2, 9, 10, 4, 4, 4, 4, 4, 4, 4, 10, 4, 4, 4, 5, 11, 12, 5, 5, 6, 5, 6, 6, 6,
        6, 16, 15, 15, 9, 4,
    ]  # fmt: skip
    rats = [
        20, 20, 20, 20, 20, 20, 20, 19, 19, 19, 19, 18, 18, 17, 20, 20, 20, 20, 19, 19, 18, 18, 25, 24, 23,
        20, 20, 20, 20, 20, 20, 10, 49, 19, 46, 27, 17, 49, 47, 20, 20, 13, 48, 50, 20, 20, 20, 20, 20, 20,
        20, 48, 19, 19, 19, 22, 46, 49, 20, 20, 23, 19, 22, 20, 20, 20, 52, 46, 47, 24, 14,
    ]  # fmt: skip
    y, n = np.array(tumours), np.array(rats)

    def log_posterior(a, b):
        total = sum(special.betaln(a + k, b + m - k) for k, m in zip(y, n, strict=True))
        return total - len(y) * special.betaln(a, b) - 2.5 * np.log(a + b)

    x = np.linspace(-3.5, -0.5, 300)[:, None]
    z = np.linspace(0.0, 9.0, 300)[None, :]
    b = np.exp(z) / (np.exp(x) + 1)
    a = np.exp(x) * b
    # The grid is even in log(a/b) and log(a + b), where the density has the factor a·b.
    weight = np.exp((at := log_posterior(a, b) + np.log(a) + np.log(b)) - at.max())
    weight /= weight.sum()
    assert (weight * a).sum() == pytest.approx(2.40266, abs=1e-4)
    assert (weight * b).sum() == pytest.approx(14.32003, abs=2e-4)
    with pm.Model() as model:
        total, share = pm.HalfFlat("total"), pm.Uniform("share")
        alpha, beta = (
            pm.Deterministic("alpha", total * share),
            pm.Deterministic("beta", total * (1 - share)),
        )
        # dα dβ = total · d total d share
        pm.Potential("prior", -2.5 * pm.math.log(total) + pm.math.log(total))
        pm.BetaBinomial("y", alpha=alpha, beta=beta, n=n, observed=y)
    trace = sampled(model, sampler="nutpie", draws=2000, tune=500, chains=2, seed=1)
    assert float(trace.posterior["alpha"].mean()) == pytest.approx(2.40266, abs=0.15)
    assert float(trace.posterior["beta"].mean()) == pytest.approx(14.32003, abs=0.9)


def draws_of(effects: list[list[float]], error: float) -> UpliftDraws:
    """Draws of two cells of equal size around effects, cell x offer."""
    rng = np.random.default_rng(1)
    mean = np.array(effects)
    value = mean + error * rng.standard_normal((4000, *mean.shape))
    return UpliftDraws(
        cells=pd.DataFrame({"city": ["north", "south"]}),
        by=("city",),
        arms=("control", "tea", "cake"),
        customers=np.array([500.0, 500.0]),
        value=value,
        cost=np.zeros_like(value),
        baseline=np.zeros(value.shape[:2]),
        measure="profit_cents",
        said="",
        passed=True,
    )


def test_one_rule_for_all_where_cells_do_not_differ_enough():
    same = one_rule(draws_of([[50, 20], [50, 20]], error=10))
    assert (same.differs, same.best, same.by_cell) == (False, "tea", ("tea", "tea"))
    assert "the rule is tea for all" in same.text
    unsure = one_rule(draws_of([[50, 20], [30, 35]], error=20))
    assert not unsure.differs
    assert unsure.by_cell == ("tea", "cake")
    sure = one_rule(draws_of([[50, 20], [-50, 20]], error=10))
    assert sure.differs
    assert sure.by_cell == ("tea", "cake")
    nothing = one_rule(draws_of([[-50, -20], [-50, -20]], error=5))
    assert nothing.best == "control"
    assert "no offer for anybody" in nothing.text


def test_arguments_that_cannot_be_are_refused_before_any_work():
    frame = experiment(60)
    for change, error in (
        ({"measure": "profit"}, "measure was 'profit', must be one of converted"),
        ({"outcomes": {}}, "outcomes was empty"),
        ({"by": ["city", "city"]}, "by was 'city', must be a column of its own"),
        ({"draws": 10}, "draws was 10 in 2 chains"),
        ({"covariate": "cost_cents"}, "is for amounts and spend"),
    ):
        with pytest.raises(ParameterError, match=error):
            fit_uplift(frame, **{"outcomes": {"converted": "conversion"}, "by": ["city"]} | change)
    for cost in (-1.0, float("nan")):
        with pytest.raises(InputError, match="'cost_cents' must be cents from 0"):
            fit_uplift(
                frame.with_columns(cost_cents=pl.lit(cost)), outcomes={"converted": "conversion"},
                cost="cost_cents",
            )  # fmt: skip


def test_who_was_in_two_arms_adds_no_cost():
    frame = experiment(300).with_row_index("who")
    twice = frame.filter(pl.col("arm") == "tea").head(30)
    cost = pl.lit(9_000, frame.schema["cost_cents"])
    both = [twice.with_columns(cost_cents=cost, arm=pl.lit(arm)) for arm in ("tea", "control")]
    rest = frame.join(twice, on="who", how="anti")
    found = [
        cost_draws(
            units, cells_of(units, outcomes={"converted": "conversion"}, by=["age"], arm="arm",
            control="control", unit="who", covariate=None), "cost_cents", arm="arm", control="control",
            unit="who", draws=100, seed=1,
        )
        for units in (rest, pl.concat([rest, *both]))
    ]  # fmt: skip
    np.testing.assert_allclose(*found)


def test_a_cost_of_few_is_drawn_towards_that_of_all():
    frame = experiment(900).with_columns(
        age=pl.when(pl.int_range(pl.len()) < 20).then(pl.lit("rare")).otherwise("age")
    )
    frame = frame.with_columns(
        cost_cents=pl.when((pl.col("age") == "rare") & (pl.col("arm") == "tea"))
        .then(100)
        .otherwise("cost_cents")
    )
    cells = cells_of(
        frame, outcomes={"converted": "conversion"}, by=["age"], arm="arm", control="control",
        unit=None, covariate=None,
    )  # fmt: skip
    cost = cost_draws(
        frame, cells, "cost_cents", arm="arm", control="control", unit=None, draws=500, seed=1
    )
    rare = cells.table["age"].tolist().index("rare")
    tea = cost[:, :, cells.arms.index("tea") - 1].mean(axis=0)
    assert tea.max() == tea[rare]
    assert tea[rare] < 90
