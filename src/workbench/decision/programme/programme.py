"""A programme as a file says it: strict, frozen, checked as a whole. Owns no evaluation.

Every rule that can be checked without a log is checked here: units, ranges, windows that cannot
be, a cap that can never bind, and the conditions against the columns that there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, model_validator

from workbench.conditions import ColumnType
from workbench.decision.context import COLUMNS
from workbench.decision.programme.budget import Budget
from workbench.decision.programme.checked import Conditions, conditions_of
from workbench.decision.programme.choose import Choose
from workbench.decision.programme.experiment import Experiment
from workbench.decision.programme.feature import FeatureRule
from workbench.decision.programme.limits import Limits, may_idle
from workbench.decision.programme.offer import Offer, Points
from workbench.decision.programme.quiet import QuietHours
from workbench.decision.programme.trigger import Trigger
from workbench.decision.programme.types import ConditionText, Name
from workbench.errors import did_you_mean
from workbench.params import Parameters

Stage = Literal["acquisition", "activation", "engagement", "retention", "win-back", "service"]
Kind = Literal["targeting", "listening", "broadcast"]
MOST_OFFERS = 62


class Programme(Parameters):
    """One programme: who gets which offer, when, how often, and who is held out.

    Attributes:
        name: Its name in every log; lower case.
        stage: The stage of the lifecycle that it serves.
        kind: ``targeting``: an event brings an offer; ``listening``: points for a behaviour;
            ``broadcast``: the calendar brings an offer.
        trigger: What makes it consider a customer.
        audience: A condition that must be true; not known is no. None: everyone.
        suppress: Conditions that must all be false; one not known suppresses.
        offers: The offers; a listening programme has none.
        choose: How one of them is chosen.
        limits: How often.
        quiet_hours: When nothing goes out; none: those of the house.
        consent: Whether the customer must have agreed to the offer's channel.
        budget: What may be spent; none: no limit.
        points: What a listening programme awards.
        experiment: Who is held out.
        features: Features of the logged past that the conditions use.

    >>> text = '''
    ... name: fifth_purchase
    ... stage: engagement
    ... kind: targeting
    ... trigger: {event: purchase, when: purchase_number = 5}
    ... offers: [{id: five, value_cents: 300, cost_cents: 100, redemption_rate: 0.1, channel: app}]
    ... limits: {caps: [{count: 1, window: 0 days}]}
    ... experiment: {holdout_share: 0.1, salt: fifth}
    ... '''
    >>> Programme.from_yaml(text, source="fifth.yaml")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: fifth.yaml: limits.caps.0.window was '0 days', must be longer than 0
    >>> Programme.from_yaml(text.replace("0 days", "30 days"), source="fifth.yaml").name
    'fifth_purchase'
    """

    name: Name
    stage: Stage
    kind: Kind
    trigger: Trigger
    audience: ConditionText | None = None
    suppress: Annotated[tuple[ConditionText, ...], Field(max_length=32)] = ()
    offers: Annotated[tuple[Offer, ...], Field(max_length=MOST_OFFERS)] = ()
    choose: Choose = Choose()
    limits: Limits = Limits()
    quiet_hours: QuietHours | None = None
    consent: Literal["required", "none"] = "none"
    budget: Budget | None = None
    points: Points | None = None
    experiment: Experiment
    features: tuple[FeatureRule, ...] = ()

    @classmethod
    def from_mapping(
        cls,
        values: Mapping[str, Any],
        *,
        source: str,
        context: Mapping[str, Any] | None = None,
        columns: Mapping[str, ColumnType] | None = None,
    ) -> Self:
        """Check values against the model, and the conditions against the columns.

        Args:
            values: Names and values, as they come from a file.
            source: What they came from, named in every error.
            context: What the rules are told beside the values, such as that it is a what-if.
            columns: Names beside those that every log may have: features and columns that
                ``house.yaml`` declares, columns of a log.

        Raises:
            ParameterError: A key, a value or a condition breaks its rule.
        """
        programme = super().from_mapping(values, source=source, context=context)
        conditions_of(programme, columns or {}, source=source)
        return programme

    @model_validator(mode="after")
    def _kind_fits(self) -> Self:
        pattern = self.trigger.pattern
        if (self.kind == "broadcast") != (pattern == "every"):
            raise ValueError(
                f"has kind {self.kind} with the trigger {pattern}: a broadcast needs every, "
                "and every needs a broadcast"
            )
        if self.kind != "listening":
            if self.points is not None:
                raise ValueError(f"has points with kind {self.kind}; they need kind listening")
            if not self.offers:
                raise ValueError("has no offers; name at least one")
            return self
        if self.points is None:
            raise ValueError("has kind listening without points, which it awards")
        for key in ("offers", "budget", "quiet_hours"):
            if getattr(self, key):
                raise ValueError(f"has {key} with kind listening, which sends nothing")
        if self.choose != Choose() or self.consent != "none" or self.trigger.collect_for:
            raise ValueError(
                "has choose, consent or collect_for with kind listening, which sends nothing"
            )
        if self.trigger.fires_at is not None and self.points.per != self.trigger.fires_at:
            raise ValueError(
                f"has points.per {self.points.per!r}, must be the event that earns them, "
                f"{self.trigger.fires_at!r}"
            )
        return self

    @model_validator(mode="after")
    def _offers_are_known(self) -> Self:
        ids = [offer.id for offer in self.offers]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"has the offer {name!r} twice")
        for arm, names in self.experiment.offers_by_arm.items():
            _known(names, ids, f"experiment.offers_by_arm.{arm}")
        _known(self.choose.levers_percent.offers, ids, "choose.levers_percent.offers")
        if self.choose.draws is not None:
            _known(self.choose.draws.propensity, ids, "choose.draws")
            _known(ids, list(self.choose.draws.propensity), "offers", "the table of draws")
        if self.choose.policy is not None:
            for cell, scores in self.choose.policy.scores_cents.items():
                _known(scores, ids, f"choose.policy.scores_cents.{cell}")
        features = [feature.name for feature in self.features]
        for name in features:
            if features.count(name) > 1:
                raise ValueError(f"has the feature {name!r} twice")
            if name in COLUMNS:
                raise ValueError(f"names the feature {name!r}, which every log may have")
        return self

    @model_validator(mode="after")
    def _limits_fit(self, info: ValidationInfo) -> Self:
        outcomes = self.limits.reads_responses
        if outcomes and self.experiment.has_control:
            raise ValueError(
                f"has limits.{outcomes[0]}, which counts responses, together with a control: "
                "ghosts have none, so the arms would differ; leave one out"
            )
        if self.kind == "listening" and (outcomes or self.limits.concurrency):
            raise ValueError(
                "has limits on open offers or responses with kind listening, which sends nothing"
            )
        limits = self.limits
        if limits.concurrency is not None and (limits.once or limits.cooldown is not None):
            longest = max(offer.validity for offer in self.offers)
            possible = 0 if limits.once else -(-longest // (limits.cooldown or 1)) - 1
            if limits.concurrency > possible and not may_idle(info):
                raise ValueError(
                    f"has limits.concurrency {limits.concurrency} that can never bind: "
                    f"at most {possible} earlier offers can be open"
                )
        if self.budget is not None and self.budget.amount_cents is not None:
            least = min(offer.cost_cents for offer in self.offers)
            if self.budget.amount_cents < least:
                raise ValueError(
                    f"has budget.amount_cents {self.budget.amount_cents}, "
                    f"less than its cheapest offer costs, {least}"
                )
        return self

    @property
    def offer(self) -> Offer:
        """The first offer."""
        return self.offers[0]

    def conditions(self, columns: Mapping[str, ColumnType] | None = None) -> Conditions:
        """Return the checked conditions; ``columns`` as in :meth:`from_mapping`.

        Raises:
            ParameterError: A condition names a column that is not known.
        """
        return conditions_of(self, columns or {}, source=self.name)


def _known(names: Any, known: list[str], key: str, of: str = "the offers") -> None:
    for name in names:
        if name not in known:
            near = did_you_mean(name, known)
            raise ValueError(f"has {name!r} in {key}, which is none of {of}{near}")
