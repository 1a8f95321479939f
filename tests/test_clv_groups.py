"""Value by group and its spread: no customer and no cent gets lost."""

from __future__ import annotations

import pandas as pd
import polars as pl
import pytest

from workbench.clv import value_by, value_spread
from workbench.clv.value import CustomerValue, Horizon
from workbench.errors import InputError, ParameterError

VALUE = pl.DataFrame(
    {"customer": ["ann", "bob", "cleo", "dan"], "clv_cents": [600.0, 200.0, 100.0, 100.0]}
)
PEOPLE = pd.DataFrame(
    {"person_id": ["ann", "bob", "cleo", "zoe"], "segment": ["loyal", "loyal", None, "new"]}
)


def worth(cents: list[float]) -> CustomerValue:
    frame = pl.DataFrame({"clv_cents": cents}, schema={"clv_cents": pl.Float64})
    return CustomerValue(
        frame=frame,
        horizon_days=30,
        total_cents=sum(cents),
        total_low_cents=float("nan"),
        total_high_cents=float("nan"),
        level=0.9,
        fit=None,  # a spread reads the frame alone
        horizon=Horizon(30, 0.0, 1.0),
        table=pd.DataFrame(),
        text="x",
    )


def test_value_by_group_is_the_one_counted_by_hand():
    found = value_by(VALUE, PEOPLE, "segment")
    assert found.table.to_dict("list") == {
        "segment": ["loyal", "not known"],
        "customers": [2, 2],
        "clv_cents": [400.0, 100.0],
        "share": [0.5, 0.5],
        "share_of_value": [0.8, 0.2],
    }
    assert "80.0% of the value with 50.0% of the customers" in found.text


def test_groups_add_up_to_all_customers_and_all_value_and_a_lost_customer_would_show():
    def adds_up(table: pd.DataFrame) -> bool:
        cents = (table["clv_cents"] * table["customers"]).sum()
        return table["customers"].sum() == 4 and cents == pytest.approx(1000)

    table = value_by(VALUE, PEOPLE, "segment").table
    assert adds_up(table)
    assert not adds_up(table[table["segment"] != "not known"])


def test_value_of_nothing_has_no_share():
    free = VALUE.with_columns(clv_cents=pl.lit(0.0))
    found = value_by(free, PEOPLE, "segment")
    assert found.table["share_of_value"].isna().all()
    assert found.text.startswith("Not enough data: the customers have no value in all")


def test_the_frames_of_the_caller_are_not_changed():
    before, people = VALUE.clone(), PEOPLE.copy()
    value_by(VALUE.to_pandas(), PEOPLE, "segment")
    value_by(VALUE, PEOPLE, "segment")
    assert VALUE.equals(before)
    assert PEOPLE.equals(people)


@pytest.mark.parametrize(
    ("people", "column", "kind", "match"),
    [
        (PEOPLE, "segmnt", ParameterError, "column was 'segmnt', .* did you mean 'segment'"),
        (None, "segment", ParameterError, "customers was None, must be a pandas or Polars frame"),
        (PEOPLE.iloc[:0], "segment", InputError, "not enough data: there is no customer"),
        (pd.concat([PEOPLE, PEOPLE]), "segment", InputError, "some person_id occurs twice"),
        (
            PEOPLE.assign(person_id=["ann", None, "cleo", "zoe"]),
            "segment",
            InputError,
            "must each have a person_id",
        ),
    ],
)
def test_customers_that_are_not_one_row_each_are_refused(people, column, kind, match):
    with pytest.raises(kind, match=match):
        value_by(VALUE, people, column)


def test_customers_of_whom_nobody_has_a_value_are_refused():
    value = pl.DataFrame({"customer": [1.0, 2.0], "clv_cents": [600.0, 200.0]})
    people = pd.DataFrame({"person_id": [1, 2], "segment": ["loyal", "new"]})
    with pytest.raises(InputError, match=r"person_id is such as '1', .* such as '1\.0'"):
        value_by(value, people, "segment")


def test_value_that_is_missing_is_refused():
    with pytest.raises(InputError, match="no customer has a value"):
        value_by(VALUE.clear(), PEOPLE, "segment")
    with pytest.raises(InputError, match="the value has no column 'clv_cents'"):
        value_by(VALUE.drop("clv_cents"), PEOPLE, "segment")


def test_every_customer_is_in_one_bin_and_the_last_holds_the_top():
    cents = [0.0, *[10.0] * 98, 1_000_000.0]
    found = value_spread(worth(cents), bins=4)
    assert found["customers"].tolist()[0] == 99
    assert found["customers"].sum() == len(cents)
    assert found["customers"].tolist()[-1] >= 1
    assert found["bin_high_cents"].tolist()[:-1] == found["bin_low_cents"].tolist()[1:]
    assert found["bin_low_cents"][0] == 0


def test_customers_without_value_are_in_the_first_bin():
    assert value_spread(worth([0.0, 0.0]), bins=3)["customers"].tolist() == [2, 0, 0]


def test_no_customer_or_no_bin_is_refused():
    with pytest.raises(InputError, match="no customer has a value"):
        value_spread(worth([]))
    for bins in (0, 201):
        with pytest.raises(ParameterError, match=f"bins was {bins}, must be 1 to 200"):
            value_spread(worth([1.0]), bins=bins)
    for bins in (2.5, True):
        with pytest.raises(ParameterError, match=f"bins was {bins}, must be a whole number"):
            value_spread(worth([1.0]), bins=bins)
