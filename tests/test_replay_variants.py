"""Several programme sets side by side: the same figures as each alone, and what is refused."""

from __future__ import annotations

import itertools
import shlex
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_log import small_log
from test_replay_log import programme
from workbench.decision import load_programmes
from workbench.decision.house import ProgrammeSet
from workbench.decision.written import Value, changed
from workbench.errors import ParameterError
from workbench.log import Log
from workbench.replay import log_replay, replay, sweep, vary
from workbench.replay.job import columns_key
from workbench.replay.variants import side_by_side

ROOT = Path(__file__).parents[1]
ROWS = [
    {"ts": f"2024-01-{day:02d}T12:00:00", "person_id": person, "amount_cents": 100 * day}
    for day in range(1, 15)
    for person in ("ann", "bob", "cat")
]
FIGURES = ("triggers", "delivered", "persons", "ghosts", "committed_cost_cents")


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return small_log(tmp_path, ROWS, parts=2)


def figures(replayed) -> list[list[int]]:
    return replayed.programmes[list(FIGURES)].to_numpy().tolist()


CHANGES: dict[str, list[Value]] = {
    "often.limits.cooldown": [None, "1 day", "3 days"],
    "often.limits.concurrency": [None, 1],
    "often.budget.amount_cents": [200, 500, 100_000],
    "often.offers.0.cost_cents": [1, 99],
    "often.offers.0.redemption_rate": [0.1, 1.0],
    "often.offers.0.inventory": [None, 3],
    "often.audience": [None, "amount_cents > 700"],
    "often.experiment.holdout_share": [0.0, 0.5],
    "house.slot": [1, 2],
}


@given(
    wanted=st.lists(
        st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in CHANGES.items()}),
        min_size=1,
        max_size=4,
    ),
    days=st.lists(st.tuples(st.integers(1, 9), st.sampled_from("abc")), max_size=20),
)
@settings(deadline=None, max_examples=25)
def test_sweep_gives_the_figures_and_decisions_of_each_replay_alone(
    wanted: list[dict[str, Value]], days: list[tuple[int, str]]
):
    rows = [
        {"ts": f"2024-01-0{day}T12:00:00", "person_id": person, "amount_cents": 300 * day}
        for day, person in sorted(days)
    ]
    base = ProgrammeSet.of([programme()])
    variants = {str(k): changed(base, each) for k, each in enumerate(wanted)}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_replay, "LEAST_ROWS", 1)
        log = small_log(Path(folder), rows, parts=2)
        swept, kept = sweep(log, variants), side_by_side(log, variants)
        for label, programmes in variants.items():
            alone = replay(log, programmes)
            mine = swept.programmes[swept.programmes["label"] == label]
            named = ["triggers", "delivered", "persons_reached", "ghosts", "committed_cents"]
            assert mine[named].to_numpy().tolist() == figures(alone)
            assert kept[label].decisions().collect().equals(alone.decisions().collect())


def test_columns_key_differs_where_a_decision_reads_other_columns():
    base = ProgrammeSet.of([programme()])
    key = columns_key(base, answered=False)
    for path, values in CHANGES.items():
        shared = path.rsplit(".", 1)[-1] not in ("audience", "holdout_share")
        other = columns_key(changed(base, {path: values[-1]}), answered=False)
        assert (other == key) == shared, path


def test_a_planted_fault_in_the_key_is_caught_by_the_comparison(
    log: Log, monkeypatch: pytest.MonkeyPatch
):
    from workbench.replay import variants as module  # noqa: PLC0415 - the module whose name is replaced

    monkeypatch.setattr(module, "columns_key", lambda programmes, answered: "the same")
    sets = vary([programme()], "often.audience", [None, "amount_cents > 900"])
    swept = sweep(log, sets)
    alone = replay(log, sets["amount_cents > 900"])
    assert int(swept.table["delivered"][1]) != int(alone.programmes["delivered"].sum())


def test_sweep_prepares_a_window_once_for_all_limits(log: Log, monkeypatch: pytest.MonkeyPatch):
    from workbench.replay import part  # noqa: PLC0415 - same

    calls: list[object] = []
    whole = part.prepare_part
    monkeypatch.setattr(
        part, "prepare_part", lambda *a, **k: (calls.append(a[0]), whole(*a, **k))[1]
    )
    sweep(log, vary([programme()], "often.limits.cooldown", ["1 day", "2 days", "3 days"]))
    assert len(calls) == len(log.parts)


def test_sweep_table_says_what_each_more_customer_costs(log: Log):
    swept = sweep(log, vary([programme(audience=None)], "often.offers.0.inventory", [1, 2, 20, 30]))
    assert swept.table["persons_reached"].is_monotonic_increasing
    assert swept.table["per_more_customer_cents"].isna()[0]
    best = swept.within(int(swept.table["committed_cents"].max()))
    assert best["persons_reached"] == swept.table["persons_reached"].max()
    with pytest.raises(ParameterError, match="must be at least"):
        swept.within(-1)


def test_sweep_of_programmes_that_send_nothing_is_not_enough_data(log: Log):
    swept = sweep(log, {"never": [programme(audience="amount_cents > 99999")]})
    assert swept.text.startswith("Not enough data")
    assert swept.table["contacts_per_customer"].isna().all()


def test_progress_of_a_sweep_counts_windows_of_all_groups(log: Log):
    seen: list[tuple[int, int]] = []
    sets = vary([programme()], "often.audience", [None, "amount_cents > 900"])
    sweep(log, sets, progress=lambda done, of: seen.append((done, of)), workers=1)
    assert seen == [(k, 4) for k in range(1, 5)]


@pytest.mark.parametrize(
    ("values", "rule"),
    [([], "values was empty"), (["1 day", "1 day"], "must name each value once")],
)
def test_vary_refuses_no_value_and_one_value_twice(values: list[Value], rule: str):
    with pytest.raises(ParameterError, match=rule):
        vary([programme()], "often.limits.cooldown", values)


def test_sweep_refuses_no_variant(log: Log):
    with pytest.raises(ParameterError, match="variants was empty"):
        sweep(log, {})


def test_decisions_of_a_sweep_stay_lazy_frames_of_the_contract(log: Log):
    kept = side_by_side(log, {"one": [programme()]})
    assert isinstance(kept["one"].decisions(), pl.LazyFrame)


def test_vary_reads_a_text_of_values_as_a_programme_file_would():
    sets = vary([programme()], "often.limits.cooldown", "1 day, 36 h, null")
    assert [each[0].limits.cooldown for each in sets.values()] == [
        86_400_000_000,
        36 * 3_600_000_000,
        None,
    ]
    assert list(sets) == ["1 day", "36 h", "none"]
    with pytest.raises(ParameterError, match="must be single values with commas between"):
        vary([programme()], "often.limits.cooldown", "{a: 1}, 2")
    with pytest.raises(ParameterError, match="values was empty"):
        vary([programme()], "often.limits.cooldown", " , ")


def test_every_sweep_of_the_readme_can_be_swept():
    said = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [shlex.split(line) for line in said.splitlines() if "workbench sweep" in line]
    assert commands
    for words in commands:
        named = dict(itertools.pairwise(words))
        programmes = load_programmes(ROOT / named["--programme"])
        swept = vary(programmes, named["--key"], named["--values"])
        assert len({each.digest for each in swept.values()}) == len(named["--values"].split(","))
