"""A run before it starts: the run file, every check, and the order. Executes nothing.

Everything that can be known before the first cell is checked here: parameters of all notebooks,
inputs, folders, disk space, the form of each notebook, and that the order has no cycle.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from workbench.errors import InputError, ParameterError, WorkbenchError, did_you_mean, problem
from workbench.files import read_text
from workbench.params import Parameters
from workbench.run import cells, contents, parameters, paths

LEAST_FREE_BYTES = 200_000_000
MOST_WORKERS = 64

Scalar = bool | int | float | str


class Step(Parameters):
    """One notebook of a run file and its parameters: a file, or names and values.

    A notebook that stands more than once in a run has a ``name`` in each step, which names the
    step's folder; by default it is the notebook's.
    """

    notebook: str = Field(pattern=r"^[A-Za-z0-9_]+$", max_length=100)
    name: str = Field("", pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]*)?$", max_length=100)
    parameters: str | dict[str, Scalar] = Field(default_factory=dict)

    @field_validator("parameters", mode="before")
    @classmethod
    def _file_or_scalars(cls, value: object) -> object:
        if isinstance(value, str):
            return value
        if not isinstance(value, Mapping):
            raise ValueError("must be a parameter file, or names and values")  # noqa: TRY004 - pydantic reads ValueError
        for name, each in value.items():
            if not isinstance(each, Scalar):
                raise ValueError(f"has {name}, which must be a number, a text, true or false")  # noqa: TRY004 - same
        return value

    @property
    def called(self) -> str:
        """The name of the step, which is unique in its run."""
        return self.name or self.notebook


class RunFile(Parameters):
    """The content of a file such as ``params/runs/demo.yaml``."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=60)
    steps: tuple[Step, ...] = Field(min_length=1, max_length=200)
    workers: int = Field(2, ge=1, le=MOST_WORKERS)
    cell_timeout_s: int = Field(600, ge=1, le=86_400)
    run_timeout_s: int = Field(3_600, ge=1, le=604_800)
    export: bool = True


@dataclass(frozen=True)
class PlannedStep:
    """One notebook that is ready to run: everything about it was checked.

    Attributes:
        name: Name of the step, unique in its run; the notebook's by default.
        notebook: The notebook's name, without the suffix.
        path: Its file.
        parameters: Its checked parameters.
        inputs: Parameter name → what it reads.
        outputs: Parameter name → what it writes.
        needs: Names of the steps of the same run that must end first.
        notebook_digest: Digest of its sources and tags.
    """

    name: str
    notebook: str
    path: Path
    parameters: parameters.NotebookParameters
    inputs: Mapping[str, Path]
    outputs: Mapping[str, Path]
    needs: tuple[str, ...]
    notebook_digest: str


@dataclass(frozen=True)
class Plan:
    """A checked run: its steps in an order in which each follows what it needs.

    ``left_out`` names the steps of the run file that this plan leaves out.
    """

    name: str
    root: Path
    folder: Path
    run_file: Path
    steps: tuple[PlannedStep, ...]
    workers: int
    cell_timeout_s: int
    run_timeout_s: int
    export: bool
    left_out: tuple[str, ...] = ()


def plan_run(
    run_file: Path,
    *,
    root: Path | None = None,
    out: str = "",
    only: str = "",
    workers: int = 0,
) -> Plan:
    """Check a whole run and return its plan.

    Args:
        run_file: The YAML file.
        root: The project root; found from the working directory by default.
        out: The run folder; ``runs/<name>`` by default.
        only: Plan this step alone; its inputs must exist.
        workers: Notebooks at a time; what the file says by default.

    Raises:
        ParameterError: The run file, a parameter or the form of a notebook breaks a rule.
        InputError: A notebook or an input is missing, or a folder cannot be written.
    """
    base = (root or paths.root()).resolve()
    source = paths.shown_path(run_file.resolve(), base=base)
    read = RunFile.from_yaml(read_text(run_file), source=source)
    if workers < 0 or workers > MOST_WORKERS:
        raise ParameterError(problem("--workers", workers, "must be at most 64"))
    folder = paths.inside_root("--out", out or f"runs/{read.name}", base=base, where=source)
    names = [step.called for step in read.steps]
    for name in names:
        if names.count(name) > 1:
            raise ParameterError(
                f"{source}: two steps are called {name}; give each step a name of its own"
            )
    if only and only not in names:
        raise ParameterError(f"{source}: no step {only}{did_you_mean(only, names)}")
    chosen = [step for step in read.steps if only in ("", step.called)]
    steps = _ordered(_connected(_check_each(chosen, base=base, source=source)), source=source)
    _check_inputs(steps, base=base)
    _check_apart(steps, folder, base=base)
    _check_contents(steps, base=base)
    _check_folders([folder, *(path for step in steps for path in step.outputs.values())], base)
    return Plan(
        name=read.name,
        root=base,
        folder=folder,
        run_file=run_file.resolve(),
        steps=tuple(steps),
        workers=workers or read.workers,
        cell_timeout_s=read.cell_timeout_s,
        run_timeout_s=read.run_timeout_s,
        export=read.export,
        left_out=tuple(name for name in names if only not in ("", name)),
    )


def _check_each(steps: Sequence[Step], *, base: Path, source: str) -> list[PlannedStep]:
    """Check each step by itself; tell everything that is wrong, not the first thing."""
    planned: list[PlannedStep] = []
    errors: list[WorkbenchError] = []
    for step in steps:
        try:
            planned.append(_check_step(step, base=base, source=source))
        except WorkbenchError as error:
            errors.append(error)
    if errors:
        raise type(errors[0])("; ".join(str(error) for error in errors))
    return planned


def _check_step(step: Step, *, base: Path, source: str) -> PlannedStep:
    model = parameters.model_of(step.notebook)
    where = f"{source}: {step.called}"
    if isinstance(step.parameters, str):
        file = paths.resolve(step.parameters, base=base)
        checked = model.from_yaml(read_text_at(file, base), source=step.parameters)
    else:
        checked = model.from_mapping(step.parameters, source=where)
    path = base / "notebooks" / f"{step.notebook}.ipynb"
    shown = paths.shown_path(path, base=base)
    if not path.is_file():
        raise InputError(f"{source}: notebook {shown} does not exist")
    notebook = cells.read_notebook(path, where=shown)
    cells.check_form(notebook, model, where=shown)
    inputs, outputs = _paths_of(checked, base=base, where=where)
    return PlannedStep(
        name=step.called,
        notebook=step.notebook,
        path=path,
        parameters=checked,
        inputs=inputs,
        outputs=outputs,
        needs=(),
        notebook_digest=cells.source_digest(notebook),
    )


def read_text_at(path: Path, base: Path) -> str:
    """Return a text file of the project; an error names it relative to the root.

    Raises:
        InputError: The file cannot be read.
    """
    if not path.is_file():
        raise InputError(f"{paths.shown_path(path, base=base)} does not exist")
    return read_text(path)


def _paths_of(
    checked: parameters.NotebookParameters, *, base: Path, where: str
) -> tuple[dict[str, Path], dict[str, Path]]:
    inputs: dict[str, Path] = {}
    outputs: dict[str, Path] = {}
    for name, role in checked.roles().items():
        value: str = getattr(checked, name)
        if "\0" in value:
            raise ParameterError(problem(name, value, "must be a path", where=where))
        if role == "output":
            outputs[name] = paths.inside_root(name, value, base=base, where=where)
        elif role == "input" or "/" in value or paths.resolve(value, base=base).exists():
            inputs[name] = paths.resolve(value, base=base)
    return inputs, outputs


def _connected(steps: Sequence[PlannedStep]) -> list[PlannedStep]:
    """Give each step the names of the steps that write what it reads."""
    for step in steps:
        for name, path in step.outputs.items():
            for other in steps:
                for other_name, written in other.outputs.items():
                    same = other is step and other_name == name
                    if not same and (paths.within(path, written) or paths.within(written, path)):
                        raise ParameterError(
                            f"{step.name}.{name} and {other.name}.{other_name} "
                            f"write the same place; give each its own folder"
                        )
    connected = []
    for step in steps:
        needs = [
            other.name
            for other in steps
            if any(
                paths.within(read, written) or paths.within(written, read)
                for read in step.inputs.values()
                for written in other.outputs.values()
            )
        ]
        connected.append(
            PlannedStep(**{**step.__dict__, "needs": tuple(needs)})  # a copy with its needs
        )
    return connected


def _ordered(steps: Sequence[PlannedStep], *, source: str) -> list[PlannedStep]:
    """Return the steps in an order of their needs, otherwise as in the file."""
    waiting = list(steps)
    done: list[PlannedStep] = []
    while waiting:
        names = {step.name for step in done}
        ready = next((step for step in waiting if set(step.needs) <= names), None)
        if ready is None:
            circle = ", ".join(step.name for step in waiting)
            raise ParameterError(f"{source}: {circle} wait for each other's outputs")
        waiting.remove(ready)
        done.append(ready)
    return done


def _check_inputs(steps: Sequence[PlannedStep], *, base: Path) -> None:
    written = [path for step in steps for path in step.outputs.values()]
    absent = [
        f"{step.name}: {name} {paths.shown_path(path, base=base)} does not exist"
        for step in steps
        for name, path in step.inputs.items()
        if not path.exists() and not any(paths.within(path, output) for output in written)
    ]
    if absent:
        raise InputError(f"{'; '.join(absent)}; no step of this run writes it")


def _check_contents(steps: Sequence[PlannedStep], *, base: Path) -> None:
    """Read the files that parameters name and that no step of the run still has to write."""
    written = [path for step in steps for path in step.outputs.values()]
    for step in steps:
        if not any(
            paths.within(step.inputs[name], output)
            for name in step.parameters.readers()
            if name in step.inputs
            for output in written
        ):
            contents.check(step.parameters, step.inputs, base=base, where=step.name)


def _check_apart(steps: Sequence[PlannedStep], folder: Path, *, base: Path) -> None:
    """Check that no output lies where the run keeps a step's executed notebook and page."""
    for step in steps:
        for name, path in step.outputs.items():
            for other in steps:
                kept = folder / other.name
                if paths.within(path, kept) or paths.within(kept, path):
                    raise ParameterError(
                        f"{step.name}.{name} writes {paths.shown_path(path, base=base)}, "
                        f"where the run keeps its step {other.name}; choose another folder"
                    )


def _check_folders(
    folders: Sequence[Path],
    base: Path,
    *,
    free_bytes: Callable[[Path], Any] | None = None,
) -> None:
    """Check that each folder can be made and written, and that the disk is not full."""
    usage = free_bytes or (lambda path: shutil.disk_usage(path).free)
    for folder in folders:
        shown = paths.shown_path(folder, base=base)
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if existing != folder and not existing.is_dir():
            raise InputError(
                f"{shown} cannot be made: {paths.shown_path(existing, base=base)} is a file"
            )
        if not os.access(existing, os.W_OK):
            raise InputError(f"{shown} cannot be written: permission denied")
        free = int(usage(existing))
        if free < LEAST_FREE_BYTES:
            raise InputError(
                f"{shown}: {free // 1_000_000} MB free on its disk, "
                f"a run needs at least {LEAST_FREE_BYTES // 1_000_000} MB"
            )
