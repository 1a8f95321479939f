"""Answers and tables for readers: sentences of results, values written by name, markup inert."""

from __future__ import annotations

import pandas as pd
import pytest

from workbench import report
from workbench.errors import InputError, ParameterError
from workbench.text import Result

RESULT = Result(
    table=pd.DataFrame({"segment": ["at_risk"], "customers": [1126], "share": [0.25]}),
    text="1,126 customers are <b>at risk</b>.",
)


def test_an_answer_is_the_sentences_of_its_results_in_their_order():
    answer = report.answer(RESULT, "The log is whole.")
    assert str(answer).split() == [
        "1,126",
        "customers",
        "are",
        "<b>at",
        "risk</b>.",
        "The",
        "log",
        "is",
        "whole.",
    ]


def test_markup_in_an_answer_is_inert():
    shown = report.answer(RESULT, "![x](http://example.com) *now*")._repr_mimebundle_()
    assert "<b>" not in shown["text/markdown"]
    assert r"\*now\*" in shown["text/markdown"]
    assert "!\\[x\\]" in shown["text/markdown"]


def test_an_answer_with_nothing_to_say_is_refused():
    for nothing in ((), ("",)):
        with pytest.raises(ParameterError, match="an answer needs at least one sentence"):
            report.answer(*nothing)


def test_an_answer_of_something_without_a_sentence_is_refused():
    with pytest.raises(ParameterError, match="must be a result or a text"):
        report.answer(RESULT.table)


def test_values_are_written_by_the_names_of_their_columns():
    written = report.table(RESULT).written
    assert written.to_dict("list") == {
        "segment": ["at risk"],
        "customers": ["1,126"],
        "share of customers": ["25.0%"],
    }


def test_chosen_columns_stand_in_the_chosen_order():
    written = report.table(RESULT, ["share", "segment"]).written
    assert written.columns.tolist() == ["share of customers", "segment"]


def test_markup_in_a_table_is_escaped():
    frame = pd.DataFrame({"name": ["<img onerror=alert(1)>"]})
    html = report.table(frame)._repr_mimebundle_()["text/html"]
    assert "<img" not in html
    assert "&lt;img" in html


def test_a_column_that_is_not_there_and_too_many_rows_are_refused():
    with pytest.raises(ParameterError, match=r"column was 'segmnt', .* did you mean 'segment'"):
        report.table(RESULT, ["segmnt"])
    with pytest.raises(InputError, match="number of rows was 61, must be at most 60"):
        report.table(pd.DataFrame({"n": range(61)}))
    with pytest.raises(ParameterError, match="shown was None, must be"):
        report.table(None)


def test_the_table_of_the_caller_is_not_changed():
    before = RESULT.table.copy()
    report.table(RESULT)
    assert RESULT.table.equals(before)
