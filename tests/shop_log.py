"""A made-up shop whose ids can be found again and whose names hold markup. For tests of pages."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from workbench.streams import stream

MARKUP = "</script><img src=x onerror=alert(1)>"
PERSONS = 240
FLYERS = 600
DAYS = 300
MAPPING = """
name: made_up_shop
zone: Europe/Berlin
sources:
  - name: sales
    files: [sales.csv]
    format: csv
    type: {constant: purchase}
    event_id: {columns: [id]}
    ts: {column: at}
    fields:
      customer_id: customer
      store_id: store
      category: category
      amount_cents: paid
      discount_cents: discount
"""


def person_id(number: int) -> str:
    return f"person-{number:04d}-of-the-made-up-shop"


def write_shop(folder: Path) -> None:
    """Write ``sales.csv`` and ``shop.yaml``: repeat purchases, gaps, a broken row, a duplicate."""
    rng = stream(1, "made-up shop")
    rows = ["id,at,customer,store,category,paid,discount"]
    number = 0
    for person in range(PERSONS):
        day, gap = rng.uniform(0, 60), rng.gamma(2, 8)
        last = day + rng.exponential(300)
        while day < min(DAYS, last):
            hour, paid = int(rng.integers(7, 21)), rng.gamma(4, 5) + 0.5
            month, date = divmod(int(day), 30)
            rows.append(
                f"{number},2024-{month + 1:02d}-{min(date + 1, 28):02d} {hour:02d}:00:{number % 60:02d},"
                f'{person_id(person)},"store {MARKUP}","{MARKUP}",{paid:.2f},{paid * 0.1:.2f}'
            )
            number += 1
            day += rng.exponential(gap) + 0.5
    rows.append(rows[-1])
    rows.append(f'{number},2024-01-01 08:00:00,{person_id(0)},"s","c",-5.00,0.00')
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sales.csv").write_text("\n".join(rows) + "\n")
    (folder / "shop.yaml").write_text(MAPPING)
    write_flyers(folder / "flyers.parquet")


def write_flyers(path: Path) -> None:
    """Write who got a flyer: markup for a town, a flyer that works where somebody came before."""
    rng = stream(2, "flyers of the made-up shop")
    flyer, before = rng.integers(0, 3, FLYERS), rng.poisson(1.0, FLYERS)
    frame = pl.DataFrame(
        {
            "flyer": [["no flyer", "red", MARKUP][each] for each in flyer],
            "before": before,
            "town": [["a", MARKUP][each] for each in rng.integers(0, 2, FLYERS)],
            "visits": rng.poisson(0.5 + 0.8 * ((flyer == 1) & (before > 0))),
        }
    )
    frame.write_parquet(path)


def write_run_file(path: Path, shop: str, runs: str) -> None:
    """Write a run of those notebooks that read data, on the shop.

    The others (``07``, ``43``, ``45``, ``50``, ``52``) read worlds that they make, or what such a one
    made; their pages are looked at as they are committed.
    """
    places = {
        name: f"{runs}/{name}"
        for name in (
            *("log", "profile", "decisions", "comparison", "clv", "simulated"),
            *("design", "monitoring"),
        )
    }
    world = {"customers": 1_500, "days": 56}
    steps = [
        ("05_simulate_world", {**world, "simulated": f"{runs}/world"}, []),
        ("10_ingest_log", {"source": shop, "mapping": f"{shop}/shop.yaml", "parts": 2}, ["log"]),
        ("06_calibrate_world", {}, ["log", "simulated"]),
        ("20_profile_customers", {"bins": 4}, ["log", "profile"]),
        ("30_replay_log", {}, ["log", "profile", "decisions"]),
        ("31_compare_programmes", {}, ["log", "profile", "comparison"]),
        (
            "40_design_experiment",
            {"metric": "purchases", "covariates": "purchases_before", "lift": 0.5},
            ["log", "design"],
        ),
        (
            "42_monitor_experiment",
            {"programmes": "params/programmes/grocery", "first": 20},
            ["log", "decisions", "monitoring"],
        ),
        (
            "41_read_out_experiment",
            {"source": f"{runs}/world/decisions", "outcomes": f"{runs}/world/log"},
            [],
        ),
        (
            "51_learn_uplift",
            {
                "units": f"{shop}/flyers.parquet",
                "truth": "none",
                "outcome": "visits",
                "features": "before, town",
                "learners": "t",
                "propensity": "",
                "arm": "flyer",
                "control": "no flyer",
                "unit": "",
            },
            [],
        ),
        ("60_value_customers", {"holdout_days": 60}, ["log", "profile", "clv"]),
        ("61_value_of_an_offer", {}, ["log"]),
        ("90_report", {}, ["log", "profile", "decisions", "clv"]),
    ]
    path.write_text(
        json.dumps(
            {
                "name": "shop",
                "steps": [
                    {"notebook": name, "parameters": own | {key: places[key] for key in keys}}
                    for name, own, keys in steps
                ],
            }
        )
    )
