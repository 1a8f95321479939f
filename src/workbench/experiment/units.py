"""A table of units that somebody brings: read, and its arms and units checked. Owns no metric.

Units without an arm were not in the experiment and are left out; units in two arms belong to none and
are left out of all. Both are counted. Labels that differ by case or blank, and a unit with two rows,
are errors, because any repair would be a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import polars as pl

from workbench import text
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.frames import Frame, as_polars, need_columns

Source: TypeAlias = Frame | str | Path
"""What a caller may bring: a frame, a lazy one, or the path of a Parquet or CSV file."""

ARM = "·arm"
"""Column of the arm, as text."""

_SHOWN_LABELS = 10
_LOOKED_AT = 10_000
_FEWEST_ARMS = 2
_MOST_ARMS = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """Units in arms.

    Attributes:
        frame: One row a unit (or a row of a cluster), with the arm as text in :data:`ARM`.
        control: The arm that the others are compared with.
        arms: All arms, the control first (it is missing when nobody is in it).
        counts: Units of each arm.
        without_arm: Rows that had no arm, left out.
        in_two_arms: Units that were in more than one arm, left out.
    """

    frame: pl.LazyFrame
    control: str
    arms: tuple[str, ...]
    counts: dict[str, int]
    without_arm: int
    in_two_arms: int

    @property
    def n(self) -> int:
        """Units in all arms."""
        return sum(self.counts.values())

    def notes(self) -> list[str]:
        """Say what was left out, in sentences."""
        said = []
        if self.without_arm:
            have = "has no arm and is" if self.without_arm == 1 else "have no arm and are"
            said.append(f"{text.plural(self.without_arm, 'row')} {have} left out")
        if self.in_two_arms:
            were = "was" if self.in_two_arms == 1 else "were"
            said.append(
                f"{text.plural(self.in_two_arms, 'unit')} {were} in more than one arm and "
                f"{'is' if self.in_two_arms == 1 else 'are'} left out of all"
            )
        return [text.sentence(each) for each in said]


def take_units(
    source: Source, *, arm: str = "arm", control: str = "control", unit: str | None = None
) -> Units:
    """Read units and check their arms.

    Args:
        source: A pandas, Polars or lazy frame, or the path of a Parquet file.
        arm: Column of the arm.
        control: Label of the control.
        unit: Column that identifies a unit; None: each row is another unit.

    Returns:
        The units that are in exactly one arm.

    Raises:
        InputError: A column is missing, labels differ by case or blank only, a unit has two rows in
            one arm or no identity, or nobody is in an arm.
        ParameterError: No unit has the control's label.

    >>> frame = pl.DataFrame({"customer": [1, 2, 3, 3], "arm": ["control", "offer", "offer", "control"]})
    >>> units = take_units(frame, unit="customer")
    >>> units.counts, units.in_two_arms
    ({'control': 1, 'offer': 1}, 1)
    """
    frame = read_source(source)
    schema = frame.collect_schema()
    need_columns(schema, [arm, *([unit] if unit else [])], "table of units")
    if schema[arm].is_nested() or schema[arm] == pl.Null:
        raise InputError(f"arm {arm!r} holds {str(schema[arm]).lower()}, must hold labels")
    label = pl.col(arm) if schema[arm] == pl.String else pl.col(arm).cast(pl.String)
    frame = frame.with_columns(label.alias(ARM))
    in_two_arms = 0
    if unit:
        frame, in_two_arms = _one_row_a_unit(frame, unit)
    counted = frame.group_by(ARM).agg(pl.len()).sort(ARM).collect(engine="streaming")
    without = counted.filter(pl.col(ARM).is_null())["len"].sum()
    counts = dict(counted.drop_nulls().iter_rows())
    if not counts:
        where = f"; {text.plural(in_two_arms, 'unit')} in more than one" if in_two_arms else ""
        raise InputError(f"{text.NOT_ENOUGH_DATA}: nobody is in an arm of {arm!r}{where}")
    _check_labels(counts, arm, control)
    first = [control] if control in counts else []
    arms = (*first, *(each for each in counts if each != control))
    return Units(
        frame=frame.filter(pl.col(ARM).is_not_null()) if without else frame,
        control=control,
        arms=arms,
        counts={each: int(counts[each]) for each in arms},
        without_arm=int(without),
        in_two_arms=in_two_arms,
    )


def decision_files(folder: Path) -> list[Path]:
    """Return the files of the decision log in a folder; other files may lie beside them.

    >>> decision_files(Path("notebooks"))
    []
    """
    return sorted(folder.glob("decisions-*.parquet"))


def read_source(source: Source, name: str = "units") -> pl.LazyFrame:
    """Return what a caller brings as a lazy frame; a path is a Parquet or CSV file, or a folder of Parquet files.

    Of the folder of a decision log the decisions are read, not the state that lies beside them. ``name``
    is what errors call it.

    Raises:
        InputError: The file is not there, or can not be read as a table.
        ParameterError: It is neither a frame nor a path.

    >>> read_source(pl.DataFrame({"arm": ["a"]})).collect().height
    1
    """
    if isinstance(source, pl.LazyFrame):
        return source
    if not isinstance(source, str | Path):
        return as_polars(source, name).lazy()
    path = Path(source)
    if not path.exists():
        raise InputError(problem(name, str(source), "must be a Parquet file and is not there"))
    try:
        files = [path]
        if path.is_dir():
            files = decision_files(path) or sorted(path.glob("*.parquet"))
        if path.suffix.lower() == ".csv":
            _refuse_semicolons(path, name)
            frame = pl.scan_csv(path, try_parse_dates=True, infer_schema_length=_LOOKED_AT)
            return frame.collect().lazy()
        if not files:
            raise InputError(problem(name, str(source), "is a folder without a Parquet file"))
        frame = pl.scan_parquet(files)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).splitlines()[0]
        rule = f"must be a {'CSV' if path.suffix.lower() == '.csv' else 'Parquet'} file: {first}"
        raise InputError(problem(name, str(source), rule)) from None
    return frame


def _refuse_semicolons(path: Path, name: str) -> None:
    """Refuse a CSV file with semicolons between its columns, whose decimals may have commas too."""
    with path.open(encoding="utf-8", errors="replace") as file:
        header = file.readline()
    if header.count(";") > header.count(","):
        rule = (
            "must have commas between its columns, not semicolons; read it with "
            "pl.read_csv(…, separator=';', decimal_comma=True) and write it as Parquet"
        )
        raise InputError(problem(name, str(path), rule))


def _one_row_a_unit(frame: pl.LazyFrame, unit: str) -> tuple[pl.LazyFrame, int]:
    """Leave out units in two arms and count them; refuse a unit that has two rows otherwise."""
    several = (
        frame.filter(pl.col(ARM).is_not_null())
        .group_by(unit)
        .agg(rows=pl.len(), arms=pl.col(ARM).n_unique())
        .filter((pl.col("rows") > 1) | pl.col(unit).is_null())
        .collect(engine="streaming")
    )
    nameless = several.filter(pl.col(unit).is_null())
    if nameless.height:
        raise InputError(f"{text.plural(nameless['rows'][0], 'row')} of {unit!r} must have a value")
    twice = several.filter(pl.col("arms") == 1)
    if twice.height:
        example = text.named(twice[unit].sort()[0])
        raise InputError(
            f"{text.plural(twice.height, 'unit')} of {unit!r} must have one row, such as {example}; "
            f"add up its rows first, or name it as cluster instead"
        )
    if not several.height:
        return frame, 0
    return frame.join(several.lazy().select(unit), on=unit, how="anti"), several.height


def _check_labels(counts: dict[str, int], arm: str, control: str) -> None:
    """Refuse labels of which the meaning would be a guess, and a control that is not there."""
    if len(counts) > _MOST_ARMS:
        raise InputError(
            f"column {arm!r} has {text.count(len(counts))} labels, must have {_MOST_ARMS} at most; "
            "is it the arm?"
        )
    seen: dict[str, str] = {}
    for label in counts:
        bare = " ".join(label.split()).casefold()
        if not bare:
            raise InputError(f"{arm!r} has a blank label; leave it empty, or name the arm")
        if bare in seen:
            raise InputError(
                f"{arm!r} has the labels {seen[bare]!r} and {label!r}, which differ by case or blank "
                "only; write one of them"
            )
        seen[bare] = label
    if control not in counts and len(counts) >= _FEWEST_ARMS:
        near = did_you_mean(control.strip(), counts)
        rule = f"must be one of {_labels(list(counts))}"
        raise ParameterError(problem("control", control, rule, hint=near))


def _labels(labels: Sequence[str]) -> str:
    more = "" if len(labels) <= _SHOWN_LABELS else f" and {len(labels) - _SHOWN_LABELS} more"
    return ", ".join(repr(each) for each in labels[:_SHOWN_LABELS]) + more
