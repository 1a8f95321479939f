"""Answers with their posterior: by hand, by simulation, by another way of counting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from workbench.clv import (
    as_summary,
    best_customers,
    break_even,
    compare_models,
    counts_check,
    fit_clv,
    gamma_gamma,
    largest_offer,
    new_customer,
    predictive_check,
    value_by,
)
from workbench.clv.models import MODELS, expected_purchases
from workbench.clv.value import STEP_DAYS, chunks
from workbench.errors import InputError, ParameterError
from workbench.streams import stream

TRUTH, SPEND = (0.8, 6.0, 0.9, 3.0), (4.0, 5.0, 6000.0)


def simulated(n=400, name="bg_nbd", truth=TRUTH, holdout=0.0):
    """Return a summary of a simulated base with spend, and with a holdout if asked for."""
    rng = stream(5, f"clv/answers/{name}/{n}")
    age = rng.choice([20.0, 30.0, 40.0], size=n)
    x, t_x = MODELS[name].simulate(truth, age, rng)
    value = gamma_gamma.simulate(SPEND, np.maximum(x, 1), rng)
    frame = pl.DataFrame(
        {
            "customer": np.arange(n),
            "frequency": x.astype(int),
            "recency": t_x,
            "T": age,
            "monetary_value": np.where(x > 0, value, 0.0),
        }
    )
    summary = as_summary(frame, unit="day")
    if holdout:
        alive = rng.random(n) < MODELS[name].probability_alive(truth, x, t_x, age)
        traits = MODELS[name].latent(truth, x, age, rng)
        y = alive * MODELS[name].future(*traits, np.full(n, holdout), rng)
        held = summary.frame.with_columns(
            frequency_holdout=pl.Series(y).cast(pl.Int64), duration_holdout=pl.lit(holdout)
        )
        summary = type(summary)(**{**vars(summary), "frame": held, "holdout_days": int(holdout)})
    return summary


@pytest.fixture(scope="module")
def fit():
    return fit_clv(simulated(), draws=300)


@pytest.fixture(scope="module")
def value(fit):
    return fit.clv(100, margin_share=0.3)


def test_value_is_the_sum_over_steps_written_out_for_each_draw(fit, value):
    rows, (x, mean) = fit.rows, fit.paid()
    by_draw = []
    for at, spend in zip(fit.purchase_draws(), fit.spend_draws_used(), strict=True):
        before, worth = 0.0, 0.0
        for end in (30, 60, 90, 100):
            upto = expected_purchases(fit.model, at, end, rows.x, rows.t_x, rows.age)[rows.row_of]
            worth = worth + (upto - before) / 1.1 ** (end / 365)
            before = upto
        by_draw.append(worth * gamma_gamma.expected_value(spend, x, mean) * 0.3)
    frame = value.frame
    np.testing.assert_allclose(frame["clv_cents"], np.mean(by_draw, axis=0), rtol=1e-9)
    low, high = np.quantile(by_draw, [0.05, 0.95], axis=0)
    np.testing.assert_allclose(frame["clv_low_cents"], low, rtol=1e-9)
    np.testing.assert_allclose(frame["clv_high_cents"], high, rtol=1e-9)
    totals = np.sum(by_draw, axis=1)
    assert value.total_cents == pytest.approx(totals.mean())
    assert value.total_low_cents == pytest.approx(np.quantile(totals, 0.05))
    assert "(90% interval $" in value.text


def test_answers_do_not_depend_on_the_size_of_a_chunk(fit, value):
    (everyone,) = chunks(fit, value.horizon)
    whole = dict(zip(everyone.customers.tolist(), everyone.value.T, strict=True))
    parts = list(chunks(fit, value.horizon, size=37))
    assert len(parts) > 3
    for chunk in parts:
        for customer, column in zip(chunk.customers, chunk.value.T, strict=True):
            np.testing.assert_allclose(column, whole[int(customer)], rtol=1e-12)


def test_answers_are_probabilities_and_counts_inside_their_intervals(value):
    frame = value.frame
    for name in ("probability_alive", "expected_purchases"):
        assert (frame[f"{name}_low"] <= frame[name]).all()
        assert (frame[name] <= frame[f"{name}_high"] + 1e-12).all()
    assert frame["probability_alive"].is_between(0, 1).all()


def test_maximum_likelihood_gives_values_without_an_interval():
    value = fit_clv(simulated(), method="mle").clv(100)
    assert "clv_low_cents" not in value.frame.columns
    assert np.isnan(value.total_low_cents)
    assert "interval" not in value.text


def test_groups_add_up_and_their_intervals_hold_their_means(value):
    people = pd.DataFrame(
        {"person_id": [str(k) for k in range(400)], "segment": ["a", "b", "b", "c"] * 100}
    )
    table = value_by(value, people, "segment").table.set_index("segment")
    total = (table["clv_cents"] * table["customers"]).sum()
    assert total == pytest.approx(value.total_cents)
    assert (table["clv_low_cents"] < table["clv_cents"]).all()
    assert (table["clv_cents"] < table["clv_high_cents"]).all()
    everyone = people.assign(segment="all")
    row = value_by(value, everyone, "segment").table.iloc[0]
    assert row["clv_low_cents"] * 400 == pytest.approx(value.total_low_cents)


def test_new_customer_is_worth_the_expectation_of_one_who_just_bought(fit):
    made = new_customer(fit, STEP_DAYS, discount_annual=0.0, margin_share=0.5, with_first=True)
    by_hand = [
        (1 + float(expected_purchases(fit.model, at, STEP_DAYS, 0, 0, 0)))
        * gamma_gamma.population_mean(spend)
        * 0.5
        for at, spend in zip(fit.purchase_draws(), fit.spend_draws_used(), strict=True)
    ]
    assert made.value_cents == pytest.approx(np.mean(by_hand))
    assert made.low_cents < made.value_cents < made.high_cents
    assert new_customer(fit, STEP_DAYS).value_cents > 0


def test_break_even_and_largest_offer_are_each_other_s_inverse(value):
    limit = break_even(value, 50.0).frame
    worth = limit["worth_if_kept_cents"]
    assert (worth >= value.frame["clv_cents"] - 1e-9).all()
    alive = value.frame["probability_alive"] == 1
    np.testing.assert_allclose(worth.filter(alive), value.frame["clv_cents"].filter(alive))
    offer = largest_offer(value, 0.04).frame["largest_offer_cents"]
    np.testing.assert_allclose(offer, 0.04 * worth, rtol=1e-9)
    effect = limit["break_even_effect"].to_numpy()
    np.testing.assert_allclose(effect * worth.to_numpy(), 50, rtol=0.1)


def test_uncertain_effect_widens_what_an_offer_may_cost(value):
    sure = largest_offer(value, 0.04).frame
    unsure = largest_offer(value, np.linspace(0.0, 0.08, 101)).frame
    assert unsure["largest_offer_cents"].mean() == pytest.approx(
        sure["largest_offer_cents"].mean(), rel=0.02
    )
    width = {
        k: (f["largest_offer_high_cents"] - f["largest_offer_low_cents"]).mean()
        for k, f in (("s", sure), ("u", unsure))
    }
    assert width["u"] > 3 * width["s"]


@pytest.mark.parametrize("effect", [[], [float("nan")], 1.2])
def test_effect_that_is_no_share_is_refused(value, effect):
    with pytest.raises(ParameterError, match="effect was"):
        largest_offer(value, effect)


def test_best_tenth_has_as_many_as_there_is_room_for_and_finds_who_is_best(value):
    best = best_customers(value, draws=60)
    p = best.frame["probability_best"]
    assert p.sum() == pytest.approx(40)
    assert p.is_between(0, 1).all()
    order = np.argsort(-value.frame["clv_cents"].to_numpy())
    assert p.to_numpy()[order[:40]].mean() == pytest.approx(best.found)
    assert best.found > 3 * p.to_numpy()[order[200:]].mean()
    again = best_customers(value, draws=60)
    assert best.frame.equals(again.frame)


@pytest.mark.parametrize("name", ["bg_nbd", "pareto_nbd"])
def test_predictions_of_the_true_model_have_the_coverage_that_they_say(name):
    truth = {"bg_nbd": TRUTH, "pareto_nbd": (0.8, 6.0, 0.9, 20.0)}[name]
    fit = fit_clv(simulated(800, name, truth, holdout=25.0), purchases=name, spend=None, draws=200)
    check = predictive_check(fit, draws=200)
    assert check.coverage == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / 800))
    assert check.gate.passed
    assert 0.2 < check.skill < 0.9
    assert check.table["customers"].sum() == 800


def test_predictions_of_a_wrong_model_fail_their_gate():
    summary = simulated(400, holdout=25.0)
    tenfold = summary.frame.with_columns(pl.col("frequency_holdout") * 10)
    summary = type(summary)(**{**vars(summary), "frame": tenfold})
    check = predictive_check(fit_clv(summary, spend=None, draws=200), draws=100)
    assert not check.gate.passed
    assert "coverage of the 90% intervals was" in check.gate.text


def test_crps_of_a_certain_prediction_is_the_absolute_error():
    from workbench.clv.predictive import _crps, _share_inside  # noqa: PLC0415

    drawn = np.full((50, 2), 3.0)
    np.testing.assert_allclose(_crps(drawn, np.array([3.0, 5.0])), [0, 2])
    coin = np.repeat([[0.0], [1.0]], 5000, axis=0)
    np.testing.assert_allclose(_crps(coin, np.array([0.0])), [0.25], atol=1e-3)
    np.testing.assert_allclose(_share_inside(coin, np.array([1.0]), [0.05, 0.95]), [0.9], atol=1e-3)


def test_counts_made_again_from_the_true_model_hold_the_observed_ones(fit):
    check = counts_check(fit, level=0.98)
    assert check.table["observed"].sum() == 400
    assert check.outside <= 1
    assert check.table["predicted"].sum() == pytest.approx(400)


def test_leave_one_out_prefers_the_model_that_made_the_data():
    truth = (0.9, 6.0, 2.0, 4.0)
    summary = simulated(1500, "mbg_nbd", truth)
    fits = {
        name: fit_clv(summary, purchases=name, spend=None, draws=300)
        for name in ("bg_nbd", "mbg_nbd")
    }
    found = compare_models(fits)
    assert found.best == "mbg_nbd"
    assert "best by mbg_nbd; " in found.text  # a name is written as it was given
    assert found.table["share_unsure"].max() == 0
    for name, row in found.table.set_index("model").iterrows():
        at = [fits[name].parameters[k] for k in fits[name].model.NAMES]
        plain = fits[name].rows.weight @ fits[name].model.log_likelihood(
            at, fits[name].rows.x, fits[name].rows.t_x, fits[name].rows.age
        )
        assert -8 < row["elpd"] - plain < 0  # a leave-one-out density costs about its parameters


def test_comparison_of_one_model_or_of_other_customers_is_refused(fit):
    with pytest.raises(InputError, match="at least two fits"):
        compare_models({"one": fit})
    other = fit_clv(simulated(300), spend=None, draws=100)
    with pytest.raises(InputError, match="is of other customers"):
        compare_models({"one": fit, "two": other})


def test_nobody_had_time_to_buy_again_is_not_enough_data():
    rows = {"customer": [1, 2], "frequency": [0, 0], "recency": [0.0, 0.0], "T": [0.0, 0.0]}
    with pytest.raises(InputError, match="T is 0 for every customer"):
        fit_clv(as_summary(pl.DataFrame(rows), unit="day"), spend=None)


def test_parts_of_occasions_are_refused_for_bg_bb():
    with pytest.raises(InputError, match=r"BG/BB counts whole occasions: .* with occasion_summary"):
        fit_clv(simulated(), purchases="bg_bb")
