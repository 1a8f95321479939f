"""Uplift and Qini curves: their ends, their areas by convention, chance where there is nothing to find."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.errors import ParameterError
from workbench.uplift import LearnedUplift, uplift_curve
from workbench.uplift.conventions import curve_points

CUSTOMERS = 4_000


def learned(outcome: np.ndarray, code: np.ndarray, prediction: np.ndarray) -> LearnedUplift:
    empty: Any = None
    return LearnedUplift(
        table=empty, text="", outcome="visits", arms=("control", "tea"), features=("age",),
        customers=None, code=code, observed=outcome, scores=empty, predictions=prediction[:, None],
        fold=code, model=empty, encoder=empty,
    )  # fmt: skip


def drawn(seed: int, effect: float) -> LearnedUplift:
    """Half have an effect of ``effect`` and are known to; the others have none."""
    rng = np.random.default_rng(seed)
    code, works = rng.integers(0, 2, CUSTOMERS), rng.integers(0, 2, CUSTOMERS)
    outcome = rng.normal(size=CUSTOMERS) + effect * works * code
    return learned(outcome, code, works + 0.1 * rng.normal(size=CUSTOMERS))


@pytest.mark.parametrize("kind", ["qini", "uplift"])
def test_the_curve_rises_over_those_whom_it_works_for_and_ends_at_the_mean_effect(kind: Any):
    curve = uplift_curve(drawn(1, 2.0), "tea", kind=kind)
    half, end = curve.table.iloc[9], curve.table.iloc[-1]
    assert half["gain"] == pytest.approx(1.0, abs=0.1)  # half of all with an effect of 2
    assert end["gain"] == end["at_random"] == pytest.approx(1.0, abs=0.1)
    assert half["at_random"] == pytest.approx(0.5, abs=0.05)
    assert curve.above_random_low < 0.25 < curve.above_random_high  # a triangle over the diagonal
    assert "beats chance" in curve.text


@pytest.mark.parametrize("kind", ["qini", "uplift"])
def test_the_curve_is_that_of_the_published_conventions_in_another_unit(kind: Any):
    one = drawn(2, 1.0)
    x, y = curve_points(one.observed, one.code.astype(float), one.predictions[:, 0], curve=kind)
    treated = int(one.code.sum())
    scale = treated if kind == "qini" else CUSTOMERS
    table = uplift_curve(one, "tea", kind=kind).table
    at = np.searchsorted(x, np.round(table["treated"] * CUSTOMERS))
    np.testing.assert_allclose(table["gain"], y[at] / scale, rtol=1e-9)


def test_an_order_by_chance_is_called_chance_as_often_as_its_level():
    """95 % two-sided, so 2.5 % of areas lie surely above a random order where nothing works for anyone."""
    found = sum(
        uplift_curve(drawn(100 + number, 0.0), "tea").above_random_low > 0 for number in range(60)
    )
    assert found <= 6


def test_areas_say_whose_convention_they_are_and_leave_out_what_knows_only_0_and_1():
    rng = np.random.default_rng(3)
    code = rng.integers(0, 2, 400)
    binary = learned((rng.random(400) < 0.3 + 0.2 * code).astype(float), code, rng.random(400))
    assert list(uplift_curve(binary, "tea").areas["convention"]) == [
        "scikit-uplift", "causalml", "causalml raw",
    ]  # fmt: skip
    assert list(uplift_curve(drawn(4, 1.0), "tea", kind="uplift").areas["figure"]) == ["AUUC"] * 2


def test_an_offer_that_is_not_there_is_refused():
    with pytest.raises(ParameterError, match="did you mean 'tea'"):
        uplift_curve(drawn(5, 1.0), "tee")
