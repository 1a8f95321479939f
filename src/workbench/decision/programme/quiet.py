"""When nothing goes out: quiet hours. Owns no clock."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from workbench.decision.durations import Duration, TimeOfDay
from workbench.params import Parameters


class QuietHours(Parameters):
    """Hours in which nothing goes out, on the customer's clock; they may span midnight.

    Attributes:
        start: When they begin (key ``from``); that minute is quiet.
        end: When they end (key ``to``); that minute is not.
        then: ``queue``: the offer waits until they end and is checked again; ``discard``: it is
            refused.
        expire: An offer that would wait longer, from its anchor, is refused (queue only).
        without_zone: What holds for a customer without a zone: the log's, none, or a refusal.
    """

    start: TimeOfDay = Field(alias="from")
    end: TimeOfDay = Field(alias="to")
    then: Literal["queue", "discard"] = "queue"
    expire: Duration = Field(default=Duration.parse("24 h"))
    without_zone: Literal["log", "send", "refuse"] = "log"

    @model_validator(mode="after")
    def _some_hours(self) -> Self:
        if self.start == self.end:
            raise ValueError(
                f"has from and to at {self.start}, which is no hours or all; they must differ"
            )
        if self.then == "discard" and "expire" in self.model_fields_set:
            raise ValueError("has expire with discard, which never waits; leave it out")
        return self
