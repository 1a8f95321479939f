"""Mailings in a log of which nobody says how customers were chosen: a loop beside, balance, and the Starbucks waves."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import workbench as wb
from workbench.errors import InputError, ParameterError
from workbench.log import ingest, open_log

BROUGHT = Path(__file__).parents[2] / "shared" / "data" / "starbucks"
START = dt.datetime(2018, 8, 1, tzinfo=dt.UTC)
BEFORE = ["purchases_before", "sales_before_cents"]


def units(*, chosen: bool) -> pl.DataFrame:
    draw = np.random.default_rng(2)
    before = draw.gamma(2, 500, 2_000)
    odds = before > 1_000 if chosen else draw.random(2_000) < 0.75
    return pl.DataFrame(
        {
            "arm": np.where(odds, "sent", "control"),
            "before": before,
            "y": before + draw.normal(0, 100, 2_000),
        }
    )


def test_arms_of_unknown_origin_that_are_alike_are_consistent_with_randomisation():
    read = wb.read_out(
        units(chosen=False), metrics=["y"], covariates=["before"], assignment="unknown"
    )
    assert read.passed
    assert read.sample_ratio is None
    assert "consistent with randomisation, which is no proof of it" in read.text


def test_arms_of_unknown_origin_that_differ_before_have_no_effect():
    read = wb.read_out(
        units(chosen=True), metrics=["y"], covariates=["before"], assignment="unknown"
    )
    assert read.verdict == "not identified"
    assert read.table.empty
    assert "consistent with randomisation" not in read.text


def test_without_a_covariate_nothing_tests_arms_of_unknown_origin():
    read = wb.read_out(units(chosen=False), metrics=["y"], assignment="unknown")
    assert read.verdict == "not identified"
    assert "without a covariate nothing tests whether it was by lot" in read.text


def test_shares_that_are_given_are_held_against_arms_of_unknown_origin():
    read = wb.read_out(
        units(chosen=False),
        metrics=["y"],
        covariates=["before"],
        assignment="unknown",
        shares={"sent": 1, "control": 1},
    )
    assert read.verdict == "not identified"


@pytest.fixture(scope="module")
def starbucks(tmp_path_factory: pytest.TempPathFactory):
    if not BROUGHT.is_dir():
        pytest.skip("the Starbucks log is not part of the project; it is brought along")
    folder = tmp_path_factory.mktemp("starbucks") / "log"
    ingest(BROUGHT, "starbucks", folder)
    return open_log(folder)


def test_units_of_a_wave_are_those_of_a_loop_over_the_log(starbucks):
    at = START + dt.timedelta(days=7)
    found = wb.wave_units(starbucks, at)
    rows = starbucks.to_polars(["person_id", "ts", "type", "amount_cents"])
    known = rows.filter(pl.col("ts") < at)["person_id"].unique()
    assert sorted(found["person_id"]) == sorted(known)
    mine = rows.filter(pl.col("ts") == at, pl.col("type") == "offer_received")
    sent = set(mine["person_id"]) & set(known)
    assert set(found.filter(pl.col("arm") == "sent")["person_id"]) == sent
    inside = rows.filter(
        pl.col("type") == "purchase", pl.col("ts") > at, pl.col("ts") <= at + dt.timedelta(days=7)
    ).join(known.to_frame(), on="person_id")
    assert found["purchases"].sum() == inside.height
    assert found["sales_cents"].sum() == inside["amount_cents"].sum()


def test_the_starbucks_waves_are_read_out_as_consistent_with_randomisation(starbucks):
    for day in (7, 14, 17, 21):
        frame = wb.wave_units(starbucks, START + dt.timedelta(days=day))
        read = wb.read_out(
            frame, metrics=["sales_cents", "bought"], covariates=BEFORE, assignment="unknown"
        )
        assert read.passed, f"day {day}: {read.text}"
        assert "consistent with randomisation" in read.text


def test_what_is_no_wave_is_refused(starbucks):
    with pytest.raises(InputError, match="nobody who was known before got offer_received"):
        wb.wave_units(starbucks, START + dt.timedelta(days=8))
    with pytest.raises(InputError, match="the log ends before the window of 7 days does"):
        wb.wave_units(starbucks, START + dt.timedelta(days=29))
    with pytest.raises(ParameterError, match="must have a time zone"):
        wb.wave_units(starbucks, dt.datetime(2018, 8, 8))  # noqa: DTZ001 - the point
