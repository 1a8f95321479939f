"""Random streams: one for each name, and no consumer shifts another."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import ParameterError
from workbench.streams import keyed_hash, spawn_seed, stream


def draws(seed: int, name: str) -> list[int]:
    return stream(seed, name).integers(2**62, size=4).tolist()


def test_a_stream_is_the_same_each_time() -> None:
    assert draws(7, "holdout") == draws(7, "holdout")


def test_a_stream_is_the_same_in_another_process() -> None:
    code = "from workbench.streams import *; print(stream(7, 'holdout').integers(2**62, size=4).tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(draws(7, "holdout"))


def test_another_consumer_shifts_no_stream() -> None:
    alone = draws(7, "holdout")
    stream(7, "arrivals").normal(size=1_000)
    first = stream(7, "holdout")
    stream(7, "weather").normal(size=3)
    assert first.integers(2**62, size=4).tolist() == alone


def test_names_and_seeds_give_different_draws() -> None:
    seen = {tuple(draws(seed, name)) for seed in range(20) for name in ("a", "b", "A", "a ", "ab")}
    assert len(seen) == 100


def test_streams_are_not_correlated() -> None:
    a, b = stream(7, "a").normal(size=10_000), stream(7, "b").normal(size=10_000)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05


@pytest.mark.parametrize(
    ("seed", "name", "said"),
    [
        (-1, "a", "seed was -1, must be from 0"),
        (2**64, "a", "must be from 0"),
        (1.5, "a", "seed was 1.5, must be a whole number"),
        (True, "a", "seed was True, must be a whole number"),
        (1, "", "must not be empty"),
    ],
)
def test_a_bad_seed_or_name_is_refused(seed, name: str, said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        stream(seed, name)


def test_a_spawned_seed_fits_in_32_bits() -> None:
    assert all(0 <= spawn_seed(seed, "nuts") < 2**32 for seed in (0, 1, 2**64 - 1))
    assert spawn_seed(1, "nuts") != spawn_seed(2, "nuts")


PARTS = st.lists(st.one_of(st.text(max_size=3), st.integers(-5, 5)), max_size=3)


@settings(deadline=None)
@given(left=PARTS, right=PARTS)
def test_a_keyed_hash_knows_where_a_part_ends(
    left: list[str | int], right: list[str | int]
) -> None:
    assert (keyed_hash(*left) == keyed_hash(*right)) is (left == right)
    assert 0 <= keyed_hash(*left) < 2**64
