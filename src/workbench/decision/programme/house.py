"""What ``house.yaml`` says: rules over all programmes of a folder. Checks no programme."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from workbench.conditions import ColumnType
from workbench.decision.context import COLUMNS
from workbench.decision.programme.feature import FeatureRule
from workbench.decision.programme.limits import Cap
from workbench.decision.programme.quiet import QuietHours
from workbench.decision.programme.types import BudgetCents, Label, Name, Share, ten_thousandths
from workbench.log.mapping import zone_rule
from workbench.params import Parameters

QUIET_HOURS = "quiet_hours"
"""The name in ``limits.bypass`` that stands for the quiet hours of the house."""


class HouseCap(Cap):
    """A cap over programmes; it has a name, by which a programme can bypass it.

    Attributes:
        name: Its name.
    """

    name: Name


class Holdout(Parameters):
    """The global hold-out: customers who get no offer of any targeting programme.

    Attributes:
        share: Share of the customers; ghosts in every targeting programme.
        measured_share: Share of the group that they are compared with: the same size.
        salt: Names the assignment.
    """

    share: Annotated[Share, Field(gt=0, le=0.5)]
    measured_share: Share | None = None
    salt: Label

    @model_validator(mode="after")
    def _same_size(self) -> Self:
        if self.measured_share is not None and self.measured_share != self.share:
            raise ValueError(
                f"has measured_share {self.measured_share} and share {self.share}; "
                "a hold-out is compared with a group of its own size"
            )
        return self

    @property
    def held_end(self) -> int:
        """Buckets 0 up to, not including, this one are held out."""
        return ten_thousandths(self.share)

    @property
    def measured_end(self) -> int:
        """Buckets from :attr:`held_end` up to, not including, this one are measured."""
        return 2 * ten_thousandths(self.share)


class SharedBudget(Parameters):
    """A budget that several programmes share.

    Attributes:
        name: By which a programme names it.
        amount_cents: What may be reserved in each period.
        per: The period.
        zone: Whose calendar the periods are of: UTC's or the log's.
    """

    name: Name
    amount_cents: BudgetCents
    per: Literal["total", "day", "week", "month"] = "total"
    zone: Literal["utc", "log"] = "utc"


class House(Parameters):
    """What ``house.yaml`` says: rules over all programmes of a folder.

    Attributes:
        caps: Caps over programmes.
        quiet_hours: Of every programme that has none of its own.
        holdout: The global hold-out.
        budgets: Budgets that programmes share.
        slot: How many offers one decision set may give.
        features: Features of the logged past for all programmes.
        columns: Names and types of columns that a log of this house has beside the contract's.
        zone: The zone for customers without one; none: that of the log.

    >>> House.from_yaml("slot: 0", source="house.yaml")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: house.yaml: slot was 0, must be greater than or equal to 1
    """

    caps: tuple[HouseCap, ...] = ()
    quiet_hours: QuietHours | None = None
    holdout: Holdout | None = None
    budgets: tuple[SharedBudget, ...] = ()
    slot: Annotated[int, Field(ge=1, le=64)] = 1
    features: tuple[FeatureRule, ...] = ()
    columns: dict[Name, ColumnType] = Field(default_factory=dict)
    zone: str | None = None

    @field_validator("zone")
    @classmethod
    def _a_zone(cls, value: str | None) -> str | None:
        return None if value is None else zone_rule(value)

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        named = {
            "caps": [cap.name for cap in self.caps],
            "budgets": [budget.name for budget in self.budgets],
            "features": [feature.name for feature in self.features],
        }
        for key, names in named.items():
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"has {name!r} twice in {key}")
        if QUIET_HOURS in named["caps"]:
            raise ValueError(f"has a cap {QUIET_HOURS!r}, a name that stands for the quiet hours")
        for name in (*self.columns, *named["features"]):
            if name in COLUMNS:
                raise ValueError(f"names {name!r} again, which every log may have")
        return self

    @property
    def known_columns(self) -> dict[str, ColumnType]:
        """Columns and features that it declares, with their types."""
        return {**self.columns, **dict.fromkeys((f.name for f in self.features), "number")}
