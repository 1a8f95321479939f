"""The path of a candidate through the stages: each test with what was seen and the limit.

Owns the order of the tests and the words of those that are no limit. Compares nothing itself:
consent by ``agreed``, conditions by the answers that the core read, limits in ``path_limits``; and
the first refusal is held against ``open_reason``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from workbench import text
from workbench.conditions import Condition
from workbench.decision import core
from workbench.decision.desk import (
    A_CHANNEL,
    A_CONSENT,
    L_ACTION,
    L_OUT,
    L_REASON,
    O_ACTION,
    P_ARMS,
    P_CHOOSE,
    P_FIRST_ACTION,
    P_LAST_ACTION,
    P_SCORES,
    POLICY,
    T_ARM,
    T_AUDIENCE,
    T_LEVEL,
    T_NULL,
    T_PART,
    T_ROLE,
    T_ROW,
    T_SUPPRESS,
    T_YES,
)
from workbench.decision.written import HOUSE
from workbench.errors import WorkbenchError
from workbench.records import (
    APPLICABILITY_UNKNOWN,
    AUDIENCE_UNKNOWN,
    CONSENT_UNKNOWN,
    GLOBAL_HOLDOUT,
    HELD_OUT,
    NO,
    NO_CONSENT,
    NOT_APPLICABLE,
    NOT_IN_AUDIENCE,
    NOT_WORTH_IT,
    OTHER_ARM,
    OUTRANKED,
    QUEUED,
    REASON_OF_CODE,
    SUPPRESSED,
    SUPPRESSION_UNKNOWN,
    UNKNOWN,
    YES,
)
from workbench.replay.context import Values, inner_values, role_of, seen, trigger_values
from workbench.replay.moment import Candidate, Moment
from workbench.replay.one_person import THROUGH
from workbench.replay.path_limits import budgets_of, limits_of, quiet_of, waiting_of
from workbench.replay.tested import Test

_ANSWERS = {NO: "no", YES: "yes", UNKNOWN: "not known"}
_OPEN_ENDS = (*THROUGH, OUTRANKED)


def path_of(moment: Moment, candidate: Candidate, action: int) -> tuple[Test, ...]:
    """Return the tests of an offer in their order.

    Raises:
        WorkbenchError: The first refusal is not the one that the core gives: a fault of this module.
    """
    desk, memory = moment.desk, candidate.memory
    said, _ = core.open_reason(
        desk,
        memory,
        0,
        candidate.touch,
        action,
        candidate.at,
        int(candidate.released),
        int(candidate.waiting),
    )
    tests = list(_until_open(moment, candidate, action))
    first = next((each.reason for each in tests if each.passed is False), 0)
    ended = ending(moment, candidate, action)
    if first != said or (said != ended if said else ended not in _OPEN_ENDS):
        raise WorkbenchError(
            f"the path ends in {_named(first)}, the core says {_named(int(said))} and wrote "
            f"{_named(ended)}; this is a fault of explain"
        )
    tests += _once_open(moment, candidate, action, ended if not said else None)
    reached, found = True, []
    for each in tests:
        found.append(replace(each, reached=reached))
        reached &= each.passed is not False
    return tuple(found)


def ending(moment: Moment, candidate: Candidate, action: int) -> int:
    """Return the reason of an offer in the table of candidates."""
    outcome, looks = moment.person.outcome, moment.person.looks
    mine = looks[looks[:, L_OUT] == outcome.placed[candidate.place]]
    return int(mine[mine[:, L_ACTION] == action][0, L_REASON])


def actions_of(moment: Moment, candidate: Candidate) -> range:
    """Return the actions that a candidate considers."""
    if candidate.released:
        return range(candidate.action, candidate.action + 1)
    row = moment.desk.programmes[candidate.programme]
    return range(int(row[P_FIRST_ACTION]), int(row[P_LAST_ACTION]))


def _named(reason: int) -> str:
    return REASON_OF_CODE[reason].name if reason in REASON_OF_CODE else "no refusal"


def _until_open(moment: Moment, candidate: Candidate, action: int) -> Iterator[Test]:
    """Give the tests that decide whether an offer is open."""
    if not candidate.released:
        yield from _of_customer(moment, candidate, action)
    yield from _suppressions(moment, candidate)
    yield from _consent(moment, candidate, action)
    yield from limits_of(moment, candidate, action)
    if candidate.released:
        return
    yield from waiting_of(moment, candidate)
    yield from quiet_of(moment, candidate)
    yield from budgets_of(moment, candidate, action)
    yield from _worth(moment, candidate, action)


def _of_customer(moment: Moment, candidate: Candidate, action: int) -> Iterator[Test]:
    """Give trigger, experiment, audience, arm and the condition of the offer."""
    person, desk, p = moment.person, moment.desk, candidate.programme
    programme, touch = person.job.programmes[p], desk.touches[candidate.touch]
    role = role_of(person, p, int(touch[T_ROLE]))
    row = int(touch[T_ROW])
    values = trigger_values(person, role, row)
    name = "calendar" if role.type == "" else f"event = {role.type}"
    when = "" if role.when is None else f" AND {role.when.text}"
    saw = name if role.when is None else f"{name}, {seen(role.when, values)}"
    yield Test("trigger", name + when, saw, programme.trigger.pattern, passed=True)
    part, arm = int(touch[T_PART]), person.job.rules.arms[p][touch[T_ARM]]
    yield Test(
        "experiment",
        f"takes part in the experiment {programme.experiment.salt}",
        f"arm {arm}" if part == 0 else text.words(_named(part)),
        text.share(programme.experiment.coverage),
        passed=part == 0,
        reason=part,
        key=f"{programme.name}.experiment",
    )
    inner = inner_values(person, role, row)
    known = role.conditions
    if known.audience is not None:
        answer = int(touch[T_AUDIENCE])
        yield _condition(
            "eligibility",
            known.audience,
            inner,
            f"{programme.name}.audience",
            answer == YES,
            NOT_IN_AUDIENCE if answer == NO else AUDIENCE_UNKNOWN,
        )
    j = action - int(desk.programmes[p, P_FIRST_ACTION])
    if programme.experiment.offers_by_arm:
        mine = bool(desk.lists[desk.programmes[p, P_ARMS] + touch[T_ARM]] >> j & 1)
        yield Test(
            "applicability",
            "the offer belongs to the arm",
            f"arm {arm}",
            "",
            passed=mine,
            reason=0 if mine else OTHER_ARM,
            key=f"{programme.name}.experiment.offers_by_arm",
        )
    condition = known.offers[j] if known.offers else None
    if condition is not None:
        unknown = bool(touch[T_NULL] >> j & 1)
        yield _condition(
            "applicability",
            condition,
            inner,
            f"{programme.name}.offers.{j}.when",
            bool(touch[T_YES] >> j & 1),
            APPLICABILITY_UNKNOWN if unknown else NOT_APPLICABLE,
        )


def _condition(  # noqa: PLR0917 - what names a row
    stage: str,
    condition: Condition,
    values: Values,
    key: str,
    passed: bool,
    reason: int,
) -> Test:
    limit = "not true" if stage == "suitability" else "true"
    return Test(
        stage,
        condition.text,
        seen(condition, values),
        limit,
        passed=passed,
        reason=0 if passed else reason,
        key=key,
        condition=condition,
        values=values,
    )


def _suppressions(moment: Moment, candidate: Candidate) -> Iterator[Test]:
    """Give each suppression; what the core knows is whether any holds, or else is not known."""
    person, touch = moment.person, moment.desk.touches[candidate.touch]
    role = role_of(person, candidate.programme, int(touch[T_ROLE]))
    suppress = role.conditions.suppress
    if not suppress:
        return
    values = inner_values(person, role, int(touch[T_ROW]))
    reason = SUPPRESSED if touch[T_SUPPRESS] == YES else SUPPRESSION_UNKNOWN
    for k, each in enumerate(suppress):
        name = person.job.programmes[candidate.programme].name
        passed = each.evaluate(values) is False
        yield _condition("suitability", each, values, f"{name}.suppress.{k}", passed, reason)


def _consent(moment: Moment, candidate: Candidate, action: int) -> Iterator[Test]:
    desk = moment.desk
    if desk.actions[action, A_CONSENT] != 1:
        return
    channel = int(desk.actions[action, A_CHANNEL])
    answer = int(core.agreed(desk, 0, channel, candidate.at[1]))
    rules, name = moment.person.job.rules, moment.person.job.programmes[candidate.programme].name
    refused = NO_CONSENT if answer == NO else CONSENT_UNKNOWN
    yield Test(
        "consent",
        f"agreed to {rules.channels[channel]}",
        _ANSWERS[answer],
        "required",
        passed=answer == YES,
        reason=0 if answer == YES else refused,
        key=f"{name}.consent",
    )


def score_of(moment: Moment, candidate: Candidate, action: int) -> float:
    """Return the score of an offer in the context of a candidate."""
    row = moment.desk.programmes[candidate.programme]
    count = row[P_LAST_ACTION] - row[P_FIRST_ACTION]
    level = moment.desk.touches[candidate.touch, T_LEVEL]
    place = row[P_SCORES] + level * count + action - row[P_FIRST_ACTION]
    return float(moment.desk.scores[place])


def _worth(moment: Moment, candidate: Candidate, action: int) -> Iterator[Test]:
    if moment.desk.programmes[candidate.programme, P_CHOOSE] != POLICY:
        return
    worth = ending(moment, candidate, action) != NOT_WORTH_IT
    name = moment.person.job.programmes[candidate.programme].name
    yield Test(
        "arbitration",
        "score of the cell less the price of its cost",
        text.number(score_of(moment, candidate, action)),
        "above 0",
        passed=worth,
        reason=0 if worth else NOT_WORTH_IT,
        key=f"{name}.choose.policy",
    )


def _once_open(
    moment: Moment, candidate: Candidate, action: int, ended: int | None
) -> Iterator[Test]:
    """Give what comes behind an open offer; ``ended`` is none for one that is not open."""
    programme = moment.person.job.programmes[candidate.programme]
    if programme.kind != "listening" and not candidate.released:
        yield _slot(moment, candidate, action, ended)
    if ended == OUTRANKED:
        ended = None
    ghost = ended in (HELD_OUT, GLOBAL_HOLDOUT)
    yield Test(
        "hold-out",
        "not in a control",
        "" if ended is None else text.words(_named(ended)) if ghost else "not held out",
        "",
        passed=None if ended is None or ended == QUEUED else not ghost,
        reason=ended if ghost and ended else 0,
        key=f"{programme.name}.experiment",
    )


def _slot(moment: Moment, candidate: Candidate, action: int, ended: int | None) -> Test:
    """Return how an open offer stood against the others of the set."""
    mine = candidate.action == action and candidate.reason != OUTRANKED
    others = [
        f"{moment.person.job.programmes[other.programme].name} "
        f"{text.number(score_of(moment, other, int(moment.person.out[other.place, O_ACTION])))}"
        for other in moment.candidates
        if other is not candidate and other.action >= 0
    ]
    limit = f"above {text.listing(others)}" if others else "no other"
    if not mine and candidate.action >= 0:
        limit = "another offer of the programme was chosen"
    passed = None if ended is None else ended != OUTRANKED
    return Test(
        "arbitration",
        f"score, for one of {text.plural(int(moment.desk.slot[0]), 'place')}",
        text.number(score_of(moment, candidate, action)),
        limit,
        passed=passed,
        reason=OUTRANKED if ended == OUTRANKED else 0,
        key=f"{HOUSE}.slot",
    )
