"""A plan as the file that the core reads: what it decides at the event is what the plan gives the cell."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from small_log import small_log
from workbench.calibration import closed_loop, simulate_offer_experiment, try_policy
from workbench.decision import load_programmes
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.programme.choose import Cell
from workbench.errors import InputError, ParameterError
from workbench.log import Log
from workbench.policy import Budget, allocate, policy_of, policy_table, read_policy, write_policy
from workbench.replay import explain, label_triggers, load_dimensions, replay
from workbench.uplift import UpliftDraws
from workbench.world import load_world

DIMENSIONS = {
    "frequency": (Cell(name="often", when="purchases_90d >= 2"), Cell(name="seldom", when="TRUE")),
    "moment": (Cell(name="morning", when="daypart = 'breakfast'"), Cell(name="later", when="TRUE")),
}
OFFERS = [
    {"id": "tea", "value_cents": 300, "cost_cents": 100, "redemption_rate": 0.2, "channel": "app"},
    {"id": "meal", "value_cents": 900, "cost_cents": 400, "redemption_rate": 0.2, "channel": "app"},
]
EFFECTS = {
    ("often", "morning"): (-20, -90), ("often", "later"): (25, -10),
    ("seldom", "morning"): (40, 130), ("seldom", "later"): (30, 70),
}  # fmt: skip


def draws_of(effects: dict[tuple[str, str], tuple[int, int]]) -> UpliftDraws:
    value = np.array(list(effects.values()), dtype=float)[None] * np.ones((200, 1, 1))
    return UpliftDraws(
        cells=pd.DataFrame(list(effects), columns=["frequency", "moment"]),
        by=("frequency", "moment"),
        arms=("control", "tea", "meal"),
        customers=np.full(len(effects), 250.0),
        value=value,
        cost=np.broadcast_to(np.array([20.0, 80.0]), value.shape),
        baseline=np.zeros(value.shape[:2]),
        measure="profit_cents",
        said="",
        passed=True,
    )


def programme(**changes: object) -> Programme:
    values = {
        "name": "app_offer", "stage": "engagement", "kind": "targeting",
        "trigger": {"event": "app_open"}, "offers": OFFERS,
        "limits": {"caps": [{"count": 50, "window": "1 day"}]},
        "experiment": {"holdout_share": 0, "salt": "s"}, **changes,
    }  # fmt: skip
    return Programme.from_mapping(values, source="test")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    start, rows = datetime.fromisoformat("2024-01-01T00:00:00"), []
    for k, person in enumerate(("ann", "bob", "cy")):
        for day in range(12):
            at = start + timedelta(days=day, hours=8)
            rows.append({"person_id": person, "ts": at.isoformat(), "type": "app_open"})
            rows.append(
                {
                    "person_id": person,
                    "ts": (at + timedelta(hours=11)).isoformat(),
                    "type": "app_open",
                }
            )
            if (day + k) % (k + 2) == 0:
                bought = {
                    "person_id": person,
                    "ts": (at + timedelta(hours=4)).isoformat(),
                    "amount_cents": 900,
                }
                rows.append(bought)
    return small_log(tmp_path, rows)


def test_the_core_decides_what_the_plan_gives_the_cell_of_the_trigger(log):
    draws = draws_of(EFFECTS)
    plan = allocate(draws, budgets=[Budget(amount_cents=30_000)])
    policy = policy_of(plan, draws, DIMENSIONS, programme())
    decides = programme(
        choose={"by": "policy", "policy": policy.model_dump(mode="json", exclude_none=True)}
    )
    done = replay(log, ProgrammeSet.of([decides]))
    labels = label_triggers(log, ProgrammeSet.of([programme()]), "app_offer", DIMENSIONS)
    decided = done.decisions().collect().join(labels, on="set_id")
    assert decided.height == 72
    assert decided.select("frequency", "moment").unique().height == 4
    given = {
        cell: None if share.max() < 1 else plan.offers[int(share.argmax())]
        for cell, share in zip(EFFECTS, plan.share, strict=True)
    }
    assert given == {
        ("often", "morning"): None, ("often", "later"): "tea",
        ("seldom", "morning"): "meal", ("seldom", "later"): "tea",
    }  # fmt: skip
    for row in decided.to_dicts():
        offered = row["offer_id"] if row["delivered"] else None
        assert offered == given[row["frequency"], row["moment"]]


def test_the_score_less_the_price_of_the_full_cost_is_what_the_plan_counts():
    draws = draws_of(EFFECTS)
    plan = allocate(draws, budgets=[Budget(amount_cents=45_000)])
    policy = policy_of(plan, draws, DIMENSIONS, programme(), budget_cents=45_000)
    score = policy.scores_cents["seldom__morning"]["meal"]
    assert score - policy.shadow_price * 400 == pytest.approx(
        130 - policy.shadow_price * 80, abs=0.1
    )
    assert policy.origin is not None
    assert policy.origin.budget_cents == 45_000
    assert len(policy.origin.fit_digest) == 64


def test_a_policy_from_a_file_is_explained(log, tmp_path):
    draws = draws_of(EFFECTS)
    policy = policy_of(allocate(draws), draws, DIMENSIONS, programme())
    write_policy(policy, tmp_path / "programmes" / "policy.yaml")
    assert read_policy(tmp_path / "programmes" / "policy.yaml") == policy
    (tmp_path / "programmes" / "app_offer.yaml").write_text(
        """
name: app_offer
stage: engagement
kind: targeting
trigger: {event: app_open}
offers:
  - {id: tea, value_cents: 300, cost_cents: 100, redemption_rate: 0.2, channel: app}
  - {id: meal, value_cents: 900, cost_cents: 400, redemption_rate: 0.2, channel: app}
choose: {by: policy, policy: policy.yaml}
limits: {caps: [{count: 50, window: 1 day}]}
experiment: {holdout_share: 0, salt: s}
"""
    )
    done = replay(log, load_programmes(tmp_path / "programmes" / "app_offer.yaml"))
    told = explain(done, "ann", at="2024-01-12T19:00:00Z")
    assert "“app offer” gave “tea”" in told.text
    table = policy_table(policy).set_index("cell")
    assert table.loc["seldom · later", "offers"] == "meal"
    assert table.loc["often · morning", "offers"] == "none"
    assert table.loc["seldom · later", "when"] == "TRUE"


def test_a_plan_that_ends_within_its_first_cell_makes_no_file_that_gives_nothing():
    draws = draws_of(EFFECTS)
    plan = allocate(draws, budgets=[Budget(amount_cents=3_000)])
    assert 0 < plan.share.sum() < 1
    with pytest.raises(InputError, match="its file would give no offer to anybody"):
        policy_of(plan, draws, DIMENSIONS, programme())
    nothing = draws_of(dict.fromkeys(EFFECTS, (-5, -5)))
    made = policy_of(allocate(nothing), nothing, DIMENSIONS, programme())
    assert not any(made.scores_cents.values())


def test_what_the_core_could_not_find_again_is_refused():
    draws = draws_of(EFFECTS)
    plan = allocate(draws)
    with pytest.raises(InputError, match="dimension 'moment' of the cells has no levels"):
        policy_of(plan, draws, {"frequency": DIMENSIONS["frequency"]}, programme())
    other = {**DIMENSIONS, "moment": DIMENSIONS["moment"][:1]}
    with pytest.raises(InputError, match="level 'later' of moment has no condition"):
        policy_of(plan, draws, other, programme())
    with pytest.raises(ParameterError, match="'meal' is no offer of app_offer"):
        policy_of(plan, draws, DIMENSIONS, programme(offers=OFFERS[:1]))


def test_a_policy_lives_in_a_world_and_its_profit_is_that_of_its_customers():
    world = load_world("params/worlds/app_offers.yaml").sized(customers=500, days=42)
    programmes = load_programmes("params/programmes/app_offers")
    dimensions = {"basket": load_dimensions("params/dimensions/app_offers.yaml")["basket"]}
    made = simulate_offer_experiment(world, programmes, dimensions, seed=5)
    value = np.array([[200.0, 300.0], [-100.0, -150.0], [20.0, -50.0]])[None] * np.ones((50, 1, 1))
    draws = UpliftDraws(
        cells=pd.DataFrame({"basket": ["large", "middle", "small"]}), by=("basket",),
        arms=("control", "dessert", "three_off"), customers=np.array([100.0, 100.0, 200.0]),
        value=value, cost=np.broadcast_to(np.array([50.0, 150.0]), value.shape),
        baseline=np.zeros((50, 3)), measure="profit_cents", said="", passed=True,
    )  # fmt: skip
    policy = policy_of(allocate(draws), draws, dimensions, programmes[0])
    lived = closed_loop(world, programmes, policy, draws, dimensions, seed=5)
    people = lived.customers
    assert people.drop_nulls("chosen").group_by("basket", "chosen").len().select(
        "basket", "chosen"
    ).sort("basket").rows() == [("large", "three_off"), ("small", "dessert")]
    # Who was served at the first trigger has what the world says of that arm.
    first = people.drop_nulls("chosen").filter(~people.drop_nulls("chosen")["later"])
    truth = {
        (row[0], row[1]): row[2]
        for row in made.truth.select("customer_id", "arm", "profit_cents").rows()
    }
    for row in first.to_dicts():
        gain = truth[row["customer_id"], row["chosen"]] - truth[row["customer_id"], "control"]
        assert row["gain_cents"] == gain
    assert lived.table["rule"].tolist()[-1] == "three_off for all"
    nobody = lived.table[lived.table["rule"] == "nobody"].iloc[0]
    assert nobody["profit_cents"] == nobody["cost_cents"] == 0
    not_tried = try_policy(
        "none", programmes, policy, draws, dimensions, seed=1, customers=10, days=20
    )
    assert "not tried in a world" in not_tried.text
