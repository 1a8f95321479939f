"""The laws as checks of one case. Owns no test and no fault.

Each check is used twice: by the test of the law, and by the tests that plant faults and demand
that the same check fails.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from domain import ZONE, Case
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from oracle_choice import WHOLE
from programme_domain import cases
from tiny_log import tiny_log

from workbench.records import REASONS, Decision, Event
from workbench.replay import DecisionCore, load_state, replay

Check = Callable[[Case], None]
Law = Callable[[], None]
Row = dict[str, Any]
FIRST_SEQ = -(1 << 62)
TIMES = int(os.environ.get("TIMES_AS_MANY_CASES", "1"))


def law(check: Check, domain: st.SearchStrategy[Case] | None = None, *, examples: int = 60) -> Law:
    """Return the check over the tiny domain as a function that can be called again and again.

    The cases are others in each run. `make laws` asks for ten times as many.
    """
    return settings(deadline=None, max_examples=TIMES * examples, database=None)(
        given(cases() if domain is None else domain)(check)
    )


def law_that_must_fail(
    check: Check, domain: st.SearchStrategy[Case] | None = None, *, examples: int = 400
) -> Law:
    """Return the same, always over the same cases, without the search for the smallest one."""
    return settings(
        deadline=None,
        max_examples=examples,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )(given(cases() if domain is None else domain)(check))


# Decisions as rows that can be compared


def by_id(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["known_at_us"], row["decision_id"]))


def of_frame(frame: pl.DataFrame) -> list[Row]:
    """Return the rows of a decision log, in its order."""
    plain = frame.with_columns(pl.col("ts", "known_at").to_physical()).rename(
        {"ts": "ts_us", "known_at": "known_at_us"}
    )
    rows = plain.select(Decision._fields).to_dicts()
    for row in rows:
        row["distribution"] = None if row["distribution"] is None else tuple(row["distribution"])
    return rows


def of_records(records: Sequence[Decision]) -> list[Row]:
    """Return decisions of a core for one event at a time, in their order."""
    return [record._asdict() for record in records]


def in_words(case: Case) -> list[Row]:
    """Return what the oracle says, in the shape of the decision log."""
    programmes = {each.name: each for each in case.programmes}
    rows = []
    for said in case.in_words().decisions:
        row = {**said, "ts_us": said["ts"], "known_at_us": said["known_at"]}
        programme = programmes[said["programme"]]
        shares = said["distribution"]
        row["distribution"] = (
            None if shares is None else tuple(shares.get(each.id, 0) for each in programme.offers)
        )
        row["p_assignment"] = float(said["p_assignment"])
        chance = said["p_selection"]
        row["p_selection"] = 1.0 if chance is None else chance / WHOLE
        row["programme_digest"] = programme.digest
        rows.append({name: row[name] for name in Decision._fields})
    return rows


def assert_same(found: Sequence[Row], wanted: Sequence[Row]) -> None:
    """Compare decision for decision; a score may differ by rounding only."""
    found, wanted = by_id(found), by_id(wanted)
    names = [[row["decision_id"] for row in rows] for rows in (found, wanted)]
    assert names[0] == names[1]
    for mine, other in zip(found, wanted, strict=True):
        if mine["score"] is not None and other["score"] is not None:
            assert math.isclose(mine["score"], other["score"], rel_tol=1e-9, abs_tol=1e-9)
            assert {**mine, "score": 0} == {**other, "score": 0}
        else:
            assert mine == other


# The ways to decide a case


def until_of(case: Case) -> tuple[int, int] | None:
    return None if case.until is None else (case.until, FIRST_SEQ)


def decided(case: Case, *, workers: int = 1, parts: int = 2) -> list[Row]:
    """Replay a case: compiled, in columns."""
    with tiny_log(case, parts=parts) as log:
        result = replay(log, case.programmes, workers=workers, until=until_of(case))
        return of_frame(result.decisions().collect())


def core_of(case: Case, log: Any, state: Any = None) -> DecisionCore:
    return DecisionCore(case.programmes, state, zone=ZONE, log=log)


def one_at_a_time(case: Case, core: DecisionCore) -> list[Row]:
    """Decide a case one event after the other: plain."""
    found = [decision for event in case.events for decision in core.decide(event)]
    if case.until is not None:
        found.extend(core.advance(case.until))
    return of_records(found)


def end_of(case: Case) -> int:
    return case.until if case.until is not None else case.events[-1].known_at_us


# The laws


def deterministic(case: Case) -> None:
    """Law 1: the same log and programmes give the same files, byte for byte."""
    with tiny_log(case) as log, tempfile.TemporaryDirectory() as name:
        written = []
        for number, workers in enumerate((1, 2)):
            folder = Path(name) / str(number)
            replay(log, case.programmes, out=folder, workers=workers, until=until_of(case))
            written.append({path.name: path.read_bytes() for path in folder.iterdir()})
        assert written[0] == written[1]


def cut_anywhere(case: Case) -> None:
    """Law 2: head, state saved and read, tail: the decisions and the last state of one piece."""
    if not case.events:
        return
    cuts = {case.events[place].known_at_us for place in (0, len(case.events) // 2, -1)}
    places = [(event.known_at_us, event.seq) for event in case.events[1::2]]
    places += [(at + 1, FIRST_SEQ) for at in cuts if at < end_of(case)]
    with tiny_log(case) as log, tempfile.TemporaryDirectory() as name:
        until = until_of(case)
        whole = replay(log, case.programmes, workers=1, until=until)
        wanted = of_frame(whole.decisions().collect())
        for place in places:
            if until is not None and place > until:
                continue
            folder = Path(name) / "head"
            head = replay(log, case.programmes, until=place, out=folder, workers=1)
            tail = replay(log, case.programmes, state=folder, workers=1, until=until)
            first = of_frame(head.decisions().collect())
            assert_same(first + of_frame(tail.decisions().collect()), wanted)
            assert tail.state.persons.equals(whole.state.persons)
            assert tail.state.ledger == whole.state.ledger
            rest = Case(
                tuple(e for e in case.events if (e.known_at_us, e.seq) >= place),
                case.programmes,
                case.consent,
                case.until,
            )
            core = core_of(case, log, load_state(folder))
            assert_same(first + one_at_a_time(rest, core), wanted)


def one_at_a_time_equals_columns(case: Case) -> None:
    """Law 3: plain, one event at a time, and compiled, in columns: equal in all that is logged."""
    with tiny_log(case) as log:
        plain = one_at_a_time(case, core_of(case, log))
    assert by_id(plain) == by_id(decided(case))


def columns_are_as_the_words_say(case: Case) -> None:
    """The core in columns against the oracle, decision for decision."""
    assert_same(decided(case), in_words(case))


def one_at_a_time_is_as_the_words_say(case: Case) -> None:
    """The core for one event against the oracle, decision for decision."""
    with tiny_log(case) as log:
        core = core_of(case, log)
        assert_same(one_at_a_time(case, core), in_words(case))
    assert core.responses_not_admitted == case.in_words().not_admitted


def future_never_leaks(case: Case) -> None:
    """Law 4: without the events known later, every earlier decision is the same."""
    whole = decided(case)
    for count in range(1, len(case.events)):
        shorter = case.upto(count)
        end = shorter.events[-1].known_at_us
        if case.events[count].known_at_us == end:
            continue
        shorter = Case(shorter.events, case.programmes, case.consent, end + 1)
        earlier = [row for row in whole if row["known_at_us"] <= end]
        assert_same(decided(shorter), earlier)


def persons_are_independent(case: Case) -> None:
    """Law 5, without budgets: a person's decisions do not change with the others in the log."""
    if not case.events:
        return
    case = Case(case.events, case.programmes, case.consent, end_of(case))
    whole = decided(case)
    for person in {event.person_id for event in case.events}:
        alone = [row for row in whole if row["person"] == person]
        assert_same(decided(case.only(person)), alone)


def split_equals_whole(case: Case) -> None:
    """Law 5, with budgets: any number of parts, and the core in one piece, decide the same."""
    parts = [decided(case, parts=number) for number in (1, 2, 4)]
    assert by_id(parts[0]) == by_id(parts[1]) == by_id(parts[2])
    with tiny_log(case) as log:
        assert_same(one_at_a_time(case, core_of(case, log)), parts[0])


def exactly_once(case: Case) -> None:
    """Law 6: an event given again, at once or at the end, changes nothing and is counted."""
    with tiny_log(case) as log:
        once, often = core_of(case, log), core_of(case, log)
        for event in case.events:
            assert often.decide(event) == once.decide(event)
            assert often.decide(event) == ()
        for seq, event in enumerate(case.events, start=1000):
            late = event._replace(seq=seq, known_at_us=case.events[-1].known_at_us)
            assert often.decide(late) == ()
        assert once.refused == 0
        assert often.refused == 2 * len(case.events)
        assert often.state.persons.equals(once.state.persons)
        assert often.state.ledger == once.state.ledger
        if case.events:
            last = case.events[-1]
            early: Event = last._replace(event_id="new", known_at_us=last.known_at_us - 1)
            early = early._replace(ts_us=min(early.ts_us, early.known_at_us))
            assert often.decide(early) == ()
            assert often.refused == 2 * len(case.events) + 1
        if case.until is not None:
            assert often.advance(case.until) == once.advance(case.until)


def every_refusal_has_a_reason(case: Case) -> None:
    """Law 7: one reason for every decision and every candidate, and the stages add up."""
    with tiny_log(case) as log:
        result = replay(log, case.programmes, workers=1, candidates=True, until=until_of(case))
    rows = of_frame(result.decisions().collect())
    assert len({row["decision_id"] for row in rows}) == len(rows)
    stage_of = {reason.name: reason.stage for reason in REASONS}
    counted = Counter((row["programme"], row["reason"]) for row in rows)
    for line in result.funnel.itertuples():
        assert line.decisions == counted.pop((line.programme, line.reason), 0)
        assert line.stage == stage_of[line.reason]
    assert not counted
    programmes = {each.name: each for each in case.programmes}
    candidates = result.candidates().collect().to_dicts()
    of_row = Counter((each["decision_id"]) for each in candidates)
    for row in rows:
        programme = programmes[row["programme"]]
        assert of_row[row["decision_id"]] == (
            1
            if row["kind"] == "release" or programme.kind == "listening"
            else len(programme.offers)
        )
        assert (row["offer_id"] is not None) == (
            row["reason"] in ("offered", "queued", "held_out", "global_holdout")
            and programme.kind != "listening"
        )
        assert row["delivered"] == (row["reason"] in ("offered", "awarded"))
        offer = next((each for each in programme.offers if each.id == row["offer_id"]), None)
        cost = 0 if offer is None else offer.cost_cents
        assert row["cost_cents"] == (cost if row["reason"] == "offered" else 0)
        ghost = row["reason"] in ("held_out", "global_holdout")
        assert row["would_cost_cents"] == (cost if ghost else 0)
        assert (row["arm"] == "control") >= (row["reason"] == "held_out")
        if row["distribution"] is not None:
            assert sum(row["distribution"]) == WHOLE
    final = {row["decision_id"]: row for row in rows}
    for each in candidates:
        assert stage_of[each["reason"]] == each["stage"]
        row = final[each["decision_id"]]
        if each["reason"] == row["reason"] and each["offer_id"] is not None:
            assert row["offer_id"] in (None, each["offer_id"])
    ends = ("offered", "queued", "held_out", "global_holdout", "awarded")
    found = [each for each in candidates if each["reason"] not in ends and each["offer_id"]]
    assert sorted(map(_compared, found)) == sorted(map(_compared, case.in_words().candidates))


def _compared(candidate: Row) -> tuple[str, ...]:
    """Return of a candidate what removed it, and the cap; a ring knows of no more than its limit."""
    names = ["decision_id", "offer_id", "reason"]
    if candidate["reason"] == "cap_reached":
        names += ["meter", "limit"]
        assert candidate["count"] >= candidate["limit"]
    return tuple(str(candidate[name]) for name in names)


def responses_belong_to_decisions(case: Case) -> None:
    """Law 9: what answers a decision that was not delivered here changes nothing and is counted."""
    said = case.in_words()
    with tiny_log(case) as log, tempfile.TemporaryDirectory() as name:
        result = replay(log, case.programmes, workers=1, until=until_of(case), out=name)
        rows = of_frame(result.decisions().collect())
        summary = json.loads((Path(name) / "manifest.json").read_text())["summary"]
        assert summary["responses_not_admitted"] == said.not_admitted
    delivered = {(row["decision_id"], row["person"]) for row in rows if row["delivered"]}
    kept = tuple(
        event
        for event in case.events
        if event.decision_id is None or (event.decision_id, event.person_id) in delivered
    )
    if len(kept) < len(case.events) and case.events:
        without = Case(kept, case.programmes, case.consent, end_of(case))
        whole = Case(case.events, case.programmes, case.consent, end_of(case))
        first = {event.person_id: event for event in reversed(case.events)}
        same = {name for name, event in first.items() if event in kept}
        found = [row for row in decided(without) if row["person"] in same]
        assert_same(found, [row for row in decided(whole) if row["person"] in same])
