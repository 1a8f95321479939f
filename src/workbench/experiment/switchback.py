"""Timed rows of a switchback experiment as units in blocks of a place and a time. Owns no estimate.

An arm is drawn anew for each block, such as a store and hour, so the block is what was randomised, and
errors are those of blocks. What an arm did goes on into the next block for a while: so much of the
beginning of every block is its washout and is left out. It is left out whether or not the arm changed;
left out at changes alone, what a block counts for would go with the arm before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from scipy import stats

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError, ParameterError, problem
from workbench.experiment.trust import FEWEST_UNITS, NOT_IDENTIFIED, VALIDITY_ALPHA, TrustCheck
from workbench.experiment.units import Source, read_source
from workbench.frames import need_columns

ARM_COLUMN = "arm"
BLOCK = "block"
"""Column of the randomised block, which errors are clustered by."""

_PLACE, _START, _WASHED, _OTHER = "·place", "·start", "·washed", "·other"
_DAY_MINUTES = 1_440
_FEWEST_BLOCKS = 2
_ONE_PLACE = "all"


@dataclass(frozen=True, kw_only=True, eq=False)
class Switchback(text.Result):
    """The rows of a switchback experiment, in the blocks that were randomised.

    Attributes:
        frame: The rows behind the washout, with all their columns, ``arm`` (text) and ``block``.
        blocks: A row a block, by place and time: ``place``, ``started``, ``block``, ``arm``, ``rows``
            and ``rows_in_washout``.
        table: A row an arm: ``arm``, ``blocks`` (that have rows behind the washout), ``rows`` (behind
            it) and ``rows_in_washout``.
        text: How many blocks each arm has, and what the washout left out.
        borders: At how many borders of neighbouring blocks of a place the arm could have changed.
        changes: At how many of them it did.
        checks: What :func:`read_out` says of them before an effect.
    """

    frame: pl.DataFrame
    blocks: pl.DataFrame
    borders: int
    changes: int
    checks: tuple[TrustCheck, ...]


@checked
def switchback_units(
    rows: Source,
    *,
    washout_minutes: float,
    block_minutes: int | None = None,
    started: str | None = None,
    place: str | None = None,
    ts: str = "ts",
    arm: str = "arm",
) -> Switchback:
    """Return timed rows as units in randomised blocks, without the washout of each.

    :func:`read_out` takes the result as it is, and clusters its errors by the block. A mean is then one
    over rows behind the washout. Bring a row for each minute or visit that a block has in any arm: the
    number of rows is no outcome, and a block without any row is not there.

    Args:
        rows: One row an order, a visit or a minute: pandas, Polars, lazy, or a Parquet or CSV file.
        washout_minutes: How long an arm may act on after its block; so much is left out of the beginning
            of each block. 0: nothing is carried over.
        block_minutes: Length of the blocks, from midnight by the clock of ``ts``; it divides a day.
        started: Instead of a length, the column with the instant at which the row's block began, such as
            that of a shift.
        place: Column of the place that a block is of, such as a store; None: all rows are of one.
        ts: Column of the instants.
        arm: Column of the arm. Rows without one are left out.

    Returns:
        The rows behind the washout with their block, and what was left out.

    Raises:
        ParameterError: Not exactly one of ``block_minutes`` and ``started`` is given, a length does not
            divide a day, or the washout is below 0 or as long as a block.
        InputError: A column is missing or no instant, or has no value in a row; a row is before its
            block; a block holds two arms; or an arm has fewer than two blocks behind the washout.

    Source: Bojinov, Simchi-Levi and Zhao 2023 (design and analysis of switchback experiments); Hu and
    Wager 2022 (the beginning of every block left out).

    >>> import datetime as dt
    >>> from workbench.experiment.read_out import read_out
    >>> minutes = [dt.datetime(2026, 5, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=5 * i) for i in range(1440)]
    >>> rows = pl.DataFrame({"ts": minutes, "arm": [["control", "offer"][i // 12 * 7 % 5 % 2] for i in range(1440)],
    ...     "sales_cents": [100 + i % 7 for i in range(1440)]})
    >>> units = switchback_units(rows, block_minutes=60, washout_minutes=15)
    >>> units.lead
    'Arms were drawn for 120 blocks of 60 minutes: 72 of “control” and 48 of “offer”.'
    >>> units.table["rows_in_washout"].to_list()
    [216, 144]
    """
    _check_lengths(washout_minutes, block_minutes, started)
    frame = read_source(rows)
    _check_columns(frame.collect_schema(), ts, arm, started, place)
    taken = _with_blocks(
        frame, block_minutes=block_minutes, started=started, place=place, ts=ts, arm=arm
    )
    without_arm = taken[ARM_COLUMN].null_count()
    taken = taken.filter(pl.col(ARM_COLUMN).is_not_null())
    washed = pl.col(ts) < pl.col(_START) + pl.duration(microseconds=round(washout_minutes * 60e6))
    taken = taken.with_columns(washed.alias(_WASHED))
    drawn = taken.group_by(_PLACE, _START).agg(
        pl.col(ARM_COLUMN).min(),
        pl.col(ARM_COLUMN).max().alias(_OTHER),
        rows=(~pl.col(_WASHED)).sum().cast(pl.Int64),
        rows_in_washout=pl.col(_WASHED).sum().cast(pl.Int64),
    )
    drawn = drawn.sort(_PLACE, _START)
    drawn = drawn.with_columns(_name(drawn.schema[_START], started, place).alias(BLOCK))
    length = "" if block_minutes is None else f" of {text.plural(block_minutes, 'minute')}"
    _check_blocks(drawn, ts, length)
    table = _by_arm(drawn)
    _check_enough(table)
    changes, borders = _changes(drawn)
    names = drawn.select(_PLACE, _START, BLOCK)
    units = taken.filter(~pl.col(_WASHED)).join(
        names, on=[_PLACE, _START], how="left", maintain_order="left"
    )
    said = _what_was_left_out(table, without_arm, washout_minutes)
    arms = [
        f"{text.count(n)} of {text.named(name)}"
        for name, n in drawn.group_by(ARM_COLUMN).len().sort(ARM_COLUMN).iter_rows()
    ]
    places = drawn[_PLACE].n_unique()
    where = f" at {text.plural(places, 'place')}" if place else ""
    lead = f"arms were drawn for {text.plural(drawn.height, 'block')}{length}{where}: {text.listing(arms)}"
    return Switchback(
        frame=units.drop(_PLACE, _START, _WASHED),
        blocks=drawn.select(
            pl.col(_PLACE).alias("place"),
            pl.col(_START).alias("started"),
            BLOCK,
            ARM_COLUMN,
            "rows",
            "rows_in_washout",
        ),
        table=table.to_pandas(),
        text=" ".join(text.sentence(each) for each in (lead, *said)),
        borders=borders,
        changes=changes,
        checks=(*_of_draws(drawn, changes, borders), *_of_blocks(table, said)),
    )


def refuse_of_blocks(given: Mapping[str, object]) -> None:
    """Refuse what a read-out of switchback units is asked for that their blocks say.

    Raises:
        ParameterError: Something of it is given.
    """
    for name, value in given.items():
        if value:
            rule = "must be left out for switchback units, whose blocks say what was assigned"
            raise ParameterError(problem(name, value, rule))


def _check_lengths(washout_minutes: float, block_minutes: int | None, started: str | None) -> None:
    """Refuse lengths that no experiment has."""
    if (block_minutes is None) == (started is None):
        rule = "must be given where started is not, and only there"
        raise ParameterError(problem("block_minutes", block_minutes, rule))
    if not 0 <= washout_minutes < float("inf"):
        raise ParameterError(problem("washout_minutes", washout_minutes, "must be at least 0"))
    if block_minutes is None:
        return
    if not 1 <= block_minutes <= _DAY_MINUTES or _DAY_MINUTES % block_minutes:
        rule = (
            f"must divide a day of {_DAY_MINUTES} minutes; name the column of when blocks began as "
            "started for other lengths"
        )
        raise ParameterError(problem("block_minutes", block_minutes, rule))
    if washout_minutes >= block_minutes:
        rule = f"must be below block_minutes, which is {block_minutes}; nothing of a block is left else"
        raise ParameterError(problem("washout_minutes", washout_minutes, rule))


def _check_columns(
    schema: pl.Schema, ts: str, arm: str, started: str | None, place: str | None
) -> None:
    """Refuse columns that are missing, are no instants, or would be written over."""
    named = [ts, arm, *(each for each in (started, place) if each)]
    need_columns(schema, named, "table of rows")
    for name in (ts, *([started] if started else [])):
        if not isinstance(schema[name], pl.Datetime):
            kind = str(schema[name]).lower()
            raise InputError(f"column {name!r} holds {kind}, must hold instants (dates with times)")
    zones = {getattr(schema[name], "time_zone", None) for name in (ts, started) if name}
    if len(zones) > 1:
        raise InputError(f"{ts!r} and {started!r} must be by one clock; convert them to one zone")
    for name in {BLOCK, ARM_COLUMN} & set(schema) - {arm}:
        raise InputError(f"the table of rows has a column {name!r} of its own; rename it")


def _with_blocks(
    frame: pl.LazyFrame,
    *,
    block_minutes: int | None,
    started: str | None,
    place: str | None,
    ts: str,
    arm: str,
) -> pl.DataFrame:
    """Return the rows with their arm as text, their place and when their block began."""
    start = pl.col(started) if started else pl.col(ts).dt.truncate(f"{block_minutes}m")
    where = pl.col(place) if place else pl.lit(_ONE_PLACE)
    taken = frame.with_columns(
        pl.col(arm).cast(pl.String).alias(ARM_COLUMN), where.alias(_PLACE), start.alias(_START)
    ).collect()
    if taken.is_empty():
        raise InputError(f"{text.NOT_ENOUGH_DATA}: there is no row")
    for name, column in ((ts, ts), (started, _START), (place, _PLACE)):
        missing = taken[column].null_count() if name else 0
        if missing:
            raise InputError(f"{text.plural(missing, 'row')} of {name!r} must have a value")
    early = int((taken[ts] < taken[_START]).sum())
    if early:
        raise InputError(f"{text.plural(early, 'row')} of {ts!r} must not be before {started!r}")
    return taken


def _name(clock: pl.DataType, started: str | None, place: str | None) -> pl.Expr:
    """Return the name of a block: its place, and when it began, so exact that no two are alike."""
    zone = "%z" if getattr(clock, "time_zone", None) else ""
    instant = pl.col(_START).dt.to_string(
        f"%Y-%m-%d %H:%M{'' if started is None else ':%S%.f'}{zone}"
    )
    return (
        pl.concat_str(pl.col(_PLACE).cast(pl.String), instant, separator=" ") if place else instant
    )


def _check_blocks(drawn: pl.DataFrame, ts: str, length: str) -> None:
    """Refuse a block in which there are two arms."""
    several = drawn.filter(pl.col(_OTHER) != pl.col(ARM_COLUMN))
    if several.height:
        first = several.row(0, named=True)
        arms = text.listing([text.named(first[each]) for each in (ARM_COLUMN, _OTHER)])
        raise InputError(
            f"{text.plural(several.height, 'block')}{length} must be in one arm, such as that of "
            f"{first[BLOCK]} with {arms}; are these the blocks that were drawn, and does the clock of "
            f"{ts!r} begin them?"
        )


def _by_arm(drawn: pl.DataFrame) -> pl.DataFrame:
    """Return blocks and rows of each arm."""
    return (
        drawn.group_by(ARM_COLUMN)
        .agg(
            blocks=(pl.col("rows") > 0).sum().cast(pl.Int64),
            rows=pl.col("rows").sum(),
            rows_in_washout=pl.col("rows_in_washout").sum(),
        )
        .sort(ARM_COLUMN)
    )


def _check_enough(table: pl.DataFrame) -> None:
    """Refuse arms that are too few, or have too few blocks to tell how much blocks differ."""
    if table.height < _FEWEST_BLOCKS:
        names = text.listing([text.named(each) for each in table[ARM_COLUMN]])
        raise InputError(f"not identified: all blocks are of {names}, so nothing is compared")
    few = table.filter(pl.col("blocks") < _FEWEST_BLOCKS)
    if few.height:
        parts = [
            f"{text.plural(n, 'block')} of {text.named(name)}"
            for name, n in few.select(ARM_COLUMN, "blocks").iter_rows()
        ]
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: {text.listing(parts)} behind the washout, needs "
            f"{_FEWEST_BLOCKS} in each arm"
        )


def _changes(drawn: pl.DataFrame) -> tuple[int, int]:
    """Return at how many borders between a place's blocks the arm changed, and how many there are."""
    before = pl.col(ARM_COLUMN).shift(1).over(_PLACE)
    there = drawn.select(before.alias("before"), ARM_COLUMN).drop_nulls()
    return int((there["before"] != there[ARM_COLUMN]).sum()), there.height


def _what_was_left_out(table: pl.DataFrame, without_arm: int, washout_minutes: float) -> list[str]:
    """Say which rows are left out, in parts of sentences."""
    washed, said = int(table["rows_in_washout"].sum()), []
    if washed:
        every = washed + int(table["rows"].sum())
        said.append(
            f"{text.plural(washed, 'row')} in the first {washout_minutes:g} minutes of a block "
            f"({text.share(washed / every)} of all) {'is' if washed == 1 else 'are'} left out as washout"
        )
    if without_arm:
        verb = "has" if without_arm == 1 else "have"
        rest = "is" if without_arm == 1 else "are"
        said.append(f"{text.plural(without_arm, 'row')} {verb} no arm and {rest} left out")
    return said


def _of_draws(drawn: pl.DataFrame, changes: int, borders: int) -> list[TrustCheck]:
    """Hold how often the arm changed against lots that are drawn block by block."""
    sizes = drawn.group_by(ARM_COLUMN).len()["len"]
    odds = 1 - float((sizes / sizes.sum()).pow(2).sum())
    if not borders:
        return []
    found = f"the arm changed at {text.share(changes / borders)} of {text.plural(borders, 'border')} between blocks"
    if stats.binom.cdf(changes, borders, odds) < VALIDITY_ALPHA:
        finding = (
            f"{found}, where lots drawn for each block change it at {text.share(odds)}: what was drawn "
            "is longer than a block, and errors by block would be too small"
        )
        return [TrustCheck("blocks", finding, holds=False, blocks=NOT_IDENTIFIED)]
    if changes == borders and odds**borders < VALIDITY_ALPHA:
        finding = (
            f"{found}, so at most its beginning was drawn; errors by block take each for drawn, and "
            "what comes and goes with the turns is in the effect"
        )
        return [TrustCheck("blocks", finding, holds=False, blocks=None)]
    return [TrustCheck("blocks", f"{found}, as by lots", holds=True, blocks=NOT_IDENTIFIED)]


def _of_blocks(table: pl.DataFrame, said: list[str]) -> list[TrustCheck]:
    """Say what was left out, and where an arm has so few blocks that its errors are rough."""
    checks = [TrustCheck("washout", each, holds=False, blocks=None) for each in said]
    few = table.filter(pl.col("blocks") < FEWEST_UNITS)
    if few.height:
        parts = [
            f"{text.plural(n, 'block')} of {text.named(name)}"
            for name, n in few.select(ARM_COLUMN, "blocks").iter_rows()
        ]
        finding = f"{text.listing(parts)}: below {FEWEST_UNITS} in an arm intervals are rough"
        checks.append(TrustCheck("few blocks", finding, holds=False, blocks=None))
    return checks
