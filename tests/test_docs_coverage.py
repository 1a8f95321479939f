"""The page of capabilities: every row is there, has one of four answers, and its tests exist."""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
REFERENCE = ROOT.parent / "shared" / "reference" / "decisioning.md"
ANSWERS = ("yes", "later", "no", "not ours")
LAST = {"E": 9, "I": 6, "C": 5, "T": 9, "S": 14, "L": 12, "A": 12, "X": 13, "G": 8, "R": 10}
LAST |= {"F": 8, "P": 6, "N": 9}
IDS = tuple(f"{group}{number}" for group, last in LAST.items() for number in range(1, last + 1))
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LEAST_WORDS = 3


@dataclass(frozen=True)
class Row:
    """A row of the page.

    Attributes:
        id: Such as ``E1``.
        answer: One of ``ANSWERS``.
        why: The tests that show it, its limit, or the reason.
    """

    id: str
    capability: str
    answer: str
    why: str


def rows_of(page: str) -> list[Row]:
    """Return the rows of all tables whose first cell is an id."""
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    return [Row(*cells) for cells in lines if cells and re.fullmatch(r"[A-Z]\d+", cells[0])]


def counts_of(page: str) -> dict[str, int]:
    """Return the counts by answer that the head of the page tells."""
    head = page.split("\n## ", maxsplit=1)[0]
    found = re.findall(r"^\| ([a-z ]+) \|.*\| (\d+) \|$", head, re.MULTILINE)
    return {answer: int(count) for answer, count in found}


@functools.cache
def named_in(path: str) -> frozenset[str]:
    """Return the tests of a file: functions, and laws that are made by a call."""
    if not (ROOT / path).is_file():
        return frozenset()
    names = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            names |= {each.id for each in node.targets if isinstance(each, ast.Name)}
    return frozenset(name for name in names if name.startswith("test_"))


def faults_of(rows: Sequence[Row], counts: Mapping[str, int]) -> list[str]:
    """Return what is wrong with rows and their counts, in words."""
    met = Counter(row.id for row in rows)
    faults = [f"{each} stands {met[each]} times" for each in IDS if met[each] != 1]
    faults += [f"{each} is not a capability" for each in met if each not in IDS]
    answers = Counter(row.answer for row in rows)
    wanted = {**{answer: answers[answer] for answer in ANSWERS}, "all": len(rows)}
    if counts != wanted:
        faults.append(f"the head counts {counts}, the rows {wanted}")
    for row in rows:
        named = TEST.findall(row.why)
        faults += [
            f"{row.id}: {path} has no {name}" for path, name in named if name not in named_in(path)
        ]
        if row.why.count("tests/") != len(named):
            faults.append(f"{row.id} names a test that is not `tests/file.py::name`")
        if not row.capability:
            faults.append(f"{row.id} names no capability")
        if row.answer not in ANSWERS:
            faults.append(f"{row.id} answers {row.answer!r}")
        elif row.answer == "yes" and not named:
            faults.append(f"{row.id} is a yes without a test")
        elif row.answer != "yes" and len(TEST.sub("", row.why).split()) < LEAST_WORDS:
            faults.append(f"{row.id} is {row.answer} without a reason")
    return faults


def test_every_capability_has_one_row_with_an_answer_that_holds():
    assert faults_of(rows_of(PAGE), counts_of(PAGE)) == []


def test_the_capabilities_are_those_of_the_study_of_the_field():
    if not REFERENCE.exists():
        pytest.skip("the study is not beside this checkout (../shared/reference/decisioning.md)")
    text = REFERENCE.read_text(encoding="utf-8")
    found = re.findall(r"^(?:\| |- )([A-Z]\d+) ", text, re.MULTILINE)
    assert sorted(found) == sorted(IDS)


SHOWN = "`tests/test_docs_coverage.py::test_every_capability_has_one_row_with_an_answer_that_holds`"
GOOD = [Row(each, "decides", "yes", SHOWN) for each in IDS]


def test_a_page_without_a_fault_has_none():
    counts = {"yes": len(GOOD), "later": 0, "no": 0, "not ours": 0, "all": len(GOOD)}
    assert faults_of(GOOD, counts) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"id": "E10"}, "E10 is not a capability"),
        ({"id": "E2"}, "E2 stands 2 times"),
        ({"id": "E2"}, "E1 stands 0 times"),
        ({"capability": ""}, "E1 names no capability"),
        ({"answer": "perhaps"}, "E1 answers 'perhaps'"),
        ({"why": "it does"}, "E1 is a yes without a test"),
        ({"why": "`tests/test_docs_coverage.py`"}, "E1 names a test that is not"),
        ({"why": "`tests/test_none.py::test_a`"}, "E1: tests/test_none.py has no test_a"),
        ({"why": SHOWN.replace("holds", "bends")}, "E1: tests/test_docs_coverage.py has no test_"),
        ({"answer": "later", "why": SHOWN}, "E1 is later without a reason"),
        ({"answer": "no", "why": "not yet"}, "E1 is no without a reason"),
        ({"answer": "not ours", "why": ""}, "E1 is not ours without a reason"),
        ({"answer": "no"}, "the head counts"),
    ],
)
def test_a_planted_bad_row_is_seen(changes: dict[str, str], fault: str):
    rows = [replace(GOOD[0], **changes), *GOOD[1:]]
    counts = {"yes": len(GOOD), "later": 0, "no": 0, "not ours": 0, "all": len(GOOD)}
    assert any(each.startswith(fault) for each in faults_of(rows, counts))


def test_a_row_that_is_lost_from_the_page_is_seen():
    lines = PAGE.splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("| S9 |")]
    assert len(kept) == len(lines) - 1
    faults = faults_of(rows_of("".join(kept)), counts_of(PAGE))
    assert faults[0] == "S9 stands 0 times"
    assert faults[1].startswith("the head counts")
