"""The read-out: what it says, what it refuses, and bad input that it names."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.formula.api as smf
import tea_tasting as tt

import workbench as wb
from workbench.errors import InputError, ParameterError
from workbench.experiment import ReadOut
from workbench.experiment.units import read_source


def table(n: int = 2_000, *, lift: float = 0.0, seed: int = 1) -> pl.DataFrame:
    """Customers of two arms with what they spent before, spend, visits and a segment."""
    draw = np.random.default_rng(seed)
    arm = draw.permutation(np.repeat(["control", "offer"], n // 2))
    before = draw.gamma(4, 500, n)
    visits = draw.poisson(3, n) + 1
    spend = before * 0.8 + draw.gamma(2, 300, n) + lift * (arm == "offer")
    return pl.DataFrame(
        {
            "customer": np.arange(n),
            "arm": arm,
            "before_cents": before,
            "spend_cents": spend,
            "visits": visits,
            "bought": draw.random(n) < np.where(arm == "offer", 0.5 + lift / 4000, 0.5),
            "segment": draw.choice(["loyal", "new", "rare"], n),
            "day": [dt.date(2026, 3, 1 + day) for day in draw.integers(0, 20, n)],
        }
    )


# ---- what it says ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pandas", "polars", "lazy", "parquet", "folder"])
def test_any_form_of_a_table_gives_the_same_read_out(kind, tmp_path):
    frame = table(lift=200)
    frame.write_parquet(tmp_path / "units.parquet")
    given = {
        "pandas": frame.to_pandas(),
        "polars": frame,
        "lazy": frame.lazy(),
        "parquet": tmp_path / "units.parquet",
        "folder": str(tmp_path),
    }[kind]
    found = wb.read_out(given, metrics=["spend_cents"], covariates=["before_cents"])
    assert found.passed
    assert found.estimate("spend_cents").value == pytest.approx(200, abs=60)
    assert found.table["verdict"].to_list() == ["more"]
    assert found.headline.startswith("“offer” makes “spend”")


def test_means_ratios_and_cuped_equal_tea_tasting():
    frame = table(lift=100)
    found = wb.read_out(
        frame,
        metrics=["spend_cents", "spend_cents / visits", wb.Mean("visits", ("before_cents",))],
        correction="none",
    )
    other = tt.Experiment(
        {
            "spend_cents": tt.Mean("spend_cents"),
            "spend_cents / visits": tt.RatioOfMeans("spend_cents", "visits"),
            "visits": tt.Mean("visits", covariate="before_cents"),
        },
        variant="arm",
    ).analyze(frame, control="control")
    for name, row in zip(found.table["metric"], found.table.to_dict("records"), strict=True):
        theirs = other[name]
        assert row["effect"] == pytest.approx(theirs.effect_size, rel=1e-9)
        assert row["low"] == pytest.approx(theirs.effect_size_ci_lower, rel=1e-9)
        assert row["high"] == pytest.approx(theirs.effect_size_ci_upper, rel=1e-9)
        assert row["relative_low"] == pytest.approx(theirs.rel_effect_size_ci_lower, rel=1e-9)
        assert row["p_value"] == pytest.approx(theirs.pvalue, rel=1e-9)


def test_ratio_with_a_covariate_on_both_parts_equals_the_published_one_of_tea_tasting():
    users = tt.make_users_data(rng=42, covariates=True, return_type="polars")
    units = users.with_columns(
        arm=pl.when(pl.col("variant") == 0).then(pl.lit("control")).otherwise(pl.lit("new"))
    )
    ratio = wb.Ratio("orders", "sessions", ("orders_covariate / sessions_covariate",))
    found = wb.read_out(units, metrics=[ratio]).comparison("orders / sessions")
    assert round(found.control, 9) == 0.261558559
    assert round(found.treatment, 9) == 0.293292822
    assert found.relative.value == pytest.approx(0.1213276, abs=5e-8)
    assert found.relative_interval() == pytest.approx((0.0416488, 0.2071012), abs=5e-8)
    assert found.absolute.p_value == pytest.approx(0.0022929, abs=5e-8)


def test_clustered_errors_equal_those_of_statsmodels():
    draw = np.random.default_rng(4)
    rows = []
    for store in range(80):
        arm = "offer" if store % 2 else "control"
        level = draw.normal(10, 2)
        rows += [(store, arm, level + draw.normal()) for _ in range(int(draw.integers(5, 30)))]
    frame = pd.DataFrame(rows, columns=["store", "arm", "y"])
    found = wb.read_out(frame, metrics=["y"], cluster="store").estimate("y")
    fit = smf.ols("y ~ C(arm)", frame).fit(
        cov_type="cluster", cov_kwds={"groups": frame["store"], "use_correction": False}
    )
    assert found.value == pytest.approx(fit.params.iloc[1])
    assert found.standard_error == pytest.approx(fit.bse.iloc[1] * np.sqrt(40 / 39), rel=1e-6)
    naive = wb.read_out(frame, metrics=["y"], shares={"control": 1, "offer": 1})
    assert not naive.passed or naive.estimate("y").standard_error < found.standard_error / 2


def test_weights_equal_repeated_units_in_value():
    frame = table(400).with_columns(weight=pl.Series([1, 2] * 200))
    weighted = wb.read_out(frame, metrics=["spend_cents"], weights="weight")
    repeated = frame.select(pl.all().repeat_by("weight").explode())
    assert weighted.estimate("spend_cents").value == pytest.approx(
        wb.read_out(repeated, metrics=["spend_cents"]).estimate("spend_cents").value
    )


def test_quantile_is_estimated_from_rows_with_the_spread_of_repeated_experiments():
    draw = np.random.default_rng(8)
    errors, values = [], []
    for _ in range(60):
        frame = pl.DataFrame(
            {"arm": ["control", "offer"] * 1_000, "y": draw.exponential(10, 2_000)}
        )
        found = wb.read_out(frame, metrics=[wb.Quantile("y", 0.9)]).estimate("quantile 0.9 of y")
        errors.append(found.standard_error)
        values.append(found.value)
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.25)


def test_several_arms_are_each_compared_with_the_control_and_adjusted_together():
    frame = pl.concat(
        [
            table(lift=300),
            table(1_000, seed=2)
            .filter(pl.col("arm") == "offer")
            .with_columns(arm=pl.lit("coffee")),
        ]
    )
    found = wb.read_out(
        frame, metrics=["spend_cents", "visits"], shares={"control": 2, "offer": 2, "coffee": 1}
    ).table
    assert len(found) == 4
    assert set(found["arm"]) == {"offer", "coffee"}
    assert (found["p_adjusted"] >= found["p_value"]).all()
    assert found["p_adjusted"].min() == pytest.approx(min(1, 4 * found["p_value"].min()))


def test_segments_days_and_outliers_stand_beside_the_effect():
    frame = table(6_000, lift=0).with_columns(
        spend_cents=pl.col("spend_cents")
        + 900 * ((pl.col("segment") == "loyal") & (pl.col("arm") == "offer"))
    )
    found = wb.read_out(
        frame, metrics=["spend_cents"], covariates=["before_cents"], segments=["segment"], day="day"
    )
    by_segment = found.segments["segment", "offer"]
    assert by_segment.differs
    loyal = by_segment.table.set_index("segment").loc["loyal"]
    assert 700 < loyal["shrunken"] < loyal["effect"] + 1
    assert not found.novelty.trend
    assert found.outliers.influential == ()
    assert "do not say" not in found.text
    assert "does not say when the window ended" in found.text


def days_apart(change: pl.Expr) -> ReadOut:
    """Read out an offer whose effect is changed by the day of entry, over four weeks."""
    draw = np.random.default_rng(3)
    frame = table(8_000).with_columns(
        day=pl.Series(
            [dt.date(2026, 3, 2) + dt.timedelta(int(n)) for n in draw.integers(0, 28, 8_000)]
        )
    )
    offer = pl.col("arm") == "offer"
    frame = frame.with_columns(spend_cents=pl.col("spend_cents") + change * offer)
    return wb.read_out(frame, metrics=["spend_cents"], covariates=["before_cents"], day="day")


def test_an_effect_at_weekends_alone_differs_by_day_of_the_week_and_has_no_trend():
    found = days_apart(600 * (pl.col("day").dt.weekday() >= 6))
    by_weekday = found.weekdays["offer"]
    assert by_weekday.differs
    effects = by_weekday.table.set_index("weekday")["effect"]
    assert set(effects.nlargest(2).index) == {"Saturday", "Sunday"}
    assert effects["Monday"] == pytest.approx(0, abs=4 * by_weekday.table["standard_error"].max())
    assert "effects by day of the week differ by more than chance" in found.text
    assert not found.novelty.trend


def test_an_effect_that_wears_off_has_a_trend_and_no_day_of_the_week():
    found = days_apart(800 - 28 * (pl.col("day") - dt.date(2026, 3, 2)).dt.total_days())
    assert found.novelty.trend
    assert "wears off with the day of entry" in found.text
    assert found.novelty.slope == pytest.approx(-28, abs=8)
    assert not found.weekdays["offer"].differs


def test_levels_of_weekdays_and_trend_are_those_of_weighted_least_squares():
    found = days_apart(20 * pl.col("day").dt.day())
    by_day, by_weekday = found.novelty.table, found.weekdays["offer"]
    days = pd.DatetimeIndex(by_day["day"])
    frame = by_day.assign(
        weekday=days.day_of_week, at=days.day_of_year, w=by_day["standard_error"] ** -2
    )
    fit = smf.wls("effect ~ C(weekday) + at", frame, weights=frame["w"]).fit(cov_type="fixed scale")
    assert by_weekday.slope == pytest.approx(fit.params["at"], rel=1e-9)
    assert by_weekday.slope_p_value == pytest.approx(fit.pvalues["at"], rel=1e-6)
    wald = fit.wald_test_terms(scalar=True).table.loc["C(weekday)"]
    assert by_weekday.p_value == pytest.approx(wald["pvalue"], rel=1e-6)


def test_days_that_are_numbers_have_a_trend_and_no_day_of_the_week():
    frame = table().with_columns(day=pl.col("day").dt.day())
    found = wb.read_out(frame, metrics=["spend_cents"], day="day")
    assert found.weekdays == {}
    assert found.novelty is not None


def test_one_huge_customer_is_named_and_the_effect_is_given_with_the_top_cut():
    frame = table(2_000, lift=0)
    huge = frame.with_columns(
        spend_cents=pl.when(pl.col("customer") == 5).then(5e6).otherwise(pl.col("spend_cents"))
    )
    found = wb.read_out(huge, metrics=["spend_cents"]).outliers
    assert found.influential == ("spend_cents",)
    row = found.table.iloc[0]
    assert abs(row["effect_cut"]) < abs(row["effect"])


def test_the_page_writes_every_number_with_its_unit():
    page = wb.read_out(table(lift=200), metrics=["spend_cents", "bought"]).page
    assert page["effect"][0].startswith("+$")
    assert "to $" in page["95% interval"][0]


# ---- triggered -------------------------------------------------------------------------------------


def triggered(n: int, *, leak: float = 0.0, seed: int = 1) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    arm = draw.permutation(np.repeat(["control", "offer"], n // 2))
    trigger = draw.random(n) < 0.2
    habit = draw.gamma(4, 1, n)
    spend = habit * 3 + draw.normal(0, 2, n) + 2 * trigger
    spend += 1.0 * (trigger & (arm == "offer")) + leak * (~trigger & (arm == "offer"))
    return pl.DataFrame({"arm": arm, "t": trigger, "habit": habit, "spend": spend})


def test_all_triggered_and_diluted_are_read_from_one_table_with_covariates():
    found = wb.read_out(triggered(20_000), metrics=["spend"], covariates=["habit"], trigger="t")
    assert found.passed
    every, some, diluted = (
        found.estimate("spend", population=each) for each in ("all", "triggered", "diluted")
    )
    assert some.value == pytest.approx(1.0, abs=4 * some.standard_error)
    assert diluted.value == pytest.approx(0.2, abs=4 * diluted.standard_error)
    assert diluted.standard_error < every.standard_error
    plain = wb.read_out(triggered(20_000), metrics=["spend"], trigger="t")
    assert some.standard_error < plain.estimate("spend", population="triggered").standard_error / 2


def test_an_effect_without_a_trigger_is_refused():
    found = wb.read_out(triggered(20_000, leak=0.5), metrics=["spend"], trigger="t")
    assert found.verdict == "not identified"
    assert "what came without a trigger shows an effect" in found.text
    assert found.table.empty


def test_a_trigger_that_one_arm_logs_less_often_is_refused():
    frame = triggered(20_000).filter(
        (pl.col("arm") == "offer") | ~pl.col("t") | (pl.int_range(pl.len()) % 3 > 0)
    )
    found = wb.read_out(frame, metrics=["spend"], trigger="t")
    assert found.verdict == "not identified"
    assert "units at “t”" in found.text


# ---- refusals --------------------------------------------------------------------------------------


def refused(found, verdict: str, reason: str) -> None:
    assert found.verdict == verdict
    assert reason in found.text
    assert found.table.empty
    assert found.comparisons == {}
    with pytest.raises(InputError, match="there is no effect on 'spend_cents'"):
        found.estimate("spend_cents")


def test_a_targeted_campaign_is_not_identified():
    found = wb.read_out(table(), metrics=["spend_cents"], assignment="targeted")
    refused(found, "not identified", "were chosen, not drawn")


def test_an_experiment_without_a_control_is_not_identified():
    only = table().filter(pl.col("arm") == "offer")
    refused(
        wb.read_out(only, metrics=["spend_cents"]), "not identified", "nobody is in the control"
    )


def test_a_failing_sample_ratio_is_not_identified_and_its_place_is_named():
    frame = table(4_000).filter(
        (pl.col("arm") == "control") | (pl.col("segment") != "new") | (pl.col("customer") % 2 == 0)
    )
    found = wb.read_out(frame, metrics=["spend_cents"], segments=["segment"])
    refused(found, "not identified", "the arms are not as large as they were meant to be")
    assert "most clearly in segment new" in found.text


def test_groups_that_differed_before_are_not_identified():
    frame = table(2_000).with_columns(
        before_cents=pl.col("before_cents") + 300 * (pl.col("arm") == "offer")
    )
    found = wb.read_out(frame, metrics=["spend_cents"], covariates=["before_cents"])
    refused(found, "not identified", "not alike before the experiment")


def test_an_arm_in_one_segment_only_is_not_identified():
    frame = table(2_000).with_columns(
        segment=pl.when(pl.col("arm") == "offer").then(pl.lit("new")).otherwise(pl.col("segment"))
    )
    found = wb.read_out(frame, metrics=["spend_cents"], segments=["segment"])
    refused(found, "not identified", "all of “offer” have segment “new”")


def test_arms_that_are_each_in_another_segment_are_not_identified():
    frame = table().with_columns(segment=pl.col("arm").replace({"control": "old", "offer": "new"}))
    found = wb.read_out(frame, metrics=["spend_cents"], segments=["segment"])
    refused(found, "not identified", "all of “control” have segment “old”")


def test_too_few_units_are_not_enough_data():
    refused(
        wb.read_out(table(40), metrics=["spend_cents"]), "not enough data", "20 units in “control”"
    )


def test_one_unit_an_arm_is_not_enough_data():
    found = wb.read_out(table(2), metrics=["spend_cents"])
    refused(found, "not enough data", "needs 30 in each arm")


def test_too_few_events_are_not_enough_data_for_that_metric_alone():
    frame = table().with_columns(rare=pl.col("customer") < 3)
    found = wb.read_out(frame, metrics=["spend_cents", "rare"]).table.set_index("metric")
    assert found.loc["rare", "verdict"].startswith("not enough data")
    assert pd.isna(found.loc["rare", "effect"])
    assert pd.notna(found.loc["spend_cents", "effect"])


def test_a_constant_metric_is_not_enough_data():
    found = wb.read_out(table().with_columns(same=pl.lit(3)), metrics=["same"])
    assert found.table["verdict"].to_list() == ["not enough data: same is the same for every unit"]
    assert "0" not in str(found.table["effect"][0])


def test_a_denominator_of_0_in_all_is_not_enough_data():
    found = wb.read_out(table().with_columns(none=pl.lit(0)), metrics=["spend_cents / none"])
    assert "none is 0 for the whole treated arm" in found.table["verdict"][0]


def test_a_denominator_of_0_in_one_arm_alone_is_not_enough_data():
    frame = table().with_columns(visits=pl.col("visits") * (pl.col("arm") == "control"))
    found = wb.read_out(frame, metrics=["spend_cents / visits"])
    assert "visits is 0 for the whole treated arm" in found.table["verdict"][0]


@pytest.mark.parametrize("covariates", [(), ("before_cents",)])
def test_what_nobody_of_the_control_has_an_effect_and_no_share_of_it(covariates):
    frame = table(lift=300).with_columns(
        discount=pl.col("spend_cents") * (pl.col("arm") == "offer")
    )
    row = wb.read_out(frame, metrics=["discount"], covariates=covariates).table.iloc[0]
    assert row["effect"] > 0
    assert pd.isna(row["relative"])


def test_an_effect_on_a_loss_is_a_share_of_its_size():
    frame = table(lift=300).with_columns(
        profit=pl.col("spend_cents") - 9_000, factor=pl.col("segment")
    )
    asked = [wb.Mean("profit"), wb.Quantile("profit")]
    found = wb.read_out(frame, metrics=asked).table
    cells = wb.read_out(frame, metrics=asked[:1], factors={"arm": ["control", "offer"]}).table
    for row in [*found.to_dict("records"), *cells.to_dict("records")]:
        assert row["relative"] == pytest.approx(row["effect"] / -row["control"])
        assert row["relative_low"] < row["relative"] < row["relative_high"]


def test_a_control_near_0_leaves_the_relative_interval_without_an_upper_end():
    frame = table(lift=300)
    level = frame.filter(pl.col("arm") == "control")["spend_cents"].mean()
    shifted = frame.with_columns(pl.col("spend_cents") - level + 0.001)
    found = wb.read_out(shifted, metrics=["spend_cents"])
    assert found.table["relative_high"][0] == float("inf")
    assert "inf" not in found.text + found.page.to_string()


def test_a_covariate_whose_window_ends_after_assignment_is_refused():
    late = wb.Covariate("before_cents", dt.date(2026, 3, 10))
    found = wb.read_out(
        table(), metrics=["spend_cents"], covariates=[late], assigned_from=dt.date(2026, 3, 1)
    )
    refused(found, "not identified", "ends after the first assignment")


# ---- bad input -------------------------------------------------------------------------------------


def test_units_without_an_arm_are_left_out_and_counted():
    frame = table().with_columns(
        arm=pl.when(pl.col("customer") < 7).then(None).otherwise(pl.col("arm"))
    )
    found = wb.read_out(frame, metrics=["spend_cents"])
    assert "7 rows have no arm" in found.text
    assert found.table["units"][0] == 1_993


def test_units_in_two_arms_are_left_out_of_all_and_counted():
    frame = table()
    other = frame.head(5).with_columns(
        arm=pl.when(pl.col("arm") == "offer").then(pl.lit("control")).otherwise(pl.lit("offer"))
    )
    found = wb.read_out(pl.concat([frame, other]), metrics=["spend_cents"], unit="customer")
    assert "5 units were in more than one arm and are left out of all" in found.text
    assert found.table["units"][0] == 1_995


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arm": pl.col("arm").replace("offer", "Control")}, "differ by case or blank only"),
        ({"arm": pl.col("arm").replace("offer", "control ")}, "differ by case or blank only"),
        ({"arm": pl.concat_str("arm", pl.when(pl.col("customer") > 9).then(pl.lit("  x")).otherwise(pl.lit("\u00a0x")))}, "differ by case or blank only"),
        ({"arm": pl.col("arm").replace("offer", " ")}, "blank label"),
        ({"arm": pl.lit(None, pl.String)}, "nobody is in an arm"),
        ({"spend_cents": pl.lit("much")}, "'spend_cents' holds text, must hold numbers"),
        ({"spend_cents": pl.lit(None, pl.Float64)}, "'spend_cents' holds no value at all"),
        ({"spend_cents": pl.lit(None)}, "'spend_cents' holds no value at all"),
        ({"spend_cents": pl.when(pl.col("customer") > 2).then(1.0)}, "has no value in 3 of 2,000 rows"),
        ({"spend_cents": pl.when(pl.col("customer") > 1).then(1.0).otherwise(float("inf"))}, "2 values that are not finite"),
        ({"spend_cents": pl.when(pl.col("customer") > 0).then(1.0).otherwise(float("nan"))}, "1 value that is not finite"),
        ({"customer": pl.lit(1)}, "nobody is in an arm of 'arm'; 1 unit in more than one"),
        ({"customer": pl.col("customer") // 2 * 2 + (pl.col("arm") == "offer")}, "must have one row"),
        ({"customer": pl.when(pl.col("customer") > 2).then(pl.col("customer"))}, "3 rows of 'customer' must have a value"),
    ],
)  # fmt: skip
def test_bad_input_is_an_error_that_names_it(change, message):
    with pytest.raises(InputError, match=message):
        wb.read_out(table().with_columns(**change), metrics=["spend_cents"], unit="customer")


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"w": 1 - pl.col("customer")}, {"weights": "w"}, "1,998 rows of 'w' must be 0 or more"),
        ({"t": pl.col("customer") % 4}, {"trigger": "t"}, "1,000 rows of 't' must be 0 or 1"),
        ({"t": pl.col("customer") % 4}, {"reached": "t"}, "1,000 rows of 't' must be 0 or 1"),
        ({"t": pl.col("customer") % 4}, {"stages": ["t"]}, "1,000 rows of 't' must be 0 or 1"),
        ({"day": pl.col("day").cast(pl.String)}, {"day": "day"}, "day 'day' holds text, must hold days"),
    ],
)  # fmt: skip
def test_a_column_that_holds_something_else_than_its_part_asks_for_is_an_error(
    change, arguments, message
):
    with pytest.raises(InputError, match=message):
        wb.read_out(table().with_columns(**change), metrics=["spend_cents"], **arguments)


@pytest.mark.parametrize("argument", ["weights", "cluster"])
def test_a_quantile_of_units_with_weights_or_clusters_is_an_error(argument):
    with pytest.raises(ParameterError, match="must be a mean, a proportion, a count or a ratio"):
        wb.read_out(
            table(), metrics=["visits", wb.Quantile("spend_cents")], **{argument: "customer"}
        )


def test_a_quantile_that_many_units_share_has_no_effect_and_no_interval():
    found = wb.read_out(table(), metrics=[wb.Quantile("visits"), "spend_cents"]).table
    assert (
        found["verdict"].str.contains("so many units have the very value").tolist().count(True) == 1
    )
    assert found.set_index("metric").loc["quantile 0.5 of visits", ["effect", "low"]].isna().all()


def test_a_quantile_alone_is_read_of_all_beside_a_trigger():
    frame = table().with_columns(t=pl.col("customer") % 2)
    found = wb.read_out(
        frame, metrics=[wb.Quantile("spend_cents")], covariates=["before_cents"], trigger="t"
    )
    assert found.table["population"].to_list() == ["all"]


def test_a_share_of_what_is_neither_0_nor_1_is_an_error():
    with pytest.raises(InputError, match="'visits' must be 0 or 1"):
        wb.read_out(table(), metrics=[wb.Proportion("visits")])


def test_the_effect_on_who_was_reached_is_said_and_a_control_that_was_reached_is_an_error():
    seen = table(lift=300).with_columns(t=pl.col("customer") % 10 < 9)
    frame = seen.with_columns(pl.col("t") & (pl.col("arm") == "offer"))
    read = wb.read_out(frame, metrics=["spend_cents"], reached="t")
    found = read.table.set_index("population")
    share = frame.filter(pl.col("arm") == "offer")["t"].mean()
    assert found.loc["compliers", "effect"] == pytest.approx(found.loc["all", "effect"] / share)
    assert "for each unit that was reached it is" in read.text
    with pytest.raises(InputError, match="must not be true in “control”"):
        wb.read_out(seen, metrics=["spend_cents"], reached="t")


@pytest.mark.parametrize("covariate", ["spend_cents", "before_cents / visits"])
def test_a_covariate_that_is_in_the_metric_is_an_error(covariate):
    with pytest.raises(ParameterError, match="is in the metric 'spend_cents / visits'"):
        wb.read_out(table(), metrics=["spend_cents / visits"], covariates=[covariate])


def test_sentences_on_groups_name_the_arm_where_there_are_several():
    frame = table().with_columns(
        arm=pl.when(pl.col("customer") % 3 == 0).then(pl.lit("tea")).otherwise(pl.col("arm"))
    )
    found = wb.read_out(frame, metrics=["spend_cents"], segments=["segment"], day="day")
    for arm in ("offer", "tea"):
        assert f"For “{arm}” the effects by segment" in found.text
        assert f"For “{arm}” the effects by day of the week" in found.text


def test_rows_without_an_arm_and_a_ratio_that_differs_by_group_are_said_in_grammar():
    frame = table().with_columns(
        arm=pl.when(pl.col("customer") > 1).then("arm"),
        segment=pl.when((pl.col("customer") % 10 == 0) & (pl.col("arm") == "offer"))
        .then(pl.lit("few"))
        .otherwise(pl.col("segment")),
    )
    found = wb.read_out(frame, metrics=["spend_cents"], segments=["segment"])
    assert "2 rows have no arm and are left out" in found.text
    assert "; The" not in found.text


def test_a_control_that_does_not_exist_is_an_error_with_the_nearest_label():
    with pytest.raises(ParameterError, match=r"control was 'contrl'.* did you mean 'control'"):
        wb.read_out(table(), metrics=["spend_cents"], control="contrl")


def test_a_metric_that_does_not_exist_is_an_error_with_the_nearest_column():
    with pytest.raises(InputError, match="did you mean 'spend_cents'"):
        wb.read_out(table(), metrics=["spend_cent"])


def test_a_file_that_is_not_there_is_an_error():
    with pytest.raises(InputError, match="must be a Parquet file and is not there"):
        wb.read_out("no/such/units.parquet", metrics=["spend_cents"])


def test_a_file_that_is_no_parquet_is_an_error(tmp_path):
    (tmp_path / "units.parquet").write_text("arm,spend")
    with pytest.raises(InputError, match="must be a Parquet file"):
        wb.read_out(tmp_path / "units.parquet", metrics=["spend_cents"])


def test_a_csv_with_semicolons_is_an_error_that_says_so(tmp_path):
    table().head(9).write_csv(tmp_path / "units.csv", separator=";", decimal_comma=True)
    with pytest.raises(InputError, match="must have commas between its columns, not semicolons"):
        read_source(tmp_path / "units.csv")


def test_a_cluster_in_two_arms_is_an_error():
    with pytest.raises(InputError, match="3 clusters of 'segment' must be in one arm"):
        wb.read_out(table(), metrics=["spend_cents"], cluster="segment")


def test_no_metric_is_an_error():
    with pytest.raises(ParameterError, match="must name at least one metric"):
        wb.read_out(table())


def test_state_beside_the_decisions_of_a_folder_is_not_read(tmp_path):
    pl.DataFrame({"arm": ["a", "b"]}).write_parquet(tmp_path / "decisions-00000.parquet")
    pl.DataFrame({"person_id": ["x"]}).write_parquet(tmp_path / "state-1f.parquet")
    assert read_source(tmp_path).collect().columns == ["arm"]


def test_folder_without_a_parquet_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="is a folder without a Parquet file"):
        read_source(tmp_path)


def test_sizes_that_were_taken_for_equal_are_said_to_have_been():
    draw = np.random.default_rng(1)
    frame = pl.DataFrame({"arm": ["control"] * 100 + ["offer"] * 900, "y": draw.normal(size=1000)})
    hint = "name their shares, such as {'control': 1, 'offer': 9}"
    assert hint in wb.read_out(frame, metrics=["y"]).text
    halves = wb.read_out(frame, metrics=["y"], shares={"control": 0.5, "offer": 0.5})
    assert not halves.passed
    assert hint not in halves.text


def test_an_interval_without_zero_that_is_open_says_that_there_are_several_effects():
    draw = np.random.default_rng(1)
    arm = ["control", "offer"] * 500
    noise = draw.normal(size=(1000, 6))
    noise -= noise.mean(axis=0)
    noise[:, 0] += 0.07 * np.array([-1, 1] * 500) - (
        noise[1::2, 0].mean() - noise[::2, 0].mean()
    ) / 2 * np.array([-1, 1] * 500)
    frame = pl.DataFrame({"arm": arm} | {f"y{k}": noise[:, k] for k in range(6)})
    found = wb.read_out(frame, metrics=[f"y{k}" for k in range(6)])
    first = found.table.iloc[0]
    assert first["low"] > 0
    assert first["verdict"] == "open"
    assert (
        f"which among several effects is no surprise (p = {first['p_adjusted']:.3f})" in found.text
    )
    assert "no surprise" not in wb.read_out(frame, metrics=["y0"]).text
