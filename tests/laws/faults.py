"""The tool that plants a fault: a function of the core with one place of its source changed.

A planted fault lives in plain Python. The core for one event runs the very functions that the
compiled one is made of, so a fault that its laws catch there is one that they would catch.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, NamedTuple

import pytest
from domain import Case
from hypothesis import strategies as st
from hypothesis.errors import Flaky
from law_checks import Check, law, law_that_must_fail, one_at_a_time_is_as_the_words_say
from programme_domain import cases


def mutated(function: Callable[..., Any], *changes: tuple[str, str]) -> Callable[..., Any]:
    """Return a function with places of its source changed; each must occur once."""
    function = inspect.unwrap(getattr(function, "py_func", function))
    source = textwrap.dedent(inspect.getsource(function))
    lines = source.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith(("def ", "class ")))
    source = "\n".join(lines[start:])
    for old, new in changes:
        assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times"
        source = source.replace(old, new)
    namespace = dict(function.__globals__)
    exec(compile(source, "<planted fault>", "exec"), namespace)  # noqa: S102 - the source is our own function
    changed = namespace[function.__name__]
    assert isinstance(changed, FunctionType)
    return changed


def plant(monkeypatch: pytest.MonkeyPatch, whole: Any, *changes: tuple[str, str]) -> None:
    """Put the changed function wherever the package holds the true one."""
    owner, _, name = whole.__qualname__.rpartition(".")
    changed = mutated(whole, *changes)
    if owner:
        monkeypatch.setattr(vars(sys.modules[whole.__module__])[owner], name, changed)
    else:
        put(monkeypatch, whole, changed, name)


def put(monkeypatch: pytest.MonkeyPatch, whole: Any, changed: Any, name: str) -> None:
    """Replace a function in every module of the package that has it."""
    for each in list(sys.modules.values()):
        if getattr(each, "__name__", "").startswith("workbench") and (
            getattr(each, name, None) is whole
        ):
            monkeypatch.setattr(each, name, changed)


def must_fail(
    check: Check, domain: st.SearchStrategy[Case] | None = None, *, examples: int = 400
) -> None:
    with pytest.raises((AssertionError, Flaky)):
        law_that_must_fail(check, domain, examples=examples)()


class Fault(NamedTuple):
    """A place of a function, what stands there instead, and the features that bring it to light."""

    function: object
    old: str
    new: str
    features: tuple[str, ...]
    programmes: int = 1


def oracle_catches(monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    """Plant a fault into plain Python and demand that the core then differs from the oracle."""
    plant(monkeypatch, fault.function, (fault.old, fault.new))
    domain = cases(fault.features, most=0, programmes=(fault.programmes,))
    must_fail(one_at_a_time_is_as_the_words_say, domain, examples=600)


def domains_of(faults: Mapping[str, Fault]) -> list[tuple[tuple[str, ...], int]]:
    return sorted({(fault.features, fault.programmes) for fault in faults.values()})


def holds_without_a_fault(features: tuple[str, ...], programmes: int) -> None:
    """Hold the same check over the same domain: the faults are what fails, not the check."""
    domain = cases(features, most=0, programmes=(programmes,))
    law(one_at_a_time_is_as_the_words_say, domain, examples=15)()
