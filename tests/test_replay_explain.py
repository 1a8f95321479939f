"""`explain`: the path of each reason, what was seen there, and what would have changed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from small_log import small_log
from workbench.decision.house import House, ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.written import changed
from workbench.errors import InputError, ParameterError
from workbench.replay import Explanation, Replay, explain, open_replay, replay

COFFEE = {
    "id": "coffee",
    "value_cents": 300,
    "cost_cents": 100,
    "redemption_rate": 0.25,
    "channel": "app",
}
CAKE = {**COFFEE, "id": "cake", "value_cents": 900}
ARMS = {
    "salt": "s",
    "arms": {"a": 0.5, "b": 0.5},
    "offers_by_arm": {"a": ["coffee"], "b": ["cake"]},
}


def programme(name: str = "p", **keys: Any) -> dict[str, Any]:
    return {
        "name": name,
        "stage": "engagement",
        "kind": "targeting",
        "trigger": {"event": "purchase"},
        "offers": [COFFEE],
        "experiment": {"salt": "s", "holdout_share": 0},
        **keys,
    }


def at(day: float, hour: float = 12, **keys: Any) -> dict[str, Any]:
    """A purchase of ann on a day of January 2024."""
    second = round(hour * 3600)
    ts = datetime(2024, 1, int(day), second // 3600, second // 60 % 60, second % 60, tzinfo=UTC)
    return {"ts": ts, "person_id": "ann", "amount_cents": 500, **keys}


def replayed(
    tmp_path: Path,
    rows: Sequence[Mapping[str, Any]],
    *programmes: Mapping[str, Any],
    house: Mapping[str, Any] | None = None,
    tables: Mapping[str, pl.DataFrame] | None = None,
) -> Replay:
    log = small_log(tmp_path, rows, tables=tables)
    made = [Programme.from_mapping(each, source="test") for each in programmes]
    rules = ProgrammeSet.of(made, House.from_mapping(house or {}, source="house"))
    return replay(log, rules, workers=1)


def consent(granted: bool) -> dict[str, pl.DataFrame]:
    row = {"customer_id": ["ann"], "channel": ["app"], "granted": [granted]}
    return {"consent": pl.DataFrame(row)}


class Case(NamedTuple):
    """A case whose last decision is refused.

    Attributes:
        reason: Why.
        programmes: The programmes; that of the refusal is ``p``.
        rows: The events.
        value: What the refusing test saw.
        limit: What it was held against.
        changes: Some of the changes: kind, key, was, would be.
        more: House and tables.
    """

    reason: str
    programmes: tuple[dict[str, Any], ...]
    rows: list[dict[str, Any]]
    value: str
    limit: str
    changes: tuple[tuple[Any, ...], ...] = ()
    more: dict[str, Any] = {}  # noqa: RUF012 - never changed


QUIET = {"from": "21:00", "to": "08:00"}
DISCARD = {**QUIET, "then": "discard"}
CASES = [
    Case("other_layer", (programme(experiment={"salt": "s", "holdout_share": 0, "layer": {"name": "l", "from": 0, "to": 0.001}}),), [at(1)], "other layer", "100.0%"),
    Case("outside_coverage", (programme(experiment={"salt": "s", "holdout_share": 0, "coverage": 0.0001}),), [at(1)], "outside coverage", "<0.1%"),
    Case(
        "not_in_audience", (programme(audience="amount_cents >= 700 AND purchase_number >= 1"),), [at(1)],
        "amount_cents = 500, purchase_number = 1", "true",
        (
            ("threshold", "p.audience", "amount_cents >= 700 AND purchase_number >= 1", "amount_cents >= 500 AND purchase_number >= 1"),
            ("value", "amount_cents", 500, 700),
        ),
    ),
    Case("audience_unknown", (programme(audience="discount_cents < 10"),), [at(1)], "discount_cents not known", "true", (("value", "discount_cents", None, 9),)),
    Case("other_arm", (programme(experiment=ARMS, offers=[COFFEE, {**CAKE, "when": "amount_cents > 900"}]),), [at(1, person_id="cleo")], "amount_cents = 500", "true"),
    Case("not_applicable", (programme(offers=[{**COFFEE, "when": "amount_cents > 500"}]),), [at(1)], "amount_cents = 500", "true", (("threshold", "p.offers.0.when", "amount_cents > 500", "amount_cents > 499"), ("value", "amount_cents", 500, 501))),
    Case("applicability_unknown", (programme(offers=[{**COFFEE, "when": "margin_cents > 0"}]),), [at(1)], "margin_cents not known", "true", (("value", "margin_cents", None, 1),)),
    Case("suppressed", (programme(suppress=["channel = 'web'", "amount_cents <= 500"]),), [at(1, channel="app")], "amount_cents = 500", "not true", (("threshold", "p.suppress.1", "amount_cents <= 500", "amount_cents <= 499"), ("value", "amount_cents", 500, 501))),
    Case("suppression_unknown", (programme(suppress=["discount_cents > 5"]),), [at(1)], "discount_cents not known", "not true", (("value", "discount_cents", None, 5),)),
    Case("no_consent", (programme(consent="required"),), [at(1)], "no", "required", (("limit", "p.consent", "required", "none"), ("consent", "consent.app", "no", "yes")), {"tables": consent(granted=False)}),
    Case("consent_unknown", (programme(consent="required"),), [at(1)], "not known", "required", (("consent", "consent.app", "not known", "yes"),)),
    Case("cap_reached", (programme(limits={"caps": [{"count": 2, "window": "7 days"}]}),), [at(1), at(2), at(4), at(5)], "2 decided in the last 7 days", "2", (("limit", "p.limits.caps.0.count", 2, 4),)),
    Case("cap_reached", (programme(),), [at(1), at(2)], "1 decided this month", "1", (("limit", "house.caps.0.count", 1, 2),), {"house": {"caps": [{"name": "one", "count": 1, "calendar": "month", "scope": "everything"}]}}),
    Case("cooldown", (programme(limits={"cooldown": "7 days"}),), [at(1), at(3), at(6)], "last decision 5.0 days before", "7 days", (("limit", "p.limits.cooldown", "7 days", "5 days"),)),
    Case("once", (programme(limits={"once": True}),), [at(1), at(9)], "last decision 8.0 days before", "once", (("limit", "p.limits.once", True, False),)),
    Case("concurrency", (programme(limits={"concurrency": 1}),), [at(1), at(9)], "1 open", "1", (("limit", "p.limits.concurrency", 1, 2),)),
    Case("waiting", (programme(trigger={"event": "purchase", "collect_for": "1 day"}),), [at(1), at(1, 14)], "one waits", "none"),
    Case("no_zone", (programme(quiet_hours={**DISCARD, "without_zone": "refuse"}),), [at(1)], "the customer's zone is not known", "discard", (("limit", "p.quiet_hours.without_zone", "refuse", "log"), ("limit", "p.quiet_hours.without_zone", "refuse", "send"))),
    Case(
        "quiet_hours", (programme(quiet_hours=DISCARD),), [at(1, 7.5)],
        "2024-01-01 07:30 UTC, quiet until 2024-01-01 08:00 UTC", "discard",
        (("limit", "p.quiet_hours.to", "08:00", "07:30"), ("limit", "p.quiet_hours.then", "discard", "queue")),
    ),
    Case("quiet_expired", (programme(),), [at(1, 22)], "2024-01-01 22:00 UTC, quiet until 2024-01-02 08:00 UTC", "wait at most 9 h", (("limit", "house.quiet_hours.expire", "9 h", "10 h"), ("limit", "house.quiet_hours.from", "21:00", "22:01")), {"house": {"quiet_hours": {**QUIET, "expire": "9 h"}}}),
    Case("budget_closed", (programme(budget={"amount_cents": 150, "per": "month"}),), [at(1, person_id="bob"), at(2)], "closed", "$1.50 a month", (("budget", "p", "closed", "open"),)),
    Case("inventory_gone", (programme(offers=[{**COFFEE, "inventory": 1}]),), [at(1, person_id="bob"), at(2)], "closed", "1 in all", (("budget", "p: coffee", "closed", "open"),)),
    Case(
        "not_worth_it",
        (programme(choose={"by": "policy", "policy": {"cells": [{"name": "all", "when": "amount_cents > 0"}], "scores_cents": {"all": {"coffee": 50.0}}, "shadow_price": 0.75}}),),
        [at(1)], "−25.00", "above 0", (("limit", "p.choose.policy.shadow_price", 0.75, 0.4999),),
    ),
    Case("outranked", (programme(), programme("q", offers=[CAKE])), [at(1)], "50.00", "above q 200.00", (("limit", "house.slot", 1, 2), ("limit", "p.offers.0.value_cents", 300, 900))),
]  # fmt: skip


def told_of(case: Case, tmp_path: Path) -> tuple[Replay, Explanation]:
    done = replayed(tmp_path, case.rows, *case.programmes, **case.more)
    return done, explain(done, str(case.rows[-1]["person_id"]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.reason)
def test_the_path_stops_at_the_reason_with_what_was_seen_and_the_limit(case, tmp_path):
    _, told = told_of(case, tmp_path)
    mine = told.table[told.table["programme"] == "p"]
    if case.reason == "other_arm":
        assert set(mine["reason"].dropna()) >= {"other_arm"}
        return
    refusal = mine[mine["passed"].eq(other=False) & mine["reached"]].iloc[0]
    assert (refusal["reason"], refusal["value"], refusal["limit"]) == (
        case.reason,
        case.value,
        case.limit,
    )
    before = mine.loc[: refusal.name - 1]
    assert before["passed"].all()
    decision = told.decisions[told.decisions["programme"] == "p"].iloc[0]
    assert decision["reason"] == case.reason


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.reason)
def test_the_nearest_changes_are_found_smallest_first(case, tmp_path):
    _, told = told_of(case, tmp_path)
    columns = ["kind", "key", "was", "would_be"]
    found = [tuple(row) for row in told.changes[columns].itertuples(index=False)]
    assert set(case.changes) <= set(found), found
    assert told.changes["size"].is_monotonic_increasing
    if found:
        assert told.changes["sentence"].iloc[0].split(" had ")[1] in told.text


def test_what_refuses_behind_the_refusal_says_so_too(tmp_path):
    limits = {"caps": [{"count": 1, "window": "7 days"}], "cooldown": "2 days"}
    done = replayed(tmp_path, [at(1), at(2)], programme(limits=limits))
    told = explain(done, "ann")
    refusing = told.table[told.table["passed"].eq(other=False)]
    assert refusing["test"].to_list() == ["1 decided in 7 days (programme)", "cooldown"]
    assert refusing["reached"].to_list() == [True, False]
    assert refusing["free_at"].to_list() == [
        datetime(2024, 1, 8, 12, tzinfo=UTC),
        datetime(2024, 1, 3, 12, tzinfo=UTC),
    ]
    assert told.changes["kind"].to_list() == ["time"]
    assert told.changes["would_be"].iloc[0] == datetime(2024, 1, 8, 12, tzinfo=UTC)
    assert "the event come 6.0 days later, at 2024-01-08 12:00 UTC" in told.text


def test_two_refusals_that_no_single_change_mends_are_both_named(tmp_path):
    rules = programme(
        audience="purchase_number > 9", suppress=["weekday = 'monday'"], consent="required"
    )
    told = explain(replayed(tmp_path, [at(1)], rules), "ann")
    assert told.changes.empty
    assert told.text.endswith("weekday = 'monday' and agreed to app would have refused it too.")


def test_a_customer_in_the_control_is_told_that_it_was_the_draw(tmp_path):
    rules = programme(experiment={"salt": "s", "holdout_share": 0.9999})
    told = explain(replayed(tmp_path, [at(1)], rules), "ann")
    assert told.decisions["reason"].to_list() == ["held_out"]
    assert told.changes.empty
    assert told.text == (
        "The purchase of customer ann at 2024-01-01 12:00 UTC: “p” would have given “coffee”, but "
        "the customer is in the control. Nothing but the draw decided it."
    )


def test_an_offer_that_went_out_asks_for_no_change(tmp_path):
    told = explain(replayed(tmp_path, [at(1)], programme()), "ann")
    assert told.text == "The purchase of customer ann at 2024-01-01 12:00 UTC: “p” gave “coffee”."
    assert told.headline == "Customer ann got “coffee”"
    assert told.table["passed"].all()
    assert told.changes.empty


def test_a_wider_cap_counts_what_it_lets_through_before(tmp_path):
    """With 3 the offer of the 4th would have gone out and taken the place of the 5th's."""
    rows = [at(1), at(2), at(4), at(5)]
    done = replayed(tmp_path, rows, programme(limits={"caps": [{"count": 2, "window": "7 days"}]}))
    (change,) = explain(done, "ann").changes.query("kind == 'limit'").to_dict("records")
    assert (change["was"], change["would_be"]) == (2, 4)
    for count, reason in ((3, "cap_reached"), (4, "offered")):
        again = replay(done.log, changed(done.rules, {change["key"]: count}), workers=1)
        assert again.decisions().collect()["reason"][-1] == reason


def test_a_cap_is_widened_also_to_where_the_cooldown_leaves_it_nothing_to_bind(tmp_path):
    """In 3 days the cooldown leaves room for two: a cap of 3 refuses nothing, so the third goes out."""
    limits = {"caps": [{"count": 2, "window": "3 days"}], "cooldown": "1 day"}
    done = replayed(tmp_path, [at(1), at(2), at(3)], programme(limits=limits))
    (change,) = explain(done, "ann").changes.query("kind == 'limit'").to_dict("records")
    assert (change["was"], change["would_be"]) == (2, 3)
    again = replay(done.log, changed(done.rules, {change["key"]: 3}), out=tmp_path / "again")
    reopened = open_replay(tmp_path / "again")
    assert again.decisions().collect()["reason"][-1] == "offered"
    assert reopened.rules == again.rules


def test_the_state_before_and_after_shows_the_slot_that_was_taken(tmp_path):
    rules = programme(limits={"caps": [{"count": 2, "window": "7 days"}], "cooldown": "1 day"})
    told = explain(replayed(tmp_path, [at(1), at(3)], rules), "ann")
    cap, cooldown = told.state.to_dict("records")
    assert (cap["before"], cap["after"], cap["limit"]) == (
        "1 decided in the last 7 days",
        "2 decided in the last 7 days",
        "2",
    )
    assert cap["free_at"] == datetime(2024, 1, 8, 12, tzinfo=UTC)
    assert (cooldown["before"], cooldown["after"]) == (
        "last decision 2.0 days before",
        "last decision 0 ms before",
    )


def test_what_was_open_has_the_probability_of_the_log(tmp_path):
    rules = programme(offers=[COFFEE, CAKE], choose={"by": "epsilon", "epsilon": 0.5})
    told = explain(replayed(tmp_path, [at(1)], rules), "ann")
    assert told.open["open"].all()
    assert told.open["probability"].to_list() == [0.25, 0.75]
    assert told.open["chosen"].sum() == 1
    assert set(told.open["arm"]) == {"treatment"}
    assert told.candidates["offer_id"].to_list() == ["coffee", "cake"]


def test_a_release_and_a_deadline_are_explained_by_their_own_sets(tmp_path):
    quiet = programme(quiet_hours=QUIET, limits={"caps": [{"count": 1, "window": "1 day"}]})
    left = programme(
        "left", trigger={"event": "basket_add", "unless": {"event": "purchase", "within": "2 h"}}
    )
    rows = [at(1, 22), at(2, 12, type="basket_add"), at(3, 12, type="app_open")]
    done = replayed(tmp_path, rows, quiet, left)
    log = done.decisions().collect()
    assert log["kind"].to_list() == ["event", "release", "timer"]
    for decision_id, begin in zip(
        log["decision_id"],
        ("The purchase of", "The end of the quiet hours of", "The deadline of"),
        strict=True,
    ):
        told = explain(done, "ann", at=decision_id)
        assert told.text.startswith(begin)
        assert told.decisions["decision_id"].to_list() == [decision_id]
    (queue,) = (
        explain(done, "ann", at=log["decision_id"][0])
        .state.query("kind == 'queue'")
        .to_dict("records")
    )
    assert (queue["before"], queue["after"]) == ("none", "due 2024-01-02 08:00 UTC")


def test_two_slots_hold_the_second_against_what_the_first_took(tmp_path):
    house = {
        "slot": 2,
        "caps": [{"name": "one", "count": 1, "window": "1 day", "scope": "everything"}],
    }
    done = replayed(tmp_path, [at(1)], programme(), programme("q", offers=[CAKE]), house=house)
    told = explain(done, "ann")
    refused = told.table[told.table["passed"].eq(other=False)].iloc[0]
    assert (refused["programme"], refused["test"], refused["value"]) == (
        "p",
        "one",
        "1 decided in the last 1 day",
    )


def test_an_event_without_a_decision_says_what_each_programme_asks_for(tmp_path):
    rules = programme(trigger={"event": "purchase", "when": "amount_cents >= 700"})
    other = programme("visit", trigger={"event": "app_open"})
    told = explain(replayed(tmp_path, [at(1)], rules, other), "ann")
    assert told.decisions.empty
    assert told.table["value"].to_list() == [
        "event = purchase, amount_cents = 500",
        "event = purchase",
    ]
    assert not told.table["passed"].any()
    assert told.text.startswith(
        "The purchase of customer ann at 2024-01-01 12:00 UTC triggered nothing: "
    )
    assert told.changes.empty


def test_a_named_programme_that_was_not_triggered_is_asked_too(tmp_path):
    rules = programme(trigger={"event": "purchase", "when": "amount_cents >= 700"})
    told = explain(replayed(tmp_path, [at(1)], rules), "ann", programme="p")
    columns = ["kind", "key", "was", "would_be"]
    assert [tuple(row) for row in told.changes[columns].itertuples(index=False)] == [
        ("threshold", "p.trigger.when", "amount_cents >= 700", "amount_cents >= 500"),
        ("value", "amount_cents", 500, 700),
    ]


def test_a_named_programme_of_another_set_is_said_to_be_none_of_this_one(tmp_path):
    left = programme("left", trigger={"event": "purchase", "silence": "2 days"})
    done = replayed(tmp_path, [at(1), at(9)], programme(), left)
    (deadline,) = done.decisions().filter(pl.col("kind") == "timer").collect()["decision_id"]
    told = explain(done, "ann", at=deadline, programme="p")
    assert told.table["value"].to_list() == ["time brought this set about, no event"]
    assert told.changes.empty


@pytest.mark.parametrize(
    ("trigger", "rows", "value"),
    [
        ({"event": "purchase", "nth": {"n": 3, "within": "7 days"}}, [at(1)], "fewer so far"),
        (
            {"event": "basket_add", "then": {"event": "purchase", "within": "2 h"}},
            [at(1)],
            "no wait runs that it could end",
        ),
        (
            {"event": "purchase", "unless": {"event": "refund", "within": "2 h"}},
            [at(1)],
            "the wait of 2 h 0 min begins, unless one runs already",
        ),
        (
            {"event": "purchase", "first": {"days": 1, "after": "registration"}},
            [at(1)],
            "not in those days",
        ),
    ],
)
def test_a_pattern_that_did_not_fire_says_what_the_event_did_to_it(tmp_path, trigger, rows, value):
    told = explain(replayed(tmp_path, rows, programme(trigger=trigger)), "ann")
    assert told.table["value"].to_list() == [f"event = purchase: {value}"]


def test_an_instant_between_events_explains_the_last_one_known_by_then(tmp_path):
    done = replayed(tmp_path, [at(1), at(3), at(5)], programme(limits={"cooldown": "3 days"}))
    for when in ("2024-01-04T00:00:00Z", datetime(2024, 1, 3, 12, tzinfo=UTC)):
        told = explain(done, "ann", at=when)
        assert told.at == datetime(2024, 1, 3, 12, tzinfo=UTC)
        assert told.decisions["reason"].to_list() == ["cooldown"]
    assert explain(done, "ann").at == datetime(2024, 1, 5, 12, tzinfo=UTC)


def test_a_customer_id_of_the_log_finds_the_person(tmp_path):
    rows = [at(1), at(2, customer_id="card-7")]
    told = explain(replayed(tmp_path, rows, programme()), "card-7")
    assert told.customer == "ann"


def test_bad_input_is_refused_with_what_to_do(tmp_path):
    done = replayed(tmp_path, [at(2), at(3, person_id="annabel")], programme())
    with pytest.raises(
        InputError, match=r"customer was 'anne', is nobody in this log — did you mean 'ann'\?"
    ):
        explain(done, "anne")
    with pytest.raises(
        InputError, match="before the first event of 'ann', which was known at 2024-01-02 12:00 UTC"
    ):
        explain(done, "ann", at="2024-01-01T00:00:00Z")
    with pytest.raises(
        InputError, match="after the end of the replay at 2024-01-03 12:00 UTC; name an instant"
    ):
        explain(done, "ann", at="2024-01-05T00:00:00Z")
    with pytest.raises(ParameterError, match="at was '2024-01-05', must be an instant with a zone"):
        explain(done, "ann", at="2024-01-05")
    with pytest.raises(ParameterError, match="must be an instant with a zone"):
        explain(done, "ann", at=datetime(2024, 1, 5))  # noqa: DTZ001 - that is the fault
    with pytest.raises(
        ParameterError, match="or a decision_id of this customer — did you mean 'p:event"
    ):
        explain(done, "ann", at="p:event:1704196800000000:e")
    with pytest.raises(ParameterError, match="programme was 'q', must be one of p"):
        explain(done, "ann", programme="q")
    with pytest.raises(ParameterError, match="customer was 3, must be a text"):
        explain(done, 3)


def test_a_decision_log_of_other_decisions_is_refused(tmp_path):
    done = replayed(tmp_path, [at(1), at(2), at(3)], programme())
    half = replay(done.log, done.rules, workers=1, until=datetime(2024, 1, 2, tzinfo=UTC))
    rest = replay(done.log, done.rules, workers=1, state=half.state)
    with pytest.raises(InputError, match="replay the log again, from the start"):
        explain(rest, "ann")


def test_a_replay_opened_without_its_log_is_refused(tmp_path):
    log = small_log(tmp_path, [at(1)])
    rules = [Programme.from_mapping(programme(), source="p")]
    replay(log, rules, workers=1, out=tmp_path / "out")
    with pytest.raises(InputError, match="opened without its log; open it with"):
        explain(open_replay(tmp_path / "out"), "ann")
    assert explain(open_replay(tmp_path / "out", log=log), "ann").customer == "ann"
