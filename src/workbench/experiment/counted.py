"""How many units each arm has: as they were assigned, at a stage, in a group. Owns no verdict."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from workbench.experiment.metrics import check_numbers
from workbench.experiment.unit_columns import Layout
from workbench.experiment.units import ARM, Units
from workbench.frames import UNKNOWN_GROUP

_GROUP = "·group"


def count_places(
    units: Units, layout: Layout, dimensions: Sequence[str]
) -> dict[str, dict[str, dict[str, int]]]:
    """Return units by dimension, group and arm; who is in no group is in "not known"."""
    unit = pl.col(layout.cluster).n_unique() if layout.cluster else pl.len()
    places: dict[str, dict[str, dict[str, int]]] = {}
    for dimension in dimensions:
        group = pl.col(dimension).cast(pl.String).fill_null(UNKNOWN_GROUP)
        counted = (
            units.frame.group_by(group.alias(_GROUP), ARM).agg(unit.alias("n")).sort(_GROUP, ARM)
        )
        found = places.setdefault(dimension, {})
        for name, arm, n in counted.collect(engine="streaming").iter_rows():
            found.setdefault(name, dict.fromkeys(units.arms, 0))[arm] = n
    return places


def count_assigned(units: Units, layout: Layout) -> dict[str, int]:
    """Return how much was assigned to each arm: units, or clusters where those were assigned."""
    if layout.cluster is None:
        return units.counts
    found = units.frame.group_by(ARM).agg(pl.col(layout.cluster).n_unique())
    counted = dict(found.collect(engine="streaming").iter_rows())
    return {arm: int(counted[arm]) for arm in units.arms}


def count_stage(units: Units, layout: Layout, stage: str) -> dict[str, int]:
    """Return the units of each arm that reached a stage."""
    check_numbers([stage], units.frame.collect_schema(), "stage")
    there = units.frame.filter(pl.col(stage).cast(pl.Boolean).fill_null(value=False))
    unit = pl.col(layout.cluster).n_unique() if layout.cluster else pl.len()
    counted = dict(there.group_by(ARM).agg(unit).collect(engine="streaming").iter_rows())
    return {arm: int(counted.get(arm, 0)) for arm in units.arms}
