"""Labels of triggers: what a policy with the same cells would see at the event."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from small_log import small_log
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.programme.choose import Cell
from workbench.errors import InputError, ParameterError
from workbench.log import Log
from workbench.replay import label_triggers, load_dimensions, replay

ROWS = [
    ("ann", "2024-01-01T08:00:00", "purchase", 900),
    ("ann", "2024-01-02T08:00:00", "app_open", None),
    ("ann", "2024-01-03T09:00:00", "purchase", 2000),
    ("ann", "2024-01-04T19:00:00", "app_open", None),
    ("bob", "2024-01-04T20:00:00", "app_open", None),
]
DIMENSIONS = {
    "frequency": [Cell(name="more", when="purchases_90d >= 2"), Cell(name="once", when="TRUE")],
    "basket": [
        Cell(name="large", when="spend_90d_cents / purchases_90d >= 1000"),
        Cell(name="small", when="purchases_90d >= 1"),
    ],
}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    keys = ("person_id", "ts", "type", "amount_cents")
    return small_log(tmp_path, [dict(zip(keys, row, strict=True)) for row in ROWS])


def offers_in_app(**changes: object) -> ProgrammeSet:
    values = {
        "name": "app_offer",
        "stage": "engagement",
        "kind": "targeting",
        "trigger": {"event": "app_open"},
        "offers": [
            {"id": "tea", "value_cents": 300, "cost_cents": 100, "redemption_rate": 0.1, "channel": "app"}
        ],
        "limits": {"once": True},
        "experiment": {"holdout_share": 0.5, "salt": "s"},
        **changes,
    }  # fmt: skip
    return ProgrammeSet.of([Programme.from_mapping(values, source="test")])


def test_every_trigger_has_the_level_that_held_at_that_moment(log):
    labels = label_triggers(log, offers_in_app(), "app_offer", DIMENSIONS)
    assert labels.select("person", "frequency", "basket").rows() == [
        ("ann", "once", "small"),
        ("ann", "more", "large"),
        ("bob", "once", None),
    ]


def test_limits_and_arms_do_not_count_and_the_audience_does(log):
    some = offers_in_app(audience="purchases_90d >= 1")
    labels = label_triggers(log, some, "app_offer", DIMENSIONS)
    assert labels["person"].to_list() == ["ann", "ann", "bob"]
    assert labels["frequency"].to_list() == ["once", "more", None]


def test_a_policy_with_the_same_cells_chooses_by_the_same_labels(log):
    labels = label_triggers(log, offers_in_app(), "app_offer", DIMENSIONS)
    policy = {
        "cells": [
            {"name": level.name, "when": level.when} for level in DIMENSIONS["frequency"]
        ],
        "scores_cents": {"more": {"tea": 500.0}, "once": {"tea": 50.0}},
        "shadow_price": 1.0,
    }  # fmt: skip
    chosen = offers_in_app(
        choose={"by": "policy", "policy": policy},
        limits={"caps": [{"count": 9, "window": "90 days"}]},
        experiment={"holdout_share": 0, "salt": "s"},
    )
    decided = replay(log, chosen).decisions().select("set_id", "delivered").collect()
    both = decided.join(labels, on="set_id")
    assert both.height == 3
    assert (both["delivered"] == (both["frequency"] == "more")).all()


def test_what_cannot_be_labelled_is_refused(log, tmp_path):
    with pytest.raises(ParameterError, match="programme was 'app_ofer', must be one of app_offer"):
        label_triggers(log, offers_in_app(), "app_ofer", DIMENSIONS)
    with pytest.raises(ParameterError, match="dimensions was empty"):
        label_triggers(log, offers_in_app(), "app_offer", {})
    with pytest.raises(ParameterError, match="dimensions was 'person', is a column of every"):
        label_triggers(log, offers_in_app(), "app_offer", {"person": DIMENSIONS["basket"]})
    wrong = {"frequency": [Cell(name="more", when="purchases_9d >= 2")]}
    with pytest.raises(ParameterError, match="purchases_9d"):
        label_triggers(log, offers_in_app(), "app_offer", wrong)
    with pytest.raises(InputError, match="cannot be read"):
        load_dimensions(tmp_path / "nowhere.yaml")
    file = tmp_path / "twice.yaml"
    file.write_text("basket: [{name: a, when: 'TRUE'}, {name: a, when: 'TRUE'}]")
    with pytest.raises(ParameterError, match="has the level 'a' twice in basket"):
        load_dimensions(file)


def test_labels_come_in_the_order_of_time(log):
    labels = label_triggers(log, offers_in_app(), "app_offer", DIMENSIONS)
    assert labels["ts"].is_sorted()
    assert labels.schema["ts"] == pl.Datetime("us", "UTC")
