"""The page on customer value: its names and arguments exist, and it has every purchase model."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import workbench as wb
from workbench.clv.models import MODELS

PAGE = (Path(__file__).parents[1] / "docs" / "customers.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_public_name_of_the_page_exists():
    names = set(re.findall(r"wb\.(\w+)", PAGE))
    assert {"fit_clv", "clv_by_arm", "clv_effect", "roi", "occasion_summary"} <= names
    assert names <= set(wb.__all__)


def test_every_argument_of_the_page_exists():
    calls = [
        node for code in CODE for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)
    ]
    named = [call for call in calls if isinstance(call.func, ast.Attribute) and call.keywords]
    seen = 0
    for call in named:
        if getattr(call.func.value, "id", "") == "wb":
            known = inspect.signature(getattr(wb, call.func.attr)).parameters
            assert {each.arg for each in call.keywords} <= set(known), call.func.attr
            seen += 1
    assert seen > 5


def test_every_purchase_model_is_on_the_page():
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == set(MODELS) | {"purchases"}
