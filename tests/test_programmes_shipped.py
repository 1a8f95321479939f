"""The shipped programmes over a month in which everything happens that they wait for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from small_log import small_log
from workbench.decision import load_programmes
from workbench.replay import Replay, replay

SHIPPED = Path(__file__).resolve().parent.parent / "params" / "programmes"
PEOPLE = [f"p{number}" for number in range(30)]
START = datetime(2024, 3, 1, tzinfo=UTC)


def month() -> list[dict]:
    """Everybody registers, passes the shop each morning, opens the app, and buys every other day."""
    rows: list[dict] = []
    for person in PEOPLE:
        rows.append({"person_id": person, "ts": START, "type": "registration"})
        for day in range(28):
            noon = START + timedelta(days=day, hours=12)
            morning = {"ts": noon - timedelta(hours=4), "store_id": "s", "distance_m": 120.0}
            rows.append({"person_id": person, "type": "geo_enter", **morning})
            rows.append({"person_id": person, "type": "app_open", "ts": noon})
            if day % 2:
                bought = {"ts": noon + timedelta(hours=6), "amount_cents": 1200}
                rows.append({"person_id": person, "type": "purchase", **bought})
            if day % 7 == 2:
                basket = {"ts": noon + timedelta(hours=1), "amount_cents": 900}
                rows.append({"person_id": person, "type": "basket_add", **basket})
                rows.append({"person_id": person, "type": "check_in", "ts": noon})
    return sorted(rows, key=lambda row: row["ts"])


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    pairs = [(person, channel) for person in PEOPLE for channel in ("app", "email", "push")]
    hours = [START + timedelta(hours=hour) for hour in range(28 * 24)]
    tables = {
        "consent": pl.DataFrame(
            pairs, schema=["customer_id", "channel"], orient="row"
        ).with_columns(granted=pl.lit(value=True)),
        "stores": pl.DataFrame({"store_id": ["s"], "has_cafe": [True]}),
        "weather": pl.DataFrame({"hour": hours}).with_columns(
            store_id=pl.lit("s"), weather=pl.lit("rain"), temperature_c=pl.lit(4.0)
        ),
    }
    log = small_log(tmp_path_factory.mktemp("shipped"), month(), tables=tables)
    until = START + timedelta(days=120)
    return replay(log, load_programmes(SHIPPED), until=until, candidates=True)


def test_each_programme_triggers_and_gives_something(replayed: Replay):
    table = replayed.programmes.set_index("programme")
    assert (table["missing"] == "").all()
    assert (table["delivered"] + table["awarded"] > 0).all()
    assert (table["ghosts"].drop("check_in_points") > 0).all()
    assert table.loc["check_in_points", "awarded"] == 4 * len(PEOPLE)


def test_patterns_decide_at_the_instants_that_the_page_says(replayed: Replay):
    decisions = replayed.decisions().collect()

    def instants(name: str) -> set[datetime]:
        return set(decisions.filter(pl.col("programme") == name)["known_at"])

    noon = [START + timedelta(days=day, hours=12) for day in range(28)]
    assert instants("basket_left") == {noon[day] + timedelta(hours=3) for day in (2, 9, 16, 23)}
    assert instants("breakfast_coffee") == {each - timedelta(hours=3, minutes=50) for each in noon}
    last = noon[27] + timedelta(hours=6)
    assert instants("win_back") == {last + timedelta(days=60)}
    assert instants("welcome_30_days") == set(noon)
    mondays = {START + timedelta(days=3 + 7 * week, hours=9) for week in range(17)}
    assert instants("weekly_broadcast") == mondays


def test_every_candidate_has_one_reason(replayed: Replay):
    candidates = replayed.candidates().collect()
    assert candidates["reason"].null_count() == 0
    assert candidates.select("decision_id", "offer_id").is_duplicated().sum() == 0
