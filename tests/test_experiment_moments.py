"""Moments: merging equals rows, one pass equals rows, large means do no harm."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import InputError, ParameterError
from workbench.experiment.effect import Parts, compare
from workbench.experiment.moments import Moments, collect_moments

rows = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 4)), min_size=2, max_size=12)


def of_rows(values: list[tuple[int, int]]) -> Moments:
    return Moments.of({"y": [y for y, _ in values], "x": [x for _, x in values]})


@given(rows, rows)
def test_merged_moments_of_disjoint_units_equal_those_of_all_rows(head, tail):
    merged, whole = of_rows(head) + of_rows(tail), of_rows(head + tail)
    assert merged.n == whole.n
    np.testing.assert_allclose(merged.mean, whole.mean, atol=1e-12)
    np.testing.assert_allclose(merged.products, whole.products, atol=1e-10)


@given(rows, rows, rows)
def test_a_read_out_of_merged_cohorts_equals_the_one_from_rows(first, second, control):
    parts = Parts(numerator="y", covariates=(("x", None),))
    merged = compare(of_rows(first) + of_rows(second), of_rows(control), parts)
    whole = compare(of_rows(first + second), of_rows(control), parts)
    assert merged.absolute.value == pytest.approx(whole.absolute.value, abs=1e-9)
    assert merged.absolute.standard_error == pytest.approx(whole.absolute.standard_error, abs=1e-9)


@given(rows, st.integers(0, 12))
def test_the_pass_over_a_frame_equals_the_moments_of_its_rows(values, offset):
    frame = pl.LazyFrame(
        {
            "arm": ["a" if i % 2 else "b" for i in range(len(values))],
            "y": [y + 10.0**offset for y, _ in values],
            "x": [x for _, x in values],
        }
    )
    columns = {"y": pl.col("y"), "x": pl.col("x")}
    found = collect_moments(frame, ["arm"], columns, {"both": ["y", "x"], "x": ["x"]})
    for place, arm in ((0, "b"), (1, "a")):
        of_arm = Moments.of(
            {
                "y": [y + 10.0**offset for y, _ in values[place::2]],
                "x": [x for _, x in values[place::2]],
            }
        )
        both = found[arm,]["both"]
        assert both.n == of_arm.n
        np.testing.assert_allclose(both.mean, of_arm.mean, atol=1e-12)
        np.testing.assert_allclose(both.products, of_arm.products, atol=1e-2 * (offset > 9) + 1e-6)
        np.testing.assert_allclose(found[arm,]["x"].products, both.products[1:, 1:], atol=1e-9)


def test_a_large_mean_does_not_drown_a_small_variance():
    draw = np.random.default_rng(1)
    y = 1e9 + draw.normal(0, 1, 5_000)
    frame = pl.LazyFrame({"arm": ["a"] * 5_000, "y": y})
    found = collect_moments(frame, ["arm"], {"y": pl.col("y")}, {"m": ["y"]})
    assert found["a",]["m"].covariance()[0, 0] == pytest.approx(np.var(y, ddof=1), rel=1e-6)
    naive = (y**2).sum() - y.sum() ** 2 / len(y)
    assert naive / (len(y) - 1) != pytest.approx(np.var(y, ddof=1), rel=0.01)


def test_moments_of_other_columns_do_not_add_up():
    with pytest.raises(ParameterError, match=r"must be those of the other moments, \('y',\)"):
        Moments.of({"y": [1.0]}) + Moments.of({"x": [1.0]})


def test_a_column_that_is_not_there_is_an_error_with_the_nearest_name():
    with pytest.raises(ParameterError, match="column was 'spent', must be one of spend"):
        Moments.of({"spend": [1.0]}).place("spent")


def test_moments_of_nobody_are_not_enough_data():
    with pytest.raises(InputError, match="not enough data: there is no unit"):
        Moments.of({"y": []})


def test_no_column_at_all_gives_the_number_of_units():
    frame = pl.LazyFrame({"arm": ["a", "a", "b"]})
    found = collect_moments(frame, ["arm"], {}, {"none": []})
    assert {key: each["none"].n for key, each in found.items()} == {("a",): 2, ("b",): 1}


def test_a_column_that_is_the_same_for_every_unit_of_an_arm_has_that_mean_and_no_spread():
    frame = pl.LazyFrame({"arm": ["a", "b"] * 3, "y": [0.0, 10.1, 0.0, 0.3, 0.0, 77.7]})
    found = collect_moments(frame, ["arm"], {"y": pl.col("y")}, {"m": ["y"]})["a",]["m"]
    assert (found["y"], found.products[0, 0]) == (0.0, 0.0)
