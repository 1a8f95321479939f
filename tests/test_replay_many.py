"""A thousand programmes at once: no table of programmes x events is ever in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

_CHILD = """
import json, resource, sys
sys.path.insert(0, sys.argv[1])
from make_log import make_log
from pathlib import Path
from workbench.decision import Programme
from workbench.replay import replay
count = int(sys.argv[3])
log = make_log(Path(sys.argv[2]), events=100_000, persons=5_000, parts=2)
kinds = ("geo_enter", "app_open", "basket_add", "purchase")
programmes = [
    Programme.from_mapping(
        {
            "name": f"p{n}",
            "stage": "engagement",
            "kind": "targeting",
            "trigger": {"event": kinds[n % 4], "when": f"hour = {n % 24} AND quantity IS NULL"},
            "audience": f"purchases_90d = {n % 7}",
            "offers": [{"id": f"o{n}", "value_cents": 400, "cost_cents": 125,
                        "redemption_rate": 0.3, "channel": "app"}],
            "limits": {"caps": [{"count": 1, "window": "90 days"}]},
            "experiment": {"holdout_share": 0.1, "salt": f"s{n}"},
        },
        source=f"p{n}",
    )
    for n in range(count)
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
    """100,000 events x 1,000 programmes are 100 MB for one truth value each; many would be needed.

    The decisions themselves are rows of about 400 bytes and count apart.
    """
    told = {}
    for count in (4, 1000):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                _CHILD,
                str(ROOT / "benchmarks"),
                str(tmp_path / f"{count}"),
                str(count),
            ],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        told[count] = json.loads(done.stdout.splitlines()[-1])
    assert told[1000]["decisions"] == told[1000]["triggers"] > 100 * told[4]["decisions"] > 0
    rows_mb = 1000e-6 * (told[1000]["decisions"] - told[4]["decisions"])
    assert told[1000]["more_mb"] - told[4]["more_mb"] < 250 + rows_mb
