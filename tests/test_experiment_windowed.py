"""A decision log over a fixed window: the outcomes of a slow loop, open windows, carry-over, segments."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import workbench as wb
from workbench.decision.written import changed
from workbench.errors import InputError, ParameterError

ROOT = Path(__file__).parents[1]
PROGRAMME = "welcome_back"
DAYS = 14


@pytest.fixture(scope="module")
def decisions(example_log) -> pl.DataFrame:
    programmes = changed(
        wb.load_programmes(ROOT / "params/programmes/grocery"),
        {f"{PROGRAMME}.experiment.holdout_share": 0.5},
    )
    return wb.replay(example_log, programmes).decisions().collect()


@pytest.fixture(scope="module")
def alone(decisions) -> pl.DataFrame:
    return decisions.filter(pl.col("programme") == PROGRAMME)


def by_hand(rows: pl.DataFrame, log) -> pd.DataFrame:
    """First triggers whose window has closed, with purchases and spend by a loop over customers."""
    offers = rows.filter(pl.col("reason").is_in(["offered", "held_out"])).to_pandas()
    bought = log.to_polars(["person_id", "ts", "type", "amount_cents"]).to_pandas()
    bought = bought[bought["type"].isin(["purchase", "refund"])]
    window, last = pd.Timedelta(days=DAYS), bought["ts"].max()
    last = max(last, pd.Timestamp(log.last_ts))
    found = []
    for person, mine in offers.groupby("person", observed=True):
        at = mine["ts"].min()
        if at + window > last:
            continue
        own = bought[bought["person_id"] == person]
        inside = own[(own["ts"] > at) & (own["ts"] <= at + window)]
        before = own[(own["ts"] <= at) & (own["ts"] > at - 2 * window)]
        found.append(
            {
                "person": str(person),
                "arm": str(mine.loc[mine["ts"].idxmin(), "arm"]),
                "at": at,
                "purchases": (inside["type"] == "purchase").sum(),
                "spend": inside["amount_cents"].sum(),
                "before": before["amount_cents"].sum(),
            }
        )
    return pd.DataFrame(found)


def test_effects_are_those_of_a_loop_over_customers_and_open_windows_are_counted(
    alone, example_log
):
    found = wb.read_out(
        alone, outcomes=example_log, window_days=DAYS, metrics=["purchases", "spend_cents"]
    )
    assert found.passed, found.text
    people = by_hand(alone, example_log)
    means = people.groupby("arm")[["purchases", "spend"]].mean()
    for metric, column in (("purchases", "purchases"), ("spend_cents", "spend")):
        gap = means.loc["treatment", column] - means.loc["control", column]
        assert found.estimate(metric).value == pytest.approx(gap, rel=1e-9, abs=1e-9)
    among = found.table.query("population == 'triggered'")
    assert set(among["units"]) == {len(people)}
    triggered = alone.filter(pl.col("reason").is_in(["offered", "held_out"]))["person"].n_unique()
    assert triggered > len(people)
    still_open = triggered - len(people)
    assert f"still open for {still_open} unit" in found.text
    assert "nobody got an offer of another programme in the window" in found.text
    assert found.carry_over is None


def test_sums_before_the_trigger_are_covariates_without_a_warning(alone, example_log):
    asked = {"outcomes": example_log, "window_days": DAYS, "metrics": ["spend_cents"]}
    plain = wb.read_out(alone, **asked)
    cut = wb.read_out(alone, **asked, covariates=["spend_before_cents"], before_days=28)
    people = by_hand(alone, example_log)
    r = np.corrcoef(people["spend"], people["before"])[0, 1]
    assert cut.table["variance_kept"][0] == pytest.approx(1 - r**2, abs=0.03)
    assert cut.table["variance_kept"][0] < 1
    assert plain.table["variance_kept"][0] == 1
    assert "does not say when the window ended" not in cut.text
    assert cut.balance is not None


def test_days_and_segments_of_a_table_of_customers_stand_beside_the_effect(alone, example_log):
    people = by_hand(alone, example_log)
    customers = pl.DataFrame(
        {"person_id": people["person"], "kind": ["a", "b"] * (len(people) // 2) + ["a"] * (len(people) % 2)}
    )  # fmt: skip
    found = wb.read_out(
        alone,
        outcomes=example_log,
        window_days=DAYS,
        metrics=["purchases"],
        segments=["kind"],
        customers=customers,
        day="entered",
    )
    assert set(found.segments["kind", "treatment"].table["segment"]) == {"a", "b"}
    assert found.segments["kind", "treatment"].table["units"].sum() == len(people)


def with_another(alone: pl.DataFrame, people: pd.DataFrame, *, after_days: float) -> pl.DataFrame:
    """Decisions with an offer of another programme to every third customer, some days after entry."""
    chosen = people.iloc[::3]
    at = chosen["at"] + dt.timedelta(days=after_days)
    first = alone.filter(pl.col("person").cast(pl.String).is_in(chosen["person"].to_list()))
    rows = first.unique("person", keep="first").sort("person")
    times = dict(zip(chosen["person"], at, strict=True))
    ts = pl.Series([times[each] for each in rows["person"].cast(pl.String)]).cast(rows["ts"].dtype)
    other = rows.with_columns(
        ts=ts, programme=pl.lit("other").cast(rows["programme"].dtype), delivered=True
    )
    return pl.concat([alone, other], how="vertical_relaxed")


def test_carry_over_gives_the_effect_without_whom_another_programme_reached(alone, example_log):
    people = by_hand(alone, example_log)
    rows = with_another(alone, people, after_days=DAYS / 2)
    asked = {"outcomes": example_log, "window_days": DAYS, "metrics": ["purchases"]}
    found = wb.read_out(rows, **asked, programme=PROGRAMME)
    reached = len(people.iloc[::3])
    assert f"{reached} units got an offer of another programme in the window" in found.text
    rest = people.drop(people.index[::3]).groupby("arm")["purchases"].mean()
    row = found.carry_over.table.iloc[0]
    assert row["effect_without"] == pytest.approx(rest["treatment"] - rest["control"])
    assert row["effect"] == pytest.approx(wb.read_out(alone, **asked).estimate("purchases").value)
    assert "without those whom another programme reached the effect is" in found.text.lower()


def test_an_offer_of_another_programme_after_the_window_is_no_carry_over(alone, example_log):
    rows = with_another(alone, by_hand(alone, example_log), after_days=DAYS + 0.01)
    found = wb.read_out(rows, outcomes=example_log, window_days=DAYS, programme=PROGRAMME)
    assert found.carry_over is None
    assert "nobody got an offer of another programme" in found.text


def test_when_the_offer_changes_who_is_reached_the_rest_is_not_read(alone, example_log):
    people = by_hand(alone, example_log)
    treated = people[people["arm"] == "treatment"].reset_index(drop=True)
    rows = with_another(alone, treated, after_days=1)
    again = with_another(alone, treated.iloc[1:].reset_index(drop=True), after_days=1)
    found = wb.read_out(
        pl.concat([rows, again], how="vertical_relaxed"),
        outcomes=example_log,
        window_days=DAYS,
        programme=PROGRAMME,
    )
    assert found.passed
    assert found.carry_over.table["effect_without"].isna().all()
    assert "there is no effect to be read" in found.carry_over.text


def test_what_needs_a_window_says_so(alone, decisions, example_log):
    with pytest.raises(ParameterError, match="day was 'entered', needs window_days"):
        wb.read_out(alone, outcomes=example_log, day="entered")
    with pytest.raises(ParameterError, match="outcome_days was 0, must be at least 1"):
        wb.read_out(alone, outcomes=example_log, window_days=0)
    with pytest.raises(ParameterError, match="programme was None"):
        wb.read_out(decisions, outcomes=example_log, window_days=DAYS)
    twice = pl.DataFrame({"person_id": ["1", "1"], "kind": ["a", "b"]})
    with pytest.raises(InputError, match="one row a customer"):
        wb.read_out(
            alone, outcomes=example_log, window_days=DAYS, segments=["kind"], customers=twice
        )
