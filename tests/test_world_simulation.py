"""A simulated world: the log and decisions in the contracts of a real one, no leak, and the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats

from workbench.decision import load_programmes
from workbench.decision.house import House, ProgrammeSet
from workbench.errors import InputError, ParameterError
from workbench.log import open_log
from workbench.profile import profile
from workbench.replay import replay
from workbench.world import Simulation, effect_of, simulate, twin
from workbench.world import loop as loops
from workbench.world import stretch as days
from workbench.world.simulation import needed_bytes
from world_samples import ROOT, one, programme, tiny

NAMES = (
    "basket_left", "breakfast_coffee", "check_in_points", "nth_purchase", "weekly_broadcast",
    "welcome_30_days", "win_back",
)  # fmt: skip


def shipped() -> ProgrammeSet:
    return load_programmes([ROOT / f"params/programmes/{name}.yaml" for name in NAMES])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    out = tmp_path_factory.mktemp("world")
    return simulate(tiny(customers=300, days=42), shipped(), seed=3, out=out)


# The log and the decisions ---------------------------------------------------------------------


def test_a_replay_of_the_log_decides_what_the_loop_decided(simulated: Simulation):
    replayed = replay(simulated.log, shipped(), until=simulated.until)
    loop = simulated.decisions().collect().sort("decision_id", "kind")
    assert loop.height > 1_000
    assert loop.equals(replayed.decisions().collect().sort("decision_id", "kind"))
    assert replayed.responses_not_admitted == 0


def test_a_timer_that_the_loop_forgets_is_caught_by_the_replay():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(days, "due", lambda state, _until: np.zeros(len(state.codes), dtype=bool))
        patch.setattr(loops, "DAYS_AT_ONCE", 1)
        forgetful = simulate(tiny(), shipped(), seed=3)
    replayed = replay(forgetful.log, shipped(), until=forgetful.until)
    loop = forgetful.decisions().collect()
    assert set(loop["decision_id"]) != set(replayed.decisions().collect()["decision_id"])


def test_a_budget_closes_in_the_replay_where_it_closed_in_the_loop():
    tight = one(budget={"amount_cents": 4_000, "per": "week"})
    made = simulate(tiny(), tight, seed=2)
    replayed = replay(made.log, tight, until=made.until)
    loop = made.decisions().collect().sort("decision_id", "kind")
    assert "budget_closed" in loop["reason"].to_list()
    assert loop.equals(replayed.decisions().collect().sort("decision_id", "kind"))


def test_the_log_opens_and_profiles_like_any_other(simulated: Simulation):
    log = open_log(simulated.folder / "log")
    assert log.tables == ("calendar", "consent", "customers", "offers", "stores", "weather")
    assert {"purchase", "app_open", "geo_enter", "offer_viewed", "offer_redeemed"} <= set(
        log.counts
    )
    assert profile(log).table["customers"].sum() > 200


def test_events_stand_in_the_order_of_seq_and_ids_are_unique(simulated: Simulation):
    frame = simulated.log.to_polars()
    assert frame["seq"].to_list() == list(range(frame.height))
    assert frame["known_at"].is_sorted()
    assert frame["event_id"].n_unique() == frame.height


def test_an_anonymous_customer_has_no_id_before_the_registration(simulated: Simulation):
    frame = simulated.log.to_polars(["person_id", "customer_id", "ts", "type"])
    first = (
        frame.filter(pl.col("type") == "registration")
        .group_by("person_id")
        .agg(pl.col("ts").min().alias("registered"))
    )
    known = frame.join(first, on="person_id")
    assert known.filter(
        pl.col("customer_id").is_not_null(), pl.col("ts") < pl.col("registered")
    ).is_empty()
    assert known.filter(pl.col("customer_id").is_null()).height > 0


def test_an_opt_out_ends_the_consent_at_the_next_midnight(simulated: Simulation):
    out = simulated.log.to_polars(["person_id", "ts", "type"]).filter(pl.col("type") == "opt_out")
    ended = simulated.log.table("consent").filter(pl.col("valid_to").is_not_null())
    assert 0 < ended.height <= out.height
    both = out.join(ended, left_on="person_id", right_on="customer_id")
    hours = (both["valid_to"] - both["ts"]).dt.total_hours()
    assert (
        both.filter(hours.is_between(0, 24))["person_id"].n_unique()
        == ended["customer_id"].n_unique()
    )


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(tmp_path: Path):
    digests = set()
    for workers in (1, 2):
        made = simulate(tiny(), one(), seed=5, out=tmp_path / str(workers), workers=workers)
        files = sorted((made.folder).rglob("*.parquet"))
        digests.add((made.log.digest, *(file.read_bytes() for file in files)))
    assert len(digests) == 1


def test_an_error_of_the_writer_behind_is_not_lost(monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("workbench.world.writing.Writer.add", full)
    with pytest.raises(OSError, match="no space left"):
        simulate(tiny(), one(), seed=1)


# No leak ---------------------------------------------------------------------------------------


def leaks(rank: np.ndarray, traits: pl.DataFrame) -> list[str]:
    """Traits with which a rank is correlated outside the 99.9 % band of nothing (Bonferroni)."""
    traits = traits.drop("person_id").with_columns(
        pl.col(pl.String).rank("dense"), pl.col(pl.Boolean).cast(pl.Int8)
    )
    columns = [name for name in traits.columns if traits[name].n_unique() > 1]
    band = stats.norm.ppf(1 - 0.0005 / len(columns)) / np.sqrt(traits.height - 1)
    return [
        name
        for name in columns
        if abs(stats.spearmanr(rank, traits[name].fill_null(1 << 20)).statistic) > band
    ]


@pytest.fixture(scope="module")
def unled() -> Simulation:
    """A world in which nobody decides, with many customers and few days."""
    return simulate(tiny(customers=4_000, days=3), seed=11)


def test_ids_and_rows_say_nothing_of_any_trait(unled: Simulation):
    traits = unled.truth.traits.drop("arrival_day").filter(unled.truth.traits["arrival_day"] == 0)
    number = traits["person_id"].str.slice(1, 8).str.to_integer(base=16).to_numpy()
    assert leaks(number, traits) == []
    row_of = {name: k for k, name in enumerate(unled.log.table("customers")["customer_id"])}
    assert leaks(np.array([row_of[name] for name in traits["person_id"]]), traits) == []
    code_of = {name: k for k, name in enumerate(unled.log.codes("person"))}
    assert leaks(np.array([code_of[name] for name in traits["person_id"]]), traits) == []


def test_event_ids_and_what_seq_adds_to_the_time_say_nothing_of_any_trait(unled: Simulation):
    events = unled.log.to_polars(["event_id", "person_id", "seq", "ts"]).sort("seq")
    first = events.group_by("person_id", maintain_order=True).first()
    traits = first.join(unled.truth.traits, on="person_id", maintain_order="left")
    number = traits["event_id"].str.slice(1).cast(pl.Int64).to_numpy()
    columns = traits.drop("event_id", "seq", "ts", "arrival_day")
    assert leaks(number, columns) == []
    # seq is the rank of (instant, event number): beyond the time it holds that number alone.
    ranked = events.with_columns(number=pl.col("event_id").str.slice(1).cast(pl.Int64))
    assert ranked["seq"].to_list() == ranked.sort("ts", "number")["seq"].to_list()


def test_numbers_given_in_the_order_of_a_trait_are_caught(unled: Simulation):
    traits = unled.truth.traits.sort("visits_per_week")
    assert "visits_per_week" in leaks(np.arange(traits.height), traits)


# The truth -------------------------------------------------------------------------------------


def test_the_truth_stands_apart_from_the_log(simulated: Simulation):
    columns = {
        name for table in simulated.log.tables for name in simulated.log.table(table).columns
    }
    columns |= {column.decoded for column in simulated.log.columns}
    assert not columns & (set(simulated.truth.traits.columns) - {"person_id"})
    assert (simulated.folder / "truth" / "traits.parquet").exists()


def test_every_purchase_of_the_log_stands_in_the_truth_with_its_cause(simulated: Simulation):
    log = simulated.log.to_polars(["event_id", "amount_cents"], types=["purchase"])
    truth = simulated.truth.purchases
    assert set(log["event_id"]) == set(truth["event_id"])
    assert truth.filter("redeemed")["class"].null_count() == 0
    assert (
        truth.filter(~pl.col("redeemed"))["class"].null_count()
        == truth.filter(~pl.col("redeemed")).height
    )


def test_redeemed_purchases_of_the_truth_answer_decisions_of_the_log(simulated: Simulation):
    redeemed = set(simulated.truth.purchases.filter("redeemed")["decision_id"])
    delivered = simulated.decisions().filter("delivered").collect()
    assert redeemed
    assert redeemed <= set(delivered["decision_id"])
    answers = simulated.log.to_polars(["decision_id"], types=["offer_redeemed"])
    assert set(answers["decision_id"]) == redeemed


def test_effects_are_those_of_the_twins(simulated: Simulation):
    twins = twin(simulated.world, shipped(), seed=3)
    mine = simulated.truth.customers
    assert twins.customers.equals(mine)
    assert int(twins.table["difference"][0]) == int(mine["effect_purchases"].sum()) != 0


def test_twins_under_the_same_programmes_do_not_differ():
    same = twin(tiny(), one(), one(), seed=1)
    assert same.table["difference"].to_list() == [0, 0, 0, 0]
    assert same.table["standard_error"].to_list() == [0, 0, 0, 0]


def test_a_decision_withheld_changes_its_customer_and_adds_up_where_it_is_the_only_one():
    once = one(limits={"caps": [{"count": 1, "window": "60 days"}]})
    made = simulate(tiny(), once, seed=2, withhold=1_000)
    effects = made.truth.withheld
    assert effects["person_id"].n_unique() == effects.height > 20
    of = dict(made.truth.customers.select("person_id", "effect_margin_cents").iter_rows())
    assert all(
        of[who] == effect
        for who, effect in effects.select("person_id", "effect_margin_cents").iter_rows()
    )
    assert effects["effect_purchases"].sum() > 0


def test_of_several_decisions_one_withheld_is_not_the_whole_effect():
    made = simulate(tiny(), one(), seed=2, withhold=30)
    assert made.truth.withheld.height == 30
    both = made.truth.withheld.join(made.truth.customers, on="person_id")
    assert (both["effect_margin_cents"] != both["effect_margin_cents_right"]).any()


# Bad input -------------------------------------------------------------------------------------


def test_a_store_feature_that_the_world_has_not_is_refused_before_anything_runs(tmp_path: Path):
    wrong = one(trigger={"event": "geo_enter", "when": "store_has_parking"})
    with pytest.raises(
        ParameterError,
        match=r"trigger\.when was 'store_has_parking', reads store_has_parking, must read features "
        r"that the stores of tiny have \(coffee\)",
    ):
        simulate(tiny(), wrong, seed=1, out=tmp_path / "w")


def test_a_world_too_large_says_so_with_the_figure():
    with pytest.raises(ParameterError, match=r"customers was 40000000, needs about .* of memory"):
        simulate(tiny(customers=40_000_000), seed=1)


def test_a_world_that_lasts_too_long_says_so_too():
    short, long = (tiny(customers=1_000_000, days=days) for days in (30, 3_650))
    assert needed_bytes(long) > 10 * needed_bytes(short) > 0
    with pytest.raises(ParameterError, match=r"customers was 1000000, needs about .* of memory"):
        simulate(long, seed=1)


def test_a_folder_that_holds_something_else_is_not_touched(tmp_path: Path):
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds letters\.txt"):
        simulate(tiny(), seed=1, out=tmp_path)


# One programme of several -----------------------------------------------------------------------


def test_the_only_programme_has_the_effect_of_all():
    made = simulate(tiny(), one(), seed=2)
    assert effect_of(made, "coffee").customers.equals(made.truth.customers)


def test_one_programme_of_several_has_no_effect_on_its_control(simulated: Simulation):
    effect = effect_of(simulated, "nth_purchase")
    rows = simulated.decisions().filter(programme="nth_purchase").collect()
    control = rows.filter(pl.col("arm") == "control")["person"].unique()
    treated = rows.filter("delivered")["person"].unique()
    of = dict(effect.customers.select("person_id", "effect_margin_cents").iter_rows())
    assert len(control) > 3
    assert {of[who] for who in control} == {0}
    assert any(of[who] for who in treated)
    assert {who for who, what in of.items() if what} <= set(treated)


def test_leaving_a_programme_out_frees_its_slots_and_is_not_its_effect():
    house = House.from_mapping(
        {"caps": [{"name": "one", "count": 1, "window": "7 days", "scope": "everything"}]},
        source="house.yaml",
    )
    half = {"experiment": {"holdout_share": 0.5, "salt": "a-1"}}
    both = ProgrammeSet.of([programme("a", **half), programme("b")], house)
    made = simulate(tiny(), both, seed=2)
    rows = made.decisions().filter(programme="a", arm="control").collect()
    control = pl.col("person_id").is_in(rows["person"].unique().implode())
    without = twin(tiny(), both, ProgrammeSet.of([programme("b")], house), seed=2).customers
    assert effect_of(made, "a").customers.filter(control)["effect_purchases"].unique().len() == 1
    assert without.filter(control)["effect_purchases"].unique().len() > 1


def test_the_effect_of_a_programme_that_is_not_there_names_the_nearest(simulated: Simulation):
    with pytest.raises(ParameterError, match="did you mean 'nth_purchase'"):
        effect_of(simulated, "nth_purchas")
