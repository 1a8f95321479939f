"""What the core saw at each trigger of a programme, as labels: which level of which dimension holds.

A file of dimensions has a key a dimension, with its levels in order: ``name`` and ``when``.

Owns no condition and no feature: the levels are cells of policies, and a replay decides them. So a
label is what a policy with the same cells would see at the event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

import polars as pl
from pydantic import Field, model_validator

from workbench.arguments import checked
from workbench.decision.house import House, ProgrammeSet
from workbench.decision.programme import Programme
from workbench.decision.programme.choose import Cell
from workbench.decision.programme.types import Name
from workbench.decision.written import written
from workbench.errors import ParameterError, did_you_mean, problem
from workbench.files import read_text
from workbench.params import Parameters, read_yaml
from workbench.replay.job import LogLike
from workbench.replay.log_replay import replay

_OFFER = {
    "value_cents": 1,
    "cost_cents": 0,
    "redemption_rate": 0.0,
    "channel": "label",
}
_KEPT = ("trigger", "audience", "suppress", "features")
_OF_HOUSE = ("features", "columns", "zone")


@checked
def load_dimensions(path: str | Path) -> dict[str, tuple[Cell, ...]]:
    """Read dimensions and their levels from a file.

    Args:
        path: A YAML file: by name of a dimension a list of levels, each with ``name`` and ``when``.

    Returns:
        By name of a dimension its levels in order.

    Raises:
        InputError: The file does not exist or cannot be read.
        ParameterError: It has no dimension, a dimension has no level or one twice, or a name is not
            lower case.

    >>> list(load_dimensions("params/dimensions/app_offers.yaml"))
    ['frequency', 'basket', 'moment']
    """
    source = str(path)
    values = read_yaml(read_text(Path(path)), source=source)
    return dict(Dimensions.from_mapping({"dimensions": values}, source=source).dimensions)


class Dimensions(Parameters):
    """What may matter for the effect of an offer.

    Attributes:
        dimensions: By name the levels in order; the first whose condition holds counts.
    """

    dimensions: Annotated[
        dict[Name, Annotated[tuple[Cell, ...], Field(min_length=1, max_length=60)]],
        Field(min_length=1, max_length=12),
    ]

    @model_validator(mode="after")
    def _levels_differ(self) -> Self:
        for dimension, levels in self.dimensions.items():
            names = [level.name for level in levels]
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"has the level {twice[0]!r} twice in {dimension}")
        return self


@checked
def label_triggers(
    log: LogLike,
    programmes: Sequence[Programme],
    programme: str,
    dimensions: Mapping[str, Sequence[Cell]],
) -> pl.DataFrame:
    """Say of each trigger of a programme which level of each dimension holds at that moment.

    Args:
        log: A stored log.
        programmes: The programmes with their house, whose features the levels may use.
        programme: Name of the one whose triggers are labelled. Its audience and what it suppresses
            count; its limits, budget, consent and arms do not.
        dimensions: From :func:`load_dimensions`: by name of a dimension its levels in order; the
            first whose condition holds counts, and one that is not known does not hold.

    Returns:
        A row a trigger: ``set_id`` (as in the decision log), ``person``, ``ts``, and a column a
        dimension with the name of the level, null where none holds. In the order of time.

    Raises:
        ParameterError: There is no such programme, it is not of kind ``targeting``, there is no
            dimension, one is named like another column, or a condition names an unknown column.

    >>> from workbench.decision import load_programmes
    >>> programmes = load_programmes("params/programmes/grocery")
    >>> levels = [Cell(name="regular", when="purchases_90d >= 20"), Cell(name="other", when="TRUE")]
    >>> label_triggers(log, programmes, programmes[0].name, {"frequency": levels}).columns
    ['set_id', 'person', 'ts', 'frequency']
    """
    whole = ProgrammeSet.of(programmes)
    names = [each.name for each in whole]
    if programme not in names:
        rule = f"must be one of {', '.join(names)}"
        raise ParameterError(
            problem("programme", programme, rule, hint=did_you_mean(programme, names))
        )
    plain = written(whole)
    mine = plain["programmes"][names.index(programme)]
    if mine["kind"] != "targeting":
        rule = "must be of kind targeting: only what an event triggers has triggers to label"
        raise ParameterError(problem("programme", programme, rule))
    if not dimensions:
        raise ParameterError("dimensions was empty; name at least one with its levels")
    taken = {"set_id", "person", "ts"} & set(dimensions)
    if taken:
        raise ParameterError(
            problem("dimensions", min(taken), "is a column of every label table; name it otherwise")
        )
    columns = dict(whole.columns)
    house = House.from_mapping(
        {
            "slot": len(dimensions),
            **{key: plain["house"][key] for key in _OF_HOUSE if key in plain["house"]},
        },
        source="dimensions",
    )
    asked = ProgrammeSet.of(
        [_asking(mine, name, levels, columns) for name, levels in dimensions.items()],
        house,
        source="dimensions",
        columns=columns,
    )
    decided = (
        replay(log, asked)
        .decisions()
        .select("set_id", "person", "ts", "programme", "offer_id", "delivered")
        .with_columns(pl.col("programme", "offer_id").cast(pl.String))
        .collect()
    )
    triggers = decided.select("set_id", "person", "ts").unique(maintain_order=True)
    found = decided.filter("delivered")
    for name in dimensions:
        level = found.filter(pl.col("programme") == name).select(
            "set_id", pl.col("offer_id").alias(name)
        )
        triggers = triggers.join(level, on="set_id", how="left")
    return triggers


def _asking(
    mine: Mapping[str, Any], name: str, levels: Sequence[Cell], columns: Mapping[str, Any]
) -> Programme:
    """Return a programme that triggers as the named one, and chooses the level that holds."""
    values = {
        "name": name,
        "stage": mine["stage"],
        "kind": "targeting",
        **{key: mine[key] for key in _KEPT if key in mine},
        "offers": [{"id": level.name, **_OFFER} for level in levels],
        "choose": {
            "by": "policy",
            "policy": {
                "cells": [{"name": level.name, "when": level.when} for level in levels],
                "scores_cents": {level.name: {level.name: 1.0} for level in levels},
            },
        },
        "experiment": {"holdout_share": 0, "salt": name},
    }
    return Programme.from_mapping(values, source=f"dimensions.{name}", columns=columns)


__all__ = ["label_triggers", "load_dimensions"]
