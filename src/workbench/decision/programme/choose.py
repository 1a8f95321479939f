"""How one of several offers is chosen: the rule, its factors, and the tables that it needs.

Owns the shape of a frozen table of draws and of a policy file. Computes no score.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workbench.decision.programme.types import ConditionText, Label, Name, Percent, Rate, Share
from workbench.params import Parameters

MOST_DRAWS = 10_000
Money = Annotated[float, Field(gt=-1e12, lt=1e12)]


class ContextWeight(Parameters):
    """A factor of the score: percents of all that hold are added, and 1 + sum / 100 multiplies.

    Attributes:
        when: A condition; not known is no.
        percent: What it adds.
    """

    when: ConditionText
    percent: Percent


class Levers(Parameters):
    """What the business adds by hand: 1 + (programme + offer) / 100 multiplies the score.

    Attributes:
        programme: Percent for all offers of the programme.
        offers: Percent by offer.
    """

    programme: Percent = 0
    offers: dict[Label, Percent] = Field(default_factory=dict)


class Draws(Parameters):
    """A frozen table of draws for Thompson sampling: draws of the propensity, by offer.

    Attributes:
        propensity: For each offer its draws, the same number for each.
    """

    propensity: Annotated[
        dict[Label, Annotated[tuple[Rate, ...], Field(min_length=1, max_length=MOST_DRAWS)]],
        Field(min_length=1),
    ]

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        lengths = {len(each) for each in self.propensity.values()}
        if len(lengths) > 1:
            raise ValueError("must have the same number of draws for each offer")
        return self

    @property
    def count(self) -> int:
        """Number of draws, M."""
        return len(next(iter(self.propensity.values())))


class Cell(Parameters):
    """A cell of a policy: the customers and moments of which a condition holds.

    Attributes:
        name: What the scores call it.
        when: A condition; not known is no. The first cell that holds counts.
    """

    name: Name
    when: ConditionText


class Origin(Parameters):
    """What a policy was made from and what it is expected to do; nothing of it decides.

    Attributes:
        fitted_on: What the uplift was fitted on, in words, such as the experiment and its customers.
        fit_digest: Digest of the draws that it was made from.
        made_at: When, with its zone.
        customers: How many triggered customers the plan is for.
        triggers_per_customer: How often a customer is expected to trigger within the plan.
        budget_cents: The budget of the plan; none: without one.
        expected_profit_cents: Expected incremental profit of the plan.
        expected_cost_cents: Expected cost of its offers.
    """

    fitted_on: str = ""
    fit_digest: str = ""
    made_at: str = ""
    customers: Annotated[float, Field(ge=0, le=1e12)] = 0.0
    triggers_per_customer: Annotated[float, Field(ge=0, le=1e6)] = 1.0
    budget_cents: Annotated[float, Field(ge=0, le=1e15)] | None = None
    expected_profit_cents: Annotated[float, Field(ge=-1e15, le=1e15)] = 0.0
    expected_cost_cents: Annotated[float, Field(ge=0, le=1e15)] = 0.0


class Policy(Parameters):
    """A policy file: scores by cell and offer, and the shadow price of money.

    The score of an offer is ``scores_cents[cell][offer] - shadow_price * cost_cents``; one that is
    not above 0 is not open. An offer without a score in the cell, and a customer in no cell, get
    none.

    Attributes:
        cells: The cells in order; the first whose condition holds counts.
        scores_cents: By cell and offer.
        shadow_price: What a cent of cost must earn, in cents.
        origin: What it was made from; none: it was written by hand.
    """

    cells: Annotated[tuple[Cell, ...], Field(min_length=1, max_length=1000)]
    scores_cents: dict[Name, dict[Label, Money]]
    shadow_price: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    origin: Origin | None = None

    @model_validator(mode="after")
    def _scores_for_cells(self) -> Self:
        names = [cell.name for cell in self.cells]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"has the cell {name!r} twice")
        for name in self.scores_cents:
            if name not in names:
                raise ValueError(f"has scores for {name!r}, which is none of the cells")
        for name in names:
            if name not in self.scores_cents:
                raise ValueError(f"has no scores for the cell {name!r}")
        return self


Rule = Literal["priority", "value", "softmax", "epsilon", "thompson", "policy"]
_NEEDS: dict[Rule, str] = {
    "softmax": "temperature_cents",
    "epsilon": "epsilon",
    "thompson": "draws",
    "policy": "policy",
}


class Choose(Parameters):
    """How one of the open offers is chosen.

    Attributes:
        by: ``priority``: propensity x context x value x lever x priority; ``value``: propensity x
            (value - cost) x context x lever; ``softmax``, ``epsilon``, ``thompson`` draw by the
            value; ``policy``: the scores of a policy file.
        temperature_cents: For softmax: how much score makes a difference.
        epsilon: For epsilon: share of decisions in which every open offer has the same chance.
        draws: For thompson: a file of draws (.csv, one column an offer), or the draws.
        policy: For policy: a file (.yaml), or the policy.
        context: Factors that depend on the moment.
        levers_percent: Factors set by hand.
    """

    by: Rule = "value"
    temperature_cents: Annotated[float, Field(gt=0, le=1e9)] | None = None
    epsilon: Annotated[Share, Field(gt=0)] | None = None
    draws: Draws | None = None
    policy: Policy | None = None
    context: Annotated[tuple[ContextWeight, ...], Field(max_length=12)] = ()
    levers_percent: Levers = Levers()

    @model_validator(mode="after")
    def _what_the_rule_needs(self) -> Self:
        for rule, key in _NEEDS.items():
            given = getattr(self, key) is not None
            if rule == self.by and not given:
                raise ValueError(f"has by {self.by} without {key}, which it needs")
            if rule != self.by and given:
                raise ValueError(f"has {key} with by {self.by}, which does not use it")
        least = sum(min(each.percent, 0) for each in self.context)
        if least < -100:  # noqa: PLR2004 - percent
            raise ValueError(f"has context weights that add up to {least} percent; least is -100")
        levers = self.levers_percent
        least = levers.programme + min((0, *levers.offers.values()))
        if least < -100:  # noqa: PLR2004 - percent
            raise ValueError(f"has levers that add up to {least} percent; least is -100")
        factors = bool(self.context) or levers.programme != 0 or bool(levers.offers)
        if self.by == "policy" and factors:
            raise ValueError("has context or levers_percent with by policy, whose scores are final")
        return self
