"""Twins: the same customers under two sets of programmes, and the paired difference. Owns no rule.

The twins of one programme's effect live in a world where the programme decides as it did and what
it sends reaches nobody: whoever was held out lives the same life in both.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.errors import ParameterError, did_you_mean, problem
from workbench.world.loop import Loop
from workbench.world.parameters import World
from workbench.world.simulation import Simulation, check_memory, outcomes_under
from workbench.world.truth import OUTCOMES, customers_frame


@dataclass(frozen=True, kw_only=True, eq=False)
class Twins(text.Result):
    """The paired difference between two sets of programmes.

    Attributes:
        table: A row an outcome (purchases, sales, margin, discount): its sum under both, the
            difference, and the standard error of the difference, which is that of drawing other
            customers, because noise that both share is gone.
        text: The finding.
        customers: A row a customer: outcomes under the first, under the second (``twin_…``) and
            the difference (``effect_…``: first less second).
    """

    customers: pl.DataFrame

    def lives(self) -> pd.DataFrame:
        """Return the same for readers: a row a life and the difference, a column an outcome."""
        rows = {"with": "a", "without": "b", "difference": "difference"}
        rows["standard error of the difference"] = "standard_error"
        whole = self.table.round({"standard_error": 0})
        return pd.DataFrame(
            [
                {
                    "offers": name,
                    **dict(zip(whole["outcome"], whole[column], strict=True)),
                }
                for name, column in rows.items()
            ]
        )


@checked
def twin(
    world: World,
    programmes_a: Sequence[Programme],
    programmes_b: Sequence[Programme] = (),
    *,
    seed: int,
    workers: int | None = None,
) -> Twins:
    """Let the same customers live under two sets of programmes and compare each with its twin.

    Args:
        world: From :func:`workbench.load_world`.
        programmes_a: The first programmes.
        programmes_b: The second ones; none: nobody decides.
        seed: Seed of the noise, which both share.
        workers: Parts that live at one time; none: one for each processor.

    Returns:
        The difference in purchases, sales, margin and discount with its standard error.

    Raises:
        ParameterError: A programme names a feature that no store of the world has, or the world is
            too large for the memory of this machine.

    >>> from workbench.decision import load_programmes
    >>> from workbench.world import load_world
    >>> tiny = load_world("params/worlds/tiny.yaml").sized(customers=40, days=10)
    >>> points = load_programmes("params/programmes/check_in_points.yaml")
    >>> twin(tiny, points, points, seed=1).table["difference"].to_list()
    [0, 0, 0, 0]
    """
    check_memory(world)
    count = workers or os.cpu_count() or 1
    first, second = (
        Loop(world, ProgrammeSet.of(each) if each else None, seed)
        for each in (programmes_a, programmes_b)
    )
    customers = customers_frame(
        first.population.ids, outcomes_under(first, count), outcomes_under(second, count)
    )
    table = _table(customers)
    purchases, margin = table["difference"][0], table["difference"][2]
    error = text.number(table["standard_error"][0], 1)
    return Twins(
        table=table,
        text=(
            f"Of the same {text.count(customers.height)} customers, those under the first programmes "
            f"made {text.more(purchases, text.count, 'fewer')} purchases (standard error {error}) and "
            f"{text.more(margin, text.money)} margin than their twins under the second."
        ),
        headline=f"{text.more(purchases, text.count, 'fewer')} purchases than the twins",
        customers=customers,
    )


@checked
def effect_of(simulated: Simulation, programme: str, *, workers: int | None = None) -> Twins:
    """Let the customers of a simulated world live once more without what one programme sent.

    The programme decides as it did, so that limits which it shares with others bind as they did, and
    nothing that it sends reaches anybody. A customer in its control lives the same life again, and
    has an effect of exactly 0. Shared budgets close anew.

    Args:
        simulated: From :func:`workbench.simulate`.
        programme: Name of the programme.
        workers: Parts that live at one time; none: one for each processor.

    Returns:
        The outcomes with the programme, those of the twins without it (``twin_…``), and the
        difference.

    Raises:
        ParameterError: No programme has that name.

    >>> from workbench.decision import load_programmes
    >>> from workbench.world import load_world
    >>> tiny = load_world("params/worlds/tiny.yaml").sized(customers=40, days=10)
    >>> points = load_programmes("params/programmes/check_in_points.yaml")
    >>> from workbench.world import simulate
    >>> simulated = simulate(tiny, points, seed=1)
    >>> effect_of(simulated, "check_in_points").table["outcome"].to_list()
    ['purchases', 'sales_cents', 'margin_cents', 'discount_cents']
    """
    names = [each.name for each in simulated.programmes or ()]
    if programme not in names:
        rule = "must be a programme of the simulated world"
        hint = did_you_mean(programme, names)
        raise ParameterError(problem("programme", programme, rule, hint=hint))
    loop = Loop(
        simulated.world, simulated.programmes, simulated.seed, silent=frozenset({programme})
    )
    without = outcomes_under(loop, workers or os.cpu_count() or 1)
    mine = simulated.truth.customers.select(OUTCOMES).to_numpy()
    customers = customers_frame(loop.population.ids, mine, without)
    table = _table(customers)
    purchases, margin = table["difference"][0], table["difference"][2]
    error = text.number(table["standard_error"][0], 1)
    return Twins(
        table=table,
        text=(
            f"In truth {text.named(programme)} made {text.more(purchases, text.count, 'fewer')} "
            f"purchases (standard error {error}) and {text.more(margin, text.money)} margin than the "
            "same customers had made without it."
        ),
        headline=(
            f"In truth {text.more(purchases, text.count, 'fewer')} purchases by {text.named(programme)}"
        ),
        customers=customers,
    )


def _table(customers: pl.DataFrame) -> pd.DataFrame:
    """Return a row an outcome: its sums, their difference and its standard error."""
    rows = []
    for name in OUTCOMES:
        effect = customers[f"effect_{name}"].to_numpy()
        rows.append(
            {
                "outcome": name,
                "a": int(customers[name].sum()),
                "b": int(customers[f"twin_{name}"].sum()),
                "difference": int(effect.sum()),
                "standard_error": _error(effect),
            }
        )
    return pd.DataFrame(rows)


def _error(effect: np.ndarray) -> float | None:
    """Return the standard error of a sum of differences over customers; none of fewer than two."""
    if len(effect) < 2:  # noqa: PLR2004 - no spread of one
        return None
    return float(np.std(effect, ddof=1) * math.sqrt(len(effect)))
