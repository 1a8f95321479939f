"""The laws of the simulated world over small worlds, and for each a planted fault that it catches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.decision.house import House, ProgrammeSet
from workbench.errors import WorkbenchError
from workbench.world import living, visits
from workbench.world import loop as loops
from workbench.world import stretch as days
from workbench.world.memory import (
    ANYWAY,
    DIP,
    E_ACTION,
    E_CAUSE,
    E_HASH,
    HALO_VISIT,
    INCREMENTAL,
    PULLED_FORWARD,
    V_CAUSE,
)
from world_samples import Lived, lived, one, programme, tiny

few = settings(max_examples=4, deadline=None)
SEEDS = st.integers(0, 3)


@cache
def with_coffee(seed: int) -> Lived:
    return lived(tiny(), one(), seed)


@cache
def alone(seed: int) -> Lived:
    return lived(tiny(), None, seed)


@contextmanager
def plain(**faults: Callable[..., Any]) -> Iterator[None]:
    """Live in plain Python, with functions of the life replaced."""

    def run(*given: Any) -> Any:
        with np.errstate(over="ignore"):
            return living.run(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(days, "run_compiled", run)
        for name, fault in faults.items():
            for module in (living, visits):
                if hasattr(module, name):
                    patch.setattr(module, name, fault)
        yield


def same_life(one_life: Lived, other: Lived) -> bool:
    return one_life.events.equals(other.events) and one_life.decisions.equals(other.decisions)


# Compiled equals plain -------------------------------------------------------------------------


def test_compiled_equals_plain():
    world = tiny(customers=25, days=8)
    with plain():
        slow = lived(world, one())
    assert same_life(slow, lived(world, one()))


# Deterministic, whatever the batches and workers -----------------------------------------------


@few
@given(seed=SEEDS, size=st.sampled_from([17, 40, 1000]), workers=st.integers(1, 3))
def test_parts_and_workers_change_nothing(seed: int, size: int, workers: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "CUSTOMERS_A_PART", size)
        assert same_life(lived(tiny(), one(), seed, workers=workers), with_coffee(seed))


@few
@given(length=st.sampled_from([1, 3, 50]))
def test_the_days_that_are_lived_at_once_change_nothing(length: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "DAYS_AT_ONCE", length)
        assert same_life(lived(tiny(), one(), 1), with_coffee(1))


@pytest.mark.parametrize(("size", "parts"), [(1_000, 1), (100, 2), (50, 4), (40, 4)])
def test_several_parts_are_even_in_number(size: int, parts: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "CUSTOMERS_A_PART", size)
        loop = loops.Loop(tiny(), None, 1)
    assert len(loop.parts) == parts
    assert sum(len(part.persons) for part in loop.parts) == len(loop.population.ids)


def test_noise_by_place_in_the_part_is_caught():
    def by_place(self: Any, rows: Any, actions: Any, views: Any) -> Any:
        part = made(self, rows, actions, views)
        people = part.setting.people
        keys = loops_keys(len(rows))
        part.setting = part.setting._replace(people=people._replace(key=keys))
        return part

    def loops_keys(count: int) -> Any:
        return np.arange(1, count + 1, dtype=np.uint64) * np.uint64(2**40 + 1)

    made = loops.Loop._part
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops.Loop, "_part", by_place)
        whole = lived(tiny(), one())
        patch.setattr(loops, "CUSTOMERS_A_PART", 40)
        assert not same_life(whole, lived(tiny(), one()))


def test_another_seed_is_another_world():
    assert not alone(1).events.equals(alone(2).events)


# Twins -----------------------------------------------------------------------------------------


@few
@given(seed=SEEDS)
def test_an_untouched_customer_lives_the_identical_life(seed: int):
    treated, control = with_coffee(seed), alone(seed)
    untouched = treated.untouched()
    assert 0 < len(untouched) < len(treated.loop.population.ids)
    assert treated.of(untouched).equals(control.of(untouched))


def apart(first: Lived, second: Lived) -> list[int]:
    """Customers to whom neither programme delivered anything and whose lives differ."""
    neither = sorted(set(first.untouched()) & set(second.untouched()))
    assert neither
    return [who for who in neither if not first.of([who]).equals(second.of([who]))]


ANY = st.fixed_dictionaries(
    {
        "trigger": st.sampled_from(
            [
                {"event": "purchase"},
                {"event": "geo_enter", "when": "distance_m < 300"},
                {"event": "basket_add", "unless": {"event": "purchase", "within": "2 h"}},
                {"every": {"weekday": "tuesday", "at": "10:00"}},
            ]
        ),
        "experiment": st.builds(
            lambda share, salt: {"holdout_share": share, "salt": salt},
            st.sampled_from([0.5, 0.8]),
            st.sampled_from(["one", "two"]),
        ),
        "limits": st.builds(
            lambda count: {"caps": [{"count": count, "window": "7 days"}]}, st.integers(1, 3)
        ),
    }
)


def any_programme(keys: dict[str, Any]) -> ProgrammeSet:
    return one(kind="broadcast" if "every" in keys["trigger"] else "targeting", **keys)


@few
@given(first=ANY, second=ANY)
def test_whom_two_programmes_leave_alone_lives_the_identical_life_under_both(
    first: dict[str, Any], second: dict[str, Any]
):
    lives = [lived(tiny(days=14), any_programme(keys), 1) for keys in (first, second)]
    assert apart(*lives) == []


def of_the_first(life: Lived, customers: int) -> pl.DataFrame:
    """What happened to the customers who are numbered below a number, by their ids."""
    ids = life.loop.population.ids
    first = ids.filter(pl.Series(life.loop.population.people.number < customers))
    named = life.events.with_columns(who=ids.gather(life.events["person"]))
    mine = named.filter(pl.col("who").is_in(first.implode())).sort("who", "known_at", "seq")
    return mine.drop("person", "customer")


@few
@given(seed=SEEDS, customers=st.sampled_from([1, 30, 119]))
def test_how_many_others_there_are_changes_no_life(seed: int, customers: int):
    fewer = lived(tiny(customers=customers), one(), seed)
    assert of_the_first(fewer, customers).equals(of_the_first(with_coffee(seed), customers))


def test_noise_that_depends_on_who_else_is_there_is_caught():
    def by_number(self: Any) -> None:
        self.seed += self.world.customers
        begun(self)

    begun = loops.Loop.__post_init__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops.Loop, "__post_init__", by_number)
        fewer, many = lived(tiny(customers=30), one()), lived(tiny(), one())
    assert not of_the_first(fewer, 30).equals(of_the_first(many, 30))


def test_a_message_to_the_wrong_customer_is_caught():
    def neighbour(*given: Any) -> Any:
        deliveries, to = days_deliveries(*given)
        return deliveries, np.maximum(to - 1, 0)

    days_deliveries = days.deliveries_of
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(days, "deliveries_of", neighbour)
        treated = lived(tiny(), one(), 1)
    assert apart(treated, alone(1)) != []


@few
@given(seed=SEEDS)
def test_a_programme_that_never_fires_has_no_effect_at_all(seed: int):
    never = one(trigger={"event": "purchase", "when": "amount_cents < 0"})
    assert lived(tiny(), never, seed).events.equals(alone(seed).events)


def test_noise_that_depends_on_the_programmes_is_caught():
    def other_seed(self: Any) -> None:
        self.seed += self.programmes is not None
        begun(self)

    begun = loops.Loop.__post_init__
    never = one(trigger={"event": "purchase", "when": "amount_cents < 0"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops.Loop, "__post_init__", other_seed)
        assert not lived(tiny(), never, 1).events.equals(alone(1).events)


# Classes and the account of purchases ----------------------------------------------------------


def wrong_classes(treated: Lived, control: Lived) -> list[int]:
    """Redeemed purchases whose class the twin contradicts."""
    twins = set(control.purchases[:, E_HASH].tolist())
    redeemed = treated.purchases[treated.purchases[:, E_ACTION] >= 0]
    return [
        row[E_HASH]
        for row in redeemed.tolist()
        if (row[E_HASH] in twins) != (row[E_CAUSE] == ANYWAY)
    ]


def unbalanced(treated: Lived, control: Lived) -> dict[str, int]:
    """What is left when causes are set against the difference to the twins."""
    made = np.bincount(treated.purchases[:, E_CAUSE], minlength=4)
    missed = np.bincount(treated.missed[:, E_CAUSE], minlength=4)
    difference = len(treated.purchases) - len(control.purchases)
    lost = int(missed.sum() - missed[DIP])
    account = int(made[INCREMENTAL] + made[HALO_VISIT]) - lost
    return {
        "difference": difference - account,
        "pulled forward": int(made[PULLED_FORWARD] - missed[DIP]),
    }


@few
@given(seed=SEEDS)
def test_each_redeemed_purchase_has_the_one_class_that_its_twin_gives(seed: int):
    assert wrong_classes(with_coffee(seed), alone(seed)) == []
    causes = with_coffee(seed).purchases[:, E_CAUSE]
    assert set(np.unique(causes)) == {ANYWAY, INCREMENTAL, PULLED_FORWARD, HALO_VISIT}


@few
@given(seed=SEEDS)
def test_the_difference_to_the_twins_is_incremental_and_halo_less_lost(seed: int):
    assert unbalanced(with_coffee(seed), alone(seed)) == {"difference": 0, "pulled forward": 0}


@few
@given(seed=SEEDS)
def test_what_is_missed_is_what_the_twin_bought(seed: int):
    missed = set(with_coffee(seed).missed[:, E_HASH].tolist())
    bought = set(with_coffee(seed).purchases[:, E_HASH].tolist())
    assert missed
    assert missed <= set(alone(seed).purchases[:, E_HASH].tolist()) - bought


def test_a_dip_on_a_day_without_a_visit_is_caught():
    world = tiny(customers=40, days=14)
    with plain(next_visit=lambda _s, _i, day, *_rest: (day + 1) * 8 + 7):
        treated = lived(world, one())
    assert unbalanced(treated, lived(world, None))["pulled forward"] > 0


def test_an_incremental_visit_called_anyway_is_caught():
    def renamed(*given: Any) -> int:
        given[5][V_CAUSE] = ANYWAY
        return bought(*given)

    bought = living.buy
    world = tiny(customers=40, days=14)
    with plain(buy=renamed):
        treated = lived(world, one())
    assert wrong_classes(treated, lived(world, None)) != []


# Shared budgets --------------------------------------------------------------------------------


def spent(life: Lived) -> int:
    return int(life.decisions["cost_cents"].sum())


def test_a_shared_budget_binds_over_all_parts_and_is_never_exceeded():
    budget = 3_000
    tight = one(budget={"amount_cents": budget, "per": "total"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "CUSTOMERS_A_PART", 40)
        life = lived(tiny(), tight)
    assert spent(life) == budget
    assert spent(with_coffee(1)) > budget
    assert "budget_closed" in life.decisions["reason"].to_list()
    assert same_life(life, lived(tiny(), tight))


def everybody_again(its: Any, account: Any, place: Any, ledger: Any) -> None:
    del account, place
    its.live(ledger)


def test_those_whom_a_closing_cannot_have_changed_need_not_live_again():
    tight = one(budget={"amount_cents": 1_000, "per": "week"})
    both = ProgrammeSet.of([*tight, programme("free", trigger={"event": "purchase"})], House())
    again: list[int] = []

    def counted(its: Any, ledger: Any, which: Any = None) -> None:
        if which is not None:
            again.append(len(which))
        live(its, ledger, which)

    live = days.Stretch.live
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(days.Stretch, "live", counted)
        some = lived(tiny(), both)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(days.Stretch, "live_again", everybody_again)
        assert same_life(some, lived(tiny(), both))
    assert again
    assert max(again) < len(some.loop.population.ids) // 2


def test_someone_forgotten_when_a_budget_closes_is_caught():
    tight = one(budget={"amount_cents": 1_000, "per": "week"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(days, "programmes_of", lambda _, rules: np.zeros(len(rules.programmes), bool))
        with pytest.raises(WorkbenchError, match="used behind its closing"):
            lived(tiny(), tight)


def test_two_programmes_share_the_noise_of_one():
    both = ProgrammeSet.of([programme("a"), programme("b")], House())
    never = programme("b", trigger={"event": "purchase", "when": "amount_cents < 0"})
    silent = ProgrammeSet.of([programme("a"), never], House())
    mine = lived(tiny(), one(name="a"), 1)
    assert lived(tiny(), silent, 1).events.equals(mine.events)
    assert len(lived(tiny(), both, 1).decisions) > len(lived(tiny(), silent, 1).decisions)
