"""What an explanation claims, as checks of one case of the tiny domain. Owns no test and no fault."""

from __future__ import annotations

from domain import Case
from law_checks import until_of
from tiny_log import tiny_log

from workbench.records import REASON_OF_CODE
from workbench.replay import replay
from workbench.replay.moment import moment_of
from workbench.replay.one_person import person_of
from workbench.replay.path import actions_of, path_of


def path_ends_where_the_log_says(case: Case) -> None:
    """The run of each person gives their rows, and every path ends in the reason that was logged."""
    with tiny_log(case) as log:
        replayed = replay(log, case.programmes, workers=1, until=until_of(case), candidates=True)
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
