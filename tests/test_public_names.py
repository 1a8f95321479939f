"""The public names of `import workbench as wb`, found by discovery and put through the same laws."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import typing
from collections.abc import Callable
from typing import Any

import pandas as pd
import polars as pl
import pytest

import workbench as wb
from workbench.arguments import fits
from workbench.errors import ParameterError

FUNCTIONS = {
    name: getattr(wb, name) for name in wb.__all__ if inspect.isfunction(getattr(wb, name))
}
TAKING = {name: each for name, each in FUNCTIONS.items() if inspect.signature(each).parameters}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("name", wb.__all__)
def test_every_public_name_loads_and_is_documented(name: str):
    assert getattr(wb, name).__doc__


@pytest.mark.parametrize("first", ["workbench.replay", "workbench.profile", "workbench"])
def test_a_function_named_like_its_package_is_the_function_whatever_was_imported_first(first: str):
    code = f"import {first}, workbench as wb; print(callable(wb.replay), callable(wb.profile))"
    assert run(code) == "True True"


def test_importing_the_package_loads_no_heavy_library():
    code = "import sys, workbench; print([m for m in ('polars', 'pandas', 'numba', 'pymc') if m in sys.modules])"
    assert run(code) == "[]"


def test_a_misspelt_name_says_what_was_meant():
    with pytest.raises(AttributeError, match="did you mean 'open_log'"):
        wb.opne_log  # noqa: B018 - the access is the test


def lacks(function: Callable[..., Any]) -> list[str]:
    """What the docstring of a public function leaves out."""
    said = inspect.getdoc(function) or ""
    first = " ".join(said.split("\n\n")[0].split())
    signature = inspect.signature(function)
    arguments = re.search(r"^Args:\n(.*?)(?:\n\n(?! )|\Z)", said, re.DOTALL | re.MULTILINE)
    explained = re.findall(r"^ {4}(\w+):", arguments[1], re.MULTILINE) if arguments else []
    found = [] if re.fullmatch(r"[A-Z][^.]*(\.\w[^.]*)*\.", first) else ["one sentence first"]
    found += [f"the argument {name}" for name in signature.parameters if name not in explained]
    found += [f"no argument {name}" for name in explained if name not in signature.parameters]
    gives = signature.return_annotation not in (None, "None")
    if gives and "\nReturns:\n" not in said and not first.startswith("Return "):
        found.append("Returns")
    if "\nRaises:\n" not in said:
        found.append("Raises")
    if not re.search(r"^ *>>> |^Example:", said, re.MULTILINE):
        found.append("an example")
    return found


@pytest.mark.parametrize("name", TAKING)
def test_the_docstring_of_a_public_function_is_complete(name: str):
    assert lacks(TAKING[name]) == []


def test_a_docstring_that_leaves_something_out_is_seen():
    def planted(seed: int, share: float) -> int:
        return int(seed * share)

    planted.__doc__ = "Draw a number\n\nArgs:\n    sede: Where to begin.\n"
    assert lacks(planted) == [
        "one sentence first",
        "the argument seed",
        "the argument share",
        "no argument sede",
        "Returns",
        "Raises",
        "an example",
    ]


def refuses_everything_odd(function: Callable[..., Any]) -> bool:
    """Whether a call with nothing of the right kind is one clear error."""
    needed = [
        name
        for name, each in inspect.signature(function).parameters.items()
        if each.default is each.empty and each.kind is not each.VAR_KEYWORD
    ]
    try:
        function(**dict.fromkeys(needed, object()))
    except ParameterError as error:
        return bool(re.match(r"\w+ was <object object at .*>, must be ", str(error)))
    except Exception:  # noqa: BLE001 - any other error is what the law forbids
        return False
    return False


@pytest.mark.parametrize("name", TAKING)
def test_a_public_function_names_an_argument_of_the_wrong_kind(name: str):
    assert refuses_everything_odd(TAKING[name])


def test_a_function_that_ends_in_a_bare_error_is_seen():
    def planted(log):
        return log.zone

    assert not refuses_everything_odd(planted)


@pytest.mark.parametrize("name", TAKING)
def test_every_annotation_of_a_public_function_can_be_read_and_refuses_something(name: str):
    function = TAKING[name]
    hints = typing.get_type_hints(function, localns={"pd": pd, "pl": pl})
    assert set(inspect.signature(function).parameters) <= hints.keys()
    for parameter in inspect.signature(function).parameters:
        assert hints[parameter] is Any or not fits(object(), hints[parameter]), parameter


def test_a_wrong_kind_says_what_gives_the_right_one():
    with pytest.raises(
        ParameterError, match=r"^log was 'runs/demo/log', must be an opened log, .*open_log gives"
    ):
        wb.profile("runs/demo/log")
    with pytest.raises(ParameterError, match="bins was True, must be a whole number"):
        wb.rfm_scores(pd.DataFrame(), bins=True)
