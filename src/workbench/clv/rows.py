"""Equal customers counted once: distinct (x, t_x, T) with their weights. Owns no model.

Customers with one history have one likelihood, so the collapse is exact. The likelihoods need
special functions of x and logarithms of times alone: their distinct values are kept with codes, so
that a draw of the parameters costs a few thousand of them, and not a few for every customer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Distinct histories.

    Attributes:
        x: Repeat purchases of each row.
        t_x: Time of the last one.
        age: Time since the first purchase.
        weight: Customers with this history.
        row_of: Row of each customer, in the order given.
        counts: Distinct values of x; ``x_code`` is their place for each row.
        times: Distinct values of t_x and T; ``t_code`` and ``age_code`` are their places.
        counts_weight: Customers with each value of x.
        pair_code: Place of the distinct (x, T) of each row: the future of who is alive needs no more.
        pair_x: x of each distinct pair; ``pair_age`` its T.
    """

    x: Floats
    t_x: Floats
    age: Floats
    weight: Floats
    row_of: Codes
    counts: Floats
    x_code: Codes
    times: Floats
    t_code: Codes
    age_code: Codes
    counts_weight: Floats
    pair_code: Codes
    pair_x: Floats
    pair_age: Floats

    def __len__(self) -> int:
        return len(self.x)


def collapse(x: npt.ArrayLike, t_x: npt.ArrayLike, age: npt.ArrayLike) -> Rows:
    """Return the distinct histories of customers.

    >>> rows = collapse([2, 0, 0], [3.0, 0.0, 0.0], [9.0, 9.0, 9.0])
    >>> rows.x.tolist(), rows.weight.tolist(), rows.row_of.tolist()
    ([0.0, 2.0], [2.0, 1.0], [1, 0, 0])
    """
    frame = pl.DataFrame(
        {name: np.asarray(v, dtype=float) for name, v in (("x", x), ("t", t_x), ("age", age))}
    )
    distinct = (
        frame.group_by("x", "t", "age")
        .agg(weight=pl.len())
        .sort("x", "age", "t")
        .with_row_index("row")
    )
    row_of = frame.join(distinct, on=["x", "t", "age"], how="left", maintain_order="left")["row"]
    history = distinct["x"].to_numpy(), distinct["t"].to_numpy(), distinct["age"].to_numpy()
    weight = distinct["weight"].to_numpy().astype(float)
    counts, x_code = np.unique(history[0], return_inverse=True)
    times, codes = np.unique(np.concatenate(history[1:]), return_inverse=True)
    new_pair = np.r_[True, (np.diff(history[0]) != 0) | (np.diff(history[2]) != 0)]
    return Rows(
        x=history[0],
        t_x=history[1],
        age=history[2],
        weight=weight,
        row_of=row_of.to_numpy().astype(np.int64),
        counts=counts,
        x_code=x_code,
        times=times,
        t_code=codes[: len(weight)],
        age_code=codes[len(weight) :],
        counts_weight=np.bincount(x_code, weights=weight).astype(float),
        pair_code=np.cumsum(new_pair) - 1,
        pair_x=history[0][new_pair],
        pair_age=history[2][new_pair],
    )
