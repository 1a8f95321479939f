"""Two decision logs side by side: what is the same, what changed, what changed first. Owns no money.

The same occurrence has the same ``decision_id`` in every replay of a log, and a person is wholly
in one part of it: decisions are paired part by part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from workbench.log.schema import INSTANT
from workbench.records import OFFERED, REASON_OF_CODE, REASONS, STAGES
from workbench.replay.decided import DECISIONS_SCHEMA
from workbench.replay.decision_log import part_of
from workbench.replay.result import Replay

NOT_TRIGGERED = "not triggered"
"""The outcome of an occurrence in the replay that has no decision about it."""

SAME, CHANGED, ONLY_A, ONLY_B = "same", "changed", "only in a", "only in b"
KINDS = (SAME, CHANGED, ONLY_A, ONLY_B)
"""What became of a decision, in the order of tables."""

_OUTCOME = ("reason", "offer_id", "channel", "variant", "points", "known_at")
READ = ("decision_id", "set_id", "person", "programme", "ts", *_OUTCOME)
_OFFERED = REASON_OF_CODE[OFFERED].name
_REASON = pl.Enum([NOT_TRIGGERED, *(each.name for each in REASONS)])
_STAGE = pl.Enum([NOT_TRIGGERED, *STAGES])
_STAGE_OF = {each.name: each.stage for each in REASONS}

CHANGES_SCHEMA = pl.Schema(
    {
        "decision_id": pl.String(),
        "person": pl.String(),
        "programme": pl.String(),
        "ts": INSTANT,
        "reason_a": pl.String(),
        "reason_b": pl.String(),
        "offer_a": pl.String(),
        "offer_b": pl.String(),
        "after_an_earlier_change": pl.Boolean(),
    }
)
"""Decisions that differ; no reason where a replay has no such decision."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Decisions of two replays by what became of them.

    Attributes:
        counts: Decisions by ``programme``, ``reason_a``, ``reason_b`` and ``kind``.
        changes: The decisions that differ, as :data:`CHANGES_SCHEMA` has them.
        persons: For each replay the persons to whom an offer went.
    """

    counts: pl.DataFrame
    changes: pl.DataFrame
    persons: tuple[int, int]

    def by_kind(self) -> pl.DataFrame:
        """Return decisions by kind; those that differ also by whether an earlier one differs."""
        after = pl.col("after_an_earlier_change")
        differing = self.changes.group_by(_kind().alias("kind")).agg(
            first_of_customer=(~after).sum().cast(pl.Int64),
            after_an_earlier_change=after.sum().cast(pl.Int64),
        )
        told = pl.col("decisions", "first_of_customer", "after_an_earlier_change").fill_null(0)
        return (
            pl.DataFrame({"kind": KINDS})
            .join(self.counts.group_by("kind").agg(pl.col("decisions").sum()), "kind", how="left")
            .join(differing, on="kind", how="left", maintain_order="left")
            .with_columns(told)
        )

    def by_programme(self) -> dict[str, int]:
        """Return how many decisions of each programme differ."""
        differing = self.counts.filter(pl.col("kind") != SAME)
        return dict(differing.group_by("programme").agg(pl.col("decisions").sum()).iter_rows())

    def matrix(self, of: str) -> pl.DataFrame:
        """Return decisions by outcome in a (rows) and in b (columns), in the order of the funnel.

        Args:
            of: ``reason`` or ``stage``.
        """
        kind = _REASON if of == "reason" else _STAGE
        rows = self.counts.select(
            *(_outcome(f"reason_{side}", of).cast(kind).alias(side) for side in "ab"), "decisions"
        )
        columns = rows["b"].unique().sort().cast(pl.String).to_list()
        return (
            rows.pivot("b", index="a", values="decisions", aggregate_function="sum")
            .sort("a")
            .select(pl.col("a").cast(pl.String).alias(of), pl.col(columns).fill_null(0))
        )


def paired(a: Replay, b: Replay) -> Pairs:
    """Pair the decisions of two replays of one log."""
    keys = ("programme", "reason_a", "reason_b", "kind")
    counts, changes, persons = [], [], [0, 0]
    for one, other in _parts(a, b):
        both = _joined(one, other)
        counts.append(both.group_by(keys).agg(pl.len().cast(pl.Int64).alias("decisions")))
        changes.append(_changes(both.filter(pl.col("kind") != SAME)))
        for side, reason in enumerate(("reason_a", "reason_b")):
            persons[side] += both.filter(pl.col(reason) == _OFFERED)["person"].n_unique()
    total = pl.concat(counts).group_by(keys).agg(pl.col("decisions").sum())
    return Pairs(total, pl.concat(changes), (persons[0], persons[1]))


def _parts(a: Replay, b: Replay) -> Iterator[tuple[pl.LazyFrame, pl.LazyFrame]]:
    """Give the decisions of both replays part by part; all at once when one is in memory."""
    if not a.paths or not b.paths:
        yield a.decisions(), b.decisions()
        return
    files: dict[int, tuple[list[Path], list[Path]]] = {}
    for side, replayed in enumerate((a, b)):
        for path in replayed.paths:
            files.setdefault(part_of(path), ([], []))[side].append(path)
    for part in sorted(files):
        one, other = (
            pl.scan_parquet(paths) if paths else pl.LazyFrame(schema=DECISIONS_SCHEMA)
            for paths in files[part]
        )
        yield one, other


def _joined(a: pl.LazyFrame, b: pl.LazyFrame) -> pl.DataFrame:
    """Return each decision once, with its outcome in both and its place in the order of each."""
    sides = [each.select(READ).with_row_index("place") for each in (a, b)]
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"{name}_b")) for name in _OUTCOME)
    return (
        sides[0]
        .join(sides[1], on="decision_id", how="full", coalesce=True, suffix="_b")
        .select(
            "decision_id",
            *(pl.coalesce(name, f"{name}_b") for name in ("set_id", "person", "programme", "ts")),
            pl.min_horizontal("known_at", "known_at_b"),
            pl.col("place").alias("place_a"),
            "place_b",
            pl.col("reason").alias("reason_a"),
            "reason_b",
            pl.col("offer_id").alias("offer_a"),
            pl.col("offer_id_b").alias("offer_b"),
            same.alias("same"),
        )
        .with_columns(kind=pl.when("same").then(pl.lit(SAME)).otherwise(_kind()))
        .collect()
    )


def _changes(differing: pl.DataFrame) -> pl.DataFrame:
    """Return decisions that differ, and whether another of the customer differed before.

    Those of one decision set differ together. At one instant the order of each replay says which
    set came first.
    """
    instant, together = pl.col("known_at"), pl.col("set_id")
    after = instant > instant.min().over("person")
    for place in ("place_a", "place_b"):
        first = together.sort_by(place, nulls_last=True).first().over("person", "known_at")
        after = after | (pl.col(place).is_not_null() & (together != first))
    return differing.with_columns(after_an_earlier_change=after).select(CHANGES_SCHEMA.names())


def _kind() -> pl.Expr:
    """Return the kind of a decision that differs."""
    return (
        pl.when(pl.col("reason_a").is_null())
        .then(pl.lit(ONLY_B))
        .when(pl.col("reason_b").is_null())
        .then(pl.lit(ONLY_A))
        .otherwise(pl.lit(CHANGED))
    )


def _outcome(reason: str, of: str) -> pl.Expr:
    """Return the outcome that a column of reasons stands for, by reason or by stage."""
    named = pl.col(reason)
    if of == "stage":
        named = named.replace_strict(_STAGE_OF, return_dtype=pl.String)
    return named.fill_null(NOT_TRIGGERED)
