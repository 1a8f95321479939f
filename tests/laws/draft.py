"""A programme and its surroundings while features are put into it. Owns no feature."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from domain import PERSONS, Shape

from workbench.buckets import bucket_10000

SALT = "tiny"
EDGES = sorted(
    {bucket_10000(SALT, person) + more for person in PERSONS for more in (0, 1)} | {0, 5000}
)
WHENS = (
    None,
    None,
    "amount_cents >= 500",
    "purchase_number >= 2",
    "purchases_90d >= 1",
    "spend_90d_cents >= 1000",
    "daypart = 'night' OR daypart = 'evening'",
)


@dataclass
class Draft:
    """A programme and its surroundings while features are put into it."""

    programme: dict[str, Any]
    house: dict[str, Any] = field(default_factory=dict)
    shape: Shape = field(default_factory=Shape)
    consent: bool = False

    @property
    def limits(self) -> dict[str, Any]:
        return self.programme.setdefault("limits", {})

    @property
    def choose(self) -> dict[str, Any]:
        return self.programme.setdefault("choose", {})

    @property
    def experiment(self) -> dict[str, Any]:
        return self.programme["experiment"]

    @property
    def trigger(self) -> dict[str, Any]:
        return self.programme["trigger"]

    def cap(self, **keys: Any) -> None:
        self.limits.setdefault("caps", []).append(keys)

    def several_offers(self) -> None:
        if len(self.programme["offers"]) < 2:
            self.programme["offers"] += [
                offer("tea", value_cents=220, cost_cents=20, channel="email"),
                offer("cake", value_cents=600, cost_cents=200, redemption_rate=0.125),
            ]

    def without_control(self) -> None:
        self.experiment.pop("arms", None)
        self.experiment["holdout_share"] = 0.0


def offer(name: str, **keys: Any) -> dict[str, Any]:
    return {
        "id": name,
        "value_cents": 300,
        "cost_cents": 100,
        "redemption_rate": 0.25,
        "channel": "app",
        **keys,
    }


def draft_of(name: str, **keys: Any) -> Draft:
    return Draft(
        {
            "name": name,
            "stage": "engagement",
            "kind": "targeting",
            "trigger": {"event": "purchase"},
            "offers": [offer("coffee")],
            "experiment": {"salt": SALT, "holdout_share": 0.0},
            **keys,
        }
    )
