"""Buckets: the published vectors, the column equal to the unit, and what coverage may not do."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workbench import buckets
from workbench.buckets import (
    BUCKETS,
    bucket_10000,
    bucket_10000_column,
    bucket_ranges,
    choose_variation,
    choose_variation_column,
    equal_weights,
    fnv1a32,
    fnv1a32_column,
    hash_column,
    hash_unit,
    hash_v1,
    hash_v2,
    in_namespace,
    in_namespace_column,
)
from workbench.errors import InputError, ParameterError

CASES = Path(__file__).resolve().parents[2] / "shared" / "data" / "growthbook" / "cases.json"

TEXTS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(["", "a", "usér-✓", "İ", "😀", "0", "x" * 5_000, "é" * 1_000, "\x00", " "]),
)


# -- published ---------------------------------------------------------------------------


def test_published_vectors_hold() -> None:
    assert hash_v2("seed", "a") == 0.0505
    assert hash_v2("foo", "def") == 0.2019
    assert hash_v1("", "a") == 0.22
    assert hash_v1("b", "a") == 0.946
    assert hash_unit("abc", "def", 99) is None


def test_published_fnv_vectors_hold() -> None:
    """From the reference vectors of FNV's authors."""
    published = {"": 0x811C9DC5, "a": 0xE40C292C, "b": 0xE70C2DE5, "foobar": 0xBF9CF968}
    assert {text: fnv1a32(text) for text in published} == published


def test_an_id_that_is_not_ascii_is_hashed_as_utf8() -> None:
    assert fnv1a32("usér-✓") == 4179416143
    code_units = 2166136261
    for letter in "usér-✓":
        code_units = ((code_units ^ ord(letter)) * 16777619) & 0xFFFFFFFF
    assert code_units == 1552167622, "what JavaScript's code units give"


def published(group: str) -> list[list[object]]:
    if not CASES.exists():
        pytest.skip("the published cases are not beside this checkout (../shared/data/growthbook)")
    cases: list[list[object]] = json.loads(CASES.read_text(encoding="utf-8"))[group]
    assert cases
    return cases


def test_every_published_hash_holds_for_a_unit_and_for_a_column() -> None:
    for seed, unit, version, expected in published("hash"):
        assert hash_unit(seed, unit, version) == expected
        if expected is not None:
            assert hash_column(seed, pl.Series([unit]), version).to_list() == [expected]


def test_every_published_range_holds() -> None:
    for name, (n, coverage, weights), expected in published("getBucketRange"):
        found = bucket_ranges(n, coverage, weights)
        assert np.allclose(found, expected, rtol=0, atol=1e-9), name


def test_every_published_choice_holds_for_a_unit_and_for_a_column() -> None:
    for name, place, ranges, expected in published("chooseVariation"):
        assert choose_variation(place, ranges) == expected, name
        assert choose_variation_column(pl.Series([place]), ranges).to_list() == [expected], name


def test_every_published_namespace_holds_for_a_unit_and_for_a_column() -> None:
    for name, unit, namespace, expected in published("inNamespace"):
        assert in_namespace(unit, namespace) is expected, name
        assert in_namespace_column(pl.Series([unit]), namespace).to_list() == [expected], name


def test_every_published_equal_weight_holds() -> None:
    for n, expected in published("getEqualWeights"):
        assert np.allclose(equal_weights(n), expected, rtol=0, atol=1e-8)


# -- column equals unit ------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(seed=TEXTS, units=st.lists(st.none() | TEXTS, max_size=6))
@example(seed="", units=[])
@example(seed="s", units=[None])
def test_a_column_is_hashed_as_each_unit(seed: str, units: list[str | None]) -> None:
    column = pl.Series("unit", units, dtype=pl.String)

    def each(function):
        return [None if unit is None else function(unit) for unit in units]

    assert fnv1a32_column(column).to_list() == each(fnv1a32)
    assert bucket_10000_column(seed, column).to_list() == each(lambda u: bucket_10000(seed, u))
    assert hash_column(seed, column).to_list() == each(lambda u: hash_v2(seed, u))
    assert hash_column(seed, column, 1).to_list() == each(lambda u: hash_v1(seed, u))
    space = (seed, 0.25, 0.75)
    assert in_namespace_column(column, space).to_list() == each(lambda u: in_namespace(u, space))


def test_the_second_hash_reads_the_decimal_of_every_length() -> None:
    numbers = [0, 7, 10, 99, 100, 4_294_967_295, *(10**k for k in range(10))]
    found = buckets._hash_of_decimal(np.array(numbers, dtype=np.int64))
    assert found.tolist() == [fnv1a32(str(number)) for number in numbers]


def test_many_units_agree_with_the_plain_hash() -> None:
    units = [f"household-{k}" for k in range(20_000)]
    column = bucket_10000_column("salt", pl.Series(units))
    assert column.to_list() == [bucket_10000("salt", unit) for unit in units]


@pytest.mark.parametrize("fault", ["state", "prime"])
def test_a_planted_fault_in_the_column_is_seen(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    true = buckets._fnv1a32_of_slices

    def faulty(begins, letters, start, tail):
        states = true(begins, letters, start + (fault == "state"), tail)
        return states ^ (fault == "prime")

    monkeypatch.setattr(buckets, "_fnv1a32_of_slices", faulty)
    with pytest.raises(AssertionError):
        test_a_column_is_hashed_as_each_unit()


def test_slices_chunks_and_categories_are_hashed_as_text() -> None:
    whole = pl.Series("unit", ["a", None, "b", "cc", ""])
    hashed = hash_column("s", whole)
    assert hashed.name == "unit"
    assert hashed.dtype == pl.Float64
    assert fnv1a32_column(whole).dtype == pl.UInt32
    assert hash_column("s", whole.slice(2, 2)).to_list() == hashed.to_list()[2:4]
    chunks = whole.head(2).append(whole.tail(3))
    assert hash_column("s", chunks).to_list() == hashed.to_list()
    assert hash_column("s", whole.cast(pl.Categorical)).to_list() == hashed.to_list()


def test_a_column_that_is_not_text_is_refused() -> None:
    with pytest.raises(ParameterError, match="column 'id' was 'Int64', must be text to be hashed"):
        hash_column("s", pl.Series("id", [1, 2]))


def test_an_unknown_version_is_refused_for_a_column() -> None:
    with pytest.raises(ParameterError, match="version of the hash was 99, must be 1 or 2"):
        hash_column("s", pl.Series(["a"]), 99)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(InputError, match="holds half a surrogate pair"):
        fnv1a32("\ud800")


# -- ranges ------------------------------------------------------------------------------

WEIGHTS = st.lists(st.integers(1, 9), min_size=1, max_size=5).map(
    lambda parts: [part / sum(parts) for part in parts]
)


@settings(deadline=None)
@given(weights=WEIGHTS)
def test_at_full_coverage_every_bucket_has_one_arm(weights: list[float]) -> None:
    ranges = bucket_ranges(len(weights), 1.0, weights)
    for bucket in (0, 1, 4_999, 5_000, 9_998, 9_999):
        place = bucket / BUCKETS
        assert sum(start <= place < end for start, end in ranges) == 1


@settings(deadline=None)
@given(weights=WEIGHTS, low=st.floats(0, 1), more=st.floats(0, 1), bucket=st.integers(0, 9_999))
def test_raising_coverage_moves_no_unit(
    weights: list[float], low: float, more: float, bucket: int
) -> None:
    low, high = sorted((low, more))
    before = choose_variation(bucket / BUCKETS, bucket_ranges(len(weights), low, weights))
    after = choose_variation(bucket / BUCKETS, bucket_ranges(len(weights), high, weights))
    assert before in (-1, after)


def test_a_place_on_a_border_belongs_to_the_arm_that_begins_there() -> None:
    ranges = bucket_ranges(2)
    assert [choose_variation(place, ranges) for place in (0.4999, 0.5, 0.0)] == [0, 1, 0]
    places = pl.Series("place", [0.4999, 0.5, 0.0, None])
    assert choose_variation_column(places, ranges).to_list() == [0, 1, 0, None]


@settings(deadline=None)
@given(
    weights=WEIGHTS,
    coverage=st.floats(0, 1),
    places=st.lists(st.none() | st.integers(0, 9_999).map(lambda k: k / BUCKETS), max_size=5),
)
def test_a_column_chooses_as_each_place(
    weights: list[float], coverage: float, places: list[float | None]
) -> None:
    ranges = bucket_ranges(len(weights), coverage, weights)
    column = choose_variation_column(pl.Series(places, dtype=pl.Float64), ranges)
    assert column.dtype == pl.Int32
    assert column.to_list() == [
        None if place is None else choose_variation(place, ranges) for place in places
    ]


@pytest.mark.parametrize(
    ("coverage", "weights", "said"),
    [
        (math.nan, None, "coverage was nan, must be a finite number"),
        (1.0, [0.5, math.nan], "weight was nan"),
        (1.0, [1.5, -0.5], "weight was -0.5, must be finite and at least 0"),
    ],
)
def test_a_number_that_makes_no_range_is_refused(coverage, weights, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        bucket_ranges(2, coverage, weights)


def test_namespaces_that_do_not_overlap_share_no_unit() -> None:
    units = pl.Series([f"customer-{k}" for k in range(5_000)])
    first = in_namespace_column(units, ("offers", 0.0, 0.4))
    second = in_namespace_column(units, ("offers", 0.4, 1.0))
    assert not (first & second).any()
    assert (first | second).all()


def test_buckets_are_even_and_salts_are_independent() -> None:
    """100,000 ids over 100 cells: a chi-squared with 99 degrees stays below its 1e-6 quantile."""
    units = pl.Series([f"customer-{k}" for k in range(100_000)])
    a = bucket_10000_column("spring", units).cast(pl.Int64)
    b = bucket_10000_column("summer", units).cast(pl.Int64)
    cells = (a // 1_000) * 10 + b // 1_000
    counts = np.bincount(cells.to_numpy(), minlength=100)
    assert ((counts - 1_000) ** 2 / 1_000).sum() < 178
