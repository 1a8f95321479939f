"""Which factor of a score decides: drop one at a time and count the changed winners. Owns no score.

A factor that is off is exactly 1, as in priority = propensity x context x value x lever (the
arbitration formula of decisioning suites), so dropping one is a change of the programmes, replayed
like any other, with the state evolving.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.decision.house import ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.written import Value, changed
from workbench.errors import ParameterError
from workbench.records import AWARDED, GLOBAL_HOLDOUT, HELD_OUT, OFFERED, QUEUED, REASON_OF_CODE
from workbench.replay.job import LogLike
from workbench.replay.result import Replay
from workbench.replay.variants import side_by_side

if TYPE_CHECKING:
    import pandas as pd

_WON = [REASON_OF_CODE[code].name for code in (OFFERED, HELD_OUT, GLOBAL_HOLDOUT, QUEUED, AWARDED)]
_AS_IT_IS = "as it is"
_ONE_CENTS = 100
"""What every offer is worth net of its cost when its value does not count."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sensitivity(text.Result):
    """How much each factor of the score decides.

    Attributes:
        table: A row for each factor that the programmes use, the most decisive first: ``factor``,
            ``sets`` (decision sets that some programme won with all factors), ``changed`` (of them,
            won by another programme or offer, or by none, without the factor), ``share_changed``,
            ``delivered`` and ``committed_cents`` without it.
        text: The most decisive factor, and those that decide nothing.
    """


@checked
def sensitivity(
    log: LogLike, programmes: Sequence[Programme], *, workers: int | None = None
) -> Sensitivity:
    """Drop one factor of the score at a time, replay, and count the decision sets it had decided.

    The factors are propensity (each offer has the chance 1), value (each is worth the same net of
    its cost), context (weights of 0 %), levers and priority (1 for each). Factors matter where
    offers or programmes compete; the rest of the path is as it was.

    Args:
        log: The stored log.
        programmes: The programmes with their house.
        workers: Parts decided at one time; none: one for each processor.

    Returns:
        A row for each factor that is used.

    Raises:
        ParameterError: There is no programme, or none chooses by a score with factors.
        InputError: The log cannot be read.

    >>> from workbench.decision import load_programmes
    >>> found = sensitivity(log, load_programmes("params/programmes/grocery"))
    >>> found.table["factor"].to_list()
    ['propensity', 'value']
    """
    chosen = ProgrammeSet.of(programmes)
    without = {
        factor: changed(chosen, changes)
        for factor, changes in _changes(chosen).items()
        if changes and changed(chosen, changes) != chosen
    }
    if not without:
        raise ParameterError(
            "no programme chooses by a score with factors (every one follows a policy or awards "
            "points); there is nothing to drop"
        )
    replayed = side_by_side(log, {_AS_IT_IS: chosen, **without}, workers=workers)
    table = _table(replayed)
    return Sensitivity(table=table, text=_sentence(table), headline=_headline(table))


def _changes(programmes: ProgrammeSet) -> dict[str, dict[str, Value]]:
    """Return for each factor the keys that switch it off."""
    found: dict[str, dict[str, Value]] = {
        name: {} for name in ("propensity", "value", "context", "levers", "priority")
    }
    for programme in programmes:
        choose, name = programme.choose, programme.name
        if choose.by in ("policy", "thompson") or programme.kind == "listening":
            continue
        by_priority = choose.by == "priority"
        for k, offer in enumerate(programme.offers):
            key = f"{name}.offers.{k}"
            found["propensity"][f"{key}.propensity"] = 1.0
            worth = _ONE_CENTS + (0 if by_priority else offer.cost_cents)
            found["value"][f"{key}.value_cents"] = worth
            if by_priority:
                found["priority"][f"{key}.priority"] = 1.0
        for k, _ in enumerate(choose.context):
            found["context"][f"{name}.choose.context.{k}.percent"] = 0
        if choose.levers_percent.programme or choose.levers_percent.offers:
            found["levers"][f"{name}.choose.levers_percent"] = None
    return found


def _winners(replayed: Replay) -> pl.LazyFrame:
    """Return who won each decision set: its programmes and offers in one text."""
    won = pl.col("reason").is_in(_WON) & (pl.col("kind") != "release")
    named = pl.concat_str("programme", pl.col("offer_id").fill_null(""), separator=":")
    return (
        replayed.decisions()
        .filter(won)
        .group_by("set_id")
        .agg(named.sort().str.join(" ").alias("winner"))
    )


def _table(replayed: Mapping[str, Replay]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - pandas is at the door only

    whole = _winners(replayed[_AS_IT_IS]).collect()
    rows = []
    for factor, other in replayed.items():
        if factor == _AS_IT_IS:
            continue
        both = whole.lazy().join(_winners(other), on="set_id", how="left", suffix="_without")
        differs = pl.col("winner").ne_missing(pl.col("winner_without"))
        moved = int(both.select(differs.sum()).collect().item())
        rows.append(
            {
                "factor": factor,
                "sets": whole.height,
                "changed": moved,
                "share_changed": moved / whole.height if whole.height else None,
                "delivered": int(other.programmes["delivered"].sum()),
                "committed_cents": other.committed_cost_cents,
            }
        )
    table = pd.DataFrame(rows).astype({"share_changed": "float64"})
    return table.sort_values("changed", ascending=False, kind="stable").reset_index(drop=True)


def _headline(table: pd.DataFrame) -> str:
    first = table.iloc[0]
    if not first["changed"]:
        return "No factor of the score decides anything"
    return f"{str(first['factor']).capitalize()} decides {text.share(first['share_changed'])} of the sets"


def _sentence(table: pd.DataFrame) -> str:
    sets = int(table["sets"].iloc[0])
    if not sets:
        return text.sentence(f"{text.NOT_ENOUGH_DATA}: no decision set was won by anybody")
    first = table.iloc[0]
    idle = [str(row["factor"]) for _, row in table.iterrows() if not row["changed"]]
    if not first["changed"]:
        return text.sentence(
            f"no factor of the score decides any of {text.plural(sets, 'decision set')}: "
            "programmes and offers hardly ever compete"
        )
    said = (
        f"of {text.plural(sets, 'decision set')}, {text.count(int(first['changed']))} "
        f"({text.share(first['share_changed'])}) would have been won by another offer without "
        f"{first['factor']}"
    )
    if idle:
        said += (
            f"; {text.listing(idle)} decides nothing"
            if len(idle) == 1
            else (f"; {text.listing(idle)} decide nothing")
        )
    return text.sentence(said)
