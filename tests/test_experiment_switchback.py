"""Switchback experiments: arms by store and hour, what an arm leaves behind, errors by block, bad input."""

import datetime as dt

import numpy as np
import polars as pl
import pytest
from scipy import stats

import workbench as wb
from workbench.errors import InputError, ParameterError

START = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
EFFECT = 10.0
STEPS = 12
"""Rows of a block, one every five minutes."""


def shop(
    seed: int, *, carried: int = 0, shock: float = 0.0, share: float = 0.5, days: int = 3
) -> pl.DataFrame:
    """Rows of three stores whose arms are drawn by the hour; the first ones of a block act as the one before."""
    draw, hours, places = np.random.default_rng(seed), 24 * days, 3
    offered = draw.random((places, hours + 1)) < share
    acts = np.repeat(offered[:, 1:, None], STEPS, axis=2)
    acts[:, :, :carried] = offered[:, :-1, None]
    levels = draw.normal(100, shock, (places, hours, 1))
    y = levels + EFFECT * acts + draw.normal(0, 5, acts.shape)
    minutes = [START + dt.timedelta(minutes=5 * step) for step in range(hours * STEPS)]
    return pl.concat(
        pl.DataFrame(
            {
                "store": [f"store {place}"] * len(minutes),
                "ts": minutes,
                "arm": np.repeat(np.where(offered[place, 1:], "offer", "control"), STEPS),
                "y": y[place].ravel(),
            }
        )
        for place in range(places)
    )


def blocks(rows: pl.DataFrame, washout_minutes: float = 0, **given):
    return wb.switchback_units(
        rows, place="store", block_minutes=60, washout_minutes=washout_minutes, **given
    )


def test_what_the_arm_before_leaves_behind_biases_and_its_washout_takes_the_bias_away():
    rows = shop(1, carried=3, days=10)
    with_it = wb.read_out(blocks(rows), metrics=["y"]).estimate("y")
    without = wb.read_out(blocks(rows, 15), metrics=["y"]).estimate("y")
    assert without.interval(0.99)[0] < EFFECT < without.interval(0.99)[1]
    # A quarter of each block acts as the arm before, which was drawn by another lot.
    assert with_it.value == pytest.approx(0.75 * EFFECT, abs=4 * with_it.standard_error)
    assert with_it.interval(0.999)[1] < EFFECT


def test_intervals_by_block_hold_the_effect_at_their_rate_and_those_by_row_do_not():
    held = {"block": 0, "row": 0}
    experiments = 40
    for seed in range(experiments):
        units = blocks(shop(seed, carried=3, shock=8.0), 15)
        sizes = dict(units.frame["arm"].value_counts().iter_rows())
        for by, found in (
            ("block", wb.read_out(units, metrics=["y"])),
            ("row", wb.read_out(units.frame, metrics=["y"], shares=sizes)),
        ):
            low, high = found.estimate("y").interval()
            held[by] += low <= EFFECT <= high
    low, high = stats.binom.ppf([0.0005, 0.9995], experiments, 0.95)
    assert low <= held["block"] <= high
    assert held["row"] < 0.8 * experiments


def test_the_units_are_blocks_and_the_washout_is_counted_and_said():
    units = blocks(shop(2), 15)
    assert (units.blocks.height, units.borders) == (3 * 72, 3 * 71)
    assert set(units.blocks["rows_in_washout"]) == {3}
    assert units.frame.height == 3 * 72 * (STEPS - 3)
    assert units.frame["ts"].dt.minute().min() == 15
    read = wb.read_out(units, metrics=["y"])
    assert read.table["units"].to_list() == [3 * 72]
    washout = "648 rows in the first 15 minutes of a block (25.0% of all) are left out as washout"
    assert washout in units.text
    assert washout in read.trust.warnings
    same = wb.read_out(units.frame, metrics=["y"], cluster="block").estimate("y")
    assert read.estimate("y").interval() == pytest.approx(same.interval())


def test_arms_of_unequal_shares_are_read_with_them():
    units = blocks(shop(3, carried=3, share=0.2, days=10), 15)
    assert not wb.read_out(units, metrics=["y"]).passed
    read = wb.read_out(units, metrics=["y"], shares={"control": 4, "offer": 1})
    assert read.estimate("y").value == pytest.approx(EFFECT, abs=1)


def test_blocks_may_begin_when_the_rows_say_and_be_of_any_length():
    rows = shop(4).with_columns(
        began=pl.col("ts").dt.truncate("1h").dt.offset_by("20s"),
        ts=pl.col("ts").dt.offset_by("20s"),
    )
    units = wb.switchback_units(rows, place="store", started="began", washout_minutes=15)
    assert set(units.blocks["rows"]) == {STEPS - 3}
    assert units.blocks["block"].n_unique() == 3 * 72
    assert units.blocks["block"][0] == "store 0 2026-05-01 00:00:20+0000"


def test_the_hour_that_the_clock_goes_through_twice_is_two_blocks():
    utc = pl.datetime_range(
        dt.datetime(2026, 10, 24), dt.datetime(2026, 10, 27), "5m", time_zone="UTC", eager=True  # noqa: DTZ001 - the zone stands beside
    )  # fmt: skip
    arms = np.random.default_rng(1).choice(["control", "offer"], len(utc) // 12 + 1)
    local = utc.dt.convert_time_zone("Europe/Berlin")
    rows = pl.DataFrame({"ts": local, "arm": np.repeat(arms, 12)[: len(utc)]})
    units = wb.switchback_units(rows, block_minutes=60, washout_minutes=0)
    assert units.blocks.height == 73
    assert {"2026-10-25 02:00+0200", "2026-10-25 02:00+0100"} <= set(units.blocks["block"])


def test_arms_that_were_drawn_for_longer_than_a_block_are_not_read_by_block():
    by_day = (
        pl.when((pl.col("ts").dt.day() + pl.col("store").str.slice(6).cast(pl.Int8)) % 3 < 1)
        .then(pl.lit("offer"))
        .otherwise(pl.lit("control"))
    )
    read = wb.read_out(
        blocks(shop(5, days=6).with_columns(arm=by_day)),
        metrics=["y"],
        shares={"control": 2, "offer": 1},
    )
    assert read.verdict == "not identified"
    assert "what was drawn is longer than a block" in read.text


def test_arms_that_take_turns_are_read_with_a_warning():
    turns = pl.when(pl.col("ts").dt.hour() % 2 == 0).then(pl.lit("offer"))
    read = wb.read_out(
        blocks(shop(6).with_columns(arm=turns.otherwise(pl.lit("control")))), metrics=["y"]
    )
    assert read.passed
    assert any("so at most its beginning was drawn" in each for each in read.trust.warnings)


def test_a_block_with_two_arms_is_refused_and_named():
    rows = shop(7).with_columns(
        arm=pl.when(pl.int_range(pl.len()) == 3).then(pl.lit("tea")).otherwise("arm")
    )
    with pytest.raises(InputError, match=r"1 block of 60 minutes must be in one arm, such as that of "
                       r"store 0 2026-05-01 00:00\+0000 with “(control|offer)” and “tea”"):  # fmt: skip
        blocks(rows)
    with pytest.raises(InputError, match="does the clock of 'ts' begin them"):
        wb.switchback_units(shop(7), place="store", block_minutes=120, washout_minutes=0)


def test_too_few_blocks_of_an_arm_are_refused():
    rows = shop(8).filter(pl.col("store") == "store 0")
    one = rows.filter(
        (pl.col("arm") == "control") | (pl.col("ts") < pl.lit(START + dt.timedelta(hours=3)))
    )
    offered = one.filter(pl.col("arm") == "offer")["ts"].dt.truncate("1h").unique().sort()
    only = one.filter((pl.col("arm") == "control") | (pl.col("ts").dt.truncate("1h") == offered[0]))
    with pytest.raises(InputError, match="not enough data: 1 block of “offer” behind the washout"):
        blocks(only)
    with pytest.raises(InputError, match="not identified: all blocks are of “control”"):
        blocks(rows.with_columns(arm=pl.lit("control")))
    assert (
        "17 blocks of “control”: below 30 in an arm intervals are rough"
        in wb.read_out(blocks(rows.filter(pl.col("ts").dt.day() < 3)), metrics=["y"]).trust.text
    )


def test_rows_without_an_arm_are_left_out_and_counted():
    rows = shop(9).with_columns(
        arm=pl.when(pl.int_range(pl.len()) < 5).then(None).otherwise(pl.col("arm"))
    )
    assert "5 rows have no arm and are left out" in blocks(rows).text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"block_minutes": None}, "block_minutes was None, must be given where started is not"),
        ({"started": "ts"}, "block_minutes was 60, must be given where started is not"),
        ({"block_minutes": 50}, "block_minutes was 50, must divide a day of 1440 minutes"),
        ({"washout_minutes": 60}, "washout_minutes was 60, must be below block_minutes"),
        ({"washout_minutes": -1}, "washout_minutes was -1, must be at least 0"),
    ],
)  # fmt: skip
def test_lengths_that_no_experiment_has_are_refused(given, said):
    asked = {"place": "store", "block_minutes": 60, "washout_minutes": 0} | given
    with pytest.raises(ParameterError, match=said):
        wb.switchback_units(shop(10), **asked)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ts": pl.col("ts").dt.date()}, "column 'ts' holds date, must hold instants"),
        ({"store": pl.lit(None, pl.String)}, "2,592 rows of 'store' must have a value"),
        ({"block": pl.lit(1)}, "has a column 'block' of its own; rename it"),
    ],
)  # fmt: skip
def test_rows_that_say_no_place_or_instant_are_refused(change, said):
    with pytest.raises(InputError, match=said):
        blocks(shop(11).with_columns(**change))
    with pytest.raises(InputError, match="no column 'stor' — did you mean 'store'"):
        wb.switchback_units(shop(11), place="stor", block_minutes=60, washout_minutes=0)


def test_rows_before_their_block_are_refused():
    rows = shop(12).with_columns(began=pl.col("ts").dt.offset_by("1s"))
    with pytest.raises(InputError, match="2,592 rows of 'ts' must not be before 'began'"):
        wb.switchback_units(rows, place="store", started="began", washout_minutes=0)


@pytest.mark.parametrize("name", ["cluster", "unit", "arm"])
def test_the_read_out_takes_from_the_blocks_what_they_say(name):
    with pytest.raises(
        ParameterError, match=f"{name} was 'store', must be left out for switchback"
    ):
        wb.read_out(blocks(shop(13)), metrics=["y"], **{name: "store"})
