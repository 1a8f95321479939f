"""The page on reading experiments out: its blocks run, and it names every argument."""

from __future__ import annotations

import datetime as dt
import inspect
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import workbench as wb
from workbench.decision.written import changed

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "experiments.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def tables(folder: Path) -> None:
    """Write the tables that the page reads."""
    draw, n = np.random.default_rng(1), 2_000
    before = draw.gamma(4, 500, n)
    arm = draw.permutation(np.repeat(["control", "offer"], n // 2))
    units = pl.DataFrame(
        {
            "customer": np.arange(n),
            "arm": arm,
            "before_cents": before,
            "spend_cents": before + draw.gamma(2, 300, n) + 200 * (arm == "offer"),
            "bought": draw.random(n) < 0.5,
            "visits": draw.poisson(3, n) + 1,
            "segment": draw.choice(["new", "loyal"], n),
            "day": pl.Series(draw.integers(20_500, 20_520, n)).cast(pl.Date),
            "content": draw.choice(["food", "tea"], n),
            "timing": draw.choice(["now", "later"], n),
            "seen": (before + draw.normal(0, 500, n) > 2_500) & (arm == "offer"),
        }
    )
    for name in ("units", "factorial"):
        units.write_parquet(folder / f"{name}.parquet")
    hours = [dt.datetime(2026, 5, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=5 * i) for i in range(n)]
    drawn = draw.choice(["control", "offer"], n // 12 + 1)
    orders = pl.DataFrame(
        {
            "ts": hours,
            "store": ["north"] * n,
            "arm": np.repeat(drawn, 12)[:n],
            "sales_cents": draw.gamma(2, 300, n),
        }
    )
    orders.write_parquet(folder / "orders.parquet")
    untriggered = (pl.col("arm") == "offer") & ~pl.col("seen")
    spent = pl.col("spend_cents") - 200 * untriggered
    units.with_columns(spend_cents=spent).write_parquet(folder / "triggers.parquet")


def test_every_block_runs(tmp_path, monkeypatch, example_log, example_replayed):
    tables(tmp_path)
    monkeypatch.chdir(tmp_path)
    people = example_log.codes("person")
    customers = pl.DataFrame(
        {"person_id": people, "kind": pl.int_range(len(people), eager=True) % 2}
    )
    names: dict[str, Any] = {
        "log": example_log,
        "replayed": example_replayed,
        "customers": customers,
    }
    names["house_programmes"] = changed(
        wb.load_programmes(ROOT / "params" / "programmes" / "grocery"),
        {"house.holdout": {"share": 0.25, "salt": "house"}},  # type: ignore[dict-item]  # as a file writes it
    )
    names["decisions"] = wb.replay(example_log, names["house_programmes"]).decisions()
    for block in BLOCKS:
        exec(compile(block, "docs/experiments.md", "exec"), names)  # noqa: S102 - the page's own
    assert names["read"].passed
    assert names["read"].estimate("spend_cents").value == pytest.approx(200, abs=70)
    assert len(names["factorial"].table) == 3
    assert names["window"].trust is not None
    assert names["everybody"].trust is not None
    assert names["found"].holds
    assert names["switchback"].passed
    assert names["uplift"].passed


def test_every_argument_of_the_read_out_is_named():
    arguments = set(inspect.signature(wb.read_out).parameters) - {"units"}
    named = set(re.findall(r"`(\w+)`", PAGE)) | set(re.findall(r"(\w+)=", PAGE))
    assert arguments - named == set()
