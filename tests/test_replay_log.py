"""A replay over a stored log: figures, stored files, bad input, going on from a state."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from small_log import small_log
from workbench.buckets import bucket_10000
from workbench.decision import CoreState, Programme
from workbench.decision import state as state_module
from workbench.errors import InputError, LockedError, ParameterError, WorkbenchError
from workbench.files import locked
from workbench.log import Log
from workbench.records import Event
from workbench.replay import DecisionCore, load_state, part, replay
from workbench.replay.part import DECISIONS_SCHEMA


def programme(name: str = "often", **changes: object) -> Programme:
    values: dict[str, object] = {
        "name": name,
        "stage": "engagement",
        "kind": "targeting",
        "trigger": {"event": "purchase", "when": "purchase_number >= 2"},
        "audience": "amount_cents >= 500",
        "offers": [
            {
                "id": "coffee",
                "value_cents": 400,
                "cost_cents": 125,
                "redemption_rate": 0.3,
                "channel": "app",
            }
        ],
        "limits": {"cooldown": "3 days"},
        "experiment": {"unit": "customer", "holdout_share": 0.25, "salt": "s5"},
    }
    return Programme.from_mapping({**values, **changes}, source=name)


ROWS = [
    {"ts": f"2024-01-{day:02d}T12:00:00", "person_id": person, "amount_cents": 480 + 10 * day}
    for day in range(1, 9)
    for person in ("eve", "bob", "cleo", "dän")
]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return small_log(tmp_path, ROWS)


def counts(result) -> dict[str, int]:
    rows = result.funnel[result.funnel["decisions"] > 0]
    return dict(zip(rows["reason"], rows["decisions"], strict=True))


def test_the_figures_of_a_small_replay_are_those_counted_by_hand(log: Log):
    """Purchases 2 to 8 of four persons; from the second day on the amount is 500 or more.

    Each takes the offer on days 2, 5 and 8: the cooldown is three days.
    """
    held = [p for p in ("eve", "bob", "cleo", "dän") if bucket_10000("s5", p) < 2500]
    result = replay(log, [programme()])
    per_person = {"cooldown": 4 * 4, "held_out": 3 * len(held), "offered": 3 * (4 - len(held))}
    assert counts(result) == {reason: n for reason, n in per_person.items() if n}
    assert 0 < len(held) < 4
    offers = per_person["offered"]
    assert result.committed_cost_cents == round(offers * 125 * 0.3)
    assert result.persons_reached == 4 - len(held)
    assert result.events == 32
    row = result.programmes.iloc[0]
    assert (row["considered"], row["triggers"]) == (32, 28)
    assert result.funnel["decisions"].sum() == 28
    assert result.funnel["share"].sum() == pytest.approx(1)
    assert result.text.startswith(f"The programmes would have sent {offers} offers to ")
    refused = 16 + per_person["held_out"]
    assert (
        f"32 events triggered 28 decisions; {refused} ended without an offer: 16 in the cooldown and "
        f"{per_person['held_out']} held out for comparison." in result.text
    )
    assert result.headline == f"{offers / 28:.1%} of 28 triggers end in an offer"


def test_reasons_across_programmes_add_up_to_the_triggers(log: Log):
    result = replay(log, [programme()])
    across = result.by_reason
    *reasons, total = across["all programmes"]
    assert sum(reasons) == total == 28
    assert across["reason"].tolist()[-1] == "all triggers"
    assert 0 not in reasons


def test_decisions_in_memory_and_stored_are_the_same_rows(log: Log, tmp_path: Path):
    kept = replay(log, [programme()])
    stored = replay(log, [programme()], out=tmp_path / "out")
    assert kept.decisions().collect().equals(stored.decisions().collect())
    assert stored.decisions().collect_schema() == DECISIONS_SCHEMA
    assert (kept.digest, len(stored.digest)) == ("", 64)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["summary"]["log_digest"] == log.digest
    assert manifest["digest"] == stored.digest


def test_a_second_replay_replaces_the_files_of_the_first_and_leaves_no_other(
    log: Log, tmp_path: Path
):
    replay(log, [programme()], out=tmp_path / "out")
    second = replay(log, [programme(audience=None)], out=tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    named = {entry["file"] for entry in [*manifest["parts"], manifest["state"]]}
    assert {p.name for p in (tmp_path / "out").iterdir()} == named | {"manifest.json", ".lock"}
    assert manifest["digest"] == second.digest


def test_an_interrupted_replay_leaves_the_old_decision_log_whole(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    old = replay(log, [programme()], out=tmp_path / "out").decisions().collect()
    inner = part.prepare_part

    def full_disk(path, *given, **named):
        if path == log.parts[-1]:
            raise OSError(28, "No space left on device")
        return inner(path, *given, **named)

    monkeypatch.setattr(part, "prepare_part", full_disk)
    with pytest.raises(OSError, match="No space left"):
        replay(log, [programme(audience=None)], out=tmp_path / "out", workers=1)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    files = [tmp_path / "out" / entry["file"] for entry in manifest["parts"]]
    assert pl.scan_parquet(files).collect().equals(old)


def test_a_folder_that_another_process_writes_is_refused(log: Log, tmp_path: Path):
    with locked(tmp_path / "out"), pytest.raises(LockedError, match="is being written by another"):
        replay(log, [programme()], out=tmp_path / "out")


def test_progress_counts_the_parts(log: Log):
    seen: list[tuple[int, int]] = []
    replay(log, [programme()], progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2), (2, 2)]


def test_a_local_condition_is_read_on_the_clock_of_the_log(tmp_path: Path):
    rows = [{"ts": f"2024-07-0{d}T16:30:00", "person_id": "eve", "channel": c, "amount_cents": 1}
            for d, c in ((6, "app"), (7, None), (8, "app"), (9, "till"))]  # fmt: skip
    condition = "daypart = 'lunch' AND hour = 12 AND weekday = 'monday' AND channel = 'app'"
    one = programme(trigger={"event": "purchase", "when": condition}, audience=None)
    new_york = replay(small_log(tmp_path, rows, "America/New_York", name="ny"), [one])
    assert new_york.decisions().select("event_id").collect().to_series().to_list() == ["e2"]
    utc = replay(small_log(tmp_path, rows, "UTC", name="utc"), [one])
    assert utc.decisions().collect().is_empty()
    core = DecisionCore([one], zone="America/New_York")
    for number, row in enumerate(rows):
        instant_us = int(datetime.fromisoformat(row["ts"]).replace(tzinfo=UTC).timestamp() * 1e6)
        event = Event(
            f"e{number}", number, instant_us, instant_us, "eve", "purchase", channel=row["channel"]
        )
        assert len(core.decide(event)) == (number == 2)


def test_an_event_type_or_column_that_the_log_lacks_is_reported(log: Log):
    result = replay(
        log,
        [
            programme("near_the_cafe", trigger={"event": "geo_enter", "when": "distance_m < 300"}),
            programme("typo", trigger={"event": "purchas"}),
            programme("rainy", audience="weather = 'rain'"),
        ],
    )
    missing = dict(zip(result.programmes["programme"], result.programmes["missing"], strict=True))
    assert missing["near_the_cafe"] == "no `geo_enter` in this log; no `distance_m` in this log"
    assert missing["typo"] == "no `purchas` in this log — did you mean 'purchase'?"
    assert missing["rainy"] == "no `weather` in this log"
    assert "Programme near_the_cafe: no `geo_enter` in this log." in result.text
    assert counts(result) == {"audience_unknown": 28}


def test_a_log_without_purchases_says_where_features_would_come_from(tmp_path: Path):
    opened = [{"ts": "2024-01-01", "person_id": "eve", "type": "app_open"}]
    one = programme(trigger={"event": "app_open", "when": "purchases_90d >= 1"}, audience=None)
    result = replay(small_log(tmp_path, opened), [one])
    assert result.programmes["missing"][0] == (
        "no `purchase` in this log, from which `purchases_90d` would come"
    )
    assert result.text.startswith("Not enough data: none of 1 event triggered a programme.")


def test_an_empty_log_is_not_enough_data(tmp_path: Path):
    result = replay(small_log(tmp_path, []), [programme()])
    assert result.text.startswith("Not enough data")
    assert result.funnel["decisions"].sum() == 0
    assert result.funnel["share"].isna().all()
    assert result.decisions().collect().schema == DECISIONS_SCHEMA


def test_the_funnel_by_group_adds_up_to_the_funnel(log: Log):
    result = replay(log, [programme()])
    groups = pd.DataFrame({"person_id": ["eve", "bob"], "segment": ["gold", "gold"]})
    by = result.funnel_by(groups, "segment")
    assert by["decisions"].sum() == result.funnel["decisions"].sum()
    assert by.groupby("segment")["decisions"].sum().to_dict() == {"gold": 14, "not known": 14}
    with pytest.raises(
        ParameterError, match="column was 'tier', must be one of person_id, segment"
    ):
        result.funnel_by(groups, "tier")
    with pytest.raises(InputError, match="some person_id occurs twice"):
        result.funnel_by(pd.concat([groups, groups]), "segment")


def test_reasons_that_do_not_add_up_stop_the_replay(log: Log, monkeypatch: pytest.MonkeyPatch):
    whole = part.rows_frame
    monkeypatch.setattr(part, "rows_frame", lambda made: whole(made).head(1))
    with pytest.raises(WorkbenchError, match="often: 28 triggers, but 2 decisions with a reason"):
        replay(log, [programme()])


def test_programmes_are_checked_before_the_log_is_read(log: Log):
    with pytest.raises(ParameterError, match="no programme was given"):
        replay(log, [])
    with pytest.raises(ParameterError, match="programme name was 'often', must be unique"):
        replay(log, [programme(), programme()])
    with pytest.raises(
        ParameterError, match=r"until was '2024-01-01T00:00:00', must be an instant"
    ):
        replay(log, [programme()], until=datetime(2024, 1, 1))  # noqa: DTZ001 - the fault
    with pytest.raises(ParameterError, match="workers was 0, must be at least 1"):
        replay(log, [programme()], workers=0)


def test_a_log_out_of_order_is_refused(log: Log):
    frame = pl.read_parquet(log.parts[0])
    frame.reverse().write_parquet(log.parts[0])
    with pytest.raises(InputError, match=r"part-00000.parquet is out of order: event 'e\d+' comes"):
        replay(log, [programme()])
    frame.with_columns(seq=pl.lit(7, pl.Int64), known_at=pl.col("known_at").first()).write_parquet(
        log.parts[0]
    )
    with pytest.raises(InputError, match="out of order"):
        replay(log, [programme()])


def test_an_event_known_before_it_happened_is_refused_in_columns_and_one_at_a_time(log: Log):
    frame = pl.read_parquet(log.parts[0])
    frame.with_columns(ts=pl.col("ts") + pl.duration(days=400)).write_parquet(log.parts[0])
    error = r"event 'e\d+' was known before it happened; known_at must not lie before ts"
    with pytest.raises(InputError, match=error):
        replay(log, [programme()])
    with pytest.raises(InputError, match=error):
        DecisionCore([programme()], zone="UTC").decide(Event("e1", 0, 2, 1, "eve", "purchase"))


def test_a_person_in_two_parts_or_without_a_code_is_refused(log: Log):
    first = pl.read_parquet(log.parts[0])
    first.write_parquet(log.parts[1])
    with pytest.raises(InputError, match="persons lie in more than one part of the log"):
        replay(log, [programme()])
    first.with_columns(person=pl.lit(99, pl.Int32)).write_parquet(log.parts[0])
    with pytest.raises(InputError, match="names a person that the code book of 4 does not have"):
        replay(log, [programme()])


def test_going_on_from_a_saved_state_gives_the_decisions_of_one_piece(log: Log, tmp_path: Path):
    noon = datetime(2024, 1, 5, 12, tzinfo=UTC)
    whole = replay(log, [programme()])
    head = replay(log, [programme()], until=noon, out=tmp_path / "head")
    tail = replay(log, [programme()], state=tmp_path / "head")
    assert head.events + tail.events == whole.events
    assert head.decisions().collect()["known_at"].max() < noon
    both = pl.concat([head.decisions().collect(), tail.decisions().collect()])
    assert both.sort("decision_id").equals(whole.decisions().collect().sort("decision_id"))
    again = replay(log, [programme()], state=tail.state)
    assert again.decisions().collect().is_empty()
    with pytest.raises(ParameterError, match="a replay goes forward only"):
        replay(log, [programme()], state=tail.state, until=noon)


def test_a_state_of_another_programme_or_version_is_refused(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    replay(log, [programme()], out=tmp_path / "out")
    other = programme(audience=None)
    with pytest.raises(
        InputError, match=r"saved by often \(digest .{12}\), house .* must be by often \(digest"
    ):
        replay(log, [other], state=tmp_path / "out")
    with pytest.raises(InputError, match="the state was saved by often"):
        DecisionCore([other], load_state(tmp_path / "out"), zone="UTC")
    monkeypatch.setattr(state_module, "SPEC_VERSION", 99)
    with pytest.raises(InputError, match=r"spec_version of the state was \d+, must be 99"):
        replay(log, [programme()], state=tmp_path / "out")


def test_a_state_that_is_missing_changed_or_cut_short_is_refused(log: Log, tmp_path: Path):
    with pytest.raises(InputError, match="holds no decision log"):
        load_state(tmp_path / "nothing")
    out = tmp_path / "out"
    replay(log, [programme()], out=out)
    file = out / json.loads((out / "manifest.json").read_text())["state"]["file"]
    content = file.read_bytes()
    file.write_bytes(content[:-9] + b"x" + content[-8:])
    with pytest.raises(InputError, match="is not the state that was saved"):
        load_state(out)
    file.write_bytes(content[:-9])
    with pytest.raises(InputError, match="is missing or cut short"):
        load_state(out)
    (out / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="not readable as JSON"):
        load_state(out)


def test_one_event_behind_the_last_is_refused_and_changes_nothing():
    core = DecisionCore([programme()], zone="UTC")
    core.decide(Event("e1", 1, 10, 10, "eve", "purchase", amount_cents=500))
    before = core.state
    for late in (
        Event("e0", 0, 9, 9, "eve", "purchase"),
        Event("e1", 1, 10, 10, "eve", "purchase"),
    ):
        assert core.decide(late) == ()
    assert core.refused == 2
    assert core.state.persons.equals(before.persons)
    assert core.state.position == before.position == (10, 2)


def test_a_person_not_in_the_log_stays_in_the_state(log: Log):
    core = DecisionCore([programme()], zone="UTC")
    core.decide(Event("e0", 0, 0, 0, "zoe", "purchase", amount_cents=700))
    after = replay(log, [programme()], state=core.state).state
    assert after.persons["person_id"].to_list() == ["bob", "cleo", "dän", "eve", "zoe"]
    kept = after.persons.filter(pl.col("person_id") == "zoe")
    assert kept.equals(core.state.persons)


def test_many_programmes_at_once_take_part_in_one_pass(log: Log):
    many = [programme(f"p{number}") for number in range(120)]
    result = replay(log, many)
    assert result.programmes["triggers"].tolist() == [28] * 120
    assert result.decisions().collect()["decision_id"].n_unique() == 28 * 120
    assert isinstance(result.state, CoreState)
