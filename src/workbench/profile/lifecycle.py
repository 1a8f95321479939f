"""The stage of a customer's life, by rules with parameters. Owns no feature and reads no log."""

from __future__ import annotations

from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from workbench.params import Parameters

Stage = Literal["prospect", "new", "active", "at_risk", "lapsed"]

STAGES: tuple[Stage, ...] = ("prospect", "new", "active", "at_risk", "lapsed")
"""In the order of a life; tables show them in this order."""


class LifecycleRules(Parameters):
    """When a customer is new, at risk and lapsed. The first rule that holds decides.

    - ``prospect``: no purchase is known;
    - ``new``: the first purchase is at most ``new_days`` ago;
    - ``lapsed``, ``at_risk``: the last purchase is more than a limit of days ago;
    - ``active``: all others.

    With ``rhythm_purchase_days`` purchase days or more a person has a rhythm, the mean gap
    between purchase days, and the limit is a multiple of it, but never under the floor. Without
    a rhythm the limit is a fixed number of days.

    >>> LifecycleRules(new_days=14).digest != LifecycleRules().digest
    True
    """

    new_days: int = Field(default=28, ge=0)
    rhythm_purchase_days: int = Field(default=4, ge=2)
    at_risk_gaps: float = Field(default=3.0, gt=0)
    lapsed_gaps: float = Field(default=6.0, gt=0)
    at_risk_floor_days: int = Field(default=14, ge=0)
    lapsed_floor_days: int = Field(default=42, ge=0)
    at_risk_days: int = Field(default=45, ge=0)
    lapsed_days: int = Field(default=90, ge=0)

    @model_validator(mode="after")
    def _lapsed_follows_at_risk(self) -> LifecycleRules:
        pairs = (
            ("gaps", self.at_risk_gaps, self.lapsed_gaps),
            ("floor_days", self.at_risk_floor_days, self.lapsed_floor_days),
            ("days", self.at_risk_days, self.lapsed_days),
        )
        for unit, at_risk, lapsed in pairs:
            if lapsed < at_risk:
                raise ValueError(
                    f"must have lapsed_{unit} of at least at_risk_{unit}, {at_risk:g}; was {lapsed:g}"
                )
        return self


def lifecycle_stage(rules: LifecycleRules) -> pl.Expr:
    """Return the stage as a text column.

    Reads ``recency_days``, ``tenure_days``, ``purchase_days`` and ``mean_gap_days``.

    >>> person = {"recency_days": 40, "tenure_days": 200, "purchase_days": 21, "mean_gap_days": 8.0}
    >>> pl.DataFrame([person]).select(lifecycle_stage(LifecycleRules())).item()
    'at_risk'
    """
    recency = pl.col("recency_days")
    has_rhythm = pl.col("purchase_days") >= rules.rhythm_purchase_days
    gap = pl.col("mean_gap_days")

    def past(gaps: float, floor_days: int, days: int) -> pl.Expr:
        limit = pl.when(has_rhythm).then(
            pl.max_horizontal(gap * gaps, pl.lit(floor_days, dtype=pl.Float64))
        )
        return recency > limit.otherwise(pl.lit(days, dtype=pl.Float64))

    return (
        pl.when(recency.is_null())
        .then(pl.lit("prospect"))
        .when(pl.col("tenure_days") <= rules.new_days)
        .then(pl.lit("new"))
        .when(past(rules.lapsed_gaps, rules.lapsed_floor_days, rules.lapsed_days))
        .then(pl.lit("lapsed"))
        .when(past(rules.at_risk_gaps, rules.at_risk_floor_days, rules.at_risk_days))
        .then(pl.lit("at_risk"))
        .otherwise(pl.lit("active"))
        .alias("lifecycle_stage")
    )
