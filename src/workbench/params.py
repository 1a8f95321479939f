"""Strict, frozen parameter models with a digest. Owns no file: callers pass text and its source.

A model refuses an unknown key, a wrong type and a duplicate key before any work is done, and
says so with the file, the key, what it was, the rule and, for a misspelling, the nearest name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Hashable, Mapping
from typing import Any, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from workbench.errors import ParameterError, did_you_mean, problem, shown

_SUBJECT = re.compile(r"^(Tuple|List|Dictionary|String|Value) should ")
_EXPONENT = re.compile(r"(?P<whole>[+-]?[0-9]+(\.[0-9]*)?)[eE](?P<sign>[+-]?)(?P<power>[0-9]+)")


class Parameters(BaseModel):
    """Base of every parameter model: strict types, no unknown keys, frozen, with a digest.

    >>> class Lift(Parameters):
    ...     seed: int
    ...     holdout_share: float = 0.1
    >>> Lift.from_mapping({"sede": 3}, source="params/lift.yaml")
    Traceback (most recent call last):
    ...
    workbench.errors.ParameterError: params/lift.yaml: sede is not a parameter — did you mean 'seed'?; seed is missing
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)

    @classmethod
    def from_mapping(
        cls,
        values: Mapping[str, Any],
        *,
        source: str,
        context: Mapping[str, Any] | None = None,
    ) -> Self:
        """Check values against the model.

        Args:
            values: Names and values, as they come from a file or a notebook cell.
            source: What the values came from, named in every error.
            context: What the rules of the model are told beside the values.

        Raises:
            ParameterError: A key is unknown or missing, or a value breaks its rule.
        """
        try:
            return cls.model_validate(_lists_as_tuples(dict(values)), context=context)
        except ValidationError as error:
            lines = [_line(cls, detail) for detail in _first_causes(error.errors())]
            raise ParameterError(f"{source}: {'; '.join(lines)}") from None

    @classmethod
    def from_yaml(cls, text: str, *, source: str) -> Self:
        """Check a YAML text against the model; duplicate keys are an error.

        Raises:
            ParameterError: The text is not YAML, not a mapping, or breaks the model.
        """
        return cls.from_mapping(read_yaml(text, source=source), source=source)

    @property
    def digest(self) -> str:
        """The SHA-256 of the canonical JSON of all values, defaults included."""
        return digest_of(self.model_dump(mode="json"))


ParametersT = TypeVar("ParametersT", bound=Parameters)


def digest_of(value: object) -> str:
    """Return the SHA-256 of a JSON-able value, independent of the order of keys.

    Raises:
        ParameterError: The value holds NaN or an infinity, which JSON does not have.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    try:
        text = json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except ValueError:
        rule = "must not hold NaN or an infinity to have a digest"
        raise ParameterError(problem("value", value, rule)) from None
    return hashlib.sha256(text.encode()).hexdigest()


def read_yaml(text: str, *, source: str) -> dict[str, Any]:
    """Read a YAML mapping strictly: no duplicate keys, no aliases, no tags that build objects.

    A date stays a date-like string, so that nothing is converted behind the reader's back.

    Raises:
        ParameterError: The text is not YAML, holds a duplicate key, or is not a mapping.
    """
    try:
        value = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that allows less
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        raise ParameterError(f"{source}: not readable as YAML: {message}") from None
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise ParameterError(f"{source}: must hold names and values, was a {type(value).__name__}")
    for key in value:
        if not isinstance(key, str):
            raise ParameterError(
                f"{source}: {problem('a key', key, 'must be text; put it in quotes')}"
            )
    return value


class _StrictLoader(yaml.SafeLoader):
    """YAML's safe loader without duplicate keys, aliases, merges, dates, bytes and sets."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stub leaves it untyped
            raise yaml.constructor.ConstructorError(
                None, None, "aliases are not allowed; write the value out", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    "merge keys are not allowed; write the values out",
                    key_node.start_mark,
                )
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be plain text", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"duplicate key {shown(key)}", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


_StrictLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.yaml_constructors = {
    tag: construct
    for tag, construct in yaml.SafeLoader.yaml_constructors.items()
    if tag is None
    or tag.rpartition(":")[2] in {"null", "bool", "int", "float", "seq", "map", "str"}
}


def _lists_as_tuples(value: Any) -> Any:
    """Turn the lists of YAML into the tuples that frozen models hold."""
    if isinstance(value, Mapping):
        return {key: _lists_as_tuples(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_lists_as_tuples(item) for item in value)
    return value


def _first_causes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out the errors of a list or a mapping that only follow from errors inside it."""
    places = [detail["loc"] for detail in details]
    return [
        detail
        for detail, place in zip(details, places, strict=True)
        if not any(len(other) > len(place) and other[: len(place)] == place for other in places)
    ]


def _line(model: type[BaseModel], detail: ErrorDetails) -> str:
    """Say one validation error as name, value and rule."""
    location = ".".join(str(part) for part in detail["loc"]) or "the file"
    match detail["type"]:
        case "extra_forbidden":
            known = _known_names(model, detail["loc"][:-1])
            return f"{location} is not a parameter{did_you_mean(str(detail['loc'][-1]), known)}"
        case "missing":
            return f"{location} is missing"
    rule = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if not detail["loc"] and " was " in rule:
        return rule  # of a rule between parameters, which names them itself
    rule = _SUBJECT.sub("must ", rule).replace(" after validation", "")
    rule = rule.replace("a valid tuple", "a list").replace("a valid dictionary", "names and values")
    rule = rule if rule.startswith(("must", "has", "is ")) else f"must be {rule}"
    return problem(location, detail["input"], rule + _yaml_trap(detail["input"]))


def _known_names(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the names that stand where an unknown one was found."""
    found: list[type[BaseModel]] = [model]
    for part in location:
        if not isinstance(part, str):
            continue
        deeper = [
            inner
            for outer in found
            for name, field in outer.model_fields.items()
            if part in (name, field.alias)
            for inner in _models_in(field.annotation)
        ]
        found = deeper or found
    return [field.alias or name for each in found for name, field in each.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models inside an annotation such as ``tuple[Offer, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def _yaml_trap(value: object) -> str:
    """Explain the two values that YAML turns into something else."""
    if isinstance(value, bool):
        return " (YAML reads no, yes, on and off as true or false: put text in quotes)"
    if isinstance(value, str) and (number := _EXPONENT.fullmatch(value)):
        whole = number["whole"] + ("" if "." in number["whole"] else ".0")
        meant = f"{whole}e{number['sign'] or '+'}{number['power']}"
        return f" (YAML reads {value} as text: write {meant})"
    return ""
