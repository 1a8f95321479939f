from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from small_log import small_log
from workbench.errors import InputError, ParameterError
from workbench.log import open_log
from workbench.log.schema import arrow_schema

ROWS = [
    {"ts": "2024-01-02T10:00", "customer_id": "sam", "amount_cents": 250, "store_id": "s1"},
    {"ts": "2024-01-01T10:00", "customer_id": "billy", "amount_cents": 100},
    {"ts": "2024-01-03T10:00", "customer_id": "sam", "type": "app_open", "cafe": True},
    {"ts": "2024-01-01T09:00", "received_at": "2024-01-05T09:00", "customer_id": None},
]


def test_a_stored_log_gives_back_its_rows_in_order_of_knowledge(tmp_path: Path):
    log = small_log(tmp_path, ROWS, zone="Europe/Zurich")
    frame = log.to_polars(["event_id", "person_id", "type", "amount_cents", "store_id", "weather"])
    assert frame.rows() == [
        ("e1", "billy", "purchase", 100, None, None),
        ("e0", "sam", "purchase", 250, "s1", None),
        ("e2", "sam", "app_open", None, None, None),
        ("e3", "anonymous:e3", "purchase", None, None, None),
    ]
    assert log.zone == "Europe/Zurich"
    assert log.counts == {"app_open": 1, "purchase": 3}
    assert log.persons == 3
    assert str(log.first_ts) == "2024-01-01 09:00:00+00:00"
    assert log.to_pandas(["cafe"], ["app_open"])["cafe"].to_list() == [True]


def test_a_person_is_wholly_in_one_part_and_a_part_is_ordered(tmp_path: Path):
    rows = [
        {"ts": f"2024-01-{1 + (n * 7) % 28:02d}", "customer_id": f"c{n % 9}"} for n in range(90)
    ]
    log = small_log(tmp_path, rows, parts=4)
    seen: set[str] = set()
    for frame in log.batches():
        people = set(frame["person_id"])
        assert not people & seen
        seen |= people
        order = frame.select("known_at", "seq")
        assert order.equals(order.sort("known_at", "seq"))
    assert len(seen) == 9
    assert log.scan().collect().height == 90


def test_equal_input_gives_equal_bytes_and_a_change_another_digest(tmp_path: Path):
    one, two = small_log(tmp_path, ROWS, name="one"), small_log(tmp_path, ROWS, name="two")
    assert one.digest == two.digest
    assert [p.read_bytes() for p in one.parts] == [p.read_bytes() for p in two.parts]
    changed = small_log(tmp_path, [{**ROWS[0], "amount_cents": 251}, *ROWS[1:]], name="three")
    assert changed.digest != one.digest


def test_a_missing_table_type_or_column_names_the_nearest(tmp_path: Path):
    log = small_log(tmp_path, ROWS, tables={"offers": pl.DataFrame({"offer_id": ["a"]})})
    assert log.table("offers").height == 1
    with pytest.raises(ParameterError, match=r"table was 'ofers', .* did you mean 'offers'"):
        log.table("ofers")
    with pytest.raises(ParameterError, match="did you mean 'purchase'"):
        log.scan(["purchas"])
    with pytest.raises(ParameterError, match="did you mean 'amount_cents'"):
        log.to_polars(["amount_cent"])
    with pytest.raises(ParameterError, match="must be one with codes"):
        log.codes("ts")


def test_a_log_that_is_not_whole_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="holds no log"):
        open_log(tmp_path)
    log = small_log(tmp_path, ROWS)
    manifest = log.path / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"schema_version": 1', '"schema_version": 99'))
    with pytest.raises(InputError, match="schema_version was 99, must be 1"):
        open_log(log.path)
    manifest.write_text(text[:40])
    with pytest.raises(InputError, match="not readable as a log's manifest"):
        open_log(log.path)
    without = {k: v for k, v in json.loads(text).items() if k != "codes"}
    manifest.write_text(json.dumps(without))
    with pytest.raises(InputError, match="lacks codes"):
        open_log(log.path)
    manifest.write_text(text)
    part = log.parts[0]
    whole = part.read_bytes()
    part.write_bytes(whole[:-10])
    with pytest.raises(InputError, match="cut short or changed"):
        open_log(log.path)
    part.write_bytes(b"x" * len(whole))
    with pytest.raises(InputError, match="not readable as Parquet"):
        open_log(log.path)
    part.unlink()
    with pytest.raises(InputError, match="is missing from the log"):
        open_log(log.path)


def test_a_log_without_events_opens(tmp_path: Path):
    log = small_log(tmp_path, [])
    assert log.to_polars().height == 0
    assert log.first_ts is None
    assert log.persons == 0


def test_a_stored_part_has_the_types_of_the_contract(tmp_path: Path):
    log = small_log(tmp_path, ROWS)
    contract = arrow_schema(log.columns)
    for part in log.parts:
        stored = pq.read_schema(part)
        assert {f.name for f in contract if not f.nullable} <= set(stored.names)
        for field in stored:
            wide = {pa.large_string(): pa.string()}.get(field.type, field.type)
            expected = contract.field(field.name).type
            assert wide == {pa.large_string(): pa.string()}.get(expected, expected), field.name
