"""Two replays of one log compared: paired by a slow rule, counted by hand, refused when they differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from small_log import small_log
from test_replay_log import ROWS, programme
from workbench.errors import InputError, ParameterError
from workbench.log import Log
from workbench.replay import Replay, diff, log_replay, open_replay, replay
from workbench.replay.decided import DECISIONS_SCHEMA
from workbench.replay.pairs import NOT_TRIGGERED, paired

PEOPLE = pd.DataFrame(
    {"person_id": ["eve", "bob", "cleo", "dän", "zoe"], "segment": ["a", "a", "b", "b", None]}
)
SHORT = programme(limits={"cooldown": "1 day"})
POINTS = programme(
    "points",
    kind="listening",
    audience=None,
    offers=[],
    limits={},
    points={"award": 5, "per": "purchase"},
)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return small_log(tmp_path, ROWS)


def total(compared: Any) -> dict[str, Any]:
    return compared.table.set_index("programme").loc["all programmes"].to_dict()


def kinds(compared: Any) -> dict[str, int]:
    return dict(zip(compared.decisions["kind"], compared.decisions["decisions"], strict=True))


def outcomes(replayed: Replay) -> dict[str, tuple[Any, ...]]:
    rows = replayed.decisions().collect().iter_rows(named=True)
    names = ("reason", "offer_id", "channel", "variant", "points", "known_at")
    return {row["decision_id"]: tuple(row[name] for name in names) for row in rows}


def test_a_shorter_cooldown_changes_what_was_counted_by_hand(log: Log):
    """Purchases 2 to 8 of four persons: offers on days 2, 5, 8 at three days, on all at one."""
    a, b = replay(log, [programme()]), replay(log, [SHORT])
    held = 4 - a.persons_reached
    assert 0 < held < 4
    compared = diff(a, b)
    found = total(compared)
    assert (found["delivered_a"], found["delivered_b"]) == (3 * (4 - held), 7 * (4 - held))
    assert (
        found["persons_reached_a"],
        found["persons_reached_b"],
        found["persons_reached_change"],
    ) == (4 - held,) * 2 + (0,)
    assert (found["contacts_per_customer_a"], found["contacts_per_customer_b"]) == (3, 7)
    assert found["promised_change_cents"] == 4 * (4 - held) * 125
    assert found["committed_change_cents"] == b.committed_cost_cents - a.committed_cost_cents
    assert found["ghosts_change"] == 4 * held
    assert kinds(compared) == {"same": 12, "changed": 16, "only in a": 0, "only in b": 0}
    changed = compared.decisions.set_index("kind").loc["changed"]
    assert (changed["first_of_customer"], changed["after_an_earlier_change"]) == (4, 12)
    across = compared.by_reason.set_index("reason")
    assert across.loc["cooldown", "offered"] == 4 * (4 - held)
    assert across.loc["cooldown", "held_out"] == 4 * held
    assert compared.by_stage.set_index("stage").to_numpy().sum() == 28
    assert "16 of 28 decisions differ (16 end otherwise): 4 where" in compared.text
    assert compared.headline.startswith(f"{4 * (4 - held)} more offers, $")


@pytest.mark.parametrize(
    "others",
    [
        (SHORT,),
        (programme(audience=None),),
        (programme(experiment={"unit": "customer", "holdout_share": 0.5, "salt": "s6"}),),
        (programme(trigger={"event": "purchase"}),),
        (programme(trigger={"event": "purchase", "when": "purchase_number >= 4"}),),
        (programme("other"),),
        (programme(), POINTS),
        (programme(audience="amount_cents >= 530"), programme("other", limits={})),
    ],
)
def test_decisions_are_paired_as_by_a_slow_loop(log: Log, others: tuple[Any, ...]):
    a, b = replay(log, [programme(), programme("second")]), replay(log, others)
    compared = diff(a, b)
    one, other = outcomes(a), outcomes(b)
    both = one.keys() & other.keys()
    differing = {key for key in both if one[key] != other[key]}
    assert kinds(compared) == {
        "same": len(both) - len(differing),
        "changed": len(differing),
        "only in a": len(one.keys() - both),
        "only in b": len(other.keys() - both),
    }
    rows = compared.winners().collect()
    assert set(rows["decision_id"]) == differing | (one.keys() ^ other.keys())
    for row in rows.iter_rows(named=True):
        key = row["decision_id"]
        assert (row["reason_a"], row["offer_a"]) == one.get(key, (None, None))[:2]
        assert (row["reason_b"], row["offer_b"]) == other.get(key, (None, None))[:2]
    matrix = compared.by_reason.set_index("reason")
    assert matrix.to_numpy().sum() == len(one.keys() | other.keys())
    for reason in matrix.index:
        expected = [v[0] for v in one.values()].count(reason)
        if reason == NOT_TRIGGERED:
            expected = len(other.keys() - both)
        assert matrix.loc[reason].sum() == expected


@dataclass(frozen=True)
class Made:
    """A decision set of one decision in a small world of two replays."""

    number: int
    instant: int
    person: str
    a: str | None
    b: str | None

    @property
    def differs(self) -> bool:
        return self.a != self.b


def side(made: list[Made], which: str) -> Any:
    rows = [
        {
            "decision_id": f"d{each.number}",
            "set_id": f"s{each.number}",
            "person": each.person,
            "programme": "p",
            "ts": datetime(2024, 1, 1, tzinfo=UTC),
            "known_at": datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=each.instant),
            "reason": getattr(each, which),
        }
        for each in made
        if getattr(each, which) is not None
    ]
    frame = pl.DataFrame([{name: row.get(name) for name in DECISIONS_SCHEMA} for row in rows],
                         schema=DECISIONS_SCHEMA, orient="row")  # fmt: skip
    return SimpleNamespace(paths=(), decisions=frame.lazy)


REASON = st.sampled_from(["offered", "cooldown", None])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from("xy"), REASON, REASON), max_size=6))
def test_a_change_is_after_an_earlier_one_as_the_order_of_deciding_says(drawn):
    instant, made = 0, []
    for number, (gap, person, a, b) in enumerate(drawn):
        instant += gap
        made.append(Made(number, instant, person, a, b))
    differing = [each for each in made if each.differs]
    for one in differing:  # nothing orders a set of a alone and one of b alone at one instant
        for other in differing:
            tied = (one.instant, one.person) == (other.instant, other.person)
            assume(not (tied and one.a is None and other.b is None))
    truth = {
        f"d{each.number}": any(
            earlier.number < each.number and earlier.person == each.person for earlier in differing
        )
        for each in differing
    }
    rows = paired(side(made, "a"), side(made, "b")).changes
    assert dict(rows.select("decision_id", "after_an_earlier_change").iter_rows()) == truth


def test_decisions_of_one_set_differ_together(log: Log):
    both = [programme(), programme("second")]
    longer = [programme(each.name, limits={"cooldown": "1 day"}) for each in both]
    rows = diff(replay(log, both), replay(log, longer)).winners().collect()
    first = rows.filter(~pl.col("after_an_earlier_change"))
    assert first.group_by("person").len()["len"].to_list() == [2, 2, 2, 2]
    assert first.group_by("person").agg(pl.col("ts").n_unique())["ts"].to_list() == [1] * 4


def test_equal_replays_say_that_nothing_changes(log: Log):
    a, b = replay(log, [programme()]), replay(log, [programme()])
    compared = diff(a, b)
    assert compared.text == "Nothing changes: both replays made the same 28 decisions."
    assert compared.headline == "Nothing changes"
    assert compared.winners().collect().is_empty()


def test_another_cost_alone_changes_money_and_no_decision(log: Log):
    offer = {"id": "coffee", "value_cents": 400, "cost_cents": 150, "redemption_rate": 0.3}
    dearer = programme(offers=[{**offer, "channel": "app"}])
    compared = diff(replay(log, [programme()]), replay(log, [dearer]))
    assert "All 28 decisions are the same; only their cost differs." in compared.text
    assert total(compared)["promised_change_cents"] == 25 * total(compared)["delivered_a"]


def test_another_channel_is_a_change_of_the_decision(log: Log):
    offer = {"id": "coffee", "value_cents": 400, "cost_cents": 125, "redemption_rate": 0.3}
    by_mail = programme(offers=[{**offer, "channel": "email"}])
    compared = diff(replay(log, [programme()]), replay(log, [by_mail]))
    assert kinds(compared)["changed"] == 12


def test_stored_and_kept_replays_give_the_same_comparison(log: Log, tmp_path: Path):
    others = (programme(audience="amount_cents >= 530"), programme("other", limits={}))
    kept = diff(replay(log, [programme()]), replay(log, others))
    replay(log, [programme()], out=tmp_path / "a")
    replay(log, others, out=tmp_path / "b")
    a, b = open_replay(tmp_path / "a"), open_replay(tmp_path / "b")
    for one, other in ((a, b), (a, replay(log, others)), (replay(log, [programme()]), b)):
        stored = diff(one, other)
        assert stored.text == kept.text
        assert stored.table.equals(kept.table)
        assert stored.by_reason.equals(kept.by_reason)
        assert stored.changes.sort("decision_id").equals(kept.changes.sort("decision_id"))


def test_parts_that_are_stored_in_other_windows_are_paired(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(log_replay, "LEAST_ROWS", 1)
    budgeted = programme(budget={"amount_cents": 600, "per": "total"})
    replay(log, [programme()], out=tmp_path / "a")
    replay(log, [budgeted], out=tmp_path / "b")
    a, b = open_replay(tmp_path / "a"), open_replay(tmp_path / "b")
    assert len(a.paths) < len(b.paths)
    stored, kept = diff(a, b), diff(replay(log, [programme()]), replay(log, [budgeted]))
    assert stored.by_reason.equals(kept.by_reason)
    assert stored.changes.sort("decision_id").equals(kept.changes.sort("decision_id"))
    assert stored.by_reason.set_index("reason").loc["offered", "budget_closed"] > 0
    assert kinds(stored)["only in a"] == kinds(stored)["only in b"] == 0


def test_a_programme_of_one_replay_only_has_no_figures_of_the_other(log: Log):
    compared = diff(replay(log, [programme()]), replay(log, [programme(), programme("new")]))
    row = compared.table.set_index("programme").loc["new"]
    assert pd.isna(row["triggers_a"])
    assert row["triggers_b"] == row["triggers_change"] == row["differing"] == 28
    assert pd.isna(row["contacts_per_customer_change"])
    assert compared.by_reason.iloc[0]["reason"] == NOT_TRIGGERED
    assert compared.by_reason.iloc[0, 1:].sum() == 28


def test_points_are_no_offer_and_reach_nobody(log: Log):
    a, b = replay(log, [programme()]), replay(log, [programme(), POINTS])
    assert b.persons_reached == a.persons_reached < 4
    found = total(diff(a, b))
    assert (found["persons_reached_change"], found["delivered_change"]) == (0, 0)


def test_who_gains_and_who_loses_is_counted_person_by_person(log: Log):
    a = replay(log, [programme()])
    b = replay(log, [programme(limits={"cooldown": "1 day"}, audience="amount_cents >= 540")])
    gains = diff(a, b).by(PEOPLE, "segment")
    sent = [
        dict(each.decisions().filter("delivered").collect()["person"].value_counts().iter_rows())
        for each in (a, b)
    ]
    table = gains.table.set_index("segment")
    for segment, people in PEOPLE.fillna("not known").groupby("segment")["person_id"]:
        before, after = ([each.get(person, 0) for person in people] for each in sent)
        assert table.loc[segment, "offers_a"] == sum(before)
        assert table.loc[segment, "offers_b"] == sum(after)
        assert table.loc[segment, "gain"] == sum(y > x for x, y in zip(before, after, strict=True))
        assert table.loc[segment, "lose"] == sum(y < x for x, y in zip(before, after, strict=True))
        assert table.loc[segment, "committed_b_cents"] == pytest.approx(sum(after) * 125 * 0.3)
    assert table["customers"].sum() == 5
    with pytest.raises(InputError, match="customers must hold everybody"):
        diff(a, b).by(PEOPLE[PEOPLE["person_id"] == "zoe"], "segment")
    with pytest.raises(ParameterError, match="did you mean 'segment'"):
        diff(a, b).by(PEOPLE, "segmnt")


def test_with_all_customers_the_sentence_says_which_share_is_reached(log: Log):
    a, b = replay(log, [programme()]), replay(log, [SHORT])
    share = f"{a.persons_reached / 5:.1%}"
    assert f"({share} of 5 customers)" in diff(a, b, customers=PEOPLE).text
    with pytest.raises(InputError, match="customers must hold everybody"):
        diff(a, b, customers=PEOPLE[PEOPLE["person_id"] == "zoe"])


def test_a_programme_that_triggers_nothing_is_named_with_its_reason(log: Log):
    lacking = programme("near", trigger={"event": "geo_enter"})
    never = programme("never", trigger={"event": "purchase", "when": "amount_cents >= 10000"})
    said = diff(replay(log, [programme(), never]), replay(log, [lacking])).text
    assert "Programme never of the first replay triggers nothing: none of 32 events of its" in said
    assert "Programme near of the second replay triggers nothing: no `geo_enter` in this" in said
    nothing = diff(replay(log, [never]), replay(log, [never]))
    assert nothing.text.startswith("Not enough data: neither replay triggered a decision. Progr")


def test_replays_of_other_logs_or_stretches_are_refused(log: Log, tmp_path: Path):
    other = small_log(tmp_path, ROWS[:-1], name="other")
    a, b = replay(log, [programme()]), replay(other, [programme()])
    with pytest.raises(
        InputError,
        match=f"digests {a.log_digest[:12]} and {b.log_digest[:12]}.*replay both programme sets",
    ):
        diff(a, b)
    half = replay(log, [programme()], until=datetime(2024, 1, 5, tzinfo=UTC))
    with pytest.raises(InputError, match="saw 32 events and 16 events of their log, must have"):
        diff(a, half)
