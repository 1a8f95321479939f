"""The effect of an offer on customer value, held against the long run of a simulated world.

Customers of a world live twice: with an offer after each purchase that brings them back, and without.
Their first purchase is the same in both, so that the same customers are seen. Experiments are made of
them: one half of a group is seen with the offer, the other without, for some days; ``clv_effect`` says
from these days alone how much more the first are worth in the days to come. The truth is the mean over
the customers of what each paid in those later days with the offer less what the twin paid without.

Two kinds of worlds: ``fitting``, in which customers differ in how often they come and how soon they leave
much as Pareto/NBD says, and pay alike; and ``other``, of two kinds of customers, in which those who come
often pay less a visit and leaving is as if by two rates: what the models take for granted does not hold.

Usage: ``python benchmarks/clv_effect.py [--worlds 4] [--customers 8000] [--arm 1000] [--seen 180]
[--horizon 360] [--models pareto_nbd …] [--kinds fitting other] [--json]``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import polars as pl
from scipy.stats import gamma

from workbench.clv import ClvEffect, clv_effect, fit_clv, rfm_summary
from workbench.clv.models import Purchases
from workbench.decision.programme import Programme
from workbench.streams import stream
from workbench.world import simulate
from workbench.world.parameters import World

Kind = Literal["fitting", "other"]
KINDS: tuple[Kind, ...] = ("fitting", "other")
SEEN_DAYS, HORIZON_DAYS, START = 180, 360, date(2024, 1, 1)
LEAVING = (1.5, 0.008)  # shape and mean of the rates of leaving, a day
KINDS_OF_CUSTOMERS = 8  # a world has one rate of leaving for each

OFFER = Programme.from_mapping(
    {
        "name": "next_visit",
        "stage": "engagement",
        "kind": "targeting",
        "trigger": {"event": "purchase"},
        "offers": [
            {"id": "next_visit_off", "value_cents": 500, "cost_cents": 200, "redemption_rate": 0.2,
             "channel": "app", "validity": "3 days"}
        ],
        "limits": {"caps": [{"count": 1, "window": "7 days"}]},
        "consent": "required",
        "experiment": {"holdout_share": 0, "salt": "next-visit-1"},
    },
    source="next_visit",
)  # fmt: skip


def world_of(kind: Kind, customers: int, days: int) -> World:
    """Return a world without seasons in which the offer brings customers back more often."""
    places = (np.arange(KINDS_OF_CUSTOMERS) + 0.5) / KINDS_OF_CUSTOMERS
    leaving = gamma.ppf(places, LEAVING[0], scale=LEAVING[1] / LEAVING[0])
    segments = (
        [(f"leaving_{k}", 0.7, 1.5, rate, 1000) for k, rate in enumerate(leaving)]
        if kind == "fitting"
        else [("often", 1.0, 2.0, 0.004, 900), ("seldom", 0.4, 1.0, 0.012, 1300)]
    )
    values = {
        "name": kind,
        "start": str(START),
        "days": days,
        "zone": "UTC",
        "customers": customers,
        "stores": [{"id": "corner", "opens": "00:00", "closes": "24:00"}],
        "response": {
            "views": {"app": {"share": 0.7, "delay_minutes": 4}}, "pulled_forward": 0.2,
            "pull_days": 10, "halo_visits_per_week": 0.5, "halo_days": 21,
        },
        "segments": [
            {"name": name, "share": 1 / len(segments), "dropout_per_day": float(rate),
             "visits_per_week": {"mean": mean, "shape": shape}, "dayparts": {"lunch": 1},
             "menu": {"coffee": 1}, "basket": {"median_cents": cents},
             "offer_sensitivity": {"discount": 0.8}, "consent": {"app": 1.0}}
            for name, mean, shape, rate, cents in segments
        ],
    }  # fmt: skip
    return World.from_mapping(values, source=kind)


class Lives:
    """The purchases of the same customers with the offer and without, and what is true of them.

    Attributes:
        bought: Purchases by day with the offer and without.
        end: The last day that is seen.
        horizon: Days behind it.
        known: Customers whose first purchase lies in the days seen.
        later: What each of them paid behind those days, with the offer and without.
    """

    def __init__(
        self,
        kind: Kind,
        seed: int,
        customers: int,
        seen: int = SEEN_DAYS,
        horizon: int = HORIZON_DAYS,
    ) -> None:
        self.end, self.horizon = START + timedelta(days=seen - 1), horizon
        world = world_of(kind, customers, seen + horizon)
        self.bought = {
            name: simulate(world, offers, seed=seed).truth.purchases.select(
                "person_id", "amount_cents", day=pl.col("ts").dt.date()
            )
            for name, offers in (("offer", [OFFER]), ("none", []))
        }
        past, after = pl.col("day") <= self.end, pl.col("day") > self.end
        known = [each.filter(past)["person_id"].unique().sort() for each in self.bought.values()]
        if not known[0].equals(known[1]):
            raise RuntimeError(
                "the offer changed a first purchase, so that the arms are of other customers"
            )
        self.known = known[0]
        self.later = {
            name: self.known.to_frame().join(
                each.filter(after).group_by("person_id").agg(pl.col("amount_cents").sum()),
                on="person_id", how="left", maintain_order="left",
            )["amount_cents"].fill_null(0).to_numpy()
            for name, each in self.bought.items()
        }  # fmt: skip

    @property
    def truth(self) -> tuple[float, float]:
        """How much more a customer pays with the offer, in cents, and its standard error."""
        gap = self.later["offer"] - self.later["none"]
        return float(gap.mean()), float(gap.std() / np.sqrt(len(gap)))

    def groups(self, arm: int, seed: int) -> list[tuple[Sequence[str], Sequence[str]]]:
        """Return the customers of the arms of as many experiments as there are customers for."""
        order = stream(seed, "benchmark/clv-effect").permutation(self.known.to_list())
        starts = range(0, len(order) - 2 * arm + 1, 2 * arm)
        return [
            (order[at : at + arm].tolist(), order[at + arm : at + 2 * arm].tolist())
            for at in starts
        ]

    def effect(
        self, treated: Sequence[str], control: Sequence[str], purchases: Purchases = "pareto_nbd"
    ) -> ClvEffect:
        """Return the effect on value that an experiment finds from the days seen."""
        values = {}
        for name, who in (("offer", treated), ("none", control)):
            mine = self.bought[name].filter(pl.col("person_id").is_in(list(who)))
            summary = rfm_summary(
                mine, customer="person_id", date="day", amount="amount_cents", until=self.end
            )
            fit = fit_clv(summary, purchases=purchases, draws=400)
            values[name] = fit.clv(self.horizon, discount_annual=0.0)
        return clv_effect(values, control="none")


def measure(
    kind: Kind,
    purchases: Purchases,
    *,
    worlds: int,
    customers: int,
    arm: int,
    seen: int,
    horizon: int,
) -> dict[str, Any]:
    """Return how often intervals hold the truth of their world, and how far the estimates are off."""
    rows = []
    for seed in range(1, worlds + 1):
        lives = Lives(kind, seed, customers, seen, horizon)
        truth, _ = lives.truth
        for treated, control in lives.groups(arm, seed):
            row = lives.effect(treated, control, purchases).table.iloc[0]
            found, width = row["difference_cents"], row["high_cents"] - row["low_cents"]
            held = row["low_cents"] < truth < row["high_cents"]
            without = (row["clv_cents"] - found) / lives.later["none"].mean()
            rows.append((held, truth, found, width, without))
    held, truths, found, widths, without = np.array(rows, dtype=float).T
    off = found - truths
    return {
        "experiments_count": len(rows),
        "held_count": int(held.sum()),
        "truth_cents": round(float(truths.mean())),
        "found_cents": round(float(found.mean())),
        "error_of_found_cents": round(float(off.std(ddof=1) / np.sqrt(len(off)))),
        "interval_cents": round(float(widths.mean())),
        "control_ratio_to_truth": round(float(without.mean()), 2),
    }


def main() -> None:
    """Hold effects against the truth of the worlds, and print the figures."""
    parser = argparse.ArgumentParser(description="Effects on customer value against the truth.")
    parser.add_argument("--worlds", type=int, default=4)
    parser.add_argument("--customers", type=int, default=8000)
    parser.add_argument("--arm", type=int, default=1000)
    parser.add_argument("--seen", type=int, default=SEEN_DAYS, help="days that are seen")
    parser.add_argument("--horizon", type=int, default=HORIZON_DAYS, help="days behind them")
    parser.add_argument("--models", nargs="+", default=["pareto_nbd", "mbg_nbd"])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = {
        f"{kind}/{model}": measure(
            kind,
            model,
            worlds=arguments.worlds,
            customers=arguments.customers,
            arm=arguments.arm,
            seen=arguments.seen,
            horizon=arguments.horizon,
        )
        for kind in arguments.kinds
        for model in arguments.models
    }
    if arguments.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        print(f"{name:20} {figures}")


if __name__ == "__main__":
    main()
