"""Executes a plan: in the order of needs, several at a time, each result whole or absent.

Owns scheduling, skipping, time limits and what is kept; one notebook's process is ``process``,
the checks before are ``plan``, the form of what is written is ``manifest``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import platform
import selectors
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from workbench.errors import InputError, WorkbenchError
from workbench.files import locked, write_text
from workbench.run import cells, keys, manifest, paths, progress
from workbench.run.cells import nbformat
from workbench.run.plan import Plan, PlannedStep
from workbench.run.process import Ended, NotebookProcess

PAGE = "page.html"
_POLL_S = 0.2
_SLOWEST = 5


@dataclasses.dataclass
class Outcome:
    """How one step ended in this run, and its manifest when it has one."""

    status: manifest.RunStatus
    manifest: dict[str, Any] | None = None
    duration_s: float = 0.0


@dataclasses.dataclass
class RunResult:
    """How a run ended.

    Attributes:
        status: The worst status of its steps.
        exit_code: What the command line ends with.
        manifest: The run's manifest, as it was written.
        index: The index page, when pages were made.
        text: What failed, in a few lines; empty when nothing did.
    """

    status: manifest.RunStatus
    exit_code: int
    manifest: dict[str, Any]
    index: Path | None
    text: str


def run(plan: Plan, *, force: bool = False, display: progress.Display | None = None) -> RunResult:
    """Execute a plan and write its manifests and pages.

    Args:
        plan: A checked plan.
        force: Execute also what is up to date.
        display: Where the run shows itself; nowhere by default.

    Returns:
        How the run ended. A notebook that fails is a result, not an exception.

    Raises:
        LockedError: Another process runs in the same folder.
        WorkbenchError: The disk is full, or a file of the run cannot be written.
    """
    shown = display or progress.Silent()
    try:
        with locked(plan.folder):
            return _Run(plan, force=force, display=shown).execute()
    except OSError as error:
        name = error.filename if isinstance(error.filename, str) else ""
        place = f" at {paths.shown_path(name, base=plan.root)}" if name else ""
        raise WorkbenchError(
            f"{error.strerror or error}{place} while writing "
            f"{paths.shown_path(plan.folder, base=plan.root)}; "
            "nothing is half-written, finished steps are kept: make room and run again"
        ) from error
    finally:
        shown.close()


def step_folder(run_folder: Path, name: str) -> Path:
    """Return the folder of one step's executed notebook, manifest and log."""
    return run_folder / name


class _Run:
    """The state of one run while it lasts."""

    def __init__(self, plan: Plan, *, force: bool, display: progress.Display) -> None:
        self.plan = plan
        self.force = force
        self.display = display
        self.began = dt.datetime.now(dt.UTC)
        self.run_id = f"{self.began:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
        self.lock = keys.lock_digest(plan.root)
        self.commit = keys.commit(plan.root)
        self.outcomes: dict[str, Outcome] = {}
        self.running: dict[str, NotebookProcess] = {}
        self.started: dict[str, tuple[dt.datetime, str, dict[str, Any]]] = {}
        self.stopped: manifest.StepStatus | None = None
        self.digests: dict[Path, str] = {}
        self.selector = selectors.DefaultSelector()

    def execute(self) -> RunResult:
        """Run all steps, then make the pages, then write the run's manifest."""
        self.display.planned([step.name for step in self.plan.steps])
        with _signals(self), contextlib.ExitStack() as stack:
            stack.callback(self.selector.close)
            stack.callback(self._end_all)
            self._loop()
        for step in self.plan.steps:
            self.outcomes.setdefault(step.name, Outcome("not_run"))
        return self._finish()

    def _loop(self) -> None:
        deadline = time.monotonic() + self.plan.run_timeout_s
        while True:
            if self.stopped is None and time.monotonic() > deadline:
                self.stopped = "timeout"
            if self.stopped is not None:
                for process in self.running.values():
                    process.stop()
            elif not self._failed():
                self._start_ready()
            if not self.running:
                return
            self.selector.select(_POLL_S)
            for step in self.plan.steps:
                if step.name in self.running:
                    self._hear(step)
            self.display.tick()

    def _failed(self) -> bool:
        return any(
            outcome.status not in ("done", "up_to_date") for outcome in self.outcomes.values()
        )

    def _start_ready(self) -> None:
        """Start every step whose needs have ended, as far as there are workers."""
        for step in self.plan.steps:
            if len(self.running) >= self.plan.workers or self.stopped is not None:
                return
            known = step.name in self.outcomes or step.name in self.running
            if known or not all(name in self.outcomes for name in step.needs):
                continue
            inputs = self._data(step.inputs)
            key = keys.step_key(
                step,
                inputs={name: entry["digest"] for name, entry in inputs.items()},
                lock=self.lock,
            )
            old = None if self.force else self._up_to_date(step, key)
            if old is not None:
                self.outcomes[step.name] = Outcome("up_to_date", old)
                self.display.ended(step.name, "up_to_date")
                continue
            self._start(step, key, inputs)

    def _start(self, step: PlannedStep, key: str, inputs: dict[str, Any]) -> None:
        folder = step_folder(self.plan.folder, step.name)
        process = NotebookProcess(
            step.path,
            kept=folder / ".partial.ipynb",
            log=folder / "log.txt",
            parameters=step.parameters.model_dump(mode="json"),
            root=self.plan.root,
            run_id=self.run_id,
            timeout_s=self.plan.cell_timeout_s,
        )
        self.running[step.name] = process
        self.display.started(step.name)
        self.started[step.name] = (dt.datetime.now(dt.UTC), key, inputs)
        self.selector.register(process.events, selectors.EVENT_READ)

    def _hear(self, step: PlannedStep) -> None:
        process = self.running[step.name]
        before = process.cell
        events = process.events
        ended = process.hear()
        if process.cell != before:
            self.display.cell(step.name, process.cell, process.cells)
        if ended is None:
            return
        self.selector.unregister(events)
        del self.running[step.name]
        if self.stopped == "timeout" and ended.status == "interrupted":
            limit = f"the run took longer than its limit of {self.plan.run_timeout_s} s"
            ended.status = "timeout"
            ended.error = {**(ended.error or {}), "type": "RunTimeout", "message": limit}
        self.outcomes[step.name] = self._keep(step, process.kept, ended)
        self.display.ended(step.name, self.outcomes[step.name].status)

    def _keep(self, step: PlannedStep, partial: Path, ended: Ended) -> Outcome:
        """Write the executed notebook and the manifest of a step that ended."""
        folder = step_folder(self.plan.folder, step.name)
        notebook: Any = None
        if partial.is_file():
            notebook = nbformat.read(partial, as_version=4)
            cells.drop_private(notebook)
        outputs: dict[str, Any] = {}
        results: dict[str, Any] = {}
        if ended.status == "done":
            for path in step.outputs.values():
                self.digests.pop(path, None)
            try:
                results = cells.recorded_results(notebook)
                outputs = self._data(step.outputs, told=True)
            except WorkbenchError as error:
                ended.status = "failed"
                ended.error = {"type": type(error).__name__, "message": str(error), "cell": None}
        kept = folder / ("executed.ipynb" if ended.status == "done" else "failed.ipynb")
        written = self._step_manifest(step, ended, outputs=outputs, results=results)
        written["executed"] = self._shown(kept) if notebook is not None else None
        manifest.check(written, where=step.name)
        if notebook is not None:
            notebook.metadata["workbench"] = written
            write_text(kept, nbformat.writes(notebook) + "\n")
        manifest.write(folder / "manifest.json", written)
        partial.unlink(missing_ok=True)
        if ended.status == "done":
            (folder / "failed.ipynb").unlink(missing_ok=True)
        return Outcome(ended.status, written, written["duration_s"])

    def _step_manifest(
        self, step: PlannedStep, ended: Ended, *, outputs: dict[str, Any], results: dict[str, Any]
    ) -> dict[str, Any]:
        began, key, inputs = self.started[step.name]
        now = dt.datetime.now(dt.UTC)
        slowest = sorted(ended.durations, key=lambda each: -each["duration_s"])[:_SLOWEST]
        error = ended.error
        return {
            "schema": manifest.SCHEMA,
            "kind": "step",
            "run": self.plan.name,
            "run_id": self.run_id,
            "name": step.name,
            "notebook": step.notebook,
            "notebook_path": self._shown(step.path),
            "notebook_digest": step.notebook_digest,
            "key": key,
            "status": ended.status,
            "exit_code": manifest.EXIT_CODES[ended.status],
            "error": error and {**error, "message": self._clean(str(error["message"]))},
            "parameters": {
                name: self._shown(Path(value)) if str(value).startswith("/") else value
                for name, value in step.parameters.model_dump(mode="json").items()
            },
            "parameters_digest": step.parameters.digest,
            "inputs": inputs,
            "outputs": outputs,
            "code_digest": keys.code_digest(),
            "lock_digest": self.lock,
            "started_at": manifest.instant(began),
            "ended_at": manifest.instant(now),
            "duration_s": round((now - began).total_seconds(), 3),
            "cells": {"count": ended.cells, "run": ended.cells_run, "slowest": slowest},
            "results": results,
            "executed": None,
            "page": self._shown(self._page(step)) if self.plan.export else None,
            **self._environment(),
        }

    def _environment(self) -> dict[str, Any]:
        return {
            "commit": self.commit,
            "python": platform.python_version(),
            "packages": keys.package_versions(),
        }

    def _up_to_date(self, step: PlannedStep, key: str) -> dict[str, Any] | None:
        """Return the manifest of a step that has nothing to do, or None."""
        folder = step_folder(self.plan.folder, step.name)
        old = manifest.read(folder / "manifest.json")
        if old is None or old.get("kind") != "step" or old["status"] != "done" or old["key"] != key:
            return None
        if not (folder / "executed.ipynb").is_file():
            return None
        for name, path in step.outputs.items():
            known = old["outputs"].get(name)
            if known is None or not path.exists() or self._digest(path) != known["digest"]:
                return None
        return old

    def _data(self, found: Any, *, told: bool = False) -> dict[str, Any]:
        """Return path, digest and size of what a step reads or wrote."""
        entries = {}
        for name, path in found.items():
            if not path.exists():
                verb = "was not written" if told else "does not exist"
                raise InputError(f"{name} {self._shown(path)} {verb}")
            entries[name] = {
                "path": self._shown(path),
                "digest": self._digest(path),
                "bytes": keys.path_bytes(path),
            }
        return entries

    def _digest(self, path: Path) -> str:
        if path not in self.digests:
            self.digests[path] = keys.path_digest(path)
        return self.digests[path]

    def _shown(self, path: Path) -> str:
        return paths.shown_path(path, base=self.plan.root)

    def _clean(self, text: str) -> str:
        """Return an error text without the project's place on this machine."""
        return text.replace(f"{self.plan.root}/", "").replace(str(Path.home()), "~")[:2_000]

    def _page(self, step: PlannedStep) -> Path:
        return step_folder(self.plan.folder, step.name) / PAGE

    def _end_all(self) -> None:
        """Leave no process behind, whatever ended the loop."""
        for process in self.running.values():
            process.stop()
        while self.running:
            for name, process in list(self.running.items()):
                if process.hear() is not None:
                    del self.running[name]
            time.sleep(_POLL_S / 4)

    def _finish(self) -> RunResult:
        """Make the pages, write the run's manifest, and say what failed."""
        status = self._status()
        text = "\n".join(self._blocks())
        exporting = self.plan.export and status != "interrupted"
        pages_failed = self._export() if exporting else ""
        if pages_failed and manifest.EXIT_CODES[status] == 0:
            status = "failed"
        text = "\n".join(part for part in (text, pages_failed) if part)
        index = self.plan.folder / "index.html" if exporting and not pages_failed else None
        now = dt.datetime.now(dt.UTC)
        written: dict[str, Any] = {
            "schema": manifest.SCHEMA,
            "kind": "run",
            "run": self.plan.name,
            "run_id": self.run_id,
            "run_file": self._shown(self.plan.run_file),
            "status": status,
            "exit_code": manifest.EXIT_CODES[status],
            "started_at": manifest.instant(self.began),
            "ended_at": manifest.instant(now),
            "duration_s": round((now - self.began).total_seconds(), 3),
            "index": self._shown(index) if index else None,
            "steps": self._summaries(),
            **self._environment(),
        }
        manifest.write(self.plan.folder / "manifest.json", written)
        if index is not None:
            from workbench.report import pages  # noqa: PLC0415 - heavy, and only runs with pages need it

            index = pages.export_index(self.plan.folder)
        return RunResult(
            status=status,
            exit_code=manifest.EXIT_CODES[status],
            manifest=written,
            index=index,
            text=text,
        )

    def _status(self) -> manifest.RunStatus:
        if self.stopped is not None:
            return self.stopped
        statuses = [self.outcomes[step.name].status for step in self.plan.steps]
        for status in statuses:
            if status not in ("done", "up_to_date", "not_run"):
                return status
        return "up_to_date" if set(statuses) == {"up_to_date"} else "done"

    def _summaries(self) -> list[dict[str, Any]]:
        """Return a summary of each step; a step left out keeps that of the run before."""
        found = {step.name: self._summary(step) for step in self.plan.steps}
        before = manifest.read(self.plan.folder / "manifest.json") if self.plan.left_out else None
        old = before["steps"] if before and before["kind"] == "run" else []
        kept = {each["name"]: each for each in old if each["name"] in self.plan.left_out}
        order = [each["name"] for each in old if each["name"] in {*kept, *found}]
        return [{**kept, **found}[name] for name in dict.fromkeys([*order, *found])]

    def _summary(self, step: PlannedStep) -> dict[str, Any]:
        outcome = self.outcomes[step.name]
        known = outcome.manifest
        file = step_folder(self.plan.folder, step.name) / "manifest.json"
        page = self._page(step)
        return {
            "name": step.name,
            "notebook": step.notebook,
            "status": outcome.status,
            "exit_code": manifest.EXIT_CODES.get(outcome.status),
            "error": known["error"] if known else None,
            "needs": list(step.needs),
            "manifest": self._shown(file) if known else None,
            "page": self._shown(page) if page.is_file() and self.plan.export else None,
            "duration_s": outcome.duration_s,
            "results": known["results"] if known else {},
        }

    def _export(self) -> str:
        """Make the page of each step that is new or has none; return what went wrong."""
        from workbench.report import pages  # noqa: PLC0415 - heavy, and only runs with pages need it

        for step in self.plan.steps:
            outcome = self.outcomes[step.name]
            if outcome.status not in ("done", "up_to_date"):
                continue
            page = self._page(step)
            executed = step_folder(self.plan.folder, step.name) / "executed.ipynb"
            if outcome.status == "up_to_date" and _is_page_of(page, executed):
                continue
            self.display.say(f"page of {step.name}")
            try:
                pages.export_page(executed, page, manifest=outcome.manifest or {})
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001 - a page that cannot be made ends the run with its reason
                kept = self._shown(executed)
                return (
                    f"the page of {step.name} could not be made\n"
                    f"  {type(error).__name__}: {self._clean(str(error))}\n  kept notebook: {kept}"
                )
        return ""

    def _blocks(self) -> Iterator[str]:
        """Yield one block for each step that failed: what, where, why, and what is kept."""
        for step in self.plan.steps:
            outcome = self.outcomes[step.name]
            if outcome.status in ("done", "up_to_date", "not_run") or outcome.manifest is None:
                continue
            error, told = outcome.manifest["error"], outcome.manifest["cells"]
            at = f" at cell {error['cell']} of {told['count']}" if error["cell"] else ""
            words = {"timeout": "ran out of time", "kernel_died": "lost its kernel"}
            verb = words.get(outcome.status, outcome.status)
            verb = "was interrupted" if verb == "interrupted" else verb
            message = (error["message"].strip().splitlines() or [""])[-1]
            lines = [
                f"{step.name} {verb}{at} after {outcome.duration_s:.0f} s",
                f"  {error['type']}: {message}",
            ]
            if outcome.manifest["executed"]:
                lines.append(f"  kept notebook: {outcome.manifest['executed']}")
            log = step_folder(self.plan.folder, step.name) / "log.txt"
            lines.append(f"  log: {self._shown(log)}")
            yield "\n".join(lines)


def _is_page_of(page: Path, executed: Path) -> bool:
    """Say whether a page is there and is not older than its notebook."""
    return page.is_file() and page.stat().st_mtime_ns >= executed.stat().st_mtime_ns


@contextlib.contextmanager
def _signals(run: _Run) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into a run that ends and keeps what it has."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if run.stopped is None:
            run.stopped = "interrupted"

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    old = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
