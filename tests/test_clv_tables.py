"""Other people's tables of transactions: dates as text, offsets, separators, decimal commas."""

from __future__ import annotations

import warnings
from datetime import date, timedelta
from pathlib import Path

import papermill
import polars as pl
import pytest

from workbench.clv import occasion_summary, rfm_summary
from workbench.errors import InputError, ParameterError
from workbench.run import open_purchases
from workbench.run.parameters import ValueCustomers, ValueOffer
from workbench.run.paths import root
from workbench.streams import stream


def ages(days, **more):
    """Return T of a customer for each of some first days, up to the end of April 2023."""
    frame = pl.DataFrame({"who": [f"c{k}" for k in range(len(days))], "day": days})
    made = rfm_summary(frame, customer="who", date="day", until="2023-04-30", **more)
    return made.frame.sort("customer")["T"].to_list()


@pytest.mark.parametrize(
    ("days", "more"),
    [
        (["04.05.2023", "14.04.2023"], {"date_format": "%d.%m.%Y", "until": "2023-05-10"}),
        (["05/04/2023 23:59"], {"date_format": "%m/%d/%Y %H:%M", "until": "2023-05-10"}),
    ],
)
def test_form_of_a_date_is_what_is_said_and_never_guessed(days, more):
    frame = pl.DataFrame({"who": range(len(days)), "day": days})
    found = rfm_summary(frame, customer="who", date="day", **more).frame["T"].to_list()
    assert found[0] == (date(2023, 5, 10) - date(2023, 5, 4)).days
    with pytest.raises(InputError, match=r"is not a date such as 1997-09-30 \(say its form"):
        rfm_summary(frame, customer="who", date="day")


def test_text_with_an_offset_has_the_day_that_is_written_or_that_of_a_zone():
    days = ["2023-04-14T23:57:18-07:00", "2023-04-14 01:57Z", "2023-04-14T01:57:00.25+0200"]
    assert ages(days) == [16, 16, 16]
    assert ages(days, zone="America/New_York") == [15, 17, 17]
    assert ages(days, zone="UTC") == [15, 16, 17]


def test_instants_of_a_form_with_an_offset_get_their_day_in_the_zone():
    days = ["14 Apr 2023 23:57 -0700"]
    form = "%d %b %Y %H:%M %z"
    assert ages(days, date_format=form, zone="America/Los_Angeles") == [16]
    assert ages(days, date_format=form) == [15]  # UTC


@pytest.mark.parametrize(
    ("days", "more", "error", "match"),
    [
        (["2023-04-14", "14.4.23"], {"date_format": "%Y-%m-%d"}, InputError,
         r"date \(day\) is not of the form %Y-%m-%d in 1 row; the first is row 2: '14.4.23'"),
        ([date(2023, 4, 14)], {"date_format": "%Y"}, ParameterError, "day is no text"),
        (["2023-04-14 10:00"], {"zone": "UTC"}, ParameterError, "day has no time zone"),
        (["2023-02-30"], {}, InputError, "is not a date such as 1997-09-30"),
        (["2023-04-14 10 o'clock"], {}, InputError, "is not a date such as 1997-09-30"),
    ],
)  # fmt: skip
def test_date_of_another_form_is_refused_with_its_row(days, more, error, match):
    with pytest.raises(error, match=match):
        ages(days, **more)


def test_occasions_read_dates_of_a_form_too():
    frame = pl.DataFrame({"who": ["a", "a"], "day": ["01.03.2021", "24.12.2022"]})
    found = occasion_summary(
        frame, every="year", customer="who", date="day", date_format="%d.%m.%Y", until="2022-12-31"
    )
    assert found.frame.select("frequency", "T").rows() == [(1, 1.0)]


def test_csv_with_semicolons_and_decimal_commas_is_read_where_that_is_said(tmp_path):
    file = tmp_path / "laden.csv"
    file.write_text("Kunde Nr;Datum;Betrag\nK-1;04.05.2023;28,83\nK-1;06.05.2023;-3,83\n")
    source = open_purchases(file, separator=";", decimal_comma=True)
    summary = rfm_summary(
        source.purchases, customer="Kunde Nr", date="Datum", amount="Betrag", refunds="net",
        date_format="%d.%m.%Y", cents_per_unit=100,
    )  # fmt: skip
    assert summary.frame.rows() == [("K-1", 0, 0.0, 2.0, None)]
    with pytest.raises(InputError, match=r"laden.csv has one column, 'Kunde.*say separator=';'"):
        open_purchases(file)
    text = open_purchases(file, separator=";").purchases
    with pytest.raises(InputError, match="the type of Betrag was 'String', must be a number"):
        rfm_summary(
            text, customer="Kunde Nr", date="Datum", amount="Betrag", date_format="%d.%m.%Y"
        )


def test_dates_of_a_csv_file_stay_text(tmp_path):
    file = tmp_path / "shop.csv"
    file.write_text("client,day\n7,04/05/2023\n")
    assert open_purchases(file).purchases.collect_schema()["day"] == pl.String


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"separator": ";;"}, "must be one character"),
        ({"decimal_comma": True}, "another character"),
    ],
)
def test_separator_that_cannot_be_one_is_refused(tmp_path, more, match):
    with pytest.raises(ParameterError, match=match):
        open_purchases(tmp_path / "shop.csv", **more)


def test_empty_csv_file_is_refused_by_name(tmp_path):
    (tmp_path / "none.csv").touch()
    with pytest.raises(InputError, match=r"none.csv is not readable as CSV"):
        open_purchases(tmp_path / "none.csv")


def write_laden(folder):
    """Write purchases of 250 customers as a German till does, and who was assigned to which arm."""
    rng = stream(7, "clv/tables")
    rows, arms = [], []
    for k in range(250):
        at, leaves = rng.uniform(0, 120), rng.exponential(200)
        end, mean = min(at + leaves, 360), rng.gamma(9, 3)
        while at < end:
            paid = rng.gamma(5, mean / 5)
            rows.append((k, at, paid))
            if rng.random() < 0.05:
                rows.append((k, at + 1, -paid))
            at += rng.exponential(14)
        arms.append(f"K-{k:03};{'mit' if k % 2 else 'ohne'}")
    start = date(2022, 3, 1)
    lines = [
        f"K-{k:03};{start + timedelta(days=int(at)):%d.%m.%Y};{f'{paid:.2f}'.replace('.', ',')}"
        for k, at, paid in rows
    ]
    (folder / "laden.csv").write_text("\n".join(["Kunde Nr;Datum;Betrag", *lines]))
    (folder / "gruppen.csv").write_text("\n".join(["Kunde Nr;Gruppe", *arms]))


@pytest.mark.parametrize("model", [ValueCustomers, ValueOffer])
def test_table_of_which_a_column_is_not_named_is_told_so_by_name(model):
    with pytest.raises(ParameterError, match=r"^p: amount was '', must name a column of the table"):
        model.from_yaml("{customer: Kunde Nr, date: Datum}", source="p")
    assert model.from_yaml("{}", source="p").columns == {"refunds": "refuse"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("notebook", "more", "said"),
    [
        ("60_value_customers", {"clv": "clv", "holdout_days": 60}, "holdout_ratio"),
        (
            "61_value_of_an_offer",
            {"units": "gruppen.csv", "unit": "Kunde Nr", "arm": "Gruppe", "control_arm": "ohne"},
            "A customer of “mit” is worth",
        ),
    ],
)
def test_notebook_runs_by_plain_papermill_on_a_table_that_is_none_of_ours(
    tmp_path, notebook, more, said
):
    write_laden(tmp_path)
    paths = {key: str(tmp_path / more[key]) for key in ("clv", "units") if key in more}
    table = {
        "log": str(tmp_path / "laden.csv"), "customer": "Kunde Nr", "date": "Datum",
        "amount": "Betrag", "separator": ";", "decimal_comma": True, "date_format": "%d.%m.%Y",
        "refunds": "net", "purchases": "pareto_nbd",
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # papermill announces the next versions of others
        made = papermill.execute_notebook(
            root(Path(__file__).parent) / "notebooks" / f"{notebook}.ipynb",
            tmp_path / "made.ipynb",
            parameters=table | more | paths,
            cwd=root(Path(__file__).parent),
            progress_bar=False,
        )
    assert said in str(made.cells)
