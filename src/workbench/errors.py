"""The shape of an error: name, value, rule and next step. Owns no rule of its own.

Every error that a user can cause derives from :class:`WorkbenchError` and carries the exit
code with which the command line ends.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_SHOWN_VALUE_CHARACTERS = 120


class WorkbenchError(Exception):
    """An error that names what was wrong and what to do, shown to a user as one line."""

    exit_code = 1


class ParameterError(WorkbenchError):
    """A parameter, programme, mapping or run file breaks a rule."""

    exit_code = 64


class InputError(WorkbenchError):
    """Input data is missing, unreadable or breaks its contract."""

    exit_code = 65


class LockedError(WorkbenchError):
    """Another process is writing the same folder."""

    exit_code = 75


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `` — did you mean 'x'?`` for the nearest known word, or an empty string.

    >>> did_you_mean("sede", ["seed", "holdout_share"])
    " — did you mean 'seed'?"
    >>> did_you_mean("zzz", ["seed"])
    ''
    """
    names = sorted(set(known))
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=1, cutoff=0.6)
    return f" — did you mean '{folded[near[0]]}'?" if near else ""


def shown(value: object) -> str:
    """Return a value as it stands in an error text: quoted, on one line, cut when long.

    >>> shown("a" * 200)[-20:]
    'aa… (202 characters)'
    """
    text = "\\n".join(repr(value).splitlines())
    if len(text) <= _SHOWN_VALUE_CHARACTERS:
        return text
    return f"{text[:_SHOWN_VALUE_CHARACTERS]}… ({len(text)} characters)"


def problem(name: str, value: object, rule: str, *, where: str = "", hint: str = "") -> str:
    """Return an error text as name, value, rule, place and next step.

    >>> problem("holdout_share", 1.2, "must be at least 0 and below 1", where="params/lift.yaml")
    'holdout_share was 1.2, must be at least 0 and below 1 (params/lift.yaml)'
    """
    place = f" ({where})" if where else ""
    return f"{name} was {shown(value)}, {rule}{place}{hint}"
