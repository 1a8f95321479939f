"""Claims of the field in simulated worlds: where they hold, where they do not, and their twins."""

from __future__ import annotations

import pytest

from workbench.calibration import discount_and_check, first_days, moved_habit
from workbench.decision import load_programmes
from workbench.decision.house import ProgrammeSet
from workbench.errors import InputError, ParameterError
from workbench.world import load_world, simulate
from world_samples import ROOT, one, programme, tiny

PROGRAMMES = ROOT / "params/programmes"


def loaded(*names: str) -> ProgrammeSet:
    return load_programmes([PROGRAMMES / f"{name}.yaml" for name in names])


BY_EVENT = ("welcome_30_days", "basket_left", "nth_purchase")


def test_by_event_the_share_doubles_where_mail_is_seldom_read_and_not_where_it_is():
    qsr = load_world(ROOT / "params/worlds/qsr.yaml").sized(
        customers=50, days=60, arrivals_per_day=25
    )
    worlds = {"seldom": qsr, "mail is read": qsr.with_habits(views={"email": 3.5})}
    found = first_days(worlds, loaded(*BY_EVENT), loaded("claims/weekly_two_off"), seed=1)
    assert found.table["doubles"].to_list() == [True, False]
    assert found.table["share_by_event"].nunique() == 1  # no event goes out by mail
    assert "doubles in 1 of 2 worlds" in found.text


def test_the_same_programmes_on_both_sides_double_nothing():
    weekly = loaded("claims/weekly_two_off")
    world = tiny(customers=20, days=42).sized(arrivals_per_day=20)
    found = first_days({"tiny": world}, weekly, weekly, seed=1).table
    assert found["ratio"].to_list() == [1.0]
    assert not found["doubles"].any()


def test_first_days_that_the_world_does_not_cover_are_not_enough_data():
    with pytest.raises(InputError, match="not enough data: the world tiny has no new customer"):
        first_days({"tiny": tiny(days=21)}, one(), one(), seed=1)


def test_first_days_of_no_world_or_no_day_are_refused():
    with pytest.raises(ParameterError, match="worlds was empty"):
        first_days({}, one(), one(), seed=1)
    with pytest.raises(ParameterError, match="days was 0, must be at least 1"):
        first_days({"tiny": tiny()}, one(), one(), seed=1, days=0)


def test_a_free_coffee_moves_a_habit_and_the_random_control_agrees_with_the_twins():
    world = tiny(customers=3_000, days=42)
    found = moved_habit(world, loaded("claims/late_coffee"), seed=2)
    assert found.difference > 0
    assert abs(found.difference - found.control_difference) < 3.3 * found.control_error
    offered, twins, held = found.table["customers"]
    assert offered == twins > 300 < held


def test_a_coffee_that_nobody_wants_moves_no_habit():
    world = tiny(customers=3_000, days=42).with_habits(discount=0.0)
    assert moved_habit(world, loaded("claims/late_coffee"), seed=2).difference <= 0


def test_a_habit_of_nobody_is_not_enough_data():
    silent = one(trigger={"event": "purchase", "when": "amount_cents < 0"})
    with pytest.raises(InputError, match="not enough data: nobody got an offer"):
        moved_habit(tiny(), silent, seed=1)
    with pytest.raises(InputError, match="not enough data: nobody was held out"):
        moved_habit(tiny(), one(), seed=1)


def test_discounts_fall_and_checks_rise_where_a_cap_is_used_up_and_the_twins_say_how_much_is_theirs():
    qsr = load_world(ROOT / "params/worlds/qsr.yaml").sized(customers=2_000, days=56)
    found = discount_and_check(qsr, loaded("nth_purchase"), seed=1)
    assert found.falls_and_rises
    gap = found.table["twin_check_cents"] - found.table["mean_check_cents"]
    assert gap.iloc[0] > gap.iloc[-1] > 0


def test_without_a_programme_that_gives_anything_discounts_do_not_fall():
    found = discount_and_check(tiny(days=42), loaded("check_in_points"), seed=3, weeks=2)
    assert not found.falls_and_rises
    assert (found.table["mean_check_cents"] == found.table["twin_check_cents"]).all()


def test_discounts_that_never_run_out_do_not_fall_to_nothing():
    endless = one(limits={"caps": [{"count": 1, "window": "1 day"}]})
    capped = one(limits={"caps": [{"count": 1, "window": "90 days"}]})
    last = [
        discount_and_check(tiny(days=42), each, seed=3, weeks=2).table["share_discount"].iloc[-1]
        for each in (endless, capped)
    ]
    assert last[0] > 2 * last[1]


def test_the_discount_level_is_that_of_the_log():
    world = tiny(days=42)
    table = discount_and_check(world, one(), seed=3, weeks=3).table
    log = simulate(world, one(), seed=3).log.to_polars(
        ["amount_cents", "discount_cents"], types=["purchase"]
    )
    given = (table["share_discount"] * table["mean_basket_cents"] * table["purchases"]).sum()
    assert given == pytest.approx(log["discount_cents"].sum())
    assert table["purchases"].sum() == log.height


def test_one_period_shows_no_change():
    with pytest.raises(ParameterError, match="weeks was 4, must leave at least two periods"):
        discount_and_check(tiny(days=42), ProgrammeSet.of([programme()]), seed=1)
