"""Experiments in simulated worlds, where every customer has a twin: read-out and money against the truth.

Owns the small world in which they take place. Owns no estimator.
"""

from __future__ import annotations

import functools

import pandas as pd
import polars as pl

from workbench.calibration.studies import LEVEL, Draw, Figure, study
from workbench.decision.house import House, ProgrammeSet
from workbench.decision.programme import Programme
from workbench.experiment import read_out, roi, roi_units
from workbench.world import Simulation, World, effect_of, simulate

CUSTOMERS, WORLD_DAYS = 400, 21
PROGRAMME = "coffee"
_CONTROL = 0.5
_BOUNDS = Figure("redemptions inside bounds", LEVEL, "at least")


@functools.cache
def corner_shop() -> World:
    """Return a world of one shop in which offers make, move and give away purchases.

    There is no halo: a further visit without an offer, which redemptions do not show.
    """
    segment = {
        "name": "regulars",
        "share": 1,
        "visits_per_week": {"mean": 1.5, "shape": 2},
        "dayparts": {"breakfast": 2, "lunch": 3, "dinner": 2},
        "menu": {"coffee": 3, "bakery": 2},
        "basket": {"median_cents": 1000},
        "price_sensitivity": {"mean": 0.3},
        "offer_sensitivity": {"discount": 0.4},
        "app_opens_per_week": {"mean": 2},
        "consent": {"app": 1.0},
    }
    return World.from_mapping(
        {
            "name": "corner_shop",
            "start": "2026-01-05",
            "days": WORLD_DAYS,
            "zone": "UTC",
            "customers": CUSTOMERS,
            "segments": [segment],
            "stores": [{"id": "corner", "opens": "06:00", "closes": "22:00"}],
            "response": {
                "views": {"app": {"share": 0.7, "delay_minutes": 4}},
                "pulled_forward": 0.3,
                "pull_days": 7,
            },
        },
        source="calibration",
    )


def coffee(salt: str) -> ProgrammeSet:
    """Return a programme that gives money off at an opening of the app, to half of the customers."""
    offer = {
        "id": "two_off", "value_cents": 500, "cost_cents": 200, "redemption_rate": 0.2,
        "channel": "app", "validity": "3 days",
    }  # fmt: skip
    values = {
        "name": PROGRAMME,
        "stage": "engagement",
        "kind": "targeting",
        "trigger": {"event": "app_open"},
        "offers": [offer],
        "limits": {"caps": [{"count": 1, "window": "3 days"}]},
        "consent": "required",
        "experiment": {"holdout_share": _CONTROL, "salt": salt},
    }
    return ProgrammeSet.of([Programme.from_mapping(values, source="calibration")], House())


def lived(seed: int) -> Simulation:
    """Return one experiment in the world: other customers, other arms, other noise by the seed."""
    return simulate(corner_shop(), coffee(f"calibration-{seed}"), seed=seed, workers=1)


@study(
    "twins of a world",
    Figure("read-out holds purchases", LEVEL, "at least"),
    Figure("ROI holds the profit", LEVEL, "at least"),
    _BOUNDS,
    Figure("read-out less truth", 0.0, is_rate=False),
    every=10,
)
def _world(rng: Draw) -> tuple[float, ...]:
    made = lived(int(rng.integers(2**31)))
    units = roi_units(made.decisions(), made.log, PROGRAMME)
    counts = dict(units.group_by("arm").len().iter_rows())
    read = read_out(units, metrics=["purchases"], shares=counts).estimate("purchases")
    worth = roi(units, shares=counts, assume=["no_halo"])
    offered = units.filter(pl.col("arm") != "control")
    effects = effect_of(made, PROGRAMME, workers=1).customers.join(
        offered.select(person_id="person"), on="person_id"
    )
    more, profit = (
        float(effects[f"effect_{name}"].to_numpy().mean()) for name in ("purchases", "margin_cents")
    )
    low, high = read.interval(LEVEL)
    least, most = worth.profit.interval(LEVEL)
    return (
        float(low <= more <= high),
        float(least <= profit <= most),
        float(_inside(worth.redemptions, made, offered.height)),
        read.value - more,
    )


def _inside(bounds: pd.DataFrame, made: Simulation, customers: int) -> bool:
    """Return whether each class of redemptions, known by the twins, lies between its bounds."""
    classes = made.truth.purchases.filter("redeemed")["class"]
    truth = {name: (classes == name).sum() / customers for name in bounds["class"]}
    return all(
        row["low_end"] <= truth[row["class"]] <= row["high_end"]
        for row in bounds.to_dict("records")
    )
