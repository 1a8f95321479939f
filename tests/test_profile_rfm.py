"""RFM scores by rank and by edges: the worked example, ties, few customers, laws, bad input."""

from __future__ import annotations

import itertools
import math

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import InputError, ParameterError
from workbench.profile import rfm_scores

SCORES = ("r_score", "f_score", "m_score")


def people(*rows):
    names = ["person_id", "recency_days", "purchases", "spend_cents"]
    return pl.DataFrame(rows, schema=names, orient="row")


def test_worked_example_sam_and_billy():
    found = rfm_scores(
        people(("Sam", 80, 12, 90_000), ("Billy", 40, 2, 30_000)),
        edges={"recency": [30, 60], "frequency": [3, 10], "monetary": [10_000, 50_000]},
    )
    assert found.frame.select("person_id", *SCORES, "rfm_total").rows() == [
        ("Sam", 1, 3, 3, 7),
        ("Billy", 2, 1, 2, 5),
    ]
    assert found.bins == (3, 3, 3)


def test_an_edge_belongs_to_the_better_side():
    found = rfm_scores(
        people(("on", 30, 10, 100), ("off", 31, 9, 99)),
        edges={"recency": [30], "frequency": [10], "monetary": [100]},
    )
    assert found.frame["rfm_total"].to_list() == [6, 3]


def test_scores_by_rank_in_three_bins():
    rows = [(f"p{i}", 60 - i, i, 10 * i) for i in range(6)]
    frame = rfm_scores(people(*rows), bins=3).frame
    for score in SCORES:
        assert frame[score].to_list() == [1, 1, 2, 2, 3, 3]


def test_edges_for_one_dimension_leave_the_others_to_rank():
    rows = [(f"p{i}", 60 - i, i, 10 * i) for i in range(4)]
    found = rfm_scores(people(*rows), bins=2, edges={"frequency": [1, 2, 3]})
    assert found.frame["f_score"].to_list() == [1, 2, 3, 4]
    assert found.frame["m_score"].to_list() == [1, 1, 2, 2]
    assert found.bins == (2, 4, 2)


def test_equal_values_have_one_score_and_all_equal_is_the_middle():
    frame = rfm_scores(people(*[(f"p{i}", 5, 1, i) for i in range(10)]), bins=5).frame
    assert set(frame["r_score"]) == set(frame["f_score"]) == {3}


def test_fewer_persons_than_bins_are_spread_evenly():
    frame = rfm_scores(people(("a", 9, 1, 1), ("b", 1, 2, 2)), bins=5).frame
    assert frame["m_score"].to_list() == [2, 4]
    assert rfm_scores(people(("a", 9, 1, 1)), bins=5).frame["rfm_total"].to_list() == [9]


def test_person_without_a_purchase_has_no_score_and_is_counted():
    found = rfm_scores(people(("a", 9, 1, 1), ("b", None, 0, None)), bins=3)
    assert found.frame["rfm_total"].to_list() == [6, None]
    assert "1 customer scored" in found.text
    assert "1 customer without a purchase not scored" in found.text


def test_table_has_counts_and_shares_by_total():
    rows = [("a", 1, 9, 700), ("b", 9, 1, 100), ("c", 9, 1, 200)]
    found = rfm_scores(people(*rows), edges={"recency": [5], "frequency": [5], "monetary": [500]})
    assert found.table["rfm_total"].to_list() == [6, 3]
    assert found.table["customers"].to_list() == [1, 2]
    assert found.table["share_of_spend"].to_list() == pytest.approx([0.7, 0.3])
    assert found.text == (
        "The highest score, 6 of 6, is held by 1 customer: 33.3% of those scored, "
        "with 70.0% of the spend."
    )
    assert found.headline == "1 customer at 6 of 6 hold 70.0% of the spend"


def test_pandas_and_lazy_frames_score_alike():
    frame = people(*[(f"p{i}", (7 * i) % 11, i % 4, 10 * i) for i in range(9)])
    expected = rfm_scores(frame).frame
    assert rfm_scores(frame.lazy()).frame.equals(expected)
    table = pd.DataFrame(frame.to_dict(as_series=False))
    assert rfm_scores(table).frame.select(SCORES).equals(expected.select(SCORES))


@settings(deadline=None, max_examples=80)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 6), st.integers(-5, 30)),
        min_size=1,
        max_size=30,
    ),
    bins=st.integers(1, 12),
)
def test_laws_of_scores_by_rank(rows, bins):
    frame = people(*[(str(i), *row) for i, row in enumerate(rows)])
    found = rfm_scores(frame, bins=bins).frame
    for column, score, sign in (
        ("recency_days", "r_score", -1),
        ("purchases", "f_score", 1),
        ("spend_cents", "m_score", 1),
    ):
        values, scores = found[column].to_list(), found[score].to_list()
        assert all(1 <= s <= bins for s in scores)
        ordered = sorted(zip([sign * v for v in values], scores, strict=True))
        for (low, low_score), (high, high_score) in itertools.pairwise(ordered):
            assert low_score <= high_score
            if low == high:
                assert low_score == high_score
        if len(set(values)) == len(values):
            sizes = [scores.count(s) for s in range(1, bins + 1)]
            assert max(sizes) - min(sizes) <= 1
    assert found["rfm_total"].to_list() == [sum(row) for row in found.select(SCORES).rows()]


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"bins": 0}, "bins was 0, must be 1 to 100"),
        ({"edges": {"recency": [60, 30]}}, "each above the one before"),
        ({"edges": {"recency": []}}, "at least one finite number"),
        ({"edges": {"monetary": [math.nan]}}, "at least one finite number"),
        ({"edges": {"frequenzy": [1]}}, "did you mean 'frequency'?"),
    ],
)
def test_bad_bins_or_edges_are_refused(more, match):
    with pytest.raises(ParameterError, match=match.replace("?", r"\?")):
        rfm_scores(people(("a", 1, 1, 1)), **more)


def test_missing_column_names_the_nearest():
    with pytest.raises(InputError, match=r"no column 'spend_cent' — did you mean 'spend_cents'\?"):
        rfm_scores(people(("a", 1, 1, 1)), monetary="spend_cent")


@pytest.mark.parametrize("rows", [[], [("b", None, 0, None)]])
def test_nobody_to_score_is_not_enough_data(rows):
    frame = people(*rows).cast({"recency_days": pl.Int64, "spend_cents": pl.Int64})
    with pytest.raises(InputError, match="not enough data: nobody of"):
        rfm_scores(frame)
