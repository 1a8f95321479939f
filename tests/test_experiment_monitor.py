"""A running experiment: the daily table, its verdicts, and the promise that looking costs nothing."""

from __future__ import annotations

import datetime as dt
import functools
import operator

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.stats import binom

import workbench as wb
from workbench.errors import InputError, ParameterError
from workbench.experiment import bounded, daily, sequences, stacked
from workbench.experiment.effect import Parts, compare
from workbench.experiment.moments import Moments
from workbench.streams import stream

DAYS, A_DAY = 30, 60


def units(
    lift: float = 0.0, name: str = "monitor", days: int = DAYS, a_day: int = A_DAY
) -> pl.DataFrame:
    rng = stream(50, name)
    n = days * a_day
    treated = rng.random(n) < 0.5
    before = rng.gamma(2.0, 5.0, n)
    spend = (before * 0.6 + rng.gamma(2.0, 3.0, n)) * np.where(treated, 1 + lift, 1.0)
    return pl.DataFrame(
        {
            "arm": np.where(treated, "treatment", "control"),
            "day": np.repeat(np.arange(1, days + 1), a_day),
            "spend": spend,
            "before": before,
            "visits": 1 + rng.poisson(2, n),
            "discount": rng.gamma(1.0, 1.0, n) * np.where(treated, 1 + 2 * lift, 1.0),
        }
    )


def test_the_last_day_is_the_effect_of_all_units_in_a_confidence_sequence():
    frame = units(0.2)
    last = (
        wb.monitor(frame, "spend", day="day", covariates=["before"], planned=1800).daily().iloc[-1]
    )
    parts = Parts(numerator="spend", covariates=(("before", None),))
    arms = [
        Moments.of(
            frame.filter(pl.col("arm") == arm).select("spend", "before").to_dict(as_series=False)
        )
        for arm in ("treatment", "control")
    ]
    whole = compare(*arms, parts).relative
    assert whole is not None
    valid = sequences.always_valid(whole.value, whole.standard_error, frame.height, tightest=1800)
    assert last["lift"] == pytest.approx(whole.value)
    assert (last["low"], last["high"]) == pytest.approx((float(valid.low), float(valid.high)))
    assert last["units"] == frame.height


@pytest.mark.parametrize(
    "parts",
    [
        Parts(numerator="spend"),
        Parts(numerator="won", binomial=True),
        Parts(numerator="spend", denominator="visits"),
        Parts(numerator="spend", covariates=(("before", None), ("twice", None))),
        Parts(numerator="spend", denominator="visits", covariates=(("before", "visits"), ("won", None))),
    ],
)  # fmt: skip
def test_the_effects_of_all_days_at_once_are_those_of_the_read_out(parts):
    """Days with few units, a repeated covariate, an arm that comes late: the same estimator."""
    frame = units(0.2, days=6, a_day=9).with_columns(
        won=(pl.col("spend") > 10).cast(pl.Float64), twice=2 * pl.col("before")
    )
    frame = frame.filter((pl.col("arm") == "control") | (pl.col("day") > 1))
    columns = ["spend", "before", "visits", "won", "twice"]
    by_day = {
        arm: [
            Moments.of(part.select(columns).to_dict(as_series=False)) if part.height else None
            for day in range(1, 7)
            for part in [frame.filter((pl.col("arm") == arm) & (pl.col("day") == day))]
        ]
        for arm in ("treatment", "control")
    }
    stacks = [stacked.Stack.up_to(each, parts.columns()) for each in by_day.values()]
    found = stacked.relative_effects(*stacks, parts)
    assert np.isnan(found.value[0])
    for day in range(2, 7):
        so_far = [
            functools.reduce(operator.add, (m for m in each[:day] if m is not None))
            for each in by_day.values()
        ]
        one = compare(*so_far, parts).relative
        at = [each[day - 1] for each in (found.value, found.error, found.df)]
        assert at == pytest.approx([one.value, one.standard_error, one.df], rel=1e-8)


def test_every_day_holds_only_the_units_complete_by_then():
    """Later units never change an earlier day."""
    frame = units(0.1)
    whole = wb.monitor(frame, "spend / visits", day="day").daily()
    cut = wb.monitor(frame.filter(pl.col("day") <= 12), "spend / visits", day="day").daily()
    assert whole["verdict"].head(12).to_list() == cut["verdict"].to_list()
    for column in ("units", "lift", "low", "high", "p_value"):  # sums differ in their last digit
        assert whole[column].head(12).to_list() == pytest.approx(cut[column].to_list(), rel=1e-9)


def test_a_unit_whose_window_is_open_waits():
    frame = units().with_columns(day=pl.when(pl.col("day") <= 20).then("day"))
    found = wb.monitor(frame, "spend", day="day")
    assert found.table["units"].max() == 20 * A_DAY
    assert f"{10 * A_DAY} units have a window that is still open" in found.text


@pytest.mark.parametrize(
    ("lift", "looked_for", "verdict"),
    [(0.4, None, "better"), (-0.4, None, "worse"), (0.0, 0.3, "futile"), (0.0, 0.02, "go on")],
)
def test_the_verdict_follows_the_effect(lift, looked_for, verdict):
    found = wb.monitor(
        units(lift), "spend", day="day", lift=looked_for, covariates=["before"], planned=1800
    )
    assert found.verdicts == {"treatment": verdict}
    assert (found.decided["treatment"] is None) == (verdict == "go on")
    if verdict == "go on":
        assert found.daily()["units_left"].iloc[-1] > 0


def test_nothing_is_said_before_the_first_units():
    found = wb.monitor(units(0.4), "spend", day="day", first=500).daily()
    assert found["verdict"].to_list()[: 500 // A_DAY] == ["too early"] * (500 // A_DAY)


def test_a_verdict_once_given_stays_when_later_days_weaken_it():
    frame = pl.concat([units(0.5), units(-0.4, "later", 60).with_columns(pl.col("day") + DAYS)])
    found = wb.monitor(frame, "spend", day="day").daily()
    assert found["verdict"].iloc[DAYS - 1] == "better"
    assert found["low"].iloc[-1] < 0
    assert found["verdict"].iloc[-1] == "better"


def test_a_failing_sample_ratio_blocks_whatever_the_effect():
    frame = units(0.4).filter((pl.col("arm") == "control") | (pl.int_range(pl.len()) % 4 > 0))
    found = wb.monitor(frame, "spend", day="day")
    assert found.verdicts == {"treatment": "blocked"}
    assert found.text.startswith("Not identified: The arms do not have their stated shares")
    assert "%" not in found.text.split("No effect may be read")[1]


def test_unequal_shares_that_were_stated_do_not_block():
    frame = units().filter((pl.col("arm") == "treatment") | (pl.int_range(pl.len()) % 4 == 0))
    shares = {"control": 0.2, "treatment": 0.8}
    assert wb.monitor(frame, "spend", day="day", shares=shares).ratio.passed
    assert not wb.monitor(frame, "spend", day="day").ratio.passed


@pytest.mark.parametrize(
    ("guardrails", "verdict"),
    [
        ({"discount": -2.0}, "better"),  # may rise by 200 %, rises by 80 %
        ({"discount": -0.2}, "stop: guardrail"),
        ({"visits": 0.01}, "better, guardrail open"),
    ],
)
def test_a_guardrail_must_be_shown_to_hold(guardrails, verdict):
    found = wb.monitor(units(0.4), "spend", day="day", guardrails=guardrails, planned=1800)
    assert found.verdicts == {"treatment": verdict}
    assert set(found.table["role"]) == {"primary", "guardrail"}


def test_a_treatment_that_makes_a_loss_smaller_is_better():
    frame = units().with_columns(
        profit=pl.col("spend") - 20 + 5 * (pl.col("arm") == "treatment").cast(pl.Int8)
    )
    found = wb.monitor(frame, "profit", day="day").daily().iloc[-1]
    assert found["verdict"] == "better"
    assert found["low"] > 0


def test_what_the_control_has_none_of_has_no_lift_and_says_why():
    frame = units().with_columns(discount=pl.col("spend") * (pl.col("arm") == "treatment"))
    found = wb.monitor(frame, "discount", day="day", covariates=["before"])
    assert found.daily()["lift"].isna().all()
    assert "no lift of “discount” can be told" in found.text.lower()


def test_several_arms_share_the_level():
    frame = units(0.0)
    third = frame.filter(pl.col("arm") == "control").with_columns(arm=pl.lit("other"))
    both = pl.concat([frame, third])
    found = wb.monitor(both, "spend", day="day")
    alone = wb.monitor(frame, "spend", day="day")
    assert set(found.verdicts) == {"other", "treatment"}
    wide, narrow = (each.daily(arm="treatment").iloc[-1] for each in (found, alone))
    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"]
    assert found.daily(arm="other")["lift"].iloc[-1] == pytest.approx(0)


def test_dates_and_instants_are_days_alike():
    start = dt.datetime(2026, 3, 1, 15, tzinfo=dt.UTC)
    frame = units(0.4).with_columns(at=pl.lit(start) + pl.duration(days=pl.col("day")))
    by_instant = wb.monitor(frame, "spend", day="at")
    by_date = wb.monitor(frame.with_columns(at=pl.col("at").dt.date()), "spend", day="at")
    pd.testing.assert_frame_equal(by_instant.table, by_date.table)  # but for the last digit of sums
    assert by_instant.decided["treatment"] > dt.date(2026, 3, 1)
    assert "since 2026-03-" in by_instant.text


def test_bets_need_no_asymptotics_and_hold_the_lift():
    frame = units(0.3).with_columns(pl.col("spend").clip(0, 60))
    found = wb.monitor(frame, "spend", day="day", most=60.0).daily()
    last = found.iloc[-1]
    assert 0 < last["low"] < 0.3 < last["high"]
    assert found["low"].iloc[0] < 0


def test_planned_looks_stop_at_their_bounds():
    found = wb.monitor(
        units(0.2), "spend", day="day", planned=1800, spending="obrien_fleming"
    ).daily()
    assert found["bound_z"].is_monotonic_decreasing
    assert found["bound_z"].iloc[-1] == pytest.approx(2.2, abs=0.15)
    assert found["z"].iloc[-1] > found["bound_z"].iloc[-1]


def test_the_belief_is_that_of_the_last_estimate():
    found = wb.monitor(units(0.4), "spend", day="day")
    belief = found.believe(largest_loss=0.001)
    assert belief.choice == "launch"
    assert belief.posterior.mean == pytest.approx(found.daily()["lift"].iloc[-1])


def ever(experiments: int, verdicts: set[str], **more: object) -> int:
    """In how many experiments without an effect a verdict was given on some day."""
    count = 0
    for number in range(experiments):
        frame = units(0.0, f"null {number}", days=12, a_day=50)
        found = wb.monitor(frame, "spend", day="day", planned=600, **more)
        count += bool(set(found.daily()["verdict"]) & verdicts)
    return count


def test_an_effect_is_ever_claimed_in_at_most_alpha_of_experiments_without_one():
    assert ever(120, {"better", "worse"}, alpha=0.1) <= binom.ppf(0.999, 120, 0.1)


def test_daily_ordinary_intervals_are_seen_to_claim_more(monkeypatch):
    """The planted fault: the interval of a single look in place of the sequence."""

    def ordinary(value, error, n, *, alpha, tightest, first):
        half = 1.645 * error
        known = np.asarray(n) >= first
        p = np.ones(len(value))
        return sequences.AlwaysValid(
            np.where(known, value - half, -np.inf), np.where(known, value + half, np.inf), p, p
        )

    monkeypatch.setattr(daily, "always_valid", ordinary)
    assert ever(120, {"better", "worse"}, alpha=0.1) > binom.ppf(0.999, 120, 0.1)


def test_bets_on_a_lift_ever_miss_in_at_most_alpha_while_the_level_drifts():
    rng, experiments, misses = stream(51, "drift"), 100, 0
    for _ in range(experiments):
        treated = rng.random(600) < 0.5
        level = np.linspace(0.6, 0.1, 600)  # customers of later days buy less
        bought = rng.random(600) < level * np.where(treated, 1.2, 1.0)
        low, high = bounded.lift_by_betting(bought, treated, 0.5, 1.0, looks=range(50, 601, 50))
        misses += bool(((low > 0.2) | (high < 0.2)).any())
    assert misses <= binom.ppf(0.999, experiments, 0.05)


@pytest.mark.parametrize(
    ("frame", "arguments", "error", "said"),
    [
        (units(), {"metric": "spnd"}, InputError, "did you mean 'spend'"),
        (units(), {"metric": wb.Quantile("spend")}, ParameterError, "quantile 0.5"),
        (units(), {"metric": "spend", "covariates": ["spend"]}, ParameterError, "must be fixed before assignment"),
        (units(), {"metric": "spend", "lift": float("nan")}, ParameterError, "lift was nan, must be finite and above 0"),
        (units(), {"metric": "spend", "lift": 0.0}, ParameterError, "lift was 0.0, must be finite and above 0"),
        (units(), {"metric": "spend", "day": "dya"}, InputError, "did you mean 'day'"),
        (units(), {"metric": "spend", "day": "arm"}, InputError, "must hold days"),
        (units(), {"metric": "spend", "control": "contrl"}, ParameterError, "did you mean 'control'"),
        (units(), {"metric": "spend", "spending": "pocock"}, ParameterError, "planned was None"),
        (units(), {"metric": "spend / visits", "most": 9.0}, ParameterError, "bets are on means"),
        (units(), {"metric": "spend", "most": 1.0}, InputError, "lie outside of the declared bounds"),
        (units(), {"metric": "spend", "shares": {"control": 0.5, "other": 0.5}}, InputError, "no stated share"),
        (units().with_columns(day=pl.lit(None, pl.Int64)), {"metric": "spend"}, InputError, "complete outcome"),
        (units().with_columns(spend=pl.lit(None, pl.Float64)), {"metric": "spend"}, InputError, "no value at all"),
    ],
)  # fmt: skip
def test_what_cannot_be_monitored_is_refused(frame, arguments, error, said):
    with pytest.raises(error, match=said):
        wb.monitor(frame, **{"day": "day", **arguments})
