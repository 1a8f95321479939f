"""Gates: checks with a value and a rule, and whether all hold. Owns no check and no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from workbench import text


class Check(NamedTuple):
    """One check: what was measured, its value as text, the rule, and whether it holds."""

    name: str
    value: str
    rule: str
    passed: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Gate(text.Result):
    """Checks with their values; ``passed`` only when every one holds.

    >>> gate([Check("repeat customers", "12", "at least 100", False)], "fit").text
    'The gate of the fit did not pass: repeat customers was 12, must be at least 100.'
    """

    passed: bool


def gate(checks: Sequence[Check], subject: str) -> Gate:
    """Return the gate of some checks; there must be at least one."""
    failed = [check for check in checks if not check.passed]
    if failed:
        parts = [f"{check.name} was {check.value}, must be {check.rule}" for check in failed]
        said = f"The gate of the {subject} did not pass: {'; '.join(parts)}."
    else:
        parts = [f"{check.name} {check.value} ({check.rule})" for check in checks]
        said = f"The gate of the {subject} passed: {'; '.join(parts)}."
    return Gate(
        table=pd.DataFrame(checks, columns=list(Check._fields)),
        text=said,
        passed=bool(checks) and not failed,
    )
