"""The effect of an offer on value between arms, where the truth is known; histories and cohorts."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from workbench.clv import (
    alive_after_silence,
    as_summary,
    bg_nbd,
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
from workbench.experiment import launch_decision
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
