"""Factorial experiments: main effects and interactions, against least squares and planted effects."""

import itertools

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

import workbench as wb
from workbench.errors import InputError, ParameterError
from workbench.experiment import Moments, Parts
from workbench.experiment.contrasts import Contrast, of_factors
from workbench.experiment.factorial import compare_cells

FACTORS = {
    "content": ["food", "tea"],
    "timing": ["now", "noon", "later"],
    "value": ["small", "large"],
}
TEA, LATER, BOTH = "content: tea", "timing: later", "content: tea × timing: later"


def units(n: int = 6_000, *, seed: int = 1) -> pl.DataFrame:
    """Customers in 12 cells; tea adds 1, later 2, both together 3 more, and large values spread more."""
    draw = np.random.default_rng(seed)
    frame = {name: draw.choice(levels, n) for name, levels in FACTORS.items()}
    tea, later = frame["content"] == "tea", frame["timing"] == "later"
    before = draw.gamma(4, 2, n)
    noise = draw.normal(0, np.where(frame["value"] == "large", 5, 2), n)
    spend = 10 + 1 * tea + 2 * later + 3 * (tea & later) + before + noise
    visits = draw.poisson(3, n) + 1
    return pl.DataFrame(
        {**frame, "spend": spend, "before": before, "visits": visits, "bought": spend > 20}
    )


def codes(frame: pl.DataFrame) -> dict[str, np.ndarray]:
    """Columns of a least-squares design, centred so that each coefficient is an effect over all cells."""
    single = {
        (name, level): (frame[name] == level).to_numpy() - 1 / len(levels)
        for name, levels in FACTORS.items()
        for level in levels[1:]
    }
    found = {}
    for order in range(1, len(FACTORS) + 1):
        for chosen in itertools.combinations(FACTORS, order):
            for levels in itertools.product(*(FACTORS[name][1:] for name in chosen)):
                picked = list(zip(chosen, levels, strict=True))
                name = " × ".join(f"{factor}: {level}" for factor, level in picked)
                found[name] = np.prod([single[each] for each in picked], axis=0)
    return found


def least_squares(frame: pl.DataFrame, extra: tuple[str, ...] = (), column: str = "spend"):
    design = codes(frame)
    columns = [*design.values(), *(frame[each].to_numpy() for each in extra)]
    fit = sm.OLS(
        frame[column].cast(pl.Float64).to_numpy(), sm.add_constant(np.column_stack(columns))
    ).fit(cov_type="HC2")
    return dict(zip(design, fit.params[1:], strict=False)), dict(
        zip(design, fit.bse[1:], strict=False)
    )


def test_effects_and_errors_are_those_of_least_squares_with_all_interactions():
    frame = units()
    found = wb.read_out(frame, metrics=["spend"], factors=FACTORS)
    assert found.passed, found.text
    values, errors = least_squares(frame)
    assert list(found.table["arm"]) == list(values)
    assert len(values) == 1 + 2 + 1 + 2 + 1 + 2 + 2
    for name, value in values.items():
        estimate = found.estimate("spend", name)
        assert estimate.value == pytest.approx(value, rel=1e-9, abs=1e-10)
        assert estimate.standard_error == pytest.approx(errors[name], rel=1e-9)


def test_covariates_give_the_effects_of_least_squares_with_them():
    frame = units()
    found = wb.read_out(frame, metrics=["spend"], covariates=["before"], factors=FACTORS)
    values, errors = least_squares(frame, ("before",))
    plain = wb.read_out(frame, metrics=["spend"], factors=FACTORS)
    for name, value in values.items():
        estimate = found.estimate("spend", name)
        assert estimate.value == pytest.approx(value, rel=1e-9, abs=1e-10)
        assert estimate.standard_error == pytest.approx(errors[name], rel=0.01)
    kept = found.table.set_index("arm")["variance_kept"]
    ratio = (
        found.estimate("spend", TEA).standard_error / plain.estimate("spend", TEA).standard_error
    )
    assert kept[TEA] == pytest.approx(ratio**2)
    assert kept[TEA] < 0.7


def test_planted_main_effects_and_interactions_are_found_and_no_others():
    found = wb.read_out(units(12_000), metrics=["spend"], covariates=["before"], factors=FACTORS)
    truth = dict.fromkeys(found.table["arm"], 0.0) | {TEA: 1 + 3 / 3, LATER: 2 + 3 / 2, BOTH: 3.0}
    for name, true in truth.items():
        estimate = found.estimate("spend", name)
        assert abs(estimate.value - true) < 3.5 * estimate.standard_error, name
    shown = set(found.table.query("verdict == 'more'")["arm"])
    assert shown == {TEA, LATER, BOTH}
    assert "“content: tea” makes “spend” more" in found.text


def test_two_levels_without_interaction_equal_the_comparison_of_two_arms():
    frame = units()
    one = wb.read_out(frame, metrics=["spend", "bought", "spend / visits"], factors=["content"])
    two = wb.read_out(
        frame, metrics=["spend", "bought", "spend / visits"], arm="content", control="food"
    )
    columns = ["control", "treatment", "effect", "standard_error", "low", "high", "relative",
               "relative_low", "relative_high", "p_value", "p_adjusted", "units"]  # fmt: skip
    np.testing.assert_allclose(one.table[columns].astype(float), two.table[columns].astype(float))


def test_p_values_are_corrected_over_all_effects_and_metrics():
    table = wb.read_out(units(), metrics=["spend", "visits"], factors=FACTORS).table
    assert len(table) == 22
    assert table["p_adjusted"].min() == pytest.approx(min(1.0, 22 * table["p_value"].min()))


def test_the_error_of_a_ratio_is_the_spread_of_repeated_experiments():
    two = {"content": FACTORS["content"], "timing": ["now", "later"]}
    values, errors = [], []
    for seed in range(100):
        draw = np.random.default_rng(seed)
        n = 800
        visits = draw.poisson(3, n) + 1
        frame = pl.DataFrame(
            {
                **{name: draw.choice(levels, n) for name, levels in two.items()},
                "sales": visits * draw.gamma(5, 2, n),
                "visits": visits,
            }
        )
        found = wb.read_out(frame, metrics=["sales / visits"], factors=two)
        estimate = found.estimate("sales / visits", BOTH)
        values.append(estimate.value)
        errors.append(estimate.standard_error)
    # The spread of 100 runs is known to 1 / √200 = 7.1%; three of these.
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.21)
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_a_contrast_with_a_wrong_sign_is_not_that_of_least_squares():
    """The planted fault: an interaction read as a sum of differences instead of their difference."""
    frame = units()
    _, effects = of_factors(FACTORS)
    right = next(each for each in effects if each.name == BOTH)
    wrong = {
        cell: abs(weight) * (1 if "tea" in cell else -1) for cell, weight in right.weights.items()
    }
    values, _ = least_squares(frame)
    cells = {
        ", ".join(str(each) for each in key): Moments.of({"spend": rows["spend"]})
        for key, rows in frame.group_by(*FACTORS)
    }
    parts = Parts(numerator="spend")
    assert compare_cells(cells, parts, right).absolute.value == pytest.approx(values[BOTH])
    faulty = Contrast(name=BOTH, order=2, weights=wrong, treated=right.treated)
    assert compare_cells(cells, parts, faulty).absolute.value != pytest.approx(
        values[BOTH], rel=0.1
    )


def test_a_cell_without_units_is_not_enough_data():
    frame = units().filter((pl.col("content") == "food") | (pl.col("timing") != "later"))
    found = wb.read_out(frame, metrics=["spend"], factors=["content", "timing"])
    assert found.verdict == "not enough data"
    assert "nobody is in “tea, later”" in found.text
    assert found.table.empty


def test_units_without_a_level_are_left_out_and_counted():
    frame = units().with_columns(
        content=pl.when(pl.int_range(pl.len()) >= 9).then(pl.col("content"))
    )
    assert "9 rows have no arm" in wb.read_out(frame, metrics=["spend"], factors=FACTORS).text


def test_cells_of_unequal_size_fail_the_sample_ratio():
    lost = pl.int_range(pl.len()) % 3 == 0
    frame = units().filter(~(lost & (pl.col("content") == "tea") & (pl.col("timing") == "later")))
    found = wb.read_out(frame, metrics=["spend"], factors=["content", "timing"])
    assert found.verdict == "not identified"
    assert "the arms are not as large as they were meant to be" in found.text


def test_a_level_that_is_not_stated_is_named():
    with pytest.raises(
        InputError, match="level of factor 'content' was 'tea', must be one of food"
    ):
        wb.read_out(units(), metrics=["spend"], factors={"content": ["food", "coffee"]})
    frame = units(100).with_columns(content=pl.lit("a, b"))
    with pytest.raises(InputError, match="was 'a, b', must have no comma"):
        wb.read_out(frame, metrics=["spend"], factors=["content"])


def test_a_quantile_and_a_trigger_are_refused_with_factors():
    with pytest.raises(ParameterError, match=r"'quantile 0\.5 of spend', must be a mean"):
        wb.read_out(units(), metrics=[wb.Quantile("spend")], factors=FACTORS)
    with pytest.raises(ParameterError, match="trigger was 'bought', must be left out with factors"):
        wb.read_out(units(), metrics=["spend"], factors=FACTORS, trigger="bought")
