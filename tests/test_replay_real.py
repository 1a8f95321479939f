"""The shipped programmes over the real log, held against a plain pandas loop."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from workbench.buckets import hash_v2
from workbench.decision import load_programmes
from workbench.log import Log, ingest, open_log
from workbench.replay import replay

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    folder = tmp_path_factory.mktemp("complete_journey")
    ingest("complete_journey", "complete_journey", folder)
    return open_log(folder)


def purchases_of(log: Log) -> pd.DataFrame:
    """Return the purchases with their number, gap and local day, by pandas."""
    frame = log.to_pandas(columns=["event_id", "ts", "person_id"], types=["purchase"])
    frame["day"] = frame["ts"].dt.tz_convert(log.zone).dt.tz_localize(None).dt.normalize()
    frame["number"] = frame.groupby("person_id").cumcount() + 1
    frame["gap_days"] = frame.groupby("person_id")["day"].diff().dt.days
    return frame


@pytest.mark.slow
def test_the_first_purchase_after_60_days_away_is_what_a_pandas_loop_finds(real_log: Log):
    """Trigger by groupby and diff, limits by looking back over a list: no code is shared."""
    (programme,) = load_programmes(ROOT / "params" / "programmes" / "grocery" / "welcome_back.yaml")
    frame = purchases_of(real_log)
    triggers = frame[frame["gap_days"] >= 60]
    taken: dict[str, list[pd.Timestamp]] = {}
    wanted = {}
    for row in triggers.itertuples():
        last = taken.setdefault(row.person_id, [])
        if row.number < 3:
            wanted[row.event_id] = "not_in_audience"
        elif any(row.ts - before < pd.Timedelta(days=180) for before in last):
            wanted[row.event_id] = "cap_reached"
        else:
            last.append(row.ts)
            held_out = hash_v2("welcome-back-1", row.person_id) < 0.2
            wanted[row.event_id] = "held_out" if held_out else "offered"
    result = replay(real_log, [programme])
    decided = result.decisions().select("event_id", "reason").collect()
    assert dict(decided.iter_rows()) == wanted
    assert set(wanted.values()) == {"not_in_audience", "cap_reached", "held_out", "offered"}
    offers = sum(reason == "offered" for reason in wanted.values())
    assert result.committed_cost_cents == offers * 100  # 500 cents at a redemption rate of 0.2
    assert result.events == 1_633_846


@pytest.mark.slow
def test_every_shipped_programme_finds_its_events_and_adds_up(real_log: Log):
    result = replay(real_log, load_programmes(ROOT / "params" / "programmes" / "grocery"))
    assert result.programmes["missing"].tolist() == ["", "", ""]
    assert (result.programmes["delivered"] > 100).all()
    by_programme = result.funnel.groupby("programme")["decisions"].sum()
    triggers = result.programmes.set_index("programme")["triggers"]
    assert by_programme.to_dict() == triggers.to_dict()
    numbers = purchases_of(real_log)["number"]
    assert triggers["nth_purchase"] == numbers.isin([5, 10, 20, 40]).sum()
    control = result.programmes["ghosts"] / (
        result.programmes["ghosts"] + result.programmes["delivered"]
    )
    assert control.between(0.05, 0.25).all()
