"""Customers summed up in cells: a cell is a combination of levels, and every arm has its sums in it.

Owns the sums that each likelihood needs. They are sufficient: from them the likelihood is the one of the
single customers, exactly, so ten million customers cost as much as their cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from scipy.special import gammaln

from workbench import text
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.experiment.units import ARM, Source, Units, take_units
from workbench.frames import need_columns
from workbench.uplift.kinds import KINDS, Kind, number_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ANY = " > 0"
"""What follows the name of an outcome of which some customers have none: whether they have any."""

MOST_CELLS = 2_000
UNKNOWN_LEVEL = "not known"
_FEWEST_LEVELS = 2
_N = "·n"


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """Customers of an experiment, summed up by cell and arm.

    Attributes:
        by: The dimensions.
        levels: By dimension its levels.
        table: A row a cell with its level of each dimension, in the order of the cells.
        place: Cell x dimension: which level.
        arms: The arms, control first.
        n: Cell x arm: customers.
        sums: By outcome the sums that its likelihood needs, each cell x arm (a histogram: its own).
        kinds: By outcome its kind.
        notes: What was left out, in sentences.
    """

    by: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    table: pd.DataFrame
    place: Ints
    arms: tuple[str, ...]
    n: Floats
    sums: Mapping[str, Mapping[str, Floats]]
    kinds: Mapping[str, Kind]
    notes: tuple[str, ...]

    @property
    def customers(self) -> int:
        """Customers in all cells and arms."""
        return int(self.n.sum())

    @property
    def weight(self) -> Floats:
        """Share of the customers in each cell, over all arms: who is triggered, whatever the arm."""
        each = self.n.sum(axis=1)
        return np.asarray(each / each.sum())


def cells_of(
    source: Source,
    *,
    outcomes: Mapping[str, str],
    by: Sequence[str],
    arm: str,
    control: str,
    unit: str | None,
    covariate: str | None,
) -> Cells:
    """Sum up the customers of an experiment by cell and arm, in one pass.

    Args:
        source: A pandas, Polars or lazy frame, or the path of a Parquet file.
        outcomes: By column its kind, one of :data:`workbench.uplift.kinds.KINDS`.
        by: Columns of the dimensions; a customer without a level is in the level "not known".
        arm: Column of the arm.
        control: The control.
        unit: Column of the customer; none: each row is another one.
        covariate: A column known before the trigger, for kinds that take one.

    Raises:
        InputError: A column is missing or breaks the rule of its kind, an arm is in one level of a
            dimension only, or there are too many cells.
        ParameterError: A kind is not known, or a dimension is named twice or is the arm.
    """
    if not outcomes:
        raise ParameterError("outcomes was empty; name a column and its kind")
    for column, named in outcomes.items():
        if named not in KINDS:
            rule = f"must be one of {', '.join(KINDS)}"
            hint = did_you_mean(named, list(KINDS))
            raise ParameterError(problem(f"kind of {column}", named, rule, hint=hint))
    twice = [name for name in by if list(by).count(name) > 1 or name == arm or name in outcomes]
    if twice:
        rule = "must be a column of its own: no arm, no outcome, and named once"
        raise ParameterError(problem("by", twice[0], rule))
    if covariate in {arm, *outcomes}:
        rule = "must be a number known before the trigger: no arm and no outcome"
        raise ParameterError(problem("covariate", covariate, rule))
    units = take_units(source, arm=arm, control=control, unit=unit)
    schema = units.frame.collect_schema()
    need_columns(schema, [*outcomes, *by, *([covariate] if covariate else [])], "table of units")
    kinds = {name: KINDS[named] for name, named in outcomes.items()}
    levels = [pl.col(name).cast(pl.String).fill_null(UNKNOWN_LEVEL).alias(name) for name in by]
    groups = [*by, ARM]
    frame = units.frame.with_columns(levels)
    for name, kind in kinds.items():
        kind.check(frame, name, schema[name])
    if covariate is not None:
        frame = _standardised(frame, covariate)
    plain = [pl.len().alias(_N)]
    for name, kind in kinds.items():
        use = covariate if kind.takes_covariate else None
        plain += [each.alias(f"{name}·{key}") for key, each in kind.sums(name, use).items()]
    summed = frame.group_by(groups).agg(plain).collect(engine="streaming")
    counted = {
        name: frame.group_by([*groups, name]).agg(pl.len().alias(_N)).collect(engine="streaming")
        for name, kind in kinds.items()
        if kind.histogram
    }
    return _put_together(summed, counted, by, units, kinds)


def _standardised(frame: pl.LazyFrame, covariate: str) -> pl.LazyFrame:
    """Return the frame with the covariate less its mean, over its spread; missing ones at the mean."""
    kind = frame.collect_schema()[covariate]
    value = number_of(covariate, kind, "covariate").fill_nan(None)
    known = frame.select(
        mean=value.mean(), spread=value.std(), infinite=value.is_infinite().sum()
    ).collect(engine="streaming")
    mean, spread, infinite = known.row(0)
    if mean is None or not spread or infinite:
        raise InputError(
            f"covariate {covariate!r} must be finite and vary; it has {text.plural(infinite or 0, 'infinite value')}"
            f" and a spread of {text.number(spread)}"
        )
    return frame.with_columns(((value - mean) / spread).fill_null(0.0).alias(covariate))


def _put_together(
    summed: pl.DataFrame,
    counted: Mapping[str, pl.DataFrame],
    by: Sequence[str],
    units: Units,
    kinds: Mapping[str, Kind],
) -> Cells:
    """Return sums as arrays of cell x arm."""
    levels = {name: tuple(summed[name].unique().sort().to_list()) for name in by}
    _levels_and_arms(summed, levels, units.arms)
    places = _Places.of(summed, by, units.arms)
    sums: dict[str, dict[str, Floats]] = {}
    for name, kind in kinds.items():
        start = f"{name}·"
        columns = [column for column in summed.columns if column.startswith(start)]
        mine = {each.removeprefix(start): places.matrix(summed, each) for each in columns}
        if "x" in mine:
            _centred(mine, kind)
        if kind.histogram:
            mine |= places.histogram(counted[name], name)
        sums[name] = mine
        if kind.hurdle:
            sums[f"{name}{ANY}"] = {"yes": mine["some"]}
    table = places.table
    place = [
        [levels[name].index(value) for name, value in zip(by, row, strict=True)]
        for row in (table.rows() if by else [()])
    ]
    any_of = {f"{name}{ANY}": KINDS["conversion"] for name, kind in kinds.items() if kind.hurdle}
    return Cells(
        by=tuple(by),
        levels=levels,
        table=table.to_pandas(),
        place=np.array(place, dtype=np.int64).reshape(table.height, len(by)),
        arms=tuple(units.arms),
        n=places.matrix(summed, _N),
        sums=sums,
        kinds={**kinds, **any_of},
        notes=tuple(units.notes()),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Places:
    """Where the rows of a grouped frame lie in arrays of cell x arm."""

    table: pl.DataFrame
    by: list[str]
    column_of: Mapping[str, int]

    @classmethod
    def of(cls, summed: pl.DataFrame, by: Sequence[str], arms: Sequence[str]) -> _Places:
        """Return the cells of a grouped frame, in the order of their levels.

        Raises:
            InputError: There are too many.
        """
        whole = pl.DataFrame({"everybody": ["everybody"]})
        table = summed.select(by).unique().sort(by) if by else whole
        if table.height > MOST_CELLS:
            raise InputError(
                f"{', '.join(by)} make {text.count(table.height)} cells, must be {MOST_CELLS:,} at "
                "most; name fewer dimensions or coarser levels"
            )
        column_of = {name: place for place, name in enumerate(arms)}
        return cls(table=table, by=list(by), column_of=column_of)

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and arms."""
        return self.table.height, len(self.column_of)

    def at(self, frame: pl.DataFrame) -> tuple[Ints, Ints]:
        """Return cell and arm of each row."""
        arm = frame[ARM].replace_strict(self.column_of, return_dtype=pl.Int64).to_numpy()
        if not self.by:
            return np.zeros(frame.height, dtype=np.int64), arm
        keyed = self.table.with_row_index("·cell")
        joined = frame.join(keyed, on=self.by, how="left", maintain_order="left")
        return joined["·cell"].cast(pl.Int64).to_numpy(), arm

    def matrix(self, frame: pl.DataFrame, column: str) -> Floats:
        """Return a column as cell x arm, 0 where there is nobody."""
        values = np.zeros(self.shape)
        values[self.at(frame)] = frame[column].cast(pl.Float64).fill_null(0.0).to_numpy()
        return values

    def histogram(self, frame: pl.DataFrame, column: str) -> dict[str, Floats]:
        """Return how many customers had each value, cell x arm x value, and the values."""
        found = frame[column].cast(pl.Float64).to_numpy()
        values, at_value = np.unique(found, return_inverse=True)
        histogram = np.zeros((*self.shape, len(values)))
        histogram[(*self.at(frame), at_value)] = frame[_N].to_numpy()
        return {"values": values, "log_factorials": gammaln(values + 1), "histogram": histogram}


def _centred(sums: dict[str, Floats], kind: Kind) -> None:
    """Take from the covariate its mean in each cell, over all arms, so that it moves no cell's level."""
    n, y, xy = kind.moments
    known, x = sums[n], sums["x"]
    each = known.sum(axis=1, keepdims=True)
    mean = x.sum(axis=1, keepdims=True) / np.maximum(each, 1)
    sums[xy] = sums[xy] - mean * sums[y]
    sums["x_squared"] = sums["x_squared"] - 2 * mean * x + known * mean**2
    sums["x"] = x - known * mean
    sums["x_variance"] = sums["x_squared"].sum(axis=1, keepdims=True) / np.maximum(each, 1)


def _levels_and_arms(
    summed: pl.DataFrame, levels: Mapping[str, Sequence[str]], arms: Sequence[str]
) -> None:
    """Refuse what cannot be told apart: one arm, one level, or an arm in one level only."""
    if len(arms) < 2:  # noqa: PLR2004 - a control and an offer
        raise InputError(
            f"{text.NOT_ENOUGH_DATA}: everybody is in arm {arms[0]!r}; an effect needs a control and "
            "another arm"
        )
    for name, known in levels.items():
        if len(known) < _FEWEST_LEVELS:
            raise InputError(
                f"{name} has the one level {known[0]!r}, which separates nobody; leave it out of by"
            )
        for arm, seen in summed.group_by(ARM).agg(pl.col(name).unique()).sort(ARM).iter_rows():
            if len(seen) == 1:
                raise InputError(
                    f"not identified: arm {arm!r} was given to {name} = {seen[0]!r} only, so its "
                    f"effect cannot be told from that of {name}; leave the arm or the dimension out"
                )
