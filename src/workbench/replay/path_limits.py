"""The limits on the path of an offer: meters, what waits, quiet hours, budgets. Owns their words.

Compares nothing itself: meters by ``is_reached`` and ``inside``, quiet hours by ``quiet_reason``,
budgets by ``is_closed``.
"""

from __future__ import annotations

from collections.abc import Iterator

from workbench import text
from workbench.decision import core
from workbench.decision.desk import (
    A_BUDGETS,
    A_BUDGETS_END,
    A_CHECKS,
    A_CHECKS_END,
    CALENDAR,
    EMPTY_US,
    HOLD,
    M_COUNT,
    M_HOLD,
    M_KIND,
    M_NTH,
    M_REASON,
    M_WINDOW,
    NEVER_US,
    P_COLLECT,
    P_QUEUE,
    P_QUIET_FROM,
    Table,
)
from workbench.decision.meters import inside, is_reached
from workbench.decision.written import HOUSE, key_of
from workbench.records import (
    BUDGET_CLOSED,
    CAP_REACHED,
    CONCURRENCY,
    DAY_US,
    INVENTORY_GONE,
    WAITING,
)
from workbench.replay.moment import Candidate, Moment
from workbench.replay.tested import Test, elapsed

_PERIOD_US = (DAY_US, 7 * DAY_US, 30 * DAY_US)


def limits_of(moment: Moment, candidate: Candidate, action: int) -> Iterator[Test]:
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


def waiting_of(moment: Moment, candidate: Candidate) -> Iterator[Test]:
    """Give whether another occurrence of the programme waits, where one can."""
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


def quiet_of(moment: Moment, candidate: Candidate) -> Iterator[Test]:
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


def budgets_of(moment: Moment, candidate: Candidate, action: int) -> Iterator[Test]:
    """Give every budget and inventory that an offer reserves from."""
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
