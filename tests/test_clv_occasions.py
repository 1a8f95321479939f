"""Summaries by whole occasions for BG/BB: by hand, against the published donors, what is refused."""

from __future__ import annotations

import importlib.util
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.clv import fit_clv, occasion_summary
from workbench.errors import InputError, ParameterError


def summarise(*rows, every="month", **more):
    frame = pl.DataFrame(rows, schema=["who", "day", "usd"], orient="row")
    return occasion_summary(frame, every=every, customer="who", date="day", amount="usd", **more)


DATA = Path(importlib.util.find_spec("lifetimes").submodule_search_locations[0]) / "datasets"
SMALL = [
    ("a", "2024-01-31", 5.0),
    ("a", "2024-02-01", 8.0),
    ("a", "2024-02-20", 2.0),
    ("a", "2024-05-02", 4.0),
    ("b", "2024-04-10", 7.0),
    ("b", "2024-04-30", 1.0),
]


def test_summary_by_hand():
    found = summarise(*SMALL, until="2024-05-31")
    assert found.frame.rows() == [("a", 2, 4.0, 4.0, 7.0), ("b", 0, 0.0, 1.0, None)]
    assert found.unit == "month"
    assert "bought again in 2 months of 5 that could have had a purchase" in found.text


def test_occasion_that_is_not_over_is_not_counted():
    found = summarise(*SMALL, until="2024-05-30")
    assert found.frame.rows() == [("a", 1, 1.0, 3.0, 10.0), ("b", 0, 0.0, 0.0, None)]
    assert "Left out: 1 purchase day in the month not over by 2024-05-30." in found.text


@pytest.mark.parametrize(
    ("every", "ends", "begins"),
    [
        ("day", "2024-03-02", "2024-03-03"),
        ("week", "2024-03-03", "2024-03-04"),  # Sunday and Monday
        ("month", "2024-02-29", "2024-03-01"),
        ("quarter", "2024-03-31", "2024-04-01"),
        ("year", "2023-12-31", "2024-01-01"),
        ("week", "1969-12-28", "1969-12-29"),
    ],
)
def test_two_days_on_both_sides_of_an_end_are_two_occasions(every, ends, begins):
    day = date.fromisoformat(ends)
    until = day + timedelta(days=800)
    found = summarise(("a", ends, 1.0), ("a", begins, 3.0), every=every, until=until)
    assert found.frame.select("frequency", "recency", "monetary_cents").rows() == [(1, 1.0, 3.0)]
    before = day - timedelta(days=1) if every != "day" else day
    same = summarise(("a", str(before), 1.0), ("a", ends, 3.0), every=every, until=until)
    assert same.frame["frequency"].to_list() == [0]


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 200), st.integers(1, 3)),
        min_size=1,
        max_size=20,
    )
)
def test_summary_equals_counting_by_hand(rows):
    start, last = date(2024, 1, 1), 8  # the ninth month, September, is over
    seen = {}
    for who, day, usd in rows:
        months = seen.setdefault(str(who), {})
        month = (start + timedelta(days=day)).month - 1
        months[month] = months.get(month, 0) + usd
    expected = []
    for who in sorted(seen):
        first, *later = sorted(seen[who])
        paid = [seen[who][month] for month in later]
        recency = float(max(later, default=first) - first)
        mean = sum(paid) / len(paid) if paid else None
        expected.append((who, len(later), recency, float(last - first), mean))
    found = summarise(
        *[(str(who), str(start + timedelta(days=day)), float(usd)) for who, day, usd in rows],
        until="2024-09-30",
    )
    assert found.frame.rows() == expected


def test_donors_of_the_paper_by_way_of_gifts_on_days_give_the_published_fit(donors):
    fit = fit_clv(donors, purchases="bg_bb", spend=None, method="mle")
    assert fit.log_likelihood == pytest.approx(-33225.5813, abs=0.01)
    published = {"alpha": 1.204, "beta": 0.750, "gamma": 0.657, "delta": 2.783}
    assert fit.parameters == pytest.approx(published, abs=1e-2)
    total = fit.expected_purchases(5 * 365.2425).sum()
    assert total == pytest.approx(12884.2, abs=15)


@pytest.fixture(scope="module")
def donors():
    """Return the 11,104 donors of 1995, with a gift in each year that their history says."""
    rows = pl.read_csv(DATA / "donations.csv")
    gifts, who = [], 0
    for x, t_x, customers in rows.select("frequency", "recency", "weights").iter_rows():
        years = [*range(1, x), t_x] if x else []
        days = [f"{1995 + year}-0{1 + year}-15" for year in (0, *years)]
        for _ in range(customers):
            gifts += [(who, day) for day in days]
            who += 1
    frame = pl.DataFrame(gifts, schema=["who", "day"], orient="row")
    return occasion_summary(frame, every="year", customer="who", date="day", until="2001-12-31")


def test_summary_without_amounts_has_none():
    frame = pl.DataFrame({"who": ["a", "a"], "day": ["2024-01-01", "2024-02-01"]})
    found = occasion_summary(frame, every="month", customer="who", date="day", until="2024-02-29")
    assert not found.has_amounts


def test_refunds_follow_the_rule_of_the_other_summary():
    rows = [*SMALL, ("a", "2024-02-25", -6.0)]
    with pytest.raises(InputError, match="a refund is not a purchase"):
        summarise(*rows)
    assert summarise(*rows, refunds="net", until="2024-03-31").frame["monetary_cents"][0] == 8.0


def test_data_without_an_occasion_that_is_over_are_not_enough():
    with pytest.raises(InputError, match="no purchase lies in a year that is over by 2024-05-02"):
        summarise(*SMALL, every="year")


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"every": "yaer"}, r"every was 'yaer', must be 'day', .* did you mean 'year'\?"),
        ({"until": "2024"}, "until was '2024', must be a date such as"),
    ],
)
def test_bad_argument_is_refused(more, match):
    with pytest.raises(ParameterError, match=match):
        summarise(*SMALL, **more)
