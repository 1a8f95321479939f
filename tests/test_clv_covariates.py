"""Rate and leaving that go with numbers known of a customer: recovery, exactness, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from workbench.clv import as_summary, fit_clv, fit_covariates, new_customer
from workbench.clv import covariates as covariates_module
from workbench.clv.models import MODELS
from workbench.errors import InputError, ParameterError
from workbench.streams import stream

RATE, LEAVING = 1.5, 0.7


def moved(purchases, at, rate, leaving):
    """Return the parameters of a customer whose covariate multiplies buying and leaving by so much."""
    one, two, three, four = at
    return {
        "bg_nbd": (one, two / rate, three * leaving, four),
        "mbg_nbd": (one, two / rate, three * leaving, four),
        "pareto_nbd": (one, two / rate, three, four / leaving),
        "bg_bb": (one * rate, two, three * leaving, four),
    }[purchases]


def base(n=1_500, *, purchases="bg_nbd", at=(0.8, 9.0, 0.9, 3.0), rate=RATE, leaving=LEAVING):
    """Return a summary whose customers buy and leave by their age, and the ages."""
    rng = stream(29, "clv/covariates/test")
    years = rng.normal(40, 10, n)
    z = (years - 40) / 10
    age = rng.choice([8.0, 10.0] if purchases == "bg_bb" else [20.0, 30.0, 40.0], n)
    own = moved(purchases, at, rate**z, leaving**z)
    x, t_x = MODELS[purchases].simulate(own, age, rng)
    rows = {"customer": np.arange(n), "frequency": x.astype(int), "recency": t_x, "T": age}
    values = rng.gamma(6, 400, n)
    people = pl.DataFrame({"person_id": [str(k) for k in range(n)], "years": years})
    return as_summary(pl.DataFrame({**rows, "monetary_value": values}), unit="day"), people


@pytest.fixture(scope="module")
def made():
    summary, people = base()
    return fit_covariates(fit_clv(summary, draws=400), people, ["years"])


@pytest.fixture(scope="module")
def small():
    summary, people = base(200)
    return fit_clv(summary, spend=None, draws=100), people


def test_multiples_are_found(made):
    row = made.table.iloc[0]
    assert row["rate_multiple"] == pytest.approx(RATE, rel=0.15)
    assert row["leaving_multiple"] == pytest.approx(LEAVING, rel=0.25)
    assert row["rate_low"] > 1
    assert row["leaving_high"] < 1
    assert made.gate.passed
    assert "more of “years” buy at" in made.text


def test_multiples_of_a_covariate_without_an_effect_hold_one():
    summary, _ = base(800, rate=1.0, leaving=1.0)
    people = pl.DataFrame({"person_id": [str(k) for k in range(800)], "luck": np.sin(range(800))})
    found = fit_covariates(fit_clv(summary, spend=None, draws=200), people, ["luck"])
    row = found.table.iloc[0]
    assert row["rate_low"] < 1 < row["rate_high"]
    assert row["leaving_low"] < 1 < row["leaving_high"]
    assert "no covariate clearly goes with" in found.text.lower()


@pytest.mark.parametrize("purchases", MODELS)
def test_likelihood_and_gradient_equal_those_of_each_customer_by_herself(purchases):
    summary, people = base(60, purchases=purchases)
    fit = fit_clv(summary, purchases=purchases, spend=None, draws=100)
    raw = people["years"].to_numpy()[:, None]
    z = (raw - raw.mean()) / raw.std()
    rows = covariates_module._collapsed(fit, z)
    target, _ = covariates_module._target(fit, rows, ["years"], 0.5)
    at = np.array([0.7, 8.0, 1.1, 2.5, 1.3, 0.8])
    history = summary.frame.select("frequency", "recency", "T").rows()
    alone = sum(
        float(MODELS[purchases].log_likelihood(moved(purchases, at[:4], 1.3**u, 0.8**u), *customer))
        for u, customer in zip(z[:, 0], history, strict=True)
    )
    value, gradient = target.with_gradient(at)
    assert value == pytest.approx(alone, rel=1e-12)
    assert target.alone(at) == pytest.approx(alone, rel=1e-12)
    for k in range(6):
        step = np.zeros(6)
        step[k] = 1e-5
        slope = (target.alone(at + step) - target.alone(at - step)) / 2e-5
        assert gradient[k] == pytest.approx(slope, rel=1e-4, abs=1e-4)


def test_no_effect_gives_the_answers_of_the_fit_without_covariates(made):
    ones = made.draws.copy()
    ones[:, :4], ones[:, 4:] = made.pooled.draws, 1.0
    plain = replace(made, draws=ones)
    for name, horizon in (("probability_alive", ()), ("expected_purchases", (30,))):
        found, expected = (getattr(fit, name)(*horizon) for fit in (plain, made.pooled))
        np.testing.assert_allclose(found, expected, rtol=1e-10)
        assert (found.index == expected.index).all()
    value = made.pooled.clv(90).frame["clv_cents"]
    np.testing.assert_allclose(plain.clv(90)["clv_cents"], value, rtol=1e-10)


def test_customer_who_is_older_is_expected_to_buy_more(made):
    young, old = made.at({"years": 30.0}), made.at({"years": 50.0})
    assert new_customer(old, 90).value_cents > 1.5 * new_customer(young, 90).value_cents
    mean = made.at(dict(made.means))
    np.testing.assert_allclose(mean.draws, made.draws[:, :4])
    value = made.clv(90)
    assert (value["clv_low_cents"] <= value["clv_high_cents"]).all()


@pytest.mark.parametrize(
    ("purchases", "at", "said"),
    [
        ("mbg_nbd", (0.8, 9.0, 0.9, 3.0), "buy at"),
        ("pareto_nbd", (0.9, 5.0, 1.2, 25.0), "times the rate"),
        ("bg_bb", (1.2, 0.9, 0.8, 4.0), "times the odds"),
    ],
)
def test_multiples_of_every_model_are_found_and_its_answers_use_them(purchases, at, said):
    summary, people = base(900, purchases=purchases, at=at)
    fit = fit_clv(summary, purchases=purchases, draws=200)
    found = fit_covariates(fit, people, ["years"])
    row = found.table.iloc[0]
    assert 1 < row["rate_low"] < RATE < row["rate_high"]
    assert row["leaving_low"] < LEAVING < row["leaving_high"] < 1.2
    assert found.gate.passed, found.gate.text
    assert said in found.text
    young, old = (found.at({"years": years}) for years in (25.0, 55.0))
    assert new_customer(old, 10).value_cents > 1.5 * new_customer(young, 10).value_cents
    one = found._used()[0]
    z = (people["years"][0] - found.means["years"]) / found.deviations["years"]
    own = moved(purchases, one[:4], one[4] ** z, one[5] ** z)
    by_row = covariates_module._of_rows(purchases, one, found.rows.z)
    np.testing.assert_allclose(by_row[:, found.rows.row_of[0]], own, rtol=1e-12)
    alive = found.probability_alive()
    assert alive.between(0, 1).all()
    assert (found.expected_purchases(10) <= found.expected_purchases(20) + 1e-12).all()
    assert found.clv(30)["clv_cents"].ge(0).all()


@pytest.mark.parametrize("purchases", ["pareto_nbd", "bg_bb"])
def test_formulas_take_a_parameter_for_each_customer(purchases):
    model, x, t_x, age = MODELS[purchases], [0.0, 2.0], [0.0, 3.0], [8.0, 9.0]
    at = np.array(
        [[0.9, 1.4], [5.0, 4.0], [1.0, 1.7], [12.0, 20.0]]
    )  # s, or γ, at and off its limit
    for name, of in (
        ("log_likelihood", (x, t_x, age)),
        ("probability_alive", (x, t_x, age)),
        ("expected_if_alive", (4.0, x, age)),
    ):
        both = getattr(model, name)(at, *of)
        alone = [
            float(getattr(model, name)(at[:, k], *(np.broadcast_to(v, 2)[k] for v in of)))
            for k in (0, 1)
        ]
        np.testing.assert_allclose(both, alone, rtol=1e-12, err_msg=name)


def test_order_of_the_people_changes_nothing(small):
    fit, people = small
    turned = fit_covariates(fit, people.reverse(), ["years"])
    np.testing.assert_array_equal(turned.draws, fit_covariates(fit, people, ["years"]).draws)


def test_two_covariates_have_a_row_each(small):
    fit, people = small
    both = people.with_columns(luck=pl.Series(np.sin(range(200))))
    assert fit_covariates(fit, both, ["years", "luck"]).table["covariate"].to_list() == [
        "years",
        "luck",
    ]


@pytest.mark.parametrize(
    ("people", "match"),
    [
        (lambda p: p[1:], "years is missing or not finite for 1 customer"),
        (lambda p: p.with_columns(years=float("nan")), "not finite for 200 customers"),
        (lambda p: p.with_columns(years=3.0), "years is the same for every customer"),
        (lambda p: p.with_columns(years=pl.lit("old")), "the type of years was 'String'"),
        (lambda p: pl.concat([p, p]), "some person_id occurs twice"),
    ],
)
def test_covariate_that_cannot_be_used_is_refused(small, people, match):
    with pytest.raises(InputError, match=match):
        fit_covariates(small[0], people(small[1]), ["years"])


def test_two_covariates_that_are_one_are_refused(small):
    twice = small[1].with_columns(months=pl.col("years") * 12)
    with pytest.raises(InputError, match="years and months are nearly the same"):
        fit_covariates(small[0], twice, ["years", "months"])


@pytest.mark.parametrize(
    ("columns", "more", "match"),
    [
        (["year"], {}, "was 'year', must be one of person_id, years — did you mean 'years'"),
        ([], {}, "must be 1 to 8 different columns"),
        (["years"], {"spread": 0.0}, "spread was 0.0, must be above 0"),
    ],
)
def test_bad_argument_is_refused(small, columns, more, match):
    with pytest.raises(ParameterError, match=match):
        fit_covariates(small[0], small[1], columns, **more)


def test_fit_without_a_posterior_is_refused_with_the_next_step(small):
    fit, people = small
    with pytest.raises(InputError, match="has no posterior; fit it with method='posterior'"):
        fit_covariates(replace(fit, draws=fit.draws[:1]), people, ["years"])


def test_values_of_other_covariates_are_refused(made):
    for values in ({}, {"years": 1.0, "luck": 2.0}):
        with pytest.raises(ParameterError, match="must be given for each of years"):
            made.at(values)
