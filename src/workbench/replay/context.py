"""The values that conditions saw at one event of a person, from the columns of the replay itself.

Owns the look-up of a touch's columns and their words. Evaluates no condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from workbench.conditions import Expression
from workbench.conditions.nodes import columns_in
from workbench.conditions.written import literal
from workbench.decision.plan import Role
from workbench.errors import WorkbenchError
from workbench.replay import events, touches
from workbench.replay.one_person import OnePerson

Values = Mapping[str, Any]


def role_of(person: OnePerson, programme: int, role: int) -> Role:
    """Return what a touch's event is to its programme."""
    for each in person.job.roles:
        if (each.position, each.role) == (programme, role):
            return each
    raise WorkbenchError("a touch without a role; this is a fault of explain")


def trigger_values(person: OnePerson, role: Role, row: int) -> Values:
    """Return the columns of the role's own condition on an event."""
    names = role.when.columns if role.when is not None else frozenset()
    return _at(person, row, frozenset(names))


def inner_values(person: OnePerson, role: Role, row: int) -> Values:
    """Return the columns of the conditions beside it: local time is that of the deadline."""
    read = person.read
    if not role.moves:
        return _at(person, row, role.inner)
    at = pl.Series([row], dtype=pl.Int64)
    return touches.moved(read.frame, read.figures, person.job, role, at).row(0, named=True)


def _at(person: OnePerson, row: int, names: frozenset[str]) -> Values:
    read = person.read
    rows = np.array([row], dtype=np.int64)
    return events.context_of(read.frame[row], read.figures, rows, names, person.job).row(
        0, named=True
    )


def seen(condition: Expression, values: Values) -> str:
    """Return what a condition saw, column by column in the order in which it names them.

    >>> from workbench.conditions import check
    >>> rule = check("a >= 10 AND b = 'x'", {"a": "number", "b": "text"}, where="x")
    >>> seen(rule, {"a": 7, "b": None})
    'a = 7, b not known'
    """
    names = sorted({each.name for each in columns_in(condition.node)}, key=condition.text.find)
    return ", ".join(
        f"{name} not known" if values[name] is None else f"{name} = {literal(values[name])}"
        for name in names
    )
