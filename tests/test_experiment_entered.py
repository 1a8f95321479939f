"""Effects of a fixed window, diluted to everyone who entered: a loop over customers beside, and the truth of a made shop."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import workbench as wb
from small_log import small_log
from workbench.decision.written import changed
from workbench.experiment.cohort import triggered_units
from workbench.experiment.entered import entered_units

ROOT = Path(__file__).parents[1]
PROGRAMME = "welcome_back"
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DAYS, WINDOW = 40, 10
RATE = 0.3
"""Purchases a day; of those who will be triggered twice as many."""

EXTRA = 0.15
"""Further purchases a day in the window behind a trigger, of the treated; six times as many behind it."""


def shop(folder: Path, seed: int):
    """A log and decisions: customers enter by and by, and a third is triggered at some time."""
    draw = np.random.default_rng(seed)
    customers = 2_000
    entered = draw.uniform(0, 32, customers)
    triggered = draw.random(customers) < 1 / 3
    at = np.where(triggered, draw.uniform(entered, DAYS), np.inf)
    offered = draw.random(customers) < 0.5
    bought, decisions = [], []
    for person in range(customers):
        rate, name = RATE * (1 + triggered[person]), f"p{person}"
        days = list(draw.uniform(0, DAYS, draw.poisson(rate * DAYS)))
        if offered[person] and triggered[person]:
            close = at[person] + WINDOW
            for low, high, more in ((at[person], close, EXTRA), (close, DAYS, 6 * EXTRA)):
                if high > low:
                    within = min(high, DAYS)
                    days += list(draw.uniform(low, within, draw.poisson(more * (within - low))))
        bought += [{"ts": START + dt.timedelta(days=day), "person_id": name} for day in days]
        reason = "offered" if offered[person] else "held_out"
        rows = [(entered[person], "not_in_audience")]
        rows += [(at[person], reason)] if triggered[person] else []
        decisions += [
            {
                "decision_id": f"{name}-{place}",
                "person": name,
                "ts": START + dt.timedelta(days=day),
                "programme": "made",
                "arm": "treatment" if offered[person] else "control",
                "reason": why,
                "delivered": why == "offered",
                "p_assignment": 0.5,
            }
            for place, (day, why) in enumerate(rows)
        ]
    bought.append({"ts": START + dt.timedelta(days=DAYS), "person_id": "p0"})
    rows = pl.DataFrame(decisions).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))
    return small_log(folder, sorted(bought, key=lambda each: each["ts"])), rows


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return shop(tmp_path_factory.mktemp("made"), 1)


@pytest.fixture(scope="module")
def people(made):
    return by_hand(*made)


@pytest.fixture(scope="module")
def read(made):
    log, rows = made
    return wb.read_out(rows, outcomes=log, window_days=WINDOW, metrics=["purchases"])


def by_hand(log, rows: pl.DataFrame) -> pd.DataFrame:
    """Who had entered by the last instant of which the window closed, with purchases by a loop."""
    bought = log.to_polars(["person_id", "ts"]).to_pandas()
    days = {who: mine["ts"] for who, mine in bought.groupby("person_id", observed=True)}
    window, last = pd.Timedelta(days=WINDOW), pd.Timestamp(log.last_ts)
    found = []
    for who, mine in rows.to_pandas().groupby("person"):
        at = mine.loc[mine["reason"].isin(["offered", "held_out"]), "ts"].min()
        first = mine["ts"].min()
        if first > last - window:
            continue
        triggered = at <= last - window
        opens = at if triggered else first
        closes = opens + window
        if not triggered and not pd.isna(at):
            closes = min(closes, at)
        own = days.get(who, pd.Series(dtype=bought["ts"].dtype))
        n = int(((own > opens) & (own <= closes)).sum())
        found.append((who, mine["arm"].iloc[0], triggered, n))
    return pd.DataFrame(found, columns=["person_id", "arm", "triggered", "purchases"])


def test_everyone_who_entered_is_a_unit_with_the_purchases_of_a_loop_over_customers(made, people):
    log, rows = made
    cohort = triggered_units(log, rows, "made", outcome_days=WINDOW)
    found = entered_units(log, rows.lazy(), "made", cohort, programmes=None, outcome_days=WINDOW)
    people = people.sort_values("person_id").reset_index(drop=True)
    same = found.select(people.columns.to_list()).sort("person_id").to_pandas()
    pd.testing.assert_frame_equal(same, people, check_dtype=False)
    late = rows.filter(
        pl.col("reason") != "not_in_audience", pl.col("ts") > START + dt.timedelta(DAYS - WINDOW)
    )
    assert found.filter(pl.col("person_id").is_in(late["person"].implode()))["triggered"].sum() == 0
    assert late.height > 100, "the case of a trigger of which the window is open does not occur"


def test_the_diluted_effect_and_its_share_of_all_purchases_are_the_truth(made, read, people):
    rate = people["triggered"].mean()
    truth = rate * EXTRA * WINDOW
    diluted = read.comparison("purchases", population="diluted")
    assert diluted.absolute.value == pytest.approx(truth, abs=3.3 * diluted.absolute.standard_error)
    assert 0.15 < diluted.absolute.standard_error / truth < 0.5
    # Who is triggered buys twice as much, so the lift is not the trigger's share of theirs.
    among = read.comparison("purchases", population="triggered")
    lift = truth / (people.loc[people["arm"] == "control", "purchases"].mean())
    assert diluted.relative.value == pytest.approx(lift, abs=3.3 * diluted.relative.standard_error)
    assert diluted.relative.value > 1.2 * rate * among.relative.value


def test_the_diluted_effect_adds_up_to_that_among_the_triggered(made, read, people):
    among = read.estimate("purchases", population="triggered")
    diluted = read.estimate("purchases", population="diluted")
    assert diluted.value == pytest.approx(among.value * people["triggered"].mean())
    assert diluted.n_treatment + diluted.n_control == len(people)
    assert read.estimate("purchases") == among


def test_who_entered_is_told_and_held_against_the_shares(made, read, people):
    log, rows = made
    said = f"of {len(people):,} units that entered {people['triggered'].mean() * 100:.1f}% were triggered"
    assert said in read.text
    assert "what came without a trigger shows no effect" in read.text
    lost = rows.filter((pl.col("arm") == "treatment") | (pl.col("person").hash(seed=2) % 3 > 0))
    refused = wb.read_out(lost, outcomes=log, window_days=WINDOW, metrics=["purchases"])
    assert refused.verdict == "not identified"
    assert "over all that entered the arms are not as large" in refused.text


def test_a_log_in_which_everyone_was_triggered_has_no_diluted_effect(made):
    log, rows = made
    only = rows.filter(pl.col("reason") != "not_in_audience")
    found = wb.read_out(only, outcomes=log, window_days=WINDOW, metrics=["purchases"])
    assert set(found.table["population"]) == {"triggered"}
    assert "Everyone with a decision was triggered, so the effect is not diluted" in found.text


def test_with_a_replay_every_customer_of_the_log_entered(example_log):
    programmes = changed(
        wb.load_programmes(ROOT / "params/programmes/grocery"),
        {f"{PROGRAMME}.experiment.holdout_share": 0.5},
    )
    replayed = wb.replay(example_log, programmes)
    found = wb.read_out(
        replayed, outcomes=example_log, programme=PROGRAMME, window_days=14, metrics=["spend_cents"],
        covariates=["spend_before_cents"],
    )  # fmt: skip
    units = found.table.set_index("population")["units"]
    start = replayed.decisions().filter(pl.col("programme") == PROGRAMME).collect()["ts"].min()
    early = example_log.last_ts - dt.timedelta(days=14)
    there = example_log.to_polars(["person_id", "ts"]).filter(pl.col("ts").is_between(start, early))
    assert units["diluted"] >= there["person_id"].n_unique() > units["triggered"]
    kept = found.table.set_index("population")["variance_kept"]
    assert kept["diluted"] < 1
