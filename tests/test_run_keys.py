"""Digests see what counts and nothing else; the commit is told with its state."""

from __future__ import annotations

import subprocess

import pytest

from workbench.errors import InputError
from workbench.run import keys


def test_folder_digest_sees_names_and_bytes_and_no_hidden_files(tmp_path):
    folder = tmp_path / "log"
    (folder / "inner").mkdir(parents=True)
    (folder / "a").write_text("1")
    (folder / "inner" / "b").write_text("2")
    first = keys.path_digest(folder)
    assert keys.path_bytes(folder) == 2
    (folder / ".lock").write_text("x")
    (folder / ".old").mkdir()
    (folder / ".old" / "c").write_text("x")
    assert keys.path_digest(folder) == first
    assert keys.path_bytes(folder) == 2
    (folder / "inner" / "b").write_text("3")
    changed = keys.path_digest(folder)
    (folder / "inner" / "b").rename(folder / "inner" / "c")
    assert len({first, changed, keys.path_digest(folder)}) == 3
    with pytest.raises(InputError, match="does not exist"):
        keys.path_digest(tmp_path / "none")


def test_commit_is_told_with_its_state_and_is_null_outside_git(tmp_path):
    assert keys.commit(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    (tmp_path / "file").write_text("1")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    told = keys.commit(tmp_path)
    assert told is not None
    assert told["clean"] is True
    assert len(str(told["id"])) == 40
    (tmp_path / "file").write_text("2")
    assert keys.commit(tmp_path) == {"id": told["id"], "clean": False}


def test_lock_and_versions_are_told_where_they_are(tmp_path):
    assert keys.lock_digest(tmp_path) is None
    (tmp_path / "requirements.lock").write_text("a==1\n")
    assert keys.lock_digest(tmp_path)
    versions = keys.package_versions()
    assert versions["papermill"].startswith("2.")
    assert keys.DISTRIBUTION in versions
