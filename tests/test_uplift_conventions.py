"""AUUC and Qini by convention: the figures that scikit-uplift 0.5.1 and causalml 0.18 give."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import InputError, ParameterError
from workbench.uplift.conventions import (
    Convention,
    Curve,
    Top,
    area,
    curve_points,
    perfect_score,
    uplift_at,
)

Y = np.array([1.0, 0, 1, 1, 0, 0, 1, 0, 0, 1])
T = np.array([1.0, 0, 1, 0, 1, 0, 1, 1, 0, 0])
SCORE = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05])


@pytest.mark.parametrize(
    ("curve", "convention", "published"),
    [
        ("uplift", "scikit-uplift", 0.3919270833),
        ("uplift", "causalml", 0.9333333),
        ("uplift", "causalml raw", 1.8666667),
        ("qini", "scikit-uplift", 0.3648648649),
        ("qini", "causalml", 0.5681818),
        ("qini", "causalml raw", 0.5681818),
    ],
)
def test_an_area_is_the_one_of_its_library(
    curve: Curve, convention: Convention, published: float
) -> None:
    found = area(Y, T, SCORE, curve=curve, convention=convention)
    assert found == pytest.approx(published, abs=1e-7)


def test_the_curves_are_those_of_scikit_uplift_and_causalml() -> None:
    _, uplift = curve_points(Y, T, SCORE, curve="uplift")
    assert uplift == pytest.approx([0, 1, 2, 3, 2, 0.8333, 2, 2.9167, 2.1333, 3.15, 2], abs=1e-4)
    _, qini = curve_points(Y, T, SCORE, curve="qini")
    assert qini == pytest.approx([0, 1, 1, 2, 1, 0.5, 1, 1.6667, 1.3333, 1.75, 1], abs=1e-4)
    _, smooth = curve_points(Y, T, SCORE, curve="uplift", smooth=True)
    assert smooth[:4] == pytest.approx([0, 0.5, 2, 3])


def test_the_perfect_curves_are_those_of_scikit_uplift() -> None:
    x, y = curve_points(Y, T, perfect_score(Y, T, curve="qini"), curve="qini")
    assert (x.tolist(), y.tolist()) == ([0, 3, 8, 10], [0, 3, 3, 1])
    x, y = curve_points(Y, T, perfect_score(Y, T, curve="uplift"), curve="uplift")
    assert x.tolist() == [0, 3, 6, 8, 10]
    assert y == pytest.approx([0, 3, 6, 4.8, 2])


@pytest.mark.parametrize(
    ("curve", "convention", "given"),
    [
        ("uplift", "causalml", 0.0106060606),
        ("uplift", "causalml raw", 0.0212121212),
        ("qini", "causalml", -0.4333333333),
    ],
)
def test_an_area_is_that_of_causalml_where_controls_come_first(
    curve: Curve, convention: Convention, given: float
) -> None:
    """Its Qini curve is 0 while only controls were seen; its uplift curve is a straight line."""
    assert area(Y, T, -SCORE, curve=curve, convention=convention) == pytest.approx(given, abs=1e-9)


@pytest.mark.parametrize("convention", ["scikit-uplift", "causalml"])
def test_an_area_that_would_be_divided_by_nothing_is_not_a_number(convention: Convention) -> None:
    for curve in ("uplift", "qini"):
        assert np.isnan(area(np.zeros(10), T, SCORE, curve=curve, convention=convention))


@pytest.mark.parametrize(
    ("top", "share", "by_hand"),
    [
        ("overall", 0.3, 1.0),  # treated 1, 1; control 0
        ("overall", 0.5, 2 / 3 - 1 / 2),  # treated 1, 1, 0; control 0, 1
        ("by_group", 0.4, 1.0 - 1 / 2),  # two of five each: treated 1, 1; control 0, 1
        ("by_group", 1.0, 0.2),  # all: 3 of 5, 2 of 5
    ],
)
def test_uplift_at_a_share_is_the_difference_of_means_of_the_best(
    top: Top, share: float, by_hand: float
) -> None:
    assert uplift_at(Y, T, SCORE, share=share, top=top) == pytest.approx(by_hand)
    mixed = np.array([3, 9, 0, 5, 1, 7, 2, 8, 4, 6])
    again = uplift_at(Y[mixed], T[mixed], SCORE[mixed], share=share, top=top)
    assert again == pytest.approx(by_hand)


def test_uplift_at_a_share_without_a_group_is_refused() -> None:
    with pytest.raises(InputError, match="control customers among the best"):
        uplift_at(Y, T, SCORE, share=0.1)
    with pytest.raises(ParameterError, match="above 0 and up to 1"):
        uplift_at(Y, T, SCORE, share=0)
