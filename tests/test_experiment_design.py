"""The plan of an experiment: against statsmodels, against itself, on resampled units; the preview of arms."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

import workbench as wb
from small_log import small_log
from workbench.decision.programme import Programme
from workbench.errors import InputError, ParameterError
from workbench.experiment import contrasts, resampling
from workbench.experiment.baseline import baseline_of
from workbench.experiment.power import units_needed
from workbench.replay import replay
from workbench.streams import stream

FACTORS = {
    "content": ["food", "coffee"],
    "timing": ["now", "later"],
    "value": ["low", "mid", "high"],
}


def people(n: int = 600) -> pl.DataFrame:
    rng = stream(40, "people")
    before = rng.gamma(2.0, 500.0, n)
    visits = 1 + rng.poisson(3, n)
    spend = before * 0.5 + rng.gamma(2.0, 300.0, n)
    return pl.DataFrame(
        {"spend": spend, "before": before, "visits": visits, "bought": spend > np.median(spend)}
    )


def test_a_plan_of_a_proportion_is_statsmodels_with_unequal_variances():
    from statsmodels.stats.power import normal_sample_size_one_tail  # noqa: PLC0415 - other hand

    p, q = 0.05, 0.055
    plan = wb.design(
        wb.Baseline(name="bought", level=p, variance=p * (1 - p), proportion=True), lift=0.1
    )
    spread = math.sqrt(p * (1 - p) + q * (1 - q))
    one = normal_sample_size_one_tail(q - p, 0.8, 0.025, std_null=spread, std_alternative=spread)
    assert plan.units == pytest.approx(2 * one, rel=1e-4)


def test_a_plan_of_several_unequal_arms_shares_the_level():
    arms = {"control": 0.5, "a": 0.3, "b": 0.2}
    plan = wb.design(wb.Baseline(name="spend", level=10.0, variance=100.0), lift=0.1, arms=arms)
    table = plan.table.set_index("comparison")
    alone = units_needed(1.0, (121, 100), (0.2, 0.5), alpha=0.025)
    assert table.loc["b", "units_needed"] == math.ceil(alone)
    assert plan.units == table["units_needed"].max()
    assert table.loc["b", "power_rate"] == pytest.approx(0.8, abs=1e-3)
    assert table.loc["a", "power_rate"] > 0.8


def test_the_detectable_lift_at_the_planned_units_is_the_stated_one():
    plan = wb.design(people(), "spend", lift=0.07)
    assert plan.table["detectable_share"].iloc[0] == pytest.approx(0.07, rel=1e-3)
    half = wb.design(people(), "spend", lift=0.07, planned=plan.units // 4)
    assert half.table["detectable_share"].iloc[0] == pytest.approx(0.14, rel=2e-3)
    assert "its power is" in half.text


def test_covariates_cut_the_units_by_one_minus_r_squared():
    """Deng et al. 2013: the variance that is left is 1 − ρ²."""
    frame = people()
    rho = np.corrcoef(frame["spend"], frame["before"])[0, 1]
    plan = wb.design(frame, "spend", covariates=["before"])
    assert plan.baseline.variance_kept == pytest.approx(1 - rho**2)
    row = plan.table.iloc[0]
    assert row["units_needed"] == pytest.approx((1 - rho**2) * row["units_needed_plain"], rel=1e-3)


def test_the_variance_of_a_ratio_is_the_delta_methods():
    frame = people()
    y, x = frame["spend"].to_numpy(), frame["visits"].to_numpy()
    ratio = y.mean() / x.mean()
    found = baseline_of(frame, "spend / visits")
    assert found.level == pytest.approx(ratio)
    assert found.variance == pytest.approx(np.var((y - ratio * x) / x.mean(), ddof=1))


@pytest.mark.parametrize("metric", ["spend", "bought", "spend / visits"])
def test_simulated_experiments_on_own_units_agree_with_the_formula(metric):
    plan = wb.design(people(), metric, covariates=["before"], lift=0.15, simulations=300)
    assert plan.resampled is not None
    assert plan.resampled.agrees, plan.resampled.text
    assert plan.resampled.text in plan.text


def test_a_formula_that_forgets_half_the_variance_is_caught_by_the_simulation():
    frame = people()
    good = baseline_of(frame, "spend")
    bad = wb.Baseline(
        name=good.name,
        level=good.level,
        variance=good.variance / 2,
        rows=good.rows,
        parts=good.parts,
    )
    plan = wb.design(bad, lift=0.15, simulations=300)
    assert plan.resampled is not None
    assert not plan.resampled.agrees
    assert "do not agree" in plan.text


def test_a_large_plan_is_resampled_at_a_size_that_fits_in_memory():
    plan = wb.design(people(), "spend", lift=0.005, simulations=20)
    assert plan.units > resampling.MOST_UNITS
    assert plan.resampled is not None
    assert plan.resampled.table["formula_rate"].iloc[1] == pytest.approx(0.8, abs=0.02)


def test_a_factorial_has_every_effect_and_interaction():
    cells, effects = contrasts.of_factors(FACTORS)
    assert len(cells) == 12
    assert [sum(each.order == order for each in effects) for order in (1, 2, 3)] == [4, 5, 2]
    for each in effects:
        assert sum(each.weights.values()) == pytest.approx(0)


def test_the_contrasts_find_the_effects_of_a_linear_model():
    """Cell means from main effects and one interaction: each contrast gives its own, the others 0."""
    cells, effects = contrasts.of_factors({"a": ["0", "1"], "b": ["0", "1"]})
    mean = dict.fromkeys(cells, 0.0)
    for cell in cells:
        a, b = (int(level) for level in cell.split(", "))
        mean[cell] = 2 * (a - 0.5) + 3 * (b - 0.5) + 4 * (a - 0.5) * (b - 0.5)
    found = {e.name: sum(w * mean[c] for c, w in e.weights.items()) for e in effects}
    assert found == pytest.approx({"a: 1": 2, "b: 1": 3, "a: 1 × b: 1": 4})


def test_a_factorial_of_two_levels_reads_each_factor_from_all_units():
    two = {"content": ["food", "coffee"], "timing": ["now", "later"]}
    plan = wb.design(wb.Baseline(name="spend", level=10.0, variance=100.0), lift=0.1, factors=two)
    main = units_needed(1.0, (121, 100), alpha=0.025)
    assert plan.units == math.ceil(main)
    last = plan.table.iloc[-1]
    assert last["order"] == 2
    assert last["level"] == 0.05
    assert last["units_needed"] == math.ceil(4 * units_needed(1.0, (121, 100)))
    assert "interactions" in plan.text.lower()


def test_days_follow_from_the_expected_entries_and_the_outcome_window():
    entries = [100.0] * 28
    stated = wb.Baseline(name="spend", level=10.0, variance=100.0)
    plan = wb.design(stated, lift=0.1, planned=2_950, entries=entries, outcome_days=7)
    assert plan.days == 30 + 7  # behind the last day the last four weeks go on, 100 a day
    assert plan.curve["day"].max() == plan.days
    assert plan.curve["detectable_share"].is_monotonic_decreasing
    dying = wb.design(stated, lift=0.1, planned=2_950, entries=[*entries, *[0.0] * 28])
    assert dying.days is None
    assert "takes too long" in dying.text


def test_the_cost_is_that_of_the_treated_and_what_the_control_goes_without():
    stated = wb.Baseline(name="spend_cents", level=1_000.0, variance=1e6)
    plan = wb.design(
        stated, lift=0.1, planned=1_000, offer_cost_cents=36, value_cents=0.5,
        arms={"control": 0.2, "treatment": 0.8},
    )  # fmt: skip
    assert plan.cost_cents == 800 * 36
    assert plan.withheld_cents == 200 * 100 * 0.5
    assert "$288" in plan.text


PROGRAMME = {
    "name": "often",
    "stage": "engagement",
    "kind": "targeting",
    "trigger": {"event": "purchase"},
    "offers": [
        {"id": "coffee", "value_cents": 400, "cost_cents": 100, "redemption_rate": 0.3, "channel": "app"}
    ],
    "limits": {"cooldown": "2 days"},
    "experiment": {"holdout_share": 0.5, "salt": "s"},
}  # fmt: skip


def programme(name: str = "often", **experiment: object) -> Programme:
    keys = PROGRAMME | {"name": name, "experiment": {**PROGRAMME["experiment"], **experiment}}
    return Programme.from_mapping(keys, source=name)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory):
    rows = [
        {"ts": f"2024-01-{day:02d}T12:00:00", "person_id": f"p{n}", "amount_cents": 100 + n}
        for n in range(40)
        for day in range(1 + n % 10, 31, 3)
    ]
    return small_log(tmp_path_factory.mktemp("design"), rows)


def test_expected_triggers_count_each_customer_once_on_the_first_day(log):
    found = wb.expected_triggers(replay(log, [programme()]), "often")
    assert found.entries == [4] * 10
    assert found.table["customers"].to_list() == list(range(4, 41, 4))
    offers = log.events  # every third day, and a cooldown of two: each purchase gives one
    assert found.offer_cost_cents == pytest.approx(offers / 40 * 100 * 0.3)


def test_units_of_a_programme_have_the_outcomes_behind_their_first_trigger(log):
    found = wb.triggered_units(
        log, replay(log, [programme()]).decisions(), "often", outcome_days=6, before_days=5
    )
    assert found.frame.height == 40
    assert found.frame["purchases"].to_list() == [2] * 40  # days 3 and 6 behind the first
    assert found.frame["purchases_before"].to_list() == [1] * 40  # the trigger itself
    one = found.frame.filter(pl.col("person_id") == "p7").row(0, named=True)
    assert (one["sales_cents"], str(one["entered"]), str(one["closed"])) == (
        214,
        "2024-01-08",
        "2024-01-14",
    )
    assert found.shares == {"control": 0.5, "treatment": 0.5}
    assert "margin_cents" not in found.frame.columns


def test_a_unit_whose_window_is_open_is_counted_and_left_out(log):
    decisions = replay(log, [programme()]).decisions()
    found = wb.triggered_units(log, decisions, "often", outcome_days=24)
    assert 0 < found.frame.height < 40
    assert found.table["still_open"].sum() == 40 - found.frame.height


def test_units_need_a_control_and_a_known_programme(log):
    everyone = replay(log, [programme(holdout_share=0.0)]).decisions()
    with pytest.raises(InputError, match="not identified: often had the arm 'treatment' only"):
        wb.triggered_units(log, everyone, "often")
    with pytest.raises(ParameterError, match="did you mean 'often'"):
        wb.triggered_units(log, everyone, "oftn")


def test_the_preview_finds_two_programmes_with_one_salt():
    persons = pl.DataFrame({"person_id": [f"p{n}" for n in range(3000)]})
    apart = wb.preview_assignment([programme("a", salt="s1"), programme("b", salt="s2")], persons)
    assert apart.passed, apart.text
    assert apart.overlaps["in_both"].to_list() == [3000]
    same = wb.preview_assignment([programme("a", salt="s1"), programme("b", salt="s1")], persons)
    assert not same.passed
    assert "“a” and “b” are entangled" in same.text


def test_the_preview_of_layers_says_that_nobody_is_in_both():
    persons = pl.DataFrame({"person_id": [f"p{n}" for n in range(3000)]})
    halves = [
        programme(name, salt=name, layer={"name": "l", "from": low, "to": low + 0.5})
        for name, low in (("a", 0.0), ("b", 0.5))
    ]
    found = wb.preview_assignment(halves, persons)
    assert found.passed
    assert found.overlaps["in_both"].to_list() == [0]
    assert found.table["customers"].sum() == 3000


def test_the_preview_finds_a_covariate_that_the_arms_do_not_share():
    persons = pl.DataFrame({"person_id": [f"p{n}" for n in range(2000)]})
    arms = wb.preview_assignment([programme()], persons)
    assert arms.passed
    from workbench.decision.assignment import assigned_column  # noqa: PLC0415 - the planted fault

    _, arm = assigned_column(programme().experiment, persons["person_id"])
    noise = stream(41, "noise").normal(size=2000)
    fair = wb.preview_assignment(
        [programme()], persons.with_columns(x=pl.Series(noise)), covariates=["x"]
    )
    assert fair.passed
    off = persons.with_columns(x=pl.Series(noise + 0.3 * arm))
    assert (
        "differ before anything was sent"
        in wb.preview_assignment([programme()], off, covariates=["x"]).text
    )


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"lift": 0.0}, ParameterError, "lift was 0.0"),
        ({"planned": 0}, ParameterError, "planned was 0"),
        ({"outcome_days": -1}, ParameterError, "outcome_days was -1"),
        ({"arms": {"control": 0.5, "a": 0.6}}, ParameterError, "must add up to 1"),
        ({"control": "contrl"}, ParameterError, "did you mean 'control'"),
        ({"factors": {"a": ["x"]}}, ParameterError, "at least two levels"),
        ({"factors": {"a": ["x", "y"]}, "arms": {"control": 1.0}}, ParameterError, "with factors"),
        ({"entries": []}, ParameterError, "entries was"),
        ({"metric": "spend"}, ParameterError, "of one metric"),
        ({"simulations": 9}, InputError, "bring the units"),
        ({"simulations": -1}, ParameterError, "simulations was -1, must be at least 0"),
        (
            {"offer_cost_cents": -5.0},
            ParameterError,
            "offer_cost_cents was -5.0, must be at least 0",
        ),
    ],
)
def test_a_plan_that_cannot_be_is_refused(arguments, error, said):
    stated = wb.Baseline(name="spend", level=10.0, variance=100.0)
    with pytest.raises(error, match=said):
        wb.design(stated, **arguments)


def test_a_covariate_that_is_the_metric_is_refused():
    with pytest.raises(ParameterError, match="must be fixed before assignment"):
        wb.design(pl.DataFrame({"x": [1.0, 2.0] * 50}), "x", covariates=["x"])


@pytest.mark.parametrize("lift", [0.3, -1.1])
def test_a_lift_that_leaves_no_share_is_refused(lift):
    bought = wb.Baseline(name="bought", level=0.8, variance=0.16, proportion=True)
    with pytest.raises(ParameterError, match=r"must leave a share of 0 to 1: 80\.0% would become"):
        wb.design(bought, lift=lift)


@pytest.mark.parametrize(
    ("frame", "metric", "said"),
    [
        ({"x": [1.0] * 50}, "x", "'x' is 1 in every unit"),
        ({"x": [-1.0, 1.0] * 50}, "x", "level of 0"),
        ({"x": [1.0, 2.0]}, "x", "at least 30 units, was 2"),
        ({"x": [1.0, None] * 50}, "x", "missing or not finite"),
        ({"x": ["a"] * 50}, "x", "holds text"),
        ({"x": [1.0] * 50}, "y", "no column 'y'"),
    ],
)
def test_units_that_carry_no_metric_are_refused(frame, metric, said):
    with pytest.raises(InputError, match=said):
        wb.design(pl.DataFrame(frame), metric)
    with pytest.raises(ParameterError, match="metric was None"):
        wb.design(pl.DataFrame(frame))
