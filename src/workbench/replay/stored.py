"""A stored decision log, opened again as the replay that wrote it. Decides nothing."""

from __future__ import annotations

from pathlib import Path

from workbench.arguments import checked
from workbench.decision.written import read_back
from workbench.errors import InputError
from workbench.replay.decision_log import (
    MANIFEST,
    Stored,
    check_bytes,
    load_state,
    read_manifest,
)
from workbench.replay.job import LogLike
from workbench.replay.result import Replay, replay_result


@checked
def open_replay(folder: str | Path, *, log: LogLike | None = None) -> Replay:
    """Open the decision log that a replay stored in a folder.

    Args:
        folder: The ``out`` of :func:`workbench.replay`.
        log: The log that was replayed, for questions that the decision log alone cannot answer.

    Returns:
        The same decisions, funnel, sentence and state that the replay returned.

    Raises:
        InputError: The folder holds no decision log, a part of it is missing or has changed, or it
            is the decision log of another log.

    >>> from workbench.decision import load_programmes
    >>> from workbench.replay import replay
    >>> folder = getfixture("tmp_path")
    >>> stored = replay(log, load_programmes("params/programmes"), out=folder)
    >>> open_replay(folder).digest == stored.digest
    True
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    check_bytes(folder, manifest)
    made_of = manifest["summary"]["log_digest"]
    if log is not None and log.digest != made_of:
        raise InputError(
            f"{folder} was replayed over another log (digest {made_of[:12]}) than the one given "
            f"(digest {log.digest[:12]}); open that log, or replay again"
        )
    return replay_result(
        manifest["summary"],
        load_state(folder),
        Stored.of(folder, manifest),
        digest=manifest["digest"],
        rules=read_back(manifest["programmes"], source=str(folder / MANIFEST)),
        log=log,
    )
