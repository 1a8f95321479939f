"""The shape of an error and the exit codes."""

from __future__ import annotations

import pytest

from workbench.errors import (
    InputError,
    LockedError,
    ParameterError,
    WorkbenchError,
    did_you_mean,
    problem,
    shown,
)


def test_each_kind_of_error_has_its_exit_code() -> None:
    codes = {kind: kind.exit_code for kind in (ParameterError, InputError, LockedError)}
    assert codes == {ParameterError: 64, InputError: 65, LockedError: 75}
    assert WorkbenchError.exit_code == 1
    assert all(issubclass(kind, WorkbenchError) for kind in codes)


def test_an_error_says_name_value_rule_place_and_hint() -> None:
    found = problem("seed", -1, "must be at least 0", where="a.yaml", hint=" — try 1")
    assert found == "seed was -1, must be at least 0 (a.yaml) — try 1"
    assert problem("seed", -1, "must be at least 0") == "seed was -1, must be at least 0"


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("sede", ["seed"], " — did you mean 'seed'?"),
        ("SEED", ["seed"], " — did you mean 'seed'?"),
        ("visits", ["Visits_90d", "n"], " — did you mean 'Visits_90d'?"),
        ("zzz", ["seed"], ""),
        ("seed", [], ""),
        ("", ["seed"], ""),
    ],
)
def test_the_nearest_name_is_offered(word: str, known: list[str], expected: str) -> None:
    assert did_you_mean(word, known) == expected


def test_a_value_is_shown_on_one_line_and_cut() -> None:
    assert "\n" not in shown("a\nb")
    assert len(shown("x" * 100_000)) < 160
    assert shown("x" * 100_000).endswith("characters)")
    assert shown("\x1b[31m") == r"'\x1b[31m'", "no control sequence reaches a terminal"


class _Loud:
    def __repr__(self) -> str:
        return "first\nsecond"


def test_a_value_whose_name_has_lines_is_shown_on_one() -> None:
    assert "\n" not in shown(_Loud())
