"""Who is held out and who gets what: arms, shares, layer. Owns no hash.

Units are hashed into 10,000 buckets. The arms take half-open ranges of them: ``control`` first,
then the others by their names, so that the order in a file means nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workbench.buckets import BUCKETS
from workbench.decision.programme.types import Label, Name, Share, ten_thousandths
from workbench.params import Parameters

CONTROL = "control"
TREATMENT = "treatment"
_LAYER_PLACES = 1000


class Layer(Parameters):
    """A range of a layer: programmes of one layer share no customer.

    Attributes:
        name: Names the layer.
        start: Where the range begins (key ``from``).
        end: Where it ends (key ``to``), itself excluded.
    """

    name: Label
    start: Annotated[float, Field(ge=0, le=1, alias="from")]
    end: Annotated[float, Field(ge=0, le=1, alias="to")]

    @model_validator(mode="after")
    def _some_range(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"has an empty range: from {self.start} must lie before to {self.end}")
        for bound in (self.start, self.end):
            if bound != round(bound * _LAYER_PLACES) / _LAYER_PLACES:
                raise ValueError("must have from and to of at most three decimals, such as 0.125")
        return self


class Experiment(Parameters):
    """The hold-out: who is the control, and which arm gets which offers.

    Attributes:
        unit: What is assigned: customers, each for good, or single decision points.
        salt: Names the assignment; the same salt gives the same control.
        holdout_share: Share of the control, when there is one other arm only.
        arms: Share of each arm; they add up to 1. The arm ``control`` gives ghosts.
        offers_by_arm: Offers that an arm chooses from; an arm not named here: all.
        coverage: Share of the units that take part.
        layer: The range of a layer that takes part; none: no layer.
    """

    unit: Literal["customer", "decision"] = "customer"
    salt: Label
    holdout_share: Annotated[Share, Field(lt=1)] | None = None
    arms: Annotated[dict[Name, Annotated[Share, Field(gt=0)]], Field(min_length=1)] | None = None
    offers_by_arm: dict[Name, Annotated[tuple[Label, ...], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    coverage: Annotated[Share, Field(gt=0)] = 1.0
    layer: Layer | None = None

    @model_validator(mode="after")
    def _shares_add_up(self) -> Self:
        if (self.holdout_share is None) == (self.arms is None):
            raise ValueError("must have exactly one of holdout_share and arms")
        total = sum(share for _, share in self.shares)
        if total != BUCKETS:
            raise ValueError(
                f"has arms that do not add up to 1: {_listed(self.arms or {})} are {total / BUCKETS:g}"
            )
        if set(dict(self.shares)) == {CONTROL}:
            raise ValueError("has no arm but control; name another one")
        names = dict(self.shares)
        for arm in self.offers_by_arm:
            if arm not in names:
                raise ValueError(
                    f"has offers_by_arm for {arm!r}, which is none of the arms {', '.join(names)}"
                )
        return self

    @property
    def shares(self) -> tuple[tuple[str, int], ...]:
        """Arms with their shares in ten-thousandths, in the order of their ranges."""
        if self.arms is None:
            control = ten_thousandths(self.holdout_share or 0.0)
            return ((CONTROL, control), (TREATMENT, BUCKETS - control))
        first = sorted(self.arms, key=lambda name: (name != CONTROL, name))
        return tuple((name, ten_thousandths(self.arms[name])) for name in first)

    @property
    def ranges(self) -> tuple[tuple[str, int, int], ...]:
        """Arm, first bucket and the bucket behind its last; coverage shortens each from its end.

        >>> Experiment.from_mapping(
        ...     {"salt": "s", "arms": {"control": 0.4, "a": 0.6}, "coverage": 0.5}, source="x"
        ... ).ranges
        (('control', 0, 2000), ('a', 4000, 7000))
        """
        covered = ten_thousandths(self.coverage)
        found, start = [], 0
        for arm, share in self.shares:
            found.append((arm, start, start - (-share * covered // BUCKETS)))
            start += share
        return tuple(found)

    @property
    def control_share(self) -> float:
        """Share of the control among the units that take part."""
        return dict(self.shares).get(CONTROL, 0) / BUCKETS

    @property
    def has_control(self) -> bool:
        """Whether there are ghosts."""
        return dict(self.shares).get(CONTROL, 0) > 0

    @property
    def holdout_end(self) -> int:
        """Buckets 0 up to, not including, this one are the control."""
        return next((end for arm, _, end in self.ranges if arm == CONTROL), 0)


def _listed(arms: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:g}" for name, share in arms.items())
