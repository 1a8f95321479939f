"""Reference tables as columns: as of the decision, in the customer's zone, in columns and singly."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_log import small_log
from workbench.decision.consent import consent_arrays
from workbench.decision.context import (
    CALENDAR_COLUMNS,
    EVENT_COLUMNS,
    LOCAL_TIME_COLUMNS,
    REFERENCE_COLUMNS,
)
from workbench.decision.dated import DatedTable
from workbench.decision.load import load_programmes
from workbench.decision.reference import References, log_columns
from workbench.errors import InputError, ParameterError
from workbench.records import NO, UNKNOWN, YES

NAMES = (*EVENT_COLUMNS, *LOCAL_TIME_COLUMNS, *CALENDAR_COLUMNS, *REFERENCE_COLUMNS)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


TABLES = {
    "customers": pl.DataFrame(
        {
            "customer_id": ["ann", "ann", "bob", "cat"],
            "city": ["Oslo", "Bergen", "Zug", "Rome"],
            "tier": ["basic", "gold", None, "basic"],
            "tz": ["Europe/Oslo", "Europe/Oslo", "America/New_York", None],
            "valid_from": [None, at("2024-03-01T00:00"), at("2024-02-01T00:00"), None],
            "valid_to": [at("2024-03-01T00:00"), None, at("2024-05-01T00:00"), None],
        },
        schema_overrides={
            "valid_from": pl.Datetime("us", "UTC"),
            "valid_to": pl.Datetime("us", "UTC"),
        },
    ),
    "stores": pl.DataFrame(
        {"store_id": ["s1", "s2"], "has_cafe": [True, False], "place": ["north", "south"]}
    ),
    "weather": pl.DataFrame(
        {
            "place": ["north", "north", "south"],
            "hour": [at("2024-03-01T00:00"), at("2024-03-01T02:00"), at("2024-03-01T00:00")],
            "weather": ["rain", "sun", "snow"],
            "temperature_c": [4.5, 12.0, -3.0],
        }
    ),
    "calendar": pl.DataFrame(
        {"date": [date(2024, 2, 28), date(2024, 3, 1), date(2024, 3, 4)]},
    ).with_columns(
        is_holiday=pl.Series([True, True, False]), is_payday=pl.Series([None, False, True])
    ),
    "offers": pl.DataFrame({"offer_id": ["five"], "offer_type": ["discount"]}),
}


def references(tmp_path: Path, rows: list[dict], tables=TABLES, zone: str = "UTC"):
    log = small_log(tmp_path, rows, zone, tables=tables, parts=1)
    refs = References(log)
    return refs, pl.read_parquet(log.parts[0]), log


def values(tmp_path: Path, name: str, rows: list[dict], **options) -> list[object]:
    refs, frame, _ = references(tmp_path, rows, **options)
    return refs.columns(frame, [name])[name].to_list()


def event(person: str, ts: str, **rest: object) -> dict:
    return {"person_id": person, "ts": ts, **rest}


def test_an_attribute_is_the_one_that_held_at_the_decision(tmp_path: Path):
    rows = [
        event("ann", "2024-02-29T23:59:59"),
        event("ann", "2024-03-01T00:00:00"),
        event("bob", "2024-01-31T23:59:59"),
        event("bob", "2024-04-30T23:59:59"),
        event("bob", "2024-05-01T00:00:00"),
        event("dan", "2024-05-02T00:00:00"),
    ]
    refs, frame, _ = references(tmp_path, rows)
    city = refs.columns(frame, ["customer_city"])["customer_city"]
    found = dict(zip(frame["event_id"], city, strict=True))
    assert [found[f"e{n}"] for n in range(6)] == ["Oslo", "Bergen", None, "Zug", None, None]


def test_a_value_that_was_learnt_later_is_used_from_when_the_event_was_known(tmp_path: Path):
    late = event("ann", "2024-02-20T00:00:00", received_at="2024-03-02T00:00:00")
    assert values(tmp_path, "customer_city", [late]) == ["Bergen"]


def test_local_time_is_that_of_the_customer_and_of_an_event_that_says_so(tmp_path: Path):
    rows = [
        event("bob", "2024-03-04T04:30:00"),
        event("cat", "2024-03-04T04:31:00"),
        event("bob", "2024-03-04T04:32:00", tz="Asia/Tokyo"),
    ]
    refs, frame, _ = references(tmp_path, rows, zone="Europe/Zurich")
    found = refs.columns(frame, ["hour", "weekday"])
    assert found["hour"].to_list() == [23, 5, 13]
    assert found["weekday"].to_list() == ["sunday", "monday", "monday"]
    assert [refs.zone_names[code] for code in refs.zones(frame)] == [
        "America/New_York",
        "Europe/Zurich",
        "Asia/Tokyo",
    ]


def test_weather_is_that_of_the_event_else_that_of_its_place_and_hour(tmp_path: Path):
    rows = [
        event("a", "2024-03-01T00:59:00", store_id="s1"),
        event("a", "2024-03-01T01:00:00", store_id="s1"),
        event("a", "2024-03-01T02:30:00", store_id="s1", weather="fog"),
        event("a", "2024-03-01T02:31:00", store_id="s1"),
        event("a", "2024-03-01T02:32:00", store_id="s9"),
        event("a", "2024-03-01T02:33:00"),
    ]
    assert values(tmp_path, "weather", rows) == ["rain", None, "fog", "sun", None, None]


def test_a_day_that_is_not_listed_is_no_holiday_and_one_outside_is_not_known(tmp_path: Path):
    rows = [
        event("a", f"2024-{day}T12:00:00")
        for day in ("02-27", "02-28", "02-29", "03-01", "03-04", "03-05")
    ]
    assert values(tmp_path, "is_holiday", rows) == [None, True, False, True, False, None]


def test_the_calendar_is_that_of_the_local_day(tmp_path: Path):
    rows = [event("bob", "2024-03-01T04:59:00"), event("bob", "2024-03-01T05:00:00")]
    assert values(tmp_path, "is_holiday", rows) == [False, True]


INSTANTS = st.integers(0, 130 * 24).map(lambda h: at("2024-01-20T00:00") + timedelta(hours=h))
ROW = st.fixed_dictionaries(
    {
        "person_id": st.sampled_from(["ann", "bob", "cat", "dan"]),
        "ts": INSTANTS,
        "store_id": st.sampled_from([None, "s1", "s2", "s3"]),
        "offer_id": st.sampled_from([None, "five", "six"]),
        "tz": st.sampled_from([None, "Asia/Tokyo"]),
        "weather": st.sampled_from([None, "fog"]),
        "late": st.sampled_from([0, 0, 40]),
    }
)


@settings(deadline=None, max_examples=25)
@given(rows=st.lists(ROW, min_size=1, max_size=12))
def test_one_event_gets_the_values_of_the_columns(tmp_path_factory, rows: list[dict]):
    rows = [dict(row) for row in rows]
    for row in rows:
        row["received_at"] = row["ts"] + timedelta(days=row.pop("late"))
    refs, frame, log = references(tmp_path_factory.mktemp("r"), rows, zone="Europe/Zurich")
    columns = refs.columns(frame, NAMES)
    decoded = log.to_polars().sort("known_at", "seq")
    for place, row in enumerate(decoded.iter_rows(named=True)):
        record = {
            **row,
            "ts_us": int(row["ts"].timestamp()) * 1_000_000,
            "known_at_us": int(row["known_at"].timestamp()) * 1_000_000,
        }
        assert refs.one(record, NAMES) == columns.row(place, named=True)


def test_what_a_log_lacks_is_said_by_table_or_by_column(tmp_path: Path):
    tables = {"stores": TABLES["stores"]}
    refs, frame, _ = references(tmp_path, [event("ann", "2024-03-01T00:00")], tables)
    names = ["is_holiday", "store_city", "store_has_cafe", "customer_tier", "amount_cents"]
    assert refs.missing(names) == (
        "no table `customers` in this log, from which `customer_tier` would come",
        "no table `calendar` in this log, from which `is_holiday` would come",
        "no `store_city` in this log",
    )
    assert refs.columns(frame, ["is_holiday", "store_city", "customer_tier"]).row(0) == (None,) * 3


def test_the_names_of_a_log_are_its_own_columns_and_those_of_its_tables(tmp_path: Path):
    _, _, log = references(tmp_path, [event("ann", "2024-03-01T00:00", lines=3)])
    names = log_columns(log)
    assert names["lines"] == "number"
    assert names["customer_city"] == "text"
    assert names["customer_tz"] == "text"
    assert names["store_place"] == "text"
    assert names["offer_type"] == "text"


@pytest.mark.parametrize(
    ("table", "frame", "error"),
    [
        ("stores", {"shop": ["a"]}, "table stores has no column 'store_id', its key; it has shop"),
        ("stores", {"store_id": ["a", "a"]}, "table stores has two rows of 'a' that hold at one"),
        ("stores", {"store_id": ["a"], "has_cafe": ["yes"]}, "store_has_cafe .* was 'text', must"),
        ("weather", {"place": ["a"]}, "table weather must have hour and store_id or place"),
        ("calendar", {"date": ["2024-01-01"]}, "table calendar must have a column date of dates"),
        ("customers", {"customer_id": ["a"], "tz": ["Mars/One"]}, "zone was 'Mars/One', must be"),
    ],
)
def test_a_table_that_breaks_its_contract_is_refused(tmp_path: Path, table, frame, error: str):
    with pytest.raises(InputError, match=error):
        references(tmp_path, [event("a", "2024-01-01T00:00")], {table: pl.DataFrame(frame)})


def test_a_row_ends_after_it_begins_and_before_the_next_one():
    def table(first: int, last: int, second: int) -> DatedTable:
        days = [date(2024, 1, n) for n in (first, second)]
        frame = pl.DataFrame(
            {
                "k": ["a", "a"],
                "v": [1, 2],
                "valid_from": days,
                "valid_to": [date(2024, 1, last), None],
            }
        )
        return DatedTable.of(frame, "k", name="t", zone="UTC")

    assert table(1, 5, 5).dated
    with pytest.raises(InputError, match="two rows of 'a' that hold at one time"):
        table(1, 6, 5)
    with pytest.raises(InputError, match="'a' whose valid_to is not after valid_from"):
        table(3, 3, 5)


CONSENT = pl.DataFrame(
    {
        "customer_id": ["ann", "ann", "ann", "bob", "eve"],
        "channel": ["app", "app", "email", "app", "app"],
        "granted": [True, False, True, None, True],
        "valid_from": [date(2024, 1, 1), date(2024, 3, 1), date(2024, 1, 1), None, None],
        "valid_to": [None, None, date(2024, 2, 1), None, None],
    },
    schema_overrides={"valid_from": pl.Date, "valid_to": pl.Date},
)


def test_consent_is_what_was_last_said_for_a_channel():
    persons = pl.Series(["bob", "ann"])
    consent = consent_arrays(CONSENT, persons, ["email", "app"], zone="UTC")
    us = 1_000_000

    def known(person: int, channel: int, text: str) -> int:
        return consent.known(person * 2 + channel, int(at(text).timestamp()) * us)

    assert known(1, 1, "2023-12-31T23:59") == UNKNOWN
    assert known(1, 1, "2024-01-01T00:00") == YES
    assert known(1, 1, "2024-02-29T23:59") == YES
    assert known(1, 1, "2024-03-01T00:00") == NO
    assert known(1, 0, "2024-01-31T23:59") == YES
    assert known(1, 0, "2024-02-01T00:00") == NO
    assert known(0, 1, "2024-02-01T00:00") == UNKNOWN
    assert known(0, 0, "2024-02-01T00:00") == UNKNOWN
    assert len(consent.start) == 5
    assert consent.start[-1] == len(consent.at_us) == len(consent.value)
    for first, end in zip(consent.start[:-1], consent.start[1:], strict=True):
        assert (np.diff(consent.at_us[first:end]) > 0).all()


def test_consent_without_a_table_is_not_known_of_anybody():
    consent = consent_arrays(None, pl.Series(["a"]), ["app"], zone="UTC")
    assert consent.known(0, 0) == UNKNOWN


def test_a_consent_table_that_breaks_its_contract_is_refused():
    def read(frame: pl.DataFrame) -> None:
        consent_arrays(frame, pl.Series(["ann"]), ["app"], zone="UTC")

    with pytest.raises(InputError, match="table consent has no column granted"):
        read(CONSENT.drop("granted"))
    with pytest.raises(InputError, match="granted was String, must be boolean"):
        read(CONSENT.with_columns(pl.lit("yes").alias("granted")))
    twice = pl.DataFrame(
        {"customer_id": ["a"] * 2, "channel": ["app"] * 2, "granted": [True, False]}
    )
    with pytest.raises(InputError, match="both grants and refuses 'app' for 'a'"):
        read(twice)


def test_a_condition_may_name_a_column_of_the_log_when_the_log_is_given(tmp_path: Path):
    _, _, log = references(tmp_path, [event("ann", "2024-03-01T00:00", lines=3)])
    file = tmp_path / "p.yaml"
    file.write_text(
        "{name: p, stage: service, kind: targeting, trigger: {event: purchase, when: lines > 2},"
        " offers: [{id: a, value_cents: 1, cost_cents: 1, redemption_rate: 0, channel: app}],"
        " experiment: {holdout_share: 0, salt: s}}"
    )
    with pytest.raises(ParameterError, match=r"condition part was 'lines', is not a known column"):
        load_programmes(file)
    programmes = load_programmes(file, log=log)
    assert programmes.conditions[0].columns == {"lines"}


def test_a_declared_column_has_its_type_where_a_log_lacks_it_and_is_held_to_it(tmp_path: Path):
    log = small_log(tmp_path, [event("ann", "2024-03-01T00:00", lines=3)], tables=TABLES, parts=1)
    frame = pl.read_parquet(log.parts[0])
    refs = References(log, declared={"customer_age": "number", "shoe": "text"})
    found = refs.columns(frame, ["customer_age", "shoe", "customer_gender"])
    assert found.dtypes == [pl.Float64, pl.String, pl.String]
    assert refs.missing(["shoe", "customer_age", "lines", "customer_city", "hour"]) == (
        "no `customer_age` in this log",
        "no `shoe` in this log",
    )
    with pytest.raises(InputError, match=r"column lines of the log was 'number', must be text, as"):
        References(log, declared={"lines": "text"})
