"""What a programme needs and a log lacks is said by name; the shipped programmes run all the same."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from small_log import small_log
from workbench.decision import load_programmes
from workbench.replay import replay

SHIPPED = Path(__file__).resolve().parent.parent / "params" / "programmes"
ROWS = [
    {"person_id": "ann", "ts": "2024-03-01T08:00", "type": "purchase", "amount_cents": 900},
    {"person_id": "ann", "ts": "2024-03-02T08:00", "type": "purchase", "amount_cents": 900},
    {"person_id": "bob", "ts": "2024-03-02T09:00", "type": "purchase", "amount_cents": 900},
]


def missing(tmp_path: Path, tables: dict | None = None) -> dict[str, str]:
    log = small_log(tmp_path, ROWS, tables=tables or {})
    programmes = replay(log, load_programmes(SHIPPED)).programmes
    return dict(zip(programmes["programme"], programmes["missing"], strict=True))


def test_every_shipped_programme_runs_and_says_what_the_log_lacks(tmp_path: Path):
    told = missing(tmp_path)
    assert "no `geo_enter` in this log" in told["breakfast_coffee"]
    assert "no `distance_m` in this log" in told["breakfast_coffee"]
    assert "no table `stores` in this log, from which `store_has_cafe`" in told["breakfast_coffee"]
    assert "from which `visits_30d` would come" in told["breakfast_coffee"]
    assert "no table `consent` in this log" in told["win_back"]
    assert "no `check_in` in this log" in told["check_in_points"]
    assert "no `registration` in this log" in told["welcome_30_days"]
    assert "no `basket_add` in this log" in told["basket_left"]
    assert told["nth_purchase"] == ""


def test_a_table_that_is_there_is_not_missed(tmp_path: Path):
    consent = pl.DataFrame({"customer_id": ["ann"], "channel": ["email"], "granted": [True]})
    weather = pl.DataFrame(
        {
            "store_id": ["s"],
            "hour": ["2024-03-01T08:00Z"],
            "weather": ["rain"],
            "temperature_c": [3.0],
        }
    ).with_columns(pl.col("hour").str.to_datetime(time_zone="UTC"))
    stores = pl.DataFrame({"store_id": ["s"], "has_cafe": [True]})
    told = missing(tmp_path, {"consent": consent, "weather": weather, "stores": stores})
    assert told["win_back"] == ""
    assert told["weekly_broadcast"] == ""
    for name in ("weather", "temperature_c", "stores", "consent"):
        assert f"`{name}`" not in told["breakfast_coffee"]
