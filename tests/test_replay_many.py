"""A thousand programmes at once: no table of programmes x events is ever in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

_CHILD = """
import json, resource, subprocess, sys
from workbench.decision import Programme
from workbench.log import open_log
from workbench.replay import replay
made = ["--events", sys.argv[3], "--persons", "2000", "--parts", "2"]
subprocess.run([sys.executable, sys.argv[1], sys.argv[2], *made], stdout=sys.stderr, check=True)
log = open_log(sys.argv[2])
rare = "(distance_m < 40 OR amount_cents < 150 OR temperature_c < -2 OR quantity = 3)"
kinds = ("geo_enter", "app_open", "basket_add", "purchase")
programmes = [
    Programme.from_mapping(
        {
            "name": f"p{n}",
            "stage": "engagement",
            "kind": "targeting",
            "trigger": {"event": kinds[n % 4], "when": f"hour = {n % 24} AND weekday = 'monday' AND {rare}"},
            "audience": f"purchases_90d = {n % 7}",
            "offers": [{"id": f"o{n}", "value_cents": 400, "cost_cents": 125,
                        "redemption_rate": 0.3, "channel": "app"}],
            "limits": {"caps": [{"count": 1, "window": "90 days"}]},
            "experiment": {"holdout_share": 0.1, "salt": f"s{n}"},
        },
        source=f"p{n}",
    )
    for n in range(1000)
]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
result = replay(log, programmes)
print(json.dumps({
    "more_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before,
    "decisions": int(result.funnel["decisions"].sum()),
    "triggers": int(result.programmes["triggers"].sum()),
}))
"""


@pytest.mark.slow
def test_a_thousand_programmes_need_no_table_of_programmes_by_events(tmp_path):
    """200,000 events more would be 200 MB more for one truth value of each programme.

    The decisions are rows of about 700 bytes while they are made, and count apart; what grows with
    persons x programmes (the state) is the same in both.
    """
    told = {}
    for events in (50_000, 250_000):
        done = subprocess.run(
            [
                *(sys.executable, "-c", _CHILD, str(ROOT / "benchmarks" / "make_log.py")),
                *(str(tmp_path / f"{events}"), str(events)),
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        told[events] = json.loads(done.stdout.splitlines()[-1])
    few, many = told.values()
    assert many["decisions"] == many["triggers"] > 2 * few["decisions"] > 500
    rows_mb = 700e-6 * (many["decisions"] - few["decisions"])
    assert many["more_mb"] - few["more_mb"] < 120 + rows_mb
