"""Where a notebook gets purchases, units or a prior from: a stored log, or any table. Owns no estimate."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem

if TYPE_CHECKING:
    import polars as pl

    from workbench.experiment import Prior
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
def open_purchases(
    path: str | Path, *, separator: str = ",", decimal_comma: bool = False
) -> Source:
    """Open purchases: a folder is a stored log, a file a table of transactions.

    Args:
        path: A folder, or a file that ends in ``.parquet`` or ``.csv``. The dates of a CSV file stay
            text: whether 04/05 is in April or in May is not guessed.
        separator: What stands between the columns of a CSV file.
        decimal_comma: Whether its numbers are written as 1,99.

    Returns:
        What ``rfm_summary`` takes, with its digest.

    Raises:
        InputError: There is nothing, the file is of another kind, or a CSV file has one column.
        ParameterError: The separator is not one character, or is the decimal comma.

    >>> open_purchases("sales.xlsx")
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: sales.xlsx does not exist
    """
    import polars as pl  # noqa: PLC0415 - loaded when a table is read, not with the package

    from workbench.log import open_log  # noqa: PLC0415 - same

    if len(separator.encode()) != 1:
        raise ParameterError(problem("separator", separator, "must be one character, such as ';'"))
    if decimal_comma and separator == ",":
        rule = "must be another character, such as ';', where numbers have a decimal comma"
        raise ParameterError(problem("separator", separator, rule))
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
        else pl.scan_csv(path, separator=separator, decimal_comma=decimal_comma)
    )
    if path.suffix == ".csv":
        try:
            names = table.collect_schema().names()
        except pl.exceptions.PolarsError as error:
            raise InputError(f"{path.name} is not readable as CSV: {error}") from None
        _check_columns(path, names, separator)
    return Source(table, digest.hexdigest())


@checked
def open_units(
    path: str | Path,
    at: dt.datetime | None = None,
    *,
    sent: str = "offer_received",
    outcome_days: int = 7,
    before_days: int = 7,
) -> pl.LazyFrame:
    """Open the units of an experiment: a table or a decision log as it is, or those of a mailing in a log.

    Args:
        path: A Parquet or CSV file, the folder of a decision log, or with ``at`` that of a stored log.
        at: The instant of a mailing, with its time zone; None: the units are there.
        sent: With it: type of the events that say who got it.
        outcome_days: With it: days behind it that count.
        before_days: With it: days up to it, for covariates.

    Returns:
        What :func:`workbench.read_out` takes; for a mailing that of :func:`workbench.wave_units`.

    Raises:
        InputError: There is nothing, it can not be read, or nobody got anything at that instant.
        ParameterError: The instant has no time zone, a window is not at least a day, or nothing of
            that type is in the log.

    >>> open_units("sales.parquet")
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: units was 'sales.parquet', must be a Parquet file and is not there
    """
    from workbench.experiment.units import read_source  # noqa: PLC0415 - loaded with the units
    from workbench.experiment.waves import wave_units  # noqa: PLC0415 - same
    from workbench.log import open_log  # noqa: PLC0415 - same

    if at is None:
        return read_source(path)
    found = wave_units(
        open_log(path), at, sent=sent, outcome_days=outcome_days, before_days=before_days
    )
    return found.lazy()


def prior_of(archive: Path) -> Prior:
    """Return the prior of the past experiments of a table, in cents of profit a customer.

    Args:
        archive: A Parquet or CSV file with ``profit_cents`` and ``standard_error_cents``, a row a past
            experiment, those that failed too.

    Raises:
        InputError: It is not there, a column is missing or has nulls, an error is not above 0, or there
            are fewer than five experiments.
    """
    from workbench.experiment import learn_prior  # noqa: PLC0415 - loaded when there is an archive
    from workbench.experiment.units import read_source  # noqa: PLC0415 - same

    past = read_source(archive, "archive")
    return learn_prior(past, estimate="profit_cents", error="standard_error_cents")


def _check_columns(path: Path, names: list[str], separator: str) -> None:
    """Refuse a table of one column whose name holds another separator."""
    others = [each for each in ";,\t|" if each != separator and each in names[0]]
    if len(names) == 1 and others:
        raise InputError(
            f"{path.name} has one column, {names[0]!r}; say separator={others[0]!r} if that is what "
            "stands between its columns"
        )
