"""The calendar beside the event: equal cost, whose next purchase is near, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from small_log import small_log
from test_replay_log import programme
from workbench.errors import InputError, ParameterError
from workbench.log import Log
from workbench.replay import broadcast_at_cost, came_anyway, open_replay, replay
from workbench.report import figures

WEEKLY = {
    "kind": "broadcast",
    "trigger": {"every": {"weekday": "monday", "at": "09:00"}},
    "audience": None,
    "limits": {},
    "experiment": {"unit": "decision", "salt": "w", "holdout_share": 0.0},
}
FREE = {
    "audience": None,
    "limits": {},
    "experiment": {"salt": "s", "holdout_share": 0.0},
}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Forty customers; each buys on two days of January 2024, nine days apart, and again on the 30th."""
    rows = [
        {"ts": f"2024-01-{day:02d}T12:00:00", "person_id": f"p{k:02d}", "amount_cents": 900}
        for k in range(40)
        for day in (1 + k % 3, 10 + k % 3, 30)
    ]
    return small_log(tmp_path, sorted(rows, key=lambda row: str(row["ts"])), parts=2)


def test_a_broadcast_is_sent_to_the_share_that_costs_the_same(log: Log):
    weekly = programme("weekly", **WEEKLY)
    whole = replay(log, [weekly])
    half = broadcast_at_cost(whole, [weekly], committed_cents=whole.committed_cost_cents // 2)
    sent = int(half.programmes["delivered"].sum())
    expected, triggers = len(range(8, 30, 7)) * 40 / 2, int(whole.programmes["triggers"].sum())
    assert abs(sent - expected) < 4 * math.sqrt(triggers / 4)
    assert half.rules[0].experiment.holdout_share == 0.5


def test_a_share_is_drawn_anew_each_week_so_that_it_reaches_more_than_the_share(log: Log):
    weekly = programme("weekly", **WEEKLY)
    whole = replay(log, [weekly])
    quarter = broadcast_at_cost(whole, [weekly], committed_cents=whole.committed_cost_cents // 4)
    assert quarter.persons_reached > 20, "of 40 customers, a fixed quarter would be 10"


def test_a_broadcast_that_costs_less_than_wanted_is_sent_to_everybody(log: Log):
    weekly = programme("weekly", **WEEKLY)
    whole = replay(log, [weekly])
    with pytest.raises(ParameterError, match="committed_cents was 0, must be above 0"):
        broadcast_at_cost(whole, [weekly], committed_cents=0)
    more = broadcast_at_cost(whole, [weekly], committed_cents=10**9)
    assert more.committed_cost_cents == whole.committed_cost_cents


def test_the_next_purchase_and_the_own_rate_are_those_counted_by_hand(log: Log):
    """An offer at the second purchase (day 10, 11 or 12): the next one is 20, 19 or 18 days away.

    By then a customer has bought twice in the nine days that it is known: 2/9 a day.
    """
    second = programme(
        "second", **FREE, trigger={"event": "purchase", "when": "purchase_number = 2"}
    )
    weekly = replay(log, [programme("weekly", **WEEKLY)])
    found = came_anyway({"by event": replay(log, [second]), "weekly": weekly}, horizon_days=18)
    mine = found.offers.filter(found.offers["sent"] == "by event")
    assert sorted(set(mine["days_to_next_purchase"])) == [18, 19, 20]
    assert found.table["days_to_next_purchase"][0] == 19
    expected = sum((k % 3) > 1 for k in range(40)) / 40
    assert found.table["share_anyway"][0] == pytest.approx(expected)
    anyway_cents = found.table["committed_anyway_cents"][0]
    assert anyway_cents == pytest.approx(expected * found.table["committed_cents"][0], abs=1)
    assert set(mine["purchases_before"]) == {2}
    assert found.table["share_expected_anyway"][0] == pytest.approx(1 - math.exp(-2 / 9 * 18))


def test_a_customer_who_never_comes_again_did_not_come_anyway(tmp_path: Path):
    rows = [
        {"ts": f"2024-01-{day:02d}T12:00:00", "person_id": person, "amount_cents": 900}
        for day, person in ((1, "ann"), (20, "bob"))
    ]
    first = programme("first", **FREE, trigger={"event": "purchase", "when": "purchase_number = 1"})
    found = came_anyway({"by event": replay(small_log(tmp_path, rows), [first])}, horizon_days=19)
    assert found.table[["offers", "followed"]].to_numpy().tolist() == [[2, 1]]
    assert found.table["share_anyway"][0] == found.table["committed_anyway_cents"][0] == 0
    assert found.table["days_to_next_purchase"].isna()[0]


def test_an_offer_that_the_log_does_not_follow_so_long_is_in_no_share(log: Log):
    """The second purchases are on the 10th, 11th and 12th, and the log ends on the 30th."""
    second = programme(
        "second", **FREE, trigger={"event": "purchase", "when": "purchase_number = 2"}
    )
    replays = {"by event": replay(log, [second])}
    found = came_anyway(replays, horizon_days=19)
    on_the_12th = sum(k % 3 == 2 for k in range(40))
    assert found.table["followed"][0] == 40 - on_the_12th
    on_the_11th = sum(k % 3 == 1 for k in range(40))
    assert found.table["share_anyway"][0] == pytest.approx(on_the_11th / (40 - on_the_12th))
    cents = found.table["committed_cents"][0] * on_the_11th / (40 - on_the_12th)
    assert found.table["committed_anyway_cents"][0] == round(cents)
    assert (
        f"of the {40 - on_the_12th} cases that the log follows so long the customer" in found.text
    )
    beyond = came_anyway(replays, horizon_days=21)
    assert beyond.table["share_anyway"].isna()[0]
    assert beyond.table["committed_anyway_cents"].isna()[0]
    assert "not enough data, the log follows none for 21 days" in beyond.text
    assert (beyond.headline, beyond.choice) == ("", "")
    with pytest.raises(InputError, match="came_anyway: the frame has no rows"):
        figures.came_anyway(beyond.table)


def test_nothing_sent_is_not_enough_data(log: Log):
    never = programme("never", **{**FREE, "audience": "amount_cents > 99999"})
    weekly = replay(log, [programme("weekly", **WEEKLY)])
    found = came_anyway({"by event": replay(log, [never]), "weekly": weekly})
    assert found.text.startswith("By event: not enough data, nothing was sent.")
    assert found.table["share_anyway"].isna()[0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"kind": "targeting", "trigger": {"event": "purchase"}}, "must be one calendar programme"),
        ({"experiment": {"salt": "w", "holdout_share": 0.0}}, "must have unit: decision"),
        (
            {"experiment": {"unit": "decision", "salt": "w", "holdout_share": 0.5}},
            "must be 0: the share that gets it is what is looked for",
        ),
        (
            {
                "offers": [
                    {
                        "id": "free",
                        "value_cents": 1,
                        "cost_cents": 0,
                        "redemption_rate": 0.5,
                        "channel": "email",
                    }
                ]
            },
            "weekly costs nothing over this log",
        ),
    ],
)
def test_a_broadcast_that_cannot_be_scaled_is_refused(
    log: Log, changes: dict[str, object], text: str
):
    with pytest.raises(ParameterError, match=text):
        broadcast_at_cost(
            replay(log, [programme("any", **FREE)]), [programme("weekly", **{**WEEKLY, **changes})]
        )


def test_what_has_no_log_or_another_one_is_refused(log: Log, tmp_path: Path):
    weekly = programme("weekly", **WEEKLY)
    replay(log, [weekly], out=tmp_path / "stored")
    stored = open_replay(tmp_path / "stored")
    with pytest.raises(InputError, match="opened without its log"):
        broadcast_at_cost(stored, [weekly])
    with pytest.raises(InputError, match="opened without its log"):
        came_anyway({"one": stored})
    rows = [{"ts": "2024-01-01", "person_id": "eve", "amount_cents": 1}]
    other = replay(small_log(tmp_path / "other", rows), [weekly])
    with pytest.raises(InputError, match="two is of another log than the first"):
        came_anyway({"one": other, "two": stored})
    with pytest.raises(ParameterError, match="horizon_days was 0, must be at least 1"):
        came_anyway({"one": other}, horizon_days=0)
    with pytest.raises(ParameterError, match="a mapping of which each value is a replay, such as"):
        came_anyway({"one": log})  # type: ignore[dict-item]
    with pytest.raises(ParameterError, match="replays was empty"):
        came_anyway({})
