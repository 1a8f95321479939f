"""Programmes as a reader sees them: every rule of the file is in the table."""

from __future__ import annotations

import pytest

from test_replay_log import programme
from workbench.decision import load_programmes, programme_table
from workbench.errors import ParameterError
from workbench.run.paths import root


def test_a_programme_is_written_out():
    one = programme(limits={"caps": [{"count": 2, "window": "7 days", "counts": "decided"}]})
    assert programme_table([one]).to_dict("records") == [
        {
            "programme": "often",
            "stage": "engagement",
            "trigger": "purchase: purchase_number >= 2",
            "audience": "amount_cents >= 500",
            "offer": "coffee for $1.25 by app",
            "limits": "2 in 7 days",
            "hold-out": "25.0%",
        }
    ]


def test_what_a_programme_leaves_out_is_said_in_words():
    bare = programme(trigger={"event": "purchase"}, audience=None, limits={})
    row = programme_table([bare]).iloc[0]
    assert (row["trigger"], row["audience"], row["limits"]) == ("purchase", "everybody", "none")


def test_one_day_of_cooldown_is_in_the_singular():
    assert programme_table([programme(limits={"cooldown": "1 day"})])["limits"][0] == "1 day apart"


def test_every_shipped_programme_has_its_row():
    shipped = load_programmes(root() / "params" / "programmes" / "grocery")
    assert programme_table(shipped)["programme"].tolist() == [each.name for each in shipped]


def test_no_programme_is_an_error_and_not_an_empty_table():
    with pytest.raises(ParameterError, match="no programme was given"):
        programme_table([])
