"""The profile of small logs, by hand: definitions, ties, as-of, zones, no data."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.clv import rfm_summary
from workbench.errors import InputError, ParameterError
from workbench.log import Log
from workbench.profile import COLUMNS, STAGES, LifecycleRules, profile

NEW_YORK = "America/New_York"


def instant(text):
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


class MemoryLog(Log):
    """A log that lies in memory and not in a folder."""

    first_ts = last_ts = None

    def __init__(self, **parts):
        self.__dict__.update(parts)


def log_of(events, *, zone="UTC"):
    """Return a log in memory with the coded columns that a stored log has."""
    books = {
        column: sorted({event[column] for event in events if event.get(column) is not None})
        for column in ("person", "type", "store", "category")
    }
    time = pl.Datetime("us", "UTC")
    rows = pl.DataFrame(
        {
            **{
                column: pl.Series(
                    [
                        None if event.get(column) is None else book.index(event[column])
                        for event in events
                    ],
                    dtype=pl.Int32,
                )
                for column, book in books.items()
            },
            "ts": pl.Series([event["ts"] for event in events], dtype=time),
            "known_at": pl.Series(
                [event.get("known_at", event["ts"]) for event in events], dtype=time
            ),
            "amount_cents": pl.Series([event.get("amount") for event in events], dtype=pl.Int64),
            "discount_cents": pl.Series(
                [event.get("discount") for event in events], dtype=pl.Int64
            ),
        }
    )

    def scan(types=None):
        frame = rows.lazy()
        codes = None if types is None else [books["type"].index(name) for name in types]
        return frame if codes is None else frame.filter(pl.col("type").is_in(codes))

    return MemoryLog(
        zone=zone,
        scan=scan,
        codes=lambda column: pl.Series(column, books[column], dtype=pl.String),
        counts={name: sum(event["type"] == name for event in events) for name in books["type"]},
        first_ts=min((event["ts"] for event in events), default=None),
        last_ts=max((event["ts"] for event in events), default=None),
    )


def buy(person, ts, amount=1000, **more):
    return {"person": person, "type": "purchase", "ts": instant(ts), "amount": amount, **more}


def line(person, ts, category):
    return {"person": person, "type": "purchase_line", "ts": instant(ts), "category": category}


def row(found, person):
    return found.frame.filter(pl.col("person_id") == person).row(0, named=True)


ANN = [
    buy("ann", "2024-01-01 08:00", 1000, discount=250, store="North"),
    buy("ann", "2024-01-01 12:30", 500, discount=0, store="South"),
    buy("ann", "2024-01-11 12:00", 1500, discount=750, store="South"),
    {"person": "ann", "type": "refund", "ts": instant("2024-01-12 09:00"), "amount": -300},
    line("ann", "2024-01-01 08:00", "Bread"),
    line("ann", "2024-01-01 08:00", "Milk"),
    line("ann", "2024-01-11 12:00", "Milk"),
    line("ann", "2024-01-11 12:00", None),
]
BOB = [{"person": "bob", "type": "app_open", "ts": instant("2024-01-05 10:00")}]


def test_every_column_by_hand():
    found = profile(log_of(ANN + BOB), as_of="2024-01-21")
    assert found.frame.columns == ["person", *COLUMNS]
    assert row(found, "ann") == {
        "person": 0,
        "person_id": "ann",
        "recency_days": 10,
        "tenure_days": 20,
        "purchases": 3,
        "purchase_days": 2,
        "mean_gap_days": 10.0,
        "paid_cents": 3000,
        "refund_cents": -300,
        "spend_cents": 2700,
        "mean_basket_cents": 1000.0,
        "discount_cents": 1000,
        "discount_rate": 0.25,
        "daypart": "lunch",
        "daypart_share": pytest.approx(2 / 3),
        "category": "Milk",
        "category_share": pytest.approx(2 / 3),
        "store": "South",
        "store_share": pytest.approx(2 / 3),
        "lifecycle_stage": "new",
    }


def test_person_without_a_purchase_is_a_prospect_with_nulls_and_not_zeros():
    bob = row(profile(log_of(ANN + BOB), as_of="2024-01-21"), "bob")
    known = {name for name, value in bob.items() if value is not None}
    assert known == {"person", "person_id", "purchases", "purchase_days", "lifecycle_stage"}
    assert (bob["purchases"], bob["purchase_days"], bob["lifecycle_stage"]) == (0, 0, "prospect")


def test_table_has_each_stage_and_text_the_counts():
    found = profile(log_of(ANN + BOB), as_of="2024-01-21")
    assert found.table["stage"].to_list() == list(STAGES)
    assert found.table["customers"].to_list() == [1, 1, 0, 0, 0]
    assert found.table["share_of_spend"].to_list()[1] == 1.0
    assert found.text == (
        "2 customers known at 2024-01-21 00:00 UTC: 1 prospect (50.0%) and 1 new (50.0%)."
    )


def test_text_names_first_who_is_late_but_not_gone():
    bought = [buy("cleo", "2024-01-01 08:00", 12_345)]
    found = profile(log_of(bought), as_of="2024-03-01")
    assert found.text.startswith(
        "1 customer is at risk, late against their own rhythm but not yet gone; they spent $123, "
        "100.0% of all spend."
    )
    assert found.headline == "100.0% of the customers are at risk"


def test_purchases_without_discounts_or_amounts_have_no_rate_and_no_sum():
    ann = row(profile(log_of([buy("ann", "2024-01-01 08:00", None)])), "ann")
    assert ann["paid_cents"] is ann["spend_cents"] is ann["discount_rate"] is None
    assert ann["mean_basket_cents"] is None


def test_free_baskets_have_no_discount_rate():
    ann = row(profile(log_of([buy("ann", "2024-01-01 08:00", 0, discount=0)])), "ann")
    assert ann["discount_rate"] is None
    assert ann["paid_cents"] == 0


def test_ties_go_to_the_earlier_part_of_the_day_and_the_first_name():
    events = [
        buy("ann", "2024-01-01 18:00", store="West", category="Tea"),
        buy("ann", "2024-01-02 08:00", store="East", category="Coffee"),
    ]
    ann = row(profile(log_of(events)), "ann")
    assert (ann["daypart"], ann["store"], ann["category"]) == ("breakfast", "East", "Coffee")
    assert ann["daypart_share"] == ann["store_share"] == 0.5


def test_days_and_hours_are_those_of_the_zone():
    events = [buy("ann", "2024-01-02 03:00"), buy("ann", "2024-01-02 15:30")]
    in_utc = row(profile(log_of(events), as_of="2024-01-03"), "ann")
    in_new_york = row(profile(log_of(events, zone=NEW_YORK), as_of="2024-01-03"), "ann")
    assert (in_utc["purchase_days"], in_utc["tenure_days"]) == (1, 1)
    assert (in_new_york["purchase_days"], in_new_york["tenure_days"]) == (2, 2)
    assert (in_utc["daypart"], in_new_york["daypart"]) == ("night", "breakfast")
    other = profile(log_of(events, zone=NEW_YORK), as_of="2024-01-03", zone="UTC")
    assert row(other, "ann")["purchase_days"] == 1


def test_event_learnt_later_is_not_seen():
    late = buy("ann", "2024-01-05 10:00", known_at=instant("2024-01-09 00:00"))
    log = log_of([buy("ann", "2024-01-01 10:00"), late])
    before = row(profile(log, as_of="2024-01-08T23:59:59+00:00"), "ann")
    after = row(profile(log, as_of="2024-01-09"), "ann")
    assert (before["purchases"], before["recency_days"]) == (1, 7)
    assert (after["purchases"], after["recency_days"]) == (2, 4)


@settings(deadline=None, max_examples=30)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 3), st.integers(0, 2)),
        min_size=1,
        max_size=15,
    ),
    cut=st.integers(0, 8),
)
def test_the_future_never_leaks(rows, cut):
    """The profile at an instant of the whole log is that of the log cut there."""
    start = instant("2024-01-01 12:00")
    day = dt.timedelta(days=1)
    events = [
        {**buy(f"p{who}", "2024-01-01 00:00", 100 + 7 * store, store=f"s{store}"),
         "ts": start + on * day, "known_at": start + (on + delay) * day}
        for who, on, delay, store in rows
    ]  # fmt: skip
    at = start + cut * day
    seen = [event for event in events if event["known_at"] <= at]
    if not seen:
        with pytest.raises(InputError, match="nothing is known"):
            profile(log_of(events), as_of=at)
        return
    whole = profile(log_of(events), as_of=at).frame.drop("person")
    cut_short = profile(log_of(seen), as_of=at).frame.drop("person")
    assert whole.equals(cut_short)
    for who in whole["person_id"]:
        days = [(event["ts"]).date() for event in seen if event["person"] == who]
        mine = whole.filter(pl.col("person_id") == who).row(0, named=True)
        assert mine["purchases"] == len(days)
        assert mine["purchase_days"] == len(set(days))
        assert mine["recency_days"] == (at.date() - max(days)).days
        assert mine["tenure_days"] == (at.date() - min(days)).days


RHYTHM = [buy("ann", f"2024-01-{day:02d} 10:00") for day in (1, 8, 15, 22)]
ONCE = [buy("ann", "2024-01-22 10:00")]


@pytest.mark.parametrize(
    ("events", "as_of", "stage"),
    [
        (RHYTHM, "2024-01-29", "new"),  # 28 days after the first purchase
        (RHYTHM, "2024-01-30", "active"),
        (RHYTHM, "2024-02-12", "active"),  # 21 days of silence = 3 gaps of 7
        (RHYTHM, "2024-02-13", "at_risk"),
        (RHYTHM, "2024-03-04", "at_risk"),  # 42 days = 6 gaps
        (RHYTHM, "2024-03-05", "lapsed"),
        (ONCE, "2024-03-07", "active"),  # 45 days, no rhythm
        (ONCE, "2024-03-08", "at_risk"),
        (ONCE, "2024-04-21", "at_risk"),
        (ONCE, "2024-04-22", "lapsed"),
    ],
)
def test_stage_at_each_limit(events, as_of, stage):
    assert row(profile(log_of(events), as_of=as_of), "ann")["lifecycle_stage"] == stage


def test_floor_keeps_a_daily_buyer_from_being_at_risk_after_a_weekend():
    daily = [buy("ann", f"2024-01-{day:02d} 10:00") for day in range(1, 31)]
    assert row(profile(log_of(daily), as_of="2024-02-13"), "ann")["lifecycle_stage"] == "active"
    no_floor = LifecycleRules(at_risk_floor_days=0, lapsed_floor_days=0)
    found = profile(log_of(daily), as_of="2024-02-13", rules=no_floor)
    assert row(found, "ann")["lifecycle_stage"] == "lapsed"


def test_rules_that_contradict_each_other_are_refused():
    with pytest.raises(
        ParameterError, match="must have lapsed_days of at least at_risk_days, 45; was 30"
    ):
        LifecycleRules.from_mapping({"lapsed_days": 30}, source="params/x.yaml")


def test_before_the_first_event_there_is_not_enough_data():
    with pytest.raises(
        InputError, match="not enough data: nothing is known at 2023-12-31 00:00 UTC"
    ):
        profile(log_of(ANN), as_of="2023-12-31")


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"as_of": "yesterday"}, "as_of was 'yesterday', must be an instant"),
        ({"zone": "America/Atlantis"}, "zone was 'America/Atlantis', must be an IANA time zone"),
    ],
)
def test_bad_argument_is_refused(more, match):
    with pytest.raises(ParameterError, match=match):
        profile(log_of(ANN), **more)


def test_clv_summary_over_a_log_counts_what_the_profile_counts():
    log = log_of([*ANN, buy("cat", "2024-01-03 09:00", 200)], zone=NEW_YORK)
    people = profile(log, as_of=instant("2024-01-12 09:00")).frame
    summary = rfm_summary(log)
    assert str(summary.until) == "2024-01-12"  # the log's last event, a refund, ends the data
    assert summary.frame["customer"].to_list() == people["person_id"].to_list()
    assert summary.frame["frequency"].to_list() == [n - 1 for n in people["purchase_days"]]
    assert summary.frame["T"].to_list() == people["tenure_days"].to_list()
    assert summary.frame["monetary_cents"].to_list() == [1500.0, None]
    assert "Left out: 1 refund." in summary.text
    netted = rfm_summary(log, refunds="net")
    assert netted.frame["monetary_cents"].to_list() == [1200.0, None]
    assert netted.frame["frequency"].to_list() == summary.frame["frequency"].to_list()


def test_clv_summary_over_a_log_without_purchases_is_not_enough_data():
    with pytest.raises(InputError, match="there is no purchase in the log"):
        rfm_summary(log_of(BOB))


def test_clv_summary_over_a_log_names_no_columns():
    with pytest.raises(ParameterError, match="a log has its own"):
        rfm_summary(log_of(ANN), customer="person_id")
