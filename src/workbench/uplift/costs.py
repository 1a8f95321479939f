"""What an offer costs in each cell: means partly pooled to the offer's own, by empirical Bayes. Owns no effect.

Cost is nothing in the control, so it needs no comparison: the mean of who got the offer is what it cost.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from workbench import text
from workbench.errors import InputError
from workbench.experiment.units import ARM, Source, take_units
from workbench.frames import need_columns
from workbench.streams import stream
from workbench.uplift.cells import UNKNOWN_LEVEL, Cells

Floats = npt.NDArray[np.float64]


def cost_draws(
    source: Source,
    cells: Cells,
    column: str,
    *,
    arm: str,
    control: str,
    unit: str | None,
    draws: int,
    seed: int,
) -> Floats:
    """Return draws of the mean cost of each offer in each cell.

    A mean is normal with the standard error of its cell, and drawn towards the offer's mean over all
    cells as far as cells do not differ by more than their errors. Source: Morris (1983), parametric
    empirical Bayes.

    Args:
        source: The units.
        cells: Their cells.
        column: What an offer cost a customer, in cents.
        arm: Column of the arm.
        control: The control.
        unit: Column of the customer, as of the cells; none: each row is another one.
        draws: How many.
        seed: Their seed.

    Returns:
        Draw x cell x offer, in cents, never below 0.

    Raises:
        InputError: The column is missing, or holds a cost below 0 or none.
    """
    units = take_units(source, arm=arm, control=control, unit=unit)
    schema = units.frame.collect_schema()
    need_columns(schema, [column], "table of units")
    if not schema[column].is_numeric():
        raise InputError(f"column {column!r} holds {str(schema[column]).lower()}, must hold cents")
    value = pl.col(column).cast(pl.Float64)
    wrong = units.frame.select((value.is_null() | (value < 0) | ~value.is_finite()).sum()).collect()
    if wrong.item():
        raise InputError(
            f"{text.plural(wrong.item(), 'value')} of {column!r} must be cents from 0: what an offer cost"
        )
    by = list(cells.by)
    levels = [pl.col(name).cast(pl.String).fill_null(UNKNOWN_LEVEL) for name in by]
    sums = (
        units.frame.select(*levels, ARM, value.alias("·cost"))
        .group_by([*by, ARM])
        .agg(
            pl.len().alias("·n"),
            pl.col("·cost").sum().alias("·1"),
            (pl.col("·cost") ** 2).sum().alias("·2"),
        )
        .collect(engine="streaming")
    )
    known = pl.DataFrame(cells.table).with_row_index("·cell")
    rng = stream(seed, "uplift/cost")
    found = np.zeros((draws, len(cells.table), len(cells.arms) - 1))
    for k, offer in enumerate(cells.arms[1:]):
        mine = sums.filter(pl.col(ARM) == offer)
        mine = known.join(mine, on=by, how="left", maintain_order="left") if by else mine
        n, total, squared = (
            mine[name].cast(pl.Float64).fill_null(0.0).to_numpy() for name in ("·n", "·1", "·2")
        )
        whole = total.sum() / n.sum()
        variance = max(squared.sum() / n.sum() - whole**2, 0.0)
        error = variance / np.maximum(n, 1)
        mean = np.where(n > 0, total / np.maximum(n, 1), whole)
        there = n > 0
        between = max(
            float(np.average((mean - whole)[there] ** 2 - error[there], weights=n[there])), 0.0
        )
        trust = np.where(there, between / np.maximum(between + error, 1e-12), 0.0)
        middle = whole + trust * (mean - whole)
        spread = np.sqrt(np.where(there, trust * error, between) + variance / n.sum() * (1 - trust))
        found[:, :, k] = np.maximum(middle + spread * rng.standard_normal((draws, len(n))), 0.0)
    return found
