"""Micro-randomised trials: against statsmodels, against plain code, by recovery, and on bad input.

The simulated persons carry their past: the probability of being treated follows the last outcome,
which predicts the next one, so that an estimator that forgets the probabilities is biased.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from workbench.errors import InputError, ParameterError
from workbench.experiment import micro
from workbench.experiment.micro import proximal_effect
from workbench.streams import stream

PERSONS, POINTS = 60, 20


def trial(seed: int = 1, *, effect: float = 0.3, by_weekend: float = 0.0, persons: int = PERSONS,
          binary: bool = False) -> pl.DataFrame:  # fmt: skip
    """Return decision points with a known effect; the last outcome drives the next assignment."""
    rng = stream(seed, "tests/micro")
    trait = rng.normal(0, 0.5, persons)
    last = np.zeros(persons)
    rows = []
    for k in range(POINTS):
        weekend = float(k % 7 >= 5)
        available = rng.random(persons) < 0.8
        probability = np.where(last > 0, 0.6, 0.3)
        treated = available & (rng.random(persons) < probability)
        lift = effect + by_weekend * weekend
        if binary:
            chance = 0.2 * np.exp(0.3 * last + lift * treated) * np.exp(0.2 * trait - 0.02)
            outcome = (rng.random(persons) < np.minimum(chance, 1)).astype(float)
        else:
            outcome = trait + 0.5 * last + lift * treated + rng.normal(0, 1, persons)
        rows.append(pl.DataFrame({
            "person": np.arange(persons), "point": k, "available": available, "treated": treated,
            "probability": np.where(available, probability, np.nan), "weekend": weekend,
            "last": last, "outcome": outcome,
        }))  # fmt: skip
        last = outcome
    return pl.concat(rows).with_columns(pl.col("probability").fill_nan(None))


def found(points: pl.DataFrame, **keys: object) -> micro.ProximalEffect:
    return proximal_effect(points, outcome="outcome", available="available", **keys)  # type: ignore[arg-type]  # by case


def plain(points: pl.DataFrame, reference: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return design, outcome and weights of the available points, row by row."""
    design, outcome, weight = [], [], []
    for row in points.filter("available").sort("person", maintain_order=True).iter_rows(named=True):
        a, p = float(row["treated"]), row["probability"]
        design.append([1.0, row["last"], a - reference])
        outcome.append(row["outcome"])
        weight.append(reference / p if a else (1 - reference) / (1 - p))
    return np.array(design), np.array(outcome), np.array(weight)


def test_means_and_their_errors_are_those_of_a_weighted_gee_of_statsmodels():
    points = trial()
    ours = found(points, controls=["last"], reference=0.4)
    design, outcome, weight = plain(points, 0.4)
    root = np.sqrt(weight)
    groups = points.filter("available").sort("person", maintain_order=True)["person"].to_numpy()
    fit = sm.GEE(outcome * root, design * root[:, None], groups=groups).fit(
        cov_type="bias_reduced", scale=1.0
    )
    assert ours.table["estimate"][0] == pytest.approx(fit.params[2], rel=1e-9)
    assert ours.table["standard_error"][0] == pytest.approx(fit.bse[2], rel=1e-6)
    assert ours.estimates[0].df == PERSONS - 3


def test_a_binary_outcome_without_covariates_is_the_ratio_of_two_weighted_means():
    points = trial(binary=True)
    ours = found(points, binary=True, reference=0.4)
    _, outcome, weight = plain(points, 0.4)
    took = points.filter("available").sort("person", maintain_order=True)["treated"].to_numpy()
    means = [np.average(outcome[took == arm], weights=weight[took == arm]) for arm in (True, False)]
    assert ours.table["ratio"][0] == pytest.approx(means[0] / means[1], rel=1e-8)


def test_errors_of_a_binary_outcome_are_those_of_plain_code_with_full_matrices():
    points = trial(binary=True)
    ours = found(points, controls=["last"], binary=True, reference=0.4)
    design, outcome, weight = plain(points, 0.4)
    there = points.filter("available").sort("person", maintain_order=True)
    took, person = there["treated"].to_numpy().astype(float), there["person"].to_numpy()

    def residual(theta: np.ndarray) -> np.ndarray:
        return np.exp(-took * theta[2]) * outcome - np.exp(design[:, :2] @ theta[:2])

    beta = ours.table["estimate"][0]
    theta = np.array([-1.5, 0.2, beta])
    for _ in range(40):  # Newton with a numerical derivative
        slope = np.column_stack(
            [(residual(theta + d) - residual(theta - d)) / 2e-6 for d in np.eye(3) * 1e-6]
        )
        theta = theta - np.linalg.solve(
            (design * weight[:, None]).T @ slope, (design * weight[:, None]).T @ residual(theta)
        )
    z = design * weight[:, None]
    bread = np.linalg.inv(z.T @ -slope)
    meat = np.zeros((3, 3))
    for who in np.unique(person):
        mine = person == who
        leverage = -slope[mine] @ bread @ z[mine].T
        corrected = np.linalg.solve(np.eye(mine.sum()) - leverage, residual(theta)[mine])
        score = z[mine].T @ corrected
        meat += np.outer(score, score)
    covariance = bread @ meat @ bread.T
    assert beta == pytest.approx(theta[2], rel=1e-7)
    assert ours.table["standard_error"][0] == pytest.approx(np.sqrt(covariance[2, 2]), rel=1e-5)


@pytest.mark.parametrize("binary", [False, True])
def test_the_effect_and_its_moderator_are_recovered(binary: bool):
    points = trial(2, effect=0.2, by_weekend=0.4, persons=3_000, binary=binary)
    table = found(points, controls=["last"], moderators=["weekend"], binary=binary).table
    miss = (table["estimate"] - [0.2, 0.4]).abs() / table["standard_error"]
    assert table["term"].to_list() == ["effect", "weekend"]
    assert miss.max() < 3.3
    assert table["standard_error"].max() < 0.08


def test_an_estimator_that_forgets_the_probabilities_misses_the_effect():
    points = trial(3, effect=0.0, persons=3_000)
    right = found(points).table
    forgot = found(points.with_columns(probability=pl.lit(0.4))).table
    assert abs(right["estimate"][0]) < 3.3 * right["standard_error"][0]
    assert abs(forgot["estimate"][0]) > 3.3 * forgot["standard_error"][0]


def test_a_wrong_model_of_the_outcome_does_no_harm():
    points = trial(4, persons=3_000).with_columns(nonsense=(pl.col("last") ** 2).sin())
    table = found(points, controls=["nonsense"]).table
    assert abs(table["estimate"][0] - 0.3) < 3.3 * table["standard_error"][0]


def test_errors_without_the_correction_for_few_persons_are_smaller(monkeypatch: pytest.MonkeyPatch):
    points = trial(5, persons=10)
    corrected = found(points, controls=["last"]).table["standard_error"][0]
    monkeypatch.setattr(micro.np.linalg, "solve", _only_the_estimate(micro.np.linalg.solve))
    assert found(points, controls=["last"]).table["standard_error"][0] < 0.97 * corrected


def _only_the_estimate(solve):
    """Plant a fault: the correction of Mancl and DeRouen does nothing."""
    return lambda matrix, right: right if matrix.ndim == 3 else solve(matrix, right)


def test_points_in_any_order_and_any_frame_give_the_same():
    points = trial()
    mixed = points.sample(fraction=1.0, shuffle=True, seed=3)
    expected = found(points, controls=["last"]).table
    for frame in (mixed, mixed.lazy(), mixed.to_pandas()):
        table = proximal_effect(
            frame, outcome="outcome", available="available", controls=["last"]
        ).table
        assert table["estimate"].to_numpy() == pytest.approx(expected["estimate"].to_numpy())
        assert table["standard_error"].to_numpy() == pytest.approx(
            expected["standard_error"].to_numpy()
        )


def test_what_happens_where_nobody_was_available_changes_nothing():
    points = trial()
    other = points.with_columns(
        outcome=pl.when("available").then("outcome").otherwise(99.0),
        probability=pl.when("available").then("probability").otherwise(1.0),
    )
    assert found(other).text == found(points).text
    assert found(points).unavailable == points.filter(~pl.col("available")).height


def test_the_sentence_says_effect_interval_and_how_many():
    said = found(trial(), moderators=["weekend"]).text
    assert said.startswith("Treating at a decision point for outcome changes it by")
    assert "where every moderator is 0" in said
    assert "decision points of 60 persons" in said
    assert "for each unit of weekend" in said.lower()


BAD = {
    "not identified: probability is not strictly between": {"probability": pl.lit(1.0)},
    "not identified: treated is the same": {"treated": pl.lit(1)},
    "treated must be true or false": {"treated": pl.lit(2)},
    "outcome is null or infinite at": {"outcome": pl.lit(None, dtype=pl.Float64)},
    "outcome must hold numbers, holds String": {"outcome": pl.lit("yes")},
    "outcome is the same at every available decision point": {"outcome": pl.lit(3.0)},
    "there is no available decision point": {"available": pl.lit(value=False)},
    "not enough data: 2 persons for 3 coefficients": {"person": pl.col("person") % 2},
    "person has 1,200 nulls": {"person": pl.lit(None, dtype=pl.Int64)},
    "drop a column that is constant": {"last": pl.lit(3.0)},
}


@pytest.mark.parametrize("message", BAD)
def test_what_cannot_be_estimated_is_refused_with_the_reason(message: str):
    points = trial().with_columns(available=pl.lit(value=True), probability=pl.lit(0.4))
    with pytest.raises(InputError, match=message):
        found(points.with_columns(**BAD[message]), controls=["last"])


def test_a_column_only_one_person_has_is_refused():
    points = trial().with_columns(mine=(pl.col("person") == 3).cast(pl.Float64))
    with pytest.raises(InputError, match="one person alone decides a coefficient"):
        found(points, controls=["mine"])


def test_an_outcome_that_never_happens_in_an_arm_has_no_relative_risk():
    points = trial(binary=True).with_columns(
        outcome=pl.when("treated").then(0.0).otherwise("outcome")
    )
    with pytest.raises(InputError, match="never happens where treated"):
        found(points, binary=True)
    with pytest.raises(InputError, match="binary outcome must be 0 or 1"):
        found(trial(), binary=True)


def test_a_level_or_reference_out_of_range_is_refused():
    for keys in ({"level": 1.0}, {"reference": 0.0}):
        with pytest.raises(ParameterError, match="strictly between 0 and 1"):
            found(trial(), **keys)
    with pytest.raises(InputError, match="did you mean 'outcome'"):
        proximal_effect(trial(), outcome="outcom")
