"""Arguments of public functions against their annotations. Owns no rule about a value.

A wrong kind of argument (a path where an opened log is wanted, None, a frame) is an error with the
name, the value and what gives the right one, raised before any work is done.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import numbers
import types
import typing
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from workbench.errors import ParameterError, did_you_mean, problem

P = ParamSpec("P")
R = TypeVar("R")

_GIVEN_BY = {
    "Log": "an opened log, such as workbench.open_log gives",
    "LogLike": "an opened log, such as workbench.open_log gives",
    "Replay": "a replay, such as workbench.replay or workbench.open_replay gives",
    "Programme": "a programme, such as workbench.load_programmes gives",
    "Profile": "a profile, such as workbench.profile gives",
    "RfmScores": "scores, such as workbench.rfm_scores gives",
    "Simulation": "a simulated world, such as workbench.simulate gives",
    "Twins": "a difference of twins, such as workbench.effect_of gives",
    "World": "a world, such as workbench.load_world gives",
    "Segments": "segments, such as workbench.load_segments gives",
    "Switchback": "blocks of a switchback, such as workbench.switchback_units gives",
    "RfmSummary": "a summary, such as workbench.rfm_summary gives",
    "ClvFit": "a fit, such as workbench.fit_clv gives",
    "UpliftDraws": "draws of uplift, such as the decision of workbench.fit_uplift",
    "LearnedUplift": "learned uplift, such as workbench.learn_uplift gives",
    "Policy": "a policy, such as workbench.policy_of or workbench.read_policy gives",
    "Allocation": "an allocation, such as workbench.allocate gives",
    "CustomerValue": "customer values, such as the clv of workbench.fit_clv gives",
    "NotebookParameters": "the checked parameters of a notebook",
    "DataFrame": "a pandas or Polars frame",
    "LazyFrame": "a pandas or Polars frame",
    "Result": "a result",
    "Told": "a result",
    "str": "a text",
    "Path": "a path",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "NoneType": "None",
}


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that refuses an argument whose kind is not the annotated one.

    Raises:
        ParameterError: When it is called: an argument is of another kind, or none of the words that
            there are for it. Other values are the function's own to check.

    >>> @checked
    ... def half(amount_cents: int, *, label: str | None = None) -> float:
    ...     return amount_cents / 2
    >>> half(3, label=None)
    1.5
    >>> half("3")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: amount_cents was '3', must be a whole number
    """
    signature = inspect.signature(function)

    @functools.cache
    def hints() -> dict[str, Any]:
        import pandas as pd  # noqa: PLC0415 - loaded when a function is called, not with the package
        import polars as pl  # noqa: PLC0415 - same

        found = typing.get_type_hints(function, localns={"pd": pd, "pl": pl})
        return {name: types.NoneType if hint is None else hint for name, hint in found.items()}

    @functools.wraps(function)
    def call(*given: P.args, **named: P.kwargs) -> R:
        for name, value in signature.bind(*given, **named).arguments.items():
            kind = signature.parameters[name].kind
            values: tuple[object, ...] = (value,)
            if kind is inspect.Parameter.VAR_KEYWORD:
                values = tuple(value.values())
            elif kind is inspect.Parameter.VAR_POSITIONAL:
                values = tuple(value)
            for each in values:
                if not fits(each, hints().get(name, Any)):
                    wanted = hints()[name]
                    rule, hint = f"must be {_in_words(wanted)}", _nearest(each, wanted)
                    raise ParameterError(problem(name, each, rule, hint=hint))
        return function(*given, **named)

    return call


def fits(value: object, hint: Any) -> bool:
    """Say whether a value is of the kind of an annotation; what is not known here fits.

    >>> fits(True, int), fits(3, float), fits("a", str | None), fits("ab", list[str] | None)
    (False, True, True, False)
    >>> fits("week", Literal["day", "week"]), fits("weak", Literal["day", "week"])
    (True, False)
    """
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in get_args(hint))
    if origin is Literal:
        return any(type(value) is type(each) and value == each for each in get_args(hint))
    if origin is not None:
        return _holds(value, origin, get_args(hint))
    return hint is Any or not isinstance(hint, type) or _is_a(value, hint)


def _is_a(value: object, hint: type) -> bool:
    """Say whether a value is of a class; a truth value is no number, and a NumPy number is one."""
    if getattr(hint, "_is_protocol", False):
        return all(hasattr(value, name) for name in _members(hint))
    if isinstance(value, bool):
        return hint in (bool, object)
    if hint in (int, float):
        return isinstance(value, numbers.Integral if hint is int else numbers.Real)
    return isinstance(value, hint)


def _holds(value: object, origin: Any, arguments: tuple[Any, ...]) -> bool:
    """Say whether a value is such a container, and what it holds is of the kind."""
    if origin is collections.abc.Callable:
        return callable(value)
    if not isinstance(origin, type) or not isinstance(value, origin):
        return not isinstance(origin, type)
    if issubclass(origin, collections.abc.Sequence):
        inner = [each for each in arguments if each is not ...]
        if isinstance(value, str | bytes):
            return False
        if isinstance(value, collections.abc.Sequence) and len(inner) == 1:
            return all(fits(each, inner[0]) for each in value)
    if isinstance(value, collections.abc.Mapping) and len(arguments) == 2:  # noqa: PLR2004 - keys, values
        return all(
            fits(key, arguments[0]) and fits(each, arguments[1]) for key, each in value.items()
        )
    return True


def _nearest(value: object, hint: Any) -> str:
    """Return a question for the word that was meant, where an annotation lists words; else nothing."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal and isinstance(value, str):
        return did_you_mean(value, [each for each in inner if isinstance(each, str)])
    pairs: list[tuple[object, Any]] = []
    if origin in (Union, types.UnionType):
        pairs = [(value, each) for each in inner]
    elif isinstance(value, collections.abc.Iterable) and not isinstance(value, str) and inner:
        pairs = [(each, inner[0]) for each in value if not fits(each, inner[0])]
    return next((found for each, kind in pairs if (found := _nearest(each, kind))), "")


def _members(protocol: type) -> set[str]:
    names = set(getattr(protocol, "__annotations__", {}))
    names |= {
        name
        for name, part in vars(protocol).items()
        if callable(part) or isinstance(part, property)
    }
    return {name for name in names if not name.startswith("_")}


def _in_words(hint: Any) -> str:
    """Return what an annotation asks for, in words."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_in_words(each) for each in get_args(hint)))
    if origin is Literal:
        *some, last = (repr(each) for each in get_args(hint))
        return f"{', '.join(some)} or {last}" if some else last
    if origin is not None and isinstance(origin, type):
        if issubclass(origin, collections.abc.Sequence):
            inner = [_in_words(each) for each in get_args(hint) if each is not ...]
            return f"a sequence of which each is {' or '.join(inner)}"
        if issubclass(origin, collections.abc.Mapping):
            inner = [_in_words(each) for each in get_args(hint)]
            keys = f" from {inner[0]}" if inner and get_origin(get_args(hint)[0]) is Literal else ""
            return f"a mapping{keys} of which each value is {inner[1]}" if inner else "a mapping"
    if origin is collections.abc.Callable:
        return "a function"
    name = getattr(hint, "__name__", str(hint))
    return _GIVEN_BY.get(name, f"a {name}")
