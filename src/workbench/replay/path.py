"""The path of a candidate through the stages: each test with what was seen and the limit.

Owns the words of a test. Compares nothing itself: meters by ``is_reached`` and ``inside``, consent
by ``agreed``, quiet hours by ``quiet_reason``, budgets by ``is_closed``, conditions by the answers
that the core read; and the first refusal is held against ``open_reason``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from workbench import text
from workbench.conditions import Condition
from workbench.decision import core
from workbench.decision.desk import (
    A_BUDGETS,
    A_BUDGETS_END,
    A_CHANNEL,
    A_CHECKS,
    A_CHECKS_END,
    A_CONSENT,
    CALENDAR,
    EMPTY_US,
    HOLD,
    L_ACTION,
    L_OUT,
    L_REASON,
    M_COUNT,
    M_HOLD,
    M_KIND,
    M_NTH,
    M_REASON,
    M_WINDOW,
    NEVER_US,
    O_ACTION,
    P_ARMS,
    P_CHOOSE,
    P_COLLECT,
    P_FIRST_ACTION,
    P_LAST_ACTION,
    P_QUEUE,
    P_QUIET_FROM,
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
    Table,
)
from workbench.decision.meters import inside, is_reached
from workbench.decision.written import HOUSE, key_of
from workbench.errors import WorkbenchError
from workbench.records import (
    APPLICABILITY_UNKNOWN,
    AUDIENCE_UNKNOWN,
    BUDGET_CLOSED,
    CAP_REACHED,
    CONCURRENCY,
    CONSENT_UNKNOWN,
    DAY_US,
    GLOBAL_HOLDOUT,
    HELD_OUT,
    INVENTORY_GONE,
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
    WAITING,
    YES,
)
from workbench.replay.context import Values, inner_values, role_of, seen, trigger_values
from workbench.replay.moment import Candidate, Moment
from workbench.replay.one_person import THROUGH

_ANSWERS = {NO: "no", YES: "yes", UNKNOWN: "not known"}
_OPEN_ENDS = (*THROUGH, OUTRANKED)
_PERIOD_US = (DAY_US, 7 * DAY_US, 30 * DAY_US)


@dataclass(frozen=True)
class Test:
    """One test on the path of an offer.

    Attributes:
        stage: The stage of the funnel.
        test: What is compared, as the programme file writes it.
        value: What was seen.
        limit: What it was held against.
        passed: Whether it let the offer through; none: it was not reached and says nothing.
        reason: Code of the refusal; 0 when it passed.
        key: Path of the key that says so, or empty.
        reached: Whether the core came by it.
        free_us: From when on it would pass, when only time has to go by; none: not so.
        span_us: The time that the limit is about, for telling how long a wait is.
        condition: The condition, where it is one.
        values: What the condition read.
        meter: The meter, where it is one; -1: none.
        account: The budget, where it is one; -1: none.
    """

    stage: str
    test: str
    value: str
    limit: str
    passed: bool | None
    reason: int = 0
    key: str = ""
    reached: bool = True
    free_us: int | None = None
    span_us: int = DAY_US
    condition: Condition | None = None
    values: Values | None = None
    meter: int = -1
    account: int = -1

    @property
    def timeless(self) -> bool:
        """Whether nothing that was decided before changes it: a condition, the arm, a consent."""
        return self.meter < 0 and self.account < 0 and self.reason not in (WAITING, OUTRANKED)


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
    if outcome.placed is None:
        raise WorkbenchError("no candidates were kept; this is a fault of explain")
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
    yield from _limits(moment, candidate, action)
    if candidate.released:
        return
    yield from _waiting(moment, candidate)
    yield from _quiet(moment, candidate)
    yield from _budgets(moment, candidate, action)
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


def _limits(moment: Moment, candidate: Candidate, action: int) -> Iterator[Test]:
    """Give every meter that an offer is held against."""
    desk, memory, rules = moment.desk, candidate.memory, moment.person.job.rules
    at_us, zone = candidate.at[0], max(candidate.zone, 0)
    for m in desk.lists[
        desk.actions[action, A_CHECKS] : desk.actions[action, A_CHECKS_END]
    ].tolist():
        meter = desk.meters[m]
        refuses = bool(is_reached(desk, memory, m, at_us, zone))
        count, free = inside(desk, memory, m, at_us, zone)
        value, limit = meter_words(moment, m, memory, at_us, int(count), held=refuses)
        yield Test(
            "limits",
            rules.meter_names[m],
            value,
            limit,
            passed=not refuses,
            reason=int(meter[M_REASON]) if refuses else 0,
            key=rules.meter_keys[m],
            free_us=int(free) if refuses and abs(free) < NEVER_US // 4 else None,
            span_us=_span(moment, m),
            meter=m,
        )


def _span(moment: Moment, m: int) -> int:
    meter = moment.desk.meters[m]
    if meter[M_KIND] == CALENDAR:
        return _PERIOD_US[{"day": 0, "week": 1, "month": 2}[_calendar(moment, m)]]
    return int(meter[M_HOLD] if meter[M_KIND] == HOLD else meter[M_WINDOW]) or 30 * DAY_US


def _calendar(moment: Moment, m: int) -> str:
    key = moment.person.job.rules.meter_keys[m]
    return str(key_of(moment.person.job.programmes, f"{key}.calendar"))


def meter_words(
    moment: Moment, m: int, memory: Table, at_us: int, count: int, *, held: bool
) -> tuple[str, str]:
    """Return what a meter counts and its limit, in words; ``held``: whether it refuses."""
    meter, rules = moment.desk.meters[m], moment.person.job.rules
    programmes, key = moment.person.job.programmes, rules.meter_keys[m]
    most = int(meter[M_COUNT])
    last = int(memory[meter[M_NTH]])
    if meter[M_REASON] == CAP_REACHED:
        counts = key_of(programmes, f"{key}.counts")
        window = key_of(programmes, f"{key}.window")
        period = f"this {_calendar(moment, m)}" if window is None else f"in the last {window}"
        return f"{min(count, most)} {counts} {period}", text.count(most)
    if meter[M_REASON] == CONCURRENCY:
        return f"{min(count, most)} open", text.count(most)
    if meter[M_KIND] == HOLD:
        rule = key_of(programmes, key)
        limit = f"{text.plural(rule.count, 'rejection')} in {rule.within}, then {rule.hold}"
        return ("on hold" if held else "no hold"), limit
    if last == EMPTY_US:
        value = "no decision before"
    else:
        value = f"last decision {elapsed(at_us - last)} before"
    window = key_of(programmes, key)
    return value, "once" if isinstance(window, bool) else str(window)


def elapsed(us: int) -> str:
    """Return a length of time for a reader: days from two on.

    >>> elapsed(90_000_000), elapsed(5 * DAY_US)
    ('1 min 30 s', '5.0 days')
    """
    return text.days(us / DAY_US, 1) if abs(us) >= 2 * DAY_US else text.duration(us / 1_000_000)


def _waiting(moment: Moment, candidate: Candidate) -> Iterator[Test]:
    row = moment.desk.programmes[candidate.programme]
    if row[P_QUEUE] < 0 and row[P_COLLECT] < 0:
        return
    yield Test(
        "limits",
        "no other occurrence of the programme waits",
        "one waits" if candidate.waiting else "none waits",
        "none",
        passed=not candidate.waiting,
        reason=WAITING if candidate.waiting else 0,
    )


def quiet_key(moment: Moment, p: int) -> str:
    """Return the path of the quiet hours that hold for a programme."""
    programme = moment.person.job.programmes[p]
    return f"{programme.name if programme.quiet_hours is not None else HOUSE}.quiet_hours"


def _quiet(moment: Moment, candidate: Candidate) -> Iterator[Test]:
    """Give the quiet hours; what waits for their end has passed."""
    desk, p, known_us = moment.desk, candidate.programme, candidate.at[1]
    rule = moment.person.job.programmes.quiet_hours_of(p)
    if desk.programmes[p, P_QUIET_FROM] < 0 or rule is None:
        return
    reason, until = core.quiet_reason(desk, p, candidate.zone, known_us)
    zones = moment.person.job.zones
    zone = zones[max(candidate.zone, 0)]
    value = text.instant(known_us, zone)
    if candidate.zone < 0 and rule.without_zone != "log":
        value = "the customer's zone is not known"
    limit = "discard" if rule.then == "discard" else f"wait at most {rule.expire}"
    yield Test(
        "limits",
        f"quiet hours {rule.start} to {rule.end}",
        value if until == known_us else f"{value}, quiet until {text.instant(int(until), zone)}",
        limit,
        passed=reason == 0,
        reason=int(reason),
        key=quiet_key(moment, p),
        free_us=int(until) if reason and until > known_us else None,
    )


def _budgets(moment: Moment, candidate: Candidate, action: int) -> Iterator[Test]:
    desk, accounts = moment.desk, moment.person.job.rules.accounts
    _, known_us, seq, key = candidate.at
    for entry in desk.lists[
        desk.actions[action, A_BUDGETS] : desk.actions[action, A_BUDGETS_END]
    ].tolist():
        b = entry // 2
        closed = bool(core.is_closed(desk, b, known_us, seq, key))
        account = accounts[b]
        amount = text.count(account.amount) if account.pieces else text.amount(account.amount)
        refused = INVENTORY_GONE if entry % 2 else BUDGET_CLOSED
        yield Test(
            "budget",
            f"{'pieces' if account.pieces else 'budget'} of {account.name}",
            "closed" if closed else "open",
            f"{amount} in all" if account.per == "total" else f"{amount} a {account.per}",
            passed=not closed,
            reason=refused if closed else 0,
            free_us=reopens_us(moment, b, known_us) if closed else None,
            span_us=30 * DAY_US,
            account=b,
        )


def reopens_us(moment: Moment, b: int, known_us: int) -> int | None:
    """Return when the period of a closed budget ends; none: never."""
    first, end = moment.desk.closing_of[b].tolist()
    ends = [row[3] for row in moment.desk.closings[first:end].tolist() if row[0] <= known_us]
    return ends[-1] if ends and ends[-1] < NEVER_US else None


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
