"""A small project in a temporary folder whose notebooks have the real names and toy cells."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from workbench.run import parameters, plan

REPOSITORY = Path(__file__).resolve().parents[1]
SETUP = (
    "from pathlib import Path\n"
    "from workbench.run import parameters\n"
    "from workbench.run.results import record\n"
    "params = parameters.model_of(NAME).from_namespace(globals())"
)
WRITE = (
    "folder = params.path({name!r})\n"
    "folder.mkdir(parents=True, exist_ok=True)\n"
    "_ = (folder / 'part.txt').write_text({text!r})"
)


def cell(source: str, *tags: str, count: int | None = None, outputs: list | None = None) -> dict:
    return {
        "cell_type": "code",
        "execution_count": count,
        "id": "",
        "metadata": {"tags": list(tags)} if tags else {},
        "outputs": outputs or [],
        "source": source,
    }


def notebook(*cells: dict) -> dict:
    return {
        "cells": [{**each, "id": f"c{number}"} for number, each in enumerate(cells)],
        "metadata": {
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
                "name": "python3",
            }
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def parameters_cell(name: str) -> dict:
    fields = parameters.model_of(name).model_fields
    return cell(
        "\n".join(f"{key} = {field.default!r}" for key, field in fields.items()), "parameters"
    )


def toy(name: str, *bodies: str | dict) -> dict:
    """A notebook with the parameters of its model, a setup cell, and the given cells."""
    cells = [each if isinstance(each, dict) else cell(each) for each in bodies]
    return notebook(parameters_cell(name), cell(SETUP.replace("NAME", repr(name))), *cells)


def write(name: str, text: str) -> str:
    return WRITE.format(name=name, text=text)


class Project:
    """The temporary project."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in (
            "notebooks",
            "params/runs",
            "params/segments",
            "params/worlds",
            "params/dimensions",
            "params/programmes/grocery",
            "params/programmes/claims",
        ):
            (root / folder).mkdir(parents=True)
        for name in (
            "segments/grocery.yaml",
            "worlds/qsr.yaml",
            "worlds/app_offers.yaml",
            "dimensions/app_offers.yaml",
            "programmes/house.yaml",
            "programmes/breakfast_coffee.yaml",
            "programmes/nth_purchase.yaml",
            "programmes/claims/late_coffee.yaml",
            "programmes/claims/weekly_two_off.yaml",
            "programmes/grocery/welcome_back.yaml",
        ):
            shutil.copy(REPOSITORY / "params" / name, root / "params" / name)
        for name in ("grocery_selective", "grocery_weekly", "app_offers"):
            folder = REPOSITORY / "params/programmes" / name
            shutil.copytree(folder, root / "params/programmes" / name)

    def add(self, name: str, *bodies: str | dict) -> None:
        path = self.root / "notebooks" / f"{name}.ipynb"
        path.write_text(json.dumps(toy(name, *bodies)))

    def run_file(self, *steps: str | dict, **limits: object) -> Path:
        path = self.root / "params/runs/toy.yaml"
        listed = [{"notebook": step} if isinstance(step, str) else step for step in steps]
        path.write_text(json.dumps({"name": "toy", "steps": listed, "export": False, **limits}))
        return path

    def plan(self, *steps: str | dict, **limits: object) -> plan.Plan:
        return plan.plan_run(self.run_file(*steps, **limits), root=self.root)

    def folder(self, name: str) -> Path:
        return self.root / "runs/toy" / name

    def manifest(self, name: str) -> dict:
        return json.loads((self.folder(name) / "manifest.json").read_text())
