"""Mailings in a log of which nobody says how customers were chosen: a loop beside, balance, and the Starbucks waves."""

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import workbench as wb
from small_log import small_log
from workbench.errors import InputError, ParameterError
from workbench.log import ingest, open_log
from workbench.run.parameters import ReadOutExperiment

BROUGHT = Path(__file__).parents[2] / "shared" / "data" / "starbucks"
START = dt.datetime(2018, 8, 1, tzinfo=dt.UTC)
BEFORE = ["purchases_before", "sales_before_cents"]


def units(*, chosen: bool) -> pl.DataFrame:
    draw = np.random.default_rng(2)
    before = draw.gamma(2, 500, 2_000)
    odds = before > 1_000 if chosen else draw.random(2_000) < 0.75
    return pl.DataFrame(
        {
            "arm": np.where(odds, "sent", "control"),
            "before": before,
            "y": before + draw.normal(0, 100, 2_000),
        }
    )


def test_arms_of_unknown_origin_that_are_alike_are_consistent_with_randomisation():
    read = wb.read_out(
        units(chosen=False), metrics=["y"], covariates=["before"], assignment="unknown"
    )
    assert read.passed
    assert read.sample_ratio is None
    assert "consistent with randomisation, which is no proof of it" in read.text


def test_arms_of_unknown_origin_that_differ_before_have_no_effect():
    read = wb.read_out(
        units(chosen=True), metrics=["y"], covariates=["before"], assignment="unknown"
    )
    assert read.verdict == "not identified"
    assert read.table.empty
    assert "consistent with randomisation" not in read.text


def test_without_a_covariate_nothing_tests_arms_of_unknown_origin():
    read = wb.read_out(units(chosen=False), metrics=["y"], assignment="unknown")
    assert read.verdict == "not identified"
    assert "without a covariate nothing tests whether it was by lot" in read.text


def test_shares_that_are_given_are_held_against_arms_of_unknown_origin():
    read = wb.read_out(
        units(chosen=False),
        metrics=["y"],
        covariates=["before"],
        assignment="unknown",
        shares={"sent": 1, "control": 1},
    )
    assert read.verdict == "not identified"


def test_the_money_of_arms_of_unknown_origin_asks_for_no_sizes_either():
    frame = units(chosen=False).rename({"y": "sales_cents"})
    read = wb.read_out(frame, metrics=["sales_cents"], covariates=["before"], assignment="unknown")
    found = wb.worth(read, frame, covariates=["before"], margin_share=1.0)
    sales = found.table.set_index("figure").loc["sales_cents", "difference"]
    assert sales == pytest.approx(read.estimate("sales_cents").value)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 300 customers of whom some, drawn by lot, got a letter on day 10 and bought more of then on."""
    draw = np.random.default_rng(5)
    rows = []
    for person in range(300):
        chosen = draw.random() < 0.4
        days = [day for day in range(20) if draw.random() < (0.6 if chosen and day > 10 else 0.3)]
        rows += [
            {"person_id": f"p{person}", "ts": f"2026-03-{1 + day:02}T12:00", "amount_cents": 500}
            for day in sorted({0, *days})
        ]
        if chosen:
            rows.append({"person_id": f"p{person}", "ts": "2026-03-11T00:00", "type": "letter"})
    folder = tmp_path_factory.mktemp("letters")
    small_log(folder, sorted(rows, key=lambda row: row["ts"]))
    return folder / "log"


def of_letters(folder: Path, **more: object) -> ReadOutExperiment:
    said = {
        "source": str(folder),
        "outcomes": "none",
        "mailing": "2026-03-11T00:00:00Z",
        "sent": "letter",
        "window_days": 7,
        "before_days": 7,
        "metrics": "sales_cents, bought",
        "covariates": "purchases_before, sales_before_cents / purchases_before",
        "assignment": "unknown",
    }
    return ReadOutExperiment.from_mapping(said | more, source="params/letters.yaml")


def test_a_mailing_is_read_out_by_the_parameters_of_the_notebook_alone(letters):
    params = of_letters(letters, covariates="purchases_before")
    units = wb.open_units(params.path("source"), **params.units())
    read = wb.read_out(units, **params.question())
    assert read.passed, read.text
    assert "consistent with randomisation" in read.text
    assert "do not say when the window ended" not in read.text
    by_hand = wb.wave_units(
        open_log(letters), dt.datetime(2026, 3, 11, tzinfo=dt.UTC), sent="letter"
    )
    assert units.collect().equals(by_hand)


def test_units_of_a_mailing_that_a_step_left_as_parquet_are_read_out_alike(letters, tmp_path):
    params = of_letters(letters, covariates="purchases_before")
    units = wb.open_units(params.path("source"), **params.units())
    wb.save_table(units.collect(), tmp_path / "letters.parquet")
    kept = of_letters(
        tmp_path / "letters.parquet", mailing="", window_days=0, covariates="purchases_before"
    )
    stored = wb.read_out(wb.open_units(kept.path("source"), **kept.units()), **kept.question())
    read = wb.read_out(units, **params.question())
    assert stored.table.equals(read.table)
    assert "“purchases before” does not say when the window ended" in stored.text


def test_only_covariates_of_the_days_before_a_mailing_say_when_their_window_ended(letters):
    params = of_letters(letters, covariates="sales_before_cents / purchases_before, purchases")
    ends = {each.column: each.window_ends for each in params.question()["covariates"]}
    assert ends == {
        "sales_before_cents / purchases_before": dt.date(2026, 3, 11),
        "purchases": None,
    }


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"mailing": "2026-03-11"}, "mailing was '2026-03-11', must be an instant with its zone"),
        ({"mailing": "spring"}, "mailing was 'spring', must be an instant with its zone"),
        ({"window_days": 0}, "window_days was 0, must be at least 1 with a mailing"),
        ({"outcomes": "runs/demo/world/log"}, "must be none with a mailing, whose log is the source"),
    ],
)  # fmt: skip
def test_a_mailing_without_its_instant_window_or_log_is_refused_before_a_run(letters, said, why):
    with pytest.raises(ParameterError, match=f"params/letters.yaml: .*{why}"):
        of_letters(letters, **said)


@pytest.fixture(scope="module")
def starbucks(tmp_path_factory: pytest.TempPathFactory):
    if not BROUGHT.is_dir():
        pytest.skip("the Starbucks log is not part of the project; it is brought along")
    folder = tmp_path_factory.mktemp("starbucks") / "log"
    ingest(BROUGHT, "starbucks", folder)
    return open_log(folder)


def test_units_of_a_wave_are_those_of_a_loop_over_the_log(starbucks):
    at = START + dt.timedelta(days=7)
    found = wb.wave_units(starbucks, at)
    rows = starbucks.to_polars(["person_id", "ts", "type", "amount_cents"])
    known = rows.filter(pl.col("ts") < at)["person_id"].unique()
    assert sorted(found["person_id"]) == sorted(known)
    mine = rows.filter(pl.col("ts") == at, pl.col("type") == "offer_received")
    sent = set(mine["person_id"]) & set(known)
    assert set(found.filter(pl.col("arm") == "sent")["person_id"]) == sent
    inside = rows.filter(
        pl.col("type") == "purchase", pl.col("ts") > at, pl.col("ts") <= at + dt.timedelta(days=7)
    ).join(known.to_frame(), on="person_id")
    assert found["purchases"].sum() == inside.height
    assert found["sales_cents"].sum() == inside["amount_cents"].sum()


def test_the_starbucks_waves_are_read_out_as_consistent_with_randomisation(starbucks):
    for day in (7, 14, 17, 21):
        frame = wb.wave_units(starbucks, START + dt.timedelta(days=day))
        read = wb.read_out(
            frame, metrics=["sales_cents", "bought"], covariates=BEFORE, assignment="unknown"
        )
        assert read.passed, f"day {day}: {read.text}"
        assert "consistent with randomisation" in read.text


def test_what_is_no_wave_is_refused(starbucks):
    with pytest.raises(InputError, match="nobody who was known before got offer_received"):
        wb.wave_units(starbucks, START + dt.timedelta(days=8))
    with pytest.raises(InputError, match="the log ends before the window of 7 days does"):
        wb.wave_units(starbucks, START + dt.timedelta(days=29))
    with pytest.raises(ParameterError, match="must have a time zone"):
        wb.wave_units(starbucks, dt.datetime(2018, 8, 8))  # noqa: DTZ001 - the point
