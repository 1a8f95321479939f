"""Small worlds and programmes for tests of the simulator. Owns no check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workbench.decision.house import House, ProgrammeSet
from workbench.decision.programme import Programme
from workbench.world.parameters import World, load_world

ROOT = Path(__file__).parents[1]


def tiny(*, customers: int = 120, days: int = 21) -> World:
    """Return the world for tests, smaller still."""
    return load_world(ROOT / "params/worlds/tiny.yaml").sized(customers=customers, days=days)


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
