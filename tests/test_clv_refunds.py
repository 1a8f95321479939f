"""The rule for refunds: refused, left out or netted; never a purchase, never over the end."""

from __future__ import annotations

import polars as pl
import pytest

from workbench.clv import rfm_summary
from workbench.errors import InputError, ParameterError

ROWS = [
    ("a", "2024-01-01", 10.0),
    ("a", "2024-01-05", 20.0),
    ("a", "2024-01-07", -5.0),
    ("a", "2024-01-09", 30.0),
    ("b", "2024-01-02", 8.0),
    ("b", "2024-01-02", -3.0),
    ("b", "2024-01-04", 6.0),
]


def summarise(*rows, refunds="net", **more):
    frame = pl.DataFrame(rows or ROWS, schema=["who", "day", "usd"], orient="row")
    return rfm_summary(frame, customer="who", date="day", amount="usd", refunds=refunds, **more)


def test_refunds_are_refused_by_default_with_the_choices():
    frame = pl.DataFrame(ROWS, schema=["who", "day", "usd"], orient="row")
    with pytest.raises(InputError, match=r"in 2 rows; the first is row 3: -5.0") as caught:
        rfm_summary(frame, customer="who", date="day", amount="usd")
    assert "refunds='leave_out' or 'net'" in str(caught.value)


def test_refund_left_out_is_no_purchase_and_is_counted():
    found = summarise(refunds="leave_out")
    assert found.frame.rows() == [("a", 2, 8.0, 8.0, 25.0), ("b", 1, 2.0, 7.0, 6.0)]
    assert "Left out: 2 refunds." in found.text


def test_refund_netted_lowers_the_last_purchase_day_before_it():
    # a: (20 − 5 + 30) / 2; b: her refund is of the first day, which no mean has.
    found = summarise()
    assert found.frame.rows() == [("a", 2, 8.0, 8.0, 22.5), ("b", 1, 2.0, 7.0, 6.0)]
    assert "refund" not in found.text


def test_refund_of_more_than_the_day_lowers_it_to_zero_and_the_day_stays():
    rows = [("a", "2024-01-01", 9.0), ("a", "2024-01-03", 4.0), ("a", "2024-01-04", -7.0)]
    assert summarise(*rows).frame.rows() == [("a", 1, 2.0, 3.0, 0.0)]


def test_refund_before_any_purchase_is_left_out_and_counted():
    rows = [("a", "2024-01-01", -9.0), ("a", "2024-01-03", 4.0), ("a", "2024-01-05", 6.0)]
    found = summarise(*rows)
    assert found.frame.rows() == [("a", 1, 2.0, 2.0, 6.0)]
    assert "Left out: 1 refund." in found.text


def test_refund_after_the_end_changes_nothing_before_it():
    rows = [
        ("a", "2024-01-01", 9.0),
        ("a", "2024-01-03", 4.0),
        ("a", "2024-01-08", -1.0),
        ("a", "2024-01-09", 8.0),
        ("a", "2024-01-10", -2.0),
    ]
    found = summarise(*rows, until="2024-01-05", holdout_days=5)
    row = found.frame.row(0, named=True)
    assert (row["monetary_cents"], row["monetary_holdout_cents"]) == (4.0, 6.0)
    assert row["frequency_holdout"] == 1
    assert "1 refund for a purchase of an earlier time" in found.text
    known = summarise(*rows[:2], refunds="refuse").frame["monetary_cents"][0]
    assert known == row["monetary_cents"]


def test_refund_is_the_last_day_of_the_data_as_any_other_row_would_be():
    rows = [("a", "2024-01-01", 9.0), ("b", "2024-01-05", 1.0), ("a", "2024-01-09", -1.0)]
    assert str(summarise(*rows).until) == "2024-01-09"


def test_order_of_rows_changes_nothing():
    assert summarise(*reversed(ROWS)).frame.equals(summarise().frame)


def test_data_of_refunds_alone_are_not_enough():
    with pytest.raises(InputError, match="no purchase in the frame, only refunds"):
        summarise(("a", "2024-01-01", -1.0))


def test_unknown_rule_names_the_nearest():
    with pytest.raises(ParameterError, match=r"refunds was 'nett', .* did you mean 'net'\?"):
        summarise(refunds="nett")
