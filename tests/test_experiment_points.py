"""Decision points from a simulated world's decision log, and the windows behind them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from workbench.errors import InputError, ParameterError
from workbench.experiment import decision_points, outcomes_after, proximal_effect
from workbench.records import DAY_US
from workbench.world import Simulation, simulate
from world_samples import one, programme, tiny

POINTWISE = {"unit": "decision", "holdout_share": 0.4, "salt": "points-1"}
TWO_OFFERS = [
    {"id": name, "value_cents": 500, "cost_cents": cost, "redemption_rate": 0.2, "channel": "app",
     "validity": "3 days"}
    for name, cost in (("two_off", 200), ("three_off", 300))
]  # fmt: skip


@pytest.fixture(scope="module")
def simulated() -> Simulation:
    return simulate(tiny(customers=400), one(experiment=POINTWISE, consent="none"), seed=4)


@pytest.fixture(scope="module")
def points(simulated: Simulation) -> pl.DataFrame:
    return decision_points(simulated.decisions(), programme(experiment=POINTWISE))


def test_an_available_point_is_an_offer_or_its_ghost_with_the_probability_of_its_arm(points):
    there = points.filter("available")
    assert set(there["probability"].to_list()) == {0.6}
    share, n = there["treated"].mean(), there.height
    assert n > 300
    assert abs(share - 0.6) < 3.3 * np.sqrt(0.24 / n)


def test_a_point_where_a_limit_refused_is_there_and_not_available(points, simulated):
    assert points.height == simulated.decisions().collect().height
    refused = points.filter(~pl.col("available"))
    assert refused.height > 0
    assert refused["probability"].null_count() == refused.height


def test_the_outcome_counts_what_lies_in_the_window_as_plain_code_does(points, simulated):
    bought = simulated.events("purchase", ["person_id", "ts", "amount_cents"])
    until = int(simulated.midnights_us[-1])
    both = outcomes_after(points, bought, window_days=3, until=until)
    both = outcomes_after(
        both, bought, window_days=3, until=until, amount="amount_cents", name="sales"
    )
    assert both["decision_id"].to_list() == points["decision_id"].to_list()
    times: dict[str, list[tuple[int, int]]] = {}
    for who, at, cents in bought.with_columns(pl.col("ts").to_physical()).iter_rows():
        times.setdefault(who, []).append((at, cents))
    for row in both.with_columns(pl.col("known_at").to_physical()).iter_rows(named=True):
        start, end = row["known_at"], row["known_at"] + 3 * DAY_US
        if end > until:
            assert (row["purchases"], row["available"]) == (None, False)
            continue
        mine = [cents for at, cents in times.get(row["person"], []) if start < at <= end]
        assert (row["purchases"], row["sales"]) == (len(mine), sum(mine))


def test_the_effect_of_a_decision_is_read_from_the_log_alone(points, simulated):
    bought = simulated.events("purchase", ["person_id", "ts"])
    followed = outcomes_after(points, bought, window_days=3, until=int(simulated.midnights_us[-1]))
    read = proximal_effect(followed, outcome="purchases", available="available")
    assert read.points == followed["available"].sum()
    assert read.table["low"][0] < read.table["estimate"][0] < read.table["high"][0]


def test_one_offer_against_another_has_the_probability_of_the_logged_distribution():
    keys = {
        "offers": TWO_OFFERS,
        "choose": {"by": "epsilon", "epsilon": 0.4},
        "consent": "none",
    }
    made = simulate(tiny(customers=300), one(**keys), seed=4)
    found = decision_points(made.decisions(), programme(**keys), offer="two_off")
    there = found.filter("available")
    by_choice = there.group_by("treated").agg(pl.col("probability").unique()).sort("treated")
    assert there.height > 200
    assert there["probability"].round(6).unique().len() == 1
    assert by_choice.height == 2
    share, p = there["treated"].mean(), there["probability"][0]
    assert abs(share - p) < 3.3 * np.sqrt(p * (1 - p) / there.height)


def test_what_was_not_left_to_chance_is_refused():
    simulated = simulate(tiny(), one(consent="none"), seed=1)
    decisions = simulated.decisions().collect()
    with pytest.raises(InputError, match="assigns customers, each for good"):
        decision_points(decisions, programme())
    with pytest.raises(InputError, match="was left to chance"):
        decision_points(decisions, programme(), offer="coffee_off")
    with pytest.raises(ParameterError, match="did you mean 'coffee_off'"):
        decision_points(decisions, programme(), offer="cofee_off")
    three = {"unit": "decision", "salt": "s", "arms": {"control": 0.5, "a": 0.25, "b": 0.25}}
    with pytest.raises(InputError, match="needs control and one other"):
        decision_points(decisions, programme(experiment=three))
    with pytest.raises(InputError, match="tea has no decision in this log"):
        decision_points(decisions, programme(name="tea"))


def test_a_window_of_no_length_is_refused(points):
    with pytest.raises(ParameterError, match="window_days was 0"):
        outcomes_after(points, pl.DataFrame(), window_days=0, until=0)
