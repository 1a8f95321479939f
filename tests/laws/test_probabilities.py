"""Law 8: the logged probabilities are true, and a fault in them is seen."""

from __future__ import annotations

import polars as pl
import pytest
from domain import Case
from faults import mutated, put
from law_checks import Row, assert_same, core_of, decided, in_words, one_at_a_time
from probability_checks import (
    RULES,
    a_long_log,
    arms_match,
    assigned,
    frequencies_match,
    limited,
    martingale_stays,
    over_salts,
    three_offers,
)
from programme_domain import programme_set
from tiny_log import tiny_log

from workbench.decision import assignment, choice

OFFERS = ("coffee", "tea", "cake")


@pytest.mark.parametrize("rule", RULES)
def test_law_8_over_salts_an_offer_is_chosen_as_often_as_logged(rule: str):
    frequencies_match(over_salts(rule))


@pytest.mark.parametrize("rule", RULES)
def test_law_8_over_a_replay_the_sum_of_chosen_less_logged_stays_small(rule: str):
    martingale_stays(decided(limited(rule)), OFFERS)


@pytest.mark.parametrize("unit", ["customer", "decision"])
@pytest.mark.parametrize("coverage", [1.0, 0.6])
def test_law_8_arms_are_as_frequent_as_logged(unit: str, coverage: float):
    arms_match(assigned(unit=unit, coverage=coverage))


def plain(case: Case) -> list[Row]:
    with tiny_log(case) as log:
        return one_at_a_time(case, core_of(case, log))


def of_many_persons(rule: str, persons: int = 3000) -> Case:
    events = tuple(event._replace(person_id=f"person {event.seq}") for event in a_long_log(persons))
    events = tuple(event._replace(amount_cents=500) for event in events)
    return Case(events, programme_set([three_offers("p", "one salt", choose=RULES[rule])]))


FAULTS = {
    "the draw is not compared with the running sum": (
        "softmax",
        "draw < end:",
        "draw < shares[j]:",
    ),
    "the second best is explored": ("epsilon", "if j == top", "if j == top + 1"),
    "the draws are read from one end only": (
        "thompson",
        "draw * m // WHOLE",
        "draw * m // WHOLE // 2",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_law_8_catches_a_choice_that_is_not_as_logged(monkeypatch, fault: str):
    rule, old, new = FAULTS[fault]
    case = of_many_persons(rule, 1200)
    frequencies_match(plain(case))
    name = "by_draws" if rule == "thompson" else "choose"
    whole = getattr(choice, name)
    put(monkeypatch, whole, mutated(whole, (old, new)), name)
    if fault == "the second best is explored":
        with pytest.raises(AssertionError):
            assert_same(plain(case), in_words(case))
    else:
        with pytest.raises(AssertionError):
            frequencies_match(plain(case))


def test_law_8_catches_a_share_that_is_not_the_one_that_was_drawn_from():
    rows = decided(limited("softmax"))
    for row in rows:
        if row["distribution"] is not None:
            shares = dict(zip(OFFERS, row["distribution"], strict=True))
            moved = {"coffee": shares["tea"], "tea": shares["coffee"], "cake": shares["cake"]}
            row["distribution"] = tuple(moved[name] for name in OFFERS)
            row["p_selection"] = moved[row["offer_id"]] / 2**32
    with pytest.raises(AssertionError):
        martingale_stays(rows, OFFERS)


def test_law_8_catches_a_draw_that_does_not_depend_on_the_decision(monkeypatch):
    def stuck(texts):
        return whole(pl.Series(["one"] * len(texts), dtype=pl.String))

    whole = assignment.draw_32_column
    put(monkeypatch, whole, stuck, "draw_32_column")
    with pytest.raises(AssertionError):
        martingale_stays(decided(limited("epsilon")), OFFERS)


def test_law_8_catches_arms_of_other_sizes_than_logged():
    rows = assigned(unit="customer", coverage=1.0)
    wrong = [
        {**row, "p_assignment": {"control": 0.23, "a": 0.27, "b": 0.5}[row["arm"]]} for row in rows
    ]
    with pytest.raises(AssertionError):
        arms_match(wrong)


def test_raising_coverage_moves_no_unit():
    few, many = (assigned(unit="customer", coverage=share, count=500) for share in (0.3, 0.8))
    arms = {row["person"]: row["arm"] for row in many}
    kept = [row for row in few if row["arm"] != "none"]
    assert kept
    assert all(arms[row["person"]] == row["arm"] for row in kept)
