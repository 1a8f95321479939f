"""The global hold-out beside the group of its size: who is a unit, the truth of a made shop, bad input."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import workbench as wb
from small_log import small_log
from workbench.buckets import bucket_10000
from workbench.decision.written import changed
from workbench.errors import InputError, ParameterError

ROOT = Path(__file__).parents[1]
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
BEFORE, DAYS = 20, 30
EXTRA = 0.8
"""Further purchases of a customer who was decided about and not held out."""


@pytest.fixture(scope="module")
def programmes():
    return changed(
        wb.load_programmes(ROOT / "params/programmes/grocery"),
        {"house.holdout": {"share": 0.25, "salt": "house"}},  # type: ignore[dict-item]  # as a file writes it
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A log of 2,400 customers, of whom every second was decided about from the first of March on."""
    draw, bought, decisions = np.random.default_rng(1), [], []
    for number in range(2_400):
        person, decided = f"p{number}", number % 2 == 0
        bucket = bucket_10000("house", person)
        days = list(draw.uniform(-BEFORE, DAYS, 1 + draw.poisson(4)))
        if decided:
            days += list(draw.uniform(0.1, DAYS, draw.poisson(EXTRA * (bucket >= 2500))))
            decisions.append(
                {
                    "person": person,
                    "ts": START + dt.timedelta(days=number / 2_400),
                    "reason": "global_holdout" if bucket < 2500 else "offered",
                    "measured": 2500 <= bucket < 5000,
                }
            )
        bought += [{"ts": START + dt.timedelta(days=day), "person_id": person} for day in days]
    bought.append({"ts": START + dt.timedelta(days=DAYS), "person_id": "p0"})
    log = small_log(
        tmp_path_factory.mktemp("made"), sorted(bought, key=lambda each: str(each["ts"]))
    )
    return log, pl.DataFrame(decisions).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))


def test_every_customer_of_both_groups_is_a_unit_with_or_without_a_decision(made, programmes):
    log, decisions = made
    units = wb.holdout_units(log, decisions, programmes)
    people = [f"p{number}" for number in range(2_400)]
    wanted = {
        person: "control" if bucket_10000("house", person) < 2500 else "treatment"
        for person in people
        if bucket_10000("house", person) < 5000
    }
    assert dict(units.select("person_id", "arm").iter_rows()) == wanted
    assert units["decided"].sum() == decisions["person"].is_in(list(wanted)).sum() < units.height
    bought = log.to_polars(["person_id", "ts"])
    since = bought.filter(pl.col("ts") > START).group_by("person_id").agg(n=pl.len())
    joined = units.join(since, on="person_id", how="left").fill_null(0)
    assert (joined["purchases"] == joined["n"]).all()
    recent = bought.filter(
        pl.col("ts").is_between(START - dt.timedelta(days=7), START, closed="right")
    )
    before = wb.holdout_units(log, decisions, programmes, before_days=7)["purchases_before"]
    assert before.sum() == recent["person_id"].is_in(list(wanted)).sum()


def test_the_uplift_over_all_customers_is_the_truth_and_not_that_of_who_was_decided_about(
    made, programmes
):
    log, decisions = made
    units = wb.holdout_units(log, decisions, programmes)
    read = wb.read_out(
        units, unit="person_id", metrics=["purchases"], covariates=["purchases_before"]
    )
    effect = read.estimate("purchases")
    assert effect.value == pytest.approx(EXTRA / 2, abs=3.3 * effect.standard_error)
    assert effect.interval(0.99)[0] > 0
    decided = wb.read_out(units.filter("decided"), metrics=["purchases"]).estimate("purchases")
    assert decided.value == pytest.approx(EXTRA, abs=3.3 * decided.standard_error)
    assert effect.interval(0.99)[1] < EXTRA


def test_days_that_count_end_alike_for_everybody(made, programmes):
    log, decisions = made
    units = wb.holdout_units(log, decisions, programmes, outcome_days=10)
    bought = log.to_polars(["person_id", "ts"])
    inside = bought.filter(
        pl.col("ts") > START,
        pl.col("ts") <= START + dt.timedelta(days=10),
        pl.col("person_id").is_in(units["person_id"].implode()),
    )
    assert units["purchases"].sum() == inside.height
    with pytest.raises(InputError, match=r"the log ends before 31 days .* take at most 30 days"):
        wb.holdout_units(log, decisions, programmes, outcome_days=31)
    with pytest.raises(ParameterError, match="before_days was 0, must be at least 1"):
        wb.holdout_units(log, decisions, programmes, before_days=0)


def test_a_replay_with_a_hold_out_is_read(example_log, programmes):
    replayed = wb.replay(example_log, programmes)
    units = wb.holdout_units(example_log, replayed.decisions(), replayed.rules)
    assert not units["decided"].all()
    assert {"sales_cents", "sales_before_cents"} <= set(units.columns)
    assert wb.read_out(units, metrics=["sales_cents"], covariates=["sales_before_cents"]).passed


def test_another_hold_out_than_that_which_ran_is_refused(made, programmes):
    log, decisions = made
    other = changed(programmes, {"house.holdout.salt": "another"})
    with pytest.raises(InputError, match="customers of the decision log must be in the hold-out"):
        wb.holdout_units(log, decisions, other)
    none = changed(programmes, {"house.holdout": None})
    with pytest.raises(ParameterError, match="programmes have no global hold-out, must have one"):
        wb.holdout_units(log, decisions, none)
    with pytest.raises(InputError, match="not enough data: the programmes decided nothing"):
        wb.holdout_units(log, decisions.clear(), programmes)
    with pytest.raises(InputError, match="the decision log has no column 'measured'"):
        wb.holdout_units(log, decisions.drop("measured"), programmes)
