from __future__ import annotations

import gzip
import json
import lzma
import os
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import InputError, LockedError, ParameterError
from workbench.files import locked
from workbench.log import Log, Mapping, ingest, ingestion, open_log
from workbench.log.checks import parsed
from workbench.log.mapping import Value

SHOP = """
name: shop
zone: Europe/Zurich
sources:
  - name: sales
    files: [sales.csv]
    format: csv
    type: {column: kind, names: {sale: purchase, return: refund}}
    event_id: {columns: [id]}
    ts: when
    fields:
      customer_id: customer
      amount_cents: amount
      quantity: {column: pieces, optional: true}
"""
HEADER = "id,kind,when,customer,amount,pieces\n"
GOOD = "1,sale,2024-01-05T08:30:00,sam,12.50,1\n"


def mapping(text: str = SHOP) -> Mapping:
    return Mapping.from_yaml(text, source="shop.yaml")


def shop(tmp_path: Path, rows: str | bytes, header: str = HEADER, text: str = SHOP) -> Log:
    """Ingest rows of CSV and hold that nothing was lost."""
    body = rows if isinstance(rows, bytes) else rows.encode()
    (tmp_path / "in").mkdir(exist_ok=True)
    (tmp_path / "in" / "sales.csv").write_bytes(header.encode() + body)
    report = ingest(tmp_path / "in", mapping(text), tmp_path / "log", parts=2)
    assert report.rows_in == report.accepted + report.duplicates + report.quarantined
    log = open_log(tmp_path / "log")
    assert log.events == report.accepted
    assert log.quarantine().height == report.quarantined
    return log


def apart(log: Log) -> list[tuple[int, str, str]]:
    return [(r["line"], r["reason"], r["column"]) for r in log.quarantine().to_dicts()]


def test_local_times_and_money_come_out_in_utc_and_whole_cents(tmp_path: Path):
    log = shop(
        tmp_path, GOOD + "2,return,2024-07-05 08:30,sam,-3,\n3,sale,2024-01-05T08:30:00Z,é,0,2\n"
    )
    frame = log.to_polars(["event_id", "ts", "type", "customer_id", "amount_cents", "quantity"])
    assert [(r[0], r[1].isoformat(), *r[2:]) for r in frame.rows()] == [
        ("1", "2024-01-05T07:30:00+00:00", "purchase", "sam", 1250, 1),
        ("3", "2024-01-05T08:30:00+00:00", "purchase", "é", 0, 2),
        ("2", "2024-07-05T06:30:00+00:00", "refund", "sam", -300, None),
    ]
    assert log.quarantine().height == 0


@pytest.mark.parametrize(
    ("row", "reason", "column"),
    [
        ("9,sale,2024-01-05,sam,-1.00,1", "negative", "amount_cents"),
        ("9,sale,2024-01-05,sam,NaN,1", "not_finite", "amount_cents"),
        ("9,sale,2024-01-05,sam,inf,1", "not_finite", "amount_cents"),
        ("9,sale,2024-01-05,sam,-Infinity,1", "not_finite", "amount_cents"),
        ('9,sale,2024-01-05,sam,"1,250.00",1', "comma", "amount_cents"),
        ("9,sale,2024-01-05,sam,12.505,1", "not_whole_cents", "amount_cents"),
        ("9,sale,2024-01-05,sam,twelve,1", "not_a_number", "amount_cents"),
        ("9,sale,2024-01-05,sam,1_000,1", "not_a_number", "amount_cents"),
        ("9,sale,2024-01-05,sam,0x1F,1", "not_a_number", "amount_cents"),
        ("9,sale,2024-01-05,sam,,1", "missing", "amount_cents"),
        ("9,sale,2024-01-05,sam,92233720368547758.08,1", "overflow", "amount_cents"),
        ("9,sale,2024-01-05,sam,1.00,9223372036854775808", "overflow", "quantity"),
        ("9,sale,2024-01-05,sam,1.00,1.5", "not_whole", "quantity"),
        ("9,sale,2024-01-05,sam,1.00,-1", "negative", "quantity"),
        ("9,sale,0000-01-05,sam,1.00,1", "time", "ts"),
        ("9,sale,0001-01-05,sam,1.00,1", "time_out_of_range", "ts"),
        ("9,sale,1899-12-31T12:00:00,sam,1.00,1", "time_out_of_range", "ts"),
        ("9,sale,9999-12-31T23:59:59,sam,1.00,1", "time_out_of_range", "ts"),
        ("9,sale,2024-02-30,sam,1.00,1", "time_unreadable", "ts"),
        ("9,sale,262143-01-01T00:00:00,sam,1.00,1", "time", "ts"),
        ("9,sale,+99999-01-01,sam,1.00,1", "time", "ts"),
        ("9,sale,-0001-01-01,sam,1.00,1", "time", "ts"),
        ("9,sale,2024-01-05T25:00:00,sam,1.00,1", "time_unreadable", "ts"),
        ("9,sale,2024-01-05T08:30:00+99:99,sam,1.00,1", "time_unreadable", "ts"),
        ("9,sale,yesterday,sam,1.00,1", "time_unreadable", "ts"),
        ("9,sale,2024-03-31T02:30:00,sam,1.00,1", "time_not_in_zone", "ts"),
        ("9,sale,,sam,1.00,1", "missing", "ts"),
        ("9,gift,2024-01-05,sam,1.00,1", "unknown_name", "type"),
        ("9,,2024-01-05,sam,1.00,1", "missing", "type"),
        ("9,sale,2024-01-05,   ,1.00,1", "blank", "customer_id"),
        ("9,sale,2024-01-05, sam,1.00,1", "surrounding_blanks", "customer_id"),
        (f"9,sale,2024-01-05,{'x' * 257},1.00,1", "too_long", "customer_id"),
        ("9,sale,2024-01-05,sa\tm,1.00,1", "control_character", "customer_id"),
        ("9,sale,2024-01-05,anonymous:x,1.00,1", "reserved", "customer_id"),
        (",sale,2024-01-05,sam,1.00,1", "missing", "event_id"),
        ("  ,sale,2024-01-05,sam,1.00,1", "missing", "event_id"),
        (f"{'9' * 1025},sale,2024-01-05,sam,1.00,1", "too_long", "event_id"),
        ("9,sale,2024-01-05,sam,1.00", "field_count", ""),
        ("9,sale,2024-01-05,sam,1.00,1,1", "field_count", ""),
    ],
)
def test_a_row_that_breaks_a_rule_is_kept_apart_with_its_place_record_and_reason(
    tmp_path: Path, row: str, reason: str, column: str
):
    log = shop(tmp_path, GOOD + row + "\n" + GOOD.replace("1,", "2,", 1))
    kept = log.quarantine().row(0, named=True)
    assert log.quarantine().height == 1
    assert (kept["line"], kept["column"]) == (3, column)
    assert kept["reason"].startswith(reason)
    assert kept["raw"] == row
    assert kept["detail"]
    assert log.to_polars(["event_id"])["event_id"].to_list() == ["1", "2"]


def test_a_text_of_a_fault_names_the_column_the_value_and_the_rule(tmp_path: Path):
    log = shop(tmp_path, '9,sale,2024-01-05,sam,"1,250.00",1\n')
    assert log.quarantine()["detail"][0] == (
        "amount_cents was '1,250.00', has a comma, must be written as 1234.50 "
        "(or the mapping must say `decimal: ','`)"
    )


def test_a_comma_is_a_decimal_sign_when_the_mapping_says_so(tmp_path: Path):
    text = SHOP.replace("amount_cents: amount", "amount_cents: {column: amount, decimal: ','}")
    log = shop(
        tmp_path, '1,sale,2024-01-05,sam,"12,5",1\n2,sale,2024-01-05,sam,12.5,1\n', text=text
    )
    assert log.to_polars(["amount_cents"])["amount_cents"].to_list() == [1250]
    assert apart(log) == [(3, "comma", "amount_cents")]


def test_the_earlier_of_two_equal_local_times_is_taken_when_clocks_go_back(tmp_path: Path):
    log = shop(tmp_path, "1,sale,2024-10-27T02:30:00,sam,1,1\n")
    assert str(log.first_ts) == "2024-10-27 00:30:00+00:00"


def test_the_same_id_with_equal_content_is_a_duplicate_and_with_other_content_is_set_apart(
    tmp_path: Path,
):
    other = "1,sale,2024-01-05T08:30:00,billy,99.00,1\n"
    log = shop(tmp_path, GOOD + GOOD + other + GOOD)
    assert log.report["duplicates"] == 2
    assert apart(log) == [(4, "same_id_different_content", "event_id")]
    assert log.quarantine()["raw"][0] == other.strip()
    assert log.to_polars(["customer_id"])["customer_id"].to_list() == ["sam"]


def test_an_id_that_two_customers_share_is_two_events_when_the_mapping_names_both(tmp_path: Path):
    scoped = SHOP.replace("{columns: [id]}", "{columns: [customer, id]}")
    other = GOOD.replace("sam", "billy")
    log = shop(tmp_path, GOOD + other + GOOD + other, text=scoped)
    assert log.report["duplicates"] == 2
    assert sorted(log.to_polars(["customer_id"])["customer_id"]) == ["billy", "sam"]


def test_bytes_that_are_not_utf8_are_kept_apart_and_the_rest_is_read(tmp_path: Path):
    latin = "2,sale,2024-01-05,Zoë,1.00,1\n".encode("latin-1")
    log = shop(tmp_path, GOOD.encode() + latin + "3,sale,2024-01-05,Zoë,1.00,1\n".encode())
    assert apart(log) == [(3, "not_utf8", "")]
    assert r"Zo\xeb" in log.quarantine()["raw"][0]
    assert log.to_polars(["customer_id"])["customer_id"].to_list() == ["Zoë", "sam"]
    quoted = b'4,"sale",2024-01-05,\xe9,1.00,1\n'
    (tmp_path / "two").mkdir()
    assert apart(shop(tmp_path / "two", GOOD.encode() + quoted)) == [(3, "not_utf8", "")]


def test_value_that_is_not_there_is_told_as_null_without_quotes(tmp_path: Path):
    rows = "1,sale,2024-01-05T08:30:00,sam,,1\n2,sale,2024-01-05T08:30:00,null,x,1\n"
    details = shop(tmp_path, rows).quarantine().sort("line")["detail"].to_list()
    assert details == [
        "amount_cents was null, must be there on a purchase or refund",
        "amount_cents was 'x', must be a number",
    ]


def test_log_whose_file_has_changed_is_made_again(tmp_path: Path):
    log = shop(tmp_path, GOOD)
    whole = log.to_polars()
    part = max(log.parts, key=lambda path: path.stat().st_size)
    content = bytearray(part.read_bytes())
    content[10] ^= 0xFF
    part.write_bytes(bytes(content))
    report = ingest(tmp_path / "in", mapping(), tmp_path / "log", parts=2)
    assert not report.up_to_date
    assert open_log(tmp_path / "log").to_polars().equals(whole)
    assert ingest(tmp_path / "in", mapping(), tmp_path / "log", parts=2).up_to_date


def test_blank_lines_carriage_returns_a_byte_order_mark_and_quotes_are_read(tmp_path: Path):
    rows = '1,sale,2024-01-05,"sam ""the man""\nx",1.00,1\r\n\r\n2,sale,2024-01-05,b,2.00,1\r\n'
    log = shop(tmp_path, rows, header="\ufeff" + HEADER)
    assert log.to_polars(["customer_id"])["customer_id"].to_list() == ["b"]
    assert apart(log) == [(2, "control_character", "customer_id")]


def test_an_open_quote_is_an_error_that_names_the_place(tmp_path: Path):
    with pytest.raises(InputError, match="quote that is never closed"):
        shop(tmp_path, GOOD + '2,sale,2024-01-05,"sam,1.00,1\n3,sale,2024-01-05,sam,1.00,1\n')


def test_a_missing_column_names_the_nearest(tmp_path: Path):
    with pytest.raises(InputError, match=r"has no column 'amount' — did you mean 'amounts'\?"):
        shop(tmp_path, GOOD, header=HEADER.replace("amount", "amounts"))
    assert not (tmp_path / "log" / "manifest.json").exists()
    assert not list((tmp_path / "log").glob("generation-*"))


def test_a_column_named_twice_in_a_file_is_an_error(tmp_path: Path):
    with pytest.raises(InputError, match="names the column 'when' twice"):
        shop(tmp_path, GOOD, header=HEADER.replace("kind", "when"))


@pytest.mark.parametrize("body", [b"", b"\n\n", HEADER.encode()])
def test_an_empty_file_is_an_error(tmp_path: Path, body: bytes):
    (tmp_path / "sales.csv").write_bytes(body)
    with pytest.raises(InputError, match=r"is empty|holds no records"):
        ingest(tmp_path, mapping(), tmp_path / "log")


def _zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


PACKERS = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": _zstd}
MANY = "".join(
    f"{n},sale,2024-01-05T08:30:00,c{n * 7919 % 999},{n % 97}.50,1\n" for n in range(5_000)
)


@pytest.mark.parametrize("suffix", PACKERS)
def test_a_packed_file_gives_the_same_log_and_a_truncated_one_is_an_error(
    tmp_path: Path, suffix: str
):
    plain = shop(tmp_path, MANY)
    folder = tmp_path / "packed"
    folder.mkdir()
    packed = PACKERS[suffix]((HEADER + MANY).encode())
    (folder / f"sales.csv{suffix}").write_bytes(packed)
    ingest(folder, mapping(), tmp_path / "two", parts=2)
    assert open_log(tmp_path / "two").digest == plain.digest
    (folder / f"sales.csv{suffix}").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=r"ends early|damaged"):
        ingest(folder, mapping(), tmp_path / "two", parts=2)
    assert open_log(tmp_path / "two").digest == plain.digest
    (folder / "sales.csv").write_text(HEADER + GOOD)
    with pytest.raises(InputError, match="are both in"):
        ingest(folder, mapping(), tmp_path / "two", parts=2)


PARQUET = SHOP.replace("sales.csv", "sales.parquet").replace("format: csv", "format: parquet")


def _parquet(path: Path, **columns: object) -> None:
    base = {
        "id": [1, 2],
        "kind": ["sale", "sale"],
        "when": ["2024-01-05", "2024-01-05"],
        "customer": ["sam", "billy"],
        "amount": [1.1, 2.2],
    }
    pq.write_table(pa.table({**base, **columns}), path)


def test_typed_columns_of_parquet_follow_the_same_rules(tmp_path: Path):
    _parquet(tmp_path / "sales.parquet", amount=[float("nan"), 0.1 + 0.2], customer=[7, 8])
    ingest(tmp_path, mapping(PARQUET), tmp_path / "log")
    log = open_log(tmp_path / "log")
    assert log.to_polars(["customer_id", "amount_cents"]).rows() == [("8", 30)]
    assert apart(log) == [(1, "not_finite", "amount_cents")]
    assert json.loads(log.quarantine()["raw"][0])["customer"] == 7
    _parquet(tmp_path / "sales.parquet", amount=[2**62, 5])
    ingest(tmp_path, mapping(PARQUET), tmp_path / "log")
    log = open_log(tmp_path / "log")
    assert log.to_polars(["amount_cents"])["amount_cents"].to_list() == [500]
    assert apart(log) == [(1, "overflow", "amount_cents")]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_typed_times_that_no_calendar_holds_are_kept_apart(tmp_path: Path, unit: str):
    times = pa.array([2**62, -(2**62), 86_400 * 10 ** {"ms": 3, "us": 6, "ns": 9}[unit]])
    _parquet(
        tmp_path / "sales.parquet",
        id=[1, 2, 3],
        kind=["sale"] * 3,
        customer=["sam"] * 3,
        amount=[1.0] * 3,
        when=times.cast(pa.timestamp(unit)),
    )
    ingest(tmp_path, mapping(PARQUET), tmp_path / "log")
    log = open_log(tmp_path / "log")
    if unit == "ns":  # the years 1823 and 2116: the first is before the range of the mapping
        assert [r for _, r, _ in apart(log)] == ["time_out_of_range"]
        return
    assert [r for _, r, _ in apart(log)] == ["time_out_of_range"] * 2
    assert log.to_polars(["event_id"])["event_id"].to_list() == ["3"]


def test_dates_and_dictionary_columns_of_parquet_are_read(tmp_path: Path):
    days = pa.array([2**31 - 1, 19_727], pa.int32()).cast(pa.date32())
    kinds = pa.array(["sale", "sale"]).dictionary_encode()
    _parquet(tmp_path / "sales.parquet", when=days, kind=kinds)
    ingest(tmp_path, mapping(PARQUET), tmp_path / "log")
    log = open_log(tmp_path / "log")
    assert apart(log) == [(1, "time_out_of_range", "")]
    assert str(log.first_ts) == "2024-01-04 23:00:00+00:00"


def test_a_date_stands_for_the_time_of_day_that_the_mapping_gives(tmp_path: Path):
    text = PARQUET.replace("ts: when", "ts: {column: when, at: '23:59:59'}")
    midnight, noon = 1_704_412_800_000_000, 1_704_456_000_000_000
    for times, expected in (
        (pa.array([midnight, noon]).cast(pa.timestamp("us")), ["22:59:59", "11:00:00"]),
        (pa.array([19_727, 19_728], pa.int32()).cast(pa.date32()), ["22:59:59", "22:59:59"]),
        (pa.array(["2024-01-05", "2024-01-05T12:00:00"]), ["22:59:59", "11:00:00"]),
    ):
        _parquet(tmp_path / "sales.parquet", when=times)
        ingest(tmp_path, mapping(text), tmp_path / "log")
        found = open_log(tmp_path / "log").to_polars(["event_id", "ts"]).sort("event_id")["ts"]
        assert [t.time().isoformat() for t in found] == expected


def test_text_in_utf16_is_an_error(tmp_path: Path):
    (tmp_path / "sales.csv").write_text(HEADER + GOOD, encoding="utf-16")
    with pytest.raises(InputError, match="is UTF-16; save it as UTF-8"):
        ingest(tmp_path, mapping(), tmp_path / "log")


def test_what_a_killed_ingestion_left_behind_is_removed(tmp_path: Path):
    (tmp_path / "log" / "generation-dead").mkdir(parents=True)
    (tmp_path / "log" / "generation-dead" / "part-00000.parquet").write_bytes(b"half")
    with pytest.raises(InputError, match="holds no log"):
        open_log(tmp_path / "log")
    shop(tmp_path, GOOD)
    assert not (tmp_path / "log" / "generation-dead").exists()


def test_a_truncated_parquet_file_is_an_error(tmp_path: Path):
    path = tmp_path / "sales.parquet"
    _parquet(path)
    whole = path.read_bytes()
    for part in (whole[:-20], whole[: len(whole) // 2], b"not parquet"):
        path.write_bytes(part)
        with pytest.raises(InputError, match=r"sales.parquet cannot be read"):
            ingest(tmp_path, mapping(PARQUET), tmp_path / "log")
    path.write_bytes(lzma.compress(whole))
    assert ingest(tmp_path, mapping(PARQUET), tmp_path / "log").accepted == 2


JSON = """
name: app
zone: UTC
sources:
  - name: app
    files: ["*.jsonl"]
    format: json_lines
    type: {column: what}
    event_id: {content: true}
    ts: {column: at, unit: seconds}
    fields:
      customer_id: {column: who}
      offer_id: {first_of: [value.offer id, value.offer_id], optional: true}
    attributes: [value.offer_id]
    extra:
      big: {expression: "amount > 10", type: boolean}
      amount: {column: amount, type: number, optional: true}
"""


def test_json_lines_give_nested_fields_expressions_and_own_columns(tmp_path: Path):
    text = JSON.replace('      big: {expression: "amount > 10", type: boolean}\n', "")
    records = [
        {"what": "offer_viewed", "at": 60, "who": "é" * 3, "value": {"offer id": "a"}},
        {
            "what": "offer_completed",
            "at": 61.5,
            "who": "b",
            "value": {"offer_id": "a"},
            "amount": 3,
        },
        {"what": "app_open", "at": 62, "who": None},
    ]
    bad = [
        '{"what": ',
        "[1]",
        '{"what": "x", "at": 1, "who": {"a": 1}}',
        '{"at": NaN}',
        '{"at": 1e999}',
    ]
    lines = [*(json.dumps(r, ensure_ascii=False) for r in records), *bad, "[" * 5_000]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    report = ingest(tmp_path, mapping(text), tmp_path / "log")
    log = open_log(tmp_path / "log")
    assert (report.rows_in, report.accepted, report.quarantined) == (9, 3, 6)
    assert {r for _, r, _ in apart(log)} == {"not_json", "not_a_value"}
    frame = log.to_polars(["ts", "person_id", "customer_id", "offer_id", "amount", "attributes"])
    assert [r[0].timestamp() for r in frame.rows()] == [60, 61.5, 62]
    assert frame["offer_id"].to_list() == ["a", "a", None]
    assert frame["amount"].to_list() == [None, 3.0, None]
    assert frame["customer_id"].to_list() == ["ééé", "b", None]
    assert frame["person_id"][2].startswith("anonymous:")


def test_an_expression_is_checked_and_computed(tmp_path: Path):
    text = (
        SHOP
        + "    extra:\n      double_cents: {expression: \"CASE WHEN kind = 'sale' THEN 0.25 ELSE NULL END\", type: cents}\n"
    )
    log = shop(tmp_path, GOOD, text=text)
    assert log.to_polars(["double_cents"])["double_cents"].to_list() == [25]
    with pytest.raises(ParameterError, match="did you mean 'kind'"):
        shop(tmp_path, GOOD, text=text.replace("kind =", "knid ="))


def test_a_json_column_that_no_record_has_is_an_error(tmp_path: Path):
    text = JSON.replace("column: who", "column: whom").replace(
        '      big: {expression: "amount > 10", type: boolean}\n', ""
    )
    (tmp_path / "a.jsonl").write_text(
        '{"what": "x", "at": 1, "who": "a", "value": {"offer_id": "o"}}\n'
    )
    with pytest.raises(
        InputError, match=r"has no column 'whom' in any record — did you mean 'who'"
    ):
        ingest(tmp_path, mapping(text), tmp_path / "log")
    (tmp_path / "a.jsonl").write_text('[{"what": "x"}]\n')
    with pytest.raises(InputError, match="holds a JSON array, must be one object a line"):
        ingest(tmp_path, mapping(text), tmp_path / "log")


def test_an_anonymous_event_is_its_own_person_or_is_refused(tmp_path: Path):
    rows = GOOD + "2,sale,2024-01-05,,1.00,1\n"
    log = shop(tmp_path, rows)
    assert log.to_polars(["customer_id", "person_id"]).rows() == [
        (None, "anonymous:2"),
        ("sam", "sam"),
    ]
    device = SHOP + "    anonymous_id: pieces\n"
    log = shop(tmp_path, rows, text=device)
    assert sorted(log.to_polars(["person_id"])["person_id"]) == ["anonymous:1", "sam"]
    log = shop(tmp_path, rows, text=SHOP.replace("name: shop", "name: shop\nanonymous: refuse"))
    assert apart(log) == [(3, "no_customer", "customer_id")]


BASKETS = (
    SHOP.replace("{sale: purchase,", "{sale: purchase_line,")
    .replace("      quantity:", "      basket_id: id\n      quantity:")
    .replace("{columns: [id]}", "{row: true}")
    + "baskets: {lines: purchase_line, type: purchase, count: lines}\n"
)


def test_lines_of_a_basket_become_one_purchase_that_is_not_a_source_row(tmp_path: Path):
    rows = (
        "7,sale,2024-01-05T08:00,sam,1.10,2\n"
        "8,sale,2024-01-05T08:00,sam,9.00,\n"
        "7,sale,2024-01-05T08:05,sam,2.20,3\n"
        "7,return,2024-01-06T08:05,sam,-2.20,3\n"
    )
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "sales.csv").write_text(HEADER + rows)
    report = ingest(folder, mapping(BASKETS), tmp_path / "log")
    assert (report.rows_in, report.accepted, report.derived, report.events) == (4, 4, 2, 6)
    log = open_log(tmp_path / "log")
    frame = log.to_polars(["event_id", "ts", "amount_cents", "quantity", "lines"], ["purchase"])
    assert [(r[0], r[1].minute, *r[2:]) for r in frame.rows()] == [
        ("purchase:sam:8", 0, 900, None, 1),
        ("purchase:sam:7", 5, 330, 5, 2),
    ]
    assert log.scan().select(pl.col("seq").is_unique().all()).collect().item()


def test_amounts_that_overflow_only_when_they_are_added_up_are_refused(tmp_path: Path):
    """Each is within the limit of one amount; together they leave 64 bits, as Polars would not say."""
    row = "7,sale,2024-01-05T08:00,sam,9999999999999.99,1\n"
    (tmp_path / "in").mkdir()
    sales = tmp_path / "in" / "sales.csv"
    sales.write_text(HEADER + row * 4_000)
    ingest(tmp_path / "in", mapping(BASKETS), tmp_path / "log")
    before = open_log(tmp_path / "log")
    assert before.to_polars(["amount_cents"], ["purchase"]).item() == 4_000 * 999_999_999_999_999
    sales.write_text(HEADER + row * 10_000)
    with pytest.raises(InputError, match=r"sum of amount_cents over the log is above 2\*\*62"):
        ingest(tmp_path / "in", mapping(BASKETS), tmp_path / "log")
    assert open_log(tmp_path / "log").digest == before.digest


def test_a_second_ingestion_of_the_same_input_writes_nothing(tmp_path: Path):
    log = shop(tmp_path, GOOD)
    before = {
        p: (p.stat().st_mtime_ns, p.stat().st_ino)
        for p in log.path.rglob("*.*")
        if p.name != ".lock"
    }
    report = ingest(tmp_path / "in", mapping(), tmp_path / "log", parts=2)
    assert report.up_to_date
    assert report.text.startswith("Every source row is accounted for: 1 row = 1 accepted + 0")
    after = {
        p: (p.stat().st_mtime_ns, p.stat().st_ino)
        for p in log.path.rglob("*.*")
        if p.name != ".lock"
    }
    assert after == before
    shop(tmp_path, GOOD + GOOD.replace("1,", "2,", 1))
    assert len(list((tmp_path / "log").glob("generation-*"))) == 1


def test_a_damaged_log_is_made_again(tmp_path: Path):
    log = shop(tmp_path, GOOD)
    log.parts[0].write_bytes(b"")
    assert not ingest(tmp_path / "in", mapping(), tmp_path / "log", parts=2).up_to_date
    assert open_log(tmp_path / "log").digest == log.digest


@pytest.mark.parametrize("step", ["LogWriter.add", "LogWriter.finish", "publish"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_ingestion_leaves_the_old_log_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
):
    log = shop(tmp_path, GOOD)

    def stop(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(f"workbench.log.ingestion.{step}", stop)
    with pytest.raises((KeyboardInterrupt, InputError), match=r"No space left|^$"):
        shop(tmp_path, GOOD + MANY[10_000:])
    monkeypatch.undo()
    assert open_log(tmp_path / "log").digest == log.digest
    assert len(list((tmp_path / "log").glob("generation-*"))) == 1


def test_a_folder_that_another_process_writes_is_refused(tmp_path: Path):
    with locked(tmp_path / "log"), pytest.raises(LockedError, match="another process"):
        shop(tmp_path, GOOD)


def test_the_size_of_a_block_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    quoted = MANY[:20_000].rsplit("\n", 1)[0].replace(",sale,", ',"sale",')
    log = shop(tmp_path, quoted)
    monkeypatch.setattr("workbench.log.sources._BLOCK_BYTES", 1_000)
    (tmp_path / "small").mkdir()
    again = shop(tmp_path / "small", quoted)
    assert again.digest == log.digest
    assert log.persons > 100


def test_progress_ends_at_the_number_of_rows(tmp_path: Path):
    (tmp_path / "sales.csv").write_text(HEADER + MANY)
    seen: list[tuple[int, int | None]] = []
    ingest(
        tmp_path,
        mapping(),
        tmp_path / "log",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (5_000, 5_000)


def test_files_that_are_not_there_are_errors(tmp_path: Path):
    with pytest.raises(InputError, match=r"has no file sales\.csv for source sales"):
        ingest(tmp_path, mapping(), tmp_path / "log")
    with pytest.raises(InputError, match="source was 'nowhere', must be a folder or a file"):
        ingest("nowhere", mapping(), tmp_path / "log")
    with pytest.raises(InputError, match="did you mean 'complete_journey'"):
        ingest("complete_journy", "complete_journey", tmp_path / "log")
    (tmp_path / "x").write_text("")
    (tmp_path / "sales.csv").write_text(HEADER + GOOD)
    with pytest.raises(InputError, match="is a file; the log needs a folder"):
        ingest(tmp_path, mapping(), tmp_path / "x")
    with pytest.raises(ParameterError, match="parts was 0"):
        ingest(tmp_path, mapping(), tmp_path / "log", parts=0)


def test_one_file_can_be_the_source(tmp_path: Path):
    (tmp_path / "other.csv").write_text(HEADER + GOOD)
    assert ingest(tmp_path / "other.csv", mapping(), tmp_path / "log").accepted == 1


def test_rows_that_are_lost_between_reading_and_storing_stop_the_ingestion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    add = ingestion.LogWriter.add
    monkeypatch.setattr(ingestion.LogWriter, "add", lambda self, e: add(self, e.head(1)))
    with pytest.raises(InputError, match="2 rows should be accepted, 1 were stored"):
        shop(tmp_path, GOOD + GOOD.replace("1,", "2,", 1))


TABLE = (
    SHOP
    + """
tables:
  people:
    files: [people.csv]
    format: csv
    key: [customer_id]
    columns:
      customer_id: id
      age: {column: age, type: integer, missing: ["118"]}
      since: {column: since, type: date, format: "%Y%m%d"}
"""
)


def test_a_reference_table_has_its_types_and_a_broken_one_is_an_error(tmp_path: Path):
    people = tmp_path / "in" / "people.csv"
    people.parent.mkdir()
    people.write_text("id,age,since\nsam,118,20240131\nbilly,44,\n")
    log = shop(tmp_path, GOOD, text=TABLE)
    assert log.tables == ("people",)
    assert log.table("people")["age"].to_list() == [None, 44]
    assert log.table("people")["since"].dtype == pl.Date
    for text, message in (
        ("id,age,since\nsam,old,\n", "table people row 1: age was 'old', must be a number"),
        ("id,age,since\nsam,1,20240230\n", "since was '20240230', must be a date"),
        ("id,age,since\nsam,1,\nsam,2,\n", "has the key 'sam' more than once"),
        ("id,age,since\n,1,\n", "row 1 has no customer_id, its key"),
        ("id,age,since\nsam,1\n", "line 2 has 2 fields, must have 3"),
    ):
        people.write_text(text)
        with pytest.raises(InputError, match=message):
            shop(tmp_path, GOOD, text=TABLE)
    people.unlink()
    with pytest.raises(InputError, match=r"no file people.csv for table people"):
        shop(tmp_path, GOOD, text=TABLE)


@settings(deadline=None, max_examples=60)
@given(st.integers(min_value=0, max_value=10**15), st.integers(min_value=0, max_value=2))
def test_every_amount_of_whole_cents_is_read_exactly(cents: int, decimals: int):
    cents -= cents % 10 ** (2 - decimals)
    whole, part = divmod(cents, 100)
    text = str(whole) + (f".{part:02d}"[: decimals + 1] if decimals else "")
    frame = pl.DataFrame({"a": [text]})
    read = parsed(dict(frame.schema), "amount_cents", Value(column="a"), "cents", where="t")
    faults = frame.select(pl.any_horizontal([f.when.fill_null(value=False) for f in read.faults]))
    assert not faults.item()
    assert frame.select(read.value).item() == cents


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), min_size=1, max_size=8)
)
def test_whatever_the_text_every_record_has_an_outcome(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
):
    folder = tmp_path_factory.mktemp("any")
    body = "".join(f"{n},sale,2024-01-05,{t},{t},1\n" for n, t in enumerate(texts))
    (folder / "sales.csv").write_text(HEADER + body, encoding="utf-8", newline="")
    try:
        report = ingest(folder, mapping(), folder / "log", parts=1)
    except InputError as error:
        if "quote that is never closed" not in str(error):
            raise
        return
    assert report.rows_in == report.accepted + report.duplicates + report.quarantined
    log = open_log(folder / "log")
    assert log.events + log.quarantine().height + report.duplicates == report.rows_in


def test_an_unreadable_file_is_an_error(tmp_path: Path):
    if os.geteuid() == 0:
        pytest.skip("the superuser reads every file")
    (tmp_path / "sales.csv").write_text(HEADER + GOOD)
    (tmp_path / "sales.csv").chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        ingest(tmp_path, mapping(), tmp_path / "log")
