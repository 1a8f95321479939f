"""Arguments against annotations: what fits, what does not, and that a right one is never refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
import polars as pl
import pytest

from workbench.arguments import checked, fits
from workbench.errors import ParameterError


class Named(Protocol):
    name: str

    def rename(self) -> None: ...


class Person:
    name = "ann"

    def rename(self) -> None: ...


CASES = [
    (int, [0, np.int64(3)], [True, 2.5, float("nan"), "3", None]),
    (float, [0, 2.5, np.float64(1), float("nan")], [True, "2.5", None]),
    (bool, [True, False], [1, "yes", None]),
    (str | Path, ["a", Path("a")], [b"a", None, 3]),
    (datetime | None, [datetime(2024, 1, 1), pd.Timestamp("2024-01-01"), None], ["2024-01-01"]),  # noqa: DTZ001 - a kind, not an instant
    (Literal["day", "week"], ["day", "week"], ["month", None, 3]),
    (Sequence[str], [["a"], ("a",), []], ["a", b"a", [1], None, {"a"}]),
    (tuple[str, ...], [("a", "b"), ()], [["a"], (1,)]),
    (tuple[int, int] | None, [(1, 2), None], [3, "ab"]),
    (Mapping[str, float], [{"a": 1.0}, {}], [["a"], None, {"a": "1"}, {1: 1.0}]),
    (Callable[[int], int], [abs, lambda n: n], [3, None]),
    (pd.DataFrame | pl.DataFrame | pl.LazyFrame, [pl.DataFrame(), pl.LazyFrame()], [[], None, {}]),
    (Named, [Person()], [None, "ann", {"name": "ann"}]),
    (Any, [None, 3, object()], []),
    (object, [None, True, 3], []),
]


@pytest.mark.parametrize(("hint", "right", "wrong"), CASES, ids=[str(case[0]) for case in CASES])
def test_a_kind_takes_what_it_names_and_nothing_else(hint, right, wrong):
    assert [value for value in right if not fits(value, hint)] == []
    assert [value for value in wrong if fits(value, hint)] == []


@checked
def planned(
    source: str | Path, *rows: int, frame: pd.DataFrame | None = None, **digests: str
) -> tuple[int, int]:
    """Count rows and digests."""
    return len(rows), len(digests)


def test_right_arguments_go_through_unchanged():
    assert planned("a", 1, 2, log="9f") == (2, 1)
    assert planned(source=Path("a"), frame=pd.DataFrame()) == (0, 0)
    assert planned.__doc__ == "Count rows and digests."


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: planned(None), "source was None, must be a text or a path"),
        (lambda: planned("a", 1, "2"), "rows was '2', must be a whole number"),
        (lambda: planned("a", log=3), "digests was 3, must be a text"),
        (
            lambda: planned("a", frame=[]),
            r"frame was \[\], must be a pandas or Polars frame or None",
        ),
    ],
)
def test_a_wrong_argument_is_named_with_what_it_must_be(call, match):
    with pytest.raises(ParameterError, match=match):
        call()


def test_a_missing_argument_is_python_s_own_error():
    with pytest.raises(TypeError, match="missing a required argument: 'source'"):
        planned()


@checked
def counted(unit: Literal["day", "week"], *, of: Sequence[Literal["sales", "visits"]] = ()) -> str:
    return f"{len(of)} by {unit}"


def test_a_word_that_there_is_not_is_refused_with_the_words_that_there_are():
    with pytest.raises(
        ParameterError, match="unit was 'weak', must be 'day' or 'week' — did you mean 'week'"
    ):
        counted("weak")
    with pytest.raises(ParameterError, match="each is 'sales' or 'visits' — did you mean 'visits'"):
        counted("day", of=["sales", "visit"])
