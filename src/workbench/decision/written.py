"""Programmes as plain values and back, and with single keys changed. Owns no file and no rule.

What a decision log keeps of its programmes, and how a what-if changes one key of them: the changed
set passes the checks of one that was read from files, but a limit may stand that can never bind. What
that limit would have done is a fair question, and the answer is: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.decision.durations import Duration, TimeOfDay
from workbench.decision.house import House, ProgrammeSet
from workbench.decision.programme import WHAT_IF, Programme
from workbench.errors import InputError, ParameterError, did_you_mean, problem
from workbench.params import Parameters

HOUSE = "house"
"""The name that stands for the house in the path of a key."""

Value = bool | int | float | str | None
"""What a changed key may hold: what one word of a programme file can say."""


def written(programmes: ProgrammeSet) -> dict[str, Any]:
    """Return programmes and their house as plain values that JSON can hold.

    >>> from workbench.decision import load_programmes
    >>> programmes = load_programmes("params/programmes")
    >>> read_back(written(programmes), source="manifest").digest == programmes.digest
    True
    """
    return {
        "house": _plain(programmes.house),
        "programmes": [_plain(each) for each in programmes],
        "columns": dict(programmes.columns),
        "digest": programmes.digest,
    }


def read_back(values: Mapping[str, Any], *, source: str) -> ProgrammeSet:
    """Return the programmes that :func:`written` has written, checked again.

    Raises:
        InputError: They are not the programmes that were written.
    """
    try:
        house = House.from_mapping(values["house"], source=source)
        columns = dict(values["columns"])
        programmes = ProgrammeSet.of(
            [
                Programme.from_mapping(each, source=source, context=WHAT_IF, columns=columns)
                for each in values["programmes"]
            ],
            house,
            source=source,
            columns=columns,
            whole=False,
        )
    except (KeyError, TypeError, ParameterError) as error:
        raise InputError(f"{source} holds no programmes that can be read: {error}") from None
    if programmes.digest != values["digest"]:
        raise InputError(
            f"{source} holds other programmes than it says, or another version of them; replay again"
        )
    return programmes


def changed(programmes: ProgrammeSet, changes: Mapping[str, Value]) -> ProgrammeSet:
    """Return programmes with single keys changed, checked as a whole.

    Args:
        programmes: The programmes; they stay as they are.
        changes: By the path of a key, such as ``lunch_basket.limits.caps.0.count`` or
            ``house.caps.0.count``, its new value as a file would write it; none takes it out.

    Raises:
        ParameterError: There is no such key, or its new value breaks a rule.

    >>> from workbench.decision import load_programmes
    >>> programmes = load_programmes("params/programmes/grocery")
    >>> changed(programmes, {"lunch_basket.limits.cooldown": "3 days"})[0].limits.cooldown.us // 86_400_000_000
    3
    >>> changed(programmes, {"lunch_basket.limits.caps.0.coutn": 3})
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: lunch_basket.limits.caps.0.coutn: limits.caps.0.coutn is not a parameter — did you mean 'count'?
    """
    names = [HOUSE, *(each.name for each in programmes)]
    values: dict[str, dict[str, Any]] = {}
    for path, value in changes.items():
        name, *keys = path.split(".")
        if name not in names or not keys:
            rule = f"must begin with one of {', '.join(names)} and name a key of it"
            hint = "" if name in names else did_you_mean(name, names)
            raise ParameterError(problem("key", path, rule, hint=hint))
        if name not in values:
            values[name] = _plain(_model(programmes, name))
        _put(values[name], keys, value, path)
    told = ", ".join(changes)
    house = programmes.house
    if HOUSE in values:
        house = House.from_mapping(values[HOUSE], source=told)
    columns = dict(programmes.columns)
    made = [
        Programme.from_mapping(values[each.name], source=told, context=WHAT_IF, columns=columns)
        if each.name in values
        else each
        for each in programmes
    ]
    return ProgrammeSet.of(made, house, source=told, columns=columns, whole=False)


def key_of(programmes: ProgrammeSet, path: str) -> Any:
    """Return what stands at the path of a key; none when the file does not say it.

    >>> from workbench.decision import load_programmes
    >>> key_of(load_programmes("params/programmes/grocery"), "lunch_basket.limits.caps.0.count")
    2
    """
    name, *keys = path.split(".")
    found: Any = _model(programmes, name)
    for key in keys:
        if isinstance(found, Sequence) and not isinstance(found, str):
            found = found[int(key)] if key.isdecimal() and int(key) < len(found) else None
        elif isinstance(found, Mapping):
            found = found.get(key)
        else:
            found = getattr(found, key, None)
    return found


def _model(programmes: ProgrammeSet, name: str) -> Parameters:
    if name == HOUSE:
        return programmes.house
    return next(each for each in programmes if each.name == name)


def _put(values: dict[str, Any], keys: Sequence[str], value: Value, path: str) -> None:
    """Put a value at a path of keys, making the mappings on the way."""
    held: Any = values
    *way, last = keys
    for key in way:
        if isinstance(held, list):
            held = held[_place(held, key, path)]
        elif held.get(key) is None and value is None:
            return  # what is to be taken out is not there
        else:
            if held.get(key) is None:
                held[key] = {}
            held = held[key]
        if not isinstance(held, dict | list):
            raise ParameterError(problem("key", path, f"goes on below {key}, which has no keys"))
    if isinstance(held, list):
        held[_place(held, last, path)] = value
    elif value is None:
        held.pop(last, None)
    else:
        held[last] = value


def _place(held: Sequence[Any], key: str, path: str) -> int:
    if not key.isdecimal() or int(key) >= len(held):
        rule = f"must name one of the {len(held)} entries by its number, from 0 on"
        raise ParameterError(problem("key", path, rule))
    return int(key)


def _plain(value: Any) -> Any:
    """Return what was said of a model as a file says it; what was left out stays left out."""
    if isinstance(value, Parameters):
        fields = type(value).model_fields
        return {
            fields[name].alias or name: _plain(getattr(value, name))
            for name in sorted(value.model_fields_set)
        }
    if isinstance(value, Duration | TimeOfDay):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
