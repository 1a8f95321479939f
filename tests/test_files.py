"""Whole files or none, and one writer for a folder."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from workbench import files
from workbench.errors import InputError, LockedError
from workbench.files import file_digest, locked, read_text, whole_file, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "note.txt"
    write_text(path, "ä\n")
    assert path.read_bytes() == "ä\n".encode()
    write_text(path, "b\n")
    assert path.read_text() == "b\n"
    assert names(path.parent) == ["note.txt"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_old_file_whole(tmp_path: Path, fault: type[BaseException]) -> None:
    path = tmp_path / "note.txt"
    write_text(path, "old")
    with pytest.raises(fault), whole_file(path) as temporary:  # noqa: PT012 - the block is the case
        temporary.write_text("half")
        raise fault
    assert path.read_text() == "old"
    assert names(tmp_path) == ["note.txt"]


def test_an_error_in_a_first_write_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    with pytest.raises(RuntimeError), whole_file(path) as temporary:  # noqa: PT012 - the block is the case
        temporary.write_text("half")
        raise RuntimeError
    assert names(tmp_path) == []


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_a_full_disk_is_said_in_one_line_and_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "note.txt"
    write_text(path, "old")

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if step == "write":
        monkeypatch.setattr(Path, "write_text", full)
    else:
        monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_text(path, "new")
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["note.txt"]


def test_a_process_that_is_killed_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    write_text(path, "old")
    code = (
        "import os, sys, pathlib\n"
        "from workbench.files import whole_file\n"
        "with whole_file(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_text() == "old"


HOLD = (
    "import sys, pathlib\n"
    "from workbench.errors import LockedError\n"
    "from workbench.files import locked\n"
    "try:\n"
    "    with locked(pathlib.Path(sys.argv[1])):\n"
    "        print('held')\n"
    "except LockedError as error:\n"
    "    print(error)\n"
    "    sys.exit(error.exit_code)\n"
)


def hold(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HOLD, str(folder)], check=False, capture_output=True, text=True
    )


def test_a_second_process_is_refused_while_the_first_holds_the_folder(tmp_path: Path) -> None:
    with locked(tmp_path / "runs"):
        second = hold(tmp_path / "runs")
        assert second.returncode == 75
        assert "is being written by another process" in second.stdout
        assert hold(tmp_path / "other").returncode == 0, "another folder is free"
    assert hold(tmp_path / "runs").stdout == "held\n", "the lock ends with its block"


def test_a_lock_ends_with_an_error_and_with_its_process(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            HOLD.replace("print('held')", "__import__('os')._exit(9)"),
            tmp_path,
        ],
        check=False,
    )
    assert killed.returncode == 9
    with locked(tmp_path):
        pass


def test_a_lock_in_one_process_is_refused_twice(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(LockedError, match="another process"), locked(tmp_path):
        pass


def test_a_digest_is_that_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc" * 1_000_000)
    same = tmp_path / "b.bin"
    same.write_bytes(path.read_bytes())
    assert file_digest(path) == file_digest(same)
    same.write_bytes(path.read_bytes() + b"!")
    assert file_digest(path) != file_digest(same)
    empty = tmp_path / "empty"
    empty.touch()
    assert file_digest(empty).startswith("e3b0c44298fc1c14")


def test_a_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    for read in (read_text, file_digest):
        with pytest.raises(InputError, match=r"missing\.yaml cannot be read: No such file"):
            read(missing)
        with pytest.raises(InputError, match="cannot be read: Is a directory"):
            read(tmp_path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("größe: 1".encode("latin-1"))
    with pytest.raises(InputError, match=r"latin\.yaml is not UTF-8 at byte 2; save it as UTF-8"):
        read_text(latin)
