"""A world fitted to a log: recovered from a world's own log, near a real one, and its distances."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from workbench.calibration import Calibrated, calibrate_world, compare_marginals
from workbench.calibration.marginals import BASKETS, GAPS, HOURS, SURVIVAL, WEEKDAYS, WEEKLY
from workbench.errors import InputError
from workbench.log import Log, ingest, open_log
from workbench.world import World, simulate
from world_samples import tiny

BROUGHT = Path(__file__).resolve().parents[2] / "shared" / "data" / "starbucks"
PEAKS = [0.0] * 8 + [1.0, 3.0, 1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 2.0, 3.0, 2.0] + [0.0] * 4


@cache
def true_world() -> World:
    """A world of the kind that is fitted: one segment, one store, no weather and no shock."""
    return World.from_mapping(
        {
            "name": "true",
            "start": "2024-01-01",
            "days": 180,
            "zone": "America/New_York",
            "customers": 3_000,
            "segments": [
                {
                    "name": "all",
                    "share": 1,
                    "visits_per_week": {"mean": 1.5, "shape": 2.0},
                    "dropout_per_day": 0.004,
                    "dayparts": {"breakfast": 5, "lunch": 7, "dinner": 7},
                    "menu": {"a": 1},
                    "basket": {"median_cents": 1500, "between_sigma": 0.4, "within_sigma": 0.6},
                    "offer_sensitivity": {},
                }
            ],
            "stores": [{"id": "s", "opens": "00:00", "closes": "24:00"}],
            "weather": {"rain_visits": 1.0, "cold_visits": 1.0},
            "calendar": {"weekdays": {"saturday": 1.4, "sunday": 0.6}, "hours": PEAKS},
        },
        source="true",
    )


@cache
def true_log() -> Log:
    return simulate(true_world(), seed=4).log


@cache
def fitted() -> Calibrated:
    return calibrate_world(true_log())


def test_the_figures_of_a_world_are_recovered_from_its_log():
    segment = fitted().world.segments[0]
    # A part of a day has one visit at most, which makes the frequent a little less frequent.
    assert segment.visits_per_week.mean == pytest.approx(1.5, rel=0.08)
    assert segment.visits_per_week.shape == pytest.approx(2.0, rel=0.2)
    assert segment.dropout_per_day == pytest.approx(0.004, rel=0.2)
    assert segment.basket.median_cents == pytest.approx(1500, rel=0.05)
    assert segment.basket.between_sigma == pytest.approx(0.4, abs=0.03)
    assert segment.basket.within_sigma == pytest.approx(0.6, abs=0.02)


def test_the_calendar_and_the_size_are_those_of_the_log():
    world, weekdays = fitted().world, dict(fitted().world.calendar.weekdays)
    assert (world.days, world.zone, world.start) == (180, "America/New_York", "2024-01-01")
    assert weekdays["saturday"] / weekdays["sunday"] == pytest.approx(1.4 / 0.6, rel=0.1)
    assert world.customers <= 3_000
    assert set(np.flatnonzero(world.calendar.hours)) <= set(range(8, 21))


def test_a_world_that_is_fitted_is_near_its_log_in_every_marginal():
    again = simulate(fitted().world, seed=9).log
    found = compare_marginals(true_log(), again)
    assert found.table["is_close"].all(), found.table
    assert found.table["marginal"].to_list() == [WEEKLY, HOURS, WEEKDAYS, BASKETS, GAPS, SURVIVAL]


def test_another_world_is_not_near_and_the_text_says_where():
    other = simulate(tiny(customers=400, days=90), seed=9).log
    found = compare_marginals(true_log(), other)
    assert not found.table["is_close"].all()
    worst = found.table.sort_values("distance").iloc[-1]
    assert str(worst["marginal"]) in found.text


def test_shares_of_a_marginal_add_up_and_a_log_is_at_no_distance_from_itself():
    same = compare_marginals(true_log(), true_log())
    assert same.table["distance"].max() == 0
    sums = (
        same.shares[same.shares["marginal"] != SURVIVAL]
        .groupby(["marginal", "source"])["share"]
        .sum()
    )
    np.testing.assert_allclose(sums, 1)


def test_a_survival_never_rises():
    shares = compare_marginals(true_log(), true_log()).shares
    curve = shares[(shares["marginal"] == SURVIVAL) & (shares["source"] == "real")]
    assert (curve.sort_values("place")["share"].diff().dropna() <= 0).all()
    assert curve["share"].max() == 1


def test_a_short_log_is_not_enough_data():
    with pytest.raises(InputError, match="not enough data: the log has 14 days"):
        calibrate_world(simulate(tiny(days=14), seed=1).log)


@pytest.mark.slow
@pytest.mark.skipif(
    not BROUGHT.is_dir(), reason="the Starbucks log is not part of the project; it is brought along"
)
def test_the_starbucks_log_is_fitted_where_it_is_brought_and_its_distances_are_said(tmp_path: Path):
    ingest(BROUGHT, "starbucks", tmp_path / "log")
    log = open_log(tmp_path / "log")
    world = calibrate_world(log).world
    found = compare_marginals(log, simulate(world, seed=1).log)
    assert world.days == 30
    near = found.table.set_index("marginal")["is_close"]
    assert near.drop(BASKETS).all(), found.table
    assert not near[BASKETS]  # two kinds of baskets, small and large, are not one bell
    assert BASKETS in found.text


def test_the_real_sample_is_fitted_and_most_marginals_are_near(tmp_path: Path):
    ingest("cdnow_sample", "cdnow_sample", tmp_path / "log")
    log = open_log(tmp_path / "log")
    calibrated = calibrate_world(log)
    found = compare_marginals(log, simulate(calibrated.world, seed=1).log)
    assert found.table["is_close"].sum() >= 3
