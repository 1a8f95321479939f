"""The offers of programmes as the world sees them, and deliveries as its customers get them.

Owns the way from a decision to a delivery. Owns no response and decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from workbench.decision.core import SLOTS
from workbench.decision.desk import (
    KIND_RELEASE,
    KINDS,
    O_ACTION,
    O_KEY,
    O_KIND,
    O_KNOWN,
    O_PERSON,
    O_PROGRAMME,
    O_REASON,
    O_SEQ,
    O_TOUCH,
    O_TS,
    R_SEQ,
    R_TICK,
    T_ROW,
    T_TS,
)
from workbench.decision.house import ProgrammeSet
from workbench.decision.rules import Rules
from workbench.errors import ParameterError, did_you_mean, problem
from workbench.records import OFFERED
from workbench.replay.decided import Decided, decisions_frame, variants_of
from workbench.replay.job import Job
from workbench.streams import keyed_hash
from workbench.world.life import MINUTE_US
from workbench.world.memory import (
    A_CHANNEL,
    A_COST,
    A_DELAY,
    A_TYPE,
    A_VALIDITY,
    A_WIDTH,
    D_ACTION,
    D_ANCHOR,
    D_AT,
    D_CONTENT,
    D_KIND,
    D_KNOWN,
    D_WIDTH,
)
from workbench.world.parameters import View, World
from workbench.world.segment import OFFER_TYPES

_UNNAMED = View(share=0.3, delay_minutes=60.0)
_CONTENTS = 4096
NO_ANCHOR = -1


def actions_of(
    world: World, programmes: ProgrammeSet | None, rules: Rules | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the actions as ``A_`` and the chance that each is viewed."""
    if programmes is None or rules is None:
        return np.zeros((1, A_WIDTH), dtype=np.int64), np.zeros(1)
    table = np.zeros((max(len(rules.action_list), 1), A_WIDTH), dtype=np.int64)
    views = np.zeros(len(table))
    for a, action in enumerate(rules.action_list):
        offer = action.offer
        if offer is None:
            continue
        view = world.response.views.get(offer.channel, _UNNAMED)
        kind = "discount" if offer.cost_cents > 0 else "reminder"
        kind = "broadcast" if programmes[action.programme].kind == "broadcast" else kind
        table[a, A_TYPE] = OFFER_TYPES.index(kind)
        table[a, A_COST], table[a, A_VALIDITY] = offer.cost_cents, int(offer.validity)
        table[a, A_DELAY] = int(view.delay_minutes * MINUTE_US)
        known = offer.channel in world.channels
        table[a, A_CHANNEL] = world.channels.index(offer.channel) if known else -1
        views[a] = view.share
    return table, views


def check_stores(world: World, programmes: ProgrammeSet, stores: pl.DataFrame) -> None:
    """Check that programmes read no column of stores that the world does not have.

    Raises:
        ParameterError: A condition names one.
    """
    has = {f"store_{name}" for name in stores.columns if name != "store_id"} | {"store_id"}
    for programme, conditions in zip(programmes, programmes.conditions, strict=True):
        for key, condition in conditions.keyed():
            unknown = sorted(n for n in condition.columns - has if n.startswith("store_"))
            for name in unknown:
                rule = f"reads {name}, must read features that the stores of {world.name} have"
                hint = did_you_mean(name, has)
                raise ParameterError(
                    problem(key, condition.text, rule, where=programme.name, hint=hint)
                )


@dataclass(frozen=True)
class Kept:
    """What is kept from customers although the core decided it.

    Attributes:
        decisions: Ids of decisions.
        programmes: Names of programmes.
    """

    decisions: frozenset[str] = frozenset()
    programmes: frozenset[str] = frozenset()


def deliveries_of(
    made: Decided, job: Job, which: NDArray[np.int64], kept: Kept
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what a window delivered as ``D_``, and to whom, person by person in order of time.

    Args:
        made: The decisions of the window, in the order of the core.
        job: The replay.
        which: The persons of the window as the world numbers them, in the order of the core.
        kept: What reaches nobody.
    """
    out = made.out
    offers = np.array(
        [
            each.offer is not None and job.programmes[each.programme].name not in kept.programmes
            for each in job.rules.action_list
        ],
        dtype=bool,
    )
    at = np.flatnonzero((out[:, O_REASON] == OFFERED) & offers[np.maximum(out[:, O_ACTION], 0)])
    sent = out[at]
    kind = sent[:, O_KEY] // SLOTS  # within an instant in the order of the decision log
    sent = sent[
        np.lexsort(
            (sent[:, O_PROGRAMME], kind, sent[:, O_SEQ], sent[:, O_KNOWN], sent[:, O_PERSON])
        )
    ]
    if kept.decisions:
        ids = decisions_frame(replace(made, out=sent))["decision_id"]
        sent = sent[~np.array(ids.is_in(list(kept.decisions)), dtype=bool)]
    touch = made.desk.touches[sent[:, O_TOUCH]]
    anchor = made.desk.rows[touch[:, T_ROW]]
    table = np.zeros((len(sent), D_WIDTH), dtype=np.int64)
    table[:, D_ACTION], table[:, D_KIND] = sent[:, O_ACTION], sent[:, O_KIND]
    table[:, D_KNOWN] = sent[:, O_KNOWN]
    table[:, D_AT] = np.where(sent[:, O_KIND] == KIND_RELEASE, sent[:, O_TS], touch[:, T_TS])
    table[:, D_ANCHOR] = np.where(anchor[:, R_TICK] == 1, NO_ANCHOR, anchor[:, R_SEQ])
    table[:, D_CONTENT] = _contents(replace(made, out=sent))
    return table, which[sent[:, O_PERSON]]


def _contents(sent: Decided) -> NDArray[np.int64]:
    """Return a number for the wording of each delivery: of its variant, else of its offer."""
    offers = [each.offer.id if each.offer else "" for each in sent.rules.action_list]
    codes = np.array([_content(name) for name in offers], dtype=np.int64)[sent.out[:, O_ACTION]]
    variants = variants_of(sent)
    at = np.flatnonzero(variants.is_not_null())
    codes[at] = [_content(name) for name in variants.gather(at).to_list()]
    return codes


@cache
def _content(name: str) -> int:
    return keyed_hash("content", name) % _CONTENTS


def decision_ids(  # noqa: PLR0917 - what an id is made of
    action: pl.Series, kind: pl.Series, at: pl.Series, anchor: pl.Series, person: pl.Series,
    names: list[str],
) -> pl.Series:  # fmt: skip
    """Return the ids of decisions that responses answer; null where there is none.

    Args:
        action: Position of the action, -1 for none.
        kind: Kind of occurrence.
        at: Instant in the id.
        anchor: Number of the anchor event, -1 for a calendar's.
        person: Id of the person.
        names: Name of the programme of each action.
    """
    frame = pl.DataFrame({"a": action, "k": kind, "t": at, "e": anchor, "p": person})
    programme = pl.col("a").replace_strict(
        dict(enumerate(names)), default=None, return_dtype=pl.String
    )
    kinds = pl.col("k").replace_strict(dict(enumerate(KINDS)), default=None, return_dtype=pl.String)
    rest = pl.when(pl.col("e") == NO_ANCHOR).then("p").otherwise(pl.format("e{}", "e"))
    return frame.select(pl.format("{}:{}:{}:{}", programme, kinds, "t", rest)).to_series()
