"""Customers by two scores: everybody who was scored is in one cell."""

from __future__ import annotations

import polars as pl
import pytest

from workbench.errors import InputError, ParameterError
from workbench.profile import rfm_grid, rfm_scores

PEOPLE = pl.DataFrame(
    {
        "person_id": ["ann", "bob", "cleo", "dan", "eve"],
        "recency_days": [1, 1, 9, 9, None],
        "purchases": [8, 8, 2, 8, 0],
        "spend_cents": [100, 300, 50, 70, None],
    }
)
EDGES = {"recency": [5], "frequency": [5], "monetary": [60]}


def test_cells_hold_who_has_both_scores_and_their_mean_value():
    grid = rfm_grid(rfm_scores(PEOPLE, edges=EDGES))
    assert grid.to_dict("list") == {
        "recency_score": [1, 1, 2],
        "frequency_score": [1, 2, 2],
        "customers": [1, 1, 2],
        "monetary_cents": [50.0, 70.0, 200.0],
    }


def test_the_grid_of_a_saved_frame_is_the_grid_of_the_scores():
    scores = rfm_scores(PEOPLE, bins=2)
    assert rfm_grid(scores.to_pandas()).equals(rfm_grid(scores))
    assert rfm_grid(scores.frame.lazy()).equals(rfm_grid(scores))


def test_who_has_no_score_is_in_no_cell():
    scores = rfm_scores(PEOPLE, bins=2)
    unscored = scores.frame["rfm_total"].null_count()
    assert unscored == 1
    assert rfm_grid(scores)["customers"].sum() == PEOPLE.height - unscored


def test_a_frame_without_scores_or_value_is_refused():
    with pytest.raises(InputError, match="the scores has no column 'r_score'"):
        rfm_grid(PEOPLE)
    with pytest.raises(InputError, match="has no column 'spend_cent' — did you mean 'spend_cents'"):
        rfm_grid(rfm_scores(PEOPLE), monetary="spend_cent")
    with pytest.raises(
        ParameterError, match=r"scores was None, must be scores, .* or a pandas or Polars frame"
    ):
        rfm_grid(None)
