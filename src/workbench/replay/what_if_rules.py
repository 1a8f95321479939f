"""The nearest key of a programme file that lets an offer through: limits and thresholds.

Owns the search. Each value is tried by running the core over the person's whole history, because a
wider limit lets earlier offers through too, and these take slots.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from workbench import text
from workbench.conditions.nodes import Constant
from workbench.conditions.thresholds import turned
from workbench.conditions.written import text_of
from workbench.decision import core
from workbench.decision.desk import (
    KIND_RELEASE,
    M_HOLD,
    M_WINDOW,
    O_KIND,
    O_KNOWN,
    O_PROGRAMME,
    O_TOUCH,
    O_TS,
    P_QUEUE,
    R_ANSWER,
    R_TS,
    R_ZONE,
    REJECTED,
    T_ROW,
)
from workbench.decision.durations import Duration, TimeOfDay
from workbench.decision.programme.types import LARGEST_CENTS, LARGEST_COUNT
from workbench.decision.written import HOUSE, Value, key_of
from workbench.records import (
    CAP_REACHED,
    CONCURRENCY,
    CONSENT_UNKNOWN,
    COOLDOWN,
    NO_CONSENT,
    NO_ZONE,
    NOT_WORTH_IT,
    ONCE,
    OUTRANKED,
    QUIET_EXPIRED,
    QUIET_HOURS,
    REJECTIONS,
)
from workbench.replay.one_person import OnePerson
from workbench.replay.path import score_of
from workbench.replay.tested import Test, elapsed
from workbench.replay.what_if import Change, Question, least

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MINUTES = 24 * 60
_PRICE_STEPS = 10_000


def rule_changes(question: Question) -> Iterator[Change]:
    """Give the nearest values of single keys that let the offer of a decision through."""
    for refusal in question.refusals():
        if refusal.condition is not None:
            yield from _thresholds(question, refusal)
        elif refusal.reason in _SEARCHES:
            yield from _SEARCHES[refusal.reason](question, refusal)


def _cap(question: Question, refusal: Test) -> Iterator[Change]:
    yield from _count(question, refusal, f"{refusal.key}.count")


def _concurrency(question: Question, refusal: Test) -> Iterator[Change]:
    yield from _count(question, refusal, refusal.key)


def _cooldown(question: Question, refusal: Test) -> Iterator[Change]:
    yield from _length(question, refusal.key, refusal.key, M_WINDOW, _decided(question))


def _once(question: Question, refusal: Test) -> Iterator[Change]:
    yield from _tried(question, refusal.key, was=True, would_be=False, size=1.0)


def _rejections(question: Question, refusal: Test) -> Iterator[Change]:
    yield from _count(question, refusal, f"{refusal.key}.count")
    yield from _length(question, refusal.key, f"{refusal.key}.hold", M_HOLD, _rejected(question))


def _consent(question: Question, refusal: Test) -> Iterator[Change]:
    yield from _tried(question, refusal.key, was="required", would_be="none", size=1.0)


def _count(question: Question, refusal: Test, key: str) -> Iterator[Change]:
    """Give the smallest count; once no candidate is refused by it, a larger one changes nothing."""
    was = int(key_of(question.person.job.programmes, key))
    for count in range(was + 1, LARGEST_COUNT + 1):
        run = question.under(key, count)
        if run is None:
            return
        if question.passes(run):
            yield _keyed(question, run, key, was, count, (count - was) / was)
            return
        keys = run.job.rules.meter_keys
        meters = frozenset(m for m, each in enumerate(keys) if each == refusal.key)
        if not run.refused_by(meters):
            return


def _length(
    question: Question, limit: str, key: str, column: int, since: tuple[list[int], list[int]]
) -> Iterator[Change]:
    """Give the longest length of time below the present one, if lifting the limit helps at all.

    A length changes what is decided only where it passes the time between two instants: these are
    tried, the longest first.
    """
    lifted = question.under(limit, None)
    if lifted is None or not question.passes(lifted):
        return
    was = key_of(question.person.job.programmes, key)
    later, earlier = since
    edges = {b - a for a, b in itertools.product(earlier, later) if 0 < b - a < int(was)}
    for edge in sorted(edges, reverse=True):
        if not question.passes(_with_length(question.person, limit, column, edge)):
            continue
        length = str(Duration(edge))
        run = question.under(key, length)
        if run is not None and question.passes(run):
            yield _keyed(question, run, key, str(was), length, (int(was) - edge) / int(was))
            return
    yield _keyed(question, lifted, limit, str(was), None, 1.0)


def _with_length(person: OnePerson, key: str, column: int, length_us: int) -> OnePerson:
    """Return the person under a meter of another length, whose layout is the same."""
    rules = person.job.rules
    meters = rules.meters.copy()
    for m, each in enumerate(rules.meter_keys):
        if each == key:
            meters[m, column] = length_us
    return person.with_rules(replace(rules, meters=meters))


def _decided(question: Question) -> tuple[list[int], list[int]]:
    """Return the instants at which the programme is or may be decided, and those that may count."""
    person, p = question.person, question.target.programme
    desk = person.outcome.decided.desk
    found = set()
    for row in person.out[person.out[:, O_PROGRAMME] == p]:
        found.add(int(row[O_TS]))
        if desk.programmes[p, P_QUEUE] >= 0 and row[O_KIND] != KIND_RELEASE:
            zone = desk.rows[desk.touches[row[O_TOUCH], T_ROW], R_ZONE]
            found.add(int(core.quiet_reason(desk, p, zone, row[O_KNOWN])[1]))
    instants = sorted(found)
    return instants, instants


def _rejected(question: Question) -> tuple[list[int], list[int]]:
    """Return the instants at which the programme may be decided, and those of rejections."""
    rows = question.person.prepared.seen.rows
    rejections = rows[rows[:, R_ANSWER] == REJECTED, R_TS]
    return _decided(question)[0], sorted(set(rejections.tolist()))


def _quiet(question: Question, refusal: Test) -> Iterator[Change]:
    """Give what of the quiet hours would let it through: their ends, the queue, the longest wait."""
    key, moment, candidate = refusal.key, question.moment, question.candidate
    if moment is None or candidate is None:
        return
    rule = key_of(question.person.job.programmes, key)
    if refusal.reason == NO_ZONE:
        for instead in ("log", "send"):
            yield from _tried(question, f"{key}.without_zone", "refuse", instead, 1.0)
        return
    if refusal.reason == QUIET_HOURS:
        yield from _tried(question, f"{key}.then", "discard", "queue", 1.0)
    if refusal.reason == QUIET_EXPIRED and refusal.free_us is not None:
        wait = Duration(refusal.free_us - candidate.at[1])
        size = (int(wait) - int(rule.expire)) / int(rule.expire)
        yield from _tried(question, f"{key}.expire", str(rule.expire), str(wait), size)
    zone = ZoneInfo(question.person.job.zones[max(candidate.zone, 0)])
    local = (_EPOCH + timedelta(microseconds=candidate.at[1])).astimezone(zone)
    minute = local.hour * 60 + local.minute
    for end, was, would_be in (("to", rule.end, minute), ("from", rule.start, minute + 1)):
        clock = TimeOfDay(would_be % _DAY_MINUTES)
        apart = abs(int(was) - int(clock))
        size = min(apart, _DAY_MINUTES - apart) / _DAY_MINUTES
        yield from _tried(question, f"{key}.{end}", str(was), str(clock), size)


def _price(question: Question, refusal: Test) -> Iterator[Change]:
    """Give the largest shadow price, to four decimals, at which the score is above it."""
    key = f"{refusal.key}.shadow_price"
    was = key_of(question.person.job.programmes, key)
    steps = round(float(was) * _PRICE_STEPS)

    def price(less: int) -> float:
        return (steps - less) / _PRICE_STEPS

    less = (
        least(lambda n: question.passes(question.under(key, price(n))), 0, steps) if steps else None
    )
    if less is not None and (run := question.under(key, price(less))) is not None:
        yield _keyed(question, run, key, was, price(less), less / steps)


def _outranked(question: Question, _: Test) -> Iterator[Change]:
    """Give the smallest number of offers in a set, and the smallest value that wins."""
    yield from _slot(question)
    yield from _bid(question)


def _slot(question: Question) -> Iterator[Change]:
    """Give the smallest number of offers in a set."""
    key, was = f"{HOUSE}.slot", question.person.job.programmes.house.slot
    for slot in range(was + 1, max(was, len(question.person.job.programmes)) + 1):
        run = question.under(key, slot)
        if run is not None and question.passes(run):
            yield _keyed(question, run, key, was, slot, (slot - was) / was)
            return


def _bid(question: Question) -> Iterator[Change]:
    """Give the smallest value of the best open offer with which it wins."""
    moment, candidate = question.moment, question.candidate
    if moment is None or candidate is None:
        return
    p = question.target.programme
    programme = question.person.job.programmes[p]
    opened = [a for a, tests in question.paths.items() if _is_open(tests)]
    if not opened or programme.choose.by == "policy":
        return
    best = max(opened, key=lambda a: score_of(moment, candidate, a))
    j = best - min(question.paths)
    key, was = f"{programme.name}.offers.{j}.value_cents", programme.offers[j].value_cents
    found = least(lambda n: question.passes(question.under(key, n)), was, LARGEST_CENTS)
    if found is not None and (run := question.under(key, found)) is not None:
        yield _keyed(question, run, key, was, found, (found - was) / max(was, 1))


def _is_open(tests: tuple[Test, ...]) -> bool:
    return all(each.passed is not False or each.reason == OUTRANKED for each in tests)


def _thresholds(question: Question, refusal: Test) -> Iterator[Change]:
    """Give for each comparison with a literal the nearest one that turns the condition."""
    condition, values = refusal.condition, refusal.values
    if condition is None or values is None:
        return
    for each in turned(condition.node, values):
        if each.literal is None:
            continue
        would_be = text_of(each.put(each.literal))
        run = question.under(refusal.key, would_be)
        if run is None or not question.passes(run):
            continue
        yield question.change(
            "threshold",
            refusal.key,
            condition.text,
            would_be,
            run=run,
            size=_apart(_number(each.comparison), _number(each.literal)),
            had=f"{refusal.key} asked for {text_of(each.literal)} instead of "
            f"{text_of(each.comparison)}",
        )


def _number(comparison: object) -> object:
    sides = (getattr(comparison, "left", None), getattr(comparison, "right", None))
    return next((side.value for side in sides if isinstance(side, Constant)), None)


def _apart(was: object, would_be: object) -> float:
    """Return how far two values lie apart, relative to the first."""
    if isinstance(was, int | float) and isinstance(would_be, int | float):
        return abs(would_be - was) / max(abs(was), 1)
    return 1.0


def _tried(
    question: Question, key: str, was: Value, would_be: Value, size: float
) -> Iterator[Change]:
    run = question.under(key, would_be)
    if run is not None and question.passes(run):
        yield _keyed(question, run, key, was, would_be, size)


def _keyed(  # noqa: PLR0917 - what names a row
    question: Question, run: OnePerson, key: str, was: Value, would_be: Value, size: float
) -> Change:
    """Return a change of a key."""
    had = f"{key} been {_shown(would_be)} instead of {_shown(was)}"
    if would_be is None:
        had = f"there been no {key}"
    return question.change("limit", key, was, would_be, run=run, size=size, had=had)


def _shown(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return text.count(value)
    exact = str(value)
    if exact.endswith(" s"):  # a length of time that is no whole minutes
        return f"{elapsed(int(Duration.parse(exact)))} ({exact})"
    return exact


_SEARCHES: Mapping[int, Callable[[Question, Test], Iterator[Change]]] = {
    CAP_REACHED: _cap,
    CONCURRENCY: _concurrency,
    COOLDOWN: _cooldown,
    ONCE: _once,
    REJECTIONS: _rejections,
    NO_CONSENT: _consent,
    CONSENT_UNKNOWN: _consent,
    QUIET_HOURS: _quiet,
    QUIET_EXPIRED: _quiet,
    NO_ZONE: _quiet,
    NOT_WORTH_IT: _price,
    OUTRANKED: _outranked,
}
