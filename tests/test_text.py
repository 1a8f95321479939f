"""Number formatting: borders, absent values and signs."""

from __future__ import annotations

import dataclasses
import inspect
import math
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import text
from workbench.errors import ParameterError

FORMATS = [
    text.count,
    text.number,
    text.money,
    text.whole_money,
    text.amount,
    text.share,
    text.change,
    text.p_value,
    text.days,
    text.duration,
    text.size,
]


def test_every_format_of_a_number_is_listed_here() -> None:
    """A new one is found, and so meets the laws below."""
    found = [
        function
        for name, function in inspect.getmembers(text, inspect.isfunction)
        if not name.startswith("_")
        and function.__module__ == text.__name__
        and "float | None" in str(next(iter(inspect.signature(function).parameters.values())))
        and len(
            [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
        )
        == 1
    ]
    assert sorted(f.__name__ for f in found) == sorted(f.__name__ for f in FORMATS)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("absent", [None, math.nan, math.inf, -math.inf, pd.NA, np.float64("nan")])
def test_what_is_not_there_is_a_dash(form, absent: object) -> None:
    assert form(absent) == "–"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", [int, float, np.int64, np.float64, Decimal])
def test_every_kind_of_number_reads_the_same(form, kind) -> None:
    assert form(kind(1)) == form(1)


@pytest.mark.parametrize("form", [f for f in FORMATS if f is not text.p_value])
@settings(deadline=None)
@given(x=st.floats(-1e12, 1e12))
def test_no_format_writes_a_hyphen_or_a_negative_zero(form, x: float) -> None:
    found = form(x)
    assert "-" not in found
    assert "e" not in found.replace("days", "").replace("bytes", ""), "no scientific notation"
    if found.startswith("−"):
        assert any(digit in found for digit in "123456789")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (text.count(1_469_307), "1,469,307"),
        (text.count(-1), "−1"),
        (text.number(-0.001), "0.00"),
        (text.number(0.5, 0), "0"),
        (text.number(12345.678, 3), "12,345.678"),
        (text.money(0), "$0.00"),
        (text.money(99), "$0.99"),
        (text.money(-123456), "−$1,234.56"),
        (text.money(0.5), "$0.00"),
        (text.money(1.5), "$0.02"),
        (text.money(-0.4), "$0.00"),
        (text.money(10**17 + 1), "$1,000,000,000,000,000.01"),
        (text.money(123, "€"), "€1.23"),
        (text.share(0), "0.0%"),
        (text.share(1), "100.0%"),
        (text.share(0.0004), "<0.1%"),
        (text.share(0.0006), "0.1%"),
        (text.share(0.9996), ">99.9%"),
        (text.share(0.5, 0), "50%"),
        (text.share(0.001, 0), "<1%"),
        (text.share(0.999, 0), ">99%"),
        (text.share(1.5), "150.0%"),
        (text.share(-0.2), "−20.0%"),
        (text.change(0.5), "+50.0%"),
        (text.change(-0.5), "−50.0%"),
        (text.change(-0.0001), "0.0%"),
        (text.p_value(0.05), "0.050"),
        (text.p_value(0.001), "0.001"),
        (text.p_value(0.00099), "<0.001"),
        (text.p_value(0), "<0.001"),
        (text.p_value(1), "1.000"),
        (text.days(1), "1 day"),
        (text.days(0), "0 days"),
        (text.days(1.0, 1), "1.0 days"),
        (text.duration(0), "0 ms"),
        (text.duration(0.9994), "999 ms"),
        (text.duration(0.9996), "1.0 s"),
        (text.duration(59.94), "59.9 s"),
        (text.duration(59.96), "1 min 0 s"),
        (text.duration(3599), "59 min 59 s"),
        (text.duration(3600), "1 h 0 min"),
        (text.duration(7199), "2 h 0 min"),
        (text.duration(-90), "−1 min 30 s"),
        (text.size(0), "0 B"),
        (text.size(999), "999 B"),
        (text.size(1000), "1.0 kB"),
        (text.size(999_960), "1.0 MB"),
        (text.size(5e15), "5,000.0 TB"),
        (text.plural(1, "reply", "replies"), "1 reply"),
        (text.plural(2, "reply", "replies"), "2 replies"),
        (text.plural(None, "customer"), "– customers"),
        (text.listing(["a", "b", "c"]), "a, b and c"),
        (text.listing(["a", "b"], "or"), "a or b"),
        (text.listing([]), "nothing"),
        (text.sentence(" done "), "Done."),
        (text.sentence(""), ""),
        (text.span("1", "2"), "1 to 2"),
        (text.span("1", "–"), "–"),
        (text.interval("1", "2", 0.9), "90% interval 1 to 2"),
        (text.interval("–", "2"), "–"),
    ],
)
def test_a_value_at_a_border(found: str, expected: str) -> None:
    assert found == expected


# -- instants ----------------------------------------------------------------------------

NOON = datetime(2017, 7, 1, 16, 0, tzinfo=UTC)


def test_an_instant_is_written_in_its_zone() -> None:
    assert text.instant(NOON) == "2017-07-01 16:00 UTC"
    assert text.instant(NOON, "America/New_York") == "2017-07-01 12:00 America/New_York"
    assert text.instant(pd.Timestamp(NOON), "Asia/Kolkata") == "2017-07-01 21:30 Asia/Kolkata"
    assert text.instant(int(NOON.timestamp()) * 1_000_000) == "2017-07-01 16:00 UTC"


def test_a_day_depends_on_the_zone() -> None:
    late = datetime(2017, 7, 1, 1, 0, tzinfo=UTC)
    assert (text.day(late), text.day(late, "America/New_York")) == ("2017-07-01", "2017-06-30")
    assert text.day(date(2017, 7, 1), "America/New_York") == "2017-07-01"


@pytest.mark.parametrize("form", [text.instant, text.day])
@pytest.mark.parametrize("absent", [None, pd.NaT])
def test_an_absent_instant_is_a_dash(form, absent: object) -> None:
    assert form(absent) == "–"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "america"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ParameterError, match="must be an IANA time zone"):
        text.instant(NOON, zone)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ParameterError, match="must be an instant with a zone"):
        text.instant(datetime(2017, 7, 1))  # noqa: DTZ001 - the fault


# -- results -----------------------------------------------------------------------------


def test_a_result_is_frozen_and_prints_its_sentence() -> None:
    result = text.Result(table=pd.DataFrame({"n": [1]}), text="One <b>row</b>.")
    assert str(result) == "One <b>row</b>."
    assert result._repr_markdown_() == "One &lt;b&gt;row&lt;/b&gt;."
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.text = "other"  # type: ignore[misc]  # the fault


def test_a_result_can_be_extended() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
    class Lift(text.Result):
        passed: bool

    assert Lift(table=pd.DataFrame(), text="t", passed=True).passed


@pytest.mark.parametrize(
    "markup",
    ["</script><script>x</script>", "<img src=x onerror=y>", "$x$", "[a](b)", "`c`", "a|b", "# h"],
)
def test_markup_in_a_text_is_inert(markup: str) -> None:
    found = text.inert(markup)
    assert "<" not in found
    for letter in "`*_[]$|~#":
        assert found.count(letter) == found.count(f"\\{letter}")
