"""`story`: one customer's events and decisions in their order."""

from __future__ import annotations

import pytest

from test_replay_explain import at, programme, replayed
from workbench.errors import InputError
from workbench.replay import story, telling_customer
from workbench.report import figures


def test_a_story_has_every_event_and_every_decision_behind_its_event(tmp_path):
    rows = [at(1), at(2, type="app_open"), at(3), at(4, person_id="bob")]
    done = replayed(tmp_path, rows, programme(limits={"cooldown": "7 days"}))
    told = story(done, "ann")
    assert told.table["what"].to_list() == [
        "purchase",
        "decision",
        "app_open",
        "purchase",
        "decision",
    ]
    decisions = told.table[told.table["what"] == "decision"]
    assert decisions["outcome"].to_list() == ["offer", "refused"]
    assert decisions["reason"].to_list() == ["offered", "cooldown"]
    assert decisions["cost_cents"].to_list() == [100, 0]
    assert told.table["cost_cents"].isna().sum() == 3
    assert told.text == (
        "Customer ann, 2024-01-01 to 2024-01-03: 3 events triggered 2 decisions: 1 offer and 1 "
        "refusal. The commonest refusal (1): the last decision lies within the cooldown."
    )
    assert told.headline == "Customer ann: 1 offer out of 2 decisions"


def test_a_story_without_a_decision_says_so(tmp_path):
    done = replayed(tmp_path, [at(1)], programme(trigger={"event": "app_open"}))
    assert story(done, "ann").text == (
        "Customer ann, 2024-01-01 to 2024-01-01: 1 event, of which none triggered a programme."
    )


def test_a_story_of_nobody_is_refused(tmp_path):
    done = replayed(tmp_path, [at(1)], programme())
    with pytest.raises(InputError, match="customer was 'zoe', is nobody in this log"):
        story(done, "zoe")


def test_the_timeline_has_a_lane_for_each_programme_and_labels_the_offers(tmp_path):
    rows = [at(1), at(2, type="app_open"), at(9)]
    done = replayed(tmp_path, rows, programme(limits={"once": True}))
    told = story(done, "ann")
    spec = figures.customer_story(told.table, title=told.headline).to_dict()
    assert spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == ["events", "p"]
    texts = [
        row["offer_id"]
        for layer in spec["layer"]
        if layer["mark"]["type"] == "text"
        for row in spec["datasets"][layer["data"]["name"]]
    ]
    assert texts == ["coffee"]
    assert spec["description"].endswith("3 events, and for p 1 offer and 1 refused.")


def test_the_telling_customer_is_the_one_whose_decisions_end_in_most_ways(tmp_path):
    rows = [at(1), at(2), at(3, person_id="bob"), at(20, person_id="bob"), at(21, person_id="cat")]
    done = replayed(tmp_path, rows, programme(limits={"cooldown": "7 days"}))
    assert telling_customer(done) == "ann", "an offer and a refusal, where bob has two offers"
    never = replayed(tmp_path / "never", rows, programme(trigger={"event": "app_open"}))
    with pytest.raises(InputError, match="the replay has no decision"):
        telling_customer(never)
