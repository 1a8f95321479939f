"""The page for authors of worlds: its example loads, its lines run, and it names every key and default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from workbench.world import Simulation, World, simulate
from workbench.world.truth import CAUSES, LOSSES

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "worlds.md").read_text()
EXAMPLE = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
LINES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
ROWS = {
    (section.split("\n")[0], key): default
    for section in PAGE.split("\n## ")
    for key, default in re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE)
}


def models(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Return a model and every model within it, by name."""
    found, pending = {model.__name__: model}, [f.annotation for f in model.model_fields.values()]
    while pending:
        part = pending.pop()
        if isinstance(part, type) and issubclass(part, BaseModel):
            found |= models(part)
        pending.extend(getattr(part, "__args__", ()))
    return found


MODELS = models(World)
KEYS = sorted((name, key) for name, model in MODELS.items() for key in model.model_fields)


def test_the_example_loads_and_lives():
    world = World.from_yaml(EXAMPLE, source="worlds.md")
    assert simulate(world.sized(days=7), seed=1).log.events > 50


def test_the_lines_of_the_page_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    space: dict[str, object] = {}
    exec(LINES, space)  # noqa: S102 - the page's own lines
    assert isinstance(space["simulated"], Simulation)


@pytest.mark.parametrize(("model", "key"), KEYS)
def test_every_key_stands_on_the_page_with_its_default(model: str, key: str):
    field = MODELS[model].model_fields[key]
    told = [default for (_, name), default in ROWS.items() if name == key]
    assert told
    if field.is_required():
        assert "required" in told
    elif isinstance(field.default, int | float | str):
        assert f"`{field.default}`" in told


def test_no_key_on_the_page_is_unknown():
    known = {key for _, key in KEYS} | set(CAUSES.values()) | set(LOSSES.values())
    assert {key for _, key in ROWS} <= known


def test_every_cause_of_the_truth_is_explained():
    assert all(f"| `{name}` |" in PAGE for name in (*CAUSES.values(), *LOSSES.values()))
