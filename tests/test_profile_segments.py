"""Segments from a file: first match, overlap, NULL, empty segments, and files that are refused."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from workbench.errors import InputError, ParameterError
from workbench.profile import COLUMNS, SEGMENT_COLUMNS, load_segments, rfm_scores, segment

ROOT = Path(__file__).resolve().parents[1]

PEOPLE = pl.DataFrame(
    {
        "person_id": ["a", "b", "c", "d"],
        "recency_days": [1, 50, 200, None],
        "purchases": [20, 4, 2, 0],
        "spend_cents": [70_000, 20_000, 10_000, None],
    }
)

TWO = """
match: {match}
default: other
segments:
  - name: often
    when: purchases >= 4
  - name: away
    when: recency_days > 30
    says: No purchase in a month.
"""


def write(folder, content):
    path = folder / "segments.yaml"
    path.write_text(content, encoding="utf-8")
    return path


def test_first_segment_that_holds_is_the_person_s(tmp_path):
    found = segment(PEOPLE, load_segments(write(tmp_path, TWO.format(match="first"))))
    assert found.frame["segment"].to_list() == ["often", "often", "away", "other"]
    assert found.table["segment"].to_list() == ["often", "away", "other"]
    assert found.table["customers"].to_list() == [2, 1, 1]
    assert found.table["share_of_spend"].to_list()[:2] == [0.9, 0.1]
    assert found.text == (
        "The largest part of the spend, 90.0%, comes from segment “often”, 50.0% of the customers. "
        "The largest of 3 segments is “often” with 2 of 4 customers (50.0%)."
    )
    assert found.headline == "Segment “often” is 50.0% of the customers and 90.0% of the spend"
    assert found.table["meaning"].iloc[-1] == "In none of the others."


def test_overlapping_segments_count_a_person_in_each(tmp_path):
    found = segment(PEOPLE, load_segments(write(tmp_path, TWO.format(match="all"))))
    assert found.frame["segments"].to_list() == [["often"], ["often", "away"], ["away"], ["other"]]
    assert found.table["customers"].to_list() == [2, 2, 1]


def test_null_is_never_a_yes(tmp_path):
    content = "segments:\n  - {name: near, when: NOT (recency_days > 30)}\n"
    found = segment(PEOPLE, load_segments(write(tmp_path, content)))
    assert found.frame["segment"].to_list() == ["near", None, None, None]
    assert "3 customers in none" in found.text


def test_empty_segment_is_reported_and_not_silent(tmp_path):
    content = "default: rest\nsegments:\n  - {name: giants, when: purchases > 1000}\n"
    found = segment(PEOPLE, load_segments(write(tmp_path, content)))
    assert found.empty == ("giants",)
    assert found.table["customers"].to_list() == [0, 4]
    assert found.text.endswith("Nobody is in “giants”.")


def test_nobody_is_not_enough_data(tmp_path):
    segments = load_segments(write(tmp_path, TWO.format(match="first")))
    with pytest.raises(InputError, match="not enough data: there is nobody"):
        segment(PEOPLE.clear(), segments)


def test_segments_over_scores_need_scores(tmp_path):
    content = "segments:\n  - {name: best, when: rfm_total >= 12}\n"
    segments = load_segments(write(tmp_path, content))
    with pytest.raises(
        ParameterError, match="segment best reads rfm_total: score the profile first"
    ):
        segment(PEOPLE, segments)
    found = segment(rfm_scores(PEOPLE), segments)
    assert found.frame["segment"].to_list() == ["best", None, None, None]


def test_frame_without_a_column_that_a_segment_reads_is_refused(tmp_path):
    content = "segments:\n  - {name: lunch, when: daypart = 'lunch'}\n"
    with pytest.raises(ParameterError, match=r"'daypart', is not there \(segment lunch\)"):
        segment(PEOPLE, load_segments(write(tmp_path, content)))


def test_more_columns_can_be_named(tmp_path):
    content = "segments:\n  - {name: large, when: household_size >= 4}\n"
    path = write(tmp_path, content)
    segments = load_segments(path, columns={"household_size": "number"})
    frame = PEOPLE.with_columns(household_size=pl.Series([5, 1, 4, None]))
    assert segment(frame, segments).frame["segment"].to_list() == ["large", None, "large", None]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("segments:\n  - {name: a, when: recency_day > 3}", r"'recency_day', is not a known column \(.*segment a\) — did you mean 'recency_days'\?"),
        ("segments:\n  - {name: a, when: daypart > 3}", "segment a"),
        ("segments:\n  - {name: a, when: recency_days}", "must be true or false, is a number"),
        ("segments:\n  - {name: a, wen: purchases > 1}", r"wen is not a parameter — did you mean 'when'\?"),
        ("segments:\n  - {name: A b, when: purchases > 1}", "segments.0.name was 'A b'"),
        ("segments: []", "segments"),
        ("segments:\n  - {name: a, when: purchases > 1}\n  - {name: a, when: purchases > 2}", "must name each segment once; twice: a"),
        ("default: a\nsegments:\n  - {name: a, when: purchases > 1}", "must have a default that is no segment's name"),
        ("match: best\nsegments:\n  - {name: a, when: purchases > 1}", "match was 'best'"),
        ("segments:\n  - {name: a, when: 'purchases IN (SELECT 1)'}", "segment a"),
    ],
)  # fmt: skip
def test_file_that_breaks_a_rule_names_it(tmp_path, content, match):
    with pytest.raises(ParameterError, match=match):
        load_segments(write(tmp_path, content))


def test_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing.yaml cannot be read: No such file"):
        load_segments(tmp_path / "nothing.yaml")


def test_every_shipped_file_loads_and_says_what_each_segment_means():
    shipped = sorted((ROOT / "params" / "segments").glob("*.yaml"))
    assert shipped
    for path in shipped:
        segments = load_segments(path)
        assert all(rule.says for rule in segments.segments), path.name


def test_conditions_know_every_column_of_a_profile():
    assert set(COLUMNS) < set(SEGMENT_COLUMNS)
