"""Programmes as a table for readers. Owns no rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench import text
from workbench.arguments import checked
from workbench.decision.programme import Programme
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
    >>> programme_table(load_programmes("params/programmes"))["limits"][0]
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
                "trigger": f"{each.trigger.event}: {each.trigger.when}"
                if each.trigger.when
                else each.trigger.event,
                "audience": each.audience or "everybody",
                "offer": f"{each.offer.id} for {text.money(each.offer.cost_cents)} "
                f"by {each.offer.channel}",
                "limits": _limits(each),
                "hold-out": text.share(each.experiment.holdout_share),
            }
            for each in programmes
        ]
    )


def _limits(programme: Programme) -> str:
    limits = programme.limits
    said = []
    if limits.cap:
        said.append(f"{limits.cap.count} in {text.days(limits.cap.window_days)}")
    if limits.cooldown_days:
        said.append(f"{text.days(limits.cooldown_days)} apart")
    return ", ".join(said) or "none"
