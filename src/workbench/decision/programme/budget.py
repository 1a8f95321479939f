"""What may be spent: the budget of a programme. Owns no account."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from workbench.decision.programme.types import BudgetCents, Name
from workbench.params import Parameters


class Budget(Parameters):
    """A budget of the programme's own, or the name of one of the house.

    The full cost of an offer is reserved at the decision, for ghosts as for deliveries, and a
    budget that would be exceeded is closed for the rest of its period.

    Attributes:
        amount_cents: What may be reserved in each period; none: ``name`` is a budget of the house.
        per: The period; ``total``: the whole replay.
        zone: Whose calendar the periods are of: UTC's or the log's.
        name: Its name in the summary, or the name of a budget of the house.
    """

    amount_cents: BudgetCents | None = None
    per: Literal["total", "day", "week", "month"] = "total"
    zone: Literal["utc", "log"] = "utc"
    name: Name | None = None

    @model_validator(mode="after")
    def _own_or_shared(self) -> Self:
        if self.amount_cents is not None:
            return self
        if self.name is None:
            raise ValueError("must have an amount_cents, or the name of a budget in house.yaml")
        said = sorted(self.model_fields_set & {"per", "zone"})
        if said:
            raise ValueError(
                f"names a budget of the house, where {' and '.join(said)} belong; leave them out"
            )
        return self

    @property
    def shared(self) -> bool:
        """Whether it is one of the house."""
        return self.amount_cents is None
