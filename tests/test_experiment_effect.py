"""The effect between two arms: published vectors, laws of the estimator, and faults that are caught."""

import math

import numpy as np
import pytest

from workbench.errors import InputError, ParameterError
from workbench.experiment import effect
from workbench.experiment.effect import Comparison, Estimate, Parts, compare
from workbench.experiment.moments import Moments

Y = Parts(numerator="y")


def of_sums(total: float, squares: float, n: int) -> Moments:
    """Moments of one column ``y`` from its sums."""
    products = np.array([[squares - total**2 / n]])
    return Moments(names=("y",), n=n, mean=np.array([total / n]), products=products)


# growthbook tests/frequentist/test_tests.py
GROWTHBOOK = compare(of_sums(2422.7, 134698.29, 3461), of_sums(1396.87, 52377.9767, 3407), Y)


def orders(
    n: int, total: float, before: float, *, var: float, var_before: float, cov: float
) -> Moments:
    """Moments of orders and of orders before."""
    return Moments(
        names=("orders", "before"),
        n=n,
        mean=np.array([total / n, before / n]),
        products=np.array([[var, cov], [cov, var_before]]) * (n - 1),
    )


# tea-tasting 1.14, make_users_data(rng=42, covariates=True), orders
CONTROL = orders(
    2023, 1073, 1090, var=0.7437588405933154, var_before=1.0547497057821207, cov=0.5503776305425305
)
TREATED = orders(
    1977, 1133, 1006, var=0.7447815874459115, var_before=0.9453922538340717, cov=0.49315329733227586
)


def cuped() -> Comparison:
    return compare(TREATED, CONTROL, Parts(numerator="orders", covariates=(("before", None),)))


def test_absolute_difference_equals_the_published_one_of_growthbook():
    found = GROWTHBOOK.absolute
    assert round(found.value, 2) == 0.29
    assert round(found.standard_error, 5) == 0.12478
    assert [round(end, 5) for end in found.interval()] == [0.04538, 0.53462]
    assert round(found.p_value, 5) == 0.02016


def test_relative_difference_equals_the_published_one_of_growthbook():
    found = GROWTHBOOK.relative
    assert (round(found.value, 5), round(found.standard_error, 5)) == (0.70732, 0.37879)
    assert [round(end, 5) for end in found.interval()] == [-0.03526, 1.44989]
    assert round(found.p_value, 5) == 0.06191
    assert round(found.df, 3) == 5841.742


def test_the_stream_of_a_sequence_is_value_error_and_units():
    found = GROWTHBOOK.relative
    assert (found.n_treatment, found.n_control) == (3461, 3407)


def test_proportions_equal_the_published_ones_of_growthbook():
    found = compare(
        of_sums(16, 16, 30), of_sums(14, 14, 28), Parts(numerator="y", binomial=True)
    ).relative
    assert (round(found.value, 5), round(found.standard_error, 4)) == (0.06667, 0.2717)
    assert [round(end, 5) for end in found.interval()] == [-0.47767, 0.61101]
    assert round(found.p_value, 5) == 0.80707


def test_means_without_covariates_equal_the_published_ones_of_tea_tasting():
    found = compare(TREATED, CONTROL, Parts(numerator="orders"))
    assert round(found.control, 9) == 0.530400395
    assert round(found.treatment, 9) == 0.573090541
    assert round(found.absolute.value, 9) == 0.042690146
    assert [round(end, 7) for end in found.absolute.interval()] == [-0.0108002, 0.0961805]
    # tea-tasting itself gives 0.1906880061: the last published digit was rounded up.
    assert found.relative_interval() == pytest.approx([-0.0195153, 0.1906881], abs=1e-7)
    assert round(found.absolute.p_value, 7) == 0.1177318


def test_cuped_equals_the_published_one_of_tea_tasting():
    found = cuped()
    assert round(found.control, 9) == 0.522683301
    assert round(found.treatment, 9) == 0.580987194
    assert round(found.absolute.value, 9) == 0.058303893
    assert [round(end, 7) for end in found.absolute.interval()] == [0.0156965, 0.1009113]
    assert round(found.relative.value, 7) == 0.1115473
    assert [round(end, 7) for end in found.relative_interval()] == [0.0288068, 0.2009420]
    assert round(found.absolute.p_value, 7) == 0.0073304
    assert round(found.variance_kept, 4) == 0.6345


def test_a_wrong_sign_in_cuped_is_caught_by_the_published_vector(monkeypatch):
    right = effect._slope

    def planted(*given):
        theta, centre = right(*given)
        return -theta, centre

    monkeypatch.setattr(effect, "_slope", planted)
    assert cuped().variance_kept > 1.5
    with pytest.raises(AssertionError):
        test_cuped_equals_the_published_one_of_tea_tasting()


def test_a_wrong_ddof_is_caught_by_the_published_vector(monkeypatch):
    planted = compare(of_sums(16, 16, 30), of_sums(14, 14, 28), Y)
    assert round(planted.relative.standard_error, 4) != 0.2717


def test_two_covariates_equal_a_regression_of_the_rows():
    draw = np.random.default_rng(3)
    n = 4_000
    before, age = draw.gamma(2, 5, n), draw.normal(40, 10, n)
    treated = draw.integers(0, 2, n).astype(bool)
    y = 2 * before + 0.3 * age + draw.normal(0, 3, n) + 0.5 * treated
    arms = [
        Moments.of({"y": y[arm], "before": before[arm], "age": age[arm]})
        for arm in (treated, ~treated)
    ]
    parts = Parts(numerator="y", covariates=(("before", None), ("age", None)))
    found = compare(*arms, parts)
    rows = np.column_stack([np.ones(n), treated, before, age])
    fitted, *_ = np.linalg.lstsq(rows, y, rcond=None)
    errors = y - rows @ fitted
    bread = np.linalg.inv(rows.T @ rows)
    robust = bread @ (rows.T * errors**2) @ rows @ bread
    assert found.absolute.value == pytest.approx(fitted[1], abs=2e-3)
    assert found.absolute.standard_error == pytest.approx(math.sqrt(robust[1, 1]), rel=2e-3)
    assert found.variance_kept < 0.1


def test_a_covariate_given_twice_or_constant_changes_nothing():
    draw = np.random.default_rng(5)
    arms = []
    for _ in range(2):
        before = draw.normal(10, 2, 500)
        rows = {
            "y": before + draw.normal(0, 1, 500),
            "x": before,
            "again": before,
            "one": np.ones(500),
        }
        arms.append(Moments.of(rows))
    once = compare(*arms, Parts(numerator="y", covariates=(("x", None),)))
    several = Parts(numerator="y", covariates=(("x", None), ("again", None), ("one", None)))
    assert compare(*arms, several).absolute.value == pytest.approx(once.absolute.value, rel=1e-9)


# ---- populations ---------------------------------------------------------------------------------

TRIGGERED = Parts(numerator="y", trigger="t", triggered=("yt", None))


def people(n: int, rate: float, lift: float, seed: int, *, reached: float = 1.0) -> Moments:
    """Units of which a share is triggered, spends 2 instead of 8/9, and is lifted."""
    draw = np.random.default_rng(seed)
    trigger = draw.random(n) < rate
    given = trigger & (draw.random(n) < reached)
    y = np.where(trigger, 2.0, 8 / 9) + draw.normal(0, 0.05, n) + 2 * lift * given
    return Moments.of({"y": y, "t": trigger, "yt": y * trigger, "g": given, "yg": y * given})


def exact(lift: float) -> Moments:
    """Ten units, one triggered with twice the mean of all: chapter 20 of Kohavi, Tang and Xu."""
    trigger = np.array([1.0] + [0.0] * 9)
    y = np.array([2.0 * (1 + lift)] + [8 / 9] * 9)
    ten = Moments.of({"y": y, "t": trigger, "yt": y * trigger})
    return ten + ten


def test_a_triggered_lift_of_3_percent_at_a_doubled_baseline_is_0_60_percent_of_all():
    found = compare(exact(0.03), exact(0.0), TRIGGERED, "triggered")
    assert found.relative.value == pytest.approx(0.03)
    diluted = compare(exact(0.03), exact(0.0), TRIGGERED, "diluted")
    assert diluted.relative.value == pytest.approx(0.0060)


def test_dilution_by_the_trigger_rate_alone_is_caught_by_the_published_case():
    naive = 0.10 * compare(exact(0.03), exact(0.0), TRIGGERED, "triggered").relative.value
    assert naive == pytest.approx(0.0030)
    assert naive != pytest.approx(
        compare(exact(0.03), exact(0.0), TRIGGERED, "diluted").relative.value, rel=0.4
    )


def test_diluted_and_all_estimate_the_same_and_dilution_has_a_tenth_of_the_variance():
    draws = [
        [
            compare(
                people(4_000, 0.1, 0.1, 2 * k), people(4_000, 0.1, 0, 2 * k + 1), TRIGGERED, each
            )
            for each in ("all", "diluted")
        ]
        for k in range(60)
    ]
    both = np.array([[each.absolute.value for each in pair] for pair in draws])
    assert both.mean(axis=0) == pytest.approx([0.02, 0.02], abs=4e-3)
    errors = np.array([[each.absolute.standard_error for each in pair] for pair in draws])
    assert errors.mean(axis=0) == pytest.approx(both.std(axis=0, ddof=1), rel=0.35)
    assert (errors[:, 1] ** 2 < errors[:, 0] ** 2 / 10).all()


def test_effect_of_compliers_is_the_effect_of_all_over_the_share_reached():
    reached = Parts(numerator="y", trigger="g", triggered=("yg", None))
    treated, control = (
        people(20_000, 0.5, 0.1, 1, reached=0.6),
        people(20_000, 0.5, 0, 2, reached=0),
    )
    found = compare(treated, control, reached, "compliers")
    everyone = compare(treated, control, reached).absolute
    assert found.absolute.value == pytest.approx(everyone.value / treated["g"])
    assert abs(found.absolute.value - 0.2) < 4 * found.absolute.standard_error


@pytest.mark.parametrize("population", ["all", "triggered", "diluted"])
def test_ratio_trigger_and_covariate_work_on_the_same_moments(population):
    def arm(seed: int, lift: float) -> Moments:
        draw = np.random.default_rng(seed)
        n = 5_000
        trigger = draw.random(n) < 0.3
        habit = draw.gamma(4, 1, n)
        visits = draw.poisson(habit) + 1.0
        sales = visits * (10 + 5 * lift * trigger) + draw.normal(0, 2, n) + 3 * habit
        return Moments.of(
            {
                "sales": sales, "visits": visits, "t": trigger, "sales t": sales * trigger,
                "visits t": visits * trigger, "habit": habit, "habit t": habit * trigger,
            }
        )  # fmt: skip

    covariate = ("habit", None) if population == "all" else ("habit t", "t")
    parts = Parts(
        numerator="sales", denominator="visits", covariates=(covariate,), trigger="t",
        triggered=("sales t", "visits t"),
    )  # fmt: skip
    estimates = [
        compare(arm(2 * k, 0.2), arm(2 * k + 1, 0.0), parts, population).absolute for k in range(80)
    ]
    values = np.array([each.value for each in estimates])
    truth = {"all": 0.3, "triggered": 1.0, "diluted": 0.3}[population]
    assert abs(values.mean() - truth) < 4 * values.std() / math.sqrt(80)
    errors = np.array([each.standard_error for each in estimates])
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.3)


# ---- refusals ------------------------------------------------------------------------------------


def test_one_unit_in_an_arm_is_not_enough_data():
    with pytest.raises(
        InputError, match="not enough data: a variance needs at least 2 units, was 1"
    ):
        compare(of_sums(1, 1, 1), of_sums(3, 5, 2), Y)


def test_a_denominator_of_0_in_an_arm_is_not_enough_data():
    arm = Moments.of({"y": [1.0, 2.0], "x": [0.0, 0.0]})
    with pytest.raises(InputError, match="the treated arm has x of 0 in all"):
        compare(arm, arm, Parts(numerator="y", denominator="x"))


def test_a_population_that_needs_a_trigger_says_so():
    with pytest.raises(ParameterError, match="must name a trigger for the population 'diluted'"):
        compare(of_sums(3, 5, 2), of_sums(3, 5, 2), Y, "diluted")


def test_an_interval_of_an_impossible_level_is_refused():
    estimate = Estimate(value=0, standard_error=1, df=10, n_treatment=6, n_control=6)
    with pytest.raises(ParameterError, match="level was 95, must be between 0 and 1"):
        estimate.interval(95)


def test_no_difference_without_noise_has_a_p_value_of_1():
    found = compare(of_sums(4, 8, 2), of_sums(4, 8, 2), Y).absolute
    assert (found.value, found.standard_error, found.p_value) == (0, 0, 1)
