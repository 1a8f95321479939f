"""Programmes as plain values: what is written is read back, and single keys are changed with all checks."""

from __future__ import annotations

import json

import pytest

from workbench.decision import load_programmes
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.written import Value, changed, key_of, read_back, written
from workbench.errors import InputError, ParameterError

FOLDERS = ("params/programmes", "params/programmes/grocery", "benchmarks/programmes")


@pytest.mark.parametrize("folder", FOLDERS)
def test_written_programmes_are_read_back_with_the_same_digest_through_json(folder: str) -> None:
    programmes = load_programmes(folder)
    again = read_back(json.loads(json.dumps(written(programmes))), source="manifest.json")
    assert again == programmes
    assert [each.digest for each in again] == [each.digest for each in programmes]


def test_read_back_refuses_programmes_that_were_edited() -> None:
    values = written(load_programmes("params/programmes/grocery"))
    values["programmes"][0]["limits"]["caps"][0]["count"] = 3
    with pytest.raises(InputError, match=r"manifest\.json holds other programmes than it says"):
        read_back(values, source="manifest.json")


def test_read_back_refuses_what_holds_no_programmes() -> None:
    with pytest.raises(InputError, match=r"manifest\.json holds no programmes that can be read"):
        read_back({"house": {}, "columns": {}}, source="manifest.json")


@pytest.fixture
def grocery() -> ProgrammeSet:
    return load_programmes("params/programmes/grocery")


def test_changed_changes_one_key_and_leaves_the_others(grocery: ProgrammeSet) -> None:
    more = changed(grocery, {"lunch_basket.limits.caps.0.count": 3})
    assert key_of(more, "lunch_basket.limits.caps.0.count") == 3
    assert [a.digest == b.digest for a, b in zip(more, grocery, strict=True)] == [False, True, True]
    assert more.house == grocery.house


def test_changed_changes_the_house(grocery: ProgrammeSet) -> None:
    assert changed(grocery, {"house.caps.0.count": 4}).house.caps[0].count == 4
    assert changed(grocery, {"house.slot": 2}).house.slot == 2


def test_taking_out_what_is_not_there_changes_nothing(grocery: ProgrammeSet) -> None:
    assert changed(grocery, {"lunch_basket.budget.amount_cents": None}) == grocery


def test_changed_takes_a_key_out_and_makes_the_mappings_on_the_way(grocery: ProgrammeSet) -> None:
    free = changed(
        grocery,
        {"lunch_basket.limits.cooldown": None, "lunch_basket.choose.levers_percent.programme": 50},
    )
    assert free[0].limits.cooldown is None
    assert free[0].choose.levers_percent.programme == 50


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("lunch_baskt.limits.once", True, "did you mean 'lunch_basket'"),
        ("lunch_basket", 3, "must begin with .* welcome_back and name a key of it$"),
        ("lunch_basket.limits.coldown", "3 days", "did you mean 'cooldown'"),
        ("lunch_basket.limits.caps.7.count", 3, "must name one of the 1 entries by its number"),
        ("lunch_basket.limits.caps.0.count", 0, "greater than or equal to 1"),
        ("lunch_basket.limits.cooldown", "3", "must be a number with a unit"),
        ("lunch_basket.audience", "visits_9d > 3", "visits_9d"),
        ("lunch_basket.name.first", "x", "goes on below name"),
    ],
)
def test_changed_refuses_what_breaks_a_rule(
    grocery: ProgrammeSet, key: str, value: object, text: str
) -> None:
    with pytest.raises(ParameterError, match=text):
        changed(grocery, {key: value})  # type: ignore[dict-item]  # the value is what is refused


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lunch_basket.limits.caps.0.count", 4),
        ("lunch_basket.limits.cooldown", "28 days"),
        ("lunch_basket.limits.concurrency", 99),
        ("lunch_basket.limits.once", True),
    ],
)
def test_a_what_if_may_set_a_limit_that_can_never_bind_and_is_read_back(
    grocery: ProgrammeSet, key: str, value: Value
) -> None:
    idle = changed(grocery, {key: value})
    assert read_back(json.loads(json.dumps(written(idle))), source="manifest.json") == idle
    with pytest.raises(ParameterError, match="can never bind"):
        Programme.from_mapping(written(idle)["programmes"][0], source="lunch_basket.yaml")


def test_lengths_of_time_are_written_in_the_unit_that_fits(grocery: ProgrammeSet) -> None:
    assert written(grocery)["programmes"][0]["limits"]["cooldown"] == "7 days"
