"""One row of the core as a decision, plainly: what ``decided`` does in columns. Decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.decision.assignment import assignment_shares, draw_32
from workbench.decision.choice import WHOLE
from workbench.decision.desk import (
    EVERY,
    KIND_COLLECTED,
    KIND_EVENT,
    KIND_RELEASE,
    KINDS,
    O_ACTION,
    O_KIND,
    O_KNOWN,
    O_PROGRAMME,
    O_REASON,
    O_SET,
    O_SHARE,
    O_SHARES,
    O_TOUCH,
    O_TS,
    P_FIRST_ACTION,
    P_LAST_ACTION,
    P_PATTERN,
    P_SCORES,
    SILENCE,
    T_ARM,
    T_LEVEL,
    T_PART,
    T_ROW,
    T_TS,
    T_WORDS,
    UNLESS,
    Desk,
)
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Offer, Programme
from workbench.decision.rules import Rules
from workbench.records import (
    AWARDED,
    GLOBAL_HOLDOUT,
    HELD_OUT,
    OFFERED,
    OTHER_LAYER,
    QUEUED,
    REASON_OF_CODE,
    Decision,
)

_GHOSTS = (HELD_OUT, GLOBAL_HOLDOUT)
_SHOWN = (OFFERED, QUEUED, *_GHOSTS)


def decision_of(  # noqa: PLR0917 - what names a row
    line: NDArray[np.int64],
    desk: Desk,
    event_ids: Sequence[str | None],
    person: str,
    rules: Rules,
    programmes: ProgrammeSet,
    *,
    measured: bool,
) -> Decision:
    """Return one row that the core put out as a decision."""
    row = line.tolist()
    touch = desk.touches[row[O_TOUCH]].tolist()
    p, action, reason = row[O_PROGRAMME], row[O_ACTION], row[O_REASON]
    programme = programmes[p]
    event_id = event_ids[touch[T_ROW]]
    rest = person if event_id is None else event_id
    release = row[O_KIND] == KIND_RELEASE
    at = row[O_TS] if release else touch[T_TS]
    decision_id = f"{programme.name}:{KINDS[row[O_KIND]]}:{at}:{rest}"
    named = {KIND_EVENT: event_id, KIND_COLLECTED: person}.get(row[O_SET], decision_id)
    offer = rules.action_list[action].offer if reason in _SHOWN and action >= 0 else None
    first = int(rules.programmes[p, P_FIRST_ACTION])
    count = int(rules.programmes[p, P_LAST_ACTION]) - first
    score, shares = None, None
    if offer is not None:
        place = int(rules.programmes[p, P_SCORES]) + touch[T_LEVEL] * count + action - first
        score = float(rules.scores[place])
        shares = tuple(WHOLE if j == action - first else 0 for j in range(count))
        if row[O_SHARES] >= 0:
            shares = tuple(desk.shares[row[O_SHARES] : row[O_SHARES] + count].tolist())
    chances, other = assignment_shares(programme.experiment)
    cost = 0 if offer is None else offer.cost_cents
    return Decision(
        decision_id=decision_id,
        set_id=f"{KINDS[row[O_SET]]}:{row[O_KNOWN]}:{named}",
        event_id=event_id,
        person=person,
        ts_us=row[O_TS],
        known_at_us=row[O_KNOWN],
        programme=programme.name,
        kind=KINDS[row[O_KIND]],
        arm=rules.arms[p][touch[T_ARM]],
        offer_id=None if offer is None else offer.id,
        channel=None if offer is None else offer.channel,
        variant=None if offer is None else _variant(programme, offer, touch, rest, rules, p),
        points=rules.action_list[action].points if reason == AWARDED else None,
        delivered=reason in (OFFERED, AWARDED),
        p_assignment=other if touch[T_PART] == OTHER_LAYER else chances[touch[T_ARM]],
        p_selection=row[O_SHARE] / WHOLE if offer is not None else 1.0,
        distribution=shares,
        measured=measured,
        score=score,
        reason=REASON_OF_CODE[reason].name,
        cost_cents=cost if reason == OFFERED else 0,
        would_cost_cents=cost if reason in _GHOSTS else 0,
        programme_digest=programme.digest,
    )


def _variant(  # noqa: PLR0917 - what names a row
    programme: Programme, offer: Offer, touch: list[int], rest: str, rules: Rules, p: int
) -> str | None:
    """Return the wording that the draw of the occurrence chooses among those that hold."""
    if not offer.variants:
        return None
    bit = 0
    for other in programme.offers:
        if other.id == offer.id:
            break
        bit += len(other.variants)
    able = [each for k, each in enumerate(offer.variants) if touch[T_WORDS] >> bit + k & 1]
    if not able:
        return None
    pattern = rules.programmes[p, P_PATTERN]
    kind = "timer" if pattern in (UNLESS, SILENCE) else "calendar" if pattern == EVERY else "event"
    name = f"{programme.name}:{kind}:{touch[T_TS]}:{rest}"
    draw = draw_32(f"{programme.experiment.salt}:variant:{name}")
    total, running = sum(each.weight for each in able), 0
    for each in able:
        running += each.weight
        if draw < running * WHOLE // total:
            return each.id
    return None
