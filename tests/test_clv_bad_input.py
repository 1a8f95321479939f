"""Input of which CLV says no more than it can: each case is an error by name or a stated answer."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from workbench.clv import as_summary, bg_nbd, fit_clv, retention_effect, rfm_summary
from workbench.errors import InputError, ParameterError
from workbench.streams import stream


def base(n=300, **more):
    """Return a summary of simulated customers, with columns in place of its own."""
    rng = stream(31, "clv/bad input")
    age = rng.choice([20.0, 40.0], n)
    x, t_x = bg_nbd.simulate((0.8, 6.0, 0.9, 3.0), age, rng)
    rows = {"customer": np.arange(n), "frequency": x.astype(int), "recency": t_x, "T": age}
    frame = pl.DataFrame({**rows, "monetary_value": rng.gamma(6, 400, n)})
    return as_summary(frame.with_columns(**more), unit="day")


@pytest.fixture(scope="module")
def fit():
    return fit_clv(base(), draws=100)


def test_customers_who_came_on_the_last_day_are_alive_and_carry_nothing():
    came = pl.DataFrame({"customer": range(300, 320), "frequency": 0, "recency": 0.0, "T": 0.0})
    came = came.with_columns(pl.lit(None, pl.Float64).alias("monetary_value"))
    rows = base().frame.rename({"monetary_cents": "monetary_value"})
    more = as_summary(pl.concat([rows, came], how="vertical_relaxed"), unit="day")
    found = fit_clv(more, spend=None, draws=100, purchases="mbg_nbd")
    before = fit_clv(base(), spend=None, draws=100, purchases="mbg_nbd")
    assert found.parameters == pytest.approx(before.parameters, rel=1e-6)
    # Of the age 0, MBG/NBD knows only that the first purchase may have been the last.
    assert found.probability_alive()[310] == pytest.approx(
        np.mean([b / (a + b) for _, _, a, b in found.purchase_draws()]), rel=1e-6
    )


def test_recency_above_age_names_the_customer():
    with pytest.raises(InputError, match=r"recency must be at most T: .* first customer"):
        base(recency=pl.when(pl.col("frequency") > 0).then(99.0).otherwise(0.0))


@pytest.mark.parametrize("value", [-1.0, float("nan"), None])
def test_spend_below_zero_or_unknown_of_who_bought_again_is_refused(value):
    rule = "monetary_cents must be finite and at least 0 for a repeat customer"
    with pytest.raises(InputError, match=rule):
        base(monetary_value=pl.lit(value, pl.Float64))


def test_purchases_that_were_all_free_are_not_enough_data_for_spend():
    with pytest.raises(InputError, match="at least 10 repeat customers with a value above 0"):
        fit_clv(base(monetary_value=0.0), draws=100)


@pytest.mark.parametrize("n", [1, 50])
def test_one_purchase_day_for_all_is_not_enough_data(n):
    rows = pl.DataFrame({"who": range(n), "day": ["2024-01-01"] * n})
    summary = rfm_summary(rows, customer="who", date="day")
    with pytest.raises(InputError, match="T is 0 for every customer"):
        fit_clv(summary, spend=None)
    later = rfm_summary(rows, customer="who", date="day", until="2024-03-01")
    with pytest.raises(InputError, match=f"were 0 of {n}"):
        fit_clv(later, spend=None)


def test_purchases_after_the_end_are_left_out_and_counted():
    rows = pl.DataFrame({"who": [1, 1, 2], "day": ["2024-01-01", "2024-02-01", "2024-03-01"]})
    found = rfm_summary(rows, customer="who", date="day", until="2024-01-15")
    assert found.frame["frequency"].to_list() == [0]
    assert "2 purchase days after 2024-01-15" in found.text
    assert "1 customer first seen after 2024-01-15" in found.text


def test_end_that_is_an_instant_is_its_day():
    rows = pl.DataFrame({"who": [1, 1, 2], "day": ["2024-01-01", "2024-01-09", "2024-01-20"]})
    at = {"holdout_days": 5}
    by_day = rfm_summary(rows, customer="who", date="day", until="2024-01-15", **at)
    for instant in (dt.datetime(2024, 1, 15, 5, tzinfo=dt.UTC), pd.Timestamp("2024-01-15")):
        found = rfm_summary(rows, customer="who", date="day", until=instant, **at)
        assert found.frame.equals(by_day.frame)
        assert found.text == by_day.text
    with pytest.raises(ParameterError, match="until was NaT, must be a date"):
        rfm_summary(rows, customer="who", date="day", until=pd.NaT)


@pytest.mark.parametrize("days", [0, -5])
def test_horizon_that_is_not_ahead_is_refused(fit, days):
    with pytest.raises(ParameterError, match=f"horizon_days was {days}"):
        fit.clv(days)
    with pytest.raises(ParameterError, match=f"horizon_days was {days}"):
        fit.expected_purchases(days)


@pytest.mark.parametrize("days", [2.5, "365", None])
def test_horizon_that_is_no_whole_number_is_refused(fit, days):
    with pytest.raises(ParameterError, match=r"horizon_days was .*, must be a whole number"):
        fit.clv(days)


def test_horizon_beyond_a_hundred_years_is_refused(fit):
    with pytest.raises(ParameterError, match="horizon_days was 1000000, must be at most 36500"):
        fit.clv(1_000_000)


def test_effect_of_counts_without_an_arm_or_a_draw_is_refused():
    with pytest.raises(ParameterError, match="control was 0, must be at least 1"):
        retention_effect(1, 10, 0, 0)
    with pytest.raises(ParameterError, match="draws was 0, must be at least 1"):
        retention_effect(1, 10, 1, 10, draws=0)


@pytest.mark.parametrize("rate", [-1.0, -0.5, float("nan")])
def test_discount_of_minus_a_hundred_percent_is_refused(fit, rate):
    with pytest.raises(ParameterError, match=r"discount_annual was .*, must be at least 0"):
        fit.clv(30, discount_annual=rate)
