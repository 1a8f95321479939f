"""The page on uplift: the names that it uses exist, and the kinds are those of the package."""

from __future__ import annotations

import re
from pathlib import Path

import workbench as wb
from workbench.uplift import UpliftFit
from workbench.uplift.kinds import KINDS

PAGE = (Path(__file__).parents[1] / "docs" / "uplift.md").read_text(encoding="utf-8")


def test_every_public_name_of_the_page_exists():
    names = set(re.findall(r"wb\.(\w+)", PAGE))
    assert {"fit_uplift", "allocate", "write_policy", "closed_loop"} <= names
    assert names <= set(wb.__all__)


def test_what_the_page_reads_of_a_fit_is_there():
    fields = set(re.findall(r"fit\.(\w+)", PAGE))
    known = set(UpliftFit.__dataclass_fields__) | {"predict", "uplift"}
    assert fields - {"decision"} <= known


def test_every_kind_of_an_outcome_is_on_the_page():
    assert set(KINDS) == set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) & set(KINDS)
