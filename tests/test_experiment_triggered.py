"""The experiment inside a decision log: first triggers, ghosts, everybody assigned, and the truth."""

from pathlib import Path

import polars as pl
import pytest

import workbench as wb
from workbench.decision.written import changed
from workbench.errors import InputError, ParameterError
from workbench.experiment.triggered import decision_units

ROOT = Path(__file__).parents[1]
PROGRAMME = "welcome_back"
SIMULATED = "nth_purchase"


@pytest.fixture(scope="module")
def replayed(example_log):
    programmes = changed(
        wb.load_programmes(ROOT / "params/programmes/grocery"),
        {f"{PROGRAMME}.experiment.holdout_share": 0.5},
    )
    return wb.replay(example_log, programmes)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, float("nan")])
@pytest.mark.parametrize("window_days", [None, 14])
def test_a_level_that_is_none_is_refused_before_the_decision_log_is_read(
    replayed, example_log, level, window_days
):
    def no_row_is_asked_for(_: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("the decision log was read")

    decisions = replayed.decisions()
    unread = decisions.map_batches(no_row_is_asked_for, schema=decisions.collect_schema())
    asked = {"outcomes": example_log, "programme": PROGRAMME, "window_days": window_days}
    with pytest.raises(ParameterError, match=rf"level was {level}, must be between 0 and 1"):
        wb.read_out(unread, **asked, level=level)
    read = wb.read_out(replayed, **asked)
    with pytest.raises(ParameterError, match=rf"level was {level}, must be between 0 and 1"):
        wb.worth(read, unread, **asked, level=level)


@pytest.fixture(scope="module")
def units(replayed, example_log):
    rows = replayed.decisions().filter(pl.col("programme") == PROGRAMME)
    return decision_units(rows, example_log, replayed.rules, PROGRAMME)


def offers(replayed) -> pl.DataFrame:
    """Offers and ghosts of the programme."""
    return (
        replayed.decisions()
        .filter(pl.col("programme") == PROGRAMME, pl.col("reason").is_in(["offered", "held_out"]))
        .collect()
    )


def test_every_customer_of_the_log_is_a_unit_with_one_arm(units, example_log):
    assert units.height == example_log.persons
    assert units["person"].n_unique() == units.height
    assert set(units["arm"]) == {"control", "treatment"}


def test_a_customer_counts_from_the_first_offer_or_ghost_and_not_from_a_later_one(units, replayed):
    found = offers(replayed).group_by("person").agg(pl.col("ts").min().alias("at"), pl.len())
    joined = units.filter("triggered").join(found, on="person")
    assert joined.height == units["triggered"].sum() == found.height
    assert (joined["first"] == joined["at"]).all()
    assert (joined["len"] > 1).any(), "the case of a later trigger does not occur"


def test_purchases_since_the_first_trigger_are_those_of_the_log(units, example_log):
    bought = example_log.to_polars(["person_id", "ts", "amount_cents"], ["purchase"])
    after = (
        bought.join(units.select("person", "first"), left_on="person_id", right_on="person")
        .filter(pl.col("ts") > pl.col("first"))
        .group_by("person_id")
        .agg(pl.len().alias("n"), pl.col("amount_cents").sum().alias("spent"))
    )
    joined = units.join(after, left_on="person", right_on="person_id", how="left").fill_null(0)
    assert (joined["purchases_since"] == joined["n"]).all()
    assert (joined["spend_cents_since"] == joined["spent"]).all()
    nobody = units.filter(~pl.col("triggered"))
    assert nobody["purchases_since"].sum() == nobody["purchases_before"].sum() == 0


def test_offers_that_were_never_sent_show_no_effect_and_it_is_said_that_nobody_answered(
    replayed, example_log
):
    found = wb.read_out(replayed, outcomes=example_log, programme=PROGRAMME)
    assert found.passed, found.text
    assert set(found.table["population"]) == {"all", "triggered", "diluted"}
    assert set(found.table["verdict"]) == {"open"}
    assert "event of the log answers an offer" in found.text
    errors = found.table.set_index(["metric", "population"])["standard_error"]
    assert errors["purchases", "diluted"] < errors["purchases", "all"]


def test_rows_of_a_decision_log_are_read_as_the_replay_is_but_for_who_never_triggered(
    replayed, example_log, tmp_path
):
    replayed.decisions().collect().write_parquet(tmp_path / "decisions.parquet")
    rows = wb.read_out(tmp_path, outcomes=example_log, programme=PROGRAMME, metrics=["purchases"])
    whole = wb.read_out(replayed, outcomes=example_log, programme=PROGRAMME, metrics=["purchases"])
    of_rows, of_all = (each.estimate("purchases", population="triggered") for each in (rows, whole))
    assert of_rows.value == pytest.approx(of_all.value, rel=1e-6)
    assert of_rows.n_treatment < of_all.n_treatment


def test_a_programme_without_a_hold_out_is_not_identified(example_log):
    programmes = changed(
        wb.load_programmes(ROOT / "params/programmes/grocery"),
        {f"{PROGRAMME}.experiment.holdout_share": 0.0},
    )
    found = wb.read_out(
        wb.replay(example_log, programmes), outcomes=example_log, programme=PROGRAMME
    )
    assert found.verdict == "not identified"
    assert "nobody is in the control" in found.text
    assert found.table.empty


def test_a_ghost_log_that_loses_a_part_is_refused(replayed, example_log):
    rows = replayed.decisions().filter(
        (pl.col("arm") != "control") | (pl.col("person").hash(seed=1) % 3 > 0)
    )
    found = wb.read_out(rows, outcomes=example_log, programme=PROGRAMME)
    assert found.verdict == "not identified"
    assert "the arms are not as large as they were meant to be" in found.text


def test_several_programmes_need_a_name(replayed, example_log):
    with pytest.raises(ParameterError, match="programme was None, must be one of lunch_basket, "):
        wb.read_out(replayed, outcomes=example_log)


@pytest.mark.parametrize("name", ["unit", "cluster", "weights", "trigger", "reached"])
def test_a_column_of_a_table_is_not_asked_of_a_decision_log(replayed, name):
    with pytest.raises(ParameterError, match=f"{name} was .* must be left out for a decision log"):
        wb.read_out(replayed, programme="welcome_back", **{name: "person"})


def test_a_decision_log_needs_outcomes(replayed):
    with pytest.raises(InputError, match="needs outcomes"):
        wb.read_out(replayed.decisions(), programme=PROGRAMME)


@pytest.mark.slow
def test_the_read_out_of_a_simulated_world_holds_the_truth_of_the_twins():
    world = wb.load_world(ROOT / "params/worlds/qsr.yaml").sized(customers=1_500, days=42)
    programmes = changed(
        wb.load_programmes(ROOT / "params/programmes"),
        {f"{SIMULATED}.experiment.holdout_share": 0.5},
    )
    simulated = wb.simulate(world, programmes, seed=3)
    replayed = wb.replay(simulated.log, programmes, until=simulated.until)
    found = wb.read_out(replayed, outcomes=simulated.log, programme=SIMULATED)
    assert found.passed, found.text
    rows = replayed.decisions().filter(pl.col("programme") == SIMULATED)
    people = decision_units(rows, simulated.log, replayed.rules, SIMULATED)
    effect = wb.effect_of(simulated, SIMULATED).customers
    joined = people.join(effect, left_on="person", right_on="person_id")
    treated = joined.filter(pl.col("arm") == "treatment")
    truth = {
        "all": treated["effect_purchases"].mean(),
        "diluted": treated["effect_purchases"].mean(),
        "triggered": treated.filter("triggered")["effect_purchases"].mean(),
        "compliers": treated.filter("viewed")["effect_purchases"].mean(),
    }
    assert set(found.table["population"]) == set(truth)
    for population, true in truth.items():
        estimate = found.estimate("purchases", population=population)
        assert abs(estimate.value - true) < 3.3 * estimate.standard_error, population
    assert joined.filter(pl.col("arm") == "control")["effect_purchases"].sum() == 0
