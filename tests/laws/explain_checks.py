"""What an explanation claims, as checks of one case of the tiny domain. Owns no test and no fault."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import polars as pl
from domain import Case
from law_checks import decided, until_of
from tiny_log import tiny_log

from workbench.decision.durations import Duration
from workbench.decision.written import changed
from workbench.records import REASON_OF_CODE
from workbench.replay import explain
from workbench.replay import replay as replay_log
from workbench.replay.moment import moment_of
from workbench.replay.one_person import person_of
from workbench.replay.path import actions_of, path_of

_MOST = 6
THROUGH = ("offered", "awarded", "held_out", "global_holdout", "queued")


def path_ends_where_the_log_says(case: Case) -> None:
    """The run of each person gives their rows, and every path ends in the reason that was logged."""
    with tiny_log(case) as log:
        replayed = replay_log(
            log, case.programmes, workers=1, until=until_of(case), candidates=True
        )
        whole = replayed.candidates().collect()
        for person_id in log.codes("person").to_list():
            person = person_of(replayed, person_id)
            decisions = person.outcome.decisions
            for set_id in decisions["set_id"].unique(maintain_order=True):
                moment = moment_of(person, set_id)
                for candidate in moment.candidates:
                    decision_id = decisions["decision_id"][candidate.place]
                    mine = whole.filter(whole["decision_id"] == decision_id)
                    ends = [_end(moment, candidate, a) for a in actions_of(moment, candidate)]
                    assert ends == [
                        "open" if reason in ("offered", "awarded", "queued") else reason
                        for reason in mine["reason"]
                    ]


def _end(moment, candidate, action: int) -> str:
    tests = path_of(moment, candidate, action)
    first = next((each.reason for each in tests if each.passed is False), None)
    return "open" if first is None else REASON_OF_CODE[first].name


def changes_do_what_they_say(case: Case) -> None:
    """Each change that is proposed, made in the whole log, gives that decision an offer.

    A limit or a threshold is changed in the programmes, a value or the time in the log. Nothing
    nearer to what it was does the same: no smaller count, no longer length of time, no instant just
    before, no number next to it.
    """
    with tiny_log(case) as log:
        replayed = replay_log(log, case.programmes, workers=1, until=until_of(case))
        for row in _refused(replayed):
            told = explain(replayed, row["person"], at=row["decision_id"])
            assert told.changes["size"].is_monotonic_increasing
            for change in told.changes.to_dict("records"):
                mine = _row_of(told, change["programme"])
                assert _ended(case, change, mine) in THROUGH, change
                for nearer in _nearer(case, change):
                    assert _ended(case, {**change, "would_be": nearer}, mine) not in THROUGH, (
                        change,
                        nearer,
                    )


def _nearer(case: Case, change: dict[str, Any]) -> list[Any]:
    """Return values between what a thing was and what it would have to be."""
    was, would_be, key = change["was"], change["would_be"], change["key"]
    found: list[Any] = []
    if change["kind"] == "time":
        found = [would_be - pd.Timedelta(1, "us")]
    elif key.endswith((".count", ".concurrency", ".slot")):
        found = list(range(was + 1, would_be))
    elif key.endswith(".value_cents"):
        found = [would_be - 1] if would_be - 1 > was else []
    elif key.endswith((".cooldown", ".hold")) and would_be is not None:
        low, high = Duration.parse(would_be), Duration.parse(was)
        instants = {at for event in case.events for at in (event.ts_us, event.known_at_us)}
        apart = {b - a for a in instants for b in instants if low < b - a < high}
        found = [str(Duration(each)) for each in sorted({low + 1, *apart} - {int(high)})[:_MOST]]
    elif key.endswith(".expire"):
        found = [str(Duration(Duration.parse(would_be) - 1))]
    elif change["kind"] == "value" and was is not None and abs(was - would_be) > 1:
        found = [would_be + (1 if was > would_be else -1)]
    return found


def _refused(replayed: Any) -> list[dict[str, Any]]:
    """Return one row of each set of which a decision has no offer."""
    rows = replayed.decisions().filter(~pl.col("reason").is_in(THROUGH)).collect()
    return rows.unique("set_id", maintain_order=True).to_dicts()


def _row_of(told: Any, programme: str) -> dict[str, Any]:
    rows = told.decisions[told.decisions["programme"] == programme].to_dict("records")
    assert len(rows) == 1
    return rows[0]


def _ended(case: Case, change: dict[str, Any], mine: dict[str, Any]) -> str:
    """Return how the decision ends in a whole replay with the change; empty when it is not made."""
    match change["kind"]:
        case "limit" | "threshold":
            programmes = changed(case.programmes, {change["key"]: change["would_be"]})
            again = replace(case, programmes=programmes)
        case "value":
            again = _edited(case, mine["event_id"], {change["key"]: change["would_be"]})
        case "time":
            shift = round((change["would_be"] - change["was"]).total_seconds() * 1_000_000)
            event = next(e for e in case.events if e.event_id == mine["event_id"])
            again = _edited(
                case,
                mine["event_id"],
                {"ts_us": event.ts_us + shift, "known_at_us": event.known_at_us + shift},
            )
        case "consent":
            known_us = round(mine["known_at"].timestamp() * 1_000_000)
            channel = change["key"].removeprefix("consent.")
            entry = (mine["person"], channel, known_us, True)
            kept = tuple(each for each in case.consent if each[:3] != entry[:3])
            again = replace(case, consent=(*kept, entry))
        case kind:
            raise AssertionError(kind)
    rows = decided(again)
    moved = change["kind"] == "time"
    found = [
        row["reason"]
        for row in rows
        if row["programme"] == mine["programme"]
        and row["kind"] == mine["kind"]
        and (
            row["event_id"] == mine["event_id"]
            if moved
            else row["decision_id"] == mine["decision_id"]
        )
    ]
    return found[0] if found else ""


def _edited(case: Case, event_id: str, values: dict[str, Any]) -> Case:
    """Return the case with one event edited, its events in their order and its end behind them."""
    events = [
        event._replace(**values) if event.event_id == event_id else event for event in case.events
    ]
    events.sort(key=lambda event: (event.known_at_us, event.seq))
    last = events[-1]
    until = case.until
    if until is not None and last.known_at_us >= until:
        until = last.known_at_us + 1
    return replace(case, events=tuple(events), until=until)
