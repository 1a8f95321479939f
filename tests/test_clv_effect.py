"""The effect of an offer on value between arms, where the truth is known; histories and cohorts.

The truth is that of the model's own parameters, or that of a simulated world whose customers live
on with the offer and without, far behind the days that an experiment sees.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from workbench.clv import (
    alive_after_silence,
    as_summary,
    bg_nbd,
    clv_by_arm,
    clv_effect,
    cohorts,
    fit_clv,
    frequency_recency,
    gamma_gamma,
    rfm_summary,
    value_concentration,
)
from workbench.clv.effect import _means
from workbench.clv.models import expected_purchases_new
from workbench.errors import InputError, ParameterError
from workbench.experiment import launch_decision, roi
from workbench.run.paths import root
from workbench.streams import stream

SPEND, HORIZON = (4.0, 5.0, 6000.0), 90
CONTROL, KEEPING = (0.8, 6.0, 0.9, 3.0), (0.8, 6.0, 0.9, 6.0)


def arm(name, truth, n=900):
    """Return the value of a simulated arm, and the true mean value of its customers."""
    rng = stream(17, f"clv/arm/{name}")
    age = rng.choice([30.0, 40.0], size=n)
    x, t_x = bg_nbd.simulate(truth, age, rng)
    value = gamma_gamma.simulate(SPEND, np.maximum(x, 1), rng)
    rows = {"customer": np.arange(n), "frequency": x.astype(int), "recency": t_x, "T": age}
    frame = pl.DataFrame(rows).with_columns(monetary_value=pl.Series(np.where(x > 0, value, 0)))
    fit = fit_clv(as_summary(frame, unit="day"), draws=200)
    bought = [expected_purchases_new(bg_nbd, truth, age + more).mean() for more in (HORIZON, 0)]
    mean = gamma_gamma.population_mean(SPEND)
    return fit.clv(HORIZON, discount_annual=0.0), (bought[0] - bought[1]) * mean


@pytest.fixture(scope="module")
def arms():
    return {"none": arm("none", CONTROL), "keeps": arm("keeps", KEEPING)}


def test_effect_holds_the_truth_in_its_interval_and_sees_that_there_is_one(arms):
    found = clv_effect(
        {name: value for name, (value, _) in arms.items()},
        control="none",
        cost_cents={"keeps": 30.0},
    )
    row, truth = found.table.iloc[0], arms["keeps"][1] - arms["none"][1]
    assert row["low_cents"] < truth < row["high_cents"]
    assert row["low_cents"] > 0
    assert row["probability_better"] > 0.95
    assert row["net_cents"] == pytest.approx(row["difference_cents"] - 30)
    assert found.draws["keeps"].mean() == pytest.approx(row["difference_cents"])


def test_effect_on_value_decides_the_launch_by_its_horizon(arms):
    values = {name: value for name, (value, _) in arms.items()}
    free = clv_effect(values, control="none")
    gain = free.table["difference_cents"].iloc[0]
    profit = free.profit("keeps")
    assert profit == free.profit()  # there is one arm beside the control
    assert (profit.n_treatment, profit.n_control) == (900, 900)
    assert profit.value == pytest.approx(gain)
    assert profit.standard_error == pytest.approx(free.draws["keeps"].std(), rel=0.01)
    chance = launch_decision(profit, customers=10_000).probability_of_profit
    assert chance == pytest.approx((free.draws["keeps"] > 0).mean(), abs=0.02)
    dear = clv_effect(values, control="none", cost_cents={"keeps": 3 * gain})
    decided = launch_decision(dear.profit("keeps"), customers=10_000)
    assert decided.probability_of_profit < 0.05
    assert decided.action == "do not launch"


def test_profit_of_an_arm_that_is_not_there_names_the_arms(arms):
    found = clv_effect({name: value for name, (value, _) in arms.items()}, control="none")
    with pytest.raises(ParameterError, match=r"arm was 'none', must be one of keeps"):
        found.profit("none")


def test_arms_of_one_world_differ_by_nothing_that_is_sure(arms):
    found = clv_effect({"none": arms["none"][0], "same": arm("same", CONTROL)[0]}, control="none")
    draws = found.draws["same"]
    assert abs(draws.mean()) < 3 * draws.std()  # whichever world it is, but for one in 370


def test_deviations_of_independent_arms_add_up_though_their_fits_have_one_seed(arms):
    values = {name: value for name, (value, _) in arms.items()}
    draws = clv_effect(values, control="none").draws["keeps"]
    alone = [_means(value).std() for value in values.values()]
    assert draws.std() == pytest.approx(np.hypot(*alone), rel=0.15)


def test_intervals_of_an_arm_hold_its_truth_as_often_as_they_say():
    """Of 20 arms of one world a 0.9 interval misses at most 6 (0.998 of the binomial)."""
    missed = 0
    for k in range(20):
        value, truth = arm(f"again{k}", CONTROL, n=400)
        low, high = np.quantile(_means(value), [0.05, 0.95])
        missed += not low < truth < high
    assert missed <= 6


@pytest.fixture(scope="module")
def lives():
    """Customers of a world who live 120 days that are seen, and 120 more, with an offer and without."""
    file = root(Path(__file__).parent) / "benchmarks" / "clv_effect.py"
    spec = importlib.util.spec_from_file_location("benchmark_of_clv_effect", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Lives("fitting", 1, 2_400, seen=120, horizon=120)


def test_effect_that_an_experiment_finds_holds_the_long_run_truth_of_the_world(lives):
    """benchmarks/clv_effect.py does it over many worlds; the truth lies in days that nobody saw."""
    (treated, control), *_ = lives.groups(len(lives.known) // 2, seed=1)
    row = lives.effect(treated, control).table.iloc[0]
    truth, error = lives.truth
    assert error < (row["high_cents"] - row["low_cents"]) / 10
    assert 0 < row["low_cents"] < truth < row["high_cents"]
    for wrong in (0, truth / 2.5, 2.5 * truth):  # what the interval would not hold
        assert not row["low_cents"] < wrong < row["high_cents"]


def test_arms_without_an_offer_in_that_world_show_no_effect(lives):
    (one, other), *_ = lives.groups(500, seed=1)
    arms = ["a"] * len(one) + ["b"] * len(other)
    units = pl.DataFrame({"person_id": [*one, *other], "arm": arms})
    summary = rfm_summary(
        lives.bought["none"],
        customer="person_id",
        date="day",
        amount="amount_cents",
        until=lives.end,
    )
    values = clv_by_arm(summary, units, lives.horizon, discount_annual=0.0)
    assert [value.frame.height for value in values.values()] == [len(one), len(other)]
    draws = clv_effect(values, control="a").draws["b"]
    assert abs(draws.mean()) < 3 * draws.std()  # whichever customers, but for one in 370


@pytest.fixture(scope="module")
def seen():
    """A summary of 600 customers, and the arm of each."""
    rng = stream(17, "clv/by-arm")
    age = np.full(600, 40.0)
    x, t_x = bg_nbd.simulate(CONTROL, age, rng)
    rows = {"customer": np.arange(600), "frequency": x.astype(int), "recency": t_x, "T": age}
    frame = pl.DataFrame({**rows, "monetary_value": np.where(x > 0, 900.0 + 10 * x, 0.0)})
    people = pl.DataFrame({"person_id": [str(k) for k in range(600)]})
    return as_summary(frame, unit="day"), people.with_columns(arm=pl.Series(["off", "on"] * 300))


def test_each_arm_is_fitted_by_itself_and_nobody_else_counts(seen):
    summary, units = seen
    some = units[:500].rename({"person_id": "who", "arm": "group"}).lazy()
    values = clv_by_arm(summary, some, 90, purchases="bg_nbd", unit="who", arm="group")
    assert list(values) == ["off", "on"]
    mine = replace(summary, frame=summary.frame[:500].filter(pl.col("customer") % 2 == 1))
    alone = fit_clv(mine, purchases="bg_nbd").clv(90)
    assert values["on"].total_cents == pytest.approx(alone.total_cents)
    profit = clv_effect(values, control="off", cost_cents={"on": 20.0}).profit()
    money = units.with_columns(sales_cents=100 * (pl.col("arm") == "on") + pl.int_range(600) % 7)
    money = money.with_columns(margin_cents=pl.col("sales_cents") // 2)
    worth = roi(money, control="off", later=profit)
    assert worth.long_run.value == pytest.approx(worth.profit.value + profit.value)


@pytest.mark.parametrize(
    ("units", "match"),
    [
        (lambda u: u.with_columns(arm=pl.lit("on")), "an effect needs at least two arms"),
        (lambda u: u.with_columns(person_id="x" + pl.col("person_id")), "nobody in arm off has a"),
        (lambda u: u.with_columns(arm=pl.lit(None, pl.String)), "arm must be known for everybody"),
        (lambda u: pl.concat([u, u[:1]]), "some person_id occurs twice"),
        (
            lambda u: pl.concat(
                [
                    u[:300],
                    u[300:].filter(arm="on"),
                    u[:10].with_columns(
                        arm=pl.lit("rare"), person_id=pl.format("{}", 300 + 2 * pl.int_range(10))
                    ),
                ]
            ),
            "arm rare: ",
        ),
        (
            lambda u: pl.concat(
                [u, u[:200].with_columns(arm=pl.lit("on"), person_id="n" + pl.col("person_id"))]
            ),
            "not identified: 100.0% of “off” and 60.0% of “on” bought at all",
        ),
    ],
)
def test_arms_that_are_no_experiment_are_refused_with_the_reason(seen, units, match):
    with pytest.raises(InputError, match=match):
        clv_by_arm(seen[0], units(seen[1]), 90)


def test_column_of_units_that_is_not_there_is_named(seen):
    with pytest.raises(ParameterError, match=r"a column of units was 'arms'.*did you mean 'arm'"):
        clv_by_arm(seen[0], seen[1], 90, arm="arms")


def test_arms_that_cannot_be_compared_are_refused(arms):
    value = arms["none"][0]
    with pytest.raises(InputError, match="at least two arms"):
        clv_effect({"none": value}, control="none")
    with pytest.raises(ParameterError, match="an arm was 'nine', must be one of none, keeps"):
        clv_effect({"none": value, "keeps": arms["keeps"][0]}, control="nine")
    with pytest.raises(ParameterError, match="the arms differ in horizon"):
        clv_effect({"none": value, "keeps": arms["keeps"][0].fit.clv(30)}, control="none")


def test_grid_of_histories_says_what_the_model_says(arms):
    fit = arms["none"][0].fit
    table = frequency_recency(fit, 30, steps=4).table
    row = table.iloc[-1]
    age = fit.rows.age.max()
    by_hand = np.mean(
        [
            bg_nbd.probability_alive(at, row["repeat_purchases"], age - row["days_since_last"], age)
            for at in fit.purchase_draws()
        ]
    )
    assert row["probability_alive"] == pytest.approx(by_hand, abs=0.02)  # days are shown whole
    often = table[table["repeat_purchases"] == table["repeat_purchases"].max()]
    assert often["probability_alive"].is_monotonic_decreasing


def test_purchases_lift_and_silence_lowers_the_probability_to_be_a_customer(arms):
    table = alive_after_silence(arms["none"][0].fit, 3, every_days=5.0).table
    silent = table[table["day"] >= 15]["probability_alive"]
    assert silent.is_monotonic_decreasing
    at_last = table.loc[table["day"] == 15, "probability_alive"].iloc[0]
    just_before = table.loc[table["day"] < 15, "probability_alive"].iloc[-1]
    assert at_last > just_before
    with pytest.raises(ParameterError, match="every_days was 0"):
        alive_after_silence(arms["none"][0].fit, 3, every_days=0)


def test_concentration_begins_with_nobody_and_ends_with_all(arms):
    found = value_concentration(arms["none"][0])
    curve = found.table["share_of_value"]
    assert (curve.iloc[0], curve.iloc[-1]) == (0, pytest.approx(1))
    assert (
        curve.diff().iloc[1:].is_monotonic_decreasing or (curve.diff().diff().iloc[2:] < 1e-6).all()
    )
    assert 0 < found.gini < 1


def test_cohorts_are_quarters_of_the_first_purchase():
    rows = pl.DataFrame({"who": ["a", "a", "b"], "day": ["2024-01-05", "2024-05-01", "2024-04-01"]})
    found = cohorts(rfm_summary(rows, customer="who", date="day"))
    assert found["segment"].tolist() == ["since 2024 Q1", "since 2024 Q2"]
    with pytest.raises(InputError, match="cohorts need the days"):
        cohorts(
            as_summary(
                pl.DataFrame({"customer": [1], "frequency": [0], "recency": [0.0], "T": [3.0]}),
                unit="day",
            )
        )
