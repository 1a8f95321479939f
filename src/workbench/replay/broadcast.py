"""A broadcast at a wanted committed cost: the calendar's side of a comparison. Owns the share, no rule.

Each time another part of the customers gets it, so that the offers spread over all.
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench import text
from workbench.arguments import checked
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.programme.types import ten_thousandths
from workbench.decision.written import changed
from workbench.errors import InputError, ParameterError, problem
from workbench.replay.log_replay import replay
from workbench.replay.result import Replay

_WHOLE = 10_000


@checked
def broadcast_at_cost(
    replayed: Replay, broadcast: Sequence[Programme], *, committed_cents: int | None = None
) -> Replay:
    """Replay a broadcast to so large a share of the customers each time that it costs as much.

    The share is drawn anew for each customer and each time, so that the offers spread over all.

    Args:
        replayed: The event-triggered programmes over their log.
        broadcast: One calendar programme whose experiment has ``unit: decision``.
        committed_cents: What it shall cost; none: what ``replayed`` costs.

    Returns:
        The replay of the broadcast in memory. Its committed cost is the wanted one within a
        ten-thousandth of what the whole broadcast costs and the luck of the draw, or that of the
        whole broadcast when even that costs less.

    Raises:
        ParameterError: ``broadcast`` is not one calendar programme with ``unit: decision`` and
            ``holdout_share``, it costs nothing, or nothing is what it shall cost.
        InputError: The replay was opened without its log.

    >>> from workbench.decision import load_programmes
    >>> weekly = broadcast_at_cost(replayed, load_programmes("params/programmes/grocery_weekly"))
    >>> bool(abs(weekly.committed_cost_cents / replayed.committed_cost_cents - 1) < 0.1)
    True
    """
    if replayed.log is None:
        raise InputError(
            "the replay was opened without its log; open it with wb.open_replay(folder, log=log)"
        )
    programmes = ProgrammeSet.of(broadcast)
    name = _checked_broadcast(programmes)
    whole = replay(replayed.log, programmes)
    wanted = replayed.committed_cost_cents if committed_cents is None else committed_cents
    costs = whole.committed_cost_cents
    if costs == 0:
        raise ParameterError(
            f"{name} costs nothing over this log, so no share of it costs {text.amount(wanted)}; "
            "give its offer a cost and a redemption rate"
        )
    if wanted <= 0:
        rule = "must be above 0: what may cost nothing is no broadcast"
        raise ParameterError(problem("committed_cents", wanted, rule))
    if wanted >= costs:
        return whole
    held = _WHOLE - round(_WHOLE * wanted / costs)
    share = min(held, _WHOLE - 1) / _WHOLE
    return replay(replayed.log, changed(programmes, {f"{name}.experiment.holdout_share": share}))


def _checked_broadcast(programmes: ProgrammeSet) -> str:
    """Return the name of the one calendar programme that can be sent to a part of the customers."""
    first = programmes[0]
    rule = "must be one calendar programme (kind: broadcast)"
    if len(programmes) != 1 or first.kind != "broadcast":
        told = ", ".join(f"{each.name} ({each.kind})" for each in programmes)
        raise ParameterError(problem("broadcast", told, rule))
    experiment = first.experiment
    if experiment.unit != "decision" or experiment.holdout_share is None:
        raise ParameterError(
            f"{first.name}: experiment must have unit: decision and holdout_share, so that each "
            "time another part of the customers gets it"
        )
    if ten_thousandths(experiment.holdout_share):
        rule = "must be 0: the share that gets it is what is looked for"
        raise ParameterError(
            problem(f"{first.name}.experiment.holdout_share", experiment.holdout_share, rule)
        )
    return first.name
