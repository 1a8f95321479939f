"""Segments that a marketer names in a file, as checked conditions. Owns no condition language.

A file has ``match`` (``first``: the first segment that holds; ``all``: every one that holds),
``default`` (the name for who is in none, or nothing) and ``segments``, each with a ``name``,
``when`` (a condition on profile and score columns) and, if you like, ``says``.
A condition that is NULL for a person is not a yes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
import polars as pl
from pydantic import Field, StringConstraints, model_validator

from workbench import text
from workbench.arguments import checked
from workbench.conditions import ColumnType, Condition, check, column_types
from workbench.errors import InputError, ParameterError
from workbench.files import read_text
from workbench.params import Parameters
from workbench.profile.features import COLUMNS, Profile
from workbench.profile.rfm import SCORE_COLUMNS, RfmScores

SEGMENT_COLUMNS: dict[str, ColumnType] = {
    **{name: kind for name, (kind, _) in COLUMNS.items()},
    **SCORE_COLUMNS,
}
"""What a segment's condition may read unless more columns are named."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class SegmentRule(Parameters):
    """One segment: its name, the condition for being in it, and what it means in words."""

    name: Name
    when: str = Field(min_length=1)
    says: str = ""


class Segments(Parameters):
    """The segments of a file, in order."""

    match: Literal["first", "all"] = "first"
    default: Name | None = None
    segments: Annotated[tuple[SegmentRule, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_differ(self) -> Segments:
        names = [rule.name for rule in self.segments]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"must name each segment once; twice: {', '.join(twice)}")
        if self.default in names:
            raise ValueError(f"must have a default that is no segment's name; was {self.default}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the segments, in the order of the file, the default last."""
        return (*(rule.name for rule in self.segments), *([self.default] if self.default else []))

    def conditions(self, columns: Mapping[str, ColumnType], *, where: str) -> tuple[Condition, ...]:
        """Return the checked condition of each segment.

        Raises:
            ParameterError: A condition breaks a rule; the text names file, segment and part.
        """
        return tuple(
            check(rule.when, columns, where=f"{where}: segment {rule.name}")
            for rule in self.segments
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmented(text.Result):
    """Who is in which segment.

    Attributes:
        frame: The frame that was given with ``segment`` (text; null for none), or with
            ``match: all`` ``segments`` (list of text).
        empty: Segments that nobody is in.
        table: Persons and spend by segment, in the order of the file, empty ones too. With
            ``match: all`` a person counts in each of her segments.
        text: The largest segment, and which are empty.
    """

    frame: pl.DataFrame
    empty: tuple[str, ...]

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a person as a pandas frame."""
        return self.frame.to_pandas()


@checked
def load_segments(path: str | Path, *, columns: Mapping[str, ColumnType] | None = None) -> Segments:
    """Read segments from a YAML file and check every condition.

    Args:
        path: The file.
        columns: More columns that conditions may read, beside :data:`SEGMENT_COLUMNS`.

    Returns:
        The segments, in the order of the file.

    Raises:
        InputError: The file cannot be read.
        ParameterError: The file or a condition breaks a rule.

    >>> load_segments("params/segments/grocery.yaml").names[:2]
    ('newcomer', 'champion')
    """
    source = str(path)
    segments = Segments.from_yaml(read_text(Path(path)), source=source)
    segments.conditions({**SEGMENT_COLUMNS, **(columns or {})}, where=source)
    return segments


@checked
def segment(people: Profile | RfmScores | pl.DataFrame, segments: Segments) -> Segmented:
    """Put each person into segments.

    Args:
        people: A profile, its scores, or a frame with the columns that the conditions read.
        segments: Of :func:`load_segments`.

    Returns:
        The frame with a column ``segment``, and customers and spend by segment.

    Raises:
        InputError: There is nobody.
        ParameterError: A condition reads a column that is not there (scores come from
            ``rfm_scores``), or one of another type.

    >>> from workbench.profile import profile, rfm_scores
    >>> found = segment(rfm_scores(profile(log)), load_segments("params/segments/cd_shop.yaml"))
    >>> int(found.table["customers"].sum())
    2357
    """
    frame = people if isinstance(people, pl.DataFrame) else people.frame
    if frame.is_empty():
        raise InputError(f"{text.NOT_ENOUGH_DATA}: there is nobody to put into segments")
    known = {**column_types(frame.schema), **SEGMENT_COLUMNS}
    rules = segments.conditions(known, where="segments")
    for rule, condition in zip(segments.segments, rules, strict=True):
        missing = sorted(condition.columns & SCORE_COLUMNS.keys() - set(frame.columns))
        if missing:
            raise ParameterError(
                f"segment {rule.name} reads {text.listing(missing)}: score the profile first, "
                "with rfm_scores"
            )
        condition.require(frame.schema, where=f"segment {rule.name}")
    holds = frame.select(
        condition.expression().fill_null(value=False).alias(str(i))
        for i, condition in enumerate(rules)
    )
    names = [rule.name for rule in segments.segments]
    if segments.match == "first":
        made, members = _first(frame, holds, names, segments.default)
    else:
        made, members = _all(frame, holds, names, segments.default)
    table = _table(members, segments.names, frame)
    says = {rule.name: rule.says for rule in segments.segments}
    table["meaning"] = [says.get(name, "In none of the others.") for name in table["segment"]]
    empty = tuple(str(name) for name in table.loc[table["customers"] == 0, "segment"])
    return Segmented(
        frame=made,
        empty=empty,
        table=table,
        text=_sentence(table, frame.height, empty, segments),
        headline=_headline(table),
    )


def _first(
    frame: pl.DataFrame, holds: pl.DataFrame, names: list[str], default: str | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    choice = pl.coalesce(
        *(pl.when(pl.col(str(i))).then(pl.lit(name)) for i, name in enumerate(names)),
        pl.lit(default, dtype=pl.String),
    )
    made = frame.with_columns(holds.select(segment=choice).to_series())
    return made, made.select("segment", _spend(frame))


def _all(
    frame: pl.DataFrame, holds: pl.DataFrame, names: list[str], default: str | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    found = pl.concat_list(
        pl.when(pl.col(str(i))).then(pl.lit(name)) for i, name in enumerate(names)
    ).list.drop_nulls()
    otherwise = pl.lit([default] if default else [], dtype=pl.List(pl.String))
    lists = holds.select(found.alias("segments")).select(
        pl.when(pl.col("segments").list.len() > 0).then("segments").otherwise(otherwise)
    )
    made = frame.with_columns(lists.to_series().alias("segments"))
    members = made.select(pl.col("segments").alias("segment"), _spend(frame)).explode("segment")
    return made, members


def _spend(frame: pl.DataFrame) -> pl.Expr:
    there = "spend_cents" in frame.columns
    return pl.col("spend_cents") if there else pl.lit(None, pl.Int64).alias("spend_cents")


def _table(members: pl.DataFrame, names: tuple[str, ...], frame: pl.DataFrame) -> pd.DataFrame:
    """Return persons and spend of each named segment; who is in none has no row."""
    has_spend = "spend_cents" in frame.columns
    total = float(frame["spend_cents"].sum()) if has_spend else 0.0
    rows = members.group_by("segment").agg(
        customers=pl.len().cast(pl.Int64), spend_cents=pl.col("spend_cents").sum()
    )
    return (
        pl.DataFrame({"segment": list(names)})
        .join(rows, on="segment", how="left", maintain_order="left")
        .with_columns(pl.col("customers").fill_null(0))
        .select(
            "segment",
            "customers",
            share=pl.col("customers") / frame.height,
            spend_cents=pl.col("spend_cents").fill_null(0)
            if has_spend
            else pl.lit(None, dtype=pl.Int64),
            share_of_spend=pl.col("spend_cents") / total
            if total > 0
            else pl.lit(None, dtype=pl.Float64),
        )
        .to_pandas()
    )


def _sentence(table: pd.DataFrame, persons: int, empty: tuple[str, ...], segments: Segments) -> str:
    largest = table.iloc[int(table["customers"].to_numpy().argmax())]
    parts = []
    if table["share_of_spend"].notna().any():
        top = table.sort_values("share_of_spend", kind="stable", na_position="first").iloc[-1]
        parts.append(
            f"the largest part of the spend, {text.share(top['share_of_spend'])}, comes from segment "
            f"{text.named(top['segment'])}, {text.share(top['share'])} of the customers"
        )
    said = (
        f"the largest of {text.plural(len(table), 'segment')} is {text.named(largest['segment'])} "
        f"with {text.count(largest['customers'])} of {text.plural(persons, 'customer')} "
        f"({text.share(largest['share'])})"
    )
    if segments.default is None:
        inside = int(table["customers"].sum()) if segments.match == "first" else None
        if inside is not None and inside < persons:
            said += f"; {text.plural(persons - inside, 'customer')} in none"
    parts.append(said)
    if empty:
        parts.append(f"nobody is in {text.listing([text.named(name) for name in empty])}")
    return " ".join(text.sentence(part) for part in parts)


def _headline(table: pd.DataFrame) -> str:
    """Name the segment with most of the spend, else the largest, as the title of a figure."""
    by = "share_of_spend" if table["share_of_spend"].notna().any() else "share"
    top = table.sort_values(by, kind="stable", na_position="first").iloc[-1]
    spend = "" if by == "share" else f" and {text.share(top['share_of_spend'])} of the spend"
    return f"Segment {text.named(top['segment'])} is {text.share(top['share'])} of the customers{spend}"
