"""The dip behind the window of a decision log: the purchases of a loop, and how many were pulled forward."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

import workbench as wb
from small_log import small_log
from workbench.errors import InputError, ParameterError
from workbench.run.parameters import ReadOutExperiment

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
WINDOW, AFTER, ENTRIES = 10, 8, 12
CLASSES = {"incremental": 0.3, "pulled_forward": 0.5, "cannibalised": 0.4}
"""Redemptions of a treated customer in the window, on average, by class."""

ALL = ["no_halo", "no_harm", "dip_is_pulled_forward"]
CUSTOMERS = 1_500


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A log with redemptions, its decisions, and the classes of the redemptions of each treated customer."""
    draw, events, decisions, truth = np.random.default_rng(1), [], [], []
    for number in range(CUSTOMERS):
        person, offered, at = f"p{number}", draw.random() < 0.5, draw.uniform(0, ENTRIES)
        inside, behind = draw.poisson([2.5, 2.0])
        made_by = dict.fromkeys(CLASSES, 0)
        if offered:
            made_by = {name: int(draw.poisson(rate)) for name, rate in CLASSES.items()}
            made_by["pulled_forward"] = min(made_by["pulled_forward"], behind)
            made_by["cannibalised"] = min(made_by["cannibalised"], inside)
        moved = made_by["pulled_forward"]
        days = [
            *draw.uniform(0, WINDOW, inside + made_by["incremental"] + moved),
            *draw.uniform(WINDOW, WINDOW + AFTER, behind - moved),
            *draw.uniform(WINDOW + AFTER, 40, 2),
        ]
        decision = {"decision_id": f"d{number}", "person": person, "programme": "made"}
        decision["ts"] = START + dt.timedelta(days=at)
        decisions.append(
            decision
            | {
                "arm": "treatment" if offered else "control",
                "reason": "offered" if offered else "held_out",
                "delivered": offered,
                "p_assignment": 0.5,
            }
        )
        bought = [{"ts": START + dt.timedelta(days=at + day), "person_id": person} for day in days]
        events += [each | {"amount_cents": 1_000, "discount_cents": 0} for each in bought]
        used = {"type": "offer_redeemed", "decision_id": f"d{number}", "person_id": person}
        for _ in range(sum(made_by.values())):
            events.append(used | {"ts": START + dt.timedelta(days=at + draw.uniform(0, WINDOW))})
        truth.append({"person": person, "offered": offered, "after": behind - moved} | made_by)
    log = small_log(
        tmp_path_factory.mktemp("made"), sorted(events, key=lambda each: str(each["ts"]))
    )
    rows = pl.DataFrame(decisions).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))
    return log, rows, pl.DataFrame(truth)


def test_purchases_behind_the_window_are_those_that_were_made_there(made):
    log, rows, truth = made
    units = wb.roi_units(rows, log, "made", window_days=WINDOW, after_days=AFTER)
    joined = units.join(truth, on="person")
    assert units.height == CUSTOMERS
    assert joined["purchases_after"].to_list() == joined["after"].to_list()
    plain = wb.roi_units(rows, log, "made", window_days=WINDOW)
    assert units.drop("purchases_after").equals(plain)


def test_redemptions_are_split_as_they_were_made(made):
    log, rows, truth = made
    asked = {"outcomes": log, "window_days": WINDOW}
    read = wb.read_out(rows, **asked)
    found = wb.worth(read, rows, **asked, after_days=AFTER, margin_share=0.4, assume=ALL)
    treated = truth.filter("offered")
    split = found.arms["treatment"].redemptions.set_index("class")
    for name in CLASSES:
        assert split.loc[name, "low"] == pytest.approx(split.loc[name, "high"])
        assert split.loc[name, "low_end"] < treated[name].mean() < split.loc[name, "high_end"]
    assert split.loc["pulled_forward", "low_end"] > 0
    assert "what is missing after the window was pulled forward into it" in found.text
    assert (
        f"Over the {treated.height} units of “treatment” the effect on “spend” comes" in read.text
    )


def test_without_days_behind_the_window_what_was_pulled_forward_is_a_bound(made):
    log, rows, _ = made
    asked = {"outcomes": log, "window_days": WINDOW}
    read = wb.read_out(rows, **asked)
    found = wb.worth(read, rows, **asked, margin_share=0.4, assume=["no_halo", "no_harm"])
    split = found.arms["treatment"].redemptions.set_index("class")
    assert split.loc["pulled_forward", "low"] == 0 < split.loc["pulled_forward", "high"]
    with pytest.raises(ParameterError, match="assume was 'dip_is_pulled_forward', needs purchases"):
        wb.worth(read, rows, **asked, margin_share=0.4, assume=ALL)


def test_who_has_not_been_there_until_the_days_behind_the_window_are_over_is_left_out(made):
    log, rows, _ = made
    late = (log.last_ts - START).days - WINDOW - 6
    units = wb.roi_units(rows, log, "made", window_days=WINDOW, after_days=late)
    early = rows.filter(pl.col("ts") <= log.last_ts - dt.timedelta(days=WINDOW + late))
    assert set(units["person"]) == set(early["person"])
    assert 0 < units.height < CUSTOMERS
    read = wb.read_out(rows, outcomes=log, window_days=WINDOW)
    found = wb.worth(
        read, rows, outcomes=log, window_days=WINDOW, after_days=late, margin_share=0.4
    )
    assert (
        f"This is the money of the {units.height} customers whose {late} days behind" in found.text
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"after_days": 5}, "after_days was 5, needs window_days"),
        ({"window_days": 10, "after_days": 0}, "after_days was 0, must be at least 1"),
    ],
)
def test_days_behind_no_window_are_refused(made, given, said):
    log, rows, _ = made
    with pytest.raises(ParameterError, match=said):
        wb.roi_units(rows, log, "made", **given)
    with pytest.raises(InputError, match="the log ends before the 90 days behind the window of 10"):
        wb.roi_units(rows, log, "made", window_days=10, after_days=90)


@pytest.mark.parametrize("said", [{}, {"window_days": 7, "mailing": "2026-03-11T00:00:00Z"}])
def test_days_behind_no_window_of_a_decision_log_are_refused_before_a_run(said):
    given = {"after_days": 5, "outcomes": "none"} | said
    with pytest.raises(
        ParameterError, match="after_days was 5, needs window_days of a decision log"
    ):
        ReadOutExperiment.from_mapping(given, source="params/dip.yaml")
