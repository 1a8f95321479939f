"""The calibration table: its bands, its reduced form, and planted faults that it must show."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from workbench.calibration import (
    calibration_table,
    common_mistakes,
    studies,
    uplift_cells,
    watching,
)
from workbench.calibration.studies import STUDIES, Figure, Study
from workbench.calibration.table import judged, rate_band, simulated
from workbench.errors import ParameterError
from workbench.experiment import Estimate

IN_A_WORLD = ["twins of a world"]
# Each kind of outcome compiles a model of its own for ten seconds: the other kinds are for `make calibrate`.
COMPILED = [name for name, each in STUDIES.items() if each.about == "uplift"]
QUICK = ["mean", "proportion", "triggered effect", "diluted effect", "sample ratio, watched"]


def held(figure: Figure, values: list[float]) -> bool:
    study = Study("made", (figure,), lambda _: (0.0,))
    return judged([(study, np.array(values)[:, None])]).passed


@pytest.mark.parametrize("name", [name for name in STUDIES if name not in IN_A_WORLD + COMPILED])
def test_every_estimator_keeps_its_promise_in_a_few_experiments(name: str):
    found = calibration_table(experiments=40, seed=1, only=[name])
    assert found.passed, found.text


def test_read_out_and_money_hold_the_truth_of_twins_in_a_few_worlds():
    found = calibration_table(experiments=40, seed=1, only=IN_A_WORLD)
    assert found.passed, found.text
    assert (found.table["experiments"] == 5).all()


@pytest.mark.slow
def test_uplift_by_cell_holds_truths_drawn_from_its_prior_and_tells_no_equal_cells_apart():
    names = ["uplift by cell: conversion", "uplift by cell: one rule for all"]
    found = calibration_table(experiments=200, seed=1, only=names)
    assert found.passed, found.text
    assert (found.table["experiments"] == 20).all()


@pytest.mark.slow
def test_intervals_of_half_the_width_do_not_hold_what_they_promise(monkeypatch):
    held = uplift_cells._inside
    monkeypatch.setattr(
        uplift_cells,
        "_inside",
        lambda value, true: held(value.mean(axis=0) + 0.5 * (value - value.mean(axis=0)), true),
    )
    found = calibration_table(experiments=200, seed=1, only=["uplift by cell: conversion"])
    assert not found.passed


def test_the_band_is_the_exact_binomial_one():
    low, high = rate_band(Figure("coverage", 0.95), 2_000, 0.001)
    law = stats.binom(2_000, 0.95)
    assert law.cdf(low * 2_000 - 1) <= 0.0005 < law.cdf(low * 2_000)
    assert law.sf(high * 2_000) <= 0.0005 < law.sf(high * 2_000 - 1)


def test_a_conservative_method_is_judged_on_one_side():
    assert held(Figure("error", 0.05, "at most"), [0.0] * 400)
    assert not held(Figure("error", 0.05), [0.0] * 400)
    assert not held(Figure("error", 0.05, "at most"), [1.0] * 60 + [0.0] * 340)
    assert held(Figure("coverage", 0.95, "at least"), [1.0] * 400)
    assert not held(Figure("coverage", 0.95), [1.0] * 400)


def test_the_band_widens_with_the_number_of_figures():
    one = Study("one", (Figure("a", 0.5),), lambda _: (0.0,))
    many = Study("many", (Figure("a", 0.5),) * 50, lambda _: (0.0,))
    values = np.tile([0.0, 1.0], 50)[:, None]
    alone = judged([(one, values)]).table.iloc[0]
    among = judged([(many, np.repeat(values, 50, axis=1))]).table.iloc[0]
    assert among["low"] < alone["low"] < alone["high"] < among["high"]


def test_a_mean_off_its_nominal_value_fails():
    noise = np.random.default_rng(1).normal(0, 1, 400).tolist()
    assert held(Figure("bias", 0.0, is_rate=False), noise)
    assert not held(Figure("bias", 0.5, is_rate=False), noise)


def too_sure(effect: Estimate) -> Estimate:
    """Plant a fault: the error is two thirds of what it is."""
    return Estimate(
        value=effect.value,
        standard_error=effect.standard_error / 1.5,
        df=effect.df,
        n_treatment=effect.n_treatment,
        n_control=effect.n_control,
    )


def off(effect: Estimate) -> Estimate:
    """Plant a fault: the estimate is a third of its error too large."""
    return Estimate(
        value=effect.value + 0.34 * effect.standard_error,
        standard_error=effect.standard_error,
        df=effect.df,
        n_treatment=effect.n_treatment,
        n_control=effect.n_control,
    )


@pytest.mark.parametrize(
    ("fault", "estimator", "figure"),
    [
        (too_sure, "triggered effect", "coverage at 95 %"),
        (off, "triggered effect", "relative bias"),
    ],
)
def test_a_planted_fault_fails_and_is_shown(
    fault: Callable[[Estimate], Estimate], estimator: str, figure: str, monkeypatch
):
    read = studies._read
    monkeypatch.setattr(studies, "_read", lambda effect, truth: read(fault(effect), truth))
    found = calibration_table(seed=1, experiments=800, only=[estimator])
    failed = found.table[~found.table["passed"]]
    assert not found.passed
    assert figure in failed["figure"].to_list()
    assert f"{estimator.capitalize()}: {figure} was" in found.text
    assert "FAILS" in found.page["verdict"].to_list()


def test_looking_daily_at_an_ordinary_interval_fails(monkeypatch):
    def looked_at(estimates: list[Estimate]) -> float:
        return float(any(each.p_value < 0.05 for each in estimates))

    monkeypatch.setattr(watching, "_ever", looked_at)
    found = calibration_table(seed=1, experiments=100, only=["always-valid mean"])
    assert not found.passed
    assert found.table["rate"][0] > 0.15


def test_the_same_seed_gives_the_same_table_alone_or_among_others():
    one = calibration_table(experiments=30, seed=3, only=["mean"]).table
    both = calibration_table(experiments=30, seed=3, only=["proportion", "mean"]).table
    assert one["rate"].to_list() == both["rate"].to_list()[2:]
    assert (
        simulated(STUDIES["mean"], 30, 3)[:20].tolist()
        == simulated(STUDIES["mean"], 20, 3).tolist()
    )
    assert simulated(STUDIES["mean"], 30, 4).tolist() != simulated(STUDIES["mean"], 30, 3).tolist()


def test_the_file_has_a_row_a_figure_and_no_infinity(tmp_path: Path):
    found = calibration_table(seed=1, experiments=20, only=["mean", "ten metrics"])
    found.write(tmp_path / "calibration.json")
    rows = json.loads((tmp_path / "calibration.json").read_text())
    assert [*rows[0]] == [
        "estimator", "figure", "experiments", "rate", "nominal", "low", "high", "passed",
    ]  # fmt: skip
    assert len(rows) == len(found.table) == 4
    assert rows[-1]["low"] is None
    assert math.isinf(found.table["low"].iloc[-1])


def test_every_common_mistake_is_caught():
    found = common_mistakes(seed=1, experiments=100)
    assert len(found.table) == 4
    assert not found.table["passed"].any()


def test_impossible_tables_are_refused():
    with pytest.raises(ParameterError, match="experiments was 19, must be at least 20"):
        calibration_table(seed=1, experiments=19)
    with pytest.raises(ParameterError, match="experiments was 19, must be at least 20"):
        common_mistakes(seed=1, experiments=19)
    with pytest.raises(ParameterError, match="did you mean 'median'"):
        calibration_table(seed=1, only=["medan"])
    with pytest.raises(ParameterError, match="workers was 0"):
        calibration_table(seed=1, workers=0)


def test_processes_give_the_same_table_as_one():
    alone = calibration_table(seed=1, experiments=20, only=QUICK)
    spread = calibration_table(seed=1, experiments=20, only=QUICK, workers=2)
    assert alone.table.equals(spread.table)
