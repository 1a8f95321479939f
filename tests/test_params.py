"""Strict parameter models: every trap of YAML and every misspelling has one clear line."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, field_validator

from workbench.errors import ParameterError
from workbench.params import Parameters, digest_of, read_yaml


class Offer(Parameters):
    name: str
    cost_cents: Annotated[int, Field(ge=0)] = 0


class Limits(Parameters):
    cap: int = 1
    window: Literal["day", "week"] = "day"


class Programmes(Parameters):
    offers: tuple[Offer, ...] = Field(min_length=1)


class Programme(Parameters):
    seed: int
    title: str = "none"
    share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    active: bool = True
    limits: Limits = Limits()
    offers: tuple[Offer, ...] = ()
    second: Limits | None = None

    @field_validator("title")
    @classmethod
    def _title(cls, title: str) -> str:
        if title == "bad":
            raise ValueError("must not be bad")
        return title


def refusal(text: str) -> str:
    with pytest.raises(ParameterError) as caught:
        Programme.from_yaml(text, source="params/p.yaml")
    message = str(caught.value)
    assert message.startswith("params/p.yaml: ")
    assert "\n" not in message, "one line"
    return message.removeprefix("params/p.yaml: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("offers: [{nme: a}]", "p: offers.0.name is missing; offers.0.nme is not a parameter"),
        ("offers: []", "p: offers was (), must have at least 1 item, not 0"),
        ("offers: 3", "p: offers was 3, must be a list"),
    ],
)
def test_a_fault_in_a_list_is_told_once_and_an_empty_list_in_words(text: str, said: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Programmes.from_yaml(text, source="p")
    assert str(caught.value).startswith(said)
    assert "offers was ({" not in str(caught.value)


def test_a_good_file_is_read() -> None:
    found = Programme.from_yaml(
        "seed: 3\nshare: 0.25\nlimits: {cap: 2}\noffers:\n- name: tea\n- {name: cake, cost_cents: 5}\n",
        source="p",
    )
    assert found.limits.cap == 2
    assert found.offers == (Offer(name="tea"), Offer(name="cake", cost_cents=5))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\nsede: 3", "sede is not a parameter — did you mean 'seed'?"),
        ("seed: 1\nlimits: {cpa: 3}", "limits.cpa is not a parameter — did you mean 'cap'?"),
        (
            "seed: 1\nsecond: {windw: day}",
            "second.windw is not a parameter — did you mean 'window'?",
        ),
        (
            "seed: 1\noffers:\n- {name: a}\n- {name: b, cost_cent: 1}",
            "offers.1.cost_cent is not a parameter — did you mean 'cost_cents'?",
        ),
        ("seed: 1\nzzz: 3", "zzz is not a parameter"),
        ("title: a", "seed is missing"),
        ("seed: 1\noffers: [{}]", "offers.0.name is missing"),
        ("seed: '1'", "seed was '1', must be a valid integer"),
        ("seed: 1.0", "seed was 1.0, must be a valid integer"),
        ("seed: null", "seed was None, must be a valid integer"),
        ("seed: yes", "seed was True, must be a valid integer (YAML reads no, yes, on and off"),
        ("seed: 1\ntitle: no", "title was False, must be a valid string (YAML reads no, yes"),
        ("seed: 1\nactive: 1", "active was 1, must be a valid boolean"),
        (
            "seed: 1\nshare: 1e3",
            "share was '1e3', must be a valid number (YAML reads 1e3 as text: write 1.0e+3)",
        ),
        ("seed: 1\nshare: 1e-3", "(YAML reads 1e-3 as text: write 1.0e-3)"),
        ("seed: 1\nshare: 1.5", "share was 1.5, must be less than 1"),
        ("seed: 1\nshare: .nan", "share was nan, must be"),
        ("seed: 1\nshare: .inf", "share was inf, must be"),
        ("seed: 1\nlimits: {window: month}", "limits.window was 'month', must be 'day' or 'week'"),
        ("seed: 1\ntitle: bad", "title was 'bad', must not be bad"),
        ("seed: 1\nlimits: 3", "limits was 3, must be"),
        ("seed: 1\noffers: {name: a}", "offers was"),
        ("seed: 2017-07-01", "seed was '2017-07-01', must be a valid integer"),
    ],
)
def test_a_broken_rule_names_the_key_the_value_and_the_rule(text: str, said: str) -> None:
    assert said in refusal(text)


def test_every_fault_is_listed_at_once() -> None:
    message = refusal("sede: 1\nshare: 2")
    for said in ("sede is not a parameter", "seed is missing", "share was 2, must be"):
        assert said in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\nseed: 2", "duplicate key 'seed'"),
        ("seed: 1\nlimits:\n  cap: 1\n  cap: 2", "duplicate key 'cap'"),
        ("seed: 1\n'seed': 2", "duplicate key 'seed'"),
        ("seed: &a 1\nshare: *a", "aliases are not allowed"),
        ("a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]", "aliases are not allowed"),
        ("seed: 1\nlimits: {<<: {cap: 2}}", "merge keys are not allowed"),
        ("seed: !!python/object/apply:os.system ['true']", "not readable as YAML"),
        ("seed: !!python/name:os.system", "not readable as YAML"),
        ("!!python/object/new:os.system [x]", "not readable as YAML"),
        ("seed: !!binary aGVsbG8=", "could not determine a constructor for the tag"),
        ("seed: 1\ntitle: !!set {a}", "could not determine a constructor for the tag"),
        ("seed: !!timestamp 2017-07-01", "could not determine a constructor for the tag"),
        ("seed: [1", "not readable as YAML"),
        ("seed: 1\n\tshare: 2", "not readable as YAML"),
        ("- 1\n- 2", "must hold names and values, was a list"),
        ("just text", "must hold names and values, was a str"),
        ("1: 2", "a key was 1, must be text"),
        ("no: 2", "a key was False, must be text; put it in quotes"),
        ("seed: 1\nlimits: {1: 2}", "limits"),
        ("? [a]\n: 1", "key"),
        ("seed: 1\n---\nseed: 2", "not readable as YAML"),
        ("[" * 5_000, "not readable as YAML"),
        ("seed: " + "9" * 5_000, "not readable as YAML"),
        ("", "seed is missing"),
        ("seed: \x00", "not readable as YAML"),
    ],
)
def test_a_trap_of_yaml_is_one_clear_line(text: str, said: str) -> None:
    assert said in refusal(text)


def test_a_date_and_a_sexagesimal_stay_what_was_written() -> None:
    assert read_yaml("day: 2017-07-01\nat: '12:30'", source="p") == {
        "day": "2017-07-01",
        "at": "12:30",
    }


def test_a_model_is_frozen() -> None:
    found = Programme(seed=1)
    with pytest.raises(ValueError, match="frozen"):
        found.seed = 2  # type: ignore[misc]  # the fault


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(values=st.dictionaries(st.text(), VALUES, max_size=4))
def test_a_digest_does_not_depend_on_the_order_of_keys(values: dict[str, object]) -> None:
    assert digest_of(values) == digest_of(dict(reversed(values.items())))


def test_a_digest_depends_on_every_value_and_not_on_the_spelling() -> None:
    base = Programme.from_yaml("seed: 1", source="p")
    assert base.digest == Programme.from_yaml("share: 0.1\nseed: 0x1", source="q").digest
    others = ["seed: 2", "seed: 1\nshare: 0.2", "seed: 1\nlimits: {cap: 2}", "seed: 1\nsecond: {}"]
    digests = {Programme.from_yaml(text, source="p").digest for text in others}
    assert len(digests | {base.digest}) == 5


def test_a_digest_of_nan_is_refused() -> None:
    with pytest.raises(ParameterError, match="NaN"):
        digest_of({"a": math.nan})
