"""An offer experiment in a simulated world: each customer beside what every arm would have done."""

from __future__ import annotations

import polars as pl
import pytest

from workbench.calibration import OfferExperiment, simulate_offer_experiment
from workbench.decision import load_programmes
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.errors import InputError, ParameterError
from workbench.replay import load_dimensions
from workbench.world import World, load_world

OUTCOMES = ("visits", "spend_cents", "offer_cost_cents", "margin_cents", "profit_cents")


@pytest.fixture(scope="module")
def world() -> World:
    return load_world("params/worlds/app_offers.yaml").sized(customers=400, days=42)


@pytest.fixture(scope="module")
def programmes() -> ProgrammeSet:
    return load_programmes("params/programmes/app_offers")


@pytest.fixture(scope="module")
def made(world, programmes) -> OfferExperiment:
    dimensions = load_dimensions("params/dimensions/app_offers.yaml")
    return simulate_offer_experiment(world, programmes, dimensions, seed=3)


def test_a_customer_has_in_the_experiment_what_the_world_of_its_arm_says(made):
    own = made.units.join(made.truth, on=["customer_id", "arm"], suffix="_truth")
    assert own.height == made.units.height > 200
    for outcome in OUTCOMES:
        assert own[outcome].to_list() == own[f"{outcome}_truth"].to_list()


def test_the_truth_has_every_arm_of_every_customer_and_money_adds_up(made):
    assert made.truth.height == 3 * made.units.height
    assert (made.truth["converted"] == (made.truth["visits"] > 0)).all()
    left = made.truth["margin_cents"] - made.truth["offer_cost_cents"]
    assert left.to_list() == made.truth["profit_cents"].to_list()
    control = made.truth.filter(pl.col("arm") == "control")
    assert control["offer_cost_cents"].sum() == 0
    dear = made.truth.filter(pl.col("arm") == "three_off")["offer_cost_cents"].sum()
    assert dear > made.truth.filter(pl.col("arm") == "dessert")["offer_cost_cents"].sum() > 0


def test_the_true_uplift_of_a_cell_is_the_mean_difference_of_its_customers(made):
    rows = made.true_uplift()
    wide = made.truth.pivot("arm", index=["customer_id", *made.dimensions], values="profit_cents")
    mine = wide.filter(
        (pl.col("frequency") == "seldom")
        & (pl.col("basket") == "small")
        & (pl.col("moment") == "midday")
    )
    row = rows[(rows["cell"] == "seldom · small · midday") & (rows["offer"] == "dessert")]
    assert row["uplift_cents"].item() == pytest.approx((mine["dessert"] - mine["control"]).mean())
    assert set(rows["offer"]) == {"dessert", "three_off"}


def test_a_unit_was_triggered_once_and_early_enough(made):
    assert made.units["customer_id"].n_unique() == made.units.height
    last = int(made.simulated.midnights_us[-1])
    left_us = last - made.units["triggered_at"].dt.epoch("us")
    assert left_us.min() >= made.window_days * 86_400_000_000


def test_what_is_known_before_the_trigger_does_not_depend_on_the_arm(made, world, programmes):
    plain = programmes[0].model_dump(mode="json", exclude_none=True)
    features = ("visits_28d", "spend_28d_cents", "days_since_visit", "app_opens_28d", "frequency")
    sizes = {"control": 0.2, "dessert": 0.4, "three_off": 0.4}
    other = ProgrammeSet.of(
        [
            Programme.from_mapping(
                {
                    **_file(plain),
                    "experiment": {
                        "salt": "another",
                        "arms": sizes,
                        "offers_by_arm": {"dessert": ["dessert"], "three_off": ["three_off"]},
                    },
                },
                source="test",
            )
        ]
    )
    again = simulate_offer_experiment(world, other, made.dimensions, seed=3)
    assert (again.units["arm"] != made.units["arm"]).any()
    assert again.units.select(features).equals(made.units.select(features))
    assert again.truth.equals(made.truth)


def _file(plain: dict) -> dict:
    """Return the keys of the programme as its file has them."""
    return {
        "name": plain["name"],
        "stage": plain["stage"],
        "kind": plain["kind"],
        "trigger": {"event": "app_open"},
        "audience": plain["audience"],
        "offers": [
            {
                "id": offer["id"], "value_cents": offer["value_cents"],
                "cost_cents": offer["cost_cents"], "redemption_rate": offer["redemption_rate"],
                "channel": offer["channel"], "validity": "3 days",
            }
            for offer in plain["offers"]
        ],
        "limits": {"once": True},
        "consent": "required",
    }  # fmt: skip


def test_units_and_truth_are_written_apart(made, tmp_path):
    made.write(tmp_path / "experiment")
    assert pl.read_parquet(tmp_path / "experiment" / "units.parquet").equals(made.units)
    assert pl.read_parquet(tmp_path / "experiment" / "truth.parquet").equals(made.truth)
    assert not {"dessert", "profit_cents_dessert"} & set(made.units.columns)


def test_what_cannot_be_an_experiment_is_refused(world, programmes, made):
    with pytest.raises(ParameterError, match="programmes was 3, must be one"):
        simulate_offer_experiment(
            world, load_programmes("params/programmes/grocery"), made.dimensions, seed=1
        )
    plain = _file(programmes[0].model_dump(mode="json", exclude_none=True))
    for change, rule in (
        (
            {"experiment": {"salt": "x", "holdout_share": 0.5}},
            "it needs experiment.arms with control",
        ),
        ({"limits": {"caps": [{"count": 1, "window": "7 days"}]}}, "may decide more than once"),
    ):
        experiment = {
            "salt": "x",
            "arms": {"control": 0.5, "dessert": 0.5},
            "offers_by_arm": {"dessert": ["dessert"]},
        }
        values = {**plain, "experiment": experiment, **change}
        other = ProgrammeSet.of([Programme.from_mapping(values, source="test")])
        with pytest.raises(ParameterError, match=rule):
            simulate_offer_experiment(world, other, made.dimensions, seed=1)
    with pytest.raises(ParameterError, match="window_days was 42, must be at least 1 and below"):
        simulate_offer_experiment(world, programmes, made.dimensions, seed=1, window_days=42)
    with pytest.raises(InputError, match="0 customers triggered at least 40 days before the end"):
        simulate_offer_experiment(world, programmes, made.dimensions, seed=1, window_days=40)
