"""Worlds as files say them: what is refused, with file, key, value and rule, and the shipped ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from workbench.errors import ParameterError
from workbench.world.parameters import World, load_world

ROOT = Path(__file__).parents[1]
SHIPPED = sorted((ROOT / "params" / "worlds").glob("*.yaml"))


def tiny() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "params/worlds/tiny.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def refused(values: dict[str, Any]) -> str:
    with pytest.raises(ParameterError) as error:
        World.from_yaml(yaml.safe_dump(values), source="my.yaml")
    return str(error.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_world_loads_and_keeps_its_digest_when_loaded_again(path: Path):
    assert load_world(path).name == path.stem
    assert load_world(path).digest == load_world(path).digest


def test_four_worlds_are_shipped():
    assert [path.stem for path in SHIPPED] == ["app_offers", "online_shop", "qsr", "tiny"]


def test_shares_that_do_not_add_up_say_to_what_they_do():
    values = tiny()
    values["segments"][0]["share"] = 0.5
    assert "my.yaml: segments" in refused(values)
    assert "add up to 1.1, must add up to 1" in refused(values)


def test_a_negative_rate_says_where_it_stands():
    values = tiny()
    values["segments"][1]["visits_per_week"]["mean"] = -0.1
    assert "segments.1.visits_per_week.mean was -0.1" in refused(values)


def test_a_store_that_never_opens_says_its_hours():
    values = tiny()
    values["stores"][0]["closes"] = "06:00"
    assert "closes 06:00, must be later than opens 06:00" in refused(values)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("customers", 0, "customers was 0, must be greater than or equal to 1"),
        ("days", 0, "days was 0, must be greater than or equal to 1"),
        ("segments", [], "segments was ()"),
        ("stores", [], "stores was ()"),
        ("start", "tomorrow", "start was 'tomorrow', must be a date such as '2024-01-31'"),
        ("zone", "Europe/Zurch", "did you mean 'Europe/Zurich'"),
        ("custommers", 3, "did you mean 'customers'"),
    ],
)
def test_a_bad_value_is_refused_with_its_rule(key: str, value: object, said: str):
    assert said in refused({**tiny(), key: value})


def test_an_unknown_part_of_the_day_is_refused_with_the_nearest_name():
    values = tiny()
    values["segments"][0]["dayparts"] = {"brekfast": 1}
    assert "did you mean 'breakfast'" in refused(values)


def test_a_segment_or_store_named_twice_is_refused():
    values = tiny()
    values["segments"][1]["name"] = "regulars"
    assert "has the segment 'regulars' twice" in refused(values)
    values = tiny()
    values["stores"][1]["id"] = "corner"
    assert "has the store 'corner' twice" in refused(values)


def test_another_size_is_checked_and_changes_nothing_else():
    world = load_world(ROOT / "params/worlds/tiny.yaml")
    small = world.sized(customers=7, days=3)
    assert (small.customers, small.days, small.stores) == (7, 3, world.stores)
    with pytest.raises(ParameterError, match="days was 0"):
        world.sized(days=0)
