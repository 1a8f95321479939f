"""A stored decision log, opened again as the replay that wrote it. Decides nothing."""

from __future__ import annotations

from pathlib import Path

from workbench.arguments import checked
from workbench.replay.decision_log import Stored, check_bytes, load_state, read_manifest
from workbench.replay.result import Replay, replay_result


@checked
def open_replay(folder: str | Path) -> Replay:
    """Open the decision log that a replay stored in a folder.

    Args:
        folder: The ``out`` of :func:`workbench.replay`.

    Returns:
        The same decisions, funnel, sentence and state that the replay returned.

    Raises:
        InputError: The folder holds no decision log, or a part of it is missing or has changed.

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
    return replay_result(
        manifest["summary"],
        load_state(folder),
        Stored.of(folder, manifest),
        digest=manifest["digest"],
    )
