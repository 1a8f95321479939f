"""The summary of purchases by hand, its invariants, and bad input: an error, never 0."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.clv import (
    GateLimits,
    as_summary,
    bg_nbd,
    check_invariants,
    fit_clv,
    holdout_check,
    rfm_summary,
    tracking,
)
from workbench.clv import fitting as fit_module
from workbench.clv.bg_nbd import BgNbd
from workbench.clv.lifetimes_fitters import RawFit
from workbench.errors import InputError, ParameterError


def frame(*rows):
    return pl.DataFrame(rows, schema=["who", "day", "usd"], orient="row")


def summarise(rows, **more):
    given_ = {"customer": "who", "date": "day", "amount": "usd", **more}
    return rfm_summary(rows, **given_)


SMALL = frame(
    ("b", "2024-01-10", 7.0),
    ("a", "2024-01-01", 5.0),
    ("a", "2024-01-01", 1.0),
    ("a", "2024-01-04", 8.0),
    ("a", "2024-01-09", 2.0),
    ("c", "2024-01-12", 3.0),
)


def test_summary_by_hand():
    found = summarise(SMALL, until="2024-01-11")
    assert found.frame.rows() == [("a", 2, 8.0, 10.0, 5.0), ("b", 0, 0.0, 1.0, None)]
    assert found.text == (
        "2 customers made 2 repeat purchases (days) up to 2024-01-11; 1 of them (50.0%) bought "
        "again. Left out: 1 purchase day after 2024-01-11. "
        "Left out: 1 customer first seen after 2024-01-11."
    )


def test_holdout_by_hand_has_purchase_days_mean_and_duration():
    found = summarise(SMALL, until="2024-01-05", holdout_days=7).frame
    assert found.rows() == [("a", 1, 3.0, 4.0, 8.0, 1, 2.0, 7.0)]


def test_holdout_alone_ends_with_the_data():
    found = summarise(SMALL, holdout_days=2)
    assert str(found.until) == "2024-01-10"
    assert found.frame["frequency_holdout"].to_list() == [0, 0]
    assert found.frame["monetary_holdout_cents"].to_list() == [None, None]


def test_holdout_beyond_the_data_is_refused():
    with pytest.raises(ParameterError, match=r"must end by the last day of the data, 2024-01-12"):
        summarise(SMALL, until="2024-01-10", holdout_days=3)


def test_several_purchases_on_one_local_day_are_one_and_the_zone_decides():
    utc = dt.UTC
    rows = pl.DataFrame(
        {
            "who": ["a", "a"],
            "day": [
                dt.datetime(2024, 1, 2, 1, tzinfo=utc),
                dt.datetime(2024, 1, 2, 14, tzinfo=utc),
            ],
        }
    )
    in_utc = rfm_summary(rows, customer="who", date="day")
    in_new_york = rfm_summary(rows, customer="who", date="day", zone="America/New_York")
    assert in_utc.frame["frequency"].to_list() == [0]
    assert in_new_york.frame["frequency"].to_list() == [1]
    assert not in_utc.has_amounts


def test_age_counts_calendar_days_over_a_change_of_clocks():
    zone = ZoneInfo("America/New_York")
    rows = pl.DataFrame(
        {
            "who": ["a", "b"],
            "day": [
                dt.datetime(2024, 3, 9, 23, tzinfo=zone),
                dt.datetime(2024, 3, 11, 0, 30, tzinfo=zone),
            ],
        }
    )
    assert rfm_summary(rows, customer="who", date="day").frame["T"].to_list() == [2.0, 0.0]


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 8), st.integers(0, 3)), min_size=1, max_size=25
    ),
    until=st.integers(0, 8),
)
def test_summary_equals_counting_by_hand(rows, until):
    start = dt.date(2024, 1, 1)
    table = pl.DataFrame(
        {
            "who": [who for who, _, _ in rows],
            "day": [start + dt.timedelta(days=day) for _, day, _ in rows],
            "usd": [usd for _, _, usd in rows],
        }
    )
    seen = {}
    for who, day, usd in rows:
        if day <= until:
            days = seen.setdefault(who, {})
            days[day] = days.get(day, 0) + usd
    end = start + dt.timedelta(days=until)
    if not seen:
        with pytest.raises(InputError, match="not enough data"):
            summarise(table, until=end)
        return
    expected = []
    for who in sorted(seen):
        days = sorted(seen[who])
        later = [seen[who][day] for day in days[1:]]
        mean = sum(later) / len(later) if later else None
        expected.append((who, len(later), days[-1] - days[0], until - days[0], mean))
    found = summarise(table, until=end).frame
    assert found.rows() == expected
    check_invariants(found)


def test_column_that_is_not_there_names_the_nearest():
    with pytest.raises(InputError, match=r"no column 'dya' — did you mean 'day'\?"):
        summarise(SMALL, date="dya")


@pytest.mark.parametrize("who", [None, "", "  "])
def test_missing_customer_is_refused(who):
    with pytest.raises(
        InputError, match=r"customer \(who\) is missing in 1 row; the first is row 2"
    ):
        summarise(frame(("a", "2024-01-01", 1.0), (who, "2024-01-01", 1.0)))


def test_nan_customer_of_pandas_is_refused():
    rows = pd.DataFrame({"who": [1.0, np.nan], "day": ["2024-01-01"] * 2, "usd": [1.0, 2.0]})
    with pytest.raises(InputError, match=r"customer \(who\) is missing in 1 row"):
        summarise(rows)


def test_negative_amount_is_refused():
    with pytest.raises(InputError, match=r"amount \(usd\) is negative .* row 1: -1.0"):
        summarise(frame(("a", "2024-01-01", -1.0)))


@pytest.mark.parametrize("usd", [float("nan"), float("inf"), None])
def test_amount_that_is_not_finite_is_refused(usd):
    rows = pl.DataFrame({"who": ["a", "a"], "day": ["2024-01-01", "2024-01-02"], "usd": [1.0, usd]})
    with pytest.raises(InputError, match=r"amount \(usd\) is not finite in 1 row; .* row 2"):
        summarise(rows)


def test_amount_as_text_is_refused():
    with pytest.raises(InputError, match="the type of usd was 'String', must be a number"):
        summarise(frame(("a", "2024-01-01", "1,5")))


def test_date_as_a_number_is_refused():
    with pytest.raises(InputError, match="must be dates, datetimes or ISO text"):
        summarise(frame(("a", 19970101, 1.0)))


def test_date_that_is_not_one_is_refused():
    with pytest.raises(
        InputError,
        match=r"is not a date such as 1997-09-30 \(say its form.* in 1 row.*'1997-02-30'",
    ):
        summarise(frame(("a", "1997-02-30", 1.0)))


def test_missing_date_is_refused():
    with pytest.raises(InputError, match=r"date \(day\) is missing in 1 row"):
        summarise(frame(("a", "2024-01-01", 1.0), ("a", None, 1.0)))


def test_zone_for_days_without_one_is_refused():
    with pytest.raises(ParameterError, match="day has no time zone"):
        summarise(SMALL, zone="UTC")


def test_empty_frame_is_not_enough_data():
    with pytest.raises(InputError, match="not enough data: there is no purchase in the frame"):
        summarise(SMALL.clear())


def test_every_purchase_after_until_is_not_enough_data():
    with pytest.raises(
        InputError, match="no purchase up to 2023-12-31; the first is on 2024-01-01"
    ):
        summarise(SMALL, until="2023-12-31")


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"unit": "weak"}, r"unit was 'weak', must be 'day' or 'week' — did you mean 'week'\?"),
        ({"until": "30.9.1997"}, "until was '30.9.1997', must be a date"),
        ({"holdout_days": 0}, "holdout_days was 0, must be at least 1"),
        ({"cents_per_unit": 0}, "cents_per_unit was 0, must be above 0"),
    ],
)
def test_bad_argument_is_refused(more, match):
    with pytest.raises(ParameterError, match=match):
        summarise(SMALL, **more)


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        (("a", 1, 9.0, 8.0), "recency must be at most T"),
        (("a", 0, 1.0, 8.0), "recency must be 0 when frequency is 0"),
        (("a", 1, 0.0, 8.0), "recency must be above 0 when frequency is"),
        (("a", -1, 0.0, 8.0), "frequency must be a whole number"),
        (("a", 1, 1.0, float("nan")), "T must be finite"),
        ((None, 1, 1.0, 8.0), "customer must be there"),
    ],
)
def test_each_broken_invariant_is_named(row, rule):
    rows = pl.DataFrame([row], schema=["customer", "frequency", "recency", "T"], orient="row")
    rows = rows.with_columns(pl.col("customer").cast(pl.String))
    with pytest.raises(InputError, match=rule):
        as_summary(rows, unit="day")


def test_customer_twice_is_refused():
    rows = pl.DataFrame(
        {"customer": [1, 1], "frequency": [0, 0], "recency": [0.0, 0.0], "T": [1.0, 2.0]}
    )
    with pytest.raises(InputError, match="customer must be unique: 1 row of the summary breaks it"):
        as_summary(rows, unit="day")


def simulated(n=400, *, seed=7):
    """Return a summary that BG/NBD fits: half of the customers bought again."""
    rng = np.random.default_rng(seed)
    age = rng.uniform(20, 40, size=n)
    x, t_x = bg_nbd.simulate(BgNbd(0.8, 6.0, 0.9, 3.0), age, rng)
    return pl.DataFrame(
        {
            "customer": np.arange(n),
            "frequency": x.astype(int),
            "recency": t_x,
            "T": age,
            "monetary_value": np.where(x > 0, rng.gamma(5, 4, size=n), 0.0),
        }
    )


@pytest.mark.parametrize("n", [1, 400])
def test_customers_who_never_bought_again_are_not_enough_data(n):
    never = simulated(n).with_columns(frequency=0, recency=0.0)
    with pytest.raises(InputError, match="at least 10 customers who bought again, were 0 of"):
        fit_clv(as_summary(never, unit="day"))


def test_spend_model_without_amounts_is_refused():
    summary = as_summary(simulated().drop("monetary_value"), unit="day")
    with pytest.raises(InputError, match="the summary has no amounts"):
        fit_clv(summary)
    fit = fit_clv(summary, spend=None)
    assert fit.spend_log_likelihood is None
    with pytest.raises(InputError, match="has no spend model"):
        fit.expected_value_cents()


def test_few_repeaters_fail_the_gate_with_their_number():
    summary = as_summary(simulated(120, seed=8), unit="day")
    n = summary.frame.filter(pl.col("frequency") > 0).height
    assert 10 <= n < 100
    fit = fit_clv(summary, spend=None)
    assert not fit.gate.passed
    assert f"repeat customers was {n}, must be at least 100" in fit.gate.text
    assert fit_clv(summary, spend=None, limits=GateLimits(min_repeaters=n)).gate.passed


def test_value_that_grows_with_frequency_fails_the_gate():
    rows = simulated().with_columns(
        monetary_value=10.0 * pl.col("frequency") + pl.col("monetary_value") / 10
    )
    fit = fit_clv(as_summary(rows, unit="day"))
    failed = fit.gate.table.loc[~fit.gate.table["passed"], "name"].to_list()
    assert "correlation of frequency and value" in failed


def test_fit_that_does_not_converge_is_said_and_predicts_nothing(monkeypatch):
    monkeypatch.setattr(
        fit_module,
        "fit_purchases",
        lambda *_: RawFit(converged=False, values={}, standard_errors={}),
    )
    fit = fit_clv(as_summary(simulated(), unit="day"), method="mle")
    assert not fit.gate.passed
    assert "slope of the BG/NBD log-likelihood was not converged" in fit.text
    assert np.isnan(fit.log_likelihood)
    for ask in (fit.probability_alive, lambda: fit.expected_purchases(30), lambda: fit.clv(30)):
        with pytest.raises(InputError, match="purchase model did not converge"):
            ask()


def test_data_that_bg_nbd_cannot_hold_is_said_by_the_gate():
    # Everybody buys at a like rate and nobody at none: there is no best r and alpha.
    rng = np.random.default_rng(7)
    rows = simulated().with_columns(
        frequency=pl.Series(rng.integers(0, 6, size=400)), T=pl.lit(40.0), recency=pl.lit(20.0)
    )
    rows = rows.with_columns(
        recency=pl.when(pl.col("frequency") > 0).then("recency").otherwise(0.0)
    )
    gate = fit_clv(as_summary(rows, unit="day"), spend=None, method="mle").gate
    assert not gate.passed
    assert "slope of the BG/NBD log-likelihood" in gate.text


def test_search_that_stops_early_fails_the_gate(monkeypatch):
    real = fit_module.fit_purchases

    def early(*history):
        raw = real(*history)
        return raw._replace(values={**raw.values, "r": raw.values["r"] * 1.05})

    monkeypatch.setattr(fit_module, "fit_purchases", early)
    gate = fit_clv(as_summary(simulated(), unit="day"), spend=None, method="mle").gate
    assert not gate.passed
    assert "slope of the BG/NBD log-likelihood" in gate.text


def test_repeat_customer_whose_purchases_were_free_gets_the_population_value():
    rows = simulated().with_columns(
        monetary_value=pl.when(pl.col("customer") < 3).then(0.0).otherwise(pl.col("monetary_value"))
    )
    free = rows.filter((pl.col("customer") < 3) & (pl.col("frequency") > 0))
    assert not free.is_empty()
    fit = fit_clv(as_summary(rows, unit="day"))
    values = fit.expected_value_cents()
    population = values[rows.filter(pl.col("frequency") == 0)["customer"][0]]
    assert values[free["customer"][0]] == pytest.approx(population)
    assert "Not in the spend model:" in fit.text


def test_value_adds_up_and_falls_with_discount_and_margin():
    fit = fit_clv(as_summary(simulated(), unit="day"), method="mle")
    plain = fit.clv(100, discount_annual=0.0)
    expected = fit.expected_purchases(100) * fit.expected_value_cents()
    assert plain.total_cents == pytest.approx(expected.sum(), rel=1e-12)
    assert plain.table["share_of_value"].sum() == pytest.approx(1)
    assert plain.table["customers"].sum() == 400
    assert fit.clv(100).total_cents < plain.total_cents
    half = fit.clv(100, discount_annual=0.0, margin_share=0.5)
    assert half.total_cents == pytest.approx(plain.total_cents / 2)
    assert fit.clv(130).total_cents > fit.clv(100).total_cents


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"horizon_days": 0}, "horizon_days was 0"),
        ({"horizon_days": 10, "discount_annual": -0.1}, "discount_annual was -0.1"),
        ({"horizon_days": 10, "margin_share": 40}, "margin_share was 40"),
    ],
)
def test_bad_argument_of_value_is_refused(arguments, match):
    fit = fit_clv(as_summary(simulated(), unit="day"))
    with pytest.raises(ParameterError, match=match):
        fit.clv(**arguments)


def test_holdout_check_and_tracking_without_days_are_refused():
    fit = fit_clv(as_summary(simulated(), unit="day"), spend=None)
    with pytest.raises(InputError, match="the summary has no holdout"):
        holdout_check(fit)
    with pytest.raises(InputError, match="tracking needs the days of purchases"):
        tracking(fit)


def test_unknown_model_is_refused():
    with pytest.raises(ParameterError, match="purchases was 'pareto'"):
        fit_clv(as_summary(simulated(), unit="day"), purchases="pareto")


def test_pandas_column_of_mixed_types_is_refused_by_name():
    rows = pd.DataFrame({"who": ["a", 1], "day": ["2024-01-01"] * 2, "usd": [1.0, 2.0]})
    with pytest.raises(InputError, match="column 'who' cannot be read as one type"):
        summarise(rows)
