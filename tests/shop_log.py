"""A made-up shop whose ids can be found again and whose names hold markup. For tests of pages."""

from __future__ import annotations

import json
from pathlib import Path

from workbench.streams import stream

MARKUP = "</script><img src=x onerror=alert(1)>"
PERSONS = 240
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


def write_run_file(path: Path, shop: str, runs: str) -> None:
    """Write a run of the notebooks on the shop."""
    places = {
        name: f"{runs}/{name}"
        for name in (
            *("log", "profile", "decisions", "comparison", "clv", "simulated"),
            *("design", "monitoring", "calibration"),
        )
    }
    world = {"customers": 1_500, "days": 56}
    steps = [
        ("05_simulate_world", {**world, "simulated": f"{runs}/world"}, []),
        ("07_reenact_claims", {**world, "arrivals_per_day": 10.0}, []),
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
        ("43_trust_the_read_out", {"experiments": 20}, ["calibration"]),
        (
            "45_simulate_offers",
            {"customers": 2_000, "days": 42, "experiment": f"{runs}/offers"},
            [],
        ),
        (
            "50_fit_uplift",
            {
                "units": f"{runs}/offers/units.parquet",
                "truth": f"{runs}/offers/truth.parquet",
                "by": "basket, frequency",
                "uplift": f"{runs}/uplift",
            },
            [],
        ),
        (
            "52_choose_policy",
            {
                "uplift": f"{runs}/uplift",
                "triggers": f"{runs}/offers/triggers.parquet",
                "policy": f"{runs}/policy/policy.yaml",
                "budget_cents": 40_000.0,
                "customers": 1_500.0,
                "world_customers": 1_500,
                "world_days": 42,
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
