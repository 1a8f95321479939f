"""The truth of a simulated world: traits, outcomes, effects and the class of each redeemed purchase.

Owns the tables that no log carries. Reads no log and estimates nothing: the effect on a customer
is the difference to the twin, who lives in the same world without the programmes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench import text
from workbench.log.schema import INSTANT
from workbench.world.books import Books, in_time
from workbench.world.memory import (
    ANYWAY,
    DIP,
    E_ACTION,
    E_AMOUNT,
    E_ANCHOR,
    E_AT,
    E_CAUSE,
    E_DISCOUNT,
    E_HASH,
    E_KIND,
    E_MARGIN,
    E_PERSON,
    E_TS,
    E_TWIN,
    E_TYPE,
    E_WIDTH,
    HALO_VISIT,
    INCREMENTAL,
    PULLED_FORWARD,
    PURCHASE,
    SKIPPED,
    TIRED,
    WAITED,
)
from workbench.world.offers import decision_ids

if TYPE_CHECKING:
    import pandas as pd

CAUSES = {
    ANYWAY: "anyway", INCREMENTAL: "incremental", PULLED_FORWARD: "pulled_forward",
    HALO_VISIT: "halo",
}  # fmt: skip
"""Why a purchase happened; without any offer all are ``anyway``."""

CLASSES = {
    ANYWAY: "cannibalised", INCREMENTAL: "incremental", PULLED_FORWARD: "pulled_forward",
    HALO_VISIT: "incremental",
}  # fmt: skip
"""What a redeemed purchase is: an offer used at a visit of the halo belongs to a new visit."""

LOSSES = {DIP: "made_before", TIRED: "fatigue", WAITED: "waiting"}
"""Why a purchase that would have happened did not."""

OUTCOMES = ("purchases", "sales_cents", "margin_cents", "discount_cents")


class Outcomes:
    """What the purchases of each customer come to, while a world goes on.

    Attributes:
        mine: Customer x ``OUTCOMES``.
        twin: The same of the twins whom no programme reaches.
    """

    def __init__(self, persons: int, margin: float) -> None:
        self._margin = margin
        self.mine = np.zeros((persons, len(OUTCOMES)), dtype=np.int64)
        self.twin = np.zeros_like(self.mine)

    def add(self, rows: NDArray[np.int64]) -> None:
        """Add purchases made and missed, x ``E_`` with the codes of persons.

        A twin makes the purchases that happen anyway, and those that were missed here.
        """
        made = rows[rows[:, E_TYPE] == PURCHASE]
        np.add.at(self.mine[:, 0], made[:, E_PERSON], 1)
        for k, column in enumerate((E_AMOUNT, E_MARGIN, E_DISCOUNT), start=1):
            np.add.at(self.mine[:, k], made[:, E_PERSON], made[:, column])
        anyway = rows[rows[:, E_TWIN] >= 0]
        person, paid = anyway[:, E_PERSON], anyway[:, E_TWIN]
        margin = (paid * self._margin).astype(np.int64)
        for k, value in enumerate((np.ones_like(paid), paid, margin)):
            np.add.at(self.twin[:, k], person, value)


class Purchases(Outcomes):
    """The same, and the purchases themselves as the truth tells them."""

    def __init__(self, books: Books, margin: float) -> None:
        super().__init__(books.persons, margin)
        self._books = books
        nothing = np.zeros((0, E_WIDTH), dtype=np.int64)
        self._made = [purchases_frame(nothing, books)]
        self._missed = [missed_frame(nothing, books)]

    def add(self, rows: NDArray[np.int64]) -> None:
        """Add the purchases of some days, which lie behind those before them."""
        super().add(rows)
        ordered = rows[in_time(rows[:, E_TS], rows[:, E_HASH])]
        self._made.append(purchases_frame(ordered, self._books))
        self._missed.append(missed_frame(ordered, self._books))

    @property
    def made(self) -> pl.DataFrame:
        """The purchases that were made, in the order of time."""
        return pl.concat(self._made)

    @property
    def missed(self) -> pl.DataFrame:
        """The purchases that were missed, in the order of time."""
        return pl.concat(self._missed)


def purchases_frame(rows: NDArray[np.int64], books: Books) -> pl.DataFrame:
    """Return the purchases that were made, with why, and of redeemed ones the class."""
    made = rows[rows[:, E_TYPE] == PURCHASE]
    redeemed, person = made[:, E_ACTION] >= 0, books.books["person"].gather(made[:, E_PERSON])
    cause = pl.Series(made[:, E_CAUSE])
    ids = decision_ids(
        pl.Series(made[:, E_ACTION]), pl.Series(made[:, E_KIND]), pl.Series(made[:, E_AT]),
        pl.Series(made[:, E_ANCHOR]), person, books.programme_of,
    )  # fmt: skip
    offer = np.where(redeemed, books.offer_of[made[:, E_ACTION]], -1)
    programme = dict(enumerate(books.programme_of))
    return pl.DataFrame(
        {
            "event_id": pl.Series(made[:, E_HASH]),
            "person_id": person,
            "ts": pl.Series(made[:, E_TS]).cast(INSTANT),
            "cause": cause.replace_strict(CAUSES, return_dtype=pl.String),
            "class": cause.replace_strict(CLASSES, return_dtype=pl.String),
            "programme": pl.Series(made[:, E_ACTION]).replace_strict(
                programme, default=None, return_dtype=pl.String
            ),
            "offer_id": pl.Series(offer).replace_strict(
                dict(enumerate(books.books["offer"].to_list())),
                default=None,
                return_dtype=pl.String,
            ),
            "decision_id": ids,
            "amount_cents": made[:, E_AMOUNT],
            "discount_cents": made[:, E_DISCOUNT],
            "margin_cents": made[:, E_MARGIN],
            "redeemed": redeemed,
        }
    ).with_columns(
        pl.format("e{}", "event_id").alias("event_id"),
        *(pl.when("redeemed").then(name).alias(name) for name in ("class", "decision_id")),
    )


def missed_frame(rows: NDArray[np.int64], books: Books) -> pl.DataFrame:
    """Return the purchases that would have happened and did not, with why."""
    missed = rows[rows[:, E_TYPE] == SKIPPED]
    return pl.DataFrame(
        {
            "event_id": pl.Series(missed[:, E_HASH]),
            "person_id": books.books["person"].gather(missed[:, E_PERSON]),
            "ts": pl.Series(missed[:, E_TS]).cast(INSTANT),
            "cause": pl.Series(missed[:, E_CAUSE]).replace_strict(LOSSES, return_dtype=pl.String),
            "amount_cents": missed[:, E_TWIN],
        }
    ).with_columns(pl.format("e{}", "event_id").alias("event_id"))


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of a simulated world and stands in no log.

    Attributes:
        traits: A row a customer: the latent traits.
        purchases: A row a purchase: ``cause``; of a redeemed one ``class``, programme and decision.
        missed: A row a purchase that would have happened and did not: ``cause``.
        customers: A row a customer: outcomes with the programmes (``purchases``, ``sales_cents``,
            ``margin_cents``, ``discount_cents``), those of the twin without any (``twin_…``), and
            the difference (``effect_…``).
        withheld: A row a sampled decision that went out: what it changed for its customer
            (``effect_…``), held against the same life without it and with everything after it.
        dirt: What is wrong with the written log: ``kind``, ``event_id``, ``person_id``, ``detail``.
    """

    traits: pl.DataFrame
    purchases: pl.DataFrame
    missed: pl.DataFrame
    customers: pl.DataFrame
    withheld: pl.DataFrame
    dirt: pl.DataFrame

    def account(self) -> pd.DataFrame:
        """Return why there are more or fewer purchases than the twins make, one row a cause.

        The rows add up to the effect on all customers, purchase by purchase: what was pulled forward
        is missed later, if the world lasts that long.
        """
        signed = [
            (name, sign, frame.filter(pl.col("cause") == name).height)
            for frame, names, sign in (
                (self.purchases, CAUSES.values(), 1),
                (self.missed, LOSSES.values(), -1),
            )
            for name in names
            if name != CAUSES[ANYWAY]
        ]
        return pl.DataFrame(
            {
                "cause": [text.words(name) for name, _, _ in signed],
                "purchases": [sign * count for _, sign, count in signed],
            },
            schema={"cause": pl.String, "purchases": pl.Int64},
        ).to_pandas()

    def write(self, folder: Path) -> None:
        """Write the tables into a folder, apart from any log."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("traits", "purchases", "missed", "customers", "withheld", "dirt"):
            getattr(self, name).write_parquet(folder / f"{name}.parquet")


def customers_frame(
    ids: pl.Series, mine: NDArray[np.int64], twin: NDArray[np.int64]
) -> pl.DataFrame:
    """Return outcomes, those of the twin, and the effect."""
    columns: dict[str, object] = {"person_id": ids}
    for prefix, table in (("", mine), ("twin_", twin), ("effect_", mine - twin)):
        columns |= {f"{prefix}{name}": table[:, k] for k, name in enumerate(OUTCOMES)}
    return pl.DataFrame(columns)
