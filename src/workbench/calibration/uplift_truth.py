"""An estimate of uplift beside the truth of a simulated experiment. Owns no estimate and no truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError
from workbench.frames import Frame, as_polars, need_columns
from workbench.uplift import UpliftDraws

NOT_KNOWN = "none"


@dataclass(frozen=True, kw_only=True, eq=False)
class UpliftBesideTruth(text.Result):
    """Uplift by cell and offer beside the truth.

    Attributes:
        table: A row a cell and offer: ``cell`` (its levels), ``offer``, ``customers``, ``uplift_cents``,
            ``low``, ``high`` (95 %), ``truth`` (missing where it is not known) and ``holds``.
        text: How many intervals hold the truth, or that it is not known.
        coverage: Share of intervals that hold it, weighted by customers; none where it is not known.
    """

    coverage: float | None


@checked
def uplift_beside_truth(
    draws: UpliftDraws, truth: Frame | str | Path = NOT_KNOWN, *, control: str = "control"
) -> UpliftBesideTruth:
    """Put the uplift of each cell beside what it is in truth, if a world knows it.

    Args:
        draws: The cells, from a fit.
        truth: What :func:`simulate_offer_experiment` has as truth, or its file; ``none``: not known.
        control: The control.

    Returns:
        The table, and how many intervals hold the truth.

    Raises:
        InputError: The file or a column is missing.

    >>> uplift_beside_truth("fit")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: draws was 'fit', must be draws of uplift, such as the decision of workbench.fit_uplift
    """
    by = list(draws.by)
    low, high = np.quantile(draws.value, [0.025, 0.975], axis=0)
    cells = (
        [" · ".join(map(str, row)) for row in draws.cells[by].itertuples(index=False)]
        if by
        else ["all"]
    )
    known = _truth(draws, truth, by, control)
    rows = [
        pd.DataFrame(
            {
                "cell": cells,
                "offer": offer,
                "customers": draws.customers.astype(int),
                "uplift_cents": draws.value[:, :, k].mean(axis=0),
                "low": low[:, k],
                "high": high[:, k],
                "truth": np.full(len(cells), np.nan) if known is None else known[:, k],
            }
        )
        for k, offer in enumerate(draws.offers)
    ]
    table = pd.concat(rows, ignore_index=True)
    table["holds"] = (table["low"] <= table["truth"]) & (table["truth"] <= table["high"])
    there = table.dropna(subset=["truth"])
    if there.empty:
        return UpliftBesideTruth(
            table=table, text="What is true is not known for this table.", coverage=None
        )
    plain = float(there["holds"].mean())
    coverage = float(np.average(there["holds"], weights=there["customers"]))
    return UpliftBesideTruth(
        table=table,
        text=text.sentence(
            f"{text.count(int(there['holds'].sum()))} of {text.count(len(there))} intervals of 95% hold the "
            f"truth ({text.share(plain)}; weighted by customers {text.share(coverage)})"
        ),
        headline=f"{text.share(plain, 0)} of the intervals hold the truth",
        coverage=coverage,
    )


def _truth(
    draws: UpliftDraws, truth: Frame | str | Path, by: Sequence[str], control: str
) -> np.ndarray | None:
    """Return the true uplift, cell x offer; none where it is not known."""
    if isinstance(truth, str | Path):
        if str(truth) == NOT_KNOWN:
            return None
        if not Path(truth).is_file():
            raise InputError(
                f"{Path(truth).name} does not exist; run the notebook that simulates the experiment, or name "
                f"{NOT_KNOWN!r}"
            )
        frame = pl.read_parquet(truth)
    else:
        frame = as_polars(truth, "truth")
    need_columns(frame.columns, ["arm", *by, draws.measure], "truth")
    means = frame.group_by(["arm", *by]).agg(
        pl.col(draws.measure).cast(pl.Float64).mean().alias("·mean")
    )
    cells = pl.DataFrame(draws.cells[by]) if by else pl.DataFrame({"·": [0]})

    def of(arm: str) -> np.ndarray:
        mine = means.filter(pl.col("arm") == arm)
        if not by:
            return mine["·mean"].to_numpy()
        return cells.join(mine, on=by, how="left", maintain_order="left")["·mean"].to_numpy()

    return np.column_stack([of(offer) - of(control) for offer in draws.offers])


__all__ = ["UpliftBesideTruth", "uplift_beside_truth"]
