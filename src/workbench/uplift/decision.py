"""What a decision needs of an uplift fit: draws of profit and cost by cell and offer. Owns no model.

A small folder that a policy is made from, apart from the fit: ``cells.parquet``, ``draws.npz`` and
``uplift.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.errors import InputError
from workbench.files import whole_file
from workbench.uplift.cells import UNKNOWN_LEVEL

Floats = npt.NDArray[np.float64]

_CELLS, _DRAWS, _SAID = "cells.parquet", "draws.npz", "uplift.json"
_SURE = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class UpliftDraws:
    """Draws of what each offer earns and costs in each cell, against the control.

    Attributes:
        cells: A row a cell with its level of each dimension.
        by: The dimensions.
        arms: The arms, control first.
        customers: Of each cell the customers of the experiment.
        value: Draw x cell x offer: profit (or another outcome) of a triggered customer, less that of
            the control.
        cost: Draw x cell x offer: what the offer costs a triggered customer, in cents; NaN when it is
            not known.
        baseline: Draw x cell: the same without an offer.
        measure: What ``value`` is.
        said: The finding of the fit.
        passed: Whether the gate of the fit holds.
    """

    cells: pd.DataFrame
    by: tuple[str, ...]
    arms: tuple[str, ...]
    customers: Floats
    value: Floats
    cost: Floats
    baseline: Floats
    measure: str
    said: str
    passed: bool

    def place(self, customers: pl.DataFrame) -> npt.NDArray[np.int64]:
        """Return the number of the cell of each row, or -1 where its levels are no cell."""
        if not self.by:
            return np.zeros(customers.height, dtype=np.int64)
        known = pl.DataFrame(self.cells[list(self.by)]).with_row_index("·cell")
        placed = customers.select(
            pl.col(name).cast(pl.String).fill_null(UNKNOWN_LEVEL) for name in self.by
        ).join(known, on=list(self.by), how="left", maintain_order="left")
        return placed["·cell"].cast(pl.Int64).fill_null(-1).to_numpy()

    @property
    def dearest(self) -> str:
        """The offer that costs most on average; the last one where no cost is known."""
        cost = self.cost.mean(axis=0).mean(axis=0)
        return self.offers[-1 if np.isnan(cost).all() else int(np.nanargmax(cost))]

    @property
    def offers(self) -> tuple[str, ...]:
        """The arms other than the control."""
        return self.arms[1:]

    @property
    def weight(self) -> Floats:
        """Share of the customers in each cell."""
        return np.asarray(self.customers / self.customers.sum())

    def write(self, folder: str | Path) -> None:
        """Write the draws into a folder, each file whole or not at all."""
        place = Path(folder)
        with whole_file(place / _CELLS) as temporary:
            self.cells.assign(customers=self.customers).to_parquet(temporary)
        with whole_file(place / _DRAWS) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                value=self.value.astype(np.float32),
                cost=self.cost.astype(np.float32),
                baseline=self.baseline.astype(np.float32),
            )
        said = {
            "by": list(self.by),
            "arms": list(self.arms),
            "measure": self.measure,
            "said": self.said,
            "passed": self.passed,
        }
        with whole_file(place / _SAID) as temporary:
            temporary.write_text(json.dumps(said, ensure_ascii=False, indent=1), encoding="utf-8")


@checked
def read_uplift(folder: str | Path) -> UpliftDraws:
    """Read the draws that :meth:`UpliftDraws.write` wrote.

    Args:
        folder: The folder.

    Returns:
        The draws of each cell and offer.

    Raises:
        InputError: A file is missing or broken.

    >>> read_uplift("runs/none")
    Traceback (most recent call last):
    ...
    workbench.errors.InputError: none holds no uplift: cells.parquet is missing; run the notebook that fits it first
    """
    place = Path(folder)
    for name in (_CELLS, _DRAWS, _SAID):
        if not (place / name).is_file():
            raise InputError(
                f"{place.name} holds no uplift: {name} is missing; run the notebook that fits it first"
            )
    try:
        cells = pd.read_parquet(place / _CELLS)
        said: dict[str, Any] = json.loads((place / _SAID).read_text(encoding="utf-8"))
        with np.load(place / _DRAWS, allow_pickle=False) as stored:
            arrays = {
                name: stored[name].astype(np.float64) for name in ("value", "cost", "baseline")
            }
        return UpliftDraws(
            cells=cells.drop(columns="customers"),
            by=tuple(said["by"]),
            arms=tuple(said["arms"]),
            customers=cells["customers"].to_numpy(dtype=np.float64),
            measure=str(said["measure"]),
            said=str(said["said"]),
            passed=bool(said["passed"]),
            **arrays,
        )
    except (ValueError, KeyError, OSError, TypeError) as error:
        raise InputError(f"{place.name} holds an uplift that cannot be read: {error}") from None


@dataclass(frozen=True, kw_only=True, eq=False)
class OneRule(text.Result):
    """Whether choosing an offer by cell is better than one rule for all.

    Attributes:
        table: A row an arm: its value a customer for all, with a 95 % interval, and in how many cells it
            is best; last, the choice by cell.
        differs: Whether the choice by cell is surely better.
        best: The best rule for all.
        by_cell: Of each cell the arm with the largest expected value.
        gain: Draws of what the choice by cell earns beyond the best rule for all, a customer.
        probability: That the gain is above 0.
    """

    differs: bool
    best: str
    by_cell: tuple[str, ...]
    gain: Floats
    probability: float


@checked
def one_rule(draws: UpliftDraws) -> OneRule:
    """Say whether to choose by cell, or one offer for all.

    The choice by cell takes in each cell the arm with the largest posterior mean, which is partly pooled, so
    a lucky cell does not win by its luck. It is called better only when it is so with a probability of 95 %.

    Args:
        draws: The cells, from a fit.

    Returns:
        The best rule for all, the choice by cell, and what that would add.

    Raises:
        ParameterError: ``draws`` is something else.

    >>> one_rule("fit")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: draws was 'fit', must be draws of uplift, such as the decision of workbench.fit_uplift
    """
    value = np.concatenate([np.zeros((*draws.value.shape[:2], 1)), draws.value], axis=2)
    weight = draws.weight
    mean = value.mean(axis=0)
    chosen = mean.argmax(axis=1)
    for_all = np.einsum("c,dca->da", weight, value)
    best = int(for_all.mean(axis=0).argmax())
    by_cell = np.einsum("c,dc->d", weight, value[:, np.arange(len(chosen)), chosen])
    gain = by_cell - for_all[:, best]
    probability = float((gain > 0).mean())
    differs = bool(probability >= _SURE)
    names = [*draws.arms, "the best of each cell"]
    rules = np.column_stack([for_all, by_cell])
    low, high = np.quantile(rules, [0.025, 0.975], axis=0)
    table = pd.DataFrame(
        {
            "rule": names,
            "value_per_customer": rules.mean(axis=0),
            "low": low,
            "high": high,
            "cells_where_best": [
                *(int((chosen == a).sum()) for a in range(len(draws.arms))),
                len(chosen),
            ],
        }
    )
    return OneRule(
        table=table,
        text=_sentence(draws, names[best], gain, probability),
        headline="The best offer differs between cells" if differs else "One rule for all",
        differs=differs,
        best=draws.arms[best],
        by_cell=tuple(draws.arms[a] for a in chosen),
        gain=gain,
        probability=probability,
    )


def amount_of(measure: str) -> Callable[[float | None], str]:
    """Return how values of a measure are written: money, or a number."""
    return text.money if "cents" in measure else (lambda x: text.number(x, 3))


def _sentence(draws: UpliftDraws, best: str, gain: Floats, probability: float) -> str:
    form = amount_of(draws.measure)
    low, high = np.quantile(gain, [0.025, 0.975])
    interval = text.interval(form(float(low)), form(float(high)))
    rule = "no offer for anybody" if best == draws.arms[0] else f"{best} for all"
    unit = text.words(draws.measure.removesuffix("_cents"))
    if probability >= _SURE:
        return text.sentence(
            f"choosing the offer by cell earns {form(float(gain.mean()))} more {unit} a triggered customer "
            f"than {rule} ({interval}; probability {text.share(probability)})"
        )
    return text.sentence(
        f"no difference between cells is sure enough to act on: the rule is {rule}; choosing by cell would "
        f"add {form(float(gain.mean()))} {unit} a triggered customer ({interval}; probability "
        f"{text.share(probability)}, must be at least {text.share(_SURE, 0)})"
    )


__all__ = ["OneRule", "UpliftDraws", "amount_of", "one_rule", "read_uplift"]
