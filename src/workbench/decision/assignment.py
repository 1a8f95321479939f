"""Who is in which arm, and the draws: pure functions of salt and unit. Owns no share and no limit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.buckets import (
    BUCKETS,
    bucket_10000,
    bucket_10000_column,
    fnv1a32,
    fnv1a32_column,
    in_namespace,
    in_namespace_column,
)
from workbench.records import GLOBAL_HOLDOUT, HELD_OUT, OTHER_LAYER, OUTSIDE_COVERAGE

_MASK = np.uint64(0xFFFFFFFF)


def draw_32(text: str) -> int:
    """Return a whole number below 2**32: FNV-1a of the text, finished as MurmurHash3 does.

    >>> text = "salt:offer:p:event:0:e1"
    >>> [draw_32(text)] == draw_32_column(pl.Series([text])).tolist()
    True
    """
    h = fnv1a32(text)
    h ^= h >> 16
    h = h * 0x85EBCA6B & 0xFFFFFFFF
    h ^= h >> 13
    h = h * 0xC2B2AE35 & 0xFFFFFFFF
    return h ^ h >> 16


def draw_32_column(texts: pl.Series) -> NDArray[np.int64]:
    """Return :func:`draw_32` of every text."""
    h = fnv1a32_column(texts).to_numpy().astype(np.uint64)
    h ^= h >> np.uint64(16)
    h = h * np.uint64(0x85EBCA6B) & _MASK
    h ^= h >> np.uint64(13)
    h = h * np.uint64(0xC2B2AE35) & _MASK
    h ^= h >> np.uint64(16)
    return h.astype(np.int64)


def key_column(texts: pl.Series) -> NDArray[np.int64]:
    """Return a key of 59 bits for every text, by which a response finds its decision."""
    low = fnv1a32_column(texts).to_numpy().astype(np.int64)
    high = fnv1a32_column("#" + texts).to_numpy().astype(np.int64)
    return (high & ((1 << 27) - 1)) << 32 | low


def key_of(text: str) -> int:
    """Return :func:`key_column` of one text."""
    return (fnv1a32("#" + text) & ((1 << 27) - 1)) << 32 | fnv1a32(text)


def assigned(experiment: Any, unit: str) -> tuple[int, int]:
    """Return the part and the arm of one unit, as :func:`assigned_column` does."""
    none = len(experiment.ranges)
    layer = experiment.layer
    if layer is not None and not in_namespace(unit, (layer.name, layer.start, layer.end)):
        return OTHER_LAYER, none
    bucket = bucket_10000(experiment.salt, unit)
    for place, (_, first, end) in enumerate(experiment.ranges):
        if first <= bucket < end:
            return 0, place
    return OUTSIDE_COVERAGE, none


def assigned_column(
    experiment: Any, units: pl.Series
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the part (0, ``OTHER_LAYER``, ``OUTSIDE_COVERAGE``) and the arm of every unit."""
    buckets = np.asarray(bucket_10000_column(experiment.salt, units), dtype=np.int64)
    ranges = experiment.ranges
    arm = np.full(len(buckets), len(ranges), dtype=np.int64)
    for place, (_, first, end) in enumerate(ranges):
        arm[(buckets >= first) & (buckets < end)] = place
    part = np.where(arm == len(ranges), OUTSIDE_COVERAGE, 0)
    if experiment.layer is not None:
        layer = experiment.layer
        inside = np.asarray(
            in_namespace_column(units, (layer.name, layer.start, layer.end)), dtype=bool
        )
        part = np.where(inside, part, OTHER_LAYER)
        arm = np.where(inside, arm, len(ranges))
    return part.astype(np.int64), arm


def ghosts_column(
    programme: Any, arm: NDArray[np.int64], held: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return why a decision would be a ghost: 0, ``HELD_OUT`` or ``GLOBAL_HOLDOUT``."""
    names = [name for name, _, _ in programme.experiment.ranges]
    control = names.index("control") if "control" in names else -1
    ghost = np.where(arm == control, HELD_OUT, 0)
    if programme.kind == "targeting":
        ghost = np.where(held & (ghost == 0), GLOBAL_HOLDOUT, ghost)
    return ghost.astype(np.int64)


def holdout_columns(
    holdout: Any, person_ids: pl.Series
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return who is in the global hold-out, and who is in the group that it is compared with."""
    if holdout is None:
        none = np.zeros(len(person_ids), dtype=bool)
        return none, none
    buckets = np.asarray(bucket_10000_column(holdout.salt, person_ids), dtype=np.int64)
    held = buckets < holdout.held_end
    return held, ~held & (buckets < holdout.measured_end)


def assignment_shares(experiment: Any) -> tuple[Sequence[float], float]:
    """Return the probability of each arm with that of ``none``, and that of another layer: 1."""
    widths = [end - first for _, first, end in experiment.ranges]
    return [*(width / BUCKETS for width in widths), (BUCKETS - sum(widths)) / BUCKETS], 1.0


__all__ = [
    "assigned",
    "assigned_column",
    "assignment_shares",
    "draw_32",
    "draw_32_column",
    "ghosts_column",
    "holdout_columns",
    "key_column",
    "key_of",
]
