from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import InputError, ParameterError
from workbench.log import Mapping, load_mapping, shipped_mappings

SHOP = """
name: shop
zone: Europe/Zurich
sources:
  - name: sales
    files: [sales.csv]
    format: csv
    type: {constant: purchase}
    event_id: {columns: [id]}
    ts: when
    fields:
      customer_id: customer
      amount_cents: amount
"""


def read(text: str) -> Mapping:
    return Mapping.from_yaml(text, source="shop.yaml")


def test_every_shipped_mapping_is_named_like_its_file():
    assert shipped_mappings() == ("cdnow", "cdnow_sample", "complete_journey", "starbucks")
    for name in shipped_mappings():
        assert load_mapping(name).name == name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "zone: Europe/Zurich",
            "zone: Europe/Zuric",
            r"must be an IANA time zone .* did you mean 'Europe/Zurich'",
        ),
        ("zone: Europe/Zurich", "zone: ../../etc/passwd", "must be an IANA time zone"),
        ("ts: when", "ts: {column: when, zone: Mars}", "must be an IANA time zone"),
        ("ts: when", "ts: {column: when, at: '25:00:00'}", "at was '25:00:00'"),
        ("ts: when", "ts: {colum: when}", "did you mean 'column'"),
        ("amount_cents:", "amount_cent:", "no column of the log — did you mean 'amount_cents'"),
        ("amount_cents: amount", "ts: amount", "has 'ts', which is no column of the log"),
        ("amount_cents: amount", "customer_id: amount", "duplicate key 'customer_id'"),
        ("columns: [id]", "columns: [id, id]", "has 'id' twice in columns"),
        (
            "columns: [id]",
            "columns: [id], row: true",
            "must have exactly one of columns, content, row",
        ),
        (
            "customer_id: customer",
            "customer_id: {column: a, constant: b}",
            "exactly one of column, first_of",
        ),
        ("customer_id: customer", "customer_id: {first_of: [a, a]}", "has 'a' twice in first_of"),
        (
            "format: csv",
            "format: csv\n    header: false",
            "must give names for a file without a header",
        ),
        ("format: csv", "format: csv\n    names: [a, a]", "has 'a' twice in names"),
        ("format: csv", "format: xlsx", "format was 'xlsx'"),
        (
            "    fields:",
            "    extra: {person: {column: a, type: code}}\n    fields:",
            "names 'person', a column that the log has already",
        ),
        (
            "    fields:",
            "    extra: {'a b': {column: a, type: code}}\n    fields:",
            "must be letters, digits",
        ),
        (
            "    fields:",
            "    joins: [{table: x, by: a, add: [b]}]\n    fields:",
            "join with 'x', which is no table",
        ),
        (
            "name: shop",
            "name: shop\nfirst_year: 2000\nlast_year: 1999",
            "first_year after last_year",
        ),
    ],
)
def test_a_mapping_that_breaks_a_rule_says_which(old: str, new: str, message: str):
    with pytest.raises(ParameterError, match=message) as caught:
        read(SHOP.replace(old, new, 1))
    assert str(caught.value).startswith("shop.yaml: ")


def test_two_sources_of_one_name_or_one_column_with_two_types_are_refused():
    body = SHOP.split("sources:\n")[1]
    with pytest.raises(ParameterError, match="has 'sales' twice in sources"):
        read(SHOP + body)
    one = body.replace("    fields:", "    extra: {x: {column: a, type: code}}\n    fields:")
    two = one.replace("name: sales", "name: more").replace("type: code", "type: integer")
    with pytest.raises(ParameterError, match="names 'x' twice with different types"):
        read(SHOP.split("sources:\n", maxsplit=1)[0] + "sources:\n" + one + two)


def test_an_unknown_mapping_names_the_shipped_ones(tmp_path: Path):
    with pytest.raises(
        ParameterError, match=r"mapping was 'starbuck', .* did you mean 'starbucks'"
    ):
        load_mapping("starbuck")
    with pytest.raises(InputError, match=r"no\.yaml cannot be read"):
        load_mapping(tmp_path / "no.yaml")
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP)
    assert load_mapping(path).digest == read(SHOP).digest
