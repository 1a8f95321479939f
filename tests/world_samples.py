"""Small worlds and programmes for tests of the simulator. Owns no check."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from workbench.decision.house import House, ProgrammeSet
from workbench.decision.programme import Programme
from workbench.replay.part import DECISIONS_SCHEMA
from workbench.world.loop import Loop
from workbench.world.memory import E_HASH, E_PERSON, E_TS, E_TYPE, PURCHASE, SKIPPED
from workbench.world.parameters import World, load_world
from workbench.world.stretch import Stretch

ROOT = Path(__file__).parents[1]


def tiny(*, customers: int = 120, days: int = 21) -> World:
    """Return the world for tests, smaller still."""
    return load_world(ROOT / "params/worlds/tiny.yaml").sized(customers=customers, days=days)


def altered(changes: dict[str, Any], *, customers: int = 80, days: int = 14) -> World:
    """Return the world for tests with other values.

    Args:
        changes: Values by keys with dots, such as ``calendar.season``; in a list each one is meant.
        customers: Customers at the start; nobody arrives later unless a change says so.
        days: Days.
    """
    values = yaml.safe_load((ROOT / "params/worlds/tiny.yaml").read_text())
    size = {"customers": customers, "days": days, "arrivals_per_day": 0.0}
    for key, value in {**size, **changes}.items():
        *way, last = key.split(".")
        inner = [values]
        for name in way:
            found = [each.setdefault(name, {}) for each in inner]
            inner = [each for one in found for each in (one if isinstance(one, list) else [one])]
        for each in inner:
            each[last] = value
    return World.from_mapping(values, source="altered")


def programme(name: str = "coffee", **keys: Any) -> Programme:
    """Return a programme that gives money off at an opening of the app."""
    values: dict[str, Any] = {
        "name": name,
        "stage": "engagement",
        "kind": "targeting",
        "trigger": {"event": "app_open"},
        "offers": [
            {
                "id": f"{name}_off",
                "value_cents": 500,
                "cost_cents": 200,
                "redemption_rate": 0.2,
                "channel": "app",
                "validity": "3 days",
            }
        ],
        "limits": {"caps": [{"count": 1, "window": "3 days"}]},
        "consent": "required",
        "experiment": {"holdout_share": 0, "salt": f"{name}-1"},
    }
    return Programme.from_mapping({**values, **keys}, source=f"{name}.yaml")


def one(**keys: Any) -> ProgrammeSet:
    """Return one programme in a house without rules."""
    return ProgrammeSet.of([programme(**keys)], House())


@dataclass(frozen=True, eq=False)
class Lived:
    """A world that went on to its end.

    Attributes:
        rows: Purchases made and missed, x ``E_``, by customer, then by time.
        events: Everything that happened, by customer, then by time.
        decisions: The decision log, in the order of its ids.
        loop: The world behind its last day.
    """

    rows: np.ndarray
    events: pl.DataFrame
    decisions: pl.DataFrame
    loop: Loop

    @property
    def purchases(self) -> np.ndarray:
        """The purchases."""
        return self.rows[self.rows[:, E_TYPE] == PURCHASE]

    @property
    def missed(self) -> np.ndarray:
        """Purchases that would have happened and did not."""
        return self.rows[self.rows[:, E_TYPE] == SKIPPED]

    def of(self, persons: list[int]) -> pl.DataFrame:
        """Return what happened to some customers."""
        return self.events.filter(pl.col("person").is_in(persons)).drop("channel")

    def untouched(self) -> list[int]:
        """Return the customers to whom nothing was delivered."""
        reached = set(self.decisions.filter("delivered")["person"].to_list())
        ids = self.loop.population.ids.to_list()
        return [k for k, name in enumerate(ids) if name not in reached]


def lived(
    world: World, programmes: ProgrammeSet | None, seed: int = 1, *, workers: int = 1, **more: Any
) -> Lived:
    """Let a world go on to its end."""
    loop = Loop(world, programmes, seed, **more)
    rows, events, decisions = [], [], [pl.DataFrame(schema=DECISIONS_SCHEMA)]
    for days in loop.stretches(workers, Stretch.told):
        for told in days:
            rows.append(told.purchases)
            events.append(told.events)
            decisions.append(told.decisions)
    whole = np.vstack(rows)
    order = np.lexsort((whole[:, E_HASH], whole[:, E_TS], whole[:, E_PERSON]))
    happened = pl.concat(events).sort("person", "known_at", "seq")
    return Lived(whole[order], happened, pl.concat(decisions).sort("decision_id", "kind"), loop)
