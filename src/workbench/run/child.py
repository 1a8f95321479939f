"""The process that executes one notebook, with papermill underneath. Knows no plan and no key.

Started by ``execute`` as ``python -m workbench.run.child FD`` with its job as one line of JSON on
standard input; tells what happens as lines of JSON on file descriptor FD. When standard input
closes, the starter is gone and the kernel is stopped. The status that is told is what happened:
papermill's own metadata calls a dead kernel, a time-out and an interruption ``completed``.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, Literal, NoReturn

from workbench.files import write_text
from workbench.imports import quick_imports

with quick_imports():
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NotebookExecutionManager
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook
    from traitlets.config import Config

    from workbench.run.cells import nbformat

Status = Literal["done", "failed", "timeout", "kernel_died", "interrupted"]

_SAVE_EVERY_S = 2.0
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Interrupted(BaseException):
    """The starter asked the process to end."""


class UnexpectedSuccessError(Exception):
    """A cell tagged raises-exception raised nothing."""


class Events:
    """Lines of JSON to the starter."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def tell(self, event: str, **values: object) -> None:
        """Send one event; a starter that is gone is noticed elsewhere."""
        line = json.dumps({"event": event, **values}, ensure_ascii=False) + "\n"
        try:
            data = line.encode()
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            return


class Manager(NotebookExecutionManager):  # type: ignore[misc]  # papermill ships no types
    """papermill's bookkeeping of cells; its file is written whole, not while it is read."""

    def __init__(self, notebook: Any, kept: Path) -> None:
        super().__init__(notebook, progress_bar=False, autosave_cell_every=30)
        self._kept = kept
        self._saved_at = 0.0

    def save(self, **_: Any) -> None:
        """Write the notebook as far as it is, at most every two seconds."""
        self.last_save_time = self.now()
        if time.monotonic() - self._saved_at >= _SAVE_EVERY_S:
            self.write()

    def write(self) -> None:
        """Write the notebook as far as it is."""
        write_text(self._kept, nbformat.writes(self.nb) + "\n")
        self._saved_at = time.monotonic()


class Client(PapermillNotebookClient):  # type: ignore[misc]  # papermill ships no types
    """papermill's client that tells each cell and stops at the first that fails.

    Output widgets are not served: nbclient answers them on the channel on which it waits for the
    cell, and hangs for ever when a notebook shows short rich progress bars.
    """

    def __init__(self, manager: Manager, events: Events, *, timeout_s: int, channels: Path) -> None:
        super().__init__(
            manager,
            config=_connection(channels),
            kernel_name="python3",
            timeout=timeout_s,
            startup_timeout=60,
            store_widget_state=False,
            record_timing=False,
            coalesce_streams=True,  # how the output was cut into messages is chance
        )
        self.comm_open_handlers: dict[str, Any] = {}
        self.events = events
        self.cell = 0
        self.cells = sum(cell.cell_type == "code" for cell in self.nb.cells)
        self.durations: list[dict[str, float | int]] = []

    def papermill_execute_cells(self) -> None:
        """Execute the cells in order; an error leaves its cell marked as failed."""
        provisioner = getattr(self.km, "provisioner", None)
        self.events.tell("kernel", pid=getattr(provisioner, "pid", None))
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type == "code":
                self.cell += 1
                self.events.tell("cell", cell=self.cell, cells=self.cells)
            self.nb_man.cell_start(cell, index)
            started = time.monotonic()
            try:
                self.execute_cell(cell, index)
                _check_raised(cell)
            except BaseException as error:
                self.shutdown_kernel = "immediate"
                self.nb_man.cell_exception(cell, cell_index=index)
                _show_error(cell, error)
                raise
            finally:
                self.nb_man.cell_complete(cell, cell_index=index)
                if cell.cell_type == "code":
                    seconds = round(time.monotonic() - started, 3)
                    self.durations.append({"cell": self.cell, "duration_s": seconds})


def execute(job: dict[str, Any], events: Events) -> Status:
    """Execute a job's notebook, keep it, tell the end and return the status.

    Args:
        job: ``notebook``, ``kept`` (absolute paths), ``parameters``, ``timeout_s``.
        events: Where to tell what happens.
    """
    started = time.monotonic()
    notebook = load_notebook_node(job["notebook"])
    notebook.metadata.pop("widgets", None)
    if job["parameters"]:
        notebook = parameterize_notebook(notebook, job["parameters"], kernel_name="python3")
    manager = Manager(notebook, Path(job["kept"]))
    manager.notebook_start()
    status: Status = "done"
    error: dict[str, object] | None = None
    with tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True) as folder:
        client = Client(manager, events, timeout_s=int(job["timeout_s"]), channels=Path(folder))
        try:
            client.execute(cwd=str(Path(job["notebook"]).parent))
        except BaseException as raised:  # noqa: BLE001 - whatever ended the run is its status
            status, kind, message = _status_of(raised)
            error = {"type": kind, "message": message, "cell": client.cell or None}
    manager.notebook_complete()
    manager.write()
    events.tell(
        "end",
        status=status,
        error=error,
        cells=client.cells,
        cells_run=len(client.durations),
        durations=client.durations,
        duration_s=round(time.monotonic() - started, 3),
    )
    return status


def _connection(folder: Path) -> Config:
    """Return how to reach a kernel: by sockets in a folder of its own.

    A TCP port that was free when it was chosen may be taken when the kernel binds it, and nothing
    is said for a minute: the kernels of several notebooks, and of other programs, start at once.
    """
    if os.name == "nt":  # no such sockets there
        return Config()
    return Config(
        KernelManager={"transport": "ipc", "connection_file": str(folder / "kernel.json")}
    )


def _status_of(raised: BaseException) -> tuple[Status, str, str]:  # noqa: PLR0911 - one line a case
    """Return status, error type and message of what ended the notebook."""
    match raised:
        case Interrupted() | KeyboardInterrupt():
            return "interrupted", "Interrupted", "the run was stopped"
        case CellTimeoutError():
            return "timeout", "CellTimeout", "the cell took longer than its time limit"
        case DeadKernelError():
            return "kernel_died", "DeadKernel", "the kernel died (out of memory, or it was killed)"
        case CellExecutionError():
            kind = str(raised.ename or "Error")
            message = _COLOURS.sub("", str(raised.evalue or ""))
            if kind == "SystemExit":
                message = f"a cell called sys.exit({message}): the cells after it did not run"
            return "failed", kind, message
        case UnexpectedSuccessError():
            return "failed", "UnexpectedSuccess", str(raised)
        case RuntimeError() if "Kernel" in str(raised):
            return "kernel_died", "DeadKernel", str(raised)
    return "failed", type(raised).__name__, str(raised)


def _check_raised(cell: Any) -> None:
    """Demand an exception of a cell that is tagged as raising one."""
    if cell.cell_type != "code" or "raises-exception" not in cell.metadata.get("tags", []):
        return
    if not any(output.output_type == "error" for output in cell.outputs):
        raise UnexpectedSuccessError("the cell is tagged raises-exception and raised nothing")


def _show_error(cell: Any, error: BaseException) -> None:
    """Show at the cell what ended it, where the kernel itself could not."""
    if cell.cell_type != "code" or isinstance(error, CellExecutionError):
        return
    _, kind, message = _status_of(error)
    cell.outputs = [*cell.get("outputs", [])]
    cell.outputs.append(
        nbformat.v4.new_output(
            "error", ename=kind, evalue=message, traceback=[f"{kind}: {message}"]
        )
    )


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted


def _read_job() -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n"):
        block = os.read(0, 65_536)
        if not block:
            raise SystemExit(2)
        data += block
    job: dict[str, Any] = json.loads(data)
    return job


def _end_with_starter() -> None:
    """Stop this process when its starter is gone."""
    while os.read(0, 1_024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Execute the job that stands on standard input."""
    events = Events(int(sys.argv[1]))
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    job = _read_job()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_end_with_starter, daemon=True).start()
    try:
        execute(job, events)
    except OSError as error:
        events.tell("broken", type=type(error).__name__, message=error.strerror or str(error))
    except Interrupted:
        events.tell("broken", type="Interrupted", message="the run was stopped")
    sys.stderr.flush()
    os._exit(0)  # threads of ZMQ and of the watch are left to the operating system


if __name__ == "__main__":
    main()
