"""Tables that notebooks leave for one another, and what their numbers rest on."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from workbench import files
from workbench.errors import InputError, ParameterError
from workbench.run import provenance, read_table, save_table
from workbench.run.parameters import IngestLog

FRAME = pl.DataFrame({"customer": ["ann", "bob"], "clv_cents": [1.5, None], "n": [2**60, 1]})


@pytest.mark.parametrize("given", [FRAME, FRAME.to_pandas()], ids=["polars", "pandas"])
def test_a_table_comes_back_as_it_was_saved(given, tmp_path: Path):
    path = tmp_path / "new" / "customers.parquet"
    save_table(given, path)
    back = read_table(path)
    assert isinstance(back, pd.DataFrame)
    assert pl.from_pandas(back).equals(FRAME)


def test_a_full_disk_leaves_the_old_table_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "customers.parquet"
    save_table(FRAME, path)

    def full_disk(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_table(FRAME.head(1), path)
    assert read_table(path)["customer"].tolist() == ["ann", "bob"]
    assert [each.name for each in tmp_path.iterdir()] == ["customers.parquet"]


def test_what_is_no_frame_is_refused_and_leaves_no_file(tmp_path: Path):
    with pytest.raises(ParameterError, match="frame was None, must be a pandas or Polars frame"):
        save_table(None, tmp_path / "customers.parquet")
    assert not list(tmp_path.iterdir())


def test_a_table_that_is_missing_or_damaged_says_what_to_do(tmp_path: Path):
    with pytest.raises(InputError, match="run the notebook that writes it first"):
        read_table(tmp_path / "customers.parquet")
    path = tmp_path / "customers.parquet"
    save_table(FRAME, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"customers\.parquet is not readable as Parquet"):
        read_table(path)


def test_provenance_names_parameters_data_and_versions():
    rows = provenance(IngestLog(), log="9f" * 32)["value"]
    assert rows["parameters"] == IngestLog().digest[:16]
    assert rows["log"] == "9f" * 8
    assert rows["polars"] == version("polars")
    other = provenance(IngestLog(parts=3))["value"]
    assert other["parameters"] != rows["parameters"]


def test_a_digest_that_is_empty_is_refused_for_it_would_prove_nothing():
    with pytest.raises(ParameterError, match="decisions was '', must be a digest"):
        provenance(IngestLog(), decisions="")
