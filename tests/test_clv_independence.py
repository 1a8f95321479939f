"""The test of what Gamma-Gamma takes for granted: its level, its power, its verdicts, bad input."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from workbench.clv import as_summary, gamma_gamma, spend_independence
from workbench.clv import independence as independence_module
from workbench.errors import InputError, ParameterError

TRUE = (6.25, 3.74, 1_544.0)


def spent(n=2_000, *, seed=5, elasticity=0.0):
    """Return a summary whose values are Gamma-Gamma's, times a power of the frequency."""
    rng = np.random.default_rng(seed)
    x = 1 + rng.negative_binomial(0.5, 0.15, n)
    return of(x, gamma_gamma.simulate(TRUE, x, rng) * x.astype(float) ** elasticity)


def of(x, mean):
    rows = {"customer": np.arange(len(x)), "frequency": x, "monetary_value": mean}
    frame = pl.DataFrame(rows).with_columns(recency=pl.col("frequency").clip(0, 1), T=pl.lit(40.0))
    return as_summary(frame, unit="day")


def rejected(elasticity, *, n=300, bases=400):
    small = [spent(n, seed=seed, elasticity=elasticity) for seed in range(bases)]
    return float(np.mean([spend_independence(one).p_value < 0.05 for one in small]))


def test_level_is_five_percent_where_value_is_independent():
    # An exact 99.9 % band of 5 % in 400 bases.
    assert 0.0175 <= rejected(0.0) <= 0.0925


def test_check_of_the_level_catches_errors_that_are_half_as_large(monkeypatch):
    real = independence_module._regressed

    def halved(design, mean):
        beta, error = real(design, mean)
        return beta, error / 2

    monkeypatch.setattr(independence_module, "_regressed", halved)
    assert rejected(0.0, bases=100) > 0.0925


def test_power_is_found_in_most_bases_where_value_grows():
    assert rejected(0.2, bases=60) > 0.6


@pytest.mark.parametrize("elasticity", [-0.5, 0.1, 0.5])
def test_interval_holds_the_power_it_was_made_with(elasticity):
    found = spend_independence(spent(elasticity=elasticity))
    assert found.low < elasticity < found.high
    assert found.elasticity == pytest.approx(elasticity, abs=0.1)


def test_verdict_says_holds_open_and_fails_by_the_interval_and_not_by_the_p_value():
    assert spend_independence(spent()).verdict == "holds"
    open_ = spend_independence(spent(100, elasticity=0.2))
    assert open_.verdict == "open"
    assert "is not settled" in open_.text
    failed = spend_independence(spent(elasticity=0.5))
    assert failed.verdict == "fails"
    assert "value goes with frequency" in failed.text.lower()
    assert spend_independence(spent(elasticity=-0.5)).verdict == "fails"
    assert spend_independence(spent(elasticity=0.5), max_elasticity=0.9).verdict == "holds"


def test_large_base_may_show_a_dependence_that_does_not_matter():
    found = spend_independence(spent(40_000, elasticity=0.05))
    assert found.p_value < 0.05
    assert found.verdict == "holds"


def test_unit_of_money_and_order_of_customers_change_nothing():
    summary = spent()
    dearer = of(summary.frame["frequency"], summary.frame["monetary_cents"] * 100)
    turned = of(summary.frame["frequency"].reverse(), summary.frame["monetary_cents"].reverse())
    expected = spend_independence(summary)
    for other in (dearer, turned):
        found = spend_independence(other)
        assert (found.elasticity, found.p_value) == pytest.approx(
            (expected.elasticity, expected.p_value), rel=1e-8
        )


def test_table_counts_every_repeat_customer_in_one_group():
    found = spend_independence(spent())
    assert found.table["repeat_purchases"].to_list() == ["1", "2 to 3", "4 to 7", "8+"]
    assert found.table["customers"].sum() == found.customers == 2_000


def test_free_purchases_and_single_ones_are_not_in_the_test():
    x, mean = [0, 1, 1, *range(1, 11)], [0.0, 0.0, 0.0, *range(5, 15)]
    assert spend_independence(of(x, [float(one) for one in mean])).customers == 10


def test_value_that_is_the_same_for_all_is_independent():
    found = spend_independence(of(list(range(1, 21)), [500.0] * 20))
    assert (found.elasticity, found.verdict) == (pytest.approx(0.0), "holds")


def test_summary_without_amounts_is_refused():
    summary = as_summary(spent().frame.drop("monetary_cents"), unit="day")
    with pytest.raises(InputError, match="the summary has no amounts"):
        spend_independence(summary)


def test_few_repeat_customers_are_not_enough_data():
    with pytest.raises(InputError, match=r"at least 10 repeat customers .* were 9"):
        spend_independence(spent(9))


def test_equal_frequencies_are_not_enough_data():
    with pytest.raises(InputError, match=r"bought again equally often \(2\)"):
        spend_independence(of([2] * 20, [float(one) for one in range(1, 21)]))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"max_elasticity": 0.0}, "max_elasticity was 0.0, must be above 0"),
        ({"level": 1.0}, "level was 1.0, must be above 0 and below 1"),
    ],
)
def test_bad_argument_is_refused(arguments, match):
    with pytest.raises(ParameterError, match=match):
        spend_independence(spent(50), **arguments)
