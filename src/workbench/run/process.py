"""One child process that executes a notebook: start it, hear it, end it. Orders nothing.

A process and not a thread: papermill changes the working directory of its whole process. The
kernel runs in a session of its own, so ending the child's group does not end it: the child
tells the kernel's process number, and both groups are ended.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_GRACE_S = 8.0


@dataclasses.dataclass
class Ended:
    """How a notebook ended, as its process told it or as it was found.

    Attributes:
        status: One of ``done``, ``failed``, ``timeout``, ``kernel_died``, ``interrupted``.
        error: ``type``, ``message`` and ``cell``; None when it is done.
        cells: Number of code cells, the injected one included.
        cells_run: How many of them were run.
        durations: ``cell`` and ``duration_s`` of each.
        duration_s: Wall-clock seconds of the process.
    """

    status: Any
    error: dict[str, Any] | None
    cells: int = 0
    cells_run: int = 0
    durations: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    duration_s: float = 0.0


class NotebookProcess:
    """A notebook that is being executed.

    Args:
        notebook: The notebook's file.
        kept: Where the executed notebook is written, as far as it is.
        log: Where the output of the process and of the kernel goes.
        parameters: Values for the parameters cell; none to run with its own.
        root: The project root.
        run_id: Name of this run, given to the notebook as ``WORKBENCH_RUN_ID``.
        timeout_s: Time limit of each cell.
    """

    def __init__(
        self,
        notebook: Path,
        *,
        kept: Path,
        log: Path,
        parameters: dict[str, Any],
        root: Path,
        run_id: str,
        timeout_s: int,
    ) -> None:
        self.cell = 0
        self.cells = 0
        self._end: Ended | None = None
        self._kernel: int | None = None
        self._text = b""
        self._stop_at: float | None = None
        self._began = time.monotonic()
        self.kept = kept
        for path in (kept, log):
            path.parent.mkdir(parents=True, exist_ok=True)
        kept.unlink(missing_ok=True)
        job = {
            "notebook": str(notebook),
            "kept": str(kept),
            "parameters": parameters,
            "timeout_s": timeout_s,
        }
        environment = {
            **os.environ,
            "WORKBENCH_ROOT": str(root),
            "WORKBENCH_RUN_ID": run_id,
            "JUPYTER_PREFER_ENV_PATH": "1",  # the kernel of this environment, not of the user
            "TQDM_DISABLE": "1",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # the kernel's debugger warns on every start
        }
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        self.events = read_end
        try:
            with log.open("wb") as stream:
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    [sys.executable, "-P", "-m", "workbench.run.child", str(write_end)],
                    stdin=subprocess.PIPE,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    pass_fds=(write_end,),
                    env=environment,
                    cwd=root,
                    start_new_session=True,
                )
        except OSError:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        pipe = self._process.stdin
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.write(json.dumps(job).encode() + b"\n")
                pipe.flush()

    def hear(self) -> Ended | None:
        """Read what was told since the last call; return the end when it has come."""
        finished = self._process.poll() is not None
        while True:
            try:
                block = os.read(self.events, 65_536)
            except BlockingIOError:
                break
            if not block:
                finished = True
                break
            self._text += block
        *lines, self._text = self._text.split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        if finished:
            return self._close()
        if self._stop_at is not None and time.monotonic() > self._stop_at:
            self._kill()
        return None

    def stop(self) -> None:
        """Ask the process to end, keeping its notebook; after a grace time it is killed."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + _GRACE_S
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def _take(self, event: dict[str, Any]) -> None:
        match event.pop("event"):
            case "kernel":
                self._kernel = event["pid"]
            case "cell":
                self.cell, self.cells = event["cell"], event["cells"]
            case "end":
                self._end = Ended(**event)
            case "broken":
                status = "interrupted" if event["type"] == "Interrupted" else "failed"
                self._end = Ended(status, {**event, "cell": self.cell or None}, cells=self.cells)

    def _close(self) -> Ended:
        self._process.wait()
        self._kill()
        os.close(self.events)
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        if self._end is not None:
            return self._end
        status = "interrupted" if self._stop_at is not None else "kernel_died"
        message = f"the process of the notebook ended with {self._process.returncode}"
        return Ended(
            status,
            {"type": "ProcessEnded", "message": message, "cell": self.cell or None},
            cells=self.cells,
            cells_run=max(self.cell - 1, 0),
            duration_s=round(time.monotonic() - self._began, 3),
        )

    def _kill(self) -> None:
        """End the groups of the process and of its kernel, whatever is left of them."""
        for group in (self._process.pid, self._kernel):
            if group is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(group, signal.SIGKILL)
