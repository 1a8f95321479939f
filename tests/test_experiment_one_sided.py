"""One-sided triggering: the truth, the gain, the spread and the coverage in simulated experiments."""

from typing import NamedTuple

import numpy as np
import polars as pl
import pytest
from scipy import stats
from scipy.special import expit

import workbench as wb
from workbench.errors import InputError, ParameterError
from workbench.experiment import OneSided, one_sided_effect

N, RUNS, KNOWN, LIFT = 4_000, 400, 120, 1.0


def experiment(seed: int, *, hidden: float = 0.0, leak: float = 0.0) -> tuple[pl.DataFrame, float]:
    """Units of which about a tenth is triggered, and the true effect over all of the treated.

    ``hidden``: what the triggered have more of without treatment that no covariate tells; ``leak``: an
    effect on who was not triggered.
    """
    draw = np.random.default_rng(seed)
    habit = draw.normal(size=N)
    trigger = draw.random(N) < expit(1.5 * habit - 3)
    arm = draw.permutation(np.repeat(["control", "offer"], N // 2))
    treated = arm == "offer"
    effect = LIFT * trigger + leak * ~trigger
    y = 10 + habit + hidden * trigger + draw.normal(0, 3, N) + effect * treated
    frame = pl.DataFrame(
        {"arm": arm, "habit": habit, "y": y, "trigger": trigger, "seen": trigger & treated}
    )
    return frame, float(effect.mean())


def read(frame: pl.DataFrame) -> OneSided:
    return one_sided_effect(frame, "y", trigger="seen", covariates=["habit"])


class Run(NamedTuple):
    found: OneSided
    known: float


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    found = []
    for seed in range(RUNS):
        frame, _ = experiment(seed)
        known = np.nan
        if seed < KNOWN:
            whole = wb.read_out(frame, metrics=["y"], covariates=["habit"], trigger="trigger")
            known = whole.estimate("y", population="diluted").value if whole.passed else np.nan
        found.append(Run(read(frame), known))
    return found


def rates(seed: int) -> float:
    return float(expit(1.5 * np.random.default_rng(seed).normal(size=100_000) - 3).mean())


def inside_band(hits: int, of: int, rate: float) -> bool:
    """Say whether a count is inside the exact binomial 99.9% band."""
    low, high = stats.binom.interval(0.999, of, rate)
    return low <= hits <= high


def test_the_estimate_is_unbiased_and_its_error_is_the_spread_of_repeated_experiments(runs):
    rows = [each.found.table.iloc[2] for each in runs]
    gaps = np.array([row["effect"] - LIFT * rates(0) for row in rows])
    errors = np.array([row["standard_error"] for row in rows])
    assert abs(gaps.mean()) < 3.3 * gaps.std(ddof=1) / np.sqrt(RUNS)
    # The spread of 400 runs is known to 1 / √800 = 3.5%; three of these.
    assert errors.mean() == pytest.approx(gaps.std(ddof=1), rel=0.105)


def test_intervals_hold_the_truth_at_their_rate(runs):
    truth = LIFT * rates(0)
    hits = sum(
        low <= truth <= high for low, high in (each.found.effect.interval() for each in runs)
    )
    assert inside_band(hits, RUNS, 0.95)
    triggered = [each.found.triggered.interval() for each in runs]
    assert inside_band(sum(low <= LIFT <= high for low, high in triggered), RUNS, 0.95)


def test_variance_falls_far_below_that_of_all_units_and_near_that_of_known_triggers(runs):
    kept = np.mean([each.found.table["variance_kept"].to_list() for each in runs], axis=0)
    assert kept[0] == 1
    assert 0.8 < kept[1] < 1
    assert kept[2] < 0.3
    spread = np.std([each.found.table["effect"][2] for each in runs])
    known = np.nanstd([each.known for each in runs])
    assert known * 0.6 < spread < known * 1.2


def test_the_test_of_the_untriggered_fires_as_often_as_its_level_says(runs):
    assert inside_band(sum(each.found.augmentation.p_value < 0.05 for each in runs), RUNS, 0.05)


def test_an_effect_on_the_untriggered_is_seen_and_their_difference_is_not_used():
    frame, truth = experiment(1, leak=1.0)
    found = read(frame)
    assert not found.holds
    assert "their difference is not used" in found.text
    assert found.effect.value == pytest.approx(found.table["effect"][1])
    assert abs(found.effect.value - truth) < 3.3 * found.effect.standard_error
    faulty = found.table.iloc[2]
    assert abs(faulty["effect"] - truth) > 5 * faulty["standard_error"]


def test_a_trigger_that_the_covariates_do_not_tell_of_is_seen():
    frame, _ = experiment(2, hidden=8.0)
    assert not read(frame).holds


def test_the_difference_of_all_units_is_that_of_the_read_out():
    frame, _ = experiment(3)
    plain = wb.read_out(frame, metrics=["y"]).estimate("y")
    row = read(frame).table.iloc[0]
    assert row["effect"] == pytest.approx(plain.value, rel=1e-12)
    assert row["standard_error"] == pytest.approx(plain.standard_error, rel=1e-9)


def test_triggers_of_the_control_are_not_read():
    frame, _ = experiment(4)
    without = frame.with_columns(seen=pl.when(pl.col("arm") == "offer").then(pl.col("seen")))
    assert read(without).effect == read(frame).effect


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda f: f.with_columns(seen=pl.lit(value=False)), InputError, "needs 10 units with a trigger"),
        (lambda f: f.head(60), InputError, "each arm needs 40 units"),
        (lambda f: f.filter((pl.col("arm") == "offer") | (pl.col("y") > 10)), InputError, "not identified"),
        (lambda f: f.with_columns(habit=pl.when(pl.col("habit") < 2).then(pl.col("habit"))), InputError, "habit"),
        (lambda f: f.with_columns(seen=pl.lit(None, pl.Boolean)), InputError, "must have a value"),
        (lambda f: f.with_columns(habit=pl.col("trigger").cast(pl.Float64)), InputError, "without fail"),
        (lambda f: f.filter(pl.col("arm") == "control"), ParameterError, "must hold two arms"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(change, error, message):
    frame, _ = experiment(5)
    with pytest.raises(error, match=message):
        read(change(frame))


def test_without_a_covariate_nothing_tells_who_would_be_triggered():
    with pytest.raises(ParameterError, match="must name at least one column"):
        one_sided_effect(experiment(6)[0], "y", trigger="seen", covariates=[])


def shop(seed: int, *, homes: int = 400) -> pl.DataFrame:
    """Units in clusters that were assigned as a whole, with sales by visits, of which about a third triggered."""
    draw = np.random.default_rng(seed)
    home = np.repeat(np.arange(homes), 5)
    habit = draw.normal(size=homes)[home] + draw.normal(size=len(home))
    treated = draw.permutation(np.arange(homes) % 2 == 0)[home]
    trigger = draw.random(len(home)) < expit(habit - 1)
    visits = 1 + draw.poisson(np.exp(0.2 * habit))
    luck = draw.normal(0, 40, homes)[home]
    sales = (
        visits * (500 + 20 * habit + 60 * trigger * treated) + luck + draw.normal(0, 50, len(home))
    )
    return pl.DataFrame(
        {"home": home, "arm": np.where(treated, "offer", "control"), "habit": habit, "visits": visits,
         "sales_cents": sales, "seen": trigger & treated}
    )  # fmt: skip


def test_a_ratio_over_clusters_has_the_error_of_repeated_experiments_and_no_bias():
    runs = [
        one_sided_effect(
            shop(seed), "sales_cents / visits", trigger="seen", covariates=["habit"], cluster="home"
        )
        for seed in range(100)
    ]
    values = np.array([each.table["effect"] for each in runs])
    errors = np.array([each.table["standard_error"] for each in runs])
    # The spread of 100 runs is known to 1 / √200 = 7.1%; three of these.
    assert errors.mean(axis=0) == pytest.approx(values.std(axis=0, ddof=1), rel=0.21)
    # All units need no assumption on the trigger, so their mean is the truth.
    gap = values[:, 2] - values[:, 0]
    assert abs(gap.mean()) < 3.3 * gap.std(ddof=1) / np.sqrt(len(runs))
    assert np.mean([each.holds for each in runs]) > 0.95
    relative = np.array([each.relative.standard_error for each in runs if each.relative])
    found = np.array([each.relative.value for each in runs if each.relative])
    assert relative.mean() == pytest.approx(found.std(ddof=1), rel=0.21)


def test_the_difference_of_a_ratio_over_clusters_is_that_of_the_read_out():
    frame = shop(1)
    read = wb.read_out(
        frame,
        metrics=["sales_cents / visits"],
        covariates=["habit"],
        cluster="home",
        trigger="seen",
        one_sided=True,
    )
    plain = wb.read_out(frame, metrics=["sales_cents / visits"], cluster="home").table.iloc[0]
    alone = one_sided_effect(
        frame, "sales_cents / visits", trigger="seen", covariates=["habit"], cluster="home"
    )
    first = alone.table.iloc[0]
    assert first["effect"] == pytest.approx(plain["effect"])
    assert first["standard_error"] == pytest.approx(plain["standard_error"], rel=0.01)
    rows = read.table.set_index("population")
    assert set(rows.index) == {"all", "triggered", "diluted"}
    assert rows.loc["diluted", "effect"] == alone.effect.value
    assert rows.loc["diluted", "relative"] == pytest.approx(
        alone.effect.value / float(rows.loc["diluted", "control"])
    )
    assert "their noise is taken off" in read.text
    assert "–;" not in read.text


def test_in_a_read_out_an_effect_on_the_untriggered_leaves_the_plain_effect_with_a_warning():
    frame, _ = experiment(1, leak=1.0)
    read = wb.read_out(frame, metrics=["y"], covariates=["habit"], trigger="seen", one_sided=True)
    assert read.passed
    assert set(read.table["population"]) == {"all"}
    assert "only the effect over all units is given" in read.text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"trigger": None}, "must come with trigger"),
        ({"covariates": []}, "they tell who would be triggered"),
        ({"covariates": ["habit / y"]}, "no ratios"),
        ({"weights": "y"}, "must be left out with one_sided"),
    ],
)
def test_a_read_out_of_one_side_says_what_it_needs(change, message):
    frame, _ = experiment(1)
    asked = {"covariates": ["habit"], "trigger": "seen", **change}
    with pytest.raises(ParameterError, match=message):
        wb.read_out(frame, metrics=["y"], one_sided=True, **asked)


def test_a_covariate_that_is_the_metric_is_refused():
    frame, _ = experiment(1)
    with pytest.raises(ParameterError, match="must be fixed before assignment"):
        one_sided_effect(frame, "y", trigger="seen", covariates=["y"])
