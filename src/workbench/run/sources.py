"""Where a notebook gets purchases from: a stored log, or any table of transactions. Owns no column."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.arguments import checked
from workbench.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from workbench.log import Log

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Source:
    """Purchases and what they are.

    Attributes:
        purchases: The log, or the table, read when it is used.
        digest: Of the log, or of the bytes of the file.
    """

    purchases: Log | pl.LazyFrame
    digest: str


@checked
def open_purchases(path: str | Path) -> Source:
    """Open purchases: a folder is a stored log, a file a table of transactions.

    Args:
        path: A folder, or a file that ends in ``.parquet`` or ``.csv``.

    Returns:
        What ``rfm_summary`` takes, with its digest.

    Raises:
        InputError: There is nothing, or the file is of another kind.

    >>> open_purchases("sales.xlsx")
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: sales.xlsx does not exist
    """
    import polars as pl  # noqa: PLC0415 - loaded when a table is read, not with the package

    from workbench.log import open_log  # noqa: PLC0415 - same

    path = Path(path)
    if path.is_dir():
        log = open_log(path)
        return Source(log, log.digest)
    if not path.is_file():
        raise InputError(f"{path.name} does not exist")
    if path.suffix not in {".parquet", ".csv"}:
        raise InputError(f"{path.name} must be a folder of a log, or end in .parquet or .csv")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK_BYTES):
            digest.update(block)
    table = (
        pl.scan_parquet(path)
        if path.suffix == ".parquet"
        else pl.scan_csv(path, try_parse_dates=True)
    )
    return Source(table, digest.hexdigest())
