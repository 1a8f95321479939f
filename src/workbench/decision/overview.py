"""Programmes as a table for readers. Owns no rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench import text
from workbench.arguments import checked
from workbench.decision.programme import Programme, Then, Trigger
from workbench.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd


@checked
def programme_table(programmes: Sequence[Programme]) -> pd.DataFrame:
    """Return what each programme says, one row each.

    Args:
        programmes: Of :func:`workbench.load_programmes`.

    Returns:
        ``programme``, ``stage``, ``trigger``, ``audience``, ``offer``, ``limits`` and ``hold-out``,
        written out for a reader.

    Raises:
        ParameterError: There is no programme.

    >>> from workbench.decision import load_programmes
    >>> programme_table(load_programmes("params/programmes/grocery"))["limits"][0]
    '2 in 28 days, 7 days apart'
    """
    if not programmes:
        raise ParameterError("no programme was given")
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    return pd.DataFrame(
        [
            {
                "programme": each.name,
                "stage": each.stage,
                "trigger": trigger_text(each.trigger),
                "audience": each.audience or "everybody",
                "offer": _offers(each),
                "limits": _limits(each),
                "hold-out": text.share(each.experiment.control_share),
            }
            for each in programmes
        ]
    )


def trigger_text(trigger: Trigger) -> str:
    """Return a trigger for a reader.

    >>> trigger_text(Trigger.from_mapping({"event": "purchase", "silence": "60 days"}, source="x"))
    'no purchase for 60 days'
    """
    first = f"{trigger.event}: {trigger.when}" if trigger.when else f"{trigger.event}"
    if trigger.then is not None:
        return f"{first}, then {_second(trigger.then)} within {trigger.then.within}"
    if trigger.unless is not None:
        return f"{first}, then no {_second(trigger.unless)} within {trigger.unless.within}"
    said = first
    if trigger.nth is not None:
        said = f"{first}, {trigger.nth.n} times within {trigger.nth.within}"
    elif trigger.silence is not None:
        said = f"no {first} for {trigger.silence}"
    elif trigger.first is not None:
        said = f"{first}, within {text.days(trigger.first.days)} of the first {trigger.first.after}"
    elif trigger.every is not None:
        said = f"every {trigger.every.weekday or 'day'} at {trigger.every.at}"
    return said


def _second(second: Then) -> str:
    return f"{second.event}: {second.when}" if second.when else second.event


def _offers(programme: Programme) -> str:
    if programme.points is not None:
        return f"{text.count(programme.points.award)} points"
    return "; ".join(
        f"{offer.id} for {text.money(offer.cost_cents)} by {offer.channel}"
        for offer in programme.offers
    )


def _limits(programme: Programme) -> str:
    limits = programme.limits
    said = []
    for cap in limits.caps:
        what = "" if (cap.counts, cap.scope) == ("decided", "programme") else f" {cap.counts}"
        where = "" if cap.scope == "programme" else f" by {cap.scope}"
        window = f"in {cap.window}" if cap.window is not None else f"a calendar {cap.calendar}"
        said.append(f"{cap.count}{what} {window}{where}")
    if limits.cooldown is not None:
        said.append(f"{limits.cooldown} apart")
    if limits.concurrency is not None:
        said.append(f"{limits.concurrency} open")
    if limits.once:
        said.append("once")
    if limits.after_rejections is not None:
        rule = limits.after_rejections
        said.append(f"hold {rule.hold} after {rule.count} rejections in {rule.within}")
    return ", ".join(said) or "none"
