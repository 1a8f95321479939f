"""How much a log holds and when: weeks and hours of the log's zone, nothing lost between them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from small_log import small_log
from workbench.errors import InputError
from workbench.log import Log, activity, hourly_share, table_sizes, weekly_events

# Monday 8 January 2024, 03:30 UTC, is Sunday 22:30 in New York: the week before.
ROWS = [
    {"ts": "2024-01-03T17:00:00", "person_id": "ann"},
    {"ts": "2024-01-08T03:30:00", "person_id": "ann"},
    {"ts": "2024-01-08T12:00:00", "person_id": "bob", "type": "app_open"},
    {"ts": "2024-01-24T17:59:59", "person_id": "bob"},
]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    tables = {"stores": pl.DataFrame({"store_id": ["s1", "s2"], "city": ["Basel", "Bern"]})}
    return small_log(tmp_path, ROWS, "America/New_York", tables=tables)


def by_week(log: Log) -> dict[tuple[str, str], int]:
    rows = weekly_events(log)
    weeks = [f"{week:%Y-%m-%d}" for week in rows["week"]]
    return dict(zip(zip(rows["type"], weeks, strict=True), rows["events"], strict=True))


def test_events_count_in_the_local_week_and_a_week_without_an_event_has_zero(log: Log):
    assert by_week(log) == {
        ("app_open", "2024-01-01"): 0,
        ("app_open", "2024-01-08"): 1,
        ("app_open", "2024-01-15"): 0,
        ("app_open", "2024-01-22"): 0,
        ("purchase", "2024-01-01"): 2,
        ("purchase", "2024-01-08"): 0,
        ("purchase", "2024-01-15"): 0,
        ("purchase", "2024-01-22"): 1,
    }


def weeks_add_up(log: Log) -> bool:
    return weekly_events(log).groupby("type")["events"].sum().to_dict() == log.counts


def test_the_weeks_of_a_type_add_up_to_its_events(log: Log):
    assert weeks_add_up(log)


@pytest.mark.parametrize("fault", ["utc weeks", "weeks lost"])
def test_a_planted_fault_in_the_weeks_is_seen(
    log: Log, monkeypatch: pytest.MonkeyPatch, fault: str
):
    right, local_week = by_week(log), activity.local_week
    if fault == "utc weeks":
        monkeypatch.setattr(activity, "local_week", lambda ts, _zone: local_week(ts, "UTC"))
        assert by_week(log) != right
    else:
        monkeypatch.setattr(
            activity, "local_week", lambda ts, zone: local_week(ts, zone) + pl.duration(days=3)
        )
        assert [f"{week:%a}" for week in weekly_events(log)["week"][:1]] != ["Mon"]


def test_hours_are_those_of_the_wall_and_their_shares_sum_to_one(log: Log):
    hours = hourly_share(log)
    assert hours["hour"].tolist() == list(range(24))
    assert hours["share"].sum() == pytest.approx(1)
    there = hours[hours["share"] > 0].set_index("hour")
    assert there["share"].to_dict() == pytest.approx({12: 2 / 3, 22: 1 / 3})
    assert there["daypart"].to_dict() == {12: "lunch", 22: "evening"}


def test_hours_of_a_type_that_the_log_has_not_are_not_enough_data(log: Log):
    with pytest.raises(InputError, match="no `purchas` in this log — did you mean 'purchase'"):
        hourly_share(log, "purchas")


def test_an_empty_log_has_no_week_and_says_so(tmp_path: Path):
    empty = small_log(tmp_path, [])
    with pytest.raises(InputError, match="not enough data: the log has no event"):
        weekly_events(empty)
    with pytest.raises(InputError, match="no `purchase` in this log"):
        hourly_share(empty)


def test_reference_tables_are_counted_with_their_columns(log: Log, tmp_path: Path):
    assert table_sizes(log).to_dict("list") == {
        "table": ["stores"],
        "rows": [2],
        "columns": ["store_id, city"],
    }
    none = table_sizes(small_log(tmp_path, ROWS, name="bare"))
    assert none.columns.tolist() == ["table", "rows", "columns"]
    assert none.empty


def test_a_week_that_a_type_covers_in_part_is_not_whole(log: Log):
    """Purchases run from Wednesday 3 to Wednesday 24 January; the first app_open is on the 8th."""
    rows = weekly_events(log)
    whole = rows[rows["whole"]]
    weeks = {kind: [f"{week:%d}" for week in days] for kind, days in whole.groupby("type")["week"]}
    assert weeks == {"purchase": ["08", "15"], "app_open": ["08", "15"]}
