"""Why decisions of two replays differ: by the rules themselves, or because the state had evolved.

Owns how a difference is told apart; ``following`` asks the core what the second rules would have
said in the state of the first replay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from workbench import text
from workbench.arguments import checked
from workbench.replay.compare import TOTAL, Diff
from workbench.replay.following import in_the_state_of

if TYPE_CHECKING:
    import pandas as pd

RULE, STATE, BOTH = "the rule itself", "the evolved state", "both together"
CAUSES = (RULE, STATE, BOTH)
"""What makes a decision differ, in the order of tables."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Causes(text.Result):
    """What makes the decisions of two replays differ.

    Attributes:
        table: A row for each programme and the total with the decisions that differ, by cause:
            ``rule`` (the second rules decide otherwise in the very state of the first replay),
            ``state`` (they would have decided the same; what was decided before differs) and
            ``both`` (they decide otherwise, and the evolved state otherwise again).
        text: How many differ by the rules themselves, and how many only because of the state.
        changes: The decisions that differ with ``reason_a``, ``reason_b``, ``reason_in_state_of_a``
            (none: no such decision), the offers likewise, and ``cause``.
    """

    changes: pl.DataFrame


@checked
def causes(change: Diff) -> Causes:
    """Tell apart what the second programmes change themselves from what follows from it.

    Each decision set of the log is decided once more by the second programmes, in the state that
    the first replay was in at that set: its caps, cooldowns, queues and closed budgets.

    Args:
        change: From :func:`workbench.diff`; the first replay with its log.

    Returns:
        The decisions that differ by cause.

    Raises:
        ParameterError: ``change`` is no comparison of two replays.
        InputError: The first replay was opened without its log.

    >>> from workbench.replay import diff
    >>> causes(diff(replayed, replayed)).text
    'No decision differs.'
    """
    said = in_the_state_of(change.a, change.b.rules).select(
        "decision_id", reason_in_state_of_a="reason", offer_in_state_of_a="offer_id"
    )
    same_as_a, same_as_b = (
        pl.col("reason_in_state_of_a").eq_missing(pl.col(f"reason_{side}"))
        & pl.col("offer_in_state_of_a").eq_missing(pl.col(f"offer_{side}"))
        for side in "ab"
    )
    cause = (pl.when(same_as_b).then(pl.lit(RULE)).when(same_as_a).then(pl.lit(STATE))).otherwise(
        pl.lit(BOTH)
    )
    changes = change.changes.join(
        said, on="decision_id", how="left", maintain_order="left"
    ).with_columns(cause=cause)
    table = _table(changes)
    return Causes(table=table, text=_sentence(table), headline=_headline(table), changes=changes)


def _table(changes: pl.DataFrame) -> pd.DataFrame:
    counted = [
        (pl.col("cause") == cause).sum().cast(pl.Int64).alias(name)
        for cause, name in zip(CAUSES, ("rule", "state", "both"), strict=True)
    ]
    by = changes.group_by("programme", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("differing"), *counted
    )
    total = changes.select(
        pl.lit(TOTAL).alias("programme"), pl.len().cast(pl.Int64).alias("differing"), *counted
    )
    return pl.concat([by.sort("programme"), total.head(1)]).to_pandas()


def _sentence(table: pd.DataFrame) -> str:
    total = table.iloc[-1] if len(table) else None
    if total is None or not total["differing"]:
        return text.sentence("no decision differs")
    differing = int(total["differing"])
    return text.sentence(
        f"of {text.plural(differing, 'decision')} that differ, {_part(total, 'rule')} do so by the "
        f"rules themselves and {_part(total, 'state')} only because the state had evolved"
        + (f"; in {_part(total, 'both')} both play a part" if total["both"] else "")
    )


def _part(total: pd.Series[int], name: str) -> str:
    share = text.share(total[name] / total["differing"])
    return f"{text.count(int(total[name]))} ({share})"


def _headline(table: pd.DataFrame) -> str:
    total = table.iloc[-1] if len(table) else None
    if total is None or not total["differing"]:
        return "No decision differs"
    return f"{text.share(total['state'] / total['differing'])} differ only because the state had evolved"


__all__ = ["CAUSES", "Causes", "causes"]
