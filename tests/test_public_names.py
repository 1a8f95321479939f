"""The public names of `import workbench as wb`."""

from __future__ import annotations

import subprocess
import sys

import pytest

import workbench as wb


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
