"""How a run shows itself: bars on a terminal, one line an event in a log. Decides nothing."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import TaskID

_DONE_WORDS: Mapping[str, str] = {
    "done": "done",
    "up_to_date": "up to date",
    "failed": "failed",
    "timeout": "ran out of time",
    "kernel_died": "kernel died",
    "interrupted": "interrupted",
    "not_run": "not run",
}


class Display(Protocol):
    """What a run tells as it goes."""

    def planned(self, notebooks: list[str]) -> None:
        """Tell the notebooks in their order."""

    def started(self, notebook: str) -> None:
        """Tell that a notebook's process starts."""

    def cell(self, notebook: str, cell: int, cells: int) -> None:
        """Tell that a cell starts."""

    def ended(self, notebook: str, status: str) -> None:
        """Tell that a notebook ended."""

    def say(self, text: str) -> None:
        """Tell anything else."""

    def tick(self) -> None:
        """Let the display move its clocks."""

    def close(self) -> None:
        """End the display."""


class Silent:
    """A display that shows nothing."""

    def planned(self, notebooks: list[str]) -> None:
        """Show nothing."""

    def started(self, notebook: str) -> None:
        """Show nothing."""

    def cell(self, notebook: str, cell: int, cells: int) -> None:
        """Show nothing."""

    def ended(self, notebook: str, status: str) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def tick(self) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Show nothing."""


class Lines:
    """One plain line an event, with the time, for log files and pipes."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._width = 0
        self._started: dict[str, float] = {}

    def planned(self, notebooks: list[str]) -> None:
        """Tell the notebooks in their order."""
        self._width = max(len(name) for name in notebooks)
        self.say(f"in this order: {', '.join(notebooks)}")

    def started(self, notebook: str) -> None:
        """Start its clock."""
        self._started[notebook] = time.monotonic()

    def cell(self, notebook: str, cell: int, cells: int) -> None:
        """Tell that a cell starts."""
        seconds = time.monotonic() - self._started[notebook]
        self.say(f"{notebook:<{self._width}}  cell {cell}/{cells}  {seconds:.0f} s")

    def ended(self, notebook: str, status: str) -> None:
        """Tell that a notebook ended."""
        began = self._started.get(notebook)
        took = f"  {time.monotonic() - began:.0f} s" if began is not None else ""
        self.say(f"{notebook:<{self._width}}  {_DONE_WORDS[status]}{took}")

    def say(self, text: str) -> None:
        """Write one line with the time."""
        now = dt.datetime.now().astimezone()
        self._stream.write(f"{now:%Y-%m-%d %H:%M:%S}  {text}\n")
        self._stream.flush()

    def tick(self) -> None:
        """Write nothing: a log has no clock that moves."""

    def close(self) -> None:
        """Leave the stream open; it belongs to the caller."""


class Bars:
    """One bar a notebook, for a terminal."""

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
        from rich.progress import (  # noqa: PLC0415 - same
            BarColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=Console(file=stream),
        )
        self._tasks: dict[str, TaskID] = {}

    def planned(self, notebooks: list[str]) -> None:
        """Show a bar for each notebook."""
        self._progress.start()
        for name in notebooks:
            self._tasks[name] = self._progress.add_task(name, start=False, total=1, state="waits")

    def started(self, notebook: str) -> None:
        """Start its clock."""
        self._progress.start_task(self._tasks[notebook])
        self._progress.update(self._tasks[notebook], state="starts")

    def cell(self, notebook: str, cell: int, cells: int) -> None:
        """Move a bar to a cell."""
        task = self._tasks[notebook]
        state = f"cell {cell}/{cells}"
        self._progress.update(task, completed=max(cell - 1, 0), total=cells, state=state)

    def ended(self, notebook: str, status: str) -> None:
        """Show how a notebook ended, and stop its clock."""
        task = self._tasks[notebook]
        if status in ("done", "up_to_date"):
            self._progress.update(task, completed=1, total=1)
        self._progress.update(task, state=_DONE_WORDS[status])
        self._progress.stop_task(task)

    def say(self, text: str) -> None:
        """Write a line above the bars."""
        self._progress.console.print(text, markup=False, highlight=False)

    def tick(self) -> None:
        """Do nothing: rich moves its own clocks."""

    def close(self) -> None:
        """Leave the bars as they are."""
        self._progress.stop()


def display(stream: IO[str]) -> Display:
    """Return bars for a terminal and lines for anything else."""
    return Bars(stream) if stream.isatty() else Lines(stream)
