"""An estimate of uplift, by cell or learned, beside the truth of a simulated experiment. Owns no estimate and no truth."""

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
from workbench.experiment.units import read_source
from workbench.frames import Frame, as_polars, need_columns
from workbench.uplift import LearnedUplift, UpliftDraws, uplift_by_tenth

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


@dataclass(frozen=True, kw_only=True, eq=False)
class TenthsBesideTruth(text.Result):
    """Learned uplift by tenth of its prediction, beside the truth.

    Attributes:
        table: A row an offer and tenth, the highest predictions first: ``offer``, ``tenth``, ``customers``,
            ``predicted``, ``uplift`` with ``low`` and ``high`` (95 %), ``truth`` (missing where it is not
            known) and ``holds``.
        text: How many intervals hold the truth, and what the first and the last tenth are in truth.
        coverage: Share of intervals that hold it; none where it is not known.
    """

    coverage: float | None


@checked
def tenths_beside_truth(
    learned: LearnedUplift, truth: Frame | str | Path = NOT_KNOWN, *, unit: str = "customer_id"
) -> TenthsBesideTruth:
    """Put learned uplift by tenth beside what each customer's effect is in truth, if a world knows it.

    Args:
        learned: From :func:`learn_uplift`, with its ``unit``.
        truth: What :func:`simulate_offer_experiment` has as truth, or its file; ``none``: not known.
        unit: Column of the customer in the truth.

    Returns:
        Ten rows an offer, and how many intervals hold the truth.

    Raises:
        InputError: The file, a column or a customer is missing, or it was learned without ``unit``.

    >>> tenths_beside_truth("learned")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: learned was 'learned', must be learned uplift, such as workbench.learn_uplift gives
    """
    frame = _frame(truth)
    parts = []
    for k, offer in enumerate(learned.arms[1:]):
        part = uplift_by_tenth(learned, offer).table.assign(offer=offer, truth=np.nan)
        if frame is not None:
            effect = _effects(frame, learned, offer, unit)
            order = np.argsort(-learned.predictions[:, k], kind="stable")
            tenths = np.split(effect[order], np.cumsum(part["customers"].to_numpy())[:-1])
            part["truth"] = [float(tenth.mean()) for tenth in tenths]
        parts.append(part)
    columns = ["offer", "tenth", "customers", "predicted", "uplift", "low", "high", "truth"]
    table = pd.concat(parts, ignore_index=True)[columns]
    table["holds"] = (table["low"] <= table["truth"]) & (table["truth"] <= table["high"])
    if frame is None:
        return TenthsBesideTruth(
            table=table, text="What is true is not known for this table.", coverage=None
        )
    told = []
    for offer in learned.arms[1:]:
        mine = table[table["offer"] == offer]
        first, last = (learned.said(float(mine["truth"].iloc[at])) for at in (0, -1))
        told.append(f"{offer} is {first} in the first tenth and {last} in the last")
    held = f"{int(table['holds'].sum())} of {len(table)}"
    return TenthsBesideTruth(
        table=table,
        text=text.sentence(
            f"in truth the effect of {text.listing(told)}; {held} intervals of 95% hold the truth"
        ),
        headline=f"{held} intervals hold the truth",
        coverage=float(table["holds"].mean()),
    )


def _effects(frame: pl.DataFrame, learned: LearnedUplift, offer: str, unit: str) -> np.ndarray:
    """Return the true effect on each customer, in the order in which they were learned from."""
    need_columns(frame.columns, [unit, "arm", learned.outcome], "truth")
    if learned.customers is None:
        raise InputError("Whose effects they are is not known; name unit in learn_uplift.")
    who = pl.DataFrame({unit: learned.customers})
    value = pl.col(learned.outcome).cast(pl.Float64)

    def of(arm: str) -> pl.Series:
        mine = frame.filter(pl.col("arm") == arm).select(unit, value)
        return who.join(mine, on=unit, how="left", maintain_order="left")[learned.outcome]

    effect = of(offer) - of(learned.arms[0])
    if effect.null_count():
        raise InputError(
            f"truth lacks {text.plural(effect.null_count(), 'customer')} who had {offer} or the control; "
            "take the truth of the same experiment"
        )
    return effect.to_numpy()


def _frame(truth: Frame | str | Path) -> pl.DataFrame | None:
    """Return the truth; none where it is not known."""
    if not isinstance(truth, str | Path):
        return as_polars(truth, "truth")
    if str(truth) == NOT_KNOWN:
        return None
    if not Path(truth).is_file():
        raise InputError(
            f"{Path(truth).name} does not exist; run the notebook that simulates the experiment, or name "
            f"{NOT_KNOWN!r}"
        )
    return read_source(truth, "truth").collect()


def _truth(
    draws: UpliftDraws, truth: Frame | str | Path, by: Sequence[str], control: str
) -> np.ndarray | None:
    """Return the true uplift, cell x offer; none where it is not known."""
    frame = _frame(truth)
    if frame is None:
        return None
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


__all__ = ["TenthsBesideTruth", "UpliftBesideTruth", "tenths_beside_truth", "uplift_beside_truth"]
