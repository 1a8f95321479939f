"""Tables that one notebook leaves for another: whole Parquet files. Owns no column."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from workbench.arguments import checked
from workbench.errors import InputError
from workbench.files import whole_file

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


@checked
def save_table(frame: pd.DataFrame | pl.DataFrame, path: str | Path) -> None:
    """Write a frame as one Parquet file, whole or not at all.

    Args:
        frame: A pandas or Polars frame.
        path: The file; its folder is made.

    Raises:
        ParameterError: It is not a frame.
        InputError: A column cannot be read as one type, or the path is a folder.

    >>> import polars as pl
    >>> folder = getfixture("tmp_path")
    >>> save_table(pl.DataFrame({"customer": ["ann"]}), folder / "customers.parquet")
    >>> read_table(folder / "customers.parquet")["customer"].tolist()
    ['ann']
    """
    from workbench.frames import as_polars  # noqa: PLC0415 - Polars is loaded with a table, not before

    polars = as_polars(frame)
    with whole_file(Path(path)) as temporary:
        polars.write_parquet(temporary)


@checked
def read_table(path: str | Path) -> pd.DataFrame:
    """Return a table that another notebook saved, as a pandas frame.

    Args:
        path: The file.

    Raises:
        InputError: The file does not exist or is no Parquet file.

    >>> read_table("runs/none.parquet")
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: none.parquet does not exist; run the notebook that writes it first
    """
    import polars as pl  # noqa: PLC0415 - loaded when a table is read, not with the package

    if not Path(path).is_file():
        raise InputError(f"{Path(path).name} does not exist; run the notebook that writes it first")
    try:
        return pl.read_parquet(path).to_pandas()
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{Path(path).name} is not readable as Parquet: {error}") from None
