"""The page for authors of programmes: its examples load, and it names every key and every reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from workbench.decision import House, Programme, ProgrammeSet
from workbench.decision.context import COLUMNS
from workbench.decision.programme import Policy
from workbench.records import REASONS

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "programmes.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
TEA = {"id": "tea", "value_cents": 2, "cost_cents": 1, "redemption_rate": 0.1, "channel": "app"}
BASE = {
    "name": "base",
    "stage": "service",
    "kind": "targeting",
    "trigger": {"event": "purchase"},
    "offers": [{**TEA, "id": "coffee", "value_cents": 300}, TEA],
    "experiment": {"holdout_share": 0.1, "salt": "base"},
}


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_every_example_loads(block: str):
    if block.startswith("# house.yaml"):
        House.from_yaml(block, source="house.yaml")
    elif block.startswith("# a policy file"):
        policy = yaml.safe_load(block)
        values = {**BASE, "choose": {"by": "policy", "policy": policy}}
        assert Programme.from_mapping(values, source="page").choose.policy == Policy.from_yaml(
            block, source="page"
        )
    else:
        part = yaml.safe_load(block)
        values = part if "name" in part else {**BASE, **part}
        ProgrammeSet.of([Programme.from_mapping(values, source="page")])


def _keys(model: type[BaseModel], seen: set[type]) -> set[str]:
    if model in seen:
        return set()
    seen.add(model)
    found = set()
    for name, field in model.model_fields.items():
        found.add(field.alias or name)
        pending = [field.annotation]
        while pending:
            part = pending.pop()
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= _keys(part, seen)
            pending.extend(getattr(part, "__args__", ()))
    return found


@pytest.mark.parametrize("model", [Programme, House])
def test_the_page_names_every_key(model: type[BaseModel]):
    keys = _keys(model, set())
    missing = {
        key for key in keys if not re.search(rf"(?<![a-z_]){re.escape(key)}(?![a-z_])", PAGE)
    }
    assert not missing


def test_the_page_names_every_reason_and_every_column():
    for word in (*(reason.name for reason in REASONS), *COLUMNS):
        assert re.search(rf"(?<![a-z_]){word}(?![a-z_])", PAGE), word
