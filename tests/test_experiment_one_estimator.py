"""One estimator for all of it: triggered, diluted, covariates, a ratio and always-valid intervals together."""

import functools
import operator

import numpy as np
import polars as pl
import pytest

import workbench as wb
from workbench.experiment import Moments, compare
from workbench.experiment.effect import Comparison
from workbench.experiment.metrics import TRIGGER, Covariate, Ratio, parts_of
from workbench.experiment.sequences import always_valid

LOOKS, A_LOOK = 8, 1_500
RATE, LIFT = 0.2, 100.0
ASKED = Ratio("sales", "visits")
PARTS = {
    "all": parts_of(ASKED, [], weighted=False),
    "diluted": parts_of(
        ASKED, [Covariate("before")], weighted=False, indicator=TRIGGER, among=True
    ),
}


def day(seed: int) -> pl.DataFrame:
    """Units of one look: triggered ones visit more often, and an offer lifts what they pay a visit."""
    draw = np.random.default_rng(seed)
    before = draw.gamma(4, 250, A_LOOK)
    treated = draw.permutation(np.arange(A_LOOK) % 2 == 1)
    trigger = draw.random(A_LOOK) < RATE
    visits = 1 + draw.poisson(1 + trigger)
    paid = before + draw.normal(0, 200, A_LOOK) + LIFT * trigger * treated
    return pl.DataFrame(
        {"arm": np.where(treated, "offer", "control"), "trigger": trigger, "visits": visits,
         "sales": paid * visits, "before": before}
    )  # fmt: skip


# A triggered unit has 3 visits on average, another one 2: of all visits 0.6 of 2.2 are lifted.
TRUTH = LIFT * (3 * RATE) / (3 * RATE + 2 * (1 - RATE))


def moments(frame: pl.DataFrame) -> dict[str, Moments]:
    found = {}
    for arm in ("offer", "control"):
        mine = frame.filter(pl.col("arm") == arm)
        columns = {name: mine[name].to_numpy() for name in ("sales", "visits", "before")}
        seen = mine["trigger"].to_numpy().astype(float)
        among = {name + TRIGGER: columns[name] * seen for name in columns}
        found[arm] = Moments.of(columns | among | {TRIGGER: seen})
    return found


def watched(seed: int) -> dict[str, list[Comparison]]:
    """The effect at each look, from the moments of the looks so far, merged."""
    parts = [moments(day(1_000 * seed + look)) for look in range(LOOKS)]
    so_far = [
        {arm: functools.reduce(operator.add, [each[arm] for each in parts[:n]]) for arm in parts[0]}
        for n in range(1, LOOKS + 1)
    ]
    return {
        whom: [compare(each["offer"], each["control"], PARTS[whom], whom) for each in so_far]  # type: ignore[arg-type]  # one of both
        for whom in PARTS
    }


@pytest.fixture(scope="module")
def runs() -> list[dict[str, list[Comparison]]]:
    return [watched(seed) for seed in range(60)]


def test_the_read_out_of_all_rows_is_the_last_look_of_the_merged_moments(runs):
    frame = pl.concat([day(look) for look in range(LOOKS)])
    read = wb.read_out(
        frame, metrics=["sales / visits"], covariates=["before"], trigger="trigger"
    ).comparison("sales / visits", population="diluted")
    last = runs[0]["diluted"][-1]
    assert read.absolute.value == pytest.approx(last.absolute.value)
    assert read.absolute.standard_error == pytest.approx(last.absolute.standard_error)
    assert read.relative is not None
    assert last.relative is not None
    assert read.relative.standard_error == pytest.approx(last.relative.standard_error)


def test_dilution_and_covariates_take_noise_off_a_ratio_without_a_bias(runs):
    values = {whom: np.array([each[whom][-1].absolute.value for each in runs]) for whom in PARTS}
    errors = np.array([each["diluted"][-1].absolute.standard_error for each in runs])
    assert values["diluted"].std() < 0.6 * values["all"].std()
    assert abs(values["diluted"].mean() - TRUTH) < 3.3 * errors.mean() / np.sqrt(len(runs))
    # The spread of 60 runs is known to 1 / √120 = 9.1%; three of these.
    assert errors.mean() == pytest.approx(values["diluted"].std(ddof=1), rel=0.27)


def ever_missed(run: list[Comparison], widen: float = 1.0) -> bool:
    value, error = (
        np.array([getattr(each.absolute, name) for each in run])
        for name in ("value", "standard_error")
    )
    units = A_LOOK * np.arange(1, LOOKS + 1)
    found = always_valid(value, error * widen, units, first=A_LOOK, tightest=6_000)
    return bool(((found.low > TRUTH) | (found.high < TRUTH)).any())


def test_its_intervals_hold_the_truth_at_every_look_and_would_not_with_half_the_error(runs):
    missed = [ever_missed(each["diluted"]) for each in runs]
    # At most 5% of runs may ever miss; 10 of 60 have a chance below 0.1% then.
    assert sum(missed) < 10
    assert sum(ever_missed(each["diluted"], widen=0.5) for each in runs) > 10


def test_its_intervals_are_narrower_than_those_of_the_plain_effect_at_every_look(runs):
    for at in range(LOOKS):
        plain, cut = (
            np.mean([each[whom][at].absolute.standard_error for each in runs]) for whom in PARTS
        )
        assert cut < 0.6 * plain
